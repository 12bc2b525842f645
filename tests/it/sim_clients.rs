//! The simulated exchange as released clients use it: requests quoted by the form in which they
//! send them. The clients themselves are in `tests/clients`.

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::sim_client::Exchange;

/// The official connector waits for the answer to its close and calls anything else a lost
/// connection.
#[tokio::test]
async fn a_close_is_answered_with_a_close() {
    use futures_util::SinkExt;
    let exchange = Exchange::quiet("wallet USDT 10").await;
    let mut stream = exchange.stream("/private/ws").await;
    stream.socket.send(Message::Close(None)).await.unwrap();
    let answer = futures_util::StreamExt::next(&mut stream.socket).await;
    assert!(
        matches!(answer, Some(Ok(Message::Close(_)))),
        "{answer:?} instead of a close"
    );
}

/// ccxt writes ids as numbers, the official SDK as the text of a UUID; each gets its own back.
#[tokio::test]
async fn subscriptions_echo_their_id_as_it_came() {
    let exchange = Exchange::quiet("wallet USDT 10").await;
    let mut stream = exchange.stream("/market/stream").await;
    for id in [
        json!(1),
        json!("6c1b2b9e-7f0d-4a2d-9d31-0f3d8e8e2a11"),
        Value::Null,
    ] {
        let request = json!({"method": "LIST_SUBSCRIPTIONS", "id": id});
        stream.say(&request.to_string()).await;
        assert_eq!(stream.next().await, json!({"result": [], "id": id}));
    }
}

/// ccxt sends forms for POST, PUT and DELETE, the official SDK queries, older ones a mix.
#[tokio::test]
async fn a_form_is_read_from_the_body_of_every_method() {
    let exchange = Exchange::quiet("wallet USDT 10000").await;
    let order = "symbol=BTCUSDT&side=BUY&type=LIMIT&quantity=0.01&price=59000&timeInForce=GTC\
                 &newClientOrderId=x-cvBPrNm9aaaaaaaaaaaaaaaaaaaaaa&newOrderRespType=RESULT";
    let form = exchange.signed(order);
    let (status, reply) = exchange.raw("POST", "/fapi/v1/order", Some(form)).await;
    assert_eq!((status, &reply["status"]), (200, &json!("NEW")), "{reply}");
    let id = reply["orderId"].to_string();
    let amend = format!("symbol=BTCUSDT&side=BUY&orderId={id}&quantity=0.02&price=58000");
    let form = exchange.signed(&amend);
    let (status, reply) = exchange.raw("PUT", "/fapi/v1/order", Some(form)).await;
    assert_eq!(
        (status, &reply["origQty"]),
        (200, &json!("0.020")),
        "{reply}"
    );
    // Mixed: what stands in the query goes before what the body says, and both are signed.
    let time = exchange.handle.truth().time_ms;
    let (query, body) = (
        format!("symbol=BTCUSDT&orderId={id}"),
        format!("symbol=ETHUSDT&timestamp={time}"),
    );
    let signature = super::sim_client::sign(&exchange.to.secret, &format!("{query}{body}"));
    let target = format!("/fapi/v1/order?{query}");
    let body = format!("{body}&signature={signature}");
    let (status, reply) = exchange.raw("DELETE", &target, Some(body)).await;
    assert_eq!(
        (status, &reply["status"]),
        (200, &json!("CANCELED")),
        "{reply}"
    );
}

#[tokio::test]
async fn booleans_are_read_in_every_case() {
    let exchange = Exchange::quiet("wallet USDT 10000").await;
    for (text, hedge) in [
        ("true", true),
        ("False", false),
        ("TRUE", true),
        ("false", false),
    ] {
        let params = format!("dualSidePosition={text}");
        let path = "/fapi/v1/positionSide/dual";
        let (status, reply) = exchange.call("POST", path, &params).await;
        assert_eq!(status, 200, "{text}: {reply}");
        assert_eq!(exchange.handle.truth().hedge, hedge, "{text}");
    }
    let params = "multiAssetsMargin=yes";
    let (_, reply) = exchange
        .call("POST", "/fapi/v1/multiAssetsMargin", params)
        .await;
    assert_eq!(reply["code"], -1130);
}

