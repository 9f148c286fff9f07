//! JSON Web Tokens (RFC 7519), HS256 and EdDSA, signed and checked with the keys of the env file (guide 5.3).
//!
//! A key has an id made of itself, which a token carries (`kid`). While an earlier key's tokens may be alive it stands
//! in `JWT_SECRET_KEY_PREVIOUS` as `<unix seconds until which it is accepted>:<key>`, several parted by commas.

use crate::error::{Error, Exit, Result};
use crate::secrets::env::EnvFile;
use crate::secrets::generate;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error as JwtError, ErrorKind};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use ring::{digest, hmac};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};
use signature::{Signer, Verifier};

/// The name of the key that signs.
pub const KEY: &str = "JWT_SECRET_KEY";

/// Where earlier keys stand while their tokens may be alive.
pub const PREVIOUS: &str = "JWT_SECRET_KEY_PREVIOUS";

/// Minutes a token lives where JWT_EXPIRE_MINUTES says nothing, as in the guide (5.3).
const MINUTES: i64 = 15;

/// The longest a token may be asked to live, in minutes: ten years.
const LONGEST: i64 = 10 * 366 * 24 * 60;

/// A key that signs or checks.
#[derive(Clone)]
pub struct Key {
    algorithm: Algorithm,
    secret: SecretString,
    /// Unix seconds until which it is accepted; `None` for the one that signs.
    pub until: Option<i64>,
    /// Its id.
    pub id: String,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Key {
    fn new(algorithm: Algorithm, secret: SecretString, until: Option<i64>) -> Result<Key> {
        let public = match algorithm {
            Algorithm::EdDSA => ed25519(&secret)?.public_key().as_ref().to_vec(),
            _ => secret.expose_secret().as_bytes().to_vec(),
        };
        let mut hash = digest::Context::new(&digest::SHA256);
        hash.update(b"llmsql kid ");
        hash.update(&public);
        let id = URL_SAFE_NO_PAD.encode(hash.finish().as_ref().get(..6).unwrap_or_default());
        Ok(Key { algorithm, secret, until, id })
    }

    fn encoding(&self) -> Result<EncodingKey> {
        Ok(match self.algorithm {
            Algorithm::EdDSA => EncodingKey::from_ed_der(&seed(&self.secret)?),
            _ => EncodingKey::from_secret(self.secret.expose_secret().as_bytes()),
        })
    }

    fn decoding(&self) -> Result<DecodingKey> {
        Ok(match self.algorithm {
            Algorithm::EdDSA => DecodingKey::from_ed_der(ed25519(&self.secret)?.public_key().as_ref()),
            _ => DecodingKey::from_secret(self.secret.expose_secret().as_bytes()),
        })
    }
}

fn seed(secret: &SecretString) -> Result<Vec<u8>> {
    generate::ed25519_seed(secret.expose_secret()).ok_or_else(|| {
        Error::usage("token.key", "is no Ed25519 key: PKCS#8 in base64url is expected for JWT_ALGORITHM=EdDSA")
            .at(KEY)
            .next("make one with the marker <generate-ed25519> and llmsql secrets init, or rotate it")
    })
}

fn ed25519(secret: &SecretString) -> Result<Ed25519KeyPair> {
    Ed25519KeyPair::from_seed_unchecked(&seed(secret)?)
        .map_err(|_| Error::usage("token.key", "is no Ed25519 key").at(KEY))
}

/// The keys of an env file, the one that signs first.
#[derive(Debug)]
pub struct Keys {
    keys: Vec<Key>,
    minutes: i64,
}

impl Keys {
    /// Takes them from the env file.
    ///
    /// # Errors
    /// No key; an algorithm that is neither HS256 nor EdDSA; a key that does not fit it.
    pub fn of(env: &EnvFile) -> Result<Keys> {
        let text = |name: &str| env.get(name).map(|v| v.expose_secret().to_owned());
        let algorithm = match text("JWT_ALGORITHM").as_deref() {
            None | Some("HS256") => Algorithm::HS256,
            Some("EdDSA") => Algorithm::EdDSA,
            Some(other) => {
                return Err(Error::usage("token.algorithm", format!("{other:?} is not supported"))
                    .at("JWT_ALGORITHM")
                    .next("set it to HS256 or EdDSA"));
            }
        };
        let mut keys = vec![Key::new(algorithm, env.need(KEY)?, None)?];
        for (until, secret) in previous(env) {
            // A key of the other algorithm can have signed nothing that is accepted now.
            keys.extend(Key::new(algorithm, secret, Some(until)).ok());
        }
        Ok(Keys { keys, minutes: minutes(env)? })
    }

