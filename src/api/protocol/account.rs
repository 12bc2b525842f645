//! `/v1/account`, `/v1/positions` and `/v1/orders`: the account as it is.
//!
//! Owns: the shapes of these answers and their making from the spine's reports.
//! Must not know: how any figure is computed. Reservations never enter here.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::figure::Figure;
use super::inputs::{Inputs, MissingEntry};
use super::names;
use super::pool::{self, PoolFigures};
use crate::daemon::report::{
    AccountReport, OrdersReport, PositionsOfSymbol, PositionsReport, WalletReport,
};
use crate::margin::account::Settings;
use crate::margin::amount::Amount;
use crate::margin::attribution::{Attribution, LossWithoutLiquidation};
use crate::margin::known::KnownPosition;
use crate::margin::liquidation::LiquidationPrices;
use crate::margin::order::{OpenOrder, OrderId, OrderKind};
use crate::margin::pool::CollateralFigures;
use crate::margin::position::PositionAssessment;

/// `GET /v1/account`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AccountAnswer<'a> {
    /// `single` or `multi`.
    pub asset_mode: Cow<'a, str>,
    /// `one-way` or `hedge`.
    pub position_mode: Cow<'a, str>,
    /// Every pool with a balance or something held.
    pub pools: Vec<PoolFigures<'a>>,
    /// Totals per asset, isolated included.
    pub wallets: Vec<Wallet<'a>>,
    /// What each asset counts for in multi-assets mode; empty in single-asset mode.
    pub collateral: Vec<Collateral<'a>>,
    /// What it rests on.
    pub inputs: Inputs<'a>,
}

/// One asset of the pool of multi-assets mode. Money is in the asset where it does not say USD.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Collateral<'a> {
    /// Asset.
    pub asset: Cow<'a, str>,
    /// What a positive balance counts for, in USD.
    pub bid_rate: Figure,
    /// What a debt and every requirement count for, in USD.
    pub ask_rate: Figure,
    /// Crossed wallet balance.
    pub cross_wallet_balance: Figure,
    /// With the unrealised profit of crossed positions margined in it.
    pub equity: Figure,
    /// The same in USD.
    pub equity_usd: Figure,
    /// Initial margin of positions and orders margined in it.
    pub initial_margin: Figure,
    /// Maintenance margin of positions margined in it.
    #[serde(rename = "maintMargin")]
    pub maintenance_margin: Figure,
    /// What new orders margined in it can use.
    pub available_balance: Figure,
    /// The balance below which the exchange sells other assets; `null` when it states none.
    pub auto_exchange_below: Figure,
    /// The balance is below that now.
    pub auto_exchange_due: bool,
}

impl<'a> From<&'a CollateralFigures> for Collateral<'a> {
    fn from(figures: &'a CollateralFigures) -> Self {
        Self {
            asset: Cow::Borrowed(figures.asset.as_str()),
            bid_rate: Figure::exact(figures.bid.get()),
            ask_rate: Figure::exact(figures.ask.get()),
            cross_wallet_balance: Figure::money(figures.cross_wallet_balance),
            equity: Figure::money(figures.equity),
            equity_usd: Figure::margin(figures.equity_usd),
            initial_margin: Figure::margin(figures.initial_margin),
            maintenance_margin: Figure::money(figures.maintenance_margin),
            available_balance: Figure::margin(figures.available_balance),
            auto_exchange_below: figures
                .auto_exchange_below
                .map_or(Figure::NONE, Figure::money),
            auto_exchange_due: figures.auto_exchange_due,
        }
    }
}

