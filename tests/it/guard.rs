//! The spine's answers through its own step: freshness, exits, promises, the ladder, policies.

use crossguard::daemon::core::{Ask, FIRST_MARK_MS, Input, Output};
use crossguard::daemon::report::Answer;
use crossguard::guard::Detail;
use crossguard::guard::policy::{IsolatedOnly, Limit, LimitKey, Overrides, Policy};
use crossguard::guard::verdict::{Code, Decision, Ladder};
use crossguard::margin::order::OrderIntent;
use crossguard::mirror::event::*;
use crossguard::mirror::reserve::RESERVATION_MS;
use crossguard::scenario::{self, Statement};
use rust_decimal::Decimal;

use crate::rig::{Rig, intent, symbol};

const ACCOUNT: &str = "
symbol BTCUSDT tick 0.1 step 0.001 min-notional 5
symbol ETHUSDT tick 0.01 step 0.001 min-notional 5
brackets BTCUSDT 0 50000 0.004 125x | 50000 600000 0.005 100x
brackets ETHUSDT 0 50000 0.005 100x
leverage BTCUSDT 10
leverage ETHUSDT 10
wallet USDT 10000
pos BTCUSDT crossed 10x +0.1 @ 60000
";

fn rig() -> Rig {
    Rig::from_text(ACCOUNT).0
}

fn order(words: &str) -> OrderIntent {
    match scenario::parse_line(&format!("order {words}"))
        .unwrap()
        .unwrap()
    {
        Statement::Order(line) => intent(&line),
        other => panic!("{other:?}"),
    }
}

fn codes(answer: &Answer) -> Vec<&'static str> {
    answer
        .judgement
        .findings
        .iter()
        .map(|finding| finding.code.name())
        .collect()
}

fn decision(answer: &Answer) -> Decision {
    answer.judgement.decision
}

/// Every way an order can be constrained by the exchange to reduce.
const EXITS: [&str; 2] = [
    "BTCUSDT sell 0.05 reduce-only",
    "BTCUSDT sell close-position stop 55000",
];

/// Asserts that the guard, in whatever state, lets exits pass with a warning and nothing else.
fn only_exits_pass(rig: &mut Rig, code: Code) {
    for exit in EXITS {
        let answer = rig.check(exit);
        assert_eq!(
            decision(&answer),
            Decision::Warn,
            "{exit}: {}",
            answer.judgement.why
        );
        assert!(
            codes(&answer).contains(&code.name()),
            "{exit}: {:?}",
            codes(&answer)
        );
    }
    for risk in [
        "BTCUSDT buy 0.01",
        "BTCUSDT sell 0.05",
        "ETHUSDT buy 0.1 @ 2000",
    ] {
        let answer = rig.check(risk);
        assert_eq!(
            decision(&answer),
            Decision::Reject,
            "{risk}: {}",
            answer.judgement.why
        );
        assert!(answer.judgement.cleared.is_none());
        assert_eq!(codes(&answer)[0], code.name(), "{risk}");
    }
}

fn lose_user_stream(rig: &mut Rig) {
    let loss = StreamLoss {
        epoch: 1,
        at: rig.clock.now(),
        cause: LossCause::Silent,
        detail: String::new(),
    };
    rig.tell(Event::UserStreamLost(loss));
}

#[test]
fn i6_exits_pass_whatever_is_stale_and_nothing_else_does() {
    let mut lost = rig();
    lose_user_stream(&mut lost);
    only_exits_pass(&mut lost, Code::NotReady);

    let mut silent = rig();
    silent.mark("ETHUSDT", Decimal::from(3_000));
    silent.clock.advance_ms(6_000);
    only_exits_pass(&mut silent, Code::NotReady);

    let mut refused = rig();
    let refusal = KeyRefusal {
        at: refused.clock.now(),
        cause: KeyRefusalCause::PermissionOrAddress,
        detail: "the key is refused".to_owned(),
    };
    refused.tell(Event::KeyRefused(refusal));
    only_exits_pass(&mut refused, Code::NotReady);
}

