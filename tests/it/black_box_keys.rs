//! Keys that do not work and accounts that are not modelled: the built daemon stays up, says in
//! words what is wrong and what to do, rejects, and lets exits pass.

use std::fs;

use serde_json::Value;

use crate::black_box::{EXIT, Exchange, Guard, SMALL, complaint, out, scene, until};
use crate::black_box_alerts::alert_of;
use crate::live::SCENE;

/// Every word of the status page, one space between two.
fn page(guard: &Guard) -> String {
    let shown = guard.verb("status");
    assert_eq!(shown.status.code(), Some(0), "{}", complaint(&shown));
    let page = out(&shown);
    let words: Vec<&str> = page.split_whitespace().collect();
    words.join(" ")
}

/// The daemon says this of its key, rejects, and lets exits pass.
#[track_caller]
fn assert_refused(guard: &mut Guard, cause: &str, words: &[&str]) {
    until("the cause is known", || {
        let status = guard.get("/v1/status").json();
        let told = status["keyRefusal"]["cause"] == cause;
        told.then_some(()).ok_or_else(|| status.to_string())
    });
    let page = page(guard);
    for word in words {
        assert!(page.contains(word), "{word}: {page}");
    }
    assert!(guard.stale().iter().any(|plane| plane == "key"));
    let small = guard.check(SMALL);
    assert_eq!(small["decision"], "reject", "{small}");
    assert_eq!(guard.check(EXIT)["decision"], "warn");
    assert!(guard.process().is_running());
}

#[test]
fn k03_without_a_key_or_with_a_wrong_one_it_stays_up_and_says_what_is_wrong() {
    let exchange = Exchange::start(&scene());
    let secret = exchange.announced["secret"].as_str().unwrap();

    let mut none = Guard::configured(&exchange.announced, None, "");
    fs::remove_file(none.folder.path().join("api_key")).unwrap();
    none.start();
    let file = none.folder.path().join("api_key");
    let file = file.file_name().unwrap().to_str().unwrap();
    assert_refused(&mut none, "missing", &["no API key", file, "read-only key"]);

    let mut wrong = Guard::configured(&exchange.announced, None, "");
    wrong.write_key("api_key", &"x".repeat(64));
    wrong.start();
    let remedy = "permission";
    assert_refused(
        &mut wrong,
        "permission_or_address",
        &["API key is refused", remedy],
    );

    let mut other = Guard::configured(&exchange.announced, None, "");
    let foreign: String = secret.chars().rev().collect();
    other.write_key("secret", &foreign);
    other.start();
    assert_refused(
        &mut other,
        "signature",
        &["that the secret belongs to the key"],
    );

    // What is wrong is said, what is secret is not.
    for guard in [&mut none, &mut wrong, &mut other] {
        let said = guard.process().said();
        for hidden in [secret, foreign.as_str(), "xxxxxxxx", "signature="] {
            assert!(!said.contains(hidden), "{said}");
            assert!(!guard.get("/v1/status").body.contains(hidden));
        }
    }
}

#[test]
fn k04_a_key_that_is_revoked_is_refused_and_taken_again_when_it_works() {
    let exchange = Exchange::start(&scene());
    let mut guard = Guard::ready_for(&exchange);
    exchange.say("key revoked");
    assert_refused(&mut guard, "permission_or_address", &["API key is refused"]);
    exchange.say("key ok");
    guard.until_ready();
    guard.assert_in_step();
}

#[test]
fn k07_portfolio_margin_is_refused_by_name() {
    let exchange = Exchange::start(&scene());
    exchange.say("rest-error /fapi/v3/ 401 -2015 \"Account is in Portfolio Margin mode.\"");
    let mut guard = Guard::configured(&exchange.announced, None, "");
    guard.start();
    until("it is named", || {
        let status = guard.get("/v1/status").json();
        let named = status["unsupported"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        let named = named.to_lowercase().contains("portfolio margin");
        named.then_some(()).ok_or_else(|| status.to_string())
    });
    assert!(page(&guard).to_lowercase().contains("portfolio margin"));
    assert_eq!(guard.check(SMALL)["decision"], "reject");
    assert_eq!(guard.check(EXIT)["decision"], "warn");
}

/// Whatever is modelled of multi-assets mode, it is never taken for single-asset mode.
#[test]
fn c04_multi_assets_mode_is_told_apart_from_the_first_answer_on() {
    let exchange = Exchange::start(&format!(
        "assets multi\n{SCENE}pos BTCUSDT crossed 20x +0.1 @ 60000\n"
    ));
    let mut guard = Guard::configured(&exchange.announced, None, "");
    guard.start();
    until("the mode is known", || {
        let answer = guard.check(SMALL);
        // A USDC wallet of 2,000 lies beside 10,000 USDT: one balance of both, or a refusal by name.
        let account = guard.get("/v1/account").json();
        let is_named =
            account["assetMode"] == "multi" || answer.to_string().contains("multi-assets");
        let rests_on_one = answer["decision"] == "reject" || is_named;
        assert!(rests_on_one, "{answer}");
        is_named
            .then_some(())
            .ok_or_else(|| format!("{answer} {account}"))
    });
    assert_ne!(guard.check(EXIT)["decision"], "reject");
}

#[test]
fn t14_a_key_that_may_do_more_than_read_is_told_of() {
    let exchange = Exchange::start(&scene());
    exchange.say("mutate /sapi/v1/account/apiRestrictions enableFutures true");
    let guard = Guard::ready_for(&exchange);
    let alert = alert_of(&guard, "key_privileged");
    assert_eq!(
        (&alert["severity"], &alert["value"]),
        (&Value::from("warning"), &Value::from("1"))
    );
    assert!(
        alert["what"].as_str().unwrap().contains("can trade"),
        "{alert}"
    );
    drop(guard);

    exchange.say("mutate /sapi/v1/account/apiRestrictions enableWithdrawals true");
    exchange.say("mutate /sapi/v1/account/apiRestrictions ipRestrict false");
    let guard = Guard::ready_for(&exchange);
    let alert = alert_of(&guard, "key_privileged");
    assert_eq!(alert["severity"], "critical");
    let what = alert["what"].as_str().unwrap();
    assert!(
        what.contains("withdraw") && what.contains("any address"),
        "{what}"
    );
}

#[test]
fn a_host_that_does_not_tell_what_the_key_may_do_costs_nothing() {
    for refusal in [
        "404 \"no such page\"",
        "429 -1003 \"slow down\"",
        "401 -2015 \"no\"",
        "503 \"down\"",
    ] {
        let exchange = Exchange::start(&scene());
        exchange.say(&format!(
            "rest-error /sapi/v1/account/apiRestrictions {refusal}"
        ));
        let guard = Guard::ready_for(&exchange);
        until("it was asked", || {
            let said = guard.process.as_ref().unwrap().said();
            said.contains("apiRestrictions").then_some(()).ok_or(said)
        });
        guard.assert_in_step();
        let status = guard.get("/v1/status").json();
        assert_eq!(status["keyRefusal"], Value::Null, "{refusal}: {status}");
        let told = guard.get("/v1/alerts").json();
        assert!(!told.to_string().contains("key_"), "{refusal}: {told}");
    }
}
