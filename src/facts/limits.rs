//! Limits of this process, from `/proc/self/limits`; they stand for those of a login.

use super::Limits;
use super::read::Host;

/// Descriptor, process and locked-memory limits. `u64::MAX` means unlimited.
pub(super) fn collect(host: &Host) -> Limits {
    let Some((_, text)) = host.own("limits") else {
        host.absent("/proc/self/limits", "no such file");
        return Limits::default();
    };
    let find = |name: &str| -> (Option<u64>, Option<u64>) {
        let Some(rest) = text.lines().find_map(|line| line.strip_prefix(name)) else { return (None, None) };
        let mut values = rest.split_whitespace().map(|word| match word {
            "unlimited" => Some(u64::MAX),
            word => word.parse().ok(),
        });
        (values.next().flatten(), values.next().flatten())
    };
    let (nofile_soft, nofile_hard) = find("Max open files");
    let (nproc_soft, nproc_hard) = find("Max processes");
    let (memlock_soft, memlock_hard) = find("Max locked memory");
    Limits { nofile_soft, nofile_hard, nproc_soft, nproc_hard, memlock_soft, memlock_hard }
}
