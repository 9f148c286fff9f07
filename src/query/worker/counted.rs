//! Times that a column of numbers counts since 1970, in whatever unit: `created_at`, `ts`, `event_time`.
//!
//! A column is one where its name says that it holds times and the first rows hold nothing but numbers of one unit. It is
//! then a TIMESTAMP WITH TIME ZONE for everybody who asks, SQL included, and `schema` says what it counts. It is looked at
//! when it is first needed, so that nobody else waits for it.

use super::catalogue::{Engine, Entry, Loaded, Origin, Target};
use super::columns::{Fill, days};
use super::databases::column;
use crate::postgres::connect::quote_ident;
use crate::query::guard::Needs;
use crate::query::guard::filters::Op;
use crate::query::language::split;
use crate::query::schema::Column;

/// Rows that are looked at.
const ROWS: u64 = 1_000;
/// The seconds with which 1985 begins, and 2100.
const FIRST: f64 = 473_385_600.0;
const LAST: f64 = 4_102_444_800.0;
/// Seconds of a day, and how far a zone's day may lie from that of UTC, and some more.
const DAY: i64 = 86_400;
const ZONES: i64 = 86_400;
/// Words that end the name of a time; the last of these also after what has ended, as in `created_on`.
const ENDINGS: [&str; 10] = ["at", "ts", "timestamp", "datetime", "date", "epoch", "seen", "mtime", "ctime", "atime"];
/// Names of one word.
const WHOLE: [&str; 9] =
    ["time", "created", "updated", "modified", "started", "ended", "finished", "expires", "expiry"];
/// What stands before `time` where it is one, and no duration as in `response_time`.
const BEFORE_TIME: [&str; 41] = [
    "access",
    "arrival",
    "begin",
    "birth",
    "change",
    "changed",
    "close",
    "closed",
    "create",
    "created",
    "creation",
    "date",
    "departure",
    "due",
    "end",
    "event",
    "expire",
    "expires",
    "expiry",
    "finish",
    "first",
    "insert",
    "last",
    "log",
    "login",
    "logout",
    "modified",
    "modify",
    "open",
    "opened",
    "order",
    "publish",
    "received",
    "record",
    "sent",
    "start",
    "stop",
    "unix",
    "update",
    "updated",
    "visit",
];
/// What may have been the first or the last time, as in `last_login`.
const EVENTS: [&str; 16] = [
    "access", "accessed", "activity", "change", "changed", "contact", "login", "modified", "run", "success", "sync",
    "update", "updated", "used", "visit", "visited",
];
/// Words behind a name that say in what it counts.
const UNIT_WORDS: [&str; 17] = [
    "epoch",
    "micros",
    "microseconds",
    "millis",
    "milliseconds",
    "ms",
    "msec",
    "nanos",
    "nanoseconds",
    "ns",
    "s",
    "sec",
    "seconds",
    "secs",
    "unix",
    "us",
    "utc",
];

/// In what a column counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Seconds.
    Seconds,
    /// Milliseconds.
    Millis,
    /// Microseconds.
    Micros,
    /// Nanoseconds.
    Nanos,
}

impl Unit {
    const ALL: [Unit; 4] = [Unit::Seconds, Unit::Millis, Unit::Micros, Unit::Nanos];

    /// The unit by which all of these numbers are of the years from 1985 to 2099; nothing where there is none. These years
    /// are less than ten times as many seconds at their end as at their beginning, so that no two units fit.
    #[must_use]
    pub fn of(least: f64, most: f64) -> Option<Unit> {
        if is_written(least) && is_written(most) {
            return None;
        }
        Unit::ALL.into_iter().find(|unit| {
            #[allow(clippy::cast_precision_loss, reason = "a power of ten that is held exactly")]
            let second = unit.second() as f64;
            let years = FIRST * second..LAST * second;
            years.contains(&least) && years.contains(&most)
        })
    }

