//! Positions and working orders of which surely nothing is to be told, proved from the pool's figures
//! alone.
//!
//! Owns: bounds of a position's spill and of what a fill can do to a pool, so that only what is near a
//! level is assessed and tried out.
//! Must not know: how that is done, what is raised. Where a bound proves nothing, it is done.
//!
//! What the bounds rest on, for an order of notional `n` at the mark in a crossed symbol of one
//! asset's pool, with `h` the pool's headroom and `d` its distance (1 where there is none):
//!
//! - A fill costs at once what its price is worse than the mark, and the fee.
//! - Maintenance margin is convex in the notional: the fill adds at most `n` times the rate of the
//!   tier that all of the symbol and the fill reach together.
//! - Along every adverse move the headroom is concave and not below zero before `d`: at a move `x` it
//!   is at least `h·(1 − x/d)` (the chord). The fill takes at most `x·n` and its maintenance margin,
//!   grown by the move, from that.
//! - A symbol's spill is at most its loss now and what the horizon takes beyond the ticket.

use rust_decimal::Decimal;

use crate::guard::policy::{LimitKey, Policy};
use crate::margin::account::{Leg, MarginMode, Settings, Side, SymbolState};
use crate::margin::amount::{MarkPrice, Rate};
use crate::margin::bracket::BracketTable;
use crate::margin::order::{OpenOrder, OrderKind};
use crate::margin::pool::{PoolAssessment, Survival};
use crate::margin::project::Assumptions;

/// A hair less than what is permitted: rounding of quotients never decides.
const HAIR: Decimal = Decimal::from_parts(99, 0, 0, false, 2);

/// A part of every limit, a hair less than asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    part: Decimal,
    /// One over it: divisions are slow, and each order would need one.
    over: Decimal,
}

impl Part {
    /// `None` when it proves nothing.
    pub(super) fn of(part: Decimal) -> Option<Self> {
        let part = part.checked_mul(HAIR)?;
        let over = Decimal::ONE.checked_div(part)?;
        Some(Self { part, over })
    }
}

/// What a fill adds.
struct Added {
    /// Notional at the mark.
    notional: Decimal,
    /// What it costs at once.
    cost: Decimal,
    /// Maintenance margin for a unit of its notional, at most.
    rate: Decimal,
}

impl Added {
    const NOTHING: Self = Self {
        notional: Decimal::ZERO,
        cost: Decimal::ZERO,
        rate: Decimal::ZERO,
    };
}

/// True when no leg of the symbol surely spills as much as this fraction of the pool.
pub(super) fn spills_less(
    state: &SymbolState,
    pool: &PoolAssessment,
    policy: &Policy,
    fraction: Decimal,
) -> bool {
    let proves = || {
        let settings = covered(state, pool)?;
        let (mark, horizon) = (state.mark?, policy.horizon.get());
        let most = spill(state, settings, mark, &Added::NOTHING, horizon)?;
        let permitted = fraction.checked_mul(HAIR)?;
        let permitted = permitted.checked_mul(pool.margin_balance.get())?;
        Some(most < permitted.checked_mul(leverage(settings))?)
    };
    proves().unwrap_or(false)
}

/// True when the order, filled, surely uses up less than this part of every limit that rejects.
pub(super) fn breaks_nothing(
    order: &OpenOrder,
    state: &SymbolState,
    pool: &PoolAssessment,
    policy: &Policy,
    assumed: Assumptions,
    part: Part,
) -> bool {
    proves(order, state, pool, policy, assumed, part).unwrap_or(false)
}

/// The steepest rate of maintenance margin that [`Reach`] is made for.
const RATE: Decimal = Decimal::from_parts(5, 0, 0, false, 2);

/// How large an order of any symbol may be that surely breaks nothing of a pool, worked out once for all of
/// them: the bounds of [`breaks_nothing`], solved for the notional of a resting order that is no worse than the
/// mark, at [`RATE`] and without the discount that a ticket gives a spill.
pub(super) struct Reach {
    notional: Decimal,
    /// What a symbol may lose, and what each unit of notional takes of that.
    spill: Option<(Decimal, Decimal)>,
    horizon: Decimal,
}

