//! The inputs of a plan, each with its value and where it comes from.

use super::{Basis, Component, Input};
use crate::error::{Error, Result};
use crate::facts::{Disk, Facts};
use crate::profile::{Origin, Profile};
use crate::units;
use crate::value::Value;
use std::collections::BTreeSet;
use std::path::Path;

/// Less memory than this is a slip of the pen, not a host.
const LEAST_RAM: u64 = 16 * units::MB;

/// Our own file of PostgreSQL's settings, below the folder of its configuration.
pub const OUR_POSTGRESQL_FILE: &str = "/conf.d/50-llmsql.conf";

/// How values are sized.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sizing {
    /// The whole stack shares the host's memory.
    Budget,
    /// The guide's formulas on the host's whole RAM.
    Guide,
}

impl Sizing {
    /// The word in the configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Sizing::Budget => "budget",
            Sizing::Guide => "guide",
        }
    }
}

/// What the database does most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Workload {
    /// Many short transactions.
    Oltp,
    /// Both.
    Mixed,
    /// Few large queries.
    Analytics,
    /// Similarity search.
    Vector,
}

impl Workload {
    /// PostgreSQL's part in percent of what it and DuckDB share.
    #[must_use]
    pub fn postgresql_percent(self) -> u64 {
        match self {
            Workload::Oltp => 80,
            Workload::Mixed => 60,
            Workload::Analytics => 40,
            Workload::Vector => 85,
        }
    }

    /// The word in the configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Workload::Oltp => "oltp",
            Workload::Mixed => "mixed",
            Workload::Analytics => "analytics",
            Workload::Vector => "vector",
        }
    }
}

/// The class of a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskClass {
    /// Rotating.
    Hdd,
    /// Flash behind SATA, SAS or a hypervisor.
    Ssd,
    /// Flash behind NVMe.
    Nvme,
}

impl DiskClass {
    /// The word in the configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            DiskClass::Hdd => "hdd",
            DiskClass::Ssd => "ssd",
            DiskClass::Nvme => "nvme",
        }
    }
}

/// A number and where it comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct Num {
    /// Bytes or a count.
    pub value: u64,
    /// Name, text and source, for `explain`.
    pub input: Input,
}

/// Everything the plan's formulas start from.
#[derive(Debug, Clone)]
pub struct Host<'a> {
    /// What the host is.
    pub facts: &'a Facts,
    /// What is wanted.
    pub profile: &'a Profile,
    /// How values are sized.
    pub sizing: Sizing,
    /// What the database does most.
    pub workload: Workload,
    /// The parts of the stack that live here.
    pub components: BTreeSet<Component>,
    /// Why those.
    pub components_input: Input,
    /// Memory to plan for, in bytes.
    pub ram: Num,
    /// Whether the memory is the measured host's, so that facts such as swap and what is committed now belong to it.
    pub ram_is_measured: bool,
    /// CPUs to plan for.
    pub cpus: Num,
    /// Memory of other tenants, in bytes.
    pub other: Num,
    /// PostgreSQL's major version.
    pub major: u32,
    /// Why that version.
    pub major_input: Input,
    /// Class of the disk that holds the database.
    pub disk: DiskClass,
    /// Why that class.
    pub disk_input: Input,
}

/// An input as `explain` shows it.
#[must_use]
pub fn input(name: &str, value: impl Into<String>, basis: Basis, source: impl Into<String>) -> Input {
    Input { name: name.to_owned(), value: value.into(), basis, source: source.into() }
}

impl<'a> Host<'a> {
    /// Collects the inputs.
    ///
    /// # Errors
    /// `plan.ram` where neither the facts nor the configuration say how much memory there is.
    pub fn new(facts: &'a Facts, profile: &'a Profile) -> Result<Self> {
        let (ram, ram_is_measured) = ram(facts, profile)?;
        let (components, components_input) = components(facts, profile);
        let (major, major_input) = major(facts, profile);
        let mut host = Host {
            facts,
            profile,
            sizing: if profile.text("plan.sizing") == Some("guide") { Sizing::Guide } else { Sizing::Budget },
            workload: match profile.text("plan.workload") {
                Some("oltp") => Workload::Oltp,
                Some("analytics") => Workload::Analytics,
                Some("vector") => Workload::Vector,
                _ => Workload::Mixed,
            },
            components,
            components_input,
            ram,
            ram_is_measured,
            cpus: cpus(facts, profile),
            other: Num { value: 0, input: input("other", "0", Basis::Assumed, "nothing is taken off silently") },
            major,
            major_input,
            disk: DiskClass::Ssd,
            disk_input: input("disk", "ssd", Basis::Assumed, "facts --measure"),
        };
        host.other = host.bytes("host.other_memory", "other tenants", 0);
        (host.disk, host.disk_input) = host.disk_class();
        Ok(host)
    }

