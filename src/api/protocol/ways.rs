//! What an answer says beyond the order itself: the worst case, the scenarios, the ways out.
//!
//! Owns: their shapes, and how a way out is written as a request.
//! Must not know: how any of it is computed.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::contagion::Bracket;
use super::figure::Figure;
use super::names;
use super::pool::{FirstKiller, PoolFigures, WalletAtRisk};
use crate::guard::offer;
use crate::guard::proposal::Proposal;
use crate::guard::stress::{self, StressOutcome};
use crate::guard::terms::Terms;
use crate::guard::verdict;
use crate::margin::amount::{Rate, cut};
use crate::margin::change::{Change, MarginMove};
use crate::margin::order::{OrderId, OrderIntent, OrderKind};
use crate::margin::pool::PoolAssessment;
use crate::margin::shock::ShockedPosition;
use crate::mirror::plane::PlaneStatus;
use crate::mirror::view::NotReady;

/// The pool if every working order that could open fills on its bad side.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WorstCase<'a> {
    /// How many working orders could open.
    pub orders: u64,
    /// Crossed balance with unrealised profit.
    pub margin_balance: Figure,
    /// Maintenance margin of crossed positions.
    #[serde(rename = "maintMargin")]
    pub maintenance_margin: Figure,
    /// Maintenance ÷ margin balance.
    pub margin_ratio: Figure,
    /// Margin balance − maintenance margin.
    pub headroom: Figure,
    /// The smaller of the first killer's move and the common move.
    pub distance: Figure,
    /// What the worst adverse move takes.
    pub wallet_at_risk: Option<WalletAtRisk<'a>>,
    /// Money this pool cannot take.
    pub ring_fenced: Figure,
    /// The symbol whose smallest move, alone, liquidates.
    pub first_killer: Option<FirstKiller<'a>>,
    /// The smallest move of all held symbols together that liquidates.
    pub common_move: Figure,
    /// Which way that move goes.
    pub common_move_direction: Option<Cow<'a, str>>,
    /// The pool is liquidatable at once.
    pub liquidatable: bool,
    /// The same before what was asked; `null` where nothing works and nothing is hedged.
    pub before: Option<Outcome<'a>>,
    /// The hedge leg whose loss makes the worst of it; `null` when orders do.
    pub leg_removed: Option<LegRemoved<'a>>,
    /// Working orders that may not protect.
    pub endangered_orders: Vec<EndangeredOrder<'a>>,
}

/// A leg of a hedge.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LegRemoved<'a> {
    /// Contract.
    pub symbol: Cow<'a, str>,
    /// `LONG` or `SHORT`.
    pub position_side: Cow<'a, str>,
}

/// A working order that may not protect.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EndangeredOrder<'a> {
    /// Contract.
    pub symbol: Cow<'a, str>,
    /// Its number, of an ordinary order.
    pub order_id: Option<i64>,
    /// Its number, of a conditional order.
    pub algo_id: Option<i64>,
    /// `beyond_liquidation`, `near_liquidation` or `may_be_overtaken`.
    pub danger: Cow<'a, str>,
}

/// One scenario.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Stress<'a> {
    /// Its name in the policy.
    pub name: Cow<'a, str>,
    /// `warn` or `reject` when it must be survived; `null` when it is only shown.
    pub required: Option<Cow<'a, str>>,
    /// Margin balance of the pool then.
    pub margin_balance: Figure,
    /// Maintenance margin of the pool then.
    #[serde(rename = "maintMargin")]
    pub maintenance_margin: Figure,
    /// Maintenance ÷ margin balance then; `null` when nothing is left.
    pub margin_ratio: Figure,
    /// What the pool loses: all of its margin balance where it is liquidated; negative when it gains.
    pub loss: Figure,
    /// The pool is not liquidated.
    pub survives: bool,
    /// Contracts whose positions are liquidated.
    pub dies: Vec<Cow<'a, str>>,
    /// The pool's asset loses worth against the dollar, which a single-asset pool does not feel.
    pub depegged: Option<Cow<'a, str>>,
    /// What its figures are made of, where it is not survived; else `null`.
    pub reasons: Option<StressReasons<'a>>,
}

/// What a scenario's figures are made of.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct StressReasons<'a> {
    /// What every crossed position of the pool gains, pays and must keep then.
    pub positions: Vec<StressedPosition<'a>>,
    /// Maintenance margin is multiplied by this; `null` when it is not.
    pub maintenance: Figure,
    /// Funding that is paid, as a fraction of the notional; `null` when none is.
    pub funding: Figure,
    /// What the balance loses because collateral loses its peg, in the pool's money.
    pub collateral_lost: Figure,
}

