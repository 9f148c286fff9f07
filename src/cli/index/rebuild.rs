//! `llmsql index rebuild`.

use super::super::Global;
use super::history::History;
use super::plan::Planned;
use super::{
    Database, Databases, Failure, Graph, Opened, Selection, Sizing, documents, plan as plan_command, show, wish, worst,
};
use crate::error::{Error, Exit, Result};
use crate::index::catalogue::{Leftover, VectorIndex};
use crate::index::metrics;
use crate::index::plan::{self, DriftFrom, Look};
use crate::index::progress::Progress;
use crate::index::rebuild::{
    self, Action, How, Idle, Outcome, Patience, ProbesFor, Rebuild, Stop, interrupted, stopped,
};
use crate::index::window::Window;
use crate::output::{self, Format};
use crate::postgres::connect::block_on;
use crate::units;
use clap::Args;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

/// `index rebuild`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    databases: Databases,
    #[command(flatten)]
    selection: Selection,
    /// All vector indexes
    #[arg(long, conflicts_with_all = ["indexes", "table", "schema"])]
    all: bool,
    #[command(flatten)]
    sizing: Sizing,
    #[command(flatten)]
    graph: Graph,
    /// Leave indexes that need no rebuild
    #[arg(long)]
    if_needed: bool,
    /// Start only in these hours of this host's clock, as in 01:00-05:00; outside them do nothing
    #[arg(long, value_name = "HOURS")]
    window: Option<Window>,
    /// How long the whole run waits for other sessions' transactions before it gives up, over all indexes, as in 10min;
    /// 0 waits for ever
    #[arg(long, value_name = "TIME", default_value = "30min", value_parser = units::parse_millis)]
    max_wait: u64,
    /// Tables to work on at the same time
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=32))]
    jobs: u32,
    /// Parallel workers of a build [default: half of max_parallel_workers, at most 4, shared between the jobs]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=64))]
    workers: Option<u32>,
    /// How the new index takes the place of the old
    #[arg(long, value_enum, default_value_t)]
    method: How,
    /// The operator class to change to, with --method swap: vector_l2_ops
    #[arg(long, value_name = "NAME", conflicts_with = "if_needed")]
    opclass: Option<String>,
    /// Whose ivfflat.probes follow the lists: print (say them), database, role:NAME
    #[arg(long, value_name = "WHOSE", default_value = "print")]
    set_probes: ProbesFor,
    /// Show what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Write metrics for Prometheus's node exporter into this file (name.prom)
    #[arg(long, value_name = "FILE")]
    textfile: Option<PathBuf>,
}

/// What a run came to.
enum Done {
    /// It was only to be planned.
    Planned(Planned),
    /// Each index, rebuilt or not.
    Worked(Worked),
}

/// What has been looked at, before anything is changed.
enum Prepared {
    /// Nothing is to be changed.
    Done(Done),
    /// What to work on.
    ToDo(Opened),
}

/// What became of each index, and the databases that refused.
#[derive(Default)]
struct Worked {
    outcomes: Vec<Outcome>,
    failures: Vec<Failure>,
    /// How many databases were asked for.
    wanted: usize,
}

impl Worked {
    fn exit(&self) -> Exit {
        worst(self.outcomes.iter().map(|o| o.exit).chain(self.failures.iter().map(|f| f.error.exit.code())))
    }
}

/// The indexes of one table, rebuilt one after the other, since their builds exclude each other.
struct Job {
    place: String,
    rebuild: Arc<Rebuild>,
    indexes: Vec<VectorIndex>,
    leftovers: Arc<Vec<Leftover>>,
}

impl Arguments {
    pub(super) fn run(&self, global: &Global) -> Result<Exit> {
        self.check()?;
        let format = global.format;
        if self.window.is_some_and(|w| !w.is_open()) {
            if format != Format::Table {
                let document = serde_json::json!({ "exit": 0, "window": "closed", "indexes": [], "failures": [] });
                output::document(&document, format)?;
            }
            return Ok(Exit::Done);
        }
        let worked = match block_on(self.work(global)) {
            Ok(Done::Planned(planned)) => return report_plans(&planned, format),
            Ok(Done::Worked(worked)) => worked,
            Err(e) => {
                if let Err(second) = self.write_metrics(&Worked::default(), e.exit) {
                    output::note(&format!("warning: {second}"));
                }
                return Err(e);
            }
        };
        let exit = worked.exit();
        let reported = report(format, &worked, exit);
        self.write_metrics(&worked, exit)?;
        reported?;
        Ok(exit)
    }

