//! Public tables: trading rules and brackets.
//!
//! Owns: reading them row by row; a row that cannot be read makes its symbol unknown and no other.
//! Must not know: how often they are asked for.

use std::sync::Arc;

use rust_decimal::Decimal;

use super::{
    WireError, amount, asset, integer, leverage, notional, price, quantity, rate, symbol,
    time_if_any,
};
use crate::exchange::wire::{Scalar, rest as wire};
use crate::margin::account::{Lot, Rules, Symbol};
use crate::margin::amount::{Price, Rate};
use crate::margin::bracket::{Bracket, BracketError, BracketTable};
use crate::mirror::event::{AutoExchange, SymbolBrackets, SymbolRules};

/// A delivery date from here on (the year 2100) means: none.
const NEVER_MS: i64 = 4_102_444_800_000;

/// What `GET /fapi/v1/exchangeInfo` tells.
#[derive(Debug)]
pub(in crate::exchange) struct ExchangeInfo {
    /// Rules of every symbol that could be read.
    pub rules: Vec<SymbolRules>,
    /// When the exchange pays debts of single assets by itself.
    pub auto_exchange: Vec<AutoExchange>,
    /// Request weight per minute, if it is stated.
    pub weight_limit: Option<u32>,
}

/// `GET /fapi/v1/exchangeInfo`.
pub(in crate::exchange) fn exchange_info(
    body: &[u8],
    mut skipped: impl FnMut(String),
) -> Result<ExchangeInfo, WireError> {
    let wire: wire::ExchangeInfo<'_> = serde_json::from_slice(body)?;
    let mut rules = Vec::with_capacity(wire.symbols.len());
    for row in &wire.symbols {
        let read = serde_json::from_str::<wire::SymbolInfo<'_>>(row.get())
            .map_err(WireError::from)
            .and_then(|row| {
                symbol_rules(&row)
                    .map_err(|error| WireError::Json(format!("{}: {error}", row.symbol.as_str())))
            });
        match read {
            Ok(row) => rules.push(row),
            Err(error) => skipped(error.to_string()),
        }
    }
    Ok(ExchangeInfo {
        rules,
        auto_exchange: wire
            .assets
            .iter()
            .filter_map(|row| auto_exchange(row))
            .collect(),
        weight_limit: weight_limit(&wire.rate_limits),
    })
}

/// A row that cannot be read leaves its asset without a threshold: nothing is decided by it.
fn auto_exchange(row: &serde_json::value::RawValue) -> Option<AutoExchange> {
    let row: wire::AssetInfo<'_> = serde_json::from_str(row.get()).ok()?;
    let below = row.auto_asset_exchange;
    Some(AutoExchange {
        asset: asset(&row.asset).ok()?,
        below: below.and_then(|below| amount(below, "autoAssetExchange").ok()),
    })
}

fn weight_limit(limits: &[wire::RateLimit<'_>]) -> Option<u32> {
    limits
        .iter()
        .find(|limit| {
            let is = |text: &Option<crate::exchange::wire::Text<'_>>, word| {
                text.as_ref().is_some_and(|text| text.as_str() == word)
            };
            is(&limit.rate_limit_type, "REQUEST_WEIGHT")
                && is(&limit.interval, "MINUTE")
                && limit.interval_num.is_none_or(|number| number.text() == "1")
        })
        .and_then(|limit| limit.limit?.text().parse().ok())
}

fn symbol_rules(row: &wire::SymbolInfo<'_>) -> Result<SymbolRules, WireError> {
    let status = row.status.as_str();
    let delivery_ms = time_if_any(row.delivery_date, "deliveryDate")?;
    let mut rules = Rules {
        trading: status == "TRADING",
        status: crate::exchange::text::clean_text_to(status, 32),
        margin_asset: asset(&row.margin_asset)?,
        quote_asset: asset(&row.quote_asset)?,
        delivery_ms: delivery_ms.filter(|at| *at < NEVER_MS),
        tick: None,
        price_min: None,
        price_max: None,
        lot: Lot::default(),
        market_lot: Lot::default(),
        notional_min: None,
        price_multiplier_up: None,
        price_multiplier_down: None,
        trigger_protect: positive(row.trigger_protect, |text| rate(text, "triggerProtect"))?
            .filter(|rate| !rate.is_zero()),
    };
    for filter in &row.filters {
        apply(filter, &mut rules)?;
    }
    Ok(SymbolRules {
        symbol: symbol(&row.symbol)?,
        rules,
    })
}

