//! `llmsql apply`: the plan on the host.

use super::Global;
use super::changing::Changing;
use super::connection::ConnectionArgs;
use super::unreadable;
use crate::apply::change::Kind;
use crate::apply::managed::Managed;
use crate::apply::permit::DRY_RUN;
use crate::apply::prepare::{self, Prepared};
use crate::apply::run::{self, Applied, Work};
use crate::apply::servers::{Servers, Verdict, Wishes};
use crate::apply::{ApplyPermit, ChangeSet, rights, saved};
use crate::error::{Error, Exit, Result};
use crate::facts;
use crate::formats::postgresql_conf;
use crate::output::{self, Format, changes};
use crate::plan::{Component, Plan, Setting};
use crate::postgres::live;
use crate::root::Root;
use clap::Args;
use serde::Serialize;
use std::path::PathBuf;

/// Put the plan on this host: validate, replace all files or none, reload, verify; whatever fails is taken back
///
/// Every file is judged by its own server before any is replaced. What is replaced, and every kernel value, is kept in a
/// journal, so that `llmsql rollback` brings it back. A kill at any moment loses nothing: `llmsql recover` finishes or
/// undoes what was begun. A second apply of the same plan changes and reloads nothing.
///
/// Who is not root changes the components of which every file is his, all files of one or none; the others are named with
/// the reason and with root's command, and the run ends with 13.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    llmsql apply --dry-run\n  \
    llmsql apply --yes\n  \
    llmsql apply --only postgresql --yes\n  \
    llmsql apply tonight.plan --yes    # saved by: llmsql diff --save tonight.plan\n  \
    llmsql --root /mnt/image apply --yes\n\n\
    Exit codes: 0 done, 1 failed and nothing was changed, 3 failed and everything was put back, 4 an interrupted change \
    waits for recover, 5 the plan violates an invariant, 10 the host has changed since it was planned, 11 another run \
    changes this host, 13 refused (right, space, a server's verdict) or, without root's rights, done but for the components \
    that are named, 64 usage.")]
pub struct Arguments {
    /// A plan that `llmsql diff --save FILE` has kept
    #[arg(value_name = "FILE", conflicts_with_all = ["only", "cluster", "container", "adopt", "allow", "templates", "ram", "cpus", "disk", "sizing", "workload", "profile", "settings", "file"])]
    saved: Option<PathBuf>,
    #[command(flatten)]
    way: Way,
    #[command(flatten)]
    changing: Changing,
}

/// How a change is made.
#[derive(Debug, Clone, Args)]
pub struct Way {
    /// Change without asking
    #[arg(long, conflicts_with = "dry_run")]
    yes: bool,
    /// Do everything but write: show the changes and have the servers judge them
    #[arg(long)]
    dry_run: bool,
    /// Restart servers whose new values need it, and prove them after
    ///
    /// PostgreSQL and PgBouncer where a value waits for that, NGINX where it refuses to reload because a zone of shared
    /// memory has another key or path than before. It is done by systemd where that has started the server, else with its
    /// own program and arguments. Clients lose their connections. New limits of units (LimitNOFILE) count at their next
    /// start too: `llmsql status` names those that wait, with the command.
    #[arg(long, conflicts_with = "dry_run")]
    restart: bool,
    #[command(flatten)]
    connection: ConnectionArgs,
}

/// The result as `--format json` prints it.
#[derive(Serialize)]
struct Shown<'a> {
    /// The generation's number; `null` where nothing was changed.
    generation: Option<i64>,
    change: &'a ChangeSet,
    verdicts: &'a [Verdict],
    notes: &'a [String],
}

impl Arguments {
    /// Plans or reads the plan, and applies it.
    ///
    /// # Errors
    /// Those of [`Changing::prepare`] and [`Way::go`].
    pub fn run(&self, global: &Global) -> Result<Exit> {
        let root = global.root();
        run::refuse_if_interrupted(&root)?;
        let mut prepared = match &self.saved {
            Some(path) => {
                let text = std::fs::read(path).map_err(|e| unreadable(path, e))?;
                let mut set = saved::parse(&root, &text, path)?;
                saved::leave_done(&root, &mut set)?;
                Prepared::of(set)
            }
            None => {
                let (plan, prepared) = self.changing.prepare(global)?;
                self.way.refuse_managed(&plan)?;
                prepared
            }
        };
        rights::leave_out(&root, &mut prepared.set, &mut prepared.left)?;
        prepare::only_what_may_be_written(&mut prepared, &root);
        let Prepared { set, notes, left, .. } = prepared;
        let saved = self.saved.is_some();
        if set.is_empty()
            && let Some(error) = rights::error(&left, "nothing was changed", saved)
        {
            notes.iter().for_each(|note| output::note(&format!("note: {note}")));
            return Err(error);
        }
        let exit = self.way.go(&root, &set, &notes, global.format)?;
        rights::error(&left, "what became of the rest is said above", saved).map_or(Ok(exit), Err)
    }
}

