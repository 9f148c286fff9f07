//! Replacing a file so that a reader, or a crash at any moment, finds the old content or the new, never a part.

use crate::error::{Error, Exit, Result};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::unistd::{AccessFlags, access, geteuid};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::NamedTempFile;
use xattr::FileExt;

/// How long to wait for another run that changes the same file.
const PATIENCE: Duration = Duration::from_secs(5);

/// The path a file is written at: symlinks followed, so that a link stays a link.
///
/// # Errors
/// A link that leads to nothing or in a circle; a device, a pipe or a socket, in whose place a file would be put.
pub fn target(path: &Path) -> Result<PathBuf> {
    match fs::canonicalize(path) {
        Ok(target) if fs::metadata(&target).is_ok_and(|m| !m.is_file() && !m.is_dir()) => {
            Err(Error::usage("file.kind", "is a device, a pipe or a socket, and no file").at(path.display()))
        }
        Ok(target) => Ok(target),
        // Only a link can lead to nothing; a file that is there now was made by another run in between.
        Err(e) if e.kind() == io::ErrorKind::NotFound && !fs::symlink_metadata(path).is_ok_and(|m| m.is_symlink()) => {
            Ok(path.to_owned())
        }
        Err(e) => Err(Error::failed("file.link", "leads to no file").at(path.display()).because(e)),
    }
}

/// Keeps other runs from changing files of this folder until it is dropped; waits some seconds for one that does.
/// The folder itself is locked, so that no lock file is left behind.
///
/// # Errors
/// A folder that cannot be opened; another run that does not end (11).
pub fn lock(folder: &Path) -> Result<Flock<File>> {
    let wrong = |e: io::Error| Error::failed("file.lock", "cannot be locked").at(folder.display()).because(e);
    let start = Instant::now();
    let mut file = File::open(folder).map_err(wrong)?;
    loop {
        file = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => return Ok(lock),
            Err((file, Errno::EWOULDBLOCK)) if start.elapsed() < PATIENCE => file,
            Err((_, Errno::EWOULDBLOCK)) => {
                return Err(Error::new(Exit::Locked, "file.locked", "another run changes files here")
                    .at(folder.display())
                    .next("try again when it has ended"));
            }
            Err((_, e)) => return Err(wrong(e.into())),
        };
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Writes a file whole: into a temporary file of the same folder, which is synced and renamed over the old one; then
/// the folder is synced. Owner, mode and extended attributes of an old file are kept, a new one is readable by all as
/// the umask allows. A file that is write-protected is left alone, though its folder would let it be replaced.
///
/// `path` has to be one that [`target`] gave.
///
/// # Errors
/// Those of writing; the old file is then untouched and nothing is left behind.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    replace_with(path, |file| file.write_all(bytes).map_err(|e| unwritten(path, e)))
}

/// As [`replace`], for content that is not held in memory: `fill` writes it.
///
/// # Errors
/// Those of writing and of `fill`; the old file is then untouched and nothing is left behind.
pub fn replace_with(path: &Path, fill: impl FnOnce(&mut File) -> Result<()>) -> Result<()> {
    let failed = |e| unwritten(path, e);
    let old = Attributes::of(path).map_err(failed)?;
    if old.is_some() {
        access(path, AccessFlags::W_OK).map_err(|e| failed(e.into()))?;
    }
    let mut file = temporary(path, old.as_ref(), &own()).map_err(failed)?;
    fill(file.as_file_mut())?;
    let staged = finish(file, path, old.as_ref()).map_err(failed)?;
    staged.commit(Expected::Anything).map_err(|e| failed(e.into()))
}

/// That a file cannot be written, and what to do.
pub fn unwritten(path: &Path, e: io::Error) -> Error {
    let error = Error::failed("file.write", "cannot be written; it is unchanged").at(path.display());
    match e.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            error.next("run it as the file's owner, or name another file").because(e)
        }
        io::ErrorKind::NotFound => error.next("make the folder first").because(e),
        io::ErrorKind::StorageFull => error.next("free some disk space, or name another place").because(e),
        _ => error.because(e),
    }
}

/// An error of DuckDB's writing a result, which does not know where that goes at last: there is no room in its folder.
#[must_use]
pub fn full(error: Error, target: &Path) -> Error {
    if error.code == "output.disk" {
        return unwritten(target, Errno::ENOSPC.into());
    }
    error
}

/// The folder a file stands in.
#[must_use]
pub fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

