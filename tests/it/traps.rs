//! Faults of the guide's text, and of tools that follow it: each with a test that the rendered files do not have it.
//!
//! What only a running server shows is in the modules of those servers; [`FAULTS`] says where.

use crate::files::Rendered;
use crate::support::Llmsql;
use llmsql::formats::{ini, nginx, postgresql_conf, sysctl};
use std::fs;
use std::path::Path;

/// Each fault, and the tests that would fail if a file had it.
const FAULTS: &[(&str, &[&str])] = &[
    // PostgreSQL.
    ("sizes in whole GB: 0GB on a small host", &["small_hosts_get_no_zero_gigabytes"]),
    ("io_uring where it is not to be had", &["postgresqls_file_has_nothing_that_keeps_a_server_from_starting"]),
    ("no LimitMEMLOCK for io_uring's rings and huge pages", &["a_services_drop_in_gives_it_what_limits_d_cannot"]),
    ("io_max_combine_limit alone", &["postgresqls_file_has_nothing_that_keeps_a_server_from_starting"]),
    ("max_worker_processes below 8", &["postgresqls_file_has_nothing_that_keeps_a_server_from_starting"]),
    (
        "a standby with less than its primary",
        &["a_standby_is_sized_by_its_primary", "a_standby_starts_with_what_is_planned_for_it"],
    ),
    ("wal_compression = lz4 in a build without it", &["the_version_and_the_build_are_the_servers"]),
    (
        "a name or a value that the server does not know",
        &["postgresql_18_starts_with_the_guides_sizing", "older_versions_start_with_their_files"],
    ),
    ("reserved connections that leave none", &["postgresqls_file_has_nothing_that_keeps_a_server_from_starting"]),
    (
        "a missing library preloaded, or two as one name",
        &["preloaded_libraries_are_kept_and_only_installed_ones_added"],
    ),
    ("fewer huge pages than shared_buffers needs", &["a_64_gb_host_gets_the_huge_pages_that_its_server_asks_for"]),
    (
        "archiving that fails, or replaces one that works",
        &["postgresqls_file_has_nothing_that_keeps_a_server_from_starting"],
    ),
    ("full_page_writes = off", &["postgresqls_file_has_nothing_that_keeps_a_server_from_starting"]),
    ("logind takes the shared memory away", &["a_services_drop_in_gives_it_what_limits_d_cannot"]),
    // PgBouncer.
    ("comments behind a value", &["pgbouncers_file_has_comments_of_their_own_and_only_known_names"]),
    ("prepared statements before 1.21", &["a_pgbouncer_that_is_known_to_keep_them_apart_gets_prepared_statements"]),
    ("a pool of 0, which is no limit", &["pgbouncers_file_has_comments_of_their_own_and_only_known_names"]),
    ("md5, and an auth_query of its own", &["pgbouncers_file_has_comments_of_their_own_and_only_known_names"]),
    ("query_timeout below statement_timeout", &["pgbouncers_file_has_comments_of_their_own_and_only_known_names"]),
    ("more clients than descriptors", &["a_services_drop_in_gives_it_what_limits_d_cannot"]),
    // NGINX.
    (
        "a location at http level, a zone bound twice, a zone by a variable, r/h",
        &["nginxs_zones_are_bound_once_and_keyed_by_what_is_defined"],
    ),
    (
        "upstreams that do not resolve at start, `resolve` in an older one",
        &["an_upstreams_name_is_looked_up_as_the_version_can"],
    ),
    ("`user nginx` on Debian", &["nginx_runs_as_a_user_who_is_there"]),
    (
        "`http2 on` before 1.25.1",
        &["http2_is_said_as_the_version_takes_it", "tls_is_mozillas_intermediate_profile_and_carries_http2"],
    ),
    ("`Connection: upgrade` for every request", &["connections_are_kept_upgraded_and_streamed"]),
    (
        "headers lost in a location that sets one",
        &["a_location_that_sets_one_header_sets_them_all", "errors_of_a_back_end_and_of_nginx_carry_the_headers"],
    ),
    ("a cache behind proxy_buffering off", &["a_cache_stands_only_where_answers_are_buffered"]),
    ("one user's answer for another", &["the_cache_answers_the_second_reader_and_never_with_another_users_answer"]),
    ("a cache that a client can go around", &["nginxs_zones_are_bound_once_and_keyed_by_what_is_defined"]),
    (
        "stapling with an issuer that has no OCSP; a public resolver",
        &["nginxs_zones_are_bound_once_and_keyed_by_what_is_defined"],
    ),
    ("a dhparam file that nobody made", &["every_file_of_any_host_is_read_again"]),
    ("503 in the place of 429, without Retry-After", &["every_limited_place_answers_429_after_exactly_its_burst"]),
    ("a login limit that is applied nowhere", &["every_limited_place_answers_429_after_exactly_its_burst"]),
    (
        "CORS for everybody, a preflight without its headers",
        &["a_browser_is_answered_before_it_sends_and_only_for_a_known_site"],
    ),
    ("X-XSS-Protection", &["nginxs_zones_are_bound_once_and_keyed_by_what_is_defined"]),
    (
        "a redirect to HTTPS where nobody listens",
        &["http_leads_to_https_where_there_is_a_certificate_and_nowhere_else"],
    ),
    (
        "health and metrics that `return` answers before `deny`",
        &["operation_is_for_the_allowed_networks_and_errors_carry_the_headers_too"],
    ),
    ("/api cut off in one file and kept in another", &["the_correlation_id_is_kept_made_and_passed_on"]),
    (
        "a correlation id that is logged only where the client sent one",
        &["each_line_of_the_log_is_json_that_follows_its_request"],
    ),
    (
        "two descriptors a connection, one counted",
        &["descriptors_follow_from_two_a_proxied_connection_and_reach_services"],
    ),
    ("API keys of the text as real ones", &["no_example_secret_and_no_key_of_the_guide_stands_in_a_file"]),
    // The kernel, limits and devices.
    ("comments behind a sysctl's value", &["sysctl_has_whole_values_and_lowers_nothing"]),
    ("shmmax, shmall and others lowered", &["sysctl_has_whole_values_and_lowers_nothing"]),
    ("dirty_bytes beside dirty_ratio", &["sysctl_has_whole_values_and_lowers_nothing"]),
    ("keys that this kernel does not have, left out in silence", &["sysctl_has_whole_values_and_lowers_nothing"]),
    ("vm.overcommit_memory = 2 on a shared host", &["strict_overcommit_is_for_postgresql_alone"]),
    ("limits.d for services", &["descriptors_follow_from_two_a_proxied_connection_and_reach_services"]),
    ("limits of logins lowered", &["what_a_host_gives_its_logins_is_not_lowered"]),
    (
        "schedulers that are gone from the kernel",
        &["a_rule_asks_for_what_the_device_offers_and_counts_for_its_class_alone"],
    ),
    // Containers.
    (
        "a limit that equals shared_buffers; /dev/shm of 64MB; the old volume",
        &["docker_compose_takes_both_files_and_their_limits_hold_the_budget"],
    ),
    (
        "placement outside of swarm",
        &[
            "docker_compose_takes_both_files_and_their_limits_hold_the_budget",
            "tls_swarm_and_an_older_image_are_there_where_they_are_asked_for",
        ],
    ),
    // DuckDB, SQL and secrets.
    (
        "options that DuckDB does not have; more external threads than threads",
        &["duckdb_takes_its_settings_and_has_them_then"],
    ),
    ("REVOKE ALL on public: vectors of no use", &["hardening_holds_on_the_guides_schema_and_may_be_run_again"]),
    ("rows by inet_client_addr() behind a pooler", &["hardening_holds_on_the_guides_schema_and_may_be_run_again"]),
    ("ALTER SYSTEM in a transaction; passwords in the text", &["hardening_is_one_transaction_and_knows_no_password"]),
    ("sed that breaks at a slash in a secret", &["env_file_server_and_userlist_change_together"]),
];

