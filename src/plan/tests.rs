//! What the plan promises, on hosts of every size.

use super::*;
use crate::facts::{Disk, NumaNode, Package, Postgres};
use crate::profile::Origin;
use crate::units::{self, GB, KB, MB, TB};
use proptest::prelude::*;

fn facts(ram: u64, cpus: u32) -> Facts {
    let mut facts = Facts { schema: Facts::SCHEMA, ..Facts::default() };
    facts.memory.total_bytes = Some(ram);
    facts.memory.effective_bytes = Some(ram);
    facts.cpu.online = Some(cpus);
    facts.cpu.effective = Some(cpus);
    facts
}

fn flag(profile: &mut Profile, key: &str, value: Value) {
    profile.set(key, value, Origin::Flag { name: "--set".to_owned() });
}

fn with(components: &[&str]) -> Profile {
    let mut profile = Profile::default();
    let list = components.iter().map(|c| (*c).to_owned()).collect();
    flag(&mut profile, "host.components", Value::List(list));
    profile
}

fn bytes(plan: &Plan, key: &str) -> u64 {
    plan.setting(key).unwrap_or_else(|| panic!("no {key}")).bytes.unwrap()
}

fn value<'a>(plan: &'a Plan, key: &str) -> &'a str {
    &plan.setting(key).unwrap_or_else(|| panic!("no {key}")).value
}

#[test]
fn the_guides_64_gb_file_is_reproduced() {
    let mut profile = with(&["postgresql", "pgbouncer", "duckdb"]);
    flag(&mut profile, "plan.sizing", Value::Text("guide".to_owned()));
    let plan = build(&facts(64 * GB, 16), &profile).unwrap();
    for (key, expected) in [
        ("postgresql.shared_buffers", "16GB"),
        ("postgresql.effective_cache_size", "48GB"),
        ("postgresql.work_mem", "122MB"),
        ("postgresql.maintenance_work_mem", "2GB"),
        ("postgresql.temp_buffers", "32MB"),
        ("postgresql.wal_buffers", "-1"),
        ("postgresql.huge_pages", "try"),
        ("postgresql.max_connections", "200"),
        ("postgresql.max_worker_processes", "16"),
        ("postgresql.max_parallel_workers", "8"),
        ("postgresql.max_parallel_workers_per_gather", "4"),
        ("postgresql.max_wal_size", "4GB"),
        ("postgresql.min_wal_size", "1GB"),
        ("postgresql.statement_timeout", "5min"),
        ("pgbouncer.default_pool_size", "25"),
        ("pgbouncer.min_pool_size", "10"),
        ("pgbouncer.reserve_pool_size", "5"),
        ("pgbouncer.query_timeout", "300"),
        ("duckdb.memory_limit", "32GiB"),
        ("duckdb.threads", "16"),
        ("duckdb.external_threads", "8"),
    ] {
        assert_eq!(value(&plan, key), expected, "{key}");
    }
    let total = plan.findings.iter().find(|f| f.invariant == "memory.total").expect("the guide's numbers overcommit");
    assert_eq!(total.severity, Severity::Warning);
    assert!(plan.findings.iter().all(|f| f.severity != Severity::Error), "{:?}", plan.findings);
}

#[test]
fn a_host_for_postgresql_alone_follows_the_budget() {
    let plan = build(&facts(64 * GB, 16), &with(&["postgresql"])).unwrap();
    // reserve 4GB, so S = 60GB.
    assert_eq!(value(&plan, "postgresql.shared_buffers"), "15GB");
    assert_eq!(value(&plan, "postgresql.effective_cache_size"), "45GB");
    assert_eq!(bytes(&plan, "postgresql.maintenance_work_mem"), 60 * GB / 32 / KB * KB);
    // (60GB − 1.03·15GB − 4·1.875GB − 200·4MB − 200·8MB) / ((200 + 16)·2·2), the worst case's term.
    let standing = 15 * GB / 100 * 103 + 4 * (60 * GB / 32) + 200 * 4 * MB + 200 * 8 * MB;
    assert_eq!(bytes(&plan, "postgresql.work_mem"), (60 * GB - standing) / (216 * 4) / KB * KB);
    assert_eq!(value(&plan, "kernel.vm.nr_hugepages"), "7975");
    assert!(plan.findings.iter().all(|f| f.severity <= Severity::Assumption), "{:?}", plan.findings);
}

