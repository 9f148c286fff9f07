//! PostgreSQL's part of the budget: its memory, and how many may connect.

use super::{MOST_BACKENDS, Pools, PostgresBudget, SHARED_OVERHEAD_PERCENT, Wanted, WorkMemTerm};
use crate::plan::host::{Host, Sizing, input};
use crate::plan::{Basis, Component};
use crate::units::{GB, KB, MB, floor_kb};

/// PostgreSQL's own limit of shared_buffers, in blocks.
const MOST_SHARED_BLOCKS: u64 = 1_073_741_823;
/// PostgreSQL's own limit of effective_cache_size, in blocks.
const MOST_CACHE_BLOCKS: u64 = 2_147_483_647;
/// PostgreSQL's block, the unit of shared_buffers, effective_cache_size and temp_buffers.
const BLOCK: u64 = 8 * KB;
/// Below this a work_mem is no use: a sort of anything spills (PostgreSQL's own floor is 64kB).
const LEAST_WORK_MEM: u64 = MB;
/// No single sort or hash is planned to hold more.
const MOST_WORK_MEM: u64 = GB;
/// Pools and connections are not reduced below this to make memory fit.
const LEAST_POOL: u64 = 5;
/// The guide's autovacuum_max_workers (1.5), also PostgreSQL's default.
const AUTOVACUUM_WORKERS: u64 = 3;
/// More autovacuum workers than this only wait for one another's cost limit.
const MOST_AUTOVACUUM_WORKERS: u64 = 8;
/// Connections kept for monitoring where the version has reserved_connections (16+).
const RESERVED_FOR_MONITORING: u64 = 2;
/// With fewer connections than this none is kept for monitoring: the clients need them all.
const LEAST_TO_RESERVE_FROM: u64 = 20;
/// Huge pages kept free beyond what PostgreSQL is expected to take.
const SPARE_HUGE_PAGES: u64 = 64;
/// Huge pages pay from this size of shared_buffers on.
const HUGE_PAGES_FROM: u64 = 2 * GB;

/// What PostgreSQL is sized by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    /// Its share of the RAM.
    pub share: u64,
    /// The reserve, out of which huge pages are spared.
    pub reserve: u64,
}

/// max_connections where no pooler stands in front: the guide's 200 at most, fewer where the CPUs could not serve them,
/// more where a live server has more clients than that.
fn wanted(host: &Host<'_>, reserved: u64) -> Wanted {
    let cpus = host.cpus.value;
    let by_cpus = cpus.saturating_mul(16).clamp(100, 200);
    let mut wanted = Wanted {
        connections: by_cpus,
        formula: "clamp(16·CPUs, 100, 200) where no pooler stands in front",
        worked: format!("16·{cpus} = {}", cpus.saturating_mul(16)),
        inputs: vec![host.cpus.input.clone()],
        cap: None,
    };
    if cpus.saturating_mul(16) > 200 {
        wanted.cap = Some("200, the guide's: more clients than this want a pooler".to_owned());
    } else if cpus.saturating_mul(16) < 100 {
        wanted.cap = Some("not below 100, PostgreSQL's default, which applications count on".to_owned());
    }
    if let Some(live) = &host.facts.database
        && let Some(now) = live.connections
        && now.saturating_mul(3) / 2 + reserved > by_cpus
    {
        let place = format!("the server at {}", live.place);
        wanted.connections = (now.saturating_mul(3) / 2 + reserved).min(MOST_BACKENDS);
        wanted.formula = "max(clamp(16·CPUs, 100, 200), 1.5·clients now + reserved) where no pooler stands in front";
        wanted.worked = format!("max({by_cpus}, 1.5·{now} + {reserved}) = {}", wanted.connections);
        wanted.inputs.push(input("clients now", now.to_string(), Basis::Measured, place));
        wanted.cap = None;
    }
    wanted
}

