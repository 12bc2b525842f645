//! Ages: marks, clocks, sleep.

use super::*;

#[test]
fn marks_age_by_the_exchanges_time_and_zero_is_unknown() {
    let mut rig = Rig::live(PositionMode::OneWay, "1000");
    rig.clock.advance_ms(5_001);
    assert_eq!(rig.stale(), [Plane::Marks]);
    rig.mark("61000");
    assert_eq!(rig.stale(), []);
    rig.mark("0");
    assert_eq!(rig.stale(), [Plane::Marks]);
}

#[test]
fn s08_a_frozen_event_time_is_stale_though_frames_keep_coming() {
    let mut rig = Rig::live(PositionMode::OneWay, "1000");
    let frozen = rig.now().wall_ms;
    for _ in 0..6 {
        rig.clock.advance_ms(1_000);
        let update = MarkUpdate {
            symbol: btc(),
            mark: MarkPrice::new(Price::parse("60000").unwrap()),
            funding_rate: None,
            next_funding_ms: None,
            event_ms: frozen,
        };
        rig.tell(Event::Mark(update));
    }
    assert_eq!(rig.stale(), [Plane::Marks]);
}

#[test]
fn k02_a_step_of_the_wall_clock_changes_no_age() {
    let rig = Rig::live(PositionMode::OneWay, "1000");
    let mut stepped = rig.now();
    stepped.wall_ms += 3_600_000;
    let symbol = btc();
    assert!(
        rig.mirror
            .view(
                stepped,
                Needs {
                    symbol: Some(&symbol)
                }
            )
            .is_ok()
    );
    rig.clock.advance_ms(1);
    let mut back = rig.now();
    back.wall_ms -= 3_600_000;
    assert!(
        rig.mirror
            .view(
                back,
                Needs {
                    symbol: Some(&symbol)
                }
            )
            .is_ok()
    );
}

#[test]
fn l07_after_a_sleep_nothing_read_before_it_is_fresh() {
    let rig = Rig::live(PositionMode::OneWay, "1000");
    let mut woken = rig.now();
    woken.boot_us += 8 * 3_600 * 1_000_000;
    let symbol = btc();
    let not_ready = rig
        .mirror
        .view(
            woken,
            Needs {
                symbol: Some(&symbol),
            },
        )
        .unwrap_err();
    // Collateral rates do not count in single-asset mode.
    assert_eq!(not_ready.planes.len(), Plane::ALL.len() - 1);
    // Even three seconds of sleep, well inside every bound.
    let mut nap = rig.now();
    nap.boot_us += 3_000_000;
    let not_ready = rig
        .mirror
        .view(
            nap,
            Needs {
                symbol: Some(&symbol),
            },
        )
        .unwrap_err();
    let planes: Vec<Plane> = not_ready.planes.iter().map(|status| status.plane).collect();
    assert!(
        planes.contains(&Plane::Account) && planes.contains(&Plane::Key),
        "{planes:?}"
    );
}
