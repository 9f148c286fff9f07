//! What systemd enforces of the budget (the guide's 4.1 and 4.2): memory, descriptors and who is killed first, as drop-ins
//! of the services.

use super::budget::Budget;
use super::draft::{Draft, constant, derived, rule};
use super::host::Host;
use super::{Basis, Component};
use crate::facts::unit_of_cluster;
use crate::units::{self, MB};
use crate::value::Value;

const LIMITS: Component = Component::Limits;

/// Whether the files of systemd count here: where it runs, or where nothing is known of the host.
pub(super) fn counts(host: &Host<'_>) -> bool {
    host.facts.container.systemd != Some(false)
}

pub(super) fn settings(draft: &mut Draft<'_>, budget: &Budget) {
    let host = draft.host;
    if !counts(host) {
        return;
    }
    names(draft);
    if host.has(Component::PostgreSql) {
        let why =
            "infinity: huge pages of System V segments and, from Linux 6.14 on, io_uring's rings are charged to it";
        draft.put(LIMITS, "units.postgresql.memlock", Value::Text("infinity".to_owned()), constant(why));
        let why =
            "-900: a killed postmaster takes every session with it; its children go back to 0 by PG_OOM_ADJUST_FILE";
        draft.put(LIMITS, "units.postgresql.oom_score_adjust", Value::Int(-900), constant(why));
    }
    if host.has(Component::PgBouncer) {
        let why = "-500: small, and every client's connection goes through it";
        draft.put(LIMITS, "units.pgbouncer.oom_score_adjust", Value::Int(-500), constant(why));
    }
    if host.has(Component::Api) {
        let need = budget.needs.iter().find(|n| n.component == Component::Api).map_or(0, |n| n.bytes);
        memory(draft, "units.api.memory_high", "units.api.memory_max", need, "the API's fixed need");
        let why = "200: a worker that is killed is started again";
        draft.put(LIMITS, "units.api.oom_score_adjust", Value::Int(200), constant(why));
    }
    if let Some(duck) = &budget.duckdb {
        let most = duck.share.max(duck.memory_limit.saturating_add(duck.memory_limit / 4));
        memory(
            draft,
            "units.duckdb.memory_high",
            "units.duckdb.memory_max",
            most,
            "DuckDB's share, a quarter over its limit",
        );
        let why = "300: what it computed can be computed again";
        draft.put(LIMITS, "units.duckdb.oom_score_adjust", Value::Int(300), constant(why));
        state_directory(draft);
    }
    let llm = budget.needs.iter().find(|n| n.component == Component::Llm).map(|n| n.bytes);
    if let Some(need) = llm.filter(|bytes| *bytes > 0) {
        memory(draft, "units.llm.memory_high", "units.llm.memory_max", need, "llm.memory");
        let why = "500: the largest process whose loss costs the least";
        draft.put(LIMITS, "units.llm.oom_score_adjust", Value::Int(500), constant(why));
    }
}

/// The names of the units, which the drop-ins' folders carry.
fn names(draft: &mut Draft<'_>) {
    let host = draft.host;
    let text = |name: &str| Value::Text(name.to_owned());
    if host.has(Component::PostgreSql) {
        let (name, source) = postgresql_unit(host);
        let inputs = vec![super::host::input("cluster", name.clone(), Basis::Measured, source)];
        let reason = rule("the unit of the planned cluster, by its distribution's naming", name.clone(), inputs);
        draft.put(LIMITS, "units.postgresql.name", Value::Text(name), reason);
    }
    let package = "the unit of every package";
    if host.has(Component::PgBouncer) {
        draft.put(LIMITS, "units.pgbouncer.name", text("pgbouncer.service"), constant(package));
    }
    if host.has(Component::Nginx) {
        draft.put(LIMITS, "units.nginx.name", text("nginx.service"), constant(package));
    }
    if host.has(Component::Api) {
        let why = "the guide's name of the service; set your own unit's";
        draft.put(LIMITS, "units.api.name", text("api-server.service"), constant(why));
    }
    if host.has(Component::DuckDb) {
        let why = "the guide's name of the service; set your own unit's";
        draft.put(LIMITS, "units.duckdb.name", text("duckdb-server.service"), constant(why));
    }
    if host.has(Component::Llm) {
        let program = host.facts.software.llm.as_ref().and_then(|p| p.path.as_deref());
        let ollama = program.is_some_and(|path| path.ends_with("/ollama"));
        let name = if ollama { "ollama.service" } else { "llm-gateway.service" };
        let why = "Ollama's unit where it is installed, else the guide's name; set your own unit's";
        draft.put(LIMITS, "units.llm.name", text(name), constant(why));
    }
}

/// The unit of the planned cluster, and how that is known.
fn postgresql_unit(host: &Host<'_>) -> (String, &'static str) {
    match host.cluster().and_then(unit_of_cluster) {
        Some(unit) if unit == "postgresql.service" => {
            (unit, "no distribution's path; set limits.units.postgresql.name")
        }
        Some(unit) => (unit, "facts software.clusters[].config_file"),
        None => (format!("postgresql@{}-main.service", host.major), "no cluster found: Debian's name for a first one"),
    }
}

/// MemoryMax is what the budget gives; from MemoryHigh on the kernel slows the service down and takes memory back.
fn memory(draft: &mut Draft<'_>, high: &'static str, max: &'static str, most: u64, what: &str) {
    let most = most.div_ceil(MB).saturating_mul(MB);
    let inputs = vec![derived("most", units::human_bytes(most), what)];
    let reason = rule("what the budget gives it, in whole MB", units::format_bytes(most), inputs);
    draft.put(LIMITS, max, Value::Bytes(most), reason.note("Beyond it this service is killed and not its neighbours."));
    let most = draft.value(&format!("limits.{max}")).and_then(Value::bytes).unwrap_or(most);
    let inputs = vec![derived("MemoryMax", units::human_bytes(most), &format!("limits.{max}"))];
    let reason = rule("nine tenths of MemoryMax", format!("0.9·{}", units::human_bytes(most)), inputs)
        .note("From here on the kernel slows it down and takes memory back.");
    draft.put(LIMITS, high, Value::Bytes((most / 10 * 9 / MB).max(1) * MB), reason);
}

/// systemd makes these folders the service's own, mode 0750, and keeps them over reboots: what invariant `extensions`
/// asks for.
fn state_directory(draft: &mut Draft<'_>) {
    let below = |key: &str| match draft.value(key) {
        Some(Value::Text(path)) => path.strip_prefix("/var/lib/").filter(|p| is_plain(p)).map(str::to_owned),
        _ => None,
    };
    let folders: Vec<String> =
        ["duckdb.temp_directory", "duckdb.extension_directory"].into_iter().filter_map(below).collect();
    if folders.is_empty() {
        return;
    }
    let reason = constant("systemd makes these below /var/lib, owned by the service and closed to others")
        .note("An extension is code that the service runs.");
    draft.put(LIMITS, "units.duckdb.state_directory", Value::Text(folders.join(" ")), reason);
}

fn is_plain(path: &str) -> bool {
    !path.is_empty() && path.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_' | '.'))
}
