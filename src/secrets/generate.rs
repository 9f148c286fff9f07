//! Random values from the system's source, in an alphabet that needs no quoting in a URL, a shell, a compose or ini file.

use crate::error::{Error, Result};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::{SecureRandom, SystemRandom};
use secrecy::SecretString;
use secrecy::zeroize::Zeroizing;

const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// Bits of a value whose marker does not say.
pub const BITS: u32 = 256;

/// The frame of an Ed25519 private key of 32 bytes (RFC 8410, 10.3): the form without the public key, which all read.
const PKCS8_ED25519: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// What a secret is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recipe {
    /// Letters and digits, as many as hold this many random bits.
    Text(u32),
    /// Two hexadecimal digits for each of this many random bytes.
    Hex(u32),
    /// An Ed25519 private key: PKCS#8 in base64url.
    Ed25519,
}

impl Recipe {
    /// What a marker asks for: `<generate-with-openssl-rand-base64-32>` is 32 bytes, `…-hex-32` 64 digits,
    /// `<generate-ed25519>` a signing key; any other `<generate…>` 256 bits. `None` for what is no marker.
    #[must_use]
    pub fn of_marker(value: &str) -> Option<Recipe> {
        let inside = value.strip_prefix("<generate")?.strip_suffix('>')?;
        if inside.contains("ed25519") {
            return Some(Recipe::Ed25519);
        }
        let bytes = inside.rsplit('-').next().and_then(|n| n.parse().ok()).filter(|n| (8..=1024).contains(n));
        Some(match bytes {
            Some(bytes) if inside.contains("hex") => Recipe::Hex(bytes),
            Some(bytes) => Recipe::Text(bytes * 8),
            None => Recipe::Text(BITS),
        })
    }

    /// What a value seems to have been made of, so that its successor fits where it stands: hexadecimal digits are
    /// followed by as many.
    #[must_use]
    pub fn of_value(value: &str) -> Recipe {
        if ed25519_seed(value).is_some() {
            return Recipe::Ed25519;
        }
        let hex = value.len() >= 32
            && value.len().is_multiple_of(2)
            && value.bytes().all(|b| b"0123456789abcdef".contains(&b));
        match u32::try_from(value.len() / 2) {
            Ok(bytes) if hex && bytes <= 1024 => Recipe::Hex(bytes),
            _ => Recipe::Text(BITS),
        }
    }

    /// A new value.
    ///
    /// # Errors
    /// The system has no random bytes to give.
    pub fn make(self) -> Result<SecretString> {
        match self {
            Recipe::Text(bits) => text(bits),
            Recipe::Hex(bytes) => {
                let mut out = String::with_capacity(bytes as usize * 2);
                for byte in random(bytes as usize)?.iter() {
                    out.extend([byte >> 4, byte & 15].map(|d| char::from_digit(d.into(), 16).unwrap_or('0')));
                }
                Ok(out.into())
            }
            Recipe::Ed25519 => {
                let mut key = Zeroizing::new(PKCS8_ED25519.to_vec());
                key.extend(random(32)?.iter());
                Ok(URL_SAFE_NO_PAD.encode(&*key).into())
            }
        }
    }
}

/// The private part of an Ed25519 key written as [`Recipe::Ed25519`] writes it.
#[must_use]
pub fn ed25519_seed(value: &str) -> Option<Vec<u8>> {
    let der = URL_SAFE_NO_PAD.decode(value.trim_end_matches('=')).ok()?;
    let seed = der.strip_prefix(&PKCS8_ED25519)?;
    (seed.len() == 32).then(|| seed.to_vec())
}

/// Random bytes.
///
/// # Errors
/// The system has none to give.
pub fn random(count: usize) -> Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(vec![0; count]);
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| Error::failed("secrets.random", "the system gives no random bytes").at("getrandom(2)"))?;
    Ok(bytes)
}

/// Letters and digits with at least this many random bits.
///
/// # Errors
/// Those of [`random`].
pub fn text(bits: u32) -> Result<SecretString> {
    let length = (f64::from(bits) / (ALPHABET.len() as f64).log2()).ceil() as usize;
    let mut out = String::with_capacity(length);
    while out.len() < length {
        // Bytes that would favour some letters are passed over.
        let bytes = random(length)?;
        let fair = bytes.iter().filter(|b| **b < 248);
        let letters = fair.filter_map(|b| ALPHABET.get(usize::from(*b) % ALPHABET.len()).copied().map(char::from));
        out.extend(letters.take(length - out.len()));
    }
    Ok(out.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    #[test]
    fn markers_say_how_many_bits() {
        for (marker, recipe) in [
            ("<generate-with-openssl-rand-base64-32>", Recipe::Text(256)),
            ("<generate-with-openssl-rand-base64-24>", Recipe::Text(192)),
            ("<generate-with-openssl-rand-hex-16>", Recipe::Hex(16)),
            ("<generate-ed25519>", Recipe::Ed25519),
            ("<generate>", Recipe::Text(256)),
            ("<generate-1>", Recipe::Text(256)),
        ] {
            assert_eq!(Recipe::of_marker(marker), Some(recipe), "{marker}");
        }
        assert_eq!(Recipe::of_marker("pgadmin"), None);
    }

    #[test]
    fn values_have_the_length_and_letters_they_should() {
        for (recipe, length) in [(Recipe::Text(256), 43), (Recipe::Text(192), 33), (Recipe::Hex(32), 64)] {
            let (one, two) = (recipe.make().unwrap(), recipe.make().unwrap());
            assert_eq!(one.expose_secret().len(), length);
            assert!(one.expose_secret().bytes().all(|b| b.is_ascii_alphanumeric()));
            assert_ne!(one.expose_secret(), two.expose_secret());
        }
        let key = Recipe::Ed25519.make().unwrap();
        assert_eq!(ed25519_seed(key.expose_secret()).unwrap().len(), 32);
        assert_eq!(Recipe::of_value(key.expose_secret()), Recipe::Ed25519);
        assert_eq!(Recipe::of_value(Recipe::Hex(16).make().unwrap().expose_secret()), Recipe::Hex(16));
        assert_eq!(Recipe::of_value("changeme"), Recipe::Text(256));
    }

    #[test]
    fn every_letter_comes_as_often_as_another() {
        let many = text(200_000).unwrap();
        let expected = many.expose_secret().len() as f64 / 62.0;
        for letter in ALPHABET {
            let count = many.expose_secret().bytes().filter(|b| b == letter).count() as f64;
            assert!((count - expected).abs() < expected / 3.0, "{}: {count} of {expected}", char::from(*letter));
        }
    }
}