/// An asset's totals, isolated positions included.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Wallet<'a> {
    /// Asset.
    pub asset: Cow<'a, str>,
    /// Wallet balance, isolated wallets included.
    pub wallet_balance: Figure,
    /// The part crossed positions share.
    pub cross_wallet_balance: Figure,
    /// Unrealised profit of all positions.
    pub unrealized_profit: Figure,
    /// Wallet balance + unrealised profit.
    pub margin_balance: Figure,
    /// Maintenance margin of all positions.
    #[serde(rename = "maintMargin")]
    pub maintenance_margin: Figure,
    /// Initial margin of all positions.
    pub position_initial_margin: Figure,
    /// What working orders add to it.
    pub open_order_initial_margin: Figure,
    /// Both together.
    pub initial_margin: Figure,
    /// Unrealised profit of crossed positions.
    pub cross_un_pnl: Figure,
    /// What new orders of this asset may cost.
    pub available_balance: Figure,
}

impl<'a> From<&'a AccountReport> for AccountAnswer<'a> {
    fn from(report: &'a AccountReport) -> Self {
        let mut inputs = Inputs::from(&report.inputs);
        let pools: Vec<PoolFigures<'a>> = report.pools.iter().map(PoolFigures::from).collect();
        for figures in &pools {
            pool::note_missing(figures, "pools", &mut inputs.missing);
        }
        for wallet in &report.wallets {
            if !wallet.is_known() {
                let path = format!("wallets.{}", wallet.asset).into();
                let reason = "figures of a position or an order of this asset are not known";
                inputs.missing.push(MissingEntry::plain(path, reason));
            }
        }
        Self {
            asset_mode: Cow::Borrowed(names::asset_mode(report.asset_mode)),
            position_mode: Cow::Borrowed(names::position_mode(report.position_mode)),
            pools,
            wallets: report.wallets.iter().map(Wallet::from).collect(),
            collateral: collateral(report),
            inputs,
        }
    }
}

fn collateral(report: &AccountReport) -> Vec<Collateral<'_>> {
    let known = report
        .pools
        .iter()
        .filter_map(|pool| pool.figures.as_ref().ok());
    let all = known.flat_map(|figures| &figures.collateral);
    all.map(Collateral::from).collect()
}

impl<'a> From<&'a WalletReport> for Wallet<'a> {
    fn from(wallet: &'a WalletReport) -> Self {
        let totals = &wallet.totals;
        let margin_balance = totals
            .unrealized_pnl
            .and_then(|profit| wallet.wallet_balance.plus(profit).ok());
        let initial_margin = totals
            .position_initial_margin
            .zip(totals.open_order_initial_margin)
            .and_then(|(position, orders)| position.plus(orders).ok());
        let money = |amount: Option<Amount>| amount.map_or(Figure::NONE, Figure::money);
        let margin = |amount: Option<Amount>| amount.map_or(Figure::NONE, Figure::margin);
        Self {
            asset: Cow::Borrowed(wallet.asset.as_str()),
            wallet_balance: Figure::money(wallet.wallet_balance),
            cross_wallet_balance: Figure::money(wallet.cross_wallet_balance),
            unrealized_profit: money(totals.unrealized_pnl),
            margin_balance: money(margin_balance),
            maintenance_margin: money(totals.maintenance_margin),
            position_initial_margin: margin(totals.position_initial_margin),
            open_order_initial_margin: margin(totals.open_order_initial_margin),
            initial_margin: margin(initial_margin),
            cross_un_pnl: money(totals.cross_unrealized_pnl),
            available_balance: wallet
                .available_balance
                .map_or(Figure::NONE, Figure::margin),
        }
    }
}

/// `GET /v1/positions`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PositionsAnswer<'a> {
    /// Every position that holds something.
    pub positions: Vec<Position<'a>>,
    /// What it rests on.
    pub inputs: Inputs<'a>,
}

