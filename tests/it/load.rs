//! The budget under load: a host of the planned size, in which everything takes at once what it was given.

use crate::support::{PgBouncer, Planned, Postgres};
use duckdb::Connection;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const MB: u64 = 1 << 20;
/// The memory of the host that is planned for, and of the cgroup.
const RAM: u64 = 2048 * MB;
/// How long everything runs at once.
const LOAD: Duration = Duration::from_secs(15);
/// Set where this program runs itself once more, in the cgroup.
const INSIDE: &str = "LLMSQL_TEST_INSIDE_CGROUP";

/// A cgroup with a limit, removed with the value.
struct Cgroup {
    dir: PathBuf,
    unified: bool,
}

impl Cgroup {
    /// Makes one; `None` where this user or this host does not allow it.
    fn new(limit: u64) -> Option<Self> {
        let name = format!("llmsql-test-{}", std::process::id());
        let roots = [("/sys/fs/cgroup/memory", false), ("/sys/fs/cgroup", true)];
        roots.into_iter().find_map(|(root, unified)| {
            let cgroup = Cgroup { dir: Path::new(root).join(&name), unified };
            fs::create_dir(&cgroup.dir).ok()?;
            let file = if unified { "memory.max" } else { "memory.limit_in_bytes" };
            fs::write(cgroup.dir.join(file), limit.to_string()).ok()?;
            Some(cgroup)
        })
    }

    /// One number of a file of `name number` lines.
    fn number(&self, file: &str, name: &str) -> u64 {
        let text = fs::read_to_string(self.dir.join(file)).unwrap_or_default();
        let mut lines = text.lines().filter_map(|line| line.split_once(' '));
        lines.find(|(n, _)| *n == name).and_then(|(_, number)| number.parse().ok()).unwrap_or(0)
    }

    /// What its processes hold that cannot be dropped: their own pages and shared memory, without the page cache.
    fn held(&self) -> u64 {
        let own = if self.unified { "anon" } else { "total_rss" };
        let shared = if self.unified { "shmem" } else { "total_shmem" };
        self.number("memory.stat", own) + self.number("memory.stat", shared)
    }

    /// How many processes were killed for memory.
    fn killed(&self) -> u64 {
        self.number(if self.unified { "memory.events" } else { "memory.oom_control" }, "oom_kill")
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // A process that has just ended may still be counted.
        let start = Instant::now();
        while fs::remove_dir(&self.dir).is_err() && self.dir.exists() && start.elapsed() < Duration::from_secs(10) {
            thread::sleep(Duration::from_millis(50));
        }
    }
}

#[test]
fn nothing_is_killed_for_memory_on_a_host_of_the_planned_size() {
    if std::env::var_os(INSIDE).is_some() {
        return everything_at_its_limit();
    }
    let Some(cgroup) = Cgroup::new(RAM) else {
        println!("not judged: this user cannot make a cgroup with a memory limit here");
        return;
    };
    // This program once more, in the cgroup, with all that it starts.
    let mut child = Command::new("sh")
        .args(["-c", "echo $$ >\"$0/cgroup.procs\" && exec \"$@\""])
        .arg(&cgroup.dir)
        .arg(std::env::current_exe().expect("the path of this program"))
        .args(["--exact", "--nocapture", "load::nothing_is_killed_for_memory_on_a_host_of_the_planned_size"])
        .env(INSIDE, "1")
        .stdin(Stdio::null())
        .spawn()
        .expect("sh can be run");
    let mut peak = 0;
    let status = loop {
        if let Some(status) = child.try_wait().expect("the state of a child") {
            break status;
        }
        peak = peak.max(cgroup.held());
        thread::sleep(Duration::from_millis(20));
    };
    println!("memory held at the peak: {} MB; the budget: {}", peak / MB, promised());
    assert_eq!(cgroup.killed(), 0, "processes were killed for memory; the peak was {} MB", peak / MB);
    assert!(status.success(), "the load failed: {status}");
    assert!(peak > RAM / 3, "{} MB are no load for {} MB", peak / MB, RAM / MB);
}

/// What is planned for.
fn stack() -> Planned {
    Planned::new(18, "postgresql,pgbouncer,duckdb", &["--ram", "2GB", "--cpus", "4", "--workload", "mixed"])
}

/// What the plan says is committed at worst.
fn promised() -> String {
    let plan = stack().plan;
    let checks = plan["checks"].as_array().expect("checks");
    let total = checks.iter().find(|c| c["invariant"] == "memory.total").expect("memory.total");
    total["message"].as_str().expect("a message").to_owned()
}

