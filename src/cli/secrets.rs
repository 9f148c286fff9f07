//! `llmsql secrets init|status|rotate|verify|restore|recover`.

mod verify;

use super::Global;
use super::config::plain_table;
use super::connection::ConnectionArgs;
use crate::apply::ApplyPermit;
use crate::error::{Error, Exit, Result};
use crate::output::{self, Format};
use crate::postgres::connect::{self, block_on};
use crate::postgres::conninfo::{Conninfo, quote};
use crate::process;
use crate::profile::config;
use crate::secrets::backup::{self, Backup};
use crate::secrets::catalogue::{Config, KEEP, Kind, Secret};
use crate::secrets::env::{self, EnvFile};
use crate::secrets::init;
use crate::secrets::input::Source;
use crate::secrets::pending::{Login, Way, old_values};
use crate::secrets::plan::{Plan, Strategy, Wish};
use crate::secrets::pooler::{Pooler, give_password};
use crate::secrets::recover::{self, Recovered};
use crate::secrets::rotate::{self, Done, Stack};
use crate::secrets::services;
use crate::secrets::status::{self, Status};
use crate::secrets::{TEMPLATE, verifier};
use crate::state::{self, State};
use clap::{Args, Subcommand};
use secrecy::SecretString;
use std::io::IsTerminal;
use std::path::PathBuf;

/// What to do with secrets.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make the env file: the template with every <generate…> filled at random, mode 0600 from the first byte
    ///
    /// Values are letters and digits, so that no shell, URL, compose or ini file needs them quoted. A marker says how
    /// much: <generate-with-openssl-rand-base64-32> is 256 bits, …-hex-16 is 32 digits, <generate-ed25519> a signing key.
    #[command(
        after_help = "Examples:\n  llmsql secrets init\n  llmsql secrets init --env-file /etc/llm/.env --template .env.example\n  llmsql secrets init --fill          # only what is empty or still a marker"
    )]
    Init(Init),
    /// Show each secret's age, where it is used, what is due, weak or open to others; never a value
    #[command(
        after_help = "Examples:\n  llmsql secrets status\n  llmsql secrets status --detailed-exitcode   # 2 where one is due or wrong"
    )]
    Status(StatusArguments),
    /// Rotate secrets everywhere at once: env file, server and PgBouncer, proved by logins before it is final
    ///
    /// A role's password: one SCRAM verifier goes to the server and, byte for byte, into PgBouncer's userlist; logins
    /// prove it directly and through PgBouncer; services are reloaded by the commands of [secrets] reload. Until then a
    /// failure puts everything back (3, or 12 for a login), and after a kill `secrets recover` does. What was stays, for
    /// `secrets restore`. API_KEY_SALT is never part of --all: name it, and keys made under the old one stay valid.
    #[command(
        after_help = "Examples:\n  llmsql secrets rotate POSTGRES_PASSWORD\n  llmsql secrets rotate --due --yes                 # needs [secrets] reload\n  llmsql secrets rotate APP_PASSWORD --strategy alternate\n  llmsql secrets rotate JWT_SECRET_KEY --no-overlap  # the old key has leaked\n  llmsql secrets rotate VENDOR_TOKEN --value credential:vendor --yes --no-reload"
    )]
    Rotate(Box<Rotate>),
    /// Log in with every secret everywhere it should work; 12 where one does not
    #[command(
        after_help = "Examples:\n  llmsql secrets verify\n  llmsql secrets verify --dsn service=admin --format json"
    )]
    Verify(verify::Verify),
    /// Bring earlier values back: env file, server and PgBouncer, proved by logins as a rotation is
    #[command(
        after_help = "Examples:\n  llmsql secrets restore --list\n  llmsql secrets restore                 # what was before the last rotation"
    )]
    Restore(Restore),
    /// Finish or undo a rotation that a kill, a crash or a lost server has interrupted
    ///
    /// Without a wish it is finished where a new value has got anywhere, else undone.
    Recover(Recover),
}

/// Which env file.
#[derive(Debug, Clone, Default, Args)]
pub struct EnvArgs {
    /// The env file [default: env_file of [secrets] in llmsql.toml, else ./.env]
    #[arg(long, value_name = "FILE", env = "LLMSQL_ENV_FILE")]
    pub env_file: Option<PathBuf>,
}

