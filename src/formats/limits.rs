//! `limits.d` files, read by pam_limits(8).
//!
//! A line is `domain type item value`, separated by blanks; `#` begins a comment anywhere. `domain -` alone lifts every
//! limit of the domain.

use super::{Problem, blank, line_end, run, split_lines, text};
use std::ops::Range;

/// The limits pam_limits knows.
const ITEMS: &str = "core data fsize memlock nofile rss stack cpu nproc as maxlogins maxsyslogins nonewprivs priority locks \
    sigpending msgqueue nice rtprio chroot";

/// A limits file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Document {
    lines: Vec<Line>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    raw: Vec<u8>,
    parsed: Parsed,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Parsed {
    /// Blank, a comment, or `domain -`.
    Nothing,
    Entry {
        domain: String,
        kind: Kind,
        item: String,
        value: String,
        at: Range<usize>,
    },
    Broken {
        column: usize,
        message: &'static str,
    },
}

/// Which of the two limits a line sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `soft`.
    Soft,
    /// `hard`.
    Hard,
    /// `-`: both.
    Both,
}

impl Kind {
    /// As the file writes it.
    #[must_use]
    pub fn written(self) -> &'static str {
        match self {
            Kind::Soft => "soft",
            Kind::Hard => "hard",
            Kind::Both => "-",
        }
    }
}

/// One limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Line, from 1.
    pub line: usize,
    /// A user, `@group`, `*` or an id range.
    pub domain: &'a str,
    /// Soft, hard or both.
    pub kind: Kind,
    /// `nofile`, `nproc`, `memlock`, …
    pub item: &'a str,
    /// A number or `unlimited`.
    pub value: &'a str,
}

impl Document {
    /// Reads a file. Lines pam_limits would skip are kept, see [`Document::problems`].
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Self {
        Document { lines: split_lines(bytes).map(|raw| Line::new(raw.to_vec())).collect() }
    }

    /// The file's bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.lines.iter().flat_map(|line| line.raw.iter().copied()).collect()
    }

    /// Every limit, in order.
    pub fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        self.lines.iter().enumerate().filter_map(|(i, line)| match &line.parsed {
            Parsed::Entry { domain, kind, item, value, .. } => {
                Some(Entry { line: i + 1, domain, kind: *kind, item, value })
            }
            Parsed::Nothing | Parsed::Broken { .. } => None,
        })
    }

    /// Every line pam_limits would skip.
    pub fn problems(&self) -> impl Iterator<Item = Problem> + '_ {
        self.lines.iter().enumerate().filter_map(|(i, line)| match line.parsed {
            Parsed::Broken { column, message } => Some(Problem { line: i + 1, column, message: message.to_owned() }),
            Parsed::Nothing | Parsed::Entry { .. } => None,
        })
    }

    /// The value of the last line for exactly this domain, kind and item; a line of kind [`Kind::Both`] counts for soft
    /// and hard.
    #[must_use]
    pub fn get(&self, domain: &str, kind: Kind, item: &str) -> Option<&str> {
        self.entries()
            .filter(|e| e.domain == domain && e.item == item && (e.kind == kind || e.kind == Kind::Both))
            .last()
            .map(|e| e.value)
    }

    /// Gives a limit a value, in place of the last line for exactly this domain, kind and item, else on a new last line.
    ///
    /// # Errors
    /// A word that pam_limits would read otherwise.
    pub fn set(&mut self, domain: &str, kind: Kind, item: &str, value: &str) -> Result<(), Problem> {
        let line = format!("{domain} {} {item} {value}", kind.written());
        let right = matches!(parse_line(line.as_bytes()), Parsed::Entry { domain: d, kind: k, item: i, value: v, .. }
            if d == domain && k == kind && i == item && v == value);
        if !right || line.contains(['\n', '\r', '\0']) {
            return Err(Problem { line: 1, column: 1, message: format!("{line:?} is no limit") });
        }
        let last = self.lines.iter_mut().rev().find(|line| {
            matches!(&line.parsed, Parsed::Entry { domain: d, kind: k, item: i, .. }
                if d == domain && *k == kind && i == item)
        });
        if let Some(line) = last {
            let Parsed::Entry { at, .. } = &line.parsed else { return Ok(()) };
            let head = line.raw.get(..at.start).unwrap_or_default();
            let tail = line.raw.get(at.end..).unwrap_or_default();
            *line = Line::new([head, value.as_bytes(), tail].concat());
            return Ok(());
        }
        let end = line_end(self.lines.first().map(|l| l.raw.as_slice()));
        if let Some(last) = self.lines.last_mut()
            && !last.raw.ends_with(b"\n")
        {
            *last = Line::new([&last.raw, end].concat());
        }
        self.lines.push(Line::new([line.as_bytes(), end].concat()));
        Ok(())
    }
}

