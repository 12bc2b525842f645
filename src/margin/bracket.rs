//! Leverage brackets: the maintenance tiers of one symbol.
//!
//! Owns: the proof that a table is sound ([`BracketTable::try_new`]); after it every look-up is
//! total and nobody checks again.
//! Must not know: positions, prices, where tables come from.

use super::amount::{Amount, ArithmeticError, Leverage, Notional, Rate, exact_add, exact_mul};
use rust_decimal::Decimal;

/// Most tiers one symbol may have (twelve is the most seen in 7,276 real ones).
pub const BRACKETS_MAX: usize = 64;

/// One maintenance tier: `floor < notional <= cap`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bracket {
    /// Lower edge of the notional, exclusive.
    pub floor: Notional,
    /// Upper edge of the notional, inclusive.
    pub cap: Notional,
    /// Maintenance margin rate of the tier.
    pub maintenance_margin_rate: Rate,
    /// The deduction that makes maintenance margin continuous across tiers (`cum` on the wire).
    pub maintenance_amount: Amount,
    /// The highest leverage that may hold a notional of this tier.
    pub leverage_max: Leverage,
}

/// Why a table of brackets is refused. A table that fails here is corrupt or incomplete, and a
/// symbol without a sound table cannot be judged (a default of 0 % would be a false allow).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum BracketError {
    /// No tiers at all.
    #[error("it has no brackets")]
    Empty,
    /// More than [`BRACKETS_MAX`] tiers.
    #[error("it has more than 64 brackets")]
    TooMany,
    /// The first tier does not begin at zero or has a maintenance amount.
    #[error("it does not begin at zero")]
    FirstFloor,
    /// The tier (from 1) does not begin where the one before it ends, or ends before it begins.
    #[error("bracket {0} does not begin where the one before it ends")]
    Gap(usize),
    /// The tier's rate is outside of 0..1 or below the one before it.
    #[error("bracket {0} has a maintenance rate out of order")]
    Rate(usize),
    /// The tier's maintenance amount breaks `cum(n) = floor(n)·(rate(n) − rate(n−1)) + cum(n−1)`.
    #[error(
        "bracket {0} has a maintenance amount that does not follow from the brackets before it"
    )]
    MaintenanceAmount(usize),
    /// The table's figures need more digits than we hold.
    #[error("bracket {0} has figures beyond 28 digits")]
    Arithmetic(usize),
}

/// A sound table: contiguous from zero, rates ascending, maintenance amounts as the recurrence
/// demands.
///
/// Source: margin-math §3; the recurrence holds for all 2,805 tiers of 349 symbols of the table
/// the exchange published in October 2024.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BracketTable {
    brackets: Box<[Bracket]>,
}

impl BracketTable {
    /// Proves the table.
    ///
    /// # Errors
    /// The first thing wrong with it.
    pub fn try_new(brackets: Vec<Bracket>) -> Result<Self, BracketError> {
        let first = brackets.first().ok_or(BracketError::Empty)?;
        if brackets.len() > BRACKETS_MAX {
            return Err(BracketError::TooMany);
        }
        if !first.floor.is_zero() || !first.maintenance_amount.is_zero() {
            return Err(BracketError::FirstFloor);
        }
        for (index, bracket) in brackets.iter().enumerate() {
            let before = index.checked_sub(1).and_then(|before| brackets.get(before));
            prove(bracket, before, index.saturating_add(1))?;
        }
        Ok(Self {
            brackets: brackets.into(),
        })
    }

    /// The tiers, from the lowest.
    #[must_use]
    pub fn brackets(&self) -> &[Bracket] {
        &self.brackets
    }

    /// The position of the tier that holds this notional (its sign is ignored). Beyond the last
    /// cap the last tier goes on: no higher rate is known, see [`BracketTable::is_beyond_last`].
    #[must_use]
    pub fn index_of(&self, notional: Notional) -> usize {
        let notional = notional.abs();
        let last = self.brackets.len().saturating_sub(1);
        self.brackets
            .iter()
            .position(|bracket| notional <= bracket.cap)
            .unwrap_or(last)
    }

    /// The tier that holds this notional.
    #[must_use]
    pub fn at(&self, notional: Notional) -> &Bracket {
        let index = self.index_of(notional);
        // The table is never empty and `index_of` stays inside of it.
        self.brackets.get(index).unwrap_or_else(|| self.first())
    }

    /// The lowest tier.
    #[must_use]
    pub fn first(&self) -> &Bracket {
        &self.brackets[0]
    }

    /// The highest tier.
    #[must_use]
    pub fn last(&self) -> &Bracket {
        &self.brackets[self.brackets.len().saturating_sub(1)]
    }

    /// True when no tier reaches this far and the maintenance rate is an estimate.
    #[must_use]
    pub fn is_beyond_last(&self, notional: Notional) -> bool {
        notional.abs() > self.last().cap
    }

