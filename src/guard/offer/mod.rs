//! Counter-offers: what would pass instead.
//!
//! Owns: the shapes of offers, which are searched and in which order they are told.
//! Must not know: how a look is made, how a boundary is found, how each kind is searched (its file
//! does).

mod candidate;
mod isolate;
mod less;
mod leverage;
mod reduce;
mod search;
mod size;
mod smaller;
mod top_up;

use super::desk::Desk;
use super::proposal::Proposal;
use super::terms::Terms;
use super::verdict::{Code, Decision, Finding, Judgement, Level};
use crate::margin::change::Change;
use crate::margin::pool::PoolAssessment;
use candidate::Candidate;
use search::Search;

pub use size::{Size, size};

/// What kind of way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum OfferKind {
    /// The same with less: a smaller quantity, a share of a batch, less money moved.
    Smaller,
    /// The same order with its contract isolated.
    Isolate,
    /// The same after money was transferred in, or into the isolated position itself.
    TopUp,
    /// The same after another position was reduced.
    ReduceOther,
    /// The same order at a lower leverage; for a change of leverage, another one than was asked.
    LowerLeverage,
}

impl OfferKind {
    /// Every kind, in the order they are searched.
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
    /// The pool of the question, once the way was taken.
    pub after: Option<Box<PoolAssessment>>,
    /// What it consists of.
    pub terms: Terms,
    /// What is to be sent, one after the other.
    pub requests: Vec<Proposal>,
    /// One sentence for a person.
    pub message: String,
}

/// Most assessments of a judgement with its counter-offers.
pub const ASSESSMENTS_MAX: u32 = 40;

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

/// What would pass instead, and the kinds whose search found no end within [`ASSESSMENTS_MAX`].
#[derive(Debug, Default)]
pub(super) struct Offers {
    pub alternatives: Vec<Alternative>,
    pub unfinished: Vec<OfferKind>,
}

/// What would pass instead of what was asked: every offer was run through the same rules. What is
/// allowed stands before what passes with a warning, and otherwise they come in the order of
/// [`OfferKind`]: first what can be sent at once.
pub(super) fn alternatives(desk: &Desk<'_>, proposal: &Proposal, judgement: &Judgement) -> Offers {
    let mut offers = Offers::default();
    if is_hopeless(proposal, judgement) {
        return offers;
    }
    // What was refused is offered what is not refused; what was warned of, what is not.
    let target = match judgement.decision {
        Decision::Reject => Level::Reject,
        Decision::Warn | Decision::Allow => Level::Warn,
    };
    let Ok(search) = Search::new(desk, proposal, target, ASSESSMENTS_MAX) else {
        return offers;
    };
    for kind in OfferKind::ALL {
        let found = search.of_kind(kind, target);
        let warned = found
            .as_ref()
            .is_some_and(|offer| offer.decision == Decision::Warn);
        offers.take(kind, found, &search);
        if kind == OfferKind::Smaller && warned && target == Level::Reject {
            // The largest that only warns, and the largest that is allowed.
            offers.take(kind, search.smaller(Level::Warn), &search);
        }
    }
    offers
        .alternatives
        .sort_by_key(|offer| (offer.decision, offer.kind));
    offers
}

impl Offers {
    fn take(&mut self, kind: OfferKind, found: Option<Alternative>, search: &Search<'_, '_>) {
        if search.ran_out() && found.is_none() && !self.unfinished.contains(&kind) {
            self.unfinished.push(kind);
        }
        self.alternatives.extend(found);
    }

    /// Why kinds are absent that might have led somewhere.
    pub(super) fn unfinished_words(&self) -> Option<String> {
        let absent = |kind: &&OfferKind| {
            let mut offers = self.alternatives.iter();
            !offers.any(|offer| offer.kind == **kind)
        };
        let absent = self.unfinished.iter().filter(absent);
        let names: Vec<&str> = absent.map(|kind| kind.name()).collect();
        (!names.is_empty()).then(|| {
            format!(
                "not searched to the end, the {ASSESSMENTS_MAX} assessments of an answer are used \
                 up: {}",
                names.join(", ")
            )
        })
    }
}

/// No quantity, mode or money helps: the guard's own state, what is not known, settings that the
/// exchange changes only when positions and orders are gone, or a mistake in the question itself.
fn is_hopeless(proposal: &Proposal, judgement: &Judgement) -> bool {
    let settings = match proposal.change() {
        Some(Change::PositionMode { .. }) => true,
        Some(Change::MarginType { .. }) => judgement
            .findings
            .iter()
            .any(|finding| finding.code == Code::IsolatedRequired),
        _ => false,
    };
    // What the exchange measures against a bound has a value.
    let mistaken =
        |finding: &Finding| finding.code == Code::ExchangeWouldRefuse && finding.value.is_none();
    let hopeless = |finding: &Finding| HOPELESS.contains(&finding.code) || mistaken(finding);
    settings || judgement.findings.iter().any(hopeless)
}

const fn passes_words(decision: Decision) -> &'static str {
    match decision {
        Decision::Allow => "is allowed",
        Decision::Warn | Decision::Reject => "passes with a warning",
    }
}

/// What the sentences call a question.
const fn this_words(proposal: &Proposal) -> &'static str {
    match proposal {
        Proposal::Order(_) => "this order",
        Proposal::Orders(_) => "this batch",
        Proposal::Change(_) => "this change",
    }
}
