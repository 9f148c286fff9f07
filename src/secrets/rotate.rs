//! The state machine of a rotation: what is about to happen is written down (pending), the server gets its verifiers
//! (set), logins prove them directly and through PgBouncer (test), and what was is kept (finish). Until the last step a
//! failure puts everything back, and a kill leaves what [`super::recover`] finishes or undoes.

use crate::apply::ApplyPermit;
use crate::error::{Error, Exit, Result};
use crate::formats::{Problem, userlist};
use crate::output::file::{self, Attributes, Expected, NotCommitted, Staged};
use crate::postgres::connect::Session;
use crate::postgres::conninfo::Conninfo;
use crate::secrets::backup::{self, Backup};
use crate::secrets::env::{self, EnvFile};
use crate::secrets::pending::{Login, Pending, RoleChange, Target, Way, old_values};
use crate::secrets::plan::{Plan, RolePlan};
use crate::secrets::pooler::{Pooler, give_password};
use crate::secrets::sealed::{self, Sealed, SealedBytes, TAG};
use crate::secrets::services::{self, Holder};
use crate::secrets::verifier::Verifier;
use crate::secrets::{generate, record, roles};
use crate::state::State;
use jiff::Timestamp;
use nix::sys::signal::{SigSet, Signal};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What a rotation works with.
#[derive(Debug)]
pub struct Stack {
    /// The connection that changes roles; `None` where no role changes.
    pub base: Option<Conninfo>,
    /// PgBouncer, where there is one.
    pub pooler: Option<Pooler>,
    /// Rounds of PBKDF2 in new verifiers.
    pub iterations: u32,
    /// Where backups are kept.
    pub backups: PathBuf,
    /// How many.
    pub keep: usize,
    /// Commands that make services read the env file anew.
    pub reload: Vec<String>,
    /// Go on though the old login does not work.
    pub mend: bool,
}

/// What was done.
#[derive(Debug, Serialize)]
pub struct Done {
    /// The name of the backup with the earlier values.
    pub backup: String,
    /// `rotated` or `restored`.
    pub how: String,
    /// The names that changed in the env file.
    pub names: Vec<String>,
    /// The roles whose verifier changed.
    pub roles: Vec<DoneRole>,
    /// Milliseconds from the change in the server until all services had been reloaded, in which new logins with the old
    /// password failed; `null` where no login could fail, or no service was reloaded.
    pub window_ms: Option<u64>,
    /// Since when new logins with the old password fail, where nothing was reloaded (RFC 3339).
    pub open_since: Option<String>,
    /// Processes whose environment still holds an old value.
    pub holders: Vec<Holder>,
    /// What is left to do by other commands.
    pub foreign: Vec<String>,
}

/// A role whose verifier changed.
#[derive(Debug, Serialize)]
pub struct DoneRole {
    /// The secret's name.
    pub entry: String,
    /// The role that logs in now.
    pub role: String,
    /// The role whose login goes on working until the next rotation, where two take turns.
    pub other: Option<String>,
    /// The logins that were proved.
    pub proved: Vec<String>,
    /// Whether pg_hba.conf lets anybody in without a password, so that the login proves nothing.
    pub trusted: bool,
}

/// Keeps SIGINT, SIGTERM and SIGHUP waiting while a change is under way; every step of one is bounded in time.
pub(super) struct Uninterrupted(SigSet);

impl Uninterrupted {
    pub(super) fn begin() -> Self {
        let set = SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP]);
        // Without it a signal leaves what `recover` mends.
        let _ = set.thread_block();
        Uninterrupted(set)
    }
}

impl Drop for Uninterrupted {
    fn drop(&mut self) {
        let _ = self.0.thread_unblock();
    }
}

