//! What queries and inserts notice while a vector index is rebuilt: the guide's script (section 1.6), a bare REINDEX
//! CONCURRENTLY, and `llmsql index rebuild`, in turns on one server under the same load: `cargo bench --bench index`.
//!
//! `LLMSQL_BENCH_ROWS` (200000) and `LLMSQL_BENCH_ROUNDS` (3) change the size. Times are medians over the rounds. The
//! bare REINDEX is told its lists; ours counts, plans, measures drift before and after, and checks recall. It ends with 1
//! where a query had no index during ours, where an insert waited over 500 ms, where ours took more than 1.1 times the bare
//! REINDEX, or longer than the guide's script with PostgreSQL's default memory.

#[path = "../tests/it/support/mod.rs"]
mod support;

use llmsql::postgres::connect::Blocking;
use llmsql::postgres::conninfo::{Environment, resolve};
use std::error::Error;
use std::process::{Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use support::{Llmsql, Postgres};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const DIMENSIONS: u32 = 96;
const METHODS: [&str; 3] = ["the guide's script", "REINDEX CONCURRENTLY", "llmsql index rebuild"];

/// What one rebuild was like.
#[derive(Clone, Copy, Default)]
struct Seen {
    total: f64,
    without_index: f64,
    p50: f64,
    p99: f64,
    insert: f64,
}

fn main() -> Outcome<ExitCode> {
    let number = |name: &str, default: u32| std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default);
    let (rows, rounds) = (number("LLMSQL_BENCH_ROWS", 200_000), number("LLMSQL_BENCH_ROUNDS", 3));
    let server = Postgres::new(18).config("max_wal_size = 4GB\nautovacuum = off").start();
    server.query("CREATE EXTENSION vector; CREATE EXTENSION pageinspect; CREATE EXTENSION tsm_system_rows");
    server.query(&format!("CREATE TABLE docs (id bigserial PRIMARY KEY, embedding vector({DIMENSIONS}))"));
    server.query(&format!(
        "INSERT INTO docs (embedding) SELECT (SELECT array_agg(sin((i % 300) * 7 + d * 3) + 0.6 * random()) \
         FROM generate_series(1, {DIMENSIONS}) d)::vector FROM generate_series(1, {rows}) i"
    ));
    let state = tempfile::tempdir()?;
    let mut seen: [Vec<Seen>; 3] = Default::default();
    for round in 0..rounds {
        for turn in 0..METHODS.len() {
            // Each is the first once, since a machine may grow busier or quieter.
            let i = (turn + round as usize) % METHODS.len();
            let Some(method) = METHODS.get(i) else { continue };
            server.query(
                "DROP INDEX IF EXISTS docs_idx; SET maintenance_work_mem = '512MB'; CREATE INDEX docs_idx ON docs \
                 USING ivfflat (embedding vector_cosine_ops) WITH (lists = 200)",
            );
            server.query("VACUUM ANALYZE docs");
            server.query("CHECKPOINT");
            let one = measure(&server, state.path(), i, rows)?;
            println!(
                "round {}  {method:22} {:6.2} s  without index {:5.2} s  p50 {:6.1} ms  p99 {:6.1} ms  worst insert {:7.1} ms",
                round + 1,
                one.total,
                one.without_index,
                one.p50,
                one.p99,
                one.insert
            );
            if let Some(all) = seen.get_mut(i) {
                all.push(one);
            }
        }
    }
    let [guide, bare, ours] = seen.map(|all| Seen {
        total: median(all.iter().map(|s| s.total)),
        without_index: all.iter().map(|s| s.without_index).fold(0.0, f64::max),
        p50: median(all.iter().map(|s| s.p50)),
        p99: median(all.iter().map(|s| s.p99)),
        insert: all.iter().map(|s| s.insert).fold(0.0, f64::max),
    });
    println!(
        "total: {:.2} of a bare REINDEX CONCURRENTLY, {:.2} of the guide's script",
        ours.total / bare.total,
        ours.total / guide.total
    );
    println!(
        "p99 of a query during it: {:.2} of the guide's script; p50 {:.2}",
        ours.p99 / guide.p99,
        ours.p50 / guide.p50
    );
    println!(
        "without an index: {:.2} s against {:.2} s; worst insert {:.0} ms against {:.0} ms",
        ours.without_index, guide.without_index, ours.insert, guide.insert
    );
    let quick = ours.total <= 1.1 * bare.total && ours.total < guide.total;
    let good = quick && ours.without_index == 0.0 && ours.insert <= 500.0;
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    percentile(values.collect(), 0.5)
}

