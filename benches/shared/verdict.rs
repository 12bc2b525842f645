//! The complete answer against one bare assessment of the same account in the same run.

use std::hint::black_box;

use crossguard::daemon::core::{Ask, Input, Output};
use crossguard::guard::Detail;
use crossguard::guard::stress;
use crossguard::guard::verdict::{Decision, Judgement};
use crossguard::margin::account::{PositionSide, Side};
use crossguard::margin::amount::{Price, Quantity};
use crossguard::margin::order::{OpenOrder, OrderId, OrderIntent, OrderKind, TriggerBy};
use crossguard::margin::shock::shocked;
use crossguard::mirror::event::{Event, OrdersTruth, Read};

use super::shared::{name, usdt};
use super::{Account, ROUNDS, account, median, once};

const POSITIONS: usize = 20;
const CALLS: usize = 40;

/// 20 crossed positions, a buy and a sell resting in each, the 8 scenarios that are shipped.
pub(crate) fn verdict() {
    let mut account = account(POSITIONS, POSITIONS);
    let orders = (0..2 * POSITIONS).map(resting).collect();
    account.tell(Event::OrdersTruth(Read {
        asked: account.clock.now(),
        answered: account.clock.now(),
        value: OrdersTruth { orders },
    }));
    println!("\nthe answer for {POSITIONS} crossed positions, 40 resting orders, 8 scenarios");
    println!("(median of {ROUNDS} rounds, each against the bare assessment beside it)");
    println!(
        "{:>44} {:>10} {:>8} {:>12}",
        "", "us", "ratio", "assessments"
    );
    let cases = [
        ("allow, brief", "0.001", Detail::Brief, Decision::Allow),
        ("allow, complete", "0.001", Detail::Full, Decision::Allow),
        ("reject, brief", "2", Detail::Brief, Decision::Reject),
        (
            "reject, without counter-offers",
            "2",
            Detail::Figures,
            Decision::Reject,
        ),
        ("reject, complete", "2", Detail::Full, Decision::Reject),
    ];
    for (what, quantity, detail, decision) in cases {
        let judgement = judge(&mut account, quantity, detail);
        assert_eq!(judgement.decision, decision, "{what}: {}", judgement.why);
        let row = compare(&mut account, |account| {
            black_box(judge(account, quantity, detail));
        });
        tell(what, row, &judgement.assessments.to_string());
    }
    let row = compare(&mut account, |account| scenarios(account));
    tell("8 scenarios alone", row, "");
}

fn tell(what: &str, (micros, ratio): (f64, f64), assessments: &str) {
    println!("{what:>44} {micros:>10.1} {ratio:>7.1}x {assessments:>12}");
}

/// What a call takes in microseconds, and as a multiple of the bare assessment of the same round.
fn compare(account: &mut Account, mut call: impl FnMut(&mut Account)) -> (f64, f64) {
    let mut micros = Vec::new();
    let mut ratios = Vec::new();
    for _ in 0..ROUNDS {
        let bare = once(CALLS, &mut || account.assess());
        let whole = once(CALLS, &mut || call(account));
        micros.push(whole / 1_000.0);
        ratios.push(whole / bare);
    }
    (median(micros), median(ratios))
}

fn scenarios(account: &Account) {
    let book = account.core.mirror().book();
    let what_if = book.what_if_in(&usdt()).unwrap();
    let horizon = crossguard::guard::policy::Policy::default().horizon;
    let now = what_if.assess(horizon).unwrap();
    let held: Vec<_> = what_if.held().collect();
    for (_, scenario) in stress::shipped() {
        black_box(shocked(&now, &what_if, &held, &scenario.shock).unwrap());
    }
}

fn judge(account: &mut Account, quantity: &str, detail: Detail) -> Judgement {
    let order = OrderIntent {
        symbol: name(0),
        side: Side::Buy,
        position_side: PositionSide::Both,
        kind: OrderKind::Limit {
            price: Price::parse("60000").unwrap(),
        },
        quantity: Some(Quantity::parse(quantity).unwrap()),
        reduce_only: false,
        close_position: false,
        client_order_id: None,
    };
    let ask = Ask {
        ticket: 1,
        proposal: order.into(),
        client: None,
        dry_run: true,
        detail,
    };
    let now = account.clock.now();
    let outputs = account.core.step(Input::Check(Box::new(ask)), now);
    let answered = outputs.into_iter().find_map(|output| match output {
        Output::Answer { answer, .. } => Some(answer.judgement),
        _ => None,
    });
    *answered.unwrap()
}

fn resting(index: usize) -> OpenOrder {
    let buys = index.is_multiple_of(2);
    let price = if buys { "58000" } else { "62000" };
    OpenOrder {
        id: OrderId::Order(index as i64 + 1),
        client_order_id: format!("r{index}"),
        symbol: name(index / 2),
        side: if buys { Side::Buy } else { Side::Sell },
        position_side: PositionSide::Both,
        kind: OrderKind::Limit {
            price: Price::parse(price).unwrap(),
        },
        remaining: Quantity::parse("0.001").unwrap(),
        reduce_only: false,
        close_position: false,
        trigger_by: TriggerBy::Last,
        price_protect: false,
    }
}
