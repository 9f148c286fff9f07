//! Limits of containers, from the same budget (the guide's 4.4), where Docker is on the host.

use super::Component;
use super::budget::Budget;
use super::draft::{Draft, constant, derived, rule};
use super::host::Host;
use crate::units::{self, MB};
use crate::value::Value;

const BOX: Component = Component::Containers;
/// The guide's gateway of the containers' network, which is the host itself.
const GATEWAY: &str = "172.28.0.1";
/// The guide's network of the containers.
pub(super) const SUBNET: &str = "172.28.0.0/16";

/// The components that a compose file has services of, with the guide's names of these; PostgreSQL's has its version.
const SERVICES: [(Component, &str, &str); 6] = [
    (Component::PostgreSql, "postgresql.service", "postgres"),
    (Component::PgBouncer, "pgbouncer.service", "pgbouncer"),
    (Component::Nginx, "nginx.service", "nginx"),
    (Component::Api, "api.service", "api-server"),
    (Component::DuckDb, "duckdb.service", "duckdb-server"),
    (Component::Llm, "llm.service", "llm-gateway"),
];

/// Whether compose files are made here.
pub(super) fn planned(host: &Host<'_>) -> bool {
    // SQLite lives in the API's process.
    host.profile.flag("host.containers").unwrap_or(host.facts.software.docker.is_some())
        && !host.components.iter().all(|c| *c == Component::Sqlite)
}

/// Whether a component runs in a container: where the operator says that the stack does. That Docker is there and a
/// program is not tells nothing of where it will run, and a server refuses a name that only a compose network knows.
pub(super) fn holds(host: &Host<'_>, component: Component) -> bool {
    planned(host) && host.has(component) && host.profile.flag("host.containers") == Some(true)
}

/// The name under which one container reaches another: that of its service.
pub(super) fn service(host: &Host<'_>, component: Component) -> String {
    let Some((_, key, name)) = SERVICES.iter().find(|(c, ..)| *c == component) else { return String::new() };
    match host.profile.text(&format!("containers.{key}")) {
        Some(pinned) => pinned.to_owned(),
        None if component == Component::PostgreSql => format!("{name}{}", host.major),
        None => (*name).to_owned(),
    }
}

/// Where `from` reaches `to`, and why there: containers by the names of their services, a container what runs on its host
/// by the network's gateway, and all else on this host.
pub(super) fn address(host: &Host<'_>, from: Component, to: Component) -> (String, &'static str) {
    if !holds(host, from) {
        return ("127.0.0.1".to_owned(), "this host");
    }
    if holds(host, to) {
        return (service(host, to), "the name of its service in the compose files");
    }
    let gateway = host.profile.text("containers.gateway").unwrap_or(GATEWAY).to_owned();
    (gateway, "the host itself, as a container reaches it: the network's gateway")
}

/// The port on which PostgreSQL is reached: the cluster's on this host, a container's own.
pub(super) fn port(host: &Host<'_>) -> u16 {
    let cluster = host.cluster().filter(|_| !holds(host, Component::PostgreSql));
    cluster.and_then(|c| c.port).unwrap_or(5432)
}

