//! Ranges with two ends, and those with one: `from March to May`, `since Monday`, `older than 30 days`.

use jiff::civil::DateTime;

use super::Unit;
use super::calendar::{self, Period};
use super::day::{Part, Partial};
use super::reader::{Read, Reader};
use super::term::{Date, Place, Term};

/// What a phrase bounds; the ends that it leaves open are `None`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Range {
    pub(super) from: Option<DateTime>,
    pub(super) to: Option<DateTime>,
    pub(super) unit: Unit,
    /// Whether it names hours without a day.
    pub(super) daily: bool,
    /// Whether its words can be nothing but a time.
    pub(super) certain: bool,
}

/// On which side of a time something lies, and whether the time itself belongs to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    After,
    Since,
    Before,
    Until,
}

impl Reader<'_> {
    /// A range with two ends.
    pub(super) fn range(self, at: usize) -> Read<Range> {
        let between = self.word(at) == "between";
        let introduced = between || self.is(at, &["from", "during", "in", "starting", "beginning"]);
        let place = if introduced { self.skip(at + 1, &["from", "in", "on"]) } else { at };
        if let Some(found) = self.lasting(place) {
            return Some(found);
        }
        let (mut left, next) = self.term(place, Place::Range)?;
        let between = between || (place..next).any(|at| self.word(at) == "between");
        let next = self.separator(next, between, introduced || between)?;
        let (right, end) = self.right_end(&left, self.skip(next, &["in", "on"]))?;
        let range = self.joined(&mut left, right)?;
        let certain = range.certain || (introduced && !(between && years(left, right)));
        Some((Range { certain, ..range }, end))
    }

    /// `for 2 hours from 2pm`, `14 February from 9:30 for 7 hours`: a time of the clock and how long from it.
    fn lasting(self, at: usize) -> Read<Range> {
        let timed = |at| self.term(at, Place::Alone).filter(|(term, _)| term.time.is_some());
        let (term, lengths, end) = if self.word(at) == "for" {
            let (lengths, next) = self.lengths(at + 1)?;
            let (term, end) = timed(self.is(next, &["from", "starting"]).then_some(next + 1)?)?;
            (term, lengths, end)
        } else {
            let (term, next) = timed(at)?;
            let (lengths, end) = self.lengths((self.word(next) == "for").then_some(next + 1)?)?;
            (term, lengths, end)
        };
        let from = self.resolve(term, None)?;
        let to = self.shifted(from.from, &lengths, 1).filter(|to| *to > from.from)?;
        Some((
            Range { from: Some(from.from), to: Some(to), unit: from.unit, daily: !term.has_date(), certain: true },
            end,
        ))
    }

    fn separator(self, at: usize, between: bool, introduced: bool) -> Option<usize> {
        let at = if self.mark(at, &[","]) { at + 1 } else { at };
        if self.mark(at, &["-", "~", "\u{2013}", "\u{2014}"]) {
            return Some(at + 1);
        }
        if let Some(next) = self.phrase(at, "up to") {
            return Some(next);
        }
        let at = if introduced && self.word(at) == "and" && self.is(at + 1, &["until", "to"]) { at + 1 } else { at };
        let words: &[&str] = if between {
            &["and", "to", "through", "until"]
        } else {
            &["to", "through", "thru", "until", "till", "til"]
        };
        self.is(at, words).then_some(at + 1)
    }

    /// The right end: a number alone may be a day of the left one's month.
    fn right_end(self, left: &Term, at: usize) -> Read<Term> {
        if let Some((lengths, next)) = self.lengths(at)
            && self.is(next, &["later", "after"])
        {
            let start = self.resolve(*left, None)?;
            let instant = Some(self.shifted(start.from, &lengths, 1)?);
            return Some((Term { instant, ..Term::default() }, next + 1));
        }
        let (term, next) = self.term(at, Place::Range)?;
        if let (Some(Date::Partial(Partial { part: Part::Day(month, _), year, .. })), true, false) =
            (left.date, term.is_bare(), left.has_time())
        {
            let day = i8::try_from(term.bare?.value).ok()?;
            let partial = Partial { year, part: Part::Day(month, day), weak: false };
            let (partial, next) = self.with_year(partial, next);
            return Some((Term { date: Some(Date::Partial(partial)), ..Term::default() }, next));
        }
        Some((term, next))
    }

    fn joined(self, left: &mut Term, right: Term) -> Option<Range> {
        if left.is_bare() && right.is_bare() {
            return None;
        }
        if let (true, Some(Date::Partial(Partial { part: Part::Day(month, _), year, .. })), false) =
            (left.is_bare(), right.date, right.has_time() || right.bare.is_some())
        {
            let day = i8::try_from(left.bare?.value).ok()?;
            *left = Term {
                date: Some(Date::Partial(Partial { year, part: Part::Day(month, day), weak: false })),
                ..Term::default()
            };
        }
        let timed = |term: Term| term.has_time() || term.bare.is_some();
        if timed(*left) || timed(right) { self.hours(*left, right) } else { self.days(*left, right) }
    }

    fn days(self, mut left: Term, right: Term) -> Option<Range> {
        let shared = match right.date {
            Some(Date::Partial(partial)) => partial.year,
            _ => None,
        };
        let borrowed = match &mut left.date {
            Some(Date::Partial(partial)) if partial.year.is_none() && shared.is_some() => {
                partial.year = shared;
                true
            }
            _ => false,
        };
        let mut from = self.resolve(left, None)?;
        if from.from == from.to && from.unit == Unit::Second {
            from.from = calendar::midnight(from.from.date());
        }
        let to = self.resolve(right, Some(from.from)).or_else(|| self.resolve(right, None))?;
        if borrowed && from.from > to.from {
            from = Period { from: calendar::add(from.from, -1, Unit::Year)?, ..from };
        }
        let certain = !(left.weak && right.weak);
        let unit = from.unit.min(to.unit);
        (from.from < to.to).then_some(Range { from: Some(from.from), to: Some(to.to), unit, daily: false, certain })
    }

    fn hours(self, mut left: Term, mut right: Term) -> Option<Range> {
        let dated = |term: Term| term.has_date() || term.instant.is_some();
        if matches!(right.date, Some(Date::Fixed(period)) if period.unit > Unit::Day && right.weekday.is_none()) {
            return None;
        }
        if !dated(left) && right.date_first && left.has_time() && right.time.is_some() && !left.has_open_hour() {
            left.date = Some(Date::Fixed(Period::around(self.clock.now, Unit::Day, self.clock.week_starts_on)?));
        }
        let (both, daily) = (dated(left) && dated(right), !dated(left) && !dated(right));
        if !dated(left) {
            (left.date, left.weekday) = (right.date, right.weekday);
        } else if !dated(right) {
            (right.date, right.weekday) = (left.date, left.weekday);
        }
        left.part = left.part.or(right.part.filter(|_| left.time.is_none_or(|time| time.open)));
        right.part = right.part.or(left.part.filter(|_| right.hour_is_open()));
        let now = matches!(left.date, Some(Date::Fixed(period)) if period.from == period.to);
        if let (Some(start), Some(end)) = (self.hour_of(left), self.hour_of(right)) {
            let later = start.after_noon();
            let late = end.after_noon();
            let end = if end.seconds() <= start.seconds() && late.seconds() > start.seconds() { late } else { end };
            let pulled =
                start.open && !end.open && end.hour >= 12 && later.seconds() < end.seconds() && left.has_open_hour();
            left.time = Some(if pulled && right.time.is_some_and(|time| !time.open) { later } else { start });
            right.time = Some(end);
            (left.bare, right.bare) = (None, None);
        }
        let from = if now {
            Period { from: self.clock.now, to: self.clock.now, unit: Unit::Second }
        } else {
            self.resolve(left, None)?
        };
        let to = if both { self.resolve(right, Some(from.from))? } else { self.resolve_on(right, from.from)? };
        // A clock time ends the range when it comes; a part of the day or a whole day when it is over.
        let mut end = if right.time.is_some() || right.bare.is_some() { to.from } else { to.to };
        if now && end <= from.from && right.time.is_some_and(|time| time.open) {
            end = calendar::add(end, 12, Unit::Hour)?;
        }
        if end <= from.from && !both {
            end = calendar::add(end, 1, Unit::Day)?;
        }
        let unit = from.unit.min(to.unit).min(Unit::Hour);
        (from.from < end).then_some(Range { from: Some(from.from), to: Some(end), unit, daily, certain: true })
    }

    /// A term on the day that the left end of its range lies on.
    fn resolve_on(self, term: Term, day: DateTime) -> Option<Period> {
        if term.instant.is_some() {
            return self.resolve(term, None);
        }
        let date = Period::around(day, Unit::Day, self.clock.week_starts_on)?;
        self.resolve(Term { date: Some(Date::Fixed(date)), weekday: None, ..term }, None)
    }

    /// A range with one end.
    pub(super) fn bound(self, at: usize) -> Read<Range> {
        self.to_this_day(at)
            .or_else(|| self.age(at))
            .or_else(|| self.prefixed(at))
            .or_else(|| self.suffixed(at))
            .or_else(|| self.day_and_bound(at))
    }

    fn side(self, at: usize) -> Read<Side> {
        const PHRASES: [(&str, Side); 36] = [
            ("no later than", Side::Until),
            ("not later than", Side::Until),
            ("no earlier than", Side::Since),
            ("not earlier than", Side::Since),
            ("as early as", Side::Since),
            ("as late as", Side::Until),
            ("any time after", Side::After),
            ("later than", Side::After),
            ("newer than", Side::After),
            ("more recent than", Side::After),
            ("earlier than", Side::Before),
            ("older than", Side::Before),
            ("prior to", Side::Before),
            ("ahead of", Side::Before),
            ("sooner than", Side::Before),
            ("on or after", Side::Since),
            ("on or before", Side::Until),
            ("not before", Side::Since),
            ("not after", Side::Until),
            ("up to", Side::Until),
            ("up until", Side::Until),
            ("starting from", Side::Since),
            ("starting on", Side::Since),
            ("starting in", Side::Since),
            ("starting", Side::Since),
            ("beginning on", Side::Since),
            ("ending on", Side::Until),
            ("ending in", Side::Until),
            ("ending", Side::Until),
            ("after", Side::After),
            ("since", Side::Since),
            ("before", Side::Before),
            ("until", Side::Until),
            ("till", Side::Until),
            ("by", Side::Until),
            ("through", Side::Until),
        ];
        PHRASES.iter().find_map(|(phrase, side)| self.phrase(at, phrase).map(|next| (*side, next)))
    }

    fn prefixed(self, at: usize) -> Read<Range> {
        let (side, next) = self.side(at)?;
        let next = self.skip(next, &["in", "on", "at"]);
        let (mut term, end) = self.term(next, Place::After).or_else(|| self.lone_year(next))?;
        if self.word(at) == "by" && !term.has_time() && !self.names_a_day(term) {
            // "by month", "by 2020": grouping and agents, not bounds.
            return None;
        }
        // "not before 9": the same word twice would say nothing more.
        let certain = !term.weak || matches!(side, Side::Since | Side::Until) || year_only(term);
        term.weak = false;
        Some((Range { certain, ..self.sided(side, term)? }, end))
    }

    /// `to date` at the end of a question.
    fn to_this_day(self, at: usize) -> Read<Range> {
        let next = self.phrase(at, "to date").filter(|next| self.word(*next).is_empty())?;
        let to = Some(self.clock.now);
        Some((Range { from: None, to, unit: Unit::Day, daily: false, certain: true }, next))
    }

    fn names_a_day(self, term: Term) -> bool {
        term.weekday.is_some()
            || term.instant.is_some()
            || self.resolve(term, None).is_some_and(|p| p.unit <= Unit::Day)
    }

    fn lone_year(self, at: usize) -> Read<Term> {
        let (year, next) = self.year(self.skip(at, &["the"]))?;
        let partial = Partial { year: Some(year), part: Part::Year, weak: true };
        Some((Term { date: Some(Date::Partial(partial)), ..Term::default() }, next))
    }

    fn sided(self, side: Side, term: Term) -> Option<Range> {
        let period = self.resolve(term, None)?;
        let open = Range {
            from: None,
            to: None,
            unit: period.unit,
            daily: term.has_time() && !term.has_date(),
            certain: true,
        };
        // A time of the clock is an instant: after 5pm begins at 5pm.
        let after = if period.within_a_day() && self.hour_of(term).is_some() { period.from } else { period.to };
        Some(match side {
            Side::After => Range { from: Some(after), ..open },
            Side::Since => Range { from: Some(period.from), ..open },
            Side::Before => Range { to: Some(period.from), ..open },
            Side::Until => Range { to: Some(after), ..open },
        })
    }

    /// `1/1/2016 and later`, `2015 or earlier`, `from May onwards`.
    fn suffixed(self, at: usize) -> Read<Range> {
        const PHRASES: [(&str, Side); 12] = [
            ("and later", Side::Since),
            ("or later", Side::Since),
            ("and after", Side::Since),
            ("or after", Side::Since),
            ("and onwards", Side::Since),
            ("onwards", Side::Since),
            ("onward", Side::Since),
            ("or newer", Side::Since),
            ("and earlier", Side::Until),
            ("or earlier", Side::Until),
            ("and before", Side::Until),
            ("or before", Side::Until),
        ];
        let (term, next) = self.term(self.skip(at, &["from"]), Place::After)?;
        let (side, end) = PHRASES.iter().find_map(|(words, side)| self.phrase(next, words).map(|end| (*side, end)))?;
        // "2015 and before May" goes on: the words belong to what follows.
        if self.term(end, Place::After).is_some() {
            return None;
        }
        Some((self.sided(side, term)?, end))
    }

    /// `today before 4pm`: the part of a day on one side of a time.
    fn day_and_bound(self, at: usize) -> Read<Range> {
        let (day, next) = self.term(at, Place::Alone).filter(|(term, _)| term.has_date() && !term.has_time())?;
        let period = self.resolve(day, None).filter(|period| period.unit == Unit::Day)?;
        let (side, next) = self.side(next)?;
        let (time, end) = self
            .term(next, Place::Range)
            .filter(|(term, _)| !term.has_date() && (term.has_time() || term.bare.is_some()))?;
        let range = self.sided(side, Term { date: Some(Date::Fixed(period)), ..time })?;
        let (from, to) = (range.from.or(Some(period.from)), range.to.or(Some(period.to)));
        Some((Range { from, to, daily: false, ..range }, end)).filter(|_| from < to)
    }

    /// `older than 30 days`, `more than 2 hours ago`, `less than a week old`, `within the last 5 minutes`.
    fn age(self, at: usize) -> Read<Range> {
        const PHRASES: [(&str, Side); 9] = [
            ("older than", Side::Before),
            ("more than", Side::Before),
            ("at least", Side::Before),
            ("over", Side::Before),
            ("less than", Side::Since),
            ("newer than", Side::Since),
            ("younger than", Side::Since),
            ("at most", Side::Since),
            ("under", Side::Since),
        ];
        let (words, side, next) =
            PHRASES.iter().find_map(|(words, side)| self.phrase(at, words).map(|next| (*words, *side, next)))?;
        let (lengths, next) = self.lengths(next)?;
        let bare = matches!(words, "older than" | "newer than" | "younger than");
        let today = self.word(next) == "before" && self.is(next + 1, &["today", "now"]);
        let next = match () {
            () if self.is(next, &["ago", "old", "back"]) => next + 1,
            () if today => next + 2,
            () if bare => next,
            () => return None,
        };
        let shortest = lengths.iter().map(|(_, unit)| *unit).min()?;
        let moved = self.shifted(self.clock.now, &lengths, -1)?;
        let edge =
            if shortest >= Unit::Day { calendar::floor(moved, Unit::Day, self.clock.week_starts_on)? } else { moved };
        let open = Range { from: None, to: None, unit: shortest, daily: false, certain: true };
        let range =
            if side == Side::Before { Range { to: Some(edge), ..open } } else { Range { from: Some(edge), ..open } };
        Some((range, next))
    }
}

impl Term {
    fn hour_is_open(self) -> bool {
        self.bare.is_some() || self.time.is_some_and(|time| time.open)
    }

    fn has_open_hour(self) -> bool {
        self.hour_is_open() && self.part.is_none()
    }
}

fn year_only(term: Term) -> bool {
    matches!(term.date, Some(Date::Partial(Partial { part: Part::Year, .. })))
}

fn years(left: Term, right: Term) -> bool {
    year_only(left) && year_only(right)
}
