-- Operations data: two weeks of a small site, made of arithmetic so that every run has the same. FOLDER is replaced.
CREATE TABLE access AS
SELECT TIMESTAMP '2026-03-05 00:00:00' + INTERVAL (i * 1913) SECOND AS "time",
    '10.0.' || (i * 7 % 5) || '.' || (i * 31 % 23) AS remote_addr,
    ['GET', 'GET', 'GET', 'POST', 'GET', 'PUT', 'GET', 'DELETE'][1 + (i * 5 % 8)] AS method,
    ['/api/query', '/health', '/api/query', '/login', '/api/query', '/api/export', '/health', '/api/query', '/login',
     '/api/schema', '/health', '/api/query', '/api/export', '/health', '/login', '/api/query'][1 + (i * 7 % 16)] AS path,
    [200, 200, 200, 200, 304, 404, 200, 500, 200, 502, 201, 403, 200][1 + (i * 11 % 13)] AS status,
    200 + (i * 7919 % 50000) AS body_bytes_sent,
    round(0.005 + (i * 104729 % 3000) / 1000.0, 3) AS request_time,
    ['curl/8.5', 'Mozilla/5.0', 'python-requests/2.32', 'Mozilla/5.0'][1 + (i * 3 % 4)] AS user_agent,
    ['web1', 'web2', 'web3', 'web2'][1 + (i * 13 % 4)] AS host
FROM range(620) t(i);
COPY access TO 'FOLDER/access.ndjson' (FORMAT JSON);

CREATE TABLE pg_stat_statements AS
SELECT 1000 + i * 37 AS queryid,
    ['SELECT * FROM orders WHERE id = $1', 'UPDATE orders SET state = $1', 'INSERT INTO events VALUES ($1)',
     'DELETE FROM sessions WHERE expires < $1', 'SELECT count(*) FROM events'][1 + i % 5] || ' -- ' || i AS query,
    ['app', 'report', 'postgres'][1 + i % 3] AS usename,
    ['shop', 'analytics'][1 + i % 2] AS datname,
    10 + (i * 617 % 5000) AS calls,
    round((10 + (i * 617 % 5000)) * (0.2 + (i * 733 % 900) / 10.0), 2) AS total_exec_time,
    round(0.2 + (i * 733 % 900) / 10.0, 2) AS mean_exec_time,
    round(0.1 + (i * 733 % 900) / 40.0, 2) AS min_exec_time,
    round(1 + (i * 733 % 900) / 2.0, 2) AS max_exec_time,
    round((i * 389 % 700) / 10.0, 2) AS stddev_exec_time,
    i * 3571 % 100000 AS "rows",
    i * 5557 % 1000000 AS shared_blks_hit,
    i * 991 % 20000 AS shared_blks_read,
    greatest(0, i * 71 % 400 - 250) AS temp_blks_written
FROM range(60) t(i);
COPY pg_stat_statements TO 'FOLDER/pg_stat_statements.csv' (HEADER);

CREATE TABLE pg_stats AS
SELECT ['analytics', 'analytics', 'public'][1 + i % 3] AS schemaname,
    ['query_logs', 'events', 'orders', 'users'][1 + i % 4] AS tablename,
    ['id', 'user_query', 'status', 'created_at', 'amount', 'email', 'country'][1 + i % 7] || '_' || i AS attname,
    i * 53 % 900 AS n_distinct,
    round((i * 17 % 200) / 100.0 - 1, 2) AS correlation,
    round((i * 29 % 100) / 100.0, 2) AS null_frac
FROM range(40) t(i);
COPY pg_stats TO 'FOLDER/pg_stats.csv' (HEADER);

CREATE TABLE query_logs AS
SELECT i + 1 AS id,
    ['total sales by region', 'how many users signed up', 'revenue last month', 'top customers', 'orders per day',
     'slowest endpoints', 'churn by plan'][1 + (i * i + i) % 7] AS user_query,
    ['alice', 'bob', 'carol', 'dave'][1 + (i * 7 % 4)] AS username,
    ['gpt', 'llama', 'qwen'][1 + (i * 5 % 3)] AS model,
    ['success', 'success', 'success', 'error', 'success', 'timeout'][1 + (i * 7 % 6)] AS status,
    round(20 + (i * 7907 % 40000) / 10.0, 1) AS execution_time_ms,
    i * 97 % 1200 AS rows_returned,
    CASE WHEN i * 7 % 6 = 3 THEN ['syntax error', 'permission denied'][1 + i % 2] END AS error_message,
    TIMESTAMP '2026-02-01 03:00:00' + INTERVAL (i * 8231) SECOND AS created_at
