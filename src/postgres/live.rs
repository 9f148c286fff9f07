//! What a running server knows that its host does not tell: for `plan --dsn`, which turns assumptions into
//! measurements.
//!
//! Only the version and the settings must be readable; everything else may be refused or missing in an older version
//! and is then named in [`Live::absent`]. Nothing is written, and no statement runs longer than [`WAL_SAMPLE`] by intent.

use super::connect::{Blocking, RowExt, Session};
use super::conninfo::Conninfo;
use crate::error::{Error, Result};
use crate::facts::Absent;
use crate::facts::Database;
use crate::units;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio_postgres::Row;

/// How long the present WAL rate is watched.
pub const WAL_SAMPLE: Duration = Duration::from_secs(1);

/// A running server.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Live {
    /// Which one: `db1:5432/shop as ada`.
    pub place: String,
    /// As it calls itself: `18.1 (Debian 18.1-1)`.
    pub version: String,
    /// `server_version_num`: 180001.
    pub version_num: u32,
    /// The major version: 18.
    pub major: u32,
    /// Whether it is a standby.
    pub standby: bool,
    /// Every row of `pg_settings`, by name.
    pub settings: BTreeMap<String, LiveSetting>,
    /// Size of each database that may be asked for, in bytes.
    pub databases: BTreeMap<String, u64>,
    /// Their sum, in bytes.
    pub database_bytes: Option<u64>,
    /// Connections.
    pub connections: Connections,
    /// WAL written.
    pub wal: Wal,
    /// Extensions: the installed version in this database, or `None` where it is only available.
    pub extensions: BTreeMap<String, Option<String>>,
    /// What the build offers.
    pub build: Build,
    /// Standbys and other receivers connected now.
    pub replicas: Vec<Replica>,
    /// Replication slots.
    pub slots: Vec<Slot>,
    /// Checkpoints since the statistics were last reset.
    pub checkpoints: Checkpoints,
    /// What could not be read, and why.
    pub absent: Vec<Absent>,
}

impl Live {
    /// What of it a plan counts with.
    #[must_use]
    pub fn fact(&self) -> Database {
        let rates = [self.wal.now_bytes_per_second, self.wal.mean_bytes_per_second];
        let rate = rates.into_iter().flatten().fold(None, |most: Option<f64>, r| Some(most.map_or(r, |m| m.max(r))));
        Database {
            place: self.place.clone(),
            major: Some(self.major),
            size_bytes: self.database_bytes,
            connections: self.connections.now,
            wal_bytes_per_second: rate.map(|r| r.max(0.0) as u64),
            replicas: u64::try_from(self.replicas.len()).ok(),
            standby: Some(self.standby),
            wal_compression: self.build.wal_compression.clone(),
            wal_segment_bytes: self.build.wal_segment_bytes,
            extensions: self.extensions.keys().cloned().collect(),
            settings: self.settings.iter().map(|(name, s)| (name.clone(), s.written())).collect(),
        }
    }
}

impl LiveSetting {
    /// The value as a file writes it: `4GB` for 524288 blocks of 8kB.
    fn written(&self) -> String {
        let (Some(unit), Ok(number)) = (self.unit.as_deref(), self.setting.parse::<u64>()) else {
            return self.setting.clone();
        };
        let digits = unit.find(|c: char| !c.is_ascii_digit()).unwrap_or(0);
        let grain: u64 = unit[..digits].parse().unwrap_or(1);
        let one = format!("1{}", &unit[digits..]);
        if let Ok(factor) = units::parse_bytes(&one) {
            return units::format_bytes(number.saturating_mul(grain).saturating_mul(factor));
        }
        match units::parse_millis(&one) {
            Ok(factor) => units::format_millis(number.saturating_mul(grain).saturating_mul(factor)),
            Err(_) => self.setting.clone(),
        }
    }
}

