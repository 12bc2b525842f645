//! REST answers. Source: binance-api §4.2, §4.3, §4.5 to §4.7.
//!
//! Owns: their fields, as far as they are read. Required fields are plain, the rest optional.
//! Must not know: their meaning.

use serde::Deserialize;

use super::{Scalar, Text};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Time<'a> {
    #[serde(borrow)]
    pub server_time: Scalar<'a>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListenKey<'a> {
    #[serde(borrow)]
    pub listen_key: Text<'a>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ExchangeInfo<'a> {
    #[serde(borrow, default)]
    pub rate_limits: Vec<RateLimit<'a>>,
    /// Each read on its own, as the symbols are.
    #[serde(borrow, default)]
    pub assets: Vec<&'a serde_json::value::RawValue>,
    /// Each read on its own, so that one odd row costs one symbol.
    #[serde(borrow)]
    pub symbols: Vec<&'a serde_json::value::RawValue>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RateLimit<'a> {
    #[serde(borrow)]
    pub rate_limit_type: Option<Text<'a>>,
    #[serde(borrow)]
    pub interval: Option<Text<'a>>,
    #[serde(borrow)]
    pub interval_num: Option<Scalar<'a>>,
    #[serde(borrow)]
    pub limit: Option<Scalar<'a>>,
}

/// `maintMarginPercent` and `requiredMarginPercent` are placeholders: they are not even declared.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SymbolInfo<'a> {
    #[serde(borrow)]
    pub symbol: Text<'a>,
    #[serde(borrow)]
    pub status: Text<'a>,
    #[serde(borrow)]
    pub quote_asset: Text<'a>,
    #[serde(borrow)]
    pub margin_asset: Text<'a>,
    #[serde(borrow)]
    pub delivery_date: Option<Scalar<'a>>,
    #[serde(borrow)]
    pub trigger_protect: Option<Scalar<'a>>,
    #[serde(borrow, default)]
    pub filters: Vec<Filter<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Filter<'a> {
    #[serde(borrow)]
    pub filter_type: Option<Text<'a>>,
    #[serde(borrow)]
    pub min_price: Option<Scalar<'a>>,
    #[serde(borrow)]
    pub max_price: Option<Scalar<'a>>,
    #[serde(borrow)]
    pub tick_size: Option<Scalar<'a>>,
    #[serde(borrow)]
    pub min_qty: Option<Scalar<'a>>,
    #[serde(borrow)]
    pub max_qty: Option<Scalar<'a>>,
    #[serde(borrow)]
    pub step_size: Option<Scalar<'a>>,
    #[serde(borrow)]
    pub notional: Option<Scalar<'a>>,
    #[serde(borrow)]
    pub multiplier_up: Option<Scalar<'a>>,
    #[serde(borrow)]
    pub multiplier_down: Option<Scalar<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PremiumIndex<'a> {
    #[serde(borrow)]
    pub symbol: Text<'a>,
    #[serde(borrow)]
    pub mark_price: Scalar<'a>,
    #[serde(borrow)]
    pub last_funding_rate: Option<Scalar<'a>>,
    #[serde(borrow)]
    pub next_funding_time: Option<Scalar<'a>>,
    #[serde(borrow)]
    pub time: Scalar<'a>,
}

/// `GET /fapi/v2/ticker/price`.
#[derive(Debug, Deserialize)]
pub(crate) struct LastPrice<'a> {
    #[serde(borrow)]
    pub symbol: Text<'a>,
    #[serde(borrow)]
    pub price: Scalar<'a>,
}

/// `GET /fapi/v1/ticker/bookTicker`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BestPrices<'a> {
    #[serde(borrow)]
    pub symbol: Text<'a>,
    #[serde(borrow)]
    pub bid_price: Scalar<'a>,
    #[serde(borrow)]
    pub ask_price: Scalar<'a>,
}

/// `GET /fapi/v1/assetIndex`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AssetIndex<'a> {
    #[serde(borrow)]
    pub symbol: Text<'a>,
    #[serde(borrow)]
    pub time: Scalar<'a>,
    #[serde(borrow)]
    pub index: Option<Scalar<'a>>,
    #[serde(borrow)]
    pub bid_buffer: Option<Scalar<'a>>,
    #[serde(borrow)]
    pub ask_buffer: Option<Scalar<'a>>,
    #[serde(borrow)]
    pub bid_rate: Option<Scalar<'a>>,
    #[serde(borrow)]
    pub ask_rate: Option<Scalar<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AssetInfo<'a> {
    #[serde(borrow)]
    pub asset: Text<'a>,
    #[serde(borrow)]
    pub auto_asset_exchange: Option<Scalar<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LeverageBracket<'a> {
    /// Present when this user's brackets are not the default ones.
    #[serde(borrow)]
    pub notional_coef: Option<Scalar<'a>>,
    #[serde(borrow)]
    pub symbol: Text<'a>,
    #[serde(borrow)]
    pub brackets: Vec<BracketRow<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BracketRow<'a> {
    #[serde(borrow)]
    pub initial_leverage: Scalar<'a>,
    #[serde(borrow)]
    pub notional_cap: Scalar<'a>,
    #[serde(borrow)]
    pub notional_floor: Scalar<'a>,
    #[serde(borrow)]
    pub maint_margin_ratio: Scalar<'a>,
    #[serde(borrow)]
    pub cum: Scalar<'a>,
}

