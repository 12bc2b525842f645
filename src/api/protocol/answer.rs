//! The answer of `/v1/check`, full and brief.
//!
//! Owns: its shape and its making from the spine's answer.
//! Must not know: how any figure is computed, why a rule spoke.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::account::{LIQUIDATABLE_NOW, callback, liquidation};
use super::figure::Figure;
use super::inputs::{Inputs, MissingEntry, Planes};
use super::names;
use super::pool::{self, PoolFigures, PoolSafety};
use super::ways::{self, Alternative, Stress, WorstCase};
use crate::daemon::report;
use crate::guard::proposal::Proposal;
use crate::guard::verdict::{self, Judgement, PositionFigures};
use crate::margin::account::Symbol;
use crate::margin::amount::cut;
use crate::margin::order::{OrderIntent, OrderKind};
use crate::margin::project;

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

/// The short answer: what a program needs to decide.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BriefAnswer<'a> {
    /// `allow`, `warn` or `reject`.
    pub decision: Cow<'a, str>,
    /// The one sentence.
    pub why: Cow<'a, str>,
    /// Every rule that spoke, in precedence.
    pub findings: Vec<Finding<'a>>,
    /// Under which it is recorded.
    pub decision_id: Cow<'a, str>,
    /// The decision is written down (of a dry run: handed over to be).
    pub recorded: bool,
    /// The guard's own state.
    pub state: Cow<'a, str>,
    /// The freshness of every plane.
    pub inputs: BriefInputs<'a>,
}

/// The part of `inputs` that a brief answer carries.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct BriefInputs<'a> {
    /// Freshness of every plane.
    pub planes: Planes<'a>,
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
    /// Every rule that spoke, in precedence.
    pub findings: Vec<Finding<'a>>,
    /// Under which it is recorded.
    pub decision_id: Cow<'a, str>,
    /// The decision is written down (of a dry run: handed over to be).
    pub recorded: bool,
    /// Fingerprint of the policy it was made under.
    pub policy: Cow<'a, str>,
    /// The guard's own state.
    pub state: Cow<'a, str>,
    /// `exact`, `estimate` or `unknown`.
    pub certainty: Cow<'a, str>,
    /// When, in milliseconds since 1970.
    pub time: i64,
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
    pub account: BeforeAfter<PoolFigures<'a>>,
    /// The pool's safety.
    pub pool: PoolChange<'a>,
    /// Every position of the pool.
    pub positions: Vec<PositionChange<'a>>,
    /// The pool if every working order fills on its bad side; `null` when not known.
    pub worst_case: Option<WorstCase<'a>>,
    /// The scenarios of the policy.
    pub stress: Vec<Stress<'a>>,
    /// The same order in isolated mode; `null` when it opens nothing.
    pub isolated_twin: Option<IsolatedTwin>,
    /// What would pass instead, with every warning and every refusal.
    pub alternatives: Vec<Alternative<'a>>,
    /// Fee and funding.
    pub costs: Option<Costs>,
    /// What it rests on.
    pub inputs: Inputs<'a>,
    /// Time the check took, in microseconds.
    pub micros: i64,
}

/// A value as it is and as it would be.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct BeforeAfter<T> {
    /// As it is; `null` when not known.
    pub before: Option<T>,
    /// As it would be; `null` when not known.
    pub after: Option<T>,
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
    /// The price it was taken to fill at.
    pub price_used: Figure,
    /// Where that price came from.
    pub price_source: Option<Cow<'a, str>>,
    /// Quantity it was taken to fill.
    pub quantity_used: Figure,
    /// `CROSSED` or `ISOLATED`, as it is set.
    pub margin_type: Option<Cow<'a, str>>,
    /// Leverage that is set.
    pub leverage: Option<u32>,
    /// `increases`, `reduces` or `neutral`.
    pub exposure: Option<Cow<'a, str>>,
}

/// The pool's safety before and after.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PoolChange<'a> {
    /// The pool's asset; `null` when not known.
    pub asset: Option<Cow<'a, str>>,
    /// As it is; `null` when not known.
    pub before: Option<PoolSafety<'a>>,
    /// As it would be; `null` when not known.
    pub after: Option<PoolSafety<'a>>,
    /// Contracts whose crossed positions are liquidated together, afterwards.
    pub dies_together: Vec<Cow<'a, str>>,
}

