//! Rebuilding an index while queries go on using the old one, and the way back when it fails.
//!
//! The order of the steps is measured, not chosen: `ALTER INDEX … SET` takes a weak lock only in a session that has not
//! loaded pgvector, so it runs on a fresh connection of its own; the advisory lock is tried and never waited for, since
//! a waiter deadlocks with `REINDEX CONCURRENTLY`; `lock_timeout` is short for ALTER and off for REINDEX, whose waits
//! would otherwise be cut after the whole build.

use super::Method;
use super::catalogue::{self, Leftover, Server, VectorIndex};
use super::drift;
use super::note::Note;
use super::plan::{self, IndexPlan};
use super::progress::{Bar, Phase, Progress};
use super::recall;
use super::window::Window;
use crate::error::{Error, Exit, Result};
use crate::postgres::connect::{RowExt, Session, is_sqlstate, quote_ident, quote_literal, server_error};
use crate::postgres::conninfo::Conninfo;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;

/// What a swap calls the new index until it takes the old one's name.
pub(super) const SWAP_SUFFIX: &str = "_llmsql_new";

/// What a swap calls the old index until it is dropped.
const OLD_SUFFIX: &str = "_llmsql_old";

/// How long DDL that needs a lock for a moment waits for it.
const DDL_WAIT: &str = "5s";

/// How often DDL that did not get its lock is tried.
const DDL_TRIES: u32 = 3;

/// How often the server is asked for progress.
const TICK: Duration = Duration::from_millis(500);

/// How the new index takes the place of the old.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum How {
    /// ALTER INDEX SET and REINDEX CONCURRENTLY: keeps name, operator class and comment
    #[default]
    Reindex,
    /// CREATE INDEX CONCURRENTLY, rename, DROP CONCURRENTLY: for another operator class
    Swap,
}

/// Whose probes are moved along with the lists.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ProbesFor {
    /// Nobody's; they are printed for the application.
    #[default]
    Print,
    /// All sessions of the database.
    Database,
    /// The sessions of a role in the database.
    Role(String),
}

impl std::str::FromStr for ProbesFor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match (text, text.strip_prefix("role:")) {
            ("print", _) => Ok(ProbesFor::Print),
            ("database", _) => Ok(ProbesFor::Database),
            (_, Some(role)) if !role.is_empty() => Ok(ProbesFor::Role(role.to_owned())),
            _ => Err("write print, database or role:NAME".to_owned()),
        }
    }
}

/// How to rebuild.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// What the plan depends on.
    pub plan: plan::Wish,
    /// Leave indexes whose verdict is to leave them.
    pub if_needed: bool,
    /// Start only in these hours.
    pub window: Option<Window>,
    /// Give up after waiting that long for other sessions; `None`: never.
    pub max_wait: Option<Duration>,
    /// `max_parallel_maintenance_workers` for the build.
    pub workers: Option<u32>,
    /// How the new index takes the place of the old.
    pub how: How,
    /// The operator class of a swap.
    pub opclass: Option<String>,
    /// Whose probes are moved.
    pub probes: ProbesFor,
}

/// What became of an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It was rebuilt.
    Rebuilt,
    /// It needs no rebuild.
    Left,
    /// It was not looked at: outside the window, or after an interrupt.
    Skipped,
    /// It was not rebuilt, and the old index serves.
    Failed,
}

/// What became of an index, with its numbers.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// The database.
    pub database: String,
    /// `schema.name`.
    pub index: String,
    /// What became of it.
    pub action: Action,
    /// The plan, where one was made.
    pub plan: Option<IndexPlan>,
    /// Lists before.
    pub lists_before: Option<u32>,
    /// Lists after.
    pub lists_after: Option<u32>,
    /// Seconds it took.
    pub seconds: f64,
    /// Share of the nearest rows that sampled queries find now.
    pub recall: Option<f64>,
    /// Median latency of sampled queries before and after, in milliseconds.
    pub latency_ms: Option<(f64, f64)>,
    /// Probes that belong to the lists now.
    pub probes: Option<u32>,
    /// What the operator should know.
    pub notes: Vec<String>,
    /// Why it failed.
    pub error: Option<String>,
    /// What to do about it.
    pub next: Option<String>,
    /// The exit code of this index alone.
    pub exit: u8,
}

