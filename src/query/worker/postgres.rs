//! Tables of a PostgreSQL server into DuckDB: a read-only transaction, one snapshot for all tables, binary COPY.

use super::answer;
use super::catalogue::{Rows, Target};
use super::columns::{Batch, Fill, Filling, Writer};
use super::counted::Range;
use crate::error::{Error, Result};
use crate::postgres::connect::{self, Blocking, RowExt, quote_ident, quote_literal};
use crate::postgres::conninfo::{Conninfo, Environment, Server};
use crate::process::PASSWORD;
use crate::query::failure;
use crate::query::protocol::Response;
use crate::query::schema::{Column, ForeignKey, Table};
use secrecy::SecretString;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

/// A server, in its transaction.
#[derive(Debug)]
pub struct Postgres {
    pub(super) session: Blocking,
    /// The tables and views that this role may read.
    pub tables: Vec<Described>,
    /// How it was connected to.
    pub(super) info: Conninfo,
    zone: String,
}

/// A table as the server describes it.
#[derive(Debug)]
pub struct Described {
    /// Its schema.
    pub schema: String,
    /// Its name, columns, estimated rows, primary key and comments.
    pub table: Table,
    /// What its columns are filled with.
    pub fills: Vec<Fill>,
    /// Whether its rows stand in a file of its own.
    pub stored: bool,
    /// Columns of types that are the server's own, and mean the same under any setting of a session.
    pub scans: BTreeSet<String>,
}

/// PostgreSQL counts from 2000, DuckDB from 1970: days and microseconds between.
const DAYS: i32 = 10_957;
const MICROS: i64 = 946_684_800_000_000;

/// The bytes before the first row of the binary format (a signature, flags, no extension), and what stands for the number
/// of columns at its end.
const HEADER: usize = 19;
const END: [u8; 2] = [0xff, 0xff];

const TABLES: &str = "
SELECT n.nspname::text AS schema, c.relname::text AS name, c.reltuples::float8 AS rows,
       obj_description(c.oid, 'pg_class') AS comment,
       a.attname::text AS column, a.attnotnull AS required, col_description(c.oid, a.attnum) AS about,
       coalesce(b.typname, t.typname)::text AS type, c.relkind IN ('r', 'm') AS stored,
       t.typtype = 'e' OR t.typtype = 'b' AND t.typnamespace = 'pg_catalog'::regnamespace AND t.typname = ANY (
         '{bool,int2,int4,int8,float4,float8,date,time,timestamp,timestamptz,uuid,json,jsonb,bytea,text,varchar}')
         AS scans,
       CASE WHEN b.oid IS NULL THEN a.atttypmod ELSE t.typtypmod END AS modifier
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_type b ON b.oid = nullif(t.typbasetype, 0)
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition
  AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'
  AND has_schema_privilege(n.oid, 'USAGE') AND has_column_privilege(c.oid, a.attnum, 'SELECT')
ORDER BY n.nspname <> 'public', n.nspname, c.relname, a.attnum";

const KEYS: &str = "
SELECT n.nspname::text AS schema, c.relname::text AS name, k.contype::text AS kind,
       (SELECT array_agg(a.attname::text ORDER BY o.i) FROM unnest(k.conkey) WITH ORDINALITY o(num, i)
        JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = o.num) AS columns,
       fn.nspname::text AS to_schema, f.relname::text AS to_name,
       (SELECT array_agg(a.attname::text ORDER BY o.i) FROM unnest(k.confkey) WITH ORDINALITY o(num, i)
        JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = o.num) AS to_columns
FROM pg_constraint k
JOIN pg_class c ON c.oid = k.conrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_class f ON f.oid = k.confrelid
LEFT JOIN pg_namespace fn ON fn.oid = f.relnamespace
WHERE k.contype IN ('p', 'f') AND k.conparentid = 0
ORDER BY n.nspname, c.relname, k.conname";

/// A declared key: schema and table, its columns, and what they refer to (nothing: it is the primary key).
#[derive(Debug)]
pub struct Declared {
    /// The schema and table.
    pub table: (String, String),
    /// Its columns.
    pub columns: Vec<String>,
    /// The schema, table and columns referred to.
    pub to: Option<((String, String), Vec<String>)>,
}

