//! The only door inward: from wire names to domain words.
//!
//! Owns: what every field means, and what is refused. A required figure that is missing, empty or
//! no number is an error that names its field; it never becomes zero.
//! Must not know: sockets, time, what the mirror does with it.

use crate::margin::account::{Asset, MarginMode, PositionSide, Side, Symbol};
use crate::margin::amount::{Amount, Leverage, Notional, NumberError, Price, Quantity, Rate};
use crate::margin::order::{OrderKind, TriggerBy};

use super::wire::{Scalar, Text};

mod account;
mod change;
mod collateral;
mod fees;
mod intent;
mod key;
mod market;
mod orders;
mod quotes;
mod tables;
mod user;

pub use change::{CHANGE_KINDS, change_intent};
pub use intent::{ParamError, order_intent};

pub(super) use account::{account_config, account_truth, symbol_settings};
pub(super) use collateral::asset_index;
pub(super) use fees::commission_rates;
pub(super) use key::key_permissions;
pub(super) use market::premium_index;
pub use market::{MarketNews, Names, market_frame};
pub(super) use orders::{open_algo_orders, open_orders};
pub(super) use quotes::{best_prices, last_prices};
pub(super) use tables::{brackets, exchange_info, listen_key, server_time};
pub(super) use user::{UserNews, user_frame};

/// Why an answer or a frame could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// Not the JSON that was expected.
    #[error("is not the expected JSON: {0}")]
    Json(String),
    /// A figure is no figure.
    #[error("{field} {error}")]
    Number {
        /// The field, as the exchange spells it.
        field: &'static str,
        /// What is wrong.
        error: NumberError,
    },
    /// A field is absent.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A field holds something that cannot be understood without guessing.
    #[error("{0} is not understood")]
    Unknown(&'static str),
}

impl From<serde_json::Error> for WireError {
    fn from(error: serde_json::Error) -> Self {
        // The library's text names fields and positions, and may quote a bad value.
        Self::Json(super::text::clean_text_to(&error.to_string(), 200))
    }
}

fn number<T>(
    scalar: Scalar<'_>,
    field: &'static str,
    parse: impl Fn(&str) -> Result<T, NumberError>,
) -> Result<T, WireError> {
    parse(scalar.text()).map_err(|error| WireError::Number { field, error })
}

fn amount(scalar: Scalar<'_>, field: &'static str) -> Result<Amount, WireError> {
    number(scalar, field, Amount::parse)
}

fn price(scalar: Scalar<'_>, field: &'static str) -> Result<Price, WireError> {
    number(scalar, field, Price::parse)
}

fn quantity(scalar: Scalar<'_>, field: &'static str) -> Result<Quantity, WireError> {
    number(scalar, field, Quantity::parse)
}

fn notional(scalar: Scalar<'_>, field: &'static str) -> Result<Notional, WireError> {
    number(scalar, field, Notional::parse)
}

fn rate(scalar: Scalar<'_>, field: &'static str) -> Result<Rate, WireError> {
    number(scalar, field, Rate::parse)
}

/// A price that is absent when it is missing, empty or zero.
fn price_if_any(
    scalar: Option<Scalar<'_>>,
    field: &'static str,
) -> Result<Option<Price>, WireError> {
    match scalar {
        None => Ok(None),
        Some(scalar) if scalar.text().is_empty() => Ok(None),
        Some(scalar) => Ok(Some(price(scalar, field)?).filter(|price| !price.is_zero())),
    }
}

/// A percentage (1 is 1 %) as a fraction; zero when missing or empty.
fn percent_if_any(scalar: Option<Scalar<'_>>, field: &'static str) -> Result<Rate, WireError> {
    match scalar {
        None => Ok(Rate::ZERO),
        Some(scalar) if scalar.text().is_empty() => Ok(Rate::ZERO),
        Some(scalar) => percent(scalar.text()).map_err(|error| WireError::Number { field, error }),
    }
}

/// A percentage (1 is 1 %) as a fraction.
fn percent(text: &str) -> Result<Rate, NumberError> {
    use crate::margin::amount::{exact_mul, parse};
    let hundredth = rust_decimal::Decimal::new(1, 2);
    exact_mul(parse(text)?, hundredth)
        .map(Rate::new)
        .map_err(|_| NumberError::TooPrecise)
}

