//! The worker as the rest of the program sees it: started when needed, ended when it takes too long, started anew.

use super::export;
use super::failure;
use super::language::Hit;
use super::launch::{self, Running, Worker};
use super::protocol::{Column, Limits, Parquet, Request, Response, Tuning, Values, send};
use super::results::shown;
use super::schema::Schema;
use super::scratch;
use super::sources::Source;
use crate::error::{Error, Exit, Result};
use crate::output::{self, file};
use crate::units::MB;
use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The argument that makes this program a worker.
pub const WORKER: &str = "query-worker";
/// How long a query may go on after DuckDB was told to end it: some of its functions do not listen.
const GRACE: Duration = Duration::from_secs(2);
/// How often the worker's memory is looked at, and what it may hold beside what DuckDB counts: a quarter of that and this.
/// Values under way (a row's long strings, a function's intermediate result) are not counted by DuckDB.
const LOOK: Duration = Duration::from_millis(25);
const UNCOUNTED: u64 = 256 * MB;
/// After how long progress is shown, and how often then.
const QUIET: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_millis(200);

/// What to open, and with how much.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The sources.
    pub sources: Vec<Source>,
    /// What the worker may use.
    pub limits: Limits,
    /// A folder for files that queries make.
    pub output: Option<PathBuf>,
    /// The zone of timestamps, by its IANA name.
    pub zone: String,
    /// How DuckDB is to run.
    pub tuning: Tuning,
    /// The folder of DuckDB's extensions, which need not be there.
    pub extensions: PathBuf,
}

/// A query and what may come of it.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// One SELECT.
    pub sql: String,
    /// The most rows.
    pub rows: Option<u64>,
    /// The most bytes of values.
    pub bytes: Option<u64>,
    /// The most time.
    pub timeout: Duration,
    /// Whether further queries follow, so that tables are best loaded whole.
    pub whole_tables: bool,
    /// Whether to return the plan with times.
    pub profile: bool,
    /// Writes Parquet instead of returning rows.
    pub parquet: Option<Parquet>,
    /// Nothing else will be asked: the worker ends while its rows are written.
    pub last: bool,
}

/// How a query ended.
#[derive(Debug, Clone, Default)]
pub struct Done {
    /// Rows returned or written.
    pub rows: u64,
    /// Which cap cut it off: `rows` or `bytes`.
    pub truncated: Option<String>,
    /// The plan with times.
    pub profile: Option<String>,
    /// The tables it read.
    pub tables: Vec<String>,
}

/// Takes a query's result as it comes.
pub trait Sink {
    /// Takes the columns, once, before the rows.
    ///
    /// # Errors
    /// Those of writing; the query is then ended.
    fn columns(&mut self, columns: &[Column]) -> Result<()>;
    /// Takes some rows.
    ///
    /// # Errors
    /// Those of writing; the query is then ended.
    fn rows(&mut self, rows: Vec<Vec<serde_json::Value>>) -> Result<()>;
}

/// Data that can be asked.
#[derive(Debug)]
pub struct Engine {
    setup: Setup,
    worker: Option<Running>,
    state: State,
    /// The worker's own folder; emptied and removed at the end.
    scratch: Scratch,
    quiet: bool,
    /// What views of the sources read, once that is known.
    archives: Option<Vec<PathBuf>>,
}

/// What the worker is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It was told to open the sources.
    Opening,
    /// It has opened them.
    Open,
    /// It is not there, or on its way out.
    Gone,
}

/// A folder for one run. Whatever ends the run, it is removed, and so is what is half written elsewhere.
#[derive(Debug)]
pub struct Scratch {
    folder: TempDir,
    ending: Ending,
}

