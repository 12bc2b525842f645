//! The same after another position was reduced.
//!
//! Owns: which positions are tried, and the search for the least reduction that helps.
//! Must not know: other kinds of offers.

use super::candidate::Before;
use super::search::{Search, Stretch};
use super::{Alternative, Candidate, OfferKind, passes_words, this_words};
use crate::guard::quantities::{Quantities, closings};
use crate::guard::search::{End, Shape, as_it_is};
use crate::guard::terms::Terms;
use crate::margin::account::MarginMode;
use crate::margin::order::OrderIntent;
use crate::margin::pool::Survival;

/// Most positions that are tried.
const POSITIONS_MAX: usize = 2;

impl Search<'_, '_> {
    /// The same after another crossed position of the pool that is strained hardest was reduced by
    /// the least that helps: the one that kills first, else the largest.
    pub(super) fn reduce_other(&self) -> Option<Alternative> {
        let others = self.others()?;
        let tried = others.iter().take(POSITIONS_MAX);
        tried.into_iter().find_map(|other| self.reduce_one(other))
    }

    fn others(&self) -> Option<Vec<OrderIntent>> {
        let asked = self.worst_pool()?;
        let own = self.proposal.symbols();
        let mut others = closings(self.desk, asked.asset, |symbol, state| {
            let crossed = state
                .settings
                .is_some_and(|settings| settings.risk_mode() == MarginMode::Crossed);
            crossed && !own.contains(&symbol)
        });
        if let Survival::Alive {
            first_killer: Some(killer),
            ..
        } = &asked.after.survival
        {
            others.sort_by_key(|other| other.symbol != killer.symbol);
        }
        Some(others)
    }

    fn reduce_one(&self, whole: &OrderIntent) -> Option<Alternative> {
        let quantities = Quantities::of(self.desk, whole)?;
        let held = whole.quantity?;
        // Nothing is reduced at 0; from 1 on it is the quantity numbered one less.
        let order = |number: u64| {
            let quantity = quantities.quantity(number.checked_sub(1)?)?.min(held);
            Some(OrderIntent {
                quantity: Some(quantity),
                ..whole.clone()
            })
        };
        let with = |number: u64| {
            Some(Candidate {
                before: vec![Before::Order(order(number)?)],
                proposal: self.proposal.clone(),
            })
        };
        let stretch = Stretch {
            fails: End {
                at: 0,
                strain: self.strain(self.target),
            },
            hoped: quantities.first_not_below(held)?.checked_add(1)?,
            shape: Shape::Falls(&[]),
            with: &with,
            straighten: as_it_is,
        };
        let (number, candidate, passed) = self.last_passing(&stretch, self.target)?;
        let quantity = order(number)?.quantity?;
        let message = format!(
            "Reduce {} by {quantity} first: then {} {}.",
            whole.symbol,
            this_words(self.proposal),
            passes_words(passed.decision)
        );
        let terms = Terms {
            symbol: Some(whole.symbol.clone()),
            quantity: Some(quantity),
            ..Terms::default()
        };
        let kind = OfferKind::ReduceOther;
        Some(Self::offer(kind, passed, terms, candidate, message))
    }
}
