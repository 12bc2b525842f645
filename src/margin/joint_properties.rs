//! Properties of random accounts in multi-assets mode, against plain sums and bisection.

use proptest::prelude::*;
use rust_decimal::Decimal;

use super::account::{Asset, AssetMode, MarginMode, PositionMode, Symbol};
use super::amount::{Amount, Rate};
use super::book::{Book, Unknown};
use super::collateral::CollateralRate;
use super::liquidation::{Direction, LiquidationPrices};
use super::pool::{PoolAssessment, Survival};
use super::properties::{Holding, TIGHT, follow, holding, near, state, symbol, ticks};

const NAMES: [&str; 3] = ["USDT", "USDC", "BTC"];

fn asset(index: usize) -> Asset {
    Asset::new(NAMES[index % NAMES.len()]).unwrap()
}

/// A wallet and the rates of one asset: index in cents, buffers in per mille.
type Purse = (i64, i64, i64, i64);

fn purse() -> impl Strategy<Value = Purse> {
    (-200_000_i64..5_000_000, 90_i64..300, 0_i64..990, 0_i64..300)
}

fn rate(purse: Purse) -> CollateralRate {
    let (_, index, bid, ask) = purse;
    let rate = |per_mille: i64| Rate::new(Decimal::new(index * (1_000 + per_mille), 5));
    CollateralRate::new(rate(-bid), rate(ask)).unwrap()
}

fn book(purses: &[Purse; 3], holdings: &[Holding]) -> Book {
    let mut book = Book::new(PositionMode::Hedge, AssetMode::Multi);
    for (index, purse) in purses.iter().enumerate() {
        let wallet = Amount::new(Decimal::from(purse.0));
        book.set_balances(&asset(index), wallet, wallet);
        book.set_rate(&asset(index), Some(rate(*purse)));
    }
    for (index, holding) in holdings.iter().enumerate() {
        let id = book.intern(&symbol(index));
        let mut state = state(holding, MarginMode::Crossed);
        state.margin_asset = Some(asset(index));
        book.change(id, |old| *old = state);
    }
    book
}

/// Equity and maintenance margin in USD, summed afresh with the marks of one symbol, or of all,
/// multiplied by `factor`.
fn sums_at(book: &Book, only: Option<&Symbol>, factor: Decimal) -> (Decimal, Decimal) {
    let (mut equity, mut maintenance) = (Decimal::ZERO, Decimal::ZERO);
    for index in 0..NAMES.len() {
        let asset = asset(index);
        let rate = book.collateral(asset.as_str()).rate.unwrap();
        let (bid, ask) = (rate.bid().get(), rate.ask().get());
        let mut own = book.balances(asset.as_str()).unwrap().1.get();
        for (name, state) in book.symbols() {
            if state.margin_asset.as_ref() != Some(&asset) {
                continue;
            }
            let moves = only.is_none_or(|only| only == name);
            let factor = if moves { factor } else { Decimal::ONE };
            let price = state.mark.unwrap().price().get() * factor;
            let tiers = state.brackets.as_ref().unwrap();
            for (_, leg) in state.legs.held() {
                let notional = price * leg.quantity.get();
                own += notional - leg.entry_price.get() * leg.quantity.get();
                let mut floors = tiers.brackets().iter().rev();
                let tier = floors
                    .find(|tier| notional.abs() > tier.floor.get())
                    .unwrap_or(tiers.first());
                let rate = tier.maintenance_margin_rate.get();
                maintenance += (notional.abs() * rate - tier.maintenance_amount.get()) * ask;
            }
        }
        equity += (own * bid).min(own * ask);
    }
    (equity, maintenance)
}

fn headroom_at(book: &Book, only: Option<&Symbol>, factor: Decimal) -> Decimal {
    let (equity, maintenance) = sums_at(book, only, factor);
    equity - maintenance
}

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
    book.assess(&Asset::usd(), horizon()).unwrap()
}

