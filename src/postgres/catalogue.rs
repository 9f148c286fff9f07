//! What PostgreSQL 14 to 18 know of every setting: kind, unit, limits, words and default, as real servers answer.
//!
//! `catalogue.tsv` is made by `tools/settings-catalogue` from `pg_settings` of those servers, with the settings of
//! pg_stat_statements, auto_explain, pg_prewarm, pgvector and pgaudit. Versions before and after count as the oldest and
//! the newest that is known.

use std::sync::LazyLock;

/// The oldest major version the catalogue knows.
pub const OLDEST: u32 = 14;
/// The newest major version the catalogue knows.
pub const NEWEST: u32 = 18;

static TEXT: &str = include_str!("catalogue.tsv");
/// Every row, sorted by name and then by version.
static ENTRIES: LazyLock<Vec<Entry>> = LazyLock::new(|| {
    let mut entries: Vec<Entry> = TEXT.lines().filter_map(Entry::read).collect();
    entries.sort_by_cached_key(|e| (e.name.to_ascii_lowercase(), e.since));
    entries
});

/// The type of a setting, `pg_settings.vartype`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `on` and `off`, and the other words that PostgreSQL takes for them.
    Bool,
    /// A whole number, with a unit where the setting has one.
    Integer,
    /// A number, with a unit where the setting has one.
    Real,
    /// A text; a list of known words where [`Entry::words`] is not empty.
    String,
    /// One word of [`Entry::words`].
    Enum,
}

/// What one range of major versions knows of a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Its name as PostgreSQL writes it (`DateStyle`); names are looked up in any case.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// The unit of a number without one, of `min`, `max` and `boot`: `8kB`, `kB`, `MB`, `B`, `ms`, `s`, `min`.
    pub unit: Option<&'static str>,
    /// When a change counts: `postmaster` needs a restart, `internal` cannot be set.
    pub context: &'static str,
    /// The least value, in `unit`.
    pub min: Option<&'static str>,
    /// The greatest value, in `unit`.
    pub max: Option<&'static str>,
    /// The words that it takes, with those that need a library the server may be built without (`lz4`, `io_uring`):
    /// `-C` of the real server tells.
    pub words: &'static str,
    /// The default that is compiled in, in `unit`.
    pub boot: &'static str,
    /// The first major version of this form.
    pub since: u32,
    /// The last major version of this form.
    pub until: u32,
}

/// What the given major version knows of a setting; `None` where it has no such setting.
#[must_use]
pub fn find(name: &str, major: u32) -> Option<Entry> {
    let major = major.clamp(OLDEST, NEWEST);
    forms(name).iter().find(|e| e.since <= major && major <= e.until).copied()
}

/// All forms of a setting, oldest first; empty where no known version has it.
#[must_use]
pub fn forms(name: &str) -> &'static [Entry] {
    let name = name.to_ascii_lowercase();
    let key = |e: &Entry| e.name.to_ascii_lowercase();
    let start = ENTRIES.partition_point(|e| key(e) < name);
    let end = ENTRIES.partition_point(|e| key(e) <= name);
    ENTRIES.get(start..end).unwrap_or_default()
}

/// That a version does not have a setting, and which have it, as a sentence without a full stop.
#[must_use]
pub fn absence(name: &str, major: u32) -> String {
    let forms = forms(name);
    let there = match (forms.first(), forms.last()) {
        (Some(first), _) if first.since > major => format!("; it came with {}", first.since),
        (_, Some(last)) if last.until < major => format!("; {} was the last to have it", last.until),
        _ => String::new(),
    };
    format!("{name} does not exist in PostgreSQL {major}{there}")
}

/// The names of all settings that the given major version has, sorted.
pub fn names(major: u32) -> impl Iterator<Item = &'static str> {
    let major = major.clamp(OLDEST, NEWEST);
    ENTRIES.iter().filter(move |e| e.since <= major && major <= e.until).map(|e| e.name)
}

