//! PostgreSQL's settings (the guide's section 1, and what versions 14 to 18 add).

use super::budget::{Budget, PostgresBudget, WorkMemTerm};
use super::draft::{Draft, constant, derived, rule};
use super::host::{DiskClass, Host, Sizing, Workload, input};
use super::{Basis, Component, Input, Reason};
use crate::facts::Measurement;
use crate::units::{self, GB, MB};
use crate::value::Value;

const PG: Component = Component::PostgreSql;

pub(super) fn settings(draft: &mut Draft<'_>, budget: &Budget, pg: &PostgresBudget) {
    memory(draft, budget, pg);
    connections(draft, pg);
    parallel(draft, budget, pg);
    planner(draft);
    io(draft);
    wal(draft);
    replication(draft, pg);
    standby(draft);
    vacuum(draft, pg);
    observability(draft);
    pins(draft);
}

fn text(word: &str) -> Value {
    Value::Text(word.to_owned())
}

/// The share S, as an input.
fn share_input(host: &Host<'_>, budget: &Budget, pg: &PostgresBudget) -> Input {
    let value = units::human_bytes(pg.share);
    match host.sizing {
        Sizing::Guide => input("S", value, host.ram.input.basis, "the whole RAM, as the guide has it"),
        Sizing::Budget => derived(
            "S",
            value,
            &format!(
                "RAM {} − reserve {} − fixed needs {} − other tenants {}, of which {} %",
                host.ram.input.value,
                units::human_bytes(budget.reserve.value),
                units::human_bytes(super::budget::total(&budget.needs)),
                units::human_bytes(host.other.value),
                if host.has(Component::DuckDb) { budget.percent.value } else { 100 },
            ),
        ),
    }
}

fn memory(draft: &mut Draft<'_>, budget: &Budget, pg: &PostgresBudget) {
    let host = draft.host;
    let s = share_input(host, budget, pg);
    let share = units::human_bytes(pg.share);
    let b = units::format_bytes;
    let blocks = "A whole number of PostgreSQL's 8kB blocks, so that SHOW answers what was written.";
    draft.put(
        PG,
        "shared_buffers",
        Value::Bytes(pg.shared_buffers),
        rule("S/4", format!("{share}/4 = {}", b(pg.shared_buffers)), vec![s.clone()]).note(blocks),
    );
    draft.put(
        PG,
        "effective_cache_size",
        Value::Bytes(pg.effective_cache_size),
        rule("3S/4", format!("3·{share}/4 = {}", b(pg.effective_cache_size)), vec![s.clone()])
            .note("What the planner takes to be cached by PostgreSQL and the kernel; nothing is allocated."),
    );
    draft.put(PG, "work_mem", Value::Bytes(pg.work_mem), work_mem_reason(host, pg, &s));
    draft.put(
        PG,
        "hash_mem_multiplier",
        Value::Float(pg.hash_mem_multiplier),
        constant("2: what one hash may hold, in work_mem; PostgreSQL's default from 15 on, and a term of work_mem"),
    );
    let maintenance = match host.sizing {
        Sizing::Guide => rule("S/32", format!("{share}/32 = {}", b(pg.maintenance_work_mem)), vec![s]).note(
            "The guide's script divides in whole GB and prints 0GB below 32 GB of RAM; this is its formula in kB.",
        ),
        Sizing::Budget => {
            let raw = pg.share / 32;
            let worked = format!("{share}/32 = {}", units::human_bytes(raw));
            let reason = rule("clamp(S/32, 16MB, 2GB)", worked, vec![s]);
            match raw {
                n if n > 2 * GB => reason.cap("2GB at most: vacuum and index builds gain little beyond"),
                n if n < 16 * MB => reason.cap("16MB at least: with less, vacuum scans every index repeatedly"),
                _ => reason,
            }
        }
    };
    draft.put(PG, "maintenance_work_mem", Value::Bytes(pg.maintenance_work_mem), maintenance);
    if host.sizing == Sizing::Budget || host.profile.get("postgresql.autovacuum_work_mem").is_some() {
        draft.put(
            PG,
            "autovacuum_work_mem",
            Value::Bytes(pg.autovacuum_work_mem),
            rule(
                "= maintenance_work_mem",
                format!("{} for each of {} workers", b(pg.autovacuum_work_mem), pg.autovacuum_workers),
                vec![derived("maintenance_work_mem", b(pg.maintenance_work_mem), "postgresql.maintenance_work_mem")],
            ),
        );
    }
    draft.put(PG, "wal_buffers", Value::Int(-1), constant("-1: the server takes 3 % of shared_buffers, at most 16MB"));
    let (word, why) = if pg.huge_pages || pg.shared_buffers < 2 * GB {
        ("try", "try: huge pages where they are there, ordinary ones where not; the server always starts")
    } else {
        ("try", "try: none are planned for here, the server uses them where the kernel has some")
    };
    draft.put(PG, "huge_pages", text(word), constant(why));
    draft.put(
        PG,
        "temp_buffers",
        Value::Bytes(pg.temp_buffers),
        match host.sizing {
            Sizing::Guide => constant("the guide's constant"),
            Sizing::Budget => constant("8MB: each session that uses temporary tables may hold it; a term of work_mem"),
        },
    );
}

