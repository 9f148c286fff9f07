//! The rendered NGINX files with real TLS, HTTP/2, brotli and logs, and under a public linter.

use crate::nginx::{BackEnd, KEYS, ask, both, config, edge, edge_with, get, render};
use crate::support::{Nginx, program, python, wait_for};
use std::fs;
use std::net::UdpSocket;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;
use tempfile::TempDir;

/// A certificate for localhost and its key.
struct Certificate {
    dir: TempDir,
}

impl Certificate {
    fn new() -> Self {
        let dir = crate::support::server_dir();
        let mut openssl = program("openssl");
        openssl.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]);
        openssl.args(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout"]).arg(dir.path().join("key"));
        let output = openssl.arg("-out").arg(dir.path().join("crt")).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        for name in ["crt", "key"] {
            crate::support::give_to_server_user(&dir.path().join(name));
        }
        Certificate { dir }
    }

    fn settings(&self) -> [String; 2] {
        let path = |name: &str| self.dir.path().join(name).display().to_string();
        [format!("nginx.tls_certificate={}", path("crt")), format!("nginx.tls_certificate_key={}", path("key"))]
    }

    /// What curl is answered: head and body, the version of HTTP, the version of TLS.
    fn curl(&self, url: &str, flags: &[&str]) -> String {
        let mut curl = program("curl");
        curl.args(["--silent", "--show-error", "--include", "--noproxy", "*", "--cacert"])
            .arg(self.dir.path().join("crt"));
        let output = curl.args(["--write-out", "\nHTTP %{http_version}\n"]).args(flags).arg(url).output().unwrap();
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    }

    /// What openssl says of a handshake.
    fn handshake(&self, edge: &Nginx, flags: &[&str]) -> String {
        let mut client = program("openssl");
        client.args(["s_client", "-connect", &format!("127.0.0.1:{}", edge.port())]).args(flags);
        let output = client.stdin(std::process::Stdio::null()).output().unwrap();
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    }
}

#[test]
fn tls_is_mozillas_intermediate_profile_and_carries_http2() {
    let certificate = Certificate::new();
    let settings = certificate.settings();
    both(|mainline| {
        let back_end = BackEnd::start();
        let edge = edge(mainline, &back_end, KEYS, &[&settings[0], &settings[1]]);
        let url = format!("https://localhost:{}/api/v1/x", edge.port());
        let second = certificate.curl(&url, &["--http2"]);
        assert!(second.starts_with("HTTP/2 200") && second.contains("\nHTTP 2\n"), "{second}");
        assert!(second.contains("strict-transport-security: max-age="), "{second}");
        let first = certificate.curl(&url, &["--http1.1"]);
        assert!(first.starts_with("HTTP/1.1 200"), "{first}");
        let seen = back_end.seen();
        assert!(
            seen[0].contains("X-Forwarded-Proto: https\r\n") && seen[0].contains("X-TLS-Version: TLSv1.3\r\n"),
            "{}",
            seen[0]
        );
        certificate.curl(&url, &["--tls-max", "1.2"]);
        assert!(back_end.seen()[2].contains("X-TLS-Version: TLSv1.2\r\n"), "{}", back_end.seen()[2]);

        // The client's own policy is put aside, so that the server's is what refuses.
        let taken = |flags: &[&str]| {
            let said = certificate.handshake(&edge, flags);
            said.contains("Cipher is ") && !said.contains("Cipher is (NONE)")
        };
        assert!(taken(&["-tls1_3"]) && taken(&["-tls1_2"]));
        assert!(!taken(&["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"]), "TLS 1.1 is not of the profile");
        assert!(taken(&["-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256"]));
        for weak in ["ECDHE-RSA-AES128-SHA", "AES128-GCM-SHA256", "ECDHE-RSA-AES256-SHA384"] {
            assert!(!taken(&["-tls1_2", "-cipher", weak]), "{weak} is not of the profile");
        }
        let said = certificate.handshake(&edge, &["-tls1_2"]);
        assert!(!said.contains("TLS session ticket:"), "a ticket would give away forward secrecy: {said}");
    });
}

