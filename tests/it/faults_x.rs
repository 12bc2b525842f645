//! Faults X: what the exchange does to the account (`faults.md` 1.9), the rows that no other test
//! holds.

use std::time::Duration;

use crossguard::daemon::core::Output;
use crossguard::guard::verdict::{Code, Decision};
use crossguard::mirror::Notice;
use crossguard::mirror::event::{AccountTruth, Event, OrderOrigin, OrderStatus};
use crossguard::mirror::plane::Plane;

use crate::live::{Live, SCENE};
use crate::rig::{Rig, working};

const HEDGED: &str = "
symbol BTCUSDT tick 0.1 step 0.001 min-notional 5
symbol ETHUSDT tick 0.01 step 0.001 min-notional 5
brackets BTCUSDT 0 50000 0.004 125x | 50000 600000 0.005 100x
brackets ETHUSDT 0 50000 0.005 100x
leverage BTCUSDT 10
leverage ETHUSDT 10
wallet USDT 10000
pos BTCUSDT crossed 10x +0.1 @ 60000
mark ETHUSDT 3000
";

fn stale(rig: &Rig) -> Vec<Plane> {
    let planes = rig.core.mirror().planes(rig.clock.now(), None);
    let stale = planes.into_iter().filter(|status| !status.fresh);
    stale.map(|status| status.plane).collect()
}

/// The exchange's own order, by the name it gives them: nothing that adds risk passes until it is
/// over and everything was read after it.
fn forced(name: &str, origin: OrderOrigin) {
    let mut rig = Rig::from_text(HEDGED).0;
    assert_eq!(
        rig.check("ETHUSDT buy 0.1").judgement.decision,
        Decision::Allow
    );
    let order = working(&format!("BTCUSDT sell 0.1 @ 55000 id {name}"), 7);
    let at = rig.exchange_ms();
    let outputs = rig.tell_order(&order, "0", OrderStatus::Working, at);
    let told = outputs.iter().any(|output| {
        matches!(output, Output::Notice(Notice::Forced { origin: told, .. }) if *told == origin)
    });
    assert!(told, "{outputs:?}");
    assert!(rig.core.watch().reads.account > 0);
    for _ in 0..2 {
        assert_eq!(stale(&rig), [Plane::Account, Plane::Orders]);
        assert_eq!(
            rig.check("ETHUSDT buy 0.1").judgement.decision,
            Decision::Reject
        );
        assert_eq!(
            rig.check("BTCUSDT sell 0.1 reduce-only").judgement.decision,
            Decision::Warn
        );
        // What is read while it still works is not the end of it.
        let (account, orders) = (
            rig.account_read("10000", Some(("0.1", at))),
            rig.orders_read(vec![order.clone()]),
        );
        rig.tell(account);
        rig.tell(orders);
    }
    let filled = rig.exchange_ms();
    rig.tell_order(&order, "0.1", OrderStatus::Filled, filled);
    rig.tell_position("0", filled);
    assert_eq!(stale(&rig), [Plane::Account, Plane::Orders]);
    let account = rig.account_read("4000", None);
    rig.tell(account);
    assert_eq!(stale(&rig), [Plane::Account, Plane::Orders]);
    let orders = rig.orders_read(vec![]);
    rig.tell(orders);
    assert_eq!(stale(&rig), []);
}

#[test]
fn x01_a_liquidation_stops_everything_that_adds_risk_until_it_is_over_and_read() {
    forced("autoclose-1", OrderOrigin::Liquidation);
}

#[test]
fn x02_deleveraging_drops_the_hedge_at_once_and_is_read_after() {
    forced("adl_autoclose", OrderOrigin::AutoDeleveraging);
}

