//! Keys, refusals and what must never leave: against a scripted exchange.

use std::time::Duration;

use crossguard::clock::Clock;
use crossguard::exchange::sign::{Secret, Signer};
use crossguard::exchange::{Credentials, Environment, Note};
use crossguard::mirror::event::{Event, KeyRefusal, KeyRefusalCause};

use crate::exchange_stand::{API_KEY, Running, SECRET, Seen, Setup, Stand, reply};

async fn refused(room: &mut Running) -> KeyRefusal {
    room.event("a refused key", |event| match event {
        Event::KeyRefused(refusal) => Some(refusal.clone()),
        _ => None,
    })
    .await
}

async fn accepted(room: &mut Running) {
    room.event("an accepted key", |event| {
        matches!(event, Event::KeyAccepted { .. }).then_some(())
    })
    .await;
}

/// Nothing that was told, however it is printed, holds a secret.
fn assert_no_canary(history: &[Seen]) {
    for seen in history {
        let printed = format!("{seen:?}");
        assert!(!printed.contains("canary"), "{printed}");
        assert!(!printed.contains("signature="), "{printed}");
    }
}

#[tokio::test]
async fn k08_the_signature_covers_exactly_what_was_sent() {
    let stand = Stand::start().await;
    let mut room = stand.run(Setup::default());
    accepted(&mut room).await;
    let signed: Vec<_> = stand
        .asked()
        .into_iter()
        .filter(|asked| asked.query.contains("signature="))
        .collect();
    assert!(!signed.is_empty());
    let signer = Signer::hmac(Secret::new(SECRET.into()));
    for asked in signed {
        let (payload, signature) = asked.query.rsplit_once("&signature=").unwrap();
        assert_eq!(signer.sign(payload.as_bytes()).unwrap(), signature);
        assert!(payload.contains("recvWindow=5000&timestamp="));
        assert_eq!(asked.api_key.as_deref(), Some(API_KEY));
    }
    let public = |path| move |asked: &crate::exchange_stand::Asked| asked.path == path;
    let time = stand.asked().into_iter().find(public("/fapi/v1/time"));
    let time = time.unwrap();
    assert_eq!((time.api_key, time.query.as_str()), (None, ""));
    room.stop().await;
}

#[tokio::test]
async fn without_a_key_the_public_side_still_runs() {
    let stand = Stand::start().await;
    let setup = Setup {
        credentials: None,
        ..Setup::default()
    };
    let mut room = stand.run(setup);
    assert_eq!(refused(&mut room).await.cause, KeyRefusalCause::Missing);
    room.mark("BTCUSDT").await;
    stand
        .until("the rules", |stand| {
            stand.count("GET", "/fapi/v1/exchangeInfo") > 0
        })
        .await;
    room.stop().await;
    for asked in stand.asked() {
        assert!(
            asked.api_key.is_none() && asked.query.is_empty()
                || asked.path.ends_with("premiumIndex")
        );
    }
    assert!(stand.lines("/private").is_empty());
}

#[tokio::test]
async fn k03_k04_a_refused_key_is_told_by_cause_and_tried_again() {
    let stand = Stand::start().await;
    let words = r#"{"code":-2015,"msg":"Invalid API-key, IP, or permissions for action."}"#;
    for call in [
        "GET /fapi/v3/account",
        "GET /fapi/v3/positionRisk",
        "GET /fapi/v1/openOrders",
    ] {
        stand.once(call, reply(401, words));
    }
    let mut room = stand.run(Setup::default());
    let refusal = refused(&mut room).await;
    assert_eq!(refusal.cause, KeyRefusalCause::PermissionOrAddress);
    assert!(refusal.detail.contains("-2015"));
    room.event("the account after all", |event| {
        matches!(event, Event::AccountTruth(_)).then_some(())
    })
    .await;
    room.mark("BTCUSDT").await;
    room.stop().await;
    stand.assert_harmless();
}

#[tokio::test]
async fn k01_a_clock_that_is_off_is_measured_once_more() {
    let stand = Stand::start().await;
    let words =
        r#"{"code":-1021,"msg":"Timestamp for this request is outside of the recvWindow."}"#;
    stand.once("GET /fapi/v1/accountConfig", reply(400, words));
    let mut room = stand.run(Setup::default());
    room.event("the settings", |event| {
        matches!(event, Event::AccountConfig(_)).then_some(())
    })
    .await;
    let offsets = |seen: &&Seen| matches!(seen, Seen::Event(Event::ClockOffset(_)));
    assert!(room.history.iter().filter(offsets).count() >= 2);
    let refusals = |seen: &&Seen| matches!(seen, Seen::Event(Event::KeyRefused(_)));
    assert_eq!(room.history.iter().filter(refusals).count(), 0);
    stand.always("GET /fapi/v1/accountConfig", reply(400, words));
    room.demand.send_modify(|demand| demand.resync.config += 1);
    assert_eq!(refused(&mut room).await.cause, KeyRefusalCause::Clock);
    room.stop().await;
}

