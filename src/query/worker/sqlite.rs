//! Tables of a SQLite file into DuckDB, read through SQLite itself, read-only.

use super::answer;
use super::catalogue::Rows;
use super::columns::{Batch, Fill, Filling, Writer, days, micros};
use super::counted::Range;
use crate::error::{Error, Exit, Result};
use crate::postgres::connect::quote_ident;
use crate::query::failure;
use crate::query::protocol::Response;
use crate::query::schema::ForeignKey;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::path::Path;
use std::time::{Duration, Instant};

/// An open SQLite file.
#[derive(Debug)]
pub struct Sqlite {
    connection: Connection,
    shown: String,
}

/// A table as SQLite declares it.
#[derive(Debug)]
pub struct Declared {
    /// Its name.
    pub name: String,
    /// Its columns.
    pub columns: Vec<DeclaredColumn>,
    /// The primary key's columns, in its order.
    pub primary_key: Vec<String>,
}

/// A column as SQLite declares it.
#[derive(Debug)]
pub struct DeclaredColumn {
    /// Its name.
    pub name: String,
    /// What it will most likely be filled with.
    pub fill: Fill,
    /// Whether it may be NULL.
    pub nullable: bool,
}

impl Sqlite {
    /// Opens a file.
    ///
    /// # Errors
    /// A file that is no database, or is damaged.
    pub fn open(path: &Path) -> Result<Self> {
        let shown = path.display().to_string();
        let open = || -> rusqlite::Result<Connection> {
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let connection = Connection::open_with_flags(path, flags)?;
            connection.busy_timeout(Duration::from_secs(5))?;
            // A file may define functions and views that do harm: nothing of it is trusted.
            connection.execute_batch(
                "PRAGMA query_only = ON; PRAGMA trusted_schema = OFF; PRAGMA mmap_size = 0; PRAGMA temp_store = MEMORY",
            )?;
            connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
            Ok(connection)
        };
        let connection = open().map_err(|e| failed(&shown, e))?;
        Ok(Sqlite { connection, shown })
    }

    /// Its tables and views, without SQLite's own.
    ///
    /// # Errors
    /// Those of reading.
    pub fn tables(&self) -> Result<Vec<Declared>> {
        let read = || -> rusqlite::Result<Vec<Declared>> {
            let mut statement = self.connection.prepare(
                "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY rowid",
            )?;
            let names: Vec<String> = statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
            // A view may be broken, which is no reason to leave out the rest.
            Ok(names
                .into_iter()
                .filter_map(|name| self.declared(name).ok())
                .filter(|t| !t.columns.is_empty())
                .collect())
        };
        read().map_err(|e| failed(&self.shown, e))
    }

    fn declared(&self, name: String) -> rusqlite::Result<Declared> {
        let mut statement = self.connection.prepare("SELECT name, type, \"notnull\", pk FROM pragma_table_info(?)")?;
        let mut keys: Vec<(i64, String)> = Vec::new();
        let mut columns = Vec::new();
        let mut rows = statement.query([&name])?;
        while let Some(row) = rows.next()? {
            let column: String = row.get(0)?;
            let declared: Option<String> = row.get(1)?;
            let position: i64 = row.get(3)?;
            if position > 0 {
                keys.push((position, column.clone()));
            }
            columns.push(DeclaredColumn {
                name: column,
                fill: affinity(&declared.unwrap_or_default()),
                nullable: row.get::<_, i64>(2)? == 0,
            });
        }
        keys.sort();
        Ok(Declared { name, columns, primary_key: keys.into_iter().map(|(_, c)| c).collect() })
    }

