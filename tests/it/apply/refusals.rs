//! What stands in the way of a change: each is said with what to do, and leaves the host as it was.

use super::tree::Tree;
use crate::support::{Llmsql, Run, give_to_server_user, program, wait_for};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};
use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Stdio;

const INI: &str = "etc/pgbouncer/pgbouncer.ini";

fn apply(tree: &Tree) -> Llmsql {
    tree.llmsql("apply").arg("--yes")
}

/// Applies, and has it refused with these words and nothing changed.
#[track_caller]
fn refused(tree: &Tree, run: Llmsql, code: i32, says: &[&str]) -> Run {
    let before = tree.snapshot();
    let run = run.run().code(code);
    for said in says {
        assert!(run.stderr.contains(said), "{said}: {}", run.stderr);
    }
    assert_eq!(tree.snapshot(), before);
    run
}

/// A small file system of its own over a folder of a tree, gone with the value; `None` where this machine does not let us
/// mount one.
struct Mount(PathBuf);

impl Mount {
    fn over(tree: &Tree, folder: &str, options: &str) -> Option<Mount> {
        let place = tree.path(folder);
        let kept = tree.path("kept");
        assert!(copy(&place, &kept), "{folder} is copied");
        match mount(Some("tmpfs"), &place, Some("tmpfs"), MsFlags::empty(), Some(options)) {
            Ok(()) => {
                let mounted = Mount(place);
                assert!(copy(&kept, &mounted.0), "{folder} is filled");
                fs::remove_dir_all(&kept).expect("the copy");
                Some(mounted)
            }
            Err(e) => {
                println!("nothing can be mounted here ({e}), so this is not judged");
                None
            }
        }
    }

    fn close(&self) {
        let flags = MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
        mount(None::<&str>, &self.0, None::<&str>, flags, None::<&str>).expect("it can be made read-only");
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = umount2(&self.0, MntFlags::MNT_DETACH);
    }
}

fn copy(from: &Path, to: &Path) -> bool {
    fs::create_dir_all(to).expect("a folder");
    std::process::Command::new("cp").arg("-a").arg(from.join(".")).arg(to).status().expect("cp").success()
}

#[test]
fn a_link_whose_folder_or_whose_files_folder_others_may_write_is_refused() {
    let tree = Tree::new();
    fs::create_dir(tree.path("srv")).expect("a folder");
    fs::rename(tree.path(INI), tree.path("srv/pooler.ini")).expect("moved");
    symlink("/srv/pooler.ini", tree.path(INI)).expect("a link");
    for folder in ["srv", "etc/pgbouncer"] {
        let folder = tree.path(folder);
        fs::set_permissions(&folder, Permissions::from_mode(0o777)).expect("its mode");
        refused(&tree, apply(&tree), 13, &["every user may change", &format!("chmod o-w {}", folder.display())]);
        fs::set_permissions(&folder, Permissions::from_mode(0o755)).expect("its mode");
    }
}

#[test]
fn a_folder_of_another_user_is_refused() {
    if !geteuid().is_root() {
        println!("not root: no folder can be given away, so this is not judged");
        return;
    }
    let tree = Tree::new();
    chown(tree.path("etc/pgbouncer"), Some(12345), Some(12345)).expect("root may chown");
    refused(&tree, apply(&tree), 13, &["another user (uid 12345) owns this folder", "chown 0 "]);
}

#[test]
fn a_full_disk_is_said_and_nothing_is_half_done() {
    let tree = Tree::new();
    let Some(mounted) = Mount::over(&tree, "etc/pgbouncer", "size=32k,mode=0755") else { return };
    let filler = mounted.0.join("filler");
    // Whatever is left.
    let _ = fs::write(&filler, vec![b'x'; 64 << 10]);
    refused(&tree, apply(&tree), 13, &["make room on its file system", "pgbouncer.ini"]);
    fs::remove_file(filler).expect("the filler");
    apply(&tree).run().success();
}

