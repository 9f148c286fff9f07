//! What clients notice of a rebuild: queries keep an index, inserts go on.

use super::Bench;
use llmsql::postgres::connect::Blocking;
use llmsql::postgres::conninfo::{Conninfo, Environment, resolve};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// An insert may wait that long, in milliseconds.
const LONGEST: u64 = 500;

/// Asks for the plan of a query until it is done; how often.
fn ask(info: &Conninfo, done: &AtomicBool) -> u32 {
    let session = Blocking::open(info).expect("a session");
    let mut asked = 0;
    while !done.load(Ordering::Relaxed) {
        let target = "(SELECT embedding FROM docs WHERE id = 1)";
        let sql = format!("EXPLAIN SELECT id FROM docs ORDER BY embedding <-> {target} LIMIT 5");
        let plan = session.query(&sql, &[]).expect("a plan");
        let lines: Vec<String> = plan.iter().filter_map(|row| row.try_get(0).ok()).collect();
        assert!(lines.iter().any(|l| l.contains("docs_idx")), "a query without the index: {lines:?}");
        asked += 1;
        std::thread::sleep(Duration::from_millis(2));
    }
    asked
}

/// Inserts a row after the other; how many, and the longest that one took.
fn insert(info: &Conninfo, done: &AtomicBool) -> (u32, Duration) {
    let session = Blocking::open(info).expect("a session");
    let (mut rows, mut longest) = (0, Duration::ZERO);
    while !done.load(Ordering::Relaxed) {
        let start = Instant::now();
        session.batch("INSERT INTO docs (embedding) SELECT embedding FROM docs WHERE id = 2").expect("a row");
        longest = longest.max(start.elapsed());
        rows += 1;
        std::thread::sleep(Duration::from_millis(5));
    }
    (rows, longest)
}

/// With `LLMSQL_EXTENDED=1` on 200000 rows.
#[test]
fn queries_keep_their_index_and_inserts_go_on_during_a_rebuild() {
    let rows = if std::env::var_os("LLMSQL_EXTENDED").is_some() { 200_000 } else { 60_000 };
    // The server itself tells who waits for a lock that long.
    let bench = Bench::with_docs(&format!("log_lock_waits = on\ndeadlock_timeout = {LONGEST}ms"), rows);
    let info = resolve(Some(&bench.server.dsn()), &Environment::default()).expect("a connection string");
    let before = bench.sql("SELECT 'docs_idx'::regclass::oid");
    let done = AtomicBool::new(false);
    let (asked, (inserted, longest)) = std::thread::scope(|scope| {
        let asking = scope.spawn(|| ask(&info, &done));
        let inserting = scope.spawn(|| insert(&info, &done));
        let run = bench.index(&["rebuild", "docs_idx"]);
        done.store(true, Ordering::Relaxed);
        run.success().stdout_has("rebuilt with");
        (asking.join().expect("no query lost its index"), inserting.join().expect("every insert was done"))
    });
    println!("{rows} rows: {asked} plans, {inserted} inserts, the longest took {longest:?}");
    assert!(asked > 0 && inserted > 0);
    let waits: Vec<String> =
        bench.server.log().lines().filter(|l| l.contains("still waiting")).map(str::to_owned).collect();
    assert!(waits.is_empty(), "{waits:?}");
    assert_ne!(before, bench.sql("SELECT 'docs_idx'::regclass::oid"));
    assert_eq!(bench.lists("docs_idx"), format!("lists={}", bench.noted_rows().isqrt()));
    assert_eq!(bench.leftovers(), "");
}

impl Bench {
    /// The rows that the comment of the index says it was built on.
    fn noted_rows(&self) -> u64 {
        let rows = self.sql("SELECT substring(obj_description('docs_idx'::regclass) FROM 'rows=([0-9]+)')");
        rows.parse().expect("a number")
    }
}