fn work_mem_reason(host: &Host<'_>, pg: &PostgresBudget, share: &Input) -> Reason {
    let b = units::format_bytes;
    let h = units::human_bytes;
    let clients = derived("C", pg.clients.to_string(), "back ends that clients can occupy");
    if host.sizing == Sizing::Guide {
        return rule(
            "(RAM − shared_buffers) / (200·2)",
            format!("({} − {})/400 = {}", h(pg.share), b(pg.shared_buffers), h(pg.work_mem_guide)),
            vec![share.clone()],
        )
        .note("In whole MB as the guide's script has it (its example file rounds to 128MB).");
    }
    let inputs = vec![
        share.clone(),
        clients,
        derived("SB", b(pg.shared_buffers), "postgresql.shared_buffers"),
        derived("maintenance_work_mem", b(pg.maintenance_work_mem), "postgresql.maintenance_work_mem"),
        derived("max_connections", pg.max_connections.to_string(), "postgresql.max_connections"),
        derived("max_parallel_workers", pg.parallel_workers.to_string(), "postgresql.max_parallel_workers"),
        derived("hash_mem_multiplier", pg.hash_mem_multiplier.to_string(), "postgresql.hash_mem_multiplier"),
    ];
    let worst = u64::try_from(pg.work_mem_worst.max(0)).unwrap_or(u64::MAX);
    let worked = format!(
        "min((S−SB)/(2C) = {}, (S − {})/{:.0} = {}, 1GB) = {}",
        h(pg.work_mem_guide),
        h(pg.standing()),
        pg.work_mem_users(),
        h(worst),
        b(pg.work_mem),
    );
    let reason = rule(
        "min((S−SB)/(2C), (S − standing)/((C + max_parallel_workers)·hash_mem_multiplier·2), 1GB)",
        worked,
        inputs,
    );
    let reason = match pg.work_mem_term {
        WorkMemTerm::Guide => reason.note("The guide's term won."),
        WorkMemTerm::WorstCase => reason.note(
            "The worst case won: every client and parallel worker sorting or hashing twice at once still fits. \
             standing = 1.03·SB + (autovacuum workers + 1)·maintenance_work_mem + max_connections·(4MB + page tables) + C·temp_buffers.",
        ),
        WorkMemTerm::Cap => reason.cap("1GB: a single sort that holds more gains nothing that more clients would not lose"),
        WorkMemTerm::Pinned => reason,
        WorkMemTerm::Floor => reason.cap("1MB: less is no use; see memory.fit"),
    };
    match pg.reduced_from {
        Some(wanted) if host.has(Component::PgBouncer) => {
            reason.note(format!("The pool was reduced from {wanted} so that work_mem is at least 1MB."))
        }
        Some(wanted) => {
            reason.note(format!("max_connections was reduced from {wanted} so that work_mem is at least 1MB."))
        }
        None => reason,
    }
}

fn connections(draft: &mut Draft<'_>, pg: &PostgresBudget) {
    let host = draft.host;
    let reason = match (host.sizing, host.has(Component::PgBouncer)) {
        (Sizing::Guide, _) => constant("the guide's constant"),
        (_, true) => rule(
            "C + reserved + 10",
            format!("{} + {} + 10 = {}", pg.clients, pg.reserved, pg.clients + pg.reserved + 10),
            vec![
                derived("C", pg.clients.to_string(), "pools·(default_pool_size + reserve_pool_size)"),
                derived("reserved", pg.reserved.to_string(), "superuser_reserved_connections + reserved_connections"),
            ],
        )
        .note("Clients wait in PgBouncer; ten are left for maintenance that connects directly."),
        (_, false) => {
            let wanted = &pg.wanted;
            let mut reason = rule(wanted.formula, wanted.worked.clone(), wanted.inputs.clone());
            reason.caps.extend(wanted.cap.clone());
            match pg.reduced_from {
                Some(wanted) => reason.cap(format!(
                    "reduced from {wanted} to {}: more back ends do not fit in the memory with a work_mem of 1MB",
                    pg.max_connections
                )),
                None => reason,
            }
        }
    };
    let reason = not_below_primary(host, "max_connections", reason);
    draft.put(PG, "max_connections", Value::Int(pg.max_connections as i64), reason);
    draft.put(PG, "superuser_reserved_connections", Value::Int(3), constant("3: room to log in and mend things"));
    if pg.reserved_for_monitoring > 0 {
        draft.put(
            PG,
            "reserved_connections",
            Value::Int(pg.reserved_for_monitoring as i64),
            constant(
                "2: roles with pg_use_reserved_connections, as monitoring, still get in when clients took the rest",
            ),
        );
    }
    let statement = "5min: no statement runs away; index builds and dumps raise it for their session";
    draft.put(PG, "statement_timeout", Value::Millis(300_000), constant(statement));
    draft.put(
        PG,
        "idle_in_transaction_session_timeout",
        Value::Millis(600_000),
        constant("10min: an abandoned transaction holds locks and keeps vacuum from cleaning"),
    );
    // A report of many statements may well take longer; there its client decides.
    if host.sizing == Sizing::Budget && host.workload != Workload::Analytics {
        draft.put(
            PG,
            "transaction_timeout",
            Value::Millis(3_600_000),
            constant("1h: a transaction left open keeps vacuum from cleaning every table; a long batch raises it for its session"),
        );
    }
    draft.put(PG, "lock_timeout", Value::Millis(30_000), constant("30s: a blocked statement fails and says so"));
    draft.put(
        PG,
        "client_connection_check_interval",
        Value::Millis(10_000),
        constant("10s: a query whose client has gone ends, instead of running on for nobody"),
    );
    draft.put(
        PG,
        "password_encryption",
        text("scram-sha-256"),
        constant("scram-sha-256: md5 is deprecated from 18 on and can be replayed"),
    );
    let keepalive = "the kernel's keepalive of the guide (4.1), for this server's connections";
    draft.put(PG, "tcp_keepalives_idle", Value::Int(300), constant(keepalive));
    draft.put(PG, "tcp_keepalives_interval", Value::Int(15), constant(keepalive));
    draft.put(PG, "tcp_keepalives_count", Value::Int(3), constant(keepalive));
}