/// autovacuum_max_workers: one for eight CPUs, as far as what they may hold is an eighth of the share at most.
fn autovacuum_workers(host: &Host<'_>, share: u64, each: u64) -> u64 {
    let pinned = host.pinned_count("postgresql.autovacuum_max_workers");
    pinned.unwrap_or_else(|| match host.sizing {
        Sizing::Guide => AUTOVACUUM_WORKERS,
        Sizing::Budget => {
            let by_memory = share / 8 / each.max(1);
            (host.cpus.value / 8).min(by_memory).clamp(AUTOVACUUM_WORKERS, MOST_AUTOVACUUM_WORKERS)
        }
    })
}

/// PostgreSQL's part of the budget, PgBouncer's pools, and whether the floors were kept.
pub(super) fn postgres(
    host: &Host<'_>,
    room: Room,
    parallel: u64,
    pooler_clients: u64,
    api_workers: u64,
) -> (PostgresBudget, Option<Pools>, bool) {
    let share = room.share;
    let shared_buffers = host
        .pinned_bytes("postgresql.shared_buffers")
        .unwrap_or_else(|| (share / 4 / BLOCK).clamp(16, MOST_SHARED_BLOCKS) * BLOCK);
    let maintenance = match host.sizing {
        Sizing::Guide => share / 32,
        Sizing::Budget => (share / 32).clamp(16 * MB, 2 * GB),
    };
    let maintenance_work_mem =
        host.pinned_bytes("postgresql.maintenance_work_mem").unwrap_or_else(|| floor_kb(maintenance).max(MB));
    let huge = huge_pages(host, shared_buffers, room.reserve);
    let autovacuum_work_mem = host.pinned_bytes("postgresql.autovacuum_work_mem").unwrap_or(maintenance_work_mem);
    let live = host.facts.database.as_ref();
    let replicas = host.count_or_measured("postgresql.replicas", "replicas", live.and_then(|d| d.replicas), 0);
    let least = |name: &str| host.primary(name).map_or(0, |n| n.value);
    let senders = replicas.value.saturating_mul(2).saturating_add(4).max(10).max(least("max_wal_senders"));
    let senders = if host.wal_is_minimal() { 0 } else { senders };
    let monitoring = match host.sizing {
        Sizing::Budget if host.major >= 16 => RESERVED_FOR_MONITORING,
        _ => 0,
    };
    let monitoring = host.pinned_count("postgresql.reserved_connections").unwrap_or(monitoring);
    let superusers = host.pinned_count("postgresql.superuser_reserved_connections").unwrap_or(3);
    let mut pg = PostgresBudget {
        share,
        shared_buffers,
        effective_cache_size: host
            .pinned_bytes("postgresql.effective_cache_size")
            .unwrap_or_else(|| ((u128::from(share) * 3 / 4) as u64 / BLOCK).clamp(1, MOST_CACHE_BLOCKS) * BLOCK),
        maintenance_work_mem,
        autovacuum_work_mem,
        autovacuum_workers: autovacuum_workers(host, share, autovacuum_work_mem),
        temp_buffers: host.pinned_bytes("postgresql.temp_buffers").unwrap_or(match host.sizing {
            Sizing::Guide => 32 * MB,
            Sizing::Budget => 8 * MB,
        }),
        hash_mem_multiplier: host.pinned_float("postgresql.hash_mem_multiplier").unwrap_or(2.0),
        work_mem: 0,
        work_mem_term: WorkMemTerm::Floor,
        work_mem_guide: 0,
        work_mem_worst: 0,
        clients: 0,
        max_connections: 0,
        worker_processes: host
            .pinned_count("postgresql.max_worker_processes")
            .unwrap_or_else(|| host.cpus.value.max(8).max(least("max_worker_processes"))),
        wal_senders: host.pinned_count("postgresql.max_wal_senders").unwrap_or(senders.min(MOST_BACKENDS)),
        replicas,
        reserved_for_monitoring: monitoring,
        reserved: superusers.saturating_add(monitoring),
        wanted: Wanted::default(),
        reduced_from: None,
        parallel_workers: parallel,
        huge_pages: huge.is_some(),
        huge_page_count: huge.map_or(0, |(count, _)| count),
        huge_page_size: huge.map_or(2 * MB, |(_, size)| size),
    };
    if host.has(Component::PgBouncer) {
        return pooled(host, pg, pooler_clients);
    }
    pg.wanted = match host.sizing {
        Sizing::Guide => Wanted { connections: 200, formula: "the guide's constant", ..Wanted::default() },
        Sizing::Budget => wanted(host, pg.reserved),
    };
    let pinned = host.pinned_count("postgresql.max_connections");
    let most_there_can_be = MOST_BACKENDS.saturating_sub(pg.other_backends(host.major)).max(1);
    let wanted = pinned.unwrap_or(pg.wanted.connections.min(most_there_can_be));
    let least = least("max_connections");
    let connect = |pg: &mut PostgresBudget, connections: u64| {
        pg.max_connections = if pinned.is_some() { connections } else { connections.max(least) };
        pg.clients = pg.max_connections;
    };
    let fixed = pinned.is_some() || host.sizing == Sizing::Guide;
    // Without a pooler each of the API's workers needs a back end of its own.
    let api = if host.has(Component::Api) { api_workers + pg.reserved } else { 0 };
    let lowest = if fixed { wanted } else { LEAST_POOL.max(api).min(wanted) };
    let chosen = most(lowest, wanted, |connections| {
        connect(&mut pg, connections);
        work_mem(host, &mut pg)
    });
    connect(&mut pg, chosen);
    if pg.max_connections < LEAST_TO_RESERVE_FROM && host.profile.get("postgresql.reserved_connections").is_none() {
        pg.reserved -= pg.reserved_for_monitoring;
        pg.reserved_for_monitoring = 0;
    }
    let fits = work_mem(host, &mut pg);
    pg.reduced_from = (pg.max_connections < wanted).then_some(wanted);
    (pg, None, fits)
}

