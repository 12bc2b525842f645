//! What a scenario line can say, as plain data.

use std::time::Duration;

use rust_decimal::Decimal;

use super::fault::Fault;

/// One statement. The grammar of each is in `docs/scenario.md`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Statement {
    /// `seed N`: the seed of everything random.
    Seed(u64),
    /// `mode hedge|one-way`.
    PositionMode(PositionMode),
    /// `assets single|multi`.
    AssetMode(AssetMode),
    /// `symbol NAME …`: lists a contract.
    Symbol(SymbolLine),
    /// `status NAME TRADING|SETTLING|…`.
    Status {
        /// Contract.
        symbol: String,
        /// The exchange's word for its state.
        status: String,
    },
    /// `brackets NAME floor cap rate max-leverage | …`.
    Brackets {
        /// Contract.
        symbol: String,
        /// Tiers in ascending order; contiguity is proved by the reader, not here.
        tiers: Vec<Tier>,
    },
    /// `wallet ASSET AMOUNT`: the wallet balance, isolated wallets included.
    Wallet {
        /// Asset.
        asset: String,
        /// Wallet balance in units of the asset.
        amount: Decimal,
    },
    /// `index ASSET PRICE [bid BUFFER] [ask BUFFER]`: collateral rates of multi-assets mode.
    Index {
        /// Asset.
        asset: String,
        /// Price in USD.
        price: Decimal,
        /// Fraction taken off when the asset counts as collateral.
        bid_buffer: Decimal,
        /// Fraction put on when the asset is owed.
        ask_buffer: Decimal,
    },
    /// `notional-coef NAME FACTOR [default]`: the account's brackets are a multiple of the default
    /// ones, and the exchange says so.
    NotionalCoef {
        /// Contract.
        symbol: String,
        /// The multiple.
        coefficient: Decimal,
        /// It tells the default brackets beside it instead of the account's own.
        tells_default: bool,
    },
    /// `leverage NAME 20x`.
    Leverage {
        /// Contract.
        symbol: String,
        /// Initial leverage.
        leverage: u32,
    },
    /// `margin NAME crossed|isolated`.
    MarginType {
        /// Contract.
        symbol: String,
        /// New margin type.
        margin_type: MarginType,
    },
    /// `auto-add NAME on|off`: automatic margin addition of an isolated contract.
    AutoAddMargin {
        /// Contract.
        symbol: String,
        /// Whether it is on.
        on: bool,
    },
    /// `pos NAME …`: a position that is simply there.
    Position(PositionLine),
    /// `mark NAME PRICE`.
    Mark {
        /// Contract.
        symbol: String,
        /// Mark price; zero is what a settled contract reports.
        price: Decimal,
    },
    /// `last NAME PRICE`: a print away from the mark; sets the last price only.
    Last {
        /// Contract.
        symbol: String,
        /// Last price.
        price: Decimal,
    },
    /// `book NAME BID ASK|around-mark`: the best of the book stands away from the mark, until it is put
    /// back.
    Book {
        /// Contract.
        symbol: String,
        /// Best bid and best ask; `None` puts them around the mark again.
        best: Option<(Decimal, Decimal)>,
    },
    /// `walk NAME VOLATILITY`: random walk, standard move per second as a fraction.
    Walk {
        /// Contract.
        symbol: String,
        /// Fraction of the price per second; zero stops the walk.
        volatility: Decimal,
    },
    /// `jumps NAME CHANCE SIZE`: sudden moves of a seeded market.
    Jumps {
        /// Contract.
        symbol: String,
        /// Chance per second, a fraction; zero ends them.
        chance: Decimal,
        /// Standard size of a jump as a fraction of the price.
        size: Decimal,
    },
    /// `order NAME buy|sell QTY …`: an order somebody places at the exchange.
    Order(OrderLine),
    /// `cancel NAME [id X]`: one order or algo order, or all of the contract.
    Cancel {
        /// Contract.
        symbol: String,
        /// Client id; without it every order of the contract.
        id: Option<String>,
    },
    /// `fill NAME id X QTY`: a resting order is filled in part.
    Fill {
        /// Contract.
        symbol: String,
        /// Client id.
        id: String,
        /// Quantity.
        quantity: Decimal,
    },
    /// `transfer ASSET ±AMOUNT`: deposit or withdrawal.
    Transfer {
        /// Asset.
        asset: String,
        /// Signed amount.
        amount: Decimal,
    },
    /// `adjust ASSET ±AMOUNT [REASON]`: a balance change with any reason the stream knows.
    Adjust {
        /// Asset.
        asset: String,
        /// Signed amount.
        amount: Decimal,
        /// The `m` of the account event, e.g. `AUTO_EXCHANGE`.
        reason: String,
    },
    /// `add-margin NAME ±AMOUNT [long|short]`: isolated margin added or removed.
    AddMargin {
        /// Contract.
        symbol: String,
        /// Signed amount.
        amount: Decimal,
        /// Leg.
        position_side: PositionSide,
    },
    /// `funding NAME RATE`: one settlement, now.
    Funding {
        /// Contract.
        symbol: String,
        /// Rate; positive makes longs pay.
        rate: Decimal,
    },
    /// `liquidate NAME`: the exchange liquidates the isolated position, or the pool it is in.
    Liquidate {
        /// Contract.
        symbol: String,
    },
    /// `adl NAME QTY [long|short]`: auto-deleveraging closes part of a position at mark.
    Adl {
        /// Contract.
        symbol: String,
        /// Quantity.
        quantity: Decimal,
        /// Leg.
        position_side: PositionSide,
    },
    /// `settle NAME PRICE`: delivery or delisting closes the contract.
    Settle {
        /// Contract.
        symbol: String,
        /// Settlement price.
        price: Decimal,
    },
    /// `margin-call NAME`: the advisory event, without anything behind it.
    MarginCall {
        /// Contract.
        symbol: String,
    },
    /// `margin-calls RATIO|off`: from which margin ratio on the exchange sends the event by itself.
    MarginCalls {
        /// Maintenance margin over margin balance; `None` sends nothing.
        ratio: Option<Decimal>,
    },
    /// `liquidations whole|partial`: whether the exchange first tries to close only a part.
    Liquidations {
        /// Only as much as brings the account back, where that can be paid.
        partial: bool,
    },
    /// `at TIME LINE`: the line runs that long after it was read.
    At {
        /// Delay.
        after: Duration,
        /// What happens then.
        statement: Box<Statement>,
    },
    /// `silent LINE`: the truth changes, the account stream says nothing.
    Silent(Box<Statement>),
    /// A mishap of the exchange or its streams.
    Fault(Fault),
    /// `expect …`: kept as written, for whoever runs the scenario to interpret.
    Expect(String),
}

