//! What the plan promises, on hosts of every size.

use super::*;
use crate::facts::{Disk, NumaNode, Package, Postgres};
use crate::postgres::catalogue;
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

/// The RAM that a finding of memory says would do.
fn would_do(plan: &Plan) -> Option<u64> {
    let found = finding(plan, "memory.fit").or_else(|| finding(plan, "memory.total"))?;
    let (_, needed) = found.numbers.iter().find(|(n, _)| n == "smallest RAM that would do")?;
    units::parse_bytes(needed).ok()
}

fn broken_memory(plan: &Plan) -> bool {
    finding(plan, "memory.fit").is_some() || finding(plan, "memory.total").is_some()
}

#[test]
fn the_ram_that_would_do_does_with_the_pins_and_the_pin_is_named() {
    let whole = ["postgresql", "pgbouncer", "nginx", "api", "duckdb"];
    for (ram, components) in [(2 * GB, &whole[..1]), (300 * MB, &whole), (8 * GB, &whole[..2])] {
        let mut profile = with(components);
        flag(&mut profile, "postgresql.work_mem", Value::Bytes(64 * MB));
        let plan = build(&facts(ram, 8), &profile).unwrap();
        let enough = would_do(&plan).unwrap();
        let found = finding(&plan, "memory.fit").or_else(|| finding(&plan, "memory.total")).unwrap();
        assert!(found.message.contains("postgresql.work_mem = 64MB (flag --set)"), "{found:?}");
        assert!(found.next.as_ref().unwrap().contains("postgresql.work_mem"), "{found:?}");
        assert!(!broken_memory(&build(&facts(enough, 8), &profile).unwrap()), "{enough}");
        assert!(broken_memory(&build(&facts(enough - MB, 8), &profile).unwrap()), "{enough}");
    }
    // Two that fit one by one, and not together: it would do to unset either.
    let mut profile = with(&["postgresql"]);
    flag(&mut profile, "postgresql.shared_buffers", Value::Bytes(8 * GB));
    flag(&mut profile, "postgresql.maintenance_work_mem", Value::Bytes(2 * GB));
    let plan = build(&facts(16 * GB, 4), &profile).unwrap();
    let next = finding(&plan, "memory.fit").unwrap().next.clone().unwrap();
    let either = "unset or lower postgresql.maintenance_work_mem or postgresql.shared_buffers, or give the host ";
    assert!(next.starts_with(either), "{next}");
    // Two of which each alone is too much: both have to go.
    flag(&mut profile, "postgresql.shared_buffers", Value::Bytes(20 * GB));
    flag(&mut profile, "postgresql.maintenance_work_mem", Value::Bytes(20 * GB));
    let plan = build(&facts(16 * GB, 4), &profile).unwrap();
    let next = finding(&plan, "memory.fit").unwrap().next.clone().unwrap();
    let both = "unset or lower postgresql.maintenance_work_mem and postgresql.shared_buffers, or give the host ";
    assert!(next.starts_with(both), "{next}");
    // Without a pin none is blamed.
    let plan = build(&facts(300 * MB, 8), &with(&whole)).unwrap();
    assert!(!finding(&plan, "memory.fit").unwrap().message.contains("pinned"));
}

#[test]
fn the_guides_host_is_committed_2_7_times() {
    let mut profile = with(&["postgresql", "pgbouncer", "nginx", "api", "duckdb", "sqlite"]);
    flag(&mut profile, "plan.sizing", Value::Text("guide".to_owned()));
    let plan = build(&facts(64 * GB, 16), &profile).unwrap();
    let total = finding(&plan, "memory.total").unwrap();
    assert!(total.message.contains("2.7 × the 64.0 GB"), "{total:?}");
}

fn with_sysctl(pairs: &[(&str, &str)]) -> Facts {
    let mut facts = facts(16 * GB, 4);
    let common = [
        ("vm.swappiness", "60"),
        ("vm.dirty_ratio", "20"),
        ("vm.dirty_background_ratio", "10"),
        ("vm.dirty_bytes", "0"),
        ("vm.dirty_background_bytes", "0"),
        ("vm.overcommit_memory", "0"),
        ("vm.overcommit_ratio", "50"),
        ("vm.overcommit_kbytes", "0"),
        ("net.ipv4.tcp_fin_timeout", "60"),
        ("net.ipv4.tcp_keepalive_time", "7200"),
        ("net.ipv4.tcp_keepalive_probes", "9"),
        ("net.ipv4.tcp_keepalive_intvl", "75"),
        ("net.core.somaxconn", "4096"),
    ];
    facts.kernel.sysctl = common.iter().chain(pairs).map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    facts
}

#[test]
fn what_the_operator_tuned_further_is_kept_and_said() {
    let plain = build(&with_sysctl(&[]), &with(&["postgresql"])).unwrap();
    for (key, guide, tuned) in [
        ("vm.swappiness", "10", "1"),
        ("vm.dirty_ratio", "15", "8"),
        ("vm.dirty_background_ratio", "5", "2"),
        ("net.ipv4.tcp_fin_timeout", "30", "15"),
        ("net.ipv4.tcp_keepalive_time", "300", "120"),
        ("net.ipv4.tcp_keepalive_probes", "3", "2"),
        ("net.ipv4.tcp_keepalive_intvl", "15", "10"),
        ("net.core.somaxconn", "4096", "16384"),
    ] {
        let name = format!("kernel.{key}");
        assert_eq!(value(&plain, &name), guide, "{key}");
        let plan = build(&with_sysctl(&[(key, tuned)]), &with(&["postgresql"])).unwrap();
        assert_eq!(value(&plan, &name), tuned, "{key}");
        let notes = &plan.setting(&name).unwrap().reason.notes;
        assert!(notes.iter().any(|n| n.contains("is kept")), "{key}: {notes:?}");
    }
}

