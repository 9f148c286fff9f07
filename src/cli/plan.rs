//! `llmsql plan`: what every setting should be, and why.

use super::Global;
use super::connection::ConnectionArgs;
use super::planning::Planning;
use crate::error::{Exit, Result};
use crate::output::{self, Format};
use crate::plan::{self, Plan, Severity};
use crate::postgres::live::Live;
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
    if arguments.connection.dsn.is_some() {
        facts.database = Some(Live::of(&arguments.connection.conninfo()?)?.fact());
    }
    let mut plan = plan::build(&facts, &profile)?;
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
