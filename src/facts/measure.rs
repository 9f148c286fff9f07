//! Measuring file systems: what `facts --measure` finds, and where it is kept.
//!
//! Each file system gets a scratch file without a name, so that nothing is left behind however the run ends. It is
//! written once, then read past the page cache (O_DIRECT) in blocks of 8 kB, PostgreSQL's page, at random with one and
//! with sixteen reads under way, then in sequence, and at last written and synchronised block by block.

use super::mount::{self, Mount};
use super::read::{Host, reason};
use super::{Disk, Measurement};
use crate::error::{Error, Result};
use crate::output::file;
use crate::root::{Root, SYSTEM_STATE};
use nix::fcntl::OFlag;
use nix::sys::statfs::{TMPFS_MAGIC, fstatfs};
use nix::sys::statvfs::statvfs;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// PostgreSQL's page.
const BLOCK: usize = 8192;
/// One sequential read or write.
const CHUNK: usize = 1 << 20;
/// The largest scratch file.
const MAX_FILE: u64 = 256 << 20;
/// How many reads are under way in the second measurement.
const DEPTH: usize = 16;
/// What direct I/O wants buffers and offsets to be multiples of, on any device of today.
const ALIGNMENT: usize = 4096;
/// The file in the state folder.
const FILE: &str = "measurements.json";

/// What is to be measured.
#[derive(Debug, Clone)]
pub struct Request {
    /// How long one file system may take.
    pub time: Duration,
    /// Folders on the file systems to measure; if empty, every file system of the facts that can be written.
    pub paths: Vec<PathBuf>,
}

/// A file system that could not be measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The file system or folder.
    pub path: PathBuf,
    /// Why not.
    pub reason: String,
    /// Whether it was asked for by name.
    pub named: bool,
}

