//! Devices and mounts (the guide's 4.3).

use super::draft::{Draft, rule};
use super::host::input;
use super::{Basis, Component};
use crate::facts::Device;
use crate::value::Value;
use std::collections::BTreeSet;

const DISK: Component = Component::Disk;

pub(super) fn settings(draft: &mut Draft<'_>) {
    let host = draft.host;
    if !host.owns_kernel() {
        return;
    }
    let mut mounts = BTreeSet::new();
    for path in [host.data_dir(), "/var/lib/duckdb"] {
        if let Some(disk) = host.mount_of(path) {
            mounts.insert(disk.mount.as_str());
        }
    }
    let (mut seen, mut ahead) = (BTreeSet::new(), BTreeSet::new());
    for disk in host.facts.disks.iter().filter(|d| mounts.contains(d.mount.as_str())) {
        for device in &disk.devices {
            if seen.insert(device.name.as_str()) {
                scheduler(draft, device);
            }
        }
        match &disk.stacked {
            Some(top) => read_ahead(draft, &mut ahead, &top.name, top.read_ahead_kb, true),
            None => disk.devices.iter().for_each(|d| read_ahead(draft, &mut ahead, &d.name, d.read_ahead_kb, false)),
        }
        let quiet = disk.options.iter().any(|o| o == "noatime");
        let plain = matches!(disk.filesystem.as_deref(), Some("ext4" | "ext3" | "xfs" | "btrfs" | "f2fs"));
        if plain && !quiet && disk.mount != "/" {
            draft.put_as(
                DISK,
                "mount_options",
                &format!("{}.mount_options", disk.mount),
                Value::Text("noatime".to_owned()),
                rule(
                    "noatime on a file system that holds a database",
                    disk.options.join(","),
                    vec![input(
                        "options",
                        disk.options.join(","),
                        Basis::Measured,
                        format!("facts disks[{}].options", disk.mount),
                    )],
                )
                .note("Advice: add it to /etc/fstab; nothing is remounted. It holds nodiratime."),
            );
        }
    }
}

/// What scheduler a device should have: none for NVMe, mq-deadline otherwise; the guide's `deadline` is gone from the
/// kernel. `None` where the device offers neither.
pub(super) fn wanted_scheduler(device: &Device) -> Option<&'static str> {
    let wanted: &[&str] =
        if device.transport.as_deref() == Some("nvme") { &["none"] } else { &["mq-deadline", "none"] };
    wanted.iter().copied().find(|w| device.schedulers.iter().any(|s| s == w))
}

fn scheduler(draft: &mut Draft<'_>, device: &Device) {
    let source = |what: &str| format!("facts disks[].devices[{}].{what}", device.name);
    if let Some(scheduler) = wanted_scheduler(device) {
        let inputs = vec![
            input("transport", device.transport.as_deref().unwrap_or("unknown"), Basis::Measured, source("transport")),
            input("offered", device.schedulers.join(" "), Basis::Measured, source("schedulers")),
        ];
        let reason = rule("none for NVMe, else mq-deadline, of what the device offers", scheduler, inputs)
            .note("The guide's `deadline` is gone from today's kernels; mq-deadline took its place.");
        draft.put_as(
            DISK,
            "scheduler",
            &format!("{}.scheduler", device.name),
            Value::Text(scheduler.to_owned()),
            reason,
        );
    }
}

/// Read-ahead, once for each device, of the one that is mounted.
fn read_ahead(draft: &mut Draft<'_>, seen: &mut BTreeSet<String>, name: &str, now: Option<u64>, stacked: bool) {
    let Some(now) = now.filter(|_| seen.insert(name.to_owned())) else { return };
    let source = match stacked {
        true => "facts disks[].stacked.read_ahead_kb".to_owned(),
        false => format!("facts disks[].devices[{name}].read_ahead_kb"),
    };
    let inputs = vec![input("now", format!("{now}kB"), Basis::Measured, source)];
    let mut reason = rule("the guide's 8192 sectors of 512 bytes", "8192·512 = 4096kB", inputs);
    if stacked {
        reason = reason.note("Of the device that is mounted: what those beneath read ahead counts for no file on it.");
    }
    draft.put_as(DISK, "read_ahead_kb", &format!("{name}.read_ahead_kb"), Value::Int(4096), reason);
}
