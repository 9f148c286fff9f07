//! Vector indexes on a real server: what each failure leaves behind, and what queries notice of a rebuild.

mod connect;
mod load;
mod recall;
mod rights;
mod schedule;
mod signals;

use crate::support::{Builder, Llmsql, Postgres, Run, Tmpfs, give_to_server_user, wait_for};
use llmsql::index::Element;
use llmsql::index::memory::Shape;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// A server with pgvector and what measures drift, and a folder for the history.
struct Bench {
    server: Postgres,
    state: TempDir,
}

/// Rows around 50 centres, `shift` away from where others are.
fn rows(count: u32, shift: u32) -> String {
    format!(
        "INSERT INTO docs (embedding) SELECT (SELECT array_agg(sin((i % 50) * 7 + d * 3) + {shift} * (d % 2) + \
         0.2 * random()) FROM generate_series(1, 16) d)::vector FROM generate_series(1, {count}) i"
    )
}

impl Bench {
    fn new(config: &str) -> Self {
        let bench = Bench::on(Postgres::new(18).config(config));
        bench.sql("CREATE EXTENSION pageinspect; CREATE EXTENSION tsm_system_rows");
        bench
    }

    /// On a server that need not have what measures drift.
    fn on(server: Builder) -> Self {
        let server = server.config("client_connection_check_interval = 100ms").start();
        server.query("CREATE EXTENSION vector");
        Bench { server, state: tempfile::tempdir().expect("a folder") }
    }

    /// With a table `docs` and an index of 10 lists on it.
    fn with_docs(config: &str, count: u32) -> Self {
        let bench = Bench::new(config);
        bench.add_docs(count);
        bench
    }

    fn add_docs(&self, count: u32) {
        self.sql("CREATE TABLE docs (id bigserial PRIMARY KEY, embedding vector(16))");
        self.sql(&rows(count, 0));
        self.sql("CREATE INDEX docs_idx ON docs USING ivfflat (embedding vector_l2_ops) WITH (lists = 10)");
        self.sql("ANALYZE docs");
    }

    fn sql(&self, sql: &str) -> String {
        self.server.query(sql)
    }

    fn index(&self, arguments: &[&str]) -> Run {
        self.index_at(&self.server.dsn(), arguments)
    }

    fn index_at(&self, dsn: &str, arguments: &[&str]) -> Run {
        let run = Llmsql::new().env("STATE_DIRECTORY", self.state.path()).arg("index").args(arguments);
        run.args(["--dsn", dsn]).run()
    }

    fn spawn(&self, arguments: &[&str]) -> Child {
        self.spawn_at(&self.server.dsn(), arguments)
    }

    fn spawn_at(&self, dsn: &str, arguments: &[&str]) -> Child {
        let mut command = self.command(dsn, arguments);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program starts")
    }

