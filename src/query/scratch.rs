//! The worker's folder: stdin, what DuckDB spills. Its owner holds a lock on it, by which a later run knows what one that
//! was killed has left behind.

use crate::error::{Error, Result};
use nix::fcntl::{Flock, FlockArg};
use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

/// How its name begins; six letters or digits follow.
const PREFIX: &str = "llmsql-query-";
/// How long it lies untouched before it may be taken for a leftover.
const OLD: Duration = Duration::from_secs(24 * 60 * 60);

/// A folder for one run, private, on a disk rather than in memory where there is one: in `planned` where this user may
/// write there, or where TMPDIR says. What runs of this user have left there for over a day is removed.
///
/// # Errors
/// No folder that can be written to.
pub fn make(planned: Option<&Path>) -> Result<TempDir> {
    let told = std::env::var_os("TMPDIR").filter(|t| !t.is_empty()).map(PathBuf::from);
    if let (Some(planned), None) = (planned, &told)
        && let Ok(made) = within(planned)
    {
        return Ok(made);
    }
    let folder = told.unwrap_or_else(|| PathBuf::from("/var/tmp"));
    within(&folder).or_else(|_| within(&std::env::temp_dir())).map_err(|e| {
        Error::failed("query.disk", "no temporary folder can be made")
            .at(folder.display())
            .next("set TMPDIR")
            .because(e)
    })
}

fn within(folder: &Path) -> std::io::Result<TempDir> {
    let private = Permissions::from_mode(0o700);
    let made = tempfile::Builder::new().prefix(PREFIX).permissions(private).tempdir_in(folder)?;
    // The lock lasts as long as this process. Without one, the folder's age speaks for it.
    let lock = File::open(made.path()).ok().and_then(|f| Flock::lock(f, FlockArg::LockExclusiveNonblock).ok());
    std::mem::forget(lock);
    clear(folder);
    Ok(made)
}

/// Removes what killed runs of this user have left in a folder.
fn clear(folder: &Path) {
    // Where others may rename what is ours, nobody can say what it is that would be removed.
    let safe = |m: Metadata| m.mode() & 0o022 == 0 || m.mode() & 0o1000 != 0;
    if !fs::metadata(folder).is_ok_and(safe) {
        return;
    }
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let rest = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
        if rest.is_some_and(|rest| rest.len() == 6 && rest.bytes().all(|b| b.is_ascii_alphanumeric()))
            && let Some(_lock) = leftover(&entry.path())
        {
            // It follows no links. What cannot be removed now is tried again by the next run.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// The lock of a folder of ours whose owner is gone and that nobody has touched for long.
fn leftover(path: &Path) -> Option<Flock<File>> {
    let flags = nix::libc::O_DIRECTORY | nix::libc::O_NOFOLLOW;
    let folder = OpenOptions::new().read(true).custom_flags(flags).open(path).ok()?;
    let found = folder.metadata().ok()?;
    let old = SystemTime::now().duration_since(found.modified().ok()?).is_ok_and(|age| age > OLD);
    let ours = found.uid() == nix::unistd::geteuid().as_raw() && found.mode() & 0o777 == 0o700;
    if !old || !ours {
        return None;
    }
    Flock::lock(folder, FlockArg::LockExclusiveNonblock).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::DirBuilder;
    use std::os::unix::fs::{DirBuilderExt, symlink};

    #[test]
    fn only_what_killed_runs_have_left_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let aged = |path: &Path| {
            let old = SystemTime::now() - OLD - Duration::from_secs(60);
            File::open(path).unwrap().set_modified(old).unwrap();
        };
        let folder = |name: &str, mode: u32| {
            let path = dir.path().join(name);
            DirBuilder::new().mode(mode).create(&path).unwrap();
            fs::write(path.join("file"), "x").unwrap();
            path
        };
        let gone = folder("llmsql-query-aB3dE6", 0o700);
        symlink(dir.path().join("kept"), gone.join("link")).unwrap();
        let kept = [
            folder("kept", 0o700),
            folder("llmsql-query-abcdefg", 0o700),
            folder("llmsql-query-abc-ef", 0o700),
            folder("llmsql-query-shared", 0o755),
            folder("llmsql-query-locked", 0o700),
        ];
        let young = folder("llmsql-query-young1", 0o700);
        let _lock = Flock::lock(File::open(&kept[4]).unwrap(), FlockArg::LockExclusiveNonblock).unwrap();
        let aside = tempfile::tempdir().unwrap();
        symlink(aside.path(), dir.path().join("llmsql-query-linked")).unwrap();
        kept.iter().chain([&gone]).for_each(|path| aged(path));
        aged(aside.path());
        let made = within(dir.path()).unwrap();
        assert!(!gone.exists());
        assert!(kept.iter().chain([&young]).all(|path| path.join("file").exists()));
        assert!(aside.path().exists());
        assert_eq!(fs::metadata(made.path()).unwrap().mode() & 0o777, 0o700);
        // Where others may rename them, nothing is removed.
        let other = folder("llmsql-query-aB3dE6", 0o700);
        aged(&other);
        fs::set_permissions(dir.path(), Permissions::from_mode(0o777)).unwrap();
        clear(dir.path());
        assert!(other.exists());
        fs::set_permissions(dir.path(), Permissions::from_mode(0o1777)).unwrap();
        clear(dir.path());
        assert!(!other.exists());
    }
}
