//! `llmsql index list|plan|rebuild|recall`.

use super::Global;
use super::connection::ConnectionArgs;
use crate::error::{Error, Exit, Result};
use crate::index::catalogue::{self, Leftover, Server, VectorIndex};
use crate::index::plan::{self, IndexPlan};
use crate::index::rebuild::{self, Action, How, Outcome, ProbesFor, Rebuild};
use crate::index::recall::{self, Recall};
use crate::index::rule::Rule;
use crate::index::window::Window;
use crate::index::{Method, drift, metrics};
use crate::output::{self, Format};
use crate::postgres::connect::{RowExt, Session, block_on};
use crate::postgres::conninfo::Conninfo;
use crate::state::{IndexRun, State};
use crate::units;
use clap::{Args, Subcommand};
use comfy_table::{ContentArrangement, Table, presets};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

/// What to do with vector indexes.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show every ivfflat and hnsw index: rows, lists it has and should have, probes, size, last build, last verdict
    List(List),
    /// Say for each index whether to rebuild it and why, what that takes, and what stands in its way
    Plan(Plan),
    /// Rebuild indexes while queries go on using them
    ///
    /// Sets the lists that the rows ask for and runs REINDEX CONCURRENTLY on a connection of its own; queries use the
    /// old index until the new one is valid. When it fails, or on Ctrl-C, what it left is dropped and the old lists are
    /// put back. From cron, with one line on stdout when something was done and none otherwise:
    ///
    ///   llmsql index rebuild --all --if-needed --window 01:00-05:00
    #[command(verbatim_doc_comment)]
    Rebuild(Box<RebuildArguments>),
    /// Measure how many of the nearest rows queries find, and find the smallest probes for a target
    Recall(RecallArguments),
}

/// Which databases.
#[derive(Debug, Clone, Args)]
pub struct Databases {
    /// Server to talk to.
    #[command(flatten)]
    pub connection: ConnectionArgs,
    /// A database, instead of the connection's own; may be given several times
    #[arg(long = "database", value_name = "NAME")]
    pub names: Vec<String>,
    /// Every database that pgvector is installed in
    #[arg(long, conflicts_with = "names")]
    pub all_databases: bool,
}

/// Which indexes.
#[derive(Debug, Clone, Default, Args)]
pub struct Selection {
    /// An index: name or schema.name; may be given several times
    #[arg(value_name = "INDEX")]
    pub indexes: Vec<String>,
    /// The indexes of a table: name or schema.name
    #[arg(long, value_name = "TABLE")]
    pub table: Option<String>,
    /// The indexes of a schema
    #[arg(long, value_name = "SCHEMA")]
    pub schema: Option<String>,
}

impl Selection {
    fn is_empty(&self) -> bool {
        self.indexes.is_empty() && self.table.is_none() && self.schema.is_none()
    }

    /// Whether it takes the index. A partitioned index stands for its parts.
    fn takes(&self, index: &VectorIndex) -> bool {
        let named = |wanted: &str, name: &str| wanted == name || wanted == format!("{}.{name}", index.schema);
        (self.indexes.is_empty()
            || self
                .indexes
                .iter()
                .any(|i| named(i, &index.name) || index.parent.as_deref().is_some_and(|parent| named(i, parent))))
            && self.table.as_deref().is_none_or(|t| named(t, &index.table))
            && self.schema.as_deref().is_none_or(|s| s == index.schema)
    }
}

/// How the lists are chosen.
#[derive(Debug, Clone, Args)]
pub struct Sizing {
    /// The rule for the number of lists
    #[arg(long, value_enum, default_value_t)]
    pub rule: Rule,
    /// Memory the builds may use together, as in 2GB [default: a part of this host's or the server's]
    #[arg(long, value_name = "SIZE", value_parser = units::parse_bytes)]
    pub memory: Option<u64>,
    /// hnsw: connections a layer (2 to 100)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..=100))]
    pub m: Option<u32>,
    /// hnsw: candidates while building (4 to 1000)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(4..=1000))]
    pub ef_construction: Option<u32>,
}

impl Sizing {
    fn wish(&self, jobs: u32) -> plan::Wish {
        let options = [("m", self.m), ("ef_construction", self.ef_construction)];
        plan::Wish {
            rule: self.rule,
            memory: self.memory,
            jobs,
            hnsw: options.into_iter().filter_map(|(k, v)| Some((k.to_owned(), v?.to_string()))).collect(),
        }
    }
}

