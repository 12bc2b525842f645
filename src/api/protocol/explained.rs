//! `/v1/decisions/{id}/explain`: a recorded decision with its arithmetic, and what waiting could
//! change.
//!
//! Owns: the explanation beside a recorded answer, and which findings waiting could change.
//! Must not know: formulas, limits, where decisions are kept.

mod asked;
mod filled;
mod findings;
mod joint;
mod pool;
mod sheet;
mod stress;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::explain::ExplainedFigure;
use super::recorded;
use crate::guard::verdict::Code;
use crate::guard::words;

/// What stands beside the fields of the recorded answer.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Explanation<'a> {
    /// What was answered is brief.
    #[serde(skip_serializing)]
    pub brief: bool,
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

/// The recorded answer, its bytes kept, with what was written down beside it and the explanation as
/// more fields. `None` when it is not an object of JSON.
#[must_use]
pub fn explained(document: &[u8]) -> Option<Vec<u8>> {
    let (answer, reasons) = recorded::parts(document);
    let mut whole: Value = serde_json::from_slice(answer).ok()?;
    let mut bytes = answer.trim_ascii().strip_suffix(b"}")?.to_vec();
    let mut add = |object: &[u8]| {
        bytes.push(b',');
        bytes.extend_from_slice(object.strip_prefix(b"{")?.strip_suffix(b"}")?);
        Some(())
    };
    if let Some(reasons) = reasons {
        let told: Map<String, Value> = serde_json::from_slice(reasons).ok()?;
        whole.as_object_mut()?.extend(told);
        add(reasons)?;
    }
    add(&serde_json::to_vec(&Explanation::of(&whole)).ok()?)?;
    bytes.push(b'}');
    Some(bytes)
}

impl Explanation<'static> {
    /// Explains a recorded answer; a brief one has the figures of its reasons.
    #[must_use]
    pub fn of(answer: &Value) -> Self {
        Self {
            brief: answer["brief"] == true,
            arithmetic: sheet::figures(answer),
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
