//! Working orders of both books, told by events and by whole reads.
//!
//! Owns: what an order event changes, the sums of what rests, promises that are kept.
//! Must not know: what a position is worth.

use super::super::event::{
    AlgoStatus, AlgoUpdate, OrderOrigin, OrderStatus, OrderUpdate, OrdersTruth, Read,
};
use super::super::fills::Fill;
use super::super::plane::Reading;
use super::super::{Change, Mirror, Notice};
use crate::clock::Now;
use crate::margin::account::Symbol;
use crate::margin::amount::{Price, Quantity};

impl Mirror {
    pub(in crate::mirror) fn order_update(
        &mut self,
        update: &OrderUpdate,
        now: Now,
        change: &mut Change,
    ) {
        let unheard = self.orders.get(update.order.id).is_none();
        let Some(newly_filled) = self.orders.apply(update, now) else {
            return;
        };
        change.account = true;
        self.note_fill(update, newly_filled, now);
        let quantity = update
            .order
            .remaining
            .plus(update.filled)
            .unwrap_or(update.order.remaining);
        let promised = self.reservations.settle(&update.order, quantity).is_some();
        self.sum_orders(&update.order.symbol);
        match update.origin {
            OrderOrigin::Client => {
                // One that filled at once is as unguarded as one that still works.
                let took_effect = update.status != OrderStatus::Gone;
                if unheard && took_effect && !promised && !update.order.only_reduces() {
                    change
                        .notices
                        .push(Notice::Unguarded(Box::new(update.order.clone())));
                }
            }
            origin => {
                change.wanted.account = true;
                change.wanted.orders = true;
                let symbol = update.order.symbol.clone();
                self.doubts
                    .note_forced(&symbol, origin, update.order.id, now);
                change.notices.push(Notice::Forced { symbol, origin });
            }
        }
    }

    /// What an order filled goes on counting until its position is told, which may be before or
    /// after: the exchange promises an order only among events of one type.
    ///
    /// Source: faults.md E04.
    pub(in crate::mirror) fn note_fill(
        &mut self,
        update: &OrderUpdate,
        quantity: Quantity,
        now: Now,
    ) {
        let order = &update.order;
        let key = (order.symbol.clone(), order.position_side);
        let is_told = self
            .positions
            .get(&key)
            .is_some_and(|known| known.transaction_ms >= update.transaction_ms);
        if quantity.is_zero() || is_told {
            return;
        }
        let mark = self
            .book
            .state(order.symbol.as_str())
            .and_then(|state| state.mark);
        let limit = order.kind.limit_price();
        let price = limit.or(mark.map(|mark| mark.price()));
        let fill = Fill {
            symbol: order.symbol.clone(),
            side: order.side,
            position_side: order.position_side,
            only_reduces: order.only_reduces(),
            quantity,
            price: price.unwrap_or(Price::ZERO),
            transaction_ms: update.transaction_ms,
            told: now,
        };
        if self.orders.fills_mut().note(fill).is_err() {
            self.orders_unsummable = Some(order.symbol.clone());
        }
    }

    pub(in crate::mirror) fn algo_update(
        &mut self,
        update: &AlgoUpdate,
        now: Now,
        change: &mut Change,
    ) {
        let unheard = self.orders.get(update.order.id).is_none();
        if !self.orders.apply_algo(update, now) {
            return;
        }
        change.account = true;
        let promised = self
            .reservations
            .settle(&update.order, update.order.remaining)
            .is_some();
        self.sum_orders(&update.order.symbol);
        match update.status {
            AlgoStatus::Waiting if unheard && !promised && !update.order.only_reduces() => {
                change
                    .notices
                    .push(Notice::Unguarded(Box::new(update.order.clone())));
            }
            AlgoStatus::Refused => {
                let refusal = update.refusal.clone().unwrap_or_default();
                let order = Box::new(update.order.clone());
                change
                    .notices
                    .push(Notice::ProtectionLost { order, refusal });
            }
            AlgoStatus::Waiting | AlgoStatus::Triggered | AlgoStatus::Gone => {}
        }
    }

    /// Sums what the orders of a symbol could open, and hands it to the book.
    pub(in crate::mirror) fn sum_orders(&mut self, symbol: &Symbol) {
        let id = self.intern(symbol);
        match self
            .orders
            .resting(symbol.as_str(), self.book.position_mode())
        {
            Ok(resting) => {
                let known = self.book.state(symbol.as_str()).map(|state| state.resting);
                if known != Some(resting) {
                    self.book.change(id, |state| state.resting = resting);
                }
                if self.orders_unsummable.as_ref() == Some(symbol) {
                    self.orders_unsummable = None;
                }
            }
            Err(_) => self.orders_unsummable = Some(symbol.clone()),
        }
    }

    pub(in crate::mirror) fn orders_truth(
        &mut self,
        read: &Read<OrdersTruth>,
        now: Now,
        change: &mut Change,
    ) {
        let known_before = self.readings.orders.is_some();
        let difference = self.orders.replace(&read.value.orders, read.asked, now);
        for symbol in &difference.symbols {
            self.sum_orders(symbol);
        }
        for order in &difference.unheard {
            // An order that was read before its event came may be one that was promised room.
            self.reservations.settle(order, order.remaining);
        }
        change.account |= !difference.symbols.is_empty();
        if known_before && !difference.is_empty() && self.readings_follow_connection() {
            self.counters.drifts = self.counters.drifts.saturating_add(1);
            change.wanted.account = true;
            change.notices.push(Notice::OrdersDrifted {
                unheard: difference.unheard.len(),
                vanished: difference.vanished.len(),
            });
        }
        self.readings.orders = Some(Reading { asked: read.asked });
        self.after_whole_read(now, change);
    }

    /// The order books had been read on this connection before: events should have told the rest.
    pub(in crate::mirror) fn readings_follow_connection(&self) -> bool {
        let since = self.complete_since_us();
        self.readings
            .orders
            .is_some_and(|reading| reading.asked.boot_us >= since)
    }
}
