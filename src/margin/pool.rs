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

    /// Takes a symbol's figures in.
    pub(super) fn add(
        &mut self,
        id: SymbolId,
        figures: &Contribution,
    ) -> Result<(), ArithmeticError> {
        self.replace(id, &Contribution::default(), figures)
    }

    /// Takes a symbol's figures out again.
    pub(super) fn remove(
        &mut self,
        id: SymbolId,
        figures: &Contribution,
    ) -> Result<(), ArithmeticError> {
        self.replace(id, figures, &Contribution::default())
    }

    /// Puts a symbol's figures in the place of those it had.
    pub(super) fn replace(
        &mut self,
        id: SymbolId,
        old: &Contribution,
        new: &Contribution,
    ) -> Result<(), ArithmeticError> {
        self.sums.subtract(old)?;
        self.sums.add(new)?;
        let mode = self.mode;
        let rise = |figures| rise_bound(mode, figures);
        let (old_rise, new_rise) = (rise(old)?, rise(new)?);
        let held = |figures: &Contribution| figures.holds_crossed();
        let (was, is) = (held(old), held(new));
        let key = |is_held: bool, key| is_held.then_some(key);
        move_key(
            &mut self.fall,
            id,
            key(was, old.slope_lowest),
            key(is, new.slope_lowest),
        );
        move_key(&mut self.rise, id, key(was, old_rise), key(is, new_rise));
        let size =
            |is_held: bool, figures: &Contribution| is_held.then(|| figures.notional_net.abs());
        move_key(&mut self.size, id, size(was, old), size(is, new));
        move_key(&mut self.edge_below, id, old.edge_below, new.edge_below);
        move_key(&mut self.edge_above, id, old.edge_above, new.edge_above);
        Ok(())
    }
}

/// Puts a symbol where it now belongs in an index.
fn move_key<K: Ord + Copy>(
    index: &mut BTreeSet<(K, SymbolId)>,
    id: SymbolId,
    old: Option<K>,
    new: Option<K>,
) {
    if old == new {
        return;
    }
    if let Some(old) = old {
        index.remove(&(old, id));
    }
    if let Some(new) = new {
        index.insert((new, id));
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
