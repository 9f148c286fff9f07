//! PostgreSQL: judged on a stopped scratch folder, reloaded by `pg_reload_conf`, proved by `pg_settings`.

use super::process::{self, Running, wait_for};
use super::{PATIENCE, Scratch, Side, Verdict, Wishes, as_user, refused, user_of};
use crate::apply::change::{ChangeSet, SettingChange};
use crate::apply::effective::{self, Overlay};
use crate::apply::write::Notes;
use crate::error::{Error, Result};
use crate::facts::Facts;
use crate::formats::postgresql_conf::{Document, Include};
use crate::plan::TakesEffect;
use crate::postgres::catalogue;
use crate::postgres::connect::{Blocking, RowExt};
use crate::postgres::conninfo::{Conninfo, Environment, resolve};
use crate::root::Root;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What only a server that has read its control file can compute; asking for it has the server check everything that it
/// checks at its start (15+).
const PROOF: &str = "shared_memory_size_in_huge_pages";

/// A cluster.
pub struct Server {
    major: u32,
    main: String,
    data_dir: Option<String>,
    /// The data folder on this machine.
    data: Option<PathBuf>,
    running: Option<Running>,
    port: u16,
    socket_dir: Option<String>,
    /// The program that judges.
    program: Option<PathBuf>,
    user: Option<(u32, u32)>,
}

impl Server {
    /// The cluster to whose configuration a file belongs.
    pub fn find(root: &Root, facts: &Facts, target: &str) -> Option<Server> {
        let belongs = |config: &str| Path::new(config).parent().is_some_and(|dir| Path::new(target).starts_with(dir));
        let cluster = facts.software.clusters.iter().find(|c| c.config_file.as_deref().is_some_and(belongs))?;
        let major = cluster.major?;
        let data = cluster.data_dir.as_ref().and_then(|dir| root.resolve(dir).ok());
        let pid_file = data.as_ref().and_then(|dir| std::fs::read_to_string(dir.join("postmaster.pid")).ok());
        let lines: Vec<&str> = pid_file.as_deref().unwrap_or_default().lines().map(str::trim).collect();
        let here = |running: &Running| {
            data.as_ref().is_some_and(|dir| running.path(".") == running.path(&dir.display().to_string()))
        };
        let running = lines.first().and_then(|pid| pid.parse().ok()).and_then(Running::of).filter(here);
        let installed = facts.software.postgresql.iter().find(|p| p.major == Some(major));
        let own = installed.map(|p| Path::new(&p.bin_dir).join("postgres")).filter(|_| root.is_live());
        Some(Server {
            major,
            main: cluster.config_file.clone()?,
            data_dir: cluster.data_dir.clone(),
            program: running.as_ref().and_then(|r| r.program.clone()).or(own),
            user: running.as_ref().map(|r| (r.uid, r.gid)).or_else(|| user_of(root, &["postgres"])),
            port: lines.get(3).and_then(|port| port.parse().ok()).or(cluster.port).unwrap_or(5432),
            socket_dir: lines.get(4).filter(|dir| dir.starts_with('/')).map(|dir| (*dir).to_owned()),
            data,
            running,
        })
    }

    fn name(&self) -> String {
        format!("PostgreSQL {} ({})", self.major, self.main)
    }

    /// Has the real binary read all the cluster's files as they would stand.
    pub fn validate(&self, root: &Root, set: &ChangeSet) -> Result<Verdict> {
        let Some(program) = &self.program else {
            return Ok(Verdict::skipped(
                &self.name(),
                format!("no server {} that can be run was found here", self.major),
            ));
        };
        if self.user.is_none() && nix::unistd::geteuid().is_root() {
            return Ok(Verdict::skipped(
                &self.name(),
                "PostgreSQL does not run as root, and no user postgres was found",
            ));
        }
        let scratch = Scratch::new(self.user)?;
        let contents = set.files.iter().map(|f| (f.target.as_str(), f.new.as_ref().map(|v| v.content.as_slice())));
        let mut stage = Stage { scratch: &scratch, overlay: Overlay::new(root, contents), names: BTreeMap::new() };
        let main = stage.file(&self.main, "postgresql.conf", 0)?;
        if let Some(dir) = &self.data_dir {
            stage.file(&format!("{dir}/postgresql.auto.conf"), "postgresql.auto.conf", 0)?;
        }
        let whole = self.major >= 15 && self.copy_control_file(&scratch)?;
        let mut command = match &self.running {
            Some(running) => running.command(program),
            None => process::command(program, self.user),
        };
        command.arg("-D").arg(scratch.path()).arg("-c").arg(format!("config_file={}", main.display()));
        command.arg("-c").arg(format!("data_directory={}", scratch.path().display()));
        command
            .args(self.given())
            .args(["-C", if whole { PROOF } else { "shared_buffers" }])
            .current_dir(scratch.path());
        let output = process::output(&mut command, scratch.path(), PATIENCE)
            .map_err(|e| Error::failed("apply.validate", "cannot be run").at(program.display()).because(e))?;
        if !output.status.success() {
            return Err(stage.complaint(&String::from_utf8_lossy(&output.stderr)));
        }
        let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        Ok(Verdict::passed(
            &self.name(),
            if whole {
                format!("{} -C {PROOF} says {said}", program.display())
            } else {
                format!("{} -C shared_buffers", program.display())
            },
        ))
    }

