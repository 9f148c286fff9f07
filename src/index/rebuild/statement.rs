//! The long statements of a rebuild: REINDEX or CREATE INDEX CONCURRENTLY, watched while they run.

use super::session::{DDL_WAIT, back_end, cancel, interrupted, retry, stopped};
use super::{OLD_SUFFIX, Patience, Rebuild, SWAP_SUFFIX};
use crate::error::{Error, Exit, Result};
use crate::index::catalogue::VectorIndex;
use crate::index::note::Note;
use crate::index::plan::IndexPlan;
use crate::index::progress::{Bar, Phase};
use crate::postgres::connect::{RowExt, Session, is_sqlstate, quote_ident, quote_literal};
use std::time::{Duration, Instant};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};

/// How often the server is asked for progress.
const TICK: Duration = Duration::from_millis(500);

impl Rebuild {
    pub(super) async fn reindex(&self, worker: &Session, plan: &IndexPlan, bar: &mut Bar) -> Result<()> {
        let index = &plan.index;
        if !plan.options.is_empty() {
            bar.step("setting the options");
            let options: Vec<String> = plan.options.iter().map(|(k, v)| format!("{k} = {v}")).collect();
            retry(worker, &format!("ALTER INDEX {} SET ({})", index.quoted(), options.join(", "))).await?;
        }
        self.prepare(worker, plan).await?;
        self.watch(worker, &format!("REINDEX INDEX CONCURRENTLY {}", index.quoted()), bar).await
    }

    pub(super) async fn swap(&self, worker: &Session, plan: &IndexPlan, mark: &Note, bar: &mut Bar) -> Result<()> {
        let index = &plan.index;
        let (new, old) = (suffixed(&index.name, SWAP_SUFFIX), suffixed(&index.name, OLD_SUFFIX));
        let schema = quote_ident(&index.schema);
        let mut options = index.options.clone();
        options.extend(plan.options.clone());
        let with: Vec<String> = options.iter().map(|(k, v)| format!("{k} = {v}")).collect();
        let opclass = self.wish.opclass.as_deref().unwrap_or(&index.opclass);
        let mut sql = format!(
            "CREATE INDEX CONCURRENTLY {} ON {} USING {} (({}) {}.{})",
            quote_ident(&new),
            index.quoted_table(),
            index.method.name(),
            index.expression,
            quote_ident(&index.extension_schema),
            quote_ident(opclass),
        );
        if !with.is_empty() {
            sql.push_str(&format!(" WITH ({})", with.join(", ")));
        }
        if let Some(tablespace) = &index.tablespace {
            sql.push_str(&format!(" TABLESPACE {}", quote_ident(tablespace)));
        }
        if let Some(predicate) = &index.predicate {
            sql.push_str(&format!(" WHERE {predicate}"));
        }
        self.prepare(worker, plan).await?;
        // Where the old one is in the database's own, the role's default is not to move it.
        worker.batch("SET default_tablespace = ''").await?;
        self.watch(worker, &sql, bar).await?;
        bar.step("swapping the names");
        worker.batch(&format!("SET lock_timeout = '{DDL_WAIT}'")).await?;
        let (name, new, old) = (quote_ident(&index.name), quote_ident(&new), quote_ident(&old));
        retry(
            worker,
            &format!(
                "BEGIN; ALTER INDEX {schema}.{name} RENAME TO {old}; ALTER INDEX {schema}.{new} RENAME TO {name}; \
                 COMMENT ON INDEX {schema}.{name} IS {}; COMMIT",
                quote_literal(&mark.merge(index.comment.as_deref()))
            ),
        )
        .await?;
        worker.batch("SET lock_timeout = 0").await?;
        self.watch(worker, &format!("DROP INDEX CONCURRENTLY {schema}.{old}"), bar).await
    }

    /// Refuses an operator class that is not there for such an index.
    pub(super) async fn refuse_opclass(&self, session: &Session, index: &VectorIndex, opclass: &str) -> Result<()> {
        let (method, element) = (index.method.name(), index.element.name());
        let params: [(&(dyn ToSql + Sync), Type); 3] =
            [(&method, Type::TEXT), (&element, Type::TEXT), (&index.extension_schema, Type::TEXT)];
        let asking = session.query(
            "SELECT o.opcname::text AS name FROM pg_opclass o JOIN pg_am a ON a.oid = o.opcmethod \
                 JOIN pg_namespace n ON n.oid = o.opcnamespace JOIN pg_type t ON t.oid = o.opcintype \
                 WHERE a.amname = $1 AND t.typname = $2 AND n.nspname = $3 ORDER BY 1",
            &params,
        );
        let rows = session.under(&[], asking).await?;
        let known: Vec<String> = rows.iter().map(|row| row.value("name")).collect::<Result<_>>()?;
        if known.iter().any(|name| name == opclass) {
            return Ok(());
        }
        let what = format!("{method} has no operator class {opclass} for {element}");
        Err(Error::usage("index.opclass", what).at(self.here(index)).next(format!("there are: {}", known.join(", "))))
    }

    /// Parallel workers of one build. A local server's are never more than this host's CPUs, since the leader works too.
    fn workers(&self, local: bool) -> u32 {
        let jobs = self.wish.plan.jobs.max(1);
        self.wish.workers.unwrap_or_else(|| {
            let server = (self.server.parallel_workers / 2).clamp(1, 4).max(self.server.parallel_maintenance_workers);
            let cpus = self.wish.plan.host.cpus.filter(|_| local);
            server.min(cpus.unwrap_or(server)) / jobs
        })
    }

