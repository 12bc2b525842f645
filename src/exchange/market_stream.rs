//! The market stream: mark prices, collateral rates and contract changes.
//!
//! Owns: the lives of its connections, as many as the wanted streams need.
//! Must not know: who wants a mark. One category per connection: nothing else is subscribed here.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio_util::task::AbortOnDropHandle;

use super::connect::{ConnectError, Socket};
use super::context::Context;
use super::pulse::millis;
use super::run::supervised;
use super::socket::{Ended, Expectation, Frame, Pump};
use super::subscribe::{Stream, follow, spread};
use super::translate::{MarketNews, Names, market_frame};
use super::{Demand, Note, StreamKind};
use crate::mirror::event::{Connection, Event, LossCause, StreamLoss};

/// Where the market category is served.
///
/// Source: binance-api §1.2.
const PATH: &str = "/market/ws";

/// After a planned change failed to connect.
const ROTATION_RETRY: Duration = Duration::from_secs(60);

/// A connection and what it is to carry.
struct Shard {
    wanted: watch::Sender<BTreeSet<Stream>>,
    _task: AbortOnDropHandle<()>,
}

/// Keeps as many connections as the demand needs.
pub(super) async fn keep(context: Arc<Context>) {
    let mut demand = context.demand.follow();
    let mut shards: Vec<Shard> = Vec::new();
    let mut streams: Vec<BTreeSet<Stream>> = Vec::new();
    loop {
        let wanted = demand.look(wanted);
        spread(&mut streams, &wanted);
        while streams.len() > 1 && streams.last().is_some_and(BTreeSet::is_empty) {
            streams.pop();
        }
        shards.truncate(streams.len());
        for (index, streams) in streams.iter().enumerate() {
            match shards.get(index) {
                Some(shard) => {
                    shard.wanted.send_if_modified(|before| {
                        let is_new = before != streams;
                        if is_new {
                            before.clone_from(streams);
                        }
                        is_new
                    });
                }
                None => shards.push(shard(&context, index, streams.clone())),
            }
        }
        demand.changed().await;
    }
}

fn wanted(demand: &Demand) -> BTreeSet<Stream> {
    let mut wanted = BTreeSet::from([Stream::Contracts]);
    if demand.collateral {
        wanted.insert(Stream::CollateralRates);
    }
    if demand.all_marks {
        wanted.insert(Stream::AllMarks);
    } else {
        wanted.extend(demand.symbols.iter().cloned().map(Stream::Mark));
    }
    wanted
}

fn shard(context: &Arc<Context>, index: usize, streams: BTreeSet<Stream>) -> Shard {
    let (wanted, receiver) = watch::channel(streams);
    let context = context.clone();
    let task = tokio::spawn(async move {
        let salt = u64::try_from(index).unwrap_or(0).saturating_add(100);
        let inner = context.clone();
        supervised(
            &context,
            "market connection",
            Some(StreamKind::Market),
            || lives(inner.clone(), receiver.clone(), salt),
        )
        .await;
    });
    Shard {
        wanted,
        _task: AbortOnDropHandle::new(task),
    }
}

/// One connection after the other, for ever.
async fn lives(context: Arc<Context>, wanted: watch::Receiver<BTreeSet<Stream>>, salt: u64) {
    let mut backoff = context.stream_backoff(salt);
    loop {
        let began = context.clock.now();
        let mut epoch = 0;
        let Ended { cause, detail } = Box::pin(life(&context, &wanted, salt, &mut epoch)).await;
        let now = context.clock.now();
        let loss = StreamLoss {
            epoch,
            at: now,
            cause,
            detail: detail.clone(),
        };
        context.outlet.deliver(Event::MarketStreamLost(loss)).await;
        if now.since_ms(began) >= millis(context.cadence.healthy) {
            backoff.reset();
        }
        let pause = backoff.next();
        context.outlet.note(Note::Reconnecting {
            stream: StreamKind::Market,
            cause,
            detail,
            attempt: backoff.attempt(),
            wait_ms: u64::try_from(pause.as_millis()).unwrap_or(u64::MAX),
        });
        tokio::time::sleep(pause).await;
    }
}

