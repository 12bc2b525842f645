//! Terms of orders: times in force, price match, reduce-only beside other orders, partial fills.

use super::*;

const ORDER: &str = "/fapi/v1/order";
const ALGO: &str = "/fapi/v1/algoOrder";
const REDUCE: &str =
    "symbol=BTCUSDT&side=SELL&type=LIMIT&timeInForce=GTC&price=60500&reduceOnly=true";

fn place(venue: &mut Venue, rest: &str) -> Result<Value, i64> {
    let query = format!("symbol=BTCUSDT&type=LIMIT&quantity=0.01&{rest}");
    call(venue, "POST", ORDER, &query)
}

#[test]
fn times_in_force_rest_expire_or_are_refused() {
    let mut venue = venue("wallet USDT 10000");
    // The book stands at 60000.0 and 60000.1.
    let cases = [
        ("side=BUY&timeInForce=GTC&price=60000", Ok("NEW")),
        ("side=BUY&timeInForce=GTX&price=60000", Ok("NEW")),
        ("side=BUY&timeInForce=RPI&price=60000", Ok("NEW")),
        ("side=BUY&timeInForce=GTX&price=60000.1", Err(-5022)),
        ("side=SELL&timeInForce=RPI&price=60000", Err(-5022)),
        ("side=BUY&timeInForce=IOC&price=60000", Ok("EXPIRED")),
        ("side=BUY&timeInForce=IOC&price=60000.1", Ok("FILLED")),
        ("side=BUY&timeInForce=FOK&price=60000", Err(-5021)),
        ("side=BUY&timeInForce=FOK&price=60000.1", Ok("FILLED")),
        ("side=BUY&timeInForce=GTD&price=60000", Err(-1102)),
        ("side=BUY&timeInForce=DAY&price=60000", Err(-1115)),
    ];
    for (rest, expected) in cases {
        let reply = place(&mut venue, &format!("{rest}&newOrderRespType=RESULT"));
        let status = reply.map(|reply| reply["status"].as_str().unwrap().to_owned());
        assert_eq!(status, expected.map(str::to_owned), "{rest}");
    }
}

#[test]
fn an_order_good_till_a_date_lapses_then_and_not_before() {
    let mut venue = venue("wallet USDT 10000");
    let until = |after_ms: i64| {
        let date = NOW_MS + after_ms;
        format!("side=BUY&timeInForce=GTD&price=59000&goodTillDate={date}")
    };
    assert_eq!(place(&mut venue, &until(599_000)), Err(-5040));
    let reply = place(&mut venue, &until(601_000)).unwrap();
    assert_eq!(reply["goodTillDate"], NOW_MS + 601_000);
    venue.step(&Input::Second, NOW_MS + 600_000);
    assert_eq!(venue.account.orders.len(), 1);
    venue.step(&Input::Second, NOW_MS + 601_000);
    assert!(venue.account.orders.is_empty());
}

#[test]
fn price_match_takes_its_price_from_the_book() {
    let mut venue = venue("wallet USDT 10000");
    play(&mut venue, "depth BTCUSDT 0.001");
    // A level per tick of 0.1: bids 60000.0, 59999.9 …; asks 60000.1, 60000.2 …
    let cases = [
        ("side=BUY", "QUEUE", "60000.0"),
        ("side=BUY", "QUEUE_5", "59999.6"),
        ("side=BUY", "OPPONENT", "60000.1"),
        ("side=BUY", "OPPONENT_5", "60000.5"),
        ("side=SELL", "QUEUE_20", "60002.0"),
        ("side=SELL", "OPPONENT_5", "59999.6"),
    ];
    for (side, name, price) in cases {
        let rest = format!("{side}&timeInForce=GTC&priceMatch={name}");
        let reply = place(&mut venue, &rest).unwrap();
        assert_eq!(
            (&reply["price"], &reply["priceMatch"]),
            (&price.into(), &name.into()),
            "{side} {name}"
        );
    }
    for (rest, code) in [
        ("priceMatch=QUEUE&price=60000", -1106),
        ("priceMatch=OPPONENT_10", -5037),
        ("priceMatch=BEST", -5037),
        ("price=60000&selfTradePreventionMode=SOME", -5039),
    ] {
        let rest = format!("side=BUY&timeInForce=GTC&{rest}");
        assert_eq!(place(&mut venue, &rest), Err(code), "{rest}");
    }
    let market = "symbol=BTCUSDT&side=BUY&type=MARKET&quantity=0.01&priceMatch=QUEUE";
    assert_eq!(call(&mut venue, "POST", ORDER, market), Err(-5038));
}

#[test]
fn a_stop_limit_takes_its_price_from_the_book_when_it_fires() {
    let mut venue = venue("wallet USDT 10000");
    let stop = "algoType=CONDITIONAL&symbol=BTCUSDT&side=BUY&type=STOP&quantity=0.01\
                &triggerPrice=61000&priceMatch=QUEUE&timeInForce=GTC";
    let reply = call(&mut venue, "POST", ALGO, stop).unwrap();
    assert_eq!(reply["orderType"], "STOP");
    let events = play(&mut venue, "mark BTCUSDT 61000");
    let told = names(&events);
    assert_eq!(told, ["ALGO TRIGGERING", "ALGO TRIGGERED", "NEW NEW"]);
    assert_eq!(
        (&events[2]["o"]["p"], &events[2]["o"]["pm"]),
        (&"61000.0".into(), &"QUEUE".into())
    );
}

