//! `llmsql render`: the plan as files.

use super::Global;
use super::connection::ConnectionArgs;
use super::planning::Planning;
use crate::error::{Error, Result};
use crate::formats::redact;
use crate::output::{self, Format};
use crate::plan::{Component, Plan, build};
use crate::render::layout::{self, Output};
use crate::render::{self, Options, Ownership, Placed, RenderedFile, Templates, files};
use crate::root::Root;
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;
use std::fmt::Write;
use std::io;
use std::path::PathBuf;

/// Write the plan as configuration files, each value below its reason
///
/// Nothing on the host is changed: --out lays the files out in a folder as they would stand on the host; without it
/// they go to stdout. The same facts and profile give the same bytes. Of a file that stays the operator's (shared) the
/// host's own is taken, with our keys put in and passwords left out.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    llmsql render --out rendered\n  \
    llmsql render --only pgbouncer\n  \
    llmsql render --facts db1.json --out db1\n  \
    llmsql render --patroni\n  \
    llmsql render --list\n\n\
    Exit codes: 0 done, 5 the plan violates an invariant, 13 no right or no space, 64 usage (DIR is not empty, a \
    template has a fault).")]
pub struct Arguments {
    /// Folder to lay the files out in, such as ./rendered; it must not exist, be empty, or hold an earlier render,
    /// which is then replaced as a whole
    #[arg(long, value_name = "DIR", conflicts_with_all = ["list", "patroni"])]
    out: Option<PathBuf>,
    /// Only the files of this component; may be repeated
    #[arg(long, value_name = "COMPONENT", value_parser = component_parser(&[]))]
    only: Vec<Component>,
    /// List the files: template, target, ownership, and the variables the template reads
    #[arg(long, conflicts_with = "patroni")]
    list: bool,
    /// Folder of templates that replace built-in ones of the same name (see --list), one by one
    #[arg(long, value_name = "DIR")]
    templates: Option<PathBuf>,
    /// Print PostgreSQL's settings as Patroni's YAML; Patroni writes PostgreSQL's own files itself
    #[arg(long, conflicts_with = "only")]
    patroni: bool,
    /// Replace a file of the operator's own that has more in it than ours (NGINX's main file), instead of writing ours
    /// beside it
    #[arg(long)]
    adopt: bool,
    /// Render although this invariant is violated, such as memory.total; may be repeated
    #[arg(long, value_name = "INVARIANT")]
    allow: Vec<String>,
    #[command(flatten)]
    planning: Planning,
    #[command(flatten)]
    connection: ConnectionArgs,
}

/// The components that have files, and these, by name.
pub(super) fn component_parser(others: &'static [Component]) -> impl TypedValueParser<Value = Component> {
    let known =
        move || Component::ALL.iter().filter(|c| others.contains(c) || files::TABLE.iter().any(|f| f.component == **c));
    PossibleValuesParser::new(known().map(|c| c.name()))
        .try_map(move |name| known().find(|c| c.name() == name).copied().ok_or("no component with files has this name"))
}

/// A file as `--format json` shows it.
#[derive(Serialize)]
struct Shown<'a> {
    path: &'a str,
    template: &'static str,
    ownership: Ownership,
    component: Component,
    mode: String,
    bytes: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<String>,
}

/// A row of `--list`.
#[derive(Serialize)]
struct Row {
    template: &'static str,
    target: String,
    ownership: Ownership,
    component: Component,
    mode: String,
    rendered: bool,
    variables: Vec<String>,
}

impl Arguments {
    /// Plans, renders everything in memory, and writes it.
    ///
    /// # Errors
    /// Those of planning and rendering; a violated invariant; a folder that cannot be written.
    pub fn run(&self, global: &Global) -> Result<()> {
        let templates = match &self.templates {
            Some(dir) => Templates::overridden_by(dir)?,
            None => Templates::default(),
        };
        let options = Options { only: self.only.clone(), templates };
        let (mut facts, profile) = self.planning.facts_and_profile(global)?;
        self.connection.live(&mut facts)?;
        let plan = build(&facts, &profile)?;
        if self.list {
            return list(&plan, &options, global.format);
        }
        let only: Vec<&str> = self.only.iter().map(|c| c.name()).collect();
        super::plan::planned(&plan, &only)?;
        render::permit(&plan, &self.allow)?;
        if self.patroni {
            return output::stdout(&String::from_utf8_lossy(&render::patroni(&plan, &options)?));
        }
        let rendered = render::render(&plan, &options)?;
        if rendered.is_empty() {
            let names: Vec<&str> = plan.host.components.clone();
            return Err(Error::usage("render.nothing", "this plan has no files for what --only names")
                .at("--only")
                .next(format!("the plan's components are {}; set host.components for others", names.join(", "))));
        }
        let host = self.planning.host(global);
        let outputs =
            rendered.into_iter().map(|file| on_host(file, host.as_ref(), self.adopt)).collect::<Result<Vec<_>>>()?;
        if let Some(out) = &self.out {
            layout::write(out, &outputs)?;
        }
        self.print(&outputs, global.format)
    }

