//! The API server's settings.

use super::budget::Budget;
use super::draft::{Draft, constant, derived, rule};
use super::nginx::{LOG_CHAIN, TIERS};
use super::pgbouncer::at_least;
use super::{Component, containers};
use crate::value::Value;

const API: Component = Component::Api;

pub(super) fn settings(draft: &mut Draft<'_>, budget: &Budget) {
    let host = draft.host;
    let cpus = host.cpus.value;
    let workers = budget.api_workers.max(1);
    let reason = rule("clamp(CPUs/2, 1, 8)", format!("{cpus}/2"), vec![host.cpus.input.clone()]);
    let reason = if cpus / 2 > 8 {
        reason.cap("8: each takes 200MB; more processes than this wait for the database")
    } else {
        reason
    };
    draft.put(API, "workers", Value::Int(workers as i64), reason);
    database(draft);
    let worker_input = derived("workers", workers.to_string(), "api.workers");
    let (ceiling, what) = match (&budget.pools, &budget.postgresql) {
        (Some(pools), _) => (pools.clients, "pgbouncer.max_client_conn"),
        (None, Some(pg)) => (pg.max_connections.saturating_sub(pg.reserved), "postgresql.max_connections"),
        (None, None) => (1000, "the pooler's max_client_conn, taken to be the guide's 1000"),
    };
    // Half as many again may be opened for a moment (max_overflow); all of them must find a place.
    let affordable = (ceiling * 2 / 3 / workers).max(1);
    let pool = affordable.min(20);
    let reason = rule(
        "min(20, (2/3)·connections/workers)",
        format!("2·{ceiling}/3/{workers}"),
        vec![worker_input.clone(), derived("connections", ceiling.to_string(), what)],
    );
    let reason = if affordable > 20 { reason.cap("20: one worker process cannot use more at a time") } else { reason };
    draft.put(API, "pool_size", Value::Int(pool as i64), reason);
    let pool = draft.value("api.pool_size").and_then(count).unwrap_or(pool);
    let overflow = (pool / 2).min((ceiling / workers).saturating_sub(pool));
    draft.put(
        API,
        "max_overflow",
        Value::Int(overflow as i64),
        rule("pool_size/2", format!("{pool}/2"), vec![derived("pool_size", pool.to_string(), "api.pool_size")]),
    );
    let version = host.facts.software.pgbouncer.as_ref().and_then(|p| p.version.as_deref());
    let prepared = budget.pools.is_none() || version.is_some_and(|v| at_least(v, 1, 21));
    let why = if prepared {
        "the pooler keeps prepared statements apart (1.21 and later), or there is none"
    } else {
        "PgBouncer is not known to be 1.21 or later: a prepared statement would be looked for on the wrong connection"
    };
    draft.put(API, "prepared_statements", Value::Bool(prepared), constant(why));
    draft.put(
        API,
        "backlog",
        Value::Int(2048),
        constant("uvicorn's default; the kernel cuts it at net.core.somaxconn"),
    );
    serving(draft);
    draft.put(API, "log_level", Value::Text("INFO".to_owned()), constant("INFO: one line for each request"));
    draft.put(
        API,
        "metrics_path",
        Value::Text("/metrics".to_owned()),
        constant("where the edge's rule for metrics leads"),
    );
    let fields = LOG_CHAIN.iter().map(|s| (*s).to_owned()).collect();
    draft.put(API, "log_fields", Value::List(fields), constant("one request can be followed through every log"));
}

/// Whom its pools ask.
fn database(draft: &mut Draft<'_>) {
    let host = draft.host;
    let text = |t: &str| Value::Text(t.to_owned());
    let pooled = match draft.value("pgbouncer.listen_port") {
        Some(Value::Int(port)) => Some(*port),
        _ => None,
    };
    let (pooler, place) = containers::address(host, API, Component::PgBouncer);
    let (direct, _) = containers::address(host, API, Component::PostgreSql);
    let server = host.profile.text("postgresql.host").unwrap_or(&direct);
    let (address, port, why) = match pooled {
        Some(port) if place == "this host" => (pooler.as_str(), port, "through the pooler on this host".to_owned()),
        Some(port) => (pooler.as_str(), port, format!("through the pooler: {place}")),
        None => (server, i64::from(containers::port(host)), "the server itself (postgresql.host)".to_owned()),
    };
    draft.put(API, "database_host", text(address), constant(why.clone()));
    draft.put(API, "database_port", Value::Int(port), constant(why));
    let database = host.profile.text("postgresql.database").unwrap_or("llm_analytics");
    draft.put(API, "database_name", text(database), constant("postgresql.database"));
}

/// Where it listens, and what a key may ask for.
fn serving(draft: &mut Draft<'_>) {
    let host = draft.host;
    let text = |t: &str| Value::Text(t.to_owned());
    let (listen, why) = if containers::holds(host, API) {
        ("0.0.0.0", "a container of its own, which the proxy reaches by its network; publish no port of it")
    } else if host.has(Component::Nginx) && !containers::holds(host, Component::Nginx) {
        ("127.0.0.1", "the proxy lives on this host; nothing else needs to reach the API")
    } else {
        ("0.0.0.0", "the proxy lives on another host, or in a container")
    };
    draft.put(API, "host", text(listen), constant(why));
    let upstream = match draft.value("nginx.api_upstream") {
        Some(Value::Text(address)) => address.rsplit_once(':').and_then(|(_, port)| port.parse().ok()),
        _ => None,
    };
    let why = "the port of nginx.api_upstream, else the guide's";
    draft.put(API, "port", Value::Int(upstream.unwrap_or(8000)), constant(why));
    let why = "75s: longer than the 60s nginx keeps an idle connection, so that none is closed as a request arrives";
    draft.put(API, "keepalive_timeout", Value::Millis(75_000), constant(why));
    let contained = containers::holds(host, API) || containers::holds(host, Component::Nginx);
    // What is no network is refused under its own name.
    let plain = |subnet: &&str| subnet.chars().all(|c| c.is_ascii_hexdigit() || ".:/".contains(c));
    let (proxies, why) = match (host.has(Component::Nginx), contained) {
        (true, true) => (
            vec![host.profile.text("containers.subnet").filter(plain).unwrap_or(containers::SUBNET).to_owned()],
            "whose X-Forwarded-For and X-Forwarded-Proto are believed: the containers' network, in which the proxy is",
        ),
        (true, false) => (
            vec!["127.0.0.1".to_owned()],
            "whose X-Forwarded-For and X-Forwarded-Proto are believed: the proxy on this host, nobody else",
        ),
        (false, _) => (
            Vec::new(),
            "whose X-Forwarded-For and X-Forwarded-Proto are believed: the proxy on this host, nobody else",
        ),
    };
    draft.put(API, "forwarded_allow_ips", Value::List(proxies), constant(why));
    for (name, (_, _, hourly)) in ["quota_free", "quota_premium", "quota_enterprise"].into_iter().zip(TIERS) {
        let why = "the guide's requests an hour for a key of this tier; the edge limits each second";
        draft.put(API, name, Value::Int(hourly as i64), constant(why));
    }
}

fn count(value: &Value) -> Option<u64> {
    match value {
        Value::Int(i) => u64::try_from(*i).ok(),
        _ => None,
    }
}
