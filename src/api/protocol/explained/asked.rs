//! What was asked, and what it costs.
//!
//! Owns: how the figures of orders, of the isolated twin, of costs and of the worst case follow, and
//! what changes.
//! Must not know: formulas, figures of the account and of its positions.

use rust_decimal::Decimal;
use serde_json::Value;

use super::super::explain::ExplainedFigure;
use super::filled::{Values, at, explained_figure, filled, number};
use super::pool::of_any_pool;
use super::sheet::Sheet;
use crate::guard::formulas::{self, Asked, Formula, OwnPrice};

/// Every figure that follows from others, beside the account's own.
pub(super) fn figures(answer: &Value, after: &Sheet<'_>) -> Vec<ExplainedFigure<'static>> {
    let mut figures = order(answer, "order", &answer["order"]);
    for (place, one) in rows(&answer["orders"]).iter().enumerate() {
        figures.extend(order(answer, &format!("orders[{place}]"), one));
    }
    figures.extend(open_orders(answer));
    figures.extend(twin(answer));
    figures.extend(costs(answer, after));
    for execution in rows(&answer["executions"]) {
        let of = format!(
            "executions {}",
            execution["of"].as_str().unwrap_or_default()
        );
        let value = |name: &str| at(&execution["account"], name);
        figures.extend(of_any_pool(&of, &value));
    }
    let of_worst_case = |name: &str| at(&answer["worstCase"], name);
    figures.extend(of_any_pool("worstCase", &of_worst_case));
    figures.extend(changes(answer));
    figures
}

pub(super) fn rows(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

pub(super) fn scenarios(answer: &Value) -> &[Value] {
    rows(&answer["stress"])
}

/// The price an order is taken to fill at, and what the exchange asks for it. What only reduces needs
/// no margin and opens with no loss, whatever its price.
fn order(answer: &Value, of: &str, order: &Value) -> Vec<ExplainedFigure<'static>> {
    let cost = &order["exchangeCost"];
    let symbol = order["symbol"].as_str().unwrap_or_default();
    let rates = &answer["costs"]["feeRates"][symbol];
    let value = |name: &str| {
        { at(cost, name) }
            .or_else(|| at(order, name))
            .or_else(|| at(rates, name))
    };
    let buys = order["side"] == "BUY";
    let source = order["priceSource"].as_str().unwrap_or_default();
    let mut figures: Vec<ExplainedFigure<'static>> = { formulas::price_used(source, buys) }
        .and_then(|formula| filled(of, &formula, &value))
        .into_iter()
        .collect();
    if cost.is_null() {
        return figures;
    }
    let own = if order["priceMatched"] == true {
        OwnPrice::Matched
    } else if order["price"].is_null() {
        OwnPrice::Market
    } else {
        OwnPrice::Limit
    };
    let hedge = order["positionSide"] != "BOTH";
    let closes = order["positionSide"] == if buys { "SHORT" } else { "LONG" };
    let opens = !closes && order["reduceOnly"] != true && order["closePosition"] != true;
    let explained = |formula: Formula| match formula.figure {
        "openLoss" | "marginRequired" if !opens => None,
        _ => filled(of, &formula, &value),
    };
    let formulas = formulas::order_cost(buys, own).into_iter();
    figures
        .extend({ formulas.chain([formulas::margin_required(buys, hedge)]) }.filter_map(explained));
    figures
}

fn open_orders(answer: &Value) -> Vec<ExplainedFigure<'static>> {
    let of = |row: &Value| {
        let value = |name: &str| at(row, name);
        let symbol = row["symbol"].as_str()?;
        filled(
            &format!("openOrders {symbol}"),
            &formulas::reserved(both_sides_count(&value)?),
            &value,
        )
    };
    rows(&answer["pool"]["openOrders"])
        .iter()
        .filter_map(of)
        .collect()
}

/// Buys and sells both count, as they do in hedge mode; where they do in one-way mode it is the same.
fn both_sides_count(value: Values<'_>) -> Option<bool> {
    let both = value("buyNotional")?.checked_add(value("sellNotional")?)?;
    let apart = { both.checked_div(value("leverage")?)? }.checked_sub(value("initialMargin")?)?;
    Some(apart.abs() <= Decimal::new(2, 8))
}

fn twin(answer: &Value) -> Vec<ExplainedFigure<'static>> {
    let buys = answer["order"]["side"] == "BUY";
    let value = |name: &str| at(answer, name);
    let texts = formulas::twin(buys).into_iter();
    let explained = |(figure, text)| explained_figure("isolatedTwin", figure, [text], &value);
    texts.filter_map(explained).collect()
}

fn costs<'v>(answer: &'v Value, after: &Sheet<'_>) -> Vec<ExplainedFigure<'static>> {
    let asked = |(path, order): (String, &'v Value)| {
        Some(Asked {
            path,
            symbol: order["symbol"].as_str()?,
            buys: order["side"] == "BUY",
        })
    };
    let batch = rows(&answer["orders"]).iter().enumerate();
    let batch = batch.map(|(place, order)| (format!("orders[{place}]"), order));
    let all = std::iter::once(("order".to_owned(), &answer["order"])).chain(batch);
    let orders: Vec<Asked<'_>> = all.filter_map(asked).collect();
    let mut symbols: Vec<&str> = orders.iter().map(|order| order.symbol).collect();
    symbols.sort_unstable();
    symbols.dedup();
    let held = symbols.into_iter().map(|symbol| {
        let legs = after.legs.iter().filter(|leg| leg.symbol == symbol);
        (symbol, legs.map(|leg| leg.name.as_str()).collect())
    });
    let held: Vec<(&str, Vec<&str>)> = held.collect();
    let value = |name: &str| at(answer, name).or_else(|| after.of_some_leg(name));
    let texts = formulas::costs(&orders, &held).into_iter();
    let explained = |(figure, text)| explained_figure("costs", figure, [text], &value);
    texts.filter_map(explained).collect()
}

/// What is different afterwards, figure by figure.
fn changes(answer: &Value) -> Vec<ExplainedFigure<'static>> {
    let change = &answer["account"]["change"];
    let told = change.as_object().into_iter().flatten();
    let of = |(name, value): (&String, &Value)| {
        let own = number(value)?;
        let text = formulas::change(name);
        let value = |wanted: &str| {
            if wanted == name {
                Some(own)
            } else {
                at(answer, wanted)
            }
        };
        explained_figure("account.change", name, [text], &value)
    };
    told.filter_map(of).collect()
}
