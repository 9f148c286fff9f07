//! What the host is: the only module that reads it.
//!
//! A fact that cannot be read is `None` and its reason stands in [`Facts::absent`]; nothing here fails because a file is
//! missing. The JSON of [`Facts`] is an interface (`llmsql facts --format json`, fed back with `--facts FILE`): fields are
//! added, never renamed.

mod arm;
mod certificate;
mod cgroup;
mod cluster;
mod container;
mod cpu;
mod disk;
mod kernel;
mod limits;
mod load;
mod measure;
mod memory;
mod mount;
mod process;
mod read;
mod software;
mod unit;

pub use kernel::{SYSCTL_KEYS, sysctl_path};
pub use load::load;
pub use measure::{Failure, Measured, Request, measure};
pub use software::ask_programs;
pub(crate) use unit::OUR_DROP_IN;
pub use unit::of_cluster as unit_of_cluster;

use crate::root::Root;
use read::Host;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Everything known about one host.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Facts {
    /// Version of this interface; 1.
    pub schema: u32,
    /// The host's name.
    pub hostname: Option<String>,
    /// The kernel's name of the machine: `x86_64`, `aarch64`, `ppc64le`, `s390x`, `riscv64`.
    pub architecture: Option<String>,
    /// Processors.
    pub cpu: Cpu,
    /// Memory nodes.
    pub numa: Numa,
    /// Memory.
    pub memory: Memory,
    /// File systems that can hold data, and the devices beneath them.
    pub disks: Vec<Disk>,
    /// Kernel and its settings.
    pub kernel: Kernel,
    /// Limits of this process, which stand for those of a login.
    pub limits: Limits,
    /// Container, virtual machine, init system.
    pub container: Container,
    /// What is installed.
    pub software: Software,
    /// Services of the stack that systemd has files of, and what these set.
    pub units: Vec<Unit>,
    /// Certificates: of the clusters that serve TLS, and those that the configuration names.
    pub certificates: Vec<Certificate>,
    /// What a live server said (`plan --dsn`), where it was asked.
    pub database: Option<Database>,
    /// What `facts --measure` found, where it was asked.
    pub measurements: Vec<Measurement>,
    /// Facts that could not be read, and why.
    pub absent: Vec<Absent>,
}

/// Processors.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Cpu {
    /// Logical CPUs online.
    pub online: Option<u32>,
    /// Physical cores with at least one CPU online.
    pub cores: Option<u32>,
    /// Sockets with at least one CPU online.
    pub sockets: Option<u32>,
    /// The processor's name.
    pub model: Option<String>,
    /// CPUs the cpuset (cgroup and affinity) allows.
    pub cpuset: Option<u32>,
    /// CPU bandwidth of the cgroup, in CPUs (1.5 = one and a half); `None` where there is no limit.
    pub quota: Option<f64>,
    /// `min(online, cpuset, ceil(quota))`, at least 1: what the plan counts with.
    pub effective: Option<u32>,
    /// Logical CPUs on fast cores of a hybrid processor.
    pub performance: Option<u32>,
    /// Logical CPUs on efficient cores of a hybrid processor.
    pub efficiency: Option<u32>,
}

/// Memory nodes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Numa {
    /// The nodes that exist, sparse numbers kept.
    pub nodes: Vec<NumaNode>,
}

/// One memory node.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct NumaNode {
    /// Number of the node.
    pub id: u32,
    /// Logical CPUs online on it.
    pub cpus: Option<u32>,
    /// Memory on it.
    pub memory_bytes: Option<u64>,
}

