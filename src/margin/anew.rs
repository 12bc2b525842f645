//! The sums of a pool made from nothing, in one pass over the positions.
//!
//! Owns: [`Sums`], exact sums of what crossed positions are worth and need, on wider numbers than a
//! decimal (38 digits), so that they are quick and nothing is rounded on the way.
//! Must not know: running sums (it is the second opinion that proves them), searches, time.
//!
//! What is out of the ordinary (isolated positions, working orders, figures that 38 digits do not
//! hold) is left to [`Contribution`].

use rust_decimal::Decimal;

use super::account::{Leg, MarginMode, PositionMode, SymbolState};
use super::amount::{
    Amount, ArithmeticError, Leverage, MarkPrice, Notional, QUOTIENT_DECIMALS,
    QUOTIENT_NOISE_DECIMALS, Rate, divided, power, product,
};
use super::bracket::{Bracket, BracketTable};
use super::contribution::{Contribution, Missing};
use super::pool::{BalanceSheet, Totals};

/// An exact number of up to 38 digits: mantissa × 10^−scale.
#[derive(Debug, Clone, Copy)]
struct Wide {
    mantissa: i128,
    scale: u32,
}

impl Wide {
    const ZERO: Self = Self {
        mantissa: 0,
        scale: 0,
    };

    const fn of(value: Decimal) -> Self {
        Self {
            mantissa: value.mantissa(),
            scale: value.scale(),
        }
    }

    fn times(self, other: Self) -> Option<Self> {
        Some(Self {
            mantissa: product(self.mantissa, other.mantissa)?,
            scale: self.scale.checked_add(other.scale)?,
        })
    }

    /// This number, unless it has decimals that money has not (see `money_mul`).
    fn as_money(self) -> Option<Self> {
        (self.scale <= QUOTIENT_DECIMALS).then_some(self)
    }

    /// Itself, or zero where it lies below.
    const fn floored(self) -> Self {
        if self.mantissa < 0 { Self::ZERO } else { self }
    }

    const fn abs(self) -> Self {
        Self {
            mantissa: self.mantissa.saturating_abs(),
            scale: self.scale,
        }
    }

    /// This number counted in units of 10^−`scale`, which is not above its own.
    fn at(self, scale: u32) -> Option<i128> {
        if self.scale == scale {
            return Some(self.mantissa);
        }
        product(self.mantissa, power(scale.checked_sub(self.scale)?)?)
    }

    fn plus(self, other: Self) -> Option<Self> {
        let scale = self.scale.max(other.scale);
        Some(Self {
            mantissa: self.at(scale)?.checked_add(other.at(scale)?)?,
            scale,
        })
    }

    fn minus(self, other: Self) -> Option<Self> {
        self.plus(Self {
            mantissa: other.mantissa.checked_neg()?,
            ..other
        })
    }

    /// True when this non-negative number does not lie above the other.
    fn within(self, other: Self) -> Option<bool> {
        let scale = self.scale.max(other.scale);
        Some(self.at(scale)? <= other.at(scale)?)
    }

    /// Divided by a leverage, rounded half-even at [`QUOTIENT_DECIMALS`]; for non-negative numbers.
    fn over(self, leverage: Leverage) -> Option<Self> {
        let units = self.at(QUOTIENT_DECIMALS)?;
        Some(Self {
            mantissa: divided(u128::try_from(units).ok()?, u128::from(leverage.get()))?,
            scale: QUOTIENT_DECIMALS,
        })
    }

    /// Rounded half-even to `decimals`; for non-negative numbers.
    fn rounded(self, decimals: u32) -> Option<Self> {
        let Some(dropped) = self.scale.checked_sub(decimals).filter(|more| *more > 0) else {
            return Some(self);
        };
        let unit = u128::try_from(power(dropped)?).ok()?;
        Some(Self {
            mantissa: divided(u128::try_from(self.mantissa).ok()?, unit)?,
            scale: decimals,
        })
    }

    /// The fraction of a positive whole, as [`Amount::over`] has it.
    fn fraction_of(self, whole: Self) -> Option<Rate> {
        let units = self.at(QUOTIENT_DECIMALS.checked_add(whole.scale)?)?;
        let whole = u128::try_from(whole.mantissa).ok()?;
        let size = divided(u128::try_from(units).ok()?, whole)?;
        let ratio = Decimal::try_from_i128_with_scale(size, QUOTIENT_DECIMALS);
        // Where hardly a digit is left the longer way keeps more of them.
        ratio.ok().filter(|_| size >= RATIO_MIN).map(Rate::new)
    }

    fn amount(self) -> Option<Amount> {
        self.decimal().ok().map(Amount::new)
    }

    /// As a decimal, with all its digits or not at all.
    fn decimal(self) -> Result<Decimal, ArithmeticError> {
        if let Ok(value) = Decimal::try_from_i128_with_scale(self.mantissa, self.scale) {
            return Ok(value);
        }
        let (mut mantissa, mut scale) = (self.mantissa, self.scale);
        while scale > 0 && mantissa.checked_rem(10) == Some(0) {
            mantissa = mantissa.checked_div(10).ok_or(ArithmeticError::Overflow)?;
            scale = scale.saturating_sub(1);
        }
        Decimal::try_from_i128_with_scale(mantissa, scale).map_err(|_| ArithmeticError::Inexact)
    }
}

/// The smallest ratio that eight digits say, in units of [`QUOTIENT_DECIMALS`].
const RATIO_MIN: i128 = 100_000_000;

/// What crossed positions without anything out of the ordinary add up to.
#[derive(Debug, Clone, Copy)]
struct Plain {
    notional_gross: Wide,
    unrealized_pnl: Wide,
    maintenance_margin: Wide,
    position_initial_margin: Wide,
}

