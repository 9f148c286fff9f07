//! PostgreSQL: judged on a stopped scratch folder, reloaded by `pg_reload_conf`, proved by `pg_settings`.

mod judge;
mod restart;
mod values;

use super::process::{self, Running, wait_for};
use super::{Differs, PATIENCE, Side, Wishes, as_user, refused, unseen, user_of};
use crate::apply::change::ChangeSet;
use crate::apply::container::Container;
use crate::apply::write::Notes;
use crate::error::{Error, Result};
use crate::facts::Facts;
use crate::postgres::connect::Blocking;
use crate::postgres::conninfo::{Conninfo, Environment, resolve};
use crate::root::Root;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use values::pending;

/// A cluster.
#[derive(Clone)]
pub struct Server {
    root: Root,
    major: u32,
    /// Its main file, as a path on the host.
    pub main: String,
    data_dir: Option<String>,
    /// The data folder on this machine.
    data: Option<PathBuf>,
    /// The process that was found; of a container it is the container that runs.
    pub running: Option<Running>,
    port: u16,
    socket_dir: Option<String>,
    /// The program that judges.
    program: Option<PathBuf>,
    user: Option<(u32, u32)>,
    container: Option<Container>,
}

/// A way to ask a server.
pub enum Console {
    /// A connection.
    Session(Box<Blocking>),
    /// psql in its container.
    Container(Container),
}

impl Console {
    /// What it answers, as text.
    ///
    /// # Errors
    /// What the server said.
    pub fn rows(&self, sql: &str) -> Result<Vec<Vec<String>>> {
        match self {
            Console::Session(session) => {
                let rows = session.run(async |s| s.batch_rows(sql).await)?;
                Ok(rows.into_iter().map(|row| row.into_iter().map(Option::unwrap_or_default).collect()).collect())
            }
            Console::Container(container) => container.rows(sql),
        }
    }

    fn value(&self, sql: &str) -> Result<String> {
        Ok(self.rows(sql)?.into_iter().flatten().next().unwrap_or_default())
    }

    fn is_local(&self) -> bool {
        match self {
            Console::Session(session) => session.session().is_local(),
            Console::Container(_) => true,
        }
    }
}

impl Server {
    /// The cluster to whose configuration a file belongs.
    pub fn find(root: &Root, facts: &Facts, target: &str, container: Option<&Container>) -> Option<Server> {
        let belongs = |config: &str| Path::new(config).parent().is_some_and(|dir| Path::new(target).starts_with(dir));
        let cluster = facts.software.clusters.iter().find(|c| c.config_file.as_deref().is_some_and(belongs))?;
        let major = cluster.major?;
        let data = cluster.data_dir.as_ref().and_then(|dir| root.resolve(dir).ok());
        let pid_file = data.as_ref().and_then(|dir| std::fs::read_to_string(dir.join("postmaster.pid")).ok());
        let lines: Vec<&str> = pid_file.as_deref().unwrap_or_default().lines().map(str::trim).collect();
        let running = match container {
            Some(container) => container.pid.filter(|_| container.running).and_then(Running::of),
            None => data.as_deref().and_then(postmaster),
        };
        let installed = facts.software.postgresql.iter().find(|p| p.major == Some(major));
        let own = installed.map(|p| Path::new(&p.bin_dir).join("postgres")).filter(|_| root.is_live());
        let user = match container {
            Some(container) => container.owner(data.as_deref()),
            None => running.as_ref().map(|r| (r.uid, r.gid)).or_else(|| user_of(root, &["postgres"])),
        };
        Some(Server {
            root: root.clone(),
            major,
            main: cluster.config_file.clone()?,
            data_dir: cluster.data_dir.clone(),
            program: running.as_ref().and_then(|r| r.program.clone()).or(own),
            user,
            port: lines.get(3).and_then(|port| port.parse().ok()).or(cluster.port).unwrap_or(5432),
            socket_dir: lines.get(4).filter(|dir| dir.starts_with('/')).map(|dir| (*dir).to_owned()),
            data,
            running,
            container: container.cloned(),
        })
    }

    /// What messages call it.
    #[must_use]
    pub fn name(&self) -> String {
        match &self.container {
            Some(container) => format!("PostgreSQL {} (container {})", self.major, container.name),
            None => format!("PostgreSQL {} ({})", self.major, self.main),
        }
    }

    /// Whether it ran when it was looked for.
    #[must_use]
    pub fn ran(&self) -> bool {
        self.container.as_ref().map_or(self.running.is_some(), |c| c.running)
    }

