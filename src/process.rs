//! This process and those it starts: what they are not to give away.

use crate::error::{Error, Result};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::ffi::OsStr;
use std::process::{Command, Stdio};

/// libpq's variable for a server's password.
pub const PASSWORD: &str = "PGPASSWORD";

/// Variables in which passwords of servers come to this program.
const PASSWORDS: &[&str] = &["LLMSQL_DSN", PASSWORD];

/// A program to be run without input and without the passwords of our environment, which anybody who may look at the
/// child's environment would see there.
#[must_use]
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null());
    for name in PASSWORDS {
        command.env_remove(name);
    }
    command
}

/// Switches core dumps of this process off, and with them other processes' sight of its memory (`PR_SET_DUMPABLE`). Only
/// the soft limit is lowered, so that the services which a reload command starts can have theirs.
///
/// # Errors
/// Those of prctl and setrlimit.
pub fn no_core_dumps() -> Result<()> {
    let off = || -> nix::Result<()> {
        let (_, hard) = getrlimit(Resource::RLIMIT_CORE)?;
        setrlimit(Resource::RLIMIT_CORE, 0, hard)?;
        nix::sys::prctl::set_dumpable(false)
    };
    off().map_err(|e| Error::failed("process.core_dumps", "core dumps cannot be switched off").because(e))
}

/// How many threads this process has; nothing where /proc does not tell.
#[must_use]
pub fn threads() -> Option<usize> {
    std::fs::read_dir("/proc/self/task").ok().map(Iterator::count)
}

/// The memory that a process holds for itself, without files and shared libraries, in bytes; nothing where /proc does not
/// tell.
#[must_use]
pub fn private_memory(pid: i32) -> Option<u64> {
    let statm = procfs::process::Process::new(pid).ok()?.statm().ok()?;
    statm.resident.checked_sub(statm.shared)?.checked_mul(procfs::page_size())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_with_secrets_leaves_no_core() {
        no_core_dumps().unwrap();
        assert_eq!(getrlimit(Resource::RLIMIT_CORE).unwrap().0, 0);
        assert!(!nix::sys::prctl::get_dumpable().unwrap());
    }
}
