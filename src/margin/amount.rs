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

use std::fmt;

use rust_decimal::{Decimal, RoundingStrategy};

/// Decimals the exchange prints; figures are cut (toward zero), not rounded, at this many.
pub const PRINTED_DECIMALS: u32 = 8;

/// A quotient (initial margin above all: notional ÷ leverage) is rounded half-even to this many
/// decimals when it is made, so that sums of quotients stay exact up to 1e12.
pub const QUOTIENT_DECIMALS: u32 = 16;

/// Sums that contain quotients are rounded half-even to this many decimals before they are cut
/// for print, so that thirds that add up to a whole print as that whole.
pub const QUOTIENT_NOISE_DECIMALS: u32 = 14;

/// The longest text that is read as a number.
pub const NUMBER_LENGTH_MAX: usize = 64;

/// Why a figure could not be computed. Never a panic, never a silent zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum ArithmeticError {
    /// The result lies outside of what 96 bits hold (about 7.9e28).
    #[error("the result is too large for 28 digits")]
    Overflow,
    /// The result needs more than 28 digits, and digits of money are never dropped.
    #[error("the result needs more than 28 digits")]
    Inexact,
    /// A divisor was zero.
    #[error("division by zero")]
    DivisionByZero,
}

/// Why a text is not a number we can hold exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    /// Nothing between the quotes: the exchange sends this for accounts that are not activated.
    #[error("is empty")]
    Empty,
    /// Not of the form `[+-]digits[.digits][e[+-]digits]`.
    #[error("is not a decimal number")]
    Malformed,
    /// Longer than [`NUMBER_LENGTH_MAX`].
    #[error("is longer than 64 characters")]
    TooLong,
    /// Needs more than 28 digits or lies beyond 7.9e28.
    #[error("needs more than 28 digits")]
    TooPrecise,
}

/// Reads a decimal in plain or exponent notation, exactly or not at all; trailing zeros are
/// dropped so that products keep as few digits as they need.
///
/// # Errors
/// [`NumberError`] when the text is no number or would lose digits.
pub fn parse(text: &str) -> Result<Decimal, NumberError> {
    if text.is_empty() {
        return Err(NumberError::Empty);
    }
    if text.len() > NUMBER_LENGTH_MAX {
        return Err(NumberError::TooLong);
    }
    if let Some(value) = parse_short(text.as_bytes()) {
        return Ok(value);
    }
    parse_slowly(text)
}

