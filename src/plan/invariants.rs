//! The edges between the parts of the stack, each a named check with its numbers (DESIGN "The edges of the guide's
//! diagram"). A fact that is absent is never an error: the check says that it could not be judged.

mod connections;
mod disk;
mod memory;
mod network;
mod premises;
mod tls;
mod versions;

pub use premises::{PREMISES, Premise};

use super::budget::Budget;
use super::host::{Host, Sizing};
use super::{Check, Finding, Setting, Severity};
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
        rule("connections.edge", Warning, "NX2→PG2", "requests that one address is let in with a second × the slowest allowed answer, as far as limit_conn lets them wait, < what the pooler takes (without one: the back ends there are), in every zone"),
        rule("parallel", Warning, "PG3→DK1", "per_gather ≤ max_parallel_workers ≤ max_worker_processes; DuckDB threads + parallel workers ≤ max(2, CPUs)"),
        rule("disk.wal", Error, "DK3→SYS4, SYS3→PG4", "max_wal_size + slot limit, and DuckDB's temp limit, within what is free on their file systems"),
        rule("disk.archive", Error, "PG4", "archive_mode on only where the folder is on another file system; a command that works is never replaced"),
        rule("disk.scheduler", Warning, "DK3→SYS4", "the planned scheduler is offered by the device"),
        rule("network", Warning, "SYS3→PG4", "keepalives and timeouts agree; backlog ≤ somaxconn ≤ tcp_max_syn_backlog; no two services on one port, which is an error"),
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
}
