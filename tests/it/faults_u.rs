//! Faults U: listen key and user stream (`faults.md` 1.1), the rows that no other test holds.

use std::time::Duration;

use crossguard::mirror::Notice;
use crossguard::mirror::event::{Event, LossCause};
use crossguard::mirror::plane::Plane;

use crate::exchange_stand::{Seen, Setup, Stand};
use crate::live::{Live, SCENE};

const HELD: &str = "\npos BTCUSDT crossed 20x +0.1 @ 60000\n";

fn losses(live: &Live) -> Vec<LossCause> {
    let told = live.notices().into_iter();
    told.filter_map(|(_, notice)| match notice {
        Notice::UserStreamLost(loss) => Some(loss.cause),
        _ => None,
    })
    .collect()
}

/// Keepalives go on being answered; that the key is another one is the only sign.
#[tokio::test(start_paused = true)]
async fn u03_a_key_that_expires_despite_keepalives_is_found_by_comparing_it() {
    let live = Live::within(&format!("{SCENE}{HELD}"), 1).await;
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert_eq!(losses(&live), []);
    live.say("expire-listen-key silent");
    live.say("order BTCUSDT buy 0.05");
    // The truth-check finds what the dead stream did not tell, long before the key is compared.
    tokio::time::sleep(Duration::from_secs(20)).await;
    let drifted = |notice: &(i64, Notice)| matches!(notice.1, Notice::Drifted(_));
    assert!(live.notices().iter().any(drifted));
    tokio::time::sleep(Duration::from_secs(41)).await;
    assert_eq!(losses(&live), [LossCause::ListenKey]);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(live.stale().await, []);
    live.until_equal("on the new key").await;
    live.end().await;
}

/// REST and market data are back long before the account's stream is: it is tried until it stands.
#[tokio::test(start_paused = true)]
async fn u12_the_account_stream_returns_by_itself_after_refused_attempts() {
    let live = Live::within(&format!("{SCENE}{HELD}"), 1).await;
    live.say("rest-error POST /fapi/v1/listenKey 502 \"bad gateway\" 3x");
    live.say("drop user");
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(live.stale().await, [Plane::Account, Plane::Orders]);
    tokio::time::sleep(Duration::from_secs(15)).await;
    assert_eq!(live.stale().await, []);
    live.say("order BTCUSDT buy 0.01");
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(live.difference().await, Ok(()), "by event");
    live.end().await;
}

#[tokio::test]
async fn u07_a_key_changed_in_between_is_followed_and_the_old_keepalive_dies_with_its_connection() {
    let stand = Stand::start().await;
    let mut room = stand.run(Setup::default());
    // Between the POST that named key 1 and the first comparison on its connection.
    assert_eq!(room.user_opened().await, 1);
    stand.change_listen_key("canary-listen-key-2");
    assert_eq!(room.user_opened().await, 2);
    assert!(
        stand.lines("/private")[1]
            .path
            .ends_with("canary-listen-key-2")
    );
    // Five further comparisons on the new connection, and no task that still believes in key 1.
    let compared = stand.count("POST", "/fapi/v1/listenKey");
    stand
        .until("further comparisons", |stand| {
            stand.count("POST", "/fapi/v1/listenKey") >= compared + 5
        })
        .await;
    let history = room.stop().await;
    let lost = history.iter().filter(|seen| {
        matches!(seen, Seen::Event(Event::UserStreamLost(loss)) if loss.cause == LossCause::ListenKey)
    });
    assert_eq!(lost.count(), 1);
    assert_eq!(stand.lines("/private").len(), 2);
    stand.assert_harmless();
}

#[tokio::test(start_paused = true)]
async fn u08_a_stream_that_answers_pings_and_tells_nothing_is_bounded_by_the_reads() {
    let live = Live::within(&format!("{SCENE}{HELD}"), 1).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    live.say("mute user");
    live.say("order BTCUSDT buy 0.5");
    live.say("order ETHUSDT sell 2 @ 3100");
    let before = live.clock.now();
    live.until_equal("though nothing was told").await;
    assert!(live.clock.now().since_ms(before) <= 20_000);
    // No answer in the hours after rests on more than 20 s of blindness.
    for _ in 0..600 {
        tokio::time::sleep(Duration::from_secs(7)).await;
        let status = live.guard.status().await.unwrap();
        let account = status
            .inputs
            .planes
            .into_iter()
            .find(|plane| plane.plane == Plane::Account);
        let account = account.unwrap();
        assert!(
            !account.fresh || account.age_ms.unwrap() <= 20_000,
            "{account:?}"
        );
    }
    assert_eq!(losses(&live), [], "its pings were answered");
    live.end().await;
}

/// One category per connection: private streams carry nothing but the account, market connections
/// nothing of books, and the retired paths are not used at all.
#[tokio::test]
async fn u11_categories_of_streams_are_never_mixed_on_a_connection() {
    let stand = Stand::start().await;
    let mut room = stand.run(Setup::default());
    room.user_opened().await;
    room.mark("BTCUSDT").await;
    // The first mark may be the seed read over REST: the subscription is waited for.
    let market: Vec<String> = loop {
        let lines = stand.lines("/market");
        let said = lines
            .iter()
            .map(|line| line.received.lock().unwrap().clone());
        let said: Vec<String> = said.flatten().collect();
        if !said.is_empty() {
            break said;
        }
        tokio::task::yield_now().await;
    };
    for message in market {
        let message: serde_json::Value = serde_json::from_str(&message).unwrap();
        for name in message["params"].as_array().unwrap() {
            let name = name.as_str().unwrap();
            assert!(
                name.ends_with("@markPrice@1s") || name == "!contractInfo",
                "{name}"
            );
        }
    }
    let lines = stand.lines("/");
    for line in &lines {
        let is_private = line.path.starts_with("/private/ws?listenKey=");
        assert!(is_private || line.path == "/market/ws", "{}", line.path);
        assert!(!is_private || line.received.lock().unwrap().is_empty());
    }
    assert!(lines.len() >= 2);
    room.stop().await;
}