/// What every command about secrets starts from.
#[derive(Debug)]
pub struct Context {
    /// `[secrets]` of llmsql.toml.
    pub config: Config,
    /// llmsql.toml.
    pub document: config::Document,
    /// The env file's path.
    pub path: PathBuf,
    /// The state.
    pub state: State,
}

impl EnvArgs {
    /// Reads the configuration and opens the state, with core dumps switched off.
    ///
    /// # Errors
    /// Those of each.
    pub fn context(&self, global: &Global) -> Result<Context> {
        process::no_core_dumps()?;
        let root = global.root();
        let document = config::Document::read(&config::locate(global.config.as_deref(), &root)?)?;
        let config = Config::of(&document)?;
        let named = self.env_file.clone().or_else(|| config.env_file.clone());
        let path = named.unwrap_or_else(|| PathBuf::from(env::DEFAULT));
        let state = State::open_in(&state::folder_of(&root)?)?;
        Ok(Context { config, document, path, state })
    }
}

/// Arguments of `init`.
#[derive(Debug, Args)]
pub struct Init {
    #[command(flatten)]
    env: EnvArgs,
    /// A template of your own, instead of the guide's
    #[arg(long, value_name = "FILE")]
    template: Option<PathBuf>,
    /// Fill what an env file that is there lacks, and keep the rest of it
    #[arg(long, conflicts_with = "overwrite")]
    fill: bool,
    /// Lose the values of an env file that is there
    #[arg(long)]
    overwrite: bool,
}

/// Arguments of `status`.
#[derive(Debug, Args)]
pub struct StatusArguments {
    #[command(flatten)]
    env: EnvArgs,
    /// End with 2 where something is due or wrong
    #[arg(long)]
    detailed_exitcode: bool,
}

impl Command {
    /// Runs it.
    ///
    /// # Errors
    /// Those of each.
    pub fn run(&self, global: &Global) -> Result<Exit> {
        match self {
            Command::Init(arguments) => arguments.run(global),
            Command::Status(arguments) => arguments.run(global),
            Command::Rotate(arguments) => arguments.run(global),
            Command::Verify(arguments) => arguments.run(global),
            Command::Restore(arguments) => arguments.run(global),
            Command::Recover(arguments) => arguments.run(global),
        }
    }
}

/// What `rotate`, `restore` and `recover` have in common.
#[derive(Debug, Args)]
pub struct Change {
    #[command(flatten)]
    env: EnvArgs,
    #[command(flatten)]
    connection: ConnectionArgs,
    /// Do it without asking
    #[arg(long)]
    yes: bool,
    /// Reload no service: you restart what holds the old values
    #[arg(long)]
    no_reload: bool,
}

/// Arguments of `rotate`.
#[derive(Debug, Args)]
pub struct Rotate {
    /// Names in the env file
    #[arg(value_name = "NAME", required_unless_present_any = ["due", "all"], conflicts_with_all = ["due", "all"])]
    names: Vec<String>,
    #[command(flatten)]
    change: Change,
    /// Every secret that is older than it may become
    #[arg(long, conflicts_with = "all")]
    due: bool,
    /// Every secret but API_KEY_SALT
    #[arg(long)]
    all: bool,
    /// How a role's password is rotated [default: alternate where two roles are configured, else single]
    #[arg(long, value_enum)]
    strategy: Option<Strategy>,
    /// Where the new value of the one NAME stands, instead of a random one: a file, - for stdin, credential:NAME
    #[arg(long, value_name = "FILE", conflicts_with_all = ["due", "all"])]
    value: Option<Source>,
    /// Accept tokens of the old JWT_SECRET_KEY no longer
    #[arg(long)]
    no_overlap: bool,
    /// Rotate though the old password does not log in
    #[arg(long)]
    mend: bool,
    /// Show what would change, and change nothing
    #[arg(long)]
    dry_run: bool,
}

/// Arguments of `restore`.
#[derive(Debug, Args)]
pub struct Restore {
    /// The backup, by its name [default: the newest]
    #[arg(value_name = "BACKUP")]
    id: Option<String>,
    #[command(flatten)]
    change: Change,
    /// Show the backups: when, and what each would bring back; never a value
    #[arg(long)]
    list: bool,
}

