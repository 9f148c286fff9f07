//! PgBouncer and nginx.

use super::postgres::{USER, home, psql};
use super::{Postgres, Process, as_server_user, free_port, server_dir, servers, wait_for, write_for_server};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// A server that a test has configured by itself.
pub struct Daemon {
    _process: Process,
}

impl Daemon {
    /// Starts it in a folder, where its output goes to `log`, and waits until it listens on the port.
    #[track_caller]
    pub fn start(command: Command, dir: &Path, port: u16) -> Self {
        let process = start(command, dir, port).unwrap_or_else(|log| panic!("a server does not start: {log}"));
        Daemon { _process: process }
    }

    /// Has it read its configuration again.
    pub fn reload(&self) {
        self._process.signal(nix::sys::signal::Signal::SIGHUP);
    }

    /// Its process.
    pub fn pid(&self) -> nix::unistd::Pid {
        self._process.pid()
    }

    /// Ends it.
    pub fn stop(self) {}
}

/// Starts a server that listens on a port, and waits until it does; with its log where it ends instead.
fn start(mut command: Command, dir: &Path, port: u16) -> Result<Process, String> {
    let log = dir.join("log");
    let out = File::create(&log).expect("a log file");
    command.current_dir(dir).stdout(out.try_clone().expect("a second handle")).stderr(out);
    let mut process = Process(command.spawn().expect("setpriv can be run"));
    let listens = wait_for("a server to listen", || {
        // PgBouncer goes on with its socket alone where another process has taken the port.
        if process.has_ended() || fs::read_to_string(&log).is_ok_and(|log| log.contains(PORT_TAKEN)) {
            return Some(false);
        }
        TcpStream::connect(("127.0.0.1", port)).is_ok().then_some(true)
    });
    if listens { Ok(process) } else { Err(fs::read_to_string(&log).unwrap_or_default()) }
}

/// What is logged where, between finding a free port and listening on it, another process has taken it.
const PORT_TAKEN: &str = "Address already in use";

/// The ini file with these keys of a section instead of its own. A section that is said twice would not do: PgBouncer
/// sets everything that the second one lacks back to its default.
fn with_keys(ini: &str, section: &str, keys: &[(String, String)]) -> String {
    let ours: String = keys.iter().map(|(key, value)| format!("{key} = {value}\n")).collect();
    let (mut out, mut here, mut seen) = (String::new(), false, false);
    for line in ini.lines() {
        let key = line.split('=').next().unwrap_or_default().trim();
        if let Some(name) = key.strip_prefix('[').and_then(|k| k.strip_suffix(']')) {
            here = name == section;
        } else if here && keys.iter().any(|(ours, _)| ours == key) {
            continue;
        }
        out.push_str(line);
        out.push('\n');
        if here && !seen {
            seen = true;
            out.push_str(&ours);
        }
    }
    if !seen {
        out.push_str(&format!("[{section}]\n{ours}"));
    }
    out
}

/// A running PgBouncer in front of a [`Postgres`].
pub struct PgBouncer {
    port: u16,
    _process: Process,
    dir: TempDir,
}

impl PgBouncer {
    /// Starts it with this file. Where it listens, whom it connects to and whom it lets in are the test's, whatever
    /// the file says.
    #[track_caller]
    pub fn start(server: &Postgres, ini: &str) -> Self {
        for _ in 0..5 {
            match Self::try_start(server, ini) {
                Ok(pooler) => return pooler,
                Err(log) if log.contains(PORT_TAKEN) => {}
                Err(log) => panic!("PgBouncer does not start: {log}\n{ini}"),
            }
        }
        panic!("no port stays free");
    }

