//! `llmsql rollback`: a generation taken back.

use super::Global;
use super::apply::Way;
use crate::apply::run::{self, newest};
use crate::error::{Error, Exit, Result};
use clap::Args;

/// Take a generation back: files and kernel values as they were before it, as a new generation
///
/// A rollback is an apply of the old contents, with the same validation, reload and proof. A file that was edited since
/// refuses it, since the edit would be lost. Passwords that were rotated since stay the new ones.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    llmsql history\n  \
    llmsql rollback --dry-run\n  \
    llmsql rollback 12 --yes\n\n\
    Exit codes: 0 done, 3 failed and everything was put back, 4 an interrupted change waits for recover, 10 a file was \
    edited since, 11 another run changes this host, 13 refused, 64 there is no such generation.")]
pub struct Arguments {
    /// The generation, by the number that `llmsql history` shows [default: the newest that was not taken back yet]
    #[arg(value_name = "GENERATION")]
    generation: Option<i64>,
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
        let back = journal.record(generation.id)?.change.reversed(generation.id);
        self.way.go(&root, &back, &[], global.format)
    }
}
