//! What is known of each secret without its value: age, where it is used, what is due and what is weak.

use crate::error::Result;
use crate::process;
use crate::secrets::catalogue::{Config, Kind, Secret};
use crate::secrets::env::EnvFile;
use crate::secrets::generate::Recipe;
use crate::secrets::record;
use crate::secrets::url;
use crate::state::State;
use jiff::Timestamp;
use memchr::memmem;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Files larger than this are not searched for secrets, in bytes.
const LARGEST: u64 = 4 << 20;

/// Values everybody knows, the guide's own among them.
pub const WELL_KNOWN: &[&str] = &[
    "password",
    "postgres",
    "secret",
    "changeme",
    "change-me",
    "change_me",
    "changeit",
    "admin",
    "root",
    "test",
    "default",
    "your-secret-key-here",
    "secure_password",
    "app_secure_password",
    "your_password",
    "example",
    "s3cret",
    "grafana",
];

/// An env file and its secrets.
#[derive(Debug, Serialize)]
pub struct Status {
    /// The env file.
    pub env_file: String,
    /// Its mode, octal.
    pub mode: String,
    /// What is wrong with how it stands there.
    pub problems: Vec<String>,
    /// Its secrets, in its order.
    pub secrets: Vec<Entry>,
}

/// One secret.
#[derive(Debug, Serialize)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// What it is for; `null` where nothing says.
    pub kind: Option<Kind>,
    /// When this program last changed it (RFC 3339).
    pub changed: Option<String>,
    /// Seconds since it was changed; since the file was, where `changed` is `null`: it is at least as old.
    pub age_seconds: i64,
    /// Whether it is older than it may become.
    pub due: bool,
    /// Where it is used.
    pub uses: Vec<String>,
    /// What is wrong with it.
    pub problems: Vec<String>,
}

impl Status {
    /// Whether something is due or wrong.
    #[must_use]
    pub fn wants_work(&self) -> bool {
        !self.problems.is_empty() || self.secrets.iter().any(|s| s.due || !s.problems.is_empty())
    }
}

/// Looks at an env file and at where its secrets are used.
///
/// # Errors
/// The configuration does not fit the file; the state cannot be read.
pub fn status(env: &EnvFile, config: &Config, state: &State, userlist: Option<&Path>) -> Result<Status> {
    let secrets = config.secrets(&env.document)?;
    let tracked = tracked_files(&env.path);
    let modified = fs::metadata(&env.path).map_or(0, |m| m.mtime());
    let leaks = leaks(env, &secrets, tracked.as_deref().unwrap_or_default());
    let compose = beside(&env.path);
    let mut entries = Vec::new();
    for secret in &secrets {
        let changed = record::changed(state, &env.key(), &secret.name)?;
        let age = Timestamp::now().as_second() - changed.map_or(modified, Timestamp::as_second);
        let mut problems = weaknesses(env, secret, &secrets);
        problems.extend(
            leaks
                .iter()
                .filter(|(name, _)| *name == secret.name)
                .map(|(_, file)| format!("stands in {file}, which git tracks")),
        );
        entries.push(Entry {
            name: secret.name.clone(),
            kind: secret.kind,
            changed: changed.map(|c| c.to_string()),
            age_seconds: age.max(0),
            due: secret.kind != Some(Kind::Salt) && age >= i64::try_from(secret.max_age.as_secs()).unwrap_or(i64::MAX),
            uses: uses(env, secret, userlist, &compose),
            problems,
        });
    }
    Ok(Status {
        env_file: env.key(),
        mode: format!("{:04o}", env.attributes.mode),
        problems: file_problems(env, &secrets, tracked.as_ref()),
        secrets: entries,
    })
}

fn file_problems(env: &EnvFile, secrets: &[Secret], tracked: Result<&Vec<PathBuf>, &String>) -> Vec<String> {
    let mut out = Vec::new();
    if fs::symlink_metadata(&env.path).is_ok_and(|m| m.is_symlink()) {
        out.push("it is a link; rotate wants the file itself".to_owned());
    }
    match env.attributes.mode & 0o077 {
        0 => {}
        mode if mode & 0o007 != 0 => out.push(format!("every user can get at it: chmod 600 {}", env.path.display())),
        mode if mode & 0o030 != 0 => out.push(format!("its group may change it: chmod g-wx {}", env.path.display())),
        _ => {}
    }
    match tracked {
        Ok(files) if files.contains(&env.path) => {
            out.push("git tracks it: git rm --cached it, ignore it, and rotate everything in it".to_owned());
        }
        Ok(_) => {}
        Err(why) => out.push(format!("whether git tracks secrets could not be seen: {why}")),
    }
    out.extend(env.document.problems().map(|p| format!("{p}; readers take this line differently")));
    for secret in secrets {
        if let [first, .., last] = env.document.lines(&secret.name).as_slice() {
            out.push(format!("{} stands twice, in lines {first} and {last}", secret.name));
        }
    }
    out
}

