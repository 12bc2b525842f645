//! Answers about prices: tickers, books, candles, trades, and the same as the streams word them.

use serde_json::{Value, json as value};

use super::super::contract::{Contract, LEVELS};
use super::super::exact::Fixed;
use super::super::history::{Candle, Interval, Print};
use super::super::params::Params;
use super::super::refusal::Refusal;
use super::Venue;

const FUNDING_ROWS_MAX: usize = 1_000;

impl Venue {
    pub(super) fn ticker_price(&self, params: &Params) -> Result<String, Refusal> {
        self.one_or_all(params, |contract| {
            let price = contract.last.text(contract.price_decimals());
            value!({"symbol": contract.symbol, "price": price, "time": self.now_ms}).to_string()
        })
    }

    pub(super) fn ticker_book(&self, params: &Params) -> Result<String, Refusal> {
        self.one_or_all(params, |contract| {
            let decimals = contract.price_decimals();
            let quantity = contract.touch_quantity().plain();
            value!({
                "symbol": contract.symbol,
                "bidPrice": contract.bid().text(decimals), "bidQty": quantity,
                "askPrice": contract.ask().text(decimals), "askQty": quantity,
                "time": self.now_ms, "lastUpdateId": self.now_ms,
            })
            .to_string()
        })
    }

    pub(super) fn ticker_day(&self, params: &Params) -> Result<String, Refusal> {
        self.one_or_all(params, |contract| {
            let day = Day::of(contract, self.now_ms);
            value!({
                "symbol": contract.symbol, "priceChange": day.change,
                "priceChangePercent": day.percent, "weightedAvgPrice": day.average,
                "lastPrice": day.last, "lastQty": day.last_quantity, "openPrice": day.open,
                "highPrice": day.high, "lowPrice": day.low, "volume": day.volume,
                "quoteVolume": day.turnover, "openTime": day.open_ms, "closeTime": self.now_ms,
                "firstId": 1, "lastId": day.trades, "count": day.trades,
            })
            .to_string()
        })
    }

    pub(super) fn depth(&self, params: &Params) -> Result<String, Refusal> {
        let contract = self.contract(params.required("symbol")?)?;
        let count = params.limit(500).min(LEVELS);
        let (bids, asks) = contract.book();
        Ok(value!({
            "lastUpdateId": self.now_ms, "E": self.now_ms, "T": self.now_ms,
            "bids": level_rows(contract, bids.into_iter().take(count)),
            "asks": level_rows(contract, asks.into_iter().take(count)),
        })
        .to_string())
    }

    /// Candles of the last price; mark, index and continuous candles are the same prices.
    pub(super) fn klines(&self, params: &Params) -> Result<String, Refusal> {
        let symbol = params.get("pair").or(params.get("symbol"));
        let contract = self.contract(symbol.ok_or_else(|| Refusal::missing("symbol"))?)?;
        let interval = Interval::parse(params.required("interval")?);
        let interval = interval.ok_or_else(Refusal::bad_interval)?;
        let since_ms = params.integer("startTime")?;
        let until_ms = params.integer("endTime")?.unwrap_or(i64::MAX);
        let count = params.limit_up_to(500, 1_500);
        let begin = |time_ms| interval.begin(time_ms);
        let found = contract
            .history
            .candles(begin, self.now_ms, (since_ms, until_ms), count);
        let decimals = contract.price_decimals();
        let rows = found.iter().map(|candle| {
            let half = candle.volume.times(Fixed::new(5, 1));
            value!([
                candle.open_ms,
                candle.open.text(decimals),
                candle.high.text(decimals),
                candle.low.text(decimals),
                candle.close.text(decimals),
                candle.volume.plain(),
                interval.end(candle.open_ms),
                candle.turnover().plain(),
                candle.trades,
                half.plain(),
                candle.turnover().times(Fixed::new(5, 1)).cut(8).plain(),
                "0"
            ])
        });
        Ok(Value::from(rows.collect::<Vec<_>>()).to_string())
    }

