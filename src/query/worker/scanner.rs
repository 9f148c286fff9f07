//! SQLite files through DuckDB's own extension for them, where it is installed. It reads a table in several threads, and
//! refuses one that holds other values than its declaration says; such a table is read as where there is no extension.

use super::answer;
use super::catalogue::{Engine, Target};
use super::columns::Fill;
use crate::error::{Error, Result};
use crate::postgres::connect::{quote_ident, quote_literal};
use crate::query::extensions::Extensions;
use crate::query::protocol::Response;
use std::path::{Path, PathBuf};

const NAME: &str = "sqlite_scanner";

/// The folder of extensions, if this one is there and nobody can have put another program in its place.
pub fn folder(extensions: &Path) -> Option<PathBuf> {
    let below = |folder: &Path| {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect::<Vec<_>>()
    };
    // By version and platform.
    let platforms = below(extensions).into_iter().flat_map(|version| below(&version));
    let there = platforms.into_iter().any(|p| p.join(format!("{NAME}.duckdb_extension")).is_file());
    (there && Extensions::at(extensions.to_owned()).is_ok()).then(|| extensions.to_owned())
}

/// Loads it; DuckDB proves its signature, version and platform. Says whether it is there to be used.
pub fn load(engine: &Engine, folder: &Path) -> Result<bool> {
    let sql = format!("SET extension_directory = {}; LOAD {NAME}", quote_literal(&folder.to_string_lossy()));
    let Err(error) = engine.execute(&sql) else { return Ok(true) };
    answer(&Response::Note(format!("note: the extension {NAME} is not used: {}", error.what)))?;
    Ok(false)
}

/// Attaches a file under a name that no query can use; nothing where that fails, as it does where the file has a log.
pub fn attach(engine: &Engine, catalog: &str, path: &Path) -> Result<Option<String>> {
    let name = engine.catalog(&format!("{catalog}_scanned"))?;
    let file = quote_literal(&path.to_string_lossy());
    let sql = format!("ATTACH {file} AS {} (TYPE sqlite, READ_ONLY)", quote_ident(&name));
    Ok(engine.execute(&sql).is_ok().then_some(name))
}

/// Fills a table with these columns, made anew.
///
/// # Errors
/// Columns that the extension takes for something else, values that do not fit.
pub fn fill(engine: &Engine, scanned: &str, table: &str, target: &Target, columns: &[(String, Fill)]) -> Result<()> {
    let names: Vec<String> = columns.iter().map(|(name, _)| quote_ident(name)).collect();
    let select = format!("SELECT {} FROM {}.main.{}", names.join(", "), quote_ident(scanned), quote_ident(table));
    let described = engine.rows(&format!("DESCRIBE {select}"))?;
    let types = described.iter().map(|row| row.get(1).and_then(Option::as_deref).unwrap_or_default());
    // Dates it makes of numbers, too.
    let alike = |(have, (_, fill)): (&str, &(String, Fill))| {
        matches!(fill, Fill::Int | Fill::Float | Fill::Text) && have == fill.sql()
    };
    if described.len() != columns.len() || !types.zip(columns).all(alike) {
        return Err(Error::failed("query.failed", "the columns have other types").at(table));
    }
    engine.execute(&format!("CREATE OR REPLACE TABLE {} AS {select}", target.sql()))
}
