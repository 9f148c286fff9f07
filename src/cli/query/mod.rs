//! `llmsql query`.

mod asking;
mod batch;
mod data;
mod history;
mod out;
mod reading;

pub use data::DataArgs;
pub use reading::glossary;

use super::Global;
use crate::error::{Error, Exit, Result};
use crate::output::{self, Format};
use crate::query::ask::{Answer, Data, Status};
use crate::query::chart;
use crate::query::engine::{Done, Query};
use crate::query::history::{Entry, History};
use crate::query::language::Outcome;
use crate::query::launch::Worker;
use crate::query::protocol::{Parquet, Tuning};
use crate::query::settings::Settings;
use crate::query::sources::STDIN;
use crate::units::{self, MB};
use asking::{Asking, status_of};
use clap::{Args, Subcommand};
use out::Out;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Rows that are shown where nobody says how many.
const ROWS: u64 = 10_000;
/// Bytes of values that go to a screen or a program.
const BYTES: u64 = 64 * MB;
/// Endings of data that are read, or by which other programs know theirs, and that no result has.
const OTHERS: &[&str] = &[
    "tsv", "tab", "gz", "zst", "bz2", "xz", "zip", "xls", "xlsx", "ods", "db", "sqlite", "sqlite3", "duckdb", "arrow",
    "feather", "orc", "avro", "xml", "html",
];

/// Ask data in plain English: files, folders, SQLite, DuckDB, PostgreSQL
///
/// The question is translated to SQL on this host, without a model; what was understood is told on stderr, the rows are
/// on stdout. A question that is not understood is refused (exit code 20) rather than guessed at. Queries only read: each
/// one is checked, and runs in a process that can open nothing but the sources. A language model writes the SQL only
/// where [model] in llmsql.toml names one, and --model or fallback = "model" asks for it; it sees names and types, no values.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "Examples:
  llmsql query --source access.ndjson \"which 10 urls were slowest yesterday?\"
  llmsql query --source shop.db --source 'logs=/var/log/app/*.parquet' \\
      \"errors per hour last week\" --chart
  llmsql query --source postgres://report@db1/shop \\
      \"revenue by month this year\" --format csv -o revenue.csv
  llmsql query --source shop.db --sql 'SELECT count(*) FROM orders'
  zcat access.json.gz | llmsql query --source - \"how many requests failed?\"

Access logs of nginx and Apache have columns, and a line that does not fit stands
whole in the column unparsed. Numbers that count time since 1970, in columns whose
names say time (created_at, ts), are times; `llmsql schema` says which.

In llmsql.toml:
  [sources]                    # relative paths stand beside the file
  logs = \"/var/log/app/*.ndjson\"
  [query]                      # also memory, threads, timeout, limit, history
  week_starts_on = \"sunday\"    # otherwise monday
  time_zone = \"Europe/Berlin\"  # otherwise the host's
  [glossary.synonyms]          # a word means a table, or a table.column
  clients = \"users\"
  [glossary.metrics]           # a figure with a name
  \"net revenue\" = { table = \"orders\", sql = \"sum(price - tax)\" }
  [glossary.time]              # the column that dates a table's rows
  orders = \"placed_at\"
  [[glossary.joins]]           # a reference that no source declares
  from = \"logs.user_id\"
  to = \"users.id\"
  [[glossary.pairs]]           # a question with its verified SQL
  question = \"how did we do?\"
  sql = \"SELECT sum(price) FROM orders\"
  [model]                      # used by --model; with fallback by itself
  endpoint = \"http://127.0.0.1:11434\"
  name = \"qwen2.5-coder\"
  fallback = \"model\"           # where the translator refuses
  # also protocol (openai, ollama), key_file, ca_file, timeout, values")]
