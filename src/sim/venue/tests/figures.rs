//! Margins, available balances and liquidation prices of single positions and orders.

use super::*;

/// margin-math A01, A02: the exchange's own worked example of a crossed pool of two positions.
#[test]
fn official_example_liquidation_prices_come_out_of_halving() {
    let scene = "\
wallet USDT 1535443.01
brackets BTCUSDT 0 1000000 0.004 125x | 1000000 4000000 0.025 20x
brackets ETHUSDT 0 1000000 0.004 125x | 1000000 8000000 0.10 5x
pos BTCUSDT crossed 20x +109.488 @ 32481.98
pos ETHUSDT crossed 5x +3683.979 @ 1456.84
";
    // The example's own maintenance rates and amounts are put in directly, its other-position sums
    // come out of the marks that its profits imply.
    let mut venue = venue(scene);
    let rate = |text: &str| crate::sim::exact::Fixed::parse(text).unwrap();
    for (symbol, mmr, cum, mark) in [
        ("BTCUSDT", "0.025", "16300", "31967.27000000"),
        ("ETHUSDT", "0.1", "135365", "1335.18000000"),
    ] {
        let contract = venue.contracts.get_mut(symbol).unwrap();
        contract.brackets.0.remove(0);
        contract.brackets.0[0].rate = rate(mmr);
        contract.brackets.0[0].cum = rate(cum);
        contract.mark = rate(mark);
    }
    let leg = |symbol: &str| (symbol.to_owned(), PositionSide::Both);
    for (symbol, expected) in [("BTCUSDT", "26316.89"), ("ETHUSDT", "1153.26")] {
        let found = venue.figures().liquidation_price(&leg(symbol));
        assert!(
            (found - rate(expected)).abs() <= rate("0.005"),
            "{symbol}: {found:?}"
        );
    }
}

/// margin-math G09: a small ticket on a large wallet has no liquidation price at all.
#[test]
fn a_ticket_the_wallet_covers_has_price_zero() {
    let venue = venue("wallet USDT 10000\npos BTCUSDT crossed 50x +0.083 @ 60000");
    let leg = ("BTCUSDT".to_owned(), PositionSide::Both);
    assert!(venue.figures().liquidation_price(&leg).is_zero());
}

/// margin-math 4.4, D11: short 10,000 and a buy of 15,000 at 1x costs nothing.
#[test]
fn a_flip_up_to_twice_the_position_is_free() {
    let mut venue = venue("wallet USDT 12000\npos ETHUSDT crossed 1x -3.333 @ 3000");
    assert_eq!(available(&venue), "2001.00000000"); // 12000 - 9999
    play(&mut venue, "order ETHUSDT buy 5 @ 2999 id flip");
    assert_eq!(available(&venue), "2001.00000000");
    // One more buy beyond twice the position counts in full beyond it:
    // |-9999 + 14995 + 6000| = 10996 against 9999, so 997 more.
    play(&mut venue, "order ETHUSDT buy 2 @ 3000 id more");
    assert_eq!(available(&venue), "1004.00000000");
}

#[test]
fn reducing_orders_and_conditionals_need_no_margin() {
    let mut venue = venue("wallet USDT 4000\npos BTCUSDT crossed 20x +1 @ 60000");
    assert_eq!(available(&venue), "1000.00000000");
    play(&mut venue, "order BTCUSDT sell 1 @ 61000 reduce-only");
    play(&mut venue, "order BTCUSDT buy 100 @ 65000 stop 65000");
    assert_eq!(available(&venue), "1000.00000000");
}

#[test]
fn hedge_legs_each_count_and_are_told_with_the_empty_net_row() {
    let mut venue = venue("mode hedge\nwallet USDT 10000\nleverage BTCUSDT 10");
    play(&mut venue, "order BTCUSDT buy 0.1 long");
    let events = play(&mut venue, "order BTCUSDT sell 0.1 short");
    let rows = events[2]["a"]["P"].as_array().unwrap();
    assert_eq!(
        (&rows[0]["ps"], &rows[0]["pa"]),
        (&"BOTH".into(), &"0.000".into())
    );
    assert_eq!(
        (&rows[1]["ps"], &rows[1]["pa"]),
        (&"SHORT".into(), &"-0.100".into())
    );
    // Two legs of 6000 at 10x: 1200; fees 6000.01 and 6000 at 0.0005; spread loss 0.01.
    // 10000 - 3.000005 - 3 - 0.01 - 1200 = 8793.989995
    assert_eq!(available(&venue), "8793.98999500");
    let over = try_play(&mut venue, "order BTCUSDT sell 0.2 long").reply;
    assert_eq!(over.unwrap_err().code, -2022);
    let bare = try_play(&mut venue, "order BTCUSDT sell 0.1").reply;
    assert_eq!(bare.unwrap_err().code, -4061);
}
