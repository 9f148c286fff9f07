//! `llmsql harden`: a live database, checked and made safer.

use super::Global;
use super::connection::ConnectionArgs;
use crate::apply::ApplyPermit;
use crate::apply::permit::DRY_RUN;
use crate::error::{Error, Exit, Result};
use crate::harden::apply::{self, Work};
use crate::harden::journal::{Journal, State};
use crate::harden::look::Look;
use crate::harden::{self, Finding, Isolation, Status, Wish, checks, roles};
use crate::output::plan::paragraph;
use crate::output::{self, Format};
use crate::postgres::connect::{Blocking, conninfo};
use crate::profile::config::{self, Document};
use crate::secrets::catalogue;
use crate::secrets::pooler::Pooler;
use crate::state;
use clap::{Args, Subcommand};
use secrecy::SecretString;
use serde::Serialize;

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Say what should be safer, why, and by which exact SQL; nothing is changed
    #[command(
        after_help = "Examples:\n  llmsql harden check --dsn postgresql://postgres@db1/llm_analytics\n  llmsql harden check --readonly-role reports --app-role app \\\n      --write-schema analytics\n  llmsql harden check --format json \\\n      | jq '.findings[] | select(.status == \"fails\")'"
    )]
    Check(CheckArguments),
    /// Make the changes that check shows, prove them by logins, and undo them if one fails
    ///
    /// The statements run in one transaction; then come the settings (ALTER SYSTEM and a reload) and pg_hba.conf. Every
    /// route has to log in before anything is final: the connection itself, and each --route. What was changed is kept
    /// in the state folder, and `harden rollback` takes it back.
    #[command(
        after_help = "Examples:\n  llmsql harden apply --dry-run\n  llmsql harden apply --yes \\\n      --route 'host=127.0.0.1 port=6432 dbname=llm_analytics user=app'\n  llmsql harden apply --app-role app --write-schema analytics \\\n      --isolate analytics.query_logs=client_ip:app.client_ip"
    )]
    Apply(ApplyArguments),
    /// Take back what the last run changed, or an interrupted one
    #[command(after_help = "Examples:\n  llmsql harden rollback\n  llmsql harden rollback 2 --yes")]
    Rollback(RollbackArguments),
}

/// What is wanted beyond what every database should have.
#[derive(Debug, Args)]
pub struct WishArguments {
    /// A role that may read and nothing else; it is made, without a password, if it is not there
    #[arg(long, value_name = "ROLE")]
    readonly_role: Option<String>,
    /// The application's role; it is made, without a password, if it is not there
    #[arg(long, value_name = "ROLE")]
    app_role: Option<String>,
    /// A schema that both may read; may be given several times [default: every schema with tables]
    #[arg(long = "schema", value_name = "SCHEMA")]
    schemas: Vec<String>,
    /// A schema in which the application may insert as well; may be given several times
    #[arg(long = "write-schema", value_name = "SCHEMA")]
    write_schemas: Vec<String>,
    /// Let the application see only rows whose column is a variable it sets: SCHEMA.TABLE=COLUMN[:VARIABLE]
    ///
    /// The variable (app.client by default) is set by the application in each transaction: SET LOCAL app.client = '…'.
    #[arg(long, value_name = "WHAT")]
    isolate: Vec<Isolation>,
    /// Want TLS over the loopback interface as well
    #[arg(long)]
    loopback_tls: bool,
}

impl WishArguments {
    fn wish(&self, global: &Global) -> Result<Wish> {
        let root = global.root();
        let document = Document::read(&config::locate(global.config.as_deref(), &root)?)?;
        let pooler = Pooler::find(&catalogue::Config::of(&document)?, &root)?;
        Ok(Wish {
            readonly_role: self.readonly_role.clone(),
            app_role: self.app_role.clone(),
            schemas: self.schemas.clone(),
            write_schemas: self.write_schemas.clone(),
            isolate: self.isolate.clone(),
            loopback_tls: self.loopback_tls,
            pooler_tls: pooler.map(|p| p.server_tls().to_owned()),
        })
    }
}

