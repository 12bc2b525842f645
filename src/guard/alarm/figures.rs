//! Figures against levels.
//!
//! Owns: which figure of a pool, a position or a working order is read for which rule.
//! Must not know: how figures are computed, when an alarm is over.

use rust_decimal::Decimal;

use super::raised::Reading;
use super::seen::{Seen, SeenPosition, SeenSpill};
use super::state::Alarms;
use super::{Key, Rule, words};
use crate::clock::Now;
use crate::guard::verdict::Level;
use crate::margin::account::{Asset, Symbol};
use crate::margin::amount::quotient;
use crate::margin::pool::{PoolAssessment, SymbolId};
use crate::margin::position::PositionAssessment;
use crate::mirror::Mirror;

/// A hair less than a level: rounding of a quotient never decides.
const HAIR: Decimal = Decimal::from_parts(99, 0, 0, false, 2);

impl Alarms {
    pub(super) fn judge_pools(&mut self, seen: &Seen<'_>, mirror: &Mirror, now: Now) {
        for pool in &seen.pools {
            match &pool.figures {
                Ok(figures) => self.judge_pool(pool.asset, figures, mirror, now),
                Err(unknown) => {
                    let reading = Reading {
                        rule: Rule::FiguresUnknown,
                        value: Decimal::ONE,
                        key: || Key::of_pool(Rule::FiguresUnknown, pool.asset),
                        text: || words::figures_unknown(pool.asset, unknown),
                    };
                    self.board.take(reading, now);
                }
            }
        }
        let held = |asset: &Asset| seen.pools.iter().any(|pool| pool.asset == asset);
        self.headroom.retain(|asset, _| held(asset));
    }

    fn judge_pool(&mut self, asset: &Asset, figures: &PoolAssessment, mirror: &Mirror, now: Now) {
        let of_pool = |rule| move || Key::of_pool(rule, asset);
        if let Some(distance) = figures.survival.distance() {
            let reading = Reading {
                rule: Rule::Distance,
                value: distance.get(),
                key: of_pool(Rule::Distance),
                text: || words::distance(figures, mirror),
            };
            self.board.take(reading, now);
        }
        if let Some(risk) = &figures.wallet_at_risk {
            let reading = Reading {
                rule: Rule::WalletAtRisk,
                value: risk.fraction.get(),
                key: of_pool(Rule::WalletAtRisk),
                text: || words::wallet_at_risk(figures),
            };
            self.board.take(reading, now);
        }
        // Beyond words when there is no balance left.
        let ratio = figures.margin_ratio.map_or(Decimal::ONE, |rate| rate.get());
        let reading = Reading {
            rule: Rule::MarginRatio,
            value: ratio,
            key: of_pool(Rule::MarginRatio),
            text: || words::margin_ratio(figures),
        };
        self.board.take(reading, now);
        self.judge_headroom(asset, figures, now);
    }

