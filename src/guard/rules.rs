//! The rules, one function each.
//!
//! Owns: what each rule judges and the sentence it says; how a value is compared with the limits
//! that hold for it, and how hard it strains them.
//! Must not know: in which order they are shown (the parent orders them), whether the intent is an
//! exit (the parent softens findings then).

mod account;
mod exchange;
mod order;

use std::cell::Cell;

use rust_decimal::Decimal;

use super::policy::{Limit, LimitKey, Policy};
use super::verdict::{Code, Finding, Ladder, Level};
use crate::margin::account::Symbol;
use crate::margin::amount::quotient;

pub(super) use account::{AFTER_RULES, AccountCase, Touched, When, stress, worst_case};
pub(super) use exchange::lot_of;
pub(super) use order::{ORDER_RULES, OrderCase, stop_too_late};

/// How hard the worst value strains the limits: 1 is the limit itself, beyond it is broken. Zero
/// when nothing is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Strain {
    pub warn: Decimal,
    pub reject: Decimal,
}

/// What a rule that knows no degrees strains: it is simply broken.
const BROKEN: Decimal = Decimal::ONE_THOUSAND;

impl Strain {
    /// The harder of both, level by level.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            warn: self.warn.max(other.warn),
            reject: self.reject.max(other.reject),
        }
    }

    /// Of the limit that a decision of this level comes from.
    pub(super) const fn of(self, level: Level) -> Decimal {
        match level {
            Level::Warn => self.warn,
            Level::Reject => self.reject,
        }
    }
}

/// The limits that hold for a question, and how hard it has strained them so far.
pub(super) struct Limits<'a> {
    pub policy: &'a Policy,
    pub client: Option<&'a str>,
    /// The contracts it touches: the strictest of their limits holds.
    pub symbols: &'a [&'a Symbol],
    /// `None` while nobody asks how hard: a verdict needs no degrees, a search lives by them.
    strain: Option<Cell<Strain>>,
}

/// A limit that a value breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Broken {
    pub level: Level,
    pub limit: Decimal,
}

