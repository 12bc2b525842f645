//! The search for the least that mends a limit.
//!
//! Owns: one search for each kind of way back, and the proof that it holds.
//! Must not know: which limits are broken.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::scene::{Scene, harm};
use super::{Way, WayKind};
use crate::guard::decide;
use crate::guard::desk::{Desk, Step};
use crate::guard::look::{Depth, Look};
use crate::guard::proposal::Proposal;
use crate::guard::quantities::{Quantities, closings, money_unit};
use crate::guard::search::{End, Probe, Straighten, as_it_is, boundary, reciprocal};
use crate::guard::terms::Terms;
use crate::guard::verdict::{Code, Decision, Finding, Level};
use crate::guard::words;
use crate::margin::account::{PositionSide, Symbol};
use crate::margin::amount::{Amount, Leverage};
use crate::margin::change::{Change, MarginMove, withdrawable};
use crate::margin::order::OrderIntent;

/// Most assessments of the search for the ways back inside one limit.
const ASSESSMENTS_MAX: u32 = 160;

/// Most positions that are tried for one limit, the largest first.
const POSITIONS_MAX: usize = 3;

/// The search for the ways back inside one limit.
pub(super) struct Search<'s, 'a> {
    /// With the whole policy.
    pub desk: &'s Desk<'a>,
    /// With the limit that is broken and nothing else.
    pub narrow: &'s Desk<'s>,
    pub scene: Scene<'s>,
    pub depth: Depth,
    pub level: Level,
    pub strain: Decimal,
    pub before: BTreeMap<Code, Level>,
}

impl Search<'_, '_> {
    pub(super) fn ways(&self, seen: &Look<'_>, code: Code) -> Vec<Way> {
        let mut ways = Vec::new();
        if self.scene.fenced {
            ways.extend(self.add_margin());
        } else {
            ways.extend(self.top_up(seen));
        }
        let positions = closings(self.desk, self.scene.asset, |symbol, _| {
            self.scene.symbols.contains(&symbol)
        });
        let reduced = positions.iter().take(POSITIONS_MAX);
        ways.extend(reduced.filter_map(|whole| self.reduce(whole)));
        if code == Code::Spill {
            // Only the ticket of a position depends on its leverage.
            let lowered = self.scene.symbols.iter().take(POSITIONS_MAX);
            ways.extend(lowered.filter_map(|symbol| self.lower_leverage(symbol)));
        }
        ways
    }

    fn probe(&self, step: Step<'_>, straighten: Straighten) -> Option<Probe> {
        if self.narrow.assessments() >= ASSESSMENTS_MAX {
            return None;
        }
        let look = self.scene.look(self.narrow, &[step], self.depth).ok()?;
        Some(Probe {
            passes: self.scene.broken(&look).is_none(),
            strain: straighten(look.strain.of(self.level)),
        })
    }

    /// The least number up to `most` that mends it.
    fn least(
        &self,
        most: u64,
        straighten: Straighten,
        probe: impl Fn(u64) -> Option<Probe>,
    ) -> Option<u64> {
        let whole = probe(most).filter(|whole| whole.passes)?;
        let near = End {
            at: 0,
            strain: straighten(self.strain),
        };
        let far = End {
            at: most,
            strain: whole.strain,
        };
        boundary(near, far, false, probe)?.checked_add(1)
    }

    /// It mends the limit, breaks no other one, and the guard lets the request pass.
    fn holds(&self, step: Step<'_>, request: Option<&Proposal>) -> bool {
        let mended = self.scene.look(self.narrow, &[step], Depth::Verdict);
        let whole = self.scene.look(self.desk, &[step], Depth::Verdict);
        let (Ok(mended), Ok(whole)) = (mended, whole) else {
            return false;
        };
        let no_worse = |(code, level): (&Code, &Level)| {
            self.before.get(code).is_some_and(|before| level <= before)
        };
        let passes = |proposal: &Proposal| {
            let judgement = decide(self.desk.view, proposal, self.desk.context);
            let refused = |finding: &Finding| finding.code == Code::ExchangeWouldRefuse;
            judgement.decision != Decision::Reject && !judgement.findings.iter().any(refused)
        };
        self.scene.broken(&mended).is_none()
            && harm(&whole).iter().all(no_worse)
            && request.is_none_or(passes)
    }

