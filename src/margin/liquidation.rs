//! Where a price would have to go for a position, or a whole pool, to be liquidated.
//!
//! Owns: the roots of `f(P) = margin balance − maintenance margin` along one symbol's price,
//! solved piecewise across the brackets.
//! Must not know: pools of several symbols (it is given their headroom), orders, policy.
//!
//! `f` is concave and piecewise linear in any one price (each tier has a higher rate than the one
//! below), so there is at most one root below the mark and one above it. On a concave function
//! Newton's method from the outside is exact: the tangent lies above the function, each step
//! stays on the outside of the root, and the step that lands in its own tier is the root itself.
//!
//! Source: margin-math §7 (the exchange's formula is this equation solved for one symbol).

use rust_decimal::Decimal;

use super::account::{Leg, Legs};
use super::amount::{
    Amount, ArithmeticError, MarkPrice, Notional, Price, Rate, exact_add, exact_mul, exact_sub,
    quotient, round,
};
use super::bracket::{BRACKETS_MAX, BracketTable};
use super::collateral::{converted, weighted};
use super::contribution::unrealized_pnl;

/// Which way a price moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// A fall.
    Down,
    /// A rise.
    Up,
}

impl Direction {
    /// The way in which a net position loses.
    #[must_use]
    pub fn against(net: Notional) -> Self {
        if net.is_negative() {
            Self::Up
        } else {
            Self::Down
        }
    }
}

/// The prices at which this symbol alone, all else frozen, liquidates what it stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LiquidationPrices {
    /// Margin balance is at or below maintenance margin now: a state, not a price.
    AlreadyLiquidatable,
    /// Alive at the mark.
    Alive {
        /// A fall to here liquidates; `None` when no fall does.
        below: Option<Price>,
        /// A rise to here liquidates; `None` when no rise does.
        above: Option<Price>,
        /// Where the danger lies by the slope at the mark: the one price the exchange prints.
        slope: Direction,
    },
}

impl LiquidationPrices {
    /// The one price the exchange prints: on the side where the slope puts it, else on the other;
    /// `None` (printed as "0") when this symbol alone cannot liquidate.
    #[must_use]
    pub const fn headline(&self) -> Option<Price> {
        match self {
            Self::AlreadyLiquidatable => None,
            Self::Alive {
                below,
                above,
                slope,
            } => {
                let (first, second) = match slope {
                    Direction::Down => (below, above),
                    Direction::Up => (above, below),
                };
                match first {
                    Some(price) => Some(*price),
                    None => *second,
                }
            }
        }
    }

    /// The price on one side.
    #[must_use]
    pub const fn on(&self, direction: Direction) -> Option<Price> {
        match (self, direction) {
            (Self::AlreadyLiquidatable, _) => None,
            (Self::Alive { below, .. }, Direction::Down) => *below,
            (Self::Alive { above, .. }, Direction::Up) => *above,
        }
    }
}

/// The legs that stand or fall together along one price, with what they stand on.
#[derive(Debug, Clone, Copy)]
pub struct Exposure<'a> {
    legs: [Option<&'a Leg>; 2],
    brackets: &'a BracketTable,
    mark: Decimal,
    /// `f(P)` without the parts that depend on P: headroom − net notional + maintenance at mark.
    base: Decimal,
    headroom: Amount,
    /// What the symbol's money counts for where several assets stand together.
    weights: Option<Weights>,
}

/// What money of a symbol's margin asset counts for in the money of its pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Weights {
    /// What profit and loss count for: the bid rate while the asset is owned, the ask rate while
    /// it is owed.
    pub equity: Rate,
    /// What maintenance margin counts for: the ask rate.
    pub maintenance: Rate,
}

/// `f` on one stretch without a change of tier: `constant + slope · P`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Line {
    constant: Decimal,
    slope: Decimal,
    tiers: [usize; 2],
}

impl Line {
    fn root(&self) -> Result<Decimal, ArithmeticError> {
        quotient(exact_sub(Decimal::ZERO, self.constant)?, self.slope)
    }
}

