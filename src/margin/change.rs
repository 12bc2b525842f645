//! Changes of settings and of money, as projections.
//!
//! Owns: [`Change`], what each change does to the account that would be, and how much isolated
//! margin or shared money can be taken away at all.
//! Must not know: policy, what the exchange refuses and under which code, wire spellings.

use super::account::{Asset, AssetMode, MarginMode, PositionMode, PositionSide, Symbol};
use super::amount::{Amount, ArithmeticError, Leverage};
use super::book::Unknown;
use super::contribution::{Missing, unrealized_pnl};
use super::pool::PoolAssessment;
use super::what_if::WhatIf;

/// Which way money moves between the pool and an isolated position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MarginMove {
    /// From the pool into the position.
    Add,
    /// From the position back into the pool.
    Remove,
}

/// A change that somebody wants to make, without any order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Another leverage for a symbol.
    Leverage {
        /// Contract.
        symbol: Symbol,
        /// The leverage wanted.
        leverage: Leverage,
    },
    /// Crossed or isolated, for a symbol.
    MarginType {
        /// Contract.
        symbol: Symbol,
        /// The mode wanted.
        margin_mode: MarginMode,
    },
    /// Money into or out of an isolated position.
    PositionMargin {
        /// Contract.
        symbol: Symbol,
        /// Which leg.
        position_side: PositionSide,
        /// How much; positive.
        amount: Amount,
        /// Which way.
        direction: MarginMove,
    },
    /// One-way or hedge, for the whole account.
    PositionMode {
        /// The mode wanted.
        mode: PositionMode,
    },
    /// Single-asset or multi-assets, for the whole account.
    MultiAssetsMargin {
        /// The mode wanted.
        mode: AssetMode,
    },
    /// Money out of the futures wallet.
    TransferOut {
        /// What is taken.
        asset: Asset,
        /// How much; positive.
        amount: Amount,
    },
}

impl Change {
    /// The contract it is about, if it is about one.
    #[must_use]
    pub const fn symbol(&self) -> Option<&Symbol> {
        match self {
            Self::Leverage { symbol, .. }
            | Self::MarginType { symbol, .. }
            | Self::PositionMargin { symbol, .. } => Some(symbol),
            Self::PositionMode { .. }
            | Self::MultiAssetsMargin { .. }
            | Self::TransferOut { .. } => None,
        }
    }
}

/// Puts a change into the account that would be. A change of position mode moves nothing: the exchange
/// makes it only while nothing is held. A change of asset mode puts the same balances and crossed
/// positions into one pool, or into one for each asset.
///
/// Source: margin-math §10 and §11. A lower leverage raises initial margin at once and moves no
/// liquidation price; isolated margin comes out of the shared wallet and goes back there.
///
/// # Errors
/// What is not known of the symbol, or figures beyond 28 digits.
pub fn apply(what_if: &mut WhatIf<'_>, change: &Change) -> Result<(), Unknown> {
    if let Change::TransferOut { asset, amount } = change {
        if asset == what_if.asset() {
            what_if.move_wallet(amount.negated())?;
        }
        return Ok(());
    }
    if let Change::MultiAssetsMargin { mode } = change {
        what_if.set_asset_mode(*mode);
        return Ok(());
    }
    let Some(symbol) = change.symbol() else {
        return Ok(());
    };
    let missing = |missing| Unknown::Symbol(symbol.clone(), missing);
    let mut state = what_if
        .state(symbol.as_str())
        .ok_or_else(|| missing(Missing::Settings))?
        .clone();
    let settings = state
        .settings
        .as_mut()
        .ok_or_else(|| missing(Missing::Settings))?;
    let mut wallet_change = Amount::ZERO;
    match change {
        Change::Leverage { leverage, .. } => {
            if settings.leverage != *leverage {
                settings.leverage = *leverage;
                // What the exchange permitted belonged to the old leverage; the brackets say it.
                settings.notional_max = None;
            }
        }
        Change::MarginType { margin_mode, .. } => {
            settings.margin_mode = *margin_mode;
            settings.auto_add_margin = false;
        }
        Change::PositionMargin {
            position_side,
            amount,
            direction,
            ..
        } => {
            let into = match direction {
                MarginMove::Add => *amount,
                MarginMove::Remove => amount.negated(),
            };
            let leg = state.legs.get_mut(*position_side);
            leg.isolated_wallet = leg.isolated_wallet.plus(into)?;
            wallet_change = into.negated();
        }
        Change::PositionMode { .. }
        | Change::MultiAssetsMargin { .. }
        | Change::TransferOut { .. } => {}
    }
    what_if.replace(symbol, state, wallet_change)
}

/// The most that can be taken out of an isolated position:
/// `max(0, min(isolatedWallet − MM, isolatedWallet + UPNL − notional·IMR))`.
///
/// Source: margin-math §10 (the newer of two texts, with the maintenance margin).
///
/// # Errors
/// What is not known of the symbol.
pub fn removable(
    what_if: &WhatIf<'_>,
    symbol: &Symbol,
    side: PositionSide,
) -> Result<Amount, Unknown> {
    let missing = |missing| Unknown::Symbol(symbol.clone(), missing);
    let state = what_if
        .state(symbol.as_str())
        .ok_or_else(|| missing(Missing::Settings))?;
    let settings = state.settings.ok_or_else(|| missing(Missing::Settings))?;
    let mark = state.mark.ok_or_else(|| missing(Missing::Mark))?;
    let brackets = state
        .brackets
        .as_deref()
        .ok_or_else(|| missing(state.no_brackets()))?;
    let leg = state.legs.get(side);
    let notional = mark.price().times(leg.quantity)?;
    let above_maintenance = leg
        .isolated_wallet
        .minus(brackets.maintenance_margin(notional)?)?;
    let above_initial = leg
        .isolated_wallet
        .plus(unrealized_pnl(leg, notional)?)?
        .minus(notional.abs().over(settings.leverage)?)?;
    Ok(above_maintenance.min(above_initial).max(Amount::ZERO))
}

/// What the exchange lets leave a pool, into an isolated position or out of the wallet:
/// `max(0, min(crossWB − isoOrderIM − crossMM, available))`. Unrealised profit may be used for
/// orders and never taken away.
///
/// Source: margin-math §5 (withdrawable) and §10 (max addable); the first of the three terms of §5
/// is never the smallest, because the whole wallet holds the crossed one.
///
/// # Errors
/// [`ArithmeticError`] when digits would be lost.
pub fn withdrawable(pool: &PoolAssessment) -> Result<Amount, ArithmeticError> {
    if !pool.available_balance.is_positive() {
        return Ok(Amount::ZERO);
    }
    let above = pool
        .cross_wallet_balance
        .minus(pool.isolated_open_order_initial_margin)?
        .minus(pool.maintenance_margin)?;
    Ok(above.min(pool.available_balance).max(Amount::ZERO))
}
