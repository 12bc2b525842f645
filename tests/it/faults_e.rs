//! Faults E: meaning and order of events (`faults.md` 1.2), the rows that no other test holds.

use crossguard::guard::verdict::Decision;
use crossguard::mirror::event::OrderStatus;

use crate::rig::{Rig, working};

const LONG: &str = "
symbol BTCUSDT tick 0.1 step 0.001 min-notional 5
brackets BTCUSDT 0 50000 0.004 125x | 50000 600000 0.005 100x
leverage BTCUSDT 10
wallet USDT 10000
pos BTCUSDT crossed 10x +0.1 @ 60000
";

fn resting(rig: &Rig) -> (String, String) {
    let resting = rig.core.mirror().book().state("BTCUSDT").unwrap().resting;
    (
        resting.buy_quantity.to_string(),
        resting.sell_quantity.to_string(),
    )
}

#[test]
fn e04_between_the_two_events_of_a_fill_the_filled_quantity_goes_on_counting() {
    let mut rig = Rig::from_text(LONG).0;
    let order = working("BTCUSDT buy 0.1 @ 59000", 7);
    let placed = rig.exchange_ms();
    rig.tell_order(&order, "0", OrderStatus::Working, placed);
    assert_eq!(resting(&rig).0, "0.1");
    // The order is filled; its position is not told yet: 0.1 held and 0.1 that could be.
    let filled = rig.exchange_ms();
    rig.tell_order(&order, "0.04", OrderStatus::Working, filled);
    assert_eq!(resting(&rig).0, "0.1");
    rig.tell_position("0.14", filled);
    assert_eq!(resting(&rig).0, "0.06");
    let filled = rig.exchange_ms();
    rig.tell_order(&order, "0.1", OrderStatus::Filled, filled);
    assert_eq!(resting(&rig).0, "0.06");
    assert!(rig.core.mirror().orders().is_empty());
    rig.tell_position("0.2", filled);
    assert_eq!(resting(&rig).0, "0");
}

#[test]
fn e04_in_the_other_order_nothing_is_counted_twice_afterwards() {
    let mut rig = Rig::from_text(LONG).0;
    let order = working("BTCUSDT buy 0.1 @ 59000", 7);
    let placed = rig.exchange_ms();
    rig.tell_order(&order, "0", OrderStatus::Working, placed);
    let filled = rig.exchange_ms();
    rig.tell_position("0.2", filled);
    assert_eq!(
        resting(&rig).0,
        "0.1",
        "held and still counted: the riskier reading"
    );
    rig.tell_order(&order, "0.1", OrderStatus::Filled, filled);
    assert_eq!(resting(&rig).0, "0");
}

#[test]
fn e04_a_sell_that_has_filled_leaves_no_room_for_another_exit() {
    let mut rig = Rig::from_text(LONG).0;
    assert!(rig.check("BTCUSDT sell 0.1").judgement.is_exit);
    let filled = rig.exchange_ms();
    let order = working("BTCUSDT sell 0.1", 7);
    // A market order: nothing was told of it before.
    rig.tell_order(&order, "0.1", OrderStatus::Filled, filled);
    assert!(!rig.check("BTCUSDT sell 0.1").judgement.is_exit);
    assert_eq!(
        rig.check("BTCUSDT sell 0.1 reduce-only").judgement.decision,
        Decision::Allow
    );
    rig.tell_position("0", filled);
    assert_eq!(resting(&rig).1, "0");
}

#[test]
fn e04_a_position_event_that_never_comes_is_replaced_by_the_reads() {
    let mut rig = Rig::from_text(LONG).0;
    let order = working("BTCUSDT buy 0.1 @ 59000", 7);
    let filled = rig.exchange_ms();
    rig.tell_order(&order, "0.1", OrderStatus::Filled, filled);
    // A read from before the fill says nothing about it; one that knows of it settles it.
    let slow = rig.account_read("10000", Some(("0.1", filled - 1_000)));
    rig.tell(slow);
    assert_eq!(resting(&rig).0, "0.1");
    let knows = rig.account_read("10000", Some(("0.2", filled)));
    rig.tell(knows);
    assert_eq!(resting(&rig).0, "0");
    // Closed meanwhile, so that no row is left that could know: believed the third time.
    let filled = rig.exchange_ms();
    rig.tell_order(
        &working("BTCUSDT sell 0.2", 8),
        "0.2",
        OrderStatus::Filled,
        filled,
    );
    for left in ["0.2", "0.2", "0"] {
        let flat = rig.account_read("10000", None);
        rig.tell(flat);
        assert_eq!(resting(&rig).1, left);
    }
}
