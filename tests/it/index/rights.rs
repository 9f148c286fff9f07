//! Other people's code and databases.

use super::Bench;

#[test]
fn a_function_of_another_role_does_not_run_with_the_rights_of_who_maintains_its_index() {
    let bench = Bench::new("");
    bench.sql("CREATE ROLE ada LOGIN; CREATE SCHEMA app AUTHORIZATION ada");
    // What the index calls notes whose rights it had.
    bench.sql(
        "SET ROLE ada; CREATE TABLE app.seen (who text); \
         CREATE FUNCTION app.note() RETURNS int LANGUAGE plpgsql AS \
           $$BEGIN INSERT INTO app.seen SELECT current_user; RETURN 1; END$$; \
         CREATE FUNCTION app.half(v public.vector) RETURNS public.vector LANGUAGE plpgsql IMMUTABLE AS \
           $$BEGIN PERFORM app.note(); RETURN v; END$$; \
         CREATE TABLE app.docs (id int, v public.vector(3)); \
         INSERT INTO app.docs SELECT i, ARRAY[i, 1, 2]::public.vector FROM generate_series(1, 900) i; \
         CREATE INDEX docs_idx ON app.docs USING ivfflat ((app.half(v)::public.vector(3)) public.vector_l2_ops) WITH (lists = 10); \
         CREATE INDEX plain_idx ON app.docs USING ivfflat ((v::public.halfvec(3)) public.halfvec_l2_ops) WITH (lists = 10); \
         ANALYZE app.docs",
    );
    assert_eq!(bench.sql("SELECT DISTINCT who FROM app.seen"), "ada");
    bench.index(&["list"]).success().stdout_has("app.docs_idx");
    bench.index(&["plan", "--count"]).success().stdout_has("the index calls app.half(public.vector) of ada");
    bench.index(&["rebuild", "--all"]).success().stdout_has("app.docs_idx: rebuilt with 30 lists (was 10)");
    let recall = bench.index(&["recall"]).code(13);
    // The other one is measured all the same.
    recall.stdout_has("app.plain_idx").stderr_has("connect as the table's owner, ada");
    assert_eq!(bench.sql("SELECT DISTINCT who FROM app.seen"), "ada");
    let ada = bench.server.dsn().replace("postgres@", "ada@");
    bench.index_at(&ada, &["recall"]).success().stdout_has("app.docs_idx");
}

#[test]
fn a_database_that_refuses_is_named_and_counted_and_the_others_are_done() {
    let bench = Bench::with_docs("", 1000);
    bench.sql("CREATE ROLE ada LOGIN; ALTER TABLE docs OWNER TO ada");
    bench.sql("CREATE DATABASE closed");
    bench.sql("REVOKE CONNECT ON DATABASE closed FROM PUBLIC");
    let ada = bench.server.dsn().replace("postgres@", "ada@");
    let metrics = bench.state.path().join("index.prom");
    let file = metrics.to_str().expect("a path");
    let run = bench.index_at(&ada, &["rebuild", "--all", "--all-databases", "--textfile", file]).code(13);
    let run = run.stdout_has("postgres public.docs_idx: rebuilt").stderr_has("1 of 2 databases");
    run.stderr_has("GRANT CONNECT ON DATABASE \"closed\" TO \"ada\"");
    let text = std::fs::read_to_string(&metrics).expect("the metrics");
    assert!(text.contains("llmsql_index_databases_failed 1\n") && text.contains("rebuilt 1\n"), "{text}");
    let list = bench.index_at(&ada, &["list", "--all-databases", "--format", "json"]).code(13).json();
    assert_eq!(list["indexes"][0]["index"]["name"], "docs_idx");
    assert_eq!((&list["failures"][0]["database"], &list["failures"][0]["exit"]), (&"closed".into(), &13.into()));

    bench.sql("CREATE DATABASE plain");
    let some = ["--database", "plain", "--database", "postgres", "--database", "nowhere"];
    for command in ["list", "plan", "recall"] {
        // Not to be there is graver than to lack pgvector.
        let run = bench.index(&[&[command], &some[..]].concat()).code(1).stdout_has("docs_idx");
        run.stderr_has("pgvector is not installed").stderr_has("nowhere").stderr_has("2 of 3 databases");
    }
    let json = bench.index(&[&["rebuild", "--all", "--format", "json"], &some[..4]].concat()).code(13).json();
    assert_eq!((&json["exit"], &json["indexes"][0]["action"]), (&13.into(), &"rebuilt".into()));
    assert_eq!(json["failures"][0]["code"], "index.pgvector");
    // Every database that has pgvector: that one has not is no fault.
    bench.index(&["list", "--all-databases"]).success();
}

#[test]
fn all_databases_are_found_without_one_of_the_roles_name() {
    let bench = Bench::with_docs("", 1000);
    bench.sql("CREATE ROLE ada LOGIN; ALTER TABLE docs OWNER TO ada");
    let dsn = format!("host=127.0.0.1 port={} user=ada", bench.server.port());
    bench.index_at(&dsn, &["list"]).code(1).stderr_has("database \"ada\" does not exist");
    bench.index_at(&dsn, &["list", "--all-databases"]).success().stdout_has("public.docs_idx");
}

