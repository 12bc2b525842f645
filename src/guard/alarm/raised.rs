//! What is raised, since when, and when it is over.
//!
//! Owns: the state of every alarm: raised at one level, over only beyond another and after a hold
//! time.
//! Must not know: how a value came about, who is told.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::levels::{Setting, Table};
use super::seen::Depth;
use super::{Alarm, Change, Key, Rule, Severity, Text, Transition};
use crate::clock::Now;

/// A worse value is told again when it is worse by this fraction, and this long after the last
/// time, in milliseconds.
const WORSE_PERCENT: i64 = 10;
const WORSE_MS: i64 = 10_000;

/// A value that was looked at. Key and words are made only for what is raised.
pub(super) struct Reading<K, T> {
    pub(super) rule: Rule,
    pub(super) value: Decimal,
    pub(super) key: K,
    pub(super) text: T,
}

/// One raised alarm.
#[derive(Debug, Clone)]
struct Raised {
    severity: Severity,
    since: Now,
    worst: Option<Decimal>,
    told: (Option<Decimal>, Now),
    /// Since when its value keeps it up no more.
    better_since: Option<Now>,
    /// The evaluation that saw it last.
    sweep: u64,
    is_event: bool,
    last_event: Now,
    /// Its value was good for long enough.
    is_over: bool,
}

/// What a further value means for a raised alarm.
enum Next {
    Nothing,
    Tell(Change),
}

/// What a value reaches, and what it keeps up: severity and level.
struct Standing {
    reached: Option<(Severity, Decimal)>,
    kept: Option<(Severity, Decimal)>,
    hold_ms: i64,
}

impl Raised {
    fn new(severity: Severity, value: Option<Decimal>, sweep: u64, now: Now) -> Self {
        Self {
            severity,
            since: now,
            worst: value,
            told: (value, now),
            better_since: None,
            sweep,
            is_event: false,
            last_event: now,
            is_over: false,
        }
    }

    /// Takes a further value.
    fn next(&mut self, rule: Rule, value: Decimal, at: &Standing, now: Now) -> Next {
        let smaller = rule.smaller_is_worse();
        let worst = self.worst.map_or(value, |worst| {
            if smaller {
                worst.min(value)
            } else {
                worst.max(value)
            }
        });
        self.worst = Some(worst);
        let higher = at.reached.filter(|(severity, _)| *severity > self.severity);
        if let Some((severity, _)) = higher {
            self.severity = severity;
            self.better_since = None;
            return Next::Tell(Change::Higher);
        }
        if at.kept.is_some_and(|(kept, _)| kept >= self.severity) {
            self.better_since = None;
            // That a blindness lasts is no news; at its next level it is.
            let is_news = rule != Rule::Stale && self.is_worth_telling(value, smaller, now);
            return if is_news {
                Next::Tell(Change::Worse)
            } else {
                Next::Nothing
            };
        }
        let better_since = *self.better_since.get_or_insert(now);
        if now.since_ms(better_since) < at.hold_ms {
            return Next::Nothing;
        }
        self.better_since = None;
        match at.kept {
            // Told with all that is over, whether it was looked at or not.
            None => {
                self.is_over = true;
                Next::Nothing
            }
            Some((severity, _)) => {
                self.severity = severity;
                Next::Tell(Change::Lower)
            }
        }
    }

    fn is_worth_telling(&self, value: Decimal, smaller: bool, now: Now) -> bool {
        let (Some(told), at) = self.told else {
            return false;
        };
        if now.since_ms(at) < WORSE_MS {
            return false;
        }
        let step = told.abs().checked_mul(Decimal::new(WORSE_PERCENT, 2));
        let Some(step) = step else { return false };
        let edge = if smaller {
            told.checked_sub(step)
        } else {
            told.checked_add(step)
        };
        edge.is_some_and(|edge| if smaller { value < edge } else { value > edge })
    }
}

/// Every raised alarm, and what is to be told since the last time.
#[derive(Debug, Clone)]
pub(super) struct Board {
    pub(super) table: Table,
    raised: BTreeMap<Key, Raised>,
    /// How many are raised, by the rule's place: asked for with every value.
    up: [usize; Rule::ALL.len()],
    sweep: u64,
    told: Vec<Transition>,
}