pub struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
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
    /// Write the result into this file, whole or not at all; without --format the ending of its name says how (.csv, .json,
    /// .jsonl, .md, .parquet, .yaml), and under a name that says none, as .txt, it is a table
    #[arg(short, long, value_name = "FILE", conflicts_with = "batch")]
    output: Option<PathBuf>,
    /// Draw a result that is a series as a chart in the terminal
    #[arg(long, value_name = "KIND", value_enum, num_args = 0..=1, require_equals = true, default_missing_value = "auto")]
    chart: Option<chart::Kind>,
    /// Say which word of the question became what
    #[arg(long, conflicts_with_all = ["sql", "batch"])]
    explain: bool,
    /// Show DuckDB's plan with times, and its memory by component (on stderr)
    #[arg(long, conflicts_with = "batch")]
    profile: bool,
    /// Let the language model of [model] in llmsql.toml write the SQL, or another one of that endpoint
    #[arg(long, value_name = "NAME", num_args = 0..=1, require_equals = true, value_parser = clap::builder::NonEmptyStringValueParser::new(), conflicts_with = "sql", help_heading = "Model options")]
    model: Option<Option<String>>,
    /// Let the model see some values of the data, not only names and types
    #[arg(long, conflicts_with = "sql", help_heading = "Model options")]
    model_values: bool,
    /// Print what the model would be told, and send nothing
    #[arg(long, conflicts_with_all = ["sql", "batch"], help_heading = "Model options")]
    show_prompt: bool,
    /// Keep this question out of `llmsql query history`
    #[arg(long)]
    no_history: bool,
    /// The most rows [default: 10000; into a file, all]
    #[arg(long, value_name = "ROWS")]
    limit: Option<u64>,
    /// The time at which the question is asked, as in 2026-03-01T12:00 [default: now]
    #[arg(long, value_name = "TIME")]
    now: Option<String>,
}

/// What else there is to questions.
#[derive(Debug, Subcommand)]
enum Command {
    History(history::Arguments),
}

/// Runs `llmsql query`.
///
/// # Errors
/// Those of the sources, of the query, and exit code 20 where the question was not answered.
pub fn run(arguments: &Arguments, global: &Global, worker: Option<Worker>) -> Result<Exit> {
    if let Some(Command::History(history)) = &arguments.command {
        return history.run(global);
    }
    if arguments.output.as_deref() == Some(Path::new(STDIN)) {
        return Err(Error::usage("output.format", "a result goes to stdout where no file is named")
            .at("-o -")
            .next("leave out -o"));
    }
    let by_name = arguments.output.as_deref().filter(|_| !global.format_given);
    let global = match by_name.map(format_of).transpose()?.flatten() {
        Some(format) => &Global { format, ..global.clone() },
        None => global,
    };
    if arguments.chart.is_some() && (global.format != Format::Table || arguments.batch.is_some()) {
        return Err(Error::usage("query.chart", "a chart is drawn in the terminal only")
            .at("--chart")
            .next("leave out --format and --batch; a file for it has another ending than those of data, as in .txt"));
    }
    if let Some(path) = &arguments.batch {
        return batch::run(arguments, global, worker, path);
    }
    if global.format == Format::Parquet && arguments.output.is_none() {
        return Err(Error::usage("query.parquet", "Parquet is written into a file")
            .at("--format parquet")
            .next("name it with -o FILE"));
    }
    match &arguments.sql {
        Some(sql) => run_sql(arguments, global, worker, sql),
        None => run_question(arguments, global, worker),
    }
}

/// The format that the name of a file says; nothing where it is a table.
fn format_of(path: &Path) -> Result<Option<Format>> {
    let ending = path.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default();
    if OTHERS.contains(&ending.as_str()) {
        return Err(Error::usage("output.format", "results are not written in the format of this name")
            .at(path.display())
            .next("end it in .csv, .json, .jsonl, .md, .parquet or .yaml, or say --format"));
    }
    Ok(Format::of_file(path))
}

fn run_sql(arguments: &Arguments, global: &Global, worker: Option<Worker>, sql: &str) -> Result<Exit> {
    let mut sink = Out::new(arguments, global)?;
    let (settings, mut engine) =
        arguments.data.engine(global, worker, arguments.output.as_deref(), sink.folder(), arguments.tuning())?;
    // Opened while the worker opens the sources.
    let history = arguments.history(global, &settings);
    let started = Instant::now();
    let by = Some("operator".to_owned());
    let entry = Entry { sources: engine.sources(), sql: Some(sql.to_owned()), by: by.clone(), ..Entry::default() };
    let query = arguments.query(sql, &settings, sink.parquet());
    let answer = Answer { sql: Some(sql.to_owned()), by, ..Answer::new(Status::Answered) };
    let ended = sink.run(&mut |query, sink| engine.run(query, sink), &query, answer);
    remember(history.as_ref(), &entry.ended(started, ended.as_ref().map(|done| Some(done.rows))));
    arguments.epilogue(&ended?);
    Ok(Exit::Done)
}

/// Adds an entry to the history, where there is one.
fn remember(history: Option<&History>, entry: &Entry) {
    // That it cannot be remembered is no reason to withhold the answer.
    if let Some(Err(error)) = history.map(|history| history.add(entry)) {
        output::note(&format!("note: the question is not remembered: {error}"));
    }
}

