//! What every look at the account shares.
//!
//! Owns: the account that would be before a question is put into it (promises filled, preparations
//! made), and the count of assessments.
//! Must not know: rules.

use std::cell::Cell;

use super::Context;
use super::policy::Policy;
use crate::margin::account::{Asset, Symbol};
use crate::margin::amount::Amount;
use crate::margin::book::Unknown;
use crate::margin::book::WhatIf;
use crate::margin::change::{self, Change};
use crate::margin::contribution::Missing;
use crate::margin::order::OrderIntent;
use crate::margin::pool::PoolAssessment;
use crate::margin::project::{Assumptions, fill};
use crate::mirror::view::LiveView;

/// Something done before the question is looked at.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step<'s> {
    /// An order fills.
    Order(&'s OrderIntent),
    /// A change is made.
    Change(&'s Change),
    /// Money comes into the pool.
    TopUp(Amount),
}

/// The place where looks are made.
pub(super) struct Desk<'a> {
    pub view: &'a LiveView<'a>,
    pub context: &'a Context<'a>,
    assessments: Cell<u32>,
}

impl<'a> Desk<'a> {
    pub(super) const fn new(view: &'a LiveView<'a>, context: &'a Context<'a>) -> Self {
        Self {
            view,
            context,
            assessments: Cell::new(0),
        }
    }

    pub(super) const fn policy(&self) -> &'a Policy {
        self.context.policy
    }

    /// How often a pool was assessed so far.
    pub(super) const fn assessments(&self) -> u32 {
        self.assessments.get()
    }

    /// Counts one more look at a whole pool.
    pub(super) fn count(&self) {
        self.assessments
            .set(self.assessments.get().saturating_add(1));
    }

    /// All figures of a pool in this state.
    pub(super) fn assess(&self, what_if: &WhatIf<'_>) -> Result<PoolAssessment, Unknown> {
        self.count();
        what_if.assess(self.policy().horizon)
    }

    /// All figures of a pool as it is.
    pub(super) fn as_it_is(&self, asset: &Asset) -> Result<PoolAssessment, Unknown> {
        self.count();
        self.view.book().assess(asset, self.policy().horizon)
    }

    /// The pool a contract belongs to.
    pub(super) fn pool_of(&self, symbol: &Symbol) -> Result<&'a Asset, Unknown> {
        self.view
            .rules(symbol)
            .map(|rules| &rules.margin_asset)
            .ok_or_else(|| Unknown::Symbol(symbol.clone(), Missing::MarginAsset))
    }

    /// The account as it would be once every promise has filled, room that was given away is not
    /// given twice, and then every step was taken.
    pub(super) fn stage(&self, asset: &Asset, steps: &[Step<'_>]) -> Result<WhatIf<'a>, Unknown> {
        let mut what_if = self.view.book().what_if_in(asset)?;
        let assumptions = self.assumptions();
        for promise in self.view.mirror().reservations().iter() {
            let same_pool = self
                .view
                .rules(&promise.intent.symbol)
                .is_some_and(|rules| what_if.shares_pool(&rules.margin_asset));
            if same_pool && !promise.intent.only_reduces() {
                fill(&mut what_if, &promise.intent, assumptions)?;
            }
        }
        for step in steps {
            match step {
                Step::Order(intent) => {
                    fill(&mut what_if, intent, assumptions)?;
                }
                Step::Change(change) => change::apply(&mut what_if, change)?,
                Step::TopUp(amount) => what_if.move_wallet(*amount)?,
            }
        }
        Ok(what_if)
    }

    pub(super) const fn assumptions(&self) -> Assumptions {
        let policy = self.policy();
        Assumptions {
            market_slippage: policy.market_slippage,
            taker_fee: policy.taker_fee,
        }
    }
}
