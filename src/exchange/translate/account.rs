//! Account answers: settings, balances, positions.
//!
//! Owns: reading them, and merging the account and the position endpoint.
//! Must not know: how often they are asked for.

use std::collections::BTreeMap;

use super::{
    WireError, amount, asset, flag, flag_if_any, integer, leverage, margin_mode, position_side,
    price, price_if_any, quantity, symbol, time_if_any,
};
use crate::exchange::wire::rest as wire;
use crate::margin::account::{AssetMode, MarginMode, PositionMode, PositionSide, Settings, Symbol};
use crate::margin::amount::{Notional, Quantity};
use crate::mirror::event::{
    AccountConfig, AccountTruth, BalanceUpdate, ExchangeFigures, PositionUpdate, SymbolSettings,
    TruthBalance, TruthPosition,
};

/// The asset that stands for credits where the exchange settles in them (EEA).
///
/// Source: binance-api §2.5.
const CREDITS: &str = "BNFCR";

/// `GET /fapi/v1/accountConfig`.
pub(in crate::exchange) fn account_config(body: &[u8]) -> Result<AccountConfig, WireError> {
    let wire: wire::AccountConfig<'_> = serde_json::from_slice(body)?;
    Ok(AccountConfig {
        position_mode: if flag(wire.dual_side_position, "dualSidePosition")? {
            PositionMode::Hedge
        } else {
            PositionMode::OneWay
        },
        asset_mode: if flag(wire.multi_assets_margin, "multiAssetsMargin")? {
            AssetMode::Multi
        } else {
            AssetMode::Single
        },
        can_trade: flag(wire.can_trade, "canTrade")?,
    })
}

/// `GET /fapi/v1/symbolConfig`. A margin type that is not known is read as crossed, the riskier;
/// a symbol whose leverage cannot be read is left out and thereby unknown.
pub(in crate::exchange) fn symbol_settings(
    body: &[u8],
    mut skipped: impl FnMut(String),
) -> Result<Vec<SymbolSettings>, WireError> {
    let rows: Vec<wire::SymbolConfig<'_>> = serde_json::from_slice(body)?;
    let mut all = Vec::with_capacity(rows.len());
    for row in &rows {
        match settings(row) {
            Ok(settings) => all.push(settings),
            Err(error) => skipped(format!("{}: {error}", row.symbol.as_str())),
        }
    }
    Ok(all)
}

fn settings(row: &wire::SymbolConfig<'_>) -> Result<SymbolSettings, WireError> {
    Ok(SymbolSettings {
        symbol: symbol(&row.symbol)?,
        settings: Settings {
            leverage: leverage(row.leverage, "leverage")?,
            margin_mode: margin_mode(row.margin_type.as_str()).unwrap_or(MarginMode::Crossed),
            auto_add_margin: flag_if_any(row.is_auto_add_margin, "isAutoAddMargin")?,
            // "INF" has been seen: no number, no bound.
            notional_max: row
                .max_notional_value
                .and_then(|value| Notional::parse(value.text()).ok()),
        },
    })
}

/// The two endpoints tell different quantities of a position: something changed between them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::exchange) struct Disagreement {
    /// The first position they disagree about.
    pub symbol: String,
    /// What can be used when they go on disagreeing: the position endpoint is whole in itself.
    pub by_position: AccountTruth,
}

/// `GET /fapi/v3/account` and `GET /fapi/v3/positionRisk`, merged: balances from the first,
/// positions from the second (only it knows the entry price).
pub(in crate::exchange) fn account_truth(
    account: &[u8],
    risk: &[u8],
) -> Result<Result<AccountTruth, Box<Disagreement>>, WireError> {
    let account: wire::Account<'_> = serde_json::from_slice(account)?;
    let risk: Vec<wire::PositionRisk<'_>> = serde_json::from_slice(risk)?;
    let mut balances = Vec::with_capacity(account.assets.len());
    for row in &account.assets {
        balances.push(balance(row)?);
    }
    let mut positions = Vec::new();
    for row in &risk {
        let position = position(row)?;
        if !position.position.quantity.is_zero() {
            positions.push(position);
        }
    }
    let credits = balances
        .iter()
        .any(|row| row.balance.asset.as_str() == CREDITS && !row.balance.wallet_balance.is_zero());
    let truth = AccountTruth {
        balances,
        positions,
        credits,
    };
    Ok(match disagreement(&account.positions, &truth.positions)? {
        None => Ok(truth),
        Some(symbol) => Err(Box::new(Disagreement {
            symbol,
            by_position: truth,
        })),
    })
}

