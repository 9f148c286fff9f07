//! DuckDB's own extensions for SQLite and PostgreSQL, where they are installed: they read a table in several threads.
//!
//! Loading one takes a tenth of a second and more, since DuckDB proves the signature of some 40 MB. So each is loaded only
//! where a source is so large that reading it takes much longer. What it needs of the system's libraries has to be opened
//! before the worker is kept in, when no query is known yet: one large table has it loaded for all queries of its server. Measured with two threads, PostgreSQL's server on the same
//! two CPUs: a million rows of six columns came in 0.56 s through COPY and in 0.65 s through the extension, four million in
//! 2.47 s and 1.93 s. Of SQLite, four million took 3.7 s here and 4.8 s there on two busy CPUs: it takes more of them.

use super::catalogue::{Engine, Target};
use super::columns::Fill;
use crate::error::{Error, Result};
use crate::postgres::connect::{quote_ident, quote_literal};
use std::path::Path;

/// The extension for SQLite.
pub const SQLITE: &str = "sqlite_scanner";
/// The extension for PostgreSQL.
pub const POSTGRES: &str = "postgres_scanner";
/// Bytes of a SQLite file from which on its extension is worth loading.
const LARGE_FILE: u64 = 64 << 20;

/// Whether a SQLite file is large enough for its extension.
pub fn is_large(file: &Path) -> bool {
    std::fs::metadata(file).is_ok_and(|m| m.len() >= LARGE_FILE)
}

/// Attaches a SQLite file under a name that no query can use; nothing where that fails, as it does where the file has a
/// log.
pub fn attach(engine: &Engine, catalog: &str, path: &Path) -> Result<Option<String>> {
    let name = engine.catalog(&format!("{catalog}_scanned"))?;
    let file = quote_literal(&path.to_string_lossy());
    let sql = format!("ATTACH {file} AS {} (TYPE sqlite, READ_ONLY)", quote_ident(&name));
    Ok(engine.execute(&sql).is_ok().then_some(name))
}

/// Fills a table with these columns of a SQLite file, made anew. The extension refuses a table that holds other values
/// than its declaration says.
///
/// # Errors
/// Columns that the extension takes for something else, values that do not fit.
pub fn fill(engine: &Engine, scanned: &str, table: &str, target: &Target, columns: &[(String, Fill)]) -> Result<()> {
    let from = format!("{}.main.{}", quote_ident(scanned), quote_ident(table));
    let names: Vec<String> = columns.iter().map(|(name, _)| quote_ident(name)).collect();
    // Dates it makes of numbers, too.
    let alike = |have: &str, fill: Fill| match fill {
        Fill::Int | Fill::Float | Fill::Text => have == fill.sql(),
        Fill::Since(_) => matches!(have, "BIGINT" | "DOUBLE"),
        _ => false,
    };
    let types = types(engine, &format!("SELECT {} FROM {from}", names.join(", ")))?;
    if types.len() != columns.len() || !types.iter().zip(columns).all(|(have, (_, fill))| alike(have, *fill)) {
        return Err(Error::failed("query.failed", "the columns have other types").at(table));
    }
    let list: Vec<String> =
        names.iter().zip(columns).map(|(name, (_, fill))| format!("{} AS {name}", fill.of(name))).collect();
    engine.execute(&format!("CREATE OR REPLACE TABLE {} AS SELECT {} FROM {from}", target.sql(), list.join(", ")))
}

/// The types of a SELECT's columns.
///
/// # Errors
/// A statement that cannot be planned.
pub fn types(engine: &Engine, select: &str) -> Result<Vec<String>> {
    let described = engine.rows(&format!("DESCRIBE {select}"))?;
    Ok(described.into_iter().map(|row| row.into_iter().nth(1).flatten().unwrap_or_default()).collect())
}
