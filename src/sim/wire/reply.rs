//! Bodies of REST and WebSocket-API answers.

use serde::Serialize;
use serde_json::value::RawValue;

/// An order as placement, amend and cancel answer it: since 2026-07 without `avgPrice`, `cumQuote`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OrderReply {
    pub(crate) order_id: i64,
    pub(crate) symbol: String,
    pub(crate) status: &'static str,
    pub(crate) client_order_id: String,
    pub(crate) price: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) avg_price: Option<String>,
    pub(crate) orig_qty: String,
    pub(crate) executed_qty: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cum_qty: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cum_quote: Option<String>,
    pub(crate) time_in_force: String,
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    pub(crate) reduce_only: bool,
    pub(crate) close_position: bool,
    pub(crate) side: &'static str,
    pub(crate) position_side: &'static str,
    pub(crate) stop_price: String,
    pub(crate) working_type: &'static str,
    pub(crate) price_protect: bool,
    pub(crate) orig_type: String,
    pub(crate) price_match: &'static str,
    pub(crate) self_trade_prevention_mode: &'static str,
    pub(crate) good_till_date: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) time: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pair: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) modify_id: Option<i64>,
    pub(crate) update_time: i64,
}

/// A conditional order.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AlgoReply {
    pub(crate) algo_id: i64,
    pub(crate) client_algo_id: String,
    pub(crate) algo_type: &'static str,
    pub(crate) order_type: &'static str,
    pub(crate) symbol: String,
    pub(crate) side: &'static str,
    pub(crate) position_side: &'static str,
    pub(crate) time_in_force: String,
    pub(crate) quantity: String,
    pub(crate) algo_status: &'static str,
    pub(crate) trigger_price: String,
    pub(crate) price: String,
    pub(crate) iceberg_quantity: Option<String>,
    pub(crate) self_trade_prevention_mode: &'static str,
    pub(crate) working_type: &'static str,
    pub(crate) price_match: &'static str,
    pub(crate) close_position: bool,
    pub(crate) price_protect: bool,
    pub(crate) reduce_only: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) activate_price: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) callback_rate: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) actual_order_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) actual_price: Option<String>,
    pub(crate) create_time: i64,
    pub(crate) update_time: i64,
    pub(crate) trigger_time: i64,
    pub(crate) good_till_date: i64,
}

/// `v3/account`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AccountReply<P: Serialize> {
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub(crate) rights: Option<Rights>,
    pub(crate) total_initial_margin: String,
    pub(crate) total_maint_margin: String,
    pub(crate) total_wallet_balance: String,
    pub(crate) total_unrealized_profit: String,
    pub(crate) total_margin_balance: String,
    pub(crate) total_position_initial_margin: String,
    pub(crate) total_open_order_initial_margin: String,
    pub(crate) total_cross_wallet_balance: String,
    pub(crate) total_cross_un_pnl: String,
    pub(crate) available_balance: String,
    pub(crate) max_withdraw_amount: String,
    pub(crate) assets: Vec<AssetRow>,
    pub(crate) positions: Vec<P>,
}

