//! Every setting the plan can make: what it takes, when a change counts, which versions have it, and where the guide
//! speaks of it. The plan derives values; this table holds what does not depend on the host.

use super::{Component, TakesEffect};
use crate::profile::Kind;

/// What is fixed about one setting.
#[derive(Debug, Clone, Copy)]
pub struct Spec {
    /// The component whose file holds it.
    pub component: Component,
    /// Its name in that file.
    pub name: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// When a change counts.
    pub takes_effect: TakesEffect,
    /// The heading it stands under.
    pub group: &'static str,
    /// The guide's section.
    pub guide: Option<&'static str>,
    /// First major version of PostgreSQL that has it.
    pub since: u32,
    /// Where the plan makes it, as the end of "it is planned where …"; empty where it always does.
    pub when: &'static str,
}

impl Spec {
    const fn since(mut self, major: u32) -> Self {
        self.since = major;
        self
    }

    const fn when(mut self, condition: &'static str) -> Self {
        self.when = condition;
        self
    }

    /// The key: `postgresql.work_mem`.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}.{}", self.component.name(), self.name)
    }
}

const fn spec(
    component: Component,
    name: &'static str,
    kind: Kind,
    takes_effect: TakesEffect,
    group: &'static str,
    guide: &'static str,
) -> Spec {
    let guide = if guide.is_empty() { None } else { Some(guide) };
    Spec { component, name, kind, takes_effect, group, guide, since: 14, when: "" }
}

const INT: Kind = Kind::Int(-1, i32::MAX as i64);
const COUNT: Kind = Kind::Int(0, i32::MAX as i64);
const OOM: Kind = Kind::Int(-1000, 1000);
const COST: Kind = Kind::Float(0.0, f64::MAX);
const OFF_ON_TRY: Kind = Kind::Word(&["off", "on", "try"]);

const ARCHIVING: &str = "postgresql.archive_dir names a folder on another file system than the database, and no archiving is set up already";
const CERTIFICATE: &str =
    "postgresql.tls_certificate and postgresql.tls_certificate_key name a certificate that can be read here";
const PRIMARY: &str = "a primary is known that has more than PostgreSQL's default";
const STATEMENTS: &str = "pg_stat_statements is installed";

