//! Extensions of DuckDB that were installed, for the worker's own use.

use super::answer;
use crate::error::{Error, Exit, Result};
use crate::postgres::connect::quote_literal;
use crate::process;
use crate::query::extensions::Extensions;
use crate::query::failure;
use crate::query::protocol::Response;
use duckdb::Connection;
use std::path::Path;

/// Whether an extension is in the folder of extensions, and nobody can have put another program in its place.
#[must_use]
pub fn installed(extensions: &Path, name: &str) -> bool {
    let below = |folder: &Path| {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect::<Vec<_>>()
    };
    // By version and platform.
    let mut platforms = below(extensions).into_iter().flat_map(|version| below(&version));
    platforms.any(|p| p.join(format!("{name}.duckdb_extension")).is_file())
        && Extensions::at(extensions.to_owned()).is_ok()
}

/// Loads one, before the worker is kept in, since it may need libraries of the system; DuckDB proves its signature, version
/// and platform. Says whether it is there to be used.
///
/// # Errors
/// One that starts threads, which would not be kept in.
pub fn load(duckdb: &Connection, folder: &Path, name: &str) -> Result<bool> {
    let before = process::threads();
    let sql = format!("SET extension_directory = {}; LOAD {name}", quote_literal(&folder.to_string_lossy()));
    if let Err(error) = duckdb.execute_batch(&sql) {
        let why = failure::from_duckdb(&error).what;
        answer(&Response::Note(format!("note: the extension {name} is not used: {why}")))?;
        return Ok(false);
    }
    if process::threads() > before {
        return Err(Error::new(
            Exit::Failed,
            "query.sandbox",
            "an extension started threads that would not be kept in",
        )
        .at(name)
        .next("remove it from the folder that `llmsql extensions list` shows"));
    }
    Ok(true)
}
