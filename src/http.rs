//! HTTP towards language models and registries of extensions: one way to set it up, and its errors as ours.

use crate::error::{Error, Result};
use crate::postgres::tls::{Roots, read_roots};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};

/// How long a server may take to accept a connection, TLS included.
const CONNECT: Duration = Duration::from_secs(10);

/// Something that sends requests, each ended after `timeout`. Redirects are not followed: what is sent to one server is
/// not for another. `ca_file` stands in for the system's roots.
///
/// # Errors
/// Certificates that cannot be read.
pub fn agent(url: &str, ca_file: Option<&Path>, timeout: Duration) -> Result<ureq::Agent> {
    let builder = ureq::Agent::config_builder()
        .timeout_connect(Some(CONNECT.min(timeout)))
        .timeout_global(Some(timeout))
        .http_status_as_error(false)
        .max_redirects(0)
        .user_agent(concat!("llmsql/", env!("CARGO_PKG_VERSION")));
    let builder = if url.starts_with("https://") {
        let roots = ca_file.map_or(Roots::System, |path| Roots::File(path.to_owned()));
        let roots: Vec<Certificate<'static>> =
            read_roots(&roots)?.iter().map(|c| Certificate::from_der(c.as_ref()).to_owned()).collect();
        builder.tls_config(
            TlsConfig::builder()
                .provider(TlsProvider::Rustls)
                .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .root_certs(RootCerts::new_with_certs(&roots))
                .build(),
        )
    } else {
        builder
    };
    // A proxy has no way to this host's own addresses.
    let builder = if is_local(url) { builder.proxy(None) } else { builder };
    Ok(builder.build().into())
}

/// Whether a URL leads to this host itself.
#[must_use]
pub fn is_local(url: &str) -> bool {
    let Some(rest) = url.split_once("://").map(|(_, rest)| rest) else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    host.eq_ignore_ascii_case("localhost") || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// A failed request as an error: `code.timeout`, `code.tls` or `code.unreachable`, which the caller names.
#[must_use]
pub fn failed(error: ureq::Error, codes: Codes, place: &str) -> Error {
    // What failed while the body was read stands inside an error of reading.
    let error = match error {
        ureq::Error::Io(e) => ureq::Error::from(e),
        other => other,
    };
    match error {
        ureq::Error::Timeout(_) => Error::failed(codes.timeout, "the server did not answer in time").at(place),
        ureq::Error::HostNotFound => Error::failed(codes.unreachable, "the server's name is not known")
            .at(place)
            .next("check the name, and that this host can look names up"),
        ureq::Error::Io(e) if matches!(e.kind(), std::io::ErrorKind::TimedOut | std::io::ErrorKind::WouldBlock) => {
            Error::failed(codes.timeout, "the server did not answer in time").at(place)
        }
        other => {
            let next = advice(&other.to_string());
            Error::failed(codes.unreachable, "the server cannot be reached").at(place).next(next).because(other)
        }
    }
}

/// What to do about a connection that failed, by what rustls and the system say.
fn advice(said: &str) -> &'static str {
    if said.contains("CaUsedAsEndEntity") {
        "its certificate is that of an authority (CA:TRUE): give the server one of its own, with basicConstraints = CA:FALSE"
    } else if said.contains("UnknownIssuer") {
        "name the certificate of the server's authority: ca_file under [model], --ca-file for a registry"
    } else if said.contains("certificate") {
        "the name in the URL has to be one that the server's certificate has, and the certificate in force"
    } else if said.contains("InvalidContentType") {
        "the server does not speak TLS at this port: use http://, or another port"
    } else {
        "check that the server runs, and host, port and scheme of its URL"
    }
}

/// The codes of the errors of [`failed`].
#[derive(Debug, Clone, Copy)]
pub struct Codes {
    /// No answer in time.
    pub timeout: &'static str,
    /// No connection, or one that broke.
    pub unreachable: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_connection_says_what_to_do() {
        for (said, next) in [
            ("io: invalid peer certificate: UnknownIssuer", "ca_file"),
            ("io: invalid peer certificate: Other(OtherError(CaUsedAsEndEntity))", "CA:FALSE"),
            ("io: invalid peer certificate: certificate not valid for name \"x\"", "name in the URL"),
            ("io: received corrupt message of type InvalidContentType", "http://"),
            ("io: Connection refused (os error 111)", "server runs"),
        ] {
            assert!(advice(said).contains(next), "{said}");
        }
    }

    #[test]
    fn this_host_is_known_by_its_names() {
        for (url, local) in [
            ("http://localhost:11434/v1", true),
            ("http://127.0.0.9", true),
            ("http://[::1]:80/", true),
            ("http://localhost.example.com/", false),
            ("http://localhost@example.com/", false),
            ("https://example.com", false),
            ("localhost", false),
        ] {
            assert_eq!(is_local(url), local, "{url}");
        }
    }
}
