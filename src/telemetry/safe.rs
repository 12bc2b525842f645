//! Foreign text on a terminal and in a log.
//!
//! Owns: which characters are shown as they are.
//! Must not know: where the text came from.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

/// Shows text from outside so that it can neither move the cursor, start a new log line, nor look
/// like other text than it is: control characters, line ends, direction marks and characters
/// without width come out as `\u{…}`. Letters of every script stay.
#[derive(Debug, Clone, Copy)]
pub struct Safe<'a>(pub &'a str);

impl fmt::Display for Safe<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '\n' => f.write_str("\\n")?,
                '\r' => f.write_str("\\r")?,
                '\t' => f.write_str("\\t")?,
                c if is_unsafe(c) => write!(f, "\\u{{{:x}}}", u32::from(c))?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// JSON whose strings hold nothing that acts on a terminal: the same value, with such characters
/// written as `\\uXXXX`. Line ends between values stay.
#[must_use]
pub fn safe_json(json: &str) -> Cow<'_, str> {
    let acts = |c: char| is_unsafe(c) && !matches!(c, '\n' | '\r' | '\t');
    if !json.contains(acts) {
        return Cow::Borrowed(json);
    }
    let mut out = String::with_capacity(json.len().saturating_mul(2));
    for c in json.chars() {
        if acts(c) {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                // Writing to a string cannot fail.
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// Source: Unicode 16, general categories Cc, Zl and Zp, Bidi_Control, Default_Ignorable.
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_acts_on_a_terminal_gets_through() {
        for (given, shown) in [
            ("\u{1b}[2J\u{7}", "\\u{1b}[2J\\u{7}"),
            ("a\nb\r\tc", "a\\nb\\r\\tc"),
            ("\u{7f}\u{9b}31m\u{85}", "\\u{7f}\\u{9b}31m\\u{85}"),
            ("BTC\u{202e}TDSU", "BTC\\u{202e}TDSU"),
            (
                "a\u{200b}b\u{feff}\u{2066}",
                "a\\u{200b}b\\u{feff}\\u{2066}",
            ),
            ("x\u{2028}y\u{2029}", "x\\u{2028}y\\u{2029}"),
            ("\u{e0041}\u{ad}", "\\u{e0041}\\u{ad}"),
            ("\0", "\\u{0}"),
        ] {
            assert_eq!(Safe(given).to_string(), shown);
        }
    }

    #[test]
    fn json_says_the_same_and_acts_on_nothing() {
        let hostile = "\u{1b}[2J\u{9b}31m \u{202e} \u{7f} \u{e0041} ключ";
        let json = serde_json::to_string(&[hostile]).unwrap();
        let safe = safe_json(&json);
        assert!(!safe.chars().any(is_unsafe), "{safe}");
        assert_eq!(
            serde_json::from_str::<[String; 1]>(&safe).unwrap(),
            [hostile]
        );
        assert!(matches!(
            safe_json("{\"a\": 1,\n\t\"b\": \"ключ\"}"),
            Cow::Borrowed(_)
        ));
    }

    #[test]
    fn letters_of_every_script_stay() {
        for text in ["BTCUSDT", "币安人生USDT", "4.1 % – „ja“", "ключ", "🚀"] {
            assert_eq!(Safe(text).to_string(), text);
        }
    }
}
