//! journald's entries as `journalctl -o json` writes them: times are microseconds since 1970, in text.

use std::fs::File;
use std::io::Read;
use std::path::Path;

/// The fields that hold a time of day.
const TIMES: [&str; 2] = ["__REALTIME_TIMESTAMP", "_SOURCE_REALTIME_TIMESTAMP"];
/// How much of a file is looked at.
const LOOKED_AT: u64 = 64 * 1024;

/// What is selected of a file of such entries, so that their times are times; nothing where it holds none.
pub fn columns(path: &Path) -> Option<String> {
    let mut head = Vec::new();
    File::open(path).ok()?.take(LOOKED_AT).read_to_end(&mut head).ok()?;
    let text = String::from_utf8_lossy(&head);
    let times: Vec<String> = TIMES.iter().filter(|name| is_micros(&text, name)).map(|name| replaced(name)).collect();
    (!times.is_empty()).then(|| format!("* REPLACE ({})", times.join(", ")))
}

fn replaced(name: &str) -> String {
    format!("make_timestamp(TRY_CAST(\"{name}\" AS BIGINT)) AT TIME ZONE 'UTC' AS \"{name}\"")
}

/// Whether the first value of a field is a count of microseconds, rather than something another program has made of it.
fn is_micros(text: &str, name: &str) -> bool {
    let value = text.split_once(&format!("\"{name}\"")).and_then(|(_, rest)| rest.trim_start().strip_prefix(':'));
    let digits = value.map(|v| v.trim_start().trim_start_matches('"')).unwrap_or_default();
    digits.chars().take_while(char::is_ascii_digit).count() == 16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_microseconds_are_taken_for_them() {
        assert!(is_micros(r#"{"__REALTIME_TIMESTAMP" : "1774947600123456", "MESSAGE": "x"}"#, TIMES[0]));
        assert!(!is_micros(r#"{"__REALTIME_TIMESTAMP":"2026-03-31T09:00:00Z"}"#, TIMES[0]));
        assert!(!is_micros(r#"{"MESSAGE":"x"}"#, TIMES[0]));
    }
}
