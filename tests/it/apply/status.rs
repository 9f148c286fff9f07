//! Drift on a tree: which layer sees what, and what is none.

use super::tree::{PASSWORD, Tree};
use crate::support::{Llmsql, Run};
use serde_json::Value;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

const INI: &str = "etc/pgbouncer/pgbouncer.ini";
const SYSCTL: &str = "etc/sysctl.d/99-llm-sql-tuning.conf";

fn status(tree: &Tree) -> Run {
    tree.llmsql("status").arg("--detailed-exitcode").run()
}

fn json(tree: &Tree) -> Value {
    tree.llmsql("status").args(["--format", "json"]).run().success().json()
}

fn list<'a>(status: &'a Value, layer: &str) -> &'a Vec<Value> {
    status[layer].as_array().unwrap_or_else(|| panic!("no list {layer} in {status}"))
}

fn applied() -> Tree {
    let tree = Tree::new();
    tree.llmsql("apply").arg("--yes").run().success();
    tree
}

fn edit(tree: &Tree, path: &str, from: &str, to: &str) {
    let text = tree.read(path);
    assert!(text.contains(from), "no {from:?} in {text}");
    fs::write(tree.path(path), text.replacen(from, to, 1)).expect("the file");
}

#[test]
fn an_edit_is_seen_with_its_settings_until_the_plan_is_applied_again() {
    let tree = applied();
    let before = tree.snapshot();
    status(&tree).success().stdout_has("no drift");
    edit(&tree, INI, "max_client_conn = ", "max_client_conn = 9");
    let seen = json(&tree);
    let file = &list(&seen, "files")[0];
    assert_eq!(
        (file["target"].as_str(), file["state"].as_str()),
        (Some("/etc/pgbouncer/pgbouncer.ini"), Some("edited"))
    );
    assert_eq!(file["settings"][0]["name"], "max_client_conn");
    assert_eq!((seen["drift"].clone(), seen["compared"]["files"].as_u64() > Some(3)), (Value::Bool(true), true));
    let run = status(&tree).code(2).stdout_has("max_client_conn");
    assert!(!run.stdout.contains(PASSWORD) && !seen.to_string().contains(PASSWORD), "{}", run.stdout);
    assert_eq!(tree.llmsql("status").run().code, Some(0), "only --detailed-exitcode says it by the exit code");
    tree.llmsql("apply").arg("--yes").run().success();
    status(&tree).success();
    assert_eq!(tree.snapshot(), before);
}

#[test]
fn comments_and_what_is_the_operators_are_no_drift() {
    let tree = applied();
    edit(&tree, SYSCTL, "vm.swappiness", "# looked at on Friday\nvm.swappiness");
    edit(&tree, INI, "[pgbouncer]", "[pgbouncer]\nlogfile = /var/log/pgbouncer.log");
    edit(&tree, "etc/postgresql/18/main/postgresql.conf", "# mine", "# still mine\ncluster_name = 'shop'");
    tree.llmsql("apply").arg("--yes").run().success().stderr_has("nothing to change");
    status(&tree).success().stdout_has("no drift");
}

#[test]
fn a_file_that_is_gone_or_given_away_is_seen() {
    let tree = applied();
    fs::remove_file(tree.path(SYSCTL)).expect("the file");
    fs::set_permissions(tree.path(INI), Permissions::from_mode(0o666)).expect("its mode");
    let run = status(&tree).code(2).stdout_has("99-llm-sql-tuning.conf");
    run.stdout_has("mode 0640 → 0666; back: chmod 0640 /etc/pgbouncer/pgbouncer.ini");
    let states: Vec<String> = list(&json(&tree), "files").iter().map(|f| f["state"].to_string()).collect();
    assert_eq!(states, ["\"attributes\"", "\"gone\""]);
}

