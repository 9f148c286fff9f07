//! Which names of an env file are secrets, what each is for, and what `[secrets]` of llmsql.toml says about them.

use crate::error::{Error, Result};
use crate::formats::dotenv::Document;
use crate::profile::config;
use crate::units;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// What is kept of earlier values unless `[secrets] keep` says otherwise.
pub const KEEP: usize = 5;

/// How old a secret may become unless `max_age` says otherwise.
const MAX_AGE: Duration = Duration::from_secs(90 * 86_400);

/// What a secret is for, and so what rotating it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The password of a PostgreSQL role: env file, server and PgBouncer change together.
    Role,
    /// Known to the application alone: the env file changes and the services are reloaded.
    Application,
    /// Signs tokens: the old key goes on being accepted until the last of its tokens has expired.
    Jwt,
    /// The key under which API keys are hashed. Never part of `--all`: it is what every key was issued under.
    Salt,
    /// Another server's password: the env file changes, and that server has to be told by its own command.
    Foreign,
}

/// `[secrets]` of llmsql.toml.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The env file; `.env` in the working folder by default.
    pub env_file: Option<PathBuf>,
    /// PgBouncer's file; `/etc/pgbouncer/pgbouncer.ini` where there is one by default. `""`: there is no PgBouncer.
    pub pgbouncer_ini: Option<PathBuf>,
    /// Rounds of PBKDF2 in a verifier.
    pub iterations: Option<u32>,
    /// Earlier values kept, for `restore`.
    pub keep: Option<usize>,
    /// How old a secret may become: `90d`.
    pub max_age: Option<String>,
    /// Commands that make services read the env file anew, each run by `sh -c`.
    pub reload: Vec<String>,
    /// nginx's map of whole API keys.
    pub api_keys_file: Option<PathBuf>,
    /// Tiers of API keys beside free, premium and enterprise.
    pub tiers: BTreeMap<String, TierConfig>,
    /// Secrets by name.
    pub entries: BTreeMap<String, EntryConfig>,
}

/// `[secrets.tiers.NAME]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TierConfig {
    /// The tier of nginx's whose rate it has: free, premium or enterprise.
    pub nginx: String,
    /// Requests an hour at the API.
    pub per_hour: u64,
}

/// `[secrets.entries.NAME]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EntryConfig {
    /// What it is for.
    pub kind: Option<Kind>,
    /// The role whose password it is.
    pub role: Option<String>,
    /// The name in the env file that holds the role's name.
    pub user_entry: Option<String>,
    /// Databases whose logins prove it.
    pub databases: Vec<String>,
    /// Two roles that take turns (`--strategy alternate`).
    pub alternate: Vec<String>,
    /// How old it may become.
    pub max_age: Option<String>,
    /// Commands of its own, after those of `[secrets]`.
    pub reload: Vec<String>,
}

/// A role's part of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleUse {
    /// The role now.
    pub role: String,
    /// Where the role's name stands in the env file, if it does.
    pub user_entry: Option<String>,
    /// Databases to prove a login in; never empty.
    pub databases: Vec<String>,
    /// The two roles that take turns, if there are two.
    pub alternate: Option<[String; 2]>,
}

/// One secret of an env file.
#[derive(Debug, Clone)]
pub struct Secret {
    /// Its name.
    pub name: String,
    /// What it is for; `None` where its name sounds like a secret and nothing says what it is.
    pub kind: Option<Kind>,
    /// For [`Kind::Role`].
    pub role: Option<RoleUse>,
    /// How old it may become.
    pub max_age: Duration,
    /// Commands of its own.
    pub reload: Vec<String>,
}

impl Config {
    /// Reads the section of the operator's file.
    ///
    /// # Errors
    /// What does not fit, with line and column.
    pub fn of(document: &config::Document) -> Result<Config> {
        let config: Config = document.section("secrets")?.unwrap_or_default();
        let ages = config.entries.values().filter_map(|e| e.max_age.as_deref()).chain(config.max_age.as_deref());
        for age in ages {
            parse_age(age)?;
        }
        for (name, tier) in &config.tiers {
            if !["free", "premium", "enterprise"].contains(&tier.nginx.as_str()) {
                return Err(wrong(&format!("secrets.tiers.{name}.nginx"), "has to be free, premium or enterprise"));
            }
        }
        for (name, entry) in &config.entries {
            let at = |what: &str| format!("secrets.entries.{name}.{what}");
            if !matches!(entry.alternate.len(), 0 | 2)
                || entry.alternate.first() == entry.alternate.get(1) && !entry.alternate.is_empty()
            {
                return Err(wrong(&at("alternate"), "names two roles, or none"));
            }
            if !entry.alternate.is_empty() && entry.user_entry.is_none() {
                return Err(wrong(
                    &at("user_entry"),
                    "has to say where the env file holds the role's name, since it changes",
                ));
            }
        }
        Ok(config)
    }

