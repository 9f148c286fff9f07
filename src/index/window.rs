//! The hours in which a rebuild may start: `01:00-05:00`, by this host's clock; over midnight too.

use jiff::civil::Time;
use std::str::FromStr;

/// Hours of the day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    from: Time,
    to: Time,
}

impl Window {
    /// Whether this time of the day lies inside; the end does not.
    #[must_use]
    pub fn contains(&self, time: Time) -> bool {
        if self.from <= self.to { self.from <= time && time < self.to } else { self.from <= time || time < self.to }
    }

    /// Whether it is open now.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.contains(jiff::Zoned::now().time())
    }
}

impl FromStr for Window {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("\"{text}\" are no hours; write them as in 01:00-05:00");
        let (from, to) = text.split_once('-').ok_or_else(wrong)?;
        let time = |text: &str| {
            let (hour, minute) = text.trim().split_once(':')?;
            Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok()
        };
        let (from, to) = (time(from).ok_or_else(wrong)?, time(to).ok_or_else(wrong)?);
        if from == to { Err(wrong()) } else { Ok(Window { from, to }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_may_lie_around_midnight() {
        let night: Window = "22:30-05:00".parse().unwrap();
        let day: Window = "01:00-05:00".parse().unwrap();
        let at = |h, m| Time::new(h, m, 0, 0).unwrap();
        assert!(night.contains(at(22, 30)) && night.contains(at(0, 0)) && !night.contains(at(5, 0)));
        assert!(!night.contains(at(12, 0)));
        assert!(day.contains(at(1, 0)) && !day.contains(at(5, 0)) && !day.contains(at(0, 59)));
        for wrong in ["1-5", "25:00-26:00", "01:00", "01:00-01:00", ""] {
            assert!(wrong.parse::<Window>().is_err(), "{wrong}");
        }
    }
}
