//! A trial: inverse (coin-margined) contracts in the book as it is.
//!
//! The profit of an inverse contract is linear in `x = 1/P`: with `q` contracts of `m` USD, long
//! `s = +1`, it is `s·q·m·(1/entry − x)` coins. That is what a linear contract of the signed quantity
//! `−s·q·m` earns at a price of `x` that was entered at `1/entry`; its notional is `q·m·x` and its
//! maintenance margin `notional·rate − cum`, with brackets in the coin. So a long inverse contract is a
//! short one in `x`: everything the book, the pools and the searches do holds for it as it stands, and
//! only the edge has to turn prices over and swap above and below.
//!
//! Source: margin-math §16. Each expectation is worked by hand from its formulas, beside it.

use std::sync::Arc;

use rust_decimal::Decimal;

use super::account::{
    Asset, AssetMode, Leg, MarginMode, PositionMode, PositionSide, Settings, Side, Symbol,
    SymbolState,
};
use super::amount::{
    Amount, Leverage, MarkPrice, Notional, Price, Quantity, Rate, cut, quotient, round,
};
use super::book::Book;
use super::bracket::BracketTable;
use super::bracket::tests::{bitcoin, table};
use super::liquidation::{Direction, Exposure, LiquidationPrices};
use super::order::{OrderIntent, OrderKind};
use super::pool::{PoolAssessment, Survival};
use super::position::assess_positions;
use super::project::{Assumptions, fill};

/// Decimals of a price that was turned over: a thousand coins times what is cut off are no coin of
/// the eighth decimal.
const TURNED_DECIMALS: u32 = 20;

/// Decimals of what an entry comes to in the coin.
const COIN_DECIMALS: u32 = 16;

/// What an inverse contract is beside a linear one: so many USD a piece.
#[derive(Debug, Clone, Copy)]
struct Inverse {
    size: Decimal,
}

impl Inverse {
    const HUNDRED: Self = Self {
        size: Decimal::ONE_HUNDRED,
    };

    /// `contracts` is signed as traders sign it: positive is long.
    fn leg(self, contracts: i64, entry: &str, isolated_wallet: &str) -> Leg {
        let turned = -Decimal::from(contracts) * self.size;
        let entry = parse(entry);
        Leg {
            quantity: Quantity::new(turned),
            entry_price: Price::new(round(Decimal::ONE / entry, TURNED_DECIMALS)),
            // Money is counted from this and not from the price, so nothing of the quotient is lost.
            entry_cost: Notional::new(round(quotient(turned, entry).unwrap(), COIN_DECIMALS)),
            isolated_wallet: Amount::parse(isolated_wallet).unwrap(),
        }
    }
}

fn parse(text: &str) -> Decimal {
    Price::parse(text).unwrap().get()
}

/// A price in USD as a price of the other kind, and back.
fn turned(price: Decimal) -> Decimal {
    round(quotient(Decimal::ONE, price).unwrap(), TURNED_DECIMALS)
}

fn mark(price: &str) -> MarkPrice {
    MarkPrice::new(Price::new(turned(parse(price)))).unwrap()
}

/// A liquidation price in USD as it is printed: a fall of the price is a rise of `x`.
fn printed(prices: LiquidationPrices, direction: Direction) -> Option<String> {
    let there = match direction {
        Direction::Down => Direction::Up,
        Direction::Up => Direction::Down,
    };
    let price = prices.on(there)?;
    Some(cut(turned(price.get())).normalize().to_string())
}

/// The table of BTCUSD_PERP, in BTC. Its amounts follow from the floors; for 200 to 400 BTC that is
/// 11.605, which reproduces the exchange's calculator (margin-math §16, E01 to E03).
fn coins() -> BracketTable {
    table(&[
        ("5", "0.004", 125),
        ("10", "0.005", 100),
        ("20", "0.01", 50),
        ("50", "0.025", 20),
        ("100", "0.05", 10),
        ("200", "0.1", 5),
        ("400", "0.125", 4),
        ("1000", "0.15", 3),
        ("1500", "0.25", 2),
    ])
}

fn asset(name: &str) -> Asset {
    Asset::new(name).unwrap()
}

fn symbol(name: &str) -> Symbol {
    Symbol::new(name).unwrap()
}

fn state(pool: &str, table: BracketTable, mark: MarkPrice, leg: Leg) -> SymbolState {
    let mut state = SymbolState {
        margin_asset: Some(asset(pool)),
        settings: Some(Settings {
            leverage: Leverage::new(10).unwrap(),
            margin_mode: MarginMode::Crossed,
            auto_add_margin: false,
            notional_max: None,
        }),
        mark: Some(mark),
        brackets: Some(Arc::new(table)),
        ..SymbolState::default()
    };
    state.legs.both = leg;
    state
}

fn inverse(contracts: i64, entry: &str, at: &str) -> SymbolState {
    let leg = Inverse::HUNDRED.leg(contracts, entry, "0");
    state("BTC", coins(), mark(at), leg)
}

