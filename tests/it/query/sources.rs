//! Every kind of source, whole and damaged.

use super::{Shop, duckdb_file};
use crate::support::Postgres;
use serde_json::json;
use std::fs;

#[test]
fn files_of_every_format_are_tables_by_their_names() {
    let shop = Shop::new();
    assert_eq!(
        shop.rows(&["items.csv"], "SELECT name, price FROM items WHERE id > 1 ORDER BY id"),
        json!([["chair, red", 35.0], ["table", null]])
    );
    assert_eq!(
        shop.rows(&["visits.ndjson"], "SELECT status, item.id, \"at\" FROM visits ORDER BY 1 DESC LIMIT 1"),
        json!([[500, 2, "2026-03-02 11:00:00"]])
    );
    duckdb_file(
        &shop.path("other.duckdb"),
        &format!(
            "CREATE TABLE t AS FROM read_csv('{}'); CREATE SCHEMA s; CREATE TABLE s.t AS SELECT 7 AS x",
            shop.path("items.csv").display()
        ),
    );
    assert_eq!(shop.rows(&["other.duckdb"], "SELECT (SELECT count(*) FROM t), x FROM other.s.t"), json!([[3, 7]]));
    shop.query(&["items.csv"])
        .args(["--format", "parquet", "-o", "items.parquet", "--sql", "FROM items"])
        .run()
        .success();
    assert_eq!(shop.rows(&["p=items.parquet"], "SELECT sum(price) FROM p"), json!([[55.5]]));
    // Two sources of one name keep apart.
    assert_eq!(
        shop.rows(&["items.csv", "items.parquet"], "SELECT (SELECT count(*) FROM items) + count(*) FROM items_2"),
        json!([[6]])
    );
}

#[test]
fn stdin_is_a_source_whatever_its_format() {
    let shop = Shop::new();
    for file in ["items.csv", "visits.ndjson"] {
        let run = shop.query(&["-"]).args(["--format", "csv", "--sql", "SELECT count(*) AS n FROM stdin"]);
        let rows = run.stdin(fs::read(shop.path(file)).unwrap()).run().success().stdout;
        assert_eq!(rows, if file == "items.csv" { "n\r\n3\r\n" } else { "n\r\n2\r\n" });
    }
    shop.query(&["-"]).args(["--sql", "SELECT 1"]).run().code(64).stderr_has("stdin is empty");
}

#[test]
fn a_folder_of_files_alike_is_one_table_and_else_one_each() {
    let shop = Shop::new();
    for day in 1..=3 {
        shop.write(&format!("logs/day={day}/log.csv"), &format!("ms\n{day}0\n"));
    }
    assert_eq!(shop.rows(&["logs"], "SELECT day, ms FROM logs ORDER BY day"), json!([[1, 10], [2, 20], [3, 30]]));
    assert_eq!(shop.rows(&["logs/**/*.csv"], "SELECT count(*) FROM logs"), json!([[3]]));
    assert_eq!(shop.rows(&["two=logs/day=[12]/*.csv"], "SELECT sum(ms) FROM two"), json!([[30]]));
    shop.write("mixed/a.csv", "x\n1\n");
    shop.write("mixed/b.csv", "y\n2\n");
    assert_eq!(shop.rows(&["mixed"], "SELECT x, y FROM a, b"), json!([[1, 2]]));
    shop.sql(&["nothing/*.csv"], "SELECT 1").code(64).stderr_has("no data file fits");
}

