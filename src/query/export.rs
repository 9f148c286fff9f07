//! A table or a query as Parquet: written beside its place and renamed, by date into a folder of partitions, and gone on
//! with after a kill.

use super::engine::{Engine, Progress, Query};
use super::failure;
use super::protocol::Parquet;
use super::results::Rows;
use super::schema::Kind;
use super::sources::is_duckdb;
use super::worker::kind_of;
use crate::error::{Error, Exit, Result};
use crate::output::{Format, file};
use crate::postgres::connect::{quote_ident, quote_literal};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What a folder of partitions knows of itself. Files of this kind of name are no data to `--source`.
const MANIFEST: &str = "_llmsql_export.json";
/// What a view puts behind a folder of partitions.
const EVERYTHING: &str = "/**/*.parquet";
/// The name of a partition's file.
const FILE: &str = "data.parquet";
/// What stands for no date in the name of a partition, as Hive has it.
const NO_DATE: &str = "__HIVE_DEFAULT_PARTITION__";

/// How often it is noted which partitions are written.
const NOTED: Duration = Duration::from_millis(500);

/// How long a span one partition is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Every {
    /// A file a day: year=2026/month=03/day=01
    Day,
    /// A file a month: year=2026/month=03
    Month,
    /// A file a year: year=2026
    Year,
}

impl Every {
    fn name(self) -> &'static str {
        match self {
            Every::Day => "day",
            Every::Month => "month",
            Every::Year => "year",
        }
    }

    /// The folder of the partition that begins on this day (`2026-03-01`); nothing: without a date.
    fn folder(self, day: Option<&str>) -> PathBuf {
        let parts: Vec<&str> = day.map(|d| d.splitn(3, '-').collect()).unwrap_or_default();
        let names: &[&str] = match self {
            Every::Day => &["year", "month", "day"],
            Every::Month => &["year", "month"],
            Every::Year => &["year"],
        };
        names.iter().enumerate().map(|(i, n)| format!("{n}={}", parts.get(i).copied().unwrap_or(NO_DATE))).collect()
    }
}

/// What is written, and how.
#[derive(Debug, Clone)]
pub struct Job {
    /// One SELECT.
    pub sql: String,
    /// The column by which it is partitioned, and how.
    pub partition: Option<(String, Every)>,
    /// zstd's level.
    pub level: u32,
    /// Rows of a row group.
    pub group: u64,
    /// How long one file may take.
    pub timeout: Duration,
    /// Where it goes: a file, or a folder of partitions.
    pub target: PathBuf,
}

/// What was written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// Rows.
    pub rows: u64,
    /// Bytes.
    pub bytes: u64,
    /// Files.
    pub files: u64,
    /// Files that an earlier, interrupted run had written.
    pub kept: u64,
}

/// A partition's file in the manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Part {
    rows: u64,
    bytes: u64,
}

/// What is known of a folder of partitions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Manifest {
    /// By which a later run knows whether it goes on with the same.
    job: String,
    complete: bool,
    parts: BTreeMap<PathBuf, Part>,
}

/// The place where files are written before they are renamed; removed with the value.
#[derive(Debug)]
pub struct Staging {
    folder: PathBuf,
    /// The folder of partitions, where this run has made it.
    made: Option<PathBuf>,
    _lock: nix::fcntl::Flock<File>,
}

impl Drop for Staging {
    fn drop(&mut self) {
        // The next run removes what cannot be removed now.
        let _ = fs::remove_dir_all(&self.folder);
        if let Some(made) = &self.made {
            // Only where nothing came to stand in it.
            let _ = fs::remove_dir(made);
        }
    }
}

