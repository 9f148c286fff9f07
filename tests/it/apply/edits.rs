//! Edits by hand that no setting of ours feels: seen by status, kept by a rollback or refused with the way out.

use super::stack::{PGDATA, Stack};
use super::tree::{PASSWORD, Tree};
use crate::support::Llmsql;
use nix::unistd::geteuid;
use std::fs;
use std::os::unix::fs::chown;
use std::process::Command;

const INI: &str = "etc/pgbouncer/pgbouncer.ini";
const SYSCTL: &str = "etc/sysctl.d/99-llm-sql-tuning.conf";

fn applied() -> Tree {
    let tree = Tree::new();
    tree.llmsql("apply").arg("--yes").run().success();
    tree
}

fn add(tree: &Tree, path: &str, line: &str) {
    fs::write(tree.path(path), tree.read(path) + line).expect("the file");
}

#[test]
fn an_edit_of_what_is_not_ours_is_seen_and_outlives_a_rollback() {
    let tree = Tree::new();
    add(&tree, INI, "pidfile = /run/a\nverbose = 0\n");
    let first = tree.read(INI);
    tree.llmsql("apply").arg("--yes").run().success();
    fs::write(tree.path(INI), tree.read(INI).replace("verbose = 0", "verbose = 2")).expect("the file");
    add(&tree, INI, "; by hand\nlogfile = /var/log/pooler.log\n");
    let applied = tree.read(INI);
    let status = tree.llmsql("status").arg("--detailed-exitcode").run().success();
    status.stdout_has("edited by hand, and nothing of ours").stdout_has("yours   /etc/pgbouncer/pgbouncer.ini (+3 -1)");
    let run = tree.llmsql("rollback").arg("--yes").run().success();
    assert!(run.stderr.contains("what was edited there since is not ours and stays"), "{}", run.stderr);
    let kept = first.replace("verbose = 0", "verbose = 2") + "; by hand\nlogfile = /var/log/pooler.log\n";
    assert_eq!(tree.read(INI), kept);
    // And the rollback can be taken back.
    tree.llmsql("rollback").args(["2", "--yes"]).run().success();
    assert_eq!(tree.read(INI), applied);
}

#[test]
fn comments_in_a_file_of_ours_refuse_a_rollback_until_they_may_go() {
    let tree = Tree::new();
    let first = tree.snapshot();
    tree.llmsql("apply").arg("--yes").run().success();
    add(&tree, SYSCTL, "# looked at on Friday\n");
    let edited = tree.snapshot();
    let status = tree.llmsql("status").arg("--detailed-exitcode").run().success();
    status
        .stdout_has("comments only  /etc/sysctl.d/99-llm-sql-tuning.conf (+1 -0)")
        .stdout_has("# looked at on Friday");
    let shown = tree.llmsql("diff").args(["--unified", "--detailed-exitcode"]).run().success();
    shown.stdout_has("# looked at on Friday").stderr_has("differs in comments, which apply leaves as they are");
    let refused = tree.llmsql("rollback").arg("--yes").run().code(10);
    let advice =
        format!("llmsql --root {} rollback 1 --discard-edits", tree.dir().canonicalize().expect("it").display());
    assert!(refused.stderr.contains(SYSCTL) && refused.stderr.contains(&advice), "{}", refused.stderr);
    assert_eq!(tree.snapshot(), edited);
    tree.llmsql("rollback").args(["--discard-edits", "--yes"]).run().success();
    assert_eq!(tree.snapshot(), first);
    // What went is in the journal.
    tree.llmsql("rollback").args(["2", "--yes"]).run().success();
    assert_eq!(tree.snapshot(), edited);
}

#[test]
fn an_edit_of_ours_refuses_a_rollback_until_it_may_go() {
    let tree = Tree::new();
    let first = tree.snapshot();
    tree.llmsql("apply").arg("--yes").run().success();
    let text = tree.read(INI).replacen("max_client_conn = ", "max_client_conn = 9", 1);
    fs::write(tree.path(INI), text).expect("the file");
    let edited = tree.snapshot();
    tree.llmsql("rollback").arg("--yes").run().code(10).stderr_has("pgbouncer.ini");
    assert_eq!(tree.snapshot(), edited);
    tree.llmsql("rollback").args(["--discard-edits", "--yes"]).run().success();
    assert_eq!(tree.snapshot(), first);
}

#[test]
fn a_kernel_value_that_was_set_since_refuses_a_rollback_until_it_may_go() {
    let tree = applied();
    tree.write("proc/sys/vm/swappiness", "77\n");
    tree.llmsql("rollback")
        .arg("--yes")
        .run()
        .code(10)
        .stderr_has("/proc/sys/vm/swappiness")
        .stderr_has("--discard-edits");
    assert_eq!(tree.read("proc/sys/vm/swappiness"), "77\n");
    tree.llmsql("rollback").args(["--discard-edits", "--yes"]).run().success();
    assert_eq!(tree.read("proc/sys/vm/swappiness"), "60\n");
}

