//! The largest quantities of an order.
//!
//! Owns: the question, and the quantity beyond which nothing has to be tried.
//! Must not know: counter-offers.

use rust_decimal::Decimal;

use super::{Candidate, Search};
use crate::guard::Context;
use crate::guard::desk::Desk;
use crate::guard::proposal::Proposal;
use crate::guard::quantities::Quantities;
use crate::guard::rules::lot_of;
use crate::guard::verdict::{Ladder, Level};
use crate::margin::account::{MarginMode, PositionMode, Side, SymbolState};
use crate::margin::amount::{Amount, Notional, Price, Quantity};
use crate::margin::contribution::present_notional;
use crate::margin::cost::largest_order;
use crate::margin::order::OrderIntent;
use crate::margin::project::fill;
use crate::mirror::view::LiveView;

/// The largest quantities of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Size {
    /// The largest that is allowed; `None` when none is.
    pub allowed: Option<Quantity>,
    /// The largest that is not refused; `None` when none is.
    pub warned: Option<Quantity>,
    /// The largest that the exchange's margin and position cap carry, whatever the limits; `None`
    /// for orders that it asks no margin for, and when a figure is not known.
    pub exchange: Option<Quantity>,
    /// The smallest that the exchange takes; `None` where its step or price is not known.
    pub least: Option<Quantity>,
    /// A search did not come to its end: what is absent may still exist.
    pub unfinished: bool,
}

/// Most assessments of the search for one quantity: three times what halving nine digits of steps
/// takes, with whole verdicts.
const ASSESSMENTS_MAX: u32 = 1000;

/// The largest quantity of an order that is allowed, and the largest that only warns: on the step,
/// not below the smallest notional, within the exchange's cap and every rule. The order's own
/// quantity does not matter.
#[must_use]
pub fn size(view: &LiveView<'_>, intent: &OrderIntent, context: &Context<'_>) -> Size {
    let mut size = Size::default();
    let open = matches!(context.ladder, Ladder::Normal | Ladder::Caution);
    let desk = Desk::new(view, context);
    size.least = Quantities::of(&desk, intent).and_then(|q| q.quantity(q.least()));
    let Some(most) = most_conceivable(&desk, intent).filter(|_| open) else {
        return size;
    };
    let wanted = Proposal::Order(OrderIntent {
        quantity: Some(most),
        ..intent.clone()
    });
    let mut largest = |target| {
        let desk = Desk::new(view, context);
        let search = Search::new(&desk, &wanted, target, ASSESSMENTS_MAX).ok()?;
        if search
            .verified(&Candidate::plain(wanted.clone()), target)
            .is_some()
        {
            return Some(most);
        }
        let found = search.smaller(target);
        size.unfinished |= search.ran_out();
        found?.terms.quantity
    };
    let allowed = largest(Level::Warn);
    let warned = largest(Level::Reject);
    Size {
        allowed,
        warned,
        exchange: largest_at_exchange(&desk, intent),
        ..size
    }
}

/// The largest order that the exchange would take, on the step.
fn largest_at_exchange(desk: &Desk<'_>, intent: &OrderIntent) -> Option<Quantity> {
    if intent.kind.is_conditional() || intent.only_reduces() {
        return None;
    }
    let quantities = Quantities::of(desk, intent)?;
    let base = desk.stage(desk.pool_of(&intent.symbol).ok()?, &[]).ok()?;
    let state = base.state(intent.symbol.as_str())?;
    let least = OrderIntent {
        quantity: quantities.quantity(quantities.least()),
        ..intent.clone()
    };
    let filled = fill(&mut base.clone(), &least, desk.assumptions(&least.symbol)).ok()?;
    let shared = base.available_balance().ok()?;
    let available = match state.settings?.margin_mode {
        MarginMode::Crossed => shared,
        MarginMode::Isolated => shared.min(base.cross_wallet_balance().ok()?),
    };
    let mode = base.book().position_mode();
    let quotes = desk.view.quotes(&intent.symbol);
    let largest = largest_order(state, mode, intent, filled.price, available, quotes).ok()?;
    quantities.quantity(quantities.last_not_above(largest)?)
}

