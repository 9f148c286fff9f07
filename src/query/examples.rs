//! Questions that the data can answer, as a start for somebody who sees it for the first time.

use super::ask::Data;
use super::engine::Query;
use super::keys;
use super::language::{Clock, Glossary, Outcome};
use super::results::Rows;
use super::schema::{Column, Kind, Schema, Table};
use serde::Serialize;
use std::time::Duration;

/// Questions that are tried before it is given up to find more.
const TRIED: usize = 60;
/// Rows up to which an example is run to see that it has an answer; over a larger table it is checked only.
const RUN: u64 = 1_000_000;
/// How long an example may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// A question with its answer's SQL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Example {
    /// The question.
    pub question: String,
    /// What it was translated to.
    pub sql: String,
}

/// At most so many questions, each of which was translated with certainty, passed the guard, and found rows.
#[must_use]
pub fn examples(data: &Data, glossary: &Glossary, clock: &Clock, most: usize) -> Vec<Example> {
    let translator = data.translator(glossary);
    let mut found: Vec<Example> = Vec::new();
    for question in candidates(&data.schema).into_iter().take(TRIED) {
        if found.len() >= most {
            break;
        }
        let Outcome::Answer(reading) = data.translate(&translator, &question, clock).outcome else { continue };
        if found.iter().all(|e| e.sql != reading.sql) && answers(data, &reading.sql) {
            found.push(Example { question, sql: reading.sql });
        }
    }
    found
}

/// Whether a query has rows; over large tables, whether it may run.
fn answers(data: &Data, sql: &str) -> bool {
    if data.schema.tables.iter().any(|t| t.rows.is_none_or(|rows| rows > RUN)) {
        return data.check(sql).is_ok();
    }
    let query = Query { sql: sql.to_owned(), rows: Some(1), timeout: PATIENCE, ..Query::default() };
    let mut rows = Rows::default();
    data.run(&query, &mut rows).is_ok() && rows.rows.iter().flatten().any(|v| !v.is_null())
}

/// Questions, the first of each kind before the second of any.
fn candidates(schema: &Schema) -> Vec<String> {
    let mut all: Vec<(usize, String)> = Vec::new();
    for table in &schema.tables {
        let name = spoken(&table.name);
        let pick = |wanted: &dyn Fn(&Column) -> bool| table.columns.iter().find(|c| wanted(c)).map(|c| spoken(&c.name));
        let category = pick(&|c| {
            let repeated = |d: u64| (2..=50).contains(&d) && table.rows.is_none_or(|rows| d * 2 <= rows);
            c.kind == Kind::Text && c.distinct.is_some_and(repeated)
        });
        let measure = pick(&|c| c.kind.is_number() && !is_key(schema, table, c));
        let time = pick(&|c| c.kind.is_time());
        all.push((0, format!("how many {name} are there?")));
        if let Some(category) = &category {
            all.push((1, format!("how many {name} per {category}?")));
        }
        if let Some(measure) = &measure {
            all.push((2, format!("what is the average {measure} of {name}?")));
            all.push((3, format!("top 5 {name} by {measure}")));
            if let Some(category) = &category {
                all.push((4, format!("average {measure} of {name} per {category}")));
            }
        }
        if time.is_some() {
            all.push((5, format!("how many {name} per month?")));
        }
        if let Some(key) = schema.keys.iter().find(|k| k.table == table.name) {
            all.push((6, format!("how many {name} has each {}?", keys::singular(&spoken(&key.to_table)))));
        }
    }
    let mut order: Vec<(usize, usize, String)> = Vec::new();
    for (kind, question) in all {
        let nth = order.iter().filter(|(_, k, _)| *k == kind).count();
        order.push((nth, kind, question));
    }
    order.sort_by_key(|(nth, kind, _)| (*nth, *kind));
    order.into_iter().map(|(_, _, question)| question).collect()
}

fn is_key(schema: &Schema, table: &Table, column: &Column) -> bool {
    let name = column.name.to_lowercase();
    name == "id"
        || name.ends_with("_id")
        || column.name.ends_with("Id")
        || table.primary_key.contains(&column.name)
        || schema.keys.iter().any(|k| k.table == table.name && k.columns.contains(&column.name))
}

fn spoken(name: &str) -> String {
    let mut words = String::new();
    for c in name.chars() {
        if c.is_uppercase() && words.chars().last().is_some_and(char::is_lowercase) {
            words.push(' ');
        }
        if c.is_alphanumeric() {
            words.extend(c.to_lowercase());
        } else {
            words.push(' ');
        }
    }
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_spoken_in_words() {
        assert_eq!(spoken("query_logs"), "query logs");
        assert_eq!(spoken("userId"), "user id");
    }

    #[test]
    fn no_key_is_averaged_and_the_kinds_come_in_turn() {
        let column = |name: &str, kind| Column { name: name.to_owned(), kind, ..Column::default() };
        let table = |name: &str| Table {
            name: name.to_owned(),
            columns: vec![column("id", Kind::Integer), column("shop_id", Kind::Integer), column("total", Kind::Float)],
            ..Table::default()
        };
        let schema = Schema { tables: vec![table("orders"), table("returns")], keys: Vec::new() };
        let asked = candidates(&schema);
        assert_eq!(asked[0], "how many orders are there?");
        assert_eq!(asked[1], "what is the average total of orders?");
        assert_eq!(asked[3], "how many returns are there?");
        assert!(asked.iter().all(|q| !q.contains("shop id")));
    }
}
