//! Collateral rates: what assets count for while all of them stand together.
//!
//! Owns: reading the asset index, from the stream and over REST.
//! Must not know: whether the account is in multi-assets mode.

use super::{WireError, integer, rate};
use crate::exchange::wire::market::Frame;
use crate::exchange::wire::{Scalar, Text, rest as wire};
use crate::margin::account::Asset;
use crate::margin::collateral::CollateralRate;
use crate::mirror::event::CollateralUpdate;

/// What an asset's index symbol ends with: `ADAUSD` is the index of ADA.
const SUFFIX: &str = "USD";

/// The figures of a row, whichever way it came.
struct Row<'a> {
    index: Option<Scalar<'a>>,
    buffers: (Option<Scalar<'a>>, Option<Scalar<'a>>),
    rates: (Option<Scalar<'a>>, Option<Scalar<'a>>),
}

/// `assetIndexUpdate`.
pub(super) fn of_frame(frame: &Frame<'_>) -> Result<CollateralUpdate, WireError> {
    let name = frame.s.as_ref().ok_or(WireError::Missing("s"))?;
    let time = frame.E.ok_or(WireError::Missing("E"))?;
    let row = Row {
        index: frame.i,
        buffers: (frame.b, frame.a),
        rates: (frame.B, frame.A),
    };
    update(name, time, &row)
}

/// `GET /fapi/v1/assetIndex`: one object with a symbol, an array without. A row that cannot be read
/// leaves its asset without a rate and is told.
pub(in crate::exchange) fn asset_index(
    body: &[u8],
    mut skipped: impl FnMut(String),
) -> Result<Vec<CollateralUpdate>, WireError> {
    let is_array = body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
    let rows: Vec<wire::AssetIndex<'_>> = if is_array {
        serde_json::from_slice(body)?
    } else {
        vec![serde_json::from_slice(body)?]
    };
    let mut all = Vec::with_capacity(rows.len());
    for wire in &rows {
        let row = Row {
            index: wire.index,
            buffers: (wire.bid_buffer, wire.ask_buffer),
            rates: (wire.bid_rate, wire.ask_rate),
        };
        match update(&wire.symbol, wire.time, &row) {
            Ok(update) => all.push(update),
            Err(error) => skipped(format!("{}: {error}", wire.symbol.as_str())),
        }
    }
    Ok(all)
}

fn update(name: &Text<'_>, time: Scalar<'_>, row: &Row<'_>) -> Result<CollateralUpdate, WireError> {
    let asset = name
        .as_str()
        .strip_suffix(SUFFIX)
        .ok_or(WireError::Unknown("symbol"))?;
    Ok(CollateralUpdate {
        asset: Asset::new(asset).ok_or(WireError::Unknown("asset"))?,
        rate: rates(row)?,
        haircut: row
            .buffers
            .0
            .map(|buffer| rate(buffer, "bid buffer"))
            .transpose()?,
        event_ms: integer(time, "event time")?,
    })
}

/// The rates as they are told; where they are not, as they follow from index and buffers.
fn rates(row: &Row<'_>) -> Result<Option<CollateralRate>, WireError> {
    if let (Some(bid), Some(ask)) = row.rates {
        let (bid, ask) = (rate(bid, "bid rate")?, rate(ask, "ask rate")?);
        return Ok(CollateralRate::new(bid, ask));
    }
    let missing = |field| move || WireError::Missing(field);
    let index = rate(row.index.ok_or_else(missing("index"))?, "index")?;
    let (bid, ask) = row.buffers;
    let bid = rate(bid.ok_or_else(missing("bid buffer"))?, "bid buffer")?;
    let ask = rate(ask.ok_or_else(missing("ask buffer"))?, "ask buffer")?;
    CollateralRate::from_index(index, bid, ask).map_err(|_| WireError::Unknown("index"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::margin::amount::Rate;

    /// Source: binance-api §4.3 (sample of the asset index).
    const REST: &str = r#"[{"symbol":"ADAUSD","time":1635740268004,"index":"1.92957370",
        "bidBuffer":"0.10000000","askBuffer":"0.10000000","bidRate":"1.73661633",
        "askRate":"2.12253107","autoExchangeBidBuffer":"0.05000000",
        "autoExchangeAskBuffer":"0.05000000","autoExchangeBidRate":"1.83309501",
        "autoExchangeAskRate":"2.02605238"}]"#;

    #[test]
    fn rates_are_read_as_they_are_told() {
        let all = asset_index(REST.as_bytes(), |_| {}).unwrap();
        let rate = all[0].rate.unwrap();
        assert_eq!(all[0].asset.as_str(), "ADA");
        assert_eq!(rate.bid(), Rate::parse("1.73661633").unwrap());
        assert_eq!(rate.ask(), Rate::parse("2.12253107").unwrap());
        assert_eq!(all[0].event_ms, 1_635_740_268_004);
    }

    #[test]
    fn without_rates_they_follow_from_the_buffers() {
        let text = REST.replace("bidRate", "x").replace("askRate", "y");
        let all = asset_index(text.as_bytes(), |_| {}).unwrap();
        let rate = all[0].rate.unwrap();
        assert_eq!(rate.bid(), Rate::parse("1.73661633").unwrap());
        assert_eq!(rate.ask(), Rate::parse("2.12253107").unwrap());
    }

    #[test]
    fn a_rate_of_zero_is_none_and_an_unreadable_row_costs_itself() {
        let zero = REST.replace("1.73661633", "0");
        assert_eq!(asset_index(zero.as_bytes(), |_| {}).unwrap()[0].rate, None);
        let two = REST.replace("[{", r#"[{"symbol":"X","time":1},{"#);
        let mut skipped = Vec::new();
        let all = asset_index(two.as_bytes(), |row| skipped.push(row)).unwrap();
        assert_eq!((all.len(), skipped.len()), (1, 1));
    }
}
