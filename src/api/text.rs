//! Text from outside, made harmless for a terminal.
//!
//! Owns: escaping of characters that would move a cursor, forge a line or reverse a reading
//! direction.
//! Must not know: where the text comes from.

use std::fmt::{self, Write as _};

/// Shows a text with control, bidirectional and zero-width characters escaped as `\u{…}`.
#[derive(Debug, Clone, Copy)]
pub struct Safe<'a>(pub &'a str);

impl fmt::Display for Safe<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            if is_harmful(character) {
                write!(f, "{}", character.escape_unicode())?;
            } else {
                f.write_char(character)?;
            }
        }
        Ok(())
    }
}

/// The text, escaped.
#[must_use]
pub fn safe(text: &str) -> String {
    Safe(text).to_string()
}

/// C0, C1 and DEL; soft hyphen; line and paragraph separators; bidirectional controls; zero-width
/// characters.
fn is_harmful(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{00AD}'
                | '\u{061C}'
                | '\u{180E}'
                | '\u{200B}'..='\u{200F}'
                | '\u{2028}'..='\u{202E}'
                | '\u{2060}'..='\u{2069}'
                | '\u{FEFF}'
                | '\u{FFF9}'..='\u{FFFB}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_move_a_cursor_is_escaped() {
        assert_eq!(safe("a\u{1b}[2Jb\r\n"), "a\\u{1b}[2Jb\\u{d}\\u{a}");
        assert_eq!(safe("pay\u{202e}lla"), "pay\\u{202e}lla");
    }

    #[test]
    fn letters_of_any_script_stay() {
        assert_eq!(safe("测试USDT – é"), "测试USDT – é");
    }
}