#[test]
fn sqlite_keeps_declared_types_and_falls_back_where_values_do_not_fit() {
    let shop = Shop::new();
    let types = shop.rows(
        &["sqlite:orders.db"],
        "SELECT typeof(id), typeof(placed), typeof(total), typeof(note), note FROM orders ORDER BY id",
    );
    assert_eq!(types[0], json!(["BIGINT", "VARCHAR", "DOUBLE", "VARCHAR", "x"]));
    assert_eq!(types[1][4], json!("5"));
    // By its content, under a name of its own, and qualified.
    assert_eq!(
        shop.rows(&["shop=orders.db"], "SELECT c.name, sum(o.total) FROM shop.customer c JOIN orders o ON o.customer_id = c.id GROUP BY 1 ORDER BY 1"),
        json!([["Ada", 30.5], ["Grace", null]])
    );
    assert_eq!(shop.rows(&["orders.db"], "SELECT count(*) FROM orders"), json!([[3]]));
    let before = fs::read(shop.path("orders.db")).unwrap();
    shop.sql(&["orders.db"], "DELETE FROM orders").code(20);
    assert_eq!(fs::read(shop.path("orders.db")).unwrap(), before);
    assert!(!shop.path("orders.db-journal").exists());
}

#[test]
fn sources_come_from_the_configuration_too() {
    let shop = Shop::new();
    shop.write("llmsql.toml", "[sources]\nthings = \"items.csv\"\nshop = \"sqlite:orders.db\"\n");
    assert_eq!(
        shop.rows(&[], "SELECT (SELECT count(*) FROM things), (SELECT count(*) FROM customer)"),
        json!([[3, 2]])
    );
    assert_eq!(shop.rows(&["things"], "SELECT count(*) FROM things"), json!([[3]]));
    shop.sql(&["things"], "SELECT count(*) FROM customer").code(20).stderr_has("no table \"customer\"");
    fs::remove_file(shop.path("llmsql.toml")).unwrap();
    shop.sql(&[], "SELECT 1").code(64).stderr_has("there is no source");
}

#[test]
fn what_cannot_be_read_is_said_with_its_place() {
    let shop = Shop::new();
    shop.sql(&["gone.csv"], "SELECT 1").code(64).stderr_has("gone.csv: there is no such file");
    shop.sql(&["https://host/x.csv"], "SELECT 1").code(64).stderr_has("https:// is no source");
    fs::write(shop.path("broken.parquet"), b"PAR1 this is no Parquet at all PAR1").unwrap();
    shop.sql(&["broken.parquet"], "SELECT 1").code(1).stderr_has("broken.parquet").stderr_has("cannot be read");
    fs::write(shop.path("broken.db"), [b"SQLite format 3\0".as_slice(), &[7; 4096]].concat()).unwrap();
    shop.sql(&["broken.db"], "SELECT 1").code(1).stderr_has("broken.db").stderr_has("integrity_check");
    let mut fickle = String::from("a,b\n");
    for i in 0..50_000 {
        fickle += &format!("{i},{i}\n");
    }
    // Quotes that come late are no change of mind.
    shop.write("late.csv", &format!("{fickle}\"7\",\"8\"\n"));
    assert_eq!(shop.rows(&["late.csv"], "SELECT count(*), max(b) FROM late"), json!([[50_001, 49_999]]));
    fickle += "what,is,this,then\n";
    shop.write("fickle.csv", &fickle);
    shop.sql(&["fickle.csv"], "SELECT sum(a) FROM fickle").code(1).stderr_has("50002");
    shop.sql(&["postgres://nobody@127.0.0.1:1/none"], "SELECT 1").code(1).stderr_has("127.0.0.1:1");
}

#[test]
fn a_duckdb_file_that_is_being_written_is_locked_and_not_harmed() {
    let shop = Shop::new();
    let path = shop.path("busy.duckdb");
    duckdb_file(&path, "CREATE TABLE t AS SELECT 1 AS x");
    let writer = duckdb::Connection::open(&path).unwrap();
    writer.execute_batch("INSERT INTO t VALUES (2)").unwrap();
    shop.sql(&["busy.duckdb"], "FROM t").code(11).stderr_has("another program");
    drop(writer);
    assert_eq!(shop.rows(&["busy.duckdb"], "SELECT sum(x) FROM t"), json!([[3]]));
}