#[test]
fn every_fault_has_its_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = String::new();
    let mut todo = vec![root.join("tests/it"), root.join("src")];
    while let Some(dir) = todo.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                todo.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                sources += &fs::read_to_string(path).unwrap();
            }
        }
    }
    for (fault, tests) in FAULTS {
        for test in *tests {
            let there = sources.split("#[test]").skip(1).any(|t| t.trim_start().starts_with(&format!("fn {test}(")));
            assert!(there, "{fault}: no test is called {test}");
        }
    }
}

const TLS: &[&str] = &["--set", "nginx.tls_certificate=/c.crt", "--set", "nginx.tls_certificate_key=/c.key"];

fn conf(rendered: &Rendered, major: u32) -> postgresql_conf::Document {
    postgresql_conf::Document::parse(
        rendered.read(&format!("etc/postgresql/{major}/main/conf.d/50-llmsql.conf")).as_bytes(),
    )
}

/// The nginx files put together, without comments.
fn edge(rendered: &Rendered) -> String {
    let files = ["nginx.conf", "conf.d/rate-limiting.conf", "conf.d/caching.conf", "conf.d/llmsql.conf"];
    let text: String = files.map(|f| rendered.read(&format!("etc/nginx/{f}"))).concat();
    text.lines().filter(|l| !l.trim_start().starts_with('#')).map(|l| format!("{l}\n")).collect()
}

