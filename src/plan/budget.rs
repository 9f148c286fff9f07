//! Who gets how much of the host's memory and CPUs (DESIGN "The budget"). All in bytes; floored to kB at the end.

mod postgres;

use super::Component;
use super::host::{Host, Num, Sizing};
use crate::units::{GB, KB, MB, floor_kb};

/// PostgreSQL's own limit of max_parallel_workers.
const MOST_PARALLEL: u64 = 1024;
/// What one back end holds beside its work_mem: catalogue caches, plans, its stack.
const PER_BACKEND: u64 = 4 * MB;
/// PostgreSQL's own limit of back ends of all kinds: MAX_BACKENDS.
pub(super) const MOST_BACKENDS: u64 = 262_143;
/// Back ends of PostgreSQL's own beside those that are set: autovacuum's launcher and, from 17 on, the slot sync worker.
const SPECIAL_BACKENDS: u64 = 2;
/// Sorts and hashes one query is taken to run at a time.
const NODES_PER_QUERY: u64 = 2;
/// Shared memory beside shared_buffers, in percent of it: measured, 16GB with 200 connections needed 2.7 % more.
const SHARED_OVERHEAD_PERCENT: u64 = 103;

/// A fixed need of one component.
#[derive(Debug, Clone)]
pub struct Need {
    /// Whose.
    pub component: Component,
    /// The formula.
    pub formula: &'static str,
    /// With numbers.
    pub worked: String,
    /// What went in.
    pub inputs: Vec<super::Input>,
    /// Bytes.
    pub bytes: u64,
}

/// Which term of work_mem was the smallest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkMemTerm {
    /// The guide's `(S − SB)/(2C)`.
    Guide,
    /// What the worst case leaves.
    WorstCase,
    /// The cap of 1GB.
    Cap,
    /// Pinned by the operator.
    Pinned,
    /// Nothing is left; the least that makes sense is written and `memory.fit` is violated.
    Floor,
}

/// PostgreSQL's memory and connections.
#[derive(Debug, Clone)]
pub struct PostgresBudget {
    /// PostgreSQL's share of the RAM.
    pub share: u64,
    /// shared_buffers.
    pub shared_buffers: u64,
    /// effective_cache_size.
    pub effective_cache_size: u64,
    /// maintenance_work_mem.
    pub maintenance_work_mem: u64,
    /// autovacuum_work_mem.
    pub autovacuum_work_mem: u64,
    /// autovacuum_max_workers.
    pub autovacuum_workers: u64,
    /// temp_buffers.
    pub temp_buffers: u64,
    /// hash_mem_multiplier.
    pub hash_mem_multiplier: f64,
    /// work_mem.
    pub work_mem: u64,
    /// Why that work_mem.
    pub work_mem_term: WorkMemTerm,
    /// The guide's term.
    pub work_mem_guide: u64,
    /// The worst case's term; negative where nothing is left.
    pub work_mem_worst: i128,
    /// Back ends that clients can occupy: C.
    pub clients: u64,
    /// max_connections.
    pub max_connections: u64,
    /// max_worker_processes.
    pub worker_processes: u64,
    /// max_wal_senders, and max_replication_slots.
    pub wal_senders: u64,
    /// Standbys that stream from this server.
    pub replicas: Num,
    /// reserved_connections, which only 16 and later have.
    pub reserved_for_monitoring: u64,
    /// superuser_reserved_connections and reserved_connections.
    pub reserved: u64,
    /// max_connections before anything reduced it, and why that many.
    pub wanted: Wanted,
    /// Whether max_connections or the pools were reduced so that memory fits, and from what.
    pub reduced_from: Option<u64>,
    /// max_parallel_workers.
    pub parallel_workers: u64,
    /// Whether huge pages are planned for.
    pub huge_pages: bool,
    /// vm.nr_hugepages, where huge pages are planned.
    pub huge_page_count: u64,
    /// Size of a huge page.
    pub huge_page_size: u64,
}

impl PostgresBudget {
    /// What stands whatever clients do: shared memory, maintenance, back ends, temporary buffers.
    #[must_use]
    pub fn standing(&self) -> u64 {
        // The last term is what clients do.
        let terms = self.terms();
        terms.iter().rev().skip(1).fold(0, |sum, (_, bytes)| sum.saturating_add(*bytes))
    }