#[test]
fn a_stale_answer_names_every_plane_that_stands_in_the_way() {
    let mut rig = rig();
    rig.clock.advance_ms(30_000);
    let answer = rig.check("BTCUSDT buy 0.01");
    let stale: Vec<_> = answer
        .planes
        .iter()
        .filter(|status| !status.fresh)
        .map(|status| status.plane.name())
        .collect();
    assert_eq!(stale, ["account", "marks"]);
    assert_eq!(answer.judgement.missing.len(), 2);
    assert_eq!(codes(&answer), ["NOT_READY", "NOT_READY"]);
}

#[test]
fn two_orders_that_are_each_fine_alone_do_not_both_get_the_room() {
    let mut rig = rig();
    rig.mark("ETHUSDT", Decimal::from(3_000));
    // 0.5 BTC more comes to 36,000; twice that breaks the effective leverage of 6.
    let alone = rig.ask(order("BTCUSDT buy 0.5"), true);
    assert_eq!(decision(&alone), Decision::Warn);
    let first = rig.ask(order("BTCUSDT buy 0.5"), false);
    assert_eq!(decision(&first), Decision::Warn);
    let second = rig.ask(order("BTCUSDT buy 0.5"), false);
    assert_eq!(
        decision(&second),
        Decision::Reject,
        "{}",
        second.judgement.why
    );
    assert_eq!(
        rig.core.mirror().reservations().len(),
        1,
        "a reject promises nothing"
    );
    let other_symbol = rig.ask(order("ETHUSDT buy 10"), true);
    assert_eq!(
        decision(&other_symbol),
        Decision::Reject,
        "the pool is shared"
    );
}

#[test]
fn room_that_is_not_needed_is_free_again() {
    let mut rig = rig();
    let first = rig.ask(order("BTCUSDT buy 0.5"), false);
    let release = Input::Release {
        decision_id: first.decision_id,
    };
    rig.core.step(release, rig.clock.now());
    assert_eq!(
        decision(&rig.ask(order("BTCUSDT buy 0.5"), false)),
        Decision::Warn
    );
    rig.clock.advance_ms(RESERVATION_MS);
    rig.core.step(Input::Tick, rig.clock.now());
    assert!(rig.core.mirror().reservations().is_empty());
}

#[test]
fn a_dry_run_promises_nothing_and_neither_does_an_exit() {
    let mut rig = rig();
    rig.ask(order("BTCUSDT buy 0.1"), true);
    rig.ask(order("BTCUSDT sell 0.1 reduce-only"), false);
    assert!(rig.core.mirror().reservations().is_empty());
}

#[test]
fn promises_show_in_after_and_never_in_before() {
    let mut rig = rig();
    rig.ask(order("BTCUSDT buy 0.1"), false);
    let answer = rig.ask(order("BTCUSDT buy 0.1"), true);
    let notional = |pool: &Option<Box<crossguard::margin::pool::PoolAssessment>>| {
        pool.as_ref().unwrap().notional_gross.to_string()
    };
    assert_eq!(notional(&answer.judgement.before), "6000");
    assert_eq!(notional(&answer.judgement.after), "18000");
}

#[test]
fn a_plain_order_within_the_position_is_an_exit_until_orders_could_overtake_it() {
    let mut rig = rig();
    assert!(rig.check("BTCUSDT sell 0.1").judgement.is_exit);
    assert!(!rig.check("BTCUSDT sell 0.101").judgement.is_exit);
    assert!(!rig.check("BTCUSDT buy 0.001").judgement.is_exit);
    // Promised: a sell of 0.06 leaves room for 0.04.
    rig.ask(order("BTCUSDT sell 0.101"), false);
    assert!(!rig.check("BTCUSDT sell 0.001").judgement.is_exit);
}

