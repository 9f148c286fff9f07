//! The tables of llmsql.toml that belong to questions.

use super::language::{Clock, Glossary};
use super::model::ModelSettings;
use super::sources;
use crate::error::{Error, Result};
use crate::profile::config::Document;
use crate::units;
use jiff::civil::{DateTime, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// `[query]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Table {
    memory: Option<String>,
    threads: Option<u64>,
    timeout: Option<String>,
    limit: Option<u64>,
    week_starts_on: Option<String>,
    time_zone: Option<String>,
    history: Option<bool>,
}

/// What the operator has set for questions.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Sources by name.
    pub sources: BTreeMap<String, String>,
    /// The words of the house.
    pub glossary: Glossary,
    /// Memory of the worker, in bytes.
    pub memory: Option<u64>,
    /// Threads of the worker.
    pub threads: Option<u64>,
    /// How long a query may take.
    pub timeout: Option<Duration>,
    /// The most rows that are shown.
    pub limit: Option<u64>,
    /// The first day of a week.
    pub week_starts_on: Weekday,
    /// The zone in which the data is dated.
    pub zone: TimeZone,
    /// Whether questions are remembered.
    pub history: bool,
    /// The language model.
    pub model: ModelSettings,
}

impl Settings {
    /// Reads them.
    ///
    /// # Errors
    /// What does not fit, with its place.
    pub fn read(document: &Document) -> Result<Settings> {
        let table: Table = document.section("query")?.unwrap_or_default();
        let wrong = |key: &str, what: String| {
            Error::usage("config.section", format!("[query]: {key}: {what}")).at(document.path().display())
        };
        let day = table
            .week_starts_on
            .as_deref()
            .map(|d| weekday(d).ok_or_else(|| wrong("week_starts_on", format!("\"{d}\" is no day of the week"))));
        let zone = table.time_zone.as_deref().map(|z| {
            TimeZone::get(z)
                .map_err(|_| wrong("time_zone", format!("\"{z}\" is no time zone; write one as in Europe/Berlin")))
        });
        Ok(Settings {
            sources: document
                .section::<BTreeMap<String, String>>("sources")?
                .unwrap_or_default()
                .into_iter()
                .map(|(name, location)| (name, sources::beside(document, location)))
                .collect(),
            glossary: document.section("glossary")?.unwrap_or_default(),
            memory: table.memory.as_deref().map(units::parse_bytes).transpose().map_err(|e| wrong("memory", e))?,
            threads: table.threads.filter(|t| *t > 0),
            timeout: table
                .timeout
                .as_deref()
                .map(units::parse_millis)
                .transpose()
                .map_err(|e| wrong("timeout", e))?
                .map(Duration::from_millis),
            limit: table.limit,
            week_starts_on: day.transpose()?.unwrap_or(Weekday::Monday),
            zone: zone.transpose()?.unwrap_or_else(system_zone),
            history: table.history.unwrap_or(true),
            model: ModelSettings::read(document)?,
        })
    }

    /// The zone by its IANA name, for DuckDB.
    #[must_use]
    pub fn zone_name(&self) -> String {
        self.zone.iana_name().unwrap_or("UTC").to_owned()
    }

    /// The time at which a question is asked: now, or what `--now` says (RFC 3339, or a local time).
    ///
    /// # Errors
    /// A time that is none.
    pub fn clock(&self, now: Option<&str>) -> Result<Clock> {
        let now = match now {
            None => Zoned::now().with_time_zone(self.zone.clone()).datetime(),
            Some(text) => match text.parse::<Timestamp>() {
                Ok(instant) => instant.to_zoned(self.zone.clone()).datetime(),
                Err(_) => text.parse::<DateTime>().map_err(|_| {
                    Error::usage("query.now", format!("\"{text}\" is no time"))
                        .at("--now")
                        .next("write it as in 2026-03-01T12:00:00Z, or local as in 2026-03-01T12:00")
                })?,
            },
        };
        Ok(Clock { now, week_starts_on: self.week_starts_on })
    }
}

/// The host's zone. Where a link names it, as it does nearly everywhere, its one file is read; jiff would look through
/// the folders of all zones first.
fn system_zone() -> TimeZone {
    let linked = || {
        let file = std::fs::canonicalize("/etc/localtime").ok()?;
        let name = file.to_str()?.split_once("/zoneinfo/")?.1;
        TimeZone::tzif(name, &std::fs::read(&file).ok()?).ok()
    };
    if std::env::var_os("TZ").is_some() { TimeZone::system() } else { linked().unwrap_or_else(TimeZone::system) }
}

fn weekday(text: &str) -> Option<Weekday> {
    let days = [
        ("monday", Weekday::Monday),
        ("tuesday", Weekday::Tuesday),
        ("wednesday", Weekday::Wednesday),
        ("thursday", Weekday::Thursday),
        ("friday", Weekday::Friday),
        ("saturday", Weekday::Saturday),
        ("sunday", Weekday::Sunday),
    ];
    days.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|(_, day)| *day)
}
