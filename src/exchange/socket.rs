//! Reading a stream: frames in, pings out, and the verdict when it is over.
//!
//! Owns: the loop that every stream's task spends its life in. It awaits nothing but the socket
//! and its own clock tick, so that the other side's pings are always answered.
//! Must not know: what a frame means.

use std::sync::{Mutex, PoisonError};

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{self, Bytes, Message};

use super::cadence::Cadence;
use super::pulse::{Pulse, Silence, Verdict};
use super::text::clean_text;
use super::tls::certificate_refusal;
use crate::clock::{Clock, Now};
use crate::mirror::event::LossCause;

/// Why a stream is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ended {
    pub cause: LossCause,
    pub detail: String,
}

impl Ended {
    pub(super) fn new(cause: LossCause, detail: impl Into<String>) -> Self {
        Self {
            cause,
            detail: detail.into(),
        }
    }
}

/// What a frame was, as far as the connection is concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Frame {
    /// Something that was subscribed.
    Data,
    /// An answer: it proves that somebody is there, but not that the streams flow.
    Quiet,
    /// The connection is of no more use.
    End(Ended),
}

/// Since when data is owed by streams that tick by themselves.
#[derive(Debug, Default)]
pub(super) struct Expectation(Mutex<Option<Now>>);

impl Expectation {
    pub(super) fn set(&self, since: Option<Now>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }

    fn get(&self) -> Option<Now> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the loop is given besides the socket.
pub(super) struct Pump<'a> {
    pub clock: &'a Clock,
    pub cadence: &'a Cadence,
    pub expectation: &'a Expectation,
    /// Control messages to send.
    pub outgoing: &'a mut mpsc::Receiver<String>,
}

impl Pump<'_> {
    /// Reads until the stream is over. `on_text` is called for every text frame and must not
    /// block; `on_heard` at most once a second, with the time of the last frame.
    pub(super) async fn run<S>(
        self,
        socket: &mut WebSocketStream<S>,
        mut on_text: impl FnMut(&str) -> Frame,
        mut on_heard: impl FnMut(Now),
    ) -> Ended
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let Cadence {
            ping,
            pong,
            mark_silence,
            ..
        } = *self.cadence;
        let mut now = self.clock.now();
        let mut pulse = Pulse::new(ping, pong, mark_silence, now);
        let mut tick = interval(pulse.interval());
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heard = None;
        let mut told = now;
        loop {
            tokio::select! {
                biased;
                _ = tick.tick() => {
                    now = self.clock.now();
                    if let Some(data) = heard.take() {
                        pulse.heard(data, now);
                        if now.since_ms(told) >= 1_000 {
                            told = now;
                            on_heard(now);
                        }
                    }
                    pulse.expect_data(self.expectation.get());
                    match pulse.check(now) {
                        Verdict::Fine => {}
                        Verdict::Ping => {
                            let sent = timeout(pong, socket.send(Message::Ping(Bytes::new()))).await;
                            if let Some(ended) = send_failed(sent) {
                                return ended;
                            }
                        }
                        Verdict::Dead(silence) => return Ended::new(LossCause::Silent, words(silence)),
                    }
                }
                message = socket.next() => match message {
                    Some(Ok(Message::Text(text))) => match on_text(&text) {
                        Frame::Data => heard = Some(true),
                        Frame::Quiet => heard = heard.or(Some(false)),
                        Frame::End(ended) => return ended,
                    },
                    Some(Ok(Message::Close(frame))) => {
                        let code = frame.map_or_else(
                            || "without a code".to_owned(),
                            |frame| clean_text(&format!("{} {}", u16::from(frame.code), frame.reason)),
                        );
                        return Ended::new(LossCause::Closed, format!("the other side closed: {code}"));
                    }
                    Some(Ok(Message::Binary(_))) => {
                        return Ended::new(LossCause::Undecodable, "a binary frame");
                    }
                    Some(Ok(_)) => heard = heard.or(Some(false)),
                    Some(Err(error)) => return broken(&error),
                    None => return Ended::new(LossCause::Closed, "the connection ended"),
                },
                Some(text) = self.outgoing.recv() => {
                    let sent = timeout(pong, socket.send(Message::text(text))).await;
                    if let Some(ended) = send_failed(sent) {
                        return ended;
                    }
                }
            }
        }
    }
}

fn send_failed(
    sent: Result<Result<(), tungstenite::Error>, tokio::time::error::Elapsed>,
) -> Option<Ended> {
    match sent {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(broken(&error)),
        Err(_) => Some(Ended::new(
            LossCause::Silent,
            "nothing could be sent any more",
        )),
    }
}

fn broken(error: &tungstenite::Error) -> Ended {
    if let Some(detail) = certificate_refusal(error) {
        return Ended::new(LossCause::Certificate, detail);
    }
    let cause = match error {
        tungstenite::Error::Capacity(_)
        | tungstenite::Error::Utf8(_)
        | tungstenite::Error::AttackAttempt => LossCause::Undecodable,
        _ => LossCause::Closed,
    };
    Ended::new(cause, clean_text(&error.to_string()))
}

fn words(silence: Silence) -> String {
    match silence {
        Silence::NoAnswer { for_ms } => {
            format!("neither data nor an answer to our ping for {for_ms} ms")
        }
        Silence::NoData { for_ms } => format!("subscribed, but no data for {for_ms} ms"),
    }
}

#[cfg(test)]
#[path = "socket_tests.rs"]
mod tests;