fn moves(book: &Book) -> Vec<(Option<Symbol>, bool)> {
    let names: Vec<Symbol> = book.symbols().map(|(name, _)| name.clone()).collect();
    let alone = names.into_iter().map(Some).chain([None]);
    alone
        .flat_map(|name| [(name.clone(), false), (name, true)])
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn the_joint_searches_find_what_brute_force_finds(
        purses in [purse(), purse(), purse()],
        holdings in prop::collection::vec(holding(), 1..7),
    ) {
        let book = book(&purses, &holdings);
        let pool = assess(&book);
        let (equity, maintenance) = sums_at(&book, None, Decimal::ONE);
        prop_assert!(near(pool.margin_balance.get(), equity, TIGHT));
        prop_assert!(near(pool.maintenance_margin.get(), maintenance, TIGHT));
        prop_assert!(near(pool.headroom.get(), equity - maintenance, TIGHT));
        let Survival::Alive { .. } = &pool.survival else {
            prop_assert!(equity - maintenance <= TIGHT);
            return Ok(());
        };
        let nearest = moves(&book)
            .into_iter()
            .filter_map(|(only, up)| edge_by_bisection(&book, only.as_ref(), up))
            .map(|factor| (factor - Decimal::ONE).abs())
            .min();
        match (pool.survival.distance(), nearest) {
            (Some(found), Some(expected)) => {
                prop_assert!(near(found.get(), expected, TIGHT), "{found} {expected}");
            }
            // Bisection does not look beyond a rise of 100,000 times.
            (Some(found), None) => prop_assert!(found.get() > Decimal::from(99_000)),
            (None, expected) => prop_assert_eq!(expected, None),
        }
    }

    #[test]
    fn at_either_joint_liquidation_price_nothing_is_left_and_between_them_something_is(
        purses in [purse(), purse(), purse()],
        holdings in prop::collection::vec(holding(), 1..5),
    ) {
        let book = book(&purses, &holdings);
        for index in 0..holdings.len() {
            let name = symbol(index);
            let mark = book.state(name.as_str()).unwrap().mark.unwrap().price().get();
            let Some(prices) = book.liquidation_prices(&name).unwrap() else { continue };
            let here = headroom_at(&book, None, Decimal::ONE);
            let LiquidationPrices::Alive { below, above, .. } = prices else {
                prop_assert!(here <= TIGHT);
                continue;
            };
            let scale = Decimal::ONE + assess(&book).notional_gross.get();
            for (price, direction) in [(below, Direction::Down), (above, Direction::Up)] {
                let upward = direction == Direction::Up;
                let Some(price) = price else {
                    prop_assert_eq!(edge_by_bisection(&book, Some(&name), upward), None);
                    continue;
                };
                let factor = price.get() / mark;
                let left = headroom_at(&book, Some(&name), factor);
                prop_assert!(left.abs() <= TIGHT * scale * Decimal::ONE.max(factor), "{left}");
                let between = (factor + Decimal::ONE) / Decimal::TWO;
                prop_assert!(headroom_at(&book, Some(&name), between) > -TIGHT * scale);
            }
        }
    }

    #[test]
    fn the_worst_joint_move_takes_what_plain_sums_say(
        purses in [purse(), purse(), purse()],
        holdings in prop::collection::vec(holding(), 1..6),
    ) {
        let book = book(&purses, &holdings);
        let pool = assess(&book);
        let Some(risk) = pool.wallet_at_risk else { return Ok(()) };
        let before = sums_at(&book, None, Decimal::ONE).0;
        let dies = pool.survival.distance().is_some_and(|distance| distance <= horizon());
        let expected = if dies {
            before.max(Decimal::ZERO)
        } else {
            let losses = moves(&book).into_iter().map(|(only, up)| {
                let factor = Decimal::new(if up { 110 } else { 90 }, 2);
                before - sums_at(&book, only.as_ref(), factor).0
            });
            losses.max().unwrap().min(before)
        };
        prop_assert!(near(risk.amount.get(), expected, TIGHT), "{} {expected}", risk.amount);
    }

    #[test]
    fn joint_running_sums_equal_sums_made_anew(
        purses in [purse(), purse(), purse()],
        holdings in prop::collection::vec(holding(), 1..8),
        ticks in ticks(),
    ) {
        let mut running = book(&purses, &holdings);
        running.set_modes(PositionMode::Hedge, AssetMode::Single);
        running.set_modes(PositionMode::Hedge, AssetMode::Multi);
        follow(&mut running, ticks);
        let sheet = running.balance_sheet(&Asset::usd());
        prop_assert_eq!(running.balance_sheet_anew(&Asset::usd()), sheet);
        let mut anew = running.clone();
        anew.rebuild();
        let horizon = horizon();
        prop_assert_eq!(
            running.assess(&Asset::usd(), horizon),
            anew.assess(&Asset::usd(), horizon)
        );
    }
}

fn plain(bid: &str, ask: &str) -> Option<CollateralRate> {
    CollateralRate::new(Rate::parse(bid).unwrap(), Rate::parse(ask).unwrap())
}

fn wallet(book: &mut Book, asset: &Asset, amount: &str, rate: Option<CollateralRate>) {
    let amount = Amount::parse(amount).unwrap();
    book.set_balances(asset, amount, amount);
    book.set_rate(asset, rate);
}