#[test]
fn of_dirty_bytes_and_ratio_the_one_in_use_is_kept_where_it_says_less() {
    let of = |facts: Facts| {
        let plan = build(&facts, &with(&["postgresql"])).unwrap();
        let get = |key: &str| plan.setting(&format!("kernel.vm.{key}")).map(|s| s.value.clone());
        (get("dirty_bytes"), get("dirty_ratio"), get("dirty_background_bytes"), get("dirty_background_ratio"))
    };
    let some = |text: &str| Some(text.to_owned());
    // 16 GB: percentages. A host that says 256 MB in bytes is not given 15 % instead, which would make its own 0.
    let small = with_sysctl(&[("vm.dirty_bytes", "268435456"), ("vm.dirty_ratio", "0")]);
    let (bytes, ratio, ..) = of(small);
    assert_eq!((bytes, ratio), (some("268435456"), None));
    // 256 GB: bytes, unless the host's percentage is less than those.
    let large = |pairs: &[(&str, &str)]| {
        let mut facts = with_sysctl(pairs);
        facts.memory.total_bytes = Some(256 * GB);
        facts.memory.effective_bytes = Some(256 * GB);
        facts
    };
    let guide = (some(&(4 * GB).to_string()), None, some(&(1365 * MB).to_string()), None);
    assert_eq!(of(large(&[])), guide);
    let (bytes, ratio, ..) = of(large(&[("vm.dirty_ratio", "1")]));
    assert_eq!((bytes, ratio), (None, some("1")));
    // What we have set is found again and stays.
    let ours = (4 * GB).to_string();
    assert_eq!(of(large(&[("vm.dirty_bytes", &ours), ("vm.dirty_ratio", "0")])), guide);
}

#[test]
fn strict_overcommit_stays_where_its_limit_holds_what_is_planned() {
    let plan = |pairs: &[(&str, &str)], components: &[&str]| {
        let mut facts = with_sysctl(pairs);
        facts.memory.committed_bytes = Some(GB);
        build(&facts, &with(components)).unwrap()
    };
    let strict = [("vm.overcommit_memory", "2"), ("vm.overcommit_ratio", "95")];
    let kept = plan(&strict, &["postgresql", "duckdb"]);
    assert_eq!((value(&kept, "kernel.vm.overcommit_memory"), value(&kept, "kernel.vm.overcommit_ratio")), ("2", "95"));
    assert!(finding(&kept, "memory.overcommit").is_none(), "{:?}", kept.findings);
    let in_kb = [("vm.overcommit_memory", "2"), ("vm.overcommit_ratio", "0"), ("vm.overcommit_kbytes", "20971520")];
    let kept = plan(&in_kb, &["postgresql"]);
    assert_eq!(value(&kept, "kernel.vm.overcommit_memory"), "2");
    assert!(kept.setting("kernel.vm.overcommit_ratio").is_none(), "a percentage would make the limit in kB 0");
    assert!(finding(&kept, "memory.overcommit").is_none(), "{:?}", kept.findings);
    let short = [("vm.overcommit_memory", "2"), ("vm.overcommit_ratio", "20")];
    let short = plan(&short, &["postgresql", "duckdb"]);
    assert_eq!(value(&short, "kernel.vm.overcommit_memory"), "0");
}

#[test]
fn one_address_never_takes_all_that_the_pools_can_hold() {
    for cpus in 1..=64 {
        for components in [&["postgresql", "pgbouncer", "nginx"][..], &["postgresql", "nginx"]] {
            let plan = build(&facts(64 * GB, cpus), &with(components)).unwrap();
            let limit: u64 = value(&plan, "nginx.limit_conn").parse().unwrap();
            let edge = plan.checks.iter().find(|c| c.invariant == "connections.edge").unwrap();
            let what = ["PgBouncer's max_client_conn", "back ends"];
            let room: u64 = edge.numbers.iter().find(|(n, _)| what.contains(&n.as_str())).unwrap().1.parse().unwrap();
            assert!(limit < room && edge.holds == Some(true), "{cpus} CPUs: {edge:?}");
            let burst: u64 = value(&plan, "nginx.api_burst").parse().unwrap();
            assert!(limit > burst, "a burst that the rate lets in is not refused for its connections");
        }
    }
    let mut pinned = with(&["postgresql", "pgbouncer", "nginx"]);
    flag(&mut pinned, "nginx.limit_conn", Value::Int(2000));
    let plan = build(&facts(16 * GB, 4), &pinned).unwrap();
    let found = finding(&plan, "connections.edge").unwrap();
    assert_eq!((found.severity, found.next.as_deref()), (Severity::Warning, Some("lower nginx.limit_conn to 500")));
}

