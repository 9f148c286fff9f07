//! The two protocols by which models are asked, streamed, with a limit on everything.

use super::prompt::Message;
use super::settings::{ModelSettings, Protocol};
use crate::error::{Error, Result};
use crate::http::{self, Codes};
use crate::query::engine::Progress;
use crate::query::results::shown;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use ureq::Agent;

/// The most bytes that are read of an answer, and of the text in it.
const LONGEST: u64 = 4 << 20;
const LONGEST_TEXT: usize = 128 << 10;
/// The most that is read of a key file.
const LONGEST_KEY: u64 = 16 << 10;

const MIDDLE: &str = "it ends in the middle";
const ASK_AGAIN: &str = "ask again; the server's log may say why";
const CHECK_PROTOCOL: &str = "check protocol under [model]: openai or ollama";

const CODES: Codes = Codes { timeout: "model.timeout", unreachable: "model.unreachable" };

/// A model at its endpoint.
#[derive(Debug)]
pub struct Client {
    agent: Agent,
    url: String,
    protocol: Protocol,
    name: String,
    key: Option<SecretString>,
}

impl Client {
    /// Makes ready.
    ///
    /// # Errors
    /// As [`super::Model::new`].
    pub fn new(settings: &ModelSettings) -> Result<Self> {
        let unset = |key: &str| {
            Error::usage("model.none", format!("there is no model: {key} is not set"))
                .at("[model]")
                .next("set endpoint and name under [model] in llmsql.toml, as in endpoint = \"http://127.0.0.1:11434\"")
        };
        let endpoint = settings.endpoint.as_deref().ok_or_else(|| unset("endpoint"))?;
        let name = settings.name.clone().ok_or_else(|| unset("name"))?;
        let key = settings.key_file.as_deref().map(read_key).transpose()?;
        if key.is_some() && !endpoint.starts_with("https://") && !http::is_local(endpoint) {
            return Err(Error::usage("model.plaintext", "the key would go over the network in the clear")
                .at(endpoint)
                .next("use https://, or a model on this host"));
        }
        let agent = http::agent(endpoint, settings.ca_file.as_deref(), settings.timeout)?;
        let path = match settings.protocol {
            Protocol::OpenAi => "chat/completions",
            Protocol::Ollama => "api/chat",
        };
        Ok(Client { agent, url: format!("{endpoint}/{path}"), protocol: settings.protocol, name, key })
    }

    /// The model's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The model's answer to a conversation.
    ///
    /// # Errors
    /// No answer, one that is too long, or one that is not in the protocol.
    pub fn complete(&self, messages: &[Message]) -> Result<String> {
        let body = match self.protocol {
            Protocol::OpenAi => {
                json!({"model": self.name, "messages": messages, "stream": true, "temperature": 0})
            }
            Protocol::Ollama => {
                json!({"model": self.name, "messages": messages, "stream": true, "options": {"temperature": 0}})
            }
        };
        let mut request = self.agent.post(&self.url).header("content-type", "application/json");
        if let Some(key) = &self.key {
            request = request.header("authorization", format!("Bearer {}", key.expose_secret()));
        }
        let response = request.send(body.to_string().as_bytes()).map_err(|e| self.failed(e))?;
        let status = response.status().as_u16();
        let kind = response.headers().get("content-type").and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
        let mut reader = BufReader::new(response.into_body().into_reader().take(LONGEST));
        if !(200..300).contains(&status) {
            return Err(self.status(status, &mut reader));
        }
        let mut text = String::new();
        if self.protocol == Protocol::OpenAi && kind.starts_with("application/json") {
            // Some servers do not stream.
            let whole = self.whole(&mut reader)?;
            let content = whole.pointer("/choices/0/message/content").and_then(Value::as_str);
            self.take(&mut text, content.ok_or_else(|| self.broken("it holds no message"))?)?;
            return Ok(text);
        }
        self.stream(&mut reader, &mut text)?;
        Ok(text)
    }

    fn stream(&self, reader: &mut impl BufRead, text: &mut String) -> Result<()> {
        let mut progress = Progress::new(false);
        let (mut line, mut read) = (Vec::new(), 0);
        loop {
            line.clear();
            let length = reader.read_until(b'\n', &mut line).map_err(|e| self.cut_off(e))?;
            read += length as u64;
            if length == 0 {
                if read >= LONGEST {
                    return Err(self.large());
                }
                let next = if text.is_empty() { CHECK_PROTOCOL } else { ASK_AGAIN };
                return Err(self.broken(MIDDLE).next(next));
            }
            let Some(json) = self.line(&line)? else { continue };
            if json == b"[DONE]" {
                return Ok(());
            }
            let event: Value = serde_json::from_slice(json).map_err(|e| self.broken(&e.to_string()))?;
            if let Some(error) = event.get("error") {
                let said = error.get("message").unwrap_or(error);
                return Err(self.said(said.as_str().unwrap_or_default()));
            }
            let (content, ended) = match self.protocol {
                Protocol::OpenAi => (
                    event.pointer("/choices/0/delta/content"),
                    event.pointer("/choices/0/finish_reason").is_some_and(|r| !r.is_null()),
                ),
                Protocol::Ollama => {
                    (event.pointer("/message/content"), event.get("done").and_then(Value::as_bool).unwrap_or(false))
                }
            };
            self.take(text, content.and_then(Value::as_str).unwrap_or_default())?;
            progress.show(&format!("asking {}", self.name), text.len() as u64, None, "characters");
            if ended {
                return Ok(());
            }
        }
    }

