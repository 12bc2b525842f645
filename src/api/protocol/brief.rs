//! The brief answer of `/v1/check`, and what is written down beside it.
//!
//! Owns: their shapes and their making from the spine's answer.
//! Must not know: how any figure is computed, where records are kept.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::answer::{Finding, OrderEcho, Told, echoes};
use super::inputs::Planes;
use super::pool::PoolFigures;
use super::ways::{self, Stress, WorstCase};
use crate::daemon::report;
use crate::guard::verdict::{Code, Decision};

/// The short answer: what a program needs to decide.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BriefAnswer<'a> {
    /// `allow`, `warn` or `reject`.
    pub decision: Cow<'a, str>,
    /// The one sentence.
    pub why: Cow<'a, str>,
    /// Every rule that spoke, in precedence.
    pub findings: Vec<Finding<'a>>,
    /// Under which it is recorded.
    pub decision_id: Cow<'a, str>,
    /// The decision is written down (of a dry run: handed over to be).
    pub recorded: bool,
    /// The guard's own state.
    pub state: Cow<'a, str>,
    /// The freshness of every plane.
    pub inputs: BriefInputs<'a>,
}

/// The part of `inputs` that a brief answer carries.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct BriefInputs<'a> {
    /// Freshness of every plane.
    pub planes: Planes<'a>,
}

/// What is written down beside a brief answer, for whoever asks for its reasons later: the names are
/// those of a full answer.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BriefReasons<'a> {
    /// What was answered is brief: always true.
    pub brief: bool,
    /// Version of the daemon that made it.
    pub version: Cow<'a, str>,
    /// Fingerprint of the policy it was made under.
    pub policy: Cow<'a, str>,
    /// `exact`, `estimate` or `unknown`.
    pub certainty: Cow<'a, str>,
    /// When, in milliseconds since 1970.
    pub time: i64,
    /// Who asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<Cow<'a, str>>,
    /// No room was promised.
    pub dry_run: bool,
    /// The order as it was understood; left out for a batch or a change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<OrderEcho<'a>>,
    /// The orders of a batch as they were understood; left out when there is none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub orders: Vec<OrderEcho<'a>>,
    /// The change as it was understood; left out for orders.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change: Option<Value>,
    /// The pool if every working order fills on its bad side; only where that was found wanting.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worst_case: Option<WorstCase<'a>>,
    /// The scenarios that were computed; left out when there is none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stress: Vec<Stress<'a>>,
}

impl<'a> BriefAnswer<'a> {
    /// The brief answer to a question.
    #[must_use]
    pub fn of(answer: &'a report::Answer, recorded: bool) -> Self {
        let judgement = &answer.judgement;
        Self {
            decision: Cow::Borrowed(judgement.decision.name()),
            why: Cow::Borrowed(&judgement.why),
            findings: judgement.findings.iter().map(Finding::from).collect(),
            decision_id: Cow::Borrowed(&answer.decision_id),
            recorded,
            state: Cow::Borrowed(judgement.ladder.name()),
            inputs: BriefInputs {
                planes: Planes::of(&answer.planes),
            },
        }
    }
}

impl<'a> BriefReasons<'a> {
    /// What the answer to a question rests on, as far as a brief answer asks for it. Of a dry run that
    /// is allowed nothing was to be sent and nothing found: what was asked is not kept.
    #[must_use]
    pub fn of(answer: &'a report::Answer, told: Told<'a>) -> Self {
        let judgement = &answer.judgement;
        let reasons = Self {
            brief: true,
            version: Cow::Borrowed(env!("CARGO_PKG_VERSION")),
            policy: Cow::Borrowed(&answer.policy_fingerprint),
            certainty: Cow::Borrowed(judgement.certainty.name()),
            time: answer.time_ms,
            client: told.client.map(Cow::Borrowed),
            dry_run: told.dry_run,
            ..Self::default()
        };
        if !Self::keeps_figures(answer, told) {
            return reasons;
        }
        let (order, orders) = echoes(told.proposal, judgement);
        let mut findings = judgement.findings.iter();
        let is_worst_case = findings.any(|finding| finding.code == Code::WorstCase);
        let worst = judgement.worst_case.as_ref().filter(|_| is_worst_case);
        Self {
            order,
            orders,
            change: told.proposal.change().map(ways::change),
            worst_case: worst.map(|worst| WorstCase::of(worst, None)),
            stress: judgement.stress.iter().map(Stress::from).collect(),
            ..reasons
        }
    }

    /// The account afterwards, where it is kept.
    #[must_use]
    pub fn after(answer: &'a report::Answer, told: Told<'a>) -> Option<PoolFigures<'a>> {
        let kept = Self::keeps_figures(answer, told);
        let after = answer.judgement.after.as_deref().filter(|_| kept);
        after.map(PoolFigures::from)
    }

    fn keeps_figures(answer: &report::Answer, told: Told<'_>) -> bool {
        !told.dry_run || answer.judgement.decision != Decision::Allow
    }
}
