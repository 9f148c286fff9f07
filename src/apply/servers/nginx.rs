//! NGINX: judged by `nginx -t` on a staged copy, reloaded by a signal, proved by new workers that answer.

use super::process::{self, Running, wait_for};
use super::{PATIENCE, Scratch, Side, Verdict, Wishes, refused, unseen};
use crate::apply::change::ChangeSet;
use crate::apply::write::Notes;
use crate::error::{Error, Result};
use crate::facts::Facts;
use crate::formats::nginx::Document;
use crate::root::Root;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The main file, as the distributions have it.
const MAIN: &str = "/etc/nginx/nginx.conf";
/// How deep the folder of its files is followed.
const DEEPEST: usize = 8;

/// A web server.
pub struct Server {
    root: Root,
    running: Option<Running>,
    program: Option<PathBuf>,
}

impl Server {
    /// The one that runs with the main file, if one does.
    pub fn find(root: &Root, facts: &Facts) -> Server {
        let running = look(root);
        let installed = facts.software.nginx.as_ref().and_then(|n| n.path.as_ref()).map(PathBuf::from);
        Server {
            program: running.as_ref().and_then(|r| r.program.clone()).or(installed.filter(|_| root.is_live())),
            running,
            root: root.clone(),
        }
    }

    /// The process, if one runs with the main file.
    pub fn running(&self) -> Option<&Running> {
        self.running.as_ref()
    }

    /// Has the real binary read a copy of the whole folder as it would stand.
    pub fn validate(&self, root: &Root, set: &ChangeSet) -> Result<Verdict> {
        let name = format!("NGINX ({MAIN})");
        let Some(program) = &self.program else {
            return Ok(Verdict::skipped(&name, "no nginx that can be run was found here"));
        };
        let folder = Path::new(MAIN).parent().unwrap_or(Path::new("/"));
        let changed: BTreeMap<&str, Option<&[u8]>> =
            set.files.iter().map(|f| (f.target.as_str(), f.new.as_ref().map(|v| v.content.as_slice()))).collect();
        if !changed.contains_key(MAIN) && !root.exists(MAIN) {
            return Ok(Verdict::skipped(&name, format!("there is no {MAIN} that would include the files")));
        }
        let scratch = Scratch::new(self.running.as_ref().map(|r| (r.uid, r.gid)))?;
        let staged = scratch.path().join("nginx");
        self.stage(&scratch, &changed, folder, &staged, 0)?;
        let mut command = match &self.running {
            Some(running) => running.command(program),
            None => process::command(program, None),
        };
        command.arg("-t").arg("-c").arg(staged.join("nginx.conf")).args(["-e", "stderr"]);
        if let Some(running) = &self.running {
            // Logs and temporary files are where the running one has them.
            if let Some(prefix) = option(running, "-p") {
                command.arg("-p").arg(running.path(&prefix).join(""));
            }
            if let Some(global) = option(running, "-g") {
                command.arg("-g").arg(global);
            }
        }
        let output = process::output(&mut command, scratch.path(), PATIENCE)
            .map_err(|e| Error::failed("apply.validate", "cannot be run").at(program.display()).because(e))?;
        if output.status.success() {
            return Ok(Verdict::passed(&name, format!("{} -t", program.display())));
        }
        let original = format!("{}/", folder.display());
        let text = String::from_utf8_lossy(&output.stderr).replace(&format!("{}/", staged.display()), &original);
        let words: Vec<&str> = text
            .lines()
            .filter(|l| l.contains("[emerg]") || l.contains("[crit]"))
            .map(|l| without_process(l.split_once("[emerg] ").map_or(l, |(_, words)| words)))
            .collect();
        let denied = !words.is_empty() && words.iter().all(|w| super::is_denied(w));
        let words = if words.is_empty() { text.trim().to_owned() } else { words.join("; ") };
        if denied {
            let how = format!("nginx -t went as far as this user may: {words}; as root: nginx -t");
            return Ok(Verdict::skipped(&name, how));
        }
        let place = words.rsplit_once(" in ").map(|(_, place)| place.to_owned()).filter(|p| p.starts_with('/'));
        Err(refused("nginx -t", place, &words))
    }

