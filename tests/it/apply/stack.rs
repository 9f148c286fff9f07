//! A real stack under a root of its own: what the servers say before, during and after.

use super::tree::Tree;
use crate::support::{
    Daemon, Llmsql, Run, as_server_user, free_port, give_to_server_user, home, psql, servers, wait_for,
};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

pub(super) const PGDATA: &str = "var/lib/postgresql/data";

/// PostgreSQL 18, PgBouncer and nginx with their files in a tree.
pub(super) struct Stack {
    // The servers end before their folder does.
    nginx: Option<Daemon>,
    pgbouncer: Option<Daemon>,
    postgresql: Option<Daemon>,
    pub(super) ports: [u16; 4],
    pub(super) tree: Tree,
}

impl Drop for Stack {
    fn drop(&mut self) {
        drop(self.postgresql.take());
        end_postgresql(&self.tree.path(PGDATA));
        for name in ["pgbouncer", "nginx"] {
            // Killed, nginx would leave its workers.
            for pid in self.running(name) {
                let _ = kill(pid, Signal::SIGTERM);
            }
            wait_for("the servers to end", || self.running(name).is_empty().then_some(()));
        }
    }
}

/// Ends the server of a data folder: one that was restarted is no child of the tests.
pub(super) fn end_postgresql(data: &Path) {
    let text = fs::read_to_string(data.join("postmaster.pid")).unwrap_or_default();
    if let Some(pid) = text.lines().next().and_then(|pid| pid.trim().parse().ok()).map(Pid::from_raw) {
        let _ = kill(pid, Signal::SIGQUIT);
        wait_for("PostgreSQL to end", || kill(pid, None).is_err().then_some(()));
    }
}

/// Each server has a folder for its log and its socket, in which only it may write.
const RUN: [&str; 3] = ["run/postgresql", "run/pgbouncer", "run/nginx"];

impl Stack {
    pub(super) fn new() -> Self {
        let tree = Tree::bare();
        let ports = [free_port(), free_port(), free_port(), free_port()];
        for dir in RUN {
            fs::create_dir_all(tree.path(dir)).expect("a folder");
            give_to_server_user(&tree.path(dir));
        }
        // As facts find the pooler's version: this one has no prepared statements.
        tree.write("usr/sbin/pgbouncer", "\0PgBouncer 1.18.0\n\0");
        let mut stack = Stack { nginx: None, pgbouncer: None, postgresql: None, ports, tree };
        stack.start_postgresql();
        stack.start_pgbouncer();
        stack.start_nginx();
        stack
    }

    fn start_postgresql(&mut self) {
        let data = self.tree.path(PGDATA);
        fs::create_dir_all(&data).expect("a folder");
        give_to_server_user(&data);
        let initdb = as_server_user(home("18").join("bin/initdb"))
            .args(["--no-sync", "--auth=trust", "--encoding=UTF8", "--locale=C", "--username=postgres", "-D"])
            .arg(&data)
            .output()
            .expect("initdb");
        assert!(initdb.status.success(), "{}", String::from_utf8_lossy(&initdb.stderr));
        let run = self.tree.path(RUN[0]);
        let mut command = as_server_user(home("18").join("bin/postgres"));
        command.arg("-D").arg(&data).args(["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"]);
        command
            .arg("-c")
            .arg(format!("port={}", self.ports[0]))
            .arg("-c")
            .arg(format!("unix_socket_directories={}", run.display()));
        self.postgresql = Some(Daemon::start(command, &run, self.ports[0]));
    }

    fn start_pgbouncer(&mut self) {
        let run = self.tree.path(RUN[1]);
        let ini = format!(
            "; the operator's\n[databases]\npostgres = host=127.0.0.1 port={} user=postgres password={}\n\n[pgbouncer]\n\
             listen_addr = 127.0.0.1\nlisten_port = {}\nunix_socket_dir = {}\nauth_type = any\n",
            self.ports[0],
            super::tree::PASSWORD,
            self.ports[1],
            run.display()
        );
        self.tree.write("etc/pgbouncer/pgbouncer.ini", &ini);
        give_to_server_user(&self.tree.path("etc/pgbouncer/pgbouncer.ini"));
        let mut command = as_server_user(servers().join("bin/pgbouncer"));
        command.arg(self.tree.path("etc/pgbouncer/pgbouncer.ini"));
        self.pgbouncer = Some(Daemon::start(command, &run, self.ports[1]));
    }

