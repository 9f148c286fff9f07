//! Files of a tree: what is refused, what is stale, what comes back.

use super::tree::{PASSWORD, Tree};
use crate::support::Llmsql;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};

const INI: &str = "etc/pgbouncer/pgbouncer.ini";

fn apply(tree: &Tree) -> Llmsql {
    tree.llmsql("apply").arg("--yes")
}

#[test]
fn a_change_is_shown_applied_once_and_taken_back() {
    let tree = Tree::new();
    let first = tree.snapshot();
    let shown = tree.llmsql("diff").arg("--detailed-exitcode").run().code(2);
    shown.stdout_has("128MB → ").stdout_has("kernel.vm.swappiness").stdout_has("60 → 10");
    let unified = tree.llmsql("diff").arg("--unified").run().success().stdout_has("+include_dir = 'conf.d'");
    assert!(!unified.stdout.contains(PASSWORD), "{}", unified.stdout);
    tree.llmsql("apply").arg("--dry-run").run().success();
    tree.llmsql("apply").run().code(64).stderr_has("--yes");
    assert_eq!(tree.snapshot(), first, "neither wrote anything");

    apply(&tree).run().success().stderr_has("done: generation 1");
    let second = tree.snapshot();
    assert_eq!(tree.read("proc/sys/vm/swappiness").trim(), "10");
    assert!(tree.read("sys/kernel/mm/transparent_hugepage/enabled").contains("[never]"));
    assert!(tree.read(INI).contains(PASSWORD), "the operator's password stays where it was");
    apply(&tree).run().success().stderr_has("nothing to change");
    tree.llmsql("diff").arg("--detailed-exitcode").run().success();

    tree.llmsql("rollback").arg("--yes").run().success();
    assert_eq!(tree.snapshot(), first, "bytes, owners, modes and labels are the first ones");
    tree.llmsql("rollback").args(["2", "--yes"]).run().success();
    assert_eq!(tree.snapshot(), second, "a rollback can be taken back itself");
    let history = tree.llmsql("history").args(["--format", "json"]).run().success().json();
    let kinds: Vec<&str> = history.as_array().expect("a list").iter().filter_map(|g| g["kind"].as_str()).collect();
    assert_eq!(kinds, ["rollback", "rollback", "apply"]);
    tree.llmsql("history").args(["--prune", "--keep", "1", "--yes"]).run().success().stderr_has("2 generations");
    tree.llmsql("rollback").args(["1", "--yes"]).run().code(64).stderr_has("pruned");
}

#[test]
fn a_saved_plan_is_private_and_stale_when_the_host_has_changed() {
    let tree = Tree::new();
    let plan = tree.path("tonight.plan");
    tree.llmsql("diff").arg("--save").arg(&plan).run().success();
    assert_eq!(fs::metadata(&plan).expect("a file").permissions().mode() & 0o777, 0o600);
    assert!(!fs::read_to_string(&plan).expect("JSON").contains(PASSWORD));
    let saved = || Llmsql::new().root(tree.dir()).arg("apply").arg(&plan).arg("--yes");

    // A password that was rotated since is no change of the file, and stays.
    let rotated = tree.read(INI).replace(PASSWORD, "the-next-one");
    fs::write(tree.path(INI), &rotated).expect("the file");
    let copy = tree.copy();
    Llmsql::new().root(copy.dir()).arg("apply").arg(&plan).arg("--yes").run().success();
    assert!(copy.read(INI).contains("the-next-one"));

    fs::write(tree.path(INI), rotated + "; by hand\n").expect("the file");
    let before = tree.snapshot();
    saved().run().code(10).stderr_has("pgbouncer.ini");
    assert_eq!(tree.snapshot(), before);
    Llmsql::new()
        .root(tree.dir())
        .arg("apply")
        .arg(tree.path(INI))
        .arg("--yes")
        .run()
        .code(64)
        .stderr_has("no saved plan");
}

/// What an earlier apply has put in place is not a saved plan's to take away, neither by a rollback nor by a failure.
#[test]
fn a_saved_plan_takes_back_no_more_than_it_has_done() {
    let tree = Tree::new();
    let plan = tree.path("tonight.plan");
    tree.llmsql("diff").arg("--save").arg(&plan).run().success();
    tree.llmsql("apply").args(["--only", "postgresql", "--yes"]).run().success();
    let between = tree.snapshot();
    let saved =
        |tree: &Tree| Llmsql::new().root(tree.dir()).arg("apply").arg(tree.path("tonight.plan")).arg("--yes").run();

    let failing = tree.copy();
    fs::set_permissions(failing.path("etc/pgbouncer"), Permissions::from_mode(0o777)).expect("its mode");
    saved(&failing).code(13).stderr_has("chmod o-w");
    assert!(failing.path("etc/postgresql/18/main/conf.d/50-llmsql.conf").exists());

    saved(&tree).success().stderr_has("done: generation 2");
    assert!(tree.read(INI).contains("pool_mode"));
    tree.llmsql("rollback").arg("--yes").run().success();
    assert_eq!(tree.snapshot(), between);
}

#[test]
fn a_link_stays_a_link_and_its_file_is_replaced() {
    let tree = Tree::new();
    fs::create_dir(tree.path("srv")).expect("a folder");
    fs::rename(tree.path(INI), tree.path("srv/pooler.ini")).expect("moved");
    symlink("/srv/pooler.ini", tree.path(INI)).expect("a link");
    apply(&tree).run().success();
    assert!(fs::symlink_metadata(tree.path(INI)).expect("the link").is_symlink());
    assert!(tree.read("srv/pooler.ini").contains("pool_mode = transaction"));
}

#[test]
fn a_folder_that_others_may_write_is_refused_with_the_command_that_closes_it() {
    let tree = Tree::new();
    let before = tree.snapshot();
    let folder = tree.path("etc/pgbouncer");
    fs::set_permissions(&folder, Permissions::from_mode(0o777)).expect("its mode");
    apply(&tree).run().code(13).stderr_has("chmod o-w");
    fs::set_permissions(&folder, Permissions::from_mode(0o755)).expect("its mode");
    assert_eq!(tree.snapshot(), before);
}
