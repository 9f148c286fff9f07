//! DuckDB's loadable scanners, where they are installed.

use super::Shop;
use super::extensions::{signed, walk};
use crate::support::{Postgres, psql, wait_for, write_for_server};
use serde_json::json;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicBool, Ordering};

/// The password that is to be seen nowhere.
const PASSWORD: &str = "it's \\ s3cret";

/// A shop in which an extension is installed; its configuration says so where it is copied to `llmsql.toml`.
fn shop_with(name: &str) -> Shop {
    let shop = Shop::new();
    let (file, dir) = (signed(name), shop.path("ext").display().to_string());
    let run = shop.command("extensions").args(["install", name, "--from", file.to_str().unwrap(), "--dir", &dir]);
    run.run().success();
    use_extensions(&shop, true);
    shop
}

fn use_extensions(shop: &Shop, used: bool) {
    let folder = shop.path(if used { "ext" } else { "none" });
    shop.write("llmsql.toml", &format!("[duckdb]\nextension_directory = \"{}\"\n", folder.display()));
}

/// Has the server take a table for a large one, which takes three tasks to read.
fn large(server: &Postgres, table: &str) {
    server.query(&format!("UPDATE pg_class SET reltuples = 1e7, relpages = 3000 WHERE oid = '{table}'::regclass"));
}

/// The statements that read a part of a table, as only the extension sends them.
fn scanned(server: &Postgres) -> usize {
    server.log().lines().filter(|line| line.contains("WHERE ctid BETWEEN")).count()
}

#[test]
fn large_sqlite_files_are_loaded_through_the_extension() {
    let shop = shop_with("sqlite_scanner");
    let sqlite = rusqlite::Connection::open(shop.path("orders.db")).unwrap();
    sqlite
        .execute_batch(
            "CREATE TABLE filling (text TEXT);
             WITH RECURSIVE i(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM i WHERE n < 34000)
             INSERT INTO filling SELECT hex(randomblob(1000)) FROM i;",
        )
        .unwrap();
    drop(sqlite);
    let sql = "SELECT count(*) AS n, sum(customer_id) AS s, max(total) AS t, max(placed) AS p FROM orders";
    let rows = "3,4,20.0,2026-03-02 12:00:00";
    let run =
        |file: &str| shop.query(&[file]).args(["--format", "csv", "--sql", sql]).strace(&["-e", "trace=openat"]).run();
    run("orders.db").success().stdout_has(rows).stderr_has("sqlite_scanner.duckdb_extension");
    // Values of several types in a column, which it refuses, and rows that only some conditions let through.
    let odd = "SELECT note FROM orders WHERE note IS NOT NULL ORDER BY id";
    assert_eq!(shop.rows(&["orders.db"], odd), json!([["x"], ["5"]]));
    // Neither it nor the file can be reached by a query.
    for sql in ["SELECT * FROM orders_scanned.orders", "SELECT * FROM sqlite_scan('orders.db', 'orders')"] {
        shop.sql(&["orders.db"], sql).code(20);
    }
    // A small file is read before the extension would be loaded.
    fs::copy(Shop::new().path("orders.db"), shop.path("small.db")).unwrap();
    assert!(!run("small.db").success().stdout_has(rows).stderr.contains("sqlite_scanner"));
    // One that was changed is not loaded, and the file is read all the same.
    let installed = walk(&shop.path("ext"));
    let mut bytes = fs::read(&installed).unwrap();
    bytes[100_000] ^= 1;
    fs::write(&installed, bytes).unwrap();
    let run = shop.query(&["orders.db"]).args(["--format", "csv", "--sql", sql]).run().success();
    run.stdout_has(rows).stderr_has("sqlite_scanner is not used");
}