impl Outcome {
    fn new(database: &str, index: &VectorIndex, action: Action) -> Self {
        Outcome {
            database: database.to_owned(),
            index: index.label(),
            action,
            plan: None,
            lists_before: None,
            lists_after: None,
            seconds: 0.0,
            recall: None,
            latency_ms: None,
            probes: None,
            notes: Vec::new(),
            error: None,
            next: None,
            exit: Exit::Done.code(),
        }
    }

    fn failed(mut self, error: &Error) -> Self {
        self.action = Action::Failed;
        self.error = Some(error.to_string());
        self.next.clone_from(&error.next);
        self.exit = error.exit.code();
        self
    }
}

/// Tells every rebuild that a signal came: its exit code.
pub type Stop = watch::Receiver<Option<Exit>>;

/// One rebuild and its surroundings.
pub struct Rebuild {
    /// How to reach the database.
    pub info: Conninfo,
    /// The server.
    pub server: Server,
    /// How to rebuild.
    pub wish: Wish,
    /// Where progress is shown.
    pub progress: Progress,
    /// Whether a signal came.
    pub stop: Stop,
}

impl Rebuild {
    /// Looks at one index and rebuilds it, or leaves it. What fails is in the outcome.
    pub async fn run(&self, index: &VectorIndex, leftovers: &[Leftover]) -> Outcome {
        let mut outcome = Outcome::new(&self.server.database, index, Action::Skipped);
        if self.stop.borrow().is_some() {
            return outcome;
        }
        if self.wish.window.is_some_and(|w| !w.is_open()) {
            outcome.notes.push("the window is closed".to_owned());
            return outcome;
        }
        let start = Instant::now();
        let result = self.try_run(index, leftovers, &mut outcome).await;
        outcome.seconds = start.elapsed().as_secs_f64();
        match result {
            Ok(()) => outcome,
            Err(e) => outcome.failed(&e),
        }
    }

    fn here(&self, index: &VectorIndex) -> String {
        format!("{} {}", self.server.place, index.label())
    }

    async fn try_run(&self, index: &VectorIndex, leftovers: &[Leftover], outcome: &mut Outcome) -> Result<()> {
        let mut bar = self.progress.start(&index.label());
        bar.step("planning");
        let watcher = Session::open(&self.info).await?;
        quiet_session(&watcher, &self.server).await?;
        let wish = &self.wish;
        if wish.if_needed {
            let plan = plan::plan(&watcher, &self.server, index, leftovers, &wish.plan, false).await?;
            outcome.lists_before = plan.lists;
            if !plan.verdict.rebuild {
                outcome.action = Action::Left;
                outcome.probes = plan.probes_after;
                outcome.plan = Some(plan);
                return Ok(());
            }
        }
        catalogue::refuse_standby(&self.server)?;
        let worker = Session::open(&self.info).await?;
        refuse_pooler(&watcher, &worker).await?;
        quiet_session(&worker, &self.server).await?;
        lock(&worker, index).await?;
        // What another run did before we got the lock counts.
        let index = catalogue::again(&watcher, index).await?;
        let (_, leftovers) = catalogue::indexes(&watcher).await?;
        let plan = plan::plan(&watcher, &self.server, &index, &leftovers, &wish.plan, true).await?;
        outcome.lists_before = plan.lists;
        outcome.probes = plan.probes_after;
        outcome.plan = Some(plan.clone());
        if wish.if_needed && !plan.verdict.rebuild {
            outcome.action = Action::Left;
            return Ok(());
        }
        if let Some(refusal) = plan.refusal() {
            return Err(refusal);
        }
        if wish.how == How::Swap && index.parent.is_some() {
            return Err(Error::usage(
                "index.swap",
                "the index belongs to a partitioned one, which a swap cannot replace part of",
            )
            .at(self.here(&index))
            .next("leave out --method swap"));
        }
        for leftover in leftovers.iter().filter(|l| l.ours && l.table_oid == index.table_oid) {
            bar.step("dropping what an interrupted run left");
            watcher.batch(&format!("DROP INDEX CONCURRENTLY IF EXISTS {}", leftover.quoted())).await?;
            outcome.notes.push(format!("dropped {}, left of an interrupted run", leftover.name));
        }
        for obstacle in plan.obstacles.iter().filter(|o| !o.blocks && o.name != "index.leftover") {
            self.progress.note(&format!("warning: {}: {}", index.label(), obstacle.message));
        }
        let before = self.probe_latency(&watcher, &index, &plan, plan.probes).await;
        self.build(&watcher, &worker, &index, &plan, &mut bar, outcome).await?;
        bar.step("verifying");
        self.finish(&watcher, &worker, &index, &plan, before, outcome).await?;
        outcome.action = Action::Rebuilt;
        Ok(())
    }