    pub(super) fn market_trades(&self, params: &Params) -> Result<String, Refusal> {
        let contract = self.contract(params.required("symbol")?)?;
        let rows = self.latest(contract, params).map(|print| {
            value!({
                "id": print.id, "price": print.price.text(contract.price_decimals()),
                "qty": print.quantity.plain(),
                "quoteQty": print.price.times(print.quantity).plain(),
                "time": print.time_ms, "isBuyerMaker": print.buyer_is_maker,
            })
        });
        Ok(Value::from(rows.collect::<Vec<_>>()).to_string())
    }

    pub(super) fn aggregate_trades(&self, params: &Params) -> Result<String, Refusal> {
        let contract = self.contract(params.required("symbol")?)?;
        let rows = self.latest(contract, params).map(|print| {
            value!({
                "a": print.id, "p": print.price.text(contract.price_decimals()),
                "q": print.quantity.plain(), "f": print.id, "l": print.id, "T": print.time_ms,
                "m": print.buyer_is_maker,
            })
        });
        Ok(Value::from(rows.collect::<Vec<_>>()).to_string())
    }

    fn latest<'a>(
        &self,
        contract: &'a Contract,
        params: &Params,
    ) -> impl Iterator<Item = &'a Print> {
        let all: Vec<&Print> = contract.history.prints().collect();
        let skipped = all.len().saturating_sub(params.limit(500));
        all.into_iter().skip(skipped)
    }

    /// The settlements before now, at the present rate, as far back as the candles go.
    pub(super) fn funding_rates(&self, params: &Params) -> Result<String, Refusal> {
        let contract = self.contract(params.required("symbol")?)?;
        let interval_ms = i64::from(contract.funding_hours) * 3_600_000;
        if interval_ms == 0 {
            return Ok("[]".to_owned());
        }
        let since_ms = params.integer("startTime")?;
        let until_ms = params.integer("endTime")?.unwrap_or(i64::MAX);
        let count = params.limit(100);
        let begin = move |time_ms: i64| time_ms.div_euclid(interval_ms) * interval_ms;
        let periods =
            contract
                .history
                .candles(begin, self.now_ms, (None, i64::MAX), FUNDING_ROWS_MAX);
        // A period opens with a settlement; the first may have opened before the first price.
        let mut rows: Vec<Value> = periods
            .iter()
            .skip(1)
            .filter(|period| since_ms.is_none_or(|since_ms| period.open_ms >= since_ms))
            .filter(|period| period.open_ms <= until_ms)
            .map(|period| {
                value!({
                    "symbol": contract.symbol, "fundingTime": period.open_ms,
                    "fundingRate": contract.funding_rate.eight(),
                    "markPrice": period.open.eight(), "rateType": "Regular",
                })
            })
            .collect();
        if since_ms.is_none() {
            rows.drain(..rows.len().saturating_sub(count));
        }
        rows.truncate(count);
        Ok(Value::from(rows).to_string())
    }

    /// `24hrTicker`.
    pub(crate) fn ticker_event(&self, contract: &Contract, emitted: i64) -> String {
        let day = Day::of(contract, self.now_ms);
        value!({
            "e": "24hrTicker", "E": emitted, "s": contract.symbol, "ps": contract.pair(),
            "p": day.change, "P": day.percent, "w": day.average, "c": day.last,
            "Q": day.last_quantity, "o": day.open, "h": day.high, "l": day.low,
            "v": day.volume, "q": day.turnover, "O": day.open_ms, "C": emitted, "F": 1,
            "L": day.trades, "n": day.trades, "st": 1,
        })
        .to_string()
    }

    /// `24hrMiniTicker`.
    pub(crate) fn mini_ticker_event(&self, contract: &Contract, emitted: i64) -> String {
        let day = Day::of(contract, self.now_ms);
        value!({
            "e": "24hrMiniTicker", "E": emitted, "s": contract.symbol, "ps": contract.pair(),
            "c": day.last, "o": day.open, "h": day.high, "l": day.low, "v": day.volume,
            "q": day.turnover, "st": 1,
        })
        .to_string()
    }

    /// `kline` of the running candle.
    pub(crate) fn candle_event(
        &self,
        contract: &Contract,
        interval: Interval,
        emitted: i64,
    ) -> Option<String> {
        let begin = |time_ms| interval.begin(time_ms);
        let found = contract
            .history
            .candles(begin, self.now_ms, (None, i64::MAX), 1);
        let candle: Candle = found.first().copied()?;
        let decimals = contract.price_decimals();
        let (volume, turnover) = (candle.volume, candle.turnover());
        let half = Fixed::new(5, 1);
        Some(
            value!({
                "e": "kline", "E": emitted, "s": contract.symbol,
                "k": {
                    "t": candle.open_ms, "T": interval.end(candle.open_ms), "s": contract.symbol,
                    "i": interval.to_string(), "f": 1, "L": candle.trades,
                    "o": candle.open.text(decimals), "c": candle.close.text(decimals),
                    "h": candle.high.text(decimals), "l": candle.low.text(decimals),
                    "v": volume.plain(), "n": candle.trades, "x": false,
                    "q": turnover.plain(), "V": volume.times(half).plain(),
                    "Q": turnover.times(half).cut(8).plain(), "B": "0",
                },
            })
            .to_string(),
        )
    }
}

