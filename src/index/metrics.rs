//! Plans and runs for Prometheus, as a file for the node exporter's textfile collector.

use super::plan::IndexPlan;
use super::rebuild::{Action, Outcome};
use crate::error::Result;
use crate::output::metrics::{Metrics, labels};
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

/// What the runs over these indexes came to.
fn of(outcomes: &[Outcome], databases_failed: usize, exit: u8, now: i64) -> Metrics {
    let mut metrics = Metrics::default();
    let plans = || outcomes.iter().filter_map(|o| o.plan.as_deref());
    for (name, help, value) in METRICS {
        let samples = plans().filter_map(|plan| Some((labels_of(plan), value(plan)?)));
        metrics.gauge(&format!("llmsql_index_{name}"), help, samples);
    }
    let count = |action: Action| outcomes.iter().filter(|o| o.action == action).count() as f64;
    for (name, help, value) in [
        ("rebuilt", "Indexes the last run rebuilt.", count(Action::Rebuilt)),
        ("failed", "Indexes the last run failed to rebuild.", count(Action::Failed)),
        ("databases_failed", "Databases the last run could not look at.", databases_failed as f64),
        ("run_exit_code", "Exit code of the last run.", f64::from(exit)),
        ("run_timestamp_seconds", "When the last run ended.", now as f64),
    ] {
        metrics.value(&format!("llmsql_index_{name}"), help, value);
    }
    metrics
}

fn labels_of(plan: &IndexPlan) -> String {
    labels(&[("database", &plan.database), ("schema", &plan.index.schema), ("index", &plan.index.name)])
}

/// Writes the file, whole or not at all.
///
/// # Errors
/// Those of writing.
pub fn write(path: &Path, outcomes: &[Outcome], databases_failed: usize, exit: u8) -> Result<()> {
    of(outcomes, databases_failed, exit, jiff::Timestamp::now().as_second()).write(path)
}
