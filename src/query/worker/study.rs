//! Looking into the data before a question is asked: values, ranges, keys.

use super::answer;
use super::catalogue::{Engine, Entry, FileKind, Loaded, Origin, Rows, kind_of};
use super::columns::Fill;
use super::run::load_table;
use crate::error::Result;
use crate::postgres::connect::{quote_ident, quote_literal};
use crate::query::keys;
use crate::query::protocol::{Response, Values};
use crate::query::schema::{Kind, Schema};
use std::time::{Duration, Instant};

/// Rows of a table that are looked at where looking at all would read much.
const SAMPLE: u64 = 200_000;
/// The same for a server, from which they come over the network.
const SAMPLE_REMOTE: u64 = 20_000;
/// Rows up to which a table in columns is looked at whole.
const WHOLE: u64 = 5_000_000;
/// Values of a column that stand in the schema.
const SHOWN: usize = 1_000;
/// Values of a column that are kept for look-ups.
const KEPT: usize = 20_000;
/// The longest value that is kept, in characters: longer ones are prose, which no question repeats.
const LONGEST: usize = 120;

/// Looks into all tables.
///
/// # Errors
/// Data that cannot be read.
pub fn study(engine: &mut Engine) -> Result<(Schema, Vec<Values>)> {
    let mut values = Vec::new();
    let mut relations = Vec::new();
    let (count, mut told) = (engine.tables.len(), Instant::now());
    for at in 0..count {
        if told.elapsed() > Duration::from_millis(250) {
            told = Instant::now();
            answer(&Response::Progress {
                what: "looking into the tables".to_owned(),
                rows: at as u64,
                of: Some(count as u64),
            })?;
        }
        let looked = relation(engine, at)?;
        dates_in_text(engine, at, &looked)?;
        measure(engine, at, &looked, &mut values)?;
        if !looked.whole {
            common_values(engine, at)?;
        }
        relations.push(looked);
    }
    infer_keys(engine, &relations);
    for (at, relation) in relations.iter().enumerate() {
        if let Some(scratch) = &relation.scratch {
            engine.execute(&format!("DROP TABLE IF EXISTS {scratch}"))?;
            if let Some(entry) = engine.tables.get_mut(at).filter(|e| e.loaded != Loaded::All) {
                entry.loaded = Loaded::Nothing;
            }
        }
    }
    Ok((engine.schema(), values))
}

/// What is looked at of a table.
struct Relation {
    /// It, in SQL.
    sql: String,
    /// Whether it is the whole table.
    whole: bool,
    /// A table to be dropped afterwards.
    scratch: Option<String>,
}

fn relation(engine: &mut Engine, at: usize) -> Result<Relation> {
    let Some(entry) = engine.tables.get(at) else {
        return Ok(Relation { sql: String::new(), whole: false, scratch: None });
    };
    let target = entry.target.sql();
    match entry.origin.clone() {
        Origin::Native(FileKind::Columns) => {
            let rows = count(engine, &target)?;
            if let Some(entry) = engine.tables.get_mut(at) {
                entry.table.rows = Some(rows);
            }
            let whole = rows <= WHOLE;
            let sql = if whole { target } else { format!("(SELECT * FROM {target} LIMIT {SAMPLE})") };
            Ok(Relation { sql, whole, scratch: None })
        }
        Origin::Native(FileKind::Text) => {
            let scratch = format!("temp.main.llmsql_sample_{at}");
            engine
                .execute(&format!(
                    "CREATE OR REPLACE TEMP TABLE llmsql_sample_{at} AS SELECT * FROM {target} LIMIT {}",
                    SAMPLE + 1
                ))
                .map_err(|e| e.at(&entry.table.name))?;
            let rows = count(engine, &scratch)?;
            let whole = rows <= SAMPLE;
            if let Some(entry) = engine.tables.get_mut(at).filter(|_| whole) {
                entry.table.rows = Some(rows);
            }
            Ok(Relation { sql: scratch.clone(), whole, scratch: Some(scratch) })
        }
        Origin::Postgres(..) => {
            let names: Vec<String> = entry.table.columns.iter().map(|c| c.name.clone()).collect();
            let large = entry.table.rows.is_some_and(|rows| rows > SAMPLE_REMOTE);
            load_table(engine, at, &names, &Rows::first(SAMPLE_REMOTE + 1))?;
            let rows = count(engine, &target)?;
            let whole = !large && rows <= SAMPLE_REMOTE;
            if let Some(entry) = engine.tables.get_mut(at) {
                if whole {
                    entry.table.rows = Some(rows);
                } else {
                    // What was counted is a sample; the server's estimate is better, where it has one.
                    entry.table.rows = entry.table.rows.filter(|_| large);
                    entry.table.rows_estimated = large;
                    entry.loaded = Loaded::Nothing;
                }
            }
            Ok(Relation { sql: target.clone(), whole, scratch: (!whole).then_some(target) })
        }
        Origin::Sqlite(file, table) => {
            let rows = engine.sqlite.get(file).map_or(Ok(0), |f| f.count(&table, SAMPLE + 1))?;
            let whole = rows <= SAMPLE;
            let names: Vec<String> = entry.table.columns.iter().map(|c| c.name.clone()).collect();
            load_table(engine, at, &names, &Rows { condition: None, most: (!whole).then_some(SAMPLE) })?;
            if let Some(entry) = engine.tables.get_mut(at) {
                if whole {
                    entry.table.rows = Some(rows);
                } else {
                    entry.loaded = Loaded::Nothing;
                }
            }
            Ok(Relation { sql: target.clone(), whole, scratch: (!whole).then_some(target) })
        }
    }
}

