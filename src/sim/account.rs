//! What the account holds: balances, positions, settings, orders.
//!
//! Plain data and the moves of money between its pockets. Every posting to a balance is cut to
//! eight decimals and every entry price to twelve, as they are printed: what a client is told is
//! then what is true, to the last digit. Must not know how margin is computed or told.

use std::collections::BTreeMap;

use crate::scenario::WorkingPrice;
use crate::scenario::{AssetMode, ConditionalKind, MarginType, PositionMode, PositionSide, Side};

use super::contract::Contract;
use super::exact::Fixed;

/// Decimals of an entry price.
pub(crate) const ENTRY_DECIMALS: u32 = 12;
/// Decimals of a balance.
pub(crate) const BALANCE_DECIMALS: u32 = 8;

pub(crate) type Contracts = BTreeMap<String, Contract>;
pub(crate) type Leg = (String, PositionSide);

/// The whole account.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    pub(crate) mode: PositionMode,
    pub(crate) assets: AssetMode,
    /// Cross wallet balance per asset.
    pub(crate) cross: BTreeMap<String, Fixed>,
    pub(crate) positions: BTreeMap<Leg, Position>,
    pub(crate) settings: BTreeMap<String, Settings>,
    pub(crate) orders: BTreeMap<i64, Order>,
    pub(crate) algos: BTreeMap<i64, Algo>,
    pub(crate) collateral: BTreeMap<String, Collateral>,
}

/// Position of one leg.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Position {
    /// Signed amount.
    pub(crate) amount: Fixed,
    pub(crate) entry: Fixed,
    pub(crate) isolated_wallet: Fixed,
    /// Realised profit before fees, since the beginning.
    pub(crate) realized: Fixed,
    /// Fees paid since the position was opened.
    pub(crate) fees: Fixed,
    pub(crate) updated_ms: i64,
}

impl Position {
    pub(crate) fn unrealized(&self, mark: Fixed) -> Fixed {
        self.amount.times(mark) - self.amount.times(self.entry)
    }

    /// Entry moved by the fees paid: the price at which closing for free breaks even.
    pub(crate) fn break_even(&self) -> Fixed {
        let shift = self.fees.over(self.amount).unwrap_or_default();
        (self.entry + shift).cut(ENTRY_DECIMALS)
    }
}

/// Settings of one contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) leverage: u32,
    pub(crate) margin_type: MarginType,
    pub(crate) auto_add: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            leverage: 20,
            margin_type: MarginType::Crossed,
            auto_add: false,
        }
    }
}

/// Collateral rates of an asset in multi-assets mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Collateral {
    pub(crate) index: Fixed,
    pub(crate) bid_buffer: Fixed,
    pub(crate) ask_buffer: Fixed,
}

impl Collateral {
    pub(crate) const PAR: Self = Self {
        index: Fixed::ONE,
        bid_buffer: Fixed::ZERO,
        ask_buffer: Fixed::ZERO,
    };

    pub(crate) fn bid(&self) -> Fixed {
        self.index.times(Fixed::ONE - self.bid_buffer).cut(8)
    }

    pub(crate) fn ask(&self) -> Fixed {
        self.index.times(Fixed::ONE + self.ask_buffer).cut(8)
    }
}

/// Kind of an order once it is in the book.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OrderKind {
    Limit,
    Market,
    Liquidation,
}

impl OrderKind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Limit => "LIMIT",
            Self::Market => "MARKET",
            Self::Liquidation => "LIQUIDATION",
        }
    }
}

/// Where an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    New,
    PartiallyFilled,
    Filled,
    Canceled,
    Expired,
}

impl Status {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::New => "NEW",
            Self::PartiallyFilled => "PARTIALLY_FILLED",
            Self::Filled => "FILLED",
            Self::Canceled => "CANCELED",
            Self::Expired => "EXPIRED",
        }
    }
}

/// Terms of an order that the exchange keeps and echoes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Terms {
    /// How the book set its price; `NONE` when the client named one.
    pub(crate) price_match: &'static str,
    pub(crate) self_trade_prevention: &'static str,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            price_match: "NONE",
            self_trade_prevention: "EXPIRE_MAKER",
        }
    }
}

impl Terms {
    pub(crate) fn matches_price(self) -> bool {
        self.price_match != "NONE"
    }
}

