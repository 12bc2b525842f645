//! The whole account as one value that can be asked.
//!
//! Owns: every symbol's state and every pool's running sums, kept equal at each change; the
//! figures of a pool as it is ([`Book::assess`]); with some symbols replaced, see [`WhatIf`].
//! Must not know: where changes come from, how fresh they are, what is permitted.

mod proof;

use std::collections::{BTreeMap, BTreeSet};

use super::account::{Asset, AssetMode, MarginMode, PositionMode, Symbol, SymbolState};
use super::amount::{Amount, ArithmeticError, MarkPrice, Rate};
use super::collateral::{Collateral, CollateralRate};
use super::contribution::{Contribution, Missing};
use super::liquidation::LiquidationPrices;
use super::pool::{JointView, Members, Part, Pool, PoolAssessment, PoolView, Replaced, SymbolId};
use super::what_if::Overlay;
pub use super::what_if::WhatIf;

/// Why a pool's figures are not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unknown {
    /// The pool's balance was never told.
    Balance(Asset),
    /// A symbol that is held lacks something.
    Symbol(Symbol, Missing),
    /// A sum does not fit 28 digits.
    Arithmetic(ArithmeticError),
    /// An asset that counts in the one pool of multi-assets mode has no rate.
    Rate(Asset),
}

impl std::fmt::Display for Unknown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Balance(asset) => write!(f, "the {asset} balance is not known"),
            Self::Symbol(symbol, missing) => write!(f, "{symbol}: {missing}"),
            Self::Arithmetic(error) => write!(f, "{error}"),
            Self::Rate(asset) => write!(f, "the collateral rate of {asset} is not known"),
        }
    }
}

impl From<ArithmeticError> for Unknown {
    fn from(error: ArithmeticError) -> Self {
        Self::Arithmetic(error)
    }
}

#[derive(Debug, Clone)]
struct Entry {
    symbol: Symbol,
    state: SymbolState,
    contribution: Contribution,
}

/// Names to places. Looked up with every mark of the market and never iterated, so that its order
/// cannot matter.
#[expect(
    clippy::disallowed_types,
    reason = "never iterated; a tick of 600 symbols looks up 600"
)]
type Ids = std::collections::HashMap<Symbol, SymbolId, foldhash::fast::FixedState>;

/// The account.
#[derive(Debug, Clone)]
pub struct Book {
    position_mode: PositionMode,
    asset_mode: AssetMode,
    entries: Vec<Entry>,
    /// Symbols that hold or order something: most contracts that are listed never do.
    busy: BTreeSet<SymbolId>,
    /// How often settings or modes changed: who compares them looks only when this moved.
    settings_changes: u64,
    ids: Ids,
    pools: BTreeMap<Asset, Pool>,
    /// What assets count for in multi-assets mode.
    collateral: BTreeMap<Asset, Collateral>,
    /// The name of the one pool of multi-assets mode.
    usd: Asset,
    /// Symbols that hold something and whose pool is not known: every pool is unknown then.
    homeless: BTreeSet<(SymbolId, Missing)>,
    /// A sum once failed: every figure is unknown until the sums are made anew.
    broken: Option<ArithmeticError>,
}

impl Members for Book {
    fn symbol(&self, id: SymbolId) -> Option<&Symbol> {
        self.entry(id).map(|entry| &entry.symbol)
    }

    fn state(&self, id: SymbolId) -> Option<&SymbolState> {
        self.entry(id).map(|entry| &entry.state)
    }

    fn contribution(&self, id: SymbolId) -> Option<&Contribution> {
        self.entry(id).map(|entry| &entry.contribution)
    }
}

impl Book {
    /// An account of which nothing is known yet.
    #[must_use]
    pub fn new(position_mode: PositionMode, asset_mode: AssetMode) -> Self {
        Self {
            position_mode,
            asset_mode,
            entries: Vec::new(),
            busy: BTreeSet::new(),
            settings_changes: 0,
            ids: Ids::default(),
            pools: BTreeMap::new(),
            collateral: BTreeMap::new(),
            usd: Asset::usd(),
            homeless: BTreeSet::new(),
            broken: None,
        }
    }

