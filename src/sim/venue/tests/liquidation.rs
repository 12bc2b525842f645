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

/// A margin ratio of 0.8 is crossed once on the way down; whoever recovers is warned again.
#[test]
fn margin_calls_come_once_per_fall() {
    let scene = "margin-calls 0.8\nwallet USDT 1000\npos BTCUSDT isolated 20x +0.1 @ 60000 wallet 300\n\
                 pos ETHUSDT crossed 20x +4 @ 3000";
    let mut venue = venue(scene);
    // Isolated: 0.1 P x 0.004 >= 0.8 x (300 - 0.1 x (60000 - P)): P <= 57286.4321...
    assert!(play(&mut venue, "mark BTCUSDT 57286.5").is_empty());
    let events = play(&mut venue, "mark BTCUSDT 57286.4");
    assert_eq!(names(&events), ["MARGIN_CALL"]);
    let row = &events[0]["p"][0];
    assert_eq!(
        (&row["s"], &row["mt"]),
        (&"BTCUSDT".into(), &"ISOLATED".into())
    );
    assert_eq!(events[0].get("cw"), None);
    assert!(
        play(&mut venue, "mark BTCUSDT 57286.3").is_empty(),
        "told once"
    );
    play(&mut venue, "mark BTCUSDT 60000");
    assert_eq!(
        names(&play(&mut venue, "mark BTCUSDT 57286.4")),
        ["MARGIN_CALL"]
    );
    // Crossed: 4 P x 0.004 >= 0.8 x (700 - 4 x (3000 - P)): P <= 2839.1959...
    let events = play(&mut venue, "mark ETHUSDT 2839.19");
    assert_eq!(names(&events), ["MARGIN_CALL"]);
    assert_eq!(events[0]["cw"], "700.00000000");
    assert_eq!(events[0]["p"][0]["mt"], "CROSSED");
}

#[test]
fn a_fall_through_everything_warns_before_it_liquidates() {
    let scene = "margin-calls 0.8\nwallet USDT 3000\npos BTCUSDT crossed 20x +1 @ 60000";
    let mut venue = venue(scene);
    let told = names(&play(&mut venue, "mark BTCUSDT 50000"));
    let expected = [
        "MARGIN_CALL",
        "NEW NEW",
        "ORDER",
        "CALCULATED FILLED",
        "INSURANCE_CLEAR",
    ];
    assert_eq!(told, expected);
}

/// Two brackets, 1 % and 5 %, and a fee of 1 %: closing in the upper one saves four times its cost.
const STEEP: &str = "\
liquidations partial
symbol SOLUSDT tick 0.01 step 1 liquidation-fee 0.01
brackets SOLUSDT 0 10000 0.01 20x | 10000 1000000 0.05 10x
mark SOLUSDT 100
";

#[test]
fn a_partial_liquidation_closes_no_more_than_it_must() {
    let scene = format!(
        "{STEEP}wallet USDT 2100\npos SOLUSDT crossed 10x +200 @ 100\n\
                         order SOLUSDT buy 1 @ 90 id rest"
    );
    let mut venue = venue(&scene);
    // At 93: equity 2100 - 1400 = 700, maintenance 18600 x 0.05 - 400 = 530. At 92: 500 and 520.
    assert!(play(&mut venue, "mark SOLUSDT 93").is_empty());
    let events = play(&mut venue, "mark SOLUSDT 92");
    assert_eq!(
        names(&events),
        ["EXPIRED EXPIRED", "NEW NEW", "ORDER", "CALCULATED FILLED"]
    );
    assert_eq!(events[0]["o"]["er"], "5");
    let closing = &events[1]["o"];
    assert!(closing["c"].as_str().unwrap().starts_with("autoclose-"));
    // q closed: 500 - 0.92 q > 520 - 4.6 q, so q > 5.43: six contracts, fee 5.52.
    assert_eq!(closing["q"], "6");
    let position = venue.account.position("SOLUSDT", PositionSide::Both);
    assert_eq!(position.amount.plain(), "194");
    // 2100 - 6 x 8 - 5.52
    assert_eq!(wallet(&venue), "2046.48000000");
}

#[test]
fn a_partial_liquidation_leaves_the_rest_its_isolated_margin() {
    let scene = format!("{STEEP}wallet USDT 5000\npos SOLUSDT isolated 10x +200 @ 100 wallet 2100");
    let mut venue = venue(&scene);
    play(&mut venue, "mark SOLUSDT 92");
    let position = venue.account.position("SOLUSDT", PositionSide::Both);
    assert_eq!(position.amount.plain(), "194");
    assert_eq!(position.isolated_wallet.eight(), "2046.48000000");
    assert_eq!(venue.account.cross_wallet("USDT").eight(), "2900.00000000");
}

#[test]
fn what_no_part_can_save_is_closed_whole() {
    // In the lowest bracket the fee costs as much as closing saves.
    let scene = format!("{STEEP}wallet USDT 600\npos SOLUSDT crossed 10x +60 @ 100");
    let mut venue = venue(&scene);
    play(&mut venue, "mark SOLUSDT 90.9");
    assert!(!venue.account.holds("SOLUSDT"));
    assert_eq!(wallet(&venue), "0.00000000");
}

#[test]
fn deleveraging_takes_a_part_without_a_fee() {
    let mut venue =
        venue("wallet USDT 5000\npos BTCUSDT crossed 20x +0.1 @ 60000\nmark BTCUSDT 61000");
    let events = play(&mut venue, "adl BTCUSDT 0.04");
    assert_eq!(names(&events), ["NEW NEW", "ORDER", "CALCULATED FILLED"]);
    let told = &events[2]["o"];
    assert!(told["c"].as_str().unwrap().starts_with("adl_autoclose"));
    assert_eq!(told["rp"], "40.00000000");
    assert_eq!(wallet(&venue), "5040.00000000");
}
