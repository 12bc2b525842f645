//! What must hold of every account, whatever is in it: each property is a test of its own, on random
//! accounts of one to forty positions over real bracket tables, in both position modes and both asset
//! modes.
//!
//! `CROSSGUARD_SEED` and `CROSSGUARD_ACCOUNTS` choose other accounts. A failure names the seed and prints
//! the account; a seed that failed once stays in [`FAILED_ONCE`].

use crossguard::margin::account::{MarginMode, PositionMode, PositionSide, Side, Symbol};
use crossguard::margin::amount::{Amount, MarkPrice, Notional, Price, Quantity, Rate, round};
use crossguard::margin::book::{Book, Unknown};
use crossguard::margin::contribution::Missing;
use crossguard::margin::liquidation::Direction;
use crossguard::margin::order::{OrderIntent, OrderKind};
use crossguard::margin::pool::PoolAssessment;
use crossguard::margin::position::assess_positions;
use crossguard::margin::project::{Assumptions, fill};
use crossguard::scenario::{Scenario, Statement};
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
struct Case {
    dice: Dice,
    scenario: Scenario,
    book: Book,
    is_multi: bool,
}

impl Case {
    /// The pools it has.
    fn pools(&self) -> Vec<&'static str> {
        if self.is_multi {
            vec!["USD"]
        } else {
            vec!["USDT", "USDC", "BTC"]
        }
    }

    fn pool_of(&self, symbol: &Symbol) -> String {
        let state = self.book.state(symbol.as_str()).unwrap();
        let own = state.margin_asset.as_ref().unwrap().to_string();
        if self.is_multi { "USD".into() } else { own }
    }

    /// Symbols held in this margin mode.
    fn held(&self, mode: MarginMode) -> Vec<Symbol> {
        let held = self.book.symbols().filter(|(_, state)| {
            !state.legs.is_flat() && state.settings.unwrap().margin_mode == mode
        });
        held.map(|(symbol, _)| symbol.clone()).collect()
    }
}

fn for_all(property: impl Fn(&mut Case) -> Result<(), String>) {
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

fn horizon() -> Rate {
    Rate::new(Decimal::new(1, 1))
}

fn assess(book: &Book, pool: &str) -> PoolAssessment {
    book.assess(&asset(pool), horizon()).unwrap()
}

/// The pool's figures, unless they need more than 28 digits: at a price far away with twelve decimals
/// the engine says so instead of rounding.
fn assess_if_it_fits(book: &Book, pool: &str) -> Option<PoolAssessment> {
    match book.assess(&asset(pool), horizon()) {
        Ok(figures) => Some(figures),
        Err(Unknown::Arithmetic(_) | Unknown::Symbol(_, Missing::Arithmetic(_))) => None,
        Err(unknown) => panic!("{unknown}"),
    }
}

fn moved(book: &Book, symbol: &Symbol, price: Decimal) -> Book {
    let mut moved = book.clone();
    let id = moved.id(symbol.as_str()).unwrap();
    moved.set_mark(id, MarkPrice::new(Price::new(price)));
    moved
}

/// One unit in the eighth decimal, and what a price with twelve decimals loses on this quantity.
fn near(found: Decimal, wanted: Decimal, quantity: Decimal) -> bool {
    (found - wanted).abs() <= Decimal::new(1, 8) + quantity * Decimal::new(1, 12)
}

fn quantity_of(book: &Book, symbol: &Symbol) -> Decimal {
    let state = book.state(symbol.as_str()).unwrap();
    state
        .legs
        .held()
        .map(|(_, leg)| leg.quantity.abs().get())
        .sum()
}

fn ensure(holds: bool, message: impl Fn() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(message()) }
}

#[test]
fn property_at_either_liquidation_price_the_margin_balance_is_the_maintenance_margin() {
    for_all(|case| {
        for symbol in case.held(MarginMode::Crossed) {
            let prices = case.book.liquidation_prices(&symbol).unwrap().unwrap();
            let mark = case.book.state(symbol.as_str()).unwrap().mark.unwrap();
            for direction in [Direction::Down, Direction::Up] {
                // Beyond a billion times the mark more digits are needed than there are.
                let Some(price) = prices.on(direction).map(|price| round(price.get(), 12)) else {
                    continue;
                };
                if price > Decimal::from(100_000_000) {
                    continue;
                }
                let pool = case.pool_of(&symbol);
                let Some(there) = assess_if_it_fits(&moved(&case.book, &symbol, price), &pool)
                else {
                    continue;
                };
                // In USD a coin of the quote asset is worth many.
                let weight = if case.is_multi {
                    Decimal::from(10_000)
                } else {
                    Decimal::ONE
                };
                let quantity = quantity_of(&case.book, &symbol) * weight;
                ensure(near(there.headroom.get(), Decimal::ZERO, quantity), || {
                    format!("{symbol} at {price}: headroom {}", there.headroom)
                })?;
                let middle = round((price + mark.price().get()) / Decimal::TWO, 10);
                let Some(between) = assess_if_it_fits(&moved(&case.book, &symbol, middle), &pool)
                else {
                    continue;
                };
                ensure(between.headroom.is_positive(), || {
                    format!(
                        "{symbol} at {middle}, between: headroom {}",
                        between.headroom
                    )
                })?;
            }
        }
        Ok(())
    });
}

