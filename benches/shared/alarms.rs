//! What all alarms cost, against assessing the account.
//!
//! `book` is what both rest on; the yardstick is what `GET /v1/account` and `GET /v1/positions` make:
//! every pool's and every position's figures.

#![allow(clippy::unwrap_used, reason = "a bench fails by panicking")]

use std::hint::black_box;

use crossguard::clock::Now;
use crossguard::daemon::core::Core;
use crossguard::guard::alarm::seen::{Depth, Seen, observe};
use crossguard::guard::alarm::{AlarmPolicy, Alarms};
use crossguard::guard::policy::Policy;
use crossguard::guard::verdict::Ladder;
use crossguard::guard::{Context, Detail};
use crossguard::margin::account::{PositionSide, Side};
use crossguard::margin::amount::{Price, Quantity, Rate};
use crossguard::margin::order::{OpenOrder, OrderId, OrderKind, TriggerBy};
use crossguard::mirror::event::{Event, OrdersTruth, Read};
use crossguard::mirror::view::{LiveView, Needs};

use crate::{account, median, nanos, shared};

const SYMBOLS: usize = 600;
const HELD: usize = 40;
const ORDERS: usize = 20;

/// Looks in a second: pools ten times, positions and scenarios once, orders every five seconds.
const POOLS_A_SECOND: f64 = 9.0;
const ORDERS_A_SECOND: f64 = 0.2;

pub(crate) fn run() {
    let mut account = account(SYMBOLS, HELD);
    let now = account.clock.now();
    account.tell(Event::OrdersTruth(orders(now)));
    for index in 0..HELD {
        account.tick(index);
    }
    let policy = Policy::default();
    let view = view(&account.core, now);
    let mut alarms = Alarms::new(AlarmPolicy::default(), &policy);
    println!(
        "\nalarms: {SYMBOLS} symbols, {HELD} held, {ORDERS} working orders (us, median of the rounds)"
    );
    let floors = alarms.floors();
    let core = &account.core;
    let assess = || {
        black_box(core.account_report(now));
        black_box(core.positions_report(now));
    };
    let depths = [Depth::Pools, Depth::Positions, Depth::Orders];
    let mut columns: [Vec<f64>; 8] = Default::default();
    for _ in 0..15 {
        let mut costs = vec![nanos(20, assess)];
        for depth in depths {
            let seen = observe(&view, &policy, depth, floors);
            costs.push(nanos(20, || {
                drop(black_box(observe(&view, &policy, depth, floors)));
            }));
            costs.push(nanos(20, || judge(&mut alarms, &seen, &view)));
        }
        costs.push(nanos(1, || crash(core, now)));
        for (column, cost) in columns.iter_mut().zip(costs) {
            column.push(cost / 1_000.0);
        }
    }
    let [
        assess,
        pools,
        judged_pools,
        positions,
        judged_positions,
        all,
        judged_all,
        crash,
    ] = columns.map(median);
    println!("assessing the account               {assess:>9.1}");
    for (name, seen, judged) in [
        ("pools", pools, judged_pools),
        ("pools, positions, scenarios", positions, judged_positions),
        ("all", all, judged_all),
    ] {
        println!(
            "{name:<28} looked {seen:>9.1}   judged {judged:>7.1}   judged / assessed {:>5.2}   whole / assessed {:>5.2}",
            judged / assess,
            (seen + judged) / assess
        );
    }
    let second = POOLS_A_SECOND * (pools + judged_pools)
        + (positions + judged_positions)
        + ORDERS_A_SECOND * (all + judged_all - positions - judged_positions);
    println!(
        "a second of alarms {second:.1}: {:.2} of ten assessments; {:.3} % of a core",
        second / (10.0 * assess),
        second / 10_000.0
    );
    println!("first look with everything raised, two searches for ways back: {crash:.1}");
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
    for key in crossguard::guard::policy::LimitKey::ALL {
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

fn orders(at: Now) -> Read<OrdersTruth> {
    let order = |index: usize| OpenOrder {
        symbol: shared::name(index),
        id: OrderId::Order(i64::try_from(index).unwrap() + 1),
        client_order_id: format!("bench-{index}"),
        side: Side::Buy,
        position_side: PositionSide::Both,
        kind: OrderKind::Limit {
            price: Price::parse("59000.1").unwrap(),
        },
        remaining: Quantity::parse("0.01").unwrap(),
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
