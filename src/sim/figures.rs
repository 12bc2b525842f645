//! Margin arithmetic: what the account's figures are at the present marks.
//!
//! Evaluates, never solves: a pool is liquidated when its margin balance is at or below its
//! maintenance margin at the marks, and a liquidation price is found by halving an interval on that
//! same test. No formula is shared with the engine. Must not change anything.

use std::collections::{BTreeMap, BTreeSet};

use crate::scenario::{AssetMode, PositionSide, Side};

use super::account::{Account, Contracts, Leg, Order, Position};
use super::contract::Contract;
use super::edge::Scales;
use super::exact::{Fixed, Shares};

/// Figures of one margin asset.
#[derive(Debug, Clone, Default)]
pub(crate) struct AssetFigures {
    pub(crate) wallet: Fixed,
    pub(crate) cross_wallet: Fixed,
    pub(crate) unrealized: Fixed,
    pub(crate) cross_unrealized: Fixed,
    pub(crate) maintenance: Fixed,
    pub(crate) cross_maintenance: Fixed,
    /// Initial margin of all positions, isolated ones included.
    pub(crate) position_margin: Shares,
    /// Initial margin of all resting orders.
    pub(crate) order_margin: Shares,
    /// Initial margin of crossed positions.
    pub(crate) cross_position_margin: Shares,
    /// Initial margin of resting orders of isolated contracts.
    pub(crate) isolated_order_margin: Shares,
}

impl AssetFigures {
    pub(crate) fn margin_balance(&self) -> Fixed {
        self.wallet + self.unrealized
    }

    pub(crate) fn initial_margin(&self) -> Shares {
        let mut sum = self.position_margin.clone();
        sum.extend(&self.order_margin);
        sum
    }

    /// What the cross balance must carry: crossed positions and every resting order.
    pub(crate) fn demand(&self) -> Shares {
        let mut sum = self.cross_position_margin.clone();
        sum.extend(&self.order_margin);
        sum
    }

    /// Available for new orders in single-asset mode.
    pub(crate) fn available(&self) -> Fixed {
        at_least_zero(self.cross_wallet + self.cross_unrealized - self.demand().ceil())
    }

    /// Withdrawable in single-asset mode.
    pub(crate) fn withdrawable(&self) -> Fixed {
        let orders = self.isolated_order_margin.ceil();
        let kept = self.cross_wallet - orders - self.cross_maintenance;
        at_least_zero(kept.min(self.available()))
    }
}

/// What positions and resting orders of one contract need.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Exposure {
    /// Notional of the positions at mark.
    pub(crate) held: Fixed,
    /// The larger notional that could be reached when resting orders fill.
    pub(crate) present: Fixed,
    /// Resting opening buys, at order price.
    pub(crate) buys: Fixed,
    /// Resting opening sells, at order price.
    pub(crate) sells: Fixed,
}

/// A pool's equity and maintenance margin.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) equity: Fixed,
    pub(crate) maintenance: Fixed,
}

impl Standing {
    pub(crate) fn is_liquidated(&self) -> bool {
        self.equity <= self.maintenance
    }

    /// What is left above the maintenance margin.
    pub(crate) fn headroom(&self) -> Fixed {
        self.equity - self.maintenance
    }
}

/// An account at the marks of a market.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Figures<'a> {
    pub(crate) account: &'a Account,
    pub(crate) contracts: &'a Contracts,
}

pub(crate) fn at_least_zero(value: Fixed) -> Fixed {
    value.max(Fixed::ZERO)
}

impl<'a> Figures<'a> {
    pub(crate) fn new(account: &'a Account, contracts: &'a Contracts) -> Self {
        Self { account, contracts }
    }

    /// Exposure of a contract as it rests.
    pub(crate) fn exposure(&self, contract: &Contract) -> Exposure {
        self.exposure_with(contract, None)
    }

    /// Exposure with one more opening order of the given side, leg and notional.
    pub(crate) fn exposure_with(
        &self,
        contract: &Contract,
        extra: Option<(Side, PositionSide, Fixed)>,
    ) -> Exposure {
        let resting = self
            .account
            .orders_of(&contract.symbol)
            .filter(|order| !order.only_reduces())
            .map(|order| (order.side, order.leg, order.remaining().times(order.price)));
        let opening: Vec<_> = resting.chain(extra).collect();
        let sum = |side: Side, leg: PositionSide| -> Fixed {
            let matching = opening
                .iter()
                .filter(|order| order.0 == side && order.1 == leg);
            matching.map(|order| order.2).sum()
        };
        let notional = |leg| {
            self.account
                .position(&contract.symbol, leg)
                .amount
                .times(contract.mark)
        };
        let buys = sum(Side::Buy, PositionSide::Both) + sum(Side::Buy, PositionSide::Long);
        let sells = sum(Side::Sell, PositionSide::Both) + sum(Side::Sell, PositionSide::Short);
        let net = notional(PositionSide::Both);
        let legs = notional(PositionSide::Long).abs() + notional(PositionSide::Short).abs();
        // One-way nets and takes the worse side; the legs of hedge mode each count in full.
        let netted = (net + sum(Side::Buy, PositionSide::Both))
            .abs()
            .max((net - sum(Side::Sell, PositionSide::Both)).abs());
        let legs_reached =
            legs + sum(Side::Buy, PositionSide::Long) + sum(Side::Sell, PositionSide::Short);
        Exposure {
            held: net.abs() + legs,
            present: netted + legs_reached,
            buys,
            sells,
        }
    }

