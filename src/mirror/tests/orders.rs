//! Working orders and promises.

use super::*;

#[test]
fn e03_resting_orders_enter_the_sums_though_no_account_event_tells() {
    let mut rig = Rig::live(PositionMode::OneWay, "1000");
    let placed = rig.order_event(resting(7, "a", "0.1"), OrderStatus::Working);
    let change = rig.tell(placed);
    assert!(matches!(&change.notices[..], [Notice::Unguarded(_)]));
    let pool = rig.mirror.book().assess(&usdt(), Rate::ZERO).unwrap();
    // 0.1 × 59,000 ÷ 20
    assert_eq!(pool.open_order_initial_margin.to_string(), "295");
    let cancelled = rig.order_event(resting(7, "a", "0.1"), OrderStatus::Gone);
    rig.tell(cancelled);
    let pool = rig.mirror.book().assess(&usdt(), Rate::ZERO).unwrap();
    assert!(pool.open_order_initial_margin.is_zero());
}

#[test]
fn a_slow_read_of_the_books_brings_no_cancelled_order_back_and_takes_no_new_one_away() {
    let mut rig = Rig::live(PositionMode::OneWay, "1000");
    let placed = rig.order_event(resting(7, "a", "0.1"), OrderStatus::Working);
    rig.tell(placed);
    let with_seven = rig.read(OrdersTruth {
        orders: vec![resting(7, "a", "0.1")],
    });
    let cancelled = rig.order_event(resting(7, "a", "0.1"), OrderStatus::Gone);
    rig.tell(cancelled);
    let placed = rig.order_event(resting(8, "b", "0.1"), OrderStatus::Working);
    rig.tell(placed);
    rig.tell(Event::OrdersTruth(with_seven));
    let names: Vec<_> = rig
        .mirror
        .orders()
        .iter()
        .map(|o| o.client_order_id.as_str())
        .collect();
    assert_eq!(names, ["b"]);
}

#[test]
fn u09_orders_that_vanished_without_an_event_are_found_by_the_read() {
    let mut rig = Rig::live(PositionMode::OneWay, "1000");
    let placed = rig.order_event(resting(7, "a", "0.1"), OrderStatus::Working);
    rig.tell(placed);
    let change = rig.orders(&[]);
    assert_eq!(
        change.notices,
        [Notice::OrdersDrifted {
            unheard: 0,
            vanished: 1
        }]
    );
    assert!(rig.mirror.orders().is_empty());
}

#[test]
fn a_promised_order_is_recognised_and_not_called_unguarded() {
    let mut rig = Rig::live(PositionMode::OneWay, "1000");
    let order = resting(7, "mine", "0.1");
    let intent = crate::margin::order::OrderIntent {
        symbol: btc(),
        side: order.side,
        position_side: order.position_side,
        kind: order.kind,
        quantity: Some(order.remaining),
        reduce_only: false,
        close_position: false,
        client_order_id: Some("mine".to_owned()),
    };
    let made = rig.now();
    rig.mirror.reservations_mut().make(reserve::Reservation {
        decision_id: "d".to_owned(),
        intent,
        made,
        outcome_unknown: false,
    });
    let placed = rig.order_event(order, OrderStatus::Working);
    assert_eq!(rig.tell(placed).notices, []);
    assert!(rig.mirror.reservations().is_empty());
}
