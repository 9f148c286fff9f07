//! How many lists and probes an ivfflat index should have.

use super::MAX_LISTS;
use serde::Serialize;

/// Which rule gives the number of lists.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Rule {
    /// The guide's (section 1.6): the root of the rows below a million, a thousandth from there on
    #[default]
    Guide,
    /// pgvector's README: a thousandth of the rows up to a million, the root above
    Pgvector,
}

/// A million rows, where both rules meet.
const MILLION: u64 = 1_000_000;

impl Rule {
    /// The lists for that many rows, before any limit.
    #[must_use]
    pub fn lists(self, rows: u64) -> u64 {
        match (self, rows < MILLION) {
            (Rule::Guide, true) | (Rule::Pgvector, false) => rows.isqrt(),
            (Rule::Guide, false) | (Rule::Pgvector, true) => rows / 1000,
        }
    }

    /// The rule with the numbers put in.
    #[must_use]
    pub fn formula(self, rows: u64) -> String {
        match (self, rows < MILLION) {
            (Rule::Guide, true) | (Rule::Pgvector, false) => format!("√{rows}"),
            (Rule::Guide, false) | (Rule::Pgvector, true) => format!("{rows} / 1000"),
        }
    }
}

/// A number of lists and why it is not another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Target {
    /// The lists to build with.
    pub lists: u32,
    /// What the rule says.
    pub by_rule: u64,
    /// The rule with the numbers put in.
    pub formula: String,
    /// The limit that bit, as a sentence.
    pub clamped: Option<String>,
}

/// The lists for that many rows, within pgvector's limits and `most`, the number that the memory allowed can build.
#[must_use]
pub fn target(rule: Rule, rows: u64, most: u32) -> Target {
    let by_rule = rule.lists(rows);
    let within = u32::try_from(by_rule).unwrap_or(u32::MAX).clamp(1, MAX_LISTS);
    let lists = within.min(most);
    let clamped = if lists < within {
        Some(format!("{within} lists do not fit into the memory allowed for the build"))
    } else if by_rule > u64::from(MAX_LISTS) {
        Some(format!("pgvector allows {MAX_LISTS} lists"))
    } else {
        None
    };
    Target { lists, by_rule, formula: rule.formula(rows), clamped }
}

/// The probes that belong to a number of lists where none are configured: their root, which kept recall at .99 over
/// the sizes measured.
#[must_use]
pub fn probes_for(lists: u32) -> u32 {
    (f64::from(lists).sqrt().round() as u32).clamp(1, MAX_LISTS)
}

/// The probes that keep the recall when the lists change: they follow the root of the lists.
#[must_use]
pub fn probes_after(probes: u32, lists: u32, new_lists: u32) -> u32 {
    let scaled = f64::from(probes) * (f64::from(new_lists) / f64::from(lists.max(1))).sqrt();
    // 4 probes of 100 lists, 100 lists again: 4, not 5 by the last bit of a root.
    ((scaled - 1e-9).ceil() as u32).clamp(1, new_lists.max(1))
}

/// What a query costs, in vectors compared: every centroid, and the rows of the lists probed, which are longer than
/// the mean by the imbalance since queries fall where the rows are. Latency was 0.26 to 0.41 µs a unit over a
/// hundredfold range.
#[must_use]
pub fn work(rows: u64, lists: u32, probes: u32, imbalance: f64) -> f64 {
    let (rows, lists) = (rows as f64, f64::from(lists.max(1)));
    (lists + f64::from(probes) * imbalance * rows / lists).min(rows.max(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rules_meet_at_a_million_and_are_each_others_reverse() {
        assert_eq!((Rule::Guide.lists(100_000), Rule::Pgvector.lists(100_000)), (316, 100));
        assert_eq!((Rule::Guide.lists(1_000_000), Rule::Pgvector.lists(1_000_000)), (1000, 1000));
        assert_eq!((Rule::Guide.lists(10_000_000), Rule::Pgvector.lists(10_000_000)), (10_000, 3162));
    }

    #[test]
    fn limits_are_said_aloud() {
        assert_eq!(target(Rule::Guide, 0, MAX_LISTS).lists, 1);
        let many = target(Rule::Guide, 50_000_000, MAX_LISTS);
        assert_eq!((many.lists, many.by_rule), (MAX_LISTS, 50_000));
        assert!(many.clamped.unwrap().contains("32768"));
        let small = target(Rule::Guide, 200_000, 90);
        assert_eq!(small.lists, 90);
        assert!(small.clamped.unwrap().contains("447"));
        assert_eq!(target(Rule::Guide, 200_000, 447).clamped, None);
    }

    #[test]
    fn probes_follow_the_lists() {
        assert_eq!(probes_for(447), 21);
        assert_eq!(probes_after(4, 20, 200), 13);
        assert_eq!(probes_after(4, 100, 100), 4);
        assert_eq!(probes_after(20, 447, 100), 10);
        assert_eq!(probes_after(1, 1, 1), 1);
    }

    #[test]
    fn work_is_never_more_than_a_whole_scan() {
        assert_eq!(work(1000, 1, 1, 1.0), 1000.0);
        assert!(work(200_000, 141, 12, 12.7) > 5.0 * work(200_000, 447, 21, 1.5));
    }
}
