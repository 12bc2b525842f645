//! The worst case: everything that works fills on its bad side.
//!
//! Owns: which looks are made at it (at most two in one-way mode, two with a hedge), and which
//! working orders may not protect.
//! Must not know: what a look computes, how it is judged.

use std::collections::BTreeMap;

use super::desk::Desk;
use super::stress::crossed;
use super::verdict::{EndangeredOrder, OrderDanger, WorstCase};
use crate::margin::account::{PositionMode, PositionSide, Side, Symbol};
use crate::margin::amount::{ArithmeticError, Price, Quantity};
use crate::margin::book::Unknown;
use crate::margin::book::WhatIf;
use crate::margin::liquidation::{Direction, LiquidationPrices};
use crate::margin::order::{OpenOrder, OrderIntent, OrderKind};
use crate::margin::pool::PoolAssessment;
use crate::margin::position::{PositionAssessment, assess_positions};
use crate::margin::shock::Held;
use crate::margin::worst::{BadSide, fill_orders, remove_leg, weakest_leg};

/// The worst of the looks at a pool. Each symbol's orders fill on the side that leaves it the larger
/// position; where the orders of a symbol stand on both sides, or symbols lean both ways, they also
/// fill all on the side that the pool leans to already; a hedge also loses the leg it leans on.
/// Without working orders and hedges it is the pool as it would be, and costs nothing.
pub(super) fn look<'a>(
    desk: &Desk<'a>,
    what_if: &WhatIf<'a>,
    after: &PoolAssessment,
) -> Result<WorstCase, Unknown> {
    look_beside(desk, what_if, after, what_if)
}

/// The same; what `beside` leaves as it is in the book fills once for all looks.
fn look_beside<'a>(
    desk: &Desk<'a>,
    what_if: &WhatIf<'a>,
    after: &PoolAssessment,
    beside: &WhatIf<'_>,
) -> Result<WorstCase, Unknown> {
    let opening = opening_orders(desk, what_if);
    let mut worst = WorstCase {
        pool: after.clone(),
        orders: opening.count,
        leg_removed: None,
        endangered: Vec::new(),
    };
    if opening.count > 0 {
        let mut sides = vec![BadSide::Larger];
        if opening.both_ways && what_if.book().position_mode() == PositionMode::OneWay {
            sides.push(BadSide::Everywhere(if after.notional_net.is_negative() {
                Side::Sell
            } else {
                Side::Buy
            }));
        }
        for side in sides {
            let filled = filled(desk, what_if, &opening, side, beside)?;
            keep_worse(&mut worst, desk.assess(&filled)?, None);
        }
    }
    if what_if.book().position_mode() == PositionMode::Hedge
        && let Some((symbol, side)) = weakest_leg(what_if)?
    {
        let mut bared = what_if.clone();
        remove_leg(&mut bared, &symbol, side)?;
        keep_worse(&mut worst, desk.assess(&bared)?, Some((symbol, side)));
    }
    Ok(worst)
}

/// A state with its working orders filled. Those of contracts that a question leaves as they are fill
/// alike whatever it asks: they are filled once and put over every state that is looked at.
fn filled<'a>(
    desk: &Desk<'a>,
    what_if: &WhatIf<'a>,
    opening: &Opening<'a>,
    side: BadSide,
    beside: &WhatIf<'_>,
) -> Result<WhatIf<'a>, Unknown> {
    let mut filled = what_if.clone();
    let fill = |state: &mut WhatIf<'a>, symbol: &Symbol| {
        let conditional = opening.by_symbol.get(symbol).map_or(&[][..], Vec::as_slice);
        fill_orders(state, symbol, conditional, side, desk.assumptions(symbol))
    };
    let is_apart = |symbol: &Symbol| beside.replaces(symbol) || what_if.replaces(symbol);
    let symbols = opening.by_symbol.keys().copied();
    let (apart, alike): (Vec<&'a Symbol>, Vec<&'a Symbol>) = symbols.partition(|s| is_apart(s));
    if what_if.asset_mode() == what_if.book().asset_mode() {
        let key = (what_if.asset().clone(), side, alike);
        let alike = desk.filled_alike(key, |alike| {
            let mut state = what_if.book().what_if_in(what_if.asset())?;
            for symbol in alike {
                fill(&mut state, symbol)?;
            }
            Ok(state)
        })?;
        filled.put_over(&alike)?;
    } else {
        for symbol in alike {
            fill(&mut filled, symbol)?;
        }
    }
    for symbol in apart {
        fill(&mut filled, symbol)?;
    }
    Ok(filled)
}

