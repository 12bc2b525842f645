//! Isolated margin, funding, settings, and multi-assets mode.

use super::*;

#[test]
fn isolated_margin_is_locked_at_fill_and_comes_back_in_parts() {
    let mut venue = venue("wallet USDT 1000\nmargin BTCUSDT isolated\nleverage BTCUSDT 20");
    play(&mut venue, "order BTCUSDT buy 0.1");
    // 0.1 x 60000.1 / 20 = 300.0005 locked; fee 3.000005 from the cross wallet.
    let position = venue.account.position("BTCUSDT", PositionSide::Both);
    assert_eq!(position.isolated_wallet.eight(), "300.00050000");
    assert_eq!(venue.account.cross_wallet("USDT").eight(), "696.99949500");
    play(&mut venue, "order BTCUSDT sell 0.05 reduce-only");
    // Half of the margin back, -0.005 realised, fee 0.05 x 60000 x 0.0005 = 1.5.
    let position = venue.account.position("BTCUSDT", PositionSide::Both);
    assert_eq!(position.isolated_wallet.eight(), "150.00025000");
    assert_eq!(venue.account.cross_wallet("USDT").eight(), "845.49474500");
    play(&mut venue, "add-margin BTCUSDT 50");
    let position = venue.account.position("BTCUSDT", PositionSide::Both);
    assert_eq!(position.isolated_wallet.eight(), "200.00025000");
    assert_eq!(wallet(&venue), "995.49499500");
}

#[test]
fn funding_is_told_with_the_balance_alone_when_crossed() {
    // margin-math F07: 10,000 at 0.05 % pays 5.
    let mut venue = venue("wallet USDT 1000\npos ETHUSDT crossed 20x +4 @ 2500\nmark ETHUSDT 2500");
    let events = play(&mut venue, "funding ETHUSDT 0.0005");
    assert_eq!(names(&events), ["FUNDING_FEE"]);
    assert_eq!(events[0]["a"]["B"][0]["bc"], "-5.00000000");
    assert_eq!(events[0]["a"]["P"], serde_json::json!([]));
    assert_eq!(events[0]["a"]["S"], "ETHUSDT");
    assert_eq!(wallet(&venue), "995.00000000");
}

#[test]
fn funding_of_an_isolated_position_eats_its_own_wallet() {
    let mut venue =
        venue("wallet USDT 1000\npos ETHUSDT isolated 20x -4 @ 2500\nmark ETHUSDT 2500");
    let events = play(&mut venue, "funding ETHUSDT -0.0005");
    let row = &events[0]["a"]["P"][0];
    assert_eq!(
        (&row["iw"], &row["mt"]),
        (&"495.00000000".into(), &"isolated".into())
    );
    assert_eq!(events[0]["a"]["B"][0]["cw"], "500.00000000");
}

#[test]
fn settings_are_refused_as_documented() {
    let scene =
        "wallet USDT 5000\npos BTCUSDT isolated 20x +0.1 @ 60000\norder ETHUSDT buy 1 @ 2900";
    let mut venue = venue(scene);
    let mut refused = |path: &str, query: &str| call(&mut venue, "POST", path, query).unwrap_err();
    assert_eq!(
        refused("/fapi/v1/marginType", "symbol=BTCUSDT&marginType=CROSSED"),
        -4048
    );
    assert_eq!(
        refused("/fapi/v1/marginType", "symbol=ETHUSDT&marginType=ISOLATED"),
        -4047
    );
    assert_eq!(
        refused("/fapi/v1/leverage", "symbol=BTCUSDT&leverage=10"),
        -4161
    );
    assert_eq!(
        refused("/fapi/v1/positionSide/dual", "dualSidePosition=True"),
        -4067
    );
    let margin = "/fapi/v1/positionMargin";
    assert_eq!(refused(margin, "symbol=ETHUSDT&amount=1&type=1"), -4049);
    assert_eq!(
        refused(margin, "symbol=BTCUSDT&amount=100000&type=1"),
        -4050
    );
    // Isolated wallet 300 = initial margin, so nothing can be taken out.
    assert_eq!(refused(margin, "symbol=BTCUSDT&amount=1&type=2"), -4051);
}

#[test]
fn a_margin_type_change_is_told_even_without_a_position() {
    let mut venue = venue("wallet USDT 10");
    let events = play(&mut venue, "margin BTCUSDT isolated");
    assert_eq!(names(&events), ["MARGIN_TYPE_CHANGE"]);
    assert_eq!(events[0]["a"]["P"][0]["mt"], "isolated");
    let events = play(&mut venue, "leverage BTCUSDT 33");
    assert_eq!(
        events[0]["ac"],
        serde_json::json!({"s": "BTCUSDT", "l": 33})
    );
    assert!(play(&mut venue, "silent leverage BTCUSDT 34").is_empty());
    assert_eq!(venue.account.settings("BTCUSDT").leverage, 34);
}

