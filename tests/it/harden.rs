//! A live database is checked, made safer, and taken back to exactly what it was.

use crate::support::{Llmsql, PgBouncer, Postgres, Run, program, psql, wait_for, write_for_server};
use serde_json::Value;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// The guide's tables, as far as hardening goes.
const TABLES: &str = "CREATE ROLE owner; CREATE SCHEMA analytics AUTHORIZATION owner; \
    CREATE SCHEMA embeddings AUTHORIZATION owner; SET ROLE owner; \
    CREATE TABLE analytics.query_logs (id bigserial PRIMARY KEY, client_ip inet, query text); \
    CREATE TABLE embeddings.documents (id int, body text); \
    INSERT INTO analytics.query_logs (client_ip, query) VALUES ('10.0.0.1', 'one'), ('10.0.0.2', 'two')";

const HBA: &str = "local all all trust\n# the installation's own\nhost all postgres 127.0.0.1/32 trust\n\
    host all  all\t0.0.0.0/0  md5 # everybody else\n";

/// What the guide asks for, with its roles.
const WISH: [&str; 8] = [
    "--readonly-role",
    "readonly_user",
    "--app-role",
    "app_user",
    "--write-schema",
    "analytics",
    "--isolate",
    "analytics.query_logs=client_ip:app.client_ip",
];

struct Bench {
    server: Postgres,
    state: TempDir,
}

impl Bench {
    /// A server with TLS built in, and with a certificate where `subject` names one.
    fn new(hba: &str, certificate: bool) -> Self {
        let server = Postgres::with_tls().start();
        if certificate {
            make_certificate(&server.data_dir(), "server");
        }
        let bench = Bench { server, state: tempfile::tempdir().expect("a folder") };
        write_for_server(&bench.hba(), hba);
        bench.server.query("SELECT pg_reload_conf()");
        bench
    }

    fn hba(&self) -> std::path::PathBuf {
        self.server.data_dir().join("pg_hba.conf")
    }

    fn harden(&self, action: &str) -> Llmsql {
        Llmsql::new().env("STATE_DIRECTORY", self.state.path()).args(["harden", action, "--dsn"]).arg(self.server.dsn())
    }

    fn check(&self, wish: &[&str]) -> Value {
        self.harden("check").args(wish).args(["--format", "json"]).run().success().json()
    }

    fn apply(&self, wish: &[&str]) -> Run {
        self.harden("apply").args(wish).arg("--yes").run()
    }

    /// Privileges, policies and roles, as a dump has them, and the settings that ALTER SYSTEM has made.
    fn everything(&self) -> String {
        let dump = |program: &str, args: &[&str]| {
            let output = self.server.client(program).args(args).output().expect("it can be run");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            let text = String::from_utf8(output.stdout).expect("UTF-8");
            // Every dump has a key of its own against injection into psql.
            text.lines().filter(|l| !l.contains("restrict ")).map(|l| format!("{l}\n")).collect::<String>()
        };
        let auto = fs::read_to_string(self.server.data_dir().join("postgresql.auto.conf")).expect("it is there");
        let hba = fs::read_to_string(self.hba()).expect("it is there");
        dump("pg_dump", &["--schema-only"]) + &dump("pg_dumpall", &["--roles-only"]) + &auto + &hba
    }

    /// What the role is answered over TCP without TLS.
    fn plain(&self, role: &str, sql: &str) -> Result<String, String> {
        let mut client = self.server.client("psql");
        psql(client.env("PGUSER", role).env("PGPASSWORD", "right"), sql)
    }

    /// What the application is answered through a pooler.
    fn through(&self, pooler: &PgBouncer, sql: &str) -> Result<String, String> {
        let mut client = self.server.client("psql");
        client.env("PGPORT", pooler.port().to_string()).env("PGUSER", "app_user").env("PGPASSWORD", "right");
        psql(&mut client, sql)
    }