/// The worst of the looks at the pool as it is, beside those at `after`; `None` where nothing works and
/// nothing is hedged.
pub(super) fn before<'a>(
    desk: &Desk<'a>,
    as_it_is: &WhatIf<'a>,
    before: &PoolAssessment,
    after: &WhatIf<'_>,
) -> Result<Option<PoolAssessment>, Unknown> {
    let worst = look_beside(desk, as_it_is, before, after)?;
    Ok((worst.orders > 0 || worst.leg_removed.is_some()).then_some(worst.pool))
}

fn keep_worse(worst: &mut WorstCase, pool: PoolAssessment, leg: Option<(Symbol, PositionSide)>) {
    let nearer = match (pool.survival.distance(), worst.pool.survival.distance()) {
        (Some(this), Some(that)) => {
            this < that || (this == that && pool.headroom < worst.pool.headroom)
        }
        (Some(_), None) => true,
        (None, Some(_)) => false,
        (None, None) => pool.headroom < worst.pool.headroom,
    };
    if nearer {
        worst.pool = pool;
        worst.leg_removed = leg;
    }
}

struct Opening<'a> {
    /// Contracts with orders that could open, each with its conditional ones.
    by_symbol: BTreeMap<&'a Symbol, Vec<&'a OpenOrder>>,
    count: usize,
    /// There are buys and sells.
    both_ways: bool,
}

fn opening_orders<'a>(desk: &Desk<'a>, what_if: &WhatIf<'_>) -> Opening<'a> {
    let mut opening = Opening {
        by_symbol: BTreeMap::new(),
        count: 0,
        both_ways: false,
    };
    let mut sides = (false, false);
    for order in desk.view.mirror().orders().iter() {
        let here = what_if
            .state(order.symbol.as_str())
            .and_then(|state| state.margin_asset.as_ref())
            .is_some_and(|asset| what_if.shares_pool(asset));
        if order.only_reduces() || !here {
            continue;
        }
        opening.count = opening.count.saturating_add(1);
        match order.side {
            Side::Buy => sides.0 = true,
            Side::Sell => sides.1 = true,
        }
        let conditional = opening.by_symbol.entry(&order.symbol).or_default();
        if order.kind.is_conditional() {
            conditional.push(order);
        }
    }
    opening.both_ways = sides.0 && sides.1;
    opening
}

/// Working orders of a contract that may not protect its positions.
pub(super) fn endangered(
    desk: &Desk<'_>,
    symbol: &Symbol,
    positions: &[PositionAssessment],
    orders: &[OrderIntent],
) -> Result<Vec<EndangeredOrder>, Unknown> {
    let mut found = Vec::new();
    let book = desk.view.mirror().orders();
    let working: Vec<&OpenOrder> = book.of(symbol.as_str()).collect();
    for position in positions {
        let ends = Ends::of(position);
        for order in &working {
            let danger = match late(desk, &Closing::from(*order), &ends)? {
                Some(danger) => Some(danger),
                None => overtaken(order, &working, orders, &ends)?,
            };
            found.extend(danger.map(|danger| EndangeredOrder {
                symbol: symbol.clone(),
                id: order.id,
                danger,
            }));
        }
    }
    Ok(found)
}

struct Ends {
    long: bool,
    side: PositionSide,
    held: Quantity,
    liquidation: LiquidationPrices,
}

/// What is asked of an order to know whether it comes too late.
struct Closing<'o> {
    symbol: &'o Symbol,
    kind: OrderKind,
    side: Side,
    position_side: PositionSide,
}

impl<'o> From<&'o OpenOrder> for Closing<'o> {
    fn from(order: &'o OpenOrder) -> Self {
        Self {
            symbol: &order.symbol,
            kind: order.kind,
            side: order.side,
            position_side: order.position_side,
        }
    }
}