/// `index list`.
#[derive(Debug, Args)]
pub struct List {
    #[command(flatten)]
    databases: Databases,
    #[command(flatten)]
    selection: Selection,
}

/// `index plan`.
#[derive(Debug, Args)]
pub struct Plan {
    #[command(flatten)]
    databases: Databases,
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    sizing: Sizing,
    /// Count the rows, even where the statistics seem good enough
    #[arg(long)]
    count: bool,
    /// Exit with 2 when an index is to be rebuilt
    #[arg(long)]
    detailed_exitcode: bool,
}

/// `index rebuild`.
#[derive(Debug, Args)]
pub struct RebuildArguments {
    #[command(flatten)]
    databases: Databases,
    #[command(flatten)]
    selection: Selection,
    /// All vector indexes
    #[arg(long, conflicts_with_all = ["indexes", "table", "schema"])]
    all: bool,
    #[command(flatten)]
    sizing: Sizing,
    /// Leave indexes that need no rebuild
    #[arg(long)]
    if_needed: bool,
    /// Start only in these hours of this host's clock, as in 01:00-05:00; outside them do nothing
    #[arg(long, value_name = "HOURS")]
    window: Option<Window>,
    /// Give up after waiting that long for other sessions' transactions; 0 waits for ever
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
    #[arg(long, value_name = "NAME", requires = "method")]
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

/// `index recall`.
#[derive(Debug, Args)]
pub struct RecallArguments {
    #[command(flatten)]
    databases: Databases,
    #[command(flatten)]
    selection: Selection,
    /// The recall to reach, from 0 to 1
    #[arg(long, value_name = "SHARE", value_parser = share)]
    target: Option<f64>,
    /// Queries to ask
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    queries: u32,
    /// Nearest rows a query asks for
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1000))]
    nearest: u32,
}

fn share(text: &str) -> Result<f64, String> {
    text.parse::<f64>()
        .ok()
        .filter(|v| *v > 0.0 && *v <= 1.0)
        .ok_or_else(|| format!("\"{text}\" is no share; write a number up to 1, as in 0.95"))
}

impl Command {
    /// Runs it.
    ///
    /// # Errors
    /// Those of connecting; what fails for one index of several is in the result, and in the exit code.
    pub fn run(&self, global: &Global) -> Result<Exit> {
        match self {
            Command::List(arguments) => arguments.run(global.format),
            Command::Plan(arguments) => arguments.run(global.format),
            Command::Rebuild(arguments) => arguments.run(global.format),
            Command::Recall(arguments) => arguments.run(global.format),
        }
    }
}

/// A database to work in.
struct Database {
    info: Conninfo,
    session: Session,
    server: Server,
    indexes: Vec<VectorIndex>,
    leftovers: Vec<Leftover>,
}

impl Database {
    /// Server and database, under which the history is kept.
    fn place(&self) -> String {
        place(&self.session, &self.server)
    }
}

fn place(session: &Session, server: &Server) -> String {
    format!("{}/{}", session.server(), server.database)
}

impl Databases {
    async fn open(&self) -> Result<Vec<Database>> {
        let info = self.connection.conninfo()?;
        let names = if self.all_databases { all_databases(&info).await? } else { self.names.clone() };
        let infos: Vec<Conninfo> = if names.is_empty() && !self.all_databases {
            vec![info]
        } else {
            names.into_iter().map(|dbname| Conninfo { dbname, ..info.clone() }).collect()
        };
        let mut out = Vec::new();
        for info in infos {
            let session = Session::open(&info).await?;
            let server = catalogue::server(&session).await?;
            if server.pgvector.is_none() {
                if !self.all_databases {
                    return Err(Error::new(
                        Exit::Precondition,
                        "index.pgvector",
                        "pgvector is not installed in this database",
                    )
                    .at(session.place())
                    .next("name another database, or CREATE EXTENSION vector"));
                }
                continue;
            }
            let (indexes, leftovers) = catalogue::indexes(&session).await?;
            out.push(Database { info, session, server, indexes, leftovers });
        }
        Ok(out)
    }
}

async fn all_databases(info: &Conninfo) -> Result<Vec<String>> {
    let session = Session::open(info).await?;
    let rows = session
        .query(
            "SELECT datname::text AS name FROM pg_database WHERE datallowconn AND NOT datistemplate \
             AND has_database_privilege(oid, 'CONNECT') ORDER BY 1",
            &[],
        )
        .await?;
    rows.iter().map(|row| row.value("name")).collect()
}

