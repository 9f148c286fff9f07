//! Facts of odd hosts, each a small tree made here: what is unusual about it stands in the test.

use crate::support::Llmsql;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use tempfile::TempDir;

struct Tree(TempDir);

impl Tree {
    fn new() -> Self {
        Tree(tempfile::tempdir().expect("a temporary folder"))
    }

    fn put(self, path: &str, text: &str) -> Self {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, format!("{text}\n")).expect("a file");
        self
    }

    /// The topology files of one CPU.
    fn cpu(self, number: u32, files: &[(&str, &str)]) -> Self {
        files.iter().fold(self, |tree, (name, text)| {
            tree.put(&format!("sys/devices/system/cpu/cpu{number}/topology/{name}"), text)
        })
    }

    /// A block device of its own, with what lies beneath it.
    fn block(self, name: &str, number: &str, rotational: &str, slaves: &[&str]) -> Self {
        let dir = format!("sys/block/{name}");
        let tree = self
            .put(&format!("{dir}/dev"), number)
            .put(&format!("{dir}/queue/rotational"), rotational)
            .put(&format!("{dir}/queue/scheduler"), "[none] mq-deadline")
            .put(&format!("{dir}/queue/read_ahead_kb"), "128");
        slaves.iter().fold(tree, |tree, slave| tree.put(&format!("{dir}/slaves/{slave}/here"), ""))
    }

    fn facts(&self) -> Value {
        Llmsql::new().args(["facts", "--format", "json"]).root(self.0.path()).run().success().json()
    }
}

/// The facts at these places.
#[track_caller]
fn has(facts: &Value, expected: &[(&str, Value)]) {
    let wrong: Vec<String> = expected
        .iter()
        .filter(|(place, value)| facts.pointer(place) != Some(value))
        .map(|(place, value)| format!("{place}: {value} expected, not {:?}", facts.pointer(place)))
        .collect();
    assert!(wrong.is_empty(), "{}\nabsent: {}", wrong.join("\n"), facts["absent"]);
}

fn devices(facts: &Value, mount: &str) -> Vec<String> {
    let disks = facts["disks"].as_array().expect("disks");
    let disk = disks.iter().find(|d| d["mount"] == mount).unwrap_or_else(|| panic!("no {mount} in {disks:?}"));
    let names = disk["devices"].as_array().expect("devices").iter();
    names.map(|d| d["name"].as_str().expect("a name").to_owned()).collect()
}

#[test]
fn hybrid_cores_are_counted_once_each() {
    let mut tree = Tree::new()
        .put("sys/devices/system/cpu/online", "0-7")
        .put("sys/devices/cpu_core/cpus", "0-3")
        .put("sys/devices/cpu_atom/cpus", "4-7");
    for cpu in 0..8 {
        let siblings = if cpu < 4 { format!("{}-{}", cpu / 2 * 2, cpu / 2 * 2 + 1) } else { cpu.to_string() };
        tree = tree.cpu(cpu, &[("core_cpus_list", &siblings), ("physical_package_id", "0")]);
    }
    has(
        &tree.facts(),
        &[
            ("/cpu/online", json!(8)),
            ("/cpu/cores", json!(6)),
            ("/cpu/sockets", json!(1)),
            ("/cpu/performance", json!(4)),
            ("/cpu/efficiency", json!(4)),
        ],
    );
}

#[test]
fn clusters_of_different_cores_are_no_sockets() {
    let part = |n: u32| if n < 4 { "0xd03" } else { "0xd08" };
    let info = |n: u32| format!("processor\t: {n}\nCPU implementer\t: 0x41\nCPU part\t: {}\n\n", part(n));
    let mut tree = Tree::new()
        .put("sys/devices/system/cpu/online", "0-5")
        .put("proc/cpuinfo", &(0..6).map(info).collect::<String>());
    for cpu in 0..6u32 {
        let (package, core) = ((cpu / 4).to_string(), (cpu % 4).to_string());
        tree = tree.cpu(cpu, &[("core_id", &core), ("physical_package_id", &package)]);
    }
    let facts = tree.facts();
    has(
        &facts,
        &[("/cpu/cores", json!(6)), ("/cpu/sockets", Value::Null), ("/cpu/model", json!("Cortex-A53 + Cortex-A72"))],
    );
    let absent = facts["absent"].as_array().expect("a list");
    assert!(absent.iter().any(|a| a["path"] == "cpu.sockets"), "{absent:?}");
}

