//! Questions about data: from plain English to rows.
//!
//! ```text
//! sources ──► worker: schema ──► language (or model) ──► SQL ──► worker: guard, load, run ──► results
//! ```
//!
//! | module | holds |
//! |---|---|
//! | [`ask`], `kept` | from a question to a reading, from a reading to rows; the values of large columns |
//! | [`settings`] | what llmsql.toml says about questions |
//! | [`sources`] | what may be asked: files, folders, patterns, databases, servers, by name |
//! | [`schema`] | what can be asked about: tables, columns, keys, as every source describes itself |
//! | [`keys`] | keys that no source declares |
//! | [`language`] | the translator: a question and a schema in, SQL and a restatement out; pure and deterministic |
//! | [`model`] | a language model that writes SQL where the operator wants one |
//! | [`guard`] | which SQL may run |
//! | [`engine`], [`launch`], [`protocol`], [`worker`], [`scratch`] | the process in which data is opened and SQL runs, and how it is spoken to |
//! | [`results`], [`chart`] | rows as a table, csv, json, jsonl, markdown; a series as a chart |
//! | [`examples`] | questions that the data can answer |
//! | [`export`], [`extensions`], [`care`] | Parquet files; DuckDB's extensions and files |
//! | [`history`] | questions that were asked |
//! | [`failure`] | DuckDB's errors as ours |

pub mod ask;
pub mod care;
pub mod chart;
pub mod engine;
pub mod examples;
pub mod export;
pub mod extensions;
pub mod failure;
pub mod guard;
pub mod history;
mod kept;
pub mod keys;
pub mod language;
pub mod launch;
pub mod model;
pub mod protocol;
pub mod results;
pub mod schema;
pub mod scratch;
pub mod settings;
pub mod sources;
pub mod worker;