fn book(coins: &str, states: &[(&str, SymbolState)]) -> Book {
    let mut book = Book::new(PositionMode::OneWay, AssetMode::Single);
    let coins = Amount::parse(coins).unwrap();
    book.set_balances(&asset("BTC"), coins, coins);
    for (name, state) in states {
        let id = book.intern(&symbol(name));
        book.change(id, |entry| *entry = state.clone());
    }
    book
}

fn assessed(book: &Book, pool: &str, horizon: &str) -> PoolAssessment {
    book.assess(&asset(pool), Rate::parse(horizon).unwrap())
        .unwrap()
}

fn prices(book: &Book, name: &str) -> LiquidationPrices {
    book.liquidation_prices(&symbol(name)).unwrap().unwrap()
}

fn eight(amount: Amount) -> String {
    cut(round(amount.get(), 12)).normalize().to_string()
}

#[test]
fn the_amounts_of_a_table_in_coins_follow_like_those_of_any_other() {
    let brackets = coins();
    let amount = |coins: &str| {
        let bracket = brackets.at(Notional::parse(coins).unwrap());
        bracket.maintenance_amount.to_string()
    };
    assert_eq!(amount("300"), "11.605");
    assert_eq!(amount("15"), "0.055");
}

#[test]
fn a_long_stands_on_its_coins_and_dies_in_the_tier_where_it_falls_to() {
    // 10 BTC, 2,000 contracts of 100 USD long at 40,000, mark 50,000. Notional 200,000 ÷ 50,000 = 4, profit
    // 200,000 × (1/40,000 − 1/50,000) = 1, maintenance 4 × 0.004 = 0.016, initial margin 4 ÷ 10.
    let book = book("10", &[("BTCUSD_PERP", inverse(2_000, "40000", "50000"))]);
    let pool = assessed(&book, "BTC", "0.25");
    assert_eq!(eight(pool.cross_unrealized_pnl), "1");
    assert_eq!(eight(pool.margin_balance), "11");
    assert_eq!(eight(pool.maintenance_margin), "0.016");
    assert_eq!(eight(pool.position_initial_margin), "0.4");
    assert_eq!(pool.notional_gross.to_string(), "4");
    // With N = 200,000 ÷ P: 10 + 5 − N = N·r − cum, so N = (15 + cum) ÷ (1 + r); 15.055 ÷ 1.01 = 14.9 lies
    // in 10 to 20. §16: 100 × 2,000 × 1.01 ÷ (10 + 0.055 + 5) = 202,000 ÷ 15.055.
    let found = prices(&book, "BTCUSD_PERP");
    let down = printed(found, Direction::Down);
    assert_eq!(down.as_deref(), Some("13417.4692793"));
    assert_eq!(printed(found, Direction::Up), None);
    // A fall of 20 % is a rise of x by a quarter: 4 × 0.25 = 200,000 × (1/40,000 − 1/50,000).
    let risk = pool.wallet_at_risk.unwrap();
    assert_eq!(eight(risk.amount), "1");
    assert_eq!(risk.cause.direction, Direction::Up);
}

#[test]
fn a_short_within_its_coins_cannot_be_liquidated_and_a_greater_one_can() {
    // Short 2,000 at 40,000 on 5 BTC (1x): 5 − 5 + N − N·r + cum is never zero; the exchange prints "0" (E11).
    let whole = book("5", &[("BTCUSD_PERP", inverse(-2_000, "40000", "40000"))]);
    let found = prices(&whole, "BTCUSD_PERP");
    assert_eq!(found.headline(), None);
    let pool = assessed(&whole, "BTC", "0.1");
    assert_eq!(pool.survival.distance(), None);
    // On 2.5 BTC: 2.5 − 5 + N·(1 − 0.004) = 0, N = 2.5 ÷ 0.996, P = 200,000 × 0.996 ÷ 2.5 = 79,680.
    let half = book("2.5", &[("BTCUSD_PERP", inverse(-2_000, "40000", "40000"))]);
    let found = prices(&half, "BTCUSD_PERP");
    assert_eq!(printed(found, Direction::Up).as_deref(), Some("79680"));
    assert_eq!(printed(found, Direction::Down), None);
}

#[test]
fn an_isolated_one_stands_on_its_own_wallet() {
    // Long 2,000 at 50,000 with 0.1 BTC: 0.1 + 4 − N = 0.004·N, P = 200,000 × 1.004 ÷ 4.1.
    let leg = Inverse::HUNDRED.leg(2_000, "50000", "0.1");
    let (brackets, at) = (coins(), mark("50000"));
    let exposure = Exposure::isolated(&leg, &brackets, at).unwrap();
    let found = exposure.liquidation_prices().unwrap();
    let down = printed(found, Direction::Down);
    assert_eq!(down.as_deref(), Some("48975.60975609"));
}