    /// How many of it a second has.
    fn second(self) -> i64 {
        match self {
            Unit::Seconds => 1,
            Unit::Millis => 1_000,
            Unit::Micros => 1_000_000,
            Unit::Nanos => 1_000_000_000,
        }
    }

    /// For people.
    #[must_use]
    pub fn said(self) -> &'static str {
        match self {
            Unit::Seconds => "counted in seconds since 1970",
            Unit::Millis => "counted in milliseconds since 1970",
            Unit::Micros => "counted in microseconds since 1970",
            Unit::Nanos => "counted in nanoseconds since 1970",
        }
    }

    /// A number of DuckDB as a time; NULL where it is none. To the microsecond exact, and far faster than other ways.
    #[must_use]
    pub fn sql(self, number: &str) -> String {
        format!("TRY(to_timestamp({number} / {}))", self.second())
    }

    /// Microseconds; nothing where the number is none of a time.
    #[must_use]
    pub fn micros(self, count: i64) -> Option<i64> {
        match self {
            Unit::Nanos => Some(count.div_euclid(1_000)),
            _ => count.checked_mul(1_000_000 / self.second()),
        }
    }

    /// The same of a number with a fraction.
    #[must_use]
    pub fn micros_of(self, count: f64) -> Option<i64> {
        #[allow(clippy::cast_precision_loss, reason = "a power of ten that is held exactly")]
        let micros = (count * 1e6 / self.second() as f64).round();
        #[allow(clippy::cast_possible_truncation, reason = "it is within what an i64 holds")]
        (micros.abs() < 9e18).then_some(micros as i64)
    }

    /// A condition on the number that every row fulfils which fulfils one on the time, whatever the zone: `date` is its
    /// day, of which more is let through at both ends.
    #[must_use]
    pub fn condition(self, column: &str, op: Op, date: &str) -> Option<String> {
        let day = i64::from(days(date)?) * DAY;
        let from = format!("{column} >= {}", (day - ZONES) * self.second());
        let to = format!("{column} <= {}", (day + DAY + ZONES) * self.second());
        Some(match op {
            Op::Equal => format!("{from} AND {to}"),
            Op::Greater | Op::GreaterOrEqual => from,
            Op::Less | Op::LessOrEqual => to,
        })
    }
}

