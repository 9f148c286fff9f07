//! Rows as text: a table fitted to the terminal, csv, json, yaml, jsonl, markdown.

use super::engine::Sink;
use super::protocol::Column;
use crate::error::{Error, Result};
use crate::output::Format;
use crate::query::worker::kind_of;
use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table, Width, presets};
use console::measure_text_width;
use serde_json::{Map, Value};
use std::io::{self, Write};

/// What a table's frame takes of each column, and the least letters of a text in a line.
const FRAME: usize = 3;
const LETTERS: usize = 8;

/// The code of the error by which a query ends whose result nobody reads any more.
pub const CLOSED: &str = "output.closed";

/// A whole result.
#[derive(Debug, Clone, Default)]
pub struct Rows {
    /// Its columns.
    pub columns: Vec<Column>,
    /// Its rows.
    pub rows: Vec<Vec<Value>>,
}

impl Sink for Rows {
    fn columns(&mut self, columns: &[Column]) -> Result<()> {
        self.columns = columns.to_vec();
        Ok(())
    }

    fn rows(&mut self, rows: Vec<Vec<Value>>) -> Result<()> {
        self.rows.extend(rows);
        Ok(())
    }
}

impl Rows {
    /// Each row as an object; a name that occurs twice gets a number.
    #[must_use]
    pub fn objects(&self) -> Vec<Value> {
        let names = names(&self.columns);
        self.rows.iter().map(|row| object(&names, row)).collect()
    }

    /// A table for people, fitted to so many columns; without a width, as wide as it is.
    #[must_use]
    pub fn table(&self, width: Option<usize>) -> String {
        let natural = self.natural();
        if let Some(width) = width
            && self.columns.iter().zip(&natural).map(|(c, n)| least(c, *n) + FRAME).sum::<usize>() + 1 > width
        {
            // Narrower, a number or a time would be broken in two: a row a block then, as in psql's expanded mode.
            return self.blocks();
        }
        let mut table = Table::new();
        table.load_style(presets::UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic);
        match width {
            Some(width) => table.set_width(u16::try_from(width).unwrap_or(u16::MAX)),
            None => table.set_content_arrangement(ContentArrangement::Disabled),
        };
        table.set_header(self.columns.iter().map(|c| shown(&c.name)));
        for row in &self.rows {
            table.add_row(row.iter().map(cell));
        }
        for (i, (column, natural)) in self.columns.iter().zip(natural).enumerate() {
            let Some(drawn) = table.column_mut(i) else { continue };
            if kind_of(&column.sql_type).is_number() {
                drawn.set_cell_alignment(CellAlignment::Right);
            }
            if width.is_some()
                && let Ok(least) = u16::try_from(least(column, natural))
            {
                drawn.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(least + 2)));
            }
        }
        format!("{table}\n")
    }

    /// How wide each column would like to be.
    fn natural(&self) -> Vec<usize> {
        let mut widths: Vec<usize> = self.columns.iter().map(|c| measure_text_width(&shown(&c.name))).collect();
        for row in &self.rows {
            for (width, value) in widths.iter_mut().zip(row) {
                let widest = cell(value).lines().map(measure_text_width).max().unwrap_or(0);
                *width = widest.max(*width);
            }
        }
        widths
    }

    /// A row a block.
    fn blocks(&self) -> String {
        let names: Vec<String> = self.columns.iter().map(|c| shown(&c.name)).collect();
        let longest = names.iter().map(|n| measure_text_width(n)).max().unwrap_or(0);
        let indent = format!("\n{}", " ".repeat(longest + 2));
        let mut out = String::new();
        for (n, row) in self.rows.iter().enumerate() {
            out += &format!("── row {} ──\n", n + 1);
            for (name, value) in names.iter().zip(row) {
                let space = " ".repeat(longest.saturating_sub(measure_text_width(name)) + 2);
                out += format!("{name}{space}{}", cell(value).replace('\n', &indent)).trim_end();
                out.push('\n');
            }
        }
        out
    }

    /// A table in Markdown.
    #[must_use]
    pub fn markdown(&self) -> String {
        let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
        let escape = |t: String| t.replace('\\', "\\\\").replace('|', "\\|").replace('\n', "<br>");
        let mut out = line(self.columns.iter().map(|c| escape(shown(&c.name))).collect());
        out += &line(
            self.columns
                .iter()
                .map(|c| if kind_of(&c.sql_type).is_number() { "---:" } else { "---" }.to_owned())
                .collect(),
        );
        for row in &self.rows {
            out += &line(row.iter().map(|v| escape(text(v))).collect());
        }
        out
    }
}

/// Names that differ.
fn names(columns: &[Column]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for column in columns {
        names.push(super::sources::free_name(&column.name, |n| names.iter().any(|have| have == n)));
    }
    names
}