impl Board {
    pub(super) const fn new(table: Table) -> Self {
        Self {
            table,
            raised: BTreeMap::new(),
            up: [0; Rule::ALL.len()],
            sweep: 0,
            told: Vec::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.raised.len()
    }

    /// An evaluation begins: what it does not see gets better by that.
    pub(super) const fn begin(&mut self) {
        self.sweep = self.sweep.wrapping_add(1);
    }

    /// What is to be told.
    pub(super) fn told(&mut self) -> Vec<Transition> {
        std::mem::take(&mut self.told)
    }

    /// Takes one value at the levels of its rule.
    pub(super) fn take<K: FnOnce() -> Key, T: FnOnce() -> Text>(
        &mut self,
        reading: Reading<K, T>,
        now: Now,
    ) {
        let setting = *self.table.get(reading.rule);
        self.take_at(&setting, reading, now);
    }

    /// Takes one value at these levels.
    pub(super) fn take_at<K: FnOnce() -> Key, T: FnOnce() -> Text>(
        &mut self,
        setting: &Setting,
        reading: Reading<K, T>,
        now: Now,
    ) {
        let Reading {
            rule,
            value,
            key,
            text,
        } = reading;
        let smaller = rule.smaller_is_worse();
        let at = Standing {
            reached: setting.reached(value, smaller),
            kept: setting.kept(value, smaller),
            hold_ms: setting.hold_ms,
        };
        if at.reached.is_none() && !self.holds(rule) {
            return;
        }
        let key = key();
        let sweep = self.sweep;
        let change = match self.raised.get_mut(&key) {
            Some(raised) => {
                raised.sweep = sweep;
                raised.next(rule, value, &at, now)
            }
            None => {
                let Some((severity, _)) = at.reached else {
                    return;
                };
                let raised = Raised::new(severity, Some(value), sweep, now);
                self.raise(key.clone(), raised);
                Next::Tell(Change::New)
            }
        };
        match change {
            Next::Nothing => {}
            Next::Tell(change) => {
                let limit = at.reached.or(at.kept).map(|(_, limit)| limit);
                self.tell(key, change, Some(value), limit, text(), now);
            }
        }
    }

    /// Something of this rule is raised.
    pub(super) fn holds(&self, rule: Rule) -> bool {
        self.up.get(rule.index()).is_some_and(|up| *up > 0)
    }

    fn raise(&mut self, key: Key, raised: Raised) {
        if let Some(up) = self.up.get_mut(key.rule.index()) {
            *up = up.saturating_add(1);
        }
        self.raised.insert(key, raised);
    }

    fn tell(
        &mut self,
        key: Key,
        change: Change,
        value: Option<Decimal>,
        limit: Option<Decimal>,
        text: Text,
        now: Now,
    ) {
        let Some(raised) = self.raised.get_mut(&key) else {
            return;
        };
        raised.told = (value, now);
        self.told.push(Transition::Raised(Box::new(Alarm {
            key,
            severity: raised.severity,
            change,
            since: raised.since,
            value,
            worst: raised.worst,
            limit,
            is_event: raised.is_event,
            text,
        })));
    }

    /// Takes an event. One that concerns nothing that is held is only worth knowing.
    pub(super) fn happened(&mut self, key: Key, text: Text, matters: bool, now: Now) {
        let Some(severity) = self.table.get(key.rule).of_event() else {
            return;
        };
        let severity = if matters { severity } else { Severity::Info };
        let change = match self.raised.get_mut(&key) {
            Some(known) => {
                known.last_event = now;
                let is_higher = severity > known.severity;
                known.severity = known.severity.max(severity);
                if is_higher {
                    Change::Higher
                } else {
                    Change::Worse
                }
            }
            None => {
                let raised = Raised {
                    is_event: true,
                    ..Raised::new(severity, None, self.sweep, now)
                };
                self.raise(key.clone(), raised);
                Change::New
            }
        };
        self.tell(key, change, None, None, text, now);
    }

    /// A value that was getting better is not known to have stayed so.
    pub(super) fn doubt_figures(&mut self) {
        for (key, raised) in &mut self.raised {
            if key.rule.rests_on_figures() {
                raised.better_since = None;
            }
        }
    }

    fn clear(&mut self, key: &Key) {
        if let Some(raised) = self.raised.remove(key) {
            if let Some(up) = self.up.get_mut(key.rule.index()) {
                *up = up.saturating_sub(1);
            }
            self.told.push(Transition::Cleared {
                key: key.clone(),
                since: raised.since,
                worst: raised.worst,
            });
        }
    }

    /// What was looked for and is not there any more gets better by that; events end with time.
    pub(super) fn end(&mut self, depth: Option<Depth>, now: Now) {
        let mut over = Vec::new();
        for (key, raised) in &mut self.raised {
            if raised.is_over {
                over.push(key.clone());
                continue;
            }
            let hold_ms = self.table.get(key.rule).hold_ms;
            let good_since = if raised.is_event {
                raised.last_event
            } else if raised.sweep != self.sweep && was_looked_for(key, depth) {
                *raised.better_since.get_or_insert(now)
            } else {
                continue;
            };
            if now.since_ms(good_since) >= hold_ms {
                over.push(key.clone());
            }
        }
        for key in over {
            self.clear(&key);
        }
    }
}

/// Whether an evaluation of this depth would have seen it.
fn was_looked_for(key: &Key, depth: Option<Depth>) -> bool {
    let Some(depth) = depth else {
        return !key.rule.rests_on_figures();
    };
    let needed = match key.rule {
        Rule::OrderWouldBreak | Rule::Stress => Depth::Orders,
        Rule::Spill | Rule::IsolatedRequired | Rule::FundingCost | Rule::MarkJump => {
            Depth::Positions
        }
        Rule::Distance if key.symbol.is_some() => Depth::Positions,
        _ => Depth::Pools,
    };
    depth >= needed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::guard::alarm::AlarmPolicy;
    use crate::guard::policy::Policy;

    /// Gives one value of a rule to the machine, as an evaluation would.
    fn give(board: &mut Board, rule: Rule, value: Option<&str>, now: Now) -> Vec<Transition> {
        board.begin();
        if let Some(value) = value {
            let reading = Reading {
                rule,
                value: crate::margin::amount::parse(value).unwrap(),
                key: || Key::plain(rule),
                text: Text::default,
            };
            board.take(reading, now);
        }
        board.end(Some(Depth::Orders), now);
        board.told()
    }

    fn board() -> Board {
        Board::new(AlarmPolicy::default().table(&Policy::default()))
    }

    #[test]
    fn a_day_of_noise_around_a_level_is_one_alarm_and_one_end() {
        let clock = Clock::manual(0);
        let mut board = board();
        let mut told = Vec::new();
        // Warning at 0.20, over beyond 0.22; the noise is less than that band, then it is over.
        let mut dice = 7_u64;
        for second in 0..86_400 {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let noise = i64::try_from((dice >> 33) % 36).unwrap();
            let thousandths = if second < 80_000 {
                183 + noise
            } else {
                240 + noise
            };
            let value = format!("0.{thousandths}");
            told.extend(give(&mut board, Rule::Distance, Some(&value), clock.now()));
            clock.advance_ms(1_000);
        }
        assert_eq!(told.len(), 2, "{told:?}");
        let Transition::Cleared { since, worst, .. } = &told[1] else {
            panic!("{told:?}");
        };
        assert!(since.wall_ms < 60_000);
        assert_eq!(worst.unwrap().to_string(), "0.183");
    }

    #[test]
    fn it_rises_at_once_and_falls_only_after_the_hold_time() {
        let clock = Clock::manual(0);
        let mut board = board();
        let mut at = |seconds: i64, value: Option<&str>| {
            clock.advance_ms(seconds * 1_000);
            give(&mut board, Rule::Distance, value, clock.now())
                .iter()
                .map(|told| match told {
                    Transition::Raised(alarm) => format!("{:?} {:?}", alarm.change, alarm.severity),
                    Transition::Cleared { .. } => "over".to_owned(),
                })
                .collect::<Vec<_>>()
        };
        assert_eq!(at(0, Some("0.19")), ["New Warning"]);
        assert_eq!(at(1, Some("0.09")), ["Higher Critical"]);
        // 0.105 keeps the critical level up, whose clear level is 0.11.
        assert_eq!(at(600, Some("0.105")), Vec::<String>::new());
        assert_eq!(at(1, Some("0.15")), Vec::<String>::new());
        assert_eq!(at(59, Some("0.15")), Vec::<String>::new());
        assert_eq!(at(1, Some("0.15")), ["Lower Warning"]);
        assert_eq!(at(1, Some("0.5")), Vec::<String>::new());
        // Back within the band: the time begins anew.
        assert_eq!(at(30, Some("0.21")), Vec::<String>::new());
        assert_eq!(at(31, None), Vec::<String>::new());
        assert_eq!(at(60, None), ["over"]);
    }

    #[test]
    fn an_event_stays_up_for_a_while_after_the_last_one() {
        let clock = Clock::manual(0);
        let mut board = board();
        let mut told = Vec::new();
        let key = Key::plain(Rule::MarginCall);
        board.happened(key.clone(), Text::default(), true, clock.now());
        clock.advance_ms(20 * 60_000);
        board.happened(key, Text::default(), true, clock.now());
        clock.advance_ms(20 * 60_000);
        told.extend(give(&mut board, Rule::Distance, None, clock.now()));
        assert_eq!(told.len(), 2);
        clock.advance_ms(11 * 60_000);
        told.extend(give(&mut board, Rule::Distance, None, clock.now()));
        assert!(matches!(told[2], Transition::Cleared { .. }), "{told:?}");
    }
}
