//! `llmsql config`: the operator's file.

use crate::support::Llmsql;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use tempfile::TempDir;

/// A host with nothing on it but what a test puts there.
fn host() -> TempDir {
    let dir = tempfile::tempdir().expect("a temporary folder");
    fs::create_dir_all(dir.path().join("proc")).expect("a folder");
    fs::write(dir.path().join("proc/meminfo"), "MemTotal:        8388608 kB\n").expect("a file");
    dir
}

fn config(dir: &TempDir, args: &[&str]) -> Llmsql {
    Llmsql::new().dir(dir.path()).root(dir.path()).arg("config").args(args)
}

#[test]
fn a_key_is_set_read_and_removed_and_the_rest_of_the_file_stays() {
    let dir = host();
    let file = dir.path().join("llmsql.toml");
    let text = "# db1, see the wiki\r\n[plan]  # what\r\nworkload = 'oltp' # orders\r\n";
    fs::write(&file, text).unwrap();
    config(&dir, &["set", "plan.workload", "vector"])
        .run()
        .success()
        .stderr_has("llmsql.toml: plan.workload = \"vector\"");
    assert_eq!(fs::read_to_string(&file).unwrap(), text.replace("'oltp'", "\"vector\""));
    config(&dir, &["set", "host.ram", "16 GiB"]).run().success();
    let run = config(&dir, &["get", "--show-origin", "host.ram"]).run().success();
    assert_eq!(run.stdout, "16GB\tllmsql.toml:6:1\n");
    config(&dir, &["unset", "host.ram"]).run().success();
    config(&dir, &["unset", "plan.workload"]).run().success();
    assert_eq!(fs::read_to_string(&file).unwrap(), "# db1, see the wiki\r\n[plan]  # what\r\n\r\n[host]\r\n");
    config(&dir, &["get", "host.ram"]).run().code(1).stderr_has("llmsql explain host.ram");
}

#[test]
fn the_first_value_is_written_where_the_host_keeps_it() {
    let dir = host();
    config(&dir, &["unset", "host.ram"]).run().success();
    assert!(!dir.path().join("etc").exists());
    config(&dir, &["set", "kernel.vm.swappiness", "1"]).run().success();
    let text = fs::read_to_string(dir.path().join("etc/llmsql/llmsql.toml")).unwrap();
    assert_eq!(text, "[kernel]\n\"vm.swappiness\" = 1\n");
    let list = config(&dir, &["list", "--format", "json"]).run().success().json();
    assert_eq!(
        list,
        serde_json::json!([{"key": "kernel.vm.swappiness", "value": 1, "origin": "/etc/llmsql/llmsql.toml:2:1"}])
    );
}

#[test]
fn a_refused_value_leaves_no_folder_behind() {
    let dir = host();
    config(&dir, &["set", "host.ram", "4XB"]).run().code(64);
    config(&dir, &["set", "host.rma", "4GB"]).run().code(64);
    assert!(!dir.path().join("etc").exists());
}

