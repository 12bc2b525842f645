//! What an alarm looks at: the account at one moment, assessed.
//!
//! Owns: which figures are made for an evaluation, and how many at most.
//! Must not know: levels, what is raised.

use rust_decimal::Decimal;

use super::surely::{Part, Reach, breaks_nothing, covered, is_beyond, spills_less};
use crate::guard::fees::assumptions;
use crate::guard::policy::{LimitKey, Policy};
use crate::guard::stress::{self, StressOutcome, Wanted};
use crate::margin::account::{Asset, AssetMode, MarginMode, PositionSide, Symbol, SymbolState};
use crate::margin::amount::{Amount, MarkPrice, Notional, Rate, quotient};
use crate::margin::book::{Book, Unknown};
use crate::margin::order::{OpenOrder, OrderIntent};
use crate::margin::pool::{PoolAssessment, SymbolId};
use crate::margin::position::{PositionAssessment, assess_positions, spill_at_horizon};
use crate::margin::project::fill;
use crate::margin::shock::Held;
use crate::mirror::marks::MarkMeta;
use crate::mirror::view::LiveView;

/// Most working orders that are tried out in one evaluation.
pub const ORDERS_MAX: usize = 100;

/// How much is looked at. Pools cost the same however many positions they hold; positions and
/// orders are looked at once a second and when the account changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    /// Pools.
    Pools,
    /// Pools and positions.
    Positions,
    /// Pools, positions and working orders.
    Orders,
}

/// A pool's figures, or why they are not known.
#[derive(Debug)]
pub struct SeenPool<'a> {
    /// The pool's asset.
    pub asset: &'a Asset,
    /// Its figures.
    pub figures: Result<PoolAssessment, Unknown>,
}

/// A position.
#[derive(Debug)]
pub struct SeenPosition<'a> {
    /// Its contract's place in the book.
    pub id: SymbolId,
    /// Contract.
    pub symbol: &'a Symbol,
    /// What is known of it.
    pub state: &'a SymbolState,
    /// The pool it belongs to.
    pub pool: Option<&'a Asset>,
    /// Which leg.
    pub position_side: PositionSide,
    /// The mark.
    pub mark: MarkPrice,
    /// What a crossed one draws from its pool; `None` when that is surely less than anybody is told of.
    pub spill: Option<SeenSpill>,
    /// The figures of an isolated one.
    pub isolated: Option<Box<PositionAssessment>>,
    /// What it pays at the next funding, if that is near.
    pub funding: Option<Funding>,
}

/// What a position draws from its pool in a bad move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeenSpill {
    /// What is put on it, in its margin asset.
    pub ticket: Amount,
    /// What it loses beyond that, in the money of its pool.
    pub of_pool: Amount,
}

/// What a position pays at the next funding.
#[derive(Debug, Clone, Copy)]
pub struct Funding {
    /// In its margin asset.
    pub cost: Amount,
    /// In the money of its pool.
    pub of_pool: Amount,
    /// In how many milliseconds.
    pub in_ms: i64,
}

/// A working order, tried out.
#[derive(Debug)]
pub struct SeenOrder<'a> {
    /// The order.
    pub order: &'a OpenOrder,
    /// The pool it belongs to.
    pub pool: &'a Asset,
    /// The limit that its fill would strain the hardest, of those that it makes worse.
    pub strain: Option<Strain>,
}

/// How hard a limit is strained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Strain {
    /// Which.
    pub limit: LimitKey,
    /// The value that is judged.
    pub value: Decimal,
    /// The part of the limit that is used up: from 1 on it is broken.
    pub used: Decimal,
    /// The margin balance of the pool that it is judged on.
    pub balance: Option<Amount>,
}

/// A scenario, played through.
#[derive(Debug)]
pub struct SeenStress<'a> {
    /// The pool.
    pub pool: &'a Asset,
    /// What becomes of it.
    pub outcome: StressOutcome,
    /// Its margin ratio afterwards; at least 1 when it is liquidated.
    pub margin_ratio: Decimal,
}

/// The account at one moment.
#[derive(Debug)]
pub struct Seen<'a> {
    /// How deep it was looked.
    pub depth: Depth,
    /// Pools that hold something crossed, or whose figures are not known.
    pub pools: Vec<SeenPool<'a>>,
    /// Positions.
    pub positions: Vec<SeenPosition<'a>>,
    /// Symbols that are held or ordered crossed although they must not.
    pub crossed: Vec<(&'a Symbol, Option<&'a Asset>)>,
    /// Scenarios that must be survived, unless the distance already shows that they are.
    pub stress: Vec<SeenStress<'a>>,
    /// Working orders that could add risk, unless the pool's figures already prove that they use up
    /// less of every limit than anybody is told of.
    pub orders: Vec<SeenOrder<'a>>,
}

