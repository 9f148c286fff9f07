//! PgBouncer as its file describes it: where it listens, whom it lets in, and having it read its files anew.

use crate::error::{Error, Exit, Result};
use crate::formats::ini::Document;
use crate::output::file;
use crate::postgres::connect::Session;
use crate::postgres::conninfo::{Conninfo, Environment, Server, quote, resolve};
use crate::root::Root;
use crate::secrets::catalogue::Config;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use secrecy::SecretString;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where Debian and most others keep its file.
const DEFAULT: &str = "/etc/pgbouncer/pgbouncer.ini";

/// How deep `%include` may go.
const DEEPEST: usize = 10;

/// One entry of `[databases]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Database {
    /// The server's database, where it is another than the entry's name.
    dbname: Option<String>,
    /// A role that every client of this entry becomes.
    user: Option<String>,
    /// Whether that role's password stands in the entry itself.
    password: bool,
}

/// A PgBouncer.
#[derive(Debug, Clone)]
pub struct Pooler {
    /// Its file.
    pub ini: PathBuf,
    /// Its `auth_file`, links followed.
    pub userlist: Option<PathBuf>,
    /// Whether it asks the server for verifiers it does not have.
    pub auth_query: bool,
    settings: BTreeMap<String, String>,
    databases: Vec<(String, Database)>,
}

impl Pooler {
    /// The PgBouncer of this host: the configured one, or the one at its usual place; `None` where there is none.
    ///
    /// # Errors
    /// A configured file that is not there; one that cannot be read.
    pub fn find(config: &Config, root: &Root) -> Result<Option<Pooler>> {
        let path = match &config.pgbouncer_ini {
            Some(path) if path.as_os_str().is_empty() => return Ok(None),
            Some(path) => path.clone(),
            None => {
                let wrong = |e| Error::failed("secrets.pgbouncer", "cannot be found").at(DEFAULT).because(e);
                let path = root.resolve(DEFAULT).map_err(wrong)?;
                if !path.exists() {
                    return Ok(None);
                }
                path
            }
        };
        let mut pooler = Pooler {
            ini: path.clone(),
            userlist: None,
            auth_query: false,
            settings: BTreeMap::new(),
            databases: Vec::new(),
        };
        pooler.read(&path, DEEPEST)?;
        let beside = |name: &String| file::folder(&path).join(name);
        pooler.userlist = pooler.setting("auth_file").map(beside).map(|p| file::target(&p)).transpose()?;
        // Both a user to ask as and the query, which has a default, belong to it.
        pooler.auth_query = pooler.setting("auth_user").is_some();
        Ok(Some(pooler))
    }

    fn read(&mut self, path: &Path, deep: usize) -> Result<()> {
        let bytes = fs::read(path).map_err(|e| {
            Error::failed("secrets.pgbouncer", "PgBouncer's file cannot be read").at(path.display()).because(e)
        })?;
        let document = Document::parse(&bytes);
        for entry in document.entries() {
            match entry.section {
                "pgbouncer" if !entry.value.is_empty() => {
                    self.settings.insert(entry.key.to_owned(), entry.value.to_owned());
                }
                "databases" => self.databases.push((entry.key.to_owned(), database(entry.value))),
                _ => {}
            }
        }
        for (_, included) in document.includes().filter(|_| deep > 0) {
            self.read(&file::folder(path).join(included), deep - 1)?;
        }
        Ok(())
    }

    /// How it uses TLS towards the servers: `server_tls_sslmode`.
    #[must_use]
    pub fn server_tls(&self) -> &str {
        self.setting("server_tls_sslmode").map_or("prefer", String::as_str)
    }

    fn setting(&self, name: &str) -> Option<&String> {
        self.settings.get(name)
    }

    /// The entry of `[databases]` through which clients of a database come; `None` where none leads to it. An entry that
    /// makes every client one role proves nothing of another.
    #[must_use]
    pub fn entry_for(&self, role: &str, wanted: &str) -> Option<String> {
        let fits = |(name, database): &&(String, Database)| {
            let leads = database.dbname.as_deref().map_or(name == wanted || name == "*", |d| d == wanted);
            leads && database.user.as_deref().is_none_or(|user| user == role)
        };
        let (name, _) = self.databases.iter().find(fits)?;
        Some(if name == "*" { wanted.to_owned() } else { name.clone() })
    }

