//! How many of the nearest rows an index finds: exact against approximate, on rows of the table itself as queries.

use super::catalogue::{ALL_ROWS, Server, VectorIndex};
use super::sample::{self, Wanted};
use super::{MAX_LISTS, Method};
use crate::error::{Error, Exit, Result};
use crate::postgres::connect::{RowExt, Session, quote_literal};
use serde::Serialize;
use std::time::{Duration, Instant};

/// Queries that are asked even where they take longer than there is patience for.
const LEAST_QUERIES: usize = 5;

/// How long the queries of one row of the table may take together.
const PATIENCE: Duration = Duration::from_secs(120);

/// What is measured.
#[derive(Debug, Clone, Copy)]
pub struct Wish {
    /// Queries.
    pub queries: u32,
    /// Nearest rows a query asks for.
    pub nearest: u32,
}

/// Recall and latency at one setting.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Measured {
    /// `ivfflat.probes` or `hnsw.ef_search`.
    pub probes: u32,
    /// Share of the nearest rows that were found.
    pub recall: f64,
    /// Median latency in milliseconds.
    pub p50_ms: f64,
    /// Latency that one query in twenty exceeds, in milliseconds.
    pub p95_ms: f64,
}

/// The result.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Recall {
    /// The index.
    pub index: String,
    /// The database.
    pub database: String,
    /// The setting that is varied.
    pub setting: &'static str,
    /// Queries asked.
    pub queries: usize,
    /// Nearest rows a query asked for.
    pub nearest: u32,
    /// Median latency of an exact query in milliseconds.
    pub exact_ms: f64,
    /// By setting, ascending.
    pub measured: Vec<Measured>,
    /// The recall asked for.
    pub target: Option<f64>,
    /// The smallest setting that reaches it.
    pub smallest: Option<u32>,
}

/// Queries, and their exact answers once [`answer`] has asked for them.
pub struct Queries {
    queries: Vec<(String, Vec<f64>)>,
    nearest: u32,
    exact_ms: Vec<f64>,
}

/// Samples queries from the table.
///
/// # Errors
/// Those of the connection, a table without rows, and an index whose code is not to be run (exit 13).
pub async fn sample(session: &Session, server: &Server, index: &VectorIndex, rows: u64, wish: Wish) -> Result<Queries> {
    if let Some(function) = &index.foreign_code {
        let what = format!("the index calls {function}, whose code would run with the rights of {}", session.user());
        return Err(Error::new(Exit::Precondition, "index.foreign_code", what)
            .at(format!("{} {}", session.place(), index.label()))
            .next(format!("connect as the table's owner, {}", index.owner)));
    }
    let wanted = Wanted { rows, most: u64::from(wish.queries), select: "(value)::text", directed: true };
    let sampled = sample::sample(session, server, index, &wanted).await?;
    let literal = |row| -> Result<_> {
        let value: String = RowExt::value(row, "value")?;
        Ok((format!("{}::{}", quote_literal(&value), index.type_sql()), Vec::new()))
    };
    let queries: Vec<_> = sampled.iter().map(literal).collect::<Result<_>>()?;
    if queries.is_empty() {
        let place = format!("{} {}", session.place(), index.label());
        return Err(Error::failed("index.recall", "there are no rows to ask for").at(place));
    }
    Ok(Queries { queries, nearest: wish.nearest, exact_ms: Vec::new() })
}

/// Answers the queries exactly. After `patience` no further query is asked once there are [`LEAST_QUERIES`], and those
/// without an answer are left out.
///
/// # Errors
/// Those of the connection.
pub async fn answer(session: &Session, index: &VectorIndex, queries: &mut Queries, patience: Duration) -> Result<()> {
    let start = Instant::now();
    let asking = async {
        for (literal, exact) in &mut queries.queries {
            if queries.exact_ms.len() >= LEAST_QUERIES && start.elapsed() > patience {
                break;
            }
            let asked = Instant::now();
            *exact = distances(session, &query(index, literal, queries.nearest, true)).await?;
            queries.exact_ms.push(milliseconds(asked));
        }
        Ok(())
    };
    session.under(&[ALL_ROWS, &["enable_indexscan = off"]].concat(), asking).await?;
    queries.queries.truncate(queries.exact_ms.len());
    Ok(())
}

/// What was found, and how fast.
struct Asked {
    recall: f64,
    latency_ms: Vec<f64>,
}

/// Whether the planner answers such queries by the index with that many probes.
///
/// # Errors
/// Those of the connection.
pub async fn is_used(session: &Session, index: &VectorIndex, queries: &Queries, probes: u32) -> Result<bool> {
    let Some((literal, _)) = queries.queries.first() else { return Ok(false) };
    let sql = format!("EXPLAIN (FORMAT JSON) {}", query(index, literal, queries.nearest, false));
    let plan = session.under(&[&format!("{} = {probes}", setting(index))], session.batch_text(&sql)).await?;
    Ok(serde_json::from_str::<serde_json::Value>(&plan).is_ok_and(|plan| names_index(&plan, &index.name)))
}

fn names_index(plan: &serde_json::Value, name: &str) -> bool {
    match plan {
        serde_json::Value::Object(fields) => {
            fields.get("Index Name").and_then(|n| n.as_str()) == Some(name)
                || fields.values().any(|v| names_index(v, name))
        }
        serde_json::Value::Array(items) => items.iter().any(|v| names_index(v, name)),
        _ => false,
    }
}

