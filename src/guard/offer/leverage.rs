//! The same order at a lower leverage.
//!
//! Owns: the search for the highest leverage that helps.
//! Must not know: other kinds of offers.

use super::{Alternative, OfferKind, Search, passes_words};
use crate::guard::desk::Step;
use crate::guard::proposal::Proposal;
use crate::guard::rules::Strain;
use crate::guard::search::{End, boundary};
use crate::guard::terms::Terms;
use crate::margin::account::MarginMode;
use crate::margin::amount::Leverage;
use crate::margin::change::Change;

impl Search<'_, '_> {
    /// The same order at the highest leverage that helps.
    pub(super) fn lower_leverage(&self, asked: Strain) -> Option<Alternative> {
        let symbol = &self.intent.symbol;
        let settings = self.state.settings?;
        let fenced = settings.margin_mode == MarginMode::Isolated && !self.state.legs.is_flat();
        let set = settings.leverage.get();
        if fenced || set < 2 {
            return None;
        }
        let change = |leverage: u64| {
            let leverage = Leverage::new(u32::try_from(leverage).ok()?)?;
            Some(Change::Leverage {
                symbol: symbol.clone(),
                leverage,
            })
        };
        let glance = |leverage: u64| {
            let change = change(leverage)?;
            self.glance(self.intent, &[Step::Change(&change)], self.target)
        };
        let lowest = glance(1).filter(|seen| seen.passes)?;
        let near = End {
            at: 1,
            strain: lowest.strain,
        };
        let far = End {
            at: u64::from(set),
            strain: asked.of(self.target),
        };
        let found = boundary(near, far, true, glance)?;
        let change = change(found)?;
        let decision = self.verified(self.intent, &[Step::Change(&change)], self.target)?;
        let message = format!(
            "Set {symbol} to {found}x first: then this order {}.",
            passes_words(decision)
        );
        let terms = Terms {
            symbol: Some(symbol.clone()),
            leverage: Leverage::new(u32::try_from(found).ok()?),
            ..Terms::default()
        };
        Some(Alternative {
            requests: vec![
                Proposal::Change(change),
                Proposal::Order(self.intent.clone()),
            ],
            ..self.offer(OfferKind::LowerLeverage, decision, message, terms)
        })
    }
}
