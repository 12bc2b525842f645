//! What crossed positions share, and what it is worth.
//!
//! Owns: the running sums of one pool, the indexes that answer "which symbol first" without
//! walking all of them, and the figures of a pool as it is or as it would be
//! (a view with replaced symbols).
//! Must not know: orders that somebody wants to send, policy, time.
//!
//! A pool with many symbols costs as much to assess as a pool with one: sums are kept, and the
//! searches stop as soon as a bound shows that nothing further can be worse.

mod figures;
mod joint;
mod search;
mod view;

use std::collections::BTreeSet;

use rust_decimal::Decimal;

use super::account::{AssetMode, Symbol, SymbolState};
use super::amount::{Amount, ArithmeticError, Notional, Rate};
use super::contribution::{Contribution, Missing};

pub(in crate::margin) use figures::Totals;
pub use figures::{
    AdverseMove, BalanceSheet, CollateralFigures, CommonMove, FirstKiller, PoolAssessment,
    Survival, WalletAtRisk,
};
pub(in crate::margin) use joint::{JointView, Part};
pub(in crate::margin) use view::PoolView;

/// A symbol's place in the book.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SymbolId(pub(super) u32);

impl SymbolId {
    /// The place as an index, for tables kept beside the book.
    #[must_use]
    pub fn index(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

/// The running state of one pool.
#[derive(Debug, Clone)]
pub struct Pool {
    /// Whether it stands alone: then its symbols are ordered by what they really lose.
    pub(super) mode: AssetMode,
    /// The balance that crossed positions share; `None` until it is known.
    pub(super) cross_wallet_balance: Option<Amount>,
    /// The whole wallet balance, isolated wallets included.
    pub(super) wallet_balance: Option<Amount>,
    pub(super) sums: Contribution,
    /// Symbols whose contribution is not known.
    pub(super) missing: BTreeSet<(SymbolId, Missing)>,
    /// Steepest loss of a fall, by symbol.
    fall: BTreeSet<(Amount, SymbolId)>,
    /// Bound of the steepest loss of a rise, by symbol; see [`rise_bound`].
    rise: BTreeSet<(Amount, SymbolId)>,
    /// Absolute net notional, by symbol.
    size: BTreeSet<(Notional, SymbolId)>,
    /// Nearest change of tier below the mark, as a multiple of the mark.
    edge_below: BTreeSet<(Rate, SymbolId)>,
    /// Nearest change of tier above the mark, as a multiple of the mark.
    edge_above: BTreeSet<(Rate, SymbolId)>,
}

impl Pool {
    /// A pool of which nothing is known.
    pub(super) fn new(mode: AssetMode) -> Self {
        Self {
            mode,
            cross_wallet_balance: None,
            wallet_balance: None,
            sums: Contribution::default(),
            missing: BTreeSet::new(),
            fall: BTreeSet::new(),
            rise: BTreeSet::new(),
            size: BTreeSet::new(),
            edge_below: BTreeSet::new(),
            edge_above: BTreeSet::new(),
        }
    }

    /// The same balances without any symbol.
    pub(super) fn emptied(&self, mode: AssetMode) -> Self {
        Self {
            cross_wallet_balance: self.cross_wallet_balance,
            wallet_balance: self.wallet_balance,
            ..Self::new(mode)
        }
    }

    /// True when money, positions or orders are in it.
    pub(super) fn is_in_use(&self) -> bool {
        let funded = |balance: Option<Amount>| balance.is_some_and(|balance| !balance.is_zero());
        funded(self.wallet_balance)
            || funded(self.cross_wallet_balance)
            || !self.sums.is_nothing()
            || !self.missing.is_empty()
    }

    pub(super) fn add(
        &mut self,
        id: SymbolId,
        figures: &Contribution,
    ) -> Result<(), ArithmeticError> {
        self.sums = self.sums.plus(figures)?;
        if figures.holds_crossed() {
            self.fall.insert((figures.slope_lowest, id));
            self.rise.insert((rise_bound(self.mode, figures)?, id));
            self.size.insert((figures.notional_net.abs(), id));
        }
        if let Some(edge) = figures.edge_below {
            self.edge_below.insert((edge, id));
        }
        if let Some(edge) = figures.edge_above {
            self.edge_above.insert((edge, id));
        }
        Ok(())
    }

    pub(super) fn remove(
        &mut self,
        id: SymbolId,
        figures: &Contribution,
    ) -> Result<(), ArithmeticError> {
        self.sums = self.sums.minus(figures)?;
        self.fall.remove(&(figures.slope_lowest, id));
        self.rise.remove(&(rise_bound(self.mode, figures)?, id));
        self.size.remove(&(figures.notional_net.abs(), id));
        if let Some(edge) = figures.edge_below {
            self.edge_below.remove(&(edge, id));
        }
        if let Some(edge) = figures.edge_above {
            self.edge_above.remove(&(edge, id));
        }
        Ok(())
    }
}

const HALF: Decimal = Decimal::from_parts(5, 0, 0, false, 1);

/// What a symbol loses at most per unit of a rise, in its margin asset.
///
/// Where assets stand together, a long's gain counts at the bid rate and its requirement at the
/// ask: half of the gain is taken for granted, which holds while the bid is at least half of the
/// ask (see `joint`).
fn rise_bound(mode: AssetMode, figures: &Contribution) -> Result<Amount, ArithmeticError> {
    let loss = figures.slope_highest.negated();
    match mode {
        AssetMode::Multi if figures.notional_net.is_positive() => {
            loss.plus(figures.notional_net.times(Rate::new(HALF))?)
        }
        AssetMode::Single | AssetMode::Multi => Ok(loss),
    }
}

/// One symbol as it would be.
#[derive(Debug, Clone)]
pub struct Replaced {
    pub(super) id: SymbolId,
    pub(super) state: SymbolState,
    pub(super) old: Contribution,
    pub(super) new: Contribution,
}

/// Where a view finds the symbols of the pool.
pub(in crate::margin) trait Members {
    fn symbol(&self, id: SymbolId) -> Option<&Symbol>;
    fn state(&self, id: SymbolId) -> Option<&SymbolState>;
    fn contribution(&self, id: SymbolId) -> Option<&Contribution>;
}
