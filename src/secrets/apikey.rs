//! API keys: `llm_<id>_<secret>`, shown once, kept as HMAC-SHA256 under API_KEY_SALT.
//!
//! nginx compares whole keys, so its map file holds them: a secret file of this module alone, 0600 from its first byte,
//! never in a journal, a diff or a rollback.

use crate::error::{Error, Exit, Result};
use crate::output::file::{self, Attributes, Expected};
use crate::plan::nginx::TIERS;
use crate::secrets::catalogue::Config;
use crate::secrets::env::EnvFile;
use crate::secrets::generate;
use crate::secrets::sealed;
use crate::secrets::verifier::same;
use crate::state::State;
use jiff::Timestamp;
use ring::{digest, hmac};
use rusqlite::{OptionalExtension, Row, params};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// The name of the key under which keys are hashed.
pub const SALT: &str = "API_KEY_SALT";

/// Where earlier salts stand, parted by commas, while keys that were hashed under them are alive.
pub const PREVIOUS_SALTS: &str = "API_KEY_SALT_PREVIOUS";

/// Random bits of a key's secret part.
const BITS: u32 = 256;

/// Random bits of a key's id.
const ID_BITS: u32 = 56;

/// A tier: the guide's (3.2, 5.3) or one of the operator's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tier {
    /// Its name.
    pub name: String,
    /// The word in nginx's map, which gives the requests a second.
    pub nginx: String,
    /// Requests a second that nginx lets through, unless the plan sets other rates.
    pub per_second: u64,
    /// Requests an hour at the API.
    pub per_hour: u64,
}

/// Every tier there is.
#[must_use]
pub fn tiers(config: &Config) -> Vec<Tier> {
    let built_in = TIERS.map(|(name, per_second, per_hour)| Tier {
        name: name.to_owned(),
        nginx: name.to_owned(),
        per_second,
        per_hour,
    });
    let own = config.tiers.iter().map(|(name, tier)| Tier {
        name: name.clone(),
        nginx: tier.nginx.clone(),
        per_second: TIERS.iter().find(|(n, ..)| *n == tier.nginx).map_or(0, |(_, rate, _)| *rate),
        per_hour: tier.per_hour,
    });
    let mut all: Vec<Tier> = built_in.into();
    for tier in own {
        all.retain(|t| t.name != tier.name);
        all.push(tier);
    }
    all
}

/// A key as it is kept.
#[derive(Debug, Clone, Serialize)]
pub struct ApiKey {
    /// Its id, the middle part of the key.
    pub id: String,
    /// Whose it is, in the operator's words.
    pub name: String,
    /// Its tier.
    pub tier: String,
    /// When it was made (RFC 3339).
    pub created: String,
    /// When it was revoked.
    pub revoked: Option<String>,
    /// HMAC-SHA256 of the whole key under the salt, hexadecimal.
    pub hash: String,
    /// Which salt: the first digits of its SHA-256.
    pub salt: String,
}

/// The keys, their salts and nginx's map.
#[derive(Debug)]
pub struct Keys<'a> {
    state: &'a State,
    salts: Vec<(String, SecretString)>,
    /// nginx's map file, where this host has one or is to have one.
    pub map: Option<PathBuf>,
}

const TABLE: &str = "CREATE TABLE IF NOT EXISTS api_keys (id TEXT PRIMARY KEY, name TEXT NOT NULL, tier TEXT NOT NULL,
   created TEXT NOT NULL, revoked TEXT, hash TEXT NOT NULL, salt TEXT NOT NULL) WITHOUT ROWID";

