//! What requests pass through: backlogs, descriptors, timeouts, logs, metrics.

use super::{Court, number};
use crate::plan::host::Sizing;
use crate::plan::nginx::LOG_CHAIN;
use crate::plan::{Component, Severity};
use crate::units;
use crate::value::Value;

/// A port that a service listens on, and at which addresses.
struct Listener {
    key: &'static str,
    port: u64,
    addresses: Vec<String>,
}

impl Listener {
    /// Whether both cannot listen at once.
    fn meets(&self, other: &Listener) -> bool {
        let everywhere = |address: &String| matches!(address.as_str(), "*" | "0.0.0.0" | "::");
        let clash = |a: &String, b: &String| a == b || everywhere(a) || everywhere(b);
        self.port == other.port && self.addresses.iter().any(|a| other.addresses.iter().any(|b| clash(a, b)))
    }
}

/// The addresses of a list such as `localhost, 10.0.0.1`.
fn addresses(value: &Value) -> Vec<String> {
    let items: Vec<&str> = match value {
        Value::Text(text) => text.split(',').collect(),
        Value::List(items) => items.iter().map(String::as_str).collect(),
        _ => Vec::new(),
    };
    let one = |item: &str| if item == "localhost" { "127.0.0.1".to_owned() } else { item.to_owned() };
    items.into_iter().map(str::trim).filter(|item| !item.is_empty()).map(one).collect()
}