/// The indexes a selection takes, which must be some where it names any.
fn select<'a>(database: &'a Database, selection: &'a Selection) -> impl Iterator<Item = &'a VectorIndex> {
    database.indexes.iter().filter(|index| selection.takes(index))
}

fn nothing_selected(databases: &[Database], selection: &Selection) -> Result<()> {
    if selection.is_empty() || databases.iter().any(|d| select(d, selection).next().is_some()) {
        return Ok(());
    }
    let known: Vec<String> = databases.iter().flat_map(|d| d.indexes.iter().map(VectorIndex::label)).collect();
    let next = if known.is_empty() {
        "there is none in this database".to_owned()
    } else {
        format!("there are: {}", known.join(", "))
    };
    Err(Error::usage("index.unknown", "no vector index is selected").at("index").next(next))
}

/// The history; without one (a read-only host) everything else works.
fn state() -> Option<State> {
    State::open().map_err(|e| output::note(&format!("warning: no history is kept: {e}"))).ok()
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled).set_header(header);
    table
}

fn lines(table: &Table) -> String {
    table.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

fn dash<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| "-".to_owned(), |v| v.to_string())
}

impl List {
    fn run(&self, format: Format) -> Result<Exit> {
        block_on(async {
            let databases = self.databases.open().await?;
            nothing_selected(&databases, &self.selection)?;
            let state = state();
            let mut documents = Vec::new();
            let mut rows = table(&[
                "INDEX",
                "TABLE",
                "ROWS",
                "HAS",
                "SET",
                "SHOULD",
                "PROBES",
                "SIZE",
                "STATE",
                "BUILT",
                "LAST VERDICT",
            ]);
            let mut left = Vec::new();
            for database in &databases {
                for index in select(database, &self.selection) {
                    let (count, counted) =
                        if index.partitioned { (0, false) } else { catalogue::rows(&database.session, index).await? };
                    let built = drift::built(&database.session, &database.server, index).await?;
                    let last = state
                        .as_ref()
                        .and_then(|s| s.index_runs(&database.place(), &index.label(), 1).ok()?.into_iter().next());
                    let should = (index.method == Method::Ivfflat && !index.partitioned && count > 0)
                        .then(|| crate::index::rule::target(Rule::Guide, count, crate::index::MAX_LISTS).lists);
                    let has = match index.method {
                        Method::Ivfflat => built.and_then(|b| b.lists).or(index.note.lists).map(|l| l.to_string()),
                        Method::Hnsw => built.and_then(|b| Some(format!("{}/{}", b.m?, b.ef_construction?))),
                    };
                    let set = match index.method {
                        Method::Ivfflat => index.configured_lists().to_string(),
                        Method::Hnsw => format!(
                            "{}/{}",
                            index.option("m").unwrap_or(16),
                            index.option("ef_construction").unwrap_or(64)
                        ),
                    };
                    let state = match (index.partitioned, index.valid, &index.note.rebuilding) {
                        (true, ..) => "partitioned",
                        (_, _, Some(_)) => "rebuild begun",
                        (_, true, None) => "valid",
                        (_, false, None) => "invalid",
                    };
                    rows.add_row([
                        index.label(),
                        index.table.clone(),
                        format!("{}{count}", if counted || index.partitioned { "" } else { "~" }),
                        dash(has),
                        set,
                        dash(should),
                        dash(database.server.probes_in_force()),
                        units::human_bytes(index.bytes),
                        state.to_owned(),
                        match (&index.note.built, index.note.rows) {
                            (Some(at), Some(rows)) => format!("{} on {rows}", at.get(..10).unwrap_or(at)),
                            _ => "-".to_owned(),
                        },
                        last.as_ref().map_or_else(
                            || "-".to_owned(),
                            |l| format!("{} {}", l.at.get(..10).unwrap_or(&l.at), l.action),
                        ),
                    ]);
                    documents.push(serde_json::json!({
                        "database": database.server.database, "index": index, "rows": count, "counted": counted,
                        "built": built, "target_lists": should, "probes": database.server.probes_in_force(),
                        "probes_settings": database.server.probes, "last_run": last,
                    }));
                }
                left.extend(database.leftovers.iter());
            }
            if format != Format::Table {
                output::document(&serde_json::json!({ "indexes": documents, "leftovers": left }), format)?;
                return Ok(Exit::Done);
            }
            if documents.is_empty() {
                output::note("there are no vector indexes");
            } else {
                output::stdout(&lines(&rows))?;
            }
            for leftover in left {
                output::note(&format!(
                    "{}.{} ({}) is left of a rebuild of {} that failed{}",
                    leftover.schema,
                    leftover.name,
                    units::human_bytes(leftover.bytes),
                    leftover.of,
                    if leftover.ours { "; the next rebuild drops it" } else { ", not one of ours" }
                ));
            }
            Ok(Exit::Done)
        })
    }
}