#[test]
fn postgresql_types_arrive_exactly_and_nothing_is_written() {
    let server = Postgres::new(18).start();
    server.query(
        "CREATE SCHEMA analytics; CREATE TYPE mood AS ENUM ('good', 'bad');
         CREATE TABLE analytics.query_logs (log_id bigserial PRIMARY KEY, user_query text, execution_time_ms numeric(12,3),
           status varchar(20), created_at timestamptz, day date, ok boolean, tags text[], body jsonb, m mood, big numeric, u uuid, t time, f real);
         INSERT INTO analytics.query_logs (user_query, execution_time_ms, status, created_at, day, ok, tags, body, m, big, u, t, f) VALUES
           ('a\"b', 123456789.125, 'success', '2026-03-01 10:00:00+00', '1999-12-31', true, '{x,y}', '{\"k\": 1}', 'bad', 1.5, '00000000-0000-0000-0000-000000000001', '10:11:12', 0.5),
           (NULL, NULL, 'failed', '-infinity', 'infinity', false, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
         CREATE TABLE users (id int PRIMARY KEY); CREATE TABLE posts (id int, user_id int REFERENCES users);
         CREATE ROLE reader LOGIN; GRANT USAGE ON SCHEMA analytics TO reader; GRANT SELECT ON analytics.query_logs TO reader",
    );
    let shop = Shop::new();
    let source = format!("pg={}", server.dsn());
    let rows = shop.rows(
        &[&source],
        "SELECT user_query, execution_time_ms, status, created_at, day, ok, tags, body, m, big, u, t, f, typeof(execution_time_ms)
         FROM pg.analytics.query_logs ORDER BY log_id",
    );
    let first = &rows[0];
    assert_eq!(first[0], json!("a\"b"));
    assert_eq!(first[1], json!(123_456_789.125));
    assert!(first[3].as_str().unwrap().starts_with("2026-03-01 1"), "{first}");
    assert_eq!(first[4], json!("1999-12-31"));
    assert_eq!(first[6], json!("{x,y}"));
    assert_eq!(first[7], json!({"k": 1}));
    assert_eq!(
        (first[8].clone(), first[9].clone(), first[11].clone(), first[12].clone()),
        (json!("bad"), json!(1.5), json!("10:11:12"), json!(0.5))
    );
    assert_eq!(first[13], json!("DECIMAL(12,3)"));
    assert_eq!((rows[1][3].clone(), rows[1][4].clone()), (json!("-infinity"), json!("infinity")));
    // A role sees what it may read.
    let reader = format!("pg={}", server.dsn().replacen("postgres@", "reader@", 1));
    shop.sql(&[&reader], "SELECT count(*) FROM users").code(20);
    assert_eq!(shop.rows(&[&reader], "SELECT count(*) FROM query_logs"), json!([[2]]));
}

#[test]
fn times_of_the_journal_are_times() {
    let shop = Shop::new();
    let line = |micros: u64, message: &str| {
        format!(
            "{{\"__CURSOR\":\"c\",\"__REALTIME_TIMESTAMP\":\"{micros}\",\"PRIORITY\":\"3\",\"MESSAGE\":\"{message}\"}}\n"
        )
    };
    shop.write("journal.ndjson", &(line(1_772_362_800_000_001, "a") + &line(1_772_449_200_000_000, "b")));
    let sql = "SELECT MESSAGE, epoch_us(__REALTIME_TIMESTAMP) FROM journal WHERE __REALTIME_TIMESTAMP < '2026-03-02'";
    assert_eq!(shop.rows(&["journal.ndjson"], sql), serde_json::json!([["a", 1_772_362_800_000_001_u64]]));
    let run = shop.query(&["journal.ndjson"]).args(["--now", "2026-03-02T23:00:00Z", "how many entries yesterday?"]);
    run.run().success().stdout_has("1").stderr_has("2026-03-01");
}
