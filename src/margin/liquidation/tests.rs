//! Published and worked liquidation prices.

use super::super::account::PositionSide;
use super::super::amount::Quantity;
use super::super::bracket::tests::{bitcoin, table};
use super::*;

fn leg(quantity: &str, entry: &str, isolated_wallet: &str) -> Leg {
    Leg::new(
        Quantity::parse(quantity).unwrap(),
        Price::parse(entry).unwrap(),
        Amount::parse(isolated_wallet).unwrap(),
    )
    .unwrap()
}

fn mark(text: &str) -> MarkPrice {
    MarkPrice::new(Price::parse(text).unwrap()).unwrap()
}

/// Headroom of a wallet with these legs, all else frozen: wallet + PnL − maintenance − others.
fn prices(
    wallet: &str,
    (others_maintenance, others_pnl): (&str, &str),
    at: &str,
    legs: &[(PositionSide, &str, &str)],
    brackets: &BracketTable,
) -> LiquidationPrices {
    let mut held = Legs::default();
    let mut headroom = Amount::parse(wallet).unwrap();
    headroom = headroom
        .minus(Amount::parse(others_maintenance).unwrap())
        .unwrap();
    headroom = headroom.plus(Amount::parse(others_pnl).unwrap()).unwrap();
    for (side, quantity, entry) in legs {
        let leg = leg(quantity, entry, "0");
        let net = mark(at).price().times(leg.quantity).unwrap();
        headroom = headroom.plus(unrealized_pnl(&leg, net).unwrap()).unwrap();
        headroom = headroom
            .minus(brackets.maintenance_margin(net).unwrap())
            .unwrap();
        *held.get_mut(*side) = leg;
    }
    Exposure::crossed(&held, brackets, mark(at), headroom)
        .unwrap()
        .liquidation_prices()
        .unwrap()
}

fn printed(price: Option<Price>, decimals: u32) -> Option<String> {
    price.map(|p| round(p.get(), decimals).to_string())
}

const NO_OTHERS: (&str, &str) = ("0", "0");

#[test]
fn the_exchanges_worked_example_of_two_crossed_positions() {
    // Vector A02 (FAQ): BTCUSDT with ETHUSDT beside it liquidates at 26,316.89.
    let prices = prices(
        "1535443.01",
        ("356512.508", "-448192.89"),
        "31967.27",
        &[(PositionSide::Both, "109.488", "32481.98")],
        &bitcoin(),
    );
    assert_eq!(printed(prices.headline(), 2).as_deref(), Some("26316.89"));
    assert_eq!(prices.on(Direction::Up), None);
}

#[test]
fn an_isolated_hedge_leg_of_the_api_sample() {
    // Vector A13: positionRisk sample, isolated LONG 20 at 6563.66500 prints 5930.78.
    let tiers = table(&[
        ("50000", "0.004", 125),
        ("250000", "0.005", 100),
        ("1000000", "0.01", 50),
    ]);
    let wallet = "13200.7072690800"; // isolatedMargin 15517.54150468 − unRealizedProfit 2316.8342356
    let leg = leg("20", "6563.66500", wallet);
    let at = mark("6679.50671178");
    let prices = Exposure::isolated(&leg, &tiers, at)
        .unwrap()
        .liquidation_prices()
        .unwrap();
    assert_eq!(printed(prices.headline(), 2).as_deref(), Some("5930.78"));
}

#[test]
fn isolated_prices_of_a_third_partys_table() {
    // Vectors A05, A07, A09, A11: rate 0.01 and amount 0.01 with wallet = quantity·entry/leverage.
    // The amount is carried by a first tier that ends before the position begins.
    let tiers = table(&[("1", "0.000001", 125), ("100000", "0.010001", 20)]);
    let cases = [
        ("-1", "10", "2", "11.89108910891089"),
        ("-1", "8", "1.6", "9.514851485148514"),
        ("1", "10", "2", "8.070707070707071"),
        ("1", "10", "3.3333333333333333", "6.723905723905723"),
    ];
    for (quantity, entry, wallet, published) in cases {
        let leg = leg(quantity, entry, wallet);
        let prices = Exposure::isolated(&leg, &tiers, mark(entry)).unwrap();
        let price = prices
            .liquidation_prices()
            .unwrap()
            .headline()
            .unwrap()
            .get();
        let published = Decimal::from_str_radix(published, 10).unwrap();
        // The rate here is 0.010001, not 0.01, hence the tolerance of a thousandth.
        assert!(
            (price - published).abs() < Decimal::new(1, 3),
            "{price} {published}"
        );
    }
}

