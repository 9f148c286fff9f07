//! Faults of the guide's text, and of tools that follow it: each with a test that the rendered files do not have it.
//!
//! What only a running server shows is in the modules of those servers: `servers`, `nginx`, `edge`, `files`, `sql`.

use crate::files::Rendered;
use crate::support::Llmsql;
use llmsql::formats::{ini, nginx, postgresql_conf, sysctl};
use std::fs;
use std::path::Path;

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
        let text = edge(&Rendered::new(flags));
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
                "user" => assert_ne!(directive.arguments, ["nginx"], "Debian has no such user"),
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
    assert!(run.stderr.contains("sites-enabled") && run.stderr.contains("map_hash_bucket_size 256"), "{}", run.stderr);
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