    fn start_nginx(&mut self) {
        let run = self.tree.path(RUN[2]);
        let temporary =
            ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(|t| format!("{t}_temp_path {t};")).concat();
        let conf = format!(
            "# the operator's\nevents {{}}\nhttp {{ access_log off; {temporary}\n include /etc/nginx/conf.d/*.conf;\n \
             server {{ listen 127.0.0.1:{}; return 200 own; }} }}\n",
            self.ports[2]
        );
        // It runs with the tree's files, which its include has to name by their real place.
        let conf = conf.replace("/etc/nginx", &self.tree.path("etc/nginx").display().to_string());
        self.tree.write("etc/nginx/nginx.conf", &conf);
        for (name, text) in [
            (
                "llmsql",
                "server { listen 127.0.0.1:{{ settings.nginx.http_port }}; return 200 rate={{ settings.nginx.api_rate }}; }\n",
            ),
            ("caching", "# nothing\n"),
            ("rate-limiting", "# nothing\n"),
        ] {
            self.tree.write(&format!("templates/nginx/{name}.conf.j2"), text);
        }
        let mut command = as_server_user(servers().join("bin/nginx"));
        command.arg("-p").arg(&run).arg("-c").arg(self.tree.path("etc/nginx/nginx.conf"));
        command.args(["-e", "stderr", "-g", "daemon off; pid nginx.pid;"]);
        self.nginx = Some(Daemon::start(command, &run, self.ports[2]));
    }

    /// The program with what this stack wants.
    pub(super) fn planned(&self, command: &str, more: &[&str]) -> Llmsql {
        let run = Llmsql::new().root(self.tree.dir()).arg(command).args(["--ram", "1GB", "--cpus", "2"]);
        let run = run.arg("--templates").arg(self.tree.path("templates"));
        let set = [
            "host.components=postgresql,pgbouncer,nginx".to_owned(),
            "postgresql.version=18".to_owned(),
            "pgbouncer.listen_addr=127.0.0.1".to_owned(),
            format!("pgbouncer.listen_port={}", self.ports[1]),
            "pgbouncer.auth_type=any".to_owned(),
            format!("nginx.http_port={}", self.ports[3]),
        ];
        set.iter().fold(run, |run, one| run.arg("--set").arg(one)).args(more)
    }

    pub(super) fn apply(&self, more: &[&str]) -> Run {
        self.planned("apply", more).arg("--yes").run()
    }

    /// The processes of this name that run with files of this tree: one that was restarted is no child of the tests.
    pub(super) fn running(&self, name: &str) -> Vec<Pid> {
        let tree = self.tree.dir().display().to_string();
        let of = |entry: fs::DirEntry| {
            let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
            let comm = fs::read_to_string(entry.path().join("comm")).ok()?;
            let words = fs::read(entry.path().join("cmdline")).ok()?;
            let master = String::from_utf8_lossy(&words).contains(&tree);
            (comm.trim() == name && master).then_some(Pid::from_raw(pid))
        };
        fs::read_dir("/proc").expect("procfs").filter_map(|e| of(e.ok()?)).collect()
    }

    pub(super) fn sql(&self, port: u16, sql: &str) -> Result<String, String> {
        let mut command = Command::new(home("18").join("bin/psql"));
        command.env("PGHOST", "127.0.0.1").env("PGPORT", port.to_string());
        command
            .env("PGUSER", "postgres")
            .env("PGDATABASE", if sql.starts_with("SHOW CONFIG") { "pgbouncer" } else { "postgres" });
        psql(&mut command, sql)
    }

    pub(super) fn show(&self, name: &str) -> String {
        self.sql(self.ports[0], &format!("SHOW {name}")).expect("PostgreSQL answers")
    }

