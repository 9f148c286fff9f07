//! From a question to a reading, and from a reading to rows.

use super::engine::{Done, Engine, Query, Sink};
use super::kept::Kept;
use super::language::results::Found;
use super::language::{Clock, Dated, Glossary, Hit, Lookup, Outcome, Reading, Translation, Translator};
use super::protocol::Column;
use super::results::Rows;
use super::schema::{Kind, Schema};
use crate::error::{Error, Result};
use serde::Serialize;
use serde_json::Value;
use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

/// How long the look-ups of one question may take together.
const LOOK_UP: Duration = Duration::from_millis(1500);

/// Rows of a table up to which it costs little to run several readings of a question.
const SMALL: u64 = 100_000;
/// How long the readings of a question may run together, only to be weighed, and the rows and bytes of each.
const WEIGHING: Duration = Duration::from_secs(1);
const WEIGHED_ROWS: u64 = 5_000;
const WEIGHED_BYTES: u64 = 4 << 20;

/// The confidence from which on it is believed that nothing fits a question: below it the question was rather misread.
const NOTHING: f64 = 0.9;

/// Whether a result without rows is a reason to doubt the reading; a stretch of time may well be empty,
/// and where readings were weighed by what they find, it is counted already.
#[must_use]
pub fn is_doubtful(reading: &Reading, translation: &Translation, rows: u64) -> bool {
    rows == 0 && !translation.weighed && translation.dates.is_empty() && reading.confidence < NOTHING
}

/// Data that has been looked into.
#[derive(Debug)]
pub struct Data {
    /// What can be asked about.
    pub schema: Schema,
    /// Values that do not stand in the schema.
    kept: Kept,
    /// Columns of which not all values are known: table and column.
    large: Vec<(String, String)>,
    engine: RefCell<Engine>,
    /// When the look-ups of the present question have to end.
    until: Cell<Option<Instant>>,
}

impl Data {
    /// Looks into the data of an engine.
    ///
    /// # Errors
    /// Data that cannot be read.
    pub fn study(mut engine: Engine) -> Result<Data> {
        let (schema, values) = engine.study()?;
        let kept = Kept::new(values);
        let mut large = Vec::new();
        for table in &schema.tables {
            let open = table.columns.iter().filter(|c| c.kind == Kind::Text && !c.values_complete);
            // Where the whole table was looked at, all its short values are kept.
            let partial = table.rows.is_none_or(|rows| rows > 200_000);
            large.extend(open.filter(|_| partial).map(|c| (table.name.clone(), c.name.clone())));
        }
        Ok(Data { schema, kept, large, engine: RefCell::new(engine), until: Cell::new(None) })
    }

    /// A translator for this data.
    #[must_use]
    pub fn translator<'a>(&'a self, glossary: &'a Glossary) -> Translator<'a> {
        Translator::new(&self.schema, glossary)
    }

    /// What a question means.
    #[must_use]
    pub fn translate(&self, translator: &Translator<'_>, question: &str, clock: &Clock) -> Translation {
        self.until.set(Some(Instant::now() + LOOK_UP));
        let translation = translator.translate(question, clock, self);
        match self.found(&translation) {
            Some(found) => translation.weighed_by(&found),
            None => translation,
        }
    }

    /// What the likely readings of a question find; `None` where running them would take long, or there are none.
    fn found(&self, translation: &Translation) -> Option<Vec<Option<Found>>> {
        let small = |name: &String| {
            let table = self.schema.tables.iter().find(|t| t.name == *name);
            table.is_some_and(|t| !t.rows_estimated && t.rows.is_some_and(|rows| rows <= SMALL))
        };
        let likely = &translation.likely;
        if likely.is_empty() || !likely.iter().flat_map(|l| &l.reading.uses).all(|used| small(&used.table)) {
            return None;
        }
        let mut engine = self.engine.try_borrow_mut().ok()?;
        let end = Instant::now() + WEIGHING;
        let mut found = Vec::with_capacity(likely.len());
        for one in likely {
            let timeout = end.checked_duration_since(Instant::now())?;
            let query = Query {
                sql: one.reading.sql.clone(),
                rows: Some(WEIGHED_ROWS),
                bytes: Some(WEIGHED_BYTES),
                timeout,
                whole_tables: true,
                ..Query::default()
            };
            let mut rows = Rows::default();
            found.push(engine.run(&query, &mut rows).ok().map(|_| Found::of(&rows.rows)));
        }
        Some(found)
    }

    /// Checks a query without running it, as [`Engine::check`] does.
    ///
    /// # Errors
    /// As [`Engine::check`].
    pub fn check(&self, sql: &str) -> Result<Vec<Column>> {
        self.engine.borrow_mut().check(sql)
    }

    /// Does something else with the engine.
    ///
    /// # Errors
    /// Those of what is done.
    pub fn with_engine<T>(&self, work: impl FnOnce(&mut Engine) -> Result<T>) -> Result<T> {
        work(&mut self.engine.borrow_mut())
    }

