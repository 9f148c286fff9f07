//! Running servers, found by the files they were started with.

use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
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
}

impl Running {
    /// The process with this number; `None` where there is none that this user may look at.
    #[must_use]
    pub fn of(pid: i32) -> Option<Running> {
        let process = procfs::process::Process::new(pid).ok()?;
        let status = process.status().ok()?;
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
            log: fs::read_link(format!("/proc/{pid}/fd/2")).ok().filter(|path| path.is_file()),
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
        self.log.as_ref().and_then(|log| fs::metadata(log).ok()).map_or(0, |m| m.len())
    }

    /// What its log has gained since it was so long.
    #[must_use]
    pub fn log_since(&self, length: u64) -> String {
        let Some(log) = &self.log else { return String::new() };
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

    /// The last lines of its log since it was so long, for an error.
    #[must_use]
    pub fn last_words(&self, length: u64) -> String {
        let text = self.log_since(length);
        let lines: Vec<&str> = text.lines().rev().take(5).collect();
        let lines: Vec<&str> = lines.into_iter().rev().collect();
        match (&self.log, lines.as_slice()) {
            (None, _) => String::new(),
            (Some(log), []) => format!("; its log {} says nothing", log.display()),
            (Some(log), lines) => format!("; the last lines of {}:\n  {}", log.display(), lines.join("\n  ")),
        }
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
    let mut child = command.spawn()?;
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if start.elapsed() > patience {
            child.kill()?;
            child.wait()?;
            return Err(std::io::Error::from(std::io::ErrorKind::TimedOut));
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    Ok(Output { status, stdout: fs::read(out)?, stderr: fs::read(err)? })
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
