//! Lossless reading and writing of configuration files: bytes in, the same bytes out.
//!
//! A document keeps every byte of its file, whatever its encoding, line ends or faults, and changes only the values it is
//! told to change; comments and order stay. Each line that the file's own server would refuse is kept and reported as a
//! [`Problem`].

pub mod dotenv;
pub mod ini;
pub mod limits;
pub mod nginx;
pub mod pg_hba;
pub mod postgresql_conf;
pub mod redact;
pub mod sysctl;
pub mod userlist;

use std::borrow::Cow;
use std::fmt;

/// What is wrong with a file, or with a change to it, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Line, from 1.
    pub line: usize,
    /// Column in bytes, from 1.
    pub column: usize,
    /// What is wrong, as a sentence without a full stop.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.message)
    }
}

impl std::error::Error for Problem {}

/// The lines of a file, each with its own line end; the last may have none.
fn split_lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split_inclusive(|b| *b == b'\n')
}

/// The line end a new line gets: that of the file's first line, `\n` for a file without any.
fn line_end(first: Option<&[u8]>) -> &'static [u8] {
    if first.is_some_and(|line| line.ends_with(b"\r\n")) { b"\r\n" } else { b"\n" }
}

/// A line without its line end.
fn body(raw: &[u8]) -> &[u8] {
    let raw = raw.strip_suffix(b"\n").unwrap_or(raw);
    raw.strip_suffix(b"\r").unwrap_or(raw)
}

/// Bytes of a file as text, for comparing and showing; the file itself keeps its bytes.
fn text(bytes: &[u8]) -> String {
    match String::from_utf8_lossy(bytes) {
        Cow::Borrowed(s) => s.to_owned(),
        Cow::Owned(s) => s,
    }
}

/// How many of the leading bytes satisfy the test.
fn run(bytes: &[u8], test: impl Fn(u8) -> bool) -> usize {
    bytes.iter().position(|b| !test(*b)).unwrap_or(bytes.len())
}

/// What C's `isspace` takes for a blank, and so the parsers of these files.
fn blank(b: u8) -> bool {
    b.is_ascii_whitespace() || b == 11
}

/// Bytes without the blanks at their end.
fn trim_end(bytes: &[u8]) -> &[u8] {
    let kept = bytes.iter().rposition(|b| !blank(*b)).map_or(0, |last| last + 1);
    bytes.get(..kept).unwrap_or_default()
}

/// Bytes without the blanks around them.
fn trim(bytes: &[u8]) -> &[u8] {
    let bytes = trim_end(bytes);
    bytes.get(run(bytes, blank)..).unwrap_or_default()
}

/// Refuses text that would end the line it is written on, or that a C parser would take for the end of the file.
fn one_line(what: &str, value: &str) -> Result<(), Problem> {
    match value.find(['\n', '\r', '\0']) {
        None => Ok(()),
        Some(at) => {
            Err(Problem { line: 1, column: at + 1, message: format!("{what} {value:?} would not stay on one line") })
        }
    }
}