#[test]
fn drawers_and_books_tell_sockets_of_one_number_apart() {
    let mut tree = Tree::new().put("sys/devices/system/cpu/online", "0-7");
    for cpu in 0..8u32 {
        let (drawer, book, core) = ((cpu / 4).to_string(), (cpu / 2 % 2).to_string(), (cpu % 2).to_string());
        tree = tree
            .cpu(cpu, &[("drawer_id", &drawer), ("book_id", &book), ("physical_package_id", "0"), ("core_id", &core)]);
    }
    has(&tree.facts(), &[("/cpu/cores", json!(8)), ("/cpu/sockets", json!(4))]);
}

#[test]
fn threads_of_power_that_are_offline_do_not_count() {
    let tree = Tree::new()
        .put("sys/devices/system/cpu/online", "0,8-9,24")
        .put("sys/devices/system/cpu/offline", "1-7,10-23,25-31")
        .put("proc/cpuinfo", "processor\t: 0\ncpu\t\t: POWER9, altivec supported\n\nprocessor\t: 8\n\nprocessor\t: 9\n")
        .cpu(0, &[("thread_siblings_list", "0"), ("physical_package_id", "0"), ("core_id", "0")])
        .cpu(8, &[("thread_siblings_list", "8-9"), ("physical_package_id", "0"), ("core_id", "8")])
        .cpu(9, &[("thread_siblings_list", "8-9"), ("physical_package_id", "0"), ("core_id", "8")])
        .cpu(24, &[("thread_siblings_list", "24"), ("physical_package_id", "8"), ("core_id", "2056")])
        .put("sys/devices/system/node/node0/cpulist", "0-15")
        .put("sys/devices/system/node/node0/meminfo", "Node 0 MemTotal:       16777216 kB")
        .put("sys/devices/system/node/node8/cpulist", "16-31")
        .put("sys/devices/system/node/node8/meminfo", "Node 8 MemTotal:       16777216 kB")
        .put("sys/devices/system/node/node252/cpulist", "")
        .put("sys/devices/system/node/node252/meminfo", "Node 252 MemTotal:       33554432 kB");
    has(
        &tree.facts(),
        &[
            ("/cpu/online", json!(4)),
            ("/cpu/cores", json!(3)),
            ("/cpu/sockets", json!(2)),
            ("/cpu/model", json!("POWER9, altivec supported")),
            ("/numa/nodes/0", json!({ "id": 0, "cpus": 3, "memory_bytes": 17_179_869_184u64 })),
            ("/numa/nodes/1", json!({ "id": 8, "cpus": 1, "memory_bytes": 17_179_869_184u64 })),
            ("/numa/nodes/2", json!({ "id": 252, "cpus": 0, "memory_bytes": 34_359_738_368u64 })),
        ],
    );
}

#[test]
fn riscv_without_cpufreq_and_topology_is_known_by_its_harts() {
    let hart = |n: u32| {
        format!("processor\t: {n}\nhart\t\t: {n}\nisa\t\t: rv64imafdc\nmmu\t\t: sv39\nuarch\t\t: sifive,u74-mc\n\n")
    };
    let tree = Tree::new().put("proc/cpuinfo", &(1..5).map(hart).collect::<String>());
    let facts = tree.facts();
    has(&facts, &[("/cpu/online", json!(4)), ("/cpu/effective", json!(4)), ("/cpu/model", json!("sifive,u74-mc"))]);
    // What nobody tells is null, with its reason, and is not guessed.
    has(&facts, &[("/cpu/cores", Value::Null), ("/cpu/sockets", Value::Null)]);
    let absent = facts["absent"].as_array().expect("a list");
    assert!(absent.iter().any(|a| a["path"] == "cpu.cores"), "{absent:?}");
}

