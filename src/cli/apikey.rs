//! `llmsql apikey create|list|revoke|rotate|check`.

use super::Global;
use super::config::plain_table;
use super::secrets::{Context, EnvArgs, Given};
use crate::error::{Error, Exit, Result};
use crate::output::{self, Format};
use crate::plan::nginx::API_KEYS_FILE as MAP;
use crate::secrets::apikey::{self, ApiKey, Keys, Tier};
use crate::secrets::env::EnvFile;
use clap::{Args, Subcommand};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use std::path::PathBuf;

/// What to do with API keys.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a key and print it: this once
    ///
    /// The key goes to stdout, everything else to stderr. It is kept as a keyed hash (HMAC-SHA256 under API_KEY_SALT);
    /// nginx's map holds it whole, in a file of mode 0600, and nginx knows it from its next reload on.
    #[command(
        after_help = "Examples:\n  llmsql apikey create --name ada --tier premium\n  llmsql apikey create --name ci > key && nginx -s reload"
    )]
    Create(Create),
    /// Show every key: id, name, tier and its limits, whether nginx has it; never the key
    List(List),
    /// End a key: it is out of nginx's map at once, and refused from nginx's next reload on
    Revoke(One),
    /// Make a key in the place of another, with its name and tier, and end the old one
    Rotate(Rotate),
    /// Say whose key this is, or that it is none (12)
    #[command(
        after_help = "Examples:\n  llmsql apikey check < key\n  llmsql apikey check                # asks for it without echo"
    )]
    Check(Check),
}

/// Where keys are kept.
#[derive(Debug, Clone, Default, Args)]
pub struct Where {
    #[command(flatten)]
    env: EnvArgs,
    /// nginx's map of whole keys [default: api_keys_file of [secrets] or of [nginx] in llmsql.toml, else /etc/nginx/secrets/api-keys.map]
    #[arg(long, value_name = "FILE")]
    map: Option<PathBuf>,
}

/// Arguments of `create`.
#[derive(Debug, Args)]
pub struct Create {
    #[command(flatten)]
    place: Where,
    /// Whose key it is, in your words
    #[arg(long)]
    name: String,
    /// free, premium, enterprise, or one of [secrets.tiers] in llmsql.toml
    #[arg(long, default_value = "free")]
    tier: String,
}

/// Arguments of `list`.
#[derive(Debug, Args)]
pub struct List {
    #[command(flatten)]
    place: Where,
    /// Revoked keys as well
    #[arg(long)]
    all: bool,
}

/// Arguments of `revoke`.
#[derive(Debug, Args)]
pub struct One {
    #[command(flatten)]
    place: Where,
    /// The id: the middle part of a key
    id: String,
}

/// Arguments of `rotate`.
#[derive(Debug, Args)]
pub struct Rotate {
    #[command(flatten)]
    one: One,
    /// Leave the old key alive, to be revoked once its user has the new one
    #[arg(long)]
    keep_old: bool,
}

/// Arguments of `check`.
#[derive(Debug, Args)]
pub struct Check {
    #[command(flatten)]
    env: EnvArgs,
    #[command(flatten)]
    key: Given,
}

#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    key: &'a ApiKey,
    per_second: Option<u64>,
    per_hour: Option<u64>,
    /// Whether nginx's map has it; `null` where there is no map.
    in_map: Option<bool>,
    problems: Vec<String>,
}

#[derive(Serialize)]
struct Made<'a> {
    #[serde(flatten)]
    key: &'a ApiKey,
    /// The whole key: this once.
    api_key: &'a str,
    map: Option<String>,
}

impl Command {
    /// Runs it.
    ///
    /// # Errors
    /// Those of each.
    pub fn run(&self, global: &Global) -> Result<Exit> {
        match self {
            Command::Create(arguments) => arguments.run(global),
            Command::List(arguments) => arguments.run(global),
            Command::Revoke(arguments) => arguments.run(global),
            Command::Rotate(arguments) => arguments.run(global),
            Command::Check(arguments) => arguments.run(global),
        }
        .map(|()| Exit::Done)
    }
}

