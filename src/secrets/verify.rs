//! Every secret tried everywhere it should work.

use crate::error::Result;
use crate::formats::userlist;
use crate::postgres::connect::Session;
use crate::postgres::conninfo::Conninfo;
use crate::secrets::apikey;
use crate::secrets::catalogue::{Kind, RoleUse, Secret};
use crate::secrets::env::EnvFile;
use crate::secrets::pending::Login;
use crate::secrets::pooler::Pooler;
use crate::secrets::verifier::{Verifier, same};
use crate::secrets::{roles, token};
use crate::state::State;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde_json::Map;
use std::fs;

/// One thing that was tried.
#[derive(Debug, Serialize)]
pub struct Check {
    /// The secret's name.
    pub name: String,
    /// Where it was tried.
    pub place: String,
    /// Whether it works; `null` where it could not be tried.
    pub works: Option<bool>,
    /// What was found, or why it could not be tried.
    pub detail: String,
}

/// What verification needs.
#[derive(Debug)]
pub struct Tools<'a> {
    /// The connection that may read `pg_authid`, and whose server is tried.
    pub base: Option<Conninfo>,
    /// PgBouncer.
    pub pooler: Option<&'a Pooler>,
    /// The state, for API keys.
    pub state: &'a State,
}

/// Tries every secret.
///
/// # Errors
/// The state cannot be read. What does not work is no error but a [`Check`].
pub async fn verify(env: &EnvFile, secrets: &[Secret], tools: &Tools<'_>) -> Result<Vec<Check>> {
    let mut checks = Vec::new();
    for secret in secrets {
        let name = &secret.name;
        let mut add = |place: &str, works: Option<bool>, detail: String| {
            checks.push(Check { name: name.clone(), place: place.to_owned(), works, detail });
        };
        let Some(value) = env.get(name) else {
            add("env file", Some(false), "is empty".to_owned());
            continue;
        };
        match (secret.kind, &secret.role) {
            (Some(Kind::Role), Some(role)) => role_checks(role, &value, tools, &mut add).await?,
            (Some(Kind::Jwt), _) => {
                let tried = token::Keys::of(env).and_then(|keys| {
                    let minted = keys.mint(Map::new(), 1)?;
                    keys.verify(&minted, None, None)
                });
                match tried {
                    Ok(_) => add("token", Some(true), "signs, and its signature is accepted".to_owned()),
                    Err(e) => add("token", Some(false), e.to_string()),
                }
            }
            (Some(Kind::Salt), _) => {
                let keys = apikey::Keys::open(tools.state, env, None)?;
                let lost = keys.all()?.iter().filter(|k| k.revoked.is_none() && !keys.has_salt(k)).count();
                let detail = if lost == 0 {
                    "every live key was hashed under it".to_owned()
                } else {
                    format!("{lost} live keys were hashed under a salt that is gone")
                };
                add("API keys", Some(lost == 0), detail);
            }
            (Some(Kind::Foreign), _) => add("its own server", None, "needs that server's client".to_owned()),
            (Some(Kind::Application), _) => add("the application", None, "only the application knows it".to_owned()),
            _ => add("?", None, "nothing says what it is for".to_owned()),
        }
    }
    Ok(checks)
}

async fn role_checks(
    role: &RoleUse,
    password: &SecretString,
    tools: &Tools<'_>,
    add: &mut impl FnMut(&str, Option<bool>, String),
) -> Result<()> {
    let login = Login { role: role.role.clone(), password: password.clone().into() };
    let mut said = |place: &str, tried: Result<()>, good: &str| match tried {
        Ok(()) => add(place, Some(true), good.to_owned()),
        Err(e) => add(place, Some(false), e.to_string()),
    };
    let Some(base) = &tools.base else { return Ok(()) };
    for database in &role.databases {
        let tried = roles::direct(base, &login, database).await;
        let trusted = tried.is_ok() && roles::lets_anyone_in(base, &role.role, database).await?;
        let good = if trusted { "logs in, but so does any password: pg_hba.conf says trust" } else { "logs in" };
        said(&format!("server, {database}"), tried, good);
        if let Some((pooler, entry)) = tools.pooler.and_then(|p| Some((p, p.entry_for(&role.role, database)?))) {
            said(&format!("PgBouncer, {entry}"), roles::through(pooler, &login, &entry, false).await, "logs in");
        }
    }
    if let Some(pooler) = tools.pooler
        && let Some(path) = &pooler.userlist
    {
        match fs::read(path) {
            Ok(bytes) => {
                let document = userlist::Document::parse(&bytes);
                let listed = document.get(&role.role);
                let works = listed.as_ref().map(|listed| fits(listed, password));
                let detail = match (works, pooler.auth_query) {
                    (Some(true), _) => "holds it",
                    (Some(false), _) => "holds another",
                    (None, true) => "has no line for the role: auth_query asks the server",
                    (None, false) => "has no line for the role",
                };
                let works = if works.is_none() && !pooler.auth_query { Some(false) } else { works };
                add(&path.display().to_string(), works, detail.to_owned());
                if let Some(problem) = document.problems().next() {
                    add(&path.display().to_string(), Some(false), format!("{problem}; PgBouncer stops reading there"));
                }
            }
            Err(e) => add(&path.display().to_string(), None, format!("cannot be read: {e}")),
        }
    }
    if let Ok(admin) = Session::open(base).await
        && let Ok(found) = roles::find(&admin, &role.role).await
        && let Some(stored) = found.verifier
    {
        let (works, detail) = match stored.map(|s| (fits(&s, password), Verifier::parse(&s).is_some())) {
            Some((true, true)) => (true, "holds its SCRAM verifier"),
            Some((true, false)) => (true, "holds an md5 hash: rotate it, and PostgreSQL gets a SCRAM verifier"),
            Some((false, _)) => (false, "holds another"),
            None => (false, "the role has no password"),
        };
        add("pg_authid", Some(works), detail.to_owned());
    }
    Ok(())
}

/// Whether what a server or a userlist holds is this password's. Of an md5 hash only the login can tell.
fn fits(stored: &SecretString, password: &SecretString) -> bool {
    match Verifier::parse(stored) {
        Some(verifier) => verifier.fits(password),
        None => stored.expose_secret().starts_with("md5") || same(stored, password),
    }
}