impl Staging {
    /// Makes it, and removes what a killed run has left. Other runs wait for this one.
    ///
    /// # Errors
    /// A target that is of the wrong kind, or a folder of somebody else's files; those of making it; another run (11).
    pub fn new(job: &Job) -> Result<Self> {
        let target = &job.target;
        let wrong = |what: &str, next: &str| {
            Err(Error::usage("export.target", what.to_owned()).at(target.display()).next(next.to_owned()))
        };
        if job.partition.is_none() {
            if target.is_dir() {
                return wrong("is a folder, and one file is written", "name a file, or add --partition-by");
            }
            if Format::of_file(target).is_some_and(|f| f != Format::Parquet) {
                return wrong(
                    "is no name of a Parquet file, and Parquet is written",
                    "name it .parquet, or use `llmsql query … -o FILE`",
                );
            }
            let folder = file::folder(target);
            if !folder.is_dir() {
                return Err(Error::usage("export.target", "there is no such folder")
                    .at(folder.display())
                    .next("make it first, or name another"));
            }
        } else {
            if target.is_file() {
                return wrong("is a file, and a folder of partitions is written", "name a folder");
            }
            let foreign = target.is_dir() && !target.join(MANIFEST).exists() && !is_empty(target)?;
            if foreign {
                return wrong("holds files that are no export of llmsql's", "name another folder, or an empty one");
            }
        }
        let made = (job.partition.is_some() && !target.exists()).then(|| target.clone());
        if made.is_some() {
            fs::create_dir_all(target).map_err(|e| unwritable(target, e))?;
        }
        let (within, name) = match job.partition {
            Some(_) => (target.clone(), "partition".to_owned()),
            None => (file::folder(target).to_owned(), sanitized(target)),
        };
        let lock = file::lock(&within)?;
        let folder = within.join(format!("{}export-{name}", file::TEMPORARY));
        if folder.exists() {
            fs::remove_dir_all(&folder).map_err(|e| unwritable(&folder, e))?;
        }
        fs::create_dir(&folder).map_err(|e| unwritable(&folder, e))?;
        let folder = fs::canonicalize(&folder).map_err(|e| unwritable(&folder, e))?;
        Ok(Staging { folder, made, _lock: lock })
    }

