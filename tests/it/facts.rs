//! `llmsql facts` on trees shaped on real hosts (`tests/cases`), on damaged ones, and fed back from a file.

use crate::support::Llmsql;
use proptest::prelude::*;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

fn cases() -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut cases: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    cases
}

/// Every fact of every tree. `LLMSQL_REWRITE=1` writes the files anew; each value is then to be read against its tree.
#[test]
fn every_host_is_what_its_tree_says() {
    let mut wrong = Vec::new();
    for case in cases() {
        let run = Llmsql::new().args(["facts", "--format", "json"]).root(case.join("root")).run().success();
        let expected = case.join("facts.json");
        if std::env::var_os("LLMSQL_REWRITE").is_some() {
            fs::write(&expected, &run.stdout).unwrap();
        }
        let text = fs::read_to_string(&expected).unwrap_or_default();
        if text != run.stdout {
            let difference = similar::TextDiff::from_lines(&text, &run.stdout);
            wrong.push(format!("{}\n{}", expected.display(), difference.unified_diff().context_radius(3)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_tables_are_readable_at_80_columns() {
    for case in cases() {
        let run = Llmsql::new().args(["facts"]).root(case.join("root")).run().success();
        // A path is not broken, so that it can be copied.
        let folds = |line: &&str| line.chars().count() > 80 && line.trim().contains(' ');
        let long: Vec<&str> = run.stdout.lines().filter(folds).collect();
        assert!(long.is_empty(), "{}: {long:#?}", case.display());
        for heading in ["CPU\n", "Memory\n", "Disk /\n"] {
            assert!(run.stdout.contains(heading), "no {heading:?} in {}: {}", case.display(), run.stdout);
        }
    }
}

#[test]
fn facts_fed_back_are_the_same_facts() {
    let dir = tempfile::tempdir().unwrap();
    for case in cases() {
        for format in ["json", "yaml"] {
            let first = Llmsql::new().args(["facts", "--format", format]).root(case.join("root")).run().success();
            let file = dir.path().join(format);
            fs::write(&file, &first.stdout).unwrap();
            let again = Llmsql::new().args(["facts", "--format", format, "--facts"]).arg(&file).run().success();
            assert_eq!(first.stdout, again.stdout, "{}", case.display());
        }
    }
}

#[test]
fn a_facts_file_cut_in_half_is_refused_with_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let case = &cases()[0];
    for format in ["json", "yaml"] {
        let whole = Llmsql::new().args(["facts", "--format", format]).root(case.join("root")).run().success().stdout;
        let file = dir.path().join(format!("half.{format}"));
        fs::write(&file, &whole[..whole.len() / 2]).unwrap();
        let run = Llmsql::new().args(["facts", "--facts"]).arg(&file).run().code(64);
        let place = format!("{}:", file.display());
        let line = run.stderr.split(&place).nth(1).unwrap_or_else(|| panic!("no {place} in {}", run.stderr));
        let (line, column) = line.split_once(' ').unwrap().0.split_once(':').unwrap();
        assert!(line.parse::<u32>().unwrap() > 10, "{}", run.stderr);
        assert!(column.trim_end_matches(':').parse::<u32>().is_ok(), "{}", run.stderr);
        assert!(run.stdout.is_empty());
    }
    Llmsql::new().args(["facts", "--facts", "/no/such/file"]).run().code(64).stderr_has("/no/such/file");
}

#[test]
fn an_empty_tree_has_no_facts_and_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let facts = Llmsql::new().args(["facts", "--format", "json"]).root(dir.path()).run().success().json();
    for (group, name) in
        [("cpu", "online"), ("cpu", "effective"), ("memory", "total_bytes"), ("memory", "effective_bytes")]
    {
        assert!(facts[group][name].is_null(), "{group}.{name}");
    }
    let absent: Vec<&str> = facts["absent"].as_array().unwrap().iter().map(|a| a["path"].as_str().unwrap()).collect();
    for path in ["/proc/cpuinfo", "/proc/meminfo", "/proc/self/mountinfo", "cpu.online"] {
        assert!(absent.contains(&path), "{path} in {absent:?}");
    }
}

#[test]
fn a_proc_that_cannot_be_read_is_a_reason_and_no_error() {
    if nix::unistd::geteuid().is_root() {
        // Root reads everything; a loop of links is as good.
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("proc")).unwrap();
        for name in ["cpuinfo", "meminfo", "self", "mounts", "1"] {
            std::os::unix::fs::symlink(name, dir.path().join("proc").join(name)).unwrap();
        }
        let run = Llmsql::new().args(["facts", "--format", "json"]).root(dir.path()).run().success();
        run.stdout_has("/proc/meminfo");
        return;
    }
    let dir = copy(&cases()[0].join("root"));
    let proc = dir.path().join("proc");
    fs::set_permissions(&proc, fs::Permissions::from_mode(0o000)).unwrap();
    let run = Llmsql::new().args(["facts", "--format", "json"]).root(dir.path()).run();
    fs::set_permissions(&proc, fs::Permissions::from_mode(0o755)).unwrap();
    run.success().stdout_has("permission denied");
}

/// A copy of a tree, links kept as they are.
fn copy(from: &Path) -> tempfile::TempDir {
    fn go(from: &Path, to: &Path) {
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            let (source, target) = (entry.path(), to.join(entry.file_name()));
            let kind = entry.file_type().unwrap();
            if kind.is_symlink() {
                std::os::unix::fs::symlink(fs::read_link(&source).unwrap(), &target).unwrap();
            } else if kind.is_dir() {
                fs::create_dir(&target).unwrap();
                go(&source, &target);
            } else {
                fs::copy(&source, &target).unwrap();
            }
        }
    }
    let dir = tempfile::tempdir().unwrap();
    go(from, dir.path());
    dir
}

/// Every regular file below a folder.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            found.extend(files(&entry.path()));
        } else if kind.is_file() {
            found.push(entry.path());
        }
    }
    found.sort();
    found
}

