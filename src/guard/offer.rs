//! Counter-offers: what would pass instead.
//!
//! Owns: the shapes of offers, and the search for them.
//! Must not know: how a look is made.

use super::desk::Desk;
use super::proposal::Proposal;
use super::verdict::{Decision, Judgement};
use crate::margin::account::{Asset, Symbol};
use crate::margin::amount::{Amount, Leverage, Quantity};

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
    /// The contract that is changed or reduced.
    pub symbol: Option<Symbol>,
    /// The quantity of the order to send, or that another position is reduced by.
    pub quantity: Option<Quantity>,
    /// Money: what is topped up, or what an isolated position can lose at most.
    pub amount: Option<Amount>,
    /// The asset of that money.
    pub asset: Option<Asset>,
    /// The leverage to set.
    pub leverage: Option<Leverage>,
    /// What is to be sent, one after the other.
    pub requests: Vec<Proposal>,
    /// One sentence for a person.
    pub message: String,
}

/// What would pass instead.
pub(super) fn alternatives(
    _desk: &Desk<'_>,
    _proposal: &Proposal,
    _judgement: &Judgement,
) -> Vec<Alternative> {
    Vec::new()
}