/// The table.
#[rustfmt::skip]
pub static SPECS: &[Spec] = {
    use Component::{
        Api, Containers, Disk, DuckDb, Kernel, Limits, Maintenance, Nginx, PgBouncer, PostgreSql, Sqlite,
    };
    use Kind::{Bool, Bytes, Delay, Limit, List, Millis, Text, Word};
    use TakesEffect::{Reboot, Reload, Restart, Runtime};
    &[
        spec(PostgreSql, "shared_buffers", Bytes, Restart, "memory", "1.1"),
        spec(PostgreSql, "effective_cache_size", Bytes, Reload, "memory", "1.1"),
        spec(PostgreSql, "work_mem", Bytes, Reload, "memory", "1.1"),
        spec(PostgreSql, "hash_mem_multiplier", Kind::Float(1.0, 1000.0), Reload, "memory", "1.1"),
        spec(PostgreSql, "maintenance_work_mem", Bytes, Reload, "memory", "1.1"),
        spec(PostgreSql, "autovacuum_work_mem", Limit, Reload, "memory", "1.1"),
        spec(PostgreSql, "wal_buffers", Limit, Restart, "memory", "1.1"),
        spec(PostgreSql, "huge_pages", OFF_ON_TRY, Restart, "memory", "1.1"),
        spec(PostgreSql, "temp_buffers", Bytes, Reload, "memory", "1.1"),
        spec(PostgreSql, "max_connections", Kind::Int(1, 262_143), Restart, "connections", "1.2"),
        spec(PostgreSql, "superuser_reserved_connections", COUNT, Restart, "connections", "1.2"),
        spec(PostgreSql, "reserved_connections", COUNT, Restart, "connections", "").since(16),
        spec(PostgreSql, "statement_timeout", Millis, Reload, "connections", "1.2"),
        spec(PostgreSql, "idle_in_transaction_session_timeout", Millis, Reload, "connections", "1.2"),
        spec(PostgreSql, "transaction_timeout", Millis, Reload, "connections", "").since(17),
        spec(PostgreSql, "lock_timeout", Millis, Reload, "connections", "1.2"),
        spec(PostgreSql, "client_connection_check_interval", Millis, Reload, "connections", ""),
        spec(PostgreSql, "password_encryption", Word(&["scram-sha-256", "md5"]), Reload, "connections", "5.1"),
        spec(PostgreSql, "tcp_keepalives_idle", Kind::Int(0, i32::MAX as i64), Reload, "connections", "4.1"),
        spec(PostgreSql, "tcp_keepalives_interval", COUNT, Reload, "connections", "4.1"),
        spec(PostgreSql, "tcp_keepalives_count", COUNT, Reload, "connections", "4.1"),
        spec(PostgreSql, "ssl", Bool, Reload, "TLS", "5.1").when(CERTIFICATE),
        spec(PostgreSql, "ssl_cert_file", Text, Reload, "TLS", "5.1").when(CERTIFICATE),
        spec(PostgreSql, "ssl_key_file", Text, Reload, "TLS", "5.1").when(CERTIFICATE),
        spec(PostgreSql, "ssl_min_protocol_version", Word(&["TLSv1.2", "TLSv1.3"]), Reload, "TLS", "5.1").when(CERTIFICATE),
        spec(PostgreSql, "max_worker_processes", COUNT, Restart, "parallel", "1.3"),
        spec(PostgreSql, "max_parallel_workers", COUNT, Reload, "parallel", "1.3"),
        spec(PostgreSql, "max_parallel_workers_per_gather", COUNT, Reload, "parallel", "1.3"),
        spec(PostgreSql, "max_parallel_maintenance_workers", COUNT, Reload, "parallel", ""),
        spec(PostgreSql, "parallel_setup_cost", COST, Reload, "planner", "1.3"),
        spec(PostgreSql, "parallel_tuple_cost", COST, Reload, "planner", "1.3"),
        spec(PostgreSql, "random_page_cost", COST, Reload, "planner", "1.3"),
        spec(PostgreSql, "seq_page_cost", COST, Reload, "planner", "1.3"),
        spec(PostgreSql, "default_statistics_target", Kind::Int(1, 10_000), Reload, "planner", "1.3"),
        spec(PostgreSql, "jit", Bool, Reload, "planner", "1.3"),
        spec(PostgreSql, "jit_above_cost", COST, Reload, "planner", "1.3"),
        spec(PostgreSql, "geqo", Bool, Reload, "planner", "1.3"),
        spec(PostgreSql, "geqo_threshold", COUNT, Reload, "planner", "1.3"),
        spec(PostgreSql, "effective_io_concurrency", Kind::Int(0, 1000), Reload, "I/O", "1.3"),
        spec(PostgreSql, "maintenance_io_concurrency", Kind::Int(0, 1000), Reload, "I/O", ""),
        spec(PostgreSql, "io_method", Word(&["worker", "io_uring", "sync"]), Restart, "I/O", "").since(18),
        spec(PostgreSql, "io_workers", Kind::Int(1, 32), Reload, "I/O", "").since(18),
        spec(PostgreSql, "wal_level", Word(&["minimal", "replica", "logical"]), Restart, "WAL and checkpoints", "1.4"),
        spec(PostgreSql, "max_wal_size", Bytes, Reload, "WAL and checkpoints", "1.4"),
        spec(PostgreSql, "min_wal_size", Bytes, Reload, "WAL and checkpoints", "1.4"),
        spec(PostgreSql, "checkpoint_timeout", Millis, Reload, "WAL and checkpoints", "1.4"),
        spec(PostgreSql, "checkpoint_completion_target", Kind::Float(0.0, 1.0), Reload, "WAL and checkpoints", "1.4"),
        spec(PostgreSql, "wal_writer_delay", Millis, Reload, "WAL and checkpoints", "1.4"),
        spec(PostgreSql, "wal_writer_flush_after", Bytes, Reload, "WAL and checkpoints", "1.4"),
        spec(PostgreSql, "wal_compression", Word(&["off", "on", "pglz", "lz4", "zstd"]), Reload, "WAL and checkpoints", ""),
        spec(PostgreSql, "commit_delay", COUNT, Reload, "WAL and checkpoints", "1.4"),
        spec(PostgreSql, "commit_siblings", COUNT, Reload, "WAL and checkpoints", "1.4"),
        spec(PostgreSql, "synchronous_commit", Word(&["on", "off", "local", "remote_write", "remote_apply"]), Reload, "WAL and checkpoints", "1.4"),
        spec(PostgreSql, "archive_mode", Word(&["off", "on", "always"]), Restart, "WAL and checkpoints", "1.4").when(ARCHIVING),
        spec(PostgreSql, "archive_command", Text, Reload, "WAL and checkpoints", "1.4").when(ARCHIVING),
        spec(PostgreSql, "archive_timeout", Millis, Reload, "WAL and checkpoints", "1.4").when(ARCHIVING),
        spec(PostgreSql, "max_wal_senders", COUNT, Restart, "replication", ""),
        spec(PostgreSql, "max_replication_slots", COUNT, Restart, "replication", ""),
        spec(PostgreSql, "max_locks_per_transaction", Kind::Int(10, i32::MAX as i64), Restart, "replication", "").when(PRIMARY),
        spec(PostgreSql, "max_prepared_transactions", Kind::Int(0, 262_143), Restart, "replication", "").when(PRIMARY),
        spec(PostgreSql, "max_slot_wal_keep_size", Limit, Reload, "replication", ""),
        spec(PostgreSql, "idle_replication_slot_timeout", Millis, Reload, "replication", "").since(18),
        spec(PostgreSql, "wal_sender_timeout", Millis, Reload, "replication", "4.1"),
        spec(PostgreSql, "wal_receiver_timeout", Millis, Reload, "replication", "4.1"),
        spec(PostgreSql, "hot_standby_feedback", Bool, Reload, "replication", ""),
        spec(PostgreSql, "autovacuum", Bool, Reload, "vacuum", "1.5"),
        spec(PostgreSql, "autovacuum_worker_slots", COUNT, Restart, "vacuum", "").since(18),
        spec(PostgreSql, "autovacuum_max_workers", Kind::Int(1, 262_143), Restart, "vacuum", "1.5"),
        spec(PostgreSql, "autovacuum_naptime", Millis, Reload, "vacuum", "1.5"),
        spec(PostgreSql, "autovacuum_vacuum_threshold", COUNT, Reload, "vacuum", "1.5"),
        spec(PostgreSql, "autovacuum_vacuum_max_threshold", INT, Reload, "vacuum", "").since(18),
        spec(PostgreSql, "autovacuum_analyze_threshold", COUNT, Reload, "vacuum", "1.5"),
        spec(PostgreSql, "autovacuum_vacuum_scale_factor", Kind::Float(0.0, 100.0), Reload, "vacuum", "1.5"),
        spec(PostgreSql, "autovacuum_analyze_scale_factor", Kind::Float(0.0, 100.0), Reload, "vacuum", "1.5"),
        spec(PostgreSql, "autovacuum_vacuum_cost_delay", Delay, Reload, "vacuum", "1.5"),
        spec(PostgreSql, "autovacuum_vacuum_cost_limit", Kind::Int(-1, 10_000), Reload, "vacuum", "1.5"),
        spec(PostgreSql, "autovacuum_freeze_max_age", COUNT, Restart, "vacuum", "1.5"),
        spec(PostgreSql, "autovacuum_multixact_freeze_max_age", COUNT, Restart, "vacuum", "1.5"),
        spec(PostgreSql, "vacuum_buffer_usage_limit", Bytes, Reload, "vacuum", "").since(16),
        spec(PostgreSql, "shared_preload_libraries", List, Restart, "observability", "1.3").when(STATEMENTS),
        spec(PostgreSql, "compute_query_id", Word(&["off", "on", "auto", "regress"]), Reload, "observability", "1.3").when(STATEMENTS),
        spec(PostgreSql, "track_io_timing", Bool, Reload, "observability", ""),
        spec(PostgreSql, "track_wal_io_timing", Bool, Reload, "observability", ""),
        spec(PostgreSql, "track_cost_delay_timing", Bool, Reload, "observability", "").since(18),
        spec(PostgreSql, "log_min_duration_statement", Delay, Reload, "observability", ""),
        spec(PostgreSql, "log_checkpoints", Bool, Reload, "observability", ""),
        spec(PostgreSql, "log_lock_waits", Bool, Reload, "observability", ""),
        spec(PostgreSql, "log_lock_failures", Bool, Reload, "observability", "").since(18),
        spec(PostgreSql, "log_temp_files", Limit, Reload, "observability", ""),
        spec(PostgreSql, "log_autovacuum_min_duration", Delay, Reload, "observability", ""),
        spec(PostgreSql, "log_connections", Text, Reload, "observability", "5.2"),
        spec(PostgreSql, "log_disconnections", Bool, Reload, "observability", "5.2"),
        spec(PostgreSql, "log_line_prefix", Text, Reload, "observability", ""),

        spec(PgBouncer, "databases", Text, Reload, "databases", "1.2"),
        spec(PgBouncer, "pool_mode", Word(&["transaction", "session", "statement"]), Reload, "pooling", "1.2"),
        spec(PgBouncer, "max_client_conn", Kind::Int(1, 1_000_000), Reload, "pooling", "1.2"),
        spec(PgBouncer, "default_pool_size", Kind::Int(1, 100_000), Reload, "pooling", "1.2"),
        spec(PgBouncer, "min_pool_size", COUNT, Reload, "pooling", "1.2"),
        spec(PgBouncer, "reserve_pool_size", COUNT, Reload, "pooling", "1.2"),
        spec(PgBouncer, "max_prepared_statements", COUNT, Reload, "pooling", "").when("PgBouncer is known to be 1.21 or later"),
        spec(PgBouncer, "server_lifetime", Millis, Reload, "timeouts", "1.2"),
        spec(PgBouncer, "server_idle_timeout", Millis, Reload, "timeouts", "1.2"),
        spec(PgBouncer, "query_timeout", Millis, Reload, "timeouts", "1.2"),
        spec(PgBouncer, "client_idle_timeout", Millis, Reload, "timeouts", "1.2"),
        spec(PgBouncer, "listen_addr", Text, Restart, "network", "1.2"),
        spec(PgBouncer, "listen_port", Kind::Int(1, 65_535), Restart, "network", "1.2"),
        spec(PgBouncer, "listen_backlog", COUNT, Restart, "network", "4.1"),
        spec(PgBouncer, "tcp_keepidle", COUNT, Reload, "network", "4.1"),
        spec(PgBouncer, "tcp_keepintvl", COUNT, Reload, "network", "4.1"),
        spec(PgBouncer, "tcp_keepcnt", COUNT, Reload, "network", "4.1"),
        spec(PgBouncer, "auth_type", Word(&["scram-sha-256", "md5", "cert", "hba", "pam", "plain", "trust", "any"]), Reload, "authentication", "1.2"),
        spec(PgBouncer, "auth_file", Text, Reload, "authentication", "1.2"),
        spec(PgBouncer, "log_connections", Bool, Reload, "logging", "1.2"),
        spec(PgBouncer, "log_disconnections", Bool, Reload, "logging", "1.2"),
        spec(PgBouncer, "log_pooler_errors", Bool, Reload, "logging", "1.2"),

        spec(Nginx, "worker_processes", Kind::Int(1, 65_536), Reload, "processes", "3.1"),
        spec(Nginx, "worker_connections", Kind::Int(64, 1_000_000), Reload, "processes", "3.1"),
        spec(Nginx, "worker_rlimit_nofile", Kind::Int(64, 10_000_000), Reload, "processes", "3.1"),
        spec(Nginx, "proxy_read_timeout", Millis, Reload, "timeouts", "3.1"),
        spec(Nginx, "duckdb_read_timeout", Millis, Reload, "timeouts", "3.1"),
        spec(Nginx, "llm_read_timeout", Millis, Reload, "timeouts", "3.1"),
        spec(Nginx, "limit_conn", Kind::Int(1, 65_535), Reload, "limits", "3.1"),
        spec(Nginx, "api_rate", Kind::Int(1, 1_000_000), Reload, "limits", "3.1"),
        spec(Nginx, "duckdb_rate", Kind::Int(1, 1_000_000), Reload, "limits", "3.1"),
        spec(Nginx, "llm_rate", Kind::Int(1, 1_000_000), Reload, "limits", "3.1"),
        spec(Nginx, "backlog", Kind::Int(1, 65_535), Restart, "network", "4.1"),
        spec(Nginx, "metrics_allow", List, Reload, "observability", "3.1"),
        spec(Nginx, "log_fields", List, Reload, "observability", "3.1"),
        spec(Nginx, "user", Text, Restart, "processes", "3.1"),
        spec(Nginx, "server_name", Text, Reload, "network", "3.1"),
        spec(Nginx, "http_port", Kind::Int(1, 65_535), Reload, "network", "3.1"),
        spec(Nginx, "https_port", Kind::Int(1, 65_535), Reload, "network", "3.1"),
        spec(Nginx, "ipv6", Bool, Reload, "network", "3.1"),
        spec(Nginx, "api_upstream", Text, Reload, "upstreams", "3.1"),
        spec(Nginx, "duckdb_upstream", Text, Reload, "upstreams", "3.1"),
        spec(Nginx, "llm_upstream", Text, Reload, "upstreams", "3.1"),
        spec(Nginx, "resolver", Text, Reload, "upstreams", "3.1"),
        spec(Nginx, "tls_certificate", Text, Reload, "tls", "3.1"),
        spec(Nginx, "tls_certificate_key", Text, Reload, "tls", "3.1"),
        spec(Nginx, "ssl_stapling", Bool, Reload, "tls", "3.1"),
        spec(Nginx, "cors_origins", List, Reload, "headers", "3.1"),
        spec(Nginx, "api_keys_file", Text, Reload, "limits", "3.2"),
        spec(Nginx, "api_burst", COUNT, Reload, "limits", "3.1"),
        spec(Nginx, "premium_rate", Kind::Int(1, 1_000_000), Reload, "limits", "3.2"),
        spec(Nginx, "premium_burst", COUNT, Reload, "limits", "3.2"),
        spec(Nginx, "enterprise_rate", Kind::Int(1, 1_000_000), Reload, "limits", "3.2"),
        spec(Nginx, "enterprise_burst", COUNT, Reload, "limits", "3.2"),
        spec(Nginx, "query_rate", Kind::Int(1, 1_000_000), Reload, "limits", "3.2"),
        spec(Nginx, "query_burst", COUNT, Reload, "limits", "3.2"),
        spec(Nginx, "attach_rate", Kind::Int(1, 1_000_000), Reload, "limits", "3.2"),
        spec(Nginx, "attach_burst", COUNT, Reload, "limits", "3.2"),
        spec(Nginx, "duckdb_burst", COUNT, Reload, "limits", "3.1"),
        spec(Nginx, "llm_burst", COUNT, Reload, "limits", "3.1"),
        spec(Nginx, "login_rate_per_minute", Kind::Int(1, 1_000_000), Reload, "limits", "3.1"),
        spec(Nginx, "login_burst", COUNT, Reload, "limits", "3.1"),
        spec(Nginx, "login_path", Text, Reload, "limits", "3.1"),
        spec(Nginx, "cache_dir", Text, Restart, "cache", "3.1"),
        spec(Nginx, "cache_size", Bytes, Reload, "cache", "3.1"),
        spec(Nginx, "client_max_body_size", Bytes, Reload, "network", "3.1"),

        spec(Api, "workers", Kind::Int(1, 10_000), Restart, "processes", ""),
        spec(Api, "pool_size", Kind::Int(1, 10_000), Restart, "pool", ""),
        spec(Api, "max_overflow", COUNT, Restart, "pool", ""),
        spec(Api, "prepared_statements", Bool, Restart, "pool", ""),
        spec(Api, "backlog", Kind::Int(1, 65_535), Restart, "network", "4.1"),
        spec(Api, "host", Text, Restart, "network", ""),
        spec(Api, "port", Kind::Int(1, 65_535), Restart, "network", "3.1"),
        spec(Api, "keepalive_timeout", Millis, Restart, "network", "3.1"),
        spec(Api, "forwarded_allow_ips", List, Restart, "network", "3.1"),
        spec(Api, "database_host", Text, Restart, "pool", "1.2"),
        spec(Api, "database_port", Kind::Int(1, 65_535), Restart, "pool", "1.2"),
        spec(Api, "database_name", Text, Restart, "pool", "1.2"),
        spec(Api, "quota_free", COUNT, Restart, "quotas", "5.3"),
        spec(Api, "quota_premium", COUNT, Restart, "quotas", "5.3"),
        spec(Api, "quota_enterprise", COUNT, Restart, "quotas", "5.3"),
        spec(Api, "log_level", Word(&["DEBUG", "INFO", "WARNING", "ERROR"]), Restart, "observability", "3.1"),
        spec(Api, "metrics_path", Text, Restart, "observability", "3.1"),
        spec(Api, "log_fields", List, Restart, "observability", "3.1"),

        spec(DuckDb, "memory_limit", Bytes, Runtime, "memory", "2.1"),
        spec(DuckDb, "threads", Kind::Int(1, 100_000), Runtime, "threads", "2.1"),
        spec(DuckDb, "external_threads", Kind::Int(1, 100_000), Runtime, "threads", "2.1"),
        spec(DuckDb, "temp_directory", Text, Runtime, "storage", "2.1"),
        spec(DuckDb, "max_temp_directory_size", Limit, Runtime, "storage", "2.1"),
        spec(DuckDb, "extension_directory", Text, Runtime, "storage", "2.3"),
        spec(DuckDb, "checkpoint_threshold", Bytes, Runtime, "storage", "2.1"),
        spec(DuckDb, "default_order", Word(&["ASC", "DESC"]), Runtime, "queries", "2.1"),
        spec(DuckDb, "preserve_insertion_order", Bool, Runtime, "queries", "2.1"),

        spec(Sqlite, "journal_mode", Word(&["wal", "delete", "truncate", "persist", "memory", "off"]), Runtime, "pragmas", ""),
        spec(Sqlite, "synchronous", Word(&["off", "normal", "full", "extra"]), Runtime, "pragmas", ""),
        spec(Sqlite, "busy_timeout", Millis, Runtime, "pragmas", ""),
        spec(Sqlite, "cache_size", Kind::Int(i32::MIN as i64, i32::MAX as i64), Runtime, "pragmas", ""),
        spec(Sqlite, "mmap_size", Bytes, Runtime, "pragmas", ""),
        spec(Sqlite, "journal_size_limit", Limit, Runtime, "pragmas", ""),
        spec(Sqlite, "wal_autocheckpoint", COUNT, Runtime, "pragmas", ""),
        spec(Sqlite, "foreign_keys", Bool, Runtime, "pragmas", ""),
        spec(Sqlite, "temp_store", Word(&["default", "file", "memory"]), Runtime, "pragmas", ""),

        spec(Kernel, "net.core.somaxconn", COUNT, Runtime, "network", "4.1"),
        spec(Kernel, "net.core.netdev_max_backlog", COUNT, Runtime, "network", "4.1"),
        spec(Kernel, "net.ipv4.tcp_max_syn_backlog", COUNT, Runtime, "network", "4.1"),
        spec(Kernel, "net.ipv4.tcp_fin_timeout", COUNT, Runtime, "network", "4.1"),
        spec(Kernel, "net.ipv4.tcp_keepalive_time", COUNT, Runtime, "network", "4.1"),
        spec(Kernel, "net.ipv4.tcp_keepalive_probes", COUNT, Runtime, "network", "4.1"),
        spec(Kernel, "net.ipv4.tcp_keepalive_intvl", COUNT, Runtime, "network", "4.1"),
        spec(Kernel, "net.ipv4.tcp_tw_reuse", Kind::Int(0, 2), Runtime, "network", "4.1"),
        spec(Kernel, "vm.swappiness", Kind::Int(0, 200), Runtime, "memory", "4.1"),
        spec(Kernel, "vm.dirty_ratio", Kind::Int(0, 100), Runtime, "memory", "4.1"),
        spec(Kernel, "vm.dirty_background_ratio", Kind::Int(0, 100), Runtime, "memory", "4.1"),
        spec(Kernel, "vm.dirty_bytes", Bytes, Runtime, "memory", "4.1"),
        spec(Kernel, "vm.dirty_background_bytes", Bytes, Runtime, "memory", "4.1"),
        spec(Kernel, "vm.overcommit_memory", Kind::Int(0, 2), Runtime, "memory", "4.1"),
        spec(Kernel, "vm.overcommit_ratio", Kind::Int(0, 100), Runtime, "memory", "4.1"),
        spec(Kernel, "vm.nr_hugepages", COUNT, Runtime, "memory", "4.1"),
        spec(Kernel, "kernel.shmmax", Bytes, Runtime, "memory", "4.1"),
        spec(Kernel, "kernel.shmall", COUNT, Runtime, "memory", "4.1"),
        spec(Kernel, "kernel.shmmni", COUNT, Runtime, "memory", "4.1"),
        spec(Kernel, "fs.file-max", Kind::Int(0, i64::MAX), Runtime, "descriptors", "4.1"),
        spec(Kernel, "fs.nr_open", COUNT, Runtime, "descriptors", "4.1"),
        spec(Kernel, "thp.enabled", Word(&["always", "madvise", "never"]), Runtime, "transparent huge pages", "4.1"),
        spec(Kernel, "thp.defrag", Word(&["always", "defer", "defer+madvise", "madvise", "never"]), Runtime, "transparent huge pages", "4.1"),

        spec(Limits, "postgres.nofile", COUNT, Restart, "logins", "4.2"),
        spec(Limits, "postgres.nproc", COUNT, Restart, "logins", "4.2"),
        spec(Limits, "*.nofile", COUNT, Restart, "logins", "4.2"),
        spec(Limits, "*.nproc", COUNT, Restart, "logins", "4.2"),
        spec(Limits, "root.nofile", COUNT, Restart, "logins", "4.2"),
        spec(Limits, "units.nofile", COUNT, Restart, "services", "4.2"),
        spec(Limits, "units.postgresql.name", Text, Restart, "services", "4.2"),
        spec(Limits, "units.postgresql.memlock", Text, Restart, "services", "4.2"),
        spec(Limits, "units.postgresql.oom_score_adjust", OOM, Restart, "services", "4.1"),
        spec(Limits, "units.pgbouncer.name", Text, Restart, "services", "4.2"),
        spec(Limits, "units.pgbouncer.oom_score_adjust", OOM, Restart, "services", "4.1"),
        spec(Limits, "units.nginx.name", Text, Restart, "services", "4.2"),
        spec(Limits, "units.api.name", Text, Restart, "services", "4.2"),
        spec(Limits, "units.api.memory_high", Bytes, Restart, "services", "4.4"),
        spec(Limits, "units.api.memory_max", Bytes, Restart, "services", "4.4"),
        spec(Limits, "units.api.oom_score_adjust", OOM, Restart, "services", "4.1"),
        spec(Limits, "units.duckdb.name", Text, Restart, "services", "4.2"),
        spec(Limits, "units.duckdb.memory_high", Bytes, Restart, "services", "4.4"),
        spec(Limits, "units.duckdb.memory_max", Bytes, Restart, "services", "4.4"),
        spec(Limits, "units.duckdb.oom_score_adjust", OOM, Restart, "services", "4.1"),
        spec(Limits, "units.duckdb.state_directory", Text, Restart, "services", "2.3"),
        spec(Limits, "units.llm.name", Text, Restart, "services", "4.2"),
        spec(Limits, "units.llm.memory_high", Bytes, Restart, "services", "4.4"),
        spec(Limits, "units.llm.memory_max", Bytes, Restart, "services", "4.4"),
        spec(Limits, "units.llm.oom_score_adjust", OOM, Restart, "services", "4.1"),

        spec(Disk, "scheduler", Text, Runtime, "devices", "4.3"),
        spec(Disk, "read_ahead_kb", COUNT, Runtime, "devices", "4.3"),
        spec(Disk, "mount_options", Text, Reboot, "mounts", "4.3"),

        spec(Containers, "postgresql.service", Text, Restart, "compose", "4.4"),
        spec(Containers, "pgbouncer.service", Text, Restart, "compose", "4.4"),
        spec(Containers, "nginx.service", Text, Restart, "compose", "4.4"),
        spec(Containers, "api.service", Text, Restart, "compose", "4.4"),
        spec(Containers, "duckdb.service", Text, Restart, "compose", "4.4"),
        spec(Containers, "llm.service", Text, Restart, "compose", "4.4"),
        spec(Containers, "postgresql.image", Text, Restart, "compose", "4.4"),
        spec(Containers, "postgresql.memory", Bytes, Restart, "compose", "4.4"),
        spec(Containers, "postgresql.shm_size", Bytes, Restart, "compose", "4.4"),
        spec(Containers, "postgresql.cpus", Kind::Float(0.01, 65_536.0), Restart, "compose", "4.4"),
        spec(Containers, "duckdb.memory", Bytes, Restart, "compose", "4.4"),
        spec(Containers, "duckdb.cpus", Kind::Float(0.01, 65_536.0), Restart, "compose", "4.4"),
        spec(Containers, "api.memory", Bytes, Restart, "compose", "4.4"),
        spec(Containers, "pgbouncer.memory", Bytes, Restart, "compose", "4.4"),
        spec(Containers, "nginx.memory", Bytes, Restart, "compose", "4.4"),
        spec(Containers, "llm.memory", Bytes, Restart, "compose", "4.4"),
        spec(Containers, "postgresql.memory_reservation", Bytes, Restart, "compose", "4.4"),
        spec(Containers, "postgresql.cpus_reservation", Kind::Float(0.0, 65_536.0), Restart, "compose", "4.4"),
        spec(Containers, "postgresql.nofile", COUNT, Restart, "compose", "4.4"),
        spec(Containers, "postgresql.nproc", COUNT, Restart, "compose", "4.4"),
        spec(Containers, "postgresql.volume", Text, Restart, "compose", "4.4"),
        spec(Containers, "postgresql.volume_path", Text, Restart, "compose", "4.4"),
        spec(Containers, "duckdb.memory_reservation", Bytes, Restart, "compose", "4.4"),
        spec(Containers, "duckdb.cpus_reservation", Kind::Float(0.0, 65_536.0), Restart, "compose", "4.4"),
        spec(Containers, "duckdb.nofile", COUNT, Restart, "compose", "4.4"),
        spec(Containers, "nginx.nofile", COUNT, Restart, "compose", "4.4"),
        spec(Containers, "pgbouncer.nofile", COUNT, Restart, "compose", "4.4"),
        spec(Containers, "placement", Text, Restart, "compose", "4.4"),
        spec(Containers, "subnet", Text, Restart, "network", "5.2"),
        spec(Containers, "gateway", Text, Restart, "network", "5.2"),
        spec(Containers, "postgresql.address", Text, Restart, "network", "5.2"),
        spec(Containers, "postgresql.tls_certificate", Text, Restart, "tls", "5.2"),
        spec(Containers, "postgresql.tls_certificate_key", Text, Restart, "tls", "5.2"),

        spec(Maintenance, "program", Text, Reload, "timers", "1.6"),
        spec(Maintenance, "index_day", Word(&["daily", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]), Reload, "timers", "1.6"),
        spec(Maintenance, "index_hour", Kind::Int(0, 23), Reload, "timers", "1.6"),
        spec(Maintenance, "index_minute", Kind::Int(0, 59), Reload, "timers", "1.6"),
        spec(Maintenance, "index_user", Text, Reload, "timers", "1.6"),
        spec(Maintenance, "index_env_file", Text, Reload, "timers", "1.6"),
        spec(Maintenance, "secrets_rotation", Text, Reload, "timers", "5.4"),
        spec(Maintenance, "secrets_env_file", Text, Reload, "timers", "5.4"),
        spec(Maintenance, "database_connection_limit", Kind::Int(-1, 262_143), Runtime, "database", "1.2"),
    ]
};

/// The setting with this key. A device's and a database's setting is found under its class: `disk.nvme0n1.scheduler`,
/// `pgbouncer.databases.llm_analytics`.
#[must_use]
pub fn find(key: &str) -> Option<&'static Spec> {
    let (table, name) = key.split_once('.')?;
    let component = Component::ALL.iter().find(|c| c.name() == table)?;
    let name = match component {
        Component::Disk => name.rsplit('.').next()?,
        Component::PgBouncer if name.starts_with("databases.") => "databases",
        _ => name,
    };
    SPECS.iter().find(|s| s.component == *component && s.name == name)
}
