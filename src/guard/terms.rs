//! What a way out or a way back consists of.
//!
//! Owns: [`Terms`].
//! Must not know: how they were found.

use crate::margin::account::{Asset, Symbol};
use crate::margin::amount::{Amount, Leverage, Quantity, Rate};

/// The figures of a way: those that its kind has.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Terms {
    /// The contract that is ordered, changed or reduced.
    pub symbol: Option<Symbol>,
    /// The quantity of the order to send, or that a position is reduced by.
    pub quantity: Option<Quantity>,
    /// Money: what is transferred or added, or what an isolated position can lose at most.
    pub amount: Option<Amount>,
    /// The asset of that money.
    pub asset: Option<Asset>,
    /// The leverage to set.
    pub leverage: Option<Leverage>,
    /// The share of every order of a batch that adds.
    pub share: Option<Rate>,
}
