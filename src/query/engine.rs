//! The worker as the rest of the program sees it: started when needed, ended when it takes too long, started anew.

use super::failure;
use super::language::Hit;
use super::protocol::{Column, Limits, Parquet, Request, Response, Tuning, Values, receive, send};
use super::schema::Schema;
use super::sources::Source;
use crate::error::{Error, Exit, Result};
use crate::output;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The argument that makes this program a worker.
pub const WORKER: &str = "query-worker";
/// How long a query may go on after DuckDB was told to end it: some of its functions do not listen.
const GRACE: Duration = Duration::from_secs(2);
/// After how long progress is shown.
const QUIET: Duration = Duration::from_secs(1);

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
    running: Option<Running>,
    /// The worker's own folder; emptied and removed at the end.
    scratch: TempDir,
    ending: Ending,
    quiet: bool,
}

#[derive(Debug)]
struct Running {
    child: Child,
    requests: ChildStdin,
    answers: Receiver<io::Result<Option<Response>>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A folder for one run, private, on a disk rather than in memory where there is one: in `planned` where this user may
/// write there, or where TMPDIR says.
///
/// # Errors
/// No folder that can be written to.
pub fn scratch(planned: Option<&Path>) -> Result<TempDir> {
    let folder = match std::env::var_os("TMPDIR").filter(|t| !t.is_empty()) {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from("/var/tmp"),
    };
    let make = |folder: &Path| tempfile::Builder::new().prefix("llmsql-").tempdir_in(folder);
    if let (Some(planned), None) = (planned, std::env::var_os("TMPDIR").filter(|t| !t.is_empty()))
        && let Ok(made) = make(planned)
    {
        return Ok(made);
    }
    make(&folder).or_else(|_| make(&std::env::temp_dir())).map_err(|e| {
        Error::failed("query.disk", "no temporary folder can be made")
            .at(folder.display())
            .next("set TMPDIR")
            .because(e)
    })
}

impl Engine {
    /// Makes ready; nothing is opened yet.
    #[must_use]
    pub fn new(setup: Setup, scratch: TempDir) -> Self {
        let ending = Ending::watch(scratch.path());
        Engine { setup, running: None, scratch, ending, quiet: false }
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

    /// Without progress on stderr.
    #[must_use]
    pub fn quiet(mut self) -> Self {
        self.quiet = true;
        self
    }

    /// Opens the sources: the tables and columns that there are.
    ///
    /// # Errors
    /// A source that cannot be opened.
    pub fn open(&mut self) -> Result<Schema> {
        self.running = None;
        let exe = std::env::current_exe().map_err(cannot_start)?;
        // It has the passwords of servers from its stdin.
        let mut command = crate::process::command(exe);
        command.arg(WORKER).stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0);
        for (name, _) in std::env::vars_os() {
            // What this program was told by its environment, the worker is told by its stdin.
            if name.to_string_lossy().starts_with("LLMSQL_") {
                command.env_remove(name);
            }
        }
        // Each arena of the C library takes 64 MB of the address space that the worker may use.
        command.env("MALLOC_ARENA_MAX", "2");
        let mut child = command.spawn().map_err(cannot_start)?;
        let (Some(requests), Some(mut from)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(cannot_start(io::Error::other("no pipe")));
        };
        self.ending.started(&child);
        let (give, answers) = mpsc::sync_channel(2);
        std::thread::spawn(move || {
            loop {
                let answer = receive::<Response>(&mut from);
                let last = !matches!(answer, Ok(Some(_)));
                if give.send(answer).is_err() || last {
                    break;
                }
            }
        });
        self.running = Some(Running { child, requests, answers });
        let request = Request::Open {
            sources: self.setup.sources.clone(),
            limits: self.setup.limits.clone(),
            scratch: self.scratch.path().to_owned(),
            output: self.setup.output.clone(),
            zone: self.setup.zone.clone(),
            tuning: self.setup.tuning,
        };
        match self.ask(&request, None, &mut |_| Ok(()))? {
            Response::Opened(schema) => Ok(schema),
            _ => Err(confused()),
        }
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
            Response::Done { rows, truncated, profile, tables } => Ok(Done { rows, truncated, profile, tables }),
            _ => Err(confused()),
        }
    }

    fn ensure(&mut self) -> Result<()> {
        if self.running.is_none() { self.open().map(drop) } else { Ok(()) }
    }

