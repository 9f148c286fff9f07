//! Every kind of source, whole and damaged.

use super::{Shop, duckdb_file};
use crate::support::Postgres;
use serde_json::json;
use std::fs;
use std::io::{Read, Write};

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
    // An only file of its format has its own name beside others, and the folder's where it is the only one.
    shop.write("several/hosts.csv", "x\n1\n");
    assert_eq!(shop.rows(&["several"], "SELECT x FROM several"), json!([[1]]));
    shop.write("several/access.ndjson", "{\"y\": 2}\n");
    assert_eq!(shop.rows(&["several"], "SELECT x, y FROM hosts, access"), json!([[1, 2]]));
    shop.sql(&["nothing/*.csv"], "SELECT 1").code(64).stderr_has("no data file fits");
}

#[test]
fn sqlite_keeps_declared_types_and_falls_back_where_values_do_not_fit() {
    let shop = Shop::new();
    let types = shop.rows(
        &["sqlite:orders.db"],
        "SELECT typeof(id), typeof(placed), typeof(total), typeof(note), note FROM orders ORDER BY id",
    );
    assert_eq!(types[0], json!(["BIGINT", "TIMESTAMP", "DOUBLE", "VARCHAR", "x"]));
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
fn a_file_that_is_being_written_is_locked_and_not_harmed() {
    let shop = Shop::new();
    let path = shop.path("busy.duckdb");
    duckdb_file(&path, "CREATE TABLE t AS SELECT 1 AS x");
    let writer = duckdb::Connection::open(&path).unwrap();
    writer.execute_batch("INSERT INTO t VALUES (2)").unwrap();
    shop.sql(&["busy.duckdb"], "FROM t").code(11).stderr_has("another program");
    drop(writer);
    assert_eq!(shop.rows(&["busy.duckdb"], "SELECT sum(x) FROM t"), json!([[3]]));
    // SQLite's ends with the same code.
    let writer = rusqlite::Connection::open(shop.path("orders.db")).unwrap();
    writer.execute_batch("BEGIN EXCLUSIVE; DELETE FROM orders WHERE id = 1").unwrap();
    let run = shop.query(&["orders.db"]).args(["--format", "json", "--sql", "FROM orders"]).run();
    run.code(11).stderr_has("source.locked").stderr_has("another program");
    writer.execute_batch("COMMIT").unwrap();
    assert_eq!(shop.rows(&["orders.db"], "SELECT count(*) FROM orders"), json!([[2]]));
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
    // A decimal column that holds what is no number is one of floating point, for those who ask for it.
    server.query("INSERT INTO analytics.query_logs (execution_time_ms) VALUES ('NaN'), ('3.125')");
    let sql = "SELECT execution_time_ms, typeof(execution_time_ms) FROM query_logs WHERE log_id > 2 ORDER BY log_id";
    assert_eq!(shop.rows(&[&source], sql), json!([["NaN", "DOUBLE"], [3.125, "DOUBLE"]]));
    server.query("DELETE FROM analytics.query_logs WHERE log_id > 2");
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
    // An entry may be larger than what is looked at of others, as that of a crash is.
    shop.write(
        "crash.ndjson",
        &(line(1_772_362_800_000_001, &"x".repeat(100_000)) + &line(1_772_449_200_000_000, "b")),
    );
    let later = "SELECT MESSAGE FROM crash WHERE __REALTIME_TIMESTAMP >= '2026-03-02'";
    assert_eq!(shop.rows(&["crash.ndjson"], later), json!([["b"]]));
    let run = shop.query(&["journal.ndjson"]).args(["--now", "2026-03-02T23:00:00Z", "how many entries yesterday?"]);
    run.run().success().stdout_has("1").stderr_has("2026-03-01");
}

#[test]
fn times_as_python_writes_them_are_times() {
    let shop = Shop::new();
    shop.write(
        "app.ndjson",
        "{\"time\":\"2026-03-01T09:00:00.250000\",\"logged at\":\"2026-03-01 09:00:00,250\",\"level\":\"info\"}\n\
         {\"time\":\"2026-03-02T09:00:00\",\"logged at\":\"2026-03-02 09:00:00,001\",\"level\":\"error\"}\n",
    );
    let sql = "SELECT epoch_ms(time), epoch_ms(\"logged at\") FROM app WHERE time < '2026-03-02'";
    assert_eq!(shop.rows(&["app.ndjson"], sql), json!([[1_772_355_600_250_u64, 1_772_355_600_250_u64]]));
    let run = shop.query(&["app.ndjson"]).args(["--now", "2026-03-02T23:00:00Z", "how many entries yesterday?"]);
    run.run().success().stdout_has("1").stderr_has("2026-03-01");
}

#[test]
fn times_that_loggers_count_since_1970_are_times() {
    let shop = Shop::new();
    shop.write("caddy.ndjson", "{\"ts\":1772355600.25,\"status\":200}\n{\"ts\":1772442000,\"status\":500}\n");
    shop.write("pino.ndjson", "{\"time\":1772355600250,\"level\":30}\n{\"time\":1772442000000,\"level\":50}\n");
    for (source, sql) in [
        ("caddy.ndjson", "SELECT epoch_ms(ts) FROM caddy WHERE ts < '2026-03-02'"),
        ("pino.ndjson", "SELECT epoch_ms(time) FROM pino WHERE time < '2026-03-02'"),
    ] {
        assert_eq!(shop.rows(&[source], sql), json!([[1_772_355_600_250_u64]]));
        let run = shop.query(&[source]).args(["--now", "2026-03-02T23:00:00Z", "how many entries yesterday?"]);
        run.run().success().stdout_has("1").stderr_has("2026-03-01");
    }
}

#[test]
fn times_that_columns_of_any_source_count_since_1970_are_times() {
    let shop = Shop::new();
    // 9 o'clock of two days, in four units; what only looks like them stays a number.
    let rows = [(1, 1_772_355_600_250_u64, 20_260_301), (2, 1_772_442_000_000, 20_260_302)];
    let mut csv = String::from("id,ts,created_at,event_time_us,response_time,date\n");
    let mut inserts = String::new();
    for (id, ms, day) in rows {
        csv += &format!("{id},{},{ms},{},{},{day}\n", ms / 1000, ms * 1000, 2_000_000_000 + id);
        inserts += &format!(
            "INSERT INTO orders VALUES ({id}, {}.25, {ms}, {}, {}, {day});",
            ms / 1000,
            ms * 1000,
            2_000_000_000 + id
        );
    }
    shop.write("orders.csv", &csv);
    let create = |float: &str| {
        format!(
            "CREATE TABLE orders (id INTEGER, ts {float}, created_at BIGINT, event_time_us BIGINT, response_time BIGINT,
               date INTEGER); {inserts}"
        )
    };
    let sqlite = rusqlite::Connection::open(shop.path("epoch.db")).unwrap();
    sqlite.execute_batch(&create("TIMESTAMP")).unwrap();
    duckdb_file(&shop.path("epoch.duckdb"), &create("DOUBLE"));
    duckdb_file(
        &shop.path("other.duckdb"),
        &format!("COPY (FROM '{}') TO '{}'", shop.path("orders.csv").display(), shop.path("orders.parquet").display()),
    );
    let server = Postgres::new(18).start();
    server.query(&create("bigint"));
    let pg = format!("pg={}", server.dsn());
    for source in ["orders.csv", "orders.parquet", "epoch.db", "epoch.duckdb", &pg] {
        let asked = |question: &str| {
            shop.query(&[source]).args(["--format", "csv", "--now", "2026-03-02T23:00:00Z", question]).run().success()
        };
        asked("how many orders were there yesterday?").stdout_has("\n1\r").stderr_has("2026-03-01");
        asked("orders per day").stdout_has("2026-03-01").stdout_has("2026-03-02");
        // The same for SQL, and the number is to be had.
        let sql = "SELECT id, epoch_ms(created_at), epoch(ts)::BIGINT, epoch_us(event_time_us), response_time, date
                   FROM orders WHERE created_at < '2026-03-02'";
        assert_eq!(
            shop.rows(&[source], sql),
            json!([[1, 1_772_355_600_250_u64, 1_772_355_600, 1_772_355_600_250_000_u64, 2_000_000_001, 20_260_301]]),
            "{source}"
        );
        assert_eq!(shop.rows(&[source], "SELECT count(*) FROM orders"), json!([[2]]), "{source}");
        let wrong = "SELECT id FROM orders WHERE created_at < 1772355600251";
        shop.sql(&[source], wrong).code(1).stderr_has("epoch_ms");
        let schema = shop.command("schema").args(["--source", source]).run().success();
        schema.stdout_has("counted in seconds since 1970").stdout_has("counted in milliseconds since 1970");
    }
}

