//! What the exchange asks for an order before it accepts it, and the largest order it would take.
//!
//! Owns: assuming prices, the cost of an order, the position cap in force, the largest order.
//! Must not know: policy, what the account is worth after a fill, the exchange's filters.
//!
//! Where the sources differ the more careful reading counts: it asks for more margin and takes a
//! smaller order.

use rust_decimal::{Decimal, RoundingStrategy};

use super::account::{PositionMode, PositionSide, Side, SymbolState};
use super::amount::{
    Amount, ArithmeticError, Leverage, Notional, PRINTED_DECIMALS, Price, Quantity, Rate,
    exact_add, exact_mul, quotient,
};
use super::contribution::{Missing, present_notional, signed_notional};
use super::order::OrderIntent;
use super::project::Fill;

/// A market buy is assumed at the best ask and this much of it; the mark stands in for the ask.
///
/// Source: margin-math §4.5 (vector D09).
const MARKET_BUY_ABOVE: Rate = Rate::new(Decimal::from_parts(5, 0, 0, false, 4));

/// A sell is assumed at the last price and this much of it at least; the mark stands in for it.
///
/// Source: margin-math §4.5 (vectors D03, D04: the text in force from January 2026).
const SELL_ABOVE: Rate = Rate::new(Decimal::from_parts(15, 0, 0, false, 4));

/// What the exchange asks for a new order before it accepts it, in the pool's asset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderCost {
    /// Initial margin that the order adds by the netting rule, and the loss it opens with.
    pub cost: Amount,
    /// Positions and orders together afterwards, which the position cap counts.
    pub present_notional: Notional,
}

/// Cost = added initial margin + open loss.
///
/// Source: margin-math §4.4 (vectors D01, D05, D07, D11) with the assuming prices of §4.5.
/// Conditional orders cost nothing until they fire (§4.7) and are not asked here.
///
/// # Errors
/// What is not known of the symbol.
pub fn order_cost(
    state: &SymbolState,
    mode: PositionMode,
    intent: &OrderIntent,
    fill: &Fill,
) -> Result<OrderCost, Missing> {
    let settings = state.settings.ok_or(Missing::Settings)?;
    let mark = state.mark.ok_or(Missing::Mark)?.price();
    let before = present_notional(state, mode)?;
    let price = assuming_price(intent, mark, fill.price)?;
    let added = price.times(fill.quantity)?;
    let mut with_order = state.clone();
    if !intent.only_reduces() {
        let resting = &mut with_order.resting;
        let (notional, quantity) = match intent.side {
            Side::Buy => (&mut resting.buy_notional, &mut resting.buy_quantity),
            Side::Sell => (&mut resting.sell_notional, &mut resting.sell_quantity),
        };
        *notional = notional.plus(added)?;
        *quantity = quantity.plus(fill.quantity)?;
    }
    let after = present_notional(&with_order, mode)?;
    let added_margin = after
        .minus(before)?
        .over(settings.leverage)?
        .max(Amount::ZERO);
    let open_loss = if intent.only_reduces() {
        Amount::ZERO
    } else {
        open_loss(intent, mark)?.times(fill.quantity)?.as_amount()
    };
    Ok(OrderCost {
        cost: added_margin.plus(open_loss)?,
        present_notional: after,
    })
}

/// The price an order is counted at: a limit buy at its own, a market buy at the price this guard
/// takes it to fill at and never below the exchange's, a sell at the highest of its own, the mark and
/// 1.0015 × last.
fn assuming_price(
    intent: &OrderIntent,
    mark: Price,
    fill_price: Price,
) -> Result<Price, ArithmeticError> {
    let limit = intent.kind.limit_price();
    match (intent.side, limit) {
        (Side::Buy, Some(limit)) => Ok(limit),
        (Side::Buy, None) => Ok(fill_price.max(mark.moved(MARKET_BUY_ABOVE)?)),
        (Side::Sell, limit) => {
            let above_last = mark.moved(SELL_ABOVE)?;
            Ok(limit.map_or(above_last, |limit| limit.max(above_last)))
        }
    }
}

/// The loss an order opens with, per unit: how far its price is on the losing side of the mark.
fn open_loss(intent: &OrderIntent, mark: Price) -> Result<Price, ArithmeticError> {
    let Some(price) = intent.kind.limit_price() else {
        return Ok(Price::ZERO);
    };
    let adverse = match intent.side {
        Side::Buy => price.minus(mark)?,
        Side::Sell => mark.minus(price)?,
    };
    Ok(adverse.max(Price::ZERO))
}