#[test]
fn io_uring_is_offered_only_where_it_was_proved_and_refused_where_it_cannot_start() {
    let host = |options: &[&str], tried: bool, usable: Option<bool>| {
        let mut facts = facts(16 * GB, 4);
        let options = options.iter().map(|o| (*o).to_owned()).collect();
        facts.software.postgresql =
            vec![Postgres { major: Some(18), build_options: Some(options), ..Postgres::default() }];
        facts.kernel.io_uring = usable;
        facts.kernel.io_uring_tried = tried;
        facts.kernel.io_uring_reason = Some("because".to_owned());
        facts
    };
    let offered = |facts: Facts| {
        let plan = build(&facts, &with(&["postgresql"])).unwrap();
        assert_eq!(value(&plan, "postgresql.io_method"), "worker");
        let notes = plan.setting("postgresql.io_method").unwrap().reason.notes.clone();
        notes.iter().any(|n| n.contains("config set postgresql.io_method io_uring"))
    };
    let built = &["--with-liburing"][..];
    assert!(offered(host(built, true, Some(true))));
    assert!(!offered(host(built, false, Some(true))), "a tree is no proof");
    assert!(!offered(host(&["--with-lz4"], true, Some(true))));
    assert!(!offered(host(built, true, Some(false))));
    let refused = |facts: Facts| {
        let mut profile = with(&["postgresql"]);
        text(&mut profile, "postgresql.io_method", "io_uring");
        let plan = build(&facts, &profile).unwrap();
        finding(&plan, "versions").map(|f| (f.severity, f.message.clone()))
    };
    assert_eq!(refused(host(built, true, Some(true))), None);
    let (severity, why) = refused(host(&["--with-lz4"], true, Some(true))).unwrap();
    assert!(severity == Severity::Error && why.contains("built without liburing"), "{why}");
    assert!(refused(host(built, true, Some(false))).unwrap().1.contains("because; the server would not start"));
}

#[test]
fn containers_reach_one_another_by_the_names_of_their_services() {
    let mut profile = with(&["postgresql", "pgbouncer", "nginx", "api", "duckdb", "llm"]);
    flag(&mut profile, "host.containers", Value::Bool(true));
    flag(&mut profile, "postgresql.version", Value::Int(17));
    text(&mut profile, "containers.api.service", "web");
    let plan = build(&facts(32 * GB, 8), &profile).unwrap();
    for (key, expected) in [
        ("nginx.api_upstream", "web:8000"),
        ("nginx.duckdb_upstream", "duckdb-server:8001"),
        ("nginx.llm_upstream", "llm-gateway:11434"),
        ("pgbouncer.databases.llm_analytics", "host=postgres17 port=5432 dbname=llm_analytics"),
        ("pgbouncer.listen_addr", "*"),
        ("api.database_host", "pgbouncer"),
        ("api.host", "0.0.0.0"),
        ("containers.postgresql.image", "pgvector/pgvector:pg17"),
        ("containers.postgresql.volume", "postgres17_data"),
        ("containers.postgresql.volume_path", "/var/lib/postgresql/data"),
    ] {
        assert_eq!(value(&plan, key), expected, "{key}");
    }
    assert!(finding(&plan, "nginx.upstream").is_none(), "compose knows these names: {:?}", plan.findings);
    // Docker alone, with the programs on the host itself, changes no address.
    let mut native = facts(32 * GB, 8);
    native.software.docker = Some(Package::default());
    native.software.nginx = Some(crate::facts::Nginx::default());
    native.software.uvicorn = Some(Package::default());
    native.software.pgbouncer = Some(Package::default());
    let plan = build(&native, &with(&["postgresql", "pgbouncer", "nginx", "api"])).unwrap();
    assert_eq!(value(&plan, "nginx.api_upstream"), "127.0.0.1:8000");
    assert_eq!(value(&plan, "api.database_host"), "127.0.0.1");
}

fn finding<'a>(plan: &'a Plan, name: &str) -> Option<&'a Finding> {
    plan.findings.iter().find(|f| f.invariant == name)
}

fn text(profile: &mut Profile, key: &str, word: &str) {
    flag(profile, key, Value::Text(word.to_owned()));
}

#[test]
fn back_ends_of_all_kinds_stay_within_the_servers_limit() {
    let mut profile = with(&["postgresql", "pgbouncer"]);
    flag(&mut profile, "pgbouncer.pools", Value::Int(10_000));
    let plan = build(&facts(4 * TB, 1024), &profile).unwrap();
    let count = |name: &str| value(&plan, &format!("postgresql.{name}")).parse::<u64>().unwrap();
    let all = ["max_connections", "max_worker_processes", "max_wal_senders", "autovacuum_worker_slots"].map(count);
    assert!(all.iter().sum::<u64>() + 2 <= 262_143, "{all:?}");
    assert!(
        finding(&plan, "versions").is_none() && finding(&plan, "connections.pool").is_none(),
        "{:?}",
        plan.findings
    );

    let mut profile = with(&["postgresql"]);
    flag(&mut profile, "postgresql.max_connections", Value::Int(262_143));
    let found = build(&facts(4 * TB, 16), &profile).unwrap();
    let broken = finding(&found, "versions").unwrap();
    assert_eq!(broken.severity, Severity::Error);
    assert!(broken.message.contains("262143 at most"), "{broken:?}");
}

#[test]
fn wal_sizes_are_at_least_two_segments() {
    let mut facts = facts(GB, 1);
    let mut cluster = crate::facts::Cluster { major: Some(18), ..Default::default() };
    cluster.wal_segment_bytes = Some(GB);
    cluster.data_dir = Some("/data".to_owned());
    facts.software.clusters = vec![cluster];
    let plan = build(&facts, &with(&["postgresql"])).unwrap();
    assert_eq!((value(&plan, "postgresql.max_wal_size"), value(&plan, "postgresql.min_wal_size")), ("2GB", "2GB"));
    let mut profile = with(&["postgresql"]);
    flag(&mut profile, "postgresql.min_wal_size", Value::Bytes(80 * MB));
    let plan = build(&facts, &profile).unwrap();
    assert!(finding(&plan, "versions").unwrap().message.contains("no less than two WAL segments, 2GB"));
}

