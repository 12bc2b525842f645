//! What an account is made of, in the field's own words.
//!
//! Owns: the plain values that an account consists of: positions, settings, resting orders,
//! trading rules.
//! Must not know: how any figure is computed, where the values come from, wire spellings.

use std::fmt;
use std::sync::Arc;

use super::amount::{
    Amount, ArithmeticError, Leverage, MarkPrice, Notional, Price, Quantity, Rate,
};
use super::bracket::{BracketError, BracketTable};
use super::contribution::Missing;

/// The longest symbol or asset name that is accepted, in bytes.
pub const NAME_LENGTH_MAX: usize = 64;

/// Declares an opaque, cheaply cloned name.
macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name, unless it is empty or longer than [`NAME_LENGTH_MAX`] bytes. Nothing is
            /// derived from what it says: symbols may be in any script and start with digits.
            #[must_use]
            pub fn new(name: &str) -> Option<Self> {
                if name.is_empty() || name.len() > NAME_LENGTH_MAX {
                    return None;
                }
                Some(Self(name.into()))
            }

            /// The name as the exchange writes it.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

name! {
    /// A contract's full name: perpetuals, dated contracts and names in any script alike.
    Symbol
}
name! {
    /// A margin asset: what a pool is counted in.
    Asset
}

impl Asset {
    /// What the one pool of multi-assets mode is counted in: US dollars, which are no asset of the
    /// exchange's.
    #[must_use]
    pub fn usd() -> Self {
        Self("USD".into())
    }
}

/// Which way an order trades.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// Adds to a long, takes from a short.
    Buy,
    /// Adds to a short, takes from a long.
    Sell,
}

impl Side {
    /// The other side.
    #[must_use]
    pub const fn opposite(self) -> Self {
        match self {
            Self::Buy => Self::Sell,
            Self::Sell => Self::Buy,
        }
    }
}

/// Which position of a symbol is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PositionSide {
    /// The one position of one-way mode.
    Both,
    /// The long leg of hedge mode.
    Long,
    /// The short leg of hedge mode.
    Short,
}

/// One net position per symbol, or a long and a short leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PositionMode {
    /// One net position per symbol.
    OneWay,
    /// Separate long and short legs.
    Hedge,
}

/// Whether each margin asset stands alone or all of them together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AssetMode {
    /// Every margin asset is a pool of its own.
    Single,
    /// One pool in USD for the whole account.
    Multi,
}

/// What a losing position can reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MarginMode {
    /// The whole pool.
    Crossed,
    /// Only the margin assigned to the position.
    Isolated,
}

/// The trader's settings for one symbol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Leverage in force.
    pub leverage: Leverage,
    /// Margin mode in force.
    pub margin_mode: MarginMode,
    /// When set, an isolated position draws on the pool near liquidation: isolated is then no cap
    /// on the loss, and the position is treated as crossed risk.
    pub auto_add_margin: bool,
    /// The largest notional at this leverage as the exchange states it, if it did.
    pub notional_max: Option<Notional>,
}

impl Settings {
    /// The mode that counts for risk: isolated with auto-add margin reaches into the pool.
    ///
    /// Source: margin-math §10.
    #[must_use]
    pub const fn risk_mode(&self) -> MarginMode {
        match self.margin_mode {
            MarginMode::Isolated if !self.auto_add_margin => MarginMode::Isolated,
            MarginMode::Isolated | MarginMode::Crossed => MarginMode::Crossed,
        }
    }
}

/// One position (leg) of a symbol. A leg without quantity is flat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Leg {
    /// Signed: positive is long.
    pub quantity: Quantity,
    /// Average entry price; zero when flat. Of a leg that an order would make it is a quotient,
    /// rounded half-even: money is computed from `entry_cost`.
    pub entry_price: Price,
    /// Quantity × entry price, signed, exact: what unrealised profit is counted from.
    pub entry_cost: Notional,
    /// Money assigned to an isolated position, without its unrealised profit; zero when crossed.
    pub isolated_wallet: Amount,
}

impl Leg {
    /// A leg as the exchange reports it.
    ///
    /// # Errors
    /// [`ArithmeticError`] when quantity × entry price needs more than 28 digits.
    pub fn new(
        quantity: Quantity,
        entry_price: Price,
        isolated_wallet: Amount,
    ) -> Result<Self, ArithmeticError> {
        let entry_cost = entry_price.times(quantity)?;
        Ok(Self {
            quantity,
            entry_price,
            entry_cost,
            isolated_wallet,
        })
    }

    /// True when there is no position.
    #[must_use]
    pub const fn is_flat(&self) -> bool {
        self.quantity.is_zero()
    }
}

/// The legs of one symbol: `both` in one-way mode, `long` and `short` in hedge mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Legs {
    /// The one position of one-way mode.
    pub both: Leg,
    /// The long leg of hedge mode.
    pub long: Leg,
    /// The short leg of hedge mode; its quantity is negative.
    pub short: Leg,
}

