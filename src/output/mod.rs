//! How results reach a terminal, a pipe or a file: data on stdout, messages and progress on stderr.

pub mod changes;
pub mod file;
pub mod metrics;
pub mod plan;
pub mod status;

use crate::error::{Error, Result};
use serde::Serialize;
use std::io::{self, Write};
use std::path::Path;

/// The form of a result.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Table,
    /// For programs: one JSON document.
    Json,
    /// For programs: one YAML document.
    Yaml,
    /// Rows by RFC 4180 (query, export).
    #[value(hide = true)]
    Csv,
    /// Rows as JSON, one a line (query).
    #[value(hide = true)]
    Jsonl,
    /// A Markdown table (query).
    #[value(hide = true)]
    Markdown,
    /// A Parquet file (query).
    #[value(hide = true)]
    Parquet,
}

impl Format {
    /// Whether every subcommand has it; the others are those of rows.
    #[must_use]
    pub fn is_general(self) -> bool {
        matches!(self, Format::Table | Format::Json | Format::Yaml)
    }

    /// The form of a file by the ending of its name.
    #[must_use]
    pub fn of_file(path: &Path) -> Option<Format> {
        let ending = path.extension()?.to_str()?.to_ascii_lowercase();
        Some(match ending.as_str() {
            "csv" => Format::Csv,
            "json" => Format::Json,
            "jsonl" | "ndjson" => Format::Jsonl,
            "md" | "markdown" => Format::Markdown,
            "parquet" | "pq" => Format::Parquet,
            "yaml" | "yml" => Format::Yaml,
            _ => return None,
        })
    }
}

/// Writes text to stdout. A reader that has gone away (`llmsql plan | head`) ends the program quietly.
///
/// # Errors
/// Those of writing, a closed pipe aside.
pub fn stdout(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(e) => Err(Error::failed("output.write", "cannot write the result").at("stdout").because(e)),
        Ok(()) => Ok(()),
    }
}

/// Writes a result to stdout as JSON or YAML.
///
/// # Errors
/// Those of [`stdout`].
pub fn document<T: Serialize>(value: &T, format: Format) -> Result<()> {
    stdout(&to_document(value, format)?)
}

/// A result as YAML or, for any other format, JSON, with a line end.
///
/// # Errors
/// A value that the format cannot hold.
pub fn to_document<T: Serialize>(value: &T, format: Format) -> Result<String> {
    match format {
        Format::Yaml => serde_yaml::to_string(value)
            .map_err(|e| Error::failed("output.yaml", "cannot write the result as YAML").because(e)),
        _ => serde_json::to_string_pretty(value)
            .map(|s| s + "\n")
            .map_err(|e| Error::failed("output.json", "cannot write the result as JSON").because(e)),
    }
}

/// A message on stderr for the person at the terminal.
pub fn note(message: &str) {
    // A message that cannot be shown must not end the work.
    let _ = writeln!(io::stderr(), "{message}");
}

/// Prints an error once, as text or, with `--format json`, as an object on stderr.
pub fn error(error: &Error, format: Format) {
    let mut err = io::stderr().lock();
    if format == Format::Json {
        let object = serde_json::json!({
            "error": {
                "code": error.code,
                "exit": error.exit.code(),
                "message": error.what,
                "place": error.place,
                "next": error.next,
                "faults": error.faults.as_ref().map_or(&[][..], |f| &f.0),
                "causes": error.causes().collect::<Vec<_>>(),
            }
        });
        let _ = writeln!(err, "{object}");
        return;
    }
    let label = console::style("error:").for_stderr().red().bold();
    let _ = writeln!(err, "{label} {error}");
    if let Some(next) = &error.next {
        let label = console::style("next:").for_stderr().cyan().bold();
        let _ = writeln!(err, " {label} {next}");
    }
}

/// Whether the terminal lets us draw progress (stderr is a terminal).
#[must_use]
pub fn interactive() -> bool {
    console::user_attended_stderr()
}