    /// The secrets of an env file, in its order.
    ///
    /// # Errors
    /// A role that nothing names; an entry whose kind nothing says.
    pub fn secrets(&self, env: &Document) -> Result<Vec<Secret>> {
        let mut found: Vec<Secret> = Vec::new();
        for (_, name) in env.names() {
            if found.iter().any(|s| s.name == name) {
                continue;
            }
            if let Some(secret) = self.secret(name, env)? {
                found.push(secret);
            }
        }
        Ok(found)
    }

    fn secret(&self, name: &str, env: &Document) -> Result<Option<Secret>> {
        let own = self.entries.get(name).cloned().unwrap_or_default();
        let role_named = own.role.is_some() || own.user_entry.is_some();
        let kind = own.kind.or(role_named.then_some(Kind::Role)).or_else(|| known(name));
        if kind.is_none() && !sounds_secret(name) && !self.entries.contains_key(name) {
            return Ok(None);
        }
        let role = if kind == Some(Kind::Role) { Some(self.role(name, &own, env)?) } else { None };
        let max_age = match own.max_age.as_deref().or(self.max_age.as_deref()) {
            Some(age) => parse_age(age)?,
            None => MAX_AGE,
        };
        Ok(Some(Secret { name: name.to_owned(), kind, role, max_age, reload: own.reload }))
    }

    fn role(&self, name: &str, own: &EntryConfig, env: &Document) -> Result<RoleUse> {
        let postgres = name == "POSTGRES_PASSWORD";
        let user_entry = own.user_entry.clone().or_else(|| postgres.then(|| "POSTGRES_USER".to_owned()));
        let said = user_entry.as_deref().and_then(|entry| env.get(entry)).map(|v| v.expose_secret().to_owned());
        // The image's own default, where the env file leaves the name out.
        let role = own.role.clone().or(said).or_else(|| postgres.then(|| "postgres".to_owned()));
        let role = role.filter(|r| !r.is_empty()).ok_or_else(|| {
            let entry = user_entry.as_deref().unwrap_or("user_entry");
            wrong(&format!("secrets.entries.{name}"), &format!("no role is named: {entry} is not in the env file"))
        })?;
        let database = env.get("POSTGRES_DB").map(|v| v.expose_secret().to_owned()).filter(|d| !d.is_empty());
        let databases = if own.databases.is_empty() {
            vec![database.unwrap_or_else(|| role.clone())]
        } else {
            own.databases.clone()
        };
        let alternate = <[String; 2]>::try_from(own.alternate.clone()).ok();
        Ok(RoleUse { role, user_entry, databases, alternate })
    }
}

fn wrong(place: &str, what: &str) -> Error {
    Error::usage("secrets.config", what).at(place)
}

/// `90d`, and whatever else is a duration in this program.
fn parse_age(text: &str) -> Result<Duration> {
    units::parse_millis(text).map(Duration::from_millis).map_err(|e| wrong("secrets.max_age", &e))
}

/// The names of the guide's env file.
fn known(name: &str) -> Option<Kind> {
    Some(match name {
        "POSTGRES_PASSWORD" => Kind::Role,
        "SECRET_KEY" => Kind::Application,
        "JWT_SECRET_KEY" => Kind::Jwt,
        "API_KEY_SALT" => Kind::Salt,
        "MYSQL_ROOT_PASSWORD" | "MYSQL_PASSWORD" | "GRAFANA_PASSWORD" => Kind::Foreign,
        _ => return None,
    })
}

/// Whether a name is one of the guide's secrets.
#[must_use]
pub fn is_known(name: &str) -> bool {
    known(name).is_some()
}

