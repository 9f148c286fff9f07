//! `llmsql explain`: everything known of one setting, input, invariant or premise.

use super::Global;
use super::connection::ConnectionArgs;
use super::planning::Planning;
use crate::error::{Error, Exit, Result};
use crate::output::plan::Unplanned;
use crate::output::{self, Format};
use crate::plan::host::Host;
use crate::plan::{self, Component, Finding, Input, Plan, Setting, invariants};
use crate::postgres::catalogue;
use crate::profile::input::expected;
use crate::profile::keys;
use crate::profile::variable;
use clap::Args;

/// Arguments of `llmsql explain`.
#[derive(Debug, Clone, Args)]
pub struct Arguments {
    /// A setting (postgresql.work_mem, or work_mem where only one component has it), an input (host.ram), an invariant
    /// (memory.total) or a premise (disk.class)
    key: String,
    #[command(flatten)]
    planning: Planning,
    #[command(flatten)]
    connection: ConnectionArgs,
}

/// Runs `llmsql explain`.
///
/// # Errors
/// Those of planning, and `explain.unknown` for a name that is neither, with the nearest.
pub fn run(arguments: &Arguments, global: &Global) -> Result<Exit> {
    let (mut facts, profile) = arguments.planning.facts_and_profile(global)?;
    arguments.connection.live(&mut facts)?;
    let plan = plan::build(&facts, &profile)?;
    let width = output::plan::width();
    let findings: Vec<&Finding> = plan.findings.iter().filter(|f| f.invariant == arguments.key).collect();
    if let Some(rule) = invariants::find(&arguments.key) {
        let check = plan.checks.iter().find(|c| c.invariant == rule.name);
        let document = serde_json::json!({ "invariant": rule, "check": check, "findings": findings });
        match global.format {
            Format::Table => output::stdout(&output::plan::invariant(rule, check, &findings, width))?,
            format => output::document(&document, format)?,
        }
        return Ok(Exit::Done);
    }
    if let Some(premise) = invariants::PREMISES.iter().find(|p| p.name == arguments.key) {
        match global.format {
            Format::Table => output::stdout(&output::plan::premise(premise, &findings, width))?,
            format => {
                output::document(&serde_json::json!({ "premise": premise, "findings": findings }), format)?;
            }
        }
        return Ok(Exit::Done);
    }
    let Some(setting) = find(&plan, &arguments.key)? else {
        let unplanned = unplanned(&plan, &arguments.key)?;
        match global.format {
            Format::Table => output::stdout(&output::plan::unplanned(&unplanned, width))?,
            format => output::document(&unplanned, format)?,
        }
        return Ok(Exit::Done);
    };
    let limits = limits(&plan, setting);
    match global.format {
        Format::Table => output::stdout(&output::plan::setting(setting, limits.as_deref(), width))?,
        format => output::document(&serde_json::json!({ "setting": setting, "limits": limits }), format)?,
    }
    Ok(Exit::Done)
}

/// What there is to say of a key without a setting in the plan.
///
/// # Errors
/// `explain.unknown` for what is no key either, with the nearest.
fn unplanned(plan: &Plan, key: &str) -> Result<Unplanned> {
    let spec = plan::specs::find(key).or_else(|| plan::specs::SPECS.iter().find(|s| s.name == key));
    let key = spec.map_or_else(|| key.to_owned(), plan::specs::Spec::key);
    let Some(kind) = keys::lookup(&key) else { return Err(unknown(plan, &key)) };
    let host = Host::new(&plan.facts, &plan.profile)?;
    let input = keys::KEYS.iter().any(|k| k.name == key).then(|| input(&host, &key)).flatten();
    let server = key.strip_prefix("postgresql.").filter(|_| !keys::KEYS.iter().any(|k| k.name == key));
    let state = match (spec, server) {
        (Some(spec), _) => not_planned(plan, spec),
        (None, Some(name)) if catalogue::find(name, plan.host.postgresql_version).is_none() => {
            format!("is not in this host's plan: {}", catalogue::absence(name, plan.host.postgresql_version))
        }
        (None, Some(_)) => "is left alone by the plan: the server's own value holds".to_owned(),
        (None, None) => "is an input of the plan".to_owned(),
    };
    Ok(Unplanned {
        state,
        input,
        set_by: host.origin(&key).map(ToString::to_string),
        about: keys::help(&key),
        takes: expected(kind),
        limits: server.and_then(|name| server_limits(plan, name)),
        set_with: format!("llmsql config set {key} VALUE, --set {key}=VALUE for one run, or {}", variable(&key)),
        key,
    })
}