/// Calls the test with every directive, and the blocks it stands in, outermost first.
fn each<'a>(
    directives: &'a [nginx::Directive],
    inside: &mut Vec<&'a str>,
    see: &mut dyn FnMut(&nginx::Directive, &[&str]),
) {
    for directive in directives {
        see(directive, inside);
        inside.push(&directive.name);
        each(directive.block.as_deref().unwrap_or_default(), inside, see);
        inside.pop();
    }
}

#[test]
fn small_hosts_get_no_zero_gigabytes() {
    for ram in ["512MB", "1GB", "3GB", "7GB", "31GB"] {
        let run = Llmsql::new().args(["render", "--ram", ram, "--cpus", "1", "--only", "postgresql"]);
        let text = run.args(["--set", "host.components=postgresql"]).run().success().stdout;
        for name in ["shared_buffers", "work_mem", "maintenance_work_mem"] {
            let line = text.lines().find(|l| l.starts_with(&format!("{name} = "))).unwrap();
            assert!(llmsql::units::parse_bytes(line.split(" = ").nth(1).unwrap()).unwrap() >= 1 << 20, "{ram}: {line}");
        }
    }
}

#[test]
fn postgresqls_file_has_nothing_that_keeps_a_server_from_starting() {
    for major in [14, 15, 16, 17, 18] {
        let conf = conf(&Rendered::new(&["--set", &format!("postgresql.version={major}")]), major);
        // io_uring fails under seccomp, without liburing, and under kernel.io_uring_disabled.
        assert_eq!(conf.get("io_method"), (major >= 18).then_some("worker"));
        assert_eq!(conf.get("io_max_combine_limit"), None, "alone it has no effect");
        assert!(conf.get("max_worker_processes").unwrap().parse::<u32>().unwrap() >= 8);
        assert_eq!(conf.get("full_page_writes"), None);
        // What a build offers is not known here: nothing but the default is asked for.
        assert!(
            conf.get("wal_compression").is_none_or(|v| ["on", "off", "pglz"].contains(&v)),
            "lz4 may not be built in"
        );
        assert_eq!(conf.get("archive_command"), None, "no folder was named");
        let number = |name: &str| conf.get(name).map_or(0, |v| v.parse::<u32>().unwrap());
        assert!(number("superuser_reserved_connections") + number("reserved_connections") < number("max_connections"));
        assert!(conf.get("shared_preload_libraries").is_none_or(str::is_empty), "nothing is known to be installed");
    }
}