    /// Maintenance margin of a position of this notional: `notional·rate − maintenance amount`.
    ///
    /// Source: margin-math §3 (the exchange's own example: 3,500,032.458 at 2.5 % less 16,300 is
    /// 71,200.81).
    ///
    /// # Errors
    /// [`ArithmeticError`] when digits would be lost.
    pub fn maintenance_margin(&self, notional: Notional) -> Result<Amount, ArithmeticError> {
        let notional = notional.abs();
        let bracket = self.at(notional);
        notional
            .times(bracket.maintenance_margin_rate)?
            .minus(bracket.maintenance_amount)
    }

    /// A table that demands of every notional at least what either of the two demands, and permits
    /// no more leverage than either: rate by rate the higher, leverage by leverage the lower.
    ///
    /// # Errors
    /// [`BracketError`] when the two together have too many tiers or too many digits.
    pub fn stricter(&self, other: &Self) -> Result<Self, BracketError> {
        let both = self.brackets.iter().chain(&other.brackets);
        let caps: std::collections::BTreeSet<Notional> = both.map(|bracket| bracket.cap).collect();
        let mut brackets: Vec<Bracket> = Vec::new();
        for (index, cap) in caps.into_iter().enumerate() {
            let (one, two) = (self.at(cap), other.at(cap));
            let rate = one.maintenance_margin_rate.max(two.maintenance_margin_rate);
            let (floor, maintenance_amount) = match brackets.last() {
                None => (Notional::ZERO, Amount::ZERO),
                Some(before) => {
                    let amount = next_maintenance_amount(before, before.cap, rate);
                    let number = index.saturating_add(1);
                    (
                        before.cap,
                        amount.map_err(|_| BracketError::Arithmetic(number))?,
                    )
                }
            };
            brackets.push(Bracket {
                floor,
                cap,
                maintenance_margin_rate: rate,
                maintenance_amount,
                leverage_max: one.leverage_max.min(two.leverage_max),
            });
        }
        Self::try_new(brackets)
    }

    /// The same tiers with floors, caps and maintenance amounts multiplied.
    ///
    /// Source: margin-math §3 (`notionalCoef`).
    ///
    /// # Errors
    /// [`BracketError`] when the figures do not fit 28 digits or the multiple is not above zero.
    pub fn multiplied(&self, by: Rate) -> Result<Self, BracketError> {
        let tiers = self.brackets.iter().enumerate();
        let multiplied = tiers.map(|(index, bracket)| {
            let error = |_| BracketError::Arithmetic(index.saturating_add(1));
            Ok(Bracket {
                floor: Notional::new(bracket.floor.times(by).map_err(error)?.get()),
                cap: Notional::new(bracket.cap.times(by).map_err(error)?.get()),
                maintenance_amount: bracket.maintenance_amount.times(by).map_err(error)?,
                ..*bracket
            })
        });
        Self::try_new(multiplied.collect::<Result<_, _>>()?)
    }

    /// The largest notional that may be held at this leverage: the highest cap among the tiers
    /// that still permit it. `None` when no tier does.
    ///
    /// Source: margin-math §14.
    #[must_use]
    pub fn notional_max_at(&self, leverage: Leverage) -> Option<Notional> {
        self.brackets
            .iter()
            .filter(|bracket| bracket.leverage_max >= leverage)
            .map(|bracket| bracket.cap)
            .max()
    }
}

fn prove(bracket: &Bracket, before: Option<&Bracket>, number: usize) -> Result<(), BracketError> {
    let rate = bracket.maintenance_margin_rate;
    if bracket.cap <= bracket.floor {
        return Err(BracketError::Gap(number));
    }
    if !rate.is_positive() || rate >= Rate::new(Decimal::ONE) {
        return Err(BracketError::Rate(number));
    }
    let Some(before) = before else { return Ok(()) };
    if bracket.floor != before.cap {
        return Err(BracketError::Gap(number));
    }
    if rate < before.maintenance_margin_rate {
        return Err(BracketError::Rate(number));
    }
    let expected = next_maintenance_amount(before, bracket.floor, rate)
        .map_err(|_| BracketError::Arithmetic(number))?;
    if bracket.maintenance_amount == expected {
        Ok(())
    } else {
        Err(BracketError::MaintenanceAmount(number))
    }
}