    /// Whether a component lives here.
    #[must_use]
    pub fn has(&self, component: Component) -> bool {
        self.components.contains(&component)
    }

    /// A configured size, or the default, which is a premise.
    #[must_use]
    pub fn bytes(&self, key: &str, name: &str, default: u64) -> Num {
        match (self.profile.bytes(key), self.origin(key)) {
            (Some(value), Some(origin)) => {
                Num { value, input: input(name, units::format_bytes(value), Basis::Configured, origin.to_string()) }
            }
            _ => Num {
                value: default,
                input: input(name, units::format_bytes(default), Basis::Assumed, format!("default; set {key}")),
            },
        }
    }

    /// A configured count, or the default, which is a premise.
    #[must_use]
    pub fn count(&self, key: &str, name: &str, default: u64) -> Num {
        match (self.profile.count(key), self.origin(key)) {
            (Some(value), Some(origin)) => {
                Num { value, input: input(name, value.to_string(), Basis::Configured, origin.to_string()) }
            }
            _ => Num {
                value: default,
                input: input(name, default.to_string(), Basis::Assumed, format!("default; set {key}")),
            },
        }
    }

    /// A configured duration in milliseconds, or the default, which is a premise.
    #[must_use]
    pub fn millis(&self, key: &str, name: &str, default: u64) -> Num {
        match self.profile.get(key).map(|s| (&s.value, &s.origin)) {
            Some((Value::Millis(value), origin)) => {
                let text = units::format_millis(*value);
                Num { value: *value, input: input(name, text, Basis::Configured, origin.to_string()) }
            }
            _ => Num {
                value: default,
                input: input(name, units::format_millis(default), Basis::Assumed, format!("default; set {key}")),
            },
        }
    }

    /// A configured count, or what a live server says, or the default, which is a premise.
    #[must_use]
    pub fn count_or_measured(&self, key: &str, name: &str, measured: Option<u64>, default: u64) -> Num {
        let place = || self.facts.database.as_ref().map(|d| format!("the server at {}", d.place)).unwrap_or_default();
        match (self.origin(key), measured) {
            (None, Some(value)) => Num { value, input: input(name, value.to_string(), Basis::Measured, place()) },
            _ => self.count(key, name, default),
        }
    }

    /// Who configured a key.
    #[must_use]
    pub fn origin(&self, key: &str) -> Option<&Origin> {
        self.profile.get(key).map(|s| &s.origin)
    }

    /// A pinned size of a setting, in bytes.
    #[must_use]
    pub fn pinned_bytes(&self, key: &str) -> Option<u64> {
        self.profile.bytes(key)
    }

    /// A pinned count of a setting.
    #[must_use]
    pub fn pinned_count(&self, key: &str) -> Option<u64> {
        self.profile.count(key)
    }

    /// A pinned factor of a setting.
    #[must_use]
    pub fn pinned_float(&self, key: &str) -> Option<f64> {
        match self.profile.get(key)?.value {
            Value::Float(f) => Some(f),
            _ => None,
        }
    }