/// An order of the matching engine.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    pub(crate) id: i64,
    pub(crate) client_id: String,
    pub(crate) symbol: String,
    pub(crate) side: Side,
    pub(crate) leg: PositionSide,
    pub(crate) kind: OrderKind,
    /// What the client had asked for, e.g. `STOP_MARKET` for a triggered stop.
    pub(crate) original_kind: String,
    pub(crate) time_in_force: String,
    pub(crate) quantity: Fixed,
    /// Zero for market orders.
    pub(crate) price: Fixed,
    pub(crate) stop_price: Fixed,
    pub(crate) reduce_only: bool,
    pub(crate) close_position: bool,
    pub(crate) working_type: &'static str,
    pub(crate) good_till_ms: i64,
    pub(crate) terms: Terms,
    pub(crate) executed: Fixed,
    /// Sum of price × quantity of the fills.
    pub(crate) turnover: Fixed,
    pub(crate) status: Status,
    pub(crate) created_ms: i64,
    pub(crate) updated_ms: i64,
    /// The conditional order it came from.
    pub(crate) algo: Option<i64>,
}

impl Order {
    pub(crate) fn remaining(&self) -> Fixed {
        self.quantity - self.executed
    }

    pub(crate) fn average(&self) -> Fixed {
        self.turnover.over(self.executed).unwrap_or_default()
    }

    /// Whether the exchange itself constrains it to reduce: such orders need no margin.
    pub(crate) fn only_reduces(&self) -> bool {
        self.reduce_only || closes_leg(self.side, self.leg)
    }
}

/// Whether a side closes the given leg of hedge mode.
pub(crate) fn closes_leg(side: Side, leg: PositionSide) -> bool {
    matches!(
        (side, leg),
        (Side::Sell, PositionSide::Long) | (Side::Buy, PositionSide::Short)
    )
}

/// +1 for a buy, -1 for a sell.
pub(crate) fn signed(side: Side, quantity: Fixed) -> Fixed {
    match side {
        Side::Buy => quantity,
        Side::Sell => -quantity,
    }
}

pub(crate) fn side_name(side: Side) -> &'static str {
    match side {
        Side::Buy => "BUY",
        Side::Sell => "SELL",
    }
}

pub(crate) fn leg_name(leg: PositionSide) -> &'static str {
    match leg {
        PositionSide::Both => "BOTH",
        PositionSide::Long => "LONG",
        PositionSide::Short => "SHORT",
    }
}

/// A conditional order, held apart from the book until its price comes.
#[derive(Debug, Clone)]
pub(crate) struct Algo {
    pub(crate) id: i64,
    pub(crate) client_id: String,
    pub(crate) symbol: String,
    pub(crate) side: Side,
    pub(crate) leg: PositionSide,
    pub(crate) condition: ConditionalKind,
    pub(crate) working_price: WorkingPrice,
    pub(crate) quantity: Fixed,
    /// Limit price once triggered; zero for market.
    pub(crate) price: Fixed,
    pub(crate) time_in_force: String,
    pub(crate) reduce_only: bool,
    pub(crate) close_position: bool,
    pub(crate) price_protect: bool,
    pub(crate) good_till_ms: i64,
    pub(crate) terms: Terms,
    pub(crate) status: &'static str,
    /// Order it became.
    pub(crate) order_id: Option<i64>,
    pub(crate) created_ms: i64,
    pub(crate) updated_ms: i64,
    pub(crate) triggered_ms: i64,
    /// Extreme price since a trailing order became active.
    pub(crate) extreme: Option<Fixed>,
}

impl Algo {
    /// The exchange's name for its kind.
    pub(crate) fn kind_name(&self) -> &'static str {
        match (self.condition, self.becomes_limit()) {
            (ConditionalKind::Stop(_), false) => "STOP_MARKET",
            (ConditionalKind::Stop(_), true) => "STOP",
            (ConditionalKind::TakeProfit(_), false) => "TAKE_PROFIT_MARKET",
            (ConditionalKind::TakeProfit(_), true) => "TAKE_PROFIT",
            (ConditionalKind::Trailing { .. }, _) => "TRAILING_STOP_MARKET",
        }
    }

    /// Whether it becomes a limit order when it fires.
    pub(crate) fn becomes_limit(&self) -> bool {
        self.price.is_positive() || self.terms.matches_price()
    }

    pub(crate) fn trigger(&self) -> Fixed {
        match self.condition {
            ConditionalKind::Stop(price) | ConditionalKind::TakeProfit(price) => {
                Fixed::from_decimal(price).unwrap_or_default()
            }
            ConditionalKind::Trailing { .. } => Fixed::ZERO,
        }
    }

    pub(crate) fn working_type(&self) -> &'static str {
        match self.working_price {
            WorkingPrice::Mark => "MARK_PRICE",
            WorkingPrice::Last => "CONTRACT_PRICE",
        }
    }
}