#[test]
fn sysctl_has_whole_values_and_lowers_nothing() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut seen = 0;
    for case in fs::read_dir(cases).unwrap() {
        let case = case.unwrap().path();
        let Ok(bytes) = fs::read(case.join("expected/etc/sysctl.d/99-llm-sql-tuning.conf")) else { continue };
        let document = sysctl::Document::parse(&bytes);
        for entry in document.entries() {
            seen += 1;
            let key = entry.key.to_owned();
            assert!(
                entry.value.chars().all(|c| c.is_ascii_digit()),
                "{key} = {}: a comment became a part",
                entry.value
            );
            assert!(!key.starts_with("kernel.sched_"), "{key} is gone from the kernel");
            // Of a tree without any key nothing is known.
            if !case.join("root/proc/sys").exists() {
                continue;
            }
            let now = fs::read_to_string(case.join("root/proc/sys").join(key.replace('.', "/")));
            let now = now.unwrap_or_else(|_| panic!("{}: this kernel has no {key}", case.display()));
            let more_is_better = ["fs.file-max", "fs.nr_open", "kernel.shm", "net.core.", "net.ipv4.tcp_max_syn"];
            if more_is_better.iter().any(|k| key.starts_with(k)) {
                let (now, planned): (u128, u128) = (now.trim().parse().unwrap(), entry.value.parse().unwrap());
                assert!(planned >= now, "{}: {key} falls from {now} to {planned}", case.display());
            }
        }
        let pairs = [("vm.dirty_bytes", "vm.dirty_ratio"), ("vm.dirty_background_bytes", "vm.dirty_background_ratio")];
        for (bytes, ratio) in pairs {
            assert!(document.get(bytes).is_none() || document.get(ratio).is_none(), "one sets the other to 0");
        }
    }
    assert!(seen > 100, "{seen}");
    let tree = tempfile::tempdir().unwrap();
    for (key, value) in [("net/core/somaxconn", "128"), ("vm/swappiness", "60"), ("fs/nr_open", "2000000")] {
        let path = tree.path().join("proc/sys").join(key);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("{value}\n")).unwrap();
    }
    let run = |command: &str| {
        let run = Llmsql::new().arg(command).root(tree.path()).args(["--ram", "8GB", "--cpus", "2"]);
        run.args(["--set", "host.components=postgresql"])
    };
    let text = run("render").args(["--only", "kernel"]).run().success().stdout;
    let document = sysctl::Document::parse(text.as_bytes());
    let keys: Vec<&str> = document.entries().map(|e| e.key).collect();
    assert_eq!(keys, ["net.core.somaxconn", "vm.swappiness", "fs.nr_open"], "what this kernel has");
    assert_eq!(document.get("fs.nr_open"), Some("2000000"), "raise only");
    let plan = run("plan").args(["--format", "json"]).run().success().json();
    let said = plan["findings"].as_array().unwrap().iter().find(|f| f["invariant"] == "kernel.keys").unwrap();
    let said = said["message"].as_str().unwrap();
    for left_out in ["vm.overcommit_memory", "net.ipv4.tcp_keepalive_time", "fs.file-max"] {
        assert!(said.contains(left_out), "{said}");
    }
}

#[test]
fn strict_overcommit_is_for_postgresql_alone() {
    let rendered = Rendered::new(&[]);
    let sysctl = sysctl::Document::parse(rendered.read("etc/sysctl.d/99-llm-sql-tuning.conf").as_bytes());
    assert_eq!(sysctl.get("vm.overcommit_memory"), Some("0"), "DuckDB and Python reserve memory they never touch");
}

#[test]
fn pgbouncers_file_has_comments_of_their_own_and_only_known_names() {
    let rendered = Rendered::new(&[]);
    let text = rendered.read("etc/pgbouncer/pgbouncer.ini");
    let document = ini::Document::parse(text.as_bytes());
    for entry in document.entries() {
        assert!(!entry.value.contains([';', '#']), "a comment would be a part of {} = {}", entry.key, entry.value);
    }
    assert_eq!(
        document.get("pgbouncer", "max_prepared_statements"),
        None,
        "before 1.21 an unknown name, and none starts"
    );
    assert_ne!(document.get("pgbouncer", "default_pool_size"), Some("0"), "0 is no limit from 1.24 on");
    assert_eq!(document.get("pgbouncer", "auth_type"), Some("scram-sha-256"));
    assert_eq!(document.get("pgbouncer", "auth_query"), None, "one of our own would have to know VALID UNTIL");
    let conf = conf(&rendered, 18);
    let seconds = |ms: &str| llmsql::units::parse_millis(ms).unwrap() / 1000;
    let query: u64 = document.get("pgbouncer", "query_timeout").unwrap().parse().unwrap();
    assert!(seconds(conf.get("statement_timeout").unwrap()) < query, "the server's own error reaches the client");
}

#[test]
fn a_pgbouncer_that_is_known_to_keep_them_apart_gets_prepared_statements() {
    let dir = tempfile::tempdir().unwrap();
    for (version, there) in [("1.18.0", false), ("1.20.1", false), ("1.21.0", true), ("1.24.1", true)] {
        let facts = dir.path().join("facts.json");
        let json =
            serde_json::json!({ "schema": 1, "absent": [], "software": { "pgbouncer": { "version": version } } });
        fs::write(&facts, json.to_string()).unwrap();
        let run =
            Llmsql::new().args(["render", "--ram", "8GB", "--cpus", "4", "--only", "pgbouncer", "--facts"]).arg(&facts);
        let text = run.args(["--set", "host.components=postgresql,pgbouncer"]).run().success().stdout;
        assert_eq!(text.contains("\nmax_prepared_statements = 200\n"), there, "{version}");
    }
}

