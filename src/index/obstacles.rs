//! What stands in the way of a rebuild: privileges, other builds, old transactions, locks, replicas, disk space.

use super::catalogue::{Leftover, Server, VectorIndex};
use super::plan::IndexPlan;
use crate::error::{Error, Exit, Result};
use crate::postgres::connect::{RowExt, Session, quote_ident, server_error};
use crate::units::{self, MB};
use serde::Serialize;
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;

/// A transaction older than this makes a rebuild wait long enough to be mentioned, in seconds.
const OLD_TRANSACTION: f64 = 60.0;

/// A replica that is that far behind, in bytes, is mentioned.
const FAR_BEHIND: u64 = 64 * MB;

/// Something in the way of a rebuild.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Obstacle {
    /// A stable name: `index.privilege`.
    pub name: &'static str,
    /// Whether a rebuild refuses because of it.
    pub blocks: bool,
    /// What it is.
    pub message: String,
    /// What to do.
    pub next: Option<String>,
}

impl IndexPlan {
    /// Adds what stands in the way of rebuilding the index; what cannot be seen is an assumption.
    ///
    /// # Errors
    /// Those of the connection.
    pub(super) async fn find_obstacles(
        &mut self,
        session: &Session,
        server: &Server,
        leftovers: &[Leftover],
    ) -> Result<()> {
        if server.standby {
            self.block(
                "index.standby",
                "the server is a standby, which cannot build indexes",
                "connect to its primary; what is rebuilt there arrives here by itself",
            );
        }
        self.find_privileges(session);
        self.find_leftovers(leftovers);
        self.find_builds(session).await?;
        self.find_transactions(session, server).await?;
        self.find_locks(session).await?;
        self.find_disk(session, server).await;
        // The last, since what may fail there ends the transaction.
        self.find_replicas(session).await;
        Ok(())
    }

    fn find_privileges(&mut self, session: &Session) {
        let index = &self.index;
        if index.may_alter {
            return;
        }
        let (message, grant) = not_owner(session, index);
        self.block("index.privilege", &message, &grant);
    }

    fn find_leftovers(&mut self, leftovers: &[Leftover]) {
        let index = &self.index;
        let own: Vec<&Leftover> =
            leftovers.iter().filter(|l| l.table_oid == index.table_oid && l.of == index.name).collect();
        for leftover in own {
            let (message, next) = if leftover.ours {
                ("is left of an interrupted run", "the next rebuild drops it".to_owned())
            } else {
                ("is invalid and not ours to drop", format!("DROP INDEX CONCURRENTLY {}", leftover.quoted()))
            };
            let size = units::human_bytes(leftover.bytes);
            self.warn("index.leftover", &format!("{} ({size}) {message}", leftover.name), &next);
        }
    }

    async fn find_builds(&mut self, session: &Session) -> Result<()> {
        let building = session
            .query_opt(
                "SELECT pid FROM pg_stat_progress_create_index \
                 WHERE relid = $1 AND datname = current_database() AND pid <> pg_backend_pid()",
                &[(&self.index.table_oid, Type::OID)],
            )
            .await?;
        if let Some(row) = building {
            let pid: i32 = row.value("pid")?;
            self.block(
                "index.busy",
                &format!("an index of the table is being built by process {pid}"),
                &format!("wait for it, or end it: SELECT pg_cancel_backend({pid})"),
            );
        }
        Ok(())
    }

    async fn find_transactions(&mut self, session: &Session, server: &Server) -> Result<()> {
        let old = session
            .query(
                "SELECT pid, coalesce(state, '') AS state, extract(epoch FROM clock_timestamp() - xact_start)::float8 AS age \
                 FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() \
                 AND (backend_xid IS NOT NULL OR backend_xmin IS NOT NULL OR state LIKE 'idle in transaction%') \
                 AND xact_start < clock_timestamp() - $1::float8 * interval '1 second' ORDER BY xact_start LIMIT 5",
                &[(&OLD_TRANSACTION, Type::FLOAT8)],
            )
            .await?;
        for row in &old {
            let (pid, state, age): (i32, String, f64) = (row.value("pid")?, row.value("state")?, row.value("age")?);
            self.warn(
                "index.transaction",
                &format!(
                    "process {pid} ({state}) has had a transaction open for {age:.0} s: the rebuild waits for its end"
                ),
                &format!("end it, or limit the wait: --max-wait 10min; SELECT pg_terminate_backend({pid})"),
            );
        }
        let prepared =
            session.query("SELECT gid FROM pg_prepared_xacts WHERE database = current_database() LIMIT 5", &[]).await?;
        for row in &prepared {
            let gid: String = row.value("gid")?;
            self.warn(
                "index.transaction",
                &format!("the prepared transaction '{gid}' is open: the rebuild waits for its end"),
                "COMMIT PREPARED or ROLLBACK PREPARED it",
            );
        }
        if !server.sees_all {
            self.assumptions.push(
                "no other role's transaction is old, since this role may not see them (GRANT pg_read_all_stats)"
                    .to_owned(),
            );
        }
        Ok(())
    }

