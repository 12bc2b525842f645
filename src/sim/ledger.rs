//! The second opinion on an account that is written down as scenario text.
//!
//! Owns: the figures of a pool and of its positions by the simulator's own arithmetic (integers that
//! count 10⁻¹⁸, exact fractions for margins, trial and halving for prices), for tests to hold the
//! engine's against. Nothing is matched, refused or liquidated here: the account is taken as it is
//! written. Must not know the engine.

use crate::scenario::{AssetMode, OrderLine, PositionSide, Statement};

use super::account::{Leg, Position, closes_leg};
use super::contract::Contract;
use super::edge::{Edges, Scales};
use super::exact::{Fixed, Shares};
use super::figures::Figures;
use super::venue::Venue;

/// An account as it is written.
#[derive(Debug)]
pub struct Ledger {
    venue: Venue,
}

/// A pool's figures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerPool {
    /// Balance crossed positions share, without unrealised profit.
    pub cross_wallet_balance: String,
    /// Unrealised profit of crossed positions.
    pub cross_unrealized_profit: String,
    /// Both together.
    pub margin_balance: String,
    /// Maintenance margin of crossed positions.
    pub maintenance_margin: String,
    /// Initial margin of crossed positions.
    pub position_initial_margin: String,
    /// What resting orders of crossed contracts add.
    pub open_order_initial_margin: String,
    /// Both together.
    pub initial_margin: String,
    /// What new orders can use.
    pub available_balance: String,
    /// Margin balance less maintenance margin.
    pub headroom: String,
    /// Maintenance ÷ margin balance; `None` unless the balance is above zero.
    pub margin_ratio: Option<String>,
    /// Wallets of isolated positions.
    pub ring_fenced: String,
    /// Sum of absolute notionals of crossed positions.
    pub notional_gross: String,
    /// Signed sum of them.
    pub notional_net: String,
    /// Gross notional ÷ margin balance; `None` unless the balance is above zero.
    pub account_leverage: Option<String>,
    /// Contracts held crossed.
    pub held: usize,
    /// Margin balance at or below maintenance margin.
    pub is_liquidated: bool,
    /// The contract whose smallest move alone liquidates; `None` when none does.
    pub first_killer: Option<LedgerKiller>,
    /// The smallest move of all marks together that liquidates: the move, and whether it is a rise.
    pub common_move: Option<(String, bool)>,
    /// Loss under the worst adverse move, and its part of the margin balance; `None` when nothing
    /// is held crossed.
    pub wallet_at_risk: Option<(String, String)>,
}

/// The contract that kills first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerKiller {
    /// Contract.
    pub symbol: String,
    /// Whether a rise does it.
    pub rises: bool,
    /// How far, as a fraction of the mark.
    pub by: String,
    /// The price it reaches.
    pub price: String,
}

/// A position's figures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerPosition {
    /// Contract.
    pub symbol: String,
    /// Leg.
    pub position_side: PositionSide,
    /// Signed notional at mark.
    pub notional: String,
    /// Unrealised profit.
    pub unrealized_profit: String,
    /// Maintenance margin.
    pub maintenance_margin: String,
    /// Initial margin at mark, which is also its ticket.
    pub initial_margin: String,
    /// Already liquidatable.
    pub is_liquidated: bool,
    /// Deadly fall; `None` without one or when it is already late.
    pub liquidation_below: Option<String>,
    /// Deadly rise; `None` without one or when it is already late.
    pub liquidation_above: Option<String>,
    /// The one price the exchange prints; zero for none.
    pub liquidation_price: String,
    /// Loss beyond the ticket at the nearer of the deadly price and the horizon; zero when isolated.
    pub spill: String,
}

/// What an order would cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerCost {
    /// The price its margin is reckoned at.
    pub assumed_price: String,
    /// The loss it opens with.
    pub open_loss: String,
    /// Margin and loss together.
    pub cost: String,
}