/// One row of `pg_settings`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct LiveSetting {
    /// The value in force, in `unit`s.
    pub setting: String,
    /// `8kB`, `ms`, …
    pub unit: Option<String>,
    /// Where the value comes from: `default`, `configuration file`, `command line`, …
    pub source: String,
    /// The file it stands in, where this role may know.
    pub sourcefile: Option<String>,
    /// The line in that file.
    pub sourceline: Option<u32>,
    /// Whether the file says something else, which a restart will bring.
    pub pending_restart: bool,
    /// `internal`, `postmaster`, `sighup`, `superuser`, `user`, …
    pub context: String,
    /// `bool`, `integer`, `real`, `string`, `enum`.
    pub vartype: String,
    /// Lowest value.
    pub min_val: Option<String>,
    /// Highest value.
    pub max_val: Option<String>,
    /// The values an enum takes in this build.
    pub enumvals: Option<Vec<String>>,
    /// The built-in default.
    pub boot_val: Option<String>,
}

/// Connections, now and since the statistics were reset. PostgreSQL keeps no peak.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Connections {
    /// Client back ends now.
    pub now: Option<u64>,
    /// Of them, running a statement.
    pub active: Option<u64>,
    /// Of them, idle in a transaction.
    pub idle_in_transaction: Option<u64>,
    /// Sessions since the reset, all databases.
    pub sessions: Option<u64>,
    /// Milliseconds all sessions were connected since the reset.
    pub session_time_ms: Option<f64>,
    /// Milliseconds all sessions ran statements since the reset.
    pub active_time_ms: Option<f64>,
    /// Seconds since the statistics were reset.
    pub stats_age_seconds: Option<f64>,
}

impl Connections {
    /// Sessions connected on average since the reset.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        ratio(self.session_time_ms?, self.stats_age_seconds? * 1000.0)
    }
}

/// WAL written.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Wal {
    /// Bytes a second during [`WAL_SAMPLE`], just now; on a standby, replayed.
    pub now_bytes_per_second: Option<f64>,
    /// Bytes a second on average since the statistics were reset.
    pub mean_bytes_per_second: Option<f64>,
    /// Seconds that average stands for.
    pub stats_age_seconds: Option<f64>,
}

/// What the build offers, which its version does not tell.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Build {
    /// Values `wal_compression` takes: `lz4` only where it was built in (15+).
    pub wal_compression: Vec<String>,
    /// Values `io_method` takes: `io_uring` only where it was built in (18+).
    pub io_method: Vec<String>,
    /// Values `default_toast_compression` takes.
    pub toast_compression: Vec<String>,
    /// Whether it was built with TLS.
    pub tls: Option<bool>,
    /// Size of a WAL segment in bytes.
    pub wal_segment_bytes: Option<u64>,
    /// Size of a page in bytes.
    pub block_bytes: Option<u64>,
    /// The options it was configured with, where this role may read them.
    pub configure: Option<String>,
}

/// A receiver of WAL.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Replica {
    /// How it calls itself.
    pub name: String,
    /// `streaming`, `catchup`, … where this role may know.
    pub state: Option<String>,
    /// `async`, `sync`, `quorum`, `potential`.
    pub sync_state: Option<String>,
    /// Bytes it has still to replay.
    pub lag_bytes: Option<u64>,
}

/// A replication slot.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Slot {
    /// Its name.
    pub name: String,
    /// Whether something reads from it.
    pub active: bool,
    /// Bytes of WAL it keeps.
    pub retained_bytes: Option<u64>,
}

/// Checkpoints and what they wrote, in the terms of 17+ (`pg_stat_checkpointer`); before that from `pg_stat_bgwriter`.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Checkpoints {
    /// Because of `checkpoint_timeout`.
    pub timed: Option<u64>,
    /// Because of `max_wal_size` or by request: many of them say that `max_wal_size` is too small.
    pub requested: Option<u64>,
    /// Buffers they wrote.
    pub buffers_written: Option<u64>,
    /// Milliseconds spent on writing.
    pub write_ms: Option<f64>,
    /// Milliseconds spent on syncing.
    pub sync_ms: Option<f64>,
    /// Buffers the background writer wrote.
    pub buffers_clean: Option<u64>,
    /// How often it stopped because of `bgwriter_lru_maxpages`.
    pub maxwritten_clean: Option<u64>,
    /// Buffers allocated.
    pub buffers_alloc: Option<u64>,
    /// Seconds since the statistics were reset.
    pub stats_age_seconds: Option<f64>,
}

