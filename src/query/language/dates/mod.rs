//! Dates and times in English: where a question names them, and what they are.
//!
//! A grammar of its own, since what exists reads "last 7 days" as the future or panics on "this morning". Conventions:
//! ranges are half-open and an end that is named belongs to them ("from March to May" ends before June); "last week",
//! "last month" are whole units of the calendar; "last 7 days" are the seven days before today, "last 24 hours" end
//! now; what has no year is the latest that has begun; mornings are 8 to 12, afternoons 12 to 16, evenings 16 to 20
//! and nights 20 to 24 o'clock.

mod calendar;
mod day;
mod names;
mod range;
mod reader;
mod relative;
mod series;
mod term;
#[cfg(test)]
mod tests;
mod tokens;

use jiff::civil::DateTime;

pub use self::calendar::Unit;
use self::range::Range;
use self::reader::Reader;
pub use self::series::{Bucket, Change, bucket, change};
use self::term::Place;
use super::Clock;

/// A phrase that names a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The first byte of the phrase in the question.
    pub start: usize,
    /// The byte after the phrase.
    pub end: usize,
    /// The first instant; [`DateTime::MIN`] where the phrase leaves it open.
    pub from: DateTime,
    /// The first instant that no longer belongs to it; [`DateTime::MAX`] where the phrase leaves it open.
    pub to: DateTime,
    /// The shortest unit the phrase was named in: a year may as well be a number in a column of years.
    pub precision: Unit,
    /// Hours without a day, "between 2am and 4am": `from` and `to` lie on the clock's day, but any day may be meant.
    pub daily: bool,
    /// Whether the words can be nothing but a time; "between 1990 and 2000" may be other numbers.
    pub certain: bool,
}

impl Span {
    /// Whether it has no beginning, as in "before May".
    #[must_use]
    pub fn is_open_before(&self) -> bool {
        self.from == DateTime::MIN
    }

    /// Whether it has no end, as in "since May".
    #[must_use]
    pub fn is_open_after(&self) -> bool {
        self.to == DateTime::MAX
    }
}

/// The words after which a year, a short weekday or `may` is a time.
const BEFORE_A_TIME: [&str; 24] = [
    "in",
    "on",
    "during",
    "for",
    "of",
    "since",
    "from",
    "throughout",
    "within",
    "at",
    "over",
    "this",
    "last",
    "next",
    "not",
    "versus",
    "vs",
    "and",
    "or",
    "than",
    "every",
    "until",
    "to",
    "with",
];

/// The times a question names, in its order; they do not overlap. Seasons, holidays and fiscal years are not known.
#[must_use]
pub fn find(question: &str, clock: &Clock) -> Vec<Span> {
    let tokens = tokens::split(question);
    let reader = Reader { tokens: &tokens, clock };
    let mut spans = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let found = if inside_a_name(reader, at) { None } else { longest(reader, at) };
        let Some((range, next)) = found.filter(|(_, next)| *next > at) else {
            at += 1;
            continue;
        };
        if let (Some(first), Some(last)) = (tokens.get(at), tokens.get(next - 1)) {
            spans.push(Span {
                start: first.start,
                end: last.end,
                from: range.from.unwrap_or(DateTime::MIN),
                to: range.to.unwrap_or(DateTime::MAX),
                precision: range.unit,
                daily: range.daily,
                certain: range.certain,
            });
        }
        at = next;
    }
    spans
}

/// Whether a place lies inside an identifier, an address or a path, as `2015` in `backup_2015`.
fn inside_a_name(reader: Reader<'_>, at: usize) -> bool {
    let joins = ["_", ".", "@", "/", "\\", "=", "#", "$", "%", "\u{20ac}", "-"];
    let dash_after_word = |at: usize| at > 1 && reader.mark(at - 1, &["-"]) && reader.glued(at - 1);
    at > 0
        && reader.glued(at)
        && ((reader.mark(at - 1, &joins) && (!reader.mark(at - 1, &["-"]) || dash_after_word(at)))
            || !reader.word(at - 1).is_empty())
        || (reader.glued(at + 1) && reader.mark(at + 1, &["_", "@"]))
}

fn longest(reader: Reader<'_>, at: usize) -> Option<(Range, usize)> {
    let single = || {
        let cued = at > 0 && (reader.is(at - 1, &BEFORE_A_TIME) || reader.mark(at - 1, &["("]));
        let place = if cued { Place::After } else { Place::Alone };
        let (term, next) = reader.term(at, place)?;
        // "the end of May" is a stretch where it stands alone, and an instant only where it bounds.
        let (term, next) = if term.instant.is_some() { reader.term(at, Place::Alone)? } else { (term, next) };
        if term.weak && !cued {
            return None;
        }
        let period = reader.resolve(term, None)?;
        let to = if period.from == period.to { calendar::add(period.to, 1, Unit::Second)? } else { period.to };
        let daily = term.has_time() && !term.has_date();
        Some((
            Range {
                from: Some(period.from),
                to: Some(to),
                unit: period.unit,
                daily,
                certain: !term.weak && (term.has_date() || term.time.is_some()),
            },
            next,
        ))
    };
    let mut best: Option<(Range, usize)> = None;
    for found in [reader.range(at), reader.bound(at), single()].into_iter().flatten() {
        if best.as_ref().is_none_or(|(_, next)| found.1 > *next) {
            best = Some(found);
        }
    }
    best
}
