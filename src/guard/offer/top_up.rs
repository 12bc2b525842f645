//! The same with more money in the pool.
//!
//! Owns: the search for the least transfer that helps.
//! Must not know: other kinds of offers.

use rust_decimal::{Decimal, RoundingStrategy};

use super::candidate::Before;
use super::search::{Asked, Search, Stretch};
use super::{Alternative, Candidate, OfferKind, passes_words, this_words};
use crate::guard::quantities::money_unit;
use crate::guard::search::{End, Shape, reciprocal};
use crate::guard::terms::Terms;
use crate::guard::verdict::Level;
use crate::guard::words;
use crate::margin::amount::Amount;
use crate::margin::change::Change;

impl Search<'_, '_> {
    /// The same with more money in the pool that is strained hardest: shares of it shrink as it
    /// grows.
    pub(super) fn top_up(&self) -> Option<Alternative> {
        if let Some(Change::TransferOut { .. }) = self.proposal.change() {
            // Money that goes in and out again.
            return None;
        }
        let asked = self.worst_pool()?;
        let most = most_that_helps(asked, self.target)?;
        let gross = asked.after.notional_gross.get();
        let unit = money_unit(gross.max(asked.after.margin_balance.get()));
        let amount = |number: u64| Some(Amount::new(unit.checked_mul(number.into())?.normalize()));
        let with = |number: u64| {
            Some(Candidate {
                before: vec![Before::TopUp(asked.asset.clone(), amount(number)?)],
                proposal: self.proposal.clone(),
            })
        };
        let hoped: u64 = most.checked_div(unit)?.ceil().try_into().ok()?;
        let strain = asked.strain.of(self.target);
        let more = hoped.saturating_mul(4);
        let stretch = Stretch {
            fails: End { at: 0, strain },
            hoped,
            // What moves with the balance itself, such as a spill, asks for more.
            shape: Shape::Falls(&[more]),
            with: &with,
            straighten: reciprocal,
        };
        let (number, candidate, decision) = self.last_passing(&stretch, self.target)?;
        let money = amount(number)?;
        let message = format!(
            "Transfer {} {} into the futures wallet first: then {} {}.",
            words::money(money),
            asked.asset,
            this_words(self.proposal),
            passes_words(decision)
        );
        let terms = Terms {
            amount: Some(money),
            asset: Some(asked.asset.clone()),
            ..Terms::default()
        };
        let kind = OfferKind::TopUp;
        Some(Self::offer(kind, decision, terms, candidate, message))
    }
}

/// Enough for whatever is a share of the balance, and a little more for what is rounded up. Where
/// strain knows no degrees: what makes good a negative balance and carries every position twice.
/// `None` when nothing is strained that money could help.
fn most_that_helps(asked: &Asked<'_>, target: Level) -> Option<Decimal> {
    let strain = asked.strain.of(target);
    let balance = asked.after.margin_balance.get();
    let missing = strain.checked_sub(Decimal::ONE)?;
    if missing <= Decimal::ZERO {
        return None;
    }
    let carries = asked.after.notional_gross.get().checked_mul(Decimal::TWO)?;
    let all = carries.checked_sub(balance.min(Decimal::ZERO))?;
    let share = balance
        .max(Decimal::ZERO)
        .checked_mul(missing)
        .and_then(|share| share.checked_mul(Decimal::new(101, 2)));
    let most = match share {
        Some(share) if share > Decimal::ZERO && strain < Decimal::ONE_HUNDRED => share,
        _ => all,
    };
    let most = most.round_dp_with_strategy(8, RoundingStrategy::AwayFromZero);
    (most > Decimal::ZERO).then_some(most)
}