fn parallel(draft: &mut Draft<'_>, budget: &Budget, pg: &PostgresBudget) {
    let host = draft.host;
    let cpus = host.cpus.value;
    let cpu = host.cpus.input.clone();
    draft.put(
        PG,
        "max_worker_processes",
        Value::Int(pg.worker_processes as i64),
        not_below_primary(
            host,
            "max_worker_processes",
            rule("max(8, CPUs)", format!("max(8, {cpus}) = {}", cpus.max(8)), vec![cpu.clone()])
                .note("Never below PostgreSQL's default of 8, which extensions and replication count on."),
        ),
    );
    let workers = pg.parallel_workers;
    let (formula, worked, per_gather, gather_formula) = match host.sizing {
        Sizing::Guide => ("CPUs/2", format!("{cpus}/2"), (cpus / 4).clamp(1, 4).min(workers), "min(4, CPUs/4)"),
        Sizing::Budget => {
            let percent = if host.has(Component::DuckDb) { budget.percent.value } else { 100 };
            let worked = format!("{percent} % of {cpus}");
            (
                "PostgreSQL's part of the CPUs, at least 1",
                worked,
                (workers / 2).min(4),
                "min(4, max_parallel_workers/2)",
            )
        }
    };
    draft.put(PG, "max_parallel_workers", Value::Int(workers as i64), rule(formula, worked, vec![cpu]));
    let inputs = vec![derived("max_parallel_workers", workers.to_string(), "postgresql.max_parallel_workers")];
    let reason = rule(gather_formula, format!("min(4, {workers}/2)"), inputs.clone());
    let reason = if workers / 2 > 4 { reason.cap("4: more for one query starves the others") } else { reason };
    draft.put(PG, "max_parallel_workers_per_gather", Value::Int(per_gather as i64), reason);
    draft.put(
        PG,
        "max_parallel_maintenance_workers",
        Value::Int((workers / 2).clamp(1, 4) as i64),
        rule("clamp(max_parallel_workers/2, 1, 4)", format!("{workers}/2 = {}", workers / 2), inputs)
            .bounds(workers / 2, (1, "an index build may have one helper"), (4, "more gain little in one index build"))
            .note("They share one maintenance_work_mem."),
    );
}

/// The newest measurement of the file system that holds the database.
fn measured<'a>(host: &Host<'a>) -> Option<&'a Measurement> {
    let mount = &host.mount_of(host.data_dir())?.mount;
    host.facts.measurements.iter().find(|m| &m.mount == mount)
}

fn planner(draft: &mut Draft<'_>) {
    let host = draft.host;
    draft.put(PG, "parallel_setup_cost", Value::Float(1000.0), constant("the guide's constant, PostgreSQL's default"));
    draft.put(PG, "parallel_tuple_cost", Value::Float(0.1), constant("the guide's constant, PostgreSQL's default"));
    let (cost, reason) = random_page_cost(host);
    draft.put(PG, "random_page_cost", Value::Float(cost), reason);
    draft.put(PG, "seq_page_cost", Value::Float(1.0), constant("the unit of every other cost"));
    draft.put(
        PG,
        "default_statistics_target",
        Value::Int(100),
        constant("100: raise it for single columns (ALTER TABLE … SET STATISTICS) where estimates are off"),
    );
    let (jit, why) = match (host.sizing, host.workload) {
        (Sizing::Budget, Workload::Oltp | Workload::Vector) => (
            false,
            "off: compiling takes longer than short queries run, and starts where an estimate of their cost is off",
        ),
        _ => (true, "on, as the guide has it; only queries above jit_above_cost are compiled"),
    };
    draft.put(PG, "jit", Value::Bool(jit), constant(why));
    draft.put(PG, "jit_above_cost", Value::Float(100_000.0), constant("the guide's constant, PostgreSQL's default"));
    draft.put(PG, "geqo", Value::Bool(true), constant("on: joins of many tables are planned in bounded time"));
    draft.put(PG, "geqo_threshold", Value::Int(12), constant("the guide's constant, PostgreSQL's default"));
}

