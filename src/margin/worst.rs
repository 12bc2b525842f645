//! The account if its working orders fill on their bad side.
//!
//! Owns: which side of a symbol's orders is the bad one, what their fills cost, and a hedge that
//! loses a leg.
//! Must not know: policy, how a worst case is judged.
//!
//! Every order that could open counts as filled completely at its own price, or at the mark where
//! that is the worse one, and pays the taker fee. In one-way mode only one side of a symbol's
//! orders is taken: the other side would undo it. In hedge mode each side opens its own leg, and
//! both fill. Conditional orders count as triggered; the mark stays where it is, as if the price
//! had come back after setting them off.

use super::account::{Leg, MarginMode, PositionMode, PositionSide, Side, Symbol, SymbolState};
use super::amount::{Amount, ArithmeticError, Notional, Price, Quantity};
use super::book::Unknown;
use super::contribution::{Missing, unrealized_pnl};
use super::order::{OpenOrder, OrderKind};
use super::project::Assumptions;
use super::what_if::WhatIf;

/// Which side of one-way orders is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum BadSide {
    /// For each symbol the side that leaves the larger position.
    Larger,
    /// The same side everywhere: buys lean long, sells lean short.
    Everywhere(Side),
}

/// What the orders of one side come to.
#[derive(Debug, Clone, Copy, Default)]
struct Opened {
    quantity: Quantity,
    cost: Notional,
}

impl Opened {
    fn add(&mut self, quantity: Quantity, cost: Notional) -> Result<(), ArithmeticError> {
        self.quantity = self.quantity.plus(quantity)?;
        self.cost = self.cost.plus(cost)?;
        Ok(())
    }
}

/// Fills what rests in a symbol, and its conditional orders that could open.
///
/// # Errors
/// What is not known of the symbol, or figures beyond 28 digits.
pub fn fill_orders(
    what_if: &mut WhatIf<'_>,
    symbol: &Symbol,
    conditional: &[&OpenOrder],
    bad_side: BadSide,
    assumptions: Assumptions,
) -> Result<(), Unknown> {
    let missing = |missing| Unknown::Symbol(symbol.clone(), missing);
    let mode = what_if.book().position_mode();
    let Some(state) = what_if.state(symbol.as_str()) else {
        return Ok(());
    };
    let mut state = state.clone();
    let settings = state.settings.ok_or_else(|| missing(Missing::Settings))?;
    let mark = state.mark.ok_or_else(|| missing(Missing::Mark))?.price();
    let (bought, sold) = opened(&state, conditional, mark, assumptions)?;
    let sides = match mode {
        PositionMode::Hedge => vec![
            (Side::Buy, PositionSide::Long, bought),
            (Side::Sell, PositionSide::Short, sold),
        ],
        PositionMode::OneWay => taken(&state, bought, sold, bad_side)?
            .map(|(side, opened)| (side, PositionSide::Both, opened))
            .into_iter()
            .collect(),
    };
    let mut wallet_change = Amount::ZERO;
    for (side, position_side, opened) in sides {
        let fee = opened.cost.times(assumptions.taker_fee)?;
        wallet_change = wallet_change.minus(fee)?;
        let leg = state.legs.get_mut(position_side);
        add_to(leg, side, opened)?;
        if settings.margin_mode == MarginMode::Isolated {
            // The whole of it counts as opened: what a reversal would give back is not counted.
            let margin = opened.cost.over(settings.leverage)?;
            leg.isolated_wallet = leg.isolated_wallet.plus(margin)?;
            wallet_change = wallet_change.minus(margin)?;
        }
    }
    state.resting = super::account::RestingTotals::default();
    what_if.replace(symbol, state, wallet_change)
}

/// What buys and sells come to, each at the worse of its own price and the mark.
fn opened(
    state: &SymbolState,
    conditional: &[&OpenOrder],
    mark: Price,
    assumptions: Assumptions,
) -> Result<(Opened, Opened), ArithmeticError> {
    let resting = &state.resting;
    let mut bought = Opened {
        quantity: resting.buy_quantity,
        cost: resting.buy_notional.max(mark.times(resting.buy_quantity)?),
    };
    let mut sold = Opened {
        quantity: resting.sell_quantity,
        cost: resting
            .sell_notional
            .min(mark.times(resting.sell_quantity)?),
    };
    for order in conditional.iter().filter(|order| !order.only_reduces()) {
        let price = conditional_price(order, mark, assumptions)?;
        let cost = price.times(order.remaining)?;
        match order.side {
            Side::Buy => bought.add(order.remaining, cost)?,
            Side::Sell => sold.add(order.remaining, cost)?,
        }
    }
    Ok((bought, sold))
}

