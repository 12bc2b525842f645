//! The decision: before, after, rules in precedence, one sentence.
//!
//! Owns: the order in which rules are asked and how findings become a decision.
//! Must not know: how any figure is computed.

use super::exit::is_exit;
use super::policy::Policy;
use super::rules::{self, Case, RULES};
use super::verdict::{
    Certainty, Cleared, Code, Costs, Decision, Finding, Judgement, Ladder, Level, MissingFigure,
    PositionChange, PositionFigures,
};
use super::words;
use crate::margin::account::{PositionSide, Side, Symbol};
use crate::margin::amount::{Amount, Rate};
use crate::margin::book::{Unknown, WhatIf};
use crate::margin::contribution::Missing;
use crate::margin::liquidation::Direction;
use crate::margin::order::OrderIntent;
use crate::margin::position::{PositionAssessment, assess_positions};
use crate::margin::project::{Assumptions, Fill, PriceSource, fill, isolated_twin, order_cost};
use crate::mirror::plane::Plane;
use crate::mirror::view::{LiveView, NotReady};

/// How much of a judgement is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// Decision, sentence and findings.
    Brief,
    /// Every figure.
    Full,
}

/// What surrounds a question.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// Limits.
    pub policy: &'a Policy,
    /// The guard's own state.
    pub ladder: Ladder,
    /// Why it stands there, in the user's words.
    pub ladder_reason: &'a str,
    /// Who asks, for limits of single clients.
    pub client: Option<&'a str>,
    /// How much is wanted.
    pub detail: Detail,
}

/// Judges an order when the planes it needs are fresh.
#[must_use]
pub fn decide(view: &LiveView<'_>, intent: &OrderIntent, context: &Context<'_>) -> Judgement {
    let mut judgement = Judgement {
        is_exit: is_exit(view, intent),
        ..empty(context.ladder)
    };
    if let Some(unsupported) = view.mirror().unsupported() {
        let message = format!(
            "This account uses {unsupported}, which crossguard does not model yet: its figures \
             would be wrong."
        );
        judgement
            .findings
            .push(rules::plain(Code::UnsupportedAccount, intent, message));
    }
    if let Err(error) = look(view, intent, context, &mut judgement) {
        judgement.findings.push(unknown_figure(intent, &error));
        judgement.missing.push(MissingFigure {
            path: "account.after",
            plane: lacking_plane(&error),
            reason: error.to_string(),
        });
        judgement.certainty = Certainty::Unknown;
    }
    if !judgement.is_exit {
        let state = rules::ladder(context.ladder, context.ladder_reason, intent);
        judgement.findings.extend(state);
    }
    conclude(judgement, intent)
}

/// Judges an order when a plane it needs is not fresh: an exit passes with a warning, everything
/// else is rejected, and every stale plane is named.
#[must_use]
pub fn decide_blind(
    not_ready: &NotReady,
    intent: &OrderIntent,
    context: &Context<'_>,
) -> Judgement {
    let mut judgement = Judgement {
        is_exit: intent.only_reduces(),
        certainty: Certainty::Unknown,
        ..empty(context.ladder)
    };
    for status in &not_ready.planes {
        let reason = status.reason.clone().unwrap_or_default();
        let message = format!(
            "The guard cannot vouch for {}: {reason}.",
            plane_words(status.plane)
        );
        judgement
            .findings
            .push(rules::plain(Code::NotReady, intent, message));
        judgement.missing.push(MissingFigure {
            path: "account.after",
            plane: Some(status.plane),
            reason,
        });
    }
    if !judgement.is_exit {
        let state = rules::ladder(context.ladder, context.ladder_reason, intent);
        judgement.findings.extend(state);
    }
    conclude(judgement, intent)
}

const fn plane_words(plane: Plane) -> &'static str {
    match plane {
        Plane::Account => "balances and positions",
        Plane::Orders => "working orders",
        Plane::Marks => "mark prices",
        Plane::Config => "leverage and margin types",
        Plane::Brackets => "maintenance brackets",
        Plane::Rules => "trading rules",
        Plane::Time => "the exchange's clock",
        Plane::Key => "the API key",
        Plane::Collateral => "collateral rates",
    }
}

const fn empty(ladder: Ladder) -> Judgement {
    Judgement {
        decision: Decision::Reject,
        why: String::new(),
        findings: Vec::new(),
        certainty: Certainty::Exact,
        ladder,
        is_exit: false,
        fill: None,
        settings: None,
        before: None,
        after: None,
        positions: Vec::new(),
        isolated_twin: None,
        costs: None,
        missing: Vec::new(),
        cleared: None,
    }
}