    /// The cluster the plan is for: the newest of the planned version.
    #[must_use]
    pub fn cluster(&self) -> Option<&'a crate::facts::Cluster> {
        self.facts.software.clusters.iter().find(|c| c.major == Some(self.major))
    }

    /// Whether the cluster archives by files of the operator's: what our own file says is no word of his, else a second
    /// plan would drop what the first has set.
    #[must_use]
    pub fn archives_by_itself(&self) -> bool {
        let mode = self.cluster().and_then(|c| c.settings.get("archive_mode"));
        mode.is_some_and(|m| m.value != "off" && !m.file.ends_with(OUR_POSTGRESQL_FILE))
    }

    /// Whether WAL is pinned to hold no more than recovery from a crash needs: the server then starts neither with
    /// senders nor with archiving.
    #[must_use]
    pub fn wal_is_minimal(&self) -> bool {
        self.profile.text("postgresql.wal_level") == Some("minimal")
    }

    /// The installed server of the planned version.
    #[must_use]
    pub fn server(&self) -> Option<&'a crate::facts::Postgres> {
        self.facts.software.postgresql.iter().find(|p| p.major == Some(self.major))
    }

    /// The data folder of the planned cluster, or where one would be.
    #[must_use]
    pub fn data_dir(&self) -> &str {
        self.cluster().and_then(|c| c.data_dir.as_deref()).unwrap_or("/var/lib/postgresql")
    }

    /// What a standby may not go below in a setting that its primary announces (`max_connections`,
    /// `max_worker_processes`, `max_wal_senders`, `max_locks_per_transaction`, `max_prepared_transactions`; PostgreSQL,
    /// "Hot Standby"): what `postgresql.primary_*` says, else what a standby that runs here has, which holds its
    /// primary's. `None` where nothing is known of a primary.
    #[must_use]
    pub fn primary(&self, name: &str) -> Option<Num> {
        let key = format!("postgresql.primary_{name}");
        if self.profile.count(&key).is_some() {
            return Some(self.count(&key, "the primary's", 0));
        }
        let live = self.facts.database.as_ref().filter(|d| d.standby == Some(true));
        let (text, source) = if let Some(live) = live {
            (live.settings.get(name)?.as_str(), format!("the standby at {}", live.place))
        } else {
            let cluster = self.cluster().filter(|c| c.standby == Some(true))?;
            match cluster.settings.get(name) {
                Some(set) => (set.value.as_str(), format!("{}, of the standby {}", set.file, cluster.name)),
                None => {
                    let entry = crate::postgres::catalogue::find(name, self.major)?;
                    (entry.boot, format!("PostgreSQL's default, which the standby {} runs with", cluster.name))
                }
            }
        };
        let value = text.parse().ok()?;
        Some(Num { value, input: input("the primary's", text, Basis::Measured, source) })
    }

    /// Size of a WAL segment in bytes: 16MB unless `initdb --wal-segsize` said otherwise.
    #[must_use]
    pub fn wal_segment(&self) -> u64 {
        // What initdb takes; facts from a file may say anything.
        let possible = |size: u64| size.is_power_of_two() && (units::MB..=units::GB).contains(&size);
        let live = self.facts.database.as_ref().and_then(|d| d.wal_segment_bytes);
        live.or_else(|| self.cluster()?.wal_segment_bytes).filter(|s| possible(*s)).unwrap_or(16 * units::MB)
    }

    /// The file system a path lies on, by the longest mount point.
    #[must_use]
    pub fn mount_of(&self, path: &str) -> Option<&'a Disk> {
        self.facts
            .disks
            .iter()
            .filter(|d| Path::new(path).starts_with(&d.mount))
            .max_by_key(|d| Path::new(&d.mount).components().count())
    }

    /// What a kernel key is now, where it is a number of this host.
    #[must_use]
    pub fn sysctl(&self, key: &str) -> Option<u64> {
        self.facts.kernel.sysctl.get(key)?.split_whitespace().next()?.parse().ok()
    }

    /// Whether the kernel's settings belong to this host and not to a container's.
    #[must_use]
    pub fn owns_kernel(&self) -> bool {
        self.facts.container.kind.is_none()
    }

    fn disk_class(&self) -> (DiskClass, Input) {
        let named = |class: DiskClass, basis, source: String| (class, input("disk", class.name(), basis, source));
        if let (Some(word), Some(origin)) = (self.profile.text("host.disk"), self.origin("host.disk")) {
            let class = match word {
                "hdd" => DiskClass::Hdd,
                "nvme" => DiskClass::Nvme,
                _ => DiskClass::Ssd,
            };
            return named(class, Basis::Configured, origin.to_string());
        }
        let Some(disk) = self.mount_of(self.data_dir()) else {
            return named(DiskClass::Ssd, Basis::Assumed, "no disk is known; set host.disk".to_owned());
        };
        let devices = &disk.devices;
        let at = |what: &str| format!("facts disks[{}].{what}", disk.mount);
        if devices.is_empty() {
            return named(DiskClass::Ssd, Basis::Assumed, "no device is known beneath it; set host.disk".to_owned());
        }
        // The slowest device decides: a stripe is as slow as its slowest member.
        let virtual_disk =
            |d: &&crate::facts::Device| matches!(d.transport.as_deref(), Some("virtio" | "xen" | "hyperv" | "vmware"));
        if let Some(d) = devices.iter().find(|d| d.rotational == Some(true)) {
            // Hypervisors leave the kernel's default, "rotational", on disks of any kind.
            if virtual_disk(&d) {
                let source = "a virtual disk says nothing of what is beneath; measure with `llmsql facts --measure`";
                return named(DiskClass::Ssd, Basis::Assumed, source.to_owned());
            }
            return named(DiskClass::Hdd, Basis::Measured, at("devices[].rotational"));
        }
        if devices.iter().all(|d| d.transport.as_deref() == Some("nvme")) {
            return named(DiskClass::Nvme, Basis::Measured, at("devices[].transport"));
        }
        if devices.iter().all(|d| d.rotational == Some(false)) {
            return named(DiskClass::Ssd, Basis::Measured, at("devices[].rotational"));
        }
        named(DiskClass::Ssd, Basis::Assumed, "the kernel does not say; set host.disk".to_owned())
    }
}