/// A crossed position in a scenario; money is in its margin asset.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct StressedPosition<'a> {
    /// Contract.
    pub symbol: Cow<'a, str>,
    /// `BOTH`, `LONG` or `SHORT`.
    pub position_side: Cow<'a, str>,
    /// How its price moves, as a fraction of the mark.
    #[serde(rename = "move")]
    pub by: Figure,
    /// What it gains by that; negative when it loses.
    pub gain: Figure,
    /// Funding that it pays.
    pub funding: Figure,
    /// Maintenance margin then.
    #[serde(rename = "maintMargin")]
    pub maintenance_margin: Figure,
    /// The bracket of its notional then.
    pub bracket: Option<Bracket>,
}

/// `POST /v1/size`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SizeAnswer<'a> {
    /// Contract.
    pub symbol: Cow<'a, str>,
    /// The largest quantity that is allowed; `null` when none is.
    pub allowed: Figure,
    /// The largest quantity that is not refused; `null` when none is.
    pub warned: Figure,
    /// The largest quantity that the exchange's margin and position cap carry, whatever the limits;
    /// `null` for orders that it asks no margin for.
    #[serde(rename = "exchangeMax")]
    pub exchange: Figure,
    /// Why no quantity passes; `null` when one does, or when nothing can be said.
    pub why: Option<Cow<'a, str>>,
    /// Why nothing can be said; empty when it can.
    pub missing: Vec<Cow<'a, str>>,
}

impl<'a> SizeAnswer<'a> {
    /// The answer for a contract.
    #[must_use]
    pub fn of(symbol: &'a str, sized: &'a Result<offer::Size, NotReady>) -> Self {
        let quantity = |quantity: Option<_>| quantity.map_or(Figure::NONE, Figure::quantity);
        match sized {
            Ok(size) => Self {
                symbol: Cow::Borrowed(symbol),
                allowed: quantity(size.allowed),
                warned: quantity(size.warned),
                exchange: quantity(size.exchange),
                why: None,
                missing: Vec::new(),
            },
            Err(not_ready) => Self {
                symbol: Cow::Borrowed(symbol),
                missing: lacking(not_ready),
                ..Self::default()
            },
        }
    }
}

/// One way out.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Alternative<'a> {
    /// `smaller`, `isolate`, `top_up`, `reduce_other` or `lower_leverage`.
    pub kind: Cow<'a, str>,
    /// What it consists of: `symbol`, `quantity`, `amount`, `asset`, `leverage`, `share`.
    pub params: Map<String, Value>,
    /// The decision it gets.
    pub decision: Cow<'a, str>,
    /// The pool once the way was taken and what was asked is done.
    pub after: Option<Outcome<'a>>,
    /// The exact request to send, first.
    pub request: Value,
    /// What to send after it, one after the other.
    pub then: Vec<Value>,
    /// One sentence for a person.
    pub message: Cow<'a, str>,
}

/// What becomes of the pool by a way out: the figures that limits are about.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Outcome<'a> {
    /// The pool's asset.
    pub asset: Cow<'a, str>,
    /// Crossed balance with unrealised profit.
    pub margin_balance: Figure,
    /// Maintenance ÷ margin balance.
    pub margin_ratio: Figure,
    /// Gross notional ÷ margin balance.
    pub account_leverage: Figure,
    /// The smaller of the first killer's move and the common move.
    pub distance: Figure,
    /// What the worst adverse move takes.
    pub wallet_at_risk: Option<WalletAtRisk<'a>>,
}

impl<'a> From<&'a PoolAssessment> for Outcome<'a> {
    fn from(pool: &'a PoolAssessment) -> Self {
        let pool = PoolFigures::from(pool);
        Self {
            asset: pool.asset,
            margin_balance: pool.margin_balance,
            margin_ratio: pool.margin_ratio,
            account_leverage: pool.account_leverage,
            distance: pool.distance,
            wallet_at_risk: pool.wallet_at_risk,
        }
    }
}

