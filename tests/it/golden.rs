//! Plans and rendered files of whole hosts (`tests/cases/NN-name/{root,arguments,plan.txt,expected}`), and the guide's
//! own 64 GB host.

use crate::support::Llmsql;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

fn rewrite() -> bool {
    std::env::var_os("LLMSQL_REWRITE").is_some()
}

/// Every file below a folder, by its path in it.
fn files(dir: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut todo = vec![dir.to_path_buf()];
    while let Some(next) = todo.pop() {
        for entry in fs::read_dir(&next).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                todo.push(path);
            } else {
                let text = String::from_utf8(fs::read(&path).unwrap()).unwrap();
                found.insert(path.strip_prefix(dir).unwrap().to_path_buf(), text);
            }
        }
    }
    found
}

/// Files in which nothing depends on the host but the name of the profile: one host has them for all.
const SAME_EVERYWHERE: &[&str] = &["etc/llmsql/sql/hardening.sql", "etc/llmsql/.env.example"];

/// The plan and every file of every tree. `LLMSQL_REWRITE=1` writes them anew; each is then to be read.
#[test]
fn every_host_gets_the_plan_and_the_files_it_should() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut wrong = Vec::new();
    let mut templates = BTreeSet::new();
    let mut cases: Vec<PathBuf> = fs::read_dir(cases).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    for case in &cases {
        let arguments = fs::read_to_string(case.join("arguments")).unwrap_or_default();
        let arguments: Vec<&str> = arguments.split_whitespace().collect();
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("out");
        let plan = Llmsql::new().args(["plan"]).args(arguments.clone()).root(case.join("root")).run().success();
        Llmsql::new().args(["render", "--out"]).arg(&out).args(arguments).root(case.join("root")).run().success();
        let mut rendered = files(&out);
        // The manifest names the version, and tells a folder of ours from another's; it is no file of the host.
        let manifest = rendered.remove(Path::new(".llmsql-render.json")).expect("a manifest");
        let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
        let listed = manifest["files"].as_array().unwrap().iter();
        templates.extend(listed.map(|f| f["template"].as_str().unwrap().to_owned()));
        rendered.insert("plan.txt".into(), plan.stdout);
        if !case.ends_with("16-full-stack") {
            rendered.retain(|path, _| !SAME_EVERYWHERE.iter().any(|same| path.ends_with(same)));
        }
        let expected = case.join("expected");
        if rewrite() {
            let _ = fs::remove_dir_all(&expected);
            for (path, text) in &rendered {
                let path = expected.join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
        }
        let known = files(&expected);
        for path in rendered.keys().chain(known.keys().filter(|p| !rendered.contains_key(*p))) {
            let (old, new) = (known.get(path), rendered.get(path));
            if old != new {
                let (old, new) = (old.map_or("", String::as_str), new.map_or("", String::as_str));
                let difference = similar::TextDiff::from_lines(old, new);
                wrong.push(format!(
                    "{}\n{}",
                    expected.join(path).display(),
                    difference.unified_diff().context_radius(2)
                ));
            }
        }
    }
    assert!(cases.len() > 10, "{} hosts", cases.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let missing: Vec<&str> =
        llmsql::render::files::TABLE.iter().map(|spec| spec.template).filter(|t| !templates.contains(*t)).collect();
    assert!(missing.is_empty(), "no host has {missing:?}");
}

#[test]
fn every_plan_is_readable_at_80_columns() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    for case in fs::read_dir(cases).unwrap() {
        let case = case.unwrap().path();
        let plan = Llmsql::new().args(["plan"]).root(case.join("root")).run().success();
        let long: Vec<&str> = plan
            .stdout
            .lines()
            .filter(|line| line.chars().count() > 80 && !line.trim_start().starts_with("databases."))
            .collect();
        assert!(long.is_empty(), "{}: {long:#?}", case.display());
    }
}

#[test]
fn the_same_facts_give_the_same_plan_from_a_file() {
    let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/01-cloud-vm/root");
    let dir = tempfile::tempdir().unwrap();
    let facts = dir.path().join("facts.json");
    fs::write(&facts, Llmsql::new().args(["facts", "--format", "json"]).root(&case).run().success().stdout).unwrap();
    let from_tree = Llmsql::new().args(["plan", "--format", "json"]).root(&case).run().success();
    let from_file = Llmsql::new().args(["plan", "--format", "json", "--facts"]).arg(&facts).run().success();
    assert_eq!(from_tree.stdout, from_file.stdout);
}

#[test]
fn a_check_ends_with_5_where_memory_does_not_fit_and_names_what_would() {
    let small = ["--ram", "300MB", "--cpus", "2", "--set", "host.components=postgresql,duckdb,api,nginx,pgbouncer"];
    let run = Llmsql::new().args(["plan", "--check", "--format", "json"]).args(small).run().code(5);
    let plan: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    let finding = plan["findings"].as_array().unwrap().iter().find(|f| f["invariant"] == "memory.fit").unwrap();
    let numbers = finding["numbers"].as_array().unwrap();
    let needed = numbers.iter().find(|n| n[0] == "smallest RAM that would do").unwrap()[1].as_str().unwrap();
    let enough = ["--ram", needed, "--cpus", "2", "--set", "host.components=postgresql,duckdb,api,nginx,pgbouncer"];
    Llmsql::new().args(["plan", "--check"]).args(enough).run().success();
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    Llmsql::new().args(["render", "--out"]).arg(&out).args(small).run().code(5);
    assert!(!out.exists(), "nothing is written for a plan that is refused");
}

#[test]
fn explain_names_the_nearest_and_the_winner() {
    let host = ["--ram", "64GB", "--cpus", "16"];
    let run = Llmsql::new().args(["explain", "shared_bufers"]).args(host).run().code(64);
    assert!(run.stderr.contains("postgresql.shared_buffers"), "{}", run.stderr);
    let pinned = ["--set", "postgresql.work_mem=64MB"];
    let run = Llmsql::new().args(["explain", "work_mem"]).args(host).args(pinned).run().success();
    assert!(run.stdout.contains("set by       flag --set"), "{}", run.stdout);
    assert!(run.stdout.contains("would be derived"), "{}", run.stdout);
    let run = Llmsql::new().args(["explain", "memory.total"]).args(host).run().success();
    assert!(run.stdout.contains("memory.total holds"), "{}", run.stdout);
}

#[test]
fn a_pinned_value_outside_the_servers_limits_is_refused_by_name() {
    let pin = ["--set", "postgresql.bgwriter_delay=1ms", "--ram", "8GB", "--set", "host.components=postgresql"];
    let run = Llmsql::new().args(["plan", "--check"]).args(pin).run().code(5);
    assert!(run.stdout.contains("bgwriter_delay"), "{}", run.stdout);
}