    fn top_up(&self, seen: &Look<'_>) -> Option<Way> {
        let most = seen.after.notional_gross.get().checked_mul(Decimal::TWO)?;
        let unit = money_unit(most);
        let amount = |number: u64| Some(Amount::new(unit.checked_mul(number.into())?.normalize()));
        let all = most.checked_div(unit)?.ceil().try_into().ok()?;
        let number = self.least(all, reciprocal, |number| {
            self.probe(Step::TopUp(amount(number)?), reciprocal)
        })?;
        let money = amount(number)?;
        let message = format!(
            "Transfer {} {} into the futures wallet.",
            words::money(money),
            self.scene.asset
        );
        self.holds(Step::TopUp(money), None).then(|| {
            let terms = Terms {
                amount: Some(money),
                asset: Some(self.scene.asset.clone()),
                ..Terms::default()
            };
            way(WayKind::TopUp, None, message, terms)
        })
    }

    fn reduce(&self, whole: &OrderIntent) -> Option<Way> {
        let quantities = Quantities::of(self.desk, whole)?;
        let held = whole.quantity?;
        let with = |number: u64| {
            let quantity = quantities.quantity(number.checked_sub(1)?)?.min(held);
            Some(OrderIntent {
                quantity: Some(quantity),
                ..whole.clone()
            })
        };
        let all = quantities.first_not_below(held)?.checked_add(1)?;
        let number = self.least(all, as_it_is, |number| {
            self.probe(Step::Order(&with(number)?), as_it_is)
        })?;
        let order = with(number)?;
        let quantity = order.quantity?;
        let request = Proposal::Order(order.clone());
        let message = format!("Reduce {} by {quantity}.", whole.symbol);
        self.holds(Step::Order(&order), Some(&request)).then(|| {
            let terms = Terms {
                symbol: Some(whole.symbol.clone()),
                quantity: Some(quantity),
                ..Terms::default()
            };
            way(WayKind::Reduce, Some(request), message, terms)
        })
    }

    /// Margin for the isolated position in question, one leg of it at a time.
    fn add_margin(&self) -> Option<Way> {
        let symbol: &Symbol = self.scene.symbols.first()?;
        let state = self.desk.view.book().state(symbol.as_str())?;
        let pool = self.desk.as_it_is(self.scene.asset).ok()?;
        let most = withdrawable(&pool).ok()?;
        if !most.is_positive() {
            return None;
        }
        state
            .legs
            .held()
            .find_map(|(side, _)| self.add_to_leg(symbol, side, most))
    }

    fn add_to_leg(&self, symbol: &Symbol, side: PositionSide, most: Amount) -> Option<Way> {
        let unit = money_unit(most.get());
        let change = |parts: u64| {
            let amount = Amount::new(unit.checked_mul(Decimal::from(parts))?.normalize());
            Some(Change::PositionMargin {
                symbol: symbol.clone(),
                position_side: side,
                amount,
                direction: MarginMove::Add,
            })
        };
        // Rounded down: no more than there is.
        let all = most.get().checked_div(unit)?.floor().try_into().ok()?;
        let parts = self.least(all, reciprocal, |parts| {
            self.probe(Step::Change(&change(parts)?), reciprocal)
        })?;
        let money = Amount::new(unit.checked_mul(Decimal::from(parts))?.normalize());
        let change = change(parts)?;
        let request = Proposal::Change(change.clone());
        let message = format!(
            "Add {} {} of margin to the isolated {symbol} position.",
            words::money(money),
            self.scene.asset
        );
        self.holds(Step::Change(&change), Some(&request)).then(|| {
            let terms = Terms {
                symbol: Some(symbol.clone()),
                amount: Some(money),
                asset: Some(self.scene.asset.clone()),
                ..Terms::default()
            };
            way(WayKind::AddMargin, Some(request), message, terms)
        })
    }

    /// The highest leverage that mends it.
    fn lower_leverage(&self, symbol: &Symbol) -> Option<Way> {
        let state = self.desk.view.book().state(symbol.as_str())?;
        let set = state.settings?.leverage.get();
        let lowered = |by: u64| Leverage::new(set.checked_sub(u32::try_from(by).ok()?)?);
        let change = |by: u64| {
            Some(Change::Leverage {
                symbol: symbol.clone(),
                leverage: lowered(by)?,
            })
        };
        let most = u64::from(set.checked_sub(1)?);
        let by = self.least(most, as_it_is, |by| {
            self.probe(Step::Change(&change(by)?), as_it_is)
        })?;
        let change = change(by)?;
        let leverage = lowered(by)?;
        let request = Proposal::Change(change.clone());
        let message = format!("Set {symbol} to {}x.", leverage.get());
        self.holds(Step::Change(&change), Some(&request)).then(|| {
            let terms = Terms {
                symbol: Some(symbol.clone()),
                leverage: Some(leverage),
                ..Terms::default()
            };
            way(WayKind::LowerLeverage, Some(request), message, terms)
        })
    }
}

const fn way(kind: WayKind, request: Option<Proposal>, message: String, terms: Terms) -> Way {
    Way {
        kind,
        terms,
        request,
        message,
    }
}
