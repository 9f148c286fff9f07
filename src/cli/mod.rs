//! Arguments to operations: each subcommand's file holds its clap types and turns them into one call.

pub mod apikey;
pub mod apply;
pub mod changing;
pub mod completions;
pub mod config;
pub mod connection;
pub mod diff;
pub mod duckdb;
pub mod explain;
pub mod export;
pub mod extensions;
pub mod facts;
pub mod harden;
pub mod history;
pub mod index;
pub mod man;
pub mod plan;
pub mod planning;
pub mod profile;
pub mod query;
pub mod recover;
pub mod render;
pub mod rollback;
pub mod schema;
pub mod secrets;
pub mod status;
pub mod token;

use crate::error::{Error, Exit, Result};
use crate::output::{self, Format};
use crate::query::launch::{self, Worker};
use crate::root::Root;
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "llmsql",
    version,
    about,
    propagate_version = true,
    arg_required_else_help = true,
    max_term_width = 80
)]
pub struct Cli {
    /// Options every subcommand takes.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Options every subcommand takes.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// Form of the result on stdout; query has csv, jsonl, markdown and parquet as well
    #[arg(long, global = true, value_enum, default_value_t, env = "LLMSQL_FORMAT", help_heading = "Global options")]
    pub format: Format,
    /// Whether the form was asked for, by the option or its variable.
    #[arg(skip)]
    pub format_given: bool,
    /// A tree that stands for the host's file system, such as a mounted image
    #[arg(long, global = true, value_name = "DIR", help_heading = "Global options")]
    pub root: Option<PathBuf>,
    /// The operator's file [default: ./llmsql.toml if there is one, else /etc/llmsql/llmsql.toml]
    #[arg(long, global = true, value_name = "FILE", env = "LLMSQL_CONFIG", help_heading = "Global options")]
    pub config: Option<PathBuf>,
}

impl Global {
    /// The tree to read.
    #[must_use]
    pub fn root(&self) -> Root {
        self.root.as_ref().map_or_else(Root::live, Root::at)
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
#[allow(
    missing_docs,
    reason = "the arguments of a command say what it does; a comment here would hide what they say further"
)]
pub enum Command {
    /// Show what this host is: CPUs, memory, disks, kernel, limits and what is installed
    Facts(facts::Arguments),
    /// Show what every setting of the stack should be on this host, and why
    Plan(Box<plan::Arguments>),
    /// Say everything about one setting or one invariant: formula, numbers, caps, who set it, limits
    Explain(Box<explain::Arguments>),
    Render(render::Arguments),
    Diff(Box<diff::Arguments>),
    Apply(Box<apply::Arguments>),
    Rollback(rollback::Arguments),
    Recover(recover::Arguments),
    /// Show what was changed on this host, when and by whom, newest first; with a number, what that generation changed
    History(history::Arguments),
    Status(Box<status::Arguments>),
    Profile(profile::Arguments),
    Config(config::Arguments),
    /// Print the completion script of a shell
    Completions(completions::Arguments),
    /// Print the manual page, or write all of them into a folder
    Man(man::Arguments),
    /// Keep pgvector's indexes right: list, plan, rebuild without a moment without an index, measure recall
    #[command(subcommand)]
    Index(index::Command),
    /// Check a live database for what should be safer, and make it so: privileges, rows, TLS, logins, logging
    #[command(subcommand)]
    Harden(harden::Command),
    /// Make secrets, show what is due, rotate them everywhere at once, and bring them back
    #[command(subcommand)]
    Secrets(secrets::Command),
    /// Make, list, revoke and rotate API keys, with the tiers that nginx and the API know
    #[command(subcommand)]
    Apikey(apikey::Command),
    /// Sign, check and read JSON Web Tokens with the keys of the env file
    #[command(subcommand)]
    Token(token::Command),
    Query(Box<query::Arguments>),
    Schema(Box<schema::Arguments>),
    Export(Box<export::Arguments>),
    /// Look after DuckDB files: what they hold, statistics, checkpoints
    #[command(subcommand)]
    Duckdb(duckdb::Command),
    /// Show, install and prove DuckDB's extensions
    ///
    /// Where sqlite_scanner and postgres_scanner are installed, large SQLite files and large tables of a PostgreSQL server
    /// are loaded through them, as far as the values come out the same.
    #[command(subcommand)]
    Extensions(extensions::Command),
}

/// Parses the arguments, runs the operation, prints an error once, and returns the exit code.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    // The worker is started by this program only, and stands in no help text.
    if args.get(1).is_some_and(|a| a == crate::query::engine::WORKER) && args.len() == 2 {
        return ExitCode::from(crate::query::worker::main(std::io::stdin()));
    }
    let worker = launch::early(&args);
    let parsed = Cli::command().try_get_matches_from(&args).and_then(|matches| {
        let mut cli = Cli::from_arg_matches(&matches)?;
        cli.global.format_given = matches.value_source("format").is_some_and(|s| s != ValueSource::DefaultValue);
        Ok(cli)
    });
    let cli = match parsed {
        Ok(cli) => cli,
        Err(e) => return usage(&e, wanted_format(&args)),
    };
    let format = cli.global.format;
    let exit = run(cli, worker).unwrap_or_else(|e| {
        output::error(&e, format);
        e.exit
    });
    ExitCode::from(exit.code())
}

