//! Starting everything and keeping it running.
//!
//! Owns: which tasks there are, and that one that panics is a lost stream and not a lost program.
//! Must not know: what the tasks do.

use std::future::Future;
use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::cadence::Cadence;
use super::connect::Dial;
use super::context::{Context, SetupError};
use super::outlet::Outlet;
use super::{Demand, Note, Options, Sink, StreamKind};
use super::{fees, market_stream, quotes, tables, truth, user_stream};
use crate::clock::Now;
use crate::mirror::event::{Event, LossCause, StreamLoss};

/// Connects to the exchange and tells `sink` everything, until `shutdown`. It never gives up on the
/// exchange, but returns sooner when its own tasks panic five times within a minute: only a new
/// start of the process can help then. What cannot be used (an address, a certificate file) is told as a lost
/// stream and tried again.
pub async fn run(
    options: Options,
    sink: Arc<dyn Sink>,
    demand: watch::Receiver<Demand>,
    shutdown: CancellationToken,
) {
    run_at(Cadence::default(), options, sink, demand, shutdown).await;
}

/// [`run`] with intervals and deadlines of one's own.
pub async fn run_at(
    cadence: Cadence,
    options: Options,
    sink: Arc<dyn Sink>,
    demand: watch::Receiver<Demand>,
    shutdown: CancellationToken,
) {
    run_over(None, cadence, options, sink, demand, shutdown).await;
}

/// [`run_at`] over connections within this process, if `dial` is given: for the simulation.
pub async fn run_over(
    dial: Option<Arc<dyn Dial>>,
    cadence: Cadence,
    options: Options,
    sink: Arc<dyn Sink>,
    demand: watch::Receiver<Demand>,
    shutdown: CancellationToken,
) {
    let outlet = Arc::new(Outlet::new(sink, options.clock.clone()));
    let context = tokio::select! {
        biased;
        context = prepared(&options, dial.as_ref(), cadence, &outlet, &demand) => Arc::new(context),
        () = shutdown.cancelled() => return,
    };
    let tasks = start(&context);
    let (cause, detail) = tokio::select! {
        biased;
        () = shutdown.cancelled() => (LossCause::Shutdown, "shutting down"),
        () = context.broken.cancelled() => (LossCause::Closed, "its tasks keep failing"),
    };
    drop(tasks);
    let now = context.clock.now();
    let down = |epoch| loss(epoch, now, cause, detail);
    // The queue may be full and its reader gone: nobody is waited for.
    context
        .outlet
        .push(Event::UserStreamLost(down(context.outlet.user_epoch())));
    context
        .outlet
        .push(Event::MarketStreamLost(down(context.market_epoch())));
}

async fn prepared(
    options: &Options,
    dial: Option<&Arc<dyn Dial>>,
    cadence: Cadence,
    outlet: &Arc<Outlet>,
    demand: &watch::Receiver<Demand>,
) -> Context {
    loop {
        match Context::new(
            options,
            dial.cloned(),
            cadence,
            outlet.clone(),
            demand.clone(),
        ) {
            Ok(context) => return context,
            Err(SetupError { cause, detail }) => {
                let loss = loss(0, options.clock.now(), cause, &detail);
                outlet.deliver(Event::UserStreamLost(loss.clone())).await;
                outlet.deliver(Event::MarketStreamLost(loss)).await;
                tokio::time::sleep(cadence.key_retry).await;
            }
        }
    }
}

fn loss(epoch: u64, at: Now, cause: LossCause, detail: &str) -> StreamLoss {
    StreamLoss {
        epoch,
        at,
        cause,
        detail: detail.into(),
    }
}

/// Everything that runs; dropping the handles ends it.
fn start(context: &Arc<Context>) -> Vec<AbortOnDropHandle<()>> {
    let mut tasks = Vec::new();
    macro_rules! task {
        ($name:literal, $stream:expr, |$shared:ident| $body:expr) => {{
            let context = context.clone();
            let task = tokio::spawn(async move {
                supervised(&context, $name, $stream, || {
                    let $shared = context.clone();
                    async move { $body.await }
                })
                .await;
            });
            tasks.push(AbortOnDropHandle::new(task));
        }};
    }
    task!("overflow", None, |shared| shared.outlet.settle());
    task!("demand", None, |shared| shared.watch_demand());
    task!("wake", None, |shared| shared.watch_sleep());
    task!("clock", None, |shared| shared.watch_clock());
    task!("rules", None, |shared| tables::keep_rules(shared));
    task!("quotes", None, |shared| quotes::keep_quotes(shared));
    task!("market stream", Some(StreamKind::Market), |shared| {
        market_stream::keep(shared)
    });
    if context.rest.has_credentials() {
        task!("user stream", Some(StreamKind::User), |shared| {
            user_stream::keep(&shared)
        });
        task!("account", None, |shared| truth::keep_account(shared));
        task!("orders", None, |shared| truth::keep_orders(shared));
        task!("settings", None, |shared| truth::keep_config(shared));
        task!("brackets", None, |shared| tables::keep_brackets(shared));
        task!("fee rates", None, |shared| fees::keep(shared));
        task!("key permissions", None, |shared| {
            truth::keep_key_permissions(shared)
        });
    } else {
        let context = context.clone();
        let task = tokio::spawn(async move { context.rest.report_missing_key().await });
        tasks.push(AbortOnDropHandle::new(task));
    }
    tasks
}

/// Runs a task that never ends; when it panics its stream is lost and it starts again.
pub(super) async fn supervised<F>(
    context: &Arc<Context>,
    name: &'static str,
    stream: Option<StreamKind>,
    mut make: impl FnMut() -> F,
) where
    F: Future<Output = ()> + Send + 'static,
{
    loop {
        let task = AbortOnDropHandle::new(tokio::spawn(make()));
        // Whether it panicked or came back: it is not running any more.
        let _ = task.await;
        context.outlet.note(Note::TaskFailed { task: name });
        context.count_failure();
        let now = context.clock.now();
        let lost = |epoch| loss(epoch, now, LossCause::Closed, "the stream's task failed");
        match stream {
            Some(StreamKind::User) => {
                let lost = lost(context.outlet.user_epoch());
                context.outlet.deliver(Event::UserStreamLost(lost)).await;
            }
            Some(StreamKind::Market) => {
                let lost = lost(context.market_epoch());
                context.outlet.deliver(Event::MarketStreamLost(lost)).await;
            }
            None => {}
        }
        tokio::time::sleep(context.cadence.restart).await;
    }
}
