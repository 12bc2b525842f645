//! The simulated exchange over its streams: events, routes, mishaps.

use std::time::Duration;

use serde_json::json;

use super::sim_client::Exchange;

#[tokio::test]
async fn a_fill_is_told_three_times_with_one_time() {
    let exchange = Exchange::quiet("wallet USDT 10000").await;
    let mut user = exchange.user_stream().await;
    let params = "symbol=BTCUSDT&side=BUY&type=MARKET&quantity=0.1";
    let (status, reply) = exchange.call("POST", "/fapi/v1/order", params).await;
    assert_eq!(status, 200, "{reply}");
    let new = user.next().await;
    assert_eq!(
        (&new["e"], &new["o"]["x"]),
        (&json!("ORDER_TRADE_UPDATE"), &json!("NEW"))
    );
    let lite = user.next().await;
    assert_eq!(
        (&lite["e"], &lite["l"]),
        (&json!("TRADE_LITE"), &json!("0.100"))
    );
    let account = user.next().await;
    assert_eq!(account["e"], "ACCOUNT_UPDATE");
    assert_eq!(account["a"]["m"], "ORDER");
    // Bought at 60000.1; fee 6000.01 x 0.0005 = 3.000005.
    let expected =
        json!([{"a": "USDT", "wb": "9996.99999500", "cw": "9996.99999500", "bc": "0.00000000"}]);
    assert_eq!(account["a"]["B"], expected);
    let position = &account["a"]["P"][0];
    assert_eq!(
        (&position["pa"], &position["ep"]),
        (&json!("0.100"), &json!("60000.1"))
    );
    assert_eq!(
        (&position["mt"], &position["ps"]),
        (&json!("cross"), &json!("BOTH"))
    );
    let order = user.next().await;
    assert_eq!(
        (&order["o"]["x"], &order["o"]["X"]),
        (&json!("TRADE"), &json!("FILLED"))
    );
    assert_eq!(
        (&order["o"]["n"], &order["o"]["N"]),
        (&json!("3.00000500"), &json!("USDT"))
    );
    assert_eq!(account["T"], order["T"]);
    assert_eq!(lite["T"], order["T"]);
}

#[tokio::test]
async fn marks_come_every_second_and_at_once_when_scripted() {
    let exchange = Exchange::quiet("wallet USDT 10").await;
    let mut raw = exchange.stream("/market/ws/btcusdt@markPrice@1s").await;
    let first = raw.next().await;
    assert_eq!(
        (&first["e"], &first["s"]),
        (&json!("markPriceUpdate"), &json!("BTCUSDT"))
    );
    assert_eq!(
        (&first["p"], &first["st"]),
        (&json!("60000.00000000"), &json!(1))
    );
    assert_eq!(first["E"].as_i64().unwrap() % 1000, 0);
    exchange.command("mark BTCUSDT 59999.5");
    let moved = raw.next_where(|frame| frame["p"] != "60000.00000000").await;
    assert_eq!(moved["p"], "59999.50000000");
    let mut wrapped = exchange
        .stream("/market/stream?streams=!markPrice@arr@1s")
        .await;
    let frame = wrapped.next().await;
    assert_eq!(frame["stream"], "!markPrice@arr@1s");
    let rows = frame["data"].as_array().unwrap();
    let coin = rows.iter().find(|row| row["st"] == 2).unwrap();
    assert_eq!(coin["s"], "BTCUSD_PERP");
}