fn apply(filter: &wire::Filter<'_>, rules: &mut Rules) -> Result<(), WireError> {
    let price_part = |part, field| {
        positive(part, |part| price(part, field)).map(|part| part.filter(|p: &Price| !p.is_zero()))
    };
    match filter.filter_type.as_ref().map_or("", |text| text.as_str()) {
        "PRICE_FILTER" => {
            rules.price_min = price_part(filter.min_price, "minPrice")?;
            rules.price_max = price_part(filter.max_price, "maxPrice")?;
            rules.tick = price_part(filter.tick_size, "tickSize")?;
        }
        "LOT_SIZE" => rules.lot = lot(filter)?,
        "MARKET_LOT_SIZE" => rules.market_lot = lot(filter)?,
        "MIN_NOTIONAL" => {
            rules.notional_min = positive(filter.notional, |part| notional(part, "notional"))?
                .filter(|part| !part.is_zero());
        }
        "PERCENT_PRICE" => {
            let part = |part, field| {
                positive(part, |part| rate(part, field))
                    .map(|part| part.filter(|rate| !rate.is_zero()))
            };
            rules.price_multiplier_up = part(filter.multiplier_up, "multiplierUp")?;
            rules.price_multiplier_down = part(filter.multiplier_down, "multiplierDown")?;
        }
        _ => {}
    }
    Ok(())
}

fn lot(filter: &wire::Filter<'_>) -> Result<Lot, WireError> {
    let part = |part, field| {
        positive(part, |part| quantity(part, field)).map(|part| part.filter(|q| !q.is_zero()))
    };
    Ok(Lot {
        min: part(filter.min_qty, "minQty")?,
        max: part(filter.max_qty, "maxQty")?,
        step: part(filter.step_size, "stepSize")?,
    })
}

/// Reads what is there.
fn positive<'a, T>(
    scalar: Option<Scalar<'a>>,
    read: impl Fn(Scalar<'a>) -> Result<T, WireError>,
) -> Result<Option<T>, WireError> {
    scalar.map(read).transpose()
}

/// What `GET /fapi/v1/leverageBracket` tells.
#[derive(Debug)]
pub(in crate::exchange) struct Brackets {
    /// Tables as they are told.
    pub tables: Vec<SymbolBrackets>,
    /// Symbols whose brackets are a multiple of the default ones.
    pub coefficients: Vec<(Symbol, Rate)>,
}

/// `GET /fapi/v1/leverageBracket`: an array, or a single object. A coefficient that cannot be read
/// spoils its symbol's table: what it would mean for it is not known.
pub(in crate::exchange) fn brackets(
    body: &[u8],
    mut skipped: impl FnMut(String),
) -> Result<Brackets, WireError> {
    let is_array = body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
    let rows: Vec<wire::LeverageBracket<'_>> = if is_array {
        serde_json::from_slice(body)?
    } else {
        vec![serde_json::from_slice(body)?]
    };
    let mut tables = Vec::with_capacity(rows.len());
    let mut coefficients = Vec::new();
    for row in &rows {
        let symbol = match symbol(&row.symbol) {
            Ok(symbol) => symbol,
            Err(error) => {
                skipped(error.to_string());
                continue;
            }
        };
        let mut table = table(&row.brackets).map(Arc::new);
        match positive(row.notional_coef, |text| rate(text, "notionalCoef")) {
            Ok(Some(coefficient)) if coefficient != Rate::new(Decimal::ONE) => {
                coefficients.push((symbol.clone(), coefficient));
            }
            Ok(_) => {}
            Err(error) => {
                skipped(format!("{symbol}: {error}"));
                table = Err(BracketError::Arithmetic(1));
            }
        }
        if let Err(error) = &table {
            skipped(format!("{symbol}: its bracket table is refused: {error}"));
        }
        tables.push(SymbolBrackets { symbol, table });
    }
    Ok(Brackets {
        tables,
        coefficients,
    })
}

