//! Names: the tables, columns and figures that a phrase names, in these words or in others.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use super::{Candidate, KEPT, Linker, Meaning, is_measure};
use crate::query::language::index::{ColumnId, Element, TableId};
use crate::query::language::names::weight;
use crate::query::language::synonyms::{self, Synonym};
use crate::query::schema::Kind;

/// How well a name fits that a phrase writes as it is.
const EXACT: f64 = 0.95;

impl Linker<'_, '_> {
    /// The tables, columns and figures that the stems name, in these words or in others, the best first.
    #[must_use]
    pub fn names(&self, stems: &[&str]) -> Vec<Candidate> {
        self.named(stems, true)
    }

    /// The tables, columns and figures that the stems name in these very words.
    pub(super) fn called_so(&self, stems: &[&str]) -> Vec<Candidate> {
        self.named(stems, false)
    }

    fn named(&self, stems: &[&str], synonyms: bool) -> Vec<Candidate> {
        let owned: Vec<String> = stems.iter().map(|s| (*s).to_owned()).collect();
        let mut found: Vec<Candidate> = Vec::new();
        if let Some(element) = self.index.synonyms.get(&owned) {
            found.push(Candidate { meaning: meaning(*element), strength: 1.0 });
        }
        if self.index.metrics.contains_key(&owned) {
            found.push(Candidate { meaning: Meaning::Metric(owned), strength: 1.0 });
        }
        let literal: Vec<Vec<Synonym>> = stems.iter().map(|stem| vec![itself(stem)]).collect();
        self.meet(&literal, &mut found);
        // What is called so is not what may be meant by another word.
        if synonyms && found.iter().all(|c| c.strength < EXACT) {
            self.by_synonyms(stems, &mut found);
        }
        self.called(stems, &mut found);
        self.without_tail(stems, &mut found);
        found.sort_by(|a, b| b.strength.total_cmp(&a.strength));
        let mut seen: Vec<Meaning> = Vec::new();
        found.retain(|c| {
            !seen.contains(&c.meaning) && {
                seen.push(c.meaning.clone());
                true
            }
        });
        // A table of exactly this name is meant rather than one that has the word among others.
        let exact = |c: &Candidate| c.strength >= 0.99 && matches!(c.meaning, Meaning::Table(_));
        if found.iter().any(exact) {
            found.retain(|c| c.strength >= 0.6 || !matches!(c.meaning, Meaning::Table(_)));
        }
        found.truncate(KEPT);
        found
    }

    /// What has, for every place, one of its words in its name.
    fn meet(&self, places: &[Vec<Synonym>], found: &mut Vec<Candidate>) {
        // Each place's elements with the word of the name that it met, and how well.
        let mut met: BTreeMap<Element, Vec<(String, f64)>> = BTreeMap::new();
        for (place, words) in places.iter().enumerate() {
            let mut here: HashMap<Element, (String, f64)> = HashMap::new();
            for word in words {
                for element in self.index.named(&word.stems) {
                    let known = here.entry(*element).or_insert_with(|| (word.stems.clone(), 0.0));
                    if word.strength > known.1 {
                        *known = (word.stems.clone(), word.strength);
                    }
                }
            }
            for (element, hit) in here {
                let hits = met.entry(element).or_default();
                if hits.len() == place {
                    hits.push(hit);
                }
            }
        }
        for (element, hits) in met.iter().filter(|(_, hits)| hits.len() == places.len()) {
            if let Some(strength) = self.strength(*element, hits) {
                found.push(Candidate { meaning: meaning(*element), strength });
            }
        }
    }

