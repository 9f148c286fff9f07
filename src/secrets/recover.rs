//! What a kill, a crash or a lost server has left of a rotation, finished or undone.

use super::rotate::{
    Stack, Uninterrupted, backward, finish, locks, prove_all, set_verifiers, stage, sweep, unfinished,
};
use crate::apply::ApplyPermit;
use crate::error::{Error, Result};
use crate::secrets::env;
use crate::secrets::pending::{Pending, Target, Way};
use crate::secrets::{roles, sealed, services};
use crate::state::State;
use serde::Serialize;
use std::fs;
use std::path::Path;

/// What `recover` did.
#[derive(Debug, Serialize)]
pub struct Recovered {
    /// The rotation's name.
    pub id: String,
    /// `finished` or `undone`.
    pub outcome: &'static str,
    /// The names it was about.
    pub names: Vec<String>,
    /// The logins that were proved, for each role.
    pub proved: Vec<Vec<String>>,
}

/// The interrupted rotation of an env file, if there is one.
///
/// # Errors
/// The pending file cannot be read.
pub fn interrupted(env: &Path) -> Result<Option<Pending>> {
    let path = env::pending_path(&env::absolute(env));
    if fs::symlink_metadata(&path).is_err() { Ok(None) } else { sealed::read(&path).map(Some) }
}

/// Finishes or undoes an interrupted rotation. Without a wish it is finished where the new values have got anywhere.
///
/// # Errors
/// The server or PgBouncer cannot be reached, or a login does not work; the rotation waits on (4).
pub async fn recover(
    pending: &Pending,
    wish: Option<Way>,
    stack: &Stack,
    state: &State,
    _permit: &ApplyPermit,
) -> Result<Recovered> {
    let _locks = locks(&pending.env.path, stack)?;
    if !env::pending_path(&pending.env.path).exists() {
        return Err(
            Error::failed("secrets.recovered", "another run has ended this rotation").at(pending.env.path.display())
        );
    }
    sweep(&pending.env.path, stack)?;
    let _signals = Uninterrupted::begin();
    end(pending, wish, stack, state).await.map_err(|e| unfinished(pending, e))
}

async fn end(pending: &Pending, wish: Option<Way>, stack: &Stack, state: &State) -> Result<Recovered> {
    let way = match wish {
        Some(way) => way,
        None => way_of(pending, stack).await?,
    };
    let proved = match way {
        Way::Undo => {
            backward(pending, stack).await?;
            Vec::new()
        }
        Way::Finish => {
            set_verifiers(pending, way, stack).await?;
            stage(pending, way, stack)?.commit()?;
            let proved = prove_all(pending, way, stack).await?;
            services::reload(&pending.reload)?;
            finish(pending, stack, state, None)?;
            proved
        }
    };
    let outcome = if way == Way::Finish { "finished" } else { "undone" };
    Ok(Recovered { id: pending.id.clone(), outcome, names: pending.names().map(str::to_owned).collect(), proved })
}

/// Forward where a new value stands in a file or the server, back where nothing has changed yet.
async fn way_of(pending: &Pending, stack: &Stack) -> Result<Way> {
    let stands = |target: &Target| fs::read(&target.path).is_ok_and(|now| now == target.new.0);
    if stands(&pending.env) || pending.userlist.as_ref().is_some_and(stands) {
        return Ok(Way::Finish);
    }
    let Some(base) = &stack.base else { return Ok(Way::Undo) };
    for role in &pending.roles {
        let Some(database) = role.databases.first() else { continue };
        if roles::direct(base, &role.after, database).await.is_ok() {
            return Ok(Way::Finish);
        }
    }
    Ok(Way::Undo)
}