    fn write_metrics(&self, worked: &Worked, exit: Exit) -> Result<()> {
        let Some(path) = &self.textfile else { return Ok(()) };
        metrics::write(path, &worked.outcomes, worked.failures.len(), exit.code())
    }

    fn check(&self) -> Result<()> {
        if !self.all && self.selection.is_empty() {
            return Err(Error::usage("index.selection", "say which indexes to rebuild")
                .at("index rebuild")
                .next("name them, or a --table, a --schema, or --all; `llmsql index list` shows them"));
        }
        if self.opclass.is_some() && self.method != How::Swap {
            return Err(Error::usage("index.opclass", "REINDEX keeps the operator class")
                .at("--opclass")
                .next("add --method swap"));
        }
        Ok(())
    }

    /// Everything that a signal ends in good order.
    async fn work(&self, global: &Global) -> Result<Done> {
        let stop = signals()?;
        let prepare = async {
            let opened = self.databases.open(&self.selection).await?;
            Ok::<_, Error>(match self.dry_run {
                true => Prepared::Done(Done::Planned(self.dry_run(opened).await)),
                false => Prepared::ToDo(opened),
            })
        };
        let prepared = tokio::select! {
            prepared = prepare => prepared?,
            exit = stopped(&stop) => return Err(interrupted(exit)),
        };
        match prepared {
            Prepared::Done(done) => Ok(done),
            Prepared::ToDo(Opened { databases, failures, wanted }) => {
                let outcomes = self.rebuild(global, databases, stop).await?;
                Ok(Done::Worked(Worked { outcomes, failures, wanted }))
            }
        }
    }

    async fn dry_run(&self, opened: Opened) -> Planned {
        let Opened { databases, mut failures, wanted } = opened;
        let wish = wish(&self.sizing, &self.graph, self.jobs);
        let look = Look { count: true, drift: DriftFrom::Pages };
        let mut plans = Vec::new();
        for database in &databases {
            for index in database.select(&self.selection).filter(|i| !i.partitioned) {
                match plan::plan(&database.session, &database.server, index, &database.leftovers, &wish, look).await {
                    Ok(plan) if self.if_needed && !plan.verdict.rebuild => {}
                    Ok(plan) => plans.push(plan),
                    Err(error) => failures.push(Failure::of(database, index, error)),
                }
            }
        }
        Planned { plans, failures, wanted }
    }

    /// The work, a job for each table.
    fn jobs(&self, databases: Vec<Database>, progress: &Progress, stop: &Stop) -> Vec<Job> {
        let wish = rebuild::Wish {
            plan: wish(&self.sizing, &self.graph, self.jobs),
            if_needed: self.if_needed,
            window: self.window,
            max_wait: (self.max_wait > 0).then(|| Patience::new(Duration::from_millis(self.max_wait))),
            workers: self.workers,
            how: self.method,
            opclass: self.opclass.clone(),
            probes: self.set_probes.clone(),
        };
        let mut jobs = Vec::new();
        for database in databases {
            let mut tables: BTreeMap<u32, Vec<VectorIndex>> = BTreeMap::new();
            for index in database.select(&self.selection).filter(|i| !i.partitioned) {
                tables.entry(index.table_oid).or_default().push(index.clone());
            }
            let place = database.place();
            let leftovers = Arc::new(database.leftovers);
            let rebuild = Arc::new(Rebuild {
                info: database.info,
                server: database.server,
                wish: wish.clone(),
                progress: progress.clone(),
                stop: stop.clone(),
                idle: Idle::new(database.session),
            });
            jobs.extend(tables.into_values().map(|indexes| Job {
                place: place.clone(),
                rebuild: Arc::clone(&rebuild),
                indexes,
                leftovers: Arc::clone(&leftovers),
            }));
        }
        jobs
    }

