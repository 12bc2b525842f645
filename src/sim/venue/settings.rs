//! Leverage, margin type, isolated margin, position mode, asset mode, transfers.

use crate::scenario::{AssetMode, MarginType, PositionMode};

use super::super::account::{BALANCE_DECIMALS, Leg};
use super::super::exact::{Fixed, Shares};
use super::super::figures::{AssetFigures, at_least_zero};
use super::super::refusal::Refusal;
use super::super::wire::event::{AssetModeChange, ConfigUpdate, LeverageChange};
use super::super::wire::json;
use super::Venue;
use super::fill::net;

impl Venue {
    pub(super) fn set_leverage(&mut self, symbol: &str, leverage: u32) -> Result<(), Refusal> {
        let contract = self.contract(symbol)?;
        if leverage == 0 || leverage > contract.brackets.leverage_max() {
            return Err(Refusal::bad_leverage());
        }
        let before = self.account.settings(symbol);
        let holds = self.account.holds(symbol);
        if self.account.is_isolated(symbol) && holds && leverage < before.leverage {
            return Err(Refusal::isolated_leverage_cut());
        }
        let exposure = self.figures().exposure(contract);
        if exposure.present > contract.brackets.notional_max(leverage) {
            return Err(Refusal::position_cap());
        }
        if leverage < before.leverage {
            let mut more = Shares::default();
            more.add(exposure.present, leverage);
            let mut less = Shares::default();
            less.add(exposure.present, before.leverage);
            let needed = more.ceil() - less.floor();
            if needed > self.figures().available(&contract.margin_asset) {
                return Err(Refusal::leverage_short());
            }
        }
        self.account
            .settings
            .entry(symbol.to_owned())
            .or_default()
            .leverage = leverage;
        let change = LeverageChange {
            s: symbol.to_owned(),
            l: leverage,
        };
        self.tell_config(Some(change), None);
        Ok(())
    }

    fn tell_config(&mut self, ac: Option<LeverageChange>, ai: Option<AssetModeChange>) {
        let event = ConfigUpdate {
            e: "ACCOUNT_CONFIG_UPDATE",
            emitted: self.now_ms,
            time: self.now_ms,
            ac,
            ai,
        };
        self.emit("ACCOUNT_CONFIG_UPDATE", json(&event));
    }

    pub(super) fn set_margin_type(
        &mut self,
        symbol: &str,
        margin_type: MarginType,
    ) -> Result<(), Refusal> {
        self.contract(symbol)?;
        if self.account.assets == AssetMode::Multi && margin_type == MarginType::Isolated {
            return Err(Refusal::multi_blocks_isolated());
        }
        if self.account.settings(symbol).margin_type == margin_type {
            return Err(Refusal::same_margin_type());
        }
        if self.account.orders_of(symbol).next().is_some() {
            return Err(Refusal::margin_type_orders());
        }
        if self.account.holds(symbol) {
            return Err(Refusal::margin_type_position());
        }
        self.account
            .settings
            .entry(symbol.to_owned())
            .or_default()
            .margin_type = margin_type;
        let asset = self.margin_asset(symbol);
        self.tell_account(
            "MARGIN_TYPE_CHANGE",
            &asset,
            Fixed::ZERO,
            &[net(symbol)],
            None,
        );
        Ok(())
    }

    /// Adds (positive) or removes (negative) isolated margin.
    pub(super) fn change_margin(&mut self, leg: &Leg, amount: Fixed) -> Result<(), Refusal> {
        let contract = self.contract(&leg.0)?;
        if amount.is_zero() {
            return Err(Refusal::amount_positive());
        }
        if !self.account.is_isolated(&leg.0) {
            return Err(Refusal::only_isolated());
        }
        let position = self.account.position(&leg.0, leg.1);
        if position.amount.is_zero() {
            return Err(Refusal::no_position());
        }
        let asset = contract.margin_asset.clone();
        if amount.is_positive() && amount > self.addable(&asset) {
            return Err(Refusal::cross_insufficient());
        }
        if amount.is_negative() && -amount > self.removable(leg) {
            return Err(Refusal::isolated_insufficient());
        }
        self.account.lock(&asset, leg, amount);
        self.account
            .positions
            .entry(leg.clone())
            .or_default()
            .updated_ms = self.now_ms;
        self.tell_account(
            "MARGIN_TRANSFER",
            &asset,
            Fixed::ZERO,
            std::slice::from_ref(leg),
            None,
        );
        Ok(())
    }

    /// Largest isolated margin that can be added (margin-math section 10).
    pub(super) fn addable(&self, asset: &str) -> Fixed {
        let assets = self.figures().assets();
        let Some(figures) = assets.get(asset) else {
            return Fixed::ZERO;
        };
        let kept = figures.isolated_order_margin.ceil() + figures.cross_maintenance;
        at_least_zero((figures.cross_wallet - kept).min(figures.available()))
    }

    /// Largest isolated margin that can be removed (margin-math section 10).
    fn removable(&self, leg: &Leg) -> Fixed {
        let Some(contract) = self.contracts.get(&leg.0) else {
            return Fixed::ZERO;
        };
        let position = self.account.position(&leg.0, leg.1);
        let maintenance = self.figures().maintenance(contract, &position);
        let mut initial = Shares::default();
        let notional = position.amount.times(contract.mark).abs();
        initial.add(notional, self.account.settings(&leg.0).leverage);
        let by_maintenance = position.isolated_wallet - maintenance;
        let by_initial =
            position.isolated_wallet + position.unrealized(contract.mark) - initial.ceil();
        at_least_zero(by_maintenance.min(by_initial)).cut(BALANCE_DECIMALS)
    }

    /// Switches the position mode; nothing is pushed for it.
    pub(super) fn set_position_mode(&mut self, mode: PositionMode) -> Result<(), Refusal> {
        if self.account.mode == mode {
            return Err(Refusal::same_position_mode());
        }
        if !self.account.orders.is_empty() || !self.account.algos.is_empty() {
            return Err(Refusal::mode_orders());
        }
        if self.account.open_positions().next().is_some() {
            return Err(Refusal::mode_positions());
        }
        self.account.mode = mode;
        Ok(())
    }

    pub(super) fn set_asset_mode(&mut self, mode: AssetMode) -> Result<(), Refusal> {
        if self.account.assets == mode {
            return Err(Refusal::same_asset_mode());
        }
        if !self.account.orders.is_empty() {
            return Err(Refusal::multi_orders());
        }
        let mut settings = self.account.settings.values();
        if mode == AssetMode::Multi
            && settings.any(|settings| settings.margin_type == MarginType::Isolated)
        {
            return Err(Refusal::isolated_blocks_multi());
        }
        self.account.assets = mode;
        self.tell_config(
            None,
            Some(AssetModeChange {
                j: mode == AssetMode::Multi,
            }),
        );
        Ok(())
    }

    /// Money in or out; out only as far as it is withdrawable.
    pub(super) fn transfer(&mut self, asset: &str, amount: Fixed) -> Result<(), Refusal> {
        let withdrawable = self
            .figures()
            .assets()
            .get(asset)
            .map(AssetFigures::withdrawable)
            .unwrap_or_default();
        if amount.is_negative() && -amount > withdrawable {
            return Err(Refusal::cross_insufficient());
        }
        self.account.post(asset, amount);
        let reason = if amount.is_negative() {
            "WITHDRAW"
        } else {
            "DEPOSIT"
        };
        self.tell_account(reason, asset, amount, &[], None);
        self.record_balance_income("", "TRANSFER", asset, amount);
        Ok(())
    }
}
