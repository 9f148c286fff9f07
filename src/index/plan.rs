//! The verdict over one index, what a rebuild of it costs, and what stands in its way.

use super::catalogue::{self, Leftover, Server, VectorIndex};
use super::drift::{self, Built, Drift};
use super::memory::{Shape, hnsw_bytes};
use super::rule::{self, Rule, Target};
use super::{MAX_LISTS, Method};
use crate::error::{Error, Exit, Result};
use crate::postgres::connect::{RowExt, Session, quote_ident};
use crate::root::Root;
use crate::units::{self, KB, MB};
use serde::Serialize;
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use tokio_postgres::types::Type;

/// Lists outside this share of the target are rebuilt; inside it the root would otherwise change with every run.
const LISTS_WITHIN: (f64, f64) = (0.5, 2.0);

/// Queries cost that many times what they would after a rebuild.
const WORK_RATIO: f64 = 1.5;

/// The imbalance to expect after a rebuild where none was noted (1.2 to 1.5 measured on clustered data).
const IMBALANCE_AFTER: f64 = 1.5;

/// Rows lie that many times as far from their centroids as just after the build (1.33 measured under a shift).
const DISTANCE_RATIO: f64 = 1.25;

/// The table holds that many times the rows the index was built on.
const GROWTH: f64 = 4.0;

/// The index is that many times as large as it would be built new. VACUUM never shrinks it.
const BLOAT: f64 = 2.0;

/// Below this size bloat is not worth a rebuild.
const BLOAT_FROM: u64 = 8 * MB;

/// A transaction older than this makes a rebuild wait long enough to be mentioned, in seconds.
const OLD_TRANSACTION: f64 = 60.0;

/// What a plan depends on besides the database.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// Which rule gives the lists.
    pub rule: Rule,
    /// Bytes the builds may use together; derived where it is `None`.
    pub memory: Option<u64>,
    /// Builds at the same time.
    pub jobs: u32,
    /// Other options to build hnsw with.
    pub hnsw: BTreeMap<String, String>,
}

/// Memory one build may use, and who says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Allowance {
    /// Bytes for one build.
    pub bytes: u64,
    /// Where the number comes from.
    pub from: String,
}

/// Whether to rebuild, and why.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Verdict {
    /// Whether to rebuild.
    pub rebuild: bool,
    /// Why, or why not, as sentences.
    pub reasons: Vec<String>,
}

/// Predicted work of a query, in vectors compared.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Work {
    /// Now.
    pub before: f64,
    /// After a rebuild.
    pub after: f64,
}

impl Work {
    /// How many times the work after a rebuild a query does now.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        self.before / self.after.max(1.0)
    }
}

/// What a rebuild takes.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Cost {
    /// Bytes the build holds in memory: exact for ivfflat, estimated for hnsw.
    pub memory_bytes: u64,
    /// `maintenance_work_mem` for the session, in bytes.
    pub maintenance_work_mem: u64,
    /// Bytes of the new index, beside the old one until the end.
    pub index_bytes: u64,
    /// Bytes of temporary files.
    pub temporary_bytes: u64,
    /// Bytes of WAL.
    pub wal_bytes: u64,
    /// Seconds, from the last build; `None` where none was noted.
    pub seconds: Option<f64>,
}

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

/// Everything about one index.
#[derive(Debug, Clone, Serialize)]
pub struct IndexPlan {
    /// The database.
    pub database: String,
    /// The index.
    pub index: VectorIndex,
    /// Rows it holds.
    pub rows: u64,
    /// Whether they were counted (else estimated from the statistics).
    pub counted: bool,
    /// What it was built with, from its pages.
    pub built: Option<Built>,
    /// Lists it has (ivfflat).
    pub lists: Option<u32>,
    /// Lists it should have (ivfflat).
    pub target: Option<Target>,
    /// Probes in force here, if any are configured.
    pub probes: Option<u32>,
    /// Probes that belong to the target.
    pub probes_after: Option<u32>,
    /// How the rows lie in the lists.
    pub drift: Option<Drift>,
    /// Predicted work of a query.
    pub work: Option<Work>,
    /// Options a rebuild sets.
    pub options: BTreeMap<String, String>,
    /// Rebuild or leave.
    pub verdict: Verdict,
    /// Memory one build may use.
    pub allowance: Allowance,
    /// What a rebuild takes.
    pub cost: Cost,
    /// What stands in its way.
    pub obstacles: Vec<Obstacle>,
    /// What could not be judged, and how it could.
    pub assumptions: Vec<String>,
}