#[test]
fn the_operators_entrance_to_pgbouncer_stays_and_the_difference_is_said() {
    let host = tempfile::tempdir().unwrap();
    fs::create_dir_all(host.path().join("proc")).unwrap();
    fs::create_dir_all(host.path().join("etc/pgbouncer")).unwrap();
    let own = "[databases]\nllm_analytics = host=db2 dbname=prod\n[pgbouncer]\nauth_type = md5\nlisten_port = 5433\npool_mode = session\n";
    fs::write(host.path().join("etc/pgbouncer/pgbouncer.ini"), own).unwrap();
    let render = |set: &str| {
        let run =
            Llmsql::new().args(["render", "--ram", "8GB", "--cpus", "4", "--only", "pgbouncer"]).root(host.path());
        run.args(["--set", "host.components=postgresql,pgbouncer", "--set", set]).run().success()
    };
    let run = render("host.disk=ssd");
    let document = ini::Document::parse(run.stdout.as_bytes());
    let kept = [("auth_type", "md5"), ("listen_port", "5433"), ("pool_mode", "session")];
    for (key, value) in kept {
        assert_eq!(document.get("pgbouncer", key), Some(value));
        assert!(run.stderr.contains(&format!("{key} = {value}")), "{}", run.stderr);
    }
    assert_eq!(document.get("databases", "llm_analytics"), Some("host=db2 dbname=prod"));
    assert_ne!(document.get("pgbouncer", "default_pool_size"), None);
    let pinned = render("pgbouncer.auth_type=scram-sha-256");
    assert_eq!(ini::Document::parse(pinned.stdout.as_bytes()).get("pgbouncer", "auth_type"), Some("scram-sha-256"));
}

#[test]
fn nginxs_zones_are_bound_once_and_keyed_by_what_is_defined() {
    for flags in [&[][..], TLS] {
        let rendered = Rendered::new(flags);
        let text = edge(&rendered);
        let compose = rendered.read("etc/llmsql/docker-compose.resources.yml");
        let document = nginx::Document::parse(text.as_bytes());
        let mut zones = Vec::new();
        each(document.directives(), &mut Vec::new(), &mut |directive, inside| {
            let place = inside.join(" ");
            match directive.name.as_str() {
                "limit_req_zone" | "limit_conn_zone" | "proxy_cache_path" => {
                    let zone = directive.arguments.iter().find(|a| a.contains("zone=")).unwrap();
                    zones.push(zone.split(['=', ':']).nth(1).unwrap().to_owned());
                }
                "limit_req" => assert!(!directive.arguments[0].contains('$'), "a zone cannot be a variable"),
                "location" => assert!(place.contains("server"), "a location at http level"),
                "add_header" => assert!(!directive.arguments[0].eq_ignore_ascii_case("X-XSS-Protection")),
                "proxy_set_header" => {
                    assert!(
                        place.ends_with("server"),
                        "a location with one of its own would lose all the others: {place}"
                    );
                    assert_ne!(directive.arguments, ["Connection", "upgrade"], "it ends keepalive");
                }
                "proxy_cache_bypass" | "proxy_no_cache" => {
                    assert_eq!(directive.arguments, ["$llmsql_private"], "a client may not choose");
                }
                "resolver" => panic!("no name is looked up, and the guide's is a public one"),
                "server" if place.ends_with("upstream") => {
                    // Compose starts what it depends on before it, under this name.
                    let address = &directive.arguments[0];
                    let started = |(name, _): (&str, &str)| compose.contains(&format!("\n      - {name}\n"));
                    assert!(
                        address.parse::<std::net::SocketAddr>().is_ok()
                            || address.rsplit_once(':').is_some_and(started),
                        "{address}: a name that does not resolve would keep nginx from starting"
                    );
                }
                _ => {}
            }
            if directive.name == "limit_req_zone" {
                assert!(!directive.arguments.iter().any(|a| a.ends_with("r/h")), "nginx knows r/s and r/m");
            }
        });
        let mut once = zones.clone();
        once.sort();
        once.dedup();
        assert_eq!(once.len(), zones.len(), "{zones:?}");
        assert!(!text.contains("Access-Control-Allow-Origin \"*\"") && !text.contains("Access-Control-Allow-Origin *"));
        assert!(!text.contains("ssl_stapling on") && !text.contains("premium_key_123"));
    }
}

