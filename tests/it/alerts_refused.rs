//! Every channel against a local server of its kind that refuses, limits, sends elsewhere, says nothing
//! or takes no more than its service does; texts of any length and content.

use std::net::TcpListener;

use crossguard::alerts::model::Message;
use crossguard::alerts::render;
use crossguard::alerts::send::Outcome;
use jiff::tz::TimeZone;
use serde_json::Value;

use crate::alerts_channels::{HOSTILE, OK, Service, is_harmless, message, send, target};

/// The address of each kind, for a server at this port.
fn addresses(port: u16) -> Vec<String> {
    vec![
        format!("tgram://${{cred:t}}/-100?api=http://127.0.0.1:{port}"),
        format!("discord://42/${{cred:t}}?api=http://127.0.0.1:{port}"),
        format!("slack://A/B/${{cred:k}}?api=http://127.0.0.1:{port}"),
        format!("ntfy://${{cred:t}}@127.0.0.1:{port}/my-topic"),
        format!("json://127.0.0.1:{port}/hook"),
        format!("json://127.0.0.1:{port}/hook?hmac=${{cred:k}}"),
    ]
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\n\r\n{body}")
}

/// What each channel makes of an answer; no outcome carries a secret.
async fn outcomes(answer: &str) -> Vec<Outcome> {
    let service = Service::start(&[answer]);
    let mut outcomes = Vec::new();
    for address in addresses(service.port) {
        let outcome = send(&address, "x").await;
        let told = format!("{outcome:?}");
        assert!(
            !told.contains("CRET") && !told.contains("127.0.0.1"),
            "{told}"
        );
        outcomes.push(outcome);
    }
    outcomes
}

fn later(why: &str, after_ms: Option<i64>) -> Outcome {
    Outcome::Later {
        why: why.to_owned(),
        after_ms,
    }
}

#[tokio::test]
async fn every_channel_takes_a_refusal_for_final() {
    for status in [400, 401, 403, 404, 405, 410, 413, 422] {
        let body = "no \u{1b}[2Jhook";
        for outcome in outcomes(&answer(&format!("{status} No"), "", body)).await {
            let words = format!("answered {status}: no \\u{{1b}}[2Jhook");
            assert_eq!(outcome, Outcome::Refused(words));
        }
    }
}

