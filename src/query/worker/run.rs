//! Checking, loading for, and running one query.

use super::answer;
use super::catalogue::{Engine, Loaded, Origin, Rows};
use super::columns::Fill;
use super::counted;
use super::dated;
use super::narrow;
use super::profile::profile;
use super::scanner;
use super::whole::Reached;
use crate::error::{Error, Exit, Result};
use crate::postgres::connect::{quote_ident, quote_literal};
use crate::query::failure;
use crate::query::guard::{self, Needs, Refusal};
use crate::query::protocol::{Column, Parquet, Response};
use duckdb::arrow::array::{Array, BooleanArray, Float64Array, Int64Array, StringArray, StructArray};
use serde_json::{Number, Value};
use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::Duration;

/// A query and its limits.
pub struct Order {
    /// One SELECT.
    pub sql: String,
    /// The most rows.
    pub rows: Option<u64>,
    /// The most bytes of values.
    pub bytes: Option<u64>,
    /// The most milliseconds.
    pub millis: u64,
    /// Load whole tables.
    pub whole_tables: bool,
    /// Return the plan with times.
    pub profile: bool,
    /// Write Parquet.
    pub parquet: Option<Parquet>,
}

/// Rows of a frame, and its bytes.
const FRAME_ROWS: usize = 4096;
const FRAME_BYTES: usize = 1 << 20;

fn refused(refusal: Refusal) -> Error {
    let mut error = Error::new(Exit::Unanswered, "guard.refused", refusal.what).at("SQL");
    error.next = refusal.next;
    error
}

/// The tree that DuckDB's parser makes of SQL.
fn tree(engine: &Engine, sql: &str) -> Result<Value> {
    let text: String = engine
        .duckdb
        .query_row("SELECT json_serialize_sql(?::VARCHAR)", [sql], |row| row.get(0))
        .map_err(|e| failure::from_duckdb(&e).at("SQL"))?;
    serde_json::from_str(&text).map_err(|e| refused(Refusal::new("the SQL is nested too deeply")).because(e))
}

/// Says what a query needs, if it may run.
pub fn check(engine: &Engine, sql: &str) -> Result<Needs> {
    let sql = guard::text(sql).map_err(refused)?;
    let tree = tree(engine, sql)?;
    if tree.get("error_type").and_then(Value::as_str) == Some("parser") {
        let message = tree.get("error_message").and_then(Value::as_str).unwrap_or_default();
        return Err(Error::failed(
            "query.syntax",
            format!("the SQL cannot be parsed: {}", message.lines().next().unwrap_or_default()),
        )
        .at("SQL"));
    }
    let known = |named: &guard::Named| engine.tables.iter().any(|t| t.is(named));
    guard::check(&tree, &known).map_err(refused)
}

fn is_needed(engine: &Engine, at: usize, needs: &Needs) -> bool {
    engine.tables.get(at).is_some_and(|entry| needs.tables.iter().any(|named| entry.is(named)))
}

/// Loads what a query needs and is not there yet: the columns it names, and of a table that only it reads, the rows that
/// fulfil its conditions. `most` rows are returned at last.
pub fn load(engine: &mut Engine, needs: &Needs, whole_tables: bool, most: Option<u64>) -> Result<()> {
    for at in 0..engine.tables.len() {
        if !is_needed(engine, at, needs) {
            continue;
        }
        counted::needed(engine, at, needs);
        dated::needed(engine, at);
        let Some(entry) = engine.tables.get(at).filter(|entry| entry.loaded != Loaded::All) else { continue };
        let all = entry.table.columns.iter().map(|c| c.name.as_str());
        let wanted = |name: &str| whole_tables || needs.whole_rows || needs.columns.contains(&name.to_lowercase());
        let mut names: Vec<String> = all.clone().filter(|n| wanted(n)).map(str::to_owned).collect();
        if let Loaded::Columns(have) = &entry.loaded
            && names.iter().all(|n| have.contains(n))
        {
            continue;
        }
        let rows = if whole_tables { Rows::default() } else { narrow::rows(entry, &needs.narrowed, most) };
        if rows == Rows::default()
            && let Loaded::Columns(have) = &entry.loaded
        {
            names = all.clone().filter(|n| wanted(n) || have.contains(*n)).map(str::to_owned).collect();
        }
        if names.is_empty() {
            // Rows are counted: any column will do, a narrow one best.
            names.extend(narrowest(entry).map(str::to_owned));
        }
        let part = Loaded::Part(names.iter().cloned().collect(), rows.clone());
        if entry.loaded == part {
            continue;
        }
        load_table(engine, at, &names, &rows)?;
        if rows != Rows::default()
            && let Some(entry) = engine.tables.get_mut(at)
        {
            entry.loaded = part;
        }
    }
    Ok(())
}