fn conditional_price(
    order: &OpenOrder,
    mark: Price,
    assumptions: Assumptions,
) -> Result<Price, ArithmeticError> {
    let trigger = order.kind.trigger_price().unwrap_or(mark);
    let slippage = assumptions.market_slippage;
    let at_market = trigger.moved(match order.side {
        Side::Buy => slippage,
        Side::Sell => slippage.negated(),
    })?;
    let own = match order.kind {
        OrderKind::Stop { price, .. } | OrderKind::TakeProfit { price, .. } => price,
        _ => at_market,
    };
    Ok(match order.side {
        Side::Buy => own.max(mark),
        Side::Sell => own.min(mark),
    })
}

/// The side that fills; `None` when neither makes the position larger.
fn taken(
    state: &SymbolState,
    bought: Opened,
    sold: Opened,
    bad_side: BadSide,
) -> Result<Option<(Side, Opened)>, ArithmeticError> {
    let held = state.legs.both.quantity;
    let long = held.plus(bought.quantity)?.abs();
    let short = held.minus(sold.quantity)?.abs();
    Ok(match bad_side {
        BadSide::Everywhere(Side::Buy) => Some((Side::Buy, bought)),
        BadSide::Everywhere(Side::Sell) => Some((Side::Sell, sold)),
        BadSide::Larger if long > held.abs() && long >= short => Some((Side::Buy, bought)),
        BadSide::Larger if short > held.abs() => Some((Side::Sell, sold)),
        BadSide::Larger => None,
    }
    .filter(|(_, opened)| !opened.quantity.is_zero()))
}

/// Quantity and cost go into the leg. A reversal's result is left in the entry cost instead of
/// being moved to the wallet: the margin balance is the same.
fn add_to(leg: &mut Leg, side: Side, opened: Opened) -> Result<(), ArithmeticError> {
    let (quantity, cost) = match side {
        Side::Buy => (opened.quantity, opened.cost),
        Side::Sell => (opened.quantity.negated(), opened.cost.negated()),
    };
    leg.quantity = leg.quantity.plus(quantity)?;
    leg.entry_cost = leg.entry_cost.plus(cost)?;
    Ok(())
}

/// The leg whose loss hurts a hedge most: its symbol, and the leg that is removed. `None` when no
/// symbol holds both.
///
/// # Errors
/// What is not known of a held symbol.
pub fn weakest_leg(what_if: &WhatIf<'_>) -> Result<Option<(Symbol, PositionSide)>, Unknown> {
    let mut worst: Option<(Notional, &Symbol, PositionSide)> = None;
    for (symbol, state) in what_if.held() {
        let crossed = state
            .settings
            .is_some_and(|settings| settings.risk_mode() == MarginMode::Crossed);
        let (long, short) = (&state.legs.long, &state.legs.short);
        let Some(mark) = state.mark.filter(|_| crossed) else {
            continue;
        };
        if long.is_flat() || short.is_flat() {
            continue;
        }
        let (long_notional, short_notional) = (
            mark.price().times(long.quantity)?,
            mark.price().times(short.quantity)?.abs(),
        );
        let (left, removed) = if long_notional >= short_notional {
            (long_notional, PositionSide::Short)
        } else {
            (short_notional, PositionSide::Long)
        };
        let netted = long_notional.minus(short_notional)?.abs();
        let bared = left.minus(netted)?;
        if worst.is_none_or(|(most, ..)| bared > most) {
            worst = Some((bared, symbol, removed));
        }
    }
    Ok(worst.map(|(_, symbol, side)| (symbol.clone(), side)))
}

/// Closes one leg at the mark.
///
/// # Errors
/// What is not known of the symbol.
pub fn remove_leg(
    what_if: &mut WhatIf<'_>,
    symbol: &Symbol,
    side: PositionSide,
) -> Result<(), Unknown> {
    let missing = |missing| Unknown::Symbol(symbol.clone(), missing);
    let mut state = what_if
        .state(symbol.as_str())
        .ok_or_else(|| missing(Missing::Settings))?
        .clone();
    let mark = state.mark.ok_or_else(|| missing(Missing::Mark))?.price();
    let leg = std::mem::take(state.legs.get_mut(side));
    let realized = unrealized_pnl(&leg, mark.times(leg.quantity)?)?;
    what_if.replace(symbol, state, realized.plus(leg.isolated_wallet)?)
}