fn random_page_cost(host: &Host<'_>) -> (f64, Reason) {
    if let Some(m) = measured(host)
        && let (Some(iops), Some(rate)) = (m.random_read_iops_16, m.sequential_read_bytes)
        && iops > 0.0
        && m.direct
        && host.profile.get("host.disk").is_none()
    {
        let raw = rate / 8192.0 / iops;
        let cost = ((1.0 + raw / 10.0).clamp(1.1, 4.0) * 100.0).round() / 100.0;
        let source = "facts --measure";
        return (
            cost,
            rule(
                "clamp(1 + (sequential pages/s ÷ random pages/s)/10, 1.1, 4)",
                format!("1 + ({:.0}/{iops:.0})/10", rate / 8192.0),
                vec![
                    input("random reads/s at depth 16", format!("{iops:.0}"), Basis::Measured, source),
                    input("sequential read", format!("{}/s", units::human_bytes(rate as u64)), Basis::Measured, source),
                ],
            )
            .note("Nine of ten random reads are taken to be cached, as PostgreSQL's own default of 4 takes them."),
        );
    }
    let inputs = vec![host.disk_input.clone()];
    match host.disk {
        DiskClass::Hdd => (4.0, rule("4 on a rotating disk", "4", inputs)),
        DiskClass::Ssd | DiskClass::Nvme => (1.1, rule("1.1 on flash", "1.1", inputs)),
    }
}

fn io(draft: &mut Draft<'_>) {
    let host = draft.host;
    let inputs = vec![host.disk_input.clone()];
    let (depth, reason) = match (measured(host), host.disk) {
        (Some(m), _) if m.direct && host.profile.get("host.disk").is_none() => {
            match (m.random_read_iops_1, m.random_read_iops_16) {
                (Some(one), Some(sixteen)) if one > 0.0 => {
                    let gain = sixteen / one;
                    let depth = (gain * 16.0).round().clamp(2.0, 256.0) as i64;
                    let source = "facts --measure";
                    let inputs = vec![
                        input("reads/s at depth 1", format!("{one:.0}"), Basis::Measured, source),
                        input("reads/s at depth 16", format!("{sixteen:.0}"), Basis::Measured, source),
                    ];
                    let worked = format!("16·{gain:.1}");
                    (depth, rule("clamp(16·gain from depth 1 to 16, 2, 256)", worked, inputs))
                }
                _ => by_class(host.disk, inputs),
            }
        }
        (_, class) => by_class(class, inputs),
    };
    draft.put(PG, "effective_io_concurrency", Value::Int(depth), reason.clone());
    let mut maintenance = reason;
    maintenance.notes.push("The same for vacuum and index builds.".to_owned());
    maintenance.guide = None;
    draft.put(PG, "maintenance_io_concurrency", Value::Int(depth), maintenance);
    let why = "worker: works everywhere; io_uring fails under containers' seccomp filters, without liburing in the \
               build, and where kernel.io_uring_disabled is set: pin it after a test on this host";
    draft.put(PG, "io_method", text("worker"), constant(why));
    let cpus = host.cpus.value;
    draft.put(
        PG,
        "io_workers",
        Value::Int((cpus / 4).clamp(3, 32) as i64),
        rule("clamp(CPUs/4, 3, 32)", format!("{cpus}/4 = {}", cpus / 4), vec![host.cpus.input.clone()]).bounds(
            cpus / 4,
            (3, "PostgreSQL's default"),
            (32, "PostgreSQL's own limit"),
        ),
    );
}

fn by_class(class: DiskClass, inputs: Vec<Input>) -> (i64, Reason) {
    match class {
        DiskClass::Hdd => (2, rule("2 on a rotating disk", "2", inputs)),
        DiskClass::Ssd => (200, rule("200 on flash", "200", inputs)),
        DiskClass::Nvme => (200, rule("200 on flash", "200", inputs)),
    }
}

fn wal(draft: &mut Draft<'_>) {
    let host = draft.host;
    draft.put(PG, "wal_level", text("replica"), constant("replica: standbys and point-in-time recovery"));
    let (max, min, reason) = wal_size(host);
    draft.put(PG, "max_wal_size", Value::Bytes(max), reason);
    let (max, min) = match host.pinned_bytes("postgresql.max_wal_size") {
        Some(pinned) => (pinned, min_wal_size(host, pinned)),
        None => (max, min),
    };
    let mut inputs = vec![derived("max_wal_size", units::format_bytes(max), "postgresql.max_wal_size")];
    let reason = if host.sizing == Sizing::Guide {
        constant("the guide's constant")
    } else {
        let segment = host.wal_segment();
        inputs.push(derived("WAL segment", units::format_bytes(segment), "initdb --wal-segsize"));
        let reason = rule("max(max_wal_size/4, 2 WAL segments)", units::human_bytes(max / 4), inputs);
        if max / 4 < 2 * segment {
            reason.cap(format!("{}: the server takes no less than two WAL segments", units::format_bytes(2 * segment)))
        } else {
            reason
        }
    };
    draft.put(PG, "min_wal_size", Value::Bytes(min), reason);
    draft.put(
        PG,
        "checkpoint_timeout",
        Value::Millis(900_000),
        constant("15min: fewer full-page images; recovery replays at most this and max_wal_size"),
    );
    draft.put(PG, "checkpoint_completion_target", Value::Float(0.9), constant("0.9: writes spread over the interval"));
    draft.put(PG, "wal_writer_delay", Value::Millis(200), constant("the guide's constant, PostgreSQL's default"));
    draft.put(PG, "wal_writer_flush_after", Value::Bytes(MB), constant("the guide's constant, PostgreSQL's default"));
    let (compression, reason) = wal_compression(host);
    draft.put(PG, "wal_compression", text(compression), reason);
    draft.put(PG, "commit_delay", Value::Int(0), constant("0: no commit waits for others"));
    draft.put(PG, "commit_siblings", Value::Int(5), constant("the guide's constant, PostgreSQL's default"));
    draft.put(
        PG,
        "synchronous_commit",
        text("on"),
        constant("on: a commit that was answered survives a crash; full_page_writes stays on for the same reason"),
    );
    archive(draft);
}

