//! What queries and inserts notice while a vector index is rebuilt: the guide's script (section 1.6), a bare REINDEX
//! CONCURRENTLY, and `llmsql index rebuild`, in turns on one server under the same load: `cargo bench --bench index`.
//!
//! `LLMSQL_BENCH_ROWS` (200000) and `LLMSQL_BENCH_ROUNDS` (3) change the size. A round is the guide's script and four
//! pairs of the others, each of which comes first in turn. The ratio is of all their times together, since k-means begins
//! with random rows and the same statement takes 7 % more or less each time. The bare REINDEX is told its lists; ours
//! counts, plans, measures drift before and after, and checks recall: what it takes beside the statement, by the
//! server's own clock, is printed as well, and hardly depends on how busy the machine is. A session asks for the plan of
//! a query all the while, and the time in which it is without the index counts. It ends with 1 where a query had none
//! during ours, where an insert waited over 500 ms, where ours took more than 1.1 times the bare REINDEX, or longer than
//! the guide's script with PostgreSQL's default memory.

#[path = "../tests/it/support/mod.rs"]
mod support;

use llmsql::postgres::connect::Blocking;
use llmsql::postgres::conninfo::{Environment, resolve};
use std::error::Error;
use std::fmt;
use std::process::{Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use support::{Llmsql, Postgres};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const DIMENSIONS: u32 = 96;

/// Clients that ask a query, pause 20 ms and ask again: a third of a CPU while there is an index.
const READERS: u32 = 4;

/// Runs of ours and of the bare statement, one after the other, in each round.
const PAIRS: u32 = 4;

/// Who rebuilds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Method {
    Guide,
    Bare,
    Ours,
}

impl Method {
    fn name(self) -> &'static str {
        match self {
            Method::Guide => "the guide's script",
            Method::Bare => "REINDEX CONCURRENTLY",
            Method::Ours => "llmsql index rebuild",
        }
    }
}

/// What one rebuild was like.
#[derive(Clone, Copy, Default)]
struct Seen {
    total: f64,
    /// What it took beside REINDEX, where it ran that.
    beside: Option<f64>,
    without_index: f64,
    p50: f64,
    p99: f64,
    insert: f64,
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:6.2} s  without index {:5.2} s  ", self.total, self.without_index)?;
        write!(f, "p50 {:6.1} ms  p99 {:6.1} ms  worst insert {:7.1} ms", self.p50, self.p99, self.insert)
    }
}

fn main() -> Outcome<ExitCode> {
    let number = |name: &str, default: u32| std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default);
    let (rows, rounds) = (number("LLMSQL_BENCH_ROWS", 200_000), number("LLMSQL_BENCH_ROUNDS", 3));
    let server =
        Postgres::new(18).config("max_wal_size = 4GB\nautovacuum = off\nlog_min_duration_statement = 100ms").start();
    server.query("CREATE EXTENSION vector; CREATE EXTENSION pageinspect; CREATE EXTENSION tsm_system_rows");
    server.query(&format!("CREATE TABLE docs (id bigserial PRIMARY KEY, embedding vector({DIMENSIONS}))"));
    server.query(&format!(
        "INSERT INTO docs (embedding) SELECT (SELECT array_agg(sin((i % 300) * 7 + d * 3) + 0.6 * random()) \
         FROM generate_series(1, {DIMENSIONS}) d)::vector FROM generate_series(1, {rows}) i"
    ));
    let state = tempfile::tempdir()?;
    let (mut guide, mut bare, mut ours) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..rounds {
        guide.push(measure(&server, state.path(), Method::Guide, rows)?);
        for pair in 0..PAIRS {
            // Each comes first in turn, since a machine grows busier or quieter.
            let first = if (round * PAIRS + pair).is_multiple_of(2) { Method::Bare } else { Method::Ours };
            let second = if first == Method::Bare { Method::Ours } else { Method::Bare };
            let one = measure(&server, state.path(), first, rows)?;
            let two = measure(&server, state.path(), second, rows)?;
            let (b, o) = if first == Method::Bare { (one, two) } else { (two, one) };
            bare.push(b);
            ours.push(o);
        }
    }
    let all = |seen: &[Seen]| seen.iter().map(|s| s.total).sum::<f64>();
    let ratio = all(&ours) / all(&bare);
    let [guide, bare, ours] = [guide, bare, ours].map(|all| Seen {
        total: median(all.iter().map(|s| s.total).collect()),
        beside: Some(median(all.iter().filter_map(|s| s.beside).collect())),
        without_index: all.iter().map(|s| s.without_index).fold(0.0, f64::max),
        p50: median(all.iter().map(|s| s.p50).collect()),
        p99: median(all.iter().map(|s| s.p99).collect()),
        insert: all.iter().map(|s| s.insert).fold(0.0, f64::max),
    });
    println!("medians; of the inserts and of the time without an index the worst:");
    for (method, seen) in [(Method::Guide, guide), (Method::Bare, bare), (Method::Ours, ours)] {
        println!("{:22} {seen}", method.name());
    }
    for (method, seen) in [(Method::Bare, bare), (Method::Ours, ours)] {
        println!("beside the statement: {:.3} s, {}", seen.beside.unwrap_or_default(), method.name());
    }
    println!("total: {ratio:.2} of a bare REINDEX CONCURRENTLY, {:.2} of the guide's script", ours.total / guide.total);
    let quick = ratio <= 1.1 && ours.total < guide.total;
    let good = quick && ours.without_index == 0.0 && ours.insert <= 500.0;
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn median(values: Vec<f64>) -> f64 {
    percentile(values, 0.5)
}

