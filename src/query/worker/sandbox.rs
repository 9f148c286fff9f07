//! What the worker gives up before it opens data.

use crate::error::{Error, Exit, Result};
use crate::query::protocol::Limits;
use crate::units::MB;
use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, NetPort, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetStatus,
};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::path::{Path, PathBuf};

/// Address space beside DuckDB's limit: the program and its libraries, stacks and what the allocator holds back.
/// Measured: DuckDB at rest with 2 threads maps some 500 MB, each thread some 140 MB (stack and arena) more.
const PROGRAM: u64 = 1024 * MB;
const A_THREAD: u64 = 192 * MB;

/// Limits the process itself, whatever DuckDB's own accounting misses: address space, core files.
///
/// # Errors
/// A limit that the system refuses.
pub fn limit(limits: &Limits) -> Result<()> {
    let wrong = |e: nix::Error| Error::failed("query.sandbox", "the worker cannot be limited").because(e);
    let space = limits.memory.saturating_add(limits.memory / 2) + PROGRAM + A_THREAD * limits.threads;
    let (_, hard) = getrlimit(Resource::RLIMIT_AS).map_err(wrong)?;
    let space = space.min(hard);
    setrlimit(Resource::RLIMIT_AS, space, space).map_err(wrong)?;
    setrlimit(Resource::RLIMIT_CORE, 0, 0).map_err(wrong)?;
    let (_, files) = getrlimit(Resource::RLIMIT_NOFILE).map_err(wrong)?;
    setrlimit(Resource::RLIMIT_NOFILE, files, files).map_err(wrong)
}

/// What may be opened from now on.
#[derive(Debug, Default)]
pub struct Allowed {
    /// Files and folders to read.
    pub read: Vec<PathBuf>,
    /// Folders to write.
    pub write: Vec<PathBuf>,
    /// TCP ports to connect to.
    pub connect: Vec<u16>,
}

/// Whether the kernel keeps the worker in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// Files and TCP.
    Wholly,
    /// Files, in part.
    Partly,
    /// Not at all: the kernel has no Landlock.
    No,
}

/// Gives up opening files and TCP connections beside `allowed`, for this thread and those it starts.
///
/// # Errors
/// A path that is gone; a kernel that has Landlock and refuses it.
pub fn keep_in(allowed: &Allowed) -> Result<Kept> {
    let wrong = |e: &dyn std::fmt::Display| {
        Error::new(Exit::Failed, "query.sandbox", format!("the worker cannot be kept in by the kernel: {e}"))
    };
    let abi = ABI::V5;
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(abi))
        .and_then(|r| r.handle_access(AccessNet::from_all(abi)))
        .and_then(Ruleset::create)
        .map_err(|e| wrong(&e))?;
    let paths = allowed
        .read
        .iter()
        .map(|p| (p, AccessFs::from_read(abi)))
        .chain(allowed.write.iter().map(|p| (p, AccessFs::from_all(abi))));
    for (path, access) in paths {
        let fd = PathFd::new(path).map_err(|e| wrong(&e).at(path.display()))?;
        let access = if path.is_dir() { access } else { access & AccessFs::from_file(abi) };
        rules = rules.add_rule(PathBeneath::new(fd, access)).map_err(|e| wrong(&e))?;
    }
    for port in &allowed.connect {
        rules = rules.add_rule(NetPort::new(*port, AccessNet::ConnectTcp)).map_err(|e| wrong(&e))?;
    }
    let status = rules.restrict_self().map_err(|e| wrong(&e))?;
    Ok(match status.ruleset {
        RulesetStatus::FullyEnforced => Kept::Wholly,
        RulesetStatus::PartiallyEnforced => Kept::Partly,
        RulesetStatus::NotEnforced => Kept::No,
    })
}

/// A database file and what its engine keeps beside it, as far as it is there.
#[must_use]
pub fn with_journals(path: &Path) -> Vec<PathBuf> {
    let beside = ["-wal", "-shm", "-journal", ".wal"].map(|end| {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        PathBuf::from(name)
    });
    std::iter::once(path.to_owned()).chain(beside.into_iter().filter(|p| p.exists())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::ErrorKind;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn only_the_named_port_can_be_connected_to() {
        let listen = || TcpListener::bind("127.0.0.1:0").unwrap();
        let (named, other) = (listen(), listen());
        let tried = std::thread::spawn(move || {
            let (named, other) = (named.local_addr().unwrap(), other.local_addr().unwrap());
            let kept = keep_in(&Allowed { connect: vec![named.port()], ..Allowed::default() }).unwrap();
            (kept, TcpStream::connect(named).is_ok(), TcpStream::connect(other).map_err(|e| e.kind()).err())
        });
        let (kept, named, other) = tried.join().unwrap();
        assert!(named);
        if kept == Kept::Wholly {
            assert_eq!(other, Some(ErrorKind::PermissionDenied));
        } else {
            println!("this kernel has no rules for the network: not judged");
        }
    }
}