#[test]
fn huge_pages_that_must_be_there_and_are_not_are_an_error() {
    let mut profile = with(&["postgresql"]);
    text(&mut profile, "postgresql.huge_pages", "on");
    // Asked for at any size: the pages are planned.
    let plan = build(&facts(4 * GB, 2), &profile).unwrap();
    let pages: u64 = value(&plan, "kernel.vm.nr_hugepages").parse().unwrap();
    assert!(pages * 2 * MB > bytes(&plan, "postgresql.shared_buffers"));
    assert!(finding(&plan, "memory.huge_pages").is_none(), "{:?}", plan.findings);
    flag(&mut profile, "kernel.vm.nr_hugepages", Value::Int(0));
    let plan = build(&facts(4 * GB, 2), &profile).unwrap();
    assert_eq!(finding(&plan, "memory.huge_pages").unwrap().severity, Severity::Error);
    // In a container nothing that is planned makes them.
    let mut container = facts(64 * GB, 16);
    container.container.kind = Some("docker".to_owned());
    container.memory.huge_pages = Some(0);
    let mut profile = with(&["postgresql"]);
    let plan = build(&container, &profile).unwrap();
    assert_eq!(finding(&plan, "memory.huge_pages").unwrap().severity, Severity::Assumption);
    text(&mut profile, "postgresql.huge_pages", "on");
    let plan = build(&container, &profile).unwrap();
    assert_eq!(finding(&plan, "memory.huge_pages").unwrap().severity, Severity::Error);
}

#[test]
fn huge_pages_that_nobody_uses_are_within_the_budget_or_a_warning() {
    let mut facts = facts(64 * GB, 16);
    facts.memory.huge_pages = Some(20_000);
    let plan = build(&facts, &with(&["postgresql"])).unwrap();
    let found = finding(&plan, "memory.huge_pages").unwrap();
    assert_eq!(found.severity, Severity::Warning);
    assert!(found.next.as_deref().unwrap().contains("lower vm.nr_hugepages to 7975"), "{found:?}");
}

#[test]
fn a_plan_does_not_follow_the_free_space_of_the_moment() {
    let on = |free: u64| {
        let mut facts = facts(16 * GB, 4);
        let disk = Disk { mount: "/".to_owned(), size_bytes: Some(TB), free_bytes: Some(free), ..Disk::default() };
        facts.disks = vec![disk];
        facts.memory.committed_bytes = Some(free % (100 * MB));
        build(&facts, &with(&["postgresql", "duckdb"])).unwrap().settings
    };
    assert_eq!(on(100 * GB), on(109 * GB));
    assert_ne!(on(100 * GB), on(30 * GB));
}

#[test]
fn where_the_disk_is_not_known_wal_follows_the_memory() {
    let wal = |ram| bytes(&build(&facts(ram, 2), &with(&["postgresql"])).unwrap(), "postgresql.max_wal_size");
    assert_eq!([wal(512 * MB), wal(32 * GB), wal(TB)], [GB, 2 * GB, 4 * GB]);
}

#[test]
fn a_cap_stands_beside_the_number_it_cut() {
    let plan = build(&facts(200 * GB, 64), &with(&["postgresql"])).unwrap();
    let reason = |key: &str| plan.setting(key).unwrap().reason.clone();
    let maintenance = reason("postgresql.maintenance_work_mem");
    assert_eq!(maintenance.worked, "196 GB/32 = 6.12 GB");
    assert_eq!(maintenance.caps.len(), 1);
    let connections = reason("postgresql.max_connections");
    assert_eq!((connections.worked.as_str(), connections.caps.len()), ("16·64 = 1024", 1));
    assert_eq!(value(&plan, "postgresql.max_connections"), "200");
}

#[test]
fn the_reason_of_a_pin_tells_what_would_be_derived() {
    let mut profile = with(&["postgresql"]);
    let derived = build(&facts(16 * GB, 4), &profile).unwrap();
    let derived = derived.setting("postgresql.work_mem").unwrap();
    flag(&mut profile, "postgresql.work_mem", Value::Bytes(7 * MB));
    let plan = build(&facts(16 * GB, 4), &profile).unwrap();
    let pinned = plan.setting("postgresql.work_mem").unwrap();
    assert_eq!(pinned.value, "7MB");
    assert_eq!(pinned.reason.worked, derived.reason.worked);
    assert!(pinned.reason.notes.iter().any(|n| n.contains(&format!("{} would be derived", derived.value))));
}

#[test]
fn a_standby_is_sized_by_its_primary() {
    let mut profile = with(&["postgresql"]);
    for (name, primary) in [
        ("max_worker_processes", 40),
        ("max_wal_senders", 30),
        ("max_locks_per_transaction", 256),
        ("max_prepared_transactions", 20),
    ] {
        flag(&mut profile, &format!("postgresql.primary_{name}"), Value::Int(primary));
        let plan = build(&facts(64 * GB, 16), &profile).unwrap();
        assert_eq!(value(&plan, &format!("postgresql.{name}")), primary.to_string());
        assert!(finding(&plan, "connections.pool").is_none(), "{:?}", plan.findings);
        let mut pinned = profile.clone();
        flag(&mut pinned, &format!("postgresql.{name}"), Value::Int(12));
        let plan = build(&facts(64 * GB, 16), &pinned).unwrap();
        let found = finding(&plan, "connections.pool").unwrap();
        assert_eq!(found.severity, Severity::Error);
        assert_eq!(found.next.as_deref(), Some(format!("raise postgresql.{name} to {primary}").as_str()));
    }
}

