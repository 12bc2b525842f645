//! Keys and signatures.
//!
//! Owns: the only code that reads a secret's bytes.
//! Must not know: what is signed for, where keys are kept.
//!
//! The bytes that are signed are the bytes that are sent: a query is encoded once, signed, and the
//! signature appended last. Source: binance-api §3.

use std::fmt;
use std::sync::Arc;

use data_encoding::{BASE64, HEXLOWER};
use hmac::{Hmac, KeyInit as _, Mac as _};
use rustls::SignatureScheme;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject as _;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;

/// The public half of a key; not a secret by itself, yet never printed.
#[derive(Clone)]
pub struct ApiKey(SecretString);

/// The secret half of a key.
#[derive(Clone)]
pub struct Secret(SecretString);

impl ApiKey {
    /// Takes the key as it is.
    #[must_use]
    pub fn new(key: String) -> Self {
        Self(key.into())
    }

    pub(super) fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl Secret {
    /// Takes the secret as it is.
    #[must_use]
    pub fn new(secret: String) -> Self {
        Self(secret.into())
    }

    pub(super) fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(***)")
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

/// Makes signatures.
#[derive(Clone)]
pub struct Signer(Kind);

#[derive(Clone)]
enum Kind {
    Hmac(Secret),
    Ed25519(Arc<dyn rustls::sign::SigningKey>),
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Kind::Hmac(_) => "Signer(hmac ***)",
            Kind::Ed25519(_) => "Signer(ed25519 ***)",
        })
    }
}

/// Why nothing can be signed with this. Says nothing about the secret itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// A PEM that is no Ed25519 private key in PKCS#8.
    #[error("is a PEM, but not an unencrypted Ed25519 private key (PKCS#8)")]
    NotEd25519,
    /// The library refused to sign.
    #[error("could not be used to sign")]
    Refused,
}

impl Signer {
    /// HMAC-SHA256 with the secret's bytes.
    #[must_use]
    pub const fn hmac(secret: Secret) -> Self {
        Self(Kind::Hmac(secret))
    }

    /// Detects what the secret is: a PEM holds an Ed25519 key, anything else is an HMAC secret.
    ///
    /// # Errors
    /// [`SignError::NotEd25519`] for any other PEM.
    pub fn detect(secret: Secret) -> Result<Self, SignError> {
        if !secret.expose().contains("-----BEGIN") {
            return Ok(Self::hmac(secret));
        }
        let key = PrivatePkcs8KeyDer::from_pem_slice(secret.expose().as_bytes())
            .map_err(|_| SignError::NotEd25519)?;
        let key =
            rustls::crypto::ring::sign::any_eddsa_type(&key).map_err(|_| SignError::NotEd25519)?;
        Ok(Self(Kind::Ed25519(key)))
    }

    /// The signature of exactly these bytes, ready to stand in a query.
    ///
    /// # Errors
    /// [`SignError::Refused`] when the library will not sign.
    pub fn sign(&self, payload: &[u8]) -> Result<String, SignError> {
        match &self.0 {
            Kind::Hmac(secret) => {
                let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes())
                    .map_err(|_| SignError::Refused)?;
                mac.update(payload);
                Ok(HEXLOWER.encode(&mac.finalize().into_bytes()))
            }
            Kind::Ed25519(key) => {
                let signature = key
                    .choose_scheme(&[SignatureScheme::ED25519])
                    .ok_or(SignError::Refused)?
                    .sign(payload)
                    .map_err(|_| SignError::Refused)?;
                Ok(encode(&BASE64.encode(&signature)))
            }
        }
    }

    /// `text` without any trace of the secret.
    pub(super) fn redact(&self, text: &str) -> String {
        match &self.0 {
            Kind::Hmac(secret) if !secret.expose().is_empty() => {
                text.replace(secret.expose(), "***")
            }
            Kind::Hmac(_) | Kind::Ed25519(_) => text.to_owned(),
        }
    }
}

/// Percent-encodes a value for a query: letters, digits and `. _ -` stay.
#[must_use]
pub fn encode(value: &str) -> String {
    // `+` only ever stands for a space here: a plus sign itself became %2B.
    url::form_urlencoded::byte_serialize(value.as_bytes())
        .collect::<String>()
        .replace('+', "%20")
}

