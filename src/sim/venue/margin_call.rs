//! `MARGIN_CALL`: the advisory event, scripted or of the exchange's own accord.
//!
//! No threshold is published, so a scenario sets one. Must not change anything but what was warned
//! about.

use std::collections::BTreeSet;

use super::super::account::{Leg, leg_name};
use super::super::exact::Fixed;
use super::super::refusal::Refusal;
use super::super::wire::event::{MarginCall, MarginCallRow};
use super::super::wire::json;
use super::Venue;
use super::notice::margin_type_name;

impl Venue {
    /// Warns once about what fell below the ratio since it was last above it: an isolated position
    /// alone, crossed ones with their whole pool.
    pub(super) fn call_margins(&mut self) {
        let Some(ratio) = self.policy.margin_call_ratio else {
            return;
        };
        let figures = self.figures();
        let mut short: BTreeSet<Leg> = BTreeSet::new();
        for (leg, _) in self.account.open_positions() {
            let marked = self
                .contracts
                .get(&leg.0)
                .is_some_and(|contract| contract.mark.is_positive());
            let standing = figures.standing(leg);
            if marked && standing.maintenance >= standing.equity.times(ratio) {
                short.insert(leg.clone());
            }
        }
        let fresh: Vec<Leg> = short.difference(&self.policy.called).cloned().collect();
        self.policy.called = short;
        let mut told: BTreeSet<Leg> = BTreeSet::new();
        for leg in fresh {
            if told.contains(&leg) {
                continue;
            }
            let legs = if self.account.is_isolated(&leg.0) {
                vec![leg]
            } else {
                self.pool_legs(&leg)
            };
            self.tell_margin_call(&legs);
            told.extend(legs);
        }
    }

    /// The advisory event for every position of a contract.
    pub(super) fn margin_call(&mut self, symbol: &str) -> Result<(), Refusal> {
        self.contract(symbol)?;
        let legs = self.held_legs(symbol);
        self.tell_margin_call(&legs);
        Ok(())
    }

    fn tell_margin_call(&mut self, legs: &[Leg]) {
        let rows: Vec<MarginCallRow> = legs.iter().filter_map(|leg| self.called_row(leg)).collect();
        let crossed = legs.iter().find(|leg| !self.account.is_isolated(&leg.0));
        let cross_wallet = crossed.map(|leg| self.account.cross_wallet(&self.margin_asset(&leg.0)));
        let event = MarginCall {
            e: "MARGIN_CALL",
            emitted: self.now_ms,
            cw: cross_wallet.map(Fixed::eight),
            p: rows,
        };
        self.emit("MARGIN_CALL", json(&event));
    }

    fn called_row(&self, leg: &Leg) -> Option<MarginCallRow> {
        let contract = self.contracts.get(&leg.0)?;
        let position = self.account.position(&leg.0, leg.1);
        Some(MarginCallRow {
            s: leg.0.clone(),
            ps: leg_name(leg.1),
            pa: position.amount.text(contract.quantity_decimals()),
            mt: margin_type_name(self.account.settings(&leg.0)),
            iw: position.isolated_wallet.eight(),
            mp: contract.mark.eight(),
            up: position.unrealized(contract.mark).eight(),
            mm: self.figures().maintenance(contract, &position).eight(),
        })
    }
}
