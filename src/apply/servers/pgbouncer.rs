//! PgBouncer: judged by a throwaway instance, reloaded by a signal, proved by `SHOW CONFIG`.

use super::process::{self, Running, wait_for};
use super::running::not_seen;
use super::{Differs, PATIENCE, Scratch, Side, Verdict, Waits, Wishes, as_user, refused, unseen, user_of};
use crate::apply::change::{ChangeSet, SettingChange};
use crate::apply::compare;
use crate::apply::write::Notes;
use crate::error::{Error, Result};
use crate::facts::Facts;
use crate::formats::ini::Document;
use crate::plan::{Component, TakesEffect, specs};
use crate::postgres::connect::Blocking;
use crate::postgres::conninfo::{Environment, resolve};
use crate::render::files::Syntax;
use crate::root::Root;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The port in the name of the throwaway instance's socket; it listens on no other.
const PORT: u16 = 6999;

/// A pooler.
pub struct Server {
    root: Root,
    target: String,
    running: Option<Running>,
    program: Option<PathBuf>,
    user: Option<(u32, u32)>,
}

impl Server {
    /// The pooler that runs with this file, if one does.
    pub fn find(root: &Root, facts: &Facts, target: &str) -> Server {
        let running = look(root, target);
        let installed = facts.software.pgbouncer.as_ref().and_then(|p| p.path.as_ref()).map(PathBuf::from);
        Server {
            root: root.clone(),
            target: target.to_owned(),
            program: running.as_ref().and_then(|r| r.program.clone()).or(installed.filter(|_| root.is_live())),
            user: running
                .as_ref()
                .map(|r| (r.uid, r.gid))
                .or_else(|| user_of(root, &["pgbouncer", "_pgbouncer", "postgres"])),
            running,
        }
    }

    /// The process, if one runs with this file.
    pub fn running(&self) -> Option<&Running> {
        self.running.as_ref()
    }

    /// What messages call it.
    pub fn name(&self) -> String {
        format!("PgBouncer ({})", self.target)
    }

    /// Starts one with the file as it would stand, on a socket of its own, with no password in it.
    pub fn validate(&self, set: &ChangeSet) -> Result<Option<Verdict>> {
        let Some(file) = set.files.iter().find(|f| f.target == self.target) else { return Ok(None) };
        let Some(version) = &file.new else { return Ok(None) };
        let Some(program) = &self.program else {
            return Ok(Some(Verdict::skipped(&self.name(), "no PgBouncer that can be run was found here")));
        };
        if self.user.is_none() && nix::unistd::geteuid().is_root() {
            return Ok(Some(Verdict::skipped(
                &self.name(),
                "PgBouncer does not run as root, and no user of its own was found",
            )));
        }
        let scratch = Scratch::new(self.user)?;
        let mut doc = Document::parse(&version.content);
        let dir = scratch.path().display().to_string();
        for (key, value) in [
            ("listen_addr", ""),
            ("listen_port", &PORT.to_string()),
            ("unix_socket_dir", &dir),
            ("logfile", ""),
            ("pidfile", ""),
            ("syslog", "0"),
            ("user", ""),
        ] {
            doc.set("pgbouncer", key, value, &[])
                .map_err(|p| refused("its parser", Some(self.target.clone()), &p.message))?;
        }
        let ini = scratch.path().join("pgbouncer.ini");
        scratch.write(&ini, &doc.to_bytes())?;
        let mut command = match &self.running {
            Some(running) => running.command(program),
            None => process::command(program, self.user),
        };
        command.arg(&ini).current_dir(self.running.as_ref().map_or(scratch.path(), |r| &r.cwd));
        let words = throwaway(&mut command, &scratch, program)?;
        match words {
            None => {
                Ok(Some(Verdict::passed(&self.name(), format!("a throwaway {} started with it", program.display()))))
            }
            Some(words) if words.split("; ").all(super::is_denied) => {
                Ok(Some(Verdict::skipped(&self.name(), format!("this user may not open what it needs: {words}"))))
            }
            Some(words) => {
                let words = words.replace(&ini.display().to_string(), &self.target);
                let place = words.split_once(&format!("{}:", self.target)).map(|(_, rest)| {
                    let line: String = rest.chars().take_while(char::is_ascii_digit).collect();
                    format!("{}:{line}", self.target)
                });
                Err(refused("PgBouncer", place.or_else(|| Some(self.target.clone())), &words))
            }
        }
    }