/// margin-math 15, C01 and C03: collateral at the bid rate, margin and debts at the ask rate.
#[test]
fn multi_assets_mode_is_one_pool_in_usd() {
    let scene = "symbol BTCUSDC tick 0.1 step 0.001 quote USDC\n\
                 brackets BTCUSDC 0 50000 0.004 125x\nmark BTCUSDC 60000\n\
                 index USDT 1 bid 0.01 ask 0.01\nindex USDC 2 bid 0.5 ask 0.5\n\
                 wallet USDT 100\nwallet USDC 200\nassets multi\n\
                 pos BTCUSDT crossed 20x +0.01 @ 72000";
    let mut venue = venue(scene);
    // USDT 100 - 120 = -20 at 1.01, USDC 200 at 1: 179.8 equity.
    // Initial margin 600 / 20 = 30 at 1.01 = 30.3; available 149.5 USD, in USDC 149.5 / 3.
    assert_eq!(venue.figures().available_usd().eight(), "149.50000000");
    assert_eq!(venue.figures().available("USDC").eight(), "49.83333333");
    let account = call(&mut venue, "GET", "/fapi/v3/account", "").unwrap();
    assert_eq!(account["totalMaintMargin"], "2.42400000"); // 600 x 0.004 x 1.01
    assert_eq!(account["totalMarginBalance"], "179.80000000");
    // A USDC wallet that no longer covers the USDT debt takes the position with it.
    let events = play(&mut venue, "mark BTCUSDT 42000");
    assert!(names(&events).contains(&"CALCULATED FILLED".to_owned()));
    assert!(!venue.account.holds("BTCUSDT"));
}

/// margin-math 15, C15-C17: a debt of 5,000 sells 5,000 / 0.975 = 5,128.20... of collateral.
#[test]
fn a_large_debt_sells_collateral_at_its_haircut() {
    let scene = "symbol BTCUSDC tick 0.1 quote USDC\nbrackets BTCUSDC none\n\
                 index USDT 1\nindex USDC 1 bid 0.025 ask 0.025\n\
                 wallet USDC 100000\nwallet USDT 0\nassets multi";
    let mut venue = venue(scene);
    assert_eq!(
        names(&play(&mut venue, "adjust USDT -5000")),
        ["ADJUSTMENT"]
    );
    let events = play(&mut venue, "adjust USDT -5001");
    assert_eq!(names(&events), ["ADJUSTMENT", "AUTO_EXCHANGE"]);
    // 10001 / 0.975 = 10257.43589743...
    let usdc = venue.account.cross_wallet("USDC");
    assert_eq!(usdc.eight(), "89742.56410257");
    let rest = venue.account.cross_wallet("USDT").abs();
    assert!(rest <= crate::sim::exact::Fixed::new(1, 8), "{rest:?}");
}

#[test]
fn a_pool_of_several_assets_is_lost_as_one() {
    let scene = "symbol BTCUSDC tick 0.1 quote USDC\nbrackets BTCUSDC none\n\
                 index USDT 1\nindex USDC 1\nwallet USDC 300\nwallet USDT 100\nassets multi\n\
                 pos BTCUSDT crossed 20x +0.1 @ 60000";
    let mut venue = venue(scene);
    // 400 - 0.1 x (60000 - P) <= 0.1 x P x 0.004: P <= 56224.8995...
    assert!(play(&mut venue, "mark BTCUSDT 56224.9").is_empty());
    let events = play(&mut venue, "mark BTCUSDT 56224.8");
    assert!(names(&events).contains(&"AUTO_EXCHANGE".to_owned()));
    assert_eq!(wallet(&venue), "0.00000000");
    assert_eq!(venue.account.cross_wallet("USDC").eight(), "0.00000000");
}

#[test]
fn money_in_and_out_is_told_with_its_reason_and_is_an_income() {
    let mut venue = venue("wallet USDT 1000\npos BTCUSDT crossed 20x +0.1 @ 60000");
    let events = play(&mut venue, "transfer USDT 50");
    assert_eq!(names(&events), ["DEPOSIT"]);
    assert_eq!(events[0]["a"]["B"][0]["bc"], "50.00000000");
    assert_eq!(names(&play(&mut venue, "transfer USDT -20")), ["WITHDRAW"]);
    // 1030 less the initial margin of 300.
    let over = try_play(&mut venue, "transfer USDT -730.01").reply;
    assert_eq!(over.unwrap_err().code, -4050);
    play(&mut venue, "funding BTCUSDT 0.0001");
    let incomes = call(&mut venue, "GET", "/fapi/v1/income", "symbol=BTCUSDT").unwrap();
    assert_eq!(
        (&incomes[0]["incomeType"], &incomes[0]["income"]),
        (&"FUNDING_FEE".into(), &"-0.60000000".into())
    );
    let incomes = call(&mut venue, "GET", "/fapi/v1/income", "incomeType=TRANSFER").unwrap();
    assert_eq!(incomes.as_array().unwrap().len(), 2);
}

