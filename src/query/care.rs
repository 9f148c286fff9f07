//! Care for a DuckDB file: what it holds, statistics, checkpoints, memory by component.

use super::failure;
use crate::error::{Error, Result};
use duckdb::{AccessMode, Config, Connection};
use serde::Serialize;
use std::io::Read;
use std::path::{Path, PathBuf};

/// What DuckDB may use on this host; what is not given is DuckDB's own default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Given {
    /// Memory, in bytes.
    pub memory: Option<u64>,
    /// Threads.
    pub threads: Option<u64>,
    /// The folder for spilled data.
    pub temp: Option<PathBuf>,
    /// The size of the WAL at which DuckDB writes it into the file, in bytes.
    pub checkpoint: Option<u64>,
}

/// What a file holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct File {
    /// Its size.
    pub bytes: u64,
    /// The size of its WAL.
    pub wal_bytes: u64,
    /// Blocks in it.
    pub total_blocks: u64,
    /// Blocks that are free to be used again.
    pub free_blocks: u64,
    /// Its tables.
    pub tables: Vec<Table>,
    /// What DuckDB's memory is used for, largest first.
    pub memory: Vec<Memory>,
}

/// A table of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Table {
    /// Its schema and name.
    pub name: String,
    /// Its rows.
    pub rows: u64,
    /// Its columns.
    pub columns: u64,
}

/// Memory of a component of DuckDB.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// Its name, as DuckDB has it.
    pub component: String,
    /// Bytes in memory.
    pub bytes: u64,
    /// Bytes on disk.
    pub disk_bytes: u64,
}

fn open(path: &Path, given: &Given, mode: AccessMode) -> Result<Connection> {
    // DuckDB opens a CSV file as well, as a database of one view.
    let mut head = Vec::new();
    let read = std::fs::File::open(path).and_then(|f| f.take(12).read_to_end(&mut head));
    read.map_err(|e| Error::usage("source.unreadable", "cannot be read").at(path.display()).because(e))?;
    if head.get(8..12) != Some(b"DUCK") {
        return Err(Error::usage("source.damaged", "is no DuckDB file").at(path.display()));
    }
    let config = || -> duckdb::Result<Config> {
        let mut config = Config::default().access_mode(mode)?.enable_autoload_extension(false)?;
        if let Some(memory) = given.memory {
            config = config.max_memory(&format!("{memory}B"))?;
        }
        if let Some(threads) = given.threads.and_then(|t| i64::try_from(t).ok()) {
            config = config.threads(threads)?;
        }
        if let Some(temp) = given.temp.as_ref().filter(|t| t.is_dir()) {
            config = config.with("temp_directory", temp.to_string_lossy())?;
        }
        if let Some(checkpoint) = given.checkpoint {
            config = config.with("checkpoint_threshold", format!("{checkpoint}B"))?;
        }
        Ok(config)
    };
    config()
        .and_then(|config| Connection::open_with_flags(path, config))
        .map_err(|e| failure::from_duckdb(&e).at(path.display()))
}

/// Looks at a file without writing.
///
/// # Errors
/// A file that is none of DuckDB's, or is open in another program that writes it (11).
pub fn check(path: &Path, given: &Given) -> Result<File> {
    look(&open(path, given, AccessMode::ReadOnly)?, path)
}

/// Renews the statistics and writes the WAL into the file; returns the file before and after.
///
/// # Errors
/// As [`check`]; those of writing.
pub fn maintain(path: &Path, given: &Given) -> Result<(File, File)> {
    let wal_bytes = wal(path);
    let duckdb = open(path, given, AccessMode::ReadWrite)?;
    // Opening has read the WAL: what it held is known from before only.
    let before = File { wal_bytes, ..look(&duckdb, path)? };
    duckdb.execute_batch("ANALYZE; CHECKPOINT").map_err(|e| failure::from_duckdb(&e).at(path.display()))?;
    Ok((before, look(&duckdb, path)?))
}

fn wal(path: &Path) -> u64 {
    let mut name = path.as_os_str().to_owned();
    name.push(".wal");
    std::fs::metadata(PathBuf::from(name)).map_or(0, |m| m.len())
}

fn look(duckdb: &Connection, path: &Path) -> Result<File> {
    let number = |n: i64| u64::try_from(n).unwrap_or(0);
    let read = || -> duckdb::Result<File> {
        let (total_blocks, free_blocks) = duckdb.query_row(
            "SELECT total_blocks, free_blocks FROM pragma_database_size() WHERE database_name = current_database()",
            [],
            |row| Ok((number(row.get(0)?), number(row.get(1)?))),
        )?;
        let mut statement = duckdb.prepare(
            "SELECT CASE schema_name WHEN 'main' THEN '' ELSE schema_name || '.' END || table_name, estimated_size, column_count
             FROM duckdb_tables() WHERE NOT internal ORDER BY 1",
        )?;
        let tables = statement
            .query_map([], |row| {
                Ok(Table { name: row.get(0)?, rows: number(row.get(1)?), columns: number(row.get(2)?) })
            })?
            .collect::<duckdb::Result<Vec<_>>>()?;
        let mut statement = duckdb.prepare(
            "SELECT lower(tag), memory_usage_bytes, temporary_storage_bytes FROM duckdb_memory()
             WHERE memory_usage_bytes + temporary_storage_bytes > 0 ORDER BY memory_usage_bytes DESC, tag",
        )?;
        let memory = statement
            .query_map([], |row| {
                Ok(Memory { component: row.get(0)?, bytes: number(row.get(1)?), disk_bytes: number(row.get(2)?) })
            })?
            .collect::<duckdb::Result<Vec<_>>>()?;
        let bytes = std::fs::metadata(path).map_or(0, |m| m.len());
        Ok(File { bytes, wal_bytes: wal(path), total_blocks, free_blocks, tables, memory })
    };
    read().map_err(|e| failure::from_duckdb(&e).at(path.display()))
}
