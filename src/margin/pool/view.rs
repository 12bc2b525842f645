//! A pool as it is, or as it would be: its figures.
//!
//! Owns: the figures that follow from the sums of one asset's pool.
//! Must not know: how the nearest end is searched for, other pools.

use rust_decimal::Decimal;

use super::super::account::{Asset, SymbolState};
use super::super::amount::{Amount, ArithmeticError, MarkPrice, Notional, Rate};
use super::super::bracket::BracketTable;
use super::super::contribution::Contribution;
use super::super::liquidation::{Direction, Exposure, LiquidationPrices};
use super::figures::{AdverseMove, BalanceSheet, PoolAssessment, Survival, Totals, WalletAtRisk};
use super::{Members, Pool, Replaced, SymbolId};

/// A pool as it is, or as it would be with some symbols replaced.
pub(in crate::margin) struct PoolView<'a, M> {
    pub(in crate::margin) asset: &'a Asset,
    pub(in crate::margin) pool: &'a Pool,
    pub(in crate::margin) members: &'a M,
    pub(in crate::margin) replaced: &'a [Replaced],
    pub(in crate::margin) cross_wallet_balance: Amount,
    pub(in crate::margin) sums: Contribution,
}

impl<M: Members> PoolView<'_, M> {
    /// All figures.
    pub(in crate::margin) fn assess(
        &self,
        horizon: Rate,
    ) -> Result<PoolAssessment, ArithmeticError> {
        let sums = &self.sums;
        let sheet = self.balance_sheet()?;
        let survival = self.survival(sheet.headroom)?;
        let wallet_at_risk = self.wallet_at_risk(horizon, &survival, sheet.margin_balance)?;
        Ok(PoolAssessment {
            asset: self.asset.clone(),
            cross_wallet_balance: self.cross_wallet_balance,
            cross_unrealized_pnl: sums.unrealized_pnl,
            margin_balance: sheet.margin_balance,
            position_initial_margin: sums.position_initial_margin,
            open_order_initial_margin: sums.open_order_initial_margin,
            initial_margin: sheet.initial_margin,
            maintenance_margin: sheet.maintenance_margin,
            available_balance: sheet.available_balance,
            margin_ratio: sheet.margin_ratio,
            headroom: sheet.headroom,
            isolated_open_order_initial_margin: sums.isolated_open_order_initial_margin,
            auto_added: sums.auto_added,
            ring_fenced: sums.isolated_wallet,
            notional_gross: sums.notional_gross,
            notional_net: sums.notional_net,
            account_leverage: sheet.account_leverage,
            held: self.held(),
            survival,
            wallet_at_risk,
            collateral: Vec::new(),
        })
    }

    /// What follows from the sums alone.
    pub(in crate::margin) fn balance_sheet(&self) -> Result<BalanceSheet, ArithmeticError> {
        Totals::from(&self.sums).balance_sheet(self.cross_wallet_balance)
    }

    pub(super) fn initial_margin(&self) -> Result<Amount, ArithmeticError> {
        Totals::from(&self.sums).initial_margin()
    }

    pub(in crate::margin) fn available_balance(&self) -> Result<Amount, ArithmeticError> {
        let totals = Totals::from(&self.sums);
        totals.available(self.margin_balance()?, totals.initial_margin()?)
    }

    pub(super) fn margin_balance(&self) -> Result<Amount, ArithmeticError> {
        Totals::from(&self.sums).margin_balance(self.cross_wallet_balance)
    }

    /// Margin balance − maintenance margin.
    pub(in crate::margin) fn headroom(&self) -> Result<Amount, ArithmeticError> {
        self.margin_balance()?.minus(self.sums.maintenance_margin)
    }

    /// Liquidation prices of one symbol's crossed legs; `None` when it holds none.
    pub(in crate::margin) fn liquidation_prices(
        &self,
        id: SymbolId,
    ) -> Result<Option<LiquidationPrices>, ArithmeticError> {
        let headroom = self.headroom()?;
        self.exposure(id, headroom)?
            .map(|exposure| exposure.liquidation_prices())
            .transpose()
    }

    fn survival(&self, headroom: Amount) -> Result<Survival, ArithmeticError> {
        if self.sums.notional_gross.is_zero() {
            return Ok(Survival::Alive {
                first_killer: None,
                common_move: None,
            });
        }
        if !headroom.is_positive() {
            return Ok(Survival::Liquidatable);
        }
        Ok(Survival::Alive {
            first_killer: self.first_killer(headroom)?,
            common_move: self.common_move(headroom)?,
        })
    }

    /// What the worst of the adverse moves takes: each held symbol alone and all together, up and
    /// down by the horizon; the whole margin balance if one of them liquidates.
    ///
    /// Source: design.md §2. The loss of a move is linear in it, so each symbol's worst way is
    /// its own net notional × horizon.
    fn wallet_at_risk(
        &self,
        horizon: Rate,
        survival: &Survival,
        margin_balance: Amount,
    ) -> Result<Option<WalletAtRisk>, ArithmeticError> {
        if self.sums.notional_gross.is_zero() {
            return Ok(None);
        }
        let whole = Rate::new(Decimal::ONE);
        let everything = margin_balance.max(Amount::ZERO);
        if survival
            .distance()
            .is_some_and(|distance| distance <= horizon)
        {
            let cause = survival.killing_move().unwrap_or(AdverseMove {
                symbol: None,
                direction: self.falling_side(),
                by: Rate::ZERO,
            });
            return Ok(Some(WalletAtRisk {
                amount: everything,
                fraction: whole,
                cause,
            }));
        }
        let (amount, cause) = self.worst_loss(horizon)?;
        if amount >= everything {
            return Ok(Some(WalletAtRisk {
                amount: everything,
                fraction: whole,
                cause,
            }));
        }
        let fraction = amount.over(margin_balance)?;
        Ok(Some(WalletAtRisk {
            amount,
            fraction,
            cause,
        }))
    }

    fn falling_side(&self) -> Direction {
        if self.sums.slope.is_negative() {
            Direction::Up
        } else {
            Direction::Down
        }
    }

    fn worst_loss(&self, horizon: Rate) -> Result<(Amount, AdverseMove), ArithmeticError> {
        let together = self.sums.notional_net;
        let mut worst = (together, None);
        if let Some((id, net)) = self.largest()
            && net.abs() > together.abs()
        {
            worst = (net, self.members.symbol(id).cloned());
        }
        let (net, symbol) = worst;
        let amount = net.abs().times(horizon)?;
        Ok((
            amount,
            AdverseMove {
                symbol,
                direction: Direction::against(net),
                by: horizon,
            },
        ))
    }

    /// The symbol with the largest net notional, with that notional.
    pub(super) fn largest(&self) -> Option<(SymbolId, Notional)> {
        let mut held = self.pool.size.iter().rev();
        let untouched = held.find(|(_, id)| !self.is_replaced(*id));
        let untouched = untouched.map(|(size, id)| {
            let figures = self.members.contribution(*id);
            (*id, figures.map_or(*size, |figures| figures.notional_net))
        });
        let replaced = self.replaced.iter().map(|r| (r.id, r.new.notional_net));
        replaced.fold(untouched, |largest, one| match largest {
            Some(largest) if largest.1.abs() >= one.1.abs() => Some(largest),
            _ => Some(one),
        })
    }

    /// The crossed legs of a symbol on this pool's headroom.
    pub(super) fn exposure(
        &self,
        id: SymbolId,
        headroom: Amount,
    ) -> Result<Option<Exposure<'_>>, ArithmeticError> {
        let crossed = self.crossed(id);
        crossed
            .map(|(state, mark, brackets)| Exposure::crossed(&state.legs, brackets, mark, headroom))
            .transpose()
    }

    /// What a symbol's crossed legs depend on; `None` when it holds none.
    pub(super) fn crossed(&self, id: SymbolId) -> Option<(&SymbolState, MarkPrice, &BracketTable)> {
        let held = self.figures(id).is_some_and(Contribution::holds_crossed);
        let state = self.state(id).filter(|_| held)?;
        Some((state, state.mark?, state.brackets.as_deref()?))
    }

    /// How many symbols are held crossed.
    pub(super) fn held(&self) -> usize {
        let untouched = self.pool.size.len();
        self.replaced.iter().fold(untouched, |held, replaced| {
            match (replaced.old.holds_crossed(), replaced.new.holds_crossed()) {
                (false, true) => held.saturating_add(1),
                (true, false) => held.saturating_sub(1),
                (true, true) | (false, false) => held,
            }
        })
    }

    pub(super) fn is_replaced(&self, id: SymbolId) -> bool {
        self.replaced.iter().any(|replaced| replaced.id == id)
    }

    pub(super) fn state(&self, id: SymbolId) -> Option<&SymbolState> {
        match self.replaced.iter().find(|replaced| replaced.id == id) {
            Some(replaced) => Some(&replaced.state),
            None => self.members.state(id),
        }
    }

    fn figures(&self, id: SymbolId) -> Option<&Contribution> {
        match self.replaced.iter().find(|replaced| replaced.id == id) {
            Some(replaced) => Some(&replaced.new),
            None => self.members.contribution(id),
        }
    }
}