/// Softens the findings of an exit, orders them by precedence, and draws the conclusion.
fn conclude(mut judgement: Judgement, intent: &OrderIntent) -> Judgement {
    if judgement.is_exit {
        for finding in &mut judgement.findings {
            finding.level = Level::Warn;
        }
    }
    judgement.findings.sort_by_key(|finding| finding.code);
    let first = |level: Level| {
        judgement
            .findings
            .iter()
            .find(|finding| finding.level == level)
    };
    let (decision, why) = if let Some(finding) = first(Level::Reject) {
        (Decision::Reject, finding.message.clone())
    } else if let Some(finding) = first(Level::Warn) {
        let why = if judgement.is_exit {
            format!("An exit always passes. {}", finding.message)
        } else {
            finding.message.clone()
        };
        (Decision::Warn, why)
    } else {
        (Decision::Allow, allowed_why(&judgement))
    };
    judgement.decision = decision;
    judgement.why = why;
    judgement.cleared = (decision != Decision::Reject).then(|| Cleared::mint(intent.clone()));
    judgement
}

fn allowed_why(judgement: &Judgement) -> String {
    match &judgement.after {
        _ if judgement.is_exit => "An exit: it can only take risk away.".to_owned(),
        Some(after) => words::allowed(after),
        None => "Within your limits.".to_owned(),
    }
}

fn unknown_figure(intent: &OrderIntent, error: &Unknown) -> Finding {
    if let Unknown::Symbol(symbol, Missing::MarginAsset) = error
        && *symbol == intent.symbol
    {
        let message = format!("The exchange does not list {symbol}.");
        return rules::plain(Code::UnknownSymbol, intent, message);
    }
    let message = format!("A figure this decision needs is not known ({error}).");
    rules::plain(Code::UnknownFigure, intent, message)
}

const fn lacking_plane(error: &Unknown) -> Option<Plane> {
    match error {
        Unknown::Balance(_) => Some(Plane::Account),
        Unknown::Symbol(_, Missing::MarginAsset) => Some(Plane::Rules),
        Unknown::Symbol(_, Missing::Settings) => Some(Plane::Config),
        Unknown::Symbol(_, Missing::Mark) => Some(Plane::Marks),
        Unknown::Symbol(_, Missing::Brackets) => Some(Plane::Brackets),
        Unknown::Symbol(_, Missing::Arithmetic(_)) | Unknown::Arithmetic(_) => None,
        Unknown::Rate(_) => Some(Plane::Collateral),
    }
}

/// Computes the figures and asks the rules.
fn look(
    view: &LiveView<'_>,
    intent: &OrderIntent,
    context: &Context<'_>,
    judgement: &mut Judgement,
) -> Result<(), Unknown> {
    let policy = context.policy;
    let symbol = &intent.symbol;
    let missing = |missing| Unknown::Symbol(symbol.clone(), missing);
    let rules = view
        .rules(symbol)
        .ok_or_else(|| missing(Missing::MarginAsset))?;
    let state = view
        .book()
        .state(symbol.as_str())
        .ok_or_else(|| missing(Missing::Settings))?;
    let settings = state.settings.ok_or_else(|| missing(Missing::Settings))?;
    let mark = state.mark.ok_or_else(|| missing(Missing::Mark))?;
    judgement.settings = Some((settings.margin_mode, settings.leverage));
    if context.detail == Detail::Full {
        judgement.before = Some(view.book().assess(&rules.margin_asset, policy.horizon)?);
    }

    let promised = with_promises(view, symbol, policy)?;
    let mode = view.book().position_mode();
    let mut what_if = promised.clone();
    let fill = fill(&mut what_if, intent, assumptions(policy))?;
    let after = what_if.assess(policy.horizon)?;
    let positions = assess_positions(&what_if, symbol, policy.horizon)?;
    let cost = if intent.kind.is_conditional() {
        None
    } else {
        let before_order = promised.state(symbol.as_str()).unwrap_or(state);
        Some(order_cost(before_order, mode, intent, &fill).map_err(missing)?)
    };
    let available = promised.available_balance()?;
    let case = Case {
        intent,
        client: context.client,
        policy,
        rules,
        mode,
        state,
        settings,
        mark,
        fill,
        cost,
        available,
        after: &after,
        positions: &positions,
    };
    judgement
        .findings
        .extend(RULES.iter().filter_map(|rule| rule(&case)));
    judgement.certainty = certainty(&fill);
    judgement.fill = Some(fill);
    if context.detail == Detail::Full {
        judgement.isolated_twin = isolated_twin(symbol, state, &fill)?;
        judgement.costs = Some(costs(view, symbol, &fill, &positions));
        judgement.positions = position_changes(view, &what_if, policy.horizon)?;
    }
    judgement.after = Some(after);
    Ok(())
}

const fn assumptions(policy: &Policy) -> Assumptions {
    Assumptions {
        market_slippage: policy.market_slippage,
        taker_fee: policy.taker_fee,
    }
}

const fn certainty(fill: &Fill) -> Certainty {
    match fill.price_source {
        PriceSource::Limit => Certainty::Exact,
        PriceSource::Mark | PriceSource::MarkWithSlippage | PriceSource::TriggerWithSlippage => {
            Certainty::Estimate
        }
    }
}

