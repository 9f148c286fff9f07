//! DuckDB's settings (the guide's 2.1 and 2.3).

use super::budget::{Budget, DuckBudget};
use super::draft::{Draft, constant, derived, rule};
use super::host::{Sizing, input};
use super::{Basis, Component};
use crate::units::{self, GB, MB};
use crate::value::Value;

const DUCK: Component = Component::DuckDb;
/// Where spilled data goes: on disk, since /tmp is often memory.
const TEMP: &str = "/var/lib/duckdb/tmp";

pub(super) fn settings(draft: &mut Draft<'_>, budget: &Budget, duck: &DuckBudget) {
    let host = draft.host;
    let guide = host.sizing == Sizing::Guide;
    let share = units::human_bytes(duck.share);
    let limit = if guide {
        rule(
            "the guide's table, by the largest column not above the RAM; below 8 GB half of it",
            "",
            vec![host.ram.input.clone()],
        )
    } else {
        rule(
            "80 % of DuckDB's share",
            format!("0.8·{share}"),
            vec![
                derived(
                    "share",
                    share.clone(),
                    &format!(
                        "of {} left after reserve, fixed needs and other tenants",
                        units::human_bytes(budget.rest)
                    ),
                ),
                host.ram.input.clone(),
            ],
        )
        .note("DuckDB exceeds its limit at times; the other fifth is for that.")
        .note("Written in KiB, MiB or GiB: DuckDB's own GB is a thousand million bytes.")
    };
    draft.put(DUCK, "memory_limit", Value::Bytes(duck.memory_limit), limit);
    let cpus = host.cpus.value;
    let threads = if guide {
        constant("the guide's table")
    } else if let Some(pg) = &budget.postgresql {
        rule(
            "max(1, CPUs − max_parallel_workers)",
            format!("{cpus} − {}", pg.parallel_workers),
            vec![
                host.cpus.input.clone(),
                derived("max_parallel_workers", pg.parallel_workers.to_string(), "postgresql.max_parallel_workers"),
            ],
        )
    } else {
        rule("CPUs", cpus.to_string(), vec![host.cpus.input.clone()])
    };
    draft.put(DUCK, "threads", Value::Int(duck.threads as i64), threads);
    let external = if guide {
        constant("the guide's table; DuckDB refuses more than `threads`, of which they are a part")
    } else {
        constant(
            "1: the thread that calls DuckDB; further threads of the caller would be counted here, within `threads`",
        )
    };
    draft.put(DUCK, "external_threads", Value::Int(duck.external_threads as i64), external);
    draft.put(
        DUCK,
        "temp_directory",
        Value::Text(TEMP.to_owned()),
        constant("on disk; the guide's /tmp/duckdb is often memory, which spilling is meant to save"),
    );
    let free = host.mount_of(TEMP).and_then(|d| d.free_bytes).map(units::coarse);
    let wal = ["postgresql.max_wal_size", "postgresql.max_slot_wal_keep_size"]
        .iter()
        .filter(|_| same_file_system(draft))
        .filter_map(|k| draft.value(k).and_then(Value::bytes))
        .fold(0, u64::saturating_add);
    let (size, reason) = match free {
        Some(free) => {
            let left = free.saturating_sub(wal);
            let inputs = vec![
                super::postgresql::free_input(free, "facts disks[].free_bytes"),
                derived("WAL", units::human_bytes(wal), "postgresql.max_wal_size + max_slot_wal_keep_size"),
            ];
            let worked = format!("({} − {})/2", units::human_bytes(free), units::human_bytes(wal));
            ((left / 2 / MB * MB).max(MB), rule("half of what is free there and not promised to WAL", worked, inputs))
        }
        None => {
            let unknown = input("free", "unknown", Basis::Assumed, "df on the folder on the host itself");
            (10 * GB, rule("10GB where the file system is not known", "10GB", vec![unknown]))
        }
    };
    draft.put(DUCK, "max_temp_directory_size", Value::Bytes(size), reason);
    draft.put(
        DUCK,
        "extension_directory",
        Value::Text("/var/lib/duckdb/extensions".to_owned()),
        constant("persistent and the service's own: an extension is code that the service runs"),
    );
    let checkpoint =
        rule("the guide's table", units::format_bytes(duck.checkpoint_threshold), vec![host.ram.input.clone()]);
    draft.put(DUCK, "checkpoint_threshold", Value::Bytes(duck.checkpoint_threshold), checkpoint);
    draft.put(DUCK, "default_order", Value::Text("ASC".to_owned()), constant("the guide's constant"));
    draft.put(
        DUCK,
        "preserve_insertion_order",
        Value::Bool(false),
        constant("false: large results stream instead of being held back for their order"),
    );
}

/// Whether DuckDB spills to the file system that PostgreSQL writes its WAL to.
fn same_file_system(draft: &Draft<'_>) -> bool {
    let host = draft.host;
    match (host.mount_of(TEMP), host.mount_of(host.data_dir())) {
        (Some(a), Some(b)) => a.mount == b.mount,
        _ => false,
    }
}
