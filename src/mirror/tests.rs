//! The mirror told one thing after the other, on a clock that only moves when told.

use std::sync::Arc;

use super::event::*;
use super::plane::{Bounds, Plane};
use super::view::Needs;
use super::*;
use crate::clock::Clock;
use crate::margin::account::{AssetMode, Lot, MarginMode, PositionMode, Rules, Settings, Side};
use crate::margin::amount::{Amount, Leverage, MarkPrice, Quantity, Rate};
use crate::margin::bracket::tests::bitcoin;
use crate::margin::collateral::CollateralRate;
use crate::margin::order::{OrderId, OrderKind, TriggerBy};

/// A mirror with its clock; `T` is the exchange's time, equal to the clock's wall time.
struct Rig {
    mirror: Mirror,
    clock: Clock,
}

fn btc() -> Symbol {
    Symbol::new("BTCUSDT").unwrap()
}

fn usdt() -> Asset {
    Asset::new("USDT").unwrap()
}

fn amount(text: &str) -> Amount {
    Amount::parse(text).unwrap()
}

fn balance(wallet: &str) -> BalanceUpdate {
    BalanceUpdate {
        asset: usdt(),
        wallet_balance: amount(wallet),
        cross_wallet_balance: amount(wallet),
    }
}

fn position(side: PositionSide, quantity: &str) -> PositionUpdate {
    PositionUpdate {
        symbol: btc(),
        position_side: side,
        quantity: Quantity::parse(quantity).unwrap(),
        entry_price: Price::parse("60000").unwrap(),
        isolated_wallet: Amount::ZERO,
        margin_mode: Some(MarginMode::Crossed),
    }
}

fn resting(id: i64, name: &str, quantity: &str) -> OpenOrder {
    OpenOrder {
        id: OrderId::Order(id),
        client_order_id: name.to_owned(),
        symbol: btc(),
        side: Side::Buy,
        position_side: PositionSide::Both,
        kind: OrderKind::Limit {
            price: Price::parse("59000").unwrap(),
        },
        remaining: Quantity::parse(quantity).unwrap(),
        reduce_only: false,
        close_position: false,
        trigger_by: TriggerBy::Last,
        price_protect: false,
    }
}

impl Rig {
    fn new() -> Self {
        Self {
            mirror: Mirror::new(Bounds::DEFAULT),
            clock: Clock::manual(1_790_000_000_000),
        }
    }

    /// Everything fresh and live with this wallet, flat, in this mode.
    fn live(mode: PositionMode, wallet: &str) -> Self {
        let mut rig = Self::new();
        rig.tables(mode);
        rig.open(1);
        rig.truth(wallet, &[]);
        rig.orders(&[]);
        rig.mark("60000");
        assert_eq!(
            rig.stale(),
            [],
            "{:?}",
            rig.mirror.planes(rig.now(), Some(&btc()))
        );
        rig
    }

    fn now(&self) -> Now {
        self.clock.now()
    }

    fn tell(&mut self, event: Event) -> Change {
        self.clock.advance_ms(1);
        self.mirror.apply(event, self.clock.now())
    }

    fn read<T>(&self, value: T) -> Read<T> {
        self.clock.advance_ms(1);
        Read {
            asked: self.now(),
            answered: self.now(),
            value,
        }
    }

    fn tables(&mut self, position_mode: PositionMode) {
        let at = self.now();
        self.tell(Event::ClockOffset(ClockOffset {
            offset_ms: 0,
            error_ms: 10,
            at,
        }));
        self.tell(Event::KeyAccepted { at });
        let rules = SymbolRules {
            symbol: btc(),
            rules: Rules {
                trading: true,
                status: "TRADING".to_owned(),
                margin_asset: usdt(),
                quote_asset: usdt(),
                delivery_ms: None,
                tick: None,
                price_min: None,
                price_max: None,
                lot: Lot::default(),
                market_lot: Lot::default(),
                notional_min: None,
                price_multiplier_up: None,
                price_multiplier_down: None,
                trigger_protect: None,
            },
        };
        self.tell(Event::Rules(self.read(vec![rules])));
        let table = SymbolBrackets {
            symbol: btc(),
            table: Ok(Arc::new(bitcoin())),
        };
        self.tell(Event::Brackets(self.read(vec![table])));
        self.config(position_mode, AssetMode::Single);
        let settings = Settings {
            leverage: Leverage::new(20).unwrap(),
            margin_mode: MarginMode::Crossed,
            auto_add_margin: false,
            notional_max: None,
        };
        self.tell(Event::SymbolSettings(self.read(vec![SymbolSettings {
            symbol: btc(),
            settings,
        }])));
    }

