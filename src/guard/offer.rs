//! Counter-offers: what would pass instead.
//!
//! Owns: the shapes of offers, and the search for them.
//! Must not know: how a look is made.

use rust_decimal::{Decimal, RoundingStrategy};

use super::Context;
use super::desk::{Desk, Step};
use super::look::{Depth, Look, Question, look};
use super::proposal::Proposal;
use super::rules::{Strain, When, lot_of};
use super::search::{End, Probe, boundary};
use super::verdict::{Code, Decision, Finding, Judgement, Level};
use super::words;
use crate::margin::account::{
    Asset, AssetMode, MarginMode, PositionSide, Side, Symbol, SymbolState,
};
use crate::margin::amount::{Amount, Leverage, Notional, Quantity};
use crate::margin::book::Unknown;
use crate::margin::change::Change;
use crate::margin::order::{OrderIntent, OrderKind};
use crate::mirror::view::LiveView;

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

/// The largest quantities of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Size {
    /// The largest that is allowed; `None` when none is.
    pub allowed: Option<Quantity>,
    /// The largest that is not refused; `None` when none is.
    pub warned: Option<Quantity>,
}

/// The largest quantity of an order that is allowed, and the largest that only warns: on the step,
/// not below the smallest notional, within the exchange's cap and every rule. The order's own
/// quantity does not matter.
#[must_use]
pub fn size(view: &LiveView<'_>, intent: &OrderIntent, context: &Context<'_>) -> Size {
    let desk = Desk::new(view, context);
    let largest = |target| largest(&desk, intent, target);
    Size {
        allowed: largest(Level::Warn),
        warned: largest(Level::Reject),
    }
}

fn largest(desk: &Desk<'_>, intent: &OrderIntent, target: Level) -> Option<Quantity> {
    let open = context_is_open(desk.context);
    let asset = desk.pool_of(&intent.symbol).ok().filter(|_| open)?;
    let state = desk.view.book().state(intent.symbol.as_str())?;
    let most = most_conceivable(desk, intent, asset, state)?;
    let desk = Desk::new(desk.view, desk.context);
    let wanted = OrderIntent {
        quantity: Some(most),
        ..intent.clone()
    };
    let search = Search {
        desk: &desk,
        intent: &wanted,
        asset,
        state,
        target,
    };
    if search.verified(&wanted, &[], target).is_some() {
        return Some(most);
    }
    let strain = search.look(&wanted, &[], Depth::Glance).ok()?.strain;
    search.smaller(target, strain)?.quantity
}

/// The ladder lets something through that is no exit.
const fn context_is_open(context: &Context<'_>) -> bool {
    matches!(
        context.ladder,
        super::verdict::Ladder::Normal | super::verdict::Ladder::Caution
    )
}