/// Recall and latency with that many probes. After `patience` no further query is asked once there are
/// [`LEAST_QUERIES`].
///
/// # Errors
/// Those of the connection.
pub async fn at(
    session: &Session,
    index: &VectorIndex,
    queries: &Queries,
    probes: u32,
    patience: Duration,
) -> Result<Measured> {
    let begun = Instant::now();
    let asking = async {
        let mut asked = Asked { recall: 0.0, latency_ms: Vec::new() };
        for (literal, exact) in &queries.queries {
            if asked.latency_ms.len() >= LEAST_QUERIES && begun.elapsed() > patience {
                break;
            }
            let start = Instant::now();
            let found = distances(session, &query(index, literal, queries.nearest, false)).await?;
            asked.latency_ms.push(milliseconds(start));
            asked.recall += share_found(exact, &found);
        }
        Ok(asked)
    };
    // Without a sequential scan, so that it is the index that is measured.
    let probes_set = format!("{} = {probes}", setting(index));
    let mut asked = session.under(&[ALL_ROWS, &["enable_seqscan = off", &probes_set]].concat(), asking).await?;
    Ok(Measured {
        probes,
        recall: asked.recall / asked.latency_ms.len().max(1) as f64,
        p50_ms: percentile(&mut asked.latency_ms, 0.5),
        p95_ms: percentile(&mut asked.latency_ms, 0.95),
    })
}

/// Which share of the nearest was found, by distance, so that rows at the same distance count alike.
fn share_found(exact: &[f64], found: &[f64]) -> f64 {
    let Some(farthest) = exact.last() else { return 1.0 };
    let limit = farthest + farthest.abs() * 1e-6 + 1e-12;
    let hits = found.iter().filter(|d| **d <= limit).count().min(exact.len());
    hits as f64 / exact.len() as f64
}

/// The whole table of probes, recall and latency, and the smallest setting that reaches `target`.
///
/// # Errors
/// Those of the connection.
pub async fn measure(
    session: &Session,
    server: &Server,
    index: &VectorIndex,
    rows: u64,
    lists: u32,
    target: Option<f64>,
    wish: Wish,
) -> Result<Recall> {
    let mut queries = sample(session, server, index, rows, wish).await?;
    answer(session, index, &mut queries, PATIENCE).await?;
    let (first, most) = match index.method {
        Method::Ivfflat => (1, lists.min(MAX_LISTS)),
        Method::Hnsw => (wish.nearest.clamp(1, 1000), 1000),
    };
    let mut measured = Vec::new();
    let mut next = first;
    loop {
        let here = at(session, index, &queries, next, PATIENCE).await?;
        let done = here.recall >= target.unwrap_or(0.999);
        measured.push(here);
        if done || next >= most {
            break;
        }
        next = (next * 2).min(most);
    }
    let mut smallest = None;
    if let Some(target) = target {
        // The smallest lies between the last that failed and the first that reached it.
        let reached = |m: &&Measured| m.recall >= target;
        if let Some(mut high) = measured.iter().find(reached).map(|m| m.probes) {
            let mut low = measured.iter().rev().find(|m| m.recall < target).map_or(first, |m| m.probes + 1);
            while low < high {
                let middle = low.midpoint(high);
                let here = at(session, index, &queries, middle, PATIENCE).await?;
                if here.recall >= target {
                    high = middle
                } else {
                    low = middle + 1
                }
                measured.push(here);
            }
            smallest = Some(high);
        }
    }
    measured.sort_by_key(|m| m.probes);
    measured.dedup_by_key(|m| m.probes);
    let mut exact = queries.exact_ms.clone();
    Ok(Recall {
        index: index.label(),
        database: server.database.clone(),
        setting: setting(index),
        queries: queries.queries.len(),
        nearest: wish.nearest,
        exact_ms: percentile(&mut exact, 0.5),
        measured,
        target,
        smallest,
    })
}

/// The setting that trades recall for latency.
#[must_use]
pub fn setting(index: &VectorIndex) -> &'static str {
    match index.method {
        Method::Ivfflat => "ivfflat.probes",
        Method::Hnsw => "hnsw.ef_search",
    }
}

fn query(index: &VectorIndex, literal: &str, nearest: u32, exact: bool) -> String {
    let (expression, operator) = (&index.expression, index.operator());
    let condition = match (&index.predicate, exact) {
        (_, true) => format!("WHERE {}", index.condition()),
        (Some(predicate), false) => format!("WHERE {predicate}"),
        (None, false) => String::new(),
    };
    format!(
        "SELECT (({expression}) {operator} {literal})::float8 AS distance FROM {} {condition} ORDER BY ({expression}) {operator} {literal} LIMIT {nearest}",
        index.quoted_table()
    )
}

async fn distances(session: &Session, sql: &str) -> Result<Vec<f64>> {
    session.query(sql, &[]).await?.iter().map(|row| row.value("distance")).collect()
}

fn milliseconds(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1000.0
}

fn percentile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = ((values.len() as f64 * share).ceil() as usize).clamp(1, values.len().max(1)) - 1;
    values.get(at).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recall_counts_by_distance() {
        assert_eq!(share_found(&[0.0, 1.0, 2.0, 2.0], &[0.0, 2.0, 2.0, 2.0, 2.0]), 1.0);
        assert_eq!(share_found(&[0.0, 1.0], &[0.0, 5.0]), 0.5);
        assert_eq!(share_found(&[0.0, 1.0], &[]), 0.0);
        assert_eq!(percentile(&mut [3.0, 1.0, 2.0], 0.5), 2.0);
        assert_eq!(percentile(&mut [], 0.5), 0.0);
    }
}
