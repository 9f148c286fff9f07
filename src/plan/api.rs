//! The API server's settings.

use super::Component;
use super::budget::Budget;
use super::draft::{Draft, constant, derived, rule};
use super::nginx::LOG_CHAIN;
use super::pgbouncer::at_least;
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
    let prepared = budget.pools.is_none() || version.is_none_or(|v| at_least(v, 1, 21));
    let why = if prepared {
        "the pooler keeps prepared statements apart (1.21 and later), or there is none"
    } else {
        "this PgBouncer is older than 1.21: a prepared statement would be looked for on the wrong connection"
    };
    draft.put(API, "prepared_statements", Value::Bool(prepared), constant(why));
    draft.put(
        API,
        "backlog",
        Value::Int(2048),
        constant("uvicorn's default; the kernel cuts it at net.core.somaxconn"),
    );
    draft.put(
        API,
        "metrics_path",
        Value::Text("/metrics".to_owned()),
        constant("where the edge's rule for metrics leads"),
    );
    let fields = LOG_CHAIN.iter().map(|s| (*s).to_owned()).collect();
    draft.put(API, "log_fields", Value::List(fields), constant("one request can be followed through every log"));
}

fn count(value: &Value) -> Option<u64> {
    match value {
        Value::Int(i) => u64::try_from(*i).ok(),
        _ => None,
    }
}