    /// Marks the index, sets the options, builds; on failure puts everything back.
    async fn build(
        &self,
        watcher: &Session,
        worker: &Session,
        index: &VectorIndex,
        plan: &IndexPlan,
        bar: &mut Bar,
        outcome: &mut Outcome,
    ) -> Result<()> {
        let was = match (&index.note.rebuilding, &index.note.was) {
            // The options an interrupted run found are the ones to go back to.
            (Some(_), Some(was)) => was.clone(),
            _ => remember(&index.options, &plan.options),
        };
        let mark =
            Note { rebuilding: Some(jiff::Timestamp::now().to_string()), was: Some(was.clone()), ..index.note.clone() };
        if plan.grows() {
            self.move_probes(watcher, plan, outcome).await?;
        }
        retry(watcher, &comment_sql(index, &mark)).await.map_err(|e| self.explain(e, index, plan))?;
        let start = Instant::now();
        let result = match self.wish.how {
            How::Reindex => self.reindex(worker, index, plan, bar).await,
            How::Swap => self.swap(worker, index, plan, bar).await,
        };
        match result {
            Ok(()) => {
                outcome.seconds = start.elapsed().as_secs_f64();
                Ok(())
            }
            Err(error) => {
                let error = self.explain(error, index, plan);
                bar.step("putting things back");
                match self.put_back(index, &was, plan, worker, outcome).await {
                    // The new index was in place before what failed.
                    Ok(true) => {
                        outcome.notes.push(format!("the new index is in place, though {error}"));
                        Ok(())
                    }
                    Ok(false) => Err(error),
                    Err(second) => {
                        Err(Error::new(error.exit, error.code, format!("{error}; and cleaning up failed: {second}"))
                            .next("the old index serves; the next run of `llmsql index rebuild` cleans up"))
                    }
                }
            }
        }
    }

    async fn reindex(&self, worker: &Session, index: &VectorIndex, plan: &IndexPlan, bar: &mut Bar) -> Result<()> {
        if !plan.options.is_empty() {
            bar.step("setting the options");
            let options: Vec<String> = plan.options.iter().map(|(k, v)| format!("{k} = {v}")).collect();
            retry(worker, &format!("ALTER INDEX {} SET ({})", index.quoted(), options.join(", "))).await?;
        }
        self.prepare(worker, plan).await?;
        self.watch(worker, &format!("REINDEX INDEX CONCURRENTLY {}", index.quoted()), bar).await
    }

    async fn swap(&self, worker: &Session, index: &VectorIndex, plan: &IndexPlan, bar: &mut Bar) -> Result<()> {
        let (new, old) = (suffixed(&index.name, SWAP_SUFFIX), suffixed(&index.name, OLD_SUFFIX));
        let schema = quote_ident(&index.schema);
        let mut options = index.options.clone();
        options.extend(plan.options.clone());
        let with: Vec<String> = options.iter().map(|(k, v)| format!("{k} = {v}")).collect();
        let opclass = self.wish.opclass.as_deref().unwrap_or(&index.opclass);
        let mut sql = format!(
            "CREATE INDEX CONCURRENTLY {} ON {} USING {} (({}) {}.{})",
            quote_ident(&new),
            index.quoted_table(),
            match index.method {
                Method::Ivfflat => "ivfflat",
                Method::Hnsw => "hnsw",
            },
            index.expression,
            quote_ident(&index.extension_schema),
            quote_ident(opclass),
        );
        if !with.is_empty() {
            sql.push_str(&format!(" WITH ({})", with.join(", ")));
        }
        if let Some(predicate) = &index.predicate {
            sql.push_str(&format!(" WHERE {predicate}"));
        }
        self.prepare(worker, plan).await?;
        self.watch(worker, &sql, bar).await?;
        bar.step("swapping the names");
        worker.batch(&format!("SET lock_timeout = '{DDL_WAIT}'")).await?;
        let (name, new, old) = (quote_ident(&index.name), quote_ident(&new), quote_ident(&old));
        retry(
            worker,
            &format!(
                "BEGIN; ALTER INDEX {schema}.{name} RENAME TO {old}; ALTER INDEX {schema}.{new} RENAME TO {name}; \
                 COMMENT ON INDEX {schema}.{name} IS {}; COMMIT",
                index.comment.as_deref().map_or("NULL".to_owned(), quote_literal)
            ),
        )
        .await?;
        worker.batch("SET lock_timeout = 0").await?;
        self.watch(worker, &format!("DROP INDEX CONCURRENTLY {schema}.{old}"), bar).await
    }