    fn print(&self, outputs: &[Output], format: Format) -> Result<()> {
        let shown = outputs.iter().map(|o| Shown {
            path: &o.target,
            template: o.template,
            ownership: o.ownership,
            component: o.component,
            mode: format!("{:04o}", o.mode),
            bytes: o.bytes.len(),
            content: self.out.is_none().then(|| String::from_utf8_lossy(&o.bytes).into_owned()),
        });
        let text = match (format, &self.out) {
            (Format::Json | Format::Yaml, _) => output::to_document(&shown.collect::<Vec<_>>(), format)?,
            (Format::Table, Some(out)) => {
                let mut text = String::new();
                for o in outputs {
                    let path = out.join(o.target.trim_start_matches('/'));
                    let _ = writeln!(text, "{:<7} {}", o.ownership.name(), path.display());
                }
                text
            }
            (Format::Table, None) => match outputs {
                [only] => String::from_utf8_lossy(&only.bytes).into_owned(),
                several => several
                    .iter()
                    .map(|o| format!("==> {} <==\n{}", o.target, String::from_utf8_lossy(&o.bytes)))
                    .collect::<Vec<_>>()
                    .join("\n"),
            },
        };
        output::stdout(&text)
    }
}

/// The file with what the host has at its place, passwords left out.
fn on_host(file: RenderedFile, host: Option<&Root>, adopt: bool) -> Result<Output> {
    let existing = match host.filter(|_| file.ownership != Ownership::Whole) {
        None => None,
        Some(root) => match root.read_bytes(&file.target) {
            Ok(bytes) => Some(bytes),
            Err(e) if e.kind() == io::ErrorKind::NotFound || e.kind() == io::ErrorKind::NotADirectory => None,
            Err(e) => {
                output::note(&format!("note: {} cannot be read ({e}); shown as on a host without one", file.target));
                None
            }
        },
    };
    let Placed { target, bytes, remarks } = file.place(existing.as_deref(), adopt)?;
    for remark in remarks {
        output::note(&format!("note: {}: {remark}", file.target));
    }
    // Only what the operator wrote can hold a password; our own marks of where one belongs stay.
    let (bytes, secrets) = if existing.is_some() { redact::redact(&bytes) } else { (bytes, 0) };
    if secrets > 0 {
        let those = if secrets == 1 { "1 password".to_owned() } else { format!("{secrets} passwords") };
        output::note(&format!("note: {those} of {target} left out of the rendered copy (REDACTED)"));
    }
    let RenderedFile { template, ownership, component, mode, .. } = file;
    Ok(Output { target, template, ownership, component, mode, bytes })
}

fn list(plan: &Plan, options: &Options, format: Format) -> Result<()> {
    let rendered: Vec<&str> = render::wanted(plan, options).map(|spec| spec.template).collect();
    let rows = files::TABLE
        .iter()
        .filter(|spec| options.only.is_empty() || options.only.contains(&spec.component))
        .map(|spec| {
            Ok(Row {
                template: spec.template,
                target: (spec.target)(plan),
                ownership: spec.ownership,
                component: spec.component,
                mode: format!("{:04o}", spec.mode),
                rendered: rendered.contains(&spec.template),
                variables: options.templates.variables(spec.template)?,
            })
        })
        .collect::<Result<Vec<_>>>()?;
    if format != Format::Table {
        return output::document(&rows, format);
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["template", "target", "own", "here", "variables"]);
    for row in rows {
        let here = if row.rendered { "yes" } else { "no" };
        table.add_row([row.template, &row.target, row.ownership.name(), here, &row.variables.join(" ")]);
    }
    output::stdout(&format!("{}\n", table.trim_fmt()))
}