impl IndexPlan {
    /// Whether a rebuild gives it more lists, so that probes go up before it and not after.
    #[must_use]
    pub fn grows(&self) -> bool {
        self.target.as_ref().zip(self.lists).is_some_and(|(target, lists)| target.lists > lists)
    }

    /// The first obstacle that a rebuild refuses because of, as an error.
    #[must_use]
    pub fn refusal(&self) -> Option<Error> {
        let obstacle = self.obstacles.iter().find(|o| o.blocks)?;
        let exit = if obstacle.name == "index.busy" { Exit::Locked } else { Exit::Precondition };
        let mut error = Error::new(exit, obstacle.name, obstacle.message.clone()).at(format!(
            "{} {}",
            self.database,
            self.index.label()
        ));
        error.next.clone_from(&obstacle.next);
        Some(error)
    }
}

/// Memory for one build: what is asked for, or, where the server runs here, a part of this host's, or else what its
/// configuration lets expect.
#[must_use]
pub fn allowance(server: &Server, wish: &Wish, local: bool) -> Allowance {
    let jobs = u64::from(wish.jobs.max(1));
    let share = |bytes: u64, from: String| Allowance {
        bytes: units::floor_kb(bytes / jobs),
        from: if jobs > 1 { format!("{from}, for {jobs} builds at a time") } else { from },
    };
    if let Some(bytes) = wish.memory {
        return share(bytes, "--memory".to_owned());
    }
    let configured = server.maintenance_work_mem;
    if local && let Some((total, available)) = host_memory(&Root::live()) {
        let host = (available / 2).min(total / 4);
        if host > configured {
            return share(host, "half of this host's available memory, at most a quarter of all".to_owned());
        }
    }
    let by_buffers = server.shared_buffers / 4;
    if by_buffers > configured {
        return share(by_buffers, "a quarter of the server's shared_buffers".to_owned());
    }
    share(configured, "the server's maintenance_work_mem".to_owned())
}

/// Total and available memory in bytes.
fn host_memory(root: &Root) -> Option<(u64, u64)> {
    let text = root.read("/proc/meminfo").ok()?;
    let field = |name: &str| -> Option<u64> {
        let line = text.lines().find_map(|l| l.strip_prefix(name))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(KB)
    };
    Some((field("MemTotal:")?, field("MemAvailable:")?))
}

/// Bytes of the index built new.
fn expected_bytes(index: &VectorIndex, block_bytes: u64, rows: u64, lists: u32, m: u32) -> u64 {
    let value = index.element.datum_bytes(index.dimensions).next_multiple_of(8);
    let usable = block_bytes.saturating_sub(32).max(1);
    let pages = |tuple: u64, count: u64| count.div_ceil((usable / (tuple + 4)).max(1));
    match index.method {
        Method::Ivfflat => {
            let l = u64::from(lists);
            // On average, half a page of each list stays empty.
            (1 + pages(value + 8, l) + pages(value + 8, rows) + l / 2) * block_bytes
        }
        // An element with up to ten row pointers, and its neighbours on the lowest layer.
        Method::Hnsw => (1 + pages(value + 80 + 12 * u64::from(m) + 24, rows)) * block_bytes,
    }
}