    /// The JSON of a line; nothing where it is none, as between server-sent events.
    fn line<'l>(&self, line: &'l [u8]) -> Result<Option<&'l [u8]>> {
        let line = line.trim_ascii();
        if self.protocol == Protocol::Ollama {
            return Ok((!line.is_empty()).then_some(line));
        }
        match line.strip_prefix(b"data:") {
            Some(data) => Ok(Some(data.trim_ascii())),
            None if line.is_empty() || line.starts_with(b":") || line.contains(&b':') && !line.starts_with(b"{") => {
                Ok(None)
            }
            None => Err(self.broken("it is no stream of events")),
        }
    }

    fn take(&self, text: &mut String, more: &str) -> Result<()> {
        if text.len() + more.len() > LONGEST_TEXT {
            return Err(self.large());
        }
        text.push_str(more);
        Ok(())
    }

    fn whole(&self, reader: &mut impl Read) -> Result<Value> {
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).map_err(|e| self.cut_off(e))?;
        if bytes.len() as u64 >= LONGEST {
            return Err(self.large());
        }
        serde_json::from_slice(&bytes).map_err(|e| self.broken(&e.to_string()))
    }

    /// An answer with another status than success.
    fn status(&self, status: u16, reader: &mut impl Read) -> Error {
        let mut said = Vec::new();
        // What the server says is a help only.
        let _ = reader.take(4096).read_to_end(&mut said);
        let said = String::from_utf8_lossy(&said).into_owned();
        let message = serde_json::from_str::<Value>(&said).ok().and_then(|v| {
            let error = v.get("error")?;
            Some(error.get("message").unwrap_or(error).as_str()?.to_owned())
        });
        let error = self.said(&format!("{status} {}", message.unwrap_or(said)));
        match status {
            401 | 403 => error.next("check the key in [model] key_file"),
            404 => error.next("check endpoint, protocol and name under [model]"),
            429 => error.next("ask later, or another endpoint"),
            300..=399 => error.next("name the address itself under [model] endpoint: redirects are not followed"),
            _ => error,
        }
    }

    /// An error in the server's own words, without the key, should it stand there.
    fn said(&self, message: &str) -> Error {
        let hidden = match &self.key {
            Some(key) if !key.expose_secret().is_empty() => message.replace(key.expose_secret(), "…"),
            _ => message.to_owned(),
        };
        let line: String = shown(&hidden).split_whitespace().collect::<Vec<_>>().join(" ").chars().take(300).collect();
        Error::failed("model.failed", format!("the model's server says: {line}"))
            .at(&self.url)
            .next("see the log of the model's server")
    }

    fn broken(&self, why: &str) -> Error {
        Error::failed("model.answer", format!("the model's answer cannot be read: {why}"))
            .at(&self.url)
            .next(CHECK_PROTOCOL)
    }

    /// A request that failed on its way.
    fn failed(&self, e: ureq::Error) -> Error {
        let error = http::failed(e, CODES, &self.url);
        if error.code == CODES.timeout {
            error.next("raise timeout under [model], or ask a faster model")
        } else {
            error
        }
    }

    /// An answer that ends where it should go on: in time, or never.
    fn cut_off(&self, e: std::io::Error) -> Error {
        let error = self.failed(e.into());
        if error.code == CODES.timeout { error } else { self.broken(MIDDLE).next(ASK_AGAIN) }
    }

    fn large(&self) -> Error {
        Error::failed("model.answer", "the model's answer is too long for one question; it was cut off")
            .at(&self.url)
            .next("ask another model")
    }
}

/// The key of a file, which nobody else may read.
fn read_key(path: &Path) -> Result<SecretString> {
    let wrong = |e| {
        Error::usage("model.key", "the key cannot be read")
            .at(path.display())
            .next("put the key into a file of mode 0600, and name it as key_file under [model]")
            .because(e)
    };
    // Before it is opened: that would wait for who writes into a pipe.
    if !std::fs::metadata(path).map_err(wrong)?.is_file() {
        return Err(Error::usage("model.key", "the key cannot be read: this is a folder, a pipe or a device")
            .at(path.display())
            .next("put the key into a file of mode 0600, and name it as key_file under [model]"));
    }
    let file = std::fs::File::open(path).map_err(wrong)?;
    if file.metadata().map_err(wrong)?.mode() & 0o007 != 0 {
        return Err(Error::usage("model.key", "the key may be read by every user")
            .at(path.display())
            .next(format!("chmod 0600 {}", path.display())));
    }
    let mut text = String::new();
    file.take(LONGEST_KEY).read_to_string(&mut text).map_err(wrong)?;
    let key = text.trim();
    if key.is_empty() || key.contains(|c: char| c.is_control() || !c.is_ascii()) {
        return Err(Error::usage("model.key", "holds no key: one line of printable characters").at(path.display()));
    }
    Ok(SecretString::from(key.to_owned()))
}
