//! The account as it would be: some symbols in another state, money moved.
//!
//! Owns: what is put over a [`Book`] without changing it, asset by asset, with the sums kept equal.
//! Must not know: which order or change is behind it, policy.

use super::account::{Asset, AssetMode, Symbol, SymbolState};
use super::amount::{Amount, Rate};
use super::book::{Book, Unknown};
use super::contribution::{Contribution, Missing};
use super::liquidation::LiquidationPrices;
use super::pool::{Members, PoolAssessment, Replaced};

/// What a view puts over one asset's pool.
#[derive(Debug, Clone, Copy)]
pub(super) struct Overlay<'a> {
    pub(super) wallet_change: Amount,
    pub(super) replaced: &'a [Replaced],
    /// The pool's sums with the replaced symbols in their new state.
    pub(super) sums: Option<&'a Contribution>,
}

impl Overlay<'_> {
    pub(super) const NONE: Self = Self {
        wallet_change: Amount::ZERO,
        replaced: &[],
        sums: None,
    };

    /// True when the pool is as it is.
    pub(super) const fn is_nothing(&self) -> bool {
        self.wallet_change.is_zero() && self.replaced.is_empty()
    }
}

/// What would be different in one asset.
#[derive(Debug, Clone)]
struct AssetChange<'a> {
    asset: &'a Asset,
    wallet_change: Amount,
    replaced: Vec<Replaced>,
    /// The pool's sums in this state; `None` while nothing is replaced.
    sums: Option<Contribution>,
}

impl<'a> AssetChange<'a> {
    const fn none(asset: &'a Asset) -> Self {
        Self {
            asset,
            wallet_change: Amount::ZERO,
            replaced: Vec::new(),
            sums: None,
        }
    }

    fn overlay(&self) -> Overlay<'_> {
        Overlay {
            wallet_change: self.wallet_change,
            replaced: &self.replaced,
            sums: self.sums.as_ref(),
        }
    }
}

/// The account as it would be: some symbols replaced, wallets changed.
#[derive(Debug, Clone)]
pub struct WhatIf<'a> {
    book: &'a Book,
    /// The asset mode in this state.
    asset_mode: AssetMode,
    /// In the margin asset of the symbol that is asked about.
    change: AssetChange<'a>,
    /// In the other assets that share its pool; only in multi-assets mode.
    others: Vec<AssetChange<'a>>,
}

impl<'a> WhatIf<'a> {
    pub(super) const fn new(book: &'a Book, asset: &'a Asset) -> Self {
        Self {
            book,
            asset_mode: book.asset_mode(),
            change: AssetChange::none(asset),
            others: Vec::new(),
        }
    }

