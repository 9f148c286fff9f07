//! Extensions of DuckDB that were installed, for the worker's own use.

use super::answer;
use super::catalogue::Engine;
use crate::error::Result;
use crate::postgres::connect::quote_literal;
use crate::query::extensions::Extensions;
use crate::query::protocol::Response;
use std::path::{Path, PathBuf};

/// The folder of extensions, if this one is there and nobody can have put another program in its place.
#[must_use]
pub fn folder(extensions: &Path, name: &str) -> Option<PathBuf> {
    let below = |folder: &Path| {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect::<Vec<_>>()
    };
    // By version and platform.
    let platforms = below(extensions).into_iter().flat_map(|version| below(&version));
    let there = platforms.into_iter().any(|p| p.join(format!("{name}.duckdb_extension")).is_file());
    (there && Extensions::at(extensions.to_owned()).is_ok()).then(|| extensions.to_owned())
}

/// Loads it; DuckDB proves its signature, version and platform. Says whether it is there to be used.
///
/// # Errors
/// Those of telling the program that it is not.
pub fn load(engine: &Engine, folder: &Path, name: &str) -> Result<bool> {
    let sql = format!("SET extension_directory = {}; LOAD {name}", quote_literal(&folder.to_string_lossy()));
    let Err(error) = engine.execute(&sql) else { return Ok(true) };
    answer(&Response::Note(format!("note: the extension {name} is not used: {}", error.what)))?;
    Ok(false)
}
