//! The random accounts of the properties, and the small questions that many of them ask.
//!
//! `CROSSGUARD_SEED` and `CROSSGUARD_ACCOUNTS` choose other accounts. A failure names the seed and prints
//! the account; a seed that failed once stays in [`FAILED_ONCE`].

use crossguard::margin::account::{MarginMode, Symbol};
use crossguard::margin::amount::{MarkPrice, Price, Rate};
use crossguard::margin::book::{Book, Unknown};
use crossguard::margin::contribution::Missing;
use crossguard::margin::pool::PoolAssessment;
use crossguard::scenario::Scenario;
use rust_decimal::Decimal;

use crate::random_accounts::{Dice, Shape, account};
use crate::rig::{Rig, asset};

const SHAPES: [Shape; 2] = [
    Shape {
        contracts_max: 40,
        assets: &["USDT", "USDC", "BTC"],
        is_multi: false,
    },
    Shape {
        contracts_max: 40,
        assets: &["USDT", "USDC", "BTC"],
        is_multi: true,
    },
];

/// Accounts per property and asset mode.
const ACCOUNTS: u64 = 30;

/// Seeds that failed once, whatever the property.
const FAILED_ONCE: &[u64] = &[9, 20, 21];

/// A random account on its way through a property.
pub(crate) struct Case {
    /// For choices of its own.
    pub(crate) dice: Dice,
    /// The account as text.
    pub(crate) scenario: Scenario,
    /// The account.
    pub(crate) book: Book,
    /// Multi-assets mode.
    pub(crate) is_multi: bool,
}

impl Case {
    /// The pools it has.
    pub(crate) fn pools(&self) -> Vec<&'static str> {
        if self.is_multi {
            vec!["USD"]
        } else {
            vec!["USDT", "USDC", "BTC"]
        }
    }

    pub(crate) fn pool_of(&self, symbol: &Symbol) -> String {
        let state = self.book.state(symbol.as_str()).unwrap();
        let own = state.margin_asset.as_ref().unwrap().to_string();
        if self.is_multi { "USD".into() } else { own }
    }

    /// Symbols held in this margin mode.
    pub(crate) fn held(&self, mode: MarginMode) -> Vec<Symbol> {
        let held = self.book.symbols().filter(|(_, state)| {
            !state.legs.is_flat() && state.settings.unwrap().margin_mode == mode
        });
        held.map(|(symbol, _)| symbol.clone()).collect()
    }
}

/// Asks for a property of many random accounts.
pub(crate) fn for_all(property: impl Fn(&mut Case) -> Result<(), String>) {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let first = number("CROSSGUARD_SEED").unwrap_or(1_000);
    let count = number("CROSSGUARD_ACCOUNTS").unwrap_or(ACCOUNTS);
    println!("seeds {first} to {}", first + count - 1);
    for seed in FAILED_ONCE.iter().copied().chain(first..first + count) {
        for shape in SHAPES {
            let text = account(seed, shape);
            let scenario = Scenario::parse(&text).unwrap();
            let (rig, _) = Rig::from_scenario(&scenario);
            let mut case = Case {
                dice: Dice::new(seed ^ 0xABCD),
                scenario,
                book: rig.core.mirror().book().clone(),
                is_multi: shape.is_multi,
            };
            if let Err(found) = property(&mut case) {
                panic!("seed {seed}, multi {}: {found}\n{text}", shape.is_multi);
            }
        }
    }
}

/// The shipped horizon.
pub(crate) fn horizon() -> Rate {
    Rate::new(Decimal::new(1, 1))
}

/// A pool's figures.
pub(crate) fn assess(book: &Book, pool: &str) -> PoolAssessment {
    book.assess(&asset(pool), horizon()).unwrap()
}

/// The pool's figures, unless they need more than 28 digits: at a price far away with twelve decimals
/// the engine says so instead of rounding.
pub(crate) fn assess_if_it_fits(book: &Book, pool: &str) -> Option<PoolAssessment> {
    match book.assess(&asset(pool), horizon()) {
        Ok(figures) => Some(figures),
        Err(Unknown::Arithmetic(_) | Unknown::Symbol(_, Missing::Arithmetic(_))) => None,
        Err(unknown) => panic!("{unknown}"),
    }
}

/// The account with one mark moved.
pub(crate) fn moved(book: &Book, symbol: &Symbol, price: Decimal) -> Book {
    let mut moved = book.clone();
    let id = moved.id(symbol.as_str()).unwrap();
    moved.set_mark(id, MarkPrice::new(Price::new(price)));
    moved
}

/// One unit in the eighth decimal, and what a price with twelve decimals loses on this quantity.
pub(crate) fn near(found: Decimal, wanted: Decimal, quantity: Decimal) -> bool {
    (found - wanted).abs() <= Decimal::new(1, 8) + quantity * Decimal::new(1, 12)
}

/// What is held of a symbol, both legs added.
pub(crate) fn quantity_of(book: &Book, symbol: &Symbol) -> Decimal {
    let state = book.state(symbol.as_str()).unwrap();
    state
        .legs
        .held()
        .map(|(_, leg)| leg.quantity.abs().get())
        .sum()
}

/// An error with a message unless it holds.
pub(crate) fn ensure(holds: bool, message: impl Fn() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(message()) }
}