    /// Minutes a token lives.
    #[must_use]
    pub fn minutes(&self) -> i64 {
        self.minutes
    }

    /// The id of the key that signs.
    #[must_use]
    pub fn signer(&self) -> &str {
        self.keys.first().map_or("", |key| key.id.as_str())
    }

    /// Signs a token. `claims` are added to `exp`, `iat` and `jti`, which are set here.
    ///
    /// # Errors
    /// A life that is none or longer than ten years.
    pub fn mint(&self, mut claims: Map<String, Value>, minutes: i64) -> Result<SecretString> {
        install();
        if !(1..=LONGEST).contains(&minutes) {
            return Err(Error::usage("token.expires", "a token lives from one minute to ten years").at("--expires"));
        }
        let Some(key) = self.keys.first() else { return Err(Error::usage("token.key", "there is no key").at(KEY)) };
        let now = Timestamp::now().as_second();
        claims.insert("iat".to_owned(), json!(now));
        claims.insert("exp".to_owned(), json!(now + minutes * 60));
        claims.insert("jti".to_owned(), json!(generate::text(128)?.expose_secret()));
        let header = Header { kid: Some(key.id.clone()), ..Header::new(key.algorithm) };
        let token = jsonwebtoken::encode(&header, &claims, &key.encoding()?);
        token.map(SecretString::from).map_err(|e| Error::failed("token.mint", "the token cannot be signed").because(e))
    }

    /// Checks a token: signature, expiry, not-before, audience and issuer. Without an audience to check, a token that
    /// has one is refused, as the RFC wants.
    ///
    /// # Errors
    /// Why it is not accepted (exit 12).
    pub fn verify(&self, token: &SecretString, audience: Option<&str>, issuer: Option<&str>) -> Result<Verified> {
        install();
        let text = token.expose_secret().trim();
        let header = jsonwebtoken::decode_header(text).map_err(|e| refused(&e))?;
        let now = Timestamp::now().as_second();
        let named = |key: &&Key| header.kid.as_ref().is_none_or(|kid| *kid == key.id);
        let candidates: Vec<&Key> = self.keys.iter().filter(named).collect();
        let ended = |key: &Key| key.until.is_some_and(|until| until < now);
        if candidates.is_empty() || candidates.iter().all(|k| ended(k)) {
            let what =
                if candidates.is_empty() { "its key is not known here" } else { "its key is no longer accepted" };
            return Err(Error::new(Exit::LoginFailed, "token.refused", format!("the token is not accepted: {what}")));
        }
        let mut last = None;
        for key in candidates.into_iter().filter(|k| !ended(k)) {
            let mut validation = Validation::new(key.algorithm);
            validation.leeway = 0;
            validation.validate_nbf = true;
            if let Some(audience) = audience {
                validation.set_audience(&[audience]);
                validation.required_spec_claims.insert("aud".to_owned());
            }
            if let Some(issuer) = issuer {
                validation.set_issuer(&[issuer]);
                validation.required_spec_claims.insert("iss".to_owned());
            }
            match jsonwebtoken::decode::<Value>(text, &key.decoding()?, &validation) {
                Ok(data) => {
                    return Ok(Verified { key: key.id.clone(), previous: key.until.is_some(), claims: data.claims });
                }
                Err(e) => last = Some(e),
            }
        }
        Err(last.map_or_else(
            || Error::new(Exit::LoginFailed, "token.refused", "the token is not accepted"),
            |e| refused(&e),
        ))
    }

    /// The public keys as a JSON Web Key Set (RFC 7517); none for HS256, whose key is secret.
    ///
    /// # Errors
    /// The algorithm is HS256.
    pub fn public(&self) -> Result<Value> {
        let mut keys = Vec::new();
        for key in &self.keys {
            if key.algorithm != Algorithm::EdDSA {
                return Err(Error::usage("token.public", "the key of HS256 is secret: there is no public one")
                    .at("JWT_ALGORITHM")
                    .next("set JWT_ALGORITHM=EdDSA and rotate JWT_SECRET_KEY to have services check tokens that they cannot sign"));
            }
            let x = URL_SAFE_NO_PAD.encode(ed25519(&key.secret)?.public_key());
            keys.push(json!({"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": key.id, "x": x}));
        }
        Ok(json!({ "keys": keys }))
    }
}

/// A token that is accepted.
#[derive(Debug, serde::Serialize)]
pub struct Verified {
    /// The id of the key that signed it.
    pub key: String,
    /// Whether that is an earlier one, whose time is running out.
    pub previous: bool,
    /// What it says.
    pub claims: Value,
}

/// Header and claims of a token, nothing of which has been checked.
///
/// # Errors
/// It is no token.
pub fn inspect(token: &SecretString) -> Result<(Value, Value)> {
    let text = token.expose_secret().trim();
    let part = |n: usize| -> Option<Value> {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text.split('.').nth(n)?).ok()?).ok()
    };
    match (text.split('.').count(), part(0), part(1)) {
        (3, Some(header), Some(claims)) => Ok((header, claims)),
        _ => Err(Error::usage("token.malformed", "this is no JSON Web Token")
            .next("a token is three parts with dots between them")),
    }
}

