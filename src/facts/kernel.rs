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

/// Whether PostgreSQL could use io_uring, and why. Nothing is tried: what is asked is the kernel's release, its switch
/// and what is known of the container's filter of system calls.
pub(super) fn io_uring(host: &Host, kernel: &Kernel, container: &Container) -> (Option<bool>, Option<String>) {
    let because = |usable, why: String| (usable, Some(why));
    let Some(release) = &kernel.release else { return because(None, "the kernel's release is not known".into()) };
    let Some((major, minor)) = version(release) else {
        return because(None, format!("the kernel's release {release} cannot be compared with 5.1"));
    };
    if (major, minor) < (5, 1) {
        return because(Some(false), format!("the kernel {release} is older than 5.1"));
    }
    match kernel.sysctl.get("kernel.io_uring_disabled").map(String::as_str) {
        Some("2") => return because(Some(false), "kernel.io_uring_disabled is 2: off for everybody".into()),
        Some("1") => {
            return because(
                Some(false),
                "kernel.io_uring_disabled is 1: off for processes outside kernel.io_uring_group".into(),
            );
        }
        None if kernel.sysctl.is_empty() => {
            return because(
                None,
                format!("the kernel {release} has it; whether kernel.io_uring_disabled forbids it is not known"),
            );
        }
        _ => {}
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
            format!("the kernel {release} has it, no switch forbids it and no filter of system calls is known"),
        ),
    }
}

/// The first two numbers of a release: `6.1.0-32-amd64` is (6, 1).
fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}