/// Makes empty tables in place of those that are not loaded, so that a query can be planned.
pub fn stand_in(engine: &mut Engine, needs: &Needs) -> Result<()> {
    for at in 0..engine.tables.len() {
        if !is_needed(engine, at, needs) {
            continue;
        }
        counted::needed(engine, at, needs);
        dated::needed(engine, at);
        let Some(entry) = engine.tables.get(at) else { break };
        let there = match &entry.loaded {
            Loaded::All => true,
            Loaded::Columns(have) => {
                let wanted = |name: &str| needs.whole_rows || needs.columns.contains(&name.to_lowercase());
                entry.table.columns.iter().all(|c| have.contains(&c.name) || !wanted(&c.name))
            }
            Loaded::Part(..) | Loaded::Nothing => false,
        };
        if there {
            continue;
        }
        let names: Vec<String> = entry.table.columns.iter().map(|c| c.name.clone()).collect();
        load_table(engine, at, &names, &Rows::first(0))?;
        if let Some(entry) = engine.tables.get_mut(at) {
            entry.loaded = Loaded::Nothing;
        }
    }
    Ok(())
}

/// Lets DuckDB plan a query.
pub fn explain(engine: &Engine, sql: &str) -> Result<()> {
    let sql = guard::text(sql).map_err(refused)?;
    engine.rows(&format!("EXPLAIN {sql}\n")).map(drop).map_err(|e| e.at("SQL"))
}

fn narrowest(entry: &super::catalogue::Entry) -> Option<&str> {
    let wide = |fill: Option<&Fill>| matches!(fill, Some(Fill::Text | Fill::Bytes));
    let columns = entry.table.columns.iter().zip(0..);
    columns.min_by_key(|(_, i)| (wide(entry.fills.get(*i)), *i)).map(|(c, _)| c.name.as_str())
}

/// Loads columns of a table, and which of its rows.
pub fn load_table(engine: &mut Engine, at: usize, names: &[String], rows: &Rows) -> Result<()> {
    let Some(entry) = engine.tables.get(at) else { return Ok(()) };
    let columns: Vec<(usize, String, Fill)> = entry
        .table
        .columns
        .iter()
        .zip(&entry.fills)
        .enumerate()
        .filter(|(_, (c, _))| names.contains(&c.name))
        .map(|(i, (c, fill))| (i, c.name.clone(), *fill))
        .collect();
    if *rows != Rows::first(0) && !matches!(entry.origin, Origin::Native(_)) {
        // What reads it may say nothing until it is read.
        answer(&Response::Progress { what: format!("loading {}", entry.table.name), rows: 0, of: None })?;
    }
    let pairs: Vec<(String, Fill)> = columns.iter().map(|(_, name, fill)| (name.clone(), *fill)).collect();
    let fills = match &entry.origin {
        Origin::Native(_) => return Ok(()),
        Origin::Sqlite(file, table) => match engine.sqlite.get(*file) {
            // Conditions are SQLite's own, which it applies by itself.
            Some(_)
                if *rows == Rows::default()
                    && engine.scanned.get(*file).and_then(Option::as_deref).is_some_and(|scanned| {
                        scanner::fill(engine, scanned, table, &entry.target, &pairs).is_ok()
                    }) =>
            {
                pairs.iter().map(|(_, fill)| *fill).collect()
            }
            Some(sqlite) => sqlite.load(&engine.duckdb, &entry.target, table, &pairs, rows)?,
            None => return Ok(()),
        },
        Origin::Postgres(server, schema, table) => {
            let named = (schema.as_str(), table.as_str());
            let scan = engine.scans.get(*server).and_then(Option::as_ref).filter(|_| *rows == Rows::default());
            let Some(server) = engine.postgres.get(*server) else { return Ok(()) };
            if scan.is_some_and(|scan| scan.fill(engine, &entry.target, named, &pairs)) {
                pairs.iter().map(|(_, fill)| *fill).collect()
            } else {
                server.load(&engine.duckdb, &entry.target, named, &pairs, rows)?
            }
        }
    };
    let expose = format!(
        "CREATE OR REPLACE VIEW memory.main.{} AS SELECT * FROM {}",
        quote_ident(&entry.table.name),
        entry.target.sql()
    );
    engine.execute(&expose)?;
    let whole = columns.len() == entry.table.columns.len();
    let Some(entry) = engine.tables.get_mut(at) else { return Ok(()) };
    for ((i, _, planned), fill) in columns.iter().zip(fills) {
        if *planned != fill
            && let (Some(column), Some(old)) = (entry.table.columns.get_mut(*i), entry.fills.get_mut(*i))
        {
            *old = fill;
            column.sql_type = fill.sql();
            column.kind = super::catalogue::kind_of(&fill.sql());
        }
    }
    entry.loaded = if whole { Loaded::All } else { Loaded::Columns(names.iter().cloned().collect()) };
    Ok(())
}

