//! Fee rates of the account, contract by contract.
//!
//! Owns: when they are read: each contract that is wanted once a day, one after the other, so that the
//! budget of the exchange's other reads does not feel it (20 weight every ten seconds are a tenth of
//! what is ours).
//! Must not know: what they are used for. Nothing waits for them, and what fails is asked again later.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::context::Context;
use super::pulse::millis;
use super::rest::{RestError, calls};
use super::translate::commission_rates;
use crate::clock::Now;
use crate::margin::account::Symbol;
use crate::mirror::event::{CommissionRates, Event};

/// When a contract may be read again.
#[derive(Debug, Clone, Copy)]
struct Attempt {
    at: Now,
    /// How long it holds.
    holds: Duration,
}

impl Attempt {
    fn left(&self, now: Now) -> Duration {
        let left = millis(self.holds).saturating_sub(now.since_ms(self.at));
        Duration::from_millis(u64::try_from(left).unwrap_or(0))
    }
}

/// Reads the rates of every contract that is wanted, for ever.
pub(super) async fn keep(context: Arc<Context>) {
    // What decisions rest on is read first; a daemon that is started again and again reads nothing else.
    let mut signals = context.signals.follow();
    signals.until(|signals| signals.modes_known).await;
    tokio::time::sleep(context.cadence.commission_gap).await;
    let mut demand = context.demand.follow();
    let mut backoff = context.read_backoff(8);
    let mut attempts: BTreeMap<Symbol, Attempt> = BTreeMap::new();
    loop {
        let now = context.clock.now();
        attempts.retain(|_, attempt| !attempt.left(now).is_zero());
        let due = demand.look(|demand| {
            let mut wanted = demand.symbols.iter();
            wanted
                .find(|symbol| !attempts.contains_key(*symbol))
                .cloned()
        });
        let Some(symbol) = due else {
            let left = attempts.values().map(|attempt| attempt.left(now)).min();
            tokio::select! {
                biased;
                () = tokio::time::sleep(left.unwrap_or(context.cadence.commission)) => {}
                () = demand.changed() => {}
            }
            continue;
        };
        if !context.rest.has_spare(calls::COMMISSION_RATE.weight) {
            tokio::time::sleep(context.cadence.commission_gap).await;
            continue;
        }
        let (holds, pause) = match read(&context, &symbol).await {
            Ok(()) => {
                backoff.reset();
                (context.cadence.commission, context.cadence.commission_gap)
            }
            Err(error) => {
                let pause = context.pause_after(&error, &mut backoff);
                let pause = pause.max(context.cadence.commission_gap);
                (context.cadence.commission_retry, pause)
            }
        };
        attempts.insert(symbol, Attempt { at: now, holds });
        tokio::time::sleep(pause).await;
    }
}

async fn read(context: &Context, symbol: &Symbol) -> Result<(), RestError> {
    let call = &calls::COMMISSION_RATE;
    let answer = context
        .rest
        .call(call, &[("symbol", symbol.as_str())])
        .await?;
    let rates = context
        .rest
        .read(call, &answer, |body| commission_rates(body, symbol))?;
    let event = Event::CommissionRates(CommissionRates {
        symbol: symbol.clone(),
        maker: rates.maker,
        taker: rates.taker,
        at: answer.asked,
    });
    context.outlet.deliver(event).await;
    Ok(())
}
