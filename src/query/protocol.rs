//! What the program and its worker say to each other: frames of a length (4 bytes, little endian) and JSON, over the
//! worker's stdin and stdout.

use super::schema::Schema;
use super::sources::Source;
use crate::error::{Error, Exit};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::io::{self, Read, Write};
use std::path::PathBuf;

/// The longest frame, in bytes: a row may be as large as what a worker may hold.
const LONGEST: usize = 1 << 30;

/// How much a worker may use.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Limits {
    /// DuckDB's memory limit, in bytes; the process gets some more.
    pub memory: u64,
    /// DuckDB's threads.
    pub threads: u64,
    /// The most that may be spilled to disk, in bytes.
    pub spill: u64,
}

/// How DuckDB is to run.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Tuning {
    /// Notes times, for [`Response::Done`].
    pub profile: bool,
    /// Rows may leave in another order than they were read in, which takes less memory.
    pub unordered: bool,
    /// Numbers that count time stay numbers: a table is copied as it is.
    pub numbers: bool,
}

/// What the worker is to do.
#[derive(Debug, Serialize, Deserialize)]
pub enum Request {
    /// Opens the sources and locks itself in; the first request.
    Open {
        /// The sources.
        sources: Vec<Source>,
        /// What it may use.
        limits: Limits,
        /// Its own folder, the only one it may write to.
        scratch: PathBuf,
        /// A further folder for files that a query makes.
        output: Option<PathBuf>,
        /// The zone of timestamps, by its IANA name.
        zone: String,
        /// What is set before settings are locked.
        tuning: Tuning,
        /// Archives that may be read since views of the sources do; nothing where it is not known yet which they are.
        archives: Option<Vec<PathBuf>>,
        /// The folder of DuckDB's extensions, which need not be there.
        extensions: PathBuf,
    },
    /// Says which tables and columns there are.
    Describe,
    /// Looks into the data: values, ranges, keys.
    Study,
    /// Finds a text as a whole value in columns that [`Response::Studied`] does not hold all values of.
    Find {
        /// The text.
        text: String,
        /// Where to look: table and column.
        columns: Vec<(String, String)>,
        /// How long it may take, in milliseconds.
        millis: u64,
    },
    /// Checks a query and says how its columns are called, without running it.
    Check {
        /// One SELECT.
        sql: String,
    },
    /// Checks and runs a query.
    Run {
        /// One SELECT.
        sql: String,
        /// The most rows that are returned.
        rows: Option<u64>,
        /// The most bytes of values that are returned.
        bytes: Option<u64>,
        /// How long it may take, in milliseconds.
        millis: u64,
        /// Whether to load all columns of a table at once, since other queries follow.
        whole_tables: bool,
        /// Whether to return the plan with times after the rows.
        profile: bool,
        /// Writes the result as Parquet instead of returning it.
        parquet: Option<Parquet>,
    },
}

/// How a Parquet file is to be written.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Parquet {
    /// The file, or the folder where it is partitioned; within the output folder.
    pub path: PathBuf,
    /// zstd's level, 1 to 22.
    pub level: u32,
    /// Rows of a group.
    pub group: u64,
}

/// What the worker answers. Several may answer one request; the last is none of `Progress`, `Note`, `Started`, `Rows`, nor `Columns` of a run.
#[derive(Debug, Serialize, Deserialize)]
pub enum Response {
    /// Something that takes long goes on.
    Progress {
        /// What.
        what: String,
        /// Rows so far.
        rows: u64,
        /// Of how many, where that is known.
        of: Option<u64>,
    },
    /// Something to tell the person at the terminal.
    Note(String),
    /// Loading is over: from here on the query's own time counts.
    Started,
    /// The sources are open.
    Opened,
    /// Views of the sources read these, which may not be opened; the worker ends.
    Archives(Vec<PathBuf>),
    /// The tables and columns; nothing has been read of their data.
    Described(Schema),
    /// The tables, columns, keys and values.
    Studied {
        /// All but long lists of values.
        schema: Schema,
        /// Further values, by table and column.
        values: Vec<Values>,
    },
    /// Where a text was found: table, column, value.
    Found(Vec<(String, String, String)>),
    /// A query passed; its result's columns.
    Columns(Vec<Column>),
    /// Rows of the result.
    Rows(Vec<Vec<serde_json::Value>>),
    /// The query has ended.
    Done {
        /// Rows returned or written.
        rows: u64,
        /// Why there are more rows than were returned, if so: `rows` or `bytes`.
        truncated: Option<String>,
        /// The plan with times, where asked for.
        profile: Option<String>,
        /// The names under which the tables stand that were read.
        tables: Vec<String>,
    },
    /// The request failed.
    Failed(Failure),
}

