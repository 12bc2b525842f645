//! Orders: the ones that work at the exchange and the ones somebody wants to send.
//!
//! Owns: [`OpenOrder`] and [`OrderIntent`], before any wire syntax, and what can be said of an
//! order without knowing the account (can the exchange itself only let it reduce?).
//! Must not know: accounts, prices, policy.

use super::account::{PositionSide, Side, Symbol};
use super::amount::{Price, Quantity, Rate};

/// Which price sets a conditional order off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TriggerBy {
    /// The mark price.
    Mark,
    /// The last trade.
    Last,
}

/// What kind of order, with the prices that kind needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderKind {
    /// At whatever price the book offers.
    Market,
    /// At this price or better.
    Limit {
        /// Worst price.
        price: Price,
    },
    /// At a price that the book decides on arrival (`priceMatch` on the wire).
    PriceMatched,
    /// A limit order once the price moved against the book to the trigger.
    Stop {
        /// Price that sets it off.
        trigger: Price,
        /// Worst price.
        price: Price,
    },
    /// A market order once the price moved to the trigger.
    StopMarket {
        /// Price that sets it off.
        trigger: Price,
    },
    /// A limit order once the price moved in favour to the trigger.
    TakeProfit {
        /// Price that sets it off.
        trigger: Price,
        /// Worst price.
        price: Price,
    },
    /// A market order once the price moved in favour to the trigger.
    TakeProfitMarket {
        /// Price that sets it off.
        trigger: Price,
    },
    /// A market order once the price turned back by a fraction from its best.
    TrailingStopMarket {
        /// Price at which it starts to trail; at once when absent.
        activation: Option<Price>,
        /// How far the price must turn back.
        callback: Rate,
    },
}

impl OrderKind {
    /// True when the order waits outside of the book for a price: it reserves no margin and is
    /// not margin-checked until then.
    ///
    /// Source: margin-math §4.7, binance-api §0.1.
    #[must_use]
    pub const fn is_conditional(self) -> bool {
        match self {
            Self::Market | Self::Limit { .. } | Self::PriceMatched => false,
            Self::Stop { .. }
            | Self::StopMarket { .. }
            | Self::TakeProfit { .. }
            | Self::TakeProfitMarket { .. }
            | Self::TrailingStopMarket { .. } => true,
        }
    }

    /// The limit price, if the kind has one.
    #[must_use]
    pub const fn limit_price(self) -> Option<Price> {
        match self {
            Self::Limit { price } | Self::Stop { price, .. } | Self::TakeProfit { price, .. } => {
                Some(price)
            }
            Self::Market
            | Self::PriceMatched
            | Self::StopMarket { .. }
            | Self::TakeProfitMarket { .. }
            | Self::TrailingStopMarket { .. } => None,
        }
    }

    /// The price that sets it off, if the kind has one.
    #[must_use]
    pub const fn trigger_price(self) -> Option<Price> {
        match self {
            Self::Stop { trigger, .. }
            | Self::StopMarket { trigger }
            | Self::TakeProfit { trigger, .. }
            | Self::TakeProfitMarket { trigger } => Some(trigger),
            Self::TrailingStopMarket { activation, .. } => activation,
            Self::Market | Self::Limit { .. } | Self::PriceMatched => None,
        }
    }
}

/// Which of the exchange's two order books an id belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum OrderId {
    /// An ordinary order.
    Order(i64),
    /// A conditional order, held by the algo service.
    Algo(i64),
}

/// An order that works at the exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenOrder {
    /// Where it works and under which number.
    pub id: OrderId,
    /// The name the client gave it.
    pub client_order_id: String,
    /// Contract.
    pub symbol: Symbol,
    /// Direction.
    pub side: Side,
    /// Position it belongs to.
    pub position_side: PositionSide,
    /// Kind and prices.
    pub kind: OrderKind,
    /// Quantity not yet filled, positive; zero for a close-position order, which takes whatever
    /// is there.
    pub remaining: Quantity,
    /// The exchange lets it only reduce.
    pub reduce_only: bool,
    /// It closes the whole position.
    pub close_position: bool,
    /// Which price sets it off, for conditional ones.
    pub trigger_by: TriggerBy,
    /// It does not fire while mark and last differ too much.
    pub price_protect: bool,
}

impl OpenOrder {
    /// True when the exchange itself lets this order only reduce.
    #[must_use]
    pub const fn only_reduces(&self) -> bool {
        only_reduces(
            self.side,
            self.position_side,
            self.reduce_only,
            self.close_position,
        )
    }
}

/// An order that somebody wants to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderIntent {
    /// Contract.
    pub symbol: Symbol,
    /// Direction.
    pub side: Side,
    /// Position it belongs to.
    pub position_side: PositionSide,
    /// Kind and prices.
    pub kind: OrderKind,
    /// Positive; `None` only for close-position orders, which take whatever is there.
    pub quantity: Option<Quantity>,
    /// The exchange lets it only reduce.
    pub reduce_only: bool,
    /// It closes the whole position.
    pub close_position: bool,
    /// The name the client gives it, by which its reservation is found again.
    pub client_order_id: Option<String>,
}

impl OrderIntent {
    /// True when the exchange itself lets this order only reduce: it is an exit whatever we know.
    #[must_use]
    pub const fn only_reduces(&self) -> bool {
        only_reduces(
            self.side,
            self.position_side,
            self.reduce_only,
            self.close_position,
        )
    }
}

/// The exchange constrains an order to reduce when it is reduce-only or close-position, or when
/// it is a closing side of hedge mode (one-way mode refuses those with -4061).
///
/// Source: binance-api §7.2 (-1008 exemptions) and §9.3.
#[must_use]
pub const fn only_reduces(
    side: Side,
    position_side: PositionSide,
    reduce_only: bool,
    close_position: bool,
) -> bool {
    reduce_only
        || close_position
        || matches!(
            (position_side, side),
            (PositionSide::Long, Side::Sell) | (PositionSide::Short, Side::Buy)
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_exchange_constrains_is_an_exit() {
        use {PositionSide as P, Side as S};
        let exits = [
            (S::Sell, P::Long, false, false),
            (S::Buy, P::Short, false, false),
            (S::Buy, P::Both, true, false),
            (S::Sell, P::Both, false, true),
        ];
        for (side, position_side, reduce_only, close_position) in exits {
            assert!(only_reduces(
                side,
                position_side,
                reduce_only,
                close_position
            ));
        }
        let others = [
            (S::Buy, P::Long),
            (S::Sell, P::Short),
            (S::Buy, P::Both),
            (S::Sell, P::Both),
        ];
        for (side, position_side) in others {
            assert!(!only_reduces(side, position_side, false, false));
        }
    }
}