    /// Memory and workers of the build.
    async fn prepare(&self, worker: &Session, plan: &IndexPlan) -> Result<()> {
        let kb = plan.cost.maintenance_work_mem.div_ceil(1024).min(i32::MAX as u64);
        let workers = self.wish.workers.unwrap_or_else(|| {
            let jobs = self.wish.plan.jobs.max(1);
            (self.server.parallel_workers / 2).clamp(1, 4).max(self.server.parallel_maintenance_workers) / jobs
        });
        worker
            .batch(&format!(
                "SET lock_timeout = 0; SET maintenance_work_mem = '{kb}kB'; SET max_parallel_maintenance_workers = {workers}"
            ))
            .await
    }

    /// Runs a long statement, shows its progress, and cancels it on a signal or when it has waited too long.
    async fn watch(&self, worker: &Session, sql: &str, bar: &mut Bar) -> Result<()> {
        let row = worker.query_one("SELECT pg_backend_pid() AS pid", &[]).await?;
        let pid: i32 = row.value("pid")?;
        let watcher = Session::open(&self.info).await?;
        let mut stop = self.stop.clone();
        let (mut interrupted, mut gave_up) = (None, false);
        let mut waiting: Option<Instant> = None;
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut work = std::pin::pin!(worker.batch(sql));
        let result = loop {
            tokio::select! {
                result = &mut work => break result,
                _ = ticks.tick() => {
                    // Progress that cannot be read must not end the build.
                    let Ok(Some((phase, blocked))) = progress(&watcher, pid).await else { continue };
                    bar.show(&phase);
                    waiting = if blocked { waiting.or_else(|| Some(Instant::now())) } else { None };
                    let too_long = self.wish.max_wait.zip(waiting).is_some_and(|(most, since)| since.elapsed() > most);
                    if too_long && !gave_up {
                        gave_up = true;
                        cancel(&watcher, pid).await?;
                    }
                }
                Ok(()) = stop.changed(), if interrupted.is_none() => {
                    interrupted = *stop.borrow();
                    if interrupted.is_some() {
                        bar.step("cancelling");
                        cancel(&watcher, pid).await?;
                    }
                }
            }
        };
        match (result, interrupted) {
            (Ok(()), _) => Ok(()),
            (Err(e), Some(exit)) => {
                Err(Error::new(exit, "index.interrupted", "interrupted; the old index serves").because(e))
            }
            (Err(e), None) if gave_up => Err(Error::new(
                Exit::Locked,
                "index.waited",
                format!(
                    "gave up after waiting {} s for other sessions",
                    self.wish.max_wait.unwrap_or_default().as_secs()
                ),
            )
            .next("`llmsql index plan` names the transactions it waits for; a longer --max-wait may outlast them")
            .because(e)),
            (Err(e), None) => Err(e),
        }
    }

