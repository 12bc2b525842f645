//! The whole true state, for tests and for the curious: what is really so, whatever was told.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::scenario::{AssetMode, Channel, MarginType, PositionMode};

use super::account::{leg_name, side_name};
use super::hub::Hub;
use super::venue::Venue;

/// The true state. Every decimal is text with as many decimals as it needs, except margins and
/// balances, which are cut at eight as the exchange prints them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Truth {
    /// The exchange's time, milliseconds since 1970.
    pub time_ms: i64,
    /// Hedge mode.
    pub hedge: bool,
    /// Multi-assets mode.
    pub multi_assets: bool,
    /// The one pool of multi-assets mode; `None` in single-asset mode.
    pub joint: Option<TruePool>,
    /// Per asset.
    pub assets: BTreeMap<String, TrueAsset>,
    /// Positions that are not flat.
    pub positions: Vec<TruePosition>,
    /// Resting orders.
    pub orders: Vec<TrueOrder>,
    /// Waiting conditional orders.
    pub algo_orders: Vec<TrueAlgoOrder>,
    /// Per contract.
    pub settings: BTreeMap<String, TrueSettings>,
    /// True mark per contract.
    pub marks: BTreeMap<String, String>,
    /// Contract states.
    pub statuses: BTreeMap<String, String>,
    /// The live listenKey, if any.
    pub listen_key: Option<String>,
    /// Open connections to the account stream and to market streams.
    pub user_connections: usize,
    /// Open connections to market and public streams.
    pub market_connections: usize,
    /// What clients asked of the exchange.
    pub usage: TrueUsage,
}

/// True figures of the one pool of multi-assets mode, in USD.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TruePool {
    /// What every asset's crossed equity counts for.
    pub margin_balance: String,
    /// Maintenance margin of crossed positions.
    pub maint_margin: String,
    /// Available for orders.
    pub available_balance: String,
}

/// True figures of an asset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TrueAsset {
    /// Wallet balance, isolated wallets included.
    pub wallet_balance: String,
    /// Cross wallet balance.
    pub cross_wallet_balance: String,
    /// Unrealised profit of every position.
    pub unrealized_profit: String,
    /// Unrealised profit of crossed positions.
    pub cross_unrealized_profit: String,
    /// Wallet balance and unrealised profit.
    pub margin_balance: String,
    /// Maintenance margin of every position.
    pub maint_margin: String,
    /// Maintenance margin of crossed positions.
    pub cross_maint_margin: String,
    /// Initial margin of positions.
    pub position_initial_margin: String,
    /// Initial margin of resting orders.
    pub open_order_initial_margin: String,
    /// Available for orders.
    pub available_balance: String,
    /// Withdrawable.
    pub max_withdraw_amount: String,
}

/// A true position.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TruePosition {
    /// Contract.
    pub symbol: String,
    /// `BOTH`, `LONG` or `SHORT`.
    pub position_side: String,
    /// Signed amount.
    pub position_amt: String,
    /// Entry price.
    pub entry_price: String,
    /// Mark price.
    pub mark_price: String,
    /// Unrealised profit.
    pub unrealized_profit: String,
    /// Maintenance margin.
    pub maint_margin: String,
    /// Initial margin at mark.
    pub initial_margin: String,
    /// Isolated wallet; `0` when crossed.
    pub isolated_wallet: String,
    /// Whether it is isolated.
    pub isolated: bool,
    /// Leverage.
    pub leverage: u32,
    /// Price at which this contract alone liquidates; `0` if it cannot.
    pub liquidation_price: String,
}

/// A resting order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TrueOrder {
    /// The exchange's id.
    pub order_id: i64,
    /// Client id.
    pub client_order_id: String,
    /// Contract.
    pub symbol: String,
    /// `BUY` or `SELL`.
    pub side: String,
    /// Leg.
    pub position_side: String,
    /// Limit price.
    pub price: String,
    /// Ordered quantity.
    pub quantity: String,
    /// Filled so far.
    pub executed: String,
    /// May only reduce.
    pub reduce_only: bool,
}

/// A waiting conditional order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TrueAlgoOrder {
    /// The exchange's id.
    pub algo_id: i64,
    /// Client id.
    pub client_algo_id: String,
    /// Contract.
    pub symbol: String,
    /// `STOP_MARKET` and its kin.
    pub kind: String,
    /// `BUY` or `SELL`.
    pub side: String,
    /// Leg.
    pub position_side: String,
    /// Trigger price.
    pub trigger_price: String,
    /// Quantity; zero for close-position.
    pub quantity: String,
    /// Closes the whole position.
    pub close_position: bool,
    /// May only reduce.
    pub reduce_only: bool,
}

/// Settings of a contract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TrueSettings {
    /// Leverage.
    pub leverage: u32,
    /// Isolated rather than crossed.
    pub isolated: bool,
    /// Automatic margin addition.
    pub auto_add: bool,
}

/// What clients asked of the exchange.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TrueUsage {
    /// Weight per clock minute, keyed by the minute's first millisecond since 1970.
    pub weight_per_minute: BTreeMap<i64, u32>,
    /// Method and path of each call, in order.
    pub calls: Vec<(String, String)>,
    /// Whether anybody deleted the listenKey by a call.
    pub listen_key_deleted: bool,
    /// Whether any call could trade or change settings.
    pub trading_called: bool,
}

