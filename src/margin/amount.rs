//! Money, prices and quantities: one newtype per dimension, and only lawful operations.
//!
//! Owns: exact arithmetic. Addition and multiplication either keep every digit or fail with
//! [`ArithmeticError`]; division and cutting name their rounding.
//! Must not know: what the figures are used for.
//!
//! `rust_decimal` holds 28 digits. Its operators panic on overflow, its `checked_*` functions
//! drop digits silently when a result needs more than 28 (1e-14 × 1e-15 gives `Some(0)`), and its
//! parser rounds silently. Everything here goes through [`exact_add`] and [`exact_mul`], which
//! compare the scale of the result with the scale an exact result must have.

mod exact;
mod text;

use std::cmp::Ordering;
use std::fmt;

use rust_decimal::Decimal;

pub use exact::{
    ArithmeticError, PRINTED_DECIMALS, QUOTIENT_DECIMALS, QUOTIENT_NOISE_DECIMALS, cut, cut_price,
    cut_quotient, exact_add, exact_mul, exact_sub, money_mul, quotient, round,
};
use exact::{divide_narrow, negate, order, ratio_narrow};
pub(in crate::margin) use exact::{divided, power, product};
pub use text::{NUMBER_LENGTH_MAX, NumberError, parse};

/// Declares a newtype over a decimal with its lawful same-dimension operations.
macro_rules! dimension {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Default, Hash)]
        pub struct $name(Decimal);

        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }

        impl Ord for $name {
            fn cmp(&self, other: &Self) -> Ordering {
                order(self.0, other.0)
            }
        }

        impl $name {
            /// Nothing.
            pub const ZERO: Self = Self(Decimal::ZERO);

            /// Takes a decimal as it is.
            #[must_use]
            pub const fn new(value: Decimal) -> Self {
                Self(value)
            }

            /// The bare decimal, for the doors that print it.
            #[must_use]
            pub const fn get(self) -> Decimal {
                self.0
            }

            /// Reads the text exactly.
            ///
            /// # Errors
            /// [`NumberError`] when the text is no number or would lose digits.
            pub fn parse(text: &str) -> Result<Self, NumberError> {
                parse(text).map(Self)
            }

            /// Exact sum.
            ///
            /// # Errors
            /// [`ArithmeticError`] when digits would be lost.
            pub fn plus(self, other: Self) -> Result<Self, ArithmeticError> {
                exact_add(self.0, other.0).map(Self)
            }

            /// Exact difference.
            ///
            /// # Errors
            /// [`ArithmeticError`] when digits would be lost.
            pub fn minus(self, other: Self) -> Result<Self, ArithmeticError> {
                exact_sub(self.0, other.0).map(Self)
            }

            /// The same with the opposite sign.
            #[must_use]
            pub fn negated(self) -> Self {
                Self(negate(self.0))
            }

            /// The distance from zero.
            #[must_use]
            pub fn abs(self) -> Self {
                Self(self.0.abs())
            }

            /// True for zero.
            #[must_use]
            pub const fn is_zero(self) -> bool {
                self.0.is_zero()
            }

            /// True above zero.
            #[must_use]
            pub const fn is_positive(self) -> bool {
                !self.0.is_zero() && self.0.is_sign_positive()
            }

            /// True below zero.
            #[must_use]
            pub const fn is_negative(self) -> bool {
                !self.0.is_zero() && self.0.is_sign_negative()
            }

            /// Itself, or zero where it lies below.
            #[must_use]
            pub const fn floored(self) -> Self {
                if self.is_negative() { Self::ZERO } else { self }
            }

            /// Cut toward zero at eight decimals, as the exchange prints it.
            #[must_use]
            pub fn cut(self) -> Self {
                Self(cut(self.0))
            }

            /// [`Self::cut`] for figures that contain quotients.
            #[must_use]
            pub fn cut_quotient(self) -> Self {
                Self(cut_quotient(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0.normalize(), f)
            }
        }
    };
}

dimension! {
    /// A price of one unit of the base asset in the quote asset.
    Price
}
dimension! {
    /// Units of the base asset; the sign is the direction.
    Quantity
}
dimension! {
    /// Price × quantity, in the quote asset; the sign is the direction.
    Notional
}
dimension! {
    /// Money of one margin asset; signed.
    Amount
}
dimension! {
    /// A dimensionless fraction: 0.1 is 10 %.
    Rate
}

