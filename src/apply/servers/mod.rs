//! The servers whose files are changed: their verdict before, reload and proof after.
//!
//! A server belongs to a root by the files it was started with, so that one that runs from a tree is found as well, and
//! its own program is the one that judges. Programs of a tree from which nothing runs are not run.

mod nginx;
mod pgbouncer;
mod postgresql;
pub mod process;
pub mod running;

use super::change::{ChangeSet, FileChange, Side};
use super::container::Container;
use super::write::Notes;
use crate::error::{Error, Exit, Result};
use crate::facts::Facts;
use crate::formats::{Problem, ini, limits, nginx as nginx_format, postgresql_conf, sysctl};
use crate::postgres::conninfo::Conninfo;
use crate::root::Root;
use process::Running;
use serde::Serialize;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

/// How long a server may take to judge a file, or to take new values.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a validator said.
#[derive(Debug, Clone, Serialize)]
pub struct Verdict {
    /// The server or the file that was judged.
    pub what: String,
    /// Whether it was judged; a refusal is an error.
    pub validated: bool,
    /// By what, or why not.
    pub how: String,
}

impl Verdict {
    fn passed(what: &str, how: impl Into<String>) -> Self {
        Verdict { what: what.to_owned(), validated: true, how: how.into() }
    }

    fn skipped(what: &str, why: impl Into<String>) -> Self {
        Verdict { what: what.to_owned(), validated: false, how: why.into() }
    }
}

/// What a value waits for that was applied and is not in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Waits {
    /// A restart of its server.
    Restart,
    /// A reboot.
    Reboot,
    /// Root of the host: here, as in most containers, nobody may write it.
    Host,
}

/// A running value that is not the one that was applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Differs {
    /// The component.
    pub component: String,
    /// `postgresql.work_mem`, `kernel.vm.swappiness`.
    pub key: String,
    /// The value that was applied.
    pub applied: String,
    /// The value that is in force.
    pub running: String,
    /// What sets it instead, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub set_by: Option<String>,
    /// What it only waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waits: Option<Waits>,
    /// The command that brings it back, where another apply does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl Differs {
    /// It in words.
    fn shown(&self) -> String {
        format!("{} is {}, not {}", self.name(), self.running, self.applied)
    }

    /// The key without its component.
    #[must_use]
    pub fn name(&self) -> &str {
        self.key.split_once('.').map_or(self.key.as_str(), |(_, name)| name)
    }
}

/// What is asked for beyond a reload.
#[derive(Debug, Clone, Default)]
pub struct Wishes {
    /// Restart the servers that need it.
    pub restart: bool,
    /// How to reach PostgreSQL, where the operator said so.
    pub conninfo: Option<Conninfo>,
}

/// The servers of a root that a change concerns.
pub struct Servers<'a> {
    root: &'a Root,
    facts: &'a Facts,
    wishes: Wishes,
    postgresql: Option<postgresql::Server>,
    pgbouncer: Option<pgbouncer::Server>,
    nginx: Option<nginx::Server>,
}

impl<'a> Servers<'a> {
    /// Finds them.
    ///
    /// # Errors
    /// The container of the change cannot be looked at.
    pub fn find(root: &'a Root, facts: &'a Facts, set: &ChangeSet, wishes: Wishes) -> Result<Self> {
        let file = |component: &str| set.files.iter().find(|f| f.component == component);
        let (container, contained) = Self::contained(root, facts, set.container.as_deref())?;
        let facts_of_server = contained.as_ref().unwrap_or(facts);
        let postgresql = file("postgresql");
        Ok(Servers {
            postgresql: postgresql
                .and_then(|f| postgresql::Server::find(root, facts_of_server, &f.target, container.as_ref())),
            pgbouncer: file("pgbouncer").map(|f| pgbouncer::Server::find(root, facts, &f.target)),
            nginx: file("nginx").map(|_| nginx::Server::find(root, facts)),
            root,
            facts,
            wishes,
        })
    }

    /// The container of a change, and the facts with its cluster.
    fn contained(root: &Root, facts: &Facts, name: Option<&str>) -> Result<(Option<Container>, Option<Facts>)> {
        let Some(name) = name else { return Ok((None, None)) };
        let container = Container::inspect(name)?;
        let mut facts = facts.clone();
        container.put_into(root, &mut facts)?;
        Ok((Some(container), Some(facts)))
    }

