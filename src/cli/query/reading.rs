//! What was understood, told; readings to choose from; questions without an answer.

use crate::error::{Error, Exit, Result};
use crate::output::{self, Format};
use crate::query::ask::{Answer, Candidate, Status};
use crate::query::language::{Outcome, Reading, Translation, Translator};
use std::io::{self, BufRead, IsTerminal, Write};

/// Says on stderr what was understood.
pub(super) fn told(reading: &Reading, translation: &Translation) {
    output::note(&format!("understood: {}", reading.restatement));
    for date in &translation.dates {
        let bounds = match (date.from, date.to) {
            (Some(from), Some(to)) => format!("{from} to before {to}"),
            (Some(from), None) => format!("from {from}"),
            (None, Some(to)) => format!("before {to}"),
            (None, None) => "any time".to_owned(),
        };
        output::note(&format!("  {}: {bounds}", date.phrase));
    }
    output::note(&format!("sql: {}", reading.sql));
}

pub(super) fn explain(translation: &Translation) {
    for link in &translation.words {
        output::note(&format!("  {:20} {}", link.word, link.meaning));
    }
}

/// Says which words of the operator mean nothing here.
pub fn glossary(translator: &Translator<'_>) {
    for entry in translator.unknown() {
        output::note(&format!("note: [glossary] {entry}, which is no table or table.column of these sources"));
    }
}

/// The reading to run: the answer, or what the person at the terminal chooses; `None` where there is neither.
pub(super) fn choose(translation: &Translation) -> Result<Option<Reading>> {
    let readings = match &translation.outcome {
        Outcome::Answer(reading) => return Ok(Some(reading.clone())),
        Outcome::Ask(readings) => readings,
        Outcome::Refuse { candidates, .. } => candidates,
    };
    if readings.is_empty() || !io::stdin().is_terminal() || !output::interactive() {
        return Ok(None);
    }
    if let Outcome::Refuse { reason, .. } = &translation.outcome {
        output::note(&format!("not sure: {reason}"));
    }
    output::note("which of these is meant?");
    for (i, reading) in readings.iter().enumerate() {
        output::note(&format!("  {}  {}", i + 1, reading.restatement));
    }
    let mut line = String::new();
    let wrong = |e| Error::failed("query.choice", "the choice cannot be read").because(e);
    loop {
        // A prompt without a line end, flushed with stderr itself.
        let _ = write!(io::stderr(), "number (empty for none): ");
        line.clear();
        io::stdin().lock().read_line(&mut line).map_err(wrong)?;
        if line.trim().is_empty() {
            return Ok(None);
        }
        match line.trim().parse::<usize>().ok().and_then(|n| readings.get(n.checked_sub(1)?)) {
            Some(reading) => return Ok(Some(reading.clone())),
            None => output::note(&format!("write a number from 1 to {}", readings.len())),
        }
    }
}

/// A question without an answer: candidates as data, the reason as the error (20).
pub(super) fn unanswered(translation: &Translation, question: &str, format: Format) -> Result<Exit> {
    let Some(mut answer) = Answer::unanswered(translation) else { return Ok(Exit::Done) };
    answer.question = Some(question.to_owned());
    match format {
        Format::Table | Format::Markdown | Format::Csv | Format::Parquet => {
            for (i, Candidate { restatement, sql, .. }) in answer.candidates.iter().enumerate() {
                output::note(&format!("  {}  {restatement}\n     {sql}", i + 1));
            }
        }
        Format::Jsonl => output::stdout(&format!("{}\n", line_of(&answer)?))?,
        Format::Json | Format::Yaml => output::document(&answer, format)?,
    }
    let (code, next) = match answer.status {
        Status::Ambiguous => {
            ("question.ambiguous", "ask again in the words of one of the readings, or pass its SQL with --sql")
        }
        _ => (
            "question.refused",
            "use the names that `llmsql schema` shows, teach words under [glossary] in llmsql.toml, or write --sql",
        ),
    };
    Err(Error::new(Exit::Unanswered, code, answer.reason.unwrap_or_default()).next(next))
}

pub(super) fn line_of<T: serde::Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|e| Error::failed("output.json", "cannot write the result as JSON").because(e))
}