    /// The same as it runs now, which after a restart is another process; `None` where it does not.
    fn now(&self) -> Result<Option<Server>> {
        let mut now = self.clone();
        match &self.container {
            Some(container) => {
                let seen = Container::inspect(&container.name)?;
                now.running = seen.pid.filter(|_| seen.running).and_then(Running::of);
                let up = seen.running;
                now.container = Some(seen);
                Ok(up.then_some(now))
            }
            None => {
                now.running = self.data.as_deref().and_then(postmaster).filter(Running::is_alive);
                Ok(now.running.is_some().then_some(now))
            }
        }
    }

    /// The settings of the running server's command line, which win over every file: `name=value`.
    fn given(&self) -> Vec<String> {
        let own = |word: &str| {
            ["config_file=", "data_directory=", "hba_file=", "ident_file="].iter().any(|k| word.starts_with(k))
        };
        let words = match (&self.container, &self.running) {
            (Some(container), _) => container.settings(),
            (None, Some(running)) => process::settings(&running.arguments),
            (None, None) => Vec::new(),
        };
        words.into_iter().filter(|setting| !own(setting)).collect()
    }

    /// The names that the command line sets.
    fn pinned(&self) -> BTreeSet<String> {
        let name = |word: String| Some(word.split_once('=')?.0.replace('-', "_").to_ascii_lowercase());
        self.given().into_iter().filter_map(name).collect()
    }

    /// Reload, or restart where it is wished and needed, and proof. A server that ran before and does not any more is
    /// started again on the way back.
    ///
    /// # Errors
    /// It ended, does not start, or says other values than the files; with the last lines of its log.
    pub fn settle(&self, set: &ChangeSet, side: Side, wishes: &Wishes) -> Result<Notes> {
        if !self.ran() {
            return Ok(vec![unseen(&self.name(), "postgres", "pkill -HUP -o -x postgres")]);
        }
        let length = self.log_length();
        let server = match (self.now()?, side) {
            (Some(now), _) => now,
            (None, Side::New) => return Err(self.dead("it ended", length)),
            // It went down with the new files.
            (None, Side::Old) => return self.restart(length).map(|_| Notes::new()),
        };
        let console = match server.connect(wishes) {
            Ok(console) => console,
            Err(e) => return server.by_signal(&e, length),
        };
        server.no_errors(&console, side)?;
        server.reload(&console, length)?;
        // Some values are those of the moment a connection was made.
        let console = server.connect(wishes).map_err(|e| server.dead(&e.to_string(), length))?;
        let waiting = pending(&console)?;
        if wishes.restart && !waiting.is_empty() {
            drop(console);
            let verify = |console: &Console, now: &Server| match side {
                Side::New => now.huge_pages(console).and_then(|()| now.verify(console, set, true)),
                Side::Old => Ok(()),
            };
            return server.restarted(&waiting, wishes, length, verify);
        }
        if side == Side::Old {
            return Ok(Notes::new());
        }
        server.verify(&console, set, false)?;
        let mut notes = Notes::new();
        for name in &waiting {
            let change = set.settings.iter().find(|s| s.key == format!("postgresql.{name}"));
            let why = change.map(|c| {
                format!(
                    ": {} → {} ({})",
                    c.old.as_deref().unwrap_or("default"),
                    c.new.as_deref().unwrap_or("default"),
                    c.reason
                )
            });
            notes.push(format!("{name} counts after a restart of {}{}", self.name(), why.unwrap_or_default()));
        }
        if !waiting.is_empty() {
            notes.push("restart it when that suits, or have it done and proved with --restart".to_owned());
        }
        Ok(notes)
    }

    /// A superuser's console: the operator's, else over the server's own socket as the user it runs as, or by psql in its
    /// container.
    pub fn connect(&self, wishes: &Wishes) -> Result<Console> {
        if let Some(info) = &wishes.conninfo {
            return Blocking::open(info).map(|session| Console::Session(Box::new(session)));
        }
        if let Some(container) = &self.container {
            let console = Console::Container(container.clone());
            return console.rows("SELECT 1").map(|_| console);
        }
        let Some(running) = &self.running else { return Err(Error::failed("connect.failed", "it does not run")) };
        let user = nix::unistd::User::from_uid(nix::unistd::Uid::from_raw(running.uid)).ok().flatten().map(|u| u.name);
        let mut first = None;
        for role in ["postgres".to_owned()].into_iter().chain(user) {
            let info = self.info(&role)?;
            match as_user(running, || Blocking::open(&info)) {
                Ok(session) => return Ok(Console::Session(Box::new(session))),
                Err(e) => first = first.or(Some(e)),
            }
        }
        Err(first.unwrap_or_else(|| Error::failed("connect.failed", "no way to connect is known")))
    }

    fn info(&self, role: &str) -> Result<Conninfo> {
        let host = self.socket_dir.as_deref().unwrap_or("127.0.0.1");
        let dsn = format!("host={host} port={} user={role} dbname=postgres connect_timeout=10", self.port);
        resolve(Some(&dsn), &Environment::process())
    }

