//! Changes, batches and the worst case through the same rules as a single order.

use std::time::Duration;

use crossguard::daemon::core::Input;
use crossguard::daemon::report::Answer;
use crossguard::guard::proposal::Proposal;
use crossguard::guard::verdict::{Code, Decision, OrderDanger};
use crossguard::guard::words;
use crossguard::margin::account::{MarginMode, PositionMode, PositionSide};
use crossguard::margin::amount::{Amount, Leverage};
use crossguard::margin::change::{Change, MarginMove};

use crate::live::{Live, SCENE};
use crate::rig::{Rig, asset, symbol, wanted};

/// 6,000 of BTC on 10,000: initial margin 600, maintenance margin 24.
const ACCOUNT: &str = "
symbol BTCUSDT tick 0.1 step 0.001 min-notional 5
symbol ETHUSDT tick 0.01 step 0.001 min-notional 5
brackets BTCUSDT 0 50000 0.004 125x | 50000 600000 0.005 100x
brackets ETHUSDT 0 50000 0.005 100x
leverage ETHUSDT 10
wallet USDT 10000
mark BTCUSDT 60000
mark ETHUSDT 3000
pos BTCUSDT crossed 10x +0.1 @ 60000
";

fn rig() -> Rig {
    Rig::from_text(ACCOUNT).0
}

fn change(rig: &mut Rig, change: Change) -> Answer {
    rig.ask(Proposal::Change(change), true)
}

fn refused_with(answer: &Answer, code: &str) {
    let finding = answer
        .judgement
        .findings
        .iter()
        .find(|finding| finding.code == Code::ExchangeWouldRefuse)
        .unwrap_or_else(|| panic!("{:?}", answer.judgement.findings));
    assert!(finding.message.contains(code), "{}", finding.message);
    assert_eq!(answer.judgement.decision, Decision::Reject);
}

fn money(text: &str) -> Amount {
    Amount::parse(text).unwrap()
}

fn transfer(amount: &str) -> Change {
    Change::TransferOut {
        asset: asset("USDT"),
        amount: money(amount),
    }
}

#[test]
fn a_transfer_out_is_the_account_with_less_money() {
    let mut rig = rig();
    let answer = change(&mut rig, transfer("5000"));
    let judgement = &answer.judgement;
    assert_eq!(judgement.decision, Decision::Allow, "{}", judgement.why);
    assert_eq!(
        judgement.before.as_ref().unwrap().margin_balance,
        money("10000")
    );
    assert_eq!(
        judgement.after.as_ref().unwrap().margin_balance,
        money("5000")
    );
    assert!(!judgement.is_exit);
    // 10,000 less the initial margin of 600 can leave.
    refused_with(&change(&mut rig, transfer("9500")), "9400.00 USDT");
    // 6,000 of BTC on 1,400 are 4.3 times: warned from 3.
    let thin = change(&mut rig, transfer("8600"));
    let codes: Vec<_> = thin.judgement.findings.iter().map(|f| f.code).collect();
    assert!(codes.contains(&Code::EffectiveLeverage), "{codes:?}");
}

#[test]
fn a_lower_leverage_takes_nothing_and_a_higher_one_is_judged() {
    let mut rig = rig();
    let leverage = |leverage| Change::Leverage {
        symbol: symbol("BTCUSDT"),
        leverage: Leverage::new(leverage).unwrap(),
    };
    let lower = change(&mut rig, leverage(5)).judgement;
    assert!(lower.is_exit);
    assert_eq!(lower.decision, Decision::Allow, "{}", lower.why);
    assert_eq!(lower.after.unwrap().initial_margin, money("1200"));
    let higher = change(&mut rig, leverage(60)).judgement;
    assert!(!higher.is_exit);
    assert_eq!(
        higher.decision,
        Decision::Reject,
        "60x against a limit of 50x"
    );
    assert_eq!(higher.findings[0].code, Code::Leverage);
    // What liquidates does not move with leverage.
    let before = higher.before.unwrap().survival.distance();
    assert_eq!(before, higher.after.unwrap().survival.distance());
    refused_with(&change(&mut rig, leverage(126)), "-4028");
}

#[test]
fn a_balance_below_zero_is_told_as_nothing_left() {
    let mut rig = rig();
    // 9,400 may leave of 10,000; 10,001 leave less than nothing behind.
    let judgement = change(&mut rig, transfer("10001")).judgement;
    let loss = words::loss(judgement.after.as_ref().unwrap()).unwrap();
    assert_eq!(
        loss,
        "Liquidated at once: nothing is left of what crossed positions share, and 1.00 USDT are owed."
    );
    let sentences: Vec<&str> = judgement
        .findings
        .iter()
        .map(|finding| finding.message.as_str())
        .collect();
    assert!(
        sentences
            .iter()
            .any(|told| told.starts_with("After this change nothing is left of the wallet")),
        "{sentences:?}"
    );
    assert!(!sentences.iter().any(|told| told.contains("a 0 % ")));
    // At 9,980 the 20 that stay do not cover the 24 of maintenance margin.
    let judgement = change(&mut rig, transfer("9980")).judgement;
    let risk = judgement
        .findings
        .iter()
        .find(|f| f.code == Code::WalletAtRisk);
    assert_eq!(
        risk.unwrap().message,
        "After this change all 20.00 USDT that crossed positions share are lost at once; your \
         limit is 60 %."
    );
}