#[test]
fn a_location_that_sets_one_header_sets_them_all() {
    let text = edge(&Rendered::new(&[TLS, &["--set", "nginx.cors_origins=https://app.example"]].concat()));
    let document = nginx::Document::parse(text.as_bytes());
    let headers = |block: &[nginx::Directive]| -> Vec<String> {
        block.iter().filter(|d| d.name == "add_header").map(|d| d.arguments[0].clone()).collect()
    };
    let mut seen = 0;
    for server in document.find("server") {
        let all = headers(server.block.as_deref().unwrap_or_default());
        for location in server.find("location") {
            let own = headers(location.block.as_deref().unwrap());
            if !own.is_empty() {
                assert!(all.iter().all(|h| own.contains(h)), "{:?}: {own:?} of {all:?}", location.arguments);
                seen += 1;
            }
        }
    }
    assert!(seen >= 2, "{seen}");
}

#[test]
fn a_cache_stands_only_where_answers_are_buffered() {
    let text = edge(&Rendered::new(&[]));
    let document = nginx::Document::parse(text.as_bytes());
    let mut caches = 0;
    for server in document.find("server") {
        for location in server.find("location").into_iter().filter(|l| !l.find("proxy_cache").is_empty()) {
            assert_eq!(location.find("proxy_buffering")[0].arguments, ["on"], "{:?}", location.arguments);
            caches += 1;
        }
    }
    assert_eq!(caches, 1);
}

#[test]
fn http2_is_said_as_the_version_takes_it() {
    let dir = tempfile::tempdir().unwrap();
    for (version, directive) in [("1.22.1", false), ("1.25.0", false), ("1.25.1", true), ("1.31.3", true)] {
        let facts = dir.path().join("facts.json");
        let json = serde_json::json!({ "schema": 1, "absent": [], "software": { "nginx": { "version": version, "openssl": "3.0.15" } } });
        fs::write(&facts, json.to_string()).unwrap();
        let run =
            Llmsql::new().args(["render", "--ram", "8GB", "--cpus", "4", "--only", "nginx", "--facts"]).arg(&facts);
        let text = run.args(["--set", "host.components=nginx"]).args(TLS).run().success().stdout;
        assert_eq!(text.contains("http2 on;"), directive, "{version}");
        assert_eq!(text.contains(" ssl http2 "), !directive, "{version}");
    }
}

#[test]
fn the_operators_main_file_of_nginx_is_kept_until_it_is_adopted() {
    let host = tempfile::tempdir().unwrap();
    fs::create_dir_all(host.path().join("proc")).unwrap();
    fs::create_dir_all(host.path().join("etc/nginx")).unwrap();
    let own = "user www-data;\nevents { worker_connections 768; }\nhttp {\n  include /etc/nginx/mime.types;\n  include /etc/nginx/sites-enabled/*;\n}\n";
    fs::write(host.path().join("etc/nginx/nginx.conf"), own).unwrap();
    let render = |adopt: &[&str]| {
        let run = Llmsql::new().args(["render", "--ram", "8GB", "--cpus", "4", "--only", "nginx", "--format", "json"]);
        run.root(host.path()).args(["--set", "host.components=nginx"]).args(adopt).run().success()
    };
    let run = render(&[]);
    let paths = |json: serde_json::Value| -> Vec<String> {
        json.as_array().unwrap().iter().map(|f| f["path"].as_str().unwrap().to_owned()).collect()
    };
    assert!(run.stderr.contains("sites-enabled") && run.stderr.contains("worker_rlimit_nofile"), "{}", run.stderr);
    assert!(
        run.stderr.contains("include /etc/nginx/conf.d/*.conf"),
        "the other three would not be read: {}",
        run.stderr
    );
    assert_eq!(paths(run.json())[0], "/etc/nginx/nginx.conf.llmsql");
    let adopted = render(&["--adopt"]);
    assert!(adopted.stderr.contains("loses include /etc/nginx/sites-enabled"), "{}", adopted.stderr);
    assert_eq!(paths(adopted.json())[0], "/etc/nginx/nginx.conf");
}

