//! Progress of a build on stderr: bars where the server counts, a spinner where it does not (k-means), a line a phase.

use crate::output;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::time::Duration;

/// The progress of a run, drawn at a terminal only.
#[derive(Debug, Clone)]
pub struct Progress {
    all: Option<MultiProgress>,
}

/// What `pg_stat_progress_create_index` says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Phase {
    /// `building index: assigning tuples`.
    pub name: String,
    /// Blocks or tuples done.
    pub done: u64,
    /// Of how many; 0 where the server does not count.
    pub total: u64,
    /// `blocks` or `tuples`.
    pub unit: &'static str,
}

impl Progress {
    /// Progress at a terminal, unless the caller wants none.
    #[must_use]
    pub fn new(wanted: bool) -> Self {
        Progress { all: (wanted && output::interactive()).then(MultiProgress::new) }
    }

    /// Begins the progress of one index, shown until the value is dropped.
    #[must_use]
    pub fn start(&self, index: &str) -> Bar {
        let bar = self.all.as_ref().map(|all| {
            let bar = all.add(ProgressBar::new_spinner());
            bar.set_prefix(index.to_owned());
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        Bar { bar, phase: String::new() }
    }

    /// Prints a line above the bars.
    pub fn note(&self, message: &str) {
        match &self.all {
            // Progress that cannot be drawn must not end the work.
            Some(all) => drop(all.println(message)),
            None => output::note(message),
        }
    }
}

/// The progress of one index.
pub struct Bar {
    bar: Option<ProgressBar>,
    phase: String,
}

impl Bar {
    /// Shows a step that counts nothing.
    pub fn step(&mut self, name: &str) {
        self.show(&Phase { name: name.to_owned(), ..Phase::default() });
    }

    /// Shows where a build is.
    pub fn show(&mut self, phase: &Phase) {
        let Some(bar) = &self.bar else { return };
        if self.phase != phase.name {
            self.phase.clone_from(&phase.name);
            let template = if phase.total > 0 {
                "{prefix} {msg:34} {wide_bar} {human_pos}/{human_len} {eta} left"
            } else {
                "{prefix} {msg:34} {spinner} {elapsed}"
            };
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            bar.set_message(phase.name.trim_start_matches("building index: ").to_owned() + unit(phase.unit).as_str());
            bar.reset_eta();
        }
        if phase.total > 0 {
            bar.set_length(phase.total);
            bar.set_position(phase.done);
        }
    }
}

fn unit(unit: &str) -> String {
    if unit.is_empty() { String::new() } else { format!(" ({unit})") }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
