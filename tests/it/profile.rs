//! `llmsql profile`: which one a host gets, and why.

use crate::support::{Llmsql, Run};
use serde_json::Value;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use tempfile::TempDir;

fn host(ram_gb: u64) -> TempDir {
    let dir = tempfile::tempdir().expect("a temporary folder");
    fs::create_dir_all(dir.path().join("proc")).expect("a folder");
    write(&dir, "proc/meminfo", &format!("MemTotal:       {} kB\n", ram_gb << 20));
    dir
}

fn write(dir: &TempDir, path: &str, text: &str) {
    let path = dir.path().join(path);
    fs::create_dir_all(path.parent().expect("a file has a folder")).expect("a folder");
    fs::write(path, text).expect("a file");
}

fn profile(dir: &TempDir, args: &[&str]) -> Llmsql {
    Llmsql::new().dir(dir.path()).root(dir.path()).arg("profile").args(args)
}

fn show(dir: &TempDir, args: &[&str]) -> Value {
    profile(dir, &["show", "--format", "json"]).args(args).run().success().json()
}

fn origin(shown: &Value, key: &str) -> Option<String> {
    let values = shown["values"].as_array().expect("a list of values");
    values.iter().find(|v| v["key"] == key).map(|v| format!("{}: {}", v["origin"].as_str().unwrap(), v["value"]))
}

#[test]
fn the_host_chooses_and_the_rule_is_shown_with_its_numbers() {
    let shown = show(&host(63), &[]);
    assert_eq!(shown["name"], "large");
    assert_eq!(shown["rule"], "RAM 63.0 GB ≥ 48.0 GB");
    assert_eq!(show(&host(32), &[])["rule"], "20.0 GB ≤ RAM 32.0 GB < 48.0 GB");
    assert_eq!(show(&host(63), &["--ram", "4GB"])["name"], "small");
    profile(&host(63), &["list"]).run().success().stdout_has("* large").stdout_has("RAM 63.0 GB ≥ 48.0 GB");
}

#[test]
fn the_five_places_win_in_their_order() {
    let dir = host(8);
    let get = |llmsql: Llmsql| origin(&llmsql.run().success().json(), "plan.workload");
    let bare = || profile(&dir, &["show", "--format", "json"]);
    assert_eq!(get(bare()), None, "derived: not set");
    write(&dir, "etc/llmsql/profiles/mine.yaml", "when: {ram_below: 9GB}\nvalues: {plan.workload: vector}\n");
    assert_eq!(get(bare()).unwrap(), "profile mine: \"vector\"");
    write(&dir, "llmsql.toml", "[plan]\nworkload = \"analytics\"\n");
    assert_eq!(get(bare()).unwrap(), "llmsql.toml:2:1: \"analytics\"");
    let variable = || bare().env("LLMSQL_PLAN_WORKLOAD", "mixed");
    assert_eq!(get(variable()).unwrap(), "environment LLMSQL_PLAN_WORKLOAD: \"mixed\"");
    assert_eq!(get(variable().args(["--workload", "oltp"])).unwrap(), "flag --workload: \"oltp\"");
}

#[test]
fn a_file_of_the_operators_own_is_named_by_its_path_and_extends_others() {
    let dir = host(8);
    write(&dir, "base.yaml", "extends: analytics\nvalues:\n  host:\n    other_memory: 512MB\n");
    write(
        &dir,
        "sub/my.yaml",
        "name: my\ndescription: Ours\nextends: ../base.yaml\nvalues: {plan: {workload: oltp}}\n",
    );
    let shown = show(&dir, &["./sub/my.yaml"]);
    assert_eq!(shown["chain"], serde_json::json!(["my", "base", "analytics"]));
    assert_eq!(origin(&shown, "plan.workload").unwrap(), "profile my: \"oltp\"");
    assert_eq!(origin(&shown, "host.other_memory").unwrap(), "profile base: \"512MB\"");
    assert_eq!(origin(&shown, "host.components").unwrap(), "profile analytics: [\"postgresql\",\"duckdb\"]");
}

fn refused(run: Run, messages: &[&str]) {
    let run = run.code(64);
    assert_eq!(run.stdout, "");
    for message in messages {
        assert!(run.stderr.contains(message), "no {message:?} in: {}", run.stderr);
    }
}

