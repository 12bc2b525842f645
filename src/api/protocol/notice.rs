//! The data of `state`, `account` and `alert` events.
//!
//! Owns: how notices of the spine are told to subscribers.
//! Must not know: who subscribes.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::alerts::AlertLine;
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
    /// Of an `alarm`: the alert, as in `/v1/alerts`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alert: Option<AlertLine>,
}

/// Data of a `message` event: what the alert channels are told, grouped and in words.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct MessageEvent {
    /// `alert`, `repeat`, `resolved`, `escalation` or `test`.
    pub occasion: String,
    /// The most urgent severity in it.
    pub severity: String,
    /// When, in milliseconds since 1970.
    pub time: i64,
    /// One line.
    pub title: String,
    /// The rest, in lines.
    pub text: String,
    /// Every alert it tells of, the most urgent first.
    pub alerts: Vec<ToldAlert>,
}

/// An alert of a message.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ToldAlert {
    /// As in `/v1/alerts`.
    pub id: String,
    /// As it was told.
    pub severity: String,
    /// `firing` or `resolved`.
    pub state: String,
}

/// Data of a `lagged` event: events that this subscriber will not see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct LaggedEvent {
    /// How many, where that is known; read the account anew.
    pub missed: Option<u64>,
}

/// Every kind of `alert` event.
pub const KINDS: [&str; 15] = [
    "live",
    "user_stream_lost",
    "user_stream_gap",
    "drift",
    "orders_drift",
    "unguarded",
    "forced",
    "protection_lost",
    "requirement_rose",
    "collateral_cut",
    "margin_call",
    "suddenly_empty",
    "key_refused",
    "key_accepted",
    "alarm",
];

impl<'a> From<&'a Notice> for AlertEvent<'a> {
    fn from(notice: &'a Notice) -> Self {
        let level = match notice {
            Notice::Live { .. } | Notice::KeyAccepted => "info",
            _ => "warn",
        };
        Self {
            kind: Cow::Borrowed(kind(notice)),
            level: Cow::Borrowed(level),
            symbol: symbol(notice).map(Cow::Borrowed),
            message: Cow::Owned(message(notice)),
            alert: None,
        }
    }
}

impl AlertEvent<'_> {
    /// An alert that was raised, changed, acknowledged or is over.
    #[must_use]
    pub fn of_alert(line: AlertLine) -> Self {
        let level = if line.severity == "info" || line.state == "resolved" {
            "info"
        } else {
            "warn"
        };
        Self {
            kind: Cow::Borrowed("alarm"),
            level: Cow::Borrowed(level),
            symbol: line.symbol.clone().map(Cow::Owned),
            message: Cow::Owned(line.what.clone()),
            alert: Some(line),
        }
    }
}

const fn kind(notice: &Notice) -> &'static str {
    match notice {
        Notice::Live { .. } => "live",
        Notice::UserStreamLost(_) => "user_stream_lost",
        Notice::UserStreamGap(_) => "user_stream_gap",
        Notice::Drifted(_) => "drift",
        Notice::OrdersDrifted { .. } => "orders_drift",
        Notice::Unguarded(_) => "unguarded",
        Notice::Forced { .. } => "forced",
        Notice::ProtectionLost { .. } => "protection_lost",
        Notice::RequirementRose { .. } => "requirement_rose",
        Notice::CollateralCut { .. } => "collateral_cut",
        Notice::MarginCall(_) => "margin_call",
        Notice::SuddenlyEmpty { .. } => "suddenly_empty",
        Notice::KeyRefused(_) => "key_refused",
        Notice::KeyAccepted => "key_accepted",
    }
}

fn symbol(notice: &Notice) -> Option<&str> {
    let symbol = match notice {
        Notice::Unguarded(order) | Notice::ProtectionLost { order, .. } => &order.symbol,
        Notice::Forced { symbol, .. } | Notice::RequirementRose { symbol, .. } => symbol,
        Notice::MarginCall(symbols) => symbols.first()?,
        _ => return None,
    };
    Some(symbol.as_str())
}

fn message(notice: &Notice) -> String {
    match notice {
        Notice::Live { epoch } => format!("The mirror is live on connection {epoch}."),
        Notice::UserStreamLost(loss) => format!("The user stream was lost{}.", detail(loss)),
        Notice::UserStreamGap(loss) => {
            format!("Something of the user stream was not read{}.", detail(loss))
        }
        Notice::Drifted(drift) => {
            let what = drift.differences.first().map_or_else(String::new, |first| {
                format!(": {} was {}, is {}", first.what, first.ours, first.theirs)
            });
            format!("A whole read corrected the mirror{what}.")
        }
        Notice::OrdersDrifted { unheard, vanished } => format!(
            "A whole read found {unheard} orders no event told of; {vanished} had vanished."
        ),
        Notice::Unguarded(order) => format!(
            "An order was placed that no check had been asked for: {}.",
            words(order)
        ),
        Notice::Forced { symbol, origin } => {
            format!("The exchange itself trades {symbol}: {}.", forced(*origin))
        }
        Notice::ProtectionLost { order, refusal } => format!(
            "A protective order was refused at its trigger ({refusal}): {}.",
            words(order)
        ),
        Notice::RequirementRose {
            symbol,
            before,
            after,
        } => format!(
            "New brackets of {symbol} demand {after} of maintenance margin for what is held; it was {before}."
        ),
        Notice::CollateralCut {
            asset,
            before,
            after,
        } => {
            format!("As collateral {asset} counts for {after} of its price less; it was {before}.")
        }
        Notice::MarginCall(symbols) => {
            let names: Vec<&str> = symbols.iter().map(|symbol| symbol.as_str()).collect();
            format!("The exchange warns of liquidation: {}.", names.join(", "))
        }
        Notice::SuddenlyEmpty { reads } => format!(
            "The account reads as empty without an event ({reads} reads); not believed yet."
        ),
        Notice::KeyRefused(refusal) => format!("The API key is refused: {}.", refusal.detail),
        Notice::KeyAccepted => "The API key is accepted again.".to_owned(),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mirror::event::{KeyRefusal, KeyRefusalCause, LossCause};
    use crate::mirror::truth::Drift;

    #[test]
    fn what_a_notice_is_called_is_listed() {
        let at = crate::clock::Clock::manual(0).now();
        let loss = StreamLoss {
            epoch: 1,
            at,
            cause: LossCause::Closed,
            detail: "1006".to_owned(),
        };
        let refusal = KeyRefusal {
            at,
            cause: KeyRefusalCause::Clock,
            detail: "-1021".to_owned(),
        };
        let symbol = crate::margin::account::Symbol::new("BTCUSDT").unwrap();
        let notices = [
            Notice::Live { epoch: 1 },
            Notice::UserStreamLost(loss.clone()),
            Notice::UserStreamGap(loss),
            Notice::Drifted(Drift::default()),
            Notice::OrdersDrifted {
                unheard: 1,
                vanished: 0,
            },
            Notice::Forced {
                symbol: symbol.clone(),
                origin: OrderOrigin::Liquidation,
            },
            Notice::MarginCall(vec![symbol]),
            Notice::SuddenlyEmpty { reads: 1 },
            Notice::KeyRefused(refusal),
            Notice::KeyAccepted,
        ];
        for notice in &notices {
            let alert = AlertEvent::from(notice);
            assert!(KINDS.contains(&alert.kind.as_ref()), "{alert:?}");
            assert!(alert.message.ends_with('.'), "{alert:?}");
        }
        assert_eq!(
            AlertEvent::from(&notices[6]).symbol.as_deref(),
            Some("BTCUSDT")
        );
    }
}
