//! The flags that `plan`, `explain`, `render` and `diff` share: for which host, and what is wanted of it.

use super::{Cli, Global, facts};
use crate::error::{Error, Result};
use crate::facts::Facts;
use crate::formats::redact::redact;
use crate::profile::library::Entry;
use crate::profile::{self, Flag, Kind, Profile, Request, config, keys};
use crate::root::Root;
use crate::value::Value;
use clap::builder::PossibleValuesParser;
use clap::{Args, CommandFactory};
use std::collections::BTreeMap;

/// For which host to plan, and what is wanted of it.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "What to plan for")]
pub struct Planning {
    #[command(flatten)]
    source: facts::Source,
    /// Memory to plan for, instead of what the host has, such as 64GB (powers of 1024)
    #[arg(long, value_name = "SIZE")]
    ram: Option<String>,
    /// CPUs to plan for, instead of what the host has
    #[arg(long, value_name = "COUNT")]
    cpus: Option<String>,
    /// Class of the disk that holds the database, instead of what the kernel says
    #[arg(long, value_name = "CLASS", value_parser = words("host.disk"))]
    disk: Option<String>,
    /// How memory is shared out: budget (the whole stack within the host's memory) or guide (the guide's formulas on
    /// the whole of it) [default: budget]
    #[arg(long, value_name = "WAY", value_parser = words("plan.sizing"))]
    sizing: Option<String>,
    /// What the database does most; decides how PostgreSQL and DuckDB share memory and CPUs [default: by profile, else
    /// mixed]
    #[arg(long, value_name = "KIND", value_parser = words("plan.workload"))]
    workload: Option<String>,
    /// The profile, by name or file (./my.yaml) [default: the first whose conditions hold, see `llmsql profile list`]
    #[arg(long, value_name = "NAME|FILE")]
    profile: Option<String>,
    /// Sets one key, such as postgresql.work_mem=64MB; may be repeated (`llmsql config list --all` shows the keys)
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
}

/// The words a key takes, so that help and completions name them.
fn words(key: &str) -> PossibleValuesParser {
    match keys::lookup(key) {
        Some(Kind::Word(words)) => PossibleValuesParser::new(words),
        _ => PossibleValuesParser::new([""; 0]),
    }
}

impl Planning {
    /// The facts of the host to plan for, and what is wanted of it after precedence.
    ///
    /// # Errors
    /// Those of reading facts and of [`profile::resolve`].
    pub fn facts_and_profile(&self, global: &Global) -> Result<(Facts, Profile)> {
        let request = self.request(global)?;
        let mut facts = self.source.facts(global)?;
        let profile = profile::resolve(&facts, &request)?;
        no_secrets(&profile)?;
        // Which files they are only the configuration says.
        let named = |key: &str| profile.text(key).filter(|path| path.starts_with('/'));
        if let Some(root) = self.host(global) {
            for component in keys::COMPONENTS {
                if let Some(unit) = profile.text(&format!("limits.units.{component}.name")) {
                    crate::facts::read_unit(&root, unit, *component == "postgresql", &mut facts);
                }
            }
            for service in ["nginx", "postgresql"] {
                let file = |part: &str| named(&format!("{service}.{part}"));
                if let (Some(certificate), Some(key)) = (file("tls_certificate"), file("tls_certificate_key")) {
                    crate::facts::read_certificate(&root, certificate, key, &mut facts);
                }
            }
        }
        Ok((facts, profile))
    }

    /// What is wanted of the host, and the files of the profile and its ancestors, nearest first.
    ///
    /// # Errors
    /// Those of [`Planning::facts_and_profile`].
    pub fn profile_and_chain(&self, global: &Global) -> Result<(Profile, Vec<Entry>)> {
        profile::resolve_with_chain(&self.source.facts(global)?, &self.request(global)?)
    }

    /// The same, with this profile where one is given.
    #[must_use]
    pub fn with_profile(mut self, name: Option<String>) -> Self {
        self.profile = name.or(self.profile);
        self
    }

    /// The same, with the profile that is in force by itself.
    #[must_use]
    pub fn without_profile(mut self) -> Self {
        self.profile = None;
        self
    }

    /// The file system of the host that is planned for; `None` where its facts came from elsewhere.
    pub fn host(&self, global: &Global) -> Option<Root> {
        self.source.file.is_none().then(|| global.root())
    }

    fn request(&self, global: &Global) -> Result<Request> {
        let named = [
            ("--ram", "host.ram", &self.ram),
            ("--cpus", "host.cpus", &self.cpus),
            ("--disk", "host.disk", &self.disk),
            ("--sizing", "plan.sizing", &self.sizing),
            ("--workload", "plan.workload", &self.workload),
            ("--profile", "plan.profile", &self.profile),
        ];
        let mut flags: Vec<Flag> = named
            .into_iter()
            .filter_map(|(flag, key, value)| {
                value.as_ref().map(|value| Flag { flag: flag.into(), key: key.into(), value: value.clone() })
            })
            .collect();
        for setting in &self.settings {
            let (key, value) = setting.split_once('=').ok_or_else(|| {
                Error::usage("flag.invalid", format!("\"{setting}\" is not KEY=VALUE"))
                    .at("--set")
                    .next("write it as in --set postgresql.work_mem=64MB")
            })?;
            flags.push(Flag { flag: "--set".into(), key: key.trim().into(), value: value.into() });
        }
        let root = global.root();
        let config = config::locate(global.config.as_deref(), &root)?;
        Ok(Request { flags, environment: environment()?, config, root })
    }
}

/// The variables of the environment that may set a value: those named `LLMSQL_*` that belong to no option.
///
/// # Errors
/// One of them is no UTF-8.
fn environment() -> Result<BTreeMap<String, String>> {
    let options = option_variables(&Cli::command());
    std::env::vars_os()
        .filter_map(|(name, value)| {
            let name = name.into_string().ok().filter(|n| n.starts_with("LLMSQL_") && !options.contains(n))?;
            Some(match value.into_string() {
                Ok(value) => Ok((name, value)),
                Err(_) => Err(Error::usage("environment.encoding", "the value is not UTF-8").at(name)),
            })
        })
        .collect()
}

/// The variables that options of any subcommand read by themselves.
fn option_variables(command: &clap::Command) -> Vec<String> {
    let own = command.get_arguments().filter_map(|a| a.get_env().map(|e| e.to_string_lossy().into_owned()));
    own.chain(command.get_subcommands().flat_map(option_variables)).collect()
}

/// Refuses a password among the configured values: plans are shown, stored and mailed.
fn no_secrets(profile: &Profile) -> Result<()> {
    for (key, sourced) in &profile.values {
        if let Value::Text(text) = &sourced.value
            && redact(format!("x = {text}\n").as_bytes()).1 > 0
        {
            return Err(Error::usage("secret.configured", format!("the value of {key} holds a password"))
                .at(&sourced.origin)
                .next("name a service, a passfile or an auth_file instead; a plan is shown and stored"));
        }
    }
    Ok(())
}
