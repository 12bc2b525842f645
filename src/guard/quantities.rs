//! The quantities that an order can have.
//!
//! Owns: the steps that the exchange takes, numbered from the smallest; the order that closes a leg.
//! Must not know: which of them passes.

use rust_decimal::Decimal;

use super::desk::Desk;
use super::rules::lot_of;
use crate::margin::account::{PositionSide, Side, Symbol, SymbolState};
use crate::margin::amount::Quantity;
use crate::margin::order::{OrderIntent, OrderKind};

/// The market order that closes a leg, constrained to reduce as its mode permits.
pub(super) fn closing(symbol: &Symbol, position_side: PositionSide, held: Quantity) -> OrderIntent {
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

/// The quantities that the exchange takes of an order, numbered from the smallest.
pub(super) struct Quantities {
    base: Decimal,
    step: Decimal,
    least: u64,
}

impl Quantities {
    pub(super) fn of(desk: &Desk<'_>, intent: &OrderIntent, state: &SymbolState) -> Option<Self> {
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

    /// The first number whose quantity is not below this one.
    pub(super) fn first_not_below(&self, quantity: Quantity) -> Option<u64> {
        let above = quantity.get().abs().checked_sub(self.base)?;
        if above <= Decimal::ZERO {
            return Some(0);
        }
        above.checked_div(self.step)?.ceil().try_into().ok()
    }
}