    /// Runs a query.
    ///
    /// # Errors
    /// As [`Engine::run`].
    pub fn run(&self, query: &Query, sink: &mut dyn Sink) -> Result<Done> {
        self.engine.borrow_mut().run(query, sink)
    }
}

impl Lookup for Data {
    fn find(&self, text: &str) -> Vec<Hit> {
        let mut hits = self.kept.find(text);
        let left = self.until.get().map_or(Duration::ZERO, |end| end.saturating_duration_since(Instant::now()));
        if hits.is_empty() && !self.large.is_empty() && !left.is_zero() && text.chars().count() > 2 {
            let millis = u64::try_from(left.as_millis()).unwrap_or(0);
            if let Ok(mut engine) = self.engine.try_borrow_mut() {
                hits = engine.find(text, &self.large, millis);
            }
        }
        hits
    }
}

/// What became of a question, as programs read it: a line of `--batch`, or the document of `--format json`.
#[derive(Debug, Clone, Serialize)]
pub struct Answer {
    /// The question's own id in a batch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<Value>,
    /// The question.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub question: Option<String>,
    /// How it ended.
    pub status: Status,
    /// The SQL that ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sql: Option<String>,
    /// What the SQL answers, in English.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restatement: Option<String>,
    /// The probability that this was meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f64>,
    /// Who wrote the SQL, where it was not the translator: the operator or a model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The dates of the question, resolved.
    pub dates: Vec<Dated>,
    /// The columns of the result.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub columns: Option<Vec<String>>,
    /// The rows of the result.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<Vec<Vec<Value>>>,
    /// Whether there are more rows than these.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub truncated: Option<String>,
    /// Readings to choose from.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<Candidate>,
    /// Why it was refused or failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The words that fit nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub words: Vec<String>,
}

/// How a question ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// With rows.
    Answered,
    /// With several readings.
    Ambiguous,
    /// Without a reading that is good enough.
    Refused,
    /// With an error.
    Failed,
}

impl Status {
    /// Its name, as it is written.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Status::Answered => "answered",
            Status::Ambiguous => "ambiguous",
            Status::Refused => "refused",
            Status::Failed => "failed",
        }
    }
}

/// A reading to choose.
#[derive(Debug, Clone, Serialize)]
pub struct Candidate {
    /// What it answers.
    pub restatement: String,
    /// Its SQL, for `--sql`.
    pub sql: String,
    /// The probability that it was meant.
    pub confidence: f64,
}

impl From<&Reading> for Candidate {
    fn from(reading: &Reading) -> Self {
        Candidate { restatement: reading.restatement.clone(), sql: reading.sql.clone(), confidence: reading.confidence }
    }
}

impl Answer {
    /// An answer of which nothing is known yet but how it ended.
    #[must_use]
    pub fn new(status: Status) -> Self {
        Answer {
            id: None,
            question: None,
            status,
            sql: None,
            restatement: None,
            confidence: None,
            by: None,
            dates: Vec::new(),
            columns: None,
            rows: None,
            truncated: None,
            candidates: Vec::new(),
            reason: None,
            words: Vec::new(),
        }
    }

    /// A translation that is no answer; `None` where it is one.
    #[must_use]
    pub fn unanswered(translation: &Translation) -> Option<Self> {
        let mut answer = match &translation.outcome {
            Outcome::Answer(_) => return None,
            Outcome::Ask(readings) => Answer {
                candidates: readings.iter().map(Candidate::from).collect(),
                reason: Some("the question may mean several things".to_owned()),
                ..Answer::new(Status::Ambiguous)
            },
            Outcome::Refuse { reason, words, candidates } => Answer {
                candidates: candidates.iter().map(Candidate::from).collect(),
                reason: Some(reason.clone()),
                words: words.clone(),
                ..Answer::new(Status::Refused)
            },
        };
        answer.dates.clone_from(&translation.dates);
        Some(answer)
    }

    /// A failure.
    #[must_use]
    pub fn failed(error: &Error) -> Self {
        Answer { reason: Some(error.to_string()), ..Answer::new(Status::Failed) }
    }

    /// Takes over a reading.
    #[must_use]
    pub fn reading(mut self, reading: &Reading, dates: &[Dated]) -> Self {
        self.sql = Some(reading.sql.clone());
        self.restatement = Some(reading.restatement.clone());
        self.confidence = Some(reading.confidence);
        self.dates = dates.to_vec();
        self
    }

    /// A reading that finds nothing and is not certain enough to say so: it is offered.
    #[must_use]
    pub fn found_nothing(reading: &Reading) -> Self {
        Answer {
            candidates: vec![Candidate::from(reading)],
            reason: Some("read like this the question finds nothing, so that something else may be meant".to_owned()),
            ..Answer::new(Status::Ambiguous)
        }
    }

    /// Takes over a result.
    #[must_use]
    pub fn rows(mut self, rows: Rows, done: &Done) -> Self {
        self.columns = Some(rows.columns.into_iter().map(|c| c.name).collect());
        self.rows = Some(rows.rows);
        self.truncated.clone_from(&done.truncated);
        self
    }
}
