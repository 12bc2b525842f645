//! Balances and positions: events against whole reads.

use super::*;

#[test]
fn e01_absent_items_are_unchanged_and_funding_moves_balances_only() {
    let mut rig = Rig::live(PositionMode::OneWay, "1000");
    let fill = rig.update(Some("999"), vec![position(PositionSide::Both, "0.5")]);
    rig.tell(fill);
    let funding = rig.update(Some("998.5"), vec![]);
    rig.tell(funding);
    assert_eq!((rig.held(), rig.wallet()), ("0.5".into(), "998.5".into()));
}

#[test]
fn e05_and_e06_repeated_and_older_events_change_nothing() {
    let mut rig = Rig::live(PositionMode::OneWay, "1000");
    let older = rig.update(Some("990"), vec![position(PositionSide::Both, "0.1")]);
    rig.clock.advance_ms(5);
    let newer = rig.update(Some("980"), vec![position(PositionSide::Both, "0.2")]);
    rig.tell(newer.clone());
    rig.tell(newer);
    assert!(!rig.tell(older).account);
    assert_eq!((rig.held(), rig.wallet()), ("0.2".into(), "980".into()));
    assert_eq!(rig.mirror.counters().ignored, 2);
}

#[test]
fn r02_a_slow_read_keeps_the_position_an_event_told_of() {
    let mut rig = Rig::live(PositionMode::OneWay, "1000");
    let fill = rig.update(None, vec![position(PositionSide::Both, "0.5")]);
    rig.tell(fill);
    assert!(rig.truth("1000", &[]).wanted.account, "asks again");
    assert_eq!(rig.held(), "0.5");
    rig.truth("1000", &[]);
    assert_eq!(rig.held(), "0.5");
    let insists = rig.truth("1000", &[]);
    assert_eq!(rig.held(), "0");
    assert!(matches!(&insists.notices[..], [Notice::Drifted(_)]));
}

#[test]
fn a_missed_event_is_corrected_and_shown_as_drift() {
    let mut rig = Rig::live(PositionMode::OneWay, "1000");
    let change = rig.truth("900", &[(PositionSide::Both, "0.5", 5)]);
    let [Notice::Drifted(drift)] = &change.notices[..] else {
        panic!("{change:?}")
    };
    assert_eq!(drift.basis_points().to_string(), "1000.0");
    assert_eq!(drift.differences.len(), 2);
    assert!(change.wanted.orders, "an anomaly checks the books at once");
    assert_eq!((rig.held(), rig.wallet()), ("0.5".into(), "900".into()));
    rig.truth("900", &[(PositionSide::Both, "0.5", 5)]);
    assert_eq!(rig.mirror.drift().unwrap().basis_points().to_string(), "0");
}

#[test]
fn r03_an_account_that_is_suddenly_empty_is_not_believed_at_once() {
    let mut rig = Rig::live(PositionMode::OneWay, "1000");
    let fill = rig.update(None, vec![position(PositionSide::Both, "0.5")]);
    rig.tell(fill);
    for reads in 1..=2 {
        let change = rig.truth("0", &[]);
        assert_eq!(change.notices, [Notice::SuddenlyEmpty { reads }]);
        assert_eq!(rig.stale(), [Plane::Account]);
        assert_eq!((rig.held(), rig.wallet()), ("0.5".into(), "1000".into()));
    }
    rig.truth("1000", &[(PositionSide::Both, "0.5", i64::MAX)]);
    assert_eq!(rig.stale(), []);
}
