//! End-to-end tests: the real program, and real servers. One test binary, since each links DuckDB.

mod support;

mod apply;
mod augeas;
mod catalogue;
mod certificates;
mod config;
mod devices;
mod documents;
mod edge;
mod examples;
mod facts;
mod facts_measure;
mod files;
mod generated;
mod golden;
mod harden;
mod harness;
mod hints;
mod hosts;
mod index;
mod live;
mod load;
mod messages;
mod nginx;
mod profile;
mod query;
mod render;
mod schema;
mod secrets;
mod servers;
mod sql;
mod throttle;
mod traps;
mod trees;
mod units;
