//! `llmsql history`: what was changed on this host.

use super::Global;
use crate::apply::journal::Generation;
use crate::apply::run::{self, Work};
use crate::apply::{ApplyPermit, change::ChangeSet};
use crate::error::{Error, Exit, Result};
use crate::output::{self, Format, changes};
use clap::Args;
use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

/// Show what was changed on this host, when and by whom, newest first; with a number, what that generation changed
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    llmsql history\n  \
    llmsql history 12 --unified\n  \
    llmsql history --prune --keep 20 --yes\n\n\
    Exit codes: 0 done, 13 the journal may not be read, 64 there is no such generation.")]
pub struct Arguments {
    /// The generation to show
    #[arg(value_name = "GENERATION")]
    generation: Option<i64>,
    /// Show the lines that it changed, as diff -u does
    #[arg(long, short, requires = "generation")]
    unified: bool,
    /// At most so many, newest first
    #[arg(long, value_name = "COUNT", default_value_t = 50)]
    limit: u32,
    /// Forget the contents of old generations, which then cannot be taken back any more; their lines stay
    #[arg(long, conflicts_with = "generation")]
    prune: bool,
    /// How many to keep
    #[arg(long, value_name = "COUNT", default_value_t = 20, requires = "prune", value_parser = clap::value_parser!(u32).range(1..))]
    keep: u32,
    /// Forget without asking
    #[arg(long, requires = "prune")]
    yes: bool,
}

#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    generation: Generation,
    change: &'a ChangeSet,
}

impl Arguments {
    /// Prints or prunes.
    ///
    /// # Errors
    /// Those of the journal; there is no such generation (64).
    pub fn run(&self, global: &Global) -> Result<Exit> {
        let root = global.root();
        if self.prune {
            return self.prune(global);
        }
        let Some(journal) = run::journal(&root)? else {
            if let Some(id) = self.generation {
                return Err(Error::usage("history.unknown", format!("there is no generation {id}"))
                    .next("nothing was ever changed here"));
            }
            output::note("nothing was ever changed here");
            return list(&[], global.format);
        };
        let Some(id) = self.generation else { return list(&journal.generations(self.limit)?, global.format) };
        let generation = journal.generation(id)?;
        let change = journal.record(id)?.change;
        match global.format {
            Format::Table if self.unified => output::stdout(&changes::unified(&change))?,
            Format::Table => output::stdout(&(lines(&[generation]) + "\n" + &changes::table(&change)))?,
            format => output::document(&Shown { generation, change: &change }, format)?,
        }
        Ok(Exit::Done)
    }

    fn prune(&self, global: &Global) -> Result<Exit> {
        let question = format!("Forget the contents of all but the newest {} generations?", self.keep);
        let root = global.root();
        let look = format!("{} lists them", root.command("history"));
        if ApplyPermit::ask(self.yes, &question, &look)?.is_none() {
            return Ok(Exit::Done);
        }
        let gone = Work::open(&root)?.journal.prune(self.keep)?;
        output::note(&format!("the contents of {gone} generations were forgotten"));
        Ok(Exit::Done)
    }
}

fn list(generations: &[Generation], format: Format) -> Result<Exit> {
    match format {
        Format::Table if generations.is_empty() => {}
        Format::Table => output::stdout(&lines(generations))?,
        format => output::document(&generations, format)?,
    }
    Ok(Exit::Done)
}

fn lines(generations: &[Generation]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["generation", "when", "who", "what", "files", "outcome", "why"]);
    for g in generations {
        let what = g.of.map_or_else(|| g.kind.clone(), |of| format!("{} of {of}", g.kind));
        let why = g.message.clone().unwrap_or_default();
        table.add_row([
            g.id.to_string(),
            g.at.clone(),
            g.user.clone(),
            what,
            g.files.to_string(),
            g.outcome.name().to_owned(),
            why,
        ]);
    }
    format!("{}\n", table.trim_fmt())
}