#[test]
fn missing_topology_is_taken_from_cpuinfo_and_masks() {
    let cpu =
        |n: u32, core: u32, socket: u32| format!("processor\t: {n}\nphysical id\t: {socket}\ncore id\t\t: {core}\n\n");
    let info: String = (0..8).map(|n| cpu(n, n % 2, n / 4)).collect();
    has(
        &Tree::new().put("proc/cpuinfo", &info).facts(),
        &[("/cpu/online", json!(8)), ("/cpu/cores", json!(4)), ("/cpu/sockets", json!(2))],
    );
    // Kernels before 2.6.2x had masks and no lists; each CPU has a switch, the first has none.
    let mut tree = Tree::new().put("sys/devices/system/cpu/cpu3/online", "0");
    for cpu in 0..3u32 {
        let mask = if cpu < 2 { "00000000,00000003" } else { "00000000,00000004" };
        tree = tree.cpu(cpu, &[("thread_siblings", mask), ("physical_package_id", "0"), ("core_id", "0")]);
    }
    let tree = tree.put("sys/devices/system/cpu/cpu1/online", "1").put("sys/devices/system/cpu/cpu2/online", "1");
    has(&tree.facts(), &[("/cpu/online", json!(3)), ("/cpu/cores", json!(2)), ("/cpu/sockets", json!(1))]);
}

#[test]
fn two_dies_that_number_their_cores_alike_have_cores_of_their_own() {
    let mut tree = Tree::new().put("sys/devices/system/cpu/online", "0-23");
    for cpu in 0..24u32 {
        let (core, package) = ((cpu % 6).to_string(), (cpu / 12).to_string());
        tree = tree.cpu(cpu, &[("core_id", &core), ("physical_package_id", &package)]);
    }
    for (node, cpus) in ["0-5", "6-11", "12-17", "18-23"].iter().enumerate() {
        tree = tree.put(&format!("sys/devices/system/node/node{node}/cpulist"), cpus);
    }
    has(&tree.facts(), &[("/cpu/cores", json!(24)), ("/cpu/sockets", json!(2))]);
    // The same without sysfs: what the package counts is more than the numbers tell apart, if it is seen whole.
    let info = |siblings: u32| -> String {
        let cpu = |n: u32| {
            format!(
                "processor\t: {n}\nphysical id\t: {}\nsiblings\t: {siblings}\ncore id\t\t: {}\ncpu cores\t: 12\n\n",
                n / 12,
                n % 6
            )
        };
        (0..24).map(cpu).collect()
    };
    has(&Tree::new().put("proc/cpuinfo", &info(12)).facts(), &[("/cpu/cores", json!(24)), ("/cpu/sockets", json!(2))]);
    has(&Tree::new().put("proc/cpuinfo", &info(48)).facts(), &[("/cpu/cores", json!(12)), ("/cpu/sockets", json!(2))]);
}

