//! `llmsql token mint|verify|inspect|public`.

use super::Global;
use super::secrets::{EnvArgs, Given};
use crate::error::{Error, Exit, Result};
use crate::output::{self, Format};
use crate::process;
use crate::secrets::env::EnvFile;
use crate::secrets::{record, token};
use crate::state::State;
use crate::units;
use clap::{Args, Subcommand};
use jiff::Timestamp;
use secrecy::ExposeSecret;
use serde_json::{Map, Value, json};

/// What to do with tokens.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Sign a token and print it
    ///
    /// With JWT_SECRET_KEY by JWT_ALGORITHM (HS256 or EdDSA) of the env file; it lives JWT_EXPIRE_MINUTES unless told
    /// otherwise, and carries the id of its key.
    #[command(
        after_help = "Examples:\n  llmsql token mint --subject ada --audience api\n  llmsql token mint --subject ci --expires 12h \\\n      --claim 'scope=\"read\"' --claim 'level=3'"
    )]
    Mint(Mint),
    /// Check a token: signature, expiry, audience, key; print what it says, or end with 12
    ///
    /// Tokens of a key that was rotated away are accepted until the last of them has expired.
    #[command(
        after_help = "Examples:\n  llmsql token verify --audience api < token\n  llmsql token verify --audience api token.txt --format json"
    )]
    Verify(Verify),
    /// Print a token's header and claims; nothing of it is checked
    Inspect(Inspect),
    /// Print the public keys of EdDSA as a JSON Web Key Set, for services that only check tokens
    Public(Public),
}

/// Arguments of `mint`.
#[derive(Debug, Args)]
pub struct Mint {
    #[command(flatten)]
    env: EnvArgs,
    /// Whom it stands for (sub)
    #[arg(long)]
    subject: Option<String>,
    /// Whom it is for (aud)
    #[arg(long)]
    audience: Option<String>,
    /// Who gives it (iss)
    #[arg(long)]
    issuer: Option<String>,
    /// How long it lives, such as 30min or 12h [default: JWT_EXPIRE_MINUTES]
    #[arg(long, value_name = "DURATION")]
    expires: Option<String>,
    /// A claim more: NAME=VALUE, the value as JSON or else as text
    #[arg(long = "claim", value_name = "NAME=VALUE")]
    claims: Vec<String>,
}

/// Arguments of `verify`.
#[derive(Debug, Args)]
pub struct Verify {
    #[command(flatten)]
    env: EnvArgs,
    #[command(flatten)]
    token: Given,
    /// Whom it has to be for
    #[arg(long)]
    audience: Option<String>,
    /// Who has to have given it
    #[arg(long)]
    issuer: Option<String>,
}

/// Arguments of `inspect`.
#[derive(Debug, Args)]
pub struct Inspect {
    #[command(flatten)]
    token: Given,
}

/// Arguments of `public`.
#[derive(Debug, Args)]
pub struct Public {
    #[command(flatten)]
    env: EnvArgs,
}

impl Command {
    /// Runs it.
    ///
    /// # Errors
    /// Those of each.
    pub fn run(&self, global: &Global) -> Result<Exit> {
        match self {
            Command::Mint(arguments) => arguments.run(global),
            Command::Verify(arguments) => arguments.run(global),
            Command::Inspect(arguments) => arguments.run(global),
            Command::Public(arguments) => arguments.run(global),
        }
        .map(|()| Exit::Done)
    }
}

fn keys(env: &EnvArgs, global: &Global) -> Result<(token::Keys, State)> {
    let context = env.context(global)?;
    Ok((token::Keys::of(&EnvFile::read(&context.path)?)?, context.state))
}

impl Mint {
    fn run(&self, global: &Global) -> Result<()> {
        let (keys, state) = keys(&self.env, global)?;
        let minutes = match &self.expires {
            None => keys.minutes(),
            Some(text) => {
                let wrong = |what: String| Error::usage("token.expires", what).at("--expires");
                let ms = units::parse_millis(text).map_err(wrong)?;
                i64::try_from(ms.div_ceil(60_000)).unwrap_or(i64::MAX)
            }
        };
        let token = keys.mint(self.claims()?, minutes)?;
        if minutes > keys.minutes() {
            // A rotation keeps the old key for as long as the env file says, unless it knows of a longer life.
            record::minted(&state, keys.signer(), Timestamp::now().as_second().saturating_add(minutes * 60))?;
        }
        match global.format {
            Format::Table => output::stdout(&format!("{}\n", token.expose_secret())),
            format => output::document(&json!({"token": token.expose_secret(), "expires_in": minutes * 60}), format),
        }
    }

    fn claims(&self) -> Result<Map<String, Value>> {
        let mut claims = Map::new();
        for text in &self.claims {
            let (name, value) = text.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or_else(|| {
                Error::usage("token.claim", "is not NAME=VALUE").at("--claim").next("write it as --claim scope=read")
            })?;
            if ["exp", "iat", "jti"].contains(&name) {
                return Err(Error::usage("token.claim", format!("{name} is set by mint itself"))
                    .at("--claim")
                    .next("--expires says how long a token lives"));
            }
            let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
            claims.insert(name.to_owned(), value);
        }
        for (name, value) in [("sub", &self.subject), ("aud", &self.audience), ("iss", &self.issuer)] {
            if let Some(value) = value {
                claims.insert(name.to_owned(), json!(value));
            }
        }
        Ok(claims)
    }
}

impl Verify {
    fn run(&self, global: &Global) -> Result<()> {
        let (keys, _) = keys(&self.env, global)?;
        let token = self.token.read("token")?;
        let verified = keys.verify(&token, self.audience.as_deref(), self.issuer.as_deref())?;
        if verified.previous {
            output::note("it is signed with an earlier key, which is accepted for a while after a rotation");
        }
        match global.format {
            Format::Table => output::document(&verified.claims, Format::Json),
            format => output::document(&verified, format),
        }
    }
}

impl Inspect {
    fn run(&self, global: &Global) -> Result<()> {
        process::no_core_dumps()?;
        let (header, claims) = token::inspect(&self.token.read("token")?)?;
        output::note("nothing of it has been checked: `llmsql token verify` does");
        output::document(&json!({"header": header, "claims": claims}), global.format)
    }
}

impl Public {
    fn run(&self, global: &Global) -> Result<()> {
        output::document(&keys(&self.env, global)?.0.public()?, global.format)
    }
}
