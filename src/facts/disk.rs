//! File systems that can hold data, and the physical devices beneath them.
//!
//! A mount names its device by number (mountinfo) or by path; `/sys/block` leads from there through partitions, device
//! mapper (LVM, dm-crypt, multipath), md, bcache and loop devices down to what holds the data
//! (the kernel's `Documentation/ABI/stable/sysfs-block`).

use super::mount::Mount;
use super::read::Host;
use super::{Device, Disk, Stacked};
use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The kernel counts sizes in sectors of 512 bytes, whatever the device's own are.
const SECTOR: u64 = 512;

/// File systems the kernel makes up, and read-only images: nothing can be stored there. Memory file systems are left
/// out too, the root of a live system aside: what is stored there is gone with the next boot.
const NOT_FOR_DATA: &[&str] = &[
    "autofs",
    "binder",
    "binfmt_misc",
    "bpf",
    "cgroup",
    "cgroup2",
    "configfs",
    "cpuset",
    "cramfs",
    "debugfs",
    "devfs",
    "devpts",
    "devtmpfs",
    "efivarfs",
    "erofs",
    "functionfs",
    "fuse.gvfsd-fuse",
    "fuse.lxcfs",
    "fuse.portal",
    "fuse.snapfuse",
    "fusectl",
    "hugetlbfs",
    "ipathfs",
    "iso9660",
    "mqueue",
    "nfsd",
    "none",
    "nsfs",
    "openpromfs",
    "pipefs",
    "proc",
    "pstore",
    "ramfs",
    "resctrl",
    "rootfs",
    "romfs",
    "rpc_pipefs",
    "securityfs",
    "selinuxfs",
    "smackfs",
    "sockfs",
    "spufs",
    "squashfs",
    "sunrpc",
    "sysfs",
    "tmpfs",
    "tracefs",
    "udf",
    "usbdevfs",
    "usbfs",
    "xenfs",
];

/// File systems whose data lies on another machine, or with a process: asking them may hang.
const REMOTE: &[&str] = &[
    "9p",
    "afs",
    "beegfs",
    "ceph",
    "cifs",
    "glusterfs",
    "gfs2",
    "lustre",
    "ncpfs",
    "nfs",
    "nfs4",
    "ocfs2",
    "orangefs",
    "smb3",
    "virtiofs",
];

/// Every file system that can hold data, by mount point.
pub(super) fn collect(host: &Host, mounts: &[Mount]) -> Vec<Disk> {
    // A later mount hides an earlier one at the same place.
    let visible: BTreeMap<&str, &Mount> = mounts.iter().map(|mount| (mount.target.as_str(), mount)).collect();
    let blocks = Blocks::new(host, mounts);
    let disks: Vec<Disk> =
        visible.into_values().filter(|mount| holds_data(host, mount)).map(|mount| disk(host, &blocks, mount)).collect();
    if disks.is_empty() {
        host.absent("disks", "no mounted file system that could hold data is told");
    }
    disks
}

fn holds_data(host: &Host, mount: &Mount) -> bool {
    if mount.target == "/" {
        return mount.filesystem != "rootfs";
    }
    if NOT_FOR_DATA.contains(&mount.filesystem.as_str()) {
        return false;
    }
    if ["/dev/", "/proc/", "/sys/"].iter().any(|dir| mount.target.starts_with(dir)) {
        return false;
    }
    // The file systems of containers that run on this host are not for this host's data.
    if mount.filesystem == "overlay"
        && ["/var/lib/docker/", "/var/lib/containers/", "/run/containerd/", "/var/lib/rancher/"]
            .iter()
            .any(|dir| mount.target.starts_with(dir))
    {
        return false;
    }
    // Containers have single files mounted over theirs.
    let file = ["/etc/hosts", "/etc/hostname", "/etc/resolv.conf"].contains(&mount.target.as_str())
        || (!remote(&mount.filesystem) && host.root.resolve(&mount.target).is_ok_and(|path| path.is_file()));
    !file
}

pub(super) fn remote(filesystem: &str) -> bool {
    REMOTE.contains(&filesystem) || filesystem.starts_with("fuse.")
}

