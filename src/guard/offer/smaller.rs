//! The same with less.
//!
//! Owns: the search for the most of a question that gets a milder decision, and its sentence.
//! Must not know: other kinds of offers.

use super::less::Less;
use super::search::{Search, Stretch};
use super::{Alternative, Candidate, OfferKind, passes_words};
use crate::guard::proposal::Proposal;
use crate::guard::search::{End, Shape};
use crate::guard::terms::Terms;
use crate::guard::verdict::{Decision, Level};
use crate::guard::words::{self, Careful};
use crate::margin::change::Change;

/// How many quantities between the least and what was asked a patient search tries, evenly spread, the
/// greatest first: what passes only in the middle lies between slopes that lead away from it.
const EVENLY: u64 = 256;

/// How many of them up to what offsets a position: there the account changes most, however little that
/// is of all that could be ordered.
const WITHIN_POSITION: u64 = 64;

/// Numbers strictly between two, evenly spread.
fn evenly(least: u64, most: u64, parts: u64) -> impl Iterator<Item = u64> {
    let width = most.saturating_sub(least);
    let at = move |part: u64| {
        let share = u128::from(width)
            .saturating_mul(u128::from(part))
            .checked_div(u128::from(parts));
        let share = share.and_then(|share| u64::try_from(share).ok());
        least.saturating_add(share.unwrap_or_default())
    };
    (1..parts).map(at)
}

impl Search<'_, '_> {
    /// The most of the question that gets a milder decision.
    pub(super) fn smaller(&self, target: Level) -> Option<Alternative> {
        let less = Less::of(self.desk, self.proposal)?;
        let with = |number| less.with(number).map(Candidate::plain);
        let mut guesses = less.guesses(self.desk);
        if self.is_patient() {
            for held in guesses.clone() {
                guesses.extend(evenly(less.least(), held, WITHIN_POSITION));
            }
            guesses.extend(evenly(less.least(), less.most(), EVENLY));
            guesses.sort_unstable_by(|one, other| other.cmp(one));
            guesses.dedup();
        }
        let stretch = Stretch {
            fails: End {
                at: less.most(),
                strain: self.strain(target),
            },
            hoped: less.least(),
            shape: Shape::Dips(&guesses),
            with: &with,
            straighten: less.straighten(),
        };
        if stretch.hoped >= stretch.fails.at {
            return None;
        }
        let (number, candidate, passed) = self.last_passing(&stretch, target)?;
        let message = self.less_words(&less, number, &candidate.proposal, passed.decision);
        let kind = match self.proposal {
            Proposal::Change(Change::Leverage { .. }) => OfferKind::LowerLeverage,
            _ => OfferKind::Smaller,
        };
        let terms = Terms {
            share: less.share(number),
            ..self.less_terms(&candidate.proposal)
        };
        Some(Self::offer(kind, passed, terms, candidate, message))
    }

    fn less_terms(&self, proposal: &Proposal) -> Terms {
        let asset = || self.asked.first().map(|asked| asked.asset.clone());
        match proposal {
            Proposal::Order(intent) => Terms {
                symbol: Some(intent.symbol.clone()),
                quantity: intent.quantity,
                ..Terms::default()
            },
            Proposal::Orders(_) => Terms::default(),
            Proposal::Change(change) => {
                let symbol = change.symbol().cloned();
                match change {
                    Change::Leverage { leverage, .. } => Terms {
                        symbol,
                        leverage: Some(*leverage),
                        ..Terms::default()
                    },
                    Change::PositionMargin { amount, .. } | Change::TransferOut { amount, .. } => {
                        Terms {
                            symbol,
                            amount: Some(*amount),
                            asset: asset(),
                            ..Terms::default()
                        }
                    }
                    _ => Terms::default(),
                }
            }
        }
    }

    fn less_words(
        &self,
        less: &Less<'_>,
        number: u64,
        found: &Proposal,
        decision: Decision,
    ) -> String {
        let passes = passes_words(decision);
        match (found, self.proposal) {
            (Proposal::Order(found), Proposal::Order(asked)) => format!(
                "Send {} instead of {}: the largest quantity that {passes}.",
                found.quantity.unwrap_or_default(),
                asked.quantity.unwrap_or_default()
            ),
            (
                Proposal::Change(Change::Leverage { symbol, leverage }),
                Proposal::Change(Change::Leverage {
                    leverage: asked, ..
                }),
            ) => format!(
                "Set {symbol} to {}x instead of {}x: the nearest to it that {passes}.",
                leverage.get(),
                asked.get()
            ),
            (
                Proposal::Change(
                    Change::PositionMargin { amount, .. } | Change::TransferOut { amount, .. },
                ),
                _,
            ) => format!(
                "Move {} instead: the most that {passes}.",
                words::money(*amount)
            ),
            _ => {
                let share = less.share(number).unwrap_or_default().get();
                let share = words::percent(share, Careful::Down);
                format!("Send {share} of each order that adds: the largest share that {passes}.")
            }
        }
    }
}
