//! A PostgreSQL server.

use super::{Process, as_server_user, free_port, server_dir, servers, wait_for, write_for_server};
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// The superuser, and the name of the database that clients use.
pub const USER: &str = "postgres";

/// How a server is to be started.
pub struct Builder {
    home: PathBuf,
    fragment: String,
    wal_segment_mb: Option<u32>,
    primary: Option<u16>,
}

impl Builder {
    /// Configuration that `conf.d/50-test.conf` holds. Port and sockets are the test's, whatever it says.
    #[must_use]
    pub fn config(mut self, fragment: &str) -> Self {
        self.fragment.push_str(fragment);
        self.fragment.push('\n');
        self
    }

    /// Has it made with WAL segments of this size.
    #[must_use]
    pub fn wal_segments_of(mut self, megabytes: u32) -> Self {
        self.wal_segment_mb = Some(megabytes);
        self
    }

    /// Makes it a standby of another server of the same version.
    #[must_use]
    pub fn standby_of(mut self, primary: &Postgres) -> Self {
        self.primary = Some(primary.port());
        self
    }

    /// The command that makes the data folder.
    fn make(&self, data: &Path) -> Command {
        if let Some(port) = self.primary {
            let mut command = as_server_user(self.home.join("bin/pg_basebackup"));
            let conninfo = format!("host=127.0.0.1 port={port} user={USER}");
            command.args(["-R", "--no-sync", "--checkpoint=fast", "-d", &conninfo, "-D"]).arg(data);
            return command;
        }
        let mut command = as_server_user(self.home.join("bin/initdb"));
        command.args(["--no-sync", "--auth=trust", "--encoding=UTF8", "--locale=C", "--username", USER, "-D"]);
        command.arg(data).args(self.wal_segment_mb.map(|mb| format!("--wal-segsize={mb}")));
        command
    }

    /// Starts it.
    #[track_caller]
    pub fn start(self) -> Postgres {
        self.try_start().unwrap_or_else(|log| panic!("PostgreSQL does not start: {log}"))
    }

    /// Starts it, or says with its log why it does not start.
    pub fn try_start(self) -> Result<Postgres, String> {
        let dir = server_dir();
        let data = dir.path().join("data");
        let made = self.make(&data).output().expect("setpriv can be run");
        assert!(made.status.success(), "the data folder: {}", String::from_utf8_lossy(&made.stderr));
        // A standby has its primary's.
        fs::create_dir_all(data.join("conf.d")).expect("a folder in the data folder");
        super::give_to_server_user(&data.join("conf.d"));
        let conf = data.join("postgresql.conf");
        let text = fs::read_to_string(&conf).expect("initdb has written it") + "\ninclude_dir = 'conf.d'\n";
        write_for_server(&conf, &text);
        write_for_server(&data.join("conf.d/00-test.conf"), "fsync = off\n");
        write_for_server(&data.join("conf.d/50-test.conf"), &self.fragment);
        let mut server = Postgres { home: self.home, port: 0, process: None, dir };
        server.run()?;
        Ok(server)
    }
}

/// A running server with a superuser `postgres` who needs no password, on the loopback interface and on a socket in
/// its own folder. Its data is not flushed to disk.
pub struct Postgres {
    home: PathBuf,
    port: u16,
    process: Option<Process>,
    dir: TempDir,
}

impl Postgres {
    /// A server of this major version; 18 has pgvector, contrib and pgbench, and no TLS.
    #[allow(clippy::new_ret_no_self, reason = "a server begins as the builder of one")]
    pub fn new(major: u32) -> Builder {
        Builder { home: home(&major.to_string()), fragment: String::new(), wal_segment_mb: None, primary: None }
    }

    /// A server 18 built with TLS, without lz4; it has pgvector and no other extension.
    pub fn with_tls() -> Builder {
        Builder { home: home("18-tls"), fragment: String::new(), wal_segment_mb: None, primary: None }
    }

    /// The major versions that can be started here: 14 to 18, on arm64 15 to 18.
    pub fn majors() -> Vec<u32> {
        let majors: Vec<u32> =
            (14..=18).filter(|m| servers().join(format!("postgresql-{m}/bin/postgres")).exists()).collect();
        assert!(majors.len() >= 4, "the test servers lack versions of PostgreSQL: run ./check");
        majors
    }

    fn run(&mut self) -> Result<(), String> {
        // Between finding a free port and listening on it, another process may take it.
        for _ in 0..5 {
            self.port = free_port();
            if self.run_here()? {
                return Ok(());
            }
        }
        Err(self.log())
    }