/// Memory.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Memory {
    /// `MemTotal`.
    pub total_bytes: Option<u64>,
    /// `MemAvailable`.
    pub available_bytes: Option<u64>,
    /// The smallest limit of the cgroup and its parents; `None` where there is none.
    pub limit_bytes: Option<u64>,
    /// The file that tells this limit: of the cgroup, or of a unit of systemd.
    pub limit_from: Option<String>,
    /// `min(total, limit)`: what the plan counts with.
    pub effective_bytes: Option<u64>,
    /// `SwapTotal`.
    pub swap_bytes: Option<u64>,
    /// `HugePages_Total`.
    pub huge_pages: Option<u64>,
    /// `HugePages_Free`.
    pub huge_pages_free: Option<u64>,
    /// `Hugepagesize`.
    pub huge_page_size_bytes: Option<u64>,
    /// Bytes in pools of huge pages of any other size than `huge_page_size_bytes`, which are lost for everything that
    /// does not ask for that size.
    pub huge_pages_other_bytes: Option<u64>,
    /// Transparent huge pages: `always`, `madvise` or `never`.
    pub thp: Option<String>,
    /// Transparent huge pages' defrag mode.
    pub thp_defrag: Option<String>,
    /// `Committed_AS`.
    pub committed_bytes: Option<u64>,
    /// `CommitLimit`.
    pub commit_limit_bytes: Option<u64>,
    /// What processes that are no part of the stack hold: their resident pages less the shared ones (`/proc/PID/statm`,
    /// since sums of pages in proportion cost the kernel a walk through every process's memory). A suggestion for
    /// `host.other_memory`; only on the live host.
    pub foreign_bytes: Option<u64>,
    /// Page size of the kernel.
    pub page_size_bytes: Option<u64>,
}

/// A file system and the devices beneath it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Disk {
    /// Where it is mounted.
    pub mount: String,
    /// What is mounted: `/dev/mapper/vg-data`.
    pub source: Option<String>,
    /// `ext4`, `xfs`, `zfs`, `btrfs`, `overlay`, …
    pub filesystem: Option<String>,
    /// Mount options.
    pub options: Vec<String>,
    /// Size of the file system.
    pub size_bytes: Option<u64>,
    /// Free for unprivileged users.
    pub free_bytes: Option<u64>,
    /// The physical devices beneath, through LVM, md and dm-crypt.
    pub devices: Vec<Device>,
    /// What is mounted of LVM, md, dm-crypt or bcache, where it is not a physical device itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stacked: Option<Stacked>,
}

/// A block device made of others. The kernel reads ahead as far as the one that is mounted says; what those beneath say
/// counts for none of its files.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Stacked {
    /// The kernel's name, which may be another after a reboot: `dm-0`, `md127`.
    pub name: String,
    /// Its own name, which stays, where it is a mapped device: `vg-data`.
    pub mapped_as: Option<String>,
    /// Read-ahead in kB.
    pub read_ahead_kb: Option<u64>,
}

/// A block device that holds data itself.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Device {
    /// The kernel's name: `nvme0n1`, `sda`, `vdb`.
    pub name: String,
    /// Whether the kernel takes it for a rotating disk.
    pub rotational: Option<bool>,
    /// `nvme`, `virtio`, `xen`, `sata`, `sas`, `scsi`, `usb`, `mmc`, `dasd`, …
    pub transport: Option<String>,
    /// The I/O scheduler in force.
    pub scheduler: Option<String>,
    /// The I/O schedulers offered.
    pub schedulers: Vec<String>,
    /// Read-ahead in kB.
    pub read_ahead_kb: Option<u64>,
    /// Size of the device.
    pub size_bytes: Option<u64>,
    /// The device's own name for itself.
    pub model: Option<String>,
}

/// The kernel and its settings.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Kernel {
    /// `6.1.0-32-amd64`.
    pub release: Option<String>,
    /// Current values of every sysctl key the plan touches, by dotted name; a key the kernel lacks is missing here and
    /// named in [`Facts::absent`].
    pub sysctl: BTreeMap<String, String>,
    /// Whether it has IPv6: without it nothing can listen on an address of IPv6.
    pub ipv6: Option<bool>,
    /// Whether PostgreSQL could use io_uring.
    pub io_uring: Option<bool>,
    /// Why, or why not.
    pub io_uring_reason: Option<String>,
    /// Whether a ring was asked for, on the live host; what a tree tells is no proof.
    pub io_uring_tried: bool,
    /// A tuned profile that would override sysctl files (`reapply_sysctl`), if one is active.
    pub tuned_profile: Option<String>,
}

