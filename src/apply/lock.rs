//! One run at a time changes a host.
//!
//! The lock belongs to the root that is written, not to the user: it is flock(2) on the folder that stands for `/`,
//! which every user can open and which a kill releases. Who holds it stands in the state folder, for the message of the
//! run that is turned away.

use crate::error::{Error, Exit, Result};
use crate::formats::redact::redact;
use crate::output::file;
use crate::root::{Root, shell_word};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// Name of the file that says who holds the lock.
const HOLDER: &str = "holder.json";

/// The lock on a host; released with the value, or when the process ends in whatever way.
#[derive(Debug)]
pub struct RunLock {
    _lock: Flock<File>,
    holder: PathBuf,
}

/// Who holds it.
#[derive(Debug, Serialize, Deserialize)]
struct Holder {
    pid: u32,
    command: String,
    since: String,
}

impl RunLock {
    /// Takes the lock. `state` is the host's state folder on this machine, which has to be there.
    ///
    /// # Errors
    /// Another run holds it (exit 11, naming it); the root cannot be opened.
    pub fn take(root: &Root, state: &Path) -> Result<RunLock> {
        let dir = root.dir();
        let wrong = |e: std::io::Error| Error::failed("apply.lock", "cannot be locked").at(dir.display()).because(e);
        let folder = File::open(dir).map_err(wrong)?;
        let holder = state.join(HOLDER);
        match Flock::lock(folder, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => {
                let own = Holder {
                    pid: std::process::id(),
                    command: command(),
                    since: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
                };
                let text = serde_json::to_string(&own).map_err(|e| wrong(e.into()))?;
                file::replace(&holder, text.as_bytes())?;
                Ok(RunLock { _lock: lock, holder })
            }
            Err((_, Errno::EWOULDBLOCK)) => Err(locked(root, &holder)),
            Err((_, e)) => Err(wrong(e.into())),
        }
    }
}

/// The error that names who holds the lock of a host; `None` where nobody does.
#[must_use]
pub fn held(root: &Root, state: &Path) -> Option<Error> {
    let folder = File::open(root.dir()).ok()?;
    match Flock::lock(folder, FlockArg::LockExclusiveNonblock) {
        Err((_, Errno::EWOULDBLOCK)) => Some(locked(root, &state.join(HOLDER))),
        _ => None,
    }
}

impl Drop for RunLock {
    fn drop(&mut self) {
        // What it says is only read while the lock is held.
        let _ = fs::remove_file(&self.holder);
    }
}

/// The command line of this run, passwords left out.
#[must_use]
pub fn command() -> String {
    std::iter::once("llmsql".to_owned()).chain(words()).collect::<Vec<_>>().join(" ")
}

/// The command line of this run for these components, to be told as advice: quoted for a shell, passwords left out. Of a
/// saved plan, which is executed whole, none are named.
#[must_use]
pub fn again(only: &[&str]) -> String {
    let mut kept = vec!["llmsql".to_owned()];
    let mut words = words();
    while let Some(word) = words.next() {
        if !only.is_empty() && word == "--only" {
            words.next();
        } else if only.is_empty() || !word.starts_with("--only=") {
            kept.push(shell_word(&word));
        }
    }
    kept.extend(only.iter().map(|component| format!("--only {component}")));
    kept.join(" ")
}

fn words() -> impl Iterator<Item = String> {
    std::env::args_os().skip(1).map(|word| {
        let (shown, _) = redact(word.to_string_lossy().as_bytes());
        String::from_utf8_lossy(&shown).into_owned()
    })
}

fn locked(root: &Root, holder: &Path) -> Error {
    let who = fs::read_to_string(holder).ok().and_then(|text| serde_json::from_str::<Holder>(&text).ok());
    let what = match who {
        Some(Holder { pid, command, since }) => format!("process {pid} is changing this host since {since}: {command}"),
        None => "another run is changing this host".to_owned(),
    };
    Error::new(Exit::Locked, "apply.locked", what).at(root.dir().display()).next("try again when it has ended")
}
