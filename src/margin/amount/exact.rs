//! Arithmetic of bare decimals that keeps every digit, names its rounding, or fails.
//!
//! Owns: sums, products, quotients and cuts, each with a way for short numbers, which nearly all are.
//! Must not know: what the numbers mean.

use std::cmp::Ordering;

use rust_decimal::{Decimal, RoundingStrategy};

/// Decimals the exchange prints; figures are cut (toward zero), not rounded, at this many.
pub const PRINTED_DECIMALS: u32 = 8;

/// A quotient (initial margin above all: notional ÷ leverage), and a product of money that has more
/// decimals, is rounded half-even to this many when it is made, so that sums stay exact up to 7.9e12.
pub const QUOTIENT_DECIMALS: u32 = 16;

/// Sums that contain quotients are rounded half-even to this many decimals before they are cut
/// for print, so that thirds that add up to a whole print as that whole.
pub const QUOTIENT_NOISE_DECIMALS: u32 = 14;

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

/// Powers of ten that 128 bits hold.
const POWERS: [i128; 39] = {
    let mut powers = [1; 39];
    let mut at = 1;
    while at < powers.len() {
        powers[at] = powers[at - 1] * 10;
        at += 1;
    }
    powers
};

/// 10^`exponent`, where 128 bits hold it.
pub(in crate::margin) fn power(exponent: u32) -> Option<i128> {
    POWERS.get(usize::try_from(exponent).ok()?).copied()
}

/// A product that is known to fit where both factors are short.
pub(in crate::margin) fn product(a: i128, b: i128) -> Option<i128> {
    match (i64::try_from(a), i64::try_from(b)) {
        // Below 2^127 whatever the factors.
        (Ok(a), Ok(b)) => Some(i128::from(a).wrapping_mul(i128::from(b))),
        _ => a.checked_mul(b),
    }
}

