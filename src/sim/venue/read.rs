//! Answers about the account. Every figure is cut at eight decimals.

use std::collections::BTreeSet;

use crate::scenario::{AssetMode, PositionSide};

use super::super::account::{Leg, Position, leg_name};
use super::super::contract::Contract;
use super::super::exact::{Fixed, Shares};
use super::super::figures::{AssetFigures, Exposure};
use super::super::params::Params;
use super::super::refusal::Refusal;
use super::super::wire::reply::{
    AccountPositionV2, AccountPositionV3, AccountReply, AssetRow, BalanceReply, BracketReply,
    PositionRiskV2, PositionRiskV3, Rights, SymbolBrackets, SymbolConfig,
};
use super::super::wire::{json, number};
use super::Venue;
use super::notice::margin_type_name;

/// One leg with all that is printed of it.
struct Row<'a> {
    contract: &'a Contract,
    leg: Leg,
    position: Position,
    exposure: Exposure,
    leverage: u32,
    isolated: bool,
    maintenance: Fixed,
}

impl Row<'_> {
    fn notional(&self) -> Fixed {
        self.position.amount.times(self.contract.mark)
    }

    fn unrealized(&self) -> Fixed {
        self.position.unrealized(self.contract.mark)
    }

    fn isolated_margin(&self) -> Fixed {
        if self.isolated && !self.position.amount.is_zero() {
            self.position.isolated_wallet + self.unrealized()
        } else {
            Fixed::ZERO
        }
    }

    fn position_margin(&self) -> Shares {
        let mut margin = Shares::default();
        margin.add(self.notional().abs(), self.leverage);
        margin
    }

    /// Margin of the resting orders of the leg; in hedge mode each leg has its opening side.
    fn order_margin(&self) -> Shares {
        let notional = match self.leg.1 {
            PositionSide::Both => self.exposure.present - self.exposure.held,
            PositionSide::Long => self.exposure.buys,
            PositionSide::Short => self.exposure.sells,
        };
        let mut margin = Shares::default();
        margin.add(notional, self.leverage);
        margin
    }

    fn initial_margin(&self) -> Shares {
        let mut margin = self.position_margin();
        margin.extend(&self.order_margin());
        margin
    }

    fn notional_max(&self) -> Fixed {
        self.contract.brackets.notional_max(self.leverage)
    }

    fn amount(&self) -> String {
        self.position.amount.text(self.contract.quantity_decimals())
    }
}

impl Venue {
    fn row<'a>(&'a self, contract: &'a Contract, leg: PositionSide) -> Row<'a> {
        let symbol = contract.symbol.clone();
        let position = self.account.position(&symbol, leg);
        let settings = self.account.settings(&symbol);
        Row {
            contract,
            maintenance: self.figures().maintenance(contract, &position),
            exposure: self.figures().exposure(contract),
            leverage: settings.leverage,
            isolated: self.account.is_isolated(&symbol),
            leg: (symbol, leg),
            position,
        }
    }

