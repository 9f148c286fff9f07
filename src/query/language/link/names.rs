//! Names: the tables, columns and figures that a phrase names, in these words or in others.

use std::rc::Rc;

use super::{Candidate, KEPT, Linker, Meaning, is_measure};
use crate::query::language::index::{ColumnId, Element, TableId};
use crate::query::language::names::weight;
use crate::query::language::synonyms::{self, Synonym};
use crate::query::schema::Kind;

/// How well a name fits that a phrase writes as it is.
const EXACT: f64 = 0.95;

/// How well a deed stands for who does it.
const DOER: f64 = 0.85;

impl Linker<'_, '_> {
    /// The tables, columns and figures that the stems name, in these words or in others, the best first.
    #[must_use]
    pub fn names(&self, stems: &[&str]) -> Rc<[Candidate]> {
        self.once(stems, true)
    }

    /// The tables, columns and figures that the stems name in these very words.
    pub(super) fn called_so(&self, stems: &[&str]) -> Rc<[Candidate]> {
        self.once(stems, false)
    }

    /// What stems name, found once for a question: several readers ask for the same phrases.
    fn once(&self, stems: &[&str], synonyms: bool) -> Rc<[Candidate]> {
        let names = if synonyms { &self.names } else { &self.very_names };
        let phrase = stems.join(" ");
        if let Some(known) = names.borrow().get(&phrase) {
            return Rc::clone(known);
        }
        let found: Rc<[Candidate]> = self.named(stems, synonyms).into();
        names.borrow_mut().insert(phrase, Rc::clone(&found));
        found
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
        self.meet(&itself(stems.iter().copied()), &mut found);
        // What is called so is not what may be meant by another word.
        if synonyms && found.iter().all(|c| c.strength < EXACT) {
            self.by_synonyms(stems, &mut found);
        }
        self.called(stems, &mut found);
        self.without_tail(stems, &mut found);
        self.members(stems, &mut found);
        found.sort_by(|a, b| b.strength.total_cmp(&a.strength));
        // A table of exactly this name is meant rather than one that has the word among others.
        let exact = |c: &Candidate| c.strength >= 0.99 && matches!(c.meaning, Meaning::Table(_));
        let exact = found.iter().any(exact);
        let mut kept: Vec<Candidate> = Vec::with_capacity(KEPT);
        for candidate in found {
            let part = exact && candidate.strength < 0.6 && matches!(candidate.meaning, Meaning::Table(_));
            if !part && kept.iter().all(|k| k.meaning != candidate.meaning) {
                kept.push(candidate);
            }
            if kept.len() == KEPT {
                break;
            }
        }
        kept
    }

