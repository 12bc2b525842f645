//! Domain words as the exchange, or the contract, spells them on the socket.
//!
//! Owns: the spellings.
//! Must not know: where they are used.

use crate::margin::account::{AssetMode, MarginMode, PositionMode, PositionSide, Side};
use crate::margin::change::Change;
use crate::margin::cost::AssumedFrom;
use crate::margin::liquidation::Direction;
use crate::margin::order::{OrderKind, TriggerBy};
use crate::margin::project::{ExposureChange, PriceSource};
use crate::mirror::event::KeyRefusalCause;

/// `BUY` or `SELL`.
#[must_use]
pub const fn side(side: Side) -> &'static str {
    match side {
        Side::Buy => "BUY",
        Side::Sell => "SELL",
    }
}

/// `BOTH`, `LONG` or `SHORT`.
#[must_use]
pub const fn position_side(side: PositionSide) -> &'static str {
    match side {
        PositionSide::Both => "BOTH",
        PositionSide::Long => "LONG",
        PositionSide::Short => "SHORT",
    }
}

/// `CROSSED` or `ISOLATED`.
#[must_use]
pub const fn margin_type(mode: MarginMode) -> &'static str {
    match mode {
        MarginMode::Crossed => "CROSSED",
        MarginMode::Isolated => "ISOLATED",
    }
}

/// The kind of a change, by the call it is made with.
#[must_use]
pub const fn change_kind(change: &Change) -> &'static str {
    match change {
        Change::Leverage { .. } => "leverage",
        Change::MarginType { .. } => "marginType",
        Change::PositionMargin { .. } => "positionMargin",
        Change::PositionMode { .. } => "positionMode",
        Change::MultiAssetsMargin { .. } => "multiAssetsMargin",
        Change::TransferOut { .. } => "transferOut",
    }
}

/// `one-way` or `hedge`.
#[must_use]
pub const fn position_mode(mode: PositionMode) -> &'static str {
    match mode {
        PositionMode::OneWay => "one-way",
        PositionMode::Hedge => "hedge",
    }
}

/// `single` or `multi`.
#[must_use]
pub const fn asset_mode(mode: AssetMode) -> &'static str {
    match mode {
        AssetMode::Single => "single",
        AssetMode::Multi => "multi",
    }
}

/// `down` or `up`.
#[must_use]
pub const fn direction(direction: Direction) -> &'static str {
    match direction {
        Direction::Down => "down",
        Direction::Up => "up",
    }
}

/// `increases`, `reduces` or `neutral`.
#[must_use]
pub const fn exposure(exposure: ExposureChange) -> &'static str {
    match exposure {
        ExposureChange::Increases => "increases",
        ExposureChange::Reduces => "reduces",
        ExposureChange::Neutral => "neutral",
    }
}

/// Where an assumed price came from.
#[must_use]
pub const fn price_source(source: PriceSource) -> &'static str {
    match source {
        PriceSource::Limit => "limit",
        PriceSource::Mark => "mark",
        PriceSource::MarkWithSlippage => "mark_with_slippage",
        PriceSource::TriggerWithSlippage => "trigger_with_slippage",
    }
}

/// What decided the price at which the exchange is taken to count an order.
#[must_use]
pub const fn assumed_from(from: AssumedFrom) -> &'static str {
    match from {
        AssumedFrom::Order => "order",
        AssumedFrom::Fill => "price_used",
        AssumedFrom::Mark => "mark",
        AssumedFrom::Last => "last",
        AssumedFrom::Bid => "bid",
        AssumedFrom::Ask => "ask",
    }
}

/// The exchange's order type.
#[must_use]
pub const fn order_type(kind: OrderKind) -> &'static str {
    match kind {
        OrderKind::Market => "MARKET",
        OrderKind::Limit { .. } | OrderKind::PriceMatched => "LIMIT",
        OrderKind::Stop { .. } => "STOP",
        OrderKind::StopMarket { .. } => "STOP_MARKET",
        OrderKind::TakeProfit { .. } => "TAKE_PROFIT",
        OrderKind::TakeProfitMarket { .. } => "TAKE_PROFIT_MARKET",
        OrderKind::TrailingStopMarket { .. } => "TRAILING_STOP_MARKET",
    }
}

/// `MARK_PRICE` or `CONTRACT_PRICE`.
#[must_use]
pub const fn working_type(by: TriggerBy) -> &'static str {
    match by {
        TriggerBy::Mark => "MARK_PRICE",
        TriggerBy::Last => "CONTRACT_PRICE",
    }
}

/// Why the key is refused, in a word.
#[must_use]
pub const fn key_refusal(cause: KeyRefusalCause) -> &'static str {
    match cause {
        KeyRefusalCause::Missing => "missing",
        KeyRefusalCause::Malformed => "malformed",
        KeyRefusalCause::PermissionOrAddress => "permission_or_address",
        KeyRefusalCause::Clock => "clock",
        KeyRefusalCause::Signature => "signature",
        KeyRefusalCause::Environment => "environment",
        KeyRefusalCause::Banned => "banned",
        KeyRefusalCause::Region => "region",
        KeyRefusalCause::Unsupported => "unsupported",
    }
}