impl Declared {
    /// The reference under the names that `name` gives to tables.
    pub fn reference(&self, name: impl Fn(&(String, String)) -> Option<String>) -> Option<ForeignKey> {
        let (to, to_columns) = self.to.as_ref()?;
        Some(ForeignKey {
            table: name(&self.table)?,
            columns: self.columns.clone(),
            to_table: name(to)?,
            to_columns: to_columns.clone(),
            declared: true,
        })
    }
}

impl Postgres {
    /// Connects and begins a transaction that can only read; `password` stands for PGPASSWORD.
    ///
    /// # Errors
    /// Those of connecting.
    pub fn open(url: &str, password: Option<&str>, zone: &str) -> Result<Self> {
        let mut environment = Environment::process();
        environment.variables.extend(password.map(|p| (PASSWORD.to_owned(), p.to_owned())));
        let info = connect::conninfo_in(Some(&SecretString::from(url)), &environment)?;
        let session = Blocking::open(&info)?;
        begin(&session, zone)?;
        let tables = tables(&session)?;
        Ok(Postgres { session, tables, info, zone: zone.to_owned() })
    }

    /// Begins another transaction in place of one that has failed; nothing may have been read of tables yet.
    ///
    /// # Errors
    /// What the server said.
    pub fn begin_again(&self) -> Result<()> {
        self.session.batch("ROLLBACK")?;
        begin(&self.session, &self.zone)
    }

    /// The server that was reached, of those that may have been named.
    #[must_use]
    pub fn reached(&self) -> Option<&Server> {
        let place = self.session.session().server();
        self.info.servers.iter().find(|server| server.place() == place)
    }

    /// The declared keys.
    ///
    /// # Errors
    /// What the server said.
    pub fn keys(&self) -> Result<Vec<Declared>> {
        let mut keys = Vec::new();
        for row in self.session.query(KEYS, &[])? {
            let Some(columns) = row.value::<Option<Vec<String>>>("columns")? else { continue };
            let to = match (
                row.value::<Option<String>>("to_schema")?,
                row.value::<Option<String>>("to_name")?,
                row.value::<Option<Vec<String>>>("to_columns")?,
            ) {
                (Some(schema), Some(name), Some(columns)) => Some(((schema, name), columns)),
                _ => None,
            };
            keys.push(Declared { table: (row.value("schema")?, row.value("name")?), columns, to });
        }
        Ok(keys)
    }

    /// The values that the server's statistics hold of a table's text columns: column, values.
    ///
    /// # Errors
    /// What the server said.
    pub fn common(&self, schema: &str, table: &str) -> Result<Vec<(String, Vec<String>)>> {
        let rows = self.session.query(
            "SELECT attname::text AS column, most_common_vals::text::text[] AS values FROM pg_stats
             WHERE schemaname = $1 AND tablename = $2 AND most_common_vals IS NOT NULL",
            &[(&schema, Type::TEXT), (&table, Type::TEXT)],
        )?;
        rows.iter().map(|row| Ok((row.value("column")?, row.value("values")?))).collect()
    }

    /// What the first rows of columns hold. What takes too long is not known.
    #[must_use]
    pub fn ranges(&self, schema: &str, table: &str, columns: &[String], rows: u64) -> Vec<Range> {
        let quoted: Vec<String> = columns.iter().map(|c| quote_ident(c)).collect();
        let ends: Vec<String> = quoted.iter().map(|c| format!("min({c})::float8, max({c})::float8")).collect();
        let sql = format!(
            "SELECT ARRAY[{}]::float8[] AS ends FROM (SELECT {} FROM {}.{} LIMIT {rows}) AS q",
            ends.join(", "),
            quoted.join(", "),
            quote_ident(schema),
            quote_ident(table)
        );
        let ends = self.briefly(1_000, &sql, &[]).and_then(|row| row.value::<Vec<Option<f64>>>("ends").ok());
        ends.unwrap_or_default().chunks(2).map(|ends| (*ends.first()?).zip(*ends.get(1)?)).collect()
    }