#[test]
fn a_running_standby_keeps_at_least_what_it_runs_with() {
    let mut facts = facts(8 * GB, 2);
    let settings = [("max_connections", "350"), ("max_locks_per_transaction", "128")];
    facts.database = Some(crate::facts::Database {
        standby: Some(true),
        major: Some(18),
        settings: settings.map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
        ..Default::default()
    });
    let plan = build(&facts, &with(&["postgresql"])).unwrap();
    assert_eq!(value(&plan, "postgresql.max_connections"), "350");
    assert_eq!(value(&plan, "postgresql.max_locks_per_transaction"), "128");
}

#[test]
fn what_the_version_lacks_and_what_is_not_installed_are_errors() {
    let mut profile = with(&["postgresql"]);
    text(&mut profile, "postgresql.io_method", "worker");
    flag(&mut profile, "postgresql.version", Value::Int(15));
    let plan = build(&facts(16 * GB, 4), &profile).unwrap();
    let found = finding(&plan, "versions").unwrap();
    assert_eq!(found.severity, Severity::Error);
    assert_eq!(found.message, "io_method does not exist in PostgreSQL 15; it came with 18");

    let mut facts = facts(16 * GB, 4);
    facts.software.postgresql =
        vec![Postgres { major: Some(18), extensions: Some(vec!["auto_explain".to_owned()]), ..Postgres::default() }];
    let mut profile = with(&["postgresql"]);
    let list = ["auto_explain", "timescaledb"].map(str::to_owned).to_vec();
    flag(&mut profile, "postgresql.shared_preload_libraries", Value::List(list));
    let found = build(&facts, &profile).unwrap();
    let found = finding(&found, "versions").unwrap();
    assert!(found.message.contains("timescaledb is not installed"), "{found:?}");
}

#[test]
fn writing_without_a_limit_is_a_warning() {
    let mut profile = with(&["postgresql", "duckdb"]);
    flag(&mut profile, "duckdb.max_temp_directory_size", Value::Int(-1));
    let plan = build(&facts(16 * GB, 4), &profile).unwrap();
    let found = plan.findings.iter().find(|f| f.severity == Severity::Warning).unwrap();
    assert_eq!(found.invariant, "disk.wal");
    assert_eq!(found.next.as_deref(), Some("unset duckdb.max_temp_directory_size"));
}

#[test]
fn a_full_disk_is_named_with_its_own_numbers() {
    let mut facts = facts(16 * GB, 4);
    let disk = |mount: &str, free: u64| Disk {
        mount: mount.to_owned(),
        size_bytes: Some(TB),
        free_bytes: Some(free),
        ..Disk::default()
    };
    facts.disks = vec![disk("/", 500 * GB), disk("/var/lib/duckdb", 20 * GB)];
    let mut profile = with(&["postgresql", "duckdb"]);
    flag(&mut profile, "duckdb.max_temp_directory_size", Value::Bytes(100 * GB));
    let plan = build(&facts, &profile).unwrap();
    let found = finding(&plan, "disk.wal").unwrap();
    assert_eq!(found.message, "DuckDB may spill 100 GB to 20.0 GB of free space on /var/lib/duckdb");
    assert_eq!(found.next.as_deref(), Some("free space there, or lower duckdb.max_temp_directory_size"));
}

#[test]
fn a_pinned_percentage_is_a_part_of_a_pinned_strict_limit() {
    let broken = |ratio: i64| {
        let mut profile = with(&["postgresql", "duckdb"]);
        flag(&mut profile, "kernel.vm.overcommit_memory", Value::Int(2));
        flag(&mut profile, "kernel.vm.overcommit_ratio", Value::Int(ratio));
        let plan = build(&with_sysctl(&[]), &profile).unwrap();
        assert_eq!(value(&plan, "kernel.vm.overcommit_ratio"), ratio.to_string());
        finding(&plan, "memory.overcommit").cloned()
    };
    assert!(broken(95).is_none());
    let found = broken(20).unwrap();
    assert!(found.numbers.contains(&("ratio".to_owned(), "20".to_owned())), "{found:?}");
}

#[test]
fn a_scheduler_for_all_devices_is_taken_by_all_and_judged() {
    let mut facts = facts(16 * GB, 4);
    let device = |name: &str| crate::facts::Device {
        name: name.to_owned(),
        schedulers: vec!["none".to_owned(), "mq-deadline".to_owned()],
        read_ahead_kb: Some(128),
        ..Default::default()
    };
    let devices = vec![device("sda"), device("sdb")];
    facts.disks = vec![Disk { mount: "/".to_owned(), devices, ..Disk::default() }];
    let mut profile = with(&["postgresql"]);
    text(&mut profile, "disk.scheduler", "deadline");
    text(&mut profile, "disk.sdb.scheduler", "none");
    let plan = build(&facts, &profile).unwrap();
    assert_eq!((value(&plan, "disk.sda.scheduler"), value(&plan, "disk.sdb.scheduler")), ("deadline", "none"));
    assert_eq!(finding(&plan, "disk.scheduler").unwrap().message, "sda does not offer deadline");
    assert!(finding(&plan, "config.unused").is_none());
}

