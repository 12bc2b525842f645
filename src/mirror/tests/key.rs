//! The key and the kind of account.

use super::*;

#[test]
fn k04_a_refused_key_is_stale_though_events_still_arrive() {
    let mut rig = Rig::live(PositionMode::OneWay, "1000");
    let refusal = KeyRefusal {
        at: rig.now(),
        cause: KeyRefusalCause::PermissionOrAddress,
        detail: "key, address or permission refused".to_owned(),
    };
    rig.tell(Event::KeyRefused(refusal));
    rig.mark("60001");
    assert_eq!(rig.stale(), [Plane::Key]);
    let at = rig.now();
    assert_eq!(
        rig.tell(Event::KeyAccepted { at }).notices,
        [Notice::KeyAccepted]
    );
    assert_eq!(rig.stale(), []);
}

#[test]
fn k07_an_account_that_is_not_modelled_stays_named_until_it_is_read() {
    let mut rig = Rig::live(PositionMode::OneWay, "1000");
    let refusal = KeyRefusal {
        at: rig.now(),
        cause: KeyRefusalCause::Unsupported,
        detail: "Account is in Portfolio Margin mode.".to_owned(),
    };
    rig.tell(Event::KeyRefused(refusal));
    // Another call of the same key is answered.
    let at = rig.now();
    assert_eq!(rig.tell(Event::KeyAccepted { at }).notices, []);
    assert_eq!(
        rig.mirror.unsupported(),
        Some(super::view::Unsupported::PortfolioMargin)
    );
    assert_eq!(rig.stale(), [Plane::Key]);
    let told = rig.truth("1000", &[]).notices;
    assert!(told.contains(&Notice::KeyAccepted), "{told:?}");
    assert_eq!(rig.mirror.unsupported(), None);
    assert_eq!(rig.stale(), []);
}