impl<'a> WorstCase<'a> {
    /// The worst case of a judgement, beside the one before.
    #[must_use]
    pub fn of(worst: &'a verdict::WorstCase, before: Option<&'a PoolAssessment>) -> Self {
        let pool = PoolFigures::from(&worst.pool);
        Self {
            orders: u64::try_from(worst.orders).unwrap_or(u64::MAX),
            margin_balance: pool.margin_balance,
            maintenance_margin: pool.maintenance_margin,
            margin_ratio: pool.margin_ratio,
            headroom: pool.headroom,
            distance: pool.distance,
            wallet_at_risk: pool.wallet_at_risk,
            ring_fenced: pool.ring_fenced,
            first_killer: pool.first_killer,
            common_move: pool.common_move,
            common_move_direction: pool.common_move_direction,
            liquidatable: pool.liquidatable,
            before: before.map(Outcome::from),
            leg_removed: worst.leg_removed.as_ref().map(|(symbol, side)| LegRemoved {
                symbol: Cow::Borrowed(symbol.as_str()),
                position_side: Cow::Borrowed(names::position_side(*side)),
            }),
            endangered_orders: worst.endangered.iter().map(EndangeredOrder::from).collect(),
        }
    }
}

impl<'a> From<&'a verdict::EndangeredOrder> for EndangeredOrder<'a> {
    fn from(order: &'a verdict::EndangeredOrder) -> Self {
        let (order_id, algo_id) = match order.id {
            OrderId::Order(id) => (Some(id), None),
            OrderId::Algo(id) => (None, Some(id)),
        };
        Self {
            symbol: Cow::Borrowed(order.symbol.as_str()),
            order_id,
            algo_id,
            danger: Cow::Borrowed(order.danger.name()),
        }
    }
}

impl<'a> From<&'a StressOutcome> for Stress<'a> {
    fn from(outcome: &'a StressOutcome) -> Self {
        Self {
            name: Cow::Borrowed(&outcome.name),
            required: outcome.required.map(|level| Cow::Borrowed(level.name())),
            margin_balance: Figure::money(outcome.margin_balance),
            maintenance_margin: Figure::money(outcome.maintenance_margin),
            margin_ratio: outcome.margin_ratio.map_or(Figure::NONE, Figure::fraction),
            loss: outcome.loss.map_or(Figure::NONE, Figure::money),
            survives: outcome.survives,
            dies: outcome
                .dies
                .iter()
                .map(|symbol| Cow::Borrowed(symbol.as_str()))
                .collect(),
            depegged: outcome
                .depegged
                .as_ref()
                .map(|asset| Cow::Borrowed(asset.as_str())),
            reasons: outcome.reasons.as_deref().map(StressReasons::from),
        }
    }
}

impl<'a> From<&'a stress::Reasons> for StressReasons<'a> {
    fn from(reasons: &'a stress::Reasons) -> Self {
        let rate = |rate: Option<Rate>| rate.map_or(Figure::NONE, |rate| Figure::exact(rate.get()));
        Self {
            positions: { reasons.positions.iter() }
                .map(StressedPosition::from)
                .collect(),
            maintenance: rate(reasons.maintenance),
            funding: rate(reasons.funding),
            collateral_lost: Figure::money(reasons.collateral_lost),
        }
    }
}

impl<'a> From<&'a ShockedPosition> for StressedPosition<'a> {
    fn from(position: &'a ShockedPosition) -> Self {
        Self {
            symbol: Cow::Borrowed(position.symbol.as_str()),
            position_side: Cow::Borrowed(names::position_side(position.position_side)),
            by: Figure::exact(position.by.get()),
            gain: Figure::money(position.gain),
            funding: Figure::money(position.funding),
            maintenance_margin: Figure::money(position.maintenance_margin),
            bracket: Some(Bracket::from(&position.bracket)),
        }
    }
}

impl<'a> From<&'a offer::Alternative> for Alternative<'a> {
    fn from(offer: &'a offer::Alternative) -> Self {
        let mut requests = offer.requests.iter().map(request);
        Self {
            kind: Cow::Borrowed(offer.kind.name()),
            params: params(&offer.terms),
            decision: Cow::Borrowed(offer.decision.name()),
            after: offer.after.as_deref().map(Outcome::from),
            request: requests.next().unwrap_or(Value::Null),
            then: requests.collect(),
            message: Cow::Borrowed(&offer.message),
        }
    }
}

/// What a way consists of: the figures that its kind has.
pub(super) fn params(terms: &Terms) -> Map<String, Value> {
    let mut params = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            params.insert(name.to_owned(), value);
        }
    };
    put("symbol", terms.symbol.as_ref().map(|s| s.as_str().into()));
    put("quantity", terms.quantity.map(|q| q.to_string().into()));
    put("amount", terms.amount.map(|a| a.to_string().into()));
    put("asset", terms.asset.as_ref().map(|a| a.as_str().into()));
    put("leverage", terms.leverage.map(|l| l.get().into()));
    put(
        "share",
        terms.share.map(|s| cut(s.get()).to_string().into()),
    );
    params
}