    pub(super) fn pooler(&self, name: &str) -> String {
        let config = self.sql(self.ports[1], "SHOW CONFIG").expect("PgBouncer's console answers");
        let line = config.lines().find(|l| l.split('|').next() == Some(name)).unwrap_or_default();
        line.split('|').nth(1).unwrap_or_default().to_owned()
    }
}

pub(super) fn get(port: u16) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// Runs `work` while clients query PostgreSQL through PgBouncer, each transaction with a login of its own, and nginx.
/// Returns how many requests were answered; one that was not fails.
pub(super) fn under_load(stack: &Stack, work: impl FnOnce()) -> (usize, usize) {
    let (stop, queries, requests) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let script = stack.tree.path("run/query.sql");
            fs::write(&script, "SELECT 1;\n").expect("a script");
            while !stop.load(Ordering::Relaxed) {
                let mut pgbench = Command::new(home("18").join("bin/pgbench"));
                pgbench.env("PGHOST", "127.0.0.1").env("PGPORT", stack.ports[1].to_string()).env("PGUSER", "postgres");
                let run = pgbench
                    .args(["-n", "-C", "-c", "4", "-t", "50", "-f"])
                    .arg(&script)
                    .arg("postgres")
                    .output()
                    .expect("pgbench");
                assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
                queries.fetch_add(200, Ordering::Relaxed);
            }
        });
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let answer = get(stack.ports[2]).expect("nginx answers");
                assert!(answer.contains(" 200 "), "{answer}");
                requests.fetch_add(1, Ordering::Relaxed);
            }
        });
        let before =
            |n: &AtomicUsize, least: usize| wait_for("the load", || (n.load(Ordering::Relaxed) > least).then_some(()));
        before(&queries, 0);
        before(&requests, 0);
        // A panic in the work ends the load as well.
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        let (q, r) = (queries.load(Ordering::Relaxed), requests.load(Ordering::Relaxed));
        if result.is_ok() {
            before(&queries, q);
            before(&requests, r);
        }
        stop.store(true, Ordering::Relaxed);
        if let Err(panic) = result {
            std::panic::resume_unwind(panic);
        }
    });
    (queries.into_inner(), requests.into_inner())
}