/// Arguments of `recover`.
#[derive(Debug, Args)]
pub struct Recover {
    #[command(flatten)]
    change: Change,
    /// Go on to the new values
    #[arg(long, conflicts_with = "undo")]
    finish: bool,
    /// Go back to the old values
    #[arg(long)]
    undo: bool,
}

impl Init {
    fn run(&self, global: &Global) -> Result<Exit> {
        let context = self.env.context(global)?;
        let template = match &self.template {
            Some(path) => std::fs::read(path).map_err(|e| super::unreadable(path, e))?,
            None => TEMPLATE.as_bytes().to_vec(),
        };
        let made = init::init(&context.path, &template, self.fill, self.overwrite, &context.state)?;
        if global.format != Format::Table {
            output::document(&made, global.format)?;
            return Ok(Exit::Done);
        }
        let count = made.filled.len();
        output::note(&format!("{} secrets made in {}: {}", count, made.env_file, made.filled.join(", ")));
        output::note("its mode is 0600; keep it out of git, and see `llmsql secrets status`");
        Ok(Exit::Done)
    }
}

impl StatusArguments {
    fn run(&self, global: &Global) -> Result<Exit> {
        let context = self.env.context(global)?;
        let waits = env::settled(&context.path);
        let file = EnvFile::read_unsettled(&context.path)?;
        let pooler = Pooler::find(&context.config, &global.root())?;
        let userlist = pooler.as_ref().and_then(|p| p.userlist.as_deref());
        let status = status::status(&file, &context.config, &context.state, userlist)?;
        match global.format {
            Format::Table => output::stdout(&table(&status))?,
            format => output::document(&status, format)?,
        }
        waits?;
        Ok(if self.detailed_exitcode && status.wants_work() { Exit::Changes } else { Exit::Done })
    }
}

impl Context {
    fn stack(
        &self,
        change: &Change,
        global: &Global,
        logins: &[&Login],
        databases: &[String],
        mend: bool,
    ) -> Result<Stack> {
        let base = if logins.is_empty() { None } else { Some(base(&change.connection, logins, databases)?) };
        let backups = backup::folder(&state::folder_of(&global.root())?, &env::absolute(&self.path));
        Ok(Stack {
            base,
            pooler: Pooler::find(&self.config, &global.root())?,
            iterations: self.config.iterations.unwrap_or(verifier::ITERATIONS),
            backups,
            keep: self.config.keep.unwrap_or(KEEP),
            reload: if change.no_reload { Vec::new() } else { self.config.reload.clone() },
            mend,
        })
    }

    /// Works a plan out to its end: what it needs, a confirmation, the change, what to say.
    fn carry_out(&self, env: &EnvFile, plan: Plan, change: &Change, global: &Global, mend: bool) -> Result<Exit> {
        let logins: Vec<&Login> = plan.roles.iter().map(|r| &r.before).collect();
        let databases: Vec<String> = plan.roles.iter().flat_map(|r| r.databases.clone()).collect();
        let mut stack = self.stack(change, global, &logins, &databases, mend)?;
        if !change.no_reload {
            stack.reload.extend(plan.reload.iter().filter(|c| !stack.reload.contains(c)).cloned().collect::<Vec<_>>());
        }
        refuse_without_reload(&stack, change, &plan)?;
        let names: Vec<&str> = plan.changes.iter().map(|c| c.name.as_str()).collect();
        let question = format!("{} of {} will be {}.", names.join(", "), env.path.display(), plan.how);
        let look = "look at it with `rotate --dry-run`, or `restore --list`";
        let permit = ApplyPermit::ask(change.yes, &question, look)?.ok_or_else(declined)?;
        let done = block_on(rotate::run(plan, env, &stack, &self.state, &permit))?;
        tell(&done, global.format)?;
        Ok(Exit::Done)
    }
}