fn disk(host: &Host, blocks: &Blocks, mount: &Mount) -> Disk {
    let mut disk = Disk {
        mount: mount.target.clone(),
        source: Some(mount.source.clone()).filter(|source| !source.is_empty() && source != "none"),
        filesystem: Some(mount.filesystem.clone()),
        options: mount.options.clone(),
        ..Disk::default()
    };
    let size = format!("disks {} size_bytes, free_bytes", mount.target);
    if !host.root.is_live() {
        host.absent(size, "the size and free space of a file system are told by its own kernel alone");
    } else if remote(&mount.filesystem) {
        host.absent(size, "a file system of another machine is not asked: it may not answer");
    } else {
        match nix::sys::statvfs::statvfs(mount.target.as_str()) {
            Ok(stat) => {
                let unit = stat.fragment_size();
                disk.size_bytes = stat.blocks().checked_mul(unit);
                disk.free_bytes = stat.blocks_available().checked_mul(unit);
            }
            Err(e) => host.absent(size, e.desc()),
        }
    }
    let devices = format!("disks {} devices", mount.target);
    let names = blocks.of_mount(mount);
    if names.is_empty() {
        let why = match mount.filesystem.as_str() {
            _ if remote(&mount.filesystem) => "the data lies on another machine or with another process",
            "overlay" => "which file system the overlay lies on is not seen from inside the container",
            "zfs" => "the kernel does not tell the devices of a ZFS pool",
            "tmpfs" => "the data lies in memory",
            _ => "the mount's device is not found in /sys/block",
        };
        host.absent(devices, why);
    }
    disk.devices = names.iter().map(|name| blocks.device(name)).collect();
    disk.stacked = blocks.stacked(mount).filter(|stacked| !names.contains(&stacked.name));
    disk
}

/// The block devices of the host, as far as sysfs shows them.
struct Blocks<'a> {
    host: &'a Host<'a>,
    mounts: &'a [Mount],
    /// Every device, looked through only where the direct ways do not lead on.
    all: OnceCell<Scan>,
}

/// Every block device sysfs and `/proc/partitions` name.
#[derive(Default)]
struct Scan {
    /// Where each device's folder is, partitions included, by the kernel's name.
    dirs: BTreeMap<String, PathBuf>,
    /// The disk of each partition.
    parents: BTreeMap<String, String>,
    /// Names by `major:minor`.
    numbers: BTreeMap<(u32, u32), String>,
    /// The kernel's names of device-mapper devices by their own.
    mapped: BTreeMap<String, String>,
}

impl Scan {
    fn new(host: &Host) -> Self {
        let mut scan = Scan::default();
        for name in host.names("/sys/block") {
            let dir = folder(host, &format!("/sys/block/{name}"));
            for part in host.root.list(&dir).unwrap_or_default() {
                let inner = dir.join(&part);
                let marks = ["partition", "start", "dev"];
                if part.len() > name.len()
                    && part.starts_with(&name)
                    && marks.iter().any(|m| host.root.exists(inner.join(m)))
                {
                    scan.add(host, &part, inner);
                    scan.parents.insert(part, name.clone());
                }
            }
            scan.add(host, &name, dir);
        }
        // A tree may lack /sys/block and still have these.
        let mut links: Vec<(String, PathBuf)> = Vec::new();
        for name in host.names("/sys/class/block") {
            links.push((name.clone(), folder(host, &format!("/sys/class/block/{name}"))));
        }
        for number in host.names("/sys/dev/block") {
            let dir = folder(host, &format!("/sys/dev/block/{number}"));
            let Some(name) = dir.file_name().map(|n| n.to_string_lossy().into_owned()) else { continue };
            if let Some(number) = device_number(&number) {
                scan.numbers.entry(number).or_insert(name.clone());
            }
            links.push((name, dir));
        }
        for (name, dir) in &links {
            if !scan.dirs.contains_key(name) {
                scan.add(host, name, dir.clone());
            }
        }
        // major minor #blocks name
        for line in host.text("/proc/partitions").unwrap_or_default().lines().skip(1) {
            let words: Vec<&str> = line.split_whitespace().collect();
            if let [major, minor, _, name] = words.as_slice()
                && let (Ok(major), Ok(minor)) = (major.parse(), minor.parse())
            {
                scan.numbers.entry((major, minor)).or_insert_with(|| (*name).to_owned());
            }
        }
        // A folder inside that of another block device is its partition; other folders above are those of buses.
        for (name, dir) in links {
            let parent = dir.parent().and_then(Path::file_name).map(|p| p.to_string_lossy().into_owned());
            if let Some(parent) = parent
                && name.starts_with(&parent)
                && (scan.dirs.contains_key(&parent) || scan.numbers.values().any(|n| *n == parent))
            {
                scan.parents.entry(name).or_insert(parent);
            }
        }
        scan
    }

