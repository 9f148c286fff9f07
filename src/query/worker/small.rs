//! Small tables, read once: what their columns hold is then known without a statement of DuckDB for each question.

use super::catalogue::{Engine, Entry};
use super::columns::days;
use crate::error::Result;
use crate::postgres::connect::quote_ident;
use crate::query::failure;
use crate::query::keys;
use crate::query::schema::Column;
use duckdb::arrow::array::{Array, Int64Array, StringArray, StructArray};
use std::collections::HashMap;

/// Rows up to which a table is read at once.
pub const SMALL: u64 = 20_000;
/// Bytes up to which: what is read stands beside what DuckDB counts as its memory.
const SMALL_BYTES: usize = 32 << 20;
/// Values of all tables together that are kept until keys are inferred.
const HELD: usize = 2_000_000;
/// Bytes of them.
const HELD_BYTES: usize = 16 << 20;

/// What the columns of one table hold, by name: those of text and of whole numbers.
#[derive(Debug, Default)]
pub struct Small(HashMap<String, Held>);

/// What one column holds.
#[derive(Debug)]
pub struct Held {
    /// Its distinct values, sorted.
    pub values: Distinct,
    /// Rows in which it is NULL.
    nulls: usize,
    /// All rows.
    rows: usize,
}

/// Distinct values, sorted.
#[derive(Debug)]
pub enum Distinct {
    /// Of whole numbers.
    Whole(Vec<i64>),
    /// Of text.
    Text(Vec<String>),
}

/// How much of all tables is kept.
#[derive(Debug, Default)]
pub struct Budget {
    values: usize,
    bytes: usize,
}

impl Small {
    /// Reads a table; only the types of which DuckDB compares the values as they are compared here. Of one that is wide
    /// beyond measure nothing is known.
    ///
    /// # Errors
    /// A table that cannot be read.
    pub fn read(engine: &Engine, entry: &Entry, relation: &str) -> Result<Small> {
        let columns: Vec<(&Column, bool)> =
            entry.table.columns.iter().filter_map(|c| Some((c, is_text(&c.sql_type)?))).collect();
        if columns.is_empty() {
            return Ok(Small::default());
        }
        let list: Vec<String> = columns
            .iter()
            .map(|(c, text)| format!("{}{}", quote_ident(&c.name), if *text { "" } else { "::BIGINT" }))
            .collect();
        let sql = format!("SELECT {} FROM {relation}", list.join(", "));
        let Some(batches) = chunks(engine, &sql, SMALL_BYTES)? else { return Ok(Small::default()) };
        let held = columns.iter().enumerate().filter_map(|(i, (c, _))| Some((c.name.clone(), held(&batches, i)?)));
        Ok(Small(held.collect()))
    }

    /// What a column holds, where it is known.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&Held> {
        self.0.get(name)
    }

    /// Without what no key would be inferred from, and what would be too much to keep.
    #[must_use]
    pub fn within(mut self, budget: &mut Budget) -> Small {
        self.0.retain(|name, held| {
            if !keys::may_be_part(name) {
                return false;
            }
            let (values, bytes) = match &held.values {
                Distinct::Whole(all) => (all.len(), all.len() * size_of::<i64>()),
                Distinct::Text(all) => (all.len(), all.iter().map(String::len).sum()),
            };
            let fits = budget.values + values <= HELD && budget.bytes + bytes <= HELD_BYTES;
            if fits {
                budget.values += values;
                budget.bytes += bytes;
            }
            fits
        });
        self
    }
}

impl Held {
    /// Whether NULL occurs.
    #[must_use]
    pub fn nullable(&self) -> bool {
        self.nulls > 0
    }

    /// Whether every row has a value of its own.
    #[must_use]
    pub fn unique(&self) -> bool {
        let distinct = match &self.values {
            Distinct::Whole(all) => all.len(),
            Distinct::Text(all) => all.len(),
        };
        self.rows > 0 && distinct == self.rows
    }

    /// Whether 95 of 100 distinct values occur in another column; nothing where the types differ.
    #[must_use]
    pub fn included(&self, into: &Held) -> Option<bool> {
        let (found, of) = match (&self.values, &into.values) {
            (Distinct::Whole(from), Distinct::Whole(into)) => (common(from, into), from.len()),
            (Distinct::Text(from), Distinct::Text(into)) => (common(from, into), from.len()),
            _ => return None,
        };
        Some(of > 0 && found * 100 >= of * 95)
    }

    /// Whether text may be dates, times beside them included: nothing else has the shape, but not every text that has it
    /// is one.
    #[must_use]
    pub fn may_be_dates(&self) -> bool {
        self.nulls == 0
            && matches!(&self.values, Distinct::Text(all) if !all.is_empty() && all.iter().all(|v| dated(v.as_bytes())))
    }

    /// Whether text is certainly days and nothing else.
    #[must_use]
    pub fn are_days(&self) -> bool {
        // The year 0 is none everywhere.
        self.may_be_dates()
            && matches!(&self.values, Distinct::Text(all) if all.iter().all(|v| !v.starts_with("0000") && days(v).is_some()))
    }
}

/// Whether a column is read as text, or as whole numbers; nothing for other types.
fn is_text(sql_type: &str) -> Option<bool> {
    match sql_type {
        "VARCHAR" => Some(true),
        "TINYINT" | "SMALLINT" | "INTEGER" | "BIGINT" | "UTINYINT" | "USMALLINT" | "UINTEGER" => Some(false),
        _ => None,
    }
}

