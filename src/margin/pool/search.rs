//! Which symbol ends a pool first, and which move of all together.
//!
//! Owns: the two searches. Both stop as soon as a bound shows that nothing further can be nearer.
//! Must not know: what is concluded from what they find.

use rust_decimal::Decimal;

use super::super::amount::{
    Amount, ArithmeticError, Notional, Price, QUOTIENT_DECIMALS, Rate, exact_add, exact_sub,
    quotient, round,
};
use super::super::bracket::BRACKETS_MAX;
use super::super::contribution::Contribution;
use super::super::liquidation::{Direction, move_to};
use super::figures::{CommonMove, FirstKiller};
use super::view::PoolView;
use super::{Members, SymbolId, rise_bound};

/// Headroom with every price multiplied by `k`, on one stretch: `constant + slope · k`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct CommonLine {
    pub(super) slope: Decimal,
    pub(super) constant: Decimal,
}

impl CommonLine {
    /// The factor at which nothing is left; the line is not flat.
    pub(super) fn root(self) -> Result<Decimal, ArithmeticError> {
        let root = exact_sub(Decimal::ZERO, quotient(self.constant, self.slope)?)?;
        Ok(round(root, QUOTIENT_DECIMALS))
    }
}

/// Newton's method from the outside, as for one symbol (see `liquidation`): `line_at` is the
/// tangent of a concave function at a factor.
pub(super) fn common_newton(
    start: Decimal,
    direction: Direction,
    line_at: impl Fn(Decimal) -> Result<CommonLine, ArithmeticError>,
) -> Result<Option<Decimal>, ArithmeticError> {
    let mut factor = start;
    // Each step leaves at least one tier of one symbol behind.
    for _ in 0..BRACKETS_MAX.saturating_mul(4) {
        let line = line_at(factor)?;
        if line.slope.is_zero() {
            return Ok(None);
        }
        let root = line.root()?;
        // A step back can only be the last rounding of a quotient.
        let settled = match direction {
            Direction::Down => root <= factor,
            Direction::Up => root >= factor,
        };
        if settled {
            return Ok(Some(factor));
        }
        factor = root;
    }
    Ok(Some(factor))
}

/// The nearer of a fall and a rise, given as factors of the marks.
pub(super) fn nearer(
    fall: Option<Decimal>,
    rise: Option<Decimal>,
) -> Result<Option<CommonMove>, ArithmeticError> {
    let as_move = |factor: Option<Decimal>, direction| match factor {
        None => Ok(None),
        Some(factor) => {
            let by = Rate::new(exact_sub(factor, Decimal::ONE)?.abs());
            Ok(Some(CommonMove { direction, by }))
        }
    };
    let fall = as_move(fall, Direction::Down)?;
    let rise = as_move(rise, Direction::Up)?;
    Ok(match (fall, rise) {
        (Some(fall), Some(rise)) => Some(if rise.by < fall.by { rise } else { fall }),
        (one, other) => one.or(other),
    })
}

