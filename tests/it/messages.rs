//! What the program says when it is asked for what is not there, and what it says to programs.

use crate::support::Llmsql;
use serde_json::Value;
use std::fs;
use std::path::Path;

fn facts() -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/db1.facts.json").display().to_string()
}

/// The error object on stderr.
fn error(args: &[&str]) -> Value {
    let run = Llmsql::new().args(args).run().code(64);
    assert!(run.stdout.is_empty(), "{run:?}");
    let object: Value = serde_json::from_str(&run.stderr).unwrap_or_else(|e| panic!("{e}: {}", run.stderr));
    object["error"].clone()
}

#[test]
fn a_command_line_that_cannot_be_parsed_is_an_object_for_programs() {
    for args in [
        &["plan", "--format", "json", "--bogus"][..],
        &["plan", "--bogus", "--format=json"],
        &["--format", "json", "explain"],
        &["--format", "json", "plan", "--disk", "floppy"],
        &["--format", "json"],
        &["config", "--format", "json"],
        &["--format", "json", "plann"],
    ] {
        let error = error(args);
        assert_eq!((&error["code"], &error["exit"]), (&"usage".into(), &64.into()), "{args:?}");
        let message = error["message"].as_str().expect("a message");
        assert!(!message.is_empty() && !message.starts_with("error") && !message.contains('\n'), "{message}");
        assert!(error["next"].as_str().is_some_and(|n| n.contains("--help") || n.contains("possible")), "{error}");
    }
    let run = Llmsql::new().args(["plan", "--bogus"]).env("LLMSQL_FORMAT", "json").run().code(64);
    assert!(run.stderr.starts_with('{'), "{}", run.stderr);
    Llmsql::new().args(["plan", "--bogus"]).run().code(64).stderr_has("Usage: llmsql plan");
    Llmsql::new().args(["--format", "json", "--help"]).run().success().stdout_has("Usage");
}

#[test]
fn what_is_no_size_is_said_to_be_none() {
    let run = Llmsql::new().args(["plan", "--ram", "foo"]).run().code(64);
    run.stderr_has("--ram: \"foo\" is not a size; write a number and a unit, as in 512MB or 64GB");
    Llmsql::new().args(["plan", "--ram", "64"]).run().code(64).stderr_has("has no unit");
    Llmsql::new().args(["plan", "--ram", "64XB"]).run().code(64).stderr_has("\"XB\" is not a unit of size");
}

#[test]
fn a_component_that_is_not_planned_is_refused_by_name() {
    let facts = facts();
    for command in ["plan", "render"] {
        let run = Llmsql::new().args([command, "--facts", &facts, "--only", "nginx"]).run().code(64);
        run.stderr_has("nginx is not planned for this host").stderr_has("--set host.components=postgresql,nginx");
    }
    let run = Llmsql::new().args(["plan", "--facts", &facts, "--only", "postgresql,containers"]).run().code(64);
    run.stderr_has("containers is not planned").stderr_has("Docker");
}

#[test]
fn every_finding_can_be_explained() {
    // A host of which nothing but the memory is known leaves much to remark on.
    let dir = tempfile::tempdir().expect("a temporary folder");
    fs::create_dir(dir.path().join("proc")).expect("a folder");
    fs::write(dir.path().join("proc/meminfo"), "MemTotal: 2097152 kB\n").expect("a file");
    let plan = Llmsql::new().args(["plan", "--format", "json"]).root(dir.path()).run().success();
    let names = plan.json()["findings"].as_array().expect("findings").clone();
    assert!(!names.is_empty());
    for finding in names {
        let (name, message) = (finding["invariant"].as_str().expect("a name"), finding["message"].clone());
        let run = Llmsql::new().args(["explain", name, "--format", "json"]).root(dir.path()).run();
        let explained = run.success().json();
        let told = explained["findings"].as_array().expect("findings").iter().any(|f| f["message"] == message);
        assert!(told, "{name}: {explained}");
    }
    let facts = facts();
    let quiet = Llmsql::new().args(["explain", "io_uring", "--facts", &facts]).run();
    quiet.success().stdout_has("io_uring gives no cause for a remark here");
    let run = Llmsql::new().args(["explain", "disk.class", "--facts", &facts]).run().success();
    run.stdout_has("about ");
}

