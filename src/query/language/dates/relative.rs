//! Times that are named from now, or inside another period: `yesterday`, `last 7 days`, `the first week of May`.

use jiff::civil::DateTime;

use super::Unit;
use super::calendar::{self, Period};
use super::names;
use super::reader::{Read, Reader};

/// Where a determiner points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Toward {
    Past,
    Here,
    Future,
}

/// Which part of a period an adjective takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Edge {
    Early,
    Middle,
    Late,
}

fn toward(word: &str) -> Option<Toward> {
    Some(match word {
        "last" | "past" | "previous" | "prior" | "preceding" | "recent" => Toward::Past,
        "this" | "current" | "that" => Toward::Here,
        "next" | "coming" | "upcoming" | "following" => Toward::Future,
        _ => return None,
    })
}

impl Reader<'_> {
    /// A time named from now.
    pub(super) fn relative(self, at: usize) -> Read<Period> {
        let at = self.skip(at, &["the"]);
        self.named_day(at)
            .or_else(|| self.next_but_one(at))
            .or_else(|| self.to_date(at))
            .or_else(|| self.within(at))
            .or_else(|| self.week_of(at))
            .or_else(|| self.beginning_with_a_day(at))
            .or_else(|| self.ago(at))
            .or_else(|| self.counted(at))
            .or_else(|| self.determined(at))
            .or_else(|| self.edge(at))
            .or_else(|| self.numbered_week(at))
            .or_else(|| self.rest(at))
            .or_else(|| self.running(at))
    }

    fn today(self) -> Option<DateTime> {
        calendar::floor(self.clock.now, Unit::Day, self.clock.week_starts_on)
    }

    fn day_from_today(self, days: i64) -> Option<Period> {
        Period::starting(calendar::add(self.today()?, days, Unit::Day)?, 1, Unit::Day)
    }

    /// `the week before last`, `the month after next`.
    fn next_but_one(self, at: usize) -> Read<Period> {
        let (unit, size) = names::unit(self.word(at)).filter(|(unit, _)| *unit >= Unit::Week)?;
        let (steps, next) = match (self.phrase(at + 1, "before last"), self.phrase(at + 1, "after next")) {
            (Some(next), _) => (-2, next),
            (None, Some(next)) => (2, next),
            (None, None) => return None,
        };
        let running = Period::around(self.clock.now, unit, self.clock.week_starts_on)?;
        Some((Period::starting(calendar::add(running.from, steps, unit)?, 1, unit)?, next)).filter(|_| size == 1)
    }

    fn named_day(self, at: usize) -> Read<Period> {
        if let Some(next) = self.phrase(at, "day before yesterday") {
            return Some((self.day_from_today(-2)?, next));
        }
        if let Some(next) = self.phrase(at, "day after tomorrow") {
            return Some((self.day_from_today(2)?, next));
        }
        if let Some(next) = self.phrase(at, "current date").or_else(|| self.phrase(at, "current day")) {
            return Some((self.day_from_today(0)?, next));
        }
        let days = match self.word(at) {
            "today" => 0,
            "yesterday" => -1,
            "tomorrow" => 1,
            "now" => {
                let now = self.clock.now;
                return Some((Period { from: now, to: now, unit: Unit::Second }, at + 1));
            }
            _ => return None,
        };
        Some((self.day_from_today(days)?, at + 1))
    }

    /// Hours of a day, as a period of that unit.
    pub(super) fn hours_of(self, day: DateTime, (from, to): (i64, i64)) -> Option<Period> {
        let day = calendar::floor(day, Unit::Day, self.clock.week_starts_on)?;
        let hour = |hour| calendar::add(day, hour, Unit::Hour);
        Some(Period { from: hour(from)?, to: hour(to)?, unit: Unit::Hour })
    }

    /// `year to date`, `mtd`, `so far this month`, `this month so far`.
    fn to_date(self, at: usize) -> Read<Period> {
        let so_far = |unit| {
            let from = calendar::floor(self.clock.now, unit, self.clock.week_starts_on)?;
            Some(Period { from, to: self.clock.now, unit })
        };
        let short = match self.word(at) {
            "ytd" => Some(Unit::Year),
            "qtd" => Some(Unit::Quarter),
            "mtd" => Some(Unit::Month),
            "wtd" => Some(Unit::Week),
            _ => None,
        };
        if let Some(unit) = short {
            return Some((so_far(unit)?, at + 1));
        }
        let started = self.phrase(at, "so far").unwrap_or(at);
        let place = self.skip(started, &["this", "current"]);
        if self.word(place) == "today" {
            let ended = if started > at { Some(place + 1) } else { self.phrase(place + 1, "so far") };
            return Some((so_far(Unit::Day)?, ended?));
        }
        let (unit, _) = names::unit(self.word(place)).filter(|(unit, count)| *unit >= Unit::Day && *count == 1)?;
        let here = place > started;
        let ended = if started > at && here {
            Some(place + 1)
        } else {
            self.phrase(place + 1, "to date").or_else(|| self.phrase(place + 1, "so far").filter(|_| here))
        };
        Some((so_far(unit)?, ended?))
    }

    /// `first week of Jan 2015`, `last 3 weeks of this year`, `second day of May`, `last day of the month`.
    fn within(self, at: usize) -> Read<Period> {
        let last = self.word(at) == "last";
        let (ordinal, next) =
            if last { (1, at + 1) } else { self.count(at).filter(|(c, _)| c.ordinal).map(|(c, n)| (c.value, n))? };
        let (many, next) = self.amount(next).filter(|_| last || ordinal == 1).unwrap_or((1, next));
        let (unit, size) = names::unit(self.word(next))?;
        let next = next + 1;
        if !self.is(next, &["of", "in"]) {
            return None;
        }
        let (outer, end) = self.enclosing(next + 1)?;
        if size != 1 || unit >= outer.unit {
            return None;
        }
        let week = self.clock.week_starts_on;
        let (begin, finish) = if unit == Unit::Week {
            (calendar::first_week(outer.from, week)?, calendar::first_week(outer.to, week)?)
        } else {
            (outer.from, outer.to)
        };
        let period = if last {
            Period { from: calendar::add(finish, -many, unit)?, to: finish, unit }
        } else {
            Period::starting(calendar::add(begin, i64::from(ordinal) - 1, unit)?, many, unit)?
        };
        Some((period, end)).filter(|(period, _)| period.from < outer.to && period.to > outer.from)
    }

    /// The period another one lies in: written out, `last month`, `the month`, `the year 2020`.
    fn enclosing(self, at: usize) -> Read<Period> {
        if let Some((partial, next)) =
            self.partial(at).filter(|(partial, _)| !matches!(partial.part, super::day::Part::DayOnly(_)))
        {
            return Some((partial.latest(self.clock.now)?, next));
        }
        let place = self.skip(at, &["the"]);
        if let Some((year, next)) = self.year(place) {
            return Some((Period::starting(calendar::day(year, 1, 1)?, 1, Unit::Year)?, next));
        }
        if let Some(found) = self.named_day(place) {
            return Some(found);
        }
        if let Some(found) = self.determined(place) {
            return Some(found);
        }
        let (unit, size) = names::unit(self.word(place)).filter(|(unit, _)| *unit >= Unit::Day)?;
        let period = Period::around(self.clock.now, unit, self.clock.week_starts_on)?;
        Some((period, place + 1)).filter(|_| size == 1)
    }

    /// `week of 4 February`, `week starting on February 4`.
    fn week_of(self, at: usize) -> Read<Period> {
        if self.word(at) == "w" && self.mark(at + 1, &["/"]) && self.word(at + 2) == "c" {
            let (partial, next) = self.partial(at + 3)?;
            let day = partial.latest(self.clock.now).filter(|day| day.unit == Unit::Day)?;
            return Some((Period::starting(day.from, 1, Unit::Week)?, next));
        }
        if self.word(at) != "week" {
            return None;
        }
        let starting = self.is(at + 1, &["starting", "beginning", "commencing"]);
        let place = if starting {
            self.skip(at + 2, &["on", "from"])
        } else {
            if self.word(at + 1) != "of" {
                return None;
            }
            at + 2
        };
        let (partial, next) = self.partial(place)?;
        let day = partial.latest(self.clock.now).filter(|day| day.unit == Unit::Day)?;
        let from = if starting { day.from } else { calendar::floor(day.from, Unit::Week, self.clock.week_starts_on)? };
        Some((Period::starting(from, 1, Unit::Week)?, next))
    }

    /// `week 10`, `week 10 of 2019`.
    fn numbered_week(self, at: usize) -> Read<Period> {
        if self.word(at) != "week" {
            return None;
        }
        let (number, next) =
            self.count(at + 1).filter(|(count, _)| (1..=53).contains(&count.value) && !count.ordinal)?;
        let (year, next) = self.year(self.skip(next, &["of", "in"])).unwrap_or((self.clock.now.year(), next));
        let first = calendar::first_week(calendar::day(year, 1, 1)?, self.clock.week_starts_on)?;
        let from = calendar::add(first, i64::from(number.value) - 1, Unit::Week)?;
        Some((Period::starting(from, 1, Unit::Week)?, next))
    }

    /// `2 hours ago`, `3 weeks and 2 days ago`, `5 minutes from now`.
    fn ago(self, at: usize) -> Read<Period> {
        let (lengths, next) = self.lengths(at)?;
        let sign = if self.is(next, &["ago", "back"]) {
            -1
        } else if self.is(next, &["hence", "later"]) || self.phrase(next, "from now").is_some() {
            1
        } else {
            return None;
        };
        let end = if self.word(next) == "from" { next + 2 } else { next + 1 };
        let unit = lengths.iter().map(|(_, unit)| *unit).min()?;
        let moved = self.shifted(self.clock.now, &lengths, sign)?;
        let from =
            if unit >= Unit::Day { calendar::floor(moved, Unit::Day, self.clock.week_starts_on)? } else { moved };
        // Half a unit's room would be arbitrary: a moment ago in hours is the hour that began then.
        Some((Period::starting(from, 1, unit.min(Unit::Day))?, end))
    }

    /// Units with their counts, `3 weeks and 2 days`.
    pub(super) fn lengths(self, at: usize) -> Read<Vec<(i64, Unit)>> {
        let mut lengths = Vec::new();
        let mut next = at;
        let mut end = at;
        while let Some((count, place)) = self.amount(next).filter(|_| lengths.len() < 4) {
            let Some((unit, size)) = names::unit(self.word(place)) else { break };
            lengths.push((count.checked_mul(size)?, unit));
            end = place + 1;
            next = self.skip(end, &["and"]);
        }
        if lengths.is_empty() { None } else { Some((lengths, end)) }
    }

    pub(super) fn shifted(self, from: DateTime, lengths: &[(i64, Unit)], sign: i64) -> Option<DateTime> {
        lengths.iter().try_fold(from, |at, (count, unit)| calendar::add(at, count.checked_mul(sign)?, *unit))
    }

    /// `3 days from today`, `2 weeks starting May 20th`, `for 3 days, from today`, `less than 3 days after tomorrow`.
    fn beginning_with_a_day(self, at: usize) -> Read<Period> {
        let place = self.skip(at, &["for"]);
        let less = self.phrase(place, "less than");
        let place = less.unwrap_or(place);
        let (lengths, next) = self.lengths(place)?;
        let next = if self.mark(next, &[","]) { next + 1 } else { next };
        let starts = self.is(next, &["from", "starting", "beginning", "after"])
            && (less.is_some() || self.word(next) != "after");
        let back = less.is_some() && self.word(next) == "before";
        if !starts && !back {
            return None;
        }
        let place = self.skip(next + 1, &["on", "from"]);
        let (day, end) = self.named_day(place).or_else(|| self.determined(place)).or_else(|| {
            let (partial, end) = self.partial(place)?;
            Some((partial.latest(self.clock.now)?, end))
        })?;
        if self.word(place) == "now" && lengths.iter().any(|(_, unit)| *unit < Unit::Day) && self.word(next) == "from" {
            return None;
        }
        let unit = lengths.first()?.1;
        let other = self.shifted(day.from, &lengths, if back { -1 } else { 1 })?;
        let (from, to) = if back { (other, day.from) } else { (day.from, other) };
        Some((Period { from, to, unit }, end))
    }

    /// `last 7 days`, `5 past minutes`, `previous 4 business days`, `next three quarters`, `past two hours`.
    fn counted(self, at: usize) -> Read<Period> {
        let (way, count, mut next) = if let Some(way) = toward(self.word(at)) {
            let (count, next) = self.amount(at + 1)?;
            (way, count, next)
        } else {
            let (count, next) = self.amount(at)?;
            (toward(self.word(next)).filter(|_| self.word(next) != "recent")?, count, next + 1)
        };
        if way == Toward::Here {
            return None;
        }
        let whole = self.is(next, &["full", "complete", "calendar", "whole"]);
        next += usize::from(whole);
        let business = self.is(next, &["business", "working"]);
        next += usize::from(business);
        let (unit, size) = names::unit(self.word(next))?;
        let singular = !self.word(next).ends_with('s') && self.word(next).len() > 3;
        if singular && count != 1 && toward(self.word(at)).is_none() {
            return None;
        }
        let count = count.checked_mul(size)?;
        let sign = if way == Toward::Past { -1 } else { 1 };
        if business {
            return Some((self.business_days(count * sign)?, next + 1)).filter(|_| unit == Unit::Day);
        }
        let now = self.clock.now;
        let from = if unit < Unit::Day {
            now
        } else if unit == Unit::Quarter || whole {
            // Whole units of the calendar, before or after the one that runs.
            let running = Period::around(now, unit, self.clock.week_starts_on)?;
            if sign < 0 { running.from } else { running.to }
        } else if sign < 0 {
            self.today()?
        } else {
            calendar::add(self.today()?, 1, Unit::Day)?
        };
        let other = calendar::add(from, count.checked_mul(sign)?, unit)?;
        let more = self.lengths(next + 2).filter(|(_, after)| {
            self.word(next + 1) == "and" && !self.is(*after, &["ago", "later", "hence", "before", "after"])
        });
        let (other, unit, end) = match more {
            Some((lengths, end)) => {
                let shortest = lengths.iter().map(|(_, unit)| *unit).min()?.min(unit);
                (self.shifted(other, &lengths, sign)?, shortest, end)
            }
            None => (other, unit, next + 1),
        };
        Some((Period { from: from.min(other), to: from.max(other), unit }, end))
    }

    fn business_days(self, count: i64) -> Option<Period> {
        let today = self.today()?;
        let step = count.signum();
        let (mut day, mut left) = (today, count.abs());
        // A count beyond some decades is no business of a calendar of weekdays.
        if left == 0 || left > 10_000 {
            return None;
        }
        while left > 0 {
            day = calendar::add(day, step, Unit::Day)?;
            let weekend = matches!(day.date().weekday(), jiff::civil::Weekday::Saturday | jiff::civil::Weekday::Sunday);
            left -= i64::from(!weekend);
        }
        if step < 0 {
            return Some(Period { from: day, to: today, unit: Unit::Day });
        }
        Some(Period {
            from: calendar::add(today, 1, Unit::Day)?,
            to: calendar::add(day, 1, Unit::Day)?,
            unit: Unit::Day,
        })
    }

    /// `last week`, `this morning`, `next Friday`, `last March`, `last weekend`, `the past hour`.
    fn determined(self, at: usize) -> Read<Period> {
        let way = toward(self.word(at)).filter(|_| self.word(at) != "recent")?;
        let working = self.is(at + 1, &["working", "business"]) && self.word(at + 2) == "week";
        let next =
            if working { at + 2 } else { self.skip(at + 1, &["calendar", "full", "complete", "whole", "entire"]) };
        let week = self.clock.week_starts_on;
        let now = self.clock.now;
        let steps = match way {
            Toward::Past => -1,
            Toward::Here => 0,
            Toward::Future => 1,
        };
        let word = self.word(next);
        if let Some(weekday) = names::weekday(word) {
            let day = calendar::weekday_of_week(calendar::add(now, steps, Unit::Week)?, weekday, week)?;
            return Some((Period::starting(day, 1, Unit::Day)?, next + 1));
        }
        if word == "weekend" {
            let day = calendar::weekday_of_week(now, jiff::civil::Weekday::Saturday, jiff::civil::Weekday::Monday)?;
            return Some((
                Period {
                    unit: Unit::Day,
                    ..Period::starting(calendar::add(day, steps * 7, Unit::Day)?, 2, Unit::Day)?
                },
                next + 1,
            ));
        }
        if let Some(month) = names::month(word) {
            let running = calendar::day(now.year(), month, 1)?;
            let year = match way {
                Toward::Here => 0,
                Toward::Past => i64::from(running <= now) - 1 - i64::from(month == now.month()),
                Toward::Future => i64::from(running <= now),
            };
            return Some((Period::starting(calendar::add(running, year, Unit::Year)?, 1, Unit::Month)?, next + 1));
        }
        if working {
            let monday =
                calendar::floor(calendar::add(now, steps, Unit::Week)?, Unit::Week, jiff::civil::Weekday::Monday)?;
            return Some((Period { unit: Unit::Day, ..Period::starting(monday, 5, Unit::Day)? }, next + 1));
        }
        let (unit, size) = names::unit(word).filter(|_| !word.ends_with('s'))?;
        Some((self.neighbour(self.word(at), way, unit, size)?, next + 1))
    }

    fn neighbour(self, word: &str, way: Toward, unit: Unit, size: i64) -> Option<Period> {
        let (now, week) = (self.clock.now, self.clock.week_starts_on);
        if size == 10 {
            let decade = calendar::day(now.year() - now.year().rem_euclid(10), 1, 1)?;
            let steps = if way == Toward::Past { -10 } else { i64::from(way == Toward::Future) * 10 };
            return Period::starting(calendar::add(decade, steps, Unit::Year)?, 10, Unit::Year);
        }
        let rolling = unit < Unit::Day || (word == "past" && unit > Unit::Day) || size != 1;
        match way {
            Toward::Here => Period::around(now, unit, week),
            Toward::Past if rolling => {
                let to = if unit < Unit::Day { now } else { self.today()? };
                Some(Period { from: calendar::add(to, -size, unit)?, to, unit })
            }
            Toward::Future if rolling => {
                let from = if unit < Unit::Day { now } else { calendar::add(self.today()?, 1, Unit::Day)? };
                Period::starting(from, size, unit)
            }
            Toward::Past => {
                let running = Period::around(now, unit, week)?;
                Some(Period { from: calendar::add(running.from, -1, unit)?, to: running.from, unit })
            }
            Toward::Future => {
                let running = Period::around(now, unit, week)?;
                Period::starting(running.to, 1, unit)
            }
        }
    }

    /// `this morning`, `last night`, `tonight`: the day and its hours.
    pub(super) fn part_of_a_day(self, at: usize) -> Read<(Period, (i64, i64))> {
        if self.is(at, &["tonight", "tonite"]) {
            return Some(((self.day_from_today(0)?, (20, 24)), at + 1));
        }
        let at = self.skip(at, &["the"]);
        let days = match toward(self.word(at)).filter(|_| self.word(at) != "recent")? {
            Toward::Past => -1,
            Toward::Here => 0,
            Toward::Future => 1,
        };
        let hours = names::part_of_day(self.word(at + 1))?;
        Some(((self.day_from_today(days)?, hours), at + 2))
    }

    /// `the rest of the week`, `the remainder of this month`.
    fn rest(self, at: usize) -> Read<Period> {
        if !self.is(at, &["rest", "remainder", "remaining"]) || self.word(at + 1) != "of" {
            return None;
        }
        let (outer, next) = self.enclosing(at + 2)?;
        let from = if outer.unit > Unit::Day { self.today()? } else { self.clock.now };
        Some((Period { from, ..outer }, next)).filter(|_| outer.from <= from && from < outer.to)
    }

    /// `in the year`, where nothing follows that the unit could belong to.
    fn running(self, at: usize) -> Read<Period> {
        let cued =
            at > 1 && self.word(at - 1) == "the" && self.is(at - 2, &["in", "during", "for", "of", "throughout"]);
        let (unit, size) = names::unit(self.word(at)).filter(|(unit, _)| *unit > Unit::Day && cued)?;
        let last = self.word(at + 1).is_empty() && self.count(at + 1).is_none() && !self.word(at).ends_with('s');
        let period = Period::around(self.clock.now, unit, self.clock.week_starts_on)?;
        Some((period, at + 1)).filter(|_| last && size == 1)
    }

    /// `mid-November`, `late July`, `the beginning of 2000`, `earlier this month`, `end of month`.
    fn edge(self, at: usize) -> Read<Period> {
        let (edge, next) = self.edge_word(at)?;
        let next = if self.mark(next, &["-"]) { next + 1 } else { next };
        let place = self.skip(self.skip(next, &["of", "in"]), &["the"]);
        if let Some(hours) = names::part_of_day(self.word(place)) {
            return Some((part_of(self.hours_of(self.today()?, hours)?, edge)?, place + 1));
        }
        let bound = self.is(next, &["of", "in"]) || next > at + 1;
        let (outer, end) = self.enclosing(next).or_else(|| self.enclosing(place)).filter(|_| {
            // `late` before a bare unit is an adjective: late days.
            bound || names::unit(self.word(place)).is_none()
        })?;
        let later = self.word(at) == "later"
            && outer.unit > Unit::Day
            && outer.from <= self.clock.now
            && self.clock.now < outer.to;
        if later {
            let half = match outer.unit {
                Unit::Year => Period { from: calendar::add(outer.from, 6, Unit::Month)?, ..outer },
                _ => part_of(outer, edge)?,
            };
            return Some((Period { from: half.from.max(self.today()?), ..outer }, end));
        }
        Some((part_of(outer, edge)?, end))
    }

    fn edge_word(self, at: usize) -> Read<Edge> {
        let edge = match self.word(at) {
            "early" | "earlier" => Edge::Early,
            "beginning" | "start" if self.is(at + 1, &["of"]) => Edge::Early,
            "mid" => Edge::Middle,
            "middle" if self.is(at + 1, &["of"]) => Edge::Middle,
            "late" | "later" => Edge::Late,
            "end" if self.is(at + 1, &["of"]) => Edge::Late,
            _ => return None,
        };
        Some((edge, at + 1))
    }

    /// The instant that `the end of June` is where it bounds something.
    pub(super) fn instant(self, at: usize) -> Read<DateTime> {
        let at = self.skip(at, &["the"]);
        let (edge, next) = self.edge_word(at).filter(|_| self.is(at + 1, &["of"]))?;
        let (outer, end) = self.enclosing(self.skip(next, &["of"]))?;
        let instant = match edge {
            Edge::Early => outer.from,
            Edge::Middle if outer.unit == Unit::Month => calendar::add(outer.from, 15, Unit::Day)?,
            Edge::Middle => part_of(outer, Edge::Middle)?.from,
            Edge::Late => outer.to,
        };
        Some((instant, end))
    }
}

