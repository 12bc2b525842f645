//! Frames of the market stream. Source: binance-api §5.
//!
//! Owns: one type that every frame is read as in a single pass, and a shorter way for marks that are
//! spelled as always, because these are the frames that come by the thousand.
//! Must not know: their meaning.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::{Refusal, Scalar, Text};

/// A mark price exactly as the exchange sends it every second: a flat object without blanks, whose
/// values are strings without escapes or whole numbers. What is spelled in any other way is read as
/// a [`Frame`], which trusts no type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(
    non_snake_case,
    reason = "the exchange tells `e` and `E`, `p` and `P` apart by case"
)]
pub(crate) struct Tick<'a> {
    pub e: &'a str,
    pub E: i64,
    pub s: &'a str,
    pub p: &'a str,
    pub r: &'a str,
    pub T: i64,
    pub st: i64,
}

impl<'a> Tick<'a> {
    /// Reads one from the front of the text, and says what follows it. Reads no text that is not
    /// JSON, and gives up on everything that it does not expect.
    pub(crate) fn scan(text: &'a str) -> Option<(Self, &'a str)> {
        let mut tick = Self::default();
        let mut rest = text.strip_prefix('{')?;
        // A name that comes twice would have two meanings.
        let mut seen = 0_u8;
        loop {
            let (name, after) = string(rest)?;
            let after = after.strip_prefix(':')?;
            let (bit, after) = if after.starts_with('"') {
                let (value, after) = string(after)?;
                (tick.take_text(name, value)?, after)
            } else {
                let (value, after) = whole_number(after)?;
                (tick.take_number(name, value)?, after)
            };
            if seen & bit != 0 {
                return None;
            }
            seen |= bit;
            match after.as_bytes().first()? {
                b',' => rest = &after[1..],
                b'}' if seen & Self::NEEDED == Self::NEEDED => return Some((tick, &after[1..])),
                _ => return None,
            }
        }
    }

    /// What must be there: `e`, `E`, `s` and `p`.
    const NEEDED: u8 = 0b1111;

    /// Keeps a text that is needed and says which one it was; `None` where a number belongs.
    fn take_text(&mut self, name: &str, value: &'a str) -> Option<u8> {
        let (field, bit) = match name {
            "e" => (&mut self.e, 1),
            "s" => (&mut self.s, 4),
            "p" => (&mut self.p, 8),
            "r" => (&mut self.r, 16),
            "E" | "T" | "st" => return None,
            _ => return Some(0),
        };
        *field = value;
        Some(bit)
    }

    /// Keeps a number that is needed and says which one it was; `None` where a text belongs.
    fn take_number(&mut self, name: &str, value: i64) -> Option<u8> {
        let (field, bit) = match name {
            "E" => (&mut self.E, 2),
            "T" => (&mut self.T, 32),
            "st" => (&mut self.st, 64),
            "e" | "s" | "p" | "r" => return None,
            _ => return Some(0),
        };
        *field = value;
        Some(bit)
    }
}

/// A string without escapes, and what follows it.
fn string(text: &str) -> Option<(&str, &str)> {
    let text = text.strip_prefix('"')?;
    let special = |byte: &u8| matches!(byte, b'"' | b'\\') || *byte < b' ';
    let end = text.as_bytes().iter().position(special)?;
    (text.as_bytes().get(end) == Some(&b'"'))
        .then(|| (&text[..end], &text[end.saturating_add(1)..]))
}

/// A number of at most 18 digits, and what follows it.
fn whole_number(text: &str) -> Option<(i64, &str)> {
    const DIGITS_MAX: usize = 18;
    let digits = text
        .bytes()
        .take(DIGITS_MAX.saturating_add(1))
        .take_while(u8::is_ascii_digit);
    let (mut length, mut value) = (0_usize, 0_i64);
    for digit in digits {
        length = length.saturating_add(1);
        value = value.wrapping_mul(10).wrapping_add(i64::from(digit & 0x0F));
    }
    let well_formed = length == 1 || (length > 1 && !text.starts_with('0'));
    (well_formed && length <= DIGITS_MAX).then(|| (value, &text[length..]))
}

