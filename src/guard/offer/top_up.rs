//! The same with more money in the pool, or in the isolated position itself.
//!
//! Owns: the search for the least transfer, and the least margin, that helps.
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
use crate::margin::account::MarginMode;
use crate::margin::amount::Amount;
use crate::margin::change::{Change, MarginMove, withdrawable};
use crate::margin::order::OrderIntent;

impl Search<'_, '_> {
    /// The same with more money: where an isolated position is added to, in that position; else, or
    /// where that does not help, in the pool.
    pub(super) fn top_up(&self) -> Option<Alternative> {
        if let Some(Change::TransferOut { .. }) = self.proposal.change() {
            // Money that goes in and out again.
            return None;
        }
        self.add_margin().or_else(|| self.transfer())
    }

    /// The same with more margin of the isolated position that the order is about: its end moves away
    /// as it grows.
    fn add_margin(&self) -> Option<Alternative> {
        let order = self.fenced()?;
        let (symbol, position_side) = (&order.symbol, order.position_side);
        let asked = self.worst_pool()?;
        let most = withdrawable(&asked.after).ok()?;
        let unit = money_unit(most.get());
        // Rounded down: no more than there is.
        let all: u64 = most.get().checked_div(unit)?.floor().try_into().ok()?;
        if all == 0 {
            return None;
        }
        let amount = |number: u64| Some(Amount::new(unit.checked_mul(number.into())?.normalize()));
        let with = |number: u64| {
            let change = Change::PositionMargin {
                symbol: symbol.clone(),
                position_side,
                amount: amount(number)?,
                direction: MarginMove::Add,
            };
            Some(Candidate {
                before: vec![Before::Change(change)],
                proposal: self.proposal.clone(),
            })
        };
        let strain = asked.strain.of(self.target);
        let hoped = self.margin_that_helps(order, strain)?.checked_div(unit)?;
        let hoped = hoped.ceil().try_into().unwrap_or(all).clamp(1, all);
        let stretch = Stretch {
            fails: End { at: 0, strain },
            hoped,
            shape: Shape::Falls(&[hoped.saturating_mul(8).min(all)]),
            with: &with,
            straighten: reciprocal,
        };
        let (number, candidate, passed) = self.last_passing(&stretch, self.target)?;
        let money = amount(number)?;
        let message = format!(
            "Add {} {} of margin to the isolated {symbol} position first: then {} {}.",
            words::money(money),
            asked.asset,
            this_words(self.proposal),
            passes_words(passed.decision)
        );
        let terms = Terms {
            symbol: Some(symbol.clone()),
            amount: Some(money),
            asset: Some(asked.asset.clone()),
            ..Terms::default()
        };
        let kind = OfferKind::TopUp;
        Some(Self::offer(kind, passed, terms, candidate, message))
    }

    /// Twice what the position has to its name and strains the limit by: its distance grows with its
    /// margin, but for what it has gained or lost.
    fn margin_that_helps(&self, order: &OrderIntent, strain: Decimal) -> Option<Decimal> {
        let state = self.desk.view.book().state(order.symbol.as_str())?;
        let price = order
            .kind
            .limit_price()
            .or(state.mark.map(|mark| mark.price()));
        let added = price?.times(order.quantity?.abs()).ok()?;
        let added = added.over(state.settings?.leverage).ok()?;
        let whole = state
            .legs
            .get(order.position_side)
            .isolated_wallet
            .plus(added)
            .ok()?;
        let missing = strain.checked_sub(Decimal::ONE)?;
        whole.get().checked_mul(missing)?.checked_mul(Decimal::TWO)
    }

    /// An order that adds to an isolated position.
    fn fenced(&self) -> Option<&OrderIntent> {
        let book = self.desk.view.book();
        self.proposal.orders().iter().find(|order| {
            let state = book.state(order.symbol.as_str());
            state.is_some_and(|state| {
                let isolated = state
                    .settings
                    .is_some_and(|settings| settings.risk_mode() == MarginMode::Isolated);
                isolated && !state.legs.get(order.position_side).is_flat()
            })
        })
    }

    /// The same with more money in the pool that is strained hardest: shares of it shrink as it
    /// grows.
    fn transfer(&self) -> Option<Alternative> {
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
        let (number, candidate, passed) = self.last_passing(&stretch, self.target)?;
        let money = amount(number)?;
        let message = format!(
            "Transfer {} {} into the futures wallet first: then {} {}.",
            words::money(money),
            asked.asset,
            this_words(self.proposal),
            passes_words(passed.decision)
        );
        let terms = Terms {
            amount: Some(money),
            asset: Some(asked.asset.clone()),
            ..Terms::default()
        };
        let kind = OfferKind::TopUp;
        Some(Self::offer(kind, passed, terms, candidate, message))
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
