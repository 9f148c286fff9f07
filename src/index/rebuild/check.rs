//! What is looked at beside a build and after it: drift, recall, latency, and the probes that follow the lists.

use super::session::retry;
use super::{Outcome, ProbesFor, Rebuild, comment_sql, now};
use crate::error::{Error, Result};
use crate::index::Metric;
use crate::index::catalogue::{self, VectorIndex};
use crate::index::drift::{self, Drift};
use crate::index::note::Note;
use crate::index::plan::IndexPlan;
use crate::index::recall::{self, Queries};
use crate::postgres::connect::{Session, quote_ident};
use std::time::Duration;

/// The check of a build is short.
const CHECK: recall::Wish = recall::Wish { queries: 20, nearest: 10 };

/// How long the exact answers of the check may take, beside the build: a share of the last build's time, and these
/// seconds at the least and the most.
const EXACT: (f64, f64, f64) = (0.05, 0.2, 10.0);

/// How long its queries by the old index may take, which the build waits for.
const BEFORE: Duration = Duration::from_millis(10);

/// How long its queries by the new index may take: a share of the build's time, and these seconds at the least and the
/// most.
const AFTER: (f64, f64, f64) = (0.006, 0.012, 2.0);

/// Multiplications that the new index's drift may take for each second of the build, of which that is some hundredths.
const EFFORT: f64 = 2e7;

/// A share of so many seconds, within limits.
fn part(seconds: f64, (share, least, most): (f64, f64, f64)) -> Duration {
    Duration::try_from_secs_f64((seconds * share).clamp(least, most)).unwrap_or_default()
}

/// That recall was not measured, and why.
pub(super) fn unmeasured(error: &Error) -> String {
    format!("recall was not measured: {error}")
}

/// Queries for the check, and their median latency by the old index in milliseconds.
pub(super) struct Probed {
    queries: Queries,
    before_ms: Option<f64>,
}

/// What was read beside the build.
#[derive(Default)]
pub(super) struct Beside {
    /// Drift of the old index, where it was not known before.
    pub(super) drift: Option<Drift>,
    sample: drift::Sample,
    probed: Option<Probed>,
    /// Why recall cannot be measured.
    unmeasured: Option<Error>,
}

impl Rebuild {
    /// The index as it is to be: what is measured of the new one is measured by its own operator.
    fn to_be(&self, index: &VectorIndex) -> VectorIndex {
        let mut new = index.clone();
        if let Some((opclass, metric)) = self.wish.opclass.as_ref().and_then(|o| Some((o, Metric::of_opclass(o)?))) {
            new.opclass.clone_from(opclass);
            new.metric = metric;
        }
        new
    }

    /// Samples queries and takes their latency by the old index; nothing where there is none to take.
    pub(super) async fn probe(&self, session: &Session, plan: &IndexPlan) -> Result<Option<Probed>> {
        let index = &plan.index;
        if plan.rows == 0 {
            return Ok(None);
        }
        let queries = recall::sample(session, &self.server, &self.to_be(index), plan.rows, CHECK).await?;
        let before = match index.valid {
            true => recall::at(session, index, &queries, plan.search().0, BEFORE).await.ok(),
            false => None,
        };
        Ok(Some(Probed { queries, before_ms: before.map(|m| m.p50_ms) }))
    }

    /// What the check after the build needs and takes time, done while the build goes on: the drift of the old index,
    /// rows to measure the new one's with, and exact answers. What fails here fails no build.
    pub(super) async fn beside(&self, session: &Session, plan: &IndexPlan, probed: Option<Probed>) -> Beside {
        let mut beside = Beside { probed, ..Beside::default() };
        // The workers are the build's.
        if session.batch("SET max_parallel_workers_per_gather = 0").await.is_err() {
            return beside;
        }
        self.read_beside(session, plan, &mut beside).await;
        // What fails here fails for the next index too.
        let _ = session.batch("RESET max_parallel_workers_per_gather").await;
        beside
    }

    async fn read_beside(&self, session: &Session, plan: &IndexPlan, beside: &mut Beside) {
        let (index, new) = (&plan.index, self.to_be(&plan.index));
        beside.sample = drift::sample(session, &self.server, &new, plan.rows).await.unwrap_or_default();
        if plan.drift.is_none() && new.metric == index.metric {
            let drift = drift::of_sample(session, &self.server, index, &beside.sample).await;
            // Of the new index, where the build was faster.
            let still = catalogue::find(session, &index.schema, &index.name).await;
            let still = still.is_ok_and(|now| now.is_some_and(|now| now.oid == index.oid));
            beside.drift = drift.ok().flatten().filter(|_| still);
        }
        let patience = part(plan.cost.seconds.unwrap_or_default(), EXACT);
        if let Some(probed) = &mut beside.probed
            && let Err(error) = recall::answer(session, &new, &mut probed.queries, patience).await
        {
            beside.probed = None;
            beside.unmeasured = Some(error);
        }
    }

