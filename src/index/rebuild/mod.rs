//! Rebuilding an index while queries go on using the old one, and the way back when it fails.
//!
//! The order of the steps is measured, not chosen: `ALTER INDEX … SET` takes a weak lock only in a session that has not
//! loaded pgvector, so it runs on a fresh connection of its own; the advisory lock is tried and never waited for, since
//! a waiter deadlocks with `REINDEX CONCURRENTLY`; `lock_timeout` is short for ALTER and off for REINDEX, whose waits
//! would otherwise be cut after the whole build.

mod check;
mod outcome;
mod session;
mod statement;

pub use outcome::{Action, Outcome};
pub use session::{Idle, interrupted, stopped};

use super::Method;
use super::catalogue::{self, Leftover, Server, VectorIndex};
use super::note::Note;
use super::obstacles::unreadable;
use super::plan::{self, DriftFrom, IndexPlan, Look};
use super::progress::{Bar, Progress};
use super::window::Window;
use crate::error::{Error, Exit, Result};
use crate::postgres::connect::{Session, is_sqlstate, quote_ident, quote_literal, server_error};
use crate::postgres::conninfo::Conninfo;
use check::{Beside, Probed};
use serde::Serialize;
use session::{DDL_TRIES, DDL_WAIT, cancel, lock, retry};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;

/// What a swap calls the new index until it takes the old one's name.
pub(super) const SWAP_SUFFIX: &str = "_llmsql_new";

/// What a swap calls the old index until it is dropped.
pub(super) const OLD_SUFFIX: &str = "_llmsql_old";

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

impl ProbesFor {
    /// The `ivfflat.probes` configured for them.
    fn configured(&self, settings: &[catalogue::ProbesSetting]) -> Option<u32> {
        let role = match self {
            ProbesFor::Print => return None,
            ProbesFor::Database => None,
            ProbesFor::Role(role) => Some(role.as_str()),
        };
        let own =
            |s: &&catalogue::ProbesSetting| s.setting == "ivfflat.probes" && s.database && s.role.as_deref() == role;
        settings.iter().find(own)?.value.parse().ok()
    }
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

/// How long a whole run waits for other sessions, over all its indexes: who clones it shares what is left.
#[derive(Debug, Clone)]
pub struct Patience {
    most: Duration,
    spent: Arc<Mutex<Duration>>,
}

impl Patience {
    /// So long in all.
    #[must_use]
    pub fn new(most: Duration) -> Self {
        Patience { most, spent: Arc::default() }
    }

    /// Takes note of another wait; whether that was too much.
    fn is_over(&self, waited: Duration) -> bool {
        let Ok(mut spent) = self.spent.lock() else { return false };
        *spent = spent.saturating_add(waited);
        *spent > self.most
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
    /// Give up after waiting that long in all for other sessions; `None`: never.
    pub max_wait: Option<Patience>,
    /// `max_parallel_maintenance_workers` for the build.
    pub workers: Option<u32>,
    /// How the new index takes the place of the old.
    pub how: How,
    /// The operator class of a swap.
    pub opclass: Option<String>,
    /// Whose probes are moved.
    pub probes: ProbesFor,
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
    /// A session of the database to be used beside a build.
    pub idle: Idle,
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
        bar.step("connecting");
        let (watcher, worker) = tokio::select! {
            sessions = self.direct_sessions() => sessions?,
            exit = stopped(&self.stop) => return Err(interrupted(exit)),
        };
        let result = self.with_sessions((&watcher, &worker), index, leftovers, &mut bar, outcome).await;
        // The next index of the table wants the lock before the server has noticed that the session ended.
        if !worker.is_closed() {
            let _ = worker.batch("SELECT pg_catalog.pg_advisory_unlock_all()").await;
        }
        self.idle.put(watcher);
        result
    }