#[test]
fn what_the_exchange_refuses_names_its_rule() {
    let mut rig = rig();
    let margin_type = |name: &str, margin_mode| Change::MarginType {
        symbol: symbol(name),
        margin_mode,
    };
    let isolated = margin_type("BTCUSDT", MarginMode::Isolated);
    refused_with(&change(&mut rig, isolated), "-4048");
    let same = margin_type("BTCUSDT", MarginMode::Crossed);
    refused_with(&change(&mut rig, same), "-4046");
    let flat = change(&mut rig, margin_type("ETHUSDT", MarginMode::Isolated)).judgement;
    assert!(
        flat.is_exit && flat.decision == Decision::Allow,
        "{}",
        flat.why
    );
    let hedge = Change::PositionMode {
        mode: PositionMode::Hedge,
    };
    refused_with(&change(&mut rig, hedge), "-4068");
    let same = Change::PositionMode {
        mode: PositionMode::OneWay,
    };
    refused_with(&change(&mut rig, same), "-4059");
    let add = Change::PositionMargin {
        symbol: symbol("BTCUSDT"),
        position_side: PositionSide::Both,
        amount: money("1"),
        direction: MarginMove::Add,
    };
    refused_with(&change(&mut rig, add), "-4049");
    let mut rig = Rig::from_text(&format!("{ACCOUNT}order ETHUSDT buy 0.1 @ 2900\n")).0;
    let isolated = margin_type("ETHUSDT", MarginMode::Isolated);
    refused_with(&change(&mut rig, isolated), "-4047");
}

#[test]
fn isolated_margin_moves_between_pool_and_position() {
    let text = ACCOUNT.replace("pos BTCUSDT crossed", "pos BTCUSDT isolated");
    let mut rig = Rig::from_text(&text).0;
    let moved = |amount: &str, direction| Change::PositionMargin {
        symbol: symbol("BTCUSDT"),
        position_side: PositionSide::Both,
        amount: money(amount),
        direction,
    };
    let added = change(&mut rig, moved("400", MarginMove::Add)).judgement;
    let (before, after) = (added.before.unwrap(), added.after.unwrap());
    assert_eq!(
        after.ring_fenced,
        before.ring_fenced.plus(money("400")).unwrap()
    );
    assert_eq!(
        after.cross_wallet_balance,
        before.cross_wallet_balance.minus(money("400")).unwrap()
    );
    assert!(!added.is_exit);
    refused_with(&change(&mut rig, moved("99999", MarginMove::Add)), "-4050");
    // At its initial margin of 600 nothing can be taken out.
    refused_with(&change(&mut rig, moved("1", MarginMove::Remove)), "-4051");
}

fn batch(orders: &[&str]) -> Proposal {
    Proposal::Orders(orders.iter().map(|words| wanted(words)).collect())
}

#[test]
fn a_batch_is_judged_together_and_has_room_promised_for_each() {
    let mut rig = rig();
    let alone = rig.check("BTCUSDT buy 0.5").judgement;
    assert_eq!(alone.decision, Decision::Warn);
    let both = rig.ask(batch(&["BTCUSDT buy 0.5", "BTCUSDT buy 0.5"]), false);
    assert_eq!(both.judgement.decision, Decision::Reject);
    assert_eq!(rig.core.mirror().reservations().len(), 0);
    let small = rig.ask(batch(&["BTCUSDT buy 0.01", "ETHUSDT buy 0.1"]), false);
    assert_ne!(small.judgement.decision, Decision::Reject);
    assert_eq!(rig.core.mirror().reservations().len(), 2);
    let release = Input::Release {
        decision_id: small.decision_id,
    };
    rig.core.step(release, rig.clock.now());
    assert_eq!(rig.core.mirror().reservations().len(), 0);
}

#[test]
fn a_hedged_batch_is_judged_with_one_side_alone() {
    let mut rig = rig();
    // Together nearly neutral; the buy alone is 60,000 on 10,000.
    let answer = rig.ask(batch(&["BTCUSDT buy 0.95", "ETHUSDT sell 1"]), true);
    assert_eq!(answer.judgement.decision, Decision::Reject);
    let said = answer
        .judgement
        .findings
        .iter()
        .any(|finding| finding.level == crossguard::guard::verdict::Level::Reject);
    assert!(said);
}

#[test]
fn the_exits_of_a_refused_batch_are_named() {
    let mut rig = rig();
    let answer = rig.ask(
        batch(&["BTCUSDT sell 0.05 reduce-only", "ETHUSDT buy 40"]),
        true,
    );
    let judgement = &answer.judgement;
    assert_eq!(judgement.decision, Decision::Reject);
    assert!(judgement.why.contains("orders[0]"), "{}", judgement.why);
    assert!(judgement.orders[0].is_exit && !judgement.orders[1].is_exit);
}

