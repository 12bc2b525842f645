//! What the exchange does to the account: liquidation, insurance, additions, settlement.

use super::*;

#[test]
fn an_isolated_position_dies_alone_and_takes_its_wallet_only() {
    let scene = "wallet USDT 1000\npos BTCUSDT isolated 20x +0.1 @ 60000 wallet 300\n\
                 pos ETHUSDT crossed 20x +0.1 @ 3000";
    let mut venue = venue(scene);
    // 300 - 0.1 x (60000 - P) <= 0.1 x P x 0.004: P <= 57228.9156...
    assert!(play(&mut venue, "mark BTCUSDT 57228.92").is_empty());
    let events = play(&mut venue, "mark BTCUSDT 57228.91");
    assert_eq!(names(&events), ["NEW NEW", "ORDER", "CALCULATED FILLED"]);
    assert_eq!(wallet(&venue), "700.00000000");
    assert!(venue.account.holds("ETHUSDT"));
}

#[test]
fn a_gap_through_an_isolated_position_is_the_funds_loss() {
    let mut venue = venue("wallet USDT 1000\npos BTCUSDT isolated 20x +0.1 @ 60000 wallet 300");
    let events = play(&mut venue, "mark BTCUSDT 50000");
    assert_eq!(
        names(&events),
        ["NEW NEW", "ORDER", "CALCULATED FILLED", "INSURANCE_CLEAR"]
    );
    assert_eq!(events[3]["a"]["B"][0]["bc"], "700.00000000");
    assert_eq!(wallet(&venue), "700.00000000");
}

#[test]
fn a_crossed_pool_dies_whole_with_its_orders_and_stops() {
    let scene = "wallet USDT 5000\npos BTCUSDT crossed 20x +1 @ 60000\n\
                 pos ETHUSDT crossed 20x -1 @ 3000\norder ETHUSDT sell 1 @ 3100 id rest\n\
                 order BTCUSDT sell close-position stop 50000 id stop";
    let mut venue = venue(scene);
    // Equity 5000 - (60000 - P); maintenance P x 0.005 - 50 + 12: dead at P <= 55238.19...
    assert!(play(&mut venue, "mark BTCUSDT 55238.2").is_empty());
    let events = play(&mut venue, "mark BTCUSDT 55238.1");
    let told = names(&events);
    assert_eq!(told[..2], ["EXPIRED EXPIRED", "ALGO EXPIRED"]);
    let closing = ["NEW NEW", "ORDER", "CALCULATED FILLED"];
    assert_eq!(told[2..], [closing, closing].concat());
    assert_eq!(wallet(&venue), "0.00000000");
    assert_eq!(events[0]["o"]["er"], "5");
}

#[test]
fn a_crossed_gap_leaves_no_negative_wallet() {
    let mut venue = venue("wallet USDT 3000\npos BTCUSDT crossed 20x +1 @ 60000");
    let events = play(&mut venue, "mark BTCUSDT 50000");
    assert_eq!(names(&events).last().unwrap(), "INSURANCE_CLEAR");
    assert_eq!(wallet(&venue), "0.00000000");
}

#[test]
fn settlement_closes_and_darkens_a_contract() {
    let mut venue = venue("wallet USDT 5000\npos BTCUSDT crossed 20x +0.1 @ 60000");
    let events = play(&mut venue, "settle BTCUSDT 61000");
    assert_eq!(names(&events), ["NEW NEW", "ORDER", "CALCULATED FILLED"]);
    assert!(
        events[0]["o"]["c"]
            .as_str()
            .unwrap()
            .starts_with("settlement_autoclose-")
    );
    assert_eq!(wallet(&venue), "5100.00000000");
    let premium = call(&mut venue, "GET", "/fapi/v1/premiumIndex", "symbol=BTCUSDT").unwrap();
    assert_eq!(premium["markPrice"], "0.00000000");
}

#[test]
fn automatic_addition_draws_on_the_cross_balance_first() {
    let scene = "wallet USDT 1000\npos BTCUSDT isolated 20x +0.1 @ 60000 wallet 300\n\
                 auto-add BTCUSDT on";
    let mut venue = venue(scene);
    let events = play(&mut venue, "mark BTCUSDT 57200");
    assert_eq!(names(&events), ["MARGIN_TRANSFER"]);
    // Short by 0.1 x 57200 x 0.004 - (300 - 280) = 2.88, plus the initial margin 5720 / 20 = 286.
    let position = venue.account.position("BTCUSDT", PositionSide::Both);
    assert_eq!(position.isolated_wallet.eight(), "588.88000000");
    assert_eq!(wallet(&venue), "1000.00000000");
}