    /// One-way or hedge.
    #[must_use]
    pub const fn position_mode(&self) -> PositionMode {
        self.position_mode
    }

    /// Single-asset or multi-assets.
    #[must_use]
    pub const fn asset_mode(&self) -> AssetMode {
        self.asset_mode
    }

    /// Changes the modes and computes every contribution anew.
    pub fn set_modes(&mut self, position_mode: PositionMode, asset_mode: AssetMode) {
        if (position_mode, asset_mode) == (self.position_mode, self.asset_mode) {
            return;
        }
        self.position_mode = position_mode;
        self.asset_mode = asset_mode;
        self.settings_changes = self.settings_changes.wrapping_add(1);
        self.rebuild();
    }

    /// A number that is another one after a change of any symbol's settings or of a mode.
    #[must_use]
    pub const fn settings_changes(&self) -> u64 {
        self.settings_changes
    }

    /// The symbol's place in the book, if it was ever named.
    #[must_use]
    pub fn id(&self, symbol: &str) -> Option<SymbolId> {
        self.ids.get(symbol).copied()
    }

    /// The symbol's place in the book, made if need be.
    pub fn intern(&mut self, symbol: &Symbol) -> SymbolId {
        if let Some(id) = self.ids.get(symbol) {
            return *id;
        }
        let id = SymbolId(u32::try_from(self.entries.len()).unwrap_or(u32::MAX));
        self.entries.push(Entry {
            symbol: symbol.clone(),
            state: SymbolState::default(),
            contribution: Contribution::default(),
        });
        self.ids.insert(symbol.clone(), id);
        id
    }

    /// The name at a place.
    #[must_use]
    pub fn name(&self, id: SymbolId) -> Option<&Symbol> {
        self.entry(id).map(|entry| &entry.symbol)
    }

    /// What is known of a symbol.
    #[must_use]
    pub fn state(&self, symbol: &str) -> Option<&SymbolState> {
        self.id(symbol)
            .and_then(|id| self.entry(id))
            .map(|entry| &entry.state)
    }

    /// All symbols with their state, in the order they were first named.
    pub fn symbols(&self) -> impl Iterator<Item = (&Symbol, &SymbolState)> {
        self.entries
            .iter()
            .map(|entry| (&entry.symbol, &entry.state))
    }

    /// The symbols that hold or order something, in the same order.
    pub fn busy(&self) -> impl Iterator<Item = (SymbolId, &Symbol, &SymbolState)> {
        self.busy.iter().filter_map(|id| {
            let entry = self.entry(*id)?;
            Some((*id, &entry.symbol, &entry.state))
        })
    }

    /// How many symbols hold or order something.
    #[must_use]
    pub fn busy_len(&self) -> usize {
        self.busy.len()
    }

    /// The margin assets, by name: each is a pool of its own in single-asset mode.
    pub fn assets(&self) -> impl Iterator<Item = &Asset> {
        self.pools.keys()
    }

    /// The pools with money, positions or orders, by name: assets in single-asset mode, USD in
    /// multi-assets mode.
    #[must_use]
    pub fn pools_in_use(&self) -> Vec<&Asset> {
        match self.asset_mode {
            AssetMode::Multi => vec![&self.usd],
            AssetMode::Single => {
                let in_use = self.pools.iter().filter(|(_, pool)| pool.is_in_use());
                in_use.map(|(asset, _)| asset).collect()
            }
        }
    }

    /// Assets that count in the one pool of multi-assets mode.
    pub fn collateral_in_use(&self) -> impl Iterator<Item = &Asset> {
        let in_use = self.pools.iter().filter(|(_, pool)| pool.is_in_use());
        in_use.map(|(asset, _)| asset)
    }

