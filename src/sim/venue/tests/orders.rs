//! Orders and conditional orders after they are taken.

use super::*;

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
