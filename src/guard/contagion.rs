//! Every position of a pool before and after: what a question does to the others.
//!
//! Owns: the list of positions with their liquidation prices, shifts, tickets and overruns.
//! Must not know: rules.

use rust_decimal::Decimal;

use super::desk::Desk;
use super::verdict::{EndangeredOrder, OrderDanger, PositionChange, PositionFigures};
use super::worst;
use crate::margin::account::{Leg, MarginMode, PositionSide, Settings, Side, Symbol, SymbolState};
use crate::margin::amount::{
    Amount, ArithmeticError, MarkPrice, Notional, Price, Quantity, Rate, cut, quotient,
};
use crate::margin::book::Unknown;
use crate::margin::book::WhatIf;
use crate::margin::bracket::{Bracket, BracketTable};
use crate::margin::contribution::Missing;
use crate::margin::liquidation::{Direction, LiquidationPrices};
use crate::margin::order::{OpenOrder, OrderIntent, OrderKind};
use crate::margin::pool::{PoolAssessment, Survival};
use crate::margin::position::{PositionAssessment, assess_positions, overrun};
use crate::margin::project::Assumptions;
use crate::mirror::view::LiveView;

/// Every position of the pool before and after, and the working orders that may not protect it then.
/// `pools` are the pool's figures before and after.
pub(super) fn position_changes(
    desk: &Desk<'_>,
    after: &WhatIf<'_>,
    pools: [Option<&PoolAssessment>; 2],
    orders: &[OrderIntent],
) -> Result<(Vec<PositionChange>, Vec<EndangeredOrder>), Unknown> {
    let (view, horizon) = (desk.view, desk.policy().horizon);
    let common_ends = pools.map(|pool| pool.and_then(common_end));
    let mut changes = Vec::new();
    let mut endangered = Vec::new();
    for (symbol, [_, state_after]) in after.held_before_or_after() {
        let as_it_is = view.book().what_if(symbol)?;
        let both = Both {
            symbol,
            horizon,
            common_ends,
            state: state_after,
            before: assess_positions(&as_it_is, symbol, horizon)?,
            after: assess_positions(after, symbol, horizon)?,
        };
        let late = worst::endangered(desk, symbol, &both.after, orders)?;
        for side in [PositionSide::Both, PositionSide::Long, PositionSide::Short] {
            if let Some(mut change) = both.of_leg(side)? {
                change.deleveraging_quantile = view
                    .mirror()
                    .deleveraging_quantile(symbol, side)
                    .filter(|_| change.before.is_some());
                note_stops(view, &mut change, &late, desk.assumptions(symbol));
                changes.push(change);
            }
        }
        endangered.extend(late);
    }
    Ok((changes, endangered))
}

/// A contract's positions as they are and as they would be.
struct Both<'a> {
    symbol: &'a Symbol,
    horizon: Rate,
    /// Where the common move ends, before and after, as a multiple of the marks.
    common_ends: [Option<Decimal>; 2],
    /// Afterwards.
    state: &'a SymbolState,
    before: Vec<PositionAssessment>,
    after: Vec<PositionAssessment>,
}

impl Both<'_> {
    fn of_leg(&self, position_side: PositionSide) -> Result<Option<PositionChange>, Unknown> {
        let of_side = |position: &&PositionAssessment| position.position_side == position_side;
        let before = self.before.iter().find(of_side);
        let after = self.after.iter().find(of_side);
        let Some(shown) = after.or(before) else {
            return Ok(None);
        };
        let (settings, brackets) = self.known()?;
        let figures = |position: Option<&PositionAssessment>, common_end| {
            position
                .map(|position| figures(position, brackets, common_end))
                .transpose()
        };
        let [end_before, end_after] = self.common_ends;
        let (was, becomes) = (figures(before, end_before)?, figures(after, end_after)?);
        let distance = |of: Option<PositionFigures>| of.and_then(|figures| figures.distance);
        let shift = match (distance(was), distance(becomes)) {
            (Some(before), Some(after)) => Some(before.minus(after)?),
            _ => None,
        };
        let missing = || Unknown::Symbol(self.symbol.clone(), Missing::MarginAsset);
        Ok(Some(PositionChange {
            symbol: self.symbol.clone(),
            asset: self.state.margin_asset.clone().ok_or_else(missing)?,
            position_side,
            margin_mode: shown.margin_mode,
            leverage: settings.leverage,
            before: was,
            after: becomes,
            shift,
            ticket: after.map(|position| position.ticket),
            spill: after.map(|position| position.spill),
            adverse: after.map(|position| self.adverse(position)).transpose()?,
            overrun: after.map(overrun).transpose()?.flatten(),
            deleveraging_quantile: None,
            stop: None,
            loss_at_stop: None,
            stop_fill: None,
            stop_beyond_liquidation: false,
            stop_near_liquidation: false,
        }))
    }

    /// The nearer of its liquidation price and the horizon, on its losing side.
    fn adverse(&self, position: &PositionAssessment) -> Result<Price, Unknown> {
        let mark = position.mark.price();
        let short = position.leg.quantity.is_negative();
        let (by, direction) = if short {
            (self.horizon, Direction::Up)
        } else {
            (self.horizon.negated(), Direction::Down)
        };
        let far = mark.moved(by)?;
        Ok(match position.liquidation {
            LiquidationPrices::AlreadyLiquidatable => mark,
            LiquidationPrices::Alive { .. } => match position.liquidation.on(direction) {
                None => far,
                Some(end) if short => end.min(far),
                Some(end) => end.max(far),
            },
        })
    }

    fn known(&self) -> Result<(Settings, &BracketTable), Unknown> {
        let missing = |missing| Unknown::Symbol(self.symbol.clone(), missing);
        let settings = self
            .state
            .settings
            .ok_or_else(|| missing(Missing::Settings))?;
        let brackets = self.state.brackets.as_deref();
        Ok((
            settings,
            brackets.ok_or_else(|| missing(self.state.no_brackets()))?,
        ))
    }
}

