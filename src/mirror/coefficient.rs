//! Brackets of accounts whose brackets are a multiple of the default ones.
//!
//! Owns: which of two readings of `notionalCoef` holds: the caps are told already multiplied, or
//! they must be.
//! Must not know: where tables and settings come from.
//!
//! The documents do not say which. The exchange says the answer itself: the largest notional at the
//! leverage in force (`maxNotionalValue`) is the cap of the highest tier that permits it. When neither
//! reading gives that figure the brackets are unknown, and what is unknown is never a low margin.
//!
//! Source: margin-math §3.

use std::sync::Arc;

use crate::margin::account::Settings;
use crate::margin::amount::Rate;
use crate::margin::bracket::BracketTable;

/// Which reading holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    /// The caps are told as they hold.
    AsTold,
    /// Floors, caps and maintenance amounts must be multiplied.
    Multiplied,
}

/// A symbol's coefficient, which differs from 1, and what is known of its meaning.
#[derive(Debug, Clone)]
pub(super) struct Coefficient {
    coefficient: Rate,
    told: Option<Arc<BracketTable>>,
    meaning: Option<Meaning>,
}

impl Coefficient {
    pub(super) const fn new(coefficient: Rate) -> Self {
        Self {
            coefficient,
            told: None,
            meaning: None,
        }
    }

    /// The same multiple told again keeps what was found out.
    pub(super) fn retold(known: Option<&Self>, coefficient: Rate) -> Self {
        match known {
            Some(known) if known.coefficient == coefficient => known.clone(),
            _ => Self::new(coefficient),
        }
    }

    /// Takes the table as it is told.
    pub(super) fn tell(&mut self, told: Option<Arc<BracketTable>>) {
        self.told = told;
    }

    /// The table in force, by the settings as they are known; `None` while its meaning is not.
    /// Settings without a largest notional (it is told again after a change of leverage) change
    /// nothing about what was found out before.
    pub(super) fn table(&mut self, settings: Option<Settings>) -> Option<Arc<BracketTable>> {
        let told = self.told.clone()?;
        let multiplied = told.multiplied(self.coefficient).ok().map(Arc::new);
        let stated = settings.and_then(|known| Some((known.leverage, known.notional_max?)));
        if let Some((leverage, largest)) = stated {
            let gives = |table: &BracketTable| table.notional_max_at(leverage) == Some(largest);
            self.meaning = if gives(&told) {
                Some(Meaning::AsTold)
            } else if multiplied.as_deref().is_some_and(gives) {
                Some(Meaning::Multiplied)
            } else {
                None
            };
        }
        match self.meaning? {
            Meaning::AsTold => Some(told),
            Meaning::Multiplied => multiplied,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::margin::account::MarginMode;
    use crate::margin::amount::{Leverage, Notional};
    use crate::margin::bracket::tests::bitcoin;

    fn settings(largest: Option<&str>) -> Option<Settings> {
        Some(Settings {
            leverage: Leverage::new(20).unwrap(),
            margin_mode: MarginMode::Crossed,
            auto_add_margin: false,
            notional_max: largest.map(|text| Notional::parse(text).unwrap()),
        })
    }

    /// What a notional of 60,000 must keep: 0.5 % less 50 as told, 0.4 % where caps are 1.5-fold.
    fn kept(largest: Option<&str>) -> Option<String> {
        let mut coefficient = Coefficient::new(Rate::parse("1.5").unwrap());
        coefficient.tell(Some(Arc::new(bitcoin())));
        let table = coefficient.table(settings(largest))?;
        let notional = Notional::parse("60000").unwrap();
        Some(table.maintenance_margin(notional).unwrap().to_string())
    }

    #[test]
    fn the_largest_notional_says_what_the_coefficient_means() {
        // At 20x the table permits 10,000,000 as told, 15,000,000 when it must be multiplied.
        assert_eq!(kept(Some("10000000")).as_deref(), Some("250"));
        assert_eq!(kept(Some("15000000")).as_deref(), Some("240"));
        assert_eq!(kept(Some("12000000")), None);
        assert_eq!(kept(None), None);
    }

    #[test]
    fn what_was_found_out_outlives_a_change_of_leverage() {
        let mut coefficient = Coefficient::new(Rate::parse("1.5").unwrap());
        coefficient.tell(Some(Arc::new(bitcoin())));
        assert!(coefficient.table(settings(Some("15000000"))).is_some());
        assert!(coefficient.table(settings(None)).is_some());
        assert!(coefficient.table(settings(Some("1"))).is_none());
    }
}