/// One position. Money is in its margin asset.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Position<'a> {
    /// Contract.
    pub symbol: Cow<'a, str>,
    /// `BOTH`, `LONG` or `SHORT`.
    pub position_side: Option<Cow<'a, str>>,
    /// `CROSSED` or `ISOLATED`, as it is set.
    pub margin_type: Option<Cow<'a, str>>,
    /// The mode that counts for risk: isolated with auto-add margin counts as `CROSSED`.
    pub risk_margin_type: Option<Cow<'a, str>>,
    /// Leverage that is set.
    pub leverage: Option<u32>,
    /// Signed quantity.
    pub position_amt: Figure,
    /// Average entry price.
    pub entry_price: Figure,
    /// The mark.
    pub mark_price: Figure,
    /// Signed notional at the mark.
    pub notional: Figure,
    /// Unrealised profit at the mark.
    pub unrealized_profit: Figure,
    /// Maintenance margin at the mark.
    #[serde(rename = "maintMargin")]
    pub maintenance_margin: Figure,
    /// Initial margin at the mark.
    pub initial_margin: Figure,
    /// Money assigned to an isolated position; 0 when crossed.
    pub isolated_wallet: Figure,
    /// Binance's one price; `"0"` when this symbol alone cannot liquidate, `null` when it is
    /// liquidatable now.
    pub liquidation_price: Figure,
    /// A fall to here liquidates; `null` when no fall does.
    pub liquidation_below: Figure,
    /// A rise to here liquidates; `null` when no rise does.
    pub liquidation_above: Figure,
    /// Capital put on it.
    pub ticket: Figure,
    /// What the rest of the wallet pays for it.
    pub spill: Figure,
    /// What it can lose when `liquidationPrice` is `"0"`: a long everything it was bought for; `null`
    /// for a short, which has no bound, and wherever a price liquidates.
    pub loss_without_liquidation: Figure,
    /// Its part in its pool; `null` when isolated.
    pub attribution: Option<Share>,
}

/// A crossed position's part in its pool. Money is in its margin asset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Share {
    /// Its maintenance margin as a fraction of the pool's.
    #[serde(rename = "maintMarginShare")]
    pub maintenance_share: Figure,
    /// Its part of headroom: unrealised profit − maintenance margin.
    pub headroom: Figure,
    /// What it loses when its mark falls by the horizon; negative is a gain.
    pub loss_down: Figure,
    /// What it loses when its mark rises by the horizon.
    pub loss_up: Figure,
}

impl From<&Attribution> for Share {
    fn from(attribution: &Attribution) -> Self {
        Self {
            maintenance_share: attribution
                .maintenance_share
                .map_or(Figure::NONE, Figure::fraction),
            headroom: Figure::money(attribution.headroom),
            loss_down: Figure::money(attribution.loss_down),
            loss_up: Figure::money(attribution.loss_up),
        }
    }
}

/// The three liquidation prices as they stand on the socket.
#[must_use]
pub fn liquidation(prices: &LiquidationPrices) -> [Figure; 3] {
    match prices {
        LiquidationPrices::AlreadyLiquidatable => [Figure::NONE; 3],
        LiquidationPrices::Alive { below, above, .. } => {
            let zero = Figure::exact(rust_decimal::Decimal::ZERO);
            [
                prices.headline().map_or(zero, Figure::price),
                below.map_or(Figure::NONE, Figure::price),
                above.map_or(Figure::NONE, Figure::price),
            ]
        }
    }
}

/// Why a liquidation price is `null`.
pub const LIQUIDATABLE_NOW: &str =
    "margin balance is at or below maintenance margin: liquidatable now, at any price";

impl<'a> From<&'a PositionsReport> for PositionsAnswer<'a> {
    fn from(report: &'a PositionsReport) -> Self {
        let mut inputs = Inputs::from(&report.inputs);
        let mut positions = Vec::new();
        for of_symbol in &report.symbols {
            let rows = positions_of(of_symbol);
            if of_symbol.positions.is_ok() {
                inputs.missing.extend(rows.iter().flat_map(without_figure));
            }
            positions.extend(rows);
        }
        Self { positions, inputs }
    }
}

