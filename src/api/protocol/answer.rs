//! The full answer of `/v1/check`.
//!
//! Owns: its shape and its making from the spine's answer.
//! Must not know: how any figure is computed, why a rule spoke.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::account::{LIQUIDATABLE_NOW, callback};
use super::contagion::{Bracket, PoolChange, PositionChange};
use super::costs::{Costs, missing_costs};
use super::figure::Figure;
use super::inputs::{ClockView, Inputs, MissingEntry, Planes};
use super::names;
use super::pool::{self, PoolDifference, PoolFigures};
use super::ways::{self, Alternative, Stress, WorstCase};
use crate::daemon::report;
use crate::guard::proposal::Proposal;
use crate::guard::verdict::{self, Decision, Judgement};
use crate::guard::words;
use crate::margin::account::Side;
use crate::margin::amount::MarkPrice;
use crate::margin::cost::OrderCost;
use crate::margin::order::{OrderIntent, OrderKind};
use crate::margin::project;
use crate::mirror::reserve::RESERVATION_MS;

/// What the server knows beside the spine's answer.
#[derive(Debug, Clone, Copy)]
pub struct Told<'a> {
    /// What was asked about.
    pub proposal: &'a Proposal,
    /// Who asked.
    pub client: Option<&'a str>,
    /// No room was promised.
    pub dry_run: bool,
    /// The decision is written down (of a dry run: handed over to be).
    pub recorded: bool,
    /// Time spent on the check so far.
    pub micros: i64,
}

/// One rule's outcome.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Finding<'a> {
    /// A stable code.
    pub code: Cow<'a, str>,
    /// `warn` or `reject`.
    pub level: Cow<'a, str>,
    /// The symbol it is about, if it is about one.
    pub symbol: Option<Cow<'a, str>>,
    /// The value that was judged.
    pub value: Figure,
    /// The limit it broke.
    pub limit: Figure,
    /// One sentence for a person.
    pub message: Cow<'a, str>,
    /// What waiting could change: `never`, `after_resync` or `when_margin_recovers`.
    pub retry: Cow<'a, str>,
}

/// The full answer.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CheckAnswer<'a> {
    /// `allow`, `warn` or `reject`.
    pub decision: Cow<'a, str>,
    /// The one sentence.
    pub why: Cow<'a, str>,
    /// What the worst adverse move would take afterwards, in one sentence; `null` when nothing.
    pub loss: Option<Cow<'a, str>>,
    /// The code of the finding that decides; `null` when nothing speaks.
    pub binding_limit: Option<Cow<'a, str>>,
    /// Every rule that spoke, in precedence.
    pub findings: Vec<Finding<'a>>,
    /// Under which it is recorded.
    pub decision_id: Cow<'a, str>,
    /// The decision is written down (of a dry run: handed over to be).
    pub recorded: bool,
    /// Version of the daemon that made it.
    pub version: Cow<'a, str>,
    /// Fingerprint of the policy it was made under.
    pub policy: Cow<'a, str>,
    /// The guard's own state.
    pub state: Cow<'a, str>,
    /// `exact`, `estimate` or `unknown`.
    pub certainty: Cow<'a, str>,
    /// When, in milliseconds since 1970.
    pub time: i64,
    /// Until when its room is promised; `null` when none is.
    pub expires_at: Option<i64>,
    /// Who asked.
    pub client: Option<Cow<'a, str>>,
    /// No room was promised.
    pub dry_run: bool,
    /// The order as it was understood; `null` for a batch or a change.
    pub order: Option<OrderEcho<'a>>,
    /// The orders of a batch as they were understood.
    pub orders: Vec<OrderEcho<'a>>,
    /// The change as it was understood; `null` for orders.
    pub change: Option<Value>,
    /// The pool's figures.
    pub account: Account<'a>,
    /// The other executions that a batch was judged in: the exchange works on its orders concurrently.
    pub executions: Vec<Execution<'a>>,
    /// The pool's safety.
    pub pool: PoolChange<'a>,
    /// Every position of the pool.
    pub positions: Vec<PositionChange<'a>>,
    /// The pool if every working order fills on its bad side; `null` when not known.
    pub worst_case: Option<WorstCase<'a>>,
    /// The scenarios of the policy.
    pub stress: Vec<Stress<'a>>,
    /// The same order in isolated mode; `null` when it opens nothing.
    pub isolated_twin: Option<IsolatedTwin<'a>>,
    /// What would pass instead, with every warning and every refusal.
    pub alternatives: Vec<Alternative<'a>>,
    /// Fee and funding.
    pub costs: Option<Costs<'a>>,
    /// What it rests on.
    pub inputs: Inputs<'a>,
    /// Time the check took, in microseconds.
    pub micros: i64,
}

