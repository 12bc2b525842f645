//! The orders that work at the exchange: both its books.
//!
//! Owns: which orders are alive, told by events and by whole reads, whichever is newer for each
//! order; the sums of what they could open, fills whose position was not told yet included.
//! Must not know: positions, prices of the market, freshness.

use std::collections::{BTreeMap, BTreeSet};

use super::event::{AlgoStatus, AlgoUpdate, OrderStatus, OrderUpdate};
use super::fills::Fills;
use crate::clock::Now;
use crate::margin::account::{PositionMode, PositionSide, RestingTotals, Side, Symbol};
use crate::margin::amount::{ArithmeticError, Price, Quantity};
use crate::margin::order::{OpenOrder, OrderId};

/// Orders that were gone lately, remembered so that a slow read does not bring them back.
const TOMBSTONES_MAX: usize = 10_000;

/// How long a gone order is remembered, in milliseconds.
const TOMBSTONE_MS: i64 = 5 * 60_000;

/// What the last event of an order was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Stamp {
    transaction_ms: i64,
    filled: Quantity,
    event_ms: i64,
}

#[derive(Debug, Clone)]
struct Working {
    order: OpenOrder,
    stamp: Option<Stamp>,
    received: Now,
}

#[derive(Debug, Clone, Copy)]
struct Tombstone {
    stamp: Stamp,
    received: Now,
}

/// Both order books.
#[derive(Debug, Clone, Default)]
pub struct Orders {
    working: BTreeMap<OrderId, Working>,
    of_symbol: BTreeMap<Symbol, BTreeSet<OrderId>>,
    gone: BTreeMap<OrderId, Tombstone>,
    /// Filled, and the position was not told yet.
    fills: Fills,
    /// Events that were older than what is known, or seen before.
    pub(super) ignored: u64,
}

/// What a whole read found that events had not told.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OrdersDifference {
    /// Orders of which no event told.
    pub unheard: Vec<OpenOrder>,
    /// Orders that were gone without an event.
    pub vanished: Vec<OpenOrder>,
    /// Symbols whose orders changed.
    pub symbols: BTreeSet<Symbol>,
}

impl OrdersDifference {
    /// True when events had told everything.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.unheard.is_empty() && self.vanished.is_empty()
    }
}

impl Orders {
    /// Every working order, by id.
    pub fn iter(&self) -> impl Iterator<Item = &OpenOrder> {
        self.working.values().map(|working| &working.order)
    }

    /// The working orders of one symbol.
    pub fn of(&self, symbol: &str) -> impl Iterator<Item = &OpenOrder> {
        let ids = self.of_symbol.get(symbol).into_iter().flatten();
        ids.filter_map(|id| self.working.get(id))
            .map(|working| &working.order)
    }

    /// One working order.
    #[must_use]
    pub fn get(&self, id: OrderId) -> Option<&OpenOrder> {
        self.working.get(&id).map(|working| &working.order)
    }

    /// How many orders work.
    #[must_use]
    pub fn len(&self) -> usize {
        self.working.len()
    }