/// What can be unpacked of the beginning of a gzip file.
fn inflated(packed: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    // It is cut off.
    let _ = flate2::read::GzDecoder::new(packed).read_to_end(&mut text);
    text
}

#[test]
fn a_compressed_file_that_is_cut_off_or_damaged_loses_no_rows_silently() {
    let shop = Shop::new();
    let mut rows = String::from("id,name\n");
    for i in 0..100_000u64 {
        rows += &format!("{i},{:x}\n", i.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    }
    let pack = |text: &str| {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(text.as_bytes()).unwrap();
        packed.finish().unwrap()
    };
    let whole = pack(&rows);
    fs::write(shop.path("whole.csv.gz"), &whole).unwrap();
    assert_eq!(shop.rows(&["whole.csv.gz"], "SELECT count(*) FROM whole"), json!([[100_000]]));
    // Members one after the other are one file, as log rotation makes them.
    fs::write(shop.path("two.csv.gz"), [whole.as_slice(), &pack("100000,last\n")].concat()).unwrap();
    assert_eq!(shop.rows(&["two.csv.gz"], "SELECT count(*) FROM two"), json!([[100_001]]));
    fs::write(shop.path("cut.csv.gz"), &whole[..whole.len() / 2]).unwrap();
    let mut bent = whole.clone();
    let sum = whole.len() - 6;
    bent[sum] ^= 0xff;
    fs::write(shop.path("bent.csv.gz"), &bent).unwrap();
    for (file, said) in [("t=cut.csv.gz", "cut off"), ("t=bent.csv.gz", "damaged")] {
        shop.sql(&[file], "SELECT count(*) FROM t").code(1).stderr_has(said).stderr_has(".csv.gz");
        shop.query(&[file]).arg("how many t are there?").run().code(1).stderr_has(said);
        shop.command("schema").args(["--source", file]).run().code(1).stderr_has(said);
        let export = ["--source", file, "--table", "t", "-o", "t.parquet"];
        shop.command("export").args(export).run().code(1).stderr_has(said);
        assert!(!shop.path("t.parquet").exists());
    }
    // Of a large one only a part is looked at before the question.
    let many = pack(&(rows.clone() + &rows["id,name\n".len()..].repeat(2)));
    fs::write(shop.path("many.csv.gz"), &many[..many.len() - 9]).unwrap();
    shop.query(&["t=many.csv.gz"]).arg("how many t are there?").run().code(1).stderr_has("cut off");
    shop.command("schema").args(["--source", "t=many.csv.gz"]).run().code(1).stderr_has("cut off");
    // Who asks for some rows only gets them, as long as none of them can be the half one, and none is made of all.
    let limited = |limit: &str, sql: &str| shop.query(&["t=cut.csv.gz"]).args(["--limit", limit, "--sql", sql]).run();
    limited("2", "SELECT id FROM t").success().stdout_has("1");
    limited("2", "SELECT id + 1 AS next FROM t WHERE name LIKE '%a%'").success();
    limited("9", "SELECT id, name FROM t LIMIT 3").success().stdout_has("2");
    limited("2", "SELECT id, count(*) AS n FROM t GROUP BY id").code(1).stderr_has("cut off");
    limited("2", "SELECT id FROM t GROUP BY ALL").code(1).stderr_has("cut off");
    limited("2", "SELECT id, row_number() OVER (ORDER BY id DESC) AS n FROM t").code(1).stderr_has("cut off");
    limited("2", "SELECT unnest(list(id)) AS id FROM t").code(1).stderr_has("cut off");
    // All rows that are there, the half one as the last: one less is known to be whole.
    let there = String::from_utf8(inflated(&whole[..whole.len() / 2])).unwrap().lines().count() - 1;
    limited("99999999", &format!("SELECT id, name FROM t LIMIT {}", there - 1)).success();
    limited("99999999", &format!("SELECT id, name FROM t LIMIT {there}")).code(1).stderr_has("cut off");

    // A frame of zstd as its format has it: a block of raw bytes, one of a byte repeated, one raw and last.
    let raw = |text: &[u8], last: u32| {
        let header = (u32::try_from(text.len()).unwrap() << 3) | last;
        [&header.to_le_bytes()[..3], text].concat()
    };
    let repeated = [&((5u32 << 3) | 2).to_le_bytes()[..3], b"7"].concat();
    let frame = [&[0x28, 0xB5, 0x2F, 0xFD, 0x00, 0x58][..], &raw(b"id\n1\n", 0), &repeated, &raw(b"\n2\n", 1)].concat();
    fs::write(shop.path("whole.csv.zst"), [frame.as_slice(), b"\x50\x2a\x4d\x18\x02\0\0\0xx"].concat()).unwrap();
    assert_eq!(shop.rows(&["t=whole.csv.zst"], "SELECT sum(id) FROM t"), json!([[77_780]]));
    fs::write(shop.path("cut.csv.zst"), &frame[..frame.len() - 6]).unwrap();
    shop.sql(&["t=cut.csv.zst"], "SELECT sum(id) FROM t").code(1).stderr_has("cut off");
}

#[test]
fn what_can_be_read_once_only_is_a_source_too() {
    let shop = Shop::new();
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(b"{\"id\":1}\n{\"id\":2}\n").unwrap();
    let packed = packed.finish().unwrap();
    fs::write(shop.path("access.log.gz"), &packed).unwrap();
    assert_eq!(shop.rows(&["access.log.gz"], "SELECT sum(id) FROM access"), json!([[3]]));
    let of_stdin = |source: &str| {
        let run = shop.query(&[source]).args(["--format", "csv", "--sql", "SELECT sum(id) FROM stdin"]);
        run.stdin(packed.clone()).run().success().stdout_has("3");
    };
    of_stdin("-");
    of_stdin("/dev/stdin");
    // Two of the shell's pipes, and one that has a name.
    let program = env!("CARGO_BIN_EXE_llmsql");
    let script = format!(
        "mkfifo pipe.csv; (printf 'id\\n5\\n' > pipe.csv &) ; {program} query --format csv --source a=<(printf 'id\\n1\\n') \
         --source b=<(printf 'id\\n2\\n') --source pipe.csv --sql 'SELECT a.id, b.id, pipe.id FROM a, b, pipe'"
    );
    let mut bash = std::process::Command::new("bash");
    let out = bash.arg("-c").arg(script).current_dir(shop.0.path()).env("STATE_DIRECTORY", shop.path("state"));
    let out = out.output().expect("bash");
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(said.ends_with("1,2,5\r\n"), "{said}{}", String::from_utf8_lossy(&out.stderr));
    shop.sql(&["/dev/zero"], "SELECT 1").code(64).stderr_has("is a device");
    // With its format said, too.
    let out = std::process::Command::new("bash")
        .args([
            "-c",
            &format!(
                "{program} query --format csv --source t=csv:<(printf 'a b\\nc d\\n') --sql 'SELECT \"a b\" FROM t'"
            ),
        ])
        .current_dir(shop.0.path())
        .env("STATE_DIRECTORY", shop.path("state"))
        .output()
        .expect("bash");
    assert_eq!(String::from_utf8_lossy(&out.stdout), "a b\r\nc d\r\n", "{}", String::from_utf8_lossy(&out.stderr));
    let run = shop.query(&["json:/dev/stdin"]).args(["--sql", "SELECT sum(id) FROM stdin"]).stdin("{\"id\":4}").run();
    run.success().stdout_has("4");
    // The questions of a batch and its data cannot both come from there.
    shop.write("llmsql.toml", "[sources]\nlogs = \"-\"\n");
    for source in ["-", "x=-", "/dev/stdin", "x=/dev/stdin", "json:/dev/stdin", "/dev/fd/0", "/proc/self/fd/0", "logs"]
    {
        let run = shop.query(&[source]).args(["--batch", "-"]).stdin("{}").run();
        run.code(64).stderr_has("stdin cannot be both");
    }
}

#[test]
fn dates_in_text_of_sqlite_are_dates_for_sql_and_exports_as_for_questions() {
    let shop = Shop::new();
    let sqlite = rusqlite::Connection::open(shop.path("visits.db")).unwrap();
    sqlite
        .execute_batch(
            "CREATE TABLE visits(id INTEGER PRIMARY KEY, day TEXT, began TEXT, note TEXT, gone TEXT, late TEXT);
             WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 2999)
             INSERT INTO visits SELECT i, date('2026-01-01', i || ' days'), datetime('2026-01-01', i || ' hours'),
               '2026-01-01 it began', NULL, CASE WHEN i < 2500 THEN '2026-01-01' ELSE 'unknown' END FROM n;",
        )
        .unwrap();
    let types = "SELECT DISTINCT typeof(day), typeof(began), typeof(note), typeof(gone), typeof(late) FROM visits";
    let expected = json!([["DATE", "TIMESTAMP", "VARCHAR", "VARCHAR", "VARCHAR"]]);
    assert_eq!(shop.rows(&["visits.db"], types), expected);
    // The SQL that a question prints is SQL that can be passed.
    let asked = shop
        .query(&["visits.db"])
        .args(["--format", "json", "how many visits were there by day in February 2026?"])
        .run();
    let asked = asked.success().json();
    assert_eq!(shop.rows(&["visits.db"], asked["sql"].as_str().unwrap()), asked["rows"]);
    let day = "SELECT count(*), min(id) FROM visits WHERE began >= DATE '2026-02-01' AND began < DATE '2026-02-02'";
    assert_eq!(shop.rows(&["visits.db"], day), json!([[24, 744]]));
    assert_eq!(shop.rows(&["visits.db"], "SELECT count(*) FROM visits WHERE late = 'unknown'"), json!([[500]]));
    shop.command("export").args(["--source", "visits.db", "--table", "visits", "-o", "v.parquet"]).run().success();
    assert_eq!(shop.rows(&["visits=v.parquet"], types), expected);
}