    /// The folder that the worker may write to.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

fn sanitized(target: &Path) -> String {
    target.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default()
}

fn is_empty(folder: &Path) -> Result<bool> {
    let mut entries = fs::read_dir(folder).map_err(|e| unwritable(folder, e))?;
    // What a killed run has left is ours.
    Ok(entries.all(|e| e.is_ok_and(|e| e.file_name().to_string_lossy().starts_with(file::TEMPORARY))))
}

fn unwritable(path: &Path, e: io::Error) -> Error {
    Error::failed("export.write", "cannot be written").at(path.display()).because(e)
}

/// Writes it.
///
/// # Errors
/// Those of the query and of writing; what was written before stands.
pub fn run(engine: &mut Engine, job: &Job, staging: &Staging) -> Result<Written> {
    match &job.partition {
        None => {
            let part = one(engine, job, &job.sql, staging, &file::target(&job.target)?)?;
            Ok(Written { rows: part.rows, bytes: part.bytes, files: 1, kept: 0 })
        }
        Some((column, every)) => partitions(engine, job, staging, column, *every),
    }
}

/// Writes one file, whole or not at all.
fn one(engine: &mut Engine, job: &Job, sql: &str, staging: &Staging, target: &Path) -> Result<Part> {
    let path = staging.folder.join(FILE);
    let parquet = Parquet { path: path.clone(), level: job.level, group: job.group };
    let query = Query { sql: sql.to_owned(), timeout: job.timeout, parquet: Some(parquet), ..Query::default() };
    let done = engine.run(&query, &mut Rows::default()).map_err(|e| file::full(e, target))?;
    let place = |e| unwritable(target, e);
    let written = File::open(&path).map_err(place)?;
    written.sync_all().map_err(place)?;
    let bytes = written.metadata().map_err(place)?.len();
    let folder = file::folder(target);
    fs::create_dir_all(folder).map_err(place)?;
    fs::rename(&path, target).and_then(|()| file::sync_folder(folder)).map_err(place)?;
    Ok(Part { rows: done.rows, bytes })
}

fn partitions(engine: &mut Engine, job: &Job, staging: &Staging, column: &str, every: Every) -> Result<Written> {
    let found = engine.check(&job.sql)?.into_iter().find(|c| c.name.eq_ignore_ascii_case(column));
    let kind = found.as_ref().map(|c| kind_of(&c.sql_type));
    let (Some(found), Some(Kind::Date | Kind::Timestamp)) = (found, kind) else {
        return Err(Error::usage("export.column", format!("there is no column \"{column}\" of dates or times"))
            .at("--partition-by")
            .next("`llmsql schema` shows the columns and their types"));
    };
    let name = quote_ident(&found.name);
    let days = days(engine, job, &name, every)?;
    let manifest_path = job.target.join(MANIFEST);
    let fingerprint = fingerprint(engine, job);
    let before = read_manifest(&manifest_path)?;
    let resumed = before.job == fingerprint && !before.complete;
    let mut manifest = Manifest {
        job: fingerprint,
        complete: false,
        parts: if resumed { before.parts.clone() } else { BTreeMap::new() },
    };
    write_manifest(&manifest_path, &manifest)?;
    let (mut written, mut noted) = (Written::default(), Instant::now());
    let mut progress = Progress::new(false);
    engine.quiet();
    for (n, day) in days.iter().enumerate() {
        progress.show("writing partitions", n as u64, Some(days.len() as u64), "files");
        let path = every.folder(day.as_deref()).join(FILE);
        let target = job.target.join(&path);
        let there = manifest.parts.get(&path).filter(|p| fs::metadata(&target).is_ok_and(|m| m.len() == p.bytes));
        let part = if let Some(part) = there {
            written.kept += 1;
            part.clone()
        } else {
            let condition = match day {
                Some(day) => within(&name, &found.sql_type, day, every)?,
                None => format!("{name} IS NULL"),
            };
            let part = one(engine, job, &narrowed(&job.sql, &condition), staging, &target)?;
            manifest.parts.insert(path, part.clone());
            // A run that is killed writes at most this much again.
            if noted.elapsed() > NOTED {
                write_manifest(&manifest_path, &manifest)?;
                noted = Instant::now();
            }
            part
        };
        written.rows += part.rows;
        written.bytes += part.bytes;
        written.files += 1;
    }
    // What an earlier export wrote and this one has not is no part of it any more.
    let now: BTreeSet<PathBuf> = days.iter().map(|d| every.folder(d.as_deref()).join(FILE)).collect();
    for old in before.parts.keys().filter(|p| !now.contains(*p)) {
        remove(&job.target, old)?;
    }
    manifest.parts.retain(|path, _| now.contains(path));
    manifest.complete = true;
    write_manifest(&manifest_path, &manifest)?;
    Ok(written)
}

/// The first days of the spans that there are, as text; nothing for rows without a date.
fn days(engine: &mut Engine, job: &Job, name: &str, every: Every) -> Result<Vec<Option<String>>> {
    let sql = format!(
        "SELECT DISTINCT CAST(CAST(date_trunc('{}', {name}) AS DATE) AS VARCHAR) AS day FROM {} ORDER BY day NULLS LAST",
        every.name(),
        relation(&job.sql)
    );
    let query = Query { sql, timeout: job.timeout, ..Query::default() };
    let mut rows = Rows::default();
    engine.run(&query, &mut rows)?;
    Ok(rows.rows.iter().flatten().map(|day| day.as_str().map(str::to_owned)).collect())
}

/// The condition of a span, in a form that sources can apply by themselves.
fn within(name: &str, sql_type: &str, day: &str, every: Every) -> Result<String> {
    let wrong = |_| Error::failed("export.date", format!("\"{day}\" is a date that no calendar here has"));
    let from: jiff::civil::Date = day.parse().map_err(wrong)?;
    let span = match every {
        Every::Day => jiff::Span::new().days(1),
        Every::Month => jiff::Span::new().months(1),
        Every::Year => jiff::Span::new().years(1),
    };
    let to = from.checked_add(span).map_err(wrong)?;
    let cast = if sql_type == "DATE" { "DATE" } else { "TIMESTAMP" };
    Ok(format!("{name} >= {cast} '{from}' AND {name} < {cast} '{to}'"))
}

/// A query with a further condition.
fn narrowed(sql: &str, condition: &str) -> String {
    format!("SELECT * FROM {} WHERE {condition}", relation(sql))
}

/// A query as what stands behind FROM. One over all of a table is the table itself, so that its source can apply
/// conditions, and sends no other columns than those that are asked for.
fn relation(sql: &str) -> String {
    match sql.strip_prefix("SELECT * FROM ").filter(|rest| is_one_table(rest)) {
        Some(table) => table.to_owned(),
        None => format!("({sql}\n) AS q"),
    }
}

/// Whether a text is one quoted name.
fn is_one_table(text: &str) -> bool {
    let inner = text.strip_prefix('"').and_then(|t| t.strip_suffix('"'));
    inner.is_some_and(|i| !i.is_empty() && !i.replace("\"\"", "").contains('"'))
}

fn fingerprint(engine: &Engine, job: &Job) -> String {
    let mut hash = Sha256::new();
    let partition = job.partition.as_ref().map(|(c, e)| format!("{c}:{}", e.name())).unwrap_or_default();
    for part in [engine.sources(), job.sql.clone(), partition, job.level.to_string(), job.group.to_string()] {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    hash.finalize().iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

fn read_manifest(path: &Path) -> Result<Manifest> {
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|e| {
            Error::failed("export.manifest", "cannot be read; the folder may be another program's")
                .at(path.display())
                .next("name another folder")
                .because(e)
        }),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Manifest::default()),
        Err(e) => Err(unwritable(path, e)),
    }
}