impl Legs {
    /// The leg of this position side.
    #[must_use]
    pub const fn get(&self, side: PositionSide) -> &Leg {
        match side {
            PositionSide::Both => &self.both,
            PositionSide::Long => &self.long,
            PositionSide::Short => &self.short,
        }
    }

    /// The leg of this position side, to change it.
    pub const fn get_mut(&mut self, side: PositionSide) -> &mut Leg {
        match side {
            PositionSide::Both => &mut self.both,
            PositionSide::Long => &mut self.long,
            PositionSide::Short => &mut self.short,
        }
    }

    /// The legs that hold something, with their side.
    pub fn held(&self) -> impl Iterator<Item = (PositionSide, &Leg)> {
        [
            (PositionSide::Both, &self.both),
            (PositionSide::Long, &self.long),
            (PositionSide::Short, &self.short),
        ]
        .into_iter()
        .filter(|(_, leg)| !leg.is_flat())
    }

    /// True when nothing is held.
    #[must_use]
    pub const fn is_flat(&self) -> bool {
        self.both.is_flat() && self.long.is_flat() && self.short.is_flat()
    }
}

/// What a symbol's working orders could open, as sums of order price × remaining quantity. Orders
/// that can only reduce (reduce-only, close-position, closing sides of hedge mode) never count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RestingTotals {
    /// Buys in one-way mode; buys that open the long leg in hedge mode.
    pub buy_notional: Notional,
    /// Sells in one-way mode; sells that open the short leg in hedge mode.
    pub sell_notional: Notional,
    /// Quantity behind `buy_notional`.
    pub buy_quantity: Quantity,
    /// Quantity behind `sell_notional`, positive.
    pub sell_quantity: Quantity,
}

impl RestingTotals {
    /// True when nothing rests.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.buy_quantity.is_zero() && self.sell_quantity.is_zero()
    }
}

/// What the exchange lets be traded, for one symbol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// True only while the contract trades normally.
    pub trading: bool,
    /// The status as the exchange spells it, for messages.
    pub status: String,
    /// The asset the position is margined in.
    pub margin_asset: Asset,
    /// The asset prices are in.
    pub quote_asset: Asset,
    /// Delivery or delisting time in milliseconds since 1970, if one is set.
    pub delivery_ms: Option<i64>,
    /// Smallest price step; `None` switches the check off.
    pub tick: Option<Price>,
    /// Lowest price; `None` switches the check off.
    pub price_min: Option<Price>,
    /// Highest price; `None` switches the check off.
    pub price_max: Option<Price>,
    /// Step and bounds of limit orders.
    pub lot: Lot,
    /// Step and bounds of market orders.
    pub market_lot: Lot,
    /// Smallest notional of an order that can open.
    pub notional_min: Option<Notional>,
    /// A buy may be priced at most mark × this.
    pub price_multiplier_up: Option<Rate>,
    /// A sell may be priced at least mark × this.
    pub price_multiplier_down: Option<Rate>,
    /// How far mark and last may differ before a protected conditional order does not fire.
    pub trigger_protect: Option<Rate>,
}

/// Step and bounds of a quantity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lot {
    /// Smallest quantity.
    pub min: Option<Quantity>,
    /// Largest quantity.
    pub max: Option<Quantity>,
    /// Step from the smallest quantity.
    pub step: Option<Quantity>,
}

/// What is known of a contract's market beside its mark. Only what an order costs asks for it, and
/// only to count an order dearer than the mark would: without it the mark stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Quotes {
    /// Price of the last trade.
    pub last: Option<Price>,
    /// Highest price somebody buys at.
    pub best_bid: Option<Price>,
    /// Lowest price somebody sells at.
    pub best_ask: Option<Price>,
}

/// Everything the margin of one symbol depends on. A value that is not known is `None`, and what
/// depends on it is then unknown too: never zero, never a default.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SymbolState {
    /// The pool the symbol belongs to.
    pub margin_asset: Option<Asset>,
    /// Leverage and margin mode.
    pub settings: Option<Settings>,
    /// Last mark price.
    pub mark: Option<MarkPrice>,
    /// Maintenance tiers.
    pub brackets: Option<Arc<BracketTable>>,
    /// Why there are none, when a table was told and refused.
    pub brackets_refused: Option<BracketError>,
    /// Positions.
    pub legs: Legs,
    /// Working orders that could open.
    pub resting: RestingTotals,
}

impl SymbolState {
    /// What is missing where there are no brackets.
    #[must_use]
    pub const fn no_brackets(&self) -> Missing {
        Missing::Brackets(self.brackets_refused)
    }

    /// True when neither a position nor a working order depends on this symbol.
    #[must_use]
    pub const fn is_idle(&self) -> bool {
        self.legs.is_flat() && self.resting.is_empty()
    }
}
