//! Where an alarm begins and where it ends.
//!
//! Owns: raise and clear levels of every rule, hold times, the shipped defaults, and what the
//! trader's own limits make of them.
//! Must not know: how a value is computed.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::{Rule, Severity};
use crate::guard::policy::{Limit, LimitKey, Policy};

/// A level: crossed at `raise`, left behind at `clear`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Level {
    /// From here on it is raised.
    pub raise: Decimal,
    /// Beyond here, on the good side, it may end.
    pub clear: Decimal,
}

/// How one rule alarms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Setting {
    /// The level of each severity, in the order of [`Severity::ALL`]; `None` is off.
    pub levels: [Option<Level>; 3],
    /// How long a value has to stay beyond the clear level before the alarm is over; of an event:
    /// how long it stays up after the last one. In milliseconds.
    pub hold_ms: i64,
}

impl Setting {
    /// The most urgent severity whose level this value reaches.
    #[must_use]
    pub fn reached(&self, value: Decimal, smaller_is_worse: bool) -> Option<(Severity, Decimal)> {
        self.most_urgent(|level| {
            let reached = if smaller_is_worse {
                value <= level.raise
            } else {
                value >= level.raise
            };
            reached.then_some(level.raise)
        })
    }

    /// The most urgent severity that this value keeps up: its clear level is not left behind.
    #[must_use]
    pub fn kept(&self, value: Decimal, smaller_is_worse: bool) -> Option<(Severity, Decimal)> {
        self.most_urgent(|level| {
            let kept = if smaller_is_worse {
                value < level.clear || value <= level.raise
            } else {
                value > level.clear || value >= level.raise
            };
            kept.then_some(level.raise)
        })
    }

    fn most_urgent(
        &self,
        holds: impl Fn(&Level) -> Option<Decimal>,
    ) -> Option<(Severity, Decimal)> {
        let pairs = Severity::ALL.into_iter().zip(&self.levels).rev();
        pairs
            .filter_map(|(severity, level)| Some((severity, holds(level.as_ref()?)?)))
            .next()
    }

    /// The least value that raises or keeps up anything, of a rule of which a greater value is worse;
    /// `None` when all levels are off.
    #[must_use]
    pub fn least(&self) -> Option<Decimal> {
        let levels = self.levels.iter().flatten();
        levels.map(|level| level.clear.min(level.raise)).min()
    }

    /// The least value that raises anything; `None` when all levels are off.
    #[must_use]
    pub fn least_raised(&self) -> Option<Decimal> {
        let levels = self.levels.iter().flatten();
        levels.map(|level| level.raise).min()
    }

    /// The severity of an event of this rule; `None` when it is off.
    #[must_use]
    pub fn of_event(&self) -> Option<Severity> {
        let pairs = Severity::ALL.into_iter().zip(&self.levels).rev();
        pairs
            .filter(|(_, level)| level.is_some())
            .map(|(s, _)| s)
            .next()
    }
}

/// What the configuration says of one rule; what it does not say stays as shipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Given {
    /// Raise levels by severity: `Some(None)` switches one off.
    pub raise: [Option<Option<Decimal>>; 3],
    /// How far beyond the raise level the clear level lies, as a fraction of it.
    pub clear_margin: Option<Decimal>,
    /// Hold time in milliseconds.
    pub hold_ms: Option<i64>,
}

/// Everything the configuration says about alarms.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AlarmPolicy {
    /// By rule.
    pub given: BTreeMap<Rule, Given>,
}

/// Shipped: raise levels, clear margin as a fraction, hold time in seconds.
struct Shipped {
    raise: [Option<Decimal>; 3],
    clear_margin: Decimal,
    hold_s: i64,
}

const MINUTE_S: i64 = 60;

/// An event has no value; its levels only say how urgent it is.
const EVENT: Decimal = Decimal::ONE;

fn figures(raise: [Option<Decimal>; 3]) -> Shipped {
    Shipped {
        raise,
        clear_margin: Decimal::new(10, 2),
        hold_s: MINUTE_S,
    }
}

fn of_limit(limit: Limit) -> Shipped {
    figures([None, limit.warn, limit.reject])
}

