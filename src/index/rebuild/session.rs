//! The sessions of a rebuild: no timeout ends them, no pooler stands between, one run a table, and a signal stops them.

use super::{Rebuild, Stop};
use crate::error::{Error, Exit, Result};
use crate::index::catalogue::{self, Server, VectorIndex};
use crate::postgres::connect::{RowExt, Session, is_sqlstate};
use std::pin::Pin;
use std::sync::Mutex;
use std::time::{Duration, Instant};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;

/// How long DDL that needs a lock for a moment waits for it.
pub(super) const DDL_WAIT: &str = "5s";

/// How often DDL that did not get its lock is tried.
pub(super) const DDL_TRIES: u32 = 3;

/// How often the back ends of two sessions are compared, four queries each time.
const POOLER_TURNS: u32 = 5;

/// After that time, what still runs is cancelled again.
const CANCEL_AGAIN: Duration = Duration::from_millis(200);

/// A session that nobody uses at the moment, for the next index of the database.
#[derive(Debug)]
pub struct Idle(Mutex<Option<(Session, Instant)>>);

/// A session that has been idle for longer may have been lost without a word, to a firewall on its way.
const FRESH: Duration = Duration::from_secs(60);

impl Idle {
    /// Keeps a session.
    #[must_use]
    pub fn new(session: Session) -> Self {
        Idle(Mutex::new(Some((session, Instant::now()))))
    }

    fn take(&self) -> Option<Session> {
        let (session, since) = self.0.lock().ok()?.take()?;
        (since.elapsed() < FRESH && !session.is_closed()).then_some(session)
    }

    pub(super) fn put(&self, session: Session) {
        if let Ok(mut idle) = self.0.lock() {
            *idle = Some((session, Instant::now()));
        }
    }
}

impl Rebuild {
    /// A new session that no timeout ends.
    pub(super) async fn session(&self) -> Result<Session> {
        let session = Session::open(&self.info).await?;
        quiet_session(&session, &self.server).await?;
        Ok(session)
    }

    /// Two sessions that no timeout ends, without a pooler between: what is set in one would be set for others too. The
    /// second is fresh, so that it has not loaded pgvector.
    pub(super) async fn direct_sessions(&self) -> Result<(Session, Session)> {
        let first = match self.idle.take() {
            Some(session) => session,
            None => Session::open(&self.info).await?,
        };
        let second = Session::open(&self.info).await?;
        refuse_pooler(&first, &second).await?;
        quiet_session(&first, &self.server).await?;
        quiet_session(&second, &self.server).await?;
        Ok((first, second))
    }

    /// Does read-only work on a session, and cancels it when a signal comes.
    pub(super) async fn unless_stopped<T>(
        &self,
        session: &Session,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let mut work = std::pin::pin!(work);
        let exit = tokio::select! {
            result = &mut work => return result,
            exit = stopped(&self.stop) => exit,
        };
        // Its own error is that it was cancelled.
        let _ = cancel(session, work).await;
        Err(interrupted(exit))
    }
}

/// Cancels what a session does until it has ended, and returns what became of it. Work that were dropped could leave its
/// transaction open, with the locks that it holds.
pub(super) async fn cancel<T>(session: &Session, mut work: Pin<&mut impl Future<Output = T>>) -> T {
    loop {
        // What cannot be cancelled ends by itself; a request may come between two statements.
        let _ = session.cancel().await;
        if let Ok(ended) = tokio::time::timeout(CANCEL_AGAIN, &mut work).await {
            return ended;
        }
    }
}

/// Waits for a signal; for ever where nobody listens for them.
pub async fn stopped(stop: &Stop) -> Exit {
    let mut stop = stop.clone();
    let exit = stop.wait_for(Option::is_some).await.ok().and_then(|exit| *exit);
    match exit {
        Some(exit) => exit,
        None => std::future::pending().await,
    }
}

/// The error of a run that a signal ended.
#[must_use]
pub fn interrupted(exit: Exit) -> Error {
    Error::new(exit, "index.interrupted", "interrupted; the old index serves")
}

/// No timeout of the database or the role may end a rebuild half-way.
async fn quiet_session(session: &Session, server: &Server) -> Result<()> {
    let mut sql = format!(
        "SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0; SET idle_session_timeout = 0; \
         SET lock_timeout = '{DDL_WAIT}'"
    );
    if server.version_num >= 170_000 {
        sql.push_str("; SET transaction_timeout = 0");
    }
    session.batch(&sql).await
}

/// Refuses a transaction pooler: there, SET would leak to other clients and the lock would be nobody's.
///
/// A session of its own has one back end for good, which no other session has. A pool hands out the back end that was
/// given back last, so that two sessions in turn get the same one, or the one that has waited longest, so that each of
/// them changes; other clients' traffic can hide either for a moment, but not for all of these turns.
async fn refuse_pooler(first: &Session, second: &Session) -> Result<()> {
    let (one, two) = (back_end(first).await?, back_end(second).await?);
    let mut pooled = one == two;
    for _ in 0..POOLER_TURNS {
        // Each once in the middle and once at the end, since a pool of two that takes turns would keep step with ours.
        for (session, pid) in [(second, two), (first, one), (first, one), (second, two)] {
            pooled = pooled || back_end(session).await? != pid;
        }
    }
    if pooled {
        return Err(catalogue::pooled(second, "transaction"));
    }
    Ok(())
}

/// The process that serves a session.
pub(super) async fn back_end(session: &Session) -> Result<i32> {
    session.query_one("SELECT pg_catalog.pg_backend_pid() AS pid", &[]).await?.value("pid")
}

/// Takes the table's lock or says who has it. Never waits: a waiter would deadlock with the other's REINDEX.
pub(super) async fn lock(session: &Session, index: &VectorIndex) -> Result<()> {
    let key = i32::from_ne_bytes(index.table_oid.to_ne_bytes());
    let row = session
        .query_one(
            "SELECT pg_catalog.pg_try_advisory_lock(pg_catalog.hashtext('llmsql.index'), $1) AS got",
            &[(&key, Type::INT4)],
        )
        .await?;
    if row.value("got")? {
        return Ok(());
    }
    let sql = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND objid = $1 AND objsubid = 2 \
               AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
               AND classid = hashtext('llmsql.index')::int8::bit(32)::int8::oid";
    let holder = session.under(&[], session.query_opt(sql, &[(&index.table_oid, Type::OID)])).await;
    let holder = holder.ok().flatten().and_then(|row| row.value::<i32>("pid").ok());
    let who = holder.map_or(String::new(), |pid| format!(" (process {pid} of the server)"));
    Err(Error::new(
        Exit::Locked,
        "index.locked",
        format!("another run rebuilds an index of {}{who}", index.quoted_table()),
    )
    .at(session.place())
    .next("wait for it to end"))
}

/// Runs DDL that needs a lock for a moment, several times if need be.
pub(super) async fn retry(session: &Session, sql: &str) -> Result<()> {
    let mut tries = 1;
    loop {
        match session.batch(sql).await {
            Err(e) if tries < DDL_TRIES && is_sqlstate(&e, &SqlState::LOCK_NOT_AVAILABLE) => {
                // A statement of several leaves its transaction open.
                session.batch("ROLLBACK").await?;
                tries += 1;
            }
            result => return result,
        }
    }
}
