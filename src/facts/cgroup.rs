//! What a cgroup allows, in the hierarchies of version 1 and 2, found through the mount table: that of the running
//! PostgreSQL, else the place its unit would have, with what the unit's files set. This process's own stands for it in a
//! container, whose limits hold for all in it; outside of one, what a login's session or another service may use says
//! nothing of PostgreSQL.
//!
//! The kernel's documents are `Documentation/admin-guide/cgroup-v2.rst` and `cgroup-v1/`; which part of a hierarchy a
//! mount shows is told by mountinfo's root field (cgroup_namespaces(7)).

use super::cluster::Postmaster;
use super::mount::Mount;
use super::read::{Host, Set, parse_list};
use super::unit::Told;
use super::{Facts, Unit};
use procfs::{FromBufRead, ProcessCGroups};

/// From here on a limit of version 1 means "none": it stands for the highest number of pages, whatever their size.
const NO_LIMIT_V1: u64 = 1 << 62;
/// The same on kernels of 32 bits: 2^31 − 1 pages of 4 kB.
const NO_LIMIT_V1_32BIT: u64 = ((1 << 31) - 1) * 4096;

/// Fills in the limits of memory and CPU, and what the plan counts with. `unit` is the one PostgreSQL would be started by.
pub(super) fn collect(
    host: &Host,
    mounts: &[Mount],
    online: Option<&Set>,
    postmaster: Option<&Postmaster>,
    unit: Option<&Unit>,
    facts: &mut Facts,
) {
    let running = postmaster.filter(|p| in_a_cgroup_of_its_own(host, p.pid));
    facts.container.cgroup_of = running.map(|p| p.cluster.clone());
    // What its unit's files say counts from its next start on, and while it runs its cgroup has it.
    let unit = unit.filter(|_| running.is_none() && facts.container.systemd != Some(false));
    let subject = match (running, facts.container.kind.as_deref()) {
        (Some(postmaster), _) => Subject::process(host, postmaster.pid),
        // Windows' subsystem has a kernel of its own, in which sessions are sessions.
        (None, Some(kind)) if kind != "wsl" => Subject::own(host),
        _ if postmaster.is_some() => Subject::own(host),
        _ => Subject::service(host, unit),
    };
    let hierarchies = hierarchies(&subject, mounts);
    let v2_everywhere = hierarchies.iter().any(|h| h.unified) && !hierarchies.iter().any(|h| h.has_controller());
    if let Some(main) = hierarchies.iter().find(|h| h.controls("memory")).or(hierarchies.first()) {
        facts.container.cgroup = Some(main.path.clone());
        facts.container.cgroup_version = Some(if v2_everywhere { 2 } else { 1 });
    } else {
        host.absent("container.cgroup_version", "no cgroup hierarchy is mounted");
    }

    let by_unit = unit.and_then(|unit| unit.memory_max(host, facts.memory.total_bytes));
    let limit = hierarchies.iter().filter_map(|h| h.memory_limit(host)).chain(by_unit).min_by_key(|told| told.value);
    facts.memory.limit_bytes = limit.as_ref().map(|told| told.value);
    facts.memory.limit_from = limit.map(|told| told.file);
    facts.memory.effective_bytes = match (facts.memory.total_bytes, facts.memory.limit_bytes) {
        (Some(total), Some(limit)) => Some(total.min(limit)),
        (total, limit) => total.or(limit),
    };
    let by_unit = unit.and_then(|unit| unit.cpu_quota(host));
    facts.cpu.quota = hierarchies.iter().filter_map(|h| h.cpu_quota(host)).chain(by_unit).min_by(f64::total_cmp);

    let sets: Vec<Set> = hierarchies
        .iter()
        .filter_map(|h| h.cpuset(host))
        .chain(affinity(&subject))
        .chain(unit.map(|unit| unit.cpu_sets(host)).unwrap_or_default())
        .collect();
    if let Some(online) = online {
        let allowed: Set = online.iter().copied().filter(|cpu| sets.iter().all(|set| set.contains(cpu))).collect();
        // No CPU at all would be no host: the sets are of another moment then, or another host's.
        if !sets.is_empty() && !allowed.is_empty() {
            facts.cpu.cpuset = u32::try_from(allowed.len()).ok();
        }
    }
    if facts.cpu.cpuset.is_none() {
        host.absent("cpu.cpuset", "neither a cpuset nor an affinity is told");
    }
    facts.cpu.effective = effective(facts.cpu.online, facts.cpu.cpuset, facts.cpu.quota);
}