#[test]
fn descriptors_follow_from_two_a_proxied_connection_and_reach_services() {
    let rendered = Rendered::new(&[]);
    let document = nginx::Document::parse(rendered.read("etc/nginx/nginx.conf").as_bytes());
    let number = |name: &str| document.find(name)[0].arguments[0].parse::<u64>().unwrap();
    let events = document.find("events");
    let connections: u64 = events[0].find("worker_connections")[0].arguments[0].parse().unwrap();
    let drop_in = rendered.read("etc/systemd/system/nginx.service.d/50-llmsql.conf");
    let unit: u64 = drop_in.lines().find_map(|l| l.strip_prefix("LimitNOFILE=")).unwrap().parse().unwrap();
    let rlimit = number("worker_rlimit_nofile");
    assert!(2 * connections <= rlimit && rlimit <= unit, "2·{connections} ≤ {rlimit} ≤ {unit}");
}

#[test]
fn no_example_secret_and_no_key_of_the_guide_stands_in_a_file() {
    let rendered = Rendered::new(&[]);
    let mut todo = vec![rendered.path("")];
    let mut files = 0;
    while let Some(dir) = todo.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                todo.push(path);
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            for secret in ["secure_password", "premium_key_123", "enterprise_key_456", "your-secret-key"] {
                assert!(!text.contains(secret), "{}: {secret}", path.display());
            }
            files += 1;
        }
    }
    assert!(files > 25, "{files}");
}

#[test]
fn a_64_gb_host_gets_the_huge_pages_that_its_server_asks_for() {
    // A server of 16GB of shared_buffers and 200 connections asked for 8415 pages of 2MB.
    let run = Llmsql::new().args(["render", "--ram", "64GB", "--cpus", "16", "--sizing", "guide", "--only", "kernel"]);
    let text = run.args(["--set", "host.components=postgresql,pgbouncer"]).run().success().stdout;
    let pages = text.lines().find_map(|l| l.strip_prefix("vm.nr_hugepages = ")).unwrap().parse::<u64>().unwrap();
    assert!((8415..8415 + 200).contains(&pages), "{pages}");
}

#[test]
fn a_services_drop_in_gives_it_what_limits_d_cannot() {
    let rendered = Rendered::new(&["--set", "pgbouncer.max_client_conn=90000"]);
    let drop_in = |unit: &str| rendered.read(&format!("etc/systemd/system/{unit}.service.d/50-llmsql.conf"));
    let number = |text: &str, name: &str| {
        text.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix('=')).unwrap().parse::<u64>().unwrap()
    };
    let server = drop_in("postgresql@18-main");
    assert!(server.contains("\nLimitMEMLOCK=infinity\n"), "{server}");
    assert!(server.contains("put RemoveIPC=no into /etc/systemd/logind.conf"), "{server}");
    let ini = ini::Document::parse(rendered.read("etc/pgbouncer/pgbouncer.ini").as_bytes());
    let key = |name: &str| ini.get("pgbouncer", name).unwrap().parse::<u64>().unwrap();
    let needed = key("max_client_conn") + key("default_pool_size") + key("reserve_pool_size");
    assert!(number(&drop_in("pgbouncer"), "LimitNOFILE") > needed, "PgBouncer warns, and refuses clients");
}

#[test]
fn what_a_host_gives_its_logins_is_not_lowered() {
    let dir = tempfile::tempdir().unwrap();
    let facts = dir.path().join("facts.json");
    let now = serde_json::json!({ "nofile_hard": 524_288, "nproc_hard": 63_432 });
    fs::write(&facts, serde_json::json!({ "schema": 1, "absent": [], "limits": now }).to_string()).unwrap();
    let run = Llmsql::new().args(["render", "--ram", "8GB", "--cpus", "4", "--only", "limits", "--facts"]).arg(&facts);
    let text = run.args(["--set", "host.components=postgresql", "--format", "json"]).run().success().json();
    let file = text.as_array().unwrap().iter().find(|f| f["path"].as_str().unwrap().contains("limits.d")).unwrap();
    let document = llmsql::formats::limits::Document::parse(file["content"].as_str().unwrap().as_bytes());
    let mut users = 0;
    for entry in document.entries() {
        let least = if entry.item == "nofile" { 524_288 } else { 63_432 };
        // A user's own line beats that of all, so that it must not be smaller either.
        assert!(entry.value.parse::<u64>().unwrap() >= least, "{entry:?}");
        users += usize::from(entry.domain == "postgres");
    }
    assert_eq!(users, 4, "soft and hard, of files and processes");
}

