//! What can be asked about: the tables, columns and keys of all sources, as `llmsql schema` shows them.

use serde::{Deserialize, Serialize};

/// Everything that is known about the data before a question is asked.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Schema {
    /// The tables and views, in the order of their sources.
    pub tables: Vec<Table>,
    /// How tables refer to each other.
    pub keys: Vec<ForeignKey>,
}

/// One table, view, or file that reads as a table.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// The name under which SQL finds it, unquoted.
    pub name: String,
    /// The name of the source it belongs to.
    pub source: String,
    /// Rows, where they are known without reading everything.
    pub rows: Option<u64>,
    /// Whether `rows` is a server's estimate.
    pub rows_estimated: bool,
    /// The columns, in the table's order.
    pub columns: Vec<Column>,
    /// The names of the columns that identify a row, declared or inferred; empty where none are known.
    pub primary_key: Vec<String>,
    /// Whether the source declares `primary_key`; otherwise it was inferred from names and values.
    pub key_declared: bool,
    /// What the source says about the table.
    pub comment: Option<String>,
}

/// One column.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Column {
    /// The name as the table writes it, unquoted.
    pub name: String,
    /// What its values are to a question.
    pub kind: Kind,
    /// Its type in DuckDB.
    pub sql_type: String,
    /// Whether NULL occurs or may occur.
    pub nullable: bool,
    /// The number of distinct values, where known.
    pub distinct: Option<u64>,
    /// Distinct text values, sorted; a part of them where `values_complete` is false.
    pub values: Vec<String>,
    /// Whether `values` holds every value that occurs.
    pub values_complete: bool,
    /// The smallest value as text, where known.
    pub min: Option<String>,
    /// The largest value as text, where known.
    pub max: Option<String>,
    /// What the source says about the column.
    pub comment: Option<String>,
}

/// What the values of a column are to a question.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Characters.
    Text,
    /// Whole numbers.
    Integer,
    /// Numbers with a fraction, decimals included.
    Float,
    /// True or false.
    Boolean,
    /// A day.
    Date,
    /// A day and a time, with or without a zone.
    Timestamp,
    /// A time of day.
    Time,
    /// Lists, structures, binary values and what else cannot be compared with a word.
    #[default]
    Other,
}

impl Kind {
    /// Whether the values can be added up.
    #[must_use]
    pub fn is_number(self) -> bool {
        matches!(self, Self::Integer | Self::Float)
    }

    /// Whether the values lie on the calendar.
    #[must_use]
    pub fn is_time(self) -> bool {
        matches!(self, Self::Date | Self::Timestamp)
    }
}

/// A reference from columns of one table to columns of another.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ForeignKey {
    /// The table that refers.
    pub table: String,
    /// Its columns.
    pub columns: Vec<String>,
    /// The table referred to.
    pub to_table: String,
    /// Its columns, in the same order.
    pub to_columns: Vec<String>,
    /// Declared by the source; otherwise inferred from names, types and values.
    pub declared: bool,
}
