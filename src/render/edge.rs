//! What NGINX's files depend on besides plain values: its version, how it was built, and which settings go together.

use crate::error::{Error, Result};
use crate::plan::nginx::{is_address, numbers, resolves};
use crate::plan::{Component, Plan};
use crate::value::Value;
use serde::Serialize;

/// The variables `edge.*` of NGINX's templates.
#[derive(Debug, Serialize)]
pub(super) struct Edge {
    /// Whether HTTPS is served: a certificate and its key are named.
    tls: bool,
    /// `ssl_protocols`.
    tls_protocols: &'static str,
    /// `ssl_ecdh_curve`.
    tls_groups: &'static str,
    /// Whether the certificate's status is stapled.
    stapling: bool,
    /// Whether HTTP/2 is a directive (1.25.1 and later) and not a word of `listen`.
    http2_directive: bool,
    /// Whether the status page is built in.
    stub_status: bool,
    /// Whether brotli is built in or installed.
    brotli: bool,
    /// The file of API keys as a pattern, which may match nothing.
    api_keys_glob: String,
    /// Seconds between two logins at the allowed rate.
    login_retry_after: i64,
    /// Where the API answers with its metrics.
    metrics_path: String,
    /// Networks that may see health, metrics and status.
    allowed: Vec<String>,
    /// Origins whose scripts may read answers.
    origins: Vec<String>,
    /// The back ends.
    upstreams: Vec<Upstream>,
}

/// A back end.
#[derive(Debug, Serialize)]
struct Upstream {
    /// `api`, `duckdb`, `llm`.
    name: &'static str,
    /// Address and port.
    address: String,
    /// Idle connections kept, for each worker.
    keepalive: u32,
    /// Whether its name is looked up while nginx runs.
    resolve: bool,
}

impl Edge {
    /// The variables, where NGINX is planned.
    ///
    /// # Errors
    /// A certificate without its key or the other way round.
    pub(super) fn new(plan: &Plan) -> Result<Option<Self>> {
        if !plan.settings.iter().any(|s| s.component == Component::Nginx) {
            return Ok(None);
        }
        let typed = |name: &str| plan.setting(&format!("nginx.{name}")).map(|s| &s.typed);
        let text = |name: &str| match typed(name) {
            Some(Value::Text(text)) => text.clone(),
            _ => String::new(),
        };
        let list = |name: &str| match typed(name) {
            Some(Value::List(items)) => items.clone(),
            _ => Vec::new(),
        };
        let (certificate, key) = (text("tls_certificate"), text("tls_certificate_key"));
        if certificate.is_empty() != key.is_empty() {
            let missing = if key.is_empty() { "nginx.tls_certificate_key" } else { "nginx.tls_certificate" };
            return Err(Error::usage("render.tls", "a certificate and its key are named together or not at all")
                .at(missing)
                .next(format!("set {missing} as well")));
        }
        let nginx = plan.facts.software.nginx.as_ref();
        let version = nginx.and_then(|n| n.version.as_deref()).map(numbers);
        let at_least = |wanted: [u32; 3]| version.is_some_and(|v| v >= wanted);
        // A build that does not tell is taken to be a package's: with the status page, without brotli.
        let module = |name: &str, unknown: bool| {
            nginx.and_then(|n| n.modules.as_ref()).map_or(unknown, |modules| modules.iter().any(|m| m == name))
        };
        let openssl = nginx.and_then(|n| n.openssl.as_deref()).map(numbers);
        let resolver = text("resolver");
        let resolves = resolves(&plan.facts, &resolver);
        let upstreams = [("api", 64), ("duckdb", 32), ("llm", 16)].map(|(name, keepalive)| {
            let address = text(&format!("{name}_upstream"));
            let resolve = resolves && !is_address(&address);
            Upstream { name, address, keepalive, resolve }
        });
        let file = text("api_keys_file");
        let mut letters = file.chars();
        let last = letters.next_back();
        let per_minute = match typed("login_rate_per_minute") {
            Some(Value::Int(rate)) => (*rate).max(1),
            _ => 1,
        };
        Ok(Some(Edge {
            tls: !certificate.is_empty(),
            tls_protocols: if openssl.is_some_and(|v| v < [1, 1, 1]) { "TLSv1.2" } else { "TLSv1.2 TLSv1.3" },
            tls_groups: match openssl {
                // The hybrid of the current profile, against whoever records today to decrypt later.
                Some(v) if v >= [3, 5, 0] => "X25519MLKEM768:X25519:prime256v1:secp384r1",
                Some(v) if v < [1, 1, 0] => "prime256v1:secp384r1",
                _ => "X25519:prime256v1:secp384r1",
            },
            stapling: !resolver.is_empty() && typed("ssl_stapling") == Some(&Value::Bool(true)),
            http2_directive: at_least([1, 25, 1]),
            stub_status: module("http_stub_status", true),
            brotli: module("brotli", false),
            api_keys_glob: last.map_or_else(String::new, |last| format!("{}[{last}]", letters.as_str())),
            login_retry_after: (60 + per_minute - 1) / per_minute,
            metrics_path: metrics_path(plan),
            allowed: list("metrics_allow"),
            origins: list("cors_origins"),
            upstreams: upstreams.into(),
        }))
    }
}

/// The API's own path; the guide's where the API lives on another host.
fn metrics_path(plan: &Plan) -> String {
    match plan.setting("api.metrics_path").map(|s| &s.typed) {
        Some(Value::Text(path)) => path.clone(),
        _ => "/metrics".to_owned(),
    }
}
