//! `pgbouncer.ini`.
//!
//! Read as PgBouncer reads it: `[section]`, `key = value` up to the end of the line, `;` and `#` comments only at the
//! start of a line (behind a value they are part of it), `%include file`. A second `[pgbouncer]` section puts every
//! setting of the first back to its default; `[databases]`, `[users]` and `[peers]` add up.

use super::{Problem, blank, body, line_end, one_line, run, split_lines, text, trim, trim_end};
use std::ops::Range;

/// Sections whose keys are names of things: a second section of the name adds to the first.
const ADDING: &[&str] = &["databases", "users", "peers"];

/// An ini file.
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
    Section(String),
    Include(String),
    Entry {
        key: String,
        value: String,
        /// Where the value stands in the line.
        at: Range<usize>,
    },
    Broken {
        column: usize,
        message: &'static str,
    },
}

/// A key and its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Line, from 1.
    pub line: usize,
    /// The section's name; empty before the first section.
    pub section: &'a str,
    /// The key, unquoted.
    pub key: &'a str,
    /// The value, without the blanks around it.
    pub value: &'a str,
}

impl Document {
    /// Reads a file. Lines PgBouncer would refuse are kept, see [`Document::problems`].
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Self {
        Document { lines: split_lines(bytes).map(|raw| Line::new(raw.to_vec())).collect() }
    }

    /// The file's bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.lines.iter().flat_map(|line| line.raw.iter().copied()).collect()
    }

    /// Every key, in order.
    pub fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        let mut section = "";
        self.lines.iter().enumerate().filter_map(move |(i, line)| match &line.parsed {
            Parsed::Section(name) => {
                section = name;
                None
            }
            Parsed::Entry { key, value, .. } => Some(Entry { line: i + 1, section, key, value }),
            Parsed::Nothing | Parsed::Include(_) | Parsed::Broken { .. } => None,
        })
    }

    /// Every `%include`d file with its line, from 1.
    pub fn includes(&self) -> impl Iterator<Item = (usize, &str)> {
        self.lines.iter().enumerate().filter_map(|(i, line)| match &line.parsed {
            Parsed::Include(file) => Some((i + 1, file.as_str())),
            _ => None,
        })
    }

    /// Every line PgBouncer would refuse.
    pub fn problems(&self) -> impl Iterator<Item = Problem> + '_ {
        let mut any_section = false;
        self.lines.iter().enumerate().filter_map(move |(i, line)| {
            let (column, message) = match &line.parsed {
                Parsed::Section(_) => {
                    any_section = true;
                    return None;
                }
                Parsed::Entry { .. } if !any_section => (1, "a key stands before the first [section]"),
                Parsed::Broken { column, message } => (*column, *message),
                Parsed::Nothing | Parsed::Include(_) | Parsed::Entry { .. } => return None,
            };
            Some(Problem { line: i + 1, column, message: message.to_owned() })
        })
    }

    /// The value in force in this file. Includes are not followed.
    #[must_use]
    pub fn get(&self, section: &str, key: &str) -> Option<&str> {
        let (_, index) = self.find(section, key);
        match &self.lines.get(index?)?.parsed {
            Parsed::Entry { value, .. } => Some(value),
            _ => None,
        }
    }

    /// Gives a key a value, in place of the one in force; else on a new line at the end of the section, below `comment`
    /// (a line each, without `;`); else in a new section at the end of the file.
    ///
    /// # Errors
    /// A value, key, section or comment that would not stay on its line, or that PgBouncer would read otherwise.
    pub fn set(&mut self, section: &str, key: &str, value: &str, comment: &[String]) -> Result<(), Problem> {
        one_line("the section", section)?;
        one_line("the key", key)?;
        one_line("the value", value)?;
        for line in comment {
            one_line("the comment", line)?;
        }
        let wrong = |message: String| Err(Problem { line: 1, column: 1, message });
        if trim(value.as_bytes()) != value.as_bytes() {
            return wrong(format!("{value:?} of {key} begins or ends with a blank, which PgBouncer drops"));
        }
        if section.contains(']') {
            return wrong(format!("{section:?} is no name of a section"));
        }
        let (section_end, found) = self.find(section, key);
        if let Some(line) = found.and_then(|i| self.lines.get_mut(i)) {
            line.replace(value);
            return Ok(());
        }
        let end = line_end(self.lines.first().map(|l| l.raw.as_slice())).to_vec();
        if let Some(last) = self.lines.last_mut()
            && !last.raw.ends_with(b"\n")
        {
            *last = Line::new([last.raw.as_slice(), &end].concat());
        }
        let mut new: Vec<String> = Vec::new();
        if section_end.is_none() {
            if !self.lines.is_empty() {
                new.push(String::new());
            }
            new.push(format!("[{section}]"));
        }
        new.extend(comment.iter().map(|c| format!("; {c}").trim_ascii_end().to_owned()));
        new.push(format!("{} = {value}", quote_key(key)));
        let at = section_end.unwrap_or(self.lines.len());
        let lines = new.into_iter().map(|text| Line::new([text.as_bytes(), &end].concat()));
        self.lines.splice(at..at, lines);
        Ok(())
    }

    /// Replaces a value everywhere it stands in the file with what `change` makes of it, line by line.
    pub fn rewrite(&mut self, change: impl Fn(&Entry<'_>) -> Option<String>) {
        let mut section = String::new();
        for (i, line) in self.lines.iter_mut().enumerate() {
            match &line.parsed {
                Parsed::Section(name) => section.clone_from(name),
                Parsed::Entry { key, value, .. } => {
                    if let Some(new) = change(&Entry { line: i + 1, section: &section, key, value })
                        && one_line("the value", &new).is_ok()
                    {
                        line.replace(&new);
                    }
                }
                Parsed::Nothing | Parsed::Include(_) | Parsed::Broken { .. } => {}
            }
        }
    }

    /// Where a new key of the section belongs (behind its last key, before the blank lines that end it), and the line of
    /// the key in force.
    fn find(&self, section: &str, key: &str) -> (Option<usize>, Option<usize>) {
        let mut inside = false;
        let (mut end, mut found) = (None, None);
        for (i, line) in self.lines.iter().enumerate() {
            match &line.parsed {
                Parsed::Section(name) => {
                    inside = name == section;
                    if inside {
                        end = Some(i + 1);
                        if !ADDING.contains(&section) {
                            found = None;
                        }
                    }
                }
                Parsed::Entry { key: k, .. } if inside => {
                    end = Some(i + 1);
                    if k == key {
                        found = Some(i);
                    }
                }
                Parsed::Include(_) | Parsed::Broken { .. } if inside => end = Some(i + 1),
                _ => {}
            }
        }
        (end, found)
    }
}

