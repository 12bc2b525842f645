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
    /// Where a held symbol stands in `oldest`.
    placed: Vec<Option<(Asset, i64)>>,
    /// Held symbols by event time, per pool: a check looks at the first only.
    oldest: BTreeMap<Asset, BTreeSet<(i64, SymbolId)>>,
    /// Marks that were older than the one already known.
    pub(super) ignored: u64,
}

/// The event time of a held symbol that has no mark at all: older than any.
const NEVER_MS: i64 = i64::MIN;

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

    /// Puts a symbol in its place among the held ones of its pool, or takes it out.
    pub fn place(&mut self, id: SymbolId, pool: Option<&Asset>) {
        let event_ms = self
            .meta(id)
            .filter(|meta| meta.known)
            .map_or(NEVER_MS, |m| m.event_ms);
        let slot = slot(&mut self.placed, id);
        let wanted = pool.map(|asset| (asset, event_ms));
        if slot.as_ref().map(|(asset, ms)| (asset, *ms)) == wanted {
            return;
        }
        if let Some((asset, ms)) = slot.take()
            && let Some(held) = self.oldest.get_mut(&asset)
        {
            held.remove(&(ms, id));
        }
        if let Some((asset, ms)) = wanted {
            *slot = Some((asset.clone(), ms));
            match self.oldest.get_mut(asset) {
                Some(held) => {
                    held.insert((ms, id));
                }
                None => {
                    self.oldest
                        .insert(asset.clone(), BTreeSet::from([(ms, id)]));
                }
            }
        }
    }

    /// The held symbol of a pool whose mark is oldest, with its event time; `None` for the time
    /// when it never had one.
    #[must_use]
    pub fn oldest_of(&self, pool: &Asset) -> Option<(SymbolId, Option<i64>)> {
        let (ms, id) = self.oldest.get(pool)?.first()?;
        Some((*id, (*ms != NEVER_MS).then_some(*ms)))
    }

    /// The held symbol of any pool whose mark is oldest.
    #[must_use]
    pub fn oldest(&self) -> Option<(SymbolId, Option<i64>)> {
        let first = self.oldest.values().filter_map(BTreeSet::first).min()?;
        Some((first.1, (first.0 != NEVER_MS).then_some(first.0)))
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
