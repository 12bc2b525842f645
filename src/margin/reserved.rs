//! What working orders reserve, contract by contract.
//!
//! Owns: the list of a pool's contracts with working orders that could open, and what each adds to
//! initial margin.
//! Must not know: orders one by one, what anybody wants to send.

use super::account::{Asset, MarginMode, PositionMode, PositionSide, RestingTotals, Symbol};
use super::amount::{Amount, Leverage, Notional};
use super::book::Unknown;
use super::contribution::{Missing, open_order_initial_margin, signed_notional};
use super::what_if::WhatIf;

/// The working orders of one contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reserved {
    /// Contract.
    pub symbol: Symbol,
    /// What it is margined in.
    pub asset: Asset,
    /// The mode that counts for risk.
    pub margin_mode: MarginMode,
    /// Leverage in force.
    pub leverage: Leverage,
    /// Signed notional of the position of one-way mode; zero in hedge mode, whose legs do not count.
    pub notional: Notional,
    /// What the orders could open.
    pub resting: RestingTotals,
    /// What they add to initial margin, in the margin asset.
    ///
    /// Source: margin-math §4.2, §4.3.
    pub initial_margin: Amount,
}

/// The contracts of the pool whose working orders reserve margin in this state.
///
/// # Errors
/// What is not known of one of them.
pub fn reserved(what_if: &WhatIf<'_>) -> Result<Vec<Reserved>, Unknown> {
    let mode = what_if.book().position_mode();
    let mut all = Vec::new();
    for (symbol, state) in what_if.states() {
        let Some(asset) = state.margin_asset.as_ref() else {
            continue;
        };
        if state.resting.is_empty() || !what_if.shares_pool(asset) {
            continue;
        }
        let missing = |missing| Unknown::Symbol(symbol.clone(), missing);
        let settings = state.settings.ok_or_else(|| missing(Missing::Settings))?;
        let notional = match mode {
            PositionMode::OneWay => signed_notional(state, PositionSide::Both).map_err(missing)?,
            PositionMode::Hedge => Notional::ZERO,
        };
        let leverage = settings.leverage;
        all.push(Reserved {
            symbol: symbol.clone(),
            asset: asset.clone(),
            margin_mode: settings.risk_mode(),
            leverage,
            notional,
            resting: state.resting,
            initial_margin: open_order_initial_margin(state, mode, leverage).map_err(missing)?,
        });
    }
    Ok(all)
}
