//! What the mirror can be told, in domain words.
//!
//! Owns: the closed [`Event`] enum. If it is not in here, it cannot change the mirror.
//! Must not know: wire names (they end at `exchange::translate`), sockets, the clock.
//!
//! Values are absolute: a balance, a position or an order as it now is, never a difference.
//! Times `*_ms` are the exchange's own, in milliseconds since 1970.

use std::sync::Arc;

use crate::clock::Now;
use crate::margin::account::{
    Asset, AssetMode, MarginMode, PositionMode, PositionSide, Rules, Settings, Symbol,
};
use crate::margin::amount::{Amount, Leverage, MarkPrice, Price, Quantity, Rate};
use crate::margin::bracket::{BracketError, BracketTable};
use crate::margin::collateral::CollateralRate;
use crate::margin::order::OpenOrder;

/// Everything that can change the mirror.
#[derive(Debug, Clone)]
pub enum Event {
    /// A user stream connected and was confirmed; events before the next truth are buffered.
    UserStreamOpened(Connection),
    /// The user stream ended, or may no longer be believed: blind from here until the next one.
    UserStreamLost(StreamLoss),
    /// Something on a living user stream could not be read or was dropped: account and orders
    /// must be read anew, nothing known is lost.
    UserStreamGap(StreamLoss),
    /// A market stream connected.
    MarketStreamOpened(Connection),
    /// The market stream ended or went silent.
    MarketStreamLost(StreamLoss),
    /// Balances and positions that changed; absent is unchanged.
    AccountUpdate(AccountUpdate),
    /// An order as it now is.
    OrderUpdate(OrderUpdate),
    /// A conditional order as it now is.
    AlgoUpdate(AlgoUpdate),
    /// The leverage of one symbol was changed.
    LeverageChanged {
        /// Contract.
        symbol: Symbol,
        /// In force from now on.
        leverage: Leverage,
        /// Event time.
        event_ms: i64,
    },
    /// Single-asset or multi-assets mode was switched.
    AssetModeChanged {
        /// In force from now on.
        mode: AssetMode,
        /// Event time.
        event_ms: i64,
    },
    /// The exchange warned of liquidation. Advisory only: it may come too late.
    MarginCall {
        /// Positions it names.
        symbols: Vec<Symbol>,
        /// Event time.
        event_ms: i64,
    },
    /// A mark price.
    Mark(MarkUpdate),
    /// Last prices or best bids and asks, read over REST; absent is unchanged. Nothing waits for them.
    Quotes(Read<Vec<QuoteUpdate>>),
    /// Collateral rates of assets, as they now are; absent is unchanged.
    CollateralRates(Vec<CollateralUpdate>),
    /// The debts at which the exchange sells other assets in multi-assets mode.
    AutoExchange(Vec<AutoExchange>),
    /// Account-wide settings, read over REST.
    AccountConfig(Read<AccountConfig>),
    /// Settings of all symbols, read over REST.
    SymbolSettings(Read<Vec<SymbolSettings>>),
    /// Balances and positions, read over REST: the whole truth, absent positions are flat.
    AccountTruth(Read<AccountTruth>),
    /// Working orders of both books, read over REST: the whole truth.
    OrdersTruth(Read<OrdersTruth>),
    /// Symbols whose brackets are a multiple of the default ones (`notionalCoef`, never 1); all
    /// others' are as they are told. Comes before the brackets themselves.
    BracketCoefficients(Vec<(Symbol, Rate)>),
    /// Brackets of all symbols, or of those that changed.
    Brackets(Read<Vec<SymbolBrackets>>),
    /// Trading rules of all symbols.
    Rules(Read<Vec<SymbolRules>>),
    /// The exchange's public contract stream announced a change: the tables must be read anew.
    ContractChanged {
        /// Contract.
        symbol: Symbol,
        /// Its brackets changed too.
        brackets: bool,
    },
    /// How far the exchange's clock is from ours.
    ClockOffset(ClockOffset),
    /// A signed call succeeded.
    KeyAccepted {
        /// When.
        at: Now,
    },
    /// The key is missing, refused or banned.
    KeyRefused(KeyRefusal),
    /// What the key may do.
    KeyPermissions(KeyPermissions),
    /// The account's fee rates of one contract, read over REST.
    CommissionRates(CommissionRates),
}

/// One life of a connection: every reconnect has a higher number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Connection {
    /// Counts up from 1.
    pub epoch: u64,
    /// When it was confirmed.
    pub at: Now,
}

/// Why a stream cannot be believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamLoss {
    /// The connection that is meant.
    pub epoch: u64,
    /// Since when.
    pub at: Now,
    /// What happened.
    pub cause: LossCause,
    /// Particulars for messages: already cleaned of secrets and control characters.
    pub detail: String,
}

/// The ways in which a stream is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LossCause {
    /// Could not connect.
    Connect,
    /// The certificate was refused.
    Certificate,
    /// The other side closed, whatever the code.
    Closed,
    /// Neither data nor an answer to our ping in time.
    Silent,
    /// The listen key lapsed or was taken away.
    ListenKey,
    /// A frame could not be read.
    Undecodable,
    /// More events than the queue holds.
    Overflow,
    /// A planned change of connection.
    Rotation,
    /// We are shutting down.
    Shutdown,
}