    /// After a failure: says whether the new index is in place all the same; otherwise drops what is left of it and
    /// puts options and probes back. On a connection of its own, since the worker's may be gone.
    async fn put_back(
        &self,
        index: &VectorIndex,
        was: &str,
        plan: &IndexPlan,
        worker: &Session,
        outcome: &mut Outcome,
    ) -> Result<bool> {
        let session = Session::open(&self.info).await?;
        quiet_session(&session, &self.server).await?;
        if worker.is_closed() {
            // The lock went with the connection.
            lock(&session, index).await?;
        }
        let (indexes, leftovers) = catalogue::indexes(&session).await?;
        let Some(now) = indexes.into_iter().find(|i| i.schema == index.schema && i.name == index.name) else {
            return Err(Error::failed("index.gone", "the index is no longer there; its table was dropped meanwhile")
                .at(self.here(index)));
        };
        // REINDEX gives the index a new OID when the new one takes over, and a swap its name.
        let mine = || leftovers.iter().filter(|l| l.table_oid == index.table_oid && l.of == index.name);
        if now.oid != index.oid && now.valid {
            for leftover in mine() {
                outcome.notes.push(format!("{} is left; the next rebuild drops it", leftover.name));
            }
            return Ok(true);
        }
        // A fresh connection, so that ALTER takes the weak lock.
        let fresh = Session::open(&self.info).await?;
        quiet_session(&fresh, &self.server).await?;
        for sql in restore_sql(&now, was) {
            retry(&fresh, &sql).await?;
        }
        if plan.grows() {
            self.set_probes(&fresh, plan.probes).await?;
        }
        for leftover in mine() {
            // This waits for every transaction that has touched the table, and must not wait for ever. The mark in the
            // comment stays, so that the next run knows it for ours.
            match session.batch(&format!("DROP INDEX CONCURRENTLY IF EXISTS {}", leftover.quoted())).await {
                Err(e) if is_sqlstate(&e, &SqlState::LOCK_NOT_AVAILABLE) => {
                    outcome.notes.push(format!(
                        "{} is left, since a transaction has touched the table; the next rebuild drops it",
                        leftover.name
                    ));
                    return Ok(false);
                }
                result => result?,
            }
        }
        let note = Note { rebuilding: None, was: None, ..now.note.clone() };
        retry(&fresh, &comment_sql(&now, &note)).await?;
        Ok(false)
    }

    /// Checks the new index, notes it, moves the probes, vacuums.
    async fn finish(
        &self,
        watcher: &Session,
        worker: &Session,
        index: &VectorIndex,
        plan: &IndexPlan,
        before: Option<f64>,
        outcome: &mut Outcome,
    ) -> Result<()> {
        let seconds = outcome.seconds;
        let now = catalogue::again(watcher, index).await?;
        if !now.valid {
            return Err(Error::failed("index.invalid", "the new index is invalid").at(self.here(index)));
        }
        let built = drift::built(watcher, &self.server, &now).await?;
        let wanted = plan.target.as_ref().map(|t| t.lists);
        if let (Some(is), Some(wanted)) = (built.and_then(|b| b.lists), wanted)
            && is != wanted
        {
            return Err(Error::failed("index.lists", format!("the new index has {is} lists and not {wanted}"))
                .at(self.here(index)));
        }
        outcome.lists_after = wanted;
        let measured = drift::measure(watcher, &self.server, &now, plan.rows).await?;
        let note = Note {
            rows: Some(plan.rows),
            lists: wanted,
            imbalance: measured.map(|d| d.imbalance),
            distance: measured.map(|d| d.distance),
            seconds: Some(seconds),
            built: Some(
                jiff::Timestamp::now().round(jiff::Unit::Second).unwrap_or_else(|_| jiff::Timestamp::now()).to_string(),
            ),
            rebuilding: None,
            was: None,
        };
        retry(watcher, &comment_sql(&now, &note)).await?;
        if !plan.grows() {
            self.move_probes(watcher, plan, outcome).await?;
        }
        // Before the check by EXPLAIN, so that the planner knows the new size.
        worker
            .batch(&format!("VACUUM (ANALYZE, SKIP_LOCKED) {}", index.quoted_table()))
            .await
            .unwrap_or_else(|e| outcome.notes.push(format!("VACUUM failed: {e}")));
        self.check_queries(watcher, &now, plan, before, outcome).await;
        Ok(())
    }

