//! Running servers, found by the files they were started with.

use crate::formats::redact::redact;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::{self, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

/// How long a server may take to end, or to come back.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long whoever has started a server may take to start it again.
const SUPERVISOR: Duration = Duration::from_secs(3);
/// How much of a log's end is looked at.
const TAIL: u64 = 64 << 10;

/// A running server.
#[derive(Debug, Clone)]
pub struct Running {
    /// Its first process.
    pub pid: i32,
    /// The user it runs as.
    pub uid: u32,
    /// The group it runs as.
    pub gid: u32,
    /// Its program, where that still is the one that runs.
    pub program: Option<PathBuf>,
    /// Its arguments; a server that shows a title has them in one word.
    pub arguments: Vec<String>,
    /// The folder it runs in.
    pub cwd: PathBuf,
    /// Where the dynamic linker was told to look for its libraries.
    pub library_path: Option<String>,
    /// The file that its error output goes to.
    pub log: Option<PathBuf>,
    /// Whether its error output goes nowhere.
    pub silent: bool,
    /// The systemd unit it was started by.
    pub unit: Option<String>,
}

impl Running {
    /// The process with this number; `None` where there is none that this user may look at.
    #[must_use]
    pub fn of(pid: i32) -> Option<Running> {
        let process = procfs::process::Process::new(pid).ok()?;
        let status = process.status().ok()?;
        let output = fs::read_link(format!("/proc/{pid}/fd/2")).ok();
        let environment = process.environ().unwrap_or_default();
        let library_path =
            environment.get(std::ffi::OsStr::new("LD_LIBRARY_PATH")).map(|v| v.to_string_lossy().into_owned());
        Some(Running {
            pid,
            uid: status.euid,
            gid: status.egid,
            program: process.exe().ok().filter(|exe| exe.is_file()),
            arguments: process.cmdline().unwrap_or_default(),
            cwd: process.cwd().ok()?,
            library_path,
            silent: output.as_deref() == Some(Path::new("/dev/null")),
            log: output.filter(|path| path.is_file()),
            unit: unit_of(pid),
        })
    }

    /// Every process of this name that is not the child of another, and not of a container, whose paths are not ours.
    #[must_use]
    pub fn named(name: &str) -> Vec<Running> {
        let Ok(all) = procfs::process::all_processes() else { return Vec::new() };
        let own: Vec<(i32, i32)> = all
            .flatten()
            .filter_map(|p| p.stat().ok())
            .filter(|stat| stat.comm == name)
            .map(|stat| (stat.pid, stat.ppid))
            .collect();
        let first = own.iter().filter(|(_, parent)| !own.iter().any(|(pid, _)| pid == parent));
        first.filter(|(pid, _)| has_our_files(*pid)).filter_map(|(pid, _)| Running::of(*pid)).collect()
    }

    /// Whether a process of this name runs of which this user may not see by which files.
    #[must_use]
    pub fn is_hidden(name: &str) -> bool {
        let Ok(all) = procfs::process::all_processes() else { return false };
        let stats = all.flatten().filter_map(|p| p.stat().ok());
        !nix::unistd::geteuid().is_root()
            && stats.filter(|s| s.comm == name && s.state != 'Z').any(|s| Running::of(s.pid).is_none())
    }

    /// Ends it and has it run again: by its unit where systemd has started it, else by whatever has started it, or with
    /// its own program and these arguments. `find` tells whether it is back. `as_root` is for one that gives up root's
    /// rights itself.
    ///
    /// # Errors
    /// It does not end, or does not come back; in words.
    pub fn restart(
        &self,
        stop: &[Signal],
        arguments: &[String],
        as_root: bool,
        find: impl Fn() -> Option<Running>,
    ) -> Result<Running, String> {
        if let Some(unit) = &self.unit {
            let mut systemctl = command(Path::new("systemctl"), None);
            systemctl.args(["restart", unit]).stdout(Stdio::null()).stderr(Stdio::null());
            if !status(&mut systemctl, PATIENCE * 4).is_ok_and(|s| s.success()) {
                return Err(match self.is_alive() {
                    true => format!("systemd does not restart it; as root: systemctl restart {unit}"),
                    false => format!("it does not start again (journalctl -u {unit} says why)"),
                });
            }
            return wait_for(PATIENCE, find).ok_or_else(|| format!("it does not come back ({unit})"));
        }
        let Some(program) = &self.program else { return Err("its program is not known".to_owned()) };
        let parent = procfs::process::Process::new(self.pid).and_then(|p| p.stat()).map_or(1, |stat| stat.ppid);
        // One that has ended by itself is only started.
        let ended = !self.is_alive()
            || stop.iter().any(|signal| {
                kill(Pid::from_raw(self.pid), *signal).is_ok()
                    && wait_for(PATIENCE, || (!self.is_alive()).then_some(())).is_some()
            });
        if !ended {
            return Err(format!("process {} does not end", self.pid));
        }
        if parent != 1
            && let Some(back) = wait_for(SUPERVISOR, &find)
        {
            return Ok(back);
        }
        let mut again = if as_root { command(program, None) } else { self.command(program) };
        again.args(arguments).current_dir(&self.cwd).process_group(0);
        let log = self.log.as_ref().and_then(|log| OpenOptions::new().append(true).open(log).ok());
        for out in [Command::stdout, Command::stderr] {
            let copy = log.as_ref().and_then(|log| log.try_clone().ok());
            out(&mut again, copy.map_or_else(Stdio::null, Stdio::from));
        }
        let mut child = again.spawn().map_err(|e| format!("{} cannot be run: {e}", program.display()))?;
        wait_for(PATIENCE, || match child.try_wait() {
            // A daemon's first process ends well.
            Ok(Some(status)) if !status.success() => Some(None),
            _ => find().map(Some),
        })
        .flatten()
        .ok_or_else(|| "it does not start again".to_owned())
    }

    /// Where it listens for PostgreSQL's protocol: the folder of a socket or an address, and the port; sockets first.
    /// Empty where this user may not see that.
    #[must_use]
    pub fn listens(&self) -> Vec<(String, u16)> {
        let Ok(process) = procfs::process::Process::new(self.pid) else { return Vec::new() };
        let own: Vec<u64> = process
            .fd()
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|fd| match fd.target {
                procfs::process::FDTarget::Socket(inode) => Some(inode),
                _ => None,
            })
            .collect();
        let sockets = process.unix().unwrap_or_default().into_iter().filter(|s| own.contains(&s.inode));
        let mut found: Vec<(String, u16)> = sockets
            .filter_map(|s| {
                let path = s.path?;
                let port = path.file_name()?.to_str()?.strip_prefix(".s.PGSQL.")?.parse().ok()?;
                Some((path.parent()?.display().to_string(), port))
            })
            .collect();
        let tcp = [process.tcp(), process.tcp6()].into_iter().flatten().flatten();
        let listens = |s: &procfs::net::TcpNetEntry| s.state == procfs::net::TcpState::Listen && own.contains(&s.inode);
        found.extend(tcp.filter(listens).map(|s| {
            let ip = s.local_address.ip();
            let ip = if ip.is_unspecified() { "127.0.0.1".to_owned() } else { ip.to_string() };
            (ip, s.local_address.port())
        }));
        found.sort();
        found.dedup();
        found.sort_by_key(|(host, _)| !host.starts_with('/'));
        found
    }

    /// Its child processes.
    #[must_use]
    pub fn children(&self) -> Vec<i32> {
        let Ok(all) = procfs::process::all_processes() else { return Vec::new() };
        let stats = all.flatten().filter_map(|p| p.stat().ok());
        stats.filter(|stat| stat.ppid == self.pid && stat.state != 'Z').map(|stat| stat.pid).collect()
    }

    /// Whether it still runs.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        procfs::process::Process::new(self.pid)
            .and_then(|p| p.stat())
            .is_ok_and(|stat| !matches!(stat.state, 'Z' | 'X'))
    }

    /// Where a path of its command line leads.
    #[must_use]
    pub fn path(&self, path: &str) -> PathBuf {
        let path = self.cwd.join(path);
        path.canonicalize().unwrap_or(path)
    }

    /// How long its log is.
    #[must_use]
    pub fn log_length(&self) -> u64 {
        self.log.as_deref().map_or(0, length_of)
    }

    /// What its log has gained since it was so long.
    #[must_use]
    pub fn log_since(&self, length: u64) -> String {
        self.log.as_deref().map(|log| since(log, length)).unwrap_or_default()
    }

    /// The last lines of its log since it was so long, for an error.
    #[must_use]
    pub fn last_words(&self, length: u64) -> String {
        self.log.as_deref().map(|log| last_words(log, length)).unwrap_or_default()
    }

    /// How many kB of huge pages it holds; `None` where the kernel does not tell.
    #[must_use]
    pub fn huge_pages_kb(&self) -> Option<u64> {
        procfs::process::Process::new(self.pid).and_then(|p| p.status()).ok()?.hugetlbpages
    }

    /// Soft limits of open files and of locked memory in bytes; `u64::MAX` means unlimited.
    #[must_use]
    pub fn limits(&self) -> Option<(u64, u64)> {
        let limits = procfs::process::Process::new(self.pid).and_then(|p| p.limits()).ok()?;
        let number = |limit: procfs::process::LimitValue| match limit {
            procfs::process::LimitValue::Unlimited => u64::MAX,
            procfs::process::LimitValue::Value(n) => n,
        };
        Some((number(limits.max_open_files.soft_limit), number(limits.max_locked_memory.soft_limit)))
    }

    /// A command run as its user, with the libraries it runs with and nothing else of our environment.
    #[must_use]
    pub fn command(&self, program: &Path) -> Command {
        let mut command = command(program, Some((self.uid, self.gid)));
        if let Some(path) = &self.library_path {
            command.env("LD_LIBRARY_PATH", path);
        }
        command
    }
}

