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

/// How much of a file is looked at for a sign of it, how many lines then, and of how many files.
const LOOKED_AT: u64 = 4096;
const LINES: usize = 100;
const FILES: usize = 200;

/// Files among which are access logs.
pub struct Logs {
    /// Those, and what is empty.
    pub logs: Vec<PathBuf>,
    /// What is written otherwise.
    pub others: Vec<PathBuf>,
    /// Whether lines were seen that are no such log's.
    pub mixed: bool,
}

/// Which of these files are access logs: those of whose first lines most are; nothing where none is.
pub fn among(engine: &Engine, paths: &[PathBuf]) -> Option<Logs> {
    let step = paths.len().div_ceil(FILES).max(1);
    if !paths.iter().step_by(step).any(|path| may_be(path)) {
        return None;
    }
    let (mut any, mut mixed, mut others) = (false, false, Vec::new());
    for path in paths.iter().step_by(step) {
        // What cannot be read is left among the logs: who asks them is told.
        let Some((all, fitting)) = counted(engine, path) else { continue };
        if fitting * 2 > all {
            any = true;
            mixed |= fitting < all;
        } else if all > 0 {
            others.push(path.clone());
        }
    }
    let logs = paths.iter().filter(|path| !others.contains(path)).cloned().collect();
    any.then_some(Logs { logs, others, mixed })
}

/// How many lines stand at a file's beginning, and how many of them are an access log's.
fn counted(engine: &Engine, path: &Path) -> Option<(usize, usize)> {
    let counted = engine.rows(&format!(
        "SELECT count(*)::VARCHAR, (count(*) FILTER (regexp_matches(line, {})))::VARCHAR
         FROM (SELECT line FROM {} WHERE line <> '' LIMIT {LINES})",
        quote_literal(FORMAT),
        lines(&[path.to_owned()])
    ));
    let counted: Vec<usize> = counted.ok()?.into_iter().flatten().flatten().filter_map(|n| n.parse().ok()).collect();
    let [all, fitting] = counted.as_slice() else { return None };
    Some((*all, *fitting))
}

/// What is selected of such files, and from what. A line that does not fit stands whole in `line`.
pub fn columns(paths: &[PathBuf]) -> (String, String) {
    let format = quote_literal(FORMAT);
    let names: Vec<String> = FIELDS.iter().map(|f| quote_literal(f)).collect();
    let mut columns: Vec<String> = FIELDS
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
    // Where a line fits, it has a status.
    columns.push("CASE WHEN f.status = '' THEN line END AS line".to_owned());
    let from = format!(
        "(SELECT line, regexp_extract(line, {format}, [{}]) AS f FROM {} WHERE line <> '')",
        names.join(", "),
        lines(paths)
    );
    (columns.join(", "), from)
}

/// Whether one of the first lines has a time in brackets before a request in quotes; of what is compressed it is not known.
fn may_be(path: &Path) -> bool {
    let mut head = Vec::new();
    if File::open(path).and_then(|file| file.take(LOOKED_AT).read_to_end(&mut head)).is_err() {
        return false;
    }
    let packed = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("gz") || e.eq_ignore_ascii_case("zst"));
    packed || head.split(|b| *b == b'\n').any(|line| line.windows(3).any(|w| w == b"] \"") && line.contains(&b'['))
}
