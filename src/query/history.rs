//! The questions that were asked, in the state folder, where only their owner can read them; and those of them whose
//! answers the operator found right.

use super::language::Pair;
use crate::error::{Error, Result};
use crate::root::Root;
use crate::state::State;
use crate::units::KB;
use rusqlite::config::DbConfig;
use rusqlite::{Row, params};
use serde::Serialize;

/// Questions that are kept; older ones are forgotten, unless their answers were found right.
const KEPT: i64 = 10_000;

/// A question and what became of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Entry {
    /// Its number.
    pub id: i64,
    /// When it was asked (RFC 3339).
    pub at: String,
    /// The question; empty where SQL was given.
    pub question: String,
    /// What was asked: names and places of the sources.
    pub sources: String,
    /// `answered`, `ambiguous`, `refused`, `failed`.
    pub status: String,
    /// Who wrote the SQL: `translator`, `operator`, or a model's name.
    pub by: Option<String>,
    /// The SQL that ran.
    pub sql: Option<String>,
    /// Rows of the answer.
    pub rows: Option<u64>,
    /// How long it took.
    pub seconds: f64,
    /// Whether the operator found the answer right.
    pub good: bool,
}

/// Bytes of SQLite's journal up to which it is left as it is: whoever opens the file next reads all of it.
const JOURNAL: u64 = 512 * KB;

/// The open history.
#[derive(Debug)]
pub struct History(State);

fn wrong(state: &State) -> impl Fn(rusqlite::Error) -> Error {
    |e| state.unusable(Error::failed("history.state", "the history of questions cannot be used"), e)
}

impl History {
    /// Opens it.
    ///
    /// # Errors
    /// A state folder that cannot be made or used.
    pub fn open(root: &Root) -> Result<Self> {
        History::of(State::open(root)?)
    }

    fn of(state: State) -> Result<Self> {
        let connection = state.connection();
        // An answer does not wait for a disk: what a loss of power may take is the last questions, never the file.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map_err(wrong(&state))?;
        connection
            .execute_batch(
                "PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0;
                 CREATE TABLE IF NOT EXISTS questions (id INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL,
                   question TEXT NOT NULL, sources TEXT NOT NULL, status TEXT NOT NULL, author TEXT, sql TEXT,
                   rows INTEGER, seconds REAL NOT NULL, good INTEGER NOT NULL DEFAULT 0)",
            )
            .map_err(wrong(&state))?;
        Ok(History(state))
    }

