//! Text from outside, made harmless.
//!
//! Owns: escaping of characters that would move a cursor, forge a line or reverse a reading
//! direction in a log or on a terminal.
//! Must not know: where text comes from or goes to.

/// The longest text from outside that is kept for a message, in characters.
pub const MESSAGE_LENGTH_MAX: usize = 512;

/// The text with control, bidirectional and zero-width characters escaped as `\u{…}`, cut at
/// [`MESSAGE_LENGTH_MAX`] characters.
#[must_use]
pub fn clean_text(text: &str) -> String {
    clean_text_to(text, MESSAGE_LENGTH_MAX)
}

/// As [`clean_text`], cut at `length_max` characters; a cut is marked by an ellipsis.
#[must_use]
pub fn clean_text_to(text: &str, length_max: usize) -> String {
    let mut clean = String::with_capacity(text.len().min(length_max));
    for (index, character) in text.chars().enumerate() {
        if index == length_max {
            clean.push('…');
            break;
        }
        if is_harmful(character) {
            clean.extend(character.escape_unicode());
        } else {
            clean.push(character);
        }
    }
    clean
}

/// C0, C1 and DEL; line and paragraph separators; bidirectional controls; zero-width characters.
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
        assert_eq!(clean_text("a\u{1b}[2Jb"), "a\\u{1b}[2Jb");
        assert_eq!(
            clean_text("a\r\nb\u{7f}\u{9b}"),
            "a\\u{d}\\u{a}b\\u{7f}\\u{9b}"
        );
        assert_eq!(
            clean_text("pay\u{202e}lla\u{200b}"),
            "pay\\u{202e}lla\\u{200b}"
        );
    }

    #[test]
    fn letters_of_any_script_stay() {
        assert_eq!(clean_text("测试USDT – é"), "测试USDT – é");
    }

    #[test]
    fn a_long_text_is_cut_and_says_so() {
        assert_eq!(clean_text_to("abcdef", 3), "abc…");
        assert_eq!(clean_text_to("abc", 3), "abc");
    }
}
