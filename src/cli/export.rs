//! `llmsql export`.

use super::Global;
use super::query::DataArgs;
use crate::error::{Error, Exit, Result};
use crate::output::{self, Format};
use crate::postgres::connect::quote_ident;
use crate::query::ask::Data;
use crate::query::export::{self, Every, Job, Register, Staging, Written};
use crate::query::language::Outcome;
use crate::query::launch::Worker;
use crate::query::protocol::Tuning;
use crate::query::sources::STDIN;
use crate::units;
use clap::Args;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// An export takes as long as it takes, unless --timeout says otherwise.
const TIMEOUT: Duration = Duration::from_hours(24 * 30);

/// Write a table, a SELECT or a question's answer as Parquet: zstd, whole or not at all, by date if wanted
///
/// Rows are streamed in bounded memory. A folder of partitions (--partition-by) is written file by file; a run that was
/// killed is gone on with by the same command, which writes the files that were not there yet, and removes what the run has
/// left half. A single file is written from its beginning again: partition what is large. Of a PostgreSQL or SQLite table each partition is fetched for itself.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  llmsql export --source postgres://report@db1/shop --table query_logs \\
      -o archive --partition-by created_at --every month
  llmsql export --source logs.csv -o failed.parquet \\
      --sql \"SELECT * FROM logs WHERE status = 500\"
  llmsql export --source shop.db \"orders of last month\" -o orders.parquet
  llmsql export --source shop.db --table orders -o archive \\
      --partition-by placed --register analytics.duckdb")]
pub struct Arguments {
    /// A question, in English
    #[arg(value_name = "QUESTION", num_args = 0..)]
    question: Vec<String>,
    #[command(flatten)]
    data: DataArgs,
    /// Write this table, numbers that count time since 1970 as numbers
    #[arg(long, value_name = "NAME", conflicts_with = "question")]
    table: Option<String>,
    /// Write the rows of this SELECT
    #[arg(long, value_name = "SQL", allow_hyphen_values = true, conflicts_with_all = ["question", "table"])]
    sql: Option<String>,
    /// The file, as in orders.parquet; with --partition-by the folder
    #[arg(short, long, value_name = "PATH")]
    output: PathBuf,
    /// Write a file for each span of time in this column
    #[arg(long, value_name = "COLUMN")]
    partition_by: Option<String>,
    /// How long each span is
    #[arg(long, value_name = "SPAN", value_enum, default_value = "day", requires = "partition_by")]
    every: Every,
    /// zstd's level
    #[arg(long, value_name = "LEVEL", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=22))]
    level: u32,
    /// Rows of a row group
    #[arg(long, value_name = "ROWS", default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(2048..=10_000_000))]
    row_group: u64,
    /// Put a view over the export into this DuckDB file
    #[arg(long, value_name = "FILE")]
    register: Option<PathBuf>,
    /// The view's name [default: the table's, or the path's, with _archive]
    #[arg(long, value_name = "NAME", requires = "register")]
    view: Option<String>,
}

#[derive(Debug, Serialize)]
struct Document {
    path: PathBuf,
    #[serde(flatten)]
    written: Written,
    sql: String,
    view: Option<String>,
}

/// Runs `llmsql export`.
///
/// # Errors
/// Those of the sources and the query, of writing, and 20 where the question was not understood.
pub fn run(arguments: &Arguments, global: &Global, worker: Option<Worker>) -> Result<Exit> {
    let mut job = Job {
        sql: String::new(),
        partition: arguments.partition_by.clone().map(|column| (column, arguments.every)),
        level: arguments.level,
        group: arguments.row_group,
        timeout: arguments.data.timeout_or(TIMEOUT),
        target: arguments.output.clone(),
    };
    let question = arguments.question.join(" ");
    if question.trim().is_empty() && arguments.table.is_none() && arguments.sql.is_none() {
        return Err(
            Error::usage("export.nothing", "there is nothing to export").next("name --table, --sql, or ask a question")
        );
    }
    if arguments.output == Path::new(STDIN) {
        return Err(Error::usage("export.target", "Parquet is written into a file, not to stdout")
            .at("-o -")
            .next("name a file"));
    }
    let register =
        arguments.register.as_deref().map(|database| Register::new(database, &arguments.output)).transpose()?;
    let staging = Staging::new(&job)?;
    let whole = arguments.table.is_some();
    let tuning = Tuning { unordered: whole, numbers: whole, ..Tuning::default() };
    let (settings, mut engine) =
        arguments.data.engine(global, worker, Some(&arguments.output), Some(staging.folder()), tuning)?;
    let written = if let Some(sql) = &arguments.sql {
        job.sql.clone_from(sql);
        export::run(&mut engine, &job, &staging)?
    } else if let Some(table) = &arguments.table {
        // Text that holds nothing but dates is known as such only after a look.
        let schema = if job.partition.is_some() { engine.study()?.0 } else { engine.describe()? };
        let found = schema.tables.iter().find(|t| t.name.eq_ignore_ascii_case(table)).ok_or_else(|| {
            Error::usage("export.table", format!("there is no table \"{table}\" among the sources"))
                .at("--table")
                .next("`llmsql schema` shows the tables")
        })?;
        job.sql = format!("SELECT * FROM {}", quote_ident(&found.name));
        export::run(&mut engine, &job, &staging)?
    } else {
        let clock = settings.clock(None)?;
        let data = Data::study(engine)?;
        let translation = data.translate(&data.translator(&settings.glossary), &question, &clock);
        let Outcome::Answer(reading) = &translation.outcome else {
            return Err(Error::new(Exit::Unanswered, "question.refused", "the question is not understood for certain")
                .at(question)
                .next("see what `llmsql query` makes of it, and pass the SQL with --sql"));
        };
        output::note(&format!("understood: {}", reading.restatement));
        job.sql.clone_from(&reading.sql);
        data.with_engine(|engine| export::run(engine, &job, &staging))?
    };
    drop(staging);
    let view = register.map(|register| -> Result<String> {
        let view = arguments.view.clone().unwrap_or_else(|| arguments.default_view());
        register.view(&view, &job)?;
        Ok(view)
    });
    let view = view.transpose()?;
    let document = Document { path: arguments.output.clone(), written, sql: job.sql, view };
    if global.format != Format::Table {
        return output::document(&document, global.format).map(|()| Exit::Done);
    }
    output::stdout(&told(&document)).map(|()| Exit::Done)
}

fn told(document: &Document) -> String {
    let Written { rows, bytes, files, kept } = document.written;
    let kept = if kept > 0 { format!(" ({kept} of them from a run before)") } else { String::new() };
    let view = document.view.as_ref().map(|v| format!("view {v} registered\n")).unwrap_or_default();
    format!(
        "{}: {} in {}{kept}, {}\n{view}",
        document.path.display(),
        units::counted(rows, "row"),
        units::counted(files, "file"),
        units::human_bytes(bytes)
    )
}

impl Arguments {
    fn default_view(&self) -> String {
        let stem = || self.output.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
        format!("{}_archive", self.table.clone().unwrap_or_else(stem))
    }
}