/// The planes that keep something from being said, each with why.
pub(super) fn lacking<'a>(not_ready: &NotReady) -> Vec<Cow<'a, str>> {
    let line = |status: &PlaneStatus| {
        let reason = status.reason.as_deref().unwrap_or("not known yet");
        Cow::Owned(format!("{}: {reason}", status.plane))
    };
    not_ready.planes.iter().map(line).collect()
}

/// A proposal as `/v1/check` takes it; its `order` is what the exchange takes.
pub(super) fn request(proposal: &Proposal) -> Value {
    let mut body = Map::new();
    match proposal {
        Proposal::Order(intent) => body.insert("order".to_owned(), order(intent)),
        Proposal::Orders(intents) => {
            let orders = intents.iter().map(order).collect();
            body.insert("orders".to_owned(), Value::Array(orders))
        }
        Proposal::Change(wanted) => body.insert("change".to_owned(), change(wanted)),
    };
    Value::Object(body)
}

/// An order in the exchange's own parameters.
pub(super) fn order(intent: &OrderIntent) -> Value {
    let mut order = Map::new();
    let mut put = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            order.insert(name.to_owned(), Value::String(value));
        }
    };
    let kind = intent.kind;
    put("symbol", Some(intent.symbol.as_str().to_owned()));
    put("side", Some(names::side(intent.side).to_owned()));
    put(
        "positionSide",
        Some(names::position_side(intent.position_side).to_owned()),
    );
    put("type", Some(names::order_type(kind).to_owned()));
    put("quantity", intent.quantity.map(|q| q.to_string()));
    let limit = kind.limit_price();
    put(
        "timeInForce",
        (limit.is_some() || kind == OrderKind::PriceMatched).then(|| "GTC".to_owned()),
    );
    put("price", limit.map(|price| price.to_string()));
    put(
        "priceMatch",
        (kind == OrderKind::PriceMatched).then(|| "OPPONENT".to_owned()),
    );
    match kind {
        OrderKind::TrailingStopMarket {
            activation,
            callback,
        } => {
            put("activatePrice", activation.map(|price| price.to_string()));
            let percent = callback
                .get()
                .checked_mul(rust_decimal::Decimal::ONE_HUNDRED);
            put("callbackRate", percent.map(|p| p.normalize().to_string()));
        }
        _ => put(
            "triggerPrice",
            kind.trigger_price().map(|price| price.to_string()),
        ),
    }
    put("reduceOnly", intent.reduce_only.then(|| "true".to_owned()));
    put(
        "closePosition",
        intent.close_position.then(|| "true".to_owned()),
    );
    put("newClientOrderId", intent.client_order_id.clone());
    Value::Object(order)
}

/// A change in the exchange's own parameters, with its kind.
pub(super) fn change(change: &Change) -> Value {
    let mut fields = Map::new();
    let mut put = |name: &str, value: Value| {
        fields.insert(name.to_owned(), value);
    };
    put("kind", names::change_kind(change).into());
    if let Some(symbol) = change.symbol() {
        put("symbol", symbol.as_str().into());
    }
    match change {
        Change::Leverage { leverage, .. } => put("leverage", leverage.get().into()),
        Change::MarginType { margin_mode, .. } => {
            put("marginType", names::margin_type(*margin_mode).into());
        }
        Change::PositionMargin {
            position_side,
            amount,
            direction,
            ..
        } => {
            put("positionSide", names::position_side(*position_side).into());
            put("amount", amount.to_string().into());
            let number = match direction {
                MarginMove::Add => 1,
                MarginMove::Remove => 2,
            };
            put("type", number.into());
        }
        Change::PositionMode { mode } => {
            let dual = *mode == crate::margin::account::PositionMode::Hedge;
            put("dualSidePosition", dual.into());
        }
        Change::MultiAssetsMargin { mode } => {
            let multi = *mode == crate::margin::account::AssetMode::Multi;
            put("multiAssetsMargin", multi.into());
        }
        Change::TransferOut { asset, amount } => {
            put("asset", asset.as_str().into());
            put("amount", amount.to_string().into());
        }
    }
    Value::Object(fields)
}
