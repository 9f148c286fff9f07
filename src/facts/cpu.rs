//! Processors and memory nodes, from `/sys/devices/system/{cpu,node}` and `/proc/cpuinfo`.
//!
//! The kernel's documents are `Documentation/admin-guide/cputopology.rst` and
//! `Documentation/ABI/stable/sysfs-devices-system-cpu`.

use super::read::{Host, Set, parse_list, parse_mask};
use super::{Cpu, Numa, NumaNode, arm};
use crate::units::KB;
use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

const CPU_DIR: &str = "/sys/devices/system/cpu";
const NODE_DIR: &str = "/sys/devices/system/node";

/// The CPUs online, and what is known of them. `cpuset`, `quota` and `effective` are the cgroup's to fill in.
pub(super) fn collect(host: &Host) -> (Cpu, Option<Set>) {
    let info = match host.needed("/proc/cpuinfo") {
        Some(text) => CpuInfo::parse(&text),
        None => CpuInfo::default(),
    };
    let (set, count) = online(host, &info);
    let mut cpu = Cpu { online: count, model: model(host, &info), ..Cpu::default() };
    if let Some(online) = &set {
        (cpu.cores, cpu.sockets) = topology(host, online, &info);
        (cpu.performance, cpu.efficiency) = hybrid(host, online);
    } else if count == Some(1) {
        (cpu.cores, cpu.sockets) = (Some(1), Some(1));
    }
    if count.is_none() {
        host.absent("cpu.online", "neither sysfs, /proc/cpuinfo nor /proc/stat tells which CPUs are online");
    }
    let mut untold = "neither the topology files of sysfs nor /proc/cpuinfo tell";
    if cpu.cores.is_none() {
        host.absent("cpu.cores", untold);
    }
    // No board has sockets for cores of different kinds; older kernels for arm number the clusters of one chip as packages.
    if cpu.sockets.is_some_and(|n| n > 1) && info.all("cpu part").collect::<BTreeSet<_>>().len() > 1 {
        cpu.sockets = None;
        untold = "the kernel numbers clusters of different cores as packages";
    }
    if cpu.sockets.is_none() {
        host.absent("cpu.sockets", untold);
    }
    if cpu.model.is_none() {
        host.absent("cpu.model", "/proc/cpuinfo names no processor");
    }
    (cpu, set)
}

/// The CPUs online: by sysfs' list, else by each CPU's own switch, else as far as /proc names them. Where only their
/// number is known there is no set.
fn online(host: &Host, info: &CpuInfo) -> (Option<Set>, Option<u32>) {
    let named: Set = info.processors.keys().copied().collect();
    let by_list = host.line(&format!("{CPU_DIR}/online")).and_then(|text| parse_list(&text));
    let by_switch = || -> Set {
        let mut set = Set::new();
        for name in host.names(CPU_DIR) {
            let Some(cpu) = name.strip_prefix("cpu").and_then(|n| n.parse::<u32>().ok()) else { continue };
            let is_online = match host.line(&format!("{CPU_DIR}/{name}/online")) {
                Some(switch) => switch == "1",
                // A CPU that cannot be taken offline has no switch.
                None => named.is_empty() || named.contains(&cpu),
            };
            if is_online {
                set.insert(cpu);
            }
        }
        set
    };
    let by_stat = || -> Set {
        let stat = host.text("/proc/stat").unwrap_or_default();
        stat.lines().filter_map(|l| l.split_whitespace().next()?.strip_prefix("cpu")?.parse().ok()).collect()
    };
    let set = by_list
        .filter(|set| !set.is_empty())
        .or_else(|| Some(by_switch()).filter(|set| !set.is_empty()))
        .or_else(|| Some(named.clone()).filter(|set| !set.is_empty()))
        .or_else(|| Some(by_stat()).filter(|set| !set.is_empty()));
    let count = set.as_ref().map(count).or(info.count);
    (set, count)
}

