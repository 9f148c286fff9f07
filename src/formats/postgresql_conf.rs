//! `postgresql.conf` and the files it includes.
//!
//! The tokens are those of PostgreSQL's own scanner: `name = value` or `name value`, names without regard to case,
//! values as a word, a number with a unit, or in single quotes with `''` and `\` escapes; `#` begins a comment. The last
//! setting of a name wins.

use super::{Problem, line_end, run, split_lines, text};
use std::ops::Range;

/// A file of PostgreSQL settings.
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
    /// Blank or a comment.
    Nothing,
    Entry {
        name: String,
        value: String,
        /// Where the value stands in the line, quotes included.
        at: Range<usize>,
    },
    Broken {
        column: usize,
        message: &'static str,
    },
}

/// A setting, or an include directive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Line, from 1.
    pub line: usize,
    /// As written; compare without regard to case.
    pub name: &'a str,
    /// Unquoted.
    pub value: &'a str,
}

/// What an include directive asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Include {
    /// `include`: a file that must exist.
    File,
    /// `include_if_exists`.
    FileIfExists,
    /// `include_dir`: every `*.conf` of a folder, by name.
    Dir,
}

impl Entry<'_> {
    /// Which include directive this is, if it is one. Relative paths are relative to the file they stand in.
    #[must_use]
    pub fn include(&self) -> Option<Include> {
        match self.name.to_ascii_lowercase().as_str() {
            "include" => Some(Include::File),
            "include_if_exists" => Some(Include::FileIfExists),
            "include_dir" => Some(Include::Dir),
            _ => None,
        }
    }
}

impl Document {
    /// Reads a file. Lines the server would refuse are kept, see [`Document::problems`].
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Self {
        Document { lines: split_lines(bytes).map(|raw| Line::new(raw.to_vec())).collect() }
    }

    /// The file's bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.lines.iter().flat_map(|line| line.raw.iter().copied()).collect()
    }

    /// Every setting and include directive, in order.
    pub fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        self.lines.iter().enumerate().filter_map(|(i, line)| match &line.parsed {
            Parsed::Entry { name, value, .. } => Some(Entry { line: i + 1, name, value }),
            Parsed::Nothing | Parsed::Broken { .. } => None,
        })
    }

    /// Every line the server would refuse.
    pub fn problems(&self) -> impl Iterator<Item = Problem> + '_ {
        self.lines.iter().enumerate().filter_map(|(i, line)| match line.parsed {
            Parsed::Broken { column, message } => Some(Problem { line: i + 1, column, message: message.to_owned() }),
            Parsed::Nothing | Parsed::Entry { .. } => None,
        })
    }

    /// The value this file gives the setting (its last one), unquoted. Includes are not followed.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.entries().filter(|e| e.name.eq_ignore_ascii_case(name)).last().map(|e| e.value)
    }

    /// Gives the setting a value: in place of its last one, with the comment behind it kept, else on a new last line.
    ///
    /// # Errors
    /// A name that is none, or a value with a NUL.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), Problem> {
        let quoted = quote(value).ok_or_else(|| Problem {
            line: 1,
            column: 1,
            message: format!("the value of {name} has a NUL, which no setting can hold"),
        })?;
        let last = self
            .lines
            .iter_mut()
            .rev()
            .find(|line| matches!(&line.parsed, Parsed::Entry { name: n, .. } if n.eq_ignore_ascii_case(name)));
        if let Some(line) = last {
            line.replace(&quoted);
            return Ok(());
        }
        let kind = word(name.as_bytes());
        if kind.0 != name.len() || !matches!(kind.1, Token::Id | Token::QualifiedId) {
            let message = format!("{name:?} is no name of a setting");
            return Err(Problem { line: 1, column: 1, message });
        }
        self.push(format!("{name} = {quoted}").as_bytes());
        Ok(())
    }

    /// Includes a folder, unless the file already does; the line is added at the end, so that the folder's files win.
    /// Whether the file changed.
    pub fn include_dir(&mut self, dir: &str) -> bool {
        let trimmed = dir.trim_end_matches('/');
        let there =
            self.entries().any(|e| e.include() == Some(Include::Dir) && e.value.trim_end_matches('/') == trimmed);
        if there {
            return false;
        }
        self.push(format!("include_dir = '{}'", escape(dir)).as_bytes());
        true
    }

    fn push(&mut self, line: &[u8]) {
        let end = line_end(self.lines.first().map(|l| l.raw.as_slice()));
        if let Some(last) = self.lines.last_mut()
            && !last.raw.ends_with(b"\n")
        {
            *last = Line::new([&last.raw, end].concat());
        }
        let mut raw = line.to_vec();
        raw.extend_from_slice(end);
        self.lines.push(Line::new(raw));
    }
}