#[test]
fn the_tightest_of_nested_limits_counts_in_version_1() {
    let tree = Tree::new()
        .put("proc/meminfo", "MemTotal: 16777216 kB")
        .put("sys/devices/system/cpu/online", "0-15")
        .put("proc/self/cgroup", "4:cpu,cpuacct:/pod/one\n3:cpuset:/pod\n2:memory:/pod/one\n1:name=systemd:/x\n0::/x")
        .put(
            "proc/self/mountinfo",
            "31 30 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
             32 30 0:28 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
             33 30 0:29 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n\
             34 30 0:30 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw",
        )
        .put("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712")
        .put("sys/fs/cgroup/memory/pod/memory.limit_in_bytes", "2147483648")
        .put("sys/fs/cgroup/memory/pod/one/memory.limit_in_bytes", "4294967296")
        .put("sys/fs/cgroup/cpu,cpuacct/pod/cpu.cfs_quota_us", "250000")
        .put("sys/fs/cgroup/cpu,cpuacct/pod/cpu.cfs_period_us", "100000")
        .put("sys/fs/cgroup/cpu,cpuacct/pod/one/cpu.cfs_quota_us", "-1")
        .put("sys/fs/cgroup/cpu,cpuacct/pod/one/cpu.cfs_period_us", "100000")
        .put("sys/fs/cgroup/cpuset/pod/cpuset.cpus", "0-7");
    has(
        &tree.facts(),
        &[
            ("/container/cgroup_version", json!(1)),
            ("/memory/limit_bytes", json!(2_147_483_648u64)),
            ("/memory/effective_bytes", json!(2_147_483_648u64)),
            ("/cpu/quota", json!(2.5)),
            ("/cpu/cpuset", json!(8)),
            ("/cpu/effective", json!(3)),
        ],
    );
}

#[test]
fn a_cpuset_of_a_parent_binds_in_version_2() {
    let tree = Tree::new()
        .put("proc/meminfo", "MemTotal: 16777216 kB")
        .put("sys/devices/system/cpu/online", "0-15")
        .put("proc/self/cgroup", "0::/slice/unit")
        .put("proc/self/mountinfo", "30 24 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw")
        .put("sys/fs/cgroup/slice/memory.max", "8589934592")
        .put("sys/fs/cgroup/slice/cpuset.cpus.effective", "0-5")
        .put("sys/fs/cgroup/slice/unit/memory.max", "max")
        .put("sys/fs/cgroup/slice/unit/memory.high", "1073741824");
    has(
        &tree.facts(),
        &[("/cpu/cpuset", json!(6)), ("/cpu/effective", json!(6)), ("/memory/limit_bytes", json!(8_589_934_592u64))],
    );
}

#[test]
fn the_limits_of_the_servers_own_unit_count_and_not_those_of_a_login() {
    let tree = || {
        Tree::new()
            .put("proc/meminfo", "MemTotal: 16777216 kB")
            .put("sys/devices/system/cpu/online", "0-15")
            .put("etc/postgresql/16/main/postgresql.conf", "port = 5432")
            .put("var/lib/postgresql/16/main/PG_VERSION", "16")
            .put("var/lib/postgresql/16/main/postmaster.pid", "4242\n/var/lib/postgresql/16/main")
            .put("proc/self/cgroup", "0::/user.slice/user-1000.slice/session-1.scope")
            .put("proc/self/status", "Cpus_allowed_list:\t0-1")
            .put("proc/self/mountinfo", "30 24 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw")
            .put("sys/fs/cgroup/user.slice/user-1000.slice/memory.max", "1073741824")
            .put("sys/fs/cgroup/system.slice/postgresql@16-main.service/memory.max", "8589934592")
            .put("sys/fs/cgroup/system.slice/postgresql@16-main.service/cpu.max", "600000 100000")
    };
    let running = tree()
        .put("proc/4242/cgroup", "0::/system.slice/postgresql@16-main.service")
        .put("proc/4242/status", "Cpus_allowed_list:\t0-7");
    has(
        &running.facts(),
        &[
            ("/memory/limit_bytes", json!(8_589_934_592u64)),
            ("/cpu/cpuset", json!(8)),
            ("/cpu/effective", json!(6)),
            ("/container/cgroup", json!("/system.slice/postgresql@16-main.service")),
            ("/container/cgroup_of", json!("16/main")),
        ],
    );
    let run = Llmsql::new().args(["explain", "shared_buffers"]).root(running.0.path()).run().success();
    run.stdout_has("RAM 8GB");
    // Where it does not run, what a login may have does not stand for it.
    has(
        &tree().facts(),
        &[
            ("/memory/limit_bytes", Value::Null),
            ("/memory/effective_bytes", json!(16u64 << 30)),
            ("/container/cgroup_of", Value::Null),
        ],
    );
}