#[tokio::test(start_paused = true)]
async fn x01_after_a_liquidation_the_mirror_is_told_and_agrees() {
    let scene =
        format!("{SCENE}\npos BTCUSDT crossed 20x +1 @ 60000\npos ETHUSDT crossed 7x +2 @ 3000\n");
    let live = Live::within(&scene, 1).await;
    live.say("mark BTCUSDT 49000");
    live.until_equal("after the liquidation").await;
    live.until_fresh().await;
    let forced = |notice: &(i64, Notice)| {
        matches!(
            &notice.1,
            Notice::Forced {
                origin: OrderOrigin::Liquidation,
                ..
            }
        )
    };
    assert!(live.notices().iter().any(forced));
    assert!(live.exchange.truth().positions.is_empty());
    live.end().await;
}

#[tokio::test(start_paused = true)]
async fn x02_after_deleveraging_of_one_leg_the_other_stands_alone() {
    let scene = format!(
        "mode hedge\n{SCENE}\npos BTCUSDT crossed 20x +1 @ 60000 long\npos BTCUSDT crossed 20x -1 @ 60000 short\n"
    );
    let live = Live::within(&scene, 1).await;
    live.say("adl BTCUSDT 1 short");
    live.until_equal("after the deleveraging").await;
    live.until_fresh().await;
    let forced = |notice: &(i64, Notice)| {
        matches!(
            &notice.1,
            Notice::Forced {
                origin: OrderOrigin::AutoDeleveraging,
                ..
            }
        )
    };
    assert!(live.notices().iter().any(forced));
    // 1 long of 60,000 against 10,000: six times, and a fall of a sixth takes it all.
    let judgement = live.check("BTCUSDT buy 0.01 long").await;
    assert_ne!(judgement.decision, Decision::Allow, "{}", judgement.why);
    live.end().await;
}

#[test]
fn x05_a_negative_wallet_is_a_number_like_any_other_and_permits_nothing() {
    let mut rig = Rig::from_text(HEDGED).0;
    for wallet in ["-5", "-1000000", "0"] {
        rig.balance("USDT", wallet.parse().unwrap());
        rig.mark("BTCUSDT", 50_000.into());
        rig.mark("ETHUSDT", 3_000.into());
        for risk in ["BTCUSDT buy 0.001", "ETHUSDT buy 0.1", "ETHUSDT sell 0.1"] {
            let answer = rig.check(risk);
            assert_eq!(
                answer.judgement.decision,
                Decision::Reject,
                "{wallet} {risk}"
            );
        }
        for exit in [
            "BTCUSDT sell 0.1 reduce-only",
            "BTCUSDT sell close-position stop 55000",
        ] {
            assert_ne!(
                rig.check(exit).judgement.decision,
                Decision::Reject,
                "{wallet} {exit}"
            );
        }
    }
}

#[test]
fn x06_credits_are_recognised_and_refused_by_name() {
    let mut rig = Rig::from_text(HEDGED).0;
    let Event::AccountTruth(mut read) = rig.account_read("10000", Some(("0.1", i64::MAX / 2)))
    else {
        unreachable!()
    };
    read.value = AccountTruth {
        credits: true,
        ..read.value
    };
    rig.tell(Event::AccountTruth(read));
    let answer = rig.check("BTCUSDT buy 0.001");
    assert_eq!(answer.judgement.decision, Decision::Reject);
    assert_eq!(answer.judgement.findings[0].code, Code::UnsupportedAccount);
    assert!(
        answer.judgement.why.contains("BNFCR"),
        "{}",
        answer.judgement.why
    );
    assert_ne!(
        rig.check("BTCUSDT sell 0.1 reduce-only").judgement.decision,
        Decision::Reject
    );
}

#[tokio::test(start_paused = true)]
async fn x06_the_asset_that_stands_for_credits_is_noticed_on_the_wire() {
    let live = Live::within(SCENE, 1).await;
    live.say("mutate /fapi/v3/account assets.0.asset \"BNFCR\" 100x");
    live.say("mutate /fapi/v3/account assets.0.walletBalance \"50\" 100x");
    tokio::time::sleep(Duration::from_secs(60)).await;
    let judgement = live.check("BTCUSDT buy 0.001").await;
    assert_eq!(judgement.decision, Decision::Reject);
    live.end().await;
}