/// What the plan counts an input with.
fn input(host: &Host<'_>, key: &str) -> Option<Input> {
    match key {
        "host.ram" => Some(host.ram.input.clone()),
        "host.cpus" => Some(host.cpus.input.clone()),
        "host.disk" => Some(host.disk_input.clone()),
        "host.components" => Some(host.components_input.clone()),
        "host.other_memory" => Some(host.other.input.clone()),
        "postgresql.version" => Some(host.major_input.clone()),
        _ => None,
    }
}

/// Why a setting of the table is not planned here.
fn not_planned(plan: &Plan, spec: &plan::specs::Spec) -> String {
    let major = plan.host.postgresql_version;
    let component = spec.component.name();
    let why = match () {
        () if !plan.settings.iter().any(|s| s.component == spec.component) => {
            format!("{component} is no part of it (host.components says what lives here)")
        }
        () if spec.component == Component::PostgreSql && catalogue::find(spec.name, major).is_none() => {
            catalogue::absence(spec.name, major)
        }
        () if !spec.when.is_empty() => format!("it is planned where {}", spec.when),
        () => "`llmsql plan` shows what is".to_owned(),
    };
    format!("is not in this host's plan: {why}")
}

/// The setting with this key, or the one whose name it is without the component.
fn find<'a>(plan: &'a Plan, key: &str) -> Result<Option<&'a Setting>> {
    if let Some(setting) = plan.setting(key) {
        return Ok(Some(setting));
    }
    let named: Vec<&Setting> = plan.settings.iter().filter(|s| s.name == key).collect();
    match named.as_slice() {
        [] => Ok(None),
        [one] => Ok(Some(one)),
        several => {
            let keys: Vec<&str> = several.iter().map(|s| s.key.as_str()).collect();
            Err(Error::usage("explain.ambiguous", format!("\"{key}\" is a setting of several components"))
                .next(format!("say which: {}", keys.join(", "))))
        }
    }
}

/// The error for a name that is nothing here, with the nearest.
fn unknown(plan: &Plan, key: &str) -> Error {
    let names = plan.settings.iter().map(|s| s.key.as_str()).chain(keys::KEYS.iter().map(|k| k.name));
    let findings = invariants::INVARIANTS.iter().map(|i| i.name).chain(invariants::PREMISES.iter().map(|p| p.name));
    let nearest = names.chain(findings).min_by_key(|name| slips(key, name));
    let error = Error::usage("explain.unknown", format!("\"{key}\" is neither a setting nor a finding"));
    match nearest {
        Some(name) if slips(key, name) <= (key.chars().count() / 3).min(4) => {
            error.next(format!("did you mean {name}? `llmsql plan` lists settings and findings"))
        }
        _ => error.next("`llmsql plan` lists settings and findings"),
    }
}

/// How many slips of the finger lie between a typed key and a name; the name without its component counts too.
fn slips(key: &str, name: &str) -> usize {
    let bare = name.split_once('.').map_or(name, |(_, rest)| rest);
    strsim::damerau_levenshtein(key, name).min(strsim::damerau_levenshtein(key, bare))
}

/// The server's own limits of a PostgreSQL setting.
fn limits(plan: &Plan, setting: &Setting) -> Option<String> {
    (setting.component == Component::PostgreSql).then(|| server_limits(plan, &setting.name)).flatten()
}

/// The same by the setting's name.
fn server_limits(plan: &Plan, name: &str) -> Option<String> {
    let entry = catalogue::find(name, plan.host.postgresql_version)?;
    let unit = entry.unit.map(|u| format!(" (unit {u})")).unwrap_or_default();
    let range = match (entry.min, entry.max) {
        (Some(min), Some(max)) => format!("{min} to {max}{unit}"),
        _ if !entry.words.is_empty() => entry.words.replace(',', ", "),
        _ => format!("any {:?}", entry.kind).to_lowercase(),
    };
    let boot = if entry.boot.is_empty() { "empty" } else { entry.boot };
    Some(format!("PostgreSQL {}: {range}; default {boot}", plan.host.postgresql_version))
}
