//! A change of settings or of money, in the exchange's own parameters.
//!
//! Owns: reading the parameters of the settings calls (`leverage`, `marginType`, `positionMargin`,
//! `positionSide/dual`, `multiAssetsMargin`) and of a transfer out, refusing what is not known.
//! Must not know: the account, whether the change is a good idea.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::intent::ParamError;
use super::{boolean, position_side};
use crate::margin::account::{Asset, AssetMode, MarginMode, PositionMode, PositionSide, Symbol};
use crate::margin::amount::{Amount, Leverage};
use crate::margin::change::{Change, MarginMove};

/// Signature-only parameters, which change nothing.
const IGNORED: [&str; 3] = ["timestamp", "recvWindow", "signature"];

/// The kinds of changes, by the name of the call they are made with.
pub const CHANGE_KINDS: [&str; 6] = [
    "leverage",
    "marginType",
    "positionMargin",
    "positionMode",
    "multiAssetsMargin",
    "transferOut",
];

/// Names and values of a change, as they were sent.
type Parameters<'a> = [(Cow<'a, str>, Cow<'a, str>)];

/// Reads a change of this kind.
///
/// Source: binance-api §4.4 (parameters of the settings calls).
///
/// # Errors
/// [`ParamError`] for the first parameter that is wrong; `kind` when the kind is none of
/// [`CHANGE_KINDS`].
pub fn change_intent(kind: &str, parameters: &Parameters<'_>) -> Result<Change, ParamError> {
    let known: &[&str] = match kind {
        "leverage" => &["symbol", "leverage"],
        "marginType" => &["symbol", "marginType"],
        "positionMargin" => &["symbol", "positionSide", "amount", "type"],
        "positionMode" => &["dualSidePosition"],
        "multiAssetsMargin" => &["multiAssetsMargin"],
        "transferOut" => &["asset", "amount"],
        _ => {
            let message = format!("expected one of {}", CHANGE_KINDS.join(", "));
            return Err(ParamError::new("kind", message));
        }
    };
    let fields = Fields::collect(parameters, known)?;
    Ok(match kind {
        "leverage" => Change::Leverage {
            symbol: fields.symbol()?,
            leverage: fields.leverage()?,
        },
        "marginType" => Change::MarginType {
            symbol: fields.symbol()?,
            margin_mode: fields.read("marginType", "ISOLATED or CROSSED", requested_margin_mode)?,
        },
        "positionMargin" => Change::PositionMargin {
            symbol: fields.symbol()?,
            position_side: match fields.get("positionSide") {
                None => PositionSide::Both,
                Some(_) => fields.read("positionSide", "BOTH, LONG or SHORT", position_side)?,
            },
            amount: fields.amount()?,
            direction: fields.read("type", "1 (add) or 2 (remove)", |text| match text {
                "1" => Some(MarginMove::Add),
                "2" => Some(MarginMove::Remove),
                _ => None,
            })?,
        },
        "positionMode" => Change::PositionMode {
            mode: if fields.read("dualSidePosition", "true (hedge) or false", boolean)? {
                PositionMode::Hedge
            } else {
                PositionMode::OneWay
            },
        },
        "multiAssetsMargin" => Change::MultiAssetsMargin {
            mode: if fields.read("multiAssetsMargin", "true or false", boolean)? {
                AssetMode::Multi
            } else {
                AssetMode::Single
            },
        },
        _ => Change::TransferOut {
            asset: fields.read("asset", "an asset, such as USDT", Asset::new)?,
            amount: fields.amount()?,
        },
    })
}

/// The two words the exchange takes in a request; the `cross` of its answers it refuses.
///
/// Source: binance-api §4.4.
fn requested_margin_mode(text: &str) -> Option<MarginMode> {
    match text {
        "ISOLATED" => Some(MarginMode::Isolated),
        "CROSSED" => Some(MarginMode::Crossed),
        _ => None,
    }
}