impl Price {
    /// Price × quantity.
    ///
    /// # Errors
    /// [`ArithmeticError`] as in [`money_mul`].
    pub fn times(self, quantity: Quantity) -> Result<Notional, ArithmeticError> {
        money_mul(self.0, quantity.0).map(Notional)
    }

    /// This price moved by a fraction: `price × (1 + move)`.
    ///
    /// # Errors
    /// [`ArithmeticError`] when digits would be lost.
    pub fn moved(self, by: Rate) -> Result<Self, ArithmeticError> {
        exact_mul(self.0, exact_add(Decimal::ONE, by.0)?).map(Self)
    }

    /// The fraction of `from` that lies between the two prices; difference and quotient rounded
    /// half-even at 28 digits.
    ///
    /// # Errors
    /// [`ArithmeticError`] when `from` is zero or digits overflow.
    pub fn distance_from(self, from: Self) -> Result<Rate, ArithmeticError> {
        let between = self
            .0
            .checked_sub(from.0)
            .ok_or(ArithmeticError::Overflow)?;
        quotient(between.abs(), from.0).map(Rate)
    }
}

impl Notional {
    /// A share of the notional as money.
    ///
    /// # Errors
    /// [`ArithmeticError`] as in [`money_mul`].
    pub fn times(self, rate: Rate) -> Result<Amount, ArithmeticError> {
        money_mul(self.0, rate.0).map(Amount)
    }

    /// The notional read as money of its quote asset.
    #[must_use]
    pub const fn as_amount(self) -> Amount {
        Amount(self.0)
    }

    /// Notional ÷ leverage: what the exchange calls initial margin. Rounded half-even at
    /// [`QUOTIENT_DECIMALS`]; printed figures are cut at the eighth decimal.
    ///
    /// # Errors
    /// [`ArithmeticError`] on overflow.
    pub fn over(self, leverage: Leverage) -> Result<Amount, ArithmeticError> {
        if let Some(margin) = divide_narrow(self.0, leverage.get()) {
            return Ok(Amount(margin));
        }
        let margin = quotient(self.0, Decimal::from(leverage.get()))?;
        Ok(Amount(round(margin, QUOTIENT_DECIMALS)))
    }
}

impl Amount {
    /// A share of the money.
    ///
    /// # Errors
    /// [`ArithmeticError`] as in [`money_mul`].
    pub fn times(self, rate: Rate) -> Result<Self, ArithmeticError> {
        money_mul(self.0, rate.0).map(Self)
    }

    /// The ratio of two sums of money; rounded half-even at [`QUOTIENT_DECIMALS`], or at 28 digits
    /// where it is so small that those would not say much.
    ///
    /// # Errors
    /// [`ArithmeticError::DivisionByZero`] when `whole` is zero.
    pub fn over(self, whole: Self) -> Result<Rate, ArithmeticError> {
        match ratio_narrow(self.0, whole.0) {
            Some(ratio) => Ok(Rate(ratio)),
            None => quotient(self.0, whole.0).map(Rate),
        }
    }
}

/// A mark price: above zero by construction. Zero on the wire means *unknown* (a delisting symbol
/// reports 0 while positions are open), and unknown is never a price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct MarkPrice(Price);

impl MarkPrice {
    /// The price, unless it is zero or below.
    #[must_use]
    pub fn new(price: Price) -> Option<Self> {
        price.is_positive().then_some(Self(price))
    }

    /// As a plain price.
    #[must_use]
    pub const fn price(self) -> Price {
        self.0
    }
}

/// The leverage set for a symbol: a whole number from 1 up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Leverage(u32);

impl Leverage {
    /// The leverage, unless it is zero or beyond 1000 (no contract has ever offered that).
    #[must_use]
    pub const fn new(leverage: u32) -> Option<Self> {
        if leverage == 0 || leverage > 1_000 {
            None
        } else {
            Some(Self(leverage))
        }
    }

    /// The bare number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

#[cfg(test)]
mod tests;
