//! Times in JSON that DuckDB takes for text: those of journald's entries as `journalctl -o json` writes them
//! (microseconds since 1970, as text), and ISO 8601 without a zone and with a fraction, as Python's `isoformat` and
//! `logging` write it (`2026-03-01T09:00:00.123456`, `2026-03-01 09:00:00,123`). Numbers are the business of
//! [`super::counted`].

use super::counted::Unit;
use crate::postgres::connect::quote_ident;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

/// The fields of journald that hold a time of day.
const JOURNAL: [&str; 2] = ["__REALTIME_TIMESTAMP", "_SOURCE_REALTIME_TIMESTAMP"];
/// How much of a file is looked at, and of a line that is longer.
const LOOKED_AT: usize = 64 * 1024;
const LONGEST: u64 = 1024 * 1024;

/// What is selected of a file of one object a line, so that its times are times; nothing where it holds none of these.
pub fn columns(path: &Path) -> Option<String> {
    let mut looked_at = 0;
    let lines = BufReader::new(File::open(path).ok()?.take(LONGEST)).lines().map_while(Result::ok).take_while(|line| {
        let begins_within = looked_at < LOOKED_AT;
        looked_at += line.len();
        begins_within
    });
    // The last line may be a part of one.
    let objects: Vec<Map<String, Value>> = lines.filter_map(|line| serde_json::from_str(&line).ok()).collect();
    let times = times(&objects);
    (!times.is_empty()).then(|| format!("* REPLACE ({})", times.join(", ")))
}

/// How the fields of these objects become times.
fn times(objects: &[Map<String, Value>]) -> Vec<String> {
    let mut fields: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for (name, value) in objects.iter().flatten().filter(|(_, value)| !value.is_null()) {
        fields.entry(name).or_default().push(value);
    }
    let select = |(name, values): (&str, Vec<&Value>)| {
        let column = quote_ident(name);
        let all = |is: fn(&str) -> bool| values.iter().all(|value| value.as_str().is_some_and(is));
        if JOURNAL.contains(&name) && all(is_micros) {
            Some(format!("{} AS {column}", Unit::Micros.sql(&format!("TRY_CAST({column} AS BIGINT)"))))
        } else if all(is_local) && values.iter().any(|value| value.as_str().is_some_and(has_fraction)) {
            Some(format!("CAST(replace(CAST({column} AS VARCHAR), ',', '.') AS TIMESTAMP) AS {column}"))
        } else {
            None
        }
    };
    fields.into_iter().filter_map(select).collect()
}

/// A count of microseconds, rather than something another program has made of it.
fn is_micros(text: &str) -> bool {
    text.len() == 16 && text.bytes().all(|b| b.is_ascii_digit())
}

/// A date and a time of day, with a fraction or without, and nothing else.
fn is_local(text: &str) -> bool {
    let shape = |text: &str, shape: &str| {
        text.len() == shape.len()
            && text.bytes().zip(shape.bytes()).all(|(b, s)| if s == b'0' { b.is_ascii_digit() } else { b == s })
    };
    let (whole, fraction) = text.split_once(['.', ',']).unwrap_or((text, "0"));
    (shape(whole, "0000-00-00T00:00:00") || shape(whole, "0000-00-00 00:00:00"))
        && (1..=9).contains(&fraction.len())
        && fraction.bytes().all(|b| b.is_ascii_digit())
}

fn has_fraction(text: &str) -> bool {
    text.contains(['.', ','])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(lines: &[&str]) -> Vec<String> {
        times(&lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<_>>())
    }

    #[test]
    fn only_microseconds_are_taken_for_them() {
        assert_eq!(of(&[r#"{"__REALTIME_TIMESTAMP" : "1774947600123456", "MESSAGE": "x"}"#]).len(), 1);
        assert!(of(&[r#"{"__REALTIME_TIMESTAMP":"2026-03-31T09:00:00Z"}"#]).is_empty());
        assert!(of(&[r#"{"MESSAGE":"1774947600123456"}"#]).is_empty());
    }

    #[test]
    fn only_what_is_a_time_in_every_line_is_one() {
        let cast = |name: &str| format!("CAST(replace(CAST({name} AS VARCHAR), ',', '.') AS TIMESTAMP) AS {name}");
        let lines = [
            r#"{"time":"2026-03-01T09:00:00.123456","at":"2026-03-01 09:00:00,123","sent":"2026-03-01T09:00:00"}"#,
            r#"{"time":"2026-03-01T09:00:01","at":"2026-03-01 09:00:01,7","sent":"2026-03-01T09:00:00"}"#,
        ];
        assert_eq!(of(&lines), [cast("\"at\""), cast("\"time\"")]);
        let other = r#"{"time":"started 2026-03-01T09:00:00.1","at":null}"#;
        assert_eq!(of(&[lines[0], other]), [cast("\"at\"")]);
        assert!(of(&[r#"{"version":"1.2","zoned":"2026-03-01T09:00:00.5Z"}"#]).is_empty());
    }
}