/// max_wal_size, min_wal_size and the reason of the first. Whole MB, the unit of both.
fn wal_size(host: &Host<'_>) -> (u64, u64, Reason) {
    if host.sizing == Sizing::Guide {
        return (4 * GB, GB, constant("the guide's constant"));
    }
    let segment = host.wal_segment();
    let whole = |bytes: u64| bytes / MB * MB;
    let Some((disk, size)) = host.mount_of(host.data_dir()).and_then(|d| Some((d, d.size_bytes?))) else {
        let unknown = input("WAL file system", "unknown", Basis::Assumed, "df on the data folder of the host itself");
        let raw = host.ram.value / 16;
        let max = whole(raw.clamp(GB, 4 * GB));
        let worked = format!("{}/16 = {}", host.ram.input.value, units::human_bytes(raw));
        let formula = "clamp(RAM/16, 1GB, 4GB) where the file system is not known";
        let reason = rule(formula, worked, vec![host.ram.input.clone(), unknown]);
        let reason = match raw {
            n if n > 4 * GB => reason.cap("4GB: the guide's, until the file system is known"),
            n if n < GB => reason.cap("1GB: less makes checkpoints follow each other"),
            _ => reason,
        };
        return (max.max(2 * segment), min_wal_size(host, max), reason);
    };
    let at = |what: &str| format!("facts disks[{}].{what}", disk.mount);
    let mut inputs = vec![input("WAL file system", units::human_bytes(size), Basis::Measured, at("size_bytes"))];
    let wanted = size / 20;
    let mut max = whole(wanted.clamp(GB, 64 * GB));
    let worked = format!("5 % of {} = {}", units::human_bytes(size), units::human_bytes(wanted));
    let mut caps = Vec::new();
    if wanted > 64 * GB {
        caps.push("64GB: more only lengthens recovery".to_owned());
    } else if wanted < GB {
        caps.push("1GB: less makes checkpoints follow each other".to_owned());
    }
    if let Some(free) = disk.free_bytes.map(units::coarse) {
        inputs.push(free_input(free, &at("free_bytes")));
        if max > free / 2 {
            max = whole(free / 2);
            caps.push(format!("half of the {} free there", units::human_bytes(free)));
        }
    }
    if max < 2 * segment {
        max = 2 * segment;
        caps.push(format!("{}: the server takes no less than two WAL segments", units::format_bytes(max)));
    }
    let mut reason = rule("clamp(5 % of the WAL file system, 1GB, 64GB), at most half of what is free", worked, inputs);
    reason.caps = caps;
    (max, min_wal_size(host, max), reason)
}

/// A quarter of max_wal_size in whole MB, at least the two segments that the server insists on.
fn min_wal_size(host: &Host<'_>, max: u64) -> u64 {
    (max / 4 / MB * MB).max(2 * host.wal_segment())
}

/// What is free, as far as a plan follows it.
pub(super) fn free_input(coarse: u64, source: &str) -> Input {
    input("free", format!("{} or more", units::human_bytes(coarse)), Basis::Measured, source)
}

fn wal_compression(host: &Host<'_>) -> (&'static str, Reason) {
    let pglz = if host.major >= 15 { "pglz" } else { "on" };
    if let Some(live) = host.facts.database.as_ref().filter(|d| !d.wal_compression.is_empty()) {
        let words = live.wal_compression.join(", ");
        let inputs = vec![input("build", words, Basis::Measured, format!("the server at {}", live.place))];
        let word = if live.wal_compression.iter().any(|w| w == "lz4") { "lz4" } else { pglz };
        return (word, rule("lz4 where the server's build has it, else pglz", word, inputs));
    }
    match host.server().and_then(|s| s.build_options.as_ref()) {
        Some(options) if host.major >= 15 && options.iter().any(|o| o == "--with-lz4") => {
            let source = "facts software.postgresql[].build_options";
            (
                "lz4",
                rule("lz4 where the build has it", "lz4", vec![input("build", "--with-lz4", Basis::Measured, source)]),
            )
        }
        _ => (
            pglz,
            constant(
                "PostgreSQL's own compression, which every build has (a build without lz4 would not start with it)",
            ),
        ),
    }
}