/// A quantity beyond which nothing passes: the largest order there is, or the most that margin or
/// life permits. What can only reduce passes beyond what is held too, and changes nothing there.
fn most_conceivable(desk: &Desk<'_>, intent: &OrderIntent) -> Option<Quantity> {
    let quantities = Quantities::of(desk, intent)?;
    let state = desk.view.book().state(intent.symbol.as_str())?;
    let rules = desk.view.rules(&intent.symbol)?;
    let most = if intent.only_reduces() {
        held(state, intent)?.get()
    } else if intent.kind.is_conditional() {
        most_that_lives(desk, intent, state)?
    } else {
        most_that_is_carried(desk, intent, state)?
    };
    let most = match lot_of(rules, intent.kind).max {
        Some(lot) => most.min(lot.get()),
        None => most,
    };
    let last = quantities.last_not_above(Quantity::new(most));
    quantities.quantity(last.unwrap_or(quantities.least()))
}

/// What the exchange asks margin for: beyond it the order costs more than is available.
///
/// An order passes while cost ≤ available. Cost ≥ (after − before) ÷ leverage, so it passes only
/// while after ≤ before + available · leverage. `after` holds the order's own notional on the side
/// that adds, less the position at most: after ≥ quantity · price − |position|. So quantity ≤
/// (before + available · leverage + |position|) ÷ price, where `price` is never above the one the
/// exchange counts with: a buy's limit, else the mark (market buys and all sells are counted higher).
///
/// Source: margin-math §4.2 to §4.5.
fn most_that_is_carried(
    desk: &Desk<'_>,
    intent: &OrderIntent,
    state: &SymbolState,
) -> Option<Decimal> {
    let settings = state.settings?;
    let mark = state.mark?.price();
    let base = desk.stage(desk.pool_of(&intent.symbol).ok()?, &[]).ok()?;
    let staged = base.state(intent.symbol.as_str())?;
    let mode = base.book().position_mode();
    let before = present_notional(staged, mode).ok()?.get();
    let available = base.available_balance().ok()?.max(Amount::ZERO).get();
    let carried = available.checked_mul(Decimal::from(settings.leverage.get()))?;
    let held = held_notional(staged, mode, mark)?.get();
    let price = intent
        .kind
        .limit_price()
        .map_or(mark, |limit| limit.min(mark));
    before
        .checked_add(carried)?
        .checked_add(held)?
        .checked_div(price.get())
}

/// A conditional order is not asked for margin. Beyond this its position needs more maintenance margin
/// than there is margin balance once it has fired, and the pool ends at once.
///
/// Fired, the mark stands at the trigger and the fill is no better than it, so the margin balance is
/// at most what it is there with the smallest order. Maintenance margin is at least the first
/// bracket's rate (rates only rise) of the position, which is at least quantity − |position| there.
/// Twice that is tried, because in multi-assets mode the balance is counted in dollars.
fn most_that_lives(desk: &Desk<'_>, intent: &OrderIntent, state: &SymbolState) -> Option<Decimal> {
    let quantities = Quantities::of(desk, intent)?;
    let trigger = intent
        .kind
        .trigger_price()
        .or(state.mark.map(|mark| mark.price()))?;
    let smallest = OrderIntent {
        quantity: quantities.quantity(quantities.least()),
        ..intent.clone()
    };
    let asset = desk.pool_of(&intent.symbol).ok()?;
    let fired = desk
        .stage(asset, &[crate::guard::desk::Step::Order(&smallest)])
        .and_then(|fired| desk.assess(&fired))
        .ok()?;
    let rate = state.brackets.as_deref()?.first().maintenance_margin_rate;
    let balance = fired.margin_balance.max(Amount::ZERO).get();
    let carried = balance.checked_div(rate.get())?;
    let mode = desk.view.book().position_mode();
    let held = held_notional(state, mode, trigger)?.get();
    let most = carried.checked_add(held)?.checked_mul(Decimal::TWO)?;
    most.checked_div(trigger.get())
}

/// What an order that can only reduce can reduce at most; `None` where there is nothing.
fn held(state: &SymbolState, intent: &OrderIntent) -> Option<Quantity> {
    let held = state.legs.get(intent.position_side).quantity;
    let against = match intent.side {
        Side::Sell => held.is_positive(),
        Side::Buy => held.is_negative(),
    };
    against.then(|| held.abs())
}

/// What the legs of a contract come to at a price, added up.
fn held_notional(state: &SymbolState, mode: PositionMode, price: Price) -> Option<Notional> {
    let of = |quantity: Quantity| price.times(quantity.abs()).ok();
    match mode {
        PositionMode::OneWay => of(state.legs.both.quantity),
        PositionMode::Hedge => of(state.legs.long.quantity)?
            .plus(of(state.legs.short.quantity)?)
            .ok(),
    }
}
