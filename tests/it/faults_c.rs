//! Faults C: settings and tables (`faults.md` 1.4), the rows that no other test holds.

use std::time::Duration;

use crossguard::daemon::core::Output;
use crossguard::guard::verdict::{Code, Decision};
use crossguard::margin::account::MarginMode;
use crossguard::mirror::Notice;

use crate::live::{Live, SCENE};
use crate::rig::Rig;

#[tokio::test(start_paused = true)]
async fn c01_leverage_changed_in_silence_is_found_within_a_minute() {
    let live = Live::within(SCENE, 1).await;
    live.say("silent leverage BTCUSDT 50");
    tokio::time::sleep(Duration::from_secs(60)).await;
    let (_, leverage) = live.check("BTCUSDT buy 0.01").await.settings().unwrap();
    assert_eq!(leverage.get(), 50);
    live.end().await;
}

#[tokio::test(start_paused = true)]
async fn c02_a_margin_type_is_followed_with_and_without_an_event() {
    let live = Live::within(SCENE, 1).await;
    let mode = async || live.check("BTCUSDT buy 0.01").await.settings().unwrap().0;
    assert_eq!(mode().await, MarginMode::Crossed);
    live.say("margin BTCUSDT isolated");
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(
        mode().await,
        MarginMode::Isolated,
        "an event of zero rows tells"
    );
    live.say("silent margin BTCUSDT crossed");
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(mode().await, MarginMode::Crossed, "the poll finds it");
    live.end().await;
}

#[tokio::test(start_paused = true)]
async fn c03_a_position_mode_flipped_in_silence_is_found_within_a_minute() {
    let live = Live::within(SCENE, 1).await;
    live.say("silent mode hedge");
    tokio::time::sleep(Duration::from_secs(60)).await;
    live.until_fresh().await;
    let report = live.guard.account().await.unwrap();
    assert_eq!(
        report.position_mode,
        crossguard::margin::account::PositionMode::Hedge
    );
    live.end().await;
}

#[tokio::test(start_paused = true)]
async fn c04_multi_assets_mode_is_followed_with_and_without_an_event() {
    // 0.1 BTC more is worth 5,700 USD as collateral, and nothing where USDT stands alone.
    let rates = "index USDT 1\nindex USDC 1\nindex BTC 60000 bid 0.05 ask 0.05\nwallet BTC 0.1\n";
    let live = Live::within(&format!("{SCENE}{rates}"), 1).await;
    for (line, wait) in [
        ("assets multi", 3_000),
        ("silent assets single", 62_000),
        ("silent assets multi", 62_000),
        ("assets single", 3_000),
    ] {
        live.say(line);
        tokio::time::sleep(Duration::from_millis(wait)).await;
        let report = live.guard.account().await.unwrap();
        let pools: Vec<(&str, String)> = report
            .pools
            .iter()
            .map(|pool| {
                let figures = pool.figures.as_ref().unwrap();
                (pool.asset.as_str(), figures.margin_balance.to_string())
            })
            .collect();
        if line.ends_with("multi") {
            // 10,000 USDT, 2,000 USDC and 0.1 BTC at 57,000.
            assert_eq!(pools, [("USD", "17700".to_owned())], "{line}");
        } else {
            let named: Vec<&str> = pools.iter().map(|(asset, _)| *asset).collect();
            assert_eq!(named, ["BTC", "USDC", "USDT"], "{line}");
        }
        let judgement = live.check("BTCUSDT buy 0.01").await;
        assert_eq!(
            judgement.decision,
            Decision::Allow,
            "{line}: {}",
            judgement.why
        );
    }
    live.end().await;
}

#[tokio::test(start_paused = true)]
async fn c04_a_collateral_without_a_rate_is_named_and_exits_still_pass() {
    let scene = format!(
        "{SCENE}index USDT 1\nindex USDC 1\n\
         pos BTCUSDT crossed 20x +0.1 @ 60000\nassets multi\n"
    );
    let live = Live::within(&scene, 1).await;
    live.until_fresh().await;
    assert_eq!(
        live.check("BTCUSDT buy 0.01").await.decision,
        Decision::Allow
    );
    live.say("wallet DOGE 10");
    tokio::time::sleep(Duration::from_secs(1)).await;
    let refused = live.check("BTCUSDT buy 0.01").await;
    assert_eq!(refused.decision, Decision::Reject);
    assert_eq!(refused.findings[0].code, Code::NotReady);
    assert!(
        refused.why.contains("DOGE: no collateral rate"),
        "{}",
        refused.why
    );
    let exit = live.check("BTCUSDT sell 0.05 reduce-only").await;
    assert_eq!(exit.decision, Decision::Warn);
    live.say("index DOGE 0.1 bid 0.1 ask 0.1");
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(
        live.check("BTCUSDT buy 0.01").await.decision,
        Decision::Allow
    );
    live.end().await;
}

