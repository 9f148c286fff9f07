//! Where data comes from: `--source`, `[sources]` of llmsql.toml, and what each file turns out to be.

mod content;
mod folder;

use crate::error::{Error, Result};
use crate::process::PASSWORD;
use crate::profile::config::Document;
pub use content::is_duckdb;
use content::{Content, GZIP, ZSTD, content_of, sniff};
use folder::{folder, pattern};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// The code of the error that a source is not there, or may not be read.
const UNREADABLE: &str = "source.unreadable";
/// How stdin is called where a file is expected.
pub const STDIN: &str = "-";
/// Files of a folder that are looked into to see whether they are alike.
pub const LOOKED_INTO: usize = 8;

/// Data under a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Its name: the database's, or the table's where there is one only.
    pub name: String,
    /// Whether the operator gave the name.
    pub named: bool,
    /// What it is.
    pub place: Place,
}

/// What a source is.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Place {
    /// Files of one format, sorted. Together one table where `one` says so, else one if they are alike.
    Files {
        /// The files.
        paths: Vec<PathBuf>,
        /// Their format.
        format: FileFormat,
        /// Whether they are certainly one table (a file, a pattern).
        one: bool,
        /// What the operator has said of them.
        told: Told,
    },
    /// A DuckDB file.
    DuckDb(PathBuf),
    /// A SQLite file.
    Sqlite(PathBuf),
    /// A PostgreSQL server: its URL, which may hold a password, and what PGPASSWORD held, for where nothing else does.
    Postgres(String, Option<String>),
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown())
    }
}

impl Place {
    /// For messages: a path, or a server without its password.
    #[must_use]
    pub fn shown(&self) -> String {
        match self {
            Place::Files { paths, .. } => match paths.as_slice() {
                [] => "no files".to_owned(),
                [only] => only.display().to_string(),
                [first, ..] => format!("{} and {} more files", first.display(), paths.len() - 1),
            },
            Place::DuckDb(path) | Place::Sqlite(path) => path.display().to_string(),
            Place::Postgres(url, _) => hide_password(url),
        }
    }

    /// The files that are read.
    #[must_use]
    pub fn paths(&self) -> &[PathBuf] {
        match self {
            Place::Files { paths, .. } => paths,
            Place::DuckDb(path) | Place::Sqlite(path) => std::slice::from_ref(path),
            Place::Postgres(..) => &[],
        }
    }
}

/// A URL of which nothing but scheme, server and database is left.
#[must_use]
pub fn hide_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return "…".to_owned() };
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{scheme}://{host}{}{path}", if path.is_empty() { "" } else { "/" })
}

/// What the operator has said of files beside where they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Told {
    /// Nothing.
    Nothing,
    /// Their format, as in csv:PATH.
    Format,
    /// They were piped in, and lie in the folder of the run.
    Piped,
}

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum FileFormat {
    /// Comma, tab or another delimiter.
    Csv,
    /// JSON: an array, or a value a line.
    Json,
    /// Parquet.
    Parquet,
}

/// How a location says what a file holds.
const PREFIXES: &[(&str, Content)] = &[
    ("sqlite:", Content::Sqlite),
    ("duckdb:", Content::DuckDb),
    ("csv:", Content::Table(FileFormat::Csv)),
    ("json:", Content::Table(FileFormat::Json)),
    ("parquet:", Content::Table(FileFormat::Parquet)),
];

/// A location of llmsql.toml: a path that is relative stands beside that file.
#[must_use]
pub fn beside(document: &Document, location: String) -> String {
    if location == STDIN || location.is_empty() || location.contains("://") {
        return location;
    }
    let prefix = PREFIXES.iter().map(|(prefix, _)| *prefix).find(|p| location.starts_with(p)).unwrap_or_default();
    let path = location.get(prefix.len()..).unwrap_or_default();
    format!("{prefix}{}", document.beside(Path::new(path)).display())
}