impl Where {
    fn with<T>(&self, global: &Global, work: impl FnOnce(&Keys<'_>, &[Tier]) -> Result<T>) -> Result<T> {
        let context = self.env.context(global)?;
        let env = EnvFile::read(&context.path)?;
        let map = self.map(&context, global)?;
        work(&Keys::open(&context.state, &env, map)?, &apikey::tiers(&context.config))
    }

    /// The map; none where nobody names one and there is no nginx.
    fn map(&self, context: &Context, global: &Global) -> Result<Option<PathBuf>> {
        let planned = || {
            let item = context.document.table("nginx")?.get("api_keys_file")?;
            item.as_str().map(PathBuf::from)
        };
        let named = self.map.clone().or_else(|| context.config.api_keys_file.clone()).or_else(planned);
        if named.is_some() {
            return Ok(named);
        }
        let wrong = |e| Error::failed("apikey.map", "cannot be found").at(MAP).because(e);
        let path = global.root().resolve(MAP).map_err(wrong)?;
        Ok(path.parent().and_then(|secrets| secrets.parent()).is_some_and(|nginx| nginx.is_dir()).then_some(path))
    }
}

fn find_tier<'a>(tiers: &'a [Tier], name: &str) -> Result<&'a Tier> {
    tiers.iter().find(|t| t.name == name).ok_or_else(|| {
        let names: Vec<&str> = tiers.iter().map(|t| t.name.as_str()).collect();
        Error::usage("apikey.tier", format!("there is no tier {name:?}"))
            .at("--tier")
            .next(format!("take one of {}, or add [secrets.tiers.{name}] to llmsql.toml", names.join(", ")))
    })
}

fn show_new(keys: &Keys<'_>, key: &ApiKey, whole: &SecretString, format: Format) -> Result<()> {
    let map = keys.map.as_ref().map(|m| m.display().to_string());
    let next = match &map {
        Some(map) => format!("nginx has it from its next reload on (nginx -s reload); {map} holds it whole"),
        None => "no nginx was found here, so no map of keys was written; name one with --map".to_owned(),
    };
    match format {
        Format::Table => output::stdout(&format!("{}\n", whole.expose_secret()))?,
        format => output::document(&Made { key, api_key: whole.expose_secret(), map }, format)?,
    }
    output::note(&format!("key {} ({}, {}): shown this once, so keep it now", key.id, key.name, key.tier));
    output::note(&next);
    Ok(())
}

impl Create {
    fn run(&self, global: &Global) -> Result<()> {
        self.place.with(global, |keys, tiers| {
            let (key, whole) = keys.create(find_tier(tiers, &self.tier)?, &self.name)?;
            show_new(keys, &key, &whole, global.format)
        })
    }
}

impl List {
    fn run(&self, global: &Global) -> Result<()> {
        self.place.with(global, |keys, tiers| {
            let mapped = keys.mapped()?;
            let all = keys.all()?;
            let shown: Vec<Shown<'_>> = all
                .iter()
                .filter(|k| self.all || k.revoked.is_none())
                .map(|key| shown(keys, key, tiers, mapped.as_deref()))
                .collect();
            let strays = mapped.unwrap_or_default().into_iter().filter(|(id, _)| !all.iter().any(|k| k.id == *id));
            for (id, _) in strays {
                output::note(&format!("warning: nginx's map has a key {id} that was not made here; revoke cannot end it, take its line out by hand"));
            }
            match global.format {
                Format::Table => output::stdout(&table(&shown)),
                format => output::document(&shown, format),
            }
        })
    }
}

