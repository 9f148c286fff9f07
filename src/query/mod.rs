//! Questions about data: from plain English to SQL.
//!
//! | module | holds |
//! |---|---|
//! | [`schema`] | what can be asked about: tables, columns, keys, as every source describes itself |
//! | [`language`] | the translator: a question and a schema in, SQL and a restatement out; pure and deterministic |

pub mod language;
pub mod schema;
