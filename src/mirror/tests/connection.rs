//! Connecting, losing and finding the user stream again.

use super::*;

#[test]
fn nothing_is_fresh_before_anything_was_told() {
    let rig = Rig::new();
    // Marks alone have nothing to be stale about: nothing is held and no symbol is listed.
    let all: Vec<Plane> = Plane::ALL
        .into_iter()
        .filter(|plane| !matches!(plane, Plane::Marks | Plane::Collateral))
        .collect();
    assert_eq!(rig.stale(), all);
}

#[test]
fn e07_events_before_the_snapshot_wait_and_are_replayed() {
    let mut rig = Rig::new();
    rig.tables(PositionMode::OneWay);
    rig.open(1);
    let asked_before_event = rig.read(Rig::account_truth("1000", &[]));
    let fill = rig.update(Some("999"), vec![position(PositionSide::Both, "0.5")]);
    rig.tell(fill);
    rig.tell(Event::AccountTruth(asked_before_event));
    assert_eq!(
        rig.stale()[0],
        Plane::Account,
        "not live before both books were read"
    );
    let live = rig.orders(&[]);
    assert_eq!(live.notices, [Notice::Live { epoch: 1 }]);
    assert_eq!((rig.held(), rig.wallet()), ("0.5".into(), "999".into()));
}

#[test]
fn r01_a_read_from_before_the_connection_does_not_make_it_live() {
    let mut rig = Rig::new();
    rig.tables(PositionMode::OneWay);
    let early = rig.read(Rig::account_truth("1000", &[]));
    rig.clock.advance_ms(1);
    rig.open(1);
    rig.tell(Event::AccountTruth(early));
    rig.orders(&[]);
    rig.mark("60000");
    assert_eq!(rig.stale(), [Plane::Account, Plane::Orders]);
    rig.truth("1000", &[]);
    assert_eq!(rig.stale(), []);
}

#[test]
fn a_lost_stream_is_stale_at_once_and_only_reads_after_the_next_connection_count() {
    let mut rig = Rig::live(PositionMode::OneWay, "1000");
    rig.lose(1);
    assert_eq!(rig.stale(), [Plane::Account, Plane::Orders]);
    rig.truth("1000", &[]);
    rig.orders(&[]);
    assert_eq!(
        rig.stale(),
        [Plane::Account, Plane::Orders],
        "REST alone is blind in between"
    );
    rig.open(2);
    rig.truth("1000", &[]);
    rig.orders(&[]);
    assert_eq!(rig.stale(), []);
}

#[test]
fn u14_a_planned_rotation_leaves_no_stale_moment() {
    let mut rig = Rig::live(PositionMode::OneWay, "1000");
    rig.open(2);
    assert_eq!(rig.stale(), [Plane::Account, Plane::Orders][..0]);
    rig.lose(1);
    assert_eq!(rig.stale(), []);
}

#[test]
fn u05_a_gap_needs_both_reads_after_it_and_loses_nothing_known() {
    let mut rig = Rig::live(PositionMode::OneWay, "1000");
    let fill = rig.update(Some("999"), vec![position(PositionSide::Both, "0.5")]);
    rig.tell(fill);
    let gap = StreamLoss {
        epoch: 1,
        at: rig.now(),
        cause: LossCause::Undecodable,
        detail: String::new(),
    };
    let change = rig.tell(Event::UserStreamGap(gap));
    assert!(change.wanted.account && change.wanted.orders);
    assert_eq!(rig.stale(), [Plane::Account, Plane::Orders]);
    assert_eq!((rig.held(), rig.wallet()), ("0.5".into(), "999".into()));
    rig.truth("999", &[(PositionSide::Both, "0.5", 0)]);
    assert_eq!(rig.stale(), [Plane::Orders]);
    rig.orders(&[]);
    assert_eq!(rig.stale(), []);
}
