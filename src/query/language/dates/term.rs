//! A day and a time of day that stand together: `yesterday at 5pm`, `Monday morning`, `10:30 on 5 March`.

use jiff::civil::{DateTime, Weekday};

use super::Unit;
use super::calendar::{self, Period};
use super::day::{Part, Partial};
use super::names;
use super::reader::{Count, Read, Reader, Time};

/// A day or a longer stretch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Date {
    Partial(Partial),
    Fixed(Period),
}

/// What stands together; all of it optional, at least one there.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Term {
    pub(super) date: Option<Date>,
    pub(super) weekday: Option<Weekday>,
    pub(super) time: Option<Time>,
    /// Hours of the day.
    pub(super) part: Option<(i64, i64)>,
    /// A number that its neighbour may make a day or an hour.
    pub(super) bare: Option<Count>,
    /// Whether the day stands before the time.
    pub(super) date_first: bool,
    /// An instant that bounds something.
    pub(super) instant: Option<DateTime>,
    /// Whether it counts only beside other words that speak of time.
    pub(super) weak: bool,
}

/// Where a term stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// By itself.
    Alone,
    /// After a word that a time follows (`in`, `since`): a year counts.
    After,
    /// At an end of a range: a bare number counts.
    Range,
}

impl Term {
    pub(super) fn has_date(self) -> bool {
        self.date.is_some() || self.weekday.is_some()
    }

    pub(super) fn has_time(self) -> bool {
        self.time.is_some() || self.part.is_some()
    }

    /// Whether it is a number and nothing more.
    pub(super) fn is_bare(self) -> bool {
        self.bare.is_some() && !self.has_date() && !self.has_time()
    }

    fn allows_time(self) -> bool {
        match self.date {
            None => true,
            Some(Date::Fixed(period)) => period.unit == Unit::Day || self.weekday.is_some(),
            Some(Date::Partial(partial)) => matches!(partial.part, Part::Day(..) | Part::DayOnly(_)),
        }
    }

    fn allows_date(self, date: Date) -> bool {
        let alone = Self { date: Some(date), ..Self::default() };
        self.date.is_none()
            && (!(self.has_time() || self.bare.is_some()) || alone.allows_time() || self.weekday.is_some())
    }
}

