//! `weigh` reads lines `{"p": [probabilities of a question's readings], "found": [[rows, different rows, content]|null]}`
//! from stdin and writes for each the signs of what its readings found, after a line with the names of the signs.

#![allow(dead_code, unused_imports, clippy::all)]

#[path = "../../../../src/query"]
mod query {
    pub mod language;
    pub mod schema;
}

use std::io::{BufRead, Write};

use query::language::results::{Found, signs};
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
struct Line {
    p: Vec<f64>,
    found: Vec<Option<(usize, usize, u64)>>,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let mut named = false;
    for line in std::io::stdin().lock().lines() {
        let line: Line = serde_json::from_str(&line?)?;
        let found = |f: Option<(usize, usize, u64)>| f.map(|(rows, different, content)| Found { rows, different, content });
        let readings = signs(&line.p, &line.found.into_iter().map(found).collect::<Vec<_>>());
        if let Some(first) = readings.first().filter(|_| !named) {
            writeln!(out, "{}", json!(first.iter().map(|s| s.0).collect::<Vec<_>>()))?;
            named = true;
        }
        let values: Vec<Vec<f64>> = readings.iter().map(|r| r.iter().map(|s| s.1).collect()).collect();
        writeln!(out, "{}", json!(values))?;
    }
    Ok(())
}