/// Syncs a folder, so that names made, changed or removed in it outlive a loss of power.
///
/// # Errors
/// Those of opening and syncing.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Owner, mode and extended attributes (SELinux labels, ACLs) of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attributes {
    /// The owner's number.
    pub uid: u32,
    /// The group's number.
    pub gid: u32,
    /// Permission bits.
    pub mode: u32,
    /// Extended attributes by name.
    #[serde(default)]
    pub xattrs: BTreeMap<String, Vec<u8>>,
}

impl Attributes {
    /// Those of a file; `None` where there is none.
    ///
    /// # Errors
    /// Those of reading.
    pub fn of(path: &Path) -> io::Result<Option<Self>> {
        let found = match fs::metadata(path) {
            Ok(found) => found,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e),
        };
        let xattrs = xattrs(path)?;
        Ok(Some(Attributes { uid: found.uid(), gid: found.gid(), mode: found.mode() & 0o7777, xattrs }))
    }

    /// Gives them to an open file.
    fn give(&self, file: &File, path: &Path) -> io::Result<()> {
        let own = file.metadata()?;
        if (own.uid(), own.gid()) != (self.uid, self.gid) {
            fchown(file, Some(self.uid), Some(self.gid))?;
        }
        file.set_permissions(Permissions::from_mode(self.mode))?;
        let there = xattrs(path)?;
        for (name, value) in self.xattrs.iter().filter(|(name, value)| there.get(*name) != Some(*value)) {
            file.set_xattr(name, value)?;
        }
        // A folder's default ACL has given the temporary file an ACL that the old file has not.
        for name in there.keys().filter(|name| !self.xattrs.contains_key(*name) && name.as_str() == ACL) {
            file.remove_xattr(name)?;
        }
        Ok(())
    }
}

const ACL: &str = "system.posix_acl_access";

fn xattrs(path: &Path) -> io::Result<BTreeMap<String, Vec<u8>>> {
    let names = match xattr::list_deref(path) {
        Ok(names) => names,
        Err(e) if e.raw_os_error() == Some(Errno::EOPNOTSUPP as i32) => return Ok(BTreeMap::new()),
        Err(e) => return Err(e),
    };
    let mut found = BTreeMap::new();
    for name in names {
        if let (Some(text), Some(value)) = (name.to_str(), xattr::get_deref(path, &name)?) {
            found.insert(text.to_owned(), value);
        }
    }
    Ok(found)
}

/// What has to stand at the target for a staged file to take its place.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Expected<'a> {
    /// Whatever does.
    Anything,
    /// Nothing.
    Absent,
    /// These bytes.
    Content(&'a [u8]),
}

/// Why a staged file did not take its place.
#[derive(Debug, thiserror::Error)]
pub enum NotCommitted {
    /// Something else stands at the target than was expected.
    #[error("it was changed in the meantime")]
    Changed,
    /// A step failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl From<NotCommitted> for io::Error {
    fn from(error: NotCommitted) -> Self {
        match error {
            NotCommitted::Changed => io::Error::other(error),
            NotCommitted::Io(e) => e,
        }
    }
}

/// A file that is written and synced beside its target, with its final owner, mode and attributes; it takes the target's
/// place with [`Staged::commit`] and is removed with the value otherwise.
#[derive(Debug)]
pub struct Staged {
    file: NamedTempFile,
    path: PathBuf,
}

/// The beginning of the names of temporary files. They are hidden and have no suffix, so that no server's `*.conf` and
/// no cron reads them.
pub const TEMPORARY: &str = ".llmsql-";

/// Writes a file beside its target. With attributes it is private from its first byte on and gets them before it is
/// synced; without, it is a new file as the umask makes it. `tag` is put into its name, by which a later run finds what
/// a killed one has left (see [`sweep`]).
///
/// # Errors
/// Those of writing and of giving the file away; nothing is left behind.
pub fn stage(path: &Path, bytes: &[u8], attributes: Option<&Attributes>, tag: &str) -> io::Result<Staged> {
    let mut file = temporary(path, attributes, tag)?;
    file.write_all(bytes)?;
    finish(file, path, attributes)
}

fn temporary(path: &Path, attributes: Option<&Attributes>, tag: &str) -> io::Result<NamedTempFile> {
    tempfile::Builder::new()
        .prefix(&format!("{TEMPORARY}{tag}"))
        .permissions(Permissions::from_mode(if attributes.is_some() { 0o600 } else { 0o666 }))
        .tempfile_in(folder(path))
}

fn finish(file: NamedTempFile, path: &Path, attributes: Option<&Attributes>) -> io::Result<Staged> {
    if let Some(attributes) = attributes {
        attributes.give(file.as_file(), file.path())?;
    }
    file.as_file().sync_all()?;
    Ok(Staged { file, path: path.to_owned() })
}

