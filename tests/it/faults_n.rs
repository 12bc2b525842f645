//! Faults N: network (`faults.md` 1.6), the rows that no other test holds.

use std::time::Duration;

use crossguard::guard::verdict::Decision;
use crossguard::mirror::Notice;
use crossguard::mirror::plane::Plane;

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

/// More account events in one instant than the spine's queue holds: what did not fit is one gap,
/// and the reads after it tell everything.
#[tokio::test(start_paused = true)]
async fn n12_a_burst_beyond_the_queue_is_a_gap_and_loses_nothing_known() {
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
            Notice::UserStreamGap(_) | Notice::UserStreamLost(_)
        )
    };
    println!(
        "gaps: {}",
        live.notices().iter().filter(|notice| gap(notice)).count()
    );
    live.end().await;
}
