//! Last prices and the best of the book, with their ages.
//!
//! Owns: what was read of each contract's market beside its mark, and when it is too old to be used.
//! Must not know: what an order costs. No plane rests on this and nothing waits for it: what is
//! absent here is counted by the mark.

use std::collections::BTreeMap;

use super::event::{Quote, QuoteUpdate, Read};
use crate::clock::Now;
use crate::margin::account::{Quotes, Symbol};
use crate::margin::amount::Price;

/// A quote that was asked for longer ago is not used any more: three reads of 10 s went missing. It
/// could only make an order dearer, but a price of before a fall would refuse orders for no reason.
pub const AGE_MAX_MS: i64 = 30_000;

/// What is known of each contract.
#[derive(Debug, Clone, Default)]
pub(super) struct QuoteBook {
    known: BTreeMap<Symbol, Known>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Known {
    last: Option<Told<Option<Price>>>,
    best: Option<Told<(Option<Price>, Option<Price>)>>,
}

/// A value and when it was asked for.
#[derive(Debug, Clone, Copy)]
struct Told<T> {
    value: T,
    asked: Now,
}

impl<T: Copy> Told<T> {
    /// What the newer of two reads said: an answer that was long on its way changes nothing.
    fn replace(known: &mut Option<Self>, value: T, asked: Now) {
        if known.is_none_or(|known| asked.boot_us >= known.asked.boot_us) {
            *known = Some(Self { value, asked });
        }
    }

    fn fresh(self, now: Now) -> Option<T> {
        let age_ms = now.since_ms(self.asked);
        (age_ms <= AGE_MAX_MS).then_some(self.value)
    }
}

impl Known {
    fn is_fresh(&self, now: Now) -> bool {
        let last = self.last.and_then(|last| last.fresh(now)).is_some();
        last || self.best.and_then(|best| best.fresh(now)).is_some()
    }
}

impl QuoteBook {
    /// Takes a read; what is too old meanwhile is forgotten.
    pub(super) fn take(&mut self, read: Read<Vec<QuoteUpdate>>, now: Now) {
        self.known.retain(|_, known| known.is_fresh(now));
        for QuoteUpdate { symbol, quote } in read.value {
            let known = self.known.entry(symbol).or_default();
            match quote {
                Quote::Last(last) => Told::replace(&mut known.last, last, read.asked),
                Quote::Best { bid, ask } => {
                    Told::replace(&mut known.best, (bid, ask), read.asked);
                }
            }
        }
    }

    /// What may be used of a contract at this moment.
    pub(super) fn at(&self, symbol: &Symbol, now: Now) -> Quotes {
        let Some(known) = self.known.get(symbol) else {
            return Quotes::default();
        };
        let best = known.best.and_then(|best| best.fresh(now));
        let (best_bid, best_ask) = best.unwrap_or((None, None));
        Quotes {
            last: known.last.and_then(|last| last.fresh(now)).flatten(),
            best_bid,
            best_ask,
        }
    }
}
