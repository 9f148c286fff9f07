//! `llmsql export`.

use super::Shop;
use crate::support::{Llmsql, Postgres, wait_for};
use serde_json::json;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Every Parquet file of a folder.
fn files(folder: &std::path::Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|e| e == "parquet") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// A CSV file of days with some rows each.
fn days(shop: &Shop, days: u32, each: u32) {
    let mut text = String::from("id,at,text\n");
    for day in 0..days {
        for n in 0..each {
            text += &format!(
                "{},2026-{:02}-{:02} 10:{:02}:00,row {n} of the day\n",
                day * each + n,
                day / 28 + 1,
                day % 28 + 1,
                n % 60
            );
        }
    }
    shop.write("days.csv", &text);
}

#[test]
fn a_table_a_select_and_a_question_become_a_file() {
    let shop = Shop::new();
    let run = shop.command("export").args(["--source", "orders.db", "--table", "orders", "-o", "orders.parquet"]);
    run.run().success().stdout_has("orders.parquet: 3 rows in 1 file");
    assert_eq!(shop.rows(&["orders.parquet"], "SELECT sum(total), count(*) FROM orders"), json!([[30.5, 3]]));
    let sql = "SELECT name, 1 AS name FROM items WHERE id > 1";
    shop.command("export").args(["--source", "items.csv", "--sql", sql, "-o", "part.parquet"]).run().success();
    assert_eq!(shop.rows(&["part.parquet"], "SELECT count(name), sum(name_2) FROM part"), json!([[2, 2]]));
    let run = shop.command("export").args(["--source", "orders.db", "how many orders are there?", "-o", "n.parquet"]);
    run.args(["--format", "json"]).run().success();
    assert_eq!(shop.rows(&["n.parquet"], "FROM n"), json!([[3]]));
    // zstd, and row groups of the size that was asked for.
    shop.command("export")
        .args([
            "--source",
            "items.csv",
            "--sql",
            "SELECT * FROM range(10000)",
            "--row-group",
            "2048",
            "-o",
            "groups.parquet",
        ])
        .run()
        .success();
    let duckdb = duckdb::Connection::open_in_memory().unwrap();
    let (groups, codec): (i64, String) = duckdb
        .query_row(
            &format!(
                "SELECT count(DISTINCT row_group_id), any_value(compression) FROM parquet_metadata('{}')",
                shop.path("groups.parquet").display()
            ),
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .unwrap();
    assert_eq!((groups, codec.as_str()), (5, "ZSTD"));
}

#[test]
fn what_fails_leaves_the_old_file_and_nothing_else() {
    let shop = Shop::new();
    shop.write("out/x.parquet", "old");
    for (arguments, code) in [
        (vec!["--sql", "SELECT price / 0, error('x') FROM items"], 20),
        (vec!["--sql", "SELECT CAST(name AS INT) FROM items"], 1),
        (vec!["--table", "nothing"], 64),
        (vec!["--sql", "COPY items TO 'x'"], 20),
        (vec!["zorgle the blarf"], 20),
        (vec!["--sql", "FROM items", "--partition-by", "id"], 64),
        (vec![], 64),
    ] {
        let run = shop.command("export").args(["--source", "items.csv", "-o", "out/x.parquet"]).args(&arguments);
        run.run().code(code);
        assert_eq!(fs::read_to_string(shop.path("out/x.parquet")).unwrap(), "old", "{arguments:?}");
        assert_eq!(fs::read_dir(shop.path("out")).unwrap().count(), 1, "{arguments:?}");
    }
    for (column, code) in [("id", 64), ("nothing", 64)] {
        let run = shop.command("export").args(["--source", "items.csv", "--table", "items", "-o", "out/parts"]);
        run.args(["--partition-by", column]).run().code(code);
        assert!(!shop.path("out/parts").exists(), "{column}");
    }
    // A folder of somebody else's files is not written into.
    let run = shop.command("export").args([
        "--source",
        "orders.db",
        "--table",
        "orders",
        "-o",
        "out",
        "--partition-by",
        "placed",
    ]);
    run.run().code(64).stderr_has("no export of llmsql's");
    assert_eq!(fs::read_dir(shop.path("out")).unwrap().count(), 1);
}

#[test]
fn partitions_by_date_read_back_whole_and_follow_their_source() {
    let shop = Shop::new();
    days(&shop, 40, 30);
    let export = |every: &str| {
        let run = shop.command("export").args(["--source", "days.csv", "--table", "days", "-o", "archive"]);
        run.args(["--partition-by", "at", "--every", every, "--format", "json"]).run()
    };
    let told = export("day").success().json();
    assert_eq!((&told["rows"], &told["files"], &told["kept"]), (&json!(1200), &json!(40), &json!(0)));
    assert!(shop.path("archive/year=2026/month=01/day=05/data.parquet").exists());
    assert_eq!(
        shop.rows(&["archive"], "SELECT count(*), count(DISTINCT id), max(month) FROM archive"),
        json!([[1200, 1200, "02"]])
    );
    // Less data, then: what is gone there is gone here; another span replaces the files.
    days(&shop, 3, 30);
    assert_eq!(export("day").success().json()["files"], 3);
    assert_eq!(files(&shop.path("archive")).len(), 3);
    assert_eq!(export("month").success().json()["files"], 1);
    assert_eq!(files(&shop.path("archive")).len(), 1);
    assert_eq!(shop.rows(&["archive"], "SELECT count(*) FROM archive"), json!([[90]]));
    // Rows without a date are kept, too.
    shop.write("gaps.csv", "id,at\n1,2026-01-01\n2,\n");
    let run =
        shop.command("export").args(["--source", "gaps.csv", "--table", "gaps", "-o", "gaps", "--partition-by", "at"]);
    run.run().success().stdout_has("2 rows in 2 files");
}

#[test]
fn a_run_that_was_killed_is_gone_on_with() {
    let shop = Shop::new();
    days(&shop, 200, 40);
    let arguments = [
        "export",
        "--source",
        "days.csv",
        "--table",
        "days",
        "-o",
        "archive",
        "--partition-by",
        "at",
        "--format",
        "json",
    ];
    let mut child = Command::new(Llmsql::path())
        .args(arguments)
        .current_dir(shop.path(""))
        .env("STATE_DIRECTORY", shop.path("state"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let noted = || fs::read_to_string(shop.path("archive/_llmsql_export.json")).unwrap_or_default();
    wait_for("some partitions", || (noted().matches("data.parquet").count() > 2).then_some(()));
    child.kill().unwrap();
    child.wait().unwrap();
    let before = files(&shop.path("archive"));
    assert!(before.len() < 200, "the export ended before it was killed");
    // Each file that stands is whole.
    let duckdb = duckdb::Connection::open_in_memory().unwrap();
    for file in before.iter().filter(|f| !f.to_string_lossy().contains("/.llmsql-")) {
        let sql = format!("SELECT count(*) FROM read_parquet('{}')", file.display());
        let rows: i64 = duckdb.query_row(&sql, [], |row| row.get(0)).unwrap();
        assert_eq!(rows, 40, "{}", file.display());
    }
    let run = shop.command("export").args(&arguments[1..]).run().success();
    let told = run.json();
    assert_eq!((&told["rows"], &told["files"]), (&json!(8000), &json!(200)));
    assert!(told["kept"].as_u64().unwrap() > 2, "{told}");
    assert_eq!(shop.rows(&["archive"], "SELECT count(*), count(DISTINCT id) FROM archive"), json!([[8000, 8000]]));
    let left = fs::read_dir(shop.path("archive")).unwrap().flatten();
    assert_eq!(left.filter(|e| e.file_name().to_string_lossy().starts_with(".llmsql-")).count(), 0);
}

#[test]
fn a_view_over_the_archive_is_registered() {
    let shop = Shop::new();
    days(&shop, 3, 10);
    let run = shop.command("export").args(["--source", "days.csv", "--table", "days", "-o", "archive"]);
    let run = run.args(["--partition-by", "at", "--register", "analytics.duckdb"]).run().success();
    run.stdout_has("view days_archive registered");
    {
        let duckdb = duckdb::Connection::open(shop.path("analytics.duckdb")).unwrap();
        let sql = "SELECT count(*) FROM days_archive WHERE year = 2026 AND day = 2";
        assert_eq!(duckdb.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap(), 10);
        // Open elsewhere it is locked, which is said, and the export stands.
        let run = shop.command("export").args(["--source", "items.csv", "--table", "items", "-o", "i.parquet"]);
        run.args(["--register", "analytics.duckdb", "--view", "goods"]).run().code(11).stderr_has("another program");
    }
    let run = shop.command("export").args(["--source", "items.csv", "--table", "items", "-o", "i.parquet"]);
    run.args(["--register", "analytics.duckdb", "--view", "my \"goods\""]).run().success();
    let duckdb = duckdb::Connection::open(shop.path("analytics.duckdb")).unwrap();
    let sum: f64 = duckdb.query_row("SELECT sum(price) FROM \"my \"\"goods\"\"\"", [], |row| row.get(0)).unwrap();
    assert!((sum - 55.5).abs() < 1e-9);
}

#[test]
fn views_over_archives_can_be_asked_and_others_open_nothing() {
    let shop = Shop::new();
    days(&shop, 3, 10);
    let export =
        |args: &[&str]| shop.command("export").args(args).args(["--register", "analytics.duckdb"]).run().success();
    export(&["--source", "days.csv", "--table", "days", "-o", "it's an archive", "--partition-by", "at"]);
    export(&["--source", "items.csv", "--table", "items", "-o", "i.parquet"]);
    fs::create_dir(shop.path("private")).unwrap();
    fs::copy(shop.path("i.parquet"), shop.path("private/i.parquet")).unwrap();
    fs::write(shop.path("secret.txt"), "canary").unwrap();
    {
        let duckdb = duckdb::Connection::open(shop.path("analytics.duckdb")).unwrap();
        let sql = format!(
            "CREATE TABLE here AS SELECT 1 AS x; CREATE VIEW stolen AS SELECT * FROM read_parquet('{0}/private/*.parquet');
             CREATE VIEW text AS SELECT * FROM read_text('{0}/secret.txt')",
            shop.path("").display()
        );
        duckdb.execute_batch(&sql).unwrap();
    }
    let asked = |sql: &str| shop.rows(&["analytics.duckdb"], sql);
    assert_eq!(asked("SELECT count(*) FROM days_archive WHERE day = 2"), json!([[10]]));
    assert_eq!(asked("SELECT sum(price), max(x) FROM items_archive, here"), json!([[55.5, 1]]));
    shop.query(&["analytics.duckdb"]).arg("how many days archive are there?").run().success().stdout_has("30");
    // No export lies there, and no Parquet file is it.
    let run = shop.sql(&["analytics.duckdb"], "SELECT * FROM stolen").stderr_has("the view stolen is left out");
    assert_ne!(run.code, Some(0), "{}", run.stdout);
    let run = shop.sql(&["analytics.duckdb"], "SELECT * FROM text");
    assert!(run.code != Some(0) && !run.stdout.contains("canary"), "{}", run.stdout);
    // What is gone is named, and the rest stays.
    fs::remove_file(shop.path("i.parquet")).unwrap();
    let run = shop.sql(&["analytics.duckdb"], "SELECT x FROM here").success().stderr_has("items_archive is left out");
    run.stderr_has("is gone");
}

#[test]
fn a_servers_table_is_fetched_partition_by_partition_in_bounded_memory() {
    let server = Postgres::new(18).config("log_statement = all").start();
    server.query(
        "CREATE TABLE logs AS SELECT i AS id, timestamptz '2026-01-01' + i * interval '10 s' AS at, repeat(md5(i::text), 10) AS body
         FROM generate_series(1, 200000) i; ANALYZE logs",
    );
    let shop = Shop::new();
    let source = format!("pg={}", server.dsn());
    let run =
        shop.command("export").args(["--source", &source, "--memory", "64MB", "--table", "logs", "-o", "archive"]);
    let told = run.args(["--partition-by", "at", "--format", "json"]).run().success().json();
    assert_eq!(told["rows"], 200_000);
    let log = server.log();
    let copies: Vec<&str> = log.lines().filter(|l| l.contains("COPY (SELECT")).collect();
    assert!(copies.iter().filter(|l| l.contains("WHERE")).count() > 20, "{copies:#?}");
    assert_eq!(
        shop.rows(&["archive"], "SELECT count(*), count(DISTINCT id), sum(length(body)) FROM archive"),
        json!([[200_000, 200_000, 64_000_000]])
    );
}

#[test]
fn an_export_that_is_not_whole_is_not_asked_without_a_word() {
    let shop = Shop::new();
    days(&shop, 3, 10);
    let export = shop.command("export").args(["--source", "days.csv", "--table", "days", "-o", "archive"]);
    export.args(["--partition-by", "at", "--register", "analytics.duckdb"]).run().success();
    let asked = |source: &str, table: &str| shop.sql(&[source], &format!("SELECT count(*) FROM {table}")).success();
    for (source, table) in [("archive", "archive"), ("analytics.duckdb", "days_archive")] {
        let run = asked(source, table);
        assert!(!run.stderr.contains("interrupted"), "{}", run.stderr);
    }
    // As a run leaves it that was killed.
    let path = shop.path("archive/_llmsql_export.json");
    let manifest = fs::read_to_string(&path).unwrap();
    assert!(manifest.contains("\"complete\": true"), "{manifest}");
    fs::write(&path, manifest.replace("\"complete\": true", "\"complete\": false")).unwrap();
    for (source, table) in [("archive", "archive"), ("analytics.duckdb", "days_archive")] {
        asked(source, table).stderr_has("was interrupted").stdout_has("30");
    }
}

#[test]
fn what_cannot_hold_an_export_or_its_view_is_refused_before_anything_is_written() {
    let shop = Shop::new();
    let export =
        |more: &[&str]| shop.command("export").args(["--source", "items.csv", "--table", "items"]).args(more).run();
    // DuckDB opens these as databases in memory: the view would be gone at once.
    export(&["-o", "other.parquet"]).success();
    for file in ["items.csv", "other.parquet", "visits.ndjson"] {
        let before = fs::read(shop.path(file)).unwrap();
        export(&["-o", "i.parquet", "--register", file]).code(64).stderr_has("no DuckDB file");
        assert_eq!(fs::read(shop.path(file)).unwrap(), before, "{file}");
    }
    export(&["-o", "i.parquet", "--register", "i.parquet"]).code(64).stderr_has("no DuckDB file");
    assert!(!shop.path("i.parquet").exists());
    // Parquet under a name of another format would be taken for that.
    for name in ["out.csv", "out.json", "out.md"] {
        export(&["-o", name]).code(64).stderr_has("Parquet is written");
        assert!(!shop.path(name).exists());
    }
    export(&["-o", "-"]).code(64).stderr_has("name a file");
    export(&["-o", "not/there/i.parquet"]).code(64).stderr_has("there is no such folder");
}

#[test]
fn a_table_is_copied_as_it_is() {
    let shop = Shop::new();
    let sqlite = rusqlite::Connection::open(shop.path("ticks.db")).unwrap();
    sqlite
        .execute_batch("CREATE TABLE ticks (ts INTEGER); INSERT INTO ticks VALUES (1772355600123456789), (0)")
        .unwrap();
    let export = |more: &[&str]| shop.command("export").args(["--source", "ticks.db"]).args(more).run().success();
    export(&["--table", "ticks", "-o", "all.parquet"]);
    let sql = "SELECT ts FROM \"all\" ORDER BY ts";
    assert_eq!(shop.rows(&["all.parquet"], sql), json!([[0], [1_772_355_600_123_456_789_u64]]));
}

#[test]
fn a_full_disk_is_said_as_that_of_the_result() {
    let Some(small) = crate::support::Tmpfs::new("256k") else { return };
    let shop = Shop::new();
    let sql = "SELECT i, hash(i) AS h FROM range(1000000) r(i)";
    for name in ["out.parquet", "out.csv", "out.json"] {
        let target = small.path().join(name).display().to_string();
        let run = shop.query(&["items.csv"]).args(["--sql", sql, "-o", &target]).run().code(1);
        let run = run.stderr_has("No space left").stderr_has(&target).stderr_has("free some disk space");
        assert!(!run.stderr.contains("TMPDIR"), "{}", run.stderr);
        assert_eq!(fs::read_dir(small.path()).unwrap().count(), 0, "{name}");
    }
    // What is spilled has its own place, and a room of its own.
    let sorted = "SELECT i, md5(i::VARCHAR) AS h FROM range(3000000) r(i) ORDER BY h";
    let run = shop.query(&["items.csv"]).args(["--sql", sorted, "-o", "sorted.parquet", "--memory", "64MB"]);
    let run = run.env("TMPDIR", small.path()).run().code(1).stderr_has("room left to spill").stderr_has("TMPDIR");
    assert!(!run.stderr.contains("sorted.parquet"), "{}", run.stderr);
    let target = small.path().join("out.parquet").display().to_string();
    let run = shop.command("export").args(["--source", "items.csv", "--sql", sql, "-o", &target]).run().code(1);
    run.stderr_has(&target).stderr_has("free some disk space");
}
