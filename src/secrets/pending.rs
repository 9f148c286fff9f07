//! What a rotation is about to do, written down before anything changes, so that whoever comes after a kill can finish
//! or undo it.

use crate::formats::dotenv;
use crate::formats::userlist;
use crate::secrets::sealed::{Sealed, SealedBytes};
use crate::secrets::verifier::Verifier;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Which way an interrupted rotation goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// To the new values.
    Finish,
    /// Back to the old ones.
    Undo,
}

/// A rotation under way.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Pending {
    /// Its name: when it began, and some letters.
    pub id: String,
    /// When it began (RFC 3339).
    pub started: String,
    /// `rotated` or `restored`.
    pub how: String,
    /// The env file.
    pub env: Target,
    /// PgBouncer's userlist, where it changes.
    pub userlist: Option<Target>,
    /// What changes in the env file.
    pub changes: Vec<Change>,
    /// What changes in the server.
    pub roles: Vec<RoleChange>,
    /// What makes services read the env file anew.
    pub reload: Vec<String>,
}

/// A file before and after.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Target {
    /// Where it stands.
    pub path: PathBuf,
    /// Its bytes before.
    pub old: SealedBytes,
    /// Its bytes after.
    pub new: SealedBytes,
}

/// A name of the env file before and after; `None` where it is not in the file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Change {
    /// The name.
    pub name: String,
    /// Its value before.
    pub old: Option<Sealed>,
    /// Its value after.
    pub new: Option<Sealed>,
}

/// A role that can log in with a password.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Login {
    /// The role.
    pub role: String,
    /// Its password.
    pub password: Sealed,
}

/// A role of the server before and after.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RoleChange {
    /// The secret's name in the env file.
    pub entry: String,
    /// Databases that prove its logins.
    pub databases: Vec<String>,
    /// The role whose verifier changes.
    pub role: String,
    /// What the server held for it: a verifier, an md5 hash, or nothing.
    pub old_verifier: Option<Sealed>,
    /// What the server is to hold.
    pub new_verifier: Sealed,
    /// What PgBouncer's userlist held for it.
    pub old_listed: Option<Sealed>,
    /// What the userlist is to hold, where it is to hold something.
    pub new_listed: Option<Sealed>,
    /// Who logged in before: the same role, or the other one of two that take turns.
    pub before: Login,
    /// Whether that login worked.
    pub worked_before: bool,
    /// What the server holds for the role that logged in before, where it may be read.
    pub before_verifier: Option<Sealed>,
    /// Who logs in after.
    pub after: Login,
}

impl RoleChange {
    /// Whether the old login goes on working.
    #[must_use]
    pub fn alternates(&self) -> bool {
        self.before.role != self.after.role
    }

    /// Who has to be able to log in once all has gone this way; nobody, where nobody could before.
    #[must_use]
    pub fn login(&self, way: Way) -> Option<&Login> {
        match way {
            Way::Finish => Some(&self.after),
            Way::Undo => self.worked_before.then_some(&self.before),
        }
    }

    /// What the server has to hold for the role that changes.
    #[must_use]
    pub fn verifier(&self, way: Way) -> Option<&SecretString> {
        match way {
            Way::Finish => Some(&self.new_verifier.0),
            Way::Undo => self.old_verifier.as_ref().map(|v| &v.0),
        }
    }
}

impl Target {
    /// Its bytes after going this way.
    #[must_use]
    pub fn bytes(&self, way: Way) -> &[u8] {
        match way {
            Way::Finish => &self.new.0,
            Way::Undo => &self.old.0,
        }
    }
}

impl Pending {
    /// The env file's bytes once it has gone this way from `now`. Where somebody has edited it in the meantime, only our
    /// own values change.
    ///
    /// # Errors
    /// The edited file cannot be changed.
    pub fn env_bytes(&self, now: &[u8], way: Way) -> Result<Vec<u8>, crate::formats::Problem> {
        if now == self.env.old.0 || now == self.env.new.0 {
            return Ok(self.env.bytes(way).to_vec());
        }
        let mut document = dotenv::Document::parse(now);
        for change in &self.changes {
            let value = if way == Way::Finish { &change.new } else { &change.old };
            match value {
                Some(value) if document.lines(&change.name).is_empty() => document.add(&change.name, &value.0, None)?,
                Some(value) => document.set(&change.name, &value.0)?,
                None => document.remove(&change.name),
            }
        }
        Ok(document.to_bytes())
    }

    /// The same for the userlist.
    ///
    /// # Errors
    /// As [`Pending::env_bytes`].
    pub fn userlist_bytes(&self, now: &[u8], way: Way) -> Result<Vec<u8>, crate::formats::Problem> {
        match &self.userlist {
            Some(target) if now == target.old.0 || now == target.new.0 => return Ok(target.bytes(way).to_vec()),
            _ => {}
        }
        let mut document = userlist::Document::parse(now);
        for role in &self.roles {
            let secret = if way == Way::Finish { &role.new_listed } else { &role.old_listed };
            match secret {
                Some(secret) => document.set(&role.role, &secret.0)?,
                None => document.remove(&role.role),
            }
        }
        Ok(document.to_bytes())
    }

    /// Every name that changes.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.changes.iter().map(|c| c.name.as_str())
    }
}

/// The values that nobody should hold any longer once these changes are done.
#[must_use]
pub fn old_values(changes: &[Change]) -> Vec<&SecretString> {
    let old = changes.iter().filter_map(|c| c.old.as_ref()).map(|v| &v.0);
    old.filter(|v| v.expose_secret().len() >= 8).collect()
}

/// Whether PostgreSQL stores a text as it is rather than hashing it as a password.
#[must_use]
pub fn is_stored_as_it_is(text: &SecretString) -> bool {
    let md5 = text.expose_secret().strip_prefix("md5");
    md5.is_some_and(|hash| hash.len() == 32 && hash.bytes().all(|b| b.is_ascii_hexdigit() && !b.is_ascii_uppercase()))
        || Verifier::parse(text).is_some()
}
