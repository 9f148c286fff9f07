//! The program under test.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// One run of the program: by itself in an empty folder, without `LLMSQL_*` and `PG*` in the environment, without a
/// terminal and without colour.
pub struct Llmsql {
    command: Command,
    stdin: Option<Vec<u8>>,
    /// The folder it runs in, unless a test names another.
    _here: TempDir,
}

impl Llmsql {
    /// Where the program is.
    pub fn path() -> PathBuf {
        PathBuf::from(env!("CARGO_BIN_EXE_llmsql"))
    }

    pub fn new() -> Self {
        let here = tempfile::tempdir().expect("a temporary folder");
        let mut command = Command::new(Self::path());
        command.current_dir(here.path()).env("NO_COLOR", "1").env("LC_ALL", "C.UTF-8");
        for (name, _) in std::env::vars_os() {
            if ["LLMSQL_", "PG", "CLICOLOR"].iter().any(|p| name.to_string_lossy().starts_with(p)) {
                command.env_remove(name);
            }
        }
        Llmsql { command, stdin: None, _here: here }
    }

    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    #[must_use]
    pub fn args(mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.command.args(args);
        self
    }

    /// `--root DIR`.
    #[must_use]
    pub fn root(self, dir: impl AsRef<Path>) -> Self {
        self.arg("--root").arg(dir.as_ref())
    }

    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Runs in this folder.
    #[must_use]
    pub fn dir(mut self, dir: impl AsRef<Path>) -> Self {
        self.command.current_dir(dir);
        self
    }

    /// Runs as a user without rights: the servers' where tests run as root. That user may not be let into the folder where
    /// the program was built, so the program and DuckDB's library beside it are linked into one that all may enter.
    #[must_use]
    pub fn unprivileged(self) -> Self {
        use std::os::unix::fs::PermissionsExt;
        use std::os::unix::process::CommandExt;
        let Some(user) = super::server_user() else { return self };
        let here = self._here.path();
        fs::set_permissions(here, fs::Permissions::from_mode(0o755)).expect("its mode");
        for file in ["llmsql", "libduckdb.so"] {
            let built = Self::path().with_file_name(file);
            if built.exists() && fs::hard_link(&built, here.join(file)).is_err() {
                fs::copy(&built, here.join(file)).expect("a copy of what was built");
            }
        }
        let program = here.join("llmsql");
        let mut run = self.instead(&program, &[]);
        run.command.uid(user.uid.as_raw()).gid(user.gid.as_raw()).env("HOME", "/nonexistent").current_dir("/");
        run
    }

    /// Another program with these arguments before ours, in the same environment and folder.
    fn instead(mut self, program: impl AsRef<OsStr>, first: &[&OsStr]) -> Self {
        let mut command = Command::new(program);
        command.args(first).args(self.command.get_args());
        for (name, value) in self.command.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.current_dir(self.command.get_current_dir().expect("a folder"));
        self.command = command;
        self
    }

    #[must_use]
    pub fn stdin(mut self, text: impl Into<Vec<u8>>) -> Self {
        self.stdin = Some(text.into());
        self
    }

    /// Under strace, its children with it.
    #[must_use]
    pub fn strace(self, options: &[&str]) -> Self {
        let ours = self.command.get_program().to_owned();
        let mut first = vec![OsStr::new("-f")];
        first.extend(options.iter().map(OsStr::new));
        first.extend([OsStr::new("--"), &ours]);
        self.instead(super::program("strace").get_program(), &first)
    }

    /// Runs it to its end.
    pub fn run(self) -> Run {
        self.start().wait()
    }

    /// Starts it.
    pub fn start(mut self) -> Started {
        let stdin = if self.stdin.is_some() { Stdio::piped() } else { Stdio::null() };
        self.command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
        let command = format!("{:?}", self.command);
        let mut child = self.command.spawn().expect("the program can be started");
        if let Some(text) = self.stdin {
            // A program that does not read its input closes it.
            let _ = child.stdin.take().expect("a pipe").write_all(&text);
        }
        Started { command, child, _here: self._here }
    }
}

/// A run that has not ended.
pub struct Started {
    command: String,
    child: Child,
    _here: TempDir,
}

impl Started {
    /// The process that runs its queries.
    pub fn worker(&self) -> Option<u32> {
        let children = format!("/proc/{0}/task/{0}/children", self.child.id());
        fs::read_to_string(children).ok()?.split_whitespace().next()?.parse().ok()
    }

    /// Kills it, with no time to end anything.
    pub fn kill(&mut self) {
        self.child.kill().expect("it may be killed");
    }

    /// Sends it SIGINT, as Ctrl-C does, and waits for its end.
    pub fn interrupt(self) -> Run {
        let pid = i32::try_from(self.child.id()).expect("a process's number");
        kill(Pid::from_raw(pid), Signal::SIGINT).expect("it goes on");
        self.wait()
    }

    /// Waits for its end.
    pub fn wait(self) -> Run {
        let output = self.child.wait_with_output().expect("the program can be waited for");
        Run {
            command: self.command,
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).expect("stdout is UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("stderr is UTF-8"),
        }
    }
}

/// What a run has left: its exit code and what it printed. The checks return it again.
#[derive(Debug)]
pub struct Run {
    command: String,
    /// `None` where a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    fn shown(&self) -> String {
        format!("{}\nexit: {:?}\nstdout:\n{}\nstderr:\n{}", self.command, self.code, self.stdout, self.stderr)
    }

    #[track_caller]
    pub fn code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}", self.shown());
        self
    }

    #[track_caller]
    pub fn success(self) -> Self {
        self.code(0)
    }

    #[track_caller]
    pub fn stdout_has(self, text: &str) -> Self {
        assert!(self.stdout.contains(text), "no {text:?} in stdout: {}", self.shown());
        self
    }

    #[track_caller]
    pub fn stderr_has(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "no {text:?} in stderr: {}", self.shown());
        self
    }

    /// stdout as one JSON document.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("stdout is no JSON ({e}): {}", self.shown()))
    }
}
