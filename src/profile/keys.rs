//! The names that can be configured, what each takes, and what it is for.
//!
//! Beside these, every setting of the plan can be pinned under its own key (`postgresql.work_mem`,
//! `pgbouncer.default_pool_size`, `kernel.vm.swappiness`); [`lookup`] knows both.

use super::Kind;
use crate::plan::specs;
use crate::postgres::catalogue;
use std::sync::OnceLock;

/// Something that can be configured.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Dotted name; the first part is the table in `llmsql.toml`.
    pub name: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// What it is for, a sentence without a full stop; units and default where they matter.
    pub help: &'static str,
}

/// The parts of the stack that can live on a host.
pub const COMPONENTS: &[&str] = &["postgresql", "pgbouncer", "nginx", "api", "duckdb", "sqlite", "llm"];

/// The inputs of the plan.
pub static KEYS: &[Key] = &[
    Key { name: "host.ram", kind: Kind::Bytes, help: "Memory to plan for, instead of what the host has" },
    Key { name: "host.cpus", kind: Kind::Int(1, 65_536), help: "CPUs to plan for, instead of what the host has" },
    Key {
        name: "host.disk",
        kind: Kind::Word(&["hdd", "ssd", "nvme"]),
        help: "Class of the disk that holds the database, instead of what the kernel says",
    },
    Key {
        name: "host.other_memory",
        kind: Kind::Bytes,
        help: "Memory that other tenants of the host need, taken off before anything is shared out; `facts` suggests a figure",
    },
    Key {
        name: "host.components",
        kind: Kind::Words(COMPONENTS),
        help: "The parts of the stack that live on this host; by default those whose programs are installed, and PostgreSQL alone where none is",
    },
    Key {
        name: "host.containers",
        kind: Kind::Bool,
        help: "Whether the stack runs in containers, so that compose files are made [default: where Docker is installed]",
    },
    Key {
        name: "plan.profile",
        kind: Kind::Text,
        help: "The profile, by name or file, instead of the one the host's facts choose; `llmsql profile list` shows them",
    },
    Key {
        name: "plan.sizing",
        kind: Kind::Word(&["budget", "guide"]),
        help: "budget shares the host's memory out among the whole stack; guide uses the guide's formulas on the whole of it",
    },
    Key {
        name: "plan.workload",
        kind: Kind::Word(&["oltp", "mixed", "analytics", "vector"]),
        help: "What the database does most; decides how PostgreSQL and DuckDB share memory and CPUs",
    },
    Key {
        name: "budget.reserve",
        kind: Kind::Bytes,
        help: "Memory kept for the kernel and everything small [default: 10 % of RAM, 128MB to 4GB]",
    },
    Key { name: "budget.nginx_base", kind: Kind::Bytes, help: "NGINX's own need [default: 16MB]" },
    Key { name: "budget.nginx_per_worker", kind: Kind::Bytes, help: "NGINX's need for each worker [default: 4MB]" },
    Key {
        name: "budget.nginx_per_connection",
        kind: Kind::Bytes,
        help: "NGINX's need for each connection [default: 32kB]",
    },
    Key { name: "budget.pgbouncer_base", kind: Kind::Bytes, help: "PgBouncer's own need [default: 16MB]" },
    Key {
        name: "budget.pgbouncer_per_client",
        kind: Kind::Bytes,
        help: "PgBouncer's need for each client [default: 4kB]",
    },
    Key { name: "budget.api_per_worker", kind: Kind::Bytes, help: "The API's need for each worker [default: 200MB]" },
    Key {
        name: "budget.postgresql_share",
        kind: Kind::Int(1, 99),
        help: "PostgreSQL's part of what it and DuckDB share, in percent [default: by workload]",
    },
    Key { name: "llm.memory", kind: Kind::Bytes, help: "Memory of the LLM gateway; it gets none unless this is set" },
    Key {
        name: "postgresql.version",
        kind: Kind::Int(14, 18),
        help: "Major version to plan for, instead of the newest installed [default where none is: 18]",
    },
    Key { name: "postgresql.database", kind: Kind::Text, help: "The application's database [default: llm_analytics]" },
    Key {
        name: "postgresql.host",
        kind: Kind::Text,
        help: "Where PgBouncer and the API reach PostgreSQL [default: 127.0.0.1]",
    },
    Key {
        name: "postgresql.tls_certificate",
        kind: Kind::Text,
        help: "The server's certificate, in PEM; with its key it switches TLS on",
    },
    Key {
        name: "postgresql.tls_certificate_key",
        kind: Kind::Text,
        help: "The key of the server's certificate, in PEM",
    },
    Key {
        name: "postgresql.replicas",
        kind: Kind::Int(0, 100),
        help: "Standbys that stream from this server [default: 0]",
    },
    Key {
        name: "postgresql.primary_max_connections",
        kind: Kind::Int(1, 262_143),
        help: "The primary's max_connections, which a standby may not go below",
    },
    Key {
        name: "postgresql.primary_max_worker_processes",
        kind: Kind::Int(0, 262_143),
        help: "The primary's max_worker_processes, which a standby may not go below",
    },
    Key {
        name: "postgresql.primary_max_wal_senders",
        kind: Kind::Int(0, 262_143),
        help: "The primary's max_wal_senders, which a standby may not go below",
    },
    Key {
        name: "postgresql.primary_max_locks_per_transaction",
        kind: Kind::Int(10, i32::MAX as i64),
        help: "The primary's max_locks_per_transaction, which a standby may not go below",
    },
    Key {
        name: "postgresql.primary_max_prepared_transactions",
        kind: Kind::Int(0, 262_143),
        help: "The primary's max_prepared_transactions, which a standby may not go below",
    },
    Key {
        name: "postgresql.wal_rate",
        kind: Kind::Bytes,
        help: "WAL written in a second at peak; `plan --dsn` measures it",
    },
    Key {
        name: "postgresql.replica_outage",
        kind: Kind::Millis,
        help: "How long a standby may be away before its slot is given up, where the WAL rate is known [default: 1h]",
    },
    Key {
        name: "postgresql.archive_dir",
        kind: Kind::Text,
        help: "Folder, on another file system, to archive WAL to; without it archiving stays as it is",
    },
    Key {
        name: "pgbouncer.pools",
        kind: Kind::Int(1, 10_000),
        help: "Pairs of database and user that clients use through PgBouncer [default: 1]",
    },
    Key {
        name: "api.pool_size",
        kind: Kind::Int(1, 10_000),
        help: "Connections each API worker keeps to PgBouncer [default: as the pools allow]",
    },
];

