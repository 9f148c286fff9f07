//! Connecting to a PostgreSQL server, and the catalogue of its settings by version.

pub mod catalogue;
pub mod connect;
pub mod conninfo;
pub mod live;
pub(crate) mod tls;