#[test]
fn reading_ahead_is_set_where_it_counts() {
    let mut facts = facts(16 * GB, 4);
    let device = crate::facts::Device { name: "sda".to_owned(), read_ahead_kb: Some(128), ..Default::default() };
    let stacked = crate::facts::Stacked {
        name: "dm-3".to_owned(),
        mapped_as: Some("vg-data".to_owned()),
        read_ahead_kb: Some(128),
    };
    facts.disks =
        vec![Disk { mount: "/".to_owned(), devices: vec![device], stacked: Some(stacked), ..Disk::default() }];
    let mut profile = with(&["postgresql"]);
    let plan = build(&facts, &profile).unwrap();
    assert_eq!(value(&plan, "disk.dm-3.read_ahead_kb"), "4096");
    assert!(plan.setting("disk.sda.read_ahead_kb").is_none());
    // A pin that is of no use is named.
    flag(&mut profile, "disk.sda.read_ahead_kb", Value::Int(256));
    let plan = build(&facts, &profile).unwrap();
    let found = finding(&plan, "config.unused").unwrap();
    assert!(found.message.starts_with("disk.sda.read_ahead_kb ("), "{found:?}");
}

#[test]
fn what_is_broken_is_said_with_its_numbers() {
    let message = |key: &'static str, value: Value, name: &str| {
        let mut profile = with(&["postgresql", "pgbouncer", "nginx", "api"]);
        flag(&mut profile, key, value);
        let plan = build(&facts(16 * GB, 4), &profile).unwrap();
        finding(&plan, name).unwrap().message.clone()
    };
    let files = message("limits.units.nofile", Value::Int(1024), "descriptors");
    assert!(files.contains("worker_rlimit_nofile 65535 > LimitNOFILE 1024"), "{files}");
    let backlog = message("kernel.net.core.somaxconn", Value::Int(128), "network");
    assert!(backlog.contains("≤ somaxconn 128 ≤"), "{backlog}");
    let certificate = message("nginx.tls_certificate", Value::Text("/etc/ssl/a.pem".to_owned()), "tls.certificates");
    assert_eq!(
        certificate,
        "nginx.tls_certificate is set and nginx.tls_certificate_key is not: there is no TLS without both"
    );
}

#[test]
fn a_cut_descriptor_limit_is_named() {
    let mut profile = with(&["postgresql", "nginx"]);
    flag(&mut profile, "kernel.fs.nr_open", Value::Int(60_000));
    let plan = build(&facts(16 * GB, 4), &profile).unwrap();
    let setting = plan.setting("limits.units.nofile").unwrap();
    assert_eq!(setting.value, "60000");
    assert!(setting.reason.caps.iter().any(|c| c.contains("fs.nr_open")), "{setting:?}");
}

#[test]
fn certificates_are_judged_by_what_was_read_of_them() {
    let mut profile = with(&["nginx"]);
    text(&mut profile, "nginx.tls_certificate", "/etc/ssl/site.pem");
    text(&mut profile, "nginx.tls_certificate_key", "/etc/ssl/site.key");
    let judged = |certificate: Option<crate::facts::Certificate>| {
        let mut facts = facts(4 * GB, 2);
        facts.certificates = certificate.into_iter().collect();
        let plan = build(&facts, &profile).unwrap();
        let check = plan.checks.into_iter().find(|c| c.invariant == "tls.certificates").unwrap();
        (check.holds, check.message)
    };
    let good = crate::facts::Certificate {
        path: "/etc/ssl/site.pem".to_owned(),
        key: "/etc/ssl/site.key".to_owned(),
        not_after: Some("2027-03-01T00:00:00Z".to_owned()),
        days_left: Some(90),
        fits_key: Some(true),
        key_mode: Some("0600".to_owned()),
        key_open: Some(false),
        ..Default::default()
    };
    assert_eq!(judged(None).0, None);
    assert_eq!(judged(Some(good.clone())).0, Some(true));
    type Change = fn(&mut crate::facts::Certificate);
    let faults: [(Change, &str); 5] = [
        (|c| c.days_left = Some(-1), "expired"),
        (|c| c.days_left = Some(12), "in 12 days"),
        (|c| c.fits_key = Some(false), "is not the certificate of the key"),
        (|c| c.key_open = Some(true), "may be read by everybody"),
        (|c| c.missing = true, "is missing"),
    ];
    for (change, says) in faults {
        let mut bad = good.clone();
        change(&mut bad);
        let (holds, message) = judged(Some(bad));
        assert_eq!(holds, Some(false), "{message}");
        assert!(message.contains(says), "{message}");
    }
}

#[test]
fn remedies_name_only_what_is_there() {
    let mut profile = with(&["postgresql"]);
    flag(&mut profile, "postgresql.superuser_reserved_connections", Value::Int(300));
    let plan = build(&facts(16 * GB, 4), &profile).unwrap();
    for found in &plan.findings {
        let next = found.next.as_deref().unwrap_or_default();
        assert!(!next.contains("pgbouncer") && !next.contains("duckdb") && !next.contains("nginx"), "{found:?}");
    }
    assert!(finding(&plan, "connections.pool").is_some());
    let plan = build(&facts(256 * MB, 1), &with(&["postgresql", "duckdb", "api"])).unwrap();
    assert!(finding(&plan, "memory.fit").unwrap().next.as_deref().unwrap().contains("host.components"));
    let plan = build(&facts(64 * MB, 1), &with(&["postgresql"])).unwrap();
    assert_eq!(finding(&plan, "memory.fit").unwrap().next.as_deref(), Some("give the host more memory"));
}

#[test]
fn the_guides_terms_are_told_one_by_one() {
    let mut profile = with(&["postgresql", "pgbouncer", "duckdb"]);
    text(&mut profile, "plan.sizing", "guide");
    let plan = build(&facts(64 * GB, 16), &profile).unwrap();
    let check = plan.checks.iter().find(|c| c.invariant == "memory.total").unwrap();
    let number = |name: &str| check.numbers.iter().find(|(n, _)| n.contains(name)).map(|(_, v)| v.as_str()).unwrap();
    assert_eq!(number("work_mem of clients"), "99.1 GB");
    assert_eq!(number("temp_buffers"), "6.25 GB");
    assert_eq!(number("autovacuum workers"), "8.00 GB");
}