/// What a key takes: an input of [`KEYS`], or a setting of the plan.
#[must_use]
pub fn lookup(name: &str) -> Option<Kind> {
    let input = KEYS.iter().find(|k| k.name == name).map(|k| k.kind);
    input.or_else(|| specs::find(name).map(|s| s.kind)).or_else(|| server_setting(name.strip_prefix("postgresql.")?))
}

/// What a setting of PostgreSQL takes that the plan leaves alone and that can be pinned all the same. Its limits are
/// judged with the plan (invariant `versions`).
fn server_setting(name: &str) -> Option<Kind> {
    let entry = catalogue::forms(name).last()?;
    Some(match (entry.kind, entry.unit) {
        (catalogue::Kind::Bool, _) => Kind::Bool,
        (catalogue::Kind::Integer, None) => Kind::Int(i64::MIN, i64::MAX),
        (catalogue::Kind::Real, None) => Kind::Float(f64::MIN, f64::MAX),
        _ => Kind::Text,
    })
}

/// Every name that [`lookup`] knows, sorted, each once.
#[must_use]
pub fn names() -> &'static [String] {
    static NAMES: OnceLock<Vec<String>> = OnceLock::new();
    NAMES.get_or_init(|| {
        let inputs = KEYS.iter().map(|k| k.name.to_owned());
        let mut names: Vec<String> = inputs.chain(specs::SPECS.iter().map(specs::Spec::key)).collect();
        names.sort_unstable();
        names.dedup();
        names
    })
}