#[test]
fn an_index_that_cannot_be_looked_at_does_not_hide_the_others() {
    let bench = Bench::with_docs("", 1000);
    bench.sql("CREATE ROLE ada LOGIN; ALTER TABLE docs OWNER TO ada; ALTER TABLE docs ENABLE ROW LEVEL SECURITY");
    bench.sql("ALTER TABLE docs FORCE ROW LEVEL SECURITY; CREATE TABLE open AS SELECT * FROM docs");
    bench.sql("ALTER TABLE open OWNER TO ada");
    bench.sql("CREATE INDEX open_idx ON open USING ivfflat (embedding vector_l2_ops) WITH (lists = 10)");
    let ada = bench.server.dsn().replace("postgres@", "ada@");
    for command in [&["plan", "--count"][..], &["rebuild", "--all", "--dry-run"], &["recall"]] {
        let run = bench.index_at(&ada, command).code(13).stdout_has("open_idx");
        run.stderr_has("public.docs_idx").stderr_has("row-level security");
    }
}

#[test]
fn the_history_is_the_indexs_whatever_way_leads_to_it() {
    let bench = Bench::with_docs("", 1000);
    bench.index(&["rebuild", "docs_idx"]).success();
    let socket =
        format!("host={} port={} user=postgres dbname=postgres", bench.server.dir().display(), bench.server.port());
    let list = bench.index_at(&socket, &["list", "--format", "json"]).success().json();
    assert_eq!(list["indexes"][0]["last_run"]["action"], "rebuilt", "{list}");
    // Another role finds it too, and another database of the same name and index does not.
    bench.sql("CREATE ROLE ada LOGIN; GRANT SELECT ON docs TO ada");
    let ada = bench.server.dsn().replace("postgres@", "ada@");
    bench.index_at(&ada, &["list", "--history"]).success().stdout_has("rebuilt");
    let other = Bench::with_docs("", 1000);
    let same = other.server.dsn();
    bench.index_at(&same, &["list", "--format", "json"]).success().stdout_has("\"last_run\": null");
}

#[test]
fn functions_that_hide_postgresqls_own_do_not_run_with_the_rights_of_who_looks() {
    let bench = Bench::with_docs("", 1000);
    bench.sql("CREATE ROLE ada LOGIN; CREATE SCHEMA evil AUTHORIZATION ada; ALTER TABLE docs OWNER TO ada");
    bench.sql("SET ROLE ada; CREATE TABLE evil.seen (what text); GRANT INSERT ON evil.seen TO PUBLIC");
    let note = |what: &str| format!("LANGUAGE sql AS $$INSERT INTO evil.seen VALUES ('{what}'); SELECT {what}$$");
    for (name, returns, own) in [
        ("pg_backend_pid()", "int", "pg_catalog.pg_backend_pid()"),
        ("current_setting(text)", "text", "pg_catalog.current_setting($1)"),
        ("pg_is_in_recovery()", "bool", "pg_catalog.pg_is_in_recovery()"),
        ("pg_size_bytes(text)", "int8", "pg_catalog.pg_size_bytes($1)"),
        ("hashtext(text)", "int", "pg_catalog.hashtext($1)"),
        ("pg_try_advisory_lock(int, int)", "bool", "pg_catalog.pg_try_advisory_lock($1, $2)"),
        ("pg_advisory_unlock_all()", "void", "pg_catalog.pg_advisory_unlock_all()"),
        ("pg_get_indexdef(oid, int, bool)", "text", "pg_catalog.pg_get_indexdef($1, $2, $3)"),
        ("has_database_privilege(oid, text)", "bool", "pg_catalog.has_database_privilege($1, $2)"),
        ("pg_relation_size(regclass)", "int8", "pg_catalog.pg_relation_size($1)"),
    ] {
        bench.sql(&format!("SET ROLE ada; CREATE FUNCTION evil.{name} RETURNS {returns} {}", note(own)));
    }
    bench.sql("ALTER DATABASE postgres SET search_path = evil, pg_catalog, public");
    let hidden =
        "SELECT current_setting('port') > ''; SELECT pg_catalog.count(*) > 0 FROM evil.seen; TRUNCATE evil.seen";
    assert_eq!(bench.sql(hidden), "t\nt");
    bench.index(&["list", "--all-databases"]).success().stdout_has("docs_idx");
    bench.index(&["plan", "--count"]).success().stdout_has("imbalance");
    bench.index(&["recall"]).success();
    bench.index(&["rebuild", "--all"]).success().stdout_has("31 lists");
    bench.index(&["rebuild", "--all", "--method", "swap", "--opclass", "vector_ip_ops"]).success();
    assert_eq!(bench.sql("SELECT what FROM evil.seen"), "");
}