/// The pool's figures as they are and as they would be.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Account<'a> {
    /// As they are; `null` when not known.
    pub before: Option<PoolFigures<'a>>,
    /// After − before; `null` when either is not known.
    pub change: Option<PoolDifference>,
    /// As they would be; `null` when not known.
    pub after: Option<PoolFigures<'a>>,
}

/// A batch of which only a part executes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Execution<'a> {
    /// `only_buys` that add, `only_sells` that add, or `only_adding`: what reduces fails.
    pub of: Cow<'a, str>,
    /// The pool's figures then.
    pub account: PoolFigures<'a>,
}

/// The order as it was understood.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OrderEcho<'a> {
    /// Contract.
    pub symbol: Cow<'a, str>,
    /// `BUY` or `SELL`.
    pub side: Cow<'a, str>,
    /// `BOTH`, `LONG` or `SHORT`.
    pub position_side: Cow<'a, str>,
    /// The exchange's order type.
    #[serde(rename = "type")]
    pub kind: Cow<'a, str>,
    /// Quantity; `null` for a close-position order, which takes whatever is there.
    pub quantity: Figure,
    /// Limit price; `null` for kinds without one.
    pub price: Figure,
    /// Price that sets it off; `null` for kinds without one.
    pub trigger_price: Figure,
    /// How far a trailing stop trails, as a fraction; `null` for other kinds.
    pub callback_rate: Figure,
    /// The book decides the price on arrival.
    pub price_matched: bool,
    /// The exchange lets it only reduce.
    pub reduce_only: bool,
    /// It closes the whole position.
    pub close_position: bool,
    /// The name the client gives it.
    pub new_client_order_id: Option<Cow<'a, str>>,
    /// It cannot add risk, and passes in every state.
    pub exit: bool,
    /// The mark as it stands.
    pub mark_price: Figure,
    /// The price it was taken to fill at.
    pub price_used: Figure,
    /// Where that price came from.
    pub price_source: Option<Cow<'a, str>>,
    /// Quantity it was taken to fill.
    pub quantity_used: Figure,
    /// What the exchange asks for it before it takes it; `null` where it asks nothing (a conditional
    /// order, until it fires) and where nothing was judged.
    pub exchange_cost: Option<ExchangeCost<'a>>,
    /// `CROSSED` or `ISOLATED`, as it is set.
    pub margin_type: Option<Cow<'a, str>>,
    /// Leverage that is set.
    pub leverage: Option<u32>,
    /// `increases`, `reduces` or `neutral`.
    pub exposure: Option<Cow<'a, str>>,
}

/// What the exchange asks for an order before it takes it, by the more careful of its rules.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ExchangeCost<'a> {
    /// Margin and loss together: what must be available.
    pub cost: Figure,
    /// Initial margin that it adds.
    pub margin_required: Figure,
    /// The loss it opens with.
    pub open_loss: Figure,
    /// The price its margin is counted at.
    pub assumed_price: Figure,
    /// Notional of the position, signed; in hedge mode of both legs together.
    pub notional: Figure,
    /// Price × remaining quantity of the working buys that could open.
    pub buy_notional: Figure,
    /// Price × remaining quantity of the working sells that could open.
    pub sell_notional: Figure,
    /// What decided that price: `order`, `price_used`, `mark`, `last`, `bid` or `ask`.
    pub assumed_from: Cow<'a, str>,
    /// The mark.
    pub mark_price: Figure,
    /// Price of the last trade; `null` where none was read lately: the mark then stands in.
    pub last_price: Figure,
    /// Best bid; `null` where none was read lately: the mark then stands in.
    pub bid_price: Figure,
    /// Best ask; `null` where none was read lately: the mark then stands in.
    pub ask_price: Figure,
}

