//! What runs beside what was applied: PostgreSQL's and PgBouncer's settings, the kernel's values, device queues, and the
//! limits of the servers' processes.

use super::process::Running;
use super::{Differs, Servers, Waits, Wishes, nginx, pgbouncer, postgresql};
use crate::apply::compare;
use crate::apply::drift;
use crate::apply::managed::{Managed, ManagedFile};
use crate::apply::write;
use crate::facts::{Facts, sysctl_path};
use crate::formats::{ini, limits, sysctl};
use crate::render::files::Syntax;
use crate::root::Root;
use nix::sys::statvfs::{FsFlags, statvfs};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// What could not be looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unread {
    /// What.
    pub what: String,
    /// Why.
    pub why: String,
    /// The command that would.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl Unread {
    /// Something that root could look at.
    #[must_use]
    pub fn new(root: &Root, what: impl Into<String>, why: impl Into<String>) -> Self {
        let next = (!nix::unistd::geteuid().is_root()).then(|| format!("sudo {}", root.command("status")));
        Unread { what: what.into(), why: why.into(), next }
    }
}

/// What was found of the running values.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// How many values were compared.
    pub judged: usize,
    /// Those that differ.
    pub differs: Vec<Differs>,
    /// What could not be asked.
    pub unread: Vec<Unread>,
}

/// Compares what runs with what was applied. `planned` are values of the kernel that no file of the set holds, as path,
/// key and value; they count where no generation has written another.
#[must_use]
pub fn seen(
    root: &Root,
    facts: &Facts,
    managed: &Managed,
    planned: &[(String, String, String)],
    wishes: &Wishes,
) -> Seen {
    let mut seen = Seen::default();
    let mut processes: Vec<(&str, Running)> = Vec::new();
    postgresql(&mut seen, &mut processes, root, facts, managed, wishes);
    if let Some((target, file)) = managed.files.iter().find(|(_, f)| f.component == "pgbouncer") {
        let server = pgbouncer::Server::find(root, facts, target);
        let wanted = settings(file, Syntax::Ini);
        match server.differing(&wanted, &file.version.content) {
            Ok(differs) => seen.take(wanted.len(), differs),
            Err(e) => seen.unread.push(Unread::new(root, server.name(), e.to_string())),
        }
        processes.extend(server.running().map(|r| ("pgbouncer", r.clone())));
    }
    if managed.files.values().any(|f| f.component == "nginx") {
        let server = nginx::Server::find(root, facts);
        processes.extend(server.running().map(|r| ("nginx", r.clone())));
    }
    kernel(&mut seen, root, managed, planned);
    process_limits(&mut seen, root, managed, &processes);
    seen
}

impl Seen {
    fn take(&mut self, judged: usize, differs: Vec<Differs>) {
        self.judged += judged;
        self.differs.extend(differs);
    }
}

/// Every cluster of which a file is managed.
fn postgresql(
    seen: &mut Seen,
    processes: &mut Vec<(&str, Running)>,
    root: &Root,
    facts: &Facts,
    managed: &Managed,
    wishes: &Wishes,
) {
    let mut mains = BTreeSet::new();
    let files = || managed.files.iter().filter(|(_, f)| f.component == "postgresql");
    for (target, file) in files().filter(|(_, f)| f.ownership == "whole") {
        let (container, own) = match Servers::contained(root, facts, file.container.as_deref()) {
            Ok(found) => found,
            Err(e) => {
                seen.unread.push(Unread::new(root, target, e.to_string()));
                continue;
            }
        };
        let Some(server) = postgresql::Server::find(root, own.as_ref().unwrap_or(facts), target, container.as_ref())
        else {
            seen.unread.push(Unread::new(root, target, "no cluster that reads it is found"));
            continue;
        };
        if !mains.insert(server.main.clone()) {
            continue;
        }
        let wanted: Vec<(String, String)> = settings(file, Syntax::PostgreSql);
        if !server.ran() && wishes.conninfo.is_none() {
            seen.unread.push(Unread::new(root, server.name(), not_seen("it")));
            continue;
        }
        match server.differing(&wanted, wishes) {
            Ok(differs) => seen.take(wanted.len(), differs),
            Err(e) => seen.unread.push(Unread::new(root, server.name(), e.to_string())),
        }
        processes.extend(server.running.clone().map(|r| ("postgresql", r)));
    }
}

/// Of a process of another user only root sees by which files it runs.
pub(super) fn not_seen(what: &str) -> String {
    if nix::unistd::geteuid().is_root() {
        format!("{what} does not run")
    } else {
        format!("{what} does not run, or this user may not see by which files it does")
    }
}

/// The settings of a file, those left out of which it was known that something else wins.
fn settings(file: &ManagedFile, syntax: Syntax) -> Vec<(String, String)> {
    let all: BTreeMap<String, String> = compare::settings(syntax, &file.version.content).into_iter().collect();
    let lost = |name: &str| file.losers.contains(&format!("{}.{name}", file.component));
    all.into_iter().filter(|(name, _)| !lost(name)).collect()
}

