//! `llmsql query`.

use super::Global;
use crate::error::{Error, Exit, Result};
use crate::output::{self, Format};
use crate::profile::config::{self, Document};
use crate::query::ask::{Answer, Candidate, Data, Status, is_doubtful};
use crate::query::engine::{self, Done, Engine, Query, Setup};
use crate::query::language::{Outcome, Reading, Translation};
use crate::query::protocol::Limits;
use crate::query::results::{self, Rows, Stream};
use crate::query::settings::Settings;
use crate::query::sources;
use crate::units::{self, GB, MB};
use clap::Args;
use serde::Deserialize;
use serde_json::Value;
use std::io::{self, BufRead, BufReader, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Rows that are shown where nobody says how many.
const ROWS: u64 = 10_000;
/// Bytes of values that go to a screen or a program.
const BYTES: u64 = 64 * MB;
/// How long a query may take.
const TIMEOUT: Duration = Duration::from_mins(5);

/// Ask data in plain English: files, folders, SQLite, DuckDB, PostgreSQL
///
/// The question is translated to SQL on this host, without a model; what was understood is told on stderr, the rows are
/// on stdout. A question that is not understood is refused (exit code 20) rather than guessed at. Queries only read: each
/// one is checked, and runs in a process that can open nothing but the sources.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  llmsql query --source access.ndjson \"which 10 urls were slowest yesterday?\"
  llmsql query --source shop.db --source 'logs=/var/log/app/*.parquet' \"errors per hour last week\" --chart
  llmsql query --source postgres://report@db1/shop \"revenue by month this year\" --format csv -o revenue.csv
  llmsql query --source shop.db --sql 'SELECT count(*) FROM orders'
  zcat access.json.gz | llmsql query --source - \"how many requests failed?\"")]
pub struct Arguments {
    /// The question, in English
    #[arg(value_name = "QUESTION", num_args = 0..)]
    question: Vec<String>,
    #[command(flatten)]
    data: DataArgs,
    /// Run this SELECT (DuckDB's dialect) instead of a question
    #[arg(long, value_name = "SQL", allow_hyphen_values = true, conflicts_with_all = ["question", "batch"])]
    sql: Option<String>,
    /// Answer many questions: JSON lines {"id": …, "question": …} in FILE (- for stdin), a line of JSON for each on stdout
    #[arg(long, value_name = "FILE", conflicts_with = "question")]
    batch: Option<PathBuf>,
    /// Write the result into this file, whole or not at all
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Say which word of the question became what
    #[arg(long)]
    explain: bool,
    /// Show the query's plan with times (on stderr)
    #[arg(long)]
    profile: bool,
    /// The most rows [default: 10000; into a file, all]
    #[arg(long, value_name = "ROWS")]
    limit: Option<u64>,
    /// The time at which the question is asked, as in 2026-03-01T12:00 [default: now]
    #[arg(long, value_name = "TIME")]
    now: Option<String>,
}

/// Which data, and with how much of this host.
#[derive(Debug, Clone, Args)]
pub struct DataArgs {
    /// Data to ask, as [NAME=]PATH: a CSV, TSV, JSON, NDJSON, Parquet, SQLite or DuckDB file, a folder or a pattern of
    /// them, postgres://…, - for stdin, or a name of [sources] in llmsql.toml; may be repeated [default: all of [sources]]
    #[arg(long = "source", value_name = "SOURCE", help_heading = "Data options")]
    sources: Vec<String>,
    /// Memory a query may use, as in 2GB [default: half of what this host has free]
    #[arg(long, value_name = "SIZE", value_parser = units::parse_bytes, help_heading = "Data options")]
    memory: Option<u64>,
    /// Threads a query may use [default: the CPUs]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..=1024), help_heading = "Data options")]
    threads: Option<u64>,
    /// How long a query may take, as in 30s [default: 5min]
    #[arg(long, value_name = "TIME", value_parser = units::parse_millis, help_heading = "Data options")]
    timeout: Option<u64>,
}

impl DataArgs {
    /// The settings, and data that can be asked.
    ///
    /// # Errors
    /// A wrong configuration, sources that are not there.
    pub fn engine(&self, global: &Global, output: Option<&Path>) -> Result<(Settings, Engine)> {
        let root = global.root();
        let document = Document::read(&config::locate(global.config.as_deref(), &root)?)?;
        let settings = Settings::read(&document)?;
        let scratch = engine::scratch()?;
        let sources = sources::resolve(&self.sources, &settings.sources, scratch.path())?;
        let limits = self.limits(&settings, scratch.path())?;
        let setup = Setup { sources, limits, output: output.map(Path::to_owned), zone: settings.zone_name() };
        Ok((settings, Engine::new(setup, scratch)))
    }

