//! Whose limits count: those that systemd gives PostgreSQL's own unit, running or not, and never those of the session
//! that llmsql was started in.

use crate::support::Llmsql;
use serde_json::Value;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

const GB: u64 = 1 << 30;

/// A host of 8 GB and 8 CPUs with Debian's PostgreSQL 18, in a login whose slice may use 1 GB and one CPU.
struct Tree {
    dir: TempDir,
}

impl Tree {
    fn new() -> Self {
        let tree = Tree { dir: tempfile::tempdir().unwrap() };
        tree.put("proc/meminfo", "MemTotal: 8388608 kB\n");
        tree.put("proc/1/comm", "systemd\n");
        tree.put("proc/1/status", "Cpus_allowed_list:\t0-7\n");
        tree.put("proc/self/status", "Cpus_allowed_list:\t0\n");
        tree.put("sys/devices/system/cpu/online", "0-7\n");
        tree.put("proc/self/cgroup", "0::/user.slice/user-1000.slice/session-3.scope\n");
        tree.put("proc/self/mountinfo", "30 24 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
        tree.put("sys/fs/cgroup/user.slice/memory.max", "1073741824\n");
        tree.put("sys/fs/cgroup/user.slice/cpu.max", "100000 100000\n");
        tree.put("sys/fs/cgroup/user.slice/user-1000.slice/session-3.scope/memory.max", "max\n");
        tree.put("sys/fs/cgroup/system.slice/memory.max", "max\n");
        tree.put("etc/postgresql/18/main/postgresql.conf", "data_directory = '/var/lib/postgresql/18/main'\n");
        tree.put("lib/systemd/system/postgresql@.service", "[Service]\nType=forking\n");
        tree
    }

    fn put(&self, path: &str, text: &str) {
        put(self.dir.path(), path, text);
    }

    fn facts(&self) -> Value {
        Llmsql::new().args(["facts", "--format", "json"]).root(self.dir.path()).run().success().json()
    }

    /// The memory and the CPUs that are planned for.
    fn counted(&self) -> (u64, u64) {
        let facts = self.facts();
        (facts["memory"]["effective_bytes"].as_u64().unwrap(), facts["cpu"]["effective"].as_u64().unwrap())
    }
}

fn put(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

#[test]
fn the_sessions_limit_is_not_the_hosts() {
    let tree = Tree::new();
    assert_eq!(tree.counted(), (8 * GB, 8));
    let facts = tree.facts();
    assert!(facts["memory"]["limit_bytes"].is_null() && facts["cpu"]["quota"].is_null(), "{facts}");
    // Neither is that of another service, nor that of a session in the first hierarchy.
    tree.put("proc/self/cgroup", "0::/system.slice/cron.service\n");
    tree.put("sys/fs/cgroup/system.slice/cron.service/memory.max", "1073741824\n");
    assert_eq!(tree.counted(), (8 * GB, 8));
    tree.put("proc/self/cgroup", "4:memory:/user.slice\n1:name=systemd:/user.slice/user-0.slice/session-7.scope\n");
    tree.put("proc/self/mountinfo", "30 24 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n");
    tree.put("sys/fs/cgroup/memory/user.slice/memory.limit_in_bytes", "1073741824\n");
    assert_eq!(tree.counted(), (8 * GB, 8));
}

#[test]
fn a_containers_limit_is_that_of_all_in_it() {
    let tree = Tree::new();
    tree.put(".dockerenv", "");
    tree.put("proc/1/comm", "sh\n");
    tree.put("run/x", "");
    tree.put("proc/1/cgroup", "0::/\n");
    assert_eq!(tree.counted(), (GB, 1));
}

#[test]
fn the_units_own_limit_counts_while_the_server_is_down() {
    let tree = Tree::new();
    let drop_in = "etc/systemd/system/postgresql@18-main.service.d/limits.conf";
    tree.put(drop_in, "[Service]\nMemoryMax=4G\nCPUQuota=250%\n");
    assert_eq!(tree.counted(), (4 * GB, 3));
    let facts = tree.facts();
    assert_eq!(facts["memory"]["limit_from"], format!("/{drop_in}"));
    let plan = Llmsql::new().args(["explain", "shared_buffers"]).root(tree.dir.path()).run().success();
    plan.stdout_has("RAM = 4GB (measured: facts memory.limit_bytes").stdout_has("limits.conf");
    // A later drop-in takes it back, and a percentage is of the host's memory.
    tree.put(
        "etc/systemd/system/postgresql@.service.d/z.conf",
        "[Service]\nMemoryMax=\nMemoryMax=75%\n[Unit]\nMemoryMax=1K\n",
    );
    assert_eq!(tree.counted(), (6 * GB, 3));
    // The slice it lies in holds it too, and so does what `systemctl set-property` was told.
    tree.put(
        "etc/systemd/system/system-postgresql.slice.d/50-MemoryMax.conf",
        "[Slice]\nMemoryMax=3G\nAllowedCPUs=0-1\n",
    );
    assert_eq!(tree.counted(), (3 * GB, 2));
    tree.put("etc/systemd/system.control/system.slice.d/50-MemoryMax.conf", "[Slice]\nMemoryMax=2G\n");
    assert_eq!(tree.counted(), (2 * GB, 2));
    // What is no limit is said to be none.
    tree.put(drop_in, "[Service]\nMemoryMax=plenty\n");
    tree.put("etc/systemd/system/postgresql@.service.d/z.conf", "");
    let facts = tree.facts();
    let absent = facts["absent"].as_array().unwrap();
    assert!(
        absent.iter().any(|a| a["path"] == format!("/{drop_in}") && a["reason"] == "\"plenty\" is no limit"),
        "{absent:?}"
    );
}

#[test]
fn a_unit_of_the_operators_naming_and_a_slice_of_his_count() {
    let tree = Tree::new();
    tree.put("etc/systemd/system/db.service", "[Service]\nSlice=data-db.slice\nMemoryMax=5G\n");
    tree.put("etc/systemd/system/data.slice", "[Slice]\nMemoryMax=4G\n");
    tree.put("sys/fs/cgroup/data.slice/data-db.slice/memory.max", "3221225472\n");
    assert_eq!(tree.counted(), (8 * GB, 8), "nothing says that this unit is PostgreSQL's");
    let plan = |sets: &[&str]| {
        let sets = sets.iter().flat_map(|set| ["--set", *set]);
        let run = Llmsql::new().args(["plan", "--format", "json"]).args(sets).root(tree.dir.path()).run().success();
        run.json()["host"]["ram_bytes"].as_u64().unwrap()
    };
    assert_eq!(plan(&["limits.units.postgresql.name=db.service"]), 3 * GB);
}

#[test]
fn a_running_server_has_the_limit_of_its_cgroup() {
    let tree = Tree::new();
    tree.put("var/lib/postgresql/18/main/PG_VERSION", "18\n");
    tree.put("var/lib/postgresql/18/main/postmaster.pid", "4711\n");
    let cgroup = "system.slice/system-postgresql.slice/postgresql@18-main.service";
    tree.put("proc/4711/cgroup", &format!("0::/{cgroup}\n"));
    tree.put("proc/4711/status", "Cpus_allowed_list:\t0-3\n");
    tree.put(&format!("sys/fs/cgroup/{cgroup}/memory.max"), "2147483648\n");
    // What its files say counts from its next start on.
    tree.put("etc/systemd/system/postgresql@18-main.service.d/limits.conf", "[Service]\nMemoryMax=1G\n");
    assert_eq!(tree.counted(), (2 * GB, 4));
    assert_eq!(tree.facts()["container"]["cgroup_of"], "18/main");
}

#[test]
fn a_cpuset_that_cannot_be_read_is_absent_with_its_reason() {
    let tree = Tree::new();
    fs::create_dir_all(tree.dir.path().join("sys/fs/cgroup/system.slice/cpuset.cpus.effective")).unwrap();
    let facts = tree.facts();
    let absent = facts["absent"].as_array().unwrap();
    let path = "/sys/fs/cgroup/system.slice/cpuset.cpus.effective";
    assert!(absent.iter().any(|a| a["path"] == path && a["reason"] == "is a folder"), "{absent:?}");
}

#[test]
fn a_services_open_files_are_not_lowered() {
    let tree = Tree::new();
    let nofile = || {
        let run = Llmsql::new().args(["explain", "limits.units.nofile"]).root(tree.dir.path()).run().success();
        (run.stdout.lines().next().unwrap().to_owned(), run.stdout)
    };
    assert_eq!(nofile().0, "limits.units.nofile = 65536");
    tree.put("etc/systemd/system/postgresql@18-main.service.d/files.conf", "[Service]\nLimitNOFILE=1024:262144\n");
    let (value, text) = nofile();
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(value, "limits.units.nofile = 262144", "{text}");
    assert!(text.contains("files.conf") && text.contains("it is kept"), "{text}");
    // Our own file is no word of the operator's.
    tree.put("etc/systemd/system/postgresql@18-main.service.d/50-llmsql.conf", "[Service]\nLimitNOFILE=900000\n");
    assert_eq!(nofile().0, "limits.units.nofile = 262144");
    tree.put("etc/systemd/system/postgresql@18-main.service.d/files.conf", "[Service]\nLimitNOFILE=infinity\n");
    assert_eq!(nofile().0, "limits.units.nofile = 1048576", "as many as the planned fs.nr_open");
}

#[test]
fn a_service_that_may_use_less_than_it_needs_is_an_error() {
    let tree = Tree::new();
    tree.put("lib/systemd/system/pgbouncer.service", "[Service]\nType=notify\n");
    let check = |code: i32| {
        let set = ["--set", "host.components=postgresql,pgbouncer"];
        Llmsql::new().args(["plan", "--check"]).args(set).root(tree.dir.path()).run().code(code)
    };
    check(0);
    tree.put("etc/systemd/system/pgbouncer.service.d/small.conf", "[Service]\nMemoryMax=16M\n");
    let run = check(5).stdout_has("error: memory.containers");
    assert!(
        run.stdout
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
            .contains("MemoryMax of /etc/systemd/system/pgbouncer.service.d/small.conf"),
        "{}",
        run.stdout
    );
    tree.put("etc/systemd/system/pgbouncer.service.d/small.conf", "[Service]\nMemoryMax=64M\n");
    check(0);
}

#[test]
fn io_uring_under_the_switch_is_for_the_group_that_postgres_is_in() {
    let tree = Tree::new();
    tree.put("proc/sys/kernel/osrelease", "6.12.0\n");
    tree.put("proc/sys/kernel/io_uring_disabled", "1\n");
    tree.put("proc/sys/kernel/io_uring_group", "990\n");
    tree.put("etc/group", "root:x:0:\nrings:x:990:backup,postgres\n");
    tree.put("etc/passwd", "postgres:x:113:118::/var/lib/postgresql:/bin/bash\n");
    let asked = || {
        let kernel = tree.facts()["kernel"].clone();
        assert_eq!(kernel["io_uring_tried"], false, "nothing is tried in a tree");
        (kernel["io_uring"].as_bool(), kernel["io_uring_reason"].as_str().unwrap().to_owned())
    };
    let (usable, why) = asked();
    assert!(usable == Some(true) && why.contains("postgres is in group rings"), "{why}");
    tree.put("etc/group", "root:x:0:\nrings:x:990:backup\n");
    let (usable, why) = asked();
    assert!(usable == Some(false) && why.contains("that is rings, in which postgres is not"), "{why}");
    tree.put("etc/passwd", "postgres:x:113:990::/var/lib/postgresql:/bin/bash\n");
    assert_eq!(asked().0, Some(true), "by its own group");
    tree.put("proc/sys/kernel/io_uring_disabled", "2\n");
    assert_eq!(asked().0, Some(false));
}

#[test]
fn on_the_live_host_a_ring_is_asked_for() {
    let facts = Llmsql::new().args(["facts", "--format", "json"]).run().success().json();
    let kernel = &facts["kernel"];
    let why = kernel["io_uring_reason"].as_str().unwrap();
    if kernel["io_uring_tried"] == true {
        assert!(why.contains("a ring was set up here") == (kernel["io_uring"] == true), "{why}");
        assert!(why.contains("a ring was set up here") || why.contains("io_uring_setup was tried"), "{why}");
    } else {
        // A switch, an old kernel or an architecture decides without.
        let decided = ["io_uring_disabled", "older than 5.1", "not known"].iter().any(|w| why.contains(w));
        assert!(decided || kernel["io_uring"] == true, "{why}");
    }
}
