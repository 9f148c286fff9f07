//! `llmsql index list`.

use super::super::Global;
use super::history::History;
use super::{
    Database, Databases, Failure, Graph, Opened, Selection, Sizing, dash, documents, lines, show, table, wish, worst,
};
use crate::error::{Exit, Result};
use crate::index::Method;
use crate::index::catalogue::{self, Leftover, VectorIndex};
use crate::index::drift::{self, Built};
use crate::index::plan;
use crate::index::progress::Progress;
use crate::index::rule::Target;
use crate::output::{self, Format};
use crate::postgres::connect::block_on;
use crate::state::IndexRun;
use crate::units;
use clap::Args;
use serde::Serialize;
use std::collections::BTreeMap;

/// Runs of one index that the history shows.
const RUNS: u32 = 10;

/// `index list`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    databases: Databases,
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    sizing: Sizing,
    /// Show instead the last ten runs over each index: when, what became of it, and why
    #[arg(long)]
    history: bool,
}

/// One index as it is listed.
#[derive(Serialize)]
struct Listed<'a> {
    database: &'a str,
    index: &'a VectorIndex,
    rows: u64,
    counted: bool,
    built: Option<Built>,
    target_lists: Option<u32>,
    target: Option<Target>,
    /// `ivfflat.probes`, or `hnsw.ef_search`.
    probes: Option<u32>,
    probes_settings: &'a [catalogue::ProbesSetting],
    last_run: Option<IndexRun>,
    #[serde(skip_serializing_if = "Option::is_none")]
    history: Option<Vec<IndexRun>>,
}

impl Arguments {
    pub(super) fn run(&self, global: &Global) -> Result<Exit> {
        block_on(async {
            let Opened { databases, mut failures, wanted } = self.databases.open(&self.selection).await?;
            let root = global.root();
            let history = History::open(&root).with_others(&root, &databases);
            let progress = Progress::new(global.format == Format::Table);
            let mut listed = Vec::new();
            for database in &databases {
                for index in database.select(&self.selection) {
                    let mut bar = progress.start(&index.label());
                    bar.step("counting rows");
                    match self.look(database, index, &history).await {
                        Ok(one) => listed.push(one),
                        Err(error) => failures.push(Failure::of(database, index, error)),
                    }
                }
            }
            let leftovers: Vec<&Leftover> = databases.iter().flat_map(|d| &d.leftovers).collect();
            if global.format == Format::Table {
                self.show(&listed, &leftovers, databases.len() > 1, failures.is_empty())?;
                show(&failures, wanted);
            } else {
                let failures = documents(&failures);
                let document = serde_json::json!({ "indexes": listed, "leftovers": leftovers, "failures": failures });
                output::document(&document, global.format)?;
            }
            Ok(worst(failures.iter().map(|f| f.error.exit.code())))
        })
    }

    async fn look<'a>(&self, database: &'a Database, index: &'a VectorIndex, history: &History) -> Result<Listed<'a>> {
        let (session, server) = (&database.session, &database.server);
        let (rows, counted) = if index.partitioned { (0, false) } else { catalogue::rows(session, index).await? };
        let target = (index.method == Method::Ivfflat && !index.partitioned && rows > 0).then(|| {
            let allowance = plan::allowance(server, &wish(&self.sizing, &Graph::default(), 1), session.is_local());
            plan::target(index, server, self.sizing.rule, rows, &allowance)
        });
        let runs = history.runs(database, &index.label(), RUNS)?;
        Ok(Listed {
            database: &server.database,
            index,
            rows,
            counted,
            built: drift::built(session, server, index).await?,
            target_lists: target.as_ref().map(|t| t.lists),
            target,
            probes: match index.method {
                Method::Ivfflat => server.probes_in_force(),
                Method::Hnsw => Some(server.ef_search()),
            },
            probes_settings: &server.probes,
            last_run: runs.first().cloned(),
            history: self.history.then_some(runs),
        })
    }