impl Live {
    /// Reads a server.
    ///
    /// # Errors
    /// Those of connecting, and that version or settings cannot be read.
    pub fn of(info: &Conninfo) -> Result<Live> {
        Blocking::open(info)?.run(async |session| Live::read(session).await)
    }

    /// Reads the server behind a session; takes a little longer than [`WAL_SAMPLE`].
    ///
    /// # Errors
    /// That version or settings cannot be read.
    pub async fn read(session: &Session) -> Result<Live> {
        let row = session
            .query_one(
                "SELECT current_setting('server_version') AS version, \
                 current_setting('server_version_num')::int AS num, pg_is_in_recovery() AS standby",
                &[],
            )
            .await?;
        let num: i32 = row.value("num")?;
        let version_num = u32::try_from(num).unwrap_or_default();
        let mut live = Live {
            place: session.place().to_owned(),
            version: row.value("version")?,
            version_num,
            major: version_num / 10_000,
            standby: row.value("standby")?,
            settings: settings(session).await?,
            ..Live::default()
        };
        if live.major < 14 {
            return Err(Error::usage("postgresql.version", format!("PostgreSQL {} is not supported", live.version))
                .at(session.place())
                .next("PostgreSQL 14 and later are"));
        }
        live.read_build();
        live.read_databases(session).await;
        live.read_connections(session).await;
        live.read_extensions(session).await;
        live.read_replicas(session).await;
        live.read_checkpoints(session).await;
        live.read_wal(session).await;
        Ok(live)
    }

    /// The value in force.
    #[must_use]
    pub fn setting(&self, name: &str) -> Option<&LiveSetting> {
        self.settings.get(name)
    }