impl<'a> Exposure<'a> {
    /// Crossed legs of one symbol on the headroom of their pool.
    ///
    /// # Errors
    /// [`ArithmeticError`] when digits would be lost.
    pub fn crossed(
        legs: &'a Legs,
        brackets: &'a BracketTable,
        mark: MarkPrice,
        headroom: Amount,
    ) -> Result<Self, ArithmeticError> {
        let mut held = legs.held().map(|(_, leg)| leg);
        Self::new([held.next(), held.next()], brackets, mark, headroom)
    }

    /// The same where the pool is counted in other money than the symbol's.
    ///
    /// # Errors
    /// [`ArithmeticError`] when figures do not fit 28 digits.
    pub fn weighted(
        legs: &'a Legs,
        brackets: &'a BracketTable,
        mark: MarkPrice,
        headroom: Amount,
        weights: Weights,
    ) -> Result<Self, ArithmeticError> {
        let mut held = legs.held().map(|(_, leg)| leg);
        let legs = [held.next(), held.next()];
        let mut base = headroom.get();
        for leg in legs.into_iter().flatten() {
            let net = mark.price().times(leg.quantity)?;
            let maintenance = brackets.maintenance_margin(net)?;
            base = exact_sub(base, converted(net.get(), weights.equity.get())?)?;
            base = exact_add(
                base,
                converted(maintenance.get(), weights.maintenance.get())?,
            )?;
        }
        Ok(Self {
            legs,
            brackets,
            mark: mark.price().get(),
            base,
            headroom,
            weights: Some(weights),
        })
    }

    /// One isolated leg on its own wallet.
    ///
    /// Source: margin-math §7.1: the wallet is `isolatedWallet`, not `isolatedMargin`, which
    /// contains unrealised profit already (vector A13).
    ///
    /// # Errors
    /// [`ArithmeticError`] when digits would be lost.
    pub fn isolated(
        leg: &'a Leg,
        brackets: &'a BracketTable,
        mark: MarkPrice,
    ) -> Result<Self, ArithmeticError> {
        let net = mark.price().times(leg.quantity)?;
        let balance = leg.isolated_wallet.plus(unrealized_pnl(leg, net)?)?;
        let headroom = balance.minus(brackets.maintenance_margin(net)?)?;
        Self::new([Some(leg), None], brackets, mark, headroom)
    }