    /// With its control file a scratch folder is a data folder for as far as `-C` goes. Whether there is one.
    fn copy_control_file(&self, scratch: &Scratch) -> Result<bool> {
        let Some(data) = &self.data else { return Ok(false) };
        let read = |name: &str| std::fs::read(data.join(name)).ok();
        let (Some(control), Some(version)) = (read("global/pg_control"), read("PG_VERSION")) else { return Ok(false) };
        scratch.folder(&scratch.path().join("global"))?;
        scratch.write(&scratch.path().join("global/pg_control"), &control)?;
        scratch.write(&scratch.path().join("PG_VERSION"), &version)?;
        Ok(true)
    }

    /// The settings of the running server's command line, which win over every file.
    fn given(&self) -> Vec<String> {
        let own = |word: &str| {
            ["config_file=", "data_directory=", "hba_file=", "ident_file="].iter().any(|k| word.starts_with(k))
        };
        let arguments = self.running.as_ref().map(|r| r.arguments.as_slice()).unwrap_or_default();
        let mut given = Vec::new();
        let mut words = arguments.iter().skip(1);
        while let Some(word) = words.next() {
            let setting = if word == "-c" {
                words.next().cloned()
            } else {
                word.strip_prefix("--").or(word.strip_prefix("-c")).map(str::to_owned)
            };
            if let Some(setting) = setting.filter(|s| s.contains('=') && !own(s)) {
                given.extend(["-c".to_owned(), setting]);
            }
        }
        given
    }

    /// The names that the command line sets.
    fn pinned(&self) -> Vec<String> {
        let given = self.given();
        given.iter().filter_map(|word| Some(word.split_once('=')?.0.replace('-', "_").to_ascii_lowercase())).collect()
    }

