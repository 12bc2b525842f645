//! Where each figure comes from: its formula and the numbers that went into it.
//!
//! Owns: the formulas as text over named inputs, so that a reader can compute every figure by hand.
//! Must not know: how a figure is found (it takes the engine's own values), how a page looks.
//!
//! A formula is plain arithmetic: `+ - * /`, parentheses, `abs`, `min`, `max` and names of inputs.
//! Its value is the engine's; a test computes the text anew from the printed inputs and compares.

mod collateral;
mod pool;
mod position;
mod wallet;

use rust_decimal::Decimal;

use super::amount::Rate;
use super::book::{Book, Unknown};

/// A named number that goes into a formula.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// The name in the formula.
    pub name: String,
    /// Its value, with all its digits.
    pub value: Decimal,
}

/// One figure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained {
    /// What it is a figure of: a pool or a position.
    pub of: String,
    /// Its name, as the socket has it.
    pub figure: &'static str,
    /// The engine's value.
    pub value: Decimal,
    /// How it follows from the inputs.
    pub formula: String,
    /// The inputs, each once.
    pub inputs: Vec<Input>,
}

/// A sheet of explained figures.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sheet {
    /// Figures, positions before the pools and wallets that add them up.
    pub figures: Vec<Explained>,
    /// What could not be explained because it is not known.
    pub unknown: Vec<(String, Unknown)>,
}

/// Builds one figure.
pub(super) struct Builder<'a> {
    of: &'a str,
    inputs: Vec<Input>,
}

impl<'a> Builder<'a> {
    pub(super) const fn of(of: &'a str) -> Self {
        Self {
            of,
            inputs: Vec::new(),
        }
    }

    pub(super) fn with(mut self, name: impl Into<String>, value: Decimal) -> Self {
        let name = name.into();
        if !self.inputs.iter().any(|input| input.name == name) {
            self.inputs.push(Input { name, value });
        }
        self
    }

    pub(super) fn is(
        self,
        figure: &'static str,
        value: Decimal,
        formula: impl Into<String>,
    ) -> Explained {
        Explained {
            of: self.of.to_owned(),
            figure,
            value,
            formula: formula.into(),
            inputs: self.inputs,
        }
    }
}

/// Every figure of the account as it is.
#[must_use]
pub fn explain(book: &Book, horizon: Rate) -> Sheet {
    let mut sheet = Sheet::default();
    for (symbol, state) in book.symbols() {
        if state.is_idle() {
            continue;
        }
        match position::explain(book, symbol, state, horizon) {
            Ok(figures) => sheet.figures.extend(figures),
            Err(unknown) => {
                sheet.figures.extend(position::known(symbol, state));
                sheet.unknown.push((symbol.to_string(), unknown));
            }
        }
    }
    for asset in book.pools_in_use() {
        match pool::explain(book, asset, horizon) {
            Ok(figures) => sheet.figures.extend(figures),
            Err(unknown) => sheet.unknown.push((asset.to_string(), unknown)),
        }
    }
    for asset in book.assets() {
        sheet.figures.extend(wallet::explain(book, asset));
    }
    sheet
}
