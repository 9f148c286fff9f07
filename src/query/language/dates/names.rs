//! The names of months, days, units and numbers.

use jiff::civil::Weekday;

use super::calendar::Unit;

/// The month a word names, 1 to 12. Three letters may stand for the whole name.
pub(super) fn month(word: &str) -> Option<i8> {
    const NAMES: [&str; 12] = [
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ];
    if word == "sept" {
        return Some(9);
    }
    let at = NAMES.iter().position(|name| *name == word || (word.len() == 3 && name.starts_with(word)))?;
    i8::try_from(at + 1).ok()
}

/// The day of the week a word names; the usual short forms and plurals count.
pub(super) fn weekday(word: &str) -> Option<Weekday> {
    Some(match word {
        "monday" | "mon" | "mondays" => Weekday::Monday,
        "tuesday" | "tue" | "tues" | "tuesdays" => Weekday::Tuesday,
        "wednesday" | "wed" | "wednesdays" => Weekday::Wednesday,
        "thursday" | "thu" | "thur" | "thurs" | "thursdays" => Weekday::Thursday,
        "friday" | "fri" | "fridays" => Weekday::Friday,
        "saturday" | "sat" | "saturdays" => Weekday::Saturday,
        "sunday" | "sun" | "sundays" => Weekday::Sunday,
        _ => return None,
    })
}

/// The unit a word names, and how many of it (a fortnight is two weeks).
pub(super) fn unit(word: &str) -> Option<(Unit, i64)> {
    Some(match word {
        "second" | "seconds" | "sec" | "secs" => (Unit::Second, 1),
        "minute" | "minutes" | "min" | "mins" => (Unit::Minute, 1),
        "hour" | "hours" | "hr" | "hrs" | "h" => (Unit::Hour, 1),
        "day" | "days" | "d" => (Unit::Day, 1),
        "week" | "weeks" | "wk" | "wks" => (Unit::Week, 1),
        "fortnight" | "fortnights" => (Unit::Week, 2),
        "month" | "months" => (Unit::Month, 1),
        "quarter" | "quarters" => (Unit::Quarter, 1),
        "year" | "years" | "yr" | "yrs" => (Unit::Year, 1),
        "decade" | "decades" => (Unit::Year, 10),
        "century" | "centuries" => (Unit::Year, 100),
        _ => return None,
    })
}

/// Where a part of the day begins and ends, in hours; the end of the night is the end of the day.
pub(super) fn part_of_day(word: &str) -> Option<(i64, i64)> {
    Some(match word {
        "morning" | "mornings" => (8, 12),
        "afternoon" | "afternoons" => (12, 16),
        "evening" | "evenings" => (16, 20),
        "night" | "nights" => (20, 24),
        "daytime" => (8, 18),
        "lunchtime" | "midday" => (11, 13),
        "dinnertime" => (18, 20),
        _ => return None,
    })
}

/// A small number in words, `one` to `nineteen` and the tens.
pub(super) fn cardinal(word: &str) -> Option<u32> {
    const SMALL: [&str; 20] = [
        "zero",
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "eleven",
        "twelve",
        "thirteen",
        "fourteen",
        "fifteen",
        "sixteen",
        "seventeen",
        "eighteen",
        "nineteen",
    ];
    const TENS: [&str; 8] = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];
    let small = SMALL.iter().position(|name| *name == word).and_then(|at| u32::try_from(at).ok());
    let tens = || TENS.iter().position(|name| *name == word).and_then(|at| u32::try_from((at + 2) * 10).ok());
    small.or_else(tens)
}

/// A small ordinal in words, `first` to `nineteenth` and the tens.
pub(super) fn ordinal(word: &str) -> Option<u32> {
    const SMALL: [&str; 19] = [
        "first",
        "second",
        "third",
        "fourth",
        "fifth",
        "sixth",
        "seventh",
        "eighth",
        "ninth",
        "tenth",
        "eleventh",
        "twelfth",
        "thirteenth",
        "fourteenth",
        "fifteenth",
        "sixteenth",
        "seventeenth",
        "eighteenth",
        "nineteenth",
    ];
    match word {
        "twentieth" => return Some(20),
        "thirtieth" => return Some(30),
        _ => {}
    }
    SMALL.iter().position(|name| *name == word).and_then(|at| u32::try_from(at + 1).ok())
}