    /// The declared references of a table.
    ///
    /// # Errors
    /// Those of reading.
    pub fn keys(&self, table: &str) -> Result<Vec<ForeignKey>> {
        let read = || -> rusqlite::Result<Vec<ForeignKey>> {
            let mut statement = self
                .connection
                .prepare("SELECT id, \"table\", \"from\", \"to\" FROM pragma_foreign_key_list(?) ORDER BY id, seq")?;
            let mut keys: Vec<(i64, ForeignKey)> = Vec::new();
            let mut rows = statement.query([table])?;
            while let Some(row) = rows.next()? {
                let (id, to_table, from): (i64, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
                let to: Option<String> = row.get(3)?;
                // Without columns, the other table's primary key is meant.
                let to = match to {
                    Some(to) => Some(to),
                    None => self.declared(to_table.clone()).ok().and_then(|d| d.primary_key.into_iter().next()),
                };
                let Some(to) = to else { continue };
                match keys.last_mut().filter(|(last, _)| *last == id) {
                    Some((_, key)) => {
                        key.columns.push(from);
                        key.to_columns.push(to);
                    }
                    None => keys.push((
                        id,
                        ForeignKey {
                            table: table.to_owned(),
                            columns: vec![from],
                            to_table,
                            to_columns: vec![to],
                            declared: true,
                        },
                    )),
                }
            }
            Ok(keys.into_iter().map(|(_, key)| key).collect())
        };
        read().map_err(|e| failed(&self.shown, e))
    }

    /// The number of rows, counted up to `most`.
    ///
    /// # Errors
    /// Those of reading.
    pub fn count(&self, table: &str, most: u64) -> Result<u64> {
        let sql = format!("SELECT count(*) FROM (SELECT 1 FROM {} LIMIT {most})", quote_ident(table));
        let count: i64 = self.connection.query_row(&sql, [], |row| row.get(0)).map_err(|e| failed(&self.shown, e))?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// What the first rows of columns hold.
    #[must_use]
    pub fn ranges(&self, table: &str, columns: &[String], rows: u64) -> Vec<Range> {
        let quoted: Vec<String> = columns.iter().map(|c| quote_ident(c)).collect();
        let ends: Vec<String> = quoted
            .iter()
            .map(|c| format!("min({c}), max({c}), count(*) FILTER (WHERE typeof({c}) IN ('text', 'blob'))"))
            .collect();
        let from = format!("(SELECT {} FROM {} LIMIT {rows})", quoted.join(", "), quote_ident(table));
        let sql = format!("SELECT {} FROM {from}", ends.join(", "));
        let range = |row: &rusqlite::Row<'_>, at: usize| -> rusqlite::Result<Range> {
            let (from, to): (Option<f64>, Option<f64>) = (row.get(at)?, row.get(at + 1)?);
            Ok(from.zip(to).filter(|_| row.get::<_, i64>(at + 2) == Ok(0)))
        };
        let read =
            |row: &rusqlite::Row<'_>| Ok((0..columns.len()).map(|i| range(row, 3 * i).unwrap_or(None)).collect());
        // What cannot be read is no time.
        self.connection.query_row(&sql, [], read).unwrap_or_default()
    }

    /// Which of these columns hold nothing but dates, or dates and times, as text in their first rows.
    #[must_use]
    pub fn dates(&self, table: &str, columns: &[String], rows: u64) -> Vec<Option<Fill>> {
        let quoted: Vec<String> = columns.iter().map(|c| quote_ident(c)).collect();
        let sql = format!("SELECT {} FROM {} LIMIT {rows}", quoted.join(", "), quote_ident(table));
        let mut found = vec![(Some(Fill::Date), false); columns.len()];
        let mut read = || -> rusqlite::Result<()> {
            let mut statement = self.connection.prepare(&sql)?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                for (i, (fill, any)) in found.iter_mut().enumerate() {
                    *fill = match row.get_ref(i)? {
                        ValueRef::Null => continue,
                        ValueRef::Text(text) => std::str::from_utf8(text).ok().and_then(|text| match fill {
                            Some(Fill::Date) if days(text).is_some() => Some(Fill::Date),
                            Some(_) => micros(text).map(|_| Fill::Timestamp),
                            None => None,
                        }),
                        _ => None,
                    };
                    *any = true;
                }
            }
            Ok(())
        };
        // What cannot be read is told when it is loaded.
        match read() {
            Ok(()) => found.into_iter().map(|(fill, any)| fill.filter(|_| any)).collect(),
            Err(_) => Vec::new(),
        }
    }