/// The setting of any version whose name is most like `name`, if one is alike.
#[must_use]
pub fn nearest(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_lowercase();
    let alike = |e: &Entry| strsim::jaro_winkler(&e.name.to_ascii_lowercase(), &name);
    ENTRIES
        .iter()
        .map(|e| (alike(e), e.name))
        .filter(|(s, _)| *s >= 0.85)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, n)| n)
}

impl Entry {
    fn read(line: &'static str) -> Option<Entry> {
        let mut fields = line.split('\t');
        let mut next = || fields.next();
        Some(Entry {
            since: next()?.parse().ok()?,
            until: next()?.parse().ok()?,
            name: next()?,
            kind: match next()? {
                "bool" => Kind::Bool,
                "integer" => Kind::Integer,
                "real" => Kind::Real,
                "string" => Kind::String,
                "enum" => Kind::Enum,
                _ => return None,
            },
            unit: next().filter(|unit| !unit.is_empty()),
            context: next()?,
            min: next().filter(|min| !min.is_empty()),
            max: next().filter(|max| !max.is_empty()),
            words: next()?,
            boot: next()?,
        })
    }

    /// Whether a changed value counts only after a restart.
    #[must_use]
    pub fn needs_restart(&self) -> bool {
        self.context == "postmaster"
    }

    /// Whether this version accepts the value as it stands in a file, quotes aside (`4GB`, `5min`, `on`, `0.9`). What
    /// only the server can tell (its build, names of files, relations between settings) is not judged.
    ///
    /// # Errors
    /// A sentence that says what the server does not accept, and what it would.
    pub fn check(&self, value: &str) -> Result<(), String> {
        if self.context == "internal" {
            return Err(format!("{} cannot be set: it tells how the server was built or made", self.name));
        }
        match self.kind {
            Kind::Bool if is_bool(value) => Ok(()),
            Kind::Bool => Err(format!("{} is on or off, not \"{value}\"", self.name)),
            Kind::Integer | Kind::Real => self.check_number(value),
            Kind::Enum => self.check_words(std::iter::once(value)),
            Kind::String if self.words.is_empty() => Ok(()),
            Kind::String => self.check_words(value.split(',')),
        }
    }

    fn check_words<'a>(&self, mut values: impl Iterator<Item = &'a str>) -> Result<(), String> {
        let known = |word: &str| self.words.split(',').any(|w| w.eq_ignore_ascii_case(word));
        // Where on and off are words, PostgreSQL takes their synonyms too, and does not list them.
        let hidden = known("on") && known("off");
        let wrong = values.find(|value| {
            let word = value.trim();
            let synonym = ["true", "false", "yes", "no", "1", "0"].iter().any(|s| s.eq_ignore_ascii_case(word));
            // An empty list is one word of nothing.
            !(known(word) || hidden && synonym || word.is_empty() && self.kind == Kind::String)
        });
        match wrong {
            None => Ok(()),
            Some(word) => {
                let words = self.words.replace(',', ", ");
                Err(format!("{} does not take \"{}\", but {words}", self.name, word.trim()))
            }
        }
    }

    fn check_number(&self, value: &str) -> Result<(), String> {
        let number = self.number(value)?;
        let limit = |text: Option<&str>| text.and_then(|t| t.parse::<f64>().ok());
        let unit = self.unit.map(|unit| format!(" (in units of {unit})")).unwrap_or_default();
        if let (Some(least), Some(min)) = (limit(self.min), self.min)
            && number < least
        {
            return Err(format!("{} is at least {min}{unit}, not {value}", self.name));
        }
        // 0 turns the ring off; between the two the server refuses (check_vacuum_buffer_usage_limit).
        if self.name == "vacuum_buffer_usage_limit" && number > 0.0 && number < 128.0 {
            return Err(format!("{} is 0 or at least 128kB, not {value}", self.name));
        }
        // pg_settings prints the greatest real number with six digits, less than what it is.
        if let (Some(greatest), Some(max)) = (limit(self.max), self.max)
            && number > greatest
            && greatest < 1e308
        {
            return Err(format!("{} is at most {max}{unit}, not {value}", self.name));
        }
        Ok(())
    }

    /// A written number in the setting's unit, rounded as PostgreSQL rounds it.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub fn number(&self, value: &str) -> Result<f64, String> {
        let text = value.trim();
        let wrong = || format!("{} is a number, not \"{value}\"", self.name);
        let (number, unit) = split_number(text, self.kind).ok_or_else(wrong)?;
        let number = if unit.is_empty() {
            number
        } else {
            let base = self.unit.ok_or_else(|| format!("{} has no unit, but \"{value}\" has", self.name))?;
            let (family, base) = factor(base).ok_or_else(wrong)?;
            match factor(unit) {
                Some((written, factor)) if written == family => number * factor / base,
                _ => {
                    let units = if family == Family::Size { "B, kB, MB, GB and TB" } else { "us, ms, s, min, h and d" };
                    return Err(format!("\"{unit}\" is no unit of {}; those are {units}", self.name));
                }
            }
        };
        Ok(if self.kind == Kind::Integer { number.round_ties_even() } else { number })
    }
}

