//! What is said of a pool.
//!
//! Owns: the figures of one pool at one instant, as plain values.
//! Must not know: how any of them is found.

use super::super::account::{Asset, Symbol};
use super::super::amount::{
    Amount, ArithmeticError, Notional, Price, QUOTIENT_NOISE_DECIMALS, Rate, round,
};
use super::super::contribution::{AutoAdded, Contribution};
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

/// What a pool has and keeps at one instant: all that follows from its sums, without any search for
/// a liquidation price. Money is as in [`PoolAssessment`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BalanceSheet {
    /// What crossed positions share, with their unrealised profit.
    pub margin_balance: Amount,
    /// Initial margin of crossed positions and of their working orders.
    pub initial_margin: Amount,
    /// Maintenance margin of crossed positions.
    pub maintenance_margin: Amount,
    /// What new orders can use; never below zero.
    pub available_balance: Amount,
    /// Margin balance − maintenance margin.
    pub headroom: Amount,
    /// Maintenance ÷ margin balance: 1 is liquidation. `None` when the balance is not above zero.
    pub margin_ratio: Option<Rate>,
    /// Gross notional ÷ margin balance. `None` when the balance is not above zero.
    pub account_leverage: Option<Rate>,
}

/// The sums of one asset's crossed positions that a balance sheet is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::margin) struct Totals {
    pub(in crate::margin) notional_gross: Notional,
    pub(in crate::margin) unrealized_pnl: Amount,
    pub(in crate::margin) maintenance_margin: Amount,
    pub(in crate::margin) position_initial_margin: Amount,
    pub(in crate::margin) open_order_initial_margin: Amount,
    pub(in crate::margin) isolated_open_order_initial_margin: Amount,
    pub(in crate::margin) auto_added: AutoAdded,
}

impl From<&Contribution> for Totals {
    fn from(sums: &Contribution) -> Self {
        Self {
            notional_gross: sums.notional_gross,
            unrealized_pnl: sums.unrealized_pnl,
            maintenance_margin: sums.maintenance_margin,
            position_initial_margin: sums.position_initial_margin,
            open_order_initial_margin: sums.open_order_initial_margin,
            isolated_open_order_initial_margin: sums.isolated_open_order_initial_margin,
            auto_added: sums.auto_added,
        }
    }
}

impl Totals {
    /// What crossed positions share, and what isolated ones that draw on it bring along.
    pub(super) fn margin_balance(&self, cross_wallet: Amount) -> Result<Amount, ArithmeticError> {
        cross_wallet
            .plus(self.auto_added.wallet)?
            .plus(self.unrealized_pnl)
    }

    pub(super) fn initial_margin(&self) -> Result<Amount, ArithmeticError> {
        self.position_initial_margin
            .plus(self.open_order_initial_margin)
    }

    /// Margin balance less what crossed positions, crossed orders and isolated orders reserve;
    /// never below zero.
    ///
    /// Source: margin-math §5 (capture C12 shows the clamp).
    pub(super) fn available(
        &self,
        margin_balance: Amount,
        initial_margin: Amount,
    ) -> Result<Amount, ArithmeticError> {
        let own = &self.auto_added;
        let reserved = initial_margin.minus(own.initial_margin)?;
        let reserved = reserved.plus(self.isolated_open_order_initial_margin)?;
        // Only the quotients have noise. The balance is exact, to a fifteenth decimal where an entry
        // price has twelve, and must not be rounded with them: it decides where the figure is cut.
        let reserved = Amount::new(round(reserved.get(), QUOTIENT_NOISE_DECIMALS));
        let shared = margin_balance
            .minus(own.wallet)?
            .minus(own.unrealized_pnl)?;
        Ok(shared.minus(reserved)?.floored())
    }

    /// What follows from the sums alone.
    pub(in crate::margin) fn balance_sheet(
        &self,
        cross_wallet: Amount,
    ) -> Result<BalanceSheet, ArithmeticError> {
        let margin_balance = self.margin_balance(cross_wallet)?;
        let initial_margin = self.initial_margin()?;
        let solvent = margin_balance.is_positive();
        let over_balance =
            |figure: Amount| solvent.then(|| figure.over(margin_balance)).transpose();
        Ok(BalanceSheet {
            margin_balance,
            initial_margin,
            maintenance_margin: self.maintenance_margin,
            available_balance: self.available(margin_balance, initial_margin)?,
            headroom: margin_balance.minus(self.maintenance_margin)?,
            margin_ratio: over_balance(self.maintenance_margin)?,
            account_leverage: over_balance(self.notional_gross.as_amount())?,
        })
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
    /// What working orders of isolated symbols reserve in the pool.
    pub isolated_open_order_initial_margin: Amount,
    /// What isolated positions with automatic margin addition bring along, which count as crossed:
    /// their wallets are part of the margin balance.
    pub auto_added: AutoAdded,
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

impl PoolAssessment {
    /// What the worst adverse move takes as a fraction of the margin balance and the ring-fenced money
    /// together; `None` when nothing is held or they are not above zero.
    #[must_use]
    pub fn share_at_risk(&self) -> Option<Rate> {
        let risk = self.wallet_at_risk.as_ref()?;
        let everything = self.margin_balance.plus(self.ring_fenced).ok()?;
        let everything = Some(everything).filter(|money| money.is_positive())?;
        risk.amount.over(everything).ok()
    }
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
