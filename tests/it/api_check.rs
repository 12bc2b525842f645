//! `/v1/check` from outside: what is answered, what is refused, what is kept.

use crossguard::guard::verdict::Decision;
use serde_json::{Value, json};

use crate::api_rig::{ACCOUNT, Daemon, exchange};

const SMALL: &str = r#"{"symbol":"BTCUSDT","side":"BUY","type":"LIMIT","timeInForce":"GTC","price":"60000","quantity":"0.01"}"#;
const HUGE: &str = r#"{"symbol":"BTCUSDT","side":"BUY","type":"MARKET","quantity":"2"}"#;
const EXIT: &str =
    r#"{"symbol":"BTCUSDT","side":"SELL","type":"MARKET","quantity":"0.05","reduceOnly":"true"}"#;

fn codes(answer: &Value) -> Vec<&str> {
    let findings = answer["findings"].as_array().unwrap();
    findings
        .iter()
        .map(|finding| finding["code"].as_str().unwrap())
        .collect()
}

fn reservations(daemon: &Daemon) -> u64 {
    let status = daemon.get("/v1/status").json();
    status["counts"]["reservations"].as_u64().unwrap()
}

#[test]
fn an_order_within_the_limits_is_allowed_with_all_its_figures() {
    let daemon = Daemon::with(ACCOUNT);
    let answer = daemon.check(SMALL, r#","dryRun":true,"client":"desk""#);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(answer.head.contains("crossguard-version: "));
    let answer = answer.json();
    assert_eq!(answer["decision"], "allow", "{answer:#}");
    assert_eq!(answer["recorded"], true);
    assert_eq!(answer["state"], "normal");
    assert_eq!(answer["certainty"], "exact");
    assert_eq!(answer["policy"], "sha256:0000");
    assert_eq!(answer["order"]["priceUsed"], "60000");
    assert_eq!(answer["order"]["priceSource"], "limit");
    assert_eq!(answer["order"]["marginType"], "CROSSED");
    assert_eq!(answer["order"]["leverage"], 20);
    assert_eq!(answer["order"]["exposure"], "increases");
    // 0.05 × 60,000 ÷ 20 = 150; 0.06 × 60,000 ÷ 20 = 180; fee 600 × 0.05 % = 0.3.
    assert_eq!(answer["account"]["before"]["initialMargin"], "150");
    assert_eq!(answer["account"]["after"]["initialMargin"], "180");
    assert_eq!(answer["account"]["after"]["notionalGross"], "3600");
    assert_eq!(answer["account"]["after"]["crossWalletBalance"], "9999.7");
    // Maintenance 3,600 × 0.4 % = 14.4.
    assert_eq!(answer["pool"]["after"]["headroom"], "9985.3");
    assert_eq!(answer["costs"]["fee"], "0.3");
    // The twin: 600 ÷ 20 = 30, and no more can be lost.
    assert_eq!(answer["isolatedTwin"]["margin"], "30");
    assert_eq!(answer["isolatedTwin"]["maxLoss"], "30");
    // No fall to zero costs 10,000: this symbol alone cannot liquidate.
    let position = &answer["positions"][0];
    assert_eq!(position["after"]["liquidationPrice"], "0");
    assert_eq!(position["after"]["liquidationBelow"], Value::Null);
    assert_eq!(position["positionAmt"], "0.06");
    assert_eq!(answer["worstCase"]["orders"], 0);
    assert_eq!(
        answer["worstCase"]["headroom"],
        answer["account"]["after"]["headroom"]
    );
    assert_eq!(answer["stress"].as_array().unwrap().len(), 8);
    assert!(
        answer["inputs"]["planes"]["account"]["fresh"]
            .as_bool()
            .unwrap()
    );
    assert!(answer["micros"].is_u64());
}

#[test]
fn a_brief_answer_holds_only_what_decides() {
    let daemon = Daemon::with(ACCOUNT);
    let answer = daemon.check(HUGE, r#","dryRun":true,"brief":true"#).json();
    let names: Vec<&String> = answer.as_object().unwrap().keys().collect();
    let mut expected = [
        "decision",
        "why",
        "findings",
        "decisionId",
        "recorded",
        "state",
        "inputs",
    ];
    expected.sort_unstable();
    let mut names: Vec<&str> = names.into_iter().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, expected);
    assert_eq!(answer["decision"], "reject");
    assert_eq!(answer["inputs"].as_object().unwrap().len(), 1);
}

#[test]
fn an_order_that_reaches_into_the_wallet_is_rejected_with_the_number() {
    let daemon = Daemon::with(ACCOUNT);
    let answer = daemon.check(HUGE, r#","dryRun":true"#);
    assert_eq!(answer.status, 200, "a reject is an answer");
    let answer = answer.json();
    assert_eq!(answer["decision"], "reject");
    assert!(
        codes(&answer).contains(&"LIQUIDATION_DISTANCE"),
        "{answer:#}"
    );
    let rejects = answer["findings"].as_array().unwrap();
    let first = rejects.iter().find(|f| f["level"] == "reject").unwrap();
    assert_eq!(
        answer["why"], first["message"],
        "the first reject is the why"
    );
}

#[test]
fn between_the_limits_it_warns() {
    let daemon = Daemon::with(ACCOUNT);
    // 0.55 BTC × 60,000 = 33,000 gross on 10,000: 3.3x, which warns from 3 and rejects from 6.
    let order = r#"{"symbol":"BTCUSDT","side":"BUY","type":"LIMIT","timeInForce":"GTC","price":60000,"quantity":0.5}"#;
    let answer = daemon.check(order, r#","dryRun":true"#).json();
    assert_eq!(answer["decision"], "warn", "{answer:#}");
    assert!(codes(&answer).contains(&"EFFECTIVE_LEVERAGE"), "{answer:#}");
}

#[test]
fn what_is_stale_is_rejected_and_exits_pass() {
    let daemon = Daemon::with(ACCOUNT);
    daemon.clock.advance_ms(30_000);
    let answer = daemon.check(SMALL, r#","dryRun":true"#).json();
    assert_eq!(answer["decision"], "reject");
    assert_eq!(codes(&answer)[0], "NOT_READY");
    assert_eq!(answer["findings"][0]["retry"], "after_resync");
    assert_eq!(answer["account"]["after"], Value::Null);
    assert_eq!(answer["inputs"]["planes"]["account"]["fresh"], false);
    assert!(answer["inputs"]["planes"]["account"]["reason"].is_string());
    let exit = daemon.check(EXIT, "").json();
    assert_eq!(exit["decision"], "warn");
    assert_eq!(exit["order"]["exit"], true);
    let ready = daemon.get("/readyz");
    assert_eq!(ready.status, 503);
    let planes = ready.json()["planes"].clone();
    assert!(
        planes.as_array().unwrap().contains(&json!("account")),
        "{planes}"
    );
}

#[test]
fn a_misspelt_field_is_named() {
    let daemon = Daemon::with(ACCOUNT);
    let refused = |order: &str, more: &str| daemon.check(order, more).error();
    let field = |name: &str| (400, "BAD_FIELD".to_owned(), Some(name.to_owned()));
    let order =
        r#"{"symbol":"BTCUSDT","side":"SELL","type":"MARKET","quantity":"1","reduceOnyl":true}"#;
    assert_eq!(refused(order, ""), field("order.reduceOnyl"));
    assert_eq!(refused(SMALL, r#","dryrun":true"#), field("dryrun"));
    let twice =
        r#"{"symbol":"BTCUSDT","side":"BUY","type":"MARKET","quantity":"1","quantity":"2"}"#;
    assert_eq!(refused(twice, ""), field("order.quantity"));
    let nested = r#"{"symbol":"BTCUSDT","side":"BUY","type":"MARKET","quantity":{"value":1}}"#;
    assert_eq!(refused(nested, ""), field("order.quantity"));
    let batch = |orders: &str| {
        daemon
            .post("/v1/check", &format!(r#"{{"orders":[{orders}]}}"#))
            .error()
    };
    assert_eq!(batch(""), field("orders"));
    let bad = r#"{"symbol":"BTCUSDT","side":"BUY","type":"MARKET","quantity":"much"}"#;
    assert_eq!(
        batch(&format!("{SMALL},{SMALL},{bad}")),
        field("orders[2].quantity")
    );
    let change = |fields: &str| {
        daemon
            .post("/v1/check", &format!(r#"{{"change":{{{fields}}}}}"#))
            .error()
    };
    assert_eq!(change(r#""symbol":"BTCUSDT""#), field("change.kind"));
    assert_eq!(change(r#""kind":"borrow""#), field("change.kind"));
    assert_eq!(
        change(r#""kind":"leverage","symbol":"BTCUSDT","leverage":0"#),
        field("change.leverage")
    );
    let broken = daemon.post("/v1/check", r#"{"order":"#).error();
    assert_eq!((broken.0, broken.1.as_str()), (400, "BAD_REQUEST"));
}

#[test]
fn a_dry_run_promises_nothing_and_a_real_one_does() {
    let daemon = Daemon::with(ACCOUNT);
    daemon.check(SMALL, r#","dryRun":true"#);
    assert_eq!(reservations(&daemon), 0);
    let answer = daemon.check(SMALL, "").json();
    assert_eq!(answer["recorded"], true);
    assert_eq!(reservations(&daemon), 1);
}

#[test]
fn what_is_recorded_is_what_was_answered() {
    let daemon = Daemon::with(ACCOUNT);
    let answer = daemon.check(SMALL, r#","client":"desk""#);
    let id = answer.json()["decisionId"].as_str().unwrap().to_owned();
    let entries = daemon.records.entries();
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].document, answer.body);
    assert_eq!(entries[0].decision, Decision::Allow);
    assert_eq!(entries[0].client.as_deref(), Some("desk"));
    assert_eq!(entries[0].peer.uid, rustix::process::geteuid().as_raw());
    assert_eq!(entries[0].peer.pid, Some(std::process::id()));
    let again = daemon.get(&format!("/v1/decisions/{id}"));
    assert_eq!(again.body, answer.body);
    let list = daemon
        .get("/v1/decisions?symbol=BTCUSDT&since=1h&limit=5")
        .json();
    assert_eq!(list["decisions"][0]["id"], id.as_str());
    assert_eq!(list["decisions"][0]["client"], "desk");
    assert_eq!(list["next"], Value::Null);
    assert_eq!(daemon.get("/v1/decisions/01NOTHING").status, 404);
    let wrong = daemon.get("/v1/decisions?cursor=x").error();
    assert_eq!(
        wrong,
        (400, "BAD_FIELD".to_owned(), Some("cursor".to_owned()))
    );
}

#[test]
fn without_a_record_there_is_no_permission_but_exits_pass() {
    let daemon = Daemon::with(ACCOUNT);
    for make_unwell in [
        crate::api_rig::Records::stall,
        crate::api_rig::Records::fail,
    ] {
        make_unwell(&daemon.records);
        let answer = daemon.check(SMALL, "").json();
        assert_eq!(answer["decision"], "reject");
        assert_eq!(answer["recorded"], false);
        assert_eq!(codes(&answer), ["AUDIT_UNAVAILABLE"]);
        assert!(
            answer["why"].as_str().unwrap().contains("20 ms"),
            "{answer:#}"
        );
        assert_eq!(reservations(&daemon), 0, "its room is free again");
        let exit = daemon.check(EXIT, "").json();
        assert_eq!(exit["decision"], "allow");
        assert_eq!(exit["recorded"], false);
        let brief = daemon.check(EXIT, r#","brief":true"#).json();
        assert_eq!(brief["recorded"], false);
    }
}

#[test]
fn what_was_answered_in_place_of_a_late_record_is_handed_over_after_it() {
    let daemon = Daemon::with(ACCOUNT);
    daemon.records.stall();
    for (order, first, then) in [
        (SMALL, Decision::Allow, Decision::Reject),
        (EXIT, Decision::Allow, Decision::Allow),
    ] {
        let answer = daemon.check(order, "");
        let entries = daemon.records.entries();
        let [.., late, correction] = entries.as_slice() else {
            panic!("{entries:?}");
        };
        assert_eq!((late.decision, correction.decision), (first, then));
        assert_eq!(late.id, answer.json()["decisionId"].as_str().unwrap());
        assert_eq!(late.id, correction.id);
        assert!(!late.corrects_earlier && correction.corrects_earlier);
        assert_eq!(correction.document, answer.body, "what the client got");
    }
}

#[test]
fn every_check_is_counted_with_what_decided_it() {
    let daemon = Daemon::with(ACCOUNT);
    daemon.check(SMALL, "");
    daemon.check(SMALL, r#","dryRun":true,"brief":true"#);
    let rejected = daemon.check(HUGE, r#","dryRun":true"#).json();
    let why = &rejected["why"];
    let findings = rejected["findings"].as_array().unwrap();
    let deciding = findings.iter().find(|finding| finding["message"] == *why);
    let deciding = deciding.unwrap()["code"].as_str().unwrap();
    let metrics = daemon.get("/metrics");
    for line in [
        "crossguard_check_duration_seconds_count 3".to_owned(),
        "crossguard_checks_total{decision=\"allow\",code=\"\"} 2".to_owned(),
        format!("crossguard_checks_total{{decision=\"reject\",code=\"{deciding}\"}} 1"),
        format!("crossguard_findings_total{{code=\"{deciding}\"}} 1"),
    ] {
        assert!(
            metrics.text().lines().any(|found| found == line),
            "{line} in {}",
            metrics.text()
        );
    }
}

#[test]
fn a_dry_run_does_not_wait_for_its_record() {
    let daemon = Daemon::with(ACCOUNT);
    daemon.records.stall();
    let answer = daemon.check(SMALL, r#","dryRun":true"#).json();
    assert_eq!(answer["decision"], "allow");
    assert_eq!(answer["recorded"], true, "handed over");
    daemon.records.fail();
    let answer = daemon.check(SMALL, r#","dryRun":true"#).json();
    assert_eq!(answer["decision"], "allow");
    assert_eq!(answer["recorded"], false, "refused at once");
}

#[test]
fn an_unknown_symbol_is_told_so() {
    let daemon = Daemon::with(ACCOUNT);
    let order = r#"{"symbol":"NOSUCH","side":"BUY","type":"MARKET","quantity":"1"}"#;
    let answer = daemon.check(order, r#","dryRun":true"#).json();
    assert_eq!(answer["decision"], "reject");
}

#[test]
fn a_pool_that_is_liquidatable_has_no_price_and_says_why() {
    let daemon = Daemon::with(
        "
symbol BTCUSDT tick 0.1 step 0.001 min-notional 5
brackets BTCUSDT 0 50000 0.004 125x | 50000 250000 0.005 100x | 250000 3000000 0.01 50x
wallet USDT 100
pos BTCUSDT crossed 20x +0.05 @ 60000
mark BTCUSDT 58000
",
    );
    // 100 − 100 = 0 is below the maintenance margin of 11.6.
    let positions = daemon.get("/v1/positions").json();
    assert_eq!(positions["positions"][0]["liquidationPrice"], Value::Null);
    let missing = &positions["inputs"]["missing"][0];
    assert_eq!(missing["path"], "positions.BTCUSDT.liquidationPrice");
    let account = daemon.get("/v1/account").json();
    assert_eq!(account["pools"][0]["distance"], "0");
    assert_eq!(account["pools"][0]["marginRatio"], Value::Null);
    let status = daemon.get("/v1/status").json();
    let line = status["attention"][0]["what"].as_str().unwrap();
    assert!(line.contains("liquidatable now"), "{status:#}");
}

#[test]
fn one_connection_carries_many_questions() {
    let daemon = Daemon::with(ACCOUNT);
    let mut stream = daemon.connect();
    for _ in 0..50 {
        let body = format!("{{\"order\":{SMALL},\"dryRun\":true,\"brief\":true}}");
        let answer = exchange(&mut stream, "POST", "/v1/check", &body);
        assert_eq!(answer.json()["decision"], "allow");
    }
}
