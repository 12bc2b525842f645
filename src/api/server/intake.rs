//! Requests before anybody looks at what they ask.
//!
//! Owns: who may ask at all (no browsers, no foreign hosts), and bodies within their bounds.
//! Must not know: routes.

use http_body_util::{BodyExt as _, Limited};
use hyper::HeaderMap;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_LENGTH, HOST, HeaderName, ORIGIN, REFERER};

use super::{BODY_BYTES_MAX, READ_DEADLINE};
use crate::api::protocol::error::{ErrorCode, Refusal};

/// Hosts that mean this machine, without a port.
const HOSTS: [&str; 7] = [
    "localhost",
    "crossguard",
    "crossguard.sock",
    "unix",
    "127.0.0.1",
    "[::1]",
    "",
];

/// Refuses what a browser sends for a page: a local door is still a door.
pub(super) fn admit(headers: &HeaderMap) -> Result<(), Refusal> {
    const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
    let forbidden = |message: &str| Err(Refusal::new(ErrorCode::Forbidden, message));
    let mut host = None;
    for (name, value) in headers {
        if *name == HOST {
            if host.replace(value).is_some() {
                return forbidden("More than one Host.");
            }
        } else if [ORIGIN, REFERER, FETCH_SITE].contains(name) {
            return forbidden("Requests of web pages are not answered.");
        }
    }
    let is_known = host.is_none_or(|host| host.to_str().is_ok_and(is_local));
    if is_known {
        Ok(())
    } else {
        forbidden("This Host is not this machine; use http://localhost/.")
    }
}

fn is_local(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    HOSTS.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// The whole body, if it is small enough and there in time.
pub(super) async fn body(headers: &HeaderMap, body: Incoming) -> Result<Bytes, Refusal> {
    let too_large = || {
        Refusal::new(
            ErrorCode::TooLarge,
            "The body is larger than 64 KiB; nothing was read.",
        )
    };
    let announced = headers
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > BODY_BYTES_MAX) {
        return Err(too_large());
    }
    let whole = Limited::new(body, BODY_BYTES_MAX).collect();
    match tokio::time::timeout(READ_DEADLINE, whole).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(Refusal::new(
            ErrorCode::BadRequest,
            "The body ended before it was complete.",
        )),
        Err(_) => Err(Refusal::new(
            ErrorCode::TooSlow,
            "The body did not arrive within 5 s.",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_several_names_and_no_others() {
        for host in [
            "localhost",
            "LOCALHOST:80",
            "127.0.0.1:9469",
            "[::1]:1",
            "[::1]",
            "unix",
            "",
        ] {
            assert!(is_local(host), "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.nip.io",
            "10.0.0.1",
        ] {
            assert!(!is_local(host), "{host}");
        }
    }
}