/// The same behind a pooler, whose pools decide how many back ends there are.
fn pooled(host: &Host<'_>, mut pg: PostgresBudget, pooler_clients: u64) -> (PostgresBudget, Option<Pools>, bool) {
    let cpus = host.cpus.value;
    let pools = host.count("pgbouncer.pools", "pools", 1);
    let wanted = host.pinned_count("pgbouncer.default_pool_size").unwrap_or(match host.sizing {
        Sizing::Guide => 25,
        Sizing::Budget => cpus.saturating_mul(2).clamp(5, 100),
    });
    let reserve_of = |size: u64| host.pinned_count("pgbouncer.reserve_pool_size").unwrap_or(size / 5);
    let primary = host.primary("max_connections").map_or(0, |n| n.value);
    let most_there_can_be = MOST_BACKENDS.saturating_sub(pg.other_backends(host.major)).max(1);
    let connect = |pg: &mut PostgresBudget, size: u64| {
        let clients = pools.value.saturating_mul(size + reserve_of(size));
        let derived = match host.sizing {
            Sizing::Guide => 200,
            Sizing::Budget => clients.saturating_add(pg.reserved + 10),
        };
        pg.max_connections = host.pinned_count("postgresql.max_connections").unwrap_or(derived.max(primary));
        // The guide's server takes 200 clients, whatever its pooler's pools are.
        pg.clients = if host.sizing == Sizing::Guide { pg.max_connections } else { clients };
    };
    let fixed = host.pinned_count("pgbouncer.default_pool_size").is_some() || host.sizing == Sizing::Guide;
    let lowest = if fixed { wanted } else { LEAST_POOL.min(wanted) };
    let size = most(lowest, wanted, |size| {
        connect(&mut pg, size);
        work_mem(host, &mut pg) && pg.max_connections <= most_there_can_be
    });
    connect(&mut pg, size);
    let fits = work_mem(host, &mut pg);
    pg.reduced_from = (size < wanted).then_some(wanted);
    let min = host.pinned_count("pgbouncer.min_pool_size").unwrap_or(match host.sizing {
        Sizing::Guide => 10,
        Sizing::Budget => size * 2 / 5,
    });
    let pools = Pools { pools, size, reserve: reserve_of(size), min, clients: pooler_clients };
    (pg, Some(pools), fits)
}

