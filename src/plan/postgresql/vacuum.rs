//! Vacuum (the guide's 1.5).

use super::super::budget::PostgresBudget;
use super::super::draft::{Draft, constant, derived, rule};
use super::super::host::{DiskClass, Host, Sizing, input};
use super::super::{Basis, Reason};
use super::PG;
use super::planner::measured;
use crate::units::{self, MB};
use crate::value::Value;

pub(super) fn vacuum(draft: &mut Draft<'_>, pg: &PostgresBudget) {
    let host = draft.host;
    draft.put(
        PG,
        "autovacuum",
        Value::Bool(true),
        constant("on: off leads to bloat and, in the end, to a stand-still"),
    );
    draft.put(
        PG,
        "autovacuum_worker_slots",
        Value::Int(pg.autovacuum_slots(host.major) as i64),
        constant("16, the default, or as many as are pinned: autovacuum_max_workers can be raised up to it without a restart"),
    );
    draft.put(
        PG,
        "autovacuum_max_workers",
        Value::Int(pg.autovacuum_workers as i64),
        autovacuum_workers_reason(host, pg),
    );
    let same = "the guide's constant, PostgreSQL's default";
    draft.put(PG, "autovacuum_naptime", Value::Millis(60_000), constant(same));
    draft.put(PG, "autovacuum_vacuum_threshold", Value::Int(50), constant(same));
    draft.put(
        PG,
        "autovacuum_vacuum_max_threshold",
        Value::Int(100_000_000),
        constant("100 million dead rows: a very large table no longer waits for 20 % of it"),
    );
    draft.put(PG, "autovacuum_analyze_threshold", Value::Int(50), constant(same));
    draft.put(PG, "autovacuum_vacuum_scale_factor", Value::Float(0.2), constant(same));
    draft.put(PG, "autovacuum_analyze_scale_factor", Value::Float(0.1), constant(same));
    draft.put(PG, "autovacuum_vacuum_cost_delay", Value::Millis(2), constant(same));
    let (limit, reason) = match measured(host).filter(|m| m.direct).and_then(|m| m.random_read_iops_16) {
        Some(iops) if host.sizing == Sizing::Budget => (
            ((iops / 25.0).round() as i64).clamp(200, 2000),
            rule(
                "clamp(random reads/s ÷ 25, 200, 2000)",
                format!("{iops:.0}/25"),
                vec![input("random reads/s at depth 16", format!("{iops:.0}"), Basis::Measured, "facts --measure")],
            )
            .note(
                "At 200, vacuum reads at most some 50,000 pages a second; a disk that gives more can give vacuum more.",
            ),
        ),
        _ => cost_limit(host),
    };
    draft.put(PG, "autovacuum_vacuum_cost_limit", Value::Int(limit), reason);
    draft.put(PG, "autovacuum_freeze_max_age", Value::Int(200_000_000), constant(same));
    draft.put(PG, "autovacuum_multixact_freeze_max_age", Value::Int(400_000_000), constant(same));
    draft.put(
        PG,
        "vacuum_buffer_usage_limit",
        Value::Bytes(2 * MB),
        constant(
            "2MB: vacuum recycles this much of shared_buffers and leaves the rest to queries (the default from 17 on)",
        ),
    );
}

fn autovacuum_workers_reason(host: &Host<'_>, pg: &PostgresBudget) -> Reason {
    if host.sizing == Sizing::Guide {
        return constant("the guide's constant, PostgreSQL's default");
    }
    let cpus = host.cpus.value;
    let by_memory = pg.share / 8 / pg.autovacuum_work_mem.max(1);
    let inputs = vec![
        host.cpus.input.clone(),
        derived("S", units::human_bytes(pg.share), "PostgreSQL's share"),
        derived("autovacuum_work_mem", units::format_bytes(pg.autovacuum_work_mem), "postgresql.autovacuum_work_mem"),
    ];
    let raw = (cpus / 8).min(by_memory);
    rule("clamp(min(CPUs/8, S/8/autovacuum_work_mem), 3, 8)", format!("min({cpus}/8, {by_memory}) = {raw}"), inputs)
        .bounds(raw, (3, "PostgreSQL's default"), (8, "they share one cost limit, and more only wait for each other"))
        .note("Each may hold autovacuum_work_mem; a term of work_mem.")
}

/// autovacuum_vacuum_cost_limit by the class of the disk, where that is known.
fn cost_limit(host: &Host<'_>) -> (i64, Reason) {
    let known = host.sizing == Sizing::Budget && host.disk_input.basis != Basis::Assumed;
    let limit = match host.disk {
        DiskClass::Nvme if known => 2000,
        DiskClass::Ssd if known => 600,
        _ => return (200, constant("the guide's constant, PostgreSQL's default")),
    };
    // cost_delay is 2 ms: 500 rounds a second; a dirtied page costs 20.
    let dirtied = units::human_bytes(limit * 500 / 20 * 8192);
    let reason =
        rule("200 on a rotating disk, 600 on flash, 2000 on NVMe", limit.to_string(), vec![host.disk_input.clone()])
            .note(format!(
                "With it vacuum writes at most {dirtied} a second; at 200, 39.1 MB, it falls behind on flash."
            ));
    (limit as i64, reason)
}