#[test]
fn a_cgroup_namespace_that_is_bind_mounted_shows_the_own_group_at_its_top() {
    // The mount shows the part of the hierarchy below /docker/abc; the process names its group from there.
    for (group, root) in [("0::/", "/"), ("0::/docker/abc", "/docker/abc"), ("0::/../../x", "/../..")] {
        let tree = Tree::new()
            .put("proc/meminfo", "MemTotal: 16777216 kB")
            .put("sys/devices/system/cpu/online", "0-3")
            .put("proc/self/cgroup", group)
            .put("proc/self/mountinfo", &format!("30 24 0:26 {root} /sys/fs/cgroup ro - cgroup2 cgroup rw"))
            .put("sys/fs/cgroup/memory.max", "536870912")
            .put("sys/fs/cgroup/cpu.max", "50000 100000");
        has(
            &tree.facts(),
            &[
                ("/memory/effective_bytes", json!(536_870_912u64)),
                ("/cpu/quota", json!(0.5)),
                ("/cpu/effective", json!(1)),
            ],
        );
    }
}

#[test]
fn without_meminfo_the_limit_is_what_there_is_and_without_both_there_is_no_plan() {
    let tree = Tree::new()
        .put("proc/self/cgroup", "0::/")
        .put("proc/self/mountinfo", "30 24 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw")
        .put("sys/fs/cgroup/memory.max", "1073741824");
    has(&tree.facts(), &[("/memory/total_bytes", Value::Null), ("/memory/effective_bytes", json!(1_073_741_824u64))]);
    let tree = Tree::new().put("proc/cpuinfo", "processor : 0\n");
    has(&tree.facts(), &[("/memory/effective_bytes", Value::Null)]);
    Llmsql::new().args(["plan"]).root(tree.0.path()).run().code(1).stderr_has("--ram 16GB");
}

#[test]
fn data_is_followed_through_lvm_dm_crypt_and_md_to_the_disks() {
    let tree = Tree::new()
        .put("proc/self/mountinfo", "40 1 253:1 / / rw,relatime - ext4 /dev/mapper/vg-root rw")
        .block("sda", "8:0", "1", &[])
        .block("sdb", "8:16", "1", &[])
        .put("sys/block/sda/sda2/partition", "2")
        .put("sys/block/sda/sda2/dev", "8:2")
        .put("sys/block/sdb/sdb2/partition", "2")
        .put("sys/block/sdb/sdb2/dev", "8:18")
        .block("md0", "9:0", "1", &["sda2", "sdb2"])
        .block("dm-0", "253:0", "1", &["md0"])
        .put("sys/block/dm-0/dm/name", "md0_crypt")
        .block("dm-1", "253:1", "1", &["dm-0"])
        .put("sys/block/dm-1/dm/name", "vg-root");
    let facts = tree.facts();
    assert_eq!(devices(&facts, "/"), ["sda", "sdb"]);
    has(
        &facts,
        &[
            ("/disks/0/devices/0/rotational", json!(true)),
            ("/disks/0/devices/0/scheduler", json!("none")),
            ("/disks/0/devices/0/schedulers", json!(["none", "mq-deadline"])),
            ("/disks/0/devices/0/read_ahead_kb", json!(128)),
            ("/disks/0/stacked", json!({"name": "dm-1", "mapped_as": "vg-root", "read_ahead_kb": 128})),
        ],
    );
}

