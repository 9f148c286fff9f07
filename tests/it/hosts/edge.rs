//! NGINX's files together: each directive where nginx takes it, each name defined once and used.

use llmsql::formats::nginx::{Directive, Document};
use llmsql::plan::Plan;
use llmsql::render::RenderedFile;
use proptest::prelude::*;
use std::collections::BTreeSet;

type Read = Result<(), TestCaseError>;

/// Where each directive may stand: the blocks of nginx's documentation, as far as our files use them.
const CONTEXTS: &[(&str, &str)] = &[
    ("main", "user worker_processes worker_rlimit_nofile error_log pid include events http"),
    ("events", "worker_connections multi_accept"),
    (
        "http",
        "include default_type access_log sendfile tcp_nopush reset_timedout_connection keepalive_timeout keepalive_requests \
         server_tokens types_hash_max_size server_names_hash_bucket_size map_hash_bucket_size client_header_buffer_size \
         large_client_header_buffers map limit_req_zone limit_conn_zone proxy_cache_path log_format upstream server",
    ),
    ("upstream", "zone resolver least_conn server keepalive"),
    (
        "server",
        "listen http2 server_name access_log ssl_certificate ssl_certificate_key ssl_protocols ssl_ciphers ssl_ecdh_curve \
         ssl_prefer_server_ciphers ssl_session_cache ssl_session_timeout ssl_session_tickets ssl_stapling \
         ssl_stapling_verify resolver resolver_timeout add_header proxy_hide_header if limit_conn limit_conn_status \
         limit_req_status error_page client_max_body_size client_body_buffer_size gzip gzip_vary gzip_proxied \
         gzip_comp_level gzip_min_length gzip_types brotli brotli_comp_level brotli_types proxy_http_version \
         proxy_set_header proxy_buffering proxy_connect_timeout proxy_send_timeout proxy_read_timeout location",
    ),
    (
        "location",
        "root return limit_req proxy_pass proxy_read_timeout proxy_connect_timeout proxy_buffering proxy_cache \
         proxy_cache_key proxy_cache_methods proxy_cache_valid proxy_no_cache proxy_cache_bypass proxy_cache_lock \
         proxy_cache_background_update proxy_cache_use_stale add_header rewrite allow deny access_log stub_status \
         default_type",
    ),
    ("if", "return"),
];

/// What is defined and used of one kind of name.
#[derive(Default)]
struct Names {
    defined: BTreeSet<String>,
    used: BTreeSet<String>,
}

impl Names {
    fn define(&mut self, name: &str) -> Read {
        prop_assert!(self.defined.insert(name.to_owned()), "{name} is defined twice");
        Ok(())
    }
}

#[derive(Default)]
struct Set {
    zones: Names,
    upstreams: Names,
    places: Names,
}

impl Set {
    fn see(&mut self, directive: &Directive, inside: &str) -> Read {
        let Directive { name, arguments, block, line } = directive;
        let allowed = CONTEXTS.iter().find(|(context, _)| *context == inside).map_or("", |(_, names)| names);
        prop_assert!(allowed.split_whitespace().any(|a| a == name), "{name} (line {line}) inside {inside}");
        let first = arguments.first().map_or("", String::as_str);
        let zone = || arguments.iter().find_map(|a| a.split_once("zone=")).map_or("", |(_, zone)| zone);
        match (inside, name.as_str()) {
            ("http", "limit_req_zone" | "limit_conn_zone" | "proxy_cache_path") => {
                self.zones.define(zone().split(':').next().unwrap_or_default())?;
            }
            (_, "limit_req") => drop(self.zones.used.insert(zone().to_owned())),
            (_, "limit_conn" | "proxy_cache") => drop(self.zones.used.insert(first.to_owned())),
            ("http", "upstream") => self.upstreams.define(first)?,
            (_, "proxy_pass") => drop(self.upstreams.used.insert(first.trim_start_matches("http://").to_owned())),
            (_, "error_page") => drop(self.places.used.insert(arguments.last().cloned().unwrap_or_default())),
            (_, "location") if first.starts_with('@') => self.places.define(first)?,
            _ => {}
        }
        let Some(block) = block else { return Ok(()) };
        if name == "map" {
            for entry in block {
                prop_assert_eq!(entry.arguments.len(), 1, "line {}", entry.line);
            }
            return Ok(());
        }
        block.iter().try_for_each(|inner| self.see(inner, name))
    }
}

/// The variables of ours that a text names.
fn variables(text: &str) -> BTreeSet<String> {
    let tails = text.split("$llmsql_").skip(1);
    tails
        .map(|t| t.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or_default().to_owned())
        .collect()
}

