//! Each position's part in what its pool has, keeps and can lose.
//!
//! Owns: the shares that add up to the pool's figures, and the money a position can lose where no
//! price of its own ends it.
//! Must not know: limits, how positions are shown.

use super::account::Leg;
use super::amount::{Amount, ArithmeticError, Notional, Rate};
use super::liquidation::LiquidationPrices;

/// A crossed position's part in its pool. Money is in its margin asset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attribution {
    /// Its maintenance margin as a fraction of the pool's; `None` when the pool keeps none.
    pub maintenance_share: Option<Rate>,
    /// Its part of headroom: unrealised profit − maintenance margin. The parts of all positions and
    /// the crossed wallet balance add up to the pool's headroom.
    pub headroom: Amount,
    /// What it loses when its mark falls by the horizon, alone or with all others; negative is a
    /// gain.
    pub loss_down: Amount,
    /// What it loses when its mark rises by the horizon.
    pub loss_up: Amount,
}

impl Attribution {
    /// The parts of a position.
    ///
    /// # Errors
    /// [`ArithmeticError`] when digits would be lost.
    pub fn of(
        notional: Notional,
        unrealized_pnl: Amount,
        maintenance_margin: Amount,
        maintenance_share: Option<Rate>,
        horizon: Rate,
    ) -> Result<Self, ArithmeticError> {
        let loss_down = notional.times(horizon)?;
        Ok(Self {
            maintenance_share,
            headroom: unrealized_pnl.minus(maintenance_margin)?,
            loss_down,
            loss_up: loss_down.negated(),
        })
    }
}

/// What a position can lose while nothing ends it: what Binance's `"0"` keeps silent about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LossWithoutLiquidation {
    /// A price of this symbol liquidates, or everything is liquidatable now.
    Ended,
    /// A long whose price goes to nothing loses all it was bought for.
    Bounded(Amount),
    /// A short can lose more than any sum.
    Unbounded,
}

impl LossWithoutLiquidation {
    /// What this leg can lose, counted from its entry price.
    ///
    /// Source: margin-math §0.7, §18 (a long that has no liquidation price loses `q·EP`, a short has
    /// no bound).
    #[must_use]
    pub fn of(leg: &Leg, liquidation: &LiquidationPrices) -> Self {
        match liquidation {
            LiquidationPrices::Alive {
                below: None,
                above: None,
                ..
            } if leg.quantity.is_negative() => Self::Unbounded,
            LiquidationPrices::Alive {
                below: None,
                above: None,
                ..
            } => Self::Bounded(leg.entry_cost.as_amount()),
            LiquidationPrices::Alive { .. } | LiquidationPrices::AlreadyLiquidatable => Self::Ended,
        }
    }
}
