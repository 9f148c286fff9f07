//! Numbers, clock times and other small phrases, read from the tokens at a place.

use super::Clock;
use super::names;
use super::tokens::{Kind, Token};

/// What a phrase became, and the place of the token after it.
pub(super) type Read<T> = Option<(T, usize)>;

/// The tokens of a question and the time at which it is asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a> {
    pub(super) tokens: &'a [Token],
    pub(super) clock: &'a Clock,
}

/// A number, and whether it was written as an ordinal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Count {
    pub(super) value: u32,
    pub(super) ordinal: bool,
    /// Digits as written; 0 for a number in words.
    pub(super) digits: usize,
}

/// A time of the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Time {
    pub(super) hour: i8,
    pub(super) minute: i8,
    pub(super) second: i8,
    pub(super) unit: super::Unit,
    /// Whether it may as well be meant twelve hours later.
    pub(super) open: bool,
}

impl Time {
    /// The same time after noon, where the words leave that open.
    pub(super) fn after_noon(self) -> Self {
        let hour = if self.open && self.hour < 12 { self.hour + 12 } else { self.hour };
        Self { hour, open: false, ..self }
    }

    /// Seconds since midnight.
    pub(super) fn seconds(self) -> i64 {
        i64::from(self.hour) * 3600 + i64::from(self.minute) * 60 + i64::from(self.second)
    }
}

