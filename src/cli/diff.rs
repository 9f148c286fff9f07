//! `llmsql diff`: the plan against the host.

use super::Global;
use super::changing::Changing;
use crate::apply::change::{ChangeSet, FileChange, Kind};
use crate::apply::{rights, saved};
use crate::error::{Exit, Result};
use crate::output::{self, Format, changes};
use clap::Args;
use std::path::PathBuf;

/// Show what the plan would change on this host: every setting with its reason, every file, every kernel value
///
/// Nothing is changed. Of files that stay yours only our keys are compared, and passwords are never shown. Where something
/// that is read later (postgresql.auto.conf, a later file of conf.d or sysctl.d) would win over ours, that is said.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    llmsql diff\n  \
    llmsql diff --only postgresql --unified\n  \
    llmsql diff --detailed-exitcode && echo nothing to do\n  \
    llmsql diff --save tonight.plan    # then: llmsql apply tonight.plan --yes\n\n\
    Exit codes: 0 done, 2 there are changes (with --detailed-exitcode), 5 the plan violates an invariant, 13 this user may \
    not read a file of the components that are named (the rest is shown), 64 usage.")]
pub struct Arguments {
    /// Show the lines that change, as diff -u does; comments that were edited by hand and stay come last
    #[arg(long, short)]
    unified: bool,
    /// End with 2 where there are changes
    #[arg(long)]
    detailed_exitcode: bool,
    /// Keep the changes in a file for `llmsql apply FILE`, which refuses them if the host has changed by then
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
    #[command(flatten)]
    changing: Changing,
}

impl Arguments {
    /// Compares and prints.
    ///
    /// # Errors
    /// Those of [`Changing::prepare`], of saving and of printing.
    pub fn run(&self, global: &Global) -> Result<Exit> {
        let (_, prepared) = self.changing.prepare(global)?;
        let set = &prepared.set;
        match global.format {
            Format::Table if self.unified => {
                output::stdout(&changes::unified(set))?;
                let mut comments = ChangeSet::new(Kind::Apply);
                comments.files.clone_from(&prepared.comments);
                output::stdout(&changes::unified(&comments))?;
            }
            Format::Table => output::stdout(&changes::table(set))?,
            format => output::document(set, format)?,
        }
        prepared.notes.iter().for_each(|note| output::note(&format!("note: {note}")));
        for FileChange { target, .. } in &prepared.comments {
            output::note(&format!("note: {target} differs in comments, which apply leaves as they are"));
        }
        if set.is_empty() && prepared.left.is_empty() {
            output::note(&format!("no changes: {} files say what the plan says", prepared.unchanged));
        }
        if let Some(path) = &self.save {
            saved::save(path, set)?;
            let apply = global.root().command(&format!("apply {}", path.display()));
            output::note(&format!("saved; execute it with: {apply}"));
        }
        let exit = if self.detailed_exitcode && !set.is_empty() { Exit::Changes } else { Exit::Done };
        rights::error(&prepared.left, "the rest is shown above", false).map_or(Ok(exit), Err)
    }
}
