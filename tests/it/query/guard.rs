//! The guard: known attacks, and every function and statement that DuckDB has.

use super::{Shop, duckdb_file};
use llmsql::query::guard;
use std::collections::BTreeSet;
use std::fs;

/// Runs SQL and says whether it was refused by the guard.
fn refused(shop: &Shop, sql: &str) -> bool {
    let run = shop.query(&["items.csv", "orders.db"]).args(["--format", "json", "--sql", sql]).run();
    let code = run.code;
    assert!(matches!(code, Some(0 | 1 | 20)), "{sql}: {code:?} {}", run.stderr);
    code != Some(0)
}

#[test]
fn known_attacks_are_refused_and_leave_nothing_behind() {
    let shop = Shop::new();
    let target = shop.path("written");
    let to = target.display();
    fs::write(shop.path("secret.txt"), "hunter2").unwrap();
    let secret = shop.path("secret.txt");
    let secret = secret.display();
    let before: BTreeSet<_> = fs::read_dir(shop.path("")).unwrap().map(|e| e.unwrap().file_name()).collect();
    let items = fs::read(shop.path("items.csv")).unwrap();
    let attacks = [
        format!("WITH x AS (COPY (SELECT 42 a) TO '{to}') SELECT 1"),
        format!("COPY items TO '{to}'"),
        "COPY items TO 'items.csv'".to_owned(),
        format!("SELECT 1; COPY items TO '{to}'"),
        format!("EXPORT DATABASE '{to}'"),
        format!("SELECT * FROM read_text('{secret}')"),
        format!("SELECT * FROM read_blob('{secret}')"),
        format!("SELECT * FROM read_csv('{secret}')"),
        format!("SELECT * FROM sniff_csv('{secret}')"),
        format!("SELECT * FROM '{secret}'"),
        format!("SELECT * FROM \"{secret}\""),
        "SELECT * FROM 'items.csv'".to_owned(),
        "SELECT * FROM glob('/etc/*')".to_owned(),
        "SELECT * FROM query('SELECT 1')".to_owned(),
        "SELECT * FROM query_table('items')".to_owned(),
        "SELECT * FROM duckdb_settings()".to_owned(),
        "SELECT * FROM duckdb_secrets()".to_owned(),
        "SELECT * FROM pg_catalog.pg_class".to_owned(),
        "SELECT * FROM information_schema.tables".to_owned(),
        "SELECT * FROM sqlite_master".to_owned(),
        "SELECT * FROM temp.main.x".to_owned(),
        "SELECT getenv('HOME')".to_owned(),
        "SELECT current_setting('temp_directory')".to_owned(),
        "SELECT getvariable('x')".to_owned(),
        "SET VARIABLE x = 1".to_owned(),
        "SET memory_limit = '100GB'".to_owned(),
        "RESET lock_configuration".to_owned(),
        "PRAGMA enable_profiling".to_owned(),
        format!("ATTACH '{to}' AS y"),
        "ATTACH ':memory:' AS y".to_owned(),
        "CREATE TABLE y AS SELECT 1".to_owned(),
        "CREATE TEMP TABLE y AS SELECT 1".to_owned(),
        "CREATE MACRO sum(x) AS (SELECT 1)".to_owned(),
        "INSERT INTO items VALUES (4, 'x', 1)".to_owned(),
        "UPDATE items SET price = 0".to_owned(),
        "DELETE FROM orders".to_owned(),
        "DROP VIEW items".to_owned(),
        "TRUNCATE orders".to_owned(),
        "PREPARE p AS SELECT 1".to_owned(),
        "EXECUTE p".to_owned(),
        "CALL pragma_version()".to_owned(),
        "LOAD httpfs".to_owned(),
        "INSTALL httpfs".to_owned(),
        "FORCE CHECKPOINT".to_owned(),
        "CHECKPOINT".to_owned(),
        "VACUUM".to_owned(),
        "BEGIN; SELECT 1".to_owned(),
        "COMMIT; DROP VIEW items".to_owned(),
        "EXPLAIN ANALYZE SELECT 1".to_owned(),
        "SHOW TABLES".to_owned(),
        "DESCRIBE items".to_owned(),
        "SUMMARIZE items".to_owned(),
        "SELECT * FROM items WHERE id = $1".to_owned(),
        "SELECT * FROM items WHERE id = ?".to_owned(),
        "SELECT random()".to_owned(),
        "SELECT nextval('s')".to_owned(),
        "SELECT sleep_ms(100)".to_owned(),
        "SELECT write_log('x')".to_owned(),
        "SELECT error('x')".to_owned(),
        "SELECT json_serialize_plan('SELECT 1')".to_owned(),
        "SELECT * FROM items USING SAMPLE 1".to_owned(),
        "SELECT * FROM items TABLESAMPLE 10%".to_owned(),
        "PIVOT items ON name".to_owned(),
        "SELECT 1) AS q(c0); COPY items TO 'x'; SELECT * FROM (SELECT 1".to_owned(),
        "SELECT 1 /*".to_owned(),
        "SELECT 1\0; DROP VIEW items".to_owned().replace('\0', "\u{1}"),
        String::new(),
        ";;".to_owned(),
        "-- nothing".to_owned(),
        // A CTE's name is a table's only where the CTE can be seen.
        "SELECT * FROM (WITH duckdb_logs AS (SELECT 1) FROM duckdb_logs), duckdb_logs".to_owned(),
        "WITH a AS (FROM pg_class), pg_class AS (SELECT 1) FROM a".to_owned(),
        "WITH pg_class AS (FROM pg_class) FROM pg_class".to_owned(),
        format!("SELECT {}1", "(".repeat(2_000)),
        format!("SELECT {}1{}", "(SELECT ".repeat(200), ")".repeat(200)),
        format!("SELECT '{}'", "x".repeat(guard::LONGEST)),
    ];
    for sql in &attacks {
        assert!(refused(&shop, sql), "not refused: {sql}");
    }
    assert!(!target.exists());
    assert_eq!(fs::read(shop.path("items.csv")).unwrap(), items);
    let mut after: BTreeSet<_> = fs::read_dir(shop.path("")).unwrap().map(|e| e.unwrap().file_name()).collect();
    after.remove(std::ffi::OsStr::new("state"));
    assert_eq!(after, before);
}