/// A value that was read over REST, with what is needed to order it against stream events.
#[derive(Debug, Clone)]
pub struct Read<T> {
    /// When the request was sent: events of the stream after this moment are newer.
    pub asked: Now,
    /// When the answer was complete.
    pub answered: Now,
    /// What it said.
    pub value: T,
}

/// `ACCOUNT_UPDATE`: changed items only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountUpdate {
    /// Event time.
    pub event_ms: i64,
    /// Transaction time: what entities are ordered by.
    pub transaction_ms: i64,
    /// Why, in the exchange's word (`ORDER`, `FUNDING_FEE`, …); unknown reasons count alike.
    pub reason: String,
    /// Changed balances.
    pub balances: Vec<BalanceUpdate>,
    /// Changed positions.
    pub positions: Vec<PositionUpdate>,
}

/// One asset's balances as they now are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BalanceUpdate {
    /// Margin asset.
    pub asset: Asset,
    /// Wallet balance, isolated wallets included.
    pub wallet_balance: Amount,
    /// The part that crossed positions share.
    pub cross_wallet_balance: Amount,
}

/// One position as it now is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PositionUpdate {
    /// Contract.
    pub symbol: Symbol,
    /// Which leg.
    pub position_side: PositionSide,
    /// Signed quantity.
    pub quantity: Quantity,
    /// Average entry price.
    pub entry_price: Price,
    /// Money assigned to the position; zero when crossed.
    pub isolated_wallet: Amount,
    /// Margin mode; `None` when the exchange wrote a word we do not know (riskier reading: crossed,
    /// and the settings are read anew).
    pub margin_mode: Option<MarginMode>,
}

/// `ORDER_TRADE_UPDATE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderUpdate {
    /// Event time.
    pub event_ms: i64,
    /// Transaction time.
    pub transaction_ms: i64,
    /// The order; `remaining` is what is left of it.
    pub order: OpenOrder,
    /// Quantity filled so far: with the time it tells an older event from a newer one.
    pub filled: Quantity,
    /// Where it stands.
    pub status: OrderStatus,
    /// Who caused it, as far as its name tells.
    pub origin: OrderOrigin,
    /// The exchange's reason of expiry, if it gave one.
    pub expiry_reason: Option<u32>,
}

/// Where an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum OrderStatus {
    /// New or partially filled; a status we do not know counts as working.
    Working,
    /// Completely filled.
    Filled,
    /// Cancelled, expired or rejected.
    Gone,
}

/// Who caused an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum OrderOrigin {
    /// Somebody with access to the account.
    Client,
    /// The exchange liquidates (`autoclose-…`).
    Liquidation,
    /// The exchange deleverages (`adl_autoclose…`).
    AutoDeleveraging,
    /// Delivery or delisting (`settlement_autoclose-…`, `delivery_autoclose-…`).
    Settlement,
}

/// `ALGO_UPDATE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlgoUpdate {
    /// Event time.
    pub event_ms: i64,
    /// Transaction time.
    pub transaction_ms: i64,
    /// The conditional order.
    pub order: OpenOrder,
    /// Where it stands.
    pub status: AlgoStatus,
    /// The ordinary order it became, once it was placed.
    pub became: Option<i64>,
    /// Why the engine refused it at the trigger, if it did: already cleaned of control characters.
    pub refusal: Option<String>,
}

/// Where a conditional order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AlgoStatus {
    /// Held until its trigger; a status we do not know counts as this.
    Waiting,
    /// Its trigger was reached: from here on the ordinary book tells.
    Triggered,
    /// Cancelled, expired or done.
    Gone,
    /// The engine refused it at the trigger: a protection that is not there.
    Refused,
}

/// A mark price with what came along.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarkUpdate {
    /// Contract.
    pub symbol: Symbol,
    /// The mark; `None` when the exchange sent zero, which means unknown.
    pub mark: Option<MarkPrice>,
    /// Rate of the next funding; `None` where there is none.
    pub funding_rate: Option<Rate>,
    /// When the next funding settles.
    pub next_funding_ms: Option<i64>,
    /// Event time: freshness is counted from it.
    pub event_ms: i64,
}

/// What was read of a contract's market beside its mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuoteUpdate {
    /// Contract.
    pub symbol: Symbol,
    /// What was read.
    pub quote: Quote,
}

/// One of the two reads that tell quotes. A price is `None` where the exchange sent zero: there is
/// none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quote {
    /// Price of the last trade.
    Last(Option<Price>),
    /// The best of the book.
    Best {
        /// Highest price somebody buys at.
        bid: Option<Price>,
        /// Lowest price somebody sells at.
        ask: Option<Price>,
    },
}