impl<'a> Limits<'a> {
    pub(super) fn new(
        policy: &'a Policy,
        client: Option<&'a str>,
        symbols: &'a [&'a Symbol],
    ) -> Self {
        Self {
            policy,
            client,
            symbols,
            strain: None,
        }
    }

    /// The same, noting how hard each value strains them if that is wanted.
    pub(super) fn measured(self, wanted: bool) -> Self {
        Self {
            strain: wanted.then(Cell::default),
            ..self
        }
    }

    /// Somebody asks how hard.
    pub(super) const fn is_measured(&self) -> bool {
        self.strain.is_some()
    }

    /// How hard they are strained so far; nothing where nobody asks.
    pub(super) fn strain(&self) -> Strain {
        self.strain.as_ref().map(Cell::get).unwrap_or_default()
    }

    /// Compares a value with the limits of a key and notes how hard it strains them.
    pub(super) fn judge(&self, key: LimitKey, value: Decimal) -> Option<Broken> {
        if self.symbols.is_empty() {
            return self.judge_by(key, self.policy.limit_for(key, None, self.client), value);
        }
        let of_symbol = |symbol: &&Symbol| {
            self.judge_by(
                key,
                self.policy.limit_for(key, Some(symbol), self.client),
                value,
            )
        };
        let mut worst: Option<Broken> = None;
        for broken in self.symbols.iter().filter_map(of_symbol) {
            if worst.is_none_or(|worst| broken.level > worst.level) {
                worst = Some(broken);
            }
        }
        worst
    }

    fn judge_by(&self, key: LimitKey, limit: Limit, value: Decimal) -> Option<Broken> {
        let strain = |threshold: Option<Decimal>| {
            threshold.map_or(Decimal::ZERO, |threshold| strain_on(key, value, threshold))
        };
        self.strained(|| Strain {
            warn: strain(limit.warn),
            reject: strain(limit.reject),
        });
        let breaks = |threshold: &Decimal| {
            if key.smaller_is_worse() {
                value < *threshold
            } else {
                value > *threshold
            }
        };
        let broken = |level, limit| Broken { level, limit };
        let reject = limit.reject.filter(breaks);
        let warn = limit.warn.filter(breaks);
        reject
            .map(|limit| broken(Level::Reject, limit))
            .or_else(|| warn.map(|limit| broken(Level::Warn, limit)))
    }

    /// Notes a value against a bound of the exchange, beyond which a decision of this level comes.
    pub(super) fn strained_by(&self, level: Level, value: Decimal, bound: Decimal) {
        if !self.is_measured() {
            return;
        }
        let strain = if bound > Decimal::ZERO {
            quotient(value, bound).unwrap_or(BROKEN)
        } else if value > Decimal::ZERO {
            BROKEN
        } else {
            Decimal::ZERO
        };
        self.strained_at(level, strain);
    }

    /// Notes a rule that is broken and knows no degrees.
    pub(super) fn broken(&self, level: Level) {
        self.strained(|| Strain {
            warn: BROKEN,
            reject: match level {
                Level::Warn => Decimal::ZERO,
                Level::Reject => BROKEN,
            },
        });
    }

    /// Notes findings that nothing explains which is strained so far.
    pub(super) fn note_undegreed(&self, findings: &[Finding]) {
        for finding in findings.iter().filter(|finding| finding.value.is_none()) {
            if self.strain().reject <= Decimal::ONE {
                self.broken(finding.level);
            }
        }
    }

    /// Notes a value against 1 for a decision of this level.
    pub(super) fn strained_at(&self, level: Level, value: Decimal) {
        self.strained(|| Strain {
            warn: value,
            reject: match level {
                Level::Warn => Decimal::ZERO,
                Level::Reject => value,
            },
        });
    }

    /// Notes what a part of the question strains.
    pub(super) fn take_strain(&self, strain: Strain) {
        self.strained(|| strain);
    }

    fn strained(&self, by: impl FnOnce() -> Strain) {
        if let Some(strain) = &self.strain {
            strain.set(strain.get().and(by()));
        }
    }

    /// A finding about a value beyond its limit.
    pub(super) fn finding(
        &self,
        code: Code,
        broken: Broken,
        value: Decimal,
        message: String,
    ) -> Finding {
        Finding {
            code,
            level: broken.level,
            symbol: self.symbols.first().map(|symbol| (*symbol).clone()),
            value: Some(value),
            limit: Some(broken.limit),
            message,
        }
    }
}

fn strain_on(key: LimitKey, value: Decimal, threshold: Decimal) -> Decimal {
    let (over, under) = if key.smaller_is_worse() {
        (threshold, value)
    } else {
        (value, threshold)
    };
    if under > Decimal::ZERO {
        quotient(over, under).map_or(BROKEN, |strain| strain.min(BROKEN))
    } else {
        BROKEN
    }
}

/// The guard's own state against an intent that is not an exit.
pub(super) fn ladder(state: Ladder, reason: &str, symbol: Option<&Symbol>) -> Option<Finding> {
    let because = if reason.is_empty() {
        String::new()
    } else {
        format!(" ({reason})")
    };
    let (code, message) = match state {
        Ladder::Normal | Ladder::Caution => return None,
        Ladder::ReduceOnly => (
            Code::ReduceOnlyState,
            format!("The guard lets positions only be reduced{because}; exits still pass."),
        ),
        Ladder::Locked => (
            Code::Locked,
            format!("The guard is locked{because}; exits still pass."),
        ),
    };
    Some(plain(code, symbol, message))
}

/// A finding without figures that rejects.
pub(super) fn plain(code: Code, symbol: Option<&Symbol>, message: String) -> Finding {
    Finding {
        code,
        level: Level::Reject,
        symbol: symbol.cloned(),
        value: None,
        limit: None,
        message,
    }
}
