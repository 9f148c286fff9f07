//! `llmsql duckdb`, and what the plan gives DuckDB on this host.

use super::Global;
use super::planning::Planning;
use crate::error::{Error, Result};
use crate::output::{self, Format};
use crate::plan;
use crate::profile::config;
use crate::query::care::{self, File, Given};
use crate::units;
use clap::{Args, Subcommand};
use serde::Serialize;
use std::path::PathBuf;

/// Look after DuckDB files: what they hold, statistics, checkpoints
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:
  llmsql duckdb check analytics.duckdb
  llmsql duckdb maintain analytics.duckdb")]
pub enum Command {
    /// Show a file's size, free blocks, WAL and tables, and DuckDB's memory by component; nothing is written
    Check(Files),
    /// Renew the statistics (ANALYZE) and write the WAL into the file (CHECKPOINT), within the memory of the plan
    Maintain(Files),
}

/// Which files.
#[derive(Debug, Args)]
pub struct Files {
    /// The DuckDB files
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
}

#[derive(Debug, Serialize)]
struct Document {
    given: Given,
    files: Vec<Shown>,
}

#[derive(Debug, Serialize)]
struct Shown {
    path: PathBuf,
    #[serde(flatten)]
    file: File,
    /// As it was before, where it was maintained.
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<File>,
}

/// What the plan gives DuckDB on this host: memory, threads, folder for spilled data, checkpoint threshold. Nothing
/// where DuckDB is no part of the plan, or there is no configuration to plan by.
#[must_use]
pub fn given(global: &Global) -> Option<Given> {
    let located = config::locate(global.config.as_deref(), &global.root()).ok()?;
    if !config::Document::read(&located).is_ok_and(|d| d.path().exists()) {
        return None;
    }
    // A plan that cannot be made is no reason not to answer; `llmsql plan` says what is wrong with it.
    let (facts, profile) = Planning::default().facts_and_profile(global).ok()?;
    let plan = plan::build(&facts, &profile).ok()?;
    let setting = |key: &str| plan.setting(&format!("duckdb.{key}"));
    Some(Given {
        memory: Some(setting("memory_limit")?.bytes?),
        threads: setting("threads").and_then(|s| s.value.parse().ok()),
        temp: setting("temp_directory").map(|s| PathBuf::from(s.value.trim_matches('\''))),
        checkpoint: setting("checkpoint_threshold").and_then(|s| s.bytes),
    })
}

impl Command {
    /// Shows or maintains.
    ///
    /// # Errors
    /// A file that is none, or is open in another program (11).
    pub fn run(self, global: &Global) -> Result<()> {
        let (files, maintain) = match self {
            Command::Check(files) => (files.files, false),
            Command::Maintain(files) => (files.files, true),
        };
        let given = given(global).unwrap_or_default();
        let mut shown = Vec::new();
        for path in files {
            if !path.is_file() {
                return Err(Error::usage("source.unreadable", "there is no such file").at(path.display()));
            }
            let (file, before) = if maintain {
                let (before, after) = care::maintain(&path, &given)?;
                (after, Some(before))
            } else {
                (care::check(&path, &given)?, None)
            };
            shown.push(Shown { path, file, before });
        }
        if global.format != Format::Table {
            return output::document(&Document { given, files: shown }, global.format);
        }
        output::stdout(&shown.iter().map(text).collect::<String>())
    }
}

fn text(shown: &Shown) -> String {
    let size = |f: &File| {
        format!(
            "{} ({} of {} blocks free), WAL {}",
            units::human_bytes(f.bytes),
            f.free_blocks,
            f.total_blocks,
            units::human_bytes(f.wal_bytes)
        )
    };
    let mut text = format!("{}: {}\n", shown.path.display(), size(&shown.file));
    if let Some(before) = &shown.before {
        text += &format!("  before: {}\n", size(before));
    }
    for table in &shown.file.tables {
        text += &format!("  {}: {}\n", table.name, units::counted(table.rows, "row"));
    }
    for part in &shown.file.memory {
        text += &format!("  memory {}: {}\n", part.component, units::human_bytes(part.bytes));
    }
    text
}