    /// How many work_mem can be in use at once.
    #[must_use]
    pub fn work_mem_users(&self) -> f64 {
        (self.clients + self.parallel_workers) as f64 * self.hash_mem_multiplier * NODES_PER_QUERY as f64
    }

    /// Back ends of every kind but clients': autovacuum, background workers, WAL senders and PostgreSQL's own.
    #[must_use]
    pub fn other_backends(&self, major: u32) -> u64 {
        self.autovacuum_slots(major)
            .saturating_add(self.worker_processes)
            .saturating_add(self.wal_senders)
            .saturating_add(SPECIAL_BACKENDS)
    }

    /// autovacuum_worker_slots, or before 18 the workers themselves.
    #[must_use]
    pub fn autovacuum_slots(&self, major: u32) -> u64 {
        if major >= 18 { self.autovacuum_workers.clamp(16, MOST_BACKENDS) } else { self.autovacuum_workers }
    }

    /// The terms of [`PostgresBudget::worst_case`], by name, in bytes.
    #[must_use]
    pub fn terms(&self) -> Vec<(&'static str, u64)> {
        let per_backend = PER_BACKEND + if self.huge_pages { 0 } else { self.shared_buffers / 512 };
        let vacuum = self.autovacuum_workers.saturating_mul(self.autovacuum_work_mem);
        vec![
            ("shared memory, 1.03·shared_buffers", self.shared_buffers / 100 * SHARED_OVERHEAD_PERCENT),
            ("autovacuum workers and maintenance_work_mem", vacuum.saturating_add(self.maintenance_work_mem)),
            ("back ends and page tables", self.max_connections.saturating_mul(per_backend)),
            ("temp_buffers of every client", self.clients.saturating_mul(self.temp_buffers)),
            ("work_mem of clients and parallel workers", (self.work_mem_users() * self.work_mem as f64).ceil() as u64),
        ]
    }

    /// The most PostgreSQL can hold.
    #[must_use]
    pub fn worst_case(&self) -> u64 {
        self.terms().iter().fold(0, |sum, (_, bytes)| sum.saturating_add(*bytes))
    }
}

/// How many connections were wanted where no pooler stands in front.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// As many.
    pub connections: u64,
    /// The rule in symbols.
    pub formula: &'static str,
    /// With numbers.
    pub worked: String,
    /// What went in.
    pub inputs: Vec<super::Input>,
    /// The cap that bit.
    pub cap: Option<String>,
}

/// PgBouncer's pools.
#[derive(Debug, Clone)]
pub struct Pools {
    /// Pairs of database and user.
    pub pools: Num,
    /// default_pool_size.
    pub size: u64,
    /// reserve_pool_size.
    pub reserve: u64,
    /// min_pool_size.
    pub min: u64,
    /// max_client_conn.
    pub clients: u64,
}

/// DuckDB's share.
#[derive(Debug, Clone)]
pub struct DuckBudget {
    /// Its share of the RAM.
    pub share: u64,
    /// memory_limit.
    pub memory_limit: u64,
    /// threads.
    pub threads: u64,
    /// external_threads.
    pub external_threads: u64,
    /// checkpoint_threshold.
    pub checkpoint_threshold: u64,
}

/// NGINX's processes.
#[derive(Debug, Clone)]
pub struct NginxBudget {
    /// worker_processes.
    pub workers: u64,
    /// worker_connections, for each worker.
    pub connections: u64,
    /// Whether connections were reduced so that NGINX takes no more than a sixteenth of the RAM.
    pub capped: bool,
}

/// Which pins keep a plan from being sound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Guilty {
    /// The host is too small without any of them too.
    None,
    /// Any one of these: without it the others fit.
    Any(Vec<String>),
    /// These together.
    All(Vec<String>),
}

