//! Numbers as text, read exactly or not at all.
//!
//! Owns: the parser and why a text is refused.
//! Must not know: what the numbers mean.

use rust_decimal::Decimal;

use super::exact::negate;

/// The longest text that is read as a number.
pub const NUMBER_LENGTH_MAX: usize = 64;

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
