//! The account's fee rates of one contract.
//!
//! Owns: reading them, and what cannot be a fee.
//! Must not know: when they are asked for, what they are used for.

use rust_decimal::Decimal;

use super::{WireError, rate};
use crate::exchange::wire::rest as wire;
use crate::margin::account::Symbol;
use crate::margin::amount::Rate;

/// What `GET /fapi/v1/commissionRate` tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::exchange) struct Rates {
    pub maker: Rate,
    pub taker: Rate,
}

/// `GET /fapi/v1/commissionRate` of this contract. A maker's rate may be negative (a rebate). Rates of
/// another contract, and what takes or gives as much as the order is worth, are refused.
///
/// Source: binance-api §4.3.
pub(in crate::exchange) fn commission_rates(body: &[u8], of: &Symbol) -> Result<Rates, WireError> {
    let wire: wire::CommissionRate<'_> = serde_json::from_slice(body)?;
    if wire.symbol.as_str() != of.as_str() {
        return Err(WireError::Unknown("symbol"));
    }
    let maker = rate(wire.maker_commission_rate, "makerCommissionRate")?;
    let taker = rate(wire.taker_commission_rate, "takerCommissionRate")?;
    for (value, field) in [
        (maker, "makerCommissionRate"),
        (taker, "takerCommissionRate"),
    ] {
        if value.get().abs() >= Decimal::ONE {
            return Err(WireError::Unknown(field));
        }
    }
    Ok(Rates { maker, taker })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<Rates, WireError> {
        commission_rates(body.as_bytes(), &Symbol::new("BTCUSDT").unwrap())
    }

    /// Source: the exchange's page "User Commission Rate".
    #[test]
    fn rates_are_read_as_they_are_told_and_a_rebate_stays_one() {
        let told = r#"{"symbol":"BTCUSDT","makerCommissionRate":"0.0002","takerCommissionRate":"0.0004","rpiCommissionRate":"0.00005"}"#;
        let rates = read(told).unwrap();
        assert_eq!(rates.maker, Rate::parse("0.0002").unwrap());
        assert_eq!(rates.taker, Rate::parse("0.0004").unwrap());
        let rebate = told.replace("\"0.0002\"", "\"-0.0001\"");
        assert_eq!(
            read(&rebate).unwrap().maker,
            Rate::parse("-0.0001").unwrap()
        );
    }

    #[test]
    fn what_is_no_rate_of_this_contract_is_refused() {
        for body in [
            r#"{"symbol":"ETHUSDT","makerCommissionRate":"0.0002","takerCommissionRate":"0.0004"}"#,
            r#"{"symbol":"BTCUSDT","makerCommissionRate":"","takerCommissionRate":"0.0004"}"#,
            r#"{"symbol":"BTCUSDT","makerCommissionRate":"0.0002","takerCommissionRate":"1"}"#,
            r#"{"symbol":"BTCUSDT","makerCommissionRate":"0.0002"}"#,
            "[]",
        ] {
            assert!(read(body).is_err(), "{body}");
        }
    }
}