fn integer(scalar: Scalar<'_>, field: &'static str) -> Result<i64, WireError> {
    scalar.text().parse().map_err(|_| WireError::Number {
        field,
        error: NumberError::Malformed,
    })
}

/// A time that is absent when it is missing or zero.
fn time_if_any(scalar: Option<Scalar<'_>>, field: &'static str) -> Result<Option<i64>, WireError> {
    scalar
        .filter(|scalar| !scalar.text().is_empty())
        .map(|scalar| integer(scalar, field))
        .transpose()
        .map(|time| time.filter(|time| *time > 0))
}

fn flag(scalar: Scalar<'_>, field: &'static str) -> Result<bool, WireError> {
    boolean(scalar.text()).ok_or(WireError::Unknown(field))
}

/// A flag that is off when it is missing.
fn flag_if_any(scalar: Option<Scalar<'_>>, field: &'static str) -> Result<bool, WireError> {
    scalar.map_or(Ok(false), |scalar| flag(scalar, field))
}

/// `true` or `false` in any case.
fn boolean(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

fn symbol(text: &Text<'_>) -> Result<Symbol, WireError> {
    Symbol::new(text.as_str()).ok_or(WireError::Unknown("symbol"))
}

fn asset(text: &Text<'_>) -> Result<Asset, WireError> {
    Asset::new(text.as_str()).ok_or(WireError::Unknown("asset"))
}

fn side(text: &str) -> Option<Side> {
    if text.eq_ignore_ascii_case("BUY") {
        Some(Side::Buy)
    } else if text.eq_ignore_ascii_case("SELL") {
        Some(Side::Sell)
    } else {
        None
    }
}

fn position_side(text: &str) -> Option<PositionSide> {
    if text.eq_ignore_ascii_case("BOTH") {
        Some(PositionSide::Both)
    } else if text.eq_ignore_ascii_case("LONG") {
        Some(PositionSide::Long)
    } else if text.eq_ignore_ascii_case("SHORT") {
        Some(PositionSide::Short)
    } else {
        None
    }
}

/// `cross`, `CROSSED`, `isolated`, `ISOLATED`: three spellings are in use.
///
/// Source: binance-api §0.10.
fn margin_mode(text: &str) -> Option<MarginMode> {
    let text = text.to_ascii_lowercase();
    if text.starts_with("cross") {
        Some(MarginMode::Crossed)
    } else if text.starts_with("isolated") {
        Some(MarginMode::Isolated)
    } else {
        None
    }
}

fn trigger_by(text: Option<&Text<'_>>) -> TriggerBy {
    match text {
        Some(text) if text.as_str().eq_ignore_ascii_case("MARK_PRICE") => TriggerBy::Mark,
        // The exchange's default.
        _ => TriggerBy::Last,
    }
}

fn leverage(scalar: Scalar<'_>, field: &'static str) -> Result<Leverage, WireError> {
    scalar
        .text()
        .parse()
        .ok()
        .and_then(Leverage::new)
        .ok_or(WireError::Unknown(field))
}

/// The prices an order came with, before its kind is known.
struct Prices {
    limit: Option<Price>,
    trigger: Option<Price>,
    activation: Option<Price>,
    callback: Rate,
}

/// The kind of an order that works at the exchange. A type or a combination that is not known is
/// read by its prices: with a limit price it binds margin like a limit order, and nothing the
/// exchange has accepted may vanish from the mirror for the sake of its name.
fn working_kind(name: &str, prices: &Prices) -> OrderKind {
    let Prices {
        limit,
        trigger,
        activation,
        callback,
    } = *prices;
    match (name, trigger, limit) {
        ("TRAILING_STOP_MARKET", _, _) => OrderKind::TrailingStopMarket {
            activation,
            callback,
        },
        ("STOP", Some(trigger), Some(price)) => OrderKind::Stop { trigger, price },
        ("STOP" | "STOP_MARKET", Some(trigger), _) => OrderKind::StopMarket { trigger },
        ("TAKE_PROFIT", Some(trigger), Some(price)) => OrderKind::TakeProfit { trigger, price },
        ("TAKE_PROFIT" | "TAKE_PROFIT_MARKET", Some(trigger), _) => {
            OrderKind::TakeProfitMarket { trigger }
        }
        ("MARKET", _, _) => OrderKind::Market,
        (_, _, Some(price)) => OrderKind::Limit { price },
        ("LIMIT", _, None) => OrderKind::PriceMatched,
        (_, _, None) => OrderKind::Market,
    }
}
