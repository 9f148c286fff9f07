//! Connections and parallel workers (the guide's 1.2, 1.3).

use super::super::budget::{Budget, PostgresBudget};
use super::super::draft::{Draft, constant, derived, rule};
use super::super::host::{Sizing, Workload, input};
use super::super::{Basis, Component};
use super::{PG, not_below_primary, text};
use crate::value::Value;

pub(super) fn connections(draft: &mut Draft<'_>, pg: &PostgresBudget) {
    let host = draft.host;
    let reason = match (host.sizing, host.has(Component::PgBouncer)) {
        (Sizing::Guide, _) => constant("the guide's constant"),
        (_, true) => rule(
            "C + reserved + 10",
            format!("{} + {} + 10 = {}", pg.clients, pg.reserved, pg.clients + pg.reserved + 10),
            vec![
                derived("C", pg.clients.to_string(), "pools·(default_pool_size + reserve_pool_size)"),
                derived("reserved", pg.reserved.to_string(), "superuser_reserved_connections + reserved_connections"),
            ],
        )
        .note("Clients wait in PgBouncer; ten are left for maintenance that connects directly."),
        (_, false) => {
            let wanted = &pg.wanted;
            let mut reason = rule(wanted.formula, wanted.worked.clone(), wanted.inputs.clone());
            reason.caps.extend(wanted.cap.clone());
            match pg.reduced_from {
                Some(wanted) => reason.cap(format!(
                    "reduced from {wanted} to {}: more back ends do not fit in the memory with a work_mem of 1MB",
                    pg.max_connections
                )),
                None => reason,
            }
        }
    };
    let reason = not_below_primary(host, "max_connections", reason);
    draft.put(PG, "max_connections", Value::Int(pg.max_connections as i64), reason);
    draft.put(PG, "superuser_reserved_connections", Value::Int(3), constant("3: room to log in and mend things"));
    if pg.reserved_for_monitoring > 0 {
        draft.put(
            PG,
            "reserved_connections",
            Value::Int(pg.reserved_for_monitoring as i64),
            constant(
                "2: roles with pg_use_reserved_connections, as monitoring, still get in when clients took the rest",
            ),
        );
    }
    let statement = "5min: no statement runs away; index builds and dumps raise it for their session";
    draft.put(PG, "statement_timeout", Value::Millis(300_000), constant(statement));
    draft.put(
        PG,
        "idle_in_transaction_session_timeout",
        Value::Millis(600_000),
        constant("10min: an abandoned transaction holds locks and keeps vacuum from cleaning"),
    );
    // A report of many statements may well take longer; there its client decides.
    if host.sizing == Sizing::Budget && host.workload != Workload::Analytics {
        draft.put(
            PG,
            "transaction_timeout",
            Value::Millis(3_600_000),
            constant("1h: a transaction left open keeps vacuum from cleaning every table; a long batch raises it for its session"),
        );
    }
    draft.put(PG, "lock_timeout", Value::Millis(30_000), constant("30s: a blocked statement fails and says so"));
    draft.put(
        PG,
        "client_connection_check_interval",
        Value::Millis(10_000),
        constant("10s: a query whose client has gone ends, instead of running on for nobody"),
    );
    draft.put(
        PG,
        "password_encryption",
        text("scram-sha-256"),
        constant("scram-sha-256: md5 is deprecated from 18 on and can be replayed"),
    );
    let keepalive = "the kernel's keepalive of the guide (4.1), for this server's connections";
    draft.put(PG, "tcp_keepalives_idle", Value::Int(300), constant(keepalive));
    draft.put(PG, "tcp_keepalives_interval", Value::Int(15), constant(keepalive));
    draft.put(PG, "tcp_keepalives_count", Value::Int(3), constant(keepalive));
}

pub(super) fn parallel(draft: &mut Draft<'_>, budget: &Budget, pg: &PostgresBudget) {
    let host = draft.host;
    let cpus = host.cpus.value;
    let cpu = host.cpus.input.clone();
    draft.put(
        PG,
        "max_worker_processes",
        Value::Int(pg.worker_processes as i64),
        not_below_primary(
            host,
            "max_worker_processes",
            rule("max(8, CPUs)", format!("max(8, {cpus}) = {}", cpus.max(8)), vec![cpu.clone()])
                .note("Never below PostgreSQL's default of 8, which extensions and replication count on."),
        ),
    );
    let workers = pg.parallel_workers;
    let (formula, worked, per_gather, gather_formula) = match host.sizing {
        Sizing::Guide => ("CPUs/2", format!("{cpus}/2"), (cpus / 4).clamp(1, 4).min(workers), "min(4, CPUs/4)"),
        Sizing::Budget => {
            let percent = if host.has(Component::DuckDb) { budget.percent.value } else { 100 };
            let worked = format!("{percent} % of {cpus}");
            (
                "PostgreSQL's part of the CPUs, at least 1",
                worked,
                (workers / 2).min(4),
                "min(4, max_parallel_workers/2)",
            )
        }
    };
    draft.put(PG, "max_parallel_workers", Value::Int(workers as i64), rule(formula, worked, vec![cpu]));
    let inputs = vec![derived("max_parallel_workers", workers.to_string(), "postgresql.max_parallel_workers")];
    let reason = rule(gather_formula, format!("min(4, {workers}/2)"), inputs.clone());
    let reason = if workers / 2 > 4 { reason.cap("4: more for one query starves the others") } else { reason };
    draft.put(PG, "max_parallel_workers_per_gather", Value::Int(per_gather as i64), reason);
    draft.put(
        PG,
        "max_parallel_maintenance_workers",
        Value::Int((workers / 2).clamp(1, 4) as i64),
        rule("clamp(max_parallel_workers/2, 1, 4)", format!("{workers}/2 = {}", workers / 2), inputs)
            .bounds(workers / 2, (1, "an index build may have one helper"), (4, "more gain little in one index build"))
            .note("They share one maintenance_work_mem."),
    );
}

/// TLS, where the configuration names a certificate and its key and both are there: with `ssl = on` and one of them
/// missing, the server does not start.
pub(super) fn tls(draft: &mut Draft<'_>) {
    let host = draft.host;
    let named = |key: &str| host.profile.text(key).zip(host.origin(key));
    let (Some((certificate, origin)), Some((key, _))) =
        (named("postgresql.tls_certificate"), named("postgresql.tls_certificate_key"))
    else {
        return;
    };
    let read = host.facts.certificates.iter().find(|c| c.path == certificate && c.key == key);
    if !read.is_some_and(|c| c.days_left.is_some() && c.fits_key != Some(false)) {
        return;
    }
    let inputs = vec![input("certificate", certificate, Basis::Configured, origin.to_string())];
    let rule = |worked: &str| rule("on where a certificate and its key are named and there", worked, inputs.clone());
    draft.put(PG, "ssl", Value::Bool(true), rule(certificate));
    draft.put(PG, "ssl_cert_file", text(certificate), rule(certificate));
    draft.put(PG, "ssl_key_file", text(key), rule(key).note("The server wants it to be its own, mode 0600."));
    draft.put(
        PG,
        "ssl_min_protocol_version",
        text("TLSv1.2"),
        constant("TLSv1.2: older ones are broken; PostgreSQL's default"),
    );
}