/// The memory that this process's own cgroups let it have.
pub(super) fn own_limit(host: &Host, mounts: &[Mount]) -> Option<u64> {
    hierarchies(&Subject::own(host), mounts).iter().filter_map(|h| h.memory_limit(host)).map(|told| told.value).min()
}

/// `min(online, cpuset, ceil(quota))`, at least 1.
fn effective(online: Option<u32>, cpuset: Option<u32>, quota: Option<f64>) -> Option<u32> {
    let quota = quota.map(|q| q.ceil().clamp(1.0, f64::from(u32::MAX)) as u32);
    [online, cpuset, quota].into_iter().flatten().min().map(|n| n.max(1))
}

/// Whose cgroup is asked.
struct Subject<'a> {
    host: &'a Host<'a>,
    /// Its file `cgroup` in /proc, or what that would be.
    cgroup: String,
    /// Its file `cpuset`.
    cpuset: Option<String>,
    /// Its file `status`.
    status: Option<String>,
}

impl<'a> Subject<'a> {
    fn process(host: &'a Host<'a>, pid: u32) -> Self {
        let read = |name: &str| host.text(&format!("/proc/{pid}/{name}"));
        Subject { host, cgroup: read("cgroup").unwrap_or_default(), cpuset: read("cpuset"), status: read("status") }
    }

    fn own(host: &'a Host<'a>) -> Self {
        let read = |name: &str| host.own(name).map(|(_, text)| text);
        Subject { host, cgroup: read("cgroup").unwrap_or_default(), cpuset: read("cpuset"), status: read("status") }
    }

    /// A service that does not run: in each hierarchy the place of its unit, or of services at large, where this process
    /// is in a session or in a unit of its own.
    fn service(host: &'a Host<'a>, unit: Option<&Unit>) -> Self {
        let mut subject = Subject::own(host);
        let place = unit.map_or_else(|| "/system.slice".to_owned(), Unit::cgroup);
        let (mut lines, mut moved) = (Vec::new(), false);
        for line in subject.cgroup.lines() {
            let mut parts = line.splitn(3, ':');
            match (parts.next(), parts.next(), parts.next()) {
                (Some(number), Some(controllers), Some(path)) if unit.is_some() || is_a_units(path) => {
                    moved = true;
                    lines.push(format!("{number}:{controllers}:{place}"));
                }
                _ => lines.push(line.to_owned()),
            }
        }
        subject.cgroup = lines.join("\n");
        if moved {
            // Services inherit what the first process may run on, and not what a session was bound to.
            subject.status = host.text("/proc/1/status").or(subject.status);
            subject.cpuset = None;
        }
        subject
    }
}

/// Whether a cgroup is that of a login or of a unit of systemd; not if it is a container's or PostgreSQL's own, whose
/// limits are meant.
fn is_a_units(path: &str) -> bool {
    let meant = ["docker", "libpod", "lxc", "kube", "crio", "containerd", "machine.slice", "/postgresql"];
    !meant.iter().any(|mark| path.contains(mark))
        && path.split('/').any(|part| part == "user.slice" || part.ends_with(".scope") || part.ends_with(".service"))
}

/// Whether a process is in another cgroup than this one, which can be seen from here.
fn in_a_cgroup_of_its_own(host: &Host, pid: u32) -> bool {
    let own = host.own("cgroup").map(|(_, text)| text);
    host.text(&format!("/proc/{pid}/cgroup")).is_some_and(|text| !text.contains("/..") && Some(&text) != own.as_ref())
}

/// The CPUs the process may run on, as the kernel tells it.
fn affinity(subject: &Subject) -> Option<Set> {
    let status = subject.status.as_deref()?;
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
    parse_list(list).filter(|set| !set.is_empty())
}