#[test]
fn nothing_wrong_is_ever_written() {
    let dir = host();
    let file = dir.path().join("llmsql.toml");
    fs::write(&file, "[host]\nrma = 1 # old\n").unwrap();
    for (args, message) in [
        (["set", "host.ram", "64"], "64 has no unit"),
        (["set", "host.ram", "64Gb/s"], "is not a unit of size"),
        (["set", "host.rma", "64GB"], "the nearest is \"host.ram\""),
        (["set", "host.disk", "tape"], "\"tape\" is none of hdd, ssd, nvme"),
        (["set", "host.cpus", "0"], "0 is outside 1 to 65536"),
        (["set", "host.ram", "64GB"], "llmsql.toml:2:1: unknown key \"host.rma\""),
    ] {
        config(&dir, &args).run().code(64).stderr_has(message);
        assert_eq!(fs::read_to_string(&file).unwrap(), "[host]\nrma = 1 # old\n");
    }
    config(&dir, &["unset", "host.rma"]).run().success();
    assert_eq!(fs::read_to_string(&file).unwrap(), "[host]\n");
    let left: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

#[test]
fn a_link_and_the_mode_of_its_file_survive() {
    let dir = host();
    let real = dir.path().join("kept-in-git.toml");
    fs::write(&real, "").unwrap();
    fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
    symlink("kept-in-git.toml", dir.path().join("llmsql.toml")).unwrap();
    config(&dir, &["set", "host.cpus", "4"]).run().success();
    assert_eq!(fs::read_to_string(&real).unwrap(), "[host]\ncpus = 4\n");
    assert_eq!(fs::metadata(&real).unwrap().mode() & 0o7777, 0o640);
    assert!(dir.path().join("llmsql.toml").is_symlink());
    fs::remove_file(&real).unwrap();
    config(&dir, &["set", "host.cpus", "8"]).run().code(1).stderr_has("leads to no file");
    config(&dir, &["get", "host.cpus"]).run().code(64).stderr_has("llmsql.toml: cannot be read");
}

#[test]
fn a_folder_that_cannot_be_written_leaves_the_file_as_it_is() {
    let dir = host();
    let folder = dir.path().join("kept");
    fs::create_dir(&folder).unwrap();
    let file = folder.join("llmsql.toml");
    fs::write(&file, "[host]\ncpus = 2\n").unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o555)).unwrap();
    let run = without_privilege(&dir, &["--config", "kept/llmsql.toml", "config", "set", "host.cpus", "4"]);
    assert_eq!(run.0, Some(1), "{}", run.1);
    assert!(run.1.contains("kept/llmsql.toml: cannot be written; it is unchanged"), "{}", run.1);
    assert!(run.1.contains("Permission denied"), "{}", run.1);
    assert_eq!(fs::read_to_string(&file).unwrap(), "[host]\ncpus = 2\n");
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
}

#[test]
fn a_file_that_may_not_be_read_is_no_empty_file() {
    let dir = host();
    let file = dir.path().join("llmsql.toml");
    fs::write(&file, "[host]\ncpus = 2\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o000)).unwrap();
    let run = without_privilege(&dir, &["config", "list"]);
    assert_eq!(run.0, Some(64), "{}", run.1);
    assert!(run.1.contains("llmsql.toml: cannot be read: Permission denied"), "{}", run.1);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o444)).unwrap();
    let run = without_privilege(&dir, &["config", "set", "host.cpus", "4"]);
    assert_eq!(run.0, Some(1), "a write-protected file is left alone: {}", run.1);
    assert_eq!(fs::read_to_string(&file).unwrap(), "[host]\ncpus = 2\n");
}

/// Runs the program so that modes of files count for it even where root runs the test; its exit code and stderr.
fn without_privilege(dir: &TempDir, args: &[&str]) -> (Option<i32>, String) {
    let mut command = if nix::unistd::geteuid().is_root() {
        let without = "-dac_override,-dac_read_search,-fowner";
        let mut command = std::process::Command::new("setpriv");
        command.arg(format!("--bounding-set={without}")).arg(format!("--inh-caps={without}")).arg(Llmsql::path());
        command
    } else {
        std::process::Command::new(Llmsql::path())
    };
    let run = command.arg("--root").arg(dir.path()).args(args).current_dir(dir.path()).output().expect("it runs");
    (run.status.code(), String::from_utf8(run.stderr).expect("UTF-8"))
}

#[test]
fn a_file_that_cannot_be_understood_is_told_with_its_place() {
    let dir = host();
    let file = dir.path().join("llmsql.toml");
    let wrong = |bytes: &[u8], message: &str| {
        fs::write(&file, bytes).unwrap();
        config(&dir, &["list"]).run().code(64).stderr_has(message);
    };
    wrong(b"[host]\nram = \"1GB\xff\"\n", "llmsql.toml:2:11: not UTF-8");
    wrong(b"[host]\nram = \"1GB\n", "llmsql.toml:2:11: ");
    wrong(b"[host]\nram = 1GB\n", "llmsql.toml:2:");
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    config(&dir, &["list"]).run().code(64).stderr_has("llmsql.toml: cannot be read: Is a directory");
    Llmsql::new()
        .args(["--config", "gone.toml", "config", "list"])
        .run()
        .code(64)
        .stderr_has("gone.toml: cannot be read");
}

