//! `/v1/decisions/{id}/explain`: a recorded decision with its arithmetic, and what waiting could
//! change.
//!
//! Owns: reading a recorded answer, and finding the values that formulas name.
//! Must not know: formulas, limits, where decisions are kept.

use std::borrow::Cow;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::explain::{ExplainedFigure, ExplainedInput};
use super::figure::Figure;
use crate::guard::formulas::{self, Formula, OwnPrice};
use crate::guard::verdict::Code;
use crate::guard::words;
use crate::margin::amount::parse;

/// What stands beside the fields of the recorded answer.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Explanation<'a> {
    /// Every judged value and every figure that follows from others, each from the figures of the
    /// answer: they are cut at eight decimals there.
    pub arithmetic: Vec<ExplainedFigure<'a>>,
    /// For every finding, in precedence, what waiting could change.
    pub waiting: Vec<Waiting<'a>>,
}

/// What waiting could change about one finding.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Waiting<'a> {
    /// Which rule.
    pub code: Cow<'a, str>,
    /// It is the one that decides.
    pub decides: bool,
    /// `never`, `after_resync` or `when_margin_recovers`.
    pub retry: Cow<'a, str>,
    /// The same in words.
    pub message: Cow<'a, str>,
}

/// The recorded answer, its bytes kept, with the explanation as two more fields. `None` when it is
/// not an object of JSON.
#[must_use]
pub fn explained(document: &[u8]) -> Option<Vec<u8>> {
    let answer: Value = serde_json::from_slice(document).ok()?;
    let explanation = serde_json::to_vec(&Explanation::of(&answer)).ok()?;
    let mut bytes = document.trim_ascii().strip_suffix(b"}")?.to_vec();
    bytes.push(b',');
    bytes.extend_from_slice(explanation.strip_prefix(b"{")?);
    Some(bytes)
}

impl Explanation<'static> {
    /// Explains a recorded answer; a brief one holds no figures.
    #[must_use]
    pub fn of(answer: &Value) -> Self {
        let sheet = Sheet::new(answer);
        Self {
            arithmetic: sheet.figures(),
            waiting: waiting(answer),
        }
    }
}

fn waiting(answer: &Value) -> Vec<Waiting<'static>> {
    let level = |finding: &Value| finding["level"].as_str().unwrap_or_default().to_owned();
    let decision = answer["decision"].as_str().unwrap_or_default();
    let mut undecided = true;
    let of = |finding: &Value| {
        let code = code_of(finding)?;
        let decides = undecided && level(finding) == decision;
        undecided &= !decides;
        Some(Waiting {
            code: Cow::Borrowed(code.name()),
            decides,
            retry: Cow::Borrowed(code.retry().name()),
            message: Cow::Borrowed(words::waiting(code.retry())),
        })
    };
    findings(answer).iter().filter_map(of).collect()
}

fn findings(answer: &Value) -> &[Value] {
    answer["findings"].as_array().map_or(&[], Vec::as_slice)
}

fn code_of(finding: &Value) -> Option<Code> {
    let name = finding["code"].as_str()?;
    Code::ALL.into_iter().find(|code| code.name() == name)
}

/// The values of a recorded answer, by the names that formulas use.
struct Sheet<'a> {
    answer: &'a Value,
    after: &'a Value,
    legs: Vec<Leg<'a>>,
    /// The pool is one asset's own: its figures are plain sums.
    alone: bool,
}

/// A position as it would be.
struct Leg<'a> {
    /// Its name in formulas: the contract, and the leg of a hedge.
    name: String,
    symbol: &'a str,
    change: &'a Value,
    crossed: bool,
    short: bool,
}

impl<'a> Leg<'a> {
    fn of(change: &'a Value) -> Option<Self> {
        if change["after"].is_null() {
            return None;
        }
        let symbol = change["symbol"].as_str()?;
        let name = match change["positionSide"].as_str() {
            None | Some("BOTH") => symbol.to_owned(),
            Some(side) => format!("{symbol}_{side}"),
        };
        Some(Self {
            name,
            symbol,
            crossed: change["marginType"] == "CROSSED",
            short: number(&change["after"]["positionAmt"])?.is_sign_negative(),
            change,
        })
    }

    /// A figure of the position afterwards, or of the whole entry.
    fn value(&self, path: &str) -> Option<Decimal> {
        at(&self.change["after"], path).or_else(|| at(self.change, path))
    }
}

impl<'a> Sheet<'a> {
    fn new(answer: &'a Value) -> Self {
        let changes = answer["positions"].as_array();
        Self {
            answer,
            after: &answer["account"]["after"],
            legs: changes.into_iter().flatten().filter_map(Leg::of).collect(),
            // The one pool of multi-assets mode is named so; no margin asset is.
            alone: answer["account"]["after"]["asset"] != "USD",
        }
    }