    /// Whose output is taken when it has ended.
    fn spawn_piped(&self, arguments: &[&str]) -> Child {
        let mut command = self.command(&self.server.dsn(), arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts")
    }

    fn command(&self, dsn: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(Llmsql::path());
        command.arg("index").args(arguments).args(["--dsn", dsn]);
        command.env("STATE_DIRECTORY", self.state.path()).stdin(Stdio::null());
        command
    }

    fn lists(&self, index: &str) -> String {
        self.sql(&format!("SELECT array_to_string(reloptions, ',') FROM pg_class WHERE relname = '{index}'"))
    }

    /// Names of indexes that REINDEX CONCURRENTLY left behind.
    fn leftovers(&self) -> String {
        self.sql("SELECT string_agg(relname, ',') FROM pg_class WHERE relname ~ '_cc(new|old)'")
    }

    /// The old index of 10 lists serves, nothing is noted, and there is no leftover but these.
    #[track_caller]
    fn assert_as_before(&self, leftovers: &str) {
        assert_eq!(self.lists("docs_idx"), "lists=10");
        assert_eq!(self.leftovers(), leftovers);
        assert_eq!(self.sql("SELECT coalesce(obj_description('docs_idx'::regclass), '')"), "");
    }

    /// A session that keeps a transaction with a snapshot open until it is dropped, after this query.
    fn open_transaction(&self, query: &str) -> Held {
        let held = self.client(&["BEGIN ISOLATION LEVEL REPEATABLE READ", query, "SELECT pg_sleep(300)"]);
        wait_for("the transaction", || {
            let found = self
                .sql("SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(300)' AND state = 'active'");
            (found == "1").then_some(())
        });
        held
    }

    /// A client that runs these statements one after the other, each in a transaction of its own unless it begins one.
    fn client(&self, statements: &[&str]) -> Held {
        let mut command = self.server.client("psql");
        command.arg("-XAtq").stdout(Stdio::null()).stderr(Stdio::null());
        for sql in statements {
            command.args(["-c", sql]);
        }
        Held(command.spawn().expect("psql starts"))
    }

    /// An advisory lock, held until the value is dropped: what waits for it goes on then.
    fn gate(&self, key: u32) -> Held {
        let held = self.client(&[&format!("SELECT pg_advisory_lock({key})"), "SELECT pg_sleep(300)"]);
        wait_for("the lock", || {
            let granted =
                format!("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = {key} AND granted");
            (self.sql(&granted) == "1").then_some(())
        });
        held
    }

    /// Waits until so many sessions, whose statement is like this, wait for a lock.
    fn wait_until_waiting(&self, statement: &str, sessions: u32) {
        wait_for("a session to wait for a lock", || {
            let waiting = format!(
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '{statement}'"
            );
            (self.sql(&waiting) == sessions.to_string()).then_some(())
        });
    }

    /// Waits until a REINDEX waits for other sessions' transactions.
    fn wait_until_reindex_waits(&self) {
        wait_for("REINDEX to wait", || {
            let waits = "SELECT count(*) FROM pg_stat_progress_create_index WHERE phase LIKE 'waiting%'";
            (self.sql(waits) == "1").then_some(())
        });
    }
}

/// A client, gone with its value.
struct Held(Child);

impl Drop for Held {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_memory_formula_is_the_servers_to_the_kb() {
    let bench = Bench::new("autovacuum = off");
    let mut tried = 0;
    for (element, sql, opclass) in [
        (Element::Vector, "vector", "vector_l2_ops"),
        (Element::Vector, "vector", "vector_cosine_ops"),
        (Element::Halfvec, "halfvec", "halfvec_l2_ops"),
        (Element::Bit, "bit", "bit_hamming_ops"),
    ] {
        for (dimensions, lists, rows) in
            [(64, 100, 2000), (401, 150, 1500), (1000, 90, 700), (32, 700, 12_000), (3, 1500, 3000)]
        {
            let value = match element {
                Element::Bit => format!("repeat('01', 1000)::bit({dimensions})"),
                _ => format!("(SELECT array_agg(random()) FROM generate_series(1, {dimensions}) WHERE i > 0)::{sql}"),
            };
            bench.sql(&format!(
                "DROP TABLE IF EXISTS t; CREATE TABLE t (v {sql}({dimensions})); \
                 INSERT INTO t SELECT {value} FROM generate_series(1, {rows}) i; INSERT INTO t VALUES (NULL)"
            ));
            let heap_blocks = bench.sql("SELECT pg_relation_size('t') / 8192").parse().expect("a number");
            let shape = Shape { element, dimensions, heap_blocks, block_bytes: 8192, rows: u64::from(rows as u32) };
            let kb = shape.ivfflat_kb(lists);
            let build = |kb: u64| {
                bench.server.try_query(&format!(
                    "SET maintenance_work_mem = '{kb}kB'; CREATE INDEX ON t USING ivfflat (v {opclass}) WITH (lists = {lists})"
                ))
            };
            let short = build(kb - 1).expect_err("one kB short");
            assert!(short.contains("memory required"), "{sql}({dimensions}) {lists} {rows}: {short}");
            build(kb).unwrap_or_else(|e| panic!("{sql}({dimensions}) {lists} {rows} with {kb} kB: {e}"));
            tried += 1;
        }
    }
    assert_eq!(tried, 20);
}

#[test]
fn timeouts_of_the_database_do_not_end_a_rebuild_and_the_comment_keeps_its_words() {
    let bench = Bench::with_docs("", 5000);
    bench.sql("COMMENT ON INDEX docs_idx IS 'ask Ada''s team'");
    bench.sql("CREATE ROLE runner SUPERUSER LOGIN");
    for setting in ["statement_timeout", "lock_timeout", "transaction_timeout", "idle_session_timeout"] {
        bench.sql(&format!("ALTER ROLE runner IN DATABASE postgres SET {setting} = '1s'"));
    }
    let runner = bench.server.dsn().replace("postgres@", "runner@");
    // All of them pass while REINDEX waits for a lock.
    let transaction = bench.open_transaction("SELECT 1");
    let mut run = bench.spawn_at(&runner, &["rebuild", "--all", "--set-probes", "database"]);
    wait_for("REINDEX to take longer than each of them", || {
        let long = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'REINDEX%' AND state = 'active' \
                    AND clock_timestamp() - query_start > '2s'";
        (bench.sql(long) == "1").then_some(())
    });
    drop(transaction);
    assert!(run.wait().expect("the program ends").success());
    assert_eq!(bench.lists("docs_idx"), "lists=70");
    let comment = bench.sql("SELECT obj_description('docs_idx'::regclass)");
    assert!(comment.starts_with("ask Ada's team [llmsql rows=5000 lists=70"), "{comment}");
    assert_eq!(bench.sql("SHOW ivfflat.probes"), "8");
    // A second run in a row leaves it, without a word.
    let again = bench.index(&["rebuild", "--all", "--if-needed"]).success();
    assert_eq!((again.stdout.as_str(), again.stderr.as_str()), ("", ""));
    let list = bench.index(&["list", "--format", "json"]).success().json();
    assert_eq!(list["indexes"][0]["built"]["lists"], 70);
    assert_eq!(list["indexes"][0]["last_run"]["action"], "left");
}

#[test]
fn a_cancelled_build_leaves_the_old_index_its_options_and_what_is_not_ours() {
    let bench = Bench::with_docs("", 5000);
    // As REINDEX leaves it, and of somebody else.
    bench.sql("CREATE INDEX docs_idx_ccnew ON docs USING ivfflat (embedding vector_l2_ops) WITH (lists = 5)");
    bench.sql("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'docs_idx_ccnew'::regclass");
    let transaction = bench.open_transaction("SELECT 1");
    let mut run = bench.spawn(&["rebuild", "--all"]);
    bench.wait_until_reindex_waits();
    assert_eq!(bench.lists("docs_idx"), "lists=70");
    bench.sql("SELECT pg_cancel_backend(pid) FROM pg_stat_progress_create_index");
    assert_eq!(run.wait().expect("the program ends").code(), Some(1));
    bench.assert_as_before("docs_idx_ccnew");
    drop(transaction);
    bench.index(&["rebuild", "--all"]).success();
    assert_eq!((bench.lists("docs_idx").as_str(), bench.leftovers().as_str()), ("lists=70", "docs_idx_ccnew"));
    let history = bench.index(&["list", "--history"]).success();
    let words: Vec<&str> = ["rebuilt", "failed"].into_iter().filter(|w| history.stdout.contains(w)).collect();
    assert_eq!(words, ["rebuilt", "failed"], "{}", history.stdout);
}

#[test]
fn a_long_transaction_is_named_and_waited_for_only_so_long() {
    let bench = Bench::with_docs("", 5000);
    let transaction = bench.open_transaction("SELECT count(*) FROM docs");
    bench
        .index(&["rebuild", "--all", "--max-wait", "1s"])
        .code(11)
        .stderr_has("gave up after waiting 1 s for other sessions, at last for process ");
    assert_eq!(bench.lists("docs_idx"), "lists=10");
    // What has been touched by the open transaction cannot be dropped before its end.
    assert_eq!(bench.leftovers(), "docs_idx_ccnew");
    // Nor by the next run, whose error is no other than that of the first.
    bench.index(&["rebuild", "--all"]).code(11).stderr_has("another session holds a lock on the table");
    assert_eq!(bench.lists("docs_idx"), "lists=10");
    drop(transaction);
    bench.index(&["rebuild", "--all"]).success().stderr_has("dropped docs_idx_ccnew");
    assert_eq!((bench.lists("docs_idx").as_str(), bench.leftovers().as_str()), ("lists=70", ""));
}

#[test]
fn a_killed_run_is_cleaned_up_after_and_others_leftovers_are_not_touched() {
    let bench = Bench::with_docs("", 5000);
    bench.sql("CREATE TABLE other (v vector(3)); INSERT INTO other SELECT '[1,2,3]' FROM generate_series(1, 100)");
    bench.sql("CREATE INDEX other_idx ON other USING ivfflat (v vector_l2_ops) WITH (lists = 10)");
    let transaction = bench.open_transaction("SELECT 1");
    let mut run = bench.spawn(&["rebuild", "docs_idx"]);
    bench.wait_until_reindex_waits();
    kill(Pid::from_raw(run.id() as i32), Signal::SIGKILL).expect("a signal");
    run.wait().expect("it is gone");
    wait_for("the back end to notice", || {
        (bench.sql("SELECT count(*) FROM pg_stat_progress_create_index") == "0").then_some(())
    });
    drop(transaction);
    assert_eq!(bench.leftovers(), "docs_idx_ccnew");
    // Of the same pattern, and not ours.
    bench.sql("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'other_idx'::regclass");
    bench.sql("ALTER INDEX other_idx RENAME TO other_idx_ccnew");
    bench.sql("CREATE INDEX other_idx ON other USING ivfflat (v vector_l2_ops) WITH (lists = 10)");
    bench.index(&["list"]).success().stderr_has("docs_idx_ccnew").stderr_has("not one of ours");
    bench.index(&["rebuild", "--all"]).success().stderr_has("dropped docs_idx_ccnew");
    assert_eq!(bench.leftovers(), "other_idx_ccnew");
    assert_eq!(bench.lists("docs_idx"), "lists=70");
}

#[test]
fn a_killed_run_is_cleaned_up_after_also_where_nothing_else_speaks_for_a_rebuild() {
    let bench = Bench::with_docs("", 5000);
    bench.index(&["rebuild", "--all"]).success();
    let transaction = bench.open_transaction("SELECT 1");
    let mut run = bench.spawn(&["rebuild", "--all"]);
    bench.wait_until_reindex_waits();
    run.kill().expect("a signal");
    run.wait().expect("it is gone");
    wait_for("the back end to notice", || {
        (bench.sql("SELECT count(*) FROM pg_stat_progress_create_index") == "0").then_some(())
    });
    drop(transaction);
    assert_eq!(bench.leftovers(), "docs_idx_ccnew");
    bench.index(&["plan"]).success().stdout_has("has not ended");
    bench.index(&["rebuild", "--all", "--if-needed"]).success().stderr_has("dropped docs_idx_ccnew");
    assert_eq!((bench.lists("docs_idx").as_str(), bench.leftovers().as_str()), ("lists=70", ""));
    assert_eq!(bench.index(&["rebuild", "--all", "--if-needed"]).success().stdout, "");
}

#[test]
fn of_two_runs_at_once_the_second_says_so_and_ends() {
    let bench = Bench::with_docs("", 5000);
    let transaction = bench.open_transaction("SELECT 1");
    let mut first = bench.spawn(&["rebuild", "--all"]);
    bench.wait_until_reindex_waits();
    bench.index(&["rebuild", "--all"]).code(11).stderr_has("another run");
    drop(transaction);
    assert!(first.wait().expect("it ends").success());
    assert_eq!(bench.lists("docs_idx"), "lists=70");
}

#[test]
fn every_type_and_odd_rows_and_names_and_partitions_are_rebuilt() {
    let bench = Bench::new("");
    bench.sql(
        "CREATE SCHEMA \"My \"\"S\"; CREATE TABLE \"My \"\"S\".\"T a\" (\"the V\" vector(3)); \
         INSERT INTO \"My \"\"S\".\"T a\" SELECT CASE WHEN i % 10 = 0 THEN NULL WHEN i % 10 = 1 THEN '[0,0,0]' \
         ELSE '[' || i || ',1,' || i % 7 || ']' END::vector FROM generate_series(1, 4000) i; \
         CREATE INDEX \"I'd x\" ON \"My \"\"S\".\"T a\" USING ivfflat (\"the V\" vector_cosine_ops); \
         CREATE TABLE halves (h halfvec(4)); INSERT INTO halves SELECT format('[%s,2,3,4]', i % 100)::halfvec FROM generate_series(1, 3000) i; \
         CREATE INDEX halves_idx ON halves USING ivfflat (h halfvec_ip_ops); \
         CREATE TABLE bits (b bit(12)); INSERT INTO bits SELECT i::bit(12) FROM generate_series(1, 3000) i; \
         CREATE INDEX bits_idx ON bits USING ivfflat (b bit_hamming_ops); \
         CREATE TABLE nothing (v vector(3)); CREATE INDEX nothing_idx ON nothing USING ivfflat (v vector_l2_ops); \
         CREATE TABLE exprs (v vector(4)); INSERT INTO exprs SELECT format('[%s,2,3,4]', i % 100)::vector FROM generate_series(1, 2500) i; \
         CREATE INDEX exprs_idx ON exprs USING ivfflat ((v::halfvec(4)) halfvec_l2_ops) WHERE v IS NOT NULL; \
         CREATE TABLE graph (v vector(3)); INSERT INTO graph SELECT format('[%s,2,3]', i)::vector FROM generate_series(1, 500) i; \
         CREATE INDEX graph_idx ON graph USING hnsw (v vector_l2_ops); \
         CREATE TABLE parts (k int, v vector(3)) PARTITION BY RANGE (k); \
         CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (1000); \
         CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (1000) TO (9000); \
         INSERT INTO parts SELECT i, format('[%s,2,3]', i)::vector FROM generate_series(1, 2600) i; \
         CREATE INDEX parts_idx ON parts USING ivfflat (v vector_l2_ops)",
    );
    let run = bench.index(&["rebuild", "--all", "--jobs", "2", "--m", "8", "--format", "json"]).success().json();
    let lists = |index: &str| -> i64 {
        let found = run["indexes"].as_array().expect("a list").iter().find(|i| i["index"] == index);
        let found = found.unwrap_or_else(|| panic!("no {index} in {run}"));
        assert_eq!(found["action"], "rebuilt", "{found}");
        found["lists_after"].as_i64().unwrap_or_default()
    };
    assert_eq!(lists("My \"S.I'd x"), 60);
    assert_eq!(lists("public.halves_idx"), 54);
    assert_eq!(lists("public.bits_idx"), 54);
    assert_eq!(lists("public.nothing_idx"), 1);
    assert_eq!(lists("public.exprs_idx"), 50);
    assert_eq!(lists("public.parts_1_v_idx"), 31);
    assert_eq!(lists("public.parts_2_v_idx"), 40);
    assert_eq!(lists("public.graph_idx"), 0);
    assert_eq!(bench.lists("graph_idx"), "m=8");
    bench.index(&["rebuild", "graph_idx", "--m", "50"]).code(64).stderr_has("--ef-construction 100");
    bench.index(&["rebuild", "graph_idx", "--ef-construction", "40"]).success();
    assert_eq!(bench.lists("graph_idx"), "m=8,ef_construction=40");
    assert_eq!(bench.sql("SELECT count(*) FROM pg_index WHERE NOT indisvalid"), "0");
    assert_eq!(bench.leftovers(), "");
    // Nothing is to be done a second time.
    let again = bench.index(&["rebuild", "--all", "--if-needed", "--m", "8", "--format", "json"]).success().json();
    let actions: Vec<&str> = again["indexes"].as_array().unwrap().iter().filter_map(|i| i["action"].as_str()).collect();
    assert!(actions.iter().all(|a| *a == "left"), "{again}");
    bench.index(&["rebuild", "halves_idx", "--method", "swap", "--opclass", "halfvec_l2_ops"]).success();
    assert!(bench.sql("SELECT pg_get_indexdef('halves_idx'::regclass)").contains("halfvec_l2_ops"));
    assert_eq!(bench.sql("SELECT count(*) FROM pg_indexes WHERE tablename = 'halves'"), "1");
}

#[test]
fn a_table_dropped_meanwhile_is_an_error_and_nothing_else() {
    let bench = Bench::with_docs("", 3000);
    // Before the build: behind a transaction that drops the table.
    let gate = bench.gate(7);
    let lock = "LOCK docs IN SHARE UPDATE EXCLUSIVE MODE";
    let mut dropper = bench.client(&["BEGIN", lock, "SELECT pg_advisory_lock(7)", "DROP TABLE docs", "COMMIT"]);
    bench.wait_until_waiting("SELECT pg_advisory_lock(7)", 1);
    let run = bench.spawn_piped(&["rebuild", "--all"]);
    bench.wait_until_waiting("REINDEX%", 1);
    drop(gate);
    let ended = run.wait_with_output().expect("the program ends");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.code() == Some(1) && said.contains("dropped meanwhile"), "{:?}: {said}", ended.status);
    dropper.0.wait().expect("it ends");

