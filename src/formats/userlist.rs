//! PgBouncer's `userlist.txt`.
//!
//! Read as PgBouncer reads it: `"role" "secret"` a line, quotes inside doubled, `;` comments, anything behind the second
//! field left aside. PgBouncer stops at the first line it cannot read, and says so in its log only: every role below it
//! is locked out. So a file with such a line is never written.

use super::{Problem, blank, body, line_end, run, split_lines};
use secrecy::{ExposeSecret, SecretString};
use std::fmt;
use std::ops::Range;

/// The longest name and secret PgBouncer takes, in bytes (`MAX_USERNAME`, `MAX_PASSWORD` less the end mark).
const LONGEST: (usize, usize) = (127, 2047);

/// A userlist. What it holds is never shown by `Debug`.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Document {
    lines: Vec<Line>,
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document").field("roles", &self.roles().map(|(_, r)| r).collect::<Vec<_>>()).finish()
    }
}

#[derive(Clone, PartialEq, Eq)]
struct Line {
    raw: Vec<u8>,
    parsed: Parsed,
}

#[derive(Clone, PartialEq, Eq)]
enum Parsed {
    /// Blank or a comment.
    Nothing,
    Entry {
        role: String,
        /// Where the secret stands in the line, without its quotes.
        secret: Range<usize>,
    },
    Broken {
        column: usize,
        message: &'static str,
    },
}

impl Document {
    /// Reads a file. Lines PgBouncer would refuse are kept, see [`Document::problems`].
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Self {
        let line = |raw: &[u8]| Line { raw: raw.to_vec(), parsed: read(body(raw)) };
        Document { lines: split_lines(bytes).map(line).collect() }
    }

    /// The file's bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.lines.iter().flat_map(|line| line.raw.iter().copied()).collect()
    }

    /// Every role with its line from 1, in order.
    pub fn roles(&self) -> impl Iterator<Item = (usize, &str)> {
        self.lines.iter().enumerate().filter_map(|(i, line)| match &line.parsed {
            Parsed::Entry { role, .. } => Some((i + 1, role.as_str())),
            _ => None,
        })
    }

    /// The secret of a role: a verifier, an md5 hash or a password.
    #[must_use]
    pub fn get(&self, wanted: &str) -> Option<SecretString> {
        self.lines.iter().rev().find_map(|line| match &line.parsed {
            Parsed::Entry { role, secret } if role == wanted => {
                Some(SecretString::from(super::text(line.raw.get(secret.clone())?).replace("\"\"", "\"")))
            }
            _ => None,
        })
    }

    /// Every line PgBouncer would stop at.
    pub fn problems(&self) -> impl Iterator<Item = Problem> + '_ {
        self.lines.iter().enumerate().filter_map(|(i, line)| match line.parsed {
            Parsed::Broken { column, message } => Some(Problem { line: i + 1, column, message: message.to_owned() }),
            _ => None,
        })
    }

    /// Gives a role another secret, or adds the role at the end of the file.
    ///
    /// # Errors
    /// A role that stands twice; a name or secret that PgBouncer would not read.
    pub fn set(&mut self, role: &str, secret: &SecretString) -> Result<(), Problem> {
        let new = secret.expose_secret();
        let problem = |line: usize, message: String| Err(Problem { line, column: 1, message });
        if role.is_empty() || role.len() > LONGEST.0 || new.len() > LONGEST.1 {
            return problem(1, format!("PgBouncer does not take a role or secret as long as that of {role:?}"));
        }
        if role.contains(['\n', '\r', '\0']) || new.contains(['\n', '\r', '\0']) {
            return problem(1, format!("the role {role:?} or its secret would not stay on one line"));
        }
        let lines: Vec<usize> = self.roles().filter(|(_, r)| *r == role).map(|(line, _)| line).collect();
        let quoted = new.replace('"', "\"\"");
        match lines.as_slice() {
            [] => self.append(role, &quoted),
            [line] => {
                if let Some(Line { raw, parsed: Parsed::Entry { secret, .. } }) = self.lines.get_mut(line - 1) {
                    raw.splice(secret.clone(), quoted.bytes());
                    secret.end = secret.start + quoted.len();
                }
            }
            [first, .., last] => return problem(*last, format!("{role:?} stands twice, also in line {first}")),
        }
        Ok(())
    }

    fn append(&mut self, role: &str, quoted: &str) {
        let end = line_end(self.lines.first().map(|l| l.raw.as_slice()));
        if let Some(last) = self.lines.last_mut()
            && !last.raw.ends_with(b"\n")
        {
            last.raw.extend_from_slice(end);
        }
        let mut raw = format!("\"{}\" \"{quoted}\"", role.replace('"', "\"\"")).into_bytes();
        let parsed = read(&raw);
        raw.extend_from_slice(end);
        self.lines.push(Line { raw, parsed });
    }

    /// Takes a role out, with its line.
    pub fn remove(&mut self, wanted: &str) {
        self.lines.retain(|line| !matches!(&line.parsed, Parsed::Entry { role, .. } if role == wanted));
    }
}

