//! The exchange without sockets: figures from margin-math.md's worked examples and from arithmetic
//! that is written beside each expectation.

use serde_json::Value;

use crate::scenario::{PositionSide, Scenario};

use super::super::params::Params;
use super::{Input, Output, Venue};

const NOW_MS: i64 = 1_790_000_000_000;

const RULES: &str = "\
symbol BTCUSDT tick 0.1 step 0.001 min-notional 50 taker 0.0005 maker 0.0002
brackets BTCUSDT 0 50000 0.004 125x | 50000 600000 0.005 100x | 600000 3000000 0.0065 75x | 3000000 12000000 0.01 50x | 12000000 70000000 0.02 25x
mark BTCUSDT 60000
symbol ETHUSDT tick 0.01 step 0.001 min-notional 20
brackets ETHUSDT 0 50000 0.004 125x | 50000 600000 0.005 100x
mark ETHUSDT 3000
";

fn venue(scene: &str) -> Venue {
    let mut venue = Venue::new(7, NOW_MS);
    let scenario = Scenario::parse(&format!("{RULES}{scene}")).unwrap();
    venue
        .open(scenario.lines.iter().map(|line| &line.statement))
        .unwrap();
    venue
}

fn try_play(venue: &mut Venue, line: &str) -> Output {
    let statement = crate::scenario::parse_line(line).unwrap().unwrap();
    venue.step(&Input::Script(&statement), NOW_MS)
}

fn play(venue: &mut Venue, line: &str) -> Vec<Value> {
    let output = try_play(venue, line);
    assert_eq!(output.reply, Ok(String::new()), "{line}");
    output
        .user
        .iter()
        .map(|event| serde_json::from_str(&event.json).unwrap())
        .collect()
}

fn call(venue: &mut Venue, method: &str, path: &str, query: &str) -> Result<Value, i64> {
    let params = Params::parse(query, b"").unwrap();
    let output = venue.step(
        &Input::Call {
            method,
            path,
            params: &params,
        },
        NOW_MS,
    );
    output
        .reply
        .map(|body| serde_json::from_str(&body).unwrap())
        .map_err(|refusal| refusal.code)
}

fn names(events: &[Value]) -> Vec<String> {
    let name = |event: &Value| match event["e"].as_str().unwrap() {
        "ORDER_TRADE_UPDATE" => {
            format!(
                "{} {}",
                event["o"]["x"].as_str().unwrap(),
                event["o"]["X"].as_str().unwrap()
            )
        }
        "ALGO_UPDATE" => format!("ALGO {}", event["o"]["X"].as_str().unwrap()),
        "ACCOUNT_UPDATE" => event["a"]["m"].as_str().unwrap().to_owned(),
        other => other.to_owned(),
    };
    events.iter().map(name).collect()
}

fn available(venue: &Venue) -> String {
    venue.figures().available("USDT").eight()
}

fn wallet(venue: &Venue) -> String {
    venue.account.wallet("USDT", &venue.contracts).eight()
}

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
    let rate = |text: &str| super::super::exact::Fixed::parse(text).unwrap();
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
fn a_triggered_stop_is_told_step_by_step() {
    let scene = "wallet USDT 5000\npos BTCUSDT crossed 20x +0.1 @ 60000";
    let mut venue = venue(scene);
    play(
        &mut venue,
        "order BTCUSDT sell close-position stop 58000 on mark id guard",
    );
    let events = play(&mut venue, "mark BTCUSDT 58000.04");
    // The mark is cut to the tick before it is compared: 58000.0 fires 58000.
    assert_eq!(
        names(&events),
        [
            "ALGO TRIGGERING",
            "ALGO TRIGGERED",
            "NEW NEW",
            "TRADE_LITE",
            "ORDER",
            "TRADE FILLED",
            "ALGO FINISHED"
        ]
    );
    assert_eq!(
        events[1]["o"]["ai"].as_str().unwrap(),
        events[2]["o"]["i"].to_string()
    );
    assert!(!venue.account.holds("BTCUSDT"));
}

#[test]
fn a_stop_that_cannot_be_paid_is_rejected_at_its_trigger() {
    let mut venue = venue("wallet USDT 100");
    play(&mut venue, "order BTCUSDT buy 1 stop 61000");
    let events = play(&mut venue, "mark BTCUSDT 61000");
    assert_eq!(names(&events), ["ALGO TRIGGERING", "ALGO REJECTED"]);
    assert_eq!(events[1]["o"]["rm"], "Margin is insufficient.");
}

