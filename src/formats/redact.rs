//! Passwords taken out of what others may read (rendered files, facts, plans, the journal), and put back into it.

use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

const REDACTED: &[u8] = b"REDACTED";
/// What stands in a template where a password is still to be made.
const TO_BE_MADE: &[u8] = b"<generate";

/// The file, or a value of one, with every secret replaced by `REDACTED`, and how many there were: those of connection
/// strings, URLs and variables, comments included, and in comments those that are told in words (`# old password: x`).
#[must_use]
pub fn redact(bytes: &[u8]) -> (Vec<u8>, usize) {
    let mut found = 0;
    let out = rewrite(bytes, |_, value| {
        (value != REDACTED && !value.starts_with(TO_BE_MADE)).then(|| {
            found += 1;
            REDACTED.to_vec()
        })
    });
    (out, found)
}

/// The inverse of [`redact`]: the file with the secrets of `from`, another version of it, in their places. One of a
/// setting belongs to the first word of its line, one of a comment to the words before it. `None` where `from` lacks one
/// that a server needs; one of a comment that was taken out there stays `REDACTED`.
#[must_use]
pub fn restore(redacted: &[u8], from: &[u8]) -> Option<Vec<u8>> {
    let mut known: BTreeMap<Label, Vec<Vec<u8>>> = BTreeMap::new();
    rewrite(from, |label, value| {
        known.entry(label).or_default().push(value.to_vec());
        None
    });
    let mut used: BTreeMap<Label, usize> = BTreeMap::new();
    let mut all = true;
    let out = rewrite(redacted, |label, value| {
        let nth = used.entry(label.clone()).or_default();
        let secret = known.get(&label).and_then(|k| k.get(*nth)).cloned();
        *nth += 1;
        if value != REDACTED {
            return None;
        }
        all &= secret.is_some() || label.comment;
        secret
    });
    all.then_some(out)
}

/// The SHA-256 of the file without its passwords: it tells whether a file was changed, tells nothing of the passwords,
/// and stays when they are rotated.
#[must_use]
pub fn fingerprint(bytes: &[u8]) -> String {
    Sha256::digest(redact(bytes).0).iter().map(|b| format!("{b:02x}")).collect()
}

/// What a secret belongs to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Label {
    comment: bool,
    words: Vec<u8>,
}

/// The file with every secret replaced by what `change` makes of its label and itself.
fn rewrite(bytes: &[u8], mut change: impl FnMut(Label, &[u8]) -> Option<Vec<u8>>) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    for line in bytes.split_inclusive(|b| *b == b'\n') {
        // What is a comment may not depend on what stands in a secret: it is found between them.
        let mut known = whole_comment(line);
        let (mut at, mut before, mut first) = (0, Vec::new(), None);
        loop {
            let comment = known.unwrap_or_else(|| comment(line, at));
            let Some(Secret { word, start, length }) = secret(line, at, comment) else { break };
            let value = line.get(start..start + length).unwrap_or_default();
            let between = line.get(at..start).unwrap_or_default();
            out.extend_from_slice(between);
            before.extend_from_slice(between);
            let first = first.get_or_insert_with(|| first_word(&before));
            let label = match word >= comment {
                true => Label { comment: true, words: before.clone() },
                false => Label { comment: false, words: first.clone() },
            };
            known = known.or((word >= comment).then_some(comment));
            out.extend_from_slice(&change(label, value).unwrap_or_else(|| value.to_vec()));
            at = start + length;
        }
        out.extend_from_slice(line.get(at..).unwrap_or_default());
    }
    out
}

/// The first word of what stands before a line's first secret.
fn first_word(before: &[u8]) -> Vec<u8> {
    before.trim_ascii().split(|b| b.is_ascii_whitespace() || *b == b'=').next().unwrap_or_default().to_vec()
}

/// Where the comment begins of a line that is nothing else, in whichever of the languages.
fn whole_comment(line: &[u8]) -> Option<usize> {
    let start = line.iter().take_while(|b| b.is_ascii_whitespace()).count();
    let text = line.get(start..).unwrap_or_default();
    [&b"#"[..], b";", b"--", b"//"].iter().any(|mark| text.starts_with(mark)).then_some(start)
}

