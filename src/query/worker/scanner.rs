//! SQLite files through DuckDB's own extension for them, where it is installed. It reads a table in several threads, and
//! refuses one that holds other values than its declaration says; such a table is read as where there is no extension.

use super::catalogue::{Engine, Target};
use super::columns::Fill;
use crate::error::{Error, Result};
use crate::postgres::connect::{quote_ident, quote_literal};
use std::path::Path;

/// The extension.
pub const NAME: &str = "sqlite_scanner";

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
