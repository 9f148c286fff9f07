//! `llmsql secrets init|status|rotate|verify|restore|recover`.

use super::Global;
use super::config::plain_table;
use crate::error::{Error, Exit, Result};
use crate::output::{self, Format};
use crate::profile::config;
use crate::secrets::catalogue::{Config, Kind};
use crate::secrets::env::{self, EnvFile};
use crate::secrets::init;
use crate::secrets::input::Source;
use crate::secrets::pooler::Pooler;
use crate::secrets::status::{self, Status};
use crate::secrets::{TEMPLATE, guard};
use crate::state::{self, State};
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// What to do with secrets.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make the env file: the template with every <generate…> filled at random, mode 0600 from the first byte
    ///
    /// Values are letters and digits, so that no shell, URL, compose or ini file needs them quoted. A marker says how
    /// much: <generate-with-openssl-rand-base64-32> is 256 bits, …-hex-16 is 32 digits, <generate-ed25519> a signing key.
    #[command(
        after_help = "Examples:\n  llmsql secrets init\n  llmsql secrets init --env-file /etc/llm/.env --template .env.example\n  llmsql secrets init --fill          # only what is empty or still a marker"
    )]
    Init(Init),
    /// Show each secret's age, where it is used, what is due, weak or open to others; never a value
    #[command(
        after_help = "Examples:\n  llmsql secrets status\n  llmsql secrets status --detailed-exitcode   # 2 where something is due or wrong, for cron"
    )]
    Status(StatusArguments),
}

/// Which env file.
#[derive(Debug, Clone, Default, Args)]
pub struct EnvArgs {
    /// The env file [default: env_file of [secrets] in llmsql.toml, else ./.env]
    #[arg(long, value_name = "FILE", env = "LLMSQL_ENV_FILE")]
    pub env_file: Option<PathBuf>,
}

/// What every command about secrets starts from.
#[derive(Debug)]
pub struct Context {
    /// `[secrets]` of llmsql.toml.
    pub config: Config,
    /// llmsql.toml.
    pub document: config::Document,
    /// The env file's path.
    pub path: PathBuf,
    /// The state.
    pub state: State,
}

impl EnvArgs {
    /// Reads the configuration and opens the state, with core dumps switched off.
    ///
    /// # Errors
    /// Those of each.
    pub fn context(&self, global: &Global) -> Result<Context> {
        guard::no_core_dumps()?;
        let root = global.root();
        let document = config::Document::read(&config::locate(global.config.as_deref(), &root)?)?;
        let config = Config::of(&document)?;
        let named = self.env_file.clone().or_else(|| config.env_file.clone());
        let path = named.unwrap_or_else(|| PathBuf::from(env::DEFAULT));
        let state = State::open_in(&state::folder_of(&root)?)?;
        Ok(Context { config, document, path, state })
    }
}

/// Arguments of `init`.
#[derive(Debug, Args)]
pub struct Init {
    #[command(flatten)]
    env: EnvArgs,
    /// A template of your own, instead of the guide's
    #[arg(long, value_name = "FILE")]
    template: Option<PathBuf>,
    /// Fill what an env file that is there lacks, and keep the rest of it
    #[arg(long, conflicts_with = "overwrite")]
    fill: bool,
    /// Lose the values of an env file that is there
    #[arg(long)]
    overwrite: bool,
}

/// Arguments of `status`.
#[derive(Debug, Args)]
pub struct StatusArguments {
    #[command(flatten)]
    env: EnvArgs,
    /// End with 2 where something is due or wrong
    #[arg(long)]
    detailed_exitcode: bool,
}

impl Command {
    /// Runs it.
    ///
    /// # Errors
    /// Those of each.
    pub fn run(&self, global: &Global) -> Result<Exit> {
        match self {
            Command::Init(arguments) => arguments.run(global),
            Command::Status(arguments) => arguments.run(global),
        }
    }
}

impl Init {
    fn run(&self, global: &Global) -> Result<Exit> {
        let context = self.env.context(global)?;
        let template = match &self.template {
            Some(path) => std::fs::read(path).map_err(|e| super::unreadable(path, e))?,
            None => TEMPLATE.as_bytes().to_vec(),
        };
        let made = init::init(&context.path, &template, self.fill, self.overwrite, &context.state)?;
        if global.format != Format::Table {
            output::document(&made, global.format)?;
            return Ok(Exit::Done);
        }
        let count = made.filled.len();
        output::note(&format!("{} secrets made in {}: {}", count, made.env_file, made.filled.join(", ")));
        output::note("its mode is 0600; keep it out of git, and see `llmsql secrets status`");
        Ok(Exit::Done)
    }
}

impl StatusArguments {
    fn run(&self, global: &Global) -> Result<Exit> {
        let context = self.env.context(global)?;
        let waits = env::settled(&context.path);
        let file = EnvFile::read_unsettled(&context.path)?;
        let pooler = Pooler::find(&context.config, &global.root())?;
        let userlist = pooler.as_ref().and_then(|p| p.userlist.as_deref());
        let status = status::status(&file, &context.config, &context.state, userlist)?;
        match global.format {
            Format::Table => output::stdout(&table(&status))?,
            format => output::document(&status, format)?,
        }
        waits?;
        Ok(if self.detailed_exitcode && status.wants_work() { Exit::Changes } else { Exit::Done })
    }
}

fn table(status: &Status) -> String {
    let mut out = format!("{} · mode {}\n", status.env_file, status.mode);
    out.extend(status.problems.iter().map(|p| format!("  ! {p}\n")));
    out.push('\n');
    let mut table = plain_table();
    table.set_header(["name", "kind", "age", "", "used by"]);
    for entry in &status.secrets {
        let days = entry.age_seconds / 86_400;
        let age = if entry.changed.is_some() { format!("{days} d") } else { format!("≥ {days} d") };
        let due = if entry.due { "due" } else { "" };
        table.add_row([entry.name.clone(), kind(entry.kind).to_owned(), age, due.to_owned(), entry.uses.join("; ")]);
        for problem in &entry.problems {
            table.add_row([format!("  ! {problem}")]);
        }
    }
    out + &table.trim_fmt() + "\n"
}

fn kind(kind: Option<Kind>) -> &'static str {
    match kind {
        Some(Kind::Role) => "role",
        Some(Kind::Application) => "application",
        Some(Kind::Jwt) => "jwt",
        Some(Kind::Salt) => "salt",
        Some(Kind::Foreign) => "foreign",
        None => "?",
    }
}

/// A secret given by the operator, as an argument that names where it stands.
#[derive(Debug, Clone, Args)]
pub struct Given {
    /// File with it; - for stdin (a prompt without echo at a terminal), credential:NAME for a systemd credential
    #[arg(value_name = "FILE", default_value = "-")]
    pub source: Source,
}

impl Given {
    /// Reads it.
    ///
    /// # Errors
    /// Those of [`Source::read`].
    pub fn read(&self, what: &str) -> Result<secrecy::SecretString> {
        self.source.read(what)
    }
}

/// What a command says where a confirmation was declined.
#[must_use]
pub fn declined() -> Error {
    Error::failed("secrets.declined", "nothing was changed")
}