/// The rows of a SELECT; nothing where they are more bytes than this.
fn chunks(engine: &Engine, sql: &str, most: usize) -> Result<Option<Vec<StructArray>>> {
    let wrong = |e: duckdb::Error| failure::from_duckdb(&e);
    let mut statement = engine.duckdb.prepare(sql).map_err(wrong)?;
    // The iterator it returns panics on an error; `step` does not.
    let _ = statement.stream_arrow([]).map_err(wrong)?;
    let (mut all, mut bytes) = (Vec::new(), 0);
    while let Some(chunk) = statement.step().map_err(wrong)? {
        bytes += chunk.get_array_memory_size();
        if bytes > most {
            return Ok(None);
        }
        all.push(chunk);
    }
    Ok(Some(all))
}

/// The texts of a SELECT's only column, sorted.
///
/// # Errors
/// Those of running it.
pub fn texts(engine: &Engine, sql: &str) -> Result<Vec<String>> {
    let chunks = chunks(engine, sql, usize::MAX)?.unwrap_or_default();
    let columns = chunks.iter().filter_map(|c| c.columns().first()?.as_any().downcast_ref::<StringArray>());
    let mut all: Vec<String> = columns.flat_map(|c| c.iter().flatten()).map(str::to_owned).collect();
    all.sort_unstable();
    Ok(all)
}

/// Whether every row has a whole number of its own, which here is seen sooner than DuckDB counts them; nothing where the
/// column is of another type.
///
/// # Errors
/// Those of reading it.
pub fn unique(engine: &Engine, column: &Column, relation: &str) -> Result<Option<bool>> {
    if is_text(&column.sql_type) != Some(false) {
        return Ok(None);
    }
    let sql = format!("SELECT {}::BIGINT FROM {relation}", quote_ident(&column.name));
    let chunks = chunks(engine, &sql, SMALL_BYTES)?;
    Ok(chunks.and_then(|chunks| held(&chunks, 0)).map(|held| held.unique()))
}

/// The column of that position.
fn held(batches: &[StructArray], at: usize) -> Option<Held> {
    let (mut texts, mut numbers): (Vec<&str>, Vec<i64>) = (Vec::new(), Vec::new());
    let (mut nulls, mut rows, mut text) = (0, 0, false);
    for batch in batches {
        let array = batch.columns().get(at)?;
        rows += array.len();
        nulls += array.null_count();
        if let Some(array) = array.as_any().downcast_ref::<StringArray>() {
            text = true;
            texts.extend(array.iter().flatten());
        } else {
            numbers.extend(array.as_any().downcast_ref::<Int64Array>()?.iter().flatten());
        }
    }
    // What type a column without rows has is not seen, and DuckDB is asked.
    if rows == 0 {
        return None;
    }
    texts.sort_unstable();
    texts.dedup();
    numbers.sort_unstable();
    numbers.dedup();
    let values =
        if text { Distinct::Text(texts.into_iter().map(str::to_owned).collect()) } else { Distinct::Whole(numbers) };
    Some(Held { values, nulls, rows })
}

/// How many of these sorted values are among the others, which are sorted as well.
fn common<T: Ord>(from: &[T], into: &[T]) -> usize {
    from.iter().filter(|v| into.binary_search(v).is_ok()).count()
}

/// `2024-05-01`, `2024-05-01 12:00`, `2024-05-01T12:00:00.5`, by shape alone.
fn dated(text: &[u8]) -> bool {
    let is = |from: usize, shape: &[u8]| {
        shape.iter().zip(text.iter().skip(from)).all(|(s, b)| match s {
            b'0' => b.is_ascii_digit(),
            b' ' => matches!(b, b' ' | b'T'),
            other => other == b,
        })
    };
    match text.len() {
        10 => is(0, b"0000-00-00"),
        16 => is(0, b"0000-00-00 00:00"),
        19 => is(0, b"0000-00-00 00:00:00"),
        21.. => is(0, b"0000-00-00 00:00:00.") && text.iter().skip(20).all(u8::is_ascii_digit),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(values: &[&str], nulls: usize) -> Held {
        let all: Vec<String> = values.iter().map(|v| (*v).to_owned()).collect();
        Held { rows: all.len() + nulls, values: Distinct::Text(all), nulls }
    }

    #[test]
    fn days_are_told_from_what_looks_like_them() {
        assert!(texts(&["2024-01-31", "2024-02-29"], 0).are_days());
        for (values, nulls) in
            [(vec!["2024-01-31", "2024-02-30"], 0), (vec!["2024-01-31 10:00"], 0), (vec!["2024-01-31"], 1)]
        {
            assert!(!texts(&values, nulls).are_days(), "{values:?} {nulls}");
        }
        for value in ["2024-01-31", "2024-01-31 10:00", "2024-01-31T10:00:59", "2024-01-31 10:00:59.123"] {
            assert!(texts(&[value], 0).may_be_dates(), "{value}");
        }
        for value in
            ["", "2024-1-31", "2024-01-31 10", "2024-01-31x10:00", "2024-01-31 10:00:59.", "2024-01-31 10:00:59Z"]
        {
            assert!(!texts(&[value], 0).may_be_dates(), "{value}");
        }
        assert!(!texts(&[], 0).may_be_dates());
    }

    #[test]
    fn keys_are_unique_and_references_nearly_all_found() {
        let whole = |values: Vec<i64>, rows, nulls| Held { values: Distinct::Whole(values), nulls, rows };
        assert!(whole(vec![1, 2], 2, 0).unique());
        assert!(!whole(vec![1, 2], 3, 1).unique() && !whole(vec![1, 2], 3, 0).unique());
        let into = whole((0..95).collect(), 95, 0);
        assert_eq!(whole((0..100).collect(), 100, 0).included(&into), Some(true));
        assert_eq!(whole((0..101).collect(), 101, 0).included(&into), Some(false));
        assert_eq!(whole(Vec::new(), 1, 1).included(&into), Some(false));
        assert_eq!(texts(&["1"], 0).included(&into), None);
    }
}