/// `name=value&…`, encoded, in the given order.
#[must_use]
pub fn query(parameters: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (name, value) in parameters {
        if !text.is_empty() {
            text.push('&');
        }
        text.push_str(name);
        text.push('=');
        text.push_str(&encode(value));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    // binance-api §3.2: the exchange's documented key, and vectors V1 to V4.
    const SECRET: &str = "2b5eb11e18796d12d88f13dc27dbbd02c2cc51ff7059765ed9821957d82bb4d9";

    fn signature(payload: &str) -> String {
        Signer::hmac(Secret::new(SECRET.into()))
            .sign(payload.as_bytes())
            .unwrap()
    }

    #[test]
    fn k08_documented_signatures_come_out() {
        let tail = "&recvWindow=5000&timestamp=1591702613943";
        assert_eq!(
            signature(&format!(
                "symbol=BTCUSDT&side=BUY&type=LIMIT&quantity=1&price=9000&timeInForce=GTC{tail}"
            )),
            "3c661234138461fcc7a7d8746c6558c9842d4e10870d2ecbedf7777cad694af9"
        );
        assert_eq!(
            signature(&format!(
                "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=9000{tail}"
            )),
            "ec11dcc17e67e47f0d3c3f513dfe9062307e37619c5c82ebaa8fe0bdf3d59519"
        );
        // V3: query immediately followed by the body, nothing between.
        assert_eq!(
            signature(&format!(
                "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTCquantity=1&price=9000{tail}"
            )),
            "30baaf0fab549bbeda7f5ef201898b34122da25fd23c646cac2c529aebe670a4"
        );
    }

    #[test]
    fn k08_a_symbol_in_another_script_is_encoded_before_it_is_signed() {
        let payload = query(&[
            ("symbol", "测试USDT"),
            ("side", "BUY"),
            ("type", "LIMIT"),
            ("quantity", "1"),
            ("price", "9000"),
            ("timeInForce", "GTC"),
            ("recvWindow", "5000"),
            ("timestamp", "1591702613943"),
        ]);
        assert!(payload.starts_with("symbol=%E6%B5%8B%E8%AF%95USDT&side=BUY"));
        assert_eq!(
            signature(&payload),
            "9d2e8dacddb11414536b156b22a1a127349c031df551f3b643416d252891aad3"
        );
    }

    #[test]
    fn a_pem_is_an_ed25519_key_and_its_signature_verifies() {
        // RFC 8410 §10.3: the example private key; RFC 8032 signatures are deterministic.
        let pem = "-----BEGIN PRIVATE KEY-----\n\
                   MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
                   -----END PRIVATE KEY-----\n";
        let signer = Signer::detect(Secret::new(pem.into())).unwrap();
        let text = signer.sign(b"timestamp=1").unwrap();
        let plain = text
            .replace("%2B", "+")
            .replace("%2F", "/")
            .replace("%3D", "=");
        let bytes = BASE64.decode(plain.as_bytes()).unwrap();
        assert_eq!(bytes.len(), 64);
        assert_eq!(text, signer.sign(b"timestamp=1").unwrap());
        assert_ne!(text, signer.sign(b"timestamp=2").unwrap());
    }

    #[test]
    fn any_other_pem_is_refused_by_name() {
        let pem = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        assert_eq!(
            Signer::detect(Secret::new(pem.into())).unwrap_err(),
            SignError::NotEd25519
        );
    }

    #[test]
    fn nothing_printed_holds_the_secret() {
        let signer = Signer::hmac(Secret::new("canary-secret".into()));
        let key = ApiKey::new("canary-key".into());
        let secret = Secret::new("canary-secret".into());
        let printed = format!("{signer:?} {key:?} {secret:?}");
        assert!(!printed.contains("canary"), "{printed}");
        assert_eq!(signer.redact("x canary-secret y"), "x *** y");
    }

    #[test]
    fn reserved_characters_are_encoded() {
        assert_eq!(encode("a b+c/[\"x\"]"), "a%20b%2Bc%2F%5B%22x%22%5D");
        assert_eq!(encode("A.z_0-9"), "A.z_0-9");
    }
}