/// Whether a process has our root folder; one of which that may not be seen is not known to have another.
fn has_our_files(pid: i32) -> bool {
    let root = |path: &str| fs::metadata(path).map(|m| (m.dev(), m.ino()));
    match (root("/"), root(&format!("/proc/{pid}/root/"))) {
        (Ok(ours), Ok(its)) => ours == its,
        _ => true,
    }
}

/// How long a log is.
#[must_use]
pub fn length_of(log: &Path) -> u64 {
    fs::metadata(log).map_or(0, |m| m.len())
}

fn since(log: &Path, length: u64) -> String {
    let read = || -> std::io::Result<String> {
        let mut file = fs::File::open(log)?;
        let now = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.min(now).max(now.saturating_sub(TAIL))))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    read().unwrap_or_default()
}

/// The last lines of a log since it was so long, for an error; no password of them is shown.
#[must_use]
pub fn last_words(log: &Path, length: u64) -> String {
    let text = since(log, length);
    let text = String::from_utf8_lossy(&redact(text.as_bytes()).0).into_owned();
    let lines: Vec<&str> = text.lines().rev().take(5).collect();
    let lines: Vec<&str> = lines.into_iter().rev().collect();
    match lines.as_slice() {
        [] => format!("; its log {} says nothing", log.display()),
        lines => format!("; the last lines of {}:\n  {}", log.display(), lines.join("\n  ")),
    }
}