impl Seen<'_> {
    /// A pool's figures.
    #[must_use]
    pub fn pool(&self, asset: Option<&Asset>) -> Option<&PoolAssessment> {
        let asset = asset?;
        let pool = self.pools.iter().find(|pool| pool.asset == asset)?;
        pool.figures.as_ref().ok()
    }
}

/// From where on something is told: what surely stays below is not looked at closely.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Floors {
    /// Of a working order: the part of a limit that it would use up; `None`: no order is looked at.
    pub part: Option<Decimal>,
    /// Of a position: its spill as a fraction of the pool; `None`: no spill is told.
    pub spill: Option<Decimal>,
    /// An alarm about a spill is up: more of them than not are near their level, and exact figures come first.
    pub spill_is_up: bool,
    /// What is proved to be of no account is not computed; else everything is, in full.
    pub spares: bool,
}

/// Assesses the account.
#[must_use]
pub fn observe<'a>(view: &LiveView<'a>, policy: &Policy, depth: Depth, floors: Floors) -> Seen<'a> {
    let book = view.book();
    let in_use = book.pools_in_use().into_iter();
    let pools = in_use.map(|asset| SeenPool {
        asset,
        figures: book.assess(asset, policy.horizon),
    });
    let mut seen = Seen {
        depth,
        pools: pools.filter(matters).collect(),
        positions: Vec::new(),
        crossed: Vec::new(),
        stress: Vec::new(),
        orders: Vec::new(),
    };
    if depth >= Depth::Positions {
        observe_positions(view, policy, floors, &mut seen);
        observe_stress(view, policy, &mut seen);
    }
    if let (Depth::Orders, Some(part)) = (depth, floors.part) {
        let sure = Part::of(part).filter(|_| floors.spares);
        observe_orders(view, policy, sure, &mut seen);
    }
    seen
}

/// An asset that leads to the pool: the one pool of multi-assets mode is no margin asset itself.
fn leading<'a>(book: &'a Book, pool: &'a Asset) -> &'a Asset {
    match book.asset_mode() {
        AssetMode::Single => pool,
        AssetMode::Multi => book.assets().next().unwrap_or(pool),
    }
}

fn matters(pool: &SeenPool<'_>) -> bool {
    match &pool.figures {
        Ok(figures) => figures.held > 0,
        Err(Unknown::Balance(_)) => false,
        Err(_) => true,
    }
}

fn observe_positions<'a>(
    view: &LiveView<'a>,
    policy: &Policy,
    floors: Floors,
    seen: &mut Seen<'a>,
) {
    let book = view.book();
    let clock_ms = view.mirror().exchange_now_ms(view.now());
    seen.positions.reserve(book.busy_len());
    for (id, symbol, state) in book.busy() {
        let pool = state.margin_asset.as_ref();
        let pool = pool.map(|asset| book.pool_of(asset));
        let crossed = state
            .settings
            .is_some_and(|settings| settings.risk_mode() == MarginMode::Crossed);
        if crossed && policy.isolated_only.holds(symbol) {
            seen.crossed.push((symbol, pool));
        }
        if state.legs.is_flat() {
            continue;
        }
        let meta = view.mirror().mark_meta_at(id);
        let near = meta.zip(clock_ms).and_then(near_funding);
        let mut see = |position_side, mark: MarkPrice, notional, spill, isolated| {
            let funding = near.zip(notional);
            seen.positions.push(SeenPosition {
                id,
                symbol,
                state,
                pool,
                position_side,
                mark,
                spill,
                isolated,
                funding: funding
                    .and_then(|(near, notional)| funding_of(book, state, near, notional)),
            });
        };
        let figures = pool.and_then(|pool| of_pool(&seen.pools, pool));
        let figures = figures.filter(|_| floors.spares);
        let spared = figures.zip(state.mark).and_then(|(figures, mark)| {
            let is_small = floors
                .spill
                .map_or(crossed, |least| spills_less(state, figures, policy, least));
            let spills = if is_small {
                [None; 2]
            } else {
                spills_at_horizon(state, figures, policy.horizon)?
            };
            Some((mark, spills))
        });
        if let Some((mark, spills)) = spared {
            for ((position_side, leg), spill) in state.legs.held().zip(spills) {
                let notional = near.and_then(|_| mark.price().times(leg.quantity).ok());
                see(position_side, mark, notional, spill, None);
            }
            continue;
        }
        // What cannot be assessed shows as a pool whose figures are not known.
        let assessed = book
            .what_if(symbol)
            .and_then(|what_if| assess_positions(&what_if, symbol, policy.horizon));
        for figures in assessed.unwrap_or_default() {
            let (side, mark, notional) = (figures.position_side, figures.mark, figures.notional);
            let spill = SeenSpill {
                ticket: figures.ticket,
                of_pool: figures.spill_of_pool,
            };
            match figures.margin_mode {
                MarginMode::Crossed => see(side, mark, Some(notional), Some(spill), None),
                MarginMode::Isolated => {
                    see(side, mark, Some(notional), None, Some(Box::new(figures)));
                }
            }
        }
    }
}