    /// Reload, a restart where that is wished and needed, and proof. One that has ended with the new file is started again
    /// on the way back.
    pub fn settle(&self, set: &ChangeSet, side: Side, wishes: &Wishes) -> Result<Notes> {
        if !set.files.iter().any(|f| f.target == self.target) {
            return Ok(Notes::new());
        }
        let Some(before) = &self.running else {
            return Ok(vec![unseen(&self.name(), "pgbouncer", "pkill -HUP -x pgbouncer")]);
        };
        let length = before.log_length();
        let failed =
            |what: &str| Error::failed("apply.server", format!("{what}{}", before.last_words(length))).at(self.name());
        let running = match (look(&self.root, &self.target), side) {
            (Some(running), _) => running,
            (None, Side::New) => return Err(failed("it ended")),
            (None, Side::Old) => return self.restart(before, set, side).map(|_| Notes::new()).map_err(|e| failed(&e)),
        };
        kill(Pid::from_raw(running.pid), Signal::SIGHUP).map_err(|e| {
            Error::failed("apply.reload", format!("process {} cannot be told to reload", running.pid))
                .at(self.name())
                .because(e)
        })?;
        let session = match self.connect(&running, set, side) {
            Ok(session) => session,
            Err(_) if !running.is_alive() => return Err(failed("it ended")),
            Err(e) => {
                return Ok(vec![format!(
                    "{} was reloaded; what it says now is not verified, since its console lets nobody in: {e}",
                    self.name()
                )]);
            }
        };
        let wanted = wanted(set, side);
        let (mut wrong, mut waiting) = (Vec::new(), Vec::new());
        let proved = wait_for(PATIENCE / 6, || {
            let differs = differing(&session, &wanted).map_err(|e| wrong = vec![e.to_string()]).ok()?;
            let (later, now): (Vec<_>, Vec<_>) = differs.into_iter().partition(|d| d.waits == Some(Waits::Restart));
            waiting = later.iter().map(|d| d.name().to_owned()).collect();
            wrong = now.iter().map(Differs::shown).collect();
            wrong.is_empty().then_some(())
        });
        if proved.is_none() && side == Side::New {
            return Err(failed(&format!("it says other values than the file: {}", wrong.join("; "))));
        }
        if waiting.is_empty() {
            return Ok(Notes::new());
        }
        if wishes.restart {
            drop(session);
            return self.restarted(&running, set, side, &waiting).map_err(|e| failed(&e));
        }
        if side == Side::Old {
            return Ok(Notes::new());
        }
        Ok(vec![format!(
            "{} counts after a restart of PgBouncer, which ends its clients' connections: have it done and proved with \
             --restart",
            waiting.join(", ")
        )])
    }

    /// Restarts it where an earlier change waits for that; no file is changed. `set` is what stands.
    ///
    /// # Errors
    /// It cannot be asked, or does not come back with what its file says.
    pub fn restart_pending(&self, set: &ChangeSet) -> Result<Notes> {
        let Some(running) = &self.running else {
            return Ok(vec![format!("{} {}", self.name(), not_seen("it"))]);
        };
        let file = set.files.iter().find(|f| f.target == self.target).and_then(|f| f.new.as_ref());
        let says = file.map(|v| compare::settings(Syntax::Ini, &v.content)).unwrap_or_default();
        let ours = |name: &str| {
            let spec = specs::find(&format!("{}.{name}", Component::PgBouncer.name()));
            spec.is_some_and(|spec| spec.takes_effect == TakesEffect::Restart)
        };
        let wanted: Wanted =
            says.into_iter().filter(|(name, _)| ours(name)).map(|(name, value)| (name, Some(value))).collect();
        let waiting: Vec<String> = {
            let session = self.connect(running, set, Side::New)?;
            differing(&session, &wanted)?.iter().map(|d| d.name().to_owned()).collect()
        };
        if waiting.is_empty() {
            return Ok(Notes::new());
        }
        let length = running.log_length();
        self.restarted(running, set, Side::New, &waiting)
            .map_err(|e| Error::failed("apply.server", format!("{e}{}", running.last_words(length))).at(self.name()))
    }