#[test]
fn a_link_keeps_its_name_whatever_it_leads_to() {
    let shop = Shop::new();
    std::os::unix::fs::symlink("items.csv", shop.path("latest.csv")).unwrap();
    std::os::unix::fs::symlink("orders.db", shop.path("today.db")).unwrap();
    let sources = ["latest.csv", "today.db"];
    assert_eq!(
        shop.rows(&sources, "SELECT (SELECT count(*) FROM latest), count(*) FROM today.orders"),
        json!([[3, 3]])
    );
    // What is redirected has no name but that of its file.
    let fd = shop.query(&["/dev/stdin"]).args(["--sql", "SELECT count(*) AS n FROM stdin"]);
    fd.stdin("a\n1\n").run().success();
}

#[test]
fn an_access_log_without_durations_does_not_say_what_was_slow() {
    let shop = Shop::new();
    let line = |at: u32, path: &str| {
        format!("10.0.0.1 - - [26/Nov/2026:10:00:{at:02} +0000] \"GET {path} HTTP/1.1\" 200 5 \"-\" \"curl/8\"\n")
    };
    shop.write("access.log", &(10..40).map(|i| line(i, if i % 2 == 0 { "/a" } else { "/b" })).collect::<String>());
    for question in ["which urls were slowest on 2026-11-26", "10 slowest urls", "fastest page", "warmest path"] {
        shop.query(&["access.log"]).arg(question).run().code(20);
    }
    shop.query(&["access.log"]).arg("latest request").run().success().stdout_has("10:00:39");
}

