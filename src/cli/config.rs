//! `llmsql config`: the operator's file.

use super::Global;
use super::planning::Planning;
use crate::error::{Error, Exit, Result};
use crate::output::{self, Format, file};
use crate::plan::specs;
use crate::profile::config::{self, Document};
use crate::profile::{Sourced, edit, input, keys, variable};
use crate::value::Value;
use clap::{Args as ClapArgs, Subcommand};
use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;
use std::fs;
use std::path::Path;

/// Read and change llmsql.toml, the operator's own values
///
/// A value is taken from the first place that has one: a flag, a variable LLMSQL_* (LLMSQL_HOST_RAM for host.ram),
/// llmsql.toml, the profile; what none of them sets the plan derives from the host's facts.
#[derive(Debug, ClapArgs)]
#[command(arg_required_else_help = true)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Print the value in effect: from the environment, llmsql.toml or the profile
    ///
    /// A key that none of them sets is an error (1): the plan derives it, and `llmsql explain KEY` shows how.
    #[command(after_help = "Examples:\n  llmsql config get host.ram\n  llmsql config get --show-origin plan.workload")]
    Get {
        /// The key, such as host.ram
        key: String,
        /// Print where the value comes from as well, after a tab
        #[arg(long)]
        show_origin: bool,
    },
    /// Set a key in llmsql.toml; comments, order and formatting stay as they are
    ///
    /// The value is checked before anything is written: sizes and durations need their unit (64GB, 30s), lists are
    /// separated by commas.
    #[command(
        after_help = "Examples:\n  llmsql config set host.ram 64GB\n  llmsql config set host.components postgresql,pgbouncer\n  llmsql config set kernel.vm.swappiness 10"
    )]
    Set {
        /// The key, such as host.ram
        key: String,
        /// The value
        #[arg(allow_hyphen_values = true)]
        value: String,
    },
    /// Remove a key from llmsql.toml, so that the profile sets it or the plan derives it
    #[command(after_help = "Example:\n  llmsql config unset host.ram")]
    Unset {
        /// The key, such as host.ram
        key: String,
    },
    /// List every value in effect with where it comes from
    #[command(after_help = "Examples:\n  llmsql config list\n  llmsql config list --all --format json")]
    List {
        /// List every key there is, with what it takes and what it is for
        #[arg(long)]
        all: bool,
    },
}

/// A value in effect.
#[derive(Debug, Serialize)]
pub struct Effective {
    /// The key.
    pub key: String,
    /// The value, sizes and durations with their unit.
    pub value: serde_json::Value,
    /// Where it comes from, in words.
    pub origin: String,
}

impl Effective {
    /// A value as a person writes it in the file.
    #[must_use]
    pub fn new(key: &str, sourced: &Sourced) -> Self {
        let value = match &sourced.value {
            Value::Bool(b) => (*b).into(),
            Value::Int(i) => (*i).into(),
            Value::Float(f) => (*f).into(),
            Value::Bytes(b) => crate::units::format_bytes(*b).into(),
            Value::Millis(ms) => crate::units::format_millis(*ms).into(),
            Value::Text(t) => t.as_str().into(),
            Value::List(items) => items.as_slice().into(),
        };
        Effective { key: key.to_owned(), value, origin: sourced.origin.to_string() }
    }

    /// The value as `config set` takes it.
    #[must_use]
    pub fn text(&self) -> String {
        match &self.value {
            serde_json::Value::String(text) => text.clone(),
            serde_json::Value::Array(items) => items.iter().filter_map(|i| i.as_str()).collect::<Vec<_>>().join(","),
            other => other.to_string(),
        }
    }
}

/// A key that can be configured.
#[derive(Debug, Serialize)]
struct Known {
    key: &'static str,
    takes: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<String>,
    variable: String,
}

impl Arguments {
    /// Runs the action.
    ///
    /// # Errors
    /// Those of reading, checking and writing the file.
    pub fn run(&self, global: &Global) -> Result<()> {
        match &self.action {
            Action::Get { key, show_origin } => get(key, *show_origin, global),
            Action::Set { key, value } => set(key, value, global),
            Action::Unset { key } => unset(key, global),
            Action::List { all: true } => list_known(global),
            Action::List { all: false } => list(global),
        }
    }
}

fn get(key: &str, show_origin: bool, global: &Global) -> Result<()> {
    if keys::in_section(key) {
        return get_of_section(key, show_origin, global);
    }
    if keys::lookup(key).is_none() {
        return Err(edit::unknown(key));
    }
    let (_, profile) = Planning::default().facts_and_profile(global)?;
    let Some(sourced) = profile.get(key) else {
        return Err(Error::failed("config.unset", format!("{key} is not set: the plan derives it"))
            .next(format!("`llmsql explain {key}` shows how; `llmsql config set {key} VALUE` sets it")));
    };
    let effective = Effective::new(key, sourced);
    match global.format {
        Format::Table if show_origin => output::stdout(&format!("{}\t{}\n", effective.text(), effective.origin)),
        Format::Table => output::stdout(&format!("{}\n", effective.text())),
        format => output::document(&effective, format),
    }
}