/// Refuses a result that would be written over one of the sources, by whatever name or link it is called.
///
/// # Errors
/// It would (64).
pub fn refuse_overwriting(sources: &[Source], target: &Path) -> Result<()> {
    let identity = |path: &Path| fs::metadata(path).map(|m| (m.dev(), m.ino())).ok();
    let Some(target_is) = identity(target) else { return Ok(()) };
    let same = |s: &&Source| s.place.paths().iter().any(|path| identity(path) == Some(target_is));
    sources.iter().find(same).map_or(Ok(()), |source| {
        Err(Error::usage(
            "output.source",
            format!("the result would be written over the source \"{}\"; nothing was changed", source.name),
        )
        .at(target.display())
        .next("name another file with -o"))
    })
}

/// The names and locations that are asked, and whether they are those of `[sources]`.
fn specs(flags: &[String], configured: &BTreeMap<String, String>) -> Vec<(Option<String>, String, bool)> {
    if flags.is_empty() {
        return configured.iter().map(|(name, location)| (Some(name.clone()), location.clone(), true)).collect();
    }
    let of_flag = |flag: &String| match configured.get(flag) {
        Some(location) => (Some(flag.clone()), location.clone(), true),
        None => {
            let (name, location) = split_name(flag);
            (name, location, false)
        }
    };
    flags.iter().map(of_flag).collect()
}

/// Whether one of the sources is stdin, by whatever name it is called.
#[must_use]
pub fn read_stdin(flags: &[String], configured: &BTreeMap<String, String>) -> bool {
    let stdin = fs::metadata("/dev/stdin").map(|m| (m.dev(), m.ino())).ok();
    specs(flags, configured).iter().any(|(_, location, _)| {
        let prefixes = PREFIXES.iter().map(|(prefix, _)| *prefix).chain(["file://"]);
        let path = prefixes.into_iter().find_map(|p| location.strip_prefix(p)).unwrap_or(location);
        let is_stdin = |m: fs::Metadata| {
            let is_handle = m.file_type().is_fifo() || ["/dev/", "/proc/"].iter().any(|p| path.starts_with(p));
            is_handle && Some((m.dev(), m.ino())) == stdin
        };
        location == STDIN || fs::metadata(path).is_ok_and(is_stdin)
    })
}

/// Reads what `--source` says, or what `[sources]` holds where no flag is given. `scratch` takes what comes from stdin.
///
/// # Errors
/// No source at all, a name given twice, files that are not there or cannot be read.
pub fn resolve(flags: &[String], configured: &BTreeMap<String, String>, scratch: &Path) -> Result<Vec<Source>> {
    let specs = specs(flags, configured);
    if specs.is_empty() {
        return Err(Error::usage("source.none", "there is no source to ask").next(
            "name one with --source (a CSV, JSON, Parquet, SQLite or DuckDB file, a folder, a pattern, postgres://…), \
             or list them under [sources] in llmsql.toml",
        ));
    }
    let mut sources: Vec<Source> = Vec::new();
    for (name, location, is_configured) in specs {
        let found = one(name.as_deref(), &location, scratch).map_err(|e| match &name {
            Some(name) if is_configured => Error { what: format!("[sources] {name}: {}", e.what), ..e },
            _ if !configured.is_empty() && e.code == UNREADABLE && !Path::new(&location).exists() => {
                let names: Vec<&str> = configured.keys().map(String::as_str).collect();
                let next = e.next.clone().unwrap_or_default();
                e.next(format!("{next}; [sources] in llmsql.toml has {}", names.join(", ")))
            }
            _ => e,
        })?;
        for source in found {
            match sources.iter().find(|s| s.name.eq_ignore_ascii_case(&source.name)) {
                Some(other) if source.named && other.named => {
                    return Err(Error::usage("source.twice", format!("two sources are named \"{}\"", source.name))
                        .at(format!("--source {}", source.place.shown()))
                        .next("give each its own name, as in --source NAME=PATH"));
                }
                Some(_) => {
                    let name = free_name(&source.name, |n| sources.iter().any(|s| s.name.eq_ignore_ascii_case(n)));
                    sources.push(Source { name, ..source });
                }
                None => sources.push(source),
            }
        }
    }
    Ok(sources)
}

