//! What all alarms cost, against assessing the account.
//!
//! `book` is what both rest on; the yardstick is what `GET /v1/account` and `GET /v1/positions` make:
//! every pool's and every position's figures.

#![allow(clippy::unwrap_used, reason = "a bench fails by panicking")]

use std::hint::black_box;

use crossguard::clock::Now;
use crossguard::daemon::core::Core;
use crossguard::guard::alarm::seen::{Depth, Seen, observe};
use crossguard::guard::alarm::{AlarmPolicy, Alarms, Transition};
use crossguard::guard::policy::{LimitKey, Policy};
use crossguard::guard::verdict::Ladder;
use crossguard::guard::{Context, Detail};
use crossguard::margin::account::{PositionSide, Side};
use crossguard::margin::amount::{Price, Quantity, Rate};
use crossguard::margin::order::{OpenOrder, OrderId, OrderKind, TriggerBy};
use crossguard::mirror::event::{Event, OrdersTruth, Read};
use crossguard::mirror::view::{LiveView, Needs};

use crate::{Account, account, median, nanos, shared};

const SYMBOLS: usize = 600;
const HELD: usize = 40;
const ORDERS: usize = 20;

const ROUNDS: usize = 31;

/// Just above what a position spills of its pool, in 100,000ths: 60 of 25,000.
const SPILL: i64 = 245;

/// Looks in a second: pools ten times, all of it once.
const POOLS_A_SECOND: f64 = 9.0;

pub(crate) fn run() {
    println!(
        "\nalarms: {SYMBOLS} symbols, {HELD} held, {ORDERS} working orders (us, median of {ROUNDS} rounds)"
    );
    variant("far from every level", &Policy::default(), "0.01", false);
    variant("near: just inside every level", &near(), "0.04", false);
    variant("beyond: every spill is up", &beyond(), "0.01", true);
    let mut account = account(SYMBOLS, HELD);
    open(&mut account, "0.01");
    let (core, now) = (&account.core, account.clock.now());
    let costs = (0..ROUNDS).map(|_| nanos(1, || crash(core, now)) / 1_000.0);
    println!(
        "first look with everything raised, two searches for ways back: {:.1}",
        median(costs.collect())
    );
}

/// Orders, and marks after them.
fn open(account: &mut Account, quantity: &str) {
    account.tell(Event::OrdersTruth(orders(account.clock.now(), quantity)));
    for index in 0..HELD {
        account.tick(index);
    }
}

/// One account at one distance from its levels. Ratios are medians of rounds that measure all in turn.
fn variant(what: &str, policy: &Policy, quantity: &str, is_up: bool) {
    let mut account = account(SYMBOLS, HELD);
    open(&mut account, quantity);
    let now = account.clock.now();
    let view = view(&account.core, now);
    let core = &account.core;
    let mut alarms = Alarms::new(AlarmPolicy::default(), policy);
    let raised = alarms.judge(
        &observe(&view, policy, Depth::Orders, alarms.floors()),
        &view,
    );
    let of_position = |told: &&Transition| matches!(told, Transition::Raised(alarm) if alarm.key.symbol.is_some());
    let raised = raised.iter().filter(of_position).count();
    assert_eq!(raised, if is_up { HELD } else { 0 }, "{what}");
    let assess = || {
        black_box(core.account_report(now));
        black_box(core.positions_report(now));
    };
    let depths = [
        ("pools", Depth::Pools),
        ("pools, positions, scenarios", Depth::Positions),
        ("all", Depth::Orders),
    ];
    let mut columns: [Vec<f64>; 7] = Default::default();
    for _ in 0..ROUNDS {
        let mut costs = vec![nanos(20, assess)];
        for (_, depth) in depths {
            let floors = alarms.floors();
            let seen = observe(&view, policy, depth, floors);
            costs.push(nanos(20, || {
                drop(black_box(observe(&view, policy, depth, alarms.floors())));
            }));
            costs.push(nanos(20, || judge(&mut alarms, &seen, &view)));
        }
        for (column, cost) in columns.iter_mut().zip(costs) {
            column.push(cost / 1_000.0);
        }
    }
    let against = |looked: usize, judged: usize| {
        let rounds = columns[0]
            .iter()
            .zip(&columns[looked])
            .zip(&columns[judged]);
        median(
            rounds
                .map(|((assess, looked), judged)| (looked + judged) / assess)
                .collect(),
        )
    };
    let wholes = [against(1, 2), against(3, 4), against(5, 6)];
    let costs = columns.map(median);
    println!("{what}: assessing the account {:.1}", costs[0]);
    for (index, (name, _)) in depths.iter().enumerate() {
        let (looked, judged) = (costs[2 * index + 1], costs[2 * index + 2]);
        println!(
            "  {name:<28} looked {looked:>7.1}   judged {judged:>7.1}   judged / assessed {:>5.2}   whole / assessed {:>5.2}",
            judged / costs[0],
            wholes[index],
        );
    }
    let second = POOLS_A_SECOND * (costs[1] + costs[2]) + costs[5] + costs[6];
    println!(
        "  a second of alarms {second:.1}: {:.2} of ten assessments; {:.3} % of a core",
        second / (10.0 * costs[0]),
        second / 10_000.0
    );
}