    /// What other words for the same name, a phrase standing for a phrase where they are longer than one.
    fn by_synonyms(&self, stems: &[&str], found: &mut Vec<Candidate>) {
        let single = |s: &&Synonym| !s.stems.contains(' ');
        let places: Vec<Vec<Synonym>> = stems
            .iter()
            .map(|stem| {
                let others = self.alternatives(stem);
                std::iter::once(itself(stem)).chain(others.iter().filter(single).cloned()).collect()
            })
            .collect();
        if places.iter().any(|words| words.len() > 1) {
            self.meet(&places, found);
        }
        for start in 0..stems.len() {
            for end in start + 1..=(start + 3).min(stems.len()) {
                let Some(phrase) = stems.get(start..end) else { continue };
                let others = self.alternatives(&phrase.join(" "));
                for other in others.iter().filter(|s| end > start + 1 || !single(s)) {
                    let words = stems.iter().take(start).copied();
                    let words = words.chain(other.stems.split(' ')).chain(stems.iter().skip(end).copied());
                    let places: Vec<Vec<Synonym>> = words.map(|word| vec![itself(word)]).collect();
                    let before = found.len();
                    self.meet(&places, found);
                    found.iter_mut().skip(before).for_each(|c| c.strength *= other.strength);
                }
            }
        }
    }

    /// What may stand for a phrase and occurs in names.
    fn alternatives(&self, stems: &str) -> Rc<[Synonym]> {
        if let Some(known) = self.known.borrow().get(stems) {
            return Rc::clone(known);
        }
        let named = |s: &Synonym| s.stems.split(' ').all(|word| !self.index.named(word).is_empty());
        let found: Rc<[Synonym]> = synonyms::of(stems).into_iter().filter(named).collect();
        self.known.borrow_mut().insert(stems.to_owned(), Rc::clone(&found));
        found
    }

    /// `phone number` of a column that is only called phone.
    fn without_tail(&self, stems: &[&str], found: &mut Vec<Candidate>) {
        let Some((tail, rest)) = stems.split_last().filter(|(_, rest)| !rest.is_empty()) else { return };
        if !matches!(
            *tail,
            "number"
                | "valu"
                | "amount"
                | "address"
                | "year"
                | "time"
                | "inform"
                | "detail"
                | "level"
                | "type"
                | "date"
        ) || found.iter().any(|c| c.strength > 0.8)
        {
            return;
        }
        let whole = |c: &Candidate| c.strength > 0.9 && matches!(c.meaning, Meaning::Column(_));
        let columns = self.names(rest).into_iter().filter(whole);
        let dated = |c: &Candidate| matches!(c.meaning, Meaning::Column(id) if self.index.kind(id).is_time() || *tail == "year" && is_measure(self.index, id));
        let when = matches!(*tail, "date" | "time" | "year");
        let fit = |c: &Candidate| if when && dated(c) || *tail == "address" { 0.95 } else { 0.8 };
        found.extend(columns.map(|c| Candidate { strength: fit(&c) * c.strength, ..c }));
    }

    /// The name of something that has no column of that name: what its rows are called by, or the column itself.
    fn called(&self, stems: &[&str], found: &mut Vec<Candidate>) {
        if !stems.contains(&"name") || found.iter().any(|c| c.strength > 0.9 && stems.len() > 1) {
            return;
        }
        let rest: Vec<&str> = stems.iter().copied().filter(|s| *s != "name").collect();
        let mut add = |column: ColumnId, strength: f64| {
            if self.index.kind(column) == Kind::Text {
                found.push(Candidate { meaning: Meaning::Column(column), strength });
            }
        };
        let nameless = |table: TableId| self.index.columns(table).all(|c| !self.index.column(c).words.has("name"));
        if rest.is_empty() {
            for table in (0..self.index.tables.len()).filter(|t| nameless(*t)) {
                if let [display] = self.index.table(table).display.as_slice() {
                    add(*display, 0.6);
                }
            }
            return;
        }
        let mut rows = Vec::new();
        for candidate in self.names(&rest) {
            match candidate.meaning {
                Meaning::Table(table) => {
                    let display = self.index.table(table).display.as_slice();
                    match display {
                        [one] => add(*one, 0.97 * candidate.strength),
                        _ => {
                            rows.push(Candidate { meaning: Meaning::Table(table), strength: 0.9 * candidate.strength })
                        }
                    }
                }
                Meaning::Column(column) => add(column, 0.93 * candidate.strength),
                _ => {}
            }
        }
        found.extend(rows);
    }

