//! Words to what they may mean: tables, columns, stored values, figures of the operator's, cues, dates.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use super::cues::{self, Cue};
use super::dates;
use super::index::{ColumnId, Element, Index, TableId};
use super::names::weight;
use super::synonyms::{self, Synonym};
use super::translation::Lookup;
use super::words::{Shape, Token};
use crate::query::schema::Kind;

/// What a phrase may mean in the schema.
#[derive(Debug, Clone, PartialEq)]
pub enum Meaning {
    /// A table.
    Table(TableId),
    /// A column.
    Column(ColumnId),
    /// A stored value of a column.
    Value(ColumnId, String),
    /// A figure of the operator's, by its name's stems.
    Metric(Vec<String>),
    /// Nothing: the word only resembles a name.
    Nothing,
}

impl Candidate {
    /// The stored text of a value.
    fn text(&self) -> &str {
        if let Meaning::Value(_, text) = &self.meaning { text } else { "" }
    }
}

impl Meaning {
    /// The table it belongs to, where that is plain.
    #[must_use]
    pub fn table(&self) -> Option<TableId> {
        match self {
            Self::Table(table) => Some(*table),
            Self::Column(column) | Self::Value(column, _) => Some(column.table),
            Self::Metric(_) | Self::Nothing => None,
        }
    }
}

/// One thing a phrase may mean, and how well it fits.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// What it means.
    pub meaning: Meaning,
    /// How well it fits, above 0 to 1.
    pub strength: f64,
}

/// What a stretch of the question is.
#[derive(Debug, Clone, PartialEq)]
pub enum Piece {
    /// A word that shapes the question.
    Cue(Cue),
    /// Something of the schema; the best candidate first.
    Mention(Vec<Candidate>),
    /// A number.
    Number(f64),
    /// Text in quotation marks or a name with capitals that is stored nowhere.
    Text(String, bool),
    /// A time, by its place in the list of dates.
    Date(usize),
    /// A word that means nothing here.
    Unknown,
}

/// A stretch of the question.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    /// Its first token.
    pub start: usize,
    /// The token after its last.
    pub end: usize,
    /// What it is.
    pub piece: Piece,
}

/// The most candidates that are kept of one phrase.
const KEPT: usize = 9;
/// The most words that name a table or column.
const LONGEST_NAME: usize = 6;
/// The most words in a stored value.
const LONGEST_VALUE: usize = 9;
/// How well a name fits that a phrase writes as it is.
const EXACT: f64 = 0.95;

/// Reads a question against an index.
pub struct Linker<'i, 'a> {
    /// The schema.
    pub index: &'i Index<'a>,
    /// Values beyond the schema.
    pub lookup: &'i dyn Lookup,
    /// Synonyms that were looked up for this question.
    known: RefCell<HashMap<String, Rc<[Synonym]>>>,
}

impl<'i, 'a> Linker<'i, 'a> {
    /// A reader of one question.
    #[must_use]
    pub fn new(index: &'i Index<'a>, lookup: &'i dyn Lookup) -> Self {
        Self { index, lookup, known: RefCell::default() }
    }
}

impl Linker<'_, '_> {
    /// The best sequence of stretches for the tokens of a question.
    #[must_use]
    pub fn spans(&self, question: &str, tokens: &[Token], dated: &[dates::Span]) -> Vec<Span> {
        let mut options: Vec<Vec<(f64, Span)>> = vec![Vec::new(); tokens.len()];
        let mut add = |score: f64, start: usize, end: usize, piece: Piece| {
            if let Some(options) = options.get_mut(start) {
                options.push((score, Span { start, end, piece }));
            }
        };
        for (at, date) in dated.iter().enumerate() {
            let first = tokens.iter().position(|t| t.end > date.start);
            let after = tokens.iter().position(|t| t.start >= date.end).unwrap_or(tokens.len());
            // "in order of the year" names a column, no time.
            let bare = |text: &str| matches!(text, "the year" | "the month" | "the week" | "the day" | "the date");
            let column = bare(&question.get(date.start..date.end).unwrap_or_default().to_lowercase());
            if let Some(first) = first.filter(|first| *first < after && !column) {
                let length = after - first;
                let score = if date.certain { size(length) + 0.5 } else { 0.6 * size(length) };
                add(score, first, after, Piece::Date(at));
            }
        }
        for (start, token) in tokens.iter().enumerate() {
            self.cue_options(tokens, start, &mut add);
            self.name_options(tokens, start, &mut add);
            self.value_options(question, tokens, start, &mut add);
            match &token.shape {
                Shape::Number(n) => add(0.7, start, start + 1, Piece::Number(*n)),
                Shape::Quoted => add(1.5, start, start + 1, Piece::Text(token.text.clone(), true)),
                _ => {}
            }
            if let Some(n) = super::words::number_word(&token.lower) {
                add(0.65, start, start + 1, Piece::Number(n));
            }
            self.proper_name(tokens, start, &mut add);
            self.typing_error(tokens, start, &mut add);
            add(0.0, start, start + 1, Piece::Unknown);
        }
        let mut spans = best_path(options);
        // What a text has to contain is text, though it stands as a value somewhere.
        for at in 1..spans.len() {
            let behind = matches!(spans.get(at - 1).map(|s| &s.piece), Some(Piece::Cue(Cue::Contains(_))));
            let Some(span) = spans.get_mut(at).filter(|_| behind) else { continue };
            let values = span.piece == Piece::Unknown
                && !tokens.get(span.end).is_some_and(|t| t.shape == Shape::Quoted)
                || matches!(&span.piece, Piece::Mention(all) if all.iter().all(|c| matches!(c.meaning, Meaning::Value(..) | Meaning::Nothing)));
            if let (true, Some([token])) = (values, tokens.get(span.start..span.end)) {
                span.piece = Piece::Text(token.text.clone(), true);
            }
        }
        spans
    }

