//! The server's part: verifiers in `pg_authid`, and logins that prove them.

use crate::error::{Error, Exit, Result};
use crate::postgres::connect::{RowExt, Session, is_sqlstate, quote_ident, quote_literal};
use crate::postgres::conninfo::{Address, Conninfo};
use crate::secrets::pending::{Login, is_stored_as_it_is};
use crate::secrets::pooler::{Pooler, give_password};
use crate::secrets::verifier::same;
use secrecy::{ExposeSecret, SecretString};
use std::time::{Duration, Instant};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;

/// Settings under which the text of a statement reaches a log or a view, the value that keeps it out, and whether the
/// verifier would be written down for good without it (PostgreSQL's documentation, "Error Reporting and Logging").
const QUIET: &[(&str, &str, bool)] = &[
    ("log_statement", "none", true),
    ("log_min_duration_statement", "-1", true),
    ("log_min_duration_sample", "-1", true),
    ("log_transaction_sample_rate", "0", true),
    ("log_min_error_statement", "panic", true),
    ("debug_print_parse", "off", true),
    ("debug_print_rewritten", "off", true),
    ("debug_print_plan", "off", true),
    ("pgaudit.log", "none", true),
    ("pg_stat_statements.track_utility", "off", true),
    ("track_activities", "off", false),
];

/// A role in the server.
#[derive(Debug)]
pub struct Found {
    /// What the server holds for it; `None` where it may not be read.
    pub verifier: Option<Option<SecretString>>,
}

/// What the server knows of a role.
///
/// # Errors
/// It does not exist or may not log in (13).
pub async fn find(admin: &Session, role: &str) -> Result<Found> {
    let sql = "SELECT rolcanlogin AS login FROM pg_catalog.pg_roles WHERE rolname = $1";
    let refuse =
        |what: String, next: String| Error::new(Exit::Precondition, "secrets.role", what).at(admin.place()).next(next);
    let Some(row) = admin.query_opt(sql, &[(&role, Type::TEXT)]).await? else {
        let next = format!(
            "create it, or name another in the env file or [secrets.entries]: CREATE ROLE {} LOGIN",
            quote_ident(role)
        );
        return Err(refuse(format!("there is no role {role:?}"), next));
    };
    if !row.value::<bool>("login")? {
        return Err(refuse(
            format!("the role {role:?} may not log in"),
            format!("ALTER ROLE {} LOGIN", quote_ident(role)),
        ));
    }
    Ok(Found { verifier: stored(admin, role).await? })
}

/// Refuses two roles that are not of the same groups: what one may do the other could not.
///
/// # Errors
/// They are not (13).
pub async fn may_take_turns(admin: &Session, one: &str, other: &str) -> Result<()> {
    let sql = "SELECT pg_catalog.string_agg(g.rolname, ', ' ORDER BY g.rolname) AS lacking
        FROM pg_catalog.pg_auth_members m
        JOIN pg_catalog.pg_roles g ON g.oid = m.roleid
        JOIN pg_catalog.pg_roles a ON a.oid = m.member AND a.rolname = $1
        JOIN pg_catalog.pg_roles b ON b.rolname = $2
        WHERE NOT EXISTS (SELECT 1 FROM pg_catalog.pg_auth_members x WHERE x.roleid = m.roleid AND x.member = b.oid)";
    let row = admin.query_one(sql, &[(&one, Type::TEXT), (&other, Type::TEXT)]).await?;
    let refuse = |what: String, next: String| {
        Err(Error::new(Exit::Precondition, "secrets.alternate", what).at(admin.place()).next(next))
    };
    if let Some(lacking) = row.value::<Option<String>>("lacking")? {
        return refuse(
            format!("the role {other:?} is not in the group {lacking}, as {one:?} is"),
            format!(
                "GRANT {} TO {}",
                lacking.split(", ").map(quote_ident).collect::<Vec<_>>().join(", "),
                quote_ident(other)
            ),
        );
    }
    let sql = "SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_shdepend d JOIN pg_catalog.pg_roles r ON r.oid = d.refobjid
        WHERE d.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass AND d.deptype = 'o' AND r.rolname = $1) AS owns";
    if admin.query_one(sql, &[(&one, Type::TEXT)]).await?.value::<bool>("owns")? {
        return refuse(
            format!("the role {one:?} owns objects itself, which {other:?} could not change"),
            format!(
                "give them to the group of both, in every database: REASSIGN OWNED BY {} TO the group",
                quote_ident(one)
            ),
        );
    }
    Ok(())
}