fn archive(draft: &mut Draft<'_>) {
    let host = draft.host;
    if host.archives_by_itself() {
        return;
    }
    let Some(dir) = host.profile.text("postgresql.archive_dir") else { return };
    let other_file_system = match (host.mount_of(dir), host.mount_of(host.data_dir())) {
        (Some(archive), Some(data)) => archive.mount != data.mount,
        _ => false,
    };
    // The command is run by a shell: only a path that needs no quoting there is taken.
    let plain = dir.starts_with('/') && dir.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c));
    if !other_file_system || !plain {
        return;
    }
    let origin = host.origin("postgresql.archive_dir").map(ToString::to_string).unwrap_or_default();
    let inputs = vec![input("archive_dir", dir, Basis::Configured, origin)];
    draft.put(
        PG,
        "archive_mode",
        text("on"),
        rule("on where a folder on another file system is named", dir, inputs.clone()),
    );
    draft.put(
        PG,
        "archive_command",
        Value::Text(format!(
            "test ! -f {dir}/%f && cp %p {dir}/.%f.part && sync {dir}/.%f.part && mv {dir}/.%f.part {dir}/%f"
        )),
        rule("copy, sync, rename", dir, inputs)
            .note("The guide's cp can leave half a segment under its final name after a crash; this cannot."),
    );
    draft.put(PG, "archive_timeout", Value::Millis(3_600_000), constant("1h: the guide's constant"));
}

fn replication(draft: &mut Draft<'_>, pg: &PostgresBudget) {
    let host = draft.host;
    let n = pg.replicas.value;
    let senders = pg.wal_senders as i64;
    let worked = format!("max(10, 2·{n} + 4) = {}", n.saturating_mul(2).saturating_add(4).max(10));
    let reason = rule("max(10, 2·replicas + 4)", worked, vec![pg.replicas.input.clone()])
        .note("Twice: a standby that reconnects before its old connection has timed out needs a second one.");
    draft.put(PG, "max_wal_senders", Value::Int(senders), not_below_primary(host, "max_wal_senders", reason.clone()));
    draft.put(PG, "max_replication_slots", Value::Int(senders), reason);
    if let Some((keep, reason)) = slot_limit(host, draft.value("postgresql.max_wal_size"), n) {
        draft.put(PG, "max_slot_wal_keep_size", Value::Bytes(keep), reason);
    }
    if host.sizing == Sizing::Budget {
        let why = "3d, longer than a weekend: a slot nobody has read since keeps vacuum from cleaning, even within its limit of WAL";
        draft.put(PG, "idle_replication_slot_timeout", Value::Millis(3 * 86_400_000), constant(why));
    }
    let timeout = "60s: a peer that is silent this long has gone; longer than the keepalive's 345 s would hide it";
    draft.put(PG, "wal_sender_timeout", Value::Millis(60_000), constant(timeout));
    draft.put(PG, "wal_receiver_timeout", Value::Millis(60_000), constant(timeout));
}

/// What only a standby needs to set: what its primary announces and the plan leaves alone otherwise.
fn standby(draft: &mut Draft<'_>) {
    let host = draft.host;
    for name in ["max_locks_per_transaction", "max_prepared_transactions"] {
        let default = crate::postgres::catalogue::find(name, host.major).and_then(|e| e.boot.parse::<u64>().ok());
        let (Some(primary), Some(default)) = (host.primary(name), default) else { continue };
        if primary.value > default {
            let worked = format!("max({default}, {})", primary.value);
            let reason = rule("max(PostgreSQL's default, the primary's)", worked, vec![primary.input.clone()])
                .note("A standby does not start with less than its primary has.");
            draft.put(PG, name, Value::Int(i64::try_from(primary.value).unwrap_or(i64::MAX)), reason);
        }
    }
}

/// Adds the primary's value to a reason, where this is a standby.
fn not_below_primary(host: &Host<'_>, name: &str, mut reason: Reason) -> Reason {
    let Some(primary) = host.primary(name) else { return reason };
    let value = primary.value;
    reason.inputs.push(primary.input);
    reason.note(format!("Not below the primary's {value}: a standby would not start."))
}

/// What replication slots may hold back: the WAL of as long as a standby may be away where the rate is known, else twice
/// max_wal_size; never more than a quarter of what is free.
fn slot_limit(host: &Host<'_>, max_wal: Option<&Value>, replicas: u64) -> Option<(u64, Reason)> {
    let max_wal = max_wal.and_then(Value::bytes)?;
    let configured = host.profile.bytes("postgresql.wal_rate");
    let live = host.facts.database.as_ref();
    let rate = configured.or_else(|| live?.wal_bytes_per_second);
    let disk = host.mount_of(host.data_dir());
    let free = disk.and_then(|d| d.free_bytes);
    let mut inputs = vec![derived("max_wal_size", units::format_bytes(max_wal), "postgresql.max_wal_size")];
    let (formula, wanted) = match rate {
        Some(rate) if replicas > 0 => {
            let (basis, source) = match host.origin("postgresql.wal_rate") {
                Some(origin) => (Basis::Configured, origin.to_string()),
                None => (Basis::Measured, live.map(|d| format!("the server at {}", d.place)).unwrap_or_default()),
            };
            inputs.push(input("WAL rate", format!("{}/s", units::human_bytes(rate)), basis, source));
            let outage = host.millis("postgresql.replica_outage", "outage", 3_600_000);
            inputs.push(outage.input);
            let wal = rate.saturating_mul(outage.value) / 1000;
            ("max(WAL rate·outage, max_wal_size)", wal.max(max_wal))
        }
        _ => ("2·max_wal_size", max_wal.saturating_mul(2)),
    };
    let worked = units::human_bytes(wanted);
    // The server's own limit is in MB, of 31 bits.
    let mut keep = (wanted / MB).min(i32::MAX as u64) * MB;
    let mut caps = Vec::new();
    if let Some(free) = free.map(units::coarse) {
        inputs.push(free_input(free, "facts disks[].free_bytes"));
        if keep > free / 4 {
            keep = (free / 4 / MB * MB).max(MB);
            caps.push(format!("a quarter of the {} free there", units::human_bytes(free)));
        }
    }
    let mut reason = rule(formula, worked, inputs)
        .note("A slot nobody reads would fill the disk; past this it is given up and its standby must be made anew.");
    reason.caps = caps;
    Some((keep, reason))
}

