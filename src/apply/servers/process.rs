//! Running servers, found by the files they were started with.

use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

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

    /// Every process of this name that is not the child of another.
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
        first.filter_map(|(pid, _)| Running::of(*pid)).collect()
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

/// The last lines of a log since it was so long, for an error.
#[must_use]
pub fn last_words(log: &Path, length: u64) -> String {
    let text = since(log, length);
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