    /// How long a query may take.
    #[must_use]
    pub fn timeout(&self, settings: &Settings) -> Duration {
        self.timeout.map(Duration::from_millis).or(settings.timeout).unwrap_or(TIMEOUT)
    }

    fn limits(&self, settings: &Settings, scratch: &Path) -> Result<Limits> {
        let memory = self.memory.or(settings.memory).unwrap_or_else(spare_memory);
        if memory < 32 * MB {
            return Err(Error::usage("query.memory", "32MB are the least that a query needs").at("--memory"));
        }
        let cpus = std::thread::available_parallelism().map_or(1, |n| n.get() as u64);
        let free = nix::sys::statvfs::statvfs(scratch)
            .map_or(10 * GB, |s| s.blocks_available().saturating_mul(s.fragment_size()));
        Ok(Limits { memory, threads: self.threads.or(settings.threads).unwrap_or(cpus), spill: free / 2 })
    }
}

/// Half of the memory that is free, at most 16 GB.
fn spare_memory() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|l| l.strip_prefix("MemAvailable:"));
    let free =
        line.and_then(|l| l.trim().trim_end_matches(" kB").parse::<u64>().ok()).map_or(2 * GB, |kb| kb * units::KB);
    (free / 2).clamp(256 * MB, 16 * GB)
}

/// Runs `llmsql query`.
///
/// # Errors
/// Those of the sources, of the query, and exit code 20 where the question was not answered.
pub fn run(arguments: &Arguments, global: &Global) -> Result<Exit> {
    if let Some(batch) = &arguments.batch {
        return batch_of(arguments, global, batch);
    }
    if global.format == Format::Parquet && arguments.output.is_none() {
        return Err(Error::usage("query.parquet", "Parquet is written into a file")
            .at("--format parquet")
            .next("name it with -o FILE"));
    }
    match &arguments.sql {
        Some(sql) => run_sql(arguments, global, sql),
        None => run_question(arguments, global),
    }
}

fn run_sql(arguments: &Arguments, global: &Global, sql: &str) -> Result<Exit> {
    let mut sink = Out::new(arguments, global)?;
    let (settings, mut engine) = arguments.data.engine(global, sink.folder())?;
    let query = arguments.query(sql, &settings, sink.parquet());
    let answer = Answer { sql: Some(sql.to_owned()), by: Some("operator".to_owned()), ..Answer::new(Status::Answered) };
    let done = sink.run(&mut |query, sink| engine.run(query, sink), &query, answer)?;
    arguments.epilogue(&done);
    Ok(Exit::Done)
}

fn run_question(arguments: &Arguments, global: &Global) -> Result<Exit> {
    let question = arguments.question.join(" ");
    if question.trim().is_empty() {
        return Err(Error::usage("query.empty", "there is no question")
            .next("write it after the options, as in llmsql query --source shop.db \"orders per month\""));
    }
    let mut sink = Out::new(arguments, global)?;
    let (settings, engine) = arguments.data.engine(global, sink.folder())?;
    let clock = settings.clock(arguments.now.as_deref())?;
    let data = Data::study(engine)?;
    let translator = data.translator(&settings.glossary);
    let translation = data.translate(&translator, &question, &clock);
    if arguments.explain {
        explain(&translation);
    }
    let Some(reading) = choose(&translation)? else {
        return unanswered(&translation, &question, global.format);
    };
    told(&reading, &translation);
    let query = arguments.query(&reading.sql, &settings, sink.parquet());
    let mut answer = Answer::new(Status::Answered).reading(&reading, &translation.dates);
    answer.question = Some(question);
    let done = sink.run(&mut |query, sink| data.run(query, sink), &query, answer)?;
    arguments.epilogue(&done);
    if is_doubtful(&reading, &translation.dates, done.rows) {
        output::note("read like this the question finds nothing; something else may be meant: see what was understood");
    }
    Ok(Exit::Done)
}

impl Arguments {
    fn query(&self, sql: &str, settings: &Settings, parquet: Option<crate::query::protocol::Parquet>) -> Query {
        let into_file = self.output.is_some();
        Query {
            sql: sql.to_owned(),
            rows: self.limit.or(settings.limit).or((!into_file).then_some(ROWS)),
            bytes: (!into_file).then_some(BYTES),
            timeout: self.data.timeout(settings),
            whole_tables: false,
            profile: self.profile,
            parquet,
        }
    }

    /// What is told after the rows.
    fn epilogue(&self, done: &Done) {
        if let Some(cap) = &done.truncated {
            let rows = done.rows;
            output::note(&match cap.as_str() {
                "bytes" => format!(
                    "truncated after {rows} rows: the result is larger than {}; write it into a file with -o",
                    units::human_bytes(BYTES)
                ),
                _ => format!(
                    "truncated after {rows} rows: there are more; raise --limit, or write all into a file with -o"
                ),
            });
        }
        if let Some(profile) = &done.profile {
            output::note(profile);
        }
        if let Some(path) = &self.output {
            output::note(&format!("{}: {} rows", path.display(), done.rows));
        }
    }
}

