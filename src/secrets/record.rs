//! When each secret was last changed, in the state. Never what it is.

use crate::error::{Error, Result};
use crate::state::State;
use jiff::Timestamp;
use rusqlite::{OptionalExtension, params};

const TABLE: &str = "CREATE TABLE IF NOT EXISTS secret_changes (env TEXT NOT NULL, name TEXT NOT NULL,
   at TEXT NOT NULL, how TEXT NOT NULL, PRIMARY KEY (env, name)) WITHOUT ROWID";

/// Notes that secrets of an env file were changed now. `how` is `made`, `rotated` or `restored`.
///
/// # Errors
/// Those of writing.
pub fn note<'a>(state: &State, env: &str, names: impl IntoIterator<Item = &'a str>, how: &str) -> Result<()> {
    let connection = state.connection();
    let write = || -> rusqlite::Result<()> {
        connection.execute(TABLE, [])?;
        for name in names {
            connection.execute(
                "INSERT OR REPLACE INTO secret_changes (env, name, at, how) VALUES (?, ?, ?, ?)",
                params![env, name, Timestamp::now().to_string(), how],
            )?;
        }
        Ok(())
    };
    write().map_err(|e| Error::failed("state.write", "the change cannot be noted").because(e))
}

/// When a secret was last changed by this program.
///
/// # Errors
/// Those of reading.
pub fn changed(state: &State, env: &str, name: &str) -> Result<Option<Timestamp>> {
    let connection = state.connection();
    let read = || -> rusqlite::Result<Option<String>> {
        connection.execute(TABLE, [])?;
        let sql = "SELECT at FROM secret_changes WHERE env = ? AND name = ?";
        connection.query_row(sql, params![env, name], |row| row.get(0)).optional()
    };
    let text = read().map_err(|e| Error::failed("state.read", "the changes cannot be read").because(e))?;
    Ok(text.and_then(|t| t.parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_change_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let state = State::open_in(dir.path()).unwrap();
        assert_eq!(changed(&state, "/a/.env", "A").unwrap(), None);
        note(&state, "/a/.env", ["A", "B"], "made").unwrap();
        note(&state, "/a/.env", ["A"], "rotated").unwrap();
        assert!(changed(&state, "/a/.env", "A").unwrap() >= changed(&state, "/a/.env", "B").unwrap());
        assert_eq!(changed(&state, "/b/.env", "A").unwrap(), None);
    }
}
