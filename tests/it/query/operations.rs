//! Questions of operators about logs and statistics, answered as by SQL that was written by hand.

use crate::support::Llmsql;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The time at which the questions are asked.
const NOW: &str = "2026-03-18T12:00";
/// How many of a hundred have to be answered, and right.
const RIGHT: usize = 90;

struct Case {
    question: String,
    sql: String,
}

/// The questions of each source.
fn cases() -> BTreeMap<String, Vec<Case>> {
    let mut cases: BTreeMap<String, Vec<Case>> = BTreeMap::new();
    let (mut source, mut question) = (String::new(), String::new());
    let all = [include_str!("operations/questions.txt"), include_str!("operations/more.txt")].concat();
    for line in all.lines().filter(|l| !l.is_empty() && !l.starts_with('#')) {
        if let Some(name) = line.strip_prefix("source ") {
            source = name.to_owned();
        } else if let Some(sql) = line.strip_prefix("  ") {
            let case = Case { question: question.clone(), sql: sql.to_owned() };
            cases.entry(source.clone()).or_default().push(case);
        } else {
            question = line.to_owned();
        }
    }
    cases
}

/// A value as it is compared: numbers by ten figures.
fn plain(value: &Value) -> String {
    match value.as_f64() {
        Some(number) => format!("{number:.9e}"),
        None => value.to_string(),
    }
}

/// Rows of a query written by hand.
fn by_hand(duckdb: &duckdb::Connection, sql: &str) -> Vec<Vec<String>> {
    let mut statement =
        duckdb.prepare(&format!("SELECT to_json(t)::VARCHAR FROM ({sql}) t")).expect("SQL that is right");
    let rows = statement.query_map([], |row| row.get::<_, String>(0)).expect("SQL that runs");
    let row = |text: String| -> Vec<String> {
        let object: serde_json::Map<String, Value> = serde_json::from_str(&text).expect("JSON");
        object.values().map(plain).collect()
    };
    rows.map(|text| row(text.expect("a row"))).collect()
}

/// Whether `rows` hold the columns of `expected`, in whatever order and with others among them.
fn same(expected: &[Vec<String>], rows: &[Vec<String>], ordered: bool) -> bool {
    let (Some(first), Some(other)) = (expected.first(), rows.first()) else { return expected.len() == rows.len() };
    let sorted = |mut rows: Vec<Vec<String>>| {
        if !ordered {
            rows.sort();
        }
        rows
    };
    fn choose(places: &mut Vec<usize>, width: usize, of: usize, fits: &dyn Fn(&[usize]) -> bool) -> bool {
        if places.len() == width {
            return fits(places);
        }
        for place in 0..of {
            if !places.contains(&place) {
                places.push(place);
                // A column that does not fit by itself fits in no choice.
                if fits(places) && choose(places, width, of, fits) {
                    return true;
                }
                places.pop();
            }
        }
        false
    }
    expected.len() == rows.len()
        && choose(&mut Vec::new(), first.len(), other.len(), &|places| {
            let cut = |row: &Vec<String>| row.iter().take(places.len()).cloned().collect();
            let pick = |row: &Vec<String>| places.iter().map(|p| row[*p].clone()).collect();
            sorted(expected.iter().map(cut).collect()) == sorted(rows.iter().map(pick).collect())
        })
}

#[test]
fn questions_of_operators_are_answered_as_by_hand_or_not_at_all() {
    let folder = tempfile::tempdir().expect("a folder");
    let duckdb = duckdb::Connection::open_in_memory().expect("DuckDB");
    let data = include_str!("operations/data.sql").replace("FOLDER", &folder.path().display().to_string());
    for own in ["desk", "shop", "pipeline", "market"] {
        std::fs::create_dir(folder.path().join(own)).expect("a folder");
    }
    duckdb.execute_batch(&data).expect("the data");
    let (mut all, mut right, mut wrong) = (0, 0, Vec::new());
    for (source, cases) in cases() {
        let line = |(id, case): (usize, &Case)| json!({"id": id, "question": case.question}).to_string() + "\n";
        let batch: String = cases.iter().enumerate().map(line).collect();
        let run = Llmsql::new()
            .dir(folder.path())
            .env("STATE_DIRECTORY", folder.path().join("state"))
            .args(["query", "--source", &source, "--batch", "-", "--format", "jsonl", "--now", NOW]);
        let answers = run.stdin(batch.into_bytes()).run().success().stdout;
        for line in answers.lines() {
            let answer: Value = serde_json::from_str(line).expect("a line of JSON");
            let case = &cases[usize::try_from(answer["id"].as_u64().expect("an id")).expect("an id")];
            all += 1;
            if answer["status"] != "answered" {
                println!("not answered: {}", case.question);
                continue;
            }
            let rows = answer["rows"].as_array().into_iter().flatten();
            let rows: Vec<Vec<String>> =
                rows.map(|row| row.as_array().into_iter().flatten().map(plain).collect()).collect();
            let ordered = case.sql.rsplit_once("OVER").map_or(case.sql.as_str(), |(_, last)| last).contains("ORDER BY");
            if same(&by_hand(&duckdb, &case.sql), &rows, ordered) {
                right += 1;
            } else {
                wrong.push(format!("{}\n    {}", case.question, answer["sql"]));
            }
        }
    }
    assert!(all >= 400, "{all} questions");
    assert_eq!(wrong, Vec::<String>::new());
    assert!(right * 100 >= all * RIGHT, "{right} of {all}");
}