/// Binance's -4118: what a reducing order takes away, the resting order of its side would have
/// reduced too; then that one opens, and nobody has paid for it.
#[test]
fn a_reducing_order_may_not_make_a_resting_one_flip_unpaid() {
    // Long 1 at 20x takes 3000 of margin; 2 to sell at 60500 against it 1000 / 20 more: 150 are left.
    let mut venue = venue("wallet USDT 3200\npos BTCUSDT crossed 20x +1 @ 60000");
    play(&mut venue, "order BTCUSDT sell 2 @ 60500 id rest");
    // With half the position gone the sells open 30000 more: 1500 of margin.
    let half = format!("{REDUCE}&quantity=0.5");
    assert_eq!(call(&mut venue, "POST", ORDER, &half), Err(-4118));
    play(&mut venue, "transfer USDT 2000");
    call(&mut venue, "POST", ORDER, &half).unwrap();
}

#[test]
fn a_reducing_order_beside_one_that_only_closes_is_taken() {
    let mut venue = venue("wallet USDT 3010\npos BTCUSDT crossed 20x +1 @ 60000");
    play(&mut venue, "order BTCUSDT sell 1 @ 60000.1 id rest");
    // Flat with 1 to sell needs what 1 held needs now.
    call(&mut venue, "POST", ORDER, &format!("{REDUCE}&quantity=1")).unwrap();
}

#[test]
fn partial_fills_are_told_one_by_one() {
    let mut venue = venue("wallet USDT 10000");
    play(&mut venue, "depth BTCUSDT 0.004");
    let reply = place(&mut venue, "side=BUY&timeInForce=GTC&price=60000.1").unwrap();
    assert_eq!(reply["status"], "NEW", "acknowledged before it is matched");
    let order = venue.account.orders.values().next().unwrap();
    assert_eq!(order.executed.plain(), "0.004");
    let id = order.client_id.clone();
    let events = play(&mut venue, &format!("fill BTCUSDT id {id} 0.002"));
    let told = &events[2]["o"];
    assert_eq!(
        (&told["X"], &told["l"], &told["z"]),
        (&"PARTIALLY_FILLED".into(), &"0.002".into(), &"0.006".into())
    );
    let market = "symbol=BTCUSDT&side=BUY&type=MARKET&quantity=0.01&newOrderRespType=RESULT";
    let reply = call(&mut venue, "POST", ORDER, market).unwrap();
    assert_eq!(
        (&reply["status"], &reply["executedQty"]),
        (&"EXPIRED".into(), &"0.004".into())
    );
}

#[test]
fn an_amend_that_would_take_cancels_a_post_only_order() {
    let mut venue = venue("wallet USDT 10000");
    play(&mut venue, "order BTCUSDT buy 0.01 @ 59000 id mine tif GTX");
    let amend = "symbol=BTCUSDT&side=BUY&origClientOrderId=mine&quantity=0.01&price=60500";
    let reply = call(&mut venue, "PUT", ORDER, amend).unwrap();
    assert_eq!(reply["status"], "CANCELED");
}

#[test]
fn amends_are_refused_as_documented_and_may_leave_the_price_to_the_book() {
    let mut venue = venue("wallet USDT 10000");
    play(&mut venue, "order BTCUSDT buy 0.01 @ 59000 id mine");
    let amend = |rest: &str| format!("symbol=BTCUSDT&side=BUY&origClientOrderId=mine&{rest}");
    for (rest, code) in [
        ("quantity=0.01&price=58000&reduceOnly=true", -5047),
        ("quantity=0.0005&price=59000", -1111),
        ("quantity=0.001&price=40000", -5029),
    ] {
        let outcome = call(&mut venue, "PUT", ORDER, &amend(rest));
        assert_eq!(outcome, Err(code), "{rest}");
    }
    let by_book = amend("quantity=0.01&priceMatch=QUEUE");
    let reply = call(&mut venue, "PUT", ORDER, &by_book).unwrap();
    assert_eq!(reply["price"], "60000.0");
}

#[test]
fn protected_triggers_wait_until_last_and_mark_meet() {
    let mut venue = venue("wallet USDT 10000\npos BTCUSDT crossed 20x +0.1 @ 60000");
    // Booleans come in every case.
    for (client, protect) in [("bare", "FALSE"), ("protected", "True")] {
        let stop = format!(
            "algoType=CONDITIONAL&symbol=BTCUSDT&side=SELL&type=STOP_MARKET&quantity=0.01\
             &triggerPrice=58000&workingType=CONTRACT_PRICE&clientAlgoId={client}\
             &priceProtect={protect}"
        );
        call(&mut venue, "POST", ALGO, &stop).unwrap();
    }
    // A print more than 5 % away from the mark.
    play(&mut venue, "last BTCUSDT 56900");
    let waiting = venue.account.algos.values();
    let waiting: Vec<&str> = waiting.map(|algo| algo.client_id.as_str()).collect();
    assert_eq!(waiting, ["protected"]);
    play(&mut venue, "mark BTCUSDT 57900");
    assert!(venue.account.algos.is_empty());
}

#[test]
fn a_trailing_order_that_would_be_active_at_once_is_refused() {
    let mut venue = venue("wallet USDT 10000");
    for (side, activate, refused) in [
        ("BUY", "60000", true),
        ("SELL", "59000", true),
        ("BUY", "59000", false),
        ("SELL", "61000", false),
    ] {
        let trailing = format!(
            "algoType=CONDITIONAL&symbol=BTCUSDT&side={side}&type=TRAILING_STOP_MARKET\
             &quantity=0.01&callbackRate=1&activatePrice={activate}"
        );
        let outcome = call(&mut venue, "POST", ALGO, &trailing);
        assert_eq!(outcome.err(), refused.then_some(-2021), "{side} {activate}");
    }
}