/// The whole set, where the plan has one.
pub fn holds_together(plan: &Plan, files: &[RenderedFile]) -> Read {
    let of = |end: &str| files.iter().find(|f| f.target == format!("/etc/nginx/{end}"));
    let Some(main) = of("nginx.conf") else { return Ok(()) };
    let own = |f: &RenderedFile| String::from_utf8_lossy(&f.bytes).into_owned();
    // In the order in which nginx reads a pattern.
    let parts: String = ["caching", "llmsql", "rate-limiting"]
        .iter()
        .filter_map(|n| of(&format!("conf.d/{n}.conf")))
        .map(own)
        .collect();
    let text = own(main).replace("include /etc/nginx/conf.d/*.conf;", &parts);
    let document = Document::parse(text.as_bytes());
    prop_assert_eq!(document.problem(), None);
    let mut set = Set::default();
    for directive in document.directives() {
        set.see(directive, "main")?;
    }
    for (what, names) in [("zones", &set.zones), ("upstreams", &set.upstreams), ("named places", &set.places)] {
        prop_assert_eq!(&names.defined, &names.used, "{}", what);
    }
    let maps = document.find("map");
    let defined: BTreeSet<String> = maps.iter().flat_map(|m| variables(&m.arguments[1])).collect();
    prop_assert_eq!(defined.len(), maps.len(), "a variable has one map");
    let code: String = text.lines().filter(|l| !l.trim_start().starts_with('#')).map(|l| format!("{l}\n")).collect();
    let used: BTreeSet<String> = code
        .lines()
        .flat_map(|l| variables(l.strip_prefix("map ").map_or(l, |m| m.split(" $llmsql_").next().unwrap_or(m))))
        .collect();
    let sources: BTreeSet<String> = maps.iter().flat_map(|m| variables(&m.arguments[0])).collect();
    let used: BTreeSet<String> = used.union(&sources).cloned().collect();
    prop_assert_eq!(&defined, &used, "maps and their uses");
    let first_map = text.find("\nmap ").unwrap_or(0);
    prop_assert!(
        text.find("\nmap_hash_bucket_size").is_some_and(|at| at < first_map),
        "nginx would call it a duplicate"
    );
    reasons(&text)?;
    follows_the_plan(plan, &document)
}

/// Each directive with a value has a comment above it, in its paragraph or at the head of its block.
fn reasons(text: &str) -> Read {
    let mut explained = vec![false];
    let mut comment = false;
    let mut quoted = false;
    for line in text.lines().map(str::trim) {
        quoted |= line.starts_with("log_format");
        if line.starts_with('#') {
            comment = true;
        } else if line.is_empty() {
            comment = false;
        } else if line.ends_with('{') {
            explained.push(comment);
        } else if line == "}" {
            comment = explained.pop() == Some(true);
        } else if !quoted && !line.starts_with("include") && !line.starts_with("proxy_pass") {
            let named = comment || explained.last() == Some(&true);
            prop_assert!(named, "nothing says why: {line}");
        }
        quoted &= !line.ends_with(';');
    }
    Ok(())
}

/// What versions, certificates and settings decide.
fn follows_the_plan(plan: &Plan, document: &Document) -> Read {
    let value = |key: &str| plan.setting(&format!("nginx.{key}")).map_or("", |s| s.value.as_str());
    let nginx = plan.facts.software.nginx.as_ref();
    let version = nginx.and_then(|n| n.version.as_deref()).unwrap_or("0.0");
    let minor: u32 = version.split('.').nth(1).and_then(|m| m.parse().ok()).unwrap_or(0);
    let new_http2 = minor > 25 || version == "1.25.1";
    let tls = !value("tls_certificate").is_empty();
    let listens: Vec<String> = document.find("listen").iter().map(|l| l.arguments.join(" ")).collect();
    let each = if value("ipv6") == "on" { 2 } else { 1 };
    prop_assert_eq!(listens.len(), if tls { 2 * each } else { each }, "{:?}", &listens);
    prop_assert_eq!(listens.iter().filter(|l| l.contains(" ssl")).count(), if tls { each } else { 0 });
    prop_assert_eq!(listens.iter().filter(|l| l.contains("http2")).count(), if tls && !new_http2 { each } else { 0 });
    prop_assert_eq!(document.find("http2").len(), usize::from(tls && new_http2));
    prop_assert_eq!(
        document.find("ssl_stapling").len(),
        usize::from(tls && !value("resolver").is_empty() && value("ssl_stapling") == "on")
    );
    prop_assert_eq!(document.find("ssl_dhparam").len(), 0, "a file that nobody made");
    let redirects = document.find("return").iter().filter(|r| r.arguments[0] == "301").count();
    prop_assert_eq!(redirects, usize::from(tls));
    let origins =
        document.find("add_header").iter().filter(|h| h.arguments[0] == "Access-Control-Allow-Origin").count();
    prop_assert_eq!(origins > 0, !value("cors_origins").is_empty());
    for upstream in document.find("upstream") {
        let server = &upstream.find("server")[0].arguments;
        // An upstream of the test's, or the name of a service in the compose files.
        let services = ["api.internal", "api-server:", "duckdb-server:", "llm-gateway:"];
        let named = services.iter().any(|name| server[0].starts_with(name));
        let again = named && !value("resolver").is_empty() && (version == "1.27.3" || version == "1.31.3");
        prop_assert_eq!(server.contains(&"resolve".to_owned()), again, "{:?} for {}", server, version);
        prop_assert_eq!(upstream.find("resolver").len(), usize::from(again));
    }
    let openssl = nginx.and_then(|n| n.openssl.as_deref()).unwrap_or("");
    for protocols in document.find("ssl_protocols") {
        prop_assert_eq!(protocols.arguments.contains(&"TLSv1.3".to_owned()), !matches!(openssl, "1.0.2k" | "1.1.0l"));
        let groups = &document.find("ssl_ecdh_curve")[0].arguments[0];
        prop_assert_eq!(groups.contains("X25519MLKEM768"), openssl == "3.5.1", "{}", groups);
        prop_assert_eq!(groups.contains("X25519"), openssl != "1.0.2k", "{}", groups);
    }
    Ok(())
}