    async fn with_sessions(
        &self,
        (watcher, worker): (&Session, &Session),
        index: &VectorIndex,
        leftovers: &[Leftover],
        bar: &mut Bar,
        outcome: &mut Outcome,
    ) -> Result<()> {
        bar.step("planning");
        let mut drift = DriftFrom::Later;
        if self.wish.if_needed {
            let look = Look { count: false, drift: DriftFrom::Pages };
            let plan = self.plan(watcher, index, leftovers, look).await?;
            if !plan.verdict.rebuild {
                outcome.leave(plan);
                return Ok(());
            }
            drift = DriftFrom::Known(plan.drift);
        }
        lock(worker, index).await?;
        // What another run did before we got the lock counts.
        let (indexes, leftovers) = catalogue::indexes(watcher).await?;
        let found = indexes.into_iter().find(|i| i.is(index)).ok_or_else(|| catalogue::gone(watcher, index))?;
        if found.oid != index.oid && self.wish.if_needed {
            drift = DriftFrom::Pages;
        }
        let mut plan = self.plan(watcher, &found, &leftovers, Look { count: true, drift }).await?;
        if self.wish.if_needed && !plan.verdict.rebuild {
            outcome.leave(plan);
            return Ok(());
        }
        outcome.lists_before = plan.lists;
        outcome.probes = plan.probes_after;
        outcome.plan = Some(Box::new(plan.clone()));
        self.refuse(watcher, &plan).await?;
        let dropped = self.drop_leftovers(watcher, &found, &leftovers, bar, outcome).await;
        dropped.map_err(|e| self.explain(e, &plan))?;
        for obstacle in plan.obstacles.iter().filter(|o| !o.blocks && o.name != "index.leftover") {
            self.progress.note(&format!("warning: {}: {}", found.label(), obstacle.message));
        }
        let probed = self.unless_stopped(watcher, async { Ok(self.probe(watcher, &plan).await) }).await?;
        outcome.notes.extend(probed.as_ref().err().map(check::unmeasured));
        let probed = probed.ok().flatten();
        let others: Vec<String> =
            leftovers.iter().filter(|l| !l.ours && l.of == found.name).map(|l| l.oid.to_string()).collect();
        let beside = self.build((watcher, worker), &plan, &others.join(","), probed, bar, outcome).await?;
        if plan.drift.is_none() {
            plan.weigh(beside.drift);
            outcome.plan = Some(Box::new(plan.clone()));
        }
        bar.step("verifying");
        let new = match self.finish(watcher, &plan, &beside, outcome).await {
            Ok(new) => new,
            Err(error) => return Err(self.gone_or(watcher, error, &plan).await),
        };
        outcome.action = Action::Rebuilt;
        bar.step("VACUUM");
        self.vacuum(worker, &new, outcome).await;
        Ok(())
    }

    async fn plan(
        &self,
        session: &Session,
        index: &VectorIndex,
        leftovers: &[Leftover],
        look: Look,
    ) -> Result<IndexPlan> {
        let plan = plan::plan(session, &self.server, index, leftovers, &self.wish.plan, look);
        let plan = self.unless_stopped(session, plan).await;
        plan.map_err(|e| unreadable(e, session, index, true))
    }

    async fn refuse(&self, session: &Session, plan: &IndexPlan) -> Result<()> {
        if let Some(refusal) = plan.refusal() {
            return Err(refusal);
        }
        if self.wish.how == How::Swap && plan.index.parent.is_some() {
            let what = "the index belongs to a partitioned one, which a swap cannot replace part of";
            return Err(Error::usage("index.swap", what).at(self.here(&plan.index)).next("leave out --method swap"));
        }
        let (m, ef_construction) = plan.index.graph(&plan.options);
        if plan.index.method == Method::Hnsw && ef_construction < 2 * m {
            let what = format!("ef_construction is at least twice m, and {ef_construction} is less than twice {m}");
            return Err(Error::usage("index.graph", what)
                .at(self.here(&plan.index))
                .next(format!("add --ef-construction {}", 2 * m)));
        }
        if let ProbesFor::Role(role) = &self.wish.probes {
            let sql = "SELECT 1 FROM pg_roles WHERE rolname = $1";
            if session.under(&[], session.query_opt(sql, &[(role, Type::TEXT)])).await?.is_none() {
                return Err(Error::usage("index.role", format!("there is no role {role}"))
                    .at("--set-probes")
                    .next("name the role that the application logs in as"));
            }
        }
        match &self.wish.opclass {
            Some(opclass) => self.refuse_opclass(session, &plan.index, opclass).await,
            None => Ok(()),
        }
    }

    /// Drops what interrupted runs of ours left on the table.
    async fn drop_leftovers(
        &self,
        session: &Session,
        index: &VectorIndex,
        leftovers: &[Leftover],
        bar: &mut Bar,
        outcome: &mut Outcome,
    ) -> Result<()> {
        for leftover in leftovers.iter().filter(|l| l.ours && l.table_oid == index.table_oid) {
            bar.step("dropping what an interrupted run left");
            let drop = format!("DROP INDEX CONCURRENTLY IF EXISTS {}", leftover.quoted());
            self.unless_stopped(session, retry(session, &drop)).await?;
            outcome.notes.push(format!("dropped {}, left of an interrupted run", leftover.name));
        }
        Ok(())
    }