#[test]
fn http_leads_to_https_where_there_is_a_certificate_and_nowhere_else() {
    let certificate = Certificate::new();
    let settings = certificate.settings();
    both(|mainline| {
        let own = tempfile::tempdir().unwrap();
        let (mut plain, mut secure) = (0, 0);
        let server = Nginx::start(mainline, |port| {
            secure = port;
            render(own.path(), mainline, 9, port, &[&settings[0], &settings[1]]);
            let text: String =
                config(own.path(), KEYS).lines().filter(|l| !l.contains("brotli")).map(|l| format!("{l}\n")).collect();
            let listen = text.lines().find_map(|l| l.trim().strip_prefix("listen ")?.strip_suffix(';')?.parse().ok());
            plain = listen.expect("a port without TLS");
            text
        });
        let answer = certificate.curl(&format!("http://localhost:{plain}/api/v1/x?a=b"), &[]);
        assert!(answer.starts_with("HTTP/1.1 301"), "{answer}");
        assert!(answer.contains(&format!("Location: https://localhost:{secure}/api/v1/x?a=b\r\n")), "{answer}");
        drop(server);
        let back_end = BackEnd::start();
        let server = edge(mainline, &back_end, KEYS, &[]);
        assert_eq!(
            get(&server, "/api/v1/x", &[]).status,
            200,
            "without a certificate nothing is led to where nobody listens"
        );
    });
}

#[test]
fn each_line_of_the_log_is_json_that_follows_its_request() {
    let certificate = Certificate::new();
    let settings = certificate.settings();
    both(|mainline| {
        let back_end = BackEnd::start();
        let edge = edge(mainline, &back_end, KEYS, &[&settings[0], &settings[1]]);
        let url = |path: &str| format!("https://localhost:{}{path}", edge.port());
        let odd = "Mozilla \"x\\y\" \u{e4}\u{1}";
        certificate.curl(&url("/api/v1/x"), &["-A", odd, "-H", "X-Correlation-ID: follow-1", "-H", "X-API-Key: p-key"]);
        certificate.curl(&url("/api/v1/x"), &["-H", "X-Correlation-ID: bad id\"}"]);
        certificate.curl(&url("/api/v1/attach/a"), &[]);
        certificate.curl(&url("/nothing"), &[]);
        let log = edge.dir().join("llmsql.access.log");
        let lines = wait_for("four lines of the log", || {
            let text = fs::read_to_string(&log).ok()?;
            (text.lines().count() == 4).then(|| text.lines().map(str::to_owned).collect::<Vec<_>>())
        });
        let rows: Vec<serde_json::Value> =
            lines.iter().map(|l| serde_json::from_str(l).unwrap_or_else(|e| panic!("{e}: {l}"))).collect();
        assert_eq!((rows[0]["correlation_id"].as_str(), rows[0]["tier"].as_str()), (Some("follow-1"), Some("premium")));
        assert_eq!((rows[0]["scheme"].as_str(), rows[0]["tls_version"].as_str()), (Some("https"), Some("TLSv1.3")));
        assert!(rows[0]["user_agent"].as_str().unwrap().starts_with("Mozilla \"x\\y\""), "{}", lines[0]);
        let made = rows[1]["correlation_id"].as_str().unwrap();
        assert_eq!(made.len(), 32, "{}", lines[1]);
        assert!(back_end.seen()[1].contains(&format!("X-Correlation-ID: {made}\r\n")), "passed on as it is logged");
        assert_eq!((rows[2]["cache"].as_str(), rows[3]["status"].as_str()), (Some("MISS"), Some("404")));
        assert!(!lines.concat().contains("p-key"), "a key is a secret");
    });
}