    /// Recall, latency and whether the planner uses it. The index is good without: what fails here is a note.
    async fn check_queries(
        &self,
        watcher: &Session,
        now: &VectorIndex,
        plan: &IndexPlan,
        before: Option<f64>,
        outcome: &mut Outcome,
    ) {
        if plan.rows == 0 || now.method == Method::Hnsw {
            return;
        }
        let checked = async {
            let queries = recall::prepare(watcher, &self.server, now, plan.rows, CHECK).await?;
            let probes = plan.probes_after.unwrap_or(1);
            let used = recall::is_used(watcher, now, &queries, probes).await?;
            Ok((used, recall::at(watcher, now, &queries, probes).await?))
        };
        let checked: Result<_> = checked.await;
        match checked {
            Ok((used, measured)) => {
                if !used {
                    outcome.notes.push(format!(
                        "with {} probes the planner prefers another way than this index",
                        plan.probes_after.unwrap_or(1)
                    ));
                }
                outcome.recall = Some(measured.recall);
                outcome.latency_ms = before.map(|before| (before, measured.p50_ms));
            }
            Err(e) => outcome.notes.push(format!("recall was not measured: {e}")),
        }
    }

    /// Median latency now, with the probes that belong to the lists it has.
    async fn probe_latency(
        &self,
        session: &Session,
        index: &VectorIndex,
        plan: &IndexPlan,
        probes: Option<u32>,
    ) -> Option<f64> {
        if plan.rows == 0 || index.method == Method::Hnsw || !index.valid {
            return None;
        }
        let probes = probes.filter(|p| *p > 1).unwrap_or_else(|| super::rule::probes_for(plan.lists.unwrap_or(1)));
        let queries = recall::prepare(session, &self.server, index, plan.rows, LATENCY).await.ok()?;
        Some(recall::at(session, index, &queries, probes).await.ok()?.p50_ms)
    }

    async fn move_probes(&self, session: &Session, plan: &IndexPlan, outcome: &mut Outcome) -> Result<()> {
        let Some(probes) = plan.probes_after else { return Ok(()) };
        if self.wish.probes == ProbesFor::Print {
            if plan.probes != Some(probes)
                && self.wish.how == How::Reindex
                && plan.lists != plan.target.as_ref().map(|t| t.lists)
            {
                outcome.notes.push(format!("the application should SET ivfflat.probes = {probes}"));
            }
            return Ok(());
        }
        self.set_probes(session, Some(probes)).await?;
        outcome.notes.push(format!("ivfflat.probes is {probes} now, for new sessions"));
        Ok(())
    }

    /// Sets the probes for whom they are to be moved, or puts them back to the default.
    async fn set_probes(&self, session: &Session, probes: Option<u32>) -> Result<()> {
        let database = quote_ident(&self.server.database);
        let whose = match &self.wish.probes {
            ProbesFor::Print => return Ok(()),
            ProbesFor::Database => format!("DATABASE {database}"),
            ProbesFor::Role(role) => format!("ROLE {} IN DATABASE {database}", quote_ident(role)),
        };
        session
            .batch(&match probes {
                Some(probes) => format!("ALTER {whose} SET ivfflat.probes = {probes}"),
                None => format!("ALTER {whose} RESET ivfflat.probes"),
            })
            .await
    }

    /// Gives the server's refusals their exit code and what to do.
    fn explain(&self, error: Error, index: &VectorIndex, plan: &IndexPlan) -> Error {
        let Some(state) = server_error(&error).map(|e| e.sqlstate.clone()) else {
            return if error.place.is_some() { error } else { error.at(self.here(index)) };
        };
        let (exit, code, what, next) = match state.as_str() {
            "42501" => (
                Exit::Precondition,
                "index.privilege",
                "the role may not rebuild the index".to_owned(),
                Some(format!("GRANT {} TO {}", quote_ident(&index.owner), quote_ident(&self.info.user))),
            ),
            "54000" | "53200" => (
                Exit::Precondition,
                "index.memory",
                format!("the build does not fit into {}", crate::units::format_bytes(plan.cost.maintenance_work_mem)),
                Some("allow more with --memory".to_owned()),
            ),
            "53100" => (
                Exit::Precondition,
                "index.disk",
                "the disk is full".to_owned(),
                Some("free space in the index's tablespace, temp_tablespaces and pg_wal".to_owned()),
            ),
            "55P03" => (
                Exit::Locked,
                "index.lock",
                format!("another session holds a lock on the table, tried {DDL_TRIES} times for {DDL_WAIT}"),
                Some("`llmsql index plan` names it".to_owned()),
            ),
            "57014" if error.code == "sql.failed" => {
                (Exit::Failed, "index.cancelled", "someone cancelled the build".to_owned(), None)
            }
            "42P01" | "42704" => {
                (Exit::Failed, "index.gone", "the index or its table was dropped meanwhile".to_owned(), None)
            }
            _ => return error,
        };
        let mut out = Error::new(exit, code, what).at(self.here(index));
        out.next = next;
        out.source = error.source;
        out
    }
}