    fn config(&mut self, position_mode: PositionMode, asset_mode: AssetMode) -> Change {
        let config = AccountConfig {
            position_mode,
            asset_mode,
            can_trade: true,
        };
        self.tell(Event::AccountConfig(self.read(config)))
    }

    fn open(&mut self, epoch: u64) -> Change {
        let at = self.now();
        self.tell(Event::UserStreamOpened(Connection { epoch, at }))
    }

    fn lose(&mut self, epoch: u64) -> Change {
        let loss = StreamLoss {
            epoch,
            at: self.now(),
            cause: LossCause::Closed,
            detail: String::new(),
        };
        self.tell(Event::UserStreamLost(loss))
    }

    fn account_truth(wallet: &str, positions: &[(PositionSide, &str, i64)]) -> AccountTruth {
        let figures = ExchangeFigures {
            maintenance_margin: Amount::ZERO,
            initial_margin: Amount::ZERO,
            open_order_initial_margin: Amount::ZERO,
            available_balance: amount(wallet),
        };
        AccountTruth {
            balances: vec![TruthBalance {
                balance: balance(wallet),
                updated_ms: 0,
                figures,
            }],
            positions: positions
                .iter()
                .map(|(side, quantity, updated_ms)| TruthPosition {
                    position: PositionUpdate {
                        margin_mode: None,
                        ..position(*side, quantity)
                    },
                    margin_asset: usdt(),
                    updated_ms: *updated_ms,
                    liquidation_price: None,
                    deleveraging_quantile: None,
                })
                .collect(),
            credits: false,
        }
    }

    fn truth(&mut self, wallet: &str, positions: &[(PositionSide, &str, i64)]) -> Change {
        let truth = Self::account_truth(wallet, positions);
        self.tell(Event::AccountTruth(self.read(truth)))
    }

    fn orders(&mut self, orders: &[OpenOrder]) -> Change {
        self.tell(Event::OrdersTruth(self.read(OrdersTruth {
            orders: orders.to_vec(),
        })))
    }

    fn mark(&mut self, price: &str) -> Change {
        let event_ms = self.now().wall_ms;
        self.tell(Event::Mark(MarkUpdate {
            symbol: btc(),
            mark: MarkPrice::new(Price::parse(price).unwrap()),
            funding_rate: Some(Rate::ZERO),
            next_funding_ms: None,
            event_ms,
        }))
    }

    fn update(&self, wallet: Option<&str>, positions: Vec<PositionUpdate>) -> Event {
        let at = self.now().wall_ms;
        Event::AccountUpdate(AccountUpdate {
            event_ms: at,
            transaction_ms: at,
            reason: "ORDER".to_owned(),
            balances: wallet.map(balance).into_iter().collect(),
            positions,
        })
    }

    fn order_event(&self, order: OpenOrder, status: OrderStatus) -> Event {
        let at = self.now().wall_ms;
        Event::OrderUpdate(OrderUpdate {
            event_ms: at,
            transaction_ms: at,
            order,
            filled: Quantity::ZERO,
            status,
            origin: OrderOrigin::Client,
            expiry_reason: None,
        })
    }

    fn stale(&self) -> Vec<Plane> {
        let symbol = btc();
        match self.mirror.view(
            self.now(),
            Needs {
                symbol: Some(&symbol),
            },
        ) {
            Ok(_) => Vec::new(),
            Err(not_ready) => not_ready.planes.iter().map(|status| status.plane).collect(),
        }
    }

    fn held(&self) -> String {
        self.mirror
            .book()
            .state("BTCUSDT")
            .unwrap()
            .legs
            .both
            .quantity
            .to_string()
    }

    /// Tells the rate of an asset, so many milliseconds from now; zero is none.
    fn rate(&mut self, asset: &str, rate: i64, from_now_ms: i64) {
        let rate = Rate::new(rust_decimal::Decimal::from(rate));
        let update = CollateralUpdate {
            asset: Asset::new(asset).unwrap(),
            haircut: None,
            rate: CollateralRate::new(rate, rate),
            event_ms: self.now().wall_ms + from_now_ms,
        };
        self.tell(Event::CollateralRates(vec![update]));
    }

    fn wait_ms(&self, ms: i64) {
        self.clock.advance_ms(ms);
    }

    fn wallet(&self) -> String {
        self.mirror.book().balances("USDT").unwrap().0.to_string()
    }
}

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