#[tokio::test]
async fn r10_a_ban_stops_all_requests_and_survives_a_restart() {
    let stand = Stand::start().await;
    let folder = tempfile::tempdir().unwrap();
    let setup = || Setup {
        state_dir: Some(folder.path().to_owned()),
        ..Setup::default()
    };
    let ban =
        reply(418, r#"{"code":-1003,"msg":"Way too many requests"}"#).with("retry-after", "300");
    stand.once("GET /fapi/v3/account", ban);
    let mut room = stand.run(setup());
    let refusal = refused(&mut room).await;
    assert_eq!(refusal.cause, KeyRefusalCause::Banned);
    let until = room
        .history
        .iter()
        .rev()
        .find_map(|seen| match seen {
            Seen::Note(Note::RestPaused { until_ms, banned }) => Some((*until_ms, *banned)),
            _ => None,
        })
        .unwrap();
    assert!(until.1);
    let left = until.0 - Clock::machine().now().wall_ms;
    assert!((295_000..=301_000).contains(&left), "{left}");
    room.stop().await;

    let before = stand.asked().len();
    let mut room = stand.run(setup());
    assert_eq!(refused(&mut room).await.cause, KeyRefusalCause::Banned);
    room.event("the market stream, which is no request", |event| {
        matches!(event, Event::MarketStreamOpened(_)).then_some(())
    })
    .await;
    room.stop().await;
    assert_eq!(stand.asked().len(), before);
}

#[tokio::test]
async fn n14_a_redirect_is_a_failure_and_is_never_followed() {
    let stand = Stand::start().await;
    let elsewhere = Stand::start().await;
    let Environment::Custom { rest, .. } = elsewhere.environment() else {
        panic!("the stand is custom");
    };
    let target = format!("{rest}/fapi/v3/account");
    for status in [301, 302, 307, 308] {
        let moved = reply(status, "").with("location", target.clone());
        stand.once("GET /fapi/v3/account", moved);
    }
    let mut room = stand.run(Setup::default());
    room.event("the account", |event| {
        matches!(event, Event::AccountTruth(_)).then_some(())
    })
    .await;
    let failed = |seen: &Seen| matches!(seen, Seen::Note(Note::RestFailed { detail, .. }) if detail.contains("redirects are never followed"));
    assert!(room.history.iter().any(failed));
    assert!(elsewhere.asked().is_empty());
    room.stop().await;
}

#[tokio::test]
async fn r06_r07_answers_that_are_none_are_failures() {
    let stand = Stand::start().await;
    let page = format!("<html>{}</html>", "x".repeat(100_000));
    for odd in [
        reply(200, ""),
        reply(200, "<html>maintenance</html>"),
        reply(502, page),
        reply(
            503,
            r#"{"code":-1016,"msg":"This service is no longer available."}"#,
        ),
        reply(200, r#"{"assets":[]}"#),
    ] {
        stand.once("GET /fapi/v3/account", odd);
    }
    let mut room = stand.run(Setup::default());
    room.event("the account", |event| {
        matches!(event, Event::AccountTruth(_)).then_some(())
    })
    .await;
    let failures: Vec<_> = room
        .history
        .iter()
        .filter_map(|seen| match seen {
            Seen::Note(Note::RestFailed { path, detail }) if path.ends_with("account") => {
                Some(detail.clone())
            }
            _ => None,
        })
        .collect();
    assert_eq!(failures.len(), 5, "{failures:?}");
    assert!(failures.iter().all(|detail| detail.len() < 300));
    room.stop().await;
}

#[tokio::test]
async fn secrets_never_leave_whatever_the_other_side_says() {
    let stand = Stand::start().await;
    // An exchange that echoes what it was sent, in an error and in its words for a bad parameter.
    let echo = format!(r#"{{"code":-1102,"msg":"{API_KEY} {SECRET} {{query}}"}}"#);
    let echo = reply(400, echo);
    stand.once("GET /fapi/v3/account", echo.clone());
    stand.once("GET /fapi/v1/openOrders", echo.clone());
    stand.once("POST /fapi/v1/listenKey", echo);
    let mut room = stand.run(Setup::default());
    room.user_opened().await;
    room.event("the account", |event| {
        matches!(event, Event::AccountTruth(_)).then_some(())
    })
    .await;
    stand.send("/private", "canary-not-json");
    room.event("a gap", |event| {
        matches!(event, Event::UserStreamGap(_)).then_some(())
    })
    .await;
    assert_no_canary(&room.stop().await);

    // Nobody listens: errors of the connection itself.
    let nowhere = Environment::Custom {
        rest: "http://127.0.0.1:1".into(),
        stream: "ws://127.0.0.1:1".into(),
        ws_api: "ws://127.0.0.1:1/ws-fapi/v1".into(),
    };
    let mut room = stand.run_in(nowhere, Setup::default());
    room.event("a lost stream", |event| {
        matches!(event, Event::UserStreamLost(_)).then_some(())
    })
    .await;
    assert_no_canary(&room.stop().await);
    let credentials = Credentials::hmac(API_KEY.into(), SECRET.into());
    assert!(!format!("{credentials:?}").contains("canary"));
}

#[tokio::test]
async fn a_key_with_characters_no_header_can_carry_is_malformed() {
    let stand = Stand::start().await;
    let setup = Setup {
        credentials: Some(Credentials::hmac("canary\nkey".into(), SECRET.into())),
        ..Setup::default()
    };
    let mut room = stand.run(setup);
    assert_eq!(refused(&mut room).await.cause, KeyRefusalCause::Malformed);
    assert_no_canary(&room.stop().await);
}

#[tokio::test]
async fn an_address_that_leaves_the_machine_without_tls_is_told_and_never_used() {
    let stand = Stand::start().await;
    let plain = Environment::Custom {
        rest: "http://192.0.2.1".into(),
        stream: "ws://192.0.2.1".into(),
        ws_api: "ws://192.0.2.1".into(),
    };
    let mut setup = Setup::default();
    setup.cadence.key_retry = Duration::from_secs(60);
    let mut room = stand.run_in(plain, setup);
    let detail = room
        .event("a lost stream", |event| match event {
            Event::UserStreamLost(loss) => Some(loss.detail.clone()),
            _ => None,
        })
        .await;
    assert!(detail.starts_with("rest_url: "), "{detail}");
    room.stop().await;
}
