//! PostgreSQL's settings (the guide's section 1, and what versions 14 to 18 add).

mod connections;
mod memory;
mod observability;
mod planner;
mod replication;
mod vacuum;
mod wal;

pub(super) use wal::free_input;

use super::budget::{Budget, PostgresBudget};
use super::draft::{Draft, constant, derived};
use super::host::{Host, Sizing, input};
use super::{Component, Input, Reason};
use crate::units;
use crate::value::Value;

const PG: Component = Component::PostgreSql;

pub(super) fn settings(draft: &mut Draft<'_>, budget: &Budget, pg: &PostgresBudget) {
    memory::memory(draft, budget, pg);
    connections::connections(draft, pg);
    connections::tls(draft);
    connections::parallel(draft, budget, pg);
    planner::planner(draft);
    planner::io(draft);
    wal::wal(draft);
    replication::replication(draft, pg);
    replication::standby(draft);
    vacuum::vacuum(draft, pg);
    observability::observability(draft);
    pins(draft);
}

fn text(word: &str) -> Value {
    Value::Text(word.to_owned())
}

/// The share S, as an input.
fn share_input(host: &Host<'_>, budget: &Budget, pg: &PostgresBudget) -> Input {
    let value = units::human_bytes(pg.share);
    match host.sizing {
        Sizing::Guide => {
            let source = format!("the whole RAM, as the guide has it; {}", host.ram.input.source);
            input("S", value, host.ram.input.basis, source)
        }
        Sizing::Budget => derived(
            "S",
            value,
            &format!(
                "RAM {} − reserve {} − fixed needs {} − other tenants {}, of which {} %",
                host.ram.input.value,
                units::human_bytes(budget.reserve.value),
                units::human_bytes(super::budget::total(&budget.needs)),
                units::human_bytes(host.other.value),
                if host.has(Component::DuckDb) { budget.percent.value } else { 100 },
            ),
        ),
    }
}

/// Adds the primary's value to a reason, where this is a standby.
fn not_below_primary(host: &Host<'_>, name: &str, mut reason: Reason) -> Reason {
    let Some(primary) = host.primary(name) else { return reason };
    let value = primary.value;
    reason.inputs.push(primary.input);
    reason.note(format!("Not below the primary's {value}: a standby would not start."))
}

/// Settings the operator pinned that the plan would not make itself.
fn pins(draft: &mut Draft<'_>) {
    let host = draft.host;
    let planned: Vec<&'static str> = super::specs::SPECS
        .iter()
        .filter(|s| s.component == PG && draft.value(&s.key()).is_none())
        .map(|s| s.name)
        .collect();
    for name in planned {
        if let Some(pin) = host.profile.get(&format!("postgresql.{name}")) {
            draft.put(PG, name, pin.value.clone(), constant("pinned; the plan would leave it as it is"));
        }
    }
    let inputs = crate::profile::keys::KEYS;
    for (key, pin) in host.profile.values.range("postgresql.".to_owned().."postgresql/".to_owned()) {
        let Some(name) = key.strip_prefix("postgresql.") else { continue };
        let known = super::specs::find(key).is_some() || inputs.iter().any(|k| k.name == key.as_str());
        if !known && let Some(entry) = crate::postgres::catalogue::find(name, host.major) {
            draft.put_server(name, entry.needs_restart(), pin.value.clone());
        }
    }
}
