//! A user who is not root changes the components that are his, each whole, and is told root's command for the rest.

use super::stack::Stack;
use super::tree::Tree;
use crate::support::{Daemon, Llmsql, free_port, give_to_server_user, servers};
use nix::unistd::geteuid;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::process::Command;

const INI: &str = "etc/pgbouncer/pgbouncer.ini";

/// A host whose pooler's folder, and whose journal, are the servers' user's; `None` where nobody else is.
fn pooler_of_another_user() -> Option<Tree> {
    if !geteuid().is_root() {
        println!("not root: nothing here belongs to another user, so this is not judged");
        return None;
    }
    let tree = Tree::new();
    fs::create_dir_all(tree.path("var/lib/llmsql")).expect("a folder");
    for path in ["etc/pgbouncer", INI, "var/lib/llmsql"] {
        give_to_server_user(&tree.path(path));
    }
    Some(tree)
}

fn run(tree: &Tree, words: &[&str]) -> Llmsql {
    let set = ["--set", "host.components=postgresql,pgbouncer"];
    Llmsql::new().root(tree.dir()).args(words).args(set).unprivileged()
}

#[test]
fn what_is_his_is_changed_and_root_is_told_the_command_for_the_rest() {
    let Some(tree) = pooler_of_another_user() else { return };
    let before = tree.snapshot();
    let first = run(&tree, &["apply", "--yes"]).run().code(13).stderr_has("done: generation 1");
    let said = first.stderr.lines().find(|l| l.contains("left out for want of rights: ")).expect("what was left out");
    for component in ["postgresql", "kernel", "limits"] {
        assert!(said.contains(component), "{said}");
    }
    assert!(!said.contains("pgbouncer"), "{said}");
    assert!(first.stderr.contains("may not be written by this user"), "{}", first.stderr);
    assert!(tree.read(INI).contains("pool_mode = transaction"));
    for (path, now) in tree.snapshot() {
        let same = before.get(&path) == Some(&now);
        assert!(same || path == INI, "{path} was changed");
        assert_eq!((now.1, now.2), before.get(&path).map_or((now.1, now.2), |b| (b.1, b.2)), "{path}");
    }
    // A second run has nothing of his to do, and ends as the first did.
    run(&tree, &["apply", "--yes"]).run().code(13).stderr_has("nothing was changed");

    // What root is told does what is left, and nothing else is.
    let told = first.stderr.lines().find_map(|l| l.split_once("as root: sudo llmsql ")).expect("root's command").1;
    let command = format!("{} {told}", Llmsql::path().display());
    let root = Command::new("sh").args(["-c", &command]).output().expect("a shell");
    assert!(root.status.success(), "{command}: {}", String::from_utf8_lossy(&root.stderr));
    tree.llmsql("diff").arg("--detailed-exitcode").run().success();
    assert_eq!(tree.read("proc/sys/vm/swappiness"), "10\n");
}

#[test]
fn a_component_with_one_closed_file_is_left_out_whole() {
    let Some(tree) = pooler_of_another_user() else { return };
    // The folder of the cluster's own files is his, its main file is not.
    give_to_server_user(&tree.path("etc/postgresql/18/main"));
    let main = "etc/postgresql/18/main";
    chown(tree.path(&format!("{main}/postgresql.conf")), Some(0), Some(0)).expect("root may chown");
    let stderr = run(&tree, &["apply", "--yes"]).run().code(13).stderr;
    assert!(stderr.contains("postgresql.conf belongs to 0:0, to whom only root can give its new version"), "{stderr}");
    assert!(!tree.path(&format!("{main}/conf.d")).exists(), "none of its files is written");
    assert!(tree.read(INI).contains("pool_mode"));
}

#[test]
fn a_dry_run_and_a_diff_show_what_they_may() {
    let Some(tree) = pooler_of_another_user() else { return };
    let before = tree.snapshot();
    run(&tree, &["apply", "--dry-run"]).run().code(13).stdout_has("pgbouncer.ini").stderr_has("left out");
    // Read, it may be shown, as root would change it.
    run(&tree, &["diff"]).run().success().stdout_has("postgresql.conf");
    let conf = tree.path("etc/postgresql/18/main/postgresql.conf");
    fs::set_permissions(&conf, Permissions::from_mode(0o600)).expect("its mode");
    let shown = run(&tree, &["diff"]).run().code(13).stdout_has("pgbouncer.ini");
    assert!(!shown.stdout.contains("/etc/postgresql/"), "{}", shown.stdout);
    assert!(shown.stderr.contains("left out for want of rights: postgresql"), "{}", shown.stderr);
    assert!(shown.stderr.contains("as root: sudo llmsql --root"), "{}", shown.stderr);
    fs::set_permissions(&conf, Permissions::from_mode(0o644)).expect("its mode");
    assert_eq!(tree.snapshot(), before);
}

#[test]
fn a_saved_plan_is_executed_as_far_as_he_may() {
    let Some(tree) = pooler_of_another_user() else { return };
    let plan = tree.path("plan");
    tree.llmsql("diff").arg("--save").arg(&plan).run().success();
    give_to_server_user(&plan);
    let run = Llmsql::new().root(tree.dir()).args(["apply", "--yes"]).arg(&plan).unprivileged().run().code(13);
    assert!(tree.read(INI).contains("pool_mode") && !run.stderr.contains("--only"), "{}", run.stderr);
    Llmsql::new().root(tree.dir()).args(["apply", "--yes"]).arg(&plan).run().success();
    tree.llmsql("diff").arg("--detailed-exitcode").run().success();
}

