//! Last prices and the best of the book.
//!
//! Owns: reading `ticker/price` and `ticker/bookTicker`, of one symbol (an object) and of all (an array).
//! Must not know: what they are for.

use serde::Deserialize;

use super::{WireError, price, symbol};
use crate::exchange::wire::rest as wire;
use crate::exchange::wire::{Scalar, Text};
use crate::margin::account::Symbol;
use crate::margin::amount::Price;
use crate::mirror::event::{Quote, QuoteUpdate};

/// `GET /fapi/v2/ticker/price`; rows of symbols that are not wanted are passed over.
pub(in crate::exchange) fn last_prices(
    body: &[u8],
    wanted: impl Fn(&str) -> bool,
) -> Result<Vec<QuoteUpdate>, WireError> {
    let rows: Vec<wire::LastPrice<'_>> = rows(body)?;
    let rows = rows.iter().filter(|row| wanted(row.symbol.as_str()));
    Ok(rows
        .filter_map(|row| {
            let last = known(row.price, "price").ok()?;
            update(&row.symbol, Quote::Last(last))
        })
        .collect())
}

/// `GET /fapi/v1/ticker/bookTicker`; rows of symbols that are not wanted are passed over.
pub(in crate::exchange) fn best_prices(
    body: &[u8],
    wanted: impl Fn(&str) -> bool,
) -> Result<Vec<QuoteUpdate>, WireError> {
    let rows: Vec<wire::BestPrices<'_>> = rows(body)?;
    let rows = rows.iter().filter(|row| wanted(row.symbol.as_str()));
    Ok(rows
        .filter_map(|row| {
            let bid = known(row.bid_price, "bidPrice").ok()?;
            let ask = known(row.ask_price, "askPrice").ok()?;
            update(&row.symbol, Quote::Best { bid, ask })
        })
        .collect())
}

/// One object, or an array of them, in one pass.
fn rows<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<Vec<T>, WireError> {
    let is_array = body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
    Ok(if is_array {
        serde_json::from_slice(body)?
    } else {
        vec![serde_json::from_slice(body)?]
    })
}

/// A row that cannot be read is left out: nothing rests on it, the mark stands in.
fn update(name: &Text<'_>, quote: Quote) -> Option<QuoteUpdate> {
    let symbol: Symbol = symbol(name).ok()?;
    Some(QuoteUpdate { symbol, quote })
}

/// Zero means that there is none: an empty side of a book, a contract without a trade.
fn known(scalar: Scalar<'_>, field: &'static str) -> Result<Option<Price>, WireError> {
    price(scalar, field).map(|price| price.is_positive().then_some(price))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Option<Price> {
        Some(Price::parse(text).unwrap())
    }

    #[test]
    fn one_symbol_comes_as_an_object_and_all_as_an_array() {
        let one = br#"{"symbol":"BTCUSDT","price":"6000.01","time":1589437530011}"#;
        let read = last_prices(one, |_| true).unwrap();
        assert_eq!(read[0].symbol.as_str(), "BTCUSDT");
        assert_eq!(read[0].quote, Quote::Last(parsed("6000.01")));

        let all = br#" [{"symbol":"BTCUSDT","bidPrice":"4.00000000","bidQty":"431.00000000","askPrice":"4.00000200",
            "askQty":"9.00000000","time":1589437530011,"lastUpdateId":1},
            {"symbol":"ETHUSDT","bidPrice":"0","bidQty":"0","askPrice":"3.5","askQty":"1"}]"#;
        let read = best_prices(all, |_| true).unwrap();
        let best = |bid, ask| Quote::Best { bid, ask };
        assert_eq!(read[0].quote, best(parsed("4"), parsed("4.000002")));
        assert_eq!(read[1].quote, best(None, parsed("3.5")));
        let read = best_prices(all, |name| name == "ETHUSDT").unwrap();
        assert_eq!(read.len(), 1);
    }

    #[test]
    fn an_odd_row_costs_one_symbol_and_an_odd_answer_is_an_error() {
        let odd = br#"[{"symbol":"A","price":"NaN"},{"symbol":"B","price":"1"},{"symbol":"","price":"1"}]"#;
        let read = last_prices(odd, |_| true).unwrap();
        assert_eq!(read.len(), 1);
        assert_eq!(read[0].symbol.as_str(), "B");
        assert!(last_prices(b"", |_| true).is_err());
        assert!(best_prices(br#"{"code":-1121,"msg":"Invalid symbol."}"#, |_| true).is_err());
    }
}
