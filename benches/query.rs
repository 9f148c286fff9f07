//! Questions beside DuckDB's own shell, as whole processes in turns: `cargo bench --bench query`.
//!
//! The same SQL over Parquet and CSV; a SQLite file and a PostgreSQL table through llmsql's loading and through DuckDB's
//! loadable scanners; translation alone over a schema of 100 tables; the memory that loading more than the limit takes.
//! `LLMSQL_BENCH_ROWS` (10000000) and `LLMSQL_BENCH_ROUNDS` (11) change the size. Times are medians over the rounds of whole
//! processes, from start to end, with what each prints read from a pipe; both have two threads where the machine has two
//! CPUs, keep the order of rows, and remember nothing between runs but the system's cache of the file. It ends with 1 where
//! a query over files took more than 1.15 times the shell's time, where translation took more than 5 ms (p50) or 25 ms
//! (p99), or where memory went beyond one and a half times the limit and 192 MB for the programs.

#[path = "../tests/it/support/mod.rs"]
mod support;

use llmsql::query::language::{Clock, Glossary, NoLookup, Translator};
use llmsql::query::schema::{Column, ForeignKey, Kind, Schema, Table};
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};
use support::{Llmsql, Postgres, servers};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// How much slower than the shell a query may be.
const LIMIT: f64 = 1.15;

const QUERIES: [(&str, &str); 4] = [
    ("group", "SELECT status, count(*), avg(ms) FROM logs GROUP BY status ORDER BY status"),
    ("top", "SELECT path, quantile_cont(ms, 0.95) AS p95 FROM logs GROUP BY path ORDER BY p95 DESC LIMIT 10"),
    (
        "series",
        "SELECT date_trunc('hour', seen) AS hour, count(*) FROM logs WHERE status >= 500 GROUP BY hour ORDER BY hour LIMIT 100",
    ),
    ("distinct", "SELECT count(DISTINCT client), sum(bytes) FROM logs"),
];

fn main() -> Outcome<ExitCode> {
    let number = |name: &str, default: u64| std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default);
    let (rows, rounds) = (number("LLMSQL_BENCH_ROWS", 10_000_000), number("LLMSQL_BENCH_ROUNDS", 11));
    let dir = tempfile::tempdir_in("/var/tmp")?;
    let mut good = translation();
    good &= files(dir.path(), rows, rounds)?;
    scanners(dir.path(), rows / 10, rounds)?;
    good &= memory(dir.path())?;
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn shell(sql: &str) -> Command {
    let mut command = Command::new(servers().join("python/duckdb_cli/duckdb"));
    command.args(["-init", "/dev/null", "-csv", "-c", sql]);
    command
}

fn llmsql(dir: &Path, source: &str, sql: &str) -> Command {
    let mut command = Command::new(Llmsql::path());
    command.current_dir(dir).env("STATE_DIRECTORY", dir.join("state"));
    command.args(["query", "--source", source, "--format", "csv", "--sql", sql]);
    command
}

/// Seconds of a whole process, and the lines it printed.
fn run(mut command: Command) -> Outcome<(f64, usize)> {
    let start = Instant::now();
    let done = command.stdin(Stdio::null()).output()?;
    let seconds = start.elapsed().as_secs_f64();
    if !done.status.success() {
        return Err(format!("{command:?}: {}", String::from_utf8_lossy(&done.stderr)).into());
    }
    Ok((seconds, String::from_utf8_lossy(&done.stdout).lines().count()))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// Runs both in turns; the medians.
fn beside(rounds: u64, ours: impl Fn() -> Command, theirs: impl Fn() -> Command) -> Outcome<(f64, f64)> {
    // Once without a clock: what is read is then in memory for both.
    let (first, second) = (run(ours())?, run(theirs())?);
    if first.1 != second.1 {
        return Err(format!("{} lines against {}", first.1, second.1).into());
    }
    let (mut our, mut their) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        for turn in 0..2 {
            if (turn + round) % 2 == 0 {
                our.push(run(ours())?.0);
            } else {
                their.push(run(theirs())?.0);
            }
        }
    }
    Ok((median(our), median(their)))
}