/// Why figures of a position are `null` though all is known of it.
fn without_figure<'a>(position: &Position<'_>) -> Vec<MissingEntry<'a>> {
    let entry = |figure: &str, reason| {
        let path = format!("positions.{}.{figure}", position.symbol).into();
        MissingEntry::plain(path, reason)
    };
    let mut missing = Vec::new();
    if !position.liquidation_price.is_known() {
        missing.push(entry("liquidationPrice", LIQUIDATABLE_NOW));
    }
    if is_unbounded(position) {
        missing.push(entry("lossWithoutLiquidation", UNBOUNDED));
    }
    missing
}

/// Why the loss of a short that nothing liquidates is `null`.
const UNBOUNDED: &str = "a short loses without bound as the price rises";

fn is_unbounded(position: &Position<'_>) -> bool {
    let alone = position.liquidation_price.0 == Some(rust_decimal::Decimal::ZERO);
    alone && !position.loss_without_liquidation.is_known()
}

fn positions_of(of_symbol: &PositionsOfSymbol) -> Vec<Position<'_>> {
    let symbol = of_symbol.symbol.as_str();
    match &of_symbol.positions {
        Ok(positions) => positions
            .iter()
            .map(|position| known_position(symbol, of_symbol.settings, position))
            .collect(),
        Err(_) => {
            let legs = of_symbol.known.iter();
            legs.map(|leg| partial_position(symbol, of_symbol.settings, leg))
                .collect()
        }
    }
}

/// A position of whose figures some cannot be told: those are `null`.
fn partial_position<'a>(
    symbol: &'a str,
    settings: Option<Settings>,
    leg: &KnownPosition,
) -> Position<'a> {
    let mode = |mode| Cow::Borrowed(names::margin_type(mode));
    let margin = leg.initial_margin.map_or(Figure::NONE, Figure::margin);
    Position {
        symbol: Cow::Borrowed(symbol),
        position_side: Some(Cow::Borrowed(names::position_side(leg.position_side))),
        margin_type: settings.map(|settings| mode(settings.margin_mode)),
        risk_margin_type: settings.map(|settings| mode(settings.risk_mode())),
        leverage: settings.map(|settings| settings.leverage.get()),
        position_amt: Figure::quantity(leg.leg.quantity),
        entry_price: Figure::price(leg.leg.entry_price),
        mark_price: leg
            .mark
            .map_or(Figure::NONE, |mark| Figure::price(mark.price())),
        notional: leg.notional.map_or(Figure::NONE, Figure::notional),
        unrealized_profit: leg.unrealized_pnl.map_or(Figure::NONE, Figure::money),
        maintenance_margin: leg.maintenance_margin.map_or(Figure::NONE, Figure::money),
        initial_margin: margin,
        isolated_wallet: Figure::margin(leg.leg.isolated_wallet),
        ticket: margin,
        ..Position::default()
    }
}

fn known_position<'a>(
    symbol: &'a str,
    settings: Option<Settings>,
    position: &PositionAssessment,
) -> Position<'a> {
    let [liquidation_price, liquidation_below, liquidation_above] =
        liquidation(&position.liquidation);
    let risk_mode = names::margin_type(position.margin_mode);
    let set_mode = settings.map_or(position.margin_mode, |settings| settings.margin_mode);
    Position {
        symbol: Cow::Borrowed(symbol),
        position_side: Some(Cow::Borrowed(names::position_side(position.position_side))),
        margin_type: Some(Cow::Borrowed(names::margin_type(set_mode))),
        risk_margin_type: Some(Cow::Borrowed(risk_mode)),
        leverage: settings.map(|settings| settings.leverage.get()),
        position_amt: Figure::quantity(position.leg.quantity),
        entry_price: Figure::price(position.leg.entry_price),
        mark_price: Figure::price(position.mark.price()),
        notional: Figure::notional(position.notional),
        unrealized_profit: Figure::money(position.unrealized_pnl),
        maintenance_margin: Figure::money(position.maintenance_margin),
        initial_margin: Figure::margin(position.initial_margin),
        isolated_wallet: Figure::margin(position.leg.isolated_wallet),
        liquidation_price,
        liquidation_below,
        liquidation_above,
        ticket: Figure::margin(position.ticket),
        spill: Figure::margin(position.spill),
        loss_without_liquidation: match position.loss_without_liquidation {
            LossWithoutLiquidation::Bounded(amount) => Figure::money(amount),
            LossWithoutLiquidation::Unbounded | LossWithoutLiquidation::Ended => Figure::NONE,
        },
        attribution: position.attribution.as_ref().map(Share::from),
    }
}

