//! Files that stay the operator's: our keys are put into them, the rest is kept.

use super::Ownership;
use super::context;
use super::files::FileSpec;
use crate::formats::{Problem, ini, postgresql_conf};
use crate::plan::{Component, Plan};

/// How our keys are put into the operator's own file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// The folder is included at the end, unless it already is.
    IncludeDir(String),
    /// Keys of an ini file, in order.
    Ini(Vec<IniKey>),
}

/// A key of an ini file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IniKey {
    /// The section.
    pub section: &'static str,
    /// The key.
    pub key: String,
    /// The value.
    pub value: String,
    /// Why, for where the key is new.
    pub comment: Vec<String>,
    /// Whether the operator's own value stays where there is one.
    pub keep: bool,
}

impl IniKey {
    /// The operator's value that stays, where it is another than ours.
    fn theirs<'a>(&self, doc: &'a ini::Document) -> Option<&'a str> {
        let own = doc.get(self.section, &self.key).or_else(|| {
            // A database of its own would take its clients away from where `*` sends them.
            (self.section == "databases").then(|| doc.get(self.section, "*")).flatten()
        })?;
        (self.keep && own != self.value).then_some(own)
    }
}

impl Edit {
    /// The operator's file with our keys in it.
    ///
    /// # Errors
    /// A value that the file cannot hold.
    pub fn apply(&self, existing: &[u8]) -> Result<Vec<u8>, Problem> {
        match self {
            Edit::IncludeDir(dir) => {
                let mut doc = postgresql_conf::Document::parse(existing);
                doc.include_dir(dir);
                Ok(doc.to_bytes())
            }
            Edit::Ini(keys) => {
                let mut doc = ini::Document::parse(existing);
                for ours in keys {
                    if ours.theirs(&doc).is_some() {
                        continue;
                    }
                    let IniKey { section, key, value, comment, .. } = ours;
                    let merged = match doc.get(section, key) {
                        Some(theirs) if *section == "databases" => merge_connection(theirs, value),
                        _ => value.clone(),
                    };
                    doc.set(section, key, &merged, comment)?;
                }
                Ok(doc.to_bytes())
            }
        }
    }
}

impl Edit {
    /// Whether what is ours stands in `now` as it stood in `then`, whatever else was changed. A key of which the
    /// operator's value would be kept is his.
    #[must_use]
    pub fn stands(&self, then: &[u8], now: &[u8]) -> bool {
        match self {
            Edit::IncludeDir(dir) => !postgresql_conf::Document::parse(now).include_dir(dir),
            Edit::Ini(keys) => {
                let (then, now) = (ini::Document::parse(then), ini::Document::parse(now));
                keys.iter().filter(|k| !k.keep).all(|k| then.get(k.section, &k.key) == now.get(k.section, &k.key))
            }
        }
    }

    /// What of the operator's stays although the plan has it otherwise, a sentence each, passwords left out.
    #[must_use]
    pub fn kept(&self, existing: &[u8]) -> Vec<String> {
        let Edit::Ini(keys) = self else { return Vec::new() };
        let doc = ini::Document::parse(existing);
        let mut kept = Vec::new();
        for ours in keys {
            let Some(theirs) = ours.theirs(&doc) else { continue };
            let shown = format!("{} = {theirs}\n", ours.key);
            let (shown, _) = crate::formats::redact::redact(shown.as_bytes());
            let pin = if ours.section == "databases" { "pgbouncer.databases." } else { "pgbouncer." };
            kept.push(format!(
                "keeps its own {}, where {} is planned: `llmsql config set {pin}{} …` changes it",
                String::from_utf8_lossy(&shown).trim_end(),
                ours.value,
                ours.key
            ));
        }
        kept
    }
}

/// Keys of PgBouncer that say who may come in and where from. Changed under a running stack they lock clients out: a
/// userlist of md5 hashes answers no scram-sha-256, and an application that keeps session state fails in transaction mode.
const OPERATORS: &[&str] = &["auth_type", "auth_file", "listen_addr", "listen_port", "pool_mode"];

