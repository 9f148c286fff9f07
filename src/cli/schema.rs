//! `llmsql schema`.

use super::Global;
use super::query::{DataArgs, glossary};
use crate::error::{Error, Result};
use crate::output::{self, Format};
use crate::query::ask::Data;
use crate::query::engine::Query;
use crate::query::examples::{self, Example};
use crate::query::launch::Worker;
use crate::query::protocol::Tuning;
use crate::query::results::{Rows, shown};
use crate::query::schema::{Column, ForeignKey, Kind, Schema, Table};
use crate::query::settings::Settings;
use crate::units;
use clap::Args;
use comfy_table::{ContentArrangement, presets};
use serde::Serialize;

/// Values of a column that are shown to people, and to programs.
const SHOWN: usize = 4;
const LISTED: usize = 50;

/// Show what can be asked: tables, columns, types, keys, row counts, example questions
///
/// Keys that no source declares are inferred from names, types and values, and are marked so. Every example question
/// was translated and run before it is shown.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  llmsql schema --source shop.db
  llmsql schema --source 'logs=/var/log/app/*.parquet' --format json
  llmsql schema --source postgres://report@db1/shop orders customers")]
pub struct Arguments {
    /// Show these tables only [default: all]
    #[arg(value_name = "TABLE")]
    tables: Vec<String>,
    #[command(flatten)]
    data: DataArgs,
    /// How many example questions
    #[arg(long, value_name = "COUNT", default_value_t = 6)]
    examples: usize,
}

/// The document of `--format json`.
#[derive(Debug, Serialize)]
struct Document {
    #[serde(flatten)]
    schema: Schema,
    examples: Vec<Example>,
}

/// Runs `llmsql schema`.
///
/// # Errors
/// Those of the sources; a table that is not there.
pub fn run(arguments: &Arguments, global: &Global, worker: Option<Worker>) -> Result<()> {
    let (settings, engine) = arguments.data.engine(global, worker, None, None, Tuning::default())?;
    let mut data = Data::study(engine)?;
    if let Some(unknown) =
        arguments.tables.iter().find(|name| !data.schema.tables.iter().any(|t| t.name.eq_ignore_ascii_case(name)))
    {
        return Err(Error::usage("schema.table", format!("there is no table \"{unknown}\" among the sources"))
            .next("`llmsql schema` without a name shows all of them"));
    }
    count(&mut data, &arguments.data, &settings)?;
    glossary(&data.translator(&settings.glossary));
    let clock = settings.clock(None)?;
    let mut found = examples::examples(&data, &settings.glossary, &clock, arguments.examples);
    let mut schema = data.schema.clone();
    if !arguments.tables.is_empty() {
        let wanted = |name: &str| arguments.tables.iter().any(|t| t.eq_ignore_ascii_case(name));
        schema.tables.retain(|t| wanted(&t.name));
        schema.keys.retain(|k| wanted(&k.table) || wanted(&k.to_table));
        found.retain(|e| schema.tables.iter().any(|t| e.sql.contains(&t.name)));
    }
    for (rows, column) in schema.tables.iter_mut().flat_map(|t| t.columns.iter_mut().map(|c| (t.rows, c))) {
        // Many distinct values are counted by a sketch.
        column.distinct = column.distinct.map(|d| d.min(rows.unwrap_or(d)));
        if column.values.len() > LISTED {
            column.values.truncate(LISTED);
            column.values_complete = false;
        }
    }
    if global.format != Format::Table {
        return output::document(&Document { schema, examples: found }, global.format);
    }
    output::stdout(&text(&schema, &found))
}