impl Reader<'_> {
    /// As much as stands together from a place on.
    pub(super) fn term(self, at: usize, place: Place) -> Read<Term> {
        if place != Place::Alone
            && let Some((instant, next)) = self.instant(at)
        {
            return Some((Term { instant: Some(instant), ..Term::default() }, next));
        }
        let mut term = Term::default();
        let mut end = at;
        // Each round adds one of at most four things.
        for round in 0..4 {
            let start = if round == 0 { end } else { self.connector(end) };
            let Some(next) = self.extend(&mut term, start, place, start > end || round == 0) else { break };
            end = next;
        }
        if end == at { None } else { Some((term, end)) }
    }

    fn connector(self, at: usize) -> usize {
        let at = if self.mark(at, &[","]) { at + 1 } else { at };
        // The `T` of an ISO timestamp.
        if self.word(at) == "t" && self.glued(at) && self.glued(at + 1) {
            return at + 1;
        }
        let at = self.skip(at, &["at", "on", "in", "from", "between", "during", "of", "starting"]);
        let at = self.skip(at, &["between", "from"]);
        if self.word(at) == "the" && (names::part_of_day(self.word(at + 1)).is_some()) { at + 1 } else { at }
    }

    fn extend(self, term: &mut Term, at: usize, place: Place, introduced: bool) -> Option<usize> {
        if let Some(((day, hours), next)) = self.part_of_a_day(at).filter(|_| !term.has_date() && term.part.is_none()) {
            term.date = Some(Date::Fixed(day));
            term.part = Some(hours);
            return Some(next);
        }
        if let Some((date, next)) = self.date(at, place).filter(|(date, _)| term.allows_date(*date)) {
            term.weak = matches!(date, Date::Partial(partial) if partial.weak);
            term.date_first = !term.has_time();
            term.date = Some(date);
            return Some(next);
        }
        if term.weekday.is_none()
            && let Some(weekday) = names::weekday(self.word(at))
        {
            let week = matches!(term.date, Some(Date::Fixed(period)) if period.unit == Unit::Week);
            if term.date.is_none() || week {
                let short = self.word(at).len() <= 3;
                term.weak = short && !week && !self.token(at).is_some_and(|token| token.capital && at > 0);
                term.weekday = Some(weekday);
                return Some(at + 1);
            }
        }
        if !term.allows_time() {
            return None;
        }
        let within = self.skip(self.skip(at, &["in"]), &["the"]);
        if term.part.is_none()
            && let Some(hours) = names::part_of_day(self.word(within))
        {
            term.part = Some(hours);
            return Some(within + 1);
        }
        if term.time.is_some() || term.bare.is_some() {
            return None;
        }
        let dash = self.mark(at + 1, &["-", "~", "\u{2013}"]) && place == Place::Range;
        let loose = (introduced || dash) && term.has_date() && self.hour_may_end(at + 1);
        if let Some((time, next)) = self.time(at, loose || (place == Place::Range && self.four_digits(at))) {
            term.time = Some(time);
            return Some(next);
        }
        if place == Place::Range && !term.has_date() {
            let at = self.skip(at, &["the"]);
            let (count, next) = self.count(at).filter(|(count, _)| count.value <= 31 && count.digits < 3)?;
            let counted = names::unit(self.word(next)).is_some();
            term.bare = Some(count).filter(|_| !counted);
            return term.bare.map(|_| next);
        }
        None
    }

    /// Whether four digits with a leading zero stand there: a time, since no year begins so.
    fn four_digits(self, at: usize) -> bool {
        self.token(at).is_some_and(|token| token.text.len() == 4 && token.text.starts_with('0'))
    }

    /// Whether what follows leaves a number an hour: nothing that it could count.
    fn hour_may_end(self, at: usize) -> bool {
        let follows =
            ["", "to", "and", "until", "till", "through", "in", "on", "today", "yesterday", "tomorrow", "oclock"];
        follows.contains(&self.word(at))
    }

    fn date(self, at: usize, place: Place) -> Read<Date> {
        let relative = self.relative(at).map(|(period, next)| (Date::Fixed(period), next));
        let partial = self.partial(at).map(|(partial, next)| (Date::Partial(partial), next));
        let best = match (relative, partial) {
            (Some(relative), Some(partial)) => Some(if partial.1 > relative.1 { partial } else { relative }),
            (relative, partial) => relative.or(partial),
        };
        let decade = || self.decade(at).map(|(period, next)| (Date::Fixed(period), next));
        let year = || {
            let at = self.skip(at, &["the"]);
            let named = self.is(at, &["year", "cy"]);
            let at = self.skip(at, &["cy"]);
            let (year, next) = self.year(at).filter(|_| named || place != Place::Alone)?;
            let partial = Partial { year: Some(year), part: Part::Year, weak: !named };
            Some((Date::Partial(partial), next))
        };
        best.or_else(decade).or_else(year)
    }

    /// The period a term names. What is left open is the latest that has begun, or the first from `after` on.
    pub(super) fn resolve(self, term: Term, after: Option<DateTime>) -> Option<Period> {
        if let Some(instant) = term.instant {
            return Some(Period { from: instant, to: instant, unit: Unit::Day });
        }
        let week = self.clock.week_starts_on;
        let dated = match (term.weekday, term.date) {
            (Some(weekday), Some(Date::Fixed(period))) => {
                Period::starting(calendar::weekday_of_week(period.from, weekday, week)?, 1, Unit::Day)
            }
            (Some(weekday), _) => self.nearest_weekday(weekday, after),
            (None, Some(Date::Fixed(period))) => Some(period),
            (None, Some(Date::Partial(partial))) => match after {
                Some(after) => partial.next(calendar::floor(after, Unit::Day, week)?),
                None => partial.latest(self.clock.now),
            },
            (None, None) => Period::around(after.unwrap_or(self.clock.now), Unit::Day, week),
        }?;
        if let Some(time) = self.hour_of(term) {
            let from = calendar::add(calendar::floor(dated.from, Unit::Day, week)?, time.seconds(), Unit::Second)?;
            return Period::starting(from, 1, time.unit);
        }
        match term.part {
            Some(hours) => self.hours_of(dated.from, hours),
            None => Some(dated).filter(|_| term.has_date()),
        }
    }

    /// The time of a term, with what its part of the day says about noon.
    pub(super) fn hour_of(self, term: Term) -> Option<Time> {
        let bare = term.bare.filter(|count| count.value <= 24).and_then(|count| {
            let hour = i8::try_from(count.value).ok()?;
            Some(Time { hour, minute: 0, second: 0, unit: Unit::Hour, open: (1..=12).contains(&hour) })
        });
        let time = term.time.or(bare)?;
        let afternoon = term.part.is_some_and(|(from, _)| from >= 12);
        Some(if afternoon { time.after_noon() } else { time })
    }

    fn nearest_weekday(self, weekday: Weekday, after: Option<DateTime>) -> Option<Period> {
        let today = after.unwrap_or(self.clock.now);
        let back = i64::from(today.date().weekday().since(weekday));
        let shift = if after.is_some() && back > 0 { 7 - back } else { -back };
        let day = calendar::add(calendar::midnight(today.date()), shift, Unit::Day)?;
        Period::starting(day, 1, Unit::Day)
    }
}
