//! Tables that change seldom: trading rules and brackets.
//!
//! Owns: when they are read.
//! Must not know: what they are used for.

use std::sync::Arc;

use super::Note;
use super::context::Context;
use super::rest::{RestError, calls};
use super::translate::{brackets, exchange_info};
use super::truth::{Plan, keep};
use crate::mirror::event::{Event, Read};

/// Trading rules; public, so they come without a key too.
pub(super) async fn keep_rules(context: Arc<Context>) {
    let plan = Plan {
        salt: 5,
        after_stream: false,
        period: |context, _| context.cadence.rules,
        gap: context.cadence.table_gap,
        asked_for: |resync| resync.rules,
        signalled: |signals| signals.rules.wrapping_add(signals.woken),
    };
    keep(context, plan, read_rules).await;
}

async fn read_rules(context: Arc<Context>) -> Result<(), RestError> {
    let call = &calls::EXCHANGE_INFO;
    let answer = context.rest.call(call, &[]).await?;
    let info = context.rest.read(call, &answer, |body| {
        exchange_info(body, |detail| skipped(&context, call.path, detail))
    })?;
    if let Some(limit) = info.weight_limit {
        context.rest.learn_weight_limit(limit);
    }
    let rules = Read {
        asked: answer.asked,
        answered: answer.answered,
        value: info.rules,
    };
    context.outlet.deliver(Event::Rules(rules)).await;
    let thresholds = Event::AutoExchange(info.auto_exchange);
    context.outlet.deliver(thresholds).await;
    Ok(())
}

/// Brackets of all symbols as they hold for this account.
pub(super) async fn keep_brackets(context: Arc<Context>) {
    let plan = Plan {
        salt: 6,
        after_stream: false,
        period: |context, _| context.cadence.brackets,
        gap: context.cadence.table_gap,
        asked_for: |resync| resync.brackets,
        signalled: |signals| signals.brackets.wrapping_add(signals.woken),
    };
    keep(context, plan, read_brackets).await;
}

async fn read_brackets(context: Arc<Context>) -> Result<(), RestError> {
    let call = &calls::BRACKETS;
    let answer = context.rest.call(call, &[]).await?;
    let read = context.rest.read(call, &answer, |body| {
        brackets(body, |detail| skipped(&context, call.path, detail))
    })?;
    let coefficients = Event::BracketCoefficients(read.coefficients);
    context.outlet.deliver(coefficients).await;
    let table = Read {
        asked: answer.asked,
        answered: answer.answered,
        value: read.tables,
    };
    context.outlet.deliver(Event::Brackets(table)).await;
    Ok(())
}

fn skipped(context: &Context, path: &'static str, detail: String) {
    context.outlet.note(Note::RowSkipped { path, detail });
}
