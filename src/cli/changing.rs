//! The flags that `diff`, `apply` and `status` share: which part of the plan, and against which files.

use super::Global;
use super::planning::Planning;
use super::render::component_parser;
use crate::apply::container::Container;
use crate::apply::prepare::{self, Prepared};
use crate::error::{Error, Exit, Result};
use crate::facts::Facts;
use crate::output;
use crate::plan::{Component, Plan, build};
use crate::profile::Origin;
use crate::render::{self, Options, RenderedFile, Templates};
use crate::root::Root;
use crate::value::Value;
use clap::Args;
use std::path::{Path, PathBuf};

/// The cluster that is meant where none is named.
pub enum Usual {
    /// The one that reads this file.
    File(String),
    /// The one in this container.
    Container(String),
}

/// What of the plan, and how.
#[derive(Debug, Clone, Default, Args)]
pub struct Changing {
    /// Only this component's files and values; may be repeated
    #[arg(long, value_name = "COMPONENT", value_parser = component_parser(&[Component::Disk]))]
    only: Vec<Component>,
    /// The PostgreSQL cluster, by name (18/main) or data folder, where this host has several
    #[arg(long, value_name = "NAME")]
    cluster: Option<String>,
    /// The container (of docker or podman) whose PostgreSQL is meant, and whose folder is mounted from this host
    ///
    /// Files are written to the host's side of its mounts; it is judged, asked and told to reload by `docker exec`, and
    /// planned for what the container may use. Without --only, PostgreSQL alone is changed.
    #[arg(long, value_name = "NAME", conflicts_with = "cluster")]
    container: Option<String>,
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

/// A plan and its files, before they are compared with the host.
pub struct Planned {
    /// The host.
    pub root: Root,
    /// What it is, with every cluster.
    pub facts: Facts,
    /// The plan for the cluster that is meant.
    pub plan: Plan,
    /// Its files.
    pub rendered: Vec<RenderedFile>,
    only: Vec<Component>,
    container: Option<String>,
}

impl Changing {
    /// The plan and what it would change on the host.
    ///
    /// # Errors
    /// Those of planning, rendering and [`prepare::prepare`]; facts of another host; several clusters and none named
    /// (64); a cluster that another program manages (13), after what to set there was printed.
    pub fn prepare(&self, global: &Global) -> Result<(Plan, Prepared)> {
        let Planned { root, plan, rendered, only, container, .. } = self.planned(global, None)?;
        render::permit(&plan, &self.allow)?;
        if let Some(place) = prepare::patroni(&plan, &rendered, &root)? {
            output::stdout(&String::from_utf8_lossy(&render::patroni(&plan, &self.options(only)?)?))?;
            return Err(Error::new(
                Exit::Precondition,
                "apply.managed",
                "Patroni writes this cluster's files and would overwrite ours",
            )
            .at(place)
            .next("set what is printed above in Patroni: patronictl edit-config; the other components: --only"));
        }
        let mut prepared = prepare::prepare(&plan, &rendered, &root, &only, self.adopt)?;
        prepared.set.container = container;
        Ok((plan, prepared))
    }

    /// The plan and its files. `usual` is the cluster that is meant where none is named, by one of its files or its
    /// container.
    ///
    /// # Errors
    /// As [`Changing::prepare`].
    pub fn planned(&self, global: &Global, usual: Option<&Usual>) -> Result<Planned> {
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
        let (facts, mut profile) = self.planning.facts_and_profile(global)?;
        let mut chosen = facts.clone();
        let (named, file) = match usual {
            Some(Usual::Container(name)) if self.cluster.is_none() => (Some(name), None),
            Some(Usual::File(file)) => (None, Some(file.as_str())),
            _ => (None, None),
        };
        let container = self.container.as_ref().or(named).cloned();
        let mut only = self.only.clone();
        if let Some(name) = &container {
            Container::inspect(name)?.put_into(&root, &mut chosen)?;
            if only.is_empty() {
                only.push(Component::PostgreSql);
            }
        } else if only.is_empty() || only.contains(&Component::PostgreSql) {
            self.choose(&mut chosen, file)?;
        }
        // What is installed beside it does not matter.
        if let [one] = chosen.software.clusters.as_slice()
            && let Some(major) = one.major
            && (profile.get("postgresql.version").is_none() || self.cluster.is_some() || container.is_some())
        {
            let origin = Origin::Flag { name: format!("--cluster {}", one.name) };
            profile.set("postgresql.version", Value::Int(i64::from(major)), origin);
        }
        let plan = build(&chosen, &profile)?;
        let rendered = render::render(&plan, &self.options(only.clone())?)?;
        Ok(Planned { root, facts, plan, rendered, only, container })
    }

    fn options(&self, only: Vec<Component>) -> Result<Options> {
        let templates = self.templates.as_deref().map(Templates::overridden_by).transpose()?.unwrap_or_default();
        Ok(Options { only, templates })
    }

    /// Leaves the one cluster that is meant.
    fn choose(&self, facts: &mut Facts, usual: Option<&str>) -> Result<()> {
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
        let reads = |c: &crate::facts::Cluster| {
            let folder = c.config_file.as_deref().and_then(|file| Path::new(file).parent());
            folder.zip(usual).is_some_and(|(folder, file)| Path::new(file).starts_with(folder))
        };
        if clusters.len() > 1 && clusters.iter().any(reads) {
            clusters.retain(reads);
        }
        if clusters.len() > 1 {
            return Err(Error::usage("apply.cluster", format!("this host has several clusters: {}", names(clusters)))
                .next("name the one that is meant with --cluster NAME"));
        }
        Ok(())
    }
}
