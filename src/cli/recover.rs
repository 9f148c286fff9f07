//! `llmsql recover`: an interrupted change ended.

use super::Global;
use crate::apply::ApplyPermit;
use crate::apply::change::Side;
use crate::apply::run::{self, Work};
use crate::apply::servers::{Servers, Wishes};
use crate::apply::write::Edited;
use crate::error::{Exit, Result};
use crate::facts;
use crate::output;
use clap::Args;

/// End a change that a kill, a crash or a loss of power has interrupted
///
/// Where every file of it already stands it is finished, else undone; --finish and --undo choose. Until then every other
/// command that changes this host refuses with 4. A second run finds nothing to do.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    llmsql recover --yes\n  \
    llmsql recover --undo --yes\n\n\
    Exit codes: 0 done or nothing to do, 10 a file was edited since, 11 another run changes this host, 13 no right or no \
    space (run it again when that is mended), 64 usage.")]
pub struct Arguments {
    /// Bring every file and value to the new side
    #[arg(long, conflicts_with = "undo")]
    finish: bool,
    /// Bring every file and value back to the old side
    #[arg(long)]
    undo: bool,
    /// Leave files that somebody has edited since the interruption as they are, instead of refusing
    #[arg(long)]
    leave_edited: bool,
    /// End it without asking
    #[arg(long)]
    yes: bool,
}

impl Arguments {
    /// Finds the interrupted generation and ends it.
    ///
    /// # Errors
    /// Those of [`Work::open`] and [`Work::recover`].
    pub fn run(&self, global: &Global) -> Result<Exit> {
        let root = global.root();
        let waits = match run::journal(&root)? {
            Some(journal) => journal.pending()?,
            None => None,
        };
        let Some(generation) = waits else {
            output::note("nothing was interrupted");
            return Ok(Exit::Done);
        };
        let work = Work::open(&root)?;
        let side = match (self.finish, self.undo) {
            (true, _) => Side::New,
            (_, true) => Side::Old,
            _ => work.direction(&generation)?,
        };
        let (id, at) = (generation.id, &generation.at);
        let verb = if side == Side::New { "Finish" } else { "Undo" };
        let look = format!("{} shows what it changes", root.command(&format!("history {id}")));
        let question = format!("{verb} generation {id}, begun at {at}?");
        let Some(permit) = ApplyPermit::ask(self.yes, &question, &look)? else {
            output::note("nothing was changed; it still waits");
            return Ok(Exit::Done);
        };
        let edited = if self.leave_edited { Edited::Leave } else { Edited::Refuse };
        let (facts, set) = (facts::collect(&root), work.journal.record(id)?.change);
        let servers = Servers::find(&root, &facts, &set, Wishes::default())?;
        let done = work.recover(&permit, &generation, side, edited, &mut |set, side| servers.settle(set, side));
        let done = done.map_err(|e| match e.exit {
            Exit::Stale => {
                let leave = root.command("recover --leave-edited");
                e.next(format!(
                    "{leave} leaves it as it is and ends the rest; or put it back by hand, and run it again"
                ))
            }
            _ => e,
        })?;
        done.notes.iter().for_each(|note| output::note(&format!("note: {note}")));
        let how = if side == Side::New { "finished" } else { "undone: everything is as it was before" };
        output::note(&format!("generation {id} is {how}"));
        Ok(Exit::Done)
    }
}