    /// The account it began from.
    #[must_use]
    pub const fn book(&self) -> &'a Book {
        self.book
    }

    /// Single-asset or multi-assets, in this state.
    #[must_use]
    pub const fn asset_mode(&self) -> AssetMode {
        self.asset_mode
    }

    /// Puts the account into another asset mode: the pool is then the one of all assets, or the one
    /// of the asset it was made for.
    pub const fn set_asset_mode(&mut self, mode: AssetMode) {
        self.asset_mode = mode;
    }

    /// The margin asset of the symbol it was made for.
    #[must_use]
    pub const fn asset(&self) -> &'a Asset {
        self.change.asset
    }

    /// True when positions margined in this asset belong to the pool in question.
    #[must_use]
    pub fn shares_pool(&self, asset: &Asset) -> bool {
        match self.asset_mode {
            AssetMode::Single => self.change.asset == asset,
            AssetMode::Multi => true,
        }
    }

    /// What is, or would be, of a symbol.
    #[must_use]
    pub fn state(&self, symbol: &str) -> Option<&SymbolState> {
        let id = self.book.id(symbol)?;
        let mut replaced = self.changes().flat_map(|change| &change.replaced);
        match replaced.find(|replaced| replaced.id == id) {
            Some(replaced) => Some(&replaced.state),
            None => self.book.state(symbol),
        }
    }

    fn changes(&self) -> impl Iterator<Item = &AssetChange<'a>> {
        std::iter::once(&self.change).chain(&self.others)
    }

    /// The change of an asset of this pool; `None` when it belongs to another one.
    fn change_mut(&mut self, asset: &Asset) -> Result<Option<&mut AssetChange<'a>>, Unknown> {
        if self.change.asset == asset {
            return Ok(Some(&mut self.change));
        }
        if !self.shares_pool(asset) {
            return Ok(None);
        }
        let index = match self.others.iter().position(|change| change.asset == asset) {
            Some(index) => index,
            None => {
                let known = self.book.assets().find(|known| *known == asset);
                let known = known.ok_or_else(|| Unknown::Balance(asset.clone()))?;
                self.others.push(AssetChange::none(known));
                self.others.len().saturating_sub(1)
            }
        };
        Ok(self.others.get_mut(index))
    }

    /// Puts a symbol into another state and moves money in or out of its asset's crossed wallet. A
    /// symbol of another pool changes nothing here: pools do not touch each other.
    ///
    /// # Errors
    /// What the new state lacks.
    pub fn replace(
        &mut self,
        symbol: &Symbol,
        state: SymbolState,
        wallet_change: Amount,
    ) -> Result<(), Unknown> {
        let missing = |missing| Unknown::Symbol(symbol.clone(), missing);
        let book = self.book;
        let id = book
            .id(symbol.as_str())
            .ok_or_else(|| missing(Missing::MarginAsset))?;
        let asset = state
            .margin_asset
            .clone()
            .ok_or_else(|| missing(Missing::MarginAsset))?;
        let Some(change) = self.change_mut(&asset)? else {
            return Ok(());
        };
        let new = Contribution::of(&state, book.position_mode()).map_err(missing)?;
        change.wallet_change = change.wallet_change.plus(wallet_change)?;
        let mut sums = change.sums.unwrap_or_else(|| book.sums(&asset));
        let known = change.replaced.iter_mut().find(|one| one.id == id);
        match known {
            Some(replaced) => {
                sums.subtract(&replaced.new)?;
                sums.add(&new)?;
                replaced.state = state;
                replaced.new = new;
            }
            None => {
                let old = book.contribution(id).copied().unwrap_or_default();
                sums.subtract(&old)?;
                sums.add(&new)?;
                // Nearly always it stays the only one, and it is large.
                change.replaced.reserve_exact(1);
                change.replaced.push(Replaced {
                    id,
                    state,
                    old,
                    new,
                });
            }
        }
        change.sums = Some(sums);
        Ok(())
    }

    /// True when this symbol is in another state than in the book.
    #[must_use]
    pub fn replaces(&self, symbol: &Symbol) -> bool {
        let id = self.book.id(symbol.as_str());
        let mut replaced = self.changes().flat_map(|change| &change.replaced);
        replaced.any(|replaced| Some(replaced.id) == id)
    }

    /// Puts over this state what another state of the same book has of its own: symbols that this one
    /// leaves as they are, and money. The sums grow by what the other's differ from the book's.
    ///
    /// # Errors
    /// What is not known, or figures beyond 28 digits.
    pub fn put_over(&mut self, other: &Self) -> Result<(), Unknown> {
        let book = self.book;
        for theirs in other
            .changes()
            .filter(|change| !change.overlay().is_nothing())
        {
            let Some(change) = self.change_mut(theirs.asset)? else {
                continue;
            };
            change.wallet_change = change.wallet_change.plus(theirs.wallet_change)?;
            change.sums = match (change.sums, theirs.sums) {
                (ours, None) => ours,
                (None, theirs) => theirs,
                (Some(ours), Some(sums)) => {
                    Some(ours.plus(&sums.minus(&book.sums(theirs.asset))?)?)
                }
            };
            change.replaced.extend(theirs.replaced.iter().cloned());
        }
        Ok(())
    }

    /// Moves money into (positive) or out of the crossed wallet of the asset it was made for.
    ///
    /// # Errors
    /// [`Unknown::Arithmetic`] when digits would be lost.
    pub fn move_wallet(&mut self, by: Amount) -> Result<(), Unknown> {
        self.change.wallet_change = self.change.wallet_change.plus(by)?;
        Ok(())
    }

    /// Every symbol that the book lists, in this state.
    pub(super) fn states(&self) -> impl Iterator<Item = (&Symbol, &SymbolState)> {
        let symbols = self.book.symbols().enumerate();
        symbols.map(|(index, (symbol, known))| {
            let mut replaced = self.changes().flat_map(|change| &change.replaced);
            let state = replaced
                .find(|replaced| replaced.id.index() == index)
                .map_or(known, |replaced| &replaced.state);
            (symbol, state)
        })
    }

    /// Every symbol of this pool that holds something in this state. The book lists every contract
    /// there is, and most are flat: that is asked first.
    pub fn held(&self) -> impl Iterator<Item = (&Symbol, &SymbolState)> {
        self.states().filter(|(_, state)| {
            let asset = state.margin_asset.as_ref();
            !state.legs.is_flat() && asset.is_some_and(|asset| self.shares_pool(asset))
        })
    }

    /// Every symbol of this pool that holds something as it is or in this state, with both.
    pub fn held_before_or_after(&self) -> impl Iterator<Item = (&Symbol, [&SymbolState; 2])> {
        let symbols = self.book.symbols().enumerate();
        symbols.filter_map(|(index, (symbol, before))| {
            let mut replaced = self.changes().flat_map(|change| &change.replaced);
            let after = replaced
                .find(|replaced| replaced.id.index() == index)
                .map_or(before, |replaced| &replaced.state);
            if before.legs.is_flat() && after.legs.is_flat() {
                return None;
            }
            let asset = before.margin_asset.as_ref()?;
            self.shares_pool(asset).then_some((symbol, [before, after]))
        })
    }

    /// What crossed positions of the asset it was made for share in this state, without unrealised
    /// profit.
    ///
    /// # Errors
    /// What is not known.
    pub fn cross_wallet_balance(&self) -> Result<Amount, Unknown> {
        Ok(self.single()?.cross_wallet_balance)
    }

    /// What is put over an asset's pool.
    fn overlay(&self, asset: &Asset) -> Overlay<'_> {
        let mut changes = self.changes();
        changes
            .find(|change| change.asset == asset)
            .map_or(Overlay::NONE, AssetChange::overlay)
    }

    /// The pool's figures in this state.
    ///
    /// # Errors
    /// What is not known.
    pub fn assess(&self, horizon: Rate) -> Result<PoolAssessment, Unknown> {
        let figures = match self.asset_mode {
            AssetMode::Single => self.single()?.assess(horizon),
            AssetMode::Multi => self.joint()?.assess(horizon),
        };
        figures.map_err(Unknown::from)
    }

    /// What new orders margined in the asset it was made for can use in this state, in that asset.
    ///
    /// # Errors
    /// What is not known.
    pub fn available_balance(&self) -> Result<Amount, Unknown> {
        match self.asset_mode {
            AssetMode::Single => Ok(self.single()?.available_balance()?),
            AssetMode::Multi => {
                let available = self.joint()?.available_usd()?;
                let asset = self.change.asset;
                let rate = self.book.collateral(asset.as_str()).rate;
                let rate = rate.ok_or_else(|| Unknown::Rate(asset.clone()))?;
                Ok(rate.from_usd(available)?)
            }
        }
    }

    /// A requirement or loss in a symbol's margin asset, in the money of the pool.
    ///
    /// # Errors
    /// What is not known.
    pub fn in_pool_money(&self, asset: &Asset, amount: Amount) -> Result<Amount, Unknown> {
        match self.asset_mode {
            AssetMode::Single => Ok(amount),
            AssetMode::Multi => {
                let rate = self.book.collateral(asset.as_str()).rate;
                let rate = rate.ok_or_else(|| Unknown::Rate(asset.clone()))?;
                Ok(rate.charge(amount)?)
            }
        }
    }

    /// The pool's maintenance margin in this state, in the money of the pool.
    ///
    /// # Errors
    /// What is not known.
    pub(super) fn maintenance_margin(&self) -> Result<Amount, Unknown> {
        match self.asset_mode {
            AssetMode::Single => Ok(self.single()?.sums.maintenance_margin),
            AssetMode::Multi => Ok(self.joint()?.maintenance_margin()?),
        }
    }

    /// Liquidation prices of a symbol's crossed legs in this state; `None` when it holds none.
    ///
    /// # Errors
    /// What is not known.
    pub fn liquidation_prices(
        &self,
        symbol: &Symbol,
    ) -> Result<Option<LiquidationPrices>, Unknown> {
        let Some(id) = self.book.id(symbol.as_str()) else {
            return Ok(None);
        };
        let prices = match self.asset_mode {
            AssetMode::Single => self.single()?.liquidation_prices(id),
            AssetMode::Multi => self.joint()?.liquidation_prices(id),
        };
        prices.map_err(Unknown::from)
    }

    /// Liquidation prices of a symbol's crossed legs, and the maintenance margin of the pool they stand
    /// in, in this state; `None` when it holds none.
    ///
    /// # Errors
    /// What is not known.
    pub(super) fn end_in_pool(
        &self,
        symbol: &Symbol,
    ) -> Result<(Option<LiquidationPrices>, Amount), Unknown> {
        let id = self.book.id(symbol.as_str());
        match self.asset_mode {
            AssetMode::Single => {
                let pool = self.single()?;
                let prices = id.map(|id| pool.liquidation_prices(id)).transpose()?;
                Ok((prices.flatten(), pool.sums.maintenance_margin))
            }
            AssetMode::Multi => {
                let pool = self.joint()?;
                let prices = id.map(|id| pool.liquidation_prices(id)).transpose()?;
                Ok((prices.flatten(), pool.maintenance_margin()?))
            }
        }
    }

    fn single(&self) -> Result<super::pool::PoolView<'_, Book>, Unknown> {
        self.book.view(self.change.asset, self.change.overlay())
    }

    fn joint(&self) -> Result<super::pool::JointView<'_, Book>, Unknown> {
        self.book.joint_view(|asset| self.overlay(asset))
    }
}