fn shipped(rule: Rule, policy: &Policy) -> Shipped {
    let hundredths = |value| Decimal::new(value, 2);
    let event = |severity: Severity, minutes: i64| Shipped {
        raise: Severity::ALL.map(|one| (one == severity).then_some(EVENT)),
        clear_margin: Decimal::ZERO,
        hold_s: minutes.saturating_mul(MINUTE_S),
    };
    let seconds = |value: i64| Some(Decimal::from(value));
    match rule {
        Rule::Distance => of_limit(policy.limits.get(LimitKey::LiquidationDistance)),
        Rule::WalletAtRisk => of_limit(policy.limits.get(LimitKey::WalletAtRisk)),
        Rule::MarginRatio => of_limit(policy.limits.get(LimitKey::MarginRatio)),
        Rule::Spill => of_limit(policy.limits.get(LimitKey::Spill)),
        // The part of a rejecting limit that is used up; of a scenario, the margin ratio in it.
        Rule::OrderWouldBreak => figures([None, Some(Decimal::ONE), None]),
        Rule::Stress => figures([None, Some(Decimal::ONE), Some(Decimal::ONE)]),
        Rule::HeadroomFalling => Shipped {
            raise: [None, Some(hundredths(5)), Some(hundredths(20))],
            clear_margin: hundredths(50),
            hold_s: MINUTE_S,
        },
        Rule::FundingCost => figures([None, Some(Decimal::new(5, 3)), Some(hundredths(2))]),
        Rule::MarkJump => Shipped {
            raise: [None, Some(hundredths(5)), Some(hundredths(10))],
            clear_margin: hundredths(50),
            hold_s: MINUTE_S,
        },
        Rule::Stale => Shipped {
            raise: [None, seconds(5), seconds(60)],
            clear_margin: Decimal::ONE,
            hold_s: 2,
        },
        Rule::IsolatedRequired | Rule::FiguresUnknown => Shipped {
            hold_s: 5,
            ..event(Severity::Warning, 0)
        },
        Rule::KeyRefused => Shipped {
            hold_s: 5,
            ..event(Severity::Critical, 0)
        },
        // It can trade; it can move money away.
        Rule::KeyPrivileged => Shipped {
            raise: [None, Some(Decimal::ONE), Some(Decimal::TWO)],
            clear_margin: Decimal::ZERO,
            hold_s: 5,
        },
        Rule::Liquidation | Rule::MarginCall | Rule::ProtectionLost => {
            event(Severity::Critical, 30)
        }
        Rule::ForcedTrade
        | Rule::UnguardedOrder
        | Rule::SettingsChanged
        | Rule::RequirementRose
        | Rule::CollateralCut
        | Rule::Drift
        | Rule::AccountEmpty => event(Severity::Warning, 10),
        // For how long nobody watched.
        Rule::Restarted => Shipped {
            raise: [Some(Decimal::ZERO), seconds(5 * MINUTE_S), None],
            clear_margin: Decimal::ZERO,
            hold_s: 10 * MINUTE_S,
        },
    }
}

impl AlarmPolicy {
    /// The setting of every rule under this policy.
    #[must_use]
    pub fn table(&self, policy: &Policy) -> Table {
        Table(Rule::ALL.map(|rule| self.setting(rule, policy)))
    }

    /// The setting of one rule under this policy.
    #[must_use]
    pub fn setting(&self, rule: Rule, policy: &Policy) -> Setting {
        self.over(rule, &shipped(rule, policy))
    }

    /// The setting of a rule whose shipped levels are those of this limit.
    #[must_use]
    pub fn at_limit(&self, rule: Rule, limit: Limit) -> Setting {
        self.over(rule, &of_limit(limit))
    }

    fn over(&self, rule: Rule, shipped: &Shipped) -> Setting {
        let given = self.given.get(&rule).copied().unwrap_or_default();
        let margin = given.clear_margin.unwrap_or(shipped.clear_margin);
        let mut levels = [None; 3];
        for ((level, given), shipped) in levels.iter_mut().zip(given.raise).zip(shipped.raise) {
            let raise = given.unwrap_or(shipped);
            *level = raise.and_then(|raise| level_of(raise, margin, rule.smaller_is_worse()));
        }
        let shipped_ms = shipped.hold_s.saturating_mul(1_000);
        Setting {
            levels,
            hold_ms: given.hold_ms.unwrap_or(shipped_ms),
        }
    }
}

/// The clear level lies on the good side of the raise level.
fn level_of(raise: Decimal, margin: Decimal, smaller_is_worse: bool) -> Option<Level> {
    let band = raise.checked_mul(margin)?;
    let clear = if smaller_is_worse {
        raise.checked_add(band)?
    } else {
        raise.checked_sub(band)?
    };
    Some(Level { raise, clear })
}

/// A setting for every rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table([Setting; Rule::ALL.len()]);

impl Table {
    /// The setting of a rule.
    #[must_use]
    pub const fn get(&self, rule: Rule) -> &Setting {
        &self.0[rule.index()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dec(text: &str) -> Decimal {
        crate::margin::amount::parse(text).unwrap()
    }

    #[test]
    fn the_traders_limits_are_the_levels_unless_others_are_given() {
        let policy = Policy::default();
        let shipped = AlarmPolicy::default().table(&policy);
        let distance = shipped.get(Rule::Distance);
        assert_eq!(distance.levels[1].unwrap().raise, dec("0.2"));
        assert_eq!(distance.levels[2].unwrap().raise, dec("0.1"));
        assert_eq!(distance.levels[2].unwrap().clear, dec("0.11"));
        let mut given = AlarmPolicy::default();
        given.given.insert(
            Rule::Distance,
            Given {
                raise: [None, Some(None), Some(Some(dec("0.05")))],
                clear_margin: Some(dec("0.2")),
                hold_ms: Some(1),
            },
        );
        let own = given.table(&policy);
        let distance = own.get(Rule::Distance);
        assert_eq!(distance.levels[1], None);
        assert_eq!(distance.levels[2].unwrap().clear, dec("0.06"));
        assert_eq!(distance.hold_ms, 1);
    }

    #[test]
    fn between_raise_and_clear_nothing_changes() {
        let policy = Policy::default();
        let table = AlarmPolicy::default().table(&policy);
        let ratio = table.get(Rule::MarginRatio);
        assert_eq!(ratio.reached(dec("0.29"), false), None);
        assert_eq!(ratio.kept(dec("0.29"), false).unwrap().0, Severity::Warning);
        assert_eq!(ratio.kept(dec("0.27"), false), None);
        let (severity, limit) = ratio.reached(dec("0.7"), false).unwrap();
        assert_eq!((severity, limit), (Severity::Critical, dec("0.5")));
    }
}
