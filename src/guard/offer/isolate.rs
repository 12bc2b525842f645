//! The same order with its contract isolated.
//!
//! Owns: when the exchange lets a contract be isolated, and what the position can lose then.
//! Must not know: other kinds of offers.

use super::{Alternative, OfferKind, Search};
use crate::guard::desk::Step;
use crate::guard::proposal::Proposal;
use crate::guard::terms::Terms;
use crate::guard::words;
use crate::margin::account::{AssetMode, MarginMode};
use crate::margin::change::Change;

impl Search<'_, '_> {
    /// The same order with its contract isolated. The exchange switches only what is flat and
    /// without orders.
    pub(super) fn isolate(&self) -> Option<Alternative> {
        let symbol = &self.intent.symbol;
        let settings = self.state.settings?;
        let view = self.desk.view;
        let free = settings.risk_mode() == MarginMode::Crossed
            && self.state.legs.is_flat()
            && view.book().asset_mode() == AssetMode::Single
            && view.mirror().orders().of(symbol.as_str()).next().is_none()
            && view.mirror().reservations().of(symbol).next().is_none();
        if !free {
            return None;
        }
        let change = Change::MarginType {
            symbol: symbol.clone(),
            margin_mode: MarginMode::Isolated,
        };
        let steps = [Step::Change(&change)];
        let decision = self.verified(self.intent, &steps, self.target)?;
        let price = self
            .intent
            .kind
            .limit_price()
            .or_else(|| self.state.mark.map(|mark| mark.price()))?;
        let margin = price.times(self.intent.quantity?).ok()?;
        let margin = margin.over(settings.leverage).ok()?.cut_quotient();
        let message = format!(
            "Isolate {symbol} first: then this position can lose about {} {}, its margin, and \
             nothing else of the wallet.",
            words::money(margin),
            self.asset
        );
        let terms = Terms {
            symbol: Some(symbol.clone()),
            amount: Some(margin),
            asset: Some(self.asset.clone()),
            ..Terms::default()
        };
        Some(Alternative {
            requests: vec![
                Proposal::Change(change),
                Proposal::Order(self.intent.clone()),
            ],
            ..self.offer(OfferKind::Isolate, decision, message, terms)
        })
    }
}
