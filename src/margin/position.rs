//! The figures of one position: what it stands on, where it dies, what it would draw from others.
//!
//! Owns: the per-position view of an account as it is or as it would be.
//! Must not know: policy, time.

use super::account::{Leg, MarginMode, PositionSide, Symbol, SymbolState};
use super::amount::{
    Amount, ArithmeticError, Leverage, MarkPrice, Notional, Price, QUOTIENT_DECIMALS, Rate, round,
};
use super::attribution::{Attribution, LossWithoutLiquidation};
use super::book::{Unknown, WhatIf};
use super::contribution::{Missing, unrealized_pnl};
use super::liquidation::{Direction, Exposure, LiquidationPrices, move_to};

/// Everything one position says at one instant. Money is in its margin asset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PositionAssessment {
    /// Which leg.
    pub position_side: PositionSide,
    /// The leg itself.
    pub leg: Leg,
    /// The mode that counts for risk.
    pub margin_mode: MarginMode,
    /// The mark.
    pub mark: MarkPrice,
    /// Signed notional at the mark.
    pub notional: Notional,
    /// Unrealised profit at the mark.
    pub unrealized_pnl: Amount,
    /// Maintenance margin at the mark.
    pub maintenance_margin: Amount,
    /// Initial margin at the mark.
    pub initial_margin: Amount,
    /// The capital a trader thinks of as put on this position: its initial margin.
    pub ticket: Amount,
    /// Where it is liquidated: by its pool when crossed (both legs of a hedge show the same), by
    /// itself when isolated.
    pub liquidation: LiquidationPrices,
    /// What the rest of the wallet pays for it; zero when isolated.
    pub spill: Amount,
    /// The same in the money of its pool: in USD at the ask rate in multi-assets mode.
    pub spill_of_pool: Amount,
    /// What it can lose while no price of its symbol liquidates.
    pub loss_without_liquidation: LossWithoutLiquidation,
    /// Its part in its pool; `None` when isolated.
    pub attribution: Option<Attribution>,
}

impl PositionAssessment {
    /// The smallest adverse move to a liquidation price, as a fraction of the mark.
    ///
    /// # Errors
    /// [`ArithmeticError`] when figures do not fit 28 digits.
    pub fn distance(&self) -> Result<Option<Rate>, ArithmeticError> {
        match self.liquidation {
            LiquidationPrices::AlreadyLiquidatable => Ok(Some(Rate::ZERO)),
            LiquidationPrices::Alive { below, above, .. } => {
                let mut nearest: Option<Rate> = None;
                for price in [below, above].into_iter().flatten() {
                    // A far end and a near one are subtracted from each other: both must fit.
                    let distance = move_to(price, self.mark)?.get();
                    let distance = Rate::new(round(distance, QUOTIENT_DECIMALS));
                    nearest = Some(nearest.map_or(distance, |other| other.min(distance)));
                }
                Ok(nearest)
            }
        }
    }
}

/// What a position draws from the rest of the wallet. Money is in its margin asset.
///
/// Source: margin-math §18.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overrun {
    /// Loss beyond the ticket that the rest of the wallet pays already.
    pub spill_now: Amount,
    /// Loss beyond the ticket at the liquidation price on the losing side; `None` when there is
    /// none.
    pub spill_at_liquidation: Option<Amount>,
    /// The loss at that price as a multiple of the ticket; where there is none, of a long the loss
    /// at zero, and of a short `None`: it is unbounded.
    pub loss_multiple: Option<Rate>,
}

/// What a position draws from the rest of the wallet; an isolated one draws nothing beyond what it
/// was assigned, and is not asked.
///
/// Source: margin-math §18 (short without a liquidation price: unbounded; long: its leverage at
/// entry, because the price cannot fall below zero).
///
/// # Errors
/// [`ArithmeticError`] when figures do not fit 28 digits.
pub fn overrun(position: &PositionAssessment) -> Result<Option<Overrun>, ArithmeticError> {
    if position.margin_mode == MarginMode::Isolated || !position.ticket.is_positive() {
        return Ok(None);
    }
    let short = position.leg.quantity.is_negative();
    let against = if short {
        Direction::Up
    } else {
        Direction::Down
    };
    let beyond = |loss: Amount| Ok(loss.minus(position.ticket)?.max(Amount::ZERO));
    let loss_at = |price: Price| {
        let worth = price_times_quantity(price, &position.leg)?;
        Ok(position.leg.entry_cost.minus(worth)?.as_amount())
    };
    let end = match position.liquidation {
        LiquidationPrices::AlreadyLiquidatable => Some(position.mark.price()),
        LiquidationPrices::Alive { .. } => position.liquidation.on(against),
    };
    let loss_at_end = end.map(loss_at).transpose()?;
    let worst = match loss_at_end {
        Some(loss) => Some(loss),
        None if short => None,
        None => Some(loss_at(Price::ZERO)?),
    };
    Ok(Some(Overrun {
        spill_now: beyond(position.unrealized_pnl.negated())?,
        spill_at_liquidation: loss_at_end.map(beyond).transpose()?,
        loss_multiple: worst
            .map(|loss| loss.max(Amount::ZERO).over(position.ticket))
            .transpose()?,
    }))
}

