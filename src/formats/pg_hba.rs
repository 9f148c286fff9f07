//! `pg_hba.conf`: who may log in from where, and how.
//!
//! A record is a line of fields: type, databases, roles, the address unless the type is `local`, method, options. A
//! field is a list of words separated by commas, each plain or in double quotes; a backslash at the end of a line
//! continues it (PostgreSQL 14); `#` begins a comment anywhere outside quotes.
//! <https://www.postgresql.org/docs/18/auth-pg-hba-conf.html>

use super::{Problem, blank, split_lines, text};
use std::ops::Range;

/// A `pg_hba.conf`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Document {
    records: Vec<Record>,
}

/// One logical line, with the lines that continue it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Record {
    /// The number of its first line, from 1.
    line: usize,
    raw: Vec<u8>,
    parsed: Parsed,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Parsed {
    /// Blank or a comment.
    Nothing,
    /// `include`, `include_if_exists`, `include_dir` (PostgreSQL 16).
    Include(String),
    Rule(Rule),
    Broken {
        column: usize,
        message: &'static str,
    },
}

/// Which connections a rule is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The Unix-domain socket.
    Local,
    /// TCP, with TLS or without.
    Host,
    /// TCP with TLS.
    HostSsl,
    /// TCP without TLS.
    HostNoSsl,
    /// TCP with GSSAPI encryption.
    HostGssEnc,
    /// TCP without GSSAPI encryption.
    HostNoGssEnc,
}

impl Kind {
    /// As the file writes it.
    #[must_use]
    pub fn written(self) -> &'static str {
        match self {
            Kind::Local => "local",
            Kind::Host => "host",
            Kind::HostSsl => "hostssl",
            Kind::HostNoSsl => "hostnossl",
            Kind::HostGssEnc => "hostgssenc",
            Kind::HostNoGssEnc => "hostnogssenc",
        }
    }

    fn read(word: &str) -> Option<Kind> {
        [Kind::Local, Kind::Host, Kind::HostSsl, Kind::HostNoSsl, Kind::HostGssEnc, Kind::HostNoGssEnc]
            .into_iter()
            .find(|kind| kind.written() == word)
    }
}

/// A word of a list, and whether it stood in quotes, where `all` and its like mean nothing special.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// Without its quotes.
    pub text: String,
    /// Whether it stood in quotes.
    pub quoted: bool,
}

impl Word {
    /// Whether it is this keyword.
    #[must_use]
    pub fn is(&self, keyword: &str) -> bool {
        !self.quoted && self.text == keyword
    }
}

/// Who may log in from where, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Which connections.
    pub kind: Kind,
    /// Databases: names, `all`, `sameuser`, `samerole`, `replication`, `@file`, `/regex`.
    pub databases: Vec<Word>,
    /// Roles: names, `all`, `+group`, `@file`, `/regex`.
    pub roles: Vec<Word>,
    /// An address with its prefix length, a host's name, `all`, `samehost`, `samenet`; `None` for `local`.
    pub address: Option<Word>,
    /// The mask in a field of its own, where the address has no prefix length.
    pub mask: Option<String>,
    /// `scram-sha-256`, `trust`, `peer`, …
    pub method: String,
    kind_at: Range<usize>,
    method_at: Range<usize>,
}

/// A rule and where it stands.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// Line, from 1.
    pub line: usize,
    /// The rule.
    pub rule: &'a Rule,
}

impl Document {
    /// Reads a file. Lines the server would refuse are kept, see [`Document::problems`].
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Self {
        let mut records: Vec<Record> = Vec::new();
        let mut lines = 0;
        let mut open: Option<(usize, Vec<u8>)> = None;
        for raw in split_lines(bytes) {
            lines += 1;
            let (line, mut whole) = open.take().unwrap_or((lines, Vec::new()));
            whole.extend_from_slice(raw);
            if super::body(raw).ends_with(b"\\") && raw.ends_with(b"\n") {
                open = Some((line, whole));
            } else {
                records.push(Record::new(line, whole));
            }
        }
        records.extend(open.map(|(line, whole)| Record::new(line, whole)));
        Document { records }
    }

