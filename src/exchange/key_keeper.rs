//! The listen key: getting it, keeping it alive, noticing that it is gone.
//!
//! Owns: the key's life. It belongs to the account and to every client of it, so it is never
//! deleted from here; that somebody else did is found by asking for it again.
//! Must not know: the connection that uses it.

use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};

use super::context::Context;
use super::pulse::millis;
use super::rest::{Answer, RestError, calls};
use super::sign::encode;
use super::translate::listen_key;

/// The name of the account's stream: whoever holds it can read the account.
#[derive(Clone)]
pub(super) struct ListenKey(SecretString);

impl ListenKey {
    /// The two documented spellings of the private stream's path, the usual one first.
    ///
    /// Source: binance-api §1.2.
    pub(super) fn paths(&self) -> [String; 2] {
        let key = encode(self.0.expose_secret());
        [
            format!("/private/ws?listenKey={key}"),
            format!("/private/ws/{key}"),
        ]
    }

    fn is(&self, other: &Self) -> bool {
        self.0.expose_secret() == other.0.expose_secret()
    }
}

impl fmt::Debug for ListenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ListenKey(***)")
    }
}

/// The key is of no more use.
#[derive(Debug)]
pub(super) struct KeyLost {
    /// What happened.
    pub detail: String,
    /// The key that took its place, if it is known.
    pub successor: Option<ListenKey>,
}

impl KeyLost {
    fn gone(detail: &str) -> Self {
        Self {
            detail: detail.into(),
            successor: None,
        }
    }
}

/// The account's key: a new one, or the one in force, prolonged.
pub(super) async fn obtain(context: &Context) -> Result<ListenKey, RestError> {
    let call = &calls::CREATE_LISTEN_KEY;
    let answer = context.rest.call(call, &[]).await?;
    context
        .rest
        .read(call, &answer, listen_key)
        .map(|key| ListenKey(key.into()))
}

/// Keeps the key alive until it is lost.
pub(super) async fn keep_alive(context: &Context, key: &ListenKey) -> KeyLost {
    let cadence = &context.cadence;
    let mut confirmed = context.clock.now();
    let mut prolonged = confirmed;
    loop {
        match obtain(context).await {
            Ok(current) if !current.is(key) => {
                return KeyLost {
                    detail: "another client closed the user stream, or the key lapsed".into(),
                    successor: Some(current),
                };
            }
            Ok(_) => confirmed = context.clock.now(),
            Err(_) => {}
        }
        if context.clock.now().since_ms(prolonged) >= millis(cadence.key_keepalive) {
            match context.rest.call(&calls::KEEP_LISTEN_KEY, &[]).await {
                Ok(answer) if names_another(&answer, key) => {
                    return KeyLost::gone("the exchange keeps another listen key alive");
                }
                Ok(_) => {
                    confirmed = context.clock.now();
                    prolonged = confirmed;
                }
                Err(error) if error.is_listen_key_gone() => {
                    return KeyLost::gone("the listen key does not exist any more");
                }
                Err(_) => {}
            }
        }
        if context.clock.now().since_ms(confirmed) >= millis(cadence.key_lapse) {
            return KeyLost::gone("the listen key could not be kept alive and counts as lapsed");
        }
        tokio::time::sleep(cadence.key_compare).await;
    }
}

/// The keepalive names the key it prolonged; an older answer form names none.
fn names_another(answer: &Answer, key: &ListenKey) -> bool {
    listen_key(&answer.body).is_ok_and(|named| !ListenKey(named.into()).is(key))
}