impl Line {
    fn new(raw: Vec<u8>) -> Self {
        let parsed = parse_line(&raw);
        Line { raw, parsed }
    }
}

fn parse_line(raw: &[u8]) -> Parsed {
    let mut words: Vec<(usize, &[u8])> = Vec::new();
    let mut at = 0;
    while let Some(rest) = raw.get(at..) {
        let gap = run(rest, blank);
        let word = rest.get(gap..).unwrap_or_default();
        let length = run(word, |b| !blank(b) && b != b'#');
        if length > 0 {
            words.push((at + gap, word.get(..length).unwrap_or_default()));
        }
        if word.get(length).is_none_or(|b| *b == b'#') {
            break;
        }
        at += gap + length;
    }
    let broken = |column: usize, message| Parsed::Broken { column: column + 1, message };
    match words.as_slice() {
        [] => Parsed::Nothing,
        [_, (_, b"-")] => Parsed::Nothing,
        [(_, domain), (kind_at, kind), (item_at, item), (value_at, value)] => {
            let kind = match kind.to_ascii_lowercase().as_slice() {
                b"soft" => Kind::Soft,
                b"hard" => Kind::Hard,
                b"-" => Kind::Both,
                _ => return broken(*kind_at, "soft, hard or - is expected here"),
            };
            let item = text(item);
            if !ITEMS.split(' ').any(|known| item.eq_ignore_ascii_case(known)) {
                return broken(*item_at, "this is no limit pam_limits knows");
            }
            let number = match value {
                [b'-' | b'+', digits @ ..] => digits,
                digits => digits,
            };
            let word = matches!(value.to_ascii_lowercase().as_slice(), b"unlimited" | b"infinity");
            let numeric = !number.is_empty() && number.iter().all(u8::is_ascii_digit);
            if !(word || numeric || item.eq_ignore_ascii_case("chroot")) {
                return broken(*value_at, "a number or unlimited is expected here");
            }
            Parsed::Entry {
                domain: text(domain),
                kind,
                item,
                value: text(value),
                at: *value_at..value_at + value.len(),
            }
        }
        [(at, _), ..] => broken(*at, "domain, type, item and value are expected"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_pam_limits_reads() {
        let text = "# c\npostgres\tsoft nofile 65536 # why\n@dba - memlock unlimited\n* -\n";
        let doc = Document::parse(text.as_bytes());
        assert_eq!(doc.problems().count(), 0);
        assert_eq!(doc.get("postgres", Kind::Soft, "nofile"), Some("65536"));
        assert_eq!(doc.get("@dba", Kind::Hard, "memlock"), Some("unlimited"));
    }

    #[test]
    fn an_edit_keeps_the_rest() {
        let mut doc = Document::parse(b"postgres\tsoft nofile 1024 # why\npostgres hard nofle 1\n");
        assert_eq!(doc.problems().map(|p| (p.line, p.column)).collect::<Vec<_>>(), [(2, 15)]);
        doc.set("postgres", Kind::Soft, "nofile", "65536").unwrap();
        doc.set("postgres", Kind::Hard, "nofile", "65536").unwrap();
        assert_eq!(
            doc.to_bytes(),
            b"postgres\tsoft nofile 65536 # why\npostgres hard nofle 1\npostgres hard nofile 65536\n"
        );
        assert!(doc.set("postgres", Kind::Soft, "nofile", "1 # x").is_err());
        assert!(doc.set("a\nb", Kind::Soft, "nofile", "1").is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_come_back(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            prop_assert_eq!(Document::parse(&bytes).to_bytes(), bytes);
        }

        #[test]
        fn a_limit_that_is_set_is_read_back(
            before in "([a-z@* #0-9-]|soft nofile|\r?\n){0,40}", domain in "[@*]?[a-z0-9_-]{1,8}", value in "[0-9]{1,9}"
        ) {
            prop_assume!(domain != "-");
            let mut doc = Document::parse(before.as_bytes());
            doc.set(&domain, Kind::Hard, "nofile", &value).unwrap();
            let again = Document::parse(&doc.to_bytes());
            prop_assert_eq!(again.get(&domain, Kind::Hard, "nofile"), Some(value.as_str()));
            prop_assert_eq!(again, doc);
        }
    }
}