    /// The folder with changed files in it; everything else is a link to the original, so that no key is copied. Files
    /// that include others by the folder's full path are led to the copies.
    fn stage(
        &self,
        scratch: &Scratch,
        changed: &BTreeMap<&str, Option<&[u8]>>,
        folder: &Path,
        to: &Path,
        depth: usize,
    ) -> Result<()> {
        scratch.folder(to)?;
        let mut names = self.root.list(folder).unwrap_or_default();
        for path in changed.keys().map(Path::new).filter(|p| p.starts_with(folder)) {
            let below = path.strip_prefix(folder).ok().and_then(|p| p.iter().next());
            if let Some(name) = below.map(|n| n.to_string_lossy().into_owned())
                && !names.contains(&name)
            {
                names.push(name);
            }
        }
        for name in names {
            let (from, place) = (folder.join(&name), to.join(&name));
            let path = from.display().to_string();
            let real = self.root.resolve(&from).unwrap_or_else(|_| from.clone());
            let inside = changed.keys().any(|c| Path::new(c).parent().is_some_and(|dir| dir.starts_with(&from)));
            if (real.is_dir() || inside) && depth < DEEPEST {
                self.stage(scratch, changed, &from, &place, depth + 1)?;
                continue;
            }
            let content = match changed.get(path.as_str()) {
                Some(None) => continue,
                Some(Some(bytes)) => bytes.to_vec(),
                None => match std::fs::read(&real).ok().filter(|bytes| includes_by_full_path(bytes)) {
                    Some(bytes) => bytes,
                    None => {
                        symlink(&real, &place).map_err(|e| scratch.failed(&place, e))?;
                        continue;
                    }
                },
            };
            let staged = scratch.path().join("nginx").display().to_string();
            scratch.write(&place, &led_to(&content, &staged))?;
        }
        Ok(())
    }

    /// Reload, and proof that new workers run and answer; a restart where it refuses the reload for what only that can
    /// change, and that is wished. One that has ended with the new files is started again on the way back.
    pub fn settle(&self, side: Side, wishes: &Wishes) -> Result<Notes> {
        let Some(before) = &self.running else {
            return Ok(vec![unseen("NGINX", "nginx", "nginx -s reload")]);
        };
        let length = before.log_length();
        let failed =
            |what: &str| Error::failed("apply.server", format!("{what}{}", before.last_words(length))).at("NGINX");
        let running = match (look(&self.root), side) {
            (Some(running), _) => running,
            (None, Side::New) => return Err(failed("it ended")),
            (None, Side::Old) => return self.restart(before).map(|_| Notes::new()).map_err(|e| failed(&e)),
        };
        let before = running.children();
        kill(Pid::from_raw(running.pid), Signal::SIGHUP)
            .map_err(|e| failed(&format!("process {} cannot be told to reload", running.pid)).because(e))?;
        let reloaded = wait_for(PATIENCE / 2, || {
            if running.children().iter().any(|pid| !before.contains(pid)) {
                return Some(true);
            }
            (!running.is_alive() || gave_up(&running.log_since(length))).then_some(false)
        });
        let mut notes = Notes::new();
        if reloaded != Some(true) {
            let words = running.log_since(length);
            // Without its log nobody knows why it refuses.
            let may_help = needs_restart(&words) || (running.log.is_none() && wishes.restart);
            if !running.is_alive() || !may_help {
                return Err(failed("it did not take the new files"));
            }
            if !wishes.restart {
                return Err(failed("it takes the new files by a restart only")
                    .next("have it restarted and proved with --restart; its clients lose their connections then"));
            }
            self.restart(&running).map_err(|e| failed(&e))?;
            notes.push("NGINX was restarted, since it would not reload these files".to_owned());
        }
        if side == Side::Old {
            return Ok(notes);
        }
        match self.address() {
            Some(address) if !answers(address) => Err(failed(&format!("it does not answer on {address}"))),
            _ => Ok(notes),
        }
    }

    /// Its workers answer what they have begun before they end.
    fn restart(&self, running: &Running) -> Result<Running, String> {
        let mut arguments = Vec::new();
        for name in ["-p", "-c", "-e", "-g"] {
            arguments.extend(option(running, name).into_iter().flat_map(|value| [name.to_owned(), value]));
        }
        let back = || look(&self.root).filter(|r| r.pid != running.pid && !r.children().is_empty());
        running.restart(&[Signal::SIGQUIT, Signal::SIGTERM], &arguments, false, back)
    }