    fn add(&mut self, host: &Host, name: &str, dir: PathBuf) {
        if let Some(number) = host.line(&format!("{}/dev", dir.display())).and_then(|n| device_number(&n)) {
            self.numbers.entry(number).or_insert_with(|| name.to_owned());
        }
        if let Some(own) = host.line(&format!("{}/dm/name", dir.display())) {
            self.mapped.insert(own, name.to_owned());
        }
        self.dirs.insert(name.to_owned(), dir);
    }
}

/// The folder in /sys/devices a link of sysfs leads to, whose path names every bus down to the device.
fn folder(host: &Host, link: &str) -> PathBuf {
    if host.root.is_live() {
        return std::fs::canonicalize(link).unwrap_or_else(|_| link.into());
    }
    host.root.resolve(link).map_or_else(|_| link.into(), |path| host.root.on_host(&path))
}

impl<'a> Blocks<'a> {
    fn new(host: &'a Host<'a>, mounts: &'a [Mount]) -> Self {
        Blocks { host, mounts, all: OnceCell::new() }
    }

    fn all(&self) -> &Scan {
        self.all.get_or_init(|| Scan::new(self.host))
    }

    /// The folder of a device, a partition's too.
    fn dir(&self, name: &str) -> PathBuf {
        ["/sys/class/block", "/sys/block"]
            .iter()
            .map(|base| format!("{base}/{name}"))
            .find(|link| self.host.root.exists(link))
            .map(|link| folder(self.host, &link))
            .or_else(|| self.all().dirs.get(name).cloned())
            .unwrap_or_else(|| PathBuf::from("/sys/block").join(name))
    }

    /// The disk a partition is on; `None` for a disk.
    fn parent(&self, name: &str, dir: &Path) -> Option<String> {
        if self.host.root.exists(dir.join("queue")) {
            return None;
        }
        if self.host.root.exists(dir.join("partition")) {
            let above = dir.parent().and_then(Path::file_name).map(|p| p.to_string_lossy().into_owned());
            if let Some(above) = above.filter(|above| name.starts_with(above.as_str())) {
                return Some(above);
            }
        }
        let all = self.all();
        let known = all.dirs.contains_key(name);
        all.parents.get(name).cloned().or_else(|| if known { None } else { parent_by_name(name) })
    }

    /// The physical devices under a mount, each once, in the order they are found.
    fn of_mount(&self, mount: &Mount) -> Vec<String> {
        let mut found = Vec::new();
        let mut seen = BTreeSet::new();
        for name in self.names_of(mount) {
            self.physical(&name, &mut seen, &mut found);
        }
        found
    }

    /// The device of others that is mounted, if it is one; several, as of btrfs, have no read-ahead in common.
    fn stacked(&self, mount: &Mount) -> Option<Stacked> {
        let [name] = <[String; 1]>::try_from(self.names_of(mount)).ok()?;
        let name = self.parent(&name, &self.dir(&name)).unwrap_or(name);
        if !["dm-", "md", "bcache"].iter().any(|kind| name.starts_with(kind)) {
            return None;
        }
        let file = |part: &str| format!("{}/{part}", self.dir(&name).display());
        let (mapped_as, read_ahead_kb) =
            (self.host.line(&file("dm/name")), self.host.number(&file("queue/read_ahead_kb")));
        Some(Stacked { name, mapped_as, read_ahead_kb })
    }

    /// The kernel's names of the devices a mount lies on: one, or several for btrfs.
    fn names_of(&self, mount: &Mount) -> Vec<String> {
        let by_number = mount.device.filter(|(major, _)| *major != 0).and_then(|(major, minor)| {
            let link = self.host.root.read_link(format!("/sys/dev/block/{major}:{minor}")).ok();
            let name = link.as_deref().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
            name.or_else(|| self.all().numbers.get(&(major, minor)).cloned())
        });
        let name = by_number.or_else(|| self.by_path(&mount.source));
        if mount.filesystem == "btrfs"
            && let Some(name) = &name
        {
            for id in self.host.names("/sys/fs/btrfs") {
                let members = self.host.names(&format!("/sys/fs/btrfs/{id}/devices"));
                if members.contains(name) {
                    return members;
                }
            }
        }
        name.into_iter().collect()
    }