    /// The file's bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.records.iter().flat_map(|record| record.raw.iter().copied()).collect()
    }

    /// Every rule, in the order the server tries them.
    pub fn rules(&self) -> impl Iterator<Item = Entry<'_>> {
        self.records.iter().filter_map(|record| match &record.parsed {
            Parsed::Rule(rule) => Some(Entry { line: record.line, rule }),
            Parsed::Nothing | Parsed::Include(_) | Parsed::Broken { .. } => None,
        })
    }

    /// The files it includes.
    pub fn includes(&self) -> impl Iterator<Item = (usize, &str)> {
        self.records.iter().filter_map(|record| match &record.parsed {
            Parsed::Include(what) => Some((record.line, what.as_str())),
            Parsed::Nothing | Parsed::Rule(_) | Parsed::Broken { .. } => None,
        })
    }

    /// Every line the server would refuse.
    pub fn problems(&self) -> impl Iterator<Item = Problem> + '_ {
        self.records.iter().filter_map(|record| match record.parsed {
            Parsed::Broken { column, message } => {
                Some(Problem { line: record.line, column, message: message.to_owned() })
            }
            Parsed::Nothing | Parsed::Include(_) | Parsed::Rule(_) => None,
        })
    }

    /// The bytes of the record that begins on a line, without the line end.
    #[must_use]
    pub fn raw(&self, line: usize) -> Option<&[u8]> {
        self.records.iter().find(|record| record.line == line).map(|record| super::body(&record.raw))
    }

    /// Gives rules another type, another method or both; everything else on their lines stays.
    pub fn rewrite(&mut self, change: impl Fn(Entry<'_>) -> (Option<Kind>, Option<&'static str>)) {
        for record in &mut self.records {
            let Parsed::Rule(rule) = &record.parsed else { continue };
            let (kind, method) = change(Entry { line: record.line, rule });
            if (kind, method) == (None, None) {
                continue;
            }
            let (kind, method) = (kind.unwrap_or(rule.kind), method.unwrap_or(&rule.method));
            let part = |range: Range<usize>| record.raw.get(range).unwrap_or_default();
            let new = [
                part(0..rule.kind_at.start),
                kind.written().as_bytes(),
                part(rule.kind_at.end..rule.method_at.start),
                method.as_bytes(),
                part(rule.method_at.end..record.raw.len()),
            ]
            .concat();
            *record = Record::new(record.line, new);
        }
    }

    /// Puts other bytes in the place of a record; false where none on this line reads so now.
    pub fn put_back(&mut self, line: usize, now: &[u8], then: &[u8]) -> bool {
        let found = self.records.iter_mut().find(|r| r.line == line && super::body(&r.raw) == now);
        let Some(record) = found else { return false };
        let end = record.raw.get(now.len()..).unwrap_or_default().to_vec();
        *record = Record::new(line, [then, &end].concat());
        true
    }
}

impl Record {
    fn new(line: usize, raw: Vec<u8>) -> Self {
        let parsed = parse(&raw);
        Record { line, raw, parsed }
    }
}

/// A field: its words, and where it stands.
struct Field {
    words: Vec<Word>,
    at: Range<usize>,
}

impl Field {
    /// Its only word, where it stands in no quotes.
    fn plain(&self) -> Option<&str> {
        match self.words.as_slice() {
            [Word { text, quoted: false }] => Some(text),
            _ => None,
        }
    }
}

fn fields(raw: &[u8]) -> Result<Vec<Field>, usize> {
    let mut out: Vec<Field> = Vec::new();
    let (mut at, mut comma) = (0, false);
    loop {
        at += gap(raw.get(at..).unwrap_or_default());
        match raw.get(at) {
            None | Some(b'#') => return Ok(out),
            Some(b',') => {
                comma = true;
                at += 1;
                continue;
            }
            Some(_) => {}
        }
        let start = at;
        let (word, end) = word(raw, at).ok_or(start + 1)?;
        at = end;
        match out.last_mut().filter(|field| comma || raw.get(field.at.end..start).is_some_and(<[u8]>::is_empty)) {
            Some(field) => {
                field.words.push(word);
                field.at.end = at;
            }
            None => out.push(Field { words: vec![word], at: start..at }),
        }
        comma = false;
    }
}

/// How many bytes of blanks and continued line ends come first.
fn gap(bytes: &[u8]) -> usize {
    let mut at = 0;
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        at += match rest {
            [b'\\', b'\r', b'\n', ..] => 3,
            [b'\\', b'\n', ..] => 2,
            [b, ..] if blank(*b) => 1,
            _ => return at,
        };
    }
}

/// The word that begins here and where it ends; `None` where its quotes are not closed.
fn word(raw: &[u8], start: usize) -> Option<(Word, usize)> {
    let (mut out, mut at, mut inside, mut quoted) = (Vec::new(), start, false, false);
    while let Some(b) = raw.get(at) {
        let rest = raw.get(at..).unwrap_or_default();
        match b {
            b'"' if inside && rest.starts_with(b"\"\"") => {
                out.push(b'"');
                at += 1;
            }
            b'"' => {
                inside = !inside;
                quoted = true;
            }
            b'\n' => break,
            _ if inside => out.push(*b),
            b',' | b'#' => break,
            _ if gap(rest) > 0 => break,
            _ => out.push(*b),
        }
        at += 1;
    }
    (!inside).then(|| (Word { text: text(&out), quoted }, at))
}