/// The same order in isolated mode with the same ticket.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct IsolatedTwin<'a> {
    /// The part of the order that opens.
    pub quantity: Figure,
    /// Margin the position would be given.
    pub margin: Figure,
    /// Where it would be liquidated; `"0"` when no price does that.
    pub liquidation_price: Figure,
    /// The bracket of its notional at that price.
    pub bracket: Option<Bracket>,
    /// The most it could lose.
    pub max_loss: Figure,
    /// Crossed and isolated compared in money, in one sentence; `null` when figures are missing.
    pub message: Option<Cow<'a, str>>,
}

impl<'a> From<&'a verdict::Execution> for Execution<'a> {
    fn from(execution: &'a verdict::Execution) -> Self {
        Self {
            of: Cow::Borrowed(execution.of.name()),
            account: PoolFigures::from(&execution.after),
        }
    }
}

impl<'a> From<&'a verdict::Finding> for Finding<'a> {
    fn from(finding: &'a verdict::Finding) -> Self {
        let fraction = |value: Option<_>| Figure(value.map(crate::margin::amount::cut));
        Self {
            code: Cow::Borrowed(finding.code.name()),
            level: Cow::Borrowed(finding.level.name()),
            symbol: finding
                .symbol
                .as_ref()
                .map(|symbol| Cow::Borrowed(symbol.as_str())),
            value: fraction(finding.value),
            limit: fraction(finding.limit),
            message: Cow::Borrowed(&finding.message),
            retry: Cow::Borrowed(finding.code.retry().name()),
        }
    }
}

impl<'a> CheckAnswer<'a> {
    /// The full answer to a question.
    #[must_use]
    pub fn of(answer: &'a report::Answer, told: Told<'a>) -> Self {
        let judgement = &answer.judgement;
        let account = Account::of(judgement);
        let (order, orders) = echoes(told.proposal, judgement);
        let positions: Vec<PositionChange<'a>> = judgement
            .positions
            .iter()
            .map(PositionChange::from)
            .collect();
        let inputs = Inputs {
            planes: Planes::of(&answer.planes),
            drift_bps: Figure(answer.drift_basis_points),
            clock: answer.clock_offset.map(ClockView::from),
            missing: missing(judgement, told.proposal, &account, &positions),
        };
        Self {
            decision: Cow::Borrowed(judgement.decision.name()),
            why: Cow::Borrowed(&judgement.why),
            loss: judgement
                .after
                .as_deref()
                .and_then(words::loss)
                .map(Cow::Owned),
            binding_limit: judgement
                .binding()
                .map(|finding| Cow::Borrowed(finding.code.name())),
            findings: judgement.findings.iter().map(Finding::from).collect(),
            decision_id: Cow::Borrowed(&answer.decision_id),
            recorded: told.recorded,
            version: Cow::Borrowed(env!("CARGO_PKG_VERSION")),
            policy: Cow::Borrowed(&answer.policy_fingerprint),
            state: Cow::Borrowed(judgement.ladder.name()),
            certainty: Cow::Borrowed(judgement.certainty.name()),
            time: answer.time_ms,
            expires_at: expires_at(answer, told),
            client: told.client.map(Cow::Borrowed),
            dry_run: told.dry_run,
            order,
            orders,
            change: told.proposal.change().map(ways::change),
            executions: judgement.executions.iter().map(Execution::from).collect(),
            pool: PoolChange::of(&account, told.proposal, judgement),
            account,
            positions,
            worst_case: judgement
                .worst_case
                .as_ref()
                .map(|worst| WorstCase::of(worst, judgement.worst_before.as_deref())),
            stress: judgement.stress.iter().map(Stress::from).collect(),
            isolated_twin: judgement
                .isolated_twin
                .as_ref()
                .map(|twin| IsolatedTwin::of(twin, told.proposal, judgement)),
            alternatives: judgement
                .alternatives
                .iter()
                .map(Alternative::from)
                .collect(),
            costs: judgement.costs.as_ref().map(Costs::from),
            inputs,
            micros: told.micros,
        }
    }
}

