//! Rows as text: a table fitted to the terminal, csv, json, yaml, jsonl, markdown.

use super::engine::Sink;
use super::protocol::Column;
use crate::error::{Error, Result};
use crate::output::Format;
use crate::query::worker::kind_of;
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use console::measure_text_width;
use serde_json::{Map, Value};
use std::io::{self, Write};

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
        let mut table = Table::new();
        table.load_style(presets::UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic);
        match width {
            Some(width) => table.set_width(u16::try_from(width).unwrap_or(u16::MAX)),
            None => table.set_content_arrangement(ContentArrangement::Disabled),
        };
        table.set_header(self.columns.iter().map(|c| shown(&c.name)));
        for row in &self.rows {
            table.add_row(row.iter().map(text));
        }
        for (i, column) in self.columns.iter().enumerate() {
            if kind_of(&column.sql_type).is_number()
                && let Some(column) = table.column_mut(i)
            {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        // A pipe of many columns may not fit at all: then a row a block, as in psql's expanded mode.
        let needed = self.columns.len() * 4;
        match width {
            Some(width) if needed > width => self.blocks(),
            _ => format!("{table}\n"),
        }
    }

    /// A row a block.
    fn blocks(&self) -> String {
        let longest = self.columns.iter().map(|c| measure_text_width(&c.name)).max().unwrap_or(0);
        let mut out = String::new();
        for (n, row) in self.rows.iter().enumerate() {
            out += &format!("── row {} ──\n", n + 1);
            for (column, value) in self.columns.iter().zip(row) {
                out += &format!("{:longest$}  {}\n", shown(&column.name), text(value));
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

/// Text without control characters, which could play with the terminal.
#[must_use]
pub fn shown(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' && c != '\t' { '\u{fffd}' } else { c }).collect()
}

/// Writes rows as they come: csv and jsonl.
#[derive(Debug)]
pub struct Stream<W: Write> {
    out: W,
    format: Format,
    names: Vec<String>,
    /// Whether the reader has gone away.
    pub closed: bool,
}

impl<W: Write> Stream<W> {
    /// Writes to `out` in a format that streams ([`streams`]).
    pub fn new(out: W, format: Format) -> Self {
        Stream { out, format, names: Vec::new(), closed: false }
    }

    /// Ends it and gives back what it wrote to.
    ///
    /// # Errors
    /// Those of writing.
    pub fn finish(mut self) -> Result<W> {
        self.out.flush().or_else(|e| self.gone(e))?;
        Ok(self.out)
    }

    fn gone(&mut self, e: io::Error) -> Result<()> {
        if e.kind() == io::ErrorKind::BrokenPipe {
            self.closed = true;
            return Ok(());
        }
        Err(Error::failed("output.write", "cannot write the result").because(e))
    }

    fn put(&mut self, text: &str) -> Result<()> {
        if self.closed {
            return Ok(());
        }
        self.out.write_all(text.as_bytes()).or_else(|e| self.gone(e))
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