#[test]
fn a_short_whose_tier_rises_on_the_way() {
    // Vector G01: the tier at the mark would give 86,958.52; the right one gives 86,917.08.
    let tiers = table(&[
        ("300000", "0.004", 125),
        ("800000", "0.005", 100),
        ("3000000", "0.0065", 75),
        ("12000000", "0.01", 50),
        ("70000000", "0.02", 25),
        ("100000000", "0.025", 20),
    ]);
    let at_70k = prices(
        "700000",
        NO_OTHERS,
        "70000",
        &[(PositionSide::Both, "-40", "70000")],
        &tiers,
    );
    assert_eq!(at_70k.on(Direction::Down), None);
    let above = at_70k.on(Direction::Up).unwrap();
    // f is zero there: balance = wallet + 40·(70000 − P), maintenance = 40·P·rate − amount.
    let notional = above.get() * Decimal::from(40);
    let balance = Decimal::from(700_000) + Decimal::from(40) * Decimal::from(70_000) - notional;
    let maintenance = tiers
        .maintenance_margin(Notional::new(amount_cut(notional)))
        .unwrap();
    assert!((balance - maintenance.get()).abs() < Decimal::new(1, 6));
}

fn amount_cut(value: Decimal) -> Decimal {
    super::super::amount::cut(value)
}

#[test]
fn a_net_long_hedge_that_only_a_rise_kills() {
    // Vector G04 (margin-math §7.3) needs a 20 % tier to say 83,737; with these tiers the same
    // shape holds: long 100, short 99, slope 1 − 199·rate < 0.
    let prices = prices(
        "120000",
        NO_OTHERS,
        "60000",
        &[
            (PositionSide::Long, "100", "60000"),
            (PositionSide::Short, "-99", "60000"),
        ],
        &table(&[("10000000", "0.009", 50), ("900000000", "0.0091", 20)]),
    );
    assert_eq!(prices.on(Direction::Down), None);
    assert!(prices.on(Direction::Up).is_some());
    assert_eq!(prices.headline(), prices.on(Direction::Up));
}

#[test]
fn a_small_ticket_in_a_big_wallet_has_no_price_at_all() {
    // Vector G09: 0.08333333 BTC at 60,000 in a wallet of 10,000.
    let prices = prices(
        "10000",
        NO_OTHERS,
        "60000",
        &[(PositionSide::Both, "0.08333333", "60000")],
        &bitcoin(),
    );
    assert_eq!(prices.headline(), None);
    assert_ne!(prices, LiquidationPrices::AlreadyLiquidatable);
}

#[test]
fn equality_already_liquidates() {
    // Vector C19: margin balance 259.5 equals maintenance 259.5.
    let tiers = table(&[("50000", "0.004", 125), ("250000", "0.005", 100)]);
    let prices = prices(
        "759.5",
        ("12", "0"),
        "59500",
        &[(PositionSide::Both, "1", "60000")],
        &tiers,
    );
    assert_eq!(prices, LiquidationPrices::AlreadyLiquidatable);
}

#[test]
fn the_second_position_counts() {
    // Vector A19 and the case of a distance that looks like 4.6 % alone and is 0.6 %: equity 5,
    // position 1 × 100 at 0.4 %, other positions' maintenance 4: liquidation at 99.3975903614.
    let tiers = table(&[("100000", "0.004", 125)]);
    let alone = prices(
        "5",
        NO_OTHERS,
        "100",
        &[(PositionSide::Both, "1", "100")],
        &tiers,
    );
    let beside = prices(
        "5",
        ("4", "0"),
        "100",
        &[(PositionSide::Both, "1", "100")],
        &tiers,
    );
    assert_eq!(printed(alone.headline(), 2).as_deref(), Some("95.38"));
    assert_eq!(
        printed(beside.headline(), 10).as_deref(),
        Some("99.3975903614")
    );
}

#[test]
fn with_an_end_on_either_side_the_slope_at_the_mark_says_which_is_printed() {
    // Margin-math §7.3. Up to 50 a unit of the price keeps 50 − 1,950 × 0.004 = 42.2: 500 ÷ 42.2 is the lower end. From
    // 52.6 on both legs are in the second tier and 50 − 195 = −145 are lost: 9,100 ÷ 145 is the upper one.
    let brackets = table(&[("50000", "0.004", 125), ("600000", "0.1", 10)]);
    for (at, shown) in [("60", "62.75862069"), ("45", "11.84834123")] {
        let prices = prices(
            "2500",
            NO_OTHERS,
            at,
            &[
                (PositionSide::Long, "1000", "60"),
                (PositionSide::Short, "-950", "60"),
            ],
            &brackets,
        );
        let on = |direction| printed(prices.on(direction), 8);
        assert_eq!(on(Direction::Down).as_deref(), Some("11.84834123"));
        assert_eq!(on(Direction::Up).as_deref(), Some("62.75862069"));
        assert_eq!(printed(prices.headline(), 8).as_deref(), Some(shown));
    }
}