#[test]
fn large_hosts_get_more_vacuum_and_short_transactions_no_jit() {
    let mut profile = with(&["postgresql"]);
    text(&mut profile, "plan.workload", "oltp");
    text(&mut profile, "host.disk", "nvme");
    let plan = build(&facts(256 * GB, 64), &profile).unwrap();
    assert_eq!(value(&plan, "postgresql.autovacuum_max_workers"), "8");
    assert_eq!(value(&plan, "postgresql.autovacuum_vacuum_cost_limit"), "2000");
    assert_eq!(value(&plan, "postgresql.jit"), "off");
    assert_eq!(value(&plan, "postgresql.reserved_connections"), "2");
    // Sixteen CPUs' share of memory would not bear eight of them.
    let plan = build(&facts(8 * GB, 64), &profile).unwrap();
    assert_eq!(value(&plan, "postgresql.autovacuum_max_workers"), "4");
    let guessed = build(&facts(8 * GB, 4), &with(&["postgresql"])).unwrap();
    assert_eq!(value(&guessed, "postgresql.autovacuum_vacuum_cost_limit"), "200");
    assert_eq!(value(&guessed, "postgresql.jit"), "on");
}

#[test]
fn minimal_wal_leaves_no_senders_and_is_refused_beside_what_needs_more() {
    let mut profile = with(&["postgresql"]);
    text(&mut profile, "postgresql.wal_level", "minimal");
    let plan = build(&facts(16 * GB, 4), &profile).unwrap();
    assert_eq!(value(&plan, "postgresql.max_wal_senders"), "0");
    assert!(finding(&plan, "versions").is_none());
    for (key, pin, says) in [
        ("postgresql.max_wal_senders", Value::Int(5), "max_wal_senders = 5"),
        ("postgresql.archive_mode", Value::Text("on".to_owned()), "archive_mode"),
        ("postgresql.replicas", Value::Int(1), "1 replica"),
    ] {
        let mut profile = profile.clone();
        flag(&mut profile, key, pin);
        let plan = build(&facts(16 * GB, 4), &profile).unwrap();
        let found = finding(&plan, "versions").unwrap_or_else(|| panic!("{key} is let pass"));
        assert_eq!(found.severity, Severity::Error);
        assert!(found.message.contains(says) && found.message.contains("wal_level"), "{}", found.message);
    }
}

#[test]
fn two_services_on_one_port_are_an_error_that_names_both() {
    let all = ["postgresql", "pgbouncer", "nginx", "api"];
    let clash = |pins: &[(&str, Value)]| {
        let mut profile = with(&all);
        for (key, pin) in pins {
            flag(&mut profile, key, pin.clone());
        }
        let plan = build(&facts(16 * GB, 4), &profile).unwrap();
        plan.findings.into_iter().find(|f| f.invariant == "network" && f.severity == Severity::Error)
    };
    for (key, port, other) in [
        ("pgbouncer.listen_port", 5432, "postgresql.port"),
        ("nginx.http_port", 6432, "pgbouncer.listen_port"),
        ("api.port", 5432, "postgresql.port"),
    ] {
        let found = clash(&[(key, Value::Int(port))]).unwrap_or_else(|| panic!("{key} is let pass"));
        assert!(found.message.contains(key) && found.message.contains(other), "{}", found.message);
        assert_eq!(found.next, Some(format!("unset {key}")));
    }
    assert!(clash(&[]).is_none());
    // Each at an address of its own.
    let apart = [
        ("pgbouncer.listen_port", Value::Int(5432)),
        ("pgbouncer.listen_addr", Value::Text("10.0.0.1".to_owned())),
        ("postgresql.listen_addresses", Value::Text("localhost".to_owned())),
    ];
    assert!(clash(&apart).is_none());
}