/// A quotient of whole numbers rounded half-even; short numbers divide many times faster.
pub(in crate::margin) fn divided(dividend: u128, divisor: u128) -> Option<i128> {
    let quotient = match (u64::try_from(dividend), u64::try_from(divisor)) {
        (Ok(dividend), Ok(divisor)) => u128::from(dividend.checked_div(divisor)?),
        _ => dividend.checked_div(divisor)?,
    };
    let rest = dividend.wrapping_sub(quotient.wrapping_mul(divisor));
    let twice = rest.checked_mul(2)?;
    let up = twice > divisor || (twice == divisor && quotient & 1 == 1);
    i128::try_from(quotient.checked_add(u128::from(up))?).ok()
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
    if let Some(sum) = add_short(a, b).or_else(|| add_narrow(a, b)) {
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

/// All digits of a number with its sign, where 63 bits hold them.
fn short(value: Decimal) -> Option<i64> {
    let parts = value.unpack();
    if parts.hi != 0 {
        return None;
    }
    let digits = i64::try_from((u64::from(parts.mid) << 32) | u64::from(parts.lo)).ok()?;
    Some(if parts.negative {
        digits.wrapping_neg()
    } else {
        digits
    })
}

/// Both numbers in units of the longer fraction's last place, where 64 bits hold them.
fn aligned(a: Decimal, b: Decimal) -> Option<(i64, i64)> {
    let (scale_a, scale_b) = (a.scale(), b.scale());
    let (mut short_a, mut short_b) = (short(a)?, short(b)?);
    if scale_a < scale_b {
        short_a = lifted(short_a, scale_b.wrapping_sub(scale_a))?;
    } else if scale_b < scale_a {
        short_b = lifted(short_b, scale_a.wrapping_sub(scale_b))?;
    }
    Some((short_a, short_b))
}

/// `a + b` where 64 bits hold both and the sum: most sums of money.
fn add_short(a: Decimal, b: Decimal) -> Option<Decimal> {
    let (short_a, short_b) = aligned(a, b)?;
    let sum = short_a.checked_add(short_b)?;
    Some(Decimal::new(sum, a.scale().max(b.scale())))
}

/// Which of the two is larger, as the library has it; short numbers need none of its detours.
pub(super) fn order(a: Decimal, b: Decimal) -> Ordering {
    aligned(a, b).map_or_else(|| a.cmp(&b), |(a, b)| a.cmp(&b))
}

/// Powers of ten that 64 bits hold.
const SHORT_POWERS: [i64; 19] = {
    let mut powers = [1; 19];
    let mut at = 1;
    while at < powers.len() {
        powers[at] = powers[at - 1] * 10;
        at += 1;
    }
    powers
};

/// A number times 10^`places`, where 64 bits hold it.
fn lifted(value: i64, places: u32) -> Option<i64> {
    value.checked_mul(*SHORT_POWERS.get(usize::try_from(places).ok()?)?)
}

/// `a + b` where 128 bits hold the shorter fraction lifted to the longer one's scale: nearly every sum
/// of money.
fn add_narrow(a: Decimal, b: Decimal) -> Option<Decimal> {
    let (long, short) = if a.scale() < b.scale() {
        (b, a)
    } else {
        (a, b)
    };
    let places = long.scale().wrapping_sub(short.scale());
    let lifted = if places == 0 {
        short.mantissa()
    } else {
        product(short.mantissa(), power(places)?)?
    };
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
pub(super) fn negate(value: Decimal) -> Decimal {
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
    if let Some(product) = mul_narrow(a, b) {
        return Ok(product);
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

/// Money from a product: exact up to [`QUOTIENT_DECIMALS`], rounded half-even there beyond.
///
/// Prices, quantities and rates together can have more decimals than 28 digits leave room for in a
/// pool of billions; what is dropped lies eight decimals behind the last that is printed. Where that
/// would be much of it, nothing is dropped.
///
/// # Errors
/// [`ArithmeticError`] when not even that many decimals fit.
pub fn money_mul(a: Decimal, b: Decimal) -> Result<Decimal, ArithmeticError> {
    if a.is_zero() || b.is_zero() {
        return Ok(Decimal::ZERO);
    }
    let exact = match mul_narrow(a, b) {
        Some(product) => Ok(product),
        None => exact_mul(a, b),
    };
    if exact.is_ok_and(|product| product.scale() <= QUOTIENT_DECIMALS) {
        return exact;
    }
    // The library rounds half-even at the last digit that fits.
    let product = exact.or_else(|_| a.checked_mul(b).ok_or(ArithmeticError::Overflow))?;
    if product.scale() < QUOTIENT_DECIMALS {
        return Err(ArithmeticError::Inexact);
    }
    let rounded = round(product, QUOTIENT_DECIMALS);
    if rounded.mantissa().unsigned_abs() < ROUNDED_MIN {
        return exact;
    }
    Ok(rounded)
}

/// Money below a millionth is not rounded: in units of [`QUOTIENT_DECIMALS`].
const ROUNDED_MIN: u128 = 10_000_000_000;

/// `a × b` of two words each.
fn mul_narrow(a: Decimal, b: Decimal) -> Option<Decimal> {
    let left = i64::try_from(a.mantissa()).ok()?;
    let right = i64::try_from(b.mantissa()).ok()?;
    let scale = a.scale().wrapping_add(b.scale());
    // Below 2^127 whatever the factors.
    let product = i128::from(left).wrapping_mul(i128::from(right));
    Decimal::try_from_i128_with_scale(product, scale).ok()
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

/// A division by a whole number, rounded half-even at [`QUOTIENT_DECIMALS`], where 128 bits hold the
/// dividend in units of that decimal.
pub(super) fn divide_narrow(value: Decimal, divisor: u32) -> Option<Decimal> {
    let places = QUOTIENT_DECIMALS.checked_sub(value.scale())?;
    let units = product(value.mantissa(), power(places)?)?;
    let size = divided(units.unsigned_abs(), u128::from(divisor))?;
    let signed = if units < 0 { size.checked_neg()? } else { size };
    Decimal::try_from_i128_with_scale(signed, QUOTIENT_DECIMALS).ok()
}

/// A ratio rounded half-even at [`QUOTIENT_DECIMALS`], where 128 bits hold the dividend and at least
/// eight digits of the ratio are not zero.
pub(super) fn ratio_narrow(part: Decimal, whole: Decimal) -> Option<Decimal> {
    let places = QUOTIENT_DECIMALS
        .checked_add(whole.scale())?
        .checked_sub(part.scale())?;
    let units = product(part.mantissa(), power(places)?)?;
    let size = divided(units.unsigned_abs(), whole.mantissa().unsigned_abs())?;
    if size < 100_000_000 {
        return None;
    }
    let negative = part.is_sign_negative() != whole.is_sign_negative();
    let signed = if negative { size.checked_neg()? } else { size };
    Decimal::try_from_i128_with_scale(signed, QUOTIENT_DECIMALS).ok()
}

/// Rounded half-even to `decimals`.
#[must_use]
pub fn round(value: Decimal, decimals: u32) -> Decimal {
    if value.scale() <= decimals {
        return value;
    }
    round_narrow(value, decimals).unwrap_or_else(|| {
        value.round_dp_with_strategy(decimals, RoundingStrategy::MidpointNearestEven)
    })
}

fn round_narrow(value: Decimal, decimals: u32) -> Option<Decimal> {
    let dropped = power(value.scale().checked_sub(decimals)?)?;
    let size = divided(value.mantissa().unsigned_abs(), dropped.unsigned_abs())?;
    let signed = if value.is_sign_negative() {
        size.checked_neg()?
    } else {
        size
    };
    Decimal::try_from_i128_with_scale(signed, decimals).ok()
}

/// Cut toward zero at [`PRINTED_DECIMALS`], as the exchange prints money
/// (0.51106678722 prints 0.51106678).
#[must_use]
pub fn cut(value: Decimal) -> Decimal {
    if value.scale() <= PRINTED_DECIMALS {
        return value;
    }
    cut_narrow(value).unwrap_or_else(|| value.trunc_with_scale(PRINTED_DECIMALS))
}

/// The same of a number of one word.
fn cut_narrow(value: Decimal) -> Option<Decimal> {
    let mantissa = i64::try_from(value.mantissa()).ok()?;
    let dropped = power(value.scale().checked_sub(PRINTED_DECIMALS)?)?;
    let kept = mantissa.checked_div(i64::try_from(dropped).ok()?)?;
    Some(Decimal::new(kept, PRINTED_DECIMALS))
}

/// A price below one keeps at least this many significant digits: quantities of such contracts are
/// so large that what eight decimals leave out is money.
const PRICE_DIGITS_MIN: u32 = 12;

/// [`cut`] for prices.
#[must_use]
pub fn cut_price(value: Decimal) -> Decimal {
    if value.scale() <= PRINTED_DECIMALS {
        return value;
    }
    let size = value.mantissa().unsigned_abs();
    let digits = size.checked_ilog10().map_or(0, |log| log.saturating_add(1));
    // Zeros between the point and the first digit; none of a price of one or more.
    let Some(zeros) = value.scale().checked_sub(digits) else {
        return cut(value);
    };
    value.trunc_with_scale(
        PRICE_DIGITS_MIN
            .saturating_add(zeros)
            .min(Decimal::MAX_SCALE),
    )
}

/// [`cut`] for figures that contain quotients: their noise beyond [`QUOTIENT_NOISE_DECIMALS`] is
/// rounded half-even first.
#[must_use]
pub fn cut_quotient(value: Decimal) -> Decimal {
    cut(round(value, QUOTIENT_NOISE_DECIMALS))
}