/// The columns of a query's result.
pub fn describe(engine: &Engine, sql: &str) -> Result<Vec<Column>> {
    let sql = guard::text(sql).map_err(refused)?;
    let rows = engine.rows(&format!("DESCRIBE {sql}\n")).map_err(|e| e.at("SQL"))?;
    Ok(rows
        .into_iter()
        .filter_map(|row| {
            let mut row = row.into_iter();
            Some(Column { name: row.next()??, sql_type: row.next()?? })
        })
        .collect())
}

/// How a column leaves DuckDB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Int,
    Float,
    /// With the digits that tell it apart in single precision, 0.1 rather than 0.10000000149.
    Single,
    Bool,
    /// Digits that JSON's reader takes for a number.
    Digits,
    Text,
    /// Lists and structures, as JSON.
    Nested,
}

impl Way {
    fn of(sql_type: &str) -> Self {
        let nested = sql_type.ends_with(']') || ["STRUCT", "MAP", "UNION"].iter().any(|t| sql_type.starts_with(t));
        match sql_type.split('(').next().unwrap_or_default() {
            _ if nested => Way::Nested,
            "JSON" => Way::Nested,
            "TINYINT" | "SMALLINT" | "INTEGER" | "BIGINT" | "UTINYINT" | "USMALLINT" | "UINTEGER" => Way::Int,
            "FLOAT" => Way::Single,
            "DOUBLE" => Way::Float,
            "BOOLEAN" => Way::Bool,
            "HUGEINT" | "UHUGEINT" | "UBIGINT" | "DECIMAL" => Way::Digits,
            _ => Way::Text,
        }
    }

    fn select(self, column: &str) -> String {
        match self {
            Way::Int => format!("{column}::BIGINT"),
            Way::Float => format!("{column}::DOUBLE"),
            Way::Single => format!("{column}::VARCHAR::DOUBLE"),
            Way::Bool => column.to_owned(),
            Way::Digits | Way::Text => format!("{column}::VARCHAR"),
            Way::Nested => format!("to_json({column})::VARCHAR"),
        }
    }
}

/// Runs a query; the rows go out on the way, the returned answer is the last.
pub fn run(engine: &mut Engine, order: &Order) -> Result<Response> {
    let needs = check(engine, &order.sql)?;
    load(engine, &needs, order.whole_tables, order.rows.map(|n| n.saturating_add(1)))?;
    let mut tables: Vec<String> =
        engine.tables.iter().filter(|t| needs.tables.iter().any(|n| t.is(n))).map(|t| t.table.name.clone()).collect();
    tables.sort();
    let packed = engine.packed.watch(tables.iter().map(String::as_str))?;
    answer(&Response::Started)?;
    let _clock = Clock::start(engine, order.millis);
    let columns = describe(engine, &order.sql)?;
    let sql = guard::text(&order.sql).map_err(refused)?;
    if let Some(parquet) = &order.parquet {
        answer(&Response::Columns(columns.clone()))?;
        let rows = write_parquet(engine, sql, &columns, parquet)?;
        engine.packed.confirm(&packed, Reached::All)?;
        let profile = if order.profile { profile(engine) } else { None };
        return Ok(Response::Done { rows, truncated: None, profile, tables });
    }
    let ways: Vec<Way> = columns.iter().map(|c| Way::of(&c.sql_type)).collect();
    let wrapped = wrap(sql, &ways, order.rows);
    // What runs is what was checked: the statement around it has to be one of these tables and functions too.
    check(engine, &wrapped)?;
    answer(&Response::Columns(columns))?;
    let (rows, truncated) = match stream(engine, &wrapped, &ways, order) {
        Err(e) if e.code == "source.damaged" => {
            // A half row has too few fields: that its file is cut off says more.
            engine.packed.confirm(&packed, Reached::All)?;
            return Err(e);
        }
        streamed => streamed?,
    };
    let reached =
        if ended_early(engine, &needs, rows, truncated.is_some()) { Reached::Beginning } else { Reached::All };
    engine.packed.confirm(&packed, reached)?;
    let profile = if order.profile { profile(engine) } else { None };
    Ok(Response::Done { rows, truncated, profile, tables })
}