/// The part of `v2/account` that v3 moved to `accountConfig`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Rights {
    pub(crate) fee_tier: u8,
    pub(crate) can_trade: bool,
    pub(crate) can_deposit: bool,
    pub(crate) can_withdraw: bool,
    pub(crate) update_time: i64,
    pub(crate) multi_assets_margin: bool,
    pub(crate) trade_group_id: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) dual_side_position: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fee_burn: Option<bool>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AssetRow {
    pub(crate) asset: String,
    pub(crate) wallet_balance: String,
    pub(crate) unrealized_profit: String,
    pub(crate) margin_balance: String,
    pub(crate) maint_margin: String,
    pub(crate) initial_margin: String,
    pub(crate) position_initial_margin: String,
    pub(crate) open_order_initial_margin: String,
    pub(crate) cross_wallet_balance: String,
    pub(crate) cross_un_pnl: String,
    pub(crate) available_balance: String,
    pub(crate) max_withdraw_amount: String,
    pub(crate) margin_available: bool,
    pub(crate) update_time: i64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AccountPositionV3 {
    pub(crate) symbol: String,
    pub(crate) position_side: &'static str,
    pub(crate) position_amt: String,
    pub(crate) unrealized_profit: String,
    pub(crate) isolated_margin: String,
    pub(crate) notional: String,
    pub(crate) isolated_wallet: String,
    pub(crate) initial_margin: String,
    pub(crate) maint_margin: String,
    pub(crate) update_time: i64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AccountPositionV2 {
    pub(crate) symbol: String,
    pub(crate) initial_margin: String,
    pub(crate) maint_margin: String,
    pub(crate) unrealized_profit: String,
    pub(crate) position_initial_margin: String,
    pub(crate) open_order_initial_margin: String,
    pub(crate) leverage: String,
    pub(crate) isolated: bool,
    pub(crate) entry_price: String,
    pub(crate) max_notional: String,
    pub(crate) bid_notional: String,
    pub(crate) ask_notional: String,
    pub(crate) position_side: &'static str,
    pub(crate) position_amt: String,
    pub(crate) notional: String,
    pub(crate) isolated_wallet: String,
    pub(crate) update_time: i64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BalanceReply {
    pub(crate) account_alias: &'static str,
    pub(crate) asset: String,
    pub(crate) balance: String,
    pub(crate) cross_wallet_balance: String,
    pub(crate) cross_un_pnl: String,
    pub(crate) available_balance: String,
    pub(crate) max_withdraw_amount: String,
    pub(crate) margin_available: bool,
    pub(crate) update_time: i64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PositionRiskV3 {
    pub(crate) symbol: String,
    pub(crate) position_side: &'static str,
    pub(crate) position_amt: String,
    pub(crate) entry_price: String,
    pub(crate) break_even_price: String,
    pub(crate) mark_price: String,
    pub(crate) un_realized_profit: String,
    pub(crate) liquidation_price: String,
    pub(crate) isolated_margin: String,
    pub(crate) notional: String,
    pub(crate) margin_asset: String,
    pub(crate) isolated_wallet: String,
    pub(crate) initial_margin: String,
    pub(crate) maint_margin: String,
    pub(crate) position_initial_margin: String,
    pub(crate) open_order_initial_margin: String,
    pub(crate) adl: u8,
    pub(crate) bid_notional: String,
    pub(crate) ask_notional: String,
    pub(crate) update_time: i64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PositionRiskV2 {
    pub(crate) symbol: String,
    pub(crate) position_amt: String,
    pub(crate) entry_price: String,
    pub(crate) break_even_price: String,
    pub(crate) mark_price: String,
    pub(crate) un_realized_profit: String,
    pub(crate) liquidation_price: String,
    pub(crate) leverage: String,
    pub(crate) max_notional_value: String,
    pub(crate) margin_type: &'static str,
    pub(crate) isolated_margin: String,
    pub(crate) is_auto_add_margin: &'static str,
    pub(crate) position_side: &'static str,
    pub(crate) notional: String,
    pub(crate) isolated_wallet: String,
    pub(crate) update_time: i64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SymbolConfig {
    pub(crate) symbol: String,
    pub(crate) margin_type: &'static str,
    pub(crate) is_auto_add_margin: bool,
    pub(crate) leverage: u32,
    pub(crate) max_notional_value: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LeverageReply {
    pub(crate) leverage: u32,
    pub(crate) max_notional_value: String,
    pub(crate) symbol: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SymbolBrackets {
    pub(crate) symbol: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) notional_coef: Option<Box<RawValue>>,
    pub(crate) brackets: Vec<BracketReply>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BracketReply {
    pub(crate) bracket: usize,
    pub(crate) initial_leverage: u32,
    pub(crate) notional_cap: Box<RawValue>,
    pub(crate) notional_floor: Box<RawValue>,
    pub(crate) maint_margin_ratio: Box<RawValue>,
    pub(crate) cum: Box<RawValue>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PremiumIndex {
    pub(crate) symbol: String,
    pub(crate) mark_price: String,
    pub(crate) index_price: String,
    pub(crate) estimated_settle_price: String,
    pub(crate) last_funding_rate: String,
    pub(crate) interest_rate: String,
    pub(crate) next_funding_time: i64,
    pub(crate) time: i64,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Income {
    pub(crate) symbol: String,
    pub(crate) income_type: &'static str,
    pub(crate) income: String,
    pub(crate) asset: String,
    pub(crate) time: i64,
    pub(crate) info: String,
    pub(crate) tran_id: i64,
    pub(crate) trade_id: String,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Trade {
    pub(crate) symbol: String,
    pub(crate) id: i64,
    pub(crate) order_id: i64,
    pub(crate) side: &'static str,
    pub(crate) price: String,
    pub(crate) qty: String,
    pub(crate) realized_pnl: String,
    pub(crate) quote_qty: String,
    pub(crate) commission: String,
    pub(crate) commission_asset: String,
    pub(crate) margin_asset: String,
    pub(crate) time: i64,
    pub(crate) position_side: &'static str,
    pub(crate) buyer: bool,
    pub(crate) maker: bool,
    pub(crate) pair: String,
}