impl Staged {
    /// Renames it over its target, which it checks first, and syncs the folder.
    ///
    /// # Errors
    /// The target is not as expected; those of renaming and syncing. Only where syncing the folder failed does the new
    /// file stand.
    pub fn commit(self, expected: Expected<'_>) -> Result<(), NotCommitted> {
        match expected {
            Expected::Anything => drop(self.file.persist(&self.path).map_err(|e| e.error)?),
            Expected::Absent => match self.file.persist_noclobber(&self.path) {
                Ok(_) => {}
                Err(e) if e.error.kind() == io::ErrorKind::AlreadyExists => return Err(NotCommitted::Changed),
                Err(e) => return Err(e.error.into()),
            },
            Expected::Content(bytes) => match fs::read(&self.path) {
                Ok(now) if now == bytes => drop(self.file.persist(&self.path).map_err(|e| e.error)?),
                Ok(_) => return Err(NotCommitted::Changed),
                Err(e) if e.kind() == io::ErrorKind::NotFound => return Err(NotCommitted::Changed),
                Err(e) => return Err(e.into()),
            },
        }
        Ok(sync_folder(folder(&self.path))?)
    }
}

/// The tag of this process's own temporary files, for [`sweep`] where it has to end at once.
#[must_use]
pub fn own() -> String {
    format!("{}-", std::process::id())
}

/// How long nothing was written into what a killed run has left: the folder may be another host's as well, whose runs have
/// numbers that say nothing here.
const STALE: Duration = Duration::from_secs(600);

/// Removes what killed runs of this user have left in a folder, as far as [`own`] was their tag. That something cannot be
/// looked at or removed is no reason not to go on.
pub fn sweep_killed(folder: &Path) {
    let is_gone = |name: &str| {
        let run = name.strip_prefix(TEMPORARY).and_then(|rest| rest.split_once('-')).map(|(pid, _)| pid);
        run.is_some_and(|pid| pid.parse::<u32>().is_ok() && !Path::new("/proc").join(pid).exists())
    };
    if !Path::new("/proc/self").exists() {
        return;
    }
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(found) = entry.metadata() else { continue };
        if !is_gone(&entry.file_name().to_string_lossy()) || found.uid() != geteuid().as_raw() {
            continue;
        }
        let path = entry.path();
        let within = fs::read_dir(&path).into_iter().flatten().flatten().filter_map(|e| e.metadata().ok());
        let last = within.chain([found.clone()]).filter_map(|m| m.modified().ok()).max();
        if last.and_then(|at| at.elapsed().ok()).is_some_and(|age| age > STALE) {
            let _ = if found.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
        }
    }
}