fn percentile(mut values: Vec<f64>, share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values
        .get(((values.len() as f64 * share) as usize).min(values.len().saturating_sub(1)))
        .copied()
        .unwrap_or_default()
}

/// A query for the nearest rows, in a session that asks ten lists.
fn nearest(session: &Blocking) -> Outcome<String> {
    let target =
        session.query_one("SELECT embedding::text AS v FROM docs WHERE id = 7", &[])?.try_get::<_, String>("v")?;
    session.batch("SET ivfflat.probes = 10")?;
    Ok(format!("SELECT id FROM docs ORDER BY embedding <=> '{target}' LIMIT 10"))
}

/// Builds an index of 200 lists and rebuilds it by one method under load, each client on a connection of its own.
fn measure(server: &Postgres, state: &std::path::Path, method: Method, rows: u32) -> Outcome<Seen> {
    server.query(
        "DROP INDEX IF EXISTS docs_idx; SET maintenance_work_mem = '512MB'; CREATE INDEX docs_idx ON docs \
         USING ivfflat (embedding vector_cosine_ops) WITH (lists = 200)",
    );
    server.query("VACUUM ANALYZE docs");
    server.query("CHECKPOINT");
    let done = AtomicBool::new(false);
    let info = resolve(Some(&server.dsn()), &Environment::default())?;
    std::thread::scope(|scope| {
        let prober = scope.spawn(|| -> Outcome<f64> {
            let session = Blocking::open(&info)?;
            let sql = format!("EXPLAIN {}", nearest(&session)?);
            let (mut without, mut last) = (0.0, Instant::now());
            while !done.load(Ordering::Relaxed) {
                let plan = session.query(&sql, &[])?;
                let by_index = plan.iter().any(|row| row.try_get(0).is_ok_and(|line: &str| line.contains("docs_idx")));
                let now = Instant::now();
                if !by_index {
                    without += (now - last).as_secs_f64();
                }
                last = now;
                std::thread::sleep(Duration::from_millis(20));
            }
            Ok(without)
        });
        let read = || -> Outcome<Vec<f64>> {
            let session = Blocking::open(&info)?;
            let sql = nearest(&session)?;
            let mut took = Vec::new();
            while !done.load(Ordering::Relaxed) {
                let start = Instant::now();
                session.query(&sql, &[])?;
                took.push(start.elapsed().as_secs_f64() * 1000.0);
                std::thread::sleep(Duration::from_millis(20));
            }
            Ok(took)
        };
        let readers: Vec<_> = (0..READERS).map(|_| scope.spawn(read)).collect();
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
        let (without_index, insert) = (prober.join().map_err(joined)??, writer.join().map_err(joined)??);
        let mut took = Vec::new();
        for reader in readers {
            took.extend(reader.join().map_err(joined)??);
        }
        result?;
        let beside = (method != Method::Guide).then(|| total - reindex_took(&server.log()));
        let (p50, p99) = (median(took.clone()), percentile(took, 0.99));
        let seen = Seen { total, beside, without_index, p50, p99, insert };
        println!("{:22} {seen}", method.name());
        Ok(seen)
    })
}

/// Seconds that the last REINDEX took, by the server's log.
fn reindex_took(log: &str) -> f64 {
    let line = log.lines().rev().find(|l| l.contains("statement: REINDEX INDEX CONCURRENTLY"));
    let duration = line.and_then(|l| l.split_once("duration: ")?.1.split_once(" ms")?.0.parse::<f64>().ok());
    duration.unwrap_or_default() / 1000.0
}

fn rebuild(server: &Postgres, state: &std::path::Path, method: Method, rows: u32) -> Outcome<()> {
    match method {
        // As the guide's script: with the server's default memory.
        Method::Guide => {
            let lists = server.query("SELECT floor(sqrt(count(embedding))) FROM docs");
            server.query("DROP INDEX IF EXISTS docs_idx");
            server.query(&format!(
                "CREATE INDEX docs_idx ON docs USING ivfflat (embedding vector_cosine_ops) WITH (lists = {lists})"
            ));
            server.query("VACUUM ANALYZE docs");
        }
        // Nothing but the statement, with the memory and the workers that ours takes, the lists known beforehand.
        Method::Bare => {
            let mut psql = server.client("psql");
            psql.args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-c", "SET maintenance_work_mem = '512MB'"]);
            psql.args(["-c", &format!("ALTER INDEX docs_idx SET (lists = {})", rows.isqrt())]);
            if !psql.args(["-c", "REINDEX INDEX CONCURRENTLY docs_idx"]).status()?.success() {
                return Err("REINDEX failed".into());
            }
        }
        Method::Ours => {
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
