//! The largest quantities of an order.
//!
//! Owns: the question, and the quantity beyond which nothing has to be tried.
//! Must not know: counter-offers.

use rust_decimal::Decimal;

use super::Search;
use crate::guard::Context;
use crate::guard::desk::Desk;
use crate::guard::look::Depth;
use crate::guard::quantities::Quantities;
use crate::guard::rules::lot_of;
use crate::guard::verdict::{Ladder, Level};
use crate::margin::account::{Asset, SymbolState};
use crate::margin::amount::{Amount, Quantity};
use crate::margin::order::OrderIntent;
use crate::mirror::view::LiveView;

/// The largest quantities of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Size {
    /// The largest that is allowed; `None` when none is.
    pub allowed: Option<Quantity>,
    /// The largest that is not refused; `None` when none is.
    pub warned: Option<Quantity>,
}

/// The largest quantity of an order that is allowed, and the largest that only warns: on the step,
/// not below the smallest notional, within the exchange's cap and every rule. The order's own
/// quantity does not matter.
#[must_use]
pub fn size(view: &LiveView<'_>, intent: &OrderIntent, context: &Context<'_>) -> Size {
    let desk = Desk::new(view, context);
    let largest = |target| largest(&desk, intent, target);
    Size {
        allowed: largest(Level::Warn),
        warned: largest(Level::Reject),
    }
}

fn largest(desk: &Desk<'_>, intent: &OrderIntent, target: Level) -> Option<Quantity> {
    let open = context_is_open(desk.context);
    let asset = desk.pool_of(&intent.symbol).ok().filter(|_| open)?;
    let state = desk.view.book().state(intent.symbol.as_str())?;
    let most = most_conceivable(desk, intent, asset, state)?;
    let desk = Desk::new(desk.view, desk.context);
    let wanted = OrderIntent {
        quantity: Some(most),
        ..intent.clone()
    };
    let search = Search {
        desk: &desk,
        intent: &wanted,
        asset,
        state,
        target,
    };
    if search.verified(&wanted, &[], target).is_some() {
        return Some(most);
    }
    let strain = search.look(&wanted, &[], Depth::Glance).ok()?.strain;
    search.smaller(target, strain)?.terms.quantity
}

/// The ladder lets something through that is no exit.
const fn context_is_open(context: &Context<'_>) -> bool {
    matches!(context.ladder, Ladder::Normal | Ladder::Caution)
}

/// A quantity beyond which the exchange takes nothing: its largest order, or twice what the balance
/// and the position could carry at the leverage that is set.
fn most_conceivable(
    desk: &Desk<'_>,
    intent: &OrderIntent,
    asset: &Asset,
    state: &SymbolState,
) -> Option<Quantity> {
    let quantities = Quantities::of(desk, intent, state)?;
    let settings = state.settings?;
    let pool = desk
        .stage(asset, &[])
        .ok()
        .and_then(|base| desk.assess(&base).ok())?;
    let price = intent
        .kind
        .limit_price()
        .or_else(|| state.mark.map(|mark| mark.price()))?;
    let leverage = Decimal::from(settings.leverage.get());
    let balance = pool.margin_balance.max(Amount::ZERO).get();
    let carried = balance.checked_mul(leverage)?.checked_div(price.get())?;
    let held = [&state.legs.both, &state.legs.long, &state.legs.short]
        .into_iter()
        .map(|leg| leg.quantity.abs())
        .max()?;
    let most = carried.checked_add(held.get())?.checked_mul(Decimal::TWO)?;
    let rules = desk.view.rules(&intent.symbol)?;
    let most = match lot_of(rules, intent.kind).max {
        Some(lot) => most.min(lot.get()),
        None => most,
    };
    let above = quantities.first_not_below(Quantity::new(most))?;
    let quantity = quantities.quantity(above)?;
    if quantity.get() > most && above > 0 {
        return quantities.quantity(above.saturating_sub(1));
    }
    Some(quantity)
}
