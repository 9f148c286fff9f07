//! What has drifted since the last generation, in three layers: files, running values, and the plan itself.

use super::change::{self, Version};
use super::compare;
use super::journal::Generation;
use super::managed::{Managed, ManagedFile};
use super::prepare;
use super::servers::running::{Seen, Unread};
use super::servers::{Differs, Waits};
use crate::formats::redact;
use crate::output::file::Attributes;
use crate::output::metrics::{Metrics, labels};
use crate::plan::{Component, Plan, TakesEffect};
use crate::render::files::{self, Syntax};
use crate::render::{BESIDE, Ownership, RenderedFile};
use crate::root::Root;
use serde::Serialize;
use similar::{ChangeTag, TextDiff};
use std::collections::BTreeMap;

/// A host beside what was last put on it.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Status {
    /// Whether anything has drifted. What only waits for a restart has not.
    pub drift: bool,
    /// The newest generation; `None` where nothing was ever changed, or the journal may not be read.
    pub generation: Option<Generation>,
    /// The interrupted generation that waits for `recover`.
    pub interrupted: Option<Generation>,
    /// Files that were edited, removed or given away since.
    pub files: Vec<FileDrift>,
    /// Files in which something was edited since that is not ours: comments, or what is the operator's. That is no drift.
    pub edited: Vec<FileDrift>,
    /// Running values that are not those that were applied.
    pub running: Vec<Differs>,
    /// Running values that only wait for a restart, a reboot, or root of the host.
    pub waiting: Vec<Differs>,
    /// What the plan would have otherwise today than it had when it was applied.
    pub plan: Vec<PlanDrift>,
    /// What could not be looked at.
    pub unread: Vec<Unread>,
    /// How much was compared.
    pub compared: Compared,
}

/// How much was compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Compared {
    /// Files.
    pub files: usize,
    /// Running values.
    pub running: usize,
    /// Planned files.
    pub planned: usize,
}

/// One file that is not as its generation left it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileDrift {
    /// Path on the host.
    pub target: String,
    /// The component it configures.
    pub component: String,
    /// The generation that wrote it.
    pub generation: Option<i64>,
    /// `edited`, `comments`, `others`, `gone` or `attributes`.
    pub state: FileState,
    /// The settings whose value was changed.
    pub settings: Vec<Edited>,
    /// Lines that were added.
    pub added: usize,
    /// Lines that were removed.
    pub removed: usize,
    /// Of an edit that is not of what is ours the first lines, as a diff has them; passwords are left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<String>,
    /// Owner and mode, where those were changed, and the commands that bring them back.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attributes: Vec<String>,
}

/// What happened to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FileState {
    /// Its content was changed.
    Edited,
    /// Of its content comments alone were changed.
    Comments,
    /// Of its content only what is not ours was changed.
    Others,
    /// It was removed.
    Gone,
    /// Its owner or mode was changed.
    Attributes,
}

/// One setting that was changed by hand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Edited {
    /// Its name in the file.
    pub name: String,
    /// What was applied; `None` where it was not set.
    pub applied: Option<String>,
    /// What stands there now; `None` where it is not set any more.
    pub now: Option<String>,
}

/// One thing the plan would have otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlanDrift {
    /// The file it stands in.
    pub target: String,
    /// The setting; `None` where the file as a whole is otherwise, or new.
    pub key: Option<String>,
    /// The value that was applied; `None` where it was not set.
    pub applied: Option<String>,
    /// The value that is planned now; `None` where it is not planned any more.
    pub planned: Option<String>,
    /// When a change would count.
    pub takes_effect: Option<TakesEffect>,
    /// Why.
    pub reason: String,
}