/// The first of `name`, `name_2`, `name_3` … that is not taken.
pub(super) fn free_name(name: &str, taken: impl Fn(&str) -> bool) -> String {
    if !taken(name) {
        return name.to_owned();
    }
    (2..).map(|n| format!("{name}_{n}")).find(|n| !taken(n)).unwrap_or_else(|| name.to_owned())
}

/// `NAME=LOCATION`, unless the whole is a path that exists or begins with a scheme.
fn split_name(spec: &str) -> (Option<String>, String) {
    if let Some((name, location)) = spec.split_once('=')
        && is_name(name)
        && !Path::new(spec).exists()
    {
        return (Some(name.to_owned()), location.to_owned());
    }
    (None, spec.to_owned())
}

fn is_name(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|c| c.is_alphabetic() || c == '_') && chars.all(|c| c.is_alphanumeric() || c == '_')
}

fn one(name: Option<&str>, location: &str, scratch: &Path) -> Result<Vec<Source>> {
    let named = name.is_some();
    let source = |default: &str, place| Source { name: name.unwrap_or(default).to_owned(), named, place };
    if location.is_empty() {
        return Err(Error::usage("source.empty", "the source is empty").at("--source"));
    }
    if location == STDIN {
        return Ok(vec![source("stdin", spooled(io::stdin().lock(), STDIN, "stdin", None, scratch)?)]);
    }
    if location.starts_with("postgres://") || location.starts_with("postgresql://") {
        let database = hide_password(location).rsplit_once('/').map(|(_, d)| d.to_owned()).unwrap_or_default();
        let default = if is_name(&database) { database } else { "postgres".to_owned() };
        let place = Place::Postgres(location.to_owned(), std::env::var(PASSWORD).ok());
        return Ok(vec![source(&default, place)]);
    }
    if let Some((scheme, rest)) = location.split_once("://") {
        if scheme != "file" {
            return Err(Error::usage("source.scheme", format!("{scheme}:// is no source that can be read"))
                .at(format!("--source {scheme}://…"))
                .next("copy the files here, or use `llmsql export`; what can be read: files, folders, sqlite:PATH, postgres://…"));
        }
        return one(name, rest, scratch);
    }
    for (prefix, content) in PREFIXES {
        if let Some(rest) = location.strip_prefix(prefix) {
            if is_pipe(Path::new(rest)) {
                let (name, place) = piped(rest, Some(*content), scratch)?;
                return Ok(vec![source(&name, place)]);
            }
            let path = readable(Path::new(rest))?;
            return Ok(vec![source(&called(Path::new(rest), &path), place_of(&path, *content, Told::Format))]);
        }
    }
    let path = Path::new(location);
    if path.is_dir() {
        return folder(name, path);
    }
    if !path.exists() && location.contains(['*', '?', '[']) {
        return pattern(name, location);
    }
    if is_pipe(path) {
        let (name, place) = piped(location, None, scratch)?;
        return Ok(vec![source(&name, place)]);
    }
    if fs::metadata(path)
        .map(|m| m.file_type())
        .is_ok_and(|k| k.is_char_device() || k.is_block_device() || k.is_socket())
    {
        return Err(Error::usage("source.kind", "is a device or a socket, and no file")
            .at(format!("--source {location}"))
            .next("name a file, a folder or a pattern, or - for stdin"));
    }
    let found = readable(path)?;
    let content = content_of(&found)?;
    Ok(vec![source(&called(path, &found), place_of(&found, content, Told::Nothing))])
}

/// The name for a file as it was written: a link keeps its own, whatever it leads to today. Those of open files are none.
fn called(written: &Path, found: &Path) -> String {
    stem(if written.starts_with("/dev") || written.starts_with("/proc") { found } else { written })
}

/// Whether it can be read once, and not be sought in: the shell's <(…), /dev/stdin, or a pipe by its name.
fn is_pipe(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|m| m.file_type().is_fifo())
}

/// A name for what comes out of a pipe, and where it is then.
fn piped(location: &str, content: Option<Content>, scratch: &Path) -> Result<(String, Place)> {
    let path = Path::new(location);
    let pipe = File::open(path).map_err(|e| unreadable(location, e))?;
    let name = if path.starts_with("/dev") || path.starts_with("/proc") { "stdin".to_owned() } else { stem(path) };
    let place = spooled(pipe, location, &name, content, scratch)?;
    Ok((name, place))
}