#[test]
fn the_exchanges_worked_example_of_two_assets() {
    // Vectors C01 and C02: 200 USDT at 0.9801/0.99495 and 220 USDC at par; 0.5 BTC at 20,000 with
    // 100x (rate 0.8 %) in USDT, 20 ETH at 600 with 50x (rate 1 %) in USDC.
    use super::account::{Leg, Settings};
    use super::amount::{Leverage, MarkPrice, Price, Quantity};
    let mut book = Book::new(PositionMode::OneWay, AssetMode::Multi);
    wallet(&mut book, &asset(0), "200", plain("0.9801", "0.99495"));
    wallet(&mut book, &asset(1), "220", plain("1", "1"));
    let usd = Asset::usd();
    let empty = book.assess(&usd, horizon()).unwrap();
    assert_eq!(empty.margin_balance.to_string(), "416.02");
    assert_eq!(empty.asset, usd);
    let available = &empty.collateral[1];
    assert_eq!(available.asset.as_str(), "USDT");
    assert_eq!(
        available.available_balance.cut_quotient().to_string(),
        "418.13156440".trim_end_matches('0')
    );
    let rows = [
        ("BTCUSDT", 0, "0.5", "20000", "0.008", 100),
        ("ETHUSDC", 1, "20", "600", "0.01", 50),
    ];
    for (name, margin_asset, quantity, price, rate, leverage) in rows {
        let id = book.intern(&Symbol::new(name).unwrap());
        let price = Price::parse(price).unwrap();
        let tiers = super::bracket::tests::table(&[("1000000", rate, 100)]);
        book.change(id, |state| {
            state.margin_asset = Some(asset(margin_asset));
            state.mark = MarkPrice::new(price);
            state.brackets = Some(std::sync::Arc::new(tiers));
            state.settings = Some(Settings {
                leverage: Leverage::new(leverage).unwrap(),
                margin_mode: MarginMode::Crossed,
                auto_add_margin: false,
                notional_max: None,
            });
            let quantity = Quantity::parse(quantity).unwrap();
            state.legs.both = Leg::new(quantity, price, Amount::ZERO).unwrap();
        });
    }
    let pool = book.assess(&usd, horizon()).unwrap();
    assert_eq!(pool.margin_balance.to_string(), "416.02");
    assert_eq!(pool.maintenance_margin.to_string(), "199.596");
    assert_eq!(pool.available_balance.to_string(), "76.525");
    let ratio = pool.margin_ratio.unwrap().get();
    assert!(near(ratio, Decimal::new(47_977, 5), Decimal::new(1, 5)));
    let of = |name: &str| {
        let figures = pool
            .collateral
            .iter()
            .find(|row| row.asset.as_str() == name);
        figures.unwrap().available_balance.get().round_dp(2)
    };
    assert_eq!(of("USDT"), Decimal::new(7_691, 2));
    assert_eq!(of("USDC"), Decimal::new(7_653, 2).min(of("USDC")));
}

#[test]
fn an_asset_without_a_rate_is_named_and_one_that_is_not_used_is_not_asked_for() {
    let mut book = Book::new(PositionMode::OneWay, AssetMode::Multi);
    wallet(&mut book, &asset(0), "200", plain("1", "1"));
    wallet(&mut book, &asset(2), "0", None);
    assert!(book.assess(&Asset::usd(), horizon()).is_ok());
    wallet(&mut book, &asset(2), "0.1", None);
    let unknown = book.assess(&Asset::usd(), horizon()).unwrap_err();
    assert_eq!(unknown, Unknown::Rate(asset(2)));
    // In single-asset mode nobody asks for rates.
    book.set_modes(PositionMode::OneWay, AssetMode::Single);
    assert!(book.assess(&asset(2), horizon()).is_ok());
}

#[test]
fn a_debt_beyond_the_threshold_is_told() {
    let mut book = Book::new(PositionMode::OneWay, AssetMode::Multi);
    wallet(&mut book, &asset(0), "-5000.01", plain("0.99", "1.01"));
    wallet(&mut book, &asset(2), "1", plain("57000", "63000"));
    book.set_auto_exchange(&asset(0), Some(Amount::parse("-5000").unwrap()));
    let pool = book.assess(&Asset::usd(), horizon()).unwrap();
    let due: Vec<bool> = pool
        .collateral
        .iter()
        .map(|row| row.auto_exchange_due)
        .collect();
    assert_eq!(due, [false, true]);
    // 57,000 − 5,000.01 · 1.01.
    assert_eq!(pool.margin_balance.to_string(), "51949.9899");
}