impl Line {
    fn new(raw: Vec<u8>) -> Self {
        let parsed = parse_line(&raw);
        Line { raw, parsed }
    }

    fn replace(&mut self, value: &str) {
        let Parsed::Entry { at, .. } = &self.parsed else { return };
        let head = self.raw.get(..at.start).unwrap_or_default();
        let tail = self.raw.get(at.end..).unwrap_or_default();
        *self = Line::new([head, value.as_bytes(), tail].concat());
    }
}

fn key_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"_.-*".contains(&b)
}

/// Names with other than these characters stand in double quotes, a quote in them doubled.
fn quote_key(key: &str) -> String {
    if !key.is_empty() && key.bytes().all(key_byte) {
        key.to_owned()
    } else {
        format!("\"{}\"", key.replace('"', "\"\""))
    }
}

fn parse_line(raw: &[u8]) -> Parsed {
    let line = body(raw);
    let skip = |at: usize| at + run(line.get(at..).unwrap_or_default(), blank);
    let broken = |at: usize, message| Parsed::Broken { column: at + 1, message };
    let start = skip(0);
    let rest = line.get(start..).unwrap_or_default();
    let (key, length) = match rest {
        [] | [b'#' | b';', ..] => return Parsed::Nothing,
        [b'[', name @ ..] => {
            let length = run(name, |b| b != b']');
            if length == name.len() {
                return broken(start, "the section's name has no closing ]");
            }
            let after = skip(start + length + 2);
            return match line.get(after) {
                None | Some(b'#' | b';') => Parsed::Section(text(name.get(..length).unwrap_or_default())),
                Some(_) => broken(after, "a section's name stands on a line of its own"),
            };
        }
        [b'%', ..] => {
            return match rest.strip_prefix(b"%include") {
                Some(file) if file.first().is_some_and(|b| blank(*b)) && !trim(file).is_empty() => {
                    Parsed::Include(text(trim(file)))
                }
                _ => broken(start, "after % only include and a file's name are known"),
            };
        }
        [b'"', ..] => match quoted_key(rest) {
            Some(found) => found,
            None => return broken(start, "the quoted name does not end on its line"),
        },
        _ => {
            let length = run(rest, key_byte);
            (text(rest.get(..length).unwrap_or_default()), length)
        }
    };
    let equals = skip(start + length);
    if line.get(equals) != Some(&b'=') {
        return broken(equals, "key = value is expected here");
    }
    if length == 0 {
        return broken(start, "the key is missing");
    }
    let at = skip(equals + 1);
    let value = trim_end(line.get(at..).unwrap_or_default());
    Parsed::Entry { key, value: text(value), at: at..at + value.len() }
}