    /// True when none works.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.working.is_empty()
    }

    /// Fills whose position was not told yet.
    pub(super) const fn fills_mut(&mut self) -> &mut Fills {
        &mut self.fills
    }

    /// Takes an event of the ordinary book and gives what newly filled; `None` when it is older
    /// than what is known.
    pub fn apply(&mut self, update: &OrderUpdate, now: Now) -> Option<Quantity> {
        let stamp = Stamp {
            transaction_ms: update.transaction_ms,
            filled: update.filled,
            event_ms: update.event_ms,
        };
        let alive = update.status == OrderStatus::Working;
        let before = self.get(update.order.id).map(|order| order.remaining);
        if !self.take(update.order.clone(), stamp, alive, now) {
            return None;
        }
        let newly = match before {
            Some(before) => before.minus(update.order.remaining).unwrap_or(before),
            None => update.filled,
        };
        Some(newly.max(Quantity::ZERO))
    }

    /// Takes an event of the conditional book; false when it is older than what is known.
    pub fn apply_algo(&mut self, update: &AlgoUpdate, now: Now) -> bool {
        let stamp = Stamp {
            transaction_ms: update.transaction_ms,
            filled: Quantity::ZERO,
            event_ms: update.event_ms,
        };
        // Once triggered and placed, the ordinary book tells what becomes of it.
        let placed = update.status == AlgoStatus::Triggered && update.became.is_some();
        let alive = match update.status {
            AlgoStatus::Waiting => true,
            AlgoStatus::Triggered => !placed,
            AlgoStatus::Gone | AlgoStatus::Refused => false,
        };
        self.take(update.order.clone(), stamp, alive, now)
    }

    fn take(&mut self, order: OpenOrder, stamp: Stamp, alive: bool, now: Now) -> bool {
        let id = order.id;
        let known = self.working.get(&id).and_then(|working| working.stamp);
        let buried = self.gone.get(&id).map(|tombstone| tombstone.stamp);
        if known.is_some_and(|known| stamp < known) || buried.is_some_and(|buried| stamp <= buried)
        {
            self.ignored = self.ignored.saturating_add(1);
            return false;
        }
        if alive {
            self.insert(order, Some(stamp), now);
        } else {
            self.remove(id);
            self.bury(
                id,
                Tombstone {
                    stamp,
                    received: now,
                },
            );
        }
        true
    }

    fn insert(&mut self, order: OpenOrder, stamp: Option<Stamp>, received: Now) {
        self.of_symbol
            .entry(order.symbol.clone())
            .or_default()
            .insert(order.id);
        self.working.insert(
            order.id,
            Working {
                order,
                stamp,
                received,
            },
        );
    }

    fn remove(&mut self, id: OrderId) -> Option<OpenOrder> {
        let working = self.working.remove(&id)?;
        if let Some(ids) = self.of_symbol.get_mut(&working.order.symbol) {
            ids.remove(&id);
            if ids.is_empty() {
                self.of_symbol.remove(&working.order.symbol);
            }
        }
        Some(working.order)
    }

    fn bury(&mut self, id: OrderId, tombstone: Tombstone) {
        self.gone.insert(id, tombstone);
        if self.gone.len() > TOMBSTONES_MAX {
            let now = tombstone.received;
            self.gone
                .retain(|_, old| now.since_ms(old.received) < TOMBSTONE_MS);
            while self.gone.len() > TOMBSTONES_MAX {
                self.gone.pop_first();
            }
        }
    }

    /// Takes a whole read that was asked for at `asked`: it wins for every order whose last event
    /// came before that moment.
    pub fn replace(&mut self, orders: &[OpenOrder], asked: Now, now: Now) -> OrdersDifference {
        let mut difference = OrdersDifference::default();
        let told: BTreeSet<OrderId> = orders.iter().map(|order| order.id).collect();
        let silent: Vec<OrderId> = self
            .working
            .iter()
            .filter(|(id, working)| !told.contains(id) && working.received <= asked)
            .map(|(id, _)| *id)
            .collect();
        for id in silent {
            if let Some(order) = self.remove(id) {
                difference.symbols.insert(order.symbol.clone());
                difference.vanished.push(order);
            }
        }
        for order in orders {
            self.take_read(order, asked, now, &mut difference);
        }
        difference
    }

    fn take_read(
        &mut self,
        order: &OpenOrder,
        asked: Now,
        now: Now,
        difference: &mut OrdersDifference,
    ) {
        if self
            .gone
            .get(&order.id)
            .is_some_and(|buried| now.since_ms(buried.received) < TOMBSTONE_MS)
        {
            return;
        }
        match self.working.get(&order.id) {
            Some(known) if known.received > asked || known.order == *order => {}
            Some(known) => {
                let stamp = known.stamp;
                difference.symbols.insert(order.symbol.clone());
                self.insert(order.clone(), stamp, now);
            }
            None => {
                difference.symbols.insert(order.symbol.clone());
                difference.unheard.push(order.clone());
                self.insert(order.clone(), None, now);
            }
        }
    }

    /// What the ordinary orders of a symbol could open, or have filled without their position
    /// having been told. Conditional orders reserve nothing until they fire.
    ///
    /// # Errors
    /// [`ArithmeticError`] when a sum needs more than 28 digits.
    pub fn resting(
        &self,
        symbol: &str,
        mode: PositionMode,
    ) -> Result<RestingTotals, ArithmeticError> {
        let mut totals = RestingTotals::default();
        for order in self.of(symbol) {
            if order.only_reduces()
                || order.kind.is_conditional()
                || !counts_in(order.position_side, mode)
            {
                continue;
            }
            let price = order.kind.limit_price().unwrap_or(Price::ZERO);
            add(&mut totals, order.side, price, order.remaining)?;
        }
        for fill in self.fills.of(symbol) {
            if !fill.only_reduces && counts_in(fill.position_side, mode) {
                add(&mut totals, fill.side, fill.price, fill.quantity)?;
            }
        }
        Ok(totals)
    }

    /// How much the orders of one side could take from (or add to) a position if all of them
    /// filled, conditional ones included, and what has filled and was not taken from it yet; `None` when a close-position order makes that everything.
    ///
    /// # Errors
    /// [`ArithmeticError`] when a sum needs more than 28 digits.
    pub fn quantity_on(
        &self,
        symbol: &str,
        side: Side,
        position_side: PositionSide,
    ) -> Result<Option<Quantity>, ArithmeticError> {
        let mut sum = Quantity::ZERO;
        for order in self.of(symbol) {
            if order.side != side || order.position_side != position_side {
                continue;
            }
            if order.close_position {
                return Ok(None);
            }
            sum = sum.plus(order.remaining)?;
        }
        for fill in self.fills.of(symbol) {
            if fill.side == side && fill.position_side == position_side {
                sum = sum.plus(fill.quantity)?;
            }
        }
        Ok(Some(sum))
    }
}

/// Orders of the other position mode are left over from a switch and cannot fill.
const fn counts_in(position_side: PositionSide, mode: PositionMode) -> bool {
    match mode {
        PositionMode::OneWay => matches!(position_side, PositionSide::Both),
        PositionMode::Hedge => !matches!(position_side, PositionSide::Both),
    }
}

fn add(
    totals: &mut RestingTotals,
    side: Side,
    price: Price,
    quantity: Quantity,
) -> Result<(), ArithmeticError> {
    let notional = price.times(quantity)?;
    let (notionals, quantities) = match side {
        Side::Buy => (&mut totals.buy_notional, &mut totals.buy_quantity),
        Side::Sell => (&mut totals.sell_notional, &mut totals.sell_quantity),
    };
    *notionals = notionals.plus(notional)?;
    *quantities = quantities.plus(quantity)?;
    Ok(())
}