impl<'a> Reader<'a> {
    pub(super) fn token(self, at: usize) -> Option<&'a Token> {
        self.tokens.get(at)
    }

    /// The word at a place; empty where there is none.
    pub(super) fn word(self, at: usize) -> &'a str {
        self.token(at).map_or("", |token| if token.kind == Kind::Word { &token.text } else { "" })
    }

    pub(super) fn is(self, at: usize, words: &[&str]) -> bool {
        let word = self.word(at);
        !word.is_empty() && words.contains(&word)
    }

    /// Whether the words of `phrase` stand at a place.
    pub(super) fn phrase(self, at: usize, phrase: &str) -> Option<usize> {
        let mut place = at;
        for word in phrase.split(' ') {
            if self.word(place) != word {
                return None;
            }
            place += 1;
        }
        Some(place)
    }

    pub(super) fn skip(self, at: usize, words: &[&str]) -> usize {
        if self.is(at, words) { at + 1 } else { at }
    }

    pub(super) fn mark(self, at: usize, marks: &[&str]) -> bool {
        self.token(at).is_some_and(|token| token.kind == Kind::Mark && marks.contains(&token.text.as_str()))
    }

    pub(super) fn glued(self, at: usize) -> bool {
        self.token(at).is_some_and(|token| token.glued)
    }

    /// Digits, `five`, `twenty-six`, `the 17th`, `twenty sixth`.
    pub(super) fn count(self, at: usize) -> Read<Count> {
        let token = self.token(at)?;
        match token.kind {
            Kind::Number(value) => return Some((Count { value, ordinal: false, digits: token.text.len() }, at + 1)),
            Kind::Ordinal(value) => return Some((Count { value, ordinal: true, digits: 0 }, at + 1)),
            Kind::Word => {}
            _ => return None,
        }
        if let Some(value) = names::ordinal(&token.text) {
            return Some((Count { value, ordinal: true, digits: 0 }, at + 1));
        }
        let value = names::cardinal(&token.text)?;
        if (20..100).contains(&value) {
            let place = if self.mark(at + 1, &["-"]) { at + 2 } else { at + 1 };
            let unit = names::ordinal(self.word(place)).filter(|unit| *unit < 10).map(|unit| (unit, true));
            let unit = unit.or_else(|| {
                names::cardinal(self.word(place)).filter(|unit| (1..10).contains(unit)).map(|unit| (unit, false))
            });
            if let Some((unit, ordinal)) = unit {
                return Some((Count { value: value + unit, ordinal, digits: 0 }, place + 1));
            }
        }
        Some((Count { value, ordinal: false, digits: 0 }, at + 1))
    }

    /// A number of units: a count, `a`, `a couple of`, `a few`.
    pub(super) fn amount(self, at: usize) -> Read<i64> {
        let fixed = [("a couple of", 2), ("a couple", 2), ("couple of", 2), ("couple", 2), ("a few", 3), ("few", 3)];
        for (phrase, value) in fixed {
            if let Some(next) = self.phrase(at, phrase) {
                return Some((value, next));
            }
        }
        if self.is(at, &["a", "an"]) {
            return Some((1, at + 1));
        }
        let (count, next) = self.count(at)?;
        if count.ordinal { None } else { Some((i64::from(count.value), next)) }
    }

    /// A year in four digits or in words; the caller knows whether a year may stand there.
    pub(super) fn year(self, at: usize) -> Read<i16> {
        let named = self.word(at) == "year";
        if named && at > 0 && self.is(at - 1, &["fiscal", "school", "academic", "financial"]) {
            return None;
        }
        let at = at + usize::from(named);
        if let Some(Kind::Number(value)) = self.token(at).map(|token| &token.kind) {
            let four = self.token(at).is_some_and(|token| token.text.len() == 4);
            let value = i16::try_from(*value).ok().filter(|year| four && (1500..=2200).contains(year))?;
            return Some((value, at + 1));
        }
        self.year_in_words(at)
    }

    fn year_in_words(self, at: usize) -> Read<i16> {
        let tail =
            |at: usize| self.count(at).filter(|(count, _)| !count.ordinal && count.digits == 0 && count.value < 100);
        let (century, mut next) = tail(at)?;
        let base = if self.word(next) == "thousand" && century.value == 2 {
            next = self.skip(next + 1, &["and"]);
            2000
        } else if self.word(next) == "hundred" && (15..=21).contains(&century.value) {
            next = self.skip(next + 1, &["and"]);
            century.value * 100
        } else if (18..=20).contains(&century.value) {
            let (rest, next) = tail(next).filter(|(rest, _)| rest.value >= 10)?;
            return Some((i16::try_from(century.value * 100 + rest.value).ok()?, next));
        } else {
            return None;
        };
        let (rest, next) = tail(next).map_or((0, next), |(rest, next)| (rest.value, next));
        Some((i16::try_from(base + rest).ok()?, next))
    }

    /// `10:30`, `5pm`, `2.30 pm`, `noon`, `half past ten`, `eight o'clock`, `two thirty`, `0930`.
    /// With `loose` a lone number up to 24 is an hour.
    pub(super) fn time(self, at: usize, loose: bool) -> Read<Time> {
        let at = self.skip(at, &["around", "about", "approximately", "exactly"]);
        let whole = |hour, open| Time { hour, minute: 0, second: 0, unit: super::Unit::Hour, open };
        match self.word(at) {
            "noon" => return Some((whole(12, false), at + 1)),
            "midnight" => return Some((whole(0, false), at + 1)),
            "half" | "quarter" => return self.spoken_fraction(at),
            _ => {}
        }
        if let Some(Kind::Decimal(_)) = self.token(at).map(|token| &token.kind) {
            return self.dotted_time(at);
        }
        let (count, next) = self.count(at).filter(|(count, _)| !count.ordinal)?;
        if count.digits == 4 && loose && !self.mark(next, &[":"]) {
            let (hour, minute) = (count.value / 100, count.value % 100);
            let time = clock_time(hour, minute, 0, super::Unit::Minute).filter(|_| hour < 13)?;
            return Some((time, next));
        }
        let colon = self.mark(next, &[":"]) && self.glued(next);
        if colon && let Some((minute, next)) = self.two_digits(next + 1) {
            return self.seconds_and_meridian(count.value, minute, next);
        }
        if let Some((time, next)) = self.meridian(clock_time(count.value, 0, 0, super::Unit::Hour)?, next) {
            return Some((time, next));
        }
        if self.is(next, &["oclock"]) {
            let time = clock_time(count.value, 0, 0, super::Unit::Hour)?;
            return Some(self.meridian(time, next + 1).unwrap_or((time, next + 1)));
        }
        let spoken =
            |next| self.count(next).filter(|(m, _)| !m.ordinal && m.digits == 0 && (10..60).contains(&m.value));
        if count.digits == 0
            && count.value <= 12
            && let Some((minute, next)) = spoken(next)
        {
            let time = clock_time(count.value, minute.value, 0, super::Unit::Minute)?;
            return Some(self.meridian(time, next).unwrap_or((time, next)));
        }
        let hour = loose && count.value <= 24 && names::unit(self.word(next)).is_none();
        if hour { Some((clock_time(count.value, 0, 0, super::Unit::Hour)?, next)) } else { None }
    }

    fn two_digits(self, at: usize) -> Read<u32> {
        let token = self.token(at).filter(|token| token.glued)?;
        match token.kind {
            Kind::Number(value) if token.text.len() == 2 && value < 60 => Some((value, at + 1)),
            // Seconds with a fraction, as in an ISO timestamp.
            Kind::Decimal(value) if value < 60.0 => Some((token.text.split('.').next()?.parse().ok()?, at + 1)),
            _ => None,
        }
    }

    fn seconds_and_meridian(self, hour: u32, minute: u32, next: usize) -> Read<Time> {
        let seconds = self.mark(next, &[":"]).then(|| self.two_digits(next + 1)).flatten();
        let (time, next) = match seconds {
            Some((second, next)) => (clock_time(hour, minute, second, super::Unit::Second)?, next),
            None => (clock_time(hour, minute, 0, super::Unit::Minute)?, next),
        };
        Some(self.meridian(time, next).unwrap_or((time, next)))
    }

    fn dotted_time(self, at: usize) -> Read<Time> {
        let (hour, minute) = self.token(at)?.text.split_once('.')?;
        let minute: u32 = minute.parse().ok().filter(|_| minute.len() == 2)?;
        self.meridian(clock_time(hour.parse().ok()?, minute, 0, super::Unit::Minute)?, at + 1)
    }

    fn spoken_fraction(self, at: usize) -> Read<Time> {
        let half = self.word(at) == "half";
        let past = self.word(at + 1) == "past";
        if !past && (half || self.word(at + 1) != "to") {
            return None;
        }
        let (hour, next) = self.count(at + 2).filter(|(hour, _)| (1..=12).contains(&hour.value))?;
        let minutes = if past { hour.value * 60 + if half { 30 } else { 15 } } else { hour.value * 60 - 15 };
        let time = clock_time(minutes / 60, minutes % 60, 0, super::Unit::Minute)?;
        Some(self.meridian(time, next).unwrap_or((time, next)))
    }

    /// `am` or `pm` after a time, with or without points.
    fn meridian(self, time: Time, at: usize) -> Read<Time> {
        let (pm, next) = match self.word(at) {
            "am" => (false, at + 1),
            "pm" => (true, at + 1),
            letter @ ("a" | "p") if self.mark(at + 1, &["."]) && self.word(at + 2) == "m" => {
                (letter == "p", if self.mark(at + 3, &["."]) { at + 4 } else { at + 3 })
            }
            _ => return None,
        };
        if !(1..=12).contains(&time.hour) {
            return None;
        }
        let hour = time.hour % 12 + if pm { 12 } else { 0 };
        Some((Time { hour, open: false, ..time }, next))
    }
}

fn clock_time(hour: u32, minute: u32, second: u32, unit: super::Unit) -> Option<Time> {
    let small = |value: u32, below: u32| i8::try_from(value).ok().filter(|_| value < below);
    let open = (1..=12).contains(&hour);
    Some(Time { hour: small(hour, 25)?, minute: small(minute, 60)?, second: small(second, 60)?, unit, open })
}
