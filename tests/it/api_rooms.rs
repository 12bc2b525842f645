//! Room over the socket: two checks at once never both get what only one can have; what a request may
//! leave out; mistakes that name their element.

use std::sync::Barrier;

use rust_decimal::Decimal;
use serde_json::Value;

use crate::api_rig::{ACCOUNT, Daemon};

/// 30,000 more beside 3,000 on 10,000: 3.3 times, which warns. Twice that is refused, from 6 on.
const BITCOIN: &str = r#"{"symbol":"BTCUSDT","side":"BUY","type":"LIMIT","timeInForce":"GTC","price":60000,"quantity":0.5}"#;
const ETHER: &str = r#"{"symbol":"ETHUSDT","side":"BUY","type":"LIMIT","timeInForce":"GTC","price":3000,"quantity":10}"#;

/// Asked in a batch of its own, it is the same question.
fn body(index: usize) -> String {
    match index % 3 {
        0 => format!(r#"{{"order":{BITCOIN}}}"#),
        1 => format!(r#"{{"order":{ETHER}}}"#),
        _ => format!(r#"{{"orders":[{BITCOIN}]}}"#),
    }
}

#[test]
fn checks_at_once_never_both_get_the_room_that_only_one_can_have() {
    const ASKING: usize = 6;
    for round in 0..5 {
        let daemon = Daemon::with(&format!("{ACCOUNT}mark ETHUSDT 3000\n"));
        for index in 0..3 {
            let alone = body(index).replacen('{', r#"{"dryRun":true,"#, 1);
            let alone = daemon.post("/v1/check", &alone).json();
            assert_eq!(alone["decision"], "warn", "{alone:#}");
        }
        let barrier = Barrier::new(ASKING);
        let decisions: Vec<String> = std::thread::scope(|scope| {
            let asking: Vec<_> = (0..ASKING)
                .map(|index| {
                    let (daemon, barrier) = (&daemon, &barrier);
                    scope.spawn(move || {
                        barrier.wait();
                        let answer = daemon.post("/v1/check", &body(index + round)).json();
                        answer["decision"].as_str().unwrap().to_owned()
                    })
                })
                .collect();
            asking
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        });
        let passed = decisions.iter().filter(|decision| *decision != "reject");
        assert_eq!(passed.count(), 1, "{decisions:?}");
    }
}

fn kinds(answer: &Value) -> Vec<&str> {
    let offers = answer["alternatives"].as_array().unwrap();
    offers
        .iter()
        .map(|offer| offer["kind"].as_str().unwrap())
        .collect()
}

#[test]
fn counter_offers_are_left_out_when_nobody_wants_them() {
    let daemon = Daemon::with(ACCOUNT);
    let order = BITCOIN.replace("0.5", "1.5");
    let with = daemon.check(&order, r#","dryRun":true"#).json();
    assert_eq!(with["decision"], "reject");
    assert!(kinds(&with).contains(&"smaller"), "{with:#}");
    let without = daemon
        .check(&order, r#","dryRun":true,"alternatives":false"#)
        .json();
    assert_eq!(kinds(&without), Vec::<&str>::new());
    // Everything else is said all the same.
    for part in [
        "decision",
        "why",
        "findings",
        "account",
        "positions",
        "worstCase",
        "stress",
    ] {
        assert_eq!(with[part], without[part], "{part}");
    }
}

/// The order with 0.001 more, the transfer with 0.01 more; the other questions have no such step here.
fn one_step_more(mut request: Value) -> Option<Value> {
    for (path, step) in [("/order/quantity", "0.001"), ("/change/amount", "0.01")] {
        if let Some(size) = request.pointer_mut(path) {
            let number: Decimal = size.as_str()?.parse().ok()?;
            let step: Decimal = step.parse().ok()?;
            *size = (number + step).to_string().into();
            return Some(request);
        }
    }
    None
}

fn severity(answer: &Value) -> usize {
    let decision = answer["decision"].as_str().unwrap();
    let known = ["allow", "warn", "reject"].into_iter();
    known
        .enumerate()
        .find(|(_, name)| *name == decision)
        .unwrap()
        .0
}

#[test]
fn a_size_over_the_socket_is_the_largest_that_gets_its_decision() {
    let daemon = Daemon::with(ACCOUNT);
    let order = |quantity: &str| {
        format!(
            r#"{{"dryRun":true,"order":{{"symbol":"BTCUSDT","side":"BUY","type":"MARKET","quantity":"{quantity}"}}}}"#
        )
    };
    let sized = daemon.post("/v1/size", &order("1")).json();
    for (name, most) in [("allowed", 0), ("warned", 1)] {
        let quantity = sized[name].as_str().unwrap();
        let exactly = daemon.post("/v1/check", &order(quantity)).json();
        assert_eq!(severity(&exactly), most, "{name}: {exactly:#}");
        let more = one_step_more(serde_json::from_str(&order(quantity)).unwrap()).unwrap();
        let more = daemon.post("/v1/check", &more.to_string()).json();
        assert!(severity(&more) > most, "{name}: {more:#}");
    }
}

#[test]
fn every_counter_offer_is_a_request_that_the_socket_takes() {
    let daemon = Daemon::with(ACCOUNT);
    let bodies = [
        format!(
            r#"{{"dryRun":true,"order":{}}}"#,
            BITCOIN.replace("0.5", "1.5")
        ),
        format!(r#"{{"dryRun":true,"orders":[{BITCOIN},{BITCOIN}]}}"#),
        r#"{"dryRun":true,"change":{"kind":"transferOut","asset":"USDT","amount":"9800"}}"#
            .to_owned(),
        r#"{"dryRun":true,"change":{"kind":"leverage","symbol":"BTCUSDT","leverage":60}}"#
            .to_owned(),
    ];
    for body in bodies {
        let answer = daemon.post("/v1/check", &body).json();
        assert_eq!(answer["decision"], "reject", "{answer:#}");
        let offers = answer["alternatives"].as_array().unwrap();
        assert!(!offers.is_empty(), "{answer:#}");
        for offer in offers.iter().filter(|offer| offer["kind"] == "smaller") {
            let mut request = offer["request"].clone();
            request["dryRun"] = true.into();
            let again = daemon.post("/v1/check", &request.to_string()).json();
            assert_eq!(again["decision"], offer["decision"], "{offer:#}");
            assert_eq!(
                again["account"]["after"]["marginBalance"], offer["after"]["marginBalance"],
                "{offer:#}"
            );
            let Some(more) = one_step_more(request) else {
                continue;
            };
            let more = daemon.post("/v1/check", &more.to_string()).json();
            assert!(
                severity(&more) > severity(offer),
                "one step more is {}: {offer:#}",
                more["decision"]
            );
        }
    }
}

#[test]
fn a_mistake_in_a_batch_names_its_element_and_field() {
    let daemon = Daemon::with(ACCOUNT);
    let field = |bad: &str| {
        let body = format!(r#"{{"orders":[{BITCOIN},{bad}],"dryRun":true}}"#);
        daemon.post("/v1/check", &body).error()
    };
    let misspelt = field(&BITCOIN.replace("timeInForce", "timeInForec"));
    assert_eq!(misspelt.0, 400);
    assert_eq!(misspelt.2.as_deref(), Some("orders[1].timeInForec"));
    let nonsense = field(&BITCOIN.replace("\"quantity\":0.5", "\"quantity\":\"much\""));
    assert_eq!(nonsense.2.as_deref(), Some("orders[1].quantity"));
    // What only the rules of the contract can tell is a finding of that element.
    let step = BITCOIN.replace("0.5", "0.0015");
    let body = format!(r#"{{"orders":[{BITCOIN},{step}],"dryRun":true}}"#);
    let answer = daemon.post("/v1/check", &body).json();
    let why = answer["why"].as_str().unwrap();
    assert!(
        why.starts_with("orders[1]: ") && why.contains("(-4023)"),
        "{why}"
    );
}

#[test]
fn an_exit_that_the_exchange_would_refuse_is_not_recommended() {
    let daemon = Daemon::with(ACCOUNT);
    let huge = BITCOIN.replace("0.5", "5");
    let why = |exit: &str| {
        let body = format!(r#"{{"orders":[{huge},{exit}],"dryRun":true}}"#);
        let answer = daemon.post("/v1/check", &body).json();
        answer["why"].as_str().unwrap().to_owned()
    };
    let exit =
        r#"{"symbol":"BTCUSDT","side":"SELL","type":"MARKET","quantity":"0.05","reduceOnly":true}"#;
    let alone = "Its exits pass when they are sent alone: orders[1].";
    assert!(why(exit).ends_with(alone), "{}", why(exit));
    let off_step = exit.replace("0.05", "0.0005");
    assert!(!why(&off_step).contains("sent alone"), "{}", why(&off_step));
}

#[test]
fn an_unknown_scenario_is_told_the_known_ones() {
    let daemon = Daemon::with(ACCOUNT);
    let answer = daemon.post("/v1/stress", r#"{"scenarios":["alts_fall_31"]}"#);
    assert_eq!(answer.status, 400);
    let text = answer.text();
    for known in ["alts_fall_30", "october_2025", "funding_drain"] {
        assert!(text.contains(known), "{text}");
    }
}

/// What the previews of other venues show, as far as it applies to futures, and where it stands in an
/// answer: OKX order-precheck, the what-if of Interactive Brokers, Deribit simulate_portfolio, Bybit
/// pre-check, Coinbase preview, Derive get_margin, and pre-trade gates.
const PREVIEWS: [(&str, &[&str]); 24] = [
    (
        "verdict",
        &[
            "/decision",
            "/state",
            "/certainty",
            "/why",
            "/bindingLimit",
            "/decisionId",
            "/expiresAt",
            "/policy",
            "/version",
        ],
    ),
    (
        "codes",
        &[
            "/findings/0/code",
            "/findings/0/level",
            "/findings/0/limit",
            "/findings/0/value",
            "/findings/0/message",
        ],
    ),
    (
        "order as understood",
        &[
            "/order/symbol",
            "/order/side",
            "/order/positionSide",
            "/order/type",
            "/order/quantity",
            "/order/price",
            "/order/priceUsed",
            "/order/priceSource",
        ],
    ),
    (
        "proof that it reduces",
        &["/order/exit", "/order/exposure", "/order/reduceOnly"],
    ),
    (
        "mode and leverage in force",
        &["/order/marginType", "/order/leverage"],
    ),
    ("attribution", &["/client"]),
    (
        "equity before, change, after (adjEq, equityWithLoan)",
        &[
            "/account/before/marginBalance",
            "/account/change/marginBalance",
            "/account/after/marginBalance",
        ],
    ),
    (
        "wallet and unrealised profit",
        &[
            "/account/after/crossWalletBalance",
            "/account/after/crossUnPnl",
        ],
    ),
    (
        "initial margin (imr, initMargin)",
        &[
            "/account/before/initialMargin",
            "/account/change/initialMargin",
            "/account/after/positionInitialMargin",
            "/account/after/openOrderInitialMargin",
        ],
    ),
    (
        "maintenance margin (mmr, maintMargin)",
        &[
            "/account/before/maintMargin",
            "/account/change/maintMargin",
            "/account/after/maintMargin",
        ],
    ),
    (
        "margin ratio (mgnRatio, preMmr, postMmr)",
        &[
            "/account/before/marginRatio",
            "/account/change/marginRatio",
            "/account/after/marginRatio",
        ],
    ),
    (
        "available (availBal, ExcessLiquidity)",
        &[
            "/account/before/availableBalance",
            "/account/change/availableBalance",
            "/account/after/availableBalance",
            "/account/after/maxWithdrawAmount",
        ],
    ),
    (
        "leverage and notional (acctLever, delta_total)",
        &[
            "/account/after/accountLeverage",
            "/account/after/notionalGross",
            "/account/after/notionalNet",
        ],
    ),
    (
        "buffer (liquidation buffer now and projected)",
        &[
            "/pool/before/headroom",
            "/pool/after/headroom",
            "/pool/after/distance",
        ],
    ),
    (
        "wallet at risk",
        &[
            "/pool/after/walletAtRisk/amount",
            "/pool/after/walletAtRisk/fraction",
            "/pool/after/walletAtRisk/shareOfEverything",
            "/pool/after/ringFenced",
        ],
    ),
    (
        "who kills first",
        &[
            "/pool/after/firstKiller/symbol",
            "/pool/after/firstKiller/direction",
            "/pool/after/firstKiller/move",
            "/pool/after/firstKiller/price",
            "/pool/after/commonMove",
        ],
    ),
    ("collateral by asset", &["/pool/collateral"]),
    (
        "liquidation price (liqPx, liqPxDiff)",
        &[
            "/positions/0/before/liquidationPrice",
            "/positions/0/after/liquidationPrice",
            "/positions/0/shift",
            "/positions/0/before/distance",
            "/positions/0/after/distance",
        ],
    ),
    (
        "position",
        &[
            "/positions/0/symbol",
            "/positions/0/positionAmt",
            "/positions/0/after/entryPrice",
            "/positions/0/markPrice",
            "/positions/0/marginType",
            "/positions/0/leverage",
            "/positions/0/after/bracket",
            "/positions/0/before/maintMargin",
            "/positions/0/after/maintMarginShare",
        ],
    ),
    (
        "stop",
        &[
            "/positions/0/stopPrice",
            "/positions/0/stopBeyondLiquidation",
            "/positions/0/lossAtStop",
        ],
    ),
    (
        "costs (commission, slippage, funding)",
        &[
            "/costs/fee",
            "/costs/makerFee",
            "/costs/feeRates/BTCUSDT/takerUsed",
            "/costs/feeRates/BTCUSDT/ageMs",
            "/costs/slippage",
            "/costs/depthUsed",
            "/costs/fundingNext",
            "/costs/fundingTime",
        ],
    ),
    (
        "look-ahead",
        &[
            "/positions/0/after/untilNextBracket",
            "/positions/0/after/bracket/notionalCap",
            "/positions/0/nextLimitChange",
        ],
    ),
    (
        "what would pass (suggestedSize, max size)",
        &[
            "/alternatives/0/kind",
            "/alternatives/0/params",
            "/alternatives/0/decision",
            "/alternatives/0/after/distance",
            "/alternatives/0/request",
        ],
    ),
    (
        "inputs",
        &[
            "/inputs/planes/account/ageMs",
            "/inputs/planes/account/epoch",
            "/inputs/driftBps",
            "/inputs/clock/offsetMs",
            "/inputs/missing",
            "/micros",
            "/worstCase/before",
            "/stress/0/survives",
        ],
    ),
];

/// Parts of these that may be `null` in this answer: a reject promises no room, the order is a market
/// order, the exchange told no funding time; no book is followed and no limit change announced to
/// programs, which the answer says.
const MAY_BE_NULL: [&str; 5] = [
    "/expiresAt",
    "/order/price",
    "/costs/fundingTime",
    "/costs/depthUsed",
    "/positions/0/nextLimitChange",
];

#[test]
fn an_answer_holds_everything_that_previews_of_others_show() {
    // 24,000 on 10,000: a fall liquidates as it stands.
    let held = ACCOUNT.replace("+0.05", "+0.4");
    let orders = "order BTCUSDT sell 0.05 reduce-only stop 55000\norder BTCUSDT buy 0.01 @ 58000\n";
    let daemon = Daemon::with(&format!("{held}{orders}"));
    let order = r#"{"symbol":"BTCUSDT","side":"BUY","type":"MARKET","quantity":"1.2"}"#;
    let answer = daemon
        .check(order, r#","dryRun":true,"client":"desk""#)
        .json();
    assert_eq!(answer["decision"], "reject", "{answer:#}");
    for (what, paths) in PREVIEWS {
        for path in paths {
            let found = answer.pointer(path);
            let there = found.is_some_and(|value| !value.is_null() || MAY_BE_NULL.contains(path));
            assert!(there, "{what}: {path} is {found:?}");
        }
    }
}

#[test]
fn a_contract_of_a_batch_that_is_not_listed_names_its_element() {
    let daemon = Daemon::with(ACCOUNT);
    let other = BITCOIN.replace("BTCUSDT", "NOPEUSDT");
    let body = format!(r#"{{"orders":[{BITCOIN},{other}],"dryRun":true}}"#);
    let answer = daemon.post("/v1/check", &body).json();
    assert_eq!(
        answer["why"],
        "orders[1]: The exchange does not list NOPEUSDT."
    );
}
