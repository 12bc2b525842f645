//! An account under a shock: prices, collateral, brackets and funding, all at once.
//!
//! Owns: what a shock does to a pool and to the isolated positions beside it.
//! Must not know: names of scenarios, which of them must be survived.
//!
//! A shock is applied to the positions as they are: nobody trades meanwhile, and no stop fires.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::account::{Asset, AssetMode, Leg, MarginMode, PositionSide, Symbol, SymbolState};
use super::amount::{Amount, ArithmeticError, Notional, Rate};
use super::book::Unknown;
use super::bracket::Bracket;
use super::collateral::converted;
use super::contribution::{Missing, unrealized_pnl};
use super::pool::PoolAssessment;
use super::what_if::WhatIf;

/// What happens at once. Moves are fractions of the mark: −0.2 is a fall of 20 %.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Shock {
    /// How single contracts move.
    pub symbols: BTreeMap<Symbol, Rate>,
    /// How every other held contract moves.
    pub all: Option<Rate>,
    /// How collateral loses its worth against the dollar; negative.
    pub collateral: BTreeMap<Asset, Rate>,
    /// Maintenance margin is multiplied by this.
    pub maintenance: Option<Rate>,
    /// Funding is paid this many times without being received once.
    pub funding_intervals: u32,
    /// Funding of one interval, as a fraction of the notional.
    pub funding_rate: Rate,
}

impl Shock {
    /// How this contract moves.
    #[must_use]
    pub fn move_of(&self, symbol: &Symbol) -> Rate {
        let moved = self.symbols.get(symbol).copied().or(self.all);
        moved.unwrap_or(Rate::ZERO)
    }

    /// True when nothing but prices is touched.
    #[must_use]
    pub fn is_prices_only(&self) -> bool {
        self.collateral.is_empty() && self.maintenance.is_none() && self.funding_intervals == 0
    }
}

/// A contract that holds something, with its state.
pub type Held<'a> = (&'a Symbol, &'a SymbolState);

/// A pool after a shock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shocked {
    /// Margin balance afterwards.
    pub margin_balance: Amount,
    /// Maintenance margin afterwards.
    pub maintenance_margin: Amount,
    /// Isolated positions that are liquidated by it, by contract.
    pub isolated_dead: Vec<Symbol>,
    /// What the balance loses because collateral loses its peg.
    pub collateral_lost: Amount,
}

/// What a shock does to one crossed position, in its margin asset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShockedPosition {
    /// Contract.
    pub symbol: Symbol,
    /// Which leg.
    pub position_side: PositionSide,
    /// How its price moves, as a fraction of the mark.
    pub by: Rate,
    /// What it gains by that; negative when it loses.
    pub gain: Amount,
    /// Funding that it pays.
    pub funding: Amount,
    /// The bracket of its notional then.
    pub bracket: Bracket,
    /// Maintenance margin then.
    pub maintenance_margin: Amount,
}

