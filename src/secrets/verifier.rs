//! SCRAM-SHA-256 verifiers as `pg_authid` and a userlist hold them:
//! `SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>` (PostgreSQL's documentation of `pg_authid`; RFC 5802).
//!
//! The same password salted again gives another verifier, and PgBouncer can pass a login on only with the very one the
//! server holds. So it is computed once, here.

use crate::error::{Error, Result};
use crate::secrets::generate;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::{digest, hmac, pbkdf2};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};
use std::num::NonZeroU32;
use subtle::ConstantTimeEq;

const PREFIX: &str = "SCRAM-SHA-256$";

/// What PostgreSQL itself uses (`scram_iterations`).
pub const ITERATIONS: u32 = 4096;

/// Bytes of the salt.
const SALT: usize = 16;

/// A verifier: enough to check a login, and with a weak password enough to find it. So it is never shown.
#[derive(Clone)]
pub struct Verifier {
    iterations: NonZeroU32,
    salt: Vec<u8>,
    text: SecretString,
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verifier").field("iterations", &self.iterations).finish_non_exhaustive()
    }
}

impl Verifier {
    /// The verifier of a password with a new salt.
    ///
    /// # Errors
    /// No iterations; the system has no random bytes to give.
    pub fn new(password: &SecretString, iterations: u32) -> Result<Self> {
        let iterations = NonZeroU32::new(iterations)
            .ok_or_else(|| Error::usage("secrets.iterations", "SCRAM needs at least one iteration"))?;
        Ok(Self::with_salt(password, iterations, generate::random(SALT)?.to_vec()))
    }

    fn with_salt(password: &SecretString, iterations: NonZeroU32, salt: Vec<u8>) -> Self {
        let password = password.expose_secret();
        // What SASLprep refuses is hashed as it is, as PostgreSQL does.
        let prepared = stringprep::saslprep(password).unwrap_or(password.into());
        let mut salted = Zeroizing::new([0; digest::SHA256_OUTPUT_LEN]);
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations, &salt, prepared.as_bytes(), salted.as_mut());
        let key = hmac::Key::new(hmac::HMAC_SHA256, salted.as_ref());
        let client = hmac::sign(&key, b"Client Key");
        let stored = STANDARD.encode(digest::digest(&digest::SHA256, client.as_ref()));
        let server = STANDARD.encode(hmac::sign(&key, b"Server Key"));
        let text = format!("{PREFIX}{iterations}:{}${stored}:{server}", STANDARD.encode(&salt)).into();
        Verifier { iterations, salt, text }
    }

    /// Reads one; `None` for anything that PostgreSQL would not store as it is. It hashes such text as if it were a
    /// password, without a word.
    #[must_use]
    pub fn parse(text: &SecretString) -> Option<Self> {
        let rest = text.expose_secret().strip_prefix(PREFIX)?;
        let (head, keys) = rest.split_once('$')?;
        let (iterations, salt) = head.split_once(':')?;
        let (stored, server) = keys.split_once(':')?;
        let iterations = iterations.bytes().all(|b| b.is_ascii_digit()).then(|| iterations.parse().ok())??;
        let salt = STANDARD.decode(salt).ok().filter(|s| !s.is_empty())?;
        for key in [stored, server] {
            STANDARD.decode(key).ok().filter(|k| k.len() == digest::SHA256_OUTPUT_LEN)?;
        }
        Some(Verifier { iterations, salt, text: text.clone() })
    }

    /// Whether this is the password's verifier.
    #[must_use]
    pub fn fits(&self, password: &SecretString) -> bool {
        self.same(&Self::with_salt(password, self.iterations, self.salt.clone()).text)
    }

    /// Whether a text is this very verifier.
    #[must_use]
    pub fn same(&self, text: &SecretString) -> bool {
        same(&self.text, text)
    }

    /// Rounds of PBKDF2.
    #[must_use]
    pub fn iterations(&self) -> u32 {
        self.iterations.get()
    }

    /// As PostgreSQL and a userlist write it.
    #[must_use]
    pub fn text(&self) -> &SecretString {
        &self.text
    }
}

/// Whether two secrets are the same, in a time that does not tell where they differ.
#[must_use]
pub fn same(one: &SecretString, two: &SecretString) -> bool {
    one.expose_secret().as_bytes().ct_eq(two.expose_secret().as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verifier_fits_its_password_only() {
        for password in ["secret", "", "pässwörd", "\u{2168}", "a\u{ad}b", "x\u{7}"] {
            let verifier = Verifier::new(&password.into(), ITERATIONS).unwrap();
            let read = Verifier::parse(verifier.text()).unwrap();
            assert!(read.fits(&password.into()), "{password:?}");
            assert!(!read.fits(&"other".into()));
            assert_eq!(read.iterations(), ITERATIONS);
        }
        assert!(Verifier::new(&"x".into(), 0).is_err());
    }

    #[test]
    fn postgresql_s_own_implementation_agrees() {
        let theirs = postgres_protocol::password::scram_sha_256("I\u{ad}X pässword".as_bytes());
        assert!(Verifier::parse(&theirs.into()).unwrap().fits(&"IX pässword".into()));
    }

    #[test]
    fn malformed_verifiers_are_not_taken_for_any() {
        let good = Verifier::new(&"x".into(), 1).unwrap().text().expose_secret().to_owned();
        for bad in [
            String::new(),
            "md5d41d8cd98f00b204e9800998ecf8427e".to_owned(),
            good.replace("SHA-256", "SHA-1"),
            good.replace("$1:", "$0:"),
            good.replace("$1:", "$+1:"),
            good[..good.len() - 1].to_owned(),
            good.clone() + "=",
            good.replacen(':', "", 1),
        ] {
            assert!(Verifier::parse(&bad.clone().into()).is_none(), "{bad}");
        }
    }

    #[test]
    fn debug_shows_no_key() {
        let verifier = Verifier::new(&"x".into(), 1).unwrap();
        let shown = format!("{verifier:?}");
        assert!(!shown.contains(verifier.text().expose_secret()) && !shown.contains("SCRAM"));
    }
}
