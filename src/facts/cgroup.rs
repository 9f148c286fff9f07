//! What a cgroup allows, in the hierarchies of version 1 and 2, found through the mount table: that of PostgreSQL's own
//! unit where it runs in one, else this process's, which stands for it.
//!
//! The kernel's documents are `Documentation/admin-guide/cgroup-v2.rst` and `cgroup-v1/`; which part of a hierarchy a
//! mount shows is told by mountinfo's root field (cgroup_namespaces(7)).

use super::Facts;
use super::cluster::Postmaster;
use super::mount::Mount;
use super::read::{Host, Set, parse_list};
use procfs::{FromBufRead, ProcessCGroups};

/// From here on a limit of version 1 means "none": it stands for the highest number of pages, whatever their size.
const NO_LIMIT_V1: u64 = 1 << 62;
/// The same on kernels of 32 bits: 2^31 − 1 pages of 4 kB.
const NO_LIMIT_V1_32BIT: u64 = ((1 << 31) - 1) * 4096;

/// Fills in the limits of memory and CPU, and what the plan counts with.
pub(super) fn collect(
    host: &Host,
    mounts: &[Mount],
    online: Option<&Set>,
    postmaster: Option<&Postmaster>,
    facts: &mut Facts,
) {
    let unit = postmaster.filter(|p| in_a_unit_of_its_own(host, p.pid));
    facts.container.cgroup_of = unit.map(|p| p.cluster.clone());
    let subject = Subject { host, pid: unit.map(|p| p.pid) };
    let hierarchies = hierarchies(&subject, mounts);
    let v2_everywhere = hierarchies.iter().any(|h| h.unified) && !hierarchies.iter().any(|h| h.has_controller());
    if let Some(main) = hierarchies.iter().find(|h| h.controls("memory")).or(hierarchies.first()) {
        facts.container.cgroup = Some(main.path.clone());
        facts.container.cgroup_version = Some(if v2_everywhere { 2 } else { 1 });
    } else {
        host.absent("container.cgroup_version", "no cgroup hierarchy is mounted");
    }

    facts.memory.limit_bytes = hierarchies.iter().filter_map(|h| h.memory_limit(host)).min();
    facts.memory.effective_bytes = match (facts.memory.total_bytes, facts.memory.limit_bytes) {
        (Some(total), Some(limit)) => Some(total.min(limit)),
        (total, limit) => total.or(limit),
    };
    facts.cpu.quota = hierarchies.iter().filter_map(|h| h.cpu_quota(host)).min_by(f64::total_cmp);

    let sets: Vec<Set> = hierarchies.iter().filter_map(|h| h.cpuset(host)).chain(affinity(&subject)).collect();
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

/// `min(online, cpuset, ceil(quota))`, at least 1.
fn effective(online: Option<u32>, cpuset: Option<u32>, quota: Option<f64>) -> Option<u32> {
    let quota = quota.map(|q| q.ceil().clamp(1.0, f64::from(u32::MAX)) as u32);
    [online, cpuset, quota].into_iter().flatten().min().map(|n| n.max(1))
}

/// Whose cgroup is asked.
struct Subject<'a> {
    host: &'a Host<'a>,
    /// The process; this one where there is none.
    pid: Option<u32>,
}

impl Subject<'_> {
    /// The process's file in /proc.
    fn read(&self, name: &str) -> Option<String> {
        match self.pid {
            Some(pid) => self.host.text(&format!("/proc/{pid}/{name}")),
            None => self.host.own(name).map(|(_, text)| text),
        }
    }
}

/// Whether a process runs in a service of systemd that is not this process's, and that can be seen from here.
fn in_a_unit_of_its_own(host: &Host, pid: u32) -> bool {
    let own = host.own("cgroup").map(|(_, text)| text);
    host.text(&format!("/proc/{pid}/cgroup"))
        .is_some_and(|text| text.contains(".service") && !text.contains("/..") && Some(&text) != own.as_ref())
}

/// The CPUs the process may run on, as the kernel tells it.
fn affinity(subject: &Subject) -> Option<Set> {
    let status = subject.read("status")?;
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
    let told = subject.read("cgroup").unwrap_or_default();
    // Read line by line: a line of an odd form does not spoil the rest.
    let lines = told.lines().filter_map(|line| ProcessCGroups::from_buf_read(line.as_bytes()).ok());
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
        && let Some(path) = subject.read("cpuset").map(|text| text.trim().to_owned())
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

    /// The smallest limit from this cgroup up.
    fn memory_limit(&self, host: &Host) -> Option<u64> {
        if !self.controls("memory") {
            return None;
        }
        let name = if self.unified { "memory.max" } else { "memory.limit_in_bytes" };
        let limits = self.dirs.iter().filter_map(|dir| host.limit(&format!("{dir}/{name}"), memory));
        if self.unified {
            return limits.min();
        }
        // Where a parent cannot be seen, the kernel still tells its limit here.
        let inherited = self.dirs.first().and_then(|dir| {
            let path = format!("{dir}/memory.stat");
            let text = host.text(&path)?;
            let told = text.lines().find_map(|line| line.strip_prefix("hierarchical_memory_limit "))?;
            memory(told.trim()).unwrap_or_else(|| {
                host.absent(path, "its hierarchical_memory_limit is no limit");
                None
            })
        });
        limits.chain(inherited).min()
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
            let line = host.line(&path)?;
            parse_list(&line).filter(|set| !set.is_empty())
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
