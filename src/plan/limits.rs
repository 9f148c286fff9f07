//! Descriptor and process limits (the guide's 4.2).

use super::budget::Budget;
use super::draft::{Draft, constant, derived, rule};
use super::host::input;
use super::{Basis, Component, Reason};
use crate::value::Value;

const LIMITS: Component = Component::Limits;

/// The most processes a kernel can number (PID_MAX_LIMIT).
const MOST_PROCESSES: u64 = 4_194_304;

pub(super) fn settings(draft: &mut Draft<'_>, budget: &Budget) {
    let host = draft.host;
    let nr_open = match draft.value("kernel.fs.nr_open") {
        Some(Value::Int(i)) => u64::try_from(*i).unwrap_or(1_048_576),
        _ => host.sysctl("fs.nr_open").unwrap_or(1_048_576),
    };
    let nofile = |wanted: u64| Value::Int(wanted.min(nr_open) as i64);
    let within_nr_open = |reason: Reason, wanted: u64| {
        if wanted > nr_open { reason.cap(format!("fs.nr_open, {nr_open}: the kernel allows no more")) } else { reason }
    };
    let capped = |wanted: u64, why: &str| within_nr_open(constant(why), wanted);
    // 99- is read last, and a user's own line beats that of all: what the host gives its logins already is not lowered.
    let now = &host.facts.limits;
    let every = 65_536.max(now.nofile_hard.unwrap_or(0));
    let has = now.nproc_hard.unwrap_or(0).min(MOST_PROCESSES);
    if let Some(pg) = &budget.postgresql {
        let why = "for logins as postgres, the guide's constant, or more where the host has more";
        draft.put(LIMITS, "postgres.nofile", nofile(every), capped(every, why));
        let needed = 4096.max(pg.max_connections.saturating_mul(2));
        draft.put(
            LIMITS,
            "postgres.nproc",
            Value::Int(needed.max(has) as i64),
            rule(
                "max(4096, 2·max_connections, what the host has)",
                format!("max(4096, 2·{}, {has})", pg.max_connections),
                vec![
                    derived("max_connections", pg.max_connections.to_string(), "postgresql.max_connections"),
                    input("now", has.to_string(), Basis::Measured, "facts limits.nproc_hard"),
                ],
            ),
        );
    }
    let processes = 32_768.max(has);
    let all = "the guide's constant, or more where the host has more; limits.d holds for logins only, services have LimitNOFILE";
    draft.put(LIMITS, "*.nofile", nofile(every), capped(every, all));
    draft.put(LIMITS, "*.nproc", Value::Int(processes as i64), constant(all));
    draft.put(
        LIMITS,
        "root.nofile",
        nofile(1_048_576),
        capped(1_048_576, "the guide's constant, for containers' daemons"),
    );
    let nginx = budget.nginx.as_ref().map_or(0, |n| (n.connections * 2).max(65_535));
    let pooler = budget.pools.as_ref().map_or(0, |p| p.clients + p.pools.value * (p.size + p.reserve) + 64);
    let wanted = 65_536.max(nginx).max(pooler);
    let mut reason = rule(
        "max(65536, nginx's worker_rlimit_nofile, PgBouncer's clients and pools)",
        format!("max(65536, {nginx}, {pooler}) = {wanted}"),
        vec![],
    )
    .note("LimitNOFILE of every service of the stack; limits.d does not reach services.");
    // Our drop-in is read after most others: what a service was given is not taken from it.
    let given = host.facts.units.iter().filter_map(|unit| unit.nofile().map(|(n, file)| (n.min(nr_open), unit, file)));
    let given = given.max_by_key(|(files, ..)| *files).filter(|(files, ..)| *files > wanted);
    let wanted = given.map_or(wanted, |(files, ..)| files);
    if let Some((files, unit, file)) = given {
        reason.inputs.push(input(&unit.name, files.to_string(), Basis::Measured, file));
        reason = reason.note(format!("{} has more than the stack needs; it is kept.", unit.name));
    }
    draft.put(LIMITS, "units.nofile", nofile(wanted), within_nr_open(reason, wanted));
}
