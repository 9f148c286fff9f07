//! What end-to-end tests stand on: [`Llmsql`] runs the program, [`Postgres`], [`PgBouncer`] and [`Nginx`] are real
//! servers in folders of their own that end with the value, also when a test panics or is killed.
//!
//! The servers come from the folder that `tools/test-servers` fills (`./check` runs it): `.cache/servers`, or
//! `LLMSQL_TEST_SERVERS`. As root they run as another user, since PostgreSQL refuses to run as root.
#![allow(dead_code, unused_imports, reason = "each test module uses the part that it needs")]

pub mod faults;
mod llmsql;
mod planned;
mod postgres;
mod proxies;
mod tmpfs;

pub use llmsql::{Llmsql, Run, Started};
pub use planned::Planned;
pub use postgres::{Builder, Postgres, home, psql};
pub use proxies::{Daemon, Nginx, PgBouncer};
pub use tmpfs::Tmpfs;

use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, User, geteuid};
use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long a server may take to start or stop, on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(90);

/// The folder that `tools/test-servers` fills.
pub fn servers() -> PathBuf {
    let dir = std::env::var_os("LLMSQL_TEST_SERVERS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join(".cache/servers"), PathBuf::from);
    assert!(
        dir.join("installed").exists(),
        "the test servers are not installed in {}: run ./check (or tools/test-servers) once",
        dir.display()
    );
    // The servers' user may not be let into the folder where the link stands.
    fs::canonicalize(dir).expect("a folder that is there")
}

/// A program of the test servers' `bin`: nginx, nginx-mainline, pgbouncer, strace, zsh, fish, mandoc, fio.
pub fn program(name: &str) -> Command {
    Command::new(servers().join("bin").join(name))
}

/// Python with pg-configurator, jsonschema and gixy, and with PyYAML, which docker-compose needs too.
pub fn python() -> Command {
    let mut command = Command::new("python3");
    let (own, debian) = (servers().join("python"), servers().join("debian/usr/lib/python3/dist-packages"));
    let path = format!("{}:{}", own.display(), debian.display());
    command.env("PYTHONPATH", path).env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// The user who runs the servers, where tests run as root.
fn server_user() -> Option<User> {
    if !geteuid().is_root() {
        return None;
    }
    let name = fs::read_to_string(servers().join("user")).expect("tools/test-servers has to be run as root as well");
    Some(User::from_name(name.trim()).expect("users can be read").expect("tools/test-servers has added the user"))
}

/// Gives a path to the user who runs the servers.
pub fn give_to_server_user(path: &Path) {
    if let Some(user) = server_user() {
        std::os::unix::fs::chown(path, Some(user.uid.as_raw()), Some(user.gid.as_raw())).expect("root may chown");
    }
}

/// A command run as the user who runs the servers, told to end when the thread that started it is gone.
pub fn as_server_user(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    command.arg("--pdeathsig=INT");
    if let Some(user) = server_user() {
        command.arg(format!("--reuid={}", user.uid)).arg(format!("--regid={}", user.gid)).arg("--clear-groups");
    }
    command.arg("--").arg(program).env("LC_ALL", "C").stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PG") {
            command.env_remove(name);
        }
    }
    command
}

/// A folder that the servers' user owns and everybody may look into.
pub fn server_dir() -> TempDir {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::Builder::new().prefix("llmsql-").tempdir().expect("a temporary folder");
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).expect("its mode");
    give_to_server_user(dir.path());
    dir
}

/// Writes a file that the servers' user owns.
pub fn write_for_server(path: &Path, text: &str) {
    fs::write(path, text).expect("a file in a temporary folder");
    give_to_server_user(path);
}

/// A TCP port of the loopback interface that nobody listens on, and that no other test is given while this process
/// lives. It lies below those that the kernel gives to connections, which could take it before the server does.
pub fn free_port() -> u16 {
    static HELD: Mutex<Vec<Flock<File>>> = Mutex::new(Vec::new());
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let locks = std::env::temp_dir().join("llmsql-test-ports");
    fs::create_dir_all(&locks).expect("a folder");
    loop {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        assert!(step < 100_000, "no port is free");
        let port = 12_000 + u16::try_from((std::process::id() * 97 + step) % 20_000).expect("a small number");
        let Ok(file) = File::create(locks.join(port.to_string())) else { continue };
        let Ok(lock) = Flock::lock(file, FlockArg::LockExclusiveNonblock) else { continue };
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            HELD.lock().expect("no test has panicked here").push(lock);
            return port;
        }
    }
}

/// Asks until the answer is `Some` or patience ends.
pub fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(start.elapsed() < PATIENCE, "waited {PATIENCE:?} for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A server's process, ended with the value.
struct Process(Child);

impl Process {
    fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.0.id()).expect("a process id"))
    }

    fn has_ended(&mut self) -> bool {
        self.0.try_wait().expect("the state of a child").is_some()
    }

    fn signal(&self, signal: Signal) {
        // The process may have ended by itself.
        let _ = kill(self.pid(), signal);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The number of one that has ended may by now be another's, even that of the tests.
        if !self.has_ended() {
            self.signal(Signal::SIGINT);
        }
        let start = Instant::now();
        while !self.has_ended() && start.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