/// What a key is for, where that is known here.
#[must_use]
pub fn help(name: &str) -> Option<&'static str> {
    KEYS.iter().find(|k| k.name == name).map(|k| k.help)
}

/// A table of `llmsql.toml` whose content is not keys but the business of one module, which reads it with
/// [`crate::profile::config::Document::section`].
#[derive(Debug, Clone, Copy)]
pub struct Section {
    /// Name of the table.
    pub name: &'static str,
    /// What it is for, a sentence without a full stop.
    pub help: &'static str,
}

/// The tables that belong to other modules.
pub static SECTIONS: &[Section] = &[
    Section {
        name: "secrets",
        help: "The env file, PgBouncer's file, reload commands, ages, tiers of API keys, and what each secret is for",
    },
    Section { name: "sources", help: "Data that `llmsql query` may ask, each under a name" },
    Section { name: "query", help: "Limits, clock and history of `llmsql query`" },
    Section {
        name: "glossary",
        help: "What words mean here: synonyms, metrics, time columns, joins, questions with their SQL",
    },
    Section { name: "model", help: "A language model for questions that the translator refuses" },
];

/// Whether a key stands in a table that belongs to another module, which knows what it takes.
#[must_use]
pub fn in_section(key: &str) -> bool {
    key.split_once('.').is_some_and(|(table, rest)| !rest.is_empty() && SECTIONS.iter().any(|s| s.name == table))
}

/// The known name an unknown one was most likely meant to be: the one with the fewest slips of the finger, if they are
/// few for its length. A wrong or missing table counts as one or two.
#[must_use]
pub fn nearest(name: &str) -> Option<&'static str> {
    let last = name.rsplit_once('.').map(|(_, last)| last).filter(|last| last.len() > 2);
    let distance = |known: &str| {
        let suffixes = known.match_indices('.').filter_map(|(at, dot)| known.get(at + dot.len()..));
        let suffixes = suffixes.map(|suffix| {
            let elsewhere = last.map_or(usize::MAX, |last| slips(suffix, last).saturating_add(2));
            elsewhere.min(slips(suffix, name) + 1)
        });
        suffixes.min().unwrap_or(usize::MAX).min(slips(known, name))
    };
    let (slips, best) = names().iter().map(|known| (distance(known), known)).min_by_key(|(slips, _)| *slips)?;
    (slips <= (name.chars().count() / 3).max(2)).then_some(best)
}

/// The table an unknown one was most likely meant to be.
#[must_use]
pub fn nearest_table(name: &str) -> Option<&'static str> {
    let best = tables().into_iter().min_by_key(|known| slips(known, name))?;
    (slips(best, name) <= (name.chars().count() / 3).max(2)).then_some(best)
}

/// The tables of `llmsql.toml`, sorted, each once.
#[must_use]
pub fn tables() -> Vec<&'static str> {
    let mut tables: Vec<&str> = names().iter().filter_map(|n| n.split_once('.').map(|(table, _)| table)).collect();
    tables.extend(SECTIONS.iter().map(|s| s.name));
    tables.sort_unstable();
    tables.dedup();
    tables
}

fn slips(a: &str, b: &str) -> usize {
    strsim::damerau_levenshtein(a, b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_found_under_another_table_too() {
        for (wrong, meant) in [
            ("host.rma", "host.ram"),
            ("postgresql.ram", "host.ram"),
            ("work_mem", "postgresql.work_mem"),
            ("shared_bufers", "postgresql.shared_buffers"),
            ("postgres.work_mem", "postgresql.work_mem"),
            ("vm.swappiness", "kernel.vm.swappiness"),
            ("kernel.swappiness", "kernel.vm.swappiness"),
            ("swappiness", "kernel.vm.swappiness"),
            ("plan.components", "host.components"),
        ] {
            assert_eq!(nearest(wrong), Some(meant), "{wrong}");
        }
        for wrong in ["xyz.abc", "a", "", ".", "colour.of_the_sky"] {
            assert_eq!(nearest(wrong), None, "{wrong}");
        }
        assert_eq!(nearest_table("postgres"), Some("postgresql"));
        assert_eq!(nearest_table("weather"), None);
    }
}