#[test]
fn property_an_isolated_leg_has_its_maintenance_margin_left_at_its_price() {
    for_all(|case| {
        for symbol in case.held(MarginMode::Isolated) {
            let what_if = case.book.what_if(&symbol).unwrap();
            for position in assess_positions(&what_if, &symbol, horizon()).unwrap() {
                for direction in [Direction::Down, Direction::Up] {
                    let Some(price) = position.liquidation.on(direction) else {
                        continue;
                    };
                    let price = round(price.get(), 12);
                    let there = moved(&case.book, &symbol, price);
                    let there = there.what_if(&symbol).unwrap();
                    let there = assess_positions(&there, &symbol, horizon()).unwrap();
                    let side = position.position_side;
                    let leg = there.iter().find(|one| one.position_side == side).unwrap();
                    let equity = leg.leg.isolated_wallet.plus(leg.unrealized_pnl).unwrap();
                    let left = equity.minus(leg.maintenance_margin).unwrap();
                    let quantity = position.leg.quantity.abs().get();
                    ensure(near(left.get(), Decimal::ZERO, quantity), || {
                        format!("{symbol} {side:?} at {price}: {left} left")
                    })?;
                }
            }
        }
        Ok(())
    });
}

#[test]
fn property_maintenance_margin_is_continuous_across_every_edge() {
    for_all(|case| {
        let step = Decimal::new(1, 8);
        for (symbol, state) in case.book.symbols() {
            let table = state.brackets.as_ref().unwrap();
            for bracket in table.brackets() {
                let at = |notional: Decimal| {
                    let margin = table.maintenance_margin(Notional::new(notional));
                    margin.unwrap().get()
                };
                let cap = bracket.cap.get();
                let (below, edge, above) = (at(cap - step), at(cap), at(cap + step));
                ensure(edge > below && edge - below <= step, || {
                    format!("{symbol} below {cap}")
                })?;
                ensure(above > edge && above - edge <= step, || {
                    format!("{symbol} above {cap}")
                })?;
            }
        }
        Ok(())
    });
}

fn order(symbol: &Symbol, side: Side, leg: PositionSide, quantity: Decimal) -> OrderIntent {
    OrderIntent {
        symbol: symbol.clone(),
        side,
        position_side: leg,
        kind: OrderKind::Market,
        quantity: Some(Quantity::new(quantity)),
        reduce_only: false,
        close_position: false,
        client_order_id: None,
    }
}

/// Filled at the mark, with a taker fee of 5 bp.
const AT_MARK: Assumptions = Assumptions {
    market_slippage: Rate::ZERO,
    taker_fee: Rate::new(Decimal::from_parts(5, 0, 0, false, 4)),
};

#[test]
fn property_a_reducing_order_never_lowers_headroom_by_more_than_its_fee() {
    for_all(|case| {
        for symbol in case.held(MarginMode::Crossed) {
            let legs = case.book.state(symbol.as_str()).unwrap().legs;
            for (side, leg) in legs.held() {
                let closing = if leg.quantity.is_negative() {
                    Side::Buy
                } else {
                    Side::Sell
                };
                let part = Decimal::new(case.dice.between(1, 100), 2);
                let quantity = round(leg.quantity.abs().get() * part, 6);
                let mut intent = order(&symbol, closing, side, quantity);
                intent.reduce_only = side == PositionSide::Both;
                let mut what_if = case.book.what_if(&symbol).unwrap();
                let filled = fill(&mut what_if, &intent, AT_MARK).unwrap();
                let pool = case.pool_of(&symbol);
                let before = assess(&case.book, &pool).headroom;
                let after = what_if.assess(horizon()).unwrap().headroom;
                // In USD the fee counts at the ask at most, and a loss that was not realised yet
                // changes neither its asset nor its sign.
                let state = case.book.state(symbol.as_str()).unwrap();
                let quote = state.margin_asset.as_ref().unwrap();
                let fee = match case.book.collateral(quote.as_str()).rate {
                    Some(rate) if case.is_multi => rate.charge(filled.fee).unwrap(),
                    _ => filled.fee,
                };
                let noise = Amount::new(Decimal::new(1, 12));
                let floor = before.minus(fee).unwrap().minus(noise).unwrap();
                ensure(after >= floor, || {
                    format!("{symbol} {intent:?}: {before} {after} {fee}")
                })?;
            }
        }
        Ok(())
    });
}