/// The plan's findings and the edge's file for these facts of nginx.
fn with_nginx(software: serde_json::Value, settings: &[&str]) -> (serde_json::Value, String) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("facts.json");
    fs::write(&file, serde_json::json!({ "schema": 1, "absent": [], "software": software }).to_string()).unwrap();
    let run = |command: &str| {
        let run = Llmsql::new().arg(command).args(["--ram", "8GB", "--cpus", "4", "--format", "json", "--facts"]);
        let run = run.arg(&file).args(["--set", "host.components=nginx"]);
        settings.iter().fold(run, |run, set| run.args(["--set", *set])).run().success().json()
    };
    let files = run("render");
    let text: String = files.as_array().unwrap().iter().map(|f| f["content"].as_str().unwrap()).collect();
    (run("plan")["findings"].clone(), text)
}

fn finding<'a>(findings: &'a serde_json::Value, name: &str) -> Option<&'a serde_json::Value> {
    findings.as_array().unwrap().iter().find(|f| f["invariant"] == name)
}

#[test]
fn an_upstreams_name_is_looked_up_as_the_version_can() {
    let named = ["nginx.api_upstream=api.internal:8000", "nginx.resolver=10.0.0.53"];
    for (version, again) in
        [("1.18.0", false), ("1.22.1", false), ("1.27.2", false), ("1.27.3", true), ("1.31.3", true)]
    {
        let (findings, text) = with_nginx(serde_json::json!({ "nginx": { "version": version } }), &named);
        assert_eq!(text.contains("server api.internal:8000 max_fails=3 fail_timeout=30s resolve;"), again, "{version}");
        assert_eq!(text.contains("    resolver 10.0.0.53;"), again, "{version}");
        let said = finding(&findings, "nginx.upstream");
        assert_eq!(said.is_some(), !again, "{version}: {findings}");
        if let Some(said) = said {
            assert_eq!(said["next"], "getent hosts api.internal", "{said}");
        }
        let (findings, _) = with_nginx(serde_json::json!({ "nginx": { "version": version } }), &named[..1]);
        assert!(finding(&findings, "nginx.upstream").is_some(), "{version}: nobody to ask");
    }
    let (findings, _) = with_nginx(serde_json::json!({ "nginx": { "version": "1.22.1" } }), &[]);
    assert!(finding(&findings, "nginx.upstream").is_none(), "addresses need no name server: {findings}");
}

#[test]
fn nginx_runs_as_a_user_who_is_there() {
    for (users, user) in [(&["nginx", "postgres"][..], "nginx"), (&["postgres", "www-data"], "www-data")] {
        let (findings, text) = with_nginx(serde_json::json!({ "users": users }), &[]);
        assert!(text.contains(&format!("\nuser {user};\n")), "{users:?}");
        assert!(finding(&findings, "nginx.user").is_none(), "{findings}");
    }
    let (findings, _) = with_nginx(serde_json::json!({ "users": ["postgres"] }), &[]);
    assert!(finding(&findings, "nginx.user").is_some(), "nginx would not start: {findings}");
    let (findings, _) = with_nginx(serde_json::json!({ "users": ["www-data"] }), &["nginx.user=nginx"]);
    assert!(finding(&findings, "nginx.user").is_some(), "the guide's, which Debian does not have: {findings}");
}

#[test]
fn hardening_is_one_transaction_and_knows_no_password() {
    let text = Rendered::new(&[]).read("etc/llmsql/sql/hardening.sql");
    let code: String = text.lines().filter(|l| !l.trim_start().starts_with("--")).map(|l| format!("{l}\n")).collect();
    assert!(!code.contains("ALTER SYSTEM") && !code.contains("PASSWORD"), "{code}");
    let code = code.trim();
    assert!(code.starts_with("BEGIN;\n") && code.ends_with("\nCOMMIT;") && code.matches("COMMIT;").count() == 1);
}

#[test]
fn nothing_listens_on_ipv6_where_the_kernel_has_none() {
    for (file, there) in [("if_inet6", true), ("dev", false)] {
        let tree = tempfile::tempdir().unwrap();
        fs::create_dir_all(tree.path().join("proc/net")).unwrap();
        fs::write(tree.path().join("proc/net").join(file), "\n").unwrap();
        let facts = Llmsql::new().args(["facts", "--format", "json"]).root(tree.path()).run().success().json();
        assert_eq!(facts["kernel"]["ipv6"], there);
        let run = Llmsql::new().args(["render", "--ram", "8GB", "--cpus", "2", "--only", "nginx"]).root(tree.path());
        let text = run.args(["--set", "host.components=nginx"]).run().success().stdout;
        assert_eq!(text.contains("listen [::]:80"), there, "nginx would not start");
    }
}