    /// Memory and workers of the build.
    async fn prepare(&self, worker: &Session, plan: &IndexPlan) -> Result<()> {
        let kb = plan.cost.maintenance_work_mem.div_ceil(1024).min(i32::MAX as u64);
        let workers = self.workers(worker.is_local());
        worker
            .batch(&format!(
                "SET lock_timeout = 0; SET maintenance_work_mem = '{kb}kB'; SET max_parallel_maintenance_workers = {workers}"
            ))
            .await
    }

    /// Runs a long statement, shows its progress, and cancels it on a signal or when the run has waited too long.
    async fn watch(&self, worker: &Session, sql: &str, bar: &mut Bar) -> Result<()> {
        let pid = back_end(worker).await?;
        let mut work = std::pin::pin!(worker.batch(sql));
        let error = tokio::select! {
            biased;
            result = &mut work => return result,
            exit = stopped(&self.stop) => interrupted(exit),
            error = self.follow(pid, bar) => error,
        };
        bar.step("cancelling");
        // It may have ended well in the meantime, or in another way than by the request.
        cancel(worker, work).await.map_err(|e| match is_sqlstate(&e, &SqlState::QUERY_CANCELED) {
            true => error,
            false => error.because(e),
        })
    }

    /// Shows what a back end does until it has waited too long for other sessions, on a connection of its own, which is
    /// opened while the statement already runs. Progress that cannot be read must not end the build.
    async fn follow(&self, pid: i32, bar: &mut Bar) -> Error {
        let mut watcher = None;
        let mut waiting: Option<Instant> = None;
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if watcher.is_none() {
                watcher = Session::open(&self.info).await.ok();
            }
            let Some(session) = &watcher else { continue };
            let Ok(now) = session.under(&[], progress(session, pid)).await else {
                watcher = None;
                continue;
            };
            let Some((phase, blocked, blockers)) = now else { continue };
            bar.show(&phase);
            let since = waiting;
            waiting = blocked.then(Instant::now);
            let waited = since.filter(|_| blocked).map(|since| since.elapsed()).unwrap_or_default();
            if let Some(patience) = self.wish.max_wait.as_ref().filter(|_| !waited.is_zero())
                && patience.is_over(waited)
            {
                return gave_up(patience, &blockers);
            }
        }
    }
}

/// Gave up, and why.
fn gave_up(patience: &Patience, blockers: &str) -> Error {
    let mut what = format!("gave up after waiting {} s for other sessions", patience.most.as_secs());
    if !blockers.is_empty() {
        what.push_str(&format!(", at last for process {blockers}"));
    }
    Error::new(Exit::Locked, "index.waited", what)
        .next("`llmsql index plan` names old transactions; end what it waits for, or wait longer with --max-wait")
}

/// Where the build is, whether it waits for another session, and for which processes (as far as they can be told).
async fn progress(session: &Session, pid: i32) -> Result<Option<(Phase, bool, String)>> {
    let row = session
        .query_opt(
            "SELECT coalesce(p.phase, '') AS phase, coalesce(p.blocks_done, 0) AS blocks_done, coalesce(p.blocks_total, 0) AS blocks, \
             coalesce(p.tuples_done, 0) AS tuples_done, coalesce(p.tuples_total, 0) AS tuples, \
             coalesce(p.lockers_done, 0) AS lockers_done, coalesce(p.lockers_total, 0) AS lockers, \
             coalesce(p.current_locker_pid, 0) AS locker, \
             coalesce(a.wait_event_type = 'Lock', false) OR coalesce(p.phase LIKE 'waiting%', false) AS blocked, \
             array_to_string(pg_blocking_pids($1), ', ') AS blockers \
             FROM pg_stat_activity a LEFT JOIN pg_stat_progress_create_index p ON p.pid = a.pid WHERE a.pid = $1",
            &[(&pid, Type::INT4)],
        )
        .await?;
    let Some(row) = row else { return Ok(None) };
    let number = |column: &str| row.value::<i64>(column).ok().and_then(|n| u64::try_from(n).ok()).unwrap_or_default();
    let mut name: String = row.value("phase")?;
    // An hnsw build loads tuples too, and counts their blocks.
    let (done, total, unit) = if name.ends_with("loading tuples") && number("tuples") > 0 {
        (number("tuples_done"), number("tuples"), "tuples")
    } else if name.ends_with("performing k-means") {
        // The server does not count here; what stands there is of the phase before.
        (0, 0, "")
    } else if name.starts_with("waiting") {
        // How long is up to the other session.
        if number("locker") > 0 {
            let nth = number("lockers_done") + 1;
            name.push_str(&format!(": process {} ({nth} of {})", number("locker"), number("lockers")));
        }
        (0, 0, "")
    } else {
        (number("blocks_done"), number("blocks"), "blocks")
    };
    Ok(Some((
        Phase { name, done, total, unit: if total > 0 { unit } else { "" } },
        row.value("blocked")?,
        row.value("blockers")?,
    )))
}

/// The name with a suffix, cut to what PostgreSQL keeps of a name.
fn suffixed(name: &str, suffix: &str) -> String {
    let mut end = name.len().min(63 - suffix.len());
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{suffix}", name.get(..end).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_keep_their_suffix() {
        assert_eq!(suffixed("docs_idx", SWAP_SUFFIX), "docs_idx_llmsql_new");
        let long = suffixed(&"ä".repeat(31), SWAP_SUFFIX);
        assert!(long.len() <= 63 && long.ends_with(SWAP_SUFFIX), "{long}");
    }
}
