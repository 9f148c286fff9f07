//! What is kept between runs: a small SQLite file in the state folder ([`Root::state_dir`]).

use crate::error::{Error, Exit, Result};
use crate::root::{Root, shell_word};
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::unistd::{AccessFlags, faccessat};
use rusqlite::{Connection, ErrorCode, OpenFlags, params};
use serde::Serialize;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The folder of the state of a host, on this machine.
///
/// # Errors
/// Links in the tree lead in a circle.
pub fn folder_of(root: &Root) -> Result<PathBuf> {
    let folder = root.state_dir();
    root.resolve(&folder).map_err(|e| Error::failed("state.folder", "cannot be found").at(folder.display()).because(e))
}

/// Makes a folder of the state, private to its owner, if it is not there.
///
/// # Errors
/// Those of making it.
pub fn make(folder: &Path) -> Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|e| match e.kind() {
        std::io::ErrorKind::PermissionDenied => closed(folder, "cannot be made by this user", e),
        _ => Error::failed("state.folder", "cannot be made").at(folder.display()).because(e),
    })
}

/// Refuses a folder in which this user may not write.
///
/// # Errors
/// He may not (13).
pub fn writable(folder: &Path) -> Result<()> {
    let flags = AccessFlags::W_OK | AccessFlags::X_OK;
    match faccessat(AT_FDCWD, folder, flags, AtFlags::AT_EACCESS) {
        Err(e @ (Errno::EACCES | Errno::EPERM)) => Err(closed(folder, "cannot be written by this user", e.into())),
        _ => Ok(()),
    }
}

fn closed(folder: &Path, what: &str, e: std::io::Error) -> Error {
    Error::new(Exit::Precondition, "state.folder", format!("{what}, and the journal is kept there"))
        .at(folder.display())
        .next("run it as root, or name a folder of your own with XDG_STATE_HOME; in a tree (--root) that folder has to be yours")
        .because(e)
}

fn unusable(error: Error, file: &Path, e: rusqlite::Error) -> Error {
    let folder = file.parent().unwrap_or(file).display().to_string();
    let (error, next) = match e.sqlite_error_code() {
        // Beside it lie journals, which would be taken for those of the new file.
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            let (aside, all) = (shell_word(&format!("{folder}/damaged")), shell_word(&file.display().to_string()));
            let next = format!(
                "it is damaged: take it from a backup, or move it away, and it is made anew without what it held: \
                 mkdir {aside} && mv {all}* {aside}"
            );
            (error, next)
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            (Error { exit: Exit::Locked, ..error }, "another run holds it; try again when it has ended".to_owned())
        }
        _ => {
            let folder = shell_word(&folder);
            (error, format!("it needs room and the right to write there: df {folder}; ls -ld {folder}"))
        }
    };
    error.at(file.display()).next(next).because(e)
}

/// One run over one index.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct IndexRun {
    /// When it ended (RFC 3339).
    pub at: String,
    /// `rebuilt`, `left`, `failed`; of a plan alone `to rebuild`, `to leave`.
    pub action: String,
    /// Lists before and after.
    pub lists: (Option<u32>, Option<u32>),
    /// Rows.
    pub rows: Option<u64>,
    /// Seconds it took.
    pub seconds: f64,
    /// The verdict's reasons, or the error.
    pub message: String,
}

/// The open state.
#[derive(Debug)]
pub struct State {
    connection: Connection,
    file: PathBuf,
}

impl State {
    /// Opens the state of this host.
    ///
    /// # Errors
    /// A folder that cannot be made or written.
    pub fn open(root: &Root) -> Result<State> {
        State::open_in(&folder_of(root)?)
    }

    /// Opens the state in a folder, which is made private if it is not there.
    ///
    /// # Errors
    /// As [`State::open`].
    pub fn open_in(folder: &Path) -> Result<State> {
        let file = folder.join("state.db");
        make(folder)?;
        // SQLite gives its journals the mode of the file: private from its first byte.
        let private = std::fs::OpenOptions::new().append(true).create(true).mode(0o600).open(&file);
        private.map_err(|e| Error::failed("state.open", "the state cannot be used").at(file.display()).because(e))?;
        let open = || -> rusqlite::Result<Connection> {
            let connection = Connection::open(&file)?;
            connection.busy_timeout(Duration::from_secs(5))?;
            connection.execute_batch(
                "PRAGMA journal_mode = WAL;
                 CREATE TABLE IF NOT EXISTS index_runs (id INTEGER PRIMARY KEY, at TEXT NOT NULL, place TEXT NOT NULL,
                   name TEXT NOT NULL, action TEXT NOT NULL, lists_before INTEGER, lists_after INTEGER, rows INTEGER,
                   seconds REAL NOT NULL, message TEXT NOT NULL);
                 CREATE INDEX IF NOT EXISTS index_runs_by_name ON index_runs (place, name, id);",
            )?;
            Ok(connection)
        };
        let connection =
            open().map_err(|e| unusable(Error::failed("state.open", "the state cannot be used"), &file, e))?;
        Ok(State { connection, file })
    }