#[test]
fn a_stack_takes_a_plan_under_load_and_gives_it_back() {
    let stack = Stack::new();
    let first = stack.tree.snapshot_of(&["etc", PGDATA]);
    let (queries, requests) = under_load(&stack, || {
        let run = stack.apply(&[]).success();
        for said in
            ["valid: PostgreSQL 18", "-C shared_memory_size_in_huge_pages says", "valid: PgBouncer", "valid: NGINX"]
        {
            assert!(run.stderr.contains(said), "{said}: {}", run.stderr);
        }
        // What only counts after a restart is said, with the reason.
        assert!(run.stderr.contains("shared_buffers counts after a restart"), "{}", run.stderr);
    });
    println!("{queries} queries and {requests} requests were answered during the reloads, none failed");

    // The running servers say the new values.
    assert_eq!(stack.show("random_page_cost"), "1.1");
    assert_eq!(stack.pooler("pool_mode"), "transaction");
    let rate = |stack: &Stack| get(stack.ports[3]).expect("nginx listens on the new port");
    assert!(rate(&stack).contains("rate="), "{}", rate(&stack));

    // A second time there is nothing to do, and nobody is told to reload.
    let loaded = stack.sql(stack.ports[0], "SELECT pg_conf_load_time()");
    stack.planned("diff", &["--detailed-exitcode"]).run().success();
    stack.apply(&[]).success().stderr_has("nothing to change");
    assert_eq!(stack.sql(stack.ports[0], "SELECT pg_conf_load_time()"), loaded);

    // Edited by hand, it is seen, told apart by layer, and put right by the next apply.
    let ini = stack.tree.path("etc/pgbouncer/pgbouncer.ini");
    let size = stack.pooler("default_pool_size");
    let edited = fs::read_to_string(&ini).expect("the file");
    let edited = edited.replace(&format!("default_pool_size = {size}"), "default_pool_size = 7");
    fs::write(&ini, edited).expect("the file");
    stack.pgbouncer.as_ref().expect("it runs").reload();
    stack.sql(stack.ports[0], "ALTER SYSTEM SET random_page_cost = 3").expect("a superuser");
    stack.sql(stack.ports[0], "SELECT pg_reload_conf()").expect("a superuser");
    let status = wait_for("the servers to take the edits", || {
        let status = stack.planned("status", &["--format", "json"]).run().success().json();
        let running = status["running"].as_array().expect("a list").len();
        (running >= 2).then_some(status)
    });
    assert_eq!(status["drift"], true);
    assert_eq!(status["files"][0]["target"], "/etc/pgbouncer/pgbouncer.ini", "{status}");
    assert_eq!(status["files"][0]["settings"][0]["name"], "default_pool_size", "{status}");
    let running = status["running"].as_array().expect("a list");
    let of = |key: &str| running.iter().find(|d| d["key"] == key).unwrap_or_else(|| panic!("no {key} in {status}"));
    assert_eq!(of("pgbouncer.default_pool_size")["running"], "7");
    assert_eq!(of("postgresql.random_page_cost")["running"], "3");
    assert!(of("postgresql.random_page_cost")["set_by"].to_string().contains("postgresql.auto.conf"), "{status}");
    assert!(status["waiting"].as_array().expect("a list").iter().any(|d| d["key"] == "postgresql.shared_buffers"));
    stack.planned("status", &["--detailed-exitcode"]).run().code(2).stdout_has("default_pool_size");
    under_load(&stack, || {
        stack.apply(&[]).success();
    });
    assert_eq!(stack.pooler("default_pool_size"), size);
    stack.sql(stack.ports[0], "ALTER SYSTEM RESET random_page_cost").expect("a superuser");
    stack.sql(stack.ports[0], "SELECT pg_reload_conf()").expect("a superuser");
    wait_for("the server to take it", || (stack.show("random_page_cost") == "1.1").then_some(()));
    stack.planned("status", &["--detailed-exitcode"]).run().success().stdout_has("no drift");

    // A server that runs with fewer descriptors than its unit gives it waits for a restart.
    let pooler = stack.pgbouncer.as_ref().expect("it runs").pid();
    let lowered = as_server_user("prlimit").args(["--nofile=512:512", "--pid", &pooler.to_string()]).output();
    let lowered = lowered.expect("prlimit");
    assert!(lowered.status.success(), "{}", String::from_utf8_lossy(&lowered.stderr));
    let status = stack.planned("status", &["--format", "json"]).run().success().json();
    let waits = status["waiting"].as_array().expect("a list");
    let limit = waits.iter().find(|d| d["key"] == "limits.pgbouncer.nofile").unwrap_or_else(|| panic!("{status}"));
    assert_eq!((limit["running"].as_str(), limit["waits"].as_str()), (Some("512"), Some("restart")));
    assert_eq!(status["drift"], false);

    // The pooler's password is in no file of the journal.
    let found = Command::new("grep")
        .args(["-rl", super::tree::PASSWORD])
        .arg(stack.tree.path("var/lib/llmsql"))
        .output()
        .expect("grep");
    assert!(found.stdout.is_empty(), "{}", String::from_utf8_lossy(&found.stdout));

    under_load(&stack, || {
        Llmsql::new().root(stack.tree.dir()).args(["rollback", "1", "--yes"]).run().success();
    });
    assert_eq!(stack.show("random_page_cost"), "4");
    assert_eq!(stack.pooler("pool_mode"), "session");
    let back = stack.tree.snapshot_of(&["etc", PGDATA]);
    for (path, found) in &first {
        // The servers' own files of the data folder go on living.
        if path.starts_with("etc") || path.ends_with(".conf") {
            assert_eq!(back.get(path), Some(found), "{path}");
        }
    }
    assert!(!stack.tree.path(&format!("{PGDATA}/conf.d")).exists(), "the folder that was made is gone again");
}