#[test]
fn property_a_transfer_in_never_lowers_headroom() {
    for_all(|case| {
        for name in ["USDT", "USDC", "BTC"] {
            let Some((wallet, cross)) = case.book.balances(name) else {
                continue;
            };
            let amount = Amount::new(Decimal::new(case.dice.between(1, 1_000_000_000), 4));
            let mut richer = case.book.clone();
            let more = |money: Amount| money.plus(amount).unwrap();
            richer.set_balances(&asset(name), more(wallet), more(cross));
            for pool in case.pools() {
                let (before, after) = (assess(&case.book, pool), assess(&richer, pool));
                ensure(after.headroom >= before.headroom, || {
                    format!("{name} into {pool}")
                })?;
                ensure(after.available_balance >= before.available_balance, || {
                    format!("{name} into {pool}: available")
                })?;
                if pool == name {
                    let raised = after.headroom.minus(before.headroom).unwrap();
                    ensure(raised == amount, || format!("{pool} rose by {raised}"))?;
                }
            }
        }
        Ok(())
    });
}

#[test]
fn property_margin_added_to_an_isolated_position_is_taken_from_the_pool() {
    for_all(|case| {
        for symbol in case.held(MarginMode::Isolated) {
            let name = case.pool_of(&symbol);
            let amount = Amount::new(Decimal::new(case.dice.between(1, 100_000_000), 8));
            let mut after = case.book.clone();
            let (wallet, cross) = after.balances(&name).unwrap();
            after.set_balances(&asset(&name), wallet, cross.minus(amount).unwrap());
            let id = after.id(symbol.as_str()).unwrap();
            let side = after
                .state(symbol.as_str())
                .unwrap()
                .legs
                .held()
                .next()
                .unwrap()
                .0;
            after.change(id, |state| {
                let leg = state.legs.get_mut(side);
                leg.isolated_wallet = leg.isolated_wallet.plus(amount).unwrap();
            });
            let left = |book: &Book| {
                let what_if = book.what_if(&symbol).unwrap();
                let positions = assess_positions(&what_if, &symbol, horizon()).unwrap();
                let leg = positions
                    .iter()
                    .find(|one| one.position_side == side)
                    .unwrap();
                let equity = leg.leg.isolated_wallet.plus(leg.unrealized_pnl).unwrap();
                equity.minus(leg.maintenance_margin).unwrap()
            };
            let raised = left(&after).minus(left(&case.book)).unwrap();
            let (before, then) = (assess(&case.book, &name), assess(&after, &name));
            let fell = before.headroom.minus(then.headroom).unwrap();
            let fenced = then.ring_fenced.minus(before.ring_fenced).unwrap();
            ensure(
                raised == amount && fell == amount && fenced == amount,
                || {
                    format!(
                        "{symbol}: {amount} added, {raised} raised, {fell} fell, {fenced} fenced"
                    )
                },
            )?;
        }
        Ok(())
    });
}