    /// Restarts the servers whose values wait for that, though no file is changed. `set` is what stands.
    ///
    /// # Errors
    /// One cannot be asked, or does not come back.
    pub fn restart_pending(&self, set: &ChangeSet) -> Result<Notes> {
        let mut notes = self.postgresql.as_ref().map_or(Ok(Notes::new()), |s| s.restart_pending(&self.wishes))?;
        if let Some(server) = &self.pgbouncer {
            notes.extend(server.restart_pending(set)?);
        }
        Ok(notes)
    }

    /// Has every new file judged, by its server where one can be run, and by its own parser.
    ///
    /// # Errors
    /// A file that is refused (13), with file, line and the server's own words. Nothing was changed then.
    pub fn validate(&self, set: &ChangeSet) -> Result<Vec<Verdict>> {
        let mut verdicts = Vec::new();
        for file in set.files.iter().filter(|f| f.new.is_some()) {
            parse(file)?;
            if file.target.contains("/sysctl.d/") {
                verdicts.push(sysctl_keys(self.root, file)?);
            }
        }
        if let Some(server) = &self.postgresql {
            verdicts.push(server.validate(self.root, set)?);
        }
        if let Some(server) = &self.pgbouncer {
            verdicts.extend(server.validate(set)?);
        }
        if let Some(server) = &self.nginx {
            verdicts.push(server.validate(self.root, set)?);
        }
        Ok(verdicts)
    }

    /// Has the servers take the files that stand, and proves that they did. On the way back only the reload is done.
    ///
    /// # Errors
    /// A server that refuses, ends, or says other values than the files; with the last lines of its log.
    pub fn settle(&self, set: &ChangeSet, side: Side) -> Result<Notes> {
        let mut notes = Notes::new();
        self.systemd(set, &mut notes)?;
        if let Some(server) = &self.postgresql {
            notes.extend(server.settle(set, side, &self.wishes)?);
        }
        if let Some(server) = &self.pgbouncer {
            notes.extend(server.settle(set, side, &self.wishes)?);
        }
        if let Some(server) = &self.nginx {
            notes.extend(server.settle(side, &self.wishes)?);
        }
        Ok(notes)
    }

    /// systemd and udev read their files again where they run.
    fn systemd(&self, set: &ChangeSet, notes: &mut Notes) -> Result<()> {
        let touches = |part: &str| set.files.iter().any(|f| f.target.contains(part));
        if !self.root.is_live() || self.facts.container.systemd != Some(true) {
            return Ok(());
        }
        let commands: &[(&str, &str, &[&str])] = &[
            ("/systemd/system/", "systemctl", &["daemon-reload"]),
            ("/udev/rules.d/", "udevadm", &["control", "--reload"]),
        ];
        for (part, program, arguments) in commands.iter().filter(|(part, _, _)| touches(part)) {
            let scratch = Scratch::new(None)?;
            let ran =
                process::output(process::command(Path::new(program), None).args(*arguments), scratch.path(), PATIENCE);
            if !ran.is_ok_and(|o| o.status.success()) {
                notes.push(format!(
                    "files of {part} were changed, and {program} {} failed: run it as root",
                    arguments.join(" ")
                ));
            }
        }
        Ok(())
    }
}

/// A folder of its own for one validation, which only its server may look into; gone with the value.
struct Scratch {
    dir: TempDir,
    user: Option<(u32, u32)>,
}