    /// Keeps what was read, or the reason why not.
    fn keep<T>(&mut self, what: &str, result: Result<T>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(e) => {
                self.absent.push(Absent { path: what.to_owned(), reason: e.to_string() });
                None
            }
        }
    }

    fn read_build(&mut self) {
        let values = |name: &str| self.settings.get(name).and_then(|s| s.enumvals.clone()).unwrap_or_default();
        let number = |name: &str| self.settings.get(name).and_then(|s| s.setting.parse().ok());
        self.build = Build {
            wal_compression: values("wal_compression"),
            io_method: values("io_method"),
            toast_compression: values("default_toast_compression"),
            tls: self.settings.get("ssl_library").map(|s| !s.setting.is_empty()),
            wal_segment_bytes: number("wal_segment_size"),
            block_bytes: number("block_size"),
            configure: None,
        };
    }

    async fn read_databases(&mut self, session: &Session) {
        let rows = session
            .query(
                "SELECT datname::text AS name, pg_database_size(oid) AS bytes FROM pg_database \
                 WHERE datallowconn AND (has_database_privilege(oid, 'CONNECT') OR pg_has_role('pg_read_all_stats', 'USAGE'))",
                &[],
            )
            .await;
        if let Some(rows) = self.keep("pg_database_size", rows) {
            self.databases = rows.iter().filter_map(|r| Some((r.value("name").ok()?, count(r, "bytes")?))).collect();
            self.database_bytes = Some(self.databases.values().sum());
        }
    }

    async fn read_connections(&mut self, session: &Session) {
        let now = session
            .query_one(
                "SELECT count(*) AS now, count(*) FILTER (WHERE state = 'active') AS active, \
                 count(*) FILTER (WHERE state LIKE 'idle in transaction%') AS idle_in_transaction \
                 FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()",
                &[],
            )
            .await;
        if let Some(row) = self.keep("pg_stat_activity", now) {
            self.connections.now = count(&row, "now");
            self.connections.active = count(&row, "active");
            self.connections.idle_in_transaction = count(&row, "idle_in_transaction");
        }
        let since = session
            .query_one(
                "SELECT sum(sessions)::int8 AS sessions, sum(session_time)::float8 AS session_time, \
                 sum(active_time)::float8 AS active_time, \
                 extract(epoch FROM now() - coalesce(min(stats_reset), pg_postmaster_start_time()))::float8 AS age \
                 FROM pg_stat_database",
                &[],
            )
            .await;
        if let Some(row) = self.keep("pg_stat_database", since) {
            self.connections.sessions = count(&row, "sessions");
            self.connections.session_time_ms = row.value("session_time").ok();
            self.connections.active_time_ms = row.value("active_time").ok();
            self.connections.stats_age_seconds = row.value("age").ok();
        }
    }

    async fn read_extensions(&mut self, session: &Session) {
        let rows = session
            .query("SELECT name::text AS name, installed_version AS version FROM pg_available_extensions", &[])
            .await;
        if let Some(rows) = self.keep("pg_available_extensions", rows) {
            self.extensions =
                rows.iter().filter_map(|r| Some((r.value("name").ok()?, r.value("version").ok()?))).collect();
        }
        let configure = session
            .query_opt("SELECT setting FROM pg_config WHERE name = 'CONFIGURE'", &[])
            .await
            .and_then(|row| row.map(|r| r.value("setting")).transpose());
        self.build.configure = self.keep("pg_config", configure).flatten();
    }

    async fn read_replicas(&mut self, session: &Session) {
        let here = if self.standby { "pg_last_wal_replay_lsn()" } else { "pg_current_wal_lsn()" };
        let replicas = session
            .query(
                &format!(
                    "SELECT application_name AS name, state, sync_state, \
                     greatest(pg_wal_lsn_diff({here}, replay_lsn), 0)::int8 AS lag FROM pg_stat_replication ORDER BY 1"
                ),
                &[],
            )
            .await;
        if let Some(rows) = self.keep("pg_stat_replication", replicas) {
            self.replicas = rows
                .iter()
                .map(|r| Replica {
                    name: r.value("name").unwrap_or_default(),
                    state: r.value("state").ok().flatten(),
                    sync_state: r.value("sync_state").ok().flatten(),
                    lag_bytes: count(r, "lag"),
                })
                .collect();
        }
        let slots = session
            .query(
                &format!(
                    "SELECT slot_name::text AS name, active, \
                     greatest(pg_wal_lsn_diff({here}, restart_lsn), 0)::int8 AS retained FROM pg_replication_slots ORDER BY 1"
                ),
                &[],
            )
            .await;
        if let Some(rows) = self.keep("pg_replication_slots", slots) {
            self.slots = rows
                .iter()
                .map(|r| Slot {
                    name: r.value("name").unwrap_or_default(),
                    active: r.value("active").unwrap_or_default(),
                    retained_bytes: count(r, "retained"),
                })
                .collect();
        }
    }

    async fn read_checkpoints(&mut self, session: &Session) {
        let sql = if self.major >= 17 {
            "SELECT c.num_timed AS timed, c.num_requested AS requested, c.buffers_written, c.write_time, c.sync_time, \
             b.buffers_clean, b.maxwritten_clean, b.buffers_alloc, \
             extract(epoch FROM now() - c.stats_reset)::float8 AS age FROM pg_stat_checkpointer c, pg_stat_bgwriter b"
        } else {
            "SELECT checkpoints_timed AS timed, checkpoints_req AS requested, buffers_checkpoint AS buffers_written, \
             checkpoint_write_time AS write_time, checkpoint_sync_time AS sync_time, buffers_clean, maxwritten_clean, \
             buffers_alloc, extract(epoch FROM now() - stats_reset)::float8 AS age FROM pg_stat_bgwriter"
        };
        let row = session.query_one(sql, &[]).await;
        if let Some(row) = self.keep("pg_stat_bgwriter", row) {
            self.checkpoints = Checkpoints {
                timed: count(&row, "timed"),
                requested: count(&row, "requested"),
                buffers_written: count(&row, "buffers_written"),
                write_ms: row.value("write_time").ok(),
                sync_ms: row.value("sync_time").ok(),
                buffers_clean: count(&row, "buffers_clean"),
                maxwritten_clean: count(&row, "maxwritten_clean"),
                buffers_alloc: count(&row, "buffers_alloc"),
                stats_age_seconds: row.value("age").ok(),
            };
        }
    }

    async fn read_wal(&mut self, session: &Session) {
        if !self.standby {
            let row = session
                .query_one(
                    "SELECT wal_bytes::float8 AS bytes, extract(epoch FROM now() - stats_reset)::float8 AS age FROM pg_stat_wal",
                    &[],
                )
                .await;
            if let Some(row) = self.keep("pg_stat_wal", row) {
                self.wal.stats_age_seconds = row.value("age").ok();
                let bytes: Option<f64> = row.value("bytes").ok();
                self.wal.mean_bytes_per_second =
                    bytes.zip(self.wal.stats_age_seconds).and_then(|(bytes, age)| ratio(bytes, age));
            }
        }
        let rate = wal_rate(session, self.standby).await;
        self.wal.now_bytes_per_second = self.keep("wal rate", rate).flatten();
    }
}