/// Plans one index. `exact` counts the rows, as a rebuild must; otherwise the statistics serve where they can.
///
/// # Errors
/// Those of the connection. What cannot be read for want of privileges is an assumption and no error.
pub async fn plan(
    session: &Session,
    server: &Server,
    index: &VectorIndex,
    leftovers: &[Leftover],
    wish: &Wish,
    exact: bool,
) -> Result<IndexPlan> {
    let (rows, counted) = if exact {
        (catalogue::count_rows(session, index).await?, true)
    } else {
        catalogue::rows(session, index).await?
    };
    let built = drift::built(session, server, index).await?;
    let allowance = allowance(server, wish, session.is_local());
    let mut plan = IndexPlan {
        database: server.database.clone(),
        index: index.clone(),
        rows,
        counted,
        built,
        lists: None,
        target: None,
        probes: None,
        probes_after: None,
        drift: None,
        work: None,
        options: BTreeMap::new(),
        verdict: Verdict::default(),
        allowance,
        cost: Cost::default(),
        obstacles: Vec::new(),
        assumptions: Vec::new(),
    };
    match index.method {
        Method::Ivfflat => plan.ivfflat(session, server, wish).await?,
        Method::Hnsw => plan.hnsw(server, wish),
    }
    plan.judge_common();
    plan.cost.maintenance_work_mem = plan.session_memory(server);
    plan.cost.temporary_bytes =
        if plan.cost.index_bytes > plan.cost.maintenance_work_mem { plan.cost.index_bytes } else { 0 };
    plan.cost.wal_bytes = plan.cost.index_bytes;
    plan.cost.seconds = index.note.seconds.zip(index.note.rows).map(|(seconds, then)| {
        let growth = rows.max(1) as f64 / then.max(1) as f64;
        let lists = match (&plan.target, index.note.lists) {
            (Some(target), Some(then)) => f64::from(target.lists) / f64::from(then.max(1)),
            _ => 1.0,
        };
        seconds * growth * lists.max(1.0)
    });
    plan.find_obstacles(session, server, leftovers).await?;
    Ok(plan)
}

impl IndexPlan {
    async fn ivfflat(&mut self, session: &Session, server: &Server, wish: &Wish) -> Result<()> {
        let index = self.index.clone();
        let shape = Shape {
            element: index.element,
            dimensions: index.dimensions,
            heap_blocks: index.heap_blocks,
            block_bytes: server.block_bytes,
            rows: self.rows,
        };
        let most = shape.most_lists(self.allowance.bytes);
        let target = rule::target(wish.rule, self.rows, most.unwrap_or(MAX_LISTS));
        if most.is_none() {
            self.obstacles.push(Obstacle {
                name: "index.memory",
                blocks: true,
                message: format!(
                    "a build needs at least {}, and {} are allowed ({})",
                    units::human_bytes(shape.ivfflat_bytes(1)),
                    units::human_bytes(self.allowance.bytes),
                    self.allowance.from
                ),
                next: Some(format!("allow more: --memory {}", units::format_bytes(ceil_mb(shape.ivfflat_bytes(1))))),
            });
        }
        let lists = match self.built.and_then(|b| b.lists).or(index.note.lists) {
            Some(lists) => lists,
            None => {
                self.assumptions.push(format!(
                    "the index is taken to have the {} lists of its options, since {}",
                    index.configured_lists(),
                    server.pages_unreadable.as_deref().unwrap_or("its pages cannot be read")
                ));
                index.configured_lists()
            }
        };
        let probes = server.probes_in_force();
        let configured = probes.filter(|p| *p > 1);
        let probes_now = configured.unwrap_or_else(|| rule::probes_for(lists));
        let probes_after = match configured {
            Some(probes) => rule::probes_after(probes, lists, target.lists),
            None => rule::probes_for(target.lists),
        };
        self.drift = drift::measure(session, server, &index, self.rows).await?;
        if self.drift.is_none() && self.rows > 0 {
            self.assumptions.push(format!(
                "the imbalance of the lists is not measured, since {}",
                server.pages_unreadable.as_deref().unwrap_or("its pages hold nothing")
            ));
        }
        let after = index.note.imbalance.unwrap_or(IMBALANCE_AFTER);
        let imbalance = self.drift.map_or(after, |d| d.imbalance);
        self.work = Some(Work {
            before: rule::work(self.rows, lists, probes_now, imbalance),
            after: rule::work(self.rows, target.lists, probes_after, after),
        });
        self.cost.memory_bytes = shape.ivfflat_bytes(target.lists);
        self.cost.index_bytes = expected_bytes(&index, server.block_bytes, self.rows, target.lists, 0);
        self.options.insert("lists".to_owned(), target.lists.to_string());
        self.lists = Some(lists);
        self.probes = probes;
        self.probes_after = Some(probes_after);
        self.judge_ivfflat(lists, &target);
        self.target = Some(target);
        Ok(())
    }