    async fn rebuild(&self, global: &Global, databases: Vec<Database>, stop: Stop) -> Result<Vec<Outcome>> {
        let progress = Progress::new(global.format == Format::Table);
        let permits = Arc::new(Semaphore::new(self.jobs as usize));
        let mut work: JoinSet<(String, Vec<Outcome>)> = JoinSet::new();
        for job in self.jobs(databases, &progress, &stop) {
            let permits = Arc::clone(&permits);
            work.spawn(async move {
                // The semaphore is never closed.
                let _permit = permits.acquire().await;
                let mut outcomes = Vec::new();
                for index in &job.indexes {
                    outcomes.push(job.rebuild.run(index, &job.leftovers).await);
                }
                (job.place, outcomes)
            });
        }
        let history = History::open(&global.root());
        let mut all = Vec::new();
        while let Some(done) = work.join_next().await {
            let (place, outcomes) =
                done.map_err(|e| Error::failed("index.task", "a rebuild ended unexpectedly").because(e))?;
            for outcome in &outcomes {
                if outcome.action != Action::Skipped {
                    let (plan, error) = (outcome.plan.as_deref(), outcome.error.as_deref());
                    history.add(&place, &outcome.index, plan, outcome.action.word(), error, outcome.seconds);
                }
            }
            all.extend(outcomes);
        }
        all.sort_by(|a, b| (&a.database, &a.index).cmp(&(&b.database, &b.index)));
        Ok(all)
    }
}

fn report_plans(planned: &Planned, format: Format) -> Result<Exit> {
    let Planned { plans, failures, wanted } = planned;
    let exit = worst(failures.iter().map(|f| f.error.exit.code()));
    if format == Format::Table {
        output::stdout(&plan_command::text(plans))?;
        show(failures, *wanted);
    } else {
        let failures = documents(failures);
        let document =
            serde_json::json!({ "exit": exit.code(), "dry_run": true, "plans": plans, "failures": failures });
        output::document(&document, format)?;
    }
    Ok(exit)
}

fn report(format: Format, worked: &Worked, exit: Exit) -> Result<()> {
    let Worked { outcomes, failures, wanted } = worked;
    if format != Format::Table {
        let failures = documents(failures);
        let document = serde_json::json!({ "exit": exit.code(), "indexes": outcomes, "failures": failures });
        return output::document(&document, format);
    }
    show(failures, *wanted);
    for outcome in outcomes {
        match outcome.action {
            Action::Rebuilt => output::stdout(&rebuilt_line(outcome))?,
            Action::Failed => {
                let mut error = Error::failed("index.rebuild", outcome.error.clone().unwrap_or_default());
                error.next.clone_from(&outcome.next);
                output::error(&error, format);
            }
            Action::Left | Action::Skipped => {}
        }
        for note in &outcome.notes {
            output::note(&format!("{}: {note}", outcome.index));
        }
    }
    Ok(())
}

/// `shop public.docs_idx: rebuilt with 447 lists (was 200) on 200000 rows in 5.2 s; recall .992 …`.
fn rebuilt_line(outcome: &Outcome) -> String {
    let mut line = format!("{} {}: rebuilt", outcome.database, outcome.index);
    if let (Some(after), Some(before)) = (outcome.lists_after, outcome.lists_before) {
        line.push_str(&format!(" with {after} lists (was {before})"));
    }
    if let Some(plan) = &outcome.plan {
        line.push_str(&format!(" on {} rows", plan.rows));
    }
    line.push_str(&format!(" in {:.1} s", outcome.seconds));
    if let Some(recall) = outcome.recall {
        line.push_str(&format!("; recall {recall:.3}"));
        line.push_str(&outcome.probes.map(|p| format!(" with {p} probes")).unwrap_or_default());
    }
    if let Some((before, after)) = outcome.latency_ms {
        let work = outcome.plan.as_ref().and_then(|p| p.work);
        let predicted = work.map(|w| format!(", predicted {:.1}", before / w.ratio())).unwrap_or_default();
        line.push_str(&format!(", {after:.1} ms a query (was {before:.1}{predicted})"));
    }
    line + "\n"
}

/// The first SIGINT or SIGTERM cancels and cleans up, a second one ends at once.
fn signals() -> Result<Stop> {
    use tokio::signal::unix::{SignalKind, signal};
    let listen = |kind| signal(kind).map_err(|e| Error::failed("index.signal", "cannot listen for signals").because(e));
    let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    let (tell, stop) = watch::channel(None);
    tokio::spawn(async move {
        loop {
            let exit = tokio::select! {
                _ = interrupt.recv() => Exit::Interrupted,
                _ = terminate.recv() => Exit::Terminated,
            };
            if tell.borrow().is_some() {
                output::note("ended without cleaning up; the next run of `llmsql index rebuild` does");
                std::process::exit(i32::from(exit.code()));
            }
            output::note("cancelling; once more ends without cleaning up");
            if tell.send(Some(exit)).is_err() {
                return;
            }
        }
    });
    Ok(stop)
}
