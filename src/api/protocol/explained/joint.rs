//! The one pool of multi-assets mode.
//!
//! Owns: which positions and orders are margined in which asset, and at which rate an asset counts.
//! Must not know: formulas, pools of one asset.

use rust_decimal::Decimal;

use super::super::explain::ExplainedFigure;
use super::filled::{at, explained_figure};
use super::sheet::{Leg, Sheet};
use crate::guard::formulas::{self, Held, Part};

impl Sheet<'_> {
    /// Every asset with its positions, of the crossed ones those that are wanted.
    pub(super) fn parts(&self, wanted: &dyn Fn(&&Leg<'_>) -> bool) -> Vec<Part<'_>> {
        self.assets()
            .iter()
            .filter_map(|row| {
                let asset = row["asset"].as_str()?;
                let legs = || self.legs.iter().filter(|leg| leg.asset == asset);
                let named = |wanted: &dyn Fn(&&Leg<'_>) -> bool| {
                    legs().filter(wanted).map(|leg| leg.name.as_str()).collect()
                };
                let orders = |mode: &str| {
                    let here = self
                        .orders()
                        .iter()
                        .filter(|row| row["marginAsset"] == asset);
                    let of_mode = here.filter(|row| row["marginType"] == mode);
                    of_mode.filter_map(|row| row["symbol"].as_str()).collect()
                };
                Some(Part {
                    asset,
                    legs: named(&|leg| leg.crossed && wanted(leg)),
                    drawing: named(&|leg| leg.draws()),
                    isolated: named(&|leg| !leg.crossed),
                    crossed_orders: orders("CROSSED"),
                    isolated_orders: orders("ISOLATED"),
                })
            })
            .collect()
    }

    fn crossed_parts(&self) -> Vec<Part<'_>> {
        self.parts(&|_| true)
    }

    pub(super) fn sum_joint(&self, term: &'static str) -> String {
        formulas::sum_joint(term, &self.crossed_parts())
    }

    /// What each asset counts for.
    pub(super) fn of_assets(&self) -> Vec<ExplainedFigure<'static>> {
        let mut figures = Vec::new();
        for (part, row) in self.crossed_parts().iter().zip(self.assets()) {
            let of = format!("collateral {}", part.asset);
            let value = |name: &str| {
                { at(row, name) }
                    .or_else(|| self.value(name))
                    .or_else(|| at(self.answer, name))
            };
            for (figure, text) in formulas::of_asset(part) {
                figures.extend(explained_figure(&of, figure, [text], &value));
            }
        }
        figures
    }

    pub(super) fn of_joint_pool(&self) -> Vec<(&'static str, String)> {
        let parts = self.crossed_parts();
        if parts.is_empty() {
            return Vec::new();
        }
        let rate = |part: &Part<'_>, what: Held| {
            let amount = match what {
                Held::Wallet => self.value(&format!("{}.crossWalletBalance", part.asset)),
                Held::Profit => { part.legs.iter() }.try_fold(Decimal::ZERO, |sum, name| {
                    sum.checked_add(self.value(&format!("{name}.unrealizedProfit"))?)
                }),
            };
            formulas::rate_of(amount.is_some_and(|amount| amount.is_sign_negative()))
        };
        formulas::of_joint_pool(&parts, &rate)
    }

    /// `by` is signed.
    pub(super) fn common_move_joint(&self, by: Decimal) -> String {
        let rate = |part: &Part<'_>| {
            let owed = self.is_owed_after(part.asset, |leg| {
                let worth = leg
                    .value("positionAmt")?
                    .checked_mul(leg.value("markPrice")?)?;
                worth.checked_mul(by)
            });
            formulas::rate_of(owed == Some(true))
        };
        formulas::common_move_joint(&self.crossed_parts(), &rate)
    }
}