impl Reach {
    /// For orders whose fill pays at most this fee; `None` when it would permit nothing, or symbols have
    /// limits of their own.
    pub(super) fn of(
        pool: &PoolAssessment,
        policy: &Policy,
        fee: Rate,
        part: Part,
    ) -> Option<Self> {
        if !policy.of_symbol.is_empty() || !pool.collateral.is_empty() {
            return None;
        }
        let limit = |key: LimitKey| policy.limits.get(key).reject;
        let horizon = policy.horizon.get();
        let fee = fee.get();
        let balance = pool.margin_balance.get();
        let most = |room: Decimal, each: Decimal| {
            if each.is_zero() {
                Some(Decimal::MAX)
            } else {
                room.checked_div(each)?.checked_mul(HAIR)
            }
        };
        // What each unit takes of a limit that falls with the balance, and what the limit is now.
        let of_balance = |limit: Decimal| {
            let limit = limit.checked_mul(part.part)?;
            Some((limit.checked_mul(balance)?, limit.checked_mul(fee)?))
        };
        let far = match limit(LimitKey::LiquidationDistance) {
            Some(limit) => limit.checked_mul(part.over)?.max(horizon),
            None => horizon,
        };
        let (room, distance) = chord(pool, far)?;
        let grown = Decimal::ONE.checked_add(far)?.checked_mul(RATE)?;
        let each = far.checked_add(grown)?.checked_add(fee)?;
        let mut notional = most(room, each.checked_mul(distance)?)?.min(most(balance, fee)?);
        if let Some(limit) = limit(LimitKey::WalletAtRisk) {
            let at_risk = pool.wallet_at_risk.as_ref()?.amount.get();
            let (whole, each) = of_balance(limit)?;
            let room = whole.checked_sub(at_risk)?;
            notional = notional.min(most(room, each.checked_add(horizon)?)?);
        }
        if let Some(limit) = limit(LimitKey::MarginRatio) {
            let (whole, each) = of_balance(limit)?;
            let room = whole.checked_sub(pool.maintenance_margin.get())?;
            notional = notional.min(most(room, each.checked_add(RATE)?)?);
        }
        let spill = match limit(LimitKey::Spill) {
            None => None,
            Some(limit) => {
                let (whole, each) = of_balance(limit)?;
                let each = each.checked_add(horizon)?.checked_add(fee)?;
                Some((whole.checked_mul(HAIR)?, each))
            }
        };
        (notional > Decimal::ZERO).then_some(Self {
            notional,
            spill,
            horizon,
        })
    }

    /// True when the order is surely small enough.
    pub(super) fn holds(
        &self,
        order: &OpenOrder,
        state: &SymbolState,
        pool: &PoolAssessment,
    ) -> bool {
        self.proves(order, state, pool).unwrap_or(false)
    }

    fn proves(
        &self,
        order: &OpenOrder,
        state: &SymbolState,
        pool: &PoolAssessment,
    ) -> Option<bool> {
        covered(state, pool)?;
        let OrderKind::Limit { price } = order.kind else {
            return None;
        };
        let (mark, brackets) = (state.mark?.price().get(), state.brackets.as_deref()?);
        let is_worse = match order.side {
            Side::Buy => price.get() > mark,
            Side::Sell => price.get() < mark,
        };
        let notional = order.remaining.get().abs().checked_mul(mark)?;
        if is_worse || notional >= self.notional {
            return None;
        }
        let (mut lost, mut most, mut held) = (Decimal::ZERO, Decimal::ZERO, Decimal::ZERO);
        for (_, leg) in state.legs.held() {
            let worth = leg.quantity.get().checked_mul(mark)?;
            lost = lost.max(leg.entry_cost.get().checked_sub(worth)?);
            most = most.max(worth.abs());
            held = held.checked_add(worth.abs())?;
        }
        // A move may double it.
        let whole = held.checked_add(notional)?.checked_mul(Decimal::TWO)?;
        let whole = crate::margin::amount::Notional::new(whole);
        if brackets.is_beyond_last(whole) || brackets.at(whole).maintenance_margin_rate.get() > RATE
        {
            return None;
        }
        let Some((permitted, each)) = self.spill else {
            return Some(true);
        };
        let spilt = lost
            .checked_add(most.checked_mul(self.horizon)?)?
            .checked_add(notional.checked_mul(each)?)?;
        Some(spilt < permitted)
    }
}

/// The settings of a symbol that the bounds hold for: a joint pool counts each asset with two rates,
/// and an isolated fill moves margin.
pub(super) fn covered(state: &SymbolState, pool: &PoolAssessment) -> Option<Settings> {
    let settings = state.settings?;
    let covered = pool.collateral.is_empty() && settings.margin_mode == MarginMode::Crossed;
    covered.then_some(settings)
}

/// True when no price of any symbol of the pool liquidates it within so far a move.
pub(super) fn is_beyond(pool: &PoolAssessment, far: Rate) -> bool {
    let distance = match pool.survival.distance() {
        _ if matches!(pool.survival, Survival::Liquidatable) => return false,
        None => return true,
        Some(distance) => distance.get().checked_mul(HAIR),
    };
    distance.is_some_and(|distance| distance > far.get())
}

fn leverage(settings: Settings) -> Decimal {
    Decimal::from(settings.leverage.get())
}