fn write_manifest(path: &Path, manifest: &Manifest) -> Result<()> {
    let text = serde_json::to_vec_pretty(manifest).map_err(|e| unwritable(path, e.into()))?;
    file::replace(path, &text)
}

/// Removes a partition's file and the folders that are empty without it.
fn remove(target: &Path, part: &Path) -> Result<()> {
    // A manifest names files of its own folder only.
    if part.is_absolute() || part.components().any(|c| !matches!(c, std::path::Component::Normal(_))) {
        return Ok(());
    }
    let path = target.join(part);
    match fs::remove_file(&path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(unwritable(&path, e)),
        _ => {}
    }
    for folder in part.ancestors().skip(1).filter(|p| *p != Path::new("")) {
        // One that holds something else stays.
        if fs::remove_dir(target.join(folder)).is_err() {
            break;
        }
    }
    Ok(())
}

/// Where the view of an export reads: its folder, or its file.
#[must_use]
pub fn archives(view: &str) -> Vec<PathBuf> {
    let quoted = view.split("read_parquet('").skip(1).map(|rest| {
        // A quote in a path is doubled.
        let mut path = String::new();
        let mut parts = rest.split('\'');
        while let Some(part) = parts.next() {
            path += part;
            match parts.next() {
                Some("") => path.push('\''),
                _ => break,
            }
        }
        path
    });
    quoted.map(|path| PathBuf::from(path.strip_suffix(EVERYTHING).unwrap_or(&path))).collect()
}

/// Whether this is an export: a folder that says so, or a Parquet file.
#[must_use]
pub fn is_archive(path: &Path) -> bool {
    let is_parquet = || {
        let mut head = [0; 4];
        File::open(path).and_then(|mut file| file.read_exact(&mut head)).is_ok_and(|()| &head == b"PAR1")
    };
    path.is_absolute() && if path.is_dir() { path.join(MANIFEST).is_file() } else { path.is_file() && is_parquet() }
}

/// Whether a folder holds an export that is not whole.
#[must_use]
pub fn is_unfinished(folder: &Path) -> bool {
    let path = folder.join(MANIFEST);
    path.is_file() && read_manifest(&path).is_ok_and(|manifest| !manifest.complete)
}

/// What is to be said of such a folder.
#[must_use]
pub fn unfinished(folder: &Path) -> String {
    format!(
        "note: {}: the export in this folder is still being written, or was interrupted: rows may be missing, or be there \
         twice; run `llmsql export` again to finish it",
        folder.display()
    )
}

/// A DuckDB file that gets a view over an export once that is written.
#[derive(Debug)]
pub struct Register(PathBuf);