fn parse(raw: &[u8]) -> Parsed {
    let fields = match fields(raw) {
        Ok(fields) => fields,
        Err(column) => return Parsed::Broken { column, message: "the quotes are not closed" },
    };
    let Some(first) = fields.first() else { return Parsed::Nothing };
    let broken = |field: &Field, message| Parsed::Broken { column: field.at.start + 1, message };
    let keyword = first.plain().unwrap_or_default();
    if matches!(keyword, "include" | "include_if_exists" | "include_dir") {
        return match fields.get(1).and_then(|f| f.words.first()) {
            Some(file) => Parsed::Include(file.text.clone()),
            None => broken(first, "a file is expected behind it"),
        };
    }
    let Some(kind) = Kind::read(keyword) else { return broken(first, "this is no type of connection") };
    let (address, method) = match (kind, fields.as_slice()) {
        (Kind::Local, [_, _, _, method, ..]) => (None, method),
        (Kind::Local, _) => return broken(first, "databases, roles and a method are expected behind it"),
        (_, [_, _, _, address, mask, rest @ ..]) => match (rest, is_mask(address, mask)) {
            ([method, ..], true) => (Some((address, Some(mask))), method),
            (_, false) => (Some((address, None)), mask),
            ([], true) => return broken(mask, "a method is expected behind the mask"),
        },
        _ => return broken(first, "databases, roles, an address and a method are expected behind it"),
    };
    let (Some(databases), Some(roles), Some(name)) = (fields.get(1), fields.get(2), method.plain()) else {
        return broken(method, "one method is expected here");
    };
    Parsed::Rule(Rule {
        kind,
        databases: databases.words.clone(),
        roles: roles.words.clone(),
        address: address.and_then(|(a, _)| a.words.first().cloned()),
        mask: address.and_then(|(_, m)| Some(m?.words.first()?.text.clone())),
        method: name.to_owned(),
        kind_at: first.at.clone(),
        method_at: method.at.clone(),
    })
}

/// Whether a field behind the address is its mask: an address without a prefix length wants one.
fn is_mask(address: &Field, next: &Field) -> bool {
    let is_address = |field: &Field| field.words.first().is_some_and(|w| w.text.parse::<std::net::IpAddr>().is_ok());
    is_address(address) && is_address(next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FILE: &str = "# TYPE DATABASE\nlocal   all  all   peer map=\"a b\"\nhost shop,\"all\" +staff, ada 10.0.0.0/8 md5 # old\n\
        host all all 192.168.0.0 255.255.0.0 trust\nhostssl all all \\\n  all scram-sha-256\ninclude_dir hba.d\nhots all all all trust\n";

    fn words(words: &[Word]) -> Vec<&str> {
        words.iter().map(|w| w.text.as_str()).collect()
    }

    #[test]
    fn reads_what_the_server_reads() {
        let doc = Document::parse(FILE.as_bytes());
        let rules: Vec<Entry<'_>> = doc.rules().collect();
        assert_eq!(rules.iter().map(|e| e.line).collect::<Vec<_>>(), [2, 3, 4, 5]);
        assert_eq!(rules[0].rule.method, "peer");
        assert_eq!(words(&rules[1].rule.databases), ["shop", "all"]);
        assert!(!rules[1].rule.databases[1].is("all"), "in quotes it is a name");
        assert_eq!(words(&rules[1].rule.roles), ["+staff", "ada"]);
        assert_eq!(rules[2].rule.mask.as_deref(), Some("255.255.0.0"));
        assert_eq!((rules[3].rule.kind, rules[3].rule.method.as_str()), (Kind::HostSsl, "scram-sha-256"));
        assert_eq!(doc.includes().collect::<Vec<_>>(), [(7, "hba.d")]);
        assert_eq!(doc.problems().map(|p| (p.line, p.column)).collect::<Vec<_>>(), [(8, 1)]);
    }

    #[test]
    fn a_change_keeps_the_rest_and_can_be_put_back() {
        let mut doc = Document::parse(FILE.as_bytes());
        let before = doc.raw(3).unwrap().to_vec();
        doc.rewrite(|e| {
            let md5 = e.rule.method == "md5";
            (md5.then_some(Kind::HostSsl), md5.then_some("scram-sha-256"))
        });
        let after = doc.raw(3).unwrap().to_vec();
        assert_eq!(text(&after), "hostssl shop,\"all\" +staff, ada 10.0.0.0/8 scram-sha-256 # old");
        assert!(!doc.put_back(2, &after, &before));
        assert!(doc.put_back(3, &after, &before));
        assert_eq!(doc.to_bytes(), FILE.as_bytes());
    }

    proptest! {
        #[test]
        fn any_bytes_come_back(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert_eq!(Document::parse(&bytes).to_bytes(), bytes);
        }

        #[test]
        fn lines_of_its_own_language_come_back(text in "((host|local|all|\"a b\"|,| |#|\\\\\n|10.0.0.0/8|md5|\n)){0,40}") {
            let mut doc = Document::parse(text.as_bytes());
            prop_assert_eq!(doc.to_bytes(), text.as_bytes());
            doc.rewrite(|_| (None, Some("reject")));
            let again = Document::parse(&doc.to_bytes());
            prop_assert_eq!(&again, &doc);
            prop_assert!(again.rules().all(|e| e.rule.method == "reject"));
        }
    }
}
