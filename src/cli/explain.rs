//! `llmsql explain`: everything known of one setting or one invariant.

use super::Global;
use super::connection::ConnectionArgs;
use super::planning::Planning;
use crate::error::{Error, Exit, Result};
use crate::output::{self, Format};
use crate::plan::{self, Component, Finding, Plan, Setting, invariants};
use crate::postgres::catalogue;
use crate::profile::keys;
use clap::Args;

/// Arguments of `llmsql explain`.
#[derive(Debug, Clone, Args)]
pub struct Arguments {
    /// A setting (postgresql.work_mem, or work_mem where only one component has it), an invariant (memory.total) or a
    /// premise (disk.class)
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
    let setting = find(&plan, &arguments.key)?;
    let limits = limits(&plan, setting);
    match global.format {
        Format::Table => output::stdout(&output::plan::setting(setting, limits.as_deref(), width))?,
        format => output::document(&serde_json::json!({ "setting": setting, "limits": limits }), format)?,
    }
    Ok(Exit::Done)
}

/// The setting with this key, or the one whose name it is without the component.
fn find<'a>(plan: &'a Plan, key: &str) -> Result<&'a Setting> {
    if let Some(setting) = plan.setting(key) {
        return Ok(setting);
    }
    let named: Vec<&Setting> = plan.settings.iter().filter(|s| s.name == key).collect();
    match named.as_slice() {
        [one] => return Ok(one),
        [] => {}
        several => {
            let keys: Vec<&str> = several.iter().map(|s| s.key.as_str()).collect();
            return Err(Error::usage("explain.ambiguous", format!("\"{key}\" is a setting of several components"))
                .next(format!("say which: {}", keys.join(", "))));
        }
    }
    let unknown = |what: String| Error::usage("explain.unknown", what);
    if let Some(spec) = plan::specs::find(key).or_else(|| plan::specs::SPECS.iter().find(|s| s.name == key)) {
        let major = plan.host.postgresql_version;
        let component = spec.component.name();
        let next = match () {
            () if !plan.settings.iter().any(|s| s.component == spec.component) => {
                format!("{component} is no part of it; host.components says what lives here")
            }
            () if spec.component == Component::PostgreSql && catalogue::find(spec.name, major).is_none() => {
                catalogue::absence(spec.name, major)
            }
            () if !spec.when.is_empty() => format!("it is planned where {}", spec.when),
            () => "`llmsql plan` shows what is".to_owned(),
        };
        return Err(unknown(format!("{} is not in this host's plan", spec.key())).next(next));
    }
    if keys::lookup(key).is_some() {
        let how = "is an input or is left alone by the plan; `llmsql config list --all` says what it is for";
        return Err(unknown(format!("{key} is no setting of this plan")).at("explain").next(format!("{key} {how}")));
    }
    let names = plan.settings.iter().map(|s| s.key.as_str());
    let findings = invariants::INVARIANTS.iter().map(|i| i.name).chain(invariants::PREMISES.iter().map(|p| p.name));
    let nearest = names.chain(findings).min_by_key(|name| slips(key, name));
    let error = unknown(format!("\"{key}\" is neither a setting nor a finding"));
    Err(match nearest {
        Some(name) if slips(key, name) <= (key.chars().count() / 3).min(4) => {
            error.next(format!("did you mean {name}? `llmsql plan` lists settings and findings"))
        }
        _ => error.next("`llmsql plan` lists settings and findings"),
    })
}

/// How many slips of the finger lie between a typed key and a name; the name without its component counts too.
fn slips(key: &str, name: &str) -> usize {
    let bare = name.split_once('.').map_or(name, |(_, rest)| rest);
    strsim::damerau_levenshtein(key, name).min(strsim::damerau_levenshtein(key, bare))
}

/// The server's own limits of a PostgreSQL setting.
fn limits(plan: &Plan, setting: &Setting) -> Option<String> {
    if setting.component != Component::PostgreSql {
        return None;
    }
    let entry = catalogue::find(&setting.name, plan.host.postgresql_version)?;
    let unit = entry.unit.map(|u| format!(" (unit {u})")).unwrap_or_default();
    let range = match (entry.min, entry.max) {
        (Some(min), Some(max)) => format!("{min} to {max}{unit}"),
        _ if !entry.words.is_empty() => entry.words.replace(',', ", "),
        _ => format!("any {:?}", entry.kind).to_lowercase(),
    };
    let boot = if entry.boot.is_empty() { "empty" } else { entry.boot };
    Some(format!("PostgreSQL {}: {range}; default {boot}", plan.host.postgresql_version))
}
