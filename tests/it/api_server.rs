//! The sockets themselves: who may connect, what is refused before it is read, what ends.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;

use crossguard::clock::Clock;
use serde_json::Value;

use crate::api_rig::{ACCOUNT, Daemon, exchange, raw};

fn with_header(daemon: &Daemon, header: &str) -> (u16, String) {
    let request = format!("GET /healthz HTTP/1.1\r\n{header}\r\n\r\n");
    let answer = raw(&mut daemon.connect(), request.as_bytes());
    (answer.status, answer.text().to_owned())
}

#[test]
fn modes_are_those_of_the_contract() {
    let daemon = Daemon::start(Clock::machine());
    let mode = |path: std::path::PathBuf| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(daemon.socket()), 0o660);
    assert_eq!(mode(daemon.admin()), 0o600);
}

#[test]
fn web_pages_and_foreign_hosts_are_refused() {
    let daemon = Daemon::start(Clock::machine());
    let refused = |header: &str| {
        let (status, body) = with_header(&daemon, header);
        assert!(body.contains("FORBIDDEN"), "{body}");
        status
    };
    assert_eq!(refused("host: localhost\r\norigin: http://localhost"), 403);
    assert_eq!(
        refused("host: localhost\r\nreferer: http://localhost/"),
        403
    );
    assert_eq!(refused("host: localhost\r\nsec-fetch-site: none"), 403);
    assert_eq!(refused("host: evil.example"), 403);
    assert_eq!(refused("host: localhost\r\nhost: localhost"), 403);
    assert_eq!(with_header(&daemon, "host: localhost").0, 200);
    assert_eq!(with_header(&daemon, "host: unix").0, 200);
}

#[test]
fn what_is_too_large_is_refused_unread() {
    let daemon = Daemon::start(Clock::machine());
    let head = "POST /v1/check HTTP/1.1\r\nhost: localhost\r\ncontent-length: 65537\r\n\r\n";
    let answer = raw(&mut daemon.connect(), head.as_bytes());
    assert_eq!(answer.error().1, "TOO_LARGE");
    assert_eq!(answer.status, 413);
    let mut chunked =
        b"POST /v1/check HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n"
            .to_vec();
    for _ in 0..17 {
        chunked.extend_from_slice(b"1000\r\n");
        chunked.extend_from_slice(&[b' '; 4096]);
        chunked.extend_from_slice(b"\r\n");
    }
    let answer = raw(&mut daemon.connect(), &chunked);
    assert_eq!(answer.status, 413, "{}", answer.text());
    let headers = format!("GET /healthz HTTP/1.1\r\nx: {}\r\n\r\n", "x".repeat(20_000));
    let answer = raw(&mut daemon.connect(), headers.as_bytes());
    assert_eq!(answer.status, 431);
}

#[test]
fn half_a_request_is_not_waited_for() {
    let daemon = Daemon::start(Clock::machine());
    let begun = Clock::machine().now();
    let mut half = daemon.connect();
    half.write_all(b"POST /v1/check HTTP/1.1\r\nhost: loc")
        .unwrap();
    let mut bodyless = daemon.connect();
    bodyless
        .write_all(b"POST /v1/check HTTP/1.1\r\nhost: localhost\r\ncontent-length: 10\r\n\r\n{")
        .unwrap();
    let answer = crate::api_rig::read_answer(&mut bodyless);
    assert_eq!(answer.error().1, "TOO_SLOW");
    let mut rest = Vec::new();
    let ended = half.read_to_end(&mut rest);
    assert!(ended.is_err() || rest.is_empty(), "{rest:?}");
    let passed = Clock::machine().now().since_ms(begun);
    assert!((4_000..9_000).contains(&passed), "{passed} ms");
    assert_eq!(
        daemon.get("/healthz").status,
        200,
        "others were served meanwhile"
    );
}

#[test]
fn unknown_paths_and_methods_are_told_apart() {
    let daemon = Daemon::start(Clock::machine());
    let (status, code, _) = daemon.get("/v1/nothing").error();
    assert_eq!((status, code.as_str()), (404, "NOT_FOUND"));
    let (status, code, _) = daemon.get("/v1/check").error();
    assert_eq!((status, code.as_str()), (405, "METHOD_NOT_ALLOWED"));
    let health = daemon.get("/healthz");
    assert_eq!(health.text(), "{\"ok\":true}");
    let metrics = daemon.get("/metrics");
    assert!(
        metrics
            .head
            .contains("application/openmetrics-text; version=1.0.0")
    );
    assert!(metrics.text().ends_with("# EOF\n"));
}

