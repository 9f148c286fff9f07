//! Arithmetic on the calendar that cannot overflow: what lies outside the years -9999 to 9999 is `None`.

use jiff::ToSpan;
use jiff::civil::{Date, DateTime, Time, Weekday};

/// A unit of the calendar, from the shortest to the longest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unit {
    /// A second.
    Second,
    /// A minute.
    Minute,
    /// An hour.
    Hour,
    /// A day, midnight to midnight.
    Day,
    /// Seven days from the first day of the week.
    Week,
    /// A month of the calendar.
    Month,
    /// Three months, from January, April, July or October.
    Quarter,
    /// A year of the calendar.
    Year,
}

/// A half-open stretch of time and the unit in which it was named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Period {
    pub(super) from: DateTime,
    pub(super) to: DateTime,
    pub(super) unit: Unit,
}

impl Period {
    /// `count` units from `from`.
    pub(super) fn starting(from: DateTime, count: i64, unit: Unit) -> Option<Self> {
        Some(Self { from, to: add(from, count, unit)?, unit })
    }

    /// The unit that holds `at`.
    pub(super) fn around(at: DateTime, unit: Unit, week: Weekday) -> Option<Self> {
        Self::starting(floor(at, unit, week)?, 1, unit)
    }

    /// Whether it is shorter than a day.
    pub(super) fn within_a_day(self) -> bool {
        self.unit < Unit::Day
    }
}

/// `at` and `count` units more.
pub(super) fn add(at: DateTime, count: i64, unit: Unit) -> Option<DateTime> {
    let seconds = match unit {
        Unit::Second => Some(count),
        Unit::Minute => count.checked_mul(60),
        Unit::Hour => count.checked_mul(3600),
        _ => None,
    };
    let span = match unit {
        Unit::Second | Unit::Minute | Unit::Hour => jiff::Span::new().try_seconds(seconds?).ok()?,
        Unit::Day => jiff::Span::new().try_days(count).ok()?,
        Unit::Week => jiff::Span::new().try_weeks(count).ok()?,
        Unit::Month => jiff::Span::new().try_months(count).ok()?,
        Unit::Quarter => jiff::Span::new().try_months(count.checked_mul(3)?).ok()?,
        Unit::Year => jiff::Span::new().try_years(count).ok()?,
    };
    at.checked_add(span).ok()
}

/// Midnight of a day.
pub(super) fn midnight(date: Date) -> DateTime {
    date.to_datetime(Time::midnight())
}

/// Midnight of a day given by its numbers.
pub(super) fn day(year: i16, month: i8, day: i8) -> Option<DateTime> {
    Date::new(year, month, day).ok().map(midnight)
}

/// The beginning of the unit that holds `at`.
pub(super) fn floor(at: DateTime, unit: Unit, week: Weekday) -> Option<DateTime> {
    let date = at.date();
    match unit {
        Unit::Second => at.with().subsec_nanosecond(0).build().ok(),
        Unit::Minute => at.with().second(0).subsec_nanosecond(0).build().ok(),
        Unit::Hour => at.with().minute(0).second(0).subsec_nanosecond(0).build().ok(),
        Unit::Day => Some(midnight(date)),
        Unit::Week => {
            let days = i64::from(date.weekday().since(week));
            date.checked_sub(days.days()).ok().map(midnight)
        }
        Unit::Month => day(date.year(), date.month(), 1),
        Unit::Quarter => day(date.year(), (date.month() - 1) / 3 * 3 + 1, 1),
        Unit::Year => day(date.year(), 1, 1),
    }
}

/// The first week of which most days lie in a period that begins at `from`.
pub(super) fn first_week(from: DateTime, week: Weekday) -> Option<DateTime> {
    floor(add(from, 3, Unit::Day)?, Unit::Week, week)
}

/// The week's day `weekday` in the week that holds `at`.
pub(super) fn weekday_of_week(at: DateTime, weekday: Weekday, week: Weekday) -> Option<DateTime> {
    add(floor(at, Unit::Week, week)?, i64::from(weekday.since(week)), Unit::Day)
}
