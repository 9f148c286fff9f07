//! What a run changed and how to take it back, written before it is done: a file each in the folder `harden` of the
//! state, which only its owner may open. It holds statements and lines of `pg_hba.conf`, and no secret.

use crate::error::{Error, Exit, Result};
use crate::output::file;
use crate::state;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};

/// How far a run has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Begun; where it ended is not known.
    Pending,
    /// Done and proved.
    Applied,
    /// Taken back.
    RolledBack,
}

/// One run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Entry {
    /// From 1.
    pub number: u32,
    /// When it began (RFC 3339).
    pub at: String,
    /// `db1:5432`.
    pub server: String,
    /// The database.
    pub database: String,
    /// How far it has come.
    pub state: State,
    /// The transaction of the statements, by which the server tells whether it was committed.
    pub transaction: Option<String>,
    /// Statements that take those of the transaction back, in their order.
    pub undo: Vec<String>,
    /// Settings and what `postgresql.auto.conf` held before; `None`: nothing.
    pub system: Vec<(String, Option<String>)>,
    /// Lines of `pg_hba.conf`.
    pub hba: Option<HbaEdit>,
}

/// Lines that were changed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct HbaEdit {
    /// The file.
    pub path: PathBuf,
    /// Each with its number, as it was and as it is.
    pub lines: Vec<(usize, String, String)>,
}

/// The runs of one state folder.
#[derive(Debug)]
pub struct Journal {
    folder: PathBuf,
}

impl Journal {
    /// Opens the journal in a state folder, and makes it where there is none.
    ///
    /// # Errors
    /// A folder that cannot be made.
    pub fn open(state: &Path) -> Result<Journal> {
        let folder = state.join("harden");
        state::make(&folder)?;
        Ok(Journal { folder })
    }

    /// Every run on a server's database, oldest first.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn entries(&self, server: &str, database: &str) -> Result<Vec<Entry>> {
        let mut entries = self.all()?;
        entries.retain(|e| e.server == server && e.database == database);
        Ok(entries)
    }

    fn all(&self) -> Result<Vec<Entry>> {
        let wrong = |path: &Path, e: Box<dyn std::error::Error + Send + Sync>| {
            Error::failed("harden.journal", "cannot be read").at(path.display()).because(e)
        };
        let mut entries = Vec::new();
        for found in fs::read_dir(&self.folder).map_err(|e| wrong(&self.folder, e.into()))? {
            let path = found.map_err(|e| wrong(&self.folder, e.into()))?.path();
            if path.extension().is_some_and(|e| e == "json") {
                let bytes = fs::read(&path).map_err(|e| wrong(&path, e.into()))?;
                entries.push(serde_json::from_slice::<Entry>(&bytes).map_err(|e| wrong(&path, e.into()))?);
            }
        }
        entries.sort_by_key(|e| e.number);
        Ok(entries)
    }

    /// The number of the next run.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn next(&self) -> Result<u32> {
        Ok(self.all()?.last().map_or(1, |e| e.number.saturating_add(1)))
    }

    /// Writes a run, in the place of what is there of it.
    ///
    /// # Errors
    /// Those of writing.
    pub fn write(&self, entry: &Entry) -> Result<()> {
        let path = self.folder.join(format!("{:04}.json", entry.number));
        let text = serde_json::to_vec_pretty(entry)
            .map_err(|e| Error::failed("harden.journal", "cannot be written").at(path.display()).because(e))?;
        file::replace(&path, &text)
    }

    /// Refuses to begin anything while an interrupted run waits.
    ///
    /// # Errors
    /// It does (exit 4).
    pub fn nothing_pending(&self, server: &str, database: &str) -> Result<()> {
        match self.entries(server, database)?.iter().find(|e| e.state == State::Pending) {
            None => Ok(()),
            Some(entry) => Err(Error::new(
                Exit::RecoverFirst,
                "harden.pending",
                format!("run {} of {} was interrupted", entry.number, entry.at),
            )
            .at(format!("{server}/{database}"))
            .next("llmsql harden rollback takes back what it did; then run this again")),
        }
    }
}