FROM range(470) t(i);
COPY query_logs TO 'FOLDER/query_logs.parquet' (FORMAT PARQUET);

CREATE TABLE journal AS
SELECT TIMESTAMP '2026-03-14 00:00:00' + INTERVAL (i * 1423) SECOND AS "timestamp",
    ['web1', 'db1', 'db2'][1 + i * 7 % 3] AS hostname,
    ['nginx.service', 'postgresql.service', 'pgbouncer.service', 'sshd.service', 'cron.service'][1 + i * 3 % 5] AS unit,
    [6, 6, 5, 3, 6, 4, 6, 2, 6, 7][1 + i * 7 % 10] AS priority,
    900 + i * 13 % 40 AS pid,
    ['started', 'connection reset by peer', 'checkpoint complete', 'out of memory', 'accepted publickey for root',
     'disk full on /var', 'reloaded configuration'][1 + (i * i % 7)] AS message
FROM range(300) t(i);
COPY journal TO 'FOLDER/journal.ndjson' (FORMAT JSON);

-- An application's own tables: tickets of teams, and orders of customers, some not yet closed, paid or shipped.
CREATE TABLE teams AS
SELECT i + 1 AS id, ['Network', 'Database', 'Storage', 'Frontend'][i + 1] AS name FROM range(4) t(i);
COPY teams TO 'FOLDER/desk/teams.csv' (HEADER);
CREATE TABLE tickets AS
SELECT i + 1 AS id,
    ['Disk full', 'Slow query', 'Login fails', 'Certificate expired', 'Packet loss'][1 + (i * 7 % 5)] || ' ' || i AS title,
    1 + (i * 11 % 4) AS team_id,
    ['ann', 'ben', 'cleo', 'dan', 'eva'][1 + (i * 13 % 5)] AS assignee,
    ['low', 'medium', 'high', 'urgent'][1 + (i * i % 11) % 4] AS priority,
    CASE WHEN i % 5 = 0 THEN ['open', 'in progress'][1 + i % 2] ELSE 'closed' END AS status,
    TIMESTAMP '2026-02-02 07:00:00' + INTERVAL (i * 17911) SECOND AS opened_at,
    CASE WHEN i % 5 <> 0 THEN TIMESTAMP '2026-02-02 07:00:00' + INTERVAL (i * 17911 + 3600 + i * 7919 % 400000) SECOND END
        AS closed_at
FROM range(210) t(i);
COPY tickets TO 'FOLDER/desk/tickets.csv' (HEADER);

CREATE TABLE customers AS
SELECT i + 1 AS id, 'Customer ' || chr(65 + i::INTEGER) AS name, ['DE', 'FR', 'US', 'JP'][1 + (i * 3 % 4)] AS country,
    TIMESTAMP '2025-11-01 09:00:00' + INTERVAL (i * 401) HOUR AS created_at
FROM range(20) t(i);
COPY customers TO 'FOLDER/shop/customers.csv' (HEADER);
CREATE TABLE orders AS
SELECT i + 1 AS id, 1 + (i * 7 % 18) AS customer_id,
    ['shipped', 'paid', 'shipped', 'cancelled', 'shipped', 'pending'][1 + (i * 5 % 6)] AS status,
    round(10 + (i * 7919 % 20000) / 100.0, 2) AS total,
    TIMESTAMP '2026-01-01 08:00:00' + INTERVAL (i * 22013) SECOND AS created_at,
    CASE WHEN i * 5 % 6 NOT IN (3, 5)
        THEN TIMESTAMP '2026-01-01 08:00:00' + INTERVAL (i * 22013 + 600 + i * 137 % 90000) SECOND END AS paid_at,
    CASE WHEN i * 5 % 6 IN (0, 2, 4)
        THEN TIMESTAMP '2026-01-01 08:00:00' + INTERVAL (i * 22013 + 100000 + i * 911 % 300000) SECOND END AS shipped_at