/// Earlier keys and the unix second until which each is accepted.
#[must_use]
pub fn previous(env: &EnvFile) -> Vec<(i64, SecretString)> {
    let Some(text) = env.get(PREVIOUS) else { return Vec::new() };
    let one = |part: &str| {
        let (until, key) = part.split_once(':')?;
        Some((until.parse().ok()?, SecretString::from(key)))
    };
    text.expose_secret().split(',').filter_map(one).collect()
}

/// [`PREVIOUS`] once `old` has been replaced: it and every earlier key whose tokens may be alive. `longest` is the unix
/// second in which the last token of `old` ends that is known here; those of others live JWT_EXPIRE_MINUTES.
///
/// # Errors
/// JWT_EXPIRE_MINUTES is no number of minutes.
pub fn after_rotation(env: &EnvFile, old: &SecretString, longest: Option<i64>) -> Result<SecretString> {
    let now = Timestamp::now().as_second();
    let mut keys: Vec<(i64, SecretString)> = previous(env).into_iter().filter(|(until, _)| *until > now).collect();
    let until = (now + minutes(env)? * 60).max(longest.unwrap_or_default());
    keys.insert(0, (until, old.clone()));
    let parts: Vec<String> = keys.iter().map(|(until, key)| format!("{until}:{}", key.expose_secret())).collect();
    Ok(parts.join(",").into())
}

fn minutes(env: &EnvFile) -> Result<i64> {
    let Some(text) = env.get("JWT_EXPIRE_MINUTES") else { return Ok(MINUTES) };
    let minutes = text.expose_secret().trim().parse().ok().filter(|m| (1..=LONGEST).contains(m));
    minutes.ok_or_else(|| Error::usage("token.expires", "is no number of minutes").at("JWT_EXPIRE_MINUTES"))
}

fn refused(error: &JwtError) -> Error {
    let what = match error.kind() {
        ErrorKind::ExpiredSignature => "it has expired",
        ErrorKind::ImmatureSignature => "it is not valid yet",
        ErrorKind::InvalidSignature => "its signature is wrong",
        ErrorKind::InvalidAudience => "it is for another audience",
        ErrorKind::InvalidIssuer => "it comes from another issuer",
        ErrorKind::InvalidAlgorithm => "it is signed with another algorithm",
        ErrorKind::MissingRequiredClaim(claim) => {
            return Error::new(
                Exit::LoginFailed,
                "token.refused",
                format!("the token is not accepted: it has no {claim}"),
            );
        }
        _ => "it is malformed",
    };
    Error::new(Exit::LoginFailed, "token.refused", format!("the token is not accepted: {what}"))
}

/// jsonwebtoken computes with ring, as TLS does, so that there is one cryptography in the program.
fn install() {
    // A second call finds it installed.
    let _ = PROVIDER.install_default();
}

static PROVIDER: CryptoProvider =
    CryptoProvider { signer_factory, verifier_factory, key_utils: KeyUtils::new_unimplemented() };

fn signer_factory(algorithm: &Algorithm, key: &EncodingKey) -> Result<Box<dyn JwtSigner>, JwtError> {
    match algorithm {
        Algorithm::HS256 => Ok(Box::new(Hs256(hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes())))),
        Algorithm::EdDSA => Ed25519KeyPair::from_seed_unchecked(key.as_bytes())
            .map(|pair| Box::new(EdSigner(pair)) as Box<dyn JwtSigner>)
            .map_err(|_| ErrorKind::InvalidEddsaKey.into()),
        _ => Err(ErrorKind::InvalidAlgorithm.into()),
    }
}

fn verifier_factory(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>, JwtError> {
    let bytes = key.try_get_as_bytes()?;
    match algorithm {
        Algorithm::HS256 => Ok(Box::new(Hs256(hmac::Key::new(hmac::HMAC_SHA256, bytes)))),
        Algorithm::EdDSA => Ok(Box::new(EdVerifier(UnparsedPublicKey::new(&ED25519, bytes.to_vec())))),
        _ => Err(ErrorKind::InvalidAlgorithm.into()),
    }
}

struct Hs256(hmac::Key);
struct EdSigner(Ed25519KeyPair);
struct EdVerifier(UnparsedPublicKey<Vec<u8>>);

impl Signer<Vec<u8>> for Hs256 {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, signature::Error> {
        Ok(hmac::sign(&self.0, message).as_ref().to_vec())
    }
}

impl Verifier<Vec<u8>> for Hs256 {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        hmac::verify(&self.0, message, signature).map_err(|_| signature::Error::new())
    }
}