impl Ledger {
    /// The account that the statements write down, resting orders included; `expect` lines, timed
    /// lines and mishaps are passed over.
    ///
    /// # Errors
    /// Why a statement cannot be taken.
    pub fn of<'a>(statements: impl IntoIterator<Item = &'a Statement>) -> Result<Self, String> {
        let mut venue = Venue::new(0, 0);
        for statement in statements {
            venue.lay(statement)?;
        }
        Ok(Self { venue })
    }

    /// Figures of the pool of a margin asset; in multi-assets mode of the one pool, in USD,
    /// whatever the asset. `horizon` is the adverse move as a fraction.
    ///
    /// # Errors
    /// `horizon` is no number.
    pub fn pool(&self, asset: &str, horizon: &str) -> Result<LedgerPool, String> {
        let horizon = Fixed::parse(horizon).ok_or("the horizon is no number")?;
        Ok(pool(self.venue.figures(), asset, horizon))
    }

    /// What an order that opens would cost, by the exchange's own rules alone: at the last price and the
    /// best of the book as they are written down. `None` for one that is not placed at once or can only
    /// reduce.
    ///
    /// # Errors
    /// The contract is not listed, or a figure is too long.
    pub fn cost(&self, line: &OrderLine) -> Result<Option<LedgerCost>, String> {
        if line.conditional.is_some()
            || line.reduce_only
            || closes_leg(line.side, line.position_side)
        {
            return Ok(None);
        }
        let told = |refusal: super::refusal::Refusal| refusal.message.clone();
        let new = Venue::scripted(line).map_err(told)?;
        let contract = self.venue.contract(&line.symbol).map_err(told)?;
        let cost = self.venue.cost(contract, &new);
        Ok(Some(LedgerCost {
            assumed_price: cost.price.plain(),
            open_loss: cost.open_loss.plain(),
            cost: (cost.margin.floor() + cost.open_loss).plain(),
        }))
    }

    /// Figures of every position, contract by contract.
    ///
    /// # Errors
    /// `horizon` is no number.
    pub fn positions(&self, horizon: &str) -> Result<Vec<LedgerPosition>, String> {
        let horizon = Fixed::parse(horizon).ok_or("the horizon is no number")?;
        let figures = self.venue.figures();
        let legs = self.venue.account.open_positions();
        let rows = legs.filter_map(|(leg, position)| row(figures, leg, position, horizon));
        Ok(rows.collect())
    }
}

fn pool(figures: Figures<'_>, asset: &str, horizon: Fixed) -> LedgerPool {
    let sums = Sums::of(figures, asset);
    let standing = figures.pool(asset);
    let solvent = standing.equity.is_positive();
    let over_equity = |part: Fixed| {
        let ratio = part.over(standing.equity).filter(|_| solvent);
        ratio.map(Fixed::plain)
    };
    let symbols = crossed_symbols(figures, asset);
    let common = Scales::pool(figures, asset, None).common_edges();
    let alive = !standing.is_liquidated() && !symbols.is_empty();
    let available = match figures.account.assets {
        AssetMode::Single => figures.available(asset),
        AssetMode::Multi => figures.available_usd(),
    };
    LedgerPool {
        cross_wallet_balance: sums.cross_wallet.plain(),
        cross_unrealized_profit: sums.unrealized.plain(),
        margin_balance: standing.equity.plain(),
        maintenance_margin: standing.maintenance.plain(),
        position_initial_margin: sums.positions.plain(),
        open_order_initial_margin: sums.orders.plain(),
        initial_margin: sums.initial.plain(),
        available_balance: available.plain(),
        headroom: standing.headroom().plain(),
        margin_ratio: over_equity(standing.maintenance),
        ring_fenced: sums.isolated.plain(),
        notional_gross: sums.gross.plain(),
        notional_net: sums.net.plain(),
        account_leverage: over_equity(sums.gross),
        held: symbols.len(),
        is_liquidated: !symbols.is_empty() && standing.is_liquidated(),
        first_killer: first_killer(figures, asset, &symbols).filter(|_| alive),
        common_move: nearer_move(common, Fixed::ONE)
            .filter(|_| alive)
            .map(|(by, rises)| (by.plain(), rises)),
        wallet_at_risk: wallet_at_risk(figures, asset, &symbols, horizon),
    }
}

/// What adds up over the assets of a pool: money at the rate of its sign, requirements and sizes at
/// the ask. In single-asset mode there is one asset, at par.
#[derive(Debug, Default)]
struct Sums {
    cross_wallet: Fixed,
    unrealized: Fixed,
    positions: Fixed,
    orders: Fixed,
    initial: Fixed,
    isolated: Fixed,
    gross: Fixed,
    net: Fixed,
}

impl Sums {
    fn of(figures: Figures<'_>, asset: &str) -> Self {
        let mut sums = Self::default();
        for (name, own) in figures.assets() {
            if figures.shares_pool(&name, asset) {
                let (bid, ask) = figures.account.rates(&name);
                let worth = |money: Fixed| money.times(bid).min(money.times(ask));
                let mut orders = own.order_margin.clone();
                orders.take(&own.isolated_order_margin);
                let mut initial = own.cross_position_margin.clone();
                initial.extend(&orders);
                sums.cross_wallet += worth(own.cross_wallet);
                sums.unrealized += worth(own.cross_unrealized);
                sums.positions += own.cross_position_margin.floor().times(ask);
                sums.orders += orders.floor().times(ask);
                sums.initial += initial.floor().times(ask);
                sums.isolated += worth(own.wallet - own.cross_wallet);
            }
        }
        for (contract, position) in figures.crossed(asset) {
            let (_, ask) = figures.account.rates(&contract.margin_asset);
            let notional = position.amount.times(contract.mark).times(ask);
            sums.gross += notional.abs();
            sums.net += notional;
        }
        sums
    }
}