fn files(dir: &Path, rows: u64, rounds: u64) -> Outcome<bool> {
    let (parquet, csv) = (dir.join("logs.parquet"), dir.join("logs.csv"));
    let make = format!(
        "CREATE VIEW v AS SELECT i AS id, TIMESTAMP '2026-01-01' + INTERVAL 1 SECOND * (i // 10) AS seen,
           '/path/' || (i * 7919 % 300) AS path, CASE WHEN i % 37 = 0 THEN 500 WHEN i % 11 = 0 THEN 404 ELSE 200 END AS status,
           (i * 104729 % 100000) / 100.0 AS ms, i * 31 % 65536 AS bytes, '10.0.' || (i % 251) || '.' || (i % 241) AS client
         FROM range({rows}) r(i);
         COPY (FROM v) TO '{}'; COPY (FROM v) TO '{}'",
        parquet.display(),
        csv.display()
    );
    run(shell(&make))?;
    let mut good = true;
    for (kind, path) in [("parquet", &parquet), ("csv", &csv)] {
        let (mut ours, mut duckdb) = (0.0, 0.0);
        for (name, sql) in QUERIES {
            let theirs = sql.replace("FROM logs", &format!("FROM '{}'", path.display()));
            let (our, their) = beside(rounds, || llmsql(dir, &path.display().to_string(), sql), || shell(&theirs))?;
            let ratio = our / their;
            good &= ratio <= LIMIT;
            println!("{kind:8} {name:9} llmsql {our:7.3} s  duckdb {their:7.3} s  ratio {ratio:.2}");
            (ours, duckdb) = (ours + our, duckdb + their);
        }
        println!("{kind:8} together  llmsql {ours:7.3} s  duckdb {duckdb:7.3} s  ratio {:.2}", ours / duckdb);
    }
    Ok(good)
}

/// The signed extension of a wheel, installed for the shell.
fn load(name: &str) -> Outcome<String> {
    let folder = servers().join(format!("python/duckdb_extension_{name}/extensions"));
    let version = fs::read_dir(folder)?.flatten().next().ok_or("no version")?.path();
    Ok(format!("LOAD '{}';", version.join(format!("{name}.duckdb_extension")).display()))
}

fn scanners(dir: &Path, rows: u64, rounds: u64) -> Outcome<()> {
    let sqlite = dir.join("logs.db");
    let connection = rusqlite::Connection::open(&sqlite)?;
    connection.execute_batch(&format!(
        "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;
         CREATE TABLE logs (id INTEGER PRIMARY KEY, seen TEXT, path TEXT, status INTEGER, ms REAL, bytes INTEGER, client TEXT);
         WITH RECURSIVE r(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM r WHERE i < {rows} - 1)
         INSERT INTO logs SELECT i, datetime('2026-01-01', i / 10 || ' seconds'), '/path/' || (i * 7919 % 300),
           CASE WHEN i % 37 = 0 THEN 500 WHEN i % 11 = 0 THEN 404 ELSE 200 END, (i * 104729 % 100000) / 100.0,
           i * 31 % 65536, '10.0.' || (i % 251) || '.' || (i % 241) FROM r;"
    ))?;
    drop(connection);
    let server = Postgres::new(18).config("fsync = off\nmax_wal_size = 4GB").start();
    server.query(&format!(
        "CREATE TABLE logs AS SELECT i AS id, timestamp '2026-01-01' + i / 10 * interval '1 s' AS seen, '/path/' || (i::bigint * 7919 % 300) AS path,
           CASE WHEN i % 37 = 0 THEN 500 WHEN i % 11 = 0 THEN 404 ELSE 200 END AS status,
           ((i::bigint * 104729 % 100000) / 100.0)::float8 AS ms, i::bigint * 31 % 65536 AS bytes,
           '10.0.' || (i % 251) || '.' || (i % 241) AS client FROM generate_series(0, {rows} - 1) i; ANALYZE logs"
    ));
    let queries = [
        ("group", "SELECT status, count(*), avg(ms) FROM logs GROUP BY status ORDER BY status"),
        ("narrow", "SELECT path, count(*) FROM logs WHERE status = 500 AND id > 1000 GROUP BY path ORDER BY path"),
        ("wide", "SELECT count(DISTINCT client), sum(bytes), max(path), min(ms), count(seen) FROM logs"),
    ];
    let attach = [
        (
            sqlite.display().to_string(),
            format!("{} ATTACH '{}' AS s (TYPE sqlite); USE s;", load("sqlite_scanner")?, sqlite.display()),
        ),
        (
            server.dsn(),
            format!("{} ATTACH '{}' AS s (TYPE postgres, READ_ONLY); USE s;", load("postgres_scanner")?, server.dsn()),
        ),
    ];
    for ((source, attach), kind) in attach.iter().zip(["sqlite", "postgres"]) {
        for (name, sql) in queries {
            let (our, their) = beside(rounds, || llmsql(dir, source, sql), || shell(&format!("{attach} {sql}")))?;
            println!("{kind:8} {name:9} llmsql {our:7.3} s  scanner {their:6.3} s  ratio {:.2}", our / their);
        }
    }
    Ok(())
}