pub(super) fn settings(draft: &mut Draft<'_>, budget: &Budget) {
    let host = draft.host;
    if !planned(host) {
        return;
    }
    if let Some(pg) = &budget.postgresql {
        postgresql(draft, pg);
    }
    if let Some(duck) = &budget.duckdb {
        duckdb(draft, duck);
    }
    for need in &budget.needs {
        let (value, reason) = limit(need.bytes, need.formula);
        match need.component {
            Component::Api => draft.put(BOX, "api.memory", value, reason),
            Component::PgBouncer => draft.put(BOX, "pgbouncer.memory", value, reason),
            Component::Nginx => draft.put(BOX, "nginx.memory", value, reason),
            // A limit of 0 would be none.
            Component::Llm if need.bytes > 0 => draft.put(BOX, "llm.memory", value, reason),
            _ => {}
        }
    }
    let files = "as a service outside a container (limits.units.nofile)";
    if budget.pools.is_some() {
        draft.put(BOX, "pgbouncer.nofile", nofile(draft), constant(files));
    }
    if budget.nginx.is_some() {
        draft.put(BOX, "nginx.nofile", nofile(draft), constant(files));
    }
    for (component, key, _) in SERVICES.iter().filter(|(component, ..)| host.has(*component)) {
        let name = service(host, *component);
        let reason = match component {
            Component::PostgreSql => {
                rule("postgres and the major version", name.clone(), vec![host.major_input.clone()])
                    .note("As the guide's postgres18; set that of your own docker-compose.yml.")
            }
            _ => constant("the guide's name of the service; set that of your own docker-compose.yml"),
        };
        draft.put(BOX, key, Value::Text(name), reason);
    }
    let text = |t: &str| Value::Text(t.to_owned());
    let placement = "none: only swarm reads it; the guide's node.role == manager, where it is asked for";
    draft.put(BOX, "placement", text(""), constant(placement));
    draft.put(BOX, "subnet", text(SUBNET), constant("the guide's network, which nginx.metrics_allow names"));
    draft.put(BOX, "gateway", text(GATEWAY), constant("the guide's constant"));
}

/// The component's worst case, in whole MB.
fn limit(bytes: u64, what: &str) -> (Value, super::Reason) {
    let whole = bytes.div_ceil(MB).saturating_mul(MB);
    let inputs = vec![derived("worst case", units::human_bytes(bytes), what)];
    (Value::Bytes(whole), rule("the component's worst case, in whole MB", units::format_bytes(whole), inputs))
}

/// Open files of a container: those of a service.
fn nofile(draft: &Draft<'_>) -> Value {
    draft.value("limits.units.nofile").cloned().unwrap_or(Value::Int(65_536))
}

fn postgresql(draft: &mut Draft<'_>, pg: &super::budget::PostgresBudget) {
    let host = draft.host;
    let text = |t: &str| Value::Text(t.to_owned());
    let (value, reason) = limit(pg.worst_case(), "memory.total");
    let note = "The guide's limit equals shared_buffers: the first query would be killed.";
    draft.put(BOX, "postgresql.memory", value, reason.note(note));
    let standing = pg.standing() / MB * MB;
    let inputs = vec![derived("standing", units::human_bytes(standing), "memory.total")];
    let reason = rule("what stands whatever clients do, in whole MB", units::human_bytes(standing), inputs);
    draft.put(BOX, "postgresql.memory_reservation", Value::Bytes(standing), reason);
    let (shm, reason) = shm_size(pg);
    draft.put(BOX, "postgresql.shm_size", Value::Bytes(shm), reason);
    let cpus = host.cpus.value as f64;
    let reason = rule("CPUs", host.cpus.value.to_string(), vec![host.cpus.input.clone()])
        .note("Back ends that serve clients are not counted in max_parallel_workers; the limit is the host's.");
    draft.put(BOX, "postgresql.cpus", Value::Float(cpus), reason);
    let parallel = pg.parallel_workers.min(host.cpus.value) as f64;
    let inputs = vec![derived("max_parallel_workers", parallel.to_string(), "postgresql.max_parallel_workers")];
    let reason = rule("its part of the CPUs, max_parallel_workers", parallel.to_string(), inputs);
    draft.put(BOX, "postgresql.cpus_reservation", Value::Float(parallel), reason);
    let files = "as a service outside a container (limits.units.nofile)";
    draft.put(BOX, "postgresql.nofile", nofile(draft), constant(files));
    let processes = 4096.max(pg.max_connections.saturating_mul(2));
    draft.put(
        BOX,
        "postgresql.nproc",
        Value::Int(processes as i64),
        constant("at least the guide's 4096, and twice max_connections: each back end is a process"),
    );
    let major = || vec![host.major_input.clone()];
    let image = format!("pgvector/pgvector:pg{}", host.major);
    let reason = rule("pgvector's image of the planned version", image.clone(), major())
        .note("Its version, the service's name, the volume and its path belong together.");
    draft.put(BOX, "postgresql.image", Value::Text(image), reason);
    let volume = format!("postgres{}_data", host.major);
    let reason = rule("a named volume for each major version, whose data no other can read", volume.clone(), major())
        .note("Set that of your own docker-compose.yml.");
    draft.put(BOX, "postgresql.volume", Value::Text(volume), reason);
    let (path, why) = if host.major >= 18 {
        (
            "/var/lib/postgresql",
            "where the image keeps its data from 18 on; it refuses to start with the old …/data mounted",
        )
    } else {
        ("/var/lib/postgresql/data", "where the image keeps its data before 18")
    };
    draft.put(BOX, "postgresql.volume_path", text(path), constant(why));
    draft.put(BOX, "postgresql.address", text("172.28.0.10"), constant("the guide's constant"));
    let certificate =
        "none: TLS is switched on only where a certificate is named; its key must be readable by uid 999 alone";
    draft.put(BOX, "postgresql.tls_certificate", text(""), constant(certificate));
    draft.put(BOX, "postgresql.tls_certificate_key", text(""), constant(certificate));
}

