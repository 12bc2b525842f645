//! The sentences that compare: what would be lost, crossed against isolated, one position against
//! the others.
//!
//! Owns: these sentences.
//! Must not know: where they are shown, how any figure is computed.

use rust_decimal::Decimal;

use super::{Careful, adverse_move, listed, money, multiple, percent, price};
use crate::guard::proposal::Proposal;
use crate::guard::verdict::{Judgement, PositionChange, PositionFigures};
use crate::margin::account::MarginMode;
use crate::margin::amount::{Amount, Price, Rate, round};
use crate::margin::liquidation::Direction;
use crate::margin::pool::{PoolAssessment, Survival};

/// What the worst adverse move would take from a pool, in one sentence. `None` when it takes nothing.
#[must_use]
pub fn loss(pool: &PoolAssessment) -> Option<String> {
    let whole = format!(
        "{} {} that crossed positions share",
        money(pool.margin_balance),
        pool.asset
    );
    if matches!(pool.survival, Survival::Liquidatable) {
        return Some(if pool.margin_balance.is_positive() {
            format!("Liquidated at once: all {whole} are lost.")
        } else {
            format!(
                "Liquidated at once: nothing is left of the {} that crossed positions share.",
                pool.asset
            )
        });
    }
    let risk = pool.wallet_at_risk.as_ref()?;
    if !risk.amount.is_positive() {
        return None;
    }
    let cause = capitalised(&adverse_move(&risk.cause, pool));
    Some(if risk.amount >= pool.margin_balance {
        format!("{cause} takes all {whole}.")
    } else {
        let part = percent(risk.fraction.get(), Careful::Up);
        format!(
            "{cause} takes {} of the {whole} ({part}).",
            money(risk.amount)
        )
    })
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

/// What the opening part of an order could cost crossed, beside what it could cost isolated with
/// the same ticket. `None` when it opens nothing.
#[must_use]
pub fn crossed_or_isolated(proposal: &Proposal, judgement: &Judgement) -> Option<String> {
    let twin = judgement.isolated_twin.as_ref()?;
    let (symbol, fill, pool) = (
        proposal.symbol()?,
        judgement.fill()?,
        judgement.after.as_ref()?,
    );
    let of_order = |change: &&PositionChange| {
        change.symbol == *symbol && change.position_side == fill.position_side
    };
    let position = judgement.positions.iter().find(of_order)?;
    let asset = &position.asset;
    let limited = format!("{} {asset} and no more", money(twin.loss_max));
    if position.margin_mode == MarginMode::Isolated {
        return Some(format!(
            "Isolated, this order can lose {limited}; crossed, it would stand on all {} {} that \
             crossed positions share.",
            money(pool.margin_balance),
            pool.asset
        ));
    }
    let figures = position.after.as_ref()?;
    let other_leg = |change: &PositionChange| {
        change.symbol == *symbol
            && change.position_side != fill.position_side
            && change.after.is_some()
    };
    // What one leg of a hedge loses the other earns.
    let end = if judgement.positions.iter().any(other_leg) {
        Some((Amount::ZERO, None))
    } else {
        loss_at_its_end(figures)
    };
    let crossed = match end {
        Some((loss, end)) if loss.is_positive() => {
            let overrun = position.overrun.and_then(|overrun| overrun.loss_multiple);
            let multiple = overrun.map_or_else(String::new, |overrun| {
                format!(" ({} times its ticket)", multiple(overrun.get()))
            });
            let end = end.map_or_else(
                || format!("and no fall of {symbol} alone ends it"),
                |end| format!("before the exchange ends it at {}", price(end)),
            );
            format!(
                "Crossed, this position can lose {} {asset}{multiple} {end}",
                money(loss)
            )
        }
        None => {
            format!("Crossed, no rise of {symbol} alone ends this position: its loss has no bound")
        }
        Some(_) => format!(
            "Crossed, this position stands on all {} {} that crossed positions share",
            money(pool.margin_balance),
            pool.asset
        ),
    };
    Some(format!(
        "{crossed}; isolated with the same ticket, this order could lose {limited}."
    ))
}

/// What a crossed position loses until its liquidation price on its losing side, and that price; of
/// a long without one, all that it is worth. `None` for a short without one.
fn loss_at_its_end(figures: &PositionFigures) -> Option<(Amount, Option<Price>)> {
    let leg = &figures.leg;
    let short = leg.quantity.is_negative();
    let against = if short {
        Direction::Up
    } else {
        Direction::Down
    };
    let end = figures.liquidation.on(against);
    if end.is_none() && short {
        return None;
    }
    let worth = end.map_or(Some(Decimal::ZERO), |end| {
        end.get().checked_mul(leg.quantity.get())
    })?;
    let loss = leg.entry_cost.get().checked_sub(worth)?;
    Some((Amount::new(round(loss, 8)), end))
}

/// What a question does to the crossed positions that it is not about: which end together, and
/// whose liquidation price it moves most. `None` when there are no others.
#[must_use]
pub fn contagion(proposal: &Proposal, judgement: &Judgement) -> Option<String> {
    let doomed = &judgement.dies_together;
    if doomed.len() < 2 {
        return None;
    }
    let asked = proposal.symbols();
    let other = |change: &&PositionChange| {
        change.margin_mode == MarginMode::Crossed && !asked.contains(&&change.symbol)
    };
    let moved = judgement.positions.iter().filter(other);
    let moved = moved.filter_map(|change| Some((shift_of(change)?, change)));
    let moved = moved.max_by_key(|(shift, _)| *shift);
    let together = format!("{} are liquidated together.", listed(doomed));
    let Some((shift, change)) = moved.filter(|(shift, _)| !shift.is_zero()) else {
        return Some(together);
    };
    let what = match proposal {
        Proposal::Order(_) => "This order",
        Proposal::Orders(_) => "These orders",
        Proposal::Change(_) => "This change",
    };
    let end = |figures: Option<PositionFigures>| {
        figures
            .and_then(|figures| nearest_price(&figures))
            .map(price)
    };
    let symbol = &change.symbol;
    let told = match (end(change.before), end(change.after)) {
        (Some(before), Some(after)) => {
            let far = if shift.is_sign_negative() {
                "further away"
            } else {
                "nearer"
            };
            format!(
                "{what} moves the liquidation price of {symbol} from {before} to {after}, {} of \
                 its mark {far}.",
                percent(shift.abs(), Careful::Up)
            )
        }
        (None, Some(after)) => {
            format!("{what} gives {symbol} a liquidation price it did not have: {after}.")
        }
        (Some(before), None) => {
            format!("{what} takes the liquidation price of {symbol} away: it was {before}.")
        }
        (None, None) => return Some(together),
    };
    Some(format!("{together} {told}"))
}

/// How much nearer its liquidation price comes, as a fraction of the mark; a new one comes from
/// beyond the mark's whole height, and one that vanishes goes there.
fn shift_of(change: &PositionChange) -> Option<Decimal> {
    let distance = |figures: Option<PositionFigures>| figures.and_then(|figures| figures.distance);
    match (distance(change.before), distance(change.after)) {
        (None, Some(_)) => Some(Decimal::ONE),
        (Some(_), None) => Some(Decimal::NEGATIVE_ONE),
        _ => change.shift.map(Rate::get),
    }
}

/// The liquidation price that the mark is nearer to.
fn nearest_price(figures: &PositionFigures) -> Option<Price> {
    let below = figures.liquidation.on(Direction::Down);
    let above = figures.liquidation.on(Direction::Up);
    match (below, above) {
        (Some(below), Some(above)) => {
            let mark = figures.mark.price();
            let down = mark.get().checked_sub(below.get())?;
            let up = above.get().checked_sub(mark.get())?;
            Some(if up < down { above } else { below })
        }
        (below, above) => below.or(above),
    }
}