    /// Marks the index, sets the options, builds; on failure puts everything back. Meanwhile the other session reads
    /// what the check needs. `others` are the OIDs of leftovers that are not ours.
    async fn build(
        &self,
        (watcher, worker): (&Session, &Session),
        plan: &IndexPlan,
        others: &str,
        probed: Option<Probed>,
        bar: &mut Bar,
        outcome: &mut Outcome,
    ) -> Result<Beside> {
        let index = &plan.index;
        // Whether the index has what its options say, though the run that set them was interrupted.
        let complete = plan.built.and_then(|b| b.lists) == Some(index.configured_lists());
        let was = match (&index.note.rebuilding, &index.note.was) {
            // The options an interrupted run found are the ones to go back to.
            (Some(_), Some(was)) if !complete => was.clone(),
            _ => remember(&index.options, &plan.options),
        };
        let mark = Note {
            rebuilding: Some(now()),
            was: Some(was.clone()),
            others: (!others.is_empty()).then(|| others.to_owned()),
            ..index.note.clone()
        };
        let mut probes_were = None;
        if let Some(probes) = plan.probes_after.filter(|_| plan.grows()) {
            probes_were = self.move_probes(watcher, index, probes).await?.map(|(before, _)| before);
        }
        retry(watcher, &comment_sql(index, &mark)).await.map_err(|e| self.explain(e, plan))?;
        let start = Instant::now();
        let mut statement = std::pin::pin!(async {
            match self.wish.how {
                How::Reindex => self.reindex(worker, plan, bar).await,
                How::Swap => self.swap(worker, plan, &mark, bar).await,
            }
        });
        let mut reading = std::pin::pin!(self.beside(watcher, plan, probed));
        let mut beside = None;
        let result = loop {
            tokio::select! {
                result = &mut statement => break result,
                read = &mut reading, if beside.is_none() => beside = Some(read),
            }
        };
        outcome.build_seconds = start.elapsed().as_secs_f64();
        let Err(error) = result else {
            return Ok(match beside {
                Some(beside) => beside,
                // What it still reads is short; a signal leaves the check out.
                None => self.unless_stopped(watcher, async { Ok(reading.await) }).await.unwrap_or_default(),
            });
        };
        if beside.is_none() {
            // Dropping what is left of the new index would wait for it.
            let _ = cancel(watcher, reading).await;
        }
        let error = self.explain(error, plan);
        self.progress.note(&format!("{}: putting things back", index.label()));
        match self.put_back(plan, &was, probes_were, worker, outcome).await {
            // The new index was in place before what failed.
            Ok(true) => {
                outcome.notes.push(format!("the new index is in place, though {error}"));
                Ok(beside.unwrap_or_default())
            }
            Ok(false) => Err(error),
            Err(second) if second.code == "index.gone" => Err(second),
            Err(second) => {
                Err(Error::new(error.exit, error.code, format!("{error}; and cleaning up failed: {second}"))
                    .next("the old index serves; the next run of `llmsql index rebuild` cleans up"))
            }
        }
    }

    /// After a failure: says whether the new index is in place all the same; otherwise drops what is left of it and
    /// puts options and probes back. On a connection of its own, since the worker's may be gone.
    async fn put_back(
        &self,
        plan: &IndexPlan,
        was: &str,
        probes_were: Option<Option<u32>>,
        worker: &Session,
        outcome: &mut Outcome,
    ) -> Result<bool> {
        let index = &plan.index;
        let session = self.session().await?;
        if worker.is_closed() {
            // The lock went with the connection.
            lock(&session, index).await?;
        }
        let (indexes, leftovers) = catalogue::indexes(&session).await?;
        let now = indexes.into_iter().find(|i| i.is(index)).ok_or_else(|| catalogue::gone(&session, index))?;
        // REINDEX gives the index a new OID when the new one takes over, and a swap its name.
        let mine = || leftovers.iter().filter(|l| l.ours && l.table_oid == index.table_oid && l.of == index.name);
        if now.oid != index.oid && now.valid {
            for leftover in mine() {
                outcome.notes.push(format!("{} is left; the next rebuild drops it", leftover.name));
            }
            return Ok(true);
        }
        // A fresh connection, so that ALTER takes the weak lock.
        let fresh = self.session().await?;
        for sql in restore_sql(&now, was) {
            retry(&fresh, &sql).await?;
        }
        if let Some(before) = probes_were {
            self.set_probes(&fresh, before).await?;
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
        let note = Note { rebuilding: None, was: None, others: None, ..now.note.clone() };
        retry(&fresh, &comment_sql(&now, &note)).await?;
        Ok(false)
    }

    /// That the index has gone, where it has: what is asked of it then fails in many ways. Otherwise [`Self::explain`].
    async fn gone_or(&self, session: &Session, error: Error, plan: &IndexPlan) -> Error {
        match catalogue::again(session, &plan.index).await {
            Err(gone) if gone.code == "index.gone" => gone,
            _ => self.explain(error, plan),
        }
    }

    /// Gives the server's refusals their exit code and what to do.
    fn explain(&self, error: Error, plan: &IndexPlan) -> Error {
        let index = &plan.index;
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
            "40P01" => (
                Exit::Locked,
                "index.lock",
                "another session waited for a lock on the table, and the build for that session (a deadlock)"
                    .to_owned(),
                Some("do not change the table's definition while its index is rebuilt; then run it again".to_owned()),
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

/// The time, to the second (RFC 3339).
fn now() -> String {
    let now = jiff::Timestamp::now();
    now.round(jiff::Unit::Second).unwrap_or(now).to_string()
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
    fn patience_is_the_whole_runs() {
        let first = Patience::new(Duration::from_secs(10));
        let second = first.clone();
        assert!(!first.is_over(Duration::from_secs(6)));
        assert!(!second.is_over(Duration::from_secs(4)));
        assert!(first.is_over(Duration::from_millis(1)));
    }

    #[test]
    fn probes_are_for_someone_or_printed() {
        assert_eq!("role:app".parse(), Ok(ProbesFor::Role("app".to_owned())));
        assert_eq!("database".parse(), Ok(ProbesFor::Database));
        assert!("role:".parse::<ProbesFor>().is_err());
    }
}