    // During the build: the DROP comes as soon as REINDEX lets go of the table.
    bench.add_docs(3000);
    let transaction = bench.open_transaction("SELECT 1");
    let run = bench.spawn_piped(&["rebuild", "--all"]);
    bench.wait_until_reindex_waits();
    let mut dropper = bench.client(&["DROP TABLE docs"]);
    bench.wait_until_waiting("DROP TABLE docs", 1);
    drop(transaction);
    let ended = run.wait_with_output().expect("the program ends");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.code() == Some(1) && said.contains("dropped meanwhile"), "{:?}: {said}", ended.status);
    dropper.0.wait().expect("it ends");
    assert_eq!(bench.sql("SELECT count(*) FROM pg_class WHERE relname LIKE 'docs_idx%'"), "0");
}

#[test]
fn roles_without_the_right_are_told_the_grant_and_owners_need_no_superuser() {
    let bench = Bench::with_docs("", 3000);
    bench.sql("CREATE ROLE reader LOGIN; GRANT SELECT ON docs TO reader; CREATE ROLE owner LOGIN; ALTER TABLE docs OWNER TO owner");
    bench.sql("GRANT CREATE ON SCHEMA public TO owner");
    let as_role = |role: &str| bench.server.dsn().replace("postgres@", &format!("{role}@"));
    bench.index_at(&as_role("reader"), &["rebuild", "--all"]).code(13).stderr_has("GRANT \"owner\" TO \"reader\"");
    // Nor may everyone read the rows.
    bench.sql("CREATE ROLE stranger LOGIN");
    let rebuild = bench.index_at(&as_role("stranger"), &["rebuild", "--all"]).code(13);
    rebuild.stderr_has("GRANT \"owner\" TO \"stranger\"");
    for command in [&["plan", "--count"][..], &["recall"]] {
        let run = bench.index_at(&as_role("stranger"), command).code(13);
        let run = run.stderr_has("permission denied for table docs");
        run.stderr_has("GRANT SELECT ON \"public\".\"docs\" TO \"stranger\"");
    }
    bench.index_at(&as_role("owner"), &["rebuild", "--all"]).success();
    assert_eq!(bench.lists("docs_idx"), "lists=54");
    // Without the pages, the comment tells the lists.
    let plan = bench.index_at(&as_role("owner"), &["plan", "--format", "json"]).success().json();
    assert_eq!((&plan["plans"][0]["lists"], &plan["plans"][0]["verdict"]["rebuild"]), (&54.into(), &false.into()));
    // A policy would hide rows: an error, and not a wrong count.
    bench.sql("ALTER TABLE docs ENABLE ROW LEVEL SECURITY; ALTER TABLE docs FORCE ROW LEVEL SECURITY");
    bench.index_at(&as_role("owner"), &["rebuild", "--all"]).code(13).stderr_has("row-level security");
}