/// Arguments of `harden check`.
#[derive(Debug, Args)]
pub struct CheckArguments {
    #[command(flatten)]
    connection: ConnectionArgs,
    #[command(flatten)]
    wish: WishArguments,
    /// End with 2 where a check fails
    #[arg(long)]
    detailed_exitcode: bool,
}

/// Arguments of `harden apply`.
#[derive(Debug, Args)]
pub struct ApplyArguments {
    #[command(flatten)]
    connection: ConnectionArgs,
    #[command(flatten)]
    wish: WishArguments,
    /// A further login that has to work before and after, such as the pooler's; may be given several times
    ///
    /// As --dsn, with the password in ~/.pgpass or a service file.
    #[arg(long = "route", value_name = "DSN", value_parser = |text: &str| Ok::<_, std::convert::Infallible>(SecretString::from(text)))]
    routes: Vec<SecretString>,
    /// Leave a check's changes out, such as schema.usage; may be given several times
    #[arg(long = "skip", value_name = "CHECK")]
    skip: Vec<String>,
    /// Show what would be done, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

/// Arguments of `harden rollback`.
#[derive(Debug, Args)]
pub struct RollbackArguments {
    /// The run, as apply named it [default: the last one]
    #[arg(value_name = "RUN")]
    number: Option<u32>,
    #[command(flatten)]
    connection: ConnectionArgs,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

/// What `harden check` says.
#[derive(Serialize)]
struct Report<'a> {
    place: &'a str,
    score: u32,
    findings: &'a [Finding],
}

impl Command {
    /// Runs it.
    ///
    /// # Errors
    /// Those of connecting, of the wish, and of [`apply::apply`].
    pub fn run(&self, global: &Global) -> Result<Exit> {
        match self {
            Command::Check(arguments) => check(arguments, global),
            Command::Apply(arguments) => run_apply(arguments, global),
            Command::Rollback(arguments) => rollback(arguments, global),
        }
    }
}

/// Connects, looks and checks.
fn judge(connection: &ConnectionArgs, wish: &WishArguments, global: &Global) -> Result<(Blocking, Look, Vec<Finding>)> {
    let wish = wish.wish(global)?;
    harden::check_wish(&wish)?;
    let session = connection.open()?;
    let look = session.run(async |s| Look::at(s, &wish).await)?;
    roles::check_names(&look, &wish)?;
    let findings = checks::all(&look, &wish);
    Ok((session, look, findings))
}

fn check(arguments: &CheckArguments, global: &Global) -> Result<Exit> {
    let (session, look, findings) = judge(&arguments.connection, &arguments.wish, global)?;
    let place = session.session().place();
    let report = Report { place, score: harden::score(&findings), findings: &findings };
    match global.format {
        Format::Table => output::stdout(&table(&report))?,
        format => output::document(&report, format)?,
    }
    if !look.superuser {
        output::note("note: this role is no superuser: what only one may see is not judged");
    }
    let fails = findings.iter().any(|f| f.status == Status::Fails);
    Ok(if fails && arguments.detailed_exitcode { Exit::Changes } else { Exit::Done })
}

/// For people: what fails first, the worst on top.
fn table(report: &Report<'_>) -> String {
    let mut findings: Vec<&Finding> = report.findings.iter().collect();
    let rank = |f: &Finding| match f.status {
        Status::Fails => 0,
        Status::Unknown => 1,
        Status::Ok => 2,
    };
    findings.sort_by_key(|f| (rank(f), std::cmp::Reverse(f.severity)));
    let mut out = format!("{}\nscore {} of 100\n", report.place, report.score);
    for finding in findings {
        let mark = match finding.status {
            Status::Fails => format!("fails ({})", severity(finding)),
            Status::Unknown => "not judged".to_owned(),
            Status::Ok => {
                out.push_str(&format!("\nok: {}: {}", finding.check, finding.what));
                continue;
            }
        };
        out.push_str(&format!("\n{mark}: {}\n", finding.check));
        for text in [Some(finding.what.as_str()), Some(finding.why), finding.by_hand.as_deref()].into_iter().flatten() {
            paragraph(&mut out, text, "  ", 80);
        }
        for statement in &finding.sql {
            out.push_str(&format!("    {statement}\n"));
        }
    }
    out + "\n"
}

fn severity(finding: &Finding) -> &'static str {
    match finding.severity {
        harden::Severity::High => "high",
        harden::Severity::Medium => "medium",
        harden::Severity::Low => "low",
    }
}

