//! Truth checks: what the account really is, read over REST on a timer and on demand.
//!
//! Owns: when account, orders and settings are read, and the loop that all timed reads share.
//! Must not know: whether the mirror agrees.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use super::Demand;
use super::context::{Context, Signals};
use super::pulse::millis;
use super::rest::{RestError, Security, calls};
use super::translate::{
    account_config, account_truth, key_permissions, open_algo_orders, open_orders, symbol_settings,
};
use super::{Note, Resync};
use crate::mirror::event::{Event, OrdersTruth, Read};

/// How often account and positions are read again when their two endpoints tell different things.
const AGREEMENT_TRIES: u32 = 3;

/// What is read in one loop, and when.
#[derive(Clone, Copy)]
pub(super) struct Plan {
    /// Sets this loop's backoff apart.
    pub salt: u64,
    /// Waits for the user stream and the account's modes before the first read.
    pub after_stream: bool,
    /// Largest age.
    pub period: fn(&Context, &Demand) -> Duration,
    /// Shortest time between two reads.
    pub gap: Duration,
    /// The counter that asks for a read now.
    pub asked_for: fn(&Resync) -> u64,
    /// The signals that ask for a read now.
    pub signalled: fn(&Signals) -> u64,
}

/// Reads when it is time, for ever.
pub(super) async fn keep<F>(context: Arc<Context>, plan: Plan, read: fn(Arc<Context>) -> F)
where
    F: Future<Output = Result<(), RestError>> + Send,
{
    let mut demand = context.demand.follow();
    let mut signals = context.signals.follow();
    let mut backoff = context.read_backoff(plan.salt);
    if plan.after_stream {
        let opened = signals.until(|signals| signals.opened > 0 && signals.modes_known);
        // Without a stream the account is still worth reading, for whoever looks at it.
        let _ = tokio::time::timeout(context.cadence.first_read, opened).await;
    }
    loop {
        let wanted = demand.look(|demand| (plan.asked_for)(&demand.resync));
        let signalled = signals.look(plan.signalled);
        let asked = context.clock.now();
        let failure = read(context.clone()).await.err();
        if let Some(error) = failure {
            let pause = context.pause_after(&error, &mut backoff);
            let is_refused = error.key_refusal(Security::Signed).is_some()
                || matches!(error, RestError::Paused(_));
            tokio::select! {
                biased;
                () = tokio::time::sleep(pause) => {}
                () = signals.until(|now| (plan.signalled)(now) != signalled), if !is_refused => {}
            }
            continue;
        }
        backoff.reset();
        tokio::time::sleep(plan.gap).await;
        loop {
            let (period, asked_for) = demand.look(|demand| {
                let period = (plan.period)(&context, demand);
                (millis(period), (plan.asked_for)(&demand.resync))
            });
            let is_asked = asked_for != wanted || signals.look(plan.signalled) != signalled;
            let left = period.saturating_sub(context.clock.now().since_ms(asked));
            if is_asked || left <= 0 {
                break;
            }
            let left = Duration::from_millis(u64::try_from(left).unwrap_or(0));
            tokio::select! {
                biased;
                () = tokio::time::sleep(left) => {}
                () = demand.changed() => {}
                () = signals.changed() => {}
            }
        }
    }
}

/// Signals that make everything about the account worth reading again.
pub(super) const fn stream_or_wake(signals: &Signals) -> u64 {
    signals.opened.wrapping_add(signals.woken)
}

/// Balances and positions.
pub(super) async fn keep_account(context: Arc<Context>) {
    let plan = Plan {
        salt: 2,
        after_stream: true,
        period: |context, demand| {
            if demand.exposed {
                context.cadence.account_exposed
            } else {
                context.cadence.account_idle
            }
        },
        gap: context.cadence.read_gap,
        asked_for: |resync| resync.account,
        signalled: stream_or_wake,
    };
    keep(context, plan, read_account).await;
}

