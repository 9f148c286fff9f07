//! What a rotation, or a restore, is to change; worked out before anything is touched.

use crate::error::{Error, Exit, Result};
use crate::secrets::apikey;
use crate::secrets::backup::Backup;
use crate::secrets::catalogue::{Kind, RoleUse, Secret, foreign_command};
use crate::secrets::env::EnvFile;
use crate::secrets::generate::Recipe;
use crate::secrets::pending::{Change, Login};
use crate::secrets::sealed::Sealed;
use crate::secrets::{record, status, token, url};
use crate::state::State;
use secrecy::{ExposeSecret, SecretString};

/// How a role's password is rotated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Strategy {
    /// One role: new logins with the old password fail from the moment of the change until services have the new one.
    Single,
    /// Two roles of one group take turns: the old login goes on working, so none fails.
    Alternate,
}

/// How a rotation was asked for.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// The strategy; by default alternate where two roles are configured.
    pub strategy: Option<Strategy>,
    /// A value given instead of a random one.
    pub value: Option<SecretString>,
    /// Do not accept tokens of the old key any longer.
    pub no_overlap: bool,
}

/// A role's part of a plan.
#[derive(Debug, Clone)]
pub struct RolePlan {
    /// The secret's name.
    pub entry: String,
    /// Databases that prove its logins.
    pub databases: Vec<String>,
    /// Who logs in now; with an empty password nobody yet.
    pub before: Login,
    /// Who is to log in.
    pub after: Login,
    /// The verifier the server is to hold, where it is known; else one is made.
    pub verifier: Option<Sealed>,
}

/// What is to change.
#[derive(Debug, Clone)]
pub struct Plan {
    /// `rotated` or `restored`.
    pub how: &'static str,
    /// In the env file.
    pub changes: Vec<Change>,
    /// In the server and PgBouncer.
    pub roles: Vec<RolePlan>,
    /// What the operator has to do by other commands afterwards.
    pub foreign: Vec<String>,
    /// Reload commands of the secrets that change, beside those of all.
    pub reload: Vec<String>,
}

impl Plan {
    /// Plans the rotation of these secrets.
    ///
    /// # Errors
    /// One whose kind nothing says; a value that does not fit; a strategy without two roles.
    pub fn rotate(env: &EnvFile, secrets: &[&Secret], wish: &Wish, state: &State) -> Result<Plan> {
        let mut plan =
            Plan { how: "rotated", changes: Vec::new(), roles: Vec::new(), foreign: Vec::new(), reload: Vec::new() };
        for secret in secrets {
            plan.add(env, secret, wish, state)?;
            let more: Vec<String> = secret.reload.iter().filter(|c| !plan.reload.contains(c)).cloned().collect();
            plan.reload.extend(more);
        }
        Ok(plan)
    }

    fn add(&mut self, env: &EnvFile, secret: &Secret, wish: &Wish, state: &State) -> Result<()> {
        let name = secret.name.as_str();
        let Some(kind) = secret.kind else {
            return Err(Error::usage("secrets.kind", format!("nothing says what {name} is for"))
                .at(env.path.display())
                .next(format!(
                    "add [secrets.entries.{name}] with kind = \"application\" (or role, jwt, foreign) to llmsql.toml"
                )));
        };
        let old = env.get(name);
        let new = match &wish.value {
            Some(value) => value.clone(),
            None => self.recipe(env, kind, old.as_ref()).make()?,
        };
        if old.as_ref().is_some_and(|old| old.expose_secret() == new.expose_secret()) {
            return Err(
                Error::usage("secrets.same", format!("the value given is the one {name} has")).at(env.path.display())
            );
        }
        match kind {
            Kind::Role => return self.add_role(env, secret, &new, wish.strategy),
            Kind::Jwt => self.add_overlap(env, old.as_ref(), wish.no_overlap, state)?,
            Kind::Salt => self.add_salts(env, old.as_ref(), state)?,
            Kind::Foreign => self.foreign.push(foreign_command(name)),
            Kind::Application => {}
        }
        self.change(env, name, new);
        Ok(())
    }

    fn recipe(&self, env: &EnvFile, kind: Kind, old: Option<&SecretString>) -> Recipe {
        let text = |name: &str| env.get(name).map(|v| v.expose_secret().to_owned());
        match (kind, old) {
            (Kind::Jwt, _) if text("JWT_ALGORITHM").as_deref() == Some("EdDSA") => Recipe::Ed25519,
            (Kind::Jwt | Kind::Application | Kind::Salt, None) => Recipe::Hex(32),
            (_, Some(old)) => match Recipe::of_value(old.expose_secret()) {
                // A key for another algorithm than the one in force.
                Recipe::Ed25519 if kind == Kind::Jwt => Recipe::Hex(32),
                recipe => Recipe::of_marker(old.expose_secret()).unwrap_or(recipe),
            },
            (Kind::Role | Kind::Foreign, None) => Recipe::Text(256),
        }
    }

    fn change(&mut self, env: &EnvFile, name: &str, new: SecretString) {
        let old = env.document.get(name).map(Sealed);
        self.changes.push(Change { name: name.to_owned(), old, new: Some(new.into()) });
    }