#[test]
fn shares_follow_the_workload() {
    for (workload, percent) in [("oltp", 80), ("mixed", 60), ("analytics", 40), ("vector", 85)] {
        let mut profile = with(&["postgresql", "duckdb"]);
        flag(&mut profile, "plan.workload", Value::Text(workload.to_owned()));
        let plan = build(&facts(100 * GB, 10), &profile).unwrap();
        let share = 96 * GB / 100 * percent;
        let buffers = bytes(&plan, "postgresql.shared_buffers");
        assert!(share / 4 - buffers < 8 * KB, "{workload}: {buffers}");
        let workers: u64 = value(&plan, "postgresql.max_parallel_workers").parse().unwrap();
        assert_eq!(workers, 10 * percent / 100, "{workload}");
    }
}

#[test]
fn a_pin_beats_the_plan_and_is_kept_in_the_reason() {
    let mut profile = with(&["postgresql"]);
    flag(&mut profile, "postgresql.work_mem", Value::Bytes(256 * MB));
    let plan = build(&facts(64 * GB, 16), &profile).unwrap();
    let setting = plan.setting("postgresql.work_mem").unwrap();
    assert_eq!(setting.value, "256MB");
    assert!(setting.origin.is_some());
    assert!(setting.reason.notes.iter().any(|n| n.contains("would be derived")), "{:?}", setting.reason);
    // 216·4 of them are 216GB: the operator's pin breaks the budget, and the plan says so.
    assert!(plan.findings.iter().any(|f| f.invariant == "memory.total" && f.severity == Severity::Error));
}

#[test]
fn a_standby_never_has_fewer_connections_than_its_primary() {
    let mut profile = with(&["postgresql"]);
    flag(&mut profile, "postgresql.primary_max_connections", Value::Int(300));
    let plan = build(&facts(64 * GB, 16), &profile).unwrap();
    assert_eq!(value(&plan, "postgresql.max_connections"), "300");
}

#[test]
fn without_memory_there_is_no_plan_but_an_error_that_says_what_to_do() {
    let error = build(&Facts::default(), &Profile::default()).unwrap_err();
    assert_eq!(error.code, "plan.ram");
    assert!(error.next.unwrap().contains("--ram"));
}

#[test]
fn preloaded_libraries_are_kept_and_only_installed_ones_added() {
    let mut facts = facts(16 * GB, 4);
    facts.software.postgresql =
        vec![Postgres { major: Some(18), extensions: Some(vec!["vector".to_owned()]), ..Postgres::default() }];
    let plan = build(&facts, &Profile::default()).unwrap();
    assert!(plan.setting("postgresql.shared_preload_libraries").is_none());
    facts.software.postgresql[0].extensions = Some(vec!["pg_stat_statements".to_owned()]);
    let mut cluster = crate::facts::Cluster { major: Some(18), ..Default::default() };
    let now = crate::facts::ClusterSetting { value: "timescaledb, auto_explain".to_owned(), ..Default::default() };
    cluster.settings.insert("shared_preload_libraries".to_owned(), now);
    facts.software.clusters = vec![cluster];
    let plan = build(&facts, &Profile::default()).unwrap();
    let setting = plan.setting("postgresql.shared_preload_libraries").unwrap();
    assert_eq!(setting.value, "timescaledb, auto_explain, pg_stat_statements");
}

