//! Processes of the live host: who holds memory, and which PostgreSQL servers run.

use super::read::Host;
use procfs::process::all_processes;

/// Programs of the stack; what others hold is foreign.
const STACK: &[&str] = &[
    "postgres",
    "postmaster",
    "pgbouncer",
    "nginx",
    "uvicorn",
    "gunicorn",
    "duckdb",
    "ollama",
    "llama-server",
    "vllm",
    "llmsql",
];

/// A process of the live host that has memory of its own (kernel threads have none).
pub(super) struct Process {
    pub pid: u32,
    name: String,
    arguments: Vec<String>,
    /// Resident pages that are not shared: statm's resident less its shared ones. Cheap to read, and close to the
    /// proportional set size where little is shared beside libraries.
    private_pages: u64,
}

impl Process {
    /// A server's first process: its children have a title in place of arguments.
    pub fn is_postmaster(&self) -> bool {
        (self.name == "postgres" || self.name == "postmaster")
            && self.arguments.first().is_some_and(|program| !program.starts_with("postgres: "))
    }

    /// The folder behind `-D`.
    pub fn data_dir(&self) -> Option<String> {
        let dir = self.option("-D")?;
        Some(dir.trim_end_matches('/').to_owned()).filter(|dir| dir.starts_with('/'))
    }

    /// The file of `-c config_file=…`.
    pub fn config_file(&self) -> Option<String> {
        self.arguments
            .iter()
            .find_map(|word| {
                word.trim_start_matches("--").strip_prefix("config_file=").or(word.strip_prefix("-cconfig_file="))
            })
            .map(str::to_owned)
    }

    fn option(&self, name: &str) -> Option<&str> {
        let mut words = self.arguments.iter();
        words
            .find_map(|word| word.strip_prefix(name))
            .map(|rest| if rest.is_empty() { words.next().map_or("", String::as_str) } else { rest })
    }

    fn foreign(&self) -> bool {
        // An API server shows as the interpreter it runs in.
        let python = self.name.starts_with("python")
            && self
                .arguments
                .iter()
                .any(|w| STACK.iter().any(|s| w.rsplit('/').next().is_some_and(|w| w.starts_with(s))));
        !python && !STACK.contains(&self.name.as_str())
    }
}

/// Processes with memory of their own; nothing but on the live host.
pub(super) fn collect(host: &Host) -> Vec<Process> {
    if !host.root.is_live() {
        return Vec::new();
    }
    let Ok(all) = all_processes() else {
        host.absent("/proc", "the processes cannot be listed");
        return Vec::new();
    };
    all.flatten()
        .filter_map(|process| {
            let statm = process.statm().ok().filter(|statm| statm.size > 0)?;
            let name = host.line(&format!("/proc/{}/comm", process.pid))?;
            let interesting = STACK.contains(&name.as_str()) || name.starts_with("python");
            let arguments = if interesting { process.cmdline().unwrap_or_default() } else { Vec::new() };
            let pid = u32::try_from(process.pid).ok()?;
            Some(Process { pid, name, arguments, private_pages: statm.resident.saturating_sub(statm.shared) })
        })
        .collect()
}

/// What processes that are no part of the stack hold, in bytes.
pub(super) fn foreign_bytes(processes: &[Process], page: u64) -> Option<u64> {
    if processes.is_empty() {
        return None;
    }
    let pages: u64 = processes.iter().filter(|p| p.foreign()).map(|p| p.private_pages).sum();
    pages.checked_mul(page)
}
