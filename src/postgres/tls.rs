//! TLS towards PostgreSQL as libpq's `sslmode` defines it, on rustls with the ring provider.

pub(crate) use super::conninfo::Roots;
use super::conninfo::{Conninfo, SslMode};
use crate::error::{Error, Result};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme, SupportedProtocolVersion,
};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use tokio_postgres_rustls::MakeRustlsConnect;
use x509_cert::Certificate;
use x509_cert::der::Decode;

/// How much of a server's certificate is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Check {
    /// Nothing but that the server holds its key.
    Nothing,
    /// That it leads to a trusted root.
    Chain,
    /// And names the host.
    ChainAndName,
}

/// A connector without any check, for connections that use no TLS.
pub(super) fn unused() -> Result<MakeRustlsConnect> {
    configure(Check::Nothing, None, None, &[&rustls::version::TLS13])
}

/// The connector for these parameters.
///
/// # Errors
/// Usage errors (exit 64) for certificates and keys that are missing, unreadable or open to others.
pub(super) fn connector(info: &Conninfo) -> Result<MakeRustlsConnect> {
    let check = match info.sslmode {
        SslMode::Disable | SslMode::Allow | SslMode::Prefer => Check::Nothing,
        // As libpq: with a root certificate at hand, "require" checks against it.
        SslMode::Require if info.roots.is_some() => Check::Chain,
        SslMode::Require => Check::Nothing,
        SslMode::VerifyCa => Check::Chain,
        SslMode::VerifyFull => Check::ChainAndName,
    };
    let roots = match (check, &info.roots) {
        (Check::Nothing, _) => None,
        (_, Some(roots)) => Some(read_roots(roots)?),
        (_, None) => {
            return Err(Error::usage("connect.tls", "sslmode=verify-ca and verify-full need a root certificate")
                .at("sslrootcert")
                .next("set sslrootcert=FILE, or sslrootcert=system for the operating system's, or put it into ~/.postgresql/root.crt"));
        }
    };
    let certificate = match &info.client_certificate {
        Some((certificate, key)) => Some(read_client_certificate(certificate, key)?),
        None => None,
    };
    let versions: Vec<&'static SupportedProtocolVersion> = [(&rustls::version::TLS12, 2), (&rustls::version::TLS13, 3)]
        .into_iter()
        .filter(|(_, number)| {
            let bound = |text: &Option<String>| text.as_deref().map(|t| if t == "TLSv1.3" { 3 } else { 2 });
            bound(&info.tls_versions.0).is_none_or(|low| low <= *number)
                && bound(&info.tls_versions.1).is_none_or(|high| *number <= high)
        })
        .map(|(version, _)| version)
        .collect();
    if versions.is_empty() {
        return Err(
            Error::usage("connect.tls", "ssl_min_protocol_version is above ssl_max_protocol_version").at("connection")
        );
    }
    configure(check, roots, certificate, &versions)
}

type ClientCertificate = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn configure(
    check: Check,
    roots: Option<Vec<CertificateDer<'static>>>,
    certificate: Option<ClientCertificate>,
    versions: &[&'static SupportedProtocolVersion],
) -> Result<MakeRustlsConnect> {
    let tls = |e: rustls::Error| Error::failed("connect.tls", "cannot set TLS up").at("connection").because(e);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = Verifier::new(check, roots.unwrap_or_default(), Arc::clone(&provider))?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .map_err(tls)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match certificate {
        Some((chain, key)) => builder.with_client_auth_cert(chain, key).map_err(tls)?,
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"postgresql".to_vec()];
    Ok(MakeRustlsConnect::new(config))
}

fn unusable(path: &Path, what: &str) -> Error {
    Error::usage("connect.tls", what).at(path.display())
}

/// Certificates of authorities: a file's, or the operating system's.
///
/// # Errors
/// A file that cannot be read; none at all.
pub(crate) fn read_roots(roots: &Roots) -> Result<Vec<CertificateDer<'static>>> {
    let (certificates, place) = match roots {
        Roots::System => (rustls_native_certs::load_native_certs().certs, "the operating system's roots".to_owned()),
        Roots::File(path) => (read_certificates(path)?, path.display().to_string()),
    };
    if certificates.is_empty() {
        return Err(Error::usage("connect.tls", "there is no root certificate").at(place));
    }
    Ok(certificates)
}

fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|e| unusable(path, "cannot read the certificates").because(e))
}

fn read_client_certificate(certificate: &Path, key: &Path) -> Result<ClientCertificate> {
    let chain = read_certificates(certificate)?;
    let metadata =
        std::fs::metadata(key).map_err(|e| unusable(key, "cannot read the client certificate's key").because(e))?;
    // libpq's rule: the user's own file is the user's alone; root's may be read by its group.
    let others = if metadata.uid() == 0 { 0o027 } else { 0o077 };
    if metadata.mode() & others != 0 {
        return Err(unusable(key, "the client certificate's key may be read by others").next("chmod 0600 it"));
    }
    let key = PrivateKeyDer::from_pem_file(key).map_err(|e| {
        unusable(key, "cannot read the client certificate's key")
            .next("it must be PEM and not encrypted: openssl pkey -in KEY -out NEWKEY")
            .because(e)
    })?;
    Ok((chain, key))
}

/// Checks a server's certificate as far as `sslmode` asks for.
#[derive(Debug)]
struct Verifier {
    check: Check,
    trusted: Vec<CertificateDer<'static>>,
    chain: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl Verifier {
    fn new(check: Check, trusted: Vec<CertificateDer<'static>>, provider: Arc<CryptoProvider>) -> Result<Self> {
        let chain = if check == Check::Nothing {
            None
        } else {
            let mut store = RootCertStore::empty();
            store.add_parsable_certificates(trusted.iter().cloned());
            let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::clone(&provider))
                .build()
                .map_err(|e| {
                    Error::usage("connect.tls", "none of the root certificates can be used")
                        .at("sslrootcert")
                        .because(e)
                })?;
            Some(verifier)
        };
        Ok(Verifier { check, trusted, chain, provider })
    }

    /// A self-signed certificate that is itself the configured root, which many servers have: the path checker takes
    /// no authority's certificate for a server's, OpenSSL does.
    fn is_pinned_and_valid(&self, certificate: &CertificateDer<'_>, now: UnixTime) -> bool {
        self.trusted.iter().any(|trusted| trusted == certificate)
            && Certificate::from_der(certificate).is_ok_and(|c| {
                let validity = c.tbs_certificate.validity;
                let now = now.as_secs();
                validity.not_before.to_unix_duration().as_secs() <= now
                    && now <= validity.not_after.to_unix_duration().as_secs()
            })
    }

    fn check_name(certificate: &CertificateDer<'_>, name: &ServerName<'_>) -> Result<(), rustls::Error> {
        match rustls::client::verify_server_name(&ParsedCertificate::try_from(certificate)?, name) {
            Err(rustls::Error::InvalidCertificate(CertificateError::NotValidForNameContext { presented, .. }))
                if presented.is_empty() && common_name_is(certificate, name) =>
            {
                Ok(())
            }
            result => result,
        }
    }
}

/// Whether the certificate's common name is the host's, which libpq takes where there is no alternative name.
fn common_name_is(certificate: &CertificateDer<'_>, name: &ServerName<'_>) -> bool {
    const COMMON_NAME: x509_cert::der::oid::ObjectIdentifier =
        x509_cert::der::oid::ObjectIdentifier::new_unwrap("2.5.4.3");
    let wanted = name.to_str();
    Certificate::from_der(certificate).is_ok_and(|c| {
        c.tbs_certificate.subject.0.iter().flat_map(|rdn| rdn.0.iter()).any(|attribute| {
            attribute.oid == COMMON_NAME && attribute.value.value().eq_ignore_ascii_case(wanted.as_bytes())
        })
    })
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(chain) = &self.chain else { return Ok(ServerCertVerified::assertion()) };
        match chain.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            Ok(_) => return Ok(ServerCertVerified::assertion()),
            // The chain was good: names are checked last.
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => {}
            Err(_) if self.is_pinned_and_valid(end_entity, now) => {}
            Err(e) => return Err(e),
        }
        if self.check == Check::ChainAndName {
            Self::check_name(end_entity, server_name)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