    fn add_role(
        &mut self,
        env: &EnvFile,
        secret: &Secret,
        new: &SecretString,
        strategy: Option<Strategy>,
    ) -> Result<()> {
        let name = secret.name.as_str();
        let Some(role) = &secret.role else { return Ok(()) };
        // A role that harden has just made has none yet.
        let old = env.get(name).unwrap_or_default();
        let next = next_role(name, role, strategy)?;
        let before = Login { role: role.role.clone(), password: old.clone().into() };
        let after = Login { role: next.clone(), password: new.clone().into() };
        if next != role.role
            && let Some(entry) = &role.user_entry
        {
            self.change(env, entry, next.clone().into());
        }
        for copy in status::copies(env, secret) {
            let text = env.need(&copy)?;
            let Some(text) = url::replace(text.expose_secret(), old.expose_secret(), new.expose_secret()) else {
                continue;
            };
            let text = text.replace(&format!("//{}:", role.role), &format!("//{next}:"));
            self.change(env, &copy, text.into());
        }
        self.change(env, name, new.clone());
        let databases = role.databases.clone();
        self.roles.push(RolePlan { entry: name.to_owned(), databases, before, after, verifier: None });
        Ok(())
    }

    fn add_overlap(&mut self, env: &EnvFile, old: Option<&SecretString>, none: bool, state: &State) -> Result<()> {
        match old {
            Some(old) if !none => {
                // A key that does not fit the algorithm in force has signed nothing that is accepted.
                let longest = match token::Keys::of(env) {
                    Ok(keys) => record::minted_until(state, keys.signer())?,
                    Err(_) => None,
                };
                self.change(env, token::PREVIOUS, token::after_rotation(env, old, longest)?);
            }
            _ if env.get(token::PREVIOUS).is_some() => self.change(env, token::PREVIOUS, String::new().into()),
            _ => {}
        }
        Ok(())
    }

    /// Every salt that a live key was hashed under stays.
    fn add_salts(&mut self, env: &EnvFile, old: Option<&SecretString>, state: &State) -> Result<()> {
        let in_use = apikey::salts_in_use(state)?;
        let earlier = env.get(apikey::PREVIOUS_SALTS);
        let earlier = earlier.iter().flat_map(|e| e.expose_secret().split(',')).map(SecretString::from);
        let kept: Vec<String> = old
            .cloned()
            .into_iter()
            .chain(earlier)
            .filter(|salt| in_use.contains(&apikey::version(salt)))
            .map(|salt| salt.expose_secret().to_owned())
            .collect();
        if !kept.is_empty() || env.get(apikey::PREVIOUS_SALTS).is_some() {
            self.change(env, apikey::PREVIOUS_SALTS, kept.join(",").into());
        }
        Ok(())
    }

    /// Plans the way back to a backup.
    ///
    /// # Errors
    /// It belongs to another file; a secret of it is no longer configured.
    pub fn restore(env: &EnvFile, secrets: &[Secret], backup: &Backup) -> Result<Plan> {
        let mut plan =
            Plan { how: "restored", changes: Vec::new(), roles: Vec::new(), foreign: Vec::new(), reload: Vec::new() };
        for (name, value) in &backup.values {
            let now = env.document.get(name).map(Sealed);
            if now == *value {
                continue;
            }
            let known = secrets.iter().find(|s| s.name == *name);
            if known.is_some_and(|s| s.kind == Some(Kind::Foreign)) {
                plan.foreign.push(foreign_command(name));
            }
            plan.reload.extend(known.iter().flat_map(|s| s.reload.iter().cloned()));
            plan.changes.push(Change { name: name.clone(), old: now, new: value.clone() });
        }
        for earlier in &backup.roles {
            let now = secrets.iter().find(|s| s.name == earlier.entry).and_then(|s| s.role.as_ref());
            let now = now.ok_or_else(|| {
                Error::new(
                    Exit::Precondition,
                    "secrets.gone",
                    format!("{} is no longer a role's password", earlier.entry),
                )
                .at(env.path.display())
                .next("bring its line in the env file and in [secrets.entries] back first")
            })?;
            plan.roles.push(RolePlan {
                entry: earlier.entry.clone(),
                databases: earlier.databases.clone(),
                before: Login { role: now.role.clone(), password: env.need(&earlier.entry)?.into() },
                after: earlier.login.clone(),
                verifier: earlier.verifier.clone(),
            });
        }
        plan.reload.dedup();
        Ok(plan)
    }
}

fn next_role(name: &str, role: &RoleUse, strategy: Option<Strategy>) -> Result<String> {
    let other = role.alternate.as_ref().map(|[a, b]| if role.role == *a { b } else { a });
    match (strategy, other) {
        (Some(Strategy::Single), _) | (None, None) => Ok(role.role.clone()),
        (_, Some(other)) => Ok(other.clone()),
        (Some(Strategy::Alternate), None) => Err(Error::usage("secrets.strategy", format!("{name} has no two roles to take turns"))
            .at("--strategy alternate")
            .next(format!(
                "create a second role in the same group, then write alternate = [\"{0}_a\", \"{0}_b\"] and user_entry into [secrets.entries.{name}]",
                role.role
            ))),
    }
}
