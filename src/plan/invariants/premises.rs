//! Premises of the plan that were not checked, each with the command that would, and what else is worth knowing.

use super::Court;
use crate::plan::{Basis, Component, Severity, kernel, nginx, specs};
use crate::profile::{Origin, keys};
use crate::units::{self, KB};
use crate::value::Value;

/// What is known of one premise beforehand, for `explain`.
#[derive(Debug, Clone, Copy, serde::Serialize)]
pub struct Premise {
    /// Stable name of the finding.
    pub name: &'static str,
    /// What it is about, a sentence without a full stop.
    pub about: &'static str,
}

/// Every finding that is no invariant's.
#[rustfmt::skip]
pub static PREMISES: &[Premise] = &[
    Premise { name: "host.cpus", about: "the number of CPUs, where it could not be read" },
    Premise { name: "host.other_memory", about: "memory that processes hold which are no part of the stack; nothing is taken off for them unless host.other_memory says so" },
    Premise { name: "disk.class", about: "the class of the disk that holds the database (hdd, ssd or nvme), where the kernel does not tell it; planner costs, I/O concurrency and vacuum's cost limit follow from it" },
    Premise { name: "disk.size", about: "the size of the file system that WAL is written to, where it is not known; max_wal_size follows from it" },
    Premise { name: "postgresql.version", about: "the major version that is planned for, where no server is installed" },
    Premise { name: "postgresql.unsafe", about: "pinned values that lose data in a crash, stop vacuum or keep passwords that can be replayed" },
    Premise { name: "connections.peak", about: "clients connected now to the live server, against the planned max_connections" },
    Premise { name: "database.size", about: "the size of the live server's databases, against shared_buffers" },
    Premise { name: "io_uring", about: "whether io_uring works here, where postgresql.io_method is pinned to it" },
    Premise { name: "kernel.container", about: "kernel settings of a container are those of its host" },
    Premise { name: "kernel.keys", about: "settings of the kernel that the guide names and this kernel lacks" },
    Premise { name: "nginx.upstream", about: "back ends that are named and not addressed, where nginx looks a name up at its start alone: before 1.27.3, or without nginx.resolver" },
    Premise { name: "nginx.user", about: "the user nginx runs as, where /etc/passwd does not have him" },
    Premise { name: "config.unused", about: "keys that are set and that nothing in this plan takes" },
    Premise { name: "llm.memory", about: "what the LLM gateway may hold; it gets nothing unless llm.memory says so" },
];

