//! Frames of the user stream.
//!
//! Owns: reading them. A frame that cannot be read is said to be so: on this stream silence about
//! it would be blindness.
//! Must not know: what follows from an event.

use super::orders::{lenient_flag, remaining};
use super::{
    Prices, WireError, amount, asset, flag, flag_if_any, integer, leverage, margin_mode,
    percent_if_any, position_side, price, price_if_any, quantity, side, symbol, trigger_by,
    working_kind,
};
use crate::exchange::text::{clean_text, clean_text_to};
use crate::exchange::wire::{Text, user as wire};
use crate::margin::account::AssetMode;
use crate::margin::amount::Quantity;
use crate::margin::order::{OpenOrder, OrderId};
use crate::mirror::event::{
    AccountUpdate, AlgoStatus, AlgoUpdate, BalanceUpdate, Event, OrderOrigin, OrderStatus,
    OrderUpdate, PositionUpdate,
};

/// What a frame of the user stream brought.
#[derive(Debug, Clone)]
pub(in crate::exchange) enum UserNews {
    /// Something for the mirror.
    Event(Box<Event>),
    /// The listen key lapsed: nothing more will come.
    KeyExpired,
    /// Known, and of no use to the mirror.
    Nothing,
    /// An event of a type that is not known.
    Unknown(String),
    /// The exchange reports an error on the stream.
    Refused(String),
}

/// Reads a frame, raw or wrapped.
///
/// # Errors
/// [`WireError`] when it cannot be read.
pub(in crate::exchange) fn user_frame(text: &str) -> Result<UserNews, WireError> {
    let envelope: wire::Envelope<'_> = serde_json::from_str(text)?;
    match (&envelope.e, envelope.data) {
        (Some(name), _) => event(name.as_str(), text),
        (None, Some(data)) => {
            let inner: wire::Envelope<'_> = serde_json::from_str(data.get())?;
            match &inner.e {
                Some(name) => event(name.as_str(), data.get()),
                None => Ok(answer(&inner)),
            }
        }
        (None, None) => Ok(answer(&envelope)),
    }
}

fn answer(envelope: &wire::Envelope<'_>) -> UserNews {
    let (code, words) = match &envelope.error {
        Some(error) => (error.code, error.msg.as_ref()),
        None => (envelope.code, envelope.msg.as_ref()),
    };
    if envelope.error.is_none() && code.is_none() && words.is_none() {
        return UserNews::Nothing;
    }
    let code = code.map_or("", |code| code.text());
    let words = words.map_or("", Text::as_str);
    UserNews::Refused(clean_text(&format!("{code}: {words}")))
}

fn event(name: &str, text: &str) -> Result<UserNews, WireError> {
    let event = match name {
        "ACCOUNT_UPDATE" => Event::AccountUpdate(account_update(text)?),
        "ORDER_TRADE_UPDATE" => Event::OrderUpdate(order_update(text)?),
        "ALGO_UPDATE" => Event::AlgoUpdate(algo_update(text)?),
        "ACCOUNT_CONFIG_UPDATE" => config_update(text)?,
        "MARGIN_CALL" => margin_call(text)?,
        "listenKeyExpired" => return Ok(UserNews::KeyExpired),
        // A lighter copy of a fill that also comes in full; retired; exchange-side bots, whose
        // orders come as orders.
        "TRADE_LITE" | "CONDITIONAL_ORDER_TRIGGER_REJECT" | "STRATEGY_UPDATE" | "GRID_UPDATE" => {
            return Ok(UserNews::Nothing);
        }
        other => return Ok(UserNews::Unknown(clean_text_to(other, 64))),
    };
    Ok(UserNews::Event(Box::new(event)))
}

fn account_update(text: &str) -> Result<AccountUpdate, WireError> {
    let wire: wire::AccountUpdate<'_> = serde_json::from_str(text)?;
    let balances = wire.a.B.iter().map(|row| {
        Ok(BalanceUpdate {
            asset: asset(&row.a)?,
            wallet_balance: amount(row.wb, "wb")?,
            cross_wallet_balance: amount(row.cw, "cw")?,
        })
    });
    let positions = wire.a.P.iter().map(|row| {
        Ok(PositionUpdate {
            symbol: symbol(&row.s)?,
            position_side: position_side(row.ps.as_str()).ok_or(WireError::Unknown("ps"))?,
            quantity: quantity(row.pa, "pa")?,
            entry_price: price(row.ep, "ep")?,
            isolated_wallet: amount(row.iw, "iw")?,
            margin_mode: row.mt.as_ref().and_then(|mode| margin_mode(mode.as_str())),
        })
    });
    Ok(AccountUpdate {
        event_ms: integer(wire.E, "E")?,
        transaction_ms: integer(wire.T, "T")?,
        reason: wire
            .a
            .m
            .as_ref()
            .map_or_else(String::new, |reason| clean_text_to(reason.as_str(), 64)),
        balances: balances.collect::<Result<_, WireError>>()?,
        positions: positions.collect::<Result<_, WireError>>()?,
    })
}