#[test]
fn too_little_memory_clamps_the_lists_and_too_little_for_one_is_refused() {
    let bench = Bench::with_docs("", 40_000);
    bench.index(&["rebuild", "--all", "--memory", "5MB"]).success();
    let lists: u32 = bench.lists("docs_idx").trim_start_matches("lists=").parse().expect("a number");
    assert!((50..200).contains(&lists), "{lists}");
    bench.index(&["plan", "--memory", "5MB"]).success().stdout_has("do not fit into the memory");
    let listed = bench.index(&["list", "--memory", "5MB", "--format", "json"]).success().json();
    assert_eq!(listed["indexes"][0]["target_lists"], lists, "{listed}");
    bench.index(&["rebuild", "--all", "--memory", "100kB"]).code(13).stderr_has("--memory");
}

#[test]
fn a_full_tablespace_is_refused_before_anything_is_done() {
    let Some(small) = Tmpfs::new("3m") else { return };
    give_to_server_user(small.path());
    let bench = Bench::with_docs("", 40_000);
    bench.sql(&format!("CREATE TABLESPACE small LOCATION '{}'", small.path().display()));
    bench.sql("DROP INDEX docs_idx; CREATE INDEX docs_idx ON docs USING ivfflat (embedding vector_l2_ops) WITH (lists = 10) WHERE id < 20000");
    // It fits once.
    bench.sql("ALTER INDEX docs_idx SET TABLESPACE small");
    bench.index(&["rebuild", "--all"]).code(13).stderr_has("free");
    bench.assert_as_before("");
    // Who may not know where the data folder is finds out while building, and everything is put back.
    bench.sql("CREATE ROLE owner LOGIN; ALTER TABLE docs OWNER TO owner; GRANT CREATE ON TABLESPACE small TO owner");
    let owner = bench.server.dsn().replace("postgres@", "owner@");
    bench.index_at(&owner, &["rebuild", "--all"]).code(13).stderr_has("the disk is full");
    bench.assert_as_before("");
}

