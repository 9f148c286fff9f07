//! The verdict over one index, what a rebuild of it costs, and what stands in its way.

use super::catalogue::{self, Leftover, Server, VectorIndex};
use super::drift::{self, Built, Drift};
use super::memory::{Shape, hnsw_bytes};
use super::obstacles::Obstacle;
use super::rule::{self, Rule, Target};
use super::{MAX_LISTS, Method};
use crate::error::{Error, Exit, Result};
use crate::facts;
use crate::postgres::connect::Session;
use crate::root::Root;
use crate::units::{self, KB, MB};
use serde::Serialize;
use std::collections::BTreeMap;

/// Lists outside this share of the target are rebuilt; inside it the root would otherwise change with every run.
const LISTS_WITHIN: (f64, f64) = (0.5, 2.0);

/// Queries cost that many times what they would after a rebuild.
const WORK_RATIO: f64 = 1.5;

/// The imbalance to expect after a rebuild where none was noted (1.2 to 1.5 measured on clustered data).
const IMBALANCE_AFTER: f64 = 1.5;

/// Rows lie that many times as far from their centroids as just after the build (1.33 measured under a shift).
const DISTANCE_RATIO: f64 = 1.25;

/// A noted distance below this, of all but equal rows, says nothing: it is noted to five decimals, and what rounding took
/// off would call for a rebuild every night.
const LEAST_DISTANCE: f64 = 0.001;

/// The table holds that many times the rows the index was built on.
const GROWTH: f64 = 4.0;

/// The index is that many times as large as it would be built new. VACUUM never shrinks it.
const BLOAT: f64 = 2.0;

/// Below this size bloat is not worth a rebuild.
const BLOAT_FROM: u64 = 8 * MB;

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
    /// This host, which counts where the server runs on it.
    pub host: Host,
}

/// What this host has for builds; `None` where it cannot be read.
#[derive(Debug, Clone, Copy, Default)]
pub struct Host {
    /// Bytes of memory, within the limits of this process's cgroup.
    pub memory: Option<u64>,
    /// Bytes of it that are available.
    pub available: Option<u64>,
    /// CPUs, within the limits of this process's cgroup.
    pub cpus: Option<u32>,
}

impl Host {
    /// Reads it.
    #[must_use]
    pub fn read(root: &Root) -> Host {
        let (cpu, memory) = facts::resources(root);
        let available = memory.available_bytes.zip(memory.effective_bytes).map(|(free, all)| free.min(all));
        Host { memory: memory.effective_bytes, available, cpus: cpu.effective }
    }
}

/// How closely to look at an index.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// Count the rows, as a rebuild must; otherwise the statistics serve where they can.
    pub count: bool,
    /// Where the drift comes from.
    pub drift: DriftFrom,
}

/// Where the drift comes from.
#[derive(Debug, Clone, Copy)]
pub enum DriftFrom {
    /// It is measured from the index's pages.
    Pages,
    /// It was measured a moment ago.
    Known(Option<Drift>),
    /// It is measured later, beside the build ([`IndexPlan::weigh`]).
    Later,
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
    /// `hnsw.ef_search` in force here.
    #[serde(skip)]
    pub ef_search: u32,
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
    let share = |bytes: u64, from: &str| Allowance {
        bytes: units::floor_kb(bytes / jobs),
        from: if jobs > 1 { format!("{from}, for {jobs} builds at a time") } else { from.to_owned() },
    };
    if let Some(bytes) = wish.memory {
        return share(bytes, "--memory");
    }
    let configured = server.maintenance_work_mem;
    if local && let (Some(all), Some(available)) = (wish.host.memory, wish.host.available) {
        let host = (available / 2).min(all / 4);
        if host > configured {
            return share(host, "half of this host's available memory, at most a quarter of all");
        }
    }
    let by_buffers = server.shared_buffers / 4;
    if by_buffers > configured {
        return share(by_buffers, "a quarter of the server's shared_buffers");
    }
    share(configured, "the server's maintenance_work_mem")
}

/// What the memory of an ivfflat build of this index depends on.
fn shape(index: &VectorIndex, server: &Server, rows: u64) -> Shape {
    Shape {
        element: index.element,
        dimensions: index.dimensions,
        heap_blocks: index.heap_blocks,
        block_bytes: server.block_bytes,
        rows,
    }
}