async fn read_account(context: Arc<Context>) -> Result<(), RestError> {
    let rest = &context.rest;
    let mut tries = 0;
    loop {
        tries += 1;
        let (account, positions) = tokio::join!(
            rest.call(&calls::ACCOUNT, &[]),
            rest.call(&calls::POSITIONS, &[])
        );
        let (account, positions) = (account?, positions?);
        let read = rest.read(&calls::ACCOUNT, &account, |body| {
            account_truth(body, &positions.body)
        })?;
        let value = match read {
            Ok(truth) => truth,
            Err(_) if tries < AGREEMENT_TRIES => continue,
            Err(disagreement) => {
                context.outlet.note(Note::RestFailed {
                    path: calls::POSITIONS.path,
                    detail: format!(
                        "account and positions keep telling different quantities of {}",
                        disagreement.symbol
                    ),
                });
                disagreement.by_position
            }
        };
        let truth = Read {
            asked: account.asked.min(positions.asked),
            answered: account.answered.max(positions.answered),
            value,
        };
        context.outlet.deliver(Event::AccountTruth(truth)).await;
        return Ok(());
    }
}

/// Both order books.
pub(super) async fn keep_orders(context: Arc<Context>) {
    let plan = Plan {
        salt: 3,
        after_stream: true,
        period: |context, _| context.cadence.orders,
        gap: context.cadence.read_gap,
        asked_for: |resync| resync.orders,
        signalled: stream_or_wake,
    };
    keep(context, plan, read_orders).await;
}

async fn read_orders(context: Arc<Context>) -> Result<(), RestError> {
    let rest = &context.rest;
    let (ordinary, conditional) = tokio::join!(
        rest.call(&calls::OPEN_ORDERS, &[]),
        rest.call(&calls::OPEN_ALGO_ORDERS, &[])
    );
    let (ordinary, conditional) = (ordinary?, conditional?);
    let mut orders = rest.read(&calls::OPEN_ORDERS, &ordinary, open_orders)?;
    orders.extend(rest.read(&calls::OPEN_ALGO_ORDERS, &conditional, open_algo_orders)?);
    let truth = Read {
        asked: ordinary.asked.min(conditional.asked),
        answered: ordinary.answered.max(conditional.answered),
        value: OrdersTruth { orders },
    };
    context.outlet.deliver(Event::OrdersTruth(truth)).await;
    Ok(())
}

/// Account-wide settings and those of every symbol.
pub(super) async fn keep_config(context: Arc<Context>) {
    let plan = Plan {
        salt: 4,
        after_stream: false,
        period: |context, _| context.cadence.config,
        gap: context.cadence.read_gap,
        asked_for: |resync| resync.config,
        signalled: stream_or_wake,
    };
    keep(context, plan, read_config).await;
}

async fn read_config(context: Arc<Context>) -> Result<(), RestError> {
    let rest = &context.rest;
    let (account, symbols) = tokio::join!(
        rest.call(&calls::ACCOUNT_CONFIG, &[]),
        rest.call(&calls::SYMBOL_CONFIG, &[])
    );
    let (account, symbols) = (account?, symbols?);
    let config = Read {
        asked: account.asked,
        answered: account.answered,
        value: rest.read(&calls::ACCOUNT_CONFIG, &account, account_config)?,
    };
    let settings = Read {
        asked: symbols.asked,
        answered: symbols.answered,
        value: rest.read(&calls::SYMBOL_CONFIG, &symbols, |body| {
            symbol_settings(body, |detail| {
                context.outlet.note(Note::RowSkipped {
                    path: calls::SYMBOL_CONFIG.path,
                    detail,
                });
            })
        })?,
    };
    context.outlet.deliver(Event::AccountConfig(config)).await;
    context
        .outlet
        .deliver(Event::SymbolSettings(settings))
        .await;
    let known = context.signals.follow().look(|signals| signals.modes_known);
    if !known {
        context.signals.modify(|signals| signals.modes_known = true);
    }
    Ok(())
}

/// What the key may do: asked after the account was read once, and now and then. Not every host
/// knows, and nothing waits for it; what fails is asked again at the next time.
pub(super) async fn keep_key_permissions(context: Arc<Context>) {
    let mut signals = context.signals.follow();
    signals.until(|signals| signals.modes_known).await;
    loop {
        // A failure is noted by the call itself.
        drop(read_key_permissions(&context).await);
        tokio::time::sleep(context.cadence.key_permissions).await;
    }
}

async fn read_key_permissions(context: &Context) -> Result<(), RestError> {
    let call = &calls::KEY_PERMISSIONS;
    let answer = context.rest.call(call, &[]).await?;
    let permissions = context.rest.read(call, &answer, key_permissions)?;
    context
        .outlet
        .deliver(Event::KeyPermissions(permissions))
        .await;
    Ok(())
}
