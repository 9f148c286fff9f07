//! Dates of the calendar, as they are written out: `2024-03-05`, `5 March`, `Q3 2024`, `the 1990s`.

use super::Unit;
use super::calendar::{self, Period};
use super::names;
use super::reader::{Read, Reader};
use super::tokens::Kind;

/// A part of a year; the year may be left open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Partial {
    pub(super) year: Option<i16>,
    pub(super) part: Part,
    /// Whether it counts only beside other words that speak of time (`may`, `5/7`).
    pub(super) weak: bool,
}

/// Which part of the year.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Year,
    Half(i8),
    Quarter(i8),
    Month(i8),
    Day(i8, i8),
    /// A day of a month that is not named.
    DayOnly(i8),
}

impl Partial {
    /// The period in a given year; for a day alone in the month of `month`.
    pub(super) fn within(self, year: i16, month: i8) -> Option<Period> {
        let months = |from: i8, count: i64, unit: Unit| {
            let from = calendar::day(year, from, 1)?;
            Some(Period { from, to: calendar::add(from, count, Unit::Month)?, unit })
        };
        let day = |month, day| Period::starting(calendar::day(year, month, day)?, 1, Unit::Day);
        match self.part {
            Part::Year => months(1, 12, Unit::Year),
            Part::Half(half) => months((half - 1) * 6 + 1, 6, Unit::Quarter),
            Part::Quarter(quarter) => months((quarter - 1) * 3 + 1, 3, Unit::Quarter),
            Part::Month(of) => months(of, 1, Unit::Month),
            Part::Day(of, on) => day(of, on),
            Part::DayOnly(on) => day(month, on),
        }
    }

    /// The latest such period that has begun at `now`.
    pub(super) fn latest(self, now: jiff::civil::DateTime) -> Option<Period> {
        if let Some(year) = self.year {
            return self.within(year, now.month());
        }
        self.candidates(now).rev().find(|period| period.from <= now)
    }

    /// The first such period that does not begin before `from`.
    pub(super) fn next(self, from: jiff::civil::DateTime) -> Option<Period> {
        if let Some(year) = self.year {
            return self.within(year, from.month());
        }
        self.candidates(from).find(|period| period.from >= from)
    }

    /// The periods around a time, earliest first; nine years, since 29 February may be eight apart.
    fn candidates(self, at: jiff::civil::DateTime) -> impl DoubleEndedIterator<Item = Period> {
        let months = if matches!(self.part, Part::DayOnly(_)) { 1..=12 } else { 1..=1 };
        let years = at.year().saturating_sub(8)..=at.year().saturating_add(8);
        years.flat_map(move |year| months.clone().filter_map(move |month| self.within(year, month)))
    }
}