/// Counts the rows of text files that were looked into in part; a count that takes too long is left out.
///
/// # Errors
/// A file that turns out to be damaged behind what was looked at.
fn count(data: &mut Data, arguments: &DataArgs, settings: &Settings) -> Result<()> {
    let unknown: Vec<String> = data.schema.tables.iter().filter(|t| t.rows.is_none()).map(|t| t.name.clone()).collect();
    for name in unknown {
        let sql = format!("SELECT count(*) FROM {}", crate::postgres::connect::quote_ident(&name));
        let query = Query { sql, rows: Some(1), timeout: arguments.timeout(settings), ..Query::default() };
        let mut rows = Rows::default();
        let counted = match data.run(&query, &mut rows) {
            Ok(_) => rows.rows.first().and_then(|row| row.first()?.as_u64()),
            Err(e) if e.code == "source.damaged" => return Err(e),
            Err(_) => None,
        };
        if let Some(table) = data.schema.tables.iter_mut().find(|t| t.name == name) {
            table.rows = counted;
        }
    }
    Ok(())
}

fn text(schema: &Schema, examples: &[Example]) -> String {
    let mut out = String::new();
    for table in &schema.tables {
        out += &heading(table);
        out += &columns(table, &schema.keys);
        out.push('\n');
    }
    if !examples.is_empty() {
        out += "questions that are answered:\n";
        for example in examples {
            out += &format!("  {}\n", example.question);
        }
    }
    out
}

fn heading(table: &Table) -> String {
    let rows = match (table.rows, table.rows_estimated) {
        (Some(rows), false) => units::counted(rows, "row"),
        (Some(rows), true) => format!("about {rows} rows"),
        (None, _) => "rows not counted".to_owned(),
    };
    let key = match (table.primary_key.as_slice(), table.key_declared) {
        ([], _) => "no key".to_owned(),
        (key, true) => format!("key {}", key.join(", ")),
        (key, false) => format!("key {} (inferred)", key.join(", ")),
    };
    let about = table.comment.as_ref().map(|c| format!(" · {}", shown(c))).unwrap_or_default();
    format!("{} · {rows} · {key} · source {}{about}\n", shown(&table.name), shown(&table.source))
}

fn columns(table: &Table, keys: &[ForeignKey]) -> String {
    let mut grid = comfy_table::Table::new();
    grid.load_style(presets::NOTHING);
    let term = console::Term::stdout();
    if term.is_term() {
        grid.set_content_arrangement(ContentArrangement::Dynamic).set_width(term.size().1);
    }
    for column in &table.columns {
        let mut about: Vec<String> = Vec::new();
        for key in keys.iter().filter(|k| k.table == table.name && k.columns.first() == Some(&column.name)) {
            let inferred = if key.declared { "" } else { " (inferred)" };
            about.push(format!("→ {}.{}{inferred}", key.to_table, key.to_columns.join(", ")));
        }
        about.extend(values(column, table.rows_estimated));
        about.extend(column.comment.as_deref().map(shown));
        grid.add_row(vec![format!("  {}", shown(&column.name)), column.sql_type.clone(), about.join("; ")]);
    }
    format!("{}\n", grid.lines().map(|l| l.trim_end().to_owned()).collect::<Vec<_>>().join("\n"))
}

/// A column's values in a few words: all where they are few, some, or the range. Of a table whose rows are estimated only
/// the first were looked at.
fn values(column: &Column, in_part: bool) -> Option<String> {
    if column.kind == Kind::Text {
        let few: Vec<String> = column.values.iter().take(SHOWN).map(|v| shown(v)).collect();
        // A server's estimate may be less than what was seen.
        let distinct = column.distinct.unwrap_or_default().max(column.values.len() as u64);
        return match few.len() {
            0 => None,
            n if column.values_complete && distinct <= n as u64 => Some(few.join(", ")),
            _ => Some(format!("{}, … ({distinct} values)", few.join(", "))),
        };
    }
    match (&column.min, &column.max) {
        (Some(min), Some(max)) if min == max => Some(min.clone()),
        (Some(min), Some(max)) => Some(format!("{min} to {max}{}", if in_part { " in its first rows" } else { "" })),
        _ => None,
    }
}
