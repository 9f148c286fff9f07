//! The kernel's settings (the guide's 4.1). Each has its better direction, and what the host has is never made worse:
//! kept where it is further that way than the guide's value.

use super::budget::Budget;
use super::draft::{Draft, constant, derived, rule};
use super::host::{Host, input};
use super::{Basis, Component, Reason};
use crate::units::{self, GB, KB, MB};
use crate::value::Value;

const KERNEL: Component = Component::Kernel;

pub(super) fn settings(draft: &mut Draft<'_>, budget: &Budget) {
    let host = draft.host;
    let server =
        [Component::PostgreSql, Component::PgBouncer, Component::Nginx, Component::Api].iter().any(|c| host.has(*c));
    if server {
        network(draft);
    }
    memory(draft, budget);
    raise(draft, "kernel.shmmni", 4096, "segments of System V shared memory");
    lowered_shared_memory(draft);
    raise(draft, "fs.file-max", 2_097_152, "open files of the whole host");
    raise(draft, "fs.nr_open", 1_048_576, "the most LimitNOFILE may ask for");
    let never = "never: compaction stalls and inflated memory cost a database more than large pages gain; huge pages \
                 for shared_buffers are asked for by name";
    if present(host, "thp.enabled") {
        draft.put(KERNEL, "thp.enabled", Value::Text("never".to_owned()), constant(never));
        draft.put(KERNEL, "thp.defrag", Value::Text("never".to_owned()), constant(never));
    }
}

/// Whether the host's kernel has a key; where nothing is known of the host it is taken to.
fn present(host: &Host<'_>, key: &str) -> bool {
    let known = &host.facts.kernel.sysctl;
    match key {
        "thp.enabled" => known.is_empty() || host.facts.memory.thp.is_some(),
        key => known.is_empty() || known.contains_key(key),
    }
}

