//! Words of the same meaning: those that databases use for each other ([`groups`]), and WordNet's.
//!
//! The table of WordNet is `synonyms.txt`, made by `tools/synonyms`; it says how it is written.

mod groups;
mod values;

use std::collections::HashMap;
use std::sync::LazyLock;

use super::words::stem;

/// A word or phrase that may stand for another, by its stems, and how well, above 0 and below 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Synonym {
    /// The stems, a blank between two.
    pub stems: String,
    /// How well it stands for the other.
    pub strength: f64,
}

impl Synonym {
    /// Its stems and how well they stand for the other.
    #[must_use]
    pub fn word(&self) -> (&str, f64) {
        (&self.stems, self.strength)
    }
}

const TABLE: &str = include_str!("synonyms.txt");
/// What a relation of WordNet counts against one of the groups.
const WORDNET: f64 = 0.85;

static GROUPED: LazyLock<HashMap<String, Vec<Synonym>>> = LazyLock::new(|| {
    let stems = |phrase: &str| phrase.split(' ').map(stem).collect::<Vec<_>>().join(" ");
    let mut found: HashMap<String, Vec<Synonym>> = HashMap::new();
    for (strength, lists) in groups::GROUPS {
        for list in *lists {
            let phrases: Vec<String> = list.split('|').map(stems).collect();
            for phrase in &phrases {
                let known = found.entry(phrase.clone()).or_default();
                for other in phrases.iter().filter(|other| *other != phrase) {
                    if !known.iter().any(|k| k.stems == *other) {
                        known.push(Synonym { stems: other.clone(), strength: *strength });
                    }
                }
            }
        }
    }
    found
});

static VALUES: LazyLock<HashMap<&str, Vec<&str>>> = LazyLock::new(|| {
    let mut found: HashMap<&str, Vec<&str>> = HashMap::new();
    for list in values::VALUES {
        // A code of a nation is stored, and is another word in a question: "in", "can", "per".
        let asked = |word: &&str| word.len() > 3 || values::SHORT.contains(word);
        for word in list.split('|').filter(asked) {
            found.entry(word).or_default().extend(list.split('|').filter(|other| *other != word));
        }
    }
    found
});

/// What may stand for the word or phrase of these stems in the name of a table or column, the best first.
#[must_use]
pub fn of(stems: &str) -> Vec<Synonym> {
    let mut found = GROUPED.get(stems).cloned().unwrap_or_default();
    for class in line(stems).unwrap_or_default().split('\t').skip(1) {
        let Some(digit) = class.chars().next().and_then(|c| c.to_digit(10)) else { continue };
        let strength = WORDNET * (f64::from(digit) + 0.5) / 10.0;
        for other in class.get(1..).unwrap_or_default().split(',') {
            if !found.iter().any(|k| k.stems == other) {
                found.push(Synonym { stems: other.to_owned(), strength });
            }
        }
    }
    found.sort_by(|a, b| b.strength.total_cmp(&a.strength));
    found
}

/// Whether a stem is that of an English word, and so no slip of the finger.
#[must_use]
pub fn is_word(stem: &str) -> bool {
    GROUPED.contains_key(stem) || line(stem).is_some()
}

/// What may be stored for a value that is asked for by another word, in small letters.
#[must_use]
pub fn of_value(lower: &str) -> &'static [&'static str] {
    VALUES.get(lower).map_or(&[], Vec::as_slice)
}

/// The line of the table that begins with a stem; its lines are sorted by their bytes.
fn line(stem: &str) -> Option<&'static str> {
    let (mut low, mut high) = (0, TABLE.len());
    while low < high {
        let before = TABLE.get(low..low + (high - low) / 2)?;
        let start = low + before.rfind('\n').map_or(0, |at| at + 1);
        let here = TABLE.get(start..)?.lines().next()?;
        match here.split('\t').next().unwrap_or_default().cmp(stem) {
            std::cmp::Ordering::Equal => return Some(here),
            std::cmp::Ordering::Less => low = start + here.len() + 1,
            std::cmp::Ordering::Greater => high = start,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stands_for(word: &str, other: &str) -> bool {
        of(&stem(word)).iter().any(|s| s.stems == stem(other))
    }

    #[test]
    fn the_table_is_sorted_for_the_search() {
        let keys: Vec<&str> = TABLE.lines().map(|l| l.split('\t').next().unwrap_or_default()).collect();
        assert!(keys.is_sorted(), "{:?}", keys.windows(2).find(|w| w[0] > w[1]));
        assert!(keys.iter().all(|key| line(key).is_some_and(|l| l.starts_with(key))));
        assert!(TABLE.len() < 400_000, "{}", TABLE.len());
    }

    #[test]
    fn words_of_one_meaning_are_known_both_ways() {
        for (word, other) in [("customer", "client"), ("vessel", "ship"), ("teach", "teacher"), ("velocity", "speed")] {
            assert!(stands_for(word, other) && stands_for(other, word), "{word} {other}");
        }
        assert!(!stands_for("salary", "city"));
        assert!(of("birthday").iter().any(|s| s.stems == "date birth"));
        assert_eq!(of("qwzx"), []);
    }

    #[test]
    fn nations_are_stored_in_several_ways() {
        assert!(of_value("american").contains(&"usa"));
        assert!(of_value("tuesdays").is_empty());
    }
}