/// Compares the managed files with what stands. `rendered` tells which keys of a shared file are ours; where only others
/// were changed the file counts from now on as it stands.
pub fn files(status: &mut Status, root: &Root, managed: &mut Managed, rendered: &[RenderedFile]) {
    for (target, file) in managed.files.iter_mut().filter(|(_, f)| f.generation.is_some()) {
        let found = change::locate(root, target).and_then(|path| Ok((change::read(&path)?, path)));
        let (now, path) = match found {
            Ok((Some(now), path)) => (now, path),
            Ok((None, _)) => {
                status.compared.files += 1;
                let removed = file.version.content.split(|b| *b == b'\n').filter(|line| !line.is_empty()).count();
                status.files.push(FileDrift { removed, ..drift(target, file, FileState::Gone) });
                continue;
            }
            Err(e) => {
                status.unread.push(Unread::new(root, target, e.what));
                continue;
            }
        };
        status.compared.files += 1;
        let attributes = Attributes::of(&path).ok().flatten();
        let attributes = attributes.map(|now| given_away(target, &file.version.attributes, &now)).unwrap_or_default();
        let ours = rendered.iter().find(|r| r.target == *target || format!("{}{BESIDE}", r.target) == *target);
        if redact::fingerprint(&now) != file.version.sha256 {
            let edited = edited(file, target, &now);
            if touches_ours(file, target, &now, ours) {
                status.files.push(FileDrift { attributes, ..edited });
                continue;
            }
            let comments = compare::same(syntax(file, target), &file.version.content, &redact::redact(&now).0);
            let state = if comments { FileState::Comments } else { FileState::Others };
            let lines = changed_lines(&file.version.content, &now);
            status.edited.push(FileDrift { state, lines, ..edited });
            file.version = Version::of(&now, file.version.attributes.clone());
        }
        if !attributes.is_empty() {
            status.files.push(FileDrift { attributes, ..drift(target, file, FileState::Attributes) });
        }
    }
}

fn drift(target: &str, file: &ManagedFile, state: FileState) -> FileDrift {
    FileDrift {
        target: target.to_owned(),
        component: file.component.clone(),
        generation: file.generation,
        state,
        settings: Vec::new(),
        added: 0,
        removed: 0,
        lines: Vec::new(),
        attributes: Vec::new(),
    }
}

/// Whether an edit is of what is ours: comments are not, and of a shared file only our keys are.
fn touches_ours(file: &ManagedFile, target: &str, now: &[u8], ours: Option<&RenderedFile>) -> bool {
    let (now, _) = redact::redact(now);
    match ours.and_then(|r| r.edit.as_ref()) {
        Some(edit) => !edit.stands(&file.version.content, &now),
        None => !compare::same(syntax(file, target), &file.version.content, &now),
    }
}

fn edited(file: &ManagedFile, target: &str, now: &[u8]) -> FileDrift {
    let (now, _) = redact::redact(now);
    let map = |bytes: &[u8]| -> BTreeMap<String, String> {
        compare::settings(syntax(file, target), bytes).into_iter().collect()
    };
    let (applied, standing) = (map(&file.version.content), map(&now));
    let mut names: Vec<&String> = applied.keys().chain(standing.keys()).collect();
    names.sort();
    names.dedup();
    let settings = names
        .into_iter()
        .filter(|name| applied.get(*name) != standing.get(*name))
        .map(|name| Edited {
            name: name.clone(),
            applied: applied.get(name).cloned(),
            now: standing.get(name).cloned(),
        })
        .collect();
    let (old, new) = (String::from_utf8_lossy(&file.version.content), String::from_utf8_lossy(&now));
    let diff = TextDiff::from_lines(old.as_ref(), new.as_ref());
    let count = |tag| diff.iter_all_changes().filter(|c| c.tag() == tag).count();
    FileDrift {
        settings,
        added: count(ChangeTag::Insert),
        removed: count(ChangeTag::Delete),
        ..drift(target, file, FileState::Edited)
    }
}

/// How many lines of an edit are shown.
const SHOWN: usize = 5;

