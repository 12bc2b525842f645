//! Last prices and the best of the book, read on a timer.
//!
//! Owns: when and how they are read: never while nothing is held, ordered or asked about, and never
//! with request weight that other reads may need.
//! Must not know: what they are for. Nothing waits for them and nothing is lost without them: a read
//! that fails is noted by the call and tried again at its next time, not sooner.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::context::Context;
use super::rest::{Call, RestError, calls};
use super::translate::{WireError, best_prices, last_prices};
use super::truth::{Plan, keep};
use crate::margin::account::Symbol;
use crate::mirror::event::{Event, QuoteUpdate, Read};

/// Up to so many symbols are read one by one, more by asking for all at once.
///
/// One symbol weighs 1 + 2 and brings some 230 bytes, all of them 2 + 5 and some 140 kB (600 rows of 62
/// and 170 bytes). By weight alone all are cheaper from the third symbol on; every 10 s they would
/// bring 1.2 GB a day. Eight weigh 24, which is 144 of the 1,200 a minute that are ours.
///
/// Source: binance-api §4.1 for weights, the samples of §4.2 for sizes.
const SINGLES_MAX: usize = 8;

/// While nothing matters nothing is read; this long after, it is looked again.
const NEVER: Duration = Duration::from_secs(24 * 3_600);

/// Keeps the quotes of the symbols that matter.
pub(super) async fn keep_quotes(context: Arc<Context>) {
    let plan = Plan {
        salt: 7,
        after_stream: false,
        period: |context, demand| {
            if demand.quoted.is_empty() {
                NEVER
            } else {
                context.cadence.quotes
            }
        },
        gap: context.cadence.quotes_gap,
        asked_for: |resync| resync.quotes,
        signalled: |signals| signals.woken,
    };
    keep(context, plan, read_quotes).await;
}

async fn read_quotes(context: Arc<Context>) -> Result<(), RestError> {
    let wanted = context.demand.follow().look(|demand| demand.quoted.clone());
    if wanted.is_empty() {
        return Ok(());
    }
    if wanted.len() > SINGLES_MAX {
        read_both(
            &context,
            [&calls::LAST_OF_ALL, &calls::BEST_OF_ALL],
            None,
            &wanted,
        )
        .await;
        return Ok(());
    }
    for symbol in &wanted {
        read_both(
            &context,
            [&calls::LAST_OF_ONE, &calls::BEST_OF_ONE],
            Some(symbol),
            &wanted,
        )
        .await;
    }
    Ok(())
}

/// Reads the last price and the best of the book, each by itself: what one of them says is worth
/// knowing without the other.
async fn read_both(
    context: &Context,
    [last, best]: [&'static Call; 2],
    symbol: Option<&Symbol>,
    wanted: &BTreeSet<Symbol>,
) {
    let is_wanted = |name: &str| wanted.contains(name);
    tokio::join!(
        read(context, last, symbol, |body| last_prices(body, is_wanted)),
        read(context, best, symbol, |body| best_prices(body, is_wanted)),
    );
}

async fn read(
    context: &Context,
    call: &'static Call,
    symbol: Option<&Symbol>,
    read: impl FnOnce(&[u8]) -> Result<Vec<QuoteUpdate>, WireError>,
) {
    let rest = &context.rest;
    if !rest.has_spare(call.weight) {
        return;
    }
    let parameters = symbol.map(|symbol| ("symbol", symbol.as_str()));
    let Ok(answer) = rest.call(call, parameters.as_slice()).await else {
        return;
    };
    if let Ok(value) = rest.read(call, &answer, read) {
        let (asked, answered) = (answer.asked, answer.answered);
        let quotes = Read {
            asked,
            answered,
            value,
        };
        context.outlet.deliver(Event::Quotes(quotes)).await;
    }
}