/// `None` where something is not known, of a kind that the bound does not cover, or too large.
fn proves(
    order: &OpenOrder,
    state: &SymbolState,
    pool: &PoolAssessment,
    policy: &Policy,
    assumed: Assumptions,
    part: Part,
) -> Option<bool> {
    let (settings, mark) = (covered(state, pool)?, state.mark?);
    let brackets = state.brackets.as_deref()?;
    let added = added(order, state, brackets, mark, assumed)?;
    let limit = |key: LimitKey| policy.limit_for(key, Some(&order.symbol), None).reject;
    let horizon = policy.horizon.get();
    // The distance may shrink to the limit over the part.
    let far = match limit(LimitKey::LiquidationDistance) {
        Some(limit) => limit.checked_mul(part.over)?.max(horizon),
        None => horizon,
    };
    let left = pool.margin_balance.get().checked_sub(added.cost)?;
    if left <= Decimal::ZERO || !outlives(pool, &added, far)? {
        return Some(false);
    }
    let permitted = left.checked_mul(part.part)?;
    let within = |key: LimitKey, value: Option<Decimal>, scale: Decimal| match limit(key) {
        None => Some(true),
        Some(limit) => Some(value? < limit.checked_mul(permitted)?.checked_mul(scale)?),
    };
    let at_risk = pool.wallet_at_risk.as_ref()?.amount.get();
    let at_risk = at_risk.checked_add(added.notional.checked_mul(horizon)?);
    let needed = added.notional.checked_mul(added.rate)?;
    let needed = pool.maintenance_margin.get().checked_add(needed);
    let spilt = spill(state, settings, mark, &added, horizon);
    Some(
        within(LimitKey::WalletAtRisk, at_risk, Decimal::ONE)?
            && within(LimitKey::MarginRatio, needed, Decimal::ONE)?
            && within(LimitKey::Spill, spilt, leverage(settings))?,
    )
}

/// What the order adds when it fills; it never fills better than at the mark.
fn added(
    order: &OpenOrder,
    state: &SymbolState,
    brackets: &BracketTable,
    mark: MarkPrice,
    assumed: Assumptions,
) -> Option<Added> {
    let mark = mark.price().get();
    let worse_by = match (order.kind, order.side) {
        (OrderKind::Limit { price }, Side::Buy) => price.get().checked_sub(mark)?,
        (OrderKind::Limit { price }, Side::Sell) => mark.checked_sub(price.get())?,
        (OrderKind::Market | OrderKind::PriceMatched, _) => {
            mark.checked_mul(assumed.market_slippage.get())?
        }
        // A trigger moves the mark.
        _ => return None,
    };
    let worse_by = worse_by.max(Decimal::ZERO);
    let quantity = order.remaining.get().abs();
    let fee = mark
        .checked_add(worse_by)?
        .checked_mul(quantity)?
        .checked_mul(assumed.taker_fee.get().abs())?;
    let notional = quantity.checked_mul(mark)?;
    let mut held = Decimal::ZERO;
    for (_, leg) in state.legs.held() {
        held = held.checked_add(notional_of(leg, mark)?)?;
    }
    // A move may double it.
    let most = held.checked_add(notional)?.checked_mul(Decimal::TWO)?;
    let most = crate::margin::amount::Notional::new(most);
    if brackets.is_beyond_last(most) {
        return None;
    }
    Some(Added {
        notional,
        cost: worse_by.checked_mul(quantity)?.checked_add(fee)?,
        rate: brackets.at(most).maintenance_margin_rate.get(),
    })
}

fn notional_of(leg: &Leg, mark: Decimal) -> Option<Decimal> {
    leg.quantity.get().abs().checked_mul(mark)
}

/// No adverse move up to this one liquidates the pool with the fill in it.
fn outlives(pool: &PoolAssessment, added: &Added, far: Decimal) -> Option<bool> {
    let Some((room, distance)) = chord(pool, far) else {
        return Some(false);
    };
    let grown = Decimal::ONE.checked_add(far)?.checked_mul(added.rate)?;
    let taken = added.notional.checked_mul(far.checked_add(grown)?)?;
    Some(taken.checked_add(added.cost)?.checked_mul(distance)? < room)
}

/// The least headroom after an adverse move so far, times the pool's distance, and that distance; `None` when it
/// is not that far away.
fn chord(pool: &PoolAssessment, far: Decimal) -> Option<(Decimal, Decimal)> {
    if matches!(pool.survival, Survival::Liquidatable) || far > Decimal::ONE {
        return None;
    }
    let distance = pool.survival.distance().map_or(Decimal::ONE, Rate::get);
    let distance = distance.min(Decimal::ONE);
    if far >= distance {
        return None;
    }
    let room = pool.headroom.get().checked_mul(HAIR)?;
    Some((room.checked_mul(distance.checked_sub(far)?)?, distance))
}

/// The most that the rest of the wallet pays for one leg of the symbol with the fill in it, times the
/// leverage.
fn spill(
    state: &SymbolState,
    settings: Settings,
    mark: MarkPrice,
    added: &Added,
    horizon: Decimal,
) -> Option<Decimal> {
    let mark = mark.price().get();
    let leverage = leverage(settings);
    // The ticket is the notional over the leverage.
    let beyond = horizon.checked_mul(leverage)?.checked_sub(Decimal::ONE)?;
    let (mut lost, mut held) = (Decimal::ZERO, Decimal::ZERO);
    for (_, leg) in state.legs.held() {
        let worth = leg.quantity.get().checked_mul(mark)?;
        lost = lost.max(leg.entry_cost.get().checked_sub(worth)?);
        held = held.max(worth.abs());
    }
    let whole = held.checked_add(added.notional)?;
    let now = lost.checked_add(added.cost)?.checked_mul(leverage)?;
    now.checked_add(whole.checked_mul(beyond.max(Decimal::ZERO))?)
}
