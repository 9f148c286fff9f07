//! The edges between the parts of the stack, each a named check with its numbers (DESIGN "The edges of the guide's
//! diagram"). A fact that is absent is never an error: the check says that it could not be judged.

mod premises;
mod tls;
mod versions;

pub use premises::{PREMISES, Premise};

use super::budget::{Budget, WorkMemTerm};
use super::host::{Host, Sizing};
use super::{Check, Component, Finding, Setting, Severity, containers, kernel};
use crate::units;
use crate::value::Value;

/// What is known of one invariant beforehand, for `explain`.
#[derive(Debug, Clone, Copy, serde::Serialize)]
pub struct Invariant {
    /// Stable name.
    pub name: &'static str,
    /// How bad it is when it does not hold.
    pub severity: Severity,
    /// The edges of the guide's diagram it stands for.
    pub edge: &'static str,
    /// What must hold.
    pub rule: &'static str,
}

const fn rule(name: &'static str, severity: Severity, edge: &'static str, rule: &'static str) -> Invariant {
    Invariant { name, severity, edge, rule }
}

/// Every invariant.
#[rustfmt::skip]
pub static INVARIANTS: &[Invariant] = {
    use Severity::{Error, Warning};
    &[
        rule("memory.fit", Error, "SYS1→PG1", "with pools and connections reduced down to 5, work_mem is still at least 1MB"),
        rule("memory.total", Error, "SYS1→PG1, SYS1→DK2", "reserve + fixed needs + PostgreSQL's worst case + DuckDB's share ≤ RAM"),
        rule("memory.overcommit", Error, "SYS1→PG1", "with vm.overcommit_memory=2, CommitLimit ≥ planned + what is committed now"),
        rule("memory.huge_pages", Warning, "SYS1→PG1", "vm.nr_hugepages ≥ 1.03·shared_buffers in pages + 64, within the budget"),
        rule("memory.containers", Error, "SYS1→PG1", "every container's limit and service's MemoryMax ≥ its component's worst case; shm_size ≥ maintenance_work_mem and a parallel hash"),
        rule("connections.pool", Error, "PG2→PY2", "Σ over pools (size + reserve) + reserved ≤ max_connections; a standby's connections, workers, senders, locks and prepared transactions ≥ its primary's"),
        rule("connections.api", Error, "PG2→PY2", "API workers × (pool + overflow) ≤ what takes its connections; prepared statements only where the pooler has them"),
        rule("connections.edge", Warning, "NX2→PG2", "what one address may keep busy at once ≤ the back ends there are, in every zone"),
        rule("parallel", Warning, "PG3→DK1", "per_gather ≤ max_parallel_workers ≤ max_worker_processes; DuckDB threads + parallel workers ≤ max(2, CPUs)"),
        rule("disk.wal", Error, "DK3→SYS4, SYS3→PG4", "max_wal_size + slot limit, and DuckDB's temp limit, within what is free on their file systems"),
        rule("disk.archive", Error, "PG4", "archive_mode on only where the folder is on another file system; a command that works is never replaced"),
        rule("disk.scheduler", Warning, "DK3→SYS4", "the planned scheduler is offered by the device"),
        rule("network", Warning, "SYS3→PG4", "keepalives and timeouts agree; backlog ≤ somaxconn ≤ tcp_max_syn_backlog"),
        rule("descriptors", Error, "SYS2→NX1", "2·worker_connections ≤ worker_rlimit_nofile ≤ LimitNOFILE ≤ fs.nr_open; PgBouncer's clients and pools likewise"),
        rule("timeouts", Warning, "", "statement_timeout < query_timeout < proxy_read_timeout"),
        rule("log.chain", Warning, "NX4→PY3", "correlation id, scheme and TLS version are in the edge's and the API's log"),
        rule("metrics.reach", Warning, "PY4→NX1", "the metrics end point exists and only its allowed networks reach it"),
        rule("extensions", Warning, "SYS4→DK4", "DuckDB's extension folder is persistent and not world-writable"),
        rule("versions", Error, "", "every setting exists in the installed server's version and lies within its limits; back ends of all kinds ≤ 262143; what is preloaded is installed"),
        rule("tls.certificates", Warning, "NX4", "certificates exist, fit their keys, are readable by their service only, and are not about to expire"),
    ]
};

/// The invariant with this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Invariant> {
    INVARIANTS.iter().find(|i| i.name == name)
}

