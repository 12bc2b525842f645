//! The account after an order: a projection that is assessed like any other state.
//!
//! Owns: which price an order is taken to fill at, what a fill does to a position and to the
//! wallet, and what the exchange would ask for the order.
//! Must not know: policy, freshness, who asked.
//!
//! An order is judged as filled completely: a resting order that only looks safe because it has
//! not filled yet is the danger, not the defence. It never gets the benefit of a price better
//! than the mark. A conditional order is judged at the moment it fires: the mark stands at its
//! trigger.

use rust_decimal::Decimal;

use super::account::{Leg, MarginMode, PositionMode, PositionSide, Side, Symbol, SymbolState};
use super::amount::{
    Amount, ArithmeticError, Leverage, MarkPrice, Notional, Price, QUOTIENT_DECIMALS, Quantity,
    Rate, exact_mul, exact_sub, quotient, round,
};
use super::book::{Unknown, WhatIf};
use super::bracket::Bracket;
use super::contribution::Missing;
use super::order::{OrderIntent, OrderKind};

/// What a projection takes for granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Assumptions {
    /// How far from the mark a market order fills, as a fraction.
    pub market_slippage: Rate,
    /// Taker fee as a fraction of the filled notional.
    pub taker_fee: Rate,
}

/// Where the assumed price came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PriceSource {
    /// The order's own limit price, the worst it permits.
    Limit,
    /// The mark, because the order's own price is better and would flatter the account.
    Mark,
    /// The mark with slippage.
    MarkWithSlippage,
    /// The trigger with slippage.
    TriggerWithSlippage,
}

/// What an order does to the size of its position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ExposureChange {
    /// Larger than before, or on the other side.
    Increases,
    /// Smaller than before, on the same side or flat.
    Reduces,
    /// As large as before.
    Neutral,
}

/// How an order was taken to fill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fill {
    /// Direction.
    pub side: Side,
    /// Position it belongs to.
    pub position_side: PositionSide,
    /// Quantity, positive; less than asked where the exchange lets it only reduce.
    pub quantity: Quantity,
    /// Assumed price.
    pub price: Price,
    /// Where the price came from.
    pub price_source: PriceSource,
    /// What it does to the size of the position.
    pub exposure: ExposureChange,
    /// The part that opens (positive), after whatever it closes.
    pub opens: Quantity,
    /// Fee in the pool's asset.
    pub fee: Amount,
}

/// Puts the order, filled, into the account that would be.
///
/// # Errors
/// What is not known of the symbol, or figures beyond 28 digits.
pub fn fill(
    what_if: &mut WhatIf<'_>,
    intent: &OrderIntent,
    assumptions: Assumptions,
) -> Result<Fill, Unknown> {
    let symbol = &intent.symbol;
    let missing = |missing| Unknown::Symbol(symbol.clone(), missing);
    let mode = what_if.book().position_mode();
    let state = what_if
        .state(symbol.as_str())
        .ok_or_else(|| missing(Missing::MarginAsset))?;
    let mut state = state.clone();
    let settings = state.settings.ok_or_else(|| missing(Missing::Settings))?;
    let mark = state.mark.ok_or_else(|| missing(Missing::Mark))?;

    let (price, price_source) = assumed_price(intent, mark, assumptions)?;
    if intent.kind.is_conditional()
        && let Some(at_trigger) = intent.kind.trigger_price().and_then(MarkPrice::new)
    {
        state.mark = Some(at_trigger);
    }
    let position_side = match mode {
        PositionMode::OneWay => PositionSide::Both,
        PositionMode::Hedge => intent.position_side,
    };
    let before = *state.legs.get(position_side);
    let quantity = quantity_that_fills(intent, before);
    let after = LegAfter::of(before, intent.side, quantity, price, settings.leverage)?;
    let fee = price.times(quantity)?.times(assumptions.taker_fee)?;
    let (leg, wallet_change) = after.settle(settings.margin_mode, before)?;
    *state.legs.get_mut(position_side) = leg;
    let exposure = exposure_change(before.quantity, leg.quantity);
    what_if.replace(symbol, state, wallet_change.minus(fee)?)?;
    Ok(Fill {
        side: intent.side,
        position_side,
        quantity,
        price,
        price_source,
        exposure,
        opens: after.opened,
        fee,
    })
}

