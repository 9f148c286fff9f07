//! `plan --dsn`: what a running PostgreSQL says takes the place of assumptions, and what is planned from it starts.

use crate::support::{Llmsql, Postgres, give_to_server_user, write_for_server};
use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// Facts of a host of which little is known, so that what the plan says comes from the server.
fn bare() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let root = dir.path().join("root/proc");
    fs::create_dir_all(&root).expect("a folder");
    fs::write(root.join("meminfo"), "MemTotal: 4194304 kB\n").expect("a file");
    fs::write(root.join("cpuinfo"), "processor : 0\n\nprocessor : 1\n").expect("a file");
    let facts = Llmsql::new().args(["facts", "--format", "json"]).root(dir.path().join("root")).run().success().stdout;
    let file = dir.path().join("facts.json");
    fs::write(&file, facts).expect("a file");
    (dir, file)
}

fn plan(server: &Postgres, flags: &[&str]) -> Value {
    let (_dir, facts) = bare();
    let dsn = server.dsn();
    let only = ["--set", "host.components=postgresql", "--format", "json", "--dsn", &dsn];
    Llmsql::new().arg("plan").arg("--facts").arg(facts).args(only).args(flags).run().success().json()
}

fn setting<'a>(plan: &'a Value, name: &str) -> &'a Value {
    let key = format!("postgresql.{name}");
    let settings = plan["settings"].as_array().expect("settings");
    settings.iter().find(|s| s["key"] == key.as_str()).unwrap_or_else(|| panic!("no {key}"))
}

/// The planned file of PostgreSQL.
fn file(server: &Postgres, flags: &[&str]) -> String {
    let (_dir, facts) = bare();
    let out = tempfile::tempdir().expect("a temporary folder");
    let dir = out.path().join("out");
    let dsn = server.dsn();
    let run = Llmsql::new().args(["render", "--only", "postgresql", "--dsn", &dsn, "--set"]);
    run.arg("host.components=postgresql").arg("--facts").arg(facts).args(flags).arg("--out").arg(&dir).run().success();
    let mut folders = vec![dir];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder").flatten() {
            if entry.file_name() == "50-llmsql.conf" {
                return fs::read_to_string(entry.path()).expect("the file");
            }
            if entry.path().is_dir() {
                folders.push(entry.path());
            }
        }
    }
    panic!("no 50-llmsql.conf was rendered")
}

/// Sessions that hold a connection until they are dropped.
struct Sessions(Vec<Child>);

impl Sessions {
    fn open(server: &Postgres, number: usize) -> Self {
        let one = |_| {
            let mut psql: Command = server.client("psql");
            psql.args(["-XAtq", "-c", "SELECT pg_sleep(600)"]).stdout(Stdio::null()).stderr(Stdio::null());
            psql.spawn().expect("psql can be run")
        };
        let sessions = Sessions((0..number).map(one).collect());
        crate::support::wait_for("the sessions", || {
            let sql = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'";
            (server.query(sql) == number.to_string()).then_some(())
        });
        sessions
    }
}