#[tokio::test(start_paused = true)]
async fn x08_money_that_leaves_lowers_the_equity_at_once() {
    let live = Live::within(
        &format!("{SCENE}\npos BTCUSDT crossed 20x +0.1 @ 60000\n"),
        1,
    )
    .await;
    assert_eq!(
        live.check("BTCUSDT buy 0.1").await.decision,
        Decision::Allow
    );
    // 12,000 of 10,000 is harmless, of 1,200 it is not.
    live.say("transfer USDT -8800");
    tokio::time::sleep(Duration::from_millis(20)).await;
    let judgement = live.check("BTCUSDT buy 0.1").await;
    assert_eq!(judgement.decision, Decision::Reject);
    let after = live.guard.account().await.unwrap();
    let usdt = after
        .wallets
        .iter()
        .find(|wallet| wallet.asset.as_str() == "USDT");
    assert_eq!(usdt.unwrap().wallet_balance.to_string(), "1200");
    live.end().await;
}

#[test]
fn x10_account_events_that_come_late_make_the_account_stale_until_it_was_read() {
    let mut rig = Rig::from_text(HEDGED).0;
    rig.clock.advance_ms(6_000);
    rig.mark("BTCUSDT", 60_000.into());
    rig.mark("ETHUSDT", 3_000.into());
    assert_eq!(stale(&rig), []);
    let reads = rig.core.watch().reads;
    let late = rig.exchange_ms() - 5_500;
    rig.tell_position("0.2", late);
    assert_eq!(stale(&rig), [Plane::Account, Plane::Orders]);
    assert_eq!(
        rig.check("ETHUSDT buy 0.1").judgement.decision,
        Decision::Reject
    );
    assert!(rig.core.watch().reads.account > reads.account);
    let held = rig.core.mirror().book().state("BTCUSDT").unwrap().legs.both;
    assert_eq!(
        held.quantity.to_string(),
        "0.2",
        "late, and still the newest word"
    );
    // An event in time: the stream has caught up, and nothing older can follow.
    let in_time = rig.exchange_ms();
    rig.tell_position("0.3", in_time);
    assert_eq!(stale(&rig), []);
    // Or both reads after the last late one.
    rig.clock.advance_ms(6_000);
    rig.mark("BTCUSDT", 60_000.into());
    let late = rig.exchange_ms() - 5_500;
    rig.tell_position("0.4", late);
    let account = rig.account_read("10000", Some(("0.4", late)));
    rig.tell(account);
    assert_eq!(stale(&rig), [Plane::Account, Plane::Orders]);
    let orders = rig.orders_read(vec![]);
    rig.tell(orders);
    assert_eq!(stale(&rig), []);
}

#[tokio::test(start_paused = true)]
async fn x10_a_crash_in_which_everything_is_late_is_answered_with_no() {
    let live = Live::within(
        &format!("{SCENE}\npos BTCUSDT crossed 20x +0.1 @ 60000\n"),
        1,
    )
    .await;
    live.say("delay user 30s");
    live.say("delay market 30s");
    live.say("rest-error /fapi/v1/premiumIndex 503 -1008 \"Server is currently overloaded\"");
    live.say("rest-delay /fapi/ 3s");
    tokio::time::sleep(Duration::from_secs(6)).await;
    for _ in 0..60 {
        assert!(live.stale().await.contains(&Plane::Marks));
        assert_eq!(
            live.check("BTCUSDT buy 0.001").await.decision,
            Decision::Reject
        );
        assert_eq!(
            live.check("BTCUSDT sell 0.1 reduce-only").await.decision,
            Decision::Warn
        );
        live.say("order BTCUSDT buy 0.001");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    live.say("delay user 0s");
    live.say("delay market 0s");
    live.say("rest-ok /fapi/");
    // What is under way goes on arriving late for half a minute.
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(live.stale().await, []);
    live.until_equal("when it is over").await;
    live.end().await;
}