#[test]
fn a_full_disk_of_the_journal_is_said_before_anything_is_changed() {
    let tree = Tree::new();
    let state = tree.path("var/lib/llmsql");
    fs::create_dir_all(&state).expect("a folder");
    let Some(mounted) = Mount::over(&tree, "var/lib/llmsql", "size=64k,mode=0700") else { return };
    let _ = fs::write(mounted.0.join("filler"), vec![b'x'; 128 << 10]);
    let before = tree.snapshot();
    let run = apply(&tree).run();
    assert!(matches!(run.code, Some(1 | 13)), "{run:?}");
    assert!(run.stderr.contains("No space left") || run.stderr.contains("full"), "{}", run.stderr);
    assert_eq!(tree.snapshot(), before);
}

#[test]
fn a_read_only_file_system_is_said() {
    let tree = Tree::new();
    let Some(mounted) = Mount::over(&tree, "etc/pgbouncer", "mode=0755") else { return };
    mounted.close();
    refused(&tree, apply(&tree), 13, &["mounted read-only", "remount it"]);
}

/// As in most containers: the files are written, what stays is said with root's commands, and a second run has nothing to
/// do.
#[test]
fn a_kernel_that_is_closed_to_us_is_left_with_the_commands_that_root_would_run() {
    let tree = Tree::new();
    let Some(mounted) = Mount::over(&tree, "proc/sys", "mode=0755") else { return };
    mounted.close();
    let command = "echo '10' > /proc/sys/vm/swappiness";
    let diff = tree.llmsql("diff").run().success().stderr_has(command);
    assert!(!diff.stdout.contains("60 → 10  at once"), "it is not promised: {}", diff.stdout);
    apply(&tree).run().success().stderr_has(command);
    assert_eq!(tree.read("proc/sys/vm/swappiness"), "60\n");
    apply(&tree).run().success().stderr_has("nothing to change").stderr_has(command);
    tree.llmsql("diff").arg("--detailed-exitcode").run().success();
    let history = tree.llmsql("history").args(["--format", "json"]).run().success().json();
    assert_eq!(history.as_array().map(Vec::len), Some(1));
    // It is no drift either, since nobody here could mend it.
    let status = tree.llmsql("status").arg("--detailed-exitcode").run().success();
    status.stdout_has("not yet in force").stdout_has("as root of the host: echo '10' > /proc/sys/vm/swappiness");
}

#[test]
fn a_user_without_rights_does_what_he_can_and_is_told_the_rest() {
    if !geteuid().is_root() {
        println!("not root: nothing here belongs to another user, so this is not judged");
        return;
    }
    let tree = Tree::new();
    let run = |tree: &Tree, words: &[&str]| {
        let set = ["--set", "host.components=postgresql,pgbouncer"];
        Llmsql::new().root(tree.dir()).args(words).args(set).unprivileged()
    };
    // Shown to anybody is what root would do.
    let shown = run(&tree, &["diff", "--only", "kernel"]).run().success().stdout_has("60 → 10");
    assert!(!shown.stderr.contains("echo"), "{}", shown.stderr);
    refused(&tree, run(&tree, &["apply", "--yes"]), 13, &["as root"]);
    refused(&tree, run(&tree, &["diff", "--only", "pgbouncer"]), 13, &["may not be read by this user", "--only"]);
}

/// Whose files they are writes them; the kernel is left, with the commands that root would run, and only once.
#[test]
fn a_user_without_rights_changes_what_is_his() {
    if !geteuid().is_root() {
        println!("not root: nothing here belongs to another user, so this is not judged");
        return;
    }
    let tree = Tree::new();
    give_to_server_user(tree.dir());
    let all = std::process::Command::new("find").arg(tree.dir()).arg("-print0").output().expect("find");
    for path in all.stdout.split(|b| *b == 0).filter(|path| !path.is_empty()) {
        let path = Path::new(std::ffi::OsStr::from_bytes(path));
        if !path.starts_with(tree.path("proc")) && !path.starts_with(tree.path("sys")) {
            give_to_server_user(path);
        }
    }
    let run = |words: &[&str]| {
        let set = ["--set", "host.components=postgresql,pgbouncer"];
        Llmsql::new().root(tree.dir()).args(words).args(set).unprivileged().run()
    };
    let command = "echo '10' > /proc/sys/vm/swappiness";
    run(&["apply", "--yes"]).success().stderr_has(command).stderr_has("done: generation 1");
    assert_eq!(tree.read("proc/sys/vm/swappiness"), "60\n");
    assert!(tree.read(INI).contains("pool_mode"));
    run(&["apply", "--yes"]).success().stderr_has("nothing to change").stderr_has(command);
    Llmsql::new().root(tree.dir()).args(["rollback", "--yes"]).unprivileged().run().success();
    assert!(!tree.read(INI).contains("pool_mode"));
}

