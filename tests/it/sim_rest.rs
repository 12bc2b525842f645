//! The simulated exchange over REST: signatures, codes, figures.

use serde_json::json;

use super::sim_client::{Exchange, sign};

#[tokio::test]
async fn key_window_and_signature_are_checked_in_order() {
    let exchange = Exchange::quiet("wallet USDT 1000").await;
    let address = format!("{}/fapi/v3/account", exchange.to.rest);
    let reply = exchange.http.get(&address).send().await.unwrap();
    assert_eq!(reply.status(), 401);
    assert_eq!(
        reply.json::<serde_json::Value>().await.unwrap(),
        json!({"code": -2014, "msg": "API-key format invalid."})
    );
    let reply = exchange
        .http
        .get(&address)
        .header("X-MBX-APIKEY", "wrong")
        .send()
        .await
        .unwrap();
    assert_eq!(
        reply.json::<serde_json::Value>().await.unwrap()["code"],
        -2015
    );
    let (status, body) = exchange.raw("GET", "/fapi/v3/account", None).await;
    assert_eq!((status, &body["code"]), (400, &json!(-1102)));
    let time = exchange.handle.truth().time_ms;
    for (timestamp, text) in [
        (
            time - 6_000,
            "Timestamp for this request is outside of the recvWindow.",
        ),
        (
            time + 5_000,
            "Timestamp for this request was 1000ms ahead of the server's time.",
        ),
    ] {
        let query = format!("timestamp={timestamp}");
        let signature = sign(&exchange.to.secret, &query);
        let target = format!("/fapi/v3/account?{query}&signature={signature}");
        let (_, body) = exchange.raw("GET", &target, None).await;
        assert_eq!(body, json!({"code": -1021, "msg": text}));
    }
    let target = format!("/fapi/v3/account?timestamp={time}&signature=00");
    let (_, body) = exchange.raw("GET", &target, None).await;
    assert_eq!(
        body,
        json!({"code": -1022, "msg": "Signature for this request is not valid."})
    );
}

#[tokio::test]
async fn parameters_may_stand_in_query_body_or_both() {
    let exchange = Exchange::quiet("wallet USDT 1000").await;
    let all = exchange.signed("symbol=BTCUSDT&leverage=10");
    let (status, body) = exchange.raw("POST", "/fapi/v1/leverage", Some(all)).await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(body["leverage"], 10);
    // Mixed: the signature covers query and body without a joint between them.
    let time = exchange.handle.truth().time_ms;
    let (query, body) = ("symbol=BTCUSDT", format!("leverage=11&timestamp={time}"));
    let signature = sign(&exchange.to.secret, &format!("{query}{body}"));
    let body = format!("{body}&signature={signature}");
    let target = format!("/fapi/v1/leverage?{query}");
    let (status, body) = exchange.raw("POST", &target, Some(body)).await;
    assert_eq!((status, &body["leverage"]), (200, &json!(11)));
}

#[tokio::test]
async fn account_and_positions_print_what_the_formulas_say() {
    // 0.5 BTC at 60000, mark 57000: notional 28500, loss 1500, maintenance 28500 x 0.004 = 114,
    // initial margin 28500 / 20 = 1425, available 2000 - 1500 - 1425 < 0.
    let exchange = Exchange::quiet(
        "wallet USDT 2000\npos BTCUSDT crossed 20x +0.5 @ 60000\nmark BTCUSDT 57000",
    )
    .await;
    let account = exchange.get("/fapi/v3/account").await;
    for (field, value) in [
        ("totalWalletBalance", "2000.00000000"),
        ("totalUnrealizedProfit", "-1500.00000000"),
        ("totalMarginBalance", "500.00000000"),
        ("totalMaintMargin", "114.00000000"),
        ("totalPositionInitialMargin", "1425.00000000"),
        ("totalOpenOrderInitialMargin", "0.00000000"),
        ("availableBalance", "0.00000000"),
    ] {
        assert_eq!(account[field], value, "{field}");
    }
    let positions = account["positions"].as_array().unwrap();
    assert_eq!(positions.len(), 1, "idle contracts are not listed");
    assert_eq!(positions[0].get("leverage"), None);
    let risk = exchange.get("/fapi/v3/positionRisk").await;
    assert_eq!(risk[0]["positionAmt"], "0.500");
    assert_eq!(risk[0]["entryPrice"], "60000");
    // (2000 - 0.5 x 60000) / (0.5 x 0.004 - 0.5) = 56224.8995...
    assert!(
        risk[0]["liquidationPrice"]
            .as_str()
            .unwrap()
            .starts_with("56224.8995")
    );
    let brackets = exchange.get("/fapi/v1/leverageBracket").await;
    assert!(brackets[0]["brackets"][1]["cum"].is_number());
    assert_eq!(brackets[0]["brackets"][1]["cum"], json!(50));
}