/// What a shock does to each crossed position: what [`shocked`] adds up.
///
/// # Errors
/// What is not known of a held contract.
pub fn shocked_positions(
    held: &[Held<'_>],
    shock: &Shock,
) -> Result<Vec<ShockedPosition>, Unknown> {
    let mut positions = Vec::new();
    for (symbol, state) in held {
        let missing = |missing| Unknown::Symbol((*symbol).clone(), missing);
        let settings = state.settings.ok_or_else(|| missing(Missing::Settings))?;
        if settings.risk_mode() == MarginMode::Isolated {
            continue;
        }
        let brackets = state.brackets.as_deref();
        let brackets = brackets.ok_or_else(|| missing(state.no_brackets()))?;
        let by = shock.move_of(symbol);
        for (position_side, leg) in state.legs.held() {
            let after = leg_after(leg, state, by, shock).map_err(missing)?;
            positions.push(ShockedPosition {
                symbol: (*symbol).clone(),
                position_side,
                by,
                gain: after.pnl_change,
                funding: after.funding,
                bracket: *brackets.at(after.notional),
                maintenance_margin: after.maintenance_margin,
            });
        }
    }
    Ok(positions)
}

impl Shocked {
    /// True when the pool is liquidated: margin balance at or below maintenance margin, while
    /// something is held crossed.
    #[must_use]
    pub fn is_liquidated(&self, held: usize) -> bool {
        held > 0 && self.margin_balance <= self.maintenance_margin
    }

    /// Maintenance ÷ margin balance; `None` when the balance is not above zero.
    ///
    /// # Errors
    /// [`ArithmeticError`] when the quotient does not fit.
    pub fn margin_ratio(&self) -> Result<Option<Rate>, ArithmeticError> {
        self.margin_balance
            .is_positive()
            .then(|| self.maintenance_margin.over(self.margin_balance))
            .transpose()
    }
}

/// The pool and its isolated neighbours after the shock. `pool` is the assessment of `what_if`, and
/// `held` what it holds: looked for once, however many shocks there are.
///
/// In multi-assets mode a gain counts at the bid rate and a loss at the ask rate of its asset, which
/// is never too good; collateral that loses its peg loses that share of what the wallet counts for.
///
/// Source: margin-math §1.1 (margin balance ≤ maintenance margin), §3 (tiers at the shocked price),
/// §12 (funding = notional × rate), §15 (rates). A single-asset pool is counted in its own asset:
/// losing its peg changes what the money is worth, never the margin ratio.
///
/// # Errors
/// What is not known of a held contract.
pub fn shocked(
    pool: &PoolAssessment,
    what_if: &WhatIf<'_>,
    held: &[Held<'_>],
    shock: &Shock,
) -> Result<Shocked, Unknown> {
    let mut outcome = Shocked {
        margin_balance: pool.margin_balance,
        maintenance_margin: Amount::ZERO,
        isolated_dead: Vec::new(),
        collateral_lost: Amount::ZERO,
    };
    // By margin asset: what the balance gains, and maintenance margin.
    let mut sums: BTreeMap<&Asset, (Amount, Amount)> = BTreeMap::new();
    for (symbol, state) in held {
        let missing = |missing| Unknown::Symbol((*symbol).clone(), missing);
        let settings = state.settings.ok_or_else(|| missing(Missing::Settings))?;
        let asset = state
            .margin_asset
            .as_ref()
            .ok_or_else(|| missing(Missing::MarginAsset))?;
        let isolated = settings.risk_mode() == MarginMode::Isolated;
        for (_, leg) in state.legs.held() {
            let after = leg_after(leg, state, shock.move_of(symbol), shock).map_err(missing)?;
            if isolated {
                let unrealized_pnl = unrealized_pnl(leg, after.notional)?;
                let balance = leg.isolated_wallet.plus(unrealized_pnl)?;
                if balance.minus(after.funding)? <= after.maintenance_margin
                    && !outcome.isolated_dead.contains(symbol)
                {
                    outcome.isolated_dead.push((*symbol).clone());
                }
                continue;
            }
            let (gain, maintenance) = sums.entry(asset).or_default();
            *gain = gain.plus(after.pnl_change)?.minus(after.funding)?;
            *maintenance = maintenance.plus(after.maintenance_margin)?;
        }
    }
    for (asset, (gain, maintenance)) in sums {
        let gain = gained(what_if, asset, gain)?;
        let maintenance = what_if.in_pool_money(asset, maintenance)?;
        outcome.margin_balance = outcome.margin_balance.plus(gain)?;
        outcome.maintenance_margin = outcome.maintenance_margin.plus(maintenance)?;
    }
    if what_if.asset_mode() == AssetMode::Multi {
        outcome.collateral_lost = depegged(what_if, shock)?;
        outcome.margin_balance = outcome.margin_balance.minus(outcome.collateral_lost)?;
    }
    Ok(outcome)
}

/// What a gain of an asset adds to the pool.
fn gained(what_if: &WhatIf<'_>, asset: &Asset, gain: Amount) -> Result<Amount, Unknown> {
    if what_if.asset_mode() == AssetMode::Single || gain.is_negative() {
        return what_if.in_pool_money(asset, gain);
    }
    let rate = what_if.book().collateral(asset.as_str()).rate;
    let rate = rate.ok_or_else(|| Unknown::Rate(asset.clone()))?;
    Ok(rate.value(gain)?)
}

/// What collateral that loses its peg takes from the one pool of all assets.
fn depegged(what_if: &WhatIf<'_>, shock: &Shock) -> Result<Amount, Unknown> {
    let book = what_if.book();
    let mut lost = Amount::ZERO;
    for (asset, by) in &shock.collateral {
        let owned = book
            .balances(asset.as_str())
            .map(|(_, crossed)| crossed)
            .filter(|crossed| crossed.is_positive());
        let Some(owned) = owned else { continue };
        let rate = book.collateral(asset.as_str()).rate;
        let rate = rate.ok_or_else(|| Unknown::Rate(asset.clone()))?;
        let worth = rate.value(owned)?;
        let taken = converted(worth.get(), by.get().abs())?;
        lost = lost.plus(Amount::new(taken))?;
    }
    Ok(lost)
}

struct LegAfter {
    pnl_change: Amount,
    notional: Notional,
    maintenance_margin: Amount,
    funding: Amount,
}

fn leg_after(leg: &Leg, state: &SymbolState, by: Rate, shock: &Shock) -> Result<LegAfter, Missing> {
    let mark = state.mark.ok_or(Missing::Mark)?.price();
    let brackets = state
        .brackets
        .as_deref()
        .ok_or_else(|| state.no_brackets())?;
    let before = mark.times(leg.quantity)?;
    let after = mark.moved(by)?.times(leg.quantity)?;
    let mut maintenance_margin = brackets.maintenance_margin(after)?;
    if let Some(factor) = shock.maintenance {
        maintenance_margin = maintenance_margin.times(factor)?;
    }
    Ok(LegAfter {
        pnl_change: after.minus(before)?.as_amount(),
        notional: after,
        maintenance_margin,
        funding: funding(after.abs(), shock)?,
    })
}

fn funding(notional: Notional, shock: &Shock) -> Result<Amount, ArithmeticError> {
    if shock.funding_intervals == 0 {
        return Ok(Amount::ZERO);
    }
    notional
        .times(shock.funding_rate)?
        .times(Rate::new(Decimal::from(shock.funding_intervals)))
}