/// One life: from a connect to a loss; planned changes of connection happen inside of it.
async fn life(
    context: &Arc<Context>,
    wanted: &watch::Receiver<BTreeSet<Stream>>,
    salt: u64,
    epoch: &mut u64,
) -> Ended {
    let mut socket = match context.connect(StreamKind::Market, PATH).await {
        Ok(socket) => socket,
        Err(ConnectError { cause, detail, .. }) => return Ended::new(cause, detail),
    };
    let mut names = Names::default();
    loop {
        *epoch = opened(context).await;
        let this_epoch = *epoch;
        let (control, mut outgoing) = mpsc::channel(1);
        let expectation = Expectation::default();
        let pump = Pump {
            clock: &context.clock,
            cadence: &context.cadence,
            expectation: &expectation,
            outgoing: &mut outgoing,
        };
        let reading = pump.run(
            &mut socket,
            |text| on_text(context, &mut names, text),
            |at| {
                context.outlet.note(Note::LastFrame {
                    stream: StreamKind::Market,
                    epoch: this_epoch,
                    at,
                });
            },
        );
        let next = tokio::select! {
            biased;
            ended = reading => return ended,
            () = follow(context, wanted.clone(), control, &expectation) => {
                return Ended::new(LossCause::Closed, "the connection takes no more messages");
            }
            next = rotated(context, salt) => next,
        };
        socket = next;
    }
}

/// The next connection, when the present one is due for a change.
async fn rotated(context: &Context, salt: u64) -> Socket {
    tokio::time::sleep(context.rotation_in(salt)).await;
    loop {
        if let Ok(socket) = context.connect(StreamKind::Market, PATH).await {
            return socket;
        }
        tokio::time::sleep(ROTATION_RETRY).await;
    }
}

async fn opened(context: &Context) -> u64 {
    let epoch = context.next_market_epoch();
    let at = context.clock.now();
    context
        .outlet
        .deliver(Event::MarketStreamOpened(Connection { epoch, at }))
        .await;
    context.outlet.note(Note::Connected {
        stream: StreamKind::Market,
        epoch,
    });
    epoch
}

fn on_text(context: &Context, names: &mut Names, text: &str) -> Frame {
    let mut frame = Frame::Quiet;
    let mut rates = Vec::new();
    let read = market_frame(text, names, &mut |news| match news {
        MarketNews::Mark(mark) => {
            frame = Frame::Data;
            context.outlet.mark(mark);
        }
        MarketNews::Rate(rate) => rates.push(rate),
        MarketNews::Contract { symbol, brackets } => {
            context
                .outlet
                .push(Event::ContractChanged { symbol, brackets });
            context.signals.modify(|signals| {
                signals.rules = signals.rules.wrapping_add(1);
                if brackets {
                    signals.brackets = signals.brackets.wrapping_add(1);
                }
            });
        }
        MarketNews::Nothing | MarketNews::Acknowledged => {}
        MarketNews::Unreadable(detail) => {
            context.outlet.note(Note::RowSkipped { path: PATH, detail });
        }
        MarketNews::Unknown(name) => context.outlet.note(Note::UnknownEvent { name }),
        MarketNews::Refused(words) => {
            let detail = format!("a subscription was refused: {words}");
            frame = Frame::End(Ended::new(LossCause::Undecodable, detail));
        }
    });
    if !rates.is_empty() {
        frame = Frame::Data;
        context.outlet.push(Event::CollateralRates(rates));
    }
    match read {
        Ok(()) => frame,
        Err(error) => Frame::End(Ended::new(
            LossCause::Undecodable,
            format!("a frame {error}"),
        )),
    }
}
