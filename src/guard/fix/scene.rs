//! One limit at one level, and what is judged by it.
//!
//! Owns: the policy with a single limit, the pool or isolated position in question.
//! Must not know: how a limit is mended.

use std::collections::BTreeMap;

use crate::guard::desk::{Desk, Step};
use crate::guard::look::{Depth, Look, Question, look};
use crate::guard::policy::{Limit, LimitKey, Overrides, Policy};
use crate::guard::rules::When;
use crate::guard::verdict::{Code, Finding, Level};
use crate::margin::account::{Asset, Symbol};
use crate::margin::book::Unknown;

/// The policy with one limit at one level, and nothing else: what it finds and how hard it is
/// strained is about that limit alone.
pub(super) fn only(policy: &Policy, key: Option<LimitKey>, level: Level) -> Policy {
    let at = |limit: Limit| match level {
        Level::Warn => Limit {
            reject: None,
            ..limit
        },
        Level::Reject => Limit {
            warn: None,
            ..limit
        },
    };
    let mut narrow = policy.clone();
    for other in LimitKey::ALL {
        let limit = if Some(other) == key {
            at(policy.limits.get(other))
        } else {
            Limit::OFF
        };
        narrow.limits.set(other, limit);
    }
    for overrides in narrow.of_symbol.values_mut() {
        let kept = overrides.iter().filter(|(other, _)| Some(**other) == key);
        let kept: Overrides = kept.map(|(key, limit)| (*key, at(*limit))).collect();
        *overrides = kept;
    }
    narrow.of_client = BTreeMap::new();
    for scenario in narrow.stress.values_mut() {
        scenario.required = scenario.required.filter(|at| key.is_none() && *at == level);
    }
    narrow
}

/// The hardest finding of each code.
pub(super) fn harm(look: &Look<'_>) -> BTreeMap<Code, Level> {
    let mut harm = BTreeMap::new();
    for finding in &look.findings {
        let level = harm.entry(finding.code).or_insert(finding.level);
        *level = finding.level.max(*level);
    }
    harm
}

/// What is judged: a pool with its crossed positions, or one isolated position beside it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scene<'s> {
    pub asset: &'s Asset,
    pub symbols: &'s [&'s Symbol],
    pub fenced: bool,
}

impl Scene<'_> {
    pub(super) fn look<'a>(
        &self,
        desk: &Desk<'a>,
        steps: &[Step<'_>],
        depth: Depth,
    ) -> Result<Look<'a>, Unknown> {
        let question = Question {
            asset: self.asset,
            steps,
            orders: &[],
            places: &[],
            change: None,
            symbols: self.symbols,
            when: When::Now,
            measured: true,
        };
        look(desk, &question, depth)
    }

    /// What is broken in a look with one limit. Beside an isolated position the pool is not meant.
    pub(super) fn broken<'l>(&self, look: &'l Look<'_>) -> Option<&'l Finding> {
        let of_pool = look
            .after
            .survival
            .distance()
            .map(|distance| distance.get());
        let meant = |finding: &&Finding| !self.fenced || finding.value != of_pool;
        look.findings.iter().find(meant)
    }
}
