-- llmsql 0.1.0, profile large, sizing guide.
-- Ours alone: edits are lost; pin a value with `llmsql config set duckdb.memory_limit 32GiB`.
-- Run it on the first connection of a process: .read in the shell, execute() in Python. Of the guide's settings,
-- enable_optimizer does not exist in DuckDB (the optimizer is on), enable_profiling and profiling_mode belong to one
-- connection, and enable_object_cache no longer does anything: none of them is set here.

-- --- Memory (guide 2.1)

-- the guide's table, by the largest column not above the RAM; below 8 GB half of it
SET GLOBAL memory_limit = '32GiB';

-- --- Threads (guide 2.1)

-- the guide's table
SET GLOBAL threads = 16;

-- the guide's table; DuckDB refuses more than `threads`, of which they are a part
SET GLOBAL external_threads = 8;

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
