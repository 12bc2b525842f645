//! Balance sheets, and the proof of the running sums.
//!
//! Owns: what a pool has and keeps without any search, from running sums and from nothing.
//! Must not know: searches, replaced symbols.

use super::super::account::{Asset, AssetMode};
use super::super::anew::Sums;
use super::super::contribution::Contribution;
use super::super::pool::BalanceSheet;
use super::super::what_if::Overlay;
use super::{Book, Unknown};

impl Book {
    /// What the pool to which this asset's positions belong has and keeps, without any search.
    ///
    /// # Errors
    /// What is not known.
    pub fn balance_sheet(&self, asset: &Asset) -> Result<BalanceSheet, Unknown> {
        let figures = match self.asset_mode {
            AssetMode::Single => self.view(asset, Overlay::NONE)?.balance_sheet(),
            AssetMode::Multi => self.joint_view(|_| Overlay::NONE)?.balance_sheet(),
        };
        figures.map_err(Unknown::from)
    }

    /// The same balance sheet with every sum made from nothing, in one pass over the positions: what
    /// running sums must come to, and how they are proved.
    ///
    /// # Errors
    /// What is not known.
    pub fn balance_sheet_anew(&self, asset: &Asset) -> Result<BalanceSheet, Unknown> {
        match self.asset_mode {
            AssetMode::Single => {
                let (asset, _, cross_wallet) = self.purse(asset, &[])?;
                Ok(self.sums_anew(asset)?.balance_sheet(cross_wallet)?)
            }
            AssetMode::Multi => {
                let mut view = self.joint_view(|_| Overlay::NONE)?;
                for part in &mut view.parts {
                    let totals = self.sums_anew(part.view.asset)?.totals()?;
                    part.view.sums = Contribution::from(&totals);
                }
                Ok(view.balance_sheet()?)
            }
        }
    }

    /// Holds the running sums of every pool in use against sums made from nothing. Pools that differ
    /// are told, as they ran and as they are, and every sum is made anew.
    pub fn prove(&mut self) -> Vec<(Asset, BalanceSheet, BalanceSheet)> {
        let mut wrong = Vec::new();
        for asset in self.pools_in_use() {
            if let (Ok(running), Ok(anew)) =
                (self.balance_sheet(asset), self.balance_sheet_anew(asset))
                && running != anew
            {
                wrong.push((asset.clone(), running, anew));
            }
        }
        if !wrong.is_empty() {
            self.rebuild();
        }
        wrong
    }

    fn sums_anew(&self, asset: &Asset) -> Result<Sums, Unknown> {
        let mut sums = Sums::nothing();
        for entry in &self.entries {
            if entry.state.margin_asset.as_ref() == Some(asset) {
                sums.add(&entry.state, self.position_mode)
                    .map_err(|missing| Unknown::Symbol(entry.symbol.clone(), missing))?;
            }
        }
        Ok(sums)
    }
}
