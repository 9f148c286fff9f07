//! The operator's own words: the table `[glossary]` of llmsql.toml.

use std::collections::BTreeMap;

use serde::Deserialize;

/// What the operator says about the words of the house.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Glossary {
    /// A word or phrase, and the table (`orders`) or column (`orders.placed_at`) it means.
    pub synonyms: BTreeMap<String, String>,
    /// A word or phrase, and the figure it means.
    pub metrics: BTreeMap<String, Metric>,
    /// A table, and the column by which its rows are dated when a question does not say.
    pub time: BTreeMap<String, String>,
    /// References between tables that the sources do not declare.
    pub joins: Vec<Join>,
    /// Questions whose SQL is known to be right.
    pub pairs: Vec<Pair>,
}

/// A figure with a name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metric {
    /// The table it is computed from.
    pub table: String,
    /// An aggregate in SQL over that table's columns, `sum(price * quantity)`.
    pub sql: String,
}

/// A reference from one column to another, each written `table.column`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Join {
    /// The column that refers.
    pub from: String,
    /// The column referred to.
    pub to: String,
}

/// A question whose SQL is known to be right.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pair {
    /// The question; case, punctuation and endings of words do not count.
    pub question: String,
    /// Its SQL, in DuckDB's dialect.
    pub sql: String,
}
