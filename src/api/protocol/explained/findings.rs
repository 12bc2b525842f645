//! The values that rules judged.
//!
//! Owns: which figure of the answer a finding judged, and how it follows.
//! Must not know: limits.

use std::borrow::Cow;

use rust_decimal::Decimal;
use serde_json::Value;

use super::super::explain::ExplainedFigure;
use super::asked::{rows, scenarios};
use super::filled::{at, explained_figure, filled, number};
use super::pool::of_any_pool;
use super::sheet::{Leg, Sheet};
use super::{code_of, findings};
use crate::guard::formulas;
use crate::guard::verdict::Code;

impl<'a> Sheet<'a> {
    /// Every judged value that is a figure of the answer.
    pub(super) fn of_findings(&self) -> impl Iterator<Item = ExplainedFigure<'static>> {
        let found = findings(self.answer).iter();
        found.filter_map(|finding| self.of_finding(finding))
    }

    /// How the value that a rule judged follows, where it is a figure of the answer.
    fn of_finding(&self, finding: &Value) -> Option<ExplainedFigure<'static>> {
        let code = code_of(finding)?;
        match code {
            Code::Spill => self.of_spill(finding),
            Code::Stress => self.of_stress(finding),
            Code::LiquidationDistance => self
                .of_account_finding(code, finding)
                .or_else(|| self.of_isolated_distance(finding)),
            Code::WalletAtRisk | Code::MarginRatio | Code::WorstCase | Code::EffectiveLeverage => {
                self.of_account_finding(code, finding)
            }
            _ => self.of_question(code, finding),
        }
    }

    /// The spill of the position that the finding is about.
    fn of_spill(&self, finding: &Value) -> Option<ExplainedFigure<'static>> {
        let judged = number(&finding["value"])?;
        let name = Code::Spill.name();
        let value = |wanted: &str| {
            if wanted == name {
                Some(judged)
            } else {
                self.value(wanted)
            }
        };
        let explained = |leg: &Leg<'_>| {
            let asset = (!self.alone).then_some(leg.asset);
            let text = formulas::spill(&leg.name, asset);
            let rate = asset.map_or(Some(Decimal::ONE), |asset| {
                self.value(&format!("{asset}.askRate"))
            });
            let worth = leg.value("spill")?.checked_mul(rate?)?;
            let fraction = worth.checked_div(self.value("marginBalance")?);
            is_same(fraction, judged)
                .then(|| explained_figure("findings", name, [text], &value))
                .flatten()
        };
        let mut legs = self.legs_of(finding).filter(|leg| leg.crossed);
        legs.find_map(explained)
    }

    /// What is judged of an order or a change by itself: one of a batch is the one with this value.
    fn of_question(&self, code: Code, finding: &Value) -> Option<ExplainedFigure<'static>> {
        let judged = number(&finding["value"])?;
        let name = code.name();
        let orders = [&self.answer["order"]];
        let batch = rows(&self.answer["orders"]).iter();
        let orders = orders.into_iter().chain(batch);
        let of_symbol = |order: &&Value| order["symbol"] == finding["symbol"];
        let of_order = |order: &Value| {
            let texts = judged_of_order(code, order).into_iter();
            let text = texts
                .filter(|(_, value)| is_same(*value, judged))
                .map(|(text, _)| text);
            let value = |wanted: &str| match wanted {
                _ if wanted == name => Some(judged),
                _ => at(order, wanted),
            };
            explained_figure("findings", name, text, &value)
        };
        orders
            .filter(of_symbol)
            .find_map(of_order)
            .or_else(|| self.of_position_size(code, judged, finding))
            .or_else(|| self.of_change(code, judged))
    }

    /// The size of a position afterwards.
    fn of_position_size(
        &self,
        code: Code,
        judged: Decimal,
        finding: &Value,
    ) -> Option<ExplainedFigure<'static>> {
        if code != Code::PositionNotional {
            return None;
        }
        let mut legs = self.legs_of(finding);
        let leg = legs.find(|leg| {
            let worth = leg.value("positionAmt").zip(leg.value("markPrice"));
            let worth = worth.and_then(|(amount, mark)| amount.checked_mul(mark));
            worth.is_some_and(|worth| worth.abs() == judged)
        })?;
        let value = |wanted: &str| match wanted {
            _ if wanted == code.name() => Some(judged),
            _ => self.of_some_leg(wanted),
        };
        let text = formulas::position_size(&leg.name);
        explained_figure("findings", code.name(), [text], &value)
    }

    fn of_change(&self, code: Code, judged: Decimal) -> Option<ExplainedFigure<'static>> {
        let change = &self.answer["change"];
        let paths = ["leverage", "amount"].into_iter();
        let mut told = paths.filter(|path| at(change, path) == Some(judged));
        let text = format!("change.{}", told.next()?);
        let value = |wanted: &str| match wanted {
            _ if wanted == code.name() => Some(judged),
            _ => at(self.answer, wanted),
        };
        explained_figure("findings", code.name(), [text], &value)
    }

    /// The scenario that the finding is about; one in which nothing is left has no ratio.
    fn of_stress(&self, finding: &Value) -> Option<ExplainedFigure<'static>> {
        let judged = number(&finding["value"])?;
        let mut scenarios = scenarios(self.answer).iter();
        let scenario = scenarios.find(|scenario| {
            scenario["survives"] == false
                && scenario["required"] == finding["level"]
                && at(scenario, "marginRatio") == Some(judged)
        })?;
        let mut figure = filled("findings", &formulas::STRESS, &|name| at(scenario, name))?;
        figure.figure = Cow::Borrowed(Code::Stress.name());
        Some(figure)
    }

    /// The distance of the isolated position that the finding is about.
    fn of_isolated_distance(&self, finding: &Value) -> Option<ExplainedFigure<'static>> {
        let judged = number(&finding["value"])?;
        let mut legs = self.legs_of(finding).filter(|leg| !leg.crossed);
        let leg = legs.find(|leg| leg.value("distance") == Some(judged))?;
        let mut formulas = formulas::POSITION.iter();
        let formula = formulas.find(|formula| formula.figure == "distance")?;
        let mut figure = filled("findings", formula, &|name| leg.value(name))?;
        figure.figure = Cow::Borrowed(Code::LiquidationDistance.name());
        Some(figure)
    }

    /// The positions of the contract that a finding is about.
    fn legs_of(&self, finding: &Value) -> impl Iterator<Item = &Leg<'a>> {
        let symbol = finding["symbol"].as_str().unwrap_or_default().to_owned();
        self.legs.iter().filter(move |leg| leg.symbol == symbol)
    }

    /// A figure of the account afterwards.
    fn of_account_finding(&self, code: Code, finding: &Value) -> Option<ExplainedFigure<'static>> {
        let figure = formulas::of_code(code)?;
        let judged = number(&finding["value"])?;
        let executions = rows(&self.answer["executions"]).iter();
        let executions = executions.map(|execution| &execution["account"]);
        let mut scopes: Vec<&Value> = match code {
            Code::WorstCase => vec![&self.answer["worstCase"]],
            _ => std::iter::once(self.account).chain(executions).collect(),
        };
        // An isolated position by itself may have been judged instead.
        scopes.retain(|scope| at(scope, figure) == Some(judged));
        let scope = scopes.first()?;
        let figures = of_any_pool("findings", &|name| at(scope, name)).into_iter();
        let mut of_code = figures.filter(|explained| explained.figure == figure);
        let mut figure = of_code.next()?;
        figure.figure = Cow::Borrowed(code.name());
        Some(figure)
    }
}