fn count(engine: &Engine, relation: &str) -> Result<u64> {
    let rows = engine.rows(&format!("SELECT count(*)::VARCHAR FROM {relation}"))?;
    Ok(rows.iter().flatten().flatten().find_map(|n| n.parse().ok()).unwrap_or(0))
}

/// SQLite has no type for dates: text that holds nothing else becomes one.
fn dates_in_text(engine: &mut Engine, at: usize, relation: &Relation) -> Result<()> {
    let Some(entry) = engine.tables.get(at).filter(|e| matches!(e.origin, Origin::Sqlite(..))) else { return Ok(()) };
    let texts: Vec<(usize, String)> = entry
        .fills
        .iter()
        .enumerate()
        .filter(|(_, fill)| **fill == Fill::Text)
        .filter_map(|(i, _)| Some((i, quote_ident(&entry.table.columns.get(i)?.name))))
        .collect();
    let target = entry.target.sql();
    if texts.is_empty() {
        return Ok(());
    }
    let tests: Vec<String> = texts
        .iter()
        .map(|(_, c)| {
            format!(
                "(bool_and(regexp_full_match({c}, '\\d{{4}}-\\d{{2}}-\\d{{2}}([ T]\\d{{2}}:\\d{{2}}(:\\d{{2}}(\\.\\d+)?)?)?')
                 AND TRY_CAST({c} AS TIMESTAMP) IS NOT NULL))::VARCHAR, max(length({c}))::VARCHAR"
            )
        })
        .collect();
    let row = engine
        .rows(&format!("SELECT {} FROM {}", tests.join(", "), relation.sql))?
        .into_iter()
        .next()
        .unwrap_or_default();
    for ((i, column), test) in texts.iter().zip(row.chunks(2)) {
        let [Some(all), longest] = test else { continue };
        if all != "true" {
            continue;
        }
        let fill = if longest.as_deref() == Some("10") { Fill::Date } else { Fill::Timestamp };
        engine.execute(&format!("ALTER TABLE {target} ALTER COLUMN {column} TYPE {}", fill.sql()))?;
        if let Some(entry) = engine.tables.get_mut(at)
            && let (Some(old), Some(column)) = (entry.fills.get_mut(*i), entry.table.columns.get_mut(*i))
        {
            *old = fill;
            column.sql_type = fill.sql();
            column.kind = kind_of(&fill.sql());
        }
    }
    Ok(())
}

/// Ranges and values of a table's columns.
fn measure(engine: &mut Engine, at: usize, relation: &Relation, values: &mut Vec<Values>) -> Result<()> {
    let Some(entry) = engine.tables.get(at) else { return Ok(()) };
    let columns: Vec<(usize, String, Kind)> = entry
        .table
        .columns
        .iter()
        .enumerate()
        .filter(|(_, c)| c.kind != Kind::Other)
        .map(|(i, c)| (i, quote_ident(&c.name), c.kind))
        .collect();
    if columns.is_empty() {
        return Ok(());
    }
    let figures: Vec<String> = columns
        .iter()
        .map(|(_, c, kind)| {
            let range = if *kind == Kind::Text {
                "NULL, NULL".to_owned()
            } else {
                format!("min({c})::VARCHAR, max({c})::VARCHAR")
            };
            format!("approx_count_distinct({c})::VARCHAR, (count(*) - count({c}))::VARCHAR, {range}")
        })
        .collect();
    let row = engine
        .rows(&format!("SELECT {} FROM {}", figures.join(", "), relation.sql))?
        .into_iter()
        .next()
        .unwrap_or_default();
    let mut texts = Vec::new();
    let Some(entry) = engine.tables.get_mut(at) else { return Ok(()) };
    for ((i, quoted, kind), figures) in columns.iter().zip(row.chunks(4)) {
        let ([distinct, nulls, min, max], Some(column)) = (figures, entry.table.columns.get_mut(*i)) else { continue };
        let number = |v: &Option<String>| v.as_deref().and_then(|v| v.parse::<u64>().ok());
        column.distinct = number(distinct);
        column.nullable = !relation.whole || number(nulls) != Some(0);
        (column.min, column.max) = (min.clone(), max.clone());
        if *kind == Kind::Text {
            texts.push((*i, quoted.clone()));
        }
    }
    for (i, quoted) in texts {
        let sql = format!(
            "SELECT v FROM (SELECT DISTINCT {quoted}::VARCHAR AS v FROM {} WHERE {quoted} IS NOT NULL LIMIT {}) ORDER BY v",
            relation.sql,
            KEPT + 1
        );
        let all: Vec<String> = engine.rows(&sql)?.into_iter().flatten().flatten().collect();
        let Some(entry) = engine.tables.get_mut(at) else { break };
        let name = entry.table.name.clone();
        let Some(column) = entry.table.columns.get_mut(i) else { continue };
        let complete = relation.whole && all.len() <= KEPT;
        if complete {
            column.distinct = Some(all.len() as u64);
        }
        let short: Vec<String> = all.iter().filter(|v| v.chars().count() <= LONGEST).cloned().collect();
        if short.len() <= SHOWN {
            column.values_complete = complete && short.len() == all.len();
            column.values = short;
        } else {
            let step = short.len().div_ceil(SHOWN).max(1);
            column.values = short.iter().step_by(step).cloned().collect();
            values.push(Values { table: name, column: column.name.clone(), values: short });
        }
    }
    Ok(())
}

