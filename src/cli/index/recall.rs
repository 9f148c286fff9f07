//! `llmsql index recall`.

use super::super::Global;
use super::{Database, Databases, Failure, Opened, Selection, documents, lines, show, table, worst};
use crate::error::{Exit, Result};
use crate::index::catalogue::{self, VectorIndex};
use crate::index::drift;
use crate::index::progress::Progress;
use crate::index::recall::{self, Recall};
use crate::output::{self, Format};
use crate::postgres::connect::block_on;
use clap::Args;

/// `index recall`.
#[derive(Debug, Args)]
pub struct Arguments {
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

impl Arguments {
    pub(super) fn run(&self, global: &Global) -> Result<Exit> {
        let (recalls, failures, wanted) = block_on(self.measure(&Progress::new(global.format == Format::Table)))?;
        if global.format == Format::Table {
            let text: Vec<String> = recalls.iter().map(text).collect();
            output::stdout(&text.join("\n"))?;
            show(&failures, wanted);
        } else {
            let document = serde_json::json!({ "indexes": recalls, "failures": documents(&failures) });
            output::document(&document, global.format)?;
        }
        let missed = recalls.iter().any(|r| r.target.is_some() && r.smallest.is_none());
        let missed = missed.then_some(Exit::Failed.code());
        Ok(worst(failures.iter().map(|f| f.error.exit.code()).chain(missed)))
    }

    async fn measure(&self, progress: &Progress) -> Result<(Vec<Recall>, Vec<Failure>, usize)> {
        let Opened { databases, mut failures, wanted } = self.databases.open(&self.selection).await?;
        let wish = recall::Wish { queries: self.queries, nearest: self.nearest };
        let mut out = Vec::new();
        for database in &databases {
            for index in database.select(&self.selection).filter(|i| !i.partitioned && i.valid) {
                let mut bar = progress.start(&index.label());
                bar.step("asking, exactly and by the index");
                match self.of_one(database, index, wish).await {
                    Ok(recall) => out.extend(recall),
                    Err(error) => failures.push(Failure::of(database, index, error)),
                }
            }
        }
        Ok((out, failures, wanted))
    }

    /// `None` where there are no rows to ask for.
    async fn of_one(&self, database: &Database, index: &VectorIndex, wish: recall::Wish) -> Result<Option<Recall>> {
        let (session, server) = (&database.session, &database.server);
        let (rows, _) = catalogue::rows(session, index).await?;
        if rows == 0 {
            output::note(&format!("{} holds no rows to ask for", index.label()));
            return Ok(None);
        }
        let built = drift::built(session, server, index).await?;
        let lists = built.and_then(|b| b.lists).or(index.note.lists).unwrap_or_else(|| index.configured_lists());
        recall::measure(session, server, index, rows, lists, self.target, wish).await.map(Some)
    }
}

fn text(recall: &Recall) -> String {
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