#[test]
fn a_password_in_a_comment_is_in_no_file_of_ours_and_comes_back() {
    let tree = Tree::new();
    let secret = format!("{PASSWORD}1");
    add(&tree, INI, &format!("; old password: {secret}\n; the token is {secret}\n"));
    let first = tree.snapshot();
    let shown = tree.llmsql("diff").args(["--unified", "--save"]).arg(tree.path("plan")).run().success();
    tree.llmsql("apply").arg("--yes").run().success();
    assert!(tree.read(INI).contains(&format!("; old password: {secret}\n")), "{}", tree.read(INI));
    let history = tree.llmsql("history").args(["1", "--unified"]).run().success();
    let plan = fs::read_to_string(tree.path("plan")).expect("the plan");
    for text in [&shown.stdout, &history.stdout, &plan] {
        assert!(!text.contains(PASSWORD), "{text}");
    }
    let kept = Command::new("grep").args(["-rl", PASSWORD]).arg(tree.path("var/lib/llmsql")).output().expect("grep");
    assert!(kept.stdout.is_empty(), "{}", String::from_utf8_lossy(&kept.stdout));
    tree.llmsql("rollback").arg("--yes").run().success();
    assert_eq!(tree.snapshot(), first, "with its passwords");
}

/// The kernel keeps one of a pair and sets the other to 0: that is said, and taken back.
#[test]
fn the_operators_dirty_bytes_come_back() {
    let tree = Tree::new();
    tree.write("proc/sys/vm/dirty_bytes", "2147483648\n");
    tree.write("proc/sys/vm/dirty_ratio", "0\n");
    let first = tree.snapshot();
    let shown = tree.llmsql("diff").run().success();
    let line = shown.stdout.lines().find(|l| l.contains("vm.dirty_bytes")).expect("a line of its own");
    assert!(line.contains("2147483648 → 0"), "{line}");
    let run = tree.llmsql("apply").arg("--yes").run().success();
    assert!(run.stdout.contains("2147483648 → 0"), "{}", run.stdout);
    assert_eq!(
        (tree.read("proc/sys/vm/dirty_ratio"), tree.read("proc/sys/vm/dirty_bytes")),
        ("15\n".into(), "0\n".into())
    );
    tree.llmsql("apply").arg("--yes").run().success().stderr_has("nothing to change");
    tree.llmsql("status").arg("--detailed-exitcode").run().success();
    tree.llmsql("rollback").arg("--yes").run().success();
    assert_eq!(tree.snapshot(), first);
}

/// A main file of ours alone would keep a cluster from being made there.
#[test]
fn no_main_file_is_written_where_no_cluster_is() {
    let tree = Tree::new();
    fs::remove_file(tree.path("etc/postgresql/18/main/postgresql.conf")).expect("the file");
    tree.llmsql("apply").arg("--yes").run().success().stderr_has("no cluster has its files there yet");
    assert!(!tree.path("etc/postgresql/18/main/postgresql.conf").exists());
    assert!(tree.path("etc/postgresql/18/main/conf.d/50-llmsql.conf").exists());
    tree.llmsql("status").arg("--detailed-exitcode").run().success();
    tree.write("etc/postgresql/18/main/postgresql.conf", "port = 5432\n");
    if geteuid().is_root() {
        chown(tree.path("etc/postgresql/18/main/postgresql.conf"), Some(105), Some(110)).expect("root may chown");
    }
    tree.llmsql("apply").arg("--yes").run().success();
    assert!(tree.read("etc/postgresql/18/main/postgresql.conf").contains("include_dir = 'conf.d'"));
}

/// Servers prove a rollback by values: by those of the edit where it brings an edit back.
#[test]
fn a_running_server_takes_a_discarded_edit_back() {
    let stack = Stack::new();
    let conf = &format!("{PGDATA}/conf.d/50-llmsql.conf");
    stack.planned("apply", &["--only", "postgresql", "--yes"]).run().success();
    let rollback =
        |more: &[&str]| Llmsql::new().root(stack.tree.dir()).args(["rollback", "--yes"]).args(more).run().success();
    let edited = stack.tree.read(conf).replace("random_page_cost = 1.1", "random_page_cost = 1.7");
    fs::write(stack.tree.path(conf), edited).expect("the file");
    rollback(&["--discard-edits"]);
    assert_eq!(stack.show("random_page_cost"), "4");
    rollback(&["2"]);
    assert_eq!(stack.show("random_page_cost"), "1.7");
}