    /// Sends a request and waits for its last answer. Where there is a time, it counts from `Started` for a run, from
    /// now on for anything else. After an error of the pipe or the time the worker is gone.
    fn ask(
        &mut self,
        request: &Request,
        time: Option<Duration>,
        take: &mut dyn FnMut(Response) -> Result<()>,
    ) -> Result<Response> {
        let Some(mut running) = self.running.take() else { return Err(confused()) };
        let is_run = matches!(request, Request::Run { .. });
        let mut deadline = time.filter(|_| !is_run).map(|t| Instant::now() + t);
        if send(&mut running.requests, request).is_err() {
            return Err(self.ended(running));
        }
        let mut progress = Progress::new(self.quiet);
        loop {
            let answer = match deadline {
                Some(end) => running.answers.recv_timeout(end.saturating_duration_since(Instant::now())),
                None => running.answers.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match answer {
                Ok(Ok(Some(Response::Progress { what, rows, of }))) => progress.show(&what, rows, of, "rows"),
                Ok(Ok(Some(Response::Note(note)))) => progress.around(|| output::note(&note)),
                Ok(Ok(Some(Response::Started))) => {
                    progress.end();
                    deadline = time.map(|t| Instant::now() + t);
                }
                Ok(Ok(Some(response @ Response::Rows(_)))) => take(response)?,
                Ok(Ok(Some(response @ Response::Columns(_)))) if is_run => take(response)?,
                Ok(Ok(Some(Response::Failed(failure)))) => {
                    // A worker that could not open its sources ends.
                    if !matches!(request, Request::Open { .. }) {
                        self.running = Some(running);
                    }
                    return Err(failure.into());
                }
                Ok(Ok(Some(response))) => {
                    self.running = Some(running);
                    return Ok(response);
                }
                Ok(Ok(None) | Err(_)) | Err(RecvTimeoutError::Disconnected) => return Err(self.ended(running)),
                Err(RecvTimeoutError::Timeout) => return Err(failure::timeout()),
            }
        }
    }

    /// Why a worker is gone.
    fn ended(&self, mut running: Running) -> Error {
        let status = running.child.wait();
        let memory = crate::units::human_bytes(self.setup.limits.memory);
        match status.ok().and_then(|s| s.signal()).map(Signal::try_from) {
            Some(Ok(Signal::SIGINT | Signal::SIGTERM)) => {
                Error::failed("query.worker", "the worker was ended from outside")
            }
            Some(_) => Error::failed(
                "query.memory",
                format!("the worker was ended: most likely the query needed more than its {memory} of memory"),
            )
            .next("ask for less (a filter, fewer columns, a limit), or raise --memory"),
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
    fn watch(scratch: &Path) -> Self {
        let worker = Arc::new(Mutex::new(None));
        let (folder, pid) = (scratch.to_owned(), worker.clone());
        std::thread::spawn(move || {
            let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
            let exit = runtime.block_on(async {
                use tokio::signal::unix::{SignalKind, signal};
                let (Ok(mut interrupt), Ok(mut terminate)) =
                    (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
                else {
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
            let _ = std::fs::remove_dir_all(&folder);
            std::process::exit(i32::from(exit.code()));
        });
        Ending(worker)
    }

    fn started(&self, child: &Child) {
        if let Ok(mut pid) = self.0.lock() {
            *pid = i32::try_from(child.id()).ok().map(Pid::from_raw);
        }
    }
}

/// Progress on stderr, where that is a terminal and it takes longer than a moment.
pub(crate) struct Progress {
    since: Instant,
    bar: Option<ProgressBar>,
    quiet: bool,
}

impl Progress {
    /// Nothing is shown yet.
    pub(crate) fn new(quiet: bool) -> Self {
        Progress { since: Instant::now(), bar: None, quiet: quiet || !output::interactive() }
    }

    /// Shows how far it is: so many of a unit, of how many where that is known.
    pub(crate) fn show(&mut self, what: &str, done: u64, of: Option<u64>, unit: &str) {
        if self.quiet || self.since.elapsed() < QUIET {
            return;
        }
        let bar = self.bar.get_or_insert_with(|| {
            let bar = ProgressBar::with_draw_target(of, ProgressDrawTarget::stderr());
            if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}: {human_pos}{prefix} {elapsed}") {
                bar.set_style(style);
            }
            bar
        });
        bar.set_message(what.to_owned());
        bar.set_prefix(of.map_or_else(|| format!(" {unit}"), |n| format!(" of {n}")));
        bar.set_position(done);
    }

    fn around(&self, work: impl FnOnce()) {
        match &self.bar {
            Some(bar) => bar.suspend(work),
            None => work(),
        }
    }

    fn end(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.end();
    }
}