#[test]
fn large_tables_of_a_server_arrive_as_through_copy_whatever_they_hold() {
    let server = Postgres::new(18).config("log_statement = all").start();
    server.query(
        "CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE DOMAIN price AS numeric(10,2);
         CREATE TABLE every (id int4, a bool, b int2, c int8, d float4, e float8, g date, h timestamp, i timestamptz, j time, k uuid,
           l json, m jsonb, n bytea, o text, p varchar(20), s mood,
           x1 numeric(12,2), x2 numeric, x3 char(5), x4 \"char\", x5 oid, x6 int4[], x7 interval, x8 inet, x9 price, x10 tstzrange);
         INSERT INTO every VALUES
           (1, true, 1, 1, 1.5, 1.5, '2026-01-01', '2026-01-01 01:02:03.456789', '2026-01-01 01:02:03.456789+02', '01:02:03.456',
            '00000000-0000-0000-0000-000000000001', '{\"a\": [1, 2]}', '{\"a\": [1, 2]}', '\\x0001', 'x', 'y', 'ok',
            1.5, 1.1, 'z', 'c', 7, '{1,2}', '1 day', '10.0.0.1', 1, '[2026-01-01,2026-02-01)'),
           (3, false, -32768, -9223372036854775808, 'NaN', '-Infinity', 'infinity', 'infinity', '-infinity', '24:00:00',
            'ffffffff-ffff-ffff-ffff-ffffffffffff', '1', '\"x\"', '', '', '', 'sad', 2, 'NaN', '', '', 4294967295, '{}', '0', '::1', 2, 'empty'),
           (4, false, 32767, 9223372036854775807, '-Infinity', 'NaN', '-infinity', '-infinity', 'infinity', '00:00:00', NULL,
            'null', 'null', '\\xff', E'a\\nb', 'ü', 'sad', -9999999999.99, '-Infinity', 'ab', ' ', 0, '{NULL}', NULL, NULL, NULL, NULL),
           (5, false, 0, 0, 1e-38, 0.1, '0044-03-15 BC', '4713-01-01 BC', '4713-01-01 BC', '23:59:59.999999', NULL,
            '{\"a\" :1,  \"a\":2}', '{\"a\":1.50}', NULL, '日本', ' lead', 'sad', 0.01, 0.1, '  x', 'x', 1, NULL, NULL, NULL, NULL, NULL),
           (6, false, 0, 0, 0, '-0', '5874897-12-31', '294246-12-31 23:59:59', '294246-12-31 23:59:59+00', NULL, NULL,
            NULL, NULL, NULL, NULL, NULL, NULL, 0, 123456789.123456789, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
         INSERT INTO every (id) VALUES (2);
         CREATE TABLE far (id int, t timestamp); INSERT INTO far VALUES (1, '294276-12-31 23:59:59');
         CREATE TABLE \"Odd name\" (\"a\"\"b\" int); INSERT INTO \"Odd name\" VALUES (7);
         CREATE TABLE small (n int); INSERT INTO small VALUES (1)",
    );
    server.query("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0");
    let mut latin = server.client("psql");
    latin.env("PGDATABASE", "latin");
    let make = "CREATE TABLE words (w text); INSERT INTO words VALUES (U&'\\00E9t\\00E9');
                UPDATE pg_class SET reltuples = 1e7, relpages = 3000 WHERE oid = 'words'::regclass";
    psql(&mut latin, make).unwrap();
    for table in ["every", "far", "\"Odd name\""] {
        large(&server, table);
    }
    let shop = shop_with("postgres_scanner");
    let source = format!("pg={}", server.dsn());
    let columns = |names: &[&str]| {
        let each = names.iter().map(|c| format!("{c}, typeof({c})")).collect::<Vec<_>>().join(", ");
        format!("SELECT id, {each} FROM every ORDER BY id")
    };
    let same = ["a", "b", "c", "d", "e", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p", "s"];
    // Columns that have to be copied: one of them is enough.
    let others = ["x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10"];
    let mut questions = vec![(columns(&same), true), ("SELECT max(\"a\"\"b\") FROM \"Odd name\"".to_owned(), true)];
    questions.extend(others.iter().map(|x| (columns(&["a", x]), false)));
    questions.push((columns(&["x1"]), false));
    // What PostgreSQL applies by itself, and what is small.
    questions.push(("SELECT o FROM every WHERE id = 4".to_owned(), false));
    questions.push(("SELECT n FROM small".to_owned(), false));
    for (sql, through) in questions {
        use_extensions(&shop, true);
        let before = scanned(&server);
        let here = shop.rows(&[&source], &sql);
        assert_eq!(scanned(&server) > before, through, "{sql}");
        use_extensions(&shop, false);
        let before = scanned(&server);
        assert_eq!(shop.rows(&[&source], &sql), here, "{sql}");
        assert_eq!(scanned(&server), before);
    }
    // A value that DuckDB cannot hold is an error in either way, not another value.
    for used in [true, false] {
        use_extensions(&shop, used);
        shop.sql(&[&source], "SELECT max(t) FROM far").code(1).stderr_has("far");
    }
    use_extensions(&shop, true);
    let latin = format!("pg={}", server.dsn().strip_suffix("postgres").unwrap().to_owned() + "latin");
    let before = scanned(&server);
    assert_eq!(shop.rows(&[&latin], "SELECT max(w) FROM words"), json!([["été"]]));
    assert!(scanned(&server) > before);
    // A socket has no port, and a name several addresses.
    for place in [format!("?host={}&port={}", server.dir().display(), server.port()), String::new()] {
        let before = scanned(&server);
        let url = if place.is_empty() {
            server.dsn().replace("127.0.0.1", "localhost")
        } else {
            format!("postgresql:///postgres{place}&user=postgres")
        };
        assert_eq!(shop.rows(&[&format!("pg={url}")], "SELECT count(o) FROM every"), json!([[4]]));
        assert!(scanned(&server) > before, "{url}");
    }
}

#[test]
fn tables_that_are_read_in_two_ways_are_of_one_moment() {
    let server = Postgres::new(18).config("log_statement = all").start();
    server.query(
        "CREATE TABLE one (n int, part int); INSERT INTO one SELECT 0, i FROM generate_series(1, 5000) i;
         CREATE TABLE two (n int); INSERT INTO two VALUES (0); CREATE TABLE three (n numeric(9,0)); INSERT INTO three VALUES (0)",
    );
    for table in ["one", "two", "three"] {
        large(&server, table);
    }
    let shop = shop_with("postgres_scanner");
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // Each transaction leaves the sum as it was.
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                server.query(
                    "BEGIN; UPDATE one SET n = n + 1 WHERE part IN (1, 5000); UPDATE two SET n = n - 1; UPDATE three SET n = n - 1; COMMIT",
                );
            }
        });
        let sql = "SELECT (SELECT sum(n) FROM one) + (SELECT sum(n) FROM two) + (SELECT sum(n) FROM three)";
        let sums: Vec<_> = (0..4).map(|_| shop.rows(&[&format!("pg={}", server.dsn())], sql)).collect();
        done.store(true, Ordering::Relaxed);
        assert!(sums.iter().all(|sum| *sum == json!([[0]])), "{sums:?}");
    });
    assert!(scanned(&server) > 0 && server.log().contains("SET TRANSACTION SNAPSHOT"));
    let log = server.log();
    let begun = log.lines().filter(|l| l.contains("BEGIN TRANSACTION")).collect::<Vec<_>>();
    assert!(begun.iter().all(|l| l.contains("READ ONLY")), "{begun:?}");
}