    /// Whether an entry logs in to the server as this role whoever the client is, which takes its password in clear.
    #[must_use]
    pub fn forces(&self, role: &str) -> bool {
        self.databases.iter().any(|(_, d)| d.user.as_deref() == Some(role))
    }

    /// The entry of `[databases]` that holds the role's password itself.
    #[must_use]
    pub fn holds_password_of(&self, role: &str) -> Option<&str> {
        let holds = |(_, d): &&(String, Database)| d.password && d.user.as_deref().is_none_or(|user| user == role);
        self.databases.iter().find(holds).map(|(name, _)| name.as_str())
    }

    /// Whether it can be told to read its files anew, without doing so.
    ///
    /// # Errors
    /// Neither a signal nor its console is open to us (13).
    pub async fn can_reload(&self) -> Result<()> {
        if self.process().is_some_and(|pid| kill(pid, None).is_ok()) {
            Ok(())
        } else {
            self.console("SHOW VERSION").await
        }
    }

    /// How long a login may wait after a change: where one to the server has failed it tries none for
    /// `server_login_retry` (15 s unless set).
    #[must_use]
    pub fn patience(&self) -> Duration {
        let retry = self.setting("server_login_retry").and_then(|s| s.parse().ok()).unwrap_or(15.0_f64);
        Duration::from_secs_f64(retry.clamp(0.0, 120.0) + 10.0)
    }

    /// How a role logs in through it.
    ///
    /// # Errors
    /// None in practice: those of [`resolve`].
    pub fn login(&self, role: &str, entry: &str, password: &SecretString) -> Result<Conninfo> {
        let mut info = self.conninfo(role, entry, &Environment::default())?;
        give_password(&mut info, password);
        Ok(info)
    }

    fn conninfo(&self, role: &str, entry: &str, environment: &Environment) -> Result<Conninfo> {
        let address = match self.setting("listen_addr").map(|a| a.split(',').next().unwrap_or(a).trim()) {
            Some("*" | "0.0.0.0") => "127.0.0.1".to_owned(),
            Some("::") => "::1".to_owned(),
            Some(address) => address.to_owned(),
            None => self.setting("unix_socket_dir").cloned().unwrap_or_else(|| "/tmp".to_owned()),
        };
        let port = self.setting("listen_port").map_or("6432", String::as_str);
        let dsn = format!(
            "host={} port={} dbname={} user={} connect_timeout=15",
            quote(&address),
            quote(port),
            quote(entry),
            quote(role)
        );
        resolve(Some(&dsn), environment)
    }

    /// Has it read its files anew: by SIGHUP where we may send it one, else through its console.
    ///
    /// # Errors
    /// Neither is possible (exit 13).
    pub async fn reload(&self) -> Result<()> {
        if let Some(pid) = self.process()
            && kill(pid, Signal::SIGHUP).is_ok()
        {
            return Ok(());
        }
        self.console("RELOAD").await
    }

    /// Runs a command of its console, as the first of its admin users whose login works.
    async fn console(&self, command: &str) -> Result<()> {
        let mut last = None;
        for user in self.setting("admin_users").map_or("pgbouncer", String::as_str).split(',') {
            let info = self.conninfo(user.trim(), "pgbouncer", &Environment::process())?;
            match Session::open(&info).await {
                Ok(console) => match console.batch(command).await {
                    Ok(()) => return Ok(()),
                    Err(e) => last = Some(e),
                },
                Err(e) => last = Some(e),
            }
        }
        let error = Error::new(Exit::Precondition, "secrets.reload", "PgBouncer cannot be told to read its files anew")
            .at(self.ini.display())
            .next(
                "run this as root or as PgBouncer's user, or put the password of one of its admin_users into ~/.pgpass",
            );
        Err(match last {
            Some(cause) => error.because(cause),
            None => error,
        })
    }