/// Carries a plan out.
///
/// # Errors
/// Nothing has changed: a precondition (13), a login that did not work before (12). All has been put back: a login that
/// did not work after (12), anything else (3). Neither: exit 4, and `recover` is needed.
pub async fn run(plan: Plan, env: &EnvFile, stack: &Stack, state: &State, _permit: &ApplyPermit) -> Result<Done> {
    let _locks = locks(&env.path, stack)?;
    env::settled(&env.path)?;
    sweep(&env.path, stack)?;
    let signals = Uninterrupted::begin();
    let admin = match (&stack.base, plan.roles.is_empty()) {
        (Some(base), false) => Some(Session::open(base).await?),
        _ => None,
    };
    let pending = prepare(&plan, env, stack, admin.as_ref()).await?;
    let staged = stage(&pending, Way::Finish, stack)?;
    let prepared = match &admin {
        Some(admin) => Some(roles::prepare(admin, &verifiers(&pending, Way::Finish)).await?),
        None => None,
    };
    let backup = match write_down(&pending, stack) {
        Ok(backup) => backup,
        Err(e) => {
            if let Some(prepared) = prepared {
                prepared.forget().await;
            }
            // What was written of it says of a rotation that is none.
            return Err(match forget(&pending, stack) {
                Ok(()) => e,
                Err(left) => unfinished(&pending, left.because(e)),
            });
        }
    };
    let start = Instant::now();
    let set = match prepared {
        Some(prepared) => prepared.commit().await,
        None => Ok(()),
    };
    let done = match set {
        Ok(()) => forward(&pending, stack, staged).await,
        Err(e) => Err(e),
    };
    let proved = match done {
        Ok(proved) => proved,
        Err(e) => return Err(put_back(&pending, stack, e).await),
    };
    let window = start.elapsed();
    finish(&pending, stack, state, Some(backup)).map_err(|e| unfinished(&pending, e))?;
    drop(signals);
    Ok(tell(&pending, stack, proved, window, plan.foreign).await)
}

/// One run at a time for the env file's folder and for PgBouncer's.
pub(super) fn locks(env: &Path, stack: &Stack) -> Result<Vec<nix::fcntl::Flock<fs::File>>> {
    let mut folders = vec![file::folder(env).to_owned()];
    let userlist = stack.pooler.as_ref().and_then(|p| p.userlist.as_ref()).map(|path| file::folder(path).to_owned());
    folders.extend(userlist.filter(|f| *f != file::folder(env) && f.is_dir()));
    folders.iter().map(|folder| file::lock(folder)).collect()
}

/// Removes what a killed run has left beside the files; the pending file says all that is worth knowing of it.
pub(super) fn sweep(env: &Path, stack: &Stack) -> Result<()> {
    let wrong =
        |folder: &Path, e| Error::failed("secrets.sweep", "cannot be tidied up").at(folder.display()).because(e);
    let userlist = stack.pooler.as_ref().and_then(|p| p.userlist.as_deref());
    for folder in [file::folder(env), &stack.backups].into_iter().chain(userlist.map(file::folder)) {
        file::sweep(folder, TAG).map_err(|e| wrong(folder, e))?;
    }
    Ok(())
}