/// The positions of one symbol in the account that would be.
///
/// # Errors
/// What is not known.
pub fn assess_positions(
    what_if: &WhatIf<'_>,
    symbol: &Symbol,
    horizon: Rate,
) -> Result<Vec<PositionAssessment>, Unknown> {
    let missing = |missing| Unknown::Symbol(symbol.clone(), missing);
    let Some(state) = what_if.state(symbol.as_str()) else {
        return Ok(Vec::new());
    };
    if state.legs.is_flat() {
        return Ok(Vec::new());
    }
    let settings = state.settings.ok_or_else(|| missing(Missing::Settings))?;
    let mark = state.mark.ok_or_else(|| missing(Missing::Mark))?;
    let brackets = state
        .brackets
        .as_deref()
        .ok_or_else(|| missing(state.no_brackets()))?;
    let margin_mode = settings.risk_mode();
    let (shared, pool_maintenance) = match margin_mode {
        MarginMode::Crossed => {
            let (shared, maintenance) = what_if.end_in_pool(symbol)?;
            (shared, Some(maintenance))
        }
        MarginMode::Isolated => (None, None),
    };
    let mut positions = Vec::with_capacity(state.legs.held().count());
    for (position_side, leg) in state.legs.held() {
        let notional = mark.price().times(leg.quantity)?;
        let liquidation = match shared {
            Some(shared) => shared,
            None => Exposure::isolated(leg, brackets, mark)?.liquidation_prices()?,
        };
        let initial_margin = notional.abs().over(settings.leverage)?;
        let spill = match margin_mode {
            MarginMode::Crossed => spill(leg, mark, &liquidation, initial_margin, horizon)?,
            MarginMode::Isolated => Amount::ZERO,
        };
        let unrealized_pnl = unrealized_pnl(leg, notional)?;
        let maintenance_margin = brackets.maintenance_margin(notional)?;
        let attribution = pool_maintenance
            .map(|whole| {
                let own = in_pool_money(what_if, state, maintenance_margin)?;
                let share = (!whole.is_zero()).then(|| own.over(whole)).transpose()?;
                let parts =
                    Attribution::of(notional, unrealized_pnl, maintenance_margin, share, horizon);
                parts.map_err(Unknown::from)
            })
            .transpose()?;
        positions.push(PositionAssessment {
            position_side,
            leg: *leg,
            margin_mode,
            mark,
            notional,
            unrealized_pnl,
            maintenance_margin,
            initial_margin,
            ticket: initial_margin,
            liquidation,
            spill,
            spill_of_pool: in_pool_money(what_if, state, spill)?,
            loss_without_liquidation: LossWithoutLiquidation::of(leg, &liquidation),
            attribution,
        });
    }
    Ok(positions)
}

fn in_pool_money(
    what_if: &WhatIf<'_>,
    state: &SymbolState,
    amount: Amount,
) -> Result<Amount, Unknown> {
    match &state.margin_asset {
        Some(asset) if !amount.is_zero() => what_if.in_pool_money(asset, amount),
        _ => Ok(amount),
    }
}

/// A position's loss beyond its ticket at the nearer of its liquidation price and the horizon.
///
/// Source: design.md §2, margin-math §18 (wallet 10,000, ticket 100 at 50x: −10 % costs 500, so
/// 400 beyond the ticket).
fn spill(
    leg: &Leg,
    mark: MarkPrice,
    liquidation: &LiquidationPrices,
    ticket: Amount,
    horizon: Rate,
) -> Result<Amount, ArithmeticError> {
    let price = if matches!(liquidation, LiquidationPrices::AlreadyLiquidatable) {
        mark.price()
    } else {
        adverse_price(leg, mark, liquidation, horizon)?
    };
    let loss = leg
        .entry_cost
        .minus(price_times_quantity(price, leg)?)?
        .as_amount();
    Ok(loss.minus(ticket)?.max(Amount::ZERO))
}

/// What is put on a crossed leg, and what it loses beyond that where no price of its symbol liquidates
/// within the horizon: as [`assess_positions`] says it, without a search for such a price.
///
/// # Errors
/// [`ArithmeticError`] when figures do not fit 28 digits.
pub fn spill_at_horizon(
    leg: &Leg,
    mark: MarkPrice,
    leverage: Leverage,
    horizon: Rate,
) -> Result<(Amount, Amount), ArithmeticError> {
    let beyond = LiquidationPrices::Alive {
        below: None,
        above: None,
        slope: Direction::Down,
    };
    let ticket = mark.price().times(leg.quantity)?.abs().over(leverage)?;
    Ok((ticket, spill(leg, mark, &beyond, ticket, horizon)?))
}

pub(super) fn adverse_price(
    leg: &Leg,
    mark: MarkPrice,
    liquidation: &LiquidationPrices,
    horizon: Rate,
) -> Result<Price, ArithmeticError> {
    if leg.quantity.is_negative() {
        let far = mark.price().moved(horizon)?;
        Ok(liquidation
            .on(Direction::Up)
            .map_or(far, |price| price.min(far)))
    } else {
        let far = mark.price().moved(horizon.negated())?;
        Ok(liquidation
            .on(Direction::Down)
            .map_or(far, |price| price.max(far)))
    }
}

/// A liquidation price is a quotient, and so is its product: rounded half-even at
/// [`QUOTIENT_DECIMALS`], so that sums with it fit 28 digits. Cutting the price instead would be
/// multiplied by the quantity.
fn price_times_quantity(price: Price, leg: &Leg) -> Result<Notional, ArithmeticError> {
    let product = price.get().checked_mul(leg.quantity.get());
    let product = product.ok_or(ArithmeticError::Overflow)?;
    Ok(Notional::new(round(product, QUOTIENT_DECIMALS)))
}
