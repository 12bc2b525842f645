//! Properties of random accounts, checked against arithmetic that shares nothing with the engine:
//! plain sums over all symbols and bisection instead of running sums and roots.

use std::sync::Arc;

use proptest::prelude::*;
use rust_decimal::Decimal;

use super::account::{
    Asset, AssetMode, Leg, MarginMode, PositionMode, PositionSide, Settings, Side, Symbol,
    SymbolState,
};
use super::amount::{Amount, Leverage, MarkPrice, Notional, Price, Quantity, Rate};
use super::book::{Book, WhatIf};
use super::bracket::BracketTable;
use super::bracket::tests::{bitcoin, table};
use super::contribution::unrealized_pnl;
use super::order::{OrderIntent, OrderKind};
use super::pool::{PoolAssessment, Survival};
use super::project::{Assumptions, fill};

#[derive(Debug, Clone)]
pub(super) struct Holding {
    /// Quantities of the long and the short leg, in thousandths.
    long: i64,
    short: i64,
    entry_percent: i64,
    mark_cents: i64,
    leverage: u32,
    small_tiers: bool,
}

pub(super) fn holding() -> impl Strategy<Value = Holding> {
    (
        0_i64..40_000,
        0_i64..40_000,
        60_i64..140,
        50_i64..9_000_000,
        1_u32..125,
        any::<bool>(),
        0..3,
    )
        .prop_map(
            |(long, short, entry_percent, mark_cents, leverage, small_tiers, kind)| Holding {
                long: if kind == 1 { 0 } else { long },
                short: if kind == 0 { 0 } else { short },
                entry_percent,
                mark_cents,
                leverage,
                small_tiers,
            },
        )
}

fn small() -> BracketTable {
    table(&[
        ("5000", "0.01", 50),
        ("25000", "0.025", 20),
        ("100000", "0.05", 10),
        ("500000", "0.125", 4),
        ("90000000", "0.5", 1),
    ])
}

pub(super) fn symbol(index: usize) -> Symbol {
    Symbol::new(&format!("S{index}USDT")).unwrap()
}

fn usdt() -> Asset {
    Asset::new("USDT").unwrap()
}

pub(super) fn state(holding: &Holding, mode: MarginMode) -> SymbolState {
    let mark = Price::new(Decimal::new(holding.mark_cents, 2));
    let entry = Price::new(Decimal::new(holding.mark_cents * holding.entry_percent, 4));
    let leg = |thousandths: i64| {
        let quantity = Quantity::new(Decimal::new(thousandths, 3));
        Leg::new(quantity, entry, Amount::ZERO).unwrap()
    };
    let brackets = if holding.small_tiers {
        small()
    } else {
        bitcoin()
    };
    let mut state = SymbolState {
        margin_asset: Some(usdt()),
        settings: Some(Settings {
            leverage: Leverage::new(holding.leverage).unwrap(),
            margin_mode: mode,
            auto_add_margin: false,
            notional_max: None,
        }),
        mark: MarkPrice::new(mark),
        brackets: Some(Arc::new(brackets)),
        ..SymbolState::default()
    };
    state.legs.long = leg(holding.long);
    state.legs.short = leg(-holding.short);
    state
}

fn book(wallet: i64, holdings: &[Holding]) -> Book {
    let mut book = Book::new(PositionMode::Hedge, AssetMode::Single);
    let wallet = Amount::new(Decimal::from(wallet));
    book.set_balances(&usdt(), wallet, wallet);
    for (index, holding) in holdings.iter().enumerate() {
        let id = book.intern(&symbol(index));
        let state = state(holding, MarginMode::Crossed);
        book.change(id, |old| *old = state);
    }
    book
}

/// Marks of symbols as they come, in cents; now and then the exchange says none.
pub(super) fn ticks() -> impl Strategy<Value = Vec<(usize, i64)>> {
    let cents = prop_oneof![12 => 50_i64..9_000_000, 1 => Just(0)];
    prop::collection::vec((0_usize..8, cents), 0..20)
}

pub(super) fn follow(book: &mut Book, ticks: Vec<(usize, i64)>) {
    for (index, cents) in ticks {
        if let Some(id) = book.id(symbol(index).as_str()) {
            book.set_mark(id, MarkPrice::new(Price::new(Decimal::new(cents, 2))));
        }
    }
}

