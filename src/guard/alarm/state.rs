//! What is raised, since when, and when it is over.
//!
//! Owns: the state of every alarm: raised at one level, over only beyond another and after a hold
//! time; the samples behind speeds; settings as they were last seen.
//! Must not know: who is told, how figures are computed.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::levels::{AlarmPolicy, Setting, Table};
use super::seen::{Depth, Seen, observe};
use super::trend::Trend;
use super::{Alarm, Change, Key, Rule, Severity, Text, Transition, words};
use crate::clock::Now;
use crate::guard::policy::{LimitKey, Policy};
use crate::margin::account::{Asset, AssetMode, MarginMode, PositionMode, Settings, Symbol};
use crate::margin::amount::quotient;
use crate::mirror::Mirror;
use crate::mirror::view::{Needs, NotReady};

/// Positions and orders are looked at this often, in milliseconds.
const POSITIONS_MS: i64 = 1_000;
const ORDERS_MS: i64 = 5_000;

/// A worse value is told again when it is worse by this fraction, and this long after the last
/// time, in milliseconds.
const WORSE_PERCENT: i64 = 10;
const WORSE_MS: i64 = 10_000;

/// Before the account was seen for the first time, being blind is a start and no alarm for so long.
const START_MS: i64 = 30_000;

/// A funding is told of when it is nearer than this, in milliseconds.
const FUNDING_NEAR_MS: i64 = 30 * 60_000;

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
}

/// Settings as they were last seen.
#[derive(Debug, Clone, Default)]
struct Known {
    modes: Option<(PositionMode, AssetMode)>,
    settings: BTreeMap<Symbol, Settings>,
}

/// Every alarm's state.
#[derive(Debug, Clone)]
pub struct Alarms {
    given: AlarmPolicy,
    table: Table,
    raised: BTreeMap<Key, Raised>,
    sweep: u64,
    headroom: BTreeMap<Asset, Trend>,
    marks: BTreeMap<Symbol, Trend>,
    known: Known,
    blind_since: Option<Now>,
    was_live: bool,
    account_changed: bool,
    positions_seen: Option<Now>,
    orders_seen: Option<Now>,
}

/// A value that was looked at.
struct Reading<K, T> {
    rule: Rule,
    value: Decimal,
    key: K,
    text: T,
}

impl Alarms {
    /// Nothing raised.
    #[must_use]
    pub fn new(given: AlarmPolicy, policy: &Policy) -> Self {
        let table = given.table(policy);
        Self {
            given,
            table,
            raised: BTreeMap::new(),
            sweep: 0,
            headroom: BTreeMap::new(),
            marks: BTreeMap::new(),
            known: Known::default(),
            blind_since: None,
            was_live: false,
            account_changed: true,
            positions_seen: None,
            orders_seen: None,
        }
    }

    /// Other levels count from now on.
    pub fn set_levels(&mut self, given: AlarmPolicy, policy: &Policy) {
        self.table = given.table(policy);
        self.given = given;
        self.account_changed = true;
    }

    /// The trader's limits changed: levels that follow them do too.
    pub fn set_policy(&mut self, policy: &Policy) {
        self.table = self.given.table(policy);
        self.account_changed = true;
    }

    /// Balances, positions, orders or settings changed: everything is looked at next time.
    pub const fn note_change(&mut self) {
        self.account_changed = true;
    }

    /// How many alarms are raised.
    #[must_use]
    pub fn len(&self) -> usize {
        self.raised.len()
    }

