//! `--restart`: done, proved, and undone where the server does not come back as planned.

use super::stack::{PGDATA, Stack};
use crate::support::Llmsql;
use std::fs;

fn pid(stack: &Stack) -> String {
    let text = fs::read_to_string(stack.tree.path(PGDATA).join("postmaster.pid")).expect("it runs");
    text.lines().next().expect("its number").to_owned()
}

const ONLY: [&str; 2] = ["--only", "postgresql"];

#[test]
fn what_waits_for_a_restart_is_restarted_and_proved() {
    let stack = Stack::new();
    let first = pid(&stack);
    let planned = |stack: &Stack| stack.apply(&[&ONLY[..], &["--restart"]].concat());
    let run = planned(&stack).success().stderr_has("was restarted for");
    assert!(run.stderr.contains("shared_buffers"), "{}", run.stderr);
    let second = pid(&stack);
    assert_ne!(first, second);
    let status = stack.planned("status", &["--format", "json"]).args(ONLY).run().success().json();
    let waits = |key: &str| status["waiting"].as_array().expect("a list").iter().any(|d| d["key"] == key);
    assert!(!waits("postgresql.shared_buffers"), "{status}");
    planned(&stack).success().stderr_has("nothing waits for a restart");
    assert_eq!(pid(&stack), second);

    // Taken back with a restart as well, the server runs as it did.
    Llmsql::new().root(stack.tree.dir()).args(["rollback", "--restart", "--yes"]).run().success();
    assert_eq!(stack.show("shared_buffers"), "128MB");
    // Applied without, it is done later, though no file changes then.
    stack.apply(&ONLY).success().stderr_has("counts after a restart");
    assert_eq!(stack.show("shared_buffers"), "128MB");
    let third = pid(&stack);
    planned(&stack).success().stderr_has("was restarted for");
    assert_ne!(pid(&stack), third);
    assert_ne!(stack.show("shared_buffers"), "128MB");
}

#[test]
fn a_server_that_does_not_come_back_runs_again_as_before() {
    let stack = Stack::new();
    let before = stack.tree.snapshot_of(&["etc", &format!("{PGDATA}/conf.d")]);
    // No pool of huge pages: it ends at its start, which no validator sees.
    if fs::read_to_string("/proc/sys/vm/nr_hugepages").is_ok_and(|n| n.trim() != "0") {
        println!("this host has huge pages, so this is not judged");
        return;
    }
    let more = [&ONLY[..], &["--restart", "--set", "postgresql.huge_pages=on"]].concat();
    let run = stack.apply(&more).code(3).stderr_has("everything was put back");
    assert!(run.stderr.contains("could not map anonymous shared memory"), "the log's last lines: {}", run.stderr);
    assert_eq!(stack.tree.snapshot_of(&["etc", &format!("{PGDATA}/conf.d")]), before);
    assert_eq!(stack.show("shared_buffers"), "128MB");
    assert_eq!(stack.show("huge_pages"), "try");
    let history = Llmsql::new().root(stack.tree.dir()).arg("history").run().success();
    history.stdout_has("rolled-back");
    Llmsql::new()
        .root(stack.tree.dir())
        .args(["recover", "--yes"])
        .run()
        .success()
        .stderr_has("nothing was interrupted");
}

/// A host whose files promise huge pages, and whose kernel has none: the server says nothing and takes ordinary ones.
#[test]
fn a_silent_fall_back_to_ordinary_pages_is_undone() {
    let stack = Stack::new();
    if fs::read_to_string("/proc/sys/vm/nr_hugepages").is_ok_and(|n| n.trim() != "0") {
        println!("this host has huge pages, so this is not judged");
        return;
    }
    stack.tree.write("etc/sysctl.d/80-pages.conf", "vm.nr_hugepages = 500\n");
    let before = stack.tree.snapshot_of(&["etc", &format!("{PGDATA}/conf.d")]);
    let more = [&ONLY[..], &["--restart", "--set", "postgresql.huge_pages=try"]].concat();
    let run = stack.apply(&more).code(3).stderr_has("fell back to ordinary pages");
    assert!(run.stderr.contains("huge_pages_status = off"), "{}", run.stderr);
    assert_eq!(stack.tree.snapshot_of(&["etc", &format!("{PGDATA}/conf.d")]), before);
    assert_eq!(stack.show("shared_buffers"), "128MB", "it was restarted with what it had");
}
