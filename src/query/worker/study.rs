//! Looking into the data before a question is asked: values, ranges, keys.

use super::answer;
use super::catalogue::{Engine, Entry, FileKind, Loaded, Origin, Rows, kind_of};
use super::columns::Fill;
use super::run::load_table;
use super::small::{self, Budget, Distinct, Held, SMALL, Small, texts};
use crate::error::Result;
use crate::postgres::connect::{quote_ident, quote_literal};
use crate::query::keys;
use crate::query::protocol::{Response, Values};
use crate::query::schema::{Column, Kind, Schema};
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
/// Rows up to which whole numbers are compared here rather than by DuckDB.
const COUNTED: u64 = 1_000_000;
/// The longest value that is kept, in characters: longer ones are prose, which no question repeats.
const LONGEST: usize = 120;

/// Looks into all tables.
///
/// # Errors
/// Data that cannot be read.
pub fn study(engine: &mut Engine) -> Result<(Schema, Vec<Values>)> {
    let mut values = Vec::new();
    let mut relations = Vec::new();
    let (count, mut told, mut budget) = (engine.tables.len(), Instant::now(), Budget::default());
    for at in 0..count {
        if told.elapsed() > Duration::from_millis(250) {
            told = Instant::now();
            answer(&Response::Progress {
                what: "looking into the tables".to_owned(),
                rows: at as u64,
                of: Some(count as u64),
            })?;
        }
        let (looked, small) = look(engine, at, &mut values).map_err(|e| {
            let unplaced = e.place.is_none();
            match engine.tables.get(at).filter(|_| unplaced) {
                Some(entry) => e.at(&entry.table.name),
                None => e,
            }
        })?;
        relations.push((looked, small.within(&mut budget)));
    }
    infer_keys(engine, &relations);
    for (at, (relation, _)) in relations.iter().enumerate() {
        if let Some(scratch) = &relation.scratch {
            engine.execute(&format!("DROP TABLE IF EXISTS {scratch}"))?;
            if let Some(entry) = engine.tables.get_mut(at).filter(|e| e.loaded != Loaded::All) {
                entry.loaded = Loaded::Nothing;
            }
        }
    }
    Ok((engine.schema(), values))
}

