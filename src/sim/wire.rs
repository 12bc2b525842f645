//! The exchange's JSON, as binance-api.md describes it: types of our own, made from that page.
//!
//! Must not know how the figures come about. Field order follows the captures.

pub(crate) mod event;
pub(crate) mod reply;

use serde::Serialize;
use serde_json::value::RawValue;

use super::exact::Fixed;

/// JSON text of a value.
pub(crate) fn json<T: Serialize>(value: &T) -> String {
    // These types hold only text, integers, booleans and proved raw numbers, which always serialise.
    serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned())
}

/// A JSON number written exactly, without a detour over binary floating point.
pub(crate) fn number(value: Fixed) -> Box<RawValue> {
    RawValue::from_string(value.plain()).unwrap_or_default()
}
