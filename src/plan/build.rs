//! Facts and profile to plan, component by component.

use super::budget::Budget;
use super::draft::Draft;
use super::host::Host;
use super::{Component, Plan, Share, Target, invariants};
use super::{api, containers, disk, duckdb, kernel, limits, maintenance, nginx, pgbouncer};
use super::{postgresql, services, sqlite};
use crate::error::Result;
use crate::facts::Facts;
use crate::profile::Profile;

/// The plan of a host.
///
/// # Errors
/// `plan.ram` where the host's memory is not known. Whatever else is absent is a finding.
pub fn build(facts: &Facts, profile: &Profile) -> Result<Plan> {
    let mut plan = build_once(facts, profile)?;
    for setting in &mut plan.settings {
        let Some(origin) = setting.origin.clone() else { continue };
        // Without this pin and with the others: its reason tells how the value would have come about.
        let mut free = profile.clone();
        free.values.remove(&setting.key);
        let derived = build_once(facts, &free)?;
        let Some(would) = derived.settings.into_iter().find(|s| s.key == setting.key) else { continue };
        setting.reason = would.reason;
        if would.value != setting.value {
            let would = if would.value.is_empty() { "nothing" } else { &would.value };
            setting.reason.notes.push(format!("Set by {origin}; {would} would be derived."));
        }
    }
    Ok(plan)
}

fn build_once(facts: &Facts, profile: &Profile) -> Result<Plan> {
    let host = Host::new(facts, profile)?;
    let budget = Budget::new(&host);
    let mut draft = Draft::new(&host);
    if let Some(pg) = &budget.postgresql {
        postgresql::settings(&mut draft, &budget, pg);
    }
    if let Some(pools) = budget.pools.as_ref() {
        pgbouncer::settings(&mut draft, &budget, pools);
    }
    if let Some(nginx) = &budget.nginx {
        nginx::settings(&mut draft, nginx);
    }
    if host.has(Component::Api) {
        api::settings(&mut draft, &budget);
    }
    if let Some(duck) = &budget.duckdb {
        duckdb::settings(&mut draft, &budget, duck);
    }
    if host.has(Component::Sqlite) {
        sqlite::settings(&mut draft);
    }
    kernel::settings(&mut draft, &budget);
    limits::settings(&mut draft, &budget);
    services::settings(&mut draft, &budget);
    disk::settings(&mut draft);
    containers::settings(&mut draft, &budget);
    maintenance::settings(&mut draft, &budget);
    let settings = draft.settings;
    let (checks, findings) = invariants::judge(&host, &budget, &settings);
    let memory = memory(&host, &budget);
    let target = Target {
        ram_bytes: host.ram.value,
        cpus: host.cpus.value,
        disk: host.disk.name(),
        sizing: host.sizing.name(),
        workload: host.workload.name(),
        postgresql_version: host.major,
        components: host.components.iter().map(|c| c.name()).collect(),
    };
    Ok(Plan { host: target, facts: facts.clone(), profile: profile.clone(), settings, findings, checks, memory })
}

/// Who gets how much at worst.
fn memory(host: &Host<'_>, budget: &Budget) -> Vec<Share> {
    let share = |name: &str, bytes: u64| Share { name: name.to_owned(), bytes };
    let mut shares = Vec::new();
    if let Some(pg) = &budget.postgresql {
        shares.push(share("postgresql", pg.worst_case()));
    }
    if let Some(duck) = &budget.duckdb {
        shares.push(share("duckdb", duck.share.max(duck.memory_limit)));
    }
    shares.extend(budget.needs.iter().map(|n| share(n.component.name(), n.bytes)));
    if host.other.value > 0 {
        shares.push(share("other", host.other.value));
    }
    shares.push(share("reserve", budget.reserve.value));
    shares
}