/// Limits of this process.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Limits {
    /// Open files, soft; `u64::MAX` means unlimited.
    pub nofile_soft: Option<u64>,
    /// Open files, hard.
    pub nofile_hard: Option<u64>,
    /// Processes, soft.
    pub nproc_soft: Option<u64>,
    /// Processes, hard.
    pub nproc_hard: Option<u64>,
    /// Locked memory in bytes, soft.
    pub memlock_soft: Option<u64>,
    /// Locked memory in bytes, hard.
    pub memlock_hard: Option<u64>,
}

/// Container, virtual machine, init system.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Container {
    /// `docker`, `podman`, `lxc`, `kubernetes`, …; `None` on a host of its own.
    pub kind: Option<String>,
    /// `kvm`, `xen`, `vmware`, `microsoft`, …; `None` on bare metal or where it cannot be told.
    pub virtualization: Option<String>,
    /// Version of the cgroup hierarchy: 1 or 2.
    pub cgroup_version: Option<u8>,
    /// The cgroup whose limits count, as a path below the hierarchy's mount.
    pub cgroup: Option<String>,
    /// The running cluster whose cgroup that is (`18/main`); `None` where it is this process's own, or the place that
    /// a service has.
    pub cgroup_of: Option<String>,
    /// Whether systemd is the init system.
    pub systemd: Option<bool>,
    /// Whether /proc/sys can be written.
    pub sysctl_writable: Option<bool>,
}

/// What is installed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Software {
    /// Distribution: `Debian GNU/Linux 12 (bookworm)`.
    pub os: Option<String>,
    /// Installed PostgreSQL servers, newest first.
    pub postgresql: Vec<Postgres>,
    /// Clusters of those servers.
    pub clusters: Vec<Cluster>,
    /// PgBouncer.
    pub pgbouncer: Option<Package>,
    /// NGINX.
    pub nginx: Option<Nginx>,
    /// DuckDB's library or shell on the host (not the one in this program).
    pub duckdb: Option<Package>,
    /// SQLite's shell or library.
    pub sqlite: Option<Package>,
    /// uvicorn.
    pub uvicorn: Option<Package>,
    /// An LLM gateway (ollama, llama-server, vllm).
    pub llm: Option<Package>,
    /// Docker.
    pub docker: Option<Package>,
    /// Users in /etc/passwd that services of the stack run as.
    pub users: Vec<String>,
}

/// An installed program.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Package {
    /// `1.24.1`.
    pub version: Option<String>,
    /// Where it is.
    pub path: Option<String>,
}

/// An installed PostgreSQL server.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Postgres {
    /// `18.1`.
    pub version: Option<String>,
    /// 18.
    pub major: Option<u32>,
    /// The folder with `postgres`.
    pub bin_dir: String,
    /// Options it was configured with (`--with-lz4`, `--with-liburing`, `--with-ssl=openssl`, …), where `pg_config`
    /// or the binary's links tell.
    pub build_options: Option<Vec<String>>,
    /// Libraries that can be preloaded or extensions that can be created: `pg_stat_statements`, `vector`, `pgaudit`, …
    pub extensions: Option<Vec<String>>,
}

/// A PostgreSQL cluster.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Cluster {
    /// `18/main`.
    pub name: String,
    /// Major version.
    pub major: Option<u32>,
    /// Data folder.
    pub data_dir: Option<String>,
    /// Main configuration file.
    pub config_file: Option<String>,
    /// Port.
    pub port: Option<u16>,
    /// Whether a postmaster.pid names a live process.
    pub running: Option<bool>,
    /// Whether it is a standby (standby.signal).
    pub standby: Option<bool>,
    /// Size of a WAL segment, by the files in pg_wal where they may be seen.
    pub wal_segment_bytes: Option<u64>,
    /// Settings its files set now (conf.d and postgresql.auto.conf included), last one wins, by name.
    pub settings: BTreeMap<String, ClusterSetting>,
}

/// A unit of systemd.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Unit {
    /// `postgresql@18-main.service`.
    pub name: String,
    /// What its file and drop-ins set of `Slice`, `MemoryMax`, `MemoryLimit`, `CPUQuota`, `AllowedCPUs`, `CPUAffinity`
    /// and `LimitNOFILE`, the last one wins; llmsql's own drop-in is left out.
    pub settings: BTreeMap<String, ClusterSetting>,
    /// The slices it lies in, the topmost first.
    pub slices: Vec<Unit>,
}

