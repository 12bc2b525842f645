//! Position mode, asset mode, settings, brackets and collateral rates.

use super::*;

#[test]
fn e08_hedge_mode_ignores_the_empty_row_of_the_other_mode() {
    let mut rig = Rig::live(PositionMode::Hedge, "1000");
    let rows = vec![
        position(PositionSide::Both, "0"),
        position(PositionSide::Long, "0.5"),
        position(PositionSide::Short, "-0.2"),
    ];
    let fill = rig.update(None, rows);
    rig.tell(fill);
    let legs = rig.mirror.book().state("BTCUSDT").unwrap().legs;
    assert_eq!(legs.long.quantity.to_string(), "0.5");
    assert_eq!(legs.short.quantity.to_string(), "-0.2");
    assert!(legs.both.is_flat());
    assert_eq!(rig.stale(), []);
}

#[test]
fn c03_a_position_of_the_other_mode_means_the_mode_was_switched() {
    let mut rig = Rig::live(PositionMode::OneWay, "1000");
    let silently_hedged = rig.update(None, vec![position(PositionSide::Long, "0.5")]);
    let change = rig.tell(silently_hedged);
    assert!(change.wanted.config && change.wanted.account);
    assert_eq!(rig.stale(), [Plane::Account]);
    rig.config(PositionMode::Hedge, AssetMode::Single);
    assert_eq!(
        rig.stale(),
        [Plane::Account],
        "what was read in the other mode does not count"
    );
    rig.truth("1000", &[(PositionSide::Long, "0.5", 1)]);
    assert_eq!(rig.stale(), []);
    assert_eq!(
        rig.mirror
            .book()
            .state("BTCUSDT")
            .unwrap()
            .legs
            .long
            .quantity
            .to_string(),
        "0.5"
    );
}

#[test]
fn a_read_in_the_wrong_mode_never_counts_as_flat() {
    let mut rig = Rig::new();
    rig.open(1);
    rig.truth("1000", &[(PositionSide::Long, "0.5", 1)]);
    rig.orders(&[]);
    rig.tables(PositionMode::Hedge);
    rig.mark("60000");
    assert_eq!(rig.stale(), [Plane::Account, Plane::Orders]);
    rig.truth("1000", &[(PositionSide::Long, "0.5", 1)]);
    assert_eq!(rig.stale(), []);
}

#[test]
fn c04_multi_assets_mode_needs_a_fresh_rate_of_every_asset_that_counts() {
    let mut rig = Rig::live(PositionMode::OneWay, "1000");
    let event_ms = rig.now().wall_ms;
    rig.tell(Event::AssetModeChanged {
        mode: AssetMode::Multi,
        event_ms,
    });
    assert_eq!(rig.mirror.unsupported(), None);
    assert_eq!(rig.stale(), [Plane::Collateral]);
    rig.rate("USDT", 1, 0);
    assert_eq!(rig.stale(), []);
    // An older statement changes nothing, and zero is no rate.
    rig.rate("USDT", 0, -50);
    assert_eq!(rig.stale(), []);
    rig.rate("USDT", 0, 1);
    assert_eq!(rig.stale(), [Plane::Collateral]);
    rig.tell(Event::AssetModeChanged {
        mode: AssetMode::Single,
        event_ms: event_ms + 1,
    });
    assert_eq!(rig.stale(), []);
}

#[test]
fn a_multiple_of_the_default_brackets_holds_as_the_largest_notional_says() {
    let mut rig = Rig::new();
    let coefficient = Rate::parse("1.5").unwrap();
    rig.tell(Event::BracketCoefficients(vec![(btc(), coefficient)]));
    rig.tables(PositionMode::OneWay);
    let cap = |rig: &Rig| {
        let state = rig.mirror.book().state("BTCUSDT").unwrap();
        let table = state.brackets.as_ref()?;
        Some(table.first().cap.to_string())
    };
    assert_eq!(
        cap(&rig),
        None,
        "without a largest notional its meaning is not known"
    );
    for (largest, first_cap) in [
        ("10000000", Some("50000")),
        ("7", None),
        ("15000000", Some("75000")),
    ] {
        let settings = Settings {
            leverage: Leverage::new(20).unwrap(),
            margin_mode: MarginMode::Crossed,
            auto_add_margin: false,
            notional_max: Some(crate::margin::amount::Notional::parse(largest).unwrap()),
        };
        let row = SymbolSettings {
            symbol: btc(),
            settings,
        };
        rig.tell(Event::SymbolSettings(rig.read(vec![row])));
        assert_eq!(cap(&rig).as_deref(), first_cap, "{largest}");
    }
}

#[test]
fn c04_a_collateral_rate_is_stale_after_five_seconds() {
    let mut rig = Rig::live(PositionMode::OneWay, "1000");
    let event_ms = rig.now().wall_ms;
    rig.tell(Event::AssetModeChanged {
        mode: AssetMode::Multi,
        event_ms,
    });
    rig.rate("USDT", 1, 0);
    rig.wait_ms(4_000);
    assert_eq!(rig.stale(), []);
    rig.wait_ms(1_100);
    let stale = rig.stale();
    assert!(stale.contains(&Plane::Collateral), "{stale:?}");
}

#[test]
fn c01_a_leverage_event_is_not_undone_by_a_read_that_was_asked_before_it() {
    let mut rig = Rig::live(PositionMode::OneWay, "1000");
    let settings = rig
        .mirror
        .book()
        .state("BTCUSDT")
        .unwrap()
        .settings
        .unwrap();
    let early = rig.read(vec![SymbolSettings {
        symbol: btc(),
        settings,
    }]);
    let event_ms = rig.now().wall_ms;
    let leverage = Leverage::new(50).unwrap();
    rig.tell(Event::LeverageChanged {
        symbol: btc(),
        leverage,
        event_ms,
    });
    rig.tell(Event::SymbolSettings(early));
    assert_eq!(
        rig.mirror
            .book()
            .state("BTCUSDT")
            .unwrap()
            .settings
            .unwrap()
            .leverage,
        leverage
    );
}