/// Works out every byte that is to change, and refuses what cannot work. Nothing is changed.
async fn prepare(plan: &Plan, env: &EnvFile, stack: &Stack, admin: Option<&Session>) -> Result<Pending> {
    let mut document = env.document.clone();
    let at = |p: Problem| Error::usage("secrets.env_file", p.message).at(format!("{}:{}", env.path.display(), p.line));
    for change in &plan.changes {
        let behind =
            [crate::secrets::token::PREVIOUS, crate::secrets::apikey::PREVIOUS_SALTS].contains(&change.name.as_str());
        let behind = behind.then(|| change.name.trim_end_matches("_PREVIOUS"));
        match &change.new {
            Some(new) if document.lines(&change.name).is_empty() => {
                document.add(&change.name, &new.0, behind).map_err(at)?
            }
            Some(new) => document.set(&change.name, &new.0).map_err(at)?,
            None => document.remove(&change.name),
        }
    }
    let env_target = Target { path: env.path.clone(), old: env.bytes.clone(), new: SealedBytes(document.to_bytes()) };
    let mut list = match (&stack.pooler, plan.roles.is_empty()) {
        (Some(pooler), false) => {
            pooler.can_reload().await?;
            pooler.userlist.as_deref().map(read_userlist).transpose()?
        }
        _ => None,
    };
    let before = list.as_ref().map(|(_, document)| document.to_bytes());
    let mut changes = Vec::new();
    if let Some(admin) = admin {
        roles::writable(admin).await?;
        for role in &plan.roles {
            changes.push(prepare_role(role, stack, admin, list.as_mut().map(|(_, document)| document)).await?);
        }
    }
    let userlist = match (list, before) {
        (Some((path, document)), Some(old)) if document.to_bytes() != old => {
            Some(Target { path, old: SealedBytes(old), new: SealedBytes(document.to_bytes()) })
        }
        _ => None,
    };
    let now = Timestamp::now();
    Ok(Pending {
        id: format!("{}-{}", now.strftime("%Y%m%dT%H%M%S%3fZ"), generate::text(24)?.expose_secret()),
        started: now.to_string(),
        how: plan.how.to_owned(),
        env: env_target,
        userlist,
        changes: plan.changes.clone(),
        roles: changes,
        reload: stack.reload.clone(),
    })
}

fn read_userlist(path: &Path) -> Result<(PathBuf, userlist::Document)> {
    let refuse = |what: String| Error::new(Exit::Precondition, "secrets.userlist", what);
    let bytes = fs::read(path).map_err(|e| {
        refuse("PgBouncer's userlist cannot be read".to_owned())
            .at(path.display())
            .next("run this as root or as PgBouncer's user; auth_file in pgbouncer.ini names it")
            .because(e)
    })?;
    let document = userlist::Document::parse(&bytes);
    if let Some(problem) = document.problems().next() {
        return Err(refuse(format!(
            "{}: PgBouncer stops reading here and locks out every role below",
            problem.message
        ))
        .at(format!("{}:{}", path.display(), problem.line))
        .next("mend the line first"));
    }
    let owner = Attributes::of(path).ok().flatten().map_or(0, |a| a.uid);
    file::trusted(path, owner)?;
    Ok((path.to_owned(), document))
}

async fn prepare_role(
    role: &RolePlan,
    stack: &Stack,
    admin: &Session,
    list: Option<&mut userlist::Document>,
) -> Result<RoleChange> {
    let (before, after) = (&role.before, &role.after);
    let found = roles::find(admin, &after.role).await?;
    let alternates = before.role != after.role;
    let earlier = if alternates { roles::find(admin, &before.role).await?.verifier } else { found.verifier.clone() };
    if alternates {
        roles::may_take_turns(admin, &before.role, &after.role).await?;
    }
    let worked = worked_before(role, stack).await?;
    let new = match role.verifier.as_ref().and_then(|v| Verifier::parse(&v.0)).filter(|v| v.fits(&after.password.0)) {
        Some(verifier) => verifier,
        None => Verifier::new(&after.password.0, stack.iterations)?,
    };
    let old_listed = list.as_ref().and_then(|l| l.get(&after.role));
    let old_verifier = match found.verifier {
        Some(stored) => stored,
        // Not to be read: what the userlist holds, or a verifier of the password that logged in.
        None => match old_listed.as_ref().and_then(Verifier::parse) {
            Some(listed) => Some(listed.text().clone()),
            None if alternates => Some(new.text().clone()),
            None => Some(Verifier::new(&before.password.0, stack.iterations)?.text().clone()),
        },
    };
    let new_listed = match (list, &stack.pooler) {
        (Some(list), Some(pooler)) => set_listed(list, pooler, after, &new, old_listed.as_ref())?,
        _ => None,
    };
    Ok(RoleChange {
        entry: role.entry.clone(),
        databases: role.databases.clone(),
        role: after.role.clone(),
        old_verifier: old_verifier.map(Sealed),
        new_verifier: new.text().clone().into(),
        old_listed: old_listed.map(Sealed),
        new_listed,
        before: before.clone(),
        worked_before: worked,
        before_verifier: earlier.flatten().map(Sealed),
        after: after.clone(),
    })
}

