//! Memory, time, rows and bytes: what takes too much is ended, and the message says so.

use super::Shop;

#[test]
fn rows_and_bytes_are_capped_and_it_is_said() {
    let shop = Shop::new();
    let run = shop
        .query(&["items.csv"])
        .args(["--format", "csv", "--limit", "2", "--sql", "SELECT * FROM range(5)"])
        .run()
        .success();
    assert_eq!(run.stdout, "range\r\n0\r\n1\r\n");
    assert!(run.stderr.contains("truncated after 2 rows"), "{}", run.stderr);
    shop.query(&["items.csv"])
        .args(["--format", "csv", "--limit", "2", "--sql", "SELECT * FROM range(2)"])
        .run()
        .success()
        .stdout_has("1\r\n");
    let large = shop
        .query(&["items.csv"])
        .args(["--format", "jsonl", "--sql", "SELECT repeat('x', 1000000) AS x FROM range(200)"])
        .run()
        .success();
    assert!(large.stderr.contains("truncated after 6"), "{}", large.stderr);
    assert!(large.stdout.len() < 70_000_000);
    // Into a file goes everything.
    shop.query(&["items.csv"])
        .args(["--format", "csv", "-o", "all.csv", "--sql", "SELECT * FROM range(20000)"])
        .run()
        .success();
    assert_eq!(std::fs::read_to_string(shop.path("all.csv")).unwrap().lines().count(), 20_001);
}

#[test]
fn endless_queries_end() {
    let shop = Shop::new();
    for sql in [
        "SELECT count(*) FROM range(1000000000000)",
        "WITH RECURSIVE t AS (SELECT 1 AS x UNION ALL SELECT x + 1 FROM t) SELECT count(*) FROM t",
        "SELECT sum(levenshtein(repeat('ab', 4000), repeat('ba', 4000) || i)) FROM range(100000) r(i)",
        "SELECT count(*) FROM range(100000) a, range(100000) b, range(100000) c",
    ] {
        let run = shop.query(&["items.csv"]).args(["--timeout", "500ms", "--sql", sql]).run().code(1);
        assert!(run.stderr.contains("took longer") || run.stderr.contains("memory"), "{sql}: {}", run.stderr);
    }
}

#[test]
fn memory_bombs_end_within_the_limit() {
    let shop = Shop::new();
    let list = (0..8_000).map(|i| i.to_string()).collect::<Vec<_>>().join(",");
    for sql in [
        "SELECT repeat('x', 4000000000)",
        "SELECT list(i) FROM range(2000000000) r(i)",
        "SELECT string_agg(repeat('x', 100000), '') FROM range(1000000)",
        "SELECT lpad('', 2000000000, 'x') || lpad('', 2000000000, 'y')",
        "SELECT range(3000000000)",
        "SELECT list_transform(range(500000000), lambda x: x || 'aaaaaaaaaaaaaaaaaaaaaaa')",
        "WITH a AS (SELECT repeat('x', 100000000) AS x) SELECT x || x || x || x || x || x || x || x || x || x || x || x FROM a",
    ] {
        let run = shop
            .query(&["items.csv"])
            .args(["--memory", "128MB", "--threads", "2", "--timeout", "20s", "--sql", sql])
            .run()
            .code(1);
        let told = ["memory", "took longer", "too large", "exceed", "out of range", "more than", "maximum", "limit"];
        assert!(told.iter().any(|t| run.stderr.contains(t)), "{sql}: {}", run.stderr);
    }
    // What is only large still works.
    shop.query(&["items.csv"])
        .args(["--memory", "128MB", "--sql", &format!("SELECT count(*) FROM range(100000) r(i) WHERE i IN ({list})")])
        .run()
        .success()
        .stdout_has("8000");
    shop.query(&["items.csv"])
        .args([
            "--memory",
            "128MB",
            "--sql",
            "SELECT count(DISTINCT i::VARCHAR || 'some more text') FROM range(3000000) r(i)",
        ])
        .run()
        .success()
        .stdout_has("3000000");
}
