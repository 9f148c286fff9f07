-- llmsql 0.1.0, profile large, sizing budget.
-- Ours alone: edits are lost; pin a value with `llmsql config set duckdb.memory_limit 18904545KiB`.
-- Run it on the first connection of a process: .read in the shell, execute() in Python. Of the guide's settings,
-- enable_optimizer does not exist in DuckDB (the optimizer is on), enable_profiling and profiling_mode belong to one
-- connection, and enable_object_cache no longer does anything: none of them is set here.

-- --- Memory (guide 2.1)

-- 80 % of DuckDB's share = 0.8·22.5 GB
-- DuckDB exceeds its limit at times; the other fifth is for that.
SET GLOBAL memory_limit = '18904545KiB';

-- --- Threads (guide 2.1)

-- max(1, CPUs − max_parallel_workers) = 16 − 9
SET GLOBAL threads = 7;

-- 1: the thread that calls DuckDB; further threads of the caller would be counted here, within `threads`
SET GLOBAL external_threads = 1;

-- --- Storage (guide 2.1, 2.3)

-- on disk; the guide's /tmp/duckdb is often memory, which spilling is meant to save
SET GLOBAL temp_directory = '/var/lib/duckdb/tmp';

-- 10GB where the file system is not known = 10GB
SET GLOBAL max_temp_directory_size = '10GiB';

-- persistent and the service's own: an extension is code that the service runs
SET GLOBAL extension_directory = '/var/lib/duckdb/extensions';

-- the guide's table = 32MB
SET GLOBAL checkpoint_threshold = '32MiB';

-- --- Queries (guide 2.1)

-- the guide's constant
SET GLOBAL default_order = 'ASC';

-- false: large results stream instead of being held back for their order
SET GLOBAL preserve_insertion_order = false;
