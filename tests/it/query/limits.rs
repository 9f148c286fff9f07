//! Memory, time, rows and bytes: what takes too much is ended, and the message says so.

use super::Shop;
use crate::support::{Llmsql, wait_for};
use std::fs;
use std::io::Write;
use std::time::{Duration, SystemTime};

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
    assert_eq!(fs::read_to_string(shop.path("all.csv")).unwrap().lines().count(), 20_001);
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

#[test]
fn what_duckdb_does_not_count_is_limited_too() {
    // A chunk of 2048 such strings would be 2 GB, none of which DuckDB counts.
    let shop = Shop::new();
    shop.query(&["items.csv"])
        .args(["--memory", "128MB", "--threads", "1", "-o", "x.csv"])
        .args(["--sql", "SELECT repeat('x', 1000000) AS x FROM range(20000)"])
        .run()
        .code(1)
        .stderr_has("128 MB of memory")
        .stderr_has("raise --memory");
    assert!(!shop.path("x.csv").exists());
}

#[test]
fn nothing_is_left_of_a_query_that_was_ended() {
    let shop = Shop::new();
    fs::create_dir(shop.path("tmp")).unwrap();
    let bombs = [
        ("SELECT sum(levenshtein(repeat('ab', 4000), repeat('ba', 4000) || i)) FROM range(200000) r(i)", "took longer"),
        ("SELECT count(*) FROM (SELECT i, repeat('x', 1000) AS x FROM range(100000000) r(i) ORDER BY x, i DESC)", ""),
        ("SELECT list(i) FROM range(2000000000) r(i)", ""),
    ];
    for (sql, said) in bombs {
        let run = shop.query(&["items.csv"]).env("TMPDIR", shop.path("tmp"));
        let run = run.args(["--memory", "128MB", "--timeout", "1s", "--sql", sql]).run().code(1).stderr_has(said);
        assert!(run.stderr.contains("next:"), "{sql}: {}", run.stderr);
        assert_eq!(fs::read_dir(shop.path("tmp")).unwrap().count(), 0, "{sql}");
    }
    // No worker goes on: it would hold its folder open.
    let ours = shop.path("").display().to_string();
    for process in fs::read_dir("/proc").unwrap().flatten() {
        let environ = fs::read(process.path().join("environ")).unwrap_or_default();
        assert!(!String::from_utf8_lossy(&environ).contains(&ours), "{:?} goes on", process.path());
    }
}

#[test]
fn of_a_run_that_was_killed_the_next_day_leaves_nothing() {
    let shop = Shop::new();
    let tmp = shop.path("tmp");
    fs::create_dir(&tmp).unwrap();
    let endless = "SELECT sum(levenshtein(repeat('ab', 4000), repeat('ba', 4000) || i)) FROM range(2000000) r(i)";
    let run = shop.query(&["-"]).env("TMPDIR", &tmp).stdin("secret\n1\n").args(["--threads", "1", "--sql", endless]);
    let mut run = run.start();
    // The query runs when a thread waits for what the program says, and another one keeps the time.
    wait_for("the query to run", || {
        let threads = fs::read_dir(format!("/proc/{}/task", run.worker()?)).ok()?.count();
        (threads > 2).then_some(())
    });
    let folder = fs::read_dir(&tmp).unwrap().flatten().next().unwrap().path();
    assert!(folder.join("stdin").exists());
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&folder).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o700);
    run.kill();
    assert_eq!(run.wait().code, None);
    wait_for("its worker to notice", || (fs::read_dir(&folder).unwrap().count() == 0).then_some(()));
    let next = || shop.query(&["items.csv"]).env("TMPDIR", &tmp).args(["--sql", "SELECT 1"]).run().success();
    next();
    assert!(folder.exists());
    let yesterday = SystemTime::now() - Duration::from_secs(25 * 60 * 60);
    fs::File::open(&folder).unwrap().set_modified(yesterday).unwrap();
    next();
    assert_eq!(fs::read_dir(&tmp).unwrap().count(), 0);
}