impl Signer<Vec<u8>> for EdSigner {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, signature::Error> {
        Ok(self.0.sign(message).as_ref().to_vec())
    }
}

impl Verifier<Vec<u8>> for EdVerifier {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        self.0.verify(message, signature).map_err(|_| signature::Error::new())
    }
}

impl JwtSigner for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

impl JwtVerifier for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

impl JwtSigner for EdSigner {
    fn algorithm(&self) -> Algorithm {
        Algorithm::EdDSA
    }
}

impl JwtVerifier for EdVerifier {
    fn algorithm(&self) -> Algorithm {
        Algorithm::EdDSA
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(text: &str) -> Keys {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(".env");
        std::fs::write(&path, text).unwrap();
        Keys::of(&EnvFile::read(&path).unwrap()).unwrap()
    }

    fn claims(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn both_algorithms_sign_and_check() {
        let key = generate::Recipe::Ed25519.make().unwrap();
        let eddsa = format!("JWT_ALGORITHM=EdDSA\nJWT_SECRET_KEY={}\n", key.expose_secret());
        for text in ["JWT_SECRET_KEY=0123456789abcdef\n", &eddsa] {
            let keys = keys(text);
            let token = keys.mint(claims(json!({"sub": "ada", "aud": "api"})), 5).unwrap();
            let verified = keys.verify(&token, Some("api"), None).unwrap();
            assert_eq!(verified.claims["sub"], "ada");
            for (audience, issuer) in [(None, None), (Some("other"), None), (Some("api"), Some("me"))] {
                assert_eq!(keys.verify(&token, audience, issuer).unwrap_err().exit, Exit::LoginFailed);
            }
            let mut broken = token.expose_secret().to_owned();
            let last = if broken.pop() == Some('A') { 'B' } else { 'A' };
            broken.insert(broken.len() - 5, last);
            assert!(keys.verify(&broken.into(), Some("api"), None).is_err());
            assert_eq!(inspect(&token).unwrap().0["kid"], verified.key);
        }
    }

    #[test]
    fn a_token_without_a_signature_or_of_another_algorithm_is_refused() {
        let keys = keys("JWT_SECRET_KEY=0123456789abcdef\n");
        let encode = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        for alg in ["none", "EdDSA", "HS512"] {
            let token = format!("{}.{}.", encode(json!({"alg": alg})), encode(json!({"exp": 9_999_999_999_u64})));
            assert!(keys.verify(&token.into(), None, None).is_err(), "{alg}");
        }
        assert!(keys.verify(&"nonsense".into(), None, None).is_err() && inspect(&"a.b.c".into()).is_err());
        assert!(keys.mint(Map::new(), 0).is_err() && keys.public().is_err());
    }

    #[test]
    fn tokens_of_an_earlier_key_are_accepted_until_its_time() {
        let token = keys("JWT_SECRET_KEY=old\n").mint(Map::new(), 60).unwrap();
        let later = Timestamp::now().as_second() + 600;
        let both = keys(&format!("JWT_SECRET_KEY=new\nJWT_SECRET_KEY_PREVIOUS={later}:old\n"));
        assert!(both.verify(&token, None, None).unwrap().previous);
        let over = keys("JWT_SECRET_KEY=new\nJWT_SECRET_KEY_PREVIOUS=1000:old\n");
        assert!(over.verify(&token, None, None).unwrap_err().what.contains("no longer accepted"));
        assert!(keys("JWT_SECRET_KEY=new\n").verify(&token, None, None).unwrap_err().what.contains("not known"));
    }

    #[test]
    fn a_rotation_keeps_every_key_whose_tokens_may_be_alive() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(".env");
        let later = Timestamp::now().as_second() + 600;
        std::fs::write(
            &path,
            format!("JWT_EXPIRE_MINUTES=30\nJWT_SECRET_KEY=b\nJWT_SECRET_KEY_PREVIOUS={later}:a,1000:z\n"),
        )
        .unwrap();
        let env = EnvFile::read(&path).unwrap();
        let value = after_rotation(&env, &"b".into(), None).unwrap();
        let names: Vec<&str> = value.expose_secret().split(',').map(|p| p.split_once(':').unwrap().1).collect();
        assert_eq!(names, ["b", "a"]);
    }
}
