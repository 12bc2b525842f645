//! One look at the account after the other.
//!
//! Owns: when is looked how deep, what was seen last, and the way from a mirror to transitions.
//! Must not know: who is told, how figures are computed.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::levels::{AlarmPolicy, Setting};
use super::raised::{Board, Reading};
use super::seen::{Depth, Floors, Seen, observe};
use super::trend::Trend;
use super::{Key, Rule, Transition, remedy, words};
use crate::clock::Now;
use crate::guard::Context;
use crate::guard::policy::{LimitKey, Policy};
use crate::margin::account::{Asset, AssetMode, PositionMode, Settings, Symbol};
use crate::margin::pool::SymbolId;
use crate::mirror::Mirror;
use crate::mirror::view::{LiveView, Needs, NotReady};

/// Positions and orders are looked at this often, in milliseconds: a breach is told within two seconds
/// of its mark.
const WHOLE_MS: i64 = 1_000;

/// Before the account was seen for the first time, being blind is a start and no alarm for so long.
const START_MS: i64 = 30_000;

/// Settings as they were last seen.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    pub(super) modes: Option<(PositionMode, AssetMode)>,
    /// The book's count of changes then.
    pub(super) changes: Option<u64>,
    /// By the symbol's place in the book.
    pub(super) settings: Vec<Option<Settings>>,
}

/// Every alarm's state.
#[derive(Debug, Clone)]
pub struct Alarms {
    given: AlarmPolicy,
    pub(super) board: Board,
    /// Levels of symbols that have limits of their own.
    pub(super) own: BTreeMap<(Rule, Symbol), Setting>,
    pub(super) headroom: BTreeMap<Asset, Trend>,
    pub(super) marks: BTreeMap<SymbolId, Trend>,
    pub(super) known: Known,
    /// What surely changes nothing is not looked at.
    pub(super) spares: bool,
    blind_since: Option<Now>,
    was_live: bool,
    account_changed: bool,
    whole_seen: Option<Now>,
}

impl Alarms {
    /// Nothing raised.
    #[must_use]
    pub fn new(given: AlarmPolicy, policy: &Policy) -> Self {
        Self {
            board: Board::new(given.table(policy)),
            own: own_levels(&given, policy),
            given,
            headroom: BTreeMap::new(),
            marks: BTreeMap::new(),
            known: Known::default(),
            spares: true,
            blind_since: None,
            was_live: false,
            account_changed: true,
            whole_seen: None,
        }
    }

    /// The same, but everything is looked at and computed each time: what tests hold the other against.
    #[must_use]
    pub fn thorough(given: AlarmPolicy, policy: &Policy) -> Self {
        Self {
            spares: false,
            ..Self::new(given, policy)
        }
    }

    /// Other levels count from now on.
    pub fn set_levels(&mut self, given: AlarmPolicy, policy: &Policy) {
        self.given = given;
        self.set_policy(policy);
    }

    /// The trader's limits changed: levels that follow them do too.
    pub fn set_policy(&mut self, policy: &Policy) {
        self.board.table = self.given.table(policy);
        self.own = own_levels(&self.given, policy);
        self.account_changed = true;
    }

    /// Balances, positions, orders or settings changed: everything is looked at next time.
    pub const fn note_change(&mut self) {
        self.account_changed = true;
    }

    /// How many alarms are raised.
    #[must_use]
    pub fn len(&self) -> usize {
        self.board.len()
    }

    /// True when none is raised.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Looks at the account, as deep as it is due, and says what changed.
    pub fn evaluate(
        &mut self,
        mirror: &Mirror,
        context: &Context<'_>,
        now: Now,
    ) -> Vec<Transition> {
        match mirror.view(now, Needs { symbol: None }) {
            Ok(view) => {
                let depth = self.depth(now);
                let seen = observe(&view, context.policy, depth, self.floors());
                let mut told = self.judge(&seen, &view);
                remedy::name(&mut told, &view, context);
                told
            }
            Err(not_ready) => self.judge_blind(&not_ready, mirror, now),
        }
    }

    /// From where on anything is told, at the strictest levels of any symbol: where an alarm of the rule
    /// is up, from where it stays up.
    #[must_use]
    pub fn floors(&self) -> Floors {
        if !self.spares {
            return Floors {
                part: Some(Decimal::ZERO),
                spill: Some(Decimal::ZERO),
                spill_is_up: false,
                spares: false,
            };
        }
        let least = |rule: Rule, setting: &Setting| {
            if self.board.holds(rule) {
                setting.least()
            } else {
                setting.least_raised()
            }
        };
        let own = self.own.iter();
        let own = own.filter(|((rule, _), _)| *rule == Rule::Spill);
        let spill = own.map(|(_, setting)| setting);
        let spill = spill.chain([self.board.table.get(Rule::Spill)]);
        let part = self.board.table.get(Rule::OrderWouldBreak);
        Floors {
            part: least(Rule::OrderWouldBreak, part),
            spill: spill.filter_map(|one| least(Rule::Spill, one)).min(),
            spill_is_up: self.board.holds(Rule::Spill),
            spares: true,
        }
    }

    /// How deep the next look has to be.
    fn depth(&mut self, now: Now) -> Depth {
        let changed = std::mem::take(&mut self.account_changed);
        let due = |seen: Now| now.since_ms(seen) >= WHOLE_MS;
        if changed || self.whole_seen.is_none_or(due) {
            self.whole_seen = Some(now);
            Depth::Orders
        } else {
            Depth::Pools
        }
    }

    /// Judges an assessed account.
    pub fn judge(&mut self, seen: &Seen<'_>, view: &LiveView<'_>) -> Vec<Transition> {
        let (mirror, now) = (view.mirror(), view.now());
        self.board.begin();
        self.blind_since = None;
        self.judge_pools(seen, mirror, now);
        self.judge_key(mirror, now);
        if seen.depth >= Depth::Positions {
            self.judge_positions(seen, now);
            self.judge_stress(seen, now);
            self.compare_settings(mirror, now);
        }
        if seen.depth >= Depth::Orders {
            self.judge_orders(seen, now);
        }
        self.was_live = true;
        self.board.end(Some(seen.depth), now);
        self.board.told()
    }

    /// What can be said while the account is not seen: only how long, and why.
    pub fn judge_blind(
        &mut self,
        not_ready: &NotReady,
        mirror: &Mirror,
        now: Now,
    ) -> Vec<Transition> {
        self.board.begin();
        let since = *self.blind_since.get_or_insert(now);
        let blind_ms = now.since_ms(since);
        self.judge_key(mirror, now);
        if self.was_live || blind_ms >= START_MS {
            let reading = Reading {
                rule: Rule::Stale,
                value: Decimal::new(blind_ms, 3),
                key: || Key::plain(Rule::Stale),
                text: || words::stale(not_ready, mirror.is_exposed()),
            };
            self.board.take(reading, now);
        }
        self.board.doubt_figures();
        self.board.end(None, now);
        self.board.told()
    }
}

/// A symbol with a limit of its own alarms at that, unless `[alerts.levels]` says otherwise.
fn own_levels(given: &AlarmPolicy, policy: &Policy) -> BTreeMap<(Rule, Symbol), Setting> {
    let mut own = BTreeMap::new();
    for (symbol, overrides) in &policy.of_symbol {
        for (rule, key) in [
            (Rule::Spill, LimitKey::Spill),
            (Rule::Distance, LimitKey::LiquidationDistance),
        ] {
            if let Some(limit) = overrides.get(&key) {
                own.insert((rule, symbol.clone()), given.at_limit(rule, *limit));
            }
        }
    }
    own
}