impl Plan {
    fn run(&self, format: Format) -> Result<Exit> {
        block_on(async {
            let databases = self.databases.open().await?;
            nothing_selected(&databases, &self.selection)?;
            let state = state();
            let wish = self.sizing.wish(1);
            let mut plans = Vec::new();
            for database in &databases {
                for index in select(database, &self.selection).filter(|i| !i.partitioned) {
                    let plan =
                        plan::plan(&database.session, &database.server, index, &database.leftovers, &wish, self.count)
                            .await?;
                    if let Some(state) = &state {
                        let verdict = if plan.verdict.rebuild { "to rebuild" } else { "to leave" };
                        remember(state, &database.place(), &plan, verdict, &plan.verdict.reasons.join("; "), 0.0);
                    }
                    plans.push(plan);
                }
            }
            if format == Format::Table {
                let text: Vec<String> = plans.iter().map(plan_text).collect();
                output::stdout(&text.join("\n"))?;
            } else {
                output::document(&serde_json::json!({ "plans": plans }), format)?;
            }
            let rebuild = plans.iter().any(|p| p.verdict.rebuild);
            Ok(if rebuild && self.detailed_exitcode { Exit::Changes } else { Exit::Done })
        })
    }
}

fn remember(state: &State, place: &str, plan: &IndexPlan, action: &str, message: &str, seconds: f64) {
    let run = IndexRun {
        at: jiff::Timestamp::now().to_string(),
        action: action.to_owned(),
        lists: (plan.lists, plan.target.as_ref().map(|t| t.lists)),
        rows: Some(plan.rows),
        seconds,
        message: message.to_owned(),
    };
    if let Err(e) = state.add_index_run(place, &plan.index.label(), &run) {
        output::note(&format!("warning: {e}"));
    }
}

/// One plan for people.
fn plan_text(plan: &IndexPlan) -> String {
    let mut out = String::new();
    let mut line = |name: &str, text: String| out.push_str(&format!("  {name:<10}{text}\n"));
    let index = &plan.index;
    line("rows", format!("{}{}", plan.rows, if plan.counted { "" } else { ", by the planner's statistics" }));
    if let (Some(lists), Some(target)) = (plan.lists, &plan.target) {
        let clamped = target.clamped.as_ref().map(|c| format!("; {c}")).unwrap_or_default();
        line("lists", format!("{lists} now, {} by rule ({}{clamped})", target.lists, target.formula));
        line("probes", format!("{} now, {} for {} lists", dash(plan.probes), dash(plan.probes_after), target.lists));
    }
    if let Some(drift) = plan.drift {
        let then = |value: Option<f64>| value.map(|v| format!(" ({v:.3} when built)")).unwrap_or_default();
        line(
            "drift",
            format!(
                "imbalance {:.2}{}, distance {:.3}{}",
                drift.imbalance,
                then(index.note.imbalance),
                drift.distance,
                then(index.note.distance)
            ),
        );
    }
    if let Some(work) = plan.work {
        line(
            "work",
            format!(
                "{:.0} vectors a query, {:.0} after a rebuild ({:.2} times)",
                work.before,
                work.after,
                work.ratio()
            ),
        );
    }
    line(
        "cost",
        format!(
            "memory {} (maintenance_work_mem {}; allowed {}, {})",
            units::human_bytes(plan.cost.memory_bytes),
            units::format_bytes(plan.cost.maintenance_work_mem),
            units::human_bytes(plan.allowance.bytes),
            plan.allowance.from
        ),
    );
    line(
        "",
        format!(
            "disk {} for the index, {} temporary, {} WAL; {}",
            units::human_bytes(plan.cost.index_bytes),
            units::human_bytes(plan.cost.temporary_bytes),
            units::human_bytes(plan.cost.wal_bytes),
            plan.cost
                .seconds
                .map_or_else(|| "time not known before the first build".to_owned(), |s| format!("about {s:.0} s"))
        ),
    );
    for obstacle in &plan.obstacles {
        let kind = if obstacle.blocks { "refused" } else { "warning" };
        line(kind, format!("{} ({})", obstacle.message, obstacle.name));
        if let Some(next) = &obstacle.next {
            line("", format!("→ {next}"));
        }
    }
    for assumption in &plan.assumptions {
        line("assumed", assumption.clone());
    }
    let verdict = if plan.verdict.rebuild { "rebuild" } else { "leave" };
    format!(
        "{} on {} in {}: {verdict}\n{}{out}",
        index.label(),
        index.table,
        plan.database,
        plan.verdict.reasons.iter().map(|r| format!("  because   {r}\n")).collect::<String>()
    )
}