/// One way to damage a file.
#[derive(Debug, Clone)]
enum Damage {
    Delete,
    Empty,
    Cut(usize),
    Replace(Vec<u8>),
    Insert(usize, Vec<u8>),
    Folder,
    Loop,
}

fn damage() -> impl Strategy<Value = Damage> {
    let odd = prop_oneof![
        Just(b"-1".to_vec()),
        Just(b"0-4294967295".to_vec()),
        Just(b"18446744073709551615".to_vec()),
        Just(b"99999999999999999999 kB".to_vec()),
        Just(b"max max".to_vec()),
        Just(b"1 0".to_vec()),
        Just(b"\xff\xfe\0\0".to_vec()),
        Just(b"0-\n,,,\n:::\n - \n".to_vec()),
        proptest::collection::vec(any::<u8>(), 0..64),
    ];
    prop_oneof![
        Just(Damage::Delete),
        Just(Damage::Empty),
        (0usize..4096).prop_map(Damage::Cut),
        odd.clone().prop_map(Damage::Replace),
        (0usize..4096, odd).prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
        Just(Damage::Folder),
        Just(Damage::Loop),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, max_shrink_iters: 20, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn a_damaged_tree_still_gives_facts(
        case in any::<prop::sample::Index>(),
        damages in proptest::collection::vec((any::<prop::sample::Index>(), damage()), 1..12),
    ) {
        let cases = cases();
        let tree = copy(&case.get(&cases).join("root"));
        // Per-CPU files are many and alike; the others are to be hit too.
        let mut all = files(tree.path());
        let mut seen = 0;
        all.retain(|file| { let topology = file.to_string_lossy().contains("/topology/"); seen += usize::from(topology); !topology || seen < 8 });
        for (which, damage) in &damages {
            let file = which.get(&all);
            let Ok(old) = fs::read(file) else { continue };
            fs::remove_file(file).unwrap();
            match damage {
                Damage::Delete => {}
                Damage::Empty => fs::write(file, b"").unwrap(),
                Damage::Cut(at) => fs::write(file, &old[..at % (old.len() + 1)]).unwrap(),
                Damage::Replace(bytes) => fs::write(file, bytes).unwrap(),
                Damage::Insert(at, bytes) => {
                    let at = at % (old.len() + 1);
                    fs::write(file, [&old[..at], bytes, &old[at..]].concat()).unwrap();
                }
                Damage::Folder => fs::create_dir(file).unwrap(),
                Damage::Loop => std::os::unix::fs::symlink(file.file_name().unwrap(), file).unwrap(),
            }
        }
        let run = Llmsql::new().args(["facts", "--format", "json"]).root(tree.path()).run();
        prop_assert_eq!(run.code, Some(0), "{:?}: {}", damages, run.stderr);
        let facts = run.json();
        for name in ["cpu", "memory", "numa", "disks", "absent"] {
            prop_assert!(!facts[name].is_null());
        }
        if let Some(effective) = facts["cpu"]["effective"].as_u64() {
            prop_assert!(effective >= 1);
        }
    }
}

#[test]
fn limits_of_cgroups_are_found_through_the_mount_table() {
    // Mounted where nobody expects it, below the top of the hierarchy, the tighter limit in a parent.
    let dir = tempfile::tempdir().unwrap();
    let put = |path: &str, text: &str| {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    put("proc/meminfo", "MemTotal: 8388608 kB\n");
    put("sys/devices/system/cpu/online", "0-7\n");
    put("proc/self/cgroup", "0::/pod/one/task\n");
    put("proc/self/mountinfo", "30 24 0:26 /pod /my\\040cgroups rw - cgroup2 cgroup2 rw\n");
    put("my cgroups/memory.max", "1073741824\n");
    put("my cgroups/one/memory.max", "max\n");
    put("my cgroups/one/task/memory.max", "4294967296\n");
    put("my cgroups/one/cpu.max", "30000 20000\n");
    put("my cgroups/one/task/cpu.max", "max 100000\n");
    put("my cgroups/one/task/cpuset.cpus.effective", "4-7\n");
    // A decoy at the conventional place.
    put("sys/fs/cgroup/memory.max", "1\n");
    let facts = Llmsql::new().args(["facts", "--format", "json"]).root(dir.path()).run().success().json();
    assert_eq!(facts["memory"]["limit_bytes"], 1_u64 << 30);
    assert_eq!(facts["memory"]["effective_bytes"], 1_u64 << 30);
    assert_eq!(facts["cpu"]["quota"], 1.5);
    assert_eq!(facts["cpu"]["cpuset"], 4);
    assert_eq!(facts["cpu"]["effective"], 2);
}

#[test]
fn a_limit_that_cannot_be_read_is_absent_with_its_reason() {
    let facts = |memory: &str, cpu: Option<&str>, total: u32| {
        let dir = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        put("proc/meminfo", &format!("MemTotal: {total} kB\n"));
        put("proc/self/cgroup", "0::/\n");
        put("proc/self/mountinfo", "30 24 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
        put("sys/fs/cgroup/memory.max", memory);
        match cpu {
            Some(text) => put("sys/fs/cgroup/cpu.max", text),
            None => fs::create_dir(dir.path().join("sys/fs/cgroup/cpu.max")).unwrap(),
        }
        Llmsql::new().args(["facts", "--format", "json"]).root(dir.path()).run().success().json()
    };
    let reason = |facts: &serde_json::Value, path: &str| {
        let absent = facts["absent"].as_array().unwrap();
        absent.iter().find(|a| a["path"] == path).map(|a| a["reason"].as_str().unwrap().to_owned())
    };
    let (memory, cpu) = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/cpu.max");
    for text in ["garbage\n", "0\n", ""] {
        let facts = facts(text, Some("0 100000\n"), 8_388_608);
        assert!(facts["memory"]["limit_bytes"].is_null() && facts["cpu"]["quota"].is_null());
        assert_eq!(facts["memory"]["effective_bytes"], 8_u64 << 30);
        assert_eq!(reason(&facts, memory).unwrap(), format!("{:?} is no limit", text.trim()));
        assert_eq!(reason(&facts, cpu).as_deref(), Some("\"0 100000\" is no limit"));
    }
    let none = facts("max\n", Some("max 100000\n"), 0);
    assert_eq!((reason(&none, memory), reason(&none, cpu)), (None, None));
    assert!(none["memory"]["total_bytes"].is_null() && none["memory"]["effective_bytes"].is_null());
    assert_eq!(reason(&none, "/proc/meminfo MemTotal").as_deref(), Some("it is 0, which no host has"));
    assert_eq!(reason(&facts("1073741824\n", None, 1), cpu).as_deref(), Some("is a folder"));
}
