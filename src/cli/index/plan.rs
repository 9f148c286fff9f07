//! `llmsql index plan`.

use super::super::Global;
use super::history::History;
use super::{Databases, Failure, Graph, Opened, Selection, Sizing, documents, show, wish, worst};
use crate::error::{Exit, Result};
use crate::index::plan::{self, DriftFrom, IndexPlan, Look};
use crate::index::progress::Progress;
use crate::output::{self, Format};
use crate::postgres::connect::block_on;
use crate::units;
use clap::Args;

/// `index plan`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    databases: Databases,
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    sizing: Sizing,
    #[command(flatten)]
    graph: Graph,
    /// Count the rows, even where the statistics seem good enough
    #[arg(long)]
    count: bool,
    /// Exit with 2 when an index is to be rebuilt
    #[arg(long)]
    detailed_exitcode: bool,
}

impl Arguments {
    pub(super) fn run(&self, global: &Global) -> Result<Exit> {
        let Planned { plans, failures, wanted } = block_on(self.plan(global))?;
        if global.format != Format::Table {
            let document = serde_json::json!({ "plans": plans, "failures": documents(&failures) });
            output::document(&document, global.format)?;
        } else if plans.is_empty() && failures.is_empty() {
            output::note("there are no vector indexes");
        } else {
            output::stdout(&text(&plans))?;
            show(&failures, wanted);
        }
        let rebuild = plans.iter().any(|p| p.verdict.rebuild);
        Ok(match worst(failures.iter().map(|f| f.error.exit.code())) {
            Exit::Done if rebuild && self.detailed_exitcode => Exit::Changes,
            exit => exit,
        })
    }

    async fn plan(&self, global: &Global) -> Result<Planned> {
        let Opened { databases, mut failures, wanted } = self.databases.open(&self.selection).await?;
        let history = History::open(&global.root());
        let wish = wish(&self.sizing, &self.graph, 1);
        let look = Look { count: self.count, drift: DriftFrom::Pages };
        let progress = Progress::new(global.format == Format::Table);
        let mut plans = Vec::new();
        for database in &databases {
            for index in database.select(&self.selection).filter(|i| !i.partitioned) {
                let mut bar = progress.start(&index.label());
                bar.step("counting rows, reading pages");
                match plan::plan(&database.session, &database.server, index, &database.leftovers, &wish, look).await {
                    Ok(plan) => {
                        let verdict = if plan.verdict.rebuild { "to rebuild" } else { "to leave" };
                        history.add(&database.place(), &index.label(), Some(&plan), verdict, None, 0.0);
                        plans.push(plan);
                    }
                    Err(error) => failures.push(Failure::of(database, index, error)),
                }
            }
        }
        Ok(Planned { plans, failures, wanted })
    }
}

/// Plans, and what could not be planned.
pub(super) struct Planned {
    pub(super) plans: Vec<IndexPlan>,
    pub(super) failures: Vec<Failure>,
    /// How many databases were asked for.
    pub(super) wanted: usize,
}

/// Plans for people.
pub(super) fn text(plans: &[IndexPlan]) -> String {
    let texts: Vec<String> = plans.iter().map(one).collect();
    texts.join("\n")
}

/// One plan for people.
fn one(plan: &IndexPlan) -> String {
    let mut out = String::new();
    let mut line = |name: &str, text: String| out.push_str(&format!("  {name:<10}{text}\n"));
    let index = &plan.index;
    line("rows", format!("{}{}", plan.rows, if plan.counted { "" } else { ", by the planner's statistics" }));
    if let (Some(lists), Some(target)) = (plan.lists, &plan.target) {
        let clamped = target.clamped.as_ref().map(|c| format!("; {c}")).unwrap_or_default();
        line("lists", format!("{lists} now, {} by rule ({}{clamped})", target.lists, target.formula));
        let (now, after) = plan.search();
        let chosen = match plan.probes {
            Some(probes) if probes == now => format!("{probes} now"),
            _ => format!("none chosen (pgvector's default is 1; {now} belong to {lists} lists)"),
        };
        line("probes", format!("{chosen}, {after} for {} lists", target.lists));
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
        let (now, after) = plan.search();
        line(
            "work",
            format!(
                "a query compares {:.0} vectors with {now} probes, {:.0} with {after} after a rebuild (a ratio of {:.2})",
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
