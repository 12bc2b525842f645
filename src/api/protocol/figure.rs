//! Decimals on the socket: strings in plain notation, or `null` when not known.
//!
//! Owns: how a figure is cut and written. Money and fractions are cut toward zero at eight
//! decimals, as the exchange prints them; quantities and prices it gave us stay as they are, and prices
//! below one keep twelve significant digits.
//! Must not know: what a figure means.

use std::fmt;

use rust_decimal::Decimal;
use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};

use crate::margin::amount::{
    Amount, Notional, Price, Quantity, Rate, cut, cut_price, cut_quotient, parse,
};

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

    /// A price, cut at eight decimals, or of prices below one at twelve significant digits where that is
    /// more: liquidation prices are quotients, and are multiplied by large quantities.
    #[must_use]
    pub fn price(price: Price) -> Self {
        Self(Some(cut_price(price.get())))
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

impl Figure {
    /// Appends the figure as JSON.
    pub(super) fn write_to(self, out: &mut Vec<u8>) {
        match self.0 {
            Some(value) => {
                out.push(b'"');
                out.extend_from_slice(plain(value, &mut [0; TEXT_LENGTH_MAX]).as_bytes());
                out.push(b'"');
            }
            None => out.extend_from_slice(b"null"),
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
    let mut text = Text {
        buffer,
        begin: TEXT_LENGTH_MAX,
    };
    let negative = value.is_sign_negative() && !value.is_zero();
    match u64::try_from(value.mantissa().unsigned_abs()) {
        Ok(mantissa) => text.put_short(mantissa, value.scale()),
        Err(_) => text.put_long(value.normalize()),
    }
    if negative {
        text.put(b'-');
    }
    text.read()
}

/// A text that grows from its end: the last digit of a number is the first that is known.
struct Text<'b> {
    buffer: &'b mut [u8; TEXT_LENGTH_MAX],
    begin: usize,
}

impl<'b> Text<'b> {
    fn put(&mut self, byte: u8) {
        let before = self.begin.saturating_sub(1);
        if let Some(place) = self.buffer.get_mut(before) {
            *place = byte;
            self.begin = before;
        }
    }

    fn put_digit(&mut self, rest: u64) {
        self.put(b'0' | u8::try_from(rest % 10).unwrap_or_default());
    }

    fn put_short(&mut self, mut rest: u64, mut decimals: u32) {
        while decimals > 0 && rest.is_multiple_of(10) {
            rest /= 10;
            decimals -= 1;
        }
        if decimals > 0 {
            for _ in 0..decimals {
                self.put_digit(rest);
                rest /= 10;
            }
            self.put(b'.');
        }
        self.put_digit(rest);
        while rest >= 10 {
            rest /= 10;
            self.put_digit(rest);
        }
    }

    fn put_long(&mut self, value: Decimal) {
        let mut digits = itoa::Buffer::new();
        let digits = digits.format(value.mantissa().unsigned_abs());
        let decimals = usize::try_from(value.scale()).unwrap_or_default();
        for (place, digit) in digits.bytes().rev().enumerate() {
            if place == decimals && place > 0 {
                self.put(b'.');
            }
            self.put(digit);
        }
        // A mantissa of more than nineteen digits has at most nine zeros between it and the point.
        for _ in digits.len()..decimals {
            self.put(b'0');
        }
        if digits.len() <= decimals {
            self.put(b'.');
            self.put(b'0');
        }
    }

    fn read(self) -> &'b str {
        let written = self.buffer.get(self.begin..).unwrap_or_default();
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
