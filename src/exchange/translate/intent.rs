//! An order in the exchange's own parameters, as a bot is about to send it.
//!
//! Owns: reading both spellings (`order` and `algoOrder`), and refusing whatever could make the
//! guard and the exchange read two different orders: unknown names, duplicates, combinations that
//! mean nothing.
//! Must not know: accounts, rules, whether the order is a good idea.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::{boolean, percent, position_side, side};
use crate::exchange::text::clean_text_to;
use crate::margin::account::{PositionSide, Side, Symbol};
use crate::margin::amount::{NumberError, Price, Quantity};
use crate::margin::order::{OrderIntent, OrderKind};

/// Why the parameters are no order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {message}")]
pub struct ParamError {
    /// The parameter, as it was spelled (cleaned of control characters).
    pub field: String,
    /// What was expected.
    pub message: String,
}

impl ParamError {
    pub(super) fn new(field: &str, message: impl Into<String>) -> Self {
        Self {
            field: clean_text_to(field, 64),
            message: message.into(),
        }
    }
}

/// Most parameters an order may have.
const PARAMETERS_MAX: usize = 64;

/// The longest value, in bytes.
const VALUE_LENGTH_MAX: usize = 256;

/// What an order may consist of. Two spellings of one thing share a variant, so that sending both
/// is a duplicate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Field {
    Symbol,
    Side,
    PositionSide,
    Type,
    Quantity,
    Price,
    Trigger,
    Activation,
    Callback,
    ReduceOnly,
    ClosePosition,
    PriceMatch,
    ClientOrderId,
    AlgoType,
    WorkingType,
    PriceProtect,
    TimeInForce,
    GoodTillDate,
    SelfTradePrevention,
    ResponseType,
    Timestamp,
    ReceiveWindow,
    Signature,
}

/// Source: binance-api §4.5, §4.6 (the old and the new names of conditional orders).
fn field(name: &str) -> Option<Field> {
    Some(match name {
        "symbol" => Field::Symbol,
        "side" => Field::Side,
        "positionSide" => Field::PositionSide,
        "type" => Field::Type,
        "quantity" => Field::Quantity,
        "price" => Field::Price,
        "stopPrice" | "triggerPrice" => Field::Trigger,
        "activationPrice" | "activatePrice" => Field::Activation,
        "callbackRate" => Field::Callback,
        "reduceOnly" => Field::ReduceOnly,
        "closePosition" => Field::ClosePosition,
        "priceMatch" => Field::PriceMatch,
        "newClientOrderId" | "clientAlgoId" => Field::ClientOrderId,
        "algoType" => Field::AlgoType,
        "workingType" => Field::WorkingType,
        "priceProtect" => Field::PriceProtect,
        "timeInForce" => Field::TimeInForce,
        "goodTillDate" => Field::GoodTillDate,
        "selfTradePreventionMode" => Field::SelfTradePrevention,
        "newOrderRespType" => Field::ResponseType,
        "timestamp" => Field::Timestamp,
        "recvWindow" => Field::ReceiveWindow,
        "signature" => Field::Signature,
        _ => return None,
    })
}

/// The parameters, each at most once: its name as it was sent, and its value.
struct Fields<'a> {
    known: BTreeMap<Field, (&'a str, &'a str)>,
}

/// Reads an order.
///
/// A name that is not known, or the same thing twice, is an error that names it: a guard must not
/// overlook `reduceOnyl`. The one exception is an order whose single `reduceOnly` or
/// `closePosition` is true: it is the exit that it says it is, whatever else is in it that is not
/// known here.
///
/// # Errors
/// [`ParamError`] for the first parameter that is wrong.
pub fn order_intent(
    parameters: &[(Cow<'_, str>, Cow<'_, str>)],
) -> Result<OrderIntent, ParamError> {
    let fields = Fields::collect(parameters)?;
    let reduce_only = fields.flag(Field::ReduceOnly)?;
    let close_position = fields.flag(Field::ClosePosition)?;
    fields.check_labels()?;
    let symbol = fields.required(Field::Symbol, "symbol", "a contract, such as BTCUSDT")?;
    let symbol = Symbol::new(symbol)
        .ok_or_else(|| ParamError::new("symbol", "expected a contract, such as BTCUSDT"))?;
    let side_text = fields.required(Field::Side, "side", "BUY or SELL")?;
    let side = side(side_text).ok_or_else(|| ParamError::new("side", "expected BUY or SELL"))?;
    let position_side = match fields.get(Field::PositionSide) {
        None => PositionSide::Both,
        Some((name, text)) => position_side(text)
            .ok_or_else(|| ParamError::new(name, "expected BOTH, LONG or SHORT"))?,
    };
    let kind = fields.kind()?;
    fields.check_close_position(close_position, kind, side, position_side)?;
    Ok(OrderIntent {
        symbol,
        side,
        position_side,
        kind,
        quantity: fields.quantity(close_position)?,
        reduce_only,
        close_position,
        client_order_id: fields
            .get(Field::ClientOrderId)
            .map(|(_, name)| name.to_owned()),
    })
}

