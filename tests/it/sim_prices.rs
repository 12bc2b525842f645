//! The simulated exchange's prices: candles, tickers, trades and books, over REST and streams.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::sim_client::{Exchange, start};

const MOVING: &str = "\
symbol BTCUSDT tick 0.1 step 0.001
brackets BTCUSDT 0 50000 0.004 125x
mark BTCUSDT 60000
walk BTCUSDT 0.0005
wallet USDT 1000
";

async fn get(exchange: &Exchange, target: &str) -> Value {
    let (status, body) = exchange.raw("GET", target, None).await;
    assert_eq!(status, 200, "{target}: {body}");
    body
}

fn number(value: &Value) -> Decimal {
    value.as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn candles_reach_back_and_agree_with_the_ticker() {
    let exchange = start(MOVING).await;
    let rows = get(
        &exchange,
        "/fapi/v1/klines?symbol=BTCUSDT&interval=5m&limit=300",
    )
    .await;
    let rows = rows.as_array().unwrap();
    assert_eq!(rows.len(), 300);
    for pair in rows.windows(2) {
        assert_eq!(
            pair[1][0].as_i64().unwrap() - pair[0][0].as_i64().unwrap(),
            300_000
        );
        assert_eq!(
            pair[0][6].as_i64().unwrap() + 1,
            pair[1][0].as_i64().unwrap()
        );
        assert_eq!(pair[0][4], pair[1][1], "no gap between candles");
    }
    let moved = rows.iter().filter(|row| row[2] != row[3]).count();
    assert!(moved > 290, "prices moved in {moved} of 300 candles");
    let ticker = get(&exchange, "/fapi/v1/ticker/24hr?symbol=BTCUSDT").await;
    let day = get(
        &exchange,
        "/fapi/v1/klines?symbol=BTCUSDT&interval=1m&limit=1440",
    )
    .await;
    let day = day.as_array().unwrap();
    assert_eq!(ticker["openPrice"], day[0][1]);
    let high = day.iter().map(|row| number(&row[2])).max().unwrap();
    assert!(number(&ticker["highPrice"]) >= high);
    let change = number(&ticker["lastPrice"]) - number(&ticker["openPrice"]);
    assert_eq!(change, number(&ticker["priceChange"]));
    for target in [
        "/fapi/v1/markPriceKlines?symbol=BTCUSDT&interval=1h",
        "/fapi/v1/indexPriceKlines?pair=BTCUSDT&interval=1h",
        "/fapi/v1/continuousKlines?pair=BTCUSDT&contractType=PERPETUAL&interval=1d",
        "/fapi/v1/fundingRate?symbol=BTCUSDT",
    ] {
        assert!(
            !get(&exchange, target).await.as_array().unwrap().is_empty(),
            "{target}"
        );
    }
    let (_, body) = exchange
        .raw("GET", "/fapi/v1/klines?symbol=BTCUSDT&interval=7m", None)
        .await;
    assert_eq!(body["code"], -1120);
}

#[tokio::test]
async fn trades_of_the_market_hold_what_a_client_did() {
    let exchange = Exchange::quiet("wallet USDT 10000").await;
    let params = "symbol=BTCUSDT&side=BUY&type=MARKET&quantity=0.123";
    exchange.call("POST", "/fapi/v1/order", params).await;
    let trades = get(&exchange, "/fapi/v1/trades?symbol=BTCUSDT").await;
    let mine = trades.as_array().unwrap().last().unwrap();
    assert_eq!(
        (&mine["qty"], &mine["price"]),
        (&json!("0.123"), &json!("60000.1"))
    );
    let trades = get(&exchange, "/fapi/v1/aggTrades?symbol=BTCUSDT&limit=1").await;
    assert_eq!(
        (&trades[0]["q"], &trades[0]["p"]),
        (&json!("0.123"), &json!("60000.1"))
    );
    let candles = get(
        &exchange,
        "/fapi/v1/klines?symbol=BTCUSDT&interval=1m&limit=1",
    )
    .await;
    assert_eq!(candles[0][5], "0.123");
}

#[tokio::test]
async fn streams_carry_tickers_candles_and_trades() {
    let exchange = start(MOVING).await;
    let names = ["ticker", "miniTicker", "kline_1m", "aggTrade"];
    let streams: Vec<String> = names.iter().map(|name| format!("btcusdt@{name}")).collect();
    let path = format!("/market/stream?streams={}", streams.join("/"));
    let mut market = exchange.stream(&path).await;
    let mut public = exchange
        .stream("/public/stream?streams=btcusdt@trade/btcusdt@depth5@100ms/btcusdt@bookTicker")
        .await;
    for (name, event) in [
        ("ticker", "24hrTicker"),
        ("miniTicker", "24hrMiniTicker"),
        ("kline_1m", "kline"),
        ("aggTrade", "aggTrade"),
    ] {
        let stream = format!("btcusdt@{name}");
        let frame = market
            .next_where(|frame| frame["stream"] == stream.as_str())
            .await;
        assert_eq!(frame["data"]["e"], event);
        assert_eq!(frame["data"]["s"], "BTCUSDT");
    }
    let frame = public
        .next_where(|frame| frame["data"]["e"] == "depthUpdate")
        .await;
    assert_eq!(frame["data"]["b"].as_array().unwrap().len(), 5);
    public
        .next_where(|frame| frame["data"]["e"] == "trade")
        .await;
    public
        .next_where(|frame| frame["data"]["e"] == "bookTicker")
        .await;
}

/// The documented procedure: subscribe, read the book, drop what is older, apply the rest.
#[tokio::test]
async fn a_book_kept_from_its_changes_is_the_book() {
    let exchange = Exchange::quiet("wallet USDT 1000").await;
    let mut stream = exchange.stream("/public/ws/btcusdt@depth@100ms").await;
    let read = get(&exchange, "/fapi/v1/depth?symbol=BTCUSDT&limit=50").await;
    let read_id = read["lastUpdateId"].as_i64().unwrap();
    let mut bids: BTreeMap<String, String> = BTreeMap::new();
    let mut apply = |rows: &Value| {
        for row in rows.as_array().unwrap() {
            let (price, quantity) = (row[0].as_str().unwrap(), row[1].as_str().unwrap());
            if quantity == "0" {
                bids.remove(price);
            } else {
                bids.insert(price.to_owned(), quantity.to_owned());
            }
        }
    };
    apply(&read["bids"]);
    let mut last = None;
    for price in ["60010", "59000", "59990.3"] {
        exchange.command(&format!("mark BTCUSDT {price}"));
    }
    loop {
        let change = stream.next().await;
        if change["u"].as_i64().unwrap() < read_id {
            continue;
        }
        match last {
            None => assert!(change["U"].as_i64().unwrap() <= read_id, "{change}"),
            Some(last) => assert_eq!(change["pu"], last),
        }
        last = Some(change["u"].clone());
        apply(&change["b"]);
        // The last of them moved the best bid here.
        if change["b"]
            .as_array()
            .unwrap()
            .iter()
            .any(|row| row[0] == "59990.3")
        {
            break;
        }
    }
    let now = get(&exchange, "/fapi/v1/depth?symbol=BTCUSDT&limit=50").await;
    let expected: BTreeMap<String, String> = now["bids"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            (
                row[0].as_str().unwrap().to_owned(),
                row[1].as_str().unwrap().to_owned(),
            )
        })
        .collect();
    assert_eq!(bids, expected);
}
