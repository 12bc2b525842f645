//! Running candidates through the rules, and finding the last one that passes.
//!
//! Owns: what a candidate gets and what asking costs, within the assessments that are left.
//! Must not know: what candidates stand for.

use std::cell::Cell;

use rust_decimal::Decimal;

use super::{Alternative, Candidate, OfferKind};
use crate::guard::decide::{orders_in, pools_of, when};
use crate::guard::desk::Desk;
use crate::guard::exit::passes_as_exit;
use crate::guard::look::{Depth, Question, look};
use crate::guard::proposal::Proposal;
use crate::guard::rules::Strain;
use crate::guard::search::{End, Probe, Shape, Straighten, boundary, foothold};
use crate::guard::terms::Terms;
use crate::guard::verdict::{Decision, Level};
use crate::margin::account::{Asset, PositionMode, Side};
use crate::margin::book::Unknown;
use crate::margin::change::Change;
use crate::margin::order::OrderIntent;
use crate::margin::pool::PoolAssessment;

/// What a candidate gets.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    pub level: Option<Level>,
    pub strain: Strain,
}

impl Seen {
    const fn decision(self) -> Decision {
        match self.level {
            None => Decision::Allow,
            Some(Level::Warn) => Decision::Warn,
            Some(Level::Reject) => Decision::Reject,
        }
    }
}

/// A candidate that passes.
#[derive(Debug, Clone)]
pub(super) struct Passed {
    pub decision: Decision,
    /// The first pool of the question, with the candidate in it.
    pub after: Option<PoolAssessment>,
}

/// What a candidate gets in one pool.
struct Looked {
    seen: Seen,
    after: PoolAssessment,
    is_exit: bool,
}

/// A pool of the question as it was asked.
pub(super) struct Asked<'s> {
    pub asset: &'s Asset,
    pub strain: Strain,
    pub after: PoolAssessment,
}

/// The search for ways out of one refusal.
pub(super) struct Search<'s, 'a> {
    pub desk: &'s Desk<'a>,
    pub proposal: &'s Proposal,
    pub target: Level,
    /// Every pool that the question touches.
    pub asked: Vec<Asked<'s>>,
    assessments_max: u32,
    glance_cost: u32,
    verdict_cost: u32,
    ran_out: Cell<bool>,
}

/// How numbers become candidates: `fails` is known not to pass, `hoped` may.
pub(super) struct Stretch<'f> {
    pub fails: End,
    pub hoped: u64,
    /// Where else one that passes may be.
    pub shape: Shape<'f>,
    pub with: &'f dyn Fn(u64) -> Option<Candidate>,
    /// Makes a straight line of how strain follows the number.
    pub straighten: Straighten,
}

impl<'s, 'a> Search<'s, 'a> {
    /// There is room for far more assessments than an answer to a check may take.
    pub(super) const fn is_patient(&self) -> bool {
        self.assessments_max > super::ASSESSMENTS_MAX
    }

    /// Looks at the question once more, as it was asked.
    pub(super) fn new(
        desk: &'s Desk<'a>,
        proposal: &'s Proposal,
        target: Level,
        assessments_max: u32,
    ) -> Result<Self, Unknown>
    where
        'a: 's,
    {
        let (glance_cost, verdict_cost) = costs(desk, proposal);
        let mut search = Self {
            desk,
            proposal,
            target,
            asked: Vec::new(),
            assessments_max,
            glance_cost,
            verdict_cost,
            ran_out: Cell::new(false),
        };
        let pools = pools_of(desk, proposal)?;
        let candidate = Candidate::plain(proposal.clone());
        desk.in_pools(&pools, |asset| {
            let looked = search.look_in(asset, &candidate, Depth::Glance)?;
            search.asked.push(Asked {
                asset,
                strain: looked.seen.strain,
                after: looked.after,
            });
            Ok(())
        })?;
        Ok(search)
    }

    /// How hard the question strains the limits.
    pub(super) fn strain(&self, target: Level) -> Decimal {
        let strains = self.asked.iter().map(|asked| asked.strain.of(target));
        strains.max().unwrap_or_default()
    }