async fn settings(session: &Session) -> Result<BTreeMap<String, LiveSetting>> {
    let rows = session
        .query(
            "SELECT name, setting, unit, source, sourcefile, sourceline, pending_restart, context, vartype, min_val, \
             max_val, enumvals, boot_val FROM pg_settings",
            &[],
        )
        .await?;
    rows.iter()
        .map(|row| {
            let line: Option<i32> = row.value("sourceline")?;
            Ok((
                row.value("name")?,
                LiveSetting {
                    // NULL for text settings without a value.
                    setting: row.value::<Option<String>>("setting")?.unwrap_or_default(),
                    unit: row.value("unit")?,
                    source: row.value("source")?,
                    sourcefile: row.value("sourcefile")?,
                    sourceline: line.and_then(|l| u32::try_from(l).ok()),
                    pending_restart: row.value("pending_restart")?,
                    context: row.value("context")?,
                    vartype: row.value("vartype")?,
                    min_val: row.value("min_val")?,
                    max_val: row.value("max_val")?,
                    enumvals: row.value("enumvals")?,
                    boot_val: row.value("boot_val")?,
                },
            ))
        })
        .collect()
}

/// Two samples of the position, by the server's clock.
async fn wal_rate(session: &Session, standby: bool) -> Result<Option<f64>> {
    let position = if standby { "pg_last_wal_replay_lsn()" } else { "pg_current_wal_insert_lsn()" };
    let sql = format!(
        "SELECT pg_wal_lsn_diff({position}, '0/0')::float8 AS bytes, extract(epoch FROM clock_timestamp())::float8 AS at"
    );
    let first = session.query_one(&sql, &[]).await?;
    tokio::time::sleep(WAL_SAMPLE).await;
    let second = session.query_one(&sql, &[]).await?;
    // A standby that has replayed nothing has no position.
    let (Some(from), Some(to)) = (first.value::<Option<f64>>("bytes")?, second.value::<Option<f64>>("bytes")?) else {
        return Ok(None);
    };
    let seconds = second.value::<f64>("at")? - first.value::<f64>("at")?;
    Ok(ratio((to - from).max(0.0), seconds))
}

fn ratio(a: f64, b: f64) -> Option<f64> {
    (b > 0.0).then(|| a / b).filter(|r| r.is_finite())
}

/// A count that may be NULL, and is never negative.
fn count(row: &Row, column: &str) -> Option<u64> {
    row.value::<Option<i64>>(column).ok().flatten().and_then(|n| u64::try_from(n).ok())
}
/// Roles that only a provider's service has, and whose.
const PROVIDERS: &[(&str, &str)] = &[
    ("rds_superuser", "Amazon RDS"),
    ("cloudsqlsuperuser", "Google Cloud SQL"),
    ("alloydbsuperuser", "Google AlloyDB"),
    ("azure_pg_admin", "Azure Database"),
    ("neon_superuser", "Neon"),
    ("supabase_admin", "Supabase"),
    ("avnadmin", "Aiven"),
    ("doadmin", "DigitalOcean"),
];

/// The provider who runs a server; `None` for one that is run by its owner. A service lets nobody be a superuser, which
/// tells it from a server that a dump of its roles was restored into.
///
/// # Errors
/// What the server said.
pub fn provider(session: &Blocking) -> Result<Option<&'static str>> {
    let sql = "SELECT rolname FROM pg_roles WHERE current_setting('is_superuser') = 'off'";
    let rows = session.run(async |s| s.batch_rows(sql).await)?;
    let roles: Vec<String> = rows.into_iter().flatten().flatten().collect();
    Ok(PROVIDERS.iter().find(|(role, _)| roles.iter().any(|r| r == role)).map(|(_, provider)| *provider))
}
