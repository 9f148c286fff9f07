//! `.env`.
//!
//! Read as bash, docker compose and python-dotenv agree to read it: `NAME=value`, `export` before it, blanks around
//! `=`, values plain or in single or double quotes, quoted ones over several lines, `#` comments on a line of their own
//! or behind a blank. Where the three differ the line is kept and reported as a [`Problem`], and its name cannot be set.

use super::{Problem, blank, body, line_end, run, trim_end};
use secrecy::zeroize::Zeroize;
use secrecy::{ExposeSecret, SecretString};
use std::fmt;
use std::ops::Range;

/// The mark some editors put at the start of a file.
const BOM: &[u8] = b"\xEF\xBB\xBF";

/// An env file. What it holds is never shown by `Debug`.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Document {
    items: Vec<Item>,
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document").field("names", &self.names().map(|(_, n)| n).collect::<Vec<_>>()).finish()
    }
}

/// One line, or several where a quoted value goes over several.
#[derive(Clone, PartialEq, Eq)]
struct Item {
    raw: Vec<u8>,
    parsed: Parsed,
}

impl Drop for Item {
    fn drop(&mut self) {
        self.raw.zeroize();
    }
}

#[derive(Clone, PartialEq, Eq)]
enum Parsed {
    /// Blank, a comment, or a name without a value, which compose takes from its own environment.
    Nothing,
    Entry(Entry),
    Broken {
        /// A name the line seems to set, so that it is not set a second time elsewhere.
        name: Option<String>,
        column: usize,
        message: &'static str,
    },
}

#[derive(Clone, PartialEq, Eq)]
struct Entry {
    name: String,
    /// Where the value stands in the item, without its quotes.
    value: Range<usize>,
    quote: Quote,
}

/// What is escaped in double quotes, and not taken back by every reader.
const UNLIKE: [char; 5] = ['$', '`', '\n', '\r', '\t'];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quote {
    None,
    Single,
    Double,
}

impl Quote {
    fn of(byte: u8) -> Quote {
        match byte {
            b'\'' => Quote::Single,
            b'"' => Quote::Double,
            _ => Quote::None,
        }
    }

    fn text(self) -> &'static str {
        match self {
            Quote::None => "",
            Quote::Single => "'",
            Quote::Double => "\"",
        }
    }
}

