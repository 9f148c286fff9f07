//! What a translation is: an answer, readings to choose from, or a refusal.

use jiff::civil::{DateTime, Weekday};
use serde::Serialize;

/// The time at which a question is asked, and how its weeks begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    /// Now, in the zone in which the data is dated.
    pub now: DateTime,
    /// The first day of a week.
    pub week_starts_on: Weekday,
}

/// Looks up text in columns that have too many values to be kept in the schema.
pub trait Lookup {
    /// Where `text` occurs as a whole value, in any case of letters; empty where it does not.
    fn find(&self, text: &str) -> Vec<Hit>;
}

/// A value that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// The table's name.
    pub table: String,
    /// The column's name.
    pub column: String,
    /// The value as it is stored.
    pub value: String,
}

/// A look-up that finds nothing, for schemas whose values are complete.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoLookup;

impl Lookup for NoLookup {
    fn find(&self, _text: &str) -> Vec<Hit> {
        Vec::new()
    }
}

/// What became of a question.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Translation {
    /// The answer, the readings to choose from, or why there is neither.
    pub outcome: Outcome,
    /// The dates the question names, resolved.
    pub dates: Vec<Dated>,
    /// What each word became, in the question's order; for `--explain`.
    pub words: Vec<Link>,
    /// The readings that running them would tell apart, the likeliest first; none where nothing has to be told apart.
    #[serde(skip)]
    pub likely: Vec<Likely>,
    /// Whether they were run, and the outcome follows from it.
    #[serde(skip)]
    pub weighed: bool,
}

/// A reading that may be what was meant.
#[derive(Debug, Clone, PartialEq)]
pub struct Likely {
    /// The reading.
    pub reading: Reading,
    /// What each word became in it.
    pub words: Vec<Link>,
    /// The most it may be trusted, whatever running it shows.
    pub most: f64,
}

/// Answer, ask or refuse.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The question was understood.
    Answer(Reading),
    /// The question may mean any of these; the likeliest first.
    Ask(Vec<Reading>),
    /// The question was not understood.
    Refuse {
        /// Why, in a sentence for the operator.
        reason: String,
        /// The words that fit nothing in the schema.
        words: Vec<String>,
        /// What it would have meant without them, if anything; the likeliest first.
        candidates: Vec<Reading>,
    },
}

/// One way to read a question.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Reading {
    /// One SELECT in DuckDB's dialect; identifiers are quoted where they have to be, values are literals.
    pub sql: String,
    /// What the SQL answers, in English, with dates resolved.
    pub restatement: String,
    /// The probability that this is what was meant, 0 to 1.
    pub confidence: f64,
    /// What has to be loaded.
    pub uses: Vec<Used>,
}

/// A table and those of its columns that a reading needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Used {
    /// The table's name.
    pub table: String,
    /// The columns' names in the table's order; empty where only rows are counted.
    pub columns: Vec<String>,
}

/// A phrase that names a time, and the time it names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Dated {
    /// The words of the question.
    pub phrase: String,
    /// The first instant; none where it is left open.
    pub from: Option<DateTime>,
    /// The first instant that no longer belongs to it; none where it is left open.
    pub to: Option<DateTime>,
}

/// A word or phrase of the question, and what it became.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Link {
    /// The words of the question.
    pub word: String,
    /// `table orders`, `column orders.total`, `value 'paid' of orders.status`, `average`, `unexplained` …
    pub meaning: String,
}