#[test]
fn errors_of_a_back_end_and_of_nginx_carry_the_headers() {
    let settings = [
        "nginx.cors_origins=https://app.example.com",
        "nginx.client_max_body_size=1kB",
        "nginx.llm_upstream=127.0.0.1:1",
    ];
    both(|mainline| {
        let back_end = BackEnd::start();
        let edge = edge(mainline, &back_end, KEYS, &settings);
        for (method, path, status) in [
            ("GET", "/api/v1/broken", 500),
            ("GET", "/nothing", 404),
            // Nobody listens there.
            ("GET", "/llm/api/tags", 502),
            ("POST", "/api/v1/x", 413),
            ("GET", "/metrics", 200),
        ] {
            let mut headers = vec!["Origin: https://app.example.com"];
            headers.extend((method == "POST").then_some("Content-Length: 5000"));
            let answer = ask(&edge, method, path, &headers);
            assert_eq!(answer.status, status, "{path}");
            for header in ["x-content-type-options", "content-security-policy", "x-correlation-id"] {
                assert_ne!(answer.header(header), "", "{path}: {header}");
            }
            assert_eq!(answer.header("access-control-allow-origin"), "https://app.example.com", "{path}");
        }
        assert_eq!(get(&edge, "/api/../../x", &[]).status, 400, "out of the tree there is nothing");
    });
}

#[test]
fn a_browser_is_answered_before_it_sends_and_only_for_a_known_site() {
    both(|mainline| {
        let back_end = BackEnd::start();
        let edge =
            edge(mainline, &back_end, KEYS, &["nginx.cors_origins=https://app.example.com, http://localhost:3000"]);
        let asked = "Access-Control-Request-Method: POST";
        for origin in ["https://app.example.com", "http://localhost:3000"] {
            let answer = ask(&edge, "OPTIONS", "/api/v1/query", &[&format!("Origin: {origin}"), asked]);
            assert_eq!((answer.status, answer.body.as_str()), (204, ""), "{origin}");
            assert_eq!(answer.header("access-control-allow-origin"), origin);
            assert!(answer.header("access-control-allow-methods").contains("POST"));
            let allowed = answer.header("access-control-allow-headers");
            assert!(["Authorization", "Content-Type", "X-API-Key"].iter().all(|h| allowed.contains(h)), "{allowed}");
            assert_eq!(answer.header("access-control-allow-credentials"), "", "no cookie of another site");
        }
        assert_eq!(back_end.seen().len(), 0, "the API is not asked");
        for stranger in
            ["https://app.example.com.evil.example", "https://evil.example", "null", "http://app.example.com"]
        {
            let answer = ask(&edge, "OPTIONS", "/api/v1/query", &[&format!("Origin: {stranger}"), asked]);
            assert_eq!(answer.status, 200, "the API's own answer");
            for header in ["origin", "methods", "headers"] {
                assert_eq!(answer.header(&format!("access-control-allow-{header}")), "", "{stranger}");
            }
        }
        // A cache between must not hand one site's answer to another.
        assert!(get(&edge, "/api/v1/attach/a", &[]).header("vary").contains("Origin"));
    });
}

/// Answers every question for an address (type A) with this one, for a second.
fn name_server(address: Arc<Mutex<[u8; 4]>>) -> u16 {
    let socket = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
    let port = socket.local_addr().unwrap().port();
    thread::spawn(move || {
        let mut packet = [0; 512];
        while let Ok((length, client)) = socket.recv_from(&mut packet) {
            // The name ends with an empty label; type and class follow.
            let end = 12 + packet[12..length].iter().position(|b| *b == 0).unwrap() + 5;
            let is_a = packet[end - 4..end - 2] == [0, 1];
            let mut answer = packet[..end].to_vec();
            answer[2..12].copy_from_slice(&[0x81, 0x80, 0, 1, 0, u8::from(is_a), 0, 0, 0, 0]);
            if is_a {
                answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4]);
                answer.extend(*address.lock().unwrap());
            }
            let _ = socket.send_to(&answer, client);
        }
    });
    port
}

#[test]
fn a_back_end_that_moves_is_followed_while_nginx_runs() {
    let first = BackEnd::start();
    let second = BackEnd::at("127.0.0.2", first.port);
    let address = Arc::new(Mutex::new([127, 0, 0, 1]));
    let resolver = format!("nginx.resolver=127.0.0.1:{}", name_server(address.clone()));
    let upstream = format!("nginx.api_upstream=api.stack.test:{}", first.port);
    let edge = edge_with(true, first.port, &[&resolver, &upstream], |own| {
        let text = config(own, KEYS);
        assert!(text.contains(" resolve;"), "{text}");
        text
    });
    wait_for("the name to be found", || (get(&edge, "/api/v1/x", &[]).status == 200).then_some(()));
    assert_eq!(second.seen().len(), 0);
    *address.lock().unwrap() = [127, 0, 0, 2];
    wait_for("the new address to be found", || {
        get(&edge, "/api/v1/x", &[]);
        (!second.seen().is_empty()).then_some(())
    });
}