#[test]
fn no_memory_at_all_is_refused() {
    let refused = build(&facts(0, 4), &with(&["postgresql"])).unwrap_err().to_string();
    assert!(refused.contains("less than any host has"), "{refused}");
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

/// Pins at and beyond the ends of what makes sense.
fn any_pins() -> impl Strategy<Value = Vec<(&'static str, Value)>> {
    let count = |key: &'static str, least: i64, most: i64| {
        prop_oneof![Just(least), Just(most), least..=most].prop_map(move |n| (key, Value::Int(n))).boxed()
    };
    let size = |key: &'static str| (16u32..=60).prop_map(move |bits| (key, Value::Bytes(1 << bits))).boxed();
    let pin = proptest::strategy::Union::new([
        count("postgresql.max_connections", 1, 262_143),
        count("postgresql.autovacuum_max_workers", 1, 262_143),
        count("postgresql.max_worker_processes", 0, i64::from(i32::MAX)),
        count("postgresql.max_parallel_workers", 0, i64::from(i32::MAX)),
        count("postgresql.max_wal_senders", 0, i64::from(i32::MAX)),
        count("postgresql.reserved_connections", 0, i64::from(i32::MAX)),
        count("postgresql.superuser_reserved_connections", 0, i64::from(i32::MAX)),
        count("postgresql.replicas", 0, 100),
        count("postgresql.primary_max_connections", 1, 262_143),
        count("postgresql.primary_max_wal_senders", 0, 262_143),
        count("pgbouncer.default_pool_size", 1, 100_000),
        count("pgbouncer.reserve_pool_size", 0, i64::from(i32::MAX)),
        count("pgbouncer.max_client_conn", 1, 1_000_000),
        count("pgbouncer.pools", 1, 10_000),
        count("api.workers", 1, 10_000),
        count("api.pool_size", 1, 10_000),
        count("nginx.worker_processes", 1, 65_536),
        count("nginx.worker_connections", 64, 1_000_000),
        count("duckdb.threads", 1, 100_000),
        count("kernel.vm.nr_hugepages", 0, i64::from(i32::MAX)),
        size("postgresql.shared_buffers"),
        size("postgresql.work_mem"),
        size("postgresql.maintenance_work_mem"),
        size("postgresql.temp_buffers"),
        size("postgresql.max_wal_size"),
        size("postgresql.min_wal_size"),
        size("postgresql.max_slot_wal_keep_size"),
        size("duckdb.memory_limit"),
        size("duckdb.max_temp_directory_size"),
        size("host.other_memory"),
        size("budget.reserve"),
        size("llm.memory"),
        Just(("postgresql.huge_pages", Value::Text("on".to_owned()))).boxed(),
    ]);
    proptest::collection::vec(pin, 1..6)
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
            enough.memory.effective_bytes = enough.memory.effective_bytes.map(|needed| needed - MB);
            let smaller = build(&enough, &profile).unwrap();
            let refused = smaller.findings.iter().any(|f| f.invariant == "memory.fit");
            prop_assert!(refused, "less than {needed} would do");
        }
        for setting in &plan.settings {
            if let Some(bytes) = setting.bytes {
                prop_assert_eq!(bytes % KB, 0, "{} is not whole kB", &setting.key);
            }
            prop_assert!(!setting.reason.formula.is_empty(), "{} has no reason", &setting.key);
            if setting.component == Component::PostgreSql {
                let entry = catalogue::find(&setting.name, plan.host.postgresql_version);
                let judged = entry.ok_or("unknown to this version".to_owned()).and_then(|e| e.check(&setting.value));
                prop_assert_eq!(judged, Ok(()), "{} = {}", &setting.key, &setting.value);
            }
        }
        // Every file is read back by its own parser, or there is an error. Rendering takes longer than planning, so a
        // quarter of the hosts, by the last bits of their memory, stands for all.
        let total = facts.memory.total_bytes.unwrap_or_default();
        if total.is_multiple_of(4) || std::env::var_os("LLMSQL_EXTENDED").is_some() {
            let files = crate::render::render(&plan, &crate::render::Options::default());
            prop_assert!(files.is_ok(), "{files:?}");
        }
        for finding in &plan.findings {
            let known = invariants::find(&finding.invariant).is_some()
                || invariants::PREMISES.iter().any(|p| p.name == finding.invariant);
            prop_assert!(known, "{} cannot be explained", &finding.invariant);
        }
    }

    /// Whatever is pinned, there is a plan, which names what it breaks.
    #[test]
    fn no_pin_is_too_odd_to_be_planned_with((facts, mut profile) in any_host(), pins in any_pins(), guide in any::<bool>()) {
        if guide {
            flag(&mut profile, "plan.sizing", Value::Text("guide".to_owned()));
        }
        for (key, value) in pins {
            flag(&mut profile, key, value);
        }
        let plan = build(&facts, &profile).unwrap();
        if !guide && broken_memory(&plan) {
            if let Some(enough) = would_do(&plan) {
                let of = |ram: u64| {
                    let mut facts = facts.clone();
                    facts.memory.effective_bytes = Some(ram);
                    build(&facts, &profile)
                };
                prop_assert!(!broken_memory(&of(enough).unwrap()), "{enough} would not do");
                prop_assert!(broken_memory(&of(enough - MB).unwrap()), "less than {enough} would do");
            }
            let found = finding(&plan, "memory.fit").or_else(|| finding(&plan, "memory.total")).unwrap();
            let next = found.next.as_deref().unwrap_or_default();
            if let Some(pins) = next.strip_prefix("unset or lower ") {
                let mut free = profile.clone();
                let pins = pins.split(", or give").next().unwrap_or_default();
                for pin in pins.split(" and ").filter(|_| !pins.contains(" or ")) {
                    prop_assert!(free.values.remove(pin).is_some(), "{pin} is no pin");
                }
                for pin in pins.split(" or ").filter(|_| pins.contains(" or ")) {
                    let mut free = profile.clone();
                    prop_assert!(free.values.remove(pin).is_some(), "{pin} is no pin");
                    prop_assert!(!broken_memory(&build(&facts, &free).unwrap()), "{pin} is not the cause");
                }
                let together = pins.contains(" or ") || !broken_memory(&build(&facts, &free).unwrap());
                prop_assert!(together, "{pins} is not the cause");
            }
        }
        for finding in &plan.findings {
            prop_assert!(!finding.message.is_empty());
            prop_assert!(!guide || finding.severity != Severity::Error, "{finding:?}");
        }
        for setting in plan.settings.iter().filter(|s| s.origin.is_some()) {
            let pinned = &profile.get(&setting.key).unwrap().value;
            prop_assert_eq!(pinned, &setting.typed);
        }
    }

    #[test]
    fn guide_sizing_never_refuses((facts, mut profile) in any_host()) {
        flag(&mut profile, "plan.sizing", Value::Text("guide".to_owned()));
        let plan = build(&facts, &profile).unwrap();
        prop_assert!(plan.findings.iter().all(|f| f.severity != Severity::Error), "{:?}", plan.findings);
    }
}