/// The check after a build is short.
const CHECK: recall::Wish = recall::Wish { queries: 20, nearest: 10, patience: Duration::from_millis(500) };

/// Latency alone asks nothing exactly.
const LATENCY: recall::Wish = recall::Wish { patience: Duration::ZERO, ..CHECK };

/// No timeout of the database or the role may end a rebuild half-way.
async fn quiet_session(session: &Session, server: &Server) -> Result<()> {
    let mut sql = format!(
        "SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0; SET idle_session_timeout = 0; \
         SET lock_timeout = '{DDL_WAIT}'"
    );
    if server.version_num >= 170_000 {
        sql.push_str("; SET transaction_timeout = 0");
    }
    session.batch(&sql).await
}

/// Two sessions that share a back end, or both get one lock, or are older than their connection, go through a pooler:
/// there, SET would leak to other clients and the lock would be nobody's.
async fn refuse_pooler(first: &Session, second: &Session) -> Result<()> {
    let one: i32 = first.query_one("SELECT pg_backend_pid() AS pid", &[]).await?.value("pid")?;
    let two: i32 = second.query_one("SELECT pg_backend_pid() AS pid", &[]).await?.value("pid")?;
    let mut pooled = one == two;
    if !pooled {
        let try_lock = "SELECT pg_try_advisory_lock(hashtext('llmsql.direct'), $1) AS got";
        let got: bool = first.query_one(try_lock, &[(&one, Type::INT4)]).await?.value("got")?;
        let also: bool = second.query_one(try_lock, &[(&one, Type::INT4)]).await?.value("got")?;
        pooled = got == also;
        for (session, got) in [(first, got), (second, also)] {
            if got {
                session
                    .query("SELECT pg_advisory_unlock(hashtext('llmsql.direct'), $1)", &[(&one, Type::INT4)])
                    .await?;
            }
        }
    }
    if pooled {
        return Err(Error::new(Exit::Precondition, "index.pooler", "the connection goes through a transaction pooler")
            .at(second.place())
            .next("connect to PostgreSQL itself: its own host and port, not PgBouncer's"));
    }
    Ok(())
}

/// Takes the table's lock or says who has it. Never waits: a waiter would deadlock with the other's REINDEX.
async fn lock(session: &Session, index: &VectorIndex) -> Result<()> {
    let key = i32::from_ne_bytes(index.table_oid.to_ne_bytes());
    let row = session
        .query_one("SELECT pg_try_advisory_lock(hashtext('llmsql.index'), $1) AS got", &[(&key, Type::INT4)])
        .await?;
    if row.value("got")? {
        return Ok(());
    }
    let holder = session
        .query_opt(
            "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND objid = $1 \
             AND classid = hashtext('llmsql.index')::int8::bit(32)::int8::oid",
            &[(&index.table_oid, Type::OID)],
        )
        .await
        .ok()
        .flatten()
        .and_then(|row| row.value::<i32>("pid").ok());
    let who = holder.map_or(String::new(), |pid| format!(" (process {pid} of the server)"));
    Err(Error::new(
        Exit::Locked,
        "index.locked",
        format!("another run rebuilds an index of {}{who}", index.quoted_table()),
    )
    .at(session.place())
    .next("wait for it to end"))
}

/// Runs DDL that needs a lock for a moment, several times if need be.
async fn retry(session: &Session, sql: &str) -> Result<()> {
    let mut tries = 1;
    loop {
        match session.batch(sql).await {
            Err(e) if tries < DDL_TRIES && is_sqlstate(&e, &SqlState::LOCK_NOT_AVAILABLE) => {
                // A statement of several leaves its transaction open.
                session.batch("ROLLBACK").await?;
                tries += 1;
            }
            result => return result,
        }
    }
}

async fn cancel(session: &Session, pid: i32) -> Result<()> {
    session.query("SELECT pg_cancel_backend($1)", &[(&pid, Type::INT4)]).await.map(drop)
}