/// A setting a cluster's files make now.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ClusterSetting {
    /// As written, unquoted.
    pub value: String,
    /// The file that wins.
    pub file: String,
    /// Its line.
    pub line: Option<u32>,
}

/// An installed NGINX.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Nginx {
    /// `1.22.1`.
    pub version: Option<String>,
    /// Where it is.
    pub path: Option<String>,
    /// OpenSSL it was built with.
    pub openssl: Option<String>,
    /// Modules compiled in or installed beside: `http_ssl`, `http_v2`, `stub_status`, `brotli`, …
    pub modules: Option<Vec<String>>,
}

/// A certificate and its key.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Certificate {
    /// The certificate's file, in PEM.
    pub path: String,
    /// The key's file.
    pub key: String,
    /// The cluster it is of; `None` for the edge's.
    pub cluster: Option<String>,
    /// Whether either file is not there.
    pub missing: bool,
    /// Until when it is valid, as RFC 3339.
    pub not_after: Option<String>,
    /// Whole days until then; negative where it has expired.
    pub days_left: Option<i64>,
    /// Whether it is the certificate of the key.
    pub fits_key: Option<bool>,
    /// The key's mode: `0600`.
    pub key_mode: Option<String>,
    /// Whether everybody may read or write the key.
    pub key_open: Option<bool>,
    /// Why one of the two could not be read.
    pub reason: Option<String>,
}

/// What only a live PostgreSQL server can tell.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Database {
    /// The server, without a password: `host:port/database`.
    pub place: String,
    /// Its major version.
    pub major: Option<u32>,
    /// Size of the database.
    pub size_bytes: Option<u64>,
    /// Client connections now.
    pub connections: Option<u64>,
    /// WAL written in a second, the larger of now and the mean since the statistics began.
    pub wal_bytes_per_second: Option<u64>,
    /// Standbys that stream from it.
    pub replicas: Option<u64>,
    /// Whether it is a standby itself.
    pub standby: Option<bool>,
    /// What its build offers for wal_compression.
    pub wal_compression: Vec<String>,
    /// Size of a WAL segment.
    pub wal_segment_bytes: Option<u64>,
    /// Extensions that are installed on its host.
    pub extensions: Vec<String>,
    /// Its settings as they are in force, by name.
    pub settings: BTreeMap<String, String>,
}

/// What `facts --measure` found on one file system.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Measurement {
    /// The file system's mount point.
    pub mount: String,
    /// Median latency of a random 8 kB read at depth 1, in microseconds.
    pub random_read_us: Option<f64>,
    /// Random 8 kB reads per second at depth 1.
    pub random_read_iops_1: Option<f64>,
    /// Random 8 kB reads per second at depth 16.
    pub random_read_iops_16: Option<f64>,
    /// Sequential read in bytes per second.
    pub sequential_read_bytes: Option<f64>,
    /// Median latency of an 8 kB write and fsync, in microseconds.
    pub fsync_us: Option<f64>,
    /// 8 kB writes with fsync per second, one at a time. A throttled device (a cloud volume's quota) lets bursts
    /// through at full speed and then stalls: its median looks fast, its rate does not.
    pub fsyncs_per_second: Option<f64>,
    /// Whether reads went past the page cache (O_DIRECT).
    pub direct: bool,
    /// When, as RFC 3339.
    pub at: Option<String>,
}

/// A fact that could not be read.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Absent {
    /// The file, folder or program that was asked, or the fact's name.
    pub path: String,
    /// Why it could not be read.
    pub reason: String,
}

impl Facts {
    /// The interface's version.
    pub const SCHEMA: u32 = 1;
}

/// Reads a certificate that the configuration names, and its key, into the facts.
pub fn read_certificate(root: &Root, path: &str, key: &str, facts: &mut Facts) {
    if !facts.certificates.iter().any(|c| c.path == path && c.key == key) {
        facts.certificates.push(certificate::read(root, path, key));
    }
}