fn figures(
    position: &PositionAssessment,
    brackets: &BracketTable,
    common_end: Option<Decimal>,
) -> Result<PositionFigures, Unknown> {
    let at_end = |direction| -> Option<Bracket> {
        let price = position.liquidation.on(direction)?;
        let worth = price.get().checked_mul(position.leg.quantity.get())?;
        Some(*brackets.at(Notional::new(worth)))
    };
    let at_common_end = common_end
        .filter(|_| position.margin_mode == MarginMode::Crossed)
        .and_then(|end| position.notional.get().checked_mul(end));
    let share = position.attribution.as_ref();
    let bracket = *brackets.at(position.notional);
    Ok(PositionFigures {
        leg: position.leg,
        mark: position.mark,
        liquidation: position.liquidation,
        distance: position.distance()?,
        unrealized_pnl: position.unrealized_pnl,
        maintenance_margin: position.maintenance_margin,
        maintenance_share: share.and_then(|share| share.maintenance_share),
        bracket,
        until_next_bracket: until_next(&bracket, brackets, position.notional, position.mark),
        bracket_at_end: [at_end(Direction::Down), at_end(Direction::Up)],
        bracket_at_common_end: at_common_end.map(|worth| *brackets.at(Notional::new(worth))),
    })
}

/// Where the common move of a pool ends, as a multiple of the marks.
fn common_end(pool: &PoolAssessment) -> Option<Decimal> {
    let Survival::Alive { common_move, .. } = &pool.survival else {
        return None;
    };
    let common = (*common_move)?;
    match common.direction {
        Direction::Up => Decimal::ONE.checked_add(common.by.get()),
        Direction::Down => Decimal::ONE.checked_sub(common.by.get()),
    }
}

/// How much more of a contract reaches the next bracket; `None` in the last one.
fn until_next(
    bracket: &Bracket,
    brackets: &BracketTable,
    notional: Notional,
    mark: MarkPrice,
) -> Option<Quantity> {
    if *bracket == *brackets.last() {
        return None;
    }
    let room = bracket.cap.get().checked_sub(notional.get().abs())?;
    let quantity = quotient(room, mark.price().get()).ok()?;
    Some(Quantity::new(cut(quantity)))
}

/// Where a stop fills, at its trigger less slippage, and the taker fee of it.
fn stop_fill(
    stop: Price,
    leg: &Leg,
    fills: Assumptions,
) -> Result<(Price, Amount), ArithmeticError> {
    let worse = if leg.quantity.is_negative() {
        fills.market_slippage
    } else {
        fills.market_slippage.negated()
    };
    let price = stop.moved(worse)?;
    let fee = price.times(leg.quantity)?.abs().times(fills.taker_fee)?;
    Ok((price, fee))
}

/// What a position has lost once it has filled so.
fn loss_at((price, fee): (Price, Amount), leg: &Leg) -> Result<Amount, ArithmeticError> {
    let worth = price.times(leg.quantity)?;
    leg.entry_cost.minus(worth)?.as_amount().plus(fee)
}

/// Notes the stop of this position that comes first, what is lost by it, and whether stops come too
/// late.
fn note_stops(
    view: &LiveView<'_>,
    change: &mut PositionChange,
    endangered: &[EndangeredOrder],
    fills: Assumptions,
) {
    let Some(leg) = change.after.map(|after| after.leg) else {
        return;
    };
    let long = !leg.quantity.is_negative();
    let working = view.mirror().orders().of(change.symbol.as_str());
    for order in working.filter(|order| order.position_side == change.position_side) {
        if let Some(trigger) = stop_of(order, long) {
            let first = |known: Price| {
                if long {
                    known.max(trigger)
                } else {
                    known.min(trigger)
                }
            };
            change.stop = Some(change.stop.map_or(trigger, first));
        }
        let danger = endangered
            .iter()
            .find(|endangered| endangered.id == order.id);
        match danger.map(|endangered| endangered.danger) {
            Some(OrderDanger::BeyondLiquidation) => change.stop_beyond_liquidation = true,
            Some(OrderDanger::NearLiquidation) => change.stop_near_liquidation = true,
            Some(OrderDanger::MayBeOvertaken) | None => {}
        }
    }
    change.stop_fill = change
        .stop
        .filter(|_| !change.stop_beyond_liquidation)
        .and_then(|stop| stop_fill(stop, &leg, fills).ok());
    change.loss_at_stop = change.stop_fill.and_then(|fill| loss_at(fill, &leg).ok());
}

/// The trigger of an order that closes a position as it loses.
const fn stop_of(order: &OpenOrder, long: bool) -> Option<Price> {
    let closes = matches!((order.side, long), (Side::Sell, true) | (Side::Buy, false));
    match order.kind {
        OrderKind::Stop { trigger, .. } | OrderKind::StopMarket { trigger } if closes => {
            Some(trigger)
        }
        _ => None,
    }
}
