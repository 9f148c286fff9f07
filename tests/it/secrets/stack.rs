//! An env file with its server, its PgBouncer and its llmsql.toml.

use crate::support::{Llmsql, PgBouncer, Postgres, Run, give_to_server_user, write_for_server};
use llmsql::formats::{dotenv, userlist};
use llmsql::postgres::connect::Blocking;
use llmsql::postgres::conninfo::{Environment, resolve};
use secrecy::ExposeSecret;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// The env file the tests begin with: comments, quotes, CRLF and a URL with the password in it.
pub const ENV: &str = "# the stack's secrets\r\nexport APP_USER=app\r\nAPP_PASSWORD=\"old-app-password-1\"  # rotated\r\n\
                       DATABASE_URL='postgresql://app:old-app-password-1@127.0.0.1/shop'\r\nSECRET_KEY=0123456789abcdef0123456789abcdef\r\n\
                       JWT_SECRET_KEY=fedcba9876543210fedcba9876543210\r\nAPI_KEY_SALT=00112233445566778899aabbccddeeff\r\n";

pub const OLD: &str = "old-app-password-1";

pub struct Stack {
    pub server: Postgres,
    pub bouncer: Option<PgBouncer>,
    dir: TempDir,
}

impl Stack {
    /// A server with the role `app` in two databases, and a PgBouncer that knows it by a userlist.
    pub fn new() -> Self {
        let server = server("");
        let bouncer =
            bouncer(&server, "auth_type = scram-sha-256", &format!("\"app\" \"{}\"\n", verifier(&server, "app")));
        Self::of(server, Some(bouncer))
    }

    /// The same without PgBouncer, and with this more in the server's configuration.
    pub fn without_bouncer(config: &str) -> Self {
        Self::of(server(config), None)
    }

    /// Two roles of one group that take turns, `app` and `app_b`, behind PgBouncer.
    pub fn alternating() -> Self {
        let stack = Self::new();
        stack.server.query("CREATE ROLE app_b LOGIN; CREATE ROLE apps; GRANT apps TO app, app_b");
        stack.configure("reload = [\"true\"]", "databases = [\"shop\"]\nalternate = [\"app\", \"app_b\"]");
        stack
    }