/// Says on stderr what was understood.
fn told(reading: &Reading, translation: &Translation) {
    output::note(&format!("understood: {}", reading.restatement));
    for date in &translation.dates {
        output::note(&format!("  {}: {} to before {}", date.phrase, date.from, date.to));
    }
    output::note(&format!("sql: {}", reading.sql));
}

fn explain(translation: &Translation) {
    for link in &translation.words {
        output::note(&format!("  {:20} {}", link.word, link.meaning));
    }
}

/// The reading to run: the answer, or what the person at the terminal chooses; `None` where there is neither.
fn choose(translation: &Translation) -> Result<Option<Reading>> {
    let readings = match &translation.outcome {
        Outcome::Answer(reading) => return Ok(Some(reading.clone())),
        Outcome::Ask(readings) => readings,
        Outcome::Refuse { candidates, .. } => candidates,
    };
    if readings.is_empty() || !io::stdin().is_terminal() || !output::interactive() {
        return Ok(None);
    }
    if let Outcome::Refuse { reason, .. } = &translation.outcome {
        output::note(&format!("not sure: {reason}"));
    }
    output::note("which of these is meant?");
    for (i, reading) in readings.iter().enumerate() {
        output::note(&format!("  {}  {}", i + 1, reading.restatement));
    }
    let mut line = String::new();
    let wrong = |e| Error::failed("query.choice", "the choice cannot be read").because(e);
    loop {
        // A prompt without a line end, flushed with stderr itself.
        let _ = write!(io::stderr(), "number (empty for none): ");
        line.clear();
        io::stdin().lock().read_line(&mut line).map_err(wrong)?;
        if line.trim().is_empty() {
            return Ok(None);
        }
        match line.trim().parse::<usize>().ok().and_then(|n| readings.get(n.checked_sub(1)?)) {
            Some(reading) => return Ok(Some(reading.clone())),
            None => output::note(&format!("write a number from 1 to {}", readings.len())),
        }
    }
}

/// A question without an answer: candidates as data, the reason as the error (20).
fn unanswered(translation: &Translation, question: &str, format: Format) -> Result<Exit> {
    let Some(mut answer) = Answer::unanswered(translation) else { return Ok(Exit::Done) };
    answer.question = Some(question.to_owned());
    match format {
        Format::Table | Format::Markdown | Format::Csv | Format::Parquet => {
            for (i, Candidate { restatement, sql, .. }) in answer.candidates.iter().enumerate() {
                output::note(&format!("  {}  {restatement}\n     {sql}", i + 1));
            }
        }
        Format::Jsonl => output::stdout(&format!("{}\n", line_of(&answer)?))?,
        Format::Json | Format::Yaml => output::document(&answer, format)?,
    }
    let (code, next) = match answer.status {
        Status::Ambiguous => {
            ("question.ambiguous", "ask again in the words of one of the readings, or pass its SQL with --sql")
        }
        _ => (
            "question.refused",
            "use the names that `llmsql schema` shows, teach words under [glossary] in llmsql.toml, or write --sql",
        ),
    };
    Err(Error::new(Exit::Unanswered, code, answer.reason.unwrap_or_default()).next(next))
}

fn line_of<T: serde::Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|e| Error::failed("output.json", "cannot write the result as JSON").because(e))
}

/// Where a result goes.
struct Out<'a> {
    arguments: &'a Arguments,
    format: Format,
    /// The folder of a Parquet file on its way.
    parquet: Option<tempfile::TempDir>,
}

impl<'a> Out<'a> {
    fn new(arguments: &'a Arguments, global: &Global) -> Result<Self> {
        let parquet = match &arguments.output {
            Some(path) if global.format == Format::Parquet => {
                let folder = path.parent().filter(|p| *p != Path::new("")).unwrap_or(Path::new("."));
                let made = tempfile::Builder::new().prefix(".llmsql-").tempdir_in(folder);
                Some(made.map_err(|e| Error::failed("file.write", "cannot be written").at(path.display()).because(e))?)
            }
            _ => None,
        };
        Ok(Out { arguments, format: global.format, parquet })
    }

    fn folder(&self) -> Option<&Path> {
        self.parquet.as_ref().map(tempfile::TempDir::path)
    }

    fn parquet(&self) -> Option<crate::query::protocol::Parquet> {
        let folder = std::fs::canonicalize(self.folder()?).ok()?;
        Some(crate::query::protocol::Parquet { path: folder.join("result.parquet"), level: 3, group: 100_000 })
    }

