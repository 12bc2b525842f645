//! A formula with the values that it names.
//!
//! Owns: which text of a formula holds, and reading numbers out of an answer.
//! Must not know: which figures there are.

use std::borrow::Cow;

use rust_decimal::Decimal;
use serde_json::Value;

use super::super::explain::{ExplainedFigure, ExplainedInput};
use super::super::figure::Figure;
use crate::guard::formulas::Formula;
use crate::margin::amount::parse;

/// Where a name's value is found.
pub(super) type Values<'v> = &'v dyn Fn(&str) -> Option<Decimal>;

pub(super) fn filled(
    of: &str,
    formula: &Formula,
    value: Values<'_>,
) -> Option<ExplainedFigure<'static>> {
    let texts = formula.texts.iter().map(|text| (*text).to_owned());
    explained_figure(of, formula.figure, texts, value)
}

/// The figure by the first text whose names all have a value; `None` without one, or when the figure
/// itself has none.
pub(super) fn explained_figure(
    of: &str,
    figure: &str,
    texts: impl IntoIterator<Item = String>,
    value: Values<'_>,
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

/// The number at a path of names with points between them; a place of a list stands in brackets.
pub(super) fn at(value: &Value, path: &str) -> Option<Decimal> {
    let value = path.split('.').try_fold(value, |value, name| {
        let Some((list, place)) = name.strip_suffix(']').and_then(|name| name.split_once('['))
        else {
            return value.get(name);
        };
        value.get(list)?.get(place.parse::<usize>().ok()?)
    })?;
    number(value)
}

pub(super) fn number(value: &Value) -> Option<Decimal> {
    match value {
        Value::String(text) => parse(text).ok(),
        Value::Number(number) => number.as_i64().map(Decimal::from),
        _ => None,
    }
}
