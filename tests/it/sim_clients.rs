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