/// The largest number from `low` to `high` with which it fits; `low` where none does. More clients never fit where
/// fewer do not.
fn most(low: u64, high: u64, mut fits: impl FnMut(u64) -> bool) -> u64 {
    if fits(high) {
        return high;
    }
    let (mut good, mut bad) = (low, high);
    while good + 1 < bad {
        let middle = good + (bad - good) / 2;
        if fits(middle) { good = middle } else { bad = middle }
    }
    good
}

/// Sets work_mem by the formula; false where what is left is below 1MB.
fn work_mem(host: &Host<'_>, pg: &mut PostgresBudget) -> bool {
    let clients = pg.clients.max(1);
    pg.work_mem_guide = pg.share.saturating_sub(pg.shared_buffers) / (2 * clients);
    let left = i128::from(pg.share) - i128::from(pg.standing());
    pg.work_mem_worst = (left as f64 / pg.work_mem_users().max(1.0)) as i128;
    if let Some(pinned) = host.pinned_bytes("postgresql.work_mem") {
        (pg.work_mem, pg.work_mem_term) = (pinned, WorkMemTerm::Pinned);
        return true;
    }
    if host.sizing == Sizing::Guide {
        // The guide's script: (RAM - shared_buffers) / (200 * 2), in whole MB. PostgreSQL takes no less than 64kB.
        let bytes = pg.share.saturating_sub(pg.shared_buffers) / 400;
        pg.work_mem_guide = bytes;
        pg.work_mem = if bytes >= MB { bytes / MB * MB } else { floor_kb(bytes).max(64 * KB) };
        pg.work_mem_term = WorkMemTerm::Guide;
        return true;
    }
    let worst = u64::try_from(pg.work_mem_worst.max(0)).unwrap_or(u64::MAX);
    let (bytes, term) =
        [(pg.work_mem_guide, WorkMemTerm::Guide), (worst, WorkMemTerm::WorstCase), (MOST_WORK_MEM, WorkMemTerm::Cap)]
            .into_iter()
            .min_by_key(|(bytes, _)| *bytes)
            .unwrap_or((LEAST_WORK_MEM, WorkMemTerm::Floor));
    if bytes < LEAST_WORK_MEM {
        (pg.work_mem, pg.work_mem_term) = (LEAST_WORK_MEM, WorkMemTerm::Floor);
        return false;
    }
    (pg.work_mem, pg.work_mem_term) = (floor_kb(bytes), term);
    true
}

/// How many huge pages of what size, where they are planned: from 2GB of shared_buffers on, where their grain does not
/// cost more than an eighth of what they hold, nor more than half of the reserve, which they are taken from. Whoever
/// pins huge_pages = on gets them at any size: the server does not start without.
fn huge_pages(host: &Host<'_>, shared_buffers: u64, reserve: u64) -> Option<(u64, u64)> {
    let word = host.profile.text("postgresql.huge_pages");
    let forced = word == Some("on");
    if word == Some("off") || !forced && shared_buffers < HUGE_PAGES_FROM {
        return None;
    }
    let memory = &host.facts.memory;
    let size = memory.huge_page_size_bytes.filter(|s| *s > 0).unwrap_or(2 * MB);
    let needed = shared_buffers / 100 * SHARED_OVERHEAD_PERCENT;
    let count = needed.div_ceil(size) + SPARE_HUGE_PAGES;
    let spare = count.checked_mul(size)?.saturating_sub(needed);
    if !forced && spare > (shared_buffers / 8).min(reserve / 2) {
        return None;
    }
    Some((count, size))
}