fn vacuum(draft: &mut Draft<'_>, pg: &PostgresBudget) {
    let host = draft.host;
    draft.put(
        PG,
        "autovacuum",
        Value::Bool(true),
        constant("on: off leads to bloat and, in the end, to a stand-still"),
    );
    draft.put(
        PG,
        "autovacuum_worker_slots",
        Value::Int(pg.autovacuum_slots(host.major) as i64),
        constant("16, the default, or as many as are pinned: autovacuum_max_workers can be raised up to it without a restart"),
    );
    draft.put(
        PG,
        "autovacuum_max_workers",
        Value::Int(pg.autovacuum_workers as i64),
        autovacuum_workers_reason(host, pg),
    );
    let same = "the guide's constant, PostgreSQL's default";
    draft.put(PG, "autovacuum_naptime", Value::Millis(60_000), constant(same));
    draft.put(PG, "autovacuum_vacuum_threshold", Value::Int(50), constant(same));
    draft.put(
        PG,
        "autovacuum_vacuum_max_threshold",
        Value::Int(100_000_000),
        constant("100 million dead rows: a very large table no longer waits for 20 % of it"),
    );
    draft.put(PG, "autovacuum_analyze_threshold", Value::Int(50), constant(same));
    draft.put(PG, "autovacuum_vacuum_scale_factor", Value::Float(0.2), constant(same));
    draft.put(PG, "autovacuum_analyze_scale_factor", Value::Float(0.1), constant(same));
    draft.put(PG, "autovacuum_vacuum_cost_delay", Value::Millis(2), constant(same));
    let (limit, reason) = match measured(host).filter(|m| m.direct).and_then(|m| m.random_read_iops_16) {
        Some(iops) if host.sizing == Sizing::Budget => (
            ((iops / 25.0).round() as i64).clamp(200, 2000),
            rule(
                "clamp(random reads/s ÷ 25, 200, 2000)",
                format!("{iops:.0}/25"),
                vec![input("random reads/s at depth 16", format!("{iops:.0}"), Basis::Measured, "facts --measure")],
            )
            .note(
                "At 200, vacuum reads at most some 50,000 pages a second; a disk that gives more can give vacuum more.",
            ),
        ),
        _ => cost_limit(host),
    };
    draft.put(PG, "autovacuum_vacuum_cost_limit", Value::Int(limit), reason);
    draft.put(PG, "autovacuum_freeze_max_age", Value::Int(200_000_000), constant(same));
    draft.put(PG, "autovacuum_multixact_freeze_max_age", Value::Int(400_000_000), constant(same));
    draft.put(
        PG,
        "vacuum_buffer_usage_limit",
        Value::Bytes(2 * MB),
        constant(
            "2MB: vacuum recycles this much of shared_buffers and leaves the rest to queries (the default from 17 on)",
        ),
    );
}

fn autovacuum_workers_reason(host: &Host<'_>, pg: &PostgresBudget) -> Reason {
    if host.sizing == Sizing::Guide {
        return constant("the guide's constant, PostgreSQL's default");
    }
    let cpus = host.cpus.value;
    let by_memory = pg.share / 8 / pg.autovacuum_work_mem.max(1);
    let inputs = vec![
        host.cpus.input.clone(),
        derived("S", units::human_bytes(pg.share), "PostgreSQL's share"),
        derived("autovacuum_work_mem", units::format_bytes(pg.autovacuum_work_mem), "postgresql.autovacuum_work_mem"),
    ];
    let raw = (cpus / 8).min(by_memory);
    rule("clamp(min(CPUs/8, S/8/autovacuum_work_mem), 3, 8)", format!("min({cpus}/8, {by_memory}) = {raw}"), inputs)
        .bounds(raw, (3, "PostgreSQL's default"), (8, "they share one cost limit, and more only wait for each other"))
        .note("Each may hold autovacuum_work_mem; a term of work_mem.")
}