/// The largest notional that positions and orders of a symbol may come to: by its brackets at the
/// leverage in force and by what the exchange states, whichever is less. `None` when neither says.
///
/// Source: margin-math §14 (vector B32).
#[must_use]
pub fn position_cap(state: &SymbolState) -> Option<Notional> {
    let settings = state.settings?;
    let by_brackets = state.brackets.as_ref()?.notional_max_at(settings.leverage);
    match (by_brackets, settings.notional_max) {
        (Some(brackets), Some(told)) => Some(brackets.min(told)),
        (one, other) => one.or(other),
    }
}

/// The largest quantity of an order (its own does not matter) that margin and position cap permit,
/// cut at the eighth decimal; `available` is what such an order may cost. Filters are not asked.
///
/// One-way, with `N` the signed notional, `B` and `A` the resting buys and sells, `L` the open loss
/// per unit and `AP` the assuming price:
/// `buy = (available + IM − (N + B)·IMR [+ |q|·L when short]) / (AP·IMR + L)`,
/// `sell = (available + IM + (N − A)·IMR [+ |q|·L when long]) / (AP·IMR + L)`,
/// so that positions and orders afterwards stay within the cap. In hedge mode every leg adds, and
/// `available / (AP·IMR + L)` is left. `IMR` is rounded up at the fourth decimal.
///
/// Source: margin-math §4.6 (the vendor's formulas), §4.3 for hedge mode, §14 for the cap, §19 for
/// the rounding.
///
/// # Errors
/// What is not known of the symbol.
pub fn largest_order(
    state: &SymbolState,
    mode: PositionMode,
    intent: &OrderIntent,
    fill_price: Price,
    available: Amount,
) -> Result<Quantity, Missing> {
    let settings = state.settings.ok_or(Missing::Settings)?;
    let mark = state.mark.ok_or(Missing::Mark)?.price();
    let cap = position_cap(state).ok_or_else(|| state.no_brackets())?;
    let price = assuming_price(intent, mark, fill_price)?;
    let loss = open_loss(intent, mark)?;
    let rate = initial_margin_rate(settings.leverage)?;
    let side = Netted::of(state, mode, intent.side)?;

    let mut money = available.floored();
    if let Some(own) = side.own {
        // What is asked for is rounded up, what is given back is not.
        let asked = if own.is_positive() {
            own.times(rate)?
        } else {
            own.over(settings.leverage)?
        };
        let present = present_notional(state, mode)?.over(settings.leverage)?;
        money = money.plus(present)?.minus(asked)?;
        money = money.plus(loss.times(side.closes)?.as_amount())?;
    }
    let unit = exact_add(exact_mul(price.get(), rate.get())?, loss.get())?;
    let by_margin = quotient(money.get(), unit)?;

    if side.other > cap {
        return Ok(Quantity::ZERO);
    }
    let taken = side.own.unwrap_or(side.gross);
    let by_cap = quotient(cap.minus(taken)?.get(), price.get())?;
    let most = by_margin.min(by_cap).max(Decimal::ZERO);
    Ok(Quantity::new(most.trunc_with_scale(PRINTED_DECIMALS)))
}

/// What an order of one side meets.
struct Netted {
    /// One-way: the position and this side's orders, signed so that this side adds.
    own: Option<Notional>,
    /// One-way: what the other side could come to, which the cap counts as well.
    other: Notional,
    /// Hedge: both legs with all their opening orders.
    gross: Notional,
    /// The position an order of this side closes first.
    closes: Quantity,
}

impl Netted {
    fn of(state: &SymbolState, mode: PositionMode, side: Side) -> Result<Self, Missing> {
        if mode == PositionMode::Hedge {
            return Ok(Self {
                own: None,
                other: Notional::ZERO,
                gross: present_notional(state, mode)?,
                closes: Quantity::ZERO,
            });
        }
        let net = signed_notional(state, PositionSide::Both)?;
        let held = state.legs.both.quantity;
        let (buys, sells) = (state.resting.buy_notional, state.resting.sell_notional);
        let bought = net.plus(buys)?;
        let sold = net.minus(sells)?;
        let (own, other, closes) = match side {
            Side::Buy => (bought, sold.abs(), held.negated()),
            Side::Sell => (sold.negated(), bought.abs(), held),
        };
        Ok(Self {
            own: Some(own),
            other,
            gross: Notional::ZERO,
            closes: closes.max(Quantity::ZERO),
        })
    }
}

/// 1 ÷ leverage, rounded up at the fourth decimal.
fn initial_margin_rate(leverage: Leverage) -> Result<Rate, ArithmeticError> {
    let rate = quotient(Decimal::ONE, Decimal::from(leverage.get()))?;
    let rate = rate.round_dp_with_strategy(4, RoundingStrategy::ToPositiveInfinity);
    Ok(Rate::new(rate))
}

#[cfg(test)]
mod tests;
