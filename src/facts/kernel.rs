//! The kernel: release, settings, and whether io_uring may be used.

use super::read::{Host, reason};
use super::{Container, Kernel};

/// Every sysctl key the plan touches, in the order of the kernel's documents.
pub const SYSCTL_KEYS: &[&str] = &[
    "net.core.somaxconn",
    "net.core.netdev_max_backlog",
    "net.ipv4.tcp_max_syn_backlog",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_tw_reuse",
    "net.ipv4.ip_local_port_range",
    "vm.swappiness",
    "vm.dirty_ratio",
    "vm.dirty_background_ratio",
    "vm.dirty_bytes",
    "vm.dirty_background_bytes",
    "vm.overcommit_memory",
    "vm.overcommit_ratio",
    "vm.overcommit_kbytes",
    "vm.nr_hugepages",
    "vm.nr_overcommit_hugepages",
    "vm.hugetlb_shm_group",
    "vm.max_map_count",
    "vm.zone_reclaim_mode",
    "vm.min_free_kbytes",
    "kernel.shmmax",
    "kernel.shmall",
    "kernel.shmmni",
    "kernel.sem",
    "kernel.io_uring_disabled",
    "kernel.numa_balancing",
    "fs.file-max",
    "fs.nr_open",
    "fs.aio-max-nr",
];

/// Where a sysctl key stands: `/proc/sys/vm/swappiness`.
#[must_use]
pub fn sysctl_path(key: &str) -> String {
    format!("/proc/sys/{}", key.replace('.', "/"))
}

/// Release and settings.
pub(super) fn collect(host: &Host) -> Kernel {
    let mut kernel = Kernel { release: release(host), ..Kernel::default() };
    if kernel.release.is_none() {
        host.absent("/proc/sys/kernel/osrelease", "neither it nor /proc/version tells the kernel's release");
    }
    if host.names("/proc/sys").is_empty() {
        host.absent("/proc/sys", "missing or not readable, so no kernel setting is known");
    } else {
        for key in SYSCTL_KEYS {
            let path = sysctl_path(key);
            match host.root.read(&path) {
                // Values of several words are separated by tabs.
                Ok(text) => {
                    let value: Vec<&str> = text.split_whitespace().collect();
                    kernel.sysctl.insert((*key).to_owned(), value.join(" "));
                }
                Err(e) => host.absent(path, reason(&e)),
            }
        }
    }
    kernel.tuned_profile = host.line("/etc/tuned/active_profile");
    if host.names("/proc/net").is_empty() {
        host.absent("/proc/net", "missing or not readable, so whether there is IPv6 is not known");
    } else {
        kernel.ipv6 = Some(host.root.exists("/proc/net/if_inet6"));
    }
    kernel
}

fn release(host: &Host) -> Option<String> {
    host.line("/proc/sys/kernel/osrelease").or_else(|| {
        let version = host.line("/proc/version")?;
        Some(version.strip_prefix("Linux version ")?.split_whitespace().next()?.to_owned())
    })
}

/// The machine's name for itself, as `uname -m` prints it.
pub(super) fn architecture(host: &Host, release: Option<&str>) -> Option<String> {
    if host.root.is_live() {
        return nix::sys::utsname::uname().ok().map(|name| name.machine().to_string_lossy().into_owned());
    }
    if let Some(arch) = host.line("/proc/sys/kernel/arch") {
        return Some(arch);
    }
    // Distributions end a kernel's release with the architecture, in their own or in the kernel's spelling.
    let suffix = release.and_then(|release| release.rsplit(['.', '-']).next()).and_then(|suffix| match suffix {
        "x86_64" | "amd64" => Some("x86_64"),
        "aarch64" | "arm64" => Some("aarch64"),
        "ppc64le" | "powerpc64le" => Some("ppc64le"),
        "ppc64" => Some("ppc64"),
        "s390x" => Some("s390x"),
        "riscv64" => Some("riscv64"),
        "armv7l" | "armmp" => Some("armv7l"),
        _ => None,
    });
    let by_cpuinfo = || {
        let text = host.text("/proc/cpuinfo")?;
        let has = |key: &str, word: &str| {
            text.lines()
                .filter_map(|line| line.split_once(':'))
                .any(|(k, v)| k.trim().eq_ignore_ascii_case(key) && v.split_whitespace().any(|w| w.starts_with(word)))
        };
        match () {
            () if has("flags", "lm") => Some("x86_64"),
            () if has("vendor_id", "IBM/S390") => Some("s390x"),
            () if has("isa", "rv64") => Some("riscv64"),
            // Kernels of 32 bits name the instruction set in the processor's name, those of 64 bits do not.
            () if has("model name", "ARMv") || has("Processor", "ARMv") => Some("armv7l"),
            () if has("CPU architecture", "8") || has("CPU architecture", "AArch64") => Some("aarch64"),
            () => None,
        }
    };
    let found = suffix.or_else(by_cpuinfo).map(str::to_owned);
    if found.is_none() {
        host.absent("architecture", "neither /proc/sys/kernel/arch, the kernel's release nor /proc/cpuinfo tells");
    }
    found
}

/// Whether PostgreSQL could use io_uring.
pub(super) struct IoUring {
    pub usable: Option<bool>,
    /// Why, or why not.
    pub reason: String,
    /// Whether a ring was asked for.
    pub tried: bool,
}

