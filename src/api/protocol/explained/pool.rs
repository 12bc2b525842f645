//! The figures of the account.
//!
//! Owns: which positions, orders and assets go into each, at one of the two times.
//! Must not know: formulas, figures of single positions.

use rust_decimal::Decimal;

use super::super::explain::ExplainedFigure;
use super::filled::{Values, explained_figure, filled};
use super::sheet::{Leg, Sheet, When};
use crate::guard::formulas::{self, Beside, Formula};

impl Sheet<'_> {
    /// Every figure of the account that follows from others.
    pub(super) fn of_account(&self) -> Vec<ExplainedFigure<'static>> {
        if self.account.is_null() {
            return Vec::new();
        }
        let of = format!("account.{}", self.when.name());
        let mut figures = Vec::new();
        let told = |figure: &str, text: String| {
            explained_figure(&of, figure, [text], &|name| self.value(name))
        };
        if !self.alone {
            figures.extend(self.of_assets());
        }
        if self.whole {
            for (figure, term) in formulas::SUMS {
                // Where assets stand together, what is owned and what is owed count differently.
                if figure == "crossUnPnl" && !self.alone {
                    continue;
                }
                figures.extend(self.sum(term).and_then(|text| told(figure, text)));
            }
            let of_pool = if self.alone {
                figures.extend(told("marginBalance", self.balance()));
                self.beside().unwrap_or_default()
            } else {
                self.of_joint_pool()
            };
            for (figure, text) in of_pool {
                figures.extend(told(figure, text));
            }
        }
        figures.extend(of_any_pool(&of, &|name| self.value(name)));
        if self.whole {
            figures.extend(
                self.at_risk()
                    .and_then(|text| told("walletAtRisk.amount", text)),
            );
            for (figure, text) in self.first_killer().into_iter().flatten() {
                figures.extend(told(figure, text));
            }
            figures.extend(self.common_move().and_then(|text| told("commonMove", text)));
        }
        figures
    }

    pub(super) fn crossed(&self) -> Vec<&str> {
        let crossed = self.legs.iter().filter(|leg| leg.crossed);
        crossed.map(|leg| leg.name.as_str()).collect()
    }

    /// A sum over the crossed positions.
    fn sum(&self, term: &'static str) -> Option<String> {
        // Leverage is told as it would be: a change of leverage makes the present one another.
        if self.when == When::Before && term.contains("leverage") {
            return None;
        }
        Some(if self.alone {
            formulas::sum_alone(term, &self.crossed())
        } else {
            self.sum_joint(term)
        })
    }

    fn balance(&self) -> String {
        let drawing = self.legs.iter().filter(|leg| leg.draws());
        let drawing: Vec<&str> = drawing.map(|leg| leg.name.as_str()).collect();
        formulas::balance_alone(&drawing)
    }

    /// What stands in the pool beside its crossed positions; told of the account afterwards.
    fn beside(&self) -> Option<Vec<(&'static str, String)>> {
        (self.when == When::After).then(|| {
            let orders = |mode: &str| -> Vec<&str> {
                let of_mode = self.orders().iter().filter(|row| row["marginType"] == mode);
                of_mode.filter_map(|row| row["symbol"].as_str()).collect()
            };
            let isolated = self.legs.iter().filter(|leg| !leg.crossed);
            let isolated: Vec<&str> = isolated.map(|leg| leg.name.as_str()).collect();
            formulas::of_pool_alone(&Beside {
                crossed_orders: &orders("CROSSED"),
                isolated_orders: &orders("ISOLATED"),
                isolated: &isolated,
                auto_added: !self.answer["pool"]["autoAdded"].is_null(),
            })
        })
    }

    /// What the worst move takes: everything where it liquidates.
    fn at_risk(&self) -> Option<String> {
        let amount = self.value("walletAtRisk.amount")?;
        if amount == self.value("marginBalance")?.max(Decimal::ZERO) {
            return Some(formulas::AT_RISK_WHOLE.to_owned());
        }
        let moves = self.account["walletAtRisk"]["symbol"].as_str();
        let moved = |leg: &&Leg<'_>| leg.crossed && moves.is_none_or(|moves| leg.symbol == moves);
        if self.alone {
            let legs = self.legs.iter().filter(moved);
            let names: Vec<&str> = legs.map(|leg| leg.name.as_str()).collect();
            return Some(formulas::at_risk_alone(moves.map(|_| names.as_slice())));
        }
        let falls = self.account["walletAtRisk"]["direction"] == "down";
        Some(formulas::at_risk_joint(&self.parts(&moved), falls))
    }

    /// The end of what kills first is the end of every leg of that contract.
    fn first_killer(&self) -> Option<[(&'static str, String); 2]> {
        let killer = &self.account["firstKiller"];
        let symbol = killer["symbol"].as_str()?;
        let mut legs = self.legs.iter();
        let leg = legs.find(|leg| leg.crossed && leg.symbol == symbol)?;
        let end = if killer["direction"] == "down" {
            "liquidationBelow"
        } else {
            "liquidationAbove"
        };
        Some(formulas::first_killer(&leg.name, end))
    }

    fn common_move(&self) -> Option<String> {
        let by = self.value("commonMove")?;
        if self.alone {
            return Some(formulas::common_move_alone(&self.crossed()));
        }
        let by = if self.account["commonMoveDirection"] == "down" {
            Decimal::ZERO.checked_sub(by)?
        } else {
            by
        };
        Some(self.common_move_joint(by))
    }
}

/// The figures that every pool has in common.
pub(super) fn of_any_pool(of: &str, value: Values<'_>) -> Vec<ExplainedFigure<'static>> {
    let balance = value("marginBalance");
    let nothing_left = balance.is_some_and(|balance| balance <= Decimal::ZERO);
    let explained = |formula: &Formula| {
        if nothing_left && formula.figure == "walletAtRisk.fraction" {
            let held = value("walletAtRisk.move").is_some();
            let text = formulas::nothing_left(held).to_owned();
            explained_figure(of, formula.figure, [text], value)
        } else {
            filled(of, formula, value)
        }
    };
    formulas::POOL.iter().filter_map(explained).collect()
}