fn crossed_symbols<'a>(figures: Figures<'a>, asset: &str) -> Vec<&'a Contract> {
    let mut symbols: Vec<&Contract> = figures
        .crossed(asset)
        .map(|(contract, _)| contract)
        .collect();
    symbols.dedup_by(|one, other| one.symbol == other.symbol);
    symbols
}

/// The smaller of both moves from `from`, and whether it is the rise.
fn nearer_move(edges: Edges, from: Fixed) -> Option<(Fixed, bool)> {
    let by = |edge: Fixed| (edge - from).abs().over(from).unwrap_or_default();
    let fall = edges.below.map(|edge| (by(edge), false));
    let rise = edges.above.map(|edge| (by(edge), true));
    match (fall, rise) {
        (Some(fall), Some(rise)) => Some(if rise.0 < fall.0 { rise } else { fall }),
        (one, other) => one.or(other),
    }
}

fn first_killer(figures: Figures<'_>, asset: &str, symbols: &[&Contract]) -> Option<LedgerKiller> {
    let mut best: Option<(Fixed, bool, &Contract)> = None;
    for contract in symbols {
        let edges = Scales::pool(figures, asset, Some(&contract.symbol)).edges(contract.mark);
        if let Some((by, rises)) = nearer_move(edges, contract.mark)
            && best.is_none_or(|(least, ..)| by < least)
        {
            best = Some((by, rises, contract));
        }
    }
    best.map(|(by, rises, contract)| {
        let way = if rises { by } else { -by };
        LedgerKiller {
            symbol: contract.symbol.clone(),
            rises,
            by: by.plain(),
            price: (contract.mark + contract.mark.times(way)).plain(),
        }
    })
}

/// Every adverse move is made and the account weighed after it; what liquidates takes everything.
fn wallet_at_risk(
    figures: Figures<'_>,
    asset: &str,
    symbols: &[&Contract],
    horizon: Fixed,
) -> Option<(String, String)> {
    if symbols.is_empty() {
        return None;
    }
    let now = figures.pool(asset);
    let alone = symbols
        .iter()
        .map(|contract| Some(contract.symbol.as_str()));
    let mut worst = Fixed::ZERO;
    for moved in alone.chain([None]) {
        let scales = Scales::pool(figures, asset, moved);
        for factor in [Fixed::ONE - horizon, Fixed::ONE + horizon] {
            let after = scales.weigh(|contract| contract.mark.times(factor));
            let loss = if after.is_liquidated() {
                now.equity
            } else {
                now.equity - after.equity
            };
            worst = worst.max(loss);
        }
    }
    let everything = now.equity.max(Fixed::ZERO);
    if now.is_liquidated() || worst >= everything {
        return Some((everything.plain(), Fixed::ONE.plain()));
    }
    let fraction = worst.over(now.equity).unwrap_or_default();
    Some((worst.plain(), fraction.plain()))
}

fn row(
    figures: Figures<'_>,
    leg: &Leg,
    position: &Position,
    horizon: Fixed,
) -> Option<LedgerPosition> {
    let (contract, scales) = figures.scales(leg)?;
    let mark = contract.mark;
    let standing = scales.weigh(|_| mark);
    let notional = position.amount.times(mark);
    let mut initial = Shares::default();
    initial.add(notional.abs(), figures.account.settings(&leg.0).leverage);
    let edges = if standing.is_liquidated() {
        Edges::default()
    } else {
        scales.edges(mark)
    };
    let spill = if figures.account.is_isolated(&leg.0) {
        Fixed::ZERO
    } else {
        let price = if standing.is_liquidated() {
            mark
        } else if position.amount.is_negative() {
            let far = mark.times(Fixed::ONE + horizon);
            edges.above.map_or(far, |price| price.min(far))
        } else {
            let far = mark.times(Fixed::ONE - horizon);
            edges.below.map_or(far, |price| price.max(far))
        };
        (-position.unrealized(price) - initial.ceil()).max(Fixed::ZERO)
    };
    Some(LedgerPosition {
        symbol: leg.0.clone(),
        position_side: leg.1,
        notional: notional.plain(),
        unrealized_profit: position.unrealized(mark).plain(),
        maintenance_margin: figures.maintenance(contract, position).plain(),
        initial_margin: initial.floor().plain(),
        is_liquidated: standing.is_liquidated(),
        liquidation_below: edges.below.map(Fixed::plain),
        liquidation_above: edges.above.map(Fixed::plain),
        liquidation_price: figures.liquidation_price(leg).plain(),
        spill: spill.plain(),
    })
}
