//! `--restart`: done, proved, and undone where the server does not come back as planned.

use super::stack::{PGDATA, Stack, get};
use crate::support::Llmsql;
use std::fs;
use std::net::TcpListener;

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

const POOLER: [&str; 2] = ["--only", "pgbouncer"];

#[test]
fn a_pooler_is_restarted_for_what_a_reload_does_not_reach() {
    let stack = Stack::new();
    let first = stack.running("pgbouncer");
    let backlog = stack.pooler("listen_backlog");
    stack.apply(&POOLER).success().stderr_has("listen_backlog counts after a restart of PgBouncer");
    assert_eq!((stack.running("pgbouncer"), stack.pooler("listen_backlog")), (first.clone(), backlog.clone()));
    stack.planned("status", &POOLER).run().success().stdout_has("have pgbouncer restarted and proved");

    // Done later, though no file changes then; and not a second time.
    let restart = [&POOLER[..], &["--restart"]].concat();
    stack.apply(&restart).success().stderr_has("was restarted for listen_backlog");
    let second = stack.running("pgbouncer");
    assert_ne!(first, second);
    assert_ne!(stack.pooler("listen_backlog"), backlog);
    stack.sql(stack.ports[1], "SELECT 1").expect("its clients are served");
    stack.apply(&restart).success().stderr_has("nothing waits for a restart");
    assert_eq!(stack.running("pgbouncer"), second);

    let back = Llmsql::new().root(stack.tree.dir()).args(["rollback", "--restart", "--yes"]).run().success();
    assert!(back.stderr.contains("was restarted for listen_backlog"), "{}", back.stderr);
    assert_eq!(stack.pooler("listen_backlog"), backlog);
    // With the files at once.
    stack.apply(&restart).success().stderr_has("was restarted for listen_backlog");
    assert_ne!(stack.pooler("listen_backlog"), backlog);
}

/// No validator sees that another program has the port: it comes back without it, and is started with the old file.
#[test]
fn a_pooler_that_does_not_come_back_as_planned_runs_again_as_before() {
    let mut stack = Stack::new();
    let before = stack.tree.snapshot_of(&["etc"]);
    let (own, taken) = (stack.ports[1], TcpListener::bind(("127.0.0.1", 0)).expect("a port"));
    stack.ports[1] = taken.local_addr().expect("its address").port();
    let run = stack.apply(&[&POOLER[..], &["--restart"]].concat()).code(3).stderr_has("everything was put back");
    assert!(run.stderr.contains("it does not listen on port"), "{}", run.stderr);
    stack.ports[1] = own;
    assert_eq!(stack.tree.snapshot_of(&["etc"]), before);
    assert_eq!(stack.pooler("listen_port"), own.to_string());
    stack.sql(own, "SELECT 1").expect("its clients are served");
}

/// A zone of shared memory lives as long as the master, and its key with it: only a restart takes another one.
#[test]
fn nginx_is_restarted_where_it_refuses_to_reload() {
    let stack = Stack::new();
    let zone = |key: &str| {
        let text = format!("limit_req_zone {key} zone=one:1m rate=500r/s;\nlimit_req zone=one burst=500 nodelay;\n");
        stack.tree.write("templates/nginx/rate-limiting.conf.j2", &text);
    };
    let only = ["--only", "nginx"];
    let restart = [&only[..], &["--restart"]].concat();
    zone("$binary_remote_addr");
    stack.apply(&only).success();
    let (first, before) = (stack.running("nginx"), stack.tree.snapshot_of(&["etc"]));
    zone("$server_name");
    let refused = stack.apply(&only).code(3).stderr_has("everything was put back");
    assert!(refused.stderr.contains("it takes the new files by a restart only"), "{}", refused.stderr);
    assert!(
        refused.stderr.contains("while previously it used") && refused.stderr.contains("--restart"),
        "{}",
        refused.stderr
    );
    assert_eq!((stack.tree.snapshot_of(&["etc"]), stack.running("nginx")), (before.clone(), first.clone()));

    stack.apply(&restart).success().stderr_has("NGINX was restarted");
    assert_ne!(stack.running("nginx"), first);
    for port in [stack.ports[2], stack.ports[3]] {
        assert!(get(port).expect("it answers").contains(" 200 "));
    }
    stack.apply(&restart).success().stderr_has("nothing to change");
    Llmsql::new().root(stack.tree.dir()).args(["rollback", "--restart", "--yes"]).run().success();
    assert_eq!(stack.tree.snapshot_of(&["etc"]), before);
    assert!(get(stack.ports[2]).expect("it answers").contains(" 200 "));
}
