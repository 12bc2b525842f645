//! The user stream: account, orders, settings as they change.
//!
//! Owns: the life of its connection: key, connect, read, planned change, loss, and again.
//! Must not know: what the mirror makes of an event. Opening tells the truth loops to read anew.

use std::pin::pin;
use std::time::Duration;

use tokio::sync::mpsc;

use super::connect::{ConnectError, Socket};
use super::context::Context;
use super::key_keeper::{self, ListenKey};
use super::pulse::millis;
use super::rest::RestError;
use super::socket::{Ended, Expectation, Frame, Pump};
use super::translate::{UserNews, user_frame};
use super::{Note, StreamKind};
use crate::mirror::event::{Connection, Event, LossCause, StreamLoss};

/// After a planned change failed to connect.
const ROTATION_RETRY: Duration = Duration::from_secs(60);

/// How a life of the stream ended.
struct Lost {
    ended: Ended,
    /// The key to go on with.
    successor: Option<ListenKey>,
    /// The failed call that says how long to wait.
    refusal: Option<RestError>,
}

impl Lost {
    const fn by(ended: Ended) -> Self {
        Self {
            ended,
            successor: None,
            refusal: None,
        }
    }
}

impl From<ConnectError> for Lost {
    fn from(error: ConnectError) -> Self {
        Self::by(Ended::new(error.cause, error.detail))
    }
}

impl From<RestError> for Lost {
    fn from(error: RestError) -> Self {
        let cause = match &error {
            RestError::Certificate(_) => LossCause::Certificate,
            RestError::Transport(_) => LossCause::Connect,
            _ => LossCause::ListenKey,
        };
        Self {
            ended: Ended::new(cause, format!("no listen key: {error}")),
            successor: None,
            refusal: Some(error),
        }
    }
}

/// Connects and reads, for ever.
pub(super) async fn keep(context: &Context) {
    let mut backoff = context.stream_backoff(7);
    let mut key = None;
    loop {
        let began = context.clock.now();
        let lost = Box::pin(life(context, key.take())).await;
        let now = context.clock.now();
        let Ended { cause, detail } = lost.ended;
        let loss = StreamLoss {
            epoch: context.outlet.user_epoch(),
            at: now,
            cause,
            detail: detail.clone(),
        };
        context.outlet.deliver(Event::UserStreamLost(loss)).await;
        if now.since_ms(began) >= millis(context.cadence.healthy) {
            backoff.reset();
        }
        key = lost.successor;
        let pause = match &lost.refusal {
            Some(error) => context.pause_after(error, &mut backoff),
            None => backoff.next(),
        };
        context.outlet.note(Note::Reconnecting {
            stream: StreamKind::User,
            cause,
            detail,
            attempt: backoff.attempt(),
            wait_ms: u64::try_from(pause.as_millis()).unwrap_or(u64::MAX),
        });
        tokio::time::sleep(pause).await;
    }
}

/// One life: from a key to a loss. Planned changes of connection happen inside of it.
async fn life(context: &Context, key: Option<ListenKey>) -> Lost {
    let key = match key {
        Some(key) => key,
        None => match key_keeper::obtain(context).await {
            Ok(key) => key,
            Err(error) => return error.into(),
        },
    };
    let mut socket = match connect(context, &key).await {
        Ok(socket) => socket,
        Err(error) => return error.into(),
    };
    opened(context).await;
    let mut kept = pin!(key_keeper::keep_alive(context, &key));
    loop {
        let (_control, mut outgoing) = mpsc::channel(1);
        let expectation = Expectation::default();
        let pump = Pump {
            clock: &context.clock,
            cadence: &context.cadence,
            expectation: &expectation,
            outgoing: &mut outgoing,
        };
        let reading = pump.run(
            &mut socket,
            |text| on_text(context, text),
            |at| {
                context.outlet.note(Note::LastFrame {
                    stream: StreamKind::User,
                    epoch: context.outlet.user_epoch(),
                    at,
                });
            },
        );
        let next = tokio::select! {
            biased;
            ended = reading => return Lost::by(ended),
            lost = &mut kept => {
                return Lost {
                    ended: Ended::new(LossCause::ListenKey, lost.detail),
                    successor: lost.successor,
                    refusal: None,
                };
            }
            next = rotated(context, &key) => next,
        };
        // The new connection stands before the old one is given up.
        opened(context).await;
        socket = next;
    }
}

/// Both documented spellings of the address in turn, if the first is refused outright.
async fn connect(context: &Context, key: &ListenKey) -> Result<Socket, ConnectError> {
    let [usual, other] = key.paths();
    match context.connect(StreamKind::User, &usual).await {
        Err(error) if error.status.is_some_and(|status| status / 100 == 4) => {
            context.connect(StreamKind::User, &other).await
        }
        result => result,
    }
}

/// The next connection, when the present one is due for a change.
async fn rotated(context: &Context, key: &ListenKey) -> Socket {
    tokio::time::sleep(context.rotation_in(context.outlet.user_epoch())).await;
    loop {
        if let Ok(socket) = connect(context, key).await {
            return socket;
        }
        tokio::time::sleep(ROTATION_RETRY).await;
    }
}

async fn opened(context: &Context) {
    let epoch = context.outlet.next_user_epoch();
    let at = context.clock.now();
    context
        .outlet
        .deliver(Event::UserStreamOpened(Connection { epoch, at }))
        .await;
    context.outlet.note(Note::Connected {
        stream: StreamKind::User,
        epoch,
    });
    context
        .signals
        .modify(|signals| signals.opened = signals.opened.wrapping_add(1));
}

fn on_text(context: &Context, text: &str) -> Frame {
    match user_frame(text) {
        Ok(UserNews::Event(event)) => context.outlet.push(*event),
        Ok(UserNews::Nothing) => {}
        Ok(UserNews::Unknown(name)) => context.outlet.note(Note::UnknownEvent { name }),
        Ok(UserNews::KeyExpired) => {
            return Frame::End(Ended::new(LossCause::ListenKey, "the listen key expired"));
        }
        Ok(UserNews::Refused(words)) => {
            let detail = format!("the exchange reports an error: {words}");
            return Frame::End(Ended::new(LossCause::Undecodable, detail));
        }
        Err(error) => {
            let detail = format!("a frame {error}");
            context.outlet.gap(LossCause::Undecodable, detail);
        }
    }
    Frame::Data
}