struct Fields<'a>(BTreeMap<&'a str, &'a str>);

impl<'a> Fields<'a> {
    fn collect(parameters: &'a Parameters<'_>, known: &[&str]) -> Result<Self, ParamError> {
        let mut fields = BTreeMap::new();
        for (name, value) in parameters {
            if IGNORED.contains(&name.as_ref()) {
                continue;
            }
            if !known.contains(&name.as_ref()) {
                let message = format!("is not known; expected {}", known.join(", "));
                return Err(ParamError::new(name, message));
            }
            if fields.insert(name.as_ref(), value.as_ref()).is_some() {
                return Err(ParamError::new(name, "is given twice"));
            }
        }
        Ok(Self(fields))
    }

    fn get(&self, name: &str) -> Option<&'a str> {
        self.0.get(name).copied()
    }

    fn read<T>(
        &self,
        name: &str,
        expected: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, ParamError> {
        let Some(text) = self.get(name) else {
            return Err(ParamError::new(
                name,
                format!("is missing; expected {expected}"),
            ));
        };
        read(text).ok_or_else(|| ParamError::new(name, format!("expected {expected}")))
    }

    fn symbol(&self) -> Result<Symbol, ParamError> {
        self.read("symbol", "a contract, such as BTCUSDT", Symbol::new)
    }

    fn leverage(&self) -> Result<Leverage, ParamError> {
        self.read("leverage", "a whole number from 1 to 125", |text| {
            Leverage::new(text.parse().ok()?)
        })
    }

    fn amount(&self) -> Result<Amount, ParamError> {
        let text = self.read("amount", "money above zero", |text| Some(text.to_owned()))?;
        let amount = Amount::parse(&text)
            .map_err(|error| ParamError::new("amount", format!("expected money: {error}")))?;
        if amount.is_positive() {
            Ok(amount)
        } else {
            Err(ParamError::new("amount", "expected money above zero"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(kind: &str, text: &str) -> Result<Change, String> {
        let pairs: Vec<(Cow<'_, str>, Cow<'_, str>)> = text
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        change_intent(kind, &pairs).map_err(|error| error.field)
    }

    #[test]
    fn the_settings_calls_are_read_as_the_exchange_spells_them() {
        let symbol = Symbol::new("BTCUSDT").unwrap();
        assert_eq!(
            read("leverage", "symbol=BTCUSDT&leverage=10&timestamp=1"),
            Ok(Change::Leverage {
                symbol: symbol.clone(),
                leverage: Leverage::new(10).unwrap(),
            })
        );
        assert_eq!(
            read("positionMargin", "symbol=BTCUSDT&amount=1.50&type=2"),
            Ok(Change::PositionMargin {
                symbol,
                position_side: PositionSide::Both,
                amount: Amount::parse("1.5").unwrap(),
                direction: MarginMove::Remove,
            })
        );
        assert_eq!(
            read("positionMode", "dualSidePosition=TRUE"),
            Ok(Change::PositionMode {
                mode: PositionMode::Hedge
            })
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (kind, text, field) in [
            ("leverage", "symbol=BTCUSDT", "leverage"),
            ("leverage", "symbol=BTCUSDT&leverage=0", "leverage"),
            ("leverage", "symbol=BTCUSDT&leverage=1&x=1", "x"),
            (
                "marginType",
                "symbol=BTCUSDT&marginType=cross",
                "marginType",
            ),
            (
                "positionMargin",
                "symbol=BTCUSDT&amount=-1&type=1",
                "amount",
            ),
            ("positionMargin", "symbol=BTCUSDT&amount=1&type=3", "type"),
            ("transferOut", "asset=USDT&asset=USDT&amount=1", "asset"),
            ("borrow", "", "kind"),
        ] {
            assert_eq!(read(kind, text), Err(field.to_owned()), "{kind} {text}");
        }
    }
}
