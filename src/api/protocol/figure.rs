//! Decimals on the socket: strings in plain notation, or `null` when not known.
//!
//! Owns: how a figure is cut and written. Money and fractions are cut toward zero at eight
//! decimals, as the exchange prints them; quantities and prices it gave us stay as they are.
//! Must not know: what a figure means.

use std::fmt;

use rust_decimal::Decimal;
use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};

use crate::margin::amount::{Amount, Notional, Price, Quantity, Rate, cut, cut_quotient, parse};

/// Sign, 29 digits, a point and a leading zero.
const TEXT_LENGTH_MAX: usize = 40;

/// A decimal, or `null` when it is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Figure(pub Option<Decimal>);

impl Figure {
    /// Not known, or not there.
    pub const NONE: Self = Self(None);

    /// A decimal as it is.
    #[must_use]
    pub const fn exact(value: Decimal) -> Self {
        Self(Some(value))
    }

    /// Money, cut at eight decimals.
    #[must_use]
    pub fn money(amount: Amount) -> Self {
        Self(Some(cut(amount.get())))
    }

    /// Money that contains quotients (initial margin above all), cut at eight decimals.
    #[must_use]
    pub fn margin(amount: Amount) -> Self {
        Self(Some(cut_quotient(amount.get())))
    }

    /// A fraction, cut at eight decimals.
    #[must_use]
    pub fn fraction(rate: Rate) -> Self {
        Self(Some(cut(rate.get())))
    }

    /// A price, cut at eight decimals: liquidation prices are quotients.
    #[must_use]
    pub fn price(price: Price) -> Self {
        Self(Some(cut(price.get())))
    }

    /// A notional, cut at eight decimals.
    #[must_use]
    pub fn notional(notional: Notional) -> Self {
        Self(Some(cut(notional.get())))
    }

    /// A quantity as it is.
    #[must_use]
    pub const fn quantity(quantity: Quantity) -> Self {
        Self(Some(quantity.get()))
    }

    /// True when the figure is there.
    #[must_use]
    pub const fn is_known(&self) -> bool {
        self.0.is_some()
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(value) => f.write_str(plain(value, &mut [0; TEXT_LENGTH_MAX])),
            None => f.write_str("–"),
        }
    }
}

impl Serialize for Figure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Some(value) => serializer.serialize_str(plain(value, &mut [0; TEXT_LENGTH_MAX])),
            None => serializer.serialize_none(),
        }
    }
}

impl<'de> Deserialize<'de> for Figure {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Figure;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a decimal as a string, or null")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Figure, E> {
                parse(text).map(Figure::exact).map_err(E::custom)
            }

            fn visit_unit<E: de::Error>(self) -> Result<Figure, E> {
                Ok(Figure::NONE)
            }

            fn visit_none<E: de::Error>(self) -> Result<Figure, E> {
                Ok(Figure::NONE)
            }

            fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<Figure, D::Error> {
                inner.deserialize_str(Self)
            }
        }
        deserializer.deserialize_option(Text)
    }
}

/// Writes a decimal in plain notation without trailing zeros. Answers hold a hundred of these, so
/// the digits are written straight into a buffer instead of through the formatting machinery.
fn plain(value: Decimal, buffer: &mut [u8; TEXT_LENGTH_MAX]) -> &str {
    let mantissa = value.mantissa().unsigned_abs();
    let mut digits = itoa::Buffer::new();
    let (digits, decimals) = match u64::try_from(mantissa) {
        Ok(mantissa) => {
            let (mantissa, decimals) = without_zeros(mantissa, value.scale());
            (digits.format(mantissa), decimals)
        }
        Err(_) => {
            let value = value.normalize();
            (
                digits.format(value.mantissa().unsigned_abs()),
                value.scale(),
            )
        }
    };
    let decimals = usize::try_from(decimals).unwrap_or_default();
    let mut text = Text { buffer, length: 0 };
    if value.is_sign_negative() && mantissa != 0 {
        text.put("-");
    }
    match digits.len().checked_sub(decimals) {
        _ if decimals == 0 => text.put(digits),
        None | Some(0) => {
            text.put("0.");
            text.put(&ZEROS[..decimals.saturating_sub(digits.len()).min(ZEROS.len())]);
            text.put(digits);
        }
        Some(whole) => {
            let (whole, fraction) = digits.split_at(whole);
            text.put(whole);
            text.put(".");
            text.put(fraction);
        }
    }
    text.read()
}

/// As many as a fraction can begin with.
const ZEROS: &str = "0000000000000000000000000000";

/// A fraction's trailing zeros taken off.
const fn without_zeros(mut mantissa: u64, mut decimals: u32) -> (u64, u32) {
    while decimals > 0 && mantissa.is_multiple_of(10) {
        mantissa /= 10;
        decimals -= 1;
    }
    (mantissa, decimals)
}

struct Text<'b> {
    buffer: &'b mut [u8; TEXT_LENGTH_MAX],
    length: usize,
}

impl<'b> Text<'b> {
    fn put(&mut self, part: &str) {
        let end = self.length.saturating_add(part.len());
        if let Some(place) = self.buffer.get_mut(self.length..end) {
            place.copy_from_slice(part.as_bytes());
            self.length = end;
        }
    }

    fn read(self) -> &'b str {
        let written = self.buffer.get(..self.length).unwrap_or_default();
        std::str::from_utf8(written).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(value: &str) -> String {
        serde_json::to_string(&Figure::exact(parse(value).unwrap())).unwrap()
    }

    #[test]
    fn a_figure_is_a_string_in_plain_notation() {
        assert_eq!(text("1e-7"), "\"0.0000001\"");
        assert_eq!(text("-0.50"), "\"-0.5\"");
        assert_eq!(text("1E+3"), "\"1000\"");
        assert_eq!(text("-0.00"), "\"0\"");
        assert_eq!(text("120.0"), "\"120\"");
        let long = "79228162514264337593543950335";
        assert_eq!(text(long), format!("\"{long}\""));
        assert_eq!(serde_json::to_string(&Figure::NONE).unwrap(), "null");
        let trailing = Figure::exact(Decimal::new(1_000, 3));
        assert_eq!(trailing.to_string(), "1");
    }

    #[test]
    fn money_is_cut_as_the_exchange_cuts_it() {
        let amount = Amount::parse("0.51106678722").unwrap();
        assert_eq!(Figure::money(amount).to_string(), "0.51106678");
        let amount = Amount::parse("-0.51106678722").unwrap();
        assert_eq!(Figure::money(amount).to_string(), "-0.51106678");
        let noisy = Amount::parse("0.9999999999999999").unwrap();
        assert_eq!(Figure::margin(noisy).to_string(), "1");
    }

    #[test]
    fn a_figure_reads_back() {
        let figure: Figure = serde_json::from_str("\"1.50\"").unwrap();
        assert_eq!(figure, Figure::exact(Decimal::new(15, 1)));
        assert_eq!(
            serde_json::from_str::<Figure>("null").unwrap(),
            Figure::NONE
        );
        assert!(serde_json::from_str::<Figure>("1.5").is_err());
    }

    proptest! {
        #[test]
        fn it_says_what_the_library_says(mantissa in -(1_i128 << 95)..(1_i128 << 95), scale in 0_u32..=28) {
            let value = Decimal::from_i128_with_scale(mantissa, scale);
            prop_assert_eq!(Figure::exact(value).to_string(), value.normalize().to_string());
        }
    }
}