fn shown<'a>(keys: &Keys<'_>, key: &'a ApiKey, tiers: &[Tier], mapped: Option<&[(String, String)]>) -> Shown<'a> {
    let tier = tiers.iter().find(|t| t.name == key.tier);
    let entry = mapped.map(|m| m.iter().find(|(id, _)| *id == key.id));
    let mut problems = Vec::new();
    match (key.revoked.is_some(), entry) {
        (false, Some(None)) => problems.push("is not in nginx's map: rotate it".to_owned()),
        (true, Some(Some(_))) => problems.push("is revoked and still in nginx's map: revoke it again".to_owned()),
        (false, Some(Some((_, word)))) if tier.is_some_and(|t| t.nginx != *word) => {
            problems.push(format!("has another tier in nginx's map: {word}"));
        }
        _ => {}
    }
    if tier.is_none() {
        problems.push("its tier is gone from llmsql.toml".to_owned());
    }
    if key.revoked.is_none() && !keys.has_salt(key) {
        problems.push("the salt it was hashed under is gone: rotate it".to_owned());
    }
    Shown {
        key,
        per_second: tier.map(|t| t.per_second),
        per_hour: tier.map(|t| t.per_hour),
        in_map: entry.map(|e| e.is_some()),
        problems,
    }
}

fn table(keys: &[Shown<'_>]) -> String {
    let mut table = plain_table();
    table.set_header(["id", "name", "tier", "per second", "per hour", "made", "nginx", ""]);
    let number = |n: Option<u64>| n.map_or_else(|| "?".to_owned(), |n| n.to_string());
    for shown in keys {
        let nginx = match shown.in_map {
            Some(true) => "yes",
            Some(false) => "no",
            None => "-",
        };
        let state = shown.key.revoked.as_ref().map(|at| format!("revoked {at}"));
        let remarks: Vec<String> = state.into_iter().chain(shown.problems.iter().cloned()).collect();
        table.add_row([
            shown.key.id.clone(),
            shown.key.name.clone(),
            shown.key.tier.clone(),
            number(shown.per_second),
            number(shown.per_hour),
            shown.key.created.clone(),
            nginx.to_owned(),
            remarks.join("; "),
        ]);
    }
    table.trim_fmt() + "\n"
}

impl One {
    fn run(&self, global: &Global) -> Result<()> {
        self.place.with(global, |keys, _| {
            let key = keys.revoke(&self.id)?;
            if global.format != Format::Table {
                return output::document(&key, global.format);
            }
            output::note(&format!("key {} ({}) is revoked", key.id, key.name));
            if keys.map.is_some() {
                output::note("nginx refuses it from its next reload on: nginx -s reload");
            }
            Ok(())
        })
    }
}

impl Rotate {
    fn run(&self, global: &Global) -> Result<()> {
        self.one.place.with(global, |keys, tiers| {
            let old = keys.find(&self.one.id)?;
            if let Some(at) = &old.revoked {
                return Err(Error::usage("apikey.revoked", format!("the key {} was revoked at {at}", old.id))
                    .next(format!("make another: llmsql apikey create --name {} --tier {}", old.name, old.tier)));
            }
            let (key, whole) = keys.create(find_tier(tiers, &old.tier)?, &old.name)?;
            if !self.keep_old {
                keys.revoke(&old.id)?;
            }
            show_new(keys, &key, &whole, global.format)?;
            let state = if self.keep_old { "lives on until it is revoked" } else { "is revoked" };
            output::note(&format!("the old key {} {state}", old.id));
            Ok(())
        })
    }
}

impl Check {
    fn run(&self, global: &Global) -> Result<()> {
        let context = self.env.context(global)?;
        let env = EnvFile::read(&context.path)?;
        let key = self.key.read("API key")?;
        let found = Keys::open(&context.state, &env, None)?.check(&key)?;
        match global.format {
            Format::Table => output::stdout(&format!("{}\t{}\t{}\n", found.id, found.tier, found.name)),
            format => output::document(&found, format),
        }
    }
}