/// The whole budget.
#[derive(Debug, Clone)]
pub struct Budget {
    /// Memory planned for.
    pub ram: u64,
    /// Kept for the kernel and everything small.
    pub reserve: Num,
    /// Fixed needs.
    pub needs: Vec<Need>,
    /// What PostgreSQL and DuckDB share.
    pub rest: u64,
    /// PostgreSQL's percentage of it.
    pub percent: Num,
    /// PostgreSQL, where it lives here.
    pub postgresql: Option<PostgresBudget>,
    /// PgBouncer, where it lives here.
    pub pools: Option<Pools>,
    /// DuckDB, where it lives here.
    pub duckdb: Option<DuckBudget>,
    /// NGINX, where it lives here.
    pub nginx: Option<NginxBudget>,
    /// The API's workers, where it lives here.
    pub api_workers: u64,
    /// Whether everything fits without going under the floors.
    pub fits: bool,
}

impl Budget {
    /// The budget of a host.
    #[must_use]
    pub fn new(host: &Host<'_>) -> Self {
        Budget::for_ram(host, host.ram.value)
    }

    /// A whole number of MB of RAM, up to 64TB, with which this host's plan, pins included, is sound, and with one MB
    /// less is not: the smallest, as far as more memory never makes a plan worse.
    #[must_use]
    pub fn smallest_ram(host: &Host<'_>) -> Option<u64> {
        let sound = |mb: u64| Budget::for_ram(host, mb * MB).is_sound(host);
        let (mut low, mut high) = (host.ram.value / MB, 64 * 1024 * 1024);
        if low >= high || !sound(high) {
            return None;
        }
        while low + 1 < high {
            let middle = low + (high - low) / 2;
            if sound(middle) { high = middle } else { low = middle }
        }
        Some(high * MB)
    }

    /// Whether no floor is gone under and all that is committed at worst is there.
    #[must_use]
    pub fn is_sound(&self, host: &Host<'_>) -> bool {
        self.fits && self.committed(host) <= self.ram
    }

    /// Everything that is promised at worst, in bytes.
    #[must_use]
    pub fn committed(&self, host: &Host<'_>) -> u64 {
        let pg = self.postgresql.as_ref().map_or(0, PostgresBudget::worst_case);
        let duck = self.duckdb.as_ref().map_or(0, |d| d.share.max(d.memory_limit));
        self.fixed(host).saturating_add(pg).saturating_add(duck)
    }

    /// The pins that keep a plan from being sound: each of which it would do to unset, else those that have to go
    /// together.
    #[must_use]
    pub fn guilty_pins(host: &Host<'_>) -> Guilty {
        let sound_without = |keys: &[&str]| {
            let mut profile = host.profile.clone();
            profile.values.retain(|key, _| !keys.contains(&key.as_str()));
            Host::new(host.facts, &profile).is_ok_and(|host| Budget::new(&host).is_sound(&host))
        };
        let pins: Vec<&str> = host.profile.values.keys().map(String::as_str).filter(|key| is_counted(key)).collect();
        let owned = |pins: Vec<&str>| pins.into_iter().map(str::to_owned).collect();
        let any: Vec<&str> = pins.iter().copied().filter(|pin| sound_without(&[pin])).collect();
        if !any.is_empty() {
            return Guilty::Any(owned(any));
        }
        if !sound_without(&pins) {
            return Guilty::None;
        }
        let mut guilty = pins;
        let mut tried = 0;
        while let Some(pin) = guilty.get(tried).copied() {
            let others: Vec<&str> = guilty.iter().copied().filter(|other| *other != pin).collect();
            if sound_without(&others) {
                guilty = others;
            } else {
                tried += 1;
            }
        }
        Guilty::All(owned(guilty))
    }

    /// The pins without which less RAM would do than with them, where the host is too small all the same, and how much
    /// would do without them.
    #[must_use]
    pub fn costly_pins(host: &Host<'_>, enough: Option<u64>) -> (Vec<String>, Option<u64>) {
        let without = |keys: &[&str]| {
            let mut profile = host.profile.clone();
            profile.values.retain(|key, _| !keys.contains(&key.as_str()));
            Host::new(host.facts, &profile).ok().and_then(|host| Budget::smallest_ram(&host))
        };
        let less = |ram: Option<u64>| ram.is_some_and(|ram| enough.is_none_or(|enough| ram < enough));
        let pins: Vec<&str> = host.profile.values.keys().map(String::as_str).filter(|key| is_counted(key)).collect();
        let all = without(&pins);
        if !less(all) {
            return (Vec::new(), None);
        }
        let alone: Vec<&str> = pins.iter().copied().filter(|pin| less(without(&[pin]))).collect();
        let (pins, ram) = match without(&alone) {
            ram if !alone.is_empty() && less(ram) => (alone, ram),
            _ => (pins, all),
        };
        (pins.into_iter().map(str::to_owned).collect(), ram)
    }