    /// What it is answered over the socket, where the test's rule trusts it.
    fn as_role(&self, role: &str, sql: &str) -> Result<String, String> {
        let mut client = self.server.client("psql");
        psql(client.env("PGHOST", self.server.dir()).env("PGUSER", role), sql)
    }
}

fn make_certificate(data: &Path, name: &str) {
    let file = |end: &str| data.join(format!("{name}.{end}"));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-batch"])
        .args(["-subj", "/CN=localhost", "-days", "90", "-keyout"])
        .arg(file("key"))
        .arg("-out")
        .arg(file("crt"))
        .output()
        .expect("openssl is installed");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    for end in ["key", "crt"] {
        let text = fs::read_to_string(file(end)).expect("it was written");
        write_for_server(&file(end), &text);
        fs::set_permissions(file(end), Permissions::from_mode(0o600)).expect("its mode");
    }
}

#[track_caller]
fn status<'a>(report: &'a Value, check: &str) -> &'a str {
    let found = report["findings"].as_array().expect("findings").iter().find(|f| f["check"] == check);
    found.and_then(|f| f["status"].as_str()).unwrap_or_else(|| panic!("no {check} in {report:#}"))
}

#[test]
fn a_fresh_database_becomes_what_the_guide_means_and_goes_back_to_what_it_was() {
    let bench = Bench::new(HBA, true);
    bench.server.query(TABLES);
    bench.server.query("CREATE ROLE old_app LOGIN PASSWORD 'right'; GRANT SELECT ON analytics.query_logs TO old_app");
    let before = bench.everything();
    assert_eq!(bench.plain("old_app", "SELECT 1"), Ok("1".to_owned()));

    let report = bench.check(&WISH);
    for check in ["tls.on", "hba.tls", "hba.method", "roles.readonly", "roles.application", "rls.rows", "audit"] {
        assert_eq!(status(&report, check), "fails", "{check}");
    }
    assert_eq!(bench.everything(), before, "a check changes nothing");
    bench
        .harden("apply")
        .args(WISH)
        .arg("--dry-run")
        .run()
        .success()
        .stdout_has("hostssl all  all\t0.0.0.0/0  scram-sha-256");
    assert_eq!(bench.everything(), before, "a dry run changes nothing");
    bench.harden("apply").args(WISH).run().code(64).stderr_has("--yes");

    let pooler = PgBouncer::start(&bench.server, "[pgbouncer]\npool_mode = transaction\nserver_tls_sslmode = prefer\n");
    let route = format!("host=127.0.0.1 port={} user=postgres dbname=postgres", pooler.port());
    bench.harden("apply").args(WISH).args(["--route", &route, "--yes"]).run().success();

    // Who may read only reads, all rows of it.
    assert_eq!(bench.as_role("readonly_user", "SELECT count(*) FROM analytics.query_logs"), Ok("2".to_owned()));
    let write = "SET transaction_read_only = off; INSERT INTO embeddings.documents VALUES (1, 'x')";
    assert!(bench.as_role("readonly_user", write).is_err_and(|e| e.contains("permission denied")));
    bench.server.query("SET ROLE owner; CREATE TABLE analytics.later (n int)");
    assert_eq!(bench.as_role("readonly_user", "SELECT count(*) FROM analytics.later"), Ok("0".to_owned()));
    // The application sees its own rows, writes its own, and no other's.
    let own = "SET app.client_ip = '10.0.0.2'; ";
    assert_eq!(bench.as_role("app_user", "SELECT count(*) FROM analytics.query_logs"), Ok("0".to_owned()));
    assert_eq!(
        bench.as_role("app_user", &format!("{own} SELECT query FROM analytics.query_logs")),
        Ok("two".to_owned())
    );
    let insert = |ip: &str| format!("{own} INSERT INTO analytics.query_logs (client_ip) VALUES ('{ip}')");
    assert_eq!(bench.as_role("app_user", &insert("10.0.0.2")), Ok(String::new()));
    assert!(bench.as_role("app_user", &insert("10.0.0.1")).is_err_and(|e| e.contains("row-level security")));
    assert!(bench.as_role("app_user", "DELETE FROM analytics.query_logs").is_err());
    // Without TLS nobody comes in, with it they do, and the pooler does.
    assert!(bench.plain("old_app", "SELECT 1").is_err_and(|e| e.contains("no pg_hba.conf entry")));
    let dsn = format!("host=127.0.0.1 port={} user=old_app dbname=postgres sslmode=require", bench.server.port());
    let pass = bench.state.path().join("pass");
    fs::write(&pass, "*:*:*:*:right\n").expect("a file");
    fs::set_permissions(&pass, Permissions::from_mode(0o600)).expect("its mode");
    Llmsql::new().env("PGPASSFILE", &pass).args(["harden", "check", "--dsn", &dsn]).run().success();
    assert_eq!(pooler.query("SELECT 1"), "1");
    assert_eq!(bench.server.show("log_connections"), "receipt,authentication,authorization");

    let report = bench.check(&WISH);
    assert_eq!(status(&report, "hba.tls"), "ok");
    assert_eq!(status(&report, "rls.rows"), "ok");
    bench.apply(&WISH).success().stderr_has("nothing to change");

    bench.server.query("DROP TABLE analytics.later");
    let undone = bench.harden("rollback").arg("--yes").run().success();
    undone.stdout_has("ALTER SYSTEM RESET log_connections;").stdout_has("pg_hba.conf, line");
    assert_eq!(bench.everything(), before);
    assert_eq!(bench.plain("old_app", "SELECT 1"), Ok("1".to_owned()));
    bench.harden("rollback").arg("--yes").run().code(64);
}

