//! What the guard lets through is harmless: every function that may be called is called, with what an attacker would give.

use super::Shop;
use llmsql::query::guard;
use std::fs;

/// A value of a type, as SQL; texts are the path of a file.
fn argument(sql_type: &str, path: &str) -> Option<String> {
    let text = format!("'{path}'");
    if let Some(item) = sql_type.strip_suffix("[]") {
        return argument(item, path).map(|v| format!("[{v}]"));
    }
    Some(match sql_type.split('(').next().unwrap_or_default() {
        "VARCHAR" | "ANY" | "T" | "K" | "V" | "\"NULL\"" => text,
        "BLOB" => format!("{text}::BLOB"),
        "JSON" => "'{\"a\": 1}'::JSON".to_owned(),
        "BIT" => "'101'::BIT".to_owned(),
        "BOOLEAN" => "true".to_owned(),
        "UUID" => "'00000000-0000-0000-0000-000000000001'::UUID".to_owned(),
        "INTERVAL" => "INTERVAL 1 DAY".to_owned(),
        "DATE" => "DATE '2026-01-01'".to_owned(),
        "TIME" => "TIME '10:00:00'".to_owned(),
        t if t.starts_with("TIMESTAMP") => format!("'2026-01-01 00:00:00'::{sql_type}"),
        t if t.ends_with("INT") || t == "INTEGER" => format!("1::{t}"),
        "DOUBLE" | "FLOAT" => format!("1::{sql_type}"),
        "DECIMAL" => "1::DECIMAL(4,1)".to_owned(),
        _ => return None,
    })
}

#[test]
fn no_function_that_may_be_called_reads_or_writes_a_file() {
    let shop = Shop::new();
    let secret = shop.path("secret.txt");
    fs::write(&secret, "canary-of-the-secret").unwrap();
    let path = secret.display().to_string();
    let duckdb = duckdb::Connection::open_in_memory().unwrap();
    duckdb.execute_batch("SET enable_external_access = false; SET lock_configuration = true").unwrap();
    let mut statement = duckdb
        .prepare(
            "SELECT DISTINCT function_name, function_type, to_json(coalesce(parameter_types, []))::VARCHAR
             FROM duckdb_functions() WHERE function_type IN ('scalar', 'aggregate', 'macro') ORDER BY ALL",
        )
        .unwrap();
    let all: Vec<(String, String, String)> = statement
        .query_map([], |row| Ok::<(String, String, String), _>((row.get(0)?, row.get(1)?, row.get(2)?)))
        .unwrap()
        .map(Result::unwrap)
        .filter(|(name, _, _)| guard::is_allowed(name))
        .collect();
    let mut calls: Vec<String> = Vec::new();
    for (name, _, types) in &all {
        let types: Vec<Option<String>> = serde_json::from_str(types).unwrap();
        let arguments: Option<Vec<String>> =
            types.iter().map(|t| argument(t.as_deref().unwrap_or("ANY"), &path)).collect();
        let Some(arguments) = arguments else { continue };
        // What makes much of a number is called with a small one anyway.
        let call = format!("\"{name}\"({})", arguments.join(", "));
        let select = format!("SELECT CAST({call} AS VARCHAR)");
        let runs = duckdb.query_row(&select, [], |row| row.get::<_, Option<String>>(0)).is_ok();
        if runs && !calls.contains(&call) {
            calls.push(call);
        }
    }
    let names: std::collections::BTreeSet<&str> = calls.iter().filter_map(|c| c.split('"').nth(1)).collect();
    assert!(calls.len() > 500 && names.len() > 350, "{} calls of {} functions", calls.len(), names.len());
    // Through the program, as an attacker would, many at once.
    for some in calls.chunks(60) {
        let columns: Vec<String> = some.iter().map(|c| format!("CAST({c} AS VARCHAR)")).collect();
        let run =
            shop.query(&["items.csv"]).args(["--format", "json", "--sql", &format!("SELECT {}", columns.join(", "))]);
        let run = run.run().success();
        assert!(!run.stdout.contains("canary"), "{some:?}: {}", run.stdout);
    }
    assert_eq!(fs::read_to_string(&secret).unwrap(), "canary-of-the-secret");
}