/// One position before and after.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PositionChange<'a> {
    /// Contract.
    pub symbol: Cow<'a, str>,
    /// `BOTH`, `LONG` or `SHORT`.
    pub position_side: Cow<'a, str>,
    /// The mode that counts for risk.
    pub margin_type: Cow<'a, str>,
    /// Signed quantity afterwards.
    pub position_amt: Figure,
    /// The mark.
    pub mark_price: Figure,
    /// As it is; `null` when it would be new.
    pub before: Option<PositionState>,
    /// As it would be; `null` when it would be gone.
    pub after: Option<PositionState>,
    /// How much nearer the liquidation price would come, as a fraction of the mark; `null` when
    /// there is none before or after.
    pub shift: Figure,
    /// Capital put on it; `null` when it would be gone.
    pub ticket: Figure,
    /// What the rest of the wallet pays for it; `null` when it would be gone.
    pub spill: Figure,
    /// Loss beyond the ticket that the rest of the wallet pays already; `null` when isolated.
    pub spill_now: Figure,
    /// The same at the liquidation price on its losing side; `null` when there is none.
    pub spill_at_liquidation: Figure,
    /// The loss there as a multiple of the ticket; of a long without such a price the loss at zero;
    /// `null` when isolated or unbounded.
    pub loss_multiple: Figure,
    /// A stop of this position lies beyond its liquidation price and would never fire.
    pub stop_beyond_liquidation: bool,
    /// A stop of this position lies within fee and slippage of its liquidation price.
    pub stop_near_liquidation: bool,
}

/// Figures of one position at one instant.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PositionState {
    /// Binance's one price; `"0"` when this symbol alone cannot liquidate.
    pub liquidation_price: Figure,
    /// A fall to here liquidates; `null` when no fall does.
    pub liquidation_below: Figure,
    /// A rise to here liquidates; `null` when no rise does.
    pub liquidation_above: Figure,
    /// Maintenance margin.
    #[serde(rename = "maintMargin")]
    pub maintenance_margin: Figure,
}

/// The same order in isolated mode with the same ticket.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct IsolatedTwin {
    /// Margin the position would be given.
    pub margin: Figure,
    /// Where it would be liquidated; `"0"` when no price does that.
    pub liquidation_price: Figure,
    /// The most it could lose.
    pub max_loss: Figure,
}

/// What the order costs besides margin.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Costs {
    /// Taker fee of the assumed fill.
    pub fee: Figure,
    /// What the position pays (positive) or receives at the next funding.
    pub funding_next: Figure,
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

impl<'a> BriefAnswer<'a> {
    /// The brief answer to a question.
    #[must_use]
    pub fn of(answer: &'a report::Answer, recorded: bool) -> Self {
        let judgement = &answer.judgement;
        Self {
            decision: Cow::Borrowed(judgement.decision.name()),
            why: Cow::Borrowed(&judgement.why),
            findings: judgement.findings.iter().map(Finding::from).collect(),
            decision_id: Cow::Borrowed(&answer.decision_id),
            recorded,
            state: Cow::Borrowed(judgement.ladder.name()),
            inputs: BriefInputs {
                planes: Planes::of(&answer.planes),
            },
        }
    }
}

impl<'a> CheckAnswer<'a> {
    /// The full answer to a question.
    #[must_use]
    pub fn of(answer: &'a report::Answer, told: Told<'a>) -> Self {
        let judgement = &answer.judgement;
        let account = BeforeAfter {
            before: judgement.before.as_ref().map(PoolFigures::from),
            after: judgement.after.as_ref().map(PoolFigures::from),
        };
        let positions: Vec<PositionChange<'a>> = judgement
            .positions
            .iter()
            .map(PositionChange::from)
            .collect();
        let inputs = Inputs {
            planes: Planes::of(&answer.planes),
            drift_bps: Figure(answer.drift_basis_points),
            missing: missing(judgement, &account, &positions),
        };
        Self {
            decision: Cow::Borrowed(judgement.decision.name()),
            why: Cow::Borrowed(&judgement.why),
            findings: judgement.findings.iter().map(Finding::from).collect(),
            decision_id: Cow::Borrowed(&answer.decision_id),
            recorded: told.recorded,
            policy: Cow::Borrowed(&answer.policy_fingerprint),
            state: Cow::Borrowed(judgement.ladder.name()),
            certainty: Cow::Borrowed(judgement.certainty.name()),
            time: answer.time_ms,
            client: told.client.map(Cow::Borrowed),
            dry_run: told.dry_run,
            order: match told.proposal {
                Proposal::Order(intent) => Some(OrderEcho::of(intent, judgement, 0)),
                Proposal::Orders(_) | Proposal::Change(_) => None,
            },
            orders: match told.proposal {
                Proposal::Orders(intents) => intents
                    .iter()
                    .enumerate()
                    .map(|(place, intent)| OrderEcho::of(intent, judgement, place))
                    .collect(),
                Proposal::Order(_) | Proposal::Change(_) => Vec::new(),
            },
            change: told.proposal.change().map(ways::change),
            pool: PoolChange::of(&account, &judgement.dies_together),
            account,
            positions,
            worst_case: judgement.worst_case.as_ref().map(WorstCase::from),
            stress: judgement.stress.iter().map(Stress::from).collect(),
            isolated_twin: judgement.isolated_twin.as_ref().map(IsolatedTwin::from),
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
            price_used: price(fill.map(|fill| fill.price)),
            price_source: fill.map(|fill| Cow::Borrowed(names::price_source(fill.price_source))),
            quantity_used: fill.map_or(Figure::NONE, |fill| Figure::quantity(fill.quantity)),
            margin_type: mode.map(|mode| Cow::Borrowed(names::margin_type(mode))),
            leverage: leverage.map(crate::margin::amount::Leverage::get),
            exposure: fill.map(|fill| Cow::Borrowed(names::exposure(fill.exposure))),
        }
    }
}