#[test]
fn all_faults_of_a_file_come_at_once_and_as_objects_for_programs() {
    let dir = host();
    fs::write(dir.path().join("llmsql.toml"), "[host]\nrma = \"1GB\"\ncpus = 1.5\n").unwrap();
    let run = config(&dir, &["list"]).run().code(64).stderr_has("llmsql.toml: 2 errors");
    assert!(
        run.stderr.contains("\n  llmsql.toml:2:1: unknown key \"host.rma\"; the nearest is \"host.ram\"\n"),
        "{}",
        run.stderr
    );
    let run = config(&dir, &["list", "--format", "json"]).run().code(64);
    let error: serde_json::Value = serde_json::from_str(&run.stderr).unwrap();
    assert_eq!(error["error"]["exit"], 64);
    assert_eq!(error["error"]["faults"][1]["place"], "llmsql.toml:3:8");
}

#[test]
fn a_variable_wins_over_the_file_and_setting_the_file_says_so() {
    let dir = host();
    let run = config(&dir, &["set", "host.cpus", "4"]).env("LLMSQL_HOST_CPUS", "2").run().success();
    assert!(run.stderr.contains("LLMSQL_HOST_CPUS is set in the environment and wins"), "{}", run.stderr);
    let run = config(&dir, &["get", "host.cpus"]).env("LLMSQL_HOST_CPUS", "2").run().success();
    assert_eq!(run.stdout, "2\n");
    let run = config(&dir, &["get", "host.cpus"]).env("LLMSQL_HOST_CPUS", "").run().success();
    assert_eq!(run.stdout, "4\n");
}

#[test]
fn runs_at_the_same_time_lose_nothing() {
    let dir = host();
    let keys = ["host.cpus", "host.ram", "pgbouncer.pools", "api.pool_size", "api.workers", "duckdb.threads"];
    std::thread::scope(|scope| {
        for key in keys {
            let dir = &dir;
            scope
                .spawn(move || config(dir, &["set", key, if key == "host.ram" { "8GB" } else { "8" }]).run().success());
        }
    });
    let list = config(&dir, &["list", "--format", "json"]).run().success().json();
    assert_eq!(list.as_array().map(Vec::len), Some(keys.len()), "{list}");
}

#[test]
fn every_key_is_listed_with_what_it_takes() {
    let list = Llmsql::new().args(["config", "list", "--all", "--format", "json"]).run().success().json();
    let entry = |key: &str| list.as_array().unwrap().iter().find(|e| e["key"] == key).cloned().unwrap_or_default();
    assert_eq!(entry("host.disk")["takes"], "one of \"hdd\", \"ssd\", \"nvme\"");
    assert_eq!(entry("kernel.vm.swappiness")["variable"], "LLMSQL_KERNEL_VM_SWAPPINESS");
    assert!(list.as_array().unwrap().iter().all(|e| e["help"].as_str().is_some_and(|h| !h.is_empty())));
}

#[test]
fn a_table_that_other_commands_read_can_be_set_too() {
    for section in llmsql::profile::keys::SECTIONS {
        let dir = host();
        let key = format!("{}.name_of_a_test", section.name);
        config(&dir, &["set", &key, "30s"]).run().success().stderr_has("= \"30s\"").stderr_has("by the commands");
        config(&dir, &["get", &key]).run().success().stdout_has("\"30s\"");
        config(&dir, &["unset", &key]).run().success();
        config(&dir, &["get", &key]).run().code(1).stderr_has("is not set");
    }
    let dir = host();
    config(&dir, &["set", "weather.today", "fine"]).run().code(64).stderr_has("unknown key");
}
