//! Values: what a phrase says that is stored, as it is or by another word.

use super::{Candidate, KEPT, Linker, Meaning, Piece, is_filler, size};
use crate::query::language::index::{ColumnId, Element};
use crate::query::language::words::{Shape, Token, number_word, stem};
use crate::query::language::{cues, synonyms};

/// The most words in a stored value.
const LONGEST_VALUE: usize = 9;

impl Linker<'_, '_> {
    pub(super) fn value_options(
        &self,
        question: &str,
        tokens: &[Token],
        start: usize,
        add: &mut dyn FnMut(f64, usize, usize, Piece),
    ) {
        let Some(first) = tokens.get(start) else { return };
        if first.shape == Shape::Quoted {
            let mut found = self.values(&first.text.to_lowercase(), &first.text);
            // A sentence may end within the marks.
            let text = first.text.trim_end_matches(['.', ',', '?', '!']);
            if found.is_empty() && text.len() < first.text.len() {
                found = self.values(&text.to_lowercase(), text);
            }
            if !found.is_empty() {
                add(2.5, start, start + 1, Piece::Mention(found));
            }
            return;
        }
        if matches!(first.shape, Shape::Mark(_)) {
            return;
        }
        for end in start + 1..=(start + LONGEST_VALUE).min(tokens.len()) {
            let Some(phrase) = tokens.get(start..end) else { break };
            let Some(last) = phrase.last() else { break };
            if last.shape == Shape::Quoted {
                break;
            }
            let Some(text) = question.get(first.start..last.end) else { break };
            let numeric = phrase.len() == 1 && matches!(first.shape, Shape::Number(_));
            if numeric {
                continue;
            }
            let capital = phrase.iter().any(|t| t.is_capital()) && (start > 0 || phrase.len() > 1);
            if phrase.len() == 1
                && (is_filler(&first.lower) || cues::of(&first.lower).is_some())
                && !(first.lower == "running" && super::is_state(tokens, start))
                && !(capital && first.text.chars().all(char::is_uppercase))
            {
                continue;
            }
            let worth_a_lookup = capital && matches!(last.shape, Shape::Word | Shape::Number(_));
            // "two or more" is a number, though something is called so.
            if !capital && phrase.len() == 1 && number_word(&first.lower).is_some() {
                continue;
            }
            let mut found = if worth_a_lookup {
                self.values(&text.to_lowercase(), text)
            } else {
                self.stored(&text.to_lowercase(), text)
            };
            if found.is_empty() && phrase.len() == 1 {
                found = self.sex(&first.lower);
            }
            if found.is_empty() && phrase.len() == 1 {
                found = self.not_so(&first.lower);
            }
            if found.is_empty() {
                let stems: Vec<&str> = phrase.iter().map(|t| t.stem.as_str()).collect();
                found = self.stored(&stems.join(" "), text);
                found.iter_mut().for_each(|c| c.strength *= 0.85);
            }
            if found.is_empty() {
                found = self.stored_otherwise(&text.to_lowercase(), first);
            }
            if found.is_empty() {
                continue;
            }
            // The parts of a code, `QM-261`, belong together.
            let words = phrase.iter().filter(|t| t.is_word() || matches!(t.shape, Shape::Number(_))).count();
            let base = if capital { 1.0 } else { 0.72 };
            // One letter or two in small letters is no value.
            if !capital && text.len() < 3 {
                continue;
            }
            found.iter_mut().for_each(|c| c.strength *= if capital { 1.0 } else { 0.8 });
            let before = start.checked_sub(1).and_then(|p| tokens.get(p)).map(|t| t.lower.as_str());
            let done = !matches!(before, Some("status" | "is" | "are" | "was" | "were" | "as" | "marked" | "not"))
                && phrase.len() == 1
                && text.ends_with("ed")
                || phrase.len() == 1
                    && text.ends_with("ed")
                    && found.iter().all(|c| c.text().to_lowercase() != text.to_lowercase());
            if !capital && done {
                found.push(Candidate { meaning: Meaning::Nothing, strength: 0.6 });
            } else if !capital
                && phrase.len() == 1
                && text.to_lowercase() != found.first().map_or(String::new(), |c| c.text().to_lowercase())
            {
                found.push(Candidate { meaning: Meaning::Nothing, strength: 0.25 });
            }
            add(size(words.max(1)) * base + 0.05, start, end, Piece::Mention(found));
        }
    }