fn percentile(mut values: Vec<f64>, share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values
        .get(((values.len() as f64 * share) as usize).min(values.len().saturating_sub(1)))
        .copied()
        .unwrap_or_default()
}

/// Rebuilds by one method under load, each client on a connection of its own.
fn measure(server: &Postgres, state: &std::path::Path, method: usize, rows: u32) -> Outcome<Seen> {
    let done = AtomicBool::new(false);
    let info = resolve(Some(&server.dsn()), &Environment::default())?;
    std::thread::scope(|scope| {
        let prober = scope.spawn(|| -> Outcome<f64> {
            let session = Blocking::open(&info)?;
            let (mut without, mut last) = (0.0, Instant::now());
            while !done.load(Ordering::Relaxed) {
                // What a query finds at this moment; a plan cannot be asked for while the table is locked by DROP.
                let found = session
                    .query_one("SELECT count(*) AS n FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE c.relname = 'docs_idx' AND indisvalid", &[])?
                    .try_get::<_, i64>("n")?;
                let now = Instant::now();
                if found == 0 {
                    without += (now - last).as_secs_f64();
                }
                last = now;
                std::thread::sleep(Duration::from_millis(20));
            }
            Ok(without)
        });
        let reader = scope.spawn(|| -> Outcome<Vec<f64>> {
            let session = Blocking::open(&info)?;
            let target = session
                .query_one("SELECT embedding::text AS v FROM docs WHERE id = 7", &[])?
                .try_get::<_, String>("v")?;
            session.batch("SET ivfflat.probes = 10")?;
            let sql = format!("SELECT id FROM docs ORDER BY embedding <=> '{target}' LIMIT 10");
            let mut took = Vec::new();
            while !done.load(Ordering::Relaxed) {
                let start = Instant::now();
                session.query(&sql, &[])?;
                took.push(start.elapsed().as_secs_f64() * 1000.0);
                std::thread::sleep(Duration::from_millis(20));
            }
            Ok(took)
        });
        let writer = scope.spawn(|| -> Outcome<f64> {
            let session = Blocking::open(&info)?;
            let mut worst = 0f64;
            while !done.load(Ordering::Relaxed) {
                let start = Instant::now();
                session.query("INSERT INTO docs (embedding) SELECT embedding FROM docs WHERE id = 9", &[])?;
                worst = worst.max(start.elapsed().as_secs_f64() * 1000.0);
                std::thread::sleep(Duration::from_millis(20));
            }
            Ok(worst)
        });
        std::thread::sleep(Duration::from_millis(300));
        let start = Instant::now();
        let result = rebuild(server, state, method, rows);
        let total = start.elapsed().as_secs_f64();
        done.store(true, Ordering::Relaxed);
        let joined = |_| "a client panicked";
        let (without_index, took, insert) =
            (prober.join().map_err(joined)??, reader.join().map_err(joined)??, writer.join().map_err(joined)??);
        result?;
        Ok(Seen { total, without_index, p50: percentile(took.clone(), 0.5), p99: percentile(took, 0.99), insert })
    })
}

fn rebuild(server: &Postgres, state: &std::path::Path, method: usize, rows: u32) -> Outcome<()> {
    match method {
        // As the guide's script: with the server's default memory.
        0 => {
            let lists = server.query("SELECT floor(sqrt(count(embedding))) FROM docs");
            server.query("DROP INDEX IF EXISTS docs_idx");
            server.query(&format!(
                "CREATE INDEX docs_idx ON docs USING ivfflat (embedding vector_cosine_ops) WITH (lists = {lists})"
            ));
            server.query("VACUUM ANALYZE docs");
        }
        // Nothing but the statement, with the memory and the workers that ours takes, the lists known beforehand.
        1 => {
            let mut psql = server.client("psql");
            psql.args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-c", "SET maintenance_work_mem = '512MB'"]);
            psql.args(["-c", &format!("ALTER INDEX docs_idx SET (lists = {})", rows.isqrt())]);
            if !psql.args(["-c", "REINDEX INDEX CONCURRENTLY docs_idx"]).status()?.success() {
                return Err("REINDEX failed".into());
            }
        }
        _ => {
            let output = Command::new(Llmsql::path())
                .args(["index", "rebuild", "docs_idx", "--dsn", &server.dsn()])
                .env("STATE_DIRECTORY", state)
                .stdin(Stdio::null())
                .output()?;
            print!("{}", String::from_utf8_lossy(&output.stdout));
            if !output.status.success() {
                return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
            }
        }
    }
    Ok(())
}
