//! The limits of the edge, in the real servers: each is reached after exactly its burst, is told as JSON, and follows the
//! keys that `llmsql apikey` writes.

use crate::nginx::{Answer, BackEnd, KEYS, ask, both, config, edge, edge_with, get};
use crate::support::{Llmsql, Nginx, give_to_server_user, server_dir, wait_for};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::Path;

/// The text with one request a minute in every zone: nothing drains while a test counts.
fn slowed(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(" rate=") {
        let (_, after) = after.split_once(';').expect("a directive ends");
        out.push_str(before);
        out.push_str(" rate=1r/m;");
        rest = after;
    }
    out + rest
}

/// What is wanted of an answer that says "too many".
#[track_caller]
fn is_told(limited: &Answer, seconds: &str) {
    assert_eq!(limited.status, 429);
    assert_eq!((limited.header("content-type"), limited.header("retry-after")), ("application/json", seconds));
    let body: serde_json::Value = serde_json::from_str(&limited.body).unwrap();
    assert_eq!(body["error"], "RateLimitExceeded");
    assert_eq!(body["retry_after"].to_string(), seconds, "the same as the header");
    assert_eq!(body["correlation_id"].as_str(), Some(limited.header("x-correlation-id")));
    for header in ["x-content-type-options", "x-frame-options", "content-security-policy", "referrer-policy"] {
        assert_ne!(limited.header(header), "", "{header}");
    }
}

#[test]
fn every_limited_place_answers_429_after_exactly_its_burst() {
    let bursts = [
        "nginx.api_burst=3",
        "nginx.query_burst=4",
        "nginx.attach_burst=5",
        "nginx.duckdb_burst=6",
        "nginx.llm_burst=2",
        "nginx.login_burst=7",
        "nginx.premium_burst=8",
        "nginx.enterprise_burst=9",
    ];
    let (premium, enterprise) = ("X-API-Key: p-key", "X-API-Key: e-key");
    both(|mainline| {
        let back_end = BackEnd::start();
        let edge = edge_with(mainline, back_end.port, &bursts, |own| slowed(&config(own, KEYS)));
        for (path, headers, burst, seconds) in [
            ("/api/v1/x", &[][..], 3, "1"),
            ("/api/v1/query", &[], 4, "1"),
            ("/api/v1/attach/a", &[], 5, "1"),
            ("/duckdb/q", &[], 6, "1"),
            ("/llm/api/tags", &[], 2, "1"),
            // 5 a minute, whatever key is sent.
            ("/api/v1/auth/login", &[enterprise], 7, "12"),
            // A paid key has its tier's limit alone, at the places of the API together.
            ("/api/v1/x", &[premium], 8, "1"),
            ("/api/v1/query", &[enterprise], 9, "1"),
            // At the back ends of others every client has the same, by its key.
            ("/llm/api/tags", &[premium], 2, "1"),
            ("/llm/api/tags", &[enterprise], 2, "1"),
            ("/duckdb/q", &[premium], 6, "1"),
        ] {
            let passed = (0..30).take_while(|_| get(&edge, path, headers).status == 200).count();
            assert_eq!(passed, burst + 1, "{path} {headers:?}: the first and a burst of {burst}");
            is_told(&get(&edge, path, headers), seconds);
        }
        for path in ["/api/v1/attach/a", "/api/v1/y"] {
            assert_eq!(get(&edge, path, &[premium]).status, 429, "{path}: one limit for all of them");
        }
        for key in ["X-API-Key: revoked", "X-API-Key: typo-key"] {
            assert_eq!(get(&edge, "/api/v1/x", &[key]).status, 429, "{key} has no tier and shares its address's limit");
        }
        let asked = back_end.seen().iter().filter(|head| head.contains("revoked")).count();
        assert_eq!(asked, 0, "what is refused does not reach the API");
    });
}

/// A request that stays at work, and was let in.
fn hold(edge: &Nginx, key: &str) -> BufReader<TcpStream> {
    let mut stream = TcpStream::connect(("127.0.0.1", edge.port())).unwrap();
    write!(stream, "GET /api/v1/events HTTP/1.1\r\nHost: x\r\nX-API-Key: {key}\r\n\r\n").unwrap();
    let mut lines = BufReader::new(stream);
    let mut seen = String::new();
    while !seen.contains("data: first") {
        assert!(lines.read_line(&mut seen).unwrap() > 0, "{seen}");
    }
    lines
}

#[test]
fn one_address_holds_no_more_connections_than_its_limit() {
    both(|mainline| {
        let back_end = BackEnd::start();
        let edge = edge(mainline, &back_end, KEYS, &["nginx.limit_conn=3"]);
        let held: Vec<_> = (0..3).map(|_| hold(&edge, "")).collect();
        is_told(&get(&edge, "/api/v1/x", &[]), "1");
        assert_eq!(get(&edge, "/api/v1/x", &["X-API-Key: p-key"]).status, 200, "a paid key is counted by itself");
        drop(held);
        wait_for("a place for the next", || (get(&edge, "/api/v1/x", &[]).status == 200).then_some(()));
    });
}

#[test]
fn a_burst_that_is_sent_at_once_is_let_in_whole() {
    both(|mainline| {
        let back_end = BackEnd::start();
        let edge = edge(mainline, &back_end, KEYS, &[]);
        let free: Vec<_> = (0..21).map(|_| hold(&edge, "")).collect();
        let paid: Vec<_> = (0..101).map(|_| hold(&edge, "p-key")).collect();
        drop((free, paid));
    });
}

/// A program that keeps its keys in a folder.
fn apikey(state: &Path) -> Llmsql {
    Llmsql::new().env("STATE_DIRECTORY", state)
}