    fn cue_options(&self, tokens: &[Token], start: usize, add: &mut dyn FnMut(f64, usize, usize, Piece)) {
        let mut phrase = String::new();
        for (length, token) in tokens.iter().skip(start).take(cues::LONGEST).enumerate() {
            if token.shape == Shape::Quoted {
                break;
            }
            if length > 0 {
                phrase.push(' ');
            }
            phrase.push_str(&token.lower);
            let Some(cue) = cues::of(&phrase) else { continue };
            // "name" asks only where a question begins with it.
            let begins = || {
                let before = start.checked_sub(1).and_then(|p| tokens.get(p));
                before.is_none_or(|t| {
                    matches!(t.lower.as_str(), "." | "?" | "please" | "then" | "also")
                        || phrase != "state" && matches!(t.lower.as_str(), "," | "and")
                })
            };
            if phrase == "name" && start > 0
                || matches!(phrase.as_str(), "state" | "report" | "identify" | "print" | "name" | "display")
                    && !begins()
            {
                continue;
            }
            // "phone number of": the number belongs to what precedes it.
            if (phrase.starts_with("number of") || phrase == "number and") && self.numbered(tokens, start) {
                continue;
            }
            let length = length + 1;
            let weak = matches!(cue, Cue::Idle)
                || matches!(
                    phrase.as_str(),
                    "first" | "last" | "amount of" | "name of" | "times" | "time" | "record" | "records"
                );
            let articles = phrase.split(' ').filter(|w| matches!(*w, "the" | "a" | "an")).count();
            let words = (length - articles).max(1);
            let score = if weak { 0.55 } else { 0.82 } * size(words) + if words > 2 { 0.4 } else { 0.0 };
            #[expect(clippy::cast_precision_loss, reason = "a handful of words")]
            let score = score + if articles < length { 0.55 * articles as f64 } else { 0.0 };
            add(score, start, start + length, Piece::Cue(cue));
        }
    }

    /// Whether the word before "number" makes a name with it: `phone number`, `flight number`.
    fn numbered(&self, tokens: &[Token], at: usize) -> bool {
        let before = at.checked_sub(1).and_then(|p| tokens.get(p)).filter(|t| t.is_word());
        let Some(before) = before.filter(|t| !is_filler(&t.lower) && cues::of(&t.lower).is_none()) else {
            return false;
        };
        let column =
            |c: &Candidate| c.strength >= 0.7 && matches!(c.meaning, Meaning::Column(_)) && self.is_numbering(c);
        self.owns_number(&before.stem) || self.names(&[&before.stem, "number"]).iter().any(column)
    }

    /// Whether a table of this name numbers its rows: `flight number`.
    fn owns_number(&self, stem: &str) -> bool {
        let table = |t: &TableId| self.index.table(*t).words.stems == [stem];
        let mut tables = (0..self.index.tables.len()).filter(table);
        tables.any(|t| self.index.columns(t).any(|c| self.index.column(c).own_words() == ["number"]))
    }