#[test]
fn a_setting_that_is_not_planned_says_why() {
    let facts = facts();
    let explain = |key: &str, sets: &[&str]| {
        let sets = sets.iter().flat_map(|set| ["--set", set]);
        Llmsql::new().args(["explain", key, "--facts", &facts]).args(sets).run()
    };
    explain("io_method", &["postgresql.version=18"]).success().stdout_has("postgresql.io_method = worker");
    for key in ["io_method", "postgresql.io_method"] {
        let run = explain(key, &["postgresql.version=15"]).success();
        run.stdout_has("postgresql.io_method is not in this host's plan").stdout_has("it came with 18");
    }
    explain("archive_mode", &[])
        .success()
        .stdout_has("it is planned where")
        .stdout_has("postgresql.archive_dir names a folder");
    explain("pool_mode", &["host.components=postgresql"]).success().stdout_has("host.components");
}

#[test]
fn the_nearest_name_is_one_that_was_meant() {
    let facts = facts();
    for (typed, meant) in [
        ("disk.clas", "disk.class"),
        ("memory.fitt", "memory.fit"),
        ("wrok_mem", "postgresql.work_mem"),
        ("shared_bufers", "postgresql.shared_buffers"),
    ] {
        let run = Llmsql::new().args(["explain", typed, "--facts", &facts]).run().code(64);
        run.stderr_has(&format!("did you mean {meant}?"));
    }
    let run = Llmsql::new().args(["explain", "colour", "--facts", &facts]).run().code(64);
    assert!(!run.stderr.contains("did you mean"), "{}", run.stderr);
}

#[test]
fn facts_that_are_none_say_so() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    fs::write(dir.path().join("empty.json"), "{}\n").expect("a file");
    let run = Llmsql::new().args(["plan", "--facts", "empty.json"]).dir(dir.path()).run().code(64);
    run.stderr_has("there is nothing in it").stderr_has("llmsql facts --format json");
    let run = Llmsql::new().args(["plan", "--facts", "{}"]).run().code(64);
    run.stderr_has("--facts takes the name of a file, not its content");
    let run = Llmsql::new().args(["plan", "--facts", &facts()]).root(dir.path()).run().success();
    run.stderr_has("only etc/llmsql is read");
}

#[test]
fn a_profile_that_extends_its_own_name_is_a_circle() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    fs::write(dir.path().join("site.yaml"), "extends: site\n").expect("a file");
    let run = Llmsql::new().args(["plan", "--facts", &facts(), "--profile", "./site.yaml"]).dir(dir.path()).run();
    run.code(64).stderr_has("the profile extends itself (site → site)");
    // Of a built-in one's name it is that one's child.
    fs::write(dir.path().join("small.yaml"), "extends: small\n").expect("a file");
    let run = Llmsql::new().args(["plan", "--facts", &facts(), "--profile", "./small.yaml"]).dir(dir.path()).run();
    run.success();
}

#[test]
fn minus_one_is_taken_where_it_means_something() {
    for key in ["host.ram", "duckdb.memory_limit", "postgresql.shared_buffers", "postgresql.statement_timeout"] {
        let set = format!("{key}=-1");
        Llmsql::new().args(["plan", "--facts", &facts(), "--set", &set]).run().code(64).stderr_has(key);
    }
    for key in ["postgresql.max_slot_wal_keep_size", "postgresql.log_min_duration_statement", "postgresql.wal_buffers"]
    {
        let set = format!("{key}=-1");
        Llmsql::new().args(["plan", "--facts", &facts(), "--set", &set]).run().success();
    }
    Llmsql::new().args(["plan", "--facts", &facts(), "--set", "postgresql.wal_buffers=64MB"]).run().success();
}