    /// Whether a candidate numbers rows rather than counts them.
    pub(super) fn is_numbering(&self, candidate: &Candidate) -> bool {
        let Meaning::Column(column) = candidate.meaning else { return false };
        let info = self.index.column(column);
        let of_rows = |table: &crate::query::language::index::TableInfo<'_>| {
            let rest: Vec<&String> = info.words.stems.iter().filter(|s| *s != "number").collect();
            info.words.has("number") && !rest.is_empty() && rest == table.words.stems.iter().collect::<Vec<_>>()
        };
        let numbers = info.words.words.first().is_none_or(|w| w != "number");
        info.own_words() == ["number"]
            || info.key
            || self.index.is_unique(column)
            || !is_measure(self.index, column)
            || numbers && self.index.tables.iter().any(of_rows)
    }

    /// How much of a name the words met, weighed by what each word says.
    fn strength(&self, element: Element, hits: &[(String, f64)]) -> Option<f64> {
        let hit = |stem: &String| hits.iter().filter(|(word, _)| word == stem).map(|(_, q)| *q).reduce(f64::max);
        let (words, own) = match element {
            Element::Table(table) => (&self.index.table(table).words, 0),
            Element::Column(column) => (&self.index.column(column).words, self.index.column(column).own),
        };
        let mut all = 0.0;
        let mut met = 0.0;
        let mut owned = false;
        for (at, (word, stem)) in words.words.iter().zip(&words.stems).enumerate() {
            let found = hit(stem);
            if at < own && found.is_none() {
                continue;
            }
            owned |= at >= own && found.is_some();
            let weight = if found.is_none() && self.is_prefix(element, stem) { 0.5 } else { weight(word) };
            all += weight;
            met += weight * found.unwrap_or(0.0);
        }
        if let Element::Table(_) = element {
            owned = true;
        }
        // A key that is named without "id" or "code" is rather the thing it refers to.
        let reference = match element {
            Element::Column(column) if self.index.column(column).key => {
                let last = words.stems.last();
                let weak = words.words.last().is_some_and(|w| weight(w) < 1.0);
                let told = weak && last.is_some_and(|last| hit(last).is_some());
                let thing = words.stems.iter().take(words.stems.len().saturating_sub(usize::from(weak)));
                let thing: Vec<&String> = thing.collect();
                let table = |t: &crate::query::language::index::TableInfo<'_>| {
                    t.words.stems.iter().collect::<Vec<_>>() == thing
                };
                !told && self.index.tables.iter().any(table)
            }
            _ => false,
        };
        let strength = met / all * if reference { 0.7 } else { 1.0 };
        // Every word has to mean something of its own.
        let distinct = hits.iter().enumerate().all(|(i, (a, _))| hits.iter().skip(i + 1).all(|(b, _)| a != b));
        (owned && distinct && strength >= 0.3).then_some(strength)
    }

    /// Whether a word of a table's name is another table's, as `film` in `film_estimates`.
    fn is_prefix(&self, element: Element, stem: &str) -> bool {
        let Element::Table(own) = element else { return false };
        self.index
            .named(stem)
            .iter()
            .any(|e| matches!(e, Element::Table(t) if *t != own && self.index.table(*t).words.stems == [stem]))
    }
}

/// A stem as a synonym of itself.
fn itself(stem: &str) -> Synonym {
    Synonym { stems: stem.to_owned(), strength: 1.0 }
}

fn meaning(element: Element) -> Meaning {
    match element {
        Element::Table(table) => Meaning::Table(table),
        Element::Column(column) => Meaning::Column(column),
    }
}