#[test]
fn s11_a_question_about_an_unseen_symbol_waits_for_its_first_mark() {
    let mut rig = rig();
    let ask = |ticket| {
        Input::Check(Box::new(Ask {
            ticket,
            proposal: order("ETHUSDT buy 0.1").into(),
            client: None,
            dry_run: true,
            detail: Detail::Brief,
        }))
    };
    let outputs = rig.core.step(ask(1), rig.clock.now());
    assert!(outputs.is_empty(), "{outputs:?}");
    assert!(
        rig.core.watch().symbols.contains(&symbol("ETHUSDT")),
        "it is followed at once"
    );
    // Others are not held up.
    assert_eq!(decision(&rig.check("BTCUSDT buy 0.01")), Decision::Allow);
    let event_ms = rig.clock.now().wall_ms;
    let outputs = rig.tell(Event::Mark(MarkUpdate {
        symbol: symbol("ETHUSDT"),
        mark: crossguard::margin::amount::MarkPrice::new(crossguard::margin::amount::Price::new(
            Decimal::from(3_000),
        )),
        funding_rate: None,
        next_funding_ms: None,
        event_ms,
    }));
    let answered = outputs.iter().any(|output| {
        matches!(output, Output::Answer { ticket: 1, answer } if decision(answer) == Decision::Allow)
    });
    assert!(answered, "{outputs:?}");
}

#[test]
fn a_question_that_waited_in_vain_is_rejected() {
    let mut rig = rig();
    let ask = Ask {
        ticket: 9,
        proposal: order("ETHUSDT buy 0.1").into(),
        client: None,
        dry_run: false,
        detail: Detail::Brief,
    };
    assert!(
        rig.core
            .step(Input::Check(Box::new(ask)), rig.clock.now())
            .is_empty()
    );
    rig.clock.advance_ms(FIRST_MARK_MS);
    let outputs = rig.core.step(Input::Tick, rig.clock.now());
    let [Output::Answer { ticket: 9, answer }] = &outputs[..] else {
        panic!("{outputs:?}")
    };
    assert_eq!(codes(answer), ["NOT_READY"]);
    assert_eq!(decision(answer), Decision::Reject);
}

#[test]
fn an_exit_never_waits() {
    let mut rig = rig();
    let answer = rig.check("ETHUSDT sell 0.1 reduce-only");
    assert_eq!(decision(&answer), Decision::Warn);
}

#[test]
fn a_locked_guard_lets_only_exits_pass() {
    for (rung, code) in [
        (Ladder::Locked, Code::Locked),
        (Ladder::ReduceOnly, Code::ReduceOnlyState),
    ] {
        let mut rig = rig();
        let lock = Input::Ladder {
            rung,
            reason: "going to sleep".to_owned(),
        };
        rig.core.step(lock, rig.clock.now());
        for exit in EXITS {
            assert_eq!(decision(&rig.check(exit)), Decision::Allow, "{exit}");
        }
        // A plain sell within the position cannot add risk either.
        assert_eq!(decision(&rig.check("BTCUSDT sell 0.05")), Decision::Allow);
        let answer = rig.check("BTCUSDT buy 0.01");
        assert_eq!(
            (decision(&answer), codes(&answer)[0]),
            (Decision::Reject, code.name())
        );
        assert!(
            answer.judgement.why.contains("going to sleep"),
            "{}",
            answer.judgement.why
        );
    }
}

fn with_policy(change: impl FnOnce(&mut Policy)) -> Rig {
    let mut rig = rig();
    let mut policy = Policy::default();
    change(&mut policy);
    rig.under(policy);
    rig
}