/// What the positions of a pool add up to.
#[derive(Debug)]
pub(super) struct Sums {
    plain: Plain,
    /// What was left to the longer way.
    rest: Option<Box<Contribution>>,
}

impl Sums {
    pub(super) const fn nothing() -> Self {
        Self {
            plain: Plain {
                notional_gross: Wide::ZERO,
                unrealized_pnl: Wide::ZERO,
                maintenance_margin: Wide::ZERO,
                position_initial_margin: Wide::ZERO,
            },
            rest: None,
        }
    }

    /// Adds a symbol.
    pub(super) fn add(&mut self, state: &SymbolState, mode: PositionMode) -> Result<(), Missing> {
        if state.is_idle() {
            return Ok(());
        }
        if let Some(plain) = self.plain.with(state) {
            self.plain = plain;
            return Ok(());
        }
        let figures = Contribution::of(state, mode)?;
        self.rest.get_or_insert_default().add(&figures)?;
        Ok(())
    }

    /// What the pool has and keeps. Where nothing is out of the ordinary the figures become decimals
    /// only when they are told: of a small pool the way over decimals is most of the cost.
    pub(super) fn balance_sheet(
        &self,
        cross_wallet: Amount,
    ) -> Result<BalanceSheet, ArithmeticError> {
        let plain = match self.rest {
            None => self.plain.balance_sheet(Wide::of(cross_wallet.get())),
            Some(_) => None,
        };
        match plain {
            Some(sheet) => Ok(sheet),
            None => self.totals()?.balance_sheet(cross_wallet),
        }
    }

    /// The sums that a balance sheet is made of.
    pub(super) fn totals(&self) -> Result<Totals, ArithmeticError> {
        let plain = Totals {
            notional_gross: Notional::new(self.plain.notional_gross.decimal()?),
            unrealized_pnl: Amount::new(self.plain.unrealized_pnl.decimal()?),
            maintenance_margin: Amount::new(self.plain.maintenance_margin.decimal()?),
            position_initial_margin: Amount::new(self.plain.position_initial_margin.decimal()?),
            ..Totals::default()
        };
        let Some(rest) = &self.rest else {
            return Ok(plain);
        };
        Ok(Totals {
            notional_gross: plain.notional_gross.plus(rest.notional_gross)?,
            unrealized_pnl: plain.unrealized_pnl.plus(rest.unrealized_pnl)?,
            maintenance_margin: plain.maintenance_margin.plus(rest.maintenance_margin)?,
            position_initial_margin: plain
                .position_initial_margin
                .plus(rest.position_initial_margin)?,
            ..Totals::from(&**rest)
        })
    }
}

impl Plain {
    /// The formulas of [`Totals::balance_sheet`] where no order works and nothing is isolated.
    fn balance_sheet(&self, cross_wallet: Wide) -> Option<BalanceSheet> {
        let balance = cross_wallet.plus(self.unrealized_pnl)?;
        let reserved = self
            .position_initial_margin
            .rounded(QUOTIENT_NOISE_DECIMALS)?;
        let available = balance.minus(reserved)?.floored();
        let headroom = balance.minus(self.maintenance_margin)?;
        let (margin_ratio, account_leverage) = if balance.mantissa > 0 {
            let ratio = self.maintenance_margin.fraction_of(balance)?;
            (Some(ratio), Some(self.notional_gross.fraction_of(balance)?))
        } else {
            (None, None)
        };
        Some(BalanceSheet {
            margin_balance: balance.amount()?,
            initial_margin: self.position_initial_margin.amount()?,
            maintenance_margin: self.maintenance_margin.amount()?,
            available_balance: available.amount()?,
            headroom: headroom.amount()?,
            margin_ratio,
            account_leverage,
        })
    }

    /// With a crossed symbol that has no working orders; `None` where it is not that plain.
    fn with(self, state: &SymbolState) -> Option<Self> {
        let settings = state.settings?;
        if settings.margin_mode == MarginMode::Isolated || !state.resting.is_empty() {
            return None;
        }
        let (mark, brackets) = (state.mark?, state.brackets.as_deref()?);
        let mut sum = self;
        for (_, leg) in state.legs.held() {
            sum = sum.with_leg(leg, mark, brackets, settings.leverage)?;
        }
        Some(sum)
    }

    fn with_leg(
        self,
        leg: &Leg,
        mark: MarkPrice,
        brackets: &BracketTable,
        leverage: Leverage,
    ) -> Option<Self> {
        let net = Wide::of(mark.price().get()).times(Wide::of(leg.quantity.get()))?;
        let net = net.as_money()?;
        let gross = net.abs();
        let bracket = tier_of(brackets, gross)?;
        let rate = Wide::of(bracket.maintenance_margin_rate.get());
        let amount = Wide::of(bracket.maintenance_amount.get());
        let profit = net.minus(Wide::of(leg.entry_cost.get()))?;
        let kept = gross.times(rate)?.as_money()?.minus(amount)?;
        Some(Self {
            notional_gross: self.notional_gross.plus(gross)?,
            unrealized_pnl: self.unrealized_pnl.plus(profit)?,
            maintenance_margin: self.maintenance_margin.plus(kept)?,
            position_initial_margin: self.position_initial_margin.plus(gross.over(leverage)?)?,
        })
    }
}

/// The tier that holds a notional; `None` where 38 digits are not enough to say.
fn tier_of(brackets: &BracketTable, gross: Wide) -> Option<&Bracket> {
    for bracket in brackets.brackets() {
        if gross.within(Wide::of(bracket.cap.get()))? {
            return Some(bracket);
        }
    }
    Some(brackets.last())
}