/// The price an order is taken to fill at.
///
/// Source: design.md §7 (market orders at mark ± slippage); margin-math §4.5 for the rule that the
/// more careful of several prices counts.
fn assumed_price(
    intent: &OrderIntent,
    mark: MarkPrice,
    assumptions: Assumptions,
) -> Result<(Price, PriceSource), ArithmeticError> {
    let mark = mark.price();
    let slipped = |from: Price| {
        let slippage = assumptions.market_slippage;
        from.moved(match intent.side {
            Side::Buy => slippage,
            Side::Sell => slippage.negated(),
        })
    };
    let worse = |one: Price, other: Price| match intent.side {
        Side::Buy => one.max(other),
        Side::Sell => one.min(other),
    };
    Ok(match intent.kind {
        OrderKind::Market | OrderKind::PriceMatched => {
            (slipped(mark)?, PriceSource::MarkWithSlippage)
        }
        OrderKind::Limit { price } if worse(price, mark) == price => (price, PriceSource::Limit),
        OrderKind::Limit { .. } => (mark, PriceSource::Mark),
        OrderKind::Stop { price, trigger } | OrderKind::TakeProfit { price, trigger } => {
            (worse(price, trigger), PriceSource::Limit)
        }
        OrderKind::StopMarket { trigger } | OrderKind::TakeProfitMarket { trigger } => {
            (slipped(trigger)?, PriceSource::TriggerWithSlippage)
        }
        OrderKind::TrailingStopMarket { activation, .. } => (
            slipped(activation.unwrap_or(mark))?,
            PriceSource::TriggerWithSlippage,
        ),
    })
}

/// How much of an order fills: all of it, but what only reduces stops at flat.
fn quantity_that_fills(intent: &OrderIntent, leg: Leg) -> Quantity {
    let held = match (intent.side, leg.quantity.is_negative()) {
        (Side::Sell, false) | (Side::Buy, true) => leg.quantity.abs(),
        (Side::Sell, true) | (Side::Buy, false) => Quantity::ZERO,
    };
    match intent.quantity {
        None => held,
        Some(quantity) if intent.only_reduces() => quantity.abs().min(held),
        Some(quantity) => quantity.abs(),
    }
}

/// A leg after a fill, before money is moved.
#[derive(Debug, Clone, Copy)]
struct LegAfter {
    leg: Leg,
    closed: Quantity,
    opened: Quantity,
    realized_pnl: Amount,
    margin_of_opened: Amount,
}

impl LegAfter {
    fn of(
        before: Leg,
        side: Side,
        quantity: Quantity,
        price: Price,
        leverage: Leverage,
    ) -> Result<Self, ArithmeticError> {
        let signed = match side {
            Side::Buy => quantity,
            Side::Sell => quantity.negated(),
        };
        let against = !before.is_flat() && before.quantity.is_negative() != signed.is_negative();
        let closed = if against {
            quantity.min(before.quantity.abs())
        } else {
            Quantity::ZERO
        };
        let opened = quantity.minus(closed)?;
        let mut leg = before;
        let mut realized_pnl = Amount::ZERO;
        if !closed.is_zero() {
            let kept = Quantity::new(shrink(before.quantity.get(), closed.get())?);
            let kept_cost = if kept.is_zero() {
                Notional::ZERO
            } else {
                before.entry_price.times(kept)?
            };
            let closed_cost = before.entry_cost.minus(kept_cost)?;
            let closed_signed = if before.quantity.is_negative() {
                closed.negated()
            } else {
                closed
            };
            realized_pnl = price.times(closed_signed)?.minus(closed_cost)?.as_amount();
            leg.quantity = kept;
            leg.entry_cost = kept_cost;
        }
        if !opened.is_zero() {
            let added = if signed.is_negative() {
                opened.negated()
            } else {
                opened
            };
            leg.entry_cost = leg.entry_cost.plus(price.times(added)?)?;
            leg.quantity = leg.quantity.plus(added)?;
        }
        leg.entry_price = average_entry(leg)?;
        let margin_of_opened = price.times(opened)?.over(leverage)?;
        Ok(Self {
            leg,
            closed,
            opened,
            realized_pnl,
            margin_of_opened,
        })
    }

    /// Moves the money: a crossed fill settles against the shared wallet; an isolated one takes
    /// notional ÷ leverage from it for what it opens and gives back the closed share of its own
    /// wallet with the result.
    ///
    /// Source: margin-math §10. Which pocket receives the result of an isolated close is not
    /// documented; it is taken to be the shared wallet, where the margin returns to.
    fn settle(&self, mode: MarginMode, before: Leg) -> Result<(Leg, Amount), ArithmeticError> {
        let mut leg = self.leg;
        match mode {
            MarginMode::Crossed => Ok((leg, self.realized_pnl)),
            MarginMode::Isolated => {
                let released = released_share(before, self.closed)?;
                leg.isolated_wallet = before
                    .isolated_wallet
                    .minus(released)?
                    .plus(self.margin_of_opened)?;
                let returned = released.plus(self.realized_pnl)?;
                Ok((leg, returned.minus(self.margin_of_opened)?))
            }
        }
    }
}

