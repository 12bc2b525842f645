//! What is said of a pool.
//!
//! Owns: the figures of one pool at one instant, as plain values.
//! Must not know: how any of them is found.

use super::super::account::{Asset, Symbol};
use super::super::amount::{Amount, Notional, Price, Rate};
use super::super::liquidation::Direction;

/// The worst thing that one move of prices does to a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WalletAtRisk {
    /// Money lost, in the pool's asset.
    pub amount: Amount,
    /// The same as a fraction of the pool's margin balance.
    pub fraction: Rate,
    /// The move that does it.
    pub cause: AdverseMove,
}

/// A move of prices, as a fraction of the mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdverseMove {
    /// The symbol that moves; `None` when all held symbols move together.
    pub symbol: Option<Symbol>,
    /// Which way.
    pub direction: Direction,
    /// How far; positive.
    pub by: Rate,
}

/// The symbol whose smallest move, alone, liquidates the pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstKiller {
    /// Contract.
    pub symbol: Symbol,
    /// Which way it moves.
    pub direction: Direction,
    /// How far, as a fraction of its mark.
    pub by: Rate,
    /// The price it reaches.
    pub price: Price,
}

/// The smallest move of all held symbols together that liquidates the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommonMove {
    /// Which way they move.
    pub direction: Direction,
    /// How far, as a fraction of each mark.
    pub by: Rate,
}

/// Whether the pool stands, and how far from the edge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Survival {
    /// Margin balance is at or below maintenance margin now.
    Liquidatable,
    /// Alive.
    Alive {
        /// The symbol that kills first; `None` when none can alone.
        first_killer: Option<FirstKiller>,
        /// The move of all together; `None` when none kills.
        common_move: Option<CommonMove>,
    },
}

impl Survival {
    /// The move behind the distance: the common move when it is the smaller one. `None` when
    /// liquidatable now, and when no move kills.
    #[must_use]
    pub fn killing_move(&self) -> Option<AdverseMove> {
        let Self::Alive {
            first_killer,
            common_move,
        } = self
        else {
            return None;
        };
        match (first_killer, common_move) {
            (Some(alone), together) if together.is_none_or(|together| together.by >= alone.by) => {
                Some(AdverseMove {
                    symbol: Some(alone.symbol.clone()),
                    direction: alone.direction,
                    by: alone.by,
                })
            }
            (_, together) => together.map(|together| AdverseMove {
                symbol: None,
                direction: together.direction,
                by: together.by,
            }),
        }
    }

    /// The smaller of the first killer's move and the common move: zero when liquidatable now,
    /// `None` when no move kills.
    #[must_use]
    pub fn distance(&self) -> Option<Rate> {
        match self {
            Self::Liquidatable => Some(Rate::ZERO),
            Self::Alive {
                first_killer,
                common_move,
            } => {
                let alone = first_killer.as_ref().map(|killer| killer.by);
                let together = common_move.map(|common| common.by);
                match (alone, together) {
                    (Some(alone), Some(together)) => Some(alone.min(together)),
                    (one, other) => one.or(other),
                }
            }
        }
    }
}

/// Everything a pool's state says at one instant. Money is in the pool's asset; in multi-assets mode
/// that is USD, what is owned counted at the bid rate, what is owed or required at the ask rate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolAssessment {
    /// The pool's asset.
    pub asset: Asset,
    /// What crossed positions share, without unrealised profit.
    pub cross_wallet_balance: Amount,
    /// Unrealised profit of crossed positions.
    pub cross_unrealized_pnl: Amount,
    /// Both together.
    pub margin_balance: Amount,
    /// Initial margin of crossed positions.
    pub position_initial_margin: Amount,
    /// What working orders of crossed symbols add.
    pub open_order_initial_margin: Amount,
    /// Both together.
    pub initial_margin: Amount,
    /// Maintenance margin of crossed positions.
    pub maintenance_margin: Amount,
    /// What new orders can use; never below zero.
    pub available_balance: Amount,
    /// Maintenance ÷ margin balance: 1 is liquidation. `None` when the balance is not above zero.
    pub margin_ratio: Option<Rate>,
    /// Margin balance − maintenance margin.
    pub headroom: Amount,
    /// Money this pool cannot take: what isolated positions of the same asset were assigned.
    pub ring_fenced: Amount,
    /// Sum of absolute notionals.
    pub notional_gross: Notional,
    /// Signed sum of notionals.
    pub notional_net: Notional,
    /// Gross notional ÷ margin balance. `None` when the balance is not above zero.
    pub account_leverage: Option<Rate>,
    /// How many symbols are held crossed.
    pub held: usize,
    /// How far from liquidation.
    pub survival: Survival,
    /// What the worst adverse move takes; `None` when nothing is held crossed.
    pub wallet_at_risk: Option<WalletAtRisk>,
    /// The assets that stand together; empty in single-asset mode.
    pub collateral: Vec<CollateralFigures>,
}

/// One asset of a joint pool. Money is in the asset where it does not say USD.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CollateralFigures {
    /// Asset.
    pub asset: Asset,
    /// What a positive balance counts for, in USD.
    pub bid: Rate,
    /// What a debt and every requirement count for, in USD.
    pub ask: Rate,
    /// What crossed positions share of it, without unrealised profit.
    pub cross_wallet_balance: Amount,
    /// With the unrealised profit of crossed positions margined in it.
    pub equity: Amount,
    /// The same in USD: at the bid rate, or at the ask rate when it is owed.
    pub equity_usd: Amount,
    /// Initial margin of positions and orders margined in it.
    pub initial_margin: Amount,
    /// Maintenance margin of positions margined in it.
    pub maintenance_margin: Amount,
    /// What new orders margined in it can use.
    pub available_balance: Amount,
    /// The balance below which the exchange sells other assets to pay this debt; `None` when it
    /// states none.
    pub auto_exchange_below: Option<Amount>,
    /// The balance is below that now.
    pub auto_exchange_due: bool,
}