fn object(names: &[String], row: &[Value]) -> Value {
    Value::Object(names.iter().cloned().zip(row.iter().cloned()).collect::<Map<_, _>>())
}

/// A value for people: control characters could play with the terminal.
fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => shown(text),
        other => other.to_string(),
    }
}

/// The same as a cell of a table: a tab would be as wide as it likes.
fn cell(value: &Value) -> String {
    text(value).replace('\t', "    ")
}

/// The least that a column can be read in: numbers and times whole, of text some letters a line.
fn least(column: &Column, natural: usize) -> usize {
    let kind = kind_of(&column.sql_type);
    if kind.is_number() || kind.is_time() { natural } else { natural.min(LETTERS) }
}

/// Text without the characters that could play with the terminal: control characters, and those that turn around what
/// follows.
#[must_use]
pub fn shown(text: &str) -> String {
    let turns = |c| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().map(|c| if c.is_control() && c != '\n' && c != '\t' || turns(c) { '\u{fffd}' } else { c }).collect()
}

/// Writes rows as they come: csv and jsonl.
#[derive(Debug)]
pub struct Stream<W: Write> {
    out: W,
    format: Format,
    names: Vec<String>,
}

impl<W: Write> Stream<W> {
    /// Writes to `out` in a format that streams ([`streams`]).
    pub fn new(out: W, format: Format) -> Self {
        Stream { out, format, names: Vec::new() }
    }

    /// Ends it and gives back what it wrote to.
    ///
    /// # Errors
    /// Those of writing.
    pub fn finish(mut self) -> Result<W> {
        self.out.flush().or_else(Self::gone)?;
        Ok(self.out)
    }

    fn gone(e: io::Error) -> Result<()> {
        if e.kind() == io::ErrorKind::BrokenPipe {
            // Nobody reads any more: the query ends.
            return Err(Error::failed(CLOSED, "the reader has gone away"));
        }
        let error = Error::failed("output.write", "cannot write the result");
        Err(if e.kind() == io::ErrorKind::StorageFull {
            error.next("free some disk space, or write it elsewhere").because(e)
        } else {
            error.because(e)
        })
    }

    fn put(&mut self, text: &str) -> Result<()> {
        self.out.write_all(text.as_bytes()).or_else(Self::gone)
    }
}

/// Whether a format is written row by row.
#[must_use]
pub fn streams(format: Format) -> bool {
    matches!(format, Format::Csv | Format::Jsonl)
}

impl<W: Write> Sink for Stream<W> {
    fn columns(&mut self, columns: &[Column]) -> Result<()> {
        self.names = names(columns);
        if self.format == Format::Csv {
            let header: Vec<String> = columns.iter().map(|c| csv(&c.name)).collect();
            self.put(&(header.join(",") + "\r\n"))?;
        }
        Ok(())
    }

    fn rows(&mut self, rows: Vec<Vec<Value>>) -> Result<()> {
        let mut text = String::new();
        for row in rows {
            if self.format == Format::Csv {
                let cells: Vec<String> = row.iter().map(csv_value).collect();
                text += &(cells.join(",") + "\r\n");
            } else {
                text += &(object(&self.names, &row).to_string() + "\n");
            }
        }
        self.put(&text)
    }
}

/// A field by RFC 4180; NULL is empty, an empty text is `""`.
fn csv_value(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) if text.is_empty() => "\"\"".to_owned(),
        Value::String(text) => csv(text),
        other => csv(&other.to_string()),
    }
}

fn csv(text: &str) -> String {
    if text.contains(['"', ',', '\n', '\r']) || text.starts_with(' ') || text.ends_with(' ') {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Rows {
        let column = |name: &str, sql_type: &str| Column { name: name.to_owned(), sql_type: sql_type.to_owned() };
        Rows {
            columns: vec![column("a", "VARCHAR"), column("a", "BIGINT")],
            rows: vec![vec!["x,\"y\"|".into(), 1.into()], vec![Value::Null, 2.into()], vec!["".into(), Value::Null]],
        }
    }

    #[test]
    fn csv_tells_null_from_empty_and_quotes() {
        let mut stream = Stream::new(Vec::new(), Format::Csv);
        stream.columns(&rows().columns).unwrap();
        stream.rows(rows().rows).unwrap();
        let text = String::from_utf8(stream.finish().unwrap()).unwrap();
        assert_eq!(text, "a,a\r\n\"x,\"\"y\"\"|\",1\r\n,2\r\n\"\",\r\n");
    }

    #[test]
    fn objects_keep_both_columns_of_one_name() {
        assert_eq!(rows().objects()[0].to_string(), r#"{"a":"x,\"y\"|","a_2":1}"#);
    }

    #[test]
    fn no_value_speaks_to_the_terminal() {
        assert_eq!(text(&"\u{1b}[2Jx".into()), "\u{fffd}[2Jx");
        assert!(rows().markdown().contains("x,\"y\"\\|"));
    }
}