/// Where a comment begins behind something else, from `from` on.
fn comment(line: &[u8], from: usize) -> usize {
    let rest = line.get(from..).unwrap_or_default();
    let behind = rest.windows(2).position(|two| matches!(two, [b' ' | b'\t', b'#']));
    behind.map_or(line.len(), |at| from + at + 1)
}

/// Where a secret stands in a line.
struct Secret {
    /// Where what says that it is one begins.
    word: usize,
    start: usize,
    length: usize,
}

/// The first secret of a line from `from` on. From `comment` on it is one.
fn secret(line: &[u8], from: usize, comment: usize) -> Option<Secret> {
    // Two letters tell most places off, and files are read at every run.
    let may_begin = |at: &usize| {
        let [Some(first), Some(second)] = [*at, at + 1].map(|at| line.get(at).map(u8::to_ascii_lowercase)) else {
            return false;
        };
        matches!(&[first, second], b"pa" | b"pw" | b"se" | b"to" | b"ap" | b"ac" | b"ke" | b":/")
    };
    (from..line.len()).filter(may_begin).find_map(|at| {
        let rest = line.get(at..)?;
        let told = || (at >= comment).then(|| told(line.get(..at)?, rest)).flatten();
        let (skip, length) = assigned(rest).or_else(told).or_else(|| url_password(rest))?;
        (length > 0).then_some(Secret { word: at, start: at + skip, length })
    })
}

/// Words whose value is a secret, as the ends of names (`PGPASSWORD`, `client_secret`).
const WORDS: &[&[u8]] =
    &[b"password", b"passwd", b"passphrase", b"secret", b"token", b"api_key", b"apikey", b"access_key", b"secret_key"];

/// The length of the word that a text begins with.
fn word(text: &[u8], words: &[&[u8]]) -> Option<usize> {
    let begins = |word: &&&[u8]| text.get(..word.len()).is_some_and(|t| t.eq_ignore_ascii_case(word));
    words.iter().filter(begins).map(|word| word.len()).max()
}

/// A secret that a comment tells in words: `password: x`, `the token is x1`. Without a colon it has to look like one, and
/// so has what is called no more than a key.
fn told(before: &[u8], rest: &[u8]) -> Option<(usize, usize)> {
    let alone = !before.last().is_some_and(u8::is_ascii_alphanumeric);
    let (length, sure) = match word(rest, WORDS) {
        Some(length) => (length, true),
        None if alone => match word(rest, &[b"pass", b"pwd", b"pw"]) {
            Some(length) => (length, true),
            None => (word(rest, &[b"key"])?, false),
        },
        None => return None,
    };
    let blanks = |at: usize| at + rest.iter().skip(at).take_while(|b| b" \t".contains(b)).count();
    let quotes = rest.iter().skip(length).take_while(|b| b"'\"`".contains(b)).count();
    let end = length + quotes;
    let mut at = blanks(end);
    let colon = matches!(rest.get(at), Some(b':' | b'='));
    if colon {
        at = blanks(at + 1);
    } else if at == end {
        return None;
    } else if let Some(verb) = word(rest.get(at..)?, &[b"is ", b"was "]) {
        at = blanks(at + verb);
    }
    let value = rest.get(at..)?;
    let (skip, value) = match value {
        [quote @ (b'\'' | b'"' | b'`'), inside @ ..] if inside.contains(quote) => {
            (1, inside.split(|b| b == quote).next().unwrap_or_default())
        }
        _ => {
            let plain = value.split(u8::is_ascii_whitespace).next().unwrap_or_default();
            let marks = plain.iter().rev().take_while(|b| b".,;:)".contains(b)).count();
            (0, plain.get(..plain.len() - marks).unwrap_or_default())
        }
    };
    let least = if sure { 6 } else { 12 };
    let taken = if sure && colon { !value.is_empty() } else { looks_secret(value, least) };
    taken.then_some((at + skip, value.len()))
}

/// Whether a word is none of a language: letters and digits mixed, no path, and nothing that was taken out already in it.
fn looks_secret(value: &[u8], least: usize) -> bool {
    let has = |kind: fn(&u8) -> bool| value.iter().any(kind);
    let mixed = has(u8::is_ascii_digit) && has(u8::is_ascii_alphabetic) && !value.contains(&b'/');
    let partly = value.windows(REDACTED.len()).any(|part| part == REDACTED);
    value == REDACTED || (value.len() >= least && mixed && !partly)
}