    /// Adds a question; its number and time are given here.
    ///
    /// # Errors
    /// Those of writing.
    pub fn add(&self, entry: &Entry) -> Result<i64> {
        let connection = self.0.connection();
        connection
            .execute(
                "INSERT INTO questions (at, question, sources, status, author, sql, rows, seconds)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                params![
                    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
                    entry.question,
                    entry.sources,
                    entry.status,
                    entry.by,
                    entry.sql,
                    entry.rows.map(|r| i64::try_from(r).unwrap_or(i64::MAX)),
                    entry.seconds
                ],
            )
            .map_err(wrong(&self.0))?;
        let id = connection.last_insert_rowid();
        connection
            .execute("DELETE FROM questions WHERE id <= ? AND NOT good", params![id - KEPT])
            .map_err(wrong(&self.0))?;
        // SQLite's own count of what it has copied back is lost with each process, so that its journal would never end.
        let journal = connection.path().map(|path| format!("{path}-wal"));
        if journal.and_then(|path| std::fs::metadata(path).ok()).is_some_and(|journal| journal.len() > JOURNAL) {
            connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").map_err(wrong(&self.0))?;
        }
        Ok(id)
    }

    /// The last questions, newest first.
    ///
    /// # Errors
    /// Those of reading.
    pub fn list(&self, most: u32) -> Result<Vec<Entry>> {
        let read = || -> rusqlite::Result<Vec<Entry>> {
            let mut statement = self.0.connection().prepare(
                "SELECT id, at, question, sources, status, author, sql, rows, seconds, good FROM questions
                 ORDER BY id DESC LIMIT ?",
            )?;
            statement.query_map([most], entry)?.collect()
        };
        read().map_err(wrong(&self.0))
    }

    /// Notes whether an answer was right. A right one answers the same question from then on, and is an example for
    /// a model.
    ///
    /// # Errors
    /// A question that is not there, or has no SQL.
    pub fn mark(&self, id: i64, good: bool) -> Result<()> {
        let sql = "UPDATE questions SET good = ?
                   WHERE id = ? AND (sql IS NOT NULL AND status = 'answered' AND question <> '' OR NOT ?)";
        let changed = self.0.connection().execute(sql, params![good, id, good]).map_err(wrong(&self.0))?;
        if changed == 0 {
            return Err(Error::usage("history.unknown", format!("there is no answered question {id}"))
                .next("`llmsql query history` shows them with their numbers"));
        }
        Ok(())
    }

    /// Forgets every question, those with right answers too.
    ///
    /// # Errors
    /// Those of writing.
    pub fn clear(&self) -> Result<usize> {
        let connection = self.0.connection();
        let count = connection.execute("DELETE FROM questions", []).map_err(wrong(&self.0))?;
        // What was deleted stays in the file's free pages otherwise.
        connection.execute_batch("VACUUM; PRAGMA wal_checkpoint(TRUNCATE)").map_err(wrong(&self.0))?;
        Ok(count)
    }

    /// The right answers about these sources, newest first.
    ///
    /// # Errors
    /// Those of reading.
    pub fn pairs(&self, sources: &str) -> Result<Vec<Pair>> {
        let read = || -> rusqlite::Result<Vec<Pair>> {
            let mut statement = self.0.connection().prepare(
                "SELECT question, sql FROM questions WHERE good AND sources = ? AND sql IS NOT NULL ORDER BY id DESC",
            )?;
            statement.query_map([sources], |row| Ok(Pair { question: row.get(0)?, sql: row.get(1)? }))?.collect()
        };
        read().map_err(wrong(&self.0))
    }
}

fn entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    Ok(Entry {
        id: row.get(0)?,
        at: row.get(1)?,
        question: row.get(2)?,
        sources: row.get(3)?,
        status: row.get(4)?,
        by: row.get(5)?,
        sql: row.get(6)?,
        rows: row.get::<_, Option<i64>>(7)?.and_then(|r| u64::try_from(r).ok()),
        seconds: row.get(8)?,
        good: row.get(9)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_next_one_has_to_read_does_not_grow_with_the_questions() {
        let dir = tempfile::tempdir().unwrap();
        for _ in 0..200 {
            let history = History::of(State::open_in(dir.path()).unwrap()).unwrap();
            history.add(&Entry { question: "x".repeat(8000), ..Entry::default() }).unwrap();
        }
        assert!(std::fs::metadata(dir.path().join("state.db-wal")).unwrap().len() < 2 * JOURNAL);
        let history = History::of(State::open_in(dir.path()).unwrap()).unwrap();
        assert_eq!(history.list(1000).unwrap().len(), 200);
    }

    #[test]
    fn right_answers_are_kept_for_their_sources_only() {
        let dir = tempfile::tempdir().unwrap();
        let history = History::of(State::open_in(dir.path()).unwrap()).unwrap();
        let asked = |question: &str, sql: Option<&str>| {
            let entry = Entry {
                question: question.to_owned(),
                sources: "a=x.csv".to_owned(),
                status: if sql.is_some() { "answered" } else { "refused" }.to_owned(),
                sql: sql.map(str::to_owned),
                ..Entry::default()
            };
            history.add(&entry).unwrap()
        };
        let (right, refused) = (asked("how many?", Some("SELECT 1")), asked("what?", None));
        history.mark(right, true).unwrap();
        assert!(history.mark(refused, true).is_err());
        assert!(history.mark(99, true).is_err());
        assert_eq!(history.pairs("a=x.csv").unwrap()[0].sql, "SELECT 1");
        assert!(history.pairs("a=y.csv").unwrap().is_empty());
        assert_eq!(history.list(1).unwrap()[0].question, "what?");
        history.mark(right, false).unwrap();
        assert!(history.pairs("a=x.csv").unwrap().is_empty());
        assert_eq!(history.clear().unwrap(), 2);
    }
}