/// Rows of one side of a book.
pub(crate) fn level_rows(
    contract: &Contract,
    levels: impl Iterator<Item = (Fixed, Fixed)>,
) -> Vec<[String; 2]> {
    let decimals = contract.price_decimals();
    levels
        .map(|(price, quantity)| [price.text(decimals), quantity.plain()])
        .collect()
}

/// `aggTrade` of one print.
pub(crate) fn aggregate_trade_event(contract: &Contract, print: &Print, emitted: i64) -> String {
    value!({
        "e": "aggTrade", "E": emitted, "s": contract.symbol, "a": print.id,
        "p": print.price.text(contract.price_decimals()), "q": print.quantity.plain(),
        "f": print.id, "l": print.id, "T": print.time_ms, "m": print.buyer_is_maker, "st": 1,
    })
    .to_string()
}

/// `trade` of one print; not documented, and used by clients.
pub(crate) fn trade_event(contract: &Contract, print: &Print, emitted: i64) -> String {
    value!({
        "e": "trade", "E": emitted, "T": print.time_ms, "s": contract.symbol, "t": print.id,
        "p": print.price.text(contract.price_decimals()), "q": print.quantity.plain(),
        "X": "MARKET", "m": print.buyer_is_maker,
    })
    .to_string()
}

/// The figures of the last day, as text.
struct Day {
    open_ms: i64,
    open: String,
    high: String,
    low: String,
    last: String,
    last_quantity: String,
    change: String,
    percent: String,
    average: String,
    volume: String,
    turnover: String,
    trades: u32,
}

impl Day {
    fn of(contract: &Contract, now_ms: i64) -> Self {
        let decimals = contract.price_decimals();
        let last = contract.last;
        let day = contract.history.day(now_ms).unwrap_or(Candle {
            open_ms: now_ms,
            open: last,
            high: last,
            low: last,
            close: last,
            volume: Fixed::ZERO,
            trades: 0,
        });
        let change = last - day.open;
        let percent = change.times(Fixed::new(100, 0)).over(day.open);
        let average = day.turnover().over(day.volume).unwrap_or(last);
        let latest = contract.history.prints().next_back();
        Self {
            open_ms: day.open_ms,
            open: day.open.text(decimals),
            high: day.high.text(decimals),
            low: day.low.text(decimals),
            last: last.text(decimals),
            last_quantity: latest.map_or("0".to_owned(), |print| print.quantity.plain()),
            change: change.text(decimals),
            percent: percent.unwrap_or_default().text(3),
            average: average.text(decimals),
            volume: day.volume.plain(),
            turnover: day.turnover().plain(),
            trades: day.trades,
        }
    }
}