    fn figures(&self) -> Vec<ExplainedFigure<'static>> {
        let mut figures = Vec::new();
        for leg in &self.legs {
            figures.extend(self.of_leg(leg));
        }
        for when in ["before", "after"] {
            figures.extend(self.of_pool(when));
        }
        figures.extend(order_cost("order", &self.answer["order"]));
        let orders = self.answer["orders"].as_array();
        for (place, order) in orders.into_iter().flatten().enumerate() {
            figures.extend(order_cost(&format!("orders[{place}]"), order));
        }
        let twin = formulas::TWIN;
        figures.extend(filled("isolatedTwin", &twin, &|name| at(self.answer, name)));
        if let Some(symbol) = self.answer["order"]["symbol"].as_str() {
            for formula in formulas::COSTS {
                let texts = formula.texts.iter().map(|text| text.replace('@', symbol));
                let value = |name: &str| at(self.answer, name);
                figures.extend(explained_figure("costs", formula.figure, texts, &value));
            }
        }
        for scenario in self.scenarios() {
            let of = format!("stress {}", scenario["name"].as_str().unwrap_or_default());
            let value = |name: &str| at(scenario, name);
            figures.extend(filled(&of, &formulas::STRESS, &value));
        }
        figures.extend(
            findings(self.answer)
                .iter()
                .filter_map(|f| self.of_finding(f)),
        );
        figures
    }

    fn scenarios(&self) -> &'a [Value] {
        let scenarios = self.answer["stress"].as_array();
        scenarios.map_or(&[], Vec::as_slice)
    }

    fn of_leg(&self, leg: &Leg<'_>) -> Vec<ExplainedFigure<'static>> {
        let of = format!("position {}", leg.name);
        let end = if leg.short {
            "liquidationAbove"
        } else {
            "liquidationBelow"
        };
        let mut figures = Vec::new();
        for formula in formulas::POSITION {
            let value = |name: &str| leg.value(name);
            let texts = formula.texts.iter().map(|text| text.replace("@end", end));
            figures.extend(explained_figure(&of, formula.figure, texts, &value));
        }
        for side in ["Below", "Above"] {
            let figure = format!("liquidation{side}");
            if leg.crossed && self.alone {
                figures.extend(self.crossed_end(&of, leg, &figure, side));
            } else if !leg.crossed {
                let text = formulas::ISOLATED_END.replace('@', side);
                let value = |name: &str| leg.value(name);
                figures.extend(explained_figure(&of, &figure, [text], &value));
            }
        }
        figures
    }

    /// The pool's headroom is zero there: all legs of the contract count.
    fn crossed_end(
        &self,
        of: &str,
        leg: &Leg<'_>,
        figure: &str,
        side: &str,
    ) -> Option<ExplainedFigure<'static>> {
        let legs = self.legs.iter().filter(|other| other.symbol == leg.symbol);
        let names: Vec<&str> = legs.map(|leg| leg.name.as_str()).collect();
        let [constant, slope] = formulas::CROSSED_END.map(|term| {
            let parts = names.iter().map(|name| term.replace('@', name));
            parts.collect::<Vec<_>>().join(" + ").replace('#', side)
        });
        let text = format!("({constant} - headroom) / ({slope})");
        let value = |name: &str| {
            if name == figure {
                leg.value(name)
            } else {
                self.of_some_leg(name).or_else(|| at(self.after, name))
            }
        };
        explained_figure(of, figure, [text], &value)
    }

    /// A name that begins with a leg's.
    fn of_some_leg(&self, name: &str) -> Option<Decimal> {
        self.legs.iter().find_map(|leg| {
            let rest = name.strip_prefix(leg.name.as_str())?.strip_prefix('.')?;
            leg.value(rest)
        })
    }

    fn of_pool(&self, when: &str) -> Vec<ExplainedFigure<'static>> {
        let pool = &self.answer["account"][when];
        if pool.is_null() {
            return Vec::new();
        }
        let of = format!("account.{when}");
        let value = |name: &str| at(pool, name);
        let mut figures = Vec::new();
        if self.alone {
            if when == "after" {
                figures.extend(self.sums(&of));
            }
            for formula in formulas::POOL_ALONE {
                figures.extend(filled(&of, &formula, &value));
            }
        }
        for formula in formulas::POOL {
            figures.extend(filled(&of, &formula, &value));
        }
        figures
    }

    fn sums(&self, of: &str) -> Vec<ExplainedFigure<'static>> {
        let crossed: Vec<&Leg<'_>> = self.legs.iter().filter(|leg| leg.crossed).collect();
        let value = |name: &str| at(self.after, name).or_else(|| self.of_some_leg(name));
        let mut figures = Vec::new();
        for (figure, term) in formulas::SUMS {
            let terms = crossed.iter().map(|leg| term.replace('@', &leg.name));
            let text = terms.collect::<Vec<_>>().join(" + ");
            let text = if text.is_empty() {
                "0".to_owned()
            } else {
                text
            };
            figures.extend(explained_figure(of, figure, [text], &value));
        }
        let amount = at(self.after, "walletAtRisk.amount");
        let [moved, whole] = formulas::AT_RISK;
        let text = if amount.is_some() && amount == at(self.after, "marginBalance") {
            Some(whole)
        } else {
            self.after["walletAtRisk"]["symbol"]
                .is_null()
                .then_some(moved)
        };
        let texts = text.map(str::to_owned);
        figures.extend(explained_figure(of, "walletAtRisk.amount", texts, &value));
        figures
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
            _ => self.of_account_finding(code, finding),
        }
    }

    /// The spill of the position that the finding is about, where the pool is one asset's own.
    fn of_spill(&self, finding: &Value) -> Option<ExplainedFigure<'static>> {
        let judged = number(&finding["value"])?;
        let balance = at(self.after, "marginBalance").filter(|_| self.alone)?;
        // Both figures were cut, so their quotient may be off in its last digits.
        let is_judged = |leg: &&Leg<'_>| {
            let spill = leg.value("spill").filter(|_| leg.crossed);
            let fraction = spill.and_then(|spill| spill.checked_div(balance));
            let apart = fraction.and_then(|fraction| fraction.checked_sub(judged));
            apart.is_some_and(|apart| apart.abs() < Decimal::new(1, 7))
        };
        let mut legs = self.legs_of(finding);
        let leg = legs.find(is_judged)?;
        let name = Code::Spill.name();
        let value = |wanted: &str| match wanted {
            _ if wanted == name => Some(judged),
            "marginBalance" => Some(balance),
            other => self.of_some_leg(other),
        };
        let text = formulas::SPILL.replace('@', &leg.name);
        explained_figure("findings", name, [text], &value)
    }

    /// The scenario that the finding is about; one in which nothing is left has no ratio.
    fn of_stress(&self, finding: &Value) -> Option<ExplainedFigure<'static>> {
        let judged = number(&finding["value"])?;
        let mut scenarios = self.scenarios().iter();
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
        let formula = formulas::of_code(code)?;
        let scope = if code == Code::WorstCase {
            &self.answer["worstCase"]
        } else {
            self.after
        };
        let judged = number(&finding["value"])?;
        // A part of a batch, or an isolated position by itself, may have been judged instead.
        if at(scope, formula.figure)? != judged {
            return None;
        }
        let value = |name: &str| at(scope, name);
        let texts = formula.texts.iter().map(|text| (*text).to_owned());
        let mut figure = explained_figure("findings", formula.figure, texts, &value)?;
        figure.figure = Cow::Borrowed(code.name());
        Some(figure)
    }
}