    /// What has, for every place, one of its words in its name; the words are stems, with how well each fits.
    fn meet(&self, places: &[Vec<(&str, f64)>], found: &mut Vec<Candidate>) {
        // Each place's elements with the word of the name that it met, and how well.
        let mut met: Vec<Vec<(Element, &str, f64)>> = Vec::with_capacity(places.len());
        for words in places {
            let mut here: Vec<(Element, &str, f64)> = Vec::new();
            for (word, strength) in words {
                here.extend(self.index.named(word).iter().map(|element| (*element, *word, *strength)));
            }
            if here.is_empty() {
                return;
            }
            // Of the words of a place that one name has, the first of the best counts.
            here.sort_by(|a, b| a.0.cmp(&b.0).then(b.2.total_cmp(&a.2)));
            here.dedup_by_key(|hit| hit.0);
            met.push(here);
        }
        let Some((first, others)) = met.split_first() else { return };
        let mut hits: Vec<(&str, f64)> = Vec::with_capacity(places.len());
        'elements: for (element, word, strength) in first {
            hits.clear();
            hits.push((word, *strength));
            for other in others {
                let Some((_, word, strength)) =
                    other.binary_search_by_key(element, |hit| hit.0).ok().and_then(|at| other.get(at))
                else {
                    continue 'elements;
                };
                hits.push((word, *strength));
            }
            if let Some(strength) = self.strength(*element, &hits) {
                found.push(Candidate { meaning: meaning(*element), strength });
            }
        }
    }

    /// What other words for the same name, a phrase standing for a phrase where they are longer than one.
    fn by_synonyms(&self, stems: &[&str], found: &mut Vec<Candidate>) {
        let single = |s: &&Synonym| !s.stems.contains(' ');
        let others: Vec<Rc<[Synonym]>> = stems.iter().map(|stem| self.alternatives(stem)).collect();
        if others.iter().any(|words| words.iter().any(|s| single(&s))) {
            let places = stems.iter().zip(&others);
            let places: Vec<Vec<(&str, f64)>> = places
                .map(|(stem, others)| {
                    std::iter::once((*stem, 1.0)).chain(others.iter().filter(single).map(Synonym::word)).collect()
                })
                .collect();
            self.meet(&places, found);
        }
        let unnamed: Vec<usize> =
            stems.iter().enumerate().filter(|(_, stem)| self.index.named(stem).is_empty()).map(|(at, _)| at).collect();
        for start in 0..stems.len() {
            for end in start + 1..=(start + 3).min(stems.len()) {
                // What is not replaced has to occur in names.
                if unnamed.iter().any(|at| !(start..end).contains(at)) {
                    continue;
                }
                let Some(phrase) = stems.get(start..end) else { continue };
                let others = self.alternatives(&phrase.join(" "));
                for other in others.iter().filter(|s| end > start + 1 || !single(s)) {
                    let words = stems.iter().take(start).copied();
                    let words = words.chain(other.stems.split(' ')).chain(stems.iter().skip(end).copied());
                    let before = found.len();
                    self.meet(&itself(words), found);
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
        let mut found: Vec<Synonym> = synonyms::of(stems).into_iter().filter(named).collect();
        // Who directs is a director, where the one is named and not the other.
        if self.index.named(stems).is_empty() {
            let doers = ["er", "or"].map(|end| format!("{stems}{end}"));
            let deeds = ["er", "or"].iter().filter_map(|end| stems.strip_suffix(end)).map(str::to_owned);
            // Attendees are at an attendance.
            let met = stems.strip_suffix('e').filter(|s| s.len() > 4).map(str::to_owned);
            for other in doers.into_iter().chain(deeds).chain(met).filter(|o| o.len() > 3 && !o.contains(' ')) {
                let other = Synonym { stems: other, strength: DOER };
                if named(&other) && found.iter().all(|s| s.stems != other.stems) {
                    found.push(other);
                }
            }
        }
        let found: Rc<[Synonym]> = found.into();
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
        let columns = self.names(rest);
        let columns = columns.iter().filter(|c| whole(c));
        let dated = |c: &Candidate| matches!(c.meaning, Meaning::Column(id) if self.index.kind(id).is_time() || *tail == "year" && is_measure(self.index, id));
        let when = matches!(*tail, "date" | "time" | "year");
        let fit = |c: &Candidate| if when && dated(c) || *tail == "address" { 0.95 } else { 0.8 };
        found.extend(columns.map(|c| Candidate { strength: fit(c) * c.strength, ..c.clone() }));
    }

    /// `faculty members` are the rows of a table of that name.
    fn members(&self, stems: &[&str], found: &mut Vec<Candidate>) {
        let Some((tail, rest)) = stems.split_last().filter(|(_, rest)| !rest.is_empty()) else { return };
        if !matches!(*tail, "member" | "person" | "record" | "entri") {
            return;
        }
        for table in self.index.called(&rest.join(" ")) {
            found.push(Candidate { meaning: Meaning::Table(*table), strength: 0.97 });
        }
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
        for candidate in self.names(&rest).iter() {
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
        let of_rows = || {
            let rest =
                info.words.stems.iter().map(String::as_str).filter(|s| *s != "number").collect::<Vec<_>>().join(" ");
            info.words.has("number") && !rest.is_empty() && !self.index.called(&rest).is_empty()
        };
        let numbers = info.words.words.first().is_none_or(|w| w != "number");
        info.own_words() == ["number"]
            || info.words.ends_with("id")
            || info.key
            || self.index.is_unique(column)
            || !is_measure(self.index, column)
            || numbers && of_rows()
    }

    /// How much of a name the words met, weighed by what each word says.
    fn strength(&self, element: Element, hits: &[(&str, f64)]) -> Option<f64> {
        let hit = |stem: &str| hits.iter().filter(|(word, _)| *word == stem).map(|(_, q)| *q).reduce(f64::max);
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
                let weak = words.words.last().is_some_and(|w| weight(w) < 1.0);
                let told = weak && words.stems.last().is_some_and(|last| hit(last).is_some());
                let thing = words.stems.get(..words.stems.len().saturating_sub(usize::from(weak))).unwrap_or_default();
                !told && !self.index.called(&thing.join(" ")).is_empty()
            }
            _ => false,
        };
        let strength = met / all * if reference { 0.6 } else { 1.0 };
        // Every word has to mean something of its own.
        let distinct = hits.iter().enumerate().all(|(i, (a, _))| hits.iter().skip(i + 1).all(|(b, _)| a != b));
        (owned && distinct && strength >= 0.3).then_some(strength)
    }

    /// Whether a word of a table's name is another table's, as `film` in `film_estimates`.
    fn is_prefix(&self, element: Element, stem: &str) -> bool {
        let Element::Table(own) = element else { return false };
        self.index.called(stem).iter().any(|t| *t != own)
    }
}

/// Stems as nothing but themselves, a place for each.
fn itself<'s>(stems: impl Iterator<Item = &'s str>) -> Vec<Vec<(&'s str, f64)>> {
    stems.map(|stem| vec![(stem, 1.0)]).collect()
}

fn meaning(element: Element) -> Meaning {
    match element {
        Element::Table(table) => Meaning::Table(table),
        Element::Column(column) => Meaning::Column(column),
    }
}