#[test]
fn a_policy_permits_symbols_and_wants_some_isolated() {
    let mut listed = with_policy(|policy| {
        policy.symbols.insert(symbol("ETHUSDT"));
    });
    assert_eq!(
        codes(&listed.check("BTCUSDT buy 0.01")),
        ["SYMBOL_NOT_PERMITTED"]
    );
    assert_eq!(
        decision(&listed.check("BTCUSDT sell 0.1 reduce-only")),
        Decision::Warn
    );

    let mut isolated = with_policy(|policy| policy.isolated_only = IsolatedOnly::All);
    assert_eq!(
        codes(&isolated.check("BTCUSDT buy 0.01")),
        ["ISOLATED_REQUIRED"]
    );
    // Less of a crossed position is not asked to be isolated first.
    assert_eq!(
        decision(&isolated.check("BTCUSDT sell 0.05")),
        Decision::Allow
    );
}

#[test]
fn notional_limits_and_overrides_of_clients() {
    let limit = |reject: i64| Limit {
        warn: None,
        reject: Some(Decimal::from(reject)),
    };
    let mut rig = with_policy(|policy| {
        policy.limits.set(LimitKey::OrderNotional, limit(1_000));
        policy.limits.set(LimitKey::PositionNotional, limit(6_500));
        let overrides = Overrides::from([(LimitKey::OrderNotional, limit(100_000))]);
        policy.of_client.insert("trusted".to_owned(), overrides);
    });
    // 0.02 × 60,300 = 1,206; the position comes to 7,200.
    assert_eq!(
        codes(&rig.check("BTCUSDT buy 0.02")),
        ["ORDER_NOTIONAL", "POSITION_NOTIONAL"]
    );
    let ask = Ask {
        ticket: 1,
        proposal: order("BTCUSDT buy 0.02").into(),
        client: Some("trusted".to_owned()),
        dry_run: true,
        detail: Detail::Brief,
    };
    let outputs = rig.core.step(Input::Check(Box::new(ask)), rig.clock.now());
    let [Output::Answer { answer, .. }] = &outputs[..] else {
        panic!("{outputs:?}")
    };
    assert_eq!(codes(answer), ["POSITION_NOTIONAL"]);
}

#[test]
fn the_first_reject_else_the_first_warn_is_the_sentence() {
    let mut rig = rig();
    let answer = rig.check("BTCUSDT buy 1.5");
    let first_reject = answer
        .judgement
        .findings
        .iter()
        .find(|finding| finding.level == crossguard::guard::verdict::Level::Reject)
        .unwrap();
    assert_eq!(answer.judgement.why, first_reject.message);
    let order: Vec<Code> = answer
        .judgement
        .findings
        .iter()
        .map(|finding| finding.code)
        .collect();
    assert!(order.windows(2).all(|pair| pair[0] <= pair[1]), "{order:?}");
}

#[test]
fn l07_the_machine_slept_and_everything_is_read_anew() {
    let mut rig = rig();
    let reads = rig.core.watch().reads;
    let mut woken = rig.clock.now();
    woken.boot_us += 3_600 * 1_000_000;
    woken.wall_ms += 3_600_000;
    let ask = Ask {
        ticket: 1,
        proposal: order("BTCUSDT buy 0.01").into(),
        client: None,
        dry_run: true,
        detail: Detail::Brief,
    };
    let outputs = rig.core.step(Input::Check(Box::new(ask)), woken);
    let [Output::Answer { answer, .. }] = &outputs[..] else {
        panic!("{outputs:?}")
    };
    assert_eq!(decision(answer), Decision::Reject);
    assert!(rig.core.watch().reads.account > reads.account);
}

#[test]
fn the_same_seed_gives_the_same_ids() {
    let ids = |mut rig: Rig| {
        (0..5)
            .map(|_| rig.check("BTCUSDT buy 0.01").decision_id)
            .collect::<Vec<_>>()
    };
    let first = ids(rig());
    assert_eq!(first, ids(rig()));
    assert_eq!(
        first
            .iter()
            .collect::<std::collections::BTreeSet<_>>()
            .len(),
        5
    );
}
