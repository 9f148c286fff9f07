//! What running readings says about them: readings that find the same bear each other out, and one that finds nothing
//! beside one that finds something is doubted.

use std::collections::BTreeSet;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::LazyLock;

use serde_json::Value;

use super::{Forest, Signs};

static FOREST: LazyLock<Forest> = LazyLock::new(|| Forest::of(include_str!("results.txt")));

/// What a reading found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// Its rows.
    pub rows: usize,
    /// Those of them that differ.
    pub different: usize,
    /// The same for the same values, whatever the order of rows and columns.
    pub content: u64,
}

impl Found {
    /// Of the rows of a result.
    #[must_use]
    pub fn of(rows: &[Vec<Value>]) -> Self {
        let hash = |value: &dyn Fn(&mut DefaultHasher)| {
            let mut hasher = DefaultHasher::new();
            value(&mut hasher);
            hasher.finish()
        };
        let written: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(Value::to_string).collect()).collect();
        let column = |at: usize| {
            let mut values: Vec<&String> = written.iter().filter_map(|row| row.get(at)).collect();
            values.sort_unstable();
            hash(&|h| values.hash(h))
        };
        let mut columns: Vec<u64> = (0..written.first().map_or(0, Vec::len)).map(column).collect();
        columns.sort_unstable();
        let different = written.iter().collect::<BTreeSet<_>>().len();
        Self { rows: rows.len(), different, content: hash(&|h| (rows.len(), &columns).hash(h)) }
    }
}

/// The signs of readings, the likeliest first, by their probabilities and what each found, nothing where it failed.
#[must_use]
pub fn signs(probabilities: &[f64], found: &[Option<Found>]) -> Vec<Signs> {
    let odds = |p: f64| (p.clamp(1e-4, 1.0 - 1e-4) / (1.0 - p.clamp(1e-4, 1.0 - 1e-4))).ln();
    let all: Vec<(f64, Option<Found>)> = probabilities.iter().copied().zip(found.iter().copied()).collect();
    let whole: f64 = probabilities.iter().sum();
    let failed: f64 = all.iter().filter(|(_, f)| f.is_none()).map(|(p, _)| p).sum();
    let count = |rows: Option<usize>| rows.and_then(|n| u32::try_from(n).ok()).map_or(-1.0, f64::from);
    let first = all.first().and_then(|(_, f)| *f);
    let of_one = |(place, (own, result)): (usize, &(f64, Option<Found>))| {
        let agrees = |other: &Option<Found>| matches!((result, other), (Some(a), Some(b)) if a.content == b.content);
        let alike: Vec<f64> = match result {
            Some(_) => all.iter().filter(|(_, f)| agrees(f)).map(|(p, _)| *p).collect(),
            None => vec![*own],
        };
        let others = all.iter().enumerate().filter(|(at, (_, f))| *at != place && f.is_some() && !agrees(f));
        let other = others.map(|(_, one)| one).reduce(|best, one| if one.0 > best.0 { one } else { best });
        let mass: f64 = alike.iter().sum();
        let rows = result.map(|f| f.rows);
        vec![
            ("probability", *own),
            ("of all that find this", mass),
            ("part of all that find this", mass / whole.max(1e-9)),
            ("margin", odds(alike.iter().copied().fold(0.0, f64::max)) - odds(other.map_or(0.0, |(p, _)| *p))),
            ("place", count(Some(place))),
            ("that find this", count(Some(alike.len()))),
            ("rows", count(rows)),
            ("rows that repeat", count(result.map(|f| f.rows - f.different))),
            ("rows against the first", if first.is_some() { count(rows) - count(first.map(|f| f.rows)) } else { 0.0 }),
            ("rows of another", count(other.and_then(|(_, f)| f.map(|f| f.rows)))),
            ("failed", failed),
        ]
    };
    all.iter().enumerate().map(of_one).collect()
}

/// The probabilities that readings are what was meant, after they were run.
#[must_use]
pub fn weighed(probabilities: &[f64], found: &[Option<Found>]) -> Vec<f64> {
    signs(probabilities, found).iter().map(|signs| FOREST.probability(signs)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn found(rows: Value) -> Option<Found> {
        serde_json::from_value::<Vec<Vec<Value>>>(rows).ok().map(|rows| Found::of(&rows))
    }

    #[test]
    fn the_order_of_rows_and_columns_does_not_matter() {
        assert_eq!(found(json!([[1, "a"], [2, "b"]])), found(json!([["b", 2], ["a", 1]])));
        assert_ne!(found(json!([[1]])), found(json!([[1], [1]])));
        assert_ne!(found(json!([[1]])), found(json!([["1"]])));
    }

    #[test]
    fn readings_that_agree_are_trusted_and_a_likely_rival_is_a_doubt() {
        let (one, two) = (found(json!([[1]])), found(json!([[2]])));
        let agreed = weighed(&[0.6, 0.3], &[one, one]);
        let torn = weighed(&[0.5, 0.45], &[one, two]);
        assert!(agreed[0] > 0.75 && torn[0] < 0.65, "{agreed:?} {torn:?}");
    }

    #[test]
    fn the_forest_was_fitted_to_these_signs() {
        let names: Vec<&str> = signs(&[0.5], &[None]).iter().flatten().map(|(name, _)| *name).collect();
        assert_eq!(FOREST.signs, names);
        assert!(FOREST.is_whole());
    }
}