impl<M: Members> PoolView<'_, M> {
    /// The symbol with the smallest killing move.
    pub(super) fn first_killer(
        &self,
        headroom: Amount,
    ) -> Result<Option<FirstKiller>, ArithmeticError> {
        let mut best = None;
        let root = |id, direction| match self.exposure(id, headroom)? {
            Some(exposure) => exposure.root(direction),
            None => Ok(None),
        };
        self.hunt(headroom, Ok, root, &mut best)?;
        Ok(best)
    }

    /// Betters `best` by the symbols of this pool. The steepest possible loss of each symbol, in the
    /// headroom's money (`weigh`), gives a lower bound of its move, and the search stops when the
    /// bound of the next symbol lies beyond the best move found, or beyond a fall to nothing.
    pub(super) fn hunt(
        &self,
        headroom: Amount,
        weigh: impl Fn(Amount) -> Result<Amount, ArithmeticError>,
        root: impl Fn(SymbolId, Direction) -> Result<Option<Price>, ArithmeticError>,
        best: &mut Option<FirstKiller>,
    ) -> Result<(), ArithmeticError> {
        let may_be_nearer = |steepest: Amount, direction, best: &Option<FirstKiller>| {
            let steepest = weigh(steepest)?;
            if !steepest.is_positive() {
                return Ok(false);
            }
            let bound = quotient(headroom.get(), steepest.get())?;
            let too_far = direction == Direction::Down && bound >= Decimal::ONE;
            let beyond = best.as_ref().is_some_and(|best| bound >= best.by.get());
            Ok::<bool, ArithmeticError>(!too_far && !beyond)
        };
        for replaced in self.replaced {
            let new = &replaced.new;
            if !new.holds_crossed() {
                continue;
            }
            let rise = rise_bound(self.pool.mode, new)?;
            for (steepest, direction) in
                [(new.slope_lowest, Direction::Down), (rise, Direction::Up)]
            {
                if may_be_nearer(steepest, direction, best)? {
                    self.consider(replaced.id, direction, &root, best)?;
                }
            }
        }
        for (index, direction) in [
            (&self.pool.fall, Direction::Down),
            (&self.pool.rise, Direction::Up),
        ] {
            for (steepest, id) in index.iter().rev() {
                if !may_be_nearer(*steepest, direction, best)? {
                    break;
                }
                if !self.is_replaced(*id) {
                    self.consider(*id, direction, &root, best)?;
                }
            }
        }
        Ok(())
    }

    /// Every symbol of the pool, whatever its bound says.
    pub(super) fn hunt_all(
        &self,
        root: impl Fn(SymbolId, Direction) -> Result<Option<Price>, ArithmeticError>,
        best: &mut Option<FirstKiller>,
    ) -> Result<(), ArithmeticError> {
        let untouched = self.pool.size.iter().map(|(_, id)| *id);
        let untouched = untouched.filter(|id| !self.is_replaced(*id));
        for id in untouched.chain(self.replaced.iter().map(|replaced| replaced.id)) {
            for direction in [Direction::Down, Direction::Up] {
                self.consider(id, direction, &root, best)?;
            }
        }
        Ok(())
    }

    fn consider(
        &self,
        id: SymbolId,
        direction: Direction,
        root: &impl Fn(SymbolId, Direction) -> Result<Option<Price>, ArithmeticError>,
        best: &mut Option<FirstKiller>,
    ) -> Result<(), ArithmeticError> {
        let Some(price) = root(id, direction)? else {
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

    /// The smaller of the falls and rises of all held symbols together that liquidate.
    pub(super) fn common_move(
        &self,
        headroom: Amount,
    ) -> Result<Option<CommonMove>, ArithmeticError> {
        nearer(self.common_fall(headroom)?, self.common_rise(headroom)?)
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
        let constant = exact_add(base, self.sums.maintenance_amount.get())?;
        common_newton(start, direction, |factor| {
            let there = self.tier_change(factor, direction)?;
            Ok(CommonLine {
                slope: exact_add(self.sums.slope.get(), there.slope)?,
                constant: exact_add(constant, there.constant)?,
            })
        })
    }

    /// How the pool's line in the tiers at `factor` × marks differs from its line at the marks: only
    /// symbols that change tier between here and there deviate from the sums, and an index names
    /// them.
    pub(super) fn tier_change(
        &self,
        factor: Decimal,
        direction: Direction,
    ) -> Result<CommonLine, ArithmeticError> {
        let mut line = CommonLine::default();
        for id in self.crossers(factor, direction) {
            let (slope, constant) = self.deviation(id, factor)?;
            line.slope = exact_add(line.slope, slope)?;
            line.constant = exact_add(line.constant, constant)?;
        }
        Ok(line)
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
            slope = exact_add(slope, gross.times(rate)?.get())?;
            let amount = there.maintenance_amount.minus(here.maintenance_amount)?;
            constant = exact_add(constant, amount.get())?;
        }
        Ok((slope, constant))
    }
}