#[test]
fn of_two_runs_at_once_one_works_and_the_other_names_it() {
    let tree = Tree::new();
    tree.llmsql("diff").arg("--save").arg(tree.path("plan")).run().success();
    // The first is stopped at its first file, with the lock in its hand.
    let mut first = program("strace")
        .args(["-f", "-qq", "-o", "/dev/null", "-e", "inject=renameat:signal=STOP:when=2", "--"])
        .arg(Llmsql::path())
        .arg("--root")
        .arg(tree.dir())
        .args(["apply", "plan", "--yes"])
        .current_dir(tree.dir())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("strace");
    let holder = tree.path("var/lib/llmsql/holder.json");
    let pid = wait_for("the first to stop", || {
        let text = fs::read_to_string(&holder).ok()?;
        let pid = serde_json::from_str::<serde_json::Value>(&text).ok()?["pid"].as_i64()?;
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat.rsplit(") ")
            .next()?
            .starts_with(['T', 't'])
            .then_some(pid)
            .filter(|_| tree.path("var/lib/llmsql/journal.db").exists())
    });
    let second = Llmsql::new().root(tree.dir()).args(["apply", "--yes"]).arg(tree.path("plan")).run().code(11);
    let who = format!("process {pid} is changing this host since 20");
    for said in [who.as_str(), "llmsql --root", "apply plan --yes"] {
        assert!(second.stderr.contains(said), "{said}: {}", second.stderr);
    }
    // It is no interrupted change either.
    let status = tree.llmsql("status").args(["--format", "json"]).run().success().json();
    assert_eq!(status["interrupted"], serde_json::Value::Null, "{status}");
    let pid = Pid::from_raw(i32::try_from(pid).expect("a process"));
    wait_for("the first to end", || {
        // It may not yet have come to where it stops.
        let _ = kill(pid, Signal::SIGCONT);
        first.try_wait().expect("its state")
    });
    let history = tree.llmsql("history").args(["--format", "json"]).run().success().json();
    assert_eq!(history.as_array().map(Vec::len), Some(1));
    Llmsql::new().root(tree.dir()).args(["apply", "--yes"]).arg(tree.path("plan")).run().success();
}

#[test]
fn strict_overcommit_is_refused_where_what_is_committed_comes_near_the_limit() {
    let tree = Tree::new();
    let memory = |committed: u64| {
        let text = format!(
            "MemTotal:  8388608 kB\nMemAvailable:  8000000 kB\nSwapTotal: 0 kB\nCommitted_AS: {committed} kB\n\
             CommitLimit: 4194304 kB\nHugePages_Total: 0\nHugepagesize: 2048 kB\n"
        );
        tree.write("proc/meminfo", &text);
    };
    let strict = || {
        let run = apply(&tree).args(["--only", "kernel", "--set", "kernel.vm.overcommit_memory=2"]);
        run.args(["--allow", "memory.overcommit"])
    };
    memory(4_000_000);
    strict().run().code(13).stderr_has("vm.overcommit_memory=2 would allow 4.00 GB");
    assert_eq!(tree.read("proc/sys/vm/overcommit_memory"), "1\n");
    memory(500_000);
    strict().run().success();
    assert_eq!(tree.read("proc/sys/vm/overcommit_memory"), "2\n");
}

