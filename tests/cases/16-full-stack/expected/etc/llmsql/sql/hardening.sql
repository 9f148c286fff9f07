-- llmsql 0.1.0, profile large, sizing budget.
-- Ours alone: edits are lost.
-- psql -X -v ON_ERROR_STOP=1 -d DATABASE -f hardening.sql, as a superuser; all of it or nothing. It may be run again: what
-- is there stays, what is missing is added. Schemas, tables and roles that a database does not have are passed over.
-- Passwords are not set here: `llmsql secrets` gives each role a verifier, and until then nobody can log in as it.

BEGIN;
SET LOCAL search_path = pg_catalog, pg_temp;

-- --- Schema public (guide 5.1)
-- Nobody creates objects there. The guide revokes ALL: then nobody else could use the types of extensions that live in
-- public, and every query with a vector would fail.
REVOKE CREATE ON SCHEMA public FROM PUBLIC;

-- --- Roles
-- The guide gives both a password that everybody can read in its text.
DO $llmsql$
DECLARE
    new_role text;
BEGIN
    FOREACH new_role IN ARRAY ARRAY['readonly_user', 'app_user'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = new_role) THEN
            EXECUTE format('CREATE ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS', new_role);
        END IF;
        EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), new_role);
    END LOOP;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'pgadmin') THEN
        GRANT USAGE, CREATE ON SCHEMA public TO pgadmin;
    END IF;
END
$llmsql$;

-- --- What each may read and write
-- Tables that are made later count too: default privileges belong to who makes the table, so they are set for every owner
-- of what is in the schema, and for the schema's owner.
DO $llmsql$
DECLARE
    area record;
    maker record;
BEGIN
    FOR area IN SELECT oid, nspname, nspowner FROM pg_namespace WHERE nspname IN ('analytics', 'embeddings') LOOP
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO readonly_user, app_user', area.nspname);
        EXECUTE format('GRANT SELECT ON ALL TABLES IN SCHEMA %I TO readonly_user, app_user', area.nspname);
        IF area.nspname = 'analytics' THEN
            EXECUTE format('GRANT INSERT ON ALL TABLES IN SCHEMA %I TO app_user', area.nspname);
            EXECUTE format('GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA %I TO app_user', area.nspname);
        END IF;
        FOR maker IN
            SELECT rolname FROM pg_roles
            WHERE oid = area.nspowner OR oid IN (SELECT relowner FROM pg_class WHERE relnamespace = area.oid)
        LOOP
            EXECUTE format('ALTER DEFAULT PRIVILEGES FOR ROLE %I IN SCHEMA %I GRANT SELECT ON TABLES TO readonly_user, app_user',
                maker.rolname, area.nspname);
            IF area.nspname = 'analytics' THEN
                EXECUTE format('ALTER DEFAULT PRIVILEGES FOR ROLE %I IN SCHEMA %I GRANT INSERT ON TABLES TO app_user',
                    maker.rolname, area.nspname);
                EXECUTE format('ALTER DEFAULT PRIVILEGES FOR ROLE %I IN SCHEMA %I GRANT USAGE, SELECT ON SEQUENCES TO app_user',
                    maker.rolname, area.nspname);
            END IF;
        END LOOP;
    END LOOP;
END
$llmsql$;

-- --- Each client sees its own rows
-- The guide compares client_ip with inet_client_addr(): behind a pooler that is the pooler's address for everybody, and
-- NULL over a socket. The API says whose request it serves, at the start of each transaction:
--     SELECT set_config('app.client_ip', '192.0.2.7', true);
-- Without it app_user sees no row and may add none. readonly_user, for whom the guide has no policy, would see none either.
DO $llmsql$
DECLARE
    logs regclass := to_regclass('analytics.query_logs');
    address text;
    own text;
BEGIN
    SELECT format_type(atttypid, NULL) INTO address FROM pg_attribute
    WHERE attrelid = logs AND attname = 'client_ip' AND NOT attisdropped;
    IF address IS NULL THEN
        RAISE NOTICE 'there is no analytics.query_logs with a client_ip; no row-level security was set up';
        RETURN;
    END IF;
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', logs);
    -- The guide's own policy is replaced, one of another name stays.
    DROP POLICY IF EXISTS query_logs_isolation ON analytics.query_logs;
    own := format('NULLIF(current_setting(%L, true), %L)::%s', 'app.client_ip', '', address);
    EXECUTE format('CREATE POLICY query_logs_isolation ON %s FOR ALL TO app_user USING (client_ip = %s) WITH CHECK (client_ip = %s)',
        logs, own, own);
    DROP POLICY IF EXISTS query_logs_readonly ON analytics.query_logs;
    CREATE POLICY query_logs_readonly ON analytics.query_logs FOR SELECT TO readonly_user USING (true);
END
$llmsql$;

-- --- Audit
-- For this database, where pgaudit is loaded; ALTER SYSTEM, as in the guide, could not be part of a transaction.
-- Parameters are not logged: they hold what users ask, and passwords.
DO $llmsql$
BEGIN
    IF 'pgaudit' <> ALL (regexp_split_to_array(current_setting('shared_preload_libraries'), '\s*,\s*')) THEN
        RAISE NOTICE 'pgaudit is not in shared_preload_libraries; nothing is audited';
        RETURN;
    END IF;
    CREATE EXTENSION IF NOT EXISTS pgaudit SCHEMA public;
    EXECUTE format('ALTER DATABASE %I SET pgaudit.log = %L', current_database(), 'ddl, role, read, write');
    EXECUTE format('ALTER DATABASE %I SET pgaudit.log_catalog = off', current_database());
    EXECUTE format('ALTER DATABASE %I SET pgaudit.log_parameter = off', current_database());
END
$llmsql$;

COMMIT;