fn disagreement(
    account: &[wire::AccountPosition<'_>],
    risk: &[TruthPosition],
) -> Result<Option<String>, WireError> {
    let mut held: BTreeMap<(Symbol, PositionSide), Quantity> = BTreeMap::new();
    for row in account {
        let side =
            position_side(row.position_side.as_str()).ok_or(WireError::Unknown("positionSide"))?;
        let quantity = quantity(row.position_amt, "positionAmt")?;
        if !quantity.is_zero() {
            held.insert((symbol(&row.symbol)?, side), quantity);
        }
    }
    for row in risk {
        let key = (row.position.symbol.clone(), row.position.position_side);
        if held.remove(&key) != Some(row.position.quantity) {
            return Ok(Some(key.0.to_string()));
        }
    }
    Ok(held
        .into_keys()
        .next()
        .map(|(symbol, _)| symbol.to_string()))
}

fn balance(row: &wire::AccountAsset<'_>) -> Result<TruthBalance, WireError> {
    Ok(TruthBalance {
        balance: BalanceUpdate {
            asset: asset(&row.asset)?,
            wallet_balance: amount(row.wallet_balance, "walletBalance")?,
            cross_wallet_balance: amount(row.cross_wallet_balance, "crossWalletBalance")?,
        },
        updated_ms: row
            .update_time
            .map_or(Ok(0), |time| integer(time, "updateTime"))?,
        figures: ExchangeFigures {
            maintenance_margin: amount(row.maint_margin, "maintMargin")?,
            initial_margin: amount(row.initial_margin, "initialMargin")?,
            open_order_initial_margin: amount(
                row.open_order_initial_margin,
                "openOrderInitialMargin",
            )?,
            available_balance: amount(row.available_balance, "availableBalance")?,
        },
    })
}

fn position(row: &wire::PositionRisk<'_>) -> Result<TruthPosition, WireError> {
    Ok(TruthPosition {
        position: PositionUpdate {
            symbol: symbol(&row.symbol)?,
            position_side: position_side(row.position_side.as_str())
                .ok_or(WireError::Unknown("positionSide"))?,
            quantity: quantity(row.position_amt, "positionAmt")?,
            entry_price: price(row.entry_price, "entryPrice")?,
            isolated_wallet: amount(row.isolated_wallet, "isolatedWallet")?,
            margin_mode: None,
        },
        margin_asset: asset(&row.margin_asset)?,
        updated_ms: time_if_any(row.update_time, "updateTime")?.unwrap_or(0),
        liquidation_price: price_if_any(row.liquidation_price, "liquidationPrice")?,
        // It decides nothing: one that cannot be read is simply not known.
        deleveraging_quantile: row.adl.and_then(|adl| adl.text().parse().ok()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::margin::amount::{Amount, Price};

    const ACCOUNT: &str = r#"{"totalInitialMargin":"0","assets":[
        {"asset":"USDT","walletBalance":"23.72469206","unrealizedProfit":"0.764277",
         "marginBalance":"24.48","maintMargin":"0.08004280","initialMargin":0.61571385,
         "positionInitialMargin":"0.6157","openOrderInitialMargin":"0","crossWalletBalance":"23.72469206",
         "crossUnPnl":"0","availableBalance":"23.10897821","maxWithdrawAmount":"23.1","updateTime":1720736417660}],
        "positions":[{"symbol":"ADAUSDT","positionSide":"BOTH","positionAmt":"30","unrealizedProfit":"0.764277",
         "isolatedMargin":"0","notional":"12.31","isolatedWallet":"0","initialMargin":"0.6","maintMargin":"0.08",
         "updateTime":1720736417660}]}"#;

    const RISK: &str = r#"[{"symbol":"ADAUSDT","positionSide":"BOTH","positionAmt":"30","entryPrice":"0.385",
        "breakEvenPrice":"0.385077","markPrice":"0.41047590","unRealizedProfit":"0.76427700",
        "liquidationPrice":"0","isolatedMargin":"0","notional":"12.31427700","marginAsset":"USDT",
        "isolatedWallet":"0","initialMargin":"0.61571385","maintMargin":"0.08004280","adl":2,
        "bidNotional":"0","askNotional":"0","updateTime":1720736417660},
        {"symbol":"BTCUSDT","positionSide":"BOTH","positionAmt":"0.000","entryPrice":"0.0",
        "liquidationPrice":"0","isolatedWallet":"0","marginAsset":"USDT","updateTime":0}]"#;

    #[test]
    fn the_documented_account_is_read() {
        let truth = account_truth(ACCOUNT.as_bytes(), RISK.as_bytes())
            .unwrap()
            .unwrap();
        assert_eq!(truth.positions.len(), 1);
        let ada = &truth.positions[0];
        assert_eq!(ada.position.entry_price, Price::parse("0.385").unwrap());
        assert_eq!(ada.liquidation_price, None);
        assert_eq!(ada.deleveraging_quantile, Some(2));
        assert_eq!(ada.position.margin_mode, None);
        let usdt = &truth.balances[0];
        assert_eq!(usdt.updated_ms, 1_720_736_417_660);
        assert_eq!(
            usdt.figures.initial_margin,
            Amount::parse("0.61571385").unwrap()
        );
        assert!(!truth.credits);
    }

    #[test]
    fn two_endpoints_that_disagree_are_noticed() {
        let account = ACCOUNT.replace(r#""positionAmt":"30""#, r#""positionAmt":"29""#);
        let disagreement = account_truth(account.as_bytes(), RISK.as_bytes())
            .unwrap()
            .unwrap_err();
        assert_eq!(disagreement.symbol, "ADAUSDT");
        let disagreement = account_truth(ACCOUNT.as_bytes(), b"[]")
            .unwrap()
            .unwrap_err();
        assert_eq!(disagreement.symbol, "ADAUSDT");
        assert!(disagreement.by_position.positions.is_empty());
    }

    #[test]
    fn r05_an_account_that_is_not_activated_is_an_error_and_not_zero() {
        let account = ACCOUNT.replace(r#""walletBalance":"23.72469206""#, r#""walletBalance":"""#);
        let error = account_truth(account.as_bytes(), RISK.as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), "walletBalance is empty");
    }

    #[test]
    fn credits_are_noticed_when_there_are_any() {
        let account = ACCOUNT.replace(r#""asset":"USDT""#, r#""asset":"BNFCR""#);
        let truth = account_truth(account.as_bytes(), RISK.as_bytes())
            .unwrap()
            .unwrap();
        assert!(truth.credits);
    }

    #[test]
    fn p02_every_field_we_require_is_missed_by_name_or_as_json() {
        for field in ["entryPrice", "positionAmt", "isolatedWallet", "marginAsset"] {
            let risk = RISK.replace(&format!("\"{field}\""), "\"other\"");
            assert!(
                account_truth(ACCOUNT.as_bytes(), risk.as_bytes()).is_err(),
                "{field}"
            );
        }
    }

    #[test]
    fn account_config_is_read_with_flags_of_either_type() {
        for json in [
            r#"{"feeTier":0,"canTrade":true,"dualSidePosition":true,"multiAssetsMargin":false}"#,
            r#"{"canTrade":"true","dualSidePosition":"TRUE","multiAssetsMargin":"false"}"#,
        ] {
            let config = account_config(json.as_bytes()).unwrap();
            assert_eq!(config.position_mode, PositionMode::Hedge);
            assert_eq!(config.asset_mode, AssetMode::Single);
            assert!(config.can_trade);
        }
        assert!(account_config(br#"{"canTrade":true,"dualSidePosition":true}"#).is_err());
    }

    #[test]
    fn e12_symbol_settings_in_every_spelling() {
        let json = r#"[
            {"symbol":"BTCUSDT","marginType":"CROSSED","isAutoAddMargin":false,"leverage":20,"maxNotionalValue":"80000000"},
            {"symbol":"ETHUSDT","marginType":"isolated","isAutoAddMargin":"true","leverage":"7","maxNotionalValue":"INF"},
            {"symbol":"XRPUSDT","marginType":"SOMETHING","leverage":5},
            {"symbol":"BADUSDT","marginType":"CROSSED","leverage":0}]"#;
        let mut skipped = Vec::new();
        let all = symbol_settings(json.as_bytes(), |row| skipped.push(row)).unwrap();
        assert_eq!(all.len(), 3);
        assert_eq!(all[0].settings.margin_mode, MarginMode::Crossed);
        assert_eq!(
            all[0].settings.notional_max,
            Some(Notional::parse("80000000").unwrap())
        );
        assert_eq!(all[1].settings.margin_mode, MarginMode::Isolated);
        assert!(all[1].settings.auto_add_margin);
        assert_eq!(all[1].settings.notional_max, None);
        assert_eq!(all[2].settings.margin_mode, MarginMode::Crossed);
        assert_eq!(skipped, ["BADUSDT: leverage is not understood"]);
    }
}
