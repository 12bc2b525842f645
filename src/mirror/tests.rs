//! The mirror told one thing after the other, on a clock that only moves when told.

mod account;
mod ages;
mod connection;
mod key;
mod modes;
mod orders;
mod quotes;

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
