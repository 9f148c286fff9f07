//! The rendered files in real servers: they start with them, and what they were given is what they say they have.

use crate::support::{PgBouncer, Planned, Postgres};
use llmsql::postgres::catalogue;
use std::collections::BTreeMap;

/// What the test decides for its servers, whatever a file says.
const OURS: &[&str] = &["listen_addresses", "port", "unix_socket_directories", "logging_collector", "log_destination"];

/// Starts a server with the rendered file, and compares every planned value with what it shows.
#[track_caller]
fn starts_with_every_value(major: u32, flags: &[&str]) {
    let version = format!("postgresql.version={major}");
    let planned = Planned::new(major, "postgresql,pgbouncer", &[flags, &["--set", &version]].concat());
    let server = Postgres::new(major).config(&planned.file("50-llmsql.conf")).start();
    let errors = server.query("SELECT sourceline, name, error FROM pg_file_settings WHERE error IS NOT NULL");
    assert_eq!(errors, "", "PostgreSQL {major}");

    let values = planned.values("postgresql");
    assert!(values.len() > 30, "only {} values are planned", values.len());
    let rows = server.query("SELECT name || '=' || setting FROM pg_settings");
    let shown: BTreeMap<&str, &str> = rows.lines().filter_map(|row| row.split_once('=')).collect();
    let mut wrong = Vec::new();
    for (name, value) in values.iter().filter(|(name, _)| !OURS.contains(&name.as_str())) {
        let Some(shown) = shown.get(name.as_str()) else {
            wrong.push(format!("{name}: the server has none"));
            continue;
        };
        let entry = catalogue::find(name, major).unwrap_or_else(|| panic!("{name} is not in the catalogue"));
        // pg_settings shows numbers in the setting's unit, and words as they are.
        let same = value == "-1" && name == "wal_buffers" && *shown != "-1" // -1 has the server choose at its start
            || match (entry.number(value), shown.parse::<f64>()) {
            (Ok(ours), Ok(theirs)) => (ours - theirs).abs() <= theirs.abs() * 1e-6,
            _ => value == shown,
        };
        if !same {
            wrong.push(format!("{name}: planned {value}, shown {shown}"));
        }
    }
    assert!(wrong.is_empty(), "PostgreSQL {major} {flags:?}:\n{}", wrong.join("\n"));
}

#[test]
fn postgresql_18_starts_with_this_hosts_file() {
    starts_with_every_value(18, &[]);
}

#[test]
fn postgresql_18_starts_with_a_small_hosts_file() {
    starts_with_every_value(18, &["--ram", "2GB", "--cpus", "2"]);
    starts_with_every_value(18, &["--ram", "512MB", "--cpus", "1", "--disk", "hdd"]);
}

#[test]
fn postgresql_18_starts_with_the_guides_sizing() {
    starts_with_every_value(18, &["--ram", "8GB", "--cpus", "4", "--sizing", "guide"]);
}

#[test]
fn older_versions_start_with_their_files() {
    for major in Postgres::majors().into_iter().filter(|m| *m < 18) {
        starts_with_every_value(major, &[]);
        starts_with_every_value(major, &["--ram", "2GB", "--cpus", "2"]);
    }
}

#[test]
fn pgbouncer_runs_with_its_file_and_takes_a_client_to_postgresql() {
    let planned = Planned::new(18, "postgresql,pgbouncer", &["--ram", "2GB", "--cpus", "2"]);
    let server = Postgres::new(18).config(&planned.file("50-llmsql.conf")).start();
    let pooler = PgBouncer::start(&server, &planned.file("pgbouncer.ini"));
    assert_eq!(pooler.query("SHOW max_connections"), planned.values("postgresql")["max_connections"]);

    let config = pooler.admin("SHOW CONFIG");
    let shown: BTreeMap<&str, &str> =
        config.lines().filter_map(|l| Some((l.split('|').next()?, l.split('|').nth(1)?))).collect();
    // Where it listens and whom it lets in are the test's.
    let ours = ["listen_addr", "listen_port", "unix_socket_dir", "auth_type", "logfile", "pidfile"];
    let mut compared = 0;
    for (name, value) in planned.values("pgbouncer") {
        if ours.contains(&name.as_str()) || name.starts_with("databases") {
            continue;
        }
        assert_eq!(shown.get(name.as_str()), Some(&value.as_str()), "{name}");
        compared += 1;
    }
    assert!(compared > 8, "only {compared} values are compared");
    let warnings: String = pooler.log().lines().filter(|l| l.contains("WARNING") || l.contains("ERROR")).collect();
    assert_eq!(warnings, "", "PgBouncer warns");
}
