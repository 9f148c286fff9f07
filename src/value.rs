//! One value of a configuration, and how each component's file writes it.

use crate::units;
use serde::{Deserialize, Serialize};

/// A configured or planned value. Sizes are bytes and durations milliseconds, whatever a file writes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Value {
    /// `on`/`off`, `1`/`0`, `true`/`false`, as the file wants it.
    Bool(bool),
    /// A count.
    Int(i64),
    /// A cost or a factor.
    Float(f64),
    /// A size in bytes.
    Bytes(u64),
    /// A duration in milliseconds.
    Millis(u64),
    /// A word or a text.
    Text(String),
    /// Several texts, in order.
    List(Vec<String>),
}

/// Whose file a value is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// `postgresql.conf`: `4GB`, `5min`, `on`.
    PostgreSql,
    /// `pgbouncer.ini`: seconds, `0`/`1`, bytes.
    PgBouncer,
    /// nginx: `10m`, `300s`, `on`.
    Nginx,
    /// sysctl: plain integers; sizes in bytes.
    Sysctl,
    /// DuckDB's SET: `4096MiB` (its `MB` is a million), `true`.
    DuckDb,
    /// SQLite pragmas: plain integers; sizes in bytes.
    Sqlite,
    /// limits.d and systemd: plain integers, sizes with K, M, G (powers of 1024).
    Systemd,
    /// Environment files: plain integers, durations in seconds, `true`.
    Env,
}

impl Value {
    /// The value as the given file writes it, without quotes.
    #[must_use]
    pub fn written(&self, dialect: Dialect) -> String {
        match self {
            Value::Bool(b) => match (dialect, b) {
                (Dialect::PostgreSql | Dialect::Nginx | Dialect::Systemd | Dialect::Sqlite, true) => "on",
                (Dialect::PostgreSql | Dialect::Nginx | Dialect::Systemd | Dialect::Sqlite, false) => "off",
                (Dialect::PgBouncer | Dialect::Sysctl, true) => "1",
                (Dialect::PgBouncer | Dialect::Sysctl, false) => "0",
                (Dialect::DuckDb | Dialect::Env, true) => "true",
                (Dialect::DuckDb | Dialect::Env, false) => "false",
            }
            .to_owned(),
            Value::Int(i) => i.to_string(),
            Value::Float(f) => format!("{f:?}"),
            Value::Bytes(b) => match dialect {
                Dialect::PostgreSql => units::format_bytes(*b),
                Dialect::PgBouncer | Dialect::Sysctl | Dialect::Sqlite | Dialect::Env => b.to_string(),
                Dialect::Nginx => short_unit(*b, ["k", "m", "g"]),
                Dialect::Systemd => short_unit(*b, ["K", "M", "G"]),
                Dialect::DuckDb => short_unit(*b, ["KiB", "MiB", "GiB"]),
            },
            Value::Millis(ms) => match dialect {
                Dialect::PostgreSql => units::format_millis(*ms),
                Dialect::Nginx if ms % 1000 == 0 => format!("{}s", ms / 1000),
                Dialect::Nginx => format!("{ms}ms"),
                Dialect::PgBouncer | Dialect::Env | Dialect::Systemd => seconds(*ms),
                Dialect::Sysctl | Dialect::DuckDb | Dialect::Sqlite => ms.to_string(),
            },
            Value::Text(t) => t.clone(),
            Value::List(items) => items.join(", "),
        }
    }

    /// The size in bytes, where the value is a size.
    #[must_use]
    pub fn bytes(&self) -> Option<u64> {
        if let Value::Bytes(b) = self { Some(*b) } else { None }
    }
}

fn short_unit(bytes: u64, [k, m, g]: [&str; 3]) -> String {
    match bytes {
        b if b > 0 && b % units::GB == 0 => format!("{}{g}", b / units::GB),
        b if b > 0 && b % units::MB == 0 => format!("{}{m}", b / units::MB),
        b if b > 0 && b % units::KB == 0 => format!("{}{k}", b / units::KB),
        b => b.to_string(),
    }
}

fn seconds(ms: u64) -> String {
    if ms.is_multiple_of(1000) { (ms / 1000).to_string() } else { format!("{}", ms as f64 / 1000.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duckdb_sizes_use_binary_units() {
        assert_eq!(Value::Bytes(4 * units::GB).written(Dialect::DuckDb), "4GiB");
        assert_eq!(Value::Bytes(4 * units::GB).written(Dialect::PostgreSql), "4GB");
        assert_eq!(Value::Bytes(10 * units::MB).written(Dialect::Nginx), "10m");
    }

    #[test]
    fn pgbouncer_durations_are_seconds() {
        assert_eq!(Value::Millis(300_000).written(Dialect::PgBouncer), "300");
        assert_eq!(Value::Millis(300_000).written(Dialect::PostgreSql), "5min");
    }
}