/// A mark price, an asset index, a contract change, a wrapper or an answer to a control message.
#[derive(Debug, Deserialize)]
#[allow(
    non_snake_case,
    reason = "the exchange tells `e` and `E`, `p` and `P` apart by case"
)]
pub(crate) struct Frame<'a> {
    #[serde(borrow)]
    pub e: Option<Text<'a>>,
    #[serde(borrow)]
    pub E: Option<Scalar<'a>>,
    #[serde(borrow)]
    pub s: Option<Text<'a>>,
    /// Mark price.
    #[serde(borrow)]
    pub p: Option<Scalar<'a>>,
    /// Funding rate; an empty string for dated contracts.
    #[serde(borrow)]
    pub r: Option<Scalar<'a>>,
    /// Next funding; zero for dated contracts.
    #[serde(borrow)]
    pub T: Option<Scalar<'a>>,
    /// Index of an asset, or of a symbol beside its mark.
    #[serde(borrow)]
    pub i: Option<Scalar<'a>>,
    /// Bid buffer of an asset.
    #[serde(borrow)]
    pub b: Option<Scalar<'a>>,
    /// Ask buffer of an asset.
    #[serde(borrow)]
    pub a: Option<Scalar<'a>>,
    /// Bid rate of an asset.
    #[serde(borrow)]
    pub B: Option<Scalar<'a>>,
    /// Ask rate of an asset.
    #[serde(borrow)]
    pub A: Option<Scalar<'a>>,
    /// 1 USD-margined, 2 coin-margined.
    #[serde(borrow)]
    pub st: Option<Scalar<'a>>,
    /// Present when brackets changed.
    pub bks: Option<IgnoredAny>,
    /// What a combined stream wraps.
    #[serde(borrow)]
    pub data: Option<&'a RawValue>,
    #[serde(borrow)]
    pub error: Option<Refusal<'a>>,
    #[serde(borrow)]
    pub code: Option<Scalar<'a>>,
    #[serde(borrow)]
    pub msg: Option<Text<'a>>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MARK: &str = r#"{"e":"markPriceUpdate","E":1562305380000,"s":"BTCUSDT","ap":"11794.1","p":"11794.15000000","P":"11784.62659091","i":"11784.62659091","r":"0.00038167","T":1562306400000,"st":1}"#;

    fn by_library(text: &str) -> serde_json::Value {
        serde_json::from_str(text).unwrap()
    }

    fn agrees(text: &str) {
        let Some((tick, rest)) = Tick::scan(text) else {
            return;
        };
        let json = by_library(&text[..text.len() - rest.len()]);
        let texts = [("e", tick.e), ("s", tick.s), ("p", tick.p), ("r", tick.r)];
        for (name, value) in texts {
            assert_eq!(json[name].as_str().unwrap_or_default(), value, "{text}");
        }
        for (name, value) in [("E", tick.E), ("T", tick.T), ("st", tick.st)] {
            assert_eq!(json[name].as_i64().unwrap_or_default(), value, "{text}");
        }
    }

    #[test]
    fn a_mark_is_read_and_what_follows_it_is_left() {
        let two = format!("{MARK},{MARK}");
        let (tick, rest) = Tick::scan(&two).unwrap();
        assert_eq!(rest, &format!(",{MARK}"));
        assert_eq!(
            (tick.s, tick.p, tick.r),
            ("BTCUSDT", "11794.15000000", "0.00038167")
        );
        assert_eq!(
            (tick.E, tick.T, tick.st),
            (1_562_305_380_000, 1_562_306_400_000, 1)
        );
        agrees(MARK);
    }

    #[test]
    fn anything_unusual_is_left_to_the_reader_that_trusts_nothing() {
        let unusual = [
            MARK.replace(':', ": "),
            MARK.replace("BTC", "\\u0042TC"),
            MARK.replace("BTC", "B\tC"),
            MARK.replace("\"s\"", "\"e\""),
            MARK.replace("\"st\":1", "\"st\":true"),
            MARK.replace("\"st\":1", "\"st\":{}"),
            MARK.replace("\"st\":1", "\"st\":01"),
            MARK.replace("\"st\":1", "\"st\":1.5"),
            MARK.replace("\"E\":1562305380000", "\"E\":\"1562305380000\""),
            MARK.replace("1562305380000", "1562305380000156230"),
            MARK.replace("\"p\"", "\"q\""),
            MARK.replace('}', ""),
            MARK.replace('}', ",}"),
        ];
        for text in unusual {
            assert_eq!(Tick::scan(&text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_read_is_what_the_library_reads(
            at in 0_usize..MARK.len(), length in 0_usize..3, with in "[\\x00-\\x7f]{0,3}",
        ) {
            let end = (at + length).min(MARK.len());
            agrees(&format!("{}{with}{}", &MARK[..at], &MARK[end..]));
        }
    }
}