/// The share of an isolated wallet that a partial close gives back, rounded half-even.
fn released_share(before: Leg, closed: Quantity) -> Result<Amount, ArithmeticError> {
    let whole = before.quantity.abs();
    if closed.is_zero() {
        return Ok(Amount::ZERO);
    }
    if closed >= whole {
        return Ok(before.isolated_wallet);
    }
    let share = quotient(closed.get(), whole.get())?;
    let released = before.isolated_wallet.get().checked_mul(share);
    let released = released.ok_or(ArithmeticError::Overflow)?;
    Ok(Amount::new(round(released, QUOTIENT_DECIMALS)))
}

/// A signed quantity brought nearer to zero.
fn shrink(signed: Decimal, by: Decimal) -> Result<Decimal, ArithmeticError> {
    if signed.is_sign_negative() {
        super::amount::exact_add(signed, by)
    } else {
        exact_sub(signed, by)
    }
}

/// Entry cost ÷ quantity, rounded half-even: for display and for the cost of a later close.
fn average_entry(leg: Leg) -> Result<Price, ArithmeticError> {
    if leg.is_flat() {
        return Ok(Price::ZERO);
    }
    if exact_mul(leg.entry_price.get(), leg.quantity.get()) == Ok(leg.entry_cost.get()) {
        return Ok(leg.entry_price);
    }
    let entry = quotient(leg.entry_cost.get(), leg.quantity.get())?;
    // Few enough decimals that entry × quantity stays within 28 digits.
    Ok(Price::new(round(entry, super::amount::PRINTED_DECIMALS)))
}

fn exposure_change(before: Quantity, after: Quantity) -> ExposureChange {
    let flipped =
        !before.is_zero() && !after.is_zero() && before.is_negative() != after.is_negative();
    if flipped || after.abs() > before.abs() {
        ExposureChange::Increases
    } else if after.abs() < before.abs() {
        ExposureChange::Reduces
    } else {
        ExposureChange::Neutral
    }
}

/// The same order in isolated mode with the same ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IsolatedTwin {
    /// Margin the position would be given: notional at the assumed price ÷ leverage.
    pub margin: Amount,
    /// Where it would be liquidated; `None` when no price does that.
    pub liquidation_price: Option<Price>,
    /// The bracket of its notional at that price.
    pub bracket_at_end: Option<Bracket>,
    /// The most it could lose: its margin.
    pub loss_max: Amount,
}

/// What isolated mode would have limited the opening part of an order to.
///
/// Source: margin-math §18 (wallet 10,000, ticket 100 at 50x: isolated stops with −100).
///
/// # Errors
/// What is not known of the symbol.
pub fn isolated_twin(
    symbol: &Symbol,
    state: &SymbolState,
    fill: &Fill,
) -> Result<Option<IsolatedTwin>, Unknown> {
    if fill.opens.is_zero() {
        return Ok(None);
    }
    let missing = |missing| Unknown::Symbol(symbol.clone(), missing);
    let settings = state.settings.ok_or_else(|| missing(Missing::Settings))?;
    let brackets = state
        .brackets
        .as_deref()
        .ok_or_else(|| missing(state.no_brackets()))?;
    let margin = fill.price.times(fill.opens)?.over(settings.leverage)?;
    let quantity = match fill.side {
        Side::Buy => fill.opens,
        Side::Sell => fill.opens.negated(),
    };
    let leg = Leg::new(quantity, fill.price, margin)?;
    let mark = MarkPrice::new(fill.price).ok_or_else(|| missing(Missing::Mark))?;
    let prices =
        super::liquidation::Exposure::isolated(&leg, brackets, mark)?.liquidation_prices()?;
    let liquidation_price = prices.headline();
    // A quotient has digits to the end: where it lies between brackets asks for no more of them.
    let worth = liquidation_price.and_then(|price| price.get().checked_mul(quantity.get()));
    Ok(Some(IsolatedTwin {
        margin,
        liquidation_price,
        bracket_at_end: worth.map(|worth| *brackets.at(Notional::new(worth))),
        loss_max: margin,
    }))
}
