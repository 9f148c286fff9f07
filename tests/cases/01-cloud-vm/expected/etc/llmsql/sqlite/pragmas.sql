-- llmsql 0.1.0, profile small, sizing budget.
-- Ours alone: edits are lost; pin a value with `llmsql config set sqlite.journal_mode wal`.
-- For every connection that is opened: only journal_mode is kept in the file.

-- --- Pragmas

-- wal: readers do not wait for the writer
PRAGMA journal_mode = wal;

-- normal: with wal the file survives any crash; the last commits may be lost on power failure, never
-- consistency
PRAGMA synchronous = normal;

-- 5s: a writer waits for another instead of failing at once
PRAGMA busy_timeout = 5000;

-- -16384: 16MB for each connection (negative counts kB), within the API worker's 200MB
PRAGMA cache_size = -16384;

-- 256MB: reads go through the kernel's page cache, which can give it back
PRAGMA mmap_size = 268435456;

-- 64MB: the write-ahead log is cut back to this
PRAGMA journal_size_limit = 67108864;

-- 1000 pages, SQLite's default
PRAGMA wal_autocheckpoint = 1000;

-- on: SQLite's default leaves keys unchecked
PRAGMA foreign_keys = on;

-- memory: temporary tables are small here
PRAGMA temp_store = memory;