/// What a rule may have judged of an order, with its value.
fn judged_of_order(code: Code, order: &Value) -> Vec<(String, Option<Decimal>)> {
    let value = |name: &str| at(order, name);
    let buys = order["side"] == "BUY";
    let own = |name: &&str| ((*name).to_owned(), value(name));
    match code {
        Code::Leverage => ["leverage"].iter().map(own).collect(),
        Code::ExchangeWouldRefuse => ["exchangeCost.cost", "quantityUsed", "quantity"]
            .iter()
            .map(own)
            .collect(),
        Code::OrderNotional => {
            let worth = value("priceUsed").zip(value("quantityUsed"));
            let worth = worth.and_then(|(price, quantity)| price.checked_mul(quantity));
            vec![(formulas::ORDER_SIZE.to_owned(), worth)]
        }
        Code::PriceCollar => {
            let of_mark = |mark: &str| {
                let (price, mark_value) = (value("priceUsed")?, value(mark)?);
                let away = price.checked_sub(mark_value)?.checked_div(mark_value)?;
                let away = if buys {
                    Some(away)
                } else {
                    Decimal::ZERO.checked_sub(away)
                };
                Some((formulas::price_collar(mark, buys), away))
            };
            let marks = ["triggerPrice", "exchangeCost.markPrice"].into_iter();
            marks.filter_map(of_mark).take(1).collect()
        }
        _ => Vec::new(),
    }
}

/// The figures of an answer were cut, so what follows from them may be off in its last digits.
fn is_same(value: Option<Decimal>, judged: Decimal) -> bool {
    let apart = value.and_then(|value| value.checked_sub(judged));
    apart.is_some_and(|apart| apart.abs() < Decimal::new(1, 7))
}