#[test]
fn an_awkward_database_keeps_working() {
    let bench = Bench::new(HBA, false);
    bench.server.query(
        "CREATE EXTENSION vector; CREATE TABLE docs (id int, owner text, v vector(2)); CREATE ROLE app_user LOGIN; \
         ALTER TABLE docs OWNER TO app_user; INSERT INTO docs VALUES (1, 'ann', '[1,2]'), (2, 'bob', '[3,4]'); \
         CREATE ROLE stranger LOGIN; CREATE ROLE boss LOGIN SUPERUSER PASSWORD 'secure_password'; CREATE TABLE \"odd \"\"name\" (n int); \
         CREATE TABLE watched (client_ip inet); ALTER TABLE watched ENABLE ROW LEVEL SECURITY; \
         CREATE POLICY isolation ON watched USING (client_ip = inet_client_addr()); GRANT CREATE ON SCHEMA public TO PUBLIC",
    );
    bench.server.query("SET password_encryption = md5; CREATE ROLE old LOGIN PASSWORD 'right'");
    let before = bench.everything();
    let wish = ["--readonly-role", "reader", "--app-role", "app_user", "--isolate", "public.docs=owner"];

    let report = bench.check(&wish);
    for check in [
        "schema.create",
        "rls.address",
        "roles.superuser",
        "password.md5",
        "password.default",
        "tls.on",
        "hba.tls",
        "hba.method",
    ] {
        assert_eq!(status(&report, check), "fails", "{check}");
    }
    assert_eq!(status(&report, "schema.usage"), "ok", "vector lives in public");

    let run = bench.apply(&wish).success();
    assert!(run.stderr.contains("line 4 stays") && run.stderr.contains("old"), "{}", run.stderr);
    let nearest = "SELECT id FROM docs ORDER BY v <-> '[3,4]' LIMIT 1";
    assert_eq!(bench.as_role("reader", nearest), Ok("2".to_owned()));
    // The owner is the application itself, so the policy holds for it too.
    assert_eq!(bench.as_role("app_user", "SELECT count(*) FROM docs"), Ok("0".to_owned()));
    assert_eq!(bench.as_role("app_user", "SET app.client = 'ann'; SELECT id FROM docs"), Ok("1".to_owned()));
    assert!(bench.as_role("stranger", "CREATE TABLE mine (n int)").is_err());
    assert_eq!(bench.plain("old", "SELECT 1"), Ok("1".to_owned()), "an MD5 role still logs in");
    bench.apply(&wish).success().stderr_has("nothing to change");

    bench.harden("rollback").arg("--yes").run().success();
    assert_eq!(bench.everything(), before);
}