    /// Where a text is stored, in the schema or beyond it.
    fn values(&self, lower: &str, text: &str) -> Vec<Candidate> {
        let mut found = self.stored(lower, text);
        for hit in self.lookup.find(text) {
            if let Some(column) = self.index.find_column(&hit.table, &hit.column) {
                let strength = if hit.value == text { 1.0 } else { 0.92 };
                found.push(Candidate { meaning: Meaning::Value(column, hit.value), strength });
            }
        }
        found.truncate(KEPT + 6);
        found
    }

    /// `inactive` of a column called active, that holds yes and no.
    fn not_so(&self, lower: &str) -> Vec<Candidate> {
        let rest = ["in", "un", "non"].iter().find_map(|p| lower.strip_prefix(p)).filter(|r| r.len() > 3);
        let Some(rest) = rest.filter(|_| self.index.named(&stem(lower)).is_empty()) else { return Vec::new() };
        let element = |e: &Element| match e {
            Element::Column(c) if self.index.column(*c).own_words() == [rest] => Some(*c),
            _ => None,
        };
        let columns = self.index.named(&stem(rest)).iter().filter_map(element);
        let no = |c: ColumnId| self.index.holds(c, true).and(self.index.holds(c, false)).map(|no| (c, no));
        columns.filter_map(no).map(|(c, no)| Candidate { meaning: Meaning::Value(c, no), strength: 1.0 }).collect()
    }

    /// Where a nation or a yes is stored by another word; a single letter only where the column holds few.
    fn stored_otherwise(&self, lower: &str, first: &Token) -> Vec<Candidate> {
        let capitals = first.text.chars().all(char::is_uppercase);
        let mut found: Vec<Candidate> = Vec::new();
        for other in synonyms::of_value(lower).iter().filter(|_| lower.len() > 2 || capitals) {
            for mut candidate in self.stored(other, other) {
                let few = |c: ColumnId| self.index.column(c).column.distinct.is_some_and(|n| n <= 3);
                let Meaning::Value(column, _) = &candidate.meaning else { continue };
                if other.len() > 1 || few(*column) {
                    candidate.strength = 0.9;
                    found.push(candidate);
                }
            }
        }
        found
    }

    /// `female`, `men`: stored as a letter or another word in a column of sexes.
    fn sex(&self, lower: &str) -> Vec<Candidate> {
        let forms: &[&str] = match lower {
            "female" | "females" | "woman" | "women" | "girl" | "girls" => &["f", "female", "w", "woman", "girl"],
            "male" | "males" | "man" | "men" | "boy" | "boys" => &["m", "male", "man", "boy"],
            _ => return Vec::new(),
        };
        let sexes = |c: ColumnId| {
            let words = &self.index.column(c).words;
            words.has("sex") || words.has("gender")
        };
        let mut found = Vec::new();
        for value in forms.iter().flat_map(|form| self.index.values(form)).filter(|v| sexes(v.column)) {
            let candidate = Candidate { meaning: Meaning::Value(value.column, value.text.clone()), strength: 1.0 };
            if !found.contains(&candidate) {
                found.push(candidate);
            }
        }
        found
    }

    fn stored(&self, lower: &str, text: &str) -> Vec<Candidate> {
        let mut found: Vec<Candidate> = Vec::new();
        for value in self.index.values(lower) {
            let strength = if value.text == text { 1.0 } else { 0.92 };
            match found.iter_mut().find(|c| c.meaning.is_value_of(value.column)) {
                Some(known) if known.strength < strength => {
                    *known = Candidate { meaning: Meaning::Value(value.column, value.text.clone()), strength };
                }
                Some(_) => {}
                None => found.push(Candidate { meaning: Meaning::Value(value.column, value.text.clone()), strength }),
            }
        }
        found.sort_by(|a, b| b.strength.total_cmp(&a.strength));
        found.truncate(KEPT + 6);
        found
    }
}

impl Candidate {
    /// The stored text of a value.
    fn text(&self) -> &str {
        if let Meaning::Value(_, text) = &self.meaning { text } else { "" }
    }
}

impl Meaning {
    fn is_value_of(&self, column: ColumnId) -> bool {
        matches!(self, Self::Value(own, _) if *own == column)
    }
}
