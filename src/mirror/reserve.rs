//! Reservations: room promised to orders that were allowed and have not been seen yet.
//!
//! Owns: which promises are open, how an order on the stream is recognised as one of them, and
//! when a promise lapses.
//! Must not know: how a verdict came about, the account.
//!
//! Two checks against one shared balance can each be right alone and wrong together; between the
//! answer and the order's appearance on the stream, the room is taken.

use crate::clock::Now;
use crate::margin::account::Symbol;
use crate::margin::amount::Quantity;
use crate::margin::order::{OpenOrder, OrderIntent};

/// How long room is kept for an order that never shows up, in milliseconds.
pub const RESERVATION_MS: i64 = 30_000;

/// Most open promises: beyond it nothing more is promised.
pub const RESERVATIONS_MAX: usize = 1_000;

/// One promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reservation {
    /// The decision that made it.
    pub decision_id: String,
    /// The order it was made for.
    pub intent: OrderIntent,
    /// When it was made.
    pub made: Now,
    /// Sent, and nobody knows whether it arrived: kept until the stream or a query settles it.
    pub outcome_unknown: bool,
}

/// All open promises, oldest first.
#[derive(Debug, Clone, Default)]
pub struct Reservations {
    open: Vec<Reservation>,
}

impl Reservations {
    /// The open promises.
    pub fn iter(&self) -> impl Iterator<Item = &Reservation> {
        self.open.iter()
    }

    /// The open promises of one symbol.
    pub fn of<'a>(&'a self, symbol: &'a Symbol) -> impl Iterator<Item = &'a Reservation> {
        self.open
            .iter()
            .filter(move |reservation| reservation.intent.symbol == *symbol)
    }

    /// How many are open.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.open.len()
    }

    /// True when none is open.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// True when no further promise can be kept track of.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.open.len() >= RESERVATIONS_MAX
    }

    /// Keeps room for an order.
    pub fn make(&mut self, reservation: Reservation) {
        self.open.push(reservation);
    }

    /// Gives the room back: the orders of this decision were refused or never sent.
    pub fn release(&mut self, decision_id: &str) {
        self.open.retain(|open| open.decision_id != decision_id);
    }

    /// The outcome of this decision's orders is not known: their room is kept beyond the usual
    /// time.
    pub fn keep(&mut self, decision_id: &str) {
        for open in &mut self.open {
            if open.decision_id == decision_id {
                open.outcome_unknown = true;
            }
        }
    }

    /// Recognises an order of the stream as one that was promised room, and ends the promise.
    pub fn settle(&mut self, order: &OpenOrder, quantity: Quantity) -> Option<Reservation> {
        let named = self
            .open
            .iter()
            .position(|open| is_named(&open.intent, order));
        let index = named.or_else(|| {
            self.open.iter().position(|open| {
                open.intent.client_order_id.is_none() && is_alike(&open.intent, order, quantity)
            })
        })?;
        Some(self.open.remove(index))
    }

    /// Takes out what lapsed.
    pub fn expire(&mut self, now: Now) -> Vec<Reservation> {
        let (kept, lapsed) = std::mem::take(&mut self.open)
            .into_iter()
            .partition(|open| open.outcome_unknown || now.since_ms(open.made) < RESERVATION_MS);
        self.open = kept;
        lapsed
    }
}

fn is_named(intent: &OrderIntent, order: &OpenOrder) -> bool {
    let named = intent.client_order_id.as_deref();
    named.is_some_and(|name| name == order.client_order_id) && intent.symbol == order.symbol
}

fn is_alike(intent: &OrderIntent, order: &OpenOrder, quantity: Quantity) -> bool {
    intent.symbol == order.symbol
        && intent.side == order.side
        && intent.position_side == order.position_side
        && intent.quantity.is_none_or(|wanted| wanted == quantity)
        && intent.kind.limit_price() == order.kind.limit_price()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::margin::account::{PositionSide, Side};
    use crate::margin::amount::Price;
    use crate::margin::order::{OrderId, OrderKind, TriggerBy};

    fn now(ms: i64) -> Now {
        Now {
            boot_us: ms * 1_000,
            monotonic_us: ms * 1_000,
            wall_ms: ms,
        }
    }

    fn intent(name: Option<&str>, quantity: &str) -> OrderIntent {
        OrderIntent {
            symbol: Symbol::new("BTCUSDT").unwrap(),
            side: Side::Buy,
            position_side: PositionSide::Both,
            kind: OrderKind::Limit {
                price: Price::parse("60000").unwrap(),
            },
            quantity: Some(Quantity::parse(quantity).unwrap()),
            reduce_only: false,
            close_position: false,
            client_order_id: name.map(str::to_owned),
        }
    }

    fn order(name: &str, quantity: &str) -> OpenOrder {
        let intent = intent(None, quantity);
        OpenOrder {
            id: OrderId::Order(1),
            client_order_id: name.to_owned(),
            symbol: intent.symbol,
            side: intent.side,
            position_side: intent.position_side,
            kind: intent.kind,
            remaining: intent.quantity.unwrap(),
            reduce_only: false,
            close_position: false,
            trigger_by: TriggerBy::Last,
            price_protect: false,
        }
    }

    fn promised(id: &str, name: Option<&str>, quantity: &str, ms: i64) -> Reservation {
        Reservation {
            decision_id: id.to_owned(),
            intent: intent(name, quantity),
            made: now(ms),
            outcome_unknown: false,
        }
    }

    #[test]
    fn an_order_is_recognised_by_its_name_before_its_looks() {
        let mut open = Reservations::default();
        open.make(promised("unnamed", None, "1", 0));
        open.make(promised("named", Some("mine"), "1", 0));
        let quantity = Quantity::parse("1").unwrap();
        assert_eq!(
            open.settle(&order("mine", "1"), quantity)
                .unwrap()
                .decision_id,
            "named"
        );
        assert_eq!(
            open.settle(&order("other", "1"), quantity)
                .unwrap()
                .decision_id,
            "unnamed"
        );
        assert!(open.settle(&order("other", "1"), quantity).is_none());
    }

    #[test]
    fn a_named_promise_is_not_ended_by_a_stranger_that_looks_alike() {
        let mut open = Reservations::default();
        open.make(promised("named", Some("mine"), "1", 0));
        assert!(
            open.settle(&order("other", "1"), Quantity::parse("1").unwrap())
                .is_none()
        );
    }

    #[test]
    fn a_promise_lapses_unless_its_outcome_is_unknown() {
        let mut open = Reservations::default();
        open.make(promised("lapses", None, "1", 0));
        open.make(promised("kept", None, "2", 0));
        open.keep("kept");
        assert!(open.expire(now(RESERVATION_MS - 1)).is_empty());
        let lapsed = open.expire(now(RESERVATION_MS));
        assert_eq!(lapsed.len(), 1);
        assert_eq!(lapsed[0].decision_id, "lapses");
        assert_eq!(open.len(), 1);
    }
}
