//! The planner's costs and I/O, by what was measured of the disk or by its class (the guide's 1.3).

use super::super::draft::{Draft, constant, rule};
use super::super::host::{DiskClass, Host, Sizing, Workload, input};
use super::super::{Basis, Input, Reason};
use super::{PG, text};
use crate::facts::Measurement;
use crate::units;
use crate::value::Value;

/// The newest measurement of the file system that holds the database.
pub(super) fn measured<'a>(host: &Host<'a>) -> Option<&'a Measurement> {
    let mount = &host.mount_of(host.data_dir())?.mount;
    host.facts.measurements.iter().find(|m| &m.mount == mount)
}

pub(super) fn planner(draft: &mut Draft<'_>) {
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

pub(super) fn io(draft: &mut Draft<'_>) {
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
    draft.put(PG, "io_method", text("worker"), io_method(host, why));
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

/// Why worker, and where a ring was set up here and the build can use it, that io_uring is there to be taken.
fn io_method(host: &Host<'_>, why: &str) -> Reason {
    let kernel = &host.facts.kernel;
    let mut reason = constant(why);
    let word = match kernel.io_uring {
        Some(true) => "usable",
        Some(false) => "not usable",
        None => "not known",
    };
    let source = kernel.io_uring_reason.as_deref().unwrap_or("not asked after");
    let basis = if kernel.io_uring_tried { Basis::Measured } else { Basis::Assumed };
    reason.inputs.push(input("io_uring", word, basis, source));
    let Some(options) = host.server().and_then(|server| server.build_options.as_ref()) else { return reason };
    let built = options.iter().any(|option| option == "--with-liburing");
    let source = "facts software.postgresql[].build_options";
    let build = if built { "--with-liburing" } else { "without liburing" };
    reason.inputs.push(input("build", build, Basis::Measured, source));
    if built && kernel.io_uring_tried && kernel.io_uring == Some(true) {
        return reason.note("Both were proved here: `llmsql config set postgresql.io_method io_uring` takes it.");
    }
    reason
}

fn by_class(class: DiskClass, inputs: Vec<Input>) -> (i64, Reason) {
    match class {
        DiskClass::Hdd => (2, rule("2 on a rotating disk", "2", inputs)),
        DiskClass::Ssd => (200, rule("200 on flash", "200", inputs)),
        DiskClass::Nvme => (200, rule("200 on flash", "200", inputs)),
    }
}