/// Looks into one table.
fn look(engine: &mut Engine, at: usize, values: &mut Vec<Values>) -> Result<(Relation, Small)> {
    let looked = relation(engine, at)?;
    let small = small(engine, at, &looked);
    dates_in_text(engine, at, &looked, &small)?;
    measure(engine, at, &looked, &small, values)?;
    if !looked.whole {
        common_values(engine, at)?;
    }
    Ok((looked, small))
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
    let target = entry.relation();
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

/// What the columns of a small table hold; nothing of others.
fn small(engine: &Engine, at: usize, relation: &Relation) -> Small {
    let Some(entry) = engine.tables.get(at) else { return Small::default() };
    // By a collation DuckDB has to compare.
    if !relation.whole
        || engine.collated.contains(&entry.target.catalog)
        || entry.table.rows.is_none_or(|rows| rows > SMALL)
    {
        return Small::default();
    }
    // What cannot be read at once is asked column by column, which says what is wrong.
    Small::read(engine, entry, &relation.sql).unwrap_or_default()
}

/// SQLite has no type for dates: text that holds nothing else becomes one.
fn dates_in_text(engine: &mut Engine, at: usize, relation: &Relation, small: &Small) -> Result<()> {
    let Some(entry) = engine.tables.get(at).filter(|e| matches!(e.origin, Origin::Sqlite(..))) else { return Ok(()) };
    let texts = entry.fills.iter().zip(&entry.table.columns).enumerate().filter(|(_, (fill, _))| **fill == Fill::Text);
    let (mut found, mut asked) = (Vec::new(), Vec::new());
    for (i, (_, column)) in texts {
        match small.column(&column.name) {
            Some(held) if held.are_days() => found.push((i, quote_ident(&column.name), Fill::Date)),
            Some(held) if !held.may_be_dates() => {}
            _ => asked.push((i, quote_ident(&column.name))),
        }
    }
    let target = entry.target.sql();
    found.extend(asked_dates(engine, relation, asked)?);
    if let Some(entry) = engine.tables.get_mut(at) {
        entry.dated = true;
    }
    for (i, column, fill) in found {
        engine.execute(&format!("ALTER TABLE {target} ALTER COLUMN {column} TYPE {}", fill.sql()))?;
        if let Some(entry) = engine.tables.get_mut(at)
            && let (Some(old), Some(column)) = (entry.fills.get_mut(i), entry.table.columns.get_mut(i))
        {
            *old = fill;
            column.sql_type = fill.sql();
            column.kind = kind_of(&fill.sql());
        }
    }
    Ok(())
}

/// Which of these columns of text hold dates alone, by position and quoted name.
fn asked_dates(
    engine: &Engine,
    relation: &Relation,
    texts: Vec<(usize, String)>,
) -> Result<Vec<(usize, String, Fill)>> {
    if texts.is_empty() {
        return Ok(Vec::new());
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
    let dates = texts.into_iter().zip(row.chunks(2)).filter_map(|((i, column), test)| {
        let [Some(all), longest] = test else { return None };
        let fill = if longest.as_deref() == Some("10") { Fill::Date } else { Fill::Timestamp };
        (all == "true").then_some((i, column, fill))
    });
    Ok(dates.collect())
}

/// Ranges and values of a table's columns.
fn measure(engine: &mut Engine, at: usize, relation: &Relation, small: &Small, values: &mut Vec<Values>) -> Result<()> {
    figures(engine, at, relation, small)?;
    let Some(entry) = engine.tables.get(at) else { return Ok(()) };
    let texts = entry.table.columns.iter().enumerate().filter(|(_, c)| c.kind == Kind::Text);
    let texts: Vec<(usize, String)> = texts.map(|(i, c)| (i, c.name.clone())).collect();
    for (i, name) in texts {
        let asked;
        let all = match small.column(&name).map(|held| &held.values) {
            Some(Distinct::Text(all)) => all,
            _ => {
                asked = distinct(engine, at, i, &relation.sql)?;
                &asked
            }
        };
        let Some(entry) = engine.tables.get_mut(at) else { break };
        let table = &entry.table.name;
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
            values.push(Values { table: table.clone(), column: column.name.clone(), values: short });
        }
    }
    Ok(())
}

/// The distinct values of a column, sorted; some of them where there are more than are kept.
fn distinct(engine: &Engine, at: usize, column: usize, relation: &str) -> Result<Vec<String>> {
    let Some(entry) = engine.tables.get(at) else { return Ok(Vec::new()) };
    let Some(column) = entry.table.columns.get(column) else { return Ok(Vec::new()) };
    let c = quote_ident(&column.name);
    let sql = |from: &str| format!("SELECT DISTINCT {c}::VARCHAR FROM {from} WHERE {c} IS NOT NULL LIMIT {}", KEPT + 1);
    // Where there are far more, the first rows hold enough: as many as it takes where values are evenly spread, and half
    // of that more.
    let far_more = |distinct: &u64| *distinct > 2 * KEPT as u64;
    if let (Some(distinct), Some(rows)) = (column.distinct.filter(far_more), entry.table.rows) {
        let first = (KEPT as u64 * 3 / 2).saturating_mul(rows.div_ceil(distinct.max(1)));
        let found = texts(engine, &sql(&format!("(SELECT {c} FROM {relation} LIMIT {first})")))?;
        if found.len() > KEPT {
            return Ok(found);
        }
    }
    texts(engine, &sql(relation))
}

/// How many distinct values columns have, whether NULL is among them, and from where to where they go. Of what was read,
/// DuckDB estimates the distinct numbers only.
fn figures(engine: &mut Engine, at: usize, relation: &Relation, small: &Small) -> Result<()> {
    let Some(entry) = engine.tables.get_mut(at) else { return Ok(()) };
    let mut asked: Vec<(usize, bool)> = Vec::new();
    let mut figures: Vec<String> = Vec::new();
    for (i, column) in entry.table.columns.iter_mut().enumerate().filter(|(_, c)| c.kind != Kind::Other) {
        let c = quote_ident(&column.name);
        let held = small.column(&column.name);
        if let Some(held) = held.filter(|held| known(column, held)) {
            column.nullable = held.nullable();
            if column.kind != Kind::Text {
                figures.push(format!("approx_count_distinct({c})::VARCHAR, NULL, NULL, NULL"));
                asked.push((i, true));
            }
            continue;
        }
        let range = if column.kind == Kind::Text {
            "NULL, NULL".to_owned()
        } else {
            format!("min({c})::VARCHAR, max({c})::VARCHAR")
        };
        figures.push(format!("approx_count_distinct({c})::VARCHAR, (count(*) - count({c}))::VARCHAR, {range}"));
        asked.push((i, false));
    }
    if asked.is_empty() {
        return Ok(());
    }
    let row = engine
        .rows(&format!("SELECT {} FROM {}", figures.join(", "), relation.sql))?
        .into_iter()
        .next()
        .unwrap_or_default();
    let Some(entry) = engine.tables.get_mut(at) else { return Ok(()) };
    for ((i, known), figures) in asked.iter().zip(row.chunks(4)) {
        let ([distinct, nulls, min, max], Some(column)) = (figures, entry.table.columns.get_mut(*i)) else { continue };
        let number = |v: &Option<String>| v.as_deref().and_then(|v| v.parse::<u64>().ok());
        column.distinct = number(distinct);
        if !known {
            column.nullable = !relation.whole || number(nulls) != Some(0);
            (column.min, column.max) = (min.clone(), max.clone());
        }
    }
    Ok(())
}

/// Takes the range of a column from what was read; says whether it was, as it is not of text that became times.
fn known(column: &mut Column, held: &Held) -> bool {
    match (&held.values, column.kind) {
        (Distinct::Text(_), Kind::Text) => (column.min, column.max) = (None, None),
        // Days in order are text in order.
        (Distinct::Text(all), Kind::Date) if held.are_days() => {
            (column.min, column.max) = (all.first().cloned(), all.last().cloned());
        }
        (Distinct::Whole(all), Kind::Integer) => {
            (column.min, column.max) = (all.first().map(i64::to_string), all.last().map(i64::to_string));
        }
        _ => return false,
    }
    true
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
fn infer_keys(engine: &mut Engine, relations: &[(Relation, Small)]) {
    let schema = engine.schema();
    let of = |table: &str| schema.tables.iter().position(|t| t.name == table).and_then(|i| relations.get(i));
    let unique = |table: &str, column: &str| {
        let Some((relation, small)) = of(table) else { return false };
        if let Some(held) = small.column(column) {
            return held.unique();
        }
        let Some(table) = schema.tables.iter().find(|t| t.name == table) else { return false };
        let Some(column) = table.columns.iter().find(|c| c.name == column) else { return false };
        // Estimates are off by some percent, not by half.
        let rows = table.rows.filter(|_| relation.whole);
        if column.distinct.zip(rows).is_some_and(|(distinct, rows)| distinct < rows / 2) {
            return false;
        }
        // What cannot be asked is no key.
        if rows.is_some_and(|rows| rows <= COUNTED)
            && let Some(unique) = small::unique(engine, column, &relation.sql).ok().flatten()
        {
            return unique;
        }
        let c = quote_ident(&column.name);
        let sql = format!("SELECT (count(*) > 0 AND count(DISTINCT {c}) = count(*))::VARCHAR FROM {}", relation.sql);
        engine.rows(&sql).is_ok_and(|r| r.iter().flatten().flatten().any(|v| v == "true"))
    };
    let included = |table: &str, column: &str, to: &str, to_column: &str| {
        let (Some((from, small)), Some((into, other))) = (of(table), of(to)) else { return false };
        if !into.whole {
            return true;
        }
        let held = small.column(column).zip(other.column(to_column));
        if let Some(found) = held.and_then(|(held, into)| held.included(into)) {
            return found;
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
        let target = entry.relation();
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
