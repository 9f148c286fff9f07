-- llmsql 0.1.0, profile small, sizing budget.
-- Ours alone: edits are lost; pin a value with `llmsql config set maintenance.database_connection_limit 16`.
-- psql -X -v ON_ERROR_STOP=1 -f connection-limits.sql, as a superuser or the database's owner; may be run again.

-- min(max(3/4·max_connections, C), max_connections − reserved) = min(max(3/4·22, 9), 19)
-- One database cannot take every connection there is, as the guide's 150 of 200; superusers are not bound by
-- it.
DO $llmsql$
BEGIN
    IF EXISTS (SELECT FROM pg_catalog.pg_database WHERE datname = 'llm_analytics') THEN
        ALTER DATABASE "llm_analytics" CONNECTION LIMIT 16;
    ELSE
        RAISE NOTICE 'there is no database %; nothing was limited', 'llm_analytics';
    END IF;
END
$llmsql$;
