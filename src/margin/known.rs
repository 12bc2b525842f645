//! What can be said of positions where not everything is known.
//!
//! Owns: each figure of a position from its own inputs alone, so that a refused bracket table or a
//! missing rate hides what needs it and nothing else; an asset's totals over its positions.
//! Must not know: pools, liquidation prices.

use super::account::{Asset, Leg, MarginMode, PositionSide, SymbolState};
use super::amount::{Amount, MarkPrice, Notional};
use super::book::Book;
use super::contribution::{self, unrealized_pnl};

/// The figures of one leg that do not depend on anything else in the account. Money is in its margin
/// asset. `None` where an input is not known or the figure does not fit 28 digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownPosition {
    /// Which leg.
    pub position_side: PositionSide,
    /// The leg itself.
    pub leg: Leg,
    /// The mark.
    pub mark: Option<MarkPrice>,
    /// Signed notional at the mark.
    pub notional: Option<Notional>,
    /// Unrealised profit at the mark.
    pub unrealized_pnl: Option<Amount>,
    /// Maintenance margin at the mark.
    pub maintenance_margin: Option<Amount>,
    /// Initial margin at the mark.
    pub initial_margin: Option<Amount>,
}

/// The legs of a symbol that hold something, each with what is known of it.
pub fn known_positions(state: &SymbolState) -> impl Iterator<Item = KnownPosition> + '_ {
    state.legs.held().map(|(position_side, leg)| {
        let notional = state
            .mark
            .and_then(|mark| mark.price().times(leg.quantity).ok());
        KnownPosition {
            position_side,
            leg: *leg,
            mark: state.mark,
            notional,
            unrealized_pnl: notional.and_then(|net| unrealized_pnl(leg, net).ok()),
            maintenance_margin: notional
                .zip(state.brackets.as_deref())
                .and_then(|(net, brackets)| brackets.maintenance_margin(net).ok()),
            initial_margin: notional
                .zip(state.settings)
                .and_then(|(net, settings)| net.abs().over(settings.leverage).ok()),
        }
    })
}

/// Binance's totals of an asset, isolated positions included. `None` where a position or an order of
/// the asset lacks something the total needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Totals {
    /// Unrealised profit of all positions.
    pub unrealized_pnl: Option<Amount>,
    /// Unrealised profit of crossed positions.
    pub cross_unrealized_pnl: Option<Amount>,
    /// Maintenance margin of all positions.
    pub maintenance_margin: Option<Amount>,
    /// Initial margin of all positions.
    pub position_initial_margin: Option<Amount>,
    /// What working orders add to it.
    pub open_order_initial_margin: Option<Amount>,
}

/// An asset's totals.
#[must_use]
pub fn totals(book: &Book, asset: &Asset) -> Totals {
    let zero = Some(Amount::ZERO);
    let mut totals = Totals {
        unrealized_pnl: zero,
        cross_unrealized_pnl: zero,
        maintenance_margin: zero,
        position_initial_margin: zero,
        open_order_initial_margin: zero,
    };
    for (_, state) in book.symbols() {
        if state.margin_asset.as_ref() != Some(asset) {
            continue;
        }
        for leg in known_positions(state) {
            totals.unrealized_pnl = sum(totals.unrealized_pnl, leg.unrealized_pnl);
            totals.maintenance_margin = sum(totals.maintenance_margin, leg.maintenance_margin);
            totals.position_initial_margin =
                sum(totals.position_initial_margin, leg.initial_margin);
            totals.cross_unrealized_pnl =
                sum(totals.cross_unrealized_pnl, crossed_profit(state, &leg));
        }
        let orders = open_order_initial_margin(book, state);
        totals.open_order_initial_margin = sum(totals.open_order_initial_margin, orders);
    }
    totals
}

fn sum(one: Option<Amount>, other: Option<Amount>) -> Option<Amount> {
    one?.plus(other?).ok()
}

fn crossed_profit(state: &SymbolState, leg: &KnownPosition) -> Option<Amount> {
    match state.settings?.margin_mode {
        MarginMode::Crossed => leg.unrealized_pnl,
        MarginMode::Isolated => Some(Amount::ZERO),
    }
}

/// What a symbol's working orders add, whether its positions' figures are known or not: nothing needs
/// to be known where nothing works.
pub(super) fn open_order_initial_margin(book: &Book, state: &SymbolState) -> Option<Amount> {
    if state.resting.is_empty() {
        return Some(Amount::ZERO);
    }
    let leverage = state.settings?.leverage;
    contribution::open_order_initial_margin(state, book.position_mode(), leverage).ok()
}