impl<'a> Fields<'a> {
    fn collect(parameters: &'a [(Cow<'_, str>, Cow<'_, str>)]) -> Result<Self, ParamError> {
        if parameters.len() > PARAMETERS_MAX {
            return Err(ParamError::new("order", "has more than 64 parameters"));
        }
        let mut known = BTreeMap::new();
        let mut unknown = None;
        for (name, value) in parameters {
            if value.len() > VALUE_LENGTH_MAX && field(name) != Some(Field::Signature) {
                return Err(ParamError::new(name, "is longer than 256 bytes"));
            }
            let Some(field) = field(name) else {
                unknown = unknown.or(Some(name));
                continue;
            };
            if let Some((before, _)) = known.insert(field, (name.as_ref(), value.as_ref())) {
                return Err(ParamError::new(
                    name,
                    if before == name {
                        "is given twice".to_owned()
                    } else {
                        format!("says the same as {before}; give one of them")
                    },
                ));
            }
        }
        let fields = Self { known };
        match unknown {
            Some(name) if !fields.is_plain_exit() => Err(ParamError::new(name, suggestion(name))),
            _ => Ok(fields),
        }
    }

    /// Exactly one of `reduceOnly` and `closePosition` is there and true.
    fn is_plain_exit(&self) -> bool {
        let set = |field| {
            self.get(field)
                .map(|(_, value)| boolean(value) == Some(true))
        };
        matches!(
            (set(Field::ReduceOnly), set(Field::ClosePosition)),
            (Some(true), None) | (None, Some(true))
        )
    }

    fn get(&self, field: Field) -> Option<(&'a str, &'a str)> {
        self.known.get(&field).copied()
    }