    pub(crate) fn maintenance(&self, contract: &Contract, position: &Position) -> Fixed {
        contract
            .brackets
            .maintenance(position.amount.times(contract.mark).abs())
    }

    /// Figures of every margin asset that has a balance or a contract in use.
    pub(crate) fn assets(&self) -> BTreeMap<String, AssetFigures> {
        let mut assets: BTreeMap<String, AssetFigures> = BTreeMap::new();
        for (asset, cross) in &self.account.cross {
            let figures = assets.entry(asset.clone()).or_default();
            figures.cross_wallet = *cross;
            figures.wallet += *cross;
        }
        for ((symbol, _), position) in &self.account.positions {
            let Some(contract) = self.contracts.get(symbol) else {
                continue;
            };
            let figures = assets.entry(contract.margin_asset.clone()).or_default();
            self.add_position(figures, contract, position);
        }
        for symbol in self.symbols_with_orders() {
            let Some(contract) = self.contracts.get(symbol) else {
                continue;
            };
            let figures = assets.entry(contract.margin_asset.clone()).or_default();
            let exposure = self.exposure(contract);
            let leverage = self.account.settings(symbol).leverage;
            figures
                .order_margin
                .add(exposure.present - exposure.held, leverage);
            if self.account.is_isolated(symbol) {
                figures
                    .isolated_order_margin
                    .add(exposure.present - exposure.held, leverage);
            }
        }
        assets
    }

    fn symbols_with_orders(&self) -> BTreeSet<&str> {
        self.account
            .orders
            .values()
            .map(|order: &Order| order.symbol.as_str())
            .collect()
    }

    fn add_position(&self, figures: &mut AssetFigures, contract: &Contract, position: &Position) {
        let unrealized = position.unrealized(contract.mark);
        let maintenance = self.maintenance(contract, position);
        let notional = position.amount.times(contract.mark).abs();
        let leverage = self.account.settings(&contract.symbol).leverage;
        figures.wallet += position.isolated_wallet;
        figures.unrealized += unrealized;
        figures.maintenance += maintenance;
        figures.position_margin.add(notional, leverage);
        if !self.account.is_isolated(&contract.symbol) {
            figures.cross_unrealized += unrealized;
            figures.cross_maintenance += maintenance;
            figures.cross_position_margin.add(notional, leverage);
        }
    }

    /// Available balance in units of `asset`; multi-assets mode converts at the ask rate.
    pub(crate) fn available(&self, asset: &str) -> Fixed {
        match self.account.assets {
            AssetMode::Single => self
                .assets()
                .get(asset)
                .map_or(Fixed::ZERO, AssetFigures::available),
            AssetMode::Multi => {
                let (_, ask) = self.account.rates(asset);
                self.available_usd().over(ask).unwrap_or_default()
            }
        }
    }

    /// Available balance of the whole account in multi-assets mode, in USD.
    pub(crate) fn available_usd(&self) -> Fixed {
        let demand: Fixed = self
            .assets()
            .iter()
            .map(|(asset, figures)| figures.demand().ceil().times(self.account.rates(asset).1))
            .sum();
        at_least_zero(self.pool("").equity - demand)
    }

    /// Whether two margin assets share a pool.
    pub(crate) fn shares_pool(&self, left: &str, right: &str) -> bool {
        self.account.assets == AssetMode::Multi || left == right
    }

    /// The crossed positions of the pool an asset belongs to.
    pub(crate) fn crossed(
        &self,
        asset: &str,
    ) -> impl Iterator<Item = (&'a Contract, &'a Position)> {
        let figures = *self;
        self.account
            .open_positions()
            .filter(move |((symbol, _), _)| !figures.account.is_isolated(symbol))
            .filter_map(move |((symbol, _), position)| {
                Some((figures.contracts.get(symbol)?, position))
            })
            .filter(move |(contract, _)| figures.shares_pool(&contract.margin_asset, asset))
    }

    /// Equity and maintenance margin of the crossed pool an asset belongs to.
    pub(crate) fn pool(&self, asset: &str) -> Standing {
        Scales::pool(*self, asset, None).weigh(|contract| contract.mark)
    }

    /// Equity and maintenance margin that decide over one leg: its own when isolated.
    pub(crate) fn standing(&self, leg: &Leg) -> Standing {
        let scales = self.scales(leg);
        scales.map_or_else(Standing::default, |(_, scales)| {
            scales.weigh(|contract| contract.mark)
        })
    }
}