#[test]
fn what_cannot_be_proved_is_undone_and_what_is_interrupted_waits() {
    let bench = Bench::new(HBA, true);
    bench.server.query(TABLES);
    bench.server.query("CREATE ROLE plain LOGIN");
    // A certificate that does not fit its key: the server keeps TLS off, and says so only in its log.
    let data = bench.server.data_dir();
    make_certificate(&data, "other");
    write_for_server(&data.join("server.key"), &fs::read_to_string(data.join("other.key")).expect("a key"));
    let before = bench.everything();
    bench.apply(&WISH).code(3).stderr_has("everything was taken back").stderr_has("takes no TLS");
    assert_eq!(bench.everything(), before);
    write_for_server(&data.join("server.crt"), &fs::read_to_string(data.join("other.crt")).expect("a certificate"));

    // Killed when pg_hba.conf takes its place: the settings and statements stand, and the next run says so.
    let state = bench.state.path().join("killed");
    let mut killed = program("strace");
    killed.args(["-f", "-o", "/dev/null", "-e", "trace=/rename", "-e", "inject=/rename:signal=KILL", "-P"]);
    killed.arg(bench.hba()).arg(Llmsql::path()).args(["harden", "apply", "--yes", "--dsn"]).arg(bench.server.dsn());
    killed.args(WISH).env("STATE_DIRECTORY", &state);
    killed.output().expect("strace can be run");
    assert_ne!(bench.everything(), before, "it was killed too early to leave anything");
    let again = |action: &str| bench.harden(action).env("STATE_DIRECTORY", &state);
    again("apply").args(WISH).arg("--yes").run().code(4).stderr_has("harden rollback");
    again("rollback").arg("--yes").run().success();
    assert_eq!(bench.everything(), before);

    // Wrong input, each before anything is done.
    bench.apply(&["--app-role", "app", "--isolate", "analytics.gone=x"]).code(64).stderr_has("analytics.gone");
    bench.apply(&["--app-role", "app", "--isolate", "analytics.query_logs=x"]).code(64).stderr_has("client_ip");
    bench.apply(&["--isolate", "analytics.query_logs=client_ip"]).code(64).stderr_has("--app-role");
    bench.apply(&["--app-role", "postgres"]).code(64).stderr_has("superuser");
    bench.apply(&["--skip", "nonsense"]).code(64).stderr_has("schema.create");
    let dsn = bench.server.dsn().replace("postgres@", "plain@");
    write_for_server(&bench.hba(), "host all all 127.0.0.1/32 trust\nlocal all all trust\n");
    bench.server.query("SELECT pg_reload_conf()");
    Llmsql::new().args(["harden", "apply", "--yes", "--dsn", &dsn]).run().code(13).stderr_has("superuser");
    let dead = format!("host=127.0.0.1 port={} user=nobody dbname=postgres", bench.server.port());
    bench.harden("apply").args(["--yes", "--route", &dead]).run().code(12).stderr_has("nobody");
}