#[test]
fn without_a_place_for_the_journal_nothing_is_changed() {
    let Some(tree) = pooler_of_another_user() else { return };
    fs::remove_dir(tree.path("var/lib/llmsql")).expect("the folder");
    let before = tree.snapshot();
    run(&tree, &["apply", "--yes"]).run().code(13).stderr_has("the journal is kept there");
    fs::create_dir(tree.path("var/lib/llmsql")).expect("a folder");
    run(&tree, &["apply", "--yes"]).run().code(13).stderr_has("cannot be written by this user");
    assert_eq!(tree.snapshot(), before);
}

/// The user a server runs as has its files judged, reloaded and proved without root.
#[test]
fn the_servers_own_user_changes_his_server() {
    let stack = Stack::new();
    let state = stack.tree.path("var/lib/llmsql");
    fs::create_dir_all(&state).expect("a folder");
    give_to_server_user(&state);
    if !geteuid().is_root() {
        println!("not root: everything here belongs to this user, so this is not judged");
        return;
    }
    let run = stack.planned("apply", &["--yes"]).unprivileged().run().code(13).stderr_has("done: generation 1");
    assert!(run.stderr.contains("valid: PostgreSQL 18"), "{}", run.stderr);
    assert_eq!(stack.show("random_page_cost"), "1.1");
    assert_eq!(stack.pooler("pool_mode"), "session", "of its folder he is not the owner");
    let left = run.stderr.lines().find(|l| l.contains("left out for want of rights")).expect("what was left out");
    assert!(left.contains("pgbouncer") && left.contains("nginx") && !left.contains("postgresql"), "{left}");
    Llmsql::new().root(stack.tree.dir()).args(["rollback", "--yes"]).unprivileged().run().success();
    assert_eq!(stack.show("random_page_cost"), "4");
}

/// Who owns NGINX's files may not open its logs: that is no verdict on the files.
#[test]
fn what_he_may_not_judge_is_said() {
    if !geteuid().is_root() {
        println!("not root: nothing here belongs to another user, so this is not judged");
        return;
    }
    let stack = Stack::new();
    let (tree, conf) = (&stack.tree, "etc/nginx/nginx.conf");
    let closed = tree.path("var/log/closed");
    fs::create_dir_all(&closed).expect("a folder");
    fs::set_permissions(&closed, Permissions::from_mode(0o700)).expect("its mode");
    let with = |line: &str| {
        tree.write(conf, &tree.read(conf).replacen("access_log off;", line, 1));
        for path in ["etc/nginx", conf] {
            give_to_server_user(&tree.path(path));
        }
        stack.planned("apply", &["--only", "nginx", "--dry-run"]).unprivileged().run()
    };
    let run = with(&format!("access_log {}/log;", closed.display())).success();
    assert!(run.stderr.contains("not validated: NGINX"), "{}", run.stderr);
    assert!(run.stderr.contains("nginx -t went as far as this user may: open() "), "{}", run.stderr);
    // What he may judge refuses as ever.
    tree.write(conf, &tree.read(conf).replacen("access_log ", "acess_log ", 1));
    with("").code(13).stderr_has("unknown directive \"acess_log\"");
}

/// A server that runs as root is not said to be down, and root's command is told.
#[test]
fn a_server_that_he_may_not_signal_is_reloaded_by_root() {
    if !geteuid().is_root() {
        println!("not root: nothing here belongs to another user, so this is not judged");
        return;
    }
    let (tree, port) = (Tree::bare(), free_port());
    fs::create_dir_all(tree.path("run")).expect("a folder");
    fs::create_dir_all(tree.path("var/lib/llmsql")).expect("a folder");
    let temporary =
        ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(|t| format!("{t}_temp_path {t};")).concat();
    let own = format!("events {{}} http {{ access_log off; {temporary} server {{ listen 127.0.0.1:{port}; }} }}\n");
    tree.write("etc/nginx/nginx.conf", &own);
    for path in ["etc/nginx", "etc/nginx/nginx.conf", "var/lib/llmsql"] {
        give_to_server_user(&tree.path(path));
    }
    let mut nginx = Command::new("setpriv");
    nginx.args(["--pdeathsig=INT", "--"]).arg(servers().join("bin/nginx")).arg("-p").arg(tree.path("run"));
    nginx.arg("-c").arg(tree.path("etc/nginx/nginx.conf")).args(["-e", "stderr", "-g", "daemon off; pid nginx.pid;"]);
    let _nginx = Daemon::start(nginx, &tree.path("run"), port);
    let set = ["--set", "host.components=nginx", "--only", "nginx", "--ram", "1GB", "--cpus", "2"];
    let run = Llmsql::new().root(tree.dir()).args(["apply", "--yes"]).args(set).unprivileged().run().success();
    assert!(run.stderr.contains("a nginx of another user runs"), "{}", run.stderr);
    assert!(run.stderr.contains("as root: nginx -s reload"), "{}", run.stderr);
}
