//! Settings being collected: the pin of the operator beats the derived value, and keeps it in the reason.

use super::host::Host;
use super::{Basis, Component, Input, Reason, Setting, specs};
use crate::units;
use crate::value::Value;

/// Settings being collected.
pub(super) struct Draft<'a> {
    pub(super) host: &'a Host<'a>,
    pub(super) settings: Vec<Setting>,
}

/// A derived input: another value of this plan.
pub(super) fn derived(name: &str, value: impl Into<String>, key: &str) -> Input {
    super::host::input(name, value, Basis::Derived, key)
}

/// A rule with what went in.
pub(super) fn rule(formula: impl Into<String>, worked: impl Into<String>, inputs: Vec<Input>) -> Reason {
    Reason { formula: formula.into(), worked: worked.into(), inputs, ..Reason::default() }
}

/// A value that does not depend on the host, and why it is that one.
pub(super) fn constant(why: impl Into<String>) -> Reason {
    Reason { formula: why.into(), ..Reason::default() }
}

impl Reason {
    pub(super) fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    pub(super) fn cap(mut self, cap: impl Into<String>) -> Self {
        self.caps.push(cap.into());
        self
    }

    /// Names the bound of a clamp that bit, if one did, and why it is there.
    pub(super) fn bounds(self, raw: u64, low: (u64, &str), high: (u64, &str)) -> Self {
        match raw {
            n if n < low.0 => self.cap(format!("not below {}: {}", low.0, low.1)),
            n if n > high.0 => self.cap(format!("not above {}: {}", high.0, high.1)),
            _ => self,
        }
    }
}

impl<'a> Draft<'a> {
    pub(super) fn new(host: &'a Host<'a>) -> Self {
        Draft { host, settings: Vec::new() }
    }

    /// Adds a setting of the table, unless the planned version of PostgreSQL does not have it.
    pub(super) fn put(&mut self, component: Component, name: &'static str, value: Value, reason: Reason) {
        self.put_as(component, name, name, value, reason);
    }

    /// Adds a setting whose name in the file is not its name in the table: a device's, a database's.
    pub(super) fn put_as(&mut self, component: Component, spec: &str, name: &str, value: Value, mut reason: Reason) {
        let Some(spec) = specs::SPECS.iter().find(|s| s.component == component && s.name == spec) else {
            debug_assert!(false, "{spec} is not in the table of settings");
            return;
        };
        if component == Component::PostgreSql && self.host.major < spec.since {
            return;
        }
        let key = format!("{}.{name}", component.name());
        // `disk.scheduler` is that of every device which has none of its own.
        let of_all = || self.host.profile.get(&spec.key());
        let pinned = self.host.profile.get(&key).or_else(of_all);
        let dialect = component.dialect();
        let typed = pinned.map_or(value, |pin| pin.value.clone());
        reason.guide = reason.guide.or(spec.guide);
        let current = self.current(component, name, &typed);
        self.settings.push(Setting {
            key,
            component,
            name: name.to_owned(),
            group: spec.group,
            value: typed.written(dialect),
            bytes: typed.bytes(),
            typed,
            reason,
            origin: pinned.map(|p| p.origin.clone()),
            takes_effect: takes_effect(spec, self.host.major),
            current,
        });
    }

    /// Adds a setting of PostgreSQL that the plan leaves alone and the operator pinned.
    pub(super) fn put_server(&mut self, name: &str, restart: bool, value: Value) {
        let key = format!("postgresql.{name}");
        let takes_effect = if restart { super::TakesEffect::Restart } else { super::TakesEffect::Reload };
        self.settings.push(Setting {
            origin: self.host.origin(&key).cloned(),
            key,
            component: Component::PostgreSql,
            name: name.to_owned(),
            group: "pinned",
            value: value.written(Component::PostgreSql.dialect()),
            bytes: None,
            current: self.current(Component::PostgreSql, name, &value),
            typed: value,
            reason: constant("pinned; the plan would leave it as it is"),
            takes_effect,
        });
    }

    /// What the host's files or kernel have now.
    fn current(&self, component: Component, name: &str, planned: &Value) -> Option<String> {
        match component {
            Component::PostgreSql => {
                let running = self.host.facts.database.as_ref().and_then(|d| d.settings.get(name));
                let in_files = || Some(&self.host.cluster()?.settings.get(name)?.value);
                let now = running.or_else(in_files)?;
                Some(match planned {
                    Value::Bytes(_) => units::parse_bytes(now).map_or_else(|_| now.clone(), units::format_bytes),
                    _ => now.clone(),
                })
            }
            Component::Kernel => match name {
                "thp.enabled" => self.host.facts.memory.thp.clone(),
                "thp.defrag" => self.host.facts.memory.thp_defrag.clone(),
                key => self.host.facts.kernel.sysctl.get(key).cloned(),
            },
            _ => None,
        }
    }

    /// The value of a setting that is already in the draft.
    pub(super) fn value(&self, key: &str) -> Option<&Value> {
        self.settings.iter().find(|s| s.key == key).map(|s| &s.typed)
    }
}

/// When a change counts in the planned version.
fn takes_effect(spec: &specs::Spec, major: u32) -> super::TakesEffect {
    // PostgreSQL 18 made the number of workers reloadable, within autovacuum_worker_slots.
    if spec.component == Component::PostgreSql && spec.name == "autovacuum_max_workers" && major >= 18 {
        return super::TakesEffect::Reload;
    }
    spec.takes_effect
}
