//! Counter-offers: what would pass instead.
//!
//! Owns: the shapes of offers, their order, and how a candidate is run through the rules.
//! Must not know: how a look is made, how each kind is searched (its file does).

mod isolate;
mod leverage;
mod reduce;
mod size;
mod smaller;
mod top_up;

use super::desk::{Desk, Step};
use super::look::{Depth, Look, Question, look};
use super::proposal::Proposal;
use super::rules::When;
use super::search::Probe;
use super::terms::Terms;
use super::verdict::{Code, Decision, Finding, Judgement, Level};
use crate::margin::account::{Asset, SymbolState};
use crate::margin::book::Unknown;
use crate::margin::order::OrderIntent;

pub use size::{Size, size};

/// What kind of way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum OfferKind {
    /// The same order with less.
    Smaller,
    /// The same order with its contract isolated.
    Isolate,
    /// The same order after money was transferred in.
    TopUp,
    /// The same order after another position was reduced.
    ReduceOther,
    /// The same order at a lower leverage.
    LowerLeverage,
}

impl OfferKind {
    /// Every kind, in the order they are offered.
    pub const ALL: [Self; 5] = [
        Self::Smaller,
        Self::Isolate,
        Self::TopUp,
        Self::ReduceOther,
        Self::LowerLeverage,
    ];

    /// The name on the socket.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Smaller => "smaller",
            Self::Isolate => "isolate",
            Self::TopUp => "top_up",
            Self::ReduceOther => "reduce_other",
            Self::LowerLeverage => "lower_leverage",
        }
    }
}

/// One way out, run through the same rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alternative {
    /// What kind.
    pub kind: OfferKind,
    /// The decision it gets.
    pub decision: Decision,
    /// What it consists of.
    pub terms: Terms,
    /// What is to be sent, one after the other.
    pub requests: Vec<Proposal>,
    /// One sentence for a person.
    pub message: String,
}

/// Most assessments of a judgement with its counter-offers.
const ASSESSMENTS_MAX: u32 = 40;

/// What a look of each depth may cost at most: the figures afterwards; with both looks at the worst
/// case and the scenarios that are required.
const GLANCE_COST: u32 = 1;

/// Codes that no other quantity, mode or money changes.
const HOPELESS: [Code; 7] = [
    Code::NotReady,
    Code::UnsupportedAccount,
    Code::UnknownSymbol,
    Code::UnknownFigure,
    Code::Locked,
    Code::ReduceOnlyState,
    Code::SymbolNotPermitted,
];

/// What would pass instead of an order: every offer was run through the same rules. They come in the
/// order of [`OfferKind`], as many as [`ASSESSMENTS_MAX`] assessments permit.
pub(super) fn alternatives(
    desk: &Desk<'_>,
    proposal: &Proposal,
    judgement: &Judgement,
) -> Vec<Alternative> {
    let Proposal::Order(intent) = proposal else {
        return Vec::new();
    };
    let hopeless = |finding: &Finding| HOPELESS.contains(&finding.code);
    if judgement.findings.iter().any(hopeless) {
        return Vec::new();
    }
    let Ok(asset) = desk.pool_of(&intent.symbol) else {
        return Vec::new();
    };
    let Some(state) = desk.view.book().state(intent.symbol.as_str()) else {
        return Vec::new();
    };
    let search = Search {
        desk,
        intent,
        asset,
        state,
        // A refused order is offered what is not refused; one that is warned of, what is not.
        target: match judgement.decision {
            Decision::Reject => Level::Reject,
            Decision::Warn | Decision::Allow => Level::Warn,
        },
    };
    let Ok(asked) = search.look(intent, &[], Depth::Glance) else {
        return Vec::new();
    };
    let strain = asked.strain;
    let mut offers = Vec::new();
    let passing = search.smaller(search.target, strain);
    let warned = passing
        .as_ref()
        .is_some_and(|offer| offer.decision == Decision::Warn);
    offers.extend(passing);
    offers.extend(search.isolate());
    offers.extend(search.top_up(&asked));
    offers.extend(search.reduce_other(strain));
    offers.extend(search.lower_leverage(strain));
    if warned && search.target == Level::Reject {
        let allowed = search.smaller(Level::Warn, strain);
        offers.splice(1..1, allowed);
    }
    offers
}

/// The search for ways out of one order's refusal.
struct Search<'s, 'a> {
    desk: &'s Desk<'a>,
    intent: &'s OrderIntent,
    asset: &'s Asset,
    state: &'s SymbolState,
    target: Level,
}

impl<'a> Search<'_, 'a> {
    fn look(
        &self,
        intent: &OrderIntent,
        steps: &[Step<'_>],
        depth: Depth,
    ) -> Result<Look<'a>, Unknown> {
        let orders = [intent];
        let symbols = [&intent.symbol];
        let question = Question {
            asset: self.asset,
            steps,
            orders: &orders,
            change: None,
            symbols: &symbols,
            when: When::AfterOrder,
        };
        look(self.desk, &question, depth)
    }

    fn affords(&self, cost: u32) -> bool {
        self.desk.assessments().saturating_add(cost) <= ASSESSMENTS_MAX
    }

    /// What a whole verdict may cost.
    fn verdict_cost(&self) -> u32 {
        let required = self.desk.policy().stress.values();
        let required = required.filter(|scenario| scenario.required.is_some());
        u32::try_from(required.count()).map_or(u32::MAX, |count| count.saturating_add(3))
    }

    fn glance(&self, intent: &OrderIntent, steps: &[Step<'_>], target: Level) -> Option<Probe> {
        if !self.affords(GLANCE_COST) {
            return None;
        }
        let look = self.look(intent, steps, Depth::Glance).ok()?;
        Some(Probe {
            passes: look.level().is_none_or(|level| level < target),
            strain: look.strain.of(target),
        })
    }

    fn probe(&self, intent: &OrderIntent, steps: &[Step<'_>], target: Level) -> Option<Probe> {
        if !self.affords(self.verdict_cost()) {
            return None;
        }
        let look = self.look(intent, steps, Depth::Verdict).ok()?;
        Some(Probe {
            passes: look.level().is_none_or(|level| level < target),
            strain: look.strain.of(target),
        })
    }

    /// The decision that the order gets after these steps, if it is one worth offering.
    fn verified(
        &self,
        intent: &OrderIntent,
        steps: &[Step<'_>],
        target: Level,
    ) -> Option<Decision> {
        if !self.affords(self.verdict_cost()) {
            return None;
        }
        let look = self.look(intent, steps, Depth::Verdict).ok()?;
        match look.level() {
            None => Some(Decision::Allow),
            Some(level) if level < target => Some(Decision::Warn),
            Some(_) => None,
        }
    }
    fn offer(
        &self,
        kind: OfferKind,
        decision: Decision,
        message: String,
        terms: Terms,
    ) -> Alternative {
        Alternative {
            kind,
            decision,
            terms,
            requests: vec![Proposal::Order(self.intent.clone())],
            message,
        }
    }
}

const fn passes_words(decision: Decision) -> &'static str {
    match decision {
        Decision::Allow => "is allowed",
        Decision::Warn | Decision::Reject => "passes with a warning",
    }
}