/// Whether the login that is to be replaced works now, everywhere it should.
async fn worked_before(role: &RolePlan, stack: &Stack) -> Result<bool> {
    let Some(base) = &stack.base else { return Ok(true) };
    if role.before.password.0.expose_secret().is_empty() {
        return Ok(false);
    }
    match roles::prove(base, stack.pooler.as_ref(), &role.before, &role.databases, false).await {
        Ok(_) => Ok(true),
        Err(_) if stack.mend => Ok(false),
        Err(e) => Err(e.next(format!(
            "nothing was changed: {} does not log in as it stands in the env file; `llmsql secrets verify` shows where, --mend rotates it nevertheless",
            role.entry
        ))),
    }
}

/// Puts a role into the userlist, in the form PgBouncer needs; what it is to hold then.
fn set_listed(
    list: &mut userlist::Document,
    pooler: &Pooler,
    login: &Login,
    verifier: &Verifier,
    old: Option<&SecretString>,
) -> Result<Option<Sealed>> {
    let refuse = |what: String| Error::new(Exit::Precondition, "secrets.pgbouncer", what).at(pooler.ini.display());
    if let Some(entry) = pooler.holds_password_of(&login.role) {
        return Err(refuse(format!("the entry {entry:?} of [databases] holds a password itself"))
            .next("move the password into auth_file (user=… stays), reload PgBouncer, and rotate again"));
    }
    if old.is_none() && pooler.auth_query && !pooler.forces(&login.role) {
        return Ok(None);
    }
    // Logging in as a role whoever the client is takes the password itself.
    let secret = if pooler.forces(&login.role) { login.password.0.clone() } else { verifier.text().clone() };
    list.set(&login.role, &secret).map_err(|p| refuse(p.message))?;
    Ok(Some(secret.into()))
}

/// The verifiers the server is to hold after going this way.
fn verifiers(pending: &Pending, way: Way) -> Vec<(&str, Option<&SecretString>)> {
    pending.roles.iter().map(|r| (r.role.as_str(), r.verifier(way))).collect()
}

/// Both files, staged beside their targets.
pub(super) struct StagedFiles {
    userlist: Option<(Staged, Vec<u8>)>,
    env: Option<(Staged, Vec<u8>)>,
}

/// Writes both files beside their targets, so that a full disk or a missing right is known before anything changes.
pub(super) fn stage(pending: &Pending, way: Way, stack: &Stack) -> Result<StagedFiles> {
    let env = stage_one(&pending.env.path, |now| pending.env_bytes(now, way))?;
    let changes_list = pending.roles.iter().any(|r| r.new_listed.is_some());
    let path = stack.pooler.as_ref().and_then(|p| p.userlist.as_ref()).filter(|_| changes_list);
    let userlist = match path {
        Some(path) => stage_one(path, |now| pending.userlist_bytes(now, way))?,
        None => None,
    };
    Ok(StagedFiles { userlist, env })
}

fn stage_one(path: &Path, bytes: impl FnOnce(&[u8]) -> Result<Vec<u8>, Problem>) -> Result<Option<(Staged, Vec<u8>)>> {
    let wrong = |e: std::io::Error| Error::failed("secrets.write", "cannot be written").at(path.display()).because(e);
    let now = fs::read(path).map_err(wrong)?;
    let new = bytes(&now).map_err(|p| Error::failed("secrets.write", p.to_string()).at(path.display()))?;
    if new == now {
        return Ok(None);
    }
    let attributes = Attributes::of(path).map_err(wrong)?;
    Ok(Some((file::stage(path, &new, attributes.as_ref(), TAG).map_err(wrong)?, now)))
}