impl Reader<'_> {
    /// A date, month, quarter or year that is written out.
    pub(super) fn partial(self, at: usize) -> Read<Partial> {
        self.numeric(at)
            .or_else(|| self.quarter(at))
            .or_else(|| self.month_first(at))
            .or_else(|| self.day_first(at))
            .or_else(|| self.day_of_month(at))
    }

    fn numeric(self, at: usize) -> Read<Partial> {
        let number = |at: usize| match self.token(at)?.kind {
            Kind::Number(value) => Some((value, self.token(at)?.text.len())),
            _ => None,
        };
        if let Some(Kind::Dotted) = self.token(at).map(|token| &token.kind) {
            let mut parts = self.token(at)?.text.split('.');
            let (day, month, year) = (parts.next()?, parts.next()?, parts.next()?);
            let partial = full(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?)?;
            return Some((partial, at + 1)).filter(|_| parts.next().is_none() && year.len() == 4);
        }
        let (first, width) = number(at)?;
        if !self.mark(at + 1, &["-", "/"]) || !self.glued(at + 1) || !self.glued(at + 2) {
            return None;
        }
        let separator = &self.token(at + 1)?.text;
        if let Some(month) = names::month(self.word(at + 2)) {
            let same = self.mark(at + 3, &[separator.as_str()]);
            if let Some((day, _)) = number(at + 4).filter(|_| same && width == 4) {
                return Some((full(first, u32::try_from(month).ok()?, day)?, at + 5));
            }
            let (year, next) = self.year(at + 4).filter(|_| same)?;
            return Some((full(u32::try_from(year).ok()?, u32::try_from(month).ok()?, first)?, next));
        }
        let (second, second_width) = number(at + 2)?;
        let third = self.mark(at + 3, &[separator.as_str()]) && self.glued(at + 3) && self.glued(at + 4);
        if let Some((third, third_width)) = third.then(|| number(at + 4)).flatten() {
            if width == 4 {
                return Some((full(first, second, third)?, at + 5));
            }
            if third_width == 4 || (third_width == 2 && separator == "/") {
                let year = if third_width == 4 { third } else { 2000 + third };
                let (month, day) = if first > 12 { (second, first) } else { (first, second) };
                return Some((full(year, month, day)?, at + 5));
            }
        }
        let month = |year: u32, month: u32| {
            let month = i8::try_from(month).ok().filter(|month| (1..=12).contains(month))?;
            Some(Partial { year: Some(plausible(year)?), part: Part::Month(month), weak: false })
        };
        if width == 4 && second_width == 2 {
            return Some((month(first, second)?, at + 3));
        }
        if second_width == 4 && width <= 2 {
            return Some((month(second, first)?, at + 3));
        }
        if separator == "/" && width <= 2 && second_width <= 2 {
            let (month, day) = if first > 12 { (second, first) } else { (first, second) };
            let partial = full(2000, month, day)?;
            let partial = Partial { year: None, weak: true, ..partial };
            return Some(if self.mark(at + 3, &[","]) { self.with_year(partial, at + 3) } else { (partial, at + 3) });
        }
        None
    }

    fn quarter(self, at: usize) -> Read<Partial> {
        let quarter_after = |year: Option<i16>, at: usize| {
            let (part, next) = self.quarter_name(at)?;
            Some((Partial { year, part, weak: false }, next))
        };
        if let Some((year, next)) = self.year(at) {
            let next = if self.mark(next, &["-", ","]) { next + 1 } else { next };
            let next = self.skip(next, &["the"]);
            return quarter_after(Some(year), next);
        }
        let (partial, next) = quarter_after(None, at)?;
        Some(self.with_year(partial, next))
    }

    /// `Q3`, `the third quarter`, `quarter 3`, `H1`, `the first half`.
    fn quarter_name(self, at: usize) -> Read<Part> {
        let part = |letter: &str, value: u32| match (letter, value) {
            ("q" | "quarter", 1..=4) => Some(Part::Quarter(i8::try_from(value).ok()?)),
            ("h" | "half", 1..=2) => Some(Part::Half(i8::try_from(value).ok()?)),
            _ => None,
        };
        let (letter, next) = (self.word(at), at + 1);
        if matches!(letter, "q" | "h" | "quarter") {
            let (count, after) = self.count(next).filter(|(count, _)| !count.ordinal)?;
            let joined = letter == "quarter" || self.glued(next);
            return part(letter, count.value).filter(|_| joined).map(|part| (part, after));
        }
        if letter == "last" && self.phrase(next, "quarter of").is_some() {
            return Some((Part::Quarter(4), next + 1));
        }
        let (count, next) = self.count(at).filter(|(count, _)| count.ordinal)?;
        let half_of_year = self.word(next) != "half" || self.is(next + 1, &["of"]);
        let part = part(self.word(next), count.value).filter(|_| matches!(self.word(next), "quarter" | "half"))?;
        Some((part, next + 1)).filter(|_| half_of_year)
    }

    /// The year after a part of it: `2019`, `, 2019`, `of 2019`, `-2019`, `of last year`.
    pub(super) fn with_year(self, partial: Partial, at: usize) -> (Partial, usize) {
        if partial.year.is_some() {
            return (partial, at);
        }
        let place = if self.mark(at, &[",", "-", "/"]) { at + 1 } else { at };
        let place = self.skip(place, &["of", "in"]);
        let place = self.skip(place, &["the"]);
        if let Some((year, next)) = self.year(place) {
            return (Partial { year: Some(year), weak: false, ..partial }, next);
        }
        if let Some((year, next)) = self.short_year(at).filter(|_| matches!(partial.part, Part::Month(_))) {
            return (Partial { year: Some(year), weak: false, ..partial }, next);
        }
        let place = self.skip(self.skip(at, &["of"]), &["the"]);
        let shift = match self.word(place) {
            "last" | "previous" => -1,
            "this" | "current" => 0,
            "next" => 1,
            _ => return (partial, at),
        };
        if self.word(place + 1) != "year" {
            return (partial, at);
        }
        let year = self.clock.now.year().checked_add(shift);
        (Partial { year, weak: false, ..partial }, place + 2)
    }

    /// `of 87`, `'87`.
    fn short_year(self, at: usize) -> Read<i16> {
        let place = self.skip(at, &["of"]);
        let place = if self.mark(place, &["'", "\u{2019}"]) { place + 1 } else { place };
        let token = self.token(place).filter(|token| place > at && token.text.len() == 2)?;
        let Kind::Number(year) = token.kind else { return None };
        let year = i16::try_from(year).ok()?;
        // The usual pivot of two digits (POSIX strptime): 69 to 99 are of the last century.
        Some((if year < 69 { 2000 + year } else { 1900 + year }, place + 1))
    }

    /// `March`, `March 2024`, `March 5th, 2024`, `mar4`.
    fn month_first(self, at: usize) -> Read<Partial> {
        let month = names::month(self.word(at))?;
        let next = if self.mark(at + 1, &["."]) && self.glued(at + 1) { at + 2 } else { at + 1 };
        let place = self.skip(next, &["the"]);
        let day = self.count(place).and_then(|(count, after)| {
            let day = i8::try_from(count.value).ok().filter(|day| (1..=31).contains(day) && count.digits < 3)?;
            let clock = self.mark(after, &[":"]) || self.is(after, &["am", "pm", "oclock", "thousand", "hundred"]);
            let written = count.digits > 0 || count.ordinal;
            Some((day, after)).filter(|_| !clock && written)
        });
        if let Some((day, after)) = day {
            return Some(self.with_year(Partial { year: None, part: Part::Day(month, day), weak: false }, after));
        }
        // `may`, `march` and the short forms are other words as well.
        let doubtful = matches!(self.word(at), "may" | "march" | "mar" | "jan" | "jun" | "dec" | "sep" | "oct");
        let weak = doubtful && !self.token(at).is_some_and(|token| token.capital && at > 0);
        Some(self.with_year(Partial { year: None, part: Part::Month(month), weak }, next))
    }

    /// `5 March 2024`, `5th of March`, `the twenty-sixth of March`.
    fn day_first(self, at: usize) -> Read<Partial> {
        let (count, next) = self.count(self.skip(at, &["the"]))?;
        let day = i8::try_from(count.value).ok().filter(|day| (1..=31).contains(day) && count.digits < 3)?;
        let next = self.skip(next, &["of"]);
        let month = names::month(self.word(next))?;
        let next = if self.mark(next + 1, &["."]) && self.glued(next + 1) { next + 2 } else { next + 1 };
        Some(self.with_year(Partial { year: None, part: Part::Day(month, day), weak: false }, next))
    }

    /// `the 17th`, `the twenty-sixth day of the month`.
    fn day_of_month(self, at: usize) -> Read<Partial> {
        if self.word(at) != "the" {
            return None;
        }
        let (count, next) = self.count(at + 1)?;
        let day = i8::try_from(count.value).ok().filter(|day| (1..=31).contains(day))?;
        let partial = |weak| Partial { year: None, part: Part::DayOnly(day), weak };
        if let Some(next) = self.phrase(next, "day of the month").or_else(|| self.phrase(next, "of the month")) {
            let now = self.clock.now;
            return Some((Partial { year: Some(now.year()), part: Part::Day(now.month(), day), weak: false }, next));
        }
        // "the 3rd customer" counts customers.
        let ends = ["", "from", "to", "at", "and", "between", "until", "till", "through"].contains(&self.word(next));
        let digits = self.token(at + 1).is_some_and(|token| token.kind != Kind::Word);
        let written = count.ordinal && ends || self.is(next, &["from", "between"]);
        Some((partial(true), next)).filter(|_| digits && written || count.ordinal && self.is(next, &["to", "through"]))
    }

    /// `the 1990s`, `1990 s`.
    pub(super) fn decade(self, at: usize) -> Read<Period> {
        let (year, next) = self.year(self.skip(at, &["the"])).filter(|(year, _)| year % 10 == 0)?;
        if self.word(next) != "s" {
            return None;
        }
        Some((Period::starting(calendar::day(year, 1, 1)?, 10, Unit::Year)?, next + 1))
    }
}

fn plausible(year: u32) -> Option<i16> {
    i16::try_from(year).ok().filter(|year| (1000..=2999).contains(year))
}

fn full(year: u32, month: u32, day: u32) -> Option<Partial> {
    let year = plausible(year)?;
    let (month, day) = (i8::try_from(month).ok()?, i8::try_from(day).ok()?);
    calendar::day(year, month, day)?;
    Some(Partial { year: Some(year), part: Part::Day(month, day), weak: false })
}
