//! WAL, checkpoints and archiving (the guide's 1.4).

use super::super::draft::{Draft, constant, derived, rule};
use super::super::host::{Host, Sizing, input};
use super::super::{Basis, Input, Reason};
use super::{PG, text};
use crate::units::{self, GB, MB};
use crate::value::Value;

pub(super) fn wal(draft: &mut Draft<'_>) {
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
pub(in crate::plan) fn free_input(coarse: u64, source: &str) -> Input {
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