    /// Reserve and fixed needs and other tenants, in bytes.
    #[must_use]
    pub fn fixed(&self, host: &Host<'_>) -> u64 {
        total(&self.needs).saturating_add(self.reserve.value).saturating_add(host.other.value)
    }

    fn for_ram(host: &Host<'_>, ram: u64) -> Self {
        let cpus = host.cpus.value;
        let reserve = host.bytes("budget.reserve", "reserve", (ram / 10).clamp(128 * MB, 4 * GB));
        let api_workers = host.pinned_count("api.workers").unwrap_or((cpus / 2).clamp(1, 8));
        let nginx = host.has(Component::Nginx).then(|| nginx(host, ram));
        let pooler_clients = host.pinned_count("pgbouncer.max_client_conn").unwrap_or(1000);
        let needs = needs(host, nginx.as_ref(), pooler_clients, api_workers);
        let taken = total(&needs).saturating_add(reserve.value).saturating_add(host.other.value);
        let rest = ram.saturating_sub(taken);
        let both = host.has(Component::PostgreSql) && host.has(Component::DuckDb);
        let percent = host.count("budget.postgresql_share", "PostgreSQL's part", host.workload.postgresql_percent());
        let percent_of_both = if both { percent.value.min(100) } else { 100 };
        let pg_share = match host.sizing {
            Sizing::Budget => (u128::from(rest) * u128::from(percent_of_both) / 100) as u64,
            Sizing::Guide => ram,
        };
        let parallel = host.pinned_count("postgresql.max_parallel_workers").unwrap_or(match host.sizing {
            Sizing::Budget => (cpus * percent_of_both / 100).clamp(1, MOST_PARALLEL),
            Sizing::Guide => (cpus / 2).clamp(1, MOST_PARALLEL),
        });
        let mut fits = taken <= ram;
        let (mut postgresql, mut pools) = (None, None);
        if host.has(Component::PostgreSql) || host.has(Component::PgBouncer) {
            let room = postgres::Room { share: pg_share, reserve: reserve.value };
            let (pg, pooler, pg_fits) = postgres::postgres(host, room, parallel, pooler_clients, api_workers);
            if host.has(Component::PostgreSql) {
                fits &= pg_fits;
                postgresql = Some(pg);
            }
            pools = pooler;
        }
        let duckdb = host.has(Component::DuckDb).then(|| duckdb(host, ram, rest, pg_share, both, parallel));
        if let (Some(d), Sizing::Budget) = (&duckdb, host.sizing) {
            // DuckDB refuses to start a query below some 10 MB for each thread.
            fits &= d.memory_limit >= 16 * MB;
        }
        Budget { ram, reserve, needs, rest, percent, postgresql, pools, duckdb, nginx, api_workers, fits }
    }
}

/// Whether a configured key is one that memory is counted with, and not what the host or its stack is.
fn is_counted(key: &str) -> bool {
    let tables = ["budget.", "postgresql.", "pgbouncer.", "nginx.", "api.", "duckdb.", "llm."];
    key == "host.other_memory" || key != "postgresql.version" && tables.iter().any(|table| key.starts_with(table))
}

/// What the fixed needs come to, in bytes.
pub(super) fn total(needs: &[Need]) -> u64 {
    needs.iter().fold(0, |sum, need| sum.saturating_add(need.bytes))
}

