//! A password within a URL of the env file (`DATABASE_URL`).

use crate::postgres::conninfo::decode;
use std::fmt::Write;

/// The text with another password, where it holds this one between `:` and `@`: as it is, or in a URL percent-encoded.
/// In a URL the new one is encoded, since `/`, `#` or `@` in it would end the password there.
#[must_use]
pub fn replace(text: &str, from: &str, to: &str) -> Option<String> {
    let is_url = text.contains("://");
    let to = if is_url { encode(to) } else { to.to_owned() };
    let as_it_is = format!(":{from}@");
    if text.contains(&as_it_is) {
        return Some(text.replace(&as_it_is, &format!(":{to}@")));
    }
    let encoded = |password: &&str| is_url && password.contains('%') && decode(password, "").is_ok_and(|p| p == from);
    let password = text.split('@').filter_map(|before| Some(before.rsplit_once(':')?.1)).find(encoded)?;
    Some(text.replace(&format!(":{password}@"), &format!(":{to}@")))
}

fn encode(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_found_and_put_as_the_url_has_it() {
        for (text, from, to, want) in [
            ("postgresql://a:old@h/d", "old", "new", Some("postgresql://a:new@h/d")),
            ("postgresql://a:o%40l%2fd@h/d", "o@l/d", "n/e#w", Some("postgresql://a:n%2Fe%23w@h/d")),
            ("postgresql://a:o/d@h/d", "o/d", "ü", Some("postgresql://a:%C3%BC@h/d")),
            ("a:old@tcp(h)/d", "old", "n/w", Some("a:n/w@tcp(h)/d")),
            ("postgresql://a:other@h/d", "old", "new", None),
            ("postgresql://a:o%4@h/d", "o%", "new", None),
        ] {
            assert_eq!(replace(text, from, to).as_deref(), want, "{text}");
        }
    }
}
