//! Rows from elsewhere into DuckDB: typed columns, filled in batches.

use super::catalogue::Target;
use super::counted::Unit;
use crate::error::{Error, Result};
use crate::query::failure;
use duckdb::Connection;
use duckdb::arrow::array::{
    ArrayRef, BinaryBuilder, BooleanBuilder, Date32Builder, Float64Builder, Int64Builder, StringBuilder,
    TimestampMicrosecondBuilder,
};
use duckdb::arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use duckdb::arrow::error::ArrowError;
use duckdb::arrow::record_batch::RecordBatch;
use jiff::civil::{Date, DateTime};
use std::sync::Arc;
use std::sync::mpsc::{self, SyncSender};
use std::thread::{Scope, ScopedJoinHandle};

/// Rows of a batch.
pub const BATCH: usize = 8 * 1024;
/// Bytes of text after which a batch is full, whatever its rows. Some batches are on their way at a time, outside of what
/// DuckDB counts as its memory.
pub const BATCH_BYTES: usize = 2 << 20;
/// Batches that wait to be appended.
const WAITING: usize = 2;
/// Bytes that an appender holds before they are the table's. By itself it holds 204800 rows, of any size, outside of the
/// memory that DuckDB counts.
const HELD: usize = 16 << 20;

/// What a column is filled with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fill {
    /// BIGINT.
    Int,
    /// DOUBLE.
    Float,
    /// BOOLEAN.
    Bool,
    /// DATE.
    Date,
    /// TIMESTAMP.
    Timestamp,
    /// TIMESTAMP WITH TIME ZONE.
    Instant,
    /// VARCHAR.
    Text,
    /// BLOB.
    Bytes,
    /// DECIMAL of a precision and a scale, filled from text.
    Decimal(u8, u8),
    /// TIME, filled from text.
    Time,
    /// UUID, filled from text.
    Uuid,
    /// JSON, filled from text.
    Json,
    /// TIMESTAMP WITH TIME ZONE, filled from a count since 1970.
    Since(Unit),
}

impl Fill {
    /// DuckDB's name of the type.
    #[must_use]
    pub fn sql(self) -> String {
        let name = match self {
            Fill::Int => "BIGINT",
            Fill::Float => "DOUBLE",
            Fill::Bool => "BOOLEAN",
            Fill::Date => "DATE",
            Fill::Timestamp => "TIMESTAMP",
            Fill::Instant | Fill::Since(_) => "TIMESTAMP WITH TIME ZONE",
            Fill::Text => "VARCHAR",
            Fill::Bytes => "BLOB",
            Fill::Decimal(precision, scale) => return format!("DECIMAL({precision},{scale})"),
            Fill::Time => "TIME",
            Fill::Uuid => "UUID",
            Fill::Json => "JSON",
        };
        name.to_owned()
    }

    /// What makes it of a column that DuckDB has by itself.
    #[must_use]
    pub fn of(self, quoted: &str) -> String {
        match self {
            Fill::Since(unit) => unit.sql(quoted),
            _ => format!("{quoted}::{}", self.sql()),
        }
    }

    fn arrow(self) -> DataType {
        match self {
            Fill::Int => DataType::Int64,
            Fill::Float => DataType::Float64,
            Fill::Bool => DataType::Boolean,
            Fill::Date => DataType::Date32,
            Fill::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
            Fill::Instant | Fill::Since(_) => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            // What is filled from text DuckDB casts when it is appended.
            Fill::Text | Fill::Decimal(..) | Fill::Time | Fill::Uuid | Fill::Json => DataType::Utf8,
            Fill::Bytes => DataType::Binary,
        }
    }
}

