//! What keeps an alert from being told.
//!
//! Owns: silences, and which alert makes which other one beside the point.
//! Must not know: messages, channels. Silences never reach the guard: verdicts do not change.

use std::collections::BTreeMap;

use super::matcher::{Matcher, Names};
use super::model::{Alert, Silence};
use crate::guard::alarm::{Rule, Severity};

/// Most silences at once.
pub const SILENCES_MAX: usize = 100;

/// Longest silence, in milliseconds.
pub const SILENCE_MS_MAX: i64 = 24 * 60 * 60_000;

/// Why something cannot be done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There is nothing under this id.
    #[error("there is no alert or silence of this id")]
    Unknown,
    /// The matcher.
    #[error("matcher: {0}")]
    Matcher(String),
    /// The end.
    #[error("the end must lie within the next 24 hours")]
    End,
    /// The reason.
    #[error("a reason is needed")]
    Reason,
    /// Too many.
    #[error("there are {SILENCES_MAX} silences already")]
    TooMany,
}

/// Silences in force.
#[derive(Debug, Clone, Default)]
pub(super) struct Silences {
    by_id: BTreeMap<String, (Silence, Matcher)>,
    /// What a matcher can name; `None` while it is not known.
    names: Option<Names>,
}

impl Silences {
    /// Those that were kept.
    pub(super) fn restored(silences: Vec<Silence>) -> Self {
        let proved = silences.into_iter().filter_map(|silence| {
            let matcher = Matcher::parse(&silence.matcher).ok()?;
            Some((silence.id.clone(), (silence, matcher)))
        });
        Self {
            by_id: proved.collect(),
            names: None,
        }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Silence> {
        self.by_id.values().map(|(silence, _)| silence)
    }

    /// The silence that keeps this alert quiet.
    pub(super) fn of(&self, alert: &Alert) -> Option<&Silence> {
        let mut silences = self.by_id.values();
        let found = silences.find(|(_, matcher)| matcher.matches(alert))?;
        Some(&found.0)
    }

    /// Proves a silence and puts it in force.
    pub(super) fn add(&mut self, silence: &Silence) -> Result<(), Refused> {
        let matcher = Matcher::parse(&silence.matcher).map_err(Refused::Matcher)?;
        if let Some(problem) = self.names.as_ref().and_then(|names| matcher.misses(names)) {
            return Err(Refused::Matcher(problem));
        }
        if silence.reason.trim().is_empty() {
            return Err(Refused::Reason);
        }
        let lasts_ms = silence.until_ms.saturating_sub(silence.since_ms);
        if !(1..=SILENCE_MS_MAX).contains(&lasts_ms) {
            return Err(Refused::End);
        }
        if self.by_id.len() >= SILENCES_MAX {
            return Err(Refused::TooMany);
        }
        let kept = (silence.clone(), matcher);
        self.by_id.insert(silence.id.clone(), kept);
        Ok(())
    }

    pub(super) fn take(&mut self, id: &str) -> Option<Silence> {
        Some(self.by_id.remove(id)?.0)
    }

    /// Takes out those whose time is over; gives their ids.
    pub(super) fn take_over(&mut self, at_ms: i64) -> Vec<String> {
        let is_over = |silence: &Silence| silence.until_ms <= at_ms;
        let over = self.all().filter(|silence| is_over(silence));
        let over: Vec<String> = over.map(|silence| silence.id.clone()).collect();
        for id in &over {
            self.by_id.remove(id);
        }
        over
    }

    pub(super) fn learn_names(&mut self, names: Names) -> Vec<String> {
        let said = self.by_id.values().filter_map(|(silence, matcher)| {
            let problem = matcher.misses(&names)?;
            Some(format!("silence {} matches nothing: {problem}", silence.id))
        });
        let said = said.collect();
        self.names = Some(names);
        said
    }
}

/// What makes another alert beside the point: blindness makes every figure old news, a refused key
/// explains the blindness, and an end that is near covers what is merely worse in the same pool.
pub(super) fn inhibits(source: &Alert, target: &Alert) -> bool {
    let (Some(cause), Some(effect)) = (source.rule(), target.rule()) else {
        return false;
    };
    match cause {
        Rule::KeyRefused if effect == Rule::Stale => true,
        Rule::Stale | Rule::KeyRefused => effect.rests_on_figures(),
        Rule::Distance => {
            let covers = matches!(
                effect,
                Rule::WalletAtRisk | Rule::MarginRatio | Rule::Spill | Rule::HeadroomFalling
            );
            covers
                && source.symbol.is_none()
                && source.severity() == Severity::Critical
                && target.severity() < Severity::Critical
                && source.pool == target.pool
        }
        _ => false,
    }
}