    /// Opens another user's state, to read it only; `None` where there is none or this user may not read it.
    #[must_use]
    pub fn of_another(folder: &Path) -> Option<State> {
        let file = folder.join("state.db");
        std::fs::File::open(&file).ok()?;
        let connection = Connection::open_with_flags(&file, OpenFlags::SQLITE_OPEN_READ_ONLY).ok()?;
        // What it holds is data, whoever wrote it.
        connection.execute_batch("PRAGMA trusted_schema = OFF; PRAGMA busy_timeout = 1000").ok()?;
        Some(State { connection, file })
    }

    /// Writes what follows to the disk when the state is closed, and not after each change.
    ///
    /// # Errors
    /// Those of SQLite.
    pub fn flush_at_end(&self) -> Result<()> {
        self.connection
            .pragma_update(None, "synchronous", "NORMAL")
            .map_err(|e| self.unusable(Error::failed("state.open", "the state cannot be used"), e))
    }

    /// An error of using it, with what to do by its cause.
    pub(crate) fn unusable(&self, error: Error, e: rusqlite::Error) -> Error {
        unusable(error, &self.file, e)
    }

    /// The database, for modules that keep tables of their own in it.
    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Adds a run over an index. `place` is the database, by a name that does not depend on how it is reached; `name`
    /// the index.
    ///
    /// # Errors
    /// Those of writing.
    pub fn add_index_run(&self, place: &str, name: &str, run: &IndexRun) -> Result<()> {
        self.connection
            .execute(
                "INSERT INTO index_runs (at, place, name, action, lists_before, lists_after, rows, seconds, message)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                params![
                    run.at,
                    place,
                    name,
                    run.action,
                    run.lists.0,
                    run.lists.1,
                    run.rows.map(|r| i64::try_from(r).unwrap_or(i64::MAX)),
                    run.seconds,
                    run.message
                ],
            )
            .map(drop)
            .map_err(|e| self.unusable(Error::failed("state.write", "the run cannot be noted"), e))
    }

    /// The last runs over an index, newest first.
    ///
    /// # Errors
    /// Those of reading.
    pub fn index_runs(&self, place: &str, name: &str, most: u32) -> Result<Vec<IndexRun>> {
        let read = || -> rusqlite::Result<Vec<IndexRun>> {
            let mut statement = self.connection.prepare(
                "SELECT at, action, lists_before, lists_after, rows, seconds, message FROM index_runs
                 WHERE place = ? AND name = ? ORDER BY id DESC LIMIT ?",
            )?;
            statement
                .query_map(params![place, name, most], |row| {
                    Ok(IndexRun {
                        at: row.get(0)?,
                        action: row.get(1)?,
                        lists: (row.get(2)?, row.get(3)?),
                        rows: row.get::<_, Option<i64>>(4)?.and_then(|r| u64::try_from(r).ok()),
                        seconds: row.get(5)?,
                        message: row.get(6)?,
                    })
                })?
                .collect()
        };
        read().map_err(|e| self.unusable(Error::failed("state.read", "the history cannot be read"), e))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_come_back_newest_first() {
        let dir = tempfile::tempdir().unwrap();
        let run = |action: &str| IndexRun {
            at: "2026-11-23T10:00:00Z".to_owned(),
            action: action.to_owned(),
            lists: (Some(40), None),
            rows: Some(60_000),
            seconds: 1.5,
            message: String::new(),
        };
        for action in ["left", "rebuilt"] {
            State::open_in(&dir.path().join("state"))
                .unwrap()
                .add_index_run("db1/shop", "public.i", &run(action))
                .unwrap();
        }
        let state = State::open_in(&dir.path().join("state")).unwrap();
        assert_eq!(state.index_runs("db1/shop", "public.i", 5).unwrap(), [run("rebuilt"), run("left")]);
        assert!(state.index_runs("db1/shop", "public.j", 5).unwrap().is_empty());
    }
}
