//! Which intents are exits.
//!
//! Owns: the ways in which an intent cannot add risk: the exchange itself lets it only reduce, or,
//! with fresh data, it cannot exceed the present position even after every resting order and every
//! promise has filled, or it is a change that takes nothing from anybody.
//! Must not know: policy. An exit passes whatever the policy says.

use super::proposal::Proposal;
use super::verdict::{Code, Finding};
use crate::margin::account::{MarginMode, PositionMode, PositionSide, Side, Symbol};
use crate::margin::amount::{ArithmeticError, Quantity};
use crate::margin::change::Change;
use crate::margin::order::OrderIntent;
use crate::mirror::view::LiveView;

/// True when the proposal cannot add risk, judged with fresh data. Orders of a batch are counted
/// together: each alone may stay within a position that all of them would flip.
#[must_use]
pub fn is_exit(view: &LiveView<'_>, proposal: &Proposal) -> bool {
    match proposal {
        Proposal::Order(_) | Proposal::Orders(_) => {
            let orders = proposal.orders();
            !orders.is_empty() && orders.iter().all(|one| order_is_exit(view, one, orders))
        }
        Proposal::Change(change) => change_is_exit(view, change),
    }
}

/// True when the proposal passes as the exit it is, whatever was found of it.
///
/// A lower leverage that the exchange would refuse (-2028) does not: nothing is taken from anybody,
/// and nothing is changed either, so there is no way out that would be blocked; the trader is told the
/// exchange's rule instead of being sent to run into it. Orders pass all the same: what the guard
/// counts may be wrong, and an exit is never worth that risk.
pub(super) fn passes_as_exit(
    view: &LiveView<'_>,
    proposal: &Proposal,
    findings: &[Finding],
) -> bool {
    let refused = |finding: &Finding| finding.code == Code::ExchangeWouldRefuse;
    let futile = matches!(proposal, Proposal::Change(Change::Leverage { .. }))
        && findings.iter().any(refused);
    is_exit(view, proposal) && !futile
}

/// True when this order cannot add risk though all `together` fill as well.
///
/// Source: design.md §5.1. Every order on the same side counts, whether it could open or not:
/// when a reduce-only order has filled first, this one would flip the position.
#[must_use]
pub fn order_is_exit(view: &LiveView<'_>, intent: &OrderIntent, together: &[OrderIntent]) -> bool {
    intent.only_reduces() || stays_within_position(view, intent, together).unwrap_or(false)
}

/// A lower leverage of a crossed or flat symbol moves no liquidation price and takes nothing from
/// anybody: it only reserves more (margin-math §11). A higher one frees balance for more risk.
/// Every other change moves money or lifts a fence, and is judged: adding margin to an isolated
/// position too, because it makes the pool smaller and the position's own loss larger.
///
/// Isolating a contract is one while it is flat and without orders; else the exchange refuses it,
/// and the guard says so instead of waving it through.
fn change_is_exit(view: &LiveView<'_>, change: &Change) -> bool {
    let state_of = |symbol: &Symbol| view.book().state(symbol.as_str());
    match change {
        Change::Leverage { symbol, leverage } => state_of(symbol).is_some_and(|state| {
            state.settings.is_some_and(|settings| {
                let fenced = settings.margin_mode == MarginMode::Isolated && !state.legs.is_flat();
                leverage.get() <= settings.leverage.get() && !fenced
            })
        }),
        Change::MarginType {
            symbol,
            margin_mode: MarginMode::Isolated,
        } => {
            let working = view.mirror().orders().of(symbol.as_str()).next().is_some();
            !working && state_of(symbol).is_none_or(|state| state.is_idle())
        }
        _ => false,
    }
}

fn stays_within_position(
    view: &LiveView<'_>,
    intent: &OrderIntent,
    together: &[OrderIntent],
) -> Result<bool, ArithmeticError> {
    let PositionMode::OneWay = view.book().position_mode() else {
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
    let mut sum = resting;
    for promise in view.mirror().reservations().of(&intent.symbol) {
        if promise.intent.side == intent.side {
            sum = sum.plus(promise.intent.quantity.unwrap_or(Quantity::ZERO))?;
        }
    }
    for other in together {
        if other.symbol == intent.symbol && other.side == intent.side {
            let Some(quantity) = other.quantity else {
                return Ok(false);
            };
            sum = sum.plus(quantity.abs())?;
        }
    }
    Ok(sum <= held.abs())
}