    /// Its process: the one its pid file names, if that is a PgBouncer, else the one that was started with its file.
    fn process(&self) -> Option<Pid> {
        let is_pooler =
            |pid: &i32| fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|c| c.trim() == "pgbouncer");
        let noted =
            self.setting("pidfile").and_then(|path| fs::read_to_string(file::folder(&self.ini).join(path)).ok());
        let noted = noted.and_then(|text| text.trim().parse().ok()).filter(is_pooler);
        let own = fs::canonicalize(&self.ini).ok()?;
        let started_with_it = |pid: &i32| {
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            line.split(|b| *b == 0).any(|word| {
                let word = Path::new(std::ffi::OsStr::new(std::str::from_utf8(word).unwrap_or_default()));
                word.is_absolute() && fs::canonicalize(word).is_ok_and(|p| p == own)
            })
        };
        let found = || {
            let names = fs::read_dir("/proc").ok()?.flatten().map(|e| e.file_name());
            names.filter_map(|n| n.to_str()?.parse().ok()).filter(is_pooler).find(started_with_it)
        };
        noted.or_else(found).map(Pid::from_raw)
    }
}

/// Every server of a connection gets this password.
pub fn give_password(info: &mut Conninfo, password: &SecretString) {
    for Server { password: slot, password_from, .. } in &mut info.servers {
        *slot = Some(password.clone());
        *password_from = Some("the env file".to_owned());
    }
}

/// `dbname` and `user` of `key=value key='a value'`.
fn database(text: &str) -> Database {
    let mut out = Database::default();
    let mut rest = text.trim_start();
    while let Some((key, behind)) = rest.split_once('=') {
        let behind = behind.trim_start();
        let (value, next) = match behind.strip_prefix('\'') {
            Some(inside) => quoted(inside),
            None => behind.split_once(char::is_whitespace).map_or((behind.to_owned(), ""), |(v, n)| (v.to_owned(), n)),
        };
        match key.trim() {
            "dbname" => out.dbname = Some(value),
            "user" => out.user = Some(value),
            "password" => out.password = true,
            _ => {}
        }
        rest = next.trim_start();
    }
    out
}

/// A value in single quotes, doubled inside, and what stands behind it.
fn quoted(inside: &str) -> (String, &str) {
    let mut value = String::new();
    let mut rest = inside;
    loop {
        match rest.split_once('\'') {
            Some((part, behind)) => {
                value.push_str(part);
                match behind.strip_prefix('\'') {
                    Some(more) => {
                        value.push('\'');
                        rest = more;
                    }
                    None => return (value, behind),
                }
            }
            None => return (value + rest, ""),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pooler(ini: &str) -> Pooler {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pgbouncer.ini");
        fs::write(dir.path().join("more.ini"), "[databases]\nlate = dbname=shop\n").unwrap();
        fs::write(&path, ini).unwrap();
        Pooler::find(&Config { pgbouncer_ini: Some(path), ..Config::default() }, &Root::live()).unwrap().unwrap()
    }

    #[test]
    fn its_file_says_where_clients_go() {
        let found = pooler(
            "[databases]\na = host=x dbname='my db' user=app\nb = host=y\n[pgbouncer]\nauth_file = u.txt\nlisten_addr = *\n\
             listen_port = 6543\n%include more.ini\n",
        );
        assert_eq!(found.entry_for("app", "my db").as_deref(), Some("a"));
        assert_eq!(found.entry_for("other", "my db"), None);
        assert_eq!(found.entry_for("other", "b").as_deref(), Some("b"));
        assert_eq!(found.entry_for("other", "shop").as_deref(), Some("late"));
        assert!(found.forces("app") && !found.forces("other") && !found.auth_query);
        assert!(found.userlist.as_ref().unwrap().ends_with("u.txt"));
        let info = found.login("o'dd", "b", &"x".into()).unwrap();
        assert_eq!((info.servers[0].place().as_str(), info.user.as_str()), ("127.0.0.1:6543", "o'dd"));
        let any = pooler("[databases]\n* = host=x\n[pgbouncer]\nauth_user = asker\n");
        assert_eq!(any.entry_for("r", "d").as_deref(), Some("d"));
        assert!(any.auth_query && any.userlist.is_none());
    }

    #[test]
    fn no_pooler_is_no_error() {
        let config = Config { pgbouncer_ini: Some(PathBuf::new()), ..Config::default() };
        assert!(Pooler::find(&config, &Root::live()).unwrap().is_none());
        let config = Config { pgbouncer_ini: Some("/no/such/file".into()), ..Config::default() };
        assert!(Pooler::find(&config, &Root::live()).is_err());
    }
}