impl StagedFiles {
    /// Puts both in place, PgBouncer's first.
    pub(super) fn commit(self) -> Result<()> {
        for (staged, old) in [self.userlist, self.env].into_iter().flatten() {
            staged.commit(Expected::Content(&old)).map_err(|e| match e {
                NotCommitted::Changed => {
                    Error::failed("secrets.changed", "a file was changed by somebody else in the meantime")
                }
                NotCommitted::Io(e) => Error::failed("secrets.write", "a file cannot be put in its place").because(e),
            })?;
        }
        Ok(())
    }
}

/// Makes sure that there is room for the backup, and writes the pending file: from now on a kill can be mended.
fn write_down(pending: &Pending, stack: &Stack) -> Result<Staged> {
    let backup = backup::stage(&stack.backups, &Backup::of(pending))?;
    sealed::write(&env::pending_path(&pending.env.path), pending)?;
    Ok(backup)
}

/// Removes the backup and, last of all, the pending file: while that is there, `recover` comes here again.
fn forget(pending: &Pending, stack: &Stack) -> Result<()> {
    backup::forget(&stack.backups, &pending.id)?;
    sealed::remove(&env::pending_path(&pending.env.path))
}

/// What is said where only the last step failed, so that `recover` has to end the rotation.
pub(super) fn unfinished(pending: &Pending, cause: Error) -> Error {
    Error::new(Exit::RecoverFirst, "secrets.unfinished", "the rotation could not be ended")
        .at(env::pending_path(&pending.env.path).display())
        .next("mend what is wrong, then run: llmsql secrets recover")
        .because(cause)
}

/// From verifiers that are set to services that know the new values. Returns what was proved for each role.
async fn forward(pending: &Pending, stack: &Stack, staged: StagedFiles) -> Result<Vec<Vec<String>>> {
    if let Some(base) = &stack.base {
        for role in &pending.roles {
            roles::prove(base, None, &role.after, &role.databases, false).await?;
        }
    }
    staged.commit()?;
    let mut proved = Vec::new();
    if let (Some(base), false) = (&stack.base, pending.roles.is_empty()) {
        if let Some(pooler) = &stack.pooler {
            pooler.reload().await?;
        }
        for role in &pending.roles {
            proved.push(roles::prove(base, stack.pooler.as_ref(), &role.after, &role.databases, true).await?);
            if role.alternates() && role.worked_before {
                roles::prove(base, stack.pooler.as_ref(), &role.before, &role.databases, true).await?;
            }
        }
    }
    services::reload(&pending.reload)?;
    Ok(proved)
}

/// Puts everything back after a failure, and says so.
async fn put_back(pending: &Pending, stack: &Stack, error: Error) -> Error {
    match backward(pending, stack).await {
        Ok(()) => {
            let exit = if error.exit == Exit::LoginFailed { Exit::LoginFailed } else { Exit::RolledBack };
            let mut told =
                Error::new(exit, "secrets.rolled_back", "the rotation failed, and everything has been put back");
            told.next.clone_from(&error.next);
            told.because(error)
        }
        Err(undo) => Error::new(
            Exit::RecoverFirst,
            "secrets.stuck",
            format!("the rotation failed ({error}), and it could not be put back: {undo}"),
        )
        .at(env::pending_path(&pending.env.path).display())
        .next("mend what is wrong, then run: llmsql secrets recover"),
    }
}

/// Back to the old values, wherever the rotation had come to.
pub(super) async fn backward(pending: &Pending, stack: &Stack) -> Result<()> {
    set_verifiers(pending, Way::Undo, stack).await?;
    stage(pending, Way::Undo, stack)?.commit()?;
    prove_all(pending, Way::Undo, stack).await?;
    services::reload(&pending.reload)?;
    forget(pending, stack)
}