    fn judge_headroom(&mut self, asset: &Asset, figures: &PoolAssessment, now: Now) {
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
            text: || words::headroom_falling(figures, fall, per_minute),
        };
        self.board.take(reading, now);
    }

    pub(super) fn judge_positions(&mut self, seen: &Seen<'_>, now: Now) {
        let mut still = self.still();
        for position in &seen.positions {
            let pool = seen.pool(position.pool);
            if let Some(figures) = &position.isolated {
                self.judge_isolated(position, figures, now);
            } else if let (Some(spill), Some(pool)) = (&position.spill, pool) {
                self.judge_spill(position, spill, pool, now);
            }
            self.judge_funding(position, pool, now);
            self.judge_jump(position, still, now);
            if self.board.holds(Rule::MarkJump) {
                still = None;
            }
        }
        for (symbol, pool) in &seen.crossed {
            let reading = Reading {
                rule: Rule::IsolatedRequired,
                value: Decimal::ONE,
                key: || Key::of_symbol(Rule::IsolatedRequired, *pool, symbol),
                text: || words::isolated_required(symbol),
            };
            self.board.take(reading, now);
        }
        // What is seen comes in the order of its places.
        let held = |id: SymbolId| {
            seen.positions
                .binary_search_by_key(&id, |one| one.id)
                .is_ok()
        };
        self.marks.retain(|id, _| held(*id));
    }

    fn judge_isolated(
        &mut self,
        position: &SeenPosition<'_>,
        figures: &PositionAssessment,
        now: Now,
    ) {
        let Ok(Some(distance)) = figures.distance() else {
            return;
        };
        let reading = Reading {
            rule: Rule::Distance,
            value: distance.get(),
            key: || of_leg(Rule::Distance, position),
            text: || words::isolated_distance(position, figures, distance),
        };
        self.take_of_symbol(position.symbol, reading, now);
    }

    fn judge_spill(
        &mut self,
        position: &SeenPosition<'_>,
        spill: &SeenSpill,
        pool: &PoolAssessment,
        now: Now,
    ) {
        if !spill.of_pool.is_positive() || !pool.margin_balance.is_positive() {
            return;
        }
        let Ok(fraction) = spill.of_pool.over(pool.margin_balance) else {
            return;
        };
        let reading = Reading {
            rule: Rule::Spill,
            value: fraction.get(),
            key: || of_leg(Rule::Spill, position),
            text: || words::spill(position, spill, fraction),
        };
        self.take_of_symbol(position.symbol, reading, now);
    }

    /// Takes a value at the levels of the symbol, if it has some of its own.
    fn take_of_symbol<K: FnOnce() -> Key, T: FnOnce() -> super::Text>(
        &mut self,
        symbol: &Symbol,
        reading: Reading<K, T>,
        now: Now,
    ) {
        let own = if self.own.is_empty() {
            None
        } else {
            self.own.get(&(reading.rule, symbol.clone())).copied()
        };
        let setting = own.unwrap_or(*self.board.table.get(reading.rule));
        self.board.take_at(&setting, reading, now);
    }

    fn judge_funding(
        &mut self,
        position: &SeenPosition<'_>,
        pool: Option<&PoolAssessment>,
        now: Now,
    ) {
        let (Some(funding), Some(pool)) = (position.funding, pool) else {
            return;
        };
        if !pool.margin_balance.is_positive() {
            return;
        }
        let Ok(fraction) = funding.of_pool.over(pool.margin_balance) else {
            return;
        };
        let reading = Reading {
            rule: Rule::FundingCost,
            value: fraction.get(),
            key: || of_leg(Rule::FundingCost, position),
            text: || words::funding(position, &funding, fraction),
        };
        self.board.take(reading, now);
    }

    /// How far a mark may have moved without anything to tell, as a fraction: most stand near where they
    /// stood, and a quotient is made for the others alone. `None`: each is looked at.
    fn still(&self) -> Option<Decimal> {
        if !self.spares || self.board.holds(Rule::MarkJump) {
            return None;
        }
        match self.board.table.get(Rule::MarkJump).least_raised() {
            None => Some(Decimal::MAX),
            Some(least) => least.checked_mul(HAIR),
        }
    }

    fn judge_jump(&mut self, position: &SeenPosition<'_>, still: Option<Decimal>, now: Now) {
        let mark = position.mark.price();
        let trend = self.marks.entry(position.id).or_default();
        let oldest = trend.oldest(now);
        trend.take(mark.get(), now);
        let Some((before, _)) = oldest else { return };
        let is_still = |part: Decimal| {
            let most = before.abs().checked_mul(part)?;
            Some(mark.get().checked_sub(before)?.abs() < most)
        };
        if still.is_some_and(|part| is_still(part).unwrap_or(false)) {
            return;
        }
        let moved = crate::margin::amount::exact_sub(mark.get(), before)
            .and_then(|by| quotient(by, before));
        let Ok(moved) = moved else { return };
        let reading = Reading {
            rule: Rule::MarkJump,
            value: moved.abs(),
            key: || Key::of_symbol(Rule::MarkJump, position.pool, position.symbol),
            text: || words::mark_jump(position, before, moved),
        };
        self.board.take(reading, now);
    }

    /// A scenario that must be survived: the level at which it is asked for says how urgent it is.
    pub(super) fn judge_stress(&mut self, seen: &Seen<'_>, now: Now) {
        let general = *self.board.table.get(Rule::Stress);
        for one in &seen.stress {
            let Some(required) = one.outcome.required else {
                continue;
            };
            let mut setting = general;
            match required {
                Level::Warn => setting.levels[2] = None,
                Level::Reject => setting.levels[1] = None,
            }
            let reading = Reading {
                rule: Rule::Stress,
                value: one.margin_ratio,
                key: || Key::of_pool(Rule::Stress, one.pool).with_part(one.outcome.name.clone()),
                text: || words::stress(one),
            };
            self.board.take_at(&setting, reading, now);
        }
    }

    pub(super) fn judge_orders(&mut self, seen: &Seen<'_>, now: Now) {
        for order in &seen.orders {
            let Some(strain) = &order.strain else {
                continue;
            };
            let reading = Reading {
                rule: Rule::OrderWouldBreak,
                value: strain.used,
                key: || {
                    Key::of_symbol(Rule::OrderWouldBreak, Some(order.pool), &order.order.symbol)
                        .with_part(words::order_number(order.order))
                },
                text: || words::order_would_break(order, strain),
            };
            self.board.take(reading, now);
        }
    }
}

fn of_leg(rule: Rule, position: &SeenPosition<'_>) -> Key {
    Key::of_symbol(rule, position.pool, position.symbol)
        .with_part(words::leg(position.position_side))
}