/// The settings of a PostgreSQL command line: `name=value`.
#[must_use]
pub fn settings(arguments: &[String]) -> Vec<String> {
    let mut given = Vec::new();
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        let setting = if word == "-c" {
            words.next().cloned()
        } else {
            word.strip_prefix("--").or(word.strip_prefix("-c")).map(str::to_owned)
        };
        given.extend(setting.filter(|s| s.contains('=')));
    }
    given
}

fn unit_of(pid: i32) -> Option<String> {
    let cgroup = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    let unit = cgroup.lines().last()?.rsplit('/').next()?.to_owned();
    (Path::new("/run/systemd/system").exists() && unit.ends_with(".service")).then_some(unit)
}

/// A command with an empty environment, as another user where we are root and one is given.
#[must_use]
pub fn command(program: &Path, user: Option<(u32, u32)>) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("LC_ALL", "C").env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").stdin(Stdio::null());
    if let Some((uid, gid)) = user.filter(|_| nix::unistd::geteuid().is_root()) {
        command.uid(uid).gid(gid);
    }
    command
}

/// Runs a command to its end, or ends it after `patience`. Its output goes to files of `scratch`, so that no pipe can
/// fill.
///
/// # Errors
/// It cannot be started; it did not end in time.
pub fn output(command: &mut Command, scratch: &Path, patience: Duration) -> std::io::Result<Output> {
    let (out, err) = (scratch.join(".stdout"), scratch.join(".stderr"));
    command.stdout(fs::File::create(&out)?).stderr(fs::File::create(&err)?);
    let status = status(command, patience)?;
    Ok(Output { status, stdout: fs::read(out)?, stderr: fs::read(err)? })
}

/// Runs a command to its end, or ends it after `patience`; its output goes where the caller said.
///
/// # Errors
/// As [`output`].
pub fn status(command: &mut Command, patience: Duration) -> std::io::Result<ExitStatus> {
    let mut child = command.spawn()?;
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if start.elapsed() > patience {
            child.kill()?;
            child.wait()?;
            return Err(std::io::Error::from(std::io::ErrorKind::TimedOut));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Asks until the answer is `Some` or patience ends.
pub fn wait_for<T>(patience: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        if start.elapsed() > patience {
            return None;
        }
        std::thread::sleep(Duration::from_millis(25));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_of_a_log_tell_no_password() {
        let log = tempfile::NamedTempFile::new().unwrap();
        fs::write(log.path(), "old\nFATAL: in \"host=a password=hunter2\"\n").unwrap();
        let words = last_words(log.path(), 4);
        assert!(words.contains("\n  FATAL: in \"host=a password=REDACTED") && !words.contains("hunter2"), "{words}");
        assert!(!words.contains("old"), "{words}");
    }
}
