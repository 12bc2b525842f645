//! The plain text format in which accounts, markets and mishaps are written down.
//!
//! One statement per line, made for people: the simulated exchange plays it, the core's tests build
//! accounts from it, and a bug report can carry it. This module owns the grammar (`docs/scenario.md`
//! is its page) and the closed [`Statement`]; it must not know what any statement does to an account
//! or an exchange, and it imports nothing of ours.

mod cursor;
mod fault;
mod grammar;
mod statement;

pub use fault::{Channel, Fault, Muted, RestFault, RestFaultKind};
pub use statement::{
    AssetMode, Conditional, ConditionalKind, MarginType, OrderLine, PositionLine, PositionMode,
    PositionSide, Side, Statement, SymbolLine, Tier, WorkingPrice,
};

use std::fmt;

/// Longest accepted line, in bytes; longer ones are refused before they are looked at.
pub const LINE_BYTES_MAX: usize = 16 * 1024;

/// A parsed scenario: its statements in the order in which they were written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scenario {
    /// The statements, empty lines and comments left out.
    pub lines: Vec<Line>,
}

/// One statement and where it stood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Line number in the text, from 1.
    pub number: usize,
    /// The line as it was written, without its comment and surrounding space.
    pub text: String,
    /// What it says.
    pub statement: Statement,
}

/// One thing that is wrong with a scenario, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Line number, from 1.
    pub line: usize,
    /// Column of the first character of the offending word, from 1, counted in characters.
    pub column: usize,
    /// What was expected and what was found.
    pub message: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "line {}, column {}: {}",
            self.line, self.column, self.message
        )
    }
}

impl std::error::Error for Mistake {}

impl Scenario {
    /// Parses a whole text.
    ///
    /// # Errors
    /// Every mistake of the text at once, in line order.
    pub fn parse(text: &str) -> Result<Self, Vec<Mistake>> {
        let mut lines = Vec::new();
        let mut mistakes = Vec::new();
        let mut tables = grammar::Tables::new();
        for (index, raw) in text.lines().enumerate() {
            match parse_numbered(raw, index + 1, &mut tables) {
                Ok(Some(line)) => lines.push(line),
                Ok(None) => {}
                Err(mistake) => mistakes.push(mistake),
            }
        }
        if mistakes.is_empty() {
            Ok(Self { lines })
        } else {
            Err(mistakes)
        }
    }
}

/// Parses a single line; `None` for an empty line or a comment.
///
/// # Errors
/// The line's first mistake, numbered as line 1.
pub fn parse_line(raw: &str) -> Result<Option<Statement>, Mistake> {
    parse_numbered(raw, 1, &mut grammar::Tables::new()).map(|line| line.map(|line| line.statement))
}

/// A `table` line says nothing by itself: its tiers stand wherever `brackets NAME as TABLE` asks.
fn parse_numbered(
    raw: &str,
    number: usize,
    tables: &mut grammar::Tables,
) -> Result<Option<Line>, Mistake> {
    if raw.len() > LINE_BYTES_MAX {
        return Err(Mistake {
            line: number,
            column: 1,
            message: format!("line is longer than {LINE_BYTES_MAX} bytes"),
        });
    }
    let mut words = cursor::Cursor::new(raw, number)?;
    if words.is_empty() {
        return Ok(None);
    }
    if words.take("table") {
        let (name, tiers) = grammar::table(&mut words)?;
        words.end()?;
        tables.insert(name, tiers);
        return Ok(None);
    }
    let text = words.text().to_owned();
    let statement = grammar::statement(&mut words, tables)?;
    words.end()?;
    Ok(Some(Line {
        number,
        text,
        statement,
    }))
}