impl Line {
    fn new(raw: Vec<u8>) -> Self {
        let parsed = parse_line(&raw);
        Line { raw, parsed }
    }

    fn replace(&mut self, quoted: &str) {
        let Parsed::Entry { at, .. } = &self.parsed else { return };
        let mut raw = Vec::with_capacity(self.raw.len() + quoted.len());
        raw.extend_from_slice(self.raw.get(..at.start).unwrap_or_default());
        // `work_mem'4MB'` is right, `work_mem4MB` is not.
        if raw.last().is_some_and(|b| !b" \t=".contains(b)) {
            raw.push(b' ');
        }
        raw.extend_from_slice(quoted.as_bytes());
        raw.extend_from_slice(self.raw.get(at.end..).unwrap_or_default());
        *self = Line::new(raw);
    }
}

/// A value as a file holds it: plain where PostgreSQL reads it plain, else quoted; `None` where it has a NUL.
#[must_use]
pub fn quote(value: &str) -> Option<String> {
    if value.contains('\0') {
        return None;
    }
    let (length, token) = word(value.as_bytes());
    let plain = length == value.len() && value.is_ascii() && matches!(token, Token::Id | Token::Number);
    Some(if plain { value.to_owned() } else { format!("'{}'", escape(value)) })
}

/// The text between the quotes.
fn escape(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            '\'' => out.push_str("''"),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            c => out.push(c),
        }
    }
    out
}

/// The inverse of [`escape`], with every escape PostgreSQL knows.
fn unescape(quoted: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(quoted.len());
    let mut rest = quoted;
    while let [first, tail @ ..] = rest {
        rest = tail;
        match (first, tail) {
            (b'\'', [b'\'', after @ ..]) => {
                out.push(b'\'');
                rest = after;
            }
            (b'\\', [b'0'..=b'7', ..]) => {
                let digits = run(tail.get(..3).unwrap_or(tail), |b| (b'0'..=b'7').contains(&b));
                let (octal, after) = tail.split_at(digits);
                // Three octal digits may exceed a byte; PostgreSQL keeps the low eight bits.
                let code = octal.iter().fold(0u16, |sum, d| sum * 8 + u16::from(d - b'0'));
                out.push((code & 0xff) as u8);
                rest = after;
            }
            (b'\\', [escaped, after @ ..]) => {
                out.push(match escaped {
                    b'b' => 8,
                    b'f' => 12,
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    other => *other,
                });
                rest = after;
            }
            (other, _) => out.push(*other),
        }
    }
    out
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Id,
    QualifiedId,
    Unquoted,
    Number,
    None,
}

fn letter(b: u8) -> bool {
    b.is_ascii_alphabetic() || b == b'_' || b >= 0x80
}

fn letter_or_digit(b: u8) -> bool {
    letter(b) || b.is_ascii_digit()
}