fn run_question(arguments: &Arguments, global: &Global, worker: Option<Worker>) -> Result<Exit> {
    let question = arguments.question.join(" ");
    if question.trim().is_empty() {
        return Err(Error::usage("query.empty", "there is no question")
            .next("write it after the options, as in llmsql query --source shop.db \"orders per month\""));
    }
    let mut sink = Out::new(arguments, global)?;
    let (mut settings, engine) =
        arguments.data.engine(global, worker, arguments.output.as_deref(), sink.folder(), arguments.tuning())?;
    let sources = engine.sources();
    let history = arguments.history_of(global, &mut settings, &sources)?;
    let clock = settings.clock(arguments.now.as_deref())?;
    let data = Data::study(engine)?;
    let asking = Asking::new(arguments, &settings, &data, clock);
    if arguments.show_prompt {
        return output::stdout(&asking.prompt(&question).text()).map(|()| Exit::Done);
    }
    let started = Instant::now();
    let mut entry = Entry { question: question.clone(), sources, ..Entry::default() };
    let ended = answer(arguments, global, &asking, &mut sink, &mut entry);
    let rows = entry.rows;
    remember(history.as_ref(), &entry.ended(started, ended.as_ref().map(|_| rows)));
    ended
}

fn answer(
    arguments: &Arguments,
    global: &Global,
    asking: &Asking<'_>,
    sink: &mut Out<'_>,
    entry: &mut Entry,
) -> Result<Exit> {
    let translation = asking.translate(&entry.question);
    if arguments.explain {
        reading::explain(&translation);
    }
    if arguments.explain || matches!(translation.outcome, Outcome::Refuse { .. }) {
        reading::glossary(&asking.translator);
    }
    let Some(chosen) = asking.choose(&entry.question, &translation)? else {
        return reading::unanswered(&translation, &entry.question, global.format);
    };
    chosen.told(&translation);
    entry.sql = Some(chosen.sql().to_owned());
    entry.by = Some(chosen.by());
    let query = arguments.query(chosen.sql(), asking.settings, sink.parquet());
    let answer = Answer { question: Some(entry.question.clone()), ..chosen.answer(&translation) };
    let done = sink.run(&mut |query, sink| asking.data.run(query, sink), &query, answer)?;
    entry.rows = Some(done.rows);
    arguments.epilogue(&done);
    if chosen.is_doubtful(&translation, done.rows) {
        output::note("read like this the question finds nothing; something else may be meant: see what was understood");
    }
    Ok(Exit::Done)
}

impl Entry {
    /// How it ended: with so many rows, or an error.
    fn ended(self, started: Instant, ended: Result<Option<u64>, &Error>) -> Self {
        let status = ended.as_ref().map_or_else(|error| status_of(error), |_| Status::Answered.name()).to_owned();
        Entry { status, rows: ended.ok().flatten(), seconds: started.elapsed().as_secs_f64(), ..self }
    }
}

impl Arguments {
    fn query(&self, sql: &str, settings: &Settings, parquet: Option<Parquet>) -> Query {
        let into_file = self.output.is_some();
        Query {
            sql: sql.to_owned(),
            rows: self.limit.or(settings.limit).or((!into_file).then_some(ROWS)),
            bytes: (!into_file).then_some(BYTES),
            timeout: self.data.timeout(settings),
            whole_tables: false,
            profile: self.profile,
            parquet,
            last: self.batch.is_none(),
        }
    }

    /// How DuckDB is to run.
    fn tuning(&self) -> Tuning {
        Tuning { profile: self.profile, ..Tuning::default() }
    }

    /// The history, where questions are remembered; where it cannot be used, a note says so.
    fn history(&self, global: &Global, settings: &Settings) -> Option<History> {
        if self.no_history || !settings.history {
            return None;
        }
        let opened = History::open(&global.root());
        opened.map_err(|error| output::note(&format!("note: questions are not remembered: {error}"))).ok()
    }

    /// The same, and what it knows of these sources taken into the settings.
    fn history_of(&self, global: &Global, settings: &mut Settings, sources: &str) -> Result<Option<History>> {
        let history = self.history(global, settings);
        if let Some(history) = &history {
            settings.glossary.pairs.extend(history.pairs(sources)?);
        }
        Ok(history)
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
            output::note(&format!("{}: {}", path.display(), units::counted(done.rows, "row")));
        }
    }
}