/// A schema of 100 tables.
fn schema() -> Schema {
    let nouns = [
        "customer",
        "order",
        "invoice",
        "shipment",
        "supplier",
        "product",
        "category",
        "warehouse",
        "employee",
        "ticket",
        "session",
        "request",
        "backup",
        "server",
        "database",
        "index",
        "query",
        "alert",
        "deployment",
        "release",
    ];
    let column = |name: String, kind: Kind, sql_type: &str| Column {
        name,
        kind,
        sql_type: sql_type.to_owned(),
        distinct: Some(1000),
        ..Column::default()
    };
    let mut schema = Schema::default();
    for round in 0..5 {
        for (n, noun) in nouns.iter().enumerate() {
            let name = if round == 0 {
                format!("{noun}s")
            } else {
                format!("{noun}_{}", ["", "items", "notes", "events", "totals"][round])
            };
            let values = ["open", "paid", "failed", "new"].map(str::to_owned).to_vec();
            let status = Column {
                values,
                values_complete: true,
                distinct: Some(4),
                ..column("status".into(), Kind::Text, "VARCHAR")
            };
            let columns = vec![
                column("id".into(), Kind::Integer, "BIGINT"),
                column(format!("{}_id", nouns[(n + 1) % nouns.len()]), Kind::Integer, "BIGINT"),
                column("name".into(), Kind::Text, "VARCHAR"),
                status,
                column(format!("{noun}_amount"), Kind::Float, "DOUBLE"),
                column("duration_ms".into(), Kind::Float, "DOUBLE"),
                column("created_at".into(), Kind::Timestamp, "TIMESTAMP"),
                column("size_bytes".into(), Kind::Integer, "BIGINT"),
            ];
            schema.keys.push(ForeignKey {
                table: name.clone(),
                columns: vec![format!("{}_id", nouns[(n + 1) % nouns.len()])],
                to_table: format!("{}s", nouns[(n + 1) % nouns.len()]),
                to_columns: vec!["id".into()],
                declared: true,
            });
            schema.tables.push(Table {
                name,
                rows: Some(1000),
                columns,
                primary_key: vec!["id".into()],
                ..Table::default()
            });
        }
    }
    schema
}

fn translation() -> bool {
    let schema = schema();
    let glossary = Glossary::default();
    let translator = Translator::new(&schema, &glossary);
    let clock =
        Clock { now: jiff::civil::date(2026, 3, 1).at(12, 0, 0, 0), week_starts_on: jiff::civil::Weekday::Monday };
    let mut times = Vec::new();
    for table in schema.tables.iter().take(20) {
        let name = table.name.replace('_', " ");
        for question in [
            format!("how many {name} are there?"),
            format!("average duration of {name} per day last week"),
            format!("top 10 {name} by size"),
            format!("which {name} failed yesterday?"),
            format!("total amount of {name} by status in 2025"),
            format!("the slowest {name} with status open created in the last 7 days"),
            format!("{name} that have no customers and a name like 'x'"),
        ] {
            for _ in 0..5 {
                let start = Instant::now();
                std::hint::black_box(translator.translate(&question, &clock, &NoLookup));
                times.push(start.elapsed().as_secs_f64() * 1000.0);
            }
        }
    }
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times.get((times.len() as f64 * share) as usize).copied().unwrap_or_default();
    let (p50, p99) = (at(0.5), at(0.99));
    println!("translation over {} tables: p50 {p50:.2} ms  p99 {p99:.2} ms", schema.tables.len());
    p50 < 5.0 && p99 < 25.0
}

/// The most memory that the program and its worker held, in MB, polled: the larger part of it stays held.
fn peak(mut command: Command) -> Outcome<u64> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
    let mut most = 0;
    while child.try_wait()?.is_none() {
        let mut processes: Vec<PathBuf> = vec![PathBuf::from(format!("/proc/{}", child.id()))];
        let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", child.id())).unwrap_or_default();
        processes.extend(children.split_whitespace().map(|pid| PathBuf::from(format!("/proc/{pid}"))));
        let held = |process: &PathBuf| {
            let status = fs::read_to_string(process.join("status")).unwrap_or_default();
            let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:").map(str::to_owned)).unwrap_or_default();
            line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or(0) / 1024
        };
        most = most.max(processes.iter().map(held).sum());
        std::thread::sleep(Duration::from_millis(5));
    }
    if !child.wait()?.success() {
        return Err("the query failed".into());
    }
    Ok(most)
}

fn memory(dir: &Path) -> Outcome<bool> {
    let file = dir.join("large.db");
    let connection = rusqlite::Connection::open(&file)?;
    connection.execute_batch(
        "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; CREATE TABLE large (id INTEGER, text TEXT);
         WITH RECURSIVE r(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM r WHERE i < 999999)
         INSERT INTO large SELECT i, hex(randomblob(300)) FROM r;",
    )?;
    drop(connection);
    let size = fs::metadata(&file)?.len() / (1 << 20);
    let limit = 128;
    let mut command = llmsql(dir, &file.display().to_string(), "SELECT count(*), max(text), sum(id) FROM large");
    command.args(["--memory", &format!("{limit}MB"), "--threads", "2"]);
    let most = peak(command)?;
    println!(
        "memory: a table of {size} MB loaded under a limit of {limit} MB: peak {most} MB, program and worker together"
    );
    Ok(most <= limit * 3 / 2 + 192)
}