    fn new(
        legs: [Option<&'a Leg>; 2],
        brackets: &'a BracketTable,
        mark: MarkPrice,
        headroom: Amount,
    ) -> Result<Self, ArithmeticError> {
        let mut base = headroom.get();
        for leg in legs.into_iter().flatten() {
            let net = mark.price().times(leg.quantity)?;
            base = exact_sub(base, net.get())?;
            base = exact_add(base, brackets.maintenance_margin(net)?.get())?;
        }
        Ok(Self {
            legs,
            brackets,
            mark: mark.price().get(),
            base,
            headroom,
            weights: None,
        })
    }

    /// Margin balance − maintenance margin at the mark.
    #[must_use]
    pub const fn headroom(&self) -> Amount {
        self.headroom
    }

    /// Both liquidation prices.
    ///
    /// # Errors
    /// [`ArithmeticError`] when figures do not fit 28 digits.
    pub fn liquidation_prices(&self) -> Result<LiquidationPrices, ArithmeticError> {
        if !self.headroom.is_positive() {
            return Ok(LiquidationPrices::AlreadyLiquidatable);
        }
        let here = self.line_at(self.mark)?;
        let slope = if here.slope.is_sign_negative() {
            Direction::Up
        } else {
            Direction::Down
        };
        Ok(LiquidationPrices::Alive {
            below: self.root_below(here)?,
            above: self.root_above(here)?,
            slope,
        })
    }

    /// The price in one direction that liquidates, if there is one; for a state that is alive.
    ///
    /// # Errors
    /// [`ArithmeticError`] when figures do not fit 28 digits.
    pub fn root(&self, direction: Direction) -> Result<Option<Price>, ArithmeticError> {
        let here = self.line_at(self.mark)?;
        match direction {
            Direction::Down => self.root_below(here),
            Direction::Up => self.root_above(here),
        }
    }

    /// A fall liquidates if and only if nothing is left at a price of zero.
    fn root_below(&self, here: Line) -> Result<Option<Price>, ArithmeticError> {
        if self.base >= Decimal::ZERO {
            return Ok(None);
        }
        let start = if here.slope > Decimal::ZERO {
            here.root()?
        } else {
            Decimal::ZERO
        };
        self.newton(start.max(Decimal::ZERO), here)
    }

    /// A rise liquidates if and only if the highest tiers take more than the position earns.
    fn root_above(&self, here: Line) -> Result<Option<Price>, ArithmeticError> {
        let last = self.brackets.brackets().len().saturating_sub(1);
        let far = self.line_in([last, last])?;
        if far.slope >= Decimal::ZERO {
            return Ok(None);
        }
        let start = if here.slope < Decimal::ZERO {
            here.root()?
        } else {
            far.root()?
        };
        self.newton(start, here)
    }

    /// Steps from the outside until a step lands in its own tier. Each step leaves at least one
    /// tier behind, so there are at most as many as tiers.
    fn newton(&self, start: Decimal, here: Line) -> Result<Option<Price>, ArithmeticError> {
        let mut price = start;
        let mut line = self.line_at(price)?;
        if line.tiers == here.tiers && start != Decimal::ZERO {
            return Ok(Some(rounded(price)));
        }
        for _ in 0..BRACKETS_MAX.saturating_mul(2) {
            if line.slope.is_zero() {
                return Ok(None);
            }
            price = line.root()?;
            let next = self.line_at(price)?;
            if next.tiers == line.tiers {
                return Ok(Some(rounded(price)));
            }
            line = next;
        }
        Ok(Some(rounded(price)))
    }

    fn line_at(&self, price: Decimal) -> Result<Line, ArithmeticError> {
        let mut tiers = [0; 2];
        for (tier, leg) in tiers.iter_mut().zip(self.legs) {
            if let Some(leg) = leg {
                // Only the tier is looked up with this product, and f is continuous where tiers
                // meet, so a digit beyond the 28th does not matter here.
                let size = leg.quantity.abs().get();
                let notional = size.checked_mul(price).ok_or(ArithmeticError::Overflow)?;
                *tier = self.brackets.index_of(Notional::new(notional));
            }
        }
        self.line_in(tiers)
    }

    fn line_in(&self, tiers: [usize; 2]) -> Result<Line, ArithmeticError> {
        let mut line = Line {
            constant: self.base,
            slope: Decimal::ZERO,
            tiers,
        };
        for (tier, leg) in tiers.into_iter().zip(self.legs) {
            let Some(leg) = leg else { continue };
            let Some(bracket) = self.brackets.brackets().get(tier) else {
                continue;
            };
            let quantity = leg.quantity.get();
            let held = exact_mul(quantity.abs(), bracket.maintenance_margin_rate.get())?;
            let amount = bracket.maintenance_amount.get();
            let (quantity, held, amount) = match self.weights {
                None => (quantity, held, amount),
                Some(weights) => (
                    weighted(quantity, weights.equity.get())?,
                    weighted(held, weights.maintenance.get())?,
                    converted(amount, weights.maintenance.get())?,
                ),
            };
            line.slope = exact_add(line.slope, exact_sub(quantity, held)?)?;
            line.constant = exact_add(line.constant, amount)?;
        }
        Ok(line)
    }
}

/// Decimals of a root. Billions of coins at a ten-thousandth each are held, and what a price loses
/// behind its last decimal, the quantity multiplies.
const ROOT_DECIMALS: u32 = 20;

/// A root is a quotient: rounded half-even at [`ROOT_DECIMALS`].
fn rounded(price: Decimal) -> Price {
    Price::new(round(price, ROOT_DECIMALS))
}

/// The adverse move to a price as a fraction of the mark.
///
/// # Errors
/// [`ArithmeticError`] when figures do not fit 28 digits.
pub fn move_to(price: Price, mark: MarkPrice) -> Result<Rate, ArithmeticError> {
    price.distance_from(mark.price())
}

#[cfg(test)]
mod tests;
