//! What was changed on a host, by whom and when, and what is needed to take it back.
//!
//! A generation is a folder with what it changes, both versions of every file in it, and a row of a SQLite file. The
//! folder is synced first; the row, in the state `pending`, is what makes the generation exist; and the row's new state
//! is the mark that it is done. A kill at any moment leaves a folder without a row, which is nothing, or a generation that
//! is pending, which `recover` ends.

use super::change::ChangeSet;
use crate::error::{Error, Exit, Result};
use crate::formats::redact::redact;
use crate::output::file;
use crate::root::Root;
use crate::state;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Name of the SQLite file in the state folder.
const DATABASE: &str = "journal.db";
/// Name of the folder of the generations' folders.
const GENERATIONS: &str = "generations";
/// Name of the file with what a generation changes.
const RECORD: &str = "change.json";

/// How a generation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It was interrupted and waits for `recover`.
    Pending,
    /// Everything in it stands.
    Done,
    /// It failed and everything was put back.
    RolledBack,
    /// It was interrupted, and `recover` put everything back.
    Undone,
}

impl Outcome {
    const ALL: [Outcome; 4] = [Outcome::Pending, Outcome::Done, Outcome::RolledBack, Outcome::Undone];

    /// The word tables show.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Pending => "pending",
            Outcome::Done => "done",
            Outcome::RolledBack => "rolled-back",
            Outcome::Undone => "undone",
        }
    }
}

/// One run that changed the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Generation {
    /// Its number.
    pub id: i64,
    /// When it began (RFC 3339).
    pub at: String,
    /// Who began it: the login behind sudo, else the user.
    pub user: String,
    /// The command line.
    pub command: String,
    /// `apply` or `rollback`.
    pub kind: String,
    /// The generation it takes back.
    pub of: Option<i64>,
    /// How it ended.
    pub outcome: Outcome,
    /// When it ended.
    pub ended: Option<String>,
    /// Why it failed.
    pub message: Option<String>,
    /// How many files it changed.
    pub files: u32,
}

/// What stands in a generation's folder.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Record {
    /// The folders that did not exist before it, outermost first, as paths on the host.
    pub folders: Vec<String>,
    /// What it changes.
    pub change: ChangeSet,
}

/// The journal of one host.
#[derive(Debug)]
pub struct Journal {
    folder: PathBuf,
    connection: Connection,
    /// The host, for advice.
    root: Root,
}

const COLUMNS: &str = "id, at, user, command, kind, of, outcome, ended, message, files";

impl Journal {
    /// Opens the journal in a state folder for writing, and makes it if it is not there.
    ///
    /// # Errors
    /// Those of making and opening.
    pub fn open(state: &Path) -> Result<Journal> {
        state::make(state)?;
        state::make(&state.join(GENERATIONS))?;
        let file = state.join(DATABASE);
        let open = || -> rusqlite::Result<Connection> {
            let connection = Connection::open(&file)?;
            connection.busy_timeout(Duration::from_secs(5))?;
            // A rollback journal rather than a WAL: one file, that can also be read where nothing can be written.
            connection.execute_batch(
                "PRAGMA journal_mode = DELETE; PRAGMA synchronous = EXTRA;
                 CREATE TABLE IF NOT EXISTS generations (id INTEGER PRIMARY KEY, at TEXT NOT NULL, user TEXT NOT NULL,
                   command TEXT NOT NULL, kind TEXT NOT NULL, of INTEGER, outcome TEXT NOT NULL, ended TEXT, message TEXT,
                   files INTEGER NOT NULL);",
            )?;
            Ok(connection)
        };
        let connection = open().map_err(|e| unusable(&file, e))?;
        Ok(Journal { folder: state.to_owned(), connection, root: Root::live() })
    }

    /// Opens the journal for reading; `None` where nothing was ever changed.
    ///
    /// # Errors
    /// A journal that this user may not read (13), or that is damaged.
    pub fn read(state: &Path) -> Result<Option<Journal>> {
        let file = state.join(DATABASE);
        match fs::File::open(&file) {
            Ok(_) => {}
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(closed(&file, e)),
        }
        // A journal that a killed run has left half written has to be put right before it can be read.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&file, flags).map_err(|e| unusable(&file, e))?;
        connection.busy_timeout(Duration::from_secs(5)).map_err(|e| unusable(&file, e))?;
        let journal = Journal { folder: state.to_owned(), connection, root: Root::live() };
        let table = "SELECT count(*) FROM sqlite_master WHERE name = 'generations'";
        let there: i64 = journal.connection.query_row(table, [], |r| r.get(0)).map_err(|e| unusable(&file, e))?;
        Ok((there > 0).then_some(journal))
    }

    /// The same, which gives advice for this host.
    #[must_use]
    pub fn of(self, root: &Root) -> Journal {
        Journal { root: root.clone(), ..self }
    }

    /// The command that lists it.
    #[must_use]
    pub fn look(&self) -> String {
        self.root.command("history")
    }