impl RebuildArguments {
    fn run(&self, format: Format) -> Result<Exit> {
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
        if self.window.is_some_and(|w| !w.is_open()) {
            if format != Format::Table {
                output::document(&serde_json::json!({ "window": "closed", "indexes": [] }), format)?;
            }
            return Ok(Exit::Done);
        }
        let outcomes = block_on(self.rebuild(format));
        let (exit, outcomes) = match outcomes {
            Ok(outcomes) => (worst(&outcomes), outcomes),
            Err(e) => {
                if let Some(path) = &self.textfile {
                    metrics::write(path, &[], e.exit.code())?;
                }
                return Err(e);
            }
        };
        if let Some(path) = &self.textfile {
            metrics::write(path, &outcomes, exit.code())?;
        }
        self.report(format, &outcomes, exit)?;
        Ok(exit)
    }

    async fn rebuild(&self, format: Format) -> Result<Vec<Outcome>> {
        let databases = self.databases.open().await?;
        nothing_selected(&databases, &self.selection)?;
        let wish = rebuild::Wish {
            plan: self.sizing.wish(self.jobs),
            if_needed: self.if_needed,
            window: self.window,
            max_wait: (self.max_wait > 0).then(|| Duration::from_millis(self.max_wait)),
            workers: self.workers,
            how: self.method,
            opclass: self.opclass.clone(),
            probes: self.set_probes.clone(),
        };
        if self.dry_run {
            return self.dry_run(&databases, &wish).await;
        }
        let stop = signals()?;
        let progress = crate::index::Progress::new(format == Format::Table);
        let permits = Arc::new(Semaphore::new(self.jobs as usize));
        let mut work: JoinSet<(String, Vec<Outcome>)> = JoinSet::new();
        for database in databases {
            // The indexes of one table one after the other, since their builds exclude each other.
            let mut tables: BTreeMap<u32, Vec<VectorIndex>> = BTreeMap::new();
            for index in select(&database, &self.selection).filter(|i| !i.partitioned) {
                tables.entry(index.table_oid).or_default().push(index.clone());
            }
            let place = database.place();
            let leftovers = Arc::new(database.leftovers);
            let one = Arc::new(Rebuild {
                info: database.info,
                server: database.server,
                wish: wish.clone(),
                progress: progress.clone(),
                stop: stop.clone(),
            });
            for indexes in tables.into_values() {
                let (permits, one, leftovers, place) =
                    (Arc::clone(&permits), Arc::clone(&one), Arc::clone(&leftovers), place.clone());
                work.spawn(async move {
                    // The semaphore is never closed.
                    let _permit = permits.acquire().await;
                    let mut outcomes = Vec::new();
                    for index in &indexes {
                        outcomes.push(one.run(index, &leftovers).await);
                    }
                    (place, outcomes)
                });
            }
        }
        let state = state();
        let mut all = Vec::new();
        while let Some(done) = work.join_next().await {
            let (place, outcomes) =
                done.map_err(|e| Error::failed("index.task", "a rebuild ended unexpectedly").because(e))?;
            for outcome in &outcomes {
                if let (Some(state), Some(plan)) = (&state, &outcome.plan) {
                    let action = match outcome.action {
                        Action::Rebuilt => "rebuilt",
                        Action::Left => "left",
                        Action::Skipped => "skipped",
                        Action::Failed => "failed",
                    };
                    let message = outcome.error.clone().unwrap_or_else(|| plan.verdict.reasons.join("; "));
                    remember(state, &place, plan, action, &message, outcome.seconds);
                }
            }
            all.extend(outcomes);
        }
        all.sort_by(|a, b| (&a.database, &a.index).cmp(&(&b.database, &b.index)));
        Ok(all)
    }

