//! `--batch`: many questions in one process, a line of JSON for each, whatever becomes of it.

use super::Arguments;
use super::asking::{Asking, Chosen};
use super::reading::line_of;
use crate::cli::{Global, unreadable};
use crate::error::{Error, Exit, Result};
use crate::output::Format;
use crate::query::ask::{Answer, Data, Status};
use crate::query::engine::Query;
use crate::query::history::Entry;
use crate::query::launch::Worker;
use crate::query::results::Rows;
use crate::query::sources::STDIN;
use serde::Deserialize;
use serde_json::Value;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::time::Instant;

/// A line of a batch.
#[derive(Debug, Deserialize)]
struct Asked {
    #[serde(default)]
    id: Option<Value>,
    question: String,
}

pub(super) fn run(arguments: &Arguments, global: &Global, worker: Option<Worker>, path: &Path) -> Result<Exit> {
    if !matches!(global.format, Format::Jsonl | Format::Json | Format::Table) {
        return Err(Error::usage("query.batch", "a batch is answered in JSON lines")
            .at("--batch")
            .next("add --format jsonl"));
    }
    let from_stdin = path == Path::new(STDIN);
    if from_stdin && arguments.data.reads_stdin(global)? {
        return Err(Error::usage("query.batch", "stdin cannot be both the questions and the data")
            .at("--batch")
            .next("put the questions or the data into a file"));
    }
    let reader: Box<dyn BufRead> = if from_stdin {
        Box::new(BufReader::new(io::stdin()))
    } else {
        Box::new(BufReader::new(std::fs::File::open(path).map_err(|e| unreadable(path, e))?))
    };
    let (mut settings, engine) =
        arguments.data.engine(global, worker, arguments.output.as_deref(), None, arguments.tuning())?;
    let sources = engine.sources();
    let history = arguments.history_of(global, &mut settings, &sources)?;
    let clock = settings.clock(arguments.now.as_deref())?;
    let data = Data::study(engine)?;
    let asking = Asking::new(arguments, &settings, &data, clock);
    for (n, line) in reader.lines().enumerate() {
        let line = line.map_err(|e| unreadable(path, e))?;
        if line.trim().is_empty() {
            continue;
        }
        let mut answer =
            match serde_json::from_str::<Asked>(&line) {
                Ok(asked) => {
                    let started = Instant::now();
                    let answer = one(arguments, &data, &asking, &asked.question);
                    super::remember(history.as_ref(), &entry(&asked.question, &sources, &answer, started));
                    Answer { id: asked.id, question: Some(asked.question), ..answer }
                }
                Err(e) => {
                    let error = Error::usage("query.line", format!("is no object with a \"question\": {e}"))
                        .at(format!("{}:{}", path.display(), n + 1));
                    Answer::failed(&error)
                }
            };
        answer.id.get_or_insert_with(|| (n + 1).into());
        let line = format!("{}\n", line_of(&answer)?);
        let mut out = io::stdout().lock();
        match out.write_all(line.as_bytes()).and_then(|()| out.flush()) {
            // Nobody reads any more.
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => break,
            Err(e) => return Err(Error::failed("output.write", "cannot write the answers").at("stdout").because(e)),
            Ok(()) => {}
        }
    }
    Ok(Exit::Done)
}

/// What the history keeps of an answer.
fn entry(question: &str, sources: &str, answer: &Answer, started: Instant) -> Entry {
    Entry {
        question: question.to_owned(),
        sources: sources.to_owned(),
        status: answer.status.name().to_owned(),
        by: answer.by.clone().or_else(|| answer.sql.as_ref().map(|_| "translator".to_owned())),
        sql: answer.sql.clone(),
        rows: answer.rows.as_ref().map(|rows| rows.len() as u64),
        seconds: started.elapsed().as_secs_f64(),
        ..Entry::default()
    }
}

fn one(arguments: &Arguments, data: &Data, asking: &Asking<'_>, question: &str) -> Answer {
    let translation = asking.translate(question);
    let chosen = match asking.settle(question, &translation) {
        Ok(Some(chosen)) => chosen,
        Ok(None) => return Answer::unanswered(&translation).unwrap_or_else(|| Answer::new(Status::Failed)),
        Err(error) => return Answer::failed(&error),
    };
    let query = Query { whole_tables: true, ..arguments.query(chosen.sql(), asking.settings, None) };
    let (answer, mut rows) = (chosen.answer(&translation), Rows::default());
    match (data.run(&query, &mut rows), &chosen) {
        (Ok(done), Chosen::Reading(reading)) if chosen.is_doubtful(&translation, done.rows) => {
            Answer::found_nothing(reading)
        }
        (Ok(done), _) => answer.rows(rows, &done),
        (Err(error), _) => Answer { status: Status::Failed, reason: Some(error.to_string()), ..answer },
    }
}