    fn judge_ivfflat(&mut self, lists: u32, target: &Target) {
        if self.rows == 0 {
            return;
        }
        let because = &mut self.verdict.reasons;
        let share = f64::from(lists) / f64::from(target.lists);
        if share < LISTS_WITHIN.0 || share > LISTS_WITHIN.1 {
            because.push(format!("it has {lists} lists where {} belong to {} rows", target.lists, self.rows));
        }
        if let Some(drift) = self.drift {
            if let Some(work) = self.work.filter(|w| w.ratio() >= WORK_RATIO) {
                because.push(format!(
                    "a query compares {:.0} vectors and would compare {:.0}, {:.1} times less (imbalance of the lists {:.2})",
                    work.before,
                    work.after,
                    work.ratio(),
                    drift.imbalance
                ));
            }
            if let Some(then) = self.index.note.distance
                && then > 0.0
                && drift.distance / then >= DISTANCE_RATIO
            {
                because.push(format!(
                    "rows lie {:.0} % farther from their centroids than just after the build",
                    100.0 * (drift.distance / then - 1.0)
                ));
            }
        }
    }

    fn hnsw(&mut self, server: &Server, wish: &Wish) {
        let index = &self.index;
        let wanted = |name: &str| wish.hnsw.get(name).cloned().or_else(|| index.options.get(name).cloned());
        let m = wanted("m").and_then(|m| m.parse().ok()).unwrap_or(16);
        self.cost.memory_bytes = hnsw_bytes(self.rows, index.element, index.dimensions, m);
        self.cost.index_bytes = expected_bytes(index, server.block_bytes, self.rows, 0, m);
        self.options.clone_from(&wish.hnsw);
        if let Some(built) = self.built {
            for (name, default, is) in [("m", 16, built.m), ("ef_construction", 64, built.ef_construction)] {
                let set = wanted(name).and_then(|v| v.parse().ok()).unwrap_or(default);
                if let Some(is) = is
                    && is != set
                {
                    self.verdict.reasons.push(format!("it was built with {name}={is}, and {set} is wanted"));
                }
            }
        }
        if self.cost.memory_bytes > self.allowance.bytes {
            self.obstacles.push(Obstacle {
                name: "index.memory",
                blocks: false,
                message: format!(
                    "the graph takes about {} and {} are allowed ({}): the build goes on through the disk, slower by far",
                    units::human_bytes(self.cost.memory_bytes),
                    units::human_bytes(self.allowance.bytes),
                    self.allowance.from
                ),
                next: Some(format!("allow more: --memory {}", units::format_bytes(ceil_mb(self.cost.memory_bytes)))),
            });
        }
    }

    /// Reasons that hold for both kinds, and the verdict.
    fn judge_common(&mut self) {
        let index = &self.index;
        let because = &mut self.verdict.reasons;
        if !index.valid {
            because.insert(0, "it is invalid: queries do not use it".to_owned());
        }
        if let Some(then) = index.note.rows {
            if self.rows as f64 >= GROWTH * then.max(1) as f64 {
                because.push(format!("it was built on {then} rows and holds {}", self.rows));
            } else if index.method == Method::Hnsw && self.rows * 2 < then {
                because.push(format!("of {then} rows it was built on, {} are left", self.rows));
            }
        }
        let expected = self.cost.index_bytes;
        if index.valid && index.bytes > BLOAT_FROM && index.bytes as f64 > BLOAT * expected as f64 {
            because.push(format!(
                "it is {} large and would be about {}",
                units::human_bytes(index.bytes),
                units::human_bytes(expected)
            ));
        }
        self.verdict.rebuild = !because.is_empty();
        if self.verdict.rebuild {
            return;
        }
        because.push(match (&self.target, self.lists, self.work) {
            _ if self.rows == 0 => "the table is empty: lists found now would mean nothing".to_owned(),
            (Some(target), Some(lists), Some(work)) if work.ratio() > 1.0 => format!(
                "{lists} lists are near enough to {}, and a rebuild would leave a query {:.0} % of its work",
                target.lists,
                100.0 / work.ratio()
            ),
            (Some(target), Some(lists), Some(_)) => {
                format!("{lists} lists are near enough to {}, and a rebuild would save a query no work", target.lists)
            }
            _ => "nothing speaks for it".to_owned(),
        });
    }