    async fn find_locks(&mut self, session: &Session) -> Result<()> {
        let locks = session
            .query(
                "SELECT DISTINCT pid, mode FROM pg_locks WHERE relation = $1 AND granted AND pid <> pg_backend_pid() \
                 AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND mode IN \
                 ('ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock') LIMIT 5",
                &[(&self.index.table_oid, Type::OID)],
            )
            .await?;
        for row in &locks {
            let (pid, mode): (i32, String) = (row.value("pid")?, row.value("mode")?);
            self.warn(
                "index.lock",
                &format!("process {pid} holds {mode} on the table (a VACUUM or a change of its definition)"),
                "the rebuild tries for 15 s to get its own, and gives up then (exit 11)",
            );
        }
        Ok(())
    }

    async fn find_replicas(&mut self, session: &Session) {
        let rows = session
            .query(
                "SELECT slot_name::text AS name, false AS streams, coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn), 0)::int8 AS behind \
                 FROM pg_replication_slots WHERE NOT active AND NOT pg_is_in_recovery() \
                 UNION ALL SELECT application_name, true, coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn), 0)::int8 \
                 FROM pg_stat_replication WHERE NOT pg_is_in_recovery()",
                &[],
            )
            .await;
        let Ok(rows) = rows else {
            self.assumptions.push("replicas and slots could not be read".to_owned());
            return;
        };
        for row in &rows {
            let (Ok(name), Ok(streams), Ok(behind)) =
                (row.value::<String>("name"), row.value::<bool>("streams"), row.value::<i64>("behind"))
            else {
                continue;
            };
            let behind = u64::try_from(behind).unwrap_or_default();
            if !streams {
                self.warn(
                    "index.slot",
                    &format!(
                        "nothing reads from the replication slot {name}: it keeps {} of WAL, and the rebuild adds {}",
                        units::human_bytes(behind),
                        units::human_bytes(self.cost.index_bytes)
                    ),
                    "start its reader, or drop the slot",
                );
            } else if behind > FAR_BEHIND {
                self.warn(
                    "index.replica",
                    &format!("the replica {name} is {} behind", units::human_bytes(behind)),
                    "let it catch up first",
                );
            }
        }
    }

    /// Free space of the file systems that take the new index, temporary files and WAL, where they are this host's.
    async fn find_disk(&mut self, session: &Session, server: &Server) {
        let data = server.data_directory.as_deref().map(Path::new).filter(|_| session.is_local());
        let Some(data) = data.filter(|dir| is_this_server(dir, &server.port)) else {
            self.assumptions.push(format!(
                "free disk space is not judged, since the server's folders cannot be seen from here: it takes about {} for the index, {} for temporary files and {} of WAL",
                units::human_bytes(self.cost.index_bytes),
                units::human_bytes(self.cost.temporary_bytes),
                units::human_bytes(self.cost.wal_bytes)
            ));
            return;
        };
        let database = folder(session, DATABASE_SPACE).await.map_or_else(|| data.join("base"), |f| data.join(f));
        let own = self.index.tablespace_folder.as_ref().map_or_else(|| database.clone(), |f| data.join(f));
        let temporary = folder(session, TEMPORARY_SPACE).await.map_or(database, |f| data.join(f));
        let mut needs: BTreeMap<u64, (u64, u64, PathBuf)> = BTreeMap::new();
        for (path, bytes) in [
            (own, self.cost.index_bytes),
            (temporary, self.cost.temporary_bytes),
            (data.join("pg_wal"), self.cost.wal_bytes),
        ] {
            let (Ok(metadata), Ok(fs)) = (std::fs::metadata(&path), nix::sys::statvfs::statvfs(&path)) else {
                self.assumptions.push(format!("free space of {} is not judged: it cannot be read", path.display()));
                continue;
            };
            let free = fs.blocks_available().saturating_mul(fs.fragment_size());
            needs.entry(metadata.dev()).or_insert((0, free, path)).0 += bytes;
        }
        for (needed, free, path) in needs.into_values() {
            if needed > free {
                self.block(
                    "index.disk",
                    &format!(
                        "the rebuild takes about {} in the file system of {}, and {} are free",
                        units::human_bytes(needed),
                        path.display(),
                        units::human_bytes(free)
                    ),
                    "free space there, or move the index or temp_tablespaces to another tablespace",
                );
            }
        }
    }

