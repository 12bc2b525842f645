//! Figures of the socket in words, for those who read answers with their eyes.
//!
//! Owns: figures put into the same words the guard's own sentences use.
//! Must not know: terminals, tables.

pub use crate::guard::verdict::{Decision, Level};

use super::protocol::figure::Figure;
use crate::guard::words::{self, Careful};
use crate::margin::amount::{Amount, Price};

/// What stands where a figure is not known.
pub const UNKNOWN: &str = "–";

/// Money with two decimals; the exact figure is on the socket.
#[must_use]
pub fn money(figure: Figure) -> String {
    or_unknown(figure.0.map(|value| words::money(Amount::new(value))))
}

/// A fraction as percent, of which more is worse: never shown smaller than it is.
#[must_use]
pub fn percent_up(figure: Figure) -> String {
    or_unknown(figure.0.map(|value| words::percent(value, Careful::Up)))
}

/// A fraction as percent, of which less is worse: never shown larger than it is.
#[must_use]
pub fn percent_down(figure: Figure) -> String {
    or_unknown(figure.0.map(|value| words::percent(value, Careful::Down)))
}

/// A computed price with seven significant digits.
#[must_use]
pub fn price(figure: Figure) -> String {
    or_unknown(figure.0.map(|value| words::price(Price::new(value))))
}

/// A multiple, of which more is worse: never shown smaller than it is.
#[must_use]
pub fn multiple(figure: Figure) -> String {
    or_unknown(figure.0.map(words::multiple))
}

/// A figure with so many decimals.
#[must_use]
pub fn rounded(figure: Figure, decimals: u32) -> String {
    or_unknown(
        figure
            .0
            .map(|value| value.round_dp(decimals).normalize().to_string()),
    )
}

fn or_unknown(text: Option<String>) -> String {
    text.unwrap_or_else(|| UNKNOWN.to_owned())
}