fn run_apply(arguments: &ApplyArguments, global: &Global) -> Result<Exit> {
    let (session, look, mut findings) = judge(&arguments.connection, &arguments.wish, global)?;
    if let Some(unknown) = arguments.skip.iter().find(|s| !findings.iter().any(|f| f.check == s.as_str())) {
        let names: Vec<&str> = findings.iter().map(|f| f.check).collect();
        return Err(Error::usage("harden.skip", format!("there is no check {unknown}"))
            .next(format!("there are: {}", names.join(", "))));
    }
    findings.retain(|f| !arguments.skip.iter().any(|s| s == f.check));
    let place = session.session().place().to_owned();
    if look.standby {
        return Err(Error::new(Exit::Precondition, "harden.standby", "the server is a standby, which takes no change")
            .at(place)
            .next("run it on the primary"));
    }
    if !look.superuser {
        return Err(Error::new(Exit::Precondition, "harden.privilege", "this role is no superuser")
            .at(place)
            .next("connect as one; check shows the SQL for what another role may do"));
    }
    let journal = Journal::open(&state::folder_of(&global.root())?)?;
    journal.nothing_pending(session.session().server(), &look.database)?;
    let work = Work::of(&findings, &look, session.session().is_local());
    for by_hand in findings.iter().filter_map(|f| f.by_hand.as_ref().map(|b| format!("{}: {b}", f.check))) {
        output::note(&format!("by hand: {by_hand}"));
    }
    for left in &work.left {
        output::note(&format!("by hand: {left}"));
    }
    if work.is_empty() {
        output::note("nothing to change");
        return Ok(Exit::Done);
    }
    output::stdout(&(work.lines().join("\n") + "\n"))?;
    apply::nobody_is_locked_out(&work, &look)?;
    if arguments.dry_run {
        return Ok(Exit::Done);
    }
    let Some(permit) = ApplyPermit::ask(arguments.yes, &format!("Make these changes at {place}?"), DRY_RUN)? else {
        return Ok(Exit::Failed);
    };
    let mut routes = vec![arguments.connection.conninfo()?];
    for route in &arguments.routes {
        routes.push(conninfo(Some(route))?);
    }
    let entry = session.run(async |s| apply::apply(s, &routes, &look, work, &journal, &permit).await)?;
    output::note(&format!("done, as run {}; `llmsql harden rollback` takes it back", entry.number));
    Ok(Exit::Done)
}

fn rollback(arguments: &RollbackArguments, global: &Global) -> Result<Exit> {
    let session = arguments.connection.open()?;
    let (server, database) = (session.session().server(), session.session().dbname());
    let journal = Journal::open(&state::folder_of(&global.root())?)?;
    let mut entries = journal.entries(server, database)?;
    entries.retain(|e| e.state != State::RolledBack);
    let entry = match arguments.number {
        Some(number) => entries.iter().position(|e| e.number == number),
        None => entries.len().checked_sub(1),
    };
    let Some(mut entry) = entry.map(|at| entries.swap_remove(at)) else {
        return Err(Error::usage("harden.rollback", "there is no run to take back")
            .at(format!("{server}/{database}"))
            .next("runs are kept by the user who made them, by server and database as they were named in --dsn"));
    };
    output::stdout(&(apply::undo_lines(&entry).join("\n") + "\n"))?;
    let question = format!("Take back run {} of {} at {}?", entry.number, entry.at, session.session().place());
    let Some(permit) = ApplyPermit::ask(arguments.yes, &question, "what it does is printed above")? else {
        return Ok(Exit::Failed);
    };
    session.run(async |s| apply::rollback(s, &journal, &mut entry, &permit).await)?;
    output::note(&format!("run {} is taken back", entry.number));
    Ok(Exit::Done)
}