    fn name_options(&self, tokens: &[Token], start: usize, add: &mut dyn FnMut(f64, usize, usize, Piece)) {
        if !tokens.get(start).is_some_and(|t| t.is_word() && !is_filler(&t.lower)) {
            return;
        }
        for end in start + 1..=(start + LONGEST_NAME).min(tokens.len()) {
            let Some(phrase) = tokens.get(start..end) else { break };
            let Some(last) = phrase.last() else { break };
            let nameable =
                |t: &Token| t.is_word() || matches!(t.shape, Shape::Number(_) | Shape::Mark('-' | '/' | '('));
            if !nameable(last) {
                break;
            }
            if is_filler(&last.lower) || !last.is_word() && !matches!(last.shape, Shape::Number(_)) {
                continue;
            }
            let stems: Vec<&str> = phrase
                .iter()
                .filter(|t| !is_filler(&t.lower) && !matches!(t.shape, Shape::Mark(_)))
                .map(|t| t.stem.as_str())
                .collect();
            if stems.iter().all(|s| s.parse::<f64>().is_ok()) {
                continue;
            }
            if matches!(stems.as_slice(), ["first" | "last" | "middl"]) {
                continue;
            }
            let shapes = phrase.len() == 1 && cues::of(&last.lower).is_some();
            let mut candidates = if shapes { self.called_so(&stems) } else { self.names(&stems) };
            let behind = if phrase.len() > 1 { phrase.get(1) } else { tokens.get(end) };
            let plural = phrase.first().is_some_and(|t| t.lower == "numbers");
            if stems.first() == Some(&"number") && !plural && behind.is_some_and(|t| t.lower == "of") {
                candidates.retain(|c| !self.is_numbering(c));
            }
            if let Some(best) = candidates.first().cloned() {
                let inner_possessive = phrase.iter().take(phrase.len() - 1).any(|t| t.possessive);
                #[expect(clippy::cast_precision_loss, reason = "a handful of words")]
                let fillers = phrase.iter().filter(|t| is_filler(&t.lower)).count() as f64;
                let joined = phrase
                    .iter()
                    .all(|t| !matches!(t.lower.as_str(), "and" | "or" | "with" | "that" | "which" | "who"));
                let loose = |t: &Token| {
                    is_filler(&t.lower)
                        && !matches!(t.lower.as_str(), "of" | "the" | "a" | "an" | "to" | "all" | "each")
                };
                if best.strength < 0.8 && fillers > 0.0 || !joined || phrase.iter().any(loose) {
                    continue;
                }
                if phrase.len() == 1 && best.strength < 0.95 {
                    let verb = last.lower.ends_with("ed") || last.lower.ends_with("ing") || last.lower.ends_with("ten");
                    candidates.push(Candidate { meaning: Meaning::Nothing, strength: if verb { 0.5 } else { 0.22 } });
                }
                let words = if fillers > 0.0 { size(stems.len()) - 0.12 } else { size(stems.len()) };
                let whole = if fillers > 0.0 && best.strength > 0.95 { 0.06 } else { 0.0 };
                let score = words * best.strength.powf(0.6) + whole - if inner_possessive { 0.05 } else { 0.0 };
                add(score + 0.01 + 0.68 * fillers, start, end, Piece::Mention(candidates));
            }
        }
    }

    /// The tables, columns and figures that the stems name, in these words or in others, the best first.
    #[must_use]
    pub fn names(&self, stems: &[&str]) -> Vec<Candidate> {
        self.named(stems, true)
    }

