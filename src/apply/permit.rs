//! The leave to write.

use crate::error::{Error, Result};
use std::io::{self, BufRead, IsTerminal};

/// How to see first what would be done, where that has an option.
pub const DRY_RUN: &str = "look at it with --dry-run";

/// The leave to change the host. Only a confirmation mints it and every function that writes takes it, so that a write
/// nobody asked for does not compile.
#[derive(Debug)]
pub struct ApplyPermit(());

impl ApplyPermit {
    /// Asks for leave: `--yes` gives it, else a person at a terminal types `yes`. `None` where that person says no. `look`
    /// tells how to see first what would be done.
    ///
    /// # Errors
    /// There is no terminal to ask at and no `--yes` (exit 64).
    pub fn ask(yes: bool, question: &str, look: &str) -> Result<Option<ApplyPermit>> {
        if yes {
            return Ok(Some(ApplyPermit(())));
        }
        if !io::stdin().is_terminal() || !console::user_attended_stderr() {
            return Err(Error::usage("apply.unconfirmed", "there is no terminal to confirm at, so nothing is changed")
                .next(format!("{look}; then confirm with --yes")));
        }
        let wrong = |e: io::Error| Error::failed("apply.unconfirmed", "the answer cannot be read").because(e);
        console::Term::stderr().write_str(&format!("{question} Only \"yes\" is taken for one: ")).map_err(wrong)?;
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer).map_err(wrong)?;
        Ok((answer.trim() == "yes").then_some(ApplyPermit(())))
    }
}
