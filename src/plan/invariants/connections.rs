//! Connections: pools, the API's, and what the edge lets in.

use super::{Court, STANDBY, number};
use crate::plan::pgbouncer::at_least;
use crate::value::Value;

impl Court<'_> {
    pub(super) fn pool(&mut self) {
        let Some(connections) = self.count("postgresql.max_connections") else { return };
        let reserved = self.budget.postgresql.as_ref().map_or(3, |p| p.reserved);
        let pooled = self.budget.pools.as_ref().map_or(0, |p| p.pools.value * (p.size + p.reserve));
        let mut numbers =
            vec![number("pools", pooled), number("reserved", reserved), number("max_connections", connections)];
        let mut below = Vec::new();
        for name in STANDBY {
            let Some(primary) = self.host.primary(name).map(|n| n.value) else { continue };
            let key = format!("postgresql.{name}");
            let default = || crate::postgres::catalogue::find(name, self.host.major)?.boot.parse().ok();
            let Some(own) = self.count(&key).or_else(default) else { continue };
            numbers.push(number(&format!("the primary's {name}"), primary));
            if own < primary {
                below.push((format!("{name} {own} is below the primary's {primary}"), format!("{key} to {primary}")));
            }
        }
        let fits = pooled + reserved <= connections && reserved < connections;
        let (message, next) = if below.is_empty() {
            let verb = if fits { "fit" } else { "do not fit" };
            let what = match pooled {
                0 => format!("{reserved} reserved connections"),
                _ => format!("pools of {pooled} and {reserved} reserved"),
            };
            let keys = [
                "postgresql.superuser_reserved_connections",
                "postgresql.reserved_connections",
                "pgbouncer.default_pool_size",
                "pgbouncer.reserve_pool_size",
            ];
            // What was pinned is the cause, whichever of the terms it is.
            let pinned = |key: &&str| self.settings.iter().any(|s| s.key == *key && s.origin.is_some());
            let pinned: Vec<&str> = keys.into_iter().filter(pinned).collect();
            let lower = self.lower(if pinned.is_empty() { &keys[..] } else { &pinned }, "lower pgbouncer.pools");
            (
                format!("{what} {verb} in max_connections {connections}"),
                format!("{lower}, or raise postgresql.max_connections"),
            )
        } else {
            let (wrong, right): (Vec<String>, Vec<String>) = below.into_iter().unzip();
            (format!("{}: a standby would not start", wrong.join(", ")), format!("raise {}", right.join(" and ")))
        };
        let holds = fits && !message.ends_with("would not start");
        self.verdict("connections.pool", Some(holds), numbers, message, &next);
    }

    pub(super) fn api(&mut self) {
        let Some(pool) = self.count("api.pool_size") else { return };
        let overflow = self.count("api.max_overflow").unwrap_or(0);
        let workers = self.count("api.workers").unwrap_or(1);
        let wanted = workers * (pool + overflow);
        let (room, what) = match (&self.budget.pools, &self.budget.postgresql) {
            (Some(p), _) => (p.clients, "PgBouncer's max_client_conn"),
            (None, Some(pg)) => (pg.max_connections.saturating_sub(pg.reserved), "PostgreSQL's free connections"),
            (None, None) => return,
        };
        let prepared = self.value("api.prepared_statements") == Some(&Value::Bool(true));
        let version = self.host.facts.software.pgbouncer.as_ref().and_then(|p| p.version.as_deref());
        let has = self.budget.pools.is_none() || version.is_some_and(|v| at_least(v, 1, 21));
        let holds = wanted <= room && (has || !prepared);
        let numbers = vec![number("workers", workers), number("connections each", pool + overflow), number(what, room)];
        let message = if prepared && !has {
            "the API prepares statements, and this PgBouncer is not known to keep them apart (1.21 and later)"
                .to_owned()
        } else {
            format!("{workers} workers ask for {wanted} of {what}, {room}")
        };
        self.verdict("connections.api", Some(holds), numbers, message, "lower api.pool_size");
    }

    pub(super) fn edge(&mut self) {
        let (Some(conn), Some(pg)) = (self.count("nginx.limit_conn"), &self.budget.postgresql) else { return };
        // What finds no back end free waits in the pooler, and with it nothing but the client that sent it.
        let (room, what) = match &self.budget.pools {
            Some(pools) => (pools.clients, "PgBouncer's max_client_conn"),
            None => (pg.clients, "back ends"),
        };
        let mut numbers = vec![number("limit_conn", conn), number(what, room)];
        let mut worst = 0;
        for (zone, timeout) in [
            ("api", "nginx.proxy_read_timeout"),
            ("duckdb", "nginx.duckdb_read_timeout"),
            ("llm", "nginx.llm_read_timeout"),
        ] {
            let rate = self.count(&format!("nginx.{zone}_rate")).unwrap_or(0);
            let seconds = self.count(timeout).unwrap_or(0) / 1000;
            let busy = rate.saturating_mul(seconds).min(conn);
            numbers.push(number(&format!("{zone}: {rate} r/s × {seconds} s, at most limit_conn"), busy));
            worst = worst.max(busy);
        }
        let holds = worst < room;
        let left = if holds { "the rest is left for other addresses" } else { "none is left for other addresses" };
        let message = format!("one address has at most {worst} requests at a time for {room} ({what}): {left}");
        let next = format!("lower nginx.limit_conn to {}", (room / 2).max(1));
        self.verdict("connections.edge", Some(holds), numbers, message, &next);
    }
}