#[test]
fn an_order_is_projected_and_a_tick_is_taken_as_for_any_other() {
    // Long 2,000 at 40,000 and 1,000 more bought at 50,000: 5 + 2 BTC at entry, 10 + 7 + cum = N·(1 + r), 17.055 ÷ 1.01
    // = 16.9 in 10 to 20, P = 300,000 × 1.01 ÷ 17.055. A buy of the contract is a sell of x.
    let mut book = book("10", &[("BTCUSD_PERP", inverse(2_000, "40000", "50000"))]);
    let intent = OrderIntent {
        symbol: symbol("BTCUSD_PERP"),
        side: Side::Sell,
        position_side: PositionSide::Both,
        kind: OrderKind::Limit {
            price: mark("50000").price(),
        },
        quantity: Some(Quantity::parse("100000").unwrap()),
        reduce_only: false,
        close_position: false,
        client_order_id: None,
    };
    let nothing = Assumptions {
        market_slippage: Rate::ZERO,
        taker_fee: Rate::ZERO,
    };
    let mut what_if = book.what_if(&intent.symbol).unwrap();
    fill(&mut what_if, &intent, nothing).unwrap();
    let after = assess_positions(&what_if, &intent.symbol, Rate::parse("0.25").unwrap()).unwrap();
    assert_eq!(after[0].notional.abs().to_string(), "6");
    let down = printed(after[0].liquidation, Direction::Down);
    assert_eq!(down.as_deref(), Some("17766.05101143"));
    // Back to 40,000: 5 − 200,000 ÷ 40,000 is no profit any more.
    let id = book.id("BTCUSD_PERP").unwrap();
    book.set_mark(id, Some(mark("40000")));
    let pool = assessed(&book, "BTC", "0.25");
    assert_eq!(eight(pool.margin_balance), "10");
    assert_eq!(eight(pool.maintenance_margin), "0.02");
}

/// Long the perpetual, short the quarterly, on 10 BTC, and a linear contract beside them.
fn account() -> Book {
    let linear = Leg::new(
        Quantity::parse("0.5").unwrap(),
        Price::parse("48000").unwrap(),
        Amount::ZERO,
    );
    let at = MarkPrice::new(Price::parse("50000").unwrap()).unwrap();
    let mut book = book(
        "10",
        &[
            ("BTCUSD_PERP", inverse(2_000, "40000", "50000")),
            ("BTCUSD_241227", inverse(-1_000, "41000", "50000")),
            ("BTCUSDT", state("USDT", bitcoin(), at, linear.unwrap())),
        ],
    );
    let dollars = Amount::parse("5000").unwrap();
    book.set_balances(&asset("USDT"), dollars, dollars);
    book
}

#[test]
fn all_contracts_of_a_coin_share_it() {
    let book = account();
    let pool = assessed(&book, "BTC", "0.1");
    // The short: −100,000 × (1/41,000 − 1/50,000) = −0.43902439, notional 2, maintenance 0.008.
    assert_eq!(eight(pool.margin_balance), "10.5609756");
    assert_eq!(eight(pool.headroom), "10.5369756");
    assert_eq!(eight(pool.position_initial_margin), "0.6");
    // The perpetual alone: 10 − 0.43902439 − 0.008 + 5 + cum = N·(1 + r), N = 14.60797561 ÷ 1.01 = 14.46
    // in 10 to 20, P = 202,000 ÷ 14.60797561. The short alone kills nothing on either side.
    let found = prices(&book, "BTCUSD_PERP");
    assert_eq!(
        printed(found, Direction::Down).as_deref(),
        Some("13828.06251847")
    );
    assert_eq!(prices(&book, "BTCUSD_241227").headline(), None);
    let Survival::Alive {
        first_killer,
        common_move,
    } = pool.survival
    else {
        panic!("alive")
    };
    let killer = first_killer.unwrap();
    assert_eq!(killer.symbol.as_str(), "BTCUSD_PERP");
    // Both together, x grown by the factor k: 10 + 5 − 2.43902439 + 0.355 + 0.055 = 2·k + 4·k·0.025 + 2·k·0.01,
    // k = 12.97097561 ÷ 2.12: 24.5 and 12.2 BTC are in the tiers of 20 to 50 and 10 to 20.
    let common = common_move.unwrap();
    assert_eq!(common.direction, Direction::Up);
    let k = cut(common.by.get() + Decimal::ONE).to_string();
    assert_eq!(k, "6.11838472");
}

#[test]
fn the_linear_pool_beside_it_is_as_it_was() {
    // 5,000 + 0.5 × 2,000 = 6,000; 25,000 × 0.004 = 100.
    let dollars = assessed(&account(), "USDT", "0.1");
    assert_eq!(dollars.margin_balance.to_string(), "6000");
    assert_eq!(dollars.maintenance_margin.to_string(), "100");
    let mut alone = account();
    for name in ["BTCUSD_PERP", "BTCUSD_241227"] {
        let id = alone.intern(&symbol(name));
        alone.change(id, |state| *state = SymbolState::default());
    }
    assert_eq!(assessed(&alone, "USDT", "0.1"), dollars);
}
