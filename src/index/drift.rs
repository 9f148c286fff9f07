//! How far the rows have moved away from the lists of an ivfflat index: read the centroids from its pages, sample rows,
//! assign each to its nearest centroid here.
//!
//! Sampled recall does not show it (recall rose while latency got 69 times worse), and neither does the index's size.
//! The imbalance of the lists does: `L·Σnᵢ²/N²`, 1 for even lists; 1.2 to 2 just after a build of clustered data; 12.7
//! after rows of another distribution had been added.

use super::catalogue::{Server, VectorIndex};
use super::sample::{self, Wanted};
use super::{Element, Method, Metric};
use crate::error::{Error, Result};
use crate::postgres::connect::{RowExt, Session, quote_ident};
use serde::Serialize;
use std::sync::Arc;
use tokio::task::JoinHandle;
use tokio_postgres::types::Type;

/// Rows sampled at most.
const SAMPLE: u64 = 5000;

/// Rows assigned at least, whatever effort that takes: so many that of even lists a hundred pairs of rows share one, since
/// the imbalance is counted in such pairs. Of ten thousand lists 300 rows have five pairs, and chance alone would make
/// one night's imbalance twice that of the night before, and a rebuild of it.
fn least_sample(lists: usize) -> u64 {
    const ROWS: u64 = 300;
    const PAIRS: u64 = 100;
    (2 * PAIRS * lists as u64).isqrt().clamp(ROWS, SAMPLE)
}

/// Multiplications the assignment may take for more rows than the least: less than a second.
pub const EFFORT: u64 = 2_000_000_000;

/// What the pages of an index say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Built {
    /// Lists it was built with (ivfflat).
    pub lists: Option<u32>,
    /// Connections a layer (hnsw).
    pub m: Option<u32>,
    /// Candidates while building (hnsw).
    pub ef_construction: Option<u32>,
}

/// How the rows lie in the lists.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Drift {
    /// `L·Σnᵢ²/N²`, estimated without bias from the sample.
    pub imbalance: f64,
    /// Mean distance of a row to its centroid, in the index's metric.
    pub distance: f64,
    /// Rows sampled.
    pub sample: u64,
}

/// What the metapage says the index was built with; `None` where pages cannot be read.
///
/// # Errors
/// Those of the connection.
pub async fn built(session: &Session, server: &Server, index: &VectorIndex) -> Result<Option<Built>> {
    let Some(schema) = &server.pageinspect else { return Ok(None) };
    if index.partitioned {
        return Ok(None);
    }
    let sql = format!("SELECT {}.get_raw_page($1, 'main', 0) AS page", quote_ident(schema));
    let name = index.quoted();
    let row = session.under(&[], session.query_one(&sql, &[(&name, Type::TEXT)])).await?;
    let page: &[u8] = row.value("page")?;
    let at = |offset: usize| u16_at(page, offset).map(u32::from);
    Ok(Some(match index.method {
        // Page header 24 bytes; magic, version; dimensions, lists as 16 bits.
        Method::Ivfflat => Built { lists: at(34), ..Built::default() },
        // Page header 24 bytes; magic, version, dimensions; m, ef_construction as 16 bits.
        Method::Hnsw => Built { m: at(36), ef_construction: at(38), ..Built::default() },
    }))
}

/// Rows sampled from a table, for one index on it.
#[derive(Debug, Clone, Default)]
pub struct Sample(Arc<Vec<Point>>);

/// Measures the drift; `None` where pages cannot be read or the index holds nothing.
///
/// # Errors
/// Those of the connection, and pages that are not as expected.
pub async fn measure(session: &Session, server: &Server, index: &VectorIndex, rows: u64) -> Result<Option<Drift>> {
    if !readable(server, index) {
        return Ok(None);
    }
    let sample = sample(session, server, index, rows).await?;
    of_sample(session, server, index, &sample).await
}

