//! Reads the parameters of orders and conditional orders.

use crate::scenario::{ConditionalKind, PositionSide, Side, WorkingPrice};

use super::super::account::{OrderKind, Terms};
use super::super::exact::Fixed;
use super::super::params::Params;
use super::super::refusal::Refusal;
use super::algo::NewAlgo;
use super::trade::NewOrder;

const CONDITIONAL_KINDS: [&str; 5] = [
    "STOP",
    "STOP_MARKET",
    "TAKE_PROFIT",
    "TAKE_PROFIT_MARKET",
    "TRAILING_STOP_MARKET",
];

fn side(params: &Params) -> Result<Side, Refusal> {
    match params.required("side")? {
        "BUY" => Ok(Side::Buy),
        "SELL" => Ok(Side::Sell),
        _ => Err(Refusal::bad_side()),
    }
}

pub(super) fn position_side(params: &Params) -> Result<PositionSide, Refusal> {
    match params.get("positionSide") {
        None | Some("BOTH") => Ok(PositionSide::Both),
        Some("LONG") => Ok(PositionSide::Long),
        Some("SHORT") => Ok(PositionSide::Short),
        Some(_) => Err(Refusal::bad_position_side()),
    }
}

fn working_price(params: &Params) -> Result<WorkingPrice, Refusal> {
    match params.get("workingType") {
        None | Some("CONTRACT_PRICE") => Ok(WorkingPrice::Last),
        Some("MARK_PRICE") => Ok(WorkingPrice::Mark),
        Some(_) => Err(Refusal::malformed("workingType")),
    }
}

/// How the price is found and what happens when own orders meet.
pub(super) fn terms(params: &Params) -> Result<Terms, Refusal> {
    const MATCHES: [&str; 7] = [
        "NONE",
        "OPPONENT",
        "OPPONENT_5",
        "QUEUE",
        "QUEUE_5",
        "QUEUE_10",
        "QUEUE_20",
    ];
    const PREVENTIONS: [&str; 4] = ["NONE", "EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH"];
    let mut terms = Terms::default();
    if let Some(name) = params.get("priceMatch") {
        let known = MATCHES.into_iter().find(|known| *known == name);
        terms.price_match = known.ok_or_else(Refusal::bad_price_match)?;
    }
    if let Some(name) = params.get("selfTradePreventionMode") {
        let known = PREVENTIONS.into_iter().find(|known| *known == name);
        terms.self_trade_prevention = known.ok_or_else(Refusal::bad_self_trade_prevention)?;
    }
    Ok(terms)
}

/// The price of a limit order: the client's, or none when the book sets it.
pub(super) fn named_price(params: &Params, terms: Terms) -> Result<Fixed, Refusal> {
    match (terms.matches_price(), params.has("price")) {
        (true, true) => Err(Refusal::not_required("price")),
        (true, false) => Ok(Fixed::ZERO),
        (false, _) => params.required_decimal("price"),
    }
}

pub(super) fn new_order(params: &Params) -> Result<NewOrder, Refusal> {
    let symbol = params.required("symbol")?.to_owned();
    let side = side(params)?;
    let kind = match params.required("type")? {
        "LIMIT" => OrderKind::Limit,
        "MARKET" => OrderKind::Market,
        other if CONDITIONAL_KINDS.contains(&other) => return Err(Refusal::use_algo()),
        _ => return Err(Refusal::bad_type()),
    };
    let terms = terms(params)?;
    let (price, time_in_force) = match kind {
        OrderKind::Limit => {
            let time_in_force = params.required("timeInForce")?.to_owned();
            (named_price(params, terms)?, time_in_force)
        }
        _ if terms.matches_price() => return Err(Refusal::price_match_type()),
        _ if params.has("price") => return Err(Refusal::not_required("price")),
        _ => (Fixed::ZERO, "GTC".to_owned()),
    };
    if !matches!(
        params.get("newOrderRespType"),
        None | Some("ACK" | "RESULT")
    ) {
        return Err(Refusal::bad_response_type());
    }
    if time_in_force == "GTD" {
        params.required_integer("goodTillDate")?;
    }
    Ok(NewOrder {
        symbol,
        side,
        leg: position_side(params)?,
        kind,
        original_kind: kind.name().to_owned(),
        time_in_force,
        quantity: params.required_decimal("quantity")?,
        price,
        stop_price: Fixed::ZERO,
        reduce_only: params.boolean("reduceOnly")?.unwrap_or(false),
        close_position: false,
        working_type: "CONTRACT_PRICE",
        good_till_ms: params.integer("goodTillDate")?.unwrap_or(0),
        terms,
        client_id: params.get("newClientOrderId").map(str::to_owned),
        algo: None,
    })
}

pub(super) fn new_algo(params: &Params) -> Result<NewAlgo, Refusal> {
    if params.required("algoType")? != "CONDITIONAL" {
        return Err(Refusal::malformed("algoType"));
    }
    let symbol = params.required("symbol")?.to_owned();
    let side = side(params)?;
    let kind = params.required("type")?;
    let condition = condition(kind, params)?;
    let limit = matches!(kind, "STOP" | "TAKE_PROFIT");
    let terms = terms(params)?;
    if terms.matches_price() && !limit {
        return Err(Refusal::price_match_type());
    }
    Ok(NewAlgo {
        symbol,
        side,
        leg: position_side(params)?,
        condition,
        working_price: working_price(params)?,
        quantity: params.decimal("quantity")?,
        price: if limit {
            named_price(params, terms)?
        } else {
            Fixed::ZERO
        },
        time_in_force: params.get("timeInForce").unwrap_or("GTC").to_owned(),
        reduce_only: params.boolean("reduceOnly")?.unwrap_or(false),
        close_position: params.boolean("closePosition")?.unwrap_or(false),
        price_protect: params.boolean("priceProtect")?.unwrap_or(false),
        good_till_ms: params.integer("goodTillDate")?.unwrap_or(0),
        terms,
        client_id: params.get("clientAlgoId").map(str::to_owned),
    })
}

fn condition(kind: &str, params: &Params) -> Result<ConditionalKind, Refusal> {
    // The real endpoint words this one parameter in lower case.
    let trigger = || {
        params
            .decimal("triggerPrice")?
            .ok_or_else(|| Refusal::missing("triggerprice"))
    };
    let exact = |price: Fixed| {
        price
            .plain()
            .parse()
            .map_err(|_| Refusal::malformed("price"))
    };
    Ok(match kind {
        "STOP" | "STOP_MARKET" => ConditionalKind::Stop(exact(trigger()?)?),
        "TAKE_PROFIT" | "TAKE_PROFIT_MARKET" => ConditionalKind::TakeProfit(exact(trigger()?)?),
        "TRAILING_STOP_MARKET" if params.has("triggerPrice") => {
            return Err(Refusal::would_trigger());
        }
        "TRAILING_STOP_MARKET" => ConditionalKind::Trailing {
            callback: exact(params.required_decimal("callbackRate")?)?,
            activate: params.decimal("activatePrice")?.map(exact).transpose()?,
        },
        _ => return Err(Refusal::bad_type()),
    })
}