/// Margin balance − maintenance margin, summed afresh with the marks multiplied by `factor`, for
/// one symbol or for all of them.
fn headroom_at(book: &Book, only: Option<&Symbol>, factor: Decimal) -> Decimal {
    let mut left = book.balances("USDT").unwrap().1.get();
    for (name, state) in book.symbols() {
        let moved = if only.is_none_or(|only| only == name) {
            factor
        } else {
            Decimal::ONE
        };
        let price = state.mark.unwrap().price().get() * moved;
        let tiers = state.brackets.as_ref().unwrap();
        for (_, leg) in state.legs.held() {
            let notional = price * leg.quantity.get();
            left += notional - leg.entry_price.get() * leg.quantity.get();
            let tier = tiers
                .brackets()
                .iter()
                .find(|tier| notional.abs() <= tier.cap.get())
                .unwrap_or(tiers.last());
            left -=
                notional.abs() * tier.maintenance_margin_rate.get() - tier.maintenance_amount.get();
        }
    }
    left
}

/// The smallest factor below (or above) 1 at which nothing is left, by bisection.
fn edge_by_bisection(book: &Book, only: Option<&Symbol>, upward: bool) -> Option<Decimal> {
    let far = if upward {
        Decimal::from(100_000)
    } else {
        Decimal::ZERO
    };
    let (mut alive, mut dead) = (Decimal::ONE, far);
    if headroom_at(book, only, dead) > Decimal::ZERO {
        return None;
    }
    for _ in 0..90 {
        let middle = (alive + dead) / Decimal::TWO;
        if headroom_at(book, only, middle) > Decimal::ZERO {
            alive = middle;
        } else {
            dead = middle;
        }
    }
    Some(dead)
}

fn horizon() -> Rate {
    Rate::parse("0.10").unwrap()
}

fn assess(book: &Book) -> PoolAssessment {
    book.assess(&usdt(), horizon()).unwrap()
}

pub(super) fn near(a: Decimal, b: Decimal, tolerance: Decimal) -> bool {
    (a - b).abs() <= tolerance * Decimal::ONE.max(a.abs())
}

pub(super) const TIGHT: Decimal = Decimal::from_parts(1, 0, 0, false, 9);

