//! The runs over indexes, as the history keeps them: under the database's own identity, not under how it was reached.

use super::Database;
use crate::error::Result;
use crate::index::catalogue::Server;
use crate::index::plan::IndexPlan;
use crate::output;
use crate::root::{Root, SYSTEM_STATE};
use crate::state::{IndexRun, State, folder_of};
use nix::unistd::{Uid, User};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// This user's history, and those of others that this user may read.
pub(super) struct History {
    own: Option<State>,
    others: Vec<State>,
}

impl History {
    /// This user's alone, to add to; without one (a read-only host) everything else works.
    pub(super) fn open(root: &Root) -> Self {
        let open = || {
            let state = State::open(root)?;
            state.flush_at_end()?;
            Ok::<_, crate::error::Error>(state)
        };
        let own = open().map_err(|e| output::note(&format!("warning: no history is kept: {e}"))).ok();
        History { own, others: Vec::new() }
    }

    /// Adds what others noted, to read: root, and who runs the server, as whom cron's line and the timer's service are
    /// rendered.
    pub(super) fn with_others(mut self, root: &Root, databases: &[Database]) -> Self {
        if !root.is_live() {
            return self;
        }
        let own = folder_of(root).ok();
        let mut folders: Vec<PathBuf> = vec![PathBuf::from(SYSTEM_STATE)];
        folders.extend(databases.iter().filter_map(|d| of_the_servers_user(&d.server)));
        folders.sort();
        folders.dedup();
        folders.retain(|folder| Some(folder) != own.as_ref());
        self.others = folders.iter().filter_map(|folder| State::of_another(folder)).collect();
        self
    }

    /// The last runs over an index, newest first.
    pub(super) fn runs(&self, database: &Database, index: &str, most: u32) -> Result<Vec<IndexRun>> {
        self.runs_at(&database.place(), index, most)
    }

    fn runs_at(&self, place: &str, index: &str, most: u32) -> Result<Vec<IndexRun>> {
        let mut runs = match &self.own {
            Some(own) => own.index_runs(place, index, most)?,
            None => Vec::new(),
        };
        // Another user's file may be of another version, or under way.
        runs.extend(self.others.iter().filter_map(|other| other.index_runs(place, index, most).ok()).flatten());
        runs.sort_by_key(|run| std::cmp::Reverse(run.at.parse::<jiff::Timestamp>().ok()));
        runs.truncate(most as usize);
        Ok(runs)
    }

    /// Adds a run. `message` is its error, else the reasons of its verdict.
    pub(super) fn add(
        &self,
        place: &str,
        index: &str,
        plan: Option<&IndexPlan>,
        action: &str,
        error: Option<&str>,
        seconds: f64,
    ) {
        let Some(state) = &self.own else { return };
        let reasons = || plan.map(|p| p.verdict.reasons.join("; ")).unwrap_or_default();
        let run = IndexRun {
            at: jiff::Timestamp::now().to_string(),
            action: action.to_owned(),
            lists: (plan.and_then(|p| p.lists), plan.and_then(|p| Some(p.target.as_ref()?.lists))),
            rows: plan.map(|p| p.rows),
            seconds,
            message: error.map_or_else(reasons, str::to_owned),
        };
        if let Err(e) = state.add_index_run(place, index, &run) {
            output::note(&format!("warning: {e}"));
        }
    }
}

/// The state of the user who owns a data folder of this host.
fn of_the_servers_user(server: &Server) -> Option<PathBuf> {
    let owner = Path::new(server.data_directory.as_deref()?).metadata().ok()?.uid();
    Some(User::from_uid(Uid::from_raw(owner)).ok()??.dir.join(".local/state/llmsql"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_noted_is_read_among_our_own_by_time() {
        let dir = tempfile::tempdir().unwrap();
        let state = |name: &str| State::open_in(&dir.path().join(name)).unwrap();
        let run = |at: &str| IndexRun {
            at: at.to_owned(),
            action: "left".to_owned(),
            lists: (None, None),
            rows: None,
            seconds: 0.0,
            message: String::new(),
        };
        for (folder, at) in [
            ("own", "2026-11-23T10:00:00Z"),
            ("root", "2026-11-24T01:00:00.5Z"),
            ("root", "2026-11-24T01:00:00Z"),
            ("own", "2026-11-25T10:00:00Z"),
        ] {
            state(folder).add_index_run("1/5", "public.i", &run(at)).unwrap();
        }
        let others = ["root", "nobody"].iter().filter_map(|f| State::of_another(&dir.path().join(f))).collect();
        let history = History { own: Some(state("own")), others };
        let runs = history.runs_at("1/5", "public.i", 3).unwrap();
        let at: Vec<&str> = runs.iter().map(|r| r.at.as_str()).collect();
        assert_eq!(at, ["2026-11-25T10:00:00Z", "2026-11-24T01:00:00.5Z", "2026-11-24T01:00:00Z"]);
        assert!(history.others[0].add_index_run("1/5", "public.i", &run("2026-11-26T10:00:00Z")).is_err());
    }
}
