//! `llmsql profile`: what kinds of host there are, and which one this is.

use super::Global;
use super::config::{Effective, plain_table, values_table};
use super::planning::Planning;
use crate::error::Result;
use crate::output::{self, Format};
use crate::profile::library::Library;
use clap::{Args as ClapArgs, Subcommand};
use serde::Serialize;
use std::path::Path;

/// Show the profiles: what each is for, which one this host gets and why, and what it sets
///
/// A profile is a YAML file with a name, a description, another profile that it extends, the conditions under which it
/// is chosen by itself, and values. The operator's own stand in /etc/llmsql/profiles and are tried first; any file can
/// be named with --profile ./my.yaml.
#[derive(Debug, ClapArgs)]
#[command(arg_required_else_help = true)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the profiles; the one in force on this host is marked with *
    List(Planning),
    /// Show one profile as it works out on this host: why it is in force, every value and where it comes from
    ///
    /// Without a name, the profile in force.
    #[command(
        after_help = "Examples:\n  llmsql profile show\n  llmsql profile show analytics\n  llmsql profile show --ram 64GB ./my.yaml"
    )]
    Show {
        /// Name or file of the profile
        #[arg(value_name = "NAME|FILE", conflicts_with = "profile")]
        name: Option<String>,
        #[command(flatten)]
        planning: Planning,
    },
}

#[derive(Debug, Serialize)]
struct Listed {
    name: String,
    in_force: bool,
    when: Option<String>,
    extends: Option<String>,
    source: String,
    description: String,
}

#[derive(Debug, Serialize)]
struct Shown {
    name: String,
    rule: String,
    chain: Vec<String>,
    source: String,
    description: String,
    values: Vec<Effective>,
}

impl Arguments {
    /// Prints.
    ///
    /// # Errors
    /// Those of resolving the profile and of printing.
    pub fn run(self, global: &Global) -> Result<()> {
        match self.action {
            Action::List(planning) => list(&planning, global),
            Action::Show { name, planning } => {
                let named = name.is_some();
                show(&planning.with_profile(name), named, global)
            }
        }
    }
}

fn list(planning: &Planning, global: &Global) -> Result<()> {
    let (_, profile) = planning.facts_and_profile(global)?;
    let library = Library::open(&global.root())?;
    let mut listed = Vec::new();
    for name in library.names() {
        let entry = library.find(&name, Path::new(""))?;
        listed.push(Listed {
            in_force: name == profile.name,
            when: entry.file.when.as_ref().map(|when| when.words(None)),
            extends: entry.file.extends.clone(),
            source: entry.source.to_string(),
            description: entry.file.description.clone(),
            name,
        });
    }
    if global.format != Format::Table {
        return output::document(&listed, global.format);
    }
    let mut table = plain_table();
    table.set_header(["  profile", "chosen where", "for"]);
    for profile in listed {
        let mark = if profile.in_force { "*" } else { " " };
        let sentence = first_sentence(&profile.description);
        let about = if profile.source == "built in" { sentence } else { format!("{sentence} ({})", profile.source) };
        table.add_row([
            format!("{mark} {}", profile.name),
            profile.when.unwrap_or_else(|| "by name only".to_owned()),
            about,
        ]);
    }
    output::stdout(&format!("{}\n\n* in force on this host: {} ({})\n", table.trim_fmt(), profile.name, profile.rule))
}

fn show(planning: &Planning, named: bool, global: &Global) -> Result<()> {
    let (mut profile, chain) = planning.profile_and_chain(global)?;
    if named {
        // It was asked for by its name, and by no flag.
        let (_, force) = planning.clone().without_profile().facts_and_profile(global)?;
        profile.rule = if force.name == profile.name {
            format!("in force here: {}", force.rule)
        } else {
            format!("not in force here, {} is ({})", force.name, force.rule)
        };
        profile.values.remove("plan.profile");
    }
    let values: Vec<Effective> = profile.values.iter().map(|(key, sourced)| Effective::new(key, sourced)).collect();
    let (source, description) =
        chain.into_iter().next().map(|e| (e.source.to_string(), e.file.description)).unwrap_or_default();
    let shown = Shown { name: profile.name, rule: profile.rule, chain: profile.chain, source, description, values };
    if global.format != Format::Table {
        return output::document(&shown, global.format);
    }
    let width = output::plan::width();
    let mut text = String::new();
    let label = if named { shown.rule.clone() } else { format!("chosen: {}", shown.rule) };
    for line in [format!("{} ({})", shown.name, shown.source), label] {
        output::plan::paragraph(&mut text, &line, "", width);
    }
    if shown.chain.len() > 1 {
        text += &format!("extends: {}\n", shown.chain.join(" → "));
    }
    text.push('\n');
    output::plan::paragraph(&mut text, &shown.description, "", width);
    text.push('\n');
    if shown.values.is_empty() {
        text += "It sets nothing: the plan derives every value from the host's facts.\n";
    } else {
        text += &values_table(&shown.values);
    }
    output::stdout(&text)
}

/// The description's first sentence, on one line.
fn first_sentence(description: &str) -> String {
    let line = description.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.find(". ") {
        Some(end) => line.get(..=end).unwrap_or(&line).to_owned(),
        None => line,
    }
}