/// Whether a name sounds like a secret's. What the program keeps beside a secret is none of its own.
fn sounds_secret(name: &str) -> bool {
    let word = |w: &&str| matches!(*w, "PASSWORD" | "PASSWD" | "SECRET" | "TOKEN" | "SALT" | "APIKEY" | "CREDENTIALS");
    let upper = name.to_ascii_uppercase();
    let key = upper == "KEY" || upper.ends_with("_KEY");
    (key || upper.split(['_', '.', '-']).any(|w| word(&w)))
        && !upper.ends_with("_PREVIOUS")
        && !upper.ends_with("_FILE")
}

/// What the operator of another server has to do once its password has changed in the env file.
#[must_use]
pub fn foreign_command(name: &str) -> String {
    match name {
        "MYSQL_ROOT_PASSWORD" => {
            "MySQL: ALTER USER 'root'@'localhost' IDENTIFIED BY … (mysql_secure_installation asks for it without echo)"
                .to_owned()
        }
        "MYSQL_PASSWORD" => "MySQL: ALTER USER CURRENT_USER() IDENTIFIED BY …, as the user of MYSQL_USER".to_owned(),
        "GRAFANA_PASSWORD" => "Grafana: grafana cli admin reset-admin-password --password-from-stdin".to_owned(),
        _ => format!("the server that knows {name} has to be told by its own command"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn config(text: &str) -> Result<Config> {
        Config::of(&config::Document::parse(Path::new("llmsql.toml"), "llmsql.toml", text.to_owned()).unwrap())
    }

    #[test]
    fn the_guides_names_are_known() {
        let env = Document::parse(crate::secrets::TEMPLATE.as_bytes());
        let found = config("").unwrap().secrets(&env).unwrap();
        let kinds: Vec<(&str, Option<Kind>)> = found.iter().map(|s| (s.name.as_str(), s.kind)).collect();
        assert_eq!(
            kinds,
            [
                ("POSTGRES_PASSWORD", Some(Kind::Role)),
                ("MYSQL_ROOT_PASSWORD", Some(Kind::Foreign)),
                ("MYSQL_PASSWORD", Some(Kind::Foreign)),
                ("SECRET_KEY", Some(Kind::Application)),
                ("API_KEY_SALT", Some(Kind::Salt)),
                ("JWT_SECRET_KEY", Some(Kind::Jwt)),
                ("GRAFANA_PASSWORD", Some(Kind::Foreign)),
            ]
        );
        let role = found[0].role.as_ref().unwrap();
        assert_eq!((role.role.as_str(), role.databases[0].as_str()), ("pgadmin", "llm_analytics"));
    }

    #[test]
    fn what_sounds_like_a_secret_is_not_passed_over() {
        let env =
            Document::parse(b"VENDOR_TOKEN=x\nJWT_SECRET_KEY_PREVIOUS=y\nKEYBOARD=de\nDB_PASSWORD_FILE=/x\nMONKEY=1\n");
        let found = config("").unwrap().secrets(&env).unwrap();
        assert_eq!(found.iter().map(|s| (s.name.as_str(), s.kind)).collect::<Vec<_>>(), [("VENDOR_TOKEN", None)]);
    }

    #[test]
    fn entries_are_configured() {
        let text = "[secrets.entries.APP_PASSWORD]\nuser_entry = \"APP_USER\"\nalternate = [\"app_a\", \"app_b\"]\n\
                    databases = [\"one\", \"two\"]\nmax_age = \"30d\"\n";
        let env = Document::parse(b"APP_USER=app_a\nAPP_PASSWORD=x\n");
        let found = config(text).unwrap().secrets(&env).unwrap();
        assert_eq!(found[0].max_age, Duration::from_secs(30 * 86_400));
        assert_eq!(found[0].role.as_ref().unwrap().alternate, Some(["app_a".to_owned(), "app_b".to_owned()]));
        assert!(config(text).unwrap().secrets(&Document::parse(b"APP_PASSWORD=x\n")).is_err());
        for wrong in [
            "[secrets]\nmax_age = \"soon\"",
            "[secrets]\nunknown = 1",
            "[secrets.entries.A]\nalternate = [\"a\"]",
            "[secrets.entries.A]\nuser_entry = \"U\"\nalternate = [\"a\", \"a\"]",
            "[secrets.entries.A]\nalternate = [\"a\", \"b\"]",
            "[secrets.tiers.x]\nnginx = \"gold\"\nper_hour = 1",
        ] {
            assert_eq!(config(wrong).unwrap_err().exit.code(), 64, "{wrong}");
        }
    }
}