impl<'a> PoolChange<'a> {
    fn of(account: &BeforeAfter<PoolFigures<'a>>, dies_together: &'a [Symbol]) -> Self {
        let known = account.after.as_ref().or(account.before.as_ref());
        Self {
            asset: known.map(|figures| figures.asset.clone()),
            before: account.before.as_ref().map(PoolSafety::from),
            after: account.after.as_ref().map(PoolSafety::from),
            dies_together: dies_together
                .iter()
                .map(|symbol| Cow::Borrowed(symbol.as_str()))
                .collect(),
        }
    }
}

impl<'a> From<&'a verdict::PositionChange> for PositionChange<'a> {
    fn from(change: &'a verdict::PositionChange) -> Self {
        let margin = |amount: Option<_>| amount.map_or(Figure::NONE, Figure::margin);
        Self {
            symbol: Cow::Borrowed(change.symbol.as_str()),
            position_side: Cow::Borrowed(names::position_side(change.position_side)),
            margin_type: Cow::Borrowed(names::margin_type(change.margin_mode)),
            position_amt: Figure::quantity(change.quantity),
            mark_price: Figure::price(change.mark.price()),
            before: change.before.map(PositionState::from),
            after: change.after.map(PositionState::from),
            shift: change.shift.map_or(Figure::NONE, Figure::fraction),
            ticket: margin(change.ticket),
            spill: margin(change.spill),
            spill_now: margin(change.overrun.map(|overrun| overrun.spill_now)),
            spill_at_liquidation: change
                .overrun
                .and_then(|overrun| overrun.spill_at_liquidation)
                .map_or(Figure::NONE, |spill| Figure::exact(cut(spill.get()))),
            loss_multiple: change
                .overrun
                .and_then(|overrun| overrun.loss_multiple)
                .map_or(Figure::NONE, Figure::fraction),
            stop_beyond_liquidation: change.stop_beyond_liquidation,
            stop_near_liquidation: change.stop_near_liquidation,
        }
    }
}

impl From<PositionFigures> for PositionState {
    fn from(figures: PositionFigures) -> Self {
        let [liquidation_price, liquidation_below, liquidation_above] =
            liquidation(&figures.liquidation);
        Self {
            liquidation_price,
            liquidation_below,
            liquidation_above,
            maintenance_margin: Figure::money(figures.maintenance_margin),
        }
    }
}

impl From<&project::IsolatedTwin> for IsolatedTwin {
    fn from(twin: &project::IsolatedTwin) -> Self {
        let zero = Figure::exact(rust_decimal::Decimal::ZERO);
        Self {
            margin: Figure::margin(twin.margin),
            liquidation_price: twin.liquidation_price.map_or(zero, Figure::price),
            max_loss: Figure::margin(twin.loss_max),
        }
    }
}

impl From<&verdict::Costs> for Costs {
    fn from(costs: &verdict::Costs) -> Self {
        Self {
            fee: Figure::money(costs.fee),
            funding_next: costs.funding_next.map_or(Figure::NONE, Figure::money),
        }
    }
}

/// Every `null` of the answer that stands for a figure, with its reason.
fn missing<'a>(
    judgement: &'a Judgement,
    account: &BeforeAfter<PoolFigures<'_>>,
    positions: &[PositionChange<'_>],
) -> Vec<MissingEntry<'a>> {
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
    let funding_unknown = judgement
        .costs
        .is_some_and(|costs| costs.funding_next.is_none());
    if funding_unknown {
        missing.push(MissingEntry {
            path: Cow::Borrowed("costs.fundingNext"),
            plane: Some(Cow::Borrowed("marks")),
            reason: Cow::Borrowed("the funding rate is not known"),
        });
    }
    for (index, position) in judgement.positions.iter().enumerate() {
        let unbounded = position.overrun.is_some_and(|o| o.loss_multiple.is_none());
        if unbounded {
            let path = format!("positions.{index}.lossMultiple").into();
            missing.push(MissingEntry::plain(path, UNBOUNDED));
        }
    }
    missing
}
