//! The env file as it stands on the host.

use crate::error::{Error, Exit, Result};
use crate::formats::dotenv::Document;
use crate::output::file::{self, Attributes};
use crate::secrets::sealed::SealedBytes;
use secrecy::{ExposeSecret, SecretString};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The env file's name where nothing says another.
pub const DEFAULT: &str = ".env";

/// An env file that was read. What it holds is never shown by `Debug`.
#[derive(Clone)]
pub struct EnvFile {
    /// Where it stands: absolute, links in the folders above it followed.
    pub path: PathBuf,
    /// Its bytes when it was read.
    pub bytes: SealedBytes,
    /// What they say.
    pub document: Document,
    /// Its owner and mode.
    pub attributes: Attributes,
}

impl std::fmt::Debug for EnvFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EnvFile").field("path", &self.path).finish_non_exhaustive()
    }
}

impl EnvFile {
    /// Reads the file to show or to use what it holds. No rotation of it may be under way.
    ///
    /// # Errors
    /// There is none, or it cannot be read; an interrupted rotation waits (exit 4).
    pub fn read(path: &Path) -> Result<EnvFile> {
        settled(path)?;
        EnvFile::read_unsettled(path)
    }

    /// Reads the file to change it.
    ///
    /// # Errors
    /// As [`EnvFile::read`]; it is a link, or open to every user (exit 13).
    pub fn read_to_change(path: &Path) -> Result<EnvFile> {
        settled(path)?;
        let found = fs::symlink_metadata(path).map_err(|e| unreadable(path, e))?;
        let refuse = |what: &str, next: String| {
            Err(Error::new(Exit::Precondition, "secrets.env_file", what).at(path.display()).next(next))
        };
        if found.is_symlink() {
            let target = fs::canonicalize(path).map_or_else(|_| "FILE".to_owned(), |t| t.display().to_string());
            return refuse(
                "is a link, and what it leads to may be another stack's",
                format!("name the file itself: --env-file {target}"),
            );
        }
        let env = EnvFile::read_unsettled(path)?;
        if env.open_to_all() {
            let next = format!("close it first: chmod 600 {}; then rotate what it holds", path.display());
            return refuse("is open to every user of this host", next);
        }
        file::trusted(&env.path, env.attributes.uid)?;
        Ok(env)
    }

    /// Reads it though a rotation of it may be under way.
    ///
    /// # Errors
    /// There is none, or it cannot be read.
    pub fn read_unsettled(path: &Path) -> Result<EnvFile> {
        let found = fs::metadata(path).map_err(|e| unreadable(path, e))?;
        if !found.is_file() {
            return Err(Error::usage("secrets.env_file", "is no file").at(path.display()));
        }
        let bytes = fs::read(path).map_err(|e| unreadable(path, e))?;
        let attributes = Attributes::of(path).map_err(|e| unreadable(path, e))?;
        let attributes = attributes.ok_or_else(|| unreadable(path, ErrorKind::NotFound.into()))?;
        Ok(EnvFile { path: absolute(path), document: Document::parse(&bytes), bytes: SealedBytes(bytes), attributes })
    }

    /// Whether every user may read or change it.
    #[must_use]
    pub fn open_to_all(&self) -> bool {
        self.attributes.mode & 0o007 != 0
    }

    /// Its path, under which the state knows it.
    #[must_use]
    pub fn key(&self) -> String {
        self.path.display().to_string()
    }

    /// A value that is there and not empty.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<SecretString> {
        self.document.get(name).filter(|v| !v.expose_secret().is_empty())
    }

    /// A value that has to be there.
    ///
    /// # Errors
    /// It is not, or is empty (exit 64).
    pub fn need(&self, name: &str) -> Result<SecretString> {
        self.get(name).ok_or_else(|| {
            Error::usage("secrets.missing", format!("{name} is not set"))
                .at(self.path.display())
                .next(format!("add the line {name}= and let `llmsql secrets rotate {name}` fill it"))
        })
    }
}

/// The path without links in the folders above the file; the file itself may be one.
#[must_use]
pub fn absolute(path: &Path) -> PathBuf {
    let folder = fs::canonicalize(file::folder(path)).or_else(|_| std::path::absolute(file::folder(path)));
    match (folder, path.file_name()) {
        (Ok(folder), Some(name)) => folder.join(name),
        _ => path.to_owned(),
    }
}

fn unreadable(path: &Path, cause: std::io::Error) -> Error {
    if cause.kind() == ErrorKind::NotFound {
        return Error::usage("secrets.env_file", "there is no such env file")
            .at(path.display())
            .next("make it with `llmsql secrets init`, or name another with --env-file");
    }
    Error::usage("secrets.env_file", "cannot be read").at(path.display()).because(cause)
}

/// Where a rotation keeps what it is about to do: beside the env file, so that whoever comes next finds it.
#[must_use]
pub fn pending_path(env: &Path) -> PathBuf {
    let name = env.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let hidden = if name.starts_with('.') { name } else { format!(".{name}") };
    env.with_file_name(format!("{hidden}.llmsql-pending"))
}

/// Refuses to go on while an interrupted rotation of the env file waits.
///
/// # Errors
/// One waits (exit 4).
pub fn settled(env: &Path) -> Result<()> {
    let pending = pending_path(env);
    if fs::symlink_metadata(&pending).is_err() {
        return Ok(());
    }
    Err(Error::new(
        Exit::RecoverFirst,
        "secrets.pending",
        "a rotation of this env file was interrupted, or is under way",
    )
    .at(pending.display())
    .next("finish or undo it: llmsql secrets recover"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn what_must_not_be_changed_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(".env");
        assert_eq!(EnvFile::read_to_change(&path).unwrap_err().exit, Exit::Usage);
        fs::write(&path, "A=1\n").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o604)).unwrap();
        assert_eq!(EnvFile::read_to_change(&path).unwrap_err().exit, Exit::Precondition);
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        EnvFile::read_to_change(&path).unwrap();
        symlink(&path, dir.path().join("link")).unwrap();
        assert_eq!(EnvFile::read_to_change(&dir.path().join("link")).unwrap_err().exit, Exit::Precondition);
        fs::write(pending_path(&path), "").unwrap();
        assert_eq!(EnvFile::read(&path).unwrap_err().exit, Exit::RecoverFirst);
    }
}
