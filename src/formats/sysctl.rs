//! `sysctl.d` files.
//!
//! Read as sysctl(8) and systemd-sysctl(8) read them: `key = value`, `#` and `;` comments only at the start of a line (a
//! trailing one becomes part of the value), a leading `-` ignores failure, keys with dots or slashes. The last one wins.

use super::{Problem, blank, body, line_end, one_line, run, split_lines, text, trim, trim_end};
use std::ops::Range;

/// A sysctl file.
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
    /// Blank, a comment, or `-key`, which only keeps globs from matching the key.
    Nothing,
    Entry {
        key: String,
        value: String,
        ignore_failure: bool,
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
    /// Dotted name.
    pub key: &'a str,
    /// The value, without the blanks around it.
    pub value: &'a str,
    /// Whether a leading `-` has failures ignored.
    pub ignore_failure: bool,
}

/// The dotted form of a key: whichever of `.` and `/` comes first separates, the other is part of a name
/// (`net/ipv4/conf/eth0.100/forwarding` is `net.ipv4.conf.eth0/100.forwarding`).
#[must_use]
pub fn dotted(key: &str) -> String {
    match key.find(['.', '/']) {
        Some(at) if key.get(at..).is_some_and(|rest| rest.starts_with('/')) => key
            .chars()
            .map(|c| match c {
                '/' => '.',
                '.' => '/',
                c => c,
            })
            .collect(),
        _ => key.to_owned(),
    }
}

impl Document {
    /// Reads a file. Lines sysctl would refuse are kept, see [`Document::problems`].
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
        self.lines.iter().enumerate().filter_map(|(i, line)| match &line.parsed {
            Parsed::Entry { key, value, ignore_failure, .. } => {
                Some(Entry { line: i + 1, key, value, ignore_failure: *ignore_failure })
            }
            Parsed::Nothing | Parsed::Broken { .. } => None,
        })
    }

    /// Every line sysctl would refuse.
    pub fn problems(&self) -> impl Iterator<Item = Problem> + '_ {
        self.lines.iter().enumerate().filter_map(|(i, line)| match line.parsed {
            Parsed::Broken { column, message } => Some(Problem { line: i + 1, column, message: message.to_owned() }),
            Parsed::Nothing | Parsed::Entry { .. } => None,
        })
    }

    /// The value this file gives the key (dots or slashes), the last one.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        let key = dotted(key);
        self.entries().filter(|e| e.key == key).last().map(|e| e.value)
    }

    /// Gives a key a value, in place of its last one, else on a new last line.
    ///
    /// # Errors
    /// A key or value that would not stay on its line or would be read otherwise.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), Problem> {
        one_line("the key", key)?;
        one_line("the value", value)?;
        let bad_key = key.is_empty() || key.starts_with(['-', '#', ';']) || key.bytes().any(|b| b == b'=' || blank(b));
        if bad_key || trim(value.as_bytes()) != value.as_bytes() {
            return Err(Problem {
                line: 1,
                column: 1,
                message: format!("\"{key} = {value}\" would be read otherwise"),
            });
        }
        let name = dotted(key);
        let last =
            self.lines.iter_mut().rev().find(|line| matches!(&line.parsed, Parsed::Entry { key: k, .. } if *k == name));
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
        self.lines.push(Line::new([format!("{key} = {value}").as_bytes(), end].concat()));
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
    let line = body(raw);
    let start = run(line, blank);
    let rest = line.get(start..).unwrap_or_default();
    if matches!(rest, [] | [b'#' | b';', ..]) {
        return Parsed::Nothing;
    }
    let ignore_failure = rest.first() == Some(&b'-');
    let key_at = start + usize::from(ignore_failure);
    let rest = line.get(key_at..).unwrap_or_default();
    let equals = run(rest, |b| b != b'=');
    let key = trim(rest.get(..equals).unwrap_or_default());
    if equals == rest.len() {
        let message = "key = value is expected here";
        return if ignore_failure { Parsed::Nothing } else { Parsed::Broken { column: start + 1, message } };
    }
    if key.is_empty() {
        return Parsed::Broken { column: key_at + 1, message: "the key is missing" };
    }
    let after = rest.get(equals + 1..).unwrap_or_default();
    let at = key_at + equals + 1 + run(after, blank);
    let value = trim_end(line.get(at..).unwrap_or_default());
    Parsed::Entry { key: dotted(&text(key)), value: text(value), ignore_failure, at: at..at + value.len() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_sysctl_reads() {
        let text = "# c\n ; c\nvm.swappiness=10\n-net/ipv4/conf/eth0.100/forwarding = 1\n\
            kernel.shmmax = 17179869184  # 16GB\nvm.swappiness = 1\n-net.ipv4.conf.eth1\n";
        let doc = Document::parse(text.as_bytes());
        assert_eq!(doc.problems().count(), 0);
        assert_eq!(doc.get("vm/swappiness"), Some("1"), "the last one wins");
        assert_eq!(doc.get("kernel.shmmax"), Some("17179869184  # 16GB"), "a trailing comment is part of the value");
        let forwarding = doc.entries().find(|e| e.key == "net.ipv4.conf.eth0/100.forwarding").unwrap();
        assert!(forwarding.ignore_failure);
    }

    #[test]
    fn an_edit_keeps_the_rest() {
        let mut doc = Document::parse(b"# a\nvm.swappiness =  60  \nx y\n");
        assert_eq!(doc.problems().map(|p| p.line).collect::<Vec<_>>(), [3]);
        doc.set("vm.swappiness", "10").unwrap();
        doc.set("fs.file-max", "1000").unwrap();
        assert_eq!(doc.to_bytes(), b"# a\nvm.swappiness =  10  \nx y\nfs.file-max = 1000\n");
        assert!(doc.set("vm.swappiness", "10\nkernel.modprobe = /tmp/x").is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_come_back(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            prop_assert_eq!(Document::parse(&bytes).to_bytes(), bytes);
        }

        #[test]
        fn a_value_that_is_set_is_read_back(
            before in "([a-z=./ ;#0-9-]|\r?\n){0,60}", key in "[a-z]{1,5}[./][a-z./]{1,8}", value in "[^\r\n\0]{0,30}"
        ) {
            let value = std::str::from_utf8(trim(value.as_bytes())).unwrap();
            let mut doc = Document::parse(before.as_bytes());
            doc.set(&key, value).unwrap();
            prop_assert_eq!(doc.get(&key), Some(value));
            let again = Document::parse(&doc.to_bytes());
            prop_assert_eq!(again, doc);
        }
    }
}