fn table(rows: &[wire::BracketRow<'_>]) -> Result<BracketTable, BracketError> {
    let mut brackets = Vec::with_capacity(rows.len());
    for (index, row) in rows.iter().enumerate() {
        let number = index.saturating_add(1);
        brackets.push(bracket(row).map_err(|_| BracketError::Arithmetic(number))?);
    }
    // The order of rows is not promised.
    brackets.sort_by_key(|bracket| bracket.floor);
    BracketTable::try_new(brackets)
}

fn bracket(row: &wire::BracketRow<'_>) -> Result<Bracket, WireError> {
    Ok(Bracket {
        floor: notional(row.notional_floor, "notionalFloor")?,
        cap: notional(row.notional_cap, "notionalCap")?,
        maintenance_margin_rate: rate(row.maint_margin_ratio, "maintMarginRatio")?,
        maintenance_amount: amount(row.cum, "cum")?,
        leverage_max: leverage(row.initial_leverage, "initialLeverage")?,
    })
}

/// `GET /fapi/v1/time`.
pub(in crate::exchange) fn server_time(body: &[u8]) -> Result<i64, WireError> {
    let wire: wire::Time<'_> = serde_json::from_slice(body)?;
    integer(wire.server_time, "serverTime")
}

/// `POST` and `PUT /fapi/v1/listenKey`.
pub(in crate::exchange) fn listen_key(body: &[u8]) -> Result<String, WireError> {
    let wire: wire::ListenKey<'_> = serde_json::from_slice(body)?;
    let key = wire.listen_key.as_str();
    if key.is_empty() || key.len() > 1_024 {
        return Err(WireError::Unknown("listenKey"));
    }
    Ok(key.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::margin::amount::{Notional, Quantity, Rate};

    const INFO: &str = r#"{"timezone":"UTC","serverTime":1,"rateLimits":[
        {"rateLimitType":"ORDERS","interval":"MINUTE","intervalNum":1,"limit":1200},
        {"rateLimitType":"REQUEST_WEIGHT","interval":"MINUTE","intervalNum":1,"limit":2400}],
        "symbols":[
        {"symbol":"BTCUSDT","pair":"BTCUSDT","contractType":"PERPETUAL","deliveryDate":4133404800000,
         "status":"TRADING","maintMarginPercent":"2.5000","requiredMarginPercent":"5.0000","baseAsset":"BTC",
         "quoteAsset":"USDT","marginAsset":"USDT","pricePrecision":2,"triggerProtect":"0.0500",
         "filters":[
          {"filterType":"PRICE_FILTER","minPrice":"556.80","maxPrice":"4529764","tickSize":"0.10"},
          {"filterType":"LOT_SIZE","minQty":"0.001","maxQty":"1000","stepSize":"0.001"},
          {"filterType":"MARKET_LOT_SIZE","minQty":"0.001","maxQty":"120","stepSize":"0.001"},
          {"filterType":"MAX_NUM_ORDERS","limit":200},
          {"filterType":"MIN_NOTIONAL","notional":"50"},
          {"filterType":"PERCENT_PRICE","multiplierUp":"1.0500","multiplierDown":"0.9500","multiplierDecimal":"4"},
          {"filterType":"POSITION_RISK_CONTROL","positionControlSide":"NONE"}]},
        {"symbol":"测试USDT","status":"SETTLING","quoteAsset":"USDT","marginAsset":"USDT",
         "deliveryDate":1790000000000,"filters":[{"filterType":"PRICE_FILTER","minPrice":"0","maxPrice":"0","tickSize":"0"}]},
        {"symbol":"BROKEN","status":"TRADING"}]}"#;

    #[test]
    fn exchange_info_is_read_row_by_row() {
        let mut skipped = Vec::new();
        let info = exchange_info(INFO.as_bytes(), |row| skipped.push(row)).unwrap();
        assert_eq!(info.weight_limit, Some(2_400));
        assert_eq!(info.rules.len(), 2);
        assert_eq!(skipped.len(), 1);
        let btc = &info.rules[0].rules;
        assert!(btc.trading);
        assert_eq!(btc.delivery_ms, None);
        assert_eq!(btc.tick, Some(Price::parse("0.1").unwrap()));
        assert_eq!(btc.lot.max, Some(Quantity::parse("1000").unwrap()));
        assert_eq!(btc.market_lot.max, Some(Quantity::parse("120").unwrap()));
        assert_eq!(btc.notional_min, Some(Notional::parse("50").unwrap()));
        assert_eq!(btc.price_multiplier_up, Some(Rate::parse("1.05").unwrap()));
        assert_eq!(btc.trigger_protect, Some(Rate::parse("0.05").unwrap()));
        let other = &info.rules[1].rules;
        assert!(!other.trading);
        assert_eq!(other.delivery_ms, Some(1_790_000_000_000));
        assert_eq!((other.tick, other.price_max), (None, None));
    }

    #[test]
    fn c07_the_placeholder_percentages_are_not_read() {
        let absurd = INFO.replace("2.5000", "garbage").replace("5.0000", "999");
        let info = exchange_info(absurd.as_bytes(), |_| {}).unwrap();
        assert_eq!(info.rules.len(), 2);
    }

    #[test]
    fn p01_brackets_come_as_json_numbers_and_stay_exact() {
        let json = r#"[{"symbol":"BTCUSDT","notionalCoef":1.5,"brackets":[
            {"bracket":1,"initialLeverage":125,"notionalCap":50000,"notionalFloor":0,"maintMarginRatio":0.004,"cum":0.0},
            {"bracket":2,"initialLeverage":100,"notionalCap":"250000","notionalFloor":50000,"maintMarginRatio":5e-3,"cum":"50.0"}]},
            {"symbol":"NEWUSDT","brackets":[]}]"#;
        let mut skipped = Vec::new();
        let read = brackets(json.as_bytes(), |row| skipped.push(row)).unwrap();
        let coefficient = Rate::parse("1.5").unwrap();
        assert_eq!(
            read.coefficients,
            [(read.tables[0].symbol.clone(), coefficient)]
        );
        // What is refused is said by symbol and row.
        assert_eq!(
            skipped,
            ["NEWUSDT: its bracket table is refused: it has no brackets"]
        );
        let all = read.tables;
        let table = all[0].table.as_ref().unwrap();
        assert_eq!(table.brackets().len(), 2);
        assert_eq!(
            table.brackets()[1].maintenance_margin_rate,
            Rate::parse("0.005").unwrap()
        );
        assert_eq!(all[1].table.as_ref().unwrap_err(), &BracketError::Empty);
    }

    #[test]
    fn a_single_object_is_read_like_an_array() {
        let json = r#" {"symbol":"BTCUSDT","brackets":[{"bracket":1,"initialLeverage":125,
            "notionalCap":50000,"notionalFloor":0,"maintMarginRatio":0.004,"cum":0}]}"#;
        assert!(
            brackets(json.as_bytes(), |_| {}).unwrap().tables[0]
                .table
                .is_ok()
        );
    }

    #[test]
    fn a_figure_that_is_none_spoils_its_table_only() {
        let json = r#"[{"symbol":"A","brackets":[{"bracket":1,"initialLeverage":125,
            "notionalCap":50000,"notionalFloor":0,"maintMarginRatio":null,"cum":0}]}]"#;
        let read = brackets(json.as_bytes(), |_| {});
        assert!(read.is_err() || read.unwrap().tables[0].table.is_err());
    }

    #[test]
    fn the_time_is_read() {
        assert_eq!(
            server_time(br#"{"serverTime":1499827319559}"#),
            Ok(1_499_827_319_559)
        );
        assert!(server_time(b"<html>").is_err());
    }
}