#[test]
fn what_wins_over_ours_is_named() {
    let tree = Tree::new();
    tree.write("etc/sysctl.d/99-z-late.conf", "\nvm.swappiness = 33\n");
    tree.write("etc/tuned/active_profile", "throughput-performance\n");
    tree.write("etc/postgresql/18/main/conf.d/60-own.conf", "work_mem = 3MB\n");
    if geteuid().is_root() {
        chown(tree.path("etc/postgresql/18/main/conf.d"), Some(105), Some(110)).expect("root may chown");
    }
    tree.write("var/lib/postgresql/18/main/PG_VERSION", "18\n");
    tree.write(
        "var/lib/postgresql/18/main/postgresql.auto.conf",
        "# by ALTER SYSTEM\njit = 'on'\nmax_wal_size = '2GB'\n",
    );
    tree.write("var/lib/postgresql/18/main/postmaster.pid", "1\n");
    let options =
        "/usr/lib/postgresql/18/bin/postgres \"-D\" \"/var/lib/postgresql/18/main\" \"-c\" \"max_connections=77\"\n";
    tree.write("var/lib/postgresql/18/main/postmaster.opts", options);
    let run = tree.llmsql("diff").run().success();
    for (key, place) in [
        ("kernel.vm.swappiness", "/etc/sysctl.d/99-z-late.conf:2 (33)"),
        ("postgresql.work_mem", "/conf.d/60-own.conf:1 (3MB)"),
        ("postgresql.max_wal_size", "/postgresql.auto.conf:3 (2GB)"),
        ("postgresql.max_connections", "the server's command line (77)"),
    ] {
        let said = format!("{key} will not count: ");
        let line =
            run.stderr.lines().find(|l| l.contains(&said)).unwrap_or_else(|| panic!("no {said}: {}", run.stderr));
        assert!(line.contains(place), "{line}");
    }
    assert!(run.stderr.contains("tuned runs with the profile throughput-performance"), "{}", run.stderr);
    // Known then, it is no drift later.
    apply(&tree).run().success();
    let status = tree.llmsql("status").args(["--format", "json"]).run().success().json();
    assert_eq!(status["plan"], serde_json::json!([]), "{status}");
}

/// What archives, replicates or backs up is never replaced; and what we have set ourselves stays at the second time.
#[test]
fn an_archive_command_that_works_stays_and_so_does_our_own() {
    let archived = |tree: &Tree| {
        let mounts = "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 8:17 / /backup rw - ext4 /dev/sdb1 rw\n";
        tree.write("proc/self/mountinfo", mounts);
        fs::create_dir_all(tree.path("backup/wal")).expect("a folder");
    };
    let with = |tree: &Tree, command: &str| {
        tree.llmsql(command).args(["--only", "postgresql", "--set", "postgresql.archive_dir=/backup/wal"])
    };
    let ours = "etc/postgresql/18/main/conf.d/50-llmsql.conf";

    let tree = Tree::new();
    archived(&tree);
    with(&tree, "apply").arg("--yes").run().success();
    let text = tree.read(ours);
    assert!(text.contains("archive_mode = on") && text.contains("archive_command = "), "{text}");
    with(&tree, "apply").arg("--yes").run().success().stderr_has("nothing to change");
    with(&tree, "status").arg("--detailed-exitcode").run().success();
    // Also where something else changes.
    with(&tree, "apply").args(["--yes", "--set", "postgresql.work_mem=5MB"]).run().success();
    assert!(tree.read(ours).contains("archive_mode = on"));

    let tree = Tree::new();
    archived(&tree);
    let own =
        "archive_mode = on\narchive_command = 'pgbackrest --stanza=main archive-push %p'\nprimary_slot_name = 'a'\n";
    tree.write("etc/postgresql/18/main/postgresql.conf", own);
    for _ in 0..2 {
        with(&tree, "apply").arg("--yes").run().success();
        assert!(tree.read("etc/postgresql/18/main/postgresql.conf").starts_with(own));
        let text = tree.read(ours);
        assert!(!text.lines().any(|l| l.starts_with("archive_") || l.starts_with("primary_")), "{text}");
    }
    // Asked for in so many words, it is still refused.
    let pinned = ["--set", "postgresql.archive_command=cp %p /backup/wal/%f", "--set", "postgresql.work_mem=6MB"];
    let run = with(&tree, "apply").arg("--yes").args(pinned).run().code(13);
    assert!(run.stderr.contains("postgresql.conf:2") && run.stderr.contains("never replaced"), "{}", run.stderr);
}