fn changed_lines(then: &[u8], now: &[u8]) -> Vec<String> {
    let (now, _) = redact::redact(now);
    let (old, new) = (String::from_utf8_lossy(then), String::from_utf8_lossy(&now));
    let diff = TextDiff::from_lines(old.as_ref(), new.as_ref());
    let mark = |tag| match tag {
        ChangeTag::Insert => Some('+'),
        ChangeTag::Delete => Some('-'),
        ChangeTag::Equal => None,
    };
    diff.iter_all_changes()
        .filter_map(|c| Some(format!("{}{}", mark(c.tag())?, c.value().trim_end())))
        .take(SHOWN)
        .collect()
}

fn given_away(target: &str, applied: &Attributes, now: &Attributes) -> Vec<String> {
    let mut said = Vec::new();
    if applied.mode != now.mode {
        said.push(format!("mode {:04o} → {:04o}; back: chmod {:04o} {target}", applied.mode, now.mode, applied.mode));
    }
    if (applied.uid, applied.gid) != (now.uid, now.gid) {
        let (uid, gid) = (applied.uid, applied.gid);
        said.push(format!("owner {uid}:{gid} → {}:{}; back: chown {uid}:{gid} {target}", now.uid, now.gid));
    }
    said
}

/// The language of a managed file.
pub(super) fn syntax(file: &ManagedFile, target: &str) -> Syntax {
    syntax_of(&file.component, target)
}

/// The language of a file of a component.
pub(super) fn syntax_of(component: &str, target: &str) -> Syntax {
    let name = |path: &str| path.rsplit('/').next().unwrap_or_default().trim_end_matches(".j2").to_owned();
    let own = name(target.trim_end_matches(BESIDE));
    let spec = files::TABLE.iter().find(|s| s.component.name() == component && name(s.template) == own);
    // What has no settings is compared line by line.
    spec.map_or(Syntax::Unit, |s| s.syntax)
}

/// Takes over what was found of the running values.
pub fn running(status: &mut Status, seen: Seen) {
    status.compared.running = seen.judged;
    status.unread.extend(seen.unread);
    (status.waiting, status.running) = seen.differs.into_iter().partition(|d| d.waits.is_some());
}

/// Compares what is planned now with what was planned when it was applied.
pub fn plan(status: &mut Status, root: &Root, plan: &Plan, rendered: &[RenderedFile], managed: &Managed) {
    for file in rendered {
        let beside = format!("{}{BESIDE}", file.target);
        let known = managed.files.get_key_value(&file.target).or_else(|| managed.files.get_key_value(&beside));
        let Some((target, applied)) = known else {
            // Of a component that was left out (--only) nothing is missing.
            if !managed.files.values().any(|f| f.component == file.component.name() && f.generation.is_some()) {
                continue;
            }
            // What apply had no need to change is in no generation.
            match prepare::planned(root, file, false) {
                Ok(planned) if planned.stands() || planned.waits() => status.compared.planned += 1,
                Ok(_) => status.plan.push(PlanDrift {
                    target: file.target.clone(),
                    key: None,
                    applied: None,
                    planned: None,
                    takes_effect: None,
                    reason: "is planned now, and was not when it was applied".to_owned(),
                }),
                Err(e) => status.unread.push(Unread::new(root, &file.target, e.what)),
            }
            continue;
        };
        let old = applied.version.content.as_slice();
        let new = match file.ownership {
            Ownership::Shared => match file.place(Some(old), false) {
                Ok(placed) => placed.bytes,
                Err(e) => {
                    status.unread.push(Unread { what: target.clone(), why: e.what, next: None });
                    continue;
                }
            },
            _ => file.bytes.clone(),
        };
        status.compared.planned += 1;
        let syntax = syntax(applied, target);
        if compare::same(syntax, old, &redact::redact(&new).0) {
            continue;
        }
        let rows =
            values(plan, file.component, target, &compare::settings(syntax, old), &compare::settings(syntax, &new));
        if rows.is_empty() {
            status.plan.push(PlanDrift {
                target: target.clone(),
                key: None,
                applied: None,
                planned: None,
                takes_effect: None,
                reason: "would be written otherwise".to_owned(),
            });
        }
        status.plan.extend(rows);
    }
}