/// The keys of the guide that this kernel lacks, for a finding.
pub(super) fn lacking(host: &Host<'_>) -> Vec<&'static str> {
    super::specs::SPECS
        .iter()
        .filter(|s| s.component == KERNEL && !s.name.starts_with("thp."))
        .map(|s| s.name)
        .filter(|name| !present(host, name))
        .collect()
}

/// A setting of which more is better: never below what the host has.
fn raise(draft: &mut Draft<'_>, key: &'static str, wanted: u64, what: &str) {
    let host = draft.host;
    if !present(host, key) {
        return;
    }
    let now = host.sysctl(key);
    let value = now.map_or(wanted, |n| n.max(wanted));
    let mut inputs = Vec::new();
    if let Some(now) = now {
        inputs.push(input("now", now.to_string(), Basis::Measured, format!("facts kernel.sysctl[{key}]")));
    }
    let worked = now.map_or_else(|| wanted.to_string(), |n| format!("max({wanted}, {n})"));
    let mut reason = rule("max(the guide's, what the host has)", worked, inputs).note(format!("Bounds {what}."));
    if value > wanted {
        reason = reason.note("The host has more than the guide asks for; it is kept.");
    }
    draft.put(KERNEL, key, Value::Int(i64::try_from(value).unwrap_or(i64::MAX)), reason);
}

/// A setting of which less is better: never above what the host has.
fn lower(draft: &mut Draft<'_>, key: &'static str, wanted: u64, why: &str) {
    let host = draft.host;
    if !present(host, key) {
        return;
    }
    let value = host.sysctl(key).map_or(wanted, |now| now.min(wanted));
    let reason = if value < wanted { kept(key, value, &wanted.to_string()) } else { constant(why) };
    draft.put(KERNEL, key, Value::Int(i64::try_from(value).unwrap_or(i64::MAX)), reason);
}

/// The reason of a value that stays as the host has it, since it is lower than the guide's.
fn kept(key: &str, now: u64, wanted: &str) -> Reason {
    let inputs = vec![input("now", now.to_string(), Basis::Measured, format!("facts kernel.sysctl[{key}]"))];
    rule("min(the guide's, what the host has)", format!("min({wanted}, {now})"), inputs)
        .note("The host has less than the guide asks for, which is better; it is kept.")
}

/// A setting of which a certain value is right.
fn fixed(draft: &mut Draft<'_>, key: &'static str, value: i64, reason: Reason) {
    if present(draft.host, key) {
        draft.put(KERNEL, key, Value::Int(value), reason);
    }
}

fn network(draft: &mut Draft<'_>) {
    raise(draft, "net.core.somaxconn", 4096, "every service's listen backlog");
    raise(draft, "net.core.netdev_max_backlog", 5000, "packets that wait for the kernel");
    let somaxconn = draft.value("kernel.net.core.somaxconn").and_then(|v| match v {
        Value::Int(i) => u64::try_from(*i).ok(),
        _ => None,
    });
    raise(
        draft,
        "net.ipv4.tcp_max_syn_backlog",
        somaxconn.unwrap_or(0).max(8192),
        "half-open connections; not below somaxconn",
    );
    lower(draft, "net.ipv4.tcp_fin_timeout", 30, "30 s: closed connections are forgotten sooner");
    lower(draft, "net.ipv4.tcp_keepalive_time", 300, "300 s: a silent peer is asked after 5 min, not 2 h");
    lower(draft, "net.ipv4.tcp_keepalive_probes", 3, "3 questions without an answer end the connection");
    lower(draft, "net.ipv4.tcp_keepalive_intvl", 15, "15 s between questions");
    fixed(draft, "net.ipv4.tcp_tw_reuse", 1, constant("1: outgoing connections may reuse ports in TIME_WAIT"));
}

fn memory(draft: &mut Draft<'_>, budget: &Budget) {
    let host = draft.host;
    lower(draft, "vm.swappiness", 10, "10: the page cache gives way before processes are swapped out");
    dirty(draft);
    overcommit(draft, budget);
    let Some(pg) = budget.postgresql.as_ref().filter(|p| p.huge_pages) else { return };
    let now = host.sysctl("vm.nr_hugepages").or(host.facts.memory.huge_pages).filter(|_| host.ram_is_measured);
    let value = now.map_or(pg.huge_page_count, |n| n.max(pg.huge_page_count));
    if present(host, "vm.nr_hugepages") {
        let size = units::format_bytes(pg.huge_page_size);
        let shared = units::format_bytes(pg.shared_buffers);
        let reason = rule(
            "1.03·shared_buffers in pages, and 64",
            format!("1.03·{shared}/{size} + 64"),
            vec![derived("shared_buffers", shared.clone(), "postgresql.shared_buffers")],
        )
        .note("An estimate; the server itself says what it needs: postgres -C shared_memory_size_in_huge_pages.");
        draft.put(KERNEL, "vm.nr_hugepages", Value::Int(value as i64), reason);
    }
}

/// What may wait to be written, and from where on the kernel writes it: less is better. A percentage of a large RAM is
/// more than a disk can write in a pause anybody would accept; there it is bytes. Of each pair of keys, setting one
/// makes the other 0, so that the one the host uses is kept where it says less.
fn dirty(draft: &mut Draft<'_>) {
    let host = draft.host;
    let ram = host.ram.value;
    let large = ram / 100 * 15 > 4 * GB;
    let mut whole = None;
    for (bytes_key, ratio_key, wanted, percent, of_bytes, of_ratio) in [
        ("vm.dirty_bytes", "vm.dirty_ratio", 4 * GB, 15, "min(15 % of RAM, 4GB)", "15 % of RAM may wait to be written"),
        (
            "vm.dirty_background_bytes",
            "vm.dirty_background_ratio",
            1365 * MB,
            5,
            "a third of dirty_bytes, as the guide's 5 to 15",
            "from 5 % on the kernel writes in the background",
        ),
    ] {
        let now_bytes = host.sysctl(bytes_key).filter(|n| *n > 0);
        let now_ratio = host.sysctl(ratio_key).filter(|n| *n > 0);
        let wanted = if large { wanted } else { ram / 100 * percent };
        // The background's share is a third of the whole also where that was kept.
        let wanted = units::floor_kb(whole.map_or(wanted, |whole: u64| wanted.min(whole / 3)));
        let now = now_bytes.or_else(|| now_ratio.map(|n| ram / 100 * n));
        let chosen = now.map_or(wanted, |now| now.min(wanted));
        whole = whole.or(Some(chosen));
        let less = now.is_some_and(|now| now < wanted);
        if let Some(bytes) = now_bytes.filter(|_| less) {
            if present(host, bytes_key) {
                draft.put(KERNEL, bytes_key, Value::Bytes(bytes), kept(bytes_key, bytes, &wanted.to_string()));
            }
        } else if let Some(ratio) = now_ratio.filter(|_| less && now_bytes.is_none()) {
            let shown = (wanted * 100 / ram.max(1)).to_string();
            lower_to(draft, ratio_key, ratio, kept(ratio_key, ratio, &shown));
        } else if large {
            if present(host, bytes_key) {
                let inputs = vec![host.ram.input.clone()];
                let reason = rule(of_bytes, units::format_bytes(wanted), inputs)
                    .cap("in bytes: 15 % of this RAM would be more than 4GB of unwritten data");
                draft.put(KERNEL, bytes_key, Value::Bytes(wanted), reason);
            }
        } else {
            let percent = (wanted * 100).div_ceil(ram.max(1)).clamp(1, percent);
            lower_to(draft, ratio_key, percent, constant(of_ratio));
        }
    }
}

/// A percentage, where the kernel has the key.
fn lower_to(draft: &mut Draft<'_>, key: &'static str, value: u64, reason: Reason) {
    fixed(draft, key, i64::try_from(value).unwrap_or(i64::MAX), reason);
}

/// Strict overcommit is for a host of PostgreSQL alone, where what is planned and what is committed already fit under
/// the limit; elsewhere DuckDB, Python and the LLM gateway reserve address space they never touch, and would fail. Where
/// the operator has made it strict and the limit holds what is planned, it stays so.
fn overcommit(draft: &mut Draft<'_>, budget: &Budget) {
    let host = draft.host;
    let alone = host.components.iter().all(|c| matches!(c, Component::PostgreSql | Component::Sqlite));
    let now = host.sysctl("vm.overcommit_memory");
    let foreign = host.facts.memory.foreign_bytes.filter(|_| host.ram_is_measured).unwrap_or(0);
    let shared = host.other.value > 0 || foreign > host.ram.value / 20;
    let strict = budget.postgresql.as_ref().filter(|_| host.owns_kernel() && now == Some(2)).and_then(|pg| {
        let limit = host.ram_is_measured.then(|| commit_limit(host, pg, None))?;
        let need = commit_need(host, pg);
        (need <= limit).then_some((limit, need))
    });
    if let (true, true, Some(pg)) = (alone && !shared && now != Some(1), host.owns_kernel(), budget.postgresql.as_ref())
        && present(host, "vm.overcommit_ratio")
        && !(strict.is_some() && in_kbytes(host))
        && let Some(ratio) = commit_ratio(host, pg)
    {
        let reason = constant("2: PostgreSQL gets an error it survives, instead of the kernel killing a process")
            .note("Only where PostgreSQL has the host to itself.");
        fixed(draft, "vm.overcommit_memory", 2, reason);
        let had = host.sysctl("vm.overcommit_ratio").filter(|_| now == Some(2)).unwrap_or(0);
        let reason = rule(
            "what is planned and committed now, in percent of RAM less huge pages; at least the guide's 80",
            format!("{ratio} %"),
            vec![host.ram.input.clone(), derived("planned", units::human_bytes(pg.worst_case()), "memory.total")],
        );
        let reason = match ratio {
            _ if had > ratio => reason.note(format!("The host has {had}, which allows more; it is kept.")),
            81.. => reason.note("The guide's 80 would not hold what is planned."),
            _ => reason,
        };
        fixed(draft, "vm.overcommit_ratio", ratio.max(had) as i64, reason);
        return;
    }
    if let Some((limit, need)) = strict {
        let reason = constant("2, as the host has it: it was made strict, and what is planned fits under its limit")
            .note(format!(
                "CommitLimit is {}, planned and committed now are {}.",
                units::human_bytes(limit),
                units::human_bytes(need)
            ));
        fixed(draft, "vm.overcommit_memory", 2, reason);
        if let Some(ratio) = host.sysctl("vm.overcommit_ratio").filter(|_| !in_kbytes(host)) {
            let reason = constant("as the host has it: a part of the limit that is kept");
            fixed(draft, "vm.overcommit_ratio", ratio as i64, reason);
        }
        return;
    }
    if now == Some(1) {
        let reason = constant("1, as the host has it: something here was set up to need it")
            .note("The guide's 2 would refuse it the memory.");
        fixed(draft, "vm.overcommit_memory", 1, reason);
        return;
    }
    let (why, note) = match (alone, shared) {
        (false, _) => (
            "other parts of the stack live here, which reserve more memory than they touch",
            "With the guide's 2 such a reservation is refused, and the program fails.",
        ),
        (true, true) => (
            "other programs share the host, of which nobody knows how much they reserve",
            "With the guide's 2 PostgreSQL could be refused memory that is free.",
        ),
        (true, false) => (
            "what is planned and committed now would come too near the limit that 2 sets",
            "With the guide's 2 PostgreSQL could be refused memory that is free.",
        ),
    };
    fixed(draft, "vm.overcommit_memory", 0, constant(format!("0: {why}")).note(note));
    // Without strict overcommit the percentage means nothing; with a pinned 2 it is a part of the limit.
    if let Some(ratio) = host.profile.count("kernel.vm.overcommit_ratio").and_then(|n| i64::try_from(n).ok()) {
        fixed(draft, "vm.overcommit_ratio", ratio, constant("pinned; the plan would leave it as it is"));
    }
}

/// CommitLimit as it will be, with the huge pages that are planned: in kB where the host says it so and no percentage is
/// planned, else that percentage of RAM less all huge pages; and swap.
pub(super) fn commit_limit(host: &Host<'_>, pg: &super::budget::PostgresBudget, planned: Option<u64>) -> u64 {
    let memory = &host.facts.memory;
    let swap = if host.ram_is_measured { memory.swap_bytes.unwrap_or(0) } else { 0 };
    if let Some(kb) = host.sysctl("vm.overcommit_kbytes").filter(|kb| *kb > 0 && planned.is_none()) {
        return kb.saturating_mul(KB).saturating_add(swap);
    }
    let ratio = planned.or_else(|| host.sysctl("vm.overcommit_ratio")).unwrap_or(DEFAULT_RATIO);
    let part = u128::from(commit_base(host, pg)) * u128::from(ratio) / 100;
    u64::try_from(part).unwrap_or(u64::MAX).saturating_add(swap)
}

/// The kernel's own vm.overcommit_ratio.
const DEFAULT_RATIO: u64 = 50;

/// Whether the host says its limit in kB, in place of a percentage.
fn in_kbytes(host: &Host<'_>) -> bool {
    host.sysctl("vm.overcommit_kbytes").is_some_and(|kb| kb > 0)
}

/// vm.overcommit_ratio under which everything fits with strict overcommit, or `None` where none up to 95 does.
fn commit_ratio(host: &Host<'_>, pg: &super::budget::PostgresBudget) -> Option<u64> {
    let base = commit_base(host, pg);
    if base == 0 {
        return None;
    }
    let needed = commit_need(host, pg);
    let swap = if host.ram_is_measured { host.facts.memory.swap_bytes.unwrap_or(0) } else { 0 };
    let ratio = (u128::from(needed.saturating_sub(swap)) * 100).div_ceil(u128::from(base)) as u64;
    // In steps of five: what is committed changes from moment to moment, and the plan should not.
    let step = ratio.div_ceil(5) * 5;
    (step <= 95).then_some(step.max(80))
}

/// What vm.overcommit_ratio is a percentage of: the kernel's RAM less all its huge pages, those it has and those planned.
pub(super) fn commit_base(host: &Host<'_>, pg: &super::budget::PostgresBudget) -> u64 {
    let memory = &host.facts.memory;
    let there = memory.huge_pages.filter(|_| host.ram_is_measured).unwrap_or(0);
    let planned = if pg.huge_pages { pg.huge_page_count } else { 0 };
    let ram = memory.total_bytes.filter(|_| host.ram_is_measured).unwrap_or(host.ram.value);
    let others = memory.huge_pages_other_bytes.filter(|_| host.ram_is_measured).unwrap_or(0);
    ram.saturating_sub(there.max(planned).saturating_mul(pg.huge_page_size)).saturating_sub(others)
}

/// What must fit under CommitLimit: PostgreSQL's worst case outside huge pages, and what is committed now.
pub(super) fn commit_need(host: &Host<'_>, pg: &super::budget::PostgresBudget) -> u64 {
    let shared = if pg.huge_pages { pg.shared_buffers / 100 * 103 } else { 0 };
    let committed = if host.ram_is_measured { host.facts.memory.committed_bytes.unwrap_or(0) } else { 0 };
    pg.worst_case().saturating_sub(shared).saturating_add(committed)
}

/// shmmax and shmall mean nothing to a PostgreSQL that uses anonymous memory, and lowering them harms whatever else
/// uses them; they are planned only where the host has less than the guide asks for.
fn lowered_shared_memory(draft: &mut Draft<'_>) {
    let host = draft.host;
    let guide = [("kernel.shmmax", 16 * GB), ("kernel.shmall", 16 * GB / (4 * KB))];
    for (key, wanted) in guide {
        let Some(now) = host.sysctl(key).filter(|n| *n < wanted) else { continue };
        let inputs = vec![input("now", now.to_string(), Basis::Measured, format!("facts kernel.sysctl[{key}]"))];
        let value = if key == "kernel.shmmax" { Value::Bytes(wanted) } else { Value::Int(wanted as i64) };
        let reason = rule("the guide's, as the host has less", wanted.to_string(), inputs)
            .note("PostgreSQL has not needed it since anonymous shared memory; raised for whatever lowered it.");
        draft.put(KERNEL, key, value, reason);
    }
}