/// `GET /v1/orders`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct OrdersAnswer<'a> {
    /// Both books: ordinary and conditional orders.
    pub orders: Vec<Order<'a>>,
    /// What it rests on.
    pub inputs: Inputs<'a>,
}

/// One working order.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Order<'a> {
    /// Contract.
    pub symbol: Cow<'a, str>,
    /// Number of an ordinary order.
    pub order_id: Option<i64>,
    /// Number of a conditional order.
    pub algo_id: Option<i64>,
    /// The name the client gave it.
    pub client_order_id: Cow<'a, str>,
    /// `BUY` or `SELL`.
    pub side: Cow<'a, str>,
    /// `BOTH`, `LONG` or `SHORT`.
    pub position_side: Cow<'a, str>,
    /// The exchange's order type.
    #[serde(rename = "type")]
    pub kind: Cow<'a, str>,
    /// Quantity not yet filled; 0 for a close-position order, which takes whatever is there.
    pub remaining_qty: Figure,
    /// Limit price; `null` for kinds without one.
    pub price: Figure,
    /// Price that sets it off; `null` for kinds without one.
    pub trigger_price: Figure,
    /// How far a trailing stop trails, as a fraction; `null` for other kinds.
    pub callback_rate: Figure,
    /// The exchange lets it only reduce.
    pub reduce_only: bool,
    /// It closes the whole position.
    pub close_position: bool,
    /// Which price sets it off.
    pub working_type: Cow<'a, str>,
    /// It does not fire while mark and last differ too much.
    pub price_protect: bool,
}

impl<'a> From<&'a OrdersReport> for OrdersAnswer<'a> {
    fn from(report: &'a OrdersReport) -> Self {
        Self {
            orders: report.orders.iter().map(Order::from).collect(),
            inputs: Inputs::from(&report.inputs),
        }
    }
}

impl<'a> From<&'a OpenOrder> for Order<'a> {
    fn from(order: &'a OpenOrder) -> Self {
        let (order_id, algo_id) = match order.id {
            OrderId::Order(id) => (Some(id), None),
            OrderId::Algo(id) => (None, Some(id)),
        };
        let price = |price: Option<_>| price.map_or(Figure::NONE, Figure::price);
        Self {
            symbol: Cow::Borrowed(order.symbol.as_str()),
            order_id,
            algo_id,
            client_order_id: Cow::Borrowed(&order.client_order_id),
            side: Cow::Borrowed(names::side(order.side)),
            position_side: Cow::Borrowed(names::position_side(order.position_side)),
            kind: Cow::Borrowed(names::order_type(order.kind)),
            remaining_qty: Figure::quantity(order.remaining),
            price: price(order.kind.limit_price()),
            trigger_price: price(order.kind.trigger_price()),
            callback_rate: callback(order.kind),
            reduce_only: order.reduce_only,
            close_position: order.close_position,
            working_type: Cow::Borrowed(names::working_type(order.trigger_by)),
            price_protect: order.price_protect,
        }
    }
}

/// How far a trailing stop trails.
#[must_use]
pub fn callback(kind: OrderKind) -> Figure {
    match kind {
        OrderKind::TrailingStopMarket { callback, .. } => Figure::fraction(callback),
        _ => Figure::NONE,
    }
}