/// Pools of two margin assets in single-asset mode: one dies, the other is not touched.
#[test]
fn a_margin_asset_is_a_pool_of_its_own() {
    let scene = "symbol BTCUSDC tick 0.1 step 0.001 quote USDC\n\
                 brackets BTCUSDC 0 50000 0.004 125x\nmark BTCUSDC 60000\n\
                 wallet USDT 1000\nwallet USDC 400\n\
                 pos BTCUSDT crossed 20x +0.1 @ 60000\npos BTCUSDC crossed 20x +0.1 @ 60000";
    let mut venue = venue(scene);
    play(&mut venue, "mark BTCUSDC 56000");
    assert!(!venue.account.holds("BTCUSDC") && venue.account.holds("BTCUSDT"));
    assert_eq!(venue.account.cross_wallet("USDC").eight(), "0.00000000");
    assert_eq!(wallet(&venue), "1000.00000000");
}

#[test]
fn a_new_bracket_table_counts_at_once_and_is_told() {
    let mut venue = venue("wallet USDT 4000\npos BTCUSDT crossed 20x +1 @ 60000");
    let statement =
        crate::scenario::parse_line("brackets BTCUSDT 0 50000 0.05 20x | 50000 600000 0.1 10x");
    let output = venue.step(&Input::Script(&statement.unwrap().unwrap()), NOW_MS);
    let told = output.market.iter().any(|event| {
        matches!(event, crate::sim::venue::MarketEvent::Contract(json) if json.contains("\"mmr\":0.1"))
    });
    assert!(told, "{:?}", output.market);
    // 60000 x 0.1 - 2500 = 3500 of 4000: alive; at 59400 it is 3440 of 3400.
    assert!(venue.account.holds("BTCUSDT"));
    play(&mut venue, "mark BTCUSDT 59400");
    assert!(!venue.account.holds("BTCUSDT"));
}

#[test]
fn a_dated_contract_has_no_funding_and_a_day_of_delivery() {
    let scene = "symbol BTCUSDT_270326 tick 0.1 contract CURRENT_QUARTER funding-hours 0\n\
                 brackets BTCUSDT_270326 0 50000 0.02 25x\nmark BTCUSDT_270326 60600";
    let mut venue = venue(scene);
    let premium = call(
        &mut venue,
        "GET",
        "/fapi/v1/premiumIndex",
        "symbol=BTCUSDT_270326",
    );
    let premium = premium.unwrap();
    assert_eq!(
        (&premium["nextFundingTime"], &premium["lastFundingRate"]),
        (&0.into(), &"".into())
    );
    let rules = call(&mut venue, "GET", "/fapi/v1/exchangeInfo", "").unwrap();
    let rows = rules["symbols"].as_array().unwrap();
    let row = rows
        .iter()
        .find(|row| row["symbol"] == "BTCUSDT_270326")
        .unwrap();
    // 2027-03-26 08:00 UTC.
    assert_eq!(row["deliveryDate"], 1_806_048_000_000_i64);
    assert_eq!(
        (&row["pair"], &row["contractType"]),
        (&"BTCUSDT".into(), &"CURRENT_QUARTER".into())
    );
}

#[test]
fn a_listing_is_told_and_can_be_traded() {
    let mut venue = venue("wallet USDT 1000");
    let line = "symbol NEWUSDT tick 0.01 step 1 status PENDING_TRADING";
    let statement = crate::scenario::parse_line(line).unwrap().unwrap();
    let output = venue.step(&Input::Script(&statement), NOW_MS);
    let told = &output.market;
    assert!(
        matches!(&told[..], [crate::sim::venue::MarketEvent::Contract(json)] if json.contains("PENDING_TRADING")),
        "{told:?}"
    );
    play(&mut venue, "brackets NEWUSDT 0 10000 0.01 20x");
    play(&mut venue, "mark NEWUSDT 5");
    let early = try_play(&mut venue, "order NEWUSDT buy 10").reply;
    assert_eq!(early.unwrap_err().code, -4140);
    play(&mut venue, "status NEWUSDT TRADING");
    play(&mut venue, "order NEWUSDT buy 10");
    assert!(venue.account.holds("NEWUSDT"));
}