    fn block(&mut self, name: &'static str, message: &str, next: &str) {
        self.obstacle(name, true, message, next);
    }

    fn warn(&mut self, name: &'static str, message: &str, next: &str) {
        self.obstacle(name, false, message, next);
    }

    fn obstacle(&mut self, name: &'static str, blocks: bool, message: &str, next: &str) {
        self.obstacles.push(Obstacle { name, blocks, message: message.to_owned(), next: Some(next.to_owned()) });
    }
}

/// That a role may not alter an index, and what would let it.
fn not_owner(session: &Session, index: &VectorIndex) -> (String, String) {
    let (user, owner) = (session.user(), &index.owner);
    let message = format!("role {user} may not alter the index of {}, which {owner} owns", index.quoted_table());
    let grant = format!(
        "GRANT {} TO {};  -- pg_maintain would allow REINDEX, and not the lists",
        quote_ident(owner),
        quote_ident(user)
    );
    (message, grant)
}

/// What a role lacks that may not read an index's table, where that is why something failed: exit 13 with the GRANT
/// for it, or that for a rebuild. Any other error as it is.
#[must_use]
pub fn unreadable(error: Error, session: &Session, index: &VectorIndex, rebuild: bool) -> Error {
    let Some(denied) = server_error(&error).filter(|e| e.sqlstate == SqlState::INSUFFICIENT_PRIVILEGE.code()) else {
        return error;
    };
    let (what, next) = if rebuild && !index.may_alter {
        not_owner(session, index)
    } else if denied.message.contains("row-level security") {
        let next = "a policy would hide rows from the count: use a role with BYPASSRLS";
        ("the role may not read all rows".to_owned(), next.to_owned())
    } else {
        let (user, schema) = (quote_ident(session.user()), quote_ident(&index.schema));
        let table = index.quoted_table();
        let grant = format!("GRANT USAGE ON SCHEMA {schema} TO {user}; GRANT SELECT ON {table} TO {user}");
        ("the role may not read the table".to_owned(), grant)
    };
    let place = format!("{} {}", session.place(), index.label());
    let mut out = Error::new(Exit::Precondition, "index.privilege", what).at(place).next(next);
    out.source = error.source;
    out
}

/// The folder that a query names; `None` for the data folder, and where it cannot be known.
async fn folder(session: &Session, sql: &str) -> Option<String> {
    let folder: String = session.query_opt(sql, &[]).await.ok()??.value("folder").ok()?;
    (!folder.is_empty()).then_some(folder)
}

/// Folder of the database's own tablespace, empty for the data folder.
const DATABASE_SPACE: &str =
    "SELECT pg_tablespace_location(dattablespace) AS folder FROM pg_database WHERE datname = current_database()";

/// Folder of the first of `temp_tablespaces`.
const TEMPORARY_SPACE: &str = "SELECT pg_tablespace_location(oid) AS folder FROM pg_tablespace \
     WHERE spcname = trim(both ' \"' from split_part(current_setting('temp_tablespaces'), ',', 1))";

/// Whether the folder is that of the server with this port, and not of another one that has the same path.
fn is_this_server(data: &Path, port: &str) -> bool {
    std::fs::read_to_string(data.join("postmaster.pid")).is_ok_and(|text| text.lines().nth(3) == Some(port))
}