/// Reads a service that the configuration names into the facts, where systemd has files of it. If it is PostgreSQL's, its
/// limits are those that count, unless a server runs, which has its own.
pub fn read_unit(root: &Root, name: &str, postgresql: bool, facts: &mut Facts) {
    if facts.units.iter().any(|unit| unit.name == name) {
        return;
    }
    let host = Host::new(root);
    let Some(unit) = unit::one(&host, name) else { return };
    if postgresql && facts.container.cgroup_of.is_none() {
        let (cpu, online) = cpu::collect(&host);
        facts.cpu = cpu;
        cgroup::collect(&host, &mount::table(&host), online.as_ref(), None, Some(&unit), facts);
    }
    facts.units.push(unit);
    facts.absent.extend(host.into_absent());
    facts.absent.sort();
    facts.absent.dedup();
}

/// Reads a cluster whose place is known, such as that of a container.
#[must_use]
pub fn cluster_at(root: &Root, name: &str, major: u32, config: &str, data_dir: Option<String>) -> Cluster {
    cluster::at(&Host::new(root), name, major, config, data_dir)
}

/// Reads a host. Never fails: what cannot be read is `None`, and [`Facts::absent`] says why.
#[must_use]
pub fn collect(root: &Root) -> Facts {
    let host = Host::new(root);
    let mut facts = Facts { schema: Facts::SCHEMA, ..Facts::default() };
    facts.hostname = host.line("/proc/sys/kernel/hostname").or_else(|| host.line("/etc/hostname"));
    if facts.hostname.is_none() {
        host.absent("hostname", "neither /proc/sys/kernel/hostname nor /etc/hostname is there");
    }
    let mounts = mount::table(&host);
    let (cpu, online) = cpu::collect(&host);
    facts.cpu = cpu;
    facts.numa = cpu::numa(&host, online.as_ref());
    facts.memory = memory::collect(&host);
    facts.container = container::collect(&host);
    facts.disks = disk::collect(&host, &mounts);
    facts.kernel = kernel::collect(&host);
    facts.architecture = kernel::architecture(&host, facts.kernel.release.as_deref());
    let ring = kernel::io_uring(&host, &facts.kernel, &facts.container);
    facts.kernel.io_uring = ring.usable;
    facts.kernel.io_uring_reason = Some(ring.reason);
    facts.kernel.io_uring_tried = ring.tried;
    facts.limits = limits::collect(&host);
    let processes = process::collect(&host);
    facts.memory.foreign_bytes = facts.memory.page_size_bytes.and_then(|page| process::foreign_bytes(&processes, page));
    facts.software = software::collect(&host, &processes);
    let postmaster = cluster::postmaster(&host, &facts.software.clusters, &processes);
    facts.units = unit::collect(&host, &facts.software.clusters, &facts.software.postgresql);
    let starts = |unit: &&Unit| unit.name.starts_with("postgresql");
    let unit = facts.units.iter().find(starts).cloned();
    cgroup::collect(&host, &mounts, online.as_ref(), postmaster.as_ref(), unit.as_ref(), &mut facts);
    facts.certificates = certificate::of_clusters(&host, &facts.software.clusters);
    facts.measurements = measure::kept(&host);
    facts.absent = host.into_absent();
    facts
}

/// The memory that the cgroups of this process let it have, where they limit it: a container's, a session's, a service's.
#[must_use]
pub fn own_memory_limit() -> Option<u64> {
    let root = Root::live();
    let host = Host::new(&root);
    cgroup::own_limit(&host, &mount::table(&host))
}

/// Processors and memory alone, within the limits of the container or of services at large: what is quick to read.
#[must_use]
pub fn resources(root: &Root) -> (Cpu, Memory) {
    let host = Host::new(root);
    let (cpu, online) = cpu::collect(&host);
    let mut facts = Facts { cpu, memory: memory::collect(&host), ..Facts::default() };
    facts.container = container::collect(&host);
    cgroup::collect(&host, &mount::table(&host), online.as_ref(), None, None, &mut facts);
    (facts.cpu, facts.memory)
}
