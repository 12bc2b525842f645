//! The WebSocket API of the simulated exchange, and calls that go wrong on command.

use serde_json::{Value, json};

use super::sim_client::{Exchange, Stream, sign};

async fn ask(
    exchange: &Exchange,
    api: &mut Stream,
    id: Value,
    method: &str,
    params: Value,
) -> Value {
    let mut params = params;
    params["apiKey"] = json!(exchange.to.api_key);
    params["timestamp"] = json!(exchange.handle.truth().time_ms);
    let text = |value: &Value| {
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned)
    };
    // Sorted by name, as the documents ask; serde_json's map is sorted already.
    let pairs: Vec<String> = params
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| format!("{name}={}", text(value)))
        .collect();
    params["signature"] = json!(sign(&exchange.to.secret, &pairs.join("&")));
    api.say(&json!({"id": id, "method": method, "params": params}).to_string())
        .await;
    api.next().await
}

#[tokio::test]
async fn orders_are_placed_and_ids_echoed_as_they_came() {
    let exchange = Exchange::quiet("wallet USDT 1000").await;
    let mut api = exchange.stream("/ws-fapi/v1").await;
    let order = json!({"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC",
        "quantity": "0.01", "price": "59000", "newClientOrderId": "mine"});
    let placed = ask(&exchange, &mut api, json!("text id"), "order.place", order).await;
    assert_eq!(
        (&placed["id"], &placed["status"]),
        (&json!("text id"), &json!(200)),
        "{placed}"
    );
    assert_eq!(placed["result"]["clientOrderId"], "mine");
    assert!(placed["rateLimits"].is_array());
    let named = json!({"symbol": "BTCUSDT", "origClientOrderId": "mine"});
    let status = ask(&exchange, &mut api, json!(7), "order.status", named.clone()).await;
    assert_eq!(
        (&status["id"], &status["result"]["status"]),
        (&json!(7), &json!("NEW"))
    );
    let gone = ask(
        &exchange,
        &mut api,
        Value::Null,
        "order.cancel",
        named.clone(),
    )
    .await;
    assert_eq!(
        (&gone["id"], &gone["result"]["status"]),
        (&Value::Null, &json!("CANCELED"))
    );
    let again = ask(&exchange, &mut api, json!(8), "order.cancel", named).await;
    assert_eq!(
        (&again["status"], &again["error"]["code"]),
        (&json!(400), &json!(-2011))
    );
    let account = ask(
        &exchange,
        &mut api,
        json!(9),
        "v2/account.status",
        json!({}),
    )
    .await;
    assert_eq!(account["result"]["totalWalletBalance"], "1000.00000000");
    api.say(r#"{"id":10,"method":"order.place","params":{"apiKey":"wrong"}}"#)
        .await;
    let refused = api.next().await;
    assert_eq!(
        (&refused["status"], &refused["error"]["code"]),
        (&json!(401), &json!(-2015))
    );
    assert!(exchange.handle.truth().usage.trading_called);
}

#[tokio::test]
async fn scripted_failures_answer_as_written_and_are_used_up() {
    let exchange = Exchange::quiet("wallet USDT 1000").await;
    exchange.command(r#"rest-error GET /fapi/v3/account 503 -1008 "Request throttled." 1x"#);
    let (status, body) = exchange.call("GET", "/fapi/v3/account", "").await;
    assert_eq!(
        (status, body),
        (503, json!({"code": -1008, "msg": "Request throttled."}))
    );
    exchange.command(r#"mutate /fapi/v3/account assets.*.walletBalance "" 1x"#);
    let body = exchange.get("/fapi/v3/account").await;
    assert_eq!(body["assets"][0]["walletBalance"], "");
    exchange.command("rest-hang GET /fapi/v1/time 1x");
    assert!(
        exchange
            .http
            .get(format!("{}/fapi/v1/time", exchange.to.rest))
            .send()
            .await
            .is_err()
    );
    exchange.command(r#"rest-error POST /fapi/v1/order 408 -1007 "Timeout" after 1x"#);
    let params = "symbol=BTCUSDT&side=BUY&type=MARKET&quantity=0.01";
    let (status, _) = exchange.call("POST", "/fapi/v1/order", params).await;
    assert_eq!(
        (status, exchange.handle.truth().positions.len()),
        (408, 1),
        "carried out after all"
    );
    exchange.command("key revoked");
    let (status, body) = exchange.call("GET", "/fapi/v3/account", "").await;
    assert_eq!((status, &body["code"]), (401, &json!(-2015)));
}

#[tokio::test]
async fn lagging_reads_answer_from_the_past() {
    let exchange = Exchange::quiet("wallet USDT 1000").await;
    exchange.command("rest-lag 1h");
    exchange.command("transfer USDT -400");
    let account = exchange.get("/fapi/v3/account").await;
    assert_eq!(account["totalWalletBalance"], "1000.00000000");
    assert_eq!(
        exchange.handle.truth().assets["USDT"].wallet_balance,
        "600.00000000"
    );
    exchange.command("rest-lag 0s");
    let account = exchange.get("/fapi/v3/account").await;
    assert_eq!(account["totalWalletBalance"], "600.00000000");
}

#[tokio::test]
async fn commands_and_truth_are_there_over_http_too() {
    let exchange = Exchange::quiet("wallet USDT 1000").await;
    let lines = "mark BTCUSDT 59000\ntransfer USDT 5".to_owned();
    let (status, body) = exchange.raw("POST", "/sim/command", Some(lines)).await;
    assert_eq!(status, 200, "{body}");
    let (_, truth) = exchange.raw("GET", "/sim/truth", None).await;
    assert_eq!(truth["marks"]["BTCUSDT"], "59000");
    assert_eq!(truth["assets"]["USDT"]["walletBalance"], "1005.00000000");
    let (status, text) = exchange
        .raw("POST", "/sim/command", Some("wallet USDT\nnonsense".into()))
        .await;
    assert_eq!(status, 400);
    assert_eq!(
        text.as_str().unwrap().lines().count(),
        2,
        "both mistakes are told"
    );
}
