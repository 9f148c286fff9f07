//! How long an apply takes that has nothing to change, as a whole process over the whole set of files, beside what two of
//! the servers alone take to judge theirs (`postgres -C`, `nginx -t`), in turns: `cargo bench --bench apply`.
//!
//! The host is a tree with the real programs of PostgreSQL, PgBouncer and nginx in it, whose versions and build options
//! have to be read. It ends with 1 where the median is over 150 ms.

#[path = "../tests/it/support/mod.rs"]
mod support;

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;
use support::{Llmsql, as_server_user, home, server_dir, servers, write_for_server};

/// Runs of each.
const ROUNDS: usize = 40;
const GOAL_MS: f64 = 150.0;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<ExitCode> {
    let tree = tempfile::tempdir()?;
    host(tree.path())?;
    let apply = || {
        let mut command = Command::new(Llmsql::path());
        command.arg("--root").arg(tree.path()).args(["apply", "--yes", "--ram", "64GB", "--cpus", "16"]);
        command.args(["--set", "host.components=postgresql,pgbouncer,nginx,api,duckdb,sqlite,llm"]);
        command.args(["--set", "llm.memory=4GB"]);
        command
    };
    let first = apply().output()?;
    if !first.status.success() {
        return Err(String::from_utf8_lossy(&first.stderr).into());
    }
    let changed = apply().output()?;
    if !String::from_utf8_lossy(&changed.stderr).contains("nothing to change") {
        return Err("a second apply changes something".into());
    }
    let files = fs::read_to_string(tree.path().join("var/lib/llmsql/generations/00001/change.json"))?;
    let files = files.matches("\"target\"").count();

    let dir = server_dir();
    let data = dir.path().join("data");
    let mut initdb = as_server_user(home("18").join("bin/initdb"));
    ran(initdb.args(["--no-sync", "--auth=trust", "-D"]).arg(&data))?;
    let conf = dir.path().join("nginx.conf");
    write_for_server(&conf, &nginx_conf(dir.path()));
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let start = Instant::now();
        ran(&mut apply())?;
        let own = start.elapsed().as_secs_f64() * 1000.0;
        let start = Instant::now();
        let mut postgres = as_server_user(home("18").join("bin/postgres"));
        ran(postgres.arg("-D").arg(&data).args(["-C", "shared_buffers"]))?;
        let mut nginx = as_server_user(servers().join("bin/nginx"));
        ran(nginx.arg("-t").arg("-p").arg(dir.path()).arg("-c").arg(&conf).args(["-e", "stderr"]))?;
        let peers = start.elapsed().as_secs_f64() * 1000.0;
        // The first round warms the caches of the disk, for all alike.
        if round > 0 {
            ours.push(own);
            theirs.push(peers);
        }
    }
    let (ours, theirs) = (middle(ours)?, middle(theirs)?);
    println!("{ROUNDS} runs each, in turns; {files} files\n");
    println!("llmsql apply, nothing to change       {ours:>7.1} ms");
    println!("postgres -C and nginx -t by themselves {theirs:>6.1} ms");
    println!("ratio                                 {:>7.2}", ours / theirs);
    println!("goal (under {GOAL_MS} ms): {}", if ours < GOAL_MS { "met" } else { "missed" });
    Ok(if ours < GOAL_MS { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A configuration whose folders are the server's user's own.
fn nginx_conf(dir: &Path) -> String {
    let kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let paths: String = kinds.map(|kind| format!("{kind}_temp_path {}/{kind}; ", dir.display())).concat();
    format!(
        "pid nginx.pid;\nevents {{}}\nhttp {{ access_log off; {paths}server {{ listen unix:{}/socket; }} }}\n",
        dir.display()
    )
}

/// A host with the programs of the test servers.
fn host(dir: &Path) -> Outcome<()> {
    for (path, text) in [
        ("etc/passwd", "root:x:0:0::/root:/bin/sh\npostgres:x:105:110::/:/bin/sh\nwww-data:x:33:33::/:/bin/sh\n"),
        ("etc/postgresql/18/main/postgresql.conf", "port = 5432\n"),
        ("etc/pgbouncer/pgbouncer.ini", "[databases]\n[pgbouncer]\n"),
        ("proc/meminfo", "MemTotal: 67108864 kB\nMemAvailable: 60000000 kB\nHugepagesize: 2048 kB\n"),
        ("proc/cpuinfo", "processor\t: 0\nphysical id\t: 0\ncore id\t: 0\n"),
        ("sys/devices/system/cpu/online", "0-15\n"),
        ("proc/sys/vm/swappiness", "60\n"),
        ("sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n"),
        ("sys/kernel/mm/transparent_hugepage/defrag", "always [madvise] never\n"),
    ] {
        let path = dir.join(path);
        fs::create_dir_all(path.parent().ok_or("no folder")?)?;
        fs::write(path, text)?;
    }
    for (from, to) in [
        (home("18").join("bin/postgres"), "usr/lib/postgresql/18/bin/postgres"),
        (servers().join("debian/usr/sbin/nginx"), "usr/sbin/nginx"),
        (servers().join("debian/usr/sbin/pgbouncer"), "usr/sbin/pgbouncer"),
    ] {
        let to = dir.join(to);
        fs::create_dir_all(to.parent().ok_or("no folder")?)?;
        fs::copy(from, to)?;
    }
    Ok(())
}

fn ran(command: &mut Command) -> Outcome<()> {
    let output = command.stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr)).into())
}

fn middle(mut values: Vec<f64>) -> Outcome<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().ok_or_else(|| "no runs".into())
}
