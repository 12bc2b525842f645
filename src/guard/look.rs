//! One look: the account before, the question put into it, the rules asked.
//!
//! Owns: in which states a question is judged. An order is judged filled; a batch is judged in up
//! to four executions (all of it, only what adds by buying, only what adds by selling, only what
//! adds), because the exchange works on its elements concurrently and any of them may fail; a change
//! is judged made.
//! Must not know: how figures are computed, what becomes of findings.

use std::cell::Cell;

use super::change::{self, ChangeCase};
use super::desk::{Desk, Step};
use super::exit::order_is_exit;
use super::rules::{self, AFTER_RULES, AccountCase, Limits, ORDER_RULES, OrderCase, Strain};
use super::rules::{Touched, When};
use super::stress::{self, StressOutcome, Wanted};
use super::verdict::{Code, Executed, Execution, Finding, Level, OrderJudgement, WorstCase};
use super::worst;
use crate::margin::account::{Asset, PositionSide, Quotes, Side, Symbol, SymbolState};
use crate::margin::amount::{Amount, MarkPrice, Notional};
use crate::margin::book::Unknown;
use crate::margin::book::WhatIf;
use crate::margin::change::{self as projection, Change, MarginMove};
use crate::margin::contribution::Missing;
use crate::margin::cost::order_cost;
use crate::margin::order::OrderIntent;
use crate::margin::pool::PoolAssessment;
use crate::margin::position::assess_positions;
use crate::margin::project::{ExposureChange, fill};
use crate::margin::shock::Held;

/// How thoroughly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Depth {
    /// The figures afterwards, nothing of worst cases and scenarios: for searching.
    Glance,
    /// Every rule: what a decision needs.
    Verdict,
    /// Every rule and every scenario.
    Full,
}

/// What is looked at, in one pool.
#[derive(Debug, Clone, Copy)]
pub(super) struct Question<'q> {
    pub asset: &'q Asset,
    /// What is done before.
    pub steps: &'q [Step<'q>],
    /// The orders, in this pool.
    pub orders: &'q [&'q OrderIntent],
    /// Where each of them stands in its batch.
    pub places: &'q [usize],
    pub change: Option<&'q Change>,
    /// Contracts whose limits hold and whose positions are judged by themselves.
    pub symbols: &'q [&'q Symbol],
    pub when: When,
    /// How hard it strains the limits is asked for too: only searches do.
    pub measured: bool,
}

/// What was seen.
pub(super) struct Look<'a> {
    pub findings: Vec<Finding>,
    pub strain: Strain,
    /// One for each order of the question.
    pub orders: Vec<OrderJudgement>,
    /// The account in the end.
    pub what_if: WhatIf<'a>,
    pub after: PoolAssessment,
    /// Positions of the contracts in question.
    pub positions: Vec<Touched>,
    pub worst: Option<WorstCase>,
    pub stress: Vec<StressOutcome>,
    /// The other executions of a batch.
    pub executions: Vec<Execution>,
}

impl Look<'_> {
    /// The hardest finding.
    pub(super) fn level(&self) -> Option<Level> {
        self.findings.iter().map(|finding| finding.level).max()
    }
}

/// Looks.
///
/// # Errors
/// What is not known.
pub(super) fn look<'a>(
    desk: &Desk<'a>,
    question: &Question<'_>,
    depth: Depth,
) -> Result<Look<'a>, Unknown> {
    let context = desk.context;
    let limits =
        Limits::new(context.policy, context.client, question.symbols).measured(question.measured);
    let base = desk.stage(question.asset, question.steps)?;
    let mut what_if = base.clone();
    let mut findings = Vec::new();
    let orders = one_by_one(desk, question, &limits, &mut what_if, &mut findings)?;
    if let Some(change) = question.change {
        projection::apply(&mut what_if, change)?;
    }
    let after = desk.assess(&what_if)?;
    let positions = touched(desk, question, &what_if)?;
    let case = AccountCase {
        limits: &limits,
        when: question.when,
        after: &after,
        positions: &positions,
    };
    findings.extend(AFTER_RULES.iter().filter_map(|rule| rule(&case)));
    if let Some(change) = question.change {
        let before = if needs_before(change) {
            Some(desk.assess(&base)?)
        } else {
            None
        };
        let found = change::findings(&ChangeCase {
            desk,
            limits: &limits,
            change,
            base: &base,
            before: before.as_ref(),
            after: Some(&after),
            measured: Cell::default(),
        })?;
        limits.note_undegreed(&found);
        findings.extend(found);
    }
    let parts = parts(desk, &base, question.orders)?;
    let mut look = Look {
        findings,
        strain: limits.strain(),
        orders,
        what_if,
        after,
        positions,
        worst: None,
        stress: Vec::new(),
        executions: Vec::new(),
    };
    if depth > Depth::Glance {
        beyond(desk, question, &limits, depth, &mut look)?;
    }
    let mut computed = look.stress.len();
    for (part, of) in parts {
        let alone = part_alone(desk, question, (&part, of), &limits, depth)?;
        computed = computed.saturating_add(alone.scenarios);
        for finding in alone.findings {
            add_if_harder(&mut look.findings, finding);
        }
        look.executions.push(Execution {
            of,
            after: alone.after,
        });
    }
    desk.count(Desk::scenarios_cost(computed));
    look.strain = limits.strain();
    if question.change.is_some() {
        drop_moot(&mut look.findings);
    }
    Ok(look)
}

