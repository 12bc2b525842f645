//! When each mark price was last told.
//!
//! Owns: event times of marks and, per pool, the oldest of those that matter.
//! Must not know: what a mark is worth; the book holds the prices.

use std::collections::{BTreeMap, BTreeSet};

use super::event::MarkUpdate;
use crate::clock::Now;
use crate::margin::account::Asset;
use crate::margin::amount::Rate;
use crate::margin::pool::SymbolId;

/// What came with the last mark of a symbol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MarkMeta {
    /// The exchange's event time.
    pub event_ms: i64,
    /// When it was received.
    pub received: Now,
    /// It carried a price; zero on the wire means it did not.
    pub known: bool,
    /// Rate of the next funding.
    pub funding_rate: Option<Rate>,
    /// When the next funding settles.
    pub next_funding_ms: Option<i64>,
}

/// Ages of all marks.
#[derive(Debug, Clone, Default)]
pub struct Marks {
    metas: Vec<Option<MarkMeta>>,
    /// The pool in which a symbol is held.
    placed: Vec<Option<Asset>>,
    /// Held symbols, per pool.
    held: BTreeMap<Asset, BTreeSet<SymbolId>>,
    /// Marks that were older than the one already known.
    pub(super) ignored: u64,
}

impl Marks {
    /// What came with the last mark of a symbol.
    #[must_use]
    pub fn meta(&self, id: SymbolId) -> Option<&MarkMeta> {
        self.metas.get(id.index()).and_then(Option::as_ref)
    }

    /// Takes a mark; false when a newer one is already known.
    pub fn take(&mut self, id: SymbolId, update: &MarkUpdate, received: Now) -> bool {
        let slot = slot(&mut self.metas, id);
        if slot.is_some_and(|known| known.event_ms > update.event_ms) {
            self.ignored = self.ignored.saturating_add(1);
            return false;
        }
        *slot = Some(MarkMeta {
            event_ms: update.event_ms,
            received,
            known: update.mark.is_some(),
            funding_rate: update.funding_rate,
            next_funding_ms: update.next_funding_ms,
        });
        true
    }

    /// Puts a symbol among the held ones of its pool, or takes it out.
    pub fn place(&mut self, id: SymbolId, pool: Option<&Asset>) {
        let slot = slot(&mut self.placed, id);
        if slot.as_ref() == pool {
            return;
        }
        if let Some(asset) = slot.take()
            && let Some(held) = self.held.get_mut(&asset)
        {
            held.remove(&id);
        }
        if let Some(asset) = pool {
            *slot = Some(asset.clone());
            self.held.entry(asset.clone()).or_default().insert(id);
        }
    }

    /// The held symbol of a pool whose mark is oldest, with its event time; `None` for the time
    /// when it never had one.
    #[must_use]
    pub fn oldest_of(&self, pool: &Asset) -> Option<(SymbolId, Option<i64>)> {
        let held = self.held.get(pool)?;
        held.iter()
            .map(|id| (*id, self.event_ms(*id)))
            .min_by_key(|(_, event_ms)| *event_ms)
    }

    /// The held symbol of any pool whose mark is oldest.
    #[must_use]
    pub fn oldest(&self) -> Option<(SymbolId, Option<i64>)> {
        let pools = self.held.keys();
        pools
            .filter_map(|pool| self.oldest_of(pool))
            .min_by_key(|(_, event_ms)| *event_ms)
    }

    /// Event time of a mark that carried a price; `None` sorts before any.
    fn event_ms(&self, id: SymbolId) -> Option<i64> {
        self.meta(id)
            .filter(|meta| meta.known)
            .map(|meta| meta.event_ms)
    }
}

fn slot<T>(table: &mut Vec<Option<T>>, id: SymbolId) -> &mut Option<T> {
    let index = id.index();
    if table.len() <= index {
        table.resize_with(index.saturating_add(1), || None);
    }
    // Just made long enough.
    &mut table[index]
}