fn order_update(text: &str) -> Result<OrderUpdate, WireError> {
    let wire: wire::OrderTradeUpdate<'_> = serde_json::from_str(text)?;
    let row = &wire.o;
    let close_position = flag_if_any(row.cp, "cp")?;
    let filled = quantity(row.z, "z")?;
    let name = row.c.as_ref().map_or("", Text::as_str);
    let prices = Prices {
        limit: price_if_any(row.p, "p")?,
        trigger: price_if_any(row.sp, "sp")?,
        activation: price_if_any(row.AP, "AP")?,
        callback: percent_if_any(row.cr, "cr")?,
    };
    Ok(OrderUpdate {
        event_ms: integer(wire.E, "E")?,
        transaction_ms: integer(wire.T, "T")?,
        order: OpenOrder {
            id: OrderId::Order(integer(row.i, "i")?),
            client_order_id: name.to_owned(),
            symbol: symbol(&row.s)?,
            side: side(row.S.as_str()).ok_or(WireError::Unknown("S"))?,
            position_side: position_side(row.ps.as_str()).ok_or(WireError::Unknown("ps"))?,
            kind: working_kind(row.o.as_str(), &prices),
            remaining: remaining(quantity(row.q, "q")?, filled, close_position)?,
            reduce_only: flag_if_any(row.R, "R")?,
            close_position,
            trigger_by: trigger_by(row.wt.as_ref()),
            price_protect: lenient_flag(row.pP),
        },
        filled,
        status: order_status(row.X.as_str()),
        origin: origin(name),
        expiry_reason: row
            .er
            .and_then(|reason| reason.text().parse().ok())
            .filter(|reason| *reason != 0),
    })
}

fn order_status(word: &str) -> OrderStatus {
    match word {
        "FILLED" => OrderStatus::Filled,
        "CANCELED" | "CANCELLED" | "EXPIRED" | "EXPIRED_IN_MATCH" | "REJECTED" => OrderStatus::Gone,
        // A status that is not known counts as working: an order is never forgotten by mistake.
        _ => OrderStatus::Working,
    }
}

/// Source: binance-api §6.3, client-id prefixes.
fn origin(name: &str) -> OrderOrigin {
    if name.starts_with("adl_autoclose") {
        OrderOrigin::AutoDeleveraging
    } else if name.starts_with("settlement_autoclose-") || name.starts_with("delivery_autoclose-") {
        OrderOrigin::Settlement
    } else if name.starts_with("autoclose-") {
        OrderOrigin::Liquidation
    } else {
        OrderOrigin::Client
    }
}

fn algo_update(text: &str) -> Result<AlgoUpdate, WireError> {
    let wire: wire::AlgoUpdate<'_> = serde_json::from_str(text)?;
    let row = &wire.o;
    let close_position = flag_if_any(row.cp, "cp")?;
    let total = match row.q {
        Some(total) if !total.text().is_empty() => quantity(total, "q")?,
        _ if close_position => Quantity::ZERO,
        _ => return Err(WireError::Missing("q")),
    };
    let prices = Prices {
        limit: price_if_any(row.p, "p")?,
        trigger: price_if_any(row.tp, "tp")?,
        activation: price_if_any(row.AP, "AP")?,
        callback: percent_if_any(row.cr, "cr")?,
    };
    let became = row
        .ai
        .filter(|id| !matches!(id.text(), "" | "0"))
        .map(|id| integer(id, "ai"))
        .transpose()?;
    Ok(AlgoUpdate {
        event_ms: integer(wire.E, "E")?,
        transaction_ms: integer(wire.T, "T")?,
        order: OpenOrder {
            id: OrderId::Algo(integer(row.aid, "aid")?),
            client_order_id: row
                .caid
                .as_ref()
                .map_or_else(String::new, |name| name.as_str().to_owned()),
            symbol: symbol(&row.s)?,
            side: side(row.S.as_str()).ok_or(WireError::Unknown("S"))?,
            position_side: position_side(row.ps.as_str()).ok_or(WireError::Unknown("ps"))?,
            kind: working_kind(row.o.as_str(), &prices),
            remaining: remaining(total, Quantity::ZERO, close_position)?,
            reduce_only: flag_if_any(row.R, "R")?,
            close_position,
            trigger_by: trigger_by(row.wt.as_ref()),
            price_protect: lenient_flag(row.pP),
        },
        status: algo_status(row.X.as_str()),
        became,
        refusal: row
            .rm
            .as_ref()
            .map(Text::as_str)
            .filter(|reason| !reason.is_empty())
            .map(clean_text),
    })
}

fn algo_status(word: &str) -> AlgoStatus {
    match word {
        "TRIGGERING" | "TRIGGERED" => AlgoStatus::Triggered,
        "FINISHED" | "CANCELED" | "CANCELLED" | "EXPIRED" => AlgoStatus::Gone,
        "REJECTED" => AlgoStatus::Refused,
        // "NEW", and any status that is not known.
        _ => AlgoStatus::Waiting,
    }
}

fn config_update(text: &str) -> Result<Event, WireError> {
    let wire: wire::AccountConfigUpdate<'_> = serde_json::from_str(text)?;
    let event_ms = integer(wire.E, "E")?;
    if let Some(change) = &wire.ac {
        return Ok(Event::LeverageChanged {
            symbol: symbol(&change.s)?,
            leverage: leverage(change.l, "l")?,
            event_ms,
        });
    }
    let change = wire.ai.ok_or(WireError::Missing("ac or ai"))?;
    let mode = if flag(change.j, "j")? {
        AssetMode::Multi
    } else {
        AssetMode::Single
    };
    Ok(Event::AssetModeChanged { mode, event_ms })
}

fn margin_call(text: &str) -> Result<Event, WireError> {
    let wire: wire::MarginCall<'_> = serde_json::from_str(text)?;
    Ok(Event::MarginCall {
        symbols: wire
            .p
            .iter()
            .map(|row| symbol(&row.s))
            .collect::<Result<_, _>>()?,
        event_ms: integer(wire.E, "E")?,
    })
}

#[cfg(test)]
#[path = "user_tests.rs"]
mod tests;