FROM range(300) t(i);
COPY orders TO 'FOLDER/shop/orders.csv' (HEADER);

-- Errors of services, logins, files, and figures of hosts.
CREATE TABLE errors AS
SELECT TIMESTAMP '2026-03-10 00:00:00' + INTERVAL (i * 2741) SECOND AS occurred_at,
    ['billing', 'search', 'gateway'][1 + (i * 5 % 7) % 3] AS service,
    ['timeout', 'connection refused', 'null pointer', 'disk full', 'bad request'][1 + (i * i + i * 3) % 11 % 5] AS error,
    ['warning', 'error', 'critical'][1 + (i * 3 % 5) % 3] AS severity
FROM range(260) t(i);
COPY errors TO 'FOLDER/errors.ndjson' (FORMAT JSON);
CREATE TABLE logins AS
SELECT TIMESTAMP '2026-03-12 00:00:00' + INTERVAL (i * 1999) SECOND AS "time",
    ['root', 'alice', 'bob', 'deploy'][1 + (i * 7 % 9) % 4] AS username,
    '192.0.2.' || (i * 13 % 29) AS ip,
    i * 11 % 4 <> 1 AS success
FROM range(270) t(i);
COPY logins TO 'FOLDER/logins.csv' (HEADER);
CREATE TABLE files AS
SELECT '/var/' || ['log', 'lib', 'backup', 'cache'][1 + i % 4] || '/' || 'f' || i AS path,
    ['root', 'postgres', 'www-data'][1 + (i * 5 % 3)] AS owner,
    (i * i * 104729 % 90000000) AS size_bytes,
    TIMESTAMP '2025-06-01 00:00:00' + INTERVAL (i * 61) HOUR AS modified_at