fn place_of(path: &Path, content: Content, told: Told) -> Place {
    match content {
        Content::Table(format) => Place::Files { paths: vec![path.to_owned()], format, one: true, told },
        Content::DuckDb => Place::DuckDb(path.to_owned()),
        Content::Sqlite => Place::Sqlite(path.to_owned()),
    }
}

/// An absolute path of a file that can be opened.
fn readable(path: &Path) -> Result<PathBuf> {
    let wrong = |e| unreadable(&path.to_string_lossy(), e);
    File::open(path).map_err(wrong)?;
    fs::canonicalize(path).map_err(wrong)
}

fn unreadable(location: &str, e: io::Error) -> Error {
    let place = format!("--source {location}");
    if e.kind() == io::ErrorKind::NotFound {
        return Error::usage(UNREADABLE, "there is no such file")
            .at(place)
            .next("check the path; patterns need quotes in a shell");
    }
    Error::usage(UNREADABLE, "cannot be read").at(place).because(e)
}

/// A table's name from a file's: what stands before the first dot, with what SQL would have to quote made `_`.
pub(super) fn stem(path: &Path) -> String {
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let stem = name.split('.').find(|part| !part.is_empty()).unwrap_or("data");
    identifier(stem)
}

fn identifier(text: &str) -> String {
    let mut name: String = text.chars().map(|c| if c.is_alphanumeric() || c == '_' { c } else { '_' }).collect();
    if name.starts_with(|c: char| c.is_numeric()) {
        name.insert(0, '_');
    }
    if name.is_empty() { "data".to_owned() } else { name }
}

/// Takes what can be read once only into a file that only this user can read.
fn spooled(mut from: impl Read, location: &str, name: &str, content: Option<Content>, scratch: &Path) -> Result<Place> {
    let wrong = |e| {
        Error::failed("source.stdin", format!("{name} cannot be read into a file")).at(scratch.display()).because(e)
    };
    // DuckDB tells what is compressed by the name.
    let mut head = Vec::new();
    (&mut from).take(ZSTD.len() as u64).read_to_end(&mut head).map_err(wrong)?;
    let place = format!("--source {location}");
    if head.is_empty() {
        return Err(Error::usage("source.stdin", format!("{name} is empty")).at(place).next("pipe data into it"));
    }
    if head == ZSTD {
        return Err(Error::usage("source.stdin", format!("{name} is compressed by zstd"))
            .at(place)
            .next("pipe it through `zstd -dc`"));
    }
    let free = free_name(name, |n| [n.to_owned(), format!("{n}.gz")].iter().any(|n| scratch.join(n).exists()));
    let path = scratch.join(if head.starts_with(GZIP) { format!("{free}.gz") } else { free });
    let mut file = File::create_new(&path).map_err(wrong)?;
    io::copy(&mut head.chain(from), &mut file).and_then(|_| file.flush()).map_err(wrong)?;
    let content = content.map_or_else(|| sniff(&path), Ok)?;
    Ok(place_of(&path, content, Told::Piped))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_name_stands_before_the_first_equals_sign_unless_the_whole_is_a_file() {
        assert_eq!(split_name("logs=/var/log/a.json"), (Some("logs".to_owned()), "/var/log/a.json".to_owned()));
        assert_eq!(split_name("postgres://u@h/d?a=b").0, None);
        let dir = tempfile::tempdir().unwrap();
        let odd = dir.path().join("year=2024");
        fs::write(&odd, "x").unwrap();
        assert_eq!(split_name(odd.to_str().unwrap()).0, None);
    }

    #[test]
    fn no_password_is_shown() {
        let place = Place::Postgres(
            "postgresql://ada:hunter2@db1:5432/shop?password=hunter2".to_owned(),
            Some("hunter2".to_owned()),
        );
        assert_eq!(place.shown(), "postgresql://db1:5432/shop");
        assert!(!format!("{place:?}").contains("hunter2"));
    }

    proptest! {
        #[test]
        fn any_url_can_be_shown(url in "[a:/@?#]{0,16}") {
            let _ = hide_password(&url);
        }
    }
}