    fn show(&self, listed: &[Listed<'_>], leftovers: &[&Leftover], several: bool, all: bool) -> Result<()> {
        if listed.is_empty() {
            if all {
                output::note("there are no vector indexes");
            }
        } else if self.history {
            output::stdout(&history(listed))?;
        } else {
            output::stdout(&overview(listed, several))?;
        }
        for leftover in leftovers {
            output::note(&format!(
                "{}.{} ({}) is left of a rebuild of {} that failed{}",
                leftover.schema,
                leftover.name,
                units::human_bytes(leftover.bytes),
                leftover.of,
                if leftover.ours { "; the next rebuild drops it" } else { ", not one of ours" }
            ));
        }
        Ok(())
    }
}

fn overview(listed: &[Listed<'_>], several: bool) -> String {
    let columns =
        ["INDEX", "TABLE", "ROWS", "HAS", "SET", "SHOULD", "PROBES", "SIZE", "STATE", "BUILT", "LAST VERDICT"];
    let header: Vec<&str> = several.then_some("DATABASE").into_iter().chain(columns).collect();
    let mut rows = table(&header);
    for one in listed {
        let cells = several.then(|| one.database.to_owned()).into_iter().chain(one.cells());
        rows.add_row(cells);
    }
    let clamps = listed.iter().filter_map(|l| Some((l, l.target.as_ref()?.clamped.as_ref()?)));
    let clamps: String = clamps.map(|(l, clamp)| format!("{}: {clamp}\n", l.index.label())).collect();
    lines(&rows) + &clamps
}

fn history(listed: &[Listed<'_>]) -> String {
    let mut rows = table(&["INDEX", "WHEN", "WHAT", "LISTS", "ROWS", "SECONDS", "WHY"]);
    for one in listed {
        for run in one.history.iter().flatten() {
            rows.add_row([
                one.index.label(),
                run.at.get(..19).unwrap_or(&run.at).to_owned(),
                run.action.clone(),
                format!("{} → {}", dash(run.lists.0), dash(run.lists.1)),
                dash(run.rows),
                format!("{:.1}", run.seconds),
                run.message.clone(),
            ]);
        }
    }
    lines(&rows)
}

impl Listed<'_> {
    fn cells(&self) -> [String; 11] {
        let index = self.index;
        let date = |at: &str| at.get(..10).unwrap_or(at).to_owned();
        let state = match (index.partitioned, index.valid, &index.note.rebuilding) {
            (true, ..) => "partitioned",
            (_, _, Some(_)) => "rebuild begun",
            (_, true, None) => "valid",
            (_, false, None) => "invalid",
        };
        let built = index.note.built.as_deref().zip(index.note.rows);
        [
            index.label(),
            index.table.clone(),
            format!("{}{}", if self.counted || index.partitioned { "" } else { "~" }, self.rows),
            dash(self.has()),
            self.set(),
            dash(self.target_lists),
            dash(self.probes),
            units::human_bytes(index.bytes),
            state.to_owned(),
            dash(built.map(|(at, rows)| format!("{} on {rows}", date(at)))),
            dash(self.last_run.as_ref().map(|run| format!("{} {}", date(&run.at), run.action))),
        ]
    }

    /// What it was built with.
    fn has(&self) -> Option<String> {
        match self.index.method {
            Method::Ivfflat => self.built.and_then(|b| b.lists).or(self.index.note.lists).map(|l| l.to_string()),
            Method::Hnsw => self.built.and_then(|b| Some(format!("{}/{}", b.m?, b.ef_construction?))),
        }
    }

    /// What the next build would use.
    fn set(&self) -> String {
        match self.index.method {
            Method::Ivfflat => self.index.configured_lists().to_string(),
            Method::Hnsw => {
                let (m, ef_construction) = self.index.graph(&BTreeMap::new());
                format!("{m}/{ef_construction}")
            }
        }
    }
}
