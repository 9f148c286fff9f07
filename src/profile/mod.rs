//! What is wanted of the host, and who said so.
//!
//! Values come from five places, the first that has one wins: a flag, an `LLMSQL_*` variable, `llmsql.toml`, a profile,
//! the plan's own derivation. The winner is kept beside every value, so that `explain` can name it.

pub mod config;
pub mod edit;
pub mod input;
pub mod keys;
pub mod library;
mod resolve;
pub mod rules;
pub mod yaml;

pub use resolve::{Flag, Request, resolve, resolve_with_chain, variable};

use crate::units;
use crate::value::Value;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;

/// The name under which a value is configured: `host.other_memory`, `postgresql.work_mem`.
pub type Key = String;

/// Who set a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case", tag = "from")]
pub enum Origin {
    /// A flag of this run: `--ram`.
    Flag {
        /// The flag.
        name: String,
    },
    /// A variable of the environment: `LLMSQL_HOST_RAM`.
    Environment {
        /// The variable.
        name: String,
    },
    /// The operator's file.
    File {
        /// Path of the file.
        path: String,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// A profile, by name.
    Profile {
        /// Name of the profile that holds the value (an ancestor where it was inherited).
        name: String,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Flag { name } => write!(f, "flag {name}"),
            Origin::Environment { name } => write!(f, "environment {name}"),
            Origin::File { path, line, column } => write!(f, "{path}:{line}:{column}"),
            Origin::Profile { name } => write!(f, "profile {name}"),
        }
    }
}

/// A value and who set it.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Sourced {
    /// The value, its unit resolved.
    pub value: Value,
    /// Who set it.
    pub origin: Origin,
}

/// What is wanted, after precedence.
#[derive(Debug, Clone, Default, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Profile {
    /// The profile in force: `medium`.
    pub name: String,
    /// Why that one: the rule that fired, or who named it.
    pub rule: String,
    /// It and its ancestors, nearest first.
    pub chain: Vec<String>,
    /// Every value that is set, by key.
    pub values: BTreeMap<Key, Sourced>,
}

impl Profile {
    /// The value and its origin, where the key is set.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Sourced> {
        self.values.get(key)
    }

    /// Sets a value; for building a profile, the later call wins.
    pub fn set(&mut self, key: impl Into<Key>, value: Value, origin: Origin) {
        self.values.insert(key.into(), Sourced { value, origin });
    }

    /// A size in bytes.
    #[must_use]
    pub fn bytes(&self, key: &str) -> Option<u64> {
        self.get(key)?.value.bytes()
    }

    /// A count that is not negative.
    #[must_use]
    pub fn count(&self, key: &str) -> Option<u64> {
        match &self.get(key)?.value {
            Value::Int(i) => u64::try_from(*i).ok(),
            _ => None,
        }
    }

    /// A text.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&str> {
        match &self.get(key)?.value {
            Value::Text(t) => Some(t),
            _ => None,
        }
    }

    /// A switch.
    #[must_use]
    pub fn flag(&self, key: &str) -> Option<bool> {
        match &self.get(key)?.value {
            Value::Bool(b) => Some(*b),
            _ => None,
        }
    }

    /// A list of texts.
    #[must_use]
    pub fn list(&self, key: &str) -> Option<&[String]> {
        match &self.get(key)?.value {
            Value::List(l) => Some(l),
            _ => None,
        }
    }
}

/// What kind of value a key takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// `true` or `false`.
    Bool,
    /// A whole number in a range (inclusive).
    Int(i64, i64),
    /// A number in a range (inclusive).
    Float(f64, f64),
    /// A size: `64GB`.
    Bytes,
    /// A duration: `30s`.
    Millis,
    /// A size, or `-1`, which stands for none, for no limit or for the server's own choice.
    Limit,
    /// A duration, or `-1`, which stands for never or for another setting's.
    Delay,
    /// One of these words.
    Word(&'static [&'static str]),
    /// Any text.
    Text,
    /// A list of texts.
    List,
    /// A list of these words.
    Words(&'static [&'static str]),
}

impl Kind {
    /// Reads a value written as text (a flag, a variable, `config set`).
    ///
    /// # Errors
    /// A sentence that says what is wrong and what would be right.
    pub fn parse(self, text: &str) -> Result<Value, String> {
        match self {
            Kind::Bool => match text {
                "true" | "on" | "yes" | "1" => Ok(Value::Bool(true)),
                "false" | "off" | "no" | "0" => Ok(Value::Bool(false)),
                _ => Err(format!("\"{text}\" is not true or false")),
            },
            Kind::Int(low, high) => match text.parse::<i64>() {
                Ok(i) if (low..=high).contains(&i) => Ok(Value::Int(i)),
                Ok(i) => Err(format!("{i} is outside {low} to {high}")),
                Err(_) => Err(format!("\"{text}\" is not a whole number")),
            },
            Kind::Float(low, high) => match text.parse::<f64>() {
                Ok(x) if (low..=high).contains(&x) => Ok(Value::Float(x)),
                Ok(x) if high == f64::MAX && x.is_finite() => Err(format!("{x} is below {low}")),
                Ok(x) if high == f64::MAX => Err(format!("{x} is no number that a file can hold")),
                Ok(x) => Err(format!("{x} is outside {low} to {high}")),
                Err(_) => Err(format!("\"{text}\" is not a number")),
            },
            Kind::Limit | Kind::Delay if text == "-1" => Ok(Value::Int(-1)),
            Kind::Bytes | Kind::Limit => units::parse_bytes(text).map(Value::Bytes),
            Kind::Millis | Kind::Delay => units::parse_millis(text).map(Value::Millis),
            Kind::Word(words) if words.contains(&text) => Ok(Value::Text(text.to_owned())),
            Kind::Word(words) => Err(format!("\"{text}\" is none of {}", words.join(", "))),
            Kind::Text => Ok(Value::Text(text.to_owned())),
            Kind::List | Kind::Words(_) => {
                let items: Vec<String> =
                    text.split(',').map(str::trim).filter(|s| !s.is_empty()).map(str::to_owned).collect();
                if let Kind::Words(words) = self
                    && items.is_empty()
                {
                    return Err(format!("at least one of {} is expected", words.join(", ")));
                }
                if let Kind::Words(words) = self
                    && let Some(item) = items.iter().find(|i| !words.contains(&i.as_str()))
                {
                    let words = words.join(", ");
                    return Err(format!("\"{item}\" is none of {words}; several are separated by commas"));
                }
                Ok(Value::List(items))
            }
        }
    }
}
