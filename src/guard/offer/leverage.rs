//! The same order at a lower leverage.
//!
//! Owns: the search for the highest leverage that helps.
//! Must not know: other kinds of offers.

use rust_decimal::Decimal;

use super::candidate::Before;
use super::search::{Search, Stretch};
use super::{Alternative, Candidate, OfferKind, passes_words, this_words};
use crate::guard::search::{End, Shape, as_it_is};
use crate::guard::terms::Terms;
use crate::margin::account::{MarginMode, Symbol};
use crate::margin::amount::Leverage;
use crate::margin::change::Change;

/// Most contracts of a batch that are tried.
const SYMBOLS_MAX: usize = 2;

impl Search<'_, '_> {
    /// The same orders with one of their contracts at the highest leverage that helps.
    pub(super) fn lower_leverage(&self) -> Option<Alternative> {
        if self.proposal.change().is_some() {
            return None;
        }
        let symbols = self.proposal.symbols();
        let mut tried = symbols.into_iter().take(SYMBOLS_MAX);
        tried.find_map(|symbol| self.lower_one(symbol))
    }

    fn lower_one(&self, symbol: &Symbol) -> Option<Alternative> {
        let state = self.desk.view.book().state(symbol.as_str())?;
        let settings = state.settings?;
        let fenced = settings.margin_mode == MarginMode::Isolated && !state.legs.is_flat();
        let set = settings.leverage.get();
        if fenced || set < 2 {
            return None;
        }
        let leverage = |number: u64| Leverage::new(u32::try_from(number).ok()?);
        let with = |number: u64| {
            Some(Candidate {
                before: vec![Before::Change(Change::Leverage {
                    symbol: symbol.clone(),
                    leverage: leverage(number)?,
                })],
                proposal: self.proposal.clone(),
            })
        };
        let strain = self.strain(self.target);
        // A limit on the leverage itself is met there; the lowest asks for the most margin.
        let meets = Decimal::from(set).checked_div(strain)?.floor();
        let meets: u64 = meets.max(Decimal::ONE).try_into().ok()?;
        // The cap on what is held grows where the next bracket begins.
        let brackets = state.brackets.as_deref()?.brackets().iter();
        let next = brackets
            .map(|bracket| bracket.leverage_max.get())
            .filter(|most| *most < set)
            .max();
        let next = next.unwrap_or(set.saturating_sub(1));
        let hoped = meets.min(u64::from(next));
        let stretch = Stretch {
            fails: End {
                at: u64::from(set),
                strain,
            },
            hoped,
            shape: Shape::Falls(&[meets, hoped.midpoint(1), 1]),
            with: &with,
            straighten: as_it_is,
        };
        let (number, candidate, passed) = self.last_passing(&stretch, self.target)?;
        let message = format!(
            "Set {symbol} to {number}x first: then {} {}.",
            this_words(self.proposal),
            passes_words(passed.decision)
        );
        let terms = Terms {
            symbol: Some(symbol.clone()),
            leverage: leverage(number),
            ..Terms::default()
        };
        let kind = OfferKind::LowerLeverage;
        Some(Self::offer(kind, passed, terms, candidate, message))
    }
}
