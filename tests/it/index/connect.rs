//! Every way to connect that libpq knows, and several databases in one run.

use super::Bench;
use crate::support::{Llmsql, PgBouncer, Postgres, free_port, write_for_server};
use llmsql::postgres::connect::Blocking;
use llmsql::postgres::conninfo::{Environment, resolve};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// A private file.
fn private(path: &Path, text: &str) {
    write_for_server(path, text);
    fs::set_permissions(path, Permissions::from_mode(0o600)).expect("its mode");
}

/// A file of this user alone.
fn secret(dir: &Path, name: &str, text: &str) -> PathBuf {
    let path = dir.join(name);
    fs::write(&path, text).expect("a file in a temporary folder");
    fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("its mode");
    path
}

/// An authority; its certificate is what clients check against.
fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a certificate")
}

/// A server that lets the role `app` in over TLS and with its password only; and the folder with `ca.pem`, `other.pem`
/// and the password file.
fn with_tls(bench: &Bench) -> tempfile::TempDir {
    let (ca, other) = (authority(), authority());
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
    let certificate = params.signed_by(&key, &ca).expect("a certificate");
    let data = bench.server.data_dir();
    private(&data.join("server.key"), &key.serialize_pem());
    private(&data.join("server.crt"), &certificate.pem());
    let hba = "local all all trust\nhost all postgres 127.0.0.1/32 trust\nhostssl all app 127.0.0.1/32 scram-sha-256\n";
    private(&data.join("pg_hba.conf"), hba);
    private(&bench.server.conf_dir().join("60-tls.conf"), "ssl = on\n");
    bench.sql("CREATE ROLE app LOGIN PASSWORD 'p w:1'; ALTER TABLE docs OWNER TO app");
    bench.server.reload();
    crate::support::wait_for("TLS", || (bench.sql("SHOW ssl") == "on").then_some(()));
    let dir = tempfile::tempdir().expect("a folder");
    secret(dir.path(), "ca.pem", &ca.pem());
    secret(dir.path(), "other.pem", &other.pem());
    secret(dir.path(), "pass", "localhost:*:*:app:p w\\:1\n");
    dir
}

#[test]
fn over_tls_with_a_password_file_certificates_are_checked_and_signals_heard() {
    let bench = Bench::on(Postgres::with_tls());
    bench.add_docs(5000);
    let dir = with_tls(&bench);
    let pass = format!("passfile={}", dir.path().join("pass").display());
    let dsn = |rest: &str| {
        format!("host=localhost hostaddr=127.0.0.1 port={} user=app dbname=postgres {pass} {rest}", bench.server.port())
    };
    let root = |file: &str| format!("sslrootcert={}", dir.path().join(file).display());
    let full = dsn(&format!("sslmode=verify-full channel_binding=require {}", root("ca.pem")));

    let list = bench.index_at(&full, &["list", "--format", "json"]).success().json();
    assert_eq!(list["indexes"][0]["index"]["name"], "docs_idx");
    let refused = [
        (dsn("sslmode=disable"), "sslmode"),
        (dsn("sslmode=disable channel_binding=require"), ""),
        (dsn(&format!("sslmode=verify-full {}", root("other.pem"))), "sslrootcert"),
        (full.replace("host=localhost ", ""), "name"),
        (full.replace(&pass, "password=wrong"), "password"),
    ];
    for (dsn, says) in refused {
        bench.index_at(&dsn, &["list"]).code(1).stderr_has(says);
    }
    bench.index_at(&dsn("sslmode=verify-full"), &["list"]).code(64).stderr_has("sslrootcert");

    // The request to cancel takes the same way.
    let transaction = bench.open_transaction("SELECT 1");
    let mut run = bench.spawn_at(&full, &["rebuild", "--all"]);
    bench.wait_until_reindex_waits();
    kill(Pid::from_raw(run.id() as i32), Signal::SIGTERM).expect("a signal");
    assert_eq!(run.wait().expect("the program ends").code(), Some(143));
    bench.assert_as_before("");
    drop(transaction);
    bench.index_at(&full, &["rebuild", "--all"]).success().stdout_has("70 lists");
}

/// Runs `index list` as this environment says, and expects the index of `docs`.
#[track_caller]
fn finds_docs(bench: &Bench, arguments: &[&str], environment: &[(&str, &str)]) {
    let mut run = Llmsql::new().env("STATE_DIRECTORY", bench.state.path()).args(["index", "list"]).args(arguments);
    for (name, value) in environment {
        run = run.env(name, value);
    }
    run.run().success().stdout_has("docs_idx");
}

