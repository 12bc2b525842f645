//! Room over the socket: two checks at once never both get what only one can have; what a request may
//! leave out; mistakes that name their element.

use std::sync::Barrier;

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
fn an_unknown_scenario_is_told_the_known_ones() {
    let daemon = Daemon::with(ACCOUNT);
    let answer = daemon.post("/v1/stress", r#"{"scenarios":["alts_fall_31"]}"#);
    assert_eq!(answer.status, 400);
    let text = answer.text();
    for known in ["alts_fall_30", "october_2025", "funding_drain"] {
        assert!(text.contains(known), "{text}");
    }
}
