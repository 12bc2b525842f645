//! The same order with less.
//!
//! Owns: the search for the largest quantity that gets a milder decision.
//! Must not know: other kinds of offers.

use super::{Alternative, OfferKind, Search, passes_words};
use crate::guard::proposal::Proposal;
use crate::guard::quantities::Quantities;
use crate::guard::rules::Strain;
use crate::guard::search::{End, boundary};
use crate::guard::terms::Terms;
use crate::guard::verdict::Level;
use crate::margin::order::OrderIntent;

impl Search<'_, '_> {
    /// The same order with the largest quantity on the step that gets a milder decision.
    pub(super) fn smaller(&self, target: Level, asked: Strain) -> Option<Alternative> {
        let quantities = Quantities::of(self.desk, self.intent, self.state)?;
        let with = |step: u64| {
            quantities.quantity(step).map(|quantity| OrderIntent {
                quantity: Some(quantity),
                ..self.intent.clone()
            })
        };
        let wanted = self.intent.quantity?;
        let far = End {
            at: quantities.first_not_below(wanted)?,
            strain: asked.of(target),
        };
        let least = quantities.least();
        if least >= far.at {
            return None;
        }
        let first = self.glance(&with(least)?, &[], target)?;
        if !first.passes {
            return None;
        }
        let near = End {
            at: least,
            strain: first.strain,
        };
        let mut found = boundary(near, far, true, |at| self.glance(&with(at)?, &[], target))?;
        let mut decision = self.verified(&with(found)?, &[], target);
        if decision.is_none() {
            // What the figures permit, the worst case or a scenario does not: searched with them.
            let whole = self.probe(&with(found)?, &[], target)?;
            let least = self
                .probe(&with(near.at)?, &[], target)
                .filter(|p| p.passes)?;
            let near = End {
                at: near.at,
                strain: least.strain,
            };
            let far = End {
                at: found,
                strain: whole.strain,
            };
            found = boundary(near, far, true, |at| self.probe(&with(at)?, &[], target))?;
            decision = self.verified(&with(found)?, &[], target);
        }
        let decision = decision?;
        let order = with(found)?;
        let quantity = order.quantity?;
        let message = format!(
            "Send {quantity} instead of {wanted}: the largest quantity that {}.",
            passes_words(decision)
        );
        let terms = Terms {
            symbol: Some(order.symbol.clone()),
            quantity: Some(quantity),
            ..Terms::default()
        };
        Some(Alternative {
            requests: vec![Proposal::Order(order)],
            ..self.offer(OfferKind::Smaller, decision, message, terms)
        })
    }
}