    /// The pool that is strained hardest.
    pub(super) fn worst_pool(&self) -> Option<&Asked<'s>> {
        let target = self.target;
        self.asked
            .iter()
            .max_by_key(|asked| asked.strain.of(target))
    }

    /// True when a search has ended for want of assessments.
    pub(super) const fn ran_out(&self) -> bool {
        self.ran_out.get()
    }

    /// The best offer of a kind.
    pub(super) fn of_kind(&self, kind: OfferKind, target: Level) -> Option<Alternative> {
        self.ran_out.set(false);
        match kind {
            OfferKind::Smaller => self.smaller(target),
            OfferKind::Isolate => self.isolate(),
            OfferKind::TopUp => self.top_up(),
            OfferKind::ReduceOther => self.reduce_other(),
            OfferKind::LowerLeverage => self.lower_leverage(),
        }
    }

    fn look_in(
        &self,
        asset: &Asset,
        candidate: &Candidate,
        depth: Depth,
    ) -> Result<Looked, Unknown> {
        let proposal = &candidate.proposal;
        let steps = candidate.steps_in(self.desk, asset)?;
        let (places, orders) = orders_in(self.desk, proposal, asset)?;
        let symbols = proposal.symbols();
        let question = Question {
            asset,
            steps: &steps,
            orders: &orders,
            places: &places,
            change: proposal.change(),
            symbols: &symbols,
            when: when(proposal),
            measured: true,
        };
        let look = look(self.desk, &question, depth)?;
        let is_exit = passes_as_exit(self.desk.view, proposal, &look.findings);
        Ok(Looked {
            seen: Seen {
                level: look.level(),
                strain: look.strain,
            },
            after: look.after,
            is_exit,
        })
    }

    fn see(&self, candidate: &Candidate, depth: Depth) -> Option<(Seen, Option<PoolAssessment>)> {
        let cost = match depth {
            Depth::Glance => self.glance_cost,
            Depth::Verdict | Depth::Full => self.verdict_cost,
        };
        if self.desk.assessments().saturating_add(cost) > self.assessments_max {
            self.ran_out.set(true);
            return None;
        }
        let mut seen = Seen {
            level: None,
            strain: Strain::default(),
        };
        let mut is_exit = true;
        let mut after = None;
        // Those that the answer to the candidate would look at: what is left out of a batch may have been
        // all that touched a pool.
        let pools = pools_of(self.desk, &candidate.proposal).ok()?;
        let looked = self.desk.in_pools(&pools, |asset| {
            let here = self.look_in(asset, candidate, depth)?;
            seen.level = seen.level.max(here.seen.level);
            seen.strain = seen.strain.and(here.seen.strain);
            is_exit &= here.is_exit;
            after = after.take().or(Some(here.after));
            Ok(())
        });
        looked.ok()?;
        if is_exit {
            // An exit always passes; what is found of it warns.
            seen.level = seen.level.map(|_| Level::Warn);
        }
        Some((seen, after))
    }

    /// What a candidate gets, if it is worth offering.
    pub(super) fn verified(&self, candidate: &Candidate, target: Level) -> Option<Passed> {
        let (seen, after) = self.see(candidate, Depth::Verdict)?;
        seen.level
            .is_none_or(|level| level < target)
            .then(|| Passed {
                decision: seen.decision(),
                after,
            })
    }

    /// The passing candidate whose neighbour towards the failing end does not pass any more.
    pub(super) fn last_passing(
        &self,
        stretch: &Stretch<'_>,
        target: Level,
    ) -> Option<(u64, Candidate, Passed)> {
        let decided = Cell::new(None);
        let probe = |number: u64, depth: Depth| {
            let (seen, after) = self.see(&(stretch.with)(number)?, depth)?;
            let passes = seen.level.is_none_or(|level| level < target);
            if passes && depth > Depth::Glance {
                let decision = seen.decision();
                decided.set(Some((number, Passed { decision, after })));
            }
            Some(Probe {
                passes,
                strain: (stretch.straighten)(seen.strain.of(target)),
            })
        };
        let fails = End {
            strain: (stretch.straighten)(stretch.fails.strain),
            ..stretch.fails
        };
        let glance = |number| probe(number, Depth::Glance);
        let start = foothold(fails, stretch.hoped, stretch.shape, glance)?;
        let mut found = boundary(start, fails, true, glance)?;
        // What the figures permit, the worst case or a scenario may not: searched with them then.
        let thorough = |number| probe(number, Depth::Verdict);
        let whole = thorough(found)?;
        if !whole.passes {
            let fails = End {
                at: found,
                strain: whole.strain,
            };
            let start = foothold(fails, start.at, Shape::Falls(&[]), thorough)?;
            found = boundary(start, fails, true, thorough)?;
        }
        let (_, passed) = decided.take().filter(|(number, _)| *number == found)?;
        Some((found, (stretch.with)(found)?, passed))
    }

    pub(super) fn offer(
        kind: OfferKind,
        passed: Passed,
        terms: Terms,
        candidate: Candidate,
        message: String,
    ) -> Alternative {
        Alternative {
            kind,
            decision: passed.decision,
            after: passed.after.map(Box::new),
            terms,
            requests: candidate.requests(),
            message,
        }
    }
}

/// What a look at the figures and a whole verdict on a question may cost at most: the account
/// afterwards, before, and with either part of a batch alone; the worst case; the scenarios that
/// must be survived.
fn costs(desk: &Desk<'_>, proposal: &Proposal) -> (u32, u32) {
    let parts = parts_of_batch(proposal.orders());
    let before = match proposal.change() {
        Some(Change::PositionMargin { .. } | Change::TransferOut { .. }) => 1,
        _ => 0,
    };
    let glance = 1_u32.saturating_add(parts).saturating_add(before);
    let orders = !desk.view.mirror().orders().is_empty();
    let hedged = desk.view.book().position_mode() == PositionMode::Hedge;
    let worst = if orders || hedged { 2 } else { 0 };
    let scenarios = desk.policy().stress.values();
    let required = scenarios.filter(|scenario| scenario.required.is_some());
    let executions = usize::try_from(parts).unwrap_or(0).saturating_add(1);
    let required = Desk::scenarios_cost(required.count().saturating_mul(executions));
    let verdict = glance.saturating_add(worst).saturating_add(required);
    (glance, verdict)
}

/// The parts of a batch that may be looked at alone: one for each side that it has, and one for both
/// without what reduces.
fn parts_of_batch(orders: &[OrderIntent]) -> u32 {
    if orders.len() < 2 {
        return 0;
    }
    let has = |side: Side| orders.iter().any(|order| order.side == side);
    match (has(Side::Buy), has(Side::Sell)) {
        (true, true) if orders.len() > 2 => 3,
        (true, true) => 2,
        _ => 1,
    }
}