/// The connection that changes roles. Where nobody names one it is the role's own, with its password of the env file.
fn base(connection: &ConnectionArgs, logins: &[&Login], databases: &[String]) -> Result<Conninfo> {
    let named = connection.dsn.is_some() || ["PGUSER", "PGSERVICE"].iter().any(|n| std::env::var_os(n).is_some());
    let mut info = match (named, logins.first()) {
        (false, Some(login)) => {
            let database = databases.first().map_or("postgres", String::as_str);
            let dsn = format!("user={} dbname={}", quote(&login.role), quote(database));
            connect::conninfo(Some(&SecretString::from(dsn)))?
        }
        _ => connection.conninfo()?,
    };
    let own = logins.iter().find(|l| l.role == info.user);
    if let Some(login) = own.filter(|_| info.servers.iter().all(|s| s.password.is_none())) {
        give_password(&mut info, &login.password.0);
    }
    Ok(info)
}

/// Nobody who is not there can restart what holds an old value.
fn refuse_without_reload(stack: &Stack, change: &Change, plan: &Plan) -> Result<()> {
    if !stack.reload.is_empty() || change.no_reload {
        return Ok(());
    }
    let holders = services::holders(&old_values(&plan.changes));
    let held = if holders.is_empty() {
        "no process whose environment may be read holds the old values".to_owned()
    } else {
        format!("these hold the old values: {}", holders.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
    };
    if change.yes || !std::io::stdin().is_terminal() {
        return Err(Error::new(Exit::Precondition, "secrets.no_reload", format!("no command is configured that makes services read the new values; {held}"))
            .at("[secrets] reload in llmsql.toml")
            .next("write reload = [\"systemctl try-reload-or-restart …\"], or restart the services yourself and say --no-reload"));
    }
    output::note(&format!("no reload command is configured, so you restart the services; {held}"));
    Ok(())
}

fn tell(done: &Done, format: Format) -> Result<()> {
    if format != Format::Table {
        return output::document(done, format);
    }
    output::stdout(&format!("{}: {}\n", done.how, done.names.join(", ")))?;
    for role in &done.roles {
        output::note(&format!("{} logs in as {}: {}", role.entry, role.role, role.proved.join(", ")));
        if let Some(other) = &role.other {
            output::note(&format!(
                "{other} goes on working until the next rotation; move its services to {} by then",
                role.role
            ));
        }
        if role.trusted {
            output::note(&format!(
                "warning: pg_hba.conf lets {} in without a password, so the login proves nothing",
                role.role
            ));
        }
    }
    if let Some(ms) = done.window_ms {
        output::note(&format!("window: for {:.2} s new logins with the old password failed", ms as f64 / 1000.0));
    }
    if let Some(since) = &done.open_since {
        output::note(&format!(
            "window: new logins with the old password fail since {since}, until services have the new one"
        ));
    }
    for holder in &done.holders {
        output::note(&format!("warning: {holder} still holds an old value: restart it"));
    }
    for command in &done.foreign {
        output::note(&format!("now tell the server: {command}"));
    }
    output::note(&format!("what was is kept: llmsql secrets restore {}", done.backup));
    Ok(())
}

impl Rotate {
    fn run(&self, global: &Global) -> Result<Exit> {
        let context = self.change.env.context(global)?;
        let env = EnvFile::read_to_change(&context.path)?;
        let secrets = context.config.secrets(&env.document)?;
        let chosen = self.choose(&context, &env, &secrets)?;
        if chosen.is_empty() {
            output::note("nothing is due");
            return Ok(Exit::Done);
        }
        let value = match (&self.value, self.names.as_slice()) {
            (None, _) => None,
            (Some(source), [name]) => {
                let value = source.read(&format!("New value of {name}"))?;
                warn_of_readers(&env, name, &value);
                Some(value)
            }
            (Some(_), _) => {
                return Err(Error::usage("secrets.value", "a value is for one name").at("--value"));
            }
        };
        let wish = Wish { strategy: self.strategy, value, no_overlap: self.no_overlap };
        let plan = Plan::rotate(&env, &chosen, &wish, &context.state)?;
        if self.dry_run {
            return dry_run(&plan, global.format);
        }
        context.carry_out(&env, plan, &self.change, global, self.mend)
    }

    fn choose<'a>(&self, context: &Context, env: &EnvFile, secrets: &'a [Secret]) -> Result<Vec<&'a Secret>> {
        let rotatable = |s: &&Secret| !matches!(s.kind, Some(Kind::Salt) | None);
        if self.all {
            for secret in secrets.iter().filter(|s| s.kind.is_none()) {
                output::note(&format!("warning: {} is left out: nothing says what it is for", secret.name));
            }
            return Ok(secrets.iter().filter(rotatable).collect());
        }
        if self.due {
            let status = status::status(env, &context.config, &context.state, None)?;
            let due = |s: &&Secret| status.secrets.iter().any(|e| e.name == s.name && e.due);
            return Ok(secrets.iter().filter(rotatable).filter(due).collect());
        }
        let mut chosen: Vec<&Secret> = Vec::new();
        for name in &self.names {
            let found = secrets.iter().find(|s| s.name == *name).ok_or_else(|| {
                if let Some(line) = env.document.lines(name).first() {
                    let odd = env.document.problems().find(|p| p.line == *line);
                    let what = odd.map_or_else(|| format!("{name} is no secret"), |p| format!("{name}: {}", p.message));
                    return Error::usage("secrets.unknown", what)
                        .at(format!("{}:{line}", env.path.display()))
                        .next(format!("mend the line, or say what it is by [secrets.entries.{name}] in llmsql.toml"));
                }
                let known: Vec<&str> = secrets.iter().map(|s| s.name.as_str()).collect();
                let error =
                    Error::usage("secrets.unknown", format!("there is no secret {name}")).at(env.path.display());
                error.next(format!(
                    "its secrets are {}; another name becomes one by [secrets.entries.{name}] in llmsql.toml",
                    known.join(", ")
                ))
            })?;
            if !chosen.iter().any(|c| c.name == found.name) {
                chosen.push(found);
            }
        }
        Ok(chosen)
    }
}