/// Adds what a server's statistics know of values that a sample may lack.
fn common_values(engine: &mut Engine, at: usize) -> Result<()> {
    let Some(entry) = engine.tables.get(at) else { return Ok(()) };
    let Origin::Postgres(server, schema, table) = &entry.origin else { return Ok(()) };
    let Some(server) = engine.postgres.get(*server) else { return Ok(()) };
    let common = server.common(schema, table)?;
    let Some(entry) = engine.tables.get_mut(at) else { return Ok(()) };
    for (name, values) in common {
        let column =
            entry.table.columns.iter_mut().find(|c| c.name == name && c.kind == Kind::Text && !c.values_complete);
        if let Some(column) = column {
            column.values.extend(values.into_iter().filter(|v| v.chars().count() <= LONGEST));
            column.values.sort_unstable();
            column.values.dedup();
        }
    }
    Ok(())
}

/// Adds the references that names, types and values suggest.
fn infer_keys(engine: &mut Engine, relations: &[Relation]) {
    let schema = engine.schema();
    let of = |table: &str| schema.tables.iter().position(|t| t.name == table).and_then(|i| relations.get(i));
    let unique = |table: &str, column: &str| {
        let Some(relation) = of(table) else { return false };
        let c = quote_ident(column);
        // What cannot be asked is no key.
        let sql = format!("SELECT (count(*) > 0 AND count(DISTINCT {c}) = count(*))::VARCHAR FROM {}", relation.sql);
        engine.rows(&sql).is_ok_and(|r| r.iter().flatten().flatten().any(|v| v == "true"))
    };
    let included = |table: &str, column: &str, to: &str, to_column: &str| {
        let (Some(from), Some(into)) = (of(table), of(to)) else { return false };
        if !into.whole {
            return true;
        }
        let (c, k) = (quote_ident(column), quote_ident(to_column));
        let sql = format!(
            "SELECT (count(*) FILTER (WHERE found) >= 0.95 * count(*) AND count(*) > 0)::VARCHAR
             FROM (SELECT v IN (SELECT {k} FROM {}) AS found FROM (SELECT DISTINCT {c} AS v FROM {} WHERE {c} IS NOT NULL LIMIT 20000))",
            into.sql, from.sql
        );
        engine.rows(&sql).is_ok_and(|r| r.iter().flatten().flatten().any(|v| v == "true"))
    };
    let (primary, foreign) = keys::infer(&schema, &unique, &included);
    for (table, key) in primary {
        if let Some(entry) = engine.tables.iter_mut().find(|e: &&mut Entry| e.table.name == table) {
            entry.table.primary_key = key;
        }
    }
    engine.keys.extend(foreign);
}

/// Where a text stands as a whole value, in columns too large to keep. What cannot be found in time is not found.
pub fn find(
    engine: &mut Engine,
    text: &str,
    columns: &[(String, String)],
    millis: u64,
) -> Vec<(String, String, String)> {
    let end = Instant::now() + Duration::from_millis(millis);
    let mut found = Vec::new();
    for (table, column) in columns {
        if Instant::now() > end {
            break;
        }
        let Some(entry) = engine.tables.iter().find(|e| e.table.name == *table) else { continue };
        let target = entry.target.sql();
        let value = match entry.origin.clone() {
            Origin::Native(FileKind::Text) => None,
            Origin::Native(FileKind::Columns) => {
                let c = quote_ident(column);
                let sql = format!(
                    "SELECT {c}::VARCHAR FROM {} WHERE lower({c}) = lower({}) LIMIT 1",
                    target,
                    quote_literal(text)
                );
                engine.rows(&sql).ok().and_then(|r| r.into_iter().flatten().flatten().next())
            }
            Origin::Postgres(server, schema, name) => {
                let left = end.saturating_duration_since(Instant::now()).as_millis();
                let millis = u64::try_from(left).unwrap_or(u64::MAX);
                engine.postgres.get(server).and_then(|s| s.find(&schema, &name, column, text, millis))
            }
            Origin::Sqlite(file, name) => engine.sqlite.get_mut(file).and_then(|f| f.find(&name, column, text, end)),
        };
        if let Some(value) = value {
            found.push((table.clone(), column.clone(), value));
        }
    }
    found
}