/// `GET /fapi/v1/commissionRate`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CommissionRate<'a> {
    #[serde(borrow)]
    pub symbol: Text<'a>,
    #[serde(borrow)]
    pub maker_commission_rate: Scalar<'a>,
    #[serde(borrow)]
    pub taker_commission_rate: Scalar<'a>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AccountConfig<'a> {
    #[serde(borrow)]
    pub dual_side_position: Scalar<'a>,
    #[serde(borrow)]
    pub multi_assets_margin: Scalar<'a>,
    #[serde(borrow)]
    pub can_trade: Scalar<'a>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SymbolConfig<'a> {
    #[serde(borrow)]
    pub symbol: Text<'a>,
    #[serde(borrow)]
    pub margin_type: Text<'a>,
    #[serde(borrow)]
    pub is_auto_add_margin: Option<Scalar<'a>>,
    #[serde(borrow)]
    pub leverage: Scalar<'a>,
    #[serde(borrow)]
    pub max_notional_value: Option<Scalar<'a>>,
}

/// `GET /fapi/v3/account`; totals are not read: in single-asset mode they cover USDT only.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Account<'a> {
    #[serde(borrow)]
    pub assets: Vec<AccountAsset<'a>>,
    #[serde(borrow)]
    pub positions: Vec<AccountPosition<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AccountAsset<'a> {
    #[serde(borrow)]
    pub asset: Text<'a>,
    #[serde(borrow)]
    pub wallet_balance: Scalar<'a>,
    #[serde(borrow)]
    pub cross_wallet_balance: Scalar<'a>,
    #[serde(borrow)]
    pub maint_margin: Scalar<'a>,
    #[serde(borrow)]
    pub initial_margin: Scalar<'a>,
    #[serde(borrow)]
    pub open_order_initial_margin: Scalar<'a>,
    #[serde(borrow)]
    pub available_balance: Scalar<'a>,
    #[serde(borrow)]
    pub update_time: Option<Scalar<'a>>,
}

/// Read only to see whether it tells the same as [`PositionRisk`].
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AccountPosition<'a> {
    #[serde(borrow)]
    pub symbol: Text<'a>,
    #[serde(borrow)]
    pub position_side: Text<'a>,
    #[serde(borrow)]
    pub position_amt: Scalar<'a>,
}

/// `GET /fapi/v3/positionRisk`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PositionRisk<'a> {
    #[serde(borrow)]
    pub symbol: Text<'a>,
    #[serde(borrow)]
    pub position_side: Text<'a>,
    #[serde(borrow)]
    pub position_amt: Scalar<'a>,
    #[serde(borrow)]
    pub entry_price: Scalar<'a>,
    #[serde(borrow)]
    pub liquidation_price: Option<Scalar<'a>>,
    #[serde(borrow)]
    pub adl: Option<Scalar<'a>>,
    #[serde(borrow)]
    pub isolated_wallet: Scalar<'a>,
    #[serde(borrow)]
    pub margin_asset: Text<'a>,
    #[serde(borrow)]
    pub update_time: Option<Scalar<'a>>,
}

/// `GET /fapi/v1/openOrders`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Order<'a> {
    #[serde(borrow)]
    pub order_id: Scalar<'a>,
    #[serde(borrow)]
    pub client_order_id: Option<Text<'a>>,
    #[serde(borrow)]
    pub symbol: Text<'a>,
    #[serde(borrow)]
    pub side: Text<'a>,
    #[serde(borrow)]
    pub position_side: Text<'a>,
    #[serde(borrow, rename = "type")]
    pub kind: Text<'a>,
    #[serde(borrow)]
    pub orig_qty: Scalar<'a>,
    #[serde(borrow)]
    pub executed_qty: Scalar<'a>,
    #[serde(borrow)]
    pub price: Option<Scalar<'a>>,
    #[serde(borrow)]
    pub stop_price: Option<Scalar<'a>>,
    #[serde(borrow)]
    pub activate_price: Option<Scalar<'a>>,
    #[serde(borrow)]
    pub price_rate: Option<Scalar<'a>>,
    #[serde(borrow)]
    pub reduce_only: Option<Scalar<'a>>,
    #[serde(borrow)]
    pub close_position: Option<Scalar<'a>>,
    #[serde(borrow)]
    pub working_type: Option<Text<'a>>,
    #[serde(borrow)]
    pub price_protect: Option<Scalar<'a>>,
}

/// `GET /fapi/v1/openAlgoOrders`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AlgoOrder<'a> {
    #[serde(borrow)]
    pub algo_id: Scalar<'a>,
    #[serde(borrow)]
    pub client_algo_id: Option<Text<'a>>,
    #[serde(borrow)]
    pub symbol: Text<'a>,
    #[serde(borrow)]
    pub side: Text<'a>,
    #[serde(borrow)]
    pub position_side: Text<'a>,
    #[serde(borrow)]
    pub order_type: Option<Text<'a>>,
    /// Some captures spell `orderType` so.
    #[serde(borrow, rename = "type")]
    pub kind: Option<Text<'a>>,
    #[serde(borrow)]
    pub algo_status: Option<Text<'a>>,
    #[serde(borrow)]
    pub quantity: Option<Scalar<'a>>,
    #[serde(borrow)]
    pub price: Option<Scalar<'a>>,
    #[serde(borrow)]
    pub trigger_price: Option<Scalar<'a>>,
    #[serde(borrow)]
    pub activate_price: Option<Scalar<'a>>,
    #[serde(borrow)]
    pub callback_rate: Option<Scalar<'a>>,
    #[serde(borrow)]
    pub reduce_only: Option<Scalar<'a>>,
    #[serde(borrow)]
    pub close_position: Option<Scalar<'a>>,
    #[serde(borrow)]
    pub working_type: Option<Text<'a>>,
    #[serde(borrow)]
    pub price_protect: Option<Scalar<'a>>,
}