#[tokio::test]
async fn orders_rest_fill_and_answer_without_averages() {
    let exchange = Exchange::quiet("wallet USDT 10000").await;
    let params = "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.1&price=59000\
                  &newClientOrderId=mine";
    let (status, order) = exchange.call("POST", "/fapi/v1/order", params).await;
    assert_eq!(status, 200, "{order}");
    assert_eq!(
        (&order["status"], &order["origQty"]),
        (&json!("NEW"), &json!("0.100"))
    );
    assert_eq!(order.get("avgPrice"), None);
    assert_eq!(order.get("cumQuote"), None);
    // 5900 / 20 rests as open-order margin.
    let account = exchange.get("/fapi/v3/account").await;
    assert_eq!(account["totalOpenOrderInitialMargin"], "295.00000000");
    assert_eq!(account["availableBalance"], "9705.00000000");
    exchange.command("mark BTCUSDT 59000");
    let risk = exchange.get("/fapi/v3/positionRisk").await;
    assert_eq!(risk[0]["positionAmt"], "0.100");
    let query = "symbol=BTCUSDT&origClientOrderId=mine";
    let (_, order) = exchange.call("GET", "/fapi/v1/order", query).await;
    assert_eq!(order["status"], "FILLED");
    assert_eq!(order["avgPrice"], "59000.00000");
    // Maker fee 5900 x 0.0002.
    assert_eq!(
        exchange.handle.truth().assets["USDT"].wallet_balance,
        "9998.82000000"
    );
}

#[tokio::test]
async fn refusals_carry_the_documented_codes() {
    let exchange =
        Exchange::quiet("wallet USDT 100\nleverage BTCUSDT 20\nleverage ETHUSDT 100").await;
    let order = |rest: &str| format!("symbol=BTCUSDT&side=BUY&{rest}");
    let cases = [
        (order("type=MARKET&quantity=1"), -2019),
        (order("type=STOP_MARKET&quantity=1&stopPrice=61000"), -4120),
        (
            order("type=LIMIT&timeInForce=GTC&quantity=0.001&price=59000"),
            -4164,
        ),
        (
            order("type=LIMIT&timeInForce=GTC&quantity=0.01&price=59000.05"),
            -1111,
        ),
        (
            order("type=LIMIT&timeInForce=GTC&quantity=0.01&price=70000"),
            -4016,
        ),
        (
            order("type=LIMIT&timeInForce=GTX&quantity=0.01&price=61000"),
            -5022,
        ),
        (order("type=LIMIT&timeInForce=GTC&price=59000"), -1102),
        (order("type=MARKET&quantity=0.01&positionSide=LONG"), -4061),
        (order("type=MARKET&quantity=0.01&reduceOnly=True"), -2022),
        (
            "symbol=NOPE&side=BUY&type=MARKET&quantity=1".to_owned(),
            -1121,
        ),
        (
            "symbol=ETHUSDT&side=BUY&type=MARKET&quantity=300".to_owned(),
            -2027,
        ),
    ];
    for (params, code) in cases {
        let (status, body) = exchange.call("POST", "/fapi/v1/order", &params).await;
        assert_eq!(
            (status, &body["code"]),
            (400, &json!(code)),
            "{params}: {body}"
        );
    }
    for (method, path, params, code) in [
        (
            "DELETE",
            "/fapi/v1/order",
            "symbol=BTCUSDT&orderId=1",
            -2011,
        ),
        ("GET", "/fapi/v1/order", "symbol=BTCUSDT&orderId=1", -2013),
        (
            "POST",
            "/fapi/v1/marginType",
            "symbol=BTCUSDT&marginType=CROSSED",
            -4046,
        ),
        (
            "POST",
            "/fapi/v1/positionSide/dual",
            "dualSidePosition=FALSE",
            -4059,
        ),
        (
            "POST",
            "/fapi/v1/leverage",
            "symbol=BTCUSDT&leverage=126",
            -4028,
        ),
        ("PUT", "/fapi/v1/listenKey", "", -1125),
    ] {
        let (status, body) = exchange.call(method, path, params).await;
        assert_eq!(
            (status, &body["code"]),
            (400, &json!(code)),
            "{path}: {body}"
        );
    }
}

#[tokio::test]
async fn weight_is_counted_and_shown() {
    let exchange = Exchange::quiet("wallet USDT 100").await;
    let address = format!("{}/fapi/v1/premiumIndex", exchange.to.rest);
    let first = exchange.http.get(&address).send().await.unwrap();
    let used = |reply: &reqwest::Response| -> u32 {
        reply.headers()["X-MBX-USED-WEIGHT-1M"]
            .to_str()
            .unwrap()
            .parse()
            .unwrap()
    };
    let before = used(&first);
    let second = exchange
        .http
        .get(format!("{address}?symbol=BTCUSDT"))
        .send()
        .await
        .unwrap();
    // The minute may turn between the two calls.
    assert!(before == 10 && [11, 1].contains(&used(&second)));
    let truth = exchange.handle.truth();
    assert_eq!(truth.usage.weight_per_minute.values().sum::<u32>(), 11);
    assert!(!truth.usage.trading_called && !truth.usage.listen_key_deleted);
}