const LONG: &str = "
symbol BTCUSDT tick 0.1 step 0.001 min-notional 5
brackets BTCUSDT 0 50000 0.004 125x | 50000 600000 0.005 100x
leverage BTCUSDT 10
wallet USDT 10000
pos BTCUSDT crossed 10x +0.5 @ 60000
";

fn maintenance(rig: &Rig) -> String {
    let asset = crate::rig::asset("USDT");
    let pool = rig
        .core
        .mirror()
        .book()
        .assess(&asset, crossguard::margin::amount::Rate::ZERO);
    pool.unwrap().maintenance_margin.to_string()
}

#[test]
fn c05_changed_brackets_are_held_to_the_stricter_until_they_are_told_twice() {
    let mut rig = Rig::from_text(LONG).0;
    // 0.5 × 60,000 at 0.4 %.
    assert_eq!(maintenance(&rig), "120");
    let rows = |rig: &mut Rig, text: &str| {
        let line = crossguard::scenario::parse_line(&format!("brackets BTCUSDT {text}"));
        rig.play_again(&line.unwrap().unwrap())
    };
    let harder = "0 10000 0.004 100x | 10000 600000 0.02 50x";
    let outputs = rows(&mut rig, harder);
    // 30,000 × 2 % − 10,000 × (2 % − 0.4 %) = 440.
    assert_eq!(maintenance(&rig), "440", "at once, when it is more");
    let told = outputs.iter().any(|output| {
        matches!(output, Output::Notice(Notice::RequirementRose { before, after, .. })
            if before.to_string() == "120" && after.to_string() == "440")
    });
    assert!(told, "{outputs:?}");
    assert!(rig.core.watch().reads.brackets > 0, "asked for again");
    let outputs = rows(&mut rig, harder);
    assert_eq!(maintenance(&rig), "440");
    assert!(
        !outputs
            .iter()
            .any(|output| matches!(output, Output::Notice(_)))
    );
    // Back to what it was: less is believed only when it is told again.
    let softer = "0 50000 0.004 125x | 50000 600000 0.005 100x";
    rows(&mut rig, softer);
    assert_eq!(maintenance(&rig), "440");
    // A server that has not heard yet tells the old ones in between.
    rows(&mut rig, harder);
    assert_eq!(maintenance(&rig), "440");
    rows(&mut rig, softer);
    assert_eq!(maintenance(&rig), "440");
    rows(&mut rig, softer);
    assert_eq!(maintenance(&rig), "120");
    // Neither is stricter everywhere: tier by tier the higher rate counts.
    rows(&mut rig, "0 50000 0.003 125x | 50000 600000 0.03 20x");
    assert_eq!(maintenance(&rig), "120");
    rig.mark("BTCUSDT", 200_000.into());
    // 100,000: 50,000 at 0.4 % and 50,000 at 3 %.
    assert_eq!(maintenance(&rig), "1700");
}

#[tokio::test(start_paused = true)]
async fn c05_brackets_that_change_under_a_position_are_known_within_a_quarter_of_an_hour() {
    let live = Live::within(
        &format!("{SCENE}\npos BTCUSDT crossed 20x +0.1 @ 60000\n"),
        1,
    )
    .await;
    live.say("silent brackets BTCUSDT 0 50000 0.01 50x | 50000 600000 0.02 25x");
    tokio::time::sleep(Duration::from_secs(15 * 60)).await;
    live.until_equal("with the new brackets").await;
    live.end().await;
}

#[test]
fn c06_a_symbol_without_brackets_is_rejected_and_never_counted_as_free() {
    let mut rig = Rig::from_text(&format!(
        "{LONG}\nsymbol NEWUSDT tick 0.1 step 0.001 min-notional 5\nbrackets NEWUSDT none\n"
    ))
    .0;
    rig.settings("NEWUSDT", |_| {});
    rig.mark("NEWUSDT", 100.into());
    let answer = rig.check("NEWUSDT buy 1");
    assert_eq!(answer.judgement.decision, Decision::Reject);
    assert_eq!(answer.judgement.findings[0].code, Code::UnknownFigure);
    assert!(
        answer.judgement.why.contains("brackets"),
        "{}",
        answer.judgement.why
    );
}