/// What makes a value easy to guess, without the value.
fn weaknesses(env: &EnvFile, secret: &Secret, all: &[Secret]) -> Vec<String> {
    let mut out = Vec::new();
    if secret.kind.is_none() {
        out.push(format!(
            "nothing says what it is for: add [secrets.entries.{}] with a kind to llmsql.toml",
            secret.name
        ));
    }
    let Some(value) = env.get(&secret.name) else {
        out.push("is empty".to_owned());
        return out;
    };
    let text = value.expose_secret();
    if Recipe::of_marker(text).is_some() {
        out.push("is still the template's marker".to_owned());
        return out;
    }
    let lower = text.to_ascii_lowercase();
    let letters = lower.chars().collect::<BTreeSet<char>>().len();
    if WELL_KNOWN.contains(&lower.as_str()) || secret.role.as_ref().is_some_and(|r| r.role == lower) {
        out.push("is a value everybody knows".to_owned());
    } else if text.len() < 16 || letters < 8 {
        out.push(format!("is weak: {} characters, {letters} different", text.chars().count()));
    }
    let same =
        |other: &&Secret| other.name != secret.name && env.get(&other.name).is_some_and(|v| v.expose_secret() == text);
    out.extend(all.iter().filter(same).map(|other| format!("has the same value as {}", other.name)));
    out
}

fn uses(env: &EnvFile, secret: &Secret, userlist: Option<&Path>, beside: &[(PathBuf, String)]) -> Vec<String> {
    let mut out = Vec::new();
    if let Some(role) = &secret.role {
        out.push(format!("PostgreSQL role {} ({})", role.role, role.databases.join(", ")));
        out.extend(userlist.map(|path| format!("PgBouncer's {}", path.display())));
    }
    out.extend(copies(env, secret).into_iter().map(|name| format!("a copy in {name}")));
    let mentions = |text: &str| {
        text.match_indices(secret.name.as_str()).any(|(at, found)| {
            let part = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let (before, behind) = (text.get(..at), text.get(at + found.len()..));
            !before.is_some_and(|b| b.ends_with(part)) && !behind.is_some_and(|b| b.starts_with(part))
        })
    };
    out.extend(beside.iter().filter(|(_, text)| mentions(text)).map(|(path, _)| path.display().to_string()));
    out
}

/// Names of the same file whose value is a URL with this password in it.
#[must_use]
pub fn copies(env: &EnvFile, secret: &Secret) -> Vec<String> {
    let Some(value) = env.get(&secret.name).filter(|v| v.expose_secret().len() >= 6) else { return Vec::new() };
    let within = |text: &str| url::replace(text, value.expose_secret(), "").is_some();
    let holds = |name: &&str| env.get(name).is_some_and(|v| within(v.expose_secret()));
    let mut names: Vec<String> = env.document.names().map(|(_, n)| n).filter(holds).map(str::to_owned).collect();
    names.dedup();
    names
}

/// Compose files beside the env file, with their text.
fn beside(env: &Path) -> Vec<(PathBuf, String)> {
    let Some(folder) = env.parent() else { return Vec::new() };
    let named = |path: &PathBuf| {
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        name.contains("compose") && (name.ends_with(".yml") || name.ends_with(".yaml"))
    };
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|e| e.path()).filter(named).collect();
    paths.sort();
    paths.into_iter().filter_map(|path| Some((path.clone(), fs::read_to_string(path).ok()?))).collect()
}

/// Every file that git tracks in the repository around the env file; none where there is no repository.
fn tracked_files(env: &Path) -> Result<Vec<PathBuf>, String> {
    let Some(folder) = env.parent() else { return Ok(Vec::new()) };
    let Some(top) = folder.ancestors().find(|dir| dir.join(".git").exists()) else { return Ok(Vec::new()) };
    let output = process::command("git")
        .arg("-C")
        .arg(top)
        .args(["ls-files", "-z"])
        .output()
        .map_err(|e| format!("git cannot be run: {e}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(said.lines().next().unwrap_or("git failed").to_owned());
    }
    let name = |bytes: &[u8]| top.join(String::from_utf8_lossy(bytes).as_ref());
    Ok(output.stdout.split(|b| *b == 0).filter(|n| !n.is_empty()).map(name).collect())
}

/// Secrets (by name) that stand in tracked files. The search is ours, so that no value reaches another program.
fn leaks(env: &EnvFile, secrets: &[Secret], tracked: &[PathBuf]) -> Vec<(String, String)> {
    let values: Vec<(&str, SecretString)> = secrets
        .iter()
        .filter_map(|s| Some((s.name.as_str(), env.get(&s.name)?)))
        .filter(|(_, value)| value.expose_secret().len() >= 8 && Recipe::of_marker(value.expose_secret()).is_none())
        .collect();
    let mut out = Vec::new();
    for path in tracked.iter().filter(|p| **p != env.path) {
        if !fs::symlink_metadata(path).is_ok_and(|m| m.is_file() && m.len() <= LARGEST) {
            continue;
        }
        let Ok(bytes) = fs::read(path) else { continue };
        for (name, value) in &values {
            if memmem::find(&bytes, value.expose_secret().as_bytes()).is_some() {
                out.push(((*name).to_owned(), path.display().to_string()));
            }
        }
    }
    out
}