/// The distance by brute force: every symbol alone both ways, and all together both ways.
fn distance_by_brute_force(book: &Book) -> Option<Decimal> {
    let mut moves = Vec::new();
    let names: Vec<Symbol> = book.symbols().map(|(name, _)| name.clone()).collect();
    for upward in [false, true] {
        for name in &names {
            moves.extend(edge_by_bisection(book, Some(name), upward));
        }
        moves.extend(edge_by_bisection(book, None, upward));
    }
    moves
        .into_iter()
        .map(|factor| (factor - Decimal::ONE).abs())
        .min()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn the_pruned_searches_find_what_brute_force_finds(
        wallet in 1_i64..30_000_000,
        holdings in prop::collection::vec(holding(), 1..8),
    ) {
        let book = book(wallet, &holdings);
        let pool = assess(&book);
        let expected = distance_by_brute_force(&book);
        prop_assert!(near(pool.headroom.get(), headroom_at(&book, None, Decimal::ONE), TIGHT));
        match (&pool.survival, expected) {
            (Survival::Liquidatable, _) => {
                prop_assert!(headroom_at(&book, None, Decimal::ONE) <= Decimal::ZERO);
            }
            (alive @ Survival::Alive { .. }, expected) => {
                match (alive.distance(), expected) {
                    (Some(found), Some(expected)) => {
                        prop_assert!(near(found.get(), expected, TIGHT), "{found} {expected}");
                    }
                    // Bisection does not look beyond a rise of 100,000 times.
                    (Some(found), None) => prop_assert!(found.get() > Decimal::from(99_000)),
                    (None, expected) => prop_assert_eq!(expected, None),
                }
            }
        }
    }

    #[test]
    fn running_sums_equal_sums_made_anew(
        wallet in 1_i64..30_000_000,
        holdings in prop::collection::vec(holding(), 1..8),
        ticks in ticks(),
    ) {
        let mut running = book(wallet, &holdings);
        follow(&mut running, ticks);
        let sheet = running.balance_sheet(&usdt());
        prop_assert_eq!(running.balance_sheet_anew(&usdt()), sheet);
        let mut anew = running.clone();
        anew.rebuild();
        prop_assert_eq!(running.assess(&usdt(), horizon()), anew.assess(&usdt(), horizon()));
    }

    #[test]
    fn at_either_liquidation_price_nothing_is_left(
        wallet in 1_i64..30_000_000,
        holdings in prop::collection::vec(holding(), 1..5),
    ) {
        let book = book(wallet, &holdings);
        let name = symbol(0);
        let mark = book.state(name.as_str()).unwrap().mark.unwrap().price().get();
        let Some(prices) = book.liquidation_prices(&name).unwrap() else { return Ok(()) };
        for price in [super::liquidation::Direction::Down, super::liquidation::Direction::Up]
            .into_iter()
            .filter_map(|direction| prices.on(direction))
        {
            let left = headroom_at(&book, Some(&name), price.get() / mark);
            let scale = assess(&book).notional_gross.get();
            prop_assert!(left.abs() <= TIGHT * (Decimal::ONE + scale) * Decimal::ONE.max(price.get() / mark), "{left}");
        }
    }

    #[test]
    fn a_reducing_order_at_the_mark_never_lowers_headroom_by_more_than_its_fee(
        wallet in 1_i64..30_000_000,
        holdings in prop::collection::vec(holding(), 1..5),
        part in 1_i64..1000,
    ) {
        let book = book(wallet, &holdings);
        let name = symbol(0);
        let held = book.state(name.as_str()).unwrap().legs.long.quantity;
        if held.is_zero() {
            return Ok(());
        }
        let quantity = Quantity::new((held.get() * Decimal::new(part, 3)).round_dp(3));
        let intent = OrderIntent {
            position_side: PositionSide::Long,
            ..market(Side::Sell, quantity)
        };
        let assumptions = Assumptions {
            market_slippage: Rate::ZERO,
            taker_fee: Rate::parse("0.0005").unwrap(),
        };
        let mut what_if = book.what_if(&name).unwrap();
        let filled = fill(&mut what_if, &intent, assumptions).unwrap();
        let before = assess(&book).headroom;
        let after = what_if.assess(horizon()).unwrap().headroom;
        prop_assert!(after.plus(filled.fee).unwrap() >= before, "{before} {after} {filled:?}");
    }

    #[test]
    fn splitting_an_order_in_two_gives_the_same_end(
        wallet in 1_i64..30_000_000,
        holdings in prop::collection::vec(holding(), 1..4),
        first in 1_i64..5_000, second in 1_i64..5_000, buy in any::<bool>(),
    ) {
        let mut book = book(wallet, &holdings);
        book.set_modes(PositionMode::OneWay, AssetMode::Single);
        let name = symbol(0);
        let id = book.id(name.as_str()).unwrap();
        book.change(id, |state| {
            state.legs.both = state.legs.long;
            state.legs.long = Leg::default();
            state.legs.short = Leg::default();
        });
        let side = if buy { Side::Buy } else { Side::Sell };
        let assumptions = Assumptions {
            market_slippage: Rate::ZERO,
            taker_fee: Rate::parse("0.0005").unwrap(),
        };
        let send = |what_if: &mut WhatIf<'_>, thousandths: i64| {
            let quantity = Quantity::new(Decimal::new(thousandths, 3));
            fill(what_if, &market(side, quantity), assumptions).unwrap();
        };
        let mut whole = book.what_if(&name).unwrap();
        send(&mut whole, first + second);
        let mut split = book.what_if(&name).unwrap();
        send(&mut split, first);
        send(&mut split, second);
        let (whole, split) = (whole.assess(horizon()).unwrap(), split.assess(horizon()).unwrap());
        prop_assert_eq!(whole.margin_balance, split.margin_balance);
        prop_assert_eq!(whole.headroom, split.headroom);
        prop_assert_eq!(whole.initial_margin, split.initial_margin);
    }

    /// Whether contracts are put into another state one after the other, or apart and put over each
    /// other: the figures are the same.
    #[test]
    fn states_put_over_each_other_are_the_same_as_one_after_the_other(
        holdings in prop::collection::vec(holding(), 2..6),
        wallet in 1_000_i64..50_000_000,
        split in 0_usize..6,
    ) {
        let book = book(wallet, &holdings);
        let halve = |what_if: &mut WhatIf<'_>, index: usize| {
            let name = symbol(index);
            let mut state = what_if.state(name.as_str()).unwrap().clone();
            state.legs.long = Leg::default();
            what_if.replace(&name, state, Amount::new(Decimal::from(7))).unwrap();
        };
        let mut one_by_one = book.what_if_in(&usdt()).unwrap();
        let mut apart = [one_by_one.clone(), one_by_one.clone()];
        for index in 0..holdings.len() {
            halve(&mut one_by_one, index);
            halve(&mut apart[usize::from(index < split)], index);
        }
        let [mut put, over] = apart;
        put.put_over(&over).unwrap();
        prop_assert_eq!(put.assess(horizon()).unwrap(), one_by_one.assess(horizon()).unwrap());
        for index in 0..holdings.len() {
            prop_assert_eq!(
                put.liquidation_prices(&symbol(index)).unwrap(),
                one_by_one.liquidation_prices(&symbol(index)).unwrap()
            );
        }
    }

    #[test]
    fn the_parts_of_positions_add_up_to_their_pool(
        wallet in 1_i64..30_000_000,
        holdings in prop::collection::vec(holding(), 1..6),
    ) {
        let book = book(wallet, &holdings);
        let pool = assess(&book);
        let (mut headroom, mut loss_down) = (pool.cross_wallet_balance, Amount::ZERO);
        let mut shares = Decimal::ZERO;
        for index in 0..holdings.len() {
            let what_if = book.what_if(&symbol(index)).unwrap();
            let positions = super::position::assess_positions(&what_if, &symbol(index), horizon());
            for position in positions.unwrap() {
                let part = position.attribution.unwrap();
                headroom = headroom.plus(part.headroom).unwrap();
                loss_down = loss_down.plus(part.loss_down).unwrap();
                shares += part.maintenance_share.map_or(Decimal::ZERO, Rate::get);
            }
        }
        prop_assert_eq!(headroom, pool.headroom);
        prop_assert_eq!(loss_down, pool.notional_net.times(horizon()).unwrap());
        if pool.maintenance_margin.is_positive() {
            prop_assert!(near(shares, Decimal::ONE, TIGHT));
        }
    }

    #[test]
    fn an_isolated_positions_mark_never_moves_the_pool(
        wallet in 1_i64..30_000_000,
        holdings in prop::collection::vec(holding(), 2..5),
        cents in 50_i64..9_000_000,
    ) {
        let mut book = book(wallet, &holdings);
        let id = book.id(symbol(0).as_str()).unwrap();
        let isolated = state(&holdings[0], MarginMode::Isolated);
        book.change(id, |old| *old = isolated);
        let before = assess(&book);
        let mark = MarkPrice::new(Price::new(Decimal::new(cents, 2)));
        book.change(id, |state| state.mark = mark);
        prop_assert_eq!(before, assess(&book));
    }

    #[test]
    fn maintenance_margin_is_continuous_and_rises(cents in 100_i64..60_000_000_000) {
        let tiers = bitcoin();
        let at = |cents| {
            tiers.maintenance_margin(Notional::new(Decimal::new(cents, 2))).unwrap().get()
        };
        let step = at(cents + 1) - at(cents);
        prop_assert!(step > Decimal::ZERO && step <= Decimal::new(1, 2));
    }
}