impl Document {
    /// Reads a file.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Self {
        let mut items = Vec::new();
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|r| !r.is_empty()) {
            let item = Item::read(rest, at == 0);
            at += item.raw.len().max(1);
            items.push(item);
        }
        Document { items }
    }

    /// The file's bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.items.iter().flat_map(|item| item.raw.iter().copied()).collect()
    }

    /// Every name that has a value, with its line from 1, in order.
    pub fn names(&self) -> impl Iterator<Item = (usize, &str)> {
        self.numbered().filter_map(|(line, item)| item.entry().map(|e| (line, e.name.as_str())))
    }

    /// The value of a name: where it stands twice, the last, as all three readers take it.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<SecretString> {
        self.items.iter().rev().find_map(|item| item.value(name)).map(SecretString::from)
    }

    /// Whether bash, docker compose and python-dotenv take the name's value from the file alike, which for some values no
    /// form achieves: `${` is expanded by one of them even in single quotes, and what is escaped in double quotes is not
    /// taken back by all.
    #[must_use]
    pub fn reads_alike(&self, name: &str) -> bool {
        let entry = self.items.iter().rev().find_map(|item| Some((item.entry()?.quote, item.value(name)?)));
        entry.is_none_or(|(quote, value)| match quote {
            Quote::None => true,
            Quote::Single => !value.contains("${"),
            Quote::Double => !value.contains(UNLIKE),
        })
    }

    /// The lines, from 1, on which a name stands.
    #[must_use]
    pub fn lines(&self, name: &str) -> Vec<usize> {
        self.numbered().filter(|(_, item)| item.names(name)).map(|(line, _)| line).collect()
    }

    /// Every line that readers would take differently, or not at all.
    pub fn problems(&self) -> impl Iterator<Item = Problem> + '_ {
        self.numbered().filter_map(|(line, item)| match &item.parsed {
            Parsed::Broken { column, message, .. } => {
                Some(Problem { line, column: *column, message: (*message).to_owned() })
            }
            _ => None,
        })
    }

    /// Gives a name that stands in the file once another value. Every other byte stays; the quotes too, unless the
    /// value needs others.
    ///
    /// # Errors
    /// A name that is not there, stands twice, on a line that readers take differently or below a quote that is never
    /// closed; a NUL in the value.
    pub fn set(&mut self, name: &str, value: &SecretString) -> Result<(), Problem> {
        let lines = self.lines(name);
        let problem = |line: usize, message: String| Err(Problem { line, column: 1, message });
        match lines.as_slice() {
            [] => return problem(1, format!("{name} is not in the file")),
            [_] => {}
            [first, .., last] => {
                return problem(*last, format!("{name} stands twice, also in line {first}"));
            }
        }
        if value.expose_secret().contains('\0') {
            return problem(1, format!("the value of {name} holds a NUL"));
        }
        let line = lines.first().copied().unwrap_or(1);
        let before = self.items.clone();
        match self.items.iter_mut().find(|item| item.names(name)) {
            Some(Item { raw, parsed: Parsed::Entry(entry) }) => {
                entry.write(raw, value.expose_secret());
            }
            _ => return problem(line, format!("{name} stands on a line that cannot be read for certain")),
        }
        // A quote in the value would end one that is open above, and the name would become part of that value.
        let read = Document::parse(&self.to_bytes()).get(name);
        if read.is_none_or(|read| read.expose_secret() != value.expose_secret()) {
            self.items = before;
            return problem(line, format!("the value of {name} cannot be read back: a quote above it is never closed"));
        }
        Ok(())
    }

    /// Adds a name behind another one, or at the end of the file.
    ///
    /// # Errors
    /// A name that is there already, is none, or would stand below a quote that is never closed; a NUL in the value.
    pub fn add(&mut self, name: &str, value: &SecretString, behind: Option<&str>) -> Result<(), Problem> {
        let problem = |line: usize, message: String| Err(Problem { line, column: 1, message });
        if let Some(line) = self.lines(name).first() {
            return problem(*line, format!("{name} is in the file already"));
        }
        if !is_name(name) {
            return problem(1, format!("{name:?} is no name of a variable"));
        }
        let at = behind
            .and_then(|b| self.items.iter().position(|item| item.names(b)))
            .map_or(self.items.len(), |index| index + 1);
        let unchanged = self.items.clone();
        let end = line_end(self.items.first().map(|i| i.raw.as_slice()));
        if let Some(before) = at.checked_sub(1).and_then(|i| self.items.get_mut(i))
            && !before.raw.ends_with(b"\n")
        {
            before.raw.extend_from_slice(end);
        }
        let mut raw = format!("{name}=").into_bytes();
        raw.extend_from_slice(end);
        let start = name.len() + 1;
        let entry = Entry { name: name.to_owned(), value: start..start, quote: Quote::None };
        self.items.insert(at, Item { raw, parsed: Parsed::Entry(entry) });
        self.set(name, value).inspect_err(|_| self.items = unchanged)
    }

    /// Takes a name out, with its whole line.
    pub fn remove(&mut self, name: &str) {
        self.items.retain(|item| !item.names(name));
    }

    fn numbered(&self) -> impl Iterator<Item = (usize, &Item)> {
        let mut line = 1;
        self.items.iter().map(move |item| {
            let here = line;
            line += item.raw.iter().filter(|b| **b == b'\n').count();
            (here, item)
        })
    }
}

