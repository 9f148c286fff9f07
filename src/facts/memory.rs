//! Memory, swap, huge pages, from `/proc/meminfo` and `/sys/kernel/mm`.

use super::Memory;
use super::read::Host;
use crate::units::KB;
use std::collections::HashMap;

/// Memory as the kernel counts it. `limit_bytes` and `effective_bytes` are the cgroup's to fill in.
pub(super) fn collect(host: &Host) -> Memory {
    let text = host.needed("/proc/meminfo");
    let known = text.is_some();
    let text = text.unwrap_or_default();
    let lines: HashMap<&str, u64> = text.lines().filter_map(field).collect();
    let bytes = |name: &str| lines.get(name)?.checked_mul(KB);
    let mut memory = Memory {
        // No host has none: 0 is told where a container's view of /proc is made up.
        total_bytes: bytes("MemTotal").filter(|total| *total > 0),
        // Kernels before 3.14 do not tell what is available.
        available_bytes: bytes("MemAvailable"),
        swap_bytes: bytes("SwapTotal").or_else(|| swap(host)),
        huge_pages: lines.get("HugePages_Total").copied().or_else(|| host.number("/proc/sys/vm/nr_hugepages")),
        huge_pages_free: lines.get("HugePages_Free").copied(),
        huge_page_size_bytes: bytes("Hugepagesize"),
        committed_bytes: bytes("Committed_AS"),
        commit_limit_bytes: bytes("CommitLimit"),
        ..Memory::default()
    };
    memory.huge_pages_other_bytes = other_pools(host, memory.huge_page_size_bytes);
    for dir in ["/sys/kernel/mm/transparent_hugepage", "/sys/kernel/mm/redhat_transparent_hugepage"] {
        memory.thp = memory.thp.or_else(|| chosen(&host.line(&format!("{dir}/enabled"))?));
        memory.thp_defrag = memory.thp_defrag.or_else(|| chosen(&host.line(&format!("{dir}/defrag"))?));
    }
    if memory.thp.is_none() {
        host.absent(
            "/sys/kernel/mm/transparent_hugepage/enabled",
            "not there: the kernel has no transparent huge pages, or sysfs is not readable",
        );
    }
    if known {
        for (name, missing) in [
            ("MemTotal", memory.total_bytes.is_none()),
            ("MemAvailable", memory.available_bytes.is_none()),
            ("SwapTotal", memory.swap_bytes.is_none()),
            ("HugePages_Total", memory.huge_pages.is_none()),
        ] {
            if missing {
                let zero = lines.get(name) == Some(&0);
                let reason = if zero { "it is 0, which no host has" } else { "the kernel does not tell it" };
                host.absent(format!("/proc/meminfo {name}"), reason);
            }
        }
    }
    if host.root.is_live() {
        memory.page_size_bytes = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE)
            .ok()
            .flatten()
            .and_then(|size| u64::try_from(size).ok());
    }
    memory
}

/// What the pools of huge pages hold whose size is not the default one; `None` where sysfs does not show them.
fn other_pools(host: &Host, default: Option<u64>) -> Option<u64> {
    const DIR: &str = "/sys/kernel/mm/hugepages";
    let pools = host.root.list(DIR).ok()?;
    let held = pools.iter().filter_map(|name| {
        let kb: u64 = name.strip_prefix("hugepages-")?.strip_suffix("kB")?.parse().ok()?;
        let size = kb.checked_mul(KB).filter(|size| Some(*size) != default)?;
        host.number::<u64>(&format!("{DIR}/{name}/nr_hugepages"))?.checked_mul(size)
    });
    Some(held.fold(0, u64::saturating_add))
}

/// One line of meminfo: `MemTotal:  24684084 kB`. Counts of pages have no unit.
fn field(line: &str) -> Option<(&str, u64)> {
    let (name, value) = line.split_once(':')?;
    Some((name.trim(), value.split_whitespace().next()?.parse().ok()?))
}

/// The sum of `/proc/swaps`, whose third column is in kB.
fn swap(host: &Host) -> Option<u64> {
    let text = host.text("/proc/swaps")?;
    text.lines().skip(1).try_fold(0u64, |sum, line| {
        let kb: u64 = line.split_whitespace().nth(2)?.parse().ok()?;
        sum.checked_add(kb.checked_mul(KB)?)
    })
}

/// The word in brackets: `always [madvise] never`.
fn chosen(text: &str) -> Option<String> {
    Some(text.split_once('[')?.1.split_once(']')?.0.to_owned())
}