#[test]
fn a_trailing_stop_follows_and_fires() {
    let mut venue = venue("wallet USDT 5000\npos BTCUSDT crossed 20x +0.1 @ 60000");
    play(
        &mut venue,
        "order BTCUSDT sell 0.1 trailing 1 activate 61000 reduce-only",
    );
    assert!(play(&mut venue, "mark BTCUSDT 60900").is_empty());
    let events = play(&mut venue, "mark BTCUSDT 62000");
    assert_eq!(
        (names(&events), &events[0]["o"]["ia"]),
        (vec!["ALGO NEW".into()], &true.into())
    );
    assert!(play(&mut venue, "mark BTCUSDT 61390").is_empty()); // 62000 x 0.99 = 61380
    assert_eq!(
        names(&play(&mut venue, "mark BTCUSDT 61380"))[0],
        "ALGO TRIGGERING"
    );
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
fn reduce_only_orders_never_turn_a_position() {
    let mut venue = venue("wallet USDT 5000\npos BTCUSDT crossed 20x +0.1 @ 60000");
    play(
        &mut venue,
        "order BTCUSDT sell 0.3 @ 61000 reduce-only id big",
    );
    let events = play(&mut venue, "mark BTCUSDT 61000");
    assert_eq!(
        names(&events),
        [
            "TRADE_LITE",
            "ORDER",
            "TRADE PARTIALLY_FILLED",
            "EXPIRED EXPIRED"
        ]
    );
    assert_eq!(events[3]["o"]["er"], "4");
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
    assert!(rest <= super::super::exact::Fixed::new(1, 8), "{rest:?}");
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

#[test]
fn batches_answer_in_order_and_mix_refusals() {
    let mut venue = venue("wallet USDT 1000");
    let list = r#"[{"symbol":"BTCUSDT","side":"BUY","type":"LIMIT","timeInForce":"GTC","quantity":"0.01","price":59000},
        {"symbol":"BTCUSDT","side":"BUY","type":"MARKET","quantity":"9"}]"#;
    let encoded: String = url::form_urlencoded::byte_serialize(list.as_bytes()).collect();
    let query = format!("batchOrders={encoded}");
    let reply = call(&mut venue, "POST", "/fapi/v1/batchOrders", &query).unwrap();
    assert_eq!(
        (&reply[0]["status"], &reply[1]["code"]),
        (&"NEW".into(), &(-2019).into())
    );
    let empty = call(&mut venue, "POST", "/fapi/v1/batchOrders", "batchOrders=[]");
    assert_eq!(empty.unwrap_err(), -4082);
    let countdown = "symbol=BTCUSDT&countdownTime=500";
    call(&mut venue, "POST", "/fapi/v1/countdownCancelAll", countdown).unwrap();
    venue.step(&Input::Second, NOW_MS + 1_000);
    assert!(venue.account.orders.is_empty());
}

#[test]
fn amends_are_told_and_a_refused_one_changes_nothing() {
    let mut venue = venue("wallet USDT 100");
    play(&mut venue, "order BTCUSDT buy 0.01 @ 59000 id mine");
    let amend = |venue: &mut Venue, rest: &str| {
        let query = format!("symbol=BTCUSDT&side=BUY&origClientOrderId=mine&{rest}");
        call(venue, "PUT", "/fapi/v1/order", &query)
    };
    let reply = amend(&mut venue, "quantity=0.02&price=58000&modifyId=5").unwrap();
    assert_eq!(
        (&reply["price"], &reply["modifyId"]),
        (&"58000.0".into(), &5.into())
    );
    assert_eq!(amend(&mut venue, "quantity=1&price=58000"), Err(-2019));
    assert_eq!(amend(&mut venue, "quantity=0.02&price=58000"), Err(-5027));
    assert_eq!(amend(&mut venue, "quantity=0.02"), Err(-1102));
    let order = venue.account.orders.values().next().unwrap();
    assert_eq!(order.quantity.plain(), "0.02");
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
        let mut random = super::super::random::Random::new(seed);
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
    let fixed = |text: &str| super::super::exact::Fixed::parse(text).unwrap();
    let incomes: super::super::exact::Fixed =
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

fn random_line(random: &mut super::super::random::Random, hedge: bool, venue: &Venue) -> String {
    let symbol = if random.next().is_multiple_of(2) {
        "BTCUSDT"
    } else {
        "ETHUSDT"
    };
    let contract = &venue.contracts[symbol];
    let percent = i64::try_from(random.next() % 9).unwrap() - 4;
    let factor = super::super::exact::Fixed::new(100 + percent, 2);
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