/// What is refused changes nothing, and the error has file, line and the server's words.
#[track_caller]
fn refused(stack: &Stack, file: &str, text: &str, says: &[&str]) {
    let path = stack.tree.path(file);
    let old = fs::read(&path).ok();
    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    fs::write(&path, text).expect("a file");
    give_to_server_user(&path);
    if let Some(dir) = path.parent().filter(|dir| dir.ends_with("conf.d") && file.contains("postgresql")) {
        give_to_server_user(dir);
    }
    let before = stack.tree.snapshot_of(&["etc", &format!("{PGDATA}/conf.d")]);
    let run = stack.apply(&[]).code(13);
    for said in says {
        assert!(run.stderr.contains(said), "{said}: {}", run.stderr);
    }
    assert_eq!(stack.tree.snapshot_of(&["etc", &format!("{PGDATA}/conf.d")]), before, "{file}");
    match old {
        Some(old) => fs::write(&path, old).expect("the old file"),
        None => fs::remove_file(&path).expect("the file"),
    }
}

#[test]
fn each_server_refuses_what_it_would_not_read() {
    let stack = Stack::new();
    let own = format!("{PGDATA}/conf.d/60-own.conf");
    refused(&stack, &own, "# x\nwork_mem = 12XB\n", &["/conf.d/60-own.conf:2", "work_mem"]);
    refused(&stack, &own, "shared_preload_libraries = 'nothere'\n", &["could not access file \"nothere\""]);
    refused(
        &stack,
        "etc/nginx/conf.d/own.conf",
        "\nservr { }\n",
        &["/etc/nginx/conf.d/own.conf:2", "unknown directive \"servr\""],
    );
    let ini =
        stack.tree.read("etc/pgbouncer/pgbouncer.ini").replace("[pgbouncer]", "bad = host=h port=zz\n[pgbouncer]");
    refused(&stack, "etc/pgbouncer/pgbouncer.ini", &ini, &["/etc/pgbouncer/pgbouncer.ini:", "invalid port: zz"]);
    assert!(!stack.tree.path("var/lib/llmsql/journal.db").exists(), "nothing was begun");
}

#[test]
fn a_server_that_does_not_take_its_files_has_everything_put_back() {
    let stack = Stack::new();
    let before = stack.tree.snapshot_of(&["etc"]);
    // nginx -t opens no port: only the reload finds that another listens there.
    let other = TcpListener::bind(("127.0.0.1", stack.ports[3])).expect("the port is free");
    let run = stack.apply(&[]).code(3).stderr_has("everything was put back");
    assert!(run.stderr.contains("bind() to 127.0.0.1"), "the log's last lines: {}", run.stderr);
    assert_eq!(stack.tree.snapshot_of(&["etc"]), before);
    assert!(get(stack.ports[2]).expect("nginx still answers").contains("own"));
    assert_eq!(stack.show("random_page_cost"), "4", "PostgreSQL, which had taken its files, went back as well");
    Llmsql::new().root(stack.tree.dir()).arg("history").run().success().stdout_has("rolled-back");
    drop(other);
    stack.apply(&[]).success();
}

#[test]
fn files_of_a_server_that_is_down_are_not_verified_and_nothing_is_started() {
    let mut stack = Stack::new();
    stack.nginx.take().expect("it runs").stop();
    stack.apply(&[]).success().stderr_has("NGINX does not run");
    assert!(get(stack.ports[2]).is_err(), "nobody started it");
}

#[test]
fn what_is_read_after_ours_is_said_to_win() {
    let stack = Stack::new();
    stack.sql(stack.ports[0], "ALTER SYSTEM SET random_page_cost = 3").expect("a superuser");
    let run = stack.apply(&["--only", "postgresql"]).success();
    assert!(run.stderr.contains("postgresql.random_page_cost will not count"), "{}", run.stderr);
    assert!(run.stderr.contains("postgresql.auto.conf:"), "{}", run.stderr);
    assert_eq!(stack.show("random_page_cost"), "3");
}
