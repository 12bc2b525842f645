//! How the account fares in scenarios.
//!
//! Owns: which positions of a scenario make its figures, and at which rate an asset's gain counts.
//! Must not know: formulas, shocks.

use rust_decimal::Decimal;
use serde_json::Value;

use super::super::explain::ExplainedFigure;
use super::asked::{rows, scenarios};
use super::filled::{at, explained_figure, filled};
use super::sheet::{Leg, Sheet};
use crate::guard::formulas;

impl Sheet<'_> {
    /// Every figure of the scenarios that follows from others.
    pub(super) fn of_scenarios(&self) -> Vec<ExplainedFigure<'static>> {
        let scenarios = scenarios(self.answer).iter();
        scenarios
            .flat_map(|row| Scenario { row, after: self }.figures())
            .collect()
    }
}

struct Scenario<'a> {
    row: &'a Value,
    after: &'a Sheet<'a>,
}

impl<'a> Scenario<'a> {
    fn figures(&self) -> Vec<ExplainedFigure<'static>> {
        let of = format!("stress {}", self.row["name"].as_str().unwrap_or_default());
        let value = |name: &str| self.value(name);
        let mut figures = Vec::new();
        let is_tightened = at(self.row, "reasons.maintenance").is_some();
        for (leg, stressed) in self.positions() {
            let of = format!("{of} {}", leg.name);
            let value = |name: &str| {
                { at(stressed, name) }
                    .or_else(|| leg.value(name))
                    .or_else(|| at(self.row, name))
            };
            let formulas = formulas::stressed(is_tightened);
            figures.extend(
                formulas
                    .iter()
                    .filter_map(|formula| filled(&of, formula, &value)),
            );
        }
        if !self.row["reasons"].is_null() {
            for (figure, text) in self.of_pool() {
                figures.extend(explained_figure(&of, figure, [text], &value));
            }
        }
        let formulas = formulas::stress(self.row["survives"] == true);
        figures.extend(
            formulas
                .iter()
                .filter_map(|formula| filled(&of, formula, &value)),
        );
        figures
    }

    /// The positions of the account that the scenario tells of.
    fn positions(&self) -> impl Iterator<Item = (&'a Leg<'a>, &'a Value)> {
        let rows = rows(&self.row["reasons"]["positions"]).iter();
        rows.filter_map(|row| {
            let (symbol, side) = (row["symbol"].as_str()?, row["positionSide"].as_str()?);
            let mut legs = self.after.legs.iter();
            let leg = legs.find(|leg| leg.symbol == symbol && leg.side == side)?;
            Some((leg, row))
        })
    }

    fn of_pool(&self) -> [(&'static str, String); 2] {
        let mut by_asset: Vec<(Option<&str>, Vec<&str>)> = Vec::new();
        for (leg, _) in self.positions() {
            let asset = (!self.after.alone).then_some(leg.asset);
            match by_asset.iter_mut().find(|(known, _)| *known == asset) {
                Some((_, names)) => names.push(&leg.name),
                None => by_asset.push((asset, vec![&leg.name])),
            }
        }
        let rate = |names: &[&str]| {
            let gained = names.iter().try_fold(Decimal::ZERO, |sum, name| {
                let part = |figure: &str| self.value(&format!("{name}.stress.{figure}"));
                sum.checked_add(part("gain")?.checked_sub(part("funding")?)?)
            });
            formulas::rate_of(gained.is_some_and(|gained| gained.is_sign_negative()))
        };
        formulas::stressed_pool(&by_asset, &rate)
    }

    /// A figure of the scenario, of a position in it, of an asset, or of the whole answer.
    fn value(&self, name: &str) -> Option<Decimal> {
        at(self.row, name)
            .or_else(|| {
                let (leg, figure) = name.split_once(".stress.")?;
                let mut positions = self.positions();
                at(positions.find(|(known, _)| known.name == leg)?.1, figure)
            })
            .or_else(|| at(self.after.answer, name))
            .or_else(|| self.after.of_some_leg(name))
            .or_else(|| self.after.of_some_asset(name))
    }
}