#[test]
fn chains_that_lead_nowhere_are_named() {
    let dir = host(8);
    write(&dir, "self.yaml", "extends: ./self.yaml\n");
    refused(profile(&dir, &["show", "./self.yaml"]).run(), &["the profile extends itself (self → self)"]);
    write(&dir, "etc/llmsql/profiles/a.yaml", "extends: b\n");
    write(&dir, "etc/llmsql/profiles/b.yaml", "extends: a\n");
    refused(profile(&dir, &["show", "a"]).run(), &["circle (a → b → a)", "b.yaml"]);
    write(&dir, "lost.yaml", "extends: analitics\n");
    refused(
        profile(&dir, &["show", "./lost.yaml"]).run(),
        &["lost.yaml", "no profile \"analitics\"", "\"analytics\" (lost → analitics)"],
    );
    refused(profile(&dir, &["show", "./none.yaml"]).run(), &["none.yaml: cannot be read: No such file"]);
    refused(profile(&dir, &["show", "tiny"]).run(), &["flag --profile: there is no profile \"tiny\""]);
    write(&dir, "llmsql.toml", "[plan]\nprofile = \"smal\"\n");
    refused(
        profile(&dir, &["list"]).run(),
        &["llmsql.toml:2:1: there is no profile \"smal\"; the nearest is \"small\""],
    );
}

#[test]
fn what_is_wrong_in_a_profile_is_told_with_line_and_column() {
    let dir = host(8);
    let wrong = |text: &str, messages: &[&str]| {
        write(&dir, "my.yaml", text);
        refused(profile(&dir, &["show", "./my.yaml"]).run(), messages);
    };
    wrong(
        "values:\n  host:\n    ramm: 1GB\n",
        &["my.yaml:3:5: unknown key \"host.ramm\"; the nearest is \"host.ram\""],
    );
    wrong(
        "values:\n  host:\n    ram: 64\n    cpus: x\n",
        &["2 errors", "my.yaml:3:10: host.ram: 64 has no unit", "my.yaml:4:11: "],
    );
    wrong("values:\n  host: {ram: 1GB\n", &["my.yaml:3:1: "]);
    wrong("colour: red\n", &["my.yaml:1:1: unknown field `colour`"]);
    wrong("when: {ram_at_least: lots}\n", &["my.yaml:1:7: ", "\"lots\" is not a size"]);
    fs::write(dir.path().join("my.yaml"), b"name: \xff\n").unwrap();
    refused(profile(&dir, &["show", "./my.yaml"]).run(), &["my.yaml:1:7: not UTF-8"]);
}

#[test]
fn a_misspelt_or_unreadable_variable_is_refused_and_the_programs_own_are_not() {
    let dir = host(8);
    let run = |name: &str, value: &OsStr| profile(&dir, &["show"]).env(name, value).run();
    refused(
        run("LLMSQL_HOST_RMA", OsStr::new("1GB")),
        &["LLMSQL_HOST_RMA: unknown variable; the nearest is LLMSQL_HOST_RAM"],
    );
    refused(run("LLMSQL_HOST_RAM", OsStr::from_bytes(b"1\xffGB")), &["LLMSQL_HOST_RAM: the value is not UTF-8"]);
    run("LLMSQL_FORMAT", OsStr::new("json")).success();
    run("LLMSQL_TEST_SERVERS", OsStr::new("/tmp")).success();
}

#[test]
fn a_wrong_flag_is_named() {
    let dir = host(8);
    refused(profile(&dir, &["show", "--ram", "64"]).run(), &["--ram: 64 has no unit"]);
    refused(profile(&dir, &["show", "--cpus", "none"]).run(), &["--cpus: \"none\" is not a whole number"]);
    refused(
        profile(&dir, &["show", "--set", "work_mem=1MB"]).run(),
        &["unknown key \"work_mem\"; the nearest is \"postgresql.work_mem\""],
    );
    refused(profile(&dir, &["show", "--set", "work_mem"]).run(), &["\"work_mem\" is not KEY=VALUE"]);
    refused(profile(&dir, &["show", "--profile", "small", "large"]).run(), &["cannot be used with"]);
}