fn of_pool<'p>(pools: &'p [SeenPool<'_>], asset: &Asset) -> Option<&'p PoolAssessment> {
    let pool = pools.iter().find(|pool| pool.asset == asset)?;
    pool.figures.as_ref().ok()
}

/// What each leg spills, where the pool's distance shows that no price of its symbol liquidates within the
/// horizon: then nothing has to be searched for.
fn spills_at_horizon(
    state: &SymbolState,
    pool: &PoolAssessment,
    horizon: Rate,
) -> Option<[Option<SeenSpill>; 2]> {
    let (settings, mark) = (covered(state, pool)?, state.mark?);
    if !is_beyond(pool, horizon) {
        return None;
    }
    let mut spills = [None; 2];
    for (spill, (_, leg)) in spills.iter_mut().zip(state.legs.held()) {
        let (ticket, of_pool) = spill_at_horizon(leg, mark, settings.leverage, horizon).ok()?;
        *spill = Some(SeenSpill { ticket, of_pool });
    }
    Some(spills)
}

/// A funding is told of when it is nearer than this, in milliseconds.
const FUNDING_NEAR_MS: i64 = 30 * 60_000;

/// Rate of the next funding and in how many milliseconds it is, if it is near.
fn near_funding((meta, clock_ms): (&MarkMeta, i64)) -> Option<(Rate, i64)> {
    let in_ms = meta.next_funding_ms?.saturating_sub(clock_ms);
    let is_near = in_ms > 0 && in_ms <= FUNDING_NEAR_MS;
    is_near.then_some((meta.funding_rate?, in_ms))
}

/// A long pays a positive rate, a short a negative one.
fn funding_of(
    book: &Book,
    state: &SymbolState,
    (rate, in_ms): (Rate, i64),
    notional: Notional,
) -> Option<Funding> {
    let cost = notional.times(rate).ok()?;
    if !cost.is_positive() {
        return None;
    }
    let of_pool = match book.asset_mode() {
        AssetMode::Single => cost,
        AssetMode::Multi => {
            let asset = state.margin_asset.as_ref()?;
            let rate = book.collateral(asset.as_str()).rate?;
            rate.charge(cost).ok()?
        }
    };
    Some(Funding {
        cost,
        of_pool,
        in_ms,
    })
}

/// Plays through the scenarios that must be survived.
fn observe_stress<'a>(view: &LiveView<'a>, policy: &Policy, seen: &mut Seen<'a>) {
    let book = view.book();
    for pool in &seen.pools {
        let Ok(figures) = &pool.figures else { continue };
        let Ok(what_if) = book.what_if_in(leading(book, pool.asset)) else {
            continue;
        };
        let mut held: Option<Vec<Held<'_>>> = None;
        for (name, scenario) in &policy.stress {
            let is_open =
                scenario.required.is_some() && !stress::surely_survived(figures, &scenario.shock);
            if !is_open {
                continue;
            }
            let held = held.get_or_insert_with(|| what_if.held().collect());
            if let Ok(outcome) =
                stress::run(&what_if, held, figures, (name, scenario), Wanted::Outcome)
            {
                let ratio = outcome.margin_ratio.map(Rate::get);
                let margin_ratio = match (outcome.survives, ratio) {
                    (true, ratio) => ratio.unwrap_or_default(),
                    (false, ratio) => ratio.unwrap_or_default().max(Decimal::ONE),
                };
                seen.stress.push(SeenStress {
                    pool: pool.asset,
                    outcome,
                    margin_ratio,
                });
            }
        }
    }
}