#[test]
fn rows_of_another_distribution_call_for_a_rebuild_and_more_of_the_same_do_not() {
    for (shift, rebuild) in [(0, false), (40, true)] {
        let bench = Bench::with_docs("", 20_000);
        bench.index(&["rebuild", "--all"]).success();
        bench.sql(&rows(15_000, shift));
        bench.sql("ANALYZE docs");
        let plan = bench.index(&["plan", "--format", "json"]).success().json();
        assert_eq!(plan["plans"][0]["verdict"]["rebuild"], rebuild, "{plan}");
        bench.index(&["plan", "--detailed-exitcode"]).code(if rebuild { 2 } else { 0 });
        let run = bench.index(&["rebuild", "--all", "--if-needed"]).success();
        if rebuild {
            // Beside the latency that was measured, the one that was predicted.
            run.stdout_has("ms a query (was").stdout_has("predicted");
        } else {
            assert_eq!(run.stdout, "");
        }
        let again = bench.index(&["rebuild", "--all", "--if-needed"]).success();
        assert_eq!(again.stdout, "");
    }
}

#[test]
fn a_dry_run_says_what_it_would_do_and_does_nothing() {
    let bench = Bench::with_docs("", 3000);
    bench.index(&["rebuild", "--all", "--dry-run"]).success().stdout_has("docs in postgres: rebuild");
    let run = bench.index(&["rebuild", "--all", "--dry-run", "--jobs", "2", "--memory", "64MB", "--format", "json"]);
    let json = run.success().json();
    assert_eq!((&json["exit"], &json["dry_run"]), (&0.into(), &true.into()));
    assert_eq!(json["plans"][0]["target"]["lists"], 54);
    // Two builds at a time share the memory.
    assert_eq!(json["plans"][0]["allowance"]["bytes"], 32 << 20);
    bench.assert_as_before("");
}

