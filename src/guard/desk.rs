//! What every look at the account shares.
//!
//! Owns: the account that would be before a question is put into it (promises filled, preparations
//! made), and the count of assessments.
//! Must not know: rules.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::Context;
use super::fees;
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
use crate::margin::worst::BadSide;
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

/// Scenarios that cost as much as one assessment of an answer, or less: with 20 positions and 40 orders
/// a scenario takes 7 µs, and an assessment with the what-if it is made of 46 µs.
///
/// Source: measured, `cargo bench --bench engine -- verdict`.
const SCENARIOS_PER_ASSESSMENT: usize = 6;

/// The place where looks are made.
pub(super) struct Desk<'a> {
    pub view: &'a LiveView<'a>,
    pub context: &'a Context<'a>,
    assessments: Cell<u32>,
    /// Worst cases of what questions leave as it is, each made once.
    alike: RefCell<Vec<(Alike<'a>, Rc<WhatIf<'a>>)>>,
}

/// Of which pool, filled on which side, and which contracts.
pub(super) type Alike<'a> = (Asset, BadSide, Vec<&'a Symbol>);

impl<'a> Desk<'a> {
    pub(super) const fn new(view: &'a LiveView<'a>, context: &'a Context<'a>) -> Self {
        Self {
            view,
            context,
            assessments: Cell::new(0),
            alike: RefCell::new(Vec::new()),
        }
    }

    pub(super) const fn policy(&self) -> &'a Policy {
        self.context.policy
    }

    /// How often the account was assessed so far.
    pub(super) const fn assessments(&self) -> u32 {
        self.assessments.get()
    }

    /// Looks at several pools. An assessment of the account is one of each of its pools, so all of it
    /// costs what the dearest pool costs.
    pub(super) fn in_pools<'p>(
        &self,
        pools: &[&'p Asset],
        mut look: impl FnMut(&'p Asset) -> Result<(), Unknown>,
    ) -> Result<(), Unknown> {
        let before = self.assessments.get();
        let mut dearest = before;
        for pool in pools {
            self.assessments.set(before);
            let looked = look(pool);
            dearest = dearest.max(self.assessments.get());
            if looked.is_err() {
                self.assessments.set(dearest);
                return looked;
            }
        }
        self.assessments.set(dearest);
        Ok(())
    }

    /// What so many scenarios cost, in assessments: a scenario is one pass over the positions,
    /// without any search.
    pub(super) fn scenarios_cost(scenarios: usize) -> u32 {
        u32::try_from(scenarios.div_ceil(SCENARIOS_PER_ASSESSMENT)).unwrap_or(u32::MAX)
    }

    /// Counts looks at a whole pool.
    pub(super) fn count(&self, looks: u32) {
        self.assessments
            .set(self.assessments.get().saturating_add(looks));
    }

    /// The state that `make` makes of these contracts, made once.
    pub(super) fn filled_alike(
        &self,
        key: Alike<'a>,
        make: impl FnOnce(&[&'a Symbol]) -> Result<WhatIf<'a>, Unknown>,
    ) -> Result<Rc<WhatIf<'a>>, Unknown> {
        let known = self.alike.borrow();
        if let Some((_, state)) = known.iter().find(|(known, _)| *known == key) {
            return Ok(Rc::clone(state));
        }
        drop(known);
        let state = Rc::new(make(&key.2)?);
        self.alike.borrow_mut().push((key, Rc::clone(&state)));
        Ok(state)
    }

    /// All figures of a pool in this state.
    pub(super) fn assess(&self, what_if: &WhatIf<'_>) -> Result<PoolAssessment, Unknown> {
        self.count(1);
        what_if.assess(self.policy().horizon)
    }

    /// All figures of a pool as it is.
    pub(super) fn as_it_is(&self, asset: &Asset) -> Result<PoolAssessment, Unknown> {
        self.count(1);
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
        for promise in self.view.mirror().reservations().iter() {
            let same_pool = self
                .view
                .rules(&promise.intent.symbol)
                .is_some_and(|rules| what_if.shares_pool(&rules.margin_asset));
            if same_pool && !promise.intent.only_reduces() {
                let assumed = self.assumptions(&promise.intent.symbol);
                fill(&mut what_if, &promise.intent, assumed)?;
            }
        }
        for step in steps {
            match step {
                Step::Order(intent) => {
                    fill(&mut what_if, intent, self.assumptions(&intent.symbol))?;
                }
                Step::Change(change) => change::apply(&mut what_if, change)?,
                Step::TopUp(amount) => what_if.move_wallet(*amount)?,
            }
        }
        Ok(what_if)
    }

    /// What a fill of a contract is taken for.
    pub(super) fn assumptions(&self, symbol: &Symbol) -> Assumptions {
        fees::assumptions(self.view, self.policy(), symbol)
    }
}