/// The account as it would be once every promise has filled: room that was given away is not
/// given twice.
fn with_promises<'a>(
    view: &LiveView<'a>,
    symbol: &Symbol,
    policy: &Policy,
) -> Result<WhatIf<'a>, Unknown> {
    let mut what_if = view.book().what_if(symbol)?;
    for promise in view.mirror().reservations().iter() {
        let same_pool = view
            .rules(&promise.intent.symbol)
            .is_some_and(|rules| what_if.shares_pool(&rules.margin_asset));
        if same_pool && !promise.intent.only_reduces() {
            fill(&mut what_if, &promise.intent, assumptions(policy))?;
        }
    }
    Ok(what_if)
}

/// Fee of the fill, and what its position pays at the next funding: positive rate, longs pay.
///
/// Source: margin-math §12 (vector F07).
fn costs(
    view: &LiveView<'_>,
    symbol: &Symbol,
    fill: &Fill,
    positions: &[PositionAssessment],
) -> Costs {
    let rate = view
        .mirror()
        .mark_meta(symbol.as_str())
        .and_then(|meta| meta.funding_rate);
    let funding_next = rate.and_then(|rate| {
        positions.iter().try_fold(Amount::ZERO, |sum, position| {
            position
                .notional
                .times(rate)
                .and_then(|paid| sum.plus(paid))
                .ok()
        })
    });
    Costs {
        fee: fill.fee,
        funding_next,
    }
}

/// Every position of the pool before and after.
fn position_changes(
    view: &LiveView<'_>,
    after: &WhatIf<'_>,
    horizon: Rate,
) -> Result<Vec<PositionChange>, Unknown> {
    let mut changes = Vec::new();
    for (symbol, state) in view.book().symbols() {
        let asset = state.margin_asset.as_ref();
        if !asset.is_some_and(|asset| after.shares_pool(asset)) {
            continue;
        }
        let flat_after = after
            .state(symbol.as_str())
            .is_none_or(|state| state.legs.is_flat());
        if state.legs.is_flat() && flat_after {
            continue;
        }
        let as_it_is = view.book().what_if(symbol)?;
        let before = assess_positions(&as_it_is, symbol, horizon)?;
        let then = assess_positions(after, symbol, horizon)?;
        for side in [PositionSide::Both, PositionSide::Long, PositionSide::Short] {
            let of_side = |position: &&PositionAssessment| position.position_side == side;
            let (was, becomes) = (before.iter().find(of_side), then.iter().find(of_side));
            if let Some(change) = position_change(view, symbol, side, was, becomes)? {
                changes.push(change);
            }
        }
    }
    Ok(changes)
}

fn position_change(
    view: &LiveView<'_>,
    symbol: &Symbol,
    position_side: PositionSide,
    before: Option<&PositionAssessment>,
    after: Option<&PositionAssessment>,
) -> Result<Option<PositionChange>, Unknown> {
    let Some(shown) = after.or(before) else {
        return Ok(None);
    };
    let figures = |position: &PositionAssessment| PositionFigures {
        liquidation: position.liquidation,
        maintenance_margin: position.maintenance_margin,
    };
    let distance = |position: Option<&PositionAssessment>| match position {
        Some(position) => position.distance(),
        None => Ok(None),
    };
    let shift = match (distance(before)?, distance(after)?) {
        (Some(before), Some(after)) => Some(before.minus(after)?),
        _ => None,
    };
    Ok(Some(PositionChange {
        symbol: symbol.clone(),
        position_side,
        margin_mode: shown.margin_mode,
        quantity: after
            .as_ref()
            .map(|position| position.leg.quantity)
            .unwrap_or_default(),
        mark: shown.mark,
        before: before.map(figures),
        after: after.map(figures),
        shift,
        ticket: after.map(|position| position.ticket),
        spill: after.map(|position| position.spill),
        stop_beyond_liquidation: after
            .is_some_and(|position| stop_is_beyond(view, symbol, position)),
    }))
}

/// A protective stop whose trigger lies beyond the liquidation price never fires.
///
/// Source: margin-math §13.
fn stop_is_beyond(view: &LiveView<'_>, symbol: &Symbol, position: &PositionAssessment) -> bool {
    let long = !position.leg.quantity.is_negative();
    let (closing, direction) = if long {
        (Side::Sell, Direction::Down)
    } else {
        (Side::Buy, Direction::Up)
    };
    let Some(end) = position.liquidation.on(direction) else {
        return false;
    };
    view.mirror().orders().of(symbol.as_str()).any(|order| {
        let protects = order.kind.is_conditional()
            && order.side == closing
            && order.position_side == position.position_side;
        let trigger = order.kind.trigger_price().filter(|_| protects);
        trigger.is_some_and(|trigger| if long { trigger <= end } else { trigger >= end })
    })
}