fn readable(server: &Server, index: &VectorIndex) -> bool {
    server.pageinspect.is_some() && index.method == Method::Ivfflat && !index.partitioned
}

/// How the sampled rows lie in the lists that the index has now; `None` where pages cannot be read or there are no
/// rows.
///
/// # Errors
/// Those of the connection, and pages that are not as expected.
pub async fn of_sample(
    session: &Session,
    server: &Server,
    index: &VectorIndex,
    sample: &Sample,
) -> Result<Option<Drift>> {
    begin(session, server, index, sample, EFFORT).await?.end().await
}

/// A drift that is being computed, on a thread of its own.
pub struct Measuring(Option<JoinHandle<Option<Drift>>>);

impl Measuring {
    /// Waits for it.
    ///
    /// # Errors
    /// That it ended unexpectedly.
    pub async fn end(self) -> Result<Option<Drift>> {
        let Some(computing) = self.0 else { return Ok(None) };
        computing.await.map_err(|e| Error::failed("index.drift", "the drift was not measured").because(e))
    }
}

/// As [`of_sample`], but returns as soon as nothing more is to be read, and assigns no more rows than that many
/// multiplications allow (yet [`least_sample`]).
///
/// # Errors
/// As [`of_sample`].
pub async fn begin(
    session: &Session,
    server: &Server,
    index: &VectorIndex,
    sample: &Sample,
    effort: u64,
) -> Result<Measuring> {
    let schema = server.pageinspect.as_ref().filter(|_| readable(server, index) && !sample.0.is_empty());
    let Some(schema) = schema else { return Ok(Measuring(None)) };
    let centres = session.under(&[], centres(session, schema, index)).await?;
    let per_row = (centres.len() as u64).saturating_mul(u64::from(index.dimensions)).max(1);
    let most = (effort.min(EFFORT) / per_row).max(least_sample(centres.len()));
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let (points, metric) = (Arc::clone(&sample.0), index.metric);
    // Beside the network's thread, which shows progress and hears signals meanwhile.
    Ok(Measuring(Some(tokio::task::spawn_blocking(move || {
        assign(&centres, points.get(..most).unwrap_or(&points), metric)
    }))))
}

/// A centroid or a sampled value.
#[derive(Debug, Clone, PartialEq)]
enum Point {
    Floats(Vec<f32>),
    Bits(Vec<u8>),
}

fn assign(centres: &[Point], sample: &[Point], metric: Metric) -> Option<Drift> {
    let mut counts = vec![0u64; centres.len()];
    let (mut n, mut total) = (0u64, 0f64);
    for point in sample {
        let nearest = centres
            .iter()
            .enumerate()
            .filter_map(|(i, centre)| Some((i, separation(centre, point, metric)?)))
            .min_by(|a, b| a.1.total_cmp(&b.1));
        let Some((i, distance)) = nearest else { continue };
        if let Some(count) = counts.get_mut(i) {
            *count += 1;
        }
        n += 1;
        total += match metric {
            Metric::L2 => distance.max(0.0).sqrt(),
            Metric::Cosine => 1.0 + distance,
            _ => distance,
        };
    }
    if n < 2 {
        return None;
    }
    let pairs: f64 = counts.iter().map(|c| *c as f64 * (*c as f64 - 1.0)).sum();
    let imbalance = centres.len() as f64 * pairs / (n as f64 * (n as f64 - 1.0));
    Some(Drift { imbalance: imbalance.max(1.0), distance: total / n as f64, sample: n })
}

/// The distance by which pgvector assigns a row to a list: squared for L2, the negative inner product for the others.
fn separation(centre: &Point, point: &Point, metric: Metric) -> Option<f64> {
    match (centre, point) {
        (Point::Floats(a), Point::Floats(b)) if a.len() == b.len() => Some(f64::from(match metric {
            Metric::L2 => sum(a, b, |a, b| (a - b) * (a - b)),
            _ => -sum(a, b, |a, b| a * b),
        })),
        (Point::Bits(a), Point::Bits(b)) if a.len() == b.len() => {
            Some(f64::from(a.iter().zip(b).map(|(a, b)| (a ^ b).count_ones()).sum::<u32>()))
        }
        _ => None,
    }
}