/// Limits that every position, and every working order if it filled, stays just inside of: each position is
/// worth 600 of 25,000 and spills nothing at 10x within a horizon of a tenth, so the horizon is longer.
fn near() -> Policy {
    let mut policy = Policy {
        horizon: Rate::new(rust_decimal::Decimal::new(20, 2)),
        ..Policy::default()
    };
    let limit = |warn: i64, reject: i64| crossguard::guard::policy::Limit {
        warn: Some(rust_decimal::Decimal::new(warn, 5)),
        reject: Some(rust_decimal::Decimal::new(reject, 5)),
    };
    policy.limits.set(LimitKey::Spill, limit(SPILL, 40_000));
    // A fifth of 24,000 and of 2,400 more, of 25,000: 0.211.
    let mut at_risk = limit(35_000, 21_600);
    at_risk.warn = None;
    policy.limits.set(LimitKey::WalletAtRisk, at_risk);
    policy
}

/// The same with a level that each of them is beyond.
fn beyond() -> Policy {
    let mut policy = near();
    let mut limit = policy.limits.get(LimitKey::Spill);
    limit.warn = Some(rust_decimal::Decimal::new(SPILL - 20, 5));
    policy.limits.set(LimitKey::Spill, limit);
    policy
}

fn view(core: &Core, now: Now) -> LiveView<'_> {
    core.mirror().view(now, Needs { symbol: None }).unwrap()
}

fn judge(alarms: &mut Alarms, seen: &Seen<'_>, view: &LiveView<'_>) {
    black_box(alarms.judge(seen, view));
}

/// Every limit is broken at once, and nothing was raised before.
fn crash(core: &Core, now: Now) {
    let mut policy = Policy {
        horizon: Rate::new(rust_decimal::Decimal::new(20, 2)),
        ..Policy::default()
    };
    for key in LimitKey::ALL {
        let mut limit = policy.limits.get(key);
        let hair = rust_decimal::Decimal::new(1, 3);
        let most = if key.smaller_is_worse() {
            rust_decimal::Decimal::ONE
        } else {
            hair
        };
        limit.warn = limit.warn.map(|_| most);
        limit.reject = limit.reject.map(|_| most);
        policy.limits.set(key, limit);
    }
    let context = Context {
        policy: &policy,
        ladder: Ladder::Normal,
        ladder_reason: "",
        client: None,
        detail: Detail::Brief,
    };
    let mut alarms = Alarms::new(AlarmPolicy::default(), &policy);
    let told = alarms.evaluate(core.mirror(), &context, now);
    assert!(told.len() > HELD, "{}", told.len());
}

fn orders(at: Now, quantity: &str) -> Read<OrdersTruth> {
    let order = |index: usize| OpenOrder {
        symbol: shared::name(index),
        id: OrderId::Order(i64::try_from(index).unwrap() + 1),
        client_order_id: format!("bench-{index}"),
        side: Side::Buy,
        position_side: PositionSide::Both,
        kind: OrderKind::Limit {
            price: Price::parse("59000.1").unwrap(),
        },
        remaining: Quantity::parse(quantity).unwrap(),
        reduce_only: false,
        close_position: false,
        trigger_by: TriggerBy::Last,
        price_protect: false,
    };
    Read {
        asked: at,
        answered: at,
        value: OrdersTruth {
            orders: (0..ORDERS).map(order).collect(),
        },
    }
}
