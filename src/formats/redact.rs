//! Passwords taken out of what others may read (rendered files, facts, plans, the journal), and put back into it.

use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

const REDACTED: &[u8] = b"REDACTED";
/// What stands in a template where a password is still to be made.
const TO_BE_MADE: &[u8] = b"<generate";

/// The file, or a value of one, with every password in a connection string or URL, comments included, replaced by
/// `REDACTED`, and how many there were.
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

/// The inverse of [`redact`]: the file with the passwords of `from`, another version of it, in their places. A password
/// belongs to the first word of its line. `None` where `from` lacks one.
#[must_use]
pub fn restore(redacted: &[u8], from: &[u8]) -> Option<Vec<u8>> {
    let mut known: BTreeMap<Vec<u8>, Vec<Vec<u8>>> = BTreeMap::new();
    rewrite(from, |label, value| {
        known.entry(label.to_vec()).or_default().push(value.to_vec());
        None
    });
    let mut used: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
    let mut all = true;
    let out = rewrite(redacted, |label, value| {
        let nth = used.entry(label.to_vec()).or_default();
        let password = known.get(label).and_then(|k| k.get(*nth)).cloned();
        *nth += 1;
        if value != REDACTED {
            return None;
        }
        all &= password.is_some();
        password
    });
    all.then_some(out)
}

/// The SHA-256 of the file without its passwords: it tells whether a file was changed, tells nothing of the passwords,
/// and stays when they are rotated.
#[must_use]
pub fn fingerprint(bytes: &[u8]) -> String {
    Sha256::digest(redact(bytes).0).iter().map(|b| format!("{b:02x}")).collect()
}

/// The file with every password replaced by what `change` makes of its line's first word and itself.
fn rewrite(bytes: &[u8], mut change: impl FnMut(&[u8], &[u8]) -> Option<Vec<u8>>) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    for line in bytes.split_inclusive(|b| *b == b'\n') {
        let label = line.trim_ascii();
        let label = label.split(|b| b.is_ascii_whitespace() || *b == b'=').next().unwrap_or_default();
        let mut rest = line;
        while let Some((start, length)) = password(rest) {
            let value = rest.get(start..start + length).unwrap_or_default();
            out.extend_from_slice(rest.get(..start).unwrap_or_default());
            out.extend_from_slice(&change(label, value).unwrap_or_else(|| value.to_vec()));
            rest = rest.get(start + length..).unwrap_or_default();
        }
        out.extend_from_slice(rest);
    }
    out
}

/// Where the first password of a line begins and how long it is.
fn password(line: &[u8]) -> Option<(usize, usize)> {
    (0..line.len()).find_map(|at| {
        let rest = line.get(at..)?;
        let (skip, length) = keyword_password(rest).or_else(|| url_password(rest))?;
        (length > 0).then_some((at + skip, length))
    })
}

/// The value behind `password =`: in quotes, in the doubled quotes of a connection string that is quoted itself, or plain.
fn keyword_password(rest: &[u8]) -> Option<(usize, usize)> {
    const WORD: &[u8] = b"password";
    if !rest.get(..WORD.len())?.eq_ignore_ascii_case(WORD) {
        return None;
    }
    let blanks = |at: usize| at + rest.iter().skip(at).take_while(|b| b" \t".contains(b)).count();
    let equals = blanks(WORD.len());
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
        ] {
            assert_eq!(redacted(before), after);
            assert_eq!(redacted(after), after, "what is redacted already stays as it is");
        }
        for harmless in [
            "password_encryption = 'scram-sha-256'\n",
            "a = http://h:80/x@y\n",
            "password =\n",
            "DB_PASSWORD=<generate me>\n",
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
    }
}