fn read(line: &[u8]) -> Parsed {
    let broken = |at: usize, message| Parsed::Broken { column: at + 1, message };
    let start = run(line, blank);
    match line.get(start) {
        None | Some(b';') => return Parsed::Nothing,
        Some(b'"') => {}
        Some(_) => return broken(start, "a line begins with a role in double quotes"),
    }
    let Some(role) = quoted(line, start + 1) else { return broken(start, "the role's quote is not closed") };
    let behind = role.end + 1;
    let second = behind + run(line.get(behind..).unwrap_or_default(), blank);
    if second == behind || line.get(second) != Some(&b'"') {
        return broken(behind, "a secret in double quotes is expected behind the role");
    }
    let Some(secret) = quoted(line, second + 1) else { return broken(second, "the secret's quote is not closed") };
    let role = super::text(line.get(role).unwrap_or_default()).replace("\"\"", "\"");
    Parsed::Entry { role, secret }
}

/// The text inside a quote that is open, doubled quotes included.
fn quoted(line: &[u8], from: usize) -> Option<Range<usize>> {
    let mut at = from;
    loop {
        match (line.get(at)?, line.get(at + 1)) {
            (b'"', Some(b'"')) => at += 2,
            (b'"', _) => return Some(from..at),
            _ => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn secret(document: &Document, role: &str) -> Option<String> {
        document.get(role).map(|s| s.expose_secret().to_owned())
    }

    #[test]
    fn the_secret_changes_and_nothing_else() {
        let text = "; roles\r\n\"app\" \"old\" extra ; x\r\n\r\n\"o\"\"dd\"\t\"p\"\"w\"\r\n";
        let mut document = Document::parse(text.as_bytes());
        assert_eq!(document.to_bytes(), text.as_bytes());
        assert_eq!(secret(&document, "o\"dd").as_deref(), Some("p\"w"));
        document.set("app", &"SCRAM-SHA-256$4096:a==$b=:c=".into()).unwrap();
        document.set("new", &"x\"y".into()).unwrap();
        let expected = text.replace("old", "SCRAM-SHA-256$4096:a==$b=:c=") + "\"new\" \"x\"\"y\"\r\n";
        assert_eq!(document.to_bytes(), expected.as_bytes());
        document.remove("new");
        assert!(document.get("new").is_none());
    }

    #[test]
    fn lines_pgbouncer_stops_at_are_reported() {
        let text = "\"a\" \"b\"\nplain b\n\"c\" d\n\"e\n\"f\" \"g\n";
        let lines: Vec<usize> = Document::parse(text.as_bytes()).problems().map(|p| p.line).collect();
        assert_eq!(lines, [2, 3, 4, 5]);
        assert!(Document::parse(b"\"a\" \"1\"\n\"a\" \"2\"").set("a", &"x".into()).is_err());
        assert!(Document::parse(b"").set("a", &"x\ny".into()).is_err());
        assert!(Document::parse(b"").set("a", &"x".repeat(3000).into()).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_come_out_as_they_went_in(bytes in "[\"; \t\r\na-c]{0,80}") {
            prop_assert_eq!(Document::parse(bytes.as_bytes()).to_bytes(), bytes.as_bytes());
        }

        #[test]
        fn any_secret_is_read_as_it_was_set(role in "[^\u{0}\r\n]{1,20}", new in "[^\u{0}\r\n]{0,40}") {
            let mut document = Document::parse(b"\"x y z\" \"1\"");
            document.set(&role, &new.clone().into()).unwrap();
            let again = Document::parse(&document.to_bytes());
            prop_assert_eq!(secret(&again, &role), Some(new));
            prop_assert_eq!(again.problems().count(), 0);
        }
    }
}
