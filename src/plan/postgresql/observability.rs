//! Logging, statistics and what is preloaded (the guide's 5.2).

use super::super::Basis;
use super::super::draft::{Draft, constant, rule};
use super::super::host::input;
use super::{PG, text};
use crate::units::MB;
use crate::value::Value;

pub(super) fn observability(draft: &mut Draft<'_>) {
    let host = draft.host;
    preload(draft);
    let why = "on: what a query waits for is in EXPLAIN (ANALYZE, BUFFERS) and pg_stat_io";
    draft.put(PG, "track_io_timing", Value::Bool(true), constant(why));
    draft.put(PG, "track_wal_io_timing", Value::Bool(true), constant(why));
    draft.put(
        PG,
        "track_cost_delay_timing",
        Value::Bool(true),
        constant("on: pg_stat_progress_vacuum says how long vacuum was held back"),
    );
    draft.put(
        PG,
        "log_min_duration_statement",
        Value::Millis(1000),
        constant("1s: slow statements are in the log with their time"),
    );
    draft.put(PG, "log_checkpoints", Value::Bool(true), constant("on: a checkpoint that comes too early shows"));
    draft.put(PG, "log_lock_waits", Value::Bool(true), constant("on: who waits for whom longer than deadlock_timeout"));
    draft.put(PG, "log_lock_failures", Value::Bool(true), constant("on: NOWAIT failures name the holder"));
    draft.put(
        PG,
        "log_temp_files",
        Value::Bytes(10 * MB),
        constant("10MB: sorts and hashes that outgrew work_mem by much are in the log"),
    );
    draft.put(
        PG,
        "log_autovacuum_min_duration",
        Value::Millis(60_000),
        constant("1min: an autovacuum that takes long says what it did"),
    );
    let (connections, why) = if host.major >= 18 {
        ("receipt,authentication,authorization", "the list form of 18")
    } else {
        ("on", "as the guide has it")
    };
    draft.put(PG, "log_connections", text(connections), constant(why));
    draft.put(PG, "log_disconnections", Value::Bool(true), constant("on: with how long each session lasted"));
    draft.put(
        PG,
        "log_line_prefix",
        text("%m [%p] %q%u@%d/%a "),
        constant("time, process, user, database and application of every line"),
    );
}

/// Libraries that are preloaded: those the cluster has already, and pg_stat_statements where it is installed. A name
/// that is not installed keeps the server from starting.
fn preload(draft: &mut Draft<'_>) {
    let host = draft.host;
    let live = host.facts.database.as_ref().map(|d| &d.extensions);
    let Some(installed) = live.or_else(|| host.server()?.extensions.as_ref()) else { return };
    if !installed.iter().any(|e| e == "pg_stat_statements") {
        return;
    }
    let running = host.facts.database.as_ref().and_then(|d| d.settings.get("shared_preload_libraries"));
    let in_files = || Some(&host.cluster()?.settings.get("shared_preload_libraries")?.value);
    let mut libraries: Vec<String> = running
        .or_else(in_files)
        .map(|s| s.split(',').map(|l| l.trim().to_owned()).filter(|l| !l.is_empty()).collect())
        .unwrap_or_default();
    let kept = libraries.len();
    if !libraries.iter().any(|l| l == "pg_stat_statements") {
        libraries.push("pg_stat_statements".to_owned());
    }
    let source = "facts software.postgresql[].extensions";
    let reason = rule(
        "what the cluster preloads, and pg_stat_statements where it is installed",
        libraries.join(", "),
        vec![
            input("installed", "pg_stat_statements", Basis::Measured, source),
            input("preloaded now", kept.to_string(), Basis::Measured, "facts software.clusters[].settings"),
        ],
    );
    draft.put(PG, "shared_preload_libraries", Value::List(libraries), reason);
    draft.put(
        PG,
        "compute_query_id",
        text("on"),
        constant("on: the same statement is counted as one in pg_stat_statements and found again in the log"),
    );
}