/// Says where readers of the env file will not take a given value alike; those we make are taken so everywhere.
fn warn_of_readers(env: &EnvFile, name: &str, value: &SecretString) {
    let mut document = env.document.clone();
    if document.set(name, value).is_ok() && !document.reads_alike(name) {
        output::note(&format!(
            "warning: bash, docker compose and python-dotenv read it differently from an env file, whatever its quotes: look at what reads {name}, or give it a value without $, quotes and backslashes"
        ));
    }
}

fn dry_run(plan: &Plan, format: Format) -> Result<Exit> {
    let names: Vec<&str> = plan.changes.iter().map(|c| c.name.as_str()).collect();
    let roles: Vec<String> = plan.roles.iter().map(|r| format!("{} → {}", r.before.role, r.after.role)).collect();
    match format {
        Format::Table => {
            output::stdout(&format!("would change {}\n", names.join(", ")))?;
            for role in &plan.roles {
                let what = if role.before.role == role.after.role { "gets another password" } else { "takes its turn" };
                output::stdout(&format!("role {} {what}; proved in {}\n", role.after.role, role.databases.join(", ")))?;
            }
            plan.foreign.iter().try_for_each(|f| output::stdout(&format!("to be told by hand: {f}\n")))?;
        }
        format => {
            output::document(&serde_json::json!({"names": names, "roles": roles, "foreign": plan.foreign}), format)?
        }
    }
    Ok(Exit::Done)
}

impl Restore {
    fn run(&self, global: &Global) -> Result<Exit> {
        let context = self.change.env.context(global)?;
        let folder = backup::folder(&state::folder_of(&global.root())?, &env::absolute(&context.path));
        if self.list {
            return list_backups(&folder, global.format);
        }
        let env = EnvFile::read_to_change(&context.path)?;
        let secrets = context.config.secrets(&env.document)?;
        let plan = Plan::restore(&env, &secrets, &backup::find(&folder, self.id.as_deref())?)?;
        if plan.changes.is_empty() && plan.roles.is_empty() {
            output::note("these values are in force already");
            return Ok(Exit::Done);
        }
        context.carry_out(&env, plan, &self.change, global, true)
    }
}

