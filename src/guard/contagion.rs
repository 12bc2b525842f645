//! Every position of a pool before and after: what a question does to the others.
//!
//! Owns: the list of positions with their liquidation prices, shifts, tickets and overruns.
//! Must not know: rules.

use super::verdict::{EndangeredOrder, OrderDanger, PositionChange, PositionFigures};
use crate::margin::account::{PositionSide, Settings, Side, Symbol, SymbolState};
use crate::margin::amount::{Notional, Price, Rate};
use crate::margin::book::Unknown;
use crate::margin::book::WhatIf;
use crate::margin::bracket::{Bracket, BracketTable};
use crate::margin::contribution::Missing;
use crate::margin::liquidation::{Direction, LiquidationPrices};
use crate::margin::order::{OpenOrder, OrderKind};
use crate::margin::position::{PositionAssessment, assess_positions, overrun};
use crate::mirror::view::LiveView;

/// Every position of the pool before and after.
pub(super) fn position_changes(
    view: &LiveView<'_>,
    after: &WhatIf<'_>,
    horizon: Rate,
    endangered: &[EndangeredOrder],
) -> Result<Vec<PositionChange>, Unknown> {
    let mut changes = Vec::new();
    for (symbol, state) in view.book().symbols() {
        let Some(asset) = &state.margin_asset else {
            continue;
        };
        let state_after = after
            .state(symbol.as_str())
            .filter(|_| after.shares_pool(asset));
        let Some(state_after) = state_after else {
            continue;
        };
        if state.legs.is_flat() && state_after.legs.is_flat() {
            continue;
        }
        let as_it_is = view.book().what_if(symbol)?;
        let both = Both {
            symbol,
            horizon,
            state: state_after,
            before: assess_positions(&as_it_is, symbol, horizon)?,
            after: assess_positions(after, symbol, horizon)?,
        };
        for side in [PositionSide::Both, PositionSide::Long, PositionSide::Short] {
            if let Some(mut change) = both.of_leg(side)? {
                note_stops(view, &mut change, endangered);
                changes.push(change);
            }
        }
    }
    Ok(changes)
}

/// A contract's positions as they are and as they would be.
struct Both<'a> {
    symbol: &'a Symbol,
    horizon: Rate,
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
        let figures = |position: Option<&PositionAssessment>| {
            position
                .map(|position| figures(position, brackets))
                .transpose()
        };
        let (was, becomes) = (figures(before)?, figures(after)?);
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
            stop: None,
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
) -> Result<PositionFigures, Unknown> {
    let at_end = |direction| -> Option<Bracket> {
        let price = position.liquidation.on(direction)?;
        let worth = price.get().checked_mul(position.leg.quantity.get())?;
        Some(*brackets.at(Notional::new(worth)))
    };
    let share = position.attribution.as_ref();
    Ok(PositionFigures {
        leg: position.leg,
        mark: position.mark,
        liquidation: position.liquidation,
        distance: position.distance()?,
        maintenance_margin: position.maintenance_margin,
        maintenance_share: share.and_then(|share| share.maintenance_share),
        bracket: *brackets.at(position.notional),
        bracket_at_end: [at_end(Direction::Down), at_end(Direction::Up)],
    })
}

/// Notes the stop of this position that comes first, and whether stops come too late.
fn note_stops(view: &LiveView<'_>, change: &mut PositionChange, endangered: &[EndangeredOrder]) {
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
