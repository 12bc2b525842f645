//! Answers about the market: rules, prices, books.

use serde_json::{Value, json as value};

use super::super::contract::{Contract, QUANTITY_MAX};
use super::super::exact::Fixed;
use super::super::params::Params;
use super::super::refusal::Refusal;
use super::super::wire::json;
use super::super::wire::reply::PremiumIndex;
use super::Venue;
use super::market::ONBOARD_MS;

impl Venue {
    pub(super) fn exchange_info(&self) -> String {
        let symbols: Vec<Value> = self.contracts.values().map(symbol_rules).collect();
        let assets: Vec<Value> = self
            .account
            .cross
            .keys()
            .map(|asset| {
                let threshold = if asset == "BTC" {
                    "-0.10000000"
                } else {
                    "-10000"
                };
                value!({"asset": asset, "marginAvailable": true, "autoAssetExchange": threshold})
            })
            .collect();
        value!({
            "timezone": "UTC",
            "serverTime": self.now_ms,
            "futuresType": "U_MARGINED",
            "rateLimits": rate_limits(),
            "exchangeFilters": [],
            "assets": assets,
            "symbols": symbols,
        })
        .to_string()
    }

    pub(super) fn premium_index(&self, params: &Params) -> Result<String, Refusal> {
        let row = |contract: &Contract| {
            let mark = contract.told_mark().eight();
            let dated = contract.is_dated();
            PremiumIndex {
                symbol: contract.symbol.clone(),
                mark_price: mark.clone(),
                index_price: mark.clone(),
                estimated_settle_price: mark,
                last_funding_rate: if dated {
                    String::new()
                } else {
                    contract.funding_rate.eight()
                },
                interest_rate: if dated {
                    String::new()
                } else {
                    "0.00010000".to_owned()
                },
                next_funding_time: self.next_funding_ms(contract),
                time: self.now_ms,
            }
        };
        self.one_or_all(params, |contract| json(&row(contract)))
    }

    pub(super) fn one_or_all(
        &self,
        params: &Params,
        row: impl Fn(&Contract) -> String,
    ) -> Result<String, Refusal> {
        match params.get("symbol") {
            Some(symbol) => Ok(row(self.contract(symbol)?)),
            None => {
                let rows: Vec<String> = self.contracts.values().map(row).collect();
                Ok(format!("[{}]", rows.join(",")))
            }
        }
    }

    pub(super) fn funding_info(&self) -> String {
        let rows = self
            .contracts
            .values()
            .filter(|contract| !contract.is_dated())
            .map(|contract| {
                value!({
                    "symbol": contract.symbol, "adjustedFundingRateCap": "0.02000000",
                    "adjustedFundingRateFloor": "-0.02000000",
                    "fundingIntervalHours": contract.funding_hours, "disclaimer": false,
                    "updateTime": null,
                })
            });
        Value::from(rows.collect::<Vec<_>>()).to_string()
    }

    pub(super) fn asset_index(&self, params: &Params) -> Result<String, Refusal> {
        let wanted = params.get("symbol");
        let rows: Vec<Value> = self
            .asset_indexes(self.now_ms)
            .into_iter()
            .filter(|row| wanted.is_none_or(|symbol| symbol == row.s))
            .map(|row| {
                value!({
                    "symbol": row.s, "time": self.now_ms, "index": row.i,
                    "bidBuffer": row.b, "askBuffer": row.a,
                    "bidRate": row.bid_rate, "askRate": row.ask_rate,
                    "autoExchangeBidBuffer": row.q, "autoExchangeAskBuffer": row.g,
                    "autoExchangeBidRate": row.auto_bid_rate,
                    "autoExchangeAskRate": row.auto_ask_rate,
                })
            })
            .collect();
        match (wanted, rows.into_iter()) {
            (None, rows) => Ok(Value::from(rows.collect::<Vec<_>>()).to_string()),
            (Some(_), mut rows) => rows
                .next()
                .map(|row| row.to_string())
                .ok_or_else(Refusal::bad_symbol),
        }
    }
}

/// The live limits of 2026-10.
pub(crate) fn rate_limits() -> Value {
    value!([
        {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 2400},
        {"rateLimitType": "ORDERS", "interval": "MINUTE", "intervalNum": 1, "limit": 1200},
        {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 300},
    ])
}

fn symbol_rules(contract: &Contract) -> Value {
    let traditional = contract.is_traditional();
    value!({
        "symbol": contract.symbol,
        "pair": contract.pair(),
        "contractType": contract.kind,
        "deliveryDate": contract.delivery_ms(),
        "onboardDate": ONBOARD_MS,
        "status": contract.status,
        // Placeholders, as on the exchange: whoever reads them as margin rates is wrong.
        "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000",
        "baseAsset": contract.base,
        "quoteAsset": contract.quote,
        "marginAsset": contract.margin_asset,
        "pricePrecision": contract.price_decimals(),
        "quantityPrecision": contract.quantity_decimals(),
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": if traditional { "EQUITY" } else { "COIN" },
        "underlyingSubType": if traditional { value!(["TradFi"]) } else { value!(["PoW"]) },
        "triggerProtect": "0.0500",
        "liquidationFee": contract.liquidation_fee.text(6),
        "marketTakeBound": contract.percent_price.text(2),
        "maxMoveOrderLimit": 10000,
        "filters": filters(contract),
        "orderTypes": ["LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT",
            "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET"],
        "timeInForce": ["GTC", "IOC", "FOK", "GTX", "GTD"],
        "permissionSets": ["GRID", "COPY", "DCA", "RPI"],
    })
}

fn filters(contract: &Contract) -> Value {
    let (tick, step) = (contract.tick.plain(), contract.step.plain());
    let most = QUANTITY_MAX.plain();
    let up = (Fixed::ONE + contract.percent_price).text(4);
    let down = (Fixed::ONE - contract.percent_price).text(4);
    value!([
        {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": "1000000000", "tickSize": tick},
        {"filterType": "LOT_SIZE", "minQty": step, "maxQty": most, "stepSize": step},
        {"filterType": "MARKET_LOT_SIZE", "minQty": step, "maxQty": most, "stepSize": step},
        {"filterType": "MAX_NUM_ORDERS", "limit": 200},
        {"filterType": "MIN_NOTIONAL", "notional": contract.min_notional.plain()},
        {"filterType": "PERCENT_PRICE", "multiplierUp": up, "multiplierDown": down,
            "multiplierDecimal": "4"},
        {"filterType": "POSITION_RISK_CONTROL", "positionControlSide": "NONE"},
    ])
}
