//! Streams against a scripted exchange: bootstrap, loss, return.

use std::time::Duration;

use crossguard::exchange::{Demand, Note};
use crossguard::mirror::event::{Event, LossCause, StreamLoss};

use crate::exchange_stand::{Running, Seen, Setup, Stand, reply, symbol};

async fn user_lost(room: &mut Running) -> StreamLoss {
    room.event("the loss of the user stream", |event| match event {
        Event::UserStreamLost(loss) => Some(loss.clone()),
        _ => None,
    })
    .await
}

async fn market_lost(room: &mut Running) -> StreamLoss {
    room.event("the loss of the market stream", |event| match event {
        Event::MarketStreamLost(loss) => Some(loss.clone()),
        _ => None,
    })
    .await
}

async fn account_truth(room: &mut Running) -> usize {
    room.event("the account", |event| match event {
        Event::AccountTruth(read) => Some(read.value.positions.len()),
        _ => None,
    })
    .await
}

#[tokio::test]
async fn bootstrap_tells_everything_and_the_stream_before_the_truth() {
    let stand = Stand::start().await;
    let mut room = stand.run(Setup::default());
    let mut missing = vec![
        "offset", "opened", "account", "orders", "config", "settings", "brackets", "rules",
        "market", "key",
    ];
    let mut order = Vec::new();
    let mut opened_at = None;
    room.event("everything", |event| {
        let name = match event {
            Event::ClockOffset(_) => "offset",
            Event::UserStreamOpened(connection) => {
                opened_at = Some(connection.at);
                "opened"
            }
            Event::AccountTruth(read) => {
                assert!(read.asked >= opened_at.unwrap());
                assert_eq!(read.value.positions.len(), 1);
                assert!(!read.value.credits);
                "account"
            }
            Event::OrdersTruth(read) => {
                assert!(read.asked >= opened_at.unwrap());
                "orders"
            }
            Event::AccountConfig(_) => "config",
            Event::SymbolSettings(_) => "settings",
            Event::Brackets(read) => {
                assert!(read.value[0].table.is_ok());
                "brackets"
            }
            Event::Rules(_) => "rules",
            Event::AutoExchange(_) | Event::BracketCoefficients(_) => "more",
            Event::MarketStreamOpened(_) => "market",
            Event::KeyAccepted { .. } => "key",
            other => panic!("{other:?}"),
        };
        missing.retain(|other| *other != name);
        order.push(name);
        missing.is_empty().then_some(())
    })
    .await;
    let place = |name| order.iter().position(|other| *other == name).unwrap();
    assert!(place("offset") < place("key"));
    for truth in ["account", "orders", "config", "settings"] {
        assert!(place("opened") < place(truth), "{order:?}");
    }
    room.mark("BTCUSDT").await;
    let key_line = &stand.lines("/private")[0];
    assert_eq!(key_line.path, "/private/ws?listenKey=canary-listen-key-1");
    room.stop().await;
    stand.assert_harmless();
}

