//! What a person half asleep reads: what is in danger, how much money, how far, what to do now.
//!
//! Owns: the words of every alarm.
//! Must not know: levels, where the words are shown. Text of the exchange stays as it came; whoever
//! shows it makes it harmless.

mod events;
mod pools;
mod positions;
mod ways;

use super::Text;
use crate::margin::account::{PositionSide, Side};
use crate::margin::order::{OpenOrder, OrderId};

pub(super) use events::{
    account_empty, collateral_cut, drifted, forced, key_privileged, key_refused, margin_call,
    modes_changed, orders_drifted, protection_lost, requirement_rose, settings_changed, stale,
    unguarded,
};
pub(super) use pools::{
    distance, figures_unknown, headroom_falling, margin_ratio, stress, wallet_at_risk,
};
pub(super) use positions::{
    funding, isolated_distance, isolated_required, mark_jump, order_would_break, spill,
};
pub(super) use ways::ways;

/// The command that shows the whole picture.
const LOOK: &str = "crossguard status";
const POSITIONS: &str = "crossguard positions";
const ORDERS: &str = "crossguard orders";
/// The command that gives the exact request of every way back.
const FIX: &str = "crossguard fix";

fn text(what: String, to_do: impl Into<String>, command: Option<String>) -> Text {
    Text {
        what,
        to_do: to_do.into(),
        command,
    }
}

fn capital(words: &str) -> String {
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

pub(super) const fn leg(side: PositionSide) -> &'static str {
    match side {
        PositionSide::Both => "both",
        PositionSide::Long => "long",
        PositionSide::Short => "short",
    }
}

const fn side(side: Side) -> &'static str {
    match side {
        Side::Buy => "buy",
        Side::Sell => "sell",
    }
}

pub(super) fn order_number(order: &OpenOrder) -> String {
    match order.id {
        OrderId::Order(number) => number.to_string(),
        OrderId::Algo(number) => format!("algo {number}"),
    }
}

fn order_words(order: &OpenOrder) -> String {
    let quantity = if order.close_position {
        "close-position".to_owned()
    } else {
        order.remaining.get().normalize().to_string()
    };
    let price = order
        .kind
        .limit_price()
        .or(order.kind.trigger_price())
        .map_or_else(String::new, |price| {
            format!(" @ {}", price.get().normalize())
        });
    format!("{} {} {quantity}{price}", order.symbol, side(order.side))
}
