//! Splits one line into words and hands them out, each with its column.
//!
//! Knows words, numbers, durations and quotes; must not know any statement.

use std::str::FromStr;
use std::time::Duration;

use rust_decimal::Decimal;

use super::Mistake;

/// One word of a line.
#[derive(Debug, Clone)]
pub(super) struct Word {
    /// Its text, without quotes.
    pub(super) text: String,
    /// Column of its first character, from 1.
    pub(super) column: usize,
    start_byte: usize,
    quoted: bool,
}

/// The words of one line that have not been read yet.
#[derive(Debug)]
pub(super) struct Cursor {
    raw: String,
    line: usize,
    words: Vec<Word>,
    position: usize,
}

impl Cursor {
    pub(super) fn new(raw: &str, line: usize) -> Result<Self, Mistake> {
        let (words, end) = split(raw, line)?;
        let raw = raw.get(..end).unwrap_or(raw).trim_end().to_owned();
        Ok(Self {
            raw,
            line,
            words,
            position: 0,
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// The whole line without comment and surrounding space.
    pub(super) fn text(&self) -> &str {
        self.raw.trim_start()
    }

    /// The text from the next word to the end of the line, which is thereby read.
    pub(super) fn rest(&mut self) -> String {
        let start = self
            .words
            .get(self.position)
            .map_or(self.raw.len(), |word| word.start_byte);
        self.position = self.words.len();
        self.raw.get(start..).unwrap_or_default().to_owned()
    }

    /// The next word without reading it.
    pub(super) fn peek(&self) -> Option<&str> {
        self.words.get(self.position).map(|word| word.text.as_str())
    }

    pub(super) fn peek_quoted(&self) -> bool {
        self.words
            .get(self.position)
            .is_some_and(|word| word.quoted)
    }

    /// Reads the next word if it is exactly `keyword`.
    pub(super) fn take(&mut self, keyword: &str) -> bool {
        let found = self.peek() == Some(keyword);
        self.position += usize::from(found);
        found
    }

    pub(super) fn word(&mut self, expected: &str) -> Result<String, Mistake> {
        let Some(word) = self.words.get(self.position) else {
            return Err(self.mistake(&format!("expected {expected}, found the end of the line")));
        };
        let text = word.text.clone();
        self.position += 1;
        Ok(text)
    }

    pub(super) fn keyword(&mut self, keyword: &str) -> Result<(), Mistake> {
        if self.take(keyword) {
            Ok(())
        } else {
            Err(self.unexpected(&format!("`{keyword}`")))
        }
    }

    /// Reads one of the given words and gives what stands beside it.
    pub(super) fn choice<T: Copy>(&mut self, choices: &[(&str, T)]) -> Result<T, Mistake> {
        let found = choices.iter().find(|(name, _)| self.peek() == Some(name));
        match found {
            Some((_, value)) => {
                self.position += 1;
                Ok(*value)
            }
            None => {
                let names: Vec<_> = choices
                    .iter()
                    .map(|(name, _)| format!("`{name}`"))
                    .collect();
                Err(self.unexpected(&names.join(" or ")))
            }
        }
    }

    pub(super) fn decimal(&mut self, expected: &str) -> Result<Decimal, Mistake> {
        self.parsed(expected, decimal)
    }

    pub(super) fn positive(&mut self, expected: &str) -> Result<Decimal, Mistake> {
        self.parsed(&format!("{expected} above zero"), |text| {
            decimal(text).filter(|value| value > &Decimal::ZERO)
        })
    }

    pub(super) fn integer<T: FromStr>(&mut self, expected: &str) -> Result<T, Mistake> {
        self.parsed(expected, |text| text.parse().ok())
    }

    /// Reads a leverage such as `20x` or `20`.
    pub(super) fn leverage(&mut self) -> Result<u32, Mistake> {
        self.parsed("a leverage from 1 to 150 such as `20x`", leverage)
    }

    pub(super) fn duration(&mut self) -> Result<Duration, Mistake> {
        self.parsed("a time such as `250ms`, `5s`, `2m` or `8h`", duration)
    }

    /// Reads a duration if the next word is one.
    pub(super) fn duration_if_any(&mut self) -> Option<Duration> {
        let found = self.peek().and_then(duration);
        self.position += usize::from(found.is_some());
        found
    }

    /// Reads a count such as `3x` if the next word is one.
    pub(super) fn times_if_any(&mut self) -> Option<u32> {
        let found = self
            .peek()
            .and_then(|word| word.strip_suffix('x')?.parse().ok());
        self.position += usize::from(found.is_some());
        found
    }

    /// Reads an integer if the next word is one.
    pub(super) fn integer_if_any<T: FromStr>(&mut self) -> Option<T> {
        let found = self.peek().and_then(|word| word.parse().ok());
        self.position += usize::from(found.is_some());
        found
    }

    pub(super) fn end(&self) -> Result<(), Mistake> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.unexpected("the end of the line")),
        }
    }

    pub(super) fn unexpected(&self, expected: &str) -> Mistake {
        let found = self
            .peek()
            .map_or("the end of the line".into(), |word| format!("`{word}`"));
        self.mistake(&format!("expected {expected}, found {found}"))
    }

    /// A mistake at the next word.
    pub(super) fn mistake(&self, message: &str) -> Mistake {
        let column = self
            .words
            .get(self.position)
            .map_or_else(|| self.raw.chars().count() + 1, |word| word.column);
        Mistake {
            line: self.line,
            column,
            message: message.to_owned(),
        }
    }

    fn parsed<T>(
        &mut self,
        expected: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<T, Mistake> {
        match self.peek().and_then(parse) {
            Some(value) => {
                self.position += 1;
                Ok(value)
            }
            None => Err(self.unexpected(expected)),
        }
    }
}

fn split(raw: &str, line: usize) -> Result<(Vec<Word>, usize), Mistake> {
    let mut words = Vec::new();
    let mut characters = raw.char_indices().enumerate().peekable();
    while let Some((index, (start_byte, character))) = characters.next() {
        if character.is_whitespace() {
            continue;
        }
        if character == '#' {
            return Ok((words, start_byte));
        }
        let quoted = character == '"';
        let mut text = String::new();
        if !quoted {
            text.push(character);
        }
        let mut closed = false;
        while let Some((_, (_, next))) = characters.peek().copied() {
            if if quoted {
                next == '"'
            } else {
                next.is_whitespace()
            } {
                characters.next();
                closed = true;
                break;
            }
            text.push(next);
            characters.next();
        }
        let column = index + 1;
        if quoted && !closed {
            return Err(Mistake {
                line,
                column,
                message: "quote is not closed".into(),
            });
        }
        words.push(Word {
            text,
            column,
            start_byte,
            quoted,
        });
    }
    Ok((words, raw.len()))
}

fn decimal(text: &str) -> Option<Decimal> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let plain = digits
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.');
    let count = digits.bytes().filter(u8::is_ascii_digit).count();
    if !plain || count == 0 || count > 28 {
        return None;
    }
    Decimal::from_str(text).ok()
}

fn leverage(text: &str) -> Option<u32> {
    let value = text.strip_suffix('x').unwrap_or(text).parse().ok()?;
    (1..=150).contains(&value).then_some(value)
}

fn duration(text: &str) -> Option<Duration> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let count: u64 = digits.parse().ok()?;
    let milliseconds = match text.strip_prefix(digits)? {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    Some(Duration::from_millis(count.checked_mul(milliseconds)?))
}