    /// The kernel's name of a device by its path in /dev.
    fn by_path(&self, source: &str) -> Option<String> {
        let path = source.strip_prefix("/dev/")?;
        if path == "root" {
            // The kernel's own name for what it was told to start from.
            let line = self.host.line("/proc/cmdline")?;
            let device = line.split_whitespace().filter_map(|word| word.strip_prefix("root=")).next_back()?;
            return Some(device).filter(|device| *device != source).and_then(|device| self.by_path(device));
        }
        let all = self.all();
        if let Some(own) = path.strip_prefix("mapper/")
            && let Some(name) = all.mapped.get(own)
        {
            return Some(name.clone());
        }
        let plain = path.replace('/', "!");
        if all.dirs.contains_key(&plain) {
            return Some(plain);
        }
        // /dev/vg/lv is the mapped device vg-lv, a dash in either name doubled.
        if let Some((group, volume)) = path.split_once('/')
            && let Some(name) = all.mapped.get(&format!("{}-{}", group.replace('-', "--"), volume.replace('-', "--")))
        {
            return Some(name.clone());
        }
        if let Ok(target) = self.host.root.read_link(source)
            && let Some(name) = target.file_name()
        {
            return Some(name.to_string_lossy().into_owned());
        }
        // What is left is the kernel's own name, if it looks like one; /dev/root and the links of udev do not.
        let known = ["sd", "hd", "vd", "xvd", "nvme", "mmcblk", "dasd", "md", "dm-", "nbd", "loop", "pmem", "bcache"];
        known
            .iter()
            .any(|start| {
                path.strip_prefix(start).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphanumeric()))
            })
            .then_some(plain)
            .filter(|name| !name.contains('!'))
    }

    /// Goes down from one device to those that hold the data themselves.
    fn physical(&self, name: &str, seen: &mut BTreeSet<String>, found: &mut Vec<String>) {
        if !seen.insert(name.to_owned()) {
            return;
        }
        let dir = self.dir(name);
        let slaves = self.host.root.list(dir.join("slaves")).unwrap_or_default();
        if !slaves.is_empty() {
            for slave in slaves {
                self.physical(&slave, seen, found);
            }
            return;
        }
        if let Some(parent) = self.parent(name, &dir) {
            self.physical(&parent, seen, found);
            return;
        }
        if let Some(file) = self.host.line(&format!("{}/loop/backing_file", dir.display()))
            && let Some(mount) = self.mount_of(&file)
        {
            let before = found.len();
            for name in self.names_of(mount) {
                self.physical(&name, seen, found);
            }
            if found.len() > before {
                return;
            }
        }
        found.push(name.to_owned());
    }

    /// The mount a file lies on.
    fn mount_of(&self, file: &str) -> Option<&Mount> {
        let covers = |mount: &&Mount| Path::new(file).starts_with(&mount.target);
        self.mounts.iter().rev().filter(covers).max_by_key(|mount| mount.target.len())
    }

    fn device(&self, name: &str) -> Device {
        let host = self.host;
        let dir = self.dir(name);
        let file = |part: &str| format!("{}/{part}", dir.display());
        let offered = host.line(&file("queue/scheduler"));
        let (scheduler, schedulers) = offered.as_deref().map(schedulers).unwrap_or_default();
        let device = Device {
            name: name.to_owned(),
            rotational: host.number::<u8>(&file("queue/rotational")).map(|n| n != 0),
            transport: transport(host, name, &dir),
            scheduler,
            schedulers,
            read_ahead_kb: host.number(&file("queue/read_ahead_kb")),
            size_bytes: host.number::<u64>(&file("size")).and_then(|sectors| sectors.checked_mul(SECTOR)),
            model: host.line(&file("device/model")).or_else(|| host.line(&file("device/name"))),
        };
        let known = [
            ("queue/rotational", device.rotational.is_some()),
            ("queue/scheduler", device.scheduler.is_some()),
            ("queue/read_ahead_kb", device.read_ahead_kb.is_some()),
        ];
        for (part, _) in known.iter().filter(|(_, known)| !known) {
            host.absent(file(part), "missing or not readable");
        }
        if device.transport.is_none() {
            host.absent(file("transport"), "neither the device's name nor its bus is a known one");
        }
        device
    }
}