/// Of a change that the exchange refuses whatever the account is worth, the account afterwards is
/// never there: nothing is said of it.
fn drop_moot(findings: &mut Vec<Finding>) {
    let refused =
        |finding: &Finding| finding.code == Code::ExchangeWouldRefuse && finding.value.is_none();
    if findings.iter().any(refused) {
        findings.retain(|finding| !finding.code.depends_on_quantity() || refused(finding));
    }
}

const fn needs_before(change: &Change) -> bool {
    matches!(
        change,
        Change::PositionMargin { .. } | Change::TransferOut { .. }
    )
}

/// Worst case and scenarios, on the account in the end.
fn beyond<'a>(
    desk: &Desk<'a>,
    question: &Question<'_>,
    limits: &Limits<'_>,
    depth: Depth,
    look: &mut Look<'a>,
) -> Result<(), Unknown> {
    let case = AccountCase {
        limits,
        when: question.when,
        after: &look.after,
        positions: &look.positions,
    };
    let worst = worst::look(desk, &look.what_if, &look.after)?;
    look.findings.extend(rules::worst_case(&case, &worst));
    let (outcomes, found) = scenarios(desk, &case, &look.what_if, depth)?;
    look.findings.extend(found);
    look.stress = outcomes;
    look.worst = Some(worst);
    look.strain = limits.strain();
    Ok(())
}

/// How an account fares in the scenarios, and what is found of that: in all of them where they are told,
/// else in those that must be survived and may not be.
fn scenarios(
    desk: &Desk<'_>,
    case: &AccountCase<'_>,
    what_if: &WhatIf<'_>,
    depth: Depth,
) -> Result<(Vec<StressOutcome>, Vec<Finding>), Unknown> {
    let (mut outcomes, mut findings) = (Vec::new(), Vec::new());
    let mut held: Option<Vec<Held<'_>>> = None;
    let reasons = if depth == Depth::Full {
        Wanted::Reasons
    } else {
        Wanted::Outcome
    };
    for (name, scenario) in &desk.policy().stress {
        let wanted = depth == Depth::Full
            || (scenario.required.is_some()
                && !stress::surely_survived(case.after, &scenario.shock));
        if !wanted {
            continue;
        }
        let held = held.get_or_insert_with(|| what_if.held().collect());
        let outcome = stress::run(what_if, held, case.after, (name, scenario), reasons)?;
        findings.extend(rules::stress(case, &outcome));
        outcomes.push(outcome);
    }
    Ok((outcomes, findings))
}

