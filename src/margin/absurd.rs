//! Figures that no account has: each is a number or a named error, never a panic or a silent zero.

use std::sync::Arc;

use rust_decimal::Decimal;

use super::account::{
    Asset, AssetMode, Leg, MarginMode, PositionMode, Settings, Side, Symbol, SymbolState,
};
use super::amount::{Amount, Leverage, MarkPrice, Notional, Price, Quantity, Rate};
use super::book::{Book, Unknown};
use super::bracket::tests::bitcoin;
use super::collateral::CollateralRate;
use super::order::{OrderIntent, OrderKind};
use super::pool::Survival;
use super::project::{Assumptions, fill};

const DIGITS_28: &str = "1234567890123456789.123456789";

fn symbol(name: &str) -> Symbol {
    Symbol::new(name).unwrap()
}

fn usdt() -> Asset {
    Asset::new("USDT").unwrap()
}

fn state(quantity: &str, entry: &str, mark: &str) -> Option<SymbolState> {
    let mut state = SymbolState {
        margin_asset: Some(usdt()),
        settings: Some(Settings {
            leverage: Leverage::new(3).unwrap(),
            margin_mode: MarginMode::Crossed,
            auto_add_margin: false,
            notional_max: None,
        }),
        mark: MarkPrice::new(Price::parse(mark).ok()?),
        brackets: Some(Arc::new(bitcoin())),
        ..SymbolState::default()
    };
    let entry = Price::parse(entry).ok()?;
    state.legs.both = Leg::new(Quantity::parse(quantity).ok()?, entry, Amount::ZERO).ok()?;
    Some(state)
}

fn book(wallet: &str, states: &[(&str, SymbolState)], mode: AssetMode) -> Book {
    let mut book = Book::new(PositionMode::OneWay, mode);
    let wallet = Amount::parse(wallet).unwrap();
    book.set_balances(&usdt(), wallet, wallet);
    let rate = |text: &str| Rate::parse(text).unwrap();
    book.set_rate(&usdt(), CollateralRate::new(rate("0.9998"), rate("1.0001")));
    for (name, state) in states {
        let id = book.intern(&symbol(name));
        book.change(id, |old| *old = state.clone());
    }
    book
}

fn horizon() -> Rate {
    Rate::parse("0.10").unwrap()
}

const WALLETS: [&str; 5] = ["0", "0.00000001", "1000", "-1000", "999999999999999"];
const QUANTITIES: [&str; 6] = [
    "1000000000000000",
    "-1000000000000000",
    "0.00000001",
    "-123456789.12345678",
    "0.3333333333333333",
    DIGITS_28,
];
const PRICES: [&str; 6] = [
    "0.00000001",
    "1",
    "60123.12345678",
    "99999999999999",
    DIGITS_28,
    "0.0000000000000000000000000001",
];

#[test]
fn p06_absurd_accounts_are_figures_or_named_errors() {
    let mut known = 0_u32;
    let mut refused = 0_u32;
    for mode in [AssetMode::Single, AssetMode::Multi] {
        for wallet in WALLETS {
            for quantity in QUANTITIES {
                for price in PRICES {
                    let Some(state) = state(quantity, price, price) else {
                        // Not even its cost fits: refused where it comes in.
                        refused += 1;
                        continue;
                    };
                    let book = book(wallet, &[("AUSDT", state)], mode);
                    match book.assess(&usdt(), horizon()) {
                        Ok(pool) => {
                            known += 1;
                            assert!(!pool.notional_gross.is_zero(), "{quantity} {price}");
                            let dead = pool.headroom.get() <= Decimal::ZERO;
                            assert_eq!(pool.survival == Survival::Liquidatable, dead);
                        }
                        Err(Unknown::Arithmetic(_) | Unknown::Symbol(..)) => refused += 1,
                        Err(other) => panic!("{other}"),
                    }
                    let _ = book.liquidation_prices(&symbol("AUSDT"));
                    let what_if = book.what_if(&symbol("AUSDT")).unwrap();
                    let _ =
                        super::position::assess_positions(&what_if, &symbol("AUSDT"), horizon());
                    let _ = super::explain::explain(&book, horizon());
                }
            }
        }
    }
    assert!(
        known > 100 && refused > 20,
        "{known} known, {refused} refused"
    );
}

#[test]
fn p06_orders_of_absurd_size_are_figures_or_named_errors() {
    let held = state("0.5", "60000", "60000").unwrap();
    for mode in [AssetMode::Single, AssetMode::Multi] {
        let book = book("1000", &[("AUSDT", held.clone())], mode);
        for quantity in QUANTITIES {
            for price in PRICES {
                let intent = OrderIntent {
                    symbol: symbol("AUSDT"),
                    side: Side::Sell,
                    position_side: super::account::PositionSide::Both,
                    kind: OrderKind::Limit {
                        price: Price::parse(price).unwrap(),
                    },
                    quantity: Some(Quantity::parse(quantity).unwrap()),
                    reduce_only: false,
                    close_position: false,
                    client_order_id: None,
                };
                let assumptions = Assumptions {
                    market_slippage: horizon(),
                    taker_fee: Rate::parse("0.0005").unwrap(),
                };
                let mut what_if = book.what_if(&symbol("AUSDT")).unwrap();
                if fill(&mut what_if, &intent, assumptions).is_ok() {
                    let _ = what_if.assess(horizon());
                    let _ = what_if.available_balance();
                }
            }
        }
    }
}

#[test]
fn p06_a_sum_that_does_not_fit_is_unknown_only_as_long_as_it_does_not() {
    // Two gross notionals of 7e28 each fit; their sum does not.
    let huge = state("70000000000000", "1000000000000000", "1000000000000000").unwrap();
    let mut book = book(
        "1000",
        &[("AUSDT", huge.clone()), ("BUSDT", huge)],
        AssetMode::Single,
    );
    let unknown = book.assess(&usdt(), horizon()).unwrap_err();
    assert!(
        matches!(unknown, Unknown::Arithmetic(_) | Unknown::Symbol(..)),
        "{unknown}"
    );
    for name in ["AUSDT", "BUSDT"] {
        let id = book.id(name).unwrap();
        book.change(id, |state| state.legs = super::account::Legs::default());
    }
    let pool = book.assess(&usdt(), horizon()).unwrap();
    assert_eq!(pool.margin_balance.to_string(), "1000");
    assert_eq!(pool.notional_gross, Notional::ZERO);
}
