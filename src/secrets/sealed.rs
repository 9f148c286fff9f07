//! Secrets on disk: in files that are 0600 from their first byte, in a folder of mode 0700 or beside the env file.

use crate::error::{Error, Result};
use crate::output::file::{self, Attributes, Expected, Staged};
use secrecy::zeroize::{Zeroize, Zeroizing};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fs;
use std::io;
use std::path::Path;

/// The tag of temporary files with secrets, by which the next run removes those of one that was killed.
pub const TAG: &str = "secrets-";

/// A secret inside a sealed file. Nothing but [`write`] may serialise it.
#[derive(Clone)]
pub struct Sealed(pub SecretString);

impl std::fmt::Debug for Sealed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sealed")
    }
}

impl From<SecretString> for Sealed {
    fn from(secret: SecretString) -> Self {
        Sealed(secret)
    }
}

impl PartialEq for Sealed {
    fn eq(&self, other: &Self) -> bool {
        self.0.expose_secret() == other.0.expose_secret()
    }
}

impl Serialize for Sealed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.expose_secret())
    }
}

impl<'de> Deserialize<'de> for Sealed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Sealed(text.into()))
    }
}

/// Bytes of a file that holds secrets, as base64.
#[derive(Clone, PartialEq)]
pub struct SealedBytes(pub Vec<u8>);

impl Drop for SealedBytes {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl std::fmt::Debug for SealedBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealedBytes")
    }
}

impl Serialize for SealedBytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use base64::Engine;
        serializer.serialize_str(&base64::engine::general_purpose::STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for SealedBytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use base64::Engine;
        let text = String::deserialize(deserializer)?;
        let bytes = base64::engine::general_purpose::STANDARD.decode(text).map_err(serde::de::Error::custom)?;
        Ok(SealedBytes(bytes))
    }
}

/// Owner and mode of a sealed file.
#[must_use]
pub fn private() -> Attributes {
    Attributes {
        uid: nix::unistd::geteuid().as_raw(),
        gid: nix::unistd::getegid().as_raw(),
        mode: 0o600,
        xattrs: Default::default(),
    }
}

/// Writes a value as a new sealed file.
///
/// # Errors
/// There is a file of this name; those of writing.
pub fn write<T: Serialize>(path: &Path, value: &T) -> Result<()> {
    put(stage(path, value)?, path)
}

/// Writes a value beside the place where it is to stand, so that there is room for it.
///
/// # Errors
/// Those of writing.
pub fn stage<T: Serialize>(path: &Path, value: &T) -> Result<Staged> {
    let bytes = Zeroizing::new(serde_json::to_vec(value).map_err(|e| unwritten(path, e.into()))?);
    file::stage(path, &bytes, Some(&private()), TAG).map_err(|e| unwritten(path, e))
}

/// Puts it there.
///
/// # Errors
/// There is a file of this name; those of renaming and syncing.
pub fn put(staged: Staged, path: &Path) -> Result<()> {
    staged.commit(Expected::Absent).map_err(|e| unwritten(path, e.into()))
}

fn unwritten(path: &Path, cause: io::Error) -> Error {
    Error::failed("secrets.seal", "cannot be written").at(path.display()).because(cause)
}

/// Reads a sealed file.
///
/// # Errors
/// It cannot be read, or is none.
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let wrong = |e: io::Error| Error::failed("secrets.sealed", "cannot be read").at(path.display()).because(e);
    let bytes = Zeroizing::new(fs::read(path).map_err(wrong)?);
    // The parser's own message may quote what it has read.
    serde_json::from_slice(&bytes).map_err(|e| {
        let what = format!("is damaged at line {}, column {}", e.line(), e.column());
        Error::failed("secrets.sealed", what).at(path.display())
    })
}

/// Removes a file, if it is there, and makes that last.
///
/// # Errors
/// Those of removing.
pub fn remove(path: &Path) -> Result<()> {
    let wrong = |e: io::Error| Error::failed("secrets.seal", "cannot be removed").at(path.display()).because(e);
    match fs::remove_file(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(wrong(e)),
        Ok(()) => {}
    }
    file::sync_folder(file::folder(path)).map_err(wrong)
}
