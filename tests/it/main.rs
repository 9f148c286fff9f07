//! End-to-end tests: the real program, and real servers. One test binary, since each links DuckDB.

mod support;

mod catalogue;
mod config;
mod documents;
mod examples;
mod facts;
mod facts_measure;
mod generated;
mod golden;
mod harness;
mod index;
mod load;
mod nginx;
mod profile;
mod query;
mod render;
mod schema;
mod servers;