/// The tier that the back end was told with the last request.
fn tier_of(edge: &Nginx, back_end: &BackEnd, key: &str) -> Option<String> {
    assert_eq!(get(edge, "/api/v1/x", &[&format!("X-API-Key: {key}")]).status, 200);
    let head = back_end.seen().pop().unwrap();
    head.lines().find_map(|l| l.strip_prefix("X-API-Tier: ")).map(str::to_owned)
}

#[test]
fn a_key_has_its_tier_from_its_making_to_its_end() {
    both(|mainline| {
        let back_end = BackEnd::start();
        let (dir, state) = (server_dir(), tempfile::tempdir().unwrap());
        let (map, env) = (state.path().join("keys.map"), state.path().join("env"));
        // Where nginx reads it, whose master is not root here.
        let read = dir.path().join("api-keys.map");
        apikey(state.path()).args(["secrets", "init", "--env-file"]).arg(&env).run().success();
        let keys = |arguments: &[&str]| {
            let run = apikey(state.path()).arg("apikey").args(arguments).arg("--map").arg(&map);
            let out = run.arg("--env-file").arg(&env).run().success().stdout;
            fs::copy(&map, &read).unwrap();
            give_to_server_user(&read);
            out.trim().to_owned()
        };
        let file = format!("nginx.api_keys_file={}", read.display());
        // Long before the first key: nginx starts without the file.
        let edge = edge(mainline, &back_end, "", &[&file, "nginx.api_burst=1000"]);
        assert_eq!(tier_of(&edge, &back_end, "llm_none_of_ours"), None);
        let made: Vec<(&str, String)> = ["free", "premium", "enterprise"]
            .map(|tier| (tier, keys(&["create", "--name", tier, "--tier", tier])))
            .into();
        edge.reload();
        for (tier, key) in &made {
            wait_for("the key to be known", || {
                (tier_of(&edge, &back_end, key).as_deref() == Some(*tier)).then_some(())
            });
        }
        let id = made[1].1.split('_').nth(1).unwrap();
        keys(&["revoke", id]);
        edge.reload();
        wait_for("the key to be forgotten", || tier_of(&edge, &back_end, &made[1].1).is_none().then_some(()));
        assert_eq!(tier_of(&edge, &back_end, &made[2].1).as_deref(), Some("enterprise"), "the others live on");
    });
}

#[test]
fn what_apikey_writes_is_where_nginx_looks_and_what_the_api_is_told() {
    let host = tempfile::tempdir().unwrap();
    fs::create_dir_all(host.path().join("proc")).unwrap();
    fs::create_dir_all(host.path().join("etc/nginx/secrets")).unwrap();
    let (state, out) = (host.path().join("state"), host.path().join("out"));
    fs::create_dir(&state).unwrap();
    let env = host.path().join("env");
    apikey(&state).args(["secrets", "init", "--env-file"]).arg(&env).run().success();
    let keys = |arguments: &[&str]| {
        apikey(&state).root(host.path()).arg("apikey").args(arguments).arg("--env-file").arg(&env).run().success()
    };
    for tier in ["free", "premium", "enterprise"] {
        keys(&["create", "--name", tier, "--tier", tier]);
    }
    let render = Llmsql::new().root(host.path()).args(["render", "--ram", "8GB", "--cpus", "2", "--out"]).arg(&out);
    render.args(["--set", "host.components=nginx,api"]).run().success();
    let limits = fs::read_to_string(out.join("etc/nginx/conf.d/rate-limiting.conf")).unwrap();
    let api = fs::read_to_string(out.join("etc/llmsql/api/api.env")).unwrap();
    let glob = limits.lines().find_map(|l| l.trim().strip_prefix("include ")?.strip_suffix(';')).unwrap();
    let map = fs::read_to_string(host.path().join(glob.replace(['[', ']'], "").trim_start_matches('/'))).unwrap();
    let listed = keys(&["list", "--format", "json"]).json();
    for key in listed.as_array().unwrap() {
        let tier = key["tier"].as_str().unwrap();
        assert!(map.contains(&format!("\" {tier};\n")), "{tier}: {map}");
        assert!(limits.contains(&format!("    {tier} {tier};\n")), "nginx knows the word {tier}");
        // Free keys are counted with everybody who has none.
        let zone = if tier == "free" { "api" } else { tier };
        let rate = format!(" zone=llmsql_{zone}:10m rate={}r/s;\n", key["per_second"]);
        assert!(limits.contains(&rate), "{tier}: {limits}");
        let quota = format!("API_QUOTA_{}_PER_HOUR={}\n", tier.to_uppercase(), key["per_hour"]);
        assert!(api.contains(&quota), "{quota}: {api}");
    }
    assert_eq!(listed.as_array().unwrap().len(), 3);
}

#[test]
fn debians_own_main_file_takes_our_set_and_a_key_of_ours() {
    // What Debian's package has, as far as it matters here.
    let debian = "events { worker_connections 768; }\nhttp {\n sendfile on;\n types_hash_max_size 2048;\n gzip on;\n";
    let key = format!("\"llm_{}_{}\" premium;\n", "a".repeat(12), "b".repeat(60));
    let back_end = BackEnd::start();
    let edge = edge_with(false, back_end.port, &[], |own| {
        let whole = config(own, &key);
        // Our files without our main one.
        let ours = whole.split_once("# For API keys of up to").expect("the first of ours").1;
        format!("{debian}# {ours}")
    });
    assert_eq!(get(&edge, "/api/v1/x", &[]).status, 200);
    assert_eq!(ask(&edge, "HEAD", "/api/v1/attach/a", &[]).status, 200);
}