/// What ccxt's `load_markets` and python-binance's constructor call before anything else.
#[tokio::test]
async fn start_up_calls_of_other_products_are_answered() {
    let exchange = Exchange::quiet("wallet USDT 10").await;
    for (target, expected) in [
        ("/api/v3/ping", json!({})),
        ("/sapi/v1/capital/config/getall", json!([])),
        ("/sapi/v1/margin/allPairs", json!([])),
    ] {
        let (status, reply) = exchange.raw("GET", target, None).await;
        assert_eq!((status, reply), (200, expected), "{target}");
    }
    let (_, reply) = exchange.raw("GET", "/api/v3/time", None).await;
    assert!(reply["serverTime"].is_i64(), "{reply}");
    for target in ["/api/v3/exchangeInfo", "/dapi/v1/exchangeInfo"] {
        let (_, reply) = exchange.raw("GET", target, None).await;
        assert_eq!(reply["symbols"], json!([]), "{target}");
    }
}

/// The spellings of ccxt and python-binance, of the documents, of several keys in one, and of the
/// official clients, which subscribe to the key.
#[tokio::test]
async fn every_spelling_of_the_private_stream_hears_the_account() {
    let exchange = Exchange::quiet("wallet USDT 1000").await;
    let (_, reply) = exchange.raw("POST", "/fapi/v1/listenKey", None).await;
    let key = reply["listenKey"].as_str().unwrap();
    assert!(key.len() == 64 && key.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    let filter = "&events=ACCOUNT_UPDATE/ORDER_TRADE_UPDATE";
    let addresses = [
        (format!("/private/ws?listenKey={key}"), false),
        (format!("/private/ws?listenKey={key}{filter}"), false),
        (format!("/private/ws/{key}"), false),
        (format!("/private/stream?listenKey={key}"), true),
        (format!("/private/stream?listenKey={key}{filter}"), true),
        ("/private/stream".to_owned(), true),
        ("/private/ws".to_owned(), false),
    ];
    let mut streams = Vec::new();
    for (address, wrapped) in addresses {
        let mut stream = exchange.stream(&address).await;
        if !address.contains(key) {
            let subscribe = json!({"method": "SUBSCRIBE", "params": [key], "id": "a"});
            stream.say(&subscribe.to_string()).await;
            assert_eq!(stream.next().await, json!({"result": null, "id": "a"}));
        }
        streams.push((address, wrapped, stream));
    }
    exchange
        .until(|exchange| exchange.handle.truth().user_connections == 7)
        .await;
    exchange.command("leverage BTCUSDT 33");
    exchange.command("transfer USDT 5");
    for (address, wrapped, stream) in &mut streams {
        let expected = if address.contains("events=") {
            &["ACCOUNT_UPDATE"][..]
        } else {
            &["ACCOUNT_CONFIG_UPDATE", "ACCOUNT_UPDATE"]
        };
        for name in expected {
            let frame = stream.next().await;
            let event = if *wrapped {
                assert_eq!(frame["stream"], key, "{address}");
                &frame["data"]
            } else {
                &frame
            };
            assert_eq!(event["e"], *name, "{address}");
        }
    }
}

#[tokio::test]
async fn a_ping_is_answered_with_its_payload() {
    use futures_util::{SinkExt, StreamExt};
    let exchange = Exchange::quiet("wallet USDT 10").await;
    let mut stream = exchange.stream("/market/ws").await;
    let ping = Message::Ping("abc".as_bytes().to_vec().into());
    stream.socket.send(ping).await.unwrap();
    let answer = stream.socket.next().await.unwrap().unwrap();
    assert_eq!(answer, Message::Pong("abc".as_bytes().to_vec().into()));
}

#[tokio::test]
async fn symbols_in_other_scripts_trade_and_stream() {
    let exchange = super::sim_client::start(
        "symbol 币安人生USDT tick 0.00001 step 1\nbrackets 币安人生USDT 0 10000 0.005 75x\n\
         mark 币安人生USDT 0.25\nwallet USDT 1000",
    )
    .await;
    let symbol = "%E5%B8%81%E5%AE%89%E4%BA%BA%E7%94%9FUSDT";
    let params = format!("symbol={symbol}&side=BUY&type=MARKET&quantity=100");
    let (status, reply) = exchange.call("POST", "/fapi/v1/order", &params).await;
    assert_eq!(
        (status, &reply["symbol"]),
        (200, &json!("币安人生USDT")),
        "{reply}"
    );
    let name = "%E5%B8%81%E5%AE%89%E4%BA%BA%E7%94%9Fusdt@markPrice@1s";
    let mut stream = exchange.stream(&format!("/market/ws/{name}")).await;
    assert_eq!(stream.next().await["s"], "币安人生USDT");
}
