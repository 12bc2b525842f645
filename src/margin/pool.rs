//! What crossed positions share, and what it is worth.
//!
//! Owns: the running sums of one pool, the indexes that answer "which symbol first" without
//! walking all of them, and the figures of a pool as it is or as it would be
//! (a view with replaced symbols).
//! Must not know: orders that somebody wants to send, policy, time.
//!
//! A pool with many symbols costs as much to assess as a pool with one: sums are kept, and the
//! searches stop as soon as a bound shows that nothing further can be worse.

use std::collections::BTreeSet;

use rust_decimal::Decimal;

use super::account::{Asset, Symbol, SymbolState};
use super::amount::{
    Amount, ArithmeticError, Notional, Price, QUOTIENT_DECIMALS, QUOTIENT_NOISE_DECIMALS, Rate,
    exact_add, exact_mul, exact_sub, quotient, round,
};
use super::bracket::BRACKETS_MAX;
use super::contribution::{Contribution, Missing};
use super::liquidation::{Direction, Exposure, LiquidationPrices, move_to};

/// A symbol's place in the book.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SymbolId(pub(super) u32);

impl SymbolId {
    /// The place as an index, for tables kept beside the book.
    #[must_use]
    pub fn index(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

/// The running state of one pool.
#[derive(Debug, Clone, Default)]
pub struct Pool {
    /// The balance that crossed positions share; `None` until it is known.
    pub(super) cross_wallet_balance: Option<Amount>,
    /// The whole wallet balance, isolated wallets included.
    pub(super) wallet_balance: Option<Amount>,
    pub(super) sums: Contribution,
    /// Symbols whose contribution is not known.
    pub(super) missing: BTreeSet<(SymbolId, Missing)>,
    /// Steepest loss of a fall, by symbol.
    fall: BTreeSet<(Amount, SymbolId)>,
    /// Steepest loss of a rise, by symbol.
    rise: BTreeSet<(Amount, SymbolId)>,
    /// Absolute net notional, by symbol.
    size: BTreeSet<(Notional, SymbolId)>,
    /// Nearest change of tier below the mark, as a multiple of the mark.
    edge_below: BTreeSet<(Rate, SymbolId)>,
    /// Nearest change of tier above the mark, as a multiple of the mark.
    edge_above: BTreeSet<(Rate, SymbolId)>,
}

impl Pool {
    /// The same balances without any symbol.
    pub(super) fn emptied(&self) -> Self {
        Self {
            cross_wallet_balance: self.cross_wallet_balance,
            wallet_balance: self.wallet_balance,
            ..Self::default()
        }
    }

    pub(super) fn add(
        &mut self,
        id: SymbolId,
        figures: &Contribution,
    ) -> Result<(), ArithmeticError> {
        self.sums = self.sums.plus(figures)?;
        if figures.holds_crossed() {
            self.fall.insert((figures.slope_lowest, id));
            self.rise.insert((figures.slope_highest.negated(), id));
            self.size.insert((figures.notional_net.abs(), id));
        }
        if let Some(edge) = figures.edge_below {
            self.edge_below.insert((edge, id));
        }
        if let Some(edge) = figures.edge_above {
            self.edge_above.insert((edge, id));
        }
        Ok(())
    }

    pub(super) fn remove(
        &mut self,
        id: SymbolId,
        figures: &Contribution,
    ) -> Result<(), ArithmeticError> {
        self.sums = self.sums.minus(figures)?;
        self.fall.remove(&(figures.slope_lowest, id));
        self.rise.remove(&(figures.slope_highest.negated(), id));
        self.size.remove(&(figures.notional_net.abs(), id));
        if let Some(edge) = figures.edge_below {
            self.edge_below.remove(&(edge, id));
        }
        if let Some(edge) = figures.edge_above {
            self.edge_above.remove(&(edge, id));
        }
        Ok(())
    }
}

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

/// Everything a pool's state says at one instant. Money is in the pool's asset.
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
}

/// One symbol as it would be.
#[derive(Debug, Clone)]
pub struct Replaced {
    pub(super) id: SymbolId,
    pub(super) state: SymbolState,
    pub(super) old: Contribution,
    pub(super) new: Contribution,
}

/// Where a view finds the symbols of the pool.
pub(super) trait Members {
    fn symbol(&self, id: SymbolId) -> Option<&Symbol>;
    fn state(&self, id: SymbolId) -> Option<&SymbolState>;
    fn contribution(&self, id: SymbolId) -> Option<&Contribution>;
}

/// A pool as it is, or as it would be with some symbols replaced.
pub(super) struct PoolView<'a, M> {
    pub(super) asset: &'a Asset,
    pub(super) pool: &'a Pool,
    pub(super) members: &'a M,
    pub(super) replaced: &'a [Replaced],
    pub(super) cross_wallet_balance: Amount,
    pub(super) sums: Contribution,
}

