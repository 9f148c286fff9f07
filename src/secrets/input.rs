//! A secret that the operator gives: from a file, stdin, a systemd credential or a prompt without echo. Never a flag or
//! a variable, which others can read.

use crate::error::{Error, Result};
use secrecy::SecretString;
use secrecy::zeroize::Zeroizing;
use std::io::{ErrorKind, IsTerminal, Read};
use std::path::PathBuf;

/// The most that is read, in bytes.
const LONGEST: u64 = 64 * 1024;

/// Where a secret is taken from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Standard input: at a terminal a prompt without echo.
    Stdin,
    /// A file, less one line end at its end.
    File(PathBuf),
    /// A file of `$CREDENTIALS_DIRECTORY` (systemd's `LoadCredential=`).
    Credential(String),
}

impl std::str::FromStr for Source {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix("credential:") {
            Some(name) if name.is_empty() || name.contains('/') => {
                Err("name a credential, without a folder".to_owned())
            }
            Some(name) => Ok(Source::Credential(name.to_owned())),
            None if text == "-" => Ok(Source::Stdin),
            None => Ok(Source::File(text.into())),
        }
    }
}

impl Source {
    /// Reads it. `what` says what is asked for at a prompt.
    ///
    /// # Errors
    /// It cannot be read, is empty, no UTF-8 or longer than 64 kB.
    pub fn read(&self, what: &str) -> Result<SecretString> {
        let mut bytes = Zeroizing::new(Vec::new());
        let place = self.place();
        let wrong =
            |e: std::io::Error| Error::usage("secrets.input", "the secret cannot be read").at(&place).because(e);
        match self {
            Source::Stdin if std::io::stdin().is_terminal() && console::user_attended_stderr() => {
                let terminal = console::Term::stderr();
                terminal.write_str(&format!("{what}: ")).map_err(wrong)?;
                bytes = terminal.read_secure_line().map_err(wrong)?.into_bytes().into();
            }
            Source::Stdin => drop(std::io::stdin().lock().take(LONGEST + 1).read_to_end(&mut bytes).map_err(wrong)?),
            // Who gives the secret itself as the argument is not to find it in a log as well.
            Source::File(path) if !path.try_exists().unwrap_or_else(|e| e.kind() == ErrorKind::PermissionDenied) => {
                return Err(Error::usage("secrets.input", "there is no file of this name")
                    .at("FILE")
                    .next("name a file; a secret itself is given on stdin, since others see a command line"));
            }
            Source::File(path) => {
                std::fs::File::open(path).and_then(|f| f.take(LONGEST + 1).read_to_end(&mut bytes)).map_err(wrong)?;
            }
            Source::Credential(name) => {
                let folder = std::env::var_os("CREDENTIALS_DIRECTORY").ok_or_else(|| {
                    Error::usage("secrets.input", "systemd has given this process no credentials")
                        .at(&place)
                        .next(format!("write LoadCredential={name}:/path into the unit"))
                })?;
                let path = PathBuf::from(folder).join(name);
                std::fs::File::open(path).and_then(|f| f.take(LONGEST + 1).read_to_end(&mut bytes)).map_err(wrong)?;
            }
        }
        let refused = |what: &str| Err(Error::usage("secrets.input", what).at(&place));
        if bytes.len() as u64 > LONGEST {
            return refused("the secret is longer than 64 kB");
        }
        let Ok(text) = std::str::from_utf8(&bytes) else { return refused("the secret is no UTF-8") };
        let text = text.strip_suffix('\n').unwrap_or(text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        if text.is_empty() {
            return refused("the secret is empty");
        }
        Ok(text.into())
    }

    fn place(&self) -> String {
        match self {
            Source::Stdin => "stdin".to_owned(),
            Source::File(path) => path.display().to_string(),
            Source::Credential(name) => format!("credential:{name}"),
        }
    }
}
