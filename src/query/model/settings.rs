//! `[model]` of llmsql.toml.

use crate::error::{Error, Result};
use crate::profile::config::Document;
use crate::units;
use serde::Deserialize;
use std::path::PathBuf;
use std::time::Duration;

/// How long an answer may take where nobody says.
const TIMEOUT: Duration = Duration::from_mins(2);

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Table {
    endpoint: Option<String>,
    protocol: Option<Protocol>,
    name: Option<String>,
    key_file: Option<PathBuf>,
    ca_file: Option<PathBuf>,
    timeout: Option<String>,
    values: bool,
    fallback: Option<Fallback>,
}

/// How a model is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// `POST …/chat/completions`, answered by server-sent events.
    OpenAi,
    /// `POST …/api/chat`, answered by JSON lines.
    Ollama,
}

/// What answers a question that the translator refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Fallback {
    Model,
    None,
}

/// What the operator says about the model.
#[derive(Debug, Clone)]
pub struct ModelSettings {
    /// Where it is: a URL without the protocol's own path.
    pub endpoint: Option<String>,
    /// How it is spoken to.
    pub protocol: Protocol,
    /// Which model is asked for.
    pub name: Option<String>,
    /// The file that holds its key.
    pub key_file: Option<PathBuf>,
    /// Certificates that stand in for the system's.
    pub ca_file: Option<PathBuf>,
    /// How long one answer may take.
    pub timeout: Duration,
    /// Whether it may see values of the data.
    pub values: bool,
    /// Whether it is asked when the translator refuses.
    pub fallback: bool,
}

impl ModelSettings {
    /// Reads them.
    ///
    /// # Errors
    /// What does not fit, with its place.
    pub fn read(document: &Document) -> Result<Self> {
        let table: Table = document.section("model")?.unwrap_or_default();
        let wrong = |key: &str, what: String| {
            Error::usage("config.section", format!("[model]: {key}: {what}")).at(document.path().display())
        };
        let endpoint = table.endpoint.map(|e| e.trim_end_matches('/').to_owned());
        if let Some(url) = &endpoint
            && !(url.starts_with("http://") || url.starts_with("https://"))
        {
            return Err(wrong("endpoint", format!("\"{url}\" is no http:// or https:// URL")));
        }
        if endpoint.as_ref().is_some_and(|url| url.contains('@')) {
            return Err(wrong(
                "endpoint",
                "a URL with a password; put the key into a file and name it key_file".into(),
            ));
        }
        // OpenAI's own path and those of servers that speak like it end in a version.
        let versioned = endpoint.as_deref().is_some_and(|e| e.rsplit('/').next().is_some_and(|p| p.starts_with('v')));
        let timeout = table.timeout.as_deref().map(units::parse_millis).transpose().map_err(|e| wrong("timeout", e))?;
        Ok(ModelSettings {
            protocol: table.protocol.unwrap_or(if versioned { Protocol::OpenAi } else { Protocol::Ollama }),
            endpoint,
            name: table.name,
            key_file: table.key_file.map(|path| document.beside(&path)),
            ca_file: table.ca_file.map(|path| document.beside(&path)),
            timeout: timeout.map_or(TIMEOUT, Duration::from_millis),
            values: table.values,
            fallback: table.fallback == Some(Fallback::Model),
        })
    }
}
