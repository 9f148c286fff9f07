//! Certificates and their keys: until when, whether the two fit, and who may read the key. Nothing of a key is kept.

use super::read::{Host, reason};
use super::{Certificate, Cluster};
use crate::root::Root;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use x509_cert::der::Decode;

const DAY: i64 = 86_400;

/// The certificates of clusters that serve TLS, by their files (`ssl = on`).
pub(super) fn of_clusters(host: &Host, clusters: &[Cluster]) -> Vec<Certificate> {
    let on = |c: &&Cluster| {
        c.settings.get("ssl").is_some_and(|s| ["on", "true", "yes", "1"].contains(&s.value.to_lowercase().as_str()))
    };
    clusters
        .iter()
        .filter(on)
        .filter_map(|cluster| {
            let dir = cluster.data_dir.as_deref()?;
            let file = |name: &str, default: &str| {
                let file = cluster.settings.get(name).map_or(default, |s| s.value.as_str());
                std::path::Path::new(dir).join(file).display().to_string()
            };
            let (path, key) = (file("ssl_cert_file", "server.crt"), file("ssl_key_file", "server.key"));
            let mut found = read(host.root, &path, &key);
            found.cluster = Some(cluster.name.clone());
            Some(found)
        })
        .collect()
}

/// A certificate and its key, as far as they may be read.
pub(super) fn read(root: &Root, path: &str, key: &str) -> Certificate {
    let mut found = Certificate { path: path.to_owned(), key: key.to_owned(), ..Certificate::default() };
    if let Ok(metadata) = root.resolve(key).and_then(fs::metadata) {
        let mode = metadata.permissions().mode() & 0o7777;
        found.key_mode = Some(format!("{mode:04o}"));
        found.key_open = Some(mode & 0o007 != 0);
    }
    let chain = match chain(root, path) {
        Ok(chain) => chain,
        Err(e) => {
            found.missing = e.kind() == io::ErrorKind::NotFound;
            found.reason = Some(format!("{path}: {}", reason(&e)));
            return found;
        }
    };
    if let Some(end) = chain.first().and_then(|c| x509_cert::Certificate::from_der(c).ok()) {
        let until = end.tbs_certificate.validity.not_after.to_unix_duration().as_secs();
        if let Some(until) = i64::try_from(until).ok().and_then(|s| jiff::Timestamp::from_second(s).ok()) {
            found.days_left = Some((until.as_second() - jiff::Timestamp::now().as_second()).div_euclid(DAY));
            found.not_after = Some(until.to_string());
        }
    }
    match private_key(root, key) {
        Ok(private) => match any_supported_type(&private) {
            Ok(signing) => found.fits_key = Some(CertifiedKey::new(chain, signing).keys_match().is_ok()),
            Err(e) => found.reason = Some(format!("{key}: {e}")),
        },
        Err(e) => {
            found.missing = e.kind() == io::ErrorKind::NotFound;
            found.reason = Some(format!("{key}: {}", reason(&e)));
        }
    }
    found
}

fn invalid(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

fn chain(root: &Root, path: &str) -> io::Result<Vec<CertificateDer<'static>>> {
    let pem = root.read_bytes(path)?;
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<_, _>>()
        .map_err(|e| invalid(format!("no PEM file of certificates: {e}")))?;
    if chain.is_empty() { Err(invalid("holds no certificate".to_owned())) } else { Ok(chain) }
}

fn private_key(root: &Root, path: &str) -> io::Result<PrivateKeyDer<'static>> {
    let pem = root.read_bytes(path)?;
    if memchr::memmem::find(&pem, b"ENCRYPTED").is_some() {
        return Err(invalid("the key is encrypted, so whether it fits is not known".to_owned()));
    }
    PrivateKeyDer::from_pem_slice(&pem).map_err(|e| invalid(format!("no private key: {e}")))
}