impl<'a> OrderEcho<'a> {
    fn of(intent: &'a OrderIntent, judgement: &Judgement, place: usize) -> Self {
        let price = |price: Option<_>| price.map_or(Figure::NONE, Figure::price);
        let judged = judgement.orders.get(place);
        let fill = judged.and_then(|order| order.fill);
        let (mode, leverage) = judged.and_then(|order| order.settings).unzip();
        Self {
            symbol: Cow::Borrowed(intent.symbol.as_str()),
            side: Cow::Borrowed(names::side(intent.side)),
            position_side: Cow::Borrowed(names::position_side(intent.position_side)),
            kind: Cow::Borrowed(names::order_type(intent.kind)),
            quantity: intent.quantity.map_or(Figure::NONE, Figure::quantity),
            price: price(intent.kind.limit_price()),
            trigger_price: price(intent.kind.trigger_price()),
            callback_rate: callback(intent.kind),
            price_matched: matches!(intent.kind, OrderKind::PriceMatched),
            reduce_only: intent.reduce_only,
            close_position: intent.close_position,
            new_client_order_id: intent.client_order_id.as_deref().map(Cow::Borrowed),
            exit: judged.map_or(judgement.is_exit, |order| order.is_exit),
            mark_price: price({ judged.and_then(|order| order.mark) }.map(MarkPrice::price)),
            // A product of few digits: cutting it would be multiplied by the quantity.
            price_used: fill.map_or(Figure::NONE, |fill| Figure::exact(fill.price.get())),
            price_source: fill.map(|fill| Cow::Borrowed(names::price_source(fill.price_source))),
            quantity_used: fill.map_or(Figure::NONE, |fill| Figure::quantity(fill.quantity)),
            exchange_cost: judged.and_then(|order| order.cost).map(ExchangeCost::from),
            margin_type: mode.map(|mode| Cow::Borrowed(names::margin_type(mode))),
            leverage: leverage.map(crate::margin::amount::Leverage::get),
            exposure: fill.map(|fill| Cow::Borrowed(names::exposure(fill.exposure))),
        }
    }
}

impl From<OrderCost> for ExchangeCost<'_> {
    fn from(cost: OrderCost) -> Self {
        let price = |price: Option<_>| price.map_or(Figure::NONE, Figure::price);
        Self {
            cost: Figure::margin(cost.cost),
            margin_required: Figure::margin(cost.margin_required),
            open_loss: Figure::money(cost.open_loss),
            assumed_price: Figure::exact(cost.assumed.price.get()),
            notional: Figure::notional(cost.held),
            buy_notional: Figure::notional(cost.resting.buy_notional),
            sell_notional: Figure::notional(cost.resting.sell_notional),
            assumed_from: Cow::Borrowed(names::assumed_from(cost.assumed.from)),
            mark_price: Figure::price(cost.mark),
            last_price: price(cost.quotes.last),
            bid_price: price(cost.quotes.best_bid),
            ask_price: price(cost.quotes.best_ask),
        }
    }
}

impl<'a> IsolatedTwin<'a> {
    fn of(twin: &project::IsolatedTwin, proposal: &Proposal, judgement: &Judgement) -> Self {
        let zero = Figure::exact(rust_decimal::Decimal::ZERO);
        let opens = judgement.fill().map(|fill| fill.opens);
        Self {
            quantity: opens.map_or(Figure::NONE, Figure::quantity),
            margin: Figure::margin(twin.margin),
            liquidation_price: twin.liquidation_price.map_or(zero, Figure::price),
            bracket: twin.bracket_at_end.as_ref().map(Bracket::from),
            max_loss: Figure::margin(twin.loss_max),
            message: words::crossed_or_isolated(proposal, judgement).map(Cow::Owned),
        }
    }
}

/// The one order of a question, or the orders of a batch.
pub(super) fn echoes<'a>(
    proposal: &'a Proposal,
    judgement: &Judgement,
) -> (Option<OrderEcho<'a>>, Vec<OrderEcho<'a>>) {
    let echo = |(place, intent)| OrderEcho::of(intent, judgement, place);
    match proposal {
        Proposal::Order(intent) => (Some(echo((0, intent))), Vec::new()),
        Proposal::Orders(intents) => (None, intents.iter().enumerate().map(echo).collect()),
        Proposal::Change(_) => (None, Vec::new()),
    }
}

