//! Memory (the guide's 1.1).

use super::super::budget::{Budget, PostgresBudget, WorkMemTerm};
use super::super::draft::{Draft, constant, derived, rule};
use super::super::host::{Host, Sizing};
use super::super::{Component, Input, Reason};
use super::{PG, share_input, text};
use crate::units::{self, GB, MB};
use crate::value::Value;

pub(super) fn memory(draft: &mut Draft<'_>, budget: &Budget, pg: &PostgresBudget) {
    let host = draft.host;
    let s = share_input(host, budget, pg);
    let from_ram = || match host.sizing {
        // S is the whole of it there.
        Sizing::Guide => vec![s.clone()],
        Sizing::Budget => vec![s.clone(), host.ram.input.clone()],
    };
    let share = units::human_bytes(pg.share);
    let b = units::format_bytes;
    let blocks = "A whole number of PostgreSQL's 8kB blocks, so that SHOW answers what was written.";
    draft.put(
        PG,
        "shared_buffers",
        Value::Bytes(pg.shared_buffers),
        rule("S/4", format!("{share}/4 = {}", b(pg.shared_buffers)), from_ram()).note(blocks),
    );
    draft.put(
        PG,
        "effective_cache_size",
        Value::Bytes(pg.effective_cache_size),
        rule("3S/4", format!("3·{share}/4 = {}", b(pg.effective_cache_size)), from_ram())
            .note("What the planner takes to be cached by PostgreSQL and the kernel; nothing is allocated."),
    );
    draft.put(PG, "work_mem", Value::Bytes(pg.work_mem), work_mem_reason(host, pg, from_ram()));
    draft.put(
        PG,
        "hash_mem_multiplier",
        Value::Float(pg.hash_mem_multiplier),
        constant("2: what one hash may hold, in work_mem; PostgreSQL's default from 15 on, and a term of work_mem"),
    );
    let maintenance = match host.sizing {
        Sizing::Guide => rule("S/32", format!("{share}/32 = {}", b(pg.maintenance_work_mem)), from_ram()).note(
            "The guide's script divides in whole GB and prints 0GB below 32 GB of RAM; this is its formula in kB.",
        ),
        Sizing::Budget => {
            let raw = pg.share / 32;
            let worked = format!("{share}/32 = {}", units::human_bytes(raw));
            let reason = rule("clamp(S/32, 16MB, 2GB)", worked, from_ram());
            match raw {
                n if n > 2 * GB => reason.cap("2GB at most: vacuum and index builds gain little beyond"),
                n if n < 16 * MB => reason.cap("16MB at least: with less, vacuum scans every index repeatedly"),
                _ => reason,
            }
        }
    };
    draft.put(PG, "maintenance_work_mem", Value::Bytes(pg.maintenance_work_mem), maintenance);
    if host.sizing == Sizing::Budget || host.profile.get("postgresql.autovacuum_work_mem").is_some() {
        draft.put(
            PG,
            "autovacuum_work_mem",
            Value::Bytes(pg.autovacuum_work_mem),
            rule(
                "= maintenance_work_mem",
                format!("{} for each of {} workers", b(pg.autovacuum_work_mem), pg.autovacuum_workers),
                vec![derived("maintenance_work_mem", b(pg.maintenance_work_mem), "postgresql.maintenance_work_mem")],
            ),
        );
    }
    draft.put(PG, "wal_buffers", Value::Int(-1), constant("-1: the server takes 3 % of shared_buffers, at most 16MB"));
    let (word, why) = if pg.huge_pages || pg.shared_buffers < 2 * GB {
        ("try", "try: huge pages where they are there, ordinary ones where not; the server always starts")
    } else {
        ("try", "try: none are planned for here, the server uses them where the kernel has some")
    };
    draft.put(PG, "huge_pages", text(word), constant(why));
    draft.put(
        PG,
        "temp_buffers",
        Value::Bytes(pg.temp_buffers),
        match host.sizing {
            Sizing::Guide => constant("the guide's constant"),
            Sizing::Budget => constant("8MB: each session that uses temporary tables may hold it; a term of work_mem"),
        },
    );
}

fn work_mem_reason(host: &Host<'_>, pg: &PostgresBudget, share: Vec<Input>) -> Reason {
    let b = units::format_bytes;
    let h = units::human_bytes;
    let clients = derived("C", pg.clients.to_string(), "back ends that clients can occupy");
    if host.sizing == Sizing::Guide {
        return rule(
            "(RAM − shared_buffers) / (200·2)",
            format!("({} − {})/400 = {}", h(pg.share), b(pg.shared_buffers), h(pg.work_mem_guide)),
            share,
        )
        .note("In whole MB as the guide's script has it (its example file rounds to 128MB).");
    }
    let mut inputs = share;
    inputs.extend([
        clients,
        derived("SB", b(pg.shared_buffers), "postgresql.shared_buffers"),
        derived("maintenance_work_mem", b(pg.maintenance_work_mem), "postgresql.maintenance_work_mem"),
        derived("max_connections", pg.max_connections.to_string(), "postgresql.max_connections"),
        derived("max_parallel_workers", pg.parallel_workers.to_string(), "postgresql.max_parallel_workers"),
        derived("hash_mem_multiplier", pg.hash_mem_multiplier.to_string(), "postgresql.hash_mem_multiplier"),
    ]);
    let worst = u64::try_from(pg.work_mem_worst.max(0)).unwrap_or(u64::MAX);
    let worked = format!(
        "min((S−SB)/(2C) = {}, (S − {})/{:.0} = {}, 1GB) = {}",
        h(pg.work_mem_guide),
        h(pg.standing()),
        pg.work_mem_users(),
        h(worst),
        b(pg.work_mem),
    );
    let reason = rule(
        "min((S−SB)/(2C), (S − standing)/((C + max_parallel_workers)·hash_mem_multiplier·2), 1GB)",
        worked,
        inputs,
    );
    let reason = match pg.work_mem_term {
        WorkMemTerm::Guide => reason.note("The guide's term won."),
        WorkMemTerm::WorstCase => reason.note(
            "The worst case won: every client and parallel worker sorting or hashing twice at once still fits. \
             standing = 1.03·SB + (autovacuum workers + 1)·maintenance_work_mem + max_connections·(4MB + page tables) + C·temp_buffers.",
        ),
        WorkMemTerm::Cap => reason.cap("1GB: a single sort that holds more gains nothing that more clients would not lose"),
        WorkMemTerm::Pinned => reason,
        WorkMemTerm::Floor => reason.cap("1MB: less is no use; see memory.fit"),
    };
    match pg.reduced_from {
        Some(wanted) if host.has(Component::PgBouncer) => {
            reason.note(format!("The pool was reduced from {wanted} so that work_mem is at least 1MB."))
        }
        Some(wanted) => {
            reason.note(format!("max_connections was reduced from {wanted} so that work_mem is at least 1MB."))
        }
        None => reason,
    }
}
