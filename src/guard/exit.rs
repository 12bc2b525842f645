//! Which orders are exits.
//!
//! Owns: the two ways in which an order cannot add risk: the exchange itself lets it only reduce,
//! or, with fresh data, it cannot exceed the present position even after every resting order and
//! every promise has filled.
//! Must not know: policy. An exit passes whatever the policy says.

use crate::margin::account::{PositionMode, PositionSide, Side};
use crate::margin::amount::{ArithmeticError, Quantity};
use crate::margin::order::OrderIntent;
use crate::mirror::view::LiveView;

/// True when the order cannot add risk, judged with fresh data.
///
/// Source: design.md §5.1. Every order on the same side counts, whether it could open or not:
/// when a reduce-only order has filled first, this one would flip the position.
#[must_use]
pub fn is_exit(view: &LiveView<'_>, intent: &OrderIntent) -> bool {
    intent.only_reduces() || stays_within_position(view, intent).unwrap_or(false)
}

fn stays_within_position(
    view: &LiveView<'_>,
    intent: &OrderIntent,
) -> Result<bool, ArithmeticError> {
    let (Some(quantity), PositionMode::OneWay) = (intent.quantity, view.book().position_mode())
    else {
        return Ok(false);
    };
    let symbol = intent.symbol.as_str();
    let Some(state) = view.book().state(symbol) else {
        return Ok(false);
    };
    let held = state.legs.both.quantity;
    let against = match intent.side {
        Side::Sell => held.is_positive(),
        Side::Buy => held.is_negative(),
    };
    if !against {
        return Ok(false);
    }
    let side = PositionSide::Both;
    let Some(resting) = view
        .mirror()
        .orders()
        .quantity_on(symbol, intent.side, side)?
    else {
        return Ok(false);
    };
    let mut together = quantity.abs().plus(resting)?;
    for promise in view.mirror().reservations().of(&intent.symbol) {
        if promise.intent.side == intent.side {
            together = together.plus(promise.intent.quantity.unwrap_or(Quantity::ZERO))?;
        }
    }
    Ok(together <= held.abs())
}
