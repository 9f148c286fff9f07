//! `llmsql`: the operator's command line for one stack of PostgreSQL + pgvector, PgBouncer, NGINX, an API server,
//! DuckDB, SQLite and an LLM gateway.
//!
//! # The way of the data
//!
//! ```text
//! host ──► facts ──► profile ──► plan ──► render ──► apply ──► host
//! ```
//!
//! Data goes forward; no module reaches back. Everything after [`facts`] is pure: the same facts and profile give
//! the same bytes.
//!
//! | module | holds |
//! |---|---|
//! | [`root`] | the host's file system, or a tree that stands for one; the only way to read the host's files |
//! | [`units`] | sizes and durations as operators write them |
//! | [`value`] | one configured or planned value, and how each component's file writes it |
//! | [`facts`] | what the host is |
//! | [`profile`] | what is wanted of it, and who said so |
//! | [`plan`] | every setting with its reason, and the invariants between them |
//! | [`formats`] | lossless reading and writing of configuration files |
//! | [`render`] | the plan as files |
//! | [`apply`] | files on the host: difference, validators, journal, atomic replace, reload, rollback, recover, drift |
//! | [`postgres`] | connecting to a server, and the catalogue of its settings by version |
//! | [`index`] | vector indexes: catalogue, plan, rebuild, recall |
//! | [`secrets`] | secrets made, rotated and proved; API keys and tokens |
//! | [`query`] | questions about data: the schema, the translator |
//! | [`process`] | no core dumps while passwords are held, and other programs started without them |
//! | [`http`] | requests to models and registries of extensions |
//! | [`state`] | what is kept between runs: the history |
//! | [`output`] | how results reach a terminal, a pipe or a file |
//! | [`cli`] | arguments to operations |
//! | [`error`] | the error type and the table of exit codes |
#![forbid(unsafe_code)]
#![warn(missing_docs)]
#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::todo, clippy::dbg_macro))]

pub mod apply;
pub mod cli;
pub mod error;
pub mod facts;
pub mod formats;
pub mod harden;
pub mod http;
pub mod index;
pub mod output;
pub mod plan;
pub mod postgres;
pub mod process;
pub mod profile;
pub mod query;
pub mod render;
pub mod root;
pub mod secrets;
pub mod state;
pub mod units;
pub mod value;
