//! PgBouncer: judged by a throwaway instance, reloaded by a signal, proved by `SHOW CONFIG`.

use super::process::{self, Running, wait_for};
use super::running::not_seen;
use super::{Differs, PATIENCE, Scratch, Side, Verdict, Waits, Wishes, as_user, refused, user_of};
use crate::apply::change::ChangeSet;
use crate::apply::write::Notes;
use crate::error::{Error, Result};
use crate::facts::Facts;
use crate::formats::ini::Document;
use crate::plan::TakesEffect;
use crate::postgres::connect::Blocking;
use crate::postgres::conninfo::{Environment, resolve};
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
    target: String,
    running: Option<Running>,
    program: Option<PathBuf>,
    user: Option<(u32, u32)>,
}

impl Server {
    /// The pooler that runs with this file, if one does.
    pub fn find(root: &Root, facts: &Facts, target: &str) -> Server {
        let file = root.resolve(target).map(|p| p.canonicalize().unwrap_or(p)).unwrap_or_default();
        let with = |r: &Running| r.arguments.iter().skip(1).any(|word| !word.starts_with('-') && r.path(word) == file);
        let running = Running::named("pgbouncer").into_iter().find(with);
        let installed = facts.software.pgbouncer.as_ref().and_then(|p| p.path.as_ref()).map(PathBuf::from);
        Server {
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

    /// Reload and proof; where it takes a restart that is said, since clients would lose their connections.
    pub fn settle(&self, set: &ChangeSet, side: Side, _: &Wishes) -> Result<Notes> {
        if !set.files.iter().any(|f| f.target == self.target) {
            return Ok(Notes::new());
        }
        let Some(running) = &self.running else {
            return Ok(vec![format!("{} does not run: what the file says is not verified", self.name())]);
        };
        let length = running.log_length();
        kill(Pid::from_raw(running.pid), Signal::SIGHUP).map_err(|e| {
            Error::failed("apply.reload", format!("process {} cannot be told to reload", running.pid))
                .at(self.name())
                .because(e)
        })?;
        let failed =
            |what: &str| Error::failed("apply.server", format!("{what}{}", running.last_words(length))).at(self.name());
        let session = match self.connect(running, set) {
            Ok(session) => session,
            Err(_) if !running.is_alive() => return Err(failed("it ended")),
            Err(e) => {
                return Ok(vec![format!(
                    "{} was reloaded; what it says now is not verified, since its console lets nobody in: {e}",
                    self.name()
                )]);
            }
        };
        if side == Side::Old {
            return Ok(Notes::new());
        }
        let mut wrong = Vec::new();
        let proved = wait_for(PATIENCE / 6, || {
            wrong = wrong_values(&session, set).unwrap_or_else(|e| vec![e.to_string()]);
            wrong.is_empty().then_some(())
        });
        if proved.is_none() {
            return Err(failed(&format!("it says other values than the file: {}", wrong.join("; "))));
        }
        let waiting: Vec<&str> = set
            .settings
            .iter()
            .filter(|s| s.component == "pgbouncer" && s.takes_effect == TakesEffect::Restart)
            .filter_map(|s| s.key.strip_prefix("pgbouncer."))
            .collect();
        if waiting.is_empty() {
            return Ok(Notes::new());
        }
        Ok(vec![format!(
            "{} counts after a restart of PgBouncer, which ends its clients' connections: systemctl restart pgbouncer",
            waiting.join(", ")
        )])
    }

    /// Which running values are not those that the file says.
    ///
    /// # Errors
    /// It does not run, or its console lets nobody in.
    pub fn differing(&self, wanted: &[(String, String)], file: &[u8]) -> Result<Vec<Differs>> {
        let Some(running) = &self.running else {
            return Err(Error::failed("connect.failed", not_seen("it")));
        };
        differing(&console(running, file)?, wanted)
    }

    /// Its console, over its own socket as the user it runs as, who needs no password there.
    fn connect(&self, running: &Running, set: &ChangeSet) -> Result<Blocking> {
        let file = set.files.iter().find(|f| f.target == self.target);
        // Where it listens only changes with a restart: the old file says.
        let version = file.and_then(|f| f.old.as_ref().or(f.new.as_ref()));
        console(running, version.map(|v| v.content.as_slice()).unwrap_or_default())
    }
}

/// The console of a pooler that runs with this file.
pub fn console(running: &Running, file: &[u8]) -> Result<Blocking> {
    let doc = Document::parse(file);
    let of = |key: &str| doc.get("pgbouncer", key).map(str::to_owned);
    let port = of("listen_port").unwrap_or_else(|| "6432".to_owned());
    let dir = of("unix_socket_dir").unwrap_or_else(|| "/tmp".to_owned());
    let known: Vec<String> = ["admin_users", "stats_users"]
        .iter()
        .filter_map(|key| Some(of(key)?.split(',').next()?.trim().to_owned()))
        .filter(|name| !name.is_empty())
        .collect();
    let mut first = None;
    let hosts = [dir, "/var/run/postgresql".to_owned(), "127.0.0.1".to_owned()];
    for host in &hosts {
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

/// Which running values are not those of a change, in words; those that take a restart are left out.
pub fn wrong_values(session: &Blocking, set: &ChangeSet) -> Result<Vec<String>> {
    let ours = set.settings.iter().filter(|s| s.component == "pgbouncer" && s.takes_effect != TakesEffect::Restart);
    let wanted: Vec<(String, String)> =
        ours.filter_map(|s| Some((s.key.strip_prefix("pgbouncer.")?.to_owned(), s.new.clone()?))).collect();
    let wrong = differing(session, &wanted)?;
    Ok(wrong.into_iter().map(|d| format!("{} is {}, not {}", d.name(), d.running, d.applied)).collect())
}

/// Which values of `SHOW CONFIG` are not those that a file says.
fn differing(session: &Blocking, wanted: &[(String, String)]) -> Result<Vec<Differs>> {
    // key, value, default, changeable
    let rows = session.run(async |s| s.batch_rows("SHOW CONFIG").await)?;
    let now: BTreeMap<String, (String, bool)> = rows
        .into_iter()
        .filter_map(|row| {
            let changeable = row.last().is_some_and(|last| last.as_deref() == Some("yes"));
            let mut fields = row.into_iter();
            Some((fields.next()??, (fields.next()?.unwrap_or_default(), changeable)))
        })
        .collect();
    let differs = |(name, applied): &(String, String)| {
        let (running, changeable) = now.get(name)?;
        let number = |text: &str| text.parse::<f64>().ok();
        let same = running == applied || (number(running).is_some() && number(running) == number(applied));
        (!same).then(|| Differs {
            component: "pgbouncer".to_owned(),
            key: format!("pgbouncer.{name}"),
            applied: applied.clone(),
            running: running.clone(),
            set_by: None,
            waits: (!changeable).then_some(Waits::Restart),
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
