//! Rows of a table taken at random, for drift and for recall.

use super::Metric;
use super::catalogue::{ALL_ROWS, Server, VectorIndex};
use crate::error::Result;
use crate::postgres::connect::{Session, quote_ident};
use tokio_postgres::Row;

/// Pages to take rows from at the least, where the table has as many: rows of one page often lie close to each other,
/// and `TABLESAMPLE SYSTEM`, which takes each page or leaves it, of few expected pages often takes none.
const PAGES: u64 = 50;

/// Rows to sample for each that is wanted, since it is only about as many that are found.
const MORE: f64 = 1.2;

/// What to sample.
pub(super) struct Wanted<'a> {
    /// Rows that the index holds.
    pub(super) rows: u64,
    /// Rows to sample at the most.
    pub(super) most: u64,
    /// What to read of each, as SQL with the indexed `value` in it.
    pub(super) select: &'a str,
    /// Leave out values without a direction under cosine, which are near to nothing.
    pub(super) directed: bool,
}

/// Samples values that the index holds, as the column `value`, in random order: with fewer of them, none of the table's
/// pages is left out.
///
/// # Errors
/// Those of the connection.
pub(super) async fn sample(
    session: &Session,
    server: &Server,
    index: &VectorIndex,
    wanted: &Wanted<'_>,
) -> Result<Vec<Row>> {
    let found =
        session.under(ALL_ROWS, session.query(&sql(index, wanted, &method(server, index, wanted)), &[])).await?;
    if !found.is_empty() || wanted.rows == 0 {
        return Ok(found);
    }
    // What the index holds may lie together on few pages.
    session.under(ALL_ROWS, session.query(&sql(index, wanted, ""), &[])).await
}

fn sql(index: &VectorIndex, wanted: &Wanted<'_>, method: &str) -> String {
    let (value, table) = (&index.expression, index.quoted_table());
    let directed = match wanted.directed && index.metric == Metric::Cosine {
        true => format!(" AND (({value}) {} ({value})) <> 'NaN'", index.operator()),
        false => String::new(),
    };
    format!(
        "SELECT {} AS value FROM (SELECT {value} AS value FROM {table}{method} WHERE {}{directed} \
         ORDER BY pg_catalog.random() LIMIT {}) sampled",
        wanted.select,
        index.condition(),
        wanted.most
    )
}

/// `TABLESAMPLE …`.
fn method(server: &Server, index: &VectorIndex, wanted: &Wanted<'_>) -> String {
    let rows = wanted.rows.max(1) as f64;
    let by_rows = MORE * wanted.most as f64 / rows;
    let by_pages = PAGES as f64 / index.heap_blocks.max(1) as f64;
    let share = by_rows.max(by_pages).min(1.0);
    match &server.system_rows {
        Some(schema) => {
            // Rows of the table, of which the index may hold a part.
            let all = index.estimated_rows.unwrap_or_default().max(rows);
            format!(" TABLESAMPLE {}.system_rows({:.0})", quote_ident(schema), (share * all).ceil())
        }
        None => format!(" TABLESAMPLE system({:.4})", (share * 100.0).max(0.001)),
    }
}