#[test]
fn ordinary_queries_pass() {
    let shop = Shop::new();
    for sql in [
        "FROM items",
        "SELECT 1 -- a comment",
        "SELECT ';' AS x;",
        "(SELECT 1 AS x UNION ALL SELECT 2) ORDER BY x",
        "VALUES (1, 'a'), (2, 'b')",
        "WITH a AS (SELECT * FROM items), b AS (SELECT count(*) AS n FROM a) SELECT * FROM a, b",
        "WITH RECURSIVE t(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM t WHERE x < 5) SELECT sum(x) FROM t",
        "SELECT name, row_number() OVER (ORDER BY price DESC NULLS LAST), sum(price) OVER (ROWS UNBOUNDED PRECEDING) FROM items",
        "SELECT date_trunc('hour', placed::TIMESTAMP), count(*) FILTER (WHERE total > 5) FROM orders GROUP BY 1 HAVING count(*) > 0 ORDER BY 1",
        "SELECT quantile_cont(total, 0.95), median(total), approx_quantile(total, 0.5) FROM orders",
        "SELECT * EXCLUDE (price) REPLACE (upper(name) AS name) FROM items WHERE name ILIKE '%a%' AND price BETWEEN 1 AND 100",
        "SELECT c.name FROM customer c WHERE EXISTS (SELECT 1 FROM orders o WHERE o.customer_id = c.id) AND c.id NOT IN (SELECT 7)",
        "SELECT CASE WHEN id = 1 THEN 'one' ELSE 'more' END, coalesce(price, 0), nullif(id, 2), {'a': id}, [id], id::VARCHAR FROM items",
        "SELECT unnest([1, 2]), list_transform([1, 2], lambda x: x + 1)",
        "SELECT d FROM range(DATE '2026-01-01', DATE '2026-02-01', INTERVAL 1 DAY) r(d)",
        "SELECT * FROM items i LEFT JOIN orders o ON o.id = i.id, LATERAL (SELECT i.id + 1)",
        "SELECT name, price FROM items QUALIFY rank() OVER (ORDER BY price) = 1",
        "SELECT EXTRACT(dow FROM DATE '2026-03-01'), strftime(DATE '2026-03-01', '%Y'), now() > TIMESTAMP '2020-01-01'",
        "SELECT count(*) FROM main.items",
    ] {
        assert!(!refused(&shop, sql), "refused: {sql}");
    }
}