fn values(
    plan: &Plan,
    component: Component,
    target: &str,
    old: &[(String, String)],
    new: &[(String, String)],
) -> Vec<PlanDrift> {
    let map = |pairs: &[(String, String)]| -> BTreeMap<String, String> { pairs.iter().cloned().collect() };
    let (old, new) = (map(old), map(new));
    let mut names: Vec<&String> = new.keys().chain(old.keys().filter(|name| !new.contains_key(*name))).collect();
    names.sort();
    let differs = names.into_iter().filter(|name| old.get(*name) != new.get(*name));
    differs
        .map(|name| {
            let setting = plan.settings.iter().find(|s| s.component == component && s.name.eq_ignore_ascii_case(name));
            PlanDrift {
                target: target.to_owned(),
                key: Some(format!("{}.{name}", component.name())),
                applied: old.get(name).cloned(),
                planned: new.get(name).cloned(),
                takes_effect: setting.map(|s| s.takes_effect),
                reason: setting.map_or_else(|| "is not planned any more".to_owned(), prepare::reason),
            }
        })
        .collect()
}

/// What stands, for what was applied: where the journal may not be read, our own files are taken as they are.
pub fn standing(status: &mut Status, root: &Root, rendered: &[RenderedFile]) -> Managed {
    let mut managed = Managed::default();
    for file in rendered.iter().filter(|f| f.ownership == Ownership::Whole) {
        let found = change::locate(root, &file.target).and_then(|path| Ok((change::read(&path)?, path)));
        let (bytes, path) = match found {
            Ok((Some(bytes), path)) => (bytes, path),
            Ok((None, _)) => continue,
            Err(e) => {
                status.unread.push(Unread::new(root, &file.target, e.what));
                continue;
            }
        };
        let Ok(Some(attributes)) = Attributes::of(&path) else { continue };
        let managed_file = ManagedFile {
            generation: None,
            component: file.component.name().to_owned(),
            ownership: file.ownership.name().to_owned(),
            version: Version::of(&bytes, attributes),
            container: None,
            losers: Default::default(),
        };
        managed.files.insert(file.target.clone(), managed_file);
    }
    managed
}

impl Status {
    /// Notes whether anything has drifted.
    #[must_use]
    pub fn judged(mut self) -> Status {
        self.drift = !(self.files.is_empty() && self.running.is_empty() && self.plan.is_empty());
        self
    }

    /// The same for Prometheus. `now` is the time in seconds.
    #[must_use]
    pub fn metrics(&self, now: i64) -> Metrics {
        let mut metrics = Metrics::default();
        let layers = [("files", self.files.len()), ("running", self.running.len()), ("plan", self.plan.len())];
        let samples = layers.map(|(layer, n)| (labels(&[("layer", layer)]), n as f64));
        metrics.gauge("llmsql_status_drift", "What differs from the last generation, by layer.", samples);
        let kinds = [("restart", Waits::Restart), ("reboot", Waits::Reboot), ("host", Waits::Host)];
        let count = |waits: Waits| self.waiting.iter().filter(|d| d.waits == Some(waits)).count() as f64;
        let samples = kinds.map(|(kind, waits)| (labels(&[("for", kind)]), count(waits)));
        metrics.gauge("llmsql_status_waiting", "Applied values that wait to be in force, by what for.", samples);
        let interrupted = f64::from(u8::from(self.interrupted.is_some()));
        metrics.value("llmsql_status_recover_waiting", "Whether an interrupted change waits for recover.", interrupted);
        metrics.value("llmsql_status_unread", "What could not be looked at.", self.unread.len() as f64);
        let compared = self.compared.files + self.compared.running + self.compared.planned;
        metrics.value("llmsql_status_compared", "Files and values that were compared.", compared as f64);
        if let Some(generation) = &self.generation {
            metrics.value("llmsql_status_generation", "The newest generation.", generation.id as f64);
        }
        metrics.value("llmsql_status_run_timestamp_seconds", "When this was found.", now as f64);
        metrics
    }
}