/// One mounted hierarchy and the process's place in it.
struct Hierarchy {
    /// Version 2.
    unified: bool,
    /// The controllers of version 1.
    controllers: Vec<String>,
    /// The cgroup as /proc/self/cgroup names it.
    path: String,
    /// Its folder, then each parent's up to the mount point.
    dirs: Vec<String>,
}

/// Every mounted hierarchy the process has a place in.
fn hierarchies(subject: &Subject, mounts: &[Mount]) -> Vec<Hierarchy> {
    let host = subject.host;
    // Read line by line: a line of an odd form does not spoil the rest.
    let lines = subject.cgroup.lines().filter_map(|line| ProcessCGroups::from_buf_read(line.as_bytes()).ok());
    let groups: Vec<_> = lines.flat_map(|groups| groups.0).collect();
    let mut found = Vec::new();
    for group in &groups {
        let controllers: Vec<String> = group.controllers.iter().filter(|c| !c.is_empty()).cloned().collect();
        let unified = group.hierarchy == 0 && controllers.is_empty();
        if !unified && controllers.is_empty() {
            continue;
        }
        let fits = |mount: &&Mount| {
            if unified {
                mount.filesystem == "cgroup2"
            } else {
                mount.filesystem == "cgroup" && controllers.iter().all(|c| mount.options.contains(c))
            }
        };
        let dirs = mounts.iter().filter(fits).map(|mount| dirs(host, mount, &group.pathname));
        // Of several mounts of one hierarchy, the one that shows most of it.
        if let Some(dirs) = dirs.max_by_key(Vec::len) {
            found.push(Hierarchy { unified, controllers, path: group.pathname.clone(), dirs });
        }
    }
    // Older than cgroups, and still told beside them.
    if !found.iter().any(|h: &Hierarchy| h.controls("cpuset"))
        && let Some(path) = subject.cpuset.as_deref().map(|text| text.trim().to_owned())
    {
        let fits = |mount: &&Mount| {
            mount.filesystem == "cpuset" || mount.filesystem == "cgroup" && mount.options.iter().any(|o| o == "cpuset")
        };
        if let Some(dirs) = mounts.iter().filter(fits).map(|mount| dirs(host, mount, &path)).max_by_key(Vec::len) {
            found.push(Hierarchy { unified: false, controllers: vec!["cpuset".to_owned()], path, dirs });
        }
    }
    if found.is_empty() {
        found = conventional(host);
        if !found.is_empty() {
            host.absent(
                "/proc/self/cgroup",
                "it does not tell this process's cgroup, so the limits at the top of /sys/fs/cgroup are taken",
            );
        }
    }
    found
}

/// The folders of a cgroup and its parents below a mount, as far as the mount shows them.
fn dirs(host: &Host, mount: &Mount, path: &str) -> Vec<String> {
    let top = mount.target.trim_end_matches('/');
    let root = mount.root.trim_end_matches('/');
    // A path outside the mount's part of the hierarchy (a cgroup namespace of its own, a bind mount) means that the
    // process sees its own cgroup, or the nearest parent it may see, at the mount point.
    let below = match path.strip_prefix(root) {
        Some(rest) if (rest.is_empty() || rest.starts_with('/')) && !rest.split('/').any(|part| part == "..") => rest,
        _ => "",
    };
    let mut dirs = vec![top.to_owned()];
    let mut dir = top.to_owned();
    for part in below.split('/').filter(|part| !part.is_empty()) {
        dir = format!("{dir}/{part}");
        if !host.root.exists(&dir) {
            break;
        }
        dirs.push(dir.clone());
    }
    dirs.reverse();
    dirs
}

/// The hierarchies at the places they have by convention, for a tree that was taken without the process's own files.
fn conventional(host: &Host) -> Vec<Hierarchy> {
    let base = "/sys/fs/cgroup";
    let at = |unified: bool, controllers: &[&str], dir: String| Hierarchy {
        unified,
        controllers: controllers.iter().map(|c| (*c).to_owned()).collect(),
        path: "/".to_owned(),
        dirs: vec![dir],
    };
    let unified = ["cgroup.controllers", "memory.max", "cpu.max", "cpuset.cpus.effective"];
    if unified.iter().any(|name| host.root.exists(format!("{base}/{name}"))) {
        return vec![at(true, &[], base.to_owned())];
    }
    [("memory", "memory.limit_in_bytes"), ("cpu", "cpu.cfs_quota_us"), ("cpuset", "cpuset.cpus")]
        .iter()
        .filter(|(name, file)| host.root.exists(format!("{base}/{name}/{file}")))
        .map(|(name, _)| at(false, &[*name], format!("{base}/{name}")))
        .collect()
}

