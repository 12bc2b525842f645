//! Events of the user-data stream and of the market streams.

use serde::Serialize;
use serde_json::value::RawValue;

/// `ACCOUNT_UPDATE`.
#[derive(Debug, Serialize)]
pub(crate) struct AccountUpdate {
    pub(crate) e: &'static str,
    #[serde(rename = "E")]
    pub(crate) emitted: i64,
    #[serde(rename = "T")]
    pub(crate) time: i64,
    pub(crate) a: AccountBody,
}

#[derive(Debug, Serialize)]
pub(crate) struct AccountBody {
    pub(crate) m: String,
    #[serde(rename = "S", skip_serializing_if = "Option::is_none")]
    pub(crate) symbol: Option<String>,
    #[serde(rename = "B")]
    pub(crate) balances: Vec<BalanceRow>,
    #[serde(rename = "P")]
    pub(crate) positions: Vec<PositionRow>,
}

#[derive(Debug, Serialize)]
pub(crate) struct BalanceRow {
    pub(crate) a: String,
    pub(crate) wb: String,
    pub(crate) cw: String,
    pub(crate) bc: String,
}

#[derive(Debug, Serialize)]
pub(crate) struct PositionRow {
    pub(crate) s: String,
    pub(crate) pa: String,
    pub(crate) ep: String,
    pub(crate) cr: String,
    pub(crate) up: String,
    pub(crate) mt: &'static str,
    pub(crate) iw: String,
    pub(crate) ps: &'static str,
    pub(crate) ma: String,
    pub(crate) bep: String,
}

/// `ORDER_TRADE_UPDATE`.
#[derive(Debug, Serialize)]
pub(crate) struct OrderUpdate {
    pub(crate) e: &'static str,
    #[serde(rename = "T")]
    pub(crate) time: i64,
    #[serde(rename = "E")]
    pub(crate) emitted: i64,
    pub(crate) o: OrderBody,
}

#[derive(Debug, Serialize)]
pub(crate) struct OrderBody {
    pub(crate) s: String,
    pub(crate) c: String,
    #[serde(rename = "S")]
    pub(crate) side: &'static str,
    pub(crate) o: &'static str,
    pub(crate) f: String,
    pub(crate) q: String,
    pub(crate) p: String,
    pub(crate) ap: String,
    pub(crate) sp: String,
    pub(crate) x: &'static str,
    #[serde(rename = "X")]
    pub(crate) status: &'static str,
    pub(crate) i: i64,
    #[serde(rename = "M", skip_serializing_if = "Option::is_none")]
    pub(crate) modify_id: Option<i64>,
    pub(crate) l: String,
    pub(crate) z: String,
    #[serde(rename = "L")]
    pub(crate) last_price: String,
    pub(crate) n: Option<String>,
    #[serde(rename = "N")]
    pub(crate) commission_asset: Option<String>,
    #[serde(rename = "T")]
    pub(crate) trade_time: i64,
    pub(crate) t: i64,
    pub(crate) b: String,
    pub(crate) a: String,
    pub(crate) m: bool,
    #[serde(rename = "R")]
    pub(crate) reduce_only: bool,
    pub(crate) wt: &'static str,
    pub(crate) ot: String,
    pub(crate) ps: &'static str,
    pub(crate) cp: bool,
    pub(crate) rp: String,
    #[serde(rename = "pP")]
    pub(crate) price_protect: bool,
    pub(crate) si: i64,
    pub(crate) ss: i64,
    #[serde(rename = "V")]
    pub(crate) self_trade_prevention: &'static str,
    pub(crate) pm: &'static str,
    pub(crate) gtd: i64,
    pub(crate) er: String,
}

/// `TRADE_LITE`.
#[derive(Debug, Serialize)]
pub(crate) struct TradeLite {
    pub(crate) e: &'static str,
    #[serde(rename = "E")]
    pub(crate) emitted: i64,
    #[serde(rename = "T")]
    pub(crate) time: i64,
    pub(crate) s: String,
    pub(crate) q: String,
    pub(crate) p: String,
    pub(crate) m: bool,
    pub(crate) c: String,
    #[serde(rename = "S")]
    pub(crate) side: &'static str,
    #[serde(rename = "L")]
    pub(crate) last_price: String,
    pub(crate) l: String,
    pub(crate) t: i64,
    pub(crate) i: i64,
}

/// `ALGO_UPDATE`.
#[derive(Debug, Serialize)]
pub(crate) struct AlgoUpdate {
    pub(crate) e: &'static str,
    #[serde(rename = "T")]
    pub(crate) time: i64,
    #[serde(rename = "E")]
    pub(crate) emitted: i64,
    pub(crate) o: AlgoBody,
}

#[derive(Debug, Serialize)]
pub(crate) struct AlgoBody {
    pub(crate) caid: String,
    pub(crate) aid: i64,
    pub(crate) at: &'static str,
    pub(crate) o: &'static str,
    pub(crate) s: String,
    #[serde(rename = "S")]
    pub(crate) side: &'static str,
    pub(crate) ps: &'static str,
    pub(crate) f: String,
    pub(crate) q: String,
    #[serde(rename = "X")]
    pub(crate) status: &'static str,
    pub(crate) ai: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ap: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) aq: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) act: Option<String>,
    pub(crate) tp: String,
    pub(crate) p: String,
    #[serde(rename = "V")]
    pub(crate) self_trade_prevention: &'static str,
    pub(crate) wt: &'static str,
    pub(crate) pm: &'static str,
    pub(crate) cp: bool,
    #[serde(rename = "pP")]
    pub(crate) price_protect: bool,
    #[serde(rename = "R")]
    pub(crate) reduce_only: bool,
    pub(crate) tt: i64,
    pub(crate) gtd: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rm: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ia: Option<bool>,
}

