//! The catalogue of PostgreSQL's settings judges values as real servers do.

use crate::support::Postgres;
use llmsql::postgres::catalogue::{self, Kind};

/// Values of every kind, right for some settings and wrong for others.
const VALUES: &[&str] = &[
    "0",
    "1",
    "-1",
    "2",
    "63",
    "100",
    "5000",
    "2147483647",
    "2147483648",
    "99999999999",
    "0.5",
    "1.1",
    "-0.5",
    "1e3",
    "11e-1",
    ".5",
    "5.",
    "0x10",
    "0x",
    "017",
    "08",
    "63kB",
    "64kB",
    "1.5kB",
    "100MB",
    "1 GB",
    "10TB",
    "1gb",
    "1K",
    "5B",
    "500us",
    "250ms",
    "10s",
    "5min",
    "2 h",
    "30d",
    "1m",
    "on",
    "off",
    "o",
    "TRUE",
    "f",
    "yes",
    "n",
    "lz4",
    "zstd",
    "pglz",
    "try",
    "replica",
    "none",
    "abc",
    "",
    " ",
    "1 2",
    "--1",
    "+7",
    "1,2",
    "NaN",
    "inf",
];

#[test]
fn every_servers_own_values_are_accepted() {
    for major in Postgres::majors() {
        let server =
            Postgres::new(major).config("shared_preload_libraries = 'pg_stat_statements,auto_explain'").start();
        let rows =
            server.query("SELECT name || '=' || current_setting(name) FROM pg_settings WHERE context <> 'internal'");
        let mut count = 0;
        for (name, value) in rows.lines().filter_map(|row| row.split_once('=')) {
            let entry = catalogue::find(name, major).unwrap_or_else(|| panic!("{name} of {major} is missing"));
            assert_eq!(entry.check(value), Ok(()), "PostgreSQL {major}");
            count += 1;
        }
        assert!(count > 300, "PostgreSQL {major} has told of {count} settings only");
    }
}

#[test]
fn a_value_is_accepted_where_the_server_accepts_it_and_refused_where_it_refuses_it() {
    // What these settings refuse beyond their limits depends on the server's state or its build.
    const OTHER_GROUNDS: &[&str] =
        &["default_toast_compression", "max_stack_depth", "transaction_deferrable", "wal_compression"];
    for major in Postgres::majors() {
        let server = Postgres::new(major).start();
        server.query(
            "CREATE FUNCTION accepts(name text, value text) RETURNS bool LANGUAGE plpgsql AS $$
             BEGIN PERFORM set_config(name, value, true); RETURN true; EXCEPTION WHEN OTHERS THEN RETURN false; END $$",
        );
        let values: Vec<String> = VALUES.iter().map(|v| format!("('{v}')")).collect();
        let rows = server.query(&format!(
            "SELECT name || '|' || v || '|' || accepts(name, v) FROM pg_settings, (VALUES {}) AS t(v)
             WHERE context IN ('user', 'superuser') AND vartype <> 'string' AND name <> 'exit_on_error'",
            values.join(", ")
        ));
        let mut wrong = Vec::new();
        let mut judged = 0;
        for row in rows.lines() {
            let [name, value, accepted] = row.split('|').collect::<Vec<_>>()[..] else { panic!("{row}") };
            if OTHER_GROUNDS.contains(&name) {
                continue;
            }
            let entry = catalogue::find(name, major).unwrap_or_else(|| panic!("{name} of {major} is missing"));
            assert_ne!(entry.kind, Kind::String);
            judged += 1;
            if entry.check(value).is_ok() != (accepted == "true") {
                wrong.push(format!("{name} = \"{value}\": server {accepted}, ours {:?}", entry.check(value)));
            }
        }
        assert!(wrong.is_empty(), "PostgreSQL {major}, {} of {judged}:\n{}", wrong.len(), wrong.join("\n"));
        assert!(judged > 3000, "only {judged} judged");
    }
}