/// The load, in the cgroup of the test above.
fn everything_at_its_limit() {
    let planned = stack();
    let server = Postgres::new(18).config(&planned.file("50-llmsql.conf")).start();
    let pooler = PgBouncer::start(&server, &planned.file("pgbouncer.ini"));
    server.query(
        "CREATE TABLE load AS SELECT g AS id, md5(g::text) || md5((g + 1)::text) AS t FROM generate_series(1, 600000) g",
    );
    server.query("ANALYZE load");
    // A table as large as shared_buffers, two rows a page, written through them: they are held from here on.
    let pages = planned.bytes("postgresql.shared_buffers") / 8192;
    server.query(&format!(
        "CREATE UNLOGGED TABLE filler (t char(4000)); ALTER TABLE filler ALTER t SET STORAGE PLAIN;
         INSERT INTO filler SELECT '' FROM generate_series(1, {pages} * 2)"
    ));

    let values = planned.values("pgbouncer");
    let count = |name: &str| values[name].parse::<u32>().expect("a number");
    let pool = count("default_pool_size") + count("reserve_pool_size");
    println!(
        "planned: shared_buffers {} MB, work_mem {} kB, maintenance_work_mem {} MB, {pool} pooled connections, DuckDB {} MB",
        planned.bytes("postgresql.shared_buffers") / MB,
        planned.bytes("postgresql.work_mem") / 1024,
        planned.bytes("postgresql.maintenance_work_mem") / MB,
        planned.bytes("duckdb.memory_limit") / MB,
    );

    let join = "SELECT count(*) FROM (SELECT a.t FROM load a JOIN load b USING (t) ORDER BY a.t, b.id OFFSET 1) s";
    // On few CPUs the planner would mostly leave the one parallel worker there is alone.
    let parallel = "SET LOCAL parallel_setup_cost = 0; SET LOCAL parallel_tuple_cost = 0";
    let explained = server.query(&format!("BEGIN; {parallel}; EXPLAIN {join}; COMMIT"));
    for node in ["Gather Merge", "Sort", "Parallel Hash Join"] {
        assert!(explained.contains(node), "no {node}:\n{explained}");
    }

    let scratch = tempfile::tempdir().expect("a temporary folder");
    let script = scratch.path().join("load.sql");
    // A parallel hash join under a parallel sort, and a temporary table.
    fs::write(
        &script,
        format!(
            "BEGIN;\n\
             {parallel};\n\
             CREATE TEMP TABLE mine ON COMMIT DROP AS SELECT * FROM load WHERE id % 10 = 1;\n\
             {join};\n\
             COMMIT;\n"
        ),
    )
    .expect("a file in a temporary folder");
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let duck = scope.spawn(|| duckdb(&planned, scratch.path(), &done));
        let indexer = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                // Rolled back: dropping it would wait for the readers.
                server.query("BEGIN; CREATE INDEX load_t ON load (t); ROLLBACK");
            }
        });
        let clients = (pool * 3).to_string();
        let output = server
            .client("pgbench")
            .env("PGHOST", "127.0.0.1")
            .env("PGPORT", pooler.port().to_string())
            .args(["--no-vacuum", "--client", &clients, "--jobs", "2", "--time", &LOAD.as_secs().to_string(), "--file"])
            .arg(&script)
            .output()
            .expect("pgbench can be run");
        done.store(true, Ordering::Relaxed);
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "pgbench: {out}{err}\n{}", server.log());
        assert!(out.contains("number of failed transactions: 0 "), "{out}{err}");
        indexer.join().expect("indexes can be built under load");
        duck.join().expect("DuckDB answers under load");
    });
    let spilled: u64 = server.query("SELECT sum(temp_bytes) FROM pg_stat_database").parse().expect("a number");
    assert!(spilled > 0, "the sorts stayed within work_mem: no load");
}

/// Sorts more than its memory holds, again and again.
fn duckdb(planned: &Planned, scratch: &Path, done: &AtomicBool) {
    let values = planned.values("duckdb");
    let duck = Connection::open_in_memory().expect("DuckDB opens");
    duck.execute_batch(&format!(
        "SET threads = {}; SET memory_limit = '{}'; SET temp_directory = '{}';
         CREATE TABLE load AS SELECT i, md5(i::VARCHAR) || md5((i + 1)::VARCHAR) AS t FROM range(6000000) r(i);",
        values["threads"],
        values["memory_limit"],
        scratch.join("duckdb").display(),
    ))
    .expect("DuckDB takes its settings");
    while !done.load(Ordering::Relaxed) {
        duck.execute_batch("CREATE OR REPLACE TABLE sorted AS SELECT * FROM load ORDER BY t;").expect("DuckDB spills");
    }
}
