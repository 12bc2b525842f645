//! The seeded market, and random traffic that must conserve money.

use super::*;

#[test]
fn same_seed_same_market() {
    let scene = "walk BTCUSDT 0.001\nwalk ETHUSDT 0.001";
    let run = || {
        let mut venue = venue(scene);
        for second in 1..200 {
            venue.step(&Input::Second, NOW_MS + second * 1_000);
        }
        (
            venue.contracts["BTCUSDT"].mark,
            venue.contracts["ETHUSDT"].mark,
        )
    };
    assert_eq!(run(), run());
    assert_ne!(run().0, venue(scene).contracts["BTCUSDT"].mark);
}

/// 0.6² of each contract's variance is the common factor's: the moves agree more often than not.
#[test]
fn contracts_walk_together() {
    let mut venue = venue("walk BTCUSDT 0.001\nwalk ETHUSDT 0.001");
    let (mut together, mut seconds) = (0, 0);
    for second in 1..=1_000 {
        let before = (
            venue.contracts["BTCUSDT"].mark,
            venue.contracts["ETHUSDT"].mark,
        );
        venue.step(&Input::Second, NOW_MS + second * 1_000);
        let after = (
            venue.contracts["BTCUSDT"].mark,
            venue.contracts["ETHUSDT"].mark,
        );
        together += u32::from((after.0 > before.0) == (after.1 > before.1));
        seconds += 1;
    }
    // A correlation of 0.36 makes the signs agree with chance 1/2 + asin(0.36)/pi = 0.617.
    assert!((560..=680).contains(&together), "{together} of {seconds}");
}

#[test]
fn a_market_with_jumps_leaves_gaps() {
    let mut venue = venue("walk BTCUSDT 0.0001\njumps BTCUSDT 0.01 0.03");
    let mut gaps = 0;
    for second in 1..=2_000 {
        let before = venue.contracts["BTCUSDT"].mark;
        venue.step(&Input::Second, NOW_MS + second * 1_000);
        let moved = (venue.contracts["BTCUSDT"].mark - before).abs();
        // A hundred standard moves of the walk.
        gaps += u32::from(moved > before.times(crate::sim::exact::Fixed::new(1, 2)));
    }
    // 2000 x 0.01 x P(|normal| > 1/3) is about 15.
    assert!((4..=30).contains(&gaps), "{gaps} gaps");
}

/// Every change of the wallet is an income, whatever happens; a flat pool is never below zero;
/// nothing that should be liquidated survives a step.
#[test]
fn random_traffic_conserves_money() {
    for seed in 0..40 {
        let mode = if seed % 2 == 0 {
            "mode hedge"
        } else {
            "mode one-way"
        };
        let isolated = if seed % 3 == 0 {
            "margin ETHUSDT isolated"
        } else {
            ""
        };
        let mut venue = venue(&format!("{mode}\n{isolated}\nwallet USDT 5000"));
        let mut random = crate::sim::random::Random::new(seed);
        let mut liquidations = 0;
        for step in 0..400 {
            let line = random_line(&mut random, seed % 2 == 0, &venue);
            let statement = crate::scenario::parse_line(&line).unwrap().unwrap();
            let output = venue.step(&Input::Script(&statement), NOW_MS + step);
            liquidations += output
                .user
                .iter()
                .filter(|event| event.json.contains("autoclose-"))
                .count();
            check_books(&venue, &format!("seed {seed} step {step}: {line}"));
        }
        assert!(
            seed != 1 || liquidations > 0,
            "the traffic is wild enough to liquidate"
        );
    }
}

fn check_books(venue: &Venue, place: &str) {
    let fixed = |text: &str| crate::sim::exact::Fixed::parse(text).unwrap();
    let incomes: crate::sim::exact::Fixed =
        venue.incomes.iter().map(|row| fixed(&row.income)).sum();
    let wallet = venue.account.wallet("USDT", &venue.contracts);
    assert_eq!(wallet, fixed("5000") + incomes, "{place}");
    for (leg, position) in &venue.account.positions {
        let flat = position.amount.is_zero();
        assert!(
            !flat || position.isolated_wallet.is_zero(),
            "{place}: {leg:?} kept margin"
        );
        assert!(
            flat || !venue.figures().standing(leg).is_liquidated(),
            "{place}: {leg:?} lives"
        );
    }
    if venue.account.open_positions().next().is_none() {
        assert!(
            !venue.account.cross_wallet("USDT").is_negative(),
            "{place}: negative and flat"
        );
    }
}

fn random_line(random: &mut crate::sim::random::Random, hedge: bool, venue: &Venue) -> String {
    let symbol = if random.next().is_multiple_of(2) {
        "BTCUSDT"
    } else {
        "ETHUSDT"
    };
    let contract = &venue.contracts[symbol];
    let percent = i64::try_from(random.next() % 9).unwrap() - 4;
    let factor = crate::sim::exact::Fixed::new(100 + percent, 2);
    let price = contract
        .mark
        .times(factor)
        .floor_to(contract.tick)
        .text(contract.price_decimals());
    let quantity = if symbol == "BTCUSDT" { 5 } else { 100 } * (1 + random.next() % 60);
    let quantity = format!("{}.{:03}", quantity / 1000, quantity % 1000);
    let side = if random.next().is_multiple_of(2) {
        "buy"
    } else {
        "sell"
    };
    let leg = match (hedge, random.next() % 2) {
        (false, _) => "",
        (true, 0) => "long",
        (true, _) => "short",
    };
    match random.next() % 12 {
        0..=3 => format!("mark {symbol} {price}"),
        4 | 5 => format!("order {symbol} {side} {quantity} {leg}"),
        6 | 7 => format!("order {symbol} {side} {quantity} @ {price} {leg}"),
        8 if !hedge => format!("order {symbol} {side} {quantity} @ {price} reduce-only"),
        8 => format!("order {symbol} {side} close-position stop {price} on mark {leg}"),
        9 => format!("leverage {symbol} {}", 1 + random.next() % 100),
        10 => format!("funding {symbol} 0.000{}", random.next() % 9),
        _ => format!("cancel {symbol}"),
    }
}
