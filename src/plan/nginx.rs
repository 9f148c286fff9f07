//! NGINX's settings that the rest of the plan depends on (the guide's 3.1).

use super::budget::NginxBudget;
use super::draft::{Draft, constant, derived, rule};
use super::host::Sizing;
use super::{Component, containers};
use crate::facts::Facts;
use crate::units;
use crate::value::Value;
use std::net::{IpAddr, SocketAddr};

const NGINX: Component = Component::Nginx;

/// Users that packages of nginx run it as, the first that is there is taken.
pub(super) const USERS: &[&str] = &["nginx", "www-data", "http", "wwwrun"];

/// nginx's map of whole API keys, which `llmsql apikey` writes.
pub(crate) const API_KEYS_FILE: &str = "/etc/nginx/secrets/api-keys.map";

/// A tier of API keys (the guide's 3.2 and 5.3): its word in nginx's map, requests a second at the edge, requests an hour
/// at the API.
pub(crate) const TIERS: [(&str, u64, u64); 3] =
    [("free", 10, 100), ("premium", 50, 1_000), ("enterprise", 200, 10_000)];

/// Requests that a client of no paid tier may send at once (the guide's 3.1).
const API_BURST: u64 = 20;

/// The first version that looks up the names of upstreams while it runs.
const RESOLVES: [u32; 3] = [1, 27, 3];

/// The first three numbers of a version such as `1.22.1` or `1.0.2k`.
pub(crate) fn numbers(version: &str) -> [u32; 3] {
    let mut parts = version.split('.').map(|part| {
        let digits = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
        part.get(..digits).and_then(|p| p.parse().ok()).unwrap_or(0)
    });
    std::array::from_fn(|_| parts.next().unwrap_or(0))
}

/// Whether an upstream is an address, with or without a port, or a socket's path.
pub(crate) fn is_address(upstream: &str) -> bool {
    upstream.starts_with("unix:") || upstream.parse::<SocketAddr>().is_ok() || upstream.parse::<IpAddr>().is_ok()
}

/// Whether names of upstreams are looked up again while nginx runs: by its version, and a resolver to ask.
pub(crate) fn resolves(facts: &Facts, resolver: &str) -> bool {
    let version = facts.software.nginx.as_ref().and_then(|n| n.version.as_deref());
    !resolver.is_empty() && version.is_some_and(|v| numbers(v) >= RESOLVES)
}

/// What a log line of the edge and of the API must both hold, so that one request can be followed through the stack.
pub(super) const LOG_CHAIN: &[&str] = &["correlation_id", "scheme", "tls_version"];

pub(super) fn settings(draft: &mut Draft<'_>, nginx: &NginxBudget) {
    let host = draft.host;
    let cpus = host.cpus.value;
    let workers = rule("CPUs", cpus.to_string(), vec![host.cpus.input.clone()]);
    let workers = if nginx.workers < cpus {
        workers.cap("one worker for each 256MB of RAM: the memory could not feed more")
    } else {
        workers
    };
    draft.put(NGINX, "worker_processes", Value::Int(nginx.workers as i64), workers);
    let connections = constant("the guide's 4096 for each worker");
    let connections = if nginx.capped {
        connections.cap("a sixteenth of the RAM for all workers at 32kB a connection, at least 512")
    } else {
        connections
    };
    draft.put(NGINX, "worker_connections", Value::Int(nginx.connections as i64), connections);
    let nofile = (nginx.connections * 2).max(65_535);
    draft.put(
        NGINX,
        "worker_rlimit_nofile",
        Value::Int(nofile as i64),
        rule(
            "max(2·worker_connections, 65535)",
            format!("max(2·{}, 65535)", nginx.connections),
            vec![derived("worker_connections", nginx.connections.to_string(), "nginx.worker_connections")],
        )
        .note("A proxied connection takes two descriptors: the client's and the back end's."),
    );
    let (read, why) = match host.sizing {
        Sizing::Guide => (300_000, "the guide's constant"),
        Sizing::Budget => {
            (320_000, "320s: longer than PgBouncer's query_timeout, so that the API can answer with the error")
        }
    };
    draft.put(NGINX, "proxy_read_timeout", Value::Millis(read), constant(why));
    draft.put(NGINX, "duckdb_read_timeout", Value::Millis(600_000), constant("the guide's constant for /duckdb/"));
    draft.put(NGINX, "llm_read_timeout", Value::Millis(900_000), constant("the guide's constant for /llm/"));
    let burst = host.pinned_count("nginx.api_burst").unwrap_or(API_BURST);
    let (limit, why) = match host.sizing {
        Sizing::Guide => (20, constant("the guide's constant")),
        Sizing::Budget => {
            let inputs = vec![derived("api_burst", burst.to_string(), "nginx.api_burst")];
            let note = "Fewer would refuse what the rate's burst lets in; a paid key has its tier's burst instead.";
            (burst + 1, rule("api_burst + 1", format!("{burst} + 1"), inputs).note(note))
        }
    };
    draft.put(NGINX, "limit_conn", Value::Int(limit as i64), why);
    draft.put(NGINX, "duckdb_rate", Value::Int(5), constant("5 requests a second, as the guide has it"));
    draft.put(NGINX, "llm_rate", Value::Int(1), constant("1 request a second, as the guide has it"));
    draft.put(
        NGINX,
        "backlog",
        Value::Int(4096),
        constant("4096: connections that wait for accept; the kernel cuts it at net.core.somaxconn"),
    );
    // A host's `localhost` is its address of IPv6 first.
    let itself: &[&str] = if ipv6(draft) { &["127.0.0.1", "::1"] } else { &["127.0.0.1"] };
    let networks = itself.iter().chain(&["172.28.0.0/16"]).map(|n| (*n).to_owned()).collect();
    draft.put(
        NGINX,
        "metrics_allow",
        Value::List(networks),
        constant("the guide's networks: this host and its containers"),
    );
    let fields = LOG_CHAIN.iter().map(|s| (*s).to_owned()).collect();
    draft.put(NGINX, "log_fields", Value::List(fields), constant("one request can be followed through every log"));
    serving(draft);
    tiers(draft);
}

