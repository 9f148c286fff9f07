//! `llmsql plan`: what every setting should be, and why.

use super::Global;
use super::connection::ConnectionArgs;
use super::planning::Planning;
use crate::error::{Error, Exit, Result};
use crate::output::{self, Format};
use crate::plan::{self, Component, Plan, Severity};
use crate::profile::keys::COMPONENTS;
use clap::Args;

/// Arguments of `llmsql plan`.
#[derive(Debug, Clone, Args)]
pub struct Arguments {
    #[command(flatten)]
    planning: Planning,
    #[command(flatten)]
    connection: ConnectionArgs,
    /// Show only these components: postgresql, pgbouncer, nginx, api, duckdb, sqlite, kernel, limits, disk, containers
    #[arg(long, value_name = "COMPONENT", value_delimiter = ',', value_parser = clap::builder::PossibleValuesParser::new(NAMES))]
    only: Vec<String>,
    /// End with exit code 5 if an invariant of severity error is violated
    #[arg(long)]
    check: bool,
    /// Print the JSON Schema of `plan --format json` instead of a plan
    #[arg(long, exclusive = true)]
    schema: bool,
}

/// Refuses a component that this plan has nothing for.
///
/// # Errors
/// `only.absent`, with the components there are.
pub fn planned<T: AsRef<str>>(plan: &Plan, only: &[T]) -> Result<()> {
    let has = |name: &str| plan.settings.iter().any(|s| s.component.name() == name);
    let Some(name) = only.iter().map(AsRef::as_ref).find(|name| !has(name)) else { return Ok(()) };
    let there: Vec<&str> = Component::ALL.iter().map(|c| c.name()).filter(|name| has(name)).collect();
    let what = format!("{name} is not planned for this host, which gets {}", there.join(", "));
    let next = match name {
        "containers" => "limits of containers are planned where Docker is installed".to_owned(),
        "disk" | "kernel" => "a container's kernel and disks are those of its host: plan there".to_owned(),
        name if COMPONENTS.contains(&name) => {
            let list: Vec<&str> = plan.host.components.iter().copied().chain([name]).collect();
            format!("have it planned with --set host.components={}", list.join(","))
        }
        _ => "leave it out of --only".to_owned(),
    };
    Err(Error::usage("only.absent", what).at("--only").next(next))
}

const NAMES: [&str; 10] =
    ["postgresql", "pgbouncer", "nginx", "api", "duckdb", "sqlite", "kernel", "limits", "disk", "containers"];

/// Runs `llmsql plan`.
///
/// # Errors
/// Those of reading facts, of the configuration, and of planning.
pub fn run(arguments: &Arguments, global: &Global) -> Result<Exit> {
    if arguments.schema {
        output::document(&schemars::schema_for!(Plan), Format::Json)?;
        return Ok(Exit::Done);
    }
    let (mut facts, profile) = arguments.planning.facts_and_profile(global)?;
    arguments.connection.live(&mut facts)?;
    let mut plan = plan::build(&facts, &profile)?;
    planned(&plan, &arguments.only)?;
    let broken = plan.findings.iter().any(|f| f.severity == Severity::Error);
    if !arguments.only.is_empty() {
        plan.settings.retain(|s| arguments.only.iter().any(|name| name == s.component.name()));
    }
    match global.format {
        Format::Table => output::stdout(&output::plan::table(&plan, output::plan::width()))?,
        format => output::document(&plan, format)?,
    }
    Ok(if arguments.check && broken { Exit::Invariant } else { Exit::Done })
}
