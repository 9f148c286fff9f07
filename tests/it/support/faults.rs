//! A kill, an I/O error or a full disk at every system call that matters, by strace.

use super::Llmsql;
use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;

/// System calls by which files change.
const CALLS: &[&str] = &[
    "openat",
    "write",
    "pwrite64",
    "fsync",
    "fdatasync",
    "fchmod",
    "fchown",
    "fsetxattr",
    "rename",
    "renameat",
    "renameat2",
    "unlink",
    "unlinkat",
    "mkdir",
    "rmdir",
    "ftruncate",
];

/// What happens at a call.
pub const FAULTS: &[&str] = &[KILL, "error=EIO", "error=ENOSPC"];

/// The program is killed.
pub const KILL: &str = "signal=KILL";

/// One occurrence of one system call, counted from 1, and what happens there.
#[derive(Clone)]
pub struct Point {
    pub call: String,
    pub nth: usize,
    pub fault: &'static str,
    /// The call as strace wrote it in the good run.
    pub line: String,
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} {}: {}", self.fault, self.call, self.nth, self.line)
    }
}

impl Point {
    /// The run with this fault.
    #[must_use]
    pub fn strike(&self, run: Llmsql) -> Llmsql {
        run.strace(&["-qq", "-o", "/dev/null", "-e", &self.inject(self.fault)])
    }

    /// strace's option for something that happens here.
    pub fn inject(&self, what: &str) -> String {
        format!("inject={}:{what}:when={}", self.call, self.nth)
    }
}

/// The system calls of a good run, in their order.
pub fn log_of(run: Llmsql) -> Vec<String> {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let log = dir.path().join("log").display().to_string();
    let trace = format!("trace={},flock", CALLS.join(","));
    run.strace(&["-y", "-s", "0", "-o", &log, "-e", &trace]).run().success();
    let text = fs::read_to_string(&log).expect("strace's log");
    let lines: Vec<String> =
        text.lines().filter_map(|l| Some(l.split_once(char::is_whitespace)?.1.trim().to_owned())).collect();
    assert!(lines.iter().any(|l| l.starts_with("flock(")), "the lock is never taken");
    lines
}

/// A line without the working folder, which strace names beside every path.
fn without_working_folder(line: &str) -> String {
    let mut parts = line.split("AT_FDCWD<");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |line, part| line + part.split_once('>').map_or(part, |(_, rest)| rest))
}

/// Every point after the lock on a path below one of these folders.
pub fn points(log: &[String], folders: &[&Path], faults: &[&'static str]) -> Vec<Point> {
    let folders: Vec<String> = folders.iter().map(|f| f.display().to_string()).collect();
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut locked = false;
    let mut points = Vec::new();
    for line in log.iter().map(|l| without_working_folder(l)) {
        let Some((call, rest)) = line.split_once('(') else { continue };
        locked |= call == "flock";
        if !CALLS.contains(&call) {
            continue;
        }
        let nth = counts.entry(call.to_owned()).or_default();
        *nth += 1;
        if locked && folders.iter().any(|f| rest.contains(f.as_str())) {
            points.extend(faults.iter().map(|fault| Point {
                call: call.to_owned(),
                nth: *nth,
                fault,
                line: line.clone(),
            }));
        }
    }
    points
}

/// Whether everything is to be tried (`LLMSQL_EXTENDED=1`), and not an even sample.
pub fn extended() -> bool {
    std::env::var_os("LLMSQL_EXTENDED").is_some()
}

/// All of them, or an even sample of so many.
pub fn sampled<T>(all: &[T], sample: usize) -> impl Iterator<Item = &T> {
    let step = if extended() { 1 } else { all.len().div_ceil(sample).max(1) };
    all.iter().step_by(step)
}