    /// The only row of a statement that may fail or take so many milliseconds. Without a savepoint that would end the
    /// transaction.
    fn briefly(&self, millis: u64, sql: &str, parameters: &[(&(dyn ToSql + Sync), Type)]) -> Option<Row> {
        let millis = millis.clamp(1, 60_000);
        self.session.batch(&format!("SAVEPOINT llmsql; SET LOCAL statement_timeout = {millis}")).ok()?;
        let found = self.session.query_opt(sql, parameters);
        self.session.batch("ROLLBACK TO SAVEPOINT llmsql").ok()?;
        found.ok().flatten()
    }

    /// A value of a column that is this text in any case, if one is found in time.
    #[must_use]
    pub fn find(&self, schema: &str, table: &str, column: &str, text: &str, millis: u64) -> Option<String> {
        let c = quote_ident(column);
        let sql = format!(
            "SELECT {c}::text AS found FROM {}.{} WHERE lower({c}::text) = lower($1) LIMIT 1",
            quote_ident(schema),
            quote_ident(table)
        );
        self.briefly(millis, &sql, &[(&text, Type::TEXT)])?.value("found").ok()
    }

    /// Fills a table of DuckDB with these columns, made anew, and says what they were filled with: a decimal number that
    /// is none (NaN, infinity) makes its column one of floating point.
    ///
    /// # Errors
    /// What the server said, and those of writing.
    pub fn load(
        &self,
        duckdb: &duckdb::Connection,
        target: &Target,
        (schema, table): (&str, &str),
        columns: &[(String, Fill)],
        which: &Rows,
    ) -> Result<Vec<Fill>> {
        // What a large table takes to load is progress, not a hanging statement.
        self.session.batch("SET LOCAL statement_timeout = 0")?;
        let mut fills: Vec<Fill> = columns.iter().map(|(_, fill)| *fill).collect();
        loop {
            let named = || columns.iter().map(|(name, _)| name).zip(&fills);
            let definition: Vec<String> =
                named().map(|(name, fill)| format!("{} {}", quote_ident(name), fill.sql())).collect();
            let create = format!("CREATE OR REPLACE TABLE {} ({})", target.sql(), definition.join(", "));
            duckdb.execute_batch(&create).map_err(|e| failure::from_duckdb(&e))?;
            let list: Vec<String> = named().map(|(name, fill)| selected(name, *fill)).collect();
            let from = format!("{}.{}{}", quote_ident(schema), quote_ident(table), which.sql());
            let select = format!("SELECT {} FROM {from}", list.join(", "));
            let wider = std::thread::scope(|scope| {
                let writer = Writer::start(scope, duckdb, target)?;
                let read = self.read(&writer, &select, table, &fills);
                let written = writer.finish();
                // Rows that nobody took were not written, and why not is what is to be told.
                written.and(read)
            })?;
            let Some((name, fill)) = wider.and_then(|at| Some((&columns.get(at)?.0, fills.get_mut(at)?))) else {
                return Ok(fills);
            };
            *fill = Fill::Float;
            answer(&Response::Note(format!(
                "note: {table}.{name} holds NaN or an infinity, and is read as floating point: sums are rounded"
            )))?;
        }
    }

    /// Reads the rows of a SELECT, until a column needs another type: which one.
    fn read(&self, writer: &Writer<'_>, select: &str, table: &str, fills: &[Fill]) -> Result<Option<usize>> {
        let mut batch = Batch::new(fills);
        let (mut loaded, mut told) = (0u64, Instant::now());
        let (mut begun, mut wider) = (false, None);
        let mut take = |message: &[u8]| -> Result<()> {
            let header = if std::mem::replace(&mut begun, true) { 0 } else { HEADER };
            let mut rest = message.get(header..).ok_or_else(|| unreadable(table))?;
            loop {
                let bytes = match row(&mut rest, &mut batch.columns).ok_or_else(|| unreadable(table))? {
                    Taken::Row(bytes) => bytes,
                    Taken::End => return Ok(()),
                    Taken::Wider(at) => {
                        wider = Some(at);
                        return Err(unreadable(table));
                    }
                };
                loaded += 1;
                if batch.row(bytes) {
                    if !writer.give(&mut batch)? {
                        return Err(unreadable(table));
                    }
                    if told.elapsed() > Duration::from_millis(250) {
                        told = Instant::now();
                        answer(&Response::Progress { what: format!("loading {table}"), rows: loaded, of: None })?;
                    }
                }
            }
        };
        let copied = self.session.run(async |session| session.copy_out(select, &mut take).await);
        if wider.is_some() {
            return Ok(wider);
        }
        copied?;
        if !batch.is_empty() {
            writer.give(&mut batch)?;
        }
        Ok(None)
    }
}

