//! The data of `state`, `account` and `alert` events.
//!
//! Owns: how notices of the spine are told to subscribers.
//! Must not know: who subscribes.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::names;
use super::pool::PoolFigures;
use crate::margin::order::OpenOrder;
use crate::mirror::Notice;
use crate::mirror::event::{OrderOrigin, StreamLoss};

/// Data of a `state` event: the guard stands on another rung or under another policy.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct StateEvent<'a> {
    /// The rung.
    pub state: Cow<'a, str>,
    /// Why it stands there.
    pub reason: Cow<'a, str>,
    /// Fingerprint of the policy in force.
    pub policy: Cow<'a, str>,
}

/// Data of an `account` event: pools whose figures changed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct AccountEvent<'a> {
    /// As in `/v1/account`.
    pub pools: Vec<PoolFigures<'a>>,
}

/// Data of an `alert` event.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct AlertEvent<'a> {
    /// A stable kind.
    pub kind: Cow<'a, str>,
    /// `info` or `warn`.
    pub level: Cow<'a, str>,
    /// The symbol it is about, if it is about one.
    pub symbol: Option<Cow<'a, str>>,
    /// One sentence for a person.
    pub message: Cow<'a, str>,
}

/// Data of a `lagged` event: events that this subscriber will not see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct LaggedEvent {
    /// How many, where that is known; read the account anew.
    pub missed: Option<u64>,
}

/// Every kind of `alert` event.
pub const KINDS: [&str; 13] = [
    "live",
    "user_stream_lost",
    "user_stream_gap",
    "drift",
    "orders_drift",
    "unguarded",
    "forced",
    "protection_lost",
    "requirement_rose",
    "margin_call",
    "suddenly_empty",
    "key_refused",
    "key_accepted",
];

impl<'a> From<&'a Notice> for AlertEvent<'a> {
    fn from(notice: &'a Notice) -> Self {
        let (kind, level, symbol, message) = match notice {
            Notice::Live { epoch } => (
                "live",
                "info",
                None,
                format!("The mirror is live on connection {epoch}."),
            ),
            Notice::UserStreamLost(loss) => (
                "user_stream_lost",
                "warn",
                None,
                format!("The user stream was lost{}.", detail(loss)),
            ),
            Notice::UserStreamGap(loss) => (
                "user_stream_gap",
                "warn",
                None,
                format!("Something of the user stream was not read{}.", detail(loss)),
            ),
            Notice::Drifted(drift) => {
                let first = drift.differences.first();
                let what = first.map_or_else(String::new, |difference| {
                    let (ours, theirs) = (&difference.ours, &difference.theirs);
                    format!(": {} was {ours}, is {theirs}", difference.what)
                });
                (
                    "drift",
                    "warn",
                    None,
                    format!("A whole read corrected the mirror{what}."),
                )
            }
            Notice::OrdersDrifted { unheard, vanished } => (
                "orders_drift",
                "warn",
                None,
                format!(
                    "A whole read found {unheard} orders no event told of; {vanished} had vanished."
                ),
            ),
            Notice::Unguarded(order) => (
                "unguarded",
                "warn",
                Some(order.symbol.as_str()),
                format!(
                    "An order was placed that no check had been asked for: {}.",
                    words(order)
                ),
            ),
            Notice::Forced { symbol, origin } => (
                "forced",
                "warn",
                Some(symbol.as_str()),
                format!("The exchange itself trades {symbol}: {}.", forced(*origin)),
            ),
            Notice::ProtectionLost { order, refusal } => (
                "protection_lost",
                "warn",
                Some(order.symbol.as_str()),
                format!(
                    "A protective order was refused at its trigger ({refusal}): {}.",
                    words(order)
                ),
            ),
            Notice::RequirementRose {
                symbol,
                before,
                after,
            } => (
                "requirement_rose",
                "warn",
                Some(symbol.as_str()),
                format!(
                    "New brackets of {symbol} demand {after} of maintenance margin for what is held; it was {before}."
                ),
            ),
            Notice::MarginCall(symbols) => {
                let names: Vec<&str> = symbols.iter().map(|symbol| symbol.as_str()).collect();
                (
                    "margin_call",
                    "warn",
                    names.first().copied(),
                    format!("The exchange warns of liquidation: {}.", names.join(", ")),
                )
            }
            Notice::SuddenlyEmpty { reads } => (
                "suddenly_empty",
                "warn",
                None,
                format!(
                    "The account reads as empty without an event ({reads} reads); not believed yet."
                ),
            ),
            Notice::KeyRefused(refusal) => (
                "key_refused",
                "warn",
                None,
                format!("The API key is refused: {}.", refusal.detail),
            ),
            Notice::KeyAccepted => (
                "key_accepted",
                "info",
                None,
                "The API key is accepted again.".to_owned(),
            ),
        };
        Self {
            kind: Cow::Borrowed(kind),
            level: Cow::Borrowed(level),
            symbol: symbol.map(Cow::Borrowed),
            message: Cow::Owned(message),
        }
    }
}

fn detail(loss: &StreamLoss) -> String {
    if loss.detail.is_empty() {
        String::new()
    } else {
        format!(" ({})", loss.detail)
    }
}

fn words(order: &OpenOrder) -> String {
    format!(
        "{} {} {}",
        order.symbol,
        names::side(order.side),
        order.remaining
    )
}

const fn forced(origin: OrderOrigin) -> &'static str {
    match origin {
        OrderOrigin::Client => "an order of a client",
        OrderOrigin::Liquidation => "liquidation",
        OrderOrigin::AutoDeleveraging => "auto-deleveraging",
        OrderOrigin::Settlement => "settlement",
    }
}
