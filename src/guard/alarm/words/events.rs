//! Of what happened, and of the guard itself.
//!
//! Owns: the words about events, the key and blindness.
//! Must not know: levels.

use super::{FIX, LOOK, ORDERS, POSITIONS, order_number, order_words, text};
use crate::guard::alarm::Text;
use crate::guard::words::{Careful, money, percent};
use crate::margin::account::{Asset, AssetMode, MarginMode, PositionMode, Settings, Symbol};
use crate::margin::amount::{Amount, Notional, Quantity, Rate};
use crate::margin::order::OpenOrder;
use crate::mirror::event::{KeyPermissions, KeyRefusal, OrderOrigin};
use crate::mirror::truth::Drift;
use crate::mirror::view::NotReady;

pub(in crate::guard::alarm) fn modes_changed((position, asset): (PositionMode, AssetMode)) -> Text {
    let position = match position {
        PositionMode::OneWay => "one-way",
        PositionMode::Hedge => "hedge",
    };
    let asset = match asset {
        AssetMode::Single => "single-asset",
        AssetMode::Multi => "multi-assets",
    };
    text(
        format!("The account was switched: it is now in {position} and {asset} mode."),
        "If that was not you, look who has access to the account.",
        Some(LOOK.to_owned()),
    )
}

pub(in crate::guard::alarm) fn settings_changed(
    symbol: &Symbol,
    before: Settings,
    after: Settings,
) -> Option<Text> {
    let mode = |mode| match mode {
        MarginMode::Crossed => "crossed",
        MarginMode::Isolated => "isolated",
    };
    let mut changes = Vec::new();
    if before.leverage != after.leverage {
        let (before, after) = (before.leverage.get(), after.leverage.get());
        changes.push(format!("leverage {before}x is now {after}x"));
    }
    if before.margin_mode != after.margin_mode {
        let (before, after) = (mode(before.margin_mode), mode(after.margin_mode));
        changes.push(format!("{before} is now {after}"));
    }
    if before.auto_add_margin != after.auto_add_margin {
        let now = if after.auto_add_margin { "on" } else { "off" };
        changes.push(format!("automatic margin addition is now {now}"));
    }
    if changes.is_empty() {
        return None;
    }
    Some(text(
        format!("{symbol}: {}.", changes.join(", ")),
        "If that was not you, look who has access to the account.",
        Some(POSITIONS.to_owned()),
    ))
}

pub(in crate::guard::alarm) fn key_refused(refusal: &KeyRefusal) -> Text {
    text(
        format!(
            "The exchange refuses the API key ({}). The guard is blind and rejects new risk.",
            refusal.detail
        ),
        "Check the key, its permissions and the addresses it may be used from.",
        Some(LOOK.to_owned()),
    )
}

pub(in crate::guard::alarm) fn stale(not_ready: &NotReady, exposed: bool) -> Text {
    let held = if exposed {
        " Positions or orders are open."
    } else {
        ""
    };
    text(
        format!("The guard does not see the account: {not_ready}.{held}"),
        "Watch the account at the exchange until this is over; new risk is rejected, exits pass.",
        Some(LOOK.to_owned()),
    )
}

pub(in crate::guard::alarm) fn unguarded(order: &OpenOrder) -> Text {
    text(
        format!(
            "An order was placed that never asked the guard: {} (named {:?}).",
            order_words(order),
            order.client_order_id
        ),
        format!(
            "If that was not you: cancel order {} of {}, and look who has access to the account.",
            order_number(order),
            order.symbol
        ),
        Some(ORDERS.to_owned()),
    )
}

/// `held` is what is held of it: the quantity, and its worth at the mark.
pub(in crate::guard::alarm) fn forced(
    symbol: &Symbol,
    origin: OrderOrigin,
    held: Option<(Quantity, Notional)>,
    asset: Option<&Asset>,
) -> Text {
    let what = match origin {
        OrderOrigin::Liquidation => "liquidates",
        OrderOrigin::AutoDeleveraging => "deleverages",
        OrderOrigin::Settlement => "settles",
        OrderOrigin::Client => "trades",
    };
    let held = held.map_or_else(String::new, |(quantity, worth)| {
        format!(
            " {} are held, worth {} {}.",
            quantity.get().normalize(),
            money(worth.as_amount()),
            asset.map_or("", |asset| asset.as_str())
        )
    });
    text(
        format!("The exchange {what} {symbol} by itself.{held}"),
        "Now: look at what is left and whether a hedge is gone; move money in or reduce before it \
         takes more. New risk is rejected until it is over.",
        Some(POSITIONS.to_owned()),
    )
}