fn device_number(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.trim().split_once(':')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// The disk of a partition by the kernel's way of naming, for a tree without sysfs: `sda1`, `nvme0n1p2`.
fn parent_by_name(name: &str) -> Option<String> {
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    if stem.len() == name.len() {
        return None;
    }
    if ["sd", "hd", "vd", "xvd", "dasd"].iter().any(|start| name.starts_with(start)) {
        return Some(stem.to_owned());
    }
    let disk = stem.strip_suffix('p')?;
    let numbered = disk.ends_with(|c: char| c.is_ascii_digit());
    let known = ["nvme", "mmcblk", "md", "nbd", "loop", "pmem", "bcache"].iter().any(|start| disk.starts_with(start));
    (numbered && known).then(|| disk.to_owned())
}

/// The scheduler in brackets, and all of them in the kernel's order: `none [mq-deadline] kyber`.
fn schedulers(line: &str) -> (Option<String>, Vec<String>) {
    let bare = |word: &str| word.trim_matches(['[', ']']).to_owned();
    let all: Vec<String> = line.split_whitespace().map(bare).collect();
    let chosen = line.split_whitespace().find(|word| word.starts_with('[')).map(bare);
    // A device without any prints the lone word "none".
    let chosen = chosen.or_else(|| if let [only] = all.as_slice() { Some(only.clone()) } else { None });
    (chosen, all)
}

/// How the device is attached.
fn transport(host: &Host, name: &str, dir: &Path) -> Option<String> {
    let by_name = [
        ("nvme", "nvme"),
        ("vd", "virtio"),
        ("xvd", "xen"),
        ("mmcblk", "mmc"),
        ("dasd", "dasd"),
        ("hd", "ata"),
        ("nbd", "nbd"),
        ("rbd", "rbd"),
        ("drbd", "drbd"),
        ("zram", "zram"),
        ("pmem", "pmem"),
        ("loop", "loop"),
        ("fio", "fusion-io"),
        ("mtdblock", "mtd"),
        ("cciss!", "cciss"),
        ("ram", "ram"),
    ];
    if let Some((_, transport)) = by_name.iter().find(|(start, _)| name.starts_with(start)) {
        return Some((*transport).to_owned());
    }
    if !name.starts_with("sd") && !name.starts_with("sr") {
        return None;
    }
    // The path in /sys/devices names the buses; the link "device" has it where /sys/block has a plain folder.
    let mut path = dir.display().to_string();
    if !path.starts_with("/sys/devices")
        && let Ok(link) = host.root.read_link(dir.join("device"))
    {
        path = link.display().to_string();
    }
    let parts: Vec<&str> = path.split('/').collect();
    let has = |start: &str| parts.iter().any(|part| part.starts_with(start));
    let numbered = |start: &str| {
        parts.iter().any(|part| part.strip_prefix(start).is_some_and(|n| n.starts_with(|c: char| c.is_ascii_digit())))
    };
    let adapter = parts
        .iter()
        .find(|part| part.strip_prefix("host").is_some_and(|n| !n.is_empty() && n.chars().all(|c| c.is_ascii_digit())));
    let is_host = |class: &str| adapter.is_some_and(|host_n| host.root.exists(format!("/sys/class/{class}/{host_n}")));
    let driver = adapter.and_then(|n| host.line(&format!("/sys/class/scsi_host/{n}/proc_name"))).unwrap_or_default();
    let vendor = || host.line(&format!("{}/device/vendor", dir.display())).unwrap_or_default();
    let found = if numbered("usb") || driver == "usb-storage" || driver == "uas" {
        "usb"
    } else if has("end_device-") || is_host("sas_host") {
        "sas"
    } else if numbered("rport-") || is_host("fc_host") {
        "fc"
    } else if numbered("session") || is_host("iscsi_host") {
        "iscsi"
    } else if numbered("virtio") || driver == "virtio_scsi" {
        "virtio"
    } else if driver.contains("ata") && !driver.starts_with("sata") {
        // Drivers of the parallel interface, and those that do not tell the two apart.
        "ata"
    } else if numbered("ata") || driver == "ahci" || driver.starts_with("sata") || vendor() == "ATA" {
        "sata"
    } else if adapter.is_some() || has("target") {
        "scsi"
    } else {
        // The kernel drives SATA, SAS, USB and others as SCSI disks: the name alone does not tell.
        return None;
    };
    Some(found.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scheduler_in_force_is_the_one_in_brackets() {
        let all = vec!["none".to_owned(), "mq-deadline".to_owned(), "kyber".to_owned()];
        assert_eq!(schedulers("none [mq-deadline] kyber"), (Some("mq-deadline".to_owned()), all));
        assert_eq!(schedulers("none"), (Some("none".to_owned()), vec!["none".to_owned()]));
        assert_eq!(schedulers(""), (None, vec![]));
    }

    #[test]
    fn a_partition_names_its_disk() {
        for (partition, disk) in
            [("sda1", "sda"), ("nvme0n1p2", "nvme0n1"), ("mmcblk0p1", "mmcblk0"), ("dasda1", "dasda")]
        {
            assert_eq!(parent_by_name(partition).as_deref(), Some(disk));
        }
        for disk in ["sda", "nvme0n1", "md0", "dm-3", "mmcblk0", "loop1"] {
            assert_eq!(parent_by_name(disk), None, "{disk}");
        }
    }
}
