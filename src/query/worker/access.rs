//! Access logs as nginx and Apache write them where nobody has said otherwise: the common and the combined format.

use super::catalogue::Engine;
use super::csv::lines;
use crate::postgres::connect::quote_literal;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// A line: address, user, time, request, status, bytes, and in the combined format referrer and browser. A request that
/// is none, as of a scanner, has no method and path.
const FORMAT: &str = r#"^(\S+) \S+ (\S+) \[([^\]]+)\] "(?:([A-Z]+) (\S+) ?(\S*)|(?:[^"\\]|\\.)*)" (\d{3}) (\d+|-)(?: "((?:[^"\\]|\\.)*)" "((?:[^"\\]|\\.)*)")?"#;

/// Its fields as columns.
const FIELDS: [&str; 10] =
    ["remote_addr", "remote_user", "time", "method", "path", "protocol", "status", "bytes", "referer", "user_agent"];

/// How much of a file is looked at for a sign of it, and how many lines then.
const LOOKED_AT: u64 = 4096;
const LINES: usize = 100;

/// What is selected of such files, and from what; nothing where the first is none.
pub fn columns(engine: &Engine, paths: &[PathBuf]) -> Option<(String, String)> {
    let first = paths.first()?;
    if !may_be(first) {
        return None;
    }
    let format = quote_literal(FORMAT);
    let counted = engine.rows(&format!(
        "SELECT count(*)::VARCHAR, (count(*) FILTER (regexp_matches(line, {format})))::VARCHAR
         FROM (SELECT line FROM {} LIMIT {LINES})",
        lines(std::slice::from_ref(first))
    ));
    let counted: Vec<usize> = counted.ok()?.into_iter().flatten().flatten().filter_map(|n| n.parse().ok()).collect();
    let [all, fitting] = counted.as_slice() else { return None };
    if *fitting == 0 || fitting * 10 < all * 9 {
        return None;
    }
    let names: Vec<String> = FIELDS.iter().map(|f| quote_literal(f)).collect();
    let columns: Vec<String> = FIELDS
        .iter()
        .map(|name| {
            let text = format!("nullif(nullif(f.{name}, ''), '-')");
            match *name {
                "time" => format!("try_strptime({text}, '%d/%b/%Y:%H:%M:%S %z')::TIMESTAMPTZ AS time"),
                "status" => format!("TRY_CAST({text} AS INTEGER) AS status"),
                "bytes" => format!("TRY_CAST({text} AS BIGINT) AS bytes"),
                _ => format!("{text} AS {name}"),
            }
        })
        .collect();
    let from = format!("(SELECT regexp_extract(line, {format}, [{}]) AS f FROM {})", names.join(", "), lines(paths));
    Some((columns.join(", "), from))
}

/// Whether the first line has a time in brackets before a request in quotes; of what is compressed it is not known.
fn may_be(path: &Path) -> bool {
    let mut head = Vec::new();
    if File::open(path).and_then(|file| file.take(LOOKED_AT).read_to_end(&mut head)).is_err() {
        return false;
    }
    let packed = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("gz") || e.eq_ignore_ascii_case("zst"));
    let first = head.split(|b| *b == b'\n').next().unwrap_or_default();
    packed || first.windows(3).any(|w| w == b"] \"") && first.contains(&b'[')
}