#[test]
fn the_password_is_not_to_be_had_and_a_server_that_refuses_is_read_all_the_same() {
    let server = Postgres::new(18).config("log_statement = all").start();
    let literal = PASSWORD.replace('\'', "''");
    server.query(&format!(
        "CREATE TABLE hits (n int); INSERT INTO hits VALUES (1), (2);
         CREATE ROLE app LOGIN PASSWORD '{literal}'; CREATE ROLE alone LOGIN CONNECTION LIMIT 1 PASSWORD '{literal}';
         GRANT SELECT ON hits TO app, alone"
    ));
    large(&server, "hits");
    let hba = "local all all trust\nhost all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n";
    write_for_server(&server.data_dir().join("pg_hba.conf"), hba);
    server.reload();
    let shop = shop_with("postgres_scanner");
    let source = |role: &str| format!("pg={}", server.dsn().replacen("postgres@", &format!("{role}@"), 1));
    let query = |role: &str, sql: &str| {
        let run =
            shop.query(&[&source(role)]).env("PGPASSWORD", PASSWORD).args(["--format", "json", "--sql", sql]).run();
        let said = format!("{}{}", run.stdout, run.stderr);
        assert!(!said.contains("s3cret"), "{sql}: {said}");
        run
    };
    wait_for("pg_hba.conf to be read", || {
        let without = shop.query(&[&source("app")]).args(["--sql", "SELECT n FROM hits"]).run();
        (without.code != Some(0)).then_some(())
    });
    let before = scanned(&server);
    assert_eq!(query("app", "SELECT sum(n) FROM hits").success().json()["rows"], json!([[3]]));
    assert!(scanned(&server) > before);
    // The second connection of this role is refused.
    let before = scanned(&server);
    let run = query("alone", "SELECT sum(n) FROM hits").success();
    assert_eq!((run.json()["rows"].clone(), run.stderr.as_str()), (json!([[3]]), ""));
    assert_eq!(scanned(&server), before);
    for sql in [
        "FROM duckdb_secrets()",
        "FROM duckdb_databases()",
        "FROM duckdb_settings()",
        "FROM duckdb_logs()",
        "FROM which_secret('x', 'postgres')",
        "PRAGMA database_list",
        "FROM pg_scanned.public.hits",
        "FROM postgres_scan('', 'public', 'hits')",
        "FROM postgres_query('pg_scanned', 'SELECT 1')",
        "CALL postgres_execute('pg_scanned', 'SELECT 1')",
        "FROM postgres_attach('')",
        "CREATE SECRET s (TYPE postgres, PASSWORD 'x')",
        "ATTACH '' AS other (TYPE postgres)",
        "SELECT current_setting('pg_connection_limit') FROM duckdb_settings()",
    ] {
        let run = query("app", sql);
        assert!(matches!(run.code, Some(1 | 20)), "{sql}: {:?} {}", run.code, run.stderr);
    }
    // What runs beside the question shows it no more than before: not in arguments, not in files.
    let traced = shop.query(&[&source("app")]).env("PGPASSWORD", PASSWORD).args(["--sql", "SELECT sum(n) FROM hits"]);
    let traced = traced.strace(&["-f", "-s", "4096", "-e", "trace=execve,openat,creat,write,pwrite64"]).run().success();
    let shown: Vec<&str> = traced.stderr.lines().filter(|l| l.contains("s3cret")).collect();
    // The program tells its worker, over a pipe.
    assert!(shown.iter().all(|l| l.contains("write(") && l.contains("Open")), "{shown:?}");
}