    /// The pool that an asset's crossed positions share, by name.
    #[must_use]
    pub const fn pool_of<'a>(&'a self, asset: &'a Asset) -> &'a Asset {
        match self.asset_mode {
            AssetMode::Single => asset,
            AssetMode::Multi => &self.usd,
        }
    }

    /// What is known of an asset as collateral.
    #[must_use]
    pub fn collateral(&self, asset: &str) -> Collateral {
        self.collateral.get(asset).copied().unwrap_or_default()
    }

    /// Takes an asset's rates as they now are; `None` when they are not known any more.
    pub fn set_rate(&mut self, asset: &Asset, rate: Option<CollateralRate>) {
        self.collateral_mut(asset).rate = rate;
    }

    /// Takes the debt at which the exchange sells other assets for this one.
    pub fn set_auto_exchange(&mut self, asset: &Asset, below: Option<Amount>) {
        self.collateral_mut(asset).auto_exchange_below = below;
    }

    fn collateral_mut(&mut self, asset: &Asset) -> &mut Collateral {
        self.collateral.entry(asset.clone()).or_default()
    }

    /// A pool's wallet balance (isolated wallets included) and the part crossed positions share.
    #[must_use]
    pub fn balances(&self, asset: &str) -> Option<(Amount, Amount)> {
        let pool = self.pools.get(asset)?;
        pool.wallet_balance.zip(pool.cross_wallet_balance)
    }

    /// Takes a pool's balances as they now are.
    pub fn set_balances(&mut self, asset: &Asset, wallet: Amount, cross_wallet: Amount) {
        let mode = self.asset_mode;
        let pool = self.pools.entry(asset.clone());
        let pool = pool.or_insert_with(|| Pool::new(mode));
        pool.wallet_balance = Some(wallet);
        pool.cross_wallet_balance = Some(cross_wallet);
    }

    /// The pool in which the symbol holds crossed positions, if it does.
    #[must_use]
    pub fn held_in(&self, id: SymbolId) -> Option<&Asset> {
        let state = &self.entry(id)?.state;
        let crossed = state
            .settings
            .is_none_or(|s| s.risk_mode() == MarginMode::Crossed);
        if state.legs.is_flat() || !crossed {
            None
        } else {
            state.margin_asset.as_ref()
        }
    }

    /// Changes a symbol's state and keeps the sums equal.
    pub fn change(&mut self, id: SymbolId, change: impl FnOnce(&mut SymbolState)) {
        if self.entry(id).is_none() {
            return;
        }
        self.take_out(id);
        if let Some(entry) = self.entry_mut(id) {
            let (was_idle, settings) = (entry.state.is_idle(), entry.state.settings);
            change(&mut entry.state);
            let is_idle = entry.state.is_idle();
            if settings != entry.state.settings {
                self.settings_changes = self.settings_changes.wrapping_add(1);
            }
            if is_idle && !was_idle {
                self.busy.remove(&id);
            } else if was_idle && !is_idle {
                self.busy.insert(id);
            }
        }
        self.put_in(id);
        if self.broken.is_some() {
            // What did not fit may be gone with this change.
            self.rebuild();
        }
    }

    /// Takes a mark. Nothing but the price changes while the symbol is idle.
    pub fn set_mark(&mut self, id: SymbolId, mark: Option<MarkPrice>) {
        let Some(entry) = self.entry_mut(id) else {
            return;
        };
        if entry.state.is_idle() {
            entry.state.mark = mark;
        } else if !self.follow_mark(id, mark) {
            self.change(id, |state| state.mark = mark);
        }
    }

