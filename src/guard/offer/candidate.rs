//! What is tried: a question, and what is done before it.
//!
//! Owns: how a way out becomes the steps of a look, and the requests that are sent for it.
//! Must not know: which candidates there are, how they are judged.

use crate::guard::desk::{Desk, Step};
use crate::guard::proposal::Proposal;
use crate::margin::account::Asset;
use crate::margin::amount::Amount;
use crate::margin::book::Unknown;
use crate::margin::change::Change;
use crate::margin::order::OrderIntent;

/// Something that is done before the question is asked again.
#[derive(Debug, Clone)]
pub(super) enum Before {
    /// An order fills.
    Order(OrderIntent),
    /// A change is made.
    Change(Change),
    /// Money comes into a pool; nothing that is sent to the exchange's futures.
    TopUp(Asset, Amount),
}

/// A question, and what is done before it.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    pub before: Vec<Before>,
    pub proposal: Proposal,
}

impl Candidate {
    /// The question by itself.
    pub(super) const fn plain(proposal: Proposal) -> Self {
        Self {
            before: Vec::new(),
            proposal,
        }
    }

    /// The steps that are taken in a pool.
    pub(super) fn steps_in<'c>(
        &'c self,
        desk: &Desk<'_>,
        pool: &Asset,
    ) -> Result<Vec<Step<'c>>, Unknown> {
        let book = desk.view.book();
        let mut steps = Vec::with_capacity(self.before.len());
        for before in &self.before {
            let (asset, step) = match before {
                Before::Order(intent) => (desk.pool_of(&intent.symbol)?, Step::Order(intent)),
                Before::Change(change) => match change.symbol() {
                    Some(symbol) => (desk.pool_of(symbol)?, Step::Change(change)),
                    None => (pool, Step::Change(change)),
                },
                Before::TopUp(asset, _) if asset != pool => continue,
                Before::TopUp(asset, amount) => (asset, Step::TopUp(*amount)),
            };
            if book.pool_of(asset) == book.pool_of(pool) {
                steps.push(step);
            }
        }
        Ok(steps)
    }

    /// What is sent to the exchange, one after the other.
    pub(super) fn requests(self) -> Vec<Proposal> {
        let sent = self.before.into_iter().filter_map(|before| match before {
            Before::Order(intent) => Some(Proposal::Order(intent)),
            Before::Change(change) => Some(Proposal::Change(change)),
            Before::TopUp(..) => None,
        });
        sent.chain([self.proposal]).collect()
    }
}
