//! The reading loop against a scripted other side, in memory and in simulated time.

use super::*;
use std::time::Duration;
use tokio::io::DuplexStream;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, frame::coding::CloseCode};

type Side = WebSocketStream<DuplexStream>;

async fn pair() -> (Side, Side) {
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    (
        WebSocketStream::from_raw_socket(ours, Role::Client, None).await,
        WebSocketStream::from_raw_socket(theirs, Role::Server, None).await,
    )
}

/// Runs the loop with a clock that follows simulated time.
async fn read(mut socket: Side, expect: bool) -> Ended {
    let clock = Clock::manual(0);
    let moving = tokio::spawn({
        let clock = clock.clone();
        async move {
            let mut tick = interval(Duration::from_millis(50));
            tick.tick().await;
            loop {
                tick.tick().await;
                clock.advance_ms(50);
            }
        }
    });
    let expectation = Expectation::default();
    expectation.set(expect.then(|| clock.now()));
    let (_control, mut outgoing) = mpsc::channel(1);
    let ended = Pump {
        clock: &clock,
        cadence: &Cadence::default(),
        expectation: &expectation,
        outgoing: &mut outgoing,
    }
    .run(
        &mut socket,
        |text| match text {
            "end" => Frame::End(Ended::new(LossCause::ListenKey, "told to")),
            "ack" => Frame::Quiet,
            _ => Frame::Data,
        },
        |_| {},
    )
    .await;
    moving.abort();
    ended
}

#[tokio::test(start_paused = true)]
async fn n01_a_stalled_connection_is_given_up_within_twenty_seconds() {
    let (ours, theirs) = pair().await;
    let began = tokio::time::sleep(Duration::from_secs(21));
    let ended = tokio::select! {
        ended = read(ours, false) => ended,
        () = began => panic!("still waiting"),
    };
    assert_eq!(ended.cause, LossCause::Silent);
    drop(theirs);
}

#[tokio::test(start_paused = true)]
async fn an_hour_of_answered_pings_is_no_loss() {
    let (ours, mut theirs) = pair().await;
    let answering = tokio::spawn(async move { while theirs.next().await.is_some() {} });
    let hour = tokio::time::sleep(Duration::from_secs(3_600));
    tokio::select! {
        ended = read(ours, false) => panic!("{ended:?}"),
        () = hour => {}
    }
    answering.abort();
}

#[tokio::test(start_paused = true)]
async fn u10_acknowledged_is_not_flowing() {
    let (ours, mut theirs) = pair().await;
    let acknowledging = tokio::spawn(async move {
        loop {
            theirs.send(Message::text("ack")).await.unwrap();
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
    let ended = read(ours, true).await;
    assert_eq!(ended.cause, LossCause::Silent);
    assert!(ended.detail.starts_with("subscribed, but no data"));
    acknowledging.abort();
}

#[tokio::test(start_paused = true)]
async fn n08_every_close_is_a_loss() {
    for code in [CloseCode::Normal, CloseCode::Policy] {
        let (ours, mut theirs) = pair().await;
        let reason = "\u{202e}bye".into();
        let closing = theirs.close(Some(CloseFrame { code, reason }));
        let (ended, _) = tokio::join!(read(ours, false), closing);
        assert_eq!(ended.cause, LossCause::Closed);
        assert!(ended.detail.ends_with("\\u{202e}bye"), "{}", ended.detail);
    }
}

#[tokio::test(start_paused = true)]
async fn an_end_that_a_frame_tells_is_the_end() {
    let (ours, mut theirs) = pair().await;
    theirs.send(Message::text("data")).await.unwrap();
    theirs.send(Message::text("end")).await.unwrap();
    assert_eq!(read(ours, false).await.cause, LossCause::ListenKey);
    let (ours, mut theirs) = pair().await;
    theirs
        .send(Message::Binary(Bytes::from_static(&[1])))
        .await
        .unwrap();
    assert_eq!(read(ours, false).await.cause, LossCause::Undecodable);
    let (ours, theirs) = pair().await;
    drop(theirs);
    assert_eq!(read(ours, false).await.cause, LossCause::Closed);
}

#[tokio::test(start_paused = true)]
async fn n10_a_frame_that_is_none_ends_the_connection() {
    let (ours, mut theirs) = tokio::io::duplex(1_024);
    let socket = WebSocketStream::from_raw_socket(ours, Role::Client, None).await;
    // Reserved bits set.
    tokio::io::AsyncWriteExt::write_all(&mut theirs, &[0xf1, 0x01, 0x41])
        .await
        .unwrap();
    assert_eq!(read(socket, false).await.cause, LossCause::Closed);
}