pub(in crate::guard::alarm) fn protection_lost(order: &OpenOrder, refusal: &str) -> Text {
    text(
        format!(
            "A protective order was refused when it should have fired ({refusal}): {}. The position \
             stands without it.",
            order_words(order)
        ),
        format!("Close or protect {} now.", order.symbol),
        Some(POSITIONS.to_owned()),
    )
}

pub(in crate::guard::alarm) fn requirement_rose(
    symbol: &Symbol,
    asset: Option<&Asset>,
    before: Amount,
    after: Amount,
) -> Text {
    let asset = asset.map_or("", |asset| asset.as_str());
    text(
        format!(
            "The exchange demands more for {symbol}: what is held now needs {} {asset} of maintenance \
             margin instead of {} {asset}.",
            money(after),
            money(before)
        ),
        "Look at the distance; every price of liquidation came nearer.",
        Some(FIX.to_owned()),
    )
}

pub(in crate::guard::alarm) fn margin_call(symbols: &[Symbol]) -> Text {
    let names: Vec<&str> = symbols.iter().map(Symbol::as_str).collect();
    text(
        format!(
            "The exchange warns that it is about to liquidate: {}.",
            names.join(", ")
        ),
        "Now: reduce, or move money into the futures wallet.",
        Some(FIX.to_owned()),
    )
}

pub(in crate::guard::alarm) fn drifted(drift: &Drift) -> Text {
    let first = drift.differences.first().map_or_else(String::new, |first| {
        format!(": {} was {}, is {}", first.what, first.ours, first.theirs)
    });
    text(
        format!("A read of the whole account found what no event had told{first}."),
        "Nothing: the guard has corrected itself. If it happens again and again, report it.",
        Some(LOOK.to_owned()),
    )
}

pub(in crate::guard::alarm) fn orders_drifted(unheard: usize, vanished: usize) -> Text {
    text(
        format!(
            "A read of the order books found {} that no event had told of; {} had vanished.",
            counted(unheard),
            counted(vanished)
        ),
        "Look whether you know the orders that work now; cancel what is not yours.",
        Some(ORDERS.to_owned()),
    )
}

fn counted(orders: usize) -> String {
    match orders {
        0 => "none".to_owned(),
        1 => "one order".to_owned(),
        several => format!("{several} orders"),
    }
}

pub(in crate::guard::alarm) fn account_empty() -> Text {
    text(
        "The exchange suddenly reports an empty account without an event. It is not believed yet."
            .to_owned(),
        "Now: look at the account at the exchange; whether money was moved out, and by whom.",
        Some(LOOK.to_owned()),
    )
}

pub(in crate::guard::alarm) fn collateral_cut(asset: &Asset, before: Rate, after: Rate) -> Text {
    text(
        format!(
            "As collateral {asset} is now counted {} below its price, instead of {}.",
            percent(after.get(), Careful::Up),
            percent(before.get(), Careful::Up)
        ),
        "Look at the distance; every price of liquidation came nearer.",
        Some(FIX.to_owned()),
    )
}

pub(in crate::guard::alarm) fn key_privileged(key: &KeyPermissions) -> Text {
    let can = match (key.withdraws, key.transfers, key.trades) {
        (true, _, _) => "can withdraw money from the account",
        (false, true, _) => "can transfer money out of the futures wallet",
        (false, false, _) => "can trade",
    };
    let from = if key.any_address {
        " It is accepted from any address."
    } else {
        ""
    };
    text(
        format!("The guard's API key {can}; reading is all that the guard needs.{from}"),
        "At the exchange, make a key that can only read and that is bound to this machine's address; \
         put it into the key file and delete the old one.",
        Some(LOOK.to_owned()),
    )
}
