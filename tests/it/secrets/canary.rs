//! Every command of the program is run with known secrets, and then everything that others could read is searched for
//! them: what it printed, arguments and environment of every child, what it left on disk, the server's log.

use super::stack::{Stack, verifier};
use crate::apply::tree::{PASSWORD, Tree};
use crate::support::{Run, server_dir};
use clap::CommandFactory;
use llmsql::formats::dotenv;
use secrecy::ExposeSecret;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

const ADMIN: &str = "canary-admin-4711";
const GIVEN: &str = "canary-given-0815";

/// Names of the env file whose values are no secrets.
const PLAIN: &[&str] = &["APP_USER", "JWT_ALGORITHM", "JWT_EXPIRE_MINUTES", "POSTGRES_DB"];

const ENV: &str = "APP_USER=app\nAPP_PASSWORD=old-app-password-1\nDATABASE_URL=postgresql://app:old-app-password-1@127.0.0.1/shop\n\
                   SECRET_KEY=canary-secret-key-1\nJWT_SECRET_KEY=canary-jwt-key-0123456789abcdef\nJWT_ALGORITHM=HS256\n\
                   API_KEY_SALT=canary-salt-0123456789\nMYSQL_PASSWORD=canary-mysql-1234\nGRAFANA_PASSWORD=canary-grafana-12\n";

/// How every command is run, by its path in the program's own definition; several lines where it has several ways. A
/// command that is not listed is run by itself on the tree.
const RUNS: &[(&str, &[&str])] = &[
    ("facts", &["", "--format json"]),
    ("plan", &["{tree}", "{tree} --format json", "--facts {facts}"]),
    ("explain", &["shared_buffers {tree}"]),
    ("render", &["{tree} --out {out}"]),
    ("diff", &["{tree} --unified", "{tree} --save {plan}"]),
    ("apply", &["{tree} --dry-run", "{tree} --yes"]),
    ("history", &["{tree} --format json"]),
    ("rollback", &["{tree} --yes"]),
    ("recover", &["{tree}"]),
    ("profile show", &["small"]),
    ("config get", &["host.ram"]),
    ("config set", &["host.ram 8GB"]),
    ("config list", &["", "--format json"]),
    ("config unset", &["host.ram"]),
    ("completions", &["bash"]),
    ("index plan", &["--all-databases"]),
    ("index rebuild", &["--all --database shop"]),
    ("index recall", &["--database shop"]),
    ("secrets init", &["--env-file {new}", "--env-file {new} --fill"]),
    ("secrets status", &["", "--format json"]),
    ("secrets verify", &["", "--format json"]),
    (
        "secrets rotate",
        &[
            "APP_PASSWORD --dry-run",
            "--all --yes",
            "--all --yes --format json",
            "APP_PASSWORD --value - --yes",
            "API_KEY_SALT --yes",
        ],
    ),
    ("secrets restore", &["--list", "--yes", "--yes --format json"]),
    ("secrets recover", &["--yes"]),
    ("apikey create", &["--name ada --map {map}"]),
    ("apikey list", &["--map {map}", "--map {map} --format json"]),
    ("apikey check", &["{key}"]),
    ("apikey rotate", &["{id} --keep-old --map {map}"]),
    ("apikey revoke", &["{id} --map {map}"]),
    ("token mint", &["--subject ada"]),
    ("token verify", &["{token}"]),
    ("token inspect", &["{token}"]),
    ("token public", &[""]),
    ("harden check", &["", "--format json"]),
    ("harden apply", &["--readonly-role reader --dry-run", "--readonly-role reader --yes"]),
    ("harden rollback", &["--yes"]),
    (
        "query",
        &[
            "--source {data} --sql SELECT+1",
            "--source {data} how+many+rows",
            "--source {shop} --sql SELECT+count(*)+FROM+docs",
        ],
    ),
    ("query history", &["", "--format json"]),
    ("schema", &["--source {shop}"]),
    ("export", &["--source {shop} --sql SELECT+count(*)+AS+n+FROM+docs -o {parquet}"]),
    ("duckdb check", &["{duckdb}"]),
    ("duckdb maintain", &["{duckdb}"]),
    ("extensions install", &["json"]),
];

/// Every command that does something, by its path.
fn leaves() -> Vec<String> {
    fn below(command: &clap::Command, path: &str, out: &mut Vec<String>) {
        let mut subs = command.get_subcommands().filter(|s| s.get_name() != "help").peekable();
        if subs.peek().is_none() || !command.is_subcommand_required_set() {
            out.push(path.to_owned());
        }
        for sub in subs {
            below(sub, format!("{path} {}", sub.get_name()).trim(), out);
        }
    }
    let mut out = Vec::new();
    below(&llmsql::cli::Cli::command(), "", &mut out);
    out
}