/// Position mode of the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PositionMode {
    /// One net position per contract.
    OneWay,
    /// A long and a short leg per contract.
    Hedge,
}

/// Asset mode of the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AssetMode {
    /// Each margin asset is a pool of its own.
    Single,
    /// One pool, valued in USD.
    Multi,
}

/// Margin type of a contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MarginType {
    /// Shares the pool.
    Crossed,
    /// Has margin of its own.
    Isolated,
}

/// Direction of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Buy.
    Buy,
    /// Sell.
    Sell,
}

/// Leg of a position or order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PositionSide {
    /// The net position of one-way mode.
    Both,
    /// The long leg of hedge mode.
    Long,
    /// The short leg of hedge mode.
    Short,
}

/// A contract and its rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SymbolLine {
    /// Name.
    pub symbol: String,
    /// Smallest price step.
    pub tick: Decimal,
    /// Smallest quantity step.
    pub step: Decimal,
    /// Smallest notional of an order, in the quote asset.
    pub min_notional: Decimal,
    /// Base asset.
    pub base: String,
    /// Quote asset.
    pub quote: String,
    /// Margin asset.
    pub margin: String,
    /// Taker commission rate.
    pub taker: Decimal,
    /// Maker commission rate.
    pub maker: Decimal,
    /// The exchange's word for its state, e.g. `TRADING`.
    pub status: String,
    /// The exchange's word for its kind, e.g. `PERPETUAL`.
    pub contract: String,
    /// Liquidation fee as a fraction of the notional.
    pub liquidation_fee: Decimal,
    /// Largest distance of an order's price from the mark on the losing side, as a fraction.
    pub percent_price: Decimal,
    /// Hours between funding settlements; zero for dated contracts.
    pub funding_hours: u32,
}

/// One tier of a bracket table as it is written; `cum` follows from the tiers before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tier {
    /// Notional above which it holds.
    pub floor: Decimal,
    /// Largest notional it holds for.
    pub cap: Decimal,
    /// Maintenance margin rate.
    pub rate: Decimal,
    /// Largest initial leverage.
    pub leverage_max: u32,
}

/// A position that is simply there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PositionLine {
    /// Contract.
    pub symbol: String,
    /// Margin type of the contract.
    pub margin_type: MarginType,
    /// Leverage of the contract.
    pub leverage: u32,
    /// Signed amount, negative for short.
    pub amount: Decimal,
    /// Entry price.
    pub entry: Decimal,
    /// Leg; [`PositionSide::Both`] in one-way mode.
    pub position_side: PositionSide,
    /// Isolated wallet; by default entry notional over leverage.
    pub isolated_wallet: Option<Decimal>,
}

/// An order somebody places at the exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderLine {
    /// Contract.
    pub symbol: String,
    /// Direction.
    pub side: Side,
    /// Quantity; absent only for a close-position order.
    pub quantity: Option<Decimal>,
    /// Limit price; without it a market order.
    pub price: Option<Decimal>,
    /// Time in force of a limit order, e.g. `GTC`.
    pub time_in_force: String,
    /// Leg.
    pub position_side: PositionSide,
    /// May only reduce.
    pub reduce_only: bool,
    /// Closes the whole position (conditional orders only).
    pub close_position: bool,
    /// Client id; without it the exchange makes one up.
    pub id: Option<String>,
    /// Present for a conditional (algo) order.
    pub conditional: Option<Conditional>,
}

/// What a conditional order waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conditional {
    /// Stop, take-profit or trailing.
    pub kind: ConditionalKind,
    /// Which price is watched.
    pub working_price: WorkingPrice,
}

/// Kind of a conditional order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConditionalKind {
    /// Fires when the price moves against the waiting side.
    Stop(Decimal),
    /// Fires when the price moves in favour.
    TakeProfit(Decimal),
    /// Follows the price; `callback` in percent.
    Trailing {
        /// Distance in percent, 1 = 1 %.
        callback: Decimal,
        /// Price from which it follows.
        activate: Option<Decimal>,
    },
}

/// Price a conditional order watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkingPrice {
    /// Mark price.
    Mark,
    /// Last price.
    Last,
}