/// Reads what prices look like: at most eighteen digits, perhaps a point among or before them,
/// perhaps a minus.
fn parse_short(text: &[u8]) -> Option<Decimal> {
    const DIGITS_MAX: u32 = 18;
    let (negative, unsigned) = match text {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    // Digits, and those behind the point; and both again as they were at the last digit that counts.
    let (mut digits, mut decimals, mut mantissa) = (0_u32, 0_u32, 0_u64);
    let (mut kept, mut kept_decimals) = (0, 0);
    let mut in_fraction = false;
    for byte in unsigned {
        if byte.is_ascii_digit() {
            digits = digits.checked_add(1)?;
            mantissa = mantissa
                .wrapping_mul(10)
                .wrapping_add(u64::from(byte & 0x0F));
            decimals = decimals.wrapping_add(u32::from(in_fraction));
            if *byte != b'0' || !in_fraction {
                (kept, kept_decimals) = (mantissa, decimals);
            }
        } else if *byte == b'.' && !in_fraction {
            in_fraction = true;
        } else {
            return None;
        }
    }
    if digits == 0 || digits > DIGITS_MAX {
        return None;
    }
    let value = Decimal::from_i128_with_scale(i128::from(kept), kept_decimals);
    Some(if negative { negate(value) } else { value })
}

fn parse_slowly(text: &str) -> Result<Decimal, NumberError> {
    let (negative, unsigned) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (
            mantissa,
            exponent
                .parse::<i32>()
                .map_err(|_| NumberError::Malformed)?,
        ),
        None => (unsigned, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits_only = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !digits_only(whole) || !digits_only(fraction) {
        return Err(NumberError::Malformed);
    }
    let fraction = fraction.trim_end_matches('0');
    let digits = format!("{whole}{fraction}");
    let digits = digits.trim_start_matches('0');
    if digits.is_empty() {
        return Ok(Decimal::ZERO);
    }
    let scale = i32::try_from(fraction.len())
        .unwrap_or(i32::MAX)
        .saturating_sub(exponent);
    from_digits(digits, scale, negative)
}

/// `digits` × 10^−`scale`, exactly.
fn from_digits(digits: &str, scale: i32, negative: bool) -> Result<Decimal, NumberError> {
    let kept = digits.trim_end_matches('0');
    let dropped = i32::try_from(digits.len().saturating_sub(kept.len())).unwrap_or(i32::MAX);
    let scale = scale.saturating_sub(dropped);
    let padding = usize::try_from(scale.saturating_neg()).unwrap_or(0);
    if padding > 29 || kept.len().saturating_add(padding) > 29 {
        return Err(NumberError::TooPrecise);
    }
    let mantissa = format!("{kept}{}", "0".repeat(padding));
    let mantissa = mantissa
        .parse::<i128>()
        .map_err(|_| NumberError::TooPrecise)?;
    let mantissa = if negative {
        mantissa.saturating_neg()
    } else {
        mantissa
    };
    let scale = u32::try_from(scale).unwrap_or(0);
    Decimal::try_from_i128_with_scale(mantissa, scale)
        .map(|value| value.normalize())
        .map_err(|_| NumberError::TooPrecise)
}

/// `a + b` with every digit kept.
///
/// # Errors
/// [`ArithmeticError::Overflow`] or [`ArithmeticError::Inexact`].
pub fn exact_add(a: Decimal, b: Decimal) -> Result<Decimal, ArithmeticError> {
    if b.is_zero() {
        return Ok(a);
    }
    if a.is_zero() {
        return Ok(b);
    }
    if let Some(sum) = add_narrow(a, b) {
        return Ok(sum);
    }
    let sum = a.checked_add(b).ok_or(ArithmeticError::Overflow)?;
    if sum.scale() >= a.scale().max(b.scale()) {
        return Ok(sum);
    }
    let (a, b) = (a.normalize(), b.normalize());
    let sum = a.checked_add(b).ok_or(ArithmeticError::Overflow)?;
    if sum.scale() >= a.scale().max(b.scale()) {
        Ok(sum)
    } else {
        Err(ArithmeticError::Inexact)
    }
}

/// `a + b` where lifting the shorter fraction to the longer one's scale takes one multiplication of
/// two words: nearly every sum of money.
fn add_narrow(a: Decimal, b: Decimal) -> Option<Decimal> {
    const POWERS: [i64; 19] = {
        let mut powers = [1; 19];
        let mut at = 1;
        while at < powers.len() {
            powers[at] = powers[at - 1] * 10;
            at += 1;
        }
        powers
    };
    let (long, short) = if a.scale() < b.scale() {
        (b, a)
    } else {
        (a, b)
    };
    let places = usize::try_from(long.scale().wrapping_sub(short.scale())).ok()?;
    let power = POWERS.get(places)?;
    let short = i64::try_from(short.mantissa()).ok()?;
    // Below 2^127 whatever the factors, and a mantissa has 96 bits.
    let lifted = i128::from(short).wrapping_mul(i128::from(*power));
    let sum = lifted.checked_add(long.mantissa())?;
    Decimal::try_from_i128_with_scale(sum, long.scale()).ok()
}

/// `a − b` with every digit kept.
///
/// # Errors
/// [`ArithmeticError::Overflow`] or [`ArithmeticError::Inexact`].
pub fn exact_sub(a: Decimal, b: Decimal) -> Result<Decimal, ArithmeticError> {
    exact_add(a, negate(b))
}

/// The opposite sign; zero stays plain zero.
fn negate(value: Decimal) -> Decimal {
    let mut negated = value;
    if !value.is_zero() {
        negated.set_sign_negative(!value.is_sign_negative());
    }
    negated
}

/// `a × b` with every digit kept.
///
/// # Errors
/// [`ArithmeticError::Overflow`] or [`ArithmeticError::Inexact`].
pub fn exact_mul(a: Decimal, b: Decimal) -> Result<Decimal, ArithmeticError> {
    if a.is_zero() || b.is_zero() {
        return Ok(Decimal::ZERO);
    }
    let product = a.checked_mul(b).ok_or(ArithmeticError::Overflow)?;
    if product.scale() == a.scale().saturating_add(b.scale()) {
        return Ok(product);
    }
    let (a, b) = (a.normalize(), b.normalize());
    let product = a.checked_mul(b).ok_or(ArithmeticError::Overflow)?;
    if product.scale() == a.scale().saturating_add(b.scale()) {
        Ok(product)
    } else {
        Err(ArithmeticError::Inexact)
    }
}

/// `a ÷ b`, rounded half-even at the 28th digit (the library's own rule).
///
/// # Errors
/// [`ArithmeticError::DivisionByZero`] or [`ArithmeticError::Overflow`].
pub fn quotient(a: Decimal, b: Decimal) -> Result<Decimal, ArithmeticError> {
    if b.is_zero() {
        return Err(ArithmeticError::DivisionByZero);
    }
    a.checked_div(b).ok_or(ArithmeticError::Overflow)
}

/// Rounded half-even to `decimals`.
#[must_use]
pub fn round(value: Decimal, decimals: u32) -> Decimal {
    value.round_dp_with_strategy(decimals, RoundingStrategy::MidpointNearestEven)
}

/// Cut toward zero at [`PRINTED_DECIMALS`], as the exchange prints money
/// (0.51106678722 prints 0.51106678).
#[must_use]
pub fn cut(value: Decimal) -> Decimal {
    if value.scale() <= PRINTED_DECIMALS {
        value
    } else {
        value.trunc_with_scale(PRINTED_DECIMALS)
    }
}

/// [`cut`] for figures that contain quotients: their noise beyond [`QUOTIENT_NOISE_DECIMALS`] is
/// rounded half-even first.
#[must_use]
pub fn cut_quotient(value: Decimal) -> Decimal {
    cut(round(value, QUOTIENT_NOISE_DECIMALS))
}

/// Declares a newtype over a decimal with its lawful same-dimension operations.
macro_rules! dimension {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
        pub struct $name(Decimal);

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
            pub fn is_positive(self) -> bool {
                self.0 > Decimal::ZERO
            }

            /// True below zero.
            #[must_use]
            pub fn is_negative(self) -> bool {
                self.0 < Decimal::ZERO
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
    /// [`ArithmeticError`] when digits would be lost.
    pub fn times(self, quantity: Quantity) -> Result<Notional, ArithmeticError> {
        exact_mul(self.0, quantity.0).map(Notional)
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
    /// [`ArithmeticError`] when digits would be lost.
    pub fn times(self, rate: Rate) -> Result<Amount, ArithmeticError> {
        exact_mul(self.0, rate.0).map(Amount)
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
        let margin = quotient(self.0, Decimal::from(leverage.get()))?;
        Ok(Amount(round(margin, QUOTIENT_DECIMALS)))
    }
}

impl Amount {
    /// A share of the money.
    ///
    /// # Errors
    /// [`ArithmeticError`] when digits would be lost.
    pub fn times(self, rate: Rate) -> Result<Self, ArithmeticError> {
        exact_mul(self.0, rate.0).map(Self)
    }

    /// The ratio of two sums of money; rounded half-even at 28 digits.
    ///
    /// # Errors
    /// [`ArithmeticError::DivisionByZero`] when `whole` is zero.
    pub fn over(self, whole: Self) -> Result<Rate, ArithmeticError> {
        quotient(self.0, whole.0).map(Rate)
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
