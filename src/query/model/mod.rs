//! A language model that writes SQL where the operator wants one: prompt, answer, check, repair.
//!
//! It sees the tables' names, columns and keys, and no value unless the operator opts in. What it writes passes the same
//! guard as any other SQL, and is planned before it runs; what does not pass goes back to it with the reason, twice at most.

mod client;
mod prompt;
mod settings;

pub use prompt::{Message, Prompt};
pub use settings::ModelSettings;

use super::ask::Data;
use super::results::shown;
use crate::error::{Error, Exit, Result};
use client::Client;

/// How often a model may mend its SQL.
const REPAIRS: usize = 2;

/// SQL that a model wrote and the guard let pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// One SELECT.
    pub sql: String,
    /// What the model says that it computes.
    pub restatement: Option<String>,
    /// How often it was sent back.
    pub repairs: usize,
}

/// A model that can be asked.
#[derive(Debug)]
pub struct Model {
    client: Client,
}

impl Model {
    /// Makes ready to ask; nothing is sent yet.
    ///
    /// # Errors
    /// No endpoint, a key file that cannot be read or may be read by others, a key that would go over the network in
    /// the clear.
    pub fn new(settings: &ModelSettings) -> Result<Self> {
        Ok(Model { client: Client::new(settings)? })
    }

    /// The model's name, as answers say who wrote their SQL.
    #[must_use]
    pub fn name(&self) -> &str {
        self.client.name()
    }

    /// Asks until the SQL may run.
    ///
    /// # Errors
    /// An endpoint that does not answer, or not in its protocol; a model that cannot (20).
    pub fn ask(&self, data: &Data, prompt: &Prompt) -> Result<Written> {
        let mut messages = prompt.messages();
        for repairs in 0..=REPAIRS {
            let text = self.client.complete(&messages)?;
            let (problem, last) = match prompt::answer(&text) {
                prompt::Answer::Cannot(reason) => return Err(self.refused(&format!("it cannot answer: {reason}"))),
                prompt::Answer::Nothing => ("the answer holds no SELECT".to_owned(), None),
                prompt::Answer::Sql { sql, restatement } => match data.check(&sql) {
                    Ok(_) => return Ok(Written { sql, restatement, repairs }),
                    // What is wrong with the data or the worker is no fault of the SQL.
                    Err(e) if !["guard.refused", "query.syntax", "query.failed"].contains(&e.code) => return Err(e),
                    Err(e) => (e.what, Some(sql)),
                },
            };
            if repairs == REPAIRS {
                let sql = last.map(|sql| format!("; its last SQL: {sql}")).unwrap_or_default();
                return Err(self.refused(&format!("its SQL may not run, also after {REPAIRS} repairs: {problem}{sql}")));
            }
            messages.push(Message::assistant(text));
            messages.push(Message::user(prompt::repair(&problem)));
        }
        Err(self.refused("it gave no answer"))
    }

    fn refused(&self, what: &str) -> Error {
        Error::new(Exit::Unanswered, "model.refused", shown(what))
            .at(format!("model {}", self.name()))
            .next("ask in the words of `llmsql schema`, or write --sql")
    }
}