impl<'o> From<&'o OrderIntent> for Closing<'o> {
    fn from(order: &'o OrderIntent) -> Self {
        Self {
            symbol: &order.symbol,
            kind: order.kind,
            side: order.side,
            position_side: order.position_side,
        }
    }
}

/// Whether a stop that is asked about comes too late for the position it closes, and where that ends.
pub(super) fn asked_too_late(
    desk: &Desk<'_>,
    before: &WhatIf<'_>,
    intent: &OrderIntent,
) -> Result<Option<(OrderDanger, Price)>, Unknown> {
    if !intent.kind.is_conditional() {
        return Ok(None);
    }
    for position in assess_positions(before, &intent.symbol, desk.policy().horizon)? {
        let ends = Ends::of(&position);
        let danger = late(desk, &Closing::from(intent), &ends)?;
        if let Some(found) = danger.zip(ends.losing()) {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

impl Ends {
    fn of(position: &PositionAssessment) -> Self {
        Self {
            long: !position.leg.quantity.is_negative(),
            side: position.position_side,
            held: position.leg.quantity.abs(),
            liquidation: position.liquidation,
        }
    }

    /// Where it is liquidated on its losing side.
    fn losing(&self) -> Option<Price> {
        self.liquidation.on(if self.long {
            Direction::Down
        } else {
            Direction::Up
        })
    }

    /// The order closes this position.
    fn closed_by(&self, side: Side, position_side: PositionSide) -> bool {
        let closing = if self.long { Side::Sell } else { Side::Buy };
        side == closing && position_side == self.side
    }
}

/// A stop whose trigger lies beyond the liquidation price never fires; one within fee and slippage
/// of it fires and may fill too late.
///
/// Source: margin-math §13.
fn late(
    desk: &Desk<'_>,
    order: &Closing<'_>,
    ends: &Ends,
) -> Result<Option<OrderDanger>, ArithmeticError> {
    let protects = order.kind.is_conditional() && ends.closed_by(order.side, order.position_side);
    let (Some(trigger), Some(end), true) = (order.kind.trigger_price(), ends.losing(), protects)
    else {
        return Ok(None);
    };
    let assumed = desk.assumptions(order.symbol);
    let margin = assumed.market_slippage.plus(assumed.taker_fee)?;
    let beyond = |price: Price| {
        if ends.long {
            price <= end
        } else {
            price >= end
        }
    };
    let filled = trigger.moved(if ends.long { margin.negated() } else { margin })?;
    Ok(if beyond(trigger) {
        Some(OrderDanger::BeyondLiquidation)
    } else if beyond(filled) {
        Some(OrderDanger::NearLiquidation)
    } else {
        None
    })
}

/// A reduce-only order that other orders of its side may leave nothing to reduce.
///
/// Source: margin-math §14 (-2022, -4118).
fn overtaken(
    order: &OpenOrder,
    working: &[&OpenOrder],
    wanted: &[OrderIntent],
    ends: &Ends,
) -> Result<Option<OrderDanger>, ArithmeticError> {
    let guards = order.reduce_only
        && !order.close_position
        && ends.closed_by(order.side, order.position_side);
    if !guards {
        return Ok(None);
    }
    let mut together = order.remaining;
    for other in working {
        if other.id != order.id
            && !other.close_position
            && ends.closed_by(other.side, other.position_side)
        {
            together = together.plus(other.remaining)?;
        }
    }
    for intent in wanted {
        let same = intent.symbol == order.symbol && intent.side == order.side;
        if same && intent.position_side == order.position_side && !intent.close_position {
            together = together.plus(intent.quantity.unwrap_or_default().abs())?;
        }
    }
    Ok((together > ends.held).then_some(OrderDanger::MayBeOvertaken))
}

/// Contracts whose crossed positions end together: when the pool is liquidated, all of them are
/// taken.
///
/// Source: margin-math §9 (the order in which they are taken is not documented: model all).
pub(super) fn dies_together(what_if: &WhatIf<'_>) -> Vec<Symbol> {
    let held: Vec<Held<'_>> = what_if.held().collect();
    crossed(&held)
}