/// The longest word or number at the start, and what it is.
fn word(bytes: &[u8]) -> (usize, Token) {
    let Some(first) = bytes.first() else { return (0, Token::None) };
    if letter(*first) {
        let id = run(bytes, letter_or_digit);
        let unquoted = run(bytes, |b| letter_or_digit(b) || b"-._:/".contains(&b));
        let qualified = match bytes.get(id..) {
            Some([b'.', tail @ ..]) if tail.first().is_some_and(|b| letter(*b)) => id + 1 + run(tail, letter_or_digit),
            _ => 0,
        };
        return if unquoted > id.max(qualified) {
            (unquoted, Token::Unquoted)
        } else if qualified > id {
            (qualified, Token::QualifiedId)
        } else {
            (id, Token::Id)
        };
    }
    let sign = usize::from(b"+-".contains(first));
    let number = bytes.get(sign..).unwrap_or_default();
    let digits = run(number, |b| b.is_ascii_digit());
    let integer = match number {
        [b'0', b'x', hex @ ..] if hex.first().is_some_and(u8::is_ascii_hexdigit) => {
            2 + run(hex, |b| b.is_ascii_hexdigit())
        }
        _ => digits,
    };
    let unit = run(number.get(integer..).unwrap_or_default(), |b| b.is_ascii_alphabetic());
    let integer = if integer == 0 { 0 } else { sign + integer + unit };
    let real = match number.get(digits..) {
        Some([b'.', tail @ ..]) => {
            let fraction = run(tail, |b| b.is_ascii_digit());
            let after = tail.get(fraction..).unwrap_or_default();
            let exponent = match after {
                [b'e' | b'E', rest @ ..] => {
                    let sign = usize::from(rest.first().is_some_and(|b| b"+-".contains(b)));
                    match run(rest.get(sign..).unwrap_or_default(), |b| b.is_ascii_digit()) {
                        0 => 0,
                        n => 1 + sign + n,
                    }
                }
                _ => 0,
            };
            sign + digits + 1 + fraction + exponent
        }
        _ => 0,
    };
    match integer.max(real) {
        0 => (0, Token::None),
        length => (length, Token::Number),
    }
}

/// The length of a quoted string, quotes included; 0 where it does not end on the line.
fn quoted(bytes: &[u8]) -> usize {
    let mut at = 1;
    loop {
        match bytes.get(at..) {
            Some([b'\'', b'\'', ..]) => at += 2,
            Some([b'\'', ..]) => return at + 1,
            Some([b'\\', b'\n', ..] | [b'\n', ..] | [b'\\'] | []) | None => return 0,
            Some([b'\\', ..]) => at += 2,
            Some([_, ..]) => at += 1,
        }
    }
}