impl Scratch {
    fn new(user: Option<(u32, u32)>) -> Result<Scratch> {
        let failed = |e| Error::failed("apply.scratch", "no scratch folder can be made").because(e);
        let dir = tempfile::Builder::new().prefix("llmsql-").tempdir().map_err(failed)?;
        let scratch = Scratch { dir, user: user.filter(|_| nix::unistd::geteuid().is_root()) };
        std::fs::set_permissions(scratch.path(), std::fs::Permissions::from_mode(0o700)).map_err(failed)?;
        scratch.give(scratch.path())?;
        Ok(scratch)
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn give(&self, path: &Path) -> Result<()> {
        let Some((uid, gid)) = self.user else { return Ok(()) };
        chown(path, Some(uid), Some(gid)).map_err(|e| self.failed(path, e))
    }

    fn folder(&self, path: &Path) -> Result<()> {
        std::fs::create_dir_all(path).map_err(|e| self.failed(path, e))?;
        self.give(path)
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        std::fs::write(path, bytes).map_err(|e| self.failed(path, e))?;
        self.give(path)
    }

    fn failed(&self, path: &Path, e: std::io::Error) -> Error {
        Error::failed("apply.scratch", "the scratch folder cannot be filled").at(path.display()).because(e)
    }
}

/// Whether a server's complaint is that the user who has it judge may not open what the server may: no verdict on a file.
fn is_denied(words: &str) -> bool {
    !nix::unistd::geteuid().is_root() && words.contains("Permission denied")
}

/// That a server does not run, or that this user may not tell it to reload.
fn unseen(name: &str, process: &str, reload: &str) -> String {
    if Running::is_hidden(process) {
        return format!(
            "a {process} of another user runs, which this user may not tell to reload; if it reads these files, as root: \
             {reload}"
        );
    }
    format!("{name} does not run: what its files say is not verified")
}

/// A refusal in a server's own words.
fn refused(server: &str, place: Option<String>, words: &str) -> Error {
    let error = Error::new(Exit::Precondition, "apply.refused", format!("{server} refuses it: {words}"))
        .next("nothing was changed; configure another value, or mend the file that it names");
    match place {
        Some(place) => error.at(place),
        None => error,
    }
}

/// Has a file read by its own parser.
fn parse(file: &FileChange) -> Result<()> {
    let Some(version) = &file.new else { return Ok(()) };
    let bytes = version.content.as_slice();
    let name = Path::new(&file.target).file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let problem: Option<Problem> = match file.component.as_str() {
        "postgresql" if name.ends_with(".conf") && name != "pg_hba.conf" => {
            postgresql_conf::Document::parse(bytes).problems().next()
        }
        "pgbouncer" if name.ends_with(".ini") => ini::Document::parse(bytes).problems().next(),
        "nginx" if name.ends_with(".conf") => nginx_format::Document::parse(bytes).problem().cloned(),
        _ if file.target.contains("/sysctl.d/") => sysctl::Document::parse(bytes).problems().next(),
        _ if file.target.contains("/limits.d/") => limits::Document::parse(bytes).problems().next(),
        _ => None,
    };
    match problem {
        None => Ok(()),
        Some(p) => Err(refused("its parser", Some(format!("{}:{}", file.target, p.line)), &p.message)),
    }
}

/// Whether the kernel has every key of a sysctl file.
fn sysctl_keys(root: &Root, file: &FileChange) -> Result<Verdict> {
    if root.list("/proc/sys").unwrap_or_default().is_empty() {
        return Ok(Verdict::skipped(&file.target, "there is no /proc/sys to look the keys up in"));
    }
    let Some(version) = &file.new else { return Ok(Verdict::passed(&file.target, "removed")) };
    let doc = sysctl::Document::parse(&version.content);
    for entry in doc.entries().filter(|e| !e.ignore_failure) {
        let path = format!("/proc/sys/{}", entry.key.replace('.', "\0").replace('/', ".").replace('\0', "/"));
        // In a tree only the keys that were copied are known.
        if root.is_live() && !root.exists(&path) {
            let words = format!("this kernel has no {}", entry.key);
            return Err(refused("/proc/sys", Some(format!("{}:{}", file.target, entry.line)), &words));
        }
    }
    Ok(Verdict::passed(&file.target, "keys looked up in /proc/sys"))
}

/// The user of a server that does not run: the first of these that the host has.
fn user_of(root: &Root, names: &[&str]) -> Option<(u32, u32)> {
    let passwd = root.read("/etc/passwd").ok()?;
    names.iter().find_map(|name| {
        let line = passwd.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    })
}

/// Runs something with the effective user of a server, so that its socket's peer check lets us in; at once where we are
/// not root.
fn as_user<T>(running: &Running, work: impl FnOnce() -> T) -> T {
    let own = nix::unistd::geteuid();
    let other = nix::unistd::Uid::from_raw(running.uid);
    if !own.is_root() || other == own || nix::unistd::seteuid(other).is_err() {
        return work();
    }
    let result = work();
    // Root can always come back; if not, whatever follows fails for want of rights rather than going on as another.
    let _ = nix::unistd::seteuid(own);
    result
}
