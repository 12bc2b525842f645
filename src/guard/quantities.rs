//! The steps in which orders and money are tried.
//!
//! Owns: the steps that the exchange takes, numbered from the smallest; the orders that close legs; the
//! step of money.
//! Must not know: which of them passes.

use rust_decimal::Decimal;

use super::desk::Desk;
use super::rules::lot_of;
use crate::margin::account::{Asset, PositionSide, Side, Symbol, SymbolState};
use crate::margin::amount::{Notional, Quantity};
use crate::margin::order::{OrderIntent, OrderKind};

/// The market order that closes a leg, constrained to reduce as its mode permits.
fn closing(symbol: &Symbol, position_side: PositionSide, held: Quantity) -> OrderIntent {
    OrderIntent {
        symbol: symbol.clone(),
        side: if held.is_negative() {
            Side::Buy
        } else {
            Side::Sell
        },
        position_side,
        kind: OrderKind::Market,
        quantity: Some(held.abs()),
        reduce_only: position_side == PositionSide::Both,
        close_position: false,
        client_order_id: None,
    }
}

/// The step in which money is searched: hundredths, or the smallest unit there is where a hundredth
/// would be much.
pub(super) fn money_unit(size: Decimal) -> Decimal {
    if size.abs() >= Decimal::ONE_HUNDRED {
        Decimal::new(1, 2)
    } else {
        Decimal::new(1, 8)
    }
}

/// Orders that close legs as they are held, the largest first. `of` says of which contracts.
pub(super) fn closings(
    desk: &Desk<'_>,
    asset: &Asset,
    of: impl Fn(&Symbol, &SymbolState) -> bool,
) -> Vec<OrderIntent> {
    let book = desk.view.book();
    let mut closings: Vec<(Notional, OrderIntent)> = Vec::new();
    for (symbol, state) in book.symbols() {
        let here = state
            .margin_asset
            .as_ref()
            .is_some_and(|own| book.pool_of(own) == book.pool_of(asset));
        let Some(mark) = state.mark.filter(|_| here && of(symbol, state)) else {
            continue;
        };
        closings.extend(state.legs.held().filter_map(|(side, leg)| {
            let notional = mark.price().times(leg.quantity).ok()?.abs();
            Some((notional, closing(symbol, side, leg.quantity)))
        }));
    }
    closings.sort_by(|(one, _), (other, _)| other.cmp(one));
    closings.into_iter().map(|(_, order)| order).collect()
}

/// The quantities that the exchange takes of an order, numbered from the smallest.
pub(super) struct Quantities {
    base: Decimal,
    step: Decimal,
    least: u64,
}

impl Quantities {
    /// `None` where the contract's step or price is not known.
    pub(super) fn of(desk: &Desk<'_>, intent: &OrderIntent) -> Option<Self> {
        let state = desk.view.book().state(intent.symbol.as_str())?;
        let rules = desk.view.rules(&intent.symbol)?;
        let lot = lot_of(rules, intent.kind);
        let step = lot.step?.get();
        if step <= Decimal::ZERO {
            return None;
        }
        let base = lot.min.map_or(step, Quantity::get);
        let base = if base > Decimal::ZERO { base } else { step };
        let mut quantities = Self {
            base,
            step,
            least: 0,
        };
        let price = intent
            .kind
            .limit_price()
            .or_else(|| state.mark.map(|mark| mark.price()))?;
        if let (Some(least), false) = (rules.notional_min, intent.only_reduces()) {
            let quantity = least.get().checked_div(price.get())?;
            quantities.least = quantities.first_not_below(Quantity::new(quantity))?;
        }
        Some(quantities)
    }

    pub(super) const fn least(&self) -> u64 {
        self.least
    }

    pub(super) fn quantity(&self, step: u64) -> Option<Quantity> {
        let above = self.step.checked_mul(Decimal::from(step))?;
        let quantity = self.base.checked_add(above)?;
        Some(Quantity::new(quantity.normalize()))
    }

    /// The last number whose quantity is not above this one; `None` when all are.
    pub(super) fn last_not_above(&self, quantity: Quantity) -> Option<u64> {
        let above = quantity.get().abs().checked_sub(self.base)?;
        if above < Decimal::ZERO {
            return None;
        }
        above.checked_div(self.step)?.floor().try_into().ok()
    }

    /// How many steps a quantity has, rounded up.
    pub(super) fn steps_in(&self, quantity: Quantity) -> Option<u64> {
        let steps = quantity.get().abs().checked_div(self.step)?;
        steps.ceil().try_into().ok()
    }

    /// The first number whose quantity is not below this one.
    pub(super) fn first_not_below(&self, quantity: Quantity) -> Option<u64> {
        let above = quantity.get().abs().checked_sub(self.base)?;
        if above <= Decimal::ZERO {
            return Some(0);
        }
        above.checked_div(self.step)?.ceil().try_into().ok()
    }
}