#[test]
fn working_orders_fill_on_their_bad_side() {
    // 2.5 BTC more are 150,000 on 10,000: a fall of 6 % would end it once they have filled.
    let mut rig = Rig::from_text(&format!("{ACCOUNT}order BTCUSDT buy 2.5 @ 59000\n")).0;
    let judgement = rig.check("ETHUSDT buy 0.01 @ 3000").judgement;
    let finding = judgement
        .findings
        .iter()
        .find(|finding| finding.code == Code::WorstCase)
        .unwrap();
    // Filled at the mark of 60,000 with a fee of 75: 0.01 ETH beside it at a fee of 0.015.
    // Margin balance 9,924.985; maintenance 156,000 × 0.005 − 50 + 0.15 = 730.15.
    // A common fall to the edge: 9,194.835 of slope 156,030 − 780.15.
    let expected = Amount::parse("9194.835").unwrap();
    let worst = judgement.worst_case.as_ref().unwrap();
    assert_eq!(worst.pool.headroom, expected);
    assert_eq!(worst.orders, 1);
    let value = finding.value.unwrap();
    assert_eq!(value.round_dp(4).to_string(), "0.0592");
}

#[test]
fn a_stop_beyond_its_liquidation_is_flagged_and_so_is_one_that_may_be_overtaken() {
    let text = ACCOUNT.replace("wallet USDT 10000", "wallet USDT 1000");
    // 1,000 on 6,000 of BTC: liquidated near 50,200.
    let text = format!(
        "{text}order BTCUSDT sell 0.1 reduce-only stop 50000\n\
         order BTCUSDT sell 0.1 @ 70000 reduce-only\n\
         order BTCUSDT sell 0.05 @ 65000\n"
    );
    let mut rig = Rig::from_text(&text).0;
    let judgement = rig.check("ETHUSDT buy 0.002 @ 3000").judgement;
    let dangers: Vec<OrderDanger> = judgement
        .worst_case
        .unwrap()
        .endangered
        .iter()
        .map(|order| order.danger)
        .collect();
    assert!(
        dangers.contains(&OrderDanger::BeyondLiquidation),
        "{dangers:?}"
    );
    assert!(
        dangers.contains(&OrderDanger::MayBeOvertaken),
        "{dangers:?}"
    );
}

#[test]
fn what_is_wrong_with_an_element_of_a_batch_names_it() {
    let mut rig = rig();
    let answer = rig.ask(
        batch(&["BTCUSDT buy 0.01", "ETHUSDT buy 0.0005", "ETHUSDT buy 0.1"]),
        true,
    );
    let judgement = &answer.judgement;
    assert_eq!(judgement.decision, Decision::Reject);
    // 0.0005 is neither on the step of 0.001 nor at least that.
    assert!(
        judgement
            .why
            .starts_with("orders[1]: The exchange would refuse this order: quantity"),
        "{}",
        judgement.why
    );
    // A mistake is no question of degree: nothing is searched.
    assert!(judgement.alternatives.is_empty());
}

#[test]
fn a_lower_leverage_that_the_exchange_would_refuse_is_no_exit() {
    // 18,000 at 10x ask for 1,800 of the 1,000 there are.
    let text = ACCOUNT
        .replace("wallet USDT 10000", "wallet USDT 1000")
        .replace("10x +0.1", "20x +0.3");
    let mut rig = Rig::from_text(&text).0;
    let lower = |leverage| Change::Leverage {
        symbol: symbol("BTCUSDT"),
        leverage: Leverage::new(leverage).unwrap(),
    };
    let answer = change(&mut rig, lower(10));
    refused_with(&answer, "-2028");
    assert!(!answer.judgement.is_exit);
    let finding = &answer.judgement.findings[0];
    assert_eq!(finding.value.unwrap().normalize(), 1_800.into());
    assert_eq!(finding.limit.unwrap().normalize(), 1_000.into());
    assert!(change(&mut rig, lower(18)).judgement.is_exit);
}

/// The simulated exchange puts everything that is held first; then it says otherwise.
#[tokio::test(start_paused = true)]
async fn the_exchanges_word_on_its_deleveraging_queue_is_told_with_every_position() {
    let live = Live::within(&format!("{SCENE}pos ETHUSDT crossed 10x -1 @ 3000\n"), 1).await;
    let quantile = async || {
        let judgement = live.check("ETHUSDT buy 0.1 @ 2900").await;
        let mut positions = judgement.positions.iter();
        let held = positions.find(|change| change.symbol.as_str() == "ETHUSDT");
        held.unwrap().deleveraging_quantile
    };
    assert_eq!(quantile().await, Some(1));
    live.say("mutate /fapi/v3/positionRisk *.adl 4 100x");
    tokio::time::sleep(Duration::from_secs(12)).await;
    assert_eq!(quantile().await, Some(4));
    live.say("mutate /fapi/v3/positionRisk *.adl absent 100x");
    tokio::time::sleep(Duration::from_secs(12)).await;
    assert_eq!(quantile().await, None);
    live.end().await;
}
