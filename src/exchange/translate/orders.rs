//! Working orders of both books, read over REST.
//!
//! Owns: reading them. One order that cannot be read makes the whole answer unreadable: a book
//! with a hole is no truth.
//! Must not know: the stream's spelling of orders.

use super::{
    Prices, WireError, boolean, flag_if_any, integer, percent_if_any, position_side, price_if_any,
    quantity, side, symbol, trigger_by, working_kind,
};
use crate::exchange::wire::{Scalar, rest as wire};
use crate::margin::amount::Quantity;
use crate::margin::order::{OpenOrder, OrderId};

/// `GET /fapi/v1/openOrders`.
pub(in crate::exchange) fn open_orders(body: &[u8]) -> Result<Vec<OpenOrder>, WireError> {
    let rows: Vec<wire::Order<'_>> = serde_json::from_slice(body)?;
    rows.iter().map(order).collect()
}

/// `GET /fapi/v1/openAlgoOrders`: those that still wait. A status that is not known counts as
/// waiting.
pub(in crate::exchange) fn open_algo_orders(body: &[u8]) -> Result<Vec<OpenOrder>, WireError> {
    let rows: Vec<wire::AlgoOrder<'_>> = serde_json::from_slice(body)?;
    rows.iter()
        .filter(|row| !is_done(row))
        .map(algo_order)
        .collect()
}

/// True when the ordinary book, or nothing, tells about the order from here on.
fn is_done(row: &wire::AlgoOrder<'_>) -> bool {
    row.algo_status.as_ref().is_some_and(|status| {
        matches!(
            status.as_str(),
            "CANCELED" | "TRIGGERED" | "FINISHED" | "REJECTED" | "EXPIRED"
        )
    })
}

fn order(row: &wire::Order<'_>) -> Result<OpenOrder, WireError> {
    let close_position = flag_if_any(row.close_position, "closePosition")?;
    let total = quantity(row.orig_qty, "origQty")?;
    let filled = quantity(row.executed_qty, "executedQty")?;
    let prices = Prices {
        limit: price_if_any(row.price, "price")?,
        trigger: price_if_any(row.stop_price, "stopPrice")?,
        activation: price_if_any(row.activate_price, "activatePrice")?,
        callback: percent_if_any(row.price_rate, "priceRate")?,
    };
    Ok(OpenOrder {
        id: OrderId::Order(integer(row.order_id, "orderId")?),
        client_order_id: row
            .client_order_id
            .as_ref()
            .map_or_else(String::new, |name| name.as_str().to_owned()),
        symbol: symbol(&row.symbol)?,
        side: side(row.side.as_str()).ok_or(WireError::Unknown("side"))?,
        position_side: position_side(row.position_side.as_str())
            .ok_or(WireError::Unknown("positionSide"))?,
        kind: working_kind(row.kind.as_str(), &prices),
        remaining: remaining(total, filled, close_position)?,
        reduce_only: flag_if_any(row.reduce_only, "reduceOnly")?,
        close_position,
        trigger_by: trigger_by(row.working_type.as_ref()),
        price_protect: lenient_flag(row.price_protect),
    })
}

fn algo_order(row: &wire::AlgoOrder<'_>) -> Result<OpenOrder, WireError> {
    let kind = row
        .order_type
        .as_ref()
        .or(row.kind.as_ref())
        .ok_or(WireError::Missing("orderType"))?;
    let close_position = flag_if_any(row.close_position, "closePosition")?;
    let total = match row.quantity {
        Some(total) if !total.text().is_empty() => quantity(total, "quantity")?,
        _ if close_position => Quantity::ZERO,
        _ => return Err(WireError::Missing("quantity")),
    };
    let prices = Prices {
        limit: price_if_any(row.price, "price")?,
        trigger: price_if_any(row.trigger_price, "triggerPrice")?,
        activation: price_if_any(row.activate_price, "activatePrice")?,
        callback: percent_if_any(row.callback_rate, "callbackRate")?,
    };
    Ok(OpenOrder {
        id: OrderId::Algo(integer(row.algo_id, "algoId")?),
        client_order_id: row
            .client_algo_id
            .as_ref()
            .map_or_else(String::new, |name| name.as_str().to_owned()),
        symbol: symbol(&row.symbol)?,
        side: side(row.side.as_str()).ok_or(WireError::Unknown("side"))?,
        position_side: position_side(row.position_side.as_str())
            .ok_or(WireError::Unknown("positionSide"))?,
        kind: working_kind(kind.as_str(), &prices),
        remaining: remaining(total, Quantity::ZERO, close_position)?,
        reduce_only: flag_if_any(row.reduce_only, "reduceOnly")?,
        close_position,
        trigger_by: trigger_by(row.working_type.as_ref()),
        price_protect: lenient_flag(row.price_protect),
    })
}

/// What is left; zero for a close-position order, which takes whatever is there.
pub(super) fn remaining(
    total: Quantity,
    filled: Quantity,
    close_position: bool,
) -> Result<Quantity, WireError> {
    if close_position {
        return Ok(Quantity::ZERO);
    }
    let left = total
        .minus(filled)
        .map_err(|_| WireError::Unknown("quantity"))?;
    Ok(if left.is_negative() {
        Quantity::ZERO
    } else {
        left
    })
}