fn begin(session: &Blocking, zone: &str) -> Result<()> {
    session.batch(&format!(
        "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL TimeZone = {}; SET LOCAL statement_timeout = '60s';
         SET LOCAL lock_timeout = '5s'; SET LOCAL idle_in_transaction_session_timeout = 0; SET LOCAL extra_float_digits = 3;
         SET LOCAL DateStyle = 'ISO'; SET LOCAL IntervalStyle = 'postgres'",
        quote_literal(zone)
    ))
}

/// The tables and views that this role may read.
fn tables(session: &Blocking) -> Result<Vec<Described>> {
    let mut tables: Vec<Described> = Vec::new();
    for row in session.query(TABLES, &[])? {
        let (schema, name): (String, String) = (row.value("schema")?, row.value("name")?);
        let rows: f64 = row.value("rows")?;
        let type_name: String = row.value("type")?;
        let fill = fill(&type_name, row.value("modifier")?);
        let column = Column {
            name: row.value("column")?,
            kind: super::kind_of(&fill.sql()),
            sql_type: fill.sql(),
            nullable: !row.value::<bool>("required")?,
            comment: row.value("about")?,
            ..Column::default()
        };
        if !tables.last().is_some_and(|t| t.schema == schema && t.table.name == name) {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an estimate of at least 0")]
            let rows = (rows >= 0.0).then_some(rows as u64);
            let table = Table { name, rows, comment: row.value("comment")?, ..Table::default() };
            let stored = row.value("stored")?;
            tables.push(Described { schema, table, fills: Vec::new(), stored, scans: BTreeSet::new() });
        }
        if let Some(last) = tables.last_mut() {
            if row.value("scans")? {
                last.scans.insert(column.name.clone());
            }
            last.table.columns.push(column);
            last.fills.push(fill);
        }
    }
    Ok(tables)
}

/// What was taken of the binary format.
#[derive(Debug, PartialEq, Eq)]
enum Taken {
    /// A row, with so many bytes of text.
    Row(usize),
    /// There is no further row.
    End,
    /// A value that the column of this position cannot hold.
    Wider(usize),
}

/// Takes a row of the binary format. Nothing where it is malformed.
fn row(rest: &mut &[u8], columns: &mut [Filling]) -> Option<Taken> {
    let Some((count, mut after)) = rest.split_first_chunk().filter(|(count, _)| **count != END) else {
        return Some(Taken::End);
    };
    if usize::from(u16::from_be_bytes(*count)) != columns.len() {
        return None;
    }
    let mut bytes = 0;
    for (at, column) in columns.iter_mut().enumerate() {
        let (length, value) = after.split_first_chunk()?;
        match usize::try_from(i32::from_be_bytes(*length)) {
            Err(_) => {
                column.null();
                after = value;
            }
            Ok(length) => {
                let (value, next) = value.split_at_checked(length)?;
                // NaN and the infinities end in no digit.
                if matches!(column, Filling::Digits(_)) && !value.last().is_some_and(u8::is_ascii_digit) {
                    return Some(Taken::Wider(at));
                }
                add(column, value, &mut bytes)?;
                after = next;
            }
        }
    }
    *rest = after;
    Some(Taken::Row(bytes))
}

fn unreadable(table: &str) -> Error {
    Error::failed("sql.failed", "the server sent a value that cannot be read").at(table)
}

/// What a column of a type is filled with. What DuckDB has no type for is taken as text.
fn fill(name: &str, modifier: i32) -> Fill {
    match name {
        "bool" => Fill::Bool,
        "int2" | "int4" | "int8" | "oid" => Fill::Int,
        "float4" | "float8" => Fill::Float,
        "numeric" => decimal(modifier),
        "date" => Fill::Date,
        "timestamp" => Fill::Timestamp,
        "timestamptz" => Fill::Instant,
        "time" => Fill::Time,
        "uuid" => Fill::Uuid,
        "json" | "jsonb" => Fill::Json,
        "bytea" => Fill::Bytes,
        _ => Fill::Text,
    }
}