    /// The way of nearly every mark: everything is known before and after, and the pool's sums move by
    /// the difference. False when it must go the long way.
    fn follow_mark(&mut self, id: SymbolId, mark: Option<MarkPrice>) -> bool {
        let Some(entry) = self.entries.get_mut(id.index()) else {
            return false;
        };
        let pool = entry.state.margin_asset.as_ref();
        let Some(pool) = pool.and_then(|asset| self.pools.get_mut(asset)) else {
            return false;
        };
        if self.broken.is_some() || !pool.missing.is_empty() {
            return false;
        }
        entry.state.mark = mark;
        let Ok(figures) = Contribution::of(&entry.state, self.position_mode) else {
            return false;
        };
        let moved = pool.replace(id, &entry.contribution, &figures);
        entry.contribution = figures;
        if let Err(error) = moved {
            self.broken = Some(error);
            self.rebuild();
        }
        true
    }

    /// The sums of an asset's pool.
    pub(super) fn sums(&self, asset: &Asset) -> Contribution {
        self.pools
            .get(asset)
            .map(|pool| pool.sums)
            .unwrap_or_default()
    }

    fn entry(&self, id: SymbolId) -> Option<&Entry> {
        self.entries.get(id.index())
    }

    fn entry_mut(&mut self, id: SymbolId) -> Option<&mut Entry> {
        self.entries.get_mut(id.index())
    }

    fn take_out(&mut self, id: SymbolId) {
        self.homeless.retain(|(other, _)| *other != id);
        let Some(entry) = self.entry_mut(id) else {
            return;
        };
        let figures = std::mem::take(&mut entry.contribution);
        let asset = entry.state.margin_asset.clone();
        let Some(pool) = asset.and_then(|asset| self.pools.get_mut(&asset)) else {
            return;
        };
        pool.missing.retain(|(other, _)| *other != id);
        if let Err(error) = pool.remove(id, &figures) {
            self.broken = Some(error);
        }
    }

    fn put_in(&mut self, id: SymbolId) {
        let (mode, asset_mode) = (self.position_mode, self.asset_mode);
        let Some(entry) = self.entry_mut(id) else {
            return;
        };
        let figures = Contribution::of(&entry.state, mode);
        let idle = entry.state.is_idle();
        let Some(asset) = entry.state.margin_asset.clone() else {
            if !idle {
                self.homeless.insert((id, Missing::MarginAsset));
            }
            return;
        };
        if let Ok(figures) = &figures {
            entry.contribution = *figures;
        }
        let pool = self.pools.entry(asset);
        let pool = pool.or_insert_with(|| Pool::new(asset_mode));
        match figures {
            Ok(figures) => {
                if let Err(error) = pool.add(id, &figures) {
                    self.broken = Some(error);
                }
            }
            Err(missing) => {
                pool.missing.insert((id, missing));
            }
        }
    }

    /// Computes every contribution and every sum from nothing: after a change of mode, after a
    /// failed sum, and as the second opinion that tests compare the running sums with.
    pub fn rebuild(&mut self) {
        self.broken = None;
        self.homeless.clear();
        for pool in self.pools.values_mut() {
            *pool = pool.emptied(self.asset_mode);
        }
        for index in 0..self.entries.len() {
            if let Some(entry) = self.entries.get_mut(index) {
                entry.contribution = Contribution::default();
            }
            self.put_in(SymbolId(u32::try_from(index).unwrap_or(u32::MAX)));
        }
    }

    /// The figures, as they are, of the pool to which this asset's positions belong (USD is the
    /// name of the one pool of multi-assets mode).
    ///
    /// # Errors
    /// What is not known.
    pub fn assess(&self, asset: &Asset, horizon: Rate) -> Result<PoolAssessment, Unknown> {
        let figures = match self.asset_mode {
            AssetMode::Single => self.view(asset, Overlay::NONE)?.assess(horizon),
            AssetMode::Multi => self.joint_view(|_| Overlay::NONE)?.assess(horizon),
        };
        figures.map_err(Unknown::from)
    }

