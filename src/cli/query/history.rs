//! `llmsql query history`.

use crate::cli::Global;
use crate::error::{Exit, Result};
use crate::output::{self, Format};
use crate::query::history::{Entry, History};
use crate::query::results::shown;
use crate::units;
use clap::Args;
use serde::Serialize;

/// Show what was asked, newest first: questions, those of --batch, and SQL; mark right answers, or forget all
///
/// The history stands in the state folder, where only its owner can read it. `history = false` under [query] in
/// llmsql.toml, or --no-history, keeps questions out of it. A right answer (--good) is reused when the same question is
/// asked of the same sources, and shown to a model as an example.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  llmsql query history
  llmsql query history --good 12
  llmsql query history --clear")]
pub struct Arguments {
    /// At most so many
    #[arg(long, value_name = "COUNT", default_value_t = 20)]
    most: u32,
    /// The answer to this question was right: reuse it
    #[arg(long, value_name = "NUMBER", conflicts_with_all = ["bad", "clear"])]
    good: Option<i64>,
    /// Take that back
    #[arg(long, value_name = "NUMBER", conflicts_with = "clear")]
    bad: Option<i64>,
    /// Forget every question
    #[arg(long)]
    clear: bool,
}

#[derive(Debug, Serialize)]
struct Document {
    questions: Vec<Entry>,
}

impl Arguments {
    pub(super) fn run(&self, global: &Global) -> Result<Exit> {
        let history = History::open(&global.root())?;
        if let Some((id, good)) = self.good.map(|id| (id, true)).or(self.bad.map(|id| (id, false))) {
            history.mark(id, good)?;
            output::note(&format!("question {id}: its answer {} reused", if good { "is" } else { "is not" }));
            return Ok(Exit::Done);
        }
        if self.clear {
            let count = history.clear()?;
            output::note(&format!("{} forgotten", units::counted(count as u64, "question")));
            return Ok(Exit::Done);
        }
        let questions = history.list(self.most)?;
        if global.format != Format::Table {
            return output::document(&Document { questions }, global.format).map(|()| Exit::Done);
        }
        let mut text = String::new();
        for entry in &questions {
            let rows = entry.rows.map(|n| format!(", {}", units::counted(n, "row"))).unwrap_or_default();
            let good = if entry.good { " (right)" } else { "" };
            text += &format!("{:>5}  {}  {}{rows}{good}\n", entry.id, entry.at, entry.status);
            if !entry.question.is_empty() {
                text += &format!("       {}\n", shown(&entry.question));
            }
            if let Some(sql) = &entry.sql {
                text += &format!("       {}\n", shown(sql).replace('\n', "\n       "));
            }
        }
        output::stdout(&text).map(|()| Exit::Done)
    }
}