    async fn dry_run(&self, databases: &[Database], wish: &rebuild::Wish) -> Result<Vec<Outcome>> {
        let mut text = Vec::new();
        for database in databases {
            for index in select(database, &self.selection).filter(|i| !i.partitioned) {
                let plan =
                    plan::plan(&database.session, &database.server, index, &database.leftovers, &wish.plan, true)
                        .await?;
                if !wish.if_needed || plan.verdict.rebuild {
                    text.push(plan_text(&plan));
                }
            }
        }
        output::stdout(&text.join("\n"))?;
        Ok(Vec::new())
    }

    fn report(&self, format: Format, outcomes: &[Outcome], exit: Exit) -> Result<()> {
        if format != Format::Table {
            return if self.dry_run {
                Ok(())
            } else {
                output::document(&serde_json::json!({ "exit": exit.code(), "indexes": outcomes }), format)
            };
        }
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
    if let (Some(recall), Some(probes)) = (outcome.recall, outcome.probes) {
        line.push_str(&format!("; recall {recall:.3} with {probes} probes"));
    }
    if let (Some((before, after)), Some(work)) = (outcome.latency_ms, outcome.plan.as_ref().and_then(|p| p.work)) {
        line.push_str(&format!(", {after:.1} ms a query (was {before:.1}, predicted {:.1})", before / work.ratio()));
    }
    line + "\n"
}

/// The exit code of the whole run: the gravest of its indexes.
fn worst(outcomes: &[Outcome]) -> Exit {
    let exits = || outcomes.iter().map(|o| o.exit);
    [Exit::Interrupted, Exit::Terminated, Exit::Failed, Exit::Precondition, Exit::Locked, Exit::Usage]
        .into_iter()
        .find(|exit| exits().any(|e| e == exit.code()))
        .unwrap_or_else(|| if exits().all(|e| e == 0) { Exit::Done } else { Exit::Failed })
}

/// The first SIGINT or SIGTERM cancels and cleans up, a second one ends at once.
fn signals() -> Result<rebuild::Stop> {
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

impl RecallArguments {
    fn run(&self, format: Format) -> Result<Exit> {
        let recalls = block_on(async {
            let databases = self.databases.open().await?;
            nothing_selected(&databases, &self.selection)?;
            let wish =
                recall::Wish { queries: self.queries, nearest: self.nearest, patience: Duration::from_secs(120) };
            let mut out = Vec::new();
            for database in &databases {
                for index in select(database, &self.selection).filter(|i| !i.partitioned && i.valid) {
                    let (rows, _) = catalogue::rows(&database.session, index).await?;
                    let built = drift::built(&database.session, &database.server, index).await?;
                    let lists =
                        built.and_then(|b| b.lists).or(index.note.lists).unwrap_or_else(|| index.configured_lists());
                    out.push(
                        recall::measure(&database.session, &database.server, index, rows, lists, self.target, wish)
                            .await?,
                    );
                }
            }
            Ok(out)
        })?;
        if format == Format::Table {
            let text: Vec<String> = recalls.iter().map(recall_text).collect();
            output::stdout(&text.join("\n"))?;
        } else {
            output::document(&serde_json::json!({ "indexes": recalls }), format)?;
        }
        let missed = recalls.iter().any(|r| r.target.is_some() && r.smallest.is_none());
        Ok(if missed { Exit::Failed } else { Exit::Done })
    }
}

fn recall_text(recall: &Recall) -> String {
    let (_, name) = recall.setting.split_once('.').unwrap_or(("", recall.setting));
    let mut rows = table(&[&name.to_uppercase(), "RECALL", "P50 MS", "P95 MS"]);
    for m in &recall.measured {
        rows.add_row([
            m.probes.to_string(),
            format!("{:.3}", m.recall),
            format!("{:.2}", m.p50_ms),
            format!("{:.2}", m.p95_ms),
        ]);
    }
    let verdict = match (recall.target, recall.smallest) {
        (Some(target), Some(smallest)) => {
            format!("{} = {smallest} is the smallest that reaches {target}\n", recall.setting)
        }
        (Some(target), None) => format!("no {} reaches {target}\n", recall.setting),
        (None, _) => String::new(),
    };
    format!(
        "{} in {}: {} queries for the nearest {}; exact answers take {:.1} ms\n{}{verdict}",
        recall.index,
        recall.database,
        recall.queries,
        recall.nearest,
        recall.exact_ms,
        lines(&rows)
    )
}
