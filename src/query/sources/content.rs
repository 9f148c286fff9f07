//! What a file holds: by its name, or by its first bytes.

use super::{FileFormat, UNREADABLE};
use crate::error::{Error, Result};
use flate2::read::MultiGzDecoder;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// How compressed files begin.
pub(super) const GZIP: &[u8] = b"\x1f\x8b";
pub(super) const ZSTD: &[u8] = b"\x28\xb5\x2f\xfd";

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    Table(FileFormat),
    DuckDb,
    Sqlite,
}

/// What a file holds, by its name.
pub(super) fn content_by_name(path: &Path) -> Option<Content> {
    let name = path.file_name()?.to_string_lossy().to_lowercase();
    let name = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst")).unwrap_or(&name);
    Some(match name.rsplit_once('.')?.1 {
        "csv" | "tsv" | "tab" => Content::Table(FileFormat::Csv),
        "json" | "ndjson" | "jsonl" => Content::Table(FileFormat::Json),
        "parquet" | "pq" | "parq" => Content::Table(FileFormat::Parquet),
        "duckdb" | "ddb" => Content::DuckDb,
        "sqlite" | "sqlite3" => Content::Sqlite,
        // Other programs have files of this name that are no database.
        "db" | "db3" => sniff(path).ok().filter(|c| !matches!(c, Content::Table(_)))?,
        _ => return None,
    })
}

/// What a file holds: the databases and Parquet by what stands in it, texts by name first.
pub(super) fn content_of(path: &Path) -> Result<Content> {
    match sniff(path)? {
        Content::Table(FileFormat::Csv | FileFormat::Json) => {
            let is_db = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("db") || e.eq_ignore_ascii_case("db3"));
            match content_by_name(path) {
                Some(Content::Table(format)) => Ok(Content::Table(format)),
                None if !is_db => sniff(path),
                _ => Err(Error::usage("source.damaged", "is no database, though its name says so; it may be damaged")
                    .at(path.display())
                    .next("take it from a backup, or name its format: --source csv:PATH, json:PATH")),
            }
        }
        content => Ok(content),
    }
}

/// What a file holds, by its first bytes.
pub(super) fn sniff(path: &Path) -> Result<Content> {
    let mut head = Vec::new();
    File::open(path)
        .and_then(|f| f.take(4096).read_to_end(&mut head))
        .map_err(|e| Error::usage(UNREADABLE, "cannot be read").at(path.display()).because(e))?;
    if head.starts_with(b"SQLite format 3\0") {
        return Ok(Content::Sqlite);
    }
    if is_duckdb(&head) {
        return Ok(Content::DuckDb);
    }
    if head.starts_with(b"PAR1") {
        return Ok(Content::Table(FileFormat::Parquet));
    }
    if head.starts_with(GZIP) {
        let mut text = Vec::new();
        // Half of a file is inflated as far as it goes.
        let _ = MultiGzDecoder::new(head.as_slice()).read_to_end(&mut text);
        head = text;
    }
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&head);
    let first = text.iter().find(|b| !b.is_ascii_whitespace());
    Ok(Content::Table(if matches!(first, Some(b'{' | b'[')) { FileFormat::Json } else { FileFormat::Csv }))
}

/// Whether a file that begins like this is DuckDB's.
#[must_use]
pub fn is_duckdb(head: &[u8]) -> bool {
    head.get(8..12) == Some(b"DUCK")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_file_is_what_it_holds() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, bytes: &[u8]| {
            let path = dir.path().join(name);
            fs::write(&path, bytes).unwrap();
            content_of(&path)
        };
        assert_eq!(file("a.csv", b"SQLite format 3\0....").unwrap(), Content::Sqlite);
        assert_eq!(file("b", b"  {\"a\": 1}").unwrap(), Content::Table(FileFormat::Json));
        assert_eq!(file("c.log", b"a,b\n1,2\n").unwrap(), Content::Table(FileFormat::Csv));
        assert_eq!(file("d.csv", b"[odd]\n1\n").unwrap(), Content::Table(FileFormat::Csv));
        assert_eq!(file("e.sqlite", b"nonsense").unwrap_err().code, "source.damaged");
    }
}
