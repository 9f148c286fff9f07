//! Any host: whatever it has and whatever is wanted of it, every file is rendered, is read again by a reader of its own
//! language, and holds together with the others.
//!
//! `LLMSQL_EXTENDED=1` tries ten times as many hosts.

mod edge;
mod language;

use llmsql::facts::{Device, Disk, Facts, Nginx, Package};
use llmsql::plan::{Plan, Severity, build};
use llmsql::profile::{Origin, Profile};
use llmsql::render::{self, Options, RenderedFile};
use llmsql::value::Value;
use proptest::prelude::*;
use std::collections::BTreeSet;

/// The n-th of some, whatever n is.
fn pick<T: Clone>(of: &[T], n: u8) -> T {
    of[usize::from(n) % of.len()].clone()
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn list(items: &[&str]) -> Value {
    Value::List(items.iter().map(|i| (*i).to_owned()).collect())
}

/// A host and what is wanted of it, made of plain numbers, so that a failure shrinks to few of them.
fn any_host() -> impl Strategy<Value = (Facts, Profile)> {
    (29u32..=41, 1u32..=256, 1u32..128, any::<u64>(), proptest::array::uniform16(any::<u8>())).prop_map(
        |(bits, cpus, parts, switches, chosen)| {
            let on = |switch: u32| switches & (1 << switch) != 0;
            let facts = facts_of(1 << bits, cpus, &on, &chosen);
            let components = llmsql::profile::keys::COMPONENTS;
            let here = components.iter().enumerate().filter(|(i, _)| parts & (1 << i) != 0);
            let mut profile = Profile::default();
            let mut set = |key: &str, value: Value| profile.set(key, value, Origin::Flag { name: "--set".to_owned() });
            set("host.components", Value::List(here.map(|(_, c)| (*c).to_owned()).collect()));
            set("plan.sizing", text(pick(&["budget", "budget", "guide"], chosen[0])));
            set("plan.workload", text(pick(&["oltp", "mixed", "analytics", "vector"], chosen[1])));
            set("postgresql.version", Value::Int(14 + i64::from(chosen[2] % 5)));
            for (switch, key, value) in [
                (20, "llm.memory", Value::Bytes(1 << (bits - 3))),
                (21, "nginx.tls_certificate", text("/etc/ssl/edge.crt")),
                (21, "nginx.tls_certificate_key", text("/etc/ssl/edge.key")),
                (22, "nginx.cors_origins", list(&["https://app.example.com", "http://localhost:3000"])),
                (23, "nginx.resolver", text("127.0.0.53")),
                (24, "nginx.ssl_stapling", Value::Bool(true)),
                (25, "nginx.ipv6", Value::Bool(false)),
                (26, "nginx.server_name", text("api.example.com www.example.com")),
                (27, "nginx.metrics_allow", list(&["10.0.0.0/8", "2001:db8::/32"])),
                (28, "nginx.api_burst", Value::Int(0)),
                (29, "api.metrics_path", text("/internal/metrics")),
                (30, "api.log_fields", list(&["correlation_id", "scheme", "tls_version", "tier"])),
                (31, "host.containers", Value::Bool(on(32))),
                (33, "containers.placement", text("node.role == manager")),
                (34, "containers.postgresql.tls_certificate", text("/srv/tls/db.crt")),
                (34, "containers.postgresql.tls_certificate_key", text("/srv/tls/db.key")),
                (35, "maintenance.secrets_rotation", text(pick(&["monthly", "Sun *-*-* 04:00:00"], chosen[3]))),
                (36, "maintenance.index_day", text(pick(&["daily", "Mon", "Sat", "Sun"], chosen[4]))),
                (37, "maintenance.index_hour", Value::Int(i64::from(chosen[5] % 24))),
                (38, "postgresql.database", text(pick(&["shop", "Shop-1", "llm.analytics_2"], chosen[6]))),
                (39, "postgresql.work_mem", Value::Bytes(1 << (20 + chosen[7] % 10))),
                (40, "postgresql.archive_command", text("test ! -f '/srv/it''s \\wal/%f' && cp %p /srv/wal/%f")),
                (41, "limits.units.api.name", text("shop@1.service")),
                (42, "api.database_host", text("db.example.com")),
                (43, "nginx.login_path", text("/login")),
                (44, "nginx.login_rate_per_minute", Value::Int(1 + i64::from(chosen[8]))),
                (45, "host.other_memory", Value::Bytes(1 << (bits - 4))),
            ] {
                if on(switch) {
                    set(key, value);
                }
            }
            for (place, upstream) in ["api", "duckdb", "llm"].into_iter().enumerate() {
                if on(46 + place as u32) {
                    let address = pick(
                        &["10.1.2.3:8000", "[2001:db8::1]:80", "unix:/run/api.sock", "api.internal:8000"],
                        chosen[9 + place],
                    );
                    set(&format!("nginx.{upstream}_upstream"), text(address));
                }
            }
            (facts, profile)
        },
    )
}

fn facts_of(ram: u64, cpus: u32, on: &dyn Fn(u32) -> bool, chosen: &[u8; 16]) -> Facts {
    let mut facts = Facts { schema: Facts::SCHEMA, ..Facts::default() };
    facts.memory.total_bytes = Some(ram);
    facts.memory.effective_bytes = Some(ram);
    facts.cpu.online = Some(cpus);
    facts.cpu.effective = Some(cpus);
    facts.container.systemd = pick(&[None, Some(true), Some(true), Some(false)], chosen[12]);
    facts.container.kind = on(0).then(|| "docker".to_owned());
    facts.kernel.ipv6 = pick(&[None, Some(true), Some(false)], chosen[13]);
    facts.software.docker = on(1).then(Package::default);
    facts.software.pgbouncer = on(2)
        .then(|| Package { version: Some(pick(&["1.18.0", "1.21.0", "1.24.1"], chosen[14]).to_owned()), path: None });
    facts.software.nginx = on(3).then(|| Nginx {
        version: Some(pick(&["1.18.0", "1.22.1", "1.25.0", "1.25.1", "1.27.3", "1.31.3"], chosen[15]).to_owned()),
        openssl: on(4).then(|| pick(&["1.0.2k", "1.1.0l", "1.1.1w", "3.0.15", "3.5.1"], chosen[14]).to_owned()),
        modules: on(5).then(|| {
            let known = ["http_stub_status", "brotli", "http_ssl"].into_iter().enumerate();
            known.filter(|(i, _)| on(6 + *i as u32)).map(|(_, m)| m.to_owned()).collect()
        }),
        path: None,
    });
    let users = ["nginx", "www-data", "postgres"].into_iter().enumerate();
    facts.software.users = users.filter(|(i, _)| on(9 + *i as u32)).map(|(_, u)| u.to_owned()).collect();
    facts.limits.nofile_hard = on(12).then_some(1 << (10 + chosen[11] % 12));
    facts.limits.nproc_hard = on(13).then_some(1 << (10 + chosen[10] % 14));
    if on(14) {
        let known =
            ["net.core.somaxconn", "fs.nr_open", "fs.file-max", "vm.swappiness", "vm.dirty_bytes", "vm.nr_hugepages"];
        let there = known.into_iter().filter(|k| k.len() % 7 != usize::from(chosen[13]) % 7);
        facts.kernel.sysctl =
            there.map(|k| (k.to_owned(), u64::from(chosen[9]).pow(u32::from(chosen[8] % 5)).to_string())).collect();
    }
    let device = |name: &str, transport: &str, rotational: Option<bool>, schedulers: &[&str]| Device {
        name: name.to_owned(),
        transport: Some(transport.to_owned()),
        rotational,
        schedulers: schedulers.iter().map(|s| (*s).to_owned()).collect(),
        read_ahead_kb: on(15).then_some(128),
        ..Device::default()
    };
    let devices = [
        device("nvme0n1", "nvme", Some(false), &["none", "mq-deadline"]),
        device("sda", "sata", Some(true), &["mq-deadline", "bfq"]),
        device("vda", "virtio", None, &["none"]),
        device("dm-0", "unknown", Some(false), &[]),
    ];
    for (place, mount) in ["/", "/var/lib/postgresql", "/var/lib/duckdb"].into_iter().enumerate() {
        if on(16 + place as u32) {
            facts.disks.push(Disk {
                mount: mount.to_owned(),
                filesystem: Some(pick(&["ext4", "xfs", "zfs", "tmpfs"], chosen[place]).to_owned()),
                options: vec![pick(&["relatime", "noatime"], chosen[3 + place]).to_owned()],
                size_bytes: Some(1 << 38),
                free_bytes: Some(1 << (30 + chosen[6] % 8)),
                devices: devices.iter().skip(place).take(usize::from(chosen[7] % 3)).cloned().collect(),
                ..Disk::default()
            });
        }
    }
    facts
}

/// What every file is, whatever its language.
fn is_tidy(file: &RenderedFile) -> Result<&str, TestCaseError> {
    let text = std::str::from_utf8(&file.bytes).map_err(|e| TestCaseError::fail(e.to_string()))?;
    let place = &file.target;
    prop_assert!(place.starts_with('/') && !place.contains("..") && !place.contains("//"), "{place}");
    prop_assert!(text.ends_with('\n') && !text.ends_with("\n\n"), "{place} ends with one line end");
    prop_assert!(!text.contains("\n\n\n"), "{place} has two blank lines");
    for line in text.lines() {
        prop_assert_eq!(line.trim_end(), line, "blanks at an end in {}", place);
        prop_assert!(!line.contains('\t') && !line.contains("{{") && !line.contains("{%"), "{place}: {line}");
        let comment = line.trim_start().starts_with(['#', ';']) || line.trim_start().starts_with("-- ");
        prop_assert!(!comment || line.chars().count() <= 130, "{place} has a long comment: {line}");
    }
    Ok(text)
}

fn hosts(cases: u32) -> ProptestConfig {
    let cases = if std::env::var_os("LLMSQL_EXTENDED").is_some() { 10 * cases } else { cases };
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// Every file of a plan, tidy, each at its own place.
fn files_of(plan: &Plan) -> Result<Vec<RenderedFile>, TestCaseError> {
    let files = render::render(plan, &Options::default()).map_err(|e| TestCaseError::fail(e.to_string()))?;
    let places: BTreeSet<&str> = files.iter().map(|f| f.target.as_str()).collect();
    prop_assert_eq!(places.len(), files.len(), "two files at one place");
    Ok(files)
}

proptest! {
    #![proptest_config(hosts(2000))]

    #[test]
    fn every_file_of_any_host_is_read_again((facts, profile) in any_host()) {
        let plan = build(&facts, &profile).unwrap();
        let files = files_of(&plan)?;
        for file in &files {
            let text = is_tidy(file)?;
            language::read(&plan, file, text)?;
        }
        edge::holds_together(&plan, &files)?;
        if plan.setting("postgresql.shared_buffers").is_some() {
            let yaml = render::patroni(&plan, &Options::default()).unwrap();
            let yaml: serde_yaml::Value = serde_yaml::from_slice(&yaml).unwrap();
            prop_assert!(yaml["postgresql"]["parameters"]["shared_buffers"].is_string());
        }
    }
}

proptest! {
    #![proptest_config(hosts(40))]

    #[test]
    fn the_engines_take_what_any_host_is_given((facts, profile) in any_host()) {
        let plan = build(&facts, &profile).unwrap();
        // What breaks the budget is refused before it reaches a file.
        prop_assume!(plan.findings.iter().all(|f| f.severity != Severity::Error));
        let files = files_of(&plan)?;
        prop_assert_eq!(&files_of(&build(&facts, &profile).unwrap())?, &files, "the same host, the same bytes");
        for file in files {
            let sql = is_tidy(&file)?;
            if file.target.ends_with("duckdb/settings.sql") {
                let ran = duckdb::Connection::open_in_memory().and_then(|c| c.execute_batch(sql));
                prop_assert!(ran.is_ok(), "{:?}\n{}", ran, sql);
            } else if file.target.ends_with("pragmas.sql") {
                let ran = rusqlite::Connection::open_in_memory().and_then(|c| c.execute_batch(sql));
                prop_assert!(ran.is_ok(), "{:?}\n{}", ran, sql);
            }
        }
    }
}