/// Whether two units can be turned into each other.
#[derive(PartialEq, Eq, Clone, Copy)]
enum Family {
    Size,
    Time,
}

/// A unit's family, and its size in bytes or milliseconds. Case counts, as for PostgreSQL.
fn factor(unit: &str) -> Option<(Family, f64)> {
    Some(match unit {
        "B" => (Family::Size, 1.0),
        "kB" => (Family::Size, 1024.0),
        "8kB" => (Family::Size, 8192.0),
        "MB" => (Family::Size, 1_048_576.0),
        "GB" => (Family::Size, 1_073_741_824.0),
        "TB" => (Family::Size, 1_099_511_627_776.0),
        "us" => (Family::Time, 0.001),
        "ms" => (Family::Time, 1.0),
        "s" => (Family::Time, 1000.0),
        "min" => (Family::Time, 60_000.0),
        "h" => (Family::Time, 3_600_000.0),
        "d" => (Family::Time, 86_400_000.0),
        _ => return None,
    })
}

/// A number and what follows it: decimal, or as in C hexadecimal (`0x1f`) and, where it is whole, octal (`017`).
fn split_number(text: &str, kind: Kind) -> Option<(f64, &str)> {
    let unsigned = text.trim_start_matches(['+', '-']);
    if text.len() - unsigned.len() > 1 {
        return None;
    }
    let sign = if text.starts_with('-') { -1.0 } else { 1.0 };
    let lower = unsigned.to_ascii_lowercase();
    let (digits, radix) = match lower.strip_prefix("0x") {
        Some(hex) => (hex, 16),
        None if kind == Kind::Integer && lower.len() > 1 && lower.starts_with('0') && !lower.contains(['.', 'e']) => {
            (&*lower, 8)
        }
        None => (&*lower, 10),
    };
    if radix != 10 {
        let end = digits.find(|c: char| !c.is_digit(radix)).unwrap_or(digits.len());
        let number = u64::from_str_radix(digits.get(..end)?, radix).ok()?;
        return Some((sign * number as f64, text.get(text.len() - (digits.len() - end)..)?.trim_start()));
    }
    let mut end = unsigned.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(unsigned.len());
    // An exponent, where digits follow it.
    let rest = unsigned.get(end..)?;
    if let Some(exponent) = rest.strip_prefix(['e', 'E']) {
        let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        let count = digits.bytes().take_while(u8::is_ascii_digit).count();
        if count > 0 {
            end = unsigned.len() - digits.len() + count;
        }
    }
    let number: f64 = unsigned.get(..end)?.parse().ok()?;
    Some((sign * number, unsigned.get(end..)?.trim_start()))
}