/// Has PgBouncer read its files and proves every login of this way.
pub(super) async fn prove_all(pending: &Pending, way: Way, stack: &Stack) -> Result<Vec<Vec<String>>> {
    let (Some(base), false) = (&stack.base, pending.roles.is_empty()) else { return Ok(Vec::new()) };
    let reloaded = match &stack.pooler {
        Some(pooler) => pooler.reload().await,
        None => Ok(()),
    };
    let mut proved = Vec::new();
    for role in &pending.roles {
        proved.push(match role.login(way) {
            // Whether it could be told does not matter where it knows.
            Some(login) => roles::prove(base, stack.pooler.as_ref(), login, &role.databases, true).await?,
            None => Vec::new(),
        });
    }
    if proved.iter().all(Vec::is_empty) {
        reloaded?;
    }
    Ok(proved)
}

/// Sets the verifiers of this way, connected by whichever password works: the role that changes may be our own.
pub(super) async fn set_verifiers(pending: &Pending, way: Way, stack: &Stack) -> Result<()> {
    let (Some(base), false) = (&stack.base, pending.roles.is_empty()) else { return Ok(()) };
    let admin = open_admin(pending, base).await?;
    roles::writable(&admin).await?;
    roles::prepare(&admin, &verifiers(pending, way)).await?.commit().await
}

async fn open_admin(pending: &Pending, base: &Conninfo) -> Result<Session> {
    let own = |login: &&Login| login.role == base.user;
    let logins: Vec<&Login> = pending.roles.iter().flat_map(|r| [&r.after, &r.before]).filter(own).collect();
    let Some((last, others)) = logins.split_last() else { return Session::open(base).await };
    let with = |login: &Login| {
        let mut info = base.clone();
        give_password(&mut info, &login.password.0);
        info
    };
    for login in others {
        if let Ok(session) = Session::open(&with(login)).await {
            return Ok(session);
        }
    }
    Session::open(&with(last)).await
}

/// Notes the change, prunes backups, and forgets the pending file: from now on the rotation is over.
pub(super) fn finish(pending: &Pending, stack: &Stack, state: &State, backup: Option<Staged>) -> Result<()> {
    backup::keep(&stack.backups, &Backup::of(pending), backup)?;
    record::note(state, &pending.env.path.display().to_string(), pending.names(), &pending.how)?;
    backup::prune(&stack.backups, stack.keep)?;
    sealed::remove(&env::pending_path(&pending.env.path))
}

async fn tell(
    pending: &Pending,
    stack: &Stack,
    proved: Vec<Vec<String>>,
    window: Duration,
    foreign: Vec<String>,
) -> Done {
    let mut told = Vec::new();
    for (role, proved) in pending.roles.iter().zip(proved) {
        let database = role.databases.first().map_or("postgres", String::as_str);
        let trusted = match &stack.base {
            Some(base) => roles::lets_anyone_in(base, &role.after.role, database).await.unwrap_or(false),
            None => false,
        };
        let other = role.alternates().then(|| role.before.role.clone());
        told.push(DoneRole { entry: role.entry.clone(), role: role.after.role.clone(), other, proved, trusted });
    }
    let gap = pending.roles.iter().any(|r| !r.alternates());
    let reloaded = !pending.reload.is_empty();
    let since = Timestamp::now() - jiff::SignedDuration::try_from(window).unwrap_or_default();
    Done {
        backup: pending.id.clone(),
        how: pending.how.clone(),
        names: pending.names().map(str::to_owned).collect(),
        roles: told,
        window_ms: (gap && reloaded).then(|| u64::try_from(window.as_millis()).unwrap_or(u64::MAX)),
        open_since: (gap && !reloaded).then(|| since.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
        holders: services::holders(&old_values(&pending.changes)),
        foreign,
    }
}