/// `floor·(rate − rate before) + amount before`.
///
/// Source: margin-math §3.
///
/// # Errors
/// [`ArithmeticError`] when digits would be lost.
pub fn next_maintenance_amount(
    before: &Bracket,
    floor: Notional,
    rate: Rate,
) -> Result<Amount, ArithmeticError> {
    let step = rate.minus(before.maintenance_margin_rate)?;
    let added = exact_mul(floor.get(), step.get())?;
    exact_add(added, before.maintenance_amount.get()).map(Amount::new)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Builds a table from `cap rate leverage` rows, deriving floors and amounts.
    pub(crate) fn table(rows: &[(&str, &str, u32)]) -> BracketTable {
        BracketTable::try_new(brackets(rows)).unwrap()
    }

    fn brackets(rows: &[(&str, &str, u32)]) -> Vec<Bracket> {
        let mut brackets: Vec<Bracket> = Vec::new();
        for (cap, rate, leverage) in rows {
            let rate = Rate::parse(rate).unwrap();
            let (floor, amount) = brackets
                .last()
                .map_or((Notional::ZERO, Amount::ZERO), |last| {
                    (
                        last.cap,
                        next_maintenance_amount(last, last.cap, rate).unwrap(),
                    )
                });
            brackets.push(Bracket {
                floor,
                cap: Notional::parse(cap).unwrap(),
                maintenance_margin_rate: rate,
                maintenance_amount: amount,
                leverage_max: Leverage::new(*leverage).unwrap(),
            });
        }
        brackets
    }

    /// BTCUSDT as the exchange published it on 2024-10-24 and as its FAQ uses it.
    pub(crate) fn bitcoin() -> BracketTable {
        table(&[
            ("50000", "0.004", 125),
            ("250000", "0.005", 100),
            ("1000000", "0.01", 50),
            ("10000000", "0.025", 20),
            ("20000000", "0.05", 10),
            ("50000000", "0.1", 5),
            ("100000000", "0.125", 4),
            ("200000000", "0.15", 3),
            ("300000000", "0.25", 2),
            ("500000000", "0.5", 1),
        ])
    }

    fn maintenance(notional: &str) -> String {
        bitcoin()
            .maintenance_margin(Notional::parse(notional).unwrap())
            .unwrap()
            .to_string()
    }

    #[test]
    fn the_maintenance_amounts_follow_the_recurrence() {
        // Vector B09: the whole column.
        let column: Vec<String> = bitcoin()
            .brackets()
            .iter()
            .map(|b| b.maintenance_amount.to_string())
            .collect();
        let published = [
            "0",
            "50",
            "1300",
            "16300",
            "266300",
            "1266300",
            "2516300",
            "5016300",
            "25016300",
            "100016300",
        ];
        assert_eq!(column, published);
    }

    #[test]
    fn maintenance_margin_of_published_examples() {
        // Vector B01 (FAQ example), B16 (the edge of the first tier), B08 (264,000 falls on 1 %).
        assert_eq!(maintenance("3500032.458"), "71200.81145");
        assert_eq!(maintenance("50000"), "200");
        assert_eq!(maintenance("50001"), "200.005");
        assert_eq!(maintenance("264000"), "1340");
        assert_eq!(maintenance("-264000"), "1340");
    }

    #[test]
    fn a_position_cap_is_the_largest_tier_that_permits_the_leverage() {
        // Vector B32 has 100,000,000 at 20x for the 2024 table; this older FAQ table has 10,000,000.
        let at = |leverage| bitcoin().notional_max_at(Leverage::new(leverage).unwrap());
        assert_eq!(at(20), Some(Notional::parse("10000000").unwrap()));
        assert_eq!(at(125), Some(Notional::parse("50000").unwrap()));
        assert_eq!(at(126), None);
    }

    #[test]
    fn c06_a_table_that_is_not_sound_is_refused() {
        let sound = brackets(&[
            ("1000", "0.01", 50),
            ("2000", "0.02", 25),
            ("9000", "0.05", 10),
        ]);
        let broken = |index: usize, change: fn(&mut Bracket)| {
            let mut table = sound.clone();
            change(&mut table[index]);
            BracketTable::try_new(table).unwrap_err()
        };
        assert_eq!(BracketTable::try_new(vec![]), Err(BracketError::Empty));
        assert_eq!(
            broken(0, |b| b.floor = Notional::parse("1").unwrap()),
            BracketError::FirstFloor
        );
        assert_eq!(
            broken(1, |b| b.floor = Notional::parse("1001").unwrap()),
            BracketError::Gap(2)
        );
        assert_eq!(broken(2, |b| b.cap = b.floor), BracketError::Gap(3));
        assert_eq!(
            broken(1, |b| b.maintenance_margin_rate = Rate::ZERO),
            BracketError::Rate(2)
        );
        assert_eq!(
            broken(2, |b| b.maintenance_margin_rate =
                Rate::parse("0.015").unwrap()),
            BracketError::Rate(3)
        );
        assert_eq!(
            broken(2, |b| b.maintenance_amount = Amount::ZERO),
            BracketError::MaintenanceAmount(3)
        );
        assert_eq!(
            BracketTable::try_new(vec![sound[0]; 65]),
            Err(BracketError::TooMany)
        );
    }
}