    /// A value of a column that is this text in any case, if one is found in time.
    #[must_use]
    pub fn find(&mut self, table: &str, column: &str, text: &str, end: Instant) -> Option<String> {
        let sql = format!(
            "SELECT {0} FROM {1} WHERE {0} = ? COLLATE NOCASE LIMIT 1",
            quote_ident(column),
            quote_ident(table)
        );
        self.connection.progress_handler(10_000, Some(move || Instant::now() > end)).ok()?;
        let found = self.connection.query_row(&sql, [text], |row| row.get(0)).ok();
        self.connection.progress_handler(0, None::<fn() -> bool>).ok()?;
        found
    }

    /// Fills a table of DuckDB (catalogue, schema and name, quoted) with these columns, made anew, and says what they
    /// were filled with: SQLite lets any value stand in any column, so a column falls back to a wider type where a
    /// value does not fit.
    ///
    /// # Errors
    /// Those of reading and of writing.
    pub fn load(
        &self,
        duckdb: &duckdb::Connection,
        target: &super::catalogue::Target,
        table: &str,
        columns: &[(String, Fill)],
        which: &Rows,
    ) -> Result<Vec<Fill>> {
        let mut fills: Vec<Fill> = columns.iter().map(|(_, f)| *f).collect();
        loop {
            let definition: Vec<String> = columns
                .iter()
                .zip(&fills)
                .map(|((name, _), fill)| format!("{} {}", quote_ident(name), fill.sql()))
                .collect();
            let create = format!("CREATE OR REPLACE TABLE {} ({})", target.sql(), definition.join(", "));
            duckdb.execute_batch(&create).map_err(|e| failure::from_duckdb(&e).at(&self.shown))?;
            match self.fill(duckdb, target, table, columns, &fills, which)? {
                None => return Ok(fills),
                Some((at, wider)) => match fills.get_mut(at) {
                    Some(fill) => *fill = wider,
                    None => return Ok(fills),
                },
            }
        }
    }

    /// Copies the rows; returns a column that needs another type, and which.
    fn fill(
        &self,
        duckdb: &duckdb::Connection,
        target: &super::catalogue::Target,
        table: &str,
        columns: &[(String, Fill)],
        fills: &[Fill],
        which: &Rows,
    ) -> Result<Option<(usize, Fill)>> {
        std::thread::scope(|scope| {
            let writer = Writer::start(scope, duckdb, target)?;
            let read = self.read(&writer, table, columns, fills, which);
            let written = writer.finish();
            // Rows that nobody took were not written, and why not is what is to be told.
            written.and(read)
        })
    }

    /// Reads the rows, until one needs another type of a column.
    fn read(
        &self,
        writer: &Writer<'_>,
        table: &str,
        columns: &[(String, Fill)],
        fills: &[Fill],
        which: &Rows,
    ) -> Result<Option<(usize, Fill)>> {
        let list: Vec<String> = columns.iter().map(|(name, _)| quote_ident(name)).collect();
        let sql = format!("SELECT {} FROM {}{}", list.join(", "), quote_ident(table), which.sql());
        let wrong = |e| failed(&self.shown, e);
        let mut statement = self.connection.prepare(&sql).map_err(wrong)?;
        let mut rows = statement.query([]).map_err(wrong)?;
        let mut batch = Batch::new(fills);
        let (mut loaded, mut told) = (0u64, Instant::now());
        while let Some(row) = rows.next().map_err(wrong)? {
            let mut bytes = 0;
            for (i, column) in batch.columns.iter_mut().enumerate() {
                let value = row.get_ref(i).map_err(wrong)?;
                if let Some(wider) = add(column, value, &mut bytes) {
                    return Ok(Some((i, wider)));
                }
            }
            loaded += 1;
            if batch.row(bytes) {
                if !writer.give(&mut batch)? {
                    return Ok(None);
                }
                if told.elapsed() > Duration::from_millis(250) {
                    told = Instant::now();
                    answer(&Response::Progress { what: format!("loading {table}"), rows: loaded, of: None })?;
                }
            }
        }
        if !batch.is_empty() {
            writer.give(&mut batch)?;
        }
        Ok(None)
    }
}

