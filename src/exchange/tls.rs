//! TLS: one provider, one set of roots, for REST and streams alike.
//!
//! Owns: which certificates are trusted. There is no switch that accepts a bad one.
//! Must not know: hosts.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

use super::text::clean_text;

/// The largest file of further roots, in bytes.
const ROOTS_SIZE_MAX: u64 = 1024 * 1024;

/// The shared client configuration: the system's roots, the built-in ones where the system has
/// none, and those of `extra_roots` (a PEM file) on top.
///
/// # Errors
/// Words for a message when the file cannot be used or the provider refuses.
pub(super) fn client_config(extra_roots: Option<&Path>) -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore::empty();
    let native = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(native.certs);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    if let Some(path) = extra_roots {
        add_file(&mut roots, path)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS is not available: {error}"))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

fn add_file(roots: &mut RootCertStore, path: &Path) -> Result<(), String> {
    let refuse = |reason: String| format!("{}: {reason}", path.display());
    let size = std::fs::metadata(path)
        .map_err(|error| refuse(error.to_string()))?
        .len();
    if size > ROOTS_SIZE_MAX {
        return Err(refuse("is larger than 1 MiB".into()));
    }
    let pem = std::fs::read(path).map_err(|error| refuse(error.to_string()))?;
    let mut added = 0_u32;
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| refuse(error.to_string()))?;
        roots
            .add(certificate)
            .map_err(|error| refuse(error.to_string()))?;
        added = added.saturating_add(1);
    }
    if added == 0 {
        return Err(refuse("holds no certificate".into()));
    }
    Ok(())
}

/// What TLS had against the other side's certificate, if that is why the connection failed.
pub(super) fn certificate_refusal(error: &(dyn Error + 'static)) -> Option<String> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(rustls::Error::InvalidCertificate(reason)) =
            error.downcast_ref::<rustls::Error>()
        {
            return Some(clean_text(&format!("certificate refused: {reason}")));
        }
        // An io::Error hides what it wraps from `source`.
        let wrapped = error
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::get_ref)
            .map(|inner| inner as &(dyn Error + 'static));
        cause = wrapped.or_else(|| error.source());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn n04_a_refused_certificate_is_told_from_other_failures() {
        let inner = rustls::Error::InvalidCertificate(rustls::CertificateError::Expired);
        let wrapped = std::io::Error::new(std::io::ErrorKind::InvalidData, inner);
        assert!(certificate_refusal(&wrapped).is_some());
        let reset = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        assert!(certificate_refusal(&reset).is_none());
    }

    #[test]
    fn roots_that_cannot_be_used_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("roots.pem");
        std::fs::write(&path, "nothing").unwrap();
        let error = client_config(Some(&path)).unwrap_err();
        assert!(error.ends_with("holds no certificate"), "{error}");
        assert!(client_config(None).is_ok());
    }
}