/// A key in double quotes, unquoted, and the length of the whole.
fn quoted_key(bytes: &[u8]) -> Option<(String, usize)> {
    let mut key = Vec::new();
    let mut at = 1;
    loop {
        match bytes.get(at..)? {
            [b'"', b'"', ..] => {
                key.push(b'"');
                at += 2;
            }
            [b'"', ..] => return Some((text(&key), at + 1)),
            [b, ..] => {
                key.push(*b);
                at += 1;
            }
            [] => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SAMPLE: &str = "; pools\n%include /etc/pgbouncer/more.ini\n[databases]\n\
        llm = host=127.0.0.1 port=5432 dbname=llm  \n\"odd name\" = host=b\n* = host=c\n\n\
        [pgbouncer]\n# mode\npool_mode = transaction ; not a comment\nmax_client_conn=100\n\n[users]\nu = pool_mode=session\n";

    #[test]
    fn reads_what_pgbouncer_reads() {
        let doc = Document::parse(SAMPLE.as_bytes());
        assert_eq!(doc.problems().collect::<Vec<_>>(), []);
        assert_eq!(doc.get("databases", "llm"), Some("host=127.0.0.1 port=5432 dbname=llm"));
        assert_eq!(doc.get("databases", "odd name"), Some("host=b"));
        assert_eq!(doc.get("pgbouncer", "pool_mode"), Some("transaction ; not a comment"));
        assert_eq!(doc.get("users", "max_client_conn"), None);
        assert_eq!(doc.includes().collect::<Vec<_>>(), [(2, "/etc/pgbouncer/more.ini")]);
    }

    #[test]
    fn a_second_section_puts_settings_back_but_adds_databases() {
        let text = "[pgbouncer]\na = 1\nb = 1\n[databases]\nx = 1\n[pgbouncer]\nb = 2\n[databases]\ny = 2\n";
        let doc = Document::parse(text.as_bytes());
        assert_eq!(doc.get("pgbouncer", "a"), None);
        assert_eq!(doc.get("pgbouncer", "b"), Some("2"));
        assert_eq!(doc.get("databases", "x"), Some("1"));
    }

    #[test]
    fn edits_stay_where_the_key_was_and_new_keys_end_their_section() {
        let mut doc = Document::parse(SAMPLE.as_bytes());
        doc.set("pgbouncer", "pool_mode", "session", &[]).unwrap();
        doc.set("pgbouncer", "max_client_conn", "500", &["ignored where the key stands".into()]).unwrap();
        doc.set("pgbouncer", "default_pool_size", "20", &["2 per CPU".into()]).unwrap();
        let expected = SAMPLE
            .replace("transaction ; not a comment", "session")
            .replace("max_client_conn=100\n", "max_client_conn=500\n; 2 per CPU\ndefault_pool_size = 20\n");
        assert_eq!(String::from_utf8(doc.to_bytes()).unwrap(), expected);
    }

    #[test]
    fn a_file_without_the_section_or_a_final_line_end_gets_both() {
        let mut doc = Document::parse(b"[databases]\r\na = host=x");
        doc.set("pgbouncer", "listen_port", "6432", &[]).unwrap();
        assert_eq!(doc.to_bytes(), b"[databases]\r\na = host=x\r\n\r\n[pgbouncer]\r\nlisten_port = 6432\r\n");
    }

    #[test]
    fn a_value_that_would_become_another_line_is_refused() {
        let mut doc = Document::parse(b"[pgbouncer]\n");
        assert!(doc.set("pgbouncer", "a", "1\nadmin_users = *", &[]).is_err());
        assert!(doc.set("pgbouncer", "a", "1", &["x\nadmin_users = *".into()]).is_err());
        assert!(doc.set("x]\n[y", "a", "1", &[]).is_err());
        assert_eq!(doc.to_bytes(), b"[pgbouncer]\n");
    }

    #[test]
    fn faults_are_found_where_they_are() {
        for (line, column) in [("[databases", 1), ("[a] b = 1", 5), ("key value", 5), ("%inclde x", 1), ("\"a = 1", 1)]
        {
            let doc = Document::parse(format!("[s]\n{line}\n").as_bytes());
            let found: Vec<_> = doc.problems().map(|p| (p.line, p.column)).collect();
            assert_eq!(found, [(2, column)], "{line}");
        }
        assert_eq!(Document::parse(b"a = 1\n").problems().count(), 1, "a key before any section");
    }

    proptest! {
        #[test]
        fn any_bytes_come_back(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            prop_assert_eq!(Document::parse(&bytes).to_bytes(), bytes);
        }

        #[test]
        fn a_value_that_is_set_is_read_back(
            before in "([a-z= \\[\\];#%\"0-9]|\r?\n){0,80}", section in "[a-z]{1,8}", key in "[^\r\n\0]{1,10}",
            value in "[^\r\n\0]{0,40}"
        ) {
            let value = std::str::from_utf8(trim(value.as_bytes())).unwrap();
            let mut doc = Document::parse(before.as_bytes());
            doc.set(&section, &key, value, &["why".to_owned()]).unwrap();
            prop_assert_eq!(doc.get(&section, &key), Some(value));
            let again = Document::parse(&doc.to_bytes());
            prop_assert_eq!(again.get(&section, &key), Some(value));
            prop_assert_eq!(again, doc);
        }
    }
}