#[tokio::test]
async fn streams_of_another_category_are_acknowledged_and_silent() {
    let exchange = Exchange::quiet("wallet USDT 10").await;
    for path in ["/private/ws", "/public/ws", "/ws"] {
        let mut stream = exchange.stream(path).await;
        stream
            .say(r#"{"method":"SUBSCRIBE","params":["btcusdt@markPrice@1s"],"id":1}"#)
            .await;
        assert_eq!(
            stream.next().await,
            json!({"result": null, "id": 1}),
            "{path}"
        );
        assert!(
            stream.is_silent_for(Duration::from_millis(1_300)).await,
            "{path}"
        );
    }
}

#[tokio::test]
async fn subscriptions_can_be_listed_and_ended() {
    let exchange = Exchange::quiet("wallet USDT 10").await;
    let mut stream = exchange.stream("/market/ws").await;
    stream
        .say(r#"{"method":"SUBSCRIBE","params":["ethusdt@markPrice@1s"],"id":"x"}"#)
        .await;
    stream.next_where(|frame| frame["id"] == "x").await;
    stream
        .say(r#"{"method":"LIST_SUBSCRIPTIONS","id":2}"#)
        .await;
    let listed = stream.next_where(|frame| frame["id"] == 2).await;
    assert_eq!(listed["result"], json!(["ethusdt@markPrice@1s"]));
    stream
        .say(r#"{"method":"UNSUBSCRIBE","params":["ethusdt@markPrice@1s"],"id":3}"#)
        .await;
    stream.next_where(|frame| frame["id"] == 3).await;
    assert!(stream.is_silent_for(Duration::from_millis(1_300)).await);
}

#[tokio::test]
async fn a_crossed_pool_is_liquidated_in_the_documented_order() {
    let exchange = Exchange::quiet(
        "wallet USDT 3000\npos BTCUSDT crossed 20x +0.5 @ 60000\n\
         order ETHUSDT buy 1 @ 2900 id resting",
    )
    .await;
    let mut user = exchange.user_stream().await;
    // Dead when 3000 - 0.5 x (60000 - P) <= 0.5 x P x 0.004, that is P <= 54216.86...
    exchange.command("mark BTCUSDT 54217");
    assert_eq!(exchange.handle.truth().positions.len(), 1);
    exchange.command("mark BTCUSDT 54216.8");
    let expired = user.next().await;
    assert_eq!(expired["o"]["c"], "resting");
    assert_eq!(
        (&expired["o"]["X"], &expired["o"]["er"]),
        (&json!("EXPIRED"), &json!("5"))
    );
    let new = user.next().await;
    assert!(new["o"]["c"].as_str().unwrap().starts_with("autoclose-"));
    assert_eq!(
        (&new["o"]["x"], &new["o"]["X"]),
        (&json!("NEW"), &json!("NEW"))
    );
    let account = user.next().await;
    assert_eq!(account["e"], "ACCOUNT_UPDATE");
    assert_eq!(account["a"]["B"][0]["wb"], "0.00000000");
    let done = user.next().await;
    assert_eq!(
        (&done["o"]["x"], &done["o"]["X"]),
        (&json!("CALCULATED"), &json!("FILLED"))
    );
    assert_eq!(done["T"], account["T"]);
    assert!(exchange.handle.truth().positions.is_empty());
}

#[tokio::test]
async fn an_expired_key_is_told_and_then_nothing_comes() {
    let exchange = Exchange::quiet("wallet USDT 100").await;
    let mut user = exchange.user_stream().await;
    exchange.command("expire-listen-key");
    assert_eq!(user.next().await["e"], "listenKeyExpired");
    exchange.command("transfer USDT -10");
    assert!(user.is_silent_for(Duration::from_millis(300)).await);
    let mut renewed = exchange.user_stream().await;
    exchange.command("transfer USDT -10");
    let event = renewed.next().await;
    assert_eq!(event["a"]["m"], "WITHDRAW");
    assert_eq!(event["a"]["B"][0]["bc"], "-10.00000000");
    assert_eq!(event["a"]["P"], json!([]));
}

#[tokio::test]
async fn doors_close_and_open_again() {
    let exchange = Exchange::quiet("wallet USDT 100").await;
    let mut user = exchange.user_stream().await;
    exchange.command("stop");
    assert_eq!(user.ended().await, None);
    let address = exchange.to.stream.strip_prefix("ws://").unwrap().to_owned();
    exchange.command("start");
    let reconnecting = async {
        while tokio::net::TcpStream::connect(&address).await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(super::sim_client::DEADLINE, reconnecting)
        .await
        .unwrap();
    exchange.command("drop user code 1001");
    let mut user = exchange.user_stream().await;
    exchange.command("drop user code 1001");
    assert_eq!(user.ended().await, Some(1001));
}

#[tokio::test]
async fn mute_and_silence_withhold_without_closing() {
    let exchange = Exchange::quiet("wallet USDT 100").await;
    let mut user = exchange.user_stream().await;
    exchange.command("mute user");
    exchange.command("transfer USDT 1");
    exchange.command("unmute user");
    exchange.command("silence");
    exchange.command("transfer USDT 2");
    assert!(user.is_silent_for(Duration::from_millis(300)).await);
    exchange.command("silence off");
    assert_eq!(user.next().await["a"]["B"][0]["bc"], "2.00000000");
}

#[tokio::test]
async fn shutdown_returns_and_the_port_is_free() {
    let exchange = Exchange::quiet("wallet USDT 100").await;
    let mut user = exchange.user_stream().await;
    let address = exchange.to.stream.strip_prefix("ws://").unwrap().to_owned();
    exchange.sim.shutdown().await;
    assert_eq!(user.ended().await, None);
    assert!(tokio::net::TcpStream::connect(&address).await.is_err());
}

#[tokio::test]
async fn the_default_world_stands_and_moves() {
    let listen = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    let options = crossguard::sim::Options {
        listen,
        scenario: None,
        seed: 3,
    };
    let sim = crossguard::sim::Sim::start(options).await.unwrap();
    let truth = sim.handle().truth();
    assert_eq!(truth.assets["USDT"].wallet_balance, "10000.00000000");
    assert_eq!(truth.marks["BTCUSDT"], "60000");
    assert!(truth.marks.contains_key("币安人生USDT"));
    let moved = async {
        while sim.handle().truth().marks["BTCUSDT"] == "60000" {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(super::sim_client::DEADLINE, moved)
        .await
        .unwrap();
}
