//! What secrets were before each rotation, sealed in the state, for `restore`.

use crate::error::{Error, Result};
use crate::output::file::Staged;
use crate::secrets::pending::{Change, Login, Pending};
use crate::secrets::sealed::{self, Sealed};
use crate::state;
use ring::digest;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};

/// Earlier values of an env file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Backup {
    /// Its name, which begins with when it was taken.
    pub id: String,
    /// The env file.
    pub env: PathBuf,
    /// Names with the value each had, `None` where it was not in the file.
    pub values: Vec<(String, Option<Sealed>)>,
    /// Who logged in, and what the server held for them.
    pub roles: Vec<Earlier>,
}

/// A role before a rotation.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Earlier {
    /// The secret's name in the env file.
    pub entry: String,
    /// Databases that prove its logins.
    pub databases: Vec<String>,
    /// Who logged in.
    pub login: Login,
    /// What the server held for that role, where it may be read.
    pub verifier: Option<Sealed>,
}

impl Backup {
    /// The values from before a rotation.
    #[must_use]
    pub fn of(pending: &Pending) -> Backup {
        let value = |c: &Change| (c.name.clone(), c.old.clone());
        Backup {
            id: pending.id.clone(),
            env: pending.env.path.clone(),
            values: pending.changes.iter().map(value).collect(),
            roles: pending
                .roles
                .iter()
                .map(|r| Earlier {
                    entry: r.entry.clone(),
                    databases: r.databases.clone(),
                    login: r.before.clone(),
                    verifier: r.before_verifier.clone(),
                })
                .collect(),
        }
    }
}

/// The folder of an env file's backups.
#[must_use]
pub fn folder(state: &Path, env: &Path) -> PathBuf {
    let hash = digest::digest(&digest::SHA256, env.as_os_str().as_encoded_bytes());
    let name: String = hash.as_ref().iter().take(8).map(|b| format!("{b:02x}")).collect();
    state.join("secrets").join(name)
}

/// Writes a backup that is to be kept once its rotation has come to its end.
///
/// # Errors
/// Those of writing.
pub fn stage(folder: &Path, backup: &Backup) -> Result<Staged> {
    state::make(folder)?;
    sealed::stage(&place(folder, &backup.id), backup)
}

/// Keeps a backup, which may be written already. One that is there stays as it is.
///
/// # Errors
/// Those of writing.
pub fn keep(folder: &Path, backup: &Backup, staged: Option<Staged>) -> Result<()> {
    let path = place(folder, &backup.id);
    if path.exists() {
        return Ok(());
    }
    let staged = match staged {
        Some(staged) => staged,
        None => stage(folder, backup)?,
    };
    sealed::put(staged, &path)
}

fn place(folder: &Path, id: &str) -> PathBuf {
    folder.join(format!("{id}.json"))
}

/// Forgets a backup, of a rotation that came to nothing.
///
/// # Errors
/// Those of removing.
pub fn forget(folder: &Path, id: &str) -> Result<()> {
    sealed::remove(&place(folder, id))
}

/// Removes all but the newest `keep`, and at least leaves one.
///
/// # Errors
/// Those of removing.
pub fn prune(folder: &Path, keep: usize) -> Result<()> {
    let ids = list(folder)?;
    let old = ids.len().saturating_sub(keep.max(1));
    ids.iter().take(old).try_for_each(|id| forget(folder, id))
}

/// The names of the backups, oldest first.
///
/// # Errors
/// The folder cannot be read.
pub fn list(folder: &Path) -> Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(Error::failed("secrets.backups", "cannot be read").at(folder.display()).because(e)),
    };
    let name = |e: fs::DirEntry| Some(e.file_name().to_str()?.strip_suffix(".json")?.to_owned());
    let mut ids: Vec<String> = entries.flatten().filter_map(name).collect();
    ids.sort();
    Ok(ids)
}

/// A backup by its name, or the newest.
///
/// # Errors
/// There is none (64); it cannot be read.
pub fn find(folder: &Path, id: Option<&str>) -> Result<Backup> {
    let ids = list(folder)?;
    let found = match id {
        None => ids.last(),
        Some(id) => ids.iter().find(|known| *known == id),
    };
    let Some(found) = found else {
        let (what, next) = match id {
            None => ("there is no backup of this env file".to_owned(), "a rotation keeps one"),
            Some(id) => (format!("there is no backup {id:?}"), "llmsql secrets restore --list shows them"),
        };
        return Err(Error::usage("secrets.backup", what).at(folder.display()).next(next));
    };
    sealed::read(&place(folder, found))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn the_newest_are_kept_and_sealed() {
        let dir = tempfile::tempdir().unwrap();
        let here = folder(dir.path(), Path::new("/srv/.env"));
        for n in 0..7 {
            let values = vec![("A".to_owned(), Some(Sealed("x".into())))];
            let backup = Backup { id: format!("2026-{n}"), env: "/srv/.env".into(), values, roles: Vec::new() };
            keep(&here, &backup, None).unwrap();
            prune(&here, 3).unwrap();
        }
        assert_eq!(list(&here).unwrap(), ["2026-4", "2026-5", "2026-6"]);
        assert_eq!(find(&here, None).unwrap().id, "2026-6");
        assert_eq!(find(&here, Some("2026-0")).unwrap_err().exit.code(), 64);
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!((mode(&here), mode(&here.join("2026-6.json"))), (0o700, 0o600));
        assert!(!format!("{:?}", find(&here, None).unwrap()).contains('x'));
    }
}