/// The value behind `password =`: in quotes, in the doubled quotes of a connection string that is quoted itself, or plain.
fn assigned(rest: &[u8]) -> Option<(usize, usize)> {
    let end = word(rest, WORDS)?;
    let blanks = |at: usize| at + rest.iter().skip(at).take_while(|b| b" \t".contains(b)).count();
    let equals = blanks(end);
    if rest.get(equals) != Some(&b'=') {
        return None;
    }
    let at = blanks(equals + 1);
    let value = rest.get(at..)?;
    let length = |quote: &[u8]| {
        let inside = value.get(quote.len()..).unwrap_or_default();
        let closes = |at: usize| inside.get(at..)?.starts_with(quote).then_some(at).filter(|_| !escaped(inside, at));
        let end = (0..inside.len()).find_map(closes).unwrap_or(inside.trim_ascii_end().len());
        (at + quote.len(), end)
    };
    Some(match value {
        [b'\'', b'\'', b, ..] if !b.is_ascii_whitespace() => length(b"''"),
        [b'\'', ..] => length(b"'"),
        [b'"', ..] => length(b"\""),
        _ => {
            let word = value.iter().take_while(|b| !b.is_ascii_whitespace()).count();
            let word = value.get(..word).unwrap_or_default();
            (at, word.strip_suffix(b"'").unwrap_or(word).len())
        }
    })
}

/// Whether an odd number of backslashes stands before this place.
fn escaped(text: &[u8], at: usize) -> bool {
    text.get(..at).unwrap_or_default().iter().rev().take_while(|b| **b == b'\\').count() % 2 == 1
}

