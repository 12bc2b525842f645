//! The account that the benches ask about, as the events that the exchange client would have told.

#![allow(clippy::unwrap_used, reason = "a bench fails by panicking")]

use std::sync::Arc;

use crossguard::clock::Now;
use crossguard::margin::account::*;
use crossguard::margin::amount::*;
use crossguard::margin::bracket::{Bracket, BracketTable, next_maintenance_amount};
use crossguard::mirror::event::*;
use rust_decimal::Decimal;

/// The symbol at an index.
pub(crate) fn name(index: usize) -> Symbol {
    Symbol::new(&format!("SYM{index}USDT")).unwrap()
}

/// The pool's asset.
pub(crate) fn usdt() -> Asset {
    Asset::new("USDT").unwrap()
}

/// `symbols` listed, the first `held` of them held, each long 600 of notional in a wallet that grows
/// with them, so that every size stands equally far from its end. Marks are told apart.
pub(crate) fn opening(at: Now, symbols: usize, held: usize) -> Vec<Event> {
    let table = Arc::new(table());
    let names: Vec<Symbol> = (0..symbols).map(name).collect();
    let rules = names.iter().map(|symbol| SymbolRules {
        symbol: symbol.clone(),
        rules: rules(),
    });
    let brackets = names.iter().map(|symbol| SymbolBrackets {
        symbol: symbol.clone(),
        table: Ok(Arc::clone(&table)),
    });
    let mut events = vec![
        Event::Rules(read(at, rules.collect())),
        Event::Brackets(read(at, brackets.collect())),
        Event::UserStreamOpened(Connection { epoch: 1, at }),
    ];
    events.extend(reads(at, symbols, held));
    events
}

/// What a daemon reads again every few seconds.
pub(crate) fn reads(at: Now, symbols: usize, held: usize) -> Vec<Event> {
    let names: Vec<Symbol> = (0..symbols).map(name).collect();
    let config = AccountConfig {
        position_mode: PositionMode::OneWay,
        asset_mode: AssetMode::Single,
        can_trade: true,
    };
    let settings = Settings {
        leverage: Leverage::new(10).unwrap(),
        margin_mode: MarginMode::Crossed,
        auto_add_margin: false,
        notional_max: None,
    };
    let all = names.iter().map(|symbol| SymbolSettings {
        symbol: symbol.clone(),
        settings,
    });
    vec![
        Event::ClockOffset(ClockOffset {
            offset_ms: 0,
            error_ms: 1,
            at,
        }),
        Event::KeyAccepted { at },
        Event::AccountConfig(read(at, config)),
        Event::SymbolSettings(read(at, all.collect())),
        Event::AccountTruth(read(at, truth(&names[..held]))),
        Event::OrdersTruth(read(at, OrdersTruth { orders: vec![] })),
    ]
}

/// A mark of the symbol at an index, 60,000 and some cents.
pub(crate) fn mark(index: usize, cents: i64, event_ms: i64) -> MarkUpdate {
    let price = Decimal::new((6_000_000 + cents) * 1_000 + 345, 5);
    MarkUpdate {
        symbol: name(index),
        mark: MarkPrice::new(Price::new(price)),
        funding_rate: Some(Rate::ZERO),
        next_funding_ms: None,
        event_ms,
    }
}

fn truth(held: &[Symbol]) -> AccountTruth {
    let wallet = Amount::new(Decimal::from(1_000 + 600 * held.len()));
    let balance = BalanceUpdate {
        asset: usdt(),
        wallet_balance: wallet,
        cross_wallet_balance: wallet,
    };
    let figures = ExchangeFigures {
        maintenance_margin: Amount::ZERO,
        initial_margin: Amount::ZERO,
        open_order_initial_margin: Amount::ZERO,
        available_balance: Amount::ZERO,
    };
    let position = |symbol: &Symbol| TruthPosition {
        position: PositionUpdate {
            symbol: symbol.clone(),
            position_side: PositionSide::Both,
            quantity: Quantity::parse("0.01").unwrap(),
            entry_price: Price::parse("60012.5").unwrap(),
            isolated_wallet: Amount::ZERO,
            margin_mode: None,
        },
        margin_asset: usdt(),
        updated_ms: 1,
        liquidation_price: None,
        deleveraging_quantile: None,
    };
    AccountTruth {
        balances: vec![TruthBalance {
            balance,
            updated_ms: 1,
            figures,
        }],
        positions: held.iter().map(position).collect(),
        credits: false,
    }
}

fn read<T>(at: Now, value: T) -> Read<T> {
    Read {
        asked: at,
        answered: at,
        value,
    }
}

fn rules() -> Rules {
    Rules {
        trading: true,
        status: "TRADING".to_owned(),
        margin_asset: usdt(),
        quote_asset: usdt(),
        delivery_ms: None,
        tick: Some(Price::parse("0.1").unwrap()),
        price_min: None,
        price_max: None,
        lot: Lot::default(),
        market_lot: Lot::default(),
        notional_min: None,
        price_multiplier_up: Some(Rate::parse("1.05").unwrap()),
        price_multiplier_down: Some(Rate::parse("0.95").unwrap()),
        trigger_protect: None,
    }
}

/// Ten tiers, as most symbols have.
fn table() -> BracketTable {
    let rows = [
        ("50000", "0.004", 125),
        ("250000", "0.005", 100),
        ("1000000", "0.01", 50),
        ("10000000", "0.025", 20),
        ("20000000", "0.05", 10),
        ("50000000", "0.1", 5),
        ("100000000", "0.125", 4),
        ("200000000", "0.15", 3),
        ("300000000", "0.25", 2),
        ("500000000", "0.5", 1),
    ];
    let mut brackets: Vec<Bracket> = Vec::new();
    for (cap, rate, leverage) in rows {
        let rate = Rate::parse(rate).unwrap();
        let (floor, maintenance_amount) =
            brackets
                .last()
                .map_or((Notional::ZERO, Amount::ZERO), |last| {
                    (
                        last.cap,
                        next_maintenance_amount(last, last.cap, rate).unwrap(),
                    )
                });
        brackets.push(Bracket {
            floor,
            cap: Notional::parse(cap).unwrap(),
            maintenance_margin_rate: rate,
            maintenance_amount,
            leverage_max: Leverage::new(leverage).unwrap(),
        });
    }
    BracketTable::try_new(brackets).unwrap()
}
