//! What was asked.
//!
//! Owns: the formulas of orders, of the isolated twin, of what orders cost, and of what changes.
//! Must not know: values, the account.

use super::{Formula, NET, each, formula, or_zero};

/// Whose price an order has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnPrice {
    /// Its own.
    Limit,
    /// None.
    Market,
    /// One that the book decides on arrival.
    Matched,
}

/// What the exchange asks for an order; names stand within the order and its `exchangeCost`. By side,
/// and by whose price the order has.
///
/// Source: margin-math §4.4, §4.5.
#[must_use]
pub const fn order_cost(buys: bool, own: OwnPrice) -> [Formula; 3] {
    let cost = formula("cost", &["marginRequired + openLoss"]);
    let (assumed, loss) = match (buys, own) {
        (true, OwnPrice::Limit) => (
            &["price"] as &'static [_],
            &["max(0, price - markPrice) * quantityUsed"] as &'static [_],
        ),
        (true, OwnPrice::Market | OwnPrice::Matched) => (
            &[
                "max(priceUsed, markPrice * 1.0005, askPrice * 1.0005)",
                "max(priceUsed, markPrice * 1.0005)",
            ] as &'static [_],
            &[
                "(max(markPrice, askPrice) * 1.0005 - markPrice) * quantityUsed",
                "(markPrice * 1.0005 - markPrice) * quantityUsed",
            ] as &'static [_],
        ),
        (false, OwnPrice::Limit) => (
            &[
                "max(price, markPrice * 1.0015, lastPrice * 1.0015)",
                "max(price, markPrice * 1.0015)",
            ] as &'static [_],
            &["max(0, markPrice - price) * quantityUsed"] as &'static [_],
        ),
        (false, OwnPrice::Matched) => (
            &[
                "max(markPrice * 1.0015, lastPrice * 1.0015, askPrice)",
                "max(markPrice * 1.0015, lastPrice * 1.0015)",
                "max(markPrice * 1.0015, askPrice)",
                "markPrice * 1.0015",
            ] as &'static [_],
            &["max(0, markPrice - bidPrice) * quantityUsed", "0"] as &'static [_],
        ),
        (false, OwnPrice::Market) => (
            &[
                "max(markPrice * 1.0015, lastPrice * 1.0015, bidPrice)",
                "max(markPrice * 1.0015, lastPrice * 1.0015)",
                "max(markPrice * 1.0015, bidPrice)",
                "markPrice * 1.0015",
            ] as &'static [_],
            &["0"] as &'static [_],
        ),
    };
    [
        formula("assumedPrice", assumed),
        formula("openLoss", loss),
        cost,
    ]
}

/// The isolated twin; names stand within the whole answer.
///
/// Source: margin-math §7.1 (where it ends), §18.
#[must_use]
pub fn twin(buys: bool) -> [(&'static str, String); 3] {
    let quantity = if buys {
        "isolatedTwin.quantity"
    } else {
        "-isolatedTwin.quantity"
    };
    [
        (
            "isolatedTwin.margin",
            "order.priceUsed * isolatedTwin.quantity / order.leverage".to_owned(),
        ),
        (
            "isolatedTwin.liquidationPrice",
            format!(
                "({quantity} * order.priceUsed - isolatedTwin.margin - isolatedTwin.bracket.cum) \
                 / ({quantity} - isolatedTwin.quantity * isolatedTwin.bracket.maintMarginRatio)"
            ),
        ),
        ("isolatedTwin.maxLoss", "isolatedTwin.margin".to_owned()),
    ]
}

/// An order that was asked about.
#[derive(Debug, Clone)]
pub struct Asked<'a> {
    /// Where it stands in the answer.
    pub path: String,
    /// Contract.
    pub symbol: &'a str,
    /// It buys.
    pub buys: bool,
}