/// Whether a query that returned so many rows had no need of what stands behind them, and none of them can be the half row
/// at which a file was cut off: there is a further one.
fn ended_early(engine: &Engine, needs: &Needs, rows: u64, truncated: bool) -> bool {
    if truncated {
        return needs.narrowed.flows;
    }
    let Some((named, Some(limit))) = &needs.narrowed.first else { return false };
    if rows < *limit || engine.packed.is_empty() {
        return false;
    }
    let Some(entry) = engine.tables.iter().find(|entry| entry.is(named)) else { return false };
    let further = format!("SELECT '1' FROM {} LIMIT 1 OFFSET {limit}", entry.relation());
    engine.rows(&further).is_ok_and(|rows| !rows.is_empty())
}

/// The statement that is run: its columns in types that go out, one row more than are returned.
fn wrap(sql: &str, ways: &[Way], rows: Option<u64>) -> String {
    let names: Vec<String> = (0..ways.len()).map(|i| format!("c{i}")).collect();
    let select: Vec<String> = ways.iter().zip(&names).map(|(way, name)| way.select(name)).collect();
    let limit = rows.map(|n| format!(" LIMIT {}", n.saturating_add(1))).unwrap_or_default();
    // The line end closes a comment of the query's own.
    format!("SELECT {} FROM ({sql}\n) AS q({}){limit}", select.join(", "), names.join(", "))
}

fn stream(engine: &Engine, sql: &str, ways: &[Way], order: &Order) -> Result<(u64, Option<String>)> {
    let wrong = |e: duckdb::Error| failure::from_duckdb(&e);
    let mut statement = engine.duckdb.prepare(sql).map_err(wrong)?;
    // The iterator it returns panics on an error; `step` does not.
    let _ = statement.stream_arrow([]).map_err(wrong)?;
    let (mut rows, mut bytes, mut frame, mut frame_bytes) = (0u64, 0u64, Vec::new(), 0);
    while let Some(chunk) = statement.step().map_err(wrong)? {
        for at in 0..chunk.len() {
            if order.rows.is_some_and(|most| rows >= most) {
                flush(&mut frame, &mut frame_bytes)?;
                return Ok((rows, Some("rows".to_owned())));
            }
            let (row, size) = row(&chunk, ways, at);
            bytes = bytes.saturating_add(size as u64);
            if order.bytes.is_some_and(|most| bytes > most) {
                flush(&mut frame, &mut frame_bytes)?;
                return Ok((rows, Some("bytes".to_owned())));
            }
            rows += 1;
            frame_bytes += size;
            frame.push(row);
            if frame.len() >= FRAME_ROWS || frame_bytes >= FRAME_BYTES {
                flush(&mut frame, &mut frame_bytes)?;
            }
        }
    }
    flush(&mut frame, &mut frame_bytes)?;
    Ok((rows, None))
}

fn flush(frame: &mut Vec<Vec<Value>>, bytes: &mut usize) -> Result<()> {
    *bytes = 0;
    if frame.is_empty() {
        return Ok(());
    }
    answer(&Response::Rows(std::mem::take(frame)))
}

/// A row, and some measure of its bytes.
fn row(chunk: &StructArray, ways: &[Way], at: usize) -> (Vec<Value>, usize) {
    let mut size = 0;
    let values = ways.iter().enumerate().map(|(i, way)| {
        let column = chunk.columns().get(i).filter(|c| !c.is_null(at));
        let value = column.map_or(Value::Null, |c| cell(c.as_ref(), *way, at));
        size += match &value {
            Value::String(text) => text.len() + 8,
            Value::Array(_) | Value::Object(_) => value.to_string().len() + 8,
            _ => 8,
        };
        value
    });
    (values.collect(), size)
}