    /// Where its files have it listen in plain HTTP.
    fn address(&self) -> Option<SocketAddr> {
        let folder = Path::new(MAIN).parent()?;
        let mut files = vec![MAIN.to_owned()];
        for dir in ["conf.d", "sites-enabled"] {
            let dir = folder.join(dir);
            files.extend(
                self.root.list(&dir).unwrap_or_default().iter().map(|name| dir.join(name).display().to_string()),
            );
        }
        files.iter().find_map(|file| {
            let doc = Document::parse(&self.root.read_bytes(file).ok()?);
            let listens = doc.find("listen");
            listens.iter().filter(|l| !l.arguments.iter().any(|a| a == "ssl" || a == "quic")).find_map(|listen| {
                let place = listen.arguments.first()?;
                let port = place.rsplit(':').next()?.parse().ok()?;
                let ip = place
                    .rsplit_once(':')
                    .and_then(|(ip, _)| ip.parse().ok())
                    .filter(|ip: &IpAddr| !ip.is_unspecified());
                Some(SocketAddr::new(ip.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)), port))
            })
        })
    }
}

/// The one that runs with the main file.
fn look(root: &Root) -> Option<Running> {
    let file = root.resolve(MAIN).map(|p| p.canonicalize().unwrap_or(p)).unwrap_or_default();
    let with = |r: &Running| match option(r, "-c") {
        Some(conf) => r.path(&conf) == file,
        None => root.is_live(),
    };
    Running::named("nginx").into_iter().find(|r| with(r) && r.is_alive())
}

/// A line of its log without the process that wrote it (`31#31: `).
fn without_process(words: &str) -> &str {
    let is_process = |text: &str| text.contains('#') && text.chars().all(|c| c.is_ascii_digit() || c == '#');
    words.split_once(": ").filter(|(process, _)| is_process(process)).map_or(words, |(_, rest)| rest)
}

/// Whether it refuses to reload what a restart would take: a zone of shared memory lives as long as the master, and may
/// not get another key or path.
fn needs_restart(log: &str) -> bool {
    let words = ["while previously it used", "had previously different"];
    log.lines().any(|l| l.contains("[emerg]") && words.iter().any(|w| l.contains(w)))
}

/// Whether the master has stayed with the old files. A port that is taken it tries five times first, in which it hears no
/// signal.
fn gave_up(log: &str) -> bool {
    log.lines().any(|l| l.contains("[emerg]") && (!l.contains("bind() to") || l.contains("still could not bind()")))
}

/// Whether an HTTP server answers there, whatever it says.
fn answers(address: SocketAddr) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(2))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
        let mut first = [0; 5];
        // A server that closes without a word (444) has answered too.
        Ok(matches!(stream.read(&mut first)?, 0) || first.starts_with(b"HTTP"))
    };
    wait_for(Duration::from_secs(5), || ask().ok().filter(|answered| *answered)).is_some()
}

/// An option of the master's command line, which it shows as one text.
fn option(running: &Running, name: &str) -> Option<String> {
    let line = running.arguments.join(" ");
    let (_, rest) = line.split_once(&format!(" {name} "))?;
    let ends = [" -c ", " -p ", " -g ", " -e ", " -t", " -q"].iter().filter_map(|o| rest.find(o)).min();
    Some(rest.get(..ends.unwrap_or(rest.len()))?.trim().to_owned())
}

fn includes_by_full_path(bytes: &[u8]) -> bool {
    let folder = Path::new(MAIN).parent().unwrap_or(Path::new("/"));
    Document::parse(bytes).find("include").iter().any(|i| i.arguments.iter().any(|a| Path::new(a).starts_with(folder)))
}

/// The file with its includes of the folder led to the copy, lines kept.
fn led_to(bytes: &[u8], staged: &str) -> Vec<u8> {
    if !includes_by_full_path(bytes) {
        return bytes.to_vec();
    }
    let original = Path::new(MAIN).parent().unwrap_or(Path::new("/")).display().to_string();
    let text = String::from_utf8_lossy(bytes);
    let lines = text.split_inclusive('\n').map(|line| match line.trim_start().strip_prefix("include") {
        Some(rest) if rest.starts_with([' ', '\t']) => line.replace(&format!("{original}/"), &format!("{staged}/")),
        _ => line.to_owned(),
    });
    lines.collect::<String>().into_bytes()
}