/// `numeric(p, s)` as DuckDB can hold it; without a precision, or a larger one, as floating point.
fn decimal(modifier: i32) -> Fill {
    if modifier < 4 {
        return Fill::Float;
    }
    let (precision, scale) = ((modifier - 4) >> 16 & 0xffff, (modifier - 4) & 0x7ff);
    match (u8::try_from(precision), u8::try_from(scale)) {
        (Ok(precision @ 1..=38), Ok(scale)) if scale <= precision => Fill::Decimal(precision, scale),
        _ => Fill::Float,
    }
}

/// A column in a form whose bytes are known.
fn selected(name: &str, fill: Fill) -> String {
    let name = quote_ident(name);
    let cast = match fill {
        Fill::Int | Fill::Since(_) => "int8",
        Fill::Float => "float8",
        Fill::Bool => "bool",
        Fill::Date => "date",
        Fill::Timestamp => "timestamp",
        Fill::Instant => "timestamptz",
        Fill::Bytes => "bytea",
        Fill::Text | Fill::Decimal(..) | Fill::Time | Fill::Uuid | Fill::Json => "text",
    };
    format!("{name}::{cast}")
}

/// Adds a value in PostgreSQL's binary form; `None` where it has another length than its type.
fn add(column: &mut Filling, value: &[u8], bytes: &mut usize) -> Option<()> {
    match column {
        Filling::Int(b) => b.append_value(i64::from_be_bytes(value.try_into().ok()?)),
        Filling::Float(b) => b.append_value(f64::from_be_bytes(value.try_into().ok()?)),
        Filling::Bool(b) => b.append_value(value == [1]),
        Filling::Date(b) => b.append_value(match i32::from_be_bytes(value.try_into().ok()?) {
            // DuckDB, too, has infinity at the ends.
            i32::MAX => i32::MAX,
            i32::MIN => -i32::MAX,
            days => days.checked_add(DAYS)?,
        }),
        Filling::Timestamp(b) | Filling::Instant(b) => {
            b.append_value(match i64::from_be_bytes(value.try_into().ok()?) {
                i64::MAX => i64::MAX,
                i64::MIN => -i64::MAX,
                micros => micros.checked_add(MICROS)?,
            })
        }
        Filling::Since(b, unit) => b.append_option(unit.micros(i64::from_be_bytes(value.try_into().ok()?))),
        Filling::Text(b) | Filling::Digits(b) => {
            *bytes += value.len();
            b.append_value(String::from_utf8_lossy(value));
        }
        Filling::Bytes(b) => {
            *bytes += value.len();
            b.append_value(value);
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_the_binary_format_are_taken_apart() {
        let mut columns = Batch::new(&[Fill::Int, Fill::Text]).columns;
        let bytes = [0, 2, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 7, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
        let mut rest = &bytes[..];
        assert_eq!(row(&mut rest, &mut columns), Some(Taken::Row(0)));
        assert_eq!(row(&mut rest, &mut columns), Some(Taken::End));
        for cut in 2..18 {
            assert_eq!(row(&mut &bytes[..cut], &mut Batch::new(&[Fill::Int, Fill::Text]).columns), None, "{cut}");
        }
        assert_eq!(row(&mut &[0, 3, 0][..], &mut columns), None);
        for (text, taken) in [("1.5", Taken::Row(3)), ("NaN", Taken::Wider(0)), ("-Infinity", Taken::Wider(0))] {
            let bytes = [&[0, 1, 0, 0, 0, u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
            assert_eq!(row(&mut &bytes[..], &mut Batch::new(&[Fill::Decimal(9, 2)]).columns), Some(taken), "{text}");
        }
    }

    #[test]
    fn a_numeric_of_any_size_has_a_type() {
        let modifier = |precision: i32, scale: i32| (precision << 16 | scale) + 4;
        assert_eq!(decimal(modifier(12, 2)), Fill::Decimal(12, 2));
        assert_eq!(decimal(modifier(100, 2)), Fill::Float);
        assert_eq!(decimal(-1), Fill::Float);
    }
}