impl Account {
    pub(crate) fn new() -> Self {
        Self {
            mode: PositionMode::OneWay,
            assets: AssetMode::Single,
            cross: BTreeMap::new(),
            positions: BTreeMap::new(),
            settings: BTreeMap::new(),
            orders: BTreeMap::new(),
            algos: BTreeMap::new(),
            collateral: BTreeMap::new(),
        }
    }

    pub(crate) fn settings(&self, symbol: &str) -> Settings {
        self.settings.get(symbol).copied().unwrap_or_default()
    }

    pub(crate) fn is_isolated(&self, symbol: &str) -> bool {
        self.settings(symbol).margin_type == MarginType::Isolated
    }

    pub(crate) fn position(&self, symbol: &str, leg: PositionSide) -> Position {
        self.positions
            .get(&(symbol.to_owned(), leg))
            .cloned()
            .unwrap_or_default()
    }

    /// Legs of the current position mode.
    pub(crate) fn legs(&self) -> &'static [PositionSide] {
        match self.mode {
            PositionMode::OneWay => &[PositionSide::Both],
            PositionMode::Hedge => &[PositionSide::Long, PositionSide::Short],
        }
    }

    /// Positions that are not flat.
    pub(crate) fn open_positions(&self) -> impl Iterator<Item = (&Leg, &Position)> {
        self.positions
            .iter()
            .filter(|(_, position)| !position.amount.is_zero())
    }

    pub(crate) fn holds(&self, symbol: &str) -> bool {
        self.open_positions().any(|((held, _), _)| held == symbol)
    }

    pub(crate) fn orders_of<'a>(&'a self, symbol: &'a str) -> impl Iterator<Item = &'a Order> {
        self.orders
            .values()
            .filter(move |order| order.symbol == symbol)
    }

    pub(crate) fn algos_of<'a>(&'a self, symbol: &'a str) -> impl Iterator<Item = &'a Algo> {
        self.algos
            .values()
            .filter(move |algo| algo.symbol == symbol)
    }

    /// Wallet balance: the cross wallet and every isolated wallet of the asset.
    pub(crate) fn wallet(&self, asset: &str, contracts: &Contracts) -> Fixed {
        let isolated: Fixed = self
            .positions
            .iter()
            .filter(|((symbol, _), _)| {
                contracts
                    .get(symbol)
                    .is_some_and(|contract| contract.margin_asset == asset)
            })
            .map(|(_, position)| position.isolated_wallet)
            .sum();
        self.cross_wallet(asset) + isolated
    }

    pub(crate) fn cross_wallet(&self, asset: &str) -> Fixed {
        self.cross.get(asset).copied().unwrap_or_default()
    }

    /// Posts to the cross wallet, cut to eight decimals.
    pub(crate) fn post(&mut self, asset: &str, amount: Fixed) {
        *self.cross.entry(asset.to_owned()).or_default() += amount.cut(BALANCE_DECIMALS);
    }

    /// Moves margin from the cross wallet into a position's own.
    pub(crate) fn lock(&mut self, asset: &str, leg: &Leg, amount: Fixed) {
        let amount = amount.cut(BALANCE_DECIMALS);
        self.post(asset, -amount);
        self.positions
            .entry(leg.clone())
            .or_default()
            .isolated_wallet += amount;
    }

    /// Rates at which an asset counts as collateral and is owed; par in single-asset mode.
    pub(crate) fn rates(&self, asset: &str) -> (Fixed, Fixed) {
        if self.assets == AssetMode::Single {
            return (Fixed::ONE, Fixed::ONE);
        }
        let rate = self
            .collateral
            .get(asset)
            .copied()
            .unwrap_or(Collateral::PAR);
        (rate.bid(), rate.ask())
    }
}