#[test]
fn property_splitting_an_order_in_two_gives_the_same_end() {
    for_all(|case| {
        let symbols: Vec<Symbol> = case.book.symbols().map(|(name, _)| name.clone()).collect();
        for symbol in symbols {
            let hedge = case.book.position_mode() == PositionMode::Hedge;
            let leg = match (hedge, case.dice.once_in(2)) {
                (false, _) => PositionSide::Both,
                (true, true) => PositionSide::Long,
                (true, false) => PositionSide::Short,
            };
            let side = if case.dice.once_in(2) {
                Side::Buy
            } else {
                Side::Sell
            };
            let held = case
                .book
                .state(symbol.as_str())
                .unwrap()
                .legs
                .get(leg)
                .quantity
                .abs();
            let first = round(held.get() * Decimal::new(case.dice.between(1, 150), 2), 2);
            let first = first.max(Decimal::ONE);
            let second = first * Decimal::from(case.dice.between(1, 3));
            let mut whole = case.book.what_if(&symbol).unwrap();
            let at_once = fill(
                &mut whole,
                &order(&symbol, side, leg, first + second),
                AT_MARK,
            );
            let mut split = case.book.what_if(&symbol).unwrap();
            let halves = fill(&mut split, &order(&symbol, side, leg, first), AT_MARK)
                .and_then(|_| fill(&mut split, &order(&symbol, side, leg, second), AT_MARK));
            if at_once.is_err() || halves.is_err() {
                return Err(format!("{symbol}: {at_once:?} {halves:?}"));
            }
            let (whole, split) = (
                whole.assess(horizon()).unwrap(),
                split.assess(horizon()).unwrap(),
            );
            let rows = [
                ("margin balance", whole.margin_balance, split.margin_balance),
                (
                    "maintenance",
                    whole.maintenance_margin,
                    split.maintenance_margin,
                ),
                ("initial margin", whole.initial_margin, split.initial_margin),
                (
                    "available",
                    whole.available_balance,
                    split.available_balance,
                ),
                ("ring-fenced", whole.ring_fenced, split.ring_fenced),
            ];
            for (name, whole, split) in rows {
                let apart = whole.minus(split).unwrap().abs().get();
                ensure(apart <= Decimal::new(1, 8), || {
                    format!("{symbol} {side:?} {leg:?} {first} + {second}: {name} {whole} {split}")
                })?;
            }
        }
        Ok(())
    });
}

#[test]
fn property_an_isolated_mark_never_moves_crossed_figures() {
    for_all(|case| {
        for symbol in case.held(MarginMode::Isolated) {
            let state = case.book.state(symbol.as_str()).unwrap();
            if !state.resting.is_empty() {
                // What its orders reserve in the pool follows its mark by the netting rule.
                continue;
            }
            let mark = state.mark.unwrap().price().get();
            let price = round(mark * Decimal::new(case.dice.between(10, 300), 2), 8);
            let after = moved(&case.book, &symbol, price);
            for pool in case.pools() {
                let (before, after) = (assess(&case.book, pool), assess(&after, pool));
                ensure(before == after, || {
                    format!("{symbol} to {price}: {before:?} {after:?}")
                })?;
            }
        }
        Ok(())
    });
}

#[test]
fn property_scaling_all_money_scales_all_money() {
    for_all(|case| {
        let tenth = Decimal::new(1, 1);
        let mut scaled = case.scenario.clone();
        for line in &mut scaled.lines {
            match &mut line.statement {
                Statement::Wallet { amount, .. } => *amount *= tenth,
                Statement::Position(position) => {
                    position.amount *= tenth;
                    position.isolated_wallet =
                        position.isolated_wallet.map(|wallet| wallet * tenth);
                }
                Statement::Order(order) => order.quantity = order.quantity.map(|all| all * tenth),
                Statement::Brackets { tiers, .. } => {
                    for tier in tiers {
                        tier.floor *= tenth;
                        tier.cap *= tenth;
                    }
                }
                _ => {}
            }
        }
        let (rig, _) = Rig::from_scenario(&scaled);
        let scaled = rig.core.mirror().book();
        for pool in case.pools() {
            let (one, all) = (assess(&case.book, pool), assess(scaled, pool));
            let money = [
                ("margin balance", one.margin_balance, all.margin_balance),
                (
                    "maintenance",
                    one.maintenance_margin,
                    all.maintenance_margin,
                ),
                ("initial margin", one.initial_margin, all.initial_margin),
                ("available", one.available_balance, all.available_balance),
                ("headroom", one.headroom, all.headroom),
                ("ring-fenced", one.ring_fenced, all.ring_fenced),
            ];
            for (name, one, all) in money {
                let apart = (one.get() * tenth - all.get()).abs();
                ensure(apart <= Decimal::new(1, 10), || {
                    format!("{pool} {name}: {one} {all}")
                })?;
            }
            let rates = [
                (one.margin_ratio, all.margin_ratio),
                (one.account_leverage, all.account_leverage),
                (one.survival.distance(), all.survival.distance()),
            ];
            for (one, all) in rates {
                let same = match (one, all) {
                    (Some(one), Some(all)) => {
                        (one.get() - all.get()).abs()
                            <= Decimal::new(1, 10) * one.get().max(Decimal::ONE)
                    }
                    (one, all) => one == all,
                };
                ensure(same, || format!("{pool}: {one:?} {all:?}"))?;
            }
        }
        Ok(())
    });
}