/// Hosts nobody has, and all that somebody has.
fn any_host() -> impl Strategy<Value = (Facts, Profile)> {
    let sizes = (28u32..=42, 0u64..1 << 28).prop_map(|(bits, odd)| (1u64 << bits) + odd);
    let disk = proptest::option::of((26u32..=46, 0.05f64..1.0));
    let known = proptest::bits::u8::ANY;
    let names = ["oltp", "mixed", "analytics", "vector"];
    (sizes, 1u32..=1024, 1u8..128, 14u32..=18, disk, known, 0usize..4, 1i64..5, 20u32..=34).prop_map(
        move |(ram, cpus, parts, major, disk, known, workload, pools, huge_bits)| {
            let mut facts = facts(ram.min(4 * TB), cpus);
            if let Some((bits, free)) = disk {
                let size = 1u64 << bits;
                facts.disks = vec![Disk {
                    mount: "/".to_owned(),
                    filesystem: Some("ext4".to_owned()),
                    size_bytes: Some(size),
                    free_bytes: Some((size as f64 * free) as u64 + 64 * MB),
                    ..Disk::default()
                }];
            }
            facts.memory.huge_page_size_bytes = (known & 1 != 0).then_some(1u64 << huge_bits);
            facts.memory.swap_bytes = (known & 2 != 0).then_some(ram / 4);
            facts.memory.committed_bytes = (known & 4 != 0).then_some(ram / 3);
            facts.container.kind = (known & 8 != 0).then(|| "docker".to_owned());
            facts.numa.nodes = vec![NumaNode::default()];
            facts.software.docker = (known & 16 != 0).then(Package::default);
            facts.software.pgbouncer =
                (known & 32 != 0).then(|| Package { version: Some("1.18.0".to_owned()), path: None });
            if known & 64 != 0 {
                facts.kernel.sysctl = [
                    ("net.core.somaxconn", "65535"),
                    ("fs.nr_open", "1048576"),
                    ("vm.overcommit_memory", "0"),
                    ("vm.swappiness", "60"),
                ]
                .map(|(k, v)| (k.to_owned(), v.to_owned()))
                .into();
            }
            let all = crate::profile::keys::COMPONENTS;
            let list = all.iter().enumerate().filter(|(i, _)| parts & (1 << i) != 0).map(|(_, c)| (*c).to_owned());
            let mut profile = Profile::default();
            flag(&mut profile, "host.components", Value::List(list.collect()));
            flag(&mut profile, "plan.workload", Value::Text(names[workload].to_owned()));
            flag(&mut profile, "postgresql.version", Value::Int(i64::from(major)));
            flag(&mut profile, "pgbouncer.pools", Value::Int(pools));
            if known & 128 != 0 {
                flag(&mut profile, "llm.memory", Value::Bytes(ram / 8));
            }
            (facts, profile)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn no_error_but_memory_fit_on_any_host((facts, profile) in any_host()) {
        let plan = build(&facts, &profile).unwrap();
        for finding in plan.findings.iter().filter(|f| f.severity == Severity::Error) {
            prop_assert_eq!(&finding.invariant, "memory.fit", "{:?}", finding);
            let (_, needed) = finding.numbers.iter().find(|(n, _)| n == "smallest RAM that would do").unwrap();
            let mut enough = facts.clone();
            enough.memory.effective_bytes = Some(units::parse_bytes(needed).unwrap());
            let larger = build(&enough, &profile).unwrap();
            prop_assert!(larger.findings.iter().all(|f| f.severity != Severity::Error), "{needed}: {:?}", larger.findings);
        }
        for setting in &plan.settings {
            if let Some(bytes) = setting.bytes {
                prop_assert_eq!(bytes % KB, 0, "{} is not whole kB", &setting.key);
            }
            prop_assert!(!setting.reason.formula.is_empty(), "{} has no reason", &setting.key);
        }
    }

    #[test]
    fn guide_sizing_never_refuses((facts, mut profile) in any_host()) {
        flag(&mut profile, "plan.sizing", Value::Text("guide".to_owned()));
        let plan = build(&facts, &profile).unwrap();
        prop_assert!(plan.findings.iter().all(|f| f.severity != Severity::Error), "{:?}", plan.findings);
    }
}
