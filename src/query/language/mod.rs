//! The translator: a question in plain English and a schema in, SQL and a restatement out.
//!
//! Pure and deterministic: no model, no network, no clock of its own. It refuses rather than guesses.
//!
//! | module | step |
//! |---|---|
//! | [`words`] | the question as tokens |
//! | [`names`], [`index`] | the schema as words, values and keys, once for many questions |
//! | [`link`] | stretches of the question and what each may mean; [`cues`], [`dates`], [`synonyms`] help |
//! | [`assign`] | the best combinations of meanings, by the keys that join them |
//! | [`parse`], [`draft`] | a combination as a logical form ([`logic`]) |
//! | [`operations`], [`statistics`] | questions about logs and other operations data, read by a grammar of their own |
//! | [`joins`], [`write`], [`restate`] | the logical form as SQL and in English |
//! | [`confidence`] | how far a reading can be trusted |

mod assign;
mod confidence;
mod cues;
pub mod dates;
mod draft;
mod glossary;
mod index;
mod joins;
mod link;
mod logic;
mod names;
mod operations;
mod parse;
mod restate;
mod share;
mod statistics;
mod synonyms;
#[cfg(test)]
mod tests;
mod translate;
mod translation;
mod words;
mod write;

pub use confidence::results;
pub use glossary::{Glossary, Join, Metric, Pair};
pub(crate) use names::split;
pub use translate::Translator;
pub use translation::{Clock, Dated, Hit, Likely, Link, Lookup, NoLookup, Outcome, Reading, Translation, Used};