#[test]
fn a_value_of_the_running_kernel_is_seen() {
    let tree = applied();
    tree.write("proc/sys/vm/swappiness", "77\n");
    tree.write("sys/kernel/mm/transparent_hugepage/enabled", "[always] madvise never\n");
    let seen = json(&tree);
    let found: Vec<(String, String)> = list(&seen, "running")
        .iter()
        .map(|d| {
            (d["key"].as_str().unwrap_or_default().to_owned(), d["running"].as_str().unwrap_or_default().to_owned())
        })
        .collect();
    let want = [("kernel.vm.swappiness", "77"), ("kernel.thp.enabled", "always")];
    assert_eq!(found, want.map(|(k, v)| (k.to_owned(), v.to_owned())));
    assert!(list(&seen, "files").is_empty() && list(&seen, "plan").is_empty(), "{seen}");
    tree.llmsql("apply").arg("--yes").run().success();
    status(&tree).success();
}

#[test]
fn a_host_that_has_grown_makes_the_plan_drift() {
    let tree = applied();
    tree.write(
        "proc/meminfo",
        "MemTotal:  33554432 kB\nMemAvailable:  32000000 kB\nHugePages_Total: 0\nHugepagesize: 2048 kB\n",
    );
    let seen = json(&tree);
    let grown = list(&seen, "plan").iter().find(|d| d["key"] == "postgresql.shared_buffers").expect("it grows");
    assert_ne!(grown["applied"], grown["planned"]);
    assert_eq!(grown["takes_effect"], "restart");
    assert!(list(&seen, "files").is_empty(), "{seen}");
    status(&tree).code(2).stdout_has("postgresql.shared_buffers");
}