/// The sum over all dimensions, in eight sums side by side: one sum in order could not be computed in parallel.
fn sum(a: &[f32], b: &[f32], term: impl Fn(f32, f32) -> f32) -> f32 {
    let (mut a, mut b) = (a.chunks_exact(8), b.chunks_exact(8));
    let mut sums = [0f32; 8];
    for (a, b) in a.by_ref().zip(b.by_ref()) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += term(*a, *b);
        }
    }
    let rest: f32 = a.remainder().iter().zip(b.remainder()).map(|(a, b)| term(*a, *b)).sum();
    sums.iter().sum::<f32>() + rest
}

/// The centroids, from the list pages: block 1 on, the next block in the 8 bytes at the end; each tuple is two block
/// numbers and the centroid.
async fn centres(session: &Session, schema: &str, index: &VectorIndex) -> Result<Vec<Point>> {
    const BATCH: i64 = 128;
    let sql = format!(
        "SELECT b AS block, {0}.get_raw_page($1, 'main', b) AS page \
         FROM generate_series($2::int8, least($2 + {BATCH}, pg_relation_size($1::regclass) / current_setting('block_size')::int8) - 1) b",
        quote_ident(schema)
    );
    let broken = || {
        Error::failed("index.pages", "the pages of the index are not as this version knows them").at(format!(
            "{} {}",
            session.place(),
            index.label()
        ))
    };
    let mut out = Vec::new();
    let mut next = Some(1i64);
    while let Some(block) = next {
        let rows = session.query(&sql, &[(&index.quoted(), Type::TEXT), (&block, Type::INT8)]).await?;
        let mut here = Some(block);
        while let Some(current) = here {
            let Some(row) = rows.iter().find(|r| r.value::<i64>("block").is_ok_and(|b| b == current)) else { break };
            let page: &[u8] = row.value("page")?;
            let following = list_page(page, index, &mut out).ok_or_else(broken)?;
            here = (following != u32::MAX).then_some(i64::from(following));
            if here.is_some_and(|h| h <= current) {
                return Err(broken());
            }
        }
        if here == Some(block) {
            return Err(broken());
        }
        next = here;
    }
    Ok(out)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// Adds the page's centroids and returns the next page's number (`u32::MAX`: none).
fn list_page(page: &[u8], index: &VectorIndex, out: &mut Vec<Point>) -> Option<u32> {
    let (lower, special) = (usize::from(u16_at(page, 12)?), usize::from(u16_at(page, 16)?));
    for line in (24..lower).step_by(4) {
        let pointer = u32_at(page, line)?;
        let (offset, length) = ((pointer & 0x7fff) as usize, (pointer >> 17) as usize);
        let tuple = page.get(offset..offset + length)?;
        let d = index.dimensions as usize;
        // startPage, insertPage; then the value with its length word and 4 more bytes.
        let value = tuple.get(16..)?;
        out.push(match index.element {
            Element::Vector => Point::Floats(
                value
                    .get(..4 * d)?
                    .chunks_exact(4)
                    .filter_map(|c| Some(f32::from_le_bytes(c.try_into().ok()?)))
                    .collect(),
            ),
            Element::Halfvec => Point::Floats(
                value
                    .get(..2 * d)?
                    .chunks_exact(2)
                    .filter_map(|c| Some(half(u16::from_le_bytes(c.try_into().ok()?))))
                    .collect(),
            ),
            Element::Bit => Point::Bits(value.get(..d.div_ceil(8))?.to_vec()),
            Element::Sparsevec => return None,
        });
    }
    u32_at(page, special)
}

/// A 16-bit float.
fn half(bits: u16) -> f32 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f32::from(bits & 0x3ff));
    sign * match exponent {
        0 => fraction * 2f32.powi(-24),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        e => (1.0 + fraction / 1024.0) * 2f32.powi(e - 15),
    }
}