/// Room is promised to orders that may be sent and are not exits.
fn expires_at(answer: &report::Answer, told: Told<'_>) -> Option<i64> {
    let judgement = &answer.judgement;
    let promised = !told.dry_run
        && judgement.decision != Decision::Reject
        && !judgement.is_exit
        && told.proposal.change().is_none();
    promised.then(|| answer.time_ms.saturating_add(RESERVATION_MS))
}

impl<'a> Account<'a> {
    fn of(judgement: &'a Judgement) -> Self {
        let before = judgement.before.as_deref().map(PoolFigures::from);
        let after = judgement.after.as_deref().map(PoolFigures::from);
        Self {
            change: PoolDifference::between(before.as_ref(), after.as_ref()),
            before,
            after,
        }
    }
}

/// Quotes that an order's cost would have looked at and that were not there.
fn quotes_missing(judgement: &Judgement, proposal: &Proposal) -> Vec<MissingEntry<'static>> {
    const STANDS_IN: &str = "none was read in the last 30 s: the mark stands in for it";
    let mut missing = Vec::new();
    for (place, (intent, judged)) in proposal.orders().iter().zip(&judgement.orders).enumerate() {
        let Some(quotes) = judged.cost.map(|cost| cost.quotes) else {
            continue;
        };
        let is_market = intent.kind.limit_price().is_none();
        let is_matched = intent.kind == OrderKind::PriceMatched;
        let looked_at = [
            ("lastPrice", quotes.last, intent.side == Side::Sell),
            (
                "bidPrice",
                quotes.best_bid,
                intent.side == Side::Sell && is_market,
            ),
            (
                "askPrice",
                quotes.best_ask,
                is_market && (intent.side == Side::Buy || is_matched),
            ),
        ];
        let of = match proposal {
            Proposal::Orders(_) => format!("orders.{place}"),
            _ => "order".to_owned(),
        };
        for (name, quote, counts) in looked_at {
            if counts && quote.is_none() {
                let path = format!("{of}.exchangeCost.{name}").into();
                missing.push(MissingEntry::plain(path, STANDS_IN));
            }
        }
    }
    missing
}

/// Every `null` of the answer that stands for a figure, with its reason.
fn missing<'a>(
    judgement: &'a Judgement,
    proposal: &Proposal,
    account: &Account<'_>,
    positions: &[PositionChange<'_>],
) -> Vec<MissingEntry<'a>> {
    const UNANNOUNCED: &str = "the exchange announces changes of brackets in articles for people only; \
                               those in force are followed";
    const UNBOUNDED: &str = "no price liquidates this short: its loss has no bound";
    let mut missing: Vec<_> = judgement.missing.iter().map(MissingEntry::from).collect();
    if let Some(before) = &account.before {
        pool::note_missing(before, "account.before", &mut missing);
    }
    if let Some(after) = &account.after {
        pool::note_missing(after, "account.after", &mut missing);
    }
    for (index, position) in positions.iter().enumerate() {
        for (when, state) in [("before", &position.before), ("after", &position.after)] {
            if state
                .as_ref()
                .is_some_and(|state| !state.liquidation_price.is_known())
            {
                let path = format!("positions.{index}.{when}.liquidationPrice").into();
                missing.push(MissingEntry::plain(path, LIQUIDATABLE_NOW));
            }
        }
    }
    if let Some(costs) = &judgement.costs {
        missing.extend(missing_costs(costs));
    }
    if !positions.is_empty() {
        let path = Cow::Borrowed("positions.nextLimitChange");
        missing.push(MissingEntry::plain(path, UNANNOUNCED));
    }
    missing.extend(quotes_missing(judgement, proposal));
    for (index, position) in judgement.positions.iter().enumerate() {
        let unbounded = position.overrun.is_some_and(|o| o.loss_multiple.is_none());
        if unbounded {
            let path = format!("positions.{index}.lossMultiple").into();
            missing.push(MissingEntry::plain(path, UNBOUNDED));
        }
    }
    missing
}