    fn try_start(server: &Postgres, ini: &str) -> Result<Self, String> {
        let dir = server_dir();
        let port = free_port();
        let file = dir.path().join("pgbouncer.ini");
        let here = dir.path().display().to_string();
        let databases = [("*".to_owned(), format!("host=127.0.0.1 port={} user={USER}", server.port()))];
        let ours = [
            ("listen_addr", "127.0.0.1".to_owned()),
            ("listen_port", port.to_string()),
            ("unix_socket_dir", here.clone()),
            ("auth_type", "any".to_owned()),
            ("logfile", String::new()),
            ("pidfile", format!("{here}/pid")),
        ]
        .map(|(key, value)| (key.to_owned(), value));
        let own = with_keys(&with_keys(ini, "databases", &databases), "pgbouncer", &ours);
        write_for_server(&file, &own);
        let mut command = as_server_user(servers().join("bin/pgbouncer"));
        command.arg(&file);
        let process = start(command, dir.path(), port)?;
        Ok(PgBouncer { port, _process: process, dir })
    }

    /// Starts it with exactly the file that is made for its folder and a free port.
    #[track_caller]
    pub fn with(file: impl FnOnce(&Path, u16) -> String) -> Self {
        let dir = server_dir();
        let port = free_port();
        let path = dir.path().join("pgbouncer.ini");
        write_for_server(&path, &file(dir.path(), port));
        let mut command = as_server_user(servers().join("bin/pgbouncer"));
        command.arg(&path);
        let process = start(command, dir.path(), port).unwrap_or_else(|log| panic!("PgBouncer does not start: {log}"));
        PgBouncer { port, _process: process, dir }
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    fn client(&self, database: &str) -> Command {
        let mut command = Command::new(home("18").join("bin/psql"));
        command.env("PGHOST", "127.0.0.1").env("PGPORT", self.port.to_string());
        command.env("PGUSER", USER).env("PGDATABASE", database);
        command
    }

    /// What a statement answers through it.
    #[track_caller]
    pub fn query(&self, sql: &str) -> String {
        psql(&mut self.client(USER), sql).unwrap_or_else(|e| panic!("{sql}: {e}\n{}", self.log()))
    }

    /// What a command of its console answers.
    #[track_caller]
    pub fn admin(&self, sql: &str) -> String {
        psql(&mut self.client("pgbouncer"), sql).unwrap_or_else(|e| panic!("{sql}: {e}\n{}", self.log()))
    }
}

/// A running nginx.
pub struct Nginx {
    port: u16,
    _process: Process,
    dir: TempDir,
}

impl Nginx {
    fn binary(mainline: bool) -> PathBuf {
        servers().join("bin").join(if mainline { "nginx-mainline" } else { "nginx" })
    }

    /// Starts Debian's (1.22), or a newer one, with the configuration made for a free port.
    #[track_caller]
    pub fn start(mainline: bool, config: impl FnOnce(u16) -> String) -> Self {
        let dir = server_dir();
        let port = free_port();
        let file = dir.path().join("nginx.conf");
        // Where the package keeps its temporary files, this user may not write.
        let temporary = if mainline {
            &["client_body", "proxy"][..]
        } else {
            &["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        };
        let paths: String = temporary.iter().map(|t| format!(" {t}_temp_path {t};")).collect();
        write_for_server(&file, &config(port).replacen("http {", &format!("http {{ access_log access.log;{paths}"), 1));
        let mut command = as_server_user(Self::binary(mainline));
        command.arg("-p").arg(dir.path()).arg("-c").arg(&file);
        command.args(["-e", "stderr", "-g", "daemon off; pid nginx.pid;"]);
        let process = start(command, dir.path(), port).unwrap_or_else(|log| panic!("nginx does not start: {log}"));
        Nginx { port, _process: process, dir }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The worker processes.
    pub fn workers(&self) -> Vec<u32> {
        let master = self._process.pid();
        let children = fs::read_to_string(format!("/proc/{master}/task/{master}/children")).unwrap_or_default();
        children.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
    }

    /// Has it read its configuration again.
    pub fn reload(&self) {
        self._process.signal(nix::sys::signal::Signal::SIGHUP);
    }

    /// The whole answer to a GET of `path`, head and body.
    pub fn get(&self, path: &str) -> String {
        self.get_with(path, "")
    }

    /// The same with more lines in the request's head, each with its line end.
    pub fn get_with(&self, path: &str, head: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("nginx listens");
        write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n{head}\r\n").expect("nginx reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("nginx answers");
        answer
    }
}
