//! The support itself: what a test asks for is what it gets, and nothing is left behind.

use crate::support::{Llmsql, Nginx, PgBouncer, Postgres};

#[test]
fn a_usage_error_ends_with_64_and_help_with_0() {
    Llmsql::new().arg("--no-such-option").run().code(64).stderr_has("--no-such-option");
    Llmsql::new().arg("--help").run().success().stdout_has("llmsql");
}

#[test]
fn every_major_version_starts_with_a_fragment_and_is_gone_after() {
    for major in Postgres::majors() {
        let server = Postgres::new(major).config("work_mem = 7MB").start();
        assert_eq!(server.show("work_mem"), "7MB", "PostgreSQL {major}");
        assert_eq!(server.query("SHOW server_version_num")[..2], major.to_string());
        let (dir, pid) = (server.dir().to_path_buf(), server.pid());
        drop(server);
        assert!(!dir.exists(), "{} is left behind", dir.display());
        assert!(nix::sys::signal::kill(pid, None).is_err(), "PostgreSQL {major} still runs");
    }
}

#[test]
fn a_server_that_cannot_start_says_why() {
    let why = Postgres::new(18).config("no_such_setting = 1").try_start().err().expect("it must not start");
    assert!(why.contains("no_such_setting"), "{why}");
}

#[test]
fn a_client_goes_through_pgbouncer_to_postgresql_with_pgvector() {
    let server = Postgres::new(18).start();
    server.query("CREATE EXTENSION vector");
    let pooler = PgBouncer::start(&server, "[pgbouncer]\npool_mode = transaction\ndefault_pool_size = 3\n");
    assert_eq!(pooler.query("SELECT '[3,4]'::vector <-> '[0,0]'"), "5");
    let config = pooler.admin("SHOW CONFIG");
    assert!(config.contains("default_pool_size|3|"), "{config}");
}

#[test]
fn both_nginx_serve() {
    for mainline in [false, true] {
        let server = Nginx::start(mainline, |port| {
            format!("events {{}}\nhttp {{ server {{ listen 127.0.0.1:{port}; return 200 hello; }} }}\n")
        });
        assert!(server.get("/").ends_with("hello"), "{}", server.get("/"));
    }
}