FROM range(110) t(i);
COPY files TO 'FOLDER/files.csv' (HEADER);
CREATE TABLE metrics AS
SELECT TIMESTAMP '2026-03-16 00:00:00' + INTERVAL (i // 3 * 15) MINUTE AS ts,
    ['db1', 'db2', 'web1'][1 + i % 3] AS host,
    round((i * 7919 % 1000) / 10.0, 1) AS cpu_percent,
    2000000000 + i * 104729 % 6000000000 AS memory_bytes,
    round(40 + (i * 31 % 550) / 10.0, 1) AS disk_used_percent
FROM range(720) t(i);
COPY metrics TO 'FOLDER/metrics.csv' (HEADER);

-- Builds and deployments of projects, and a market with its customers' status as a word.
CREATE TABLE projects AS
SELECT i + 1 AS id, ['gateway', 'billing', 'search', 'mobile', 'docs'][i + 1] AS name,
    ['platform', 'finance', 'search', 'apps', 'platform'][i + 1] AS team,
    ['Y', 'Y', 'Y', 'N', 'Y'][i + 1] AS active
FROM range(5) t(i);
COPY projects TO 'FOLDER/pipeline/projects.csv' (HEADER);
CREATE TABLE builds AS
SELECT i + 1 AS id, 1 + (i * 7 % 5) AS project_id,
    ['main', 'main', 'develop', 'release'][1 + (i * 3 % 4)] AS branch,
    ['passed', 'passed', 'failed', 'passed', 'canceled', 'passed', 'failed', 'passed', 'passed'][1 + (i * 4 % 9)] AS status,
    ['push', 'schedule', 'manual'][1 + (i * 5 % 3)] AS triggered_by,
    TIMESTAMP '2026-02-20 06:00:00' + INTERVAL (i * 7321) SECOND AS started_at,
    TIMESTAMP '2026-02-20 06:00:00' + INTERVAL (i * 7321 + 60 + i * 389 % 1500) SECOND AS finished_at,
    60 + i * 389 % 1500 AS duration_seconds
FROM range(310) t(i);
COPY builds TO 'FOLDER/pipeline/builds.csv' (HEADER);
CREATE TABLE jobs AS
SELECT i + 1 AS id, 1 + (i * 5 % 310) AS build_id,
    ['lint', 'unit tests', 'integration tests', 'package'][1 + i * 3 % 4] AS job_name,
    ['runner-1', 'runner-2', 'runner-3'][1 + (i * i % 7) % 3] AS runner,
    ['success', 'success', 'failed', 'success', 'timeout', 'success'][1 + (i * 5 % 6 + i % 2) % 6] AS status,
    10 + i * 197 % 700 AS duration_seconds,
    i % 3 AS retries
FROM range(800) t(i);
COPY jobs TO 'FOLDER/pipeline/jobs.csv' (HEADER);
CREATE TABLE deployments AS
SELECT i + 1 AS id, 1 + (i * 3 % 5) AS project_id,
    ['production', 'staging', 'staging'][1 + i % 3] AS environment,
    'v1.' || (i // 4) AS version,
    ['succeeded', 'succeeded', 'failed', 'succeeded', 'rolled back'][1 + (i * 7 % 5 + i // 6) % 5] AS status,
    ['ann', 'ben', 'cleo'][1 + i * 2 % 3] AS deployed_by,
    TIMESTAMP '2026-02-15 10:00:00' + INTERVAL (i * 26131) SECOND AS deployed_at
FROM range(104) t(i);
COPY deployments TO 'FOLDER/pipeline/deployments.csv' (HEADER);

CREATE TABLE clients AS
SELECT i + 1 AS id,
    ['Anna', 'Bob', 'Carla', 'Dirk', 'Elif', 'Finn', 'Gina', 'Hugo'][1 + i % 8] || ' ' || ['Adler', 'Brandt', 'Costa'][1 + i % 3] AS name,
    ['Germany', 'France', 'Spain', 'Germany', 'Italy'][1 + (i * 3 % 5)] AS country,
    ['free', 'pro', 'enterprise'][1 + (i * 2 % 3)] AS plan,
    ['yes', 'yes', 'no'][1 + (i * 5 % 7) % 3] AS active,
    TIMESTAMP '2025-11-01 09:00:00' + INTERVAL (i * 5) DAY AS registered_at
FROM range(24) t(i);
COPY clients TO 'FOLDER/market/clients.csv' (HEADER);
CREATE TABLE products AS
SELECT i + 1 AS id,
    ['Laptop', 'Phone', 'Desk', 'Chair', 'Lamp', 'Monitor', 'Keyboard', 'Mouse', 'Cable', 'Bag'][i + 1] AS name,
    ['electronics', 'electronics', 'furniture', 'furniture', 'furniture', 'electronics', 'accessories', 'accessories', 'accessories', 'accessories'][i + 1] AS category,
    [1200, 800, 340, 150, 45, 310, 80, 35, 9, 60][i + 1] AS price,
    i * 37 % 90 AS stock
FROM range(10) t(i);
COPY products TO 'FOLDER/market/products.csv' (HEADER);
CREATE TABLE purchases AS
SELECT i + 1 AS id, 1 + (i * 11 % 21) AS client_id, 1 + (i * 7 % 9) AS product_id,
    1 + i % 4 AS quantity,
    (1 + i % 4) * [1200, 800, 340, 150, 45, 310, 80, 35, 9, 60][1 + (i * 7 % 9)] AS total,
    ['paid', 'paid', 'refunded', 'paid', 'pending'][1 + (i * 3 % 5)] AS status,
    ['card', 'paypal', 'invoice'][1 + (i * i % 5) % 3] AS payment_method,
    TIMESTAMP '2026-01-05 08:00:00' + INTERVAL (i * 36000) SECOND AS purchased_at
FROM range(170) t(i);
COPY purchases TO 'FOLDER/market/purchases.csv' (HEADER);
CREATE TABLE sessions AS
SELECT i + 1 AS id, 1 + (i * 5 % 24) AS client_id,
    ['desktop', 'mobile', 'mobile', 'tablet'][1 + (i * 3 % 4)] AS device,
    TIMESTAMP '2026-03-01 00:00:00' + INTERVAL (i * 4663) SECOND AS started_at,
    TIMESTAMP '2026-03-01 00:00:00' + INTERVAL (i * 4663 + 30 + i * 577 % 3000) SECOND AS ended_at,
    1 + i * 13 % 17 AS pages
FROM range(320) t(i);
COPY sessions TO 'FOLDER/market/sessions.csv' (HEADER);