#[test]
fn numbers_keep_the_digits_of_their_precision() {
    let shop = Shop::new();
    let sql = "SELECT 0.1::FLOAT AS a, 16777216::FLOAT AS b, 'NaN'::FLOAT AS c, 0.1::DOUBLE AS d, 1.5e30::FLOAT AS e";
    assert_eq!(shop.rows(&["items.csv"], sql), json!([[0.1, 16777216.0, "NaN", 0.1, 1.5e30]]));
}

#[test]
fn what_is_wrong_with_a_file_is_said_with_what_to_do() {
    let shop = Shop::new();
    fs::write(shop.path("latin.csv"), b"id,name\n1,M\xfcller\n").unwrap();
    shop.sql(&["latin.csv"], "SELECT 1").code(1).stderr_has("iconv");
    let noise: Vec<u8> = (0..3000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8 | 0x80).collect();
    fs::write(shop.path("noise.db"), &noise).unwrap();
    shop.sql(&["noise.db"], "SELECT 1").code(64).stderr_has("is no database");
    duckdb_file(&shop.path("cut.duckdb"), "CREATE TABLE t AS SELECT i FROM range(10000) r(i)");
    let whole = fs::read(shop.path("cut.duckdb")).unwrap();
    fs::write(shop.path("cut.duckdb"), &whole[..20_000]).unwrap();
    shop.sql(&["cut.duckdb"], "FROM t").code(1).stderr_has("is damaged").stderr_has("backup");
    // Whatever block is damaged, the file or the table is named.
    for block in (12_288..whole.len()).step_by(262_144) {
        let mut bent = whole.clone();
        bent[block + 1000..block + 2000].fill(0xa5);
        fs::write(shop.path("bent.duckdb"), &bent).unwrap();
        let run = shop.command("schema").args(["--source", "bent.duckdb"]).run().code(1).stderr_has("is damaged");
        assert!(run.stderr.contains("bent.duckdb: ") || run.stderr.contains("error: t: "), "{block}: {}", run.stderr);
    }
    shop.write("ends.csv", "a,b\r\n1,2\n3,4\r\n");
    shop.sql(&["ends.csv"], "SELECT 1").code(1).stderr_has("CR LF").stderr_has("dos2unix");
    shop.write("long.csv", &format!("a,b\n1,{}\n", "x".repeat(3_000_000)));
    let run = shop.sql(&["long.csv"], "FROM long").code(1).stderr_has("Maximum line size");
    assert!(run.stderr.len() < 600, "{}", run.stderr);
    shop.write("plain.csv.gz", "id\n1\n");
    shop.sql(&["plain.csv.gz"], "SELECT 1").code(1).stderr_has("damaged").stderr_has("next:");
    let mut fickle = String::from("a,b\n");
    for i in 0..50_000 {
        fickle += &format!("{i},{i}\n");
    }
    shop.write("fickle.csv", &(fickle + "1,many\n"));
    let run = shop.sql(&["fickle.csv"], "SELECT max(b) FROM fickle").code(1);
    run.stderr_has("many").stderr_has("mend that line");
    let run = shop.query(&["fickle.csv"]).args(["-o", "all.csv", "--sql", "FROM fickle"]).run().code(1);
    let run = run.stderr_has("50002").stderr_has("mend that line");
    assert!(!run.stderr.contains("pending query") && !shop.path("all.csv").exists(), "{}", run.stderr);
    shop.write("llmsql.toml", "[sources]\nshop = \"items.csv\"\ngone = \"nowhere.csv\"\n");
    shop.command("schema").run().code(64).stderr_has("[sources] gone");
    shop.sql(&["shpo"], "SELECT 1").code(64).stderr_has("has gone, shop");
    // What is named there stands beside that file, wherever it is asked from.
    fs::create_dir(shop.path("elsewhere")).unwrap();
    let run =
        shop.command("schema").dir(shop.path("elsewhere")).args(["--source", "shop", "--config", "../llmsql.toml"]);
    run.run().success().stdout_has("lamp");
}