/// A value of a table that another module reads: only the file has such.
fn get_of_section(key: &str, show_origin: bool, global: &Global) -> Result<()> {
    let document = Document::read(&config::locate(global.config.as_deref(), &global.root())?)?;
    let Some((value, origin)) = edit::written(&document, key) else {
        return Err(Error::failed("config.unset", format!("{key} is not set"))
            .at(document.shown())
            .next(format!("`llmsql config set {key} VALUE` sets it")));
    };
    match global.format {
        Format::Table if show_origin => output::stdout(&format!("{value}\t{origin}\n")),
        Format::Table => output::stdout(&format!("{value}\n")),
        format => output::document(&Effective { key: key.to_owned(), value: value.into(), origin }, format),
    }
}

fn list(global: &Global) -> Result<()> {
    let (_, profile) = Planning::default().facts_and_profile(global)?;
    let values: Vec<Effective> = profile.values.iter().map(|(key, sourced)| Effective::new(key, sourced)).collect();
    match global.format {
        Format::Table if values.is_empty() => {
            output::note("nothing is set: the plan derives every value (`llmsql config list --all` shows the keys)");
            Ok(())
        }
        Format::Table => output::stdout(&values_table(&values)),
        format => output::document(&values, format),
    }
}

/// Values for people: key, value, origin.
#[must_use]
pub fn values_table(values: &[Effective]) -> String {
    let mut table = plain_table();
    for value in values {
        table.add_row([value.key.clone(), value.text(), value.origin.clone()]);
    }
    table.trim_fmt() + "\n"
}

/// A table without lines, at most as wide as the terminal, or 80 columns.
#[must_use]
pub fn plain_table() -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    if table.width().is_none() {
        table.set_width(80);
    }
    table
}

fn list_known(global: &Global) -> Result<()> {
    let known: Vec<Known> = keys::names()
        .iter()
        .filter_map(|key| {
            let help = keys::help(key).map(str::to_owned).or_else(|| {
                let spec = specs::find(key)?;
                let guide = spec.guide.map(|section| format!(" (guide, section {section})")).unwrap_or_default();
                Some(format!("Pins {}'s {} instead of deriving it{guide}", spec.component.name(), spec.name))
            });
            Some(Known { key, takes: input::expected(keys::lookup(key)?), help, variable: variable(key) })
        })
        .collect();
    if global.format != Format::Table {
        return output::document(&known, global.format);
    }
    let mut table = plain_table();
    for key in known {
        let text = match key.help {
            Some(help) => format!("{help}; {}", key.takes),
            None => key.takes,
        };
        table.add_row([key.key.to_owned(), text]);
    }
    output::stdout(&(table.trim_fmt() + "\n"))
}

fn set(key: &str, value: &str, global: &Global) -> Result<()> {
    let written = change(global, true, |document| edit::set(document, key, value).map(|(text, w)| Some((text, w))))?;
    if let Some((path, written)) = written {
        output::note(&format!("{path}: {key} = {written}"));
    }
    if keys::in_section(key) {
        output::note("note: this table is checked by the commands that read it, not here");
    }
    let name = variable(key);
    if std::env::var_os(&name).is_some_and(|v| !v.is_empty()) {
        output::note(&format!("note: {name} is set in the environment and wins over the file"));
    }
    Ok(())
}

fn unset(key: &str, global: &Global) -> Result<()> {
    match change(global, false, |document| Ok(edit::unset(document, key)?.map(|text| (text, ()))))? {
        Some((path, ())) => {
            output::note(&format!("{path}: {key} removed"));
            Ok(())
        }
        None if keys::lookup(key).is_none() => Err(edit::unknown(key)),
        None => {
            output::note(&format!("{key} is not set in the file; nothing to remove"));
            Ok(())
        }
    }
}

/// Changes the operator's file under a lock; the file's path and what the change said, where it was changed.
fn change<T>(
    global: &Global,
    create: bool,
    edit: impl Fn(&Document) -> Result<Option<(String, T)>>,
) -> Result<Option<(String, T)>> {
    let mut location = config::locate(global.config.as_deref(), &global.root())?;
    let path = file::target(&location.path)?;
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    if !folder.exists() {
        if !create {
            return Ok(None);
        }
        if location.named {
            return Err(Error::new(Exit::Usage, "config.folder", "the folder does not exist").at(folder.display()));
        }
        // What is refused leaves nothing behind, not even the folder.
        edit(&Document::read(&location)?)?;
        fs::create_dir_all(folder)
            .map_err(|e| Error::failed("config.folder", "cannot be created").at(folder.display()).because(e))
            .map_err(|e| e.next("run it as root, or name a file of your own with --config"))?;
    }
    let _lock = file::lock(folder)?;
    // A named file that is to be written need not exist yet.
    location.named &= !create;
    let document = Document::read(&location)?;
    let Some((text, said)) = edit(&document)? else { return Ok(None) };
    if text != document.text() {
        file::replace(&path, text.as_bytes())?;
    }
    Ok(Some((location.path.display().to_string(), said)))
}
