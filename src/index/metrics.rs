//! Plans and runs for Prometheus, as a file for the node exporter's textfile collector.

use super::plan::IndexPlan;
use super::rebuild::{Action, Outcome};
use crate::error::Result;
use crate::output::file;
use std::fmt::Write;
use std::path::Path;

/// One metric of an index.
type Metric = (&'static str, &'static str, fn(&IndexPlan) -> Option<f64>);

const METRICS: &[Metric] = &[
    ("rows", "Rows the index holds.", |p| Some(p.rows as f64)),
    ("bytes", "Size on disk.", |p| Some(p.index.bytes as f64)),
    ("valid", "Whether queries may use it.", |p| Some(f64::from(u8::from(p.index.valid)))),
    ("lists", "Lists it has.", |p| p.lists.map(f64::from)),
    ("target_lists", "Lists it should have.", |p| p.target.as_ref().map(|t| f64::from(t.lists))),
    ("imbalance", "Imbalance of its lists; 1 is even.", |p| p.drift.map(|d| d.imbalance)),
    ("work_ratio", "Work of a query now over that after a rebuild.", |p| p.work.map(|w| w.ratio())),
    ("needs_rebuild", "Whether the verdict was to rebuild.", |p| Some(f64::from(u8::from(p.verdict.rebuild)))),
    ("last_build_seconds", "Seconds its last rebuild took.", |p| p.index.note.seconds),
];

/// The text of the file.
#[must_use]
pub fn text(outcomes: &[Outcome], exit: u8, now: i64) -> String {
    let mut out = String::new();
    for (name, help, value) in METRICS {
        let lines: Vec<String> = outcomes
            .iter()
            .filter_map(|o| o.plan.as_deref())
            .filter_map(|plan| Some(format!("llmsql_index_{name}{{{}}} {}\n", labels(plan), value(plan)?)))
            .collect();
        if !lines.is_empty() {
            let _ = write!(out, "# HELP llmsql_index_{name} {help}\n# TYPE llmsql_index_{name} gauge\n");
            lines.iter().for_each(|line| out.push_str(line));
        }
    }
    let count = |action: Action| outcomes.iter().filter(|o| o.action == action).count();
    for (name, help, value) in [
        ("rebuilt", "Indexes the last run rebuilt.", count(Action::Rebuilt) as i64),
        ("failed", "Indexes the last run failed to rebuild.", count(Action::Failed) as i64),
        ("run_exit_code", "Exit code of the last run.", i64::from(exit)),
        ("run_timestamp_seconds", "When the last run ended.", now),
    ] {
        let _ = write!(
            out,
            "# HELP llmsql_index_{name} {help}\n# TYPE llmsql_index_{name} gauge\nllmsql_index_{name} {value}\n"
        );
    }
    out
}

fn labels(plan: &IndexPlan) -> String {
    [("database", &plan.database), ("schema", &plan.index.schema), ("index", &plan.index.name)]
        .map(|(name, value)| {
            format!("{name}=\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
        })
        .join(",")
}

/// Writes the file, whole or not at all.
///
/// # Errors
/// Those of writing.
pub fn write(path: &Path, outcomes: &[Outcome], exit: u8) -> Result<()> {
    file::replace(&file::target(path)?, text(outcomes, exit, jiff::Timestamp::now().as_second()).as_bytes())
}
