//! The flags that `diff`, `apply` and `status` share: which part of the plan, and against which files.

use super::Global;
use super::planning::Planning;
use super::render::component_parser;
use crate::apply::prepare::{self, Prepared};
use crate::error::{Error, Result};
use crate::facts::Facts;
use crate::plan::{Component, Plan, build};
use crate::render::{self, Options, Templates};
use clap::Args;
use std::path::PathBuf;

/// What of the plan, and how.
#[derive(Debug, Clone, Default, Args)]
pub struct Changing {
    /// Only this component's files and values; may be repeated
    #[arg(long, value_name = "COMPONENT", value_parser = component_parser(&[Component::Disk]))]
    only: Vec<Component>,
    /// The PostgreSQL cluster, by name (18/main) or data folder, where this host has several of the planned version
    #[arg(long, value_name = "NAME")]
    cluster: Option<String>,
    /// Replace files of your own that ours would otherwise only stand beside, such as nginx.conf
    #[arg(long)]
    adopt: bool,
    /// Go on although this invariant is violated, such as memory.total; may be repeated
    #[arg(long, value_name = "INVARIANT")]
    allow: Vec<String>,
    /// Folder of templates that replace built-in ones of the same name (see `llmsql render --list`)
    #[arg(long, value_name = "DIR")]
    templates: Option<PathBuf>,
    #[command(flatten)]
    planning: Planning,
}

impl Changing {
    /// The plan and what it would change on the host.
    ///
    /// # Errors
    /// Those of planning, rendering and [`prepare::prepare`]; facts of another host; several clusters and none named
    /// (64).
    pub fn prepare(&self, global: &Global) -> Result<(Plan, Prepared)> {
        let Some(root) = self.planning.host(global) else {
            return Err(Error::usage(
                "apply.facts",
                "the facts of another host say nothing of what stands on this one",
            )
            .at("--facts")
            .next(
                "run it on that host, or on its mounted file system with --root DIR; its files alone: llmsql render",
            ));
        };
        let (mut facts, profile) = self.planning.facts_and_profile(global)?;
        let touches = |component: Component| self.only.is_empty() || self.only.contains(&component);
        if touches(Component::PostgreSql) {
            self.choose(&mut facts)?;
        }
        let plan = build(&facts, &profile)?;
        render::permit(&plan, &self.allow)?;
        let templates = self.templates.as_deref().map(Templates::overridden_by).transpose()?.unwrap_or_default();
        let rendered = render::render(&plan, &Options { only: self.only.clone(), templates })?;
        let prepared = prepare::prepare(&plan, &rendered, &root, &self.only, self.adopt)?;
        Ok((plan, prepared))
    }

    /// Leaves the one cluster that is meant.
    fn choose(&self, facts: &mut Facts) -> Result<()> {
        let clusters = &mut facts.software.clusters;
        let names = |clusters: &[crate::facts::Cluster]| {
            let all: Vec<&str> = clusters.iter().map(|c| c.name.as_str()).collect();
            all.join(", ")
        };
        if let Some(wanted) = &self.cluster {
            let is = |c: &crate::facts::Cluster| c.name == *wanted || c.data_dir.as_deref() == Some(wanted);
            if !clusters.iter().any(is) {
                return Err(Error::usage("apply.cluster", format!("there is no cluster {wanted:?}"))
                    .at("--cluster")
                    .next(format!("this host has: {}", names(clusters))));
            }
            clusters.retain(is);
        }
        if clusters.len() > 1 {
            return Err(Error::usage("apply.cluster", format!("this host has several clusters: {}", names(clusters)))
                .next("name the one that is meant with --cluster NAME"));
        }
        Ok(())
    }
}
