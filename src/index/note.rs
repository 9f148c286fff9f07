//! What we remember about an index in its own COMMENT, beside what the operator wrote there.
//!
//! It lies in the database because it must survive a new host, a fail-over and `REINDEX`, and because the index's own
//! row count is overwritten by ANALYZE.

use std::collections::BTreeMap;
use std::fmt;

const OPEN: &str = "[llmsql ";

/// What is remembered.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize)]
pub struct Note {
    /// Rows the index was built on.
    pub rows: Option<u64>,
    /// Lists it was built with.
    pub lists: Option<u32>,
    /// Imbalance of its lists just after the build.
    pub imbalance: Option<f64>,
    /// Mean distance of a row to its centroid just after the build.
    pub distance: Option<f64>,
    /// Seconds the build took.
    pub seconds: Option<f64>,
    /// When it was built (RFC 3339).
    pub built: Option<String>,
    /// When a rebuild was begun that has not ended yet, or never will.
    pub rebuilding: Option<String>,
    /// The options before that rebuild, to be put back: `lists=40`, or `default`.
    pub was: Option<String>,
    /// OIDs of invalid indexes that stood beside this one before that rebuild and are not ours to drop: `16403,16410`.
    pub others: Option<String>,
}

impl Note {
    /// Reads the note in a comment; an empty one where there is none.
    #[must_use]
    pub fn read(comment: &str) -> Note {
        let Some((_, inside, _)) = split(comment) else { return Note::default() };
        let fields: BTreeMap<&str, &str> = inside.split(' ').filter_map(|pair| pair.split_once('=')).collect();
        let text = |key: &str| fields.get(key).map(|v| (*v).to_owned());
        fn number<T: std::str::FromStr>(fields: &BTreeMap<&str, &str>, key: &str) -> Option<T> {
            fields.get(key)?.parse().ok()
        }
        Note {
            rows: number(&fields, "rows"),
            lists: number(&fields, "lists"),
            imbalance: number(&fields, "imbalance"),
            distance: number(&fields, "distance"),
            seconds: number(&fields, "seconds"),
            built: text("built"),
            rebuilding: text("rebuilding"),
            was: text("was"),
            others: text("others"),
        }
    }

    /// Whether an invalid index that stands beside this one is of the rebuild that was begun here.
    #[must_use]
    pub fn is_ours(&self, oid: u32) -> bool {
        let others = self.others.as_deref().unwrap_or_default();
        self.rebuilding.is_some() && !others.split(',').any(|other| other.parse() == Ok(oid))
    }

    /// The comment with this note in place of an older one; the operator's words stay as they are.
    #[must_use]
    pub fn merge(&self, comment: Option<&str>) -> String {
        let comment = comment.unwrap_or_default();
        match split(comment) {
            Some((before, _, after)) => format!("{before}{self}{after}"),
            None if comment.is_empty() => self.to_string(),
            None => format!("{comment} {self}"),
        }
    }

    /// The operator's words alone.
    #[must_use]
    pub fn without(comment: &str) -> String {
        match split(comment) {
            Some((before, _, after)) => format!("{}{after}", before.strip_suffix(' ').unwrap_or(before)),
            None => comment.to_owned(),
        }
    }
}

/// Before our note, inside it, after it.
fn split(comment: &str) -> Option<(&str, &str, &str)> {
    let start = comment.find(OPEN)?;
    let (before, rest) = comment.split_at(start);
    let rest = rest.strip_prefix(OPEN)?;
    let (inside, after) = rest.split_once(']')?;
    Some((before, inside, after))
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = Vec::new();
        let mut add = |key: &str, value: Option<String>| {
            fields.extend(value.map(|v| format!("{key}={v}")));
        };
        add("rows", self.rows.map(|v| v.to_string()));
        add("lists", self.lists.map(|v| v.to_string()));
        add("imbalance", self.imbalance.map(|v| format!("{v:.3}")));
        add("distance", self.distance.map(|v| format!("{v:.5}")));
        add("seconds", self.seconds.map(|v| format!("{v:.1}")));
        add("built", self.built.clone());
        add("rebuilding", self.rebuilding.clone());
        add("was", self.was.clone());
        add("others", self.others.clone());
        write!(f, "{OPEN}{}]", fields.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn note() -> Note {
        Note {
            rows: Some(200_000),
            lists: Some(447),
            imbalance: Some(1.207),
            built: Some("2026-11-23T10:00:00Z".to_owned()),
            ..Note::default()
        }
    }

    #[test]
    fn the_operators_words_stay() {
        let merged = note().merge(Some("for search; ask Ada"));
        assert_eq!(
            merged,
            "for search; ask Ada [llmsql rows=200000 lists=447 imbalance=1.207 built=2026-11-23T10:00:00Z]"
        );
        assert_eq!(Note::read(&merged), note());
        let again = Note { lists: Some(500), ..note() }.merge(Some(&format!("{merged} (2024)")));
        assert!(again.starts_with("for search; ask Ada [llmsql rows=200000 lists=500") && again.ends_with("] (2024)"));
        assert_eq!(Note::without(&again), "for search; ask Ada (2024)");
        assert_eq!(Note::read("nothing of ours [llmsqlx]"), Note::default());
    }

    proptest! {
        #[test]
        fn any_comment_keeps_its_words(comment in "\\PC{0,80}") {
            prop_assume!(!comment.contains(OPEN) && !comment.is_empty());
            let merged = note().merge(Some(&comment));
            prop_assert_eq!(Note::without(&merged), comment);
            prop_assert_eq!(Note::read(&note().merge(Some(&merged))), note());
        }
    }
}