    /// Rows of every contract, or of those with a position or an open order only.
    fn rows(&self, symbol: Option<&str>, in_use_only: bool) -> Vec<Row<'_>> {
        let in_use: BTreeSet<&str> = self
            .account
            .open_positions()
            .map(|((symbol, _), _)| symbol.as_str())
            .chain(
                self.account
                    .orders
                    .values()
                    .map(|order| order.symbol.as_str()),
            )
            .collect();
        let mut rows = Vec::new();
        for contract in self.contracts.values() {
            let named = symbol.is_none_or(|symbol| symbol == contract.symbol);
            if !named || in_use_only && !in_use.contains(contract.symbol.as_str()) {
                continue;
            }
            for leg in self.account.legs() {
                rows.push(self.row(contract, *leg));
            }
        }
        rows
    }

    pub(super) fn account_v3(&self) -> String {
        let rows = self.rows(None, true);
        let positions = rows.iter().map(|row| AccountPositionV3 {
            symbol: row.leg.0.clone(),
            position_side: leg_name(row.leg.1),
            position_amt: row.amount(),
            unrealized_profit: row.unrealized().eight(),
            isolated_margin: row.isolated_margin().eight(),
            notional: row.notional().eight(),
            isolated_wallet: row.position.isolated_wallet.eight(),
            initial_margin: row.initial_margin().floor().eight(),
            maint_margin: row.maintenance.eight(),
            update_time: row.position.updated_ms,
        });
        json(&self.account_reply(None, positions.collect()))
    }

    pub(super) fn account_v2(&self) -> String {
        let rows = self.rows(None, false);
        let positions = rows.iter().map(|row| AccountPositionV2 {
            symbol: row.leg.0.clone(),
            initial_margin: row.initial_margin().floor().eight(),
            maint_margin: row.maintenance.eight(),
            unrealized_profit: row.unrealized().eight(),
            position_initial_margin: row.position_margin().floor().eight(),
            open_order_initial_margin: row.order_margin().floor().eight(),
            leverage: row.leverage.to_string(),
            isolated: row.isolated,
            entry_price: row.position.entry.plain(),
            max_notional: row.notional_max().plain(),
            bid_notional: row.exposure.buys.plain(),
            ask_notional: row.exposure.sells.plain(),
            position_side: leg_name(row.leg.1),
            position_amt: row.amount(),
            notional: row.notional().eight(),
            isolated_wallet: row.position.isolated_wallet.eight(),
            update_time: row.position.updated_ms,
        });
        let rights = Rights {
            fee_burn: Some(false),
            dual_side_position: None,
            ..self.rights()
        };
        json(&self.account_reply(Some(rights), positions.collect()))
    }

    fn rights(&self) -> Rights {
        Rights {
            fee_tier: 0,
            can_trade: true,
            can_deposit: true,
            can_withdraw: true,
            update_time: 0,
            multi_assets_margin: self.account.assets == AssetMode::Multi,
            trade_group_id: -1,
            dual_side_position: Some(self.is_hedge()),
            fee_burn: None,
        }
    }

    pub(super) fn account_config(&self) -> String {
        json(&self.rights())
    }

    fn account_reply<P: serde::Serialize>(
        &self,
        rights: Option<Rights>,
        positions: Vec<P>,
    ) -> AccountReply<P> {
        let assets = self.figures().assets();
        let multi = self.account.assets == AssetMode::Multi;
        let usdt = assets.get("USDT").cloned().unwrap_or_default();
        let usd = self.figures().available_usd();
        let (available, withdrawable) = if multi {
            (usd, usd)
        } else {
            (usdt.available(), usdt.withdrawable())
        };
        // Single-asset mode totals USDT alone; multi-assets mode values everything in USD,
        // what is held at the bid rate, what is required at the ask, crossed positions only.
        let counted = || {
            assets
                .iter()
                .filter(|(asset, _)| multi || asset.as_str() == "USDT")
        };
        let held = |of: fn(&AssetFigures) -> Fixed| -> String {
            let sum: Fixed = counted()
                .map(|(asset, figures)| self.in_usd(asset, of(figures)))
                .sum();
            sum.eight()
        };
        let required = |single: fn(&AssetFigures) -> Fixed, pool: fn(&AssetFigures) -> Fixed| {
            let of = if multi { pool } else { single };
            let at_ask = |asset: &str, amount: Fixed| amount.times(self.account.rates(asset).1);
            let sum: Fixed = counted()
                .map(|(asset, figures)| at_ask(asset, of(figures)))
                .sum();
            sum.eight()
        };
        AccountReply {
            rights,
            total_initial_margin: required(
                |figures| figures.initial_margin().floor(),
                |figures| figures.demand().floor(),
            ),
            total_maint_margin: required(
                |figures| figures.maintenance,
                |figures| figures.cross_maintenance,
            ),
            total_wallet_balance: held(|figures| figures.wallet),
            total_unrealized_profit: held(|figures| figures.unrealized),
            total_margin_balance: held(AssetFigures::margin_balance),
            total_position_initial_margin: required(
                |figures| figures.position_margin.floor(),
                |figures| figures.cross_position_margin.floor(),
            ),
            total_open_order_initial_margin: required(
                |figures| figures.order_margin.floor(),
                |figures| figures.order_margin.floor(),
            ),
            total_cross_wallet_balance: held(|figures| figures.cross_wallet),
            total_cross_un_pnl: held(|figures| figures.cross_unrealized),
            available_balance: available.eight(),
            max_withdraw_amount: withdrawable.eight(),
            assets: assets
                .iter()
                .map(|(asset, row)| self.asset_row(asset, row))
                .collect(),
            positions,
        }
    }

    /// An asset's amount in USD: positive at the bid rate, owed at the ask; as it is in
    /// single-asset mode.
    fn in_usd(&self, asset: &str, amount: Fixed) -> Fixed {
        let (bid, ask) = self.account.rates(asset);
        amount.times(bid).min(amount.times(ask))
    }

    fn asset_row(&self, asset: &str, figures: &AssetFigures) -> AssetRow {
        let multi = self.account.assets == AssetMode::Multi;
        let (available, withdrawable) = if multi {
            let usd = self.figures().available_usd();
            (usd, self.figures().available(asset).min(figures.wallet))
        } else {
            (figures.available(), figures.withdrawable())
        };
        AssetRow {
            asset: asset.to_owned(),
            wallet_balance: figures.wallet.eight(),
            unrealized_profit: figures.unrealized.eight(),
            margin_balance: figures.margin_balance().eight(),
            maint_margin: figures.maintenance.eight(),
            initial_margin: figures.initial_margin().floor().eight(),
            position_initial_margin: figures.position_margin.floor().eight(),
            open_order_initial_margin: figures.order_margin.floor().eight(),
            cross_wallet_balance: figures.cross_wallet.eight(),
            cross_un_pnl: figures.cross_unrealized.eight(),
            available_balance: available.eight(),
            max_withdraw_amount: withdrawable.max(Fixed::ZERO).eight(),
            margin_available: true,
            update_time: self.now_ms,
        }
    }

    pub(super) fn balance(&self) -> String {
        let assets = self.figures().assets();
        let rows = assets.iter().map(|(asset, figures)| {
            let row = self.asset_row(asset, figures);
            BalanceReply {
                account_alias: "SgsR",
                asset: asset.clone(),
                balance: row.wallet_balance,
                cross_wallet_balance: row.cross_wallet_balance,
                cross_un_pnl: row.cross_un_pnl,
                available_balance: self.figures().available(asset).eight(),
                max_withdraw_amount: row.max_withdraw_amount,
                margin_available: true,
                update_time: self.now_ms,
            }
        });
        json(&rows.collect::<Vec<_>>())
    }

    pub(super) fn position_risk_v3(&self, params: &Params) -> Result<String, Refusal> {
        let symbol = self.named_symbol(params)?;
        let rows = self.rows(symbol, true);
        let rows = rows.iter().map(|row| PositionRiskV3 {
            symbol: row.leg.0.clone(),
            position_side: leg_name(row.leg.1),
            position_amt: row.amount(),
            entry_price: row.position.entry.plain(),
            break_even_price: row.position.break_even().plain(),
            mark_price: row.contract.told_mark().eight(),
            un_realized_profit: row.unrealized().eight(),
            liquidation_price: self.figures().liquidation_price(&row.leg).text(8),
            isolated_margin: row.isolated_margin().eight(),
            notional: row.notional().eight(),
            margin_asset: row.contract.margin_asset.clone(),
            isolated_wallet: row.position.isolated_wallet.eight(),
            initial_margin: row.initial_margin().floor().eight(),
            maint_margin: row.maintenance.eight(),
            position_initial_margin: row.position_margin().floor().eight(),
            open_order_initial_margin: row.order_margin().floor().eight(),
            adl: u8::from(!row.position.amount.is_zero()),
            bid_notional: row.exposure.buys.plain(),
            ask_notional: row.exposure.sells.plain(),
            update_time: row.position.updated_ms,
        });
        Ok(json(&rows.collect::<Vec<_>>()))
    }

    pub(super) fn position_risk_v2(&self, params: &Params) -> Result<String, Refusal> {
        let symbol = self.named_symbol(params)?;
        let rows = self.rows(symbol, false);
        let rows = rows.iter().map(|row| {
            let auto_add = self.account.settings(&row.leg.0).auto_add;
            PositionRiskV2 {
                symbol: row.leg.0.clone(),
                position_amt: row.amount(),
                entry_price: row.position.entry.plain(),
                break_even_price: row.position.break_even().plain(),
                mark_price: row.contract.told_mark().eight(),
                un_realized_profit: row.unrealized().eight(),
                liquidation_price: self.figures().liquidation_price(&row.leg).plain(),
                leverage: row.leverage.to_string(),
                max_notional_value: row.notional_max().plain(),
                margin_type: if row.isolated { "isolated" } else { "cross" },
                isolated_margin: row.isolated_margin().eight(),
                is_auto_add_margin: if auto_add { "true" } else { "false" },
                position_side: leg_name(row.leg.1),
                notional: row.notional().eight(),
                isolated_wallet: row.position.isolated_wallet.eight(),
                update_time: row.position.updated_ms,
            }
        });
        Ok(json(&rows.collect::<Vec<_>>()))
    }

    /// The optional symbol of a call, which must then exist.
    pub(super) fn named_symbol<'a>(&self, params: &'a Params) -> Result<Option<&'a str>, Refusal> {
        let symbol = params.get("symbol");
        if let Some(symbol) = symbol {
            self.contract(symbol)?;
        }
        Ok(symbol)
    }

    pub(super) fn symbol_config(&self, params: &Params) -> Result<String, Refusal> {
        let symbol = self.named_symbol(params)?;
        let named = |contract: &&Contract| symbol.is_none_or(|symbol| symbol == contract.symbol);
        let rows = self.contracts.values().filter(named).map(|contract| {
            let settings = self.account.settings(&contract.symbol);
            SymbolConfig {
                symbol: contract.symbol.clone(),
                margin_type: margin_type_name(settings),
                is_auto_add_margin: settings.auto_add,
                leverage: settings.leverage,
                max_notional_value: contract.brackets.notional_max(settings.leverage).plain(),
            }
        });
        Ok(json(&rows.collect::<Vec<_>>()))
    }

    pub(super) fn leverage_bracket(&self, params: &Params) -> Result<String, Refusal> {
        let symbol = self.named_symbol(params)?;
        let named = |contract: &&Contract| symbol.is_none_or(|symbol| symbol == contract.symbol);
        let rows = self
            .contracts
            .values()
            .filter(named)
            .map(|contract| SymbolBrackets {
                symbol: contract.symbol.clone(),
                notional_coef: contract
                    .coefficient
                    .map(|(coefficient, _)| number(coefficient)),
                brackets: bracket_replies(contract),
            });
        Ok(json(&rows.collect::<Vec<_>>()))
    }
}

fn bracket_replies(contract: &Contract) -> Vec<BracketReply> {
    let told = |money: Fixed| match contract.coefficient {
        Some((coefficient, true)) => money.over(coefficient).unwrap_or_default(),
        _ => money,
    };
    let table = contract.brackets.0.iter().enumerate();
    let rows = table.map(|(index, bracket)| BracketReply {
        bracket: index + 1,
        initial_leverage: bracket.leverage_max,
        notional_cap: number(told(bracket.cap)),
        notional_floor: number(told(bracket.floor)),
        maint_margin_ratio: number(bracket.rate),
        cum: number(told(bracket.cum)),
    });
    rows.collect()
}
