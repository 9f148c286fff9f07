//! The rendered SQL on a scratch PostgreSQL 18, with the guide's schema and with none.

use crate::files::Rendered;
use crate::support::Postgres;

/// What the guide's statements name of its schema.
const SCHEMA: &str = "
    CREATE EXTENSION vector;
    CREATE ROLE pgadmin;
    CREATE SCHEMA analytics AUTHORIZATION pgadmin;
    CREATE SCHEMA embeddings AUTHORIZATION pgadmin;
    SET ROLE pgadmin;
    CREATE TABLE analytics.query_logs (
        log_id bigserial PRIMARY KEY, user_query text NOT NULL, status text, execution_time_ms numeric,
        client_ip inet, created_at timestamptz NOT NULL DEFAULT now());
    CREATE TABLE embeddings.document_vectors (document_id bigint PRIMARY KEY, chunk_text text, embedding vector(3));
    RESET ROLE;
    INSERT INTO analytics.query_logs (user_query, client_ip) VALUES ('a', '192.0.2.1'), ('b', '192.0.2.2');
    INSERT INTO embeddings.document_vectors VALUES (1, 'x', '[1,0,0]'), (2, 'y', '[0,1,0]');";

/// Runs a file as psql does, ending at the first error; what it says.
#[track_caller]
fn run(server: &Postgres, sql: &str) -> String {
    server.try_query(sql).unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn hardening_holds_on_the_guides_schema_and_may_be_run_again() {
    let server = Postgres::new(18).start();
    run(&server, SCHEMA);
    let sql = Rendered::new(&[]).read("etc/llmsql/sql/hardening.sql");
    run(&server, &sql);
    run(&server, &sql);

    // Extensions in public stay of use, and nobody creates objects there.
    let nearest = "SET ROLE app_user; SELECT document_id FROM embeddings.document_vectors ORDER BY embedding <=> '[1,0.1,0]' LIMIT 1";
    assert!(run(&server, nearest).ends_with('1'));
    let refused = server.try_query("SET ROLE app_user; CREATE TABLE public.mine (x int)").unwrap_err();
    assert!(refused.contains("permission denied"), "{refused}");

    // Each client sees its own rows, behind a pooler too, and can add none of another's.
    let seen = |role: &str, ip: &str| {
        let rows = "SELECT string_agg(user_query, '' ORDER BY user_query) FROM analytics.query_logs";
        run(&server, &format!("BEGIN; SET LOCAL ROLE {role}; {ip}{rows}; COMMIT"))
            .lines()
            .last()
            .unwrap_or_default()
            .to_owned()
    };
    assert_eq!(seen("app_user", "SET LOCAL app.client_ip = '192.0.2.1'; "), "a");
    assert_eq!(seen("app_user", ""), "", "without a client nothing is shown");
    assert_eq!(seen("readonly_user", ""), "ab", "the guide's policy would leave a reader without any row");
    let insert =
        "SET LOCAL ROLE app_user; INSERT INTO analytics.query_logs (user_query, client_ip) VALUES ('c', '192.0.2.2')";
    run(&server, &format!("BEGIN; SET LOCAL app.client_ip = '192.0.2.2'; {insert}; ROLLBACK"));
    let other =
        server.try_query(&format!("BEGIN; SET LOCAL app.client_ip = '192.0.2.9'; {insert}; ROLLBACK")).unwrap_err();
    assert!(other.contains("row-level security"), "{other}");
    let deleted = server.try_query("SET ROLE app_user; DELETE FROM analytics.query_logs").unwrap_err();
    assert!(deleted.contains("permission denied"), "{deleted}");

    // What pgadmin makes later can be read too.
    run(&server, "SET ROLE pgadmin; CREATE TABLE analytics.later (x int); CREATE TABLE embeddings.later (x int)");
    run(&server, "SET ROLE readonly_user; SELECT * FROM analytics.later, embeddings.later");
    let write = server.try_query("SET ROLE readonly_user; INSERT INTO analytics.later VALUES (1)").unwrap_err();
    assert!(write.contains("permission denied"), "{write}");

    // Nobody knows a password of these roles.
    let without = "SELECT count(*) FROM pg_authid WHERE rolname IN ('app_user', 'readonly_user') AND rolpassword IS NULL AND rolcanlogin AND NOT rolsuper";
    assert_eq!(run(&server, without), "2");
}

#[test]
fn hardening_passes_over_what_an_empty_database_lacks() {
    let server = Postgres::new(18).start();
    let sql = Rendered::new(&[]).read("etc/llmsql/sql/hardening.sql");
    run(&server, &sql);
    assert_eq!(run(&server, "SELECT count(*) FROM pg_roles WHERE rolname IN ('app_user', 'readonly_user')"), "2");
    assert_eq!(run(&server, "SELECT has_schema_privilege('app_user', 'public', 'CREATE')::text"), "false");
}

#[test]
fn the_connection_limit_leaves_the_pools_their_room() {
    let flags = ["--set", "postgresql.database=Shop-1"];
    let rendered = Rendered::new(&flags);
    let sql = rendered.read("etc/llmsql/sql/connection-limits.sql");
    let server = Postgres::new(18).start();
    run(&server, &sql);
    run(&server, "CREATE DATABASE \"Shop-1\"");
    run(&server, &sql);
    let limit: i64 = run(&server, "SELECT datconnlimit FROM pg_database WHERE datname = 'Shop-1'").parse().unwrap();
    let conf = rendered.read("etc/postgresql/18/main/conf.d/50-llmsql.conf");
    let conf = llmsql::formats::postgresql_conf::Document::parse(conf.as_bytes());
    let ini = rendered.read("etc/pgbouncer/pgbouncer.ini");
    let ini = llmsql::formats::ini::Document::parse(ini.as_bytes());
    let most: i64 = conf.get("max_connections").unwrap().parse().unwrap();
    let pool = |key: &str| ini.get("pgbouncer", key).unwrap().parse::<i64>().unwrap();
    assert!(pool("default_pool_size") + pool("reserve_pool_size") <= limit && limit < most, "{limit} of {most}");
}