/// Fills the orders one after another and judges each by itself: each finds the balance that those
/// before it leave.
fn one_by_one(
    desk: &Desk<'_>,
    question: &Question<'_>,
    limits: &Limits<'_>,
    what_if: &mut WhatIf<'_>,
    findings: &mut Vec<Finding>,
) -> Result<Vec<OrderJudgement>, Unknown> {
    let mut judged = Vec::new();
    if question.orders.is_empty() {
        return Ok(judged);
    }
    let mut available = what_if.available_balance()?;
    let cross_wallet_balance = what_if.cross_wallet_balance()?;
    let together: Vec<OrderIntent> = question
        .orders
        .iter()
        .map(|order| (*order).clone())
        .collect();
    for (index, intent) in question.orders.iter().enumerate() {
        let symbol = &intent.symbol;
        let missing = |missing| Unknown::Symbol(symbol.clone(), missing);
        let rules = desk
            .view
            .rules(symbol)
            .ok_or_else(|| missing(Missing::MarginAsset))?;
        let state = what_if
            .state(symbol.as_str())
            .ok_or_else(|| missing(Missing::Settings))?
            .clone();
        let settings = state.settings.ok_or_else(|| missing(Missing::Settings))?;
        let mark = state.mark.ok_or_else(|| missing(Missing::Mark))?;
        let mode = what_if.book().position_mode();
        let fired = if intent.kind.is_conditional() {
            fired(what_if, intent, &state, mark)?
        } else {
            None
        };
        let too_late = worst::asked_too_late(desk, what_if, intent)?;
        let filled = fill(what_if, intent, desk.assumptions(symbol))?;
        let (asked_in, available_then) = match &fired {
            Some((state, available)) => (state, *available),
            None => (&state, available),
        };
        // What conditional exits cost is never asked.
        let is_asked = fired.is_some() || !intent.kind.is_conditional();
        let cost = if is_asked {
            // The book of today says nothing about the moment at which a conditional order fires.
            let quotes = if fired.is_some() {
                Quotes::default()
            } else {
                desk.view.quotes(symbol)
            };
            Some(order_cost(asked_in, mode, intent, &filled, quotes).map_err(missing)?)
        } else {
            None
        };
        let own = [symbol];
        let own_limits =
            Limits::new(limits.policy, limits.client, &own).measured(limits.is_measured());
        let case = OrderCase {
            limits: &own_limits,
            intent,
            rules,
            mode,
            state: &state,
            settings,
            mark,
            fill: filled,
            cost,
            available: available_then,
            cross_wallet_balance,
            notional_after: largest_leg(what_if, symbol)?,
        };
        let mut found: Vec<Finding> = ORDER_RULES.iter().filter_map(|rule| rule(&case)).collect();
        found.extend(too_late.map(|late| rules::stop_too_late(intent, late)));
        own_limits.note_undegreed(&found);
        limits.take_strain(own_limits.strain());
        if let Some(cost) = cost
            && fired.is_none()
        {
            available = available.minus(cost.cost)?.max(Amount::ZERO);
        }
        judged.push(OrderJudgement {
            is_exit: order_is_exit(desk.view, intent, &together),
            mark: { desk.view.book().state(symbol.as_str()) }.and_then(|state| state.mark),
            fill: Some(filled),
            // Nothing is asked for a conditional order until it fires.
            cost: cost.filter(|_| !intent.kind.is_conditional()),
            settings: Some((settings.margin_mode, settings.leverage)),
            level: found.iter().map(|finding| finding.level).max(),
            is_refused: found.iter().any(|finding| {
                finding.code == Code::ExchangeWouldRefuse && finding.level == Level::Reject
            }),
        });
        let place = question.places.get(index).copied().unwrap_or(index);
        let found = found.into_iter();
        findings.extend(found.map(|finding| of_element(finding, question.when, place)));
    }
    Ok(judged)
}

/// What a conditional order meets when it fires: its contract with the mark at the trigger, and what
/// orders can use then, everything else as it stands. `None` for what only reduces.
///
/// Source: margin-math §4.7: no margin is asked for when it is placed, and all of it when it fires.
fn fired(
    what_if: &WhatIf<'_>,
    intent: &OrderIntent,
    state: &SymbolState,
    mark: MarkPrice,
) -> Result<Option<(SymbolState, Amount)>, Unknown> {
    if intent.only_reduces() {
        return Ok(None);
    }
    let trigger = intent.kind.trigger_price().and_then(MarkPrice::new);
    let mut state = state.clone();
    state.mark = Some(trigger.unwrap_or(mark));
    let mut then = what_if.clone();
    then.replace(&intent.symbol, state.clone(), Amount::ZERO)?;
    let available = then.available_balance()?;
    Ok(Some((state, available)))
}

/// Of a batch, what is found of one order names its element.
fn of_element(finding: Finding, when: When, place: usize) -> Finding {
    if when != When::AfterOrders {
        return finding;
    }
    Finding {
        message: format!("orders[{place}]: {}", finding.message),
        ..finding
    }
}

fn largest_leg(what_if: &WhatIf<'_>, symbol: &Symbol) -> Result<Notional, Unknown> {
    let mut largest = Notional::ZERO;
    if let Some(state) = what_if.state(symbol.as_str())
        && let Some(mark) = state.mark
    {
        for (_, leg) in state.legs.held() {
            largest = largest.max(mark.price().times(leg.quantity)?.abs());
        }
    }
    Ok(largest)
}

