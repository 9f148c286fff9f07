//! `llmsql duckdb`, and what DuckDB is given on this host.

use super::{Shop, duckdb_file};
use serde_json::json;

#[test]
fn a_file_is_shown_and_maintained() {
    let shop = Shop::new();
    let path = shop.path("a.duckdb");
    duckdb_file(
        &path,
        "CREATE TABLE t AS SELECT i, i % 7 AS k FROM range(100000) r(i); CREATE SCHEMA s; CREATE TABLE s.u AS SELECT 1 AS x; DELETE FROM t WHERE k = 3",
    );
    {
        // A WAL that a program has left when it was killed.
        let duckdb = duckdb::Connection::open(&path).unwrap();
        duckdb
            .execute_batch(
                "SET checkpoint_threshold = '1GB'; PRAGMA disable_checkpoint_on_shutdown; INSERT INTO s.u VALUES (2)",
            )
            .unwrap();
    }
    let wal = shop.path("a.duckdb.wal");
    assert!(wal.exists());
    let bytes = std::fs::read(&path).unwrap();
    let shown = shop.command("duckdb").args(["check", "a.duckdb", "--format", "json"]).run().success().json();
    let names: Vec<&str> =
        shown["files"][0]["tables"].as_array().unwrap().iter().map(|t| t["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["s.u", "t"]);
    assert!(shown["given"]["memory"].is_null(), "{shown}");
    assert!(shown["files"][0]["wal_bytes"].as_u64().unwrap() > 0);
    assert_eq!(std::fs::read(&path).unwrap(), bytes, "check has written");
    let run = shop.command("duckdb").args(["maintain", "a.duckdb"]).run().success();
    run.stdout_has("before:").stdout_has("s.u: 2 rows");
    assert!(!wal.exists() || std::fs::metadata(&wal).unwrap().len() == 0);
    assert_eq!(shop.rows(&["a.duckdb"], "SELECT count(*) FROM t"), json!([[85714]]));
}

#[test]
fn what_cannot_be_maintained_is_said() {
    let shop = Shop::new();
    shop.command("duckdb").args(["check", "gone.duckdb"]).run().code(64).stderr_has("no such file");
    shop.command("duckdb").args(["maintain", "items.csv"]).run().code(64).stderr_has("no DuckDB file");
    let path = shop.path("busy.duckdb");
    let _writer = duckdb::Connection::open(&path).unwrap();
    shop.command("duckdb").args(["maintain", "busy.duckdb"]).run().code(11).stderr_has("another program");
}

#[test]
fn queries_get_what_the_plan_gives_duckdb() {
    let shop = Shop::new();
    let limit = |shop: &Shop| {
        let bomb = "SELECT list(i) FROM range(2000000000) r(i)";
        shop.query(&["items.csv"]).args(["--timeout", "30s", "--sql", bomb]).run().code(1).stderr
    };
    shop.write(
        "llmsql.toml",
        "[host]\ncomponents = [\"duckdb\"]\nram = \"4GB\"\n[duckdb]\nmemory_limit = \"96MB\"\nthreads = 1\n",
    );
    let said = limit(&shop);
    assert!(said.contains("96.0 MiB") || said.contains("100.6 MB"), "{said}");
    let shown = shop.command("duckdb").args(["check", "x.duckdb", "--format", "json"]);
    duckdb_file(&shop.path("x.duckdb"), "CREATE TABLE t AS SELECT 1 AS x");
    let shown = shown.run().success().json();
    assert_eq!((&shown["given"]["memory"], &shown["given"]["threads"]), (&json!(96 << 20), &json!(1)));
    // A flag says otherwise.
    let bomb = "SELECT list(i) FROM range(2000000000) r(i)";
    let run = shop.query(&["items.csv"]).args(["--memory", "64MB", "--timeout", "30s", "--sql", bomb]).run().code(1);
    assert!(run.stderr.contains("64.0 MiB") || run.stderr.contains("67.1 MB"), "{}", run.stderr);
}