/// What orders cost beside margin; names stand within the whole answer, positions by their names.
/// `held` has for every contract asked about its positions.
///
/// Source: margin-math §12 (fees, funding).
#[must_use]
pub fn costs(orders: &[Asked<'_>], held: &[(&str, Vec<&str>)]) -> [(&'static str, String); 4] {
    let each_order = |of: &dyn Fn(&Asked<'_>) -> String| {
        or_zero(orders.iter().map(of).collect::<Vec<_>>().join(" + "))
    };
    let of_rate = |rate: &str| {
        each_order(&|Asked { path, symbol, .. }| {
            format!("{path}.priceUsed * {path}.quantityUsed * costs.feeRates.{symbol}.{rate}")
        })
    };
    let slippage = each_order(&|Asked { path, buys, .. }| {
        let (price, mark) = (format!("{path}.priceUsed"), format!("{path}.markPrice"));
        let (dearer, cheaper) = if *buys { (price, mark) } else { (mark, price) };
        format!("({dearer} - {cheaper}) * {path}.quantityUsed")
    });
    let funding = held.iter().filter(|(_, names)| !names.is_empty());
    let funding = funding
        .map(|(symbol, names)| format!("({}) * costs.feeRates.{symbol}.funding", each(NET, names)));
    [
        ("costs.fee", of_rate("takerUsed")),
        ("costs.makerFee", of_rate("maker")),
        ("costs.slippage", slippage),
        (
            "costs.fundingNext",
            or_zero(funding.collect::<Vec<_>>().join(" + ")),
        ),
    ]
}

/// The price an order is taken to fill at, by where it comes from; names stand within the order.
///
/// Source: margin-math §4.5 (a market order has no price of its own).
#[must_use]
pub fn price_used(source: &str, buys: bool) -> Option<Formula> {
    let text: &'static [&'static str] = match (source, buys) {
        ("limit", _) => &["price"],
        ("mark", _) => &["markPrice"],
        ("mark_with_slippage", true) => &["markPrice * (1 + slippageUsed)"],
        ("mark_with_slippage", false) => &["markPrice * (1 - slippageUsed)"],
        ("trigger_with_slippage", true) => &["triggerPrice * (1 + slippageUsed)"],
        ("trigger_with_slippage", false) => &["triggerPrice * (1 - slippageUsed)"],
        _ => return None,
    };
    Some(formula("priceUsed", text))
}

/// The margin that an order adds by the netting rule; names stand within the order and its
/// `exchangeCost`.
///
/// Source: margin-math §4.3, §4.4.
#[must_use]
pub const fn margin_required(buys: bool, hedge: bool) -> Formula {
    let text: &'static [&'static str] = match (hedge, buys) {
        (true, _) => &["assumedPrice * quantityUsed / leverage"],
        (false, true) => &[
            "max(0, max(abs(notional + buyNotional + assumedPrice * quantityUsed), \
             abs(notional - sellNotional)) - max(abs(notional + buyNotional), \
             abs(notional - sellNotional))) / leverage",
        ],
        (false, false) => &["max(0, max(abs(notional + buyNotional), \
             abs(notional - sellNotional - assumedPrice * quantityUsed)) \
             - max(abs(notional + buyNotional), abs(notional - sellNotional))) / leverage"],
    };
    formula("marginRequired", text)
}

/// What is different afterwards.
#[must_use]
pub fn change(figure: &str) -> String {
    let path = if figure == "walletAtRisk" {
        "walletAtRisk.amount"
    } else {
        figure
    };
    format!("account.after.{path} - account.before.{path}")
}

/// What an order comes to; names stand within the order.
pub const ORDER_SIZE: &str = "priceUsed * quantityUsed";

/// How far an order's price lies on the losing side of the mark; names stand within the order.
#[must_use]
pub fn price_collar(mark: &str, buys: bool) -> String {
    if buys {
        format!("(priceUsed - {mark}) / {mark}")
    } else {
        format!("({mark} - priceUsed) / {mark}")
    }
}