/// `ACCOUNT_CONFIG_UPDATE`: exactly one of `ac` and `ai`.
#[derive(Debug, Serialize)]
pub(crate) struct ConfigUpdate {
    pub(crate) e: &'static str,
    #[serde(rename = "E")]
    pub(crate) emitted: i64,
    #[serde(rename = "T")]
    pub(crate) time: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ac: Option<LeverageChange>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ai: Option<AssetModeChange>,
}

#[derive(Debug, Serialize)]
pub(crate) struct LeverageChange {
    pub(crate) s: String,
    pub(crate) l: u32,
}

#[derive(Debug, Serialize)]
pub(crate) struct AssetModeChange {
    pub(crate) j: bool,
}

/// `MARGIN_CALL`.
#[derive(Debug, Serialize)]
pub(crate) struct MarginCall {
    pub(crate) e: &'static str,
    #[serde(rename = "E")]
    pub(crate) emitted: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cw: Option<String>,
    pub(crate) p: Vec<MarginCallRow>,
}

#[derive(Debug, Serialize)]
pub(crate) struct MarginCallRow {
    pub(crate) s: String,
    pub(crate) ps: &'static str,
    pub(crate) pa: String,
    pub(crate) mt: &'static str,
    pub(crate) iw: String,
    pub(crate) mp: String,
    pub(crate) up: String,
    pub(crate) mm: String,
}

/// `listenKeyExpired`.
#[derive(Debug, Serialize)]
pub(crate) struct ListenKeyExpired<'a> {
    pub(crate) e: &'static str,
    #[serde(rename = "E")]
    pub(crate) emitted: i64,
    #[serde(rename = "listenKey")]
    pub(crate) listen_key: &'a str,
}

/// `markPriceUpdate`.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct MarkUpdate {
    pub(crate) e: &'static str,
    #[serde(rename = "E")]
    pub(crate) emitted: i64,
    pub(crate) s: String,
    pub(crate) p: String,
    pub(crate) ap: String,
    #[serde(rename = "P")]
    pub(crate) estimated_settle: String,
    pub(crate) i: String,
    pub(crate) r: String,
    #[serde(rename = "T")]
    pub(crate) next_funding: i64,
    pub(crate) st: u8,
}

/// `contractInfo`.
#[derive(Debug, Serialize)]
pub(crate) struct ContractInfo {
    pub(crate) e: &'static str,
    #[serde(rename = "E")]
    pub(crate) emitted: i64,
    pub(crate) s: String,
    pub(crate) ps: String,
    pub(crate) ct: String,
    pub(crate) dt: i64,
    pub(crate) ot: i64,
    pub(crate) cs: String,
    pub(crate) st: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) bks: Option<Vec<BracketRow>>,
}

#[derive(Debug, Serialize)]
pub(crate) struct BracketRow {
    pub(crate) bs: usize,
    pub(crate) bnf: Box<RawValue>,
    pub(crate) bnc: Box<RawValue>,
    pub(crate) mmr: Box<RawValue>,
    pub(crate) cf: Box<RawValue>,
    pub(crate) mi: u32,
    pub(crate) ma: u32,
}

/// `assetIndexUpdate`.
#[derive(Debug, Serialize)]
pub(crate) struct AssetIndexUpdate {
    pub(crate) e: &'static str,
    #[serde(rename = "E")]
    pub(crate) emitted: i64,
    pub(crate) s: String,
    pub(crate) i: String,
    pub(crate) b: String,
    pub(crate) a: String,
    #[serde(rename = "B")]
    pub(crate) bid_rate: String,
    #[serde(rename = "A")]
    pub(crate) ask_rate: String,
    pub(crate) q: String,
    pub(crate) g: String,
    #[serde(rename = "Q")]
    pub(crate) auto_bid_rate: String,
    #[serde(rename = "G")]
    pub(crate) auto_ask_rate: String,
}

/// `forceOrder`.
#[derive(Debug, Serialize)]
pub(crate) struct ForceOrder {
    pub(crate) e: &'static str,
    #[serde(rename = "E")]
    pub(crate) emitted: i64,
    pub(crate) o: ForceOrderBody,
    pub(crate) ps: String,
    pub(crate) st: u8,
}

#[derive(Debug, Serialize)]
pub(crate) struct ForceOrderBody {
    pub(crate) s: String,
    #[serde(rename = "S")]
    pub(crate) side: &'static str,
    pub(crate) o: &'static str,
    pub(crate) f: &'static str,
    pub(crate) q: String,
    pub(crate) p: String,
    pub(crate) ap: String,
    #[serde(rename = "X")]
    pub(crate) status: &'static str,
    pub(crate) l: String,
    pub(crate) z: String,
    #[serde(rename = "T")]
    pub(crate) time: i64,
}

/// `bookTicker`.
#[derive(Debug, Serialize)]
pub(crate) struct BookTicker {
    pub(crate) e: &'static str,
    pub(crate) u: i64,
    pub(crate) s: String,
    pub(crate) ps: String,
    pub(crate) b: String,
    #[serde(rename = "B")]
    pub(crate) bid_quantity: &'static str,
    pub(crate) a: String,
    #[serde(rename = "A")]
    pub(crate) ask_quantity: &'static str,
    #[serde(rename = "T")]
    pub(crate) time: i64,
    #[serde(rename = "E")]
    pub(crate) emitted: i64,
    pub(crate) st: u8,
}
