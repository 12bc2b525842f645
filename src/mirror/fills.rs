//! Fills that the order events told and the position events not yet.
//!
//! Owns: the quantities that are in neither book nor position for a moment, so that they go on
//! counting as resting: of the two readings the riskier.
//! Must not know: positions; whoever applies them says when one was told.

use std::collections::BTreeSet;

use crate::clock::Now;
use crate::margin::account::{PositionSide, Side, Symbol};
use crate::margin::amount::{ArithmeticError, Price, Quantity};

/// Reads that may know nothing of a fill before they are believed.
const UNKNOWING_READS_MAX: u8 = 3;

/// Most fills that are kept apart; beyond it they are added up.
const FILLS_MAX: usize = 1_000;

/// What an order filled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fill {
    /// Contract.
    pub symbol: Symbol,
    /// The order's direction.
    pub side: Side,
    /// Which leg it goes to.
    pub position_side: PositionSide,
    /// Its order could only reduce.
    pub only_reduces: bool,
    /// How much of it filled.
    pub quantity: Quantity,
    /// At about this price: the order's limit, or the mark.
    pub price: Price,
    /// The exchange's time of it: the position's event carries the same.
    pub transaction_ms: i64,
    /// When it was told.
    pub told: Now,
}

#[derive(Debug, Clone)]
struct Waiting {
    fill: Fill,
    unknowing_reads: u8,
}

/// The fills whose position was not told yet.
#[derive(Debug, Clone, Default)]
pub struct Fills {
    waiting: Vec<Waiting>,
}

impl Fills {
    /// The fills of one symbol.
    pub fn of<'a>(&'a self, symbol: &'a str) -> impl Iterator<Item = &'a Fill> {
        self.waiting
            .iter()
            .map(|waiting| &waiting.fill)
            .filter(move |fill| fill.symbol.as_str() == symbol)
    }

    /// Keeps a fill until its position is told.
    ///
    /// # Errors
    /// [`ArithmeticError`] when there are so many that they are added up, and the sum needs more
    /// than 28 digits.
    pub fn note(&mut self, fill: Fill) -> Result<(), ArithmeticError> {
        let is_full = self.waiting.len() >= FILLS_MAX;
        let alike = self.waiting.iter_mut().find(|waiting| {
            let known = &waiting.fill;
            is_full
                && known.symbol == fill.symbol
                && known.side == fill.side
                && known.position_side == fill.position_side
                && known.only_reduces == fill.only_reduces
        });
        match alike {
            Some(waiting) => {
                let quantity = waiting.fill.quantity.plus(fill.quantity)?;
                waiting.fill = Fill { quantity, ..fill };
                waiting.unknowing_reads = 0;
            }
            None => self.waiting.push(Waiting {
                fill,
                unknowing_reads: 0,
            }),
        }
        Ok(())
    }

    /// A position was told as of this time; true when that ended a wait.
    pub fn settle(
        &mut self,
        symbol: &Symbol,
        position_side: PositionSide,
        transaction_ms: i64,
    ) -> bool {
        let before = self.waiting.len();
        self.waiting.retain(|Waiting { fill, .. }| {
            fill.symbol != *symbol
                || fill.position_side != position_side
                || fill.transaction_ms > transaction_ms
        });
        self.waiting.len() != before
    }

    /// A whole read of positions that was asked for at `asked` says when each last changed. Gives
    /// the symbols whose wait ended.
    pub fn settle_by_read(
        &mut self,
        asked: Now,
        updated_ms: impl Fn(&Symbol, PositionSide) -> Option<i64>,
    ) -> BTreeSet<Symbol> {
        let mut settled = BTreeSet::new();
        self.waiting.retain_mut(|waiting| {
            let fill = &waiting.fill;
            let is_known = updated_ms(&fill.symbol, fill.position_side)
                .is_some_and(|updated_ms| updated_ms >= fill.transaction_ms);
            if !is_known && asked.boot_us <= fill.told.boot_us {
                return true;
            }
            waiting.unknowing_reads = waiting.unknowing_reads.saturating_add(1);
            let is_over = is_known || waiting.unknowing_reads >= UNKNOWING_READS_MAX;
            if is_over {
                settled.insert(fill.symbol.clone());
            }
            !is_over
        });
        settled
    }
}