#[test]
fn an_application_behind_the_pooler_sees_its_rows_in_its_transaction_only() {
    let bench = Bench::new(HBA, true);
    bench.server.query(TABLES);
    bench.server.query("CREATE ROLE app_user LOGIN PASSWORD 'right'");
    let list = bench.server.query("SELECT rolpassword FROM pg_authid WHERE rolname = 'app_user'");
    let before = bench.everything();
    let pooler = |mode: &str| {
        PgBouncer::with(|dir, port| {
            write_for_server(&dir.join("userlist.txt"), &format!("\"app_user\" \"{list}\"\n"));
            format!(
                "[databases]\npostgres = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
                 unix_socket_dir =\nauth_type = scram-sha-256\nauth_file = {}/userlist.txt\npool_mode = transaction\n\
                 default_pool_size = 1\nserver_tls_sslmode = {mode}\n",
                bench.server.port(),
                dir.display()
            )
        })
    };
    let pass = bench.state.path().join("pass");
    fs::write(&pass, "*:*:*:app_user:right\n").expect("a file");
    fs::set_permissions(&pass, Permissions::from_mode(0o600)).expect("its mode");
    let config = bench.state.path().join("llmsql.toml");
    let harden = |action: &str, pooler: &PgBouncer| {
        let ini = pooler.dir().join("pgbouncer.ini");
        fs::write(&config, format!("[secrets]\npgbouncer_ini = \"{}\"\n", ini.display())).expect("a file");
        let run = bench.harden(action).env("PGPASSFILE", &pass).env("LLMSQL_CONFIG", &config);
        let route = format!("host=127.0.0.1 port={} user=app_user dbname=postgres", pooler.port());
        if action == "apply" { run.args(["--yes", "--route", &route]) } else { run }
    };

    // A pooler that cannot do TLS: the rules stay as they are for it, and it is said.
    let plain = pooler("disable");
    let report = harden("check", &plain).args(["--format", "json"]).run().success().json();
    assert_eq!(status(&report, "pooler.tls"), "fails");
    harden("apply", &plain).args(WISH).run().success().stderr_has("server_tls_sslmode = disable and would be refused");
    assert_eq!(bench.through(&plain, "SELECT 1"), Ok("1".to_owned()));
    harden("rollback", &plain).arg("--yes").run().success();
    assert_eq!(bench.everything(), before);
    drop(plain);

    let pooler = pooler("prefer");
    harden("apply", &pooler).args(WISH).run().success();
    assert!(bench.plain("app_user", "SELECT 1").is_err_and(|e| e.contains("no pg_hba.conf entry")));
    let own = "BEGIN; SET LOCAL app.client_ip = '10.0.0.2'; SELECT query FROM analytics.query_logs; COMMIT";
    let all = "SELECT count(*) FROM analytics.query_logs";
    for _ in 0..3 {
        // One connection to the server for all: what one transaction has set is gone in the next.
        assert_eq!(bench.through(&pooler, own), Ok("two".to_owned()));
        assert_eq!(bench.through(&pooler, all), Ok("0".to_owned()));
    }
    assert!(bench.through(&pooler, "DELETE FROM analytics.query_logs").is_err());
    harden("rollback", &pooler).arg("--yes").run().success();
    assert_eq!(bench.everything(), before);
}

#[test]
fn logins_are_logged_in_the_versions_own_form() {
    for (major, form) in [(17, "= 'on'"), (18, "= 'receipt,authentication,authorization'")] {
        let server = Postgres::new(major).start();
        let state = tempfile::tempdir().expect("a folder");
        let harden = |action: &str| {
            Llmsql::new().env("STATE_DIRECTORY", state.path()).args(["harden", action, "--dsn"]).arg(server.dsn())
        };
        let report = harden("check").args(["--format", "json"]).run().success().json();
        let finding = report["findings"].as_array().expect("findings").iter().find(|f| f["check"] == "log.connections");
        assert!(finding.expect("the check")["sql"][0].as_str().is_some_and(|sql| sql.ends_with(&format!("{form};"))));
        harden("apply").arg("--yes").run().success();
        assert_eq!(server.show("log_disconnections"), "on");
        let marked = server.query("SELECT 'logged in'; SELECT pg_backend_pid()");
        let pid = marked.lines().last().expect("a process").to_owned();
        wait_for("the login in the log", || {
            server
                .log()
                .lines()
                .any(|l| l.contains(&format!("[{pid}]")) && l.contains("connection authorized"))
                .then_some(())
        });
    }
}
