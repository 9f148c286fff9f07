//! When each secret was last changed, and how long the tokens of a key live, in the state. Never what it is.

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

const TOKENS: &str =
    "CREATE TABLE IF NOT EXISTS token_keys (id TEXT PRIMARY KEY, until INTEGER NOT NULL) WITHOUT ROWID";

/// Notes that a token of this key (by its id) lives until a unix second.
///
/// # Errors
/// Those of writing.
pub fn minted(state: &State, key: &str, until: i64) -> Result<()> {
    let connection = state.connection();
    let write = || -> rusqlite::Result<()> {
        connection.execute(TOKENS, [])?;
        let sql = "INSERT INTO token_keys (id, until) VALUES (?, ?)
            ON CONFLICT (id) DO UPDATE SET until = max(until, excluded.until)";
        connection.execute(sql, params![key, until]).map(drop)
    };
    write().map_err(|e| Error::failed("state.write", "the token's end cannot be noted").because(e))
}

/// The unix second in which the last noted token of this key ends.
///
/// # Errors
/// Those of reading.
pub fn minted_until(state: &State, key: &str) -> Result<Option<i64>> {
    let connection = state.connection();
    let read = || -> rusqlite::Result<Option<i64>> {
        connection.execute(TOKENS, [])?;
        connection.query_row("SELECT until FROM token_keys WHERE id = ?", [key], |row| row.get(0)).optional()
    };
    read().map_err(|e| Error::failed("state.read", "the tokens' ends cannot be read").because(e))
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

    #[test]
    fn the_longest_token_of_a_key_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let state = State::open_in(dir.path()).unwrap();
        assert_eq!(minted_until(&state, "a").unwrap(), None);
        for until in [5, 9, 7] {
            minted(&state, "a", until).unwrap();
        }
        assert_eq!((minted_until(&state, "a").unwrap(), minted_until(&state, "b").unwrap()), (Some(9), None));
    }
}