    /// Restarts it and proves that it came back with what its file says.
    fn restarted(&self, running: &Running, set: &ChangeSet, side: Side, waiting: &[String]) -> Result<Notes, String> {
        let now = self.restart(running, set, side)?;
        let wanted = wanted(set, side);
        let differs = {
            let session = self.connect(&now, set, side).map_err(|e| format!("its console lets nobody in: {e}"))?;
            differing(&session, &wanted).map_err(|e| e.to_string())?
        };
        if side == Side::New && !differs.is_empty() {
            let wrong: Vec<String> = differs.iter().map(Differs::shown).collect();
            return Err(format!("restarted, it says other values than the file: {}", wrong.join("; ")));
        }
        Ok(vec![format!("{} was restarted for {}", self.name(), waiting.join(", "))])
    }

    /// Transactions are ended before it ends. It is back when it listens where its file says.
    fn restart(&self, running: &Running, set: &ChangeSet, side: Side) -> Result<Running, String> {
        let doc = Document::parse(self.content(set, side));
        let back = || look(&self.root, &self.target).filter(|r| r.pid != running.pid && !r.listens().is_empty());
        let arguments = running.arguments.get(1..).unwrap_or_default();
        // One that is to change its user was started as root.
        let changes_user = doc.get("pgbouncer", "user").is_some_and(|user| !user.is_empty())
            || arguments.iter().any(|a| a.starts_with("-u") || a.starts_with("--user"));
        let as_root = changes_user && nix::unistd::geteuid().is_root();
        let now = running.restart(&[Signal::SIGINT, Signal::SIGTERM], arguments, as_root, back)?;
        // Where another program has the port it goes on with its socket alone.
        let port = port(&doc);
        let has = || now.listens().iter().any(|(host, own)| !host.starts_with('/') && *own == port).then_some(());
        if doc.get("pgbouncer", "listen_addr").is_some_and(|addresses| !addresses.is_empty())
            && wait_for(Duration::from_secs(2), has).is_none()
        {
            return Err(format!("it does not listen on port {port}"));
        }
        Ok(now)
    }

    fn content<'a>(&self, set: &'a ChangeSet, side: Side) -> &'a [u8] {
        let file = set.files.iter().find(|f| f.target == self.target);
        file.and_then(|f| f.version(side)).map(|v| v.content.as_slice()).unwrap_or_default()
    }

    /// Which running values are not those that the file says.
    ///
    /// # Errors
    /// It does not run, or its console lets nobody in.
    pub fn differing(&self, wanted: &[(String, String)], file: &[u8]) -> Result<Vec<Differs>> {
        let Some(running) = &self.running else {
            return Err(Error::failed("connect.failed", not_seen("it")));
        };
        let wanted: Wanted = wanted.iter().map(|(name, value)| (name.clone(), Some(value.clone()))).collect();
        differing(&console(running, file)?, &wanted)
    }

    /// Its console, over its own socket as the user it runs as, who needs no password there.
    fn connect(&self, running: &Running, set: &ChangeSet, side: Side) -> Result<Blocking> {
        console(running, self.content(set, side))
    }
}

/// The pooler that runs with a file.
fn look(root: &Root, target: &str) -> Option<Running> {
    let file = root.resolve(target).map(|p| p.canonicalize().unwrap_or(p)).unwrap_or_default();
    let with = |r: &Running| r.arguments.iter().skip(1).any(|word| !word.starts_with('-') && r.path(word) == file);
    Running::named("pgbouncer").into_iter().find(|r| with(r) && r.is_alive())
}

/// The port that a file has it listen on.
fn port(doc: &Document) -> u16 {
    doc.get("pgbouncer", "listen_port").and_then(|port| port.parse().ok()).unwrap_or(6432)
}

/// Settings by name; `None` for the default.
type Wanted = Vec<(String, Option<String>)>;

/// What one side of a change has the pooler say.
fn wanted(set: &ChangeSet, side: Side) -> Wanted {
    let ours = set.settings.iter().filter(|s| s.component == "pgbouncer");
    let value = |s: &SettingChange| if side == Side::New { s.new.clone() } else { s.old.clone() };
    ours.filter_map(|s| Some((s.key.strip_prefix("pgbouncer.")?.to_owned(), value(s)))).collect()
}