fn ram(facts: &Facts, profile: &Profile) -> Result<(Num, bool)> {
    if let (Some(value), Some(s)) = (profile.bytes("host.ram"), profile.get("host.ram")) {
        if value < LEAST_RAM {
            return Err(Error::usage(
                "plan.ram",
                format!("{} of RAM is less than any host has", units::human_bytes(value)),
            )
            .at(&s.origin)
            .next("say how much there is, as in --ram 16GB"));
        }
        let input = input("RAM", units::format_bytes(value), Basis::Configured, s.origin.to_string());
        return Ok((Num { value, input }, false));
    }
    let Some(value) = facts.memory.effective_bytes.map(|b| b.min(units::LARGEST)) else {
        return Err(Error::failed("plan.ram", "the host's memory is not known, so nothing can be sized")
            .at("facts memory.effective_bytes")
            .next("say how much there is with --ram, as in --ram 16GB"));
    };
    if value == 0 {
        return Err(Error::usage("plan.ram", "0 B of RAM is less than any host has")
            .at("facts memory.effective_bytes")
            .next("say how much there is with --ram, as in --ram 16GB"));
    }
    let limit = facts.memory.limit_bytes.filter(|limit| facts.memory.total_bytes.is_none_or(|total| *limit <= total));
    let source = if limit.is_some() {
        let whose = facts.container.cgroup_of.as_ref().map(|cluster| format!(" of {cluster}")).unwrap_or_default();
        let file = facts.memory.limit_from.as_ref().map(|file| format!(", {file}")).unwrap_or_default();
        format!("facts memory.limit_bytes: the cgroup limit{whose}{file}")
    } else {
        "facts memory.total_bytes: /proc/meminfo, no cgroup limit is below it".to_owned()
    };
    Ok((Num { value, input: input("RAM", units::format_bytes(value), Basis::Measured, source) }, true))
}

fn cpus(facts: &Facts, profile: &Profile) -> Num {
    if let (Some(value), Some(s)) = (profile.count("host.cpus"), profile.get("host.cpus")) {
        let input = input("CPUs", value.to_string(), Basis::Configured, s.origin.to_string());
        return Num { value: value.max(1), input };
    }
    match facts.cpu.effective {
        Some(n) => Num {
            value: u64::from(n.max(1)),
            input: input("CPUs", n.max(1).to_string(), Basis::Measured, "facts cpu.effective"),
        },
        None => Num { value: 1, input: input("CPUs", "1", Basis::Assumed, "no CPU could be counted; set --cpus") },
    }
}

fn components(facts: &Facts, profile: &Profile) -> (BTreeSet<Component>, Input) {
    let named = |set: &BTreeSet<Component>| set.iter().map(|c| c.name()).collect::<Vec<_>>().join(", ");
    if let (Some(list), Some(s)) = (profile.list("host.components"), profile.get("host.components")) {
        let set: BTreeSet<Component> =
            Component::ALL.iter().copied().filter(|c| list.iter().any(|name| name == c.name())).collect();
        let input = input("components", named(&set), Basis::Configured, s.origin.to_string());
        return (set, input);
    }
    let software = &facts.software;
    let mut set: BTreeSet<Component> = [
        (Component::PostgreSql, !software.postgresql.is_empty()),
        (Component::PgBouncer, software.pgbouncer.is_some()),
        (Component::Nginx, software.nginx.is_some()),
        (Component::Api, software.uvicorn.is_some()),
        (Component::DuckDb, software.duckdb.is_some()),
        (Component::Sqlite, software.sqlite.is_some()),
    ]
    .into_iter()
    .filter_map(|(component, found)| found.then_some(component))
    .collect();
    // SQLite's library is on nearly every host; alone it does not make a stack.
    if set.iter().all(|c| *c == Component::Sqlite) {
        set = BTreeSet::from([Component::PostgreSql]);
        let source = "no server of the stack is installed; set host.components";
        let input = input("components", named(&set), Basis::Assumed, source);
        return (set, input);
    }
    let input = input("components", named(&set), Basis::Measured, "facts software");
    (set, input)
}

fn major(facts: &Facts, profile: &Profile) -> (u32, Input) {
    if let (Some(value), Some(s)) = (profile.count("postgresql.version"), profile.get("postgresql.version")) {
        let major = u32::try_from(value).unwrap_or(18);
        return (major, input("version", major.to_string(), Basis::Configured, s.origin.to_string()));
    }
    if let Some((found, place)) = facts.database.as_ref().and_then(|d| Some((d.major?, &d.place))) {
        let major = found.clamp(14, 18);
        return (major, input("version", major.to_string(), Basis::Measured, format!("the server at {place}")));
    }
    match facts.software.postgresql.iter().filter_map(|p| p.major).max() {
        Some(found) => {
            let major = found.clamp(14, 18);
            (major, input("version", major.to_string(), Basis::Measured, "facts software.postgresql[].major"))
        }
        None => (18, input("version", "18", Basis::Assumed, "no server is installed; set postgresql.version")),
    }
}