    /// The interrupted generation, if there is one.
    ///
    /// # Errors
    /// Those of reading.
    pub fn pending(&self) -> Result<Option<Generation>> {
        let sql = format!("SELECT {COLUMNS} FROM generations WHERE outcome = 'pending' ORDER BY id LIMIT 1");
        self.connection.query_row(&sql, [], generation).optional().map_err(|e| self.unreadable(e))
    }

    /// Refuses where an interrupted generation waits (exit 4).
    ///
    /// # Errors
    /// One waits; those of reading.
    pub fn none_pending(&self) -> Result<()> {
        let Some(Generation { id, at, user, .. }) = self.pending()? else { return Ok(()) };
        Err(Error::new(
            Exit::RecoverFirst,
            "apply.interrupted",
            format!("generation {id}, begun at {at} by {user}, was interrupted and waits"),
        )
        .next(format!("finish or undo it with {}", self.root.command("recover"))))
    }

    /// The generations, newest first.
    ///
    /// # Errors
    /// Those of reading.
    pub fn generations(&self, most: u32) -> Result<Vec<Generation>> {
        let read = || -> rusqlite::Result<Vec<Generation>> {
            let sql = format!("SELECT {COLUMNS} FROM generations ORDER BY id DESC LIMIT ?");
            self.connection.prepare(&sql)?.query_map([most], generation)?.collect()
        };
        read().map_err(|e| self.unreadable(e))
    }

    /// One generation.
    ///
    /// # Errors
    /// There is none of this number (64); those of reading.
    pub fn generation(&self, id: i64) -> Result<Generation> {
        let sql = format!("SELECT {COLUMNS} FROM generations WHERE id = ?");
        let found = self.connection.query_row(&sql, [id], generation).optional().map_err(|e| self.unreadable(e))?;
        found.ok_or_else(|| {
            Error::usage("history.unknown", format!("there is no generation {id}")).next(format!("see {}", self.look()))
        })
    }

    /// What a generation changes.
    ///
    /// # Errors
    /// A record that was pruned (64) or is damaged.
    pub fn record(&self, id: i64) -> Result<Record> {
        let file = self.generation_folder(id).join(RECORD);
        let text = match fs::read(&file) {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                return Err(Error::usage("history.pruned", format!("the contents of generation {id} were pruned"))
                    .at(file.display())
                    .next(format!("choose a later one from {}", self.look())));
            }
            Err(e) if e.kind() == io::ErrorKind::PermissionDenied => return Err(closed(&file, e)),
            Err(e) => return Err(Error::failed("journal.read", "cannot be read").at(file.display()).because(e)),
        };
        serde_json::from_slice(&text)
            .map_err(|e| Error::failed("journal.read", "is damaged").at(file.display()).because(e))
    }

    /// Begins a generation: everything it needs to be taken back is on disk when this returns.
    ///
    /// # Errors
    /// Those of writing; no generation has begun then.
    pub fn begin(&self, record: &Record) -> Result<i64> {
        let id = self.next_id()?;
        let folder = self.generation_folder(id);
        let failed = |e: io::Error| {
            let full = matches!(e.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
            let exit = if full { Exit::Precondition } else { Exit::Failed };
            Error::new(exit, "journal.write", "the journal cannot be written; nothing was changed")
                .at(folder.display())
                .because(e)
        };
        let text = serde_json::to_vec_pretty(record).map_err(|e| failed(e.into()))?;
        let write = || -> io::Result<()> {
            // One that a killed run has left without a row.
            match fs::remove_dir_all(&folder) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
                _ => {}
            }
            DirBuilder::new().mode(0o700).create(&folder)?;
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(folder.join(RECORD))?;
            file.write_all(&text)?;
            file.sync_all()?;
            file::sync_folder(&folder)?;
            file::sync_folder(&self.folder.join(GENERATIONS))?;
            file::sync_folder(&self.folder)
        };
        write().map_err(failed)?;
        let change = &record.change;
        let files = u32::try_from(change.files.len()).unwrap_or(u32::MAX);
        self.connection
            .execute(
                "INSERT INTO generations (id, at, user, command, kind, of, outcome, files)
                 VALUES (?, ?, ?, ?, ?, ?, 'pending', ?)",
                params![id, now(), user(), super::lock::command(), change.kind.name(), change.of, files],
            )
            .map_err(|e| {
                Error::failed("journal.write", "the journal cannot be written; no file was changed")
                    .at(self.folder.join(DATABASE).display())
                    .because(e)
            })?;
        Ok(id)
    }

    /// Marks how a generation ended. The message may have lines of a server's log in it: no password of them is kept.
    ///
    /// # Errors
    /// The mark cannot be written: the generation then still waits (exit 4).
    pub fn end(&self, id: i64, outcome: Outcome, message: Option<&str>) -> Result<()> {
        let message = message.map(|m| String::from_utf8_lossy(&redact(m.as_bytes()).0).into_owned());
        self.connection
            .execute(
                "UPDATE generations SET outcome = ?, ended = ?, message = ? WHERE id = ?",
                params![outcome.name(), now(), message, id],
            )
            .map(drop)
            .map_err(|e| {
                Error::new(Exit::RecoverFirst, "journal.mark", format!("the end of generation {id} cannot be noted"))
                    .at(self.folder.join(DATABASE).display())
                    .next(format!("when the journal can be written again, run {}", self.root.command("recover")))
                    .because(e)
            })
    }

    /// Forgets the contents of all but the newest `keep` generations; their lines in the history stay. Returns how many
    /// were forgotten.
    ///
    /// # Errors
    /// Those of removing.
    pub fn prune(&self, keep: u32) -> Result<usize> {
        let kept: Vec<i64> = self.generations(keep)?.into_iter().map(|g| g.id).collect();
        let waiting = self.pending()?.map(|g| g.id);
        let folder = self.folder.join(GENERATIONS);
        let failed = |e: io::Error| Error::failed("journal.prune", "cannot be pruned").at(folder.display()).because(e);
        let mut gone = 0;
        for entry in fs::read_dir(&folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let id = entry.file_name().to_str().and_then(|name| name.parse().ok());
            if id.is_some_and(|id: i64| !kept.contains(&id) && waiting != Some(id)) {
                fs::remove_dir_all(entry.path()).map_err(failed)?;
                gone += 1;
            }
        }
        file::sync_folder(&folder).map_err(failed)?;
        Ok(gone)
    }

    fn next_id(&self) -> Result<i64> {
        self.connection
            .query_row("SELECT coalesce(max(id), 0) + 1 FROM generations", [], |row| row.get(0))
            .map_err(|e| self.unreadable(e))
    }

    fn generation_folder(&self, id: i64) -> PathBuf {
        self.folder.join(GENERATIONS).join(format!("{id:05}"))
    }

    fn unreadable(&self, e: rusqlite::Error) -> Error {
        unusable(&self.folder.join(DATABASE), e)
    }
}