/// The lists an ivfflat index should have: by rule, within what the memory allowed can build.
#[must_use]
pub fn target(index: &VectorIndex, server: &Server, rule: Rule, rows: u64, allowance: &Allowance) -> Target {
    let most = shape(index, server, rows).most_lists(allowance.bytes);
    rule::target(rule, rows, most.unwrap_or(MAX_LISTS))
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

/// Plans one index.
///
/// # Errors
/// Those of the connection. What cannot be read for want of privileges is an assumption and no error.
pub async fn plan(
    session: &Session,
    server: &Server,
    index: &VectorIndex,
    leftovers: &[Leftover],
    wish: &Wish,
    look: Look,
) -> Result<IndexPlan> {
    let (rows, counted) = match look.count {
        true => catalogue::count_rows(session, index).await?,
        false => catalogue::rows(session, index).await?,
    };
    let mut plan = IndexPlan {
        database: server.database.clone(),
        index: index.clone(),
        rows,
        counted,
        built: drift::built(session, server, index).await?,
        lists: None,
        target: None,
        probes: None,
        probes_after: None,
        ef_search: server.ef_search(),
        drift: None,
        work: None,
        options: BTreeMap::new(),
        verdict: Verdict::default(),
        allowance: allowance(server, wish, session.is_local()),
        cost: Cost::default(),
        obstacles: Vec::new(),
        assumptions: Vec::new(),
    };
    if let Some(function) = &index.foreign_code {
        plan.assumptions.push(format!(
            "the rows are as many as the server's statistics say, and neither drift nor recall is measured, since the \
             index calls {function}, whose code would run with the rights of {} (connect as the table's owner, {})",
            session.user(),
            index.owner
        ));
    }
    match index.method {
        Method::Ivfflat => plan.ivfflat(server, wish),
        Method::Hnsw => plan.hnsw(server, wish),
    }
    match look.drift {
        DriftFrom::Pages => plan.measure_drift(session, server).await?,
        DriftFrom::Known(drift) => plan.weigh(drift),
        DriftFrom::Later => plan.weigh(None),
    }
    plan.estimate(server);
    session.under(&[], plan.find_obstacles(session, server, leftovers)).await?;
    Ok(plan)
}

impl IndexPlan {
    /// Lists, probes and memory of an ivfflat index.
    fn ivfflat(&mut self, server: &Server, wish: &Wish) {
        let target = target(&self.index, server, wish.rule, self.rows, &self.allowance);
        let shape = shape(&self.index, server, self.rows);
        let (index, least) = (&self.index, shape.ivfflat_bytes(1));
        if shape.most_lists(self.allowance.bytes).is_none() {
            self.obstacles.push(Obstacle {
                name: "index.memory",
                blocks: true,
                message: format!(
                    "a build needs at least {}, and {} are allowed ({})",
                    units::human_bytes(least),
                    units::human_bytes(self.allowance.bytes),
                    self.allowance.from
                ),
                next: Some(format!("allow more: --memory {}", units::format_bytes(ceil_mb(least)))),
            });
        }
        let known = self.built.and_then(|b| b.lists).or(index.note.lists);
        let lists = known.unwrap_or_else(|| index.configured_lists());
        if known.is_none() {
            self.assumptions.push(format!(
                "the index is taken to have the {lists} lists of its options, since {}",
                server.pages_unreadable.as_deref().unwrap_or("its pages cannot be read")
            ));
        }
        self.probes = server.probes_in_force();
        self.probes_after = Some(match self.probes.filter(|p| *p > 1) {
            Some(probes) => rule::probes_after(probes, lists, target.lists),
            None => rule::probes_for(target.lists),
        });
        self.cost.memory_bytes = shape.ivfflat_bytes(target.lists);
        self.cost.index_bytes = expected_bytes(index, server.block_bytes, self.rows, target.lists, 0);
        self.options.insert("lists".to_owned(), target.lists.to_string());
        self.lists = Some(lists);
        self.target = Some(target);
    }

    /// Measures the drift from the index's pages and weighs it; it is an assumption where they cannot be read.
    ///
    /// # Errors
    /// Those of [`drift::measure`].
    pub async fn measure_drift(&mut self, session: &Session, server: &Server) -> Result<()> {
        let drift = drift::measure(session, server, &self.index, self.rows).await?;
        let expected = self.rows > 0 && self.index.method == Method::Ivfflat && self.index.foreign_code.is_none();
        if drift.is_none() && expected {
            self.assumptions.push(format!(
                "the imbalance of the lists is not measured, since {}",
                server.pages_unreadable.as_deref().unwrap_or("its pages hold nothing")
            ));
        }
        self.weigh(drift);
        Ok(())
    }

    /// Probes that queries use now: those in force, or those that belong to the lists where none were chosen.
    #[must_use]
    pub fn probes_now(&self) -> u32 {
        self.probes.filter(|p| *p > 1).unwrap_or_else(|| rule::probes_for(self.lists.unwrap_or(1)))
    }

    /// `ivfflat.probes` or `hnsw.ef_search` to measure queries with, now and after a rebuild.
    #[must_use]
    pub fn search(&self) -> (u32, u32) {
        match self.index.method {
            Method::Ivfflat => (self.probes_now(), self.probes_after.unwrap_or(1)),
            Method::Hnsw => (self.ef_search, self.ef_search),
        }
    }

    /// Takes the drift in and comes to the verdict.
    pub fn weigh(&mut self, drift: Option<Drift>) {
        self.drift = drift;
        self.verdict = Verdict::default();
        if let (Some(lists), Some(target), Some(probes)) = (self.lists, self.target.clone(), self.probes_after) {
            let after = self.index.note.imbalance.unwrap_or(IMBALANCE_AFTER);
            let imbalance = drift.map_or(after, |d| d.imbalance);
            self.work = Some(Work {
                before: rule::work(self.rows, lists, self.probes_now(), imbalance),
                after: rule::work(self.rows, target.lists, probes, after),
            });
            self.judge_ivfflat(lists, &target);
        }
        self.judge_hnsw();
        self.judge_common();
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
        let Some(drift) = self.drift else { return };
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
            && then >= LEAST_DISTANCE
            && drift.distance / then >= DISTANCE_RATIO
        {
            because.push(format!(
                "rows lie {:.0} % farther from their centroids than just after the build",
                100.0 * (drift.distance / then - 1.0)
            ));
        }
    }

    fn hnsw(&mut self, server: &Server, wish: &Wish) {
        let index = &self.index;
        let (m, _) = index.graph(&wish.hnsw);
        self.cost.memory_bytes = hnsw_bytes(self.rows, index.element, index.dimensions, m);
        self.cost.index_bytes = expected_bytes(index, server.block_bytes, self.rows, 0, m);
        self.options.clone_from(&wish.hnsw);
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

    fn judge_hnsw(&mut self) {
        let Some(built) = self.built.filter(|_| self.index.method == Method::Hnsw) else { return };
        let (m, ef_construction) = self.index.graph(&self.options);
        for (name, wanted, is) in [("m", m, built.m), ("ef_construction", ef_construction, built.ef_construction)] {
            if let Some(is) = is.filter(|is| *is != wanted) {
                self.verdict.reasons.push(format!("it was built with {name}={is}, and {wanted} is wanted"));
            }
        }
    }

    /// Reasons that hold for both kinds, and the verdict.
    fn judge_common(&mut self) {
        let index = &self.index;
        let because = &mut self.verdict.reasons;
        if !index.valid {
            because.insert(0, "it is invalid: queries do not use it".to_owned());
        }
        if let Some(begun) = &index.note.rebuilding {
            because.push(format!("the rebuild that was begun at {begun} has not ended"));
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

    /// What the rebuild takes beside memory.
    fn estimate(&mut self, server: &Server) {
        self.cost.maintenance_work_mem = self.session_memory(server);
        // A sort that does not fit goes through the disk.
        let spills = self.cost.index_bytes > self.cost.maintenance_work_mem;
        self.cost.temporary_bytes = if spills { self.cost.index_bytes } else { 0 };
        self.cost.wal_bytes = self.cost.index_bytes;
        let note = &self.index.note;
        self.cost.seconds = note.seconds.zip(note.rows).map(|(seconds, then)| {
            let growth = self.rows.max(1) as f64 / then.max(1) as f64;
            let lists = match (&self.target, note.lists) {
                (Some(target), Some(then)) => f64::from(target.lists) / f64::from(then.max(1)),
                _ => 1.0,
            };
            seconds * growth * lists.max(1.0)
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
}

fn ceil_mb(bytes: u64) -> u64 {
    bytes.div_ceil(MB) * MB
}