struct World {
    stack: Stack,
    tree: Tree,
    temp: tempfile::TempDir,
    /// Where in the server's log the test's own statements end.
    logged: usize,
    secrets: BTreeSet<String>,
}

impl World {
    fn new() -> Self {
        let stack = Stack::new();
        stack.write_env(ENV);
        stack.server.query(&format!("CREATE ROLE boss LOGIN SUPERUSER PASSWORD '{ADMIN}'"));
        let shop = |sql: &str| {
            let mut client = stack.server.client("psql");
            crate::support::psql(client.env("PGDATABASE", "shop"), sql).expect("a statement");
        };
        shop("CREATE EXTENSION vector");
        shop(
            "CREATE TABLE docs AS SELECT i AS id, ARRAY[sin(i), cos(i)]::vector(2) AS v FROM generate_series(1, 500) i",
        );
        shop("CREATE INDEX ON docs USING ivfflat (v vector_l2_ops) WITH (lists = 5)");
        for setting in ["log_statement = 'all'", "log_min_duration_statement = 0", "log_min_error_statement = 'debug5'"]
        {
            stack.server.query(&format!("ALTER SYSTEM SET {setting}"));
        }
        stack.server.reload();
        crate::support::wait_for("the server to log", || (stack.server.show("log_statement") == "all").then_some(()));
        fs::create_dir(stack.path("data")).expect("a folder");
        fs::write(stack.path("data/rows.csv"), "id,name\n1,ada\n2,bob\n").expect("a file");
        let duckdb = duckdb::Connection::open(stack.path("a.duckdb")).expect("a file of DuckDB");
        duckdb.execute_batch("CREATE TABLE t AS SELECT 1 AS i").expect("a table");
        drop(duckdb);
        let logged = stack.server.log().len();
        let temp = server_dir();
        let mut world = World { stack, tree: Tree::new(), temp, logged, secrets: BTreeSet::new() };
        world.secrets.extend([ADMIN, GIVEN, PASSWORD].map(str::to_owned));
        world.learn();
        world
    }

    /// Everything that is a secret now is one for good.
    fn learn(&mut self) {
        for file in [".env", "new.env"] {
            let document = dotenv::Document::parse(&fs::read(self.stack.path(file)).unwrap_or_default());
            for (_, name) in document.names().filter(|(_, name)| !PLAIN.contains(name) && !name.ends_with("_USER")) {
                let value = document.get(name).expect("a value").expose_secret().to_owned();
                self.secrets.extend(value.split(',').filter(|v| v.len() >= 8).map(str::to_owned));
            }
        }
        for role in ["app", "boss"] {
            self.secrets.insert(verifier(&self.stack.server, role));
        }
        for line in fs::read_to_string(self.map()).unwrap_or_default().lines() {
            self.secrets.extend(line.split('"').nth(1).map(str::to_owned));
        }
    }

    fn map(&self) -> PathBuf {
        self.stack.path("keys/api-keys.map")
    }

    fn arguments(&self, path: &str, line: &str) -> Vec<String> {
        let at = |name: &str| self.stack.path(name).display().to_string();
        let id = fs::read_to_string(self.map()).unwrap_or_default();
        let id = id.lines().rev().find(|l| l.starts_with('"')).and_then(|l| l.split('_').nth(1)).unwrap_or("none");
        let mut tree = format!("--root {}", self.tree.dir().display());
        if ["plan", "explain", "render", "diff", "apply"].contains(&path) {
            tree.push_str(" --set host.components=postgresql,pgbouncer");
        }
        line.replace("{tree}", &tree)
            .replace("{facts}", &at("facts.json"))
            .replace("{out}", &at("out"))
            .replace("{plan}", &at("plan"))
            .replace("{new}", &at("new.env"))
            .replace("{map}", &self.map().display().to_string())
            .replace("{key}", &at("key"))
            .replace("{token}", &at("token"))
            .replace("{data}", &at("data"))
            .replace("{parquet}", &at("out.parquet"))
            .replace("{duckdb}", &at("a.duckdb"))
            .replace("{shop}", &format!("postgresql://boss@127.0.0.1:{}/shop", self.stack.server.port()))
            .replace("{id}", id)
            .split_whitespace()
            .map(|word| word.replace('+', " "))
            .collect()
    }