/// Whether a number is a day and a time written down, as in 2026030112 or 2603011230, which would be some second from 2032 on.
fn is_written(number: f64) -> bool {
    let text = number.to_string();
    let part = |from: usize, to: usize| text.get(from..to).and_then(|digits| digits.parse::<u32>().ok()).unwrap_or(99);
    let hour = |month, day, hour| (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24;
    text.len() == 10
        && ((1970..2100).contains(&part(0, 4)) && hour(part(4, 6), part(6, 8), part(8, 10))
            || hour(part(2, 4), part(4, 6), part(6, 8)) && part(8, 10) < 60)
}

/// Whether a column's name says that it holds times.
#[must_use]
pub fn says_time(name: &str) -> bool {
    let mut words = split(name);
    while words.len() > 1 && words.last().is_some_and(|w| UNIT_WORDS.contains(&w.as_str())) {
        words.pop();
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        [only] => WHOLE.contains(only) || (ENDINGS.contains(only) && *only != "seen"),
        [.., before, "time"] => BEFORE_TIME.contains(before),
        [.., before, "on"] => before.ends_with("ed"),
        [.., "first" | "last", event] if EVENTS.contains(event) => true,
        [.., last] => ENDINGS.contains(last),
        [] => false,
    }
}

/// Whether a name in lower case, as SQL is read, may be one of which [`says_time`] speaks.
fn may_say_time(lower: &str) -> bool {
    // `createdAtMs` has lost its capitals.
    let stems = UNIT_WORDS.iter().filter_map(|unit| lower.strip_suffix(unit)).chain([lower]);
    let within = ["time", "date", "stamp", "epoch", "first", "last"];
    let at_end = ["at", "ts", "on", "seen"];
    says_time(lower)
        || within.iter().any(|word| lower.contains(word))
        || stems.into_iter().any(|stem| at_end.iter().any(|end| stem.ends_with(end) && stem.len() > end.len() + 3))
}

/// Whether a type of DuckDB holds numbers that may count time.
fn is_number(sql_type: &str) -> bool {
    matches!(sql_type, "INTEGER" | "UINTEGER" | "BIGINT" | "UBIGINT" | "HUGEINT" | "DOUBLE")
        || sql_type.starts_with("DECIMAL")
}

/// Makes times of the columns that a query may name.
pub fn needed(engine: &mut Engine, at: usize, needs: &Needs) {
    if needs.whole_rows || needs.columns.iter().any(|name| may_say_time(name)) {
        settle(engine, at);
    }
}

/// Makes times of the columns of a table that count them. What cannot be read is left as it is: who asks for it is told.
pub fn settle(engine: &mut Engine, at: usize) {
    let open = |entry: &&Entry| entry.times.is_none() && !engine.numbers;
    let Some(entry) = engine.tables.get(at).filter(open) else { return };
    let found = match &entry.origin {
        Origin::Native(_) => native(engine, entry),
        Origin::Sqlite(file, table) => {
            // A declared type is no more than a wish there.
            let names = candidates(entry, &[Fill::Int, Fill::Float, Fill::Timestamp, Fill::Date]);
            match engine.sqlite.get(*file).filter(|_| !names.is_empty()) {
                Some(file) => units(&names, &file.ranges(table, &names, ROWS)),
                None => Vec::new(),
            }
        }
        Origin::Postgres(server, schema, table) => {
            let names = candidates(entry, &[Fill::Int]);
            match engine.postgres.get(*server).filter(|_| !names.is_empty()) {
                Some(server) => units(&names, &server.ranges(schema, table, &names, ROWS)),
                None => Vec::new(),
            }
        }
    };
    let Some(entry) = engine.tables.get_mut(at) else { return };
    for (name, unit) in &found {
        let position = entry.table.columns.iter().position(|c| c.name == *name);
        if let Some(fill) = position.and_then(|i| entry.fills.get_mut(i)) {
            *fill = Fill::Since(*unit);
        }
    }
    // What was loaded for a query that did not need them has them as numbers.
    if !found.is_empty() && !matches!(entry.origin, Origin::Native(_)) {
        entry.loaded = Loaded::Nothing;
    }
    entry.times = Some(found);
    entry.tell_times();
}

/// The smallest and the largest number of a column's first rows; nothing where there is none, or something else.
pub type Range = Option<(f64, f64)>;

fn units(names: &[String], ranges: &[Range]) -> Vec<(String, Unit)> {
    let unit =
        |(name, range): (&String, &Range)| range.and_then(|(from, to)| Some((name.clone(), Unit::of(from, to)?)));
    names.iter().zip(ranges).filter_map(unit).collect()
}

/// The columns of a table that is loaded which are filled with one of these and may be times.
fn candidates(entry: &Entry, fills: &[Fill]) -> Vec<String> {
    let columns = entry.table.columns.iter().zip(&entry.fills);
    columns.filter(|(c, fill)| fills.contains(fill) && says_time(&c.name)).map(|(c, _)| c.name.clone()).collect()
}

/// Finds them in what DuckDB reads by itself, and makes times of them in the table's view.
fn native(engine: &Engine, entry: &Entry) -> Vec<(String, Unit)> {
    let view = Target::new("memory", "main", &entry.table.name).sql();
    let described = || {
        let rows = engine.rows(&format!("DESCRIBE {view}")).unwrap_or_default();
        rows.into_iter().filter_map(|row| column(row.into_iter())).collect::<Vec<_>>()
    };
    let asked;
    let columns = if entry.table.columns.is_empty() {
        asked = described();
        &asked
    } else {
        &entry.table.columns
    };
    let may_be = |c: &&Column| says_time(&c.name) && is_number(&c.sql_type);
    let names: Vec<String> = columns.iter().filter(may_be).map(|c| c.name.clone()).collect();
    if names.is_empty() {
        return Vec::new();
    }
    let quoted: Vec<String> = names.iter().map(|name| quote_ident(name)).collect();
    let ends: Vec<String> =
        quoted.iter().map(|c| format!("min({c})::DOUBLE::VARCHAR, max({c})::DOUBLE::VARCHAR")).collect();
    let sql = format!("SELECT {} FROM (SELECT {} FROM {view} LIMIT {ROWS})", ends.join(", "), quoted.join(", "));
    let row = engine.rows(&sql).ok().and_then(|rows| rows.into_iter().next()).unwrap_or_default();
    let number = |value: &Option<String>| value.as_deref().and_then(|v| v.parse().ok());
    let ranges: Vec<Range> = row.chunks(2).map(|ends| Some((number(ends.first()?)?, number(ends.get(1)?)?))).collect();
    let found = units(&names, &ranges);
    if found.is_empty() {
        return found;
    }
    let times: Vec<String> = found
        .iter()
        .map(|(name, unit)| {
            let column = quote_ident(name);
            format!("{} AS {column}", unit.sql(&column))
        })
        .collect();
    let create =
        format!("CREATE OR REPLACE VIEW {view} AS SELECT * REPLACE ({}) FROM ({})", times.join(", "), entry.view);
    if engine.execute(&create).is_ok() { found } else { Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_whether_they_hold_times() {
        for name in [
            "created_at",
            "createdAt",
            "ts",
            "@timestamp",
            "time",
            "date",
            "event_ts",
            "ts_ms",
            "start_time",
            "epoch_ms",
            "last_seen",
            "created_on",
            "order_date",
            "last_login",
            "firstVisit",
            "createdAtMs",
            "Timestamp",
            "updated",
            "eventTime",
            "unix_time",
            "created_at_utc",
        ] {
            assert!(says_time(name), "{name}");
            assert!(may_say_time(&name.to_lowercase()), "{name}");
        }
        for name in [
            "response_time",
            "total_time_ns",
            "status",
            "id",
            "hits",
            "cat",
            "amount",
            "seen",
            "time_taken",
            "last_id",
            "first_name",
            "based_on_id",
            "ms",
            "",
        ] {
            assert!(!says_time(name), "{name}");
        }
    }

    #[test]
    fn the_unit_follows_from_the_size_of_all_numbers() {
        assert_eq!(Unit::of(1_764_028_987.4, 1_800_000_000.0), Some(Unit::Seconds));
        assert_eq!(Unit::of(936_000_000.0, 1_300_000_000.0), Some(Unit::Seconds));
        assert_eq!(Unit::of(2_026_030_112.0, 2_026_999_999.0), Some(Unit::Seconds));
        assert_eq!(Unit::of(1.764e12, 1.8e12), Some(Unit::Millis));
        assert_eq!(Unit::of(1.764e15, 1.8e15), Some(Unit::Micros));
        assert_eq!(Unit::of(1.764e18, 1.8e18), Some(Unit::Nanos));
        for (from, to) in [
            (0.0, 1.8e9),
            (1.764e9, 1.8e12),
            (20_260_301.0, 20_261_231.0),
            (2.026e11, 2.026e11),
            (f64::NAN, f64::NAN),
            // Written down: an hour, a minute.
            (2_026_030_112.0, 2_026_123_123.0),
            (2_603_011_230.0, 2_612_312_359.0),
        ] {
            assert_eq!(Unit::of(from, to), None, "{from} {to}");
        }
    }

    #[test]
    fn counts_become_microseconds() {
        assert_eq!(Unit::Seconds.micros(1), Some(1_000_000));
        assert_eq!(Unit::Nanos.micros(-1), Some(-1));
        assert_eq!(Unit::Millis.micros(i64::MAX), None);
        assert_eq!(Unit::Seconds.micros_of(1_764_028_987.460_691), Some(1_764_028_987_460_691));
        assert_eq!(Unit::Seconds.micros_of(f64::INFINITY), None);
    }
}