/// Judges every invariant. Returns all verdicts, and a finding for each that does not simply hold and for each premise
/// that was not checked.
#[must_use]
pub fn judge(host: &Host<'_>, budget: &Budget, settings: &[Setting]) -> (Vec<Check>, Vec<Finding>) {
    let mut court = Court { host, budget, settings, checks: Vec::new(), findings: Vec::new() };
    court.memory();
    court.overcommit();
    court.huge_pages();
    court.containers();
    court.pool();
    court.api();
    court.edge();
    court.parallel();
    court.wal();
    court.archive();
    court.scheduler();
    court.network();
    court.descriptors();
    court.timeouts();
    court.chains();
    court.certificates();
    court.extensions();
    court.versions();
    court.premises();
    court.findings.sort_by_key(|f| std::cmp::Reverse(f.severity));
    (court.checks, court.findings)
}

type Numbers = Vec<(String, String)>;

fn number(name: &str, value: impl ToString) -> (String, String) {
    (name.to_owned(), value.to_string())
}

fn size(name: &str, bytes: u64) -> (String, String) {
    (name.to_owned(), units::human_bytes(bytes))
}

/// The settings that a primary announces, and a standby does not start below.
const STANDBY: [&str; 5] = [
    "max_connections",
    "max_worker_processes",
    "max_wal_senders",
    "max_locks_per_transaction",
    "max_prepared_transactions",
];

struct Court<'a> {
    host: &'a Host<'a>,
    budget: &'a Budget,
    settings: &'a [Setting],
    checks: Vec<Check>,
    findings: Vec<Finding>,
}

