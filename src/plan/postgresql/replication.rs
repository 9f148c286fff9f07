//! Replication, and what a standby must have (the guide's 4.1).

use super::super::budget::PostgresBudget;
use super::super::draft::{Draft, constant, derived, rule};
use super::super::host::{Host, Sizing, input};
use super::super::{Basis, Reason};
use super::wal::free_input;
use super::{PG, not_below_primary};
use crate::units::{self, MB};
use crate::value::Value;

pub(super) fn replication(draft: &mut Draft<'_>, pg: &PostgresBudget) {
    let host = draft.host;
    let n = pg.replicas.value;
    let senders = pg.wal_senders as i64;
    let worked = format!("max(10, 2·{n} + 4) = {}", n.saturating_mul(2).saturating_add(4).max(10));
    let reason = if host.wal_is_minimal() {
        let level = derived("wal_level", "minimal", "postgresql.wal_level");
        rule("0 with wal_level = minimal: the server does not start with more", "0", vec![level])
    } else {
        rule("max(10, 2·replicas + 4)", worked, vec![pg.replicas.input.clone()])
            .note("Twice: a standby that reconnects before its old connection has timed out needs a second one.")
    };
    draft.put(PG, "max_wal_senders", Value::Int(senders), not_below_primary(host, "max_wal_senders", reason.clone()));
    draft.put(PG, "max_replication_slots", Value::Int(senders), reason);
    if let Some((keep, reason)) = slot_limit(host, draft.value("postgresql.max_wal_size"), n) {
        draft.put(PG, "max_slot_wal_keep_size", Value::Bytes(keep), reason);
    }
    if host.sizing == Sizing::Budget {
        let why = "3d, longer than a weekend: a slot nobody has read since keeps vacuum from cleaning, even within its limit of WAL";
        draft.put(PG, "idle_replication_slot_timeout", Value::Millis(3 * 86_400_000), constant(why));
    }
    let timeout = "60s: a peer that is silent this long has gone; longer than the keepalive's 345 s would hide it";
    draft.put(PG, "wal_sender_timeout", Value::Millis(60_000), constant(timeout));
    draft.put(PG, "wal_receiver_timeout", Value::Millis(60_000), constant(timeout));
}

/// What only a standby needs to set: what its primary announces and the plan leaves alone otherwise.
pub(super) fn standby(draft: &mut Draft<'_>) {
    let host = draft.host;
    for name in ["max_locks_per_transaction", "max_prepared_transactions"] {
        let default = crate::postgres::catalogue::find(name, host.major).and_then(|e| e.boot.parse::<u64>().ok());
        let (Some(primary), Some(default)) = (host.primary(name), default) else { continue };
        if primary.value > default {
            let worked = format!("max({default}, {})", primary.value);
            let reason = rule("max(PostgreSQL's default, the primary's)", worked, vec![primary.input.clone()])
                .note("A standby does not start with less than its primary has.");
            draft.put(PG, name, Value::Int(i64::try_from(primary.value).unwrap_or(i64::MAX)), reason);
        }
    }
}

/// What replication slots may hold back: the WAL of as long as a standby may be away where the rate is known, else twice
/// max_wal_size; never more than a quarter of what is free.
fn slot_limit(host: &Host<'_>, max_wal: Option<&Value>, replicas: u64) -> Option<(u64, Reason)> {
    let max_wal = max_wal.and_then(Value::bytes)?;
    let configured = host.profile.bytes("postgresql.wal_rate");
    let live = host.facts.database.as_ref();
    let rate = configured.or_else(|| live?.wal_bytes_per_second);
    let disk = host.mount_of(host.data_dir());
    let free = disk.and_then(|d| d.free_bytes);
    let mut inputs = vec![derived("max_wal_size", units::format_bytes(max_wal), "postgresql.max_wal_size")];
    let (formula, wanted) = match rate {
        Some(rate) if replicas > 0 => {
            let (basis, source) = match host.origin("postgresql.wal_rate") {
                Some(origin) => (Basis::Configured, origin.to_string()),
                None => (Basis::Measured, live.map(|d| format!("the server at {}", d.place)).unwrap_or_default()),
            };
            inputs.push(input("WAL rate", format!("{}/s", units::human_bytes(rate)), basis, source));
            let outage = host.millis("postgresql.replica_outage", "outage", 3_600_000);
            inputs.push(outage.input);
            let wal = rate.saturating_mul(outage.value) / 1000;
            ("max(WAL rate·outage, max_wal_size)", wal.max(max_wal))
        }
        _ => ("2·max_wal_size", max_wal.saturating_mul(2)),
    };
    let worked = units::human_bytes(wanted);
    // The server's own limit is in MB, of 31 bits.
    let mut keep = (wanted / MB).min(i32::MAX as u64) * MB;
    let mut caps = Vec::new();
    if let Some(free) = free.map(units::coarse) {
        inputs.push(free_input(free, "facts disks[].free_bytes"));
        if keep > free / 4 {
            keep = (free / 4 / MB * MB).max(MB);
            caps.push(format!("a quarter of the {} free there", units::human_bytes(free)));
        }
    }
    let mut reason = rule(formula, worked, inputs)
        .note("A slot nobody reads would fill the disk; past this it is given up and its standby must be made anew.");
    reason.caps = caps;
    Some((keep, reason))
}
