//! What became of an index.

use crate::error::{Error, Exit, Result};
use crate::index::catalogue::VectorIndex;
use crate::index::plan::IndexPlan;
use serde::Serialize;

/// What became of an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It was rebuilt.
    Rebuilt,
    /// It needs no rebuild.
    Left,
    /// It was not looked at, or not to its end: outside the window, or after a signal.
    Skipped,
    /// It was not rebuilt, and the old index serves.
    Failed,
}

impl Action {
    /// As the history and JSON call it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Action::Rebuilt => "rebuilt",
            Action::Left => "left",
            Action::Skipped => "skipped",
            Action::Failed => "failed",
        }
    }
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
    pub plan: Option<Box<IndexPlan>>,
    /// Lists before.
    pub lists_before: Option<u32>,
    /// Lists after.
    pub lists_after: Option<u32>,
    /// Seconds it took, planning and checking included.
    pub seconds: f64,
    /// Seconds the build took.
    pub build_seconds: f64,
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
    pub(super) fn new(database: &str, index: &VectorIndex, action: Action) -> Self {
        Outcome {
            database: database.to_owned(),
            index: index.label(),
            action,
            plan: None,
            lists_before: None,
            lists_after: None,
            seconds: 0.0,
            build_seconds: 0.0,
            recall: None,
            latency_ms: None,
            probes: None,
            notes: Vec::new(),
            error: None,
            next: None,
            exit: Exit::Done.code(),
        }
    }

    pub(super) fn leave(&mut self, plan: IndexPlan) {
        self.action = Action::Left;
        self.lists_before = plan.lists;
        self.probes = plan.probes_after;
        self.plan = Some(Box::new(plan));
    }

    /// Notes that a signal ended what follows a build: the index is new all the same, and the run ends as the signal
    /// says.
    pub(super) fn cut_short(&mut self, result: Result<()>) {
        if let Err(error) = result {
            self.notes.push("the new index is in place; its check was cut short".to_owned());
            self.exit = error.exit.code();
        }
    }

    pub(super) fn failed(mut self, error: &Error) -> Self {
        self.action = Action::Failed;
        self.error = Some(error.to_string());
        self.next.clone_from(&error.next);
        self.exit = error.exit.code();
        self
    }
}
