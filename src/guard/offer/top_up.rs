//! The same order with more money in the pool.
//!
//! Owns: the search for the least transfer that helps.
//! Must not know: other kinds of offers.

use rust_decimal::{Decimal, RoundingStrategy};

use super::{Alternative, OfferKind, Search, passes_words};
use crate::guard::desk::Step;
use crate::guard::look::Look;
use crate::guard::search::{End, boundary};
use crate::guard::terms::Terms;
use crate::guard::words;
use crate::margin::amount::Amount;

impl Search<'_, '_> {
    /// The same order with more money in the pool: shares of it shrink as it grows.
    pub(super) fn top_up(&self, asked: &Look<'_>) -> Option<Alternative> {
        const PARTS: u64 = 64;
        let strain = asked.strain.of(self.target);
        let missing = strain.checked_sub(Decimal::ONE)?;
        let balance = asked.after.margin_balance.max(Amount::ZERO).get();
        if missing <= Decimal::ZERO || strain >= Decimal::ONE_HUNDRED || balance.is_zero() {
            return None;
        }
        // Enough for whatever is a share of the balance; a little more for rounding up.
        let most = balance
            .checked_mul(missing)?
            .checked_mul(Decimal::new(101, 2))?;
        let decimals = if balance >= Decimal::ONE_HUNDRED {
            2
        } else {
            8
        };
        let unit = most
            .checked_div(Decimal::from(PARTS))?
            .round_dp_with_strategy(decimals, RoundingStrategy::AwayFromZero);
        let amount = |parts: u64| unit.checked_mul(Decimal::from(parts)).map(Amount::new);
        let glance = |parts: u64| {
            let steps = [Step::TopUp(amount(parts)?)];
            self.glance(self.intent, &steps, self.target)
        };
        let whole = glance(PARTS)?;
        let parts = if whole.passes {
            let near = End { at: 0, strain };
            let far = End {
                at: PARTS,
                strain: whole.strain,
            };
            boundary(near, far, false, glance)?.saturating_add(1)
        } else {
            PARTS
        };
        let (money, decision) = [parts, PARTS, PARTS.saturating_mul(2)]
            .into_iter()
            .filter(|candidate| *candidate >= parts)
            .find_map(|candidate| {
                let money = amount(candidate)?;
                let decision = self.verified(self.intent, &[Step::TopUp(money)], self.target)?;
                Some((money, decision))
            })?;
        let message = format!(
            "Transfer {} {} into the futures wallet first: then this order {}.",
            words::money(money),
            self.asset,
            passes_words(decision)
        );
        let terms = Terms {
            amount: Some(money),
            asset: Some(self.asset.clone()),
            ..Terms::default()
        };
        Some(self.offer(OfferKind::TopUp, decision, message, terms))
    }
}