impl Court<'_> {
    /// All of them.
    pub(super) fn premises(&mut self) {
        self.host_premises();
        self.edge_premises();
        self.disk_premises();
        self.container_premises();
        self.live_premises();
        self.pinned_premises();
        self.without_limit();
        self.unused();
    }

    /// Pins of settings that this plan does not have: a value that does nothing is not passed over in silence. What is
    /// meant for a component that lives on another host is no cause for a remark.
    fn unused(&mut self) {
        let planned = |table: &str| self.settings.iter().any(|s| s.component.name() == table);
        let unused = self.host.profile.values.iter().filter(|(key, set)| {
            let table = key.split('.').next().unwrap_or_default();
            !matches!(set.origin, Origin::Profile { .. })
                && !keys::KEYS.iter().any(|input| input.name == key.as_str())
                && table != "postgresql"
                && planned(table)
                && !self
                    .settings
                    .iter()
                    .any(|s| s.key == **key || specs::find(&s.key).is_some_and(|spec| spec.key() == **key))
        });
        let unused: Vec<String> = unused.map(|(key, set)| format!("{key} ({})", set.origin)).collect();
        if let Some(first) = unused.first() {
            let verb = if unused.len() == 1 { "is" } else { "are" };
            let message = format!("{} {verb} set, and nothing in this plan takes it", unused.join(", "));
            let key = first.split(' ').next().unwrap_or_default();
            self.note("config.unused", Severity::Info, message, &format!("unset it: llmsql config unset {key}"));
        }
    }

    fn host_premises(&mut self) {
        let host = self.host;
        if host.cpus.input.basis == Basis::Assumed {
            let message = "the number of CPUs could not be read; 1 is assumed".to_owned();
            self.note("host.cpus", Severity::Assumption, message, "llmsql plan --cpus N");
        }
        if host.has(Component::PostgreSql) && host.major_input.basis == Basis::Assumed {
            let message = "no PostgreSQL is installed here; the plan is for 18".to_owned();
            let next = "llmsql config set postgresql.version N, with N from 14 to 18";
            self.note("postgresql.version", Severity::Assumption, message, next);
        }
        let foreign = host.facts.memory.foreign_bytes.filter(|_| host.ram_is_measured).unwrap_or(0);
        let noticeable = host.ram.value / 20;
        if host.other.value == 0
            && foreign > noticeable.max(256 * 1024 * KB)
            && host.profile.get("host.other_memory").is_none()
        {
            let message = format!(
                "processes that are no part of the stack hold {}; nothing was taken off for them",
                units::human_bytes(foreign)
            );
            let next =
                format!("llmsql config set host.other_memory {}", units::format_bytes(foreign / units::MB * units::MB));
            self.note("host.other_memory", Severity::Assumption, message, &next);
        }
        if host.has(Component::Llm) && host.profile.bytes("llm.memory").is_none() {
            let message = "the LLM gateway lives here and is given no memory".to_owned();
            self.note("llm.memory", Severity::Assumption, message, "llmsql config set llm.memory 8GB");
        }
        let lacking = kernel::lacking(host);
        if !lacking.is_empty() {
            let message = format!("this kernel lacks {}; left out", lacking.join(", "));
            self.note("kernel.keys", Severity::Info, message, "");
        }
    }

    /// What nginx needs at its start and the plan cannot see.
    fn edge_premises(&mut self) {
        let text = |court: &Self, key: &str| match court.value(key) {
            Some(Value::Text(text)) => text.clone(),
            _ => String::new(),
        };
        let resolver = text(self, "nginx.resolver");
        if !nginx::resolves(self.host.facts, &resolver) {
            for key in ["nginx.api_upstream", "nginx.duckdb_upstream", "nginx.llm_upstream"] {
                let upstream = text(self, key);
                if upstream.is_empty() || nginx::is_address(&upstream) {
                    continue;
                }
                let name = upstream.rsplit_once(':').map_or(upstream.as_str(), |(name, _)| name);
                // Compose starts these before nginx (depends_on), and knows their names.
                if self
                    .settings
                    .iter()
                    .any(|s| s.key.ends_with(".service") && s.key.starts_with("containers.") && s.value == name)
                {
                    continue;
                }
                let message = format!(
                    "nginx looks {name} up once, at its start, and does not start where that fails; 1.27.3 and later look \
                     again where nginx.resolver is set"
                );
                self.note("nginx.upstream", Severity::Assumption, message, &format!("getent hosts {name}"));
            }
        }
        let user = text(self, "nginx.user");
        let users = &self.host.facts.software.users;
        // Only of packages' users do the facts say whether they are there.
        let contained = crate::plan::containers::holds(self.host, Component::Nginx);
        if !contained && nginx::USERS.contains(&user.as_str()) && !users.is_empty() && !users.contains(&user) {
            let message = format!("nginx is to run as {user}, whom /etc/passwd does not have: it would not start");
            let next = "install nginx, whose package makes the user, or llmsql config set nginx.user NAME";
            self.note("nginx.user", Severity::Assumption, message, next);
        }
    }

    fn disk_premises(&mut self) {
        let host = self.host;
        if !host.has(Component::PostgreSql) {
            return;
        }
        let disk = host.mount_of(host.data_dir());
        let measured = disk.is_some_and(|d| host.facts.measurements.iter().any(|m| m.mount == d.mount));
        if host.disk_input.basis == Basis::Assumed && !measured {
            let message = format!(
                "the disk that holds the database is taken to be {}: {}",
                host.disk.name(),
                host.disk_input.source
            );
            self.note("disk.class", Severity::Assumption, message, "llmsql facts --measure");
        }
        if disk.and_then(|d| d.size_bytes).is_none() && host.profile.get("postgresql.max_wal_size").is_none() {
            let max = self.count("postgresql.max_wal_size").map_or_else(String::new, units::format_bytes);
            let message =
                format!("the size of the WAL's file system is not known; max_wal_size of {max} follows from the RAM");
            let next = "plan on the host itself, or llmsql config set postgresql.max_wal_size SIZE";
            self.note("disk.size", Severity::Assumption, message, next);
        }
    }

    fn container_premises(&mut self) {
        let host = self.host;
        if host.owns_kernel() {
            return;
        }
        let pages = host.facts.memory.huge_pages;
        if let Some(pg) = self.budget.postgresql.as_ref().filter(|p| p.huge_pages)
            && pages.is_none_or(|there| there < pg.huge_page_count)
            && !self.findings.iter().any(|f| f.invariant == "memory.huge_pages")
        {
            let message = format!(
                "{} huge pages are counted on, and this container has fewer; without them page tables take up to {} more",
                pg.huge_page_count,
                units::human_bytes(pg.max_connections.saturating_mul(pg.shared_buffers / 512)),
            );
            let next = format!("on the container's host: sysctl -w vm.nr_hugepages={}", pg.huge_page_count);
            self.note("memory.huge_pages", Severity::Assumption, message, &next);
        }
        let message = "this is a container: kernel settings are those of its host and have to be made there".to_owned();
        self.note("kernel.container", Severity::Info, message, "");
    }

    fn live_premises(&mut self) {
        let Some(live) = &self.host.facts.database else { return };
        if let (Some(now), Some(planned)) = (live.connections, self.count("postgresql.max_connections"))
            && self.budget.pools.is_none()
            && now > planned
        {
            let message = format!("{now} clients are connected now, and max_connections is planned at {planned}");
            let next = "put a pooler in front, or pin postgresql.max_connections";
            self.note("connections.peak", Severity::Warning, message, next);
        }
        if let (Some(size), Some(buffers)) = (live.size_bytes, self.count("postgresql.shared_buffers"))
            && size < buffers
        {
            let message = format!(
                "the databases of {} fit into shared_buffers whole; the rest of them stays empty",
                units::human_bytes(size)
            );
            self.note("database.size", Severity::Info, message, "");
        }
    }

    fn pinned_premises(&mut self) {
        let unsafe_pins: Vec<&str> = self
            .settings
            .iter()
            .filter(|s| {
                let off = s.value == "off";
                match s.key.as_str() {
                    "postgresql.fsync" | "postgresql.full_page_writes" | "postgresql.autovacuum" => off,
                    "postgresql.password_encryption" => s.value == "md5",
                    _ => false,
                }
            })
            .map(|s| s.key.as_str())
            .collect();
        if !unsafe_pins.is_empty() {
            let message = format!(
                "{} is pinned to a value that loses data in a crash, stops vacuum or keeps replayable passwords",
                unsafe_pins.join(", ")
            );
            let next = format!("unset {}", unsafe_pins.join(" and "));
            self.note("postgresql.unsafe", Severity::Warning, message, &next);
        }
        let ring = self.value("postgresql.io_method") == Some(&Value::Text("io_uring".to_owned()));
        let kernel = &self.host.facts.kernel;
        if ring && kernel.io_uring != Some(true) {
            let why = kernel.io_uring_reason.as_deref().unwrap_or("it was not probed here");
            let message = format!("io_method = io_uring is pinned, and io_uring is not known to work: {why}");
            self.note("io_uring", Severity::Warning, message, "set postgresql.io_method to worker");
        }
        if let (Some(max), Some(min)) = (self.count("postgresql.max_wal_size"), self.count("postgresql.min_wal_size"))
            && min > max
        {
            let message = "min_wal_size is larger than max_wal_size: WAL of that size is kept all the time".to_owned();
            let next = self.unset(&["postgresql.min_wal_size", "postgresql.max_wal_size"], "");
            self.note("disk.wal", Severity::Warning, message, &next);
        }
    }

    /// Pinned limits of what may be written that are none.
    fn without_limit(&mut self) {
        for (key, message) in [
            (
                "postgresql.max_slot_wal_keep_size",
                "replication slots may hold WAL without a limit: one that nobody reads fills the disk",
            ),
            (
                "duckdb.max_temp_directory_size",
                "DuckDB may spill to disk without a limit: one query with too large a join fills it",
            ),
        ] {
            if self.value(key) == Some(&Value::Int(-1)) {
                self.note("disk.wal", Severity::Warning, message.to_owned(), &format!("unset {key}"));
            }
        }
    }
}
