//! The same order after another position was reduced.
//!
//! Owns: which positions are tried, and the search for the least reduction that helps.
//! Must not know: other kinds of offers.

use super::{Alternative, OfferKind, Search, passes_words};
use crate::guard::desk::Step;
use crate::guard::proposal::Proposal;
use crate::guard::quantities::{Quantities, closing};
use crate::guard::rules::Strain;
use crate::guard::search::{End, boundary};
use crate::guard::terms::Terms;
use crate::margin::account::MarginMode;
use crate::margin::amount::Notional;
use crate::margin::order::OrderIntent;

impl Search<'_, '_> {
    /// The same order after another crossed position was reduced by the least that helps: the one
    /// that kills first, else the largest.
    pub(super) fn reduce_other(&self, asked: Strain) -> Option<Alternative> {
        let others = self.others();
        others
            .iter()
            .take(2)
            .find_map(|other| self.reduce_one(other, asked))
    }

    fn others(&self) -> Vec<OrderIntent> {
        let base = self.desk.stage(self.asset, &[]);
        let Ok(base) = base else {
            return Vec::new();
        };
        let mut others: Vec<(Notional, OrderIntent)> = base
            .held()
            .filter(|(symbol, state)| {
                let crossed = state
                    .settings
                    .is_some_and(|settings| settings.risk_mode() == MarginMode::Crossed);
                **symbol != self.intent.symbol && crossed
            })
            .filter_map(|(symbol, state)| {
                let mark = state.mark?.price();
                let (side, leg) = state
                    .legs
                    .held()
                    .max_by_key(|(_, leg)| leg.quantity.abs())?;
                let notional = mark.times(leg.quantity).ok()?.abs();
                Some((notional, closing(symbol, side, leg.quantity)))
            })
            .collect();
        others.sort_by(|(one, _), (other, _)| other.cmp(one));
        others.into_iter().map(|(_, order)| order).collect()
    }

    fn reduce_one(&self, whole: &OrderIntent, asked: Strain) -> Option<Alternative> {
        let state = self.desk.view.book().state(whole.symbol.as_str())?;
        let quantities = Quantities::of(self.desk, whole, state)?;
        let held = whole.quantity?;
        let with = |step: u64| {
            let quantity = quantities.quantity(step)?.min(held);
            Some(OrderIntent {
                quantity: Some(quantity),
                ..whole.clone()
            })
        };
        let glance = |step: u64| {
            let order = with(step)?;
            self.glance(self.intent, &[Step::Order(&order)], self.target)
        };
        let all = quantities.first_not_below(held)?;
        let seen = glance(all).filter(|seen| seen.passes)?;
        let near = End {
            at: 0,
            strain: asked.of(self.target),
        };
        let far = End {
            at: all,
            strain: seen.strain,
        };
        let first = if all == 0 || glance(0)?.passes {
            0
        } else {
            boundary(near, far, false, glance)?.saturating_add(1)
        };
        let order = with(first)?;
        let decision = self.verified(self.intent, &[Step::Order(&order)], self.target)?;
        let quantity = order.quantity?;
        let message = format!(
            "Reduce {} by {quantity} first: then this order {}.",
            order.symbol,
            passes_words(decision)
        );
        let terms = Terms {
            symbol: Some(order.symbol.clone()),
            quantity: Some(quantity),
            ..Terms::default()
        };
        Some(Alternative {
            requests: vec![Proposal::Order(order), Proposal::Order(self.intent.clone())],
            ..self.offer(OfferKind::ReduceOther, decision, message, terms)
        })
    }
}