    /// Runs a command, and searches whatever is left of it.
    fn run(&mut self, path: &str, line: &str) -> Run {
        let log = self.temp.path().join("strace.log");
        let port = self.stack.server.port();
        let run = self.stack.llmsql().args(path.split(' ')).args(self.arguments(path, line));
        let run = run.env("LLMSQL_DSN", format!("postgresql://boss:{ADMIN}@127.0.0.1:{port}/shop"));
        let run = run.env("PGPASSWORD", ADMIN);
        let run = run.env("TMPDIR", self.temp.path()).env("GIT_CEILING_DIRECTORIES", "/").stdin(GIVEN);
        let strace = ["-v", "-s", "1000000", "-o", &log.display().to_string(), "-e", "trace=execve"];
        let run = run.strace(&strace).run();
        let before = self.secrets.clone();
        self.learn();
        let what = format!("{path} {line}");
        let children = fs::read_to_string(&log).expect("strace's log");
        let children: Vec<&str> = children.lines().skip(1).collect();
        fs::remove_file(&log).expect("strace's log");
        // A new API key and a token are what was asked for.
        let asked = ["apikey create", "apikey rotate", "token mint"].contains(&path);
        let printed = if asked { &before } else { &self.secrets };
        find(printed, &run.stdout, &format!("{what}: stdout"));
        find(&self.secrets, &run.stderr, &format!("{what}: stderr"));
        for child in children {
            find(&self.secrets, child, &format!("{what}: a child's arguments or environment"));
        }
        find(&self.secrets, &self.stack.server.log()[self.logged..], &format!("{what}: the server's log"));
        let log = self.stack.bouncer.as_ref().expect("a PgBouncer").log();
        find(&self.secrets, &log, &format!("{what}: PgBouncer's log"));
        self.search_files(&what);
        run
    }

    /// Files that may hold secrets are these, and they are closed; in no other is there one.
    fn search_files(&self, what: &str) {
        let own = [self.stack.path(".env"), self.stack.path("new.env"), self.map(), self.stack.userlist()];
        let mut todo = vec![self.stack.dir().to_owned(), self.temp.path().to_owned(), self.tree.dir().to_owned()];
        todo.push(self.stack.bouncer.as_ref().expect("a PgBouncer").dir().to_owned());
        while let Some(dir) = todo.pop() {
            for entry in fs::read_dir(&dir).expect("a folder").flatten() {
                let (path, meta) = (entry.path(), entry.metadata().expect("its state"));
                if meta.is_dir() {
                    todo.push(path);
                    continue;
                }
                let sealed = path.starts_with(self.stack.path("state/secrets"));
                if sealed || own.contains(&path) {
                    assert_eq!(meta.permissions().mode() & 0o077, 0, "{what}: {}", path.display());
                } else if !is_operators(&path) {
                    let text = String::from_utf8_lossy(&fs::read(&path).unwrap_or_default()).into_owned();
                    find(&self.secrets, &text, &format!("{what}: {}", path.display()));
                }
            }
        }
    }
}

/// Files in which the test itself has put a secret, or which it has made of an answer.
fn is_operators(path: &Path) -> bool {
    path.ends_with("etc/pgbouncer/pgbouncer.ini")
        || ["key", "token"].iter().any(|n| path.file_name().is_some_and(|f| f == *n))
}

#[track_caller]
fn find(secrets: &BTreeSet<String>, text: &str, place: &str) {
    for secret in secrets {
        assert!(!text.contains(secret.as_str()), "{secret:?} in {place}");
    }
    assert!(!text.contains("SCRAM-SHA-256$"), "a verifier in {place}");
}

#[test]
fn no_command_shows_a_secret_anywhere() {
    let mut world = World::new();
    let known: BTreeMap<&str, &[&str]> = RUNS.iter().copied().collect();
    let leaves = leaves();
    for (path, _) in RUNS {
        assert!(leaves.iter().any(|l| l == path), "{path} is no command of the program any longer");
    }
    // In the order of the table, since some make what others use; then what is not in it.
    let listed = RUNS.iter().map(|(path, _)| (*path).to_owned());
    let rest: Vec<String> = leaves.iter().filter(|l| !known.contains_key(l.as_str())).cloned().collect();
    let facts = world.stack.llmsql().args(["facts", "--format", "json"]).run().success().stdout;
    fs::write(world.stack.path("facts.json"), facts).expect("a file");
    let mut runs = 0;
    for path in listed.chain(rest) {
        for line in known.get(path.as_str()).copied().unwrap_or(&["{tree}"]) {
            // A run that rejects its arguments shows nothing: it needs a line of its own in the table above.
            let run = world.run(&path, line);
            assert_ne!(run.code, Some(101), "{run:?}");
            let idle = ["config get", "token public"].contains(&path.as_str());
            assert!(idle || run.code != Some(64), "{path} {line} does not run: {run:?}");
            // It did get the password that its worker's environment does not hold.
            assert!(!line.contains("{shop}") || run.code == Some(0), "{run:?}");
            runs += 1;
            let answer = match path.as_str() {
                "apikey create" => "key",
                "token mint" => "token",
                _ => continue,
            };
            fs::write(world.stack.path(answer), run.stdout.trim()).expect("a file");
            fs::set_permissions(world.stack.path(answer), Permissions::from_mode(0o600)).expect("its mode");
        }
    }
    assert!(world.secrets.len() > 20, "the secrets did not change: {}", world.secrets.len());
    println!("{runs} runs of {} commands, {} secrets searched for", leaves.len(), world.secrets.len());
}