#[test]
fn access_logs_of_nginx_and_apache_have_columns() {
    let shop = Shop::new();
    let combined = "10.0.0.1 - ada [26/Nov/2026:23:30:00 -0100] \"GET /a?x=1 HTTP/1.1\" 200 512 \"https://x/\" \"curl/8 (a \\\"b\\\")\"\n\
                    10.0.0.2 - - [27/Nov/2026:10:00:00 +0000] \"POST /b HTTP/2.0\" 502 - \"-\" \"-\"\n\
                    ::1 - - [27/Nov/2026:11:00:00 +0000] \"\\x16\\x03\\x01\" 400 0 \"-\" \"-\"\n";
    shop.write("nginx/access.log", combined);
    shop.write("nginx/access.log.1", "10.0.0.3 - - [25/Nov/2026:10:00:00 +0000] \"GET /a HTTP/1.0\" 404 7\n");
    let columns = "remote_addr, remote_user, \"time\" AT TIME ZONE 'UTC', method, path, protocol, status, bytes, referer, user_agent";
    let rows = shop.rows(&["nginx/access.log"], &format!("SELECT {columns} FROM access ORDER BY \"time\""));
    assert_eq!(
        rows,
        json!([
            [
                "10.0.0.1",
                "ada",
                "2026-11-27 00:30:00",
                "GET",
                "/a?x=1",
                "HTTP/1.1",
                200,
                512,
                "https://x/",
                "curl/8 (a \\\"b\\\")"
            ],
            ["10.0.0.2", null, "2026-11-27 10:00:00", "POST", "/b", "HTTP/2.0", 502, null, null, null],
            ["::1", null, "2026-11-27 11:00:00", null, null, null, 400, 0, null, null]
        ])
    );
    let asked = |question: &str| shop.query(&["nginx/access.log*"]).args(["--format", "csv", question]).run().success();
    asked("how many requests failed?").stdout_has("\r\n1\r\n");
    let run = shop.query(&["nginx/access.log*"]).args(["--format", "csv", "how many lines are there?"]).run();
    assert!(!run.stdout.contains("\r\n0\r\n"), "{}", run.stdout);
    asked("how many 404s?").stdout_has("\r\n1\r\n");
    assert_eq!(shop.rows(&["nginx/access.log*"], "SELECT count(*), count(DISTINCT path) FROM access"), json!([[4, 3]]));
    let lines_of =
        |sources: &[&str], sql: &str| shop.query(sources).args(["--format", "csv", "--sql", sql]).run().success();
    // No line is lost: what does not fit stands in `unparsed`, whether it comes first or late.
    let one = combined.lines().next().unwrap();
    shop.write("odd/first.log", &format!("=== rotated\n{one}\n\n{one}\n"));
    let run =
        lines_of(&["odd/first.log"], "SELECT count(*) AS n, count(status) AS fit, max(unparsed) AS line FROM first");
    run.stdout_has("3,2,=== rotated").stderr_has("no access log's");
    shop.write("odd/late.log", &format!("{}panic: \u{1}out of memory\n", format!("{one}\n").repeat(120)));
    let run = lines_of(&["odd/late.log"], "SELECT unparsed FROM late WHERE status IS NULL");
    run.stdout_has("panic: \u{1}out of memory");
    // Just rotated: the newest is empty. What stands beside them and is none is a table of its own.
    shop.write("site/access.log", "");
    shop.write("site/access.log.1", combined);
    shop.write("site/error.log", "2026/11/27 10:00:00 [error] 7#7: upstream timed out\n");
    shop.write("site/error.log.1", "2026/11/26 10:00:00 [warn] 7#7: a buffer\n2026/11/26 10:00:01 [warn] 7#7: a, b\n");
    let run = lines_of(
        &["n=site/*log*"],
        "SELECT (SELECT count(*) FROM n), (SELECT count(status) FROM n), (SELECT count(line) FROM error)",
    );
    run.stdout_has("3,3,3").stderr_has("the table \"error\"");
    // Other text has lines, of which the first is one too.
    shop.write("bytes.log", "one two three\nfour \u{1} five\nsix seven\n");
    lines_of(&["bytes.log"], "SELECT line FROM bytes WHERE line LIKE 'four%'").stdout_has("four \u{1} five");
    shop.write("app.log", "2026-01-01 started well\n2026-01-02 an error came\n");
    let run = shop.query(&["app.log"]).args(["--format", "csv", "--sql", "SELECT count(line) AS n FROM app"]).run();
    run.success().stdout_has("2").stderr_has("each line is a text");
    shop.write("ids.txt", "id\n1\n2\n");
    assert_eq!(shop.rows(&["ids.txt"], "SELECT sum(id) FROM ids"), json!([[3]]));
}