/// Price protection only ever delays a trigger: what cannot be read counts as off.
pub(super) fn lenient_flag(scalar: Option<Scalar<'_>>) -> bool {
    scalar
        .and_then(|scalar| boolean(scalar.text()))
        .unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::margin::account::{PositionSide, Side};
    use crate::margin::amount::{Price, Rate};
    use crate::margin::order::{OrderKind, TriggerBy};

    const LIMIT: &str = r#"{"avgPrice":"0.00000","clientOrderId":"abc","cumQuote":"0","executedQty":"1.5",
        "orderId":8389765739703625592,"origQty":"4","origType":"LIMIT","price":"30000.5","reduceOnly":false,
        "side":"BUY","positionSide":"BOTH","status":"PARTIALLY_FILLED","stopPrice":"0","closePosition":false,
        "symbol":"BTCUSDT","time":1579276756075,"timeInForce":"GTC","type":"LIMIT","updateTime":1579276756075,
        "workingType":"CONTRACT_PRICE","priceProtect":false,"priceMatch":"NONE",
        "selfTradePreventionMode":"NONE","goodTillDate":0}"#;

    const STOP: &str = r#"{"algoId":2148627,"clientAlgoId":"stop-1","algoType":"CONDITIONAL","orderType":"STOP_MARKET",
        "symbol":"BTCUSDT","side":"SELL","positionSide":"BOTH","timeInForce":"GTC","quantity":"0.010",
        "algoStatus":"NEW","actualOrderId":"","actualPrice":"0.0","triggerPrice":"57000.0","price":"0.0",
        "icebergQuantity":"null","selfTradePreventionMode":"EXPIRE_MAKER","workingType":"MARK_PRICE",
        "priceMatch":"NONE","closePosition":false,"priceProtect":true,"reduceOnly":true,
        "createTime":1,"updateTime":1,"triggerTime":0,"goodTillDate":0}"#;

    fn one(row: &str) -> OpenOrder {
        open_orders(format!("[{row}]").as_bytes())
            .unwrap()
            .remove(0)
    }

    fn algo(row: &str) -> Vec<OpenOrder> {
        open_algo_orders(format!("[{row}]").as_bytes()).unwrap()
    }

    #[test]
    fn p08_an_order_of_the_ordinary_book() {
        let order = one(LIMIT);
        assert_eq!(order.id, OrderId::Order(8_389_765_739_703_625_592));
        assert_eq!(order.remaining, Quantity::parse("2.5").unwrap());
        let price = Price::parse("30000.5").unwrap();
        assert_eq!(order.kind, OrderKind::Limit { price });
        assert_eq!(
            (order.side, order.position_side),
            (Side::Buy, PositionSide::Both)
        );
    }

    #[test]
    fn e13_an_order_of_the_conditional_book() {
        let order = algo(STOP).remove(0);
        assert_eq!(order.id, OrderId::Algo(2_148_627));
        let trigger = Price::parse("57000").unwrap();
        assert_eq!(order.kind, OrderKind::StopMarket { trigger });
        assert_eq!(order.trigger_by, TriggerBy::Mark);
        assert!(order.reduce_only && order.price_protect && order.only_reduces());
    }

    #[test]
    fn conditional_orders_that_are_done_are_left_out_and_unknown_ones_are_not() {
        for (status, kept) in [
            ("NEW", 1),
            ("TRIGGERING", 1),
            ("WONDERFUL", 1),
            ("TRIGGERED", 0),
            ("FINISHED", 0),
            ("CANCELED", 0),
            ("REJECTED", 0),
            ("EXPIRED", 0),
        ] {
            assert_eq!(algo(&STOP.replace("NEW", status)).len(), kept, "{status}");
        }
    }

    #[test]
    fn close_position_has_no_quantity_and_trailing_has_a_percentage() {
        let close = STOP
            .replace(r#""closePosition":false"#, r#""closePosition":true"#)
            .replace(r#""quantity":"0.010","#, "");
        assert_eq!(algo(&close)[0].remaining, Quantity::ZERO);
        let trailing = STOP.replace("STOP_MARKET", "TRAILING_STOP_MARKET").replace(
            r#""priceMatch":"NONE""#,
            r#""activatePrice":"60000","callbackRate":"0.5""#,
        );
        assert_eq!(
            algo(&trailing)[0].kind,
            OrderKind::TrailingStopMarket {
                activation: Some(Price::parse("60000").unwrap()),
                callback: Rate::parse("0.005").unwrap(),
            }
        );
    }

    #[test]
    fn both_spellings_of_the_conditional_type_are_read() {
        let other = STOP.replace(r#""orderType""#, r#""type""#);
        assert_eq!(algo(&other)[0].kind, algo(STOP)[0].kind);
    }

    #[test]
    fn p11_a_type_that_is_not_known_is_read_by_its_prices() {
        let price = Price::parse("30000.5").unwrap();
        let odd = one(&LIMIT.replace(r#""type":"LIMIT""#, r#""type":"FANCY""#));
        assert_eq!(odd.kind, OrderKind::Limit { price });
        let matched = one(&LIMIT.replace("30000.5", "0"));
        assert_eq!(matched.kind, OrderKind::PriceMatched);
    }

    #[test]
    fn one_order_that_cannot_be_read_spoils_the_book() {
        let odd = LIMIT.replace(r#""side":"BUY""#, r#""side":"HOLD""#);
        let error = open_orders(format!("[{LIMIT},{odd}]").as_bytes()).unwrap_err();
        assert_eq!(error, WireError::Unknown("side"));
        assert!(open_orders(b"{}").is_err());
        assert!(open_orders(b"").is_err());
    }
}
