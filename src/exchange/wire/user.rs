//! Frames of the user stream. Source: binance-api §6.
//!
//! Owns: their fields, as far as they are read.
//! Must not know: their meaning.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Refusal, Scalar, Text};

/// What every frame is read as first: the type of an event, or a wrapper, or an answer. The event
/// time is left out on purpose: its JSON type differs between events.
#[derive(Debug, Deserialize)]
pub(crate) struct Envelope<'a> {
    #[serde(borrow)]
    pub e: Option<Text<'a>>,
    #[serde(borrow)]
    pub data: Option<&'a RawValue>,
    #[serde(borrow)]
    pub error: Option<Refusal<'a>>,
    #[serde(borrow)]
    pub code: Option<Scalar<'a>>,
    #[serde(borrow)]
    pub msg: Option<Text<'a>>,
}

#[derive(Debug, Deserialize)]
#[allow(
    non_snake_case,
    reason = "the exchange tells `e` and `E` apart by case"
)]
pub(crate) struct AccountUpdate<'a> {
    #[serde(borrow)]
    pub E: Scalar<'a>,
    #[serde(borrow)]
    pub T: Scalar<'a>,
    #[serde(borrow)]
    pub a: AccountChange<'a>,
}

#[derive(Debug, Deserialize)]
#[allow(non_snake_case, reason = "spelled as on the wire")]
pub(crate) struct AccountChange<'a> {
    #[serde(borrow)]
    pub m: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub B: Vec<Balance<'a>>,
    #[serde(borrow, default)]
    pub P: Vec<Position<'a>>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Balance<'a> {
    #[serde(borrow)]
    pub a: Text<'a>,
    #[serde(borrow)]
    pub wb: Scalar<'a>,
    #[serde(borrow)]
    pub cw: Scalar<'a>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Position<'a> {
    #[serde(borrow)]
    pub s: Text<'a>,
    #[serde(borrow)]
    pub pa: Scalar<'a>,
    #[serde(borrow)]
    pub ep: Scalar<'a>,
    #[serde(borrow)]
    pub mt: Option<Text<'a>>,
    #[serde(borrow)]
    pub iw: Scalar<'a>,
    #[serde(borrow)]
    pub ps: Text<'a>,
}

#[derive(Debug, Deserialize)]
#[allow(non_snake_case, reason = "spelled as on the wire")]
pub(crate) struct OrderTradeUpdate<'a> {
    #[serde(borrow)]
    pub E: Scalar<'a>,
    #[serde(borrow)]
    pub T: Scalar<'a>,
    #[serde(borrow)]
    pub o: Order<'a>,
}

#[derive(Debug, Deserialize)]
#[allow(non_snake_case, reason = "spelled as on the wire")]
pub(crate) struct Order<'a> {
    #[serde(borrow)]
    pub s: Text<'a>,
    #[serde(borrow)]
    pub c: Option<Text<'a>>,
    #[serde(borrow)]
    pub S: Text<'a>,
    #[serde(borrow)]
    pub o: Text<'a>,
    #[serde(borrow)]
    pub q: Scalar<'a>,
    #[serde(borrow)]
    pub p: Option<Scalar<'a>>,
    #[serde(borrow)]
    pub sp: Option<Scalar<'a>>,
    #[serde(borrow)]
    pub X: Text<'a>,
    #[serde(borrow)]
    pub i: Scalar<'a>,
    #[serde(borrow)]
    pub z: Scalar<'a>,
    #[serde(borrow)]
    pub R: Option<Scalar<'a>>,
    #[serde(borrow)]
    pub wt: Option<Text<'a>>,
    #[serde(borrow)]
    pub ps: Text<'a>,
    #[serde(borrow)]
    pub cp: Option<Scalar<'a>>,
    #[serde(borrow)]
    pub AP: Option<Scalar<'a>>,
    #[serde(borrow)]
    pub cr: Option<Scalar<'a>>,
    #[serde(borrow)]
    pub pP: Option<Scalar<'a>>,
    #[serde(borrow)]
    pub er: Option<Scalar<'a>>,
}

#[derive(Debug, Deserialize)]
#[allow(non_snake_case, reason = "spelled as on the wire")]
pub(crate) struct AlgoUpdate<'a> {
    #[serde(borrow)]
    pub E: Scalar<'a>,
    #[serde(borrow)]
    pub T: Scalar<'a>,
    #[serde(borrow)]
    pub o: AlgoOrder<'a>,
}

#[derive(Debug, Deserialize)]
#[allow(non_snake_case, reason = "spelled as on the wire")]
pub(crate) struct AlgoOrder<'a> {
    #[serde(borrow)]
    pub caid: Option<Text<'a>>,
    #[serde(borrow)]
    pub aid: Scalar<'a>,
    #[serde(borrow)]
    pub o: Text<'a>,
    #[serde(borrow)]
    pub s: Text<'a>,
    #[serde(borrow)]
    pub S: Text<'a>,
    #[serde(borrow)]
    pub ps: Text<'a>,
    #[serde(borrow)]
    pub q: Option<Scalar<'a>>,
    #[serde(borrow)]
    pub X: Text<'a>,
    #[serde(borrow)]
    pub ai: Option<Scalar<'a>>,
    #[serde(borrow)]
    pub tp: Option<Scalar<'a>>,
    #[serde(borrow)]
    pub p: Option<Scalar<'a>>,
    #[serde(borrow)]
    pub wt: Option<Text<'a>>,
    #[serde(borrow)]
    pub cp: Option<Scalar<'a>>,
    #[serde(borrow)]
    pub pP: Option<Scalar<'a>>,
    #[serde(borrow)]
    pub R: Option<Scalar<'a>>,
    #[serde(borrow)]
    pub AP: Option<Scalar<'a>>,
    #[serde(borrow)]
    pub cr: Option<Scalar<'a>>,
    #[serde(borrow)]
    pub rm: Option<Text<'a>>,
}

#[derive(Debug, Deserialize)]
#[allow(non_snake_case, reason = "spelled as on the wire")]
pub(crate) struct AccountConfigUpdate<'a> {
    #[serde(borrow)]
    pub E: Scalar<'a>,
    #[serde(borrow)]
    pub ac: Option<LeverageChange<'a>>,
    #[serde(borrow)]
    pub ai: Option<AssetModeChange<'a>>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct LeverageChange<'a> {
    #[serde(borrow)]
    pub s: Text<'a>,
    #[serde(borrow)]
    pub l: Scalar<'a>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct AssetModeChange<'a> {
    #[serde(borrow)]
    pub j: Scalar<'a>,
}

#[derive(Debug, Deserialize)]
#[allow(non_snake_case, reason = "spelled as on the wire")]
pub(crate) struct MarginCall<'a> {
    #[serde(borrow)]
    pub E: Scalar<'a>,
    #[serde(borrow, default)]
    pub p: Vec<MarginCallPosition<'a>>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct MarginCallPosition<'a> {
    #[serde(borrow)]
    pub s: Text<'a>,
}