/// Whether shells take it for a variable's name.
#[must_use]
pub fn is_name(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

impl Item {
    /// The first item of these bytes.
    fn read(rest: &[u8], first: bool) -> Item {
        let length = rest.iter().position(|b| *b == b'\n').map_or(rest.len(), |at| at + 1);
        let (length, parsed) = read(rest, length, first);
        Item { raw: rest.get(..length).unwrap_or(rest).to_vec(), parsed }
    }

    fn entry(&self) -> Option<&Entry> {
        if let Parsed::Entry(entry) = &self.parsed { Some(entry) } else { None }
    }

    fn names(&self, wanted: &str) -> bool {
        match &self.parsed {
            Parsed::Entry(entry) => entry.name == wanted,
            Parsed::Broken { name, .. } => name.as_deref() == Some(wanted),
            Parsed::Nothing => false,
        }
    }

    fn value(&self, name: &str) -> Option<String> {
        let entry = self.entry().filter(|e| e.name == name)?;
        Some(entry.quote.decode(&super::text(self.raw.get(entry.value.clone())?)))
    }
}

/// What the item says, and how long it is; `line` is the length of its first line.
fn read(rest: &[u8], line: usize, first: bool) -> (usize, Parsed) {
    let text = body(rest.get(..line).unwrap_or(rest));
    let byte = |at: usize| text.get(at).copied();
    let blanks = |at: usize| at + run(text.get(at..).unwrap_or_default(), blank);
    let broken = |name: Option<&str>, column: usize, message| {
        (line, Parsed::Broken { name: name.map(str::to_owned), column: column + 1, message })
    };
    let mut at = if first && text.starts_with(BOM) { BOM.len() } else { 0 };
    at = blanks(at);
    if matches!(byte(at), None | Some(b'#')) {
        return (line, Parsed::Nothing);
    }
    if text.get(at..).is_some_and(|t| t.starts_with(b"export")) && byte(at + 6).is_some_and(blank) {
        at = blanks(at + 6);
    }
    let start = at;
    at += run(text.get(at..).unwrap_or_default(), |b| b.is_ascii_alphanumeric() || b"_.-".contains(&b));
    let name = super::text(text.get(start..at).unwrap_or_default());
    if name.is_empty() {
        return broken(None, start, "this is neither NAME=value nor a comment");
    }
    at = blanks(at);
    match byte(at) {
        None | Some(b'#') => return (line, Parsed::Nothing),
        Some(b'=') => at += 1,
        Some(_) => return broken(Some(&name), at, "\"=\" is expected behind the name"),
    }
    let equals = at;
    at = blanks(at);
    let quote = byte(at).map_or(Quote::None, Quote::of);
    if quote == Quote::None {
        // A value that is missing goes right behind "=", or bash would take it for a command.
        let value = Some(plain(text, at)).filter(|v| !v.is_empty()).unwrap_or(equals..equals);
        if value.clone().any(|i| byte(i).is_some_and(|b| b"'\"`\\".contains(&b))) {
            return broken(Some(&name), value.start, "quotes or backslashes inside a value without quotes");
        }
        return (line, Parsed::Entry(Entry { name, value, quote }));
    }
    let Some(end) = closing(rest, at + 1, quote) else {
        return broken(Some(&name), at, "the quote is not closed");
    };
    let behind = rest.get(end + 1..).unwrap_or_default();
    let length = end + 1 + behind.iter().position(|b| *b == b'\n').map_or(behind.len(), |at| at + 1);
    let tail = body(rest.get(end + 1..length).unwrap_or_default());
    let comment = run(tail, blank);
    let parsed = match tail.get(comment) {
        None => Parsed::Entry(Entry { name, value: at + 1..end, quote }),
        Some(b'#') if comment > 0 => Parsed::Entry(Entry { name, value: at + 1..end, quote }),
        Some(_) => Parsed::Broken { name: Some(name), column: 1, message: "text stands behind the closing quote" },
    };
    (length, parsed)
}

/// The value without quotes that begins here: up to a comment or the end of the line.
fn plain(text: &[u8], start: usize) -> Range<usize> {
    let value = text.get(start..).unwrap_or_default();
    let before = |at: usize| match at.checked_sub(1) {
        Some(i) => value.get(i).copied().is_some_and(blank),
        None => text.get(..start).is_some_and(|t| t.last().copied().is_some_and(blank)),
    };
    let end = (0..value.len()).find(|at| value.get(*at) == Some(&b'#') && before(*at)).unwrap_or(value.len());
    let kept = trim_end(value.get(..end).unwrap_or_default()).len();
    start..start + kept
}

/// Where the quote that is open is closed; a backslash keeps the next byte from closing it.
fn closing(rest: &[u8], from: usize, quote: Quote) -> Option<usize> {
    let wanted = *quote.text().as_bytes().first()?;
    let mut at = from;
    loop {
        match rest.get(at)? {
            b'\\' => at += 2,
            b if *b == wanted => return Some(at),
            _ => at += 1,
        }
    }
}

impl Entry {
    /// Puts a value in the place of the old one.
    fn write(&mut self, raw: &mut Vec<u8>, value: &str) {
        let quote = self.quote.fit(value);
        let text = quote.encode(value);
        let (mut start, mut end) = (self.value.start, self.value.end);
        if quote != self.quote {
            let old = self.quote.text().len();
            (start, end) = (start - old, end + old);
        }
        let (open, close) = if quote == self.quote { ("", "") } else { (quote.text(), quote.text()) };
        let new = format!("{open}{text}{close}");
        raw.splice(start..end, new.bytes());
        let inside = start + open.len();
        self.value = inside..inside + text.len();
        self.quote = quote;
    }
}

impl Quote {
    fn decode(self, text: &str) -> String {
        let escaped = |c: char| match (self, c) {
            (Quote::Single, '\'' | '\\') => Some(c),
            (Quote::Double, '"' | '\\' | '$' | '`') => Some(c),
            (Quote::Double, 'n') => Some('\n'),
            (Quote::Double, 'r') => Some('\r'),
            (Quote::Double, 't') => Some('\t'),
            _ => None,
        };
        if self == Quote::None {
            return text.to_owned();
        }
        let mut out = String::with_capacity(text.len());
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            match chars.peek().copied().and_then(escaped).filter(|_| c == '\\') {
                Some(meant) => {
                    out.push(meant);
                    chars.next();
                }
                None => out.push(c),
            }
        }
        out
    }

    /// The quote a value is written in: the one that stands there, where every reader takes the value from it alike.
    fn fit(self, value: &str) -> Quote {
        let harmless = |c: char| c.is_ascii_alphanumeric() || "_-.,:/+=@%~".contains(c);
        let bare = value.chars().all(harmless);
        let single = !value.contains(['\'', '\\']);
        match self {
            Quote::None if bare => Quote::None,
            Quote::Double if !value.contains(UNLIKE) => Quote::Double,
            _ if single => Quote::Single,
            _ => Quote::Double,
        }
    }

    fn encode(self, value: &str) -> String {
        if self != Quote::Double {
            return value.to_owned();
        }
        let mut out = String::with_capacity(value.len());
        for c in value.chars() {
            match c {
                '"' | '\\' | '$' | '`' => out.extend(['\\', c]),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                c => out.push(c),
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn value(document: &Document, name: &str) -> Option<String> {
        document.get(name).map(|v| v.expose_secret().to_owned())
    }

    #[test]
    fn nothing_is_written_below_an_open_quote_that_would_end_it() {
        let text = "A=\"open\nB=b";
        let mut document = Document::parse(text.as_bytes());
        let new = SecretString::from("it's \"new\"");
        assert!(document.set("B", &new).is_err() && document.add("C", &new, None).is_err());
        assert_eq!(document.to_bytes(), text.as_bytes());
        document.set("B", &"plain".into()).unwrap();
        assert_eq!(value(&Document::parse(&document.to_bytes()), "B").as_deref(), Some("plain"));
    }

    #[test]
    fn every_form_is_read() {
        let text = "\u{feff}A=one\r\n  export B = 'two # 2' # x\n#C=no\nD=\"a\\n\\\"b\\\"\" \nE=plain text # c\nF=\nG=#x\nH= # y\nI=\"one\ntwo\"\nJ\nK=a=b/c+d==";
        let document = Document::parse(text.as_bytes());
        assert_eq!(document.to_bytes(), text.as_bytes());
        for (name, expected) in [
            ("A", "one"),
            ("B", "two # 2"),
            ("D", "a\n\"b\""),
            ("E", "plain text"),
            ("F", ""),
            ("G", "#x"),
            ("H", ""),
            ("I", "one\ntwo"),
            ("K", "a=b/c+d=="),
        ] {
            assert_eq!(value(&document, name).as_deref(), Some(expected), "{name}");
        }
        assert_eq!(value(&document, "C"), None);
        assert_eq!(document.lines("K"), [12]);
        assert_eq!(document.problems().count(), 0);
    }

    #[test]
    fn what_readers_take_differently_is_kept_and_not_set() {
        for text in ["A='open\n", "A=\"x\"y\n", "A=a\"b\"\n", "A: b\n", "A=a\\ b\n"] {
            let mut document = Document::parse(text.as_bytes());
            assert_eq!(document.problems().count(), 1, "{text}");
            assert!(document.set("A", &"x".into()).is_err(), "{text}");
            assert!(document.add("A", &"x".into(), None).is_err(), "{text}");
            assert_eq!(document.to_bytes(), text.as_bytes());
        }
        assert_eq!(Document::parse(b"=x\n").problems().count(), 1);
    }

    #[test]
    fn names_that_stand_twice_or_not_at_all_are_refused() {
        let mut document = Document::parse(b"A=1\nB=2\nexport A=3\n");
        assert_eq!(value(&document, "A").as_deref(), Some("3"));
        let error = document.set("A", &"x".into()).unwrap_err();
        assert_eq!((error.line, error.message.as_str()), (3, "A stands twice, also in line 1"));
        assert!(document.set("Z", &"x".into()).is_err());
        assert!(document.set("B", &"x\0".into()).is_err());
    }

    #[test]
    fn a_line_can_be_added_behind_another_and_taken_out_again() {
        for (before, after) in
            [("A=1\r\nB=2", "A=1\r\nN=x\r\nB=2"), ("A=1", "A=1\nN=x\n"), ("B=2\n", "B=2\nN=x\n"), ("", "N=x\n")]
        {
            let mut document = Document::parse(before.as_bytes());
            document.add("N", &"x".into(), Some("A")).unwrap();
            assert_eq!(document.to_bytes(), after.as_bytes());
            assert_eq!(value(&Document::parse(after.as_bytes()), "N").as_deref(), Some("x"));
            document.remove("N");
            assert!(document.lines("N").is_empty());
        }
    }

    #[test]
    fn debug_shows_names_only() {
        assert!(!format!("{:?}", Document::parse(b"A=hunter2\n")).contains("hunter2"));
    }

    fn awkward_value() -> impl Strategy<Value = String> {
        prop_oneof![
            "[A-Za-z0-9_/+=&|.:@%~-]{0,40}",
            "'[^'\\\\\u{0}]{0,30}'",
            "\"([^\"\\\\\u{0}]|\\\\[nrt\"$`\\\\]){0,30}\"",
            "\"line\n\nline [a-z]{3}\"",
            Just("''".to_owned()),
            Just("\"\"".to_owned()),
        ]
    }

    fn awkward_file() -> impl Strategy<Value = (String, String, String)> {
        let noise = prop_oneof![
            Just(String::new()),
            "# [^\r\n\u{0}]{0,30}",
            "[ \t]{0,3}",
            "OTHER_[A-Z]{1,5}=[a-z0-9]{0,9}",
            "export OTHER_[0-9]{1,3}='[^'\\\\\r\n\u{0}]{0,20}' # TARGET=comment",
            "[%&*!?]{1,3} [a-z]{0,9}",
            Just("#TARGET=old".to_owned()),
            Just("XTARGET=y".to_owned()),
            Just("TARGETX='\nTARGET=inside\n'".to_owned()),
        ];
        let lines = proptest::collection::vec(noise, 0..8);
        let line = (
            prop_oneof![Just(""), Just("export "), Just("  "), Just("\texport  ")],
            prop_oneof![Just("="), Just(" = "), Just("= "), Just(" =")],
            awkward_value(),
            prop_oneof![Just(""), Just("  "), Just(" # a comment"), Just("\t#x'\"")],
        );
        let end = prop_oneof![Just("\n"), Just("\r\n")];
        (lines.clone(), line, lines, end, any::<bool>(), any::<bool>()).prop_map(
            |(before, (export, equals, value, tail), after, end, bom, last)| {
                let join = |lines: Vec<String>| lines.into_iter().map(|l| l + end).collect::<String>();
                let equals = if value.is_empty() { "=" } else { equals };
                let head = format!("{}{}{export}TARGET{equals}", if bom { "\u{feff}" } else { "" }, join(before));
                let mut rest = format!("{tail}{end}{}", join(after));
                if last && rest.ends_with(end) {
                    rest.truncate(rest.len() - end.len());
                }
                (head, value, rest)
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 10_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_rotation_changes_the_value_and_nothing_else(
            (head, old, tail) in awkward_file(),
            new in prop_oneof![4 => "[A-Za-z0-9_-]{16,43}", 1 => "[^\u{0}]{1,30}"],
        ) {
            let text = format!("{head}{old}{tail}");
            let mut document = Document::parse(text.as_bytes());
            prop_assert_eq!(document.to_bytes(), text.as_bytes());
            prop_assert_eq!(document.lines("TARGET").len(), 1);
            document.set("TARGET", &new.clone().into()).unwrap();
            let bytes = document.to_bytes();
            prop_assert!(bytes.starts_with(head.as_bytes()), "what stands before it has changed");
            prop_assert!(bytes.ends_with(tail.as_bytes()), "what stands behind it has changed");
            let again = Document::parse(&bytes);
            prop_assert_eq!(value(&again, "TARGET"), Some(new));
            prop_assert!(again == document, "it is read again as it was written");
        }

        #[test]
        fn any_bytes_come_out_as_they_went_in(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(Document::parse(&bytes).to_bytes(), bytes);
        }
    }
}
