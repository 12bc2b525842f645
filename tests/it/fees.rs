//! Fees: the account's own rates are read, contract by contract and seldom, the careful one counts, and
//! nothing is refused for want of them.

use std::time::Duration;

use crossguard::exchange::{Cadence, Note};
use crossguard::mirror::event::Event;
use serde_json::Value;

use crate::api_rig::{ACCOUNT, Daemon};
use crate::live::Live;
use crate::rig::Rig;

const PATH: &str = "/fapi/v1/commissionRate";

const SCENE: &str = "
symbol BTCUSDT tick 0.1 step 0.001 min-notional 5 taker 0.0004 maker -0.0001
symbol ETHUSDT tick 0.01 step 0.001 min-notional 5 taker 0.0007 maker 0.0003
symbol SOLUSDT tick 0.01 step 0.1 min-notional 5
brackets BTCUSDT 0 50000 0.004 125x | 50000 250000 0.005 100x
brackets ETHUSDT 0 50000 0.005 100x | 50000 500000 0.01 50x
brackets SOLUSDT 0 50000 0.01 50x
wallet USDT 10000
mark BTCUSDT 60000
mark ETHUSDT 3000
mark SOLUSDT 150
pos BTCUSDT crossed 20x +0.05 @ 60000
pos ETHUSDT crossed 20x +0.5 @ 3000
";

const SMALL: &str = r#"{"symbol":"BTCUSDT","side":"BUY","type":"LIMIT","timeInForce":"GTC","price":"60000","quantity":"0.01"}"#;

fn missing<'a>(answer: &'a Value, path: &str) -> Option<&'a str> {
    let rows = answer["inputs"]["missing"].as_array().unwrap();
    let row = rows.iter().find(|row| row["path"] == path)?;
    row["reason"].as_str()
}