#[test]
fn a_server_that_gives_no_snapshot_away_is_read_all_the_same() {
    let server = Postgres::new(18).config("log_statement = all").start();
    server.query("CREATE TABLE hits (n int); INSERT INTO hits VALUES (1), (2)");
    large(&server, "hits");
    let shop = shop_with("postgres_scanner");
    let source = format!("pg={}", server.dsn());
    fs::remove_dir_all(server.data_dir().join("pg_snapshots")).unwrap();
    let run = shop.query(&[&source]).args(["--format", "json", "--sql", "SELECT sum(n) FROM hits"]).run().success();
    assert_eq!((run.json()["rows"].clone(), run.stderr.as_str()), (json!([[3]]), ""));
    assert!(server.log().contains("pg_snapshots") && scanned(&server) == 0);
    shop.query(&[&source]).arg("how many hits are there?").run().success().stdout_has("2");
}

#[test]
fn tls_is_used_as_far_as_no_certificate_is_to_be_checked() {
    let server = Postgres::with_tls().config("log_statement = all").start();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    let (key, certificate) = (server.data_dir().join("server.key"), server.data_dir().join("server.crt"));
    for (file, text) in [(&key, made.signing_key.serialize_pem()), (&certificate, made.cert.pem())] {
        write_for_server(file, &text);
        fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
    }
    write_for_server(&server.conf_dir().join("60-tls.conf"), "ssl = on\n");
    // What sets it up here speaks no TLS.
    let hba = "host all postgres 127.0.0.1/32 trust\nhostssl all app 127.0.0.1/32 trust\n";
    write_for_server(&server.data_dir().join("pg_hba.conf"), hba);
    server.reload();
    wait_for("TLS to be on", || server.try_query("SHOW ssl").is_ok_and(|on| on == "on").then_some(()));
    server.query("CREATE TABLE hits (n int); INSERT INTO hits VALUES (1), (2); CREATE ROLE app LOGIN; GRANT SELECT ON hits TO app");
    large(&server, "hits");
    let shop = shop_with("postgres_scanner");
    let app = server.dsn().replacen("postgres@", "app@", 1);
    let root = certificate.display();
    for (end, through) in
        [("?sslmode=require", true), ("", true), (&format!("?sslmode=verify-full&sslrootcert={root}"), false)]
    {
        let before = scanned(&server);
        assert_eq!(shop.rows(&[&format!("pg={app}{end}")], "SELECT sum(n) FROM hits"), json!([[3]]), "{end}");
        assert_eq!(scanned(&server) > before, through, "{end}");
    }
}