    /// Starts it on its port; `false` where somebody else has taken that.
    fn run_here(&mut self) -> Result<bool, String> {
        let log = self.dir.path().join("log");
        let out = File::create(&log).expect("a log file");
        let child = as_server_user(self.home.join("bin/postgres"))
            .arg("-D")
            .arg(self.data_dir())
            .args(["-c", "listen_addresses=127.0.0.1", "-c", &format!("port={}", self.port)])
            .args(["-c", "logging_collector=off", "-c", "log_destination=stderr", "-c"])
            .arg(format!("unix_socket_directories={}", self.dir.path().display()))
            .current_dir(self.dir.path())
            .stdout(out.try_clone().expect("a second handle"))
            .stderr(out)
            .spawn()
            .expect("setpriv can be run");
        let mut process = Process(child);
        let pid_file = self.data_dir().join("postmaster.pid");
        let ready = wait_for("PostgreSQL to start", || {
            if process.has_ended() {
                return Some(false);
            }
            let text = fs::read_to_string(&pid_file).unwrap_or_default();
            // One that was killed has left its own.
            let own = text.lines().next().is_some_and(|pid| pid == process.pid().to_string());
            (own && text.lines().nth(7).is_some_and(|state| state.trim() == "ready")).then_some(true)
        });
        if ready {
            self.process = Some(process);
            return Ok(true);
        }
        if self.log().contains("Address already in use") { Ok(false) } else { Err(self.log()) }
    }

    /// Kills it, with no time to end anything.
    pub fn kill(&mut self) {
        self.process().signal(Signal::SIGKILL);
        wait_for("PostgreSQL to end", || self.process.as_mut().expect("a server").has_ended().then_some(()));
        self.process = None;
    }

    /// Starts it again after a kill, on the same port.
    pub fn start_again(&mut self) {
        // The killed one's children may hold its memory for a moment.
        wait_for("PostgreSQL to start again", || self.run_here().is_ok_and(|started| started).then_some(()));
    }

    /// Stops it (fast) and starts it again, on another port.
    ///
    /// # Errors
    /// Its log, where it does not start.
    pub fn restart(&mut self) -> Result<(), String> {
        self.process = None;
        self.run()
    }

    /// Has it read its configuration again.
    pub fn reload(&self) {
        self.process().signal(Signal::SIGHUP);
    }

    fn process(&self) -> &Process {
        self.process.as_ref().expect("the server has been started")
    }

    /// The postmaster.
    pub fn pid(&self) -> Pid {
        self.process().pid()
    }

    /// The folder of everything that belongs to it, and of its socket.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// The folder of configuration fragments, read in the order of their names after `00-test.conf`.
    pub fn conf_dir(&self) -> PathBuf {
        self.data_dir().join("conf.d")
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    /// A connection string over TCP.
    pub fn dsn(&self) -> String {
        format!("postgresql://{USER}@127.0.0.1:{}/{USER}", self.port)
    }

    /// A program of the same installation, or of 18's where it has none: `pgbench`, `pg_dump`; connected by `PG*`.
    pub fn client(&self, program: &str) -> Command {
        let own = self.home.join("bin").join(program);
        let path = if own.exists() { own } else { home("18").join("bin").join(program) };
        let mut command = Command::new(path);
        command.env("PGHOST", "127.0.0.1").env("PGPORT", self.port.to_string());
        command.env("PGUSER", USER).env("PGDATABASE", USER);
        command
    }

    /// What a statement answers, as psql prints it unaligned.
    #[track_caller]
    pub fn query(&self, sql: &str) -> String {
        self.try_query(sql).unwrap_or_else(|e| panic!("{sql}: {e}"))
    }

    /// What a statement answers, or its error.
    pub fn try_query(&self, sql: &str) -> Result<String, String> {
        psql(&mut self.client("psql"), sql)
    }

    #[track_caller]
    pub fn show(&self, setting: &str) -> String {
        self.query(&format!("SHOW {setting}"))
    }
}

/// Runs one statement through psql.
pub fn psql(command: &mut Command, sql: &str) -> Result<String, String> {
    let output = command.args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-c", sql]).output().expect("psql can be run");
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).trim_end().to_owned())
    }
}

/// The folder of one installation.
pub fn home(version: &str) -> PathBuf {
    let home = servers().join(format!("postgresql-{version}"));
    assert!(home.join("bin/postgres").exists(), "there is no PostgreSQL {version} in {}", servers().display());
    home
}