#[test]
fn the_higher_of_the_policys_fee_and_the_accounts_own_counts() {
    // The policy says 0.05 %. 0.01 × 60,000 = 600 of notional.
    for (taker, used, fee, left) in [
        ("0.0004", "0.0005", "0.3", "9999.7"),
        ("0.0008", "0.0008", "0.48", "9999.52"),
    ] {
        let rates = format!("min-notional 5 taker {taker} maker 0.0003");
        let daemon = Daemon::with(&ACCOUNT.replacen("min-notional 5", &rates, 1));
        let answer = daemon.check(SMALL, r#","dryRun":true"#).json();
        let costs = &answer["costs"];
        assert_eq!(costs["fee"], fee, "{answer:#}");
        assert_eq!(costs["makerFee"], "0.18");
        let rates = &costs["feeRates"]["BTCUSDT"];
        assert_eq!(rates["taker"], taker);
        assert_eq!(rates["maker"], "0.0003");
        assert_eq!(rates["takerUsed"], used);
        assert!(rates["ageMs"].as_i64().unwrap() > 0);
        assert_eq!(missing(&answer, "costs.makerFee"), None);
        // The wallet pays what is counted.
        assert_eq!(answer["account"]["after"]["crossWalletBalance"], left);
    }
}

#[test]
fn a_rate_that_was_not_read_is_null_with_its_reason_and_refuses_nothing() {
    let (rig, _) = Rig::from_text(ACCOUNT);
    let daemon = Daemon::start(rig.clock.clone());
    for event in rig.told {
        if !matches!(event, Event::CommissionRates(_)) {
            daemon.tell(event);
        }
    }
    daemon.until("GET", "/readyz", |answer| answer.status == 200);
    let answer = daemon.check(SMALL, r#","dryRun":true"#).json();
    assert_eq!(answer["decision"], "allow", "{answer:#}");
    assert_eq!(answer["certainty"], "exact");
    assert_eq!(answer["costs"]["fee"], "0.3");
    assert_eq!(answer["costs"]["makerFee"], Value::Null);
    let rates = &answer["costs"]["feeRates"]["BTCUSDT"];
    assert_eq!(rates["takerUsed"], "0.0005");
    for unread in ["maker", "taker", "ageMs"] {
        assert_eq!(rates[unread], Value::Null);
    }
    assert_eq!(
        missing(&answer, "costs.makerFee"),
        Some("the account's fee rates of BTCUSDT were not read yet")
    );
    assert!(missing(&answer, "costs.depthUsed").is_some());
    assert!(missing(&answer, "positions.nextLimitChange").is_some());
}

/// How often rates were read, and how often that failed.
fn reads(live: &Live) -> (usize, usize) {
    let mut counts = (0, 0);
    for note in live.notes() {
        match note {
            Note::RestAnswered {
                path: PATH,
                ok: true,
                ..
            } => counts.0 += 1,
            Note::RestAnswered {
                path: PATH,
                ok: false,
                ..
            } => counts.1 += 1,
            _ => {}
        }
    }
    counts
}

/// The intervals of life with a day of four minutes and an hour of one.
fn shorter() -> Cadence {
    let lived = Cadence::default();
    assert_eq!(lived.commission, Duration::from_secs(24 * 3_600));
    assert_eq!(lived.commission_retry, Duration::from_secs(3_600));
    Cadence {
        commission: Duration::from_secs(240),
        commission_retry: Duration::from_secs(60),
        ..lived
    }
}

#[tokio::test(start_paused = true)]
async fn the_rates_that_the_exchange_charges_are_read_once_a_day_and_when_newly_wanted() {
    let live = Live::within_at(SCENE, 1, shorter()).await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(reads(&live), (2, 0));
    let costs = live.check("BTCUSDT buy 0.01 @ 60000").await.costs.unwrap();
    assert_eq!(costs.maker_fee.unwrap().to_string(), "-0.06");
    assert_eq!(costs.fee.unwrap().to_string(), "0.3");
    let costs = live.check("ETHUSDT buy 0.1 @ 3000").await.costs.unwrap();
    assert_eq!(costs.maker_fee.unwrap().to_string(), "0.09");
    assert_eq!(costs.fee.unwrap().to_string(), "0.21");
    // Newly wanted: asked about.
    live.check("SOLUSDT buy 1 @ 150").await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(reads(&live), (3, 0));
    let costs = live.check("SOLUSDT buy 1 @ 150").await.costs.unwrap();
    assert_eq!(costs.maker_fee.unwrap().to_string(), "0.03");
    tokio::time::sleep(Duration::from_secs(150)).await;
    assert_eq!(reads(&live), (3, 0));
    // What is held is read anew the day after.
    tokio::time::sleep(Duration::from_secs(50)).await;
    assert_eq!(reads(&live), (5, 0));
}

#[tokio::test(start_paused = true)]
async fn rates_that_cannot_be_read_make_nothing_stale_and_nothing_refused() {
    let refusals = [
        r#"503 "overloaded""#,
        r#"400 -1022 "Signature for this request is not valid.""#,
        r#"401 -2015 "Invalid API-key, IP, or permissions for action.""#,
    ];
    for refusal in refusals {
        let scene = format!("{SCENE}rest-error {PATH} {refusal} 9999x\n");
        let live = Live::within_at(&scene, 1, shorter()).await;
        tokio::time::sleep(Duration::from_secs(40)).await;
        // Each contract once, and not again within the hour.
        assert_eq!(reads(&live), (0, 2), "{refusal}");
        assert_eq!(live.stale().await, []);
        let judgement = live.check("BTCUSDT buy 0.01 @ 60000").await;
        assert!(judgement.cleared.is_some(), "{}", judgement.why);
        assert_eq!(judgement.costs.unwrap().maker_fee, None);
        if refusal.starts_with("503") {
            tokio::time::sleep(Duration::from_secs(60)).await;
            assert_eq!(reads(&live), (0, 4), "{refusal}");
        }
    }
}
