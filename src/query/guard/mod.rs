//! The guard: which SQL may run at all.
//!
//! A statement's type says nothing of what it does (a CTE may write), so the whole parse tree is walked, and every
//! node, field, function and table in it has to be one that is known to be harmless. What is not known is refused.
//! This is the first of several layers; [`super::worker`] has the others.

pub mod filters;
mod tree;

use filters::Narrowed;
use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::sync::LazyLock;

pub use tree::check;

/// The longest SQL that is looked at, in bytes.
pub const LONGEST: usize = 64 * 1024;

/// The functions that may be called.
static FUNCTIONS: LazyLock<HashSet<&'static str>> = LazyLock::new(|| {
    let lines = include_str!("functions.txt").lines().filter(|l| !l.starts_with('#'));
    lines.flat_map(str::split_whitespace).chain(INTERNAL.iter().copied()).collect()
});

/// What the parser writes for syntax of its own: `count(*)`, and `unnest`, which no catalogue lists as a function of a row
const INTERNAL: &[&str] = &["count_star", "unnest"];

/// The functions that may stand in FROM.
pub const TABLE_FUNCTIONS: &[&str] = &["range", "generate_series", "unnest"];

/// Whether a scalar, aggregate or window function may be called.
#[must_use]
pub fn is_allowed(function: &str) -> bool {
    FUNCTIONS.contains(function) || FUNCTIONS.contains(function.to_ascii_lowercase().as_str())
}

/// Why SQL may not run: a sentence without a full stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What is wrong.
    pub what: String,
    /// What can be done instead.
    pub next: Option<String>,
}

impl Refusal {
    /// A refusal without advice.
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Refusal { what: what.into(), next: None }
    }

    fn next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

/// A table as SQL names it; parts that are left out are empty.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Named {
    /// The database.
    pub catalog: String,
    /// The schema.
    pub schema: String,
    /// The table.
    pub table: String,
}

/// What a query that passed needs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// The tables it reads.
    pub tables: BTreeSet<Named>,
    /// Every name that may be one of a column, in lower case; more than there are, never fewer.
    pub columns: BTreeSet<String>,
    /// What sources may leave out of it.
    pub narrowed: Narrowed,
    /// Whether it may need columns that it does not name (`*`, `NATURAL JOIN`, a row as a value).
    pub whole_rows: bool,
}

/// Cuts a text into what can be parsed: not too long, not empty, no NUL, which would end the text for the parser.
///
/// # Errors
/// Why it cannot.
pub fn text(sql: &str) -> Result<&str, Refusal> {
    if sql.len() > LONGEST {
        return Err(Refusal::new(format!("the SQL has {} bytes; {LONGEST} are the most", sql.len())));
    }
    if sql.contains('\0') {
        return Err(Refusal::new("the SQL holds a NUL character"));
    }
    let sql = sql.trim().trim_end_matches(';').trim_end();
    if sql.is_empty() { Err(Refusal::new("the SQL is empty")) } else { Ok(sql) }
}