/// Cores and sockets with a CPU online.
fn topology(host: &Host, online: &Set, info: &CpuInfo) -> (Option<u32>, Option<u32>) {
    let (mut cores, mut sockets) = (Groups::default(), Groups::default());
    let nodes = OnceCell::new();
    for &cpu in online {
        let dir = format!("{CPU_DIR}/cpu{cpu}/topology");
        let id = |name: &str| host.number::<i64>(&format!("{dir}/{name}")).filter(|n| *n >= 0);
        let siblings = |names: [&str; 2]| {
            names.iter().find_map(|name| {
                let mut set = host.set(&format!("{dir}/{name}_list"), &format!("{dir}/{name}"))?;
                set.retain(|other| online.contains(other));
                set.insert(cpu);
                Some(set)
            })
        };
        // Books and drawers are s390's: a socket's number repeats in each of them.
        let socket = match id("physical_package_id") {
            Some(package) => Some(Key::Id(vec![id("drawer_id"), id("book_id"), Some(package)])),
            None => siblings(["package_cpus", "core_siblings"]).map(Key::Cpus),
        };
        if !cores.covers(cpu) {
            let core = siblings(["core_cpus", "thread_siblings"]).map(Key::Cpus).or_else(|| {
                let core = id("core_id")?;
                let mut key = match &socket {
                    Some(Key::Id(ids)) => ids.clone(),
                    Some(Key::Cpus(cpus)) => vec![cpus.first().map(|n| i64::from(*n))],
                    None => Vec::new(),
                };
                // Two dies in one package may number their cores alike, and older kernels have no number for a die;
                // a die has memory nodes of its own, and no core lies on two.
                let node = nodes.get_or_init(|| node_sets(host)).iter().position(|set| set.contains(&cpu));
                key.extend([id("die_id"), node.and_then(|n| i64::try_from(n).ok()), Some(core)]);
                Some(Key::Id(key))
            });
            cores.add(cpu, core);
        }
        sockets.add(cpu, socket);
    }
    let (by_info_cores, by_info_sockets) = info.topology(online);
    let cores = cores.count().or(by_info_cores).or_else(|| {
        // Kernels for s390 without threads have no files for them, and no thread but the first in a core.
        let single = info.first("vendor_id").is_some_and(|v| v.contains("S390"))
            && info.first("max thread id").is_none_or(|id| id == "0");
        single.then(|| count(online))
    });
    // One core lies in one socket.
    (cores, sockets.count().or(by_info_sockets).or(cores.filter(|n| *n == 1)))
}

/// What tells one core or socket from another.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Id(Vec<Option<i64>>),
    Cpus(Set),
}

/// Cores or sockets as far as they are known.
#[derive(Default)]
struct Groups {
    keys: BTreeSet<Key>,
    covered: Set,
    unknown: Set,
}

impl Groups {
    fn add(&mut self, cpu: u32, key: Option<Key>) {
        match key {
            Some(key) => {
                self.covered.insert(cpu);
                if let Key::Cpus(cpus) = &key {
                    self.covered.extend(cpus);
                }
                self.keys.insert(key);
            }
            None => {
                self.unknown.insert(cpu);
            }
        }
    }

    fn covers(&self, cpu: u32) -> bool {
        self.covered.contains(&cpu)
    }

    /// How many there are, if every CPU is in one.
    fn count(&self) -> Option<u32> {
        (!self.keys.is_empty() && self.unknown.is_subset(&self.covered)).then(|| count(&self.keys))
    }
}

/// CPUs on fast and on efficient cores: Intel's hybrid processors name them as performance-monitoring units, arm64
/// gives each CPU a capacity.
fn hybrid(host: &Host, online: &Set) -> (Option<u32>, Option<u32>) {
    let unit = |name: &str| {
        let set = parse_list(&host.line(&format!("/sys/devices/{name}/cpus"))?)?;
        Some(count(set.intersection(online))).filter(|n| *n > 0)
    };
    if let (Some(fast), Some(efficient)) = (unit("cpu_core"), unit("cpu_atom")) {
        return (Some(fast), Some(efficient + unit("cpu_lowpower").unwrap_or(0)));
    }
    let Some(&first) = online.first() else { return (None, None) };
    if !host.root.exists(format!("{CPU_DIR}/cpu{first}/cpu_capacity")) {
        return (None, None);
    }
    let capacities: Option<Vec<u32>> =
        online.iter().map(|cpu| host.number(&format!("{CPU_DIR}/cpu{cpu}/cpu_capacity"))).collect();
    let Some(capacities) = capacities else { return (None, None) };
    let (min, max) = (capacities.iter().min().copied(), capacities.iter().max().copied());
    if min == max {
        return (None, None);
    }
    let efficient = count(capacities.iter().filter(|c| Some(**c) == min));
    (Some(count(online) - efficient), Some(efficient))
}