    /// Without a connection a signal has to do, and nothing is proved but that the server lives.
    fn by_signal(&self, why: &Error, length: u64) -> Result<Notes> {
        self.hang_up()?;
        if self.now()?.is_none() {
            return Err(self.dead("it ended", length));
        }
        Ok(vec![format!(
            "{} was told to read its files by a signal; what it says now is not verified, since it lets nobody in: {why} \
             (name a connection with --dsn)",
            self.name()
        )])
    }

    fn hang_up(&self) -> Result<()> {
        if let Some(container) = &self.container {
            return container.signal("HUP");
        }
        let Some(running) = &self.running else { return Ok(()) };
        kill(Pid::from_raw(running.pid), Signal::SIGHUP).map_err(|e| {
            Error::failed("apply.reload", format!("process {} cannot be told to reload", running.pid)).because(e)
        })
    }

    /// What the server makes of the files, before it is told to take them.
    fn no_errors(&self, console: &Console, side: Side) -> Result<()> {
        // A value that needs a restart shows as one that could not be applied; one that no file sets any more shows so
        // without a file.
        let rows = console.rows(
            "SELECT coalesce(f.sourcefile || ':' || f.sourceline, ''), coalesce(f.name, ''), f.error FROM pg_file_settings f
             LEFT JOIN pg_settings s ON lower(s.name) = lower(f.name)
             WHERE f.error IS NOT NULL AND f.sourcefile IS NOT NULL AND coalesce(s.context, '') <> 'postmaster' ORDER BY f.seqno",
        );
        // Only who may read it is told; and on the way back there is nothing better to go to.
        let (Ok(rows), Side::New) = (rows, side) else { return Ok(()) };
        let Some([place, name, error]) = rows.first().map(Vec::as_slice) else { return Ok(()) };
        Err(refused(&self.name(), Some(place.clone()), &format!("{name}: {error}")))
    }

    fn reload(&self, console: &Console, length: u64) -> Result<()> {
        let loaded = || console.value("SELECT pg_conf_load_time()");
        let before = loaded()?;
        if console.rows("SELECT pg_reload_conf()").is_err() {
            // Not a superuser's connection: root has the signal.
            self.hang_up()?;
        }
        let taken = wait_for(PATIENCE, || match loaded() {
            Ok(now) => (now != before).then_some(true),
            Err(_) => Some(false),
        });
        match taken {
            Some(true) => Ok(()),
            Some(false) => Err(self.dead("it ended", length)),
            None => Err(self.dead("it did not read its files again", length)),
        }
    }

    /// Whether the running values are those that were written.
    fn verify(&self, console: &Console, set: &ChangeSet, restarted: bool) -> Result<()> {
        let wrong = values::wrong_values(console, set, self.major, &self.pinned(), restarted)?;
        if wrong.is_empty() {
            return Ok(());
        }
        Err(Error::failed("apply.verify", format!("the server says other values than the files: {}", wrong.join("; ")))
            .at(self.name()))
    }

    /// Which running values are not those that a file says.
    ///
    /// # Errors
    /// It cannot be asked.
    pub fn differing(&self, wanted: &[(String, String)], wishes: &Wishes) -> Result<Vec<Differs>> {
        values::differing(&self.connect(wishes)?, wanted, self.major)
    }

    /// Where its log goes: what its error output is, else the file of its collector.
    fn log(&self) -> Option<PathBuf> {
        let collected = || {
            let data = self.data.as_ref()?;
            let text = std::fs::read_to_string(data.join("current_logfiles")).ok()?;
            let name = text.lines().find_map(|line| line.strip_prefix("stderr "))?;
            Some(data.join(name)).filter(|path| path.is_file())
        };
        self.running.as_ref().and_then(|r| r.log.clone()).or_else(collected)
    }

    fn log_length(&self) -> u64 {
        self.log().map_or(0, |log| process::length_of(&log))
    }

    /// A failure with the last lines of the log since that was so long.
    fn dead(&self, what: &str, length: u64) -> Error {
        let words = match (&self.container, self.log()) {
            (Some(container), _) => container.last_words(),
            (None, Some(log)) => process::last_words(&log, length),
            (None, None) => String::new(),
        };
        Error::failed("apply.server", format!("{what}{words}")).at(self.name())
    }
}

/// The server that runs in a data folder.
fn postmaster(data: &Path) -> Option<Running> {
    let text = std::fs::read_to_string(data.join("postmaster.pid")).ok()?;
    let running = Running::of(text.lines().next()?.trim().parse().ok()?)?;
    (running.path(".") == running.path(&data.display().to_string())).then_some(running)
}