    /// Liquidation prices of a symbol's crossed legs; `None` when it holds none.
    ///
    /// # Errors
    /// What is not known.
    pub fn liquidation_prices(
        &self,
        symbol: &Symbol,
    ) -> Result<Option<LiquidationPrices>, Unknown> {
        self.what_if(symbol)?.liquidation_prices(symbol)
    }

    /// The account as it would be, beginning as it is, for the pool of this symbol.
    ///
    /// # Errors
    /// [`Missing::MarginAsset`] when the symbol's pool is not known.
    pub fn what_if(&self, symbol: &Symbol) -> Result<WhatIf<'_>, Unknown> {
        let asset = self
            .state(symbol.as_str())
            .and_then(|state| state.margin_asset.as_ref())
            .ok_or_else(|| Unknown::Symbol(symbol.clone(), Missing::MarginAsset))?;
        Ok(WhatIf::new(self, asset))
    }

    /// The account as it would be, beginning as it is, for the pool of this margin asset.
    ///
    /// # Errors
    /// [`Unknown::Balance`] when there is no such pool.
    pub fn what_if_in(&self, asset: &Asset) -> Result<WhatIf<'_>, Unknown> {
        let (asset, _) = self
            .pools
            .get_key_value(asset)
            .ok_or_else(|| Unknown::Balance(asset.clone()))?;
        Ok(WhatIf::new(self, asset))
    }

    /// One asset's pool with what the overlay puts over it.
    pub(super) fn view<'a>(
        &'a self,
        asset: &Asset,
        overlay: Overlay<'a>,
    ) -> Result<PoolView<'a, Self>, Unknown> {
        let Overlay {
            wallet_change,
            replaced,
            sums,
        } = overlay;
        let (asset, pool, wallet) = self.purse(asset, replaced)?;
        Ok(PoolView {
            asset,
            pool,
            members: self,
            replaced,
            cross_wallet_balance: wallet.plus(wallet_change)?,
            sums: sums.copied().unwrap_or(pool.sums),
        })
    }

    /// An asset's pool and what crossed positions share of it, if everything in it is known but what
    /// is replaced.
    fn purse(
        &self,
        asset: &Asset,
        replaced: &[Replaced],
    ) -> Result<(&Asset, &Pool, Amount), Unknown> {
        if let Some(error) = self.broken {
            return Err(Unknown::Arithmetic(error));
        }
        let unheard = || Unknown::Balance(asset.clone());
        let (asset, pool) = self.pools.get_key_value(asset).ok_or_else(unheard)?;
        let known = |(id, _): &&(SymbolId, Missing)| !replaced.iter().any(|r| r.id == *id);
        if let Some((id, missing)) = self
            .homeless
            .iter()
            .find(known)
            .or_else(|| pool.missing.iter().find(known))
        {
            let symbol = self.symbol(*id).cloned();
            return Err(symbol.map_or_else(unheard, |s| Unknown::Symbol(s, *missing)));
        }
        let wallet = pool.cross_wallet_balance.ok_or_else(unheard)?;
        Ok((asset, pool, wallet))
    }

    /// All assets that count, each with what `overlay` puts over it.
    pub(super) fn joint_view<'a>(
        &'a self,
        overlay: impl Fn(&Asset) -> Overlay<'a>,
    ) -> Result<JointView<'a, Self>, Unknown> {
        let mut parts = Vec::new();
        for (asset, pool) in &self.pools {
            let overlay = overlay(asset);
            if !pool.is_in_use() && overlay.is_nothing() {
                continue;
            }
            let collateral = self.collateral(asset.as_str());
            let rate = collateral
                .rate
                .ok_or_else(|| Unknown::Rate(asset.clone()))?;
            parts.push(Part {
                view: self.view(asset, overlay)?,
                rate,
                collateral,
            });
        }
        if self.pools.is_empty() {
            return Err(Unknown::Balance(self.usd.clone()));
        }
        Ok(JointView {
            asset: &self.usd,
            parts,
        })
    }
}
