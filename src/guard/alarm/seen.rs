//! What an alarm looks at: the account at one moment, assessed.
//!
//! Owns: which figures are made for an evaluation, and how many at most.
//! Must not know: levels, what is raised.

use crate::guard::policy::Policy;
use crate::margin::account::{Asset, MarginMode, Symbol, SymbolState};
use crate::margin::amount::{Amount, Rate};
use crate::margin::book::Unknown;
use crate::margin::order::{OpenOrder, OrderIntent};
use crate::margin::pool::PoolAssessment;
use crate::margin::position::{PositionAssessment, assess_positions};
use crate::margin::project::{Assumptions, fill};
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
    /// Contract.
    pub symbol: &'a Symbol,
    /// What is known of it.
    pub state: &'a SymbolState,
    /// The pool it belongs to.
    pub pool: Option<&'a Asset>,
    /// Its figures.
    pub figures: PositionAssessment,
    /// What it pays at the next funding, and in how many milliseconds.
    pub funding: Option<(Amount, i64)>,
}

/// A working order, tried out.
#[derive(Debug)]
pub struct SeenOrder<'a> {
    /// The order.
    pub order: &'a OpenOrder,
    /// The pool it belongs to.
    pub pool: &'a Asset,
    /// The pool's distance before and after; `None` where no move kills.
    pub distance: (Option<Rate>, Option<Rate>),
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
    /// Working orders that could add risk.
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

/// Assesses the account.
#[must_use]
pub fn observe<'a>(view: &LiveView<'a>, policy: &Policy, depth: Depth) -> Seen<'a> {
    let book = view.book();
    let pools = book.assets().map(|asset| SeenPool {
        asset,
        figures: book.assess(asset, policy.horizon),
    });
    let mut seen = Seen {
        depth,
        pools: pools.filter(matters).collect(),
        positions: Vec::new(),
        crossed: Vec::new(),
        orders: Vec::new(),
    };
    if depth >= Depth::Positions {
        observe_positions(view, policy, &mut seen);
    }
    if depth >= Depth::Orders {
        observe_orders(view, policy, &mut seen);
    }
    seen
}

fn matters(pool: &SeenPool<'_>) -> bool {
    match &pool.figures {
        Ok(figures) => figures.held > 0,
        Err(Unknown::Balance(_)) => false,
        Err(_) => true,
    }
}

fn observe_positions<'a>(view: &LiveView<'a>, policy: &Policy, seen: &mut Seen<'a>) {
    let book = view.book();
    for (symbol, state) in book.symbols() {
        if state.is_idle() {
            continue;
        }
        let crossed = state
            .settings
            .is_some_and(|settings| settings.risk_mode() == MarginMode::Crossed);
        if crossed && policy.isolated_only.holds(symbol) {
            seen.crossed.push((symbol, state.margin_asset.as_ref()));
        }
        if state.legs.is_flat() {
            continue;
        }
        // What cannot be assessed shows as a pool whose figures are not known.
        let assessed = book
            .what_if(symbol)
            .and_then(|what_if| assess_positions(&what_if, symbol, policy.horizon));
        for figures in assessed.unwrap_or_default() {
            seen.positions.push(SeenPosition {
                symbol,
                state,
                pool: state.margin_asset.as_ref(),
                funding: funding(view, symbol, &figures),
                figures,
            });
        }
    }
}

/// A long pays a positive rate, a short a negative one.
fn funding(
    view: &LiveView<'_>,
    symbol: &Symbol,
    position: &PositionAssessment,
) -> Option<(Amount, i64)> {
    let meta = view.mirror().mark_meta(symbol.as_str())?;
    let cost = position.notional.times(meta.funding_rate?).ok()?;
    let exchange_now = view.mirror().exchange_now_ms(view.now())?;
    let in_ms = meta.next_funding_ms?.saturating_sub(exchange_now);
    (cost.is_positive() && in_ms > 0).then_some((cost, in_ms))
}

fn observe_orders<'a>(view: &LiveView<'a>, policy: &Policy, seen: &mut Seen<'a>) {
    let assumptions = Assumptions {
        market_slippage: policy.market_slippage,
        taker_fee: policy.taker_fee,
    };
    let adding = view
        .mirror()
        .orders()
        .iter()
        .filter(|order| !order.only_reduces());
    for order in adding.take(ORDERS_MAX) {
        let book = view.book();
        let Some(state) = book.state(order.symbol.as_str()) else {
            continue;
        };
        let Some(pool) = state.margin_asset.as_ref() else {
            continue;
        };
        let before = seen
            .pool(Some(pool))
            .and_then(|figures| figures.survival.distance());
        let after = book.what_if(&order.symbol).and_then(|mut what_if| {
            fill(&mut what_if, &intent_of(order), assumptions)?;
            what_if.assess(policy.horizon)
        });
        if let Ok(after) = after {
            let distance = (before, after.survival.distance());
            seen.orders.push(SeenOrder {
                order,
                pool,
                distance,
            });
        }
    }
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