fn run(cli: Cli, worker: Option<Worker>) -> Result<Exit> {
    if let Some(dir) = cli.global.root.as_ref().filter(|dir| !dir.is_dir()) {
        return Err(Error::usage("root.missing", "there is no such folder to read as a host's file system")
            .at(format!("--root {}", dir.display()))
            .next("name the folder in which the other host's etc, proc and sys stand"));
    }
    if !cli.global.format.is_general() && !matches!(cli.command, Command::Query(_)) {
        return Err(Error::usage("format.rows", "only `llmsql query` has this format, since it is one of rows")
            .at("--format")
            .next("take table, json or yaml"));
    }
    match cli.command {
        Command::Facts(arguments) => arguments.run(&cli.global).map(|()| Exit::Done),
        Command::Plan(arguments) => plan::run(&arguments, &cli.global),
        Command::Explain(arguments) => explain::run(&arguments, &cli.global),
        Command::Render(arguments) => arguments.run(&cli.global).map(|()| Exit::Done),
        Command::Diff(arguments) => arguments.run(&cli.global),
        Command::Apply(arguments) => arguments.run(&cli.global),
        Command::Rollback(arguments) => arguments.run(&cli.global),
        Command::Recover(arguments) => arguments.run(&cli.global),
        Command::History(arguments) => arguments.run(&cli.global),
        Command::Status(arguments) => arguments.run(&cli.global),
        Command::Profile(arguments) => arguments.run(&cli.global).map(|()| Exit::Done),
        Command::Config(arguments) => arguments.run(&cli.global).map(|()| Exit::Done),
        Command::Completions(arguments) => arguments.run().map(|()| Exit::Done),
        Command::Man(arguments) => arguments.run().map(|()| Exit::Done),
        Command::Index(command) => command.run(&cli.global),
        Command::Harden(command) => command.run(&cli.global),
        Command::Secrets(command) => command.run(&cli.global),
        Command::Apikey(command) => command.run(&cli.global),
        Command::Token(command) => command.run(&cli.global),
        Command::Query(arguments) => query::run(&arguments, &cli.global, worker),
        Command::Export(arguments) => export::run(&arguments, &cli.global, worker),
        Command::Duckdb(command) => command.run(&cli.global).map(|()| Exit::Done),
        Command::Extensions(command) => command.run(&cli.global),
        Command::Schema(arguments) => schema::run(&arguments, &cli.global, worker).map(|()| Exit::Done),
    }
}

/// clap's own errors: help and version go to stdout and end with 0, everything else is a usage error (64, since 2
/// means "changes"), told like every other error.
fn usage(error: &clap::Error, format: Format) -> ExitCode {
    let help = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    if help {
        // A reader that has seen enough is no failure; a full disk is one.
        if let Err(e) = error.print().and_then(|()| std::io::stdout().flush())
            && e.kind() != std::io::ErrorKind::BrokenPipe
        {
            let error = Error::failed("output.write", "cannot write the result").at("stdout").because(e);
            output::error(&error, format);
            return ExitCode::from(error.exit.code());
        }
    } else if format != Format::Json {
        // It goes to stderr; there is nothing to do if it cannot be shown.
        let _ = error.print();
    } else {
        output::error(&as_error(error), format);
    }
    ExitCode::from(if help { Exit::Done } else { Exit::Usage }.code())
}

/// The format that a command line asks for which could not be parsed: its last `--format`, else `LLMSQL_FORMAT`.
fn wanted_format(args: &[OsString]) -> Format {
    let words: Vec<&str> = args.iter().map(|a| a.to_str().unwrap_or_default()).take_while(|a| *a != "--").collect();
    let said = words.iter().enumerate().rev().find_map(|(i, word)| match *word {
        "--format" => words.get(i + 1).copied(),
        word => word.strip_prefix("--format="),
    });
    let variable = std::env::var("LLMSQL_FORMAT").ok();
    said.or(variable.as_deref()).and_then(|word| Format::from_str(word, true).ok()).unwrap_or_default()
}

/// What clap found wrong: its message, and what it says of the right use.
fn as_error(error: &clap::Error) -> Error {
    let text = error.render().to_string();
    let paragraphs = text.split("\n\n").map(|p| p.split_whitespace().collect::<Vec<_>>().join(" "));
    let mut paragraphs = paragraphs.filter(|p| !p.is_empty());
    let what = match error.kind() {
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => "a subcommand or an argument is missing".to_owned(),
        _ => paragraphs.next().unwrap_or_default(),
    };
    let next: Vec<String> = match error.kind() {
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => vec!["`llmsql --help` shows them".to_owned()],
        _ => paragraphs.collect(),
    };
    Error::usage("usage", what.trim_start_matches("error: ")).at("command line").next(next.join("; "))
}

/// An unreadable or unusable argument file, as an error with its path.
#[must_use]
pub fn unreadable(path: &std::path::Path, cause: std::io::Error) -> Error {
    Error::usage("input.unreadable", "cannot be read").at(path.display()).because(cause)
}
