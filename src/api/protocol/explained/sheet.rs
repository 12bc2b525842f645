//! The account of a recorded answer, as it is and as it would be, by the names that formulas use.
//!
//! Owns: the positions of an answer by name, and how the figures of one follow.
//! Must not know: formulas of the account, what was asked.

use rust_decimal::Decimal;
use serde_json::Value;

use super::super::explain::ExplainedFigure;
use super::asked;
use super::filled::{at, explained_figure, number};
use crate::guard::formulas;

/// Every figure of the answer that follows from others.
pub(super) fn figures(answer: &Value) -> Vec<ExplainedFigure<'static>> {
    let [before, after] = [When::Before, When::After].map(|when| Sheet::new(answer, when));
    let mut figures = Vec::new();
    for sheet in [&after, &before] {
        for leg in &sheet.legs {
            figures.extend(sheet.of_leg(leg));
        }
    }
    figures.extend(before.of_account());
    figures.extend(after.of_account());
    figures.extend(asked::figures(answer, &after));
    figures.extend(after.of_scenarios());
    figures.extend(after.of_findings());
    figures
}

/// As it is, or as it would be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    Before,
    After,
}

impl When {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::After => "after",
        }
    }
}

/// The account at one of the two times.
pub(super) struct Sheet<'a> {
    pub(super) answer: &'a Value,
    pub(super) when: When,
    /// The pool's figures.
    pub(super) account: &'a Value,
    pub(super) legs: Vec<Leg<'a>>,
    /// The pool is one asset's own: its figures are plain sums.
    pub(super) alone: bool,
    /// Everything that the pool's figures are sums of is told.
    pub(super) whole: bool,
}

/// A position at one of the two times.
pub(super) struct Leg<'a> {
    /// Its name in formulas: the contract, and the leg of a hedge.
    pub(super) name: String,
    pub(super) symbol: &'a str,
    /// `BOTH`, `LONG` or `SHORT`.
    pub(super) side: &'a str,
    pub(super) asset: &'a str,
    /// Its figures at that time.
    state: &'a Value,
    /// Figures of the whole entry, which are those afterwards.
    change: Option<&'a Value>,
    pub(super) crossed: bool,
    short: bool,
}

impl<'a> Leg<'a> {
    fn of(change: &'a Value, when: When) -> Option<Self> {
        let state = &change[when.name()];
        if state.is_null() {
            return None;
        }
        let symbol = change["symbol"].as_str()?;
        let side = change["positionSide"].as_str()?;
        let name = match side {
            "BOTH" => symbol.to_owned(),
            leg => format!("{symbol}_{leg}"),
        };
        Some(Self {
            name,
            symbol,
            side,
            asset: change["marginAsset"].as_str()?,
            crossed: change["marginType"] == "CROSSED",
            short: number(&state["positionAmt"])?.is_sign_negative(),
            state,
            change: (when == When::After).then_some(change),
        })
    }

    /// It is isolated and draws on the pool by itself: it counts as crossed and has a wallet.
    pub(super) fn draws(&self) -> bool {
        let wallet = self.value("isolatedWallet");
        self.crossed && wallet.is_some_and(|wallet| !wallet.is_zero())
    }

    /// A figure of the position at that time.
    pub(super) fn value(&self, path: &str) -> Option<Decimal> {
        at(self.state, path).or_else(|| at(self.change?, path))
    }
}

impl<'a> Sheet<'a> {
    fn new(answer: &'a Value, when: When) -> Self {
        let changes = answer["positions"].as_array();
        let account = &answer["account"][when.name()];
        let asset = |when: When| &answer["account"][when.name()]["asset"];
        // The one pool of multi-assets mode is named so; no margin asset is.
        let alone = account["asset"] != "USD";
        Self {
            answer,
            when,
            account,
            legs: { changes.into_iter().flatten() }
                .filter_map(|change| Leg::of(change, when))
                .collect(),
            alone,
            // A brief answer tells of no positions. A change of the asset mode shows the positions of the pool that it makes, and what assets
            // count for is told of the account afterwards.
            whole: changes.is_some()
                && (when == When::After || alone && asset(When::Before) == asset(When::After)),
        }
    }

    /// A name of the account: one of its own figures, or one that begins with a position, a contract
    /// with orders, or an asset.
    pub(super) fn value(&self, name: &str) -> Option<Decimal> {
        at(self.account, name)
            .or_else(|| self.of_some_leg(name))
            .or_else(|| self.of_some_orders(name))
            .or_else(|| self.of_some_asset(name))
            .or_else(|| at(&self.answer["pool"], name))
    }

    /// A name that begins with a leg's.
    pub(super) fn of_some_leg(&self, name: &str) -> Option<Decimal> {
        self.legs.iter().find_map(|leg| {
            let rest = name.strip_prefix(leg.name.as_str())?.strip_prefix('.')?;
            leg.value(rest)
        })
    }