/// Where the build is, and whether it waits for another session.
async fn progress(session: &Session, pid: i32) -> Result<Option<(Phase, bool)>> {
    let row = session
        .query_opt(
            "SELECT coalesce(p.phase, '') AS phase, coalesce(p.blocks_done, 0) AS blocks_done, coalesce(p.blocks_total, 0) AS blocks, \
             coalesce(p.tuples_done, 0) AS tuples_done, coalesce(p.tuples_total, 0) AS tuples, \
             coalesce(p.lockers_done, 0) AS lockers_done, coalesce(p.lockers_total, 0) AS lockers, \
             coalesce(a.wait_event_type = 'Lock', false) OR coalesce(p.phase LIKE 'waiting%', false) AS blocked \
             FROM pg_stat_activity a LEFT JOIN pg_stat_progress_create_index p ON p.pid = a.pid WHERE a.pid = $1",
            &[(&pid, Type::INT4)],
        )
        .await?;
    let Some(row) = row else { return Ok(None) };
    let number = |column: &str| row.value::<i64>(column).ok().and_then(|n| u64::try_from(n).ok()).unwrap_or_default();
    let name: String = row.value("phase")?;
    let (done, total, unit) = if name.ends_with("loading tuples") {
        (number("tuples_done"), number("tuples"), "tuples")
    } else if name.ends_with("performing k-means") {
        // The server does not count here; what stands there is of the phase before.
        (0, 0, "")
    } else if name.starts_with("waiting") {
        (number("lockers_done"), number("lockers"), "sessions")
    } else {
        (number("blocks_done"), number("blocks"), "blocks")
    };
    Ok(Some((Phase { name, done, total, unit: if total > 0 { unit } else { "" } }, row.value("blocked")?)))
}

fn comment_sql(index: &VectorIndex, note: &Note) -> String {
    let words = index.comment.as_deref();
    let text = if *note == Note::default() { words.map(Note::without).unwrap_or_default() } else { note.merge(words) };
    let value = if text.is_empty() { "NULL".to_owned() } else { quote_literal(&text) };
    format!("COMMENT ON INDEX {} IS {value}", index.quoted())
}

/// The options as they are, of those that will change: `lists=40`, or `lists=` where it is not set.
fn remember(now: &BTreeMap<String, String>, change: &BTreeMap<String, String>) -> String {
    let pairs: Vec<String> = change.keys().map(|k| format!("{k}={}", now.get(k).map_or("", String::as_str))).collect();
    pairs.join(",")
}

/// The statements that put remembered options back.
fn restore_sql(index: &VectorIndex, was: &str) -> Vec<String> {
    was.split(',')
        .filter_map(|pair| pair.split_once('='))
        .filter(|(key, value)| index.options.get(*key).map_or("", String::as_str) != *value)
        .map(|(key, value)| match value {
            "" => format!("ALTER INDEX {} RESET ({})", index.quoted(), quote_ident(key)),
            value => format!("ALTER INDEX {} SET ({} = {})", index.quoted(), quote_ident(key), quote_literal(value)),
        })
        .collect()
}

/// The name with a suffix, cut to what PostgreSQL keeps of a name.
fn suffixed(name: &str, suffix: &str) -> String {
    let mut end = name.len().min(63 - suffix.len());
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{suffix}", name.get(..end).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_remembered_also_where_they_are_not_set() {
        let map = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let change: BTreeMap<String, String> = map(&[("lists", "447")]);
        assert_eq!(remember(&map(&[("lists", "40")]), &change), "lists=40");
        assert_eq!(remember(&map(&[]), &change), "lists=");
    }

    #[test]
    fn long_names_keep_their_suffix() {
        assert_eq!(suffixed("docs_idx", SWAP_SUFFIX), "docs_idx_llmsql_new");
        let long = suffixed(&"ä".repeat(31), SWAP_SUFFIX);
        assert!(long.len() <= 63 && long.ends_with(SWAP_SUFFIX), "{long}");
    }

    #[test]
    fn probes_are_for_someone_or_printed() {
        assert_eq!("role:app".parse(), Ok(ProbesFor::Role("app".to_owned())));
        assert_eq!("database".parse(), Ok(ProbesFor::Database));
        assert!("role:".parse::<ProbesFor>().is_err());
    }
}