    /// Reload, or restart where it is wished and needed, and proof.
    pub fn settle(&self, set: &ChangeSet, side: Side, wishes: &Wishes) -> Result<Notes> {
        let Some(running) = &self.running else {
            return Ok(vec![format!(
                "{} does not run: the files were validated, what they say is not verified",
                self.name()
            )]);
        };
        let length = running.log_length();
        let session = match self.connect(running, wishes) {
            Ok(session) => session,
            Err(e) => return self.by_signal(running, &e, length),
        };
        self.no_errors(&session, side)?;
        self.reload(&session, running, length)?;
        // Some values are those of the moment a connection was made.
        let session = self.connect(running, wishes).map_err(|e| dead(&self.name(), &e.to_string(), running, length))?;
        let mut notes = Notes::new();
        let waiting = pending(&session)?;
        if wishes.restart && !waiting.is_empty() {
            drop(session);
            self.restart(running, length)?;
            let again = Server { running: self.data.as_deref().and_then(postmaster), ..self.copy() };
            let now = again.running.as_ref().ok_or_else(|| self.gone(running, length))?;
            let session = again.connect(now, wishes).map_err(|e| dead(&self.name(), &e.to_string(), now, 0))?;
            if side == Side::New {
                self.huge_pages(&session, set, now)?;
                self.verify(&session, set, true)?;
            }
            notes.push(format!("{} was restarted for {}", self.name(), waiting.join(", ")));
            return Ok(notes);
        }
        if side == Side::New {
            self.verify(&session, set, false)?;
        }
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

    fn copy(&self) -> Server {
        Server {
            major: self.major,
            main: self.main.clone(),
            data_dir: self.data_dir.clone(),
            data: self.data.clone(),
            running: None,
            port: self.port,
            socket_dir: self.socket_dir.clone(),
            program: self.program.clone(),
            user: self.user,
        }
    }

    /// A superuser's connection: the operator's, else over the server's own socket as the user it runs as.
    fn connect(&self, running: &Running, wishes: &Wishes) -> Result<Blocking> {
        if let Some(info) = &wishes.conninfo {
            return Blocking::open(info);
        }
        let user = nix::unistd::User::from_uid(nix::unistd::Uid::from_raw(running.uid)).ok().flatten().map(|u| u.name);
        let mut first = None;
        for role in ["postgres".to_owned()].into_iter().chain(user) {
            let info = self.info(&role)?;
            match as_user(running, || Blocking::open(&info)) {
                Ok(session) => return Ok(session),
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
    fn by_signal(&self, running: &Running, why: &Error, length: u64) -> Result<Notes> {
        hang_up(running)?;
        if !running.is_alive() {
            return Err(self.gone(running, length));
        }
        Ok(vec![format!(
            "{} was told to read its files by a signal; what it says now is not verified, since it lets nobody in: {why} \
             (name a connection with --dsn)",
            self.name()
        )])
    }

    fn gone(&self, running: &Running, length: u64) -> Error {
        dead(&self.name(), "it ended", running, length)
    }

    /// What the server makes of the files, before it is told to take them.
    fn no_errors(&self, session: &Blocking, side: Side) -> Result<()> {
        // A value that needs a restart shows as one that could not be applied.
        let rows = session.query(
            "SELECT f.sourcefile, f.sourceline, coalesce(f.name, '') AS name, f.error FROM pg_file_settings f
             LEFT JOIN pg_settings s ON lower(s.name) = lower(f.name)
             WHERE f.error IS NOT NULL AND coalesce(s.context, '') <> 'postmaster' ORDER BY f.seqno",
            &[],
        );
        let rows = match (rows, side) {
            (Ok(rows), Side::New) => rows,
            // Only who may read it is told; and on the way back there is nothing better to go to.
            (Err(_), _) | (Ok(_), Side::Old) => return Ok(()),
        };
        let Some(row) = rows.first() else { return Ok(()) };
        let (file, line): (Option<String>, Option<i32>) = (row.value("sourcefile")?, row.value("sourceline")?);
        let (name, error): (String, String) = (row.value("name")?, row.value("error")?);
        let place = format!("{}:{}", file.unwrap_or_default(), line.unwrap_or_default());
        Err(refused(&self.name(), Some(place), &format!("{name}: {error}")))
    }

    fn reload(&self, session: &Blocking, running: &Running, length: u64) -> Result<()> {
        let loaded = |session: &Blocking| -> Result<String> {
            session.query_one("SELECT pg_conf_load_time()::text AS at", &[])?.value("at")
        };
        let before = loaded(session)?;
        match session.query_one("SELECT pg_reload_conf() AS done", &[]) {
            Ok(_) => {}
            // Not a superuser's connection: root has the signal.
            Err(_) => hang_up(running)?,
        }
        let taken = wait_for(PATIENCE, || match loaded(session) {
            Ok(now) => (now != before).then_some(true),
            Err(_) => Some(false),
        });
        match taken {
            Some(true) => Ok(()),
            Some(false) => Err(self.gone(running, length)),
            None => Err(dead(&self.name(), "it did not read its files again", running, length)),
        }
    }

    /// Whether the running values are those that were written.
    fn verify(&self, session: &Blocking, set: &ChangeSet, restarted: bool) -> Result<()> {
        let pinned = self.pinned();
        let wrong = wrong_values(session, set, self.major, &pinned, restarted)?;
        if wrong.is_empty() {
            return Ok(());
        }
        Err(Error::failed("apply.verify", format!("the server says other values than the files: {}", wrong.join("; ")))
            .at(self.name()))
    }

    /// A server that could not have its huge pages and took ordinary ones has not said so anywhere else.
    fn huge_pages(&self, session: &Blocking, set: &ChangeSet, running: &Running) -> Result<()> {
        let planned = set.kernel.iter().any(|k| k.key == "kernel.vm.nr_hugepages");
        if self.major < 17 || !planned {
            return Ok(());
        }
        let status: String = session.query_one("SELECT current_setting('huge_pages_status') AS s", &[])?.value("s")?;
        if status == "on" {
            return Ok(());
        }
        Err(dead(&self.name(), &format!("it fell back to ordinary pages (huge_pages_status = {status})"), running, 0))
    }

    /// As its unit where systemd started it, else with its own pg_ctl and the options it was started with.
    fn restart(&self, running: &Running, length: u64) -> Result<()> {
        let scratch = Scratch::new(Some((running.uid, running.gid)))?;
        let mut command = match unit_of(running.pid) {
            Some(unit) => {
                let mut command = process::command(Path::new("systemctl"), None);
                command.args(["restart", &unit]);
                command
            }
            None => {
                let (Some(program), Some(data)) = (&running.program, &self.data) else {
                    return Err(self.gone(running, length));
                };
                let mut command = running.command(&program.with_file_name("pg_ctl"));
                command
                    .args(["restart", "-s", "-w", "-m", "fast", "-t", "120", "-D"])
                    .arg(data)
                    .current_dir(&running.cwd);
                if let Some(log) = &running.log {
                    command.arg("-l").arg(log);
                }
                command
            }
        };
        let ended = process::output(&mut command, scratch.path(), PATIENCE * 6)
            .map_err(|e| Error::failed("apply.restart", "cannot be restarted").at(self.name()).because(e))?;
        if ended.status.success() {
            return Ok(());
        }
        let words = String::from_utf8_lossy(&ended.stderr).trim().to_owned();
        Err(dead(&self.name(), &format!("it does not start again: {words}"), running, length))
    }
}

/// Which running values are not those of a change, in words. Those that something else sets are left out, and those that
/// wait for a restart unless there was one.
pub fn wrong_values(
    session: &Blocking,
    set: &ChangeSet,
    major: u32,
    pinned: &[String],
    restarted: bool,
) -> Result<Vec<String>> {
    // What this role, database or connection has of its own is no word on the files.
    let rows = session.query(
        "SELECT lower(name) AS name, setting FROM pg_settings WHERE source IN ('default', 'configuration file', 'override')",
        &[],
    )?;
    let mut now: BTreeMap<String, String> = BTreeMap::new();
    for row in &rows {
        now.insert(row.value("name")?, row.value("setting")?);
    }
    let judged = |s: &&SettingChange| {
        s.loses_to.is_none()
            && (restarted || s.takes_effect != TakesEffect::Restart)
            && s.takes_effect != TakesEffect::Reboot
    };
    // Over a socket of the file system there is no TCP whose keepalives could be shown.
    let socket = |name: &str| session.session().is_local() && name.starts_with("tcp_");
    let mut wrong = Vec::new();
    for change in set.settings.iter().filter(judged) {
        let (Some(name), Some(wanted)) = (change.key.strip_prefix("postgresql."), &change.new) else { continue };
        let name = name.to_ascii_lowercase();
        let Some(said) = now.get(&name).filter(|_| !pinned.contains(&name) && !socket(&name)) else { continue };
        if !is(&name, major, wanted, said) {
            wrong.push(format!("{name} is {said}, not {wanted}"));
        }
    }
    Ok(wrong)
}

/// Whether a value as a file writes it is the one `pg_settings` shows.
#[must_use]
pub fn is(name: &str, major: u32, written: &str, shown: &str) -> bool {
    let Some(entry) = catalogue::find(name, major) else { return written == shown };
    match (entry.number(written), shown.parse::<f64>()) {
        (Ok(ours), Ok(theirs)) => (ours - theirs).abs() <= theirs.abs() * 1e-6 || (ours < 0.0 && theirs >= 0.0),
        _ => written == shown || written.replace(' ', "") == shown.replace(' ', ""),
    }
}

/// The settings whose new values wait for a restart.
fn pending(session: &Blocking) -> Result<Vec<String>> {
    let rows = session.query("SELECT name FROM pg_settings WHERE pending_restart ORDER BY name", &[])?;
    rows.iter().map(|row| row.value("name")).collect()
}

fn postmaster(data: &Path) -> Option<Running> {
    let text = std::fs::read_to_string(data.join("postmaster.pid")).ok()?;
    Running::of(text.lines().next()?.trim().parse().ok()?)
}

fn hang_up(running: &Running) -> Result<()> {
    kill(Pid::from_raw(running.pid), Signal::SIGHUP).map_err(|e| {
        Error::failed("apply.reload", format!("process {} cannot be told to reload", running.pid)).because(e)
    })
}

fn dead(name: &str, what: &str, running: &Running, length: u64) -> Error {
    Error::failed("apply.server", format!("{what}{}", running.last_words(length))).at(name)
}

/// The systemd unit that a process was started by.
fn unit_of(pid: i32) -> Option<String> {
    let cgroup = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    let unit = cgroup.lines().last()?.rsplit('/').next()?.to_owned();
    (Path::new("/run/systemd/system").exists() && unit.ends_with(".service")).then_some(unit)
}

/// The files of a cluster, copied with their include lines led to the copies; lines keep their numbers.
struct Stage<'a> {
    scratch: &'a Scratch,
    overlay: Overlay<'a>,
    /// The name of each copy's original.
    names: BTreeMap<String, String>,
}

impl Stage<'_> {
    fn file(&mut self, path: &str, name: &str, depth: usize) -> Result<PathBuf> {
        let place = self.scratch.path().join(name);
        let Some(bytes) = self.overlay.read(path) else { return Ok(place) };
        self.names.insert(place.display().to_string(), path.to_owned());
        let doc = Document::parse(&bytes);
        let mut lines: Vec<Vec<u8>> = bytes.split_inclusive(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
        for entry in doc.entries() {
            let Some(kind) = entry.include().filter(|_| depth < 10) else { continue };
            let directive = self.include(path, kind, entry.value, &format!("{name}-{}", entry.line), depth)?;
            if let (Some(directive), Some(line)) = (directive, lines.get_mut(entry.line.saturating_sub(1))) {
                *line = format!("{directive}\n").into_bytes();
            }
        }
        self.scratch.write(&place, &lines.concat())?;
        Ok(place)
    }

    /// The directive that includes the copies; `None` where there is nothing to copy, and the server is to say so.
    fn include(&mut self, path: &str, kind: Include, value: &str, name: &str, depth: usize) -> Result<Option<String>> {
        let files = effective::included(&self.overlay, path, kind, value);
        if kind != Include::Dir {
            let Some(file) = files.first().filter(|f| self.overlay.read(f).is_some()) else { return Ok(None) };
            let place = self.file(file, name, depth + 1)?;
            return Ok(Some(format!("include '{}'", place.display())));
        }
        let folder = self.scratch.path().join(name);
        self.scratch.folder(&folder)?;
        for file in files {
            let Some(own) = Path::new(&file).file_name().map(|n| n.to_string_lossy().into_owned()) else { continue };
            self.file(&file, &format!("{name}/{own}"), depth + 1)?;
        }
        Ok(Some(format!("include_dir '{}'", folder.display())))
    }

    /// The server's complaint with the names of the originals, at the file and line it names.
    fn complaint(&self, stderr: &str) -> Error {
        let mut text: String = stderr
            .lines()
            .filter(|line| !line.contains("skipping missing configuration file"))
            .map(|line| line.split_once(":  ").map_or(line, |(_, words)| words))
            .filter(|line| !line.trim().is_empty())
            .collect::<Vec<_>>()
            .join("; ");
        // The longest first: a copy's name may begin another's.
        let mut names: Vec<(&String, &String)> = self.names.iter().collect();
        names.sort_by_key(|(copy, _)| std::cmp::Reverse(copy.len()));
        for (copy, original) in names {
            text = text.replace(copy.as_str(), original);
        }
        refused("PostgreSQL", place(&text), &text)
    }
}

/// `FILE:LINE` out of `… in file "FILE" line LINE …`.
fn place(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("file \"")?;
    let (file, rest) = rest.split_once('"')?;
    let line: String = rest.trim_start().strip_prefix("line ")?.chars().take_while(char::is_ascii_digit).collect();
    Some(format!("{file}:{line}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_values_are_told_from_shown_ones() {
        assert!(is("shared_buffers", 18, "4GB", "524288"));
        assert!(is("work_mem", 18, "8MB", "8192"));
        assert!(!is("work_mem", 18, "8MB", "4096"));
        assert!(is("jit", 18, "on", "on"));
        assert!(is("wal_buffers", 18, "-1", "2048"), "the server chooses");
    }

    #[test]
    fn the_place_of_a_complaint_is_found() {
        let text = "unrecognized configuration parameter \"foo\" in file \"/etc/x.conf\" line 12; more";
        assert_eq!(place(text).as_deref(), Some("/etc/x.conf:12"));
        assert_eq!(place("could not access file \"nothere\": No such file"), None);
    }
}
