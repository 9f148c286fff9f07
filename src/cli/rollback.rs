//! `llmsql rollback`: a generation taken back.

use super::Global;
use super::apply::Way;
use crate::apply::edits;
use crate::apply::run::{self, newest};
use crate::error::{Error, Exit, Result};
use clap::Args;

/// Take a generation back: files and kernel values as they were before it, as a new generation
///
/// A rollback is an apply of the old contents, with the same validation, reload and proof. In a file of yours that has our
/// keys in it, what you have edited since of the rest stays. Any other edit since, also one of comments in a file that is
/// ours alone, refuses it, since it would be lost; --discard-edits goes on. Passwords that were rotated since stay the new
/// ones.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    llmsql history\n  \
    llmsql rollback --dry-run\n  \
    llmsql rollback 12 --yes\n\n\
    Exit codes: 0 done, 3 failed and everything was put back, 4 an interrupted change waits for recover, 10 a file was \
    edited since (--discard-edits goes on), 11 another run changes this host, 13 refused, 64 there is no such generation.")]
pub struct Arguments {
    /// The generation, by the number that `llmsql history` shows [default: the newest that was not taken back yet]
    #[arg(value_name = "GENERATION")]
    generation: Option<i64>,
    /// Put back what was edited since too; the edited version is kept in the new generation, whose rollback brings it back
    #[arg(long)]
    discard_edits: bool,
    #[command(flatten)]
    way: Way,
}

impl Arguments {
    /// Reverses the generation and applies that.
    ///
    /// # Errors
    /// There is no such generation (64); those of [`Way::go`].
    pub fn run(&self, global: &Global) -> Result<Exit> {
        let root = global.root();
        run::refuse_if_interrupted(&root)?;
        let journal = run::journal(&root)?.ok_or_else(|| {
            Error::usage("rollback.nothing", "nothing was ever changed here, so nothing can be taken back")
        })?;
        let generation = match self.generation {
            Some(id) => journal.generation(id)?,
            None => newest(&journal)?,
        };
        let mut back = journal.record(generation.id)?.change.reversed(generation.id);
        let command = root.command(&format!("rollback {}", generation.id));
        let notes = edits::take_up(&root, &mut back, self.discard_edits, &command)?;
        self.way.go(&root, &back, &notes, global.format)
    }
}
