//! Faults N: network (`faults.md` 1.6), the rows that no other test holds.

use std::time::Duration;

use crossguard::guard::verdict::Decision;
use crossguard::mirror::Notice;
use crossguard::mirror::event::Event;
use crossguard::mirror::plane::Plane;

use crate::exchange_stand::{Setup, Stand};
use crate::live::{Live, SCENE};

const HELD: &str = "\npos BTCUSDT crossed 20x +0.1 @ 60000\n";

#[tokio::test(start_paused = true)]
async fn n01_a_black_hole_is_noticed_within_twenty_seconds_and_left_within_five() {
    let live = Live::within(&format!("{SCENE}{HELD}"), 1).await;
    live.say("silence");
    live.say("rest-hang /fapi/");
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert!(live.stale().await.contains(&Plane::Account));
    assert_eq!(
        live.check("BTCUSDT buy 0.001").await.decision,
        Decision::Reject
    );
    tokio::time::sleep(Duration::from_secs(60)).await;
    live.say("silence off");
    live.say("rest-ok /fapi/");
    tokio::time::sleep(Duration::from_secs(15)).await;
    assert_eq!(live.stale().await, []);
    live.until_equal("when the route is back").await;
    live.end().await;
}

#[tokio::test(start_paused = true)]
async fn n11_one_connection_that_dies_in_silence_is_stale_though_its_twin_lives() {
    let live = Live::within(&format!("{SCENE}{HELD}"), 1).await;
    live.say("mute market");
    // Reads over REST would bridge it: they fail as well.
    live.say("rest-error /fapi/v1/premiumIndex 503 \"down\"");
    tokio::time::sleep(Duration::from_millis(6_100)).await;
    assert_eq!(live.stale().await, [Plane::Marks]);
    assert_eq!(
        live.check("BTCUSDT buy 0.001").await.decision,
        Decision::Reject
    );
    live.say("unmute market");
    live.say("rest-ok /fapi/v1/premiumIndex");
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(live.stale().await, []);
    // The other way round: the account's connection is cut, and the marks go on.
    live.say("drop user");
    live.say("rest-error POST /fapi/v1/listenKey 503 \"down\"");
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(live.stale().await, [Plane::Account, Plane::Orders]);
    live.say("rest-ok /fapi/v1/listenKey");
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(live.stale().await, []);
    live.end().await;
}

/// A refused subscription is a connection that carries nothing: it is given up and made anew, and
/// only marks that arrive make the plane fresh.
#[tokio::test]
async fn n13_a_refused_subscription_is_a_lost_connection_and_not_a_line_in_the_log() {
    let stand = Stand::start().await;
    let mut room = stand.run(Setup::default());
    room.mark("BTCUSDT").await;
    stand
        .until("the market connection", |stand| {
            stand.lines("/market").len() == 1
        })
        .await;
    let refusal = r#"{"error":{"code":2,"msg":"Invalid request"},"id":1}"#;
    stand.send("/market", refusal);
    let loss = room
        .event("the loss", |event| match event {
            Event::MarketStreamLost(loss) => Some(loss.clone()),
            _ => None,
        })
        .await;
    assert!(loss.detail.contains("Invalid request"), "{}", loss.detail);
    stand
        .until("another connection", |stand| {
            stand.lines("/market").len() == 2
        })
        .await;
    room.mark("BTCUSDT").await;
    room.stop().await;
}

/// A liquidation cascade's worth of account events in one instant: all of them are applied, none
/// is dropped, nothing has to be read for it. (What would not fit becomes one gap: tested in
/// `exchange::outlet`.)
#[tokio::test(start_paused = true)]
async fn n12_a_burst_of_twelve_thousand_events_is_applied_without_a_gap() {
    let live = Live::within(&format!("{SCENE}{HELD}"), 1).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    for index in 0..12_000 {
        live.say(&format!(
            "adjust USDT {}",
            if index % 2 == 0 { 1 } else { -1 }
        ));
    }
    live.say("order BTCUSDT buy 0.05");
    live.until_equal("after the burst").await;
    live.until_fresh().await;
    let gap = |notice: &(i64, Notice)| {
        matches!(
            &notice.1,
            Notice::UserStreamGap(_) | Notice::UserStreamLost(_) | Notice::Drifted(_)
        )
    };
    assert!(!live.notices().iter().any(gap));
    live.end().await;
}