/// The edit of a shared file; `None` for a file that is ours.
pub(super) fn edit(plan: &Plan, spec: &FileSpec) -> Option<Edit> {
    match (spec.ownership, spec.component) {
        (Ownership::Shared, Component::PostgreSql) => Some(Edit::IncludeDir("conf.d".to_owned())),
        (Ownership::Shared, Component::PgBouncer) => {
            let settings = plan.settings.iter().filter(|s| s.component == Component::PgBouncer);
            let keys = settings.map(|s| {
                let (section, key) = match s.name.strip_prefix("databases.") {
                    Some(name) => ("databases", name),
                    None => ("pgbouncer", s.name.as_str()),
                };
                let entrance = section == "databases" || OPERATORS.contains(&key);
                let keep = entrance && s.origin.is_none();
                IniKey { section, key: key.to_owned(), value: s.value.clone(), comment: context::why(s), keep }
            });
            Some(Edit::Ini(keys.collect()))
        }
        _ => None,
    }
}

/// The operator's connection string with our keys changed and every other (a password, a pool size) kept.
fn merge_connection(theirs: &str, ours: &str) -> String {
    let ours = connection_keys(ours);
    let mut merged: Vec<String> = Vec::new();
    let mut used = Vec::new();
    for (key, whole) in connection_keys(theirs) {
        match ours.iter().find(|(k, _)| *k == key) {
            Some((k, new)) => {
                used.push(*k);
                merged.push((*new).to_owned());
            }
            None => merged.push(whole.to_owned()),
        }
    }
    merged.extend(ours.iter().filter(|(k, _)| !used.contains(k)).map(|(_, whole)| (*whole).to_owned()));
    merged.join(" ")
}

/// The `key=value` words of a connection string, each with its key; a quoted value may hold blanks.
fn connection_keys(text: &str) -> Vec<(&str, &str)> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let mut quoted = false;
        let end = rest.find(|c: char| {
            quoted ^= c == '\'';
            !quoted && c.is_whitespace()
        });
        let (word, after) = rest.split_at(end.unwrap_or(rest.len()));
        words.push((word.split('=').next().unwrap_or(word), word));
        rest = after.trim_start();
    }
    words
}

/// Whether a connection string or URL in this text holds a password.
#[must_use]
pub fn has_password(text: &str) -> bool {
    crate::formats::redact::redact(text.as_bytes()).1 > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operators_keys_of_a_connection_stay() {
        assert_eq!(
            merge_connection("host=old password='a b' pool_size=7", "host=127.0.0.1 port=5432 dbname=llm"),
            "host=127.0.0.1 password='a b' pool_size=7 port=5432 dbname=llm"
        );
    }

    #[test]
    fn who_may_come_in_stays_the_operators_and_the_difference_is_said() {
        let key = |section, key: &str, value: &str, keep| IniKey {
            section,
            key: key.into(),
            value: value.into(),
            comment: Vec::new(),
            keep,
        };
        let edit = Edit::Ini(vec![
            key("databases", "llm", "host=127.0.0.1", true),
            key("pgbouncer", "auth_type", "scram-sha-256", true),
            key("pgbouncer", "listen_port", "6432", true),
            key("pgbouncer", "pool_mode", "transaction", false),
        ]);
        let theirs = b"[databases]\n* = host=db2 password=p\n[pgbouncer]\nauth_type = md5\nlisten_port = 6432\npool_mode = session\n";
        let ours = String::from_utf8(edit.apply(theirs).unwrap()).unwrap();
        assert_eq!(ours, String::from_utf8_lossy(theirs).replace("session", "transaction"));
        let said = edit.kept(theirs);
        assert_eq!(said.len(), 2, "{said:?}");
        assert!(said[0].contains("host=db2") && !said[0].contains("password=p"), "{said:?}");
        assert!(said[1].contains("auth_type = md5") && said[1].contains("scram-sha-256"), "{said:?}");
        assert!(edit.kept(ours.as_bytes()).len() == 2 && edit.kept(b"").is_empty());
    }

    #[test]
    fn our_keys_are_put_into_the_operators_file_and_nothing_else_changes() {
        let key = |key: &str, value: &str| IniKey {
            section: "pgbouncer",
            key: key.into(),
            value: value.into(),
            comment: vec!["why".into()],
            keep: false,
        };
        let edit = Edit::Ini(vec![key("max_client_conn", "500"), key("default_pool_size", "20")]);
        let theirs =
            b"; mine\n[databases]\nother = host=z password=p\n[pgbouncer]\nadmin_users = me\nmax_client_conn = 100\n";
        let ours = edit.apply(theirs).unwrap();
        assert_eq!(
            String::from_utf8(ours.clone()).unwrap(),
            "; mine\n[databases]\nother = host=z password=p\n[pgbouncer]\nadmin_users = me\nmax_client_conn = 500\n; why\n\
             default_pool_size = 20\n"
        );
        assert_eq!(edit.apply(&ours).unwrap(), ours, "a second time changes nothing");
    }
}
