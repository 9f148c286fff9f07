//! Words to what they may mean: tables, columns, stored values, figures of the operator's, cues, dates.

mod names;
mod values;

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::cues::{self, Cue};
use super::dates;
use super::index::{ColumnId, Element, Index, TableId};
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

/// Reads a question against an index.
pub struct Linker<'i, 'a> {
    /// The schema.
    pub index: &'i Index<'a>,
    /// Values beyond the schema.
    pub lookup: &'i dyn Lookup,
    /// Synonyms that were looked up for this question.
    known: RefCell<HashMap<String, Rc<[Synonym]>>>,
    /// What phrases of this question name, by their stems.
    names: RefCell<HashMap<String, Rc<[Candidate]>>>,
    /// The same in these very words.
    very_names: RefCell<HashMap<String, Rc<[Candidate]>>>,
}

impl<'i, 'a> Linker<'i, 'a> {
    /// A reader of one question.
    #[must_use]
    pub fn new(index: &'i Index<'a>, lookup: &'i dyn Lookup) -> Self {
        Self { index, lookup, known: RefCell::default(), names: RefCell::default(), very_names: RefCell::default() }
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
            // "the one with the highest price" is no number.
            let before = start.checked_sub(1).and_then(|p| tokens.get(p)).map_or("", |t| t.lower.as_str());
            let row = token.lower == "one"
                && (before == "the" || matches!(cues::of(before), Some(Cue::Superlative(_, Some(_)))));
            if let Some(n) = super::words::number_word(&token.lower).filter(|_| !row) {
                add(0.65, start, start + 1, Piece::Number(n));
            }
            self.proper_name(tokens, start, &mut add);
            self.typing_error(tokens, start, &mut add);
            add(0.0, start, start + 1, Piece::Unknown);
        }
        let mut spans = best_path(options);
        self.happened(tokens, &mut spans);
        throughout(tokens, dated, &mut spans);
        acted(tokens, &mut spans);
        // What a text has to contain is text, though it stands as a value somewhere.
        for at in 1..spans.len() {
            let behind = matches!(spans.get(at - 1).map(|s| &s.piece), Some(Piece::Cue(Cue::Contains(_))));
            let Some(span) = spans.get_mut(at).filter(|_| behind) else { continue };
            let letter = span.end == span.start + 1
                && tokens.get(span.start).is_some_and(|t| t.is_word() && t.lower.chars().count() == 1)
                && matches!(span.piece, Piece::Cue(Cue::Idle));
            let values = letter
                || span.piece == Piece::Unknown && !tokens.get(span.end).is_some_and(|t| t.shape == Shape::Quoted)
                || matches!(&span.piece, Piece::Mention(all) if all.iter().all(|c| matches!(c.meaning, Meaning::Value(..) | Meaning::Nothing)));
            if let (true, Some([token])) = (values, tokens.get(span.start..span.end)) {
                span.piece = Piece::Text(token.text.clone(), true);
            }
        }
        spans
    }

    /// "reported before June": the time of the report, not a state of that name; "opened" is no "open" where there is
    /// the time at which it was.
    fn happened(&self, tokens: &[Token], spans: &mut [Span]) {
        for at in 0..spans.len() {
            let next = spans.iter().skip(at + 1).take(2).map(|s| &s.piece).find(|p| !matches!(p, Piece::Cue(_)));
            let dated = matches!(next, Some(Piece::Date(_)));
            let Some(span) = spans.get_mut(at).filter(|s| s.end == s.start + 1) else { continue };
            let Some(token) = tokens.get(span.start).filter(|t| t.lower.ends_with("ed")) else { continue };
            let dates = |e: &Element| matches!(e, Element::Column(c) if self.index.kind(*c).is_time());
            if !self.index.named(&token.stem).iter().any(dates) {
                continue;
            }
            let Piece::Mention(all) = &mut span.piece else { continue };
            let state = |c: &Candidate| match &c.meaning {
                Meaning::Value(_, text) => dated || text.to_lowercase() != token.lower,
                _ => false,
            };
            if all.iter().any(state) {
                all.retain(|c| !state(c));
                if !all.iter().any(|c| c.meaning == Meaning::Nothing) {
                    all.push(Candidate { meaning: Meaning::Nothing, strength: 0.5 });
                }
            }
        }
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
            // "the details of all phones" are all of their columns where none is called so.
            let details =
                matches!(phrase.as_str(), "details of" | "details of all" | "details for all" | "details about");
            let cue = if details { cues::of("all details").unwrap_or(cue) } else { cue };
            if details && !self.index.named("detail").is_empty() {
                continue;
            }
            // "an order" is a thing, no order of rows.
            if phrase.starts_with("order") && !phrase.contains(" by") && self.is_noun(tokens, start) {
                continue;
            }
            if phrase == "running" && is_state(tokens, start) {
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

    /// Whether the word stands where only a noun does, and the schema has such a thing.
    fn is_noun(&self, tokens: &[Token], at: usize) -> bool {
        let before = at.checked_sub(1).and_then(|p| tokens.get(p)).map_or("", |t| t.lower.as_str());
        let told =
            matches!(before, "an" | "a" | "any" | "each" | "every" | "this" | "that" | "one" | "no" | "per" | "which")
                || matches!(cues::of(before), Some(Cue::Superlative(..) | Cue::Top(_)));
        told && tokens.get(at).is_some_and(|t| !self.index.named(&t.stem).is_empty())
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
        let mut tables = self.index.called(stem).iter();
        tables.any(|t| self.index.columns(*t).any(|c| self.index.column(c).own_words() == ["number"]))
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
            let shapes = phrase.len() == 1
                && cues::of(&last.lower).is_some()
                && !(last.lower == "order" && self.is_noun(tokens, start));
            let found = if shapes { self.called_so(&stems) } else { self.names(&stems) };
            if found.is_empty() {
                continue;
            }
            let mut candidates = found.to_vec();
            // "and the number": of rows, where nothing is called a number.
            if stems.as_slice() == ["number"] {
                let called = |c: &Candidate| match c.meaning {
                    Meaning::Column(column) => self.index.column(column).words.has("number"),
                    _ => true,
                };
                candidates.retain(called);
                if candidates.is_empty() && last.lower == "number" {
                    add(0.8, start, end, Piece::Cue(Cue::Count));
                    continue;
                }
            }
            let behind = if phrase.len() > 1 { phrase.get(1) } else { tokens.get(end) };
            let plural = phrase.first().is_some_and(|t| t.lower == "numbers");
            if stems.first() == Some(&"number") && !plural && behind.is_some_and(|t| t.lower == "of") {
                // "the number of transactions" is no amount of theirs.
                let counted = |c: &Candidate| match c.meaning {
                    Meaning::Column(column) => {
                        let words = &self.index.column(column).words;
                        phrase.len() == 1 || ["number", "count", "quantity", "total"].iter().any(|w| words.has(w))
                    }
                    _ => true,
                };
                candidates.retain(|c| !self.is_numbering(c) && counted(c));
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
                // "the email address of customers": the words that stand together belong together.
                if fillers > 0.0 && self.ends_name(tokens, start) {
                    continue;
                }
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

    /// Whether the word at a place is the second of two that name a column.
    fn ends_name(&self, tokens: &[Token], at: usize) -> bool {
        let before = at.checked_sub(1).and_then(|p| tokens.get(p)).filter(|t| t.is_word() && !is_filler(&t.lower));
        let (Some(before), Some(own)) = (before.filter(|t| cues::of(&t.lower).is_none()), tokens.get(at)) else {
            return false;
        };
        let column = |c: &Candidate| c.strength >= 0.9 && matches!(c.meaning, Meaning::Column(_));
        self.names(&[&before.stem, &own.stem]).iter().any(column)
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
        let mut candidates = self.names(&[stem]).to_vec();
        candidates.iter_mut().for_each(|c| c.strength *= 0.75);
        if !candidates.is_empty() {
            add(0.5, start, start + 1, Piece::Mention(candidates));
        }
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

/// Whether what is said of something is its state: `are running` is no running total.
pub(super) fn is_state(tokens: &[Token], at: usize) -> bool {
    let before = at.checked_sub(1).and_then(|p| tokens.get(p)).map_or("", |t| t.lower.as_str());
    matches!(before, "is" | "are" | "was" | "were" | "be" | "been" | "still" | "currently" | "now" | "not")
}

/// "over the last 2 weeks": in that time, not after its end.
fn throughout(tokens: &[Token], dated: &[dates::Span], spans: &mut [Span]) {
    for at in 1..spans.len() {
        let time = matches!(spans.get(at).map(|s| &s.piece), Some(Piece::Date(date)) if dated.get(*date).is_some_and(|d| d.certain));
        let Some(before) = spans.get_mut(at - 1).filter(|_| time) else { continue };
        let over = before.end == before.start + 1 && tokens.get(before.start).is_some_and(|t| t.lower == "over");
        if over && matches!(before.piece, Piece::Cue(Cue::Compare(..))) {
            before.piece = Piece::Cue(Cue::In);
        }
    }
}

/// "how many hosts do we run": what those who ask do is no state, though one is stored by another form of the verb.
fn acted(tokens: &[Token], spans: &mut [Span]) {
    for span in spans.iter_mut().filter(|s| s.end == s.start + 1) {
        let before = span.start.checked_sub(1).and_then(|p| tokens.get(p)).map_or("", |t| t.lower.as_str());
        let Some(token) = tokens.get(span.start).filter(|_| matches!(before, "i" | "we" | "you" | "they")) else {
            continue;
        };
        let Piece::Mention(all) = &mut span.piece else { continue };
        all.retain(|c| !matches!(&c.meaning, Meaning::Value(_, text) if text.to_lowercase() != token.lower));
        if all.iter().all(|c| c.meaning == Meaning::Nothing) {
            span.piece = Piece::Unknown;
        }
    }
}