#[test]
fn a_list_that_is_too_long_is_refused_before_it_is_parsed() {
    let shop = Shop::new();
    let list = (0..200_000).map(|i| i.to_string()).collect::<Vec<_>>().join(",");
    // As a file, since it is longer than an argument may be.
    let batch = serde_json::json!({"id": 1, "question": format!("how many items have id in ({list})?")}).to_string();
    let run = shop.query(&["items.csv"]).args(["--batch", "-"]).stdin(batch).run().success();
    assert!(run.stdout.contains("\"refused\""), "{}", &run.stdout[..run.stdout.len().min(300)]);
    let short = (0..20_000).map(|i| i.to_string()).collect::<Vec<_>>().join(",");
    let sql = format!("SELECT count(*) FROM items WHERE id IN ({short})");
    assert!(sql.len() > llmsql::query::guard::LONGEST);
    shop.sql(&["items.csv"], &sql).code(20).stderr_has("65536 are the most");
}

#[test]
fn nothing_half_written_is_left_of_a_run_that_was_interrupted() {
    let shop = Shop::new();
    std::fs::create_dir(shop.path("tmp")).unwrap();
    let left = |folder: &str| {
        let names = std::fs::read_dir(shop.path(folder)).unwrap().flatten().map(|e| e.file_name());
        names.map(|n| n.to_string_lossy().into_owned()).filter(|n| n.contains("llmsql-")).collect::<Vec<_>>()
    };
    let endless = "SELECT i, repeat('x', 100) AS x FROM range(1000000000000) r(i)";
    for name in ["big.csv", "big.parquet"] {
        let run = shop.query(&["items.csv"]).args(["-o", name, "--sql", endless]);
        let run = run.env("TMPDIR", shop.path("tmp")).start();
        let begun = |path: std::path::PathBuf| {
            std::fs::metadata(if path.is_dir() { path.join("result.parquet") } else { path }).is_ok_and(|m| m.len() > 0)
        };
        wait_for("something half written", || left("").iter().any(|n| begun(shop.path(n))).then_some(()));
        run.interrupt().code(130);
        assert_eq!((left(""), left("tmp")), (vec![], vec![]), "{name}");
    }
    // Stdin that does not end.
    std::fs::create_dir(shop.path("pipes")).unwrap();
    let pipe = shop.path("pipes/endless");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let writer = std::thread::spawn({
        let pipe = pipe.clone();
        move || std::fs::OpenOptions::new().write(true).open(pipe).and_then(|mut f| f.write_all(b"id\n1\n").map(|()| f))
    });
    let run = shop.query(&[pipe.to_str().unwrap()]).args(["--sql", "SELECT 1"]);
    let run = run.env("TMPDIR", shop.path("tmp")).start();
    let _open = writer.join().unwrap().unwrap();
    let spooled = || left("tmp").first().is_some_and(|n| shop.path(&format!("tmp/{n}/endless")).exists());
    wait_for("what was read", || spooled().then_some(()));
    run.interrupt().code(130);
    assert_eq!(left("tmp"), Vec::<String>::new());
}

#[test]
fn nothing_is_asked_any_more_when_nobody_reads_the_answers() {
    let shop = Shop::new();
    shop.write("batch.jsonl", &"{\"question\": \"how many items are there?\"}\n".repeat(2000));
    let piped = |arguments: &str| {
        let script =
            format!("set -o pipefail; {} query --source items.csv {arguments} | head -1", Llmsql::path().display());
        let mut bash = std::process::Command::new("bash");
        bash.arg("-c").arg(script).current_dir(shop.path("")).env("STATE_DIRECTORY", shop.path("state"));
        let out = bash.output().expect("bash");
        assert!(out.status.success() && out.stderr.is_empty(), "{}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8_lossy(&out.stdout).into_owned()
    };
    assert!(piped("--batch batch.jsonl").contains("answered"));
    let asked = shop.command("query").args(["history", "--most", "9999", "--format", "json"]).run().success().json();
    let asked = asked["questions"].as_array().unwrap().len();
    assert!((1..2000).contains(&asked), "{asked} questions were asked");
    // A result that nobody reads on is no error, and not said to be cut.
    assert_eq!(piped("--format csv --limit 100000000 --sql 'SELECT i FROM range(100000000) r(i)'"), "i\r\n");
}