/// Adds a value, or says which type the column needs for it.
fn add(column: &mut Filling, value: ValueRef<'_>, bytes: &mut usize) -> Option<Fill> {
    let text = |t, bytes: &mut usize| -> std::borrow::Cow<'_, str> {
        let t: &[u8] = t;
        *bytes += t.len();
        String::from_utf8_lossy(t)
    };
    match (column, value) {
        (column, ValueRef::Null) => column.null(),
        (Filling::Int(b), ValueRef::Integer(i)) => b.append_value(i),
        (Filling::Int(_), ValueRef::Real(_)) => return Some(Fill::Float),
        (Filling::Float(b), ValueRef::Real(f)) => b.append_value(f),
        #[allow(clippy::cast_precision_loss, reason = "SQLite itself compares such numbers as floating point")]
        (Filling::Float(b), ValueRef::Integer(i)) => b.append_value(i as f64),
        (Filling::Since(b, unit), ValueRef::Integer(i)) => b.append_option(unit.micros(i)),
        (Filling::Since(b, unit), ValueRef::Real(f)) => b.append_option(unit.micros_of(f)),
        (Filling::Bool(b), ValueRef::Integer(i @ (0 | 1))) => b.append_value(i == 1),
        (Filling::Bool(_) | Filling::Date(_) | Filling::Timestamp(_), ValueRef::Integer(_)) => return Some(Fill::Int),
        (Filling::Bool(_) | Filling::Date(_) | Filling::Timestamp(_), ValueRef::Real(_)) => return Some(Fill::Float),
        (Filling::Date(b), ValueRef::Text(t)) => match std::str::from_utf8(t).ok().and_then(days) {
            Some(days) => b.append_value(days),
            None => return Some(Fill::Timestamp),
        },
        (Filling::Timestamp(b), ValueRef::Text(t)) => match std::str::from_utf8(t).ok().and_then(micros) {
            Some(micros) => b.append_value(micros),
            None => return Some(Fill::Text),
        },
        (Filling::Text(b), ValueRef::Text(t)) => b.append_value(text(t, bytes)),
        (Filling::Text(b), ValueRef::Integer(i)) => b.append_value(i.to_string()),
        (Filling::Text(b), ValueRef::Real(f)) => b.append_value(f.to_string()),
        (Filling::Text(b), ValueRef::Blob(t)) => b.append_value(text(t, bytes)),
        (Filling::Bytes(b), ValueRef::Blob(t)) => {
            *bytes += t.len();
            b.append_value(t);
        }
        _ => return Some(Fill::Text),
    }
    None
}

/// What a column is filled with first, by its declared type (SQLite's rules of affinity, and names of types it does
/// not know but people use).
fn affinity(declared: &str) -> Fill {
    let declared = declared.to_ascii_uppercase();
    let has = |words: &[&str]| words.iter().any(|w| declared.contains(w));
    if has(&["INT"]) {
        Fill::Int
    } else if has(&["CHAR", "CLOB", "TEXT"]) {
        Fill::Text
    } else if has(&["BOOL"]) {
        Fill::Bool
    } else if has(&["DATETIME", "TIMESTAMP"]) {
        Fill::Timestamp
    } else if declared == "DATE" {
        Fill::Date
    } else if declared == "BLOB" {
        Fill::Bytes
    } else if has(&["REAL", "FLOA", "DOUB", "DEC", "NUM"]) {
        Fill::Float
    } else {
        Fill::Int
    }
}

fn failed(shown: &str, e: rusqlite::Error) -> Error {
    let unread = |code| Error::failed(code, "the SQLite file cannot be read");
    let error = match e.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            unread("source.damaged").next("check it with `sqlite3 FILE 'PRAGMA integrity_check'`")
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            Error::new(Exit::Locked, "source.locked", "the SQLite file is locked by another program that writes it")
                .next("ask again when it has ended, or ask a copy of the file")
        }
        _ => unread("source.unreadable").next("check that it can be read, and the folder it stands in"),
    };
    error.at(shown).because(e)
}