#[test]
fn what_changes_the_guard_is_asked_on_the_admin_socket() {
    let daemon = Daemon::with(ACCOUNT);
    let refused = exchange(&mut daemon.connect(), "DELETE", "/v1/lock", "");
    assert_eq!(refused.error().1, "FORBIDDEN");
    assert_eq!(daemon.post("/v1/policy/reload", "").error().1, "FORBIDDEN");
    let locked = daemon.post("/v1/lock", "");
    assert_eq!(locked.json()["state"], "locked");
    let looser = daemon.post("/v1/lock", r#"{"state":"reduce-only"}"#);
    assert_eq!(looser.error().1, "FORBIDDEN");
    let odd = daemon.post("/v1/lock", r#"{"state":"open"}"#).error();
    assert_eq!((odd.0, odd.2.as_deref()), (400, Some("state")));
    let odd = daemon.post("/v1/lock", r#"{"resaon":"x"}"#);
    assert_eq!(odd.status, 400);
    let reduced = daemon.on_admin(
        "POST",
        "/v1/lock",
        r#"{"state":"reduce-only","reason":"calm"}"#,
    );
    assert_eq!(reduced.json()["state"], "reduce-only");
    let open = daemon.on_admin("DELETE", "/v1/lock", "");
    assert_eq!(open.json()["state"], "normal");
    let reloaded = daemon.on_admin("POST", "/v1/policy/reload", "");
    assert_eq!(reloaded.json()["fingerprint"], "sha256:0001");
}

#[test]
fn a_daemon_that_knows_nothing_says_so() {
    let daemon = Daemon::start(Clock::machine());
    let ready = daemon.get("/readyz");
    assert_eq!(ready.status, 503);
    let planes = ready.json();
    assert_eq!(planes["ready"], false);
    assert!(planes["planes"].as_array().unwrap().len() >= 7, "{planes}");
    let order = r#"{"symbol":"BTCUSDT","side":"BUY","type":"MARKET","quantity":"1"}"#;
    let answer = daemon.check(order, "").json();
    assert_eq!(answer["decision"], "reject");
    let account = daemon.get("/v1/account").json();
    assert_eq!(account["pools"], Value::Array(vec![]));
}

#[test]
fn the_policy_is_shown_under_the_names_of_the_configuration() {
    let daemon = Daemon::with(ACCOUNT);
    let policy = daemon.get("/v1/policy").json();
    assert_eq!(policy["fingerprint"], "sha256:0000");
    let policy = &policy["policy"];
    assert_eq!(policy["horizon"], "0.1");
    assert_eq!(policy["liquidation_distance"]["reject"], "0.1");
    assert_eq!(policy["order_notional"]["warn"], "off");
}

#[test]
fn a_crowd_is_turned_away_and_the_rest_served() {
    let daemon = Daemon::start(Clock::machine());
    let mut crowd: Vec<_> = (0..64).map(|_| daemon.connect()).collect();
    for stream in &mut crowd {
        assert_eq!(exchange(stream, "GET", "/healthz", "").status, 200);
    }
    let turned_away = crate::api_rig::read_answer(&mut daemon.connect());
    assert_eq!(turned_away.error().1, "BUSY");
    assert_eq!(exchange(&mut crowd[0], "GET", "/healthz", "").status, 200);
}

#[test]
fn any_bytes_are_answered_or_refused() {
    let daemon = Daemon::start(Clock::machine());
    for bytes in [
        &b"\0\0\0\0\r\n\r\n"[..],
        b"GET / HTTP/9.9\r\n\r\n",
        b"{\"order\":{}}\n\n\r\n\r\n",
    ] {
        let mut stream = daemon.connect();
        drop(stream.write_all(bytes));
        let mut rest = Vec::new();
        drop(stream.read_to_end(&mut rest));
        let text = String::from_utf8_lossy(&rest);
        assert!(text.is_empty() || text.starts_with("HTTP/1.1 4"), "{text}");
    }
    assert_eq!(daemon.get("/healthz").status, 200);
}

#[test]
fn the_ways_back_come_with_requests_or_with_the_planes_that_are_missing() {
    let broken = "
symbol BTCUSDT tick 0.1 step 0.001 min-notional 5
brackets BTCUSDT 0 50000 0.004 125x | 50000 3000000 0.01 50x
wallet USDT 10000
pos BTCUSDT crossed 20x +1.2 @ 60000
mark BTCUSDT 60000
";
    let daemon = Daemon::with(broken);
    let answer = daemon.get("/v1/fix").json();
    let first = &answer["broken"][0];
    assert_eq!(first["finding"]["level"], "reject", "{answer}");
    let ways = first["ways"].as_array().unwrap();
    let reduce = ways.iter().find(|way| way["kind"] == "reduce").unwrap();
    assert_eq!(reduce["request"]["order"]["reduceOnly"], "true");
    assert_eq!(reduce["request"]["order"]["side"], "SELL");
    assert_eq!(answer["missing"].as_array().unwrap().len(), 0);
    daemon.clock.advance_ms(30_000);
    let stale = daemon.get("/v1/fix").json();
    assert_eq!(stale["broken"].as_array().unwrap().len(), 0);
    assert!(!stale["missing"].as_array().unwrap().is_empty(), "{stale}");
}