fn kernel(seen: &mut Seen, root: &Root, managed: &Managed, planned: &[(String, String, String)]) {
    // By path: a generation's own value of the running kernel, else what its file says for the next boot.
    let mut wanted: BTreeMap<String, (String, String)> =
        planned.iter().map(|(path, key, value)| (path.clone(), (key.clone(), value.clone()))).collect();
    // The kernel's component has a unit of systemd too.
    let kernels = managed.files.iter().filter(|(_, f)| f.component == "kernel");
    for (_, file) in kernels.filter(|(target, file)| drift::syntax(file, target) == Syntax::Sysctl) {
        for entry in sysctl::Document::parse(&file.version.content).entries() {
            let key = format!("kernel.{}", entry.key);
            if !file.losers.contains(&key) {
                wanted.insert(
                    sysctl_path(entry.key),
                    (key, entry.value.split_whitespace().collect::<Vec<_>>().join(" ")),
                );
            }
        }
    }
    let written = |path: &str| managed.kernel.contains_key(path);
    for (path, value) in &managed.kernel {
        wanted.insert(path.clone(), (value.key.clone(), value.value.clone()));
    }
    for (path, (key, applied)) in wanted {
        let Some(running) = write::kernel_value(root, &path) else {
            seen.unread.push(Unread::new(root, &path, "cannot be read"));
            continue;
        };
        seen.judged += 1;
        if running == applied {
            continue;
        }
        let place = root.resolve(&path).unwrap_or_default();
        let closed = statvfs(&place).is_ok_and(|s| s.flags().contains(FsFlags::ST_RDONLY));
        let waits = match () {
            () if closed => Some(Waits::Host),
            // There was not enough free memory for them when it was applied.
            () if key == "kernel.vm.nr_hugepages" && !written(&path) => Some(Waits::Reboot),
            () => None,
        };
        let next = (waits == Some(Waits::Host)).then(|| format!("as root of the host: echo '{applied}' > {path}"));
        let component = key.split('.').next().unwrap_or("kernel").to_owned();
        seen.differs.push(Differs { component, key, applied, running, set_by: None, waits, next });
    }
}

/// The limits of running servers beside those of their units' drop-ins, or of limits.d for their user.
fn process_limits(seen: &mut Seen, root: &Root, managed: &Managed, processes: &[(&str, Running)]) {
    for (component, running) in processes {
        let Some((files, memory)) = running.limits() else {
            seen.unread.push(Unread::new(root, format!("/proc/{}/limits", running.pid), "may not be read"));
            continue;
        };
        let wanted = limits_of(managed, component, running.uid);
        for (name, now) in [("nofile", files), ("memlock", memory)] {
            let Some(applied) = wanted.get(name) else { continue };
            seen.judged += 1;
            let least =
                if applied == "infinity" || applied == "unlimited" { u64::MAX } else { applied.parse().unwrap_or(0) };
            if now < least {
                seen.differs.push(Differs {
                    component: "limits".to_owned(),
                    key: format!("limits.{component}.{name}"),
                    applied: applied.clone(),
                    running: now.to_string(),
                    set_by: Some(format!("/proc/{}/limits", running.pid)),
                    waits: Some(Waits::Restart),
                    next: running.unit.as_ref().map(|unit| format!("systemctl restart {unit}")),
                });
            }
        }
    }
}

fn limits_of(managed: &Managed, component: &str, uid: u32) -> BTreeMap<&'static str, String> {
    let mut wanted = BTreeMap::new();
    let named = |target: &str| {
        let unit = target.strip_prefix("/etc/systemd/system/").and_then(|rest| rest.split('.').next());
        unit.is_some_and(|unit| unit.split('@').next() == Some(component) || unit.starts_with(&format!("{component}-")))
    };
    let drop_in = managed.files.iter().find(|(target, f)| f.component == "limits" && named(target));
    if let Some((_, file)) = drop_in {
        let doc = ini::Document::parse(&file.version.content);
        for (name, key) in [("nofile", "LimitNOFILE"), ("memlock", "LimitMEMLOCK")] {
            wanted.extend(doc.get("Service", key).map(|value| (name, value.to_owned())));
        }
        return wanted;
    }
    let user = nix::unistd::User::from_uid(nix::unistd::Uid::from_raw(uid)).ok().flatten().map(|u| u.name);
    let file = managed.files.iter().find(|(target, _)| target.contains("/limits.d/"));
    let Some((_, file)) = file else { return wanted };
    let doc = limits::Document::parse(&file.version.content);
    for name in ["nofile", "memlock"] {
        let of = |domain: &str| doc.get(domain, limits::Kind::Soft, name).map(str::to_owned);
        let value = user.as_deref().and_then(of).or_else(|| of("*").filter(|_| uid != 0));
        wanted.extend(value.map(|value| (name, value)));
    }
    wanted
}