/// `on`, `off`, `true`, `false`, `yes`, `no` in any case or shortened as far as they stay unique, `1` and `0`.
fn is_bool(value: &str) -> bool {
    let value = value.trim().to_ascii_lowercase();
    match value.as_str() {
        "1" | "0" | "on" | "of" | "off" => true,
        "" => false,
        _ => ["true", "false", "yes", "no"].iter().any(|word| word.starts_with(&value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, major: u32, value: &str) -> Result<(), String> {
        find(name, major).unwrap_or_else(|| panic!("{name} in {major}")).check(value)
    }

    #[test]
    fn settings_come_and_go_with_versions() {
        assert!(find("io_method", 17).is_none());
        assert!(find("io_method", 18).unwrap().needs_restart());
        assert!(find("io_method", 19).is_some(), "a version that is not known counts as the newest");
        assert!(find("vacuum_defer_cleanup_age", 15).is_some());
        assert!(find("vacuum_defer_cleanup_age", 16).is_none());
        assert!(find("autovacuum_max_workers", 17).unwrap().needs_restart());
        assert!(!find("autovacuum_max_workers", 18).unwrap().needs_restart());
        assert_eq!(find("datestyle", 14).unwrap().name, "DateStyle");
        assert_eq!(find("effective_io_concurrency", 18).unwrap().boot, "16");
        assert_eq!(forms("wal_compression").len(), 2);
        assert!(find("hnsw.ef_search", 14).is_some());
        for major in OLDEST..=NEWEST {
            assert!(names(major).count() > 350, "{major}");
        }
    }

    #[test]
    fn sizes_are_checked_in_their_unit() {
        check("shared_buffers", 18, "16GB").unwrap();
        check("shared_buffers", 18, "16384").unwrap();
        check("shared_buffers", 18, "0.5 GB").unwrap();
        check("work_mem", 18, "64kB").unwrap();
        let error = check("work_mem", 18, "63kB").unwrap_err();
        assert!(error.contains("at least 64") && error.contains("kB"), "{error}");
        assert!(check("work_mem", 18, "3TB").is_err());
        assert!(check("work_mem", 18, "16 gb").is_err(), "case counts");
        assert!(check("work_mem", 18, "16K").is_err());
        assert!(check("max_connections", 18, "100kB").unwrap_err().contains("no unit"));
        // 1.9 blocks round to 2.
        assert_eq!(find("shared_buffers", 18).unwrap().number("15.5kB"), Ok(2.0));
    }

    #[test]
    fn durations_numbers_and_words_are_checked() {
        check("checkpoint_timeout", 18, "15min").unwrap();
        assert!(check("checkpoint_timeout", 18, "2d").is_err(), "a day at most");
        check("autovacuum_vacuum_cost_delay", 18, "500us").unwrap();
        check("random_page_cost", 18, "1.1").unwrap();
        check("random_page_cost", 18, "11e-1").unwrap();
        check("max_connections", 18, "0x40").unwrap();
        assert!(check("max_connections", 18, "many").is_err());
        assert!(check("max_connections", 18, "--5").is_err());
        assert!(check("max_connections", 18, "").is_err());
        check("fsync", 18, "t").unwrap();
        assert!(check("fsync", 18, "o").is_err(), "on and off both begin so");
        check("huge_pages", 18, "try").unwrap();
        check("huge_pages", 18, "TRUE").unwrap();
        assert!(check("huge_pages", 18, "maybe").unwrap_err().contains("try"));
        assert!(check("wal_compression", 14, "lz4").is_err());
        check("wal_compression", 15, "lz4").unwrap();
        check("log_connections", 18, "receipt, authorization").unwrap();
        assert!(check("log_connections", 17, "receipt").is_err());
        assert!(check("server_version_num", 18, "180000").unwrap_err().contains("cannot be set"));
    }

    #[test]
    fn a_mistyped_name_finds_the_right_one() {
        assert_eq!(nearest("share_buffers"), Some("shared_buffers"));
        assert_eq!(nearest("autovacum_max_worker"), Some("autovacuum_max_workers"));
        assert_eq!(nearest("xyzzy"), None);
    }
}
