//! Questions about data: from plain English to rows.
//!
//! ```text
//! sources ──► worker: schema ──► language (or model) ──► SQL ──► worker: guard, load, run ──► results
//! ```
//!
//! | module | holds |
//! |---|---|
//! | [`ask`] | from a question to a reading, from a reading to rows |
//! | [`settings`] | what llmsql.toml says about questions |
//! | [`sources`] | what may be asked: files, folders, patterns, databases, servers, by name |
//! | [`schema`] | what can be asked about: tables, columns, keys, as every source describes itself |
//! | [`keys`] | keys that no source declares |
//! | [`language`] | the translator: a question and a schema in, SQL and a restatement out; pure and deterministic |
//! | [`guard`] | which SQL may run |
//! | [`engine`], [`protocol`], [`worker`] | the process in which data is opened and SQL runs, and how it is spoken to |
//! | [`results`] | rows as a table, csv, json, jsonl, markdown |
//! | [`failure`] | DuckDB's errors as ours |

pub mod ask;
pub mod engine;
pub mod failure;
pub mod guard;
pub mod keys;
pub mod language;
pub mod protocol;
pub mod results;
pub mod schema;
pub mod settings;
pub mod sources;
pub mod worker;