fn market(side: Side, quantity: Quantity) -> OrderIntent {
    OrderIntent {
        symbol: symbol(0),
        side,
        position_side: PositionSide::Both,
        kind: OrderKind::Market,
        quantity: Some(quantity),
        reduce_only: false,
        close_position: false,
        client_order_id: None,
    }
}

#[test]
fn the_funnel_of_many_small_positions_is_not_safe() {
    // Twenty positions of 1,000 in a wallet of 5,000: none kills alone, a common fall of about a
    // quarter does (5,000 − 20,000·m = 0.4 % of what is left).
    let one = Holding {
        long: 10_000,
        short: 0,
        entry_percent: 100,
        mark_cents: 10_000,
        leverage: 20,
        small_tiers: false,
    };
    let book = book(5_000, &vec![one; 20]);
    let pool = assess(&book);
    let Survival::Alive {
        first_killer,
        common_move,
    } = pool.survival
    else {
        panic!()
    };
    assert_eq!(first_killer, None);
    // 5000 − 20000m = 20000(1 − m)·0.004  ⇒  m = (5000 − 80) / (20000 − 80)
    let expected = Decimal::from(4_920) / Decimal::from(19_920);
    assert!(near(common_move.unwrap().by.get(), expected, TIGHT));
    assert!(
        unrealized_pnl(&Leg::default(), Notional::ZERO)
            .unwrap()
            .is_zero()
    );
}
