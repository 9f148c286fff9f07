//! Every statement that the pinned DuckDB's grammar, settings and functions can begin is refused, but a SELECT.

use super::Shop;
use llmsql::query::guard;
use std::fs;

/// The first words of what is one SELECT, whatever follows.
const QUERIES: &[&str] = &["select", "from", "with", "values", "table"];

fn texts(sql: &str) -> Vec<String> {
    let duckdb = duckdb::Connection::open_in_memory().unwrap();
    let mut statement = duckdb.prepare(sql).unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

/// Whether the guard lets SQL pass, where nothing but the table `items` is known.
fn passes(duckdb: &duckdb::Connection, sql: &str) -> bool {
    let text: String = duckdb.query_row("SELECT json_serialize_sql(?::VARCHAR)", [sql], |row| row.get(0)).unwrap();
    let tree = serde_json::from_str(&text).unwrap();
    guard::check(&tree, &|named| named.table == "items").is_ok()
}

#[test]
fn no_keyword_begins_anything_but_a_query() {
    let duckdb = duckdb::Connection::open_in_memory().unwrap();
    let keywords = texts("SELECT keyword_name FROM duckdb_keywords() ORDER BY 1");
    assert!(keywords.len() > 400, "{}", keywords.len());
    let tails = [
        "",
        "items",
        "items TO 'x'",
        "TABLE items",
        "x AS SELECT 1",
        "x = 1",
        "'x'",
        "'x' AS y",
        "range(3)",
        "DATABASE 'x'",
    ];
    for word in &keywords {
        for tail in tails {
            let sql = format!("{word} {tail}");
            assert!(!passes(&duckdb, &sql) || QUERIES.contains(&word.as_str()), "{sql}");
        }
        // What stands before a query makes it no query.
        for sql in [format!("{word} SELECT 1"), format!("{word} FROM items")] {
            let query = QUERIES.contains(&word.as_str());
            assert!(!passes(&duckdb, &sql) || query, "{sql}");
        }
        // As a CTE, in a subquery and after a query.
        for sql in [
            format!("WITH c AS ({word} items) SELECT 1"),
            format!("SELECT * FROM ({word} items TO 'x')"),
            format!("SELECT 1; {word} items"),
        ] {
            assert!(!passes(&duckdb, &sql) || QUERIES.contains(&word.as_str()), "{sql}");
        }
    }
}

#[test]
fn no_setting_and_no_pragma_can_be_changed() {
    let duckdb = duckdb::Connection::open_in_memory().unwrap();
    let settings = texts("SELECT name FROM duckdb_settings() ORDER BY 1");
    assert!(settings.len() > 100);
    for name in &settings {
        for sql in [
            format!("SET {name} = 1"),
            format!("SET GLOBAL {name} = 'x'"),
            format!("RESET {name}"),
            format!("PRAGMA {name} = 1"),
            format!("SELECT current_setting('{name}')"),
        ] {
            assert!(!passes(&duckdb, &sql), "{sql}");
        }
    }
    for name in
        texts("SELECT DISTINCT function_name FROM duckdb_functions() WHERE function_type IN ('pragma', 'table')")
    {
        for sql in [
            format!("PRAGMA {name}"),
            format!("PRAGMA {name}('x')"),
            format!("CALL {name}('x')"),
            format!("CALL {name}()"),
        ] {
            assert!(!passes(&duckdb, &sql), "{sql}");
        }
    }
}

#[test]
fn no_table_of_the_catalogue_can_be_read() {
    let duckdb = duckdb::Connection::open_in_memory().unwrap();
    let tables = texts("SELECT schema_name || '.' || view_name FROM duckdb_views()");
    assert!(tables.len() > 20);
    for table in tables.iter().chain(&texts("SELECT view_name FROM duckdb_views() WHERE view_name <> 'items'")) {
        assert!(!passes(&duckdb, &format!("SELECT * FROM {table}")), "{table}");
    }
}

#[test]
fn a_locked_down_worker_holds_where_the_guard_would_not() {
    // What a view of a DuckDB file does is not seen by the guard: the other layers have to hold.
    let shop = Shop::new();
    fs::write(shop.path("secret.txt"), "canary").unwrap();
    let secret = shop.path("secret.txt").display().to_string();
    super::duckdb_file(
        &shop.path("evil.duckdb"),
        &format!(
            "CREATE TABLE t AS SELECT 1 AS x;
             CREATE MACRO leak() AS (SELECT content FROM read_text('{secret}'));
             CREATE VIEW settings AS SELECT * FROM duckdb_settings();
             CREATE VIEW texts AS SELECT * FROM read_text('{secret}');
             CREATE VIEW listing AS SELECT * FROM glob('/etc/*');
             CREATE VIEW environment AS SELECT * FROM read_text('/proc/self/environ');"
        ),
    );
    for view in ["texts", "environment"] {
        let run = shop.sql(&["evil.duckdb"], &format!("SELECT * FROM {view}"));
        assert!(!run.stdout.contains("canary") && !run.stdout.contains("PATH="), "{view}: {}", run.stdout);
        assert_ne!(run.code, Some(0), "{view}: {}", run.stdout);
    }
    let run = shop.sql(&["evil.duckdb"], "SELECT * FROM listing");
    assert!(!run.stdout.contains("passwd"), "{}", run.stdout);
    shop.sql(&["evil.duckdb"], "SELECT leak()").code(20);
    assert_eq!(shop.rows(&["evil.duckdb"], "SELECT x FROM t"), serde_json::json!([[1]]));
}