/// What a run has found.
#[derive(Debug)]
pub struct Measured {
    /// The figures.
    pub found: Vec<Measurement>,
    /// What could not be measured.
    pub failures: Vec<Failure>,
    /// Why the figures are not kept for later plans.
    pub not_kept: Option<Error>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Kept {
    schema: u32,
    measurements: Vec<Measurement>,
}

/// Measures file systems of the live host and keeps the figures in the state folder. Those that cannot be measured
/// are returned beside the figures of the others. `progress` is told what is being done.
///
/// # Errors
/// The tree is not the live host.
pub fn measure(root: &Root, disks: &[Disk], request: &Request, progress: &dyn Fn(&str)) -> Result<Measured> {
    if !root.is_live() {
        return Err(Error::usage("measure.tree", "only the running host can be measured")
            .at(root.dir().display())
            .next("leave out --root, or --measure"));
    }
    let host = Host::new(root);
    let mounts = mount::table(&host);
    let mut failures = Vec::new();
    // Each file system once, by the number of its device, with every mount point it has.
    let mut targets: BTreeMap<u64, (PathBuf, Vec<String>)> = BTreeMap::new();
    let wanted: Vec<(PathBuf, String)> = if request.paths.is_empty() {
        disks.iter().filter(|disk| worth_it(disk)).map(|disk| (disk.mount.clone().into(), disk.mount.clone())).collect()
    } else {
        let resolved = request.paths.iter().map(|path| (path, fs::canonicalize(path)));
        resolved
            .filter_map(|(path, real)| match real {
                Ok(real) if real.is_dir() => Some((real.clone(), mount_point(&mounts, &real))),
                Ok(_) => {
                    failures.push(Failure { path: path.clone(), reason: "is no folder".to_owned(), named: true });
                    None
                }
                Err(e) => {
                    failures.push(Failure { path: path.clone(), reason: reason(&e), named: true });
                    None
                }
            })
            .collect()
    };
    let named = !request.paths.is_empty();
    for (dir, mount) in wanted {
        match fs::metadata(&dir) {
            Ok(meta) => targets.entry(meta.dev()).or_insert_with(|| (dir, Vec::new())).1.push(mount),
            Err(e) => failures.push(Failure { path: dir, reason: reason(&e), named }),
        }
    }
    let mut found: Vec<Measurement> = Vec::new();
    for (device, (dir, mounts)) in targets {
        let result = scratch_dir(&dir, device, named)
            .and_then(|dir| one(&dir, request.time, &|what| progress(&format!("{}: {what}", mounts.join(", ")))));
        match result {
            Ok(figures) => found.extend(mounts.into_iter().map(|mount| Measurement { mount, ..figures.clone() })),
            Err(e) => failures.push(Failure { path: dir, reason: why(&e), named }),
        }
    }
    let not_kept = if found.is_empty() { None } else { keep(root, &found).err() };
    Ok(Measured { found, failures, not_kept })
}

/// File systems for data: not those of the boot loader, of other machines, or that cannot be written.
fn worth_it(disk: &Disk) -> bool {
    let filesystem = disk.filesystem.as_deref().unwrap_or_default();
    !disk.options.iter().any(|option| option == "ro")
        && !["vfat", "msdos", "exfat"].contains(&filesystem)
        && disk.mount != "/boot"
        && !disk.mount.starts_with("/boot/")
        && !super::disk::remote(filesystem)
}

/// The mount point a folder lies below.
fn mount_point(mounts: &[Mount], dir: &Path) -> String {
    let above = mounts.iter().filter(|mount| dir.starts_with(&mount.target)).max_by_key(|mount| mount.target.len());
    above.map_or_else(|| dir.display().to_string(), |mount| mount.target.clone())
}

/// A folder of that file system in which this user may write: the mount point, or one of those open to everybody.
fn scratch_dir(dir: &Path, device: u64, named: bool) -> io::Result<PathBuf> {
    let usable = |dir: &Path| nix::unistd::access(dir, nix::unistd::AccessFlags::W_OK);
    let first = usable(dir);
    if first.is_ok() || named {
        return first.map(|()| dir.to_path_buf()).map_err(io::Error::from);
    }
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let others = [Some(dir.join("var/tmp")), Some(dir.join("tmp")), home];
    let same = |dir: &PathBuf| fs::metadata(dir).is_ok_and(|meta| meta.dev() == device) && usable(dir).is_ok();
    let other = others.into_iter().flatten().find(same);
    other.ok_or_else(|| first.err().map_or_else(|| io::ErrorKind::PermissionDenied.into(), io::Error::from))
}

/// An I/O error as the end of "cannot be measured: …".
fn why(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "no space is left on it".to_owned(),
        io::ErrorKind::ReadOnlyFilesystem => "it is mounted read-only".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied; name a folder you may write with --mount".to_owned(),
        io::ErrorKind::Other => error.to_string(),
        _ => reason(error),
    }
}

/// A part of a buffer whose address is a multiple of what direct I/O wants.
struct Aligned {
    bytes: Vec<u8>,
    start: usize,
    length: usize,
}

impl Aligned {
    fn new(length: usize) -> Self {
        let bytes = vec![0u8; length + ALIGNMENT];
        // The buffer is never resized, so its address stays.
        let start = bytes.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT);
        Aligned { bytes, start, length }
    }

    fn slice(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.start..self.start + self.length).unwrap_or_default()
    }
}

/// The scratch file: read through `direct`, written and synchronised through `file` as a server does.
struct Scratch {
    file: File,
    direct: File,
    /// Whether reads go past the page cache.
    past_cache: bool,
    blocks: u64,
}

/// Measures one file system.
fn one(dir: &Path, time: Duration, progress: &dyn Fn(&str)) -> io::Result<Measurement> {
    progress("writing a scratch file");
    let scratch = Scratch::new(dir, time.mul_f64(0.25))?;
    progress("random reads, one at a time");
    let (random_read_us, iops_1) = scratch.random(time.mul_f64(0.2))?;
    progress("random reads, sixteen at a time");
    let iops_16 = scratch.random_together(time.mul_f64(0.2))?;
    progress("sequential reads");
    let sequential = scratch.sequential(time.mul_f64(0.15))?;
    progress("writes, each with an fsync");
    let (fsync_us, fsyncs) = scratch.synced_writes(time.mul_f64(0.2))?;
    Ok(Measurement {
        mount: String::new(),
        random_read_us: Some(rounded(random_read_us)),
        random_read_iops_1: Some(rounded(iops_1)),
        random_read_iops_16: Some(rounded(iops_16)),
        sequential_read_bytes: Some(sequential.round()),
        fsync_us: Some(rounded(fsync_us)),
        fsyncs_per_second: Some(rounded(fsyncs)),
        direct: scratch.past_cache,
        at: Some(jiff::Timestamp::from_second(jiff::Timestamp::now().as_second()).unwrap_or_default().to_string()),
    })
}

