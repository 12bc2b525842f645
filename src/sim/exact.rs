//! Exact fixed-point numbers: integers that count 10⁻¹⁸.
//!
//! The simulator's own representation, chosen to differ from the engine's decimals. A mark of eight
//! decimals times a quantity of six times a rate of four is still exact; whatever exceeds eighteen
//! decimals is cut toward zero. Sums saturate at 1.7 × 10²⁰, far above any account. Must not know
//! what the numbers mean.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Neg, Sub, SubAssign};

use num_bigint::BigInt;
use rust_decimal::Decimal;

const DIGITS: u32 = 18;
const ONE: i128 = 1_000_000_000_000_000_000;

/// A number with eighteen decimals.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Fixed(i128);

impl Fixed {
    pub(crate) const ZERO: Self = Self(0);
    pub(crate) const ONE: Self = Self(ONE);
    /// The smallest step.
    pub(crate) const ULP: Self = Self(1);

    /// `mantissa` × 10^-`decimals`.
    pub(crate) const fn new(mantissa: i64, decimals: u32) -> Self {
        Self(mantissa as i128 * power(DIGITS - decimals))
    }

    /// From a decimal; `None` when it has more than eighteen decimals that matter or is too large.
    pub(crate) fn from_decimal(value: Decimal) -> Option<Self> {
        let value = value.normalize();
        let missing = DIGITS.checked_sub(value.scale())?;
        value.mantissa().checked_mul(power(missing)).map(Self)
    }

    /// From plain text such as `-12.5`; exponents and separators are refused.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let fraction = fraction.trim_end_matches('0');
        let all = whole.bytes().chain(fraction.bytes());
        if whole.len() + fraction.len() == 0 && !digits.contains('0')
            || !all.clone().all(|byte| byte.is_ascii_digit())
        {
            return None;
        }
        let missing = DIGITS.checked_sub(u32::try_from(fraction.len()).ok()?)?;
        let mut mantissa: i128 = 0;
        for byte in all {
            mantissa = mantissa
                .checked_mul(10)?
                .checked_add(i128::from(byte - b'0'))?;
        }
        let value = mantissa.checked_mul(power(missing))?;
        Some(Self(if negative { -value } else { value }))
    }

    /// Product; exact up to eighteen decimals, cut toward zero beyond.
    ///
    /// Both numbers are taken apart into whole and fraction: of the four partial products only that
    /// of the fractions has decimals to lose, and it fits 128 bits.
    pub(crate) fn times(self, other: Self) -> Self {
        let unit = ONE.unsigned_abs();
        let (left, right) = (self.0.unsigned_abs(), other.0.unsigned_abs());
        let (left_whole, left_part) = (left / unit, left % unit);
        let (right_whole, right_part) = (right / unit, right % unit);
        let size = left_whole
            .saturating_mul(right)
            .saturating_add(left_part.saturating_mul(right_whole))
            .saturating_add(left_part * right_part / unit);
        let size = i128::try_from(size).unwrap_or(i128::MAX);
        let negative = (self.0 < 0) != (other.0 < 0);
        Self(if negative { -size } else { size })
    }

    /// Quotient cut toward zero; `None` for a zero divisor.
    pub(crate) fn over(self, divisor: Self) -> Option<Self> {
        (divisor.0 != 0).then(|| {
            saturated(&(BigInt::from(self.0) * BigInt::from(ONE) / BigInt::from(divisor.0)))
        })
    }

    /// Cut toward zero at so many decimals.
    pub(crate) fn cut(self, decimals: u32) -> Self {
        let unit = power(DIGITS.saturating_sub(decimals));
        Self(self.0 / unit * unit)
    }

    /// The largest multiple of a positive `step` that is not above this number.
    pub(crate) fn floor_to(self, step: Self) -> Self {
        if step.0 <= 0 {
            self
        } else {
            Self(self.0.div_euclid(step.0) * step.0)
        }
    }

    pub(crate) fn is_multiple_of(self, step: Self) -> bool {
        step.0 == 0 || self.0 % step.0 == 0
    }

    /// The midpoint of two numbers, cut down to a whole step.
    pub(crate) fn midpoint(self, other: Self) -> Self {
        Self(self.0 + (other.0 - self.0) / 2)
    }

    pub(crate) fn abs(self) -> Self {
        Self(self.0.saturating_abs())
    }

    pub(crate) fn is_zero(self) -> bool {
        self.0 == 0
    }

    pub(crate) fn is_positive(self) -> bool {
        self.0 > 0
    }

    pub(crate) fn is_negative(self) -> bool {
        self.0 < 0
    }

    /// How many decimals are needed to write it exactly.
    pub(crate) fn decimals(self) -> u32 {
        (0..DIGITS)
            .find(|decimals| self.0 % power(DIGITS - decimals) == 0)
            .unwrap_or(DIGITS)
    }

    /// Text with exactly so many decimals, cut toward zero as the exchange does.
    pub(crate) fn text(self, decimals: u32) -> String {
        let unit = power(DIGITS.saturating_sub(decimals)).unsigned_abs();
        let units = self.0.unsigned_abs() / unit;
        let sign = if self.0 < 0 && units > 0 { "-" } else { "" };
        let digits = match u64::try_from(units) {
            Ok(units) => units.to_string(),
            Err(_) => units.to_string(),
        };
        let decimals = decimals.min(DIGITS) as usize;
        if decimals == 0 {
            return format!("{sign}{digits}");
        }
        let padded = format!("{digits:0>width$}", width = decimals + 1);
        let (whole, fraction) = padded.split_at(padded.len() - decimals);
        format!("{sign}{whole}.{fraction}")
    }

    /// Text with as many decimals as it needs.
    pub(crate) fn plain(self) -> String {
        self.text(self.decimals())
    }

    /// Text with eight decimals, the form of almost every figure of the exchange.
    pub(crate) fn eight(self) -> String {
        self.text(8)
    }
}

