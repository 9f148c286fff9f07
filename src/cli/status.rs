//! `llmsql status`: what has drifted since the last generation.

use super::Global;
use super::changing::{Changing, Planned, Usual};
use super::connection::ConnectionArgs;
use crate::apply::drift::{self, Status};
use crate::apply::managed::Managed;
use crate::apply::servers::running::{self, Unread};
use crate::apply::{prepare, run};
use crate::error::{Exit, Result};
use crate::facts;
use crate::output::{self, Format};
use crate::plan::{Component, Plan, Severity};
use crate::root::{Root, SYSTEM_STATE};
use clap::Args;
use std::path::PathBuf;

/// Show what has drifted since the last apply: files, running values, and the plan itself
///
/// Three layers are compared with what the generations have left: the files (edited, removed, given away since), the
/// values that run (pg_settings, PgBouncer's SHOW CONFIG, the kernel's, device queues, the limits of the servers'
/// processes), and the plan (what it would have otherwise today, since the host has grown or the configuration was
/// changed). What only waits for a restart is listed and is no drift, and neither is an edit of comments or of what is the
/// operator's in a shared file. Nothing is changed. Give it the flags that apply was given, or put them into llmsql.toml.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    llmsql status\n  \
    llmsql status --detailed-exitcode || mail -s drift root\n  \
    llmsql status --textfile /var/lib/node_exporter/llmsql_status.prom\n  \
    llmsql status --format json\n\n\
    Exit codes: 0 done, 2 something has drifted and 4 an interrupted change waits for recover (both with \
    --detailed-exitcode), 64 usage.")]
pub struct Arguments {
    /// End with 2 where anything has drifted, and with 4 where an interrupted change waits for recover
    #[arg(long)]
    detailed_exitcode: bool,
    /// Write metrics for Prometheus's node exporter into this file (name.prom)
    #[arg(long, value_name = "FILE")]
    textfile: Option<PathBuf>,
    #[command(flatten)]
    connection: ConnectionArgs,
    #[command(flatten)]
    changing: Changing,
}

impl Arguments {
    /// Compares and prints.
    ///
    /// # Errors
    /// A wrong command line or configuration (64); a journal that is damaged; those of writing.
    pub fn run(&self, global: &Global) -> Result<Exit> {
        let status = self.status(global)?;
        if let Some(path) = &self.textfile {
            status.metrics(jiff::Timestamp::now().as_second()).write(path)?;
        }
        match global.format {
            Format::Table => output::stdout(&output::status::table(&status, &global.root()))?,
            format => output::document(&status, format)?,
        }
        Ok(match () {
            () if !self.detailed_exitcode => Exit::Done,
            () if status.interrupted.is_some() => Exit::RecoverFirst,
            () if status.drift => Exit::Changes,
            () => Exit::Done,
        })
    }

    fn status(&self, global: &Global) -> Result<Status> {
        let root = global.root();
        let mut status = Status::default();
        let (managed, readable) = self.managed(&root, &mut status)?;
        let planned = match self.changing.planned(global, usual(&managed).as_ref()) {
            Ok(planned) => Some(planned),
            Err(e) if e.exit == Exit::Usage => return Err(e),
            // What stands can be judged all the same.
            Err(e) => {
                status.unread.push(Unread { what: "the plan".to_owned(), why: e.to_string(), next: e.next });
                None
            }
        };
        let rendered = planned.as_ref().map(|p| p.rendered.as_slice()).unwrap_or_default();
        let mut managed = if readable { managed } else { drift::standing(&mut status, &root, rendered) };
        drift::files(&mut status, &root, &mut managed, rendered);
        let facts = match &planned {
            Some(Planned { facts, .. }) => facts.clone(),
            None => facts::collect(&root),
        };
        let values = planned.as_ref().map(|p| kernel_values(&p.plan, &managed)).unwrap_or_default();
        let seen = running::seen(&root, &facts, &managed, &values, &self.connection.wishes()?);
        drift::running(&mut status, seen);
        if let Some(Planned { plan, rendered, .. }) = &planned {
            drift::plan(&mut status, &root, plan, rendered, &managed);
            for finding in plan.findings.iter().filter(|f| f.severity == Severity::Error) {
                let why = format!("apply would refuse it: {}", finding.message);
                status.unread.push(Unread { what: finding.invariant.clone(), why, next: finding.next.clone() });
            }
        }
        Ok(status.judged())
    }

    /// What the generations have left, and whether that is known.
    fn managed(&self, root: &Root, status: &mut Status) -> Result<(Managed, bool)> {
        let journal = match run::journal(root) {
            Ok(journal) => journal,
            Err(e) if e.exit == Exit::Precondition => {
                status.unread.push(Unread::new(root, e.place.unwrap_or_default(), e.what));
                return Ok((Managed::default(), false));
            }
            Err(e) => return Err(e),
        };
        let Some(journal) = journal else {
            // Root's is another than this user's own, of which there is none.
            let others = root.is_live() && !nix::unistd::geteuid().is_root() && root.exists(SYSTEM_STATE);
            if others {
                status.unread.push(Unread::new(root, SYSTEM_STATE, "root's journal may not be read by this user"));
            }
            return Ok((Managed::default(), !others));
        };
        status.interrupted = journal.pending()?;
        if status.interrupted.is_some()
            && let Some(e) = run::at_work(root)
        {
            status.unread.push(Unread { what: "the change that is being made".to_owned(), why: e.what, next: e.next });
            status.interrupted = None;
        }
        let managed = Managed::of(&journal)?;
        status.generation.clone_from(&managed.last);
        if !managed.pruned.is_empty() {
            let numbers: Vec<String> = managed.pruned.iter().map(ToString::to_string).collect();
            status.unread.push(Unread {
                what: format!("generations {}", numbers.join(", ")),
                why: "their contents were pruned: files that only they changed are not compared".to_owned(),
                next: None,
            });
        }
        Ok((managed, true))
    }
}

/// The cluster that was changed last.
fn usual(managed: &Managed) -> Option<Usual> {
    let ours = managed.files.iter().filter(|(_, f)| f.component == Component::PostgreSql.name());
    let (target, file) = ours.max_by_key(|(_, f)| f.generation)?;
    Some(match &file.container {
        Some(name) => Usual::Container(name.clone()),
        None => Usual::File(target.clone()),
    })
}

/// The planned values of the kernel that no sysctl file holds (transparent huge pages, device queues), as path, key and
/// value; of components of which something was applied.
fn kernel_values(plan: &Plan, managed: &Managed) -> Vec<(String, String, String)> {
    let applied = |component: Component| managed.files.values().any(|f| f.component == component.name());
    let settings = plan.settings.iter().filter(|s| applied(s.component));
    settings
        .filter_map(|s| Some((prepare::kernel_path(s)?, s.key.clone(), s.value.clone())))
        .filter(|(path, _, _)| path.starts_with("/sys/"))
        .collect()
}
