//! Limits of containers, from the same budget (the guide's 4.4), where Docker is on the host.

use super::Component;
use super::budget::Budget;
use super::draft::{Draft, derived, rule};
use crate::units::{self, MB};
use crate::value::Value;

const BOX: Component = Component::Containers;

pub(super) fn settings(draft: &mut Draft<'_>, budget: &Budget) {
    let host = draft.host;
    if host.facts.software.docker.is_none() {
        return;
    }
    let limit = |bytes: u64, what: &str| {
        let whole = bytes.div_ceil(MB).saturating_mul(MB);
        let inputs = vec![derived("worst case", units::human_bytes(bytes), what)];
        (Value::Bytes(whole), rule("the component's worst case, in whole MB", units::format_bytes(whole), inputs))
    };
    if let Some(pg) = &budget.postgresql {
        let (value, reason) = limit(pg.worst_case(), "memory.total");
        let note = "The guide's limit equals shared_buffers: the first query would be killed.";
        draft.put(BOX, "postgresql.memory", value, reason.note(note));
        let (shm, reason) = shm_size(pg);
        draft.put(BOX, "postgresql.shm_size", Value::Bytes(shm), reason);
        draft.put(
            BOX,
            "postgresql.cpus",
            Value::Float(host.cpus.value as f64),
            rule("CPUs", host.cpus.value.to_string(), vec![host.cpus.input.clone()])
                .note("Back ends that serve clients are not counted in max_parallel_workers; the limit is the host's."),
        );
    }
    if let Some(duck) = &budget.duckdb {
        let (value, reason) = limit(duck.share.max(duck.memory_limit), "DuckDB's share");
        draft.put(BOX, "duckdb.memory", value, reason);
        let reason = rule(
            "threads",
            duck.threads.to_string(),
            vec![derived("threads", duck.threads.to_string(), "duckdb.threads")],
        );
        draft.put(BOX, "duckdb.cpus", Value::Float(duck.threads as f64), reason);
    }
    for need in &budget.needs {
        let (value, reason) = limit(need.bytes, need.formula);
        match need.component {
            Component::Api => draft.put(BOX, "api.memory", value, reason),
            Component::PgBouncer => draft.put(BOX, "pgbouncer.memory", value, reason),
            Component::Nginx => draft.put(BOX, "nginx.memory", value, reason),
            Component::Llm => draft.put(BOX, "llm.memory", value, reason),
            _ => {}
        }
    }
}

/// /dev/shm holds the memory that parallel workers share: an index build's maintenance_work_mem, or a parallel hash of
/// work_mem·hash_mem_multiplier for each participant (a 2-worker hash at 64MB was measured at 205MB).
pub(super) fn shm_needed(pg: &super::budget::PostgresBudget) -> u64 {
    let participants = (pg.parallel_workers / 2).min(4) + 1;
    let hash = (pg.work_mem as f64 * pg.hash_mem_multiplier * participants as f64).ceil() as u64;
    pg.maintenance_work_mem.max(hash)
}

fn shm_size(pg: &super::budget::PostgresBudget) -> (u64, super::Reason) {
    let needed = shm_needed(pg);
    let size = needed.div_ceil(MB).saturating_mul(MB).max(64 * MB);
    let inputs = vec![
        derived(
            "maintenance_work_mem",
            units::format_bytes(pg.maintenance_work_mem),
            "postgresql.maintenance_work_mem",
        ),
        derived("work_mem", units::format_bytes(pg.work_mem), "postgresql.work_mem"),
    ];
    let reason = rule(
        "max(64MB, maintenance_work_mem, work_mem·hash_mem_multiplier·(per_gather + 1))",
        units::format_bytes(size),
        inputs,
    )
    .note("Docker's default of 64MB makes parallel queries and index builds fail.");
    (size, reason)
}