    /// Runs the query and writes its result.
    fn run(
        &mut self,
        run: &mut dyn FnMut(&Query, &mut dyn engine::Sink) -> Result<Done>,
        query: &Query,
        answer: Answer,
    ) -> Result<Done> {
        if let (Some(parquet), Some(target)) = (&query.parquet, &self.arguments.output) {
            let done = run(query, &mut Rows::default())?;
            let target = output::file::target(target)?;
            std::fs::rename(&parquet.path, &target).map_err(|e| {
                Error::failed("file.write", "cannot be written; it is unchanged").at(target.display()).because(e)
            })?;
            return Ok(done);
        }
        if results::streams(self.format) {
            return self.stream(run, query);
        }
        let mut rows = Rows::default();
        let done = run(query, &mut rows)?;
        let text = match self.format {
            Format::Markdown => rows.markdown(),
            Format::Table => {
                let term = console::Term::stdout();
                let width = (self.arguments.output.is_none() && term.is_term()).then(|| usize::from(term.size().1));
                rows.table(width)
            }
            format => output::to_document(&answer.rows(rows, &done), format)?,
        };
        match &self.arguments.output {
            Some(path) => output::file::replace(&output::file::target(path)?, text.as_bytes())?,
            None => output::stdout(&text)?,
        }
        Ok(done)
    }

    fn stream(
        &self,
        run: &mut dyn FnMut(&Query, &mut dyn engine::Sink) -> Result<Done>,
        query: &Query,
    ) -> Result<Done> {
        let Some(path) = &self.arguments.output else {
            let mut stream = Stream::new(io::BufWriter::new(io::stdout().lock()), self.format);
            let done = run(query, &mut stream)?;
            stream.finish()?;
            return Ok(done);
        };
        let mut done = Done::default();
        output::file::replace_with(&output::file::target(path)?, |file| {
            let mut stream = Stream::new(io::BufWriter::new(file), self.format);
            done = run(query, &mut stream)?;
            stream.finish().map(drop)
        })?;
        Ok(done)
    }
}

/// A line of a batch.
#[derive(Debug, Deserialize)]
struct Asked {
    #[serde(default)]
    id: Option<Value>,
    question: String,
}

/// `--batch`: one line an answer, whatever becomes of the question.
fn batch_of(arguments: &Arguments, global: &Global, path: &Path) -> Result<Exit> {
    if !matches!(global.format, Format::Jsonl | Format::Json | Format::Table) {
        return Err(Error::usage("query.batch", "a batch is answered in JSON lines")
            .at("--batch")
            .next("add --format jsonl"));
    }
    let reader: Box<dyn BufRead> = if path == Path::new("-") {
        Box::new(io::stdin().lock())
    } else {
        Box::new(BufReader::new(std::fs::File::open(path).map_err(|e| super::unreadable(path, e))?))
    };
    let (settings, engine) = arguments.data.engine(global, None)?;
    let clock = settings.clock(arguments.now.as_deref())?;
    let data = Data::study(engine)?;
    let translator = data.translator(&settings.glossary);
    for (n, line) in reader.lines().enumerate() {
        let line = line.map_err(|e| super::unreadable(path, e))?;
        if line.trim().is_empty() {
            continue;
        }
        let mut answer =
            match serde_json::from_str::<Asked>(&line) {
                Ok(asked) => {
                    let translation = data.translate(&translator, &asked.question, &clock);
                    let answer = batch_answer(arguments, &settings, &data, &translation);
                    Answer { id: asked.id, question: Some(asked.question), ..answer }
                }
                Err(e) => {
                    let error = Error::usage("query.line", format!("is no object with a \"question\": {e}"))
                        .at(format!("{}:{}", path.display(), n + 1));
                    Answer::failed(&error)
                }
            };
        answer.id.get_or_insert_with(|| (n + 1).into());
        output::stdout(&format!("{}\n", line_of(&answer)?))?;
    }
    Ok(Exit::Done)
}

fn batch_answer(arguments: &Arguments, settings: &Settings, data: &Data, translation: &Translation) -> Answer {
    let Outcome::Answer(reading) = &translation.outcome else {
        return Answer::unanswered(translation).unwrap_or_else(|| Answer::new(Status::Failed));
    };
    let answer = Answer::new(Status::Answered).reading(reading, &translation.dates);
    let query = Query { whole_tables: true, ..arguments.query(&reading.sql, settings, None) };
    let mut rows = Rows::default();
    match data.run(&query, &mut rows) {
        Ok(done) if is_doubtful(reading, &translation.dates, done.rows) => Answer::found_nothing(reading),
        Ok(done) => answer.rows(rows, &done),
        Err(error) => Answer { status: Status::Failed, reason: Some(error.to_string()), ..answer },
    }
}