fn cell(column: &dyn Array, way: Way, at: usize) -> Value {
    let any = column.as_any();
    let text = || any.downcast_ref::<StringArray>().map(|a| a.value(at));
    match way {
        Way::Int => any.downcast_ref::<Int64Array>().map_or(Value::Null, |a| a.value(at).into()),
        Way::Bool => any.downcast_ref::<BooleanArray>().map_or(Value::Null, |a| a.value(at).into()),
        Way::Float | Way::Single => any.downcast_ref::<Float64Array>().map_or(Value::Null, |a| {
            let value = a.value(at);
            Number::from_f64(value).map_or_else(|| Value::String(not_finite(value).to_owned()), Value::Number)
        }),
        Way::Digits => text().map_or(Value::Null, digits),
        Way::Nested => text().map_or(Value::Null, |t| serde_json::from_str(t).unwrap_or_else(|_| t.into())),
        Way::Text => text().map_or(Value::Null, Into::into),
    }
}

fn not_finite(value: f64) -> &'static str {
    if value.is_nan() {
        "NaN"
    } else if value > 0.0 {
        "Infinity"
    } else {
        "-Infinity"
    }
}

/// A number where JSON's readers keep all of it; else its digits as text.
fn digits(text: &str) -> Value {
    if let Ok(whole) = text.parse::<i64>() {
        return whole.into();
    }
    let significant = text.chars().filter(char::is_ascii_digit).count();
    match text.parse::<f64>().ok().and_then(Number::from_f64) {
        Some(number) if significant <= 15 => Value::Number(number),
        _ => text.into(),
    }
}

fn write_parquet(engine: &Engine, sql: &str, columns: &[Column], parquet: &Parquet) -> Result<u64> {
    // Two columns of one name are not possible in a file.
    let mut names: Vec<String> = Vec::new();
    for column in columns {
        let taken = |n: &str| names.iter().any(|have| have.eq_ignore_ascii_case(n));
        names.push(crate::query::sources::free_name(&column.name, taken));
    }
    let names: Vec<String> = names.iter().map(|n| quote_ident(n)).collect();
    let copy = format!(
        "COPY (SELECT * FROM ({sql}\n) AS q({})) TO {} (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL {}, ROW_GROUP_SIZE {})",
        names.join(", "),
        quote_literal(&parquet.path.to_string_lossy()),
        parquet.level,
        parquet.group,
    );
    let rows = engine.duckdb.execute(&copy, []).map_err(|e| unwritten(&e, &parquet.path))?;
    Ok(rows as u64)
}

/// An error of writing a result. Only here is it known which of the files that DuckDB writes is the result: there is no
/// room for that one, or none to spill to.
fn unwritten(error: &duckdb::Error, path: &Path) -> Error {
    let failed = failure::from_duckdb(error);
    if failed.code == "query.disk" && error.to_string().contains(path.to_string_lossy().as_ref()) {
        return Error { code: "output.disk", ..failed };
    }
    failed
}

/// Interrupts DuckDB when the time is over. The program ends the worker where that does not help.
struct Clock(#[allow(dead_code, reason = "dropped, it stops the clock")] Sender<()>);

impl Clock {
    fn start(engine: &Engine, millis: u64) -> Self {
        let handle = engine.duckdb.interrupt_handle();
        let (stop, stopped) = mpsc::channel();
        std::thread::spawn(move || {
            if stopped.recv_timeout(Duration::from_millis(millis)) == Err(RecvTimeoutError::Timeout) {
                handle.interrupt();
            }
        });
        Clock(stop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_that_a_double_would_lose_stay_text() {
        assert_eq!(digits("12345678901234567890123"), Value::from("12345678901234567890123"));
        assert_eq!(digits("1.50"), Value::from(1.5));
        assert_eq!(digits("-7"), Value::from(-7));
        assert_eq!(digits("1234567890123456.78"), Value::from("1234567890123456.78"));
    }

    #[test]
    fn a_comment_at_the_end_does_not_hide_what_is_put_around() {
        assert_eq!(
            wrap("SELECT 1 -- x", &[Way::Int], Some(2)),
            "SELECT c0::BIGINT FROM (SELECT 1 -- x\n) AS q(c0) LIMIT 3"
        );
    }
}