impl Scratch {
    /// A private folder, on a disk rather than in memory where there is one: in `planned` where this user may write
    /// there, or where TMPDIR says. `target` is the file that is written, `output` a folder on its way there.
    ///
    /// # Errors
    /// No folder that can be written to.
    pub fn new(planned: Option<&Path>, target: Option<&Path>, output: Option<&Path>) -> Result<Self> {
        let folder = scratch::make(planned)?;
        let folders = std::iter::once(folder.path()).chain(output).map(Path::to_owned).collect();
        let ending = Ending::watch(folders, target.map(|t| file::folder(t).to_owned()));
        Ok(Scratch { folder, ending })
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

impl Engine {
    /// Makes ready: `worker`, or one that is started for it, begins to open the sources, and nobody waits for it yet.
    ///
    /// # Errors
    /// No worker can be started.
    pub fn new(setup: Setup, scratch: Scratch, worker: Option<Worker>) -> Result<Self> {
        let mut engine = Engine { setup, worker: None, state: State::Gone, scratch, quiet: false, archives: None };
        engine.begin(worker)?;
        Ok(engine)
    }

    /// What is asked, as a text by which a later run knows whether it is the same: each source's name and place, without
    /// passwords.
    #[must_use]
    pub fn sources(&self) -> String {
        let mut all: Vec<String> =
            self.setup.sources.iter().map(|s| format!("{}={}", s.name, s.place.shown())).collect();
        all.sort();
        all.join(" ")
    }

    /// Shows no progress on stderr any more, where somebody else does.
    pub fn quiet(&mut self) {
        self.quiet = true;
    }

    /// The tables and columns that there are.
    ///
    /// # Errors
    /// A source that cannot be opened.
    pub fn describe(&mut self) -> Result<Schema> {
        self.ensure()?;
        match self.ask(&Request::Describe, None, &mut |_| Ok(()))? {
            Response::Described(schema) => Ok(schema),
            _ => Err(confused()),
        }
    }

    fn begin(&mut self, worker: Option<Worker>) -> Result<()> {
        let worker = worker.map_or_else(launch::start, Ok).map_err(cannot_start)?;
        self.scratch.ending.started(worker.pid());
        let request = Request::Open {
            sources: self.setup.sources.clone(),
            limits: self.setup.limits.clone(),
            scratch: self.scratch.path().to_owned(),
            output: self.setup.output.clone(),
            zone: self.setup.zone.clone(),
            tuning: self.setup.tuning,
            archives: self.archives.clone(),
            extensions: self.setup.extensions.clone(),
        };
        let mut running = Running::new(worker).map_err(cannot_start)?;
        // Where it cannot be told, it has ended, which is found when its answer is waited for.
        let _ = send(&mut running.requests, &request);
        (self.worker, self.state) = (Some(running), State::Opening);
        Ok(())
    }

    /// Looks into the data.
    ///
    /// # Errors
    /// Data that cannot be read.
    pub fn study(&mut self) -> Result<(Schema, Vec<Values>)> {
        self.ensure()?;
        match self.ask(&Request::Study, None, &mut |_| Ok(()))? {
            Response::Studied { schema, values } => Ok((schema, values)),
            _ => Err(confused()),
        }
    }

    /// Finds a text as a whole value; nothing where that takes too long or fails.
    pub fn find(&mut self, text: &str, columns: &[(String, String)], millis: u64) -> Vec<Hit> {
        let request = Request::Find { text: text.to_owned(), columns: columns.to_vec(), millis };
        let patience = Duration::from_millis(millis) + GRACE;
        match self.ensure().and_then(|()| self.ask(&request, Some(patience), &mut |_| Ok(()))) {
            Ok(Response::Found(hits)) => {
                hits.into_iter().map(|(table, column, value)| Hit { table, column, value }).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Checks a query without running it: the columns of its result.
    ///
    /// # Errors
    /// A query that may not run, or does not fit the tables.
    pub fn check(&mut self, sql: &str) -> Result<Vec<Column>> {
        self.ensure()?;
        match self.ask(&Request::Check { sql: sql.to_owned() }, None, &mut |_| Ok(()))? {
            Response::Columns(columns) => Ok(columns),
            _ => Err(confused()),
        }
    }

    /// Checks and runs a query.
    ///
    /// # Errors
    /// A query that may not run, fails, or takes more than it may; the sink's own.
    pub fn run(&mut self, query: &Query, sink: &mut dyn Sink) -> Result<Done> {
        self.ensure()?;
        let request = Request::Run {
            sql: query.sql.clone(),
            rows: query.rows,
            bytes: query.bytes,
            millis: u64::try_from(query.timeout.as_millis()).unwrap_or(u64::MAX),
            whole_tables: query.whole_tables,
            profile: query.profile,
            parquet: query.parquet.clone(),
        };
        let mut take = |response: Response| match response {
            Response::Columns(columns) => sink.columns(&columns),
            Response::Rows(rows) => sink.rows(rows),
            _ => Ok(()),
        };
        match self.ask(&request, Some(query.timeout + GRACE), &mut take)? {
            Response::Done { rows, truncated, profile, tables } => {
                if let Some(worker) = self.worker.as_ref().filter(|_| query.last) {
                    worker.kill();
                    self.state = State::Gone;
                }
                Ok(Done { rows, truncated, profile, tables })
            }
            _ => Err(confused()),
        }
    }

    /// Waits until the sources are open; starts another worker where one is gone.
    fn ensure(&mut self) -> Result<()> {
        if self.state == State::Gone || self.worker.is_none() {
            self.worker = None;
            self.begin(None)?;
        }
        if self.state == State::Opening {
            // A worker that cannot open its sources ends.
            self.state = State::Gone;
            match self.answer("opening the data", None, false, &mut |_| Ok(()))? {
                Response::Opened => self.state = State::Open,
                // What a worker may open is settled before it opens anything: another one gets them.
                Response::Archives(paths) if self.archives.is_none() => {
                    let archives: Vec<PathBuf> = paths.into_iter().filter(|path| export::is_archive(path)).collect();
                    let unfinished: BTreeSet<&PathBuf> = archives.iter().filter(|p| export::is_unfinished(p)).collect();
                    unfinished.iter().for_each(|path| output::note(&export::unfinished(path)));
                    self.archives = Some(archives);
                    return self.ensure();
                }
                _ => return Err(confused()),
            }
        }
        Ok(())
    }

    /// Sends a request and waits for its last answer. Where there is a time, it counts from `Started` for a run, from
    /// now on for anything else. After an error of the pipe or the time the worker is gone.
    fn ask(
        &mut self,
        request: &Request,
        time: Option<Duration>,
        take: &mut dyn FnMut(Response) -> Result<()>,
    ) -> Result<Response> {
        let what = match request {
            Request::Open { .. } | Request::Describe | Request::Study => "looking into the data",
            Request::Find { .. } => "looking for values",
            Request::Check { .. } => "checking the query",
            Request::Run { .. } => "reading the data",
        };
        let Some(worker) = &mut self.worker else { return Err(confused()) };
        if send(&mut worker.requests, request).is_err() {
            return Err(self.ended());
        }
        self.answer(what, time, matches!(request, Request::Run { .. }), take)
    }

    /// Waits for the last answer to a request. What the worker is at is shown where it takes long.
    fn answer(
        &mut self,
        what: &str,
        time: Option<Duration>,
        is_run: bool,
        take: &mut dyn FnMut(Response) -> Result<()>,
    ) -> Result<Response> {
        let Some(worker) = self.worker.take() else { return Err(confused()) };
        let mut deadline = time.filter(|_| !is_run).map(|t| Instant::now() + t);
        let mut progress = Progress::new(self.quiet);
        let memory = self.setup.limits.memory;
        let most = memory.saturating_add(memory / 4).saturating_add(UNCOUNTED);
        let (mut look, mut draw) = (Instant::now() + LOOK, Instant::now() + TICK);
        progress.begin(what);
        loop {
            let now = Instant::now();
            if now >= look {
                if worker.memory().is_some_and(|held| held > most) {
                    worker.kill();
                    return Err(failure::memory(memory));
                }
                look = now + LOOK;
            }
            if now >= draw {
                progress.draw();
                draw = now + TICK;
            }
            let until = deadline.map_or(look, |end| end.min(look));
            let answer = match worker.answers.recv_timeout(until.saturating_duration_since(now)) {
                Err(RecvTimeoutError::Timeout) if deadline.is_none_or(|end| Instant::now() < end) => continue,
                answer => answer,
            };
            match answer {
                Ok(Ok(Some(Response::Progress { what, rows, of }))) => progress.show(&what, rows, of, "rows"),
                Ok(Ok(Some(Response::Note(note)))) => progress.around(|| output::note(&note)),
                Ok(Ok(Some(Response::Started))) => {
                    progress.begin("running the query");
                    deadline = time.map(|t| Instant::now() + t);
                }
                Ok(Ok(Some(response @ Response::Rows(_)))) => {
                    // On the same terminal rows may be written up to the middle of a line.
                    if console::user_attended() {
                        progress.end();
                    }
                    progress.around(|| take(response))?;
                }
                Ok(Ok(Some(response @ Response::Columns(_)))) if is_run => progress.around(|| take(response))?,
                Ok(Ok(Some(response))) => {
                    self.worker = Some(worker);
                    return match response {
                        Response::Failed(failure) => Err(failure.into()),
                        response => Ok(response),
                    };
                }
                Ok(Ok(None) | Err(_)) | Err(RecvTimeoutError::Disconnected) => {
                    self.worker = Some(worker);
                    return Err(self.ended());
                }
                Err(RecvTimeoutError::Timeout) => return Err(failure::timeout()),
            }
        }
    }

    /// Why a worker is gone.
    fn ended(&mut self) -> Error {
        let signal = self.worker.take().and_then(|mut worker| worker.wait());
        match signal {
            Some(Signal::SIGINT | Signal::SIGTERM) => {
                Error::failed("query.worker", "the worker was ended from outside")
            }
            Some(_) => failure::memory(self.setup.limits.memory),
            None => Error::failed("query.worker", "the worker ended without an answer")
                .next("raise --memory if it is small; otherwise this is a mistake of llmsql"),
        }
    }
}

fn cannot_start(e: io::Error) -> Error {
    Error::failed("query.worker", "the worker cannot be started").because(e)
}

fn confused() -> Error {
    Error::new(Exit::Failed, "query.worker", "the worker gave another answer than it was asked for")
}

/// Ends the worker and removes its folder when this program is told to end.
#[derive(Debug, Clone)]
struct Ending(Arc<Mutex<Option<Pid>>>);

impl Ending {
    /// Begins to watch, and waits until it does.
    fn watch(folders: Vec<PathBuf>, target: Option<PathBuf>) -> Self {
        let worker = Arc::new(Mutex::new(None));
        let pid = worker.clone();
        let (ready, watching) = mpsc::channel::<()>();
        let wait = move || {
            let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
            let exit = runtime.block_on(async {
                use tokio::signal::unix::{SignalKind, signal};
                let handlers = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
                drop(ready);
                let (Ok(mut interrupt), Ok(mut terminate)) = handlers else {
                    // Without handlers the system ends the program, and the worker notices.
                    return std::future::pending::<Exit>().await;
                };
                tokio::select! {
                    _ = interrupt.recv() => Exit::Interrupted,
                    _ = terminate.recv() => Exit::Terminated,
                }
            });
            if let Some(pid) = pid.lock().ok().and_then(|p| *p) {
                let _ = kill(pid, Signal::SIGKILL);
            }
            for folder in &folders {
                let _ = std::fs::remove_dir_all(folder);
            }
            let _ = target.map(|folder| file::sweep(&folder, &file::own()));
            std::process::exit(i32::from(exit.code()));
        };
        // Without a thread for it, too, the system ends the program.
        let _ = std::thread::Builder::new().spawn(wait);
        // Nothing is sent: it ends when the handlers are there, or nobody is left to make them.
        let _ = watching.recv();
        Ending(worker)
    }

    fn started(&self, worker: Pid) {
        if let Ok(mut pid) = self.0.lock() {
            *pid = Some(worker);
        }
    }
}

/// Progress on stderr, where that is a terminal and it takes longer than a moment.
pub(crate) struct Progress {
    since: Instant,
    bar: Option<ProgressBar>,
    quiet: bool,
    /// What is going on, and how far it is.
    told: String,
}

impl Progress {
    /// Nothing is shown yet.
    pub(crate) fn new(quiet: bool) -> Self {
        let quiet = quiet || !output::interactive();
        Progress { since: Instant::now(), bar: None, quiet, told: String::new() }
    }

    /// Something else begins, of which nothing is known but that it goes on.
    fn begin(&mut self, what: &str) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        (self.since, self.told) = (Instant::now(), what.to_owned());
    }

    /// Shows how far it is: so many of a unit, of how many where that is known.
    pub(crate) fn show(&mut self, what: &str, done: u64, of: Option<u64>, unit: &str) {
        let what = shown(what);
        self.told = match of {
            Some(of) => format!("{what}: {} of {}", HumanCount(done), HumanCount(of)),
            None if done > 0 => format!("{what}: {} {unit}", HumanCount(done)),
            None => what,
        };
        self.draw();
    }

    fn draw(&mut self) {
        if self.quiet || self.since.elapsed() < QUIET {
            return;
        }
        let bar = self.bar.get_or_insert_with(|| {
            let bar =
                ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()).with_elapsed(self.since.elapsed());
            if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
                bar.set_style(style);
            }
            bar
        });
        bar.set_message(self.told.clone());
        bar.tick();
    }

    /// Does something that writes to the terminal.
    fn around<T>(&self, work: impl FnOnce() -> T) -> T {
        match &self.bar {
            Some(bar) => bar.suspend(work),
            None => work(),
        }
    }

    /// Shows nothing any more.
    fn end(&mut self) {
        self.begin("");
        self.quiet = true;
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.end();
    }
}