    pub fn of(server: Postgres, bouncer: Option<PgBouncer>) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let stack = Stack { server, bouncer, dir };
        stack.write_env(ENV);
        stack.configure("reload = [\"true\"]", "databases = [\"shop\", \"second\"]");
        stack
    }

    /// Writes llmsql.toml with these lines in `[secrets]` and in the entry of APP_PASSWORD.
    pub fn configure(&self, section: &str, entry: &str) {
        let ini =
            self.bouncer.as_ref().map_or_else(String::new, |b| b.dir().join("pgbouncer.ini").display().to_string());
        let text = format!(
            "[secrets]\npgbouncer_ini = \"{ini}\"\n{section}\n[secrets.entries.APP_PASSWORD]\nuser_entry = \"APP_USER\"\n{entry}\n"
        );
        fs::write(self.path("llmsql.toml"), text).expect("a file");
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub fn write_env(&self, text: &str) {
        fs::write(self.path(".env"), text).expect("a file");
        fs::set_permissions(self.path(".env"), fs::Permissions::from_mode(0o600)).expect("its mode");
    }

    pub fn env(&self) -> String {
        fs::read_to_string(self.path(".env")).expect("the env file")
    }

    /// The value of a name in the env file.
    pub fn value(&self, name: &str) -> String {
        let document = dotenv::Document::parse(self.env().as_bytes());
        document.get(name).map(|v| v.expose_secret().to_owned()).unwrap_or_default()
    }

    pub fn userlist(&self) -> PathBuf {
        self.bouncer.as_ref().expect("a PgBouncer").dir().join("userlist.txt")
    }

    /// What the userlist holds for a role.
    pub fn listed(&self, role: &str) -> Option<String> {
        let document = userlist::Document::parse(&fs::read(self.userlist()).expect("the userlist"));
        document.get(role).map(|s| s.expose_secret().to_owned())
    }

    /// A run of the program beside the env file, with the state in the same folder.
    pub fn llmsql(&self) -> Llmsql {
        Llmsql::new().dir(self.dir()).env("STATE_DIRECTORY", self.path("state")).env("HOME", self.dir())
    }

    /// The same with the server's superuser as the connection.
    pub fn secrets(&self, arguments: &[&str]) -> Llmsql {
        let dsn = format!("postgresql://postgres@127.0.0.1:{}/postgres", self.server.port());
        let run = self.llmsql().arg("secrets").args(arguments);
        if ["init", "status"].contains(&arguments[0]) { run } else { run.args(["--dsn", &dsn]) }
    }

    pub fn rotate(&self, arguments: &[&str]) -> Run {
        self.secrets(&[&["rotate"], arguments, &["--yes"]].concat()).run()
    }

    /// Whether a role logs in to the server itself.
    pub fn logs_in(&self, role: &str, password: &str) -> bool {
        logs_in(self.server.port(), role, password)
    }

    /// Whether a role logs in through PgBouncer.
    pub fn passes(&self, role: &str, password: &str) -> bool {
        logs_in(self.bouncer.as_ref().expect("a PgBouncer").port(), role, password)
    }

    /// Env file, server and userlist hold the same password, which logs in everywhere.
    #[track_caller]
    pub fn agrees(&self) {
        self.secrets(&["verify"]).run().success();
        let (role, password) = (self.value("APP_USER"), self.value("APP_PASSWORD"));
        assert!(self.logs_in(&role, &password));
        if self.bouncer.is_some() {
            assert!(self.passes(&role, &password));
            assert_eq!(self.listed(&role), Some(verifier(&self.server, &role)), "the same bytes in both");
        }
        assert!(self.value("DATABASE_URL").contains(&format!("//{role}:{password}@")));
        assert!(!self.path(".env.llmsql-pending").exists());
        for path in
            self.files().into_iter().filter(|p| p.starts_with(self.path("state/secrets")) || p.ends_with(".env"))
        {
            assert_eq!(fs::metadata(&path).expect("a file").permissions().mode() & 0o777, 0o600, "{}", path.display());
        }
    }

    /// Every file below the env file's folder and PgBouncer's.
    fn files(&self) -> Vec<PathBuf> {
        let mut todo: Vec<PathBuf> = vec![self.dir().to_owned()];
        todo.extend(self.bouncer.as_ref().map(|b| b.dir().to_owned()));
        let mut files = Vec::new();
        while let Some(dir) = todo.pop() {
            for entry in fs::read_dir(dir).expect("a folder").flatten() {
                let kind = entry.file_type().expect("its type");
                if kind.is_dir() { todo.push(entry.path()) } else { files.push(entry.path()) }
            }
        }
        files
    }

    /// Temporary files of the program's.
    pub fn left_behind(&self) -> Vec<String> {
        let name = |p: &PathBuf| p.file_name().is_some_and(|n| n.to_string_lossy().contains("llmsql-"));
        self.files().iter().filter(|p| name(p)).map(|p| p.display().to_string()).collect()
    }
}

/// Whether a role logs in to the database `shop` at a port of the loopback interface and is answered.
pub fn logs_in(port: u16, role: &str, password: &str) -> bool {
    let dsn = format!("host=127.0.0.1 port={port} dbname=shop user={role} password={password}");
    let info = resolve(Some(&dsn), &Environment::default()).expect("a connection string");
    Blocking::open(&info).and_then(|session| session.batch("SELECT 1")).is_ok()
}

/// What the server holds for a role.
pub fn verifier(server: &Postgres, role: &str) -> String {
    server.query(&format!("SELECT rolpassword FROM pg_authid WHERE rolname = '{role}'"))
}

/// A server that trusts its superuser and wants SCRAM of everybody else.
pub fn server(config: &str) -> Postgres {
    let server = Postgres::new(18).config(config).start();
    let hba = "local all all trust\nhost all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n";
    write_for_server(&server.data_dir().join("pg_hba.conf"), hba);
    server.reload();
    server.query("CREATE DATABASE shop");
    server.query("CREATE DATABASE second");
    server.query(&format!("CREATE ROLE app LOGIN PASSWORD '{OLD}'"));
    crate::support::wait_for("pg_hba.conf to be read", || (!logs_in(server.port(), "app", "wrong")).then_some(()));
    server
}

/// A PgBouncer before it, with these lines more in `[pgbouncer]` and this userlist.
pub fn bouncer(server: &Postgres, lines: &str, list: &str) -> PgBouncer {
    PgBouncer::with(|dir, port| {
        write_for_server(&dir.join("userlist.txt"), list);
        fs::set_permissions(dir.join("userlist.txt"), fs::Permissions::from_mode(0o600)).expect("its mode");
        give_to_server_user(&dir.join("userlist.txt"));
        let here = dir.display();
        format!(
            "[databases]\nshop = host=127.0.0.1 port={0}\nsecond = host=127.0.0.1 port={0}\n\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nunix_socket_dir = {here}\nauth_file = {here}/userlist.txt\nlogfile =\npidfile = {here}/pid\n\
             pool_mode = transaction\nserver_login_retry = 1\n{lines}\n",
            server.port()
        )
    })
}
