//! Replacing a file so that a reader, or a crash at any moment, finds the old content or the new, never a part.

use crate::error::{Error, Exit, Result};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::unistd::{AccessFlags, access};
use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long to wait for another run that changes the same file.
const PATIENCE: Duration = Duration::from_secs(5);

/// The path a file is written at: symlinks followed, so that a link stays a link.
///
/// # Errors
/// A link that leads to nothing or in a circle.
pub fn target(path: &Path) -> Result<PathBuf> {
    match fs::canonicalize(path) {
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
/// the folder is synced. Owner and mode of an old file are kept, a new one is readable by all as the umask allows. A
/// file that is write-protected is left alone, though its folder would let it be replaced.
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
    let mut new = temporary(path).map_err(|e| unwritten(path, e))?;
    fill(new.file.as_file_mut())?;
    finish(path, new).map_err(|e| unwritten(path, e))
}

fn unwritten(path: &Path, e: io::Error) -> Error {
    let error = Error::failed("file.write", "cannot be written; it is unchanged").at(path.display());
    match e.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            error.next("run it as the file's owner, or name another file").because(e)
        }
        _ => error.because(e),
    }
}

/// A file on its way, and the one that it replaces.
struct New {
    file: tempfile::NamedTempFile,
    old: Option<fs::Metadata>,
    folder: PathBuf,
}

fn temporary(path: &Path) -> io::Result<New> {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let old = match fs::metadata(path) {
        Ok(old) => Some(old),
        Err(e) if e.kind() == io::ErrorKind::NotFound => None,
        Err(e) => return Err(e),
    };
    if old.is_some() {
        access(path, AccessFlags::W_OK)?;
    }
    let file = tempfile::Builder::new()
        .prefix(".llmsql-")
        .permissions(Permissions::from_mode(if old.is_some() { 0o600 } else { 0o666 }))
        .tempfile_in(folder)?;
    Ok(New { file, old, folder: folder.to_owned() })
}

fn finish(path: &Path, New { file: new, old, folder }: New) -> io::Result<()> {
    if let Some(old) = old {
        let own = new.as_file().metadata()?;
        if (own.uid(), own.gid()) != (old.uid(), old.gid()) {
            fchown(new.as_file(), Some(old.uid()), Some(old.gid()))?;
        }
        new.as_file().set_permissions(Permissions::from_mode(old.mode() & 0o7777))?;
    }
    new.as_file().sync_all()?;
    new.persist(path).map_err(|e| e.error)?;
    File::open(folder)?.sync_all()
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