/// A tenth is more than any of these figures is exact to.
fn rounded(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

impl Scratch {
    /// Makes and writes the file, for no longer than `time`.
    fn new(dir: &Path, time: Duration) -> io::Result<Self> {
        let space = statvfs(dir)?;
        let free = space.blocks_available().saturating_mul(space.fragment_size());
        // A quarter of what is free, so that nobody else runs out of space meanwhile.
        let chunks = (free / 4).min(MAX_FILE) / CHUNK as u64;
        if chunks == 0 {
            return Err(io::Error::other(format!(
                "no space is left for a scratch file: {} are free, 4 MB are needed",
                crate::units::human_bytes(free)
            )));
        }
        // Without a name from the start, or unlinked at once where the file system has no such files.
        let file = tempfile::tempfile_in(dir)?;
        let in_memory = fstatfs(&file)?.filesystem_type() == TMPFS_MAGIC;
        // The same file once more, through its descriptor: the one way to one without a name.
        let own = format!("/proc/self/fd/{}", file.as_raw_fd());
        let direct = OpenOptions::new().read(true).write(true).custom_flags(OFlag::O_DIRECT.bits()).open(own);
        let (direct, past_cache) = match direct {
            Ok(direct) if !in_memory => (direct, true),
            _ => (file.try_clone()?, false),
        };
        let mut scratch = Scratch { file, direct, past_cache, blocks: 0 };
        let start = Instant::now();
        let mut buffer = Aligned::new(CHUNK);
        let mut random = fastrand::Rng::new();
        for chunk in 0..chunks {
            // Not to be compressed or found equal to another.
            random.fill(buffer.slice());
            let at = chunk * CHUNK as u64;
            if scratch.past_cache
                && scratch.direct.write_all_at(buffer.slice(), at).is_err_and(|e| e.raw_os_error() == Some(22))
            {
                // Accepted on opening and refused in use.
                scratch.direct = scratch.file.try_clone()?;
                scratch.past_cache = false;
            }
            if !scratch.past_cache {
                scratch.file.write_all_at(buffer.slice(), at)?;
                if !in_memory && chunk % 8 == 7 {
                    scratch.file.sync_data()?;
                }
            }
            scratch.blocks = (chunk + 1) * (CHUNK / BLOCK) as u64;
            if start.elapsed() > time {
                break;
            }
        }
        scratch.file.sync_all()?;
        Ok(scratch)
    }

    /// Reads blocks at random until the time is over, and tells each read's time to `each`.
    fn read_blocks(&self, time: Duration, mut each: impl FnMut(Duration)) -> io::Result<()> {
        let mut random = fastrand::Rng::new();
        let mut buffer = Aligned::new(BLOCK);
        let start = Instant::now();
        let mut before = start;
        loop {
            self.direct.read_exact_at(buffer.slice(), random.u64(0..self.blocks.max(1)) * BLOCK as u64)?;
            let now = Instant::now();
            each(now - before);
            before = now;
            if now - start > time {
                return Ok(());
            }
        }
    }

    /// Median latency in microseconds, and reads per second.
    fn random(&self, time: Duration) -> io::Result<(f64, f64)> {
        self.forget_cached();
        let mut times = Vec::new();
        let start = Instant::now();
        self.read_blocks(time, |t| times.push(t))?;
        let total = start.elapsed().as_secs_f64();
        let reads = times.len() as f64;
        Ok((median_us(times), reads / total))
    }

    /// Reads per second with several under way.
    fn random_together(&self, time: Duration) -> io::Result<f64> {
        self.forget_cached();
        let start = Instant::now();
        let counts: Vec<io::Result<u64>> = std::thread::scope(|scope| {
            let readers: Vec<_> = (0..DEPTH)
                .map(|_| {
                    scope.spawn(|| {
                        let mut count = 0u64;
                        self.read_blocks(time, |_| count += 1).map(|()| count)
                    })
                })
                .collect();
            let broken = || Err(io::Error::other("a reading thread ended early"));
            readers.into_iter().map(|reader| reader.join().unwrap_or_else(|_| broken())).collect()
        });
        let total = start.elapsed().as_secs_f64();
        let reads = counts.into_iter().sum::<io::Result<u64>>()?;
        Ok(reads as f64 / total)
    }

    /// Bytes per second, read in order.
    fn sequential(&self, time: Duration) -> io::Result<f64> {
        self.forget_cached();
        let mut buffer = Aligned::new(CHUNK);
        let size = self.blocks * BLOCK as u64;
        let start = Instant::now();
        let (mut at, mut total) = (0u64, 0u64);
        while total == 0 || start.elapsed() < time {
            self.direct.read_exact_at(buffer.slice(), at)?;
            total += CHUNK as u64;
            at = if at + 2 * CHUNK as u64 <= size { at + CHUNK as u64 } else { 0 };
        }
        Ok(total as f64 / start.elapsed().as_secs_f64())
    }

    /// Median time of a block's write and fsync in microseconds, and how many in a second, one block after the other
    /// as in a log.
    fn synced_writes(&self, time: Duration) -> io::Result<(f64, f64)> {
        let mut buffer = Aligned::new(BLOCK);
        fastrand::Rng::new().fill(buffer.slice());
        let mut times = Vec::new();
        let start = Instant::now();
        for block in (0..self.blocks.max(1)).cycle() {
            let before = Instant::now();
            self.file.write_all_at(buffer.slice(), block * BLOCK as u64)?;
            self.file.sync_all()?;
            times.push(before.elapsed());
            if start.elapsed() > time {
                break;
            }
        }
        let rate = times.len() as f64 / start.elapsed().as_secs_f64();
        Ok((median_us(times), rate))
    }

    /// Where reads cannot go past the page cache, it is at least emptied of this file, if the system does so.
    fn forget_cached(&self) {
        use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
        if !self.past_cache {
            let _ = posix_fadvise(&self.file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED);
        }
    }
}

fn median_us(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times.get(times.len() / 2).map_or(0.0, |time| time.as_secs_f64() * 1e6)
}

/// What earlier measurements found.
pub(super) fn kept(host: &Host) -> Vec<Measurement> {
    let own = host.root.state_dir().join(FILE);
    // Root's figures are as good for another user.
    let paths = [own, Path::new(SYSTEM_STATE).join(FILE)];
    for path in paths {
        let text = match host.root.read(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
            Err(e) => {
                host.absent(path.display().to_string(), reason(&e));
                continue;
            }
        };
        match serde_json::from_str::<Kept>(&text) {
            Ok(kept) => return kept.measurements,
            Err(e) => {
                host.absent(path.display().to_string(), format!("{e}; measure anew with `llmsql facts --measure`"))
            }
        }
    }
    Vec::new()
}

fn not_kept(path: &Path, cause: io::Error) -> Error {
    Error::failed("measure.keep", "the figures cannot be kept")
        .at(path.display())
        .because(cause)
        .next("set XDG_STATE_HOME to a folder that can be written, or run as root")
}

/// Keeps new figures beside those of other file systems, all at once or not at all.
fn keep(root: &Root, found: &[Measurement]) -> Result<()> {
    let folder = root.state_dir();
    fs::create_dir_all(&folder)
        .and_then(|()| Ok(nix::unistd::access(&folder, nix::unistd::AccessFlags::W_OK)?))
        .map_err(|e| not_kept(&folder, e))?;
    let path = folder.join(FILE);
    let host = Host::new(root);
    let mut measurements = kept(&host);
    measurements.retain(|old| !found.iter().any(|new| new.mount == old.mount));
    measurements.extend(found.iter().cloned());
    measurements.sort_by(|a, b| a.mount.cmp(&b.mount));
    let kept = Kept { schema: 1, measurements };
    let text = serde_json::to_string_pretty(&kept).map_err(|e| not_kept(&path, e.into()))? + "\n";
    file::replace(&file::target(&path)?, text.as_bytes())
}