fn needs(host: &Host<'_>, nginx: Option<&NginxBudget>, pooler_clients: u64, api_workers: u64) -> Vec<Need> {
    let mut needs = Vec::new();
    if let Some(n) = nginx {
        let base = host.bytes("budget.nginx_base", "base", 16 * MB);
        let worker = host.bytes("budget.nginx_per_worker", "per worker", 4 * MB);
        let connection = host.bytes("budget.nginx_per_connection", "per connection", 32 * KB);
        let connections = n.workers.saturating_mul(n.connections);
        needs.push(Need {
            component: Component::Nginx,
            formula: "base + per worker·workers + per connection·connections",
            worked: format!(
                "{} + {}·{} + {}·{connections}",
                base.input.value, worker.input.value, n.workers, connection.input.value
            ),
            bytes: base
                .value
                .saturating_add(worker.value.saturating_mul(n.workers))
                .saturating_add(connection.value.saturating_mul(connections)),
            inputs: vec![base.input, worker.input, connection.input],
        });
    }
    if host.has(Component::PgBouncer) {
        let base = host.bytes("budget.pgbouncer_base", "base", 16 * MB);
        let client = host.bytes("budget.pgbouncer_per_client", "per client", 4 * KB);
        needs.push(Need {
            component: Component::PgBouncer,
            formula: "base + per client·max_client_conn",
            worked: format!("{} + {}·{pooler_clients}", base.input.value, client.input.value),
            bytes: base.value.saturating_add(client.value.saturating_mul(pooler_clients)),
            inputs: vec![base.input, client.input],
        });
    }
    if host.has(Component::Api) {
        let worker = host.bytes("budget.api_per_worker", "per worker", 200 * MB);
        needs.push(Need {
            component: Component::Api,
            formula: "per worker·workers",
            worked: format!("{}·{api_workers}", worker.input.value),
            bytes: worker.value.saturating_mul(api_workers),
            inputs: vec![worker.input],
        });
    }
    if host.has(Component::Llm) || host.profile.bytes("llm.memory").is_some() {
        let memory = host.bytes("llm.memory", "LLM gateway", 0);
        needs.push(Need {
            component: Component::Llm,
            formula: "as configured",
            worked: memory.input.value.clone(),
            bytes: memory.value,
            inputs: vec![memory.input],
        });
    }
    needs
}

fn nginx(host: &Host<'_>, ram: u64) -> NginxBudget {
    // One worker a CPU, as the guide's `auto`, but not more than the memory can feed.
    let workers = host
        .pinned_count("nginx.worker_processes")
        .unwrap_or_else(|| host.cpus.value.min((ram / (256 * MB)).max(1)))
        .max(1);
    if let Some(connections) = host.pinned_count("nginx.worker_connections") {
        return NginxBudget { workers, connections, capped: false };
    }
    if host.sizing == Sizing::Guide {
        return NginxBudget { workers, connections: 4096, capped: false };
    }
    let for_connections = (ram / 16).saturating_sub(16 * MB + 4 * MB * workers);
    let affordable = for_connections / (32 * KB) / workers;
    NginxBudget { workers, connections: affordable.clamp(512, 4096), capped: affordable < 4096 }
}

fn duckdb(host: &Host<'_>, ram: u64, rest: u64, pg_share: u64, both: bool, parallel: u64) -> DuckBudget {
    let cpus = host.cpus.value;
    // The guide's table (2.1) by the largest column not above the RAM.
    let (table_limit, table_threads, table_external, checkpoint) = match ram {
        r if r >= 64 * GB => (32 * GB, 16, 8, 32 * MB),
        r if r >= 32 * GB => (16 * GB, 8, 4, 16 * MB),
        r if r >= 8 * GB => (4 * GB, 4, 2, 4 * MB),
        r => (r / 2, 4, 2, 4 * MB),
    };
    let (share, limit, threads, external) = match host.sizing {
        Sizing::Guide => (table_limit, table_limit, table_threads, table_external),
        Sizing::Budget => {
            let share = if both { rest.saturating_sub(pg_share) } else { rest };
            let threads = if both { cpus.saturating_sub(parallel).max(1) } else { cpus };
            (share, (u128::from(share) * 80 / 100) as u64, threads, 1)
        }
    };
    let threads = host.pinned_count("duckdb.threads").unwrap_or(threads);
    DuckBudget {
        share,
        memory_limit: host.pinned_bytes("duckdb.memory_limit").unwrap_or_else(|| floor_kb(limit)),
        threads,
        external_threads: host.pinned_count("duckdb.external_threads").unwrap_or(external).min(threads),
        checkpoint_threshold: checkpoint,
    }
}