#[test]
fn answers_are_compressed_with_what_the_build_has() {
    both(|mainline| {
        let back_end = BackEnd::start();
        let edge = edge(mainline, &back_end, KEYS, &[]);
        let coded = |accepts: &str| get_raw(&edge, "/api/v1/long", accepts);
        assert!(coded("gzip").contains("\r\nContent-Encoding: gzip\r\n"));
        let best = coded("gzip, br");
        let expected = if mainline { "gzip" } else { "br" };
        assert!(best.contains(&format!("\r\nContent-Encoding: {expected}\r\n")), "{best}");
    });
}

/// The head of an answer whose body is no text.
fn get_raw(edge: &Nginx, path: &str, accepts: &str) -> String {
    let mut curl = program("curl");
    curl.args(["--silent", "--noproxy", "*", "--dump-header", "-", "--output", "/dev/null"]);
    curl.args(["-H", &format!("Accept-Encoding: {accepts}")]).arg(format!("http://127.0.0.1:{}{path}", edge.port()));
    String::from_utf8_lossy(&curl.output().unwrap().stdout).into_owned()
}

#[test]
fn both_take_the_set_without_a_warning_and_show_their_state() {
    both(|mainline| {
        let back_end = BackEnd::start();
        let edge = edge(mainline, &back_end, KEYS, &[]);
        let log = fs::read_to_string(edge.dir().join("log")).unwrap();
        let warnings: Vec<&str> = log.lines().filter(|l| l.contains("[warn]") || l.contains("[emerg]")).collect();
        assert!(warnings.is_empty(), "{warnings:?}");
        let status = get(&edge, "/nginx_status", &[]);
        if mainline {
            assert_eq!(status.status, 404, "this build has no stub_status");
        } else {
            assert!(status.status == 200 && status.body.starts_with("Active connections:"), "{}", status.body);
        }
        assert_eq!((get(&edge, "/health", &[]).status, get(&edge, "/metrics", &[]).status), (200, 200));
        assert_eq!(back_end.seen().len(), 2, "both are the API's own answers");
    });
}

#[test]
fn a_public_linter_finds_nothing() {
    let sets: [&[&str]; 3] = [
        &[],
        &["nginx.tls_certificate=/c.crt", "nginx.tls_certificate_key=/c.key", "nginx.cors_origins=https://app.example"],
        &[
            "nginx.tls_certificate=/c.crt",
            "nginx.tls_certificate_key=/c.key",
            "nginx.resolver=127.0.0.53",
            "nginx.ssl_stapling=on",
        ],
    ];
    for (number, settings) in sets.into_iter().enumerate() {
        for mainline in [false, true] {
            let own = tempfile::tempdir().unwrap();
            render(own.path(), mainline, 8000, if settings.is_empty() { 80 } else { 443 }, settings);
            let text = config(own.path(), KEYS);
            assert_eq!(
                text.contains("ssl_stapling on;"),
                number == 2,
                "only with a resolver and where it was asked for"
            );
            assert_eq!(gixy(own.path(), &text), "", "{settings:?}");
        }
    }
    // And it finds what it is known for.
    let own = tempfile::tempdir().unwrap();
    let wrong = "http { server { listen 80; location / { return 302 https://x$uri; } } }\n";
    assert!(gixy(own.path(), wrong).contains("http_splitting"));
}

/// What gixy finds, a word for each.
fn gixy(dir: &Path, text: &str) -> String {
    let file = dir.join("linted.conf");
    fs::write(&file, text).unwrap();
    let mut gixy: Command = python();
    gixy.args(["-c", "import sys; from gixy.cli.main import main; sys.exit(main())", "-f", "json"]).arg(&file);
    let output = gixy.output().unwrap();
    let issues: serde_json::Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stderr)));
    issues.as_array().unwrap().iter().map(|i| i["plugin"].to_string()).collect::<Vec<_>>().join(" ")
}
