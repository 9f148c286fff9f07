//! Making the changes, proving them by logins, and taking them back.
//!
//! Order: the statements in one transaction; then the settings, by ALTER SYSTEM and a reload; then `pg_hba.conf`, which
//! the server checks before it reads it. After each step every route must still log in, else everything is taken back.

use super::hba::{Verdict, verdict};
use super::journal::{Entry, HbaEdit, Journal, State};
use super::look::{Hba, Look, hba_errors};
use super::{Change, Finding, alter_system};
use crate::apply::ApplyPermit;
use crate::error::{Error, Exit, Result};
use crate::formats::pg_hba::{Document, Kind};
use crate::output::file;
use crate::postgres::connect::{RowExt, Session};
use crate::postgres::conninfo::Conninfo;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_postgres::types::Type;

/// How long a reload may take until the server says it has read its files.
const PATIENCE: Duration = Duration::from_secs(15);

/// What is to be done.
#[derive(Debug, Default)]
pub struct Work {
    /// Statements of the transaction.
    pub run: Vec<String>,
    /// What takes them back, in the order to run it.
    pub undo: Vec<String>,
    /// Settings and values.
    pub system: Vec<(&'static str, String)>,
    /// The new `pg_hba.conf`, with what it stands on.
    pub hba: Option<HbaWork>,
    /// What had to be left, and why.
    pub left: Vec<String>,
}

/// A change of `pg_hba.conf`.
#[derive(Debug)]
pub struct HbaWork {
    old: Vec<u8>,
    new: Vec<u8>,
    edit: HbaEdit,
}

impl Work {
    /// Gathers the changes of the findings.
    #[must_use]
    pub fn of(findings: &[Finding], look: &Look, local: bool) -> Work {
        let mut work = Work::default();
        let mut lines: BTreeMap<usize, (Option<Kind>, Option<&'static str>)> = BTreeMap::new();
        for change in findings.iter().flat_map(|f| &f.changes) {
            match change {
                Change::Sql { run, undo } => {
                    work.run.push(run.clone());
                    work.undo.insert(0, undo.clone());
                }
                Change::System { name, value } => work.system.push((name, value.clone())),
                Change::Hba { line, kind, method, .. } => {
                    let entry = lines.entry(*line).or_default();
                    entry.0 = entry.0.or(*kind);
                    entry.1 = entry.1.or(*method);
                }
            }
        }
        if let Some(hba) = look.hba.as_ref().filter(|_| !lines.is_empty()) {
            let there = local && fs::read(&hba.path).is_ok_and(|bytes| bytes == hba.bytes);
            if there {
                work.hba = Some(HbaWork::new(hba, &lines));
            } else {
                let what = format!("{} is not on this host: change the lines there, then reload the server", hba.path);
                work.left.push(what);
            }
        }
        work
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.run.is_empty() && self.system.is_empty() && self.hba.is_none()
    }

    /// What it will do, a line each.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let statements = self.run.iter().map(|s| format!("{s};"));
        let settings = self.system.iter().map(|(name, value)| format!("{};", alter_system(name, Some(value))));
        let hba = self.hba.iter().flat_map(|w| w.edit.lines.iter().map(|(n, old, new)| edited(&w.edit, *n, old, new)));
        statements.chain(settings).chain(hba).collect()
    }
}

/// A line of `pg_hba.conf` before and after.
fn edited(edit: &HbaEdit, line: usize, before: &str, after: &str) -> String {
    format!("-- {}, line {line}\n--   {before}\n--   {after}", edit.path.display())
}

/// What taking a run back does, for people: as [`Work::lines`].
#[must_use]
pub fn undo_lines(entry: &Entry) -> Vec<String> {
    let statements = entry.undo.iter().map(|s| format!("{s};"));
    let settings = entry.system.iter().map(|(name, old)| format!("{};", alter_system(name, old.as_deref())));
    let hba = entry.hba.iter().flat_map(|edit| edit.lines.iter().map(|(n, old, new)| edited(edit, *n, new, old)));
    statements.chain(settings).chain(hba).collect()
}

impl HbaWork {
    fn new(hba: &Hba, lines: &BTreeMap<usize, (Option<Kind>, Option<&'static str>)>) -> Self {
        let mut document = hba.document.clone();
        document.rewrite(|entry| lines.get(&entry.line).copied().unwrap_or_default());
        let text =
            |document: &Document, line| String::from_utf8_lossy(document.raw(line).unwrap_or_default()).into_owned();
        let edits = lines.keys().map(|&line| (line, text(&hba.document, line), text(&document, line))).collect();
        let edit = HbaEdit { path: PathBuf::from(&hba.path), lines: edits };
        HbaWork { old: hba.bytes.clone(), new: document.to_bytes(), edit }
    }
}

/// Refuses rules by which somebody who is connected now could not come in again.
///
/// # Errors
/// Who, and from where (exit 13).
pub fn nobody_is_locked_out(work: &Work, look: &Look) -> Result<()> {
    let Some(hba) = &work.hba else { return Ok(()) };
    let new = Document::parse(&hba.new);
    let had_tls = look.setting("ssl") == "on";
    for client in &look.sessions {
        // Where the server offers TLS from now on, libpq takes it by itself.
        let then = if had_tls { client.clone() } else { super::look::Client { tls: true, ..client.clone() } };
        if verdict(&new, &then, &look.roles) == Verdict::Refused {
            let from = client.address.map_or_else(|| "the socket".to_owned(), |a| a.to_string());
            let what =
                format!("{} is connected to {} from {from} and could not log in again", client.role, client.database);
            return Err(Error::new(Exit::Precondition, "harden.lockout", what)
                .at(hba.edit.path.display())
                .next("give that client TLS (sslmode=require) or a rule of its own, then run this again"));
        }
    }
    Ok(())
}

/// Does the work and proves it. Every one of `routes` has to log in before, after the settings, and after the rules.
///
/// # Errors
/// A route that does not work even before (12); a step that failed, after which everything was taken back (3), or could
/// not be (4).
pub async fn apply(
    session: &Session,
    routes: &[Conninfo],
    look: &Look,
    work: Work,
    journal: &Journal,
    _permit: &ApplyPermit,
) -> Result<Entry> {
    every_route(routes).await?;
    let system = work
        .system
        .iter()
        .map(|(name, _)| ((*name).to_owned(), look.auto.as_ref().and_then(|auto| auto.get(*name).cloned())))
        .collect();
    let mut entry = Entry {
        number: journal.next()?,
        at: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        server: session.server().to_owned(),
        database: look.database.clone(),
        state: State::Pending,
        transaction: None,
        undo: work.undo.clone(),
        system,
        hba: work.hba.as_ref().map(|h| h.edit.clone()),
    };
    journal.write(&entry)?;
    match steps(session, routes, look, &work, journal, &mut entry).await {
        Ok(()) => {
            entry.state = State::Applied;
            journal.write(&entry)?;
            Ok(entry)
        }
        Err(cause) => match undo(session, journal, &mut entry).await {
            Ok(()) => {
                let mut error =
                    Error::new(Exit::RolledBack, "harden.undone", "it failed, and everything was taken back");
                error.next.clone_from(&cause.next);
                Err(error.at(session.place()).because(cause))
            }
            Err(second) => Err(Error::new(
                Exit::RecoverFirst,
                "harden.pending",
                format!("it failed ({cause}), and taking it back failed too"),
            )
            .at(session.place())
            .next("mend that, then llmsql harden rollback")
            .because(second)),
        },
    }
}

async fn steps(
    session: &Session,
    routes: &[Conninfo],
    look: &Look,
    work: &Work,
    journal: &Journal,
    entry: &mut Entry,
) -> Result<()> {
    if !work.run.is_empty() {
        transaction(session, &work.run, async |xid| {
            entry.transaction = Some(xid);
            journal.write(entry)
        })
        .await?;
    }
    if !work.system.is_empty() {
        for (name, value) in &work.system {
            session.batch(&alter_system(name, Some(value))).await?;
        }
        reload(session).await?;
        if work.system.iter().any(|(name, value)| *name == "ssl" && value == "on") && !offers_tls(session, look).await?
        {
            let what = "the server still takes no TLS: its log says what is wrong with the certificate or the key";
            return Err(Error::failed("harden.tls", what)
                .next("the key has to belong to the server's user and be closed to others (0600)"));
        }
        every_route(routes).await?;
    }
    if let Some(hba) = &work.hba {
        let path = file::target(&hba.edit.path)?;
        if fs::read(&path).ok().as_deref() != Some(hba.old.as_slice()) {
            return Err(Error::new(Exit::Stale, "harden.stale", "it was changed in the meantime").at(path.display()));
        }
        file::replace(&path, &hba.new)?;
        // The view reads the file as it stands now, before anything goes by it.
        if let Some(first) = hba_errors(session).await?.first() {
            return Err(Error::failed("harden.hba", format!("the server refuses it: {first}")).at(path.display()));
        }
        reload(session).await?;
        every_route(routes).await?;
    }
    Ok(())
}

/// Runs statements in one transaction; `before_commit` is told its number.
async fn transaction(
    session: &Session,
    statements: &[String],
    before_commit: impl AsyncFnOnce(String) -> Result<()>,
) -> Result<()> {
    session.batch("BEGIN; SET LOCAL lock_timeout = '10s'; SET LOCAL search_path = pg_catalog").await?;
    let work = async {
        for statement in statements {
            session.batch(statement).await.map_err(|e| e.at(statement))?;
        }
        let row = session.query_one("SELECT pg_catalog.pg_current_xact_id()::text AS xid", &[]).await?;
        before_commit(row.value("xid")?).await
    };
    match work.await {
        Ok(()) => session.batch("COMMIT").await,
        Err(e) => {
            // The connection may be gone, which ends the transaction as well.
            let _ = session.batch("ROLLBACK").await;
            Err(e)
        }
    }
}

/// Takes a run back: the rules first, so that everybody can log in again, then the settings, then the statements.
///
/// # Errors
/// A line of `pg_hba.conf` that somebody has changed since (10); what the server said.
pub async fn rollback(session: &Session, journal: &Journal, entry: &mut Entry, _permit: &ApplyPermit) -> Result<()> {
    undo(session, journal, entry).await
}

async fn undo(session: &Session, journal: &Journal, entry: &mut Entry) -> Result<()> {
    if let Some(edit) = &entry.hba {
        let path = file::target(&edit.path)?;
        let bytes =
            fs::read(&path).map_err(|e| Error::failed("harden.hba", "cannot be read").at(path.display()).because(e))?;
        let mut document = Document::parse(&bytes);
        for (line, old, new) in &edit.lines {
            let is_old = document.raw(*line) == Some(old.as_bytes());
            if !is_old && !document.put_back(*line, new.as_bytes(), old.as_bytes()) {
                let what = format!("line {line} was changed since: it should read {new:?}");
                return Err(Error::new(Exit::Stale, "harden.stale", what)
                    .at(path.display())
                    .next(format!("make it {old:?} or {new:?} by hand, then run this again")));
            }
        }
        if document.to_bytes() != bytes {
            file::replace(&path, &document.to_bytes())?;
        }
    }
    for (name, value) in &entry.system {
        session.batch(&alter_system(name, value.as_deref())).await?;
    }
    reload(session).await?;
    if let Some(xid) = &entry.transaction {
        let status = session
            .query_one(
                "SELECT coalesce(pg_catalog.pg_xact_status($1::text::xid8), 'committed') AS status",
                &[(xid, Type::TEXT)],
            )
            .await?;
        match status.value::<String>("status")?.as_str() {
            "committed" => transaction(session, &entry.undo, async |_| Ok(())).await?,
            "aborted" => {}
            _ => {
                return Err(Error::new(
                    Exit::Locked,
                    "harden.running",
                    "the interrupted run's transaction is still open",
                )
                .at(session.place())
                .next("try again when it has ended"));
            }
        }
    }
    entry.state = State::RolledBack;
    journal.write(entry)
}

/// Has the server read its files, and waits until it has.
async fn reload(session: &Session) -> Result<()> {
    let loaded = async || -> Result<String> {
        session.query_one("SELECT pg_catalog.pg_conf_load_time()::text AS at", &[]).await?.value("at")
    };
    let before = loaded().await?;
    session.batch("SELECT pg_catalog.pg_reload_conf()").await?;
    let start = Instant::now();
    while loaded().await? == before {
        if start.elapsed() > PATIENCE {
            return Err(Error::failed("harden.reload", "the server did not read its configuration again")
                .at(session.place())
                .next("its log says why"));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// Logs in by every route.
async fn every_route(routes: &[Conninfo]) -> Result<()> {
    for route in routes {
        Session::open(route).await.map_err(|cause| {
            Error::new(Exit::LoginFailed, "harden.login", "a login by an existing route does not work")
                .next("nothing is final before every route works")
                .because(cause)
        })?;
    }
    Ok(())
}

/// Whether the server answers the request for TLS (PostgreSQL's protocol, SSLRequest), whatever its settings say: a
/// certificate that it cannot use leaves `ssl = on` and no TLS.
async fn offers_tls(session: &Session, look: &Look) -> Result<bool> {
    let address = if session.server().starts_with('/') {
        format!("127.0.0.1:{}", look.setting("port"))
    } else {
        session.server().to_owned()
    };
    let ask = async {
        let mut stream = TcpStream::connect(&address).await?;
        stream.write_all(&[0, 0, 0, 8, 4, 210, 22, 47]).await?;
        let mut answer = [0];
        stream.read_exact(&mut answer).await?;
        Ok::<bool, std::io::Error>(answer == *b"S")
    };
    let wrong = |e: std::io::Error| Error::failed("harden.tls", "cannot be asked for TLS").at(&address).because(e);
    match tokio::time::timeout(PATIENCE, ask).await {
        Ok(answer) => answer.map_err(wrong),
        Err(_) => Err(wrong(std::io::ErrorKind::TimedOut.into())),
    }
}