#[test]
fn roots_without_a_device_of_their_own_are_told_as_far_as_they_can_be() {
    // btrfs has an anonymous device number; its members stand in sysfs.
    let tree = Tree::new()
        .put("proc/self/mountinfo", "40 1 0:30 /@ / rw,subvol=/@ - btrfs /dev/nvme0n1p2 rw,ssd")
        .block("nvme0n1", "259:0", "0", &[])
        .block("nvme1n1", "259:4", "0", &[])
        .put("sys/block/nvme0n1/nvme0n1p2/partition", "2")
        .put("sys/block/nvme0n1/nvme0n1p2/dev", "259:2")
        .put("sys/fs/btrfs/0e0d/devices/nvme0n1p2/dev", "259:2")
        .put("sys/fs/btrfs/0e0d/devices/nvme1n1/dev", "259:4");
    assert_eq!(devices(&tree.facts(), "/"), ["nvme0n1", "nvme1n1"]);
    for (filesystem, source) in [("zfs", "rpool/ROOT/debian"), ("overlay", "overlay")] {
        let line = format!("40 1 0:30 / / rw - {filesystem} {source} rw,lowerdir=/a");
        let facts = Tree::new().put("proc/self/mountinfo", &line).facts();
        has(&facts, &[("/disks/0/filesystem", json!(filesystem)), ("/disks/0/devices", json!([]))]);
        let absent = facts["absent"].as_array().expect("a list");
        assert!(absent.iter().any(|a| a["path"] == "disks / devices"), "{absent:?}");
    }
}

#[test]
fn pools_of_huge_pages_of_another_size_are_counted_and_judged() {
    let tree = Tree::new()
        .put(
            "proc/meminfo",
            "MemTotal: 67108864 kB\nHugePages_Total:    100\nHugePages_Free:     100\nHugepagesize:       2048 kB\n\
             Hugetlb:        21176320 kB",
        )
        .put("sys/devices/system/cpu/online", "0-15")
        .put("sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "100")
        .put("sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages", "20");
    has(
        &tree.facts(),
        &[
            ("/memory/huge_pages", json!(100)),
            ("/memory/huge_page_size_bytes", json!(2 << 20)),
            ("/memory/huge_pages_other_bytes", json!(20u64 << 30)),
        ],
    );
    let run = Llmsql::new().args(["explain", "memory.huge_pages"]).root(tree.0.path()).run().success();
    run.stdout_has("is violated").stdout_has("pools of other page sizes");
}

/// The names that others read (the interface of `facts --format json`).
#[test]
fn the_names_of_facts_are_those_that_were_promised() {
    let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/07-lvm-on-nvme/root");
    let facts = Llmsql::new().args(["facts", "--format", "json"]).root(case).run().success().json();
    let places = "cpu/online cpu/cores cpu/sockets cpu/model cpu/quota cpu/effective numa/nodes memory/total_bytes \
                  memory/limit_bytes memory/effective_bytes memory/swap_bytes memory/huge_pages memory/thp kernel limits \
                  container software disks/0/mount disks/0/filesystem disks/0/options disks/0/size_bytes \
                  disks/0/free_bytes disks/0/devices/0/name disks/0/devices/0/rotational disks/0/devices/0/transport \
                  disks/0/devices/0/scheduler disks/0/devices/0/schedulers disks/0/devices/0/read_ahead_kb \
                  absent/0/path absent/0/reason";
    let missing: Vec<&str> =
        places.split_whitespace().filter(|place| facts.pointer(&format!("/{place}")).is_none()).collect();
    assert!(missing.is_empty(), "{missing:?}");
    for (place, is) in [
        ("/numa/nodes", Value::is_array as fn(&Value) -> bool),
        ("/disks/0/options", Value::is_array),
        ("/disks/0/devices/0/schedulers", Value::is_array),
        ("/cpu/online", Value::is_u64),
        ("/memory/total_bytes", Value::is_u64),
        ("/disks/0/devices/0/rotational", Value::is_boolean),
    ] {
        assert!(facts.pointer(place).is_some_and(is), "{place}");
    }
    let plan = Llmsql::new().args(["plan", "--ram", "8GB", "--format", "json"]).run().success().json();
    for place in
        ["settings/0/key", "settings/0/value", "settings/0/bytes", "settings/0/reason", "settings/0/takes_effect"]
    {
        assert!(plan.pointer(&format!("/{place}")).is_some(), "{place}");
    }
    for finding in plan["findings"].as_array().expect("findings") {
        for name in ["invariant", "severity", "message"] {
            assert!(finding[name].is_string(), "{finding}");
        }
    }
}