/// Removes the temporary files with this tag that a killed run has left in a folder.
///
/// # Errors
/// Those of reading the folder and of removing.
pub fn sweep(folder: &Path, tag: &str) -> io::Result<()> {
    let names = match fs::read_dir(folder) {
        Ok(names) => names,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(e),
    };
    let ours = format!("{TEMPORARY}{tag}");
    for entry in names {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(&ours) && entry.file_type()?.is_file() {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Refuses a target in whose place somebody else could put something between our looking and our writing: one in a
/// folder that others may write, or that belongs to somebody who owns neither the file nor the system. `path` is one
/// that [`target`] gave, `owner` the one the file has or is to have.
///
/// # Errors
/// Which folder, and the command that closes it (exit 13).
pub fn trusted(path: &Path, owner: u32) -> Result<()> {
    let refuse = |folder: &Path, what: String, next: String| {
        Err(Error::new(Exit::Precondition, "file.untrusted", what).at(folder.display()).next(next))
    };
    let here = folder(path);
    for (above, dir) in here.ancestors().enumerate() {
        // A folder that is still to be made is as safe as the one it is made in.
        let Ok(found) = fs::metadata(if dir == Path::new("") { Path::new(".") } else { dir }) else { continue };
        let (mode, uid, gid) = (found.mode(), found.uid(), found.gid());
        let sticky = mode & 0o1000 != 0 && above > 0;
        if mode & 0o002 != 0 && !sticky {
            let what =
                format!("every user may change what stands in this folder, so {} is not written", path.display());
            return refuse(dir, what, format!("close it first: chmod o-w {}", dir.display()));
        }
        if mode & 0o020 != 0 && !sticky && gid != 0 && gid != uid {
            let what = format!("a group may change what stands in this folder, so {} is not written", path.display());
            return refuse(dir, what, format!("close it first: chmod g-w {}", dir.display()));
        }
        if ![0, owner, geteuid().as_raw()].contains(&uid) {
            let what = format!("another user (uid {uid}) owns this folder, so {} is not written", path.display());
            return refuse(dir, what, format!("give it to the file's owner: chown {owner} {}", dir.display()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn owner_mode_and_link_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let (real, link) = (dir.path().join("real"), dir.path().join("link"));
        fs::write(&real, "old").unwrap();
        fs::set_permissions(&real, Permissions::from_mode(0o640)).unwrap();
        symlink("real", &link).unwrap();
        replace(&target(&link).unwrap(), b"new").unwrap();
        assert_eq!(fs::read(&real).unwrap(), b"new");
        assert_eq!(fs::metadata(&real).unwrap().mode() & 0o7777, 0o640);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "nothing is left behind");
    }

    #[test]
    fn extended_attributes_are_kept() {
        // Not on tmpfs of older kernels, so beside the program.
        let dir = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        let path = dir.path().join("x");
        fs::write(&path, "old").unwrap();
        if xattr::set(&path, "user.llmsql", b"kept").is_err() {
            eprintln!("this file system has no extended attributes");
            return;
        }
        replace(&path, b"new").unwrap();
        assert_eq!(xattr::get(&path, "user.llmsql").unwrap().as_deref(), Some(&b"kept"[..]));
    }

    #[test]
    fn what_killed_runs_have_left_is_removed_after_a_while_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        // No process has a number this high.
        let (left, running) = (format!("{TEMPORARY}4194999-a"), format!("{TEMPORARY}{}b", own()));
        let parts = format!("{TEMPORARY}4194999-c");
        fs::create_dir(dir.path().join(&parts)).unwrap();
        let inside = format!("{parts}/result.parquet");
        for name in [&left, &running, &inside, &format!("{TEMPORARY}g7-d"), &"4194999-e".to_owned()] {
            fs::write(dir.path().join(name), "x").unwrap();
        }
        let names = || {
            let mut names: Vec<String> =
                fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            names
        };
        let before = names();
        sweep_killed(dir.path());
        assert_eq!(names(), before, "another host may be writing it");
        let long_ago = std::time::SystemTime::now() - STALE * 2;
        for name in before.iter().chain([&inside]) {
            File::open(dir.path().join(name)).unwrap().set_modified(long_ago).unwrap();
        }
        sweep_killed(dir.path());
        assert_eq!(names(), [running, format!("{TEMPORARY}g7-d"), "4194999-e".to_owned()]);
    }

    #[test]
    fn a_staged_file_takes_its_place_only_over_what_was_expected() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        fs::write(&path, "other").unwrap();
        for expected in [Expected::Absent, Expected::Content(b"old")] {
            let staged = stage(&path, b"new", None, "t-").unwrap();
            assert!(matches!(staged.commit(expected), Err(NotCommitted::Changed)));
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left behind");
        stage(&path, b"new", None, "t-").unwrap().commit(Expected::Content(b"other")).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
    }

    #[test]
    fn only_what_a_killed_run_has_left_is_swept() {
        let dir = tempfile::tempdir().unwrap();
        for name in [".llmsql-g7-a", ".llmsql-g71-a", "g7-a"] {
            fs::write(dir.path().join(name), "").unwrap();
        }
        sweep(dir.path(), "g7-").unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_folder_that_others_may_write_is_not_trusted() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        let own = geteuid().as_raw();
        trusted(&path, own).unwrap();
        for mode in [0o757, 0o1777] {
            fs::set_permissions(dir.path(), Permissions::from_mode(mode)).unwrap();
            let error = trusted(&path, own).unwrap_err();
            assert_eq!((error.exit, error.code), (Exit::Precondition, "file.untrusted"));
        }
    }

    #[test]
    fn a_link_to_nothing_is_an_error_and_a_new_file_is_not() {
        let dir = tempfile::tempdir().unwrap();
        symlink("gone", dir.path().join("link")).unwrap();
        assert!(target(&dir.path().join("link")).is_err());
        let new = dir.path().join("new");
        replace(&target(&new).unwrap(), b"x").unwrap();
        assert_eq!(fs::metadata(&new).unwrap().mode() & 0o111, 0);
    }

    #[test]
    fn a_second_run_waits_for_the_first() {
        let dir = tempfile::tempdir().unwrap();
        let first = lock(dir.path()).unwrap();
        let error = std::thread::scope(|s| s.spawn(|| lock(dir.path()).map(|_| ())).join().unwrap()).unwrap_err();
        assert_eq!(error.exit, Exit::Locked);
        drop(first);
        lock(dir.path()).unwrap();
    }
}
