//! Time as an axis: `per hour`, `by day`, `week over week`.

use super::calendar::{self, Period, Unit};
use super::names;
use super::reader::{Read, Reader};
use super::tokens;
use crate::query::language::Clock;
use jiff::civil::DateTime;

/// A phrase that asks for a value in each stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bucket {
    /// The first byte of the phrase in the question.
    pub start: usize,
    /// The byte after the phrase.
    pub end: usize,
    /// How many units long a stretch is, at least 1.
    pub count: i64,
    /// Its unit.
    pub unit: Unit,
    /// Whether the unit recurs (`by hour of day`, `by weekday`) rather than going on.
    pub cyclic: bool,
}

/// A phrase that compares a stretch of time with the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// The first byte of the phrase in the question.
    pub start: usize,
    /// The byte after the phrase.
    pub end: usize,
    /// The unit compared.
    pub unit: Unit,
    /// The running unit up to now, or the one that is named: from and to, half-open.
    pub current: (DateTime, DateTime),
    /// The stretch before it, of the same length.
    pub previous: (DateTime, DateTime),
}

/// The first phrase of a question that asks for a series.
#[must_use]
pub fn bucket(question: &str, clock: &Clock) -> Option<Bucket> {
    let tokens = tokens::split(question);
    let reader = Reader { tokens: &tokens, clock };
    (0..tokens.len()).find_map(|at| {
        let ((count, unit, cyclic), next) = reader.bucket(at)?;
        Some(Bucket { start: tokens.get(at)?.start, end: tokens.get(next.checked_sub(1)?)?.end, count, unit, cyclic })
    })
}

/// The first phrase of a question that compares with the time before.
#[must_use]
pub fn change(question: &str, clock: &Clock) -> Option<Change> {
    let tokens = tokens::split(question);
    let reader = Reader { tokens: &tokens, clock };
    (0..tokens.len()).find_map(|at| {
        let ((unit, current, previous), next) = reader.change(at)?;
        let pair = |period: Period| (period.from, period.to);
        let (start, end) = (tokens.get(at)?.start, tokens.get(next.checked_sub(1)?)?.end);
        Some(Change { start, end, unit, current: pair(current), previous: pair(previous) })
    })
}

impl Reader<'_> {
    fn bucket(self, at: usize) -> Read<(i64, Unit, bool)> {
        let adverb = match self.word(at) {
            "hourly" => Some(Unit::Hour),
            "daily" => Some(Unit::Day),
            "weekly" => Some(Unit::Week),
            "monthly" => Some(Unit::Month),
            "quarterly" => Some(Unit::Quarter),
            "yearly" | "annually" | "annual" => Some(Unit::Year),
            _ => None,
        };
        if let Some(unit) = adverb {
            return Some(((1, unit, false), at + 1));
        }
        if self.is(at, &["hour", "day", "week", "month"])
            && self.word(at) == self.word(at + 2)
            && self.word(at + 1) == "by"
        {
            return Some(((1, names::unit(self.word(at))?.0, false), at + 3));
        }
        let place = self.phrase(at, "grouped by").or_else(|| self.phrase(at, "broken down by")).or_else(|| {
            self.phrase(at, "for each").or_else(|| self.is(at, &["per", "by", "each", "every"]).then_some(at + 1))
        })?;
        if let Some(next) = self.phrase(place, "hour of day").or_else(|| self.phrase(place, "hour of the day")) {
            return Some(((1, Unit::Hour, true), next));
        }
        if let Some(next) = self.phrase(place, "day of week").or_else(|| self.phrase(place, "day of the week")) {
            return Some(((1, Unit::Day, true), next));
        }
        if self.word(place) == "weekday" {
            return Some(((1, Unit::Day, true), place + 1));
        }
        if matches!(self.word(place), "calendar" | "single") {
            return self.bucket_unit(place + 1);
        }
        self.bucket_unit(place)
    }

    fn bucket_unit(self, at: usize) -> Read<(i64, Unit, bool)> {
        let (count, next) =
            self.count(at).filter(|(count, _)| !count.ordinal).map_or((1, at), |(c, n)| (i64::from(c.value), n));
        let next = if self.mark(next, &["-"]) { next + 1 } else { next };
        let (unit, size) = names::unit(self.word(next))?;
        let count = count.checked_mul(size).filter(|count| *count > 0)?;
        Some(((count, unit, false), next + 1))
    }

    fn change(self, at: usize) -> Read<(Unit, Period, Period)> {
        let unit = |at| names::unit(self.word(at)).map(|(unit, _)| unit).filter(|unit| *unit >= Unit::Hour);
        let short = match self.word(at) {
            "wow" => Some(Unit::Week),
            "mom" => Some(Unit::Month),
            "qoq" => Some(Unit::Quarter),
            "yoy" => Some(Unit::Year),
            "dod" => Some(Unit::Day),
            _ => None,
        };
        if let Some(unit) = short {
            return self.so_far_and_before(unit, at + 1);
        }
        let dashed = |at: usize| if self.mark(at, &["-"]) { at + 1 } else { at };
        let over = dashed(at + 1);
        let again = dashed(over + 1);
        if self.is(over, &["over", "on"])
            && self.word(at) == self.word(again)
            && let Some(unit) = unit(at)
        {
            return self.so_far_and_before(unit, again + 1);
        }
        let current = |at: usize| -> Read<Period> {
            let at = self.skip(at, &["the"]);
            self.is(at, &["this", "last", "today", "yesterday"]).then(|| self.relative(at)).flatten()
        };
        let (first, next) = current(at).map_or((None, at), |(period, next)| (Some(period), next));
        let against = [
            "compared to",
            "compared with",
            "in comparison to",
            "in comparison with",
            "relative to",
            "versus",
            "vs",
            "against",
            "over",
            "than",
        ];
        let place = against.iter().find_map(|words| self.phrase(self.skip(next, &["as"]), words))?;
        let dot = if self.mark(place, &["."]) { place + 1 } else { place };
        let dot = self.skip(dot, &["the"]);
        // "over the last 7 days" is no comparison; "compared to the previous 7 days" is.
        let weak = matches!(self.word(place.saturating_sub(1)), "over" | "against");
        if weak && first.is_none() && !self.is(dot, &["previous"]) {
            return None;
        }
        let (previous, end) =
            current(dot).or_else(|| self.is(dot, &["previous"]).then(|| self.relative(dot)).flatten())?;
        let current = match first {
            Some(first) => first,
            None => self.following(previous)?,
        };
        Some(((previous.unit, current, previous), end))
    }

    fn so_far_and_before(self, unit: Unit, next: usize) -> Read<(Unit, Period, Period)> {
        let running = Period::around(self.clock.now, unit, self.clock.week_starts_on)?;
        let before = Period { from: calendar::add(running.from, -1, unit)?, to: running.from, unit };
        Some(((unit, running, before), next))
    }

    /// The stretch after a period: the running unit after the last one, the same length after any other.
    fn following(self, previous: Period) -> Option<Period> {
        let running = Period::around(self.clock.now, previous.unit, self.clock.week_starts_on)?;
        if running.from == previous.to {
            return Some(running);
        }
        let length = previous.to.duration_since(previous.from);
        Some(Period { from: previous.to, to: previous.to.checked_add(length).ok()?, unit: previous.unit })
    }
}
