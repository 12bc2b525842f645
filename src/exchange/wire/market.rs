//! Frames of the market stream. Source: binance-api §5.
//!
//! Owns: one type that every frame is read as in a single pass, because these are the frames that
//! come by the thousand.
//! Must not know: their meaning.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::{Refusal, Scalar, Text};

/// A mark price exactly as the exchange sends it every second. What is spelled in any other way is
/// read as a [`Frame`], which trusts no type.
#[derive(Debug, Deserialize)]
#[allow(
    non_snake_case,
    reason = "the exchange tells `e` and `E`, `p` and `P` apart by case"
)]
pub(crate) struct Tick<'a> {
    pub e: &'a str,
    pub E: i64,
    pub s: &'a str,
    pub p: &'a str,
    #[serde(default)]
    pub r: &'a str,
    #[serde(default)]
    pub T: i64,
    #[serde(default)]
    pub st: u8,
}

/// A mark price, a contract change, a wrapper or an answer to a control message.
#[derive(Debug, Deserialize)]
#[allow(
    non_snake_case,
    reason = "the exchange tells `e` and `E`, `p` and `P` apart by case"
)]
pub(crate) struct Frame<'a> {
    #[serde(borrow)]
    pub e: Option<Text<'a>>,
    #[serde(borrow)]
    pub E: Option<Scalar<'a>>,
    #[serde(borrow)]
    pub s: Option<Text<'a>>,
    /// Mark price.
    #[serde(borrow)]
    pub p: Option<Scalar<'a>>,
    /// Funding rate; an empty string for dated contracts.
    #[serde(borrow)]
    pub r: Option<Scalar<'a>>,
    /// Next funding; zero for dated contracts.
    #[serde(borrow)]
    pub T: Option<Scalar<'a>>,
    /// 1 USD-margined, 2 coin-margined.
    #[serde(borrow)]
    pub st: Option<Scalar<'a>>,
    /// Present when brackets changed.
    pub bks: Option<IgnoredAny>,
    /// What a combined stream wraps.
    #[serde(borrow)]
    pub data: Option<&'a RawValue>,
    #[serde(borrow)]
    pub error: Option<Refusal<'a>>,
    #[serde(borrow)]
    pub code: Option<Scalar<'a>>,
    #[serde(borrow)]
    pub msg: Option<Text<'a>>,
}
