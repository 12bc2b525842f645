//! Where an account would die: marks are moved and the account is weighed again, by halving.
//!
//! Nothing is solved here: a pool is put on the scales at a trial price, and the interval between a
//! price that it survives and one that it does not is halved until no step is left between them.
//! Must not change anything, and must not know how the figures are told.

use std::collections::BTreeMap;

use super::account::{Leg, Position};
use super::contract::Contract;
use super::exact::Fixed;
use super::figures::{Figures, Standing};

/// Rises are looked for up to the mark doubled so many times.
const DOUBLINGS_MAX: u32 = 64;

/// Trial sizes beyond this are not weighed any more: sums would saturate.
const SIZE_MAX: Fixed = Fixed::new(1_000_000_000_000_000_000, 0);

/// The nearest deadly prices on either side of the mark.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Edges {
    pub(crate) below: Option<Fixed>,
    pub(crate) above: Option<Fixed>,
}

/// What stands or falls together, ready to be weighed at trial prices: what of it does not move,
/// and the positions that do.
#[derive(Debug)]
pub(crate) struct Scales<'a> {
    /// Equity per asset without the moving positions, with its collateral rates (bid, ask).
    equities: BTreeMap<&'a str, (Fixed, (Fixed, Fixed))>,
    maintenance: Fixed,
    moving: Vec<(&'a Contract, &'a Position)>,
}

impl<'a> Scales<'a> {
    /// A crossed pool; only the positions of `symbol` move, or all of them without one.
    pub(crate) fn pool(figures: Figures<'a>, asset: &str, symbol: Option<&str>) -> Self {
        let account = figures.account;
        let mut scales = Self {
            equities: BTreeMap::new(),
            maintenance: Fixed::ZERO,
            moving: Vec::new(),
        };
        for (held, cross) in &account.cross {
            if figures.shares_pool(held, asset) {
                scales.equities.insert(held, (*cross, account.rates(held)));
            }
        }
        for (contract, position) in figures.crossed(asset) {
            let name = contract.margin_asset.as_str();
            let (equity, (_, ask)) = scales
                .equities
                .entry(name)
                .or_insert_with(|| (Fixed::ZERO, account.rates(name)));
            if symbol.is_none_or(|symbol| symbol == contract.symbol) {
                scales.moving.push((contract, position));
            } else {
                *equity += position.unrealized(contract.mark);
                scales.maintenance += figures.maintenance(contract, position).times(*ask);
            }
        }
        scales
    }

    /// One isolated leg on its own wallet.
    pub(crate) fn isolated(contract: &'a Contract, position: &'a Position) -> Self {
        let par = (Fixed::ONE, Fixed::ONE);
        let own = (
            contract.margin_asset.as_str(),
            (position.isolated_wallet, par),
        );
        Self {
            equities: BTreeMap::from([own]),
            maintenance: Fixed::ZERO,
            moving: vec![(contract, position)],
        }
    }

    /// Equity and maintenance margin with the moving contracts at trial prices.
    pub(crate) fn weigh(&self, price_of: impl Fn(&Contract) -> Fixed) -> Standing {
        let mut equity = Fixed::ZERO;
        let mut maintenance = self.maintenance;
        for (asset, (fixed, (bid, ask))) in &self.equities {
            let mut own = *fixed;
            for (contract, position) in &self.moving {
                if contract.margin_asset == *asset {
                    let price = price_of(contract);
                    own += position.unrealized(price);
                    let size = position.amount.times(price).abs();
                    maintenance += contract.brackets.maintenance(size).times(*ask);
                }
            }
            equity += own.times(*bid).min(own.times(*ask));
        }
        Standing {
            equity,
            maintenance,
        }
    }