impl Register {
    /// Takes a DuckDB file, or a name under which there is nothing yet. DuckDB opens a Parquet or CSV file as well, as a
    /// database in memory, and what is put into that is gone at once.
    ///
    /// # Errors
    /// Another file, or that of the export itself (64).
    pub fn new(database: &Path, target: &Path) -> Result<Self> {
        let refused = || {
            Err(Error::usage("export.register", "is no DuckDB file")
                .at(format!("--register {}", database.display()))
                .next("name a DuckDB file, or one that is not there yet"))
        };
        let whole = |path: &Path| std::path::absolute(path).ok();
        if whole(database) == whole(target) {
            return refused();
        }
        let mut head = Vec::new();
        match File::open(database).and_then(|file| file.take(12).read_to_end(&mut head)) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Register(database.to_owned())),
            Err(e) => Err(unwritable(database, e)),
            Ok(_) if is_duckdb(&head) => Ok(Register(database.to_owned())),
            Ok(_) => refused(),
        }
    }

    /// Puts a view over an export into it; it is made if it is not there.
    ///
    /// # Errors
    /// A file that cannot be written, or is open in another program (11).
    pub fn view(&self, view: &str, job: &Job) -> Result<()> {
        let database = &self.0;
        let target = fs::canonicalize(&job.target).map_err(|e| unwritable(&job.target, e))?;
        let reader = match job.partition {
            Some(_) => format!(
                "read_parquet({}, hive_partitioning = true)",
                quote_literal(&(target.to_string_lossy() + EVERYTHING))
            ),
            None => format!("read_parquet({})", quote_literal(&target.to_string_lossy())),
        };
        let wrong = |e: duckdb::Error| {
            let mut error = failure::from_duckdb(&e).at(database.display());
            if error.exit == Exit::Failed {
                error.code = "export.register";
            }
            error
        };
        let duckdb = duckdb::Connection::open(database).map_err(wrong)?;
        let sql = format!("CREATE OR REPLACE VIEW {} AS SELECT * FROM {reader}; CHECKPOINT", quote_ident(view));
        duckdb.execute_batch(&sql).map_err(wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_stand_where_hive_expects_them() {
        assert_eq!(Every::Month.folder(Some("2026-03-01")), Path::new("year=2026/month=03"));
        assert_eq!(Every::Day.folder(None), Path::new(&format!("year={NO_DATE}/month={NO_DATE}/day={NO_DATE}")));
    }

    #[test]
    fn a_view_says_what_it_reads() {
        let view = "CREATE VIEW v AS SELECT * FROM read_parquet('/a/it''s/**/*.parquet', (hive_partitioning = true)) \
                    UNION ALL SELECT * FROM read_parquet('/b.parquet');";
        assert_eq!(archives(view), [Path::new("/a/it's"), Path::new("/b.parquet")]);
        assert!(archives("CREATE VIEW v AS SELECT * FROM t").is_empty());
    }

    #[test]
    fn a_span_is_half_open() {
        assert_eq!(
            within("\"d\"", "DATE", "2026-12-01", Every::Month).unwrap(),
            "\"d\" >= DATE '2026-12-01' AND \"d\" < DATE '2027-01-01'"
        );
        assert!(within("d", "DATE", "290000-01-01", Every::Day).is_err());
    }

    #[test]
    fn a_table_stays_a_table_when_it_is_narrowed() {
        assert_eq!(narrowed("SELECT * FROM \"a b\"", "x"), "SELECT * FROM \"a b\" WHERE x");
        assert_eq!(
            narrowed("SELECT * FROM \"a\", \"b\"", "x"),
            "SELECT * FROM (SELECT * FROM \"a\", \"b\"\n) AS q WHERE x"
        );
    }

    #[test]
    fn only_files_of_the_folder_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        let outside = dir.path().join("outside");
        fs::write(&outside, "x").unwrap();
        let target = dir.path().join("target");
        fs::create_dir_all(target.join("year=2026")).unwrap();
        fs::write(target.join("year=2026/data.parquet"), "x").unwrap();
        for part in ["../outside", outside.to_str().unwrap(), "year=2026/data.parquet"] {
            remove(&target, Path::new(part)).unwrap();
        }
        assert!(outside.exists() && target.exists() && !target.join("year=2026").exists());
    }
}