/// Values of a column that do not stand in the schema.
#[derive(Debug, Serialize, Deserialize)]
pub struct Values {
    /// The table.
    pub table: String,
    /// The column.
    pub column: String,
    /// Its distinct values.
    pub values: Vec<String>,
}

/// A column of a result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type in DuckDB.
    pub sql_type: String,
}

/// An error on its way out of the worker.
#[derive(Debug, Serialize, Deserialize)]
pub struct Failure {
    /// [`Error::exit`].
    pub exit: u8,
    /// [`Error::code`].
    pub code: String,
    /// [`Error::what`], with its causes.
    pub what: String,
    /// [`Error::place`].
    pub place: Option<String>,
    /// [`Error::next`].
    pub next: Option<String>,
}

/// The codes of errors that may come out of a worker; others become `query.failed`.
const CODES: &[&str] = &[
    "guard.refused",
    "query.failed",
    "query.syntax",
    "query.timeout",
    "query.memory",
    "source.damaged",
    "source.locked",
    "source.unreadable",
    "source.schema",
    "query.worker",
    "query.sandbox",
    "connect.failed",
    "connect.timeout",
    "connect.tls",
    "connect.full",
    "connect.starting",
    "connect.database",
    "connect.login",
    "connect.no_password",
    "connect.host",
    "connect.refused",
    "sql.failed",
    "sql.closed",
    "query.disk",
    "output.disk",
];

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let causes: Vec<String> = error.causes().collect();
        let what = causes.iter().fold(error.what.clone(), |all, cause| format!("{all}: {cause}"));
        Failure { exit: error.exit.code(), code: error.code.to_owned(), what, place: error.place, next: error.next }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        let exit = Exit::TABLE.iter().map(|(e, _)| *e).find(|e| e.code() == failure.exit).unwrap_or(Exit::Failed);
        let code = CODES.iter().find(|c| **c == failure.code).copied().unwrap_or("query.failed");
        let mut error = Error::new(exit, code, failure.what);
        error.place = failure.place;
        error.next = failure.next;
        error
    }
}

/// Writes a frame.
///
/// # Errors
/// Those of writing.
pub fn send<T: Serialize>(mut to: impl Write, message: &T) -> io::Result<()> {
    let body = serde_json::to_vec(message)?;
    let length = u32::try_from(body.len()).map_err(|_| io::Error::other("a frame is too long"))?;
    to.write_all(&length.to_le_bytes())?;
    to.write_all(&body)?;
    to.flush()
}

/// Reads a frame; `None` at the end.
///
/// # Errors
/// Those of reading, and a frame that is none.
pub fn receive<T: DeserializeOwned>(mut from: impl Read) -> io::Result<Option<T>> {
    let mut length = [0; 4];
    match from.read_exact(&mut length) {
        Ok(()) => {}
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(e) => return Err(e),
    }
    let length = u32::from_le_bytes(length) as usize;
    if length > LONGEST {
        return Err(io::Error::other("a frame is too long"));
    }
    let mut body = Vec::new();
    from.take(length as u64).read_to_end(&mut body)?;
    serde_json::from_slice(&body).map(Some).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_comes_back_and_half_of_one_does_not() {
        let mut bytes = Vec::new();
        send(&mut bytes, &Response::Note("x".to_owned())).unwrap();
        assert!(matches!(receive(bytes.as_slice()), Ok(Some(Response::Note(n))) if n == "x"));
        assert!(receive::<Response>(&bytes[..bytes.len() - 1]).is_err());
        assert!(matches!(receive::<Response>(&bytes[..0]), Ok(None)));
        assert!(receive::<Response>(&[255, 255, 255, 255, 0][..]).is_err());
    }

    #[test]
    fn an_error_keeps_its_exit_code() {
        let failure: Failure = Error::new(Exit::Locked, "source.locked", "busy").at("x.duckdb").into();
        let error: Error = failure.into();
        assert_eq!(
            (error.exit, error.code, error.to_string()),
            (Exit::Locked, "source.locked", "x.duckdb: busy".to_owned())
        );
    }
}