/// The password of `scheme://user:password@host`.
fn url_password(rest: &[u8]) -> Option<(usize, usize)> {
    let authority = rest.strip_prefix(b"://")?;
    let end = authority.iter().position(|b| b"/?# \t\r\n'\"".contains(b)).unwrap_or(authority.len());
    let authority = authority.get(..end)?;
    let at = authority.iter().rposition(|b| *b == b'@')?;
    let colon = authority.get(..at)?.iter().position(|b| *b == b':')?;
    Some((3 + colon + 1, at - colon - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redacted(text: &str) -> String {
        String::from_utf8(redact(text.as_bytes()).0).unwrap()
    }

    #[test]
    fn passwords_in_any_quoting_are_taken_out() {
        for (before, after) in [
            ("llm = host=x password=hunter2 port=1\n", "llm = host=x password=REDACTED port=1\n"),
            ("llm = host=x password='hun ter2' port=1\n", "llm = host=x password='REDACTED' port=1\n"),
            ("primary_conninfo = 'user=r password=hunter2'\n", "primary_conninfo = 'user=r password=REDACTED'\n"),
            ("primary_conninfo = 'password=''a b'' user=r'\n", "primary_conninfo = 'password=''REDACTED'' user=r'\n"),
            ("#x 'sslpassword = hunter2'\n", "#x 'sslpassword = REDACTED'\n"),
            ("a = postgresql://u:hun:ter@2@h/d\n", "a = postgresql://u:REDACTED@h/d\n"),
            (r"host=a password='it\'s mine' user=b", "host=a password='REDACTED' user=b"),
            ("PGPASSWORD=hunter2 backup %p", "PGPASSWORD=REDACTED backup %p"),
            ("PASSWORD=a password=b\r\n", "PASSWORD=REDACTED password=REDACTED\r\n"),
            ("OPENAI_API_KEY=\"sk 1\"\n", "OPENAI_API_KEY=\"REDACTED\"\n"),
            ("# old password: hunter2\n", "# old password: REDACTED\n"),
            ("; Passwd 'hun ter', changed\n", "; Passwd 'hun ter', changed\n"),
            ("; the token is 'a1 b2 c3', for now\n", "; the token is 'REDACTED', for now\n"),
            ("port = 1 # secret: \"x y\"; pw: b.\n", "port = 1 # secret: \"REDACTED\"; pw: REDACTED.\n"),
            ("-- pass = 1, API key: 0123456789abc\n", "-- pass = REDACTED, API key: REDACTED\n"),
            ("#password hunter2\n", "#password REDACTED\n"),
            ("password= #hunter2\n", "password= REDACTED\n"),
            ("password=' #x' # token: a1\n", "password='REDACTED' # token: REDACTED\n"),
        ] {
            assert_eq!(redacted(before), after);
            assert_eq!(redacted(after), after, "what is redacted already stays as it is");
        }
        for harmless in [
            "password_encryption = 'scram-sha-256'\n",
            "a = http://h:80/x@y\n",
            "password =\n",
            "DB_PASSWORD=<generate me>\n",
            "# the password is kept in userlist.txt, the key: see there\n",
            "# no bypass: of the cache\n#ssl_passphrase_command = ''\n; auth_type = md5 tokens: none\n",
            "proxy_cache_key: x1234567890123\n",
        ] {
            assert_eq!(redacted(harmless), harmless);
        }
    }

    #[test]
    fn passwords_come_back_from_another_version_of_the_file() {
        let old = b"[databases]\na = host=x password='o ne'\nb = host=y password=two\nc = postgres://u:three@h/d\n";
        let new = b"; why\n[databases]\nb = host=z password=two pool=1\nc = postgres://u:three@h/d\na = password='o ne' host=x\n";
        let (stored, found) = redact(old);
        assert_eq!(found, 3);
        assert_eq!(restore(&stored, new).as_deref(), Some(&old[..]));
        assert_eq!(restore(&stored, b"a = password=x\n"), None, "a password that is nowhere cannot come back");
        assert_eq!(fingerprint(old), fingerprint(&stored));
        let rotated = String::from_utf8_lossy(old).replace("two", "zwei");
        assert_eq!(fingerprint(old), fingerprint(rotated.as_bytes()));
        assert_eq!(restore(&stored, rotated.as_bytes()).as_deref(), Some(rotated.as_bytes()));
        let noted = b"# token: a1, password: b2\nx = 1 # password: c3\n";
        let (stored, found) = redact(noted);
        assert_eq!(found, 3);
        assert_eq!(
            restore(&stored, b"# more\nx = 1 # password: c3\n# token: a1, password: b2\n").as_deref(),
            Some(&noted[..])
        );
        let less = b"# token: REDACTED, password: REDACTED\nx = 1 # password: c3\n";
        assert_eq!(
            restore(&stored, b"x = 1 # password: c3\n").as_deref(),
            Some(&less[..]),
            "no server needs a comment"
        );
        // A secret that looks like the beginning of a comment, one within another.
        for text in [&b"secret= # token: a1\n"[..], b"#key hunter2secret://u:p@h\n"] {
            let (stored, _) = redact(text);
            assert_eq!(redact(&stored).0, stored);
            assert_eq!(restore(&stored, text).as_deref(), Some(text));
        }
    }

    /// What is taken out of a file of ours would be missing where it is new.
    #[test]
    fn no_file_of_ours_says_anything_that_is_taken_for_a_secret() {
        fn walk(dir: &std::path::Path, seen: &mut usize) {
            for entry in std::fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    walk(&path, seen);
                } else {
                    let text = std::fs::read(&path).unwrap();
                    let found = redact(&text).0;
                    let lines = found.split(|b| *b == b'\n').map(String::from_utf8_lossy);
                    let taken: Vec<_> = lines.filter(|line| line.contains("REDACTED")).collect();
                    assert!(taken.is_empty(), "{}: {taken:?}", path.display());
                    *seen += 1;
                }
            }
        }
        let cases = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
        let mut seen = 0;
        for case in std::fs::read_dir(cases).unwrap() {
            walk(&case.unwrap().path().join("expected"), &mut seen);
        }
        assert!(seen > 100, "{seen}");
    }

    proptest::proptest! {
        #[test]
        fn whatever_is_taken_out_comes_back(
            words in proptest::collection::vec(proptest::sample::select(vec![
                "password", "token", "key", "pw", " ", "  ", ":", "=", "is ", "'", "\"", "hunter2", "x", "0123456789abcdef",
                "#", ";", "--", "\n", "://u:p@h", "REDACTED", "\\", "secret", "."
            ]), 0..24)
        ) {
            let text = words.concat().into_bytes();
            let (stored, _) = redact(&text);
            proptest::prop_assert_eq!(redact(&stored).0, stored.clone());
            let back = restore(&stored, &text);
            proptest::prop_assert_eq!(back, Some(text));
        }
    }
}