    /// Proves the new index, checks what queries find by it, notes what it was built on, moves the probes.
    pub(super) async fn finish(
        &self,
        watcher: &Session,
        plan: &IndexPlan,
        beside: &Beside,
        outcome: &mut Outcome,
    ) -> Result<VectorIndex> {
        let new = catalogue::again(watcher, &plan.index).await?;
        let wrong = |code, what: String| Err(Error::failed(code, what).at(self.here(&new)));
        if !new.valid {
            return wrong("index.invalid", "the new index is invalid".to_owned());
        }
        let wanted = plan.target.as_ref().map(|t| t.lists);
        let lists = drift::built(watcher, &self.server, &new).await?.and_then(|built| built.lists);
        if let Some((is, wanted)) = lists.zip(wanted).filter(|(is, wanted)| is != wanted) {
            return wrong("index.lists", format!("the new index has {is} lists and not {wanted}"));
        }
        outcome.lists_after = wanted;
        let (before, after) = (&plan.index.metric, &new.metric);
        if before != after {
            outcome.notes.push(format!(
                "it has the operator class {} now: queries by {} find no index where no other serves them, those by {} do",
                new.opclass,
                before.operator(),
                after.operator()
            ));
        }
        let drift =
            drift::begin(watcher, &self.server, &new, &beside.sample, (EFFORT * outcome.build_seconds) as u64).await?;
        outcome.notes.extend(beside.unmeasured.as_ref().map(unmeasured));
        if let Some(probed) = &beside.probed {
            let check = async {
                self.check_queries(watcher, &new, plan, probed, outcome).await;
                Ok(())
            };
            let checked = self.unless_stopped(watcher, check).await;
            outcome.cut_short(checked);
        }
        let drift = drift.end().await?;
        let note = Note {
            rows: Some(plan.rows),
            lists: wanted,
            imbalance: drift.map(|d| d.imbalance),
            distance: drift.map(|d| d.distance),
            seconds: Some(outcome.build_seconds),
            built: Some(now()),
            rebuilding: None,
            was: None,
            others: None,
        };
        retry(watcher, &comment_sql(&new, &note)).await?;
        let moved = match plan.probes_after {
            Some(probes) => self.move_probes(watcher, &new, probes).await,
            None => Ok(None),
        };
        match moved {
            Ok(moved) => outcome.notes.extend(self.about_probes(plan, moved.map(|(_, now)| now))),
            Err(error) => {
                outcome.notes.push(format!("the new index is in place, and its probes are not set: {error}"));
                outcome.exit = error.exit.code();
            }
        }
        Ok(new)
    }

    /// Recall, latency and whether the planner uses it. The index is good without: what fails here is a note.
    async fn check_queries(
        &self,
        watcher: &Session,
        new: &VectorIndex,
        plan: &IndexPlan,
        probed: &Probed,
        outcome: &mut Outcome,
    ) {
        let (_, probes) = plan.search();
        let patience = part(outcome.build_seconds, AFTER);
        let checked: Result<_> = async {
            let used = recall::is_used(watcher, new, &probed.queries, probes).await?;
            Ok((used, recall::at(watcher, new, &probed.queries, probes, patience).await?))
        }
        .await;
        let setting = recall::setting(new);
        match checked {
            Ok((used, measured)) => {
                if !used {
                    outcome
                        .notes
                        .push(format!("with {setting} = {probes} the planner prefers another way than this index"));
                }
                outcome.recall = Some(measured.recall);
                outcome.latency_ms = probed.before_ms.map(|before| (before, measured.p50_ms));
            }
            Err(e) => outcome.notes.push(unmeasured(&e)),
        }
    }

    /// VACUUM where enough rows have changed; after everything else, since it may take long.
    pub(super) async fn vacuum(&self, worker: &Session, new: &VectorIndex, outcome: &mut Outcome) {
        if !new.wants_vacuum() {
            return;
        }
        let sql = format!("VACUUM (ANALYZE, SKIP_LOCKED) {}", new.quoted_table());
        let vacuum = async { Ok(worker.batch(&sql).await) };
        match self.unless_stopped(worker, vacuum).await {
            Ok(Err(e)) => outcome.notes.push(format!("VACUUM failed: {e}")),
            stopped => outcome.cut_short(stopped.map(drop)),
        }
    }

    /// What the operator should know of the probes, once the new index is in place. `set` are those of the database or
    /// the role, where they are moved.
    fn about_probes(&self, plan: &IndexPlan, set: Option<u32>) -> Option<String> {
        let probes = plan.probes_after?;
        Some(match set {
            Some(set) if set > probes => {
                format!("ivfflat.probes stays {set}, since other indexes use it; this one would do with {probes}")
            }
            Some(set) => format!("ivfflat.probes is {set} now, for new sessions"),
            None => {
                let other_lists = plan.lists != plan.target.as_ref().map(|t| t.lists);
                (other_lists && plan.probes != Some(probes))
                    .then(|| format!("the application should SET ivfflat.probes = {probes}"))?
            }
        })
    }

    /// Moves the probes to what an index needs; never below what is set where the database has other indexes, whose
    /// probes they are too. Returns what was set before and what is now; `None` where they are nobody's to move.
    pub(super) async fn move_probes(
        &self,
        session: &Session,
        index: &VectorIndex,
        wanted: u32,
    ) -> Result<Option<(Option<u32>, u32)>> {
        if self.wish.probes == ProbesFor::Print {
            return Ok(None);
        }
        let reading = async { Ok((catalogue::probes(session).await?, catalogue::has_others(session, index).await?)) };
        let (settings, others) = session.under(&[], reading).await?;
        let before = self.wish.probes.configured(&settings);
        let now = if others { wanted.max(before.unwrap_or_default()) } else { wanted };
        if before != Some(now) {
            self.set_probes(session, Some(now)).await?;
        }
        Ok(Some((before, now)))
    }

    /// Sets the probes for whom they are to be moved, or puts them back to the default.
    pub(super) async fn set_probes(&self, session: &Session, probes: Option<u32>) -> Result<()> {
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
}