/// Samples rows to measure drift with.
///
/// # Errors
/// Those of the connection.
pub async fn sample(session: &Session, server: &Server, index: &VectorIndex, rows: u64) -> Result<Sample> {
    // The type's own send function gives the binary form as bytes.
    let send = match index.element {
        Element::Vector => format!("{}.vector_send", quote_ident(&index.extension_schema)),
        Element::Halfvec => format!("{}.halfvec_send", quote_ident(&index.extension_schema)),
        Element::Bit => "pg_catalog.bit_send".to_owned(),
        Element::Sparsevec => return Ok(Sample::default()),
    };
    if rows == 0 || !readable(server, index) || index.foreign_code.is_some() {
        return Ok(Sample::default());
    }
    let select = format!("{send}(value)");
    let wanted = Wanted { rows, most: SAMPLE, select: &select, directed: false };
    let rows = sample::sample(session, server, index, &wanted).await?;
    let mut points = Vec::with_capacity(rows.len());
    for row in &rows {
        points.extend(point(row.value("value")?, index));
    }
    Ok(Sample(Arc::new(points)))
}

/// Reads a value in its binary form; nothing for a vector without a direction under cosine, which is not indexed.
fn point(raw: &[u8], index: &VectorIndex) -> Option<Point> {
    let mut floats: Vec<f32> = match index.element {
        Element::Vector => {
            raw.get(4..)?.chunks_exact(4).filter_map(|c| Some(f32::from_be_bytes(c.try_into().ok()?))).collect()
        }
        Element::Halfvec => {
            raw.get(4..)?.chunks_exact(2).filter_map(|c| Some(half(u16::from_be_bytes(c.try_into().ok()?)))).collect()
        }
        Element::Bit => return Some(Point::Bits(raw.get(4..)?.to_vec())),
        Element::Sparsevec => return None,
    };
    if index.metric == Metric::Cosine {
        let norm = floats.iter().map(|f| f64::from(*f) * f64::from(*f)).sum::<f64>().sqrt();
        if norm == 0.0 {
            return None;
        }
        floats.iter_mut().for_each(|f| *f = (f64::from(*f) / norm) as f32);
    }
    Some(Point::Floats(floats))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_floats_are_read() {
        for (bits, value) in
            [(0x3c00, 1.0), (0xc000, -2.0), (0x3555, 0.333_251_95), (0x0001, 5.960_464_5e-8), (0x7bff, 65504.0)]
        {
            assert_eq!(half(bits), value);
        }
    }

    #[test]
    fn the_imbalance_of_many_lists_is_no_matter_of_chance() {
        for lists in [1, 447, 10_000, 32_768] {
            let rows = least_sample(lists);
            assert!(rows * rows / 2 >= 99 * lists as u64, "{rows} rows of {lists} lists");
            assert!((300..=SAMPLE).contains(&rows));
        }
    }

    #[test]
    fn even_lists_have_an_imbalance_of_one_and_one_full_list_has_all() {
        let centres: Vec<Point> = (0..4).map(|i| Point::Floats(vec![i as f32 * 10.0])).collect();
        let even: Vec<Point> = (0..4000).map(|i| Point::Floats(vec![(i % 4) as f32 * 10.0 + 1.0])).collect();
        let drift = assign(&centres, &even, Metric::L2).unwrap();
        assert!((drift.imbalance - 1.0).abs() < 0.01, "{drift:?}");
        assert!((drift.distance - 1.0).abs() < 1e-6, "{drift:?}");
        let one: Vec<Point> = (0..1000).map(|_| Point::Floats(vec![0.0])).collect();
        assert_eq!(assign(&centres, &one, Metric::L2).unwrap().imbalance, 4.0);
        assert_eq!(assign(&centres, &[], Metric::L2), None);
    }
}