impl Court<'_> {
    fn value(&self, key: &str) -> Option<&Value> {
        self.settings.iter().find(|s| s.key == key).map(|s| &s.typed)
    }

    fn count(&self, key: &str) -> Option<u64> {
        match self.value(key)? {
            Value::Int(i) => u64::try_from(*i).ok(),
            Value::Bytes(b) => Some(*b),
            Value::Millis(ms) => Some(*ms),
            _ => None,
        }
    }

    /// Records a verdict. In guide sizing every invariant is a warning only: the guide's numbers are asked for.
    fn verdict(&mut self, name: &'static str, holds: Option<bool>, numbers: Numbers, message: String, next: &str) {
        let severity = match (holds, find(name).map(|i| i.severity), self.host.sizing) {
            (None, _, _) => Severity::Info,
            (_, Some(Severity::Error), Sizing::Budget) => Severity::Error,
            _ => Severity::Warning,
        };
        self.verdict_of(name, holds, severity, numbers, message, next);
    }

    /// The same, where how bad it is depends on more than the invariant.
    fn verdict_of(
        &mut self,
        name: &'static str,
        holds: Option<bool>,
        severity: Severity,
        numbers: Numbers,
        message: String,
        next: &str,
    ) {
        if holds != Some(true) {
            self.findings.push(Finding {
                invariant: name.to_owned(),
                severity,
                numbers: numbers.clone(),
                message: message.clone(),
                next: (!next.is_empty()).then(|| next.to_owned()),
            });
        }
        self.checks.push(Check { invariant: name, holds, numbers, message });
    }

    /// "lower A or B", of the keys that this plan has; what else could be done where it has none of them.
    fn lower(&self, keys: &[&str], otherwise: &str) -> String {
        let there: Vec<&str> = keys.iter().copied().filter(|k| self.value(k).is_some()).collect();
        match there.as_slice() {
            [] => otherwise.to_owned(),
            there => format!("lower {}", there.join(" or ")),
        }
    }

    /// The pinned ones of these keys, to be unset.
    fn unset(&self, keys: &[&str], otherwise: &str) -> String {
        let pinned = |key: &&str| self.settings.iter().any(|s| s.key == *key && s.origin.is_some());
        let there: Vec<&str> = keys.iter().copied().filter(pinned).collect();
        match there.as_slice() {
            [] => otherwise.to_owned(),
            there => format!("unset {}", there.join(" and ")),
        }
    }

    fn note(&mut self, name: &str, severity: Severity, message: String, next: &str) {
        let next = (!next.is_empty()).then(|| next.to_owned());
        self.findings.push(Finding { invariant: name.to_owned(), severity, numbers: Vec::new(), message, next });
    }

    fn memory(&mut self) {
        let ram = self.budget.ram;
        let fixed = self.budget.fixed(self.host);
        let mut numbers = vec![size("RAM", ram), size("reserve, fixed needs, other tenants", fixed)];
        let mut total = fixed;
        if let Some(pg) = &self.budget.postgresql {
            numbers.extend(pg.terms().into_iter().map(|(term, bytes)| size(&format!("PostgreSQL: {term}"), bytes)));
            numbers.push(size("PostgreSQL at worst", pg.worst_case()));
            total = total.saturating_add(pg.worst_case());
        }
        if let Some(duck) = &self.budget.duckdb {
            let share = duck.share.max(duck.memory_limit);
            numbers.push(size("DuckDB", share));
            total = total.saturating_add(share);
        }
        numbers.push(size("in all", total));
        if self.host.sizing == Sizing::Budget && !self.budget.fits {
            let smallest = Budget::smallest_ram(self.host);
            let would_do = smallest.map_or_else(|| "no RAM up to 64 TB".to_owned(), units::format_bytes);
            numbers.push(number("smallest RAM that would do", &would_do));
            let message = format!(
                "{} of RAM cannot hold this stack, with pools and connections already down to their least: it needs {would_do}",
                units::human_bytes(ram)
            );
            let next = match self.host.components.len() {
                0 | 1 => "give the host more memory",
                _ => "give the host more memory, or take components off it (host.components)",
            };
            self.verdict("memory.fit", Some(false), numbers, message, next);
            return;
        }
        self.checks.push(Check {
            invariant: "memory.fit",
            holds: Some(true),
            numbers: numbers.clone(),
            message: "everything fits without going under the floors".to_owned(),
        });
        let holds = total <= ram;
        let message = if holds {
            format!("{} of {} are committed at worst", units::human_bytes(total), units::human_bytes(ram))
        } else {
            format!(
                "{} are committed at worst, {:.1} × the {} there are",
                units::human_bytes(total),
                total as f64 / ram.max(1) as f64,
                units::human_bytes(ram)
            )
        };
        self.verdict(
            "memory.total",
            Some(holds),
            numbers,
            message,
            if self.host.sizing == Sizing::Guide { "plan with --sizing budget" } else { "lower what was pinned" },
        );
        let floor = self.budget.postgresql.as_ref().is_some_and(|p| p.work_mem_term == WorkMemTerm::Floor);
        debug_assert!(!floor || self.host.sizing == Sizing::Guide, "a floor is a memory.fit");
    }

    fn overcommit(&mut self) {
        let (Some(mode), Some(pg)) = (self.count("kernel.vm.overcommit_memory"), &self.budget.postgresql) else {
            return;
        };
        if mode != 2 {
            let numbers = vec![number("vm.overcommit_memory", mode)];
            let message = format!("vm.overcommit_memory is {mode}: there is no limit to keep");
            self.verdict("memory.overcommit", Some(true), numbers, message, "");
            return;
        }
        let ratio = self.count("kernel.vm.overcommit_ratio").unwrap_or(50);
        let swap = if self.host.ram_is_measured { self.host.facts.memory.swap_bytes.unwrap_or(0) } else { 0 };
        let base = u128::from(kernel::commit_base(self.host, pg));
        let limit = u64::try_from(base * u128::from(ratio) / 100).unwrap_or(u64::MAX).saturating_add(swap);
        let need = kernel::commit_need(self.host, pg);
        let numbers = vec![size("CommitLimit", limit), size("planned and committed now", need), number("ratio", ratio)];
        let holds = need <= limit;
        let verb = if holds { "holds" } else { "is less than" };
        let message = format!(
            "CommitLimit {} {verb} the {} that are planned and committed now",
            units::human_bytes(limit),
            units::human_bytes(need)
        );
        self.verdict("memory.overcommit", Some(holds), numbers, message, "set kernel.vm.overcommit_memory to 0");
    }

    fn huge_pages(&mut self) {
        let Some(pg) = self.budget.postgresql.as_ref().filter(|p| p.huge_pages) else { return };
        let forced = self.value("postgresql.huge_pages") == Some(&Value::Text("on".to_owned()));
        let there = self.host.facts.memory.huge_pages;
        // A container cannot make them: what its host has counts, and that they are missing is said as a premise.
        let planned = match self.host.owns_kernel() {
            true => self.count("kernel.vm.nr_hugepages").or(there),
            false if !forced && there.is_none_or(|n| n < pg.huge_page_count) => return,
            false => there,
        };
        let mut numbers = vec![
            number("planned", planned.map_or("none".to_owned(), |n| n.to_string())),
            number("needed", pg.huge_page_count),
            size("page", pg.huge_page_size),
        ];
        let held = planned.unwrap_or(0).saturating_mul(pg.huge_page_size);
        let enough = planned.unwrap_or(0) >= pg.huge_page_count;
        // Pages that PostgreSQL does not use are lost for everything else: they come out of the reserve and of what
        // the budget leaves free.
        let others = self.host.facts.memory.huge_pages_other_bytes.filter(|_| self.host.ram_is_measured).unwrap_or(0);
        let unused = held.saturating_sub(pg.shared_buffers / 100 * 103).saturating_add(others);
        let free = self.budget.ram.saturating_sub(self.committed()).saturating_add(self.budget.reserve.value);
        let within = unused <= free;
        numbers.push(size("held beyond shared memory", unused));
        numbers.push(size("reserve and what is free", free));
        let message = match (enough, within) {
            (true, true) => format!("{} huge pages hold shared_buffers and what goes with it", planned.unwrap_or(0)),
            (false, _) => format!("{} huge pages are needed", pg.huge_page_count),
            (true, false) => format!(
                "huge pages hold {} beyond PostgreSQL's shared memory, which nothing else can use, and the budget leaves {}",
                units::human_bytes(unused),
                units::human_bytes(free)
            ),
        };
        let next = match (enough, self.host.owns_kernel()) {
            (false, true) => format!("raise kernel.vm.nr_hugepages to {}", pg.huge_page_count),
            (false, false) => format!("on the container's host: sysctl -w vm.nr_hugepages={}", pg.huge_page_count),
            (true, _) if others > 0 => {
                let held = units::human_bytes(others);
                format!("give back the {held} in pools of other page sizes, or take them off with host.other_memory")
            }
            (true, _) => format!("lower vm.nr_hugepages to {} and pin it", pg.huge_page_count),
        };
        if forced && !enough && self.host.sizing == Sizing::Budget {
            let message = format!("{message}, and with huge_pages = on the server does not start without them");
            let next = format!("{next}, or set postgresql.huge_pages to try");
            return self.verdict_of("memory.huge_pages", Some(false), Severity::Error, numbers, message, &next);
        }
        self.verdict("memory.huge_pages", Some(enough && within), numbers, message, &next);
    }

    /// Everything that is promised at worst, in bytes.
    fn committed(&self) -> u64 {
        let pg = self.budget.postgresql.as_ref().map_or(0, super::budget::PostgresBudget::worst_case);
        let duck = self.budget.duckdb.as_ref().map_or(0, |d| d.share.max(d.memory_limit));
        self.budget.fixed(self.host).saturating_add(pg).saturating_add(duck)
    }

    /// Limits that the kernel enforces, a container's and a service's, against what their components need at worst.
    fn containers(&mut self) {
        let mut worst = Vec::new();
        worst.extend(self.budget.postgresql.as_ref().map(|pg| ("postgresql", pg.worst_case())));
        worst.extend(self.budget.duckdb.as_ref().map(|duck| ("duckdb", duck.share.max(duck.memory_limit))));
        worst.extend(self.budget.needs.iter().map(|need| (need.component.name(), need.bytes)));
        let (mut numbers, mut short) = (Vec::new(), Vec::new());
        for (name, need) in worst {
            for (kind, key) in [
                ("container's limit", format!("containers.{name}.memory")),
                ("MemoryMax", format!("limits.units.{name}.memory_max")),
            ] {
                let Some(limit) = self.count(&key) else { continue };
                numbers.push((
                    format!("{name}: {kind} / at worst"),
                    format!("{} / {}", units::human_bytes(limit), units::human_bytes(need)),
                ));
                if limit < need {
                    short.push(key);
                }
            }
        }
        if let (Some(pg), Some(shm)) = (&self.budget.postgresql, self.count("containers.postgresql.shm_size")) {
            let needed = containers::shm_needed(pg);
            numbers.push(size("shm_size", shm));
            numbers.push(size("shared by parallel workers", needed));
            if shm < needed {
                short.push("containers.postgresql.shm_size".to_owned());
            }
        }
        if numbers.is_empty() {
            return;
        }
        let holds = short.is_empty();
        let message = if holds {
            "every limit holds its component's worst case".to_owned()
        } else {
            format!("less than its component needs at worst: {}", short.join(", "))
        };
        let next = "unset the pinned containers.* and limits.units.* values";
        self.verdict("memory.containers", Some(holds), numbers, message, next);
    }

    fn pool(&mut self) {
        let Some(connections) = self.count("postgresql.max_connections") else { return };
        let reserved = self.budget.postgresql.as_ref().map_or(3, |p| p.reserved);
        let pooled = self.budget.pools.as_ref().map_or(0, |p| p.pools.value * (p.size + p.reserve));
        let mut numbers =
            vec![number("pools", pooled), number("reserved", reserved), number("max_connections", connections)];
        let mut below = Vec::new();
        for name in STANDBY {
            let Some(primary) = self.host.primary(name).map(|n| n.value) else { continue };
            let key = format!("postgresql.{name}");
            let default = || crate::postgres::catalogue::find(name, self.host.major)?.boot.parse().ok();
            let Some(own) = self.count(&key).or_else(default) else { continue };
            numbers.push(number(&format!("the primary's {name}"), primary));
            if own < primary {
                below.push((format!("{name} {own} is below the primary's {primary}"), format!("{key} to {primary}")));
            }
        }
        let fits = pooled + reserved <= connections && reserved < connections;
        let (message, next) = if below.is_empty() {
            let verb = if fits { "fit" } else { "do not fit" };
            let what = match pooled {
                0 => format!("{reserved} reserved connections"),
                _ => format!("pools of {pooled} and {reserved} reserved"),
            };
            let next = match pooled {
                0 => "raise postgresql.max_connections or lower postgresql.reserved_connections",
                _ => "lower pgbouncer.default_pool_size or raise postgresql.max_connections",
            };
            (format!("{what} {verb} in max_connections {connections}"), next.to_owned())
        } else {
            let (wrong, right): (Vec<String>, Vec<String>) = below.into_iter().unzip();
            (format!("{}: a standby would not start", wrong.join(", ")), format!("raise {}", right.join(" and ")))
        };
        let holds = fits && !message.ends_with("would not start");
        self.verdict("connections.pool", Some(holds), numbers, message, &next);
    }

    fn api(&mut self) {
        let Some(pool) = self.count("api.pool_size") else { return };
        let overflow = self.count("api.max_overflow").unwrap_or(0);
        let workers = self.count("api.workers").unwrap_or(1);
        let wanted = workers * (pool + overflow);
        let (room, what) = match (&self.budget.pools, &self.budget.postgresql) {
            (Some(p), _) => (p.clients, "PgBouncer's max_client_conn"),
            (None, Some(pg)) => (pg.max_connections.saturating_sub(pg.reserved), "PostgreSQL's free connections"),
            (None, None) => return,
        };
        let prepared = self.value("api.prepared_statements") == Some(&Value::Bool(true));
        let version = self.host.facts.software.pgbouncer.as_ref().and_then(|p| p.version.as_deref());
        let has = self.budget.pools.is_none() || version.is_some_and(|v| super::pgbouncer::at_least(v, 1, 21));
        let holds = wanted <= room && (has || !prepared);
        let numbers = vec![number("workers", workers), number("connections each", pool + overflow), number(what, room)];
        let message = if prepared && !has {
            "the API prepares statements, and this PgBouncer is not known to keep them apart (1.21 and later)"
                .to_owned()
        } else {
            format!("{workers} workers ask for {wanted} of {what}, {room}")
        };
        self.verdict("connections.api", Some(holds), numbers, message, "lower api.pool_size");
    }

    fn edge(&mut self) {
        let (Some(conn), Some(pg)) = (self.count("nginx.limit_conn"), &self.budget.postgresql) else { return };
        let clients = pg.clients;
        let mut numbers = vec![number("limit_conn", conn), number("back ends", clients)];
        let mut worst = 0;
        for (zone, timeout) in [
            ("api", "nginx.proxy_read_timeout"),
            ("duckdb", "nginx.duckdb_read_timeout"),
            ("llm", "nginx.llm_read_timeout"),
        ] {
            let rate = self.count(&format!("nginx.{zone}_rate")).unwrap_or(0);
            let seconds = self.count(timeout).unwrap_or(0) / 1000;
            let busy = rate.saturating_mul(seconds).min(conn);
            numbers.push(number(&format!("{zone}: {rate} r/s × {seconds} s, at most limit_conn"), busy));
            worst = worst.max(busy);
        }
        let holds = worst <= clients;
        let message = format!("one address keeps at most {worst} requests waiting for {clients} back ends");
        self.verdict("connections.edge", Some(holds), numbers, message, "lower nginx.limit_conn");
    }

    fn parallel(&mut self) {
        let Some(workers) = self.count("postgresql.max_parallel_workers") else { return };
        let gather = self.count("postgresql.max_parallel_workers_per_gather").unwrap_or(0);
        let processes = self.count("postgresql.max_worker_processes").unwrap_or(8);
        let threads = self.count("duckdb.threads").unwrap_or(0);
        let cpus = self.host.cpus.value.max(2);
        let ordered = gather <= workers && workers <= processes;
        let shared = threads == 0 || threads + workers <= cpus;
        let numbers = vec![
            number("per_gather", gather),
            number("max_parallel_workers", workers),
            number("max_worker_processes", processes),
            number("DuckDB threads", threads),
            number("CPUs", self.host.cpus.value),
        ];
        let message = match (ordered, shared) {
            (true, true) => {
                format!("{workers} parallel workers and {threads} DuckDB threads on {}", self.cpus())
            }
            (false, _) => format!(
                "per_gather {gather} ≤ max_parallel_workers {workers} ≤ max_worker_processes {processes} does not hold"
            ),
            (true, false) => {
                format!("{workers} parallel workers and {threads} DuckDB threads contend for {}", self.cpus())
            }
        };
        let next = if ordered {
            self.lower(&["duckdb.threads", "postgresql.max_parallel_workers"], "")
        } else {
            self.unset(
                &[
                    "postgresql.max_parallel_workers_per_gather",
                    "postgresql.max_parallel_workers",
                    "postgresql.max_worker_processes",
                ],
                "raise postgresql.max_worker_processes",
            )
        };
        self.verdict("parallel", Some(ordered && shared), numbers, message, &next);
    }

    fn cpus(&self) -> String {
        units::counted(self.host.cpus.value, "CPU")
    }

    fn wal(&mut self) {
        let Some(wal) = self.count("postgresql.max_wal_size") else { return };
        let slots = self.count("postgresql.max_slot_wal_keep_size").unwrap_or(0);
        let temp = self.count("duckdb.max_temp_directory_size");
        let data = self.host.mount_of(self.host.data_dir());
        let spill = self.host.mount_of("/var/lib/duckdb/tmp");
        let same = matches!((data, spill), (Some(a), Some(b)) if a.mount == b.mount);
        let mut numbers = vec![size("max_wal_size", wal), size("slot limit", slots)];
        let Some(free) = data.and_then(|d| d.free_bytes) else {
            let message = "what is free on the WAL's file system is not known".to_owned();
            self.verdict("disk.wal", None, numbers, message, "");
            return;
        };
        let wanted = wal.saturating_add(slots).saturating_add(if same { temp.unwrap_or(0) } else { 0 });
        numbers.push(size("free", free));
        if let Some(temp) = temp {
            numbers.push(size("DuckDB's temp limit", temp));
        }
        let spill_holds = same || temp.is_none_or(|t| spill.and_then(|d| d.free_bytes).is_none_or(|f| t <= f));
        let holds = wanted <= free && spill_holds;
        let message =
            format!("{} may be written to {} of free space", units::human_bytes(wanted), units::human_bytes(free));
        let keys = ["postgresql.max_wal_size", "postgresql.max_slot_wal_keep_size", "duckdb.max_temp_directory_size"];
        let next = format!("free space there, or {}", self.lower(&keys, ""));
        self.verdict("disk.wal", Some(holds), numbers, message, &next);
    }

    fn archive(&mut self) {
        let planned = self.value("postgresql.archive_mode").is_some();
        let Some(dir) = self.host.profile.text("postgresql.archive_dir") else {
            if planned {
                let message = "archive_mode is pinned; the command and its folder are the operator's".to_owned();
                self.verdict("disk.archive", None, Vec::new(), message, "");
            }
            return;
        };
        if self.host.archives_by_itself() {
            let message = "the cluster archives already; its command is not replaced".to_owned();
            self.verdict("disk.archive", Some(true), vec![number("archive_dir", dir)], message, "");
            return;
        }
        let numbers = vec![number("archive_dir", dir), number("data folder", self.host.data_dir())];
        if planned {
            let message = format!("{dir} is on another file system than the database");
            self.verdict("disk.archive", Some(true), numbers, message, "");
            let premise = format!("{dir} is taken to exist and to be writable by the server");
            let user = "sudo -u postgres test -w ".to_owned() + dir;
            self.note("disk.archive", Severity::Assumption, premise, &user);
            return;
        }
        // Nothing unsafe is planned, so nothing is broken: the wish was not followed, and that is a warning.
        self.checks.push(Check {
            invariant: "disk.archive",
            holds: Some(true),
            numbers,
            message: "archiving is not planned".to_owned(),
        });
        let message = format!(
            "archiving to {dir} is left out: it is not on another file system than the database, or its path needs quoting"
        );
        self.note("disk.archive", Severity::Warning, message, "name a folder on another file system");
    }

    fn scheduler(&mut self) {
        let planned: Vec<(String, String)> = self
            .settings
            .iter()
            .filter(|s| s.component == Component::Disk && s.name.ends_with(".scheduler"))
            .map(|s| (s.name.trim_end_matches(".scheduler").to_owned(), s.value.clone()))
            .collect();
        let devices = || self.host.facts.disks.iter().flat_map(|d| &d.devices);
        let missing: Vec<String> = planned
            .iter()
            .filter(|(name, wanted)| devices().any(|d| &d.name == name && !d.schedulers.contains(wanted)))
            .map(|(name, wanted)| format!("{name} does not offer {wanted}"))
            .collect();
        if planned.is_empty() {
            return;
        }
        let holds = missing.is_empty();
        let message =
            if holds { "every planned scheduler is offered by its device".to_owned() } else { missing.join("; ") };
        self.verdict("disk.scheduler", Some(holds), planned, message, "unset the pinned disk.*.scheduler");
    }

    fn network(&mut self) {
        let Some(somaxconn) =
            self.count("kernel.net.core.somaxconn").or_else(|| self.host.sysctl("net.core.somaxconn"))
        else {
            return;
        };
        let syn = self
            .count("kernel.net.ipv4.tcp_max_syn_backlog")
            .or_else(|| self.host.sysctl("net.ipv4.tcp_max_syn_backlog"));
        // DuckDB and SQLite listen to nobody.
        if !["postgresql.", "pgbouncer.", "nginx.", "api."].iter().any(|p| self.has_setting_of(p)) {
            return;
        }
        let backlog =
            ["nginx.backlog", "api.backlog", "pgbouncer.listen_backlog"].iter().filter_map(|k| self.count(k)).max();
        let keepalive = self.count("postgresql.tcp_keepalives_idle");
        let sender = self.count("postgresql.wal_sender_timeout").unwrap_or(60_000);
        let receiver = self.count("postgresql.wal_receiver_timeout").unwrap_or(60_000);
        let numbers = vec![
            number("largest backlog", backlog.unwrap_or(0)),
            number("somaxconn", somaxconn),
            number("tcp_max_syn_backlog", syn.map_or("unknown".to_owned(), |s| s.to_string())),
            number("keepalive idle", keepalive.map_or("kernel's".to_owned(), |k| format!("{k} s"))),
            number("wal_sender_timeout", units::format_millis(sender)),
            number("wal_receiver_timeout", units::format_millis(receiver)),
        ];
        let chain = backlog.unwrap_or(0) <= somaxconn && syn.is_none_or(|s| somaxconn <= s);
        let silent = sender > 0 && receiver > 0 && keepalive.is_none_or(|k| k > 0);
        let message = match (chain, silent) {
            (true, true) => "backlogs fit the kernel's, and a silent peer is noticed".to_owned(),
            (false, _) => "backlog ≤ somaxconn ≤ tcp_max_syn_backlog does not hold".to_owned(),
            (true, false) => "a peer that went silent is never noticed".to_owned(),
        };
        let next = match (chain, backlog) {
            (false, _) => self.unset(
                &[
                    "nginx.backlog",
                    "api.backlog",
                    "pgbouncer.listen_backlog",
                    "kernel.net.core.somaxconn",
                    "kernel.net.ipv4.tcp_max_syn_backlog",
                ],
                "on the container's host: raise net.core.somaxconn and net.ipv4.tcp_max_syn_backlog",
            ),
            _ => self.unset(
                &["postgresql.tcp_keepalives_idle", "postgresql.wal_sender_timeout", "postgresql.wal_receiver_timeout"],
                "",
            ),
        };
        self.verdict("network", Some(chain && silent), numbers, message, &next);
    }

    fn has_setting_of(&self, prefix: &str) -> bool {
        self.settings.iter().any(|s| s.key.starts_with(prefix))
    }

    fn descriptors(&mut self) {
        let Some(unit) = self.count("limits.units.nofile") else { return };
        let open = self.count("kernel.fs.nr_open").or_else(|| self.host.sysctl("fs.nr_open"));
        let mut numbers = vec![
            number("LimitNOFILE", unit),
            number("fs.nr_open", open.map_or("unknown".to_owned(), |o| o.to_string())),
        ];
        let mut holds = open.is_none_or(|o| unit <= o);
        if let (Some(conns), Some(rlimit)) =
            (self.count("nginx.worker_connections"), self.count("nginx.worker_rlimit_nofile"))
        {
            numbers.push(number("2·worker_connections", conns * 2));
            numbers.push(number("worker_rlimit_nofile", rlimit));
            holds &= conns * 2 <= rlimit && rlimit <= unit;
        }
        if let Some(p) = &self.budget.pools {
            let need = p.clients + p.pools.value * (p.size + p.reserve);
            numbers.push(number("PgBouncer's clients and pools", need));
            holds &= need <= unit;
        }
        let message = if holds {
            "every service may open what it needs"
        } else {
            "a service may not open as many files as it needs"
        };
        let next = self.lower(&["nginx.worker_connections", "pgbouncer.max_client_conn"], "unset limits.units.nofile");
        self.verdict("descriptors", Some(holds), numbers, message.to_owned(), &next);
    }

    fn timeouts(&mut self) {
        let chain: Vec<(String, u64)> = [
            ("statement_timeout", "postgresql.statement_timeout"),
            ("query_timeout", "pgbouncer.query_timeout"),
            ("proxy_read_timeout", "nginx.proxy_read_timeout"),
        ]
        .iter()
        .filter_map(|(name, key)| Some(((*name).to_owned(), self.count(key)?)))
        .collect();
        if chain.len() < 2 {
            return;
        }
        // 0 means no limit: nothing that waits for it can be longer.
        let longest = |ms: u64| if ms == 0 { u64::MAX } else { ms };
        let holds = chain.windows(2).all(|w| matches!(w, [a, b] if longest(a.1) < longest(b.1)));
        let numbers = chain.iter().map(|(n, ms)| number(n, units::format_millis(*ms))).collect();
        let message = if holds {
            "each layer waits longer than the one beneath, so that the first error reaches the client"
        } else {
            "a layer gives up before the one beneath has answered"
        };
        let keys = ["postgresql.statement_timeout", "pgbouncer.query_timeout", "nginx.proxy_read_timeout"];
        let next = self.unset(&keys, "plan with --sizing budget");
        self.verdict("timeouts", Some(holds), numbers, message.to_owned(), &next);
    }

    fn chains(&mut self) {
        if let (Some(Value::List(edge)), Some(Value::List(api))) =
            (self.value("nginx.log_fields"), self.value("api.log_fields"))
        {
            let missing: Vec<&str> = super::nginx::LOG_CHAIN
                .iter()
                .copied()
                .filter(|f| ![edge, api].iter().all(|l| l.iter().any(|x| x == f)))
                .collect();
            let numbers = vec![number("edge", edge.join(" ")), number("API", api.join(" "))];
            let holds = missing.is_empty();
            let message = if holds {
                "a request can be followed through both logs".to_owned()
            } else {
                format!("{} not in both logs", missing.join(", "))
            };
            self.verdict("log.chain", Some(holds), numbers, message, "add them to nginx.log_fields and api.log_fields");
        }
        if let (Some(Value::List(allow)), Some(Value::Text(path))) =
            (self.value("nginx.metrics_allow"), self.value("api.metrics_path"))
        {
            let open = allow.iter().any(|n| n == "all" || n == "0.0.0.0/0" || n == "::/0");
            let holds = path.starts_with('/') && !allow.is_empty() && !open;
            let numbers = vec![number("path", path), number("allowed", allow.join(" "))];
            let message = if open {
                "everybody may read the metrics"
            } else if holds {
                "only the allowed networks read the metrics"
            } else {
                "nobody can read the metrics"
            };
            self.verdict(
                "metrics.reach",
                Some(holds),
                numbers,
                message.to_owned(),
                "set nginx.metrics_allow to the monitoring networks",
            );
        }
    }

    fn extensions(&mut self) {
        let Some(Value::Text(dir)) = self.value("duckdb.extension_directory") else { return };
        let volatile =
            ["/tmp", "/var/tmp", "/dev/shm", "/run"].iter().any(|v| std::path::Path::new(dir).starts_with(v));
        let memory =
            self.host.mount_of(dir).is_some_and(|d| matches!(d.filesystem.as_deref(), Some("tmpfs" | "ramfs")));
        let holds = !volatile && !memory;
        let message = if holds {
            format!("{dir} outlives a reboot")
        } else {
            format!("{dir} is emptied at a reboot or writable by everybody")
        };
        self.verdict(
            "extensions",
            Some(holds),
            vec![number("folder", dir)],
            message,
            "set duckdb.extension_directory to a folder of the service",
        );
    }
}