impl Hierarchy {
    fn has_controller(&self) -> bool {
        self.controllers.iter().any(|c| !c.starts_with("name="))
    }

    fn controls(&self, controller: &str) -> bool {
        self.unified || self.controllers.iter().any(|c| c == controller)
    }

    /// The smallest limit from this cgroup up, and the file that tells it.
    fn memory_limit(&self, host: &Host) -> Option<Told<u64>> {
        if !self.controls("memory") {
            return None;
        }
        let name = if self.unified { "memory.max" } else { "memory.limit_in_bytes" };
        let limits = self.dirs.iter().filter_map(|dir| {
            let file = format!("{dir}/{name}");
            host.limit(&file, memory).map(|value| Told { value, file })
        });
        if self.unified {
            return limits.min_by_key(|told| told.value);
        }
        // Where a parent cannot be seen, the kernel still tells its limit here.
        let inherited = self.dirs.first().and_then(|dir| {
            let file = format!("{dir}/memory.stat");
            let text = host.text(&file)?;
            let told = text.lines().find_map(|line| line.strip_prefix("hierarchical_memory_limit "))?;
            let value = memory(told.trim()).unwrap_or_else(|| {
                host.absent(file.clone(), "its hierarchical_memory_limit is no limit");
                None
            })?;
            Some(Told { value, file })
        });
        limits.chain(inherited).min_by_key(|told| told.value)
    }

    /// The smallest bandwidth from this cgroup up, in CPUs.
    fn cpu_quota(&self, host: &Host) -> Option<f64> {
        if !self.controls("cpu") {
            return None;
        }
        let quotas = self.dirs.iter().filter_map(|dir| {
            if self.unified {
                return host.limit(&format!("{dir}/cpu.max"), bandwidth);
            }
            let quota = host.limit(&format!("{dir}/cpu.cfs_quota_us"), |line| match line {
                "-1" => Some(None),
                line => positive(line).map(Some),
            })?;
            let period = host.limit(&format!("{dir}/cpu.cfs_period_us"), |line| positive(line).map(Some))?;
            Some(quota / period)
        });
        quotas.min_by(f64::total_cmp)
    }

    /// The CPUs of this cgroup, or of the nearest parent that has a set.
    fn cpuset(&self, host: &Host) -> Option<Set> {
        if !self.controls("cpuset") {
            return None;
        }
        let names: &[&str] = if self.unified {
            &["cpuset.cpus.effective", "cpuset.cpus"]
        } else {
            &["cpuset.effective_cpus", "cpuset.cpus", "effective_cpus", "cpus"]
        };
        self.dirs.iter().flat_map(|dir| names.iter().map(move |name| format!("{dir}/{name}"))).find_map(|path| {
            // An empty one has its parent's.
            host.limit(&path, |line| parse_list(line).map(|set| (!set.is_empty()).then_some(set)))
        })
    }
}

/// A limit of memory in bytes, of either version. 0 would leave no room for the process that reads it.
fn memory(line: &str) -> Option<Option<u64>> {
    if matches!(line, "max" | "-1") {
        return Some(None);
    }
    let bytes: u64 = line.parse().ok().filter(|bytes| *bytes > 0)?;
    Some((bytes < NO_LIMIT_V1 && bytes != NO_LIMIT_V1_32BIT).then_some(bytes))
}

/// `QUOTA PERIOD` of version 2, in CPUs.
fn bandwidth(line: &str) -> Option<Option<f64>> {
    let mut words = line.split_whitespace();
    let quota = words.next()?;
    // The period may be left out, and is 100 ms then.
    let period = words.next().map_or(Some(100_000.0), positive)?;
    if quota == "max" {
        return Some(None);
    }
    Some(Some(positive(quota)? / period))
}

fn positive(text: &str) -> Option<f64> {
    text.parse().ok().filter(|n: &f64| n.is_finite() && *n > 0.0)
}