const fn power(exponent: u32) -> i128 {
    10_i128.pow(exponent)
}

fn saturated(value: &BigInt) -> Fixed {
    let limit = if value.sign() == num_bigint::Sign::Minus {
        i128::MIN
    } else {
        i128::MAX
    };
    Fixed(i128::try_from(value).unwrap_or(limit))
}

impl Add for Fixed {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sub for Fixed {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Neg for Fixed {
    type Output = Self;
    fn neg(self) -> Self {
        Self(self.0.saturating_neg())
    }
}

impl AddAssign for Fixed {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl SubAssign for Fixed {
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}

impl Sum for Fixed {
    fn sum<I: Iterator<Item = Self>>(numbers: I) -> Self {
        numbers.fold(Self::ZERO, Add::add)
    }
}

impl fmt::Debug for Fixed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.plain())
    }
}

/// A sum of notionals divided by leverages, kept exact: thirds and sevenths do not add up in
/// decimals, so the remainders are added as fractions.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shares {
    whole: i128,
    numerator: u128,
    denominator: u128,
}

impl Shares {
    /// Adds `notional` / `leverage`; both are positive or zero.
    pub(crate) fn add(&mut self, notional: Fixed, leverage: u32) {
        let divisor = i128::from(leverage.max(1));
        self.whole = self.whole.saturating_add(notional.0.div_euclid(divisor));
        let remainder = notional.0.rem_euclid(divisor).unsigned_abs();
        self.add_fraction(remainder, divisor.unsigned_abs());
    }

    /// Adds another sum.
    pub(crate) fn extend(&mut self, other: &Self) {
        self.whole = self.whole.saturating_add(other.whole);
        if other.denominator > 0 {
            self.add_fraction(other.numerator, other.denominator);
        }
    }

    /// Takes another sum, which is part of this one, out again.
    pub(crate) fn take(&mut self, part: &Self) {
        self.whole = self.whole.saturating_sub(part.whole);
        if part.numerator > 0 {
            // A fraction taken is the rest of one added, and one whole step taken.
            self.whole = self.whole.saturating_sub(1);
            self.add_fraction(part.denominator - part.numerator, part.denominator);
        }
    }

    fn add_fraction(&mut self, numerator: u128, denominator: u128) {
        let own = self.denominator.max(1);
        let shared = greatest_common_divisor(own, denominator);
        // Leverages are at most 150 and a table has about twelve of them; should their common
        // multiple ever exceed 128 bits, less than 10⁻¹⁸ is lost.
        let Some(common) = own.checked_mul(denominator / shared) else {
            return;
        };
        let sum = self.numerator * (common / own) + numerator * (common / denominator);
        self.whole = self
            .whole
            .saturating_add(i128::try_from(sum / common).unwrap_or(0));
        self.numerator = sum % common;
        self.denominator = common;
    }

    /// The sum, cut down.
    pub(crate) fn floor(&self) -> Fixed {
        Fixed(self.whole)
    }

    /// The sum, rounded up in the eighteenth decimal; what a balance must be reduced by.
    pub(crate) fn ceil(&self) -> Fixed {
        Fixed(self.whole.saturating_add(i128::from(self.numerator > 0)))
    }
}

fn greatest_common_divisor(left: u128, right: u128) -> u128 {
    if right == 0 {
        left
    } else {
        greatest_common_divisor(right, left % right)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixed(text: &str) -> Fixed {
        Fixed::parse(text).unwrap()
    }

    #[test]
    fn products_are_exact_where_the_exchange_is() {
        // Real capture: 607.52416678 / 80 = 7.59405208 (truncated), margin-math 4.1.
        let mut shares = Shares::default();
        shares.add(fixed("607.52416678"), 80);
        assert_eq!(shares.floor().eight(), "7.59405208");
        assert_eq!(fixed("0.41047590").times(fixed("30")).plain(), "12.314277");
        assert_eq!(
            fixed("30")
                .times(fixed("0.41047590") - fixed("0.385"))
                .plain(),
            "0.764277"
        );
    }

    #[test]
    fn long_fractions_keep_eighteen_decimals() {
        let entry = fixed("62059.976912345678");
        assert_eq!(
            entry.times(fixed("0.123456")).plain(),
            "7661.676509690548023168"
        );
        assert_eq!(
            fixed("-62059.976912345678")
                .times(fixed("0.123456789012345678"))
                .plain(),
            "-7661.725475778504355555"
        );
        assert_eq!(
            fixed("1").over(fixed("3")).unwrap().text(12),
            "0.333333333333"
        );
        assert_eq!(fixed("1").over(Fixed::ZERO), None);
    }

    #[test]
    fn thirds_add_up() {
        let mut shares = Shares::default();
        shares.add(Fixed::ONE, 3);
        shares.add(fixed("4"), 6);
        assert_eq!(shares.floor(), Fixed::ONE);
        shares.add(Fixed::ONE, 7);
        assert_eq!(shares.ceil() - shares.floor(), Fixed::ULP);
    }

    #[test]
    fn text_is_cut_toward_zero() {
        assert_eq!(fixed("0.51106678722").eight(), "0.51106678");
        assert_eq!(fixed("-0.511066789").eight(), "-0.51106678");
        assert_eq!(fixed("12").text(0), "12");
        assert_eq!(fixed("-0.000000001").eight(), "0.00000000");
        for bad in ["", ".", "1e3", "1_000", "--1", "1.2.3", "NaN"] {
            assert_eq!(Fixed::parse(bad), None, "{bad}");
        }
    }
}