/// The console of a pooler that runs with this file: where it listens now, else where the file says.
pub fn console(running: &Running, file: &[u8]) -> Result<Blocking> {
    let doc = Document::parse(file);
    let of = |key: &str| doc.get("pgbouncer", key).map(str::to_owned);
    let port = port(&doc);
    let dir = of("unix_socket_dir").unwrap_or_else(|| "/tmp".to_owned());
    let known: Vec<String> = ["admin_users", "stats_users"]
        .iter()
        .filter_map(|key| Some(of(key)?.split(',').next()?.trim().to_owned()))
        .filter(|name| !name.is_empty())
        .collect();
    let mut first = None;
    let mut places = running.listens();
    let told = [dir, "/var/run/postgresql".to_owned(), "127.0.0.1".to_owned()].map(|host| (host, port));
    places.extend(told.into_iter().filter(|_| places.is_empty()).collect::<Vec<_>>());
    for (host, port) in &places {
        for user in std::iter::once(&"pgbouncer".to_owned()).chain(&known) {
            let dsn = format!("host={host} port={port} user={user} dbname=pgbouncer connect_timeout=5 sslmode=disable");
            let info = resolve(Some(&dsn), &Environment::process())?;
            match as_user(running, || Blocking::open(&info)) {
                Ok(session) => return Ok(session),
                Err(e) => first = first.or(Some(e)),
            }
        }
    }
    Err(first.unwrap_or_else(|| Error::failed("connect.failed", "no way to connect is known")))
}

/// Which values of `SHOW CONFIG` are not those that are wanted.
fn differing(session: &Blocking, wanted: &[(String, Option<String>)]) -> Result<Vec<Differs>> {
    // key, value, default (from 1.16 on), changeable
    let rows = session.run(async |s| s.batch_rows("SHOW CONFIG").await)?;
    let now: BTreeMap<String, Vec<String>> = rows
        .into_iter()
        .filter_map(|row| {
            let mut fields = row.into_iter().map(Option::unwrap_or_default);
            Some((fields.next()?, fields.collect()))
        })
        .collect();
    let differs = |(name, applied): &(String, Option<String>)| {
        let (running, default, changeable) = match now.get(name)?.as_slice() {
            [running, default, changeable] => (running, Some(default), changeable),
            [running, changeable] => (running, None, changeable),
            _ => return None,
        };
        // Not every value goes back to its default when its line is gone.
        let applied = applied.as_ref().or(default.filter(|_| changeable != "yes"))?;
        let number = |text: &str| text.parse::<f64>().ok();
        let same = running == applied || (number(running).is_some() && number(running) == number(applied));
        (!same).then(|| Differs {
            component: "pgbouncer".to_owned(),
            key: format!("pgbouncer.{name}"),
            applied: applied.clone(),
            running: running.clone(),
            set_by: None,
            waits: (changeable != "yes").then_some(Waits::Restart),
            next: None,
        })
    };
    Ok(wanted.iter().filter_map(differs).collect())
}

/// Starts a pooler and ends it as soon as it listens; its complaint where it ends by itself.
fn throwaway(command: &mut std::process::Command, scratch: &Scratch, program: &Path) -> Result<Option<String>> {
    let failed = |e: std::io::Error| Error::failed("apply.validate", "cannot be run").at(program.display()).because(e);
    let log = scratch.path().join("log");
    command.stdout(std::process::Stdio::null()).stderr(std::fs::File::create(&log).map_err(failed)?);
    let mut child = command.spawn().map_err(failed)?;
    let socket = scratch.path().join(format!(".s.PGSQL.{PORT}"));
    let up = wait_for(Duration::from_secs(15), || match child.try_wait() {
        Ok(Some(_)) | Err(_) => Some(false),
        Ok(None) => socket.exists().then_some(true),
    });
    // It may have ended by itself.
    let _ = child.kill();
    child.wait().map_err(failed)?;
    let text = std::fs::read_to_string(&log).unwrap_or_default();
    let words = |marks: &[&str]| {
        let lines = text.lines().filter(|l| marks.iter().any(|m| l.contains(m)));
        lines.filter_map(|l| l.split_once("] ").map(|(_, words)| words.to_owned())).collect::<Vec<_>>().join("; ")
    };
    Ok(match up {
        // A line that is wrong is passed over with no more than a word in the log.
        Some(true) => Some(words(&["ERROR", "WARNING unrecognized"])).filter(|w| !w.is_empty()),
        Some(false) => Some(words(&["ERROR", "FATAL"])),
        None => Some("it does not begin to listen".to_owned()),
    })
}