/// What an asset counts for in multi-assets mode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CollateralUpdate {
    /// Asset.
    pub asset: Asset,
    /// Its rates; `None` when the exchange sent what cannot be a rate (zero means unknown).
    pub rate: Option<CollateralRate>,
    /// The part of its price that does not count while it is owned; `None` when it was not told.
    pub haircut: Option<Rate>,
    /// Event time: freshness is counted from it.
    pub event_ms: i64,
}

/// When the exchange pays an asset's debt by selling others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AutoExchange {
    /// Asset.
    pub asset: Asset,
    /// The balance below which it does (negative); `None` when it states none.
    pub below: Option<Amount>,
}

/// Account-wide settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccountConfig {
    /// One-way or hedge.
    pub position_mode: PositionMode,
    /// Single-asset or multi-assets.
    pub asset_mode: AssetMode,
    /// The account may trade at all.
    pub can_trade: bool,
}

/// Settings of one symbol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SymbolSettings {
    /// Contract.
    pub symbol: Symbol,
    /// Leverage, margin mode, auto-add margin.
    pub settings: Settings,
}

/// Balances and positions read over REST.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountTruth {
    /// Every margin asset.
    pub balances: Vec<TruthBalance>,
    /// Every position with a quantity; those that are not named are flat.
    pub positions: Vec<TruthPosition>,
    /// The account holds credits (BNFCR): a mode that is not modelled.
    pub credits: bool,
}

/// One asset row of the account endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TruthBalance {
    /// The balances.
    pub balance: BalanceUpdate,
    /// When the row last changed.
    pub updated_ms: i64,
    /// The exchange's own figures at its own moment, to show drift against; never used to decide.
    pub figures: ExchangeFigures,
}

/// What the exchange computes for an asset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExchangeFigures {
    /// `maintMargin`.
    pub maintenance_margin: Amount,
    /// `initialMargin`.
    pub initial_margin: Amount,
    /// `openOrderInitialMargin`.
    pub open_order_initial_margin: Amount,
    /// `availableBalance`.
    pub available_balance: Amount,
}

/// One position row, merged from the account and the position endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TruthPosition {
    /// The position; its margin mode is not told here.
    pub position: PositionUpdate,
    /// The asset it is margined in.
    pub margin_asset: Asset,
    /// When the row last changed.
    pub updated_ms: i64,
    /// The exchange's liquidation price, to show drift against; `None` when it printed 0.
    pub liquidation_price: Option<Price>,
    /// Where the position stands in the queue for auto-deleveraging, 4 first; `None` when not told.
    pub deleveraging_quantile: Option<u8>,
}

/// Working orders of both books.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrdersTruth {
    /// Ordinary and conditional orders.
    pub orders: Vec<OpenOrder>,
}

/// Brackets of one symbol: a proved table, or why it is not one.
#[derive(Debug, Clone)]
pub struct SymbolBrackets {
    /// Contract.
    pub symbol: Symbol,
    /// The table.
    pub table: Result<Arc<BracketTable>, BracketError>,
}

/// Trading rules of one symbol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SymbolRules {
    /// Contract.
    pub symbol: Symbol,
    /// Its rules.
    pub rules: Rules,
}

/// The exchange's clock against our wall clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockOffset {
    /// Exchange time − our wall time, in milliseconds.
    pub offset_ms: i64,
    /// Half the round trip of the best sample: how wrong the offset may be.
    pub error_ms: i64,
    /// When it was measured.
    pub at: Now,
}

/// The account's fee rates of one contract, as fractions of the notional.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommissionRates {
    /// Contract.
    pub symbol: Symbol,
    /// Of an order that waits in the book; negative is a rebate.
    pub maker: Rate,
    /// Of an order that takes from the book.
    pub taker: Rate,
    /// When they were asked for.
    pub at: Now,
}

/// What a key may do besides reading, as the exchange states it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KeyPermissions {
    /// Send orders, or change what orders rest on.
    pub trades: bool,
    /// Move money between wallets or accounts.
    pub transfers: bool,
    /// Send money away.
    pub withdraws: bool,
    /// It is not bound to any address.
    pub any_address: bool,
}

impl KeyPermissions {
    /// True when it may do more than the guard needs.
    #[must_use]
    pub const fn is_more_than_reading(self) -> bool {
        self.trades || self.transfers || self.withdraws
    }
}

/// Why signed calls fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRefusal {
    /// When.
    pub at: Now,
    /// Which kind.
    pub cause: KeyRefusalCause,
    /// The exchange's words or ours: already cleaned of secrets and control characters.
    pub detail: String,
}

/// The ways in which a key fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyRefusalCause {
    /// No key is configured.
    Missing,
    /// -2014: not a key.
    Malformed,
    /// -2015: unknown key, address not on its list, or without permission.
    PermissionOrAddress,
    /// -1021: our clock is off.
    Clock,
    /// -1022: the secret does not belong to the key.
    Signature,
    /// -2008 and the like: a key of another environment.
    Environment,
    /// 418: banned for a while.
    Banned,
    /// 451: not served in this region.
    Region,
    /// The account is of a kind we do not model (portfolio margin).
    Unsupported,
}