/// A column that is being filled.
#[derive(Debug)]
pub enum Filling {
    /// BIGINT.
    Int(Int64Builder),
    /// DOUBLE.
    Float(Float64Builder),
    /// BOOLEAN.
    Bool(BooleanBuilder),
    /// DATE, in days since 1970.
    Date(Date32Builder),
    /// TIMESTAMP, in microseconds since 1970.
    Timestamp(TimestampMicrosecondBuilder),
    /// The same, in UTC.
    Instant(TimestampMicrosecondBuilder),
    /// The same, from a count in this unit.
    Since(TimestampMicrosecondBuilder, Unit),
    /// VARCHAR.
    Text(StringBuilder),
    /// DECIMAL, as text.
    Digits(StringBuilder),
    /// BLOB.
    Bytes(BinaryBuilder),
}

impl Filling {
    fn new(fill: Fill) -> Self {
        match fill {
            Fill::Int => Filling::Int(Int64Builder::new()),
            Fill::Float => Filling::Float(Float64Builder::new()),
            Fill::Bool => Filling::Bool(BooleanBuilder::new()),
            Fill::Date => Filling::Date(Date32Builder::new()),
            Fill::Timestamp => Filling::Timestamp(TimestampMicrosecondBuilder::new()),
            Fill::Instant => Filling::Instant(TimestampMicrosecondBuilder::new().with_timezone("UTC")),
            Fill::Since(unit) => Filling::Since(TimestampMicrosecondBuilder::new().with_timezone("UTC"), unit),
            Fill::Text | Fill::Time | Fill::Uuid | Fill::Json => Filling::Text(StringBuilder::new()),
            Fill::Decimal(..) => Filling::Digits(StringBuilder::new()),
            Fill::Bytes => Filling::Bytes(BinaryBuilder::new()),
        }
    }

    /// Adds NULL.
    pub fn null(&mut self) {
        match self {
            Filling::Int(b) => b.append_null(),
            Filling::Float(b) => b.append_null(),
            Filling::Bool(b) => b.append_null(),
            Filling::Date(b) => b.append_null(),
            Filling::Timestamp(b) | Filling::Instant(b) | Filling::Since(b, _) => b.append_null(),
            Filling::Text(b) | Filling::Digits(b) => b.append_null(),
            Filling::Bytes(b) => b.append_null(),
        }
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Filling::Int(b) => Arc::new(b.finish()),
            Filling::Float(b) => Arc::new(b.finish()),
            Filling::Bool(b) => Arc::new(b.finish()),
            Filling::Date(b) => Arc::new(b.finish()),
            Filling::Timestamp(b) => Arc::new(b.finish()),
            // The builder's zone is lost in `finish`.
            Filling::Instant(b) | Filling::Since(b, _) => Arc::new(b.finish().with_timezone("UTC")),
            Filling::Text(b) | Filling::Digits(b) => Arc::new(b.finish()),
            Filling::Bytes(b) => Arc::new(b.finish()),
        }
    }
}

/// Columns that are being filled, row by row.
#[derive(Debug)]
pub struct Batch {
    schema: Arc<Schema>,
    /// The columns; each row adds one value to every one.
    pub columns: Vec<Filling>,
    rows: usize,
    bytes: usize,
}

impl Batch {
    /// An empty batch of these columns.
    #[must_use]
    pub fn new(fills: &[Fill]) -> Self {
        let fields: Vec<Field> =
            fills.iter().enumerate().map(|(i, f)| Field::new(format!("c{i}"), f.arrow(), true)).collect();
        Batch {
            schema: Arc::new(Schema::new(fields)),
            columns: fills.iter().map(|f| Filling::new(*f)).collect(),
            rows: 0,
            bytes: 0,
        }
    }

    /// Ends a row of so many bytes of text; says whether the batch is full.
    pub fn row(&mut self, bytes: usize) -> bool {
        self.rows += 1;
        self.bytes += bytes;
        self.rows >= BATCH || self.bytes >= BATCH_BYTES
    }

    /// Whether it holds no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Takes the rows out.
    ///
    /// # Errors
    /// Columns of different lengths, which would be a mistake of the caller.
    pub fn take(&mut self) -> std::result::Result<RecordBatch, ArrowError> {
        (self.rows, self.bytes) = (0, 0);
        RecordBatch::try_new(self.schema.clone(), self.columns.iter_mut().map(Filling::finish).collect())
    }
}

