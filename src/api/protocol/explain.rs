//! `/v1/account/explain`: every figure with its formula and the inputs it came from.
//!
//! Owns: the shape of that answer.
//! Must not know: how any figure is computed.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::figure::Figure;
use super::inputs::MissingEntry;
use crate::margin::explain::{Explained, Sheet};

/// `GET /v1/account/explain`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ExplainAnswer<'a> {
    /// Positions first, then the pools that add them up.
    pub figures: Vec<ExplainedFigure<'a>>,
    /// What could not be explained because it is not known.
    pub missing: Vec<MissingEntry<'a>>,
}

/// One figure. Values are given with all their digits, not cut as elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ExplainedFigure<'a> {
    /// What it is a figure of.
    pub of: Cow<'a, str>,
    /// Its name.
    pub figure: Cow<'a, str>,
    /// Its value.
    pub value: Figure,
    /// How it follows from the inputs: `+ - * /`, parentheses, `abs`, `min`, `max`.
    pub formula: Cow<'a, str>,
    /// The inputs.
    pub inputs: Vec<ExplainedInput<'a>>,
}

/// A number that goes into a formula.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ExplainedInput<'a> {
    /// Its name in the formula.
    pub name: Cow<'a, str>,
    /// Its value.
    pub value: Figure,
}

impl<'a> From<&'a Sheet> for ExplainAnswer<'a> {
    fn from(sheet: &'a Sheet) -> Self {
        let missing = sheet.unknown.iter().map(|(path, unknown)| MissingEntry {
            path: Cow::Borrowed(path),
            plane: None,
            reason: Cow::Owned(unknown.to_string()),
        });
        Self {
            figures: sheet.figures.iter().map(ExplainedFigure::from).collect(),
            missing: missing.collect(),
        }
    }
}

impl<'a> From<&'a Explained> for ExplainedFigure<'a> {
    fn from(explained: &'a Explained) -> Self {
        let inputs = explained.inputs.iter().map(|input| ExplainedInput {
            name: Cow::Borrowed(&input.name),
            value: Figure::exact(input.value),
        });
        Self {
            of: Cow::Borrowed(&explained.of),
            figure: Cow::Borrowed(explained.figure),
            value: Figure::exact(explained.value),
            formula: Cow::Borrowed(&explained.formula),
            inputs: inputs.collect(),
        }
    }
}