#[test]
fn a_standby_is_refused_and_named() {
    let mut bench = Bench::with_docs("", 3000);
    let signal = bench.server.data_dir().join("standby.signal");
    crate::support::write_for_server(&signal, "");
    bench.server.restart().expect("a standby without a primary still answers");
    assert_eq!(bench.sql("SELECT pg_is_in_recovery()"), "t");
    bench.index(&["list"]).success().stdout_has("docs_idx");
    bench.index(&["rebuild", "--all"]).code(13).stderr_has("standby").stderr_has("primary");
}

#[test]
fn probes_are_set_for_a_role_that_is_there() {
    let bench = Bench::with_docs("", 3000);
    let set = |whose| bench.index(&["rebuild", "--all", "--set-probes", whose]);
    set("role:nobody").code(64).stderr_has("there is no role nobody");
    bench.assert_as_before("");
    bench.sql("CREATE ROLE \"App 1\" LOGIN");
    set("role:App 1").success().stdout_has("with 7 probes");
    let role = "SELECT rolname, array_to_string(setconfig, ',') FROM pg_db_role_setting s JOIN pg_roles r ON r.oid = s.setrole";
    assert_eq!(bench.sql(role), "App 1|ivfflat.probes=7");
}

#[test]
fn probes_of_the_database_are_never_lowered_for_one_of_its_indexes() {
    let bench = Bench::with_docs("", 5000);
    bench.sql("CREATE TABLE few AS SELECT * FROM docs LIMIT 400");
    bench.sql("CREATE INDEX few_idx ON few USING ivfflat (embedding vector_l2_ops) WITH (lists = 10)");
    let run = bench.index(&["rebuild", "--all", "--set-probes", "database"]).success();
    run.stdout_has("70 lists").stdout_has("20 lists").stderr_has("ivfflat.probes stays 8, since other indexes use it");
    assert_eq!(bench.sql("SHOW ivfflat.probes"), "8");
    // What fails puts back what was there when it began.
    bench.sql("INSERT INTO few SELECT docs.* FROM docs, generate_series(1, 3)");
    bench.sql("ANALYZE few");
    let transaction = bench.open_transaction("SELECT count(*) FROM few");
    bench.index(&["rebuild", "few_idx", "--set-probes", "database", "--max-wait", "1s"]).code(11);
    assert_eq!(bench.sql("SHOW ivfflat.probes"), "8");
    drop(transaction);
    bench.sql("DROP INDEX docs_idx");
    bench.index(&["rebuild", "few_idx", "--set-probes", "database"]).success().stdout_has("124 lists");
    assert_ne!(bench.sql("SHOW ivfflat.probes"), "8");
}