fn parse_line(raw: &[u8]) -> Parsed {
    let blank = |at: usize| at + run(raw.get(at..).unwrap_or_default(), |b| b" \t\r".contains(&b));
    let ends = |at: usize| matches!(raw.get(at), None | Some(b'\n' | b'#'));
    let broken = |at: usize, message| Parsed::Broken { column: at + 1, message };
    let start = blank(0);
    if ends(start) {
        return Parsed::Nothing;
    }
    let (length, token) = word(raw.get(start..).unwrap_or_default());
    if !matches!(token, Token::Id | Token::QualifiedId) {
        return broken(start, "a setting's name is expected here");
    }
    let name = text(raw.get(start..start + length).unwrap_or_default());
    let mut at = blank(start + length);
    if raw.get(at) == Some(&b'=') {
        at = blank(at + 1);
    }
    let rest = raw.get(at..).unwrap_or_default();
    let (length, value) = if rest.first() == Some(&b'\'') {
        match quoted(rest) {
            0 => return broken(at, "the quoted value does not end on its line"),
            n => (n, unescape(rest.get(1..n - 1).unwrap_or_default())),
        }
    } else {
        match word(rest) {
            (_, Token::None) => return broken(at, "a value is expected here"),
            (_, Token::QualifiedId) => return broken(at, "a value with a dot must stand in quotes"),
            (n, _) => (n, rest.get(..n).unwrap_or_default().to_vec()),
        }
    };
    let end = blank(at + length);
    if !ends(end) {
        return broken(end, "nothing but a comment may follow the value");
    }
    Parsed::Entry { name, value: text(&value), at: at..at + length }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SAMPLE: &[u8] = b"# header \xff\r\nListen_Addresses = '*'\t# all\r\nwork_mem 4MB\r\nport=5432#x\r\n\
        archive_command = 'test ! -f ''/a b/%f'' && cp \\\\x'\r\nwork_mem = 8MB   # second\r\n\
        include_dir 'conf.d'\r\npgaudit.log = 'ddl, role'\r\nlast = on";

    #[test]
    fn reads_what_the_server_reads() {
        let doc = Document::parse(SAMPLE);
        assert_eq!(doc.problems().collect::<Vec<_>>(), []);
        assert_eq!(doc.get("listen_addresses"), Some("*"));
        assert_eq!(doc.get("WORK_MEM"), Some("8MB"), "the last one wins");
        assert_eq!(doc.get("port"), Some("5432"));
        assert_eq!(doc.get("archive_command"), Some("test ! -f '/a b/%f' && cp \\x"));
        assert_eq!(doc.get("pgaudit.log"), Some("ddl, role"));
        let includes: Vec<_> = doc.entries().filter_map(|e| e.include().map(|i| (i, e.value, e.line))).collect();
        assert_eq!(includes, [(Include::Dir, "conf.d", 7)]);
    }

    #[test]
    fn an_edit_touches_one_value_and_nothing_else() {
        let mut doc = Document::parse(SAMPLE);
        doc.set("work_mem", "64MB").unwrap();
        doc.set("max_connections", "200").unwrap();
        let before = String::from_utf8_lossy(SAMPLE).into_owned();
        let expected =
            before.replace("work_mem = 8MB   # second", "work_mem = 64MB   # second") + "\r\nmax_connections = 200\r\n";
        assert_eq!(String::from_utf8_lossy(&doc.to_bytes()), expected);
        assert!(doc.to_bytes().contains(&0xff), "bytes that are no UTF-8 stay");
    }

    #[test]
    fn a_value_without_a_gap_before_it_can_be_replaced() {
        let mut doc = Document::parse(b"work_mem'4MB'#c\n");
        doc.set("work_mem", "8MB").unwrap();
        assert_eq!(doc.to_bytes(), b"work_mem 8MB#c\n");
    }

    #[test]
    fn faults_are_found_where_they_are() {
        for (line, column) in [
            ("work_mem = 4 MB", 14),
            ("= 4MB", 1),
            ("work_mem =", 11),
            ("a = 'open", 5),
            ("a = 'open\\", 5),
            ("a = b.c", 5),
            ("4mb = 1", 1),
            ("a-b = 1", 1),
            ("a = 1e5", 7),
            ("a = 'x' y", 9),
        ] {
            let doc = Document::parse(line.as_bytes());
            let found: Vec<_> = doc.problems().map(|p| p.column).collect();
            assert_eq!(found, [column], "{line}");
        }
    }

    #[test]
    fn plain_where_it_can_be_quoted_where_it_must() {
        for (value, file) in [
            ("4GB", "4GB"),
            ("-1", "-1"),
            ("0.9", "0.9"),
            ("on", "on"),
            ("", "''"),
            ("scram-sha-256", "'scram-sha-256'"),
            ("a, b", "'a, b'"),
            ("conf.d", "'conf.d'"),
            ("it's", "'it''s'"),
            ("C:\\x", "'C:\\\\x'"),
            ("two\nlines", "'two\\nlines'"),
        ] {
            assert_eq!(quote(value).as_deref(), Some(file));
        }
        assert_eq!(quote("nul\0"), None);
    }

    #[test]
    fn a_folder_is_included_once() {
        let mut doc = Document::parse(b"port = 5432");
        assert!(doc.include_dir("conf.d"));
        assert!(!doc.include_dir("conf.d/"));
        assert_eq!(doc.to_bytes(), b"port = 5432\ninclude_dir = 'conf.d'\n");
    }

    proptest! {
        #[test]
        fn any_bytes_come_back(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            prop_assert_eq!(Document::parse(&bytes).to_bytes(), bytes);
        }

        #[test]
        fn text_made_of_the_tokens_comes_back(text in "([a-z_. =']|\\\\|''|#|\r?\n|[0-9]|é){0,80}") {
            prop_assert_eq!(Document::parse(text.as_bytes()).to_bytes(), text.as_bytes());
        }

        #[test]
        fn a_value_that_is_set_is_read_back(
            before in "([a-z= '#0-9.\\\\]|\r?\n){0,60}", name in "[a-zA-Z_][a-zA-Z0-9_]{0,10}", value in "[^\0]{0,40}"
        ) {
            let mut doc = Document::parse(before.as_bytes());
            doc.set(&name, &value).unwrap();
            prop_assert_eq!(doc.get(&name), Some(value.as_str()));
            let again = Document::parse(&doc.to_bytes());
            prop_assert_eq!(again.get(&name), Some(value.as_str()));
            prop_assert_eq!(again, doc);
        }
    }
}