/// The positions of the contracts in question.
fn touched(
    desk: &Desk<'_>,
    question: &Question<'_>,
    what_if: &WhatIf<'_>,
) -> Result<Vec<Touched>, Unknown> {
    let mut touched = Vec::with_capacity(question.symbols.len());
    for symbol in question.symbols {
        let asset = what_if
            .state(symbol.as_str())
            .and_then(|state| state.margin_asset.clone())
            .filter(|asset| what_if.shares_pool(asset));
        let Some(asset) = asset else {
            continue;
        };
        for position in assess_positions(what_if, symbol, desk.policy().horizon)? {
            let in_question = question.orders.is_empty()
                || position.position_side == PositionSide::Both
                || question.orders.iter().any(|order| {
                    order.symbol == **symbol && order.position_side == position.position_side
                });
            touched.push(Touched {
                symbol: (*symbol).clone(),
                asset: asset.clone(),
                is_relieved: is_relieved(question.change, symbol, position.position_side),
                position,
                in_question,
            });
        }
    }
    Ok(touched)
}

/// The change brings this position margin: whatever it lacks still, it lacks less of it.
fn is_relieved(change: Option<&Change>, symbol: &Symbol, side: PositionSide) -> bool {
    matches!(
        change,
        Some(Change::PositionMargin {
            symbol: of,
            position_side,
            direction: MarginMove::Add,
            ..
        }) if of == symbol && *position_side == side
    )
}

/// The parts of a batch that may execute without the rest and are worse than all of it: what adds
/// by buying, what adds by selling, and, where both do, all that adds without what reduces. What adds
/// is found side by side: an order that only takes back what the other side opened adds without it.
fn parts<'q>(
    desk: &Desk<'_>,
    base: &WhatIf<'_>,
    orders: &[&'q OrderIntent],
) -> Result<Vec<(Vec<&'q OrderIntent>, Executed)>, Unknown> {
    if orders.len() < 2 {
        return Ok(Vec::new());
    }
    let adding = |side: Side| -> Result<Vec<&'q OrderIntent>, Unknown> {
        let mut alone = base.clone();
        let mut adding = Vec::new();
        for intent in orders.iter().filter(|order| order.side == side) {
            let filled = fill(&mut alone, intent, desk.assumptions(&intent.symbol))?;
            if filled.exposure == ExposureChange::Increases {
                adding.push(*intent);
            }
        }
        Ok(adding)
    };
    let (buys, sells) = (adding(Side::Buy)?, adding(Side::Sell)?);
    let both = if buys.is_empty() || sells.is_empty() {
        Vec::new()
    } else {
        let adds = |order: &&OrderIntent| {
            let mut known = buys.iter().chain(&sells);
            known.any(|known| std::ptr::eq(*known, *order))
        };
        orders.iter().copied().filter(adds).collect()
    };
    let parts = [
        (buys, Executed::OnlyBuys),
        (sells, Executed::OnlySells),
        (both, Executed::OnlyAdding),
    ];
    let is_part =
        |(part, _): &(Vec<&OrderIntent>, Executed)| !part.is_empty() && part.len() < orders.len();
    Ok(parts.into_iter().filter(is_part).collect())
}

/// A part of a batch that executes without the rest.
struct Alone {
    findings: Vec<Finding>,
    after: PoolAssessment,
    /// How many scenarios had to be computed.
    scenarios: usize,
}

/// What is found of a part of a batch that executes without the rest: by the rules of the account, and
/// of the scenarios those that must be survived.
fn part_alone(
    desk: &Desk<'_>,
    question: &Question<'_>,
    (part, of): (&[&OrderIntent], Executed),
    limits: &Limits<'_>,
    depth: Depth,
) -> Result<Alone, Unknown> {
    let mut what_if = desk.stage(question.asset, question.steps)?;
    for intent in part {
        fill(&mut what_if, intent, desk.assumptions(&intent.symbol))?;
    }
    let after = desk.assess(&what_if)?;
    let positions = touched(desk, question, &what_if)?;
    let case = AccountCase {
        limits,
        when: When::from(of),
        after: &after,
        positions: &positions,
    };
    let mut findings: Vec<Finding> = AFTER_RULES.iter().filter_map(|rule| rule(&case)).collect();
    let mut computed = 0;
    if depth > Depth::Glance {
        let (outcomes, found) = scenarios(desk, &case, &what_if, Depth::Verdict)?;
        computed = outcomes.len();
        findings.extend(found);
    }
    Ok(Alone {
        findings,
        after,
        scenarios: computed,
    })
}

/// Of what several executions of a batch find, the harder counts.
fn add_if_harder(findings: &mut Vec<Finding>, finding: Finding) {
    match findings.iter_mut().find(|known| known.code == finding.code) {
        Some(known) if known.level >= finding.level => {}
        Some(known) => *known = finding,
        None => findings.push(finding),
    }
}
