//! Faults K: key, clock, account type (`faults.md` 1.5), the rows that no other test holds.

use std::time::Duration;

use crossguard::guard::verdict::Decision;
use crossguard::mirror::plane::Plane;

use crate::live::{Live, SCENE};

const HELD: &str = "\npos BTCUSDT crossed 20x +0.1 @ 60000\n";

/// Every signed call of the guard.
const SIGNED: [&str; 7] = [
    "/fapi/v3/",
    "/fapi/v1/openOrders",
    "/fapi/v1/openAlgoOrders",
    "/fapi/v1/accountConfig",
    "/fapi/v1/symbolConfig",
    "/fapi/v1/leverageBracket",
    "/fapi/v1/listenKey",
];

/// Our clock is a minute off either way, and then it jumps by another minute.
#[tokio::test(start_paused = true)]
async fn k01_a_clock_that_is_off_is_measured_and_no_age_is_wrong() {
    for start in [-60_000, 60_000] {
        let live = Live::within(&format!("{SCENE}{HELD}skew {start}ms\n"), 1).await;
        for skew in [start, start + 60_000] {
            live.say(&format!("skew {skew}ms"));
            tokio::time::sleep(Duration::from_secs(45)).await;
            assert_eq!(live.stale().await, [], "{skew}");
            let status = live.guard.status().await.unwrap();
            assert_eq!(status.clock_offset.unwrap().offset_ms, skew);
        }
        live.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn k04_a_key_revoked_while_the_stream_goes_on_rejects_at_the_next_signed_call() {
    let live = Live::within(&format!("{SCENE}{HELD}"), 1).await;
    live.say("key revoked");
    tokio::time::sleep(Duration::from_secs(11)).await;
    assert_eq!(live.exchange.truth().user_connections, 1, "it streams on");
    assert!(live.stale().await.contains(&Plane::Key));
    assert_eq!(
        live.check("BTCUSDT buy 0.001").await.decision,
        Decision::Reject
    );
    assert_eq!(
        live.check("BTCUSDT sell 0.1 reduce-only").await.decision,
        Decision::Warn
    );
    live.say("key ok");
    tokio::time::sleep(Duration::from_secs(35)).await;
    assert_eq!(live.stale().await, []);
    live.end().await;
}

/// The account is moved to portfolio margin while the guard runs. Said so, it is named; if all
/// that is said is -2015, it is a refused key. Either way nothing that adds risk passes.
#[tokio::test(start_paused = true)]
async fn k07_portfolio_margin_is_refused_by_name_when_the_exchange_names_it() {
    for (words, named) in [
        ("Account is in Portfolio Margin mode.", true),
        ("Invalid API-key, IP, or permissions for action.", false),
    ] {
        let live = Live::within(&format!("{SCENE}{HELD}"), 1).await;
        for path in SIGNED {
            live.say(&format!("rest-error {path} 401 -2015 \"{words}\""));
        }
        tokio::time::sleep(Duration::from_secs(11)).await;
        let judgement = live.check("BTCUSDT buy 0.001").await;
        assert_eq!(judgement.decision, Decision::Reject);
        let status = live.guard.status().await.unwrap();
        assert_eq!(status.unsupported.is_some(), named, "{words}");
        assert_eq!(
            live.check("BTCUSDT sell 0.1 reduce-only").await.decision,
            Decision::Warn
        );
        live.say("rest-ok /fapi/");
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(live.stale().await, [], "switched off again");
        live.end().await;
    }
}
