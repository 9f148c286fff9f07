//! `signs SCHEMAS` reads lines `{"id", "db", "question"}` from stdin and writes for each the readings with their
//! signs, after a line with the names of the signs; SCHEMAS is a folder with what a worker finds in each database, `DB.json`.

#![allow(dead_code, clippy::all)]

#[path = "../../../../src/query"]
mod query {
    pub mod language;
    pub mod schema;
}

use std::collections::HashMap;
use std::io::{BufRead, Write};

use query::language::{Clock, Glossary, Hit, Lookup, Translator};
use query::schema::Schema;
use serde_json::{Value, json};

struct Kept(HashMap<String, Vec<Hit>>);

impl Lookup for Kept {
    fn find(&self, text: &str) -> Vec<Hit> {
        self.0.get(&text.to_lowercase()).cloned().unwrap_or_default()
    }
}

struct Question {
    id: Value,
    text: String,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).ok_or("usage: signs SCHEMAS < QUESTIONS")?;
    let mut by_db: Vec<(String, Vec<Question>)> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for line in std::io::stdin().lock().lines() {
        let line: Value = serde_json::from_str(&line?)?;
        let text = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
        let place = *places.entry(text("db")).or_insert_with(|| {
            by_db.push((text("db"), Vec::new()));
            by_db.len() - 1
        });
        by_db[place].1.push(Question { id: line["id"].clone(), text: text("question") });
    }
    let clock =
        Clock { now: jiff::civil::date(2026, 1, 15).at(12, 0, 0, 0), week_starts_on: jiff::civil::Weekday::Monday };
    let mut named = false;
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for (db, questions) in &by_db {
        let studied: Value = serde_json::from_slice(&std::fs::read(format!("{folder}/{db}.json"))?)?;
        let schema: Schema = serde_json::from_value(studied["schema"].clone())?;
        let mut kept: HashMap<String, Vec<Hit>> = HashMap::new();
        for column in studied["values"].as_array().into_iter().flatten() {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            for value in column["values"].as_array().into_iter().flatten().map(text) {
                let hit = Hit { table: text(&column["table"]), column: text(&column["column"]), value };
                kept.entry(hit.value.to_lowercase()).or_default().push(hit);
            }
        }
        let (kept, glossary) = (Kept(kept), Glossary::default());
        let translator = Translator::new(&schema, &glossary);
        for question in questions {
            let readings = translator.signs(&question.text, &clock, &kept);
            let names: Vec<&str> = readings.first().map(|r| r.2.iter().map(|s| s.0).collect()).unwrap_or_default();
            if !named && !names.is_empty() {
                writeln!(out, "{}", json!({"signs": names}))?;
                named = true;
            }
            let values = |signs: Vec<(&str, f64)>| signs.into_iter().map(|s| s.1).collect::<Vec<f64>>();
            let readings: Vec<Value> =
                readings.into_iter().map(|(sql, p, signs)| json!([sql, p, values(signs)])).collect();
            writeln!(out, "{}", json!({"id": question.id, "db": db, "readings": readings}))?;
        }
    }
    Ok(())
}