    /// True when none is raised.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.raised.is_empty()
    }

    /// Looks at the account, as deep as it is due, and says what changed.
    pub fn evaluate(&mut self, mirror: &Mirror, policy: &Policy, now: Now) -> Vec<Transition> {
        match mirror.view(now, Needs { symbol: None }) {
            Ok(view) => {
                let depth = self.depth(now);
                let seen = observe(&view, policy, depth);
                self.judge(&seen, mirror, policy, now)
            }
            Err(not_ready) => self.judge_blind(&not_ready, mirror, now),
        }
    }

    /// How deep the next look has to be.
    fn depth(&mut self, now: Now) -> Depth {
        let due = |seen: Option<Now>, every_ms: i64| {
            seen.is_none_or(|seen| now.since_ms(seen) >= every_ms)
        };
        let changed = std::mem::take(&mut self.account_changed);
        if changed || due(self.orders_seen, ORDERS_MS) {
            self.orders_seen = Some(now);
            self.positions_seen = Some(now);
            Depth::Orders
        } else if due(self.positions_seen, POSITIONS_MS) {
            self.positions_seen = Some(now);
            Depth::Positions
        } else {
            Depth::Pools
        }
    }

    /// Judges an assessed account.
    pub fn judge(
        &mut self,
        seen: &Seen<'_>,
        mirror: &Mirror,
        policy: &Policy,
        now: Now,
    ) -> Vec<Transition> {
        let mut told = Vec::new();
        self.sweep = self.sweep.wrapping_add(1);
        self.blind_since = None;
        self.judge_pools(seen, mirror, now, &mut told);
        if seen.depth >= Depth::Positions {
            self.judge_positions(seen, policy, now, &mut told);
            self.compare_settings(mirror, now, &mut told);
        }
        if seen.depth >= Depth::Orders {
            self.judge_orders(seen, now, &mut told);
        }
        self.was_live = true;
        self.end(Some(seen.depth), now, &mut told);
        told
    }

    /// What can be said while the account is not seen: only how long, and why.
    pub fn judge_blind(
        &mut self,
        not_ready: &NotReady,
        mirror: &Mirror,
        now: Now,
    ) -> Vec<Transition> {
        let mut told = Vec::new();
        self.sweep = self.sweep.wrapping_add(1);
        let since = *self.blind_since.get_or_insert(now);
        let blind_ms = now.since_ms(since);
        if let Some(refusal) = mirror.key_refusal() {
            let reading = Reading {
                rule: Rule::KeyRefused,
                value: Decimal::ONE,
                key: || Key::plain(Rule::KeyRefused),
                text: || words::key_refused(refusal),
            };
            self.take(reading, now, &mut told);
        }
        if self.was_live || blind_ms >= START_MS {
            let reading = Reading {
                rule: Rule::Stale,
                value: seconds(blind_ms),
                key: || Key::plain(Rule::Stale),
                text: || words::stale(not_ready, mirror.is_exposed()),
            };
            self.take(reading, now, &mut told);
        }
        // A value that was getting better is not known to have stayed so.
        for (key, raised) in &mut self.raised {
            if key.rule.rests_on_figures() {
                raised.better_since = None;
            }
        }
        self.end(None, now, &mut told);
        told
    }

    fn judge_pools(
        &mut self,
        seen: &Seen<'_>,
        mirror: &Mirror,
        now: Now,
        told: &mut Vec<Transition>,
    ) {
        for pool in &seen.pools {
            let asset = pool.asset;
            let figures = match &pool.figures {
                Ok(figures) => figures,
                Err(unknown) => {
                    let reading = Reading {
                        rule: Rule::FiguresUnknown,
                        value: Decimal::ONE,
                        key: || Key::of_pool(Rule::FiguresUnknown, asset),
                        text: || words::figures_unknown(asset, unknown),
                    };
                    self.take(reading, now, told);
                    continue;
                }
            };
            let of_pool = |rule| move || Key::of_pool(rule, asset);
            if let Some(distance) = figures.survival.distance() {
                let reading = Reading {
                    rule: Rule::Distance,
                    value: distance.get(),
                    key: of_pool(Rule::Distance),
                    text: || words::distance(figures, mirror),
                };
                self.take(reading, now, told);
            }
            if let Some(risk) = &figures.wallet_at_risk {
                let reading = Reading {
                    rule: Rule::WalletAtRisk,
                    value: risk.fraction.get(),
                    key: of_pool(Rule::WalletAtRisk),
                    text: || words::wallet_at_risk(figures, mirror),
                };
                self.take(reading, now, told);
            }
            // Beyond words when there is no balance left.
            let ratio = figures.margin_ratio.map_or(Decimal::ONE, |rate| rate.get());
            let reading = Reading {
                rule: Rule::MarginRatio,
                value: ratio,
                key: of_pool(Rule::MarginRatio),
                text: || words::margin_ratio(figures, mirror),
            };
            self.take(reading, now, told);
            self.judge_headroom(asset, figures, mirror, now, told);
        }
        let held = |asset: &Asset| seen.pools.iter().any(|pool| pool.asset == asset);
        self.headroom.retain(|asset, _| held(asset));
    }

    fn judge_headroom(
        &mut self,
        asset: &Asset,
        figures: &crate::margin::pool::PoolAssessment,
        mirror: &Mirror,
        now: Now,
        told: &mut Vec<Transition>,
    ) {
        let headroom = figures.headroom.get();
        let trend = self.headroom.entry(asset.clone()).or_default();
        let fall = trend.steady_fall(headroom, now);
        trend.take(headroom, now);
        let Some(fall) = fall else { return };
        let per_minute = quotient(fall, headroom)
            .ok()
            .filter(|rate| *rate > Decimal::ZERO);
        let Some(per_minute) = per_minute else { return };
        let reading = Reading {
            rule: Rule::HeadroomFalling,
            value: per_minute,
            key: || Key::of_pool(Rule::HeadroomFalling, asset),
            text: || words::headroom_falling(figures, fall, per_minute, mirror),
        };
        self.take(reading, now, told);
    }

    fn judge_positions(
        &mut self,
        seen: &Seen<'_>,
        policy: &Policy,
        now: Now,
        told: &mut Vec<Transition>,
    ) {
        for position in &seen.positions {
            let figures = &position.figures;
            let of = |rule| {
                move || {
                    Key::of_symbol(rule, position.pool, position.symbol)
                        .with_part(words::leg(figures.position_side))
                }
            };
            let pool = seen.pool(position.pool);
            if figures.margin_mode == MarginMode::Isolated {
                if let Ok(Some(distance)) = figures.distance() {
                    let reading = Reading {
                        rule: Rule::Distance,
                        value: distance.get(),
                        key: of(Rule::Distance),
                        text: || words::isolated_distance(position, distance),
                    };
                    self.take(reading, now, told);
                }
            } else if let Some(pool) = pool
                && figures.spill.is_positive()
                && pool.margin_balance.is_positive()
                && let Ok(fraction) = figures.spill.over(pool.margin_balance)
            {
                let reading = Reading {
                    rule: Rule::Spill,
                    value: fraction.get(),
                    key: of(Rule::Spill),
                    text: || words::spill(position, fraction),
                };
                let own = own_spill(policy, position.symbol, self.table.get(Rule::Spill));
                self.take_at(&own, reading, now, told);
            }
            self.judge_funding(position, pool, now, told);
            self.judge_jump(position, now, told);
        }
        for (symbol, pool) in &seen.crossed {
            let reading = Reading {
                rule: Rule::IsolatedRequired,
                value: Decimal::ONE,
                key: || Key::of_symbol(Rule::IsolatedRequired, *pool, symbol),
                text: || words::isolated_required(symbol),
            };
            self.take(reading, now, told);
        }
        let held = |symbol: &Symbol| seen.positions.iter().any(|one| one.symbol == symbol);
        self.marks.retain(|symbol, _| held(symbol));
    }

    fn judge_funding(
        &mut self,
        position: &super::seen::SeenPosition<'_>,
        pool: Option<&crate::margin::pool::PoolAssessment>,
        now: Now,
        told: &mut Vec<Transition>,
    ) {
        let near = position
            .funding
            .filter(|(_, in_ms)| *in_ms <= FUNDING_NEAR_MS);
        let (Some((cost, in_ms)), Some(pool)) = (near, pool) else {
            return;
        };
        if !pool.margin_balance.is_positive() {
            return;
        }
        let Ok(fraction) = cost.over(pool.margin_balance) else {
            return;
        };
        let leg = position.figures.position_side;
        let reading = Reading {
            rule: Rule::FundingCost,
            value: fraction.get(),
            key: || {
                Key::of_symbol(Rule::FundingCost, position.pool, position.symbol)
                    .with_part(words::leg(leg))
            },
            text: || words::funding(position, cost, in_ms, fraction),
        };
        self.take(reading, now, told);
    }

    fn judge_jump(
        &mut self,
        position: &super::seen::SeenPosition<'_>,
        now: Now,
        told: &mut Vec<Transition>,
    ) {
        let mark = position.figures.mark.price();
        let trend = match self.marks.get_mut(position.symbol) {
            Some(trend) => trend,
            None => self.marks.entry(position.symbol.clone()).or_default(),
        };
        let oldest = trend.oldest(now);
        trend.take(mark.get(), now);
        let Some((before, _)) = oldest else { return };
        let moved = crate::margin::amount::exact_sub(mark.get(), before)
            .and_then(|by| quotient(by, before));
        let Ok(moved) = moved else { return };
        let reading = Reading {
            rule: Rule::MarkJump,
            value: moved.abs(),
            key: || Key::of_symbol(Rule::MarkJump, position.pool, position.symbol),
            text: || words::mark_jump(position, before, moved),
        };
        self.take(reading, now, told);
    }

    fn judge_orders(&mut self, seen: &Seen<'_>, now: Now, told: &mut Vec<Transition>) {
        for order in &seen.orders {
            let (before, after) = order.distance;
            let Some(after) = after else { continue };
            // What is broken already is not this order's to break.
            if before.is_some_and(|before| before <= after) {
                continue;
            }
            let reading = Reading {
                rule: Rule::OrderWouldBreak,
                value: after.get(),
                key: || {
                    Key::of_symbol(Rule::OrderWouldBreak, Some(order.pool), &order.order.symbol)
                        .with_part(words::order_number(order.order))
                },
                text: || words::order_would_break(order, after),
            };
            self.take(reading, now, told);
        }
    }

    /// Tells of leverage, margin types and modes that are not what they were.
    fn compare_settings(&mut self, mirror: &Mirror, now: Now, told: &mut Vec<Transition>) {
        let book = mirror.book();
        let modes = (book.position_mode(), book.asset_mode());
        let before = self.known.modes.replace(modes);
        if before.is_some_and(|before| before != modes) {
            let key = Key::plain(Rule::SettingsChanged);
            self.happened(key, words::modes_changed(modes), true, now, told);
        }
        for (symbol, state) in book.symbols() {
            let Some(settings) = state.settings else {
                continue;
            };
            let before = match self.known.settings.get_mut(symbol) {
                Some(known) if *known == settings => continue,
                Some(known) => std::mem::replace(known, settings),
                None => {
                    self.known.settings.insert(symbol.clone(), settings);
                    continue;
                }
            };
            let Some(text) = words::settings_changed(symbol, before, settings) else {
                continue;
            };
            let key = Key::of_symbol(Rule::SettingsChanged, state.margin_asset.as_ref(), symbol);
            self.happened(key, text, !state.is_idle(), now, told);
        }
    }

    /// Takes an event. One that concerns nothing that is held is only worth knowing.
    pub(super) fn happened(
        &mut self,
        key: Key,
        text: Text,
        matters: bool,
        now: Now,
        told: &mut Vec<Transition>,
    ) {
        let Some(severity) = self.table.get(key.rule).of_event() else {
            return;
        };
        let severity = if matters { severity } else { Severity::Info };
        let known = self.raised.get_mut(&key);
        let (change, since) = match known {
            Some(known) => {
                known.last_event = now;
                let change = if severity > known.severity {
                    Change::Higher
                } else {
                    Change::Worse
                };
                known.severity = known.severity.max(severity);
                (change, known.since)
            }
            None => {
                let raised = Raised {
                    severity,
                    since: now,
                    worst: None,
                    told: (None, now),
                    better_since: None,
                    sweep: self.sweep,
                    is_event: true,
                    last_event: now,
                };
                self.raised.insert(key.clone(), raised);
                (Change::New, now)
            }
        };
        told.push(Transition::Raised(Box::new(Alarm {
            key,
            severity,
            change,
            since,
            value: None,
            worst: None,
            limit: None,
            is_event: true,
            text,
        })));
    }

    fn take<K: FnOnce() -> Key, T: FnOnce() -> Text>(
        &mut self,
        reading: Reading<K, T>,
        now: Now,
        told: &mut Vec<Transition>,
    ) {
        let setting = *self.table.get(reading.rule);
        self.take_at(&setting, reading, now, told);
    }

    /// Takes one value. Keys and words are made only for what is raised.
    fn take_at<K: FnOnce() -> Key, T: FnOnce() -> Text>(
        &mut self,
        setting: &Setting,
        reading: Reading<K, T>,
        now: Now,
        told: &mut Vec<Transition>,
    ) {
        let Reading {
            rule,
            value,
            key,
            text,
        } = reading;
        let smaller = rule.smaller_is_worse();
        let reached = setting.reached(value, smaller);
        let any = self.raised.range(Key::plain(rule)..).next();
        let none_of_rule = any.is_none_or(|(key, _)| key.rule != rule);
        if reached.is_none() && none_of_rule {
            return;
        }
        let key = key();
        let tell = |severity, change, since, worst, limit, key: Key| {
            Transition::Raised(Box::new(Alarm {
                key,
                severity,
                change,
                since,
                value: Some(value),
                worst: Some(worst),
                limit,
                is_event: false,
                text: text(),
            }))
        };
        let Some(raised) = self.raised.get_mut(&key) else {
            let Some((severity, limit)) = reached else {
                return;
            };
            let raised = Raised {
                severity,
                since: now,
                worst: Some(value),
                told: (Some(value), now),
                better_since: None,
                sweep: self.sweep,
                is_event: false,
                last_event: now,
            };
            self.raised.insert(key.clone(), raised);
            told.push(tell(severity, Change::New, now, value, Some(limit), key));
            return;
        };
        raised.sweep = self.sweep;
        let worse = |one: Decimal, other: Decimal| {
            if smaller {
                one.min(other)
            } else {
                one.max(other)
            }
        };
        let worst = raised.worst.map_or(value, |worst| worse(worst, value));
        raised.worst = Some(worst);
        let kept = setting.kept(value, smaller);
        let limit = reached.or(kept).map(|(_, limit)| limit);
        if let Some((severity, _)) = reached.filter(|(severity, _)| *severity > raised.severity) {
            raised.severity = severity;
            raised.better_since = None;
            raised.told = (Some(value), now);
            told.push(tell(
                severity,
                Change::Higher,
                raised.since,
                worst,
                limit,
                key,
            ));
        } else if kept.is_some_and(|(severity, _)| severity >= raised.severity) {
            raised.better_since = None;
            // That a blindness lasts is no news; at its next level it is.
            if rule != Rule::Stale && is_worth_telling(raised, value, smaller, now) {
                raised.told = (Some(value), now);
                let severity = raised.severity;
                told.push(tell(
                    severity,
                    Change::Worse,
                    raised.since,
                    worst,
                    limit,
                    key,
                ));
            }
        } else {
            let better_since = *raised.better_since.get_or_insert(now);
            if now.since_ms(better_since) < setting.hold_ms {
                return;
            }
            raised.better_since = None;
            match kept {
                Some((severity, _)) => {
                    raised.severity = severity;
                    raised.told = (Some(value), now);
                    told.push(tell(
                        severity,
                        Change::Lower,
                        raised.since,
                        worst,
                        limit,
                        key,
                    ));
                }
                None => self.clear(&key, told),
            }
        }
    }

    fn clear(&mut self, key: &Key, told: &mut Vec<Transition>) {
        if let Some(raised) = self.raised.remove(key) {
            told.push(Transition::Cleared {
                key: key.clone(),
                since: raised.since,
                worst: raised.worst,
            });
        }
    }

    /// What was looked for and is not there any more gets better by that; events end with time.
    fn end(&mut self, depth: Option<Depth>, now: Now, told: &mut Vec<Transition>) {
        let mut over = Vec::new();
        for (key, raised) in &mut self.raised {
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
            self.clear(&key, told);
        }
    }
}