impl Drop for Sessions {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[test]
fn what_a_running_server_says_takes_the_place_of_assumptions() {
    let server = Postgres::new(18).config("max_connections = 170\nshared_preload_libraries = 'auto_explain'").start();
    server.query("CREATE TABLE t AS SELECT g, repeat('x', 500) FROM generate_series(1, 20000) g");
    let sessions = Sessions::open(&server, 90);
    let size: u64 = server
        .query("SELECT sum(pg_database_size(oid))::int8 FROM pg_database WHERE datallowconn")
        .parse()
        .expect("a size");
    let plan = plan(&server, &["--ram", "16GB"]);
    drop(sessions);

    let live = &plan["facts"]["database"];
    assert_eq!(live["major"], 18);
    assert_eq!(live["connections"], 90);
    assert_eq!(live["standby"], false);
    assert_eq!(live["replicas"], 0);
    assert_eq!(live["wal_segment_bytes"], 16 << 20);
    let told = live["size_bytes"].as_u64().expect("a size");
    assert!(told.abs_diff(size) < size / 10, "{told}, not {size}");
    assert!(live["wal_bytes_per_second"].as_u64().is_some_and(|rate| rate > 0), "{live}");
    let names: Vec<&str> = live["extensions"].as_array().expect("names").iter().filter_map(Value::as_str).collect();
    assert!(names.contains(&"vector") && names.contains(&"pg_stat_statements"), "{names:?}");

    // Ninety clients now: half as many again have to find a place, and five reserved.
    let connections = setting(&plan, "max_connections");
    assert_eq!((&connections["value"], &connections["current"]), (&"140".into(), &"170".into()));
    let inputs = connections["reason"]["inputs"].as_array().expect("inputs");
    assert!(inputs.iter().any(|i| i["name"] == "clients now" && i["basis"] == "measured"), "{inputs:?}");
    // The wheel is built without lz4, and would not start with it.
    assert_eq!(setting(&plan, "wal_compression")["value"], "pglz");
    assert_eq!(setting(&plan, "shared_preload_libraries")["value"], "auto_explain, pg_stat_statements");
    assert_eq!(setting(&plan, "shared_buffers")["current"], "128MB");
    let version =
        plan["findings"].as_array().expect("findings").iter().find(|f| f["invariant"] == "postgresql.version");
    assert_eq!(version, None, "the version is measured");

    // `explain` and `render` ask it too.
    let dsn = server.dsn();
    let explained = Llmsql::new().args(["explain", "max_connections", "--ram", "4GB", "--dsn", &dsn]).run().success();
    explained.stdout_has("host has     170");
}

#[test]
fn the_version_and_the_build_are_the_servers() {
    for server in [Postgres::new(Postgres::majors()[0]).start(), Postgres::with_tls().start()] {
        let major: u64 = server.show("server_version_num").parse::<u64>().expect("a number") / 10_000;
        let plan = plan(&server, &[]);
        assert_eq!(plan["host"]["postgresql_version"], major);
        let words = server.query("SELECT enumvals FROM pg_settings WHERE name = 'wal_compression'");
        let planned = setting(&plan, "wal_compression")["value"].as_str().expect("a word").to_owned();
        // Before 15 it is a switch.
        assert!(words.contains(&planned) || (major == 14 && planned == "on"), "{planned} is none of {words}");
    }
}

#[test]
fn a_server_with_large_wal_segments_starts_with_what_is_planned_for_it() {
    let mut server = Postgres::new(18).wal_segments_of(256).start();
    let planned = plan(&server, &["--ram", "512MB"]);
    assert_eq!(setting(&planned, "min_wal_size")["value"], "512MB");
    let text = file(&server, &["--ram", "512MB"]);
    assert!(text.contains("\nmin_wal_size = 512MB"), "{text}");
    write_for_server(&server.conf_dir().join("60-llmsql.conf"), &text);
    server.restart().expect("it starts with what is planned");
    assert_eq!(server.show("min_wal_size"), "512MB");
}

#[test]
fn a_standby_starts_with_what_is_planned_for_it() {
    let many =
        "max_connections = 260\nmax_locks_per_transaction = 150\nmax_worker_processes = 20\nmax_wal_senders = 25";
    let primary = Postgres::new(18).config(many).start();
    let mut standby = Postgres::new(18).config(many).standby_of(&primary).start();
    assert_eq!(standby.query("SELECT pg_is_in_recovery()"), "t");
    let seen = plan(&primary, &[]);
    assert_eq!(seen["facts"]["database"]["replicas"], 1);

    // Alone this host would get fewer of each, and the standby would not start.
    let text = file(&standby, &["--ram", "16GB"]);
    for line in ["max_connections = 260", "max_locks_per_transaction = 150", "max_worker_processes = 20"] {
        assert!(text.contains(&format!("\n{line}\n")), "no {line} in {text}");
    }
    let path = standby.conf_dir().join("60-llmsql.conf");
    write_for_server(&path, &text);
    give_to_server_user(&path);
    standby.restart().expect("the standby starts with what is planned");
    assert_eq!(standby.query("SELECT pg_is_in_recovery()"), "t");
}

#[test]
fn more_back_ends_than_the_server_takes_are_refused_by_both() {
    let value = "max_connections = 262136";
    let refused = Postgres::new(18).config(value).try_start().err().expect("the server refuses");
    assert!(refused.contains("too many server processes configured") || refused.contains("must be less"), "{refused}");
    let args = ["plan", "--check", "--ram", "4096GB", "--set", "host.components=postgresql"];
    let run = Llmsql::new().args(args).args(["--set", "postgresql.max_connections=262136"]).run();
    run.code(5).stdout_has("262143 at most");
}

#[test]
fn a_server_that_does_not_answer_is_an_error_with_a_remedy() {
    let server = Postgres::new(18).start();
    let dsn = server.dsn();
    drop(server);
    let run = Llmsql::new().args(["plan", "--format", "json", "--dsn", &dsn]).run();
    assert!(run.stdout.is_empty(), "{run:?}");
    let error: Value = serde_json::from_str(&run.stderr).expect("an object");
    assert!(error["error"]["next"].is_string(), "{error}");
}