    fn required(&self, field: Field, name: &str, expected: &str) -> Result<&'a str, ParamError> {
        match self.get(field) {
            Some((_, value)) if !value.is_empty() => Ok(value),
            _ => Err(ParamError::new(
                name,
                format!("is missing; expected {expected}"),
            )),
        }
    }

    fn flag(&self, field: Field) -> Result<bool, ParamError> {
        self.get(field).map_or(Ok(false), |(name, value)| {
            boolean(value).ok_or_else(|| ParamError::new(name, "expected true or false"))
        })
    }

    /// A price above zero; absent and zero are the same (bots send `price=0` for none).
    fn price(&self, field: Field) -> Result<Option<Price>, ParamError> {
        let Some((name, value)) = self.get(field) else {
            return Ok(None);
        };
        let price = Price::parse(value).map_err(|error| figure(name, error, "a price"))?;
        if price.is_negative() {
            return Err(ParamError::new(name, "expected a price above zero"));
        }
        Ok(Some(price).filter(|price| !price.is_zero()))
    }

    fn needed(
        &self,
        price: Option<Price>,
        field: Field,
        name: &str,
        kind: &str,
    ) -> Result<Price, ParamError> {
        let name = self.get(field).map_or(name, |(name, _)| name);
        price.ok_or_else(|| ParamError::new(name, format!("a {kind} order needs a price here")))
    }

    /// Parameters that change nothing for the margin but may not be nonsense.
    fn check_labels(&self) -> Result<(), ParamError> {
        let one_of = |field, words: &[&str]| match self.get(field) {
            Some((name, value)) if !words.iter().any(|word| word.eq_ignore_ascii_case(value)) => {
                Err(ParamError::new(
                    name,
                    format!("expected {}", words.join(" or ")),
                ))
            }
            _ => Ok(()),
        };
        one_of(Field::AlgoType, &["CONDITIONAL"])?;
        one_of(Field::WorkingType, &["MARK_PRICE", "CONTRACT_PRICE"])?;
        one_of(
            Field::TimeInForce,
            &["GTC", "IOC", "FOK", "GTX", "GTD", "RPI", "GTE_GTC"],
        )?;
        self.flag(Field::PriceProtect)?;
        if let Some((name, value)) = self.get(Field::GoodTillDate)
            && value.parse::<u64>().is_err()
        {
            return Err(ParamError::new(name, "expected milliseconds since 1970"));
        }
        if let Some((name, value)) = self.get(Field::ClientOrderId)
            && !(1..=36).contains(&value.chars().count())
        {
            return Err(ParamError::new(name, "expected 1 to 36 characters"));
        }
        Ok(())
    }

    /// True when the book decides the price.
    fn is_price_matched(&self) -> Result<bool, ParamError> {
        const WORDS: [&str; 9] = [
            "NONE",
            "OPPONENT",
            "OPPONENT_5",
            "OPPONENT_10",
            "OPPONENT_20",
            "QUEUE",
            "QUEUE_5",
            "QUEUE_10",
            "QUEUE_20",
        ];
        match self.get(Field::PriceMatch) {
            None => Ok(false),
            Some((name, value)) => WORDS
                .iter()
                .find(|word| word.eq_ignore_ascii_case(value))
                .map(|word| *word != "NONE")
                .ok_or_else(|| {
                    ParamError::new(name, format!("expected one of {}", WORDS.join(", ")))
                }),
        }
    }

    fn kind(&self) -> Result<OrderKind, ParamError> {
        const EXPECTED: &str = "LIMIT, MARKET, STOP, STOP_MARKET, TAKE_PROFIT, \
                                TAKE_PROFIT_MARKET or TRAILING_STOP_MARKET";
        let text = self.required(Field::Type, "type", EXPECTED)?;
        let name = text.to_ascii_uppercase();
        self.check_combination(&name)?;
        let price = self.price(Field::Price)?;
        let trigger = self.price(Field::Trigger)?;
        let is_matched = self.is_price_matched()?;
        if is_matched && price.is_some() {
            return Err(ParamError::new(
                "priceMatch",
                "is not sent together with price",
            ));
        }
        let limit = |kind| self.needed(price, Field::Price, "price", kind);
        let sets_off = |kind| self.needed(trigger, Field::Trigger, "triggerPrice", kind);
        Ok(match name.as_str() {
            "MARKET" => OrderKind::Market,
            "LIMIT" if is_matched => OrderKind::PriceMatched,
            "LIMIT" => OrderKind::Limit {
                price: limit("LIMIT")?,
            },
            // Once set off, a price-matched order takes what the book offers.
            "STOP" if is_matched => OrderKind::StopMarket {
                trigger: sets_off("STOP")?,
            },
            "STOP" => OrderKind::Stop {
                trigger: sets_off("STOP")?,
                price: limit("STOP")?,
            },
            "STOP_MARKET" => OrderKind::StopMarket {
                trigger: sets_off("STOP_MARKET")?,
            },
            "TAKE_PROFIT" if is_matched => OrderKind::TakeProfitMarket {
                trigger: sets_off("TAKE_PROFIT")?,
            },
            "TAKE_PROFIT" => OrderKind::TakeProfit {
                trigger: sets_off("TAKE_PROFIT")?,
                price: limit("TAKE_PROFIT")?,
            },
            "TAKE_PROFIT_MARKET" => OrderKind::TakeProfitMarket {
                trigger: sets_off("TAKE_PROFIT_MARKET")?,
            },
            "TRAILING_STOP_MARKET" => self.trailing()?,
            _ => return Err(ParamError::new("type", format!("expected {EXPECTED}"))),
        })
    }

    fn trailing(&self) -> Result<OrderKind, ParamError> {
        let expected = "a percentage from 0.1 to 20 (1 is 1 %)";
        let text = self.required(Field::Callback, "callbackRate", expected)?;
        let callback = percent(text).map_err(|error| figure("callbackRate", error, expected))?;
        if !callback.is_positive() {
            return Err(ParamError::new(
                "callbackRate",
                format!("expected {expected}"),
            ));
        }
        Ok(OrderKind::TrailingStopMarket {
            activation: self.price(Field::Activation)?,
            callback,
        })
    }

    /// Prices that the kind has no use for. The exchange refuses them or, worse, may read them.
    fn check_combination(&self, kind: &str) -> Result<(), ParamError> {
        let is_limit = matches!(kind, "LIMIT" | "STOP" | "TAKE_PROFIT");
        let is_trailing = kind == "TRAILING_STOP_MARKET";
        let is_conditional = !matches!(kind, "LIMIT" | "MARKET") && !is_trailing;
        let lawful = [
            (Field::Price, is_limit),
            (Field::PriceMatch, is_limit),
            (Field::Trigger, is_conditional),
            (Field::Activation, is_trailing),
            (Field::Callback, is_trailing),
        ];
        for (field, is_lawful) in lawful {
            let Some((name, value)) = self.get(field) else {
                continue;
            };
            let means_none = value.is_empty()
                || value.eq_ignore_ascii_case("NONE")
                || Price::parse(value).is_ok_and(Price::is_zero);
            if !is_lawful && !means_none && !self.is_plain_exit() {
                return Err(ParamError::new(
                    name,
                    format!("is not sent with a {} order", clean_text_to(kind, 32)),
                ));
            }
        }
        Ok(())
    }

    /// `closePosition` means something with two kinds only. With any other the exchange might
    /// leave it unread and open a position, so it must not pass for an exit.
    fn check_close_position(
        &self,
        close_position: bool,
        kind: OrderKind,
        side: Side,
        position_side: PositionSide,
    ) -> Result<(), ParamError> {
        if !close_position {
            return Ok(());
        }
        if !matches!(
            kind,
            OrderKind::StopMarket { .. } | OrderKind::TakeProfitMarket { .. }
        ) {
            return Err(ParamError::new(
                "closePosition",
                "is sent with STOP_MARKET and TAKE_PROFIT_MARKET orders only",
            ));
        }
        if matches!(
            (side, position_side),
            (Side::Buy, PositionSide::Long) | (Side::Sell, PositionSide::Short)
        ) {
            return Err(ParamError::new(
                "closePosition",
                "cannot close with the side that opens: a LONG leg is closed by SELL, a SHORT leg by BUY",
            ));
        }
        Ok(())
    }

    fn quantity(&self, close_position: bool) -> Result<Option<Quantity>, ParamError> {
        let Some((name, value)) = self.get(Field::Quantity) else {
            return if close_position {
                Ok(None)
            } else {
                Err(ParamError::new(
                    "quantity",
                    "is missing; expected a quantity above zero",
                ))
            };
        };
        if close_position {
            return Err(ParamError::new(name, "is not sent with closePosition"));
        }
        let quantity = Quantity::parse(value).map_err(|error| figure(name, error, "a quantity"))?;
        if quantity.is_positive() {
            Ok(Some(quantity))
        } else {
            Err(ParamError::new(name, "expected a quantity above zero"))
        }
    }
}

fn figure(name: &str, error: NumberError, expected: &str) -> ParamError {
    ParamError::new(name, format!("{error}; expected {expected}"))
}

/// Names the parameter that was probably meant.
fn suggestion(name: &str) -> String {
    const NAMES: [&str; 17] = [
        "symbol",
        "side",
        "positionSide",
        "type",
        "quantity",
        "price",
        "stopPrice",
        "triggerPrice",
        "activatePrice",
        "callbackRate",
        "reduceOnly",
        "closePosition",
        "priceMatch",
        "newClientOrderId",
        "workingType",
        "priceProtect",
        "timeInForce",
    ];
    let nearest = NAMES
        .iter()
        .map(|known| (strsim::damerau_levenshtein(known, name), *known))
        .min();
    match nearest {
        Some((distance, known)) if distance <= 3 && name.len() <= 64 => {
            format!("is not a parameter of an order; did you mean {known}?")
        }
        _ => "is not a parameter of an order".to_owned(),
    }
}

#[cfg(test)]
#[path = "intent_tests.rs"]
mod tests;