/// What DuckDB itself says that it has.
fn functions(kind: &str) -> BTreeSet<String> {
    let duckdb = duckdb::Connection::open_in_memory().unwrap();
    let mut statement =
        duckdb.prepare("SELECT DISTINCT function_name FROM duckdb_functions() WHERE function_type = ?").unwrap();
    statement.query_map([kind], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

#[test]
fn every_function_that_may_be_called_is_pure() {
    let duckdb = duckdb::Connection::open_in_memory().unwrap();
    let mut statement = duckdb
        .prepare(
            "SELECT DISTINCT function_name FROM duckdb_functions()
             WHERE function_type IN ('scalar', 'aggregate') AND (stability = 'VOLATILE' OR has_side_effects)",
        )
        .unwrap();
    let volatile: Vec<String> = statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert!(volatile.len() > 10, "{volatile:?}");
    let allowed: Vec<&String> = volatile.iter().filter(|f| guard::is_allowed(f)).collect();
    assert!(allowed.is_empty(), "volatile and allowed: {allowed:?}");
    // Whatever speaks of the session, settings or the catalogue by its name.
    for kind in ["scalar", "aggregate", "macro"] {
        for name in functions(kind).iter().filter(|f| guard::is_allowed(f)) {
            for part in [
                "setting",
                "variable",
                "secret",
                "privilege",
                "visible",
                "session",
                "catalog",
                "database",
                "schema",
                "serialize",
                "__internal",
                "pg_get",
                "sleep",
                "log_message",
            ] {
                assert!(!name.contains(part), "{name} is allowed");
            }
        }
    }
    for name in functions("pragma") {
        assert!(!guard::TABLE_FUNCTIONS.contains(&name.as_str()));
    }
}

#[test]
fn every_function_of_the_catalogue_that_is_not_listed_is_refused_when_called() {
    let shop = Shop::new();
    let known = |_: &guard::Named| false;
    let duckdb = duckdb::Connection::open_in_memory().unwrap();
    let tree = |sql: &str| -> serde_json::Value {
        let text: String = duckdb.query_row("SELECT json_serialize_sql(?::VARCHAR)", [sql], |row| row.get(0)).unwrap();
        serde_json::from_str(&text).unwrap()
    };
    let mut called = 0;
    for kind in ["scalar", "aggregate", "macro"] {
        for name in functions(kind) {
            let tree = tree(&format!("SELECT \"{name}\"('x')"));
            if tree["error"] == true {
                continue;
            }
            called += 1;
            let passed = guard::check(&tree, &known).is_ok();
            // The parser makes an operator of its own of some of them, such as `coalesce`.
            let seen = tree.to_string().contains(&format!("\"function_name\":\"{}\"", name.to_lowercase()));
            assert!(!passed || guard::is_allowed(&name) || !seen, "{kind} {name} passes");
        }
    }
    assert!(called > 500, "{called}");
    for kind in ["table", "table_macro", "pragma"] {
        for name in functions(kind) {
            let tree = tree(&format!("SELECT * FROM \"{name}\"('x')"));
            assert_eq!(guard::check(&tree, &known).is_ok(), guard::TABLE_FUNCTIONS.contains(&name.as_str()), "{name}");
        }
    }
    // The same through the program, for those that would do most harm.
    for name in ["read_text", "glob", "parquet_scan", "duckdb_secrets", "which_secret", "query"] {
        assert!(refused(&shop, &format!("SELECT * FROM {name}('x')")), "{name}");
    }
}

#[test]
fn every_kind_of_statement_but_select_is_refused() {
    let duckdb = duckdb::Connection::open_in_memory().unwrap();
    // One of each type that DuckDB's parser knows (its StatementType), but SELECT.
    for sql in [
        "INSERT INTO t VALUES (1)",
        "UPDATE t SET a = 1",
        "CREATE TABLE t (a INT)",
        "DELETE FROM t",
        "PREPARE p AS SELECT 1",
        "EXECUTE p",
        "ALTER TABLE t ADD b INT",
        "BEGIN",
        "COPY t TO 'x'",
        "ANALYZE",
        "SET VARIABLE a = 1",
        "CREATE FUNCTION f() AS 1",
        "EXPLAIN SELECT 1",
        "DROP TABLE t",
        "EXPORT DATABASE 'x'",
        "IMPORT DATABASE 'x'",
        "PRAGMA version",
        "VACUUM",
        "CALL range(1)",
        "SET threads = 1",
        "LOAD json",
        "ATTACH ':memory:' AS x",
        "DETACH x",
        "COPY FROM DATABASE a TO b",
        "UPDATE EXTENSIONS",
        "MERGE INTO t USING s ON true WHEN MATCHED THEN DELETE",
        "USE memory",
        "CHECKPOINT",
        "ROLLBACK",
        "DEALLOCATE p",
        "INSTALL json",
        "COMMENT ON TABLE t IS 'x'",
        "RESET threads",
        "CREATE SECRET (TYPE s3)",
        "PIVOT t ON a",
        "TRUNCATE t",
        "CREATE VIEW v AS SELECT 1",
        "CREATE SEQUENCE s",
        "CREATE TYPE e AS ENUM ('a')",
    ] {
        let text: String = duckdb.query_row("SELECT json_serialize_sql(?::VARCHAR)", [sql], |row| row.get(0)).unwrap();
        let tree = serde_json::from_str(&text).unwrap();
        assert!(guard::check(&tree, &|_| true).is_err(), "{sql}");
    }
}

#[test]
fn a_database_cannot_smuggle_in_what_it_holds() {
    let shop = Shop::new();
    // A view that reads a file, a macro with the name of a function, odd names of tables and columns.
    let csv = shop.path("items.csv");
    duckdb_file(
        &shop.path("evil.duckdb"),
        &format!(
            "CREATE VIEW passwords AS SELECT * FROM read_csv('{}'); CREATE MACRO sum(x) AS 'owned';
             CREATE TABLE \"a\"\"; DROP TABLE b; --\" (\"x\"\"y\" INT, \"select\" INT); INSERT INTO \"a\"\"; DROP TABLE b; --\" VALUES (1, 2);
             CREATE TABLE b AS SELECT 1 AS x",
            csv.display()
        ),
    );
    fs::remove_file(&csv).unwrap();
    let run = shop.sql(&["evil.duckdb"], "SELECT * FROM passwords");
    assert_ne!(run.code, Some(0), "{}", run.stdout);
    assert_eq!(shop.rows(&["evil.duckdb"], "SELECT sum(x) FROM b"), serde_json::json!([[1]]));
    assert_eq!(
        shop.rows(&["evil.duckdb"], "SELECT sum(\"x\"\"y\"), max(\"select\") FROM \"a\"\"; DROP TABLE b; --\""),
        serde_json::json!([[1, 2]])
    );
}