/// The tag in the names of a generation's temporary files.
#[must_use]
pub fn tag(id: i64) -> String {
    format!("g{id}-")
}

fn closed(file: &Path, e: io::Error) -> Error {
    Error::new(Exit::Precondition, "journal.unreadable", "the journal may not be read")
        .at(file.display())
        .next("run it as the user who applies, such as root")
        .because(e)
}

fn unusable(file: &Path, e: rusqlite::Error) -> Error {
    Error::failed("journal.open", "the journal cannot be used").at(file.display()).because(e)
}

fn generation(row: &Row<'_>) -> rusqlite::Result<Generation> {
    let outcome: String = row.get(6)?;
    Ok(Generation {
        id: row.get(0)?,
        at: row.get(1)?,
        user: row.get(2)?,
        command: row.get(3)?,
        kind: row.get(4)?,
        of: row.get(5)?,
        // A word of a later version is none that this one may take for done.
        outcome: Outcome::ALL.into_iter().find(|o| o.name() == outcome).unwrap_or(Outcome::Pending),
        ended: row.get(7)?,
        message: row.get(8)?,
        files: row.get(9)?,
    })
}

fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Who asked for it: the login behind sudo, else the user of the process.
fn user() -> String {
    let behind = std::env::var("SUDO_USER").ok().filter(|name| !name.is_empty());
    let own = || nix::unistd::User::from_uid(nix::unistd::geteuid()).ok().flatten().map(|user| user.name);
    behind.or_else(own).unwrap_or_else(|| format!("uid {}", nix::unistd::geteuid()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apply::change::Kind;

    fn record() -> Record {
        Record { folders: Vec::new(), change: ChangeSet::new(Kind::Apply) }
    }

    #[test]
    fn a_generation_waits_until_its_end_is_noted() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state");
        assert!(Journal::read(&state).unwrap().is_none());
        let journal = Journal::open(&state).unwrap();
        let id = journal.begin(&record()).unwrap();
        let again = Journal::read(&state).unwrap().unwrap();
        assert_eq!(again.none_pending().unwrap_err().exit, Exit::RecoverFirst);
        journal.end(id, Outcome::Done, Some("FATAL: in \"host=a password=hunter2\"")).unwrap();
        assert_eq!(again.generation(id).unwrap().message.unwrap(), "FATAL: in \"host=a password=REDACTED");
        again.none_pending().unwrap();
        assert_eq!(again.generation(id).unwrap().outcome, Outcome::Done);
        assert_eq!(again.generation(9).unwrap_err().exit, Exit::Usage);
    }

    #[test]
    fn pruning_keeps_the_newest_and_the_one_that_waits() {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::open(dir.path()).unwrap();
        for n in 1..=4 {
            let id = journal.begin(&record()).unwrap();
            if n != 1 {
                journal.end(id, Outcome::Done, None).unwrap();
            }
        }
        assert_eq!(journal.prune(2).unwrap(), 1);
        assert_eq!(journal.generations(9).unwrap().len(), 4);
        assert!(journal.record(1).is_ok() && journal.record(2).is_err() && journal.record(3).is_ok());
    }
}
