//! Hosts: one choice of environment fixes all of them.
//!
//! Owns: which hosts exist, and which may be spoken to without TLS (loopback only).
//! Must not know: what is said to them.

use std::net::IpAddr;

use url::{Host, Url};

/// Where the real exchange says what a key may do.
const WALLET: &str = "https://api.binance.com";

/// Which Binance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Environment {
    /// Real money.
    Production,
    /// The exchange's own practice environment (once called testnet).
    Demo,
    /// Hosts given one by one: a simulated exchange, or a future host of the real one.
    Custom {
        /// Root of the REST API.
        rest: String,
        /// Root of the streams; `/market/…` and `/private/…` are appended.
        stream: String,
        /// The WebSocket API.
        ws_api: String,
    },
}

/// Proved hosts: TLS everywhere except on loopback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoints {
    /// Root of the REST API.
    pub rest: Url,
    /// Root of the streams.
    pub stream: Url,
    /// The WebSocket API.
    pub ws_api: Url,
    /// Root of the REST API of wallets and keys, where there is one.
    pub wallet: Option<Url>,
}

/// Why a host is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {reason}")]
pub struct EndpointError {
    /// Which of the three, as the configuration spells it.
    pub name: &'static str,
    /// What is wrong.
    pub reason: String,
}

impl Environment {
    /// The hosts.
    ///
    /// Source: binance-api §1.1, §1.2.
    ///
    /// # Errors
    /// [`EndpointError`] when a custom URL is no URL, has the wrong scheme, carries credentials, a
    /// query or a fragment, or would leave the machine without TLS.
    pub fn endpoints(&self) -> Result<Endpoints, EndpointError> {
        let (rest, stream, ws_api) = match self {
            Self::Production => (
                "https://fapi.binance.com",
                "wss://fstream.binance.com",
                "wss://ws-fapi.binance.com/ws-fapi/v1",
            ),
            Self::Demo => (
                "https://demo-fapi.binance.com",
                "wss://fstream.binancefuture.com",
                "wss://testnet.binancefuture.com/ws-fapi/v1",
            ),
            Self::Custom {
                rest,
                stream,
                ws_api,
            } => (rest.as_str(), stream.as_str(), ws_api.as_str()),
        };
        let rest = proved("rest_url", rest, "https", "http")?;
        let wallet = match self {
            Self::Production => Some(proved("wallet", WALLET, "https", "https")?),
            Self::Demo => None,
            Self::Custom { .. } => Some(rest.clone()),
        };
        Ok(Endpoints {
            rest,
            stream: proved("stream_url", stream, "wss", "ws")?,
            ws_api: proved("ws_api_url", ws_api, "wss", "ws")?,
            wallet,
        })
    }
}

impl Endpoints {
    /// True when REST goes over TLS, so that anything else can be refused outright.
    #[must_use]
    pub fn rest_is_secure(&self) -> bool {
        self.rest.scheme() == "https"
    }
}

fn proved(name: &'static str, text: &str, secure: &str, plain: &str) -> Result<Url, EndpointError> {
    let refuse = |reason: String| EndpointError { name, reason };
    let url = Url::parse(text).map_err(|error| refuse(format!("is not a URL: {error}")))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refuse("must not carry a user name or password".into()));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(refuse("must not carry a query or a fragment".into()));
    }
    if url.host().is_none() {
        return Err(refuse("has no host".into()));
    }
    if url.scheme() == secure || (url.scheme() == plain && is_loopback(&url)) {
        return Ok(url);
    }
    if url.scheme() == plain {
        return Err(refuse(format!(
            "{plain}:// is allowed to this machine only; use {secure}://"
        )));
    }
    Err(refuse(format!("must begin with {secure}://")))
}

/// True for `localhost`, 127.0.0.0/8 and ::1.
fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => {
            name.eq_ignore_ascii_case("localhost")
                || name
                    .parse::<IpAddr>()
                    .is_ok_and(|address| address.is_loopback())
        }
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// `root` with a path (and perhaps a query) appended.
pub(crate) fn under(root: &Url, path: &str) -> String {
    format!("{}{path}", root.as_str().trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn custom(rest: &str, stream: &str) -> Result<Endpoints, EndpointError> {
        Environment::Custom {
            rest: rest.into(),
            stream: stream.into(),
            ws_api: "wss://example.com/ws-fapi/v1".into(),
        }
        .endpoints()
    }

    #[test]
    fn the_real_environments_use_tls_everywhere() {
        for environment in [Environment::Production, Environment::Demo] {
            let endpoints = environment.endpoints().unwrap();
            assert!(endpoints.rest_is_secure());
            assert_eq!(endpoints.stream.scheme(), "wss");
            assert_eq!(endpoints.ws_api.scheme(), "wss");
        }
    }

    #[test]
    fn without_tls_only_this_machine_is_spoken_to() {
        assert!(custom("http://127.0.0.1:9100", "ws://localhost:9100").is_ok());
        assert!(custom("http://[::1]:9100", "ws://127.9.9.9:9100").is_ok());
        assert!(custom("https://example.com", "wss://example.com").is_ok());
        let error = custom("http://192.168.1.2", "wss://example.com").unwrap_err();
        assert_eq!(error.name, "rest_url");
        let error = custom("https://example.com", "ws://localhost.example.com").unwrap_err();
        assert_eq!(error.name, "stream_url");
    }

    #[test]
    fn a_url_that_hides_something_is_refused() {
        for rest in [
            "https://me:secret@example.com",
            "https://example.com?x=1",
            "https://example.com/#x",
            "ftp://example.com",
            "example.com",
            "wss://example.com",
        ] {
            assert_eq!(
                custom(rest, "wss://example.com").unwrap_err().name,
                "rest_url",
                "{rest}"
            );
        }
    }

    #[test]
    fn paths_are_appended_once() {
        let root = Url::parse("ws://127.0.0.1:9100/").unwrap();
        assert_eq!(under(&root, "/market/ws"), "ws://127.0.0.1:9100/market/ws");
    }
}
