//! PgBouncer's settings (the guide's 1.2).

use super::budget::{Budget, Pools};
use super::draft::{Draft, constant, derived, rule};
use super::host::{Sizing, input};
use super::{Component, containers};
use crate::value::Value;

const BOUNCER: Component = Component::PgBouncer;

pub(super) fn settings(draft: &mut Draft<'_>, budget: &Budget, pools: &Pools) {
    let host = draft.host;
    let cpus = host.cpus.value;
    let guide = host.sizing == Sizing::Guide;
    let text = |s: &str| Value::Text(s.to_owned());
    draft.put(
        BOUNCER,
        "pool_mode",
        text("transaction"),
        constant("transaction: a server connection is held for a transaction only; session state (SET, LISTEN, advisory locks) does not carry over"),
    );
    draft.put(
        BOUNCER,
        "max_client_conn",
        Value::Int(pools.clients as i64),
        constant("the guide's 1000; a client that waits costs 4kB here and nothing in PostgreSQL"),
    );
    let size = if guide {
        constant("the guide's constant")
    } else {
        rule("clamp(2·CPUs, 5, 100)", format!("2·{cpus}"), vec![host.cpus.input.clone()])
    };
    let reduced = budget.postgresql.as_ref().and_then(|p| p.reduced_from);
    let size = match reduced {
        Some(wanted) => {
            size.cap(format!("reduced from {wanted}: more do not fit in the memory with a work_mem of 1MB"))
        }
        None if cpus * 2 > 100 && !guide => size.cap("100: more back ends than this contend more than they work"),
        None => size,
    };
    draft.put(BOUNCER, "default_pool_size", Value::Int(pools.size as i64), size);
    let size_input = vec![derived("default_pool_size", pools.size.to_string(), "pgbouncer.default_pool_size")];
    let of = |formula: &str, guide_value: &str| {
        if guide {
            constant(guide_value)
        } else {
            rule(formula, pools.size.to_string() + formula.trim_start_matches("default_pool_size"), size_input.clone())
        }
    };
    draft.put(
        BOUNCER,
        "min_pool_size",
        Value::Int(pools.min as i64),
        of("default_pool_size·2/5", "the guide's constant"),
    );
    draft.put(
        BOUNCER,
        "reserve_pool_size",
        Value::Int(pools.reserve as i64),
        of("default_pool_size/5", "the guide's constant"),
    );
    let version = host.facts.software.pgbouncer.as_ref().and_then(|p| p.version.as_deref());
    // An older one does not start with a name it does not know.
    if let Some(version) = version.filter(|v| at_least(v, 1, 21)) {
        let known = input("version", version, super::Basis::Measured, "facts software.pgbouncer.version");
        draft.put(
            BOUNCER,
            "max_prepared_statements",
            Value::Int(200),
            rule("200 from 1.21 on", "200", vec![known])
                .note("Prepared statements work in transaction mode; 0 would make drivers that prepare fail."),
        );
    }
    draft.put(BOUNCER, "server_lifetime", Value::Millis(3_600_000), constant("1h: connections are renewed in turn"));
    draft.put(BOUNCER, "server_idle_timeout", Value::Millis(600_000), constant("10min: idle back ends are given back"));
    let (query, why) = if guide {
        (300_000, "the guide's constant")
    } else {
        (310_000, "310s: longer than statement_timeout's 300 s, so that the server's own error reaches the client")
    };
    draft.put(BOUNCER, "query_timeout", Value::Millis(query), constant(why));
    draft.put(BOUNCER, "client_idle_timeout", Value::Millis(0), constant("0: applications keep their connections"));
    let (listen, why) = if guide {
        ("*", "the guide's constant")
    } else if containers::holds(host, BOUNCER) {
        ("*", "a container of its own, which others reach by its network; publish no port of it")
    } else if host.has(Component::Api) && !containers::holds(host, Component::Api) {
        ("127.0.0.1", "the API lives on this host; nothing else needs to reach the pooler")
    } else {
        ("*", "clients connect from other hosts; what they must prove is in auth_type")
    };
    draft.put(BOUNCER, "listen_addr", text(listen), constant(why));
    draft.put(BOUNCER, "listen_port", Value::Int(6432), constant("the guide's port"));
    draft.put(
        BOUNCER,
        "listen_backlog",
        Value::Int(1024),
        constant("1024: clients that arrive in a burst wait here; the kernel cuts it at net.core.somaxconn"),
    );
    let keepalive = "the kernel's keepalive of the guide (4.1), for this service's connections";
    draft.put(BOUNCER, "tcp_keepidle", Value::Int(300), constant(keepalive));
    draft.put(BOUNCER, "tcp_keepintvl", Value::Int(15), constant(keepalive));
    draft.put(BOUNCER, "tcp_keepcnt", Value::Int(3), constant(keepalive));
    draft.put(
        BOUNCER,
        "auth_type",
        text("scram-sha-256"),
        constant("scram-sha-256 where the guide has md5: the verifier in userlist.txt cannot be replayed"),
    );
    draft.put(BOUNCER, "auth_file", text("/etc/pgbouncer/userlist.txt"), constant("the guide's path"));
    draft.put(BOUNCER, "log_connections", Value::Bool(true), constant("the guide's constant"));
    draft.put(BOUNCER, "log_disconnections", Value::Bool(true), constant("the guide's constant"));
    draft.put(BOUNCER, "log_pooler_errors", Value::Bool(true), constant("the guide's constant"));
    let database = host.profile.text("postgresql.database").unwrap_or("llm_analytics");
    let (address, _) = containers::address(host, BOUNCER, Component::PostgreSql);
    let server = host.profile.text("postgresql.host").unwrap_or(&address);
    let port = containers::port(host);
    draft.put_as(
        BOUNCER,
        "databases",
        &format!("databases.{database}"),
        Value::Text(format!("host={server} port={port} dbname={database}")),
        constant("where clients of this database are sent; set postgresql.database and postgresql.host"),
    );
}

/// Whether a version such as `1.24.1` is at least `major.minor`.
pub(super) fn at_least(version: &str, major: u32, minor: u32) -> bool {
    let mut parts = version.split('.').map(|p| p.parse::<u32>().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0)) >= (major, minor)
}