#[test]
fn metrics_tell_what_the_table_tells() {
    let tree = applied();
    let prom = tree.path("status.prom");
    let metrics = || {
        tree.llmsql("status").arg("--textfile").arg(&prom).run().success();
        fs::read_to_string(&prom).expect("the metrics")
    };
    let text = metrics();
    for line in [
        "llmsql_status_drift{layer=\"files\"} 0\n",
        "llmsql_status_recover_waiting 0\n",
        "llmsql_status_generation 1\n",
        "# TYPE llmsql_status_waiting gauge\n",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    edit(&tree, INI, "max_client_conn = ", "max_client_conn = 9");
    assert!(metrics().contains("llmsql_status_drift{layer=\"files\"} 1\n"));
}

#[test]
fn what_was_taken_back_or_never_applied_has_not_drifted() {
    let tree = Tree::new();
    status(&tree).success().stdout_has("nothing was applied here");
    let tree = applied();
    tree.llmsql("rollback").arg("--yes").run().success();
    edit(&tree, INI, "; mine", "; mine alone");
    status(&tree).success();
    assert!(list(&json(&tree), "files").is_empty());
}

#[test]
fn an_interrupted_change_is_told_by_code_and_metric() {
    let tree = Tree::new();
    tree.llmsql("diff").arg("--save").arg(tree.path("plan")).run().success();
    super::crash::interrupt_in_the_middle(&tree, &["apply", "plan", "--yes"]);
    let told = status(&tree).code(4).stdout_has(" recover\n");
    assert!(!told.stdout.contains("nothing was applied"), "{}", told.stdout);
    let prom = tree.path("status.prom");
    tree.llmsql("status").arg("--textfile").arg(&prom).run().success();
    let text = fs::read_to_string(&prom).expect("the metrics");
    assert!(text.contains("llmsql_status_recover_waiting 1\n"), "{text}");
    tree.llmsql("recover").arg("--yes").run().success();
    assert_ne!(status(&tree).code, Some(4));
}

#[test]
fn pruned_generations_are_said() {
    let tree = applied();
    tree.write("proc/sys/vm/swappiness", "77\n");
    tree.llmsql("apply").arg("--yes").run().success();
    tree.llmsql("history").args(["--prune", "--keep", "1", "--yes"]).run().success();
    status(&tree).stdout_has("generations 1").stdout_has("pruned");
}

/// A user without rights is told what was not read, and by which command root reads it.
#[test]
fn an_unprivileged_user_sees_what_may_be_seen() {
    let tree = applied();
    if !nix::unistd::geteuid().is_root() {
        println!("not root: nothing here belongs to another user, so this is not judged");
        return;
    }
    let run = || {
        let run = Llmsql::new().root(tree.dir()).args(["status", "--detailed-exitcode"]);
        run.args(["--set", "host.components=postgresql,pgbouncer"]).unprivileged().run()
    };
    let seen = run().success().stdout_has("; sudo llmsql --root ");
    seen.stdout_has("compared with our files as they stand");
    tree.write("proc/sys/vm/swappiness", "77\n");
    run().code(2).stdout_has("kernel.vm.swappiness");
}

/// What stood before as the plan wants it is in no generation, and was planned all the same.
#[test]
fn a_file_that_apply_had_no_need_to_change_is_no_drift() {
    let tree = Tree::new();
    let conf = "etc/postgresql/18/main/postgresql.conf";
    let text = tree.read(conf) + "include_dir = 'conf.d'\n";
    tree.write(conf, &text);
    let only = |command: &str| tree.llmsql(command).args(["--only", "postgresql"]);
    only("apply").arg("--yes").run().success();
    assert_eq!(tree.read(conf), text, "it needed no change");
    only("status").arg("--detailed-exitcode").run().success().stdout_has("no drift");
    // Without that line nothing of ours is read.
    edit(&tree, conf, "include_dir", "#include_dir");
    only("status").arg("--detailed-exitcode").run().code(2).stdout_has(conf);
}

/// The kernel's component has a unit of systemd, whose keys are no values of the kernel.
#[test]
fn only_sysctl_files_name_values_of_the_kernel() {
    let tree = applied();
    assert!(tree.path("etc/systemd/system/llmsql-thp.service").exists());
    let run = status(&tree).success();
    assert!(!run.stdout.contains("/proc/sys/After") && !run.stdout.contains("ExecStart"), "{}", run.stdout);
}

/// Followed to the letter, advice changes this tree and no other host.
#[test]
fn advice_names_the_tree() {
    let tree = Tree::new();
    let root = format!("llmsql --root {}", tree.dir().canonicalize().expect("the tree").display());
    status(&tree).stdout_has(&format!("{root} diff shows"));
    let plan = tree.path("plan").display().to_string();
    tree.llmsql("diff").args(["--save", &plan]).run().success().stderr_has(&format!("{root} apply {plan}"));
    tree.llmsql("apply").arg("--yes").run().success().stderr_has(&format!("{root} rollback 1"));
    edit(&tree, INI, "max_client_conn = ", "max_client_conn = 9");
    status(&tree).code(2).stdout_has(&format!("{root} apply; ")).stdout_has(&format!("{root} config set"));
    tree.llmsql("rollback").arg("--yes").run().code(10).stderr_has(&format!("{root} status"));
    let run = |words: &[&str]| Llmsql::new().root(tree.dir()).args(words.iter().copied()).run().code(64);
    run(&["rollback", "9", "--yes"]).stderr_has(&format!("{root} history"));
    let not_a_plan = Llmsql::new().root(tree.dir()).arg("apply").arg(tree.path(INI)).arg("--yes").run().code(64);
    not_a_plan.stderr_has(&format!("{root} diff --save FILE"));
}

/// Each command says how to look first by what it has.
#[test]
fn without_a_terminal_only_what_exists_is_advised() {
    let tree = Tree::new();
    tree.llmsql("apply").run().code(64).stderr_has("--dry-run");
    tree.llmsql("diff").arg("--save").arg(tree.path("plan")).run().success();
    super::crash::interrupt_in_the_middle(&tree, &["apply", "plan", "--yes"]);
    for (args, says) in [(&["recover"][..], "history 1 shows"), (&["history", "--prune"], "history lists")] {
        let run = Llmsql::new().root(tree.dir()).args(args.iter().copied()).run().code(64).stderr_has(says);
        assert!(!run.stderr.contains("--dry-run"), "{}", run.stderr);
    }
}

/// The note on a server that does not run claims nothing of a validation that did not take place.
#[test]
fn what_was_not_validated_is_not_called_so() {
    let tree = Tree::new();
    let run = tree.llmsql("apply").arg("--yes").run().success().stderr_has("does not run: what its files say");
    assert!(!run.stderr.contains("were validated"), "{}", run.stderr);
}
