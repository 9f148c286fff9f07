//! The rendered NGINX files in the real servers, in front of a small real back end.

use crate::support::{Llmsql, Nginx, free_port, program};
use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// A back end that answers every request with what it was asked, and counts connections and requests.
pub struct BackEnd {
    pub port: u16,
    connections: Arc<AtomicUsize>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl BackEnd {
    pub fn start() -> Self {
        Self::at("127.0.0.1", 0)
    }

    /// On another address of the loopback interface, and a certain port.
    pub fn at(address: &str, port: u16) -> Self {
        let listener = TcpListener::bind((address, port)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let connections = Arc::new(AtomicUsize::new(0));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (counted, seen) = (connections.clone(), requests.clone());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                counted.fetch_add(1, Ordering::SeqCst);
                let seen = seen.clone();
                thread::spawn(move || serve(stream, &seen));
            }
        });
        BackEnd { port, connections, requests }
    }

    pub fn seen(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

fn serve(stream: TcpStream, seen: &Mutex<Vec<String>>) {
    let mut write = stream.try_clone().unwrap();
    let mut reader = BufReader::new(stream);
    loop {
        let mut head = String::new();
        loop {
            let mut line = String::new();
            match reader.read_line(&mut line) {
                Ok(0) | Err(_) => return,
                Ok(_) if line == "\r\n" => break,
                Ok(_) => head.push_str(&line),
            }
        }
        let number = {
            let mut seen = seen.lock().unwrap();
            seen.push(head.clone());
            seen.len()
        };
        if head.to_ascii_lowercase().contains("\r\nupgrade: websocket") {
            let _ = write!(
                write,
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nhello"
            );
            return;
        }
        if head.starts_with("GET /api/v1/events") {
            let _ = write!(write, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: first\n\n");
            // The stream stays open until nginx gives up on it: what the client has read came through unbuffered.
            let _ = reader.read(&mut [0; 1]);
            return;
        }
        let (kind, body) = match head.split(' ').nth(1) {
            Some("/api/v1/long") => ("Content-Type: application/json\r\n", format!("[\"{}\"]", "long ".repeat(1000))),
            Some("/api/v1/broken") => ("", String::new()),
            _ => ("", format!("answer {number}")),
        };
        let status = if body.is_empty() { "500 Internal Server Error" } else { "200 OK" };
        let _ = write!(write, "HTTP/1.1 {status}\r\n{kind}Content-Length: {}\r\n\r\n{body}", body.len());
    }
}

/// An answer, its headers by lower-case name.
pub struct Answer {
    pub status: u16,
    headers: HashMap<String, String>,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

pub fn get(edge: &Nginx, path: &str, headers: &[&str]) -> Answer {
    ask(edge, "GET", path, headers)
}

pub fn ask(edge: &Nginx, method: &str, path: &str, headers: &[&str]) -> Answer {
    let mut stream = TcpStream::connect(("127.0.0.1", edge.port())).unwrap();
    let extra: String = headers.iter().map(|h| format!("{h}\r\n")).collect();
    write!(stream, "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{extra}\r\n").unwrap();
    let mut bytes = Vec::new();
    // What is refused before its body was sent may end in a reset.
    if let Err(e) = stream.read_to_end(&mut bytes) {
        assert!(!bytes.is_empty(), "{method} {path}: {e}");
    }
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines.filter_map(|l| l.split_once(": ")).map(|(k, v)| (k.to_lowercase(), v.to_owned())).collect();
    Answer { status, headers, body: body.to_owned() }
}

/// What the plan is told of the nginx that the test runs: its version, what it was built with.
pub fn facts(mainline: bool) -> serde_json::Value {
    let output = program(if mainline { "nginx-mainline" } else { "nginx" }).arg("-V").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let after = |mark: &str| said.split_once(mark).unwrap().1.split([' ', '\n']).next().unwrap().to_owned();
    let built = said.split(' ').filter_map(|w| w.strip_prefix("--with-")?.strip_suffix("_module"));
    let mut modules: Vec<&str> = built.collect();
    // Loaded by its package's file below modules-enabled, which the tests do by themselves.
    modules.extend((!mainline).then_some("brotli"));
    let nginx = serde_json::json!({ "version": after("nginx/"), "openssl": after("OpenSSL "), "modules": modules });
    serde_json::json!({ "schema": 1, "absent": [], "software": { "nginx": nginx } })
}

/// Renders the set for a port, where this user may write.
pub fn render(own: &Path, mainline: bool, upstream: u16, port: u16, settings: &[&str]) {
    let address = format!("127.0.0.1:{upstream}");
    let file = own.join("facts.json");
    fs::write(&file, facts(mainline).to_string()).unwrap();
    let set = |name: &str, value: &str| ["--set".to_owned(), format!("nginx.{name}={value}")];
    let mut run = Llmsql::new().args(["render", "--ram", "8GB", "--cpus", "2", "--only", "nginx", "--out"]);
    run = run.arg(own.join("out")).arg("--facts").arg(file).args(["--set", "host.components=nginx,postgresql"]);
    for name in ["api_upstream", "duckdb_upstream", "llm_upstream"] {
        if !settings.iter().any(|s| s.starts_with(&format!("nginx.{name}="))) {
            run = run.args(set(name, &address));
        }
    }
    let tls = settings.iter().any(|s| s.starts_with("nginx.tls_certificate="));
    let ports = if tls { [free_port(), port] } else { [port, free_port()] };
    for (name, value) in [
        ("http_port", ports[0].to_string()),
        ("https_port", ports[1].to_string()),
        ("ipv6", "off".into()),
        ("worker_processes", "1".into()),
    ] {
        run = run.args(set(name, &value));
    }
    for setting in settings {
        run = run.args(["--set", setting]);
    }
    run.run().success();
}

/// Starts nginx with the set. Where a certificate is named it listens for HTTPS, and for HTTP on another port.
pub fn edge(mainline: bool, back_end: &BackEnd, keys: &str, settings: &[&str]) -> Nginx {
    edge_with(mainline, back_end.port, settings, |own| config(own, keys))
}

/// The same, with the configuration that is made of the files below a folder.
pub fn edge_with(mainline: bool, upstream: u16, settings: &[&str], config: impl Fn(&Path) -> String) -> Nginx {
    let own = tempfile::tempdir().unwrap();
    let modules = crate::support::servers().join("debian/usr/lib/nginx/modules");
    let brotli = format!("load_module {}/ngx_http_brotli_filter_module.so;\n", modules.display());
    Nginx::start(mainline, |port| {
        render(own.path(), mainline, upstream, port, settings);
        let text = config(own.path());
        if mainline { text } else { brotli + &text }
    })
}

/// The set as one file without absolute paths: what it includes stands in it, and what only root or a package's folder
/// provides is left out.
pub fn config(own: &Path, keys: &str) -> String {
    let read = |name: &str| fs::read_to_string(own.join("out/etc/nginx").join(name)).unwrap();
    let parts: String =
        ["caching.conf", "llmsql.conf", "rate-limiting.conf"].map(|n| read(&format!("conf.d/{n}"))).concat();
    let text = read("nginx.conf").replace("include /etc/nginx/conf.d/*.conf;", &parts);
    let package = ["user ", "error_log ", "pid ", "include /etc/nginx/modules", "include /etc/nginx/mime"];
    let left_out = [&package[..], &["access_log /var/log/nginx/access.log"]].concat();
    let mut out = String::new();
    for line in text.lines().filter(|l| !left_out.iter().any(|start| l.trim_start().starts_with(start))) {
        let line = line.replace("/var/lib/nginx/llmsql-cache", "cache").replace("/var/cache/nginx/llmsql", "cache");
        let line = line.replace("/var/log/nginx/llmsql.access.log", "llmsql.access.log");
        if line.contains("include /etc/nginx/secrets/api-keys.ma[p];") {
            out.push_str(keys);
        } else {
            out.push_str(&line);
        }
        out.push('\n');
    }
    out
}

pub fn both(test: impl Fn(bool)) {
    test(false);
    test(true);
}

pub const KEYS: &str = "\"p-key\" premium;\n\"e-key\" enterprise;\n\"typo-key\" premum;\n";

#[test]
fn the_cache_answers_the_second_reader_and_never_with_another_users_answer() {
    both(|mainline| {
        let back_end = BackEnd::start();
        let edge = edge(mainline, &back_end, KEYS, &["nginx.attach_burst=1000"]);
        let path = "/api/v1/attach/list";
        for own in ["Authorization: Bearer a", "X-API-Key: p-key", "Cookie: session=1"] {
            let first = get(&edge, path, &[own]);
            let second = get(&edge, path, &[own]);
            assert_ne!(first.body, second.body, "{own}: an answer of one's own is not stored");
        }
        let first = get(&edge, path, &[]);
        let second = get(&edge, path, &[]);
        assert_eq!((first.header("x-cache-status"), second.header("x-cache-status")), ("MISS", "HIT"));
        assert_eq!(first.body, second.body);
        for own in ["Authorization: Bearer a", "X-API-Key: p-key", "Cookie: session=1"] {
            assert_ne!(get(&edge, path, &[own]).body, first.body, "{own}: nobody's answer is not handed to a user");
        }
        assert_eq!(get(&edge, path, &[]).body, first.body);
        assert_eq!(get(&edge, path, &[]).header("x-frame-options"), "SAMEORIGIN");
    });
}

#[test]
fn the_correlation_id_is_kept_made_and_passed_on() {
    both(|mainline| {
        let back_end = BackEnd::start();
        let edge = edge(mainline, &back_end, KEYS, &[]);
        let kept = get(&edge, "/api/v1/x", &["X-Correlation-ID: abc-123"]);
        assert_eq!(kept.header("x-correlation-id"), "abc-123");
        let made = get(&edge, "/api/v1/x", &["X-Correlation-ID: bad\"id"]);
        assert_eq!(made.header("x-correlation-id").len(), 32, "{}", made.header("x-correlation-id"));
        let spoofed = get(&edge, "/api/v1/x", &["X-Forwarded-For: 1.2.3.4", "X-API-Tier: enterprise"]);
        assert_eq!(spoofed.status, 200);
        let seen = back_end.seen();
        assert!(seen[0].contains("X-Correlation-ID: abc-123\r\n"), "{}", seen[0]);
        assert!(seen[1].contains(&format!("X-Correlation-ID: {}\r\n", made.header("x-correlation-id"))));
        assert!(!seen[2].contains("1.2.3.4") && !seen[2].contains("enterprise"), "{}", seen[2]);
        assert!(seen[0].starts_with("GET /api/v1/x "), "the /api prefix is kept: {}", seen[0]);
        assert_eq!(get(&edge, "/duckdb/a%20b?q=1", &[]).status, 200);
        assert!(back_end.seen()[3].starts_with("GET /a%20b?q=1 "), "{}", back_end.seen()[3]);
    });
}

#[test]
fn connections_are_kept_upgraded_and_streamed() {
    both(|mainline| {
        let back_end = BackEnd::start();
        let edge = edge(mainline, &back_end, KEYS, &[]);
        for _ in 0..5 {
            assert_eq!(get(&edge, "/api/v1/x", &[]).status, 200);
        }
        assert_eq!(back_end.connections.load(Ordering::SeqCst), 1, "five requests on one connection to the back end");
        let mut socket = TcpStream::connect(("127.0.0.1", edge.port())).unwrap();
        write!(socket, "GET /api/ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n").unwrap();
        let mut text = String::new();
        socket.read_to_string(&mut text).unwrap();
        assert!(text.starts_with("HTTP/1.1 101") && text.ends_with("hello"), "{text}");
        get(&edge, "/api/v1/x", &["Upgrade: h2c", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA"]);
        let seen = back_end.seen().pop().unwrap().to_ascii_lowercase();
        assert!(!seen.contains("h2c") && !seen.contains("\r\nconnection:"), "only a websocket is upgraded: {seen}");
        let mut events = TcpStream::connect(("127.0.0.1", edge.port())).unwrap();
        write!(events, "GET /api/v1/events HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let mut seen = String::new();
        let mut lines = BufReader::new(&mut events);
        while !seen.contains("data: first") {
            assert!(lines.read_line(&mut seen).unwrap() > 0, "the stream ended before its first event: {seen}");
        }
    });
}

#[test]
fn operation_is_for_the_allowed_networks_and_errors_carry_the_headers_too() {
    both(|mainline| {
        let back_end = BackEnd::start();
        let settings = ["nginx.metrics_allow=192.0.2.0/24", "nginx.cors_origins=https://app.example.com"];
        let edge = edge(mainline, &back_end, KEYS, &settings);
        // The newer build has no status page.
        for path in if mainline { &["/metrics", "/health"][..] } else { &["/metrics", "/health", "/nginx_status"] } {
            let refused = get(&edge, path, &[]);
            assert_eq!(refused.status, 403, "{path}");
            assert_eq!(refused.header("x-content-type-options"), "nosniff");
        }
        assert_eq!(get(&edge, "/nothing", &[]).status, 404);
        assert!(back_end.seen().is_empty());
        let known = get(&edge, "/api/v1/x", &["Origin: https://app.example.com"]);
        assert_eq!(known.header("access-control-allow-origin"), "https://app.example.com");
        let stranger = get(&edge, "/api/v1/x", &["Origin: https://evil.example"]);
        assert_eq!(stranger.header("access-control-allow-origin"), "");
    });
}

#[test]
fn a_value_that_would_become_configuration_is_refused() {
    let run = Llmsql::new().args(["render", "--ram", "8GB", "--set", "host.components=nginx", "--only", "nginx"]);
    run.args(["--set", "nginx.server_name=a; } server { listen 81"]).run().code(1).stderr_has("nginx.server_name");
}