#[test]
fn the_environment_a_service_a_socket_and_several_hosts_lead_to_the_server() {
    let bench = Bench::with_docs("", 500);
    let port = bench.server.port().to_string();
    let socket = bench.server.dir().display().to_string();
    let dir = tempfile::tempdir().expect("a folder");
    let services = secret(
        dir.path(),
        "services",
        &format!("[shop]\nhost=127.0.0.1\nport={port}\nuser=postgres\ndbname=postgres\n"),
    );
    let services = services.to_str().expect("a path");
    let user = ("PGUSER", "postgres");
    finds_docs(&bench, &[], &[("PGHOST", "127.0.0.1"), ("PGPORT", &port), user, ("PGDATABASE", "postgres")]);
    finds_docs(&bench, &[], &[("PGHOST", &socket), ("PGPORT", &port), user]);
    finds_docs(&bench, &[], &[("PGSERVICEFILE", services), ("PGSERVICE", "shop")]);
    finds_docs(&bench, &["--dsn", "service=shop"], &[("PGSERVICEFILE", services)]);
    finds_docs(&bench, &[], &[("LLMSQL_DSN", &bench.server.dsn())]);
    // The first does not answer.
    let two = format!(
        "postgresql://postgres@127.0.0.1:{},127.0.0.1:{port}/postgres?target_session_attrs=read-write",
        free_port()
    );
    finds_docs(&bench, &["--dsn", &two], &[]);
    bench.index_at(&two, &["rebuild", "docs_idx"]).success().stdout_has("22 lists");
    let none = two.replace("read-write", "standby");
    bench.index_at(&none, &["list"]).code(1).stderr_has("none of 2 servers can be used");
}

#[test]
fn several_databases_are_done_in_one_run() {
    let bench = Bench::with_docs("", 1000);
    bench.sql("CREATE DATABASE \"Other one\"");
    bench.sql("CREATE DATABASE plain");
    let mut other = bench.server.client("psql");
    let other = other.env("PGDATABASE", "Other one").args([
        "-XAtq",
        "-c",
        "CREATE EXTENSION vector; CREATE TABLE t (v vector(3)); INSERT INTO t SELECT '[1,2,3]' FROM generate_series(1, 900); \
         CREATE INDEX t_idx ON t USING ivfflat (v vector_l2_ops)",
    ]);
    assert!(other.status().expect("psql runs").success());
    bench.index(&["list", "--all-databases"]).success().stdout_has("DATABASE").stdout_has("Other one");
    let run = bench.index(&["rebuild", "--all", "--all-databases", "--jobs", "2"]).success();
    assert_eq!(run.stdout.lines().count(), 2, "{}", run.stdout);
    run.stdout_has("Other one public.t_idx: rebuilt with 30 lists").stdout_has("postgres public.docs_idx");
    let again = bench.index(&["rebuild", "--all", "--if-needed", "--database", "postgres", "--database", "Other one"]);
    assert_eq!(again.success().stdout, "");
    bench.index(&["list", "--database", "plain"]).code(13).stderr_has("pgvector is not installed");
}

/// A pooler in front of it, and how to connect to it.
fn pooler(bench: &Bench, more: &str) -> (PgBouncer, String) {
    let ini = format!("[databases]\n[pgbouncer]\ndefault_pool_size = 5\n{more}\n");
    let pooler = PgBouncer::start(&bench.server, &ini);
    let dsn = format!("postgresql://postgres@127.0.0.1:{}/postgres", pooler.port());
    (pooler, dsn)
}

#[test]
fn a_transaction_pooler_is_refused_and_left_as_it_was() {
    let bench = Bench::with_docs("", 2000);
    let (pooler, dsn) = pooler(&bench, "pool_mode = transaction");
    bench.index_at(&dsn, &["rebuild", "--all"]).code(13).stderr_has("transaction pooler");
    // Reading goes through it, and leaves no settings to the next client.
    bench.index_at(&dsn, &["plan", "--count"]).success();
    bench.index_at(&dsn, &["recall"]).success();
    let left =
        "SELECT name FROM pg_settings WHERE source = 'session' AND name IN ('row_security', 'statement_timeout')";
    assert_eq!((pooler.query(left).as_str(), pooler.query("SHOW row_security").as_str()), ("", "on"));
    bench.assert_as_before("");
}

#[test]
fn a_transaction_pooler_is_refused_whatever_else_goes_through_it() {
    let bench = Bench::with_docs("", 2000);
    // Back ends are handed out last in, first out, or in turn.
    for more in ["pool_mode = transaction", "pool_mode = transaction\nserver_round_robin = 1", "pool_mode = statement"]
    {
        let (_pooler, dsn) = pooler(&bench, more);
        let info = resolve(Some(&dsn), &Environment::default()).expect("a connection string");
        let done = AtomicBool::new(false);
        let codes: Vec<Option<i32>> = std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let session = Blocking::open(&info).expect("a session");
                    while !done.load(Ordering::Relaxed) {
                        session.query("SELECT 1", &[]).expect("an answer");
                    }
                });
            }
            let codes = (0..10).map(|_| bench.index_at(&dsn, &["rebuild", "--all"]).code).collect();
            done.store(true, Ordering::Relaxed);
            codes
        });
        assert_eq!(codes, [Some(13); 10], "{more}");
    }
    bench.assert_as_before("");
}

#[test]
fn a_session_pooler_is_as_good_as_none() {
    let bench = Bench::with_docs("", 2000);
    let (_pooler, dsn) = pooler(&bench, "pool_mode = session");
    bench.index_at(&dsn, &["rebuild", "--all"]).success().stdout_has("44 lists");
}