fn ipv6(draft: &Draft<'_>) -> bool {
    draft.host.facts.kernel.ipv6 != Some(false)
}

/// Where it listens, where it leads, and what it keeps.
fn serving(draft: &mut Draft<'_>) {
    let text = |t: &str| Value::Text(t.to_owned());
    let users = &draft.host.facts.software.users;
    let contained = containers::holds(draft.host, NGINX);
    let user = USERS.iter().copied().find(|user| contained || users.iter().any(|known| known == user));
    let why = constant("the user the package made; the guide's nginx does not exist on Debian");
    match user {
        Some(user) if contained => draft.put(NGINX, "user", text(user), constant("the user of nginx's image")),
        Some(user) => draft.put(NGINX, "user", text(user), why),
        None => draft.put(NGINX, "user", text("www-data"), why.note("None was found in /etc/passwd: Debian's name.")),
    }
    draft.put(
        NGINX,
        "server_name",
        text("_"),
        constant("_: any name, where no other site is the default; set yours, so that no other name is answered"),
    );
    draft.put(NGINX, "http_port", Value::Int(80), constant("the guide's port"));
    draft.put(NGINX, "https_port", Value::Int(443), constant("the guide's port"));
    let ipv6 = ipv6(draft);
    let why = if ipv6 { "on: also [::]" } else { "off: this kernel has no IPv6, and nginx would not start" };
    draft.put(NGINX, "ipv6", Value::Bool(ipv6), constant(why));
    for (name, component, port) in [
        ("api_upstream", Component::Api, 8000),
        ("duckdb_upstream", Component::DuckDb, 8001),
        ("llm_upstream", Component::Llm, 11434),
    ] {
        let (address, why) = containers::address(draft.host, NGINX, component);
        let why = match address.as_str() {
            "127.0.0.1" => "this host, on the guide's port: names that do not resolve at start would keep nginx from \
                            starting"
                .to_owned(),
            _ => format!("{why}, on the guide's port"),
        };
        draft.put(NGINX, name, Value::Text(format!("{address}:{port}")), constant(why));
    }
    let resolver = "none: no name is looked up while nginx runs; the guide's public resolver would learn private names";
    draft.put(NGINX, "resolver", text(""), constant(resolver));
    let certificate = "none: HTTPS is served only where a certificate is named";
    draft.put(NGINX, "tls_certificate", text(""), constant(certificate));
    draft.put(NGINX, "tls_certificate_key", text(""), constant(certificate));
    let stapling =
        "off: Let's Encrypt has answered no OCSP since 2025-08; on only for an issuer that does, with a resolver";
    draft.put(NGINX, "ssl_stapling", Value::Bool(false), constant(stapling));
    let cors =
        "none: no other site's scripts may read answers; the guide's * with Authorization would let any site try";
    draft.put(NGINX, "cors_origins", Value::List(Vec::new()), constant(cors));
    let (cache, why) = match user {
        Some("nginx") => ("/var/cache/nginx/llmsql", "a folder of our own below the guide's"),
        _ => ("/var/lib/nginx/llmsql-cache", "the guide's /var/cache/nginx is of nginx.org's package alone"),
    };
    draft.put(NGINX, "cache_dir", text(cache), constant(why));
    draft.put(NGINX, "cache_size", Value::Bytes(units::GB), constant("the guide's 1g"));
    draft.put(NGINX, "client_max_body_size", Value::Bytes(100 * units::MB), constant("the guide's 100M"));
}

/// Requests a second by tier of API key and by end point (the guide's 3.2).
fn tiers(draft: &mut Draft<'_>) {
    let file = "keys and their tier, written by `llmsql apikey`; a missing file means that no key has one";
    draft.put(NGINX, "api_keys_file", Value::Text(API_KEYS_FILE.to_owned()), constant(file));
    for (name, (_, rate, _)) in ["api_rate", "premium_rate", "enterprise_rate"].into_iter().zip(TIERS) {
        let why = match name {
            "api_rate" => "10 requests a second for each address, as the guide has it",
            _ => "the guide's, for each key of this tier",
        };
        draft.put(NGINX, name, Value::Int(rate as i64), constant(why));
    }
    let guide = "the guide's constant";
    let burst = "as many again as a client may send at once, about twice its rate";
    for (name, value, why) in [
        ("api_burst", API_BURST as i64, guide),
        ("premium_burst", 100, burst),
        ("enterprise_burst", 400, burst),
        ("query_rate", 5, "the guide's, for clients of no paid tier; a paid key has its tier's rate alone"),
        ("query_burst", 10, burst),
        ("attach_rate", 1, "the guide's, for clients of no paid tier; a paid key has its tier's rate alone"),
        ("attach_burst", 5, "a page that attaches several sources at once"),
        ("duckdb_burst", 10, guide),
        ("llm_burst", 5, guide),
        (
            "login_rate_per_minute",
            5,
            "the guide's 5 a minute for each address, whatever key is sent: passwords cannot be tried",
        ),
        ("login_burst", 5, "a few slips of the finger"),
    ] {
        draft.put(NGINX, name, Value::Int(value), constant(why));
    }
    let login = "where passwords are sent; the guide defines the limit and applies it nowhere";
    draft.put(NGINX, "login_path", Value::Text("/api/v1/auth/login".to_owned()), constant(login));
}