/// Whether PostgreSQL could use io_uring, and why: by the kernel's release, its switch and the group that may use it all
/// the same, and on the live host by setting up a ring, which tells of filters (seccomp, security modules) too.
pub(super) fn io_uring(host: &Host, kernel: &Kernel, container: &Container) -> IoUring {
    let because = |usable, reason: String| IoUring { usable, reason, tried: false };
    let Some(release) = &kernel.release else { return because(None, "the kernel's release is not known".into()) };
    let Some((major, minor)) = version(release) else {
        return because(None, format!("the kernel's release {release} cannot be compared with 5.1"));
    };
    if (major, minor) < (5, 1) {
        return because(Some(false), format!("the kernel {release} is older than 5.1"));
    }
    let mut allowed = "no switch forbids it".to_owned();
    match kernel.sysctl.get("kernel.io_uring_disabled").map(String::as_str) {
        Some("2") => return because(Some(false), "kernel.io_uring_disabled is 2: off for everybody".into()),
        Some("1") => match in_group(host) {
            Ok(group) => {
                allowed =
                    format!("kernel.io_uring_disabled is 1, and postgres is in group {group} (kernel.io_uring_group)");
            }
            Err(why) => {
                let off = "kernel.io_uring_disabled is 1: off for processes outside kernel.io_uring_group";
                return because(Some(false), format!("{off}; {why}"));
            }
        },
        None if kernel.sysctl.is_empty() => {
            return because(
                None,
                format!("the kernel {release} has it; whether kernel.io_uring_disabled forbids it is not known"),
            );
        }
        _ => {}
    }
    if host.root.is_live()
        && let Some(ring) = ring()
    {
        let (usable, reason) = match ring {
            Ok(()) => (Some(true), format!("a ring was set up here, the kernel is {release}, {allowed}")),
            Err(e) => match e.raw_os_error().map(nix::errno::Errno::from_raw) {
                Some(nix::errno::Errno::EPERM | nix::errno::Errno::EACCES) => {
                    let inside = container.kind.as_ref().map(|kind| format!(" of this {kind} container"));
                    let inside = inside.unwrap_or_default();
                    // Of this process alone the switch may be the cause, which does not keep postgres from it.
                    let sure = allowed.starts_with("no switch");
                    let why = "a filter of system calls (seccomp) or a security module forbids it";
                    (sure.then_some(false), format!("io_uring_setup was tried and refused: {why}{inside}"))
                }
                Some(nix::errno::Errno::ENOSYS) => (
                    Some(false),
                    format!(
                        "io_uring_setup was tried: the kernel {release} was built without it, or a filter hides it"
                    ),
                ),
                Some(nix::errno::Errno::ENOMEM) => {
                    let why = "no locked memory is left for a ring (RLIMIT_MEMLOCK); the service's own limit counts";
                    (None, format!("io_uring_setup was tried: {why}"))
                }
                _ => (None, format!("io_uring_setup was tried and failed: {e}")),
            },
        };
        return IoUring { usable, reason, tried: true };
    }
    let filtered = host
        .own("status")
        .and_then(|(_, status)| Some(status.lines().find_map(|line| line.strip_prefix("Seccomp:"))?.trim().to_owned()));
    match (filtered.as_deref(), container.kind.as_deref()) {
        (Some("1" | "2"), Some(kind)) => because(
            Some(false),
            format!(
                "system calls are filtered (seccomp) in this {kind} container, and the usual filters forbid io_uring"
            ),
        ),
        (Some("1" | "2"), None) => because(
            None,
            "system calls of this process are filtered (seccomp); whether io_uring passes is not known".into(),
        ),
        (_, Some(kind @ ("docker" | "podman" | "kubernetes"))) if filtered.is_none() => {
            because(None, format!("whether this {kind} container filters io_uring (seccomp) is not known"))
        }
        _ => because(
            Some(true),
            format!("the kernel {release} has it, {allowed} and no filter of system calls is known; it was not tried"),
        ),
    }
}

/// Sets up a small ring and lets go of it. `None` where this program was built without the interface's definitions.
fn ring() -> Option<std::io::Result<()>> {
    #[cfg(any(
        target_arch = "x86_64",
        target_arch = "aarch64",
        target_arch = "riscv64",
        target_arch = "loongarch64",
        target_arch = "powerpc64"
    ))]
    return Some(io_uring::IoUring::new(4).map(drop));
    #[cfg(not(any(
        target_arch = "x86_64",
        target_arch = "aarch64",
        target_arch = "riscv64",
        target_arch = "loongarch64",
        target_arch = "powerpc64"
    )))]
    None
}

/// The name of the group that may use io_uring where the switch is 1, if the user postgres is in it; else why not.
fn in_group(host: &Host) -> Result<String, String> {
    let gid = host.line("/proc/sys/kernel/io_uring_group").filter(|gid| gid.parse::<u32>().is_ok());
    let Some(gid) = gid else { return Err("that is no group".to_owned()) };
    let groups = host.text("/etc/group").unwrap_or_default();
    let group =
        groups.lines().map(|line| line.split(':').collect::<Vec<_>>()).find(|f| f.get(2) == Some(&gid.as_str()));
    let name = group.as_ref().and_then(|f| f.first()).map_or_else(|| gid.clone(), |name| (*name).to_owned());
    let listed =
        group.as_ref().and_then(|f| f.get(3)).is_some_and(|members| members.split(',').any(|m| m == "postgres"));
    let users = host.text("/etc/passwd").unwrap_or_default();
    let primary = users
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>())
        .any(|fields| fields.first() == Some(&"postgres") && fields.get(3) == Some(&gid.as_str()));
    if listed || primary { Ok(name) } else { Err(format!("that is {name}, in which postgres is not")) }
}

/// The first two numbers of a release: `6.1.0-32-amd64` is (6, 1).
fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}