impl<'a> Keys<'a> {
    /// Opens them. The first salt of the env file is the one new keys are hashed under.
    ///
    /// # Errors
    /// No salt; the state cannot be used.
    pub fn open(state: &'a State, env: &EnvFile, map: Option<PathBuf>) -> Result<Keys<'a>> {
        let mut salts = vec![env.need(SALT)?];
        if let Some(previous) = env.get(PREVIOUS_SALTS) {
            salts.extend(previous.expose_secret().split(',').filter(|s| !s.is_empty()).map(SecretString::from));
        }
        let salts = salts.into_iter().map(|salt| (version(&salt), salt)).collect();
        state.connection().execute(TABLE, []).map_err(|e| unusable(&e))?;
        Ok(Keys { state, salts, map })
    }

    /// Makes a key. It is returned once and kept by nobody but nginx's map.
    ///
    /// # Errors
    /// The state or the map cannot be written; nothing has changed then.
    pub fn create(&self, tier: &Tier, name: &str) -> Result<(ApiKey, SecretString)> {
        let Some((version, salt)) = self.salts.first() else {
            return Err(Error::usage("apikey.salt", "there is no salt"));
        };
        let id = generate::text(ID_BITS)?.expose_secret().to_ascii_lowercase();
        let key: SecretString = format!("llm_{id}_{}", generate::text(BITS)?.expose_secret()).into();
        let made = ApiKey {
            id,
            name: name.to_owned(),
            tier: tier.name.clone(),
            created: now(),
            revoked: None,
            hash: keyed_hash(salt, &key),
            salt: version.clone(),
        };
        // Until the map holds it nobody can use the key, and until it is shown nobody knows it.
        let row = params![made.id, made.name, made.tier, made.created, made.hash, made.salt];
        let sql = "INSERT INTO api_keys (id, name, tier, created, hash, salt) VALUES (?, ?, ?, ?, ?, ?)";
        self.state.connection().execute(sql, row).map_err(|e| unusable(&e))?;
        let line = format!("\"{}\" {};\n", key.expose_secret(), tier.nginx);
        if let Err(e) = self.change_map(&made.id, Some(line)) {
            let sql = "DELETE FROM api_keys WHERE id = ?";
            self.state.connection().execute(sql, [&made.id]).map_err(|e| unusable(&e))?;
            return Err(e);
        }
        Ok((made, key))
    }

    /// Ends a key: out of nginx's map first, then noted. A key that was revoked before stays so.
    ///
    /// # Errors
    /// No such key; the map or the state cannot be written.
    pub fn revoke(&self, id: &str) -> Result<ApiKey> {
        let mut key = self.find(id)?;
        self.change_map(&key.id, None)?;
        if key.revoked.is_none() {
            key.revoked = Some(now());
            let sql = "UPDATE api_keys SET revoked = ? WHERE id = ?";
            self.state.connection().execute(sql, params![key.revoked, key.id]).map_err(|e| unusable(&e))?;
        }
        Ok(key)
    }

    /// The key of an id.
    ///
    /// # Errors
    /// There is none (exit 64).
    pub fn find(&self, id: &str) -> Result<ApiKey> {
        let sql = "SELECT id, name, tier, created, revoked, hash, salt FROM api_keys WHERE id = ?";
        let found = self.state.connection().query_row(sql, [id], read_row).optional().map_err(|e| unusable(&e))?;
        found.ok_or_else(|| {
            // What was given may be a whole key: it is not repeated.
            Error::usage("apikey.unknown", "there is no API key of this id")
                .next("llmsql apikey list shows the ids; an id is the middle part of a key")
        })
    }

    /// Every key, oldest first.
    ///
    /// # Errors
    /// Those of reading.
    pub fn all(&self) -> Result<Vec<ApiKey>> {
        let read = || -> rusqlite::Result<Vec<ApiKey>> {
            let sql = "SELECT id, name, tier, created, revoked, hash, salt FROM api_keys ORDER BY created, id";
            self.state.connection().prepare(sql)?.query_map([], read_row)?.collect()
        };
        read().map_err(|e| unusable(&e))
    }

    /// The live key that this is.
    ///
    /// # Errors
    /// It is none, or is revoked (exit 12).
    pub fn check(&self, key: &SecretString) -> Result<ApiKey> {
        let refused = |what: &str| Error::new(Exit::LoginFailed, "apikey.refused", what);
        let id = key.expose_secret().strip_prefix("llm_").and_then(|rest| rest.split_once('_')).map(|(id, _)| id);
        let found = id.map(|id| self.find(id)).transpose().unwrap_or_default();
        let found = found.ok_or_else(|| refused("this is no API key of this host"))?;
        let salt = self.salts.iter().find(|(version, _)| *version == found.salt).map(|(_, salt)| salt);
        let salt = salt.ok_or_else(|| {
            refused("the salt under which this key was hashed is gone from the env file").next(format!(
                "bring it back with llmsql secrets restore, or rotate the key: llmsql apikey rotate {}",
                found.id
            ))
        })?;
        if !same(&keyed_hash(salt, key).into(), &found.hash.clone().into()) {
            return Err(refused("this is no API key of this host"));
        }
        match found.revoked {
            Some(when) => Err(refused(&format!("the key {} was revoked at {when}", found.id))),
            None => Ok(found),
        }
    }

    /// Whether the salt a key was hashed under is still there.
    #[must_use]
    pub fn has_salt(&self, key: &ApiKey) -> bool {
        self.salts.iter().any(|(version, _)| *version == key.salt)
    }

    /// The ids whose whole keys stand in nginx's map, with the tier there; `None` where there is no map.
    ///
    /// # Errors
    /// The map cannot be read.
    pub fn mapped(&self) -> Result<Option<Vec<(String, String)>>> {
        let Some(path) = &self.map else { return Ok(None) };
        match fs::read_to_string(path) {
            Ok(text) => {
                Ok(Some(text.lines().filter_map(read_line).map(|(i, t)| (i.to_owned(), t.to_owned())).collect()))
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(map_error(path, e)),
        }
    }

    /// Takes the line of an id out of the map, and puts another in its place.
    fn change_map(&self, id: &str, line: Option<String>) -> Result<()> {
        let Some(path) = &self.map else { return Ok(()) };
        let folder = file::folder(path);
        if line.is_some() && !folder.exists() {
            fs::DirBuilder::new().mode(0o700).create(folder).map_err(|e| {
                map_error(folder, e).next("make the folder, or name another file with [secrets] api_keys_file")
            })?;
        }
        if line.is_none() && !path.exists() {
            return Ok(());
        }
        let _lock = file::lock(folder)?;
        let path = file::target(path)?;
        let old = Attributes::of(&path).map_err(|e| map_error(&path, e))?;
        let bytes = match &old {
            Some(_) => fs::read(&path).map_err(|e| map_error(&path, e))?,
            None => b"# Whole API keys with their tier, written by llmsql apikey. Secret: for nginx's master process alone.\n".to_vec(),
        };
        let bytes = Zeroizing::new(bytes);
        let mut text = Zeroizing::new(
            String::from_utf8(bytes.to_vec())
                .map_err(|_| Error::failed("apikey.map", "is no UTF-8, so it is not changed").at(path.display()))?,
        );
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        let kept = text.split_inclusive('\n').filter(|l| read_line(l).is_none_or(|(found, _)| found != id));
        let new = Zeroizing::new(kept.map(str::to_owned).chain(line).collect::<String>());
        let attributes = Attributes { mode: 0o600, ..old.clone().unwrap_or_else(sealed::private) };
        file::trusted(&path, attributes.uid)?;
        let expected = if old.is_some() { Expected::Content(&bytes) } else { Expected::Absent };
        let written = file::sweep(file::folder(&path), sealed::TAG)
            .and_then(|()| file::stage(&path, new.as_bytes(), Some(&attributes), sealed::TAG))
            .and_then(|staged| staged.commit(expected).map_err(std::io::Error::from));
        written.map_err(|e| map_error(&path, e))
    }
}

/// Id and tier of a line `"llm_<id>_<secret>" tier;`.
fn read_line(line: &str) -> Option<(&str, &str)> {
    let (key, tier) = line.trim().strip_prefix("\"llm_")?.split_once('"')?;
    let (id, _) = key.split_once('_')?;
    Some((id, tier.trim().strip_suffix(';')?.trim()))
}

fn read_row(row: &Row<'_>) -> rusqlite::Result<ApiKey> {
    Ok(ApiKey {
        id: row.get(0)?,
        name: row.get(1)?,
        tier: row.get(2)?,
        created: row.get(3)?,
        revoked: row.get(4)?,
        hash: row.get(5)?,
        salt: row.get(6)?,
    })
}

fn keyed_hash(salt: &SecretString, key: &SecretString) -> String {
    let salt = hmac::Key::new(hmac::HMAC_SHA256, salt.expose_secret().as_bytes());
    hex(hmac::sign(&salt, key.expose_secret().as_bytes()).as_ref())
}

/// Names a salt without telling it: it is random, so its hash gives nothing away.
#[must_use]
pub fn version(salt: &SecretString) -> String {
    let hash = digest::digest(&digest::SHA256, format!("llmsql salt {}", salt.expose_secret()).as_bytes());
    hex(hash.as_ref().get(..4).unwrap_or_default())
}

/// The salts among these that live keys were hashed under.
///
/// # Errors
/// The state cannot be read.
pub fn salts_in_use(state: &State) -> Result<Vec<String>> {
    let read = || -> rusqlite::Result<Vec<String>> {
        state.connection().execute(TABLE, [])?;
        let sql = "SELECT DISTINCT salt FROM api_keys WHERE revoked IS NULL";
        state.connection().prepare(sql)?.query_map([], |row| row.get(0))?.collect()
    };
    read().map_err(|e| unusable(&e))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn now() -> String {
    Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn unusable(cause: &rusqlite::Error) -> Error {
    Error::failed("apikey.state", "the API keys cannot be used").because(cause.to_string())
}

fn map_error(path: &Path, cause: std::io::Error) -> Error {
    Error::failed("apikey.map", "nginx's map of API keys cannot be used").at(path.display()).because(cause)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    fn env(dir: &Path, text: &str) -> EnvFile {
        let path = dir.join(".env");
        fs::write(&path, text).unwrap();
        EnvFile::read(&path).unwrap()
    }

    #[test]
    fn a_key_lives_until_it_is_revoked() {
        let dir = tempfile::tempdir().unwrap();
        let state = State::open_in(dir.path()).unwrap();
        let map = dir.path().join("secrets/keys.map");
        let env = env(dir.path(), "API_KEY_SALT=abc\n");
        let keys = Keys::open(&state, &env, Some(map.clone())).unwrap();
        let all = tiers(&Config::default());
        let (one, key) = keys.create(&all[1], "ada").unwrap();
        let (two, _) = keys.create(&all[0], "bob").unwrap();
        assert_eq!(keys.check(&key).unwrap().name, "ada");
        assert!(fs::read_to_string(&map).unwrap().contains(&format!("\"{}\" premium;\n", key.expose_secret())));
        assert_eq!(fs::metadata(&map).unwrap().mode() & 0o777, 0o600);
        fs::set_permissions(&map, fs::Permissions::from_mode(0o644)).unwrap();
        keys.revoke(&one.id).unwrap();
        assert_eq!(fs::metadata(&map).unwrap().mode() & 0o777, 0o600, "a mode that was too open is mended");
        assert_eq!(keys.check(&key).unwrap_err().exit, Exit::LoginFailed);
        assert_eq!(keys.mapped().unwrap().unwrap(), [(two.id, "free".to_owned())]);
        let database = fs::read(dir.path().join("state.db")).unwrap();
        let secret = key.expose_secret().rsplit('_').next().unwrap().as_bytes();
        assert!(memchr::memmem::find(&database, secret).is_none());
    }

    #[test]
    fn keys_of_an_earlier_salt_are_known_while_it_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let state = State::open_in(dir.path()).unwrap();
        let tier = &tiers(&Config::default())[0];
        let first = env(dir.path(), "API_KEY_SALT=abc\n");
        let (_, key) = Keys::open(&state, &first, None).unwrap().create(tier, "ada").unwrap();
        let both = env(dir.path(), "API_KEY_SALT=def\nAPI_KEY_SALT_PREVIOUS=x,abc\n");
        Keys::open(&state, &both, None).unwrap().check(&key).unwrap();
        let gone = env(dir.path(), "API_KEY_SALT=def\n");
        assert!(Keys::open(&state, &gone, None).unwrap().check(&key).unwrap_err().what.contains("salt"));
        assert_eq!(salts_in_use(&state).unwrap(), [version(&"abc".into())]);
    }

    #[test]
    fn a_key_that_cannot_reach_nginx_is_not_made() {
        let dir = tempfile::tempdir().unwrap();
        let state = State::open_in(dir.path()).unwrap();
        let env = env(dir.path(), "API_KEY_SALT=abc\n");
        let keys = Keys::open(&state, &env, Some(dir.path().join("no/such/folder/map"))).unwrap();
        assert!(keys.create(&tiers(&Config::default())[0], "ada").is_err());
        assert!(keys.all().unwrap().is_empty());
        assert!(keys.check(&"llm_x_y".into()).is_err() && keys.check(&"nonsense".into()).is_err());
    }
}
