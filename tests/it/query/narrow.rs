//! Only the rows and columns that a question needs leave their source, and the answers are the same.

use super::Shop;
use crate::support::Postgres;
use serde_json::json;

/// What the server was asked to copy.
fn copies(server: &Postgres) -> Vec<String> {
    let log = server.log();
    let copied = log.lines().filter_map(|l| l.split_once("COPY (SELECT ").map(|(_, select)| select.to_owned()));
    copied.collect()
}

#[test]
fn a_server_is_asked_for_the_rows_and_columns_of_the_question() {
    let server = Postgres::new(18).config("log_statement = all").start();
    server.query(
        "CREATE TABLE hits (id bigint PRIMARY KEY, seen timestamptz, day date, path text, status int, ms numeric(10,2), big numeric, note text);
         INSERT INTO hits SELECT i, '2026-03-01'::timestamptz + i * interval '1 min', '2026-03-01'::date + i / 1440, '/p' || i % 7,
           CASE WHEN i % 50 = 0 THEN 500 ELSE 200 END, i % 1000 / 4.0, i / 3.0, repeat('x', 100)
         FROM generate_series(0, 39999) i; ANALYZE hits",
    );
    let shop = Shop::new();
    let source = format!("pg={}", server.dsn());
    // What the server itself answers is what is answered here.
    for (sql, shown) in [
        ("SELECT count(*) FROM hits WHERE status = 500", "\"status\" = 500"),
        (
            "SELECT count(*), max(id) FROM hits WHERE path IN ('/p1', '/p3') AND ms < 100.25",
            "\"path\"::text = '/p1' OR",
        ),
        (
            "SELECT count(*) FROM hits WHERE day >= DATE '2026-03-05' AND day < DATE '2026-03-07'",
            "\"day\" >= '2026-03-05'",
        ),
        ("SELECT count(*) FROM hits WHERE big > 100.5", "\"big\"::float8 > 100.5"),
        ("SELECT count(*) FROM hits h WHERE 39990 <= h.id", "\"id\" >= 39990"),
        ("SELECT count(*) FROM (SELECT path FROM hits WHERE status = 500) q WHERE path = '/p2'", "\"status\" = 500"),
        ("SELECT count(*) FROM hits WHERE seen >= TIMESTAMP '2026-03-20 10:00:00'", "interval '3h'"),
    ] {
        let before = copies(&server).len();
        let here = shop.rows(&[&source], sql);
        let there = server.query(sql).replace('|', ",");
        assert_eq!(here.to_string(), format!("[[{there}]]"), "{sql}");
        let asked = copies(&server)[before..].join("\n");
        assert!(asked.contains(shown), "{sql}: {asked}");
        assert!(!asked.contains("\"note\""), "{sql}: {asked}");
    }
    let before = copies(&server).len();
    assert_eq!(shop.rows(&[&source], "SELECT id FROM hits LIMIT 3").as_array().unwrap().len(), 3);
    let asked = copies(&server)[before..].join("\n");
    assert!(asked.contains("LIMIT 3") && !asked.contains("path"), "{asked}");
    // Groups are made of all rows.
    let paths = "SELECT path FROM hits GROUP BY ALL LIMIT 6";
    assert_eq!(shop.rows(&[&source], paths).as_array().unwrap().len(), 6);
    let run = shop.query(&[&source]).args(["--limit", "5", "--format", "csv", "--sql", "FROM hits"]).run().success();
    assert_eq!(run.stdout.lines().count(), 6);
    run.stderr_has("truncated after 5 rows");
    assert!(copies(&server).last().unwrap().contains("LIMIT 6"));
    // A table that occurs twice is needed whole, whatever one of its places says.
    assert_eq!(
        shop.rows(&[&source], "SELECT (SELECT count(*) FROM hits WHERE status = 500), count(*) FROM hits"),
        json!([[800, 40000]])
    );
}

#[test]
fn sqlite_is_asked_the_same_and_odd_values_are_not_lost() {
    let shop = Shop::new();
    let sqlite = rusqlite::Connection::open(shop.path("odd.db")).unwrap();
    sqlite
        .execute_batch(
            "CREATE TABLE t (n INTEGER, x, s TEXT, seen TEXT);
             INSERT INTO t VALUES (1, 5, 'a', '2026-03-01 10:00:00'), (2, '5', 'A', '2026-03-02T10:00:00'),
               (3, 5.0, 'it''s', '2026-03-03'), (4, NULL, NULL, NULL), (5, x'35', 'b\\c', '2026-03-05 00:00:00');
             CREATE TABLE many (n INTEGER, s TEXT);
             WITH RECURSIVE i(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM i WHERE n < 250000)
             INSERT INTO many SELECT n, 's' || (n % 10) FROM i;",
        )
        .unwrap();
    for (sql, rows) in [
        ("SELECT n FROM t WHERE n >= 4 ORDER BY n", json!([[4], [5]])),
        ("SELECT n FROM t WHERE s = 'A'", json!([[2]])),
        ("SELECT n FROM t WHERE s = 'it''s'", json!([[3]])),
        ("SELECT n FROM t WHERE s = 'b\\c'", json!([[5]])),
        ("SELECT n FROM t WHERE x = '5' ORDER BY n", json!([[1], [2], [3], [5]])),
        (
            "SELECT n FROM t WHERE seen::TIMESTAMP >= TIMESTAMP '2026-03-02' AND seen IS NOT NULL ORDER BY n",
            json!([[2], [3], [5]]),
        ),
        ("SELECT count(*) FROM many WHERE n > 249000 AND s IN ('s1', 's2')", json!([[200]])),
        ("SELECT count(*) FROM many", json!([[250000]])),
    ] {
        assert_eq!(shop.rows(&["odd.db"], sql), rows, "{sql}");
    }
    // A question looks into the data first, which makes dates of text.
    let answer = shop.query(&["odd.db"]).args(["--format", "json", "how many many are there?"]).run();
    assert!(matches!(answer.code, Some(0 | 20)));
}

#[test]
fn a_million_rows_come_over_in_bounded_memory() {
    let rows: u32 = if std::env::var_os("LLMSQL_EXTENDED").is_some() { 5_000_000 } else { 1_000_000 };
    let server = Postgres::new(18).config("fsync = off\nmax_wal_size = 4GB").start();
    server.query(&format!(
        "CREATE TABLE query_logs AS SELECT i AS log_id, 'SELECT ' || i % 1000 AS user_query, (i::bigint * 7919 % 100000) / 100.0 AS execution_time_ms,
           CASE WHEN i % 20 = 0 THEN 'failed' ELSE 'success' END AS status,
           timestamptz '2026-01-01' + i * interval '20 s' AS created_at FROM generate_series(1, {rows}) i; ANALYZE query_logs"
    ));
    let shop = Shop::new();
    let source = format!("pg={}", server.dsn());
    let sql = "SELECT status, count(*) FROM query_logs GROUP BY status ORDER BY status";
    let run = shop.query(&[&source]).args(["--memory", "128MB", "--format", "json", "--sql", sql]).run().success();
    assert_eq!(run.json()["rows"], json!([["failed", rows / 20], ["success", rows - rows / 20]]));
    let run = shop.query(&[&source]).args(["--memory", "256MB", "--format", "json", "how many query logs are there?"]);
    assert_eq!(run.run().success().json()["rows"], json!([[rows]]));
}