fn list_backups(folder: &std::path::Path, format: Format) -> Result<Exit> {
    let backups: Vec<Backup> =
        backup::list(folder)?.iter().rev().map(|id| backup::find(folder, Some(id))).collect::<Result<_>>()?;
    let names = |b: &Backup| b.values.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    match format {
        Format::Table if backups.is_empty() => output::note("there is no backup yet: a rotation keeps one"),
        Format::Table => {
            let mut table = plain_table();
            table.set_header(["backup", "brings back"]);
            for backup in &backups {
                table.add_row([backup.id.clone(), names(backup).join(", ")]);
            }
            output::stdout(&(table.trim_fmt() + "\n"))?;
        }
        format => {
            let list: Vec<_> = backups.iter().map(|b| serde_json::json!({"backup": b.id, "names": names(b)})).collect();
            output::document(&list, format)?;
        }
    }
    Ok(Exit::Done)
}

impl Recover {
    fn run(&self, global: &Global) -> Result<Exit> {
        let context = self.change.env.context(global)?;
        let Some(mut pending) = recover::interrupted(&context.path)? else {
            output::note("no rotation of this env file was interrupted");
            return Ok(Exit::Done);
        };
        if self.change.no_reload {
            pending.reload.clear();
        }
        let logins: Vec<&Login> = pending.roles.iter().map(|r| &r.before).collect();
        let databases: Vec<String> = pending.roles.iter().flat_map(|r| r.databases.clone()).collect();
        let stack = context.stack(&self.change, global, &logins, &databases, true)?;
        let wish = match (self.finish, self.undo) {
            (true, _) => Some(Way::Finish),
            (_, true) => Some(Way::Undo),
            _ => None,
        };
        let names: Vec<&str> = pending.names().collect();
        let question = format!("The rotation {} of {} will be finished or undone.", pending.id, names.join(", "));
        let permit = ApplyPermit::ask(self.change.yes, &question, "`llmsql secrets status` shows what stands")?
            .ok_or_else(declined)?;
        let done = block_on(recover::recover(&pending, wish, &stack, &context.state, &permit))?;
        tell_recovered(&done, global.format)?;
        Ok(Exit::Done)
    }
}

fn tell_recovered(done: &Recovered, format: Format) -> Result<()> {
    if format != Format::Table {
        return output::document(done, format);
    }
    output::stdout(&format!("{}: {}\n", done.outcome, done.names.join(", ")))?;
    for proved in done.proved.iter().filter(|p| !p.is_empty()) {
        output::note(&format!("logs in: {}", proved.join(", ")));
    }
    Ok(())
}

fn table(status: &Status) -> String {
    let mut out = format!("{} · mode {}\n", status.env_file, status.mode);
    out.extend(status.problems.iter().map(|p| format!("  ! {p}\n")));
    out.push('\n');
    let mut table = plain_table();
    table.set_header(["name", "kind", "age", "", "used by"]);
    for entry in &status.secrets {
        let days = entry.age_seconds / 86_400;
        let age = if entry.changed.is_some() { format!("{days} d") } else { format!("≥ {days} d") };
        let due = if entry.due { "due" } else { "" };
        table.add_row([entry.name.clone(), kind(entry.kind).to_owned(), age, due.to_owned(), entry.uses.join("; ")]);
        for problem in &entry.problems {
            table.add_row([format!("  ! {problem}")]);
        }
    }
    out + &table.trim_fmt() + "\n"
}

fn kind(kind: Option<Kind>) -> &'static str {
    match kind {
        Some(Kind::Role) => "role",
        Some(Kind::Application) => "application",
        Some(Kind::Jwt) => "jwt",
        Some(Kind::Salt) => "salt",
        Some(Kind::Foreign) => "foreign",
        None => "?",
    }
}

/// A secret given by the operator, as an argument that names where it stands.
#[derive(Debug, Clone, Args)]
pub struct Given {
    /// File with it; - for stdin (a prompt without echo at a terminal), credential:NAME for a systemd credential
    #[arg(value_name = "FILE", default_value = "-")]
    pub source: Source,
}

impl Given {
    /// Reads it.
    ///
    /// # Errors
    /// Those of [`Source::read`].
    pub fn read(&self, what: &str) -> Result<secrecy::SecretString> {
        self.source.read(what)
    }
}

/// What a command says where a confirmation was declined.
#[must_use]
pub fn declined() -> Error {
    Error::failed("secrets.declined", "nothing was changed")
}