/// What `pg_authid` holds for a role; `None` where it may not be read.
async fn stored(admin: &Session, role: &str) -> Result<Option<Option<SecretString>>> {
    let sql = "SELECT rolpassword AS stored FROM pg_catalog.pg_authid WHERE rolname = $1";
    let may = "SELECT pg_catalog.has_column_privilege('pg_catalog.pg_authid', 'rolpassword', 'SELECT') AS may";
    if !admin.query_one(may, &[]).await?.value::<bool>("may")? {
        return Ok(None);
    }
    let row = admin.query_one(sql, &[(&role, Type::TEXT)]).await?;
    Ok(Some(row.value::<Option<String>>("stored")?.map(SecretString::from)))
}

/// Whether the server may be written.
///
/// # Errors
/// It is a standby (13).
pub async fn writable(admin: &Session) -> Result<()> {
    let row = admin.query_one("SELECT pg_catalog.pg_is_in_recovery() AS standby", &[]).await?;
    if row.value::<bool>("standby")? {
        return Err(Error::new(
            Exit::Precondition,
            "secrets.standby",
            "the server is a standby: roles are changed on its primary",
        )
        .at(admin.place())
        .next("name the primary with --dsn"));
    }
    Ok(())
}

/// A change of verifiers that the server has done and not committed, so that everything it could refuse is known before
/// anything has changed.
#[must_use]
pub struct Prepared<'a>(&'a Session);

/// Gives roles their verifiers in one transaction, whose statements no log shows, reads them back, and leaves it open.
///
/// # Errors
/// No right to; the server would log the verifier and does not let us switch that off; a verifier that it would hash, or
/// has stored otherwise (13). Nothing has changed then.
pub async fn prepare<'a>(admin: &'a Session, roles: &[(&str, Option<&SecretString>)]) -> Result<Prepared<'a>> {
    admin.batch("BEGIN").await?;
    match alter(admin, roles).await {
        Ok(()) => Ok(Prepared(admin)),
        Err(e) => {
            // The session may be gone, and with it the transaction.
            let _ = admin.batch("ROLLBACK").await;
            Err(e)
        }
    }
}

impl Prepared<'_> {
    /// Makes it last.
    ///
    /// # Errors
    /// Those of COMMIT; whether it happened is then unknown.
    pub async fn commit(self) -> Result<()> {
        self.0.batch("COMMIT").await
    }

    /// Forgets it.
    pub async fn forget(self) {
        // Without an answer the server forgets it with the session.
        let _ = self.0.batch("ROLLBACK").await;
    }
}

async fn alter(admin: &Session, roles: &[(&str, Option<&SecretString>)]) -> Result<()> {
    admin.batch("SET LOCAL lock_timeout = '10s'; SET LOCAL statement_timeout = '30s'").await?;
    quiet(admin).await?;
    for (role, verifier) in roles {
        let refuse = |what: &str| Error::new(Exit::Precondition, "secrets.verifier", what).at(admin.place());
        if verifier.is_some_and(|v| !is_stored_as_it_is(v)) {
            return Err(refuse("this is no verifier: the server would hash it as if it were a password"));
        }
        let text = verifier.map_or_else(|| "NULL".to_owned(), |v| quote_literal(v.expose_secret()));
        admin.batch(&format!("ALTER ROLE {} PASSWORD {text}", quote_ident(role))).await.map_err(|e| {
            if !is_sqlstate(&e, &SqlState::INSUFFICIENT_PRIVILEGE) {
                return e;
            }
            Error::new(Exit::Precondition, "secrets.privilege", format!("no right to change the password of {role:?}"))
                .at(admin.place())
                .next("connect as that role itself, as a superuser, or with CREATEROLE and ADMIN OPTION on it: --dsn")
        })?;
        if let Some(now) = stored(admin, role).await? {
            let equal = match (&now, verifier) {
                (Some(now), Some(wanted)) => same(now, wanted),
                (None, None) => true,
                _ => false,
            };
            if !equal {
                return Err(refuse("the server has stored another verifier than it was given"));
            }
        }
    }
    Ok(())
}