/// A quantity beyond which the exchange takes nothing: its largest order, or twice what the balance
/// and the position could carry at the leverage that is set.
fn most_conceivable(
    desk: &Desk<'_>,
    intent: &OrderIntent,
    asset: &Asset,
    state: &SymbolState,
) -> Option<Quantity> {
    let ladder = Ladder::of(desk, intent, state)?;
    let settings = state.settings?;
    let pool = desk
        .stage(asset, &[])
        .ok()
        .and_then(|base| desk.assess(&base).ok())?;
    let price = intent
        .kind
        .limit_price()
        .or_else(|| state.mark.map(|mark| mark.price()))?;
    let leverage = Decimal::from(settings.leverage.get());
    let balance = pool.margin_balance.max(Amount::ZERO).get();
    let carried = balance.checked_mul(leverage)?.checked_div(price.get())?;
    let held = [&state.legs.both, &state.legs.long, &state.legs.short]
        .into_iter()
        .map(|leg| leg.quantity.abs())
        .max()?;
    let most = carried.checked_add(held.get())?.checked_mul(Decimal::TWO)?;
    let rules = desk.view.rules(&intent.symbol)?;
    let most = match lot_of(rules, intent.kind).max {
        Some(lot) => most.min(lot.get()),
        None => most,
    };
    let above = ladder.first_not_below(Quantity::new(most))?;
    let quantity = ladder.quantity(above)?;
    if quantity.get() > most && above > 0 {
        return ladder.quantity(above.saturating_sub(1));
    }
    Some(quantity)
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

    fn offer(&self, kind: OfferKind, decision: Decision, message: String) -> Alternative {
        Alternative {
            kind,
            decision,
            symbol: None,
            quantity: None,
            amount: None,
            asset: None,
            leverage: None,
            requests: vec![Proposal::Order(self.intent.clone())],
            message,
        }
    }

    /// The same order with the largest quantity on the step that gets a milder decision.
    fn smaller(&self, target: Level, asked: Strain) -> Option<Alternative> {
        let ladder = Ladder::of(self.desk, self.intent, self.state)?;
        let with = |step: u64| {
            ladder.quantity(step).map(|quantity| OrderIntent {
                quantity: Some(quantity),
                ..self.intent.clone()
            })
        };
        let wanted = self.intent.quantity?;
        let far = End {
            at: ladder.first_not_below(wanted)?,
            strain: asked.of(target),
        };
        let least = ladder.least();
        if least >= far.at {
            return None;
        }
        let first = self.glance(&with(least)?, &[], target)?;
        if !first.passes {
            return None;
        }
        let near = End {
            at: least,
            strain: first.strain,
        };
        let mut found = boundary(near, far, true, |at| self.glance(&with(at)?, &[], target))?;
        let mut decision = self.verified(&with(found)?, &[], target);
        if decision.is_none() {
            // What the figures permit, the worst case or a scenario does not: searched with them.
            let whole = self.probe(&with(found)?, &[], target)?;
            let least = self
                .probe(&with(near.at)?, &[], target)
                .filter(|p| p.passes)?;
            let near = End {
                at: near.at,
                strain: least.strain,
            };
            let far = End {
                at: found,
                strain: whole.strain,
            };
            found = boundary(near, far, true, |at| self.probe(&with(at)?, &[], target))?;
            decision = self.verified(&with(found)?, &[], target);
        }
        let decision = decision?;
        let order = with(found)?;
        let quantity = order.quantity?;
        let message = format!(
            "Send {quantity} instead of {wanted}: the largest quantity that {}.",
            passes_words(decision)
        );
        Some(Alternative {
            symbol: Some(order.symbol.clone()),
            quantity: Some(quantity),
            requests: vec![Proposal::Order(order)],
            ..self.offer(OfferKind::Smaller, decision, message)
        })
    }

    /// The same order with its contract isolated. The exchange switches only what is flat and
    /// without orders.
    fn isolate(&self) -> Option<Alternative> {
        let symbol = &self.intent.symbol;
        let settings = self.state.settings?;
        let view = self.desk.view;
        let free = settings.risk_mode() == MarginMode::Crossed
            && self.state.legs.is_flat()
            && view.book().asset_mode() == AssetMode::Single
            && view.mirror().orders().of(symbol.as_str()).next().is_none()
            && view.mirror().reservations().of(symbol).next().is_none();
        if !free {
            return None;
        }
        let change = Change::MarginType {
            symbol: symbol.clone(),
            margin_mode: MarginMode::Isolated,
        };
        let steps = [Step::Change(&change)];
        let decision = self.verified(self.intent, &steps, self.target)?;
        let price = self
            .intent
            .kind
            .limit_price()
            .or_else(|| self.state.mark.map(|mark| mark.price()))?;
        let margin = price.times(self.intent.quantity?).ok()?;
        let margin = margin.over(settings.leverage).ok()?.cut_quotient();
        let message = format!(
            "Isolate {symbol} first: then this position can lose about {} {}, its margin, and \
             nothing else of the wallet.",
            words::money(margin),
            self.asset
        );
        Some(Alternative {
            symbol: Some(symbol.clone()),
            amount: Some(margin),
            asset: Some(self.asset.clone()),
            requests: vec![
                Proposal::Change(change),
                Proposal::Order(self.intent.clone()),
            ],
            ..self.offer(OfferKind::Isolate, decision, message)
        })
    }

    /// The same order with more money in the pool: shares of it shrink as it grows.
    fn top_up(&self, asked: &Look<'_>) -> Option<Alternative> {
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
        Some(Alternative {
            amount: Some(money),
            asset: Some(self.asset.clone()),
            ..self.offer(OfferKind::TopUp, decision, message)
        })
    }

    /// The same order after another crossed position was reduced by the least that helps: the one
    /// that kills first, else the largest.
    fn reduce_other(&self, asked: Strain) -> Option<Alternative> {
        let others = self.others();
        others
            .iter()
            .take(2)
            .find_map(|other| self.reduce_one(other, asked))
    }

    fn others(&self) -> Vec<OrderIntent> {
        let base = self.desk.stage(self.asset, &[]);
        let Ok(base) = base else {
            return Vec::new();
        };
        let mut others: Vec<(Notional, OrderIntent)> = base
            .held()
            .filter(|(symbol, state)| {
                let crossed = state
                    .settings
                    .is_some_and(|settings| settings.risk_mode() == MarginMode::Crossed);
                **symbol != self.intent.symbol && crossed
            })
            .filter_map(|(symbol, state)| {
                let mark = state.mark?.price();
                let (side, leg) = state
                    .legs
                    .held()
                    .max_by_key(|(_, leg)| leg.quantity.abs())?;
                let notional = mark.times(leg.quantity).ok()?.abs();
                Some((notional, closing(symbol, side, leg.quantity)))
            })
            .collect();
        others.sort_by(|(one, _), (other, _)| other.cmp(one));
        others.into_iter().map(|(_, order)| order).collect()
    }

    fn reduce_one(&self, whole: &OrderIntent, asked: Strain) -> Option<Alternative> {
        let state = self.desk.view.book().state(whole.symbol.as_str())?;
        let ladder = Ladder::of(self.desk, whole, state)?;
        let held = whole.quantity?;
        let with = |step: u64| {
            let quantity = ladder.quantity(step)?.min(held);
            Some(OrderIntent {
                quantity: Some(quantity),
                ..whole.clone()
            })
        };
        let glance = |step: u64| {
            let order = with(step)?;
            self.glance(self.intent, &[Step::Order(&order)], self.target)
        };
        let all = ladder.first_not_below(held)?;
        let seen = glance(all).filter(|seen| seen.passes)?;
        let near = End {
            at: 0,
            strain: asked.of(self.target),
        };
        let far = End {
            at: all,
            strain: seen.strain,
        };
        let first = if all == 0 || glance(0)?.passes {
            0
        } else {
            boundary(near, far, false, glance)?.saturating_add(1)
        };
        let order = with(first)?;
        let decision = self.verified(self.intent, &[Step::Order(&order)], self.target)?;
        let quantity = order.quantity?;
        let message = format!(
            "Reduce {} by {quantity} first: then this order {}.",
            order.symbol,
            passes_words(decision)
        );
        Some(Alternative {
            symbol: Some(order.symbol.clone()),
            quantity: Some(quantity),
            requests: vec![Proposal::Order(order), Proposal::Order(self.intent.clone())],
            ..self.offer(OfferKind::ReduceOther, decision, message)
        })
    }

    /// The same order at the highest leverage that helps.
    fn lower_leverage(&self, asked: Strain) -> Option<Alternative> {
        let symbol = &self.intent.symbol;
        let settings = self.state.settings?;
        let fenced = settings.margin_mode == MarginMode::Isolated && !self.state.legs.is_flat();
        let set = settings.leverage.get();
        if fenced || set < 2 {
            return None;
        }
        let change = |leverage: u64| {
            let leverage = Leverage::new(u32::try_from(leverage).ok()?)?;
            Some(Change::Leverage {
                symbol: symbol.clone(),
                leverage,
            })
        };
        let glance = |leverage: u64| {
            let change = change(leverage)?;
            self.glance(self.intent, &[Step::Change(&change)], self.target)
        };
        let lowest = glance(1).filter(|seen| seen.passes)?;
        let near = End {
            at: 1,
            strain: lowest.strain,
        };
        let far = End {
            at: u64::from(set),
            strain: asked.of(self.target),
        };
        let found = boundary(near, far, true, glance)?;
        let change = change(found)?;
        let decision = self.verified(self.intent, &[Step::Change(&change)], self.target)?;
        let message = format!(
            "Set {symbol} to {found}x first: then this order {}.",
            passes_words(decision)
        );
        Some(Alternative {
            symbol: Some(symbol.clone()),
            leverage: Leverage::new(u32::try_from(found).ok()?),
            requests: vec![
                Proposal::Change(change),
                Proposal::Order(self.intent.clone()),
            ],
            ..self.offer(OfferKind::LowerLeverage, decision, message)
        })
    }
}