/// What the exchange asks for an order. What only reduces opens with no loss, whatever its price.
fn order_cost(of: &str, order: &Value) -> Vec<ExplainedFigure<'static>> {
    let cost = &order["exchangeCost"];
    let value = |name: &str| at(cost, name).or_else(|| at(order, name));
    let own = if order["priceMatched"] == true {
        OwnPrice::Matched
    } else if order["price"].is_null() {
        OwnPrice::Market
    } else {
        OwnPrice::Limit
    };
    let formulas = formulas::order_cost(order["side"] == "BUY", own);
    let reduces = order["reduceOnly"] == true || order["closePosition"] == true;
    let explained = |formula: Formula| match formula.figure {
        "openLoss" if reduces || order["exit"] == true => None,
        _ => filled(of, &formula, &value),
    };
    if cost.is_null() {
        return Vec::new();
    }
    formulas.into_iter().filter_map(explained).collect()
}

fn filled(
    of: &str,
    formula: &Formula,
    value: &dyn Fn(&str) -> Option<Decimal>,
) -> Option<ExplainedFigure<'static>> {
    let texts = formula.texts.iter().map(|text| (*text).to_owned());
    explained_figure(of, formula.figure, texts, value)
}

/// The figure by the first text whose names all have a value; `None` without one, or when the figure
/// itself has none.
fn explained_figure(
    of: &str,
    figure: &str,
    texts: impl IntoIterator<Item = String>,
    value: &dyn Fn(&str) -> Option<Decimal>,
) -> Option<ExplainedFigure<'static>> {
    let own = value(figure)?;
    texts.into_iter().find_map(|text| {
        let inputs: Option<Vec<ExplainedInput<'static>>> = names(&text)
            .into_iter()
            .map(|name| {
                Some(ExplainedInput {
                    value: Figure::exact(value(name)?),
                    name: Cow::Owned(name.to_owned()),
                })
            })
            .collect();
        Some(ExplainedFigure {
            inputs: inputs?,
            of: Cow::Owned(of.to_owned()),
            figure: Cow::Owned(figure.to_owned()),
            value: Figure::exact(own),
            formula: Cow::Owned(text),
        })
    })
}

/// The names in a formula, each once.
fn names(text: &str) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for word in text.split(|c: char| c.is_whitespace() || "+-*/(),".contains(c)) {
        let is_name =
            !word.is_empty() && !matches!(word, "abs" | "min" | "max") && parse(word).is_err();
        if is_name && !names.contains(&word) {
            names.push(word);
        }
    }
    names
}

/// The number at a path of names with points between them.
fn at(value: &Value, path: &str) -> Option<Decimal> {
    let value = path
        .split('.')
        .try_fold(value, |value, name| value.get(name))?;
    number(value)
}

fn number(value: &Value) -> Option<Decimal> {
    match value {
        Value::String(text) => parse(text).ok(),
        Value::Number(number) => number.as_i64().map(Decimal::from),
        _ => None,
    }
}