    /// Whether sizes at these prices are more than sums hold, whatever they are charged for.
    fn is_too_far(&self, price_of: impl Fn(&Contract) -> Fixed) -> bool {
        self.moving.iter().any(|(contract, position)| {
            let known = self.equities.get(contract.margin_asset.as_str());
            let ask = known.map_or(Fixed::ONE, |(_, (_, ask))| *ask);
            let size = position.amount.abs().times(price_of(contract));
            size.max(size.times(ask)) > SIZE_MAX
        })
    }

    /// Deadly prices of the one contract that moves.
    pub(crate) fn edges(&self, mark: Fixed) -> Edges {
        let headroom = |price: Fixed| self.weigh(|_| price).headroom();
        Edges {
            below: edge_below(mark, headroom),
            above: edge_above(mark, headroom, |price| self.is_too_far(|_| price)),
        }
    }

    /// Deadly factors by which all marks move together.
    pub(crate) fn common_edges(&self) -> Edges {
        let headroom = |factor: Fixed| {
            self.weigh(|contract| contract.mark.times(factor))
                .headroom()
        };
        let too_far = |factor: Fixed| self.is_too_far(|contract| contract.mark.times(factor));
        Edges {
            below: edge_below(Fixed::ONE, headroom),
            above: edge_above(Fixed::ONE, headroom, too_far),
        }
    }
}

/// A fall kills if less than nothing is left at a price of zero.
fn edge_below(from: Fixed, headroom: impl Fn(Fixed) -> Fixed) -> Option<Fixed> {
    headroom(Fixed::ZERO)
        .is_negative()
        .then(|| halve(from, Fixed::ZERO, headroom))
}

fn edge_above(
    from: Fixed,
    headroom: impl Fn(Fixed) -> Fixed,
    too_far: impl Fn(Fixed) -> bool,
) -> Option<Fixed> {
    let mut alive = from;
    for _ in 0..DOUBLINGS_MAX {
        let dead = alive + alive;
        if too_far(dead) {
            return None;
        }
        if !headroom(dead).is_positive() {
            return Some(halve(alive, dead, headroom));
        }
        alive = dead;
    }
    None
}

fn halve(mut alive: Fixed, mut dead: Fixed, headroom: impl Fn(Fixed) -> Fixed) -> Fixed {
    while (dead - alive).abs() > Fixed::ULP {
        let middle = dead.midpoint(alive);
        if headroom(middle).is_positive() {
            alive = middle;
        } else {
            dead = middle;
        }
    }
    alive
}

impl<'a> Figures<'a> {
    /// Everything that stands or falls with a leg: its pool, or itself when isolated.
    pub(crate) fn scales(&self, leg: &Leg) -> Option<(&'a Contract, Scales<'a>)> {
        let contract = self.contracts.get(&leg.0)?;
        let position = self.account.positions.get(leg)?;
        let scales = if self.account.is_isolated(&leg.0) {
            Scales::isolated(contract, position)
        } else {
            Scales::pool(*self, &contract.margin_asset, Some(&leg.0))
        };
        Some((contract, scales))
    }

    /// The price at which this contract alone liquidates what the leg belongs to: on the side where
    /// the account loses at the mark, else on the other; zero when there is none or it is late.
    pub(crate) fn liquidation_price(&self, leg: &Leg) -> Fixed {
        let Some((contract, scales)) = self.scales(leg) else {
            return Fixed::ZERO;
        };
        let mark = contract.mark;
        let headroom = |price: Fixed| scales.weigh(|_| price).headroom();
        if self.account.position(&leg.0, leg.1).amount.is_zero()
            || !mark.is_positive()
            || !headroom(mark).is_positive()
        {
            return Fixed::ZERO;
        }
        let edges = scales.edges(mark);
        // From below, because a notional at the edge of a tier still belongs to the tier below it.
        let nearby = mark - mark.times(Fixed::new(1, 9));
        let falls_below = headroom(nearby) <= headroom(mark);
        let (first, second) = if falls_below {
            (edges.below, edges.above)
        } else {
            (edges.above, edges.below)
        };
        first.or(second).unwrap_or_default()
    }
}