const fn passes_words(decision: Decision) -> &'static str {
    match decision {
        Decision::Allow => "is allowed",
        Decision::Warn | Decision::Reject => "passes with a warning",
    }
}

/// The market order that closes a leg, constrained to reduce as its mode permits.
pub(super) fn closing(symbol: &Symbol, position_side: PositionSide, held: Quantity) -> OrderIntent {
    OrderIntent {
        symbol: symbol.clone(),
        side: if held.is_negative() {
            Side::Buy
        } else {
            Side::Sell
        },
        position_side,
        kind: OrderKind::Market,
        quantity: Some(held.abs()),
        reduce_only: position_side == PositionSide::Both,
        close_position: false,
        client_order_id: None,
    }
}

/// The quantities that the exchange takes of an order, numbered from the smallest.
pub(super) struct Ladder {
    base: Decimal,
    step: Decimal,
    least: u64,
}

impl Ladder {
    pub(super) fn of(desk: &Desk<'_>, intent: &OrderIntent, state: &SymbolState) -> Option<Self> {
        let rules = desk.view.rules(&intent.symbol)?;
        let lot = lot_of(rules, intent.kind);
        let step = lot.step?.get();
        if step <= Decimal::ZERO {
            return None;
        }
        let base = lot.min.map_or(step, Quantity::get);
        let base = if base > Decimal::ZERO { base } else { step };
        let mut ladder = Self {
            base,
            step,
            least: 0,
        };
        let price = intent
            .kind
            .limit_price()
            .or_else(|| state.mark.map(|mark| mark.price()))?;
        if let (Some(least), false) = (rules.notional_min, intent.only_reduces()) {
            let quantity = least.get().checked_div(price.get())?;
            ladder.least = ladder.first_not_below(Quantity::new(quantity))?;
        }
        Some(ladder)
    }

    const fn least(&self) -> u64 {
        self.least
    }

    pub(super) fn quantity(&self, step: u64) -> Option<Quantity> {
        let above = self.step.checked_mul(Decimal::from(step))?;
        let quantity = self.base.checked_add(above)?;
        Some(Quantity::new(quantity.normalize()))
    }

    /// The first number whose quantity is not below this one.
    pub(super) fn first_not_below(&self, quantity: Quantity) -> Option<u64> {
        let above = quantity.get().abs().checked_sub(self.base)?;
        if above <= Decimal::ZERO {
            return Some(0);
        }
        above.checked_div(self.step)?.ceil().try_into().ok()
    }
}