/// Appends batches to a table in a thread of its own, while further ones are read.
#[derive(Debug)]
pub struct Writer<'scope> {
    batches: SyncSender<RecordBatch>,
    thread: ScopedJoinHandle<'scope, Result<()>>,
}

impl<'scope> Writer<'scope> {
    /// Begins to write into a table that is there.
    ///
    /// # Errors
    /// Those of connecting to DuckDB once more.
    pub fn start(scope: &'scope Scope<'scope, '_>, duckdb: &Connection, target: &Target) -> Result<Self> {
        let (duckdb, target) = (duckdb.try_clone().map_err(|e| failure::from_duckdb(&e))?, target.clone());
        let (batches, waiting) = mpsc::sync_channel::<RecordBatch>(WAITING);
        let thread = scope.spawn(move || {
            let mut appender = target.appender(&duckdb)?;
            let mut held = 0;
            for batch in waiting {
                held += batch.get_array_memory_size();
                appender.append_record_batch(batch).map_err(|e| failure::from_duckdb(&e))?;
                if held >= HELD {
                    appender.flush().map_err(|e| failure::from_duckdb(&e))?;
                    held = 0;
                }
            }
            appender.flush().map_err(|e| failure::from_duckdb(&e))
        });
        Ok(Writer { batches, thread })
    }

    /// Hands over the rows of a batch, and waits where too many are on their way; says whether anybody takes them.
    ///
    /// # Errors
    /// Columns of different lengths, which would be a mistake of the caller.
    pub fn give(&self, batch: &mut Batch) -> Result<bool> {
        let rows = batch.take().map_err(|e| Error::failed("query.failed", "rows cannot be loaded").because(e))?;
        Ok(self.batches.send(rows).is_ok())
    }

    /// Waits until all is written.
    ///
    /// # Errors
    /// Those of writing.
    pub fn finish(self) -> Result<()> {
        drop(self.batches);
        let ended = self.thread.join();
        ended.unwrap_or_else(|_| Err(Error::failed("query.failed", "rows cannot be loaded")))
    }
}

/// Days since 1970 of `2024-05-01`, and nothing else.
#[must_use]
pub fn days(text: &str) -> Option<i32> {
    let date: Date = (text.len() == 10).then(|| text.parse().ok()).flatten()?;
    date.since(Date::constant(1970, 1, 1)).ok().map(|span| span.get_days())
}

/// Microseconds since 1970 of `2024-05-01`, `2024-05-01 12:00`, `2024-05-01T12:00:00.5`, and nothing else.
#[must_use]
pub fn micros(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let dated = bytes.len() >= 10 && bytes.get(4) == Some(&b'-') && bytes.get(7) == Some(&b'-');
    let timed = bytes.len() == 10 || (bytes.len() >= 16 && matches!(bytes.get(10), Some(b' ' | b'T')));
    if !dated || !timed || text.ends_with(['Z', 'z']) || text.get(10..).is_some_and(|t| t.contains(['+', '-'])) {
        return None;
    }
    let time: DateTime = text.parse().ok()?;
    let span = time.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(span.timestamp().as_microsecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_dates_are_dates() {
        assert_eq!(
            (days("1970-01-02"), days("1969-12-31"), days("2024-02-30"), days("2024-1-1")),
            (Some(1), Some(-1), None, None)
        );
        assert_eq!(micros("1970-01-01 00:00:01.5"), Some(1_500_000));
        assert_eq!(micros("1970-01-02"), Some(86_400_000_000));
        assert_eq!(micros("1970-01-01T00:01"), Some(60_000_000));
        for text in ["", "now", "1970-01-01T00:00:00Z", "1970-01-01 00:00:00+02", "19700101", "1970-01-01x"] {
            assert_eq!(micros(text), None, "{text}");
        }
    }
}