/// Reads the truth.
pub(crate) fn of(hub: &Hub) -> Truth {
    let now_ms = hub.clock.now_ms();
    let core = hub.core();
    let venue = &core.venue;
    let key = venue.listen_key.as_ref().map(|key| key.text.clone());
    Truth {
        time_ms: core.told_ms(now_ms),
        hedge: venue.account.mode == PositionMode::Hedge,
        multi_assets: venue.account.assets == AssetMode::Multi,
        joint: joint(venue),
        assets: assets(venue),
        positions: positions(venue),
        orders: orders(venue),
        algo_orders: algo_orders(venue),
        settings: settings(venue),
        marks: per_contract(venue, |contract| contract.mark.plain()),
        statuses: per_contract(venue, |contract| contract.status.clone()),
        listen_key: key,
        user_connections: core.connections(Channel::User),
        market_connections: core.connections(Channel::Market),
        usage: TrueUsage {
            weight_per_minute: core.usage.weights.clone(),
            calls: core.usage.calls.iter().cloned().collect(),
            listen_key_deleted: core
                .usage
                .calls
                .iter()
                .any(|(method, path)| method == "DELETE" && path.ends_with("/listenKey")),
            trading_called: core.usage.calls.iter().any(|(method, path)| {
                method != "GET" && !path.ends_with("/listenKey") && !path.ends_with("/order/test")
            }),
        },
    }
}

fn per_contract(
    venue: &Venue,
    of: impl Fn(&super::contract::Contract) -> String,
) -> BTreeMap<String, String> {
    venue
        .contracts
        .iter()
        .map(|(symbol, contract)| (symbol.clone(), of(contract)))
        .collect()
}

fn joint(venue: &Venue) -> Option<TruePool> {
    let figures = venue.figures();
    let standing = figures.pool("");
    (venue.account.assets == AssetMode::Multi).then(|| TruePool {
        margin_balance: standing.equity.eight(),
        maint_margin: standing.maintenance.eight(),
        available_balance: figures.available_usd().eight(),
    })
}

fn assets(venue: &Venue) -> BTreeMap<String, TrueAsset> {
    let figures = venue.figures();
    let rows = figures.assets().into_iter().map(|(asset, row)| {
        let told = TrueAsset {
            wallet_balance: row.wallet.eight(),
            cross_wallet_balance: row.cross_wallet.eight(),
            unrealized_profit: row.unrealized.eight(),
            cross_unrealized_profit: row.cross_unrealized.eight(),
            margin_balance: row.margin_balance().eight(),
            maint_margin: row.maintenance.eight(),
            cross_maint_margin: row.cross_maintenance.eight(),
            position_initial_margin: row.position_margin.floor().eight(),
            open_order_initial_margin: row.order_margin.floor().eight(),
            available_balance: figures.available(&asset).eight(),
            max_withdraw_amount: row.withdrawable().eight(),
        };
        (asset, told)
    });
    rows.collect()
}

fn positions(venue: &Venue) -> Vec<TruePosition> {
    let figures = venue.figures();
    let mut rows = Vec::new();
    for (leg, position) in venue.account.open_positions() {
        let Some(contract) = venue.contracts.get(&leg.0) else {
            continue;
        };
        let settings = venue.account.settings(&leg.0);
        let mut margin = super::exact::Shares::default();
        margin.add(
            position.amount.times(contract.mark).abs(),
            settings.leverage,
        );
        rows.push(TruePosition {
            symbol: leg.0.clone(),
            position_side: leg_name(leg.1).to_owned(),
            position_amt: position.amount.plain(),
            entry_price: position.entry.plain(),
            mark_price: contract.mark.plain(),
            unrealized_profit: position.unrealized(contract.mark).eight(),
            maint_margin: figures.maintenance(contract, position).eight(),
            initial_margin: margin.floor().eight(),
            isolated_wallet: position.isolated_wallet.eight(),
            isolated: settings.margin_type == MarginType::Isolated,
            leverage: settings.leverage,
            liquidation_price: figures.liquidation_price(leg).eight(),
        });
    }
    rows
}

fn orders(venue: &Venue) -> Vec<TrueOrder> {
    let rows = venue.account.orders.values().map(|order| TrueOrder {
        order_id: order.id,
        client_order_id: order.client_id.clone(),
        symbol: order.symbol.clone(),
        side: side_name(order.side).to_owned(),
        position_side: leg_name(order.leg).to_owned(),
        price: order.price.plain(),
        quantity: order.quantity.plain(),
        executed: order.executed.plain(),
        reduce_only: order.reduce_only,
    });
    rows.collect()
}

fn algo_orders(venue: &Venue) -> Vec<TrueAlgoOrder> {
    let rows = venue.account.algos.values().map(|algo| TrueAlgoOrder {
        algo_id: algo.id,
        client_algo_id: algo.client_id.clone(),
        symbol: algo.symbol.clone(),
        kind: algo.kind_name().to_owned(),
        side: side_name(algo.side).to_owned(),
        position_side: leg_name(algo.leg).to_owned(),
        trigger_price: algo.trigger().plain(),
        quantity: algo.quantity.plain(),
        close_position: algo.close_position,
        reduce_only: algo.reduce_only,
    });
    rows.collect()
}

fn settings(venue: &Venue) -> BTreeMap<String, TrueSettings> {
    let rows = venue.contracts.keys().map(|symbol| {
        let settings = venue.account.settings(symbol);
        let told = TrueSettings {
            leverage: settings.leverage,
            isolated: settings.margin_type == MarginType::Isolated,
            auto_add: settings.auto_add,
        };
        (symbol.clone(), told)
    });
    rows.collect()
}
