//! Starting the worker, and ending it.
//!
//! Loading DuckDB takes the dynamic linker as long as many a query takes. So the first worker is this process, forked
//! before even the command line was read and while it has a single thread; one that has to take its place later is this
//! program anew.

use super::engine::WORKER;
use super::protocol::{Response, receive};
use super::worker;
use fork::Fork;
use nix::fcntl::OFlag;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{Pid, dup2_stdin, dup2_stdout, pipe2, setpgid};
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Stdio;
use std::sync::mpsc::{self, Receiver};

/// The subcommands that have a worker, whatever they are asked.
const WITH_WORKER: [&str; 3] = ["query", "schema", "export"];

/// A worker that runs.
#[derive(Debug)]
pub struct Worker {
    process: Process,
    requests: File,
    answers: File,
}

/// A worker that is spoken to.
#[derive(Debug)]
pub struct Running {
    process: Process,
    /// Where requests go.
    pub requests: File,
    /// What it answers.
    pub answers: Receiver<io::Result<Option<Response>>>,
}

/// A worker's process, which ends with this value.
#[derive(Debug)]
struct Process {
    pid: Pid,
    waited: bool,
}

/// Forks the worker that a command line is going to need, as far as its first argument tells.
#[must_use]
pub fn early(arguments: &[OsString]) -> Option<Worker> {
    let first = arguments.get(1)?;
    WITH_WORKER.iter().any(|name| first == name).then(fork).flatten()
}

/// Forks a worker; nothing where this process has further threads, whose locks it would inherit as they are.
#[must_use]
pub fn fork() -> Option<Worker> {
    if crate::process::threads() == Some(1) { forked().ok() } else { None }
}

fn forked() -> io::Result<Worker> {
    let (from_us, requests) = pipe2(OFlag::O_CLOEXEC)?;
    let (answers, to_us) = pipe2(OFlag::O_CLOEXEC)?;
    match fork::fork()? {
        Fork::Parent(pid) => {
            Ok(Worker { process: Process::new(pid), requests: requests.into(), answers: answers.into() })
        }
        Fork::Child => {
            drop((requests, answers));
            // Nothing of the program goes on in here, whatever happens.
            let code = catch_unwind(AssertUnwindSafe(|| child(from_us, &to_us))).unwrap_or(1);
            std::process::exit(code.into())
        }
    }
}

fn child(from_us: OwnedFd, to_us: &OwnedFd) -> u8 {
    // Ctrl-C is for the program, which ends its worker.
    let own = setpgid(Pid::from_raw(0), Pid::from_raw(0));
    if own.and_then(|()| dup2_stdin(&from_us)).and_then(|()| dup2_stdout(to_us)).is_err() {
        return 1;
    }
    worker::main(File::from(from_us))
}

/// Starts this program anew as a worker.
///
/// # Errors
/// Those of starting it.
pub fn start() -> io::Result<Worker> {
    // It has the passwords of servers from its stdin.
    let mut command = crate::process::command(std::env::current_exe()?);
    command.arg(WORKER).stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0);
    for (name, _) in std::env::vars_os() {
        // What this program was told by its environment, the worker is told by its stdin.
        if name.to_string_lossy().starts_with("LLMSQL_") {
            command.env_remove(name);
        }
    }
    let mut child = command.spawn()?;
    let (Some(requests), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(io::Error::other("no pipe"));
    };
    let pid = i32::try_from(child.id()).map_err(io::Error::other)?;
    Ok(Worker {
        process: Process::new(pid),
        requests: OwnedFd::from(requests).into(),
        answers: OwnedFd::from(answers).into(),
    })
}

impl Worker {
    /// Its process.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.process.pid
    }
}

impl Running {
    /// Begins to listen.
    ///
    /// # Errors
    /// No thread for it.
    pub fn new(worker: Worker) -> io::Result<Self> {
        let (give, answers) = mpsc::sync_channel(2);
        let mut from = worker.answers;
        let listen = move || {
            loop {
                let answer = receive::<Response>(&mut from);
                let last = !matches!(answer, Ok(Some(_)));
                if give.send(answer).is_err() || last {
                    break;
                }
            }
        };
        let running = Running { process: worker.process, requests: worker.requests, answers };
        std::thread::Builder::new().spawn(listen)?;
        Ok(running)
    }

    /// Ends it, without waiting until it is gone.
    pub fn kill(&self) {
        self.process.kill();
    }

    /// The memory that it holds for itself, in bytes.
    #[must_use]
    pub fn memory(&self) -> Option<u64> {
        crate::process::private_memory(self.process.pid.as_raw())
    }

    /// Waits until it is gone: the signal that ended it, if one did.
    pub fn wait(&mut self) -> Option<Signal> {
        self.process.wait()
    }
}

impl Process {
    fn new(pid: i32) -> Self {
        Process { pid: Pid::from_raw(pid), waited: false }
    }

    fn kill(&self) {
        // It may have ended by itself.
        let _ = kill(self.pid, Signal::SIGKILL);
    }

    fn wait(&mut self) -> Option<Signal> {
        self.waited = true;
        loop {
            match waitpid(self.pid, None) {
                Ok(WaitStatus::Signaled(_, signal, _)) => return Some(signal),
                Err(nix::Error::EINTR) => {}
                _ => return None,
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.waited {
            self.kill();
            self.wait();
        }
    }
}