#[test]
fn the_name_of_an_only_column_is_no_row_for_its_spaces() {
    let shop = Shop::new();
    let count = |source: &str, input: &str| {
        let run = shop.query(&[source]).args(["--format", "csv", "--sql", "SELECT count(*) AS n FROM stdin"]);
        run.stdin(input).run().success()
    };
    count("-", "row count\n5\n6\n").stdout_has("n\r\n2\r\n");
    count("-", "full name\nAda\nGrace\n").stdout_has("n\r\n2\r\n");
    count("-", "full name\nAda Lovelace\nGrace Hopper\n").stdout_has("n\r\n2\r\n");
    shop.write("names.txt", "full name\nAda Lovelace\nGrace Hopper\n");
    assert_eq!(shop.rows(&["csv:names.txt"], "SELECT count(\"full name\") FROM names"), json!([[2]]));
    shop.write("given.txt", "given name\nAda\nGrace\n");
    assert_eq!(shop.rows(&["given.txt"], "SELECT count(\"given name\") FROM given"), json!([[2]]));
    // What was piped in is called so.
    let run = count("-", "of march, 2026\n\nid;name;x\n1;a;x\n2;b;x\n3;c;x\n").stderr_has("note: stdin: ");
    assert!(!run.stderr.contains("llmsql-query-"), "{}", run.stderr);
}

#[test]
fn a_file_is_read_once_however_many_links_lead_to_it() {
    let shop = Shop::new();
    shop.write("logs/a.csv", "id\n1\n");
    std::os::unix::fs::symlink(".", shop.path("logs/self")).unwrap();
    std::os::unix::fs::symlink("a.csv", shop.path("logs/current.csv")).unwrap();
    for source in ["t=logs", "t=logs/*.csv", "t=logs/**/*.csv"] {
        assert_eq!(shop.rows(&[source], "SELECT count(*) FROM t"), json!([[1]]), "{source}");
    }
}