#[tokio::test]
async fn every_channel_waits_as_long_as_its_service_says() {
    for (answer, expected) in [
        (
            answer("429 Slow", "retry-after: 7\r\n", ""),
            later("answered 429", Some(7_000)),
        ),
        (
            answer("429 Slow", "retry-after: 0.5\r\n", ""),
            later("answered 429", Some(500)),
        ),
        (
            answer("429 Slow", "retry-after: soon\r\n", ""),
            later("answered 429", None),
        ),
        (
            answer("429 Slow", "retry-after: -5\r\n", ""),
            later("answered 429", None),
        ),
        (
            answer("429 Slow", "", r#"{"parameters":{"retry_after":31}}"#),
            later("answered 429", Some(31_000)),
        ),
        (
            answer("429 Slow", "", r#"{"retry_after":1.25}"#),
            later("answered 429", Some(1_250)),
        ),
        (
            answer("503 Down", "retry-after: 120\r\n", ""),
            later("answered 503", Some(120_000)),
        ),
        (answer("408 Late", "", ""), later("answered 408", None)),
        (answer("500 No", "", ""), later("answered 500", None)),
        (answer("502 No", "", "<html>"), later("answered 502", None)),
        (answer("504 No", "", ""), later("answered 504", None)),
        (
            "SSH-2.0-OpenSSH\r\n\r\n".to_owned(),
            later("the connection failed", None),
        ),
    ] {
        for outcome in outcomes(&answer).await {
            assert_eq!(outcome, expected, "{answer}");
        }
    }
}

#[tokio::test]
async fn no_channel_goes_where_it_is_sent() {
    let trap = TcpListener::bind("127.0.0.1:0").unwrap();
    trap.set_nonblocking(true).unwrap();
    let port = trap.local_addr().unwrap().port();
    for status in ["301 Moved", "302 Found", "307 Again", "308 Ever"] {
        let location = format!("location: http://127.0.0.1:{port}/\r\n");
        for outcome in outcomes(&answer(status, &location, "")).await {
            assert!(matches!(outcome, Outcome::Refused(_)), "{outcome:?}");
        }
    }
    assert!(trap.accept().is_err(), "nobody came");
}

#[tokio::test]
async fn nobody_there_and_nobody_who_answers_are_tried_again() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = closed.local_addr().unwrap().port();
    drop(closed);
    for address in addresses(port) {
        assert_eq!(send(&address, "x").await, later("cannot connect", None));
    }
    let silent = Service::start(&[""]);
    let waiting = addresses(silent.port);
    let waiting = waiting.iter().map(|address| send(address, "x"));
    for outcome in futures_util::future::join_all(waiting).await {
        assert_eq!(outcome, later("no answer in time", None));
    }
    let missing = send("tgram://${cred:missing}/5", "x").await;
    let words = "there is no credential \"missing\"".to_owned();
    assert_eq!(missing, Outcome::Refused(words));
}

/// Forty alerts of an endless symbol with endless hostile words.
fn endless() -> Message {
    let mut message = message(&HOSTILE.repeat(400));
    let mut alert = message.alerts.remove(0);
    alert.symbol = Some(format!("{}{HOSTILE}", "X".repeat(10_000)));
    alert.to_do = HOSTILE.repeat(100);
    alert.command = Some(HOSTILE.repeat(100));
    message.alerts = vec![alert; 40];
    message
}

#[tokio::test]
async fn a_text_of_any_length_fits_what_its_service_takes() {
    let service = Service::start(&[OK]);
    let message = endless();
    for address in addresses(service.port) {
        let sent = target(&address).send(&message, &TimeZone::UTC).await;
        assert_eq!(sent, Outcome::Delivered, "{address}");
        let body = service.next().json();
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        let (text, chars_max) = match address.split_once(':').unwrap().0 {
            "tgram" => (text("text"), 4_096),
            "discord" => (text("content"), 2_000),
            "slack" => (text("text"), 3_000),
            "ntfy" => (text("message"), 4_096),
            _ => (text("text"), 60_000),
        };
        assert!(
            !text.is_empty() && text.chars().count() <= chars_max,
            "{address}"
        );
        assert!(!address.starts_with("ntfy") || text.len() <= 4_096, "bytes");
        is_harmless(&text);
        is_harmless(body["title"].as_str().unwrap_or_default());
    }
}

#[tokio::test]
async fn a_hook_is_told_of_the_most_urgent_however_long_the_rest_is() {
    let bytes = render::json(&endless(), &TimeZone::UTC);
    assert!(bytes.len() < 60 * 1_024, "{}", bytes.len());
    let told: Value = serde_json::from_slice(&bytes).unwrap();
    let listed = told["alerts"].as_array().unwrap().len();
    assert!(listed >= 1);
    assert_eq!(told["more"], 40 - listed);
    let sent = target("exec:///bin/cat")
        .send(&endless(), &TimeZone::UTC)
        .await;
    assert_eq!(sent, Outcome::Delivered);
}

/// What a service has no room for is counted and not cut off.
#[tokio::test]
async fn a_crash_says_on_every_channel_how_much_more_there_is() {
    let mut crash = message("A 4.1 % fall of BTCUSDT liquidates it; 10,000.00 USDT would be gone.");
    let mut alert = crash.alerts.remove(0);
    alert.to_do = "Now: sell 0.5 BTCUSDT at market, reduce-only. Or transfer 2,000 USDT.".repeat(3);
    crash.alerts = vec![alert; 40];
    let service = Service::start(&[OK]);
    for address in addresses(service.port) {
        let sent = target(&address).send(&crash, &TimeZone::UTC).await;
        assert_eq!(sent, Outcome::Delivered, "{address}");
        let body = service.next().json();
        let text = ["text", "content", "message"].map(|name| body[name].as_str());
        let text = text.into_iter().flatten().next().unwrap().replace('\\', "");
        let told = text.matches("CRITICAL since").count();
        let words = format!("… and {} more: crossguard alerts", 40 - told);
        assert!((1..=12).contains(&told) && text.ends_with(&words), "{text}");
    }
}
