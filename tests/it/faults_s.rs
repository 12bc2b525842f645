//! Faults S: symbols and prices (`faults.md` 1.8), the rows that no other test holds.

use std::time::Duration;

use crossguard::guard::verdict::{Code, Decision};
use crossguard::mirror::plane::Plane;

use crate::live::{Live, SCENE};
use crate::rig::Rig;

const TWO: &str = "
symbol BTCUSDT tick 0.1 step 0.001 min-notional 5
symbol ETHUSDT tick 0.01 step 0.001 min-notional 5
symbol BTCUSDC tick 0.1 step 0.001 min-notional 5 quote USDC margin USDC
brackets BTCUSDT 0 50000 0.004 125x | 50000 600000 0.005 100x
brackets ETHUSDT 0 50000 0.005 100x
brackets BTCUSDC 0 50000 0.004 125x
leverage BTCUSDT 10
leverage ETHUSDT 10
leverage BTCUSDC 10
wallet USDT 10000
wallet USDC 10000
pos BTCUSDT crossed 10x +0.1 @ 60000
mark ETHUSDT 3000
mark BTCUSDC 60000
";

#[test]
fn s05_a_held_symbol_whose_mark_is_zero_stops_its_whole_pool_and_no_other() {
    let mut rig = Rig::from_text(TWO).0;
    assert_eq!(
        rig.check("ETHUSDT buy 0.1").judgement.decision,
        Decision::Allow
    );
    rig.mark("BTCUSDT", 0.into());
    for risk in ["BTCUSDT buy 0.01", "ETHUSDT buy 0.1"] {
        let answer = rig.check(risk);
        assert_eq!(answer.judgement.decision, Decision::Reject, "{risk}");
        assert_eq!(answer.judgement.findings[0].code, Code::NotReady, "{risk}");
        assert!(
            answer.judgement.why.contains("BTCUSDT"),
            "{}",
            answer.judgement.why
        );
    }
    assert_eq!(
        rig.check("BTCUSDC buy 0.01").judgement.decision,
        Decision::Allow
    );
    assert_eq!(
        rig.check("BTCUSDT sell 0.1 reduce-only").judgement.decision,
        Decision::Warn
    );
}

#[tokio::test(start_paused = true)]
async fn s05_a_settled_contract_is_closed_and_the_pool_lives_on() {
    let scene = format!(
        "{SCENE}\npos BTCUSDT crossed 20x +0.1 @ 60000\npos ETHUSDT crossed 7x +1 @ 3000\n"
    );
    let live = Live::within(&scene, 1).await;
    live.say("status BTCUSDT SETTLING");
    live.say("mark BTCUSDT 0");
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(live.stale().await.contains(&Plane::Marks));
    assert_eq!(
        live.check("ETHUSDT buy 0.1").await.decision,
        Decision::Reject
    );
    live.say("settle BTCUSDT 60000");
    tokio::time::sleep(Duration::from_secs(10)).await;
    live.until_equal("after delivery").await;
    assert_eq!(
        live.check("ETHUSDT buy 0.1").await.decision,
        Decision::Allow
    );
    assert_eq!(
        live.check("BTCUSDT buy 0.01").await.decision,
        Decision::Reject
    );
    live.end().await;
}

#[test]
fn s06_the_zero_mark_of_a_symbol_that_is_not_held_is_never_a_price() {
    let mut rig = Rig::from_text(TWO).0;
    rig.mark("ETHUSDT", 0.into());
    for words in [
        "ETHUSDT buy 0.1",
        "ETHUSDT sell 0.1",
        "ETHUSDT buy 0.1 @ 3000",
    ] {
        assert_eq!(
            rig.check(words).judgement.decision,
            Decision::Reject,
            "{words}"
        );
    }
    assert_eq!(
        rig.check("BTCUSDT buy 0.01").judgement.decision,
        Decision::Allow
    );
}

#[tokio::test(start_paused = true)]
async fn s07_a_symbol_missing_from_the_stream_is_stale_by_itself() {
    let live = Live::within(
        &format!("{SCENE}\npos BTCUSDT crossed 20x +0.1 @ 60000\n"),
        1,
    )
    .await;
    assert_eq!(
        live.check("ETHUSDT buy 0.1").await.decision,
        Decision::Allow
    );
    live.say("freeze ETHUSDT on");
    tokio::time::sleep(Duration::from_secs(7)).await;
    assert_eq!(
        live.check("BTCUSDT buy 0.001").await.decision,
        Decision::Allow
    );
    let judgement = live.check("ETHUSDT buy 0.1").await;
    assert_eq!(judgement.decision, Decision::Reject);
    assert!(judgement.why.contains("ETHUSDT"), "{}", judgement.why);
    live.say("freeze ETHUSDT off");
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(
        live.check("ETHUSDT buy 0.1").await.decision,
        Decision::Allow
    );
    live.end().await;
}

/// The exchange liquidates on its own mark however broken it is, so a mark is taken as it comes:
/// no filter for outliers, in either direction.
#[test]
fn s09_a_mark_that_breaks_is_taken_as_it_is_and_judged_at_once() {
    let mut rig = Rig::from_text(TWO).0;
    assert_eq!(
        rig.check("BTCUSDT buy 0.01").judgement.decision,
        Decision::Allow
    );
    // 35 % off within a second: 0.5 × 39,000 held against what is left.
    let text = TWO.replace("+0.1 @ 60000", "+0.4 @ 60000");
    let mut rig = Rig::from_text(&text).0;
    assert_ne!(
        rig.check("BTCUSDT buy 0.001").judgement.decision,
        Decision::Reject
    );
    rig.mark("BTCUSDT", 39_000.into());
    let answer = rig.check("BTCUSDT buy 0.001");
    assert_eq!(answer.judgement.decision, Decision::Reject);
    let asset = crate::rig::asset("USDT");
    let pool = rig
        .core
        .mirror()
        .book()
        .assess(&asset, crossguard::margin::amount::Rate::ZERO);
    // 10,000 − 0.4 × 21,000
    assert_eq!(pool.unwrap().margin_balance.to_string(), "1600");
    rig.mark("BTCUSDT", 60_000.into());
    assert_ne!(
        rig.check("BTCUSDT buy 0.001").judgement.decision,
        Decision::Reject
    );
}
