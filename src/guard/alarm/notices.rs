//! What happened, as alarms.
//!
//! Owns: which notices of the mirror are worth an alarm, and how much they matter.
//! Must not know: levels, figures.

use super::{Alarms, Key, Rule, Transition, words};
use crate::clock::Now;
use crate::margin::account::Symbol;
use crate::margin::amount::{Notional, Quantity};
use crate::mirror::event::OrderOrigin;
use crate::mirror::{Mirror, Notice};

impl Alarms {
    /// Takes what the mirror noticed.
    pub fn notice(&mut self, notice: &Notice, mirror: &Mirror, now: Now) -> Vec<Transition> {
        let pool = |symbol: &str| {
            let state = mirror.book().state(symbol);
            state.and_then(|state| state.margin_asset.clone())
        };
        let of_symbol =
            |rule, symbol: &Symbol| Key::of_symbol(rule, pool(symbol.as_str()).as_ref(), symbol);
        let (key, text, matters) = match notice {
            Notice::Unguarded(order) => (
                of_symbol(Rule::UnguardedOrder, &order.symbol)
                    .with_part(words::order_number(order)),
                words::unguarded(order),
                !order.only_reduces(),
            ),
            Notice::Forced { symbol, origin } => {
                let rule = match origin {
                    OrderOrigin::Liquidation => Rule::Liquidation,
                    _ => Rule::ForcedTrade,
                };
                (
                    of_symbol(rule, symbol),
                    words::forced(
                        symbol,
                        *origin,
                        held(mirror, symbol),
                        pool(symbol.as_str()).as_ref(),
                    ),
                    true,
                )
            }
            Notice::ProtectionLost { order, refusal } => (
                of_symbol(Rule::ProtectionLost, &order.symbol)
                    .with_part(words::order_number(order)),
                words::protection_lost(order, refusal),
                true,
            ),
            Notice::RequirementRose {
                symbol,
                before,
                after,
            } => (
                of_symbol(Rule::RequirementRose, symbol),
                words::requirement_rose(symbol, pool(symbol.as_str()).as_ref(), *before, *after),
                true,
            ),
            Notice::CollateralCut {
                asset,
                before,
                after,
            } => (
                Key::plain(Rule::CollateralCut).with_part(asset.as_str().to_owned()),
                words::collateral_cut(asset, *before, *after),
                true,
            ),
            Notice::MarginCall(symbols) => (
                Key::plain(Rule::MarginCall),
                words::margin_call(symbols),
                true,
            ),
            Notice::Drifted(drift) => (
                Key::plain(Rule::Drift),
                words::drifted(drift),
                drift.basis_points() >= rust_decimal::Decimal::ONE,
            ),
            Notice::OrdersDrifted { unheard, vanished } => (
                Key::plain(Rule::Drift).with_part("orders"),
                words::orders_drifted(*unheard, *vanished),
                *unheard > 0,
            ),
            Notice::SuddenlyEmpty { .. } => {
                (Key::plain(Rule::AccountEmpty), words::account_empty(), true)
            }
            // Streams that are lost and keys that are refused last: the planes tell of them.
            Notice::Live { .. }
            | Notice::UserStreamLost(_)
            | Notice::UserStreamGap(_)
            | Notice::KeyRefused(_)
            | Notice::KeyAccepted => return Vec::new(),
        };
        self.board.happened(key, text, matters, now);
        self.board.told()
    }
}

/// How much of a symbol is held, both legs together, and what it is worth.
fn held(mirror: &Mirror, symbol: &Symbol) -> Option<(Quantity, Notional)> {
    let state = mirror.book().state(symbol.as_str())?;
    let mark = state.mark?.price();
    let mut held = (Quantity::ZERO, Notional::ZERO);
    for (_, leg) in state.legs.held() {
        let quantity = leg.quantity.abs();
        held.0 = held.0.plus(quantity).ok()?;
        held.1 = held.1.plus(mark.times(quantity).ok()?).ok()?;
    }
    (!held.0.is_zero()).then_some(held)
}
