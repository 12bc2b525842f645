//! Faults R: reads and answers over REST (`faults.md` 1.3), the rows that no other test holds.

use std::time::Duration;

use crossguard::daemon::core::{Ask, Input, Output};
use crossguard::guard::Detail;
use crossguard::guard::verdict::{Code, Decision};
use crossguard::mirror::event::OrderStatus;
use crossguard::mirror::plane::Plane;
use crossguard::mirror::reserve::RESERVATION_MS;

use crate::live::{Live, SCENE};
use crate::rig::{Rig, wanted, working};

const LONG: &str = "
symbol BTCUSDT tick 0.1 step 0.001 min-notional 5
brackets BTCUSDT 0 50000 0.004 125x | 50000 600000 0.005 100x
leverage BTCUSDT 10
wallet USDT 10000
pos BTCUSDT crossed 10x +0.1 @ 60000
";

fn held(rig: &Rig) -> String {
    let state = rig.core.mirror().book().state("BTCUSDT").unwrap();
    state.legs.both.quantity.to_string()
}

fn account_reason(rig: &Rig) -> Option<String> {
    let planes = rig.core.mirror().planes(rig.clock.now(), None);
    let account = planes
        .into_iter()
        .find(|status| status.plane == Plane::Account);
    account.unwrap().reason
}

#[test]
fn r04_settings_that_are_not_listed_are_unknown_and_never_a_default() {
    use crossguard::mirror::event::Event;
    let mut rig = Rig::from_text(LONG).0;
    // Rules and brackets of a second symbol, but no word about its leverage and margin type.
    let listed: Vec<_> = ["BTCUSDT", "ETHUSDT"]
        .into_iter()
        .map(|name| crossguard::mirror::event::SymbolRules {
            symbol: crate::rig::symbol(name),
            rules: rig.core.mirror().rules("BTCUSDT").unwrap().clone(),
        })
        .collect();
    let rules = rig.read(listed);
    rig.tell(Event::Rules(rules));
    let table = rig
        .core
        .mirror()
        .book()
        .state("BTCUSDT")
        .unwrap()
        .brackets
        .clone();
    let row = crossguard::mirror::event::SymbolBrackets {
        symbol: crate::rig::symbol("ETHUSDT"),
        table: Ok(table.unwrap()),
    };
    let brackets = rig.read(vec![row]);
    rig.tell(Event::Brackets(brackets));
    rig.mark("ETHUSDT", 3_000.into());
    let answer = rig.check("ETHUSDT buy 0.1");
    assert_eq!(answer.judgement.decision, Decision::Reject);
    assert_eq!(answer.judgement.findings[0].code, Code::UnknownFigure);
    assert!(
        answer.judgement.why.contains("leverage and margin type"),
        "{}",
        answer.judgement.why
    );
}

/// The position endpoint lists only what is held or ordered; the settings of a symbol that never
/// was come from elsewhere.
#[tokio::test(start_paused = true)]
async fn r04_settings_of_a_symbol_that_was_never_held_are_read_where_they_are() {
    let live = Live::within(&format!("{SCENE}\nmargin SOLUSDT isolated\n"), 1).await;
    let judgement = live.check("SOLUSDT buy 1").await;
    let (mode, leverage) = judgement.settings().unwrap();
    assert_eq!(mode, crossguard::margin::account::MarginMode::Isolated);
    assert_eq!(leverage.get(), 10);
    live.end().await;
}

#[test]
fn r08_an_unknown_outcome_keeps_its_room_until_the_order_is_seen() {
    let mut rig = Rig::from_text(LONG).0;
    let ask = Ask {
        ticket: 1,
        proposal: wanted("BTCUSDT buy 0.1 @ 59000 id mine").into(),
        client: None,
        dry_run: false,
        detail: Detail::Brief,
    };
    let outputs = rig.core.step(Input::Check(Box::new(ask)), rig.clock.now());
    let [Output::Answer { answer, .. }] = &outputs[..] else {
        panic!("{outputs:?}")
    };
    assert_ne!(answer.judgement.decision, Decision::Reject);
    let unknown = Input::OutcomeUnknown {
        decision_id: answer.decision_id.clone(),
    };
    rig.core.step(unknown, rig.clock.now());
    rig.clock.advance_ms(100 * RESERVATION_MS);
    rig.core.step(Input::Tick, rig.clock.now());
    assert_eq!(rig.core.mirror().reservations().len(), 1);
    let at = rig.exchange_ms();
    rig.tell_order(
        &working("BTCUSDT buy 0.1 @ 59000 id mine", 7),
        "0",
        OrderStatus::Working,
        at,
    );
    assert!(rig.core.mirror().reservations().is_empty());
}

#[test]
fn r12_reads_that_contradict_events_win_at_last_and_hold_the_account_until_two_agree() {
    let mut rig = Rig::from_text(LONG).0;
    let told = rig.exchange_ms();
    rig.tell_position("0.5", told);
    let contradicting = |rig: &mut Rig| {
        let read = rig.account_read("10000", Some(("0.1", told - 1_000)));
        rig.tell(read);
    };
    contradicting(&mut rig);
    contradicting(&mut rig);
    assert_eq!(held(&rig), "0.5");
    contradicting(&mut rig);
    assert_eq!(held(&rig), "0.1", "the exchange's word wins");
    let reason = account_reason(&rig).expect("held stale");
    assert!(
        reason.contains("BTCUSDT") && reason.contains("0.5") && reason.contains("0.1"),
        "{reason}"
    );
    assert_eq!(
        rig.check("BTCUSDT buy 0.001").judgement.decision,
        Decision::Reject
    );
    contradicting(&mut rig);
    assert_eq!(account_reason(&rig), None, "two reads agree");
    assert_eq!(held(&rig), "0.1");
}

#[tokio::test(start_paused = true)]
async fn r12_a_backend_that_serves_the_past_for_a_while_heals_by_itself() {
    let live = Live::within(
        &format!("{SCENE}\npos BTCUSDT crossed 20x +0.1 @ 60000\n"),
        1,
    )
    .await;
    live.say("rest-lag 30s");
    tokio::time::sleep(Duration::from_secs(2)).await;
    live.say("order BTCUSDT buy 0.05");
    tokio::time::sleep(Duration::from_secs(60)).await;
    live.say("rest-lag 0s");
    live.until_equal("after the lag").await;
    live.until_fresh().await;
    live.end().await;
}
