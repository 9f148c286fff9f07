//! Values as they stand in a file, a variable or a flag, read as what a key takes.

use super::{Kind, keys};
use crate::value::Value;

/// A value as a file's syntax has it, before it is known what the key takes.
#[derive(Debug, Clone, PartialEq)]
pub enum Raw {
    /// `true`, `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number with a fraction.
    Float(f64),
    /// A text, or anything that came from a flag or a variable.
    Text(String),
    /// An array.
    List(Vec<Raw>),
    /// What no key takes, by its name in the file's format (`a table`, `a date`, `null`).
    Other(&'static str),
}

impl Raw {
    fn name(&self) -> &'static str {
        match self {
            Raw::Bool(_) => "true or false",
            Raw::Int(_) => "a whole number",
            Raw::Float(_) => "a number with a fraction",
            Raw::Text(_) => "a text",
            Raw::List(_) => "a list",
            Raw::Other(name) => name,
        }
    }
}

/// Reads a file's value as what the key takes. Sizes and durations need their unit: PostgreSQL would read a bare
/// `4096` as kB or as pages of 8 kB, sysctl as bytes and PgBouncer as seconds, so a number alone says nothing.
///
/// # Errors
/// A sentence that says what is wrong and what would be right.
pub fn read(kind: Kind, raw: &Raw) -> Result<Value, String> {
    match (kind, raw) {
        (_, Raw::Text(text)) if !matches!(kind, Kind::List | Kind::Words(_)) => read_text(kind, text),
        (Kind::Bool, Raw::Bool(b)) => Ok(Value::Bool(*b)),
        (Kind::Int(..) | Kind::Float(..) | Kind::Bytes | Kind::Millis | Kind::Limit | Kind::Delay, Raw::Int(i)) => {
            read_text(kind, &i.to_string())
        }
        (Kind::Float(..), Raw::Float(f)) => read_text(kind, &f.to_string()),
        (Kind::List | Kind::Words(_), Raw::List(items)) => {
            let mut texts = Vec::new();
            for item in items {
                match item {
                    Raw::Text(text) if text.contains(',') || text.trim().is_empty() => {
                        return Err(format!("\"{text}\" is no single name; write one in each text of the list"));
                    }
                    Raw::Text(text) => texts.push(text.trim().to_owned()),
                    other => return Err(format!("a list of texts is expected, and {} is in it", other.name())),
                }
            }
            kind.parse(&texts.join(","))
        }
        (kind, raw) => Err(format!("{} is expected, not {}", expected(kind), raw.name())),
    }
}

/// Reads a text, of a file, a flag or a variable, as what the key takes.
///
/// # Errors
/// A sentence that says what is wrong and what would be right.
pub fn read_text(kind: Kind, text: &str) -> Result<Value, String> {
    let bare = text.trim();
    let unitless = bare.parse::<f64>().is_ok_and(|n| n > 0.0);
    match kind {
        Kind::Bytes | Kind::Limit if unitless => {
            Err(format!("{bare} has no unit; write kB, MB, GB or TB after it, as in \"64GB\""))
        }
        Kind::Millis | Kind::Delay if unitless => {
            Err(format!("{bare} has no unit; write ms, s, min, h or d after it, as in \"30s\""))
        }
        _ => kind.parse(bare),
    }
}

/// What a kind takes, for people.
#[must_use]
pub fn expected(kind: Kind) -> String {
    match kind {
        Kind::Bool => "true or false".to_owned(),
        Kind::Int(i64::MIN, i64::MAX) => "a whole number".to_owned(),
        Kind::Int(low, high) => format!("a whole number from {low} to {high}"),
        Kind::Float(f64::MIN, f64::MAX) => "a number".to_owned(),
        Kind::Float(low, f64::MAX) => format!("a number from {low} on"),
        Kind::Float(low, high) => format!("a number from {low} to {high}"),
        Kind::Bytes => "a size such as \"64GB\"".to_owned(),
        Kind::Millis => "a duration such as \"30s\"".to_owned(),
        Kind::Limit => "a size such as \"64GB\", or -1".to_owned(),
        Kind::Delay => "a duration such as \"30s\", or -1".to_owned(),
        Kind::Word(words) => format!("one of {}", quoted(words)),
        Kind::Text => "a text".to_owned(),
        Kind::List => "a list of texts such as [\"vector\", \"pgaudit\"]".to_owned(),
        Kind::Words(words) => format!("a list of {}", quoted(words)),
    }
}

fn quoted(words: &[&str]) -> String {
    words.iter().map(|w| format!("\"{w}\"")).collect::<Vec<_>>().join(", ")
}

/// The sentence for a name that cannot be configured.
#[must_use]
pub fn unknown_key(name: &str) -> String {
    match keys::nearest(name) {
        Some(near) => format!("unknown key \"{name}\"; the nearest is \"{near}\""),
        None => format!("unknown key \"{name}\""),
    }
}

/// The sentence for a table that does not exist.
#[must_use]
pub fn unknown_table(name: &str) -> String {
    match keys::nearest_table(name) {
        Some(near) => format!("unknown table \"{name}\"; the nearest is \"{near}\""),
        None => format!("unknown table \"{name}\"; the tables are {}", keys::tables().join(", ")),
    }
}

/// The line and column, from 1 and in characters, of a byte offset.
#[must_use]
pub fn line_column(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |i| i + 1);
    (before.matches('\n').count() + 1, before.get(line_start..).unwrap_or_default().chars().count() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::GB;

    #[test]
    fn a_size_or_duration_without_a_unit_is_refused_wherever_it_stands() {
        for raw in [Raw::Int(64), Raw::Text("64".into()), Raw::Text(" 1.5 ".into())] {
            assert!(read(Kind::Bytes, &raw).unwrap_err().contains("no unit"), "{raw:?}");
            assert!(read(Kind::Millis, &raw).unwrap_err().contains("no unit"), "{raw:?}");
        }
        assert_eq!(read(Kind::Bytes, &Raw::Int(0)), Ok(Value::Bytes(0)));
        assert_eq!(read(Kind::Bytes, &Raw::Text("64GB".into())), Ok(Value::Bytes(64 * GB)));
        assert!(read(Kind::Bytes, &Raw::Text("64Gb/s".into())).unwrap_err().contains("unit of size"));
        assert!(read(Kind::Millis, &Raw::Text("5 minutes".into())).unwrap_err().contains("unit of time"));
    }

    #[test]
    fn a_wrong_type_names_what_is_expected_and_what_is_there() {
        assert_eq!(read(Kind::Bool, &Raw::Int(1)).unwrap_err(), "true or false is expected, not a whole number");
        assert!(read(Kind::Int(1, 9), &Raw::Float(1.5)).unwrap_err().contains("not a number with a fraction"));
        let words = Kind::Words(&["nginx", "api"]);
        assert!(read(words, &Raw::Text("nginx".into())).unwrap_err().contains("a list of \"nginx\", \"api\""));
        assert!(read(words, &Raw::List(vec![Raw::Text("apii".into())])).unwrap_err().contains("apii"));
        assert!(read(words, &Raw::List(vec![Raw::Text("api,nginx".into())])).is_err());
        assert!(read(words, &Raw::List(vec![Raw::Int(3)])).is_err());
        assert!(read(Kind::Float(0.0, 1.0), &Raw::Float(f64::NAN)).is_err());
    }

    #[test]
    fn columns_count_characters() {
        assert_eq!(line_column("a\néü = 1", 7), (2, 4));
        assert_eq!(line_column("", 0), (1, 1));
    }
}