impl Way {
    /// Shows a change, has it judged and confirmed, and makes it.
    ///
    /// # Errors
    /// What the validators say; no confirmation; those of [`Work::apply`].
    pub fn go(&self, root: &Root, set: &ChangeSet, notes: &[String], format: Format) -> Result<Exit> {
        notes.iter().for_each(|note| output::note(&format!("note: {note}")));
        let shown = Shown { generation: None, change: set, verdicts: &[], notes };
        if set.is_empty() || saved::is_done(root, set)? {
            output::note("nothing to change");
            return if self.restart { self.restart_pending(root, format) } else { shown.print(format) };
        }
        saved::fresh(root, set)?;
        if format == Format::Table {
            output::stdout(&changes::table(set))?;
        }
        let facts = facts::collect(root);
        let servers = Servers::find(root, &facts, set, self.wishes()?)?;
        let verdicts = servers.validate(set)?;
        verdicts.iter().for_each(verdict);
        let shown = Shown { verdicts: &verdicts, ..shown };
        if self.dry_run {
            output::note("nothing was changed (--dry-run)");
            return shown.print(format);
        }
        let question = format!("Change {} files and {} kernel values?", set.files.len(), set.kernel.len());
        let Some(permit) = ApplyPermit::ask(self.yes, &question, DRY_RUN)? else {
            output::note("nothing was changed");
            return Ok(Exit::Done);
        };
        let work = Work::open(root)?;
        work.journal.none_pending()?;
        // Another run, or somebody at an editor, may have come in between.
        saved::fresh(root, set)?;
        let Applied { id, notes: more } = work.apply(&permit, set, &mut |set, side| servers.settle(set, side))?;
        more.iter().for_each(|note| output::note(&format!("note: {note}")));
        let back = root.command(&format!("rollback {id}"));
        output::note(&format!("done: generation {id}; take it back with: {back}"));
        Shown { generation: Some(id), notes: &[notes, &more].concat(), ..shown }.print(format)
    }

    /// Restarts what an earlier change has left waiting for that.
    fn restart_pending(&self, root: &Root, format: Format) -> Result<Exit> {
        let standing = match run::journal(root)? {
            Some(journal) => Managed::of(&journal)?.standing(),
            None => ChangeSet::new(Kind::Apply),
        };
        let facts = facts::collect(root);
        let servers = Servers::find(root, &facts, &standing, self.wishes()?)?;
        let look = format!("{} shows what waits", root.command("status"));
        if ApplyPermit::ask(self.yes, "Restart the servers whose values wait for it?", &look)?.is_none() {
            output::note("nothing was restarted");
            return Ok(Exit::Done);
        }
        let _work = Work::open(root)?;
        let notes = servers.restart_pending(&standing)?;
        if notes.is_empty() {
            output::note("nothing waits for a restart");
        }
        notes.iter().for_each(|note| output::note(&format!("note: {note}")));
        Shown { generation: None, change: &ChangeSet::new(Kind::Apply), verdicts: &[], notes: &notes }.print(format)
    }

    /// Prints what to set where the server named by --dsn is run by a provider, whose files nobody else writes.
    ///
    /// # Errors
    /// It is (13); it cannot be asked.
    fn refuse_managed(&self, plan: &Plan) -> Result<()> {
        let ours: Vec<&Setting> = plan.settings.iter().filter(|s| s.component == Component::PostgreSql).collect();
        if self.connection.dsn.is_none() || ours.is_empty() {
            return Ok(());
        }
        let Some(provider) = live::provider(&self.connection.open()?)? else { return Ok(()) };
        let line = |s: &&Setting| format!("{} = {}\n", s.name, postgresql_conf::quote(&s.value).unwrap_or_default());
        output::stdout(&ours.iter().map(line).collect::<String>())?;
        Err(Error::new(
            Exit::Precondition,
            "apply.managed",
            format!("{provider} writes this server's configuration itself"),
        )
        .at("--dsn")
        .next("set there what is printed above; the files of this host: leave --dsn out, or name others with --only"))
    }

    /// What is asked of the servers.
    fn wishes(&self) -> Result<Wishes> {
        Ok(Wishes { restart: self.restart, ..self.connection.wishes()? })
    }
}

fn verdict(verdict: &Verdict) {
    let word = if verdict.validated { "valid" } else { "not validated" };
    output::note(&format!("{word}: {} ({})", verdict.what, verdict.how));
}

impl Shown<'_> {
    fn print(&self, format: Format) -> Result<Exit> {
        if format != Format::Table {
            output::document(self, format)?;
        }
        Ok(Exit::Done)
    }
}