#[tokio::test]
async fn u01_listen_key_expires_and_a_new_connection_follows() {
    let stand = Stand::start().await;
    let mut room = stand.run(Setup::default());
    assert_eq!(room.user_opened().await, 1);
    account_truth(&mut room).await;
    stand.change_listen_key("canary-listen-key-2");
    stand.send("/private", r#"{"e":"listenKeyExpired","E":"1"}"#);
    let loss = user_lost(&mut room).await;
    assert_eq!((loss.epoch, loss.cause), (1, LossCause::ListenKey));
    assert_eq!(room.user_opened().await, 2);
    account_truth(&mut room).await;
    let lines = stand.lines("/private");
    assert!(lines[1].path.ends_with("canary-listen-key-2"));
    room.stop().await;
    stand.assert_harmless();
}

#[tokio::test]
async fn u02_a_keepalive_that_finds_no_key_is_a_loss_at_once() {
    let stand = Stand::start().await;
    let mut setup = Setup::default();
    setup.cadence.key_keepalive = Duration::from_millis(150);
    stand.once(
        "PUT /fapi/v1/listenKey",
        reply(
            400,
            r#"{"code":-1125,"msg":"This listenKey does not exist."}"#,
        ),
    );
    let mut room = stand.run(setup);
    room.user_opened().await;
    let loss = user_lost(&mut room).await;
    assert_eq!(loss.cause, LossCause::ListenKey);
    assert_eq!(room.user_opened().await, 2);
    room.stop().await;
    stand.assert_harmless();
}

#[tokio::test]
async fn u06_another_client_closes_the_stream_and_the_new_key_is_used() {
    let stand = Stand::start().await;
    let mut room = stand.run(Setup::default());
    room.user_opened().await;
    stand.change_listen_key("canary-listen-key-2");
    let loss = user_lost(&mut room).await;
    assert_eq!(loss.cause, LossCause::ListenKey);
    assert_eq!(room.user_opened().await, 2);
    let lines = stand.lines("/private");
    assert!(lines[1].path.ends_with("canary-listen-key-2"));
    room.stop().await;
    stand.assert_harmless();
}

#[tokio::test]
async fn u14_a_planned_change_overlaps() {
    let stand = Stand::start().await;
    let mut setup = Setup::default();
    setup.cadence.rotation = Duration::from_millis(300);
    setup.cadence.rotation_spread = Duration::ZERO;
    let mut room = stand.run(setup);
    assert_eq!(room.user_opened().await, 1);
    assert_eq!(room.user_opened().await, 2);
    let is_loss = |seen: &Seen| matches!(seen, Seen::Event(Event::UserStreamLost(_)));
    assert!(!room.history.iter().any(is_loss));
    let second = &stand.lines("/private")[1];
    assert!(second.open.load(std::sync::atomic::Ordering::SeqCst));
    stand
        .until("the old connection closed", |stand| {
            let first = &stand.lines("/private")[0];
            !first.open.load(std::sync::atomic::Ordering::SeqCst)
        })
        .await;
    room.stop().await;
}

#[tokio::test]
async fn the_other_spelling_of_the_private_path_is_tried() {
    let stand = Stand::start().await;
    stand.refuse_path("/private/ws?listenKey=");
    let mut room = stand.run(Setup::default());
    assert_eq!(room.user_opened().await, 1);
    let lines = stand.lines("/private");
    assert_eq!(lines[0].path, "/private/ws/canary-listen-key-1");
    room.stop().await;
}

#[tokio::test]
async fn p12_events_come_raw_or_wrapped_and_nonsense_is_a_gap() {
    let stand = Stand::start().await;
    let mut room = stand.run(Setup::default());
    room.user_opened().await;
    let update = r#"{"e":"ACCOUNT_CONFIG_UPDATE","E":5,"T":4,"ac":{"s":"BTCUSDT","l":25}}"#;
    let leverage = |event: &Event| match event {
        Event::LeverageChanged { leverage, .. } => Some(leverage.get()),
        _ => None,
    };
    stand.send("/private", update);
    assert_eq!(room.event("raw", leverage).await, 25);
    stand.send("/private", format!(r#"{{"stream":"x","data":{update}}}"#));
    assert_eq!(room.event("wrapped", leverage).await, 25);
    stand.send("/private", r#"{"e":"SOMETHING_NEW","E":1}"#);
    room.wait("the count of it", |seen| match seen {
        Seen::Note(Note::UnknownEvent { name }) if name == "SOMETHING_NEW" => Some(()),
        _ => None,
    })
    .await;
    stand.send(
        "/private",
        r#"{"e":"ACCOUNT_UPDATE","E":1,"T":1,"a":{"B":[{"a":"USDT"}]}}"#,
    );
    let cause = room
        .event("a gap", |event| match event {
            Event::UserStreamGap(loss) => Some(loss.cause),
            _ => None,
        })
        .await;
    assert_eq!(cause, LossCause::Undecodable);
    // The stream goes on.
    stand.send("/private", update);
    assert_eq!(room.event("the next", leverage).await, 25);
    room.stop().await;
}

#[tokio::test]
async fn u10_a_market_stream_that_acknowledges_and_says_nothing_is_lost() {
    let stand = Stand::start().await;
    stand.mute(true);
    let mut room = stand.run(Setup::default());
    let loss = market_lost(&mut room).await;
    assert_eq!(loss.cause, LossCause::Silent);
    stand.mute(false);
    let mark = room
        .wait("a streamed mark", |seen| match seen {
            Seen::Mark(mark) if mark.event_ms > 1 => Some(mark.clone()),
            _ => None,
        })
        .await;
    assert_eq!(mark.symbol.as_str(), "BTCUSDT");
    assert!(stand.lines("/market").len() >= 2);
    room.stop().await;
    stand.assert_harmless();
}

#[tokio::test]
async fn subscriptions_follow_the_demand_and_marks_are_seeded() {
    let stand = Stand::start().await;
    let mut room = stand.run(Setup::default());
    room.mark("BTCUSDT").await;
    room.demand.send_replace(Demand {
        symbols: [symbol("ETHUSDT")].into(),
        ..Demand::default()
    });
    let seeded = room.mark("ETHUSDT").await;
    assert!(seeded.mark.is_some());
    stand
        .until("both control messages", |stand| {
            let received = stand.lines("/market")[0].received.lock().unwrap().clone();
            let said = |method: &str, name: &str| {
                let is = |text: &&String| text.contains(method) && text.contains(name);
                received.iter().any(|text| is(&text))
            };
            said("\"SUBSCRIBE\"", "!contractInfo")
                && said("\"SUBSCRIBE\"", "ethusdt@markPrice@1s")
                && said("\"UNSUBSCRIBE\"", "btcusdt@markPrice@1s")
        })
        .await;
    assert_eq!(stand.lines("/market").len(), 1);
    room.stop().await;
}

#[tokio::test]
async fn a_changed_contract_is_told_and_its_tables_are_read_again() {
    let stand = Stand::start().await;
    let mut room = stand.run(Setup::default());
    room.mark("BTCUSDT").await;
    stand
        .until("both tables", |stand| {
            stand.count("GET", "/fapi/v1/exchangeInfo") == 1
                && stand.count("GET", "/fapi/v1/leverageBracket") == 1
        })
        .await;
    stand.send(
        "/market",
        r#"{"e":"contractInfo","E":1,"s":"BTCUSDT","cs":"TRADING","st":1,"bks":[{"bs":1}]}"#,
    );
    let brackets = room
        .event("the change", |event| match event {
            Event::ContractChanged { brackets, .. } => Some(*brackets),
            _ => None,
        })
        .await;
    assert!(brackets);
    stand
        .until("both tables again", |stand| {
            stand.count("GET", "/fapi/v1/exchangeInfo") == 2
                && stand.count("GET", "/fapi/v1/leverageBracket") == 2
        })
        .await;
    room.stop().await;
}

#[tokio::test]
async fn u12_a_task_that_panics_is_a_lost_stream_and_starts_again() {
    let stand = Stand::start().await;
    let mut room = stand.run(Setup::default());
    room.mark("BTCUSDT").await;
    stand.panic_on_next_mark();
    let loss = market_lost(&mut room).await;
    assert_eq!(loss.cause, LossCause::Closed);
    room.mark("BTCUSDT").await;
    room.stop().await;
}

#[tokio::test]
async fn a_risen_counter_asks_for_one_more_read() {
    let stand = Stand::start().await;
    let mut room = stand.run(Setup::default());
    account_truth(&mut room).await;
    let before = stand.count("GET", "/fapi/v3/account");
    let orders = stand.count("GET", "/fapi/v1/openOrders");
    room.demand.send_modify(|demand| demand.resync.account += 1);
    account_truth(&mut room).await;
    assert_eq!(stand.count("GET", "/fapi/v3/account"), before + 1);
    assert!(stand.count("GET", "/fapi/v1/openOrders") <= orders.max(1));
    room.stop().await;
}

#[tokio::test]
async fn shutting_down_is_told_and_prompt() {
    let stand = Stand::start().await;
    let mut room = stand.run(Setup::default());
    room.user_opened().await;
    let history = room.stop().await;
    let is_down = |seen: &Seen| matches!(seen, Seen::Event(Event::UserStreamLost(loss)) if loss.cause == LossCause::Shutdown);
    assert!(history.iter().any(is_down));
}