/// Keeps the text of the following statements of this transaction out of logs and views.
async fn quiet(admin: &Session) -> Result<()> {
    let rows = admin.query("SELECT name, setting FROM pg_catalog.pg_settings", &[]).await?;
    let mut current = Vec::new();
    for row in &rows {
        current.push((row.value::<String>("name")?, row.value::<String>("setting")?));
    }
    for (name, quiet, lasting) in QUIET {
        let now = current.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str());
        if now.is_none_or(|now| now == *quiet || (*name == "log_statement" && now == "none")) {
            continue;
        }
        let set = format!("SAVEPOINT quiet; SET LOCAL {name} = '{quiet}'; RELEASE SAVEPOINT quiet");
        let Err(error) = admin.batch(&set).await else { continue };
        if !is_sqlstate(&error, &SqlState::INSUFFICIENT_PRIVILEGE) {
            return Err(error);
        }
        admin.batch("ROLLBACK TO SAVEPOINT quiet").await?;
        let shows = match *name {
            "log_statement" => matches!(now, Some("ddl" | "mod" | "all")),
            // A statement that fails is undone, and its verifier never comes to be.
            "log_min_error_statement" | "pg_stat_statements.track_utility" => false,
            _ => *lasting,
        };
        if shows {
            let value = now.unwrap_or_default();
            let what = format!("the server would write the verifier into its log ({name} = {value})");
            return Err(Error::new(Exit::Precondition, "secrets.logged", what).at(admin.place()).next(format!(
                "connect as a superuser, or let this role switch it off for itself (15+): GRANT SET ON PARAMETER {name} TO {}",
                quote_ident(admin.user())
            )));
        }
    }
    Ok(())
}

/// Logs in to the server itself, to a database, with a password. Where the socket is for the operating system's users
/// only (`peer`), over the loopback interface.
///
/// # Errors
/// Why it did not work.
pub async fn direct(base: &Conninfo, login: &Login, database: &str) -> Result<()> {
    let mut info = base.clone();
    info.user.clone_from(&login.role);
    info.dbname = database.to_owned();
    give_password(&mut info, &login.password.0);
    let session = match Session::open(&info).await {
        Err(e) if is_sqlstate(&e, &SqlState::INVALID_AUTHORIZATION_SPECIFICATION) && over_loopback(&mut info) => {
            Session::open(&info).await.map_err(|_| e)?
        }
        result => result?,
    };
    session.batch("SELECT 1").await
}

/// Replaces sockets by the loopback interface; whether there were any.
fn over_loopback(info: &mut Conninfo) -> bool {
    let sockets = info.servers.iter_mut().filter(|s| matches!(s.address, Address::Socket(_)));
    let replaced = sockets.map(|s| s.address = Address::Tcp { host: "localhost".to_owned(), addr: None });
    replaced.count() > 0
}

/// Whether the server lets a role in with any password, so that a login proves nothing.
pub async fn lets_anyone_in(base: &Conninfo, role: &str, database: &str) -> Result<bool> {
    let password = crate::secrets::generate::text(128)?;
    let login = Login { role: role.to_owned(), password: password.into() };
    Ok(direct(base, &login, database).await.is_ok())
}

/// Logs in through PgBouncer and has the server answer, trying again while it may still be reading its files.
///
/// # Errors
/// Why it did not work in the end.
pub async fn through(pooler: &Pooler, login: &Login, entry: &str, again: bool) -> Result<()> {
    let info = pooler.login(&login.role, entry, &login.password.0)?;
    let start = Instant::now();
    loop {
        let tried = match Session::open(&info).await {
            Ok(session) => session.batch("SELECT 1").await,
            Err(e) => Err(e),
        };
        match tried {
            Err(_) if again && start.elapsed() < pooler.patience() => {
                tokio::time::sleep(Duration::from_millis(100)).await
            }
            result => return result,
        }
    }
}

/// Proves a login in every database it is for, directly and through PgBouncer, `again` and again for some seconds where
/// that may still be reading its files. Returns what was proved.
///
/// # Errors
/// The first that does not work (12).
pub async fn prove(
    base: &Conninfo,
    pooler: Option<&Pooler>,
    login: &Login,
    databases: &[String],
    again: bool,
) -> Result<Vec<String>> {
    let failed = |e: Error, how: &str| {
        Error::new(Exit::LoginFailed, "secrets.login", format!("the login of {:?} {how} does not work", login.role))
            .because(e)
    };
    let mut proved = Vec::new();
    for database in databases {
        direct(base, login, database).await.map_err(|e| failed(e, "to the server"))?;
        proved.push(format!("{database} directly"));
        let entry = pooler.and_then(|p| Some((p, p.entry_for(&login.role, database)?)));
        if let Some((pooler, entry)) = entry {
            through(pooler, login, &entry, again).await.map_err(|e| failed(e, "through PgBouncer"))?;
            proved.push(format!("{entry} through PgBouncer"));
        }
    }
    Ok(proved)
}