    /// `maintenance_work_mem` for the build: what k-means needs and a tenth, and enough to sort in memory; never above
    /// what is allowed.
    fn session_memory(&self, server: &Server) -> u64 {
        let sort = self.cost.index_bytes + self.cost.index_bytes / 2;
        let wanted = (self.cost.memory_bytes + self.cost.memory_bytes / 10).max(server.maintenance_work_mem).max(sort);
        // k-means refuses what is one kB short.
        let least = if self.index.method == Method::Ivfflat { self.cost.memory_bytes } else { 0 };
        units::floor_kb(wanted.min(self.allowance.bytes).max(least).max(MB) + KB - 1)
    }

    async fn find_obstacles(&mut self, session: &Session, server: &Server, leftovers: &[Leftover]) -> Result<()> {
        let index = self.index.clone();
        if server.standby {
            self.block("index.standby", "the server is a standby", "connect to its primary");
        }
        if !index.may_alter {
            let user = quote_ident(session.user());
            self.block(
                "index.privilege",
                &format!(
                    "role {} may not alter the index of {}, which {} owns",
                    session.user(),
                    index.quoted_table(),
                    index.owner
                ),
                &format!(
                    "GRANT {} TO {user};  -- pg_maintain would allow REINDEX, and not the lists",
                    quote_ident(&index.owner)
                ),
            );
        }
        let building = session
            .query_opt(
                "SELECT pid FROM pg_stat_progress_create_index WHERE relid = $1 AND datname = current_database() AND pid <> pg_backend_pid()",
                &[(&index.table_oid, Type::OID)],
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
        for leftover in leftovers.iter().filter(|l| l.table_oid == index.table_oid && l.of == index.name) {
            let (message, next) = if leftover.ours {
                ("is left of an interrupted run", "the next rebuild drops it".to_owned())
            } else {
                ("is invalid and not ours to drop", format!("DROP INDEX CONCURRENTLY {}", leftover.quoted()))
            };
            self.warn(
                "index.leftover",
                &format!("{} ({}) {message}", leftover.name, units::human_bytes(leftover.bytes)),
                &next,
            );
        }
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
                    "process {pid} ({state}) has a transaction open for {age:.0} s: the rebuild waits for its end"
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
        let locks = session
            .query(
                "SELECT DISTINCT pid, mode FROM pg_locks WHERE relation = $1 AND granted AND pid <> pg_backend_pid() \
                 AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND mode IN \
                 ('ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock') LIMIT 5",
                &[(&index.table_oid, Type::OID)],
            )
            .await?;
        for row in &locks {
            let (pid, mode): (i32, String) = (row.value("pid")?, row.value("mode")?);
            self.warn(
                "index.lock",
                &format!("process {pid} holds {mode} on the table (a VACUUM or a change of its definition)"),
                "the rebuild waits for it, 5 s at first",
            );
        }
        self.find_replicas(session).await;
        self.find_disk(session, server).await;
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
            } else if behind > 64 * MB {
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
        let space = |folder: &str| if folder.is_empty() { data.join("base") } else { PathBuf::from(folder) };
        let default = self.setting(session, DATABASE_SPACE).await.unwrap_or_default();
        let own = if self.index.tablespace.is_empty() { &default } else { &self.index.tablespace };
        let temporary = self.setting(session, TEMPORARY_SPACE).await.unwrap_or_default();
        let temporary = if temporary.is_empty() { &default } else { &temporary };
        let mut needs: BTreeMap<u64, (u64, u64, PathBuf)> = BTreeMap::new();
        for (path, bytes) in [
            (space(own), self.cost.index_bytes),
            (space(temporary), self.cost.temporary_bytes),
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

    async fn setting(&self, session: &Session, sql: &str) -> Option<String> {
        session.query_opt(sql, &[]).await.ok()??.value("folder").ok()
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

fn ceil_mb(bytes: u64) -> u64 {
    bytes.div_ceil(MB) * MB
}