    fn of_some_orders(&self, name: &str) -> Option<Decimal> {
        self.orders().iter().find_map(|row| {
            let rest = name.strip_prefix(row["symbol"].as_str()?)?;
            at(row, rest.strip_prefix(".openOrders.")?)
        })
    }

    pub(super) fn of_some_asset(&self, name: &str) -> Option<Decimal> {
        self.assets().iter().find_map(|row| {
            let rest = name.strip_prefix(row["asset"].as_str()?)?;
            at(row, rest.strip_prefix('.')?)
        })
    }

    /// What working orders reserve, contract by contract; told of the account afterwards.
    pub(super) fn orders(&self) -> &'a [Value] {
        self.rows("openOrders")
    }

    /// What every asset counts for in multi-assets mode; told of the account afterwards.
    pub(super) fn assets(&self) -> &'a [Value] {
        self.rows("collateral")
    }

    fn rows(&self, name: &str) -> &'a [Value] {
        let rows = self.answer["pool"][name].as_array();
        let rows = rows.filter(|_| self.when == When::After);
        rows.map_or(&[], Vec::as_slice)
    }

    fn of_leg(&self, leg: &Leg<'_>) -> Vec<ExplainedFigure<'static>> {
        let of = match self.when {
            When::Before => format!("position {} before", leg.name),
            When::After => format!("position {}", leg.name),
        };
        // What is liquidatable already ends where it stands.
        let end = match (self.account["liquidatable"] == true, leg.short) {
            (true, _) => "markPrice",
            (false, true) => "liquidationAbove",
            (false, false) => "liquidationBelow",
        };
        let value = |name: &str| leg.value(name);
        let mut figures = Vec::new();
        for formula in formulas::POSITION {
            let isolated_spill = !leg.crossed && formula.figure == "spill";
            let texts = if isolated_spill {
                vec![formulas::ISOLATED_SPILL.to_owned()]
            } else {
                let texts = formula.texts.iter();
                texts.map(|text| text.replace("@end", end)).collect()
            };
            figures.extend(explained_figure(&of, formula.figure, texts, &value));
        }
        for side in ["Below", "Above"] {
            let figure = format!("liquidation{side}");
            if leg.crossed && self.whole {
                figures.extend(self.crossed_end(&of, leg, &figure, side));
            } else if !leg.crossed {
                let text = formulas::ISOLATED_END.replace('@', side);
                figures.extend(explained_figure(&of, &figure, [text], &value));
            }
        }
        figures.extend(headline(&of, leg));
        if leg.crossed && self.whole {
            figures.extend(self.share(&of, leg));
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
        let legs: Vec<&Leg<'_>> = legs.collect();
        let names: Vec<&str> = legs.iter().map(|leg| leg.name.as_str()).collect();
        let text = if self.alone {
            formulas::crossed_end_alone(&names, side)
        } else {
            let moved = leg.value(figure)?.checked_sub(leg.value("markPrice")?)?;
            let owed = self.is_owed_after(leg.asset, |other| {
                (other.symbol == leg.symbol).then_some(())?;
                other.value("positionAmt")?.checked_mul(moved)
            })?;
            formulas::crossed_end_joint(&names, side, leg.asset, formulas::rate_of(owed))
        };
        let value = |name: &str| {
            if name == figure {
                leg.value(name)
            } else {
                self.value(name)
            }
        };
        explained_figure(of, figure, [text], &value)
    }

    /// An asset of multi-assets mode is owed once its positions have gained these amounts; `None` when
    /// it is not told.
    pub(super) fn is_owed_after(
        &self,
        asset: &str,
        gained: impl Fn(&Leg<'_>) -> Option<Decimal>,
    ) -> Option<bool> {
        let mut equity = self.of_some_asset(&format!("{asset}.equity"))?;
        for leg in self.legs.iter().filter(|leg| leg.asset == asset) {
            equity = equity.checked_add(gained(leg).unwrap_or_default())?;
        }
        Some(equity.is_sign_negative())
    }

    fn share(&self, of: &str, leg: &Leg<'_>) -> Option<ExplainedFigure<'static>> {
        let asset = (!self.alone).then_some(leg.asset);
        let text = formulas::maintenance_share(self.when.name(), asset);
        let value = |name: &str| {
            { leg.value(name) }
                .or_else(|| at(self.answer, name))
                .or_else(|| self.of_some_asset(name))
        };
        explained_figure(of, "maintMarginShare", [text], &value)
    }
}

/// The exchange's one price: the end that counts, or 0 where this contract alone cannot liquidate.
fn headline(of: &str, leg: &Leg<'_>) -> Option<ExplainedFigure<'static>> {
    let own = leg.value("liquidationPrice")?;
    let ends = ["liquidationBelow", "liquidationAbove"];
    let text = { ends.into_iter() }
        .find(|end| leg.value(end) == Some(own))
        .or_else(|| own.is_zero().then_some("0"))?;
    let value = |name: &str| leg.value(name);
    explained_figure(of, "liquidationPrice", [text.to_owned()], &value)
}