#[test]
fn a_swap_keeps_what_the_index_was_and_takes_an_operator_class_that_is_there() {
    let bench = Bench::with_docs("allow_in_place_tablespaces = on", 2000);
    bench.sql("CREATE TABLESPACE apart LOCATION ''");
    bench.sql("ALTER INDEX docs_idx SET TABLESPACE apart");
    let swap = |opclass| bench.index(&["rebuild", "docs_idx", "--method", "swap", "--opclass", opclass]);
    swap("vector_nope").code(64).stderr_has("there are: vector_cosine_ops, vector_ip_ops, vector_l2_ops");
    bench.index(&["rebuild", "docs_idx", "--opclass", "vector_ip_ops"]).code(64).stderr_has("--method swap");
    bench.assert_as_before("");
    bench.sql("COMMENT ON INDEX docs_idx IS 'for search'");
    swap("vector_cosine_ops").success().stdout_has("44 lists (was 10)");
    let now = bench.sql(
        "SELECT tablespace, obj_description('docs_idx'::regclass), indexdef FROM pg_indexes WHERE indexname = 'docs_idx'",
    );
    assert!(now.starts_with("apart|for search [llmsql rows=2000 lists=44"), "{now}");
    assert!(now.ends_with("(embedding vector_cosine_ops) WITH (lists='44')"), "{now}");
}

#[test]
fn a_swap_that_was_cut_short_is_cleaned_up() {
    let bench = Bench::with_docs("", 5000);
    // The new index cannot be dropped by the run itself while a transaction has read it.
    let transaction = bench.open_transaction("SELECT count(*) FROM docs");
    bench
        .index(&["rebuild", "docs_idx", "--method", "swap", "--opclass", "vector_ip_ops", "--max-wait", "1s"])
        .code(11)
        .stderr_has("gave up");
    assert!(!bench.sql("SELECT pg_get_indexdef('docs_idx'::regclass)").contains("vector_ip_ops"));
    drop(transaction);
    bench.index(&["rebuild", "docs_idx", "--method", "swap", "--opclass", "vector_ip_ops"]).success();
    assert!(bench.sql("SELECT pg_get_indexdef('docs_idx'::regclass)").contains("vector_ip_ops"));
    assert_eq!(bench.sql("SELECT string_agg(indexname, ',') FROM pg_indexes WHERE indexname ~ 'llmsql'"), "");
}
