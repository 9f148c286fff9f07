//! What requests pass through: backlogs, descriptors, timeouts, logs, metrics.

use super::{Court, number};
use crate::plan::nginx::LOG_CHAIN;
use crate::units;
use crate::value::Value;

impl Court<'_> {
    pub(super) fn network(&mut self) {
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
            (false, _) => "backlog ≤ somaxconn ≤ tcp_max_syn_backlog does not hold".to_owned(),
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
        let mut holds = open.is_none_or(|o| unit <= o);
        if let (Some(conns), Some(rlimit)) =
            (self.count("nginx.worker_connections"), self.count("nginx.worker_rlimit_nofile"))
        {
            numbers.push(number("2·worker_connections", conns * 2));
            numbers.push(number("worker_rlimit_nofile", rlimit));
            holds &= conns * 2 <= rlimit && rlimit <= unit;
        }
        if let Some(p) = &self.budget.pools {
            let need = p.clients + p.pools.value * (p.size + p.reserve);
            numbers.push(number("PgBouncer's clients and pools", need));
            holds &= need <= unit;
        }
        let message = if holds {
            "every service may open what it needs"
        } else {
            "a service may not open as many files as it needs"
        };
        let next = self.lower(&["nginx.worker_connections", "pgbouncer.max_client_conn"], "unset limits.units.nofile");
        self.verdict("descriptors", Some(holds), numbers, message.to_owned(), &next);
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
        let message = if holds {
            "each layer waits longer than the one beneath, so that the first error reaches the client"
        } else {
            "a layer gives up before the one beneath has answered"
        };
        let keys = ["postgresql.statement_timeout", "pgbouncer.query_timeout", "nginx.proxy_read_timeout"];
        let next = self.unset(&keys, "plan with --sizing budget");
        self.verdict("timeouts", Some(holds), numbers, message.to_owned(), &next);
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