/// autovacuum_vacuum_cost_limit by the class of the disk, where that is known.
fn cost_limit(host: &Host<'_>) -> (i64, Reason) {
    let known = host.sizing == Sizing::Budget && host.disk_input.basis != Basis::Assumed;
    let limit = match host.disk {
        DiskClass::Nvme if known => 2000,
        DiskClass::Ssd if known => 600,
        _ => return (200, constant("the guide's constant, PostgreSQL's default")),
    };
    // cost_delay is 2 ms: 500 rounds a second; a dirtied page costs 20.
    let dirtied = units::human_bytes(limit * 500 / 20 * 8192);
    let reason =
        rule("200 on a rotating disk, 600 on flash, 2000 on NVMe", limit.to_string(), vec![host.disk_input.clone()])
            .note(format!(
                "With it vacuum writes at most {dirtied} a second; at 200, 39.1 MB, it falls behind on flash."
            ));
    (limit as i64, reason)
}

fn observability(draft: &mut Draft<'_>) {
    let host = draft.host;
    preload(draft);
    let why = "on: what a query waits for is in EXPLAIN (ANALYZE, BUFFERS) and pg_stat_io";
    draft.put(PG, "track_io_timing", Value::Bool(true), constant(why));
    draft.put(PG, "track_wal_io_timing", Value::Bool(true), constant(why));
    draft.put(
        PG,
        "track_cost_delay_timing",
        Value::Bool(true),
        constant("on: pg_stat_progress_vacuum says how long vacuum was held back"),
    );
    draft.put(
        PG,
        "log_min_duration_statement",
        Value::Millis(1000),
        constant("1s: slow statements are in the log with their time"),
    );
    draft.put(PG, "log_checkpoints", Value::Bool(true), constant("on: a checkpoint that comes too early shows"));
    draft.put(PG, "log_lock_waits", Value::Bool(true), constant("on: who waits for whom longer than deadlock_timeout"));
    draft.put(PG, "log_lock_failures", Value::Bool(true), constant("on: NOWAIT failures name the holder"));
    draft.put(
        PG,
        "log_temp_files",
        Value::Bytes(10 * MB),
        constant("10MB: sorts and hashes that outgrew work_mem by much are in the log"),
    );
    draft.put(
        PG,
        "log_autovacuum_min_duration",
        Value::Millis(60_000),
        constant("1min: an autovacuum that takes long says what it did"),
    );
    let (connections, why) = if host.major >= 18 {
        ("receipt,authentication,authorization", "the list form of 18")
    } else {
        ("on", "as the guide has it")
    };
    draft.put(PG, "log_connections", text(connections), constant(why));
    draft.put(PG, "log_disconnections", Value::Bool(true), constant("on: with how long each session lasted"));
    draft.put(
        PG,
        "log_line_prefix",
        text("%m [%p] %q%u@%d/%a "),
        constant("time, process, user, database and application of every line"),
    );
}

/// Libraries that are preloaded: those the cluster has already, and pg_stat_statements where it is installed. A name
/// that is not installed keeps the server from starting.
fn preload(draft: &mut Draft<'_>) {
    let host = draft.host;
    let live = host.facts.database.as_ref().map(|d| &d.extensions);
    let Some(installed) = live.or_else(|| host.server()?.extensions.as_ref()) else { return };
    if !installed.iter().any(|e| e == "pg_stat_statements") {
        return;
    }
    let running = host.facts.database.as_ref().and_then(|d| d.settings.get("shared_preload_libraries"));
    let in_files = || Some(&host.cluster()?.settings.get("shared_preload_libraries")?.value);
    let mut libraries: Vec<String> = running
        .or_else(in_files)
        .map(|s| s.split(',').map(|l| l.trim().to_owned()).filter(|l| !l.is_empty()).collect())
        .unwrap_or_default();
    let kept = libraries.len();
    if !libraries.iter().any(|l| l == "pg_stat_statements") {
        libraries.push("pg_stat_statements".to_owned());
    }
    let source = "facts software.postgresql[].extensions";
    let reason = rule(
        "what the cluster preloads, and pg_stat_statements where it is installed",
        libraries.join(", "),
        vec![
            input("installed", "pg_stat_statements", Basis::Measured, source),
            input("preloaded now", kept.to_string(), Basis::Measured, "facts software.clusters[].settings"),
        ],
    );
    draft.put(PG, "shared_preload_libraries", Value::List(libraries), reason);
    draft.put(
        PG,
        "compute_query_id",
        text("on"),
        constant("on: the same statement is counted as one in pg_stat_statements and found again in the log"),
    );
}

/// Settings the operator pinned that the plan would not make itself.
fn pins(draft: &mut Draft<'_>) {
    let host = draft.host;
    let planned: Vec<&'static str> = super::specs::SPECS
        .iter()
        .filter(|s| s.component == PG && draft.value(&s.key()).is_none())
        .map(|s| s.name)
        .collect();
    for name in planned {
        if let Some(pin) = host.profile.get(&format!("postgresql.{name}")) {
            draft.put(PG, name, pin.value.clone(), constant("pinned; the plan would leave it as it is"));
        }
    }
    let inputs = crate::profile::keys::KEYS;
    for (key, pin) in host.profile.values.range("postgresql.".to_owned().."postgresql/".to_owned()) {
        let Some(name) = key.strip_prefix("postgresql.") else { continue };
        let known = super::specs::find(key).is_some() || inputs.iter().any(|k| k.name == key.as_str());
        if !known && let Some(entry) = crate::postgres::catalogue::find(name, host.major) {
            draft.put_server(name, entry.needs_restart(), pin.value.clone());
        }
    }
}
