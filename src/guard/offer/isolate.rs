//! The same order with its contract isolated.
//!
//! Owns: when the exchange lets a contract be isolated, and what the position can lose then.
//! Must not know: other kinds of offers.

use super::candidate::Before;
use super::search::Search;
use super::{Alternative, Candidate, OfferKind};
use crate::guard::terms::Terms;
use crate::guard::words;
use crate::margin::account::{AssetMode, MarginMode, Symbol};
use crate::margin::amount::Amount;
use crate::margin::change::Change;

impl Search<'_, '_> {
    /// The same orders with their contracts isolated. The exchange switches only what is flat and
    /// without orders.
    pub(super) fn isolate(&self) -> Option<Alternative> {
        let symbols = self.proposal.symbols();
        let free: Vec<&Symbol> = symbols
            .into_iter()
            .filter(|symbol| self.can_be_isolated(symbol))
            .collect();
        let first: &Symbol = free.first()?;
        if self.proposal.change().is_some() {
            return None;
        }
        let change = |symbol: &&Symbol| {
            Before::Change(Change::MarginType {
                symbol: (*symbol).clone(),
                margin_mode: MarginMode::Isolated,
            })
        };
        let candidate = Candidate {
            before: free.iter().map(change).collect(),
            proposal: self.proposal.clone(),
        };
        let passed = self.verified(&candidate, self.target)?;
        let margin = self.margin_of(&free)?;
        let asset = self.desk.pool_of(first).ok()?.clone();
        let message = format!(
            "Isolate {} first: then {} can lose about {} {asset}, {}, and nothing else of the wallet.",
            listed(&free),
            if free.len() == 1 {
                "this position"
            } else {
                "these positions"
            },
            words::money(margin),
            if free.len() == 1 {
                "its margin"
            } else {
                "their margins"
            },
        );
        let terms = Terms {
            symbol: Some(first.clone()),
            amount: Some(margin),
            asset: Some(asset),
            ..Terms::default()
        };
        Some(Self::offer(
            OfferKind::Isolate,
            passed,
            terms,
            candidate,
            message,
        ))
    }

    fn can_be_isolated(&self, symbol: &Symbol) -> bool {
        let view = self.desk.view;
        let idle = view.book().state(symbol.as_str()).is_some_and(|state| {
            let crossed = state
                .settings
                .is_some_and(|settings| settings.risk_mode() == MarginMode::Crossed);
            crossed && state.legs.is_flat()
        });
        idle && view.book().asset_mode() == AssetMode::Single
            && view.mirror().orders().of(symbol.as_str()).next().is_none()
            && view.mirror().reservations().of(symbol).next().is_none()
    }

    /// What the orders of these contracts put up, rounded down as it is printed.
    fn margin_of(&self, symbols: &[&Symbol]) -> Option<Amount> {
        let mut sum = Amount::ZERO;
        for intent in self.proposal.orders() {
            if !symbols.contains(&&intent.symbol) {
                continue;
            }
            let state = self.desk.view.book().state(intent.symbol.as_str())?;
            let price = intent
                .kind
                .limit_price()
                .or_else(|| state.mark.map(|mark| mark.price()))?;
            let margin = price.times(intent.quantity?).ok()?;
            let margin = margin.over(state.settings?.leverage).ok()?;
            sum = sum.plus(margin.cut_quotient()).ok()?;
        }
        Some(sum)
    }
}

fn listed(symbols: &[&Symbol]) -> String {
    let names: Vec<&str> = symbols.iter().map(|symbol| symbol.as_str()).collect();
    names.join(" and ")
}