/// The processor's name as its architecture tells it.
fn model(host: &Host, info: &CpuInfo) -> Option<String> {
    if let Some(vendor) = info.first("vendor_id").filter(|v| v.contains("S390")) {
        // s390 has a machine type and no name: "IBM/S390 2964".
        let machine = info.first("machine").or_else(|| info.first("machine type"));
        return Some(machine.map_or_else(|| vendor.to_owned(), |machine| format!("{vendor} {machine}")));
    }
    if let Some(name) = arm_model(host, info) {
        return Some(name);
    }
    for key in ["model name", "cpu model", "uarch", "cpu", "cpu type", "processor", "hardware", "isa"] {
        let value = info.all(key).find(|v| !v.is_empty() && v.parse::<u64>().is_err());
        if let Some(value) = value {
            return Some(value.to_owned());
        }
    }
    None
}

/// Names of the distinct kinds of core an ARM host has, in the order of its CPUs: `Cortex-A55 + Cortex-A76`.
fn arm_model(host: &Host, info: &CpuInfo) -> Option<String> {
    let hex = |text: &str| u32::from_str_radix(text.trim_start_matches("0x"), 16).ok();
    let implementers: Vec<u32> = info.all("cpu implementer").filter_map(hex).collect();
    let parts: Vec<u32> = info.all("cpu part").filter_map(hex).collect();
    let mut kinds: Vec<(u32, u32)> = Vec::new();
    for kind in implementers.into_iter().zip(parts) {
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    if kinds.is_empty() {
        // The main ID register: implementer in bits 31 to 24, part in bits 15 to 4.
        let midr = host.line(&format!("{CPU_DIR}/cpu0/regs/identification/midr_el1"))?;
        let midr = u64::from_str_radix(midr.trim_start_matches("0x"), 16).ok()?;
        kinds.push((u32::try_from(midr >> 24 & 0xff).ok()?, u32::try_from(midr >> 4 & 0xfff).ok()?));
    }
    let names: Option<Vec<&str>> = kinds.iter().map(|(implementer, part)| arm::name(*implementer, *part)).collect();
    if let Some(names) = names {
        return Some(names.join(" + "));
    }
    // A name the kernel or the board gives is better than a number.
    let named =
        ["model name", "processor", "hardware"].iter().any(|key| info.all(key).any(|v| v.parse::<u64>().is_err()));
    if named {
        return None;
    }
    let (implementer, part) = kinds.first()?;
    Some(format!("{} part {part:#05x}", arm::implementer(*implementer)))
}

/// The numbers of the memory nodes, in their order.
fn node_ids(host: &Host) -> Vec<u32> {
    let mut ids: Vec<u32> =
        host.names(NODE_DIR).iter().filter_map(|name| name.strip_prefix("node")?.parse().ok()).collect();
    ids.sort_unstable();
    ids
}

/// The CPUs of a node; a node without CPUs has an empty list.
fn node_cpus(host: &Host, id: u32) -> Option<Set> {
    let list = host.root.read(format!("{NODE_DIR}/node{id}/cpulist")).ok().and_then(|text| parse_list(&text));
    list.or_else(|| parse_mask(&host.line(&format!("{NODE_DIR}/node{id}/cpumap"))?))
}

/// The CPUs of every node that tells them.
fn node_sets(host: &Host) -> Vec<Set> {
    node_ids(host).into_iter().filter_map(|id| node_cpus(host, id)).collect()
}

/// Memory nodes, with or without CPUs, numbers kept.
pub(super) fn numa(host: &Host, online: Option<&Set>) -> Numa {
    let ids = node_ids(host);
    if ids.is_empty() {
        host.absent(NODE_DIR, "no memory nodes there: the kernel was built without NUMA, or sysfs is not readable");
    }
    let nodes = ids
        .into_iter()
        .map(|id| {
            let dir = format!("{NODE_DIR}/node{id}");
            let cpus = node_cpus(host, id);
            let memory = host.text(&format!("{dir}/meminfo")).and_then(|text| {
                let line = text.lines().find_map(|line| line.split_once("MemTotal:"))?.1;
                line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(KB)
            });
            for (name, there) in [("cpulist", cpus.is_some()), ("meminfo", memory.is_some())] {
                if !there {
                    host.absent(format!("{dir}/{name}"), "missing or not readable");
                }
            }
            let cpus = cpus.map(|set| match online {
                Some(online) => count(set.intersection(online)),
                None => count(&set),
            });
            NumaNode { id, cpus, memory_bytes: memory }
        })
        .collect();
    Numa { nodes }
}

/// How many there are; no host has 2^32 of anything counted here.
fn count<T>(items: impl IntoIterator<Item = T>) -> u32 {
    u32::try_from(items.into_iter().count()).unwrap_or(u32::MAX)
}

/// `/proc/cpuinfo` of any architecture: `key : value` lines, grouped by processor.
#[derive(Debug, Default)]
pub(super) struct CpuInfo {
    /// Every line, keys in lower case.
    lines: Vec<(String, String)>,
    /// The lines of each processor by its number.
    processors: BTreeMap<u32, BTreeMap<String, String>>,
    /// The number of processors, where the file gives no more than that.
    count: Option<u32>,
}

impl CpuInfo {
    pub fn parse(text: &str) -> Self {
        let mut info = CpuInfo::default();
        let mut current: Option<u32> = None;
        for line in text.lines() {
            let Some((key, value)) = line.split_once(':') else {
                current = None;
                continue;
            };
            let (key, value) = (key.trim().to_ascii_lowercase(), value.trim().to_owned());
            if key == "processor" || key == "cpu number" {
                current = value.parse().ok().or(current);
                if let Some(number) = current {
                    info.processors.entry(number).or_default();
                }
            } else if let Some(number) = key.strip_prefix("processor ").and_then(|n| n.trim().parse().ok()) {
                // s390: "processor 0: version = FF,  identification = 0123456,  machine = 2964".
                info.processors.entry(number).or_default();
                for (name, value) in value.split(',').filter_map(|pair| pair.split_once('=')) {
                    info.lines.push((name.trim().to_owned(), value.trim().to_owned()));
                }
            } else if ["# processors", "ncpus active", "cpus active"].contains(&key.as_str()) {
                info.count = value.parse().ok();
            } else if let Some(fields) = current.and_then(|number| info.processors.get_mut(&number)) {
                fields.insert(key.clone(), value.clone());
            }
            info.lines.push((key, value));
        }
        if info.processors.is_empty() && info.count.is_none() && info.first("processor").is_some() {
            // ARM kernels for one processor name it and do not number it.
            info.count = Some(1);
        }
        info
    }

    /// Every value of a key, in the file's order.
    pub fn all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.lines.iter().filter(move |(k, _)| k == key).map(|(_, v)| v.as_str())
    }

    /// The first value of a key.
    pub fn first<'a>(&'a self, key: &'a str) -> Option<&'a str> {
        self.all(key).next()
    }

    /// Cores and sockets by `physical id` and `core id`, if every CPU online has them.
    fn topology(&self, online: &Set) -> (Option<u32>, Option<u32>) {
        if online.len() == 1 {
            return (Some(1), Some(1));
        }
        let key = |cpu: &u32, names: &[&str]| -> Option<Vec<Option<&String>>> {
            let fields = self.processors.get(cpu)?;
            fields.get(*names.last()?)?;
            Some(names.iter().map(|name| fields.get(*name)).collect())
        };
        let distinct = |names: &[&str]| -> Option<u32> {
            let keys: Option<BTreeSet<_>> = online.iter().map(|cpu| key(cpu, names)).collect();
            keys.map(count)
        };
        let sockets = distinct(&["drawer id", "book id", "physical id"]);
        let cores = sockets.and_then(|_| distinct(&["drawer id", "book id", "physical id", "core id"]));
        (self.counted_cores(online).max(cores), sockets)
    }

    /// Cores by `cpu cores`, which x86 counts for each package: right also where two dies in one package number their
    /// cores alike. `None` where the packages are not told whole (`siblings`), as in a container.
    fn counted_cores(&self, online: &Set) -> Option<u32> {
        let mut packages: BTreeMap<&str, (u32, u32, u32)> = BTreeMap::new();
        for cpu in online {
            let fields = self.processors.get(cpu)?;
            let number = |name: &str| fields.get(name)?.parse::<u32>().ok();
            let (_, _, seen) =
                packages.entry(fields.get("physical id")?).or_insert((number("cpu cores")?, number("siblings")?, 0));
            *seen += 1;
        }
        let whole = packages.values().all(|(cores, siblings, seen)| siblings == seen && cores <= seen);
        whole.then(|| packages.values().map(|(cores, ..)| cores).sum())
    }
}
