//! Running values beside those that were written.

use super::Console;
use crate::apply::change::{ChangeSet, SettingChange};
use crate::apply::servers::{Differs, Waits};
use crate::error::Result;
use crate::plan::TakesEffect;
use crate::postgres::catalogue;
use std::collections::{BTreeMap, BTreeSet};

/// A running value as `pg_settings` shows it.
struct Shown {
    setting: String,
    /// The same with its unit.
    readable: String,
    source: String,
    place: String,
    pending: bool,
}

/// What this role, database or connection has of its own is no word on the files.
const SOURCES: &[&str] = &["default", "configuration file", "override", "command line"];

fn shown(console: &Console) -> Result<BTreeMap<String, Shown>> {
    let rows = console.rows(
        "SELECT lower(name), setting, current_setting(name), source, coalesce(sourcefile || ':' || sourceline, ''),
           pending_restart FROM pg_settings",
    )?;
    let row = |row: Vec<String>| {
        let mut fields = row.into_iter();
        let mut next = || fields.next();
        let (name, setting, readable, source, place, pending) = (next()?, next()?, next()?, next()?, next()?, next()?);
        Some((name, Shown { setting, readable, source, place, pending: pending == "t" }))
    };
    let known = |(_, shown): &(String, Shown)| SOURCES.contains(&shown.source.as_str());
    Ok(rows.into_iter().filter_map(row).filter(known).collect())
}

/// Which running values are not those of a change, in words. Those that something else sets are left out, and those that
/// wait for a restart unless there was one.
pub fn wrong_values(
    console: &Console,
    set: &ChangeSet,
    major: u32,
    pinned: &BTreeSet<String>,
    restarted: bool,
) -> Result<Vec<String>> {
    let judged = |s: &&SettingChange| {
        s.loses_to.is_none()
            && (restarted || s.takes_effect != TakesEffect::Restart)
            && s.takes_effect != TakesEffect::Reboot
    };
    let wanted: Vec<(String, String)> = set
        .settings
        .iter()
        .filter(judged)
        .filter_map(|s| Some((s.key.strip_prefix("postgresql.")?.to_ascii_lowercase(), s.new.clone()?)))
        .filter(|(name, _)| !pinned.contains(name))
        .collect();
    let wrong = differing(console, &wanted, major)?;
    Ok(wrong.iter().map(Differs::shown).collect())
}

/// Which running values are not those that a file says.
pub fn differing(console: &Console, wanted: &[(String, String)], major: u32) -> Result<Vec<Differs>> {
    let now = shown(console)?;
    // Over a socket of the file system there is no TCP whose keepalives could be shown.
    let socket = |name: &str| console.is_local() && name.starts_with("tcp_");
    let differs = |(name, applied): &(String, String)| {
        let shown = now.get(name).filter(|_| !socket(name))?;
        (!is(name, major, applied, &shown.setting)).then(|| Differs {
            component: "postgresql".to_owned(),
            key: format!("postgresql.{name}"),
            applied: applied.clone(),
            running: shown.readable.clone(),
            set_by: match (shown.source.as_str(), shown.place.as_str()) {
                ("configuration file", "") => None,
                ("configuration file", place) => Some(place.to_owned()),
                (source, _) => Some(source.to_owned()),
            },
            waits: shown.pending.then_some(Waits::Restart),
            next: None,
        })
    };
    Ok(wanted.iter().filter_map(differs).collect())
}

/// Whether a value as a file writes it is the one `pg_settings` shows.
#[must_use]
pub fn is(name: &str, major: u32, written: &str, shown: &str) -> bool {
    let Some(entry) = catalogue::find(name, major) else { return written == shown };
    match (entry.number(written), shown.parse::<f64>()) {
        (Ok(ours), Ok(theirs)) => (ours - theirs).abs() <= theirs.abs() * 1e-6 || (ours < 0.0 && theirs >= 0.0),
        _ => written == shown || written.replace(' ', "") == shown.replace(' ', ""),
    }
}

/// The settings whose new values wait for a restart.
pub fn pending(console: &Console) -> Result<Vec<String>> {
    let rows = console.rows("SELECT name FROM pg_settings WHERE pending_restart ORDER BY name")?;
    Ok(rows.into_iter().filter_map(|row| row.into_iter().next()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_values_are_told_from_shown_ones() {
        assert!(is("shared_buffers", 18, "4GB", "524288"));
        assert!(is("work_mem", 18, "8MB", "8192"));
        assert!(!is("work_mem", 18, "8MB", "4096"));
        assert!(is("jit", 18, "on", "on"));
        assert!(is("wal_buffers", 18, "-1", "2048"), "the server chooses");
    }
}