    /// The tables, columns and figures that the stems name in these very words.
    fn called_so(&self, stems: &[&str]) -> Vec<Candidate> {
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
    fn is_numbering(&self, candidate: &Candidate) -> bool {
        let Meaning::Column(column) = candidate.meaning else { return false };
        let info = self.index.column(column);
        let of_rows = |table: &super::index::TableInfo<'_>| {
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
                let weak = words.words.last().is_some_and(|w| super::names::weight(w) < 1.0);
                let told = weak && last.is_some_and(|last| hit(last).is_some());
                let thing = words.stems.iter().take(words.stems.len().saturating_sub(usize::from(weak)));
                let thing: Vec<&String> = thing.collect();
                let table = |t: &super::index::TableInfo<'_>| t.words.stems.iter().collect::<Vec<_>>() == thing;
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

    fn value_options(
        &self,
        question: &str,
        tokens: &[Token],
        start: usize,
        add: &mut dyn FnMut(f64, usize, usize, Piece),
    ) {
        let Some(first) = tokens.get(start) else { return };
        if first.shape == Shape::Quoted {
            let found = self.values(&first.text.to_lowercase(), &first.text);
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
                && !(capital && first.text.chars().all(char::is_uppercase))
            {
                continue;
            }
            let worth_a_lookup = capital && matches!(last.shape, Shape::Word | Shape::Number(_));
            let mut found = if worth_a_lookup {
                self.values(&text.to_lowercase(), text)
            } else {
                self.stored(&text.to_lowercase(), text)
            };
            if found.is_empty() && phrase.len() == 1 {
                found = self.sex(&first.lower);
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

    /// Words with capitals inside a sentence: a name that is stored nowhere.
    fn proper_name(&self, tokens: &[Token], start: usize, add: &mut dyn FnMut(f64, usize, usize, Piece)) {
        if start == 0 {
            return;
        }
        let capitals =
            tokens.iter().skip(start).take_while(|t| t.is_word() && t.is_capital() && cues::of(&t.lower).is_none());
        let count = capitals.count();
        let known = |t: &Token| !self.index.named(&t.stem).is_empty();
        for length in 1..=count.min(5) {
            let phrase = tokens.get(start..start + length).unwrap_or_default();
            if phrase.iter().any(known) {
                break;
            }
            let text = phrase.iter().map(|t| t.text.as_str()).collect::<Vec<_>>().join(" ");
            #[expect(clippy::cast_precision_loss, reason = "a handful of words")]
            add(0.4 * length as f64, start, start + length, Piece::Text(text, false));
        }
    }

    /// A word one or two slips of the finger away from a name.
    fn typing_error(&self, tokens: &[Token], start: usize, add: &mut dyn FnMut(f64, usize, usize, Piece)) {
        let Some(token) = tokens.get(start).filter(|t| t.is_word() && t.lower.len() >= 5) else { return };
        if cues::of(&token.lower).is_some()
            || !self.index.named(&token.stem).is_empty()
            || self.index.in_values(&token.lower)
        {
            return;
        }
        if synonyms::is_word(&token.stem) {
            return;
        }
        let allowed = if token.stem.len() >= 8 { 2 } else { 1 };
        let close = |known: &str| {
            known.len().abs_diff(token.stem.len()) <= allowed
                && known.chars().next() == token.stem.chars().next()
                && strsim::damerau_levenshtein(known, &token.stem) <= allowed
        };
        let mut found: Vec<&str> = self.index.stems().filter(|known| known.len() >= 4 && close(known)).collect();
        found.sort_unstable();
        let Some(stem) = found.first() else { return };
        let mut candidates = self.names(&[stem]);
        candidates.iter_mut().for_each(|c| c.strength *= 0.75);
        if !candidates.is_empty() {
            add(0.5, start, start + 1, Piece::Mention(candidates));
        }
    }
}

impl Meaning {
    fn is_value_of(&self, column: ColumnId) -> bool {
        matches!(self, Self::Value(own, _) if *own == column)
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

/// What a stretch of so many words is worth: each further word counts a little more than the first.
fn size(words: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a handful of words")]
    let n = words as f64;
    n + 0.12 * (n - 1.0)
}

/// Words that may stand inside a name and say nothing: `date of birth`.
#[must_use]
pub fn is_filler(lower: &str) -> bool {
    matches!(
        lower,
        "of" | "the"
            | "a"
            | "an"
            | "in"
            | "for"
            | "to"
            | "by"
            | "at"
            | "is"
            | "are"
            | "and"
            | "or"
            | "with"
            | "on"
            | "that"
            | "which"
            | "who"
            | "it"
            | "its"
            | "their"
            | "all"
            | "each"
            | "do"
            | "does"
            | "did"
            | "has"
            | "have"
            | "be"
            | "was"
            | "were"
            | "from"
            | "not"
            | "no"
            | "what"
            | "show"
            | "than"
            | "more"
            | "most"
            | "how"
            | "many"
            | "as"
            | "s"
            | "there"
            | "i"
            | "you"
            | "we"
            | "me"
    )
}

/// The sequence of options that covers every token once with the greatest sum.
fn best_path(mut options: Vec<Vec<(f64, Span)>>) -> Vec<Span> {
    let count = options.len();
    let mut best: Vec<(f64, Option<Span>)> = vec![(0.0, None); count + 1];
    for start in (0..count).rev() {
        let mut here = (f64::NEG_INFINITY, None);
        for (score, span) in options.get_mut(start).map(std::mem::take).unwrap_or_default() {
            let total = score + best.get(span.end).map_or(f64::NEG_INFINITY, |b| b.0);
            if total > here.0 {
                here = (total, Some(span));
            }
        }
        if let Some(slot) = best.get_mut(start) {
            *slot = here;
        }
    }
    let mut spans = Vec::new();
    let mut at = 0;
    while let Some(span) = best.get_mut(at).and_then(|b| b.1.take()) {
        at = span.end;
        spans.push(span);
    }
    spans
}

/// Whether a column can hold a number that is compared.
#[must_use]
pub fn is_measure(index: &Index<'_>, column: ColumnId) -> bool {
    matches!(index.kind(column), Kind::Integer | Kind::Float) || index.is_numeric_text(column)
}