fn observe_orders<'a>(
    view: &LiveView<'a>,
    policy: &Policy,
    sure: Option<Part>,
    seen: &mut Seen<'a>,
) {
    let book = view.book();
    // Of the pool that was asked about last: most orders stand in one.
    // It holds for fees up to the one it was made for.
    let mut reach: Option<(&Asset, Rate, Option<Reach>)> = None;
    let adding = view
        .mirror()
        .orders()
        .iter()
        .filter(|order| !order.only_reduces());
    let mut tried = 0_usize;
    for order in adding {
        let Some(state) = book.state(order.symbol.as_str()) else {
            continue;
        };
        let Some(asset) = state.margin_asset.as_ref() else {
            continue;
        };
        let pool = book.pool_of(asset);
        let assumed = assumptions(view, policy, &order.symbol);
        let before = seen.pool(Some(pool));
        if let (Some(figures), Some(part)) = (before, sure) {
            let fee = assumed.taker_fee.abs();
            if reach
                .as_ref()
                .is_none_or(|(asset, dearest, _)| *asset != pool || *dearest < fee)
            {
                reach = Some((pool, fee, Reach::of(figures, policy, fee, part)));
            }
            let near = reach.as_ref().and_then(|(_, _, reach)| reach.as_ref());
            if near.is_some_and(|reach| reach.holds(order, state, figures))
                || breaks_nothing(order, state, figures, policy, assumed, part)
            {
                continue;
            }
        }
        // Those that surely break nothing do not count.
        if tried == ORDERS_MAX {
            break;
        }
        tried = tried.saturating_add(1);
        // A pool that holds nothing strains nothing yet.
        let before = before.map_or_else(Vec::new, |figures| {
            let what_if = book.what_if(&order.symbol);
            let held = what_if.and_then(|it| assess_positions(&it, &order.symbol, policy.horizon));
            let held = held.unwrap_or_default();
            let spills = held.iter().map(|position| position.spill_of_pool);
            strains(figures, spill_of(spills, figures), &order.symbol, policy)
        });
        let after = book.what_if(&order.symbol).and_then(|mut what_if| {
            fill(&mut what_if, &intent_of(order), assumed)?;
            let figures = what_if.assess(policy.horizon)?;
            let positions = assess_positions(&what_if, &order.symbol, policy.horizon)?;
            let spills = positions.iter().map(|position| position.spill_of_pool);
            let spill = spill_of(spills, &figures);
            Ok(strains(&figures, spill, &order.symbol, policy))
        });
        if let Ok(after) = after {
            // What is broken already, or gets better, is not this order's to break.
            let worse = after.into_iter().filter(|strain| {
                let known = before.iter().find(|one| one.limit == strain.limit);
                known.is_none_or(|known| known.used < strain.used)
            });
            seen.orders.push(SeenOrder {
                order,
                pool,
                strain: worse.max_by_key(|strain| strain.used),
            });
        }
    }
}

/// The largest of these spills, as a fraction of the margin balance.
fn spill_of(spills: impl Iterator<Item = Amount>, pool: &PoolAssessment) -> Option<Rate> {
    let parts = spills.filter_map(|spill| spill.over(pool.margin_balance).ok());
    parts.max().filter(|_| pool.margin_balance.is_positive())
}

/// How hard the account strains the limits that reject.
fn strains(
    pool: &PoolAssessment,
    spill: Option<Rate>,
    symbol: &Symbol,
    policy: &Policy,
) -> Vec<Strain> {
    let at_risk = pool.wallet_at_risk.as_ref().map(|risk| risk.fraction);
    // Without a balance every requirement is too much.
    let ratio = pool.margin_ratio.unwrap_or(Rate::new(Decimal::ONE));
    let values = [
        (LimitKey::LiquidationDistance, pool.survival.distance()),
        (LimitKey::WalletAtRisk, at_risk),
        (LimitKey::Spill, spill),
        (LimitKey::MarginRatio, (pool.held > 0).then_some(ratio)),
    ];
    let strained = values.into_iter().filter_map(|(limit, value)| {
        let value = value?.get();
        let at = policy.limit_for(limit, Some(symbol), None).reject?;
        Some(Strain {
            limit,
            value,
            used: used(value, at, limit.smaller_is_worse()),
            balance: Some(pool.margin_balance),
        })
    });
    strained.collect()
}

/// Beyond this it does not matter any more how far.
const USED_MAX: Decimal = Decimal::ONE_HUNDRED;

/// The part of a limit that is used up.
fn used(value: Decimal, limit: Decimal, smaller_is_worse: bool) -> Decimal {
    let (above, below) = if smaller_is_worse {
        (limit, value)
    } else {
        (value, limit)
    };
    quotient(above, below).map_or(USED_MAX, |used| used.min(USED_MAX))
}

fn intent_of(order: &OpenOrder) -> OrderIntent {
    OrderIntent {
        symbol: order.symbol.clone(),
        side: order.side,
        position_side: order.position_side,
        kind: order.kind,
        quantity: Some(order.remaining),
        reduce_only: order.reduce_only,
        close_position: order.close_position,
        client_order_id: None,
    }
}
