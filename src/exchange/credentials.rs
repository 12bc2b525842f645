//! The key the exchange knows us by.
//!
//! Owns: an API key and what signs with it, and keeping both out of every text.
//! Must not know: where they were kept; the configuration reads the files.

use super::sign::{ApiKey, Secret, SignError, Signer};

/// A key and what signs with it. Prints as stars.
#[derive(Debug, Clone)]
pub struct Credentials {
    pub(super) api_key: ApiKey,
    pub(super) signer: Signer,
}

impl Credentials {
    /// An HMAC key.
    #[must_use]
    pub fn hmac(api_key: String, secret: String) -> Self {
        Self {
            api_key: ApiKey::new(api_key),
            signer: Signer::hmac(Secret::new(secret)),
        }
    }

    /// A key whose secret is an HMAC secret or the PEM of an Ed25519 key: detected.
    ///
    /// # Errors
    /// [`SignError`] when a PEM does not hold an Ed25519 key.
    pub fn detect(api_key: String, secret: String) -> Result<Self, SignError> {
        Ok(Self {
            api_key: ApiKey::new(api_key),
            signer: Signer::detect(Secret::new(secret))?,
        })
    }

    /// `text` without any trace of the key.
    pub(super) fn redact(&self, text: &str) -> String {
        let text = self.signer.redact(text);
        if self.api_key.expose().is_empty() {
            return text;
        }
        text.replace(self.api_key.expose(), "***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t05_a_key_prints_as_stars_and_leaves_no_trace_in_a_text() {
        let key = Credentials::hmac("CANARYKEY".to_owned(), "CANARYSECRET".to_owned());
        let printed = format!("{key:?}");
        assert!(!printed.contains("CANARY"), "{printed}");
        let text = key.redact("GET /x?apiKey=CANARYKEY&secret=CANARYSECRET");
        assert!(!text.contains("CANARY"), "{text}");
    }

    #[test]
    fn a_pem_that_is_no_ed25519_key_is_refused() {
        let pem = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----".to_owned();
        assert!(Credentials::detect("key".to_owned(), pem).is_err());
        assert!(Credentials::detect("key".to_owned(), "hmac".to_owned()).is_ok());
    }
}