impl Court<'_> {
    pub(super) fn network(&mut self) {
        if self.shared_port() {
            return;
        }
        let Some(somaxconn) =
            self.count("kernel.net.core.somaxconn").or_else(|| self.host.sysctl("net.core.somaxconn"))
        else {
            return;
        };
        let syn = self
            .count("kernel.net.ipv4.tcp_max_syn_backlog")
            .or_else(|| self.host.sysctl("net.ipv4.tcp_max_syn_backlog"));
        // DuckDB and SQLite listen to nobody.
        if !["postgresql.", "pgbouncer.", "nginx.", "api."].iter().any(|p| self.has_setting_of(p)) {
            return;
        }
        let backlog =
            ["nginx.backlog", "api.backlog", "pgbouncer.listen_backlog"].iter().filter_map(|k| self.count(k)).max();
        let keepalive = self.count("postgresql.tcp_keepalives_idle");
        let sender = self.count("postgresql.wal_sender_timeout").unwrap_or(60_000);
        let receiver = self.count("postgresql.wal_receiver_timeout").unwrap_or(60_000);
        let numbers = vec![
            number("largest backlog", backlog.unwrap_or(0)),
            number("somaxconn", somaxconn),
            number("tcp_max_syn_backlog", syn.map_or("unknown".to_owned(), |s| s.to_string())),
            number("keepalive idle", keepalive.map_or("kernel's".to_owned(), |k| format!("{k} s"))),
            number("wal_sender_timeout", units::format_millis(sender)),
            number("wal_receiver_timeout", units::format_millis(receiver)),
        ];
        let chain = backlog.unwrap_or(0) <= somaxconn && syn.is_none_or(|s| somaxconn <= s);
        let silent = sender > 0 && receiver > 0 && keepalive.is_none_or(|k| k > 0);
        let message = match (chain, silent) {
            (true, true) => "backlogs fit the kernel's, and a silent peer is noticed".to_owned(),
            (false, _) => format!(
                "backlog {} ≤ somaxconn {somaxconn} ≤ tcp_max_syn_backlog {} does not hold",
                backlog.unwrap_or(0),
                syn.map_or("unknown".to_owned(), |s| s.to_string())
            ),
            (true, false) => "a peer that went silent is never noticed".to_owned(),
        };
        let next = match (chain, backlog) {
            (false, _) => self.unset(
                &[
                    "nginx.backlog",
                    "api.backlog",
                    "pgbouncer.listen_backlog",
                    "kernel.net.core.somaxconn",
                    "kernel.net.ipv4.tcp_max_syn_backlog",
                ],
                "on the container's host: raise net.core.somaxconn and net.ipv4.tcp_max_syn_backlog",
            ),
            _ => self.unset(
                &["postgresql.tcp_keepalives_idle", "postgresql.wal_sender_timeout", "postgresql.wal_receiver_timeout"],
                "",
            ),
        };
        self.verdict("network", Some(chain && silent), numbers, message, &next);
    }

    /// Two services that would listen on one port of this host: the second does not start. Whether there are any.
    fn shared_port(&mut self) -> bool {
        let listeners = self.listeners();
        let pairs = listeners.iter().enumerate().flat_map(|(i, a)| listeners.iter().skip(i + 1).map(move |b| (a, b)));
        let Some((a, b)) = pairs.into_iter().find(|(a, b)| a.meets(b)) else { return false };
        let severity = match self.host.sizing {
            Sizing::Budget => Severity::Error,
            Sizing::Guide => Severity::Warning,
        };
        let numbers = vec![number(a.key, a.port), number(b.key, b.port)];
        let message = format!("{} and {} are both {}: only one service can listen there", a.key, b.key, a.port);
        let next = self.unset(&[a.key, b.key], &format!("set {} or {} to another port", a.key, b.key));
        self.verdict_of("network", Some(false), severity, numbers, message, &next);
        true
    }

    /// Everything that listens on this host.
    fn listeners(&self) -> Vec<Listener> {
        let mut all = Vec::new();
        let mut add = |key: &'static str, port: Option<u64>, addresses: Vec<String>| {
            all.extend(port.map(|port| Listener { key, port, addresses }));
        };
        if self.host.has(Component::PostgreSql) {
            let cluster = self.host.cluster();
            let port = self.count("postgresql.port").or_else(|| cluster?.port.map(u64::from));
            let written = || Some(cluster?.settings.get("listen_addresses")?.value.clone());
            let addresses = match self.value("postgresql.listen_addresses") {
                Some(value) => addresses(value),
                None => addresses(&Value::Text(written().unwrap_or_else(|| "localhost".to_owned()))),
            };
            add("postgresql.port", Some(port.unwrap_or(5432)), addresses);
        }
        let of = |key: &str| self.value(key).map(addresses).unwrap_or_default();
        add("pgbouncer.listen_port", self.count("pgbouncer.listen_port"), of("pgbouncer.listen_addr"));
        add("nginx.http_port", self.count("nginx.http_port"), vec!["*".to_owned()]);
        if self.host.profile.text("nginx.tls_certificate").is_some_and(|file| !file.is_empty()) {
            add("nginx.https_port", self.count("nginx.https_port"), vec!["*".to_owned()]);
        }
        add("api.port", self.count("api.port"), of("api.host"));
        all
    }

    fn has_setting_of(&self, prefix: &str) -> bool {
        self.settings.iter().any(|s| s.key.starts_with(prefix))
    }

    pub(super) fn descriptors(&mut self) {
        let Some(unit) = self.count("limits.units.nofile") else { return };
        let open = self.count("kernel.fs.nr_open").or_else(|| self.host.sysctl("fs.nr_open"));
        let mut numbers = vec![
            number("LimitNOFILE", unit),
            number("fs.nr_open", open.map_or("unknown".to_owned(), |o| o.to_string())),
        ];
        let mut broken = Vec::new();
        let mut within = |less: (&str, u64), more: (&str, u64)| {
            if less.1 > more.1 {
                broken.push(format!("{} {} > {} {}", less.0, less.1, more.0, more.1));
            }
        };
        if let Some(open) = open {
            within(("LimitNOFILE", unit), ("fs.nr_open", open));
        }
        if let (Some(conns), Some(rlimit)) =
            (self.count("nginx.worker_connections"), self.count("nginx.worker_rlimit_nofile"))
        {
            numbers.push(number("2·worker_connections", conns * 2));
            numbers.push(number("worker_rlimit_nofile", rlimit));
            within(("2·worker_connections", conns * 2), ("worker_rlimit_nofile", rlimit));
            within(("worker_rlimit_nofile", rlimit), ("LimitNOFILE", unit));
        }
        if let Some(p) = &self.budget.pools {
            let need = p.clients + p.pools.value * (p.size + p.reserve);
            numbers.push(number("PgBouncer's clients and pools", need));
            within(("PgBouncer's clients and pools", need), ("LimitNOFILE", unit));
        }
        let message = match broken.as_slice() {
            [] => "every service may open what it needs".to_owned(),
            broken => format!("a service may not open as many files as it needs: {}", broken.join(", ")),
        };
        let pinned = self.unset(&["limits.units.nofile", "nginx.worker_rlimit_nofile"], "");
        let next = match pinned.is_empty() {
            true => self.lower(&["nginx.worker_connections", "pgbouncer.max_client_conn"], "unset limits.units.nofile"),
            false => pinned,
        };
        self.verdict("descriptors", Some(broken.is_empty()), numbers, message, &next);
    }

    pub(super) fn timeouts(&mut self) {
        let chain: Vec<(String, u64)> = [
            ("statement_timeout", "postgresql.statement_timeout"),
            ("query_timeout", "pgbouncer.query_timeout"),
            ("proxy_read_timeout", "nginx.proxy_read_timeout"),
        ]
        .iter()
        .filter_map(|(name, key)| Some(((*name).to_owned(), self.count(key)?)))
        .collect();
        if chain.len() < 2 {
            return;
        }
        // 0 means no limit: nothing that waits for it can be longer.
        let longest = |ms: u64| if ms == 0 { u64::MAX } else { ms };
        let holds = chain.windows(2).all(|w| matches!(w, [a, b] if longest(a.1) < longest(b.1)));
        let numbers = chain.iter().map(|(n, ms)| number(n, units::format_millis(*ms))).collect();
        let told = |ms: u64| if ms == 0 { "0 (without end)".to_owned() } else { units::format_millis(ms) };
        let message = if holds {
            "each layer waits longer than the one beneath, so that the first error reaches the client".to_owned()
        } else {
            let chain: Vec<String> = chain.iter().map(|(name, ms)| format!("{name} {}", told(*ms))).collect();
            format!("a layer gives up before the one beneath has answered: {} does not hold", chain.join(" < "))
        };
        let keys = ["postgresql.statement_timeout", "pgbouncer.query_timeout", "nginx.proxy_read_timeout"];
        let next = self.unset(&keys, "plan with --sizing budget");
        self.verdict("timeouts", Some(holds), numbers, message, &next);
    }

    pub(super) fn chains(&mut self) {
        if let (Some(Value::List(edge)), Some(Value::List(api))) =
            (self.value("nginx.log_fields"), self.value("api.log_fields"))
        {
            let missing: Vec<&str> =
                LOG_CHAIN.iter().copied().filter(|f| ![edge, api].iter().all(|l| l.iter().any(|x| x == f))).collect();
            let numbers = vec![number("edge", edge.join(" ")), number("API", api.join(" "))];
            let holds = missing.is_empty();
            let message = if holds {
                "a request can be followed through both logs".to_owned()
            } else {
                format!("{} not in both logs", missing.join(", "))
            };
            self.verdict("log.chain", Some(holds), numbers, message, "add them to nginx.log_fields and api.log_fields");
        }
        if let (Some(Value::List(allow)), Some(Value::Text(path))) =
            (self.value("nginx.metrics_allow"), self.value("api.metrics_path"))
        {
            let open = allow.iter().any(|n| n == "all" || n == "0.0.0.0/0" || n == "::/0");
            let holds = path.starts_with('/') && !allow.is_empty() && !open;
            let numbers = vec![number("path", path), number("allowed", allow.join(" "))];
            let message = if open {
                "everybody may read the metrics"
            } else if holds {
                "only the allowed networks read the metrics"
            } else {
                "nobody can read the metrics"
            };
            self.verdict(
                "metrics.reach",
                Some(holds),
                numbers,
                message.to_owned(),
                "set nginx.metrics_allow to the monitoring networks",
            );
        }
    }
}
