//! From a question to the SQL that is run: the translator, a right answer of before, or the model.

use super::Arguments;
use super::reading::{choose, told};
use crate::error::{Error, Exit, Result};
use crate::output;
use crate::query::ask::{Answer, Data, Status, is_doubtful};
use crate::query::language::{Clock, Outcome, Reading, Translation, Translator};
use crate::query::model::{Model, Prompt, Written};
use crate::query::results::shown;
use crate::query::settings::Settings;

/// What questions are asked with.
pub(super) struct Asking<'a> {
    arguments: &'a Arguments,
    pub(super) settings: &'a Settings,
    pub(super) data: &'a Data,
    pub(super) translator: Translator<'a>,
    clock: Clock,
}

/// SQL to run, and who wrote it.
pub(super) enum Chosen {
    /// The translator.
    Reading(Reading),
    /// A model, by its name.
    Written(Written, String),
}

impl Chosen {
    pub(super) fn sql(&self) -> &str {
        match self {
            Chosen::Reading(reading) => &reading.sql,
            Chosen::Written(written, _) => &written.sql,
        }
    }

    /// Who wrote it, for the history.
    pub(super) fn by(&self) -> String {
        match self {
            Chosen::Reading(_) => "translator".to_owned(),
            Chosen::Written(_, model) => format!("model {model}"),
        }
    }

    /// Whether a result without rows is a reason to doubt it.
    pub(super) fn is_doubtful(&self, translation: &Translation, rows: u64) -> bool {
        matches!(self, Chosen::Reading(reading) if is_doubtful(reading, translation, rows))
    }

    pub(super) fn answer(&self, translation: &Translation) -> Answer {
        let answer = Answer::new(Status::Answered);
        match self {
            Chosen::Reading(reading) => answer.reading(reading, &translation.dates),
            Chosen::Written(written, _) => Answer {
                sql: Some(written.sql.clone()),
                restatement: written.restatement.clone(),
                by: Some(self.by()),
                ..answer
            },
        }
    }

    /// Says on stderr what was understood.
    pub(super) fn told(&self, translation: &Translation) {
        match self {
            Chosen::Reading(reading) => told(reading, translation),
            Chosen::Written(written, model) => {
                let repairs = match written.repairs {
                    0 => String::new(),
                    1 => ", repaired once".to_owned(),
                    n => format!(", repaired {n} times"),
                };
                output::note(&format!("written by model {model}{repairs}; check it before you rely on it"));
                if let Some(sentence) = &written.restatement {
                    output::note(&format!("the model says: {sentence}"));
                }
                output::note(&format!("sql: {}", shown(&written.sql)));
            }
        }
    }
}

impl<'a> Asking<'a> {
    pub(super) fn new(arguments: &'a Arguments, settings: &'a Settings, data: &'a Data, clock: Clock) -> Self {
        Asking { arguments, settings, data, translator: data.translator(&settings.glossary), clock }
    }

    pub(super) fn translate(&self, question: &str) -> Translation {
        self.data.translate(&self.translator, question, &self.clock)
    }

    /// What the model would be told.
    pub(super) fn prompt(&self, question: &str) -> Prompt {
        let values = self.arguments.model_values || self.settings.model.values;
        Prompt::new(&self.data.schema, &self.settings.glossary.pairs, &self.clock, values, question)
    }

    /// The SQL to run without asking anybody at a terminal; `None` where there is none.
    pub(super) fn settle(&self, question: &str, translation: &Translation) -> Result<Option<Chosen>> {
        if let Outcome::Answer(reading) = &translation.outcome {
            // What the operator found right is not asked again.
            let verified = self.settings.glossary.pairs.iter().any(|p| p.sql == reading.sql);
            if verified || self.arguments.model.is_none() {
                return Ok(Some(Chosen::Reading(reading.clone())));
            }
        }
        let refused = matches!(translation.outcome, Outcome::Refuse { .. });
        let asked = self.arguments.model.is_some();
        if !(asked || refused && self.settings.model.fallback) {
            return Ok(None);
        }
        let told = self.arguments.batch.is_none();
        if let (false, true, Outcome::Refuse { reason, .. }) = (asked, told, &translation.outcome) {
            output::note(&format!("not translated: {reason}; asking the model"));
        }
        let mut settings = self.settings.model.clone();
        if let Some(name) = self.arguments.model.clone().flatten() {
            settings.name = Some(name);
        }
        let model = Model::new(&settings)?;
        match model.ask(self.data, &self.prompt(question)) {
            Ok(written) => Ok(Some(Chosen::Written(written, model.name().to_owned()))),
            // The question is refused as it would have been without a model.
            Err(error) if !asked && told => {
                output::note(&format!("note: {error}"));
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// The same, where a person at the terminal may choose.
    pub(super) fn choose(&self, question: &str, translation: &Translation) -> Result<Option<Chosen>> {
        if let Some(chosen) = self.settle(question, translation)? {
            return Ok(Some(chosen));
        }
        Ok(choose(translation)?.map(Chosen::Reading))
    }
}

/// The status of a question that ended with an error.
pub(super) fn status_of(error: &Error) -> &'static str {
    match (error.exit, error.code) {
        (Exit::Unanswered, "question.ambiguous") => "ambiguous",
        (Exit::Unanswered, _) => "refused",
        _ => "failed",
    }
}