fn duckdb(draft: &mut Draft<'_>, duck: &super::budget::DuckBudget) {
    let (value, reason) = limit(duck.share.max(duck.memory_limit), "DuckDB's share");
    draft.put(BOX, "duckdb.memory", value, reason);
    let half = duck.memory_limit / 2 / MB * MB;
    let inputs = vec![derived("memory_limit", units::human_bytes(duck.memory_limit), "duckdb.memory_limit")];
    let reason = rule("half of memory_limit, as the guide's 16 of 32 GB", units::human_bytes(half), inputs);
    draft.put(BOX, "duckdb.memory_reservation", Value::Bytes(half), reason);
    let inputs = || vec![derived("threads", duck.threads.to_string(), "duckdb.threads")];
    draft.put(
        BOX,
        "duckdb.cpus",
        Value::Float(duck.threads as f64),
        rule("threads", duck.threads.to_string(), inputs()),
    );
    let half = duck.threads as f64 / 2.0;
    draft.put(BOX, "duckdb.cpus_reservation", Value::Float(half), rule("threads/2", half.to_string(), inputs()));
    let files = "as a service outside a container (limits.units.nofile)";
    draft.put(BOX, "duckdb.nofile", nofile(draft), constant(files));
}

/// /dev/shm holds the memory that parallel workers share: an index build's maintenance_work_mem, or a parallel hash of
/// work_mem·hash_mem_multiplier for each participant (a 2-worker hash at 64MB was measured at 205MB).
pub(super) fn shm_needed(pg: &super::budget::PostgresBudget) -> u64 {
    let participants = (pg.parallel_workers / 2).min(4) + 1;
    let hash = (pg.work_mem as f64 * pg.hash_mem_multiplier * participants as f64).ceil() as u64;
    pg.maintenance_work_mem.max(hash)
}

fn shm_size(pg: &super::budget::PostgresBudget) -> (u64, super::Reason) {
    let needed = shm_needed(pg);
    let size = needed.div_ceil(MB).saturating_mul(MB).max(64 * MB);
    let inputs = vec![
        derived(
            "maintenance_work_mem",
            units::format_bytes(pg.maintenance_work_mem),
            "postgresql.maintenance_work_mem",
        ),
        derived("work_mem", units::format_bytes(pg.work_mem), "postgresql.work_mem"),
    ];
    let reason = rule(
        "max(64MB, maintenance_work_mem, work_mem·hash_mem_multiplier·(per_gather + 1))",
        units::format_bytes(size),
        inputs,
    )
    .note("Docker's default of 64MB makes parallel queries and index builds fail.");
    (size, reason)
}
