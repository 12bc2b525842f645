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

    pub(super) fn ticker_price(&self, params: &Params) -> Result<String, Refusal> {
        self.one_or_all(params, |contract| {
            let price = contract.last.text(contract.price_decimals());
            value!({"symbol": contract.symbol, "price": price, "time": self.now_ms}).to_string()
        })
    }

    pub(super) fn ticker_book(&self, params: &Params) -> Result<String, Refusal> {
        self.one_or_all(params, |contract| {
            let decimals = contract.price_decimals();
            value!({
                "symbol": contract.symbol,
                "bidPrice": contract.bid().text(decimals), "bidQty": "100",
                "askPrice": contract.ask().text(decimals), "askQty": "100",
                "time": self.now_ms, "lastUpdateId": self.next_trade,
            })
            .to_string()
        })
    }

    pub(super) fn ticker_day(&self, params: &Params) -> Result<String, Refusal> {
        self.one_or_all(params, |contract| {
            let last = contract.last.text(contract.price_decimals());
            value!({
                "symbol": contract.symbol, "priceChange": "0", "priceChangePercent": "0.000",
                "weightedAvgPrice": last, "lastPrice": last, "lastQty": "1", "openPrice": last,
                "highPrice": last, "lowPrice": last, "volume": "1000", "quoteVolume": "1000000",
                "openTime": self.now_ms - 86_400_000, "closeTime": self.now_ms,
                "firstId": 1, "lastId": 1000, "count": 1000,
            })
            .to_string()
        })
    }

    fn one_or_all(
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

    pub(super) fn depth(&self, params: &Params) -> Result<String, Refusal> {
        let contract = self.contract(params.required("symbol")?)?;
        let decimals = contract.price_decimals();
        let levels = params.limit(20).min(50);
        let side = |best: Fixed, step: Fixed| -> Vec<[String; 2]> {
            let mut price = best;
            let rows = (0..levels).map(|_| {
                let row = [price.text(decimals), "100".to_owned()];
                price += step;
                row
            });
            rows.collect()
        };
        Ok(value!({
            "lastUpdateId": self.next_trade, "E": self.now_ms, "T": self.now_ms,
            "bids": side(contract.bid(), -contract.tick),
            "asks": side(contract.ask(), contract.tick),
        })
        .to_string())
    }

    pub(super) fn klines(&self, params: &Params) -> Result<String, Refusal> {
        const MINUTE_MS: i64 = 60_000;
        let contract = self.contract(params.required("symbol")?)?;
        let minutes = interval_minutes(params.required("interval")?);
        let length_ms = minutes.ok_or_else(|| Refusal::malformed("interval"))? * MINUTE_MS;
        let price = contract.last.text(contract.price_decimals());
        let count = i64::try_from(params.limit(500)).unwrap_or(500);
        let open_ms = self.now_ms.div_euclid(length_ms) * length_ms;
        let rows: Vec<Value> = (0..count)
            .rev()
            .map(|back| {
                let start = open_ms - back * length_ms;
                value!([
                    start,
                    price,
                    price,
                    price,
                    price,
                    "1",
                    start + length_ms - 1,
                    price,
                    1,
                    "1",
                    price,
                    "0"
                ])
            })
            .collect();
        Ok(Value::from(rows).to_string())
    }

    pub(super) fn market_trades(&self, params: &Params) -> Result<String, Refusal> {
        let contract = self.contract(params.required("symbol")?)?;
        let price = contract.last.text(contract.price_decimals());
        Ok(value!([{
            "id": self.next_trade, "price": price, "qty": "1", "quoteQty": price,
            "time": self.now_ms, "isBuyerMaker": false,
        }])
        .to_string())
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

fn interval_minutes(interval: &str) -> Option<i64> {
    let (digits, unit) = interval.split_at_checked(interval.len().checked_sub(1)?)?;
    let minutes = match unit {
        "m" => 1,
        "h" => 60,
        "d" => 1_440,
        "w" => 10_080,
        "M" => 43_200,
        _ => return None,
    };
    digits
        .parse::<i64>()
        .ok()
        .filter(|count| (1..=60).contains(count))
        .map(|count| count * minutes)
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