impl<M: Members> PoolView<'_, M> {
    /// All figures.
    pub(super) fn assess(&self, horizon: Rate) -> Result<PoolAssessment, ArithmeticError> {
        let sums = &self.sums;
        let margin_balance = self.margin_balance()?;
        let initial_margin = sums
            .position_initial_margin
            .plus(sums.open_order_initial_margin)?;
        let survival = self.survival()?;
        let wallet_at_risk = self.wallet_at_risk(horizon, &survival, margin_balance)?;
        let solvent = margin_balance.is_positive();
        let over_balance =
            |figure: Amount| solvent.then(|| figure.over(margin_balance)).transpose();
        Ok(PoolAssessment {
            asset: self.asset.clone(),
            cross_wallet_balance: self.cross_wallet_balance,
            cross_unrealized_pnl: sums.unrealized_pnl,
            margin_balance,
            position_initial_margin: sums.position_initial_margin,
            open_order_initial_margin: sums.open_order_initial_margin,
            initial_margin,
            maintenance_margin: sums.maintenance_margin,
            available_balance: self.available_balance()?,
            margin_ratio: over_balance(sums.maintenance_margin)?,
            headroom: self.headroom()?,
            ring_fenced: sums.isolated_wallet,
            notional_gross: sums.notional_gross,
            notional_net: sums.notional_net,
            account_leverage: over_balance(sums.notional_gross.as_amount())?,
            held: self.held(),
            survival,
            wallet_at_risk,
        })
    }

    fn initial_margin(&self) -> Result<Amount, ArithmeticError> {
        self.sums
            .position_initial_margin
            .plus(self.sums.open_order_initial_margin)
    }

    /// Margin balance less what crossed positions, crossed orders and isolated orders reserve;
    /// never below zero.
    ///
    /// Source: margin-math §5 (capture C12 shows the clamp).
    pub(super) fn available_balance(&self) -> Result<Amount, ArithmeticError> {
        let reserved = self.initial_margin()?;
        let reserved = reserved.plus(self.sums.isolated_open_order_initial_margin)?;
        // Only the quotients have noise. The balance is exact, to a fifteenth decimal where an entry
        // price has twelve, and must not be rounded with them: it decides where the figure is cut.
        let reserved = Amount::new(round(reserved.get(), QUOTIENT_NOISE_DECIMALS));
        Ok(self.margin_balance()?.minus(reserved)?.max(Amount::ZERO))
    }

    fn margin_balance(&self) -> Result<Amount, ArithmeticError> {
        self.cross_wallet_balance.plus(self.sums.unrealized_pnl)
    }

    /// Margin balance − maintenance margin.
    pub(super) fn headroom(&self) -> Result<Amount, ArithmeticError> {
        self.margin_balance()?.minus(self.sums.maintenance_margin)
    }

    /// Liquidation prices of one symbol's crossed legs; `None` when it holds none.
    pub(super) fn liquidation_prices(
        &self,
        id: SymbolId,
    ) -> Result<Option<LiquidationPrices>, ArithmeticError> {
        let headroom = self.headroom()?;
        self.exposure(id, headroom)?
            .map(|exposure| exposure.liquidation_prices())
            .transpose()
    }

    fn survival(&self) -> Result<Survival, ArithmeticError> {
        let headroom = self.headroom()?;
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
            let cause = self.killing_move(survival);
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

    /// The move behind the distance: the common move when it is the smaller one.
    fn killing_move(&self, survival: &Survival) -> AdverseMove {
        let (symbol, direction, by) = match survival {
            Survival::Liquidatable => (None, self.falling_side(), Rate::ZERO),
            Survival::Alive {
                first_killer,
                common_move,
            } => match (first_killer, common_move) {
                (Some(alone), Some(together)) if together.by < alone.by => {
                    (None, together.direction, together.by)
                }
                (Some(alone), _) => (Some(alone.symbol.clone()), alone.direction, alone.by),
                (None, Some(together)) => (None, together.direction, together.by),
                (None, None) => (None, self.falling_side(), Rate::ZERO),
            },
        };
        AdverseMove {
            symbol,
            direction,
            by,
        }
    }

    fn falling_side(&self) -> Direction {
        if self.sums.slope.is_negative() {
            Direction::Up
        } else {
            Direction::Down
        }
    }

    fn worst_loss(&self, horizon: Rate) -> Result<(Amount, AdverseMove), ArithmeticError> {
        let against = |net: Notional| {
            if net.is_negative() {
                Direction::Up
            } else {
                Direction::Down
            }
        };
        let together = self.sums.notional_net;
        let mut worst = (together.abs(), None, against(together));
        let untouched = self
            .pool
            .size
            .iter()
            .rev()
            .find(|(_, id)| !self.is_replaced(*id));
        if let Some((size, id)) = untouched
            && *size > worst.0
        {
            let net = self
                .members
                .contribution(*id)
                .map_or(*size, |c| c.notional_net);
            worst = (*size, self.members.symbol(*id).cloned(), against(net));
        }
        for replaced in self.replaced {
            let net = replaced.new.notional_net;
            if net.abs() > worst.0 {
                worst = (
                    net.abs(),
                    self.members.symbol(replaced.id).cloned(),
                    against(net),
                );
            }
        }
        let (size, symbol, direction) = worst;
        let amount = size.times(horizon)?;
        Ok((
            amount,
            AdverseMove {
                symbol,
                direction,
                by: horizon,
            },
        ))
    }

    /// The symbol with the smallest killing move. The steepest possible loss of each symbol gives
    /// a lower bound of its move, and the search stops when the bound of the next symbol lies
    /// beyond the best move found, or beyond a fall to nothing.
    fn first_killer(&self, headroom: Amount) -> Result<Option<FirstKiller>, ArithmeticError> {
        let mut best: Option<FirstKiller> = None;
        for replaced in self.replaced {
            for direction in [Direction::Down, Direction::Up] {
                self.consider(replaced.id, direction, headroom, &mut best)?;
            }
        }
        for (index, direction) in [
            (&self.pool.fall, Direction::Down),
            (&self.pool.rise, Direction::Up),
        ] {
            for (steepest, id) in index.iter().rev() {
                if !steepest.is_positive() {
                    break;
                }
                let bound = quotient(headroom.get(), steepest.get())?;
                let too_far = direction == Direction::Down && bound >= Decimal::ONE;
                if too_far || best.as_ref().is_some_and(|best| bound >= best.by.get()) {
                    break;
                }
                if !self.is_replaced(*id) {
                    self.consider(*id, direction, headroom, &mut best)?;
                }
            }
        }
        Ok(best)
    }

    fn consider(
        &self,
        id: SymbolId,
        direction: Direction,
        headroom: Amount,
        best: &mut Option<FirstKiller>,
    ) -> Result<(), ArithmeticError> {
        let Some(exposure) = self.exposure(id, headroom)? else {
            return Ok(());
        };
        let Some(price) = exposure.root(direction)? else {
            return Ok(());
        };
        let Some((symbol, mark)) = self
            .members
            .symbol(id)
            .zip(self.state(id).and_then(|state| state.mark))
        else {
            return Ok(());
        };
        let by = move_to(price, mark)?;
        if best.as_ref().is_none_or(|best| by < best.by) {
            *best = Some(FirstKiller {
                symbol: symbol.clone(),
                direction,
                by,
                price,
            });
        }
        Ok(())
    }

    /// The crossed legs of a symbol on this pool's headroom.
    fn exposure(
        &self,
        id: SymbolId,
        headroom: Amount,
    ) -> Result<Option<Exposure<'_>>, ArithmeticError> {
        let held = self.figures(id).is_some_and(Contribution::holds_crossed);
        let Some(state) = self.state(id).filter(|_| held) else {
            return Ok(None);
        };
        let (Some(mark), Some(brackets)) = (state.mark, state.brackets.as_deref()) else {
            return Ok(None);
        };
        Exposure::crossed(&state.legs, brackets, mark, headroom).map(Some)
    }

    /// How many symbols are held crossed.
    fn held(&self) -> usize {
        let untouched = self.pool.size.len();
        self.replaced.iter().fold(untouched, |held, replaced| {
            match (replaced.old.holds_crossed(), replaced.new.holds_crossed()) {
                (false, true) => held.saturating_add(1),
                (true, false) => held.saturating_sub(1),
                (true, true) | (false, false) => held,
            }
        })
    }

    fn is_replaced(&self, id: SymbolId) -> bool {
        self.replaced.iter().any(|replaced| replaced.id == id)
    }

    fn state(&self, id: SymbolId) -> Option<&SymbolState> {
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

    /// The smaller of the falls and rises of all held symbols together that liquidate.
    fn common_move(&self, headroom: Amount) -> Result<Option<CommonMove>, ArithmeticError> {
        let fall = self.common_fall(headroom)?;
        let rise = self.common_rise(headroom)?;
        let as_move = |factor: Decimal, direction| {
            let by = exact_sub(factor, Decimal::ONE).map(|by| Rate::new(by.abs()));
            by.map(|by| CommonMove { direction, by })
        };
        let fall = fall
            .map(|factor| as_move(factor, Direction::Down))
            .transpose()?;
        let rise = rise
            .map(|factor| as_move(factor, Direction::Up))
            .transpose()?;
        Ok(match (fall, rise) {
            (Some(fall), Some(rise)) => Some(if rise.by < fall.by { rise } else { fall }),
            (one, other) => one.or(other),
        })
    }

    /// `f(k)` with every price multiplied by `k`, in the tiers of the marks, is
    /// `headroom + slope·(k − 1)`; nothing is left at `k = 0` exactly when a fall kills.
    fn common_fall(&self, headroom: Amount) -> Result<Option<Decimal>, ArithmeticError> {
        let sums = &self.sums;
        let at_zero = exact_add(
            exact_sub(headroom.get(), sums.notional_net.get())?,
            sums.maintenance_margin.get(),
        )?;
        if at_zero >= Decimal::ZERO {
            return Ok(None);
        }
        let slope = sums.slope.get();
        let start = if slope > Decimal::ZERO {
            exact_sub(
                Decimal::ONE,
                round(quotient(headroom.get(), slope)?, QUOTIENT_DECIMALS),
            )?
        } else {
            Decimal::ZERO
        };
        self.common_newton(headroom, start.max(Decimal::ZERO), Direction::Down)
    }

    fn common_rise(&self, headroom: Amount) -> Result<Option<Decimal>, ArithmeticError> {
        let sums = &self.sums;
        if sums.slope_highest.get() >= Decimal::ZERO {
            return Ok(None);
        }
        let slope = sums.slope.get();
        let start = if slope < Decimal::ZERO {
            exact_sub(
                Decimal::ONE,
                round(quotient(headroom.get(), slope)?, QUOTIENT_DECIMALS),
            )?
        } else {
            // f in the highest tiers: headroom − net + maintenance + amounts + slope·k.
            let constant = exact_add(
                exact_sub(headroom.get(), sums.notional_net.get())?,
                exact_add(
                    sums.maintenance_margin.get(),
                    sums.maintenance_amount_highest.get(),
                )?,
            )?;
            let root = quotient(constant, sums.slope_highest.get())?;
            round(exact_sub(Decimal::ZERO, root)?, QUOTIENT_DECIMALS)
        };
        self.common_newton(headroom, start, Direction::Up)
    }

    /// Newton's method from the outside, as for one symbol (see `liquidation`): only symbols that
    /// change tier between here and there deviate from the sums, and the index names them.
    fn common_newton(
        &self,
        headroom: Amount,
        start: Decimal,
        direction: Direction,
    ) -> Result<Option<Decimal>, ArithmeticError> {
        let base = exact_add(
            exact_sub(headroom.get(), self.sums.notional_net.get())?,
            self.sums.maintenance_margin.get(),
        )?;
        let mut factor = start;
        // Each step leaves at least one tier of one symbol behind.
        for _ in 0..BRACKETS_MAX.saturating_mul(4) {
            let mut slope = self.sums.slope.get();
            let mut constant = exact_add(base, self.sums.maintenance_amount.get())?;
            for id in self.crossers(factor, direction) {
                let (slope_change, constant_change) = self.deviation(id, factor)?;
                slope = exact_add(slope, slope_change)?;
                constant = exact_add(constant, constant_change)?;
            }
            if slope.is_zero() {
                return Ok(None);
            }
            let root = exact_sub(Decimal::ZERO, quotient(constant, slope)?)?;
            let root = round(root, QUOTIENT_DECIMALS);
            if root == factor {
                return Ok(Some(factor));
            }
            let settled = match direction {
                Direction::Down => root < factor,
                Direction::Up => root > factor,
            };
            if settled {
                // A step back can only be the last rounding of a quotient.
                return Ok(Some(factor));
            }
            factor = root;
        }
        Ok(Some(factor))
    }

    /// Symbols with a change of tier between their mark and `factor` × mark.
    fn crossers(&self, factor: Decimal, direction: Direction) -> Vec<SymbolId> {
        let bound = Rate::new(factor);
        let crosses = |figures: &Contribution| match direction {
            Direction::Down => figures.edge_below.is_some_and(|edge| edge >= bound),
            Direction::Up => figures.edge_above.is_some_and(|edge| edge <= bound),
        };
        let mut found: Vec<SymbolId> = match direction {
            Direction::Down => self
                .pool
                .edge_below
                .iter()
                .rev()
                .take_while(|(edge, _)| *edge >= bound)
                .map(|(_, id)| *id)
                .collect(),
            Direction::Up => self
                .pool
                .edge_above
                .iter()
                .take_while(|(edge, _)| *edge <= bound)
                .map(|(_, id)| *id)
                .collect(),
        };
        found.retain(|id| !self.is_replaced(*id));
        found.extend(
            self.replaced
                .iter()
                .filter(|r| crosses(&r.new))
                .map(|r| r.id),
        );
        found
    }

    /// How a symbol's line in the tiers at `factor` × mark differs from its line at the mark.
    fn deviation(
        &self,
        id: SymbolId,
        factor: Decimal,
    ) -> Result<(Decimal, Decimal), ArithmeticError> {
        let mut slope = Decimal::ZERO;
        let mut constant = Decimal::ZERO;
        let Some(state) = self.state(id) else {
            return Ok((slope, constant));
        };
        let (Some(mark), Some(brackets)) = (state.mark, state.brackets.as_deref()) else {
            return Ok((slope, constant));
        };
        for (_, leg) in state.legs.held() {
            let gross = mark.price().times(leg.quantity)?.abs();
            // Only the tier is looked up with this product (see `liquidation`).
            let there = gross
                .get()
                .checked_mul(factor)
                .ok_or(ArithmeticError::Overflow)?;
            let (here, there) = (brackets.at(gross), brackets.at(Notional::new(there)));
            let rate = here
                .maintenance_margin_rate
                .minus(there.maintenance_margin_rate)?;
            slope = exact_add(slope, exact_mul(gross.get(), rate.get())?)?;
            let amount = there.maintenance_amount.minus(here.maintenance_amount)?;
            constant = exact_add(constant, amount.get())?;
        }
        Ok((slope, constant))
    }
}
