//! Every position of a pool before and after: what a question does to the others.
//!
//! Owns: the list of positions with their liquidation prices, shifts, tickets and overruns.
//! Must not know: rules.

use super::verdict::{EndangeredOrder, OrderDanger, PositionChange, PositionFigures};
use crate::margin::account::{PositionSide, Symbol};
use crate::margin::amount::Rate;
use crate::margin::book::Unknown;
use crate::margin::book::WhatIf;
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
        let asset = state.margin_asset.as_ref();
        if !asset.is_some_and(|asset| after.shares_pool(asset)) {
            continue;
        }
        let flat_after = after
            .state(symbol.as_str())
            .is_none_or(|state| state.legs.is_flat());
        if state.legs.is_flat() && flat_after {
            continue;
        }
        let as_it_is = view.book().what_if(symbol)?;
        let before = assess_positions(&as_it_is, symbol, horizon)?;
        let then = assess_positions(after, symbol, horizon)?;
        for side in [PositionSide::Both, PositionSide::Long, PositionSide::Short] {
            let of_side = |position: &&PositionAssessment| position.position_side == side;
            let (was, becomes) = (before.iter().find(of_side), then.iter().find(of_side));
            if let Some(mut change) = position_change(symbol, side, was, becomes)? {
                mark_stops(view, &mut change, endangered);
                changes.push(change);
            }
        }
    }
    Ok(changes)
}

fn position_change(
    symbol: &Symbol,
    position_side: PositionSide,
    before: Option<&PositionAssessment>,
    after: Option<&PositionAssessment>,
) -> Result<Option<PositionChange>, Unknown> {
    let Some(shown) = after.or(before) else {
        return Ok(None);
    };
    let figures = |position: &PositionAssessment| PositionFigures {
        liquidation: position.liquidation,
        maintenance_margin: position.maintenance_margin,
    };
    let distance = |position: Option<&PositionAssessment>| match position {
        Some(position) => position.distance(),
        None => Ok(None),
    };
    let shift = match (distance(before)?, distance(after)?) {
        (Some(before), Some(after)) => Some(before.minus(after)?),
        _ => None,
    };
    Ok(Some(PositionChange {
        symbol: symbol.clone(),
        position_side,
        margin_mode: shown.margin_mode,
        quantity: after
            .as_ref()
            .map(|position| position.leg.quantity)
            .unwrap_or_default(),
        mark: shown.mark,
        before: before.map(figures),
        after: after.map(figures),
        shift,
        ticket: after.map(|position| position.ticket),
        spill: after.map(|position| position.spill),
        overrun: after.map(overrun).transpose()?.flatten(),
        stop_beyond_liquidation: false,
        stop_near_liquidation: false,
    }))
}

/// Notes which stops of this position come too late.
fn mark_stops(view: &LiveView<'_>, change: &mut PositionChange, endangered: &[EndangeredOrder]) {
    let of_leg = endangered.iter().filter(|order| {
        order.symbol == change.symbol
            && view
                .mirror()
                .orders()
                .get(order.id)
                .is_some_and(|working| working.position_side == change.position_side)
    });
    for order in of_leg {
        match order.danger {
            OrderDanger::BeyondLiquidation => change.stop_beyond_liquidation = true,
            OrderDanger::NearLiquidation => change.stop_near_liquidation = true,
            OrderDanger::MayBeOvertaken => {}
        }
    }
}