/// Whether an evaluation of this depth would have seen it.
fn was_looked_for(key: &Key, depth: Option<Depth>) -> bool {
    let Some(depth) = depth else {
        return !key.rule.rests_on_figures();
    };
    let needed = match key.rule {
        Rule::OrderWouldBreak => Depth::Orders,
        Rule::Spill | Rule::IsolatedRequired | Rule::FundingCost | Rule::MarkJump => {
            Depth::Positions
        }
        Rule::Distance if key.symbol.is_some() => Depth::Positions,
        _ => Depth::Pools,
    };
    depth >= needed
}

fn is_worth_telling(raised: &Raised, value: Decimal, smaller: bool, now: Now) -> bool {
    let (Some(told), at) = raised.told else {
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

/// A symbol with a limit of its own alarms at that.
fn own_spill(policy: &Policy, symbol: &Symbol, general: &Setting) -> Setting {
    let own = policy
        .of_symbol
        .get(symbol)
        .and_then(|overrides| overrides.get(&LimitKey::Spill));
    match own {
        None => *general,
        Some(limit) => {
            let mut of_symbol = policy.clone();
            of_symbol.limits.set(LimitKey::Spill, *limit);
            *AlarmPolicy::default().table(&of_symbol).get(Rule::Spill)
        }
    }
}

fn seconds(ms: i64) -> Decimal {
    Decimal::new(ms, 3)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    /// Gives one value of a rule to the machine, as an evaluation would.
    fn give(alarms: &mut Alarms, rule: Rule, value: Option<&str>, now: Now) -> Vec<Transition> {
        let mut told = Vec::new();
        alarms.sweep = alarms.sweep.wrapping_add(1);
        if let Some(value) = value {
            let reading = Reading {
                rule,
                value: crate::margin::amount::parse(value).unwrap(),
                key: || Key::plain(rule),
                text: Text::default,
            };
            alarms.take(reading, now, &mut told);
        }
        alarms.end(Some(Depth::Orders), now, &mut told);
        told
    }

    fn alarms() -> Alarms {
        Alarms::new(AlarmPolicy::default(), &Policy::default())
    }

    #[test]
    fn a_day_of_noise_around_a_level_is_one_alarm_and_one_end() {
        let clock = Clock::manual(0);
        let mut alarms = alarms();
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
            told.extend(give(&mut alarms, Rule::Distance, Some(&value), clock.now()));
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
        let mut alarms = alarms();
        let mut at = |seconds: i64, value: Option<&str>| {
            clock.advance_ms(seconds * 1_000);
            give(&mut alarms, Rule::Distance, value, clock.now())
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
        let mut alarms = alarms();
        let mut told = Vec::new();
        let key = Key::plain(Rule::MarginCall);
        alarms.happened(key.clone(), Text::default(), true, clock.now(), &mut told);
        clock.advance_ms(20 * 60_000);
        alarms.happened(key, Text::default(), true, clock.now(), &mut told);
        clock.advance_ms(20 * 60_000);
        told.extend(give(&mut alarms, Rule::Distance, None, clock.now()));
        assert_eq!(told.len(), 2);
        clock.advance_ms(11 * 60_000);
        told.extend(give(&mut alarms, Rule::Distance, None, clock.now()));
        assert!(matches!(told[2], Transition::Cleared { .. }), "{told:?}");
    }
}