fn part_of(outer: Period, edge: Edge) -> Option<Period> {
    let cut = |early: i64, late: i64, unit: Unit| {
        let at = |count| calendar::add(outer.from, count, unit);
        Some(match edge {
            Edge::Early => Period { to: at(early)?, ..outer },
            Edge::Middle => Period { from: at(late)?, to: at(early)?, ..outer },
            Edge::Late => Period { from: at(late)?, ..outer },
        })
    };
    match (outer.unit, edge) {
        (Unit::Year, Edge::Middle) => cut(8, 4, Unit::Month),
        (Unit::Year, _) => cut(4, 8, Unit::Month),
        (Unit::Quarter, Edge::Middle) => cut(2, 1, Unit::Month),
        (Unit::Quarter, _) => cut(1, 2, Unit::Month),
        (Unit::Month, Edge::Middle) => cut(20, 9, Unit::Day),
        (Unit::Month, _) => cut(15, 15, Unit::Day),
        (Unit::Week, Edge::Middle) => cut(5, 2, Unit::Day),
        (Unit::Week, _) => cut(4, 3, Unit::Day),
        (Unit::Day, Edge::Middle) => cut(16, 8, Unit::Hour),
        (Unit::Day, _) => cut(12, 12, Unit::Hour),
        (Unit::Hour, Edge::Middle) => Some(outer),
        (Unit::Hour, _) => cut(2, 2, Unit::Hour),
        _ => Some(outer),
    }
}
