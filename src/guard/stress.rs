//! Named scenarios.
//!
//! Owns: what a scenario is, the ones that are shipped, and how the account fares in each.
//! Must not know: how a shock is computed.

use rust_decimal::Decimal;

use super::verdict::Level;
use crate::margin::account::{Asset, AssetMode, MarginMode, Symbol};
use crate::margin::amount::{Amount, ArithmeticError, Rate};
use crate::margin::book::Unknown;
use crate::margin::book::WhatIf;
use crate::margin::pool::{PoolAssessment, Survival};
use crate::margin::shock::{Held, Shock, ShockedPosition, shocked, shocked_positions};
use crate::mirror::view::LiveView;

/// A scenario of the policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scenario {
    /// What happens.
    pub shock: Shock,
    /// What it means when it is not survived; `None`: it is only shown.
    pub required: Option<Level>,
}

/// How the account fares in one scenario.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StressOutcome {
    /// The scenario's name.
    pub name: String,
    /// What it means when it is not survived.
    pub required: Option<Level>,
    /// Margin balance of the pool then, in its money.
    pub margin_balance: Amount,
    /// Maintenance margin of the pool then, in its money.
    pub maintenance_margin: Amount,
    /// The one ÷ the other; `None` when nothing is left.
    pub margin_ratio: Option<Rate>,
    /// The pool is not liquidated.
    pub survives: bool,
    /// Contracts whose positions are liquidated: all crossed ones when the pool is, and isolated
    /// ones by themselves.
    pub dies: Vec<Symbol>,
    /// What the pool loses, of its margin balance before the scenario: all of it where it is
    /// liquidated, however far prices go on.
    pub loss: Option<Amount>,
    /// The pool's asset loses worth in this scenario, which a single-asset pool does not feel.
    pub depegged: Option<Asset>,
    /// Why it is not survived, where somebody will want to know.
    pub reasons: Option<Box<Reasons>>,
}

/// What a scenario's figures are made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reasons {
    /// What every crossed position of the pool gains, pays and must keep then.
    pub positions: Vec<ShockedPosition>,
    /// Maintenance margin is multiplied by this.
    pub maintenance: Option<Rate>,
    /// Funding that is paid, as a fraction of the notional; `None` when none is.
    pub funding: Option<Rate>,
    /// What the balance loses because collateral loses its peg.
    pub collateral_lost: Amount,
}

/// Whether the reasons of what is not survived are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// How the account fares.
    Outcome,
    /// And why.
    Reasons,
}

/// The scenarios that are shipped, by name.
///
/// The moves are round figures of days that were: 2020-03-12 and 2025-10-10 took alternative coins
/// down by a third to a half and BTC by 15 to 40 %; on 2025-10-10 collateral tokens fell to 0.65
/// (margin-math §9). Brackets are tightened by notice, at times to the double (margin-math §3).
#[must_use]
pub fn shipped() -> Vec<(&'static str, Scenario)> {
    let percent = |value: i64| Rate::new(Decimal::new(value, 2));
    let all = |value: i64| Shock {
        all: Some(percent(value)),
        ..Shock::default()
    };
    let majors = |bitcoin: i64, ether: i64, others: i64| {
        let mut shock = all(others);
        for (name, value) in [
            ("BTCUSDT", bitcoin),
            ("BTCUSDC", bitcoin),
            ("ETHUSDT", ether),
            ("ETHUSDC", ether),
        ] {
            if let Some(symbol) = Symbol::new(name) {
                shock.symbols.insert(symbol, percent(value));
            }
        }
        shock
    };
    let depeg = |value: i64, names: &[&str]| {
        names
            .iter()
            .filter_map(|name| Some((Asset::new(name)?, percent(value))))
            .collect()
    };
    let shown = |shock| Scenario {
        shock,
        required: None,
    };
    let warned = |shock| Scenario {
        shock,
        required: Some(Level::Warn),
    };
    let collateral = ["USDC", "FDUSD", "BFUSD", "USDE", "BNSOL", "WBETH", "LDUSDT"];
    vec![
        ("market_falls_20", shown(all(-20))),
        ("market_rises_20", shown(all(20))),
        ("alts_fall_30", shown(majors(-15, -20, -30))),
        ("alts_rise_30", shown(majors(15, 20, 30))),
        (
            "october_2025",
            shown(Shock {
                collateral: depeg(-35, &collateral),
                ..majors(-15, -20, -50)
            }),
        ),
        (
            "collateral_depegs",
            shown(Shock {
                collateral: depeg(-20, &collateral),
                ..Shock::default()
            }),
        ),
        (
            "brackets_doubled",
            warned(Shock {
                maintenance: Some(Rate::new(Decimal::TWO)),
                ..Shock::default()
            }),
        ),
        (
            "funding_drain",
            warned(Shock {
                funding_intervals: 9,
                funding_rate: Rate::new(Decimal::new(1, 3)),
                ..Shock::default()
            }),
        ),
    ]
}

/// How every pool of the account fares in these scenarios, as it stands.
#[must_use]
pub fn fares(
    view: &LiveView<'_>,
    horizon: Rate,
    scenarios: &[(String, Scenario)],
) -> Vec<(Asset, Result<Vec<StressOutcome>, Unknown>)> {
    let book = view.book();
    let mut pools = Vec::new();
    for pool in book.pools_in_use() {
        // The one pool of multi-assets mode is no margin asset itself: any of them leads to it.
        let asset = match book.asset_mode() {
            AssetMode::Single => Some(pool),
            AssetMode::Multi => book.assets().next(),
        };
        let Some(asset) = asset else { continue };
        let outcomes = book.what_if_in(asset).and_then(|what_if| {
            let now = what_if.assess(horizon)?;
            let held: Vec<Held<'_>> = what_if.held().collect();
            scenarios
                .iter()
                .map(|(name, scenario)| {
                    run(&what_if, &held, &now, (name, scenario), Wanted::Reasons)
                })
                .collect()
        });
        pools.push((pool.clone(), outcomes));
    }
    pools
}

/// How a pool fares in a scenario. `after` is the assessment of `what_if`, `held` what it holds.
///
/// # Errors
/// What is not known of a held contract.
pub(super) fn run(
    what_if: &WhatIf<'_>,
    held: &[Held<'_>],
    after: &PoolAssessment,
    (name, scenario): (&str, &Scenario),
    wanted: Wanted,
) -> Result<StressOutcome, Unknown> {
    let outcome = shocked(after, what_if, held, &scenario.shock)?;
    let liquidated = outcome.is_liquidated(after.held);
    let mut dies = outcome.isolated_dead.clone();
    if liquidated {
        dies.extend(crossed(held));
    }
    let loss = after.margin_balance.minus(outcome.margin_balance)?;
    let reasons = (liquidated && wanted == Wanted::Reasons)
        .then(|| reasons(held, &scenario.shock, outcome.collateral_lost))
        .transpose()?;
    Ok(StressOutcome {
        reasons: reasons.map(Box::new),
        name: name.to_owned(),
        required: scenario.required,
        margin_balance: outcome.margin_balance,
        maintenance_margin: outcome.maintenance_margin,
        margin_ratio: outcome.margin_ratio()?,
        survives: !liquidated,
        dies,
        loss: Some(if liquidated {
            after.margin_balance.max(Amount::ZERO)
        } else {
            loss
        }),
        depegged: (what_if.asset_mode() == AssetMode::Single
            && scenario.shock.collateral.contains_key(after.asset.as_str()))
        .then(|| after.asset.clone()),
    })
}

fn reasons(held: &[Held<'_>], shock: &Shock, collateral_lost: Amount) -> Result<Reasons, Unknown> {
    let intervals = Decimal::from(shock.funding_intervals);
    let funding = shock.funding_rate.get().checked_mul(intervals);
    Ok(Reasons {
        positions: shocked_positions(held, shock)?,
        maintenance: shock.maintenance,
        funding: funding
            .filter(|_| shock.funding_intervals > 0)
            .map(Rate::new),
        collateral_lost,
    })
}

/// Those of the held contracts that are crossed.
pub(super) fn crossed(held: &[Held<'_>]) -> Vec<Symbol> {
    held.iter()
        .filter(|(_, state)| {
            state
                .settings
                .is_none_or(|settings| settings.risk_mode() == MarginMode::Crossed)
        })
        .map(|(symbol, _)| (*symbol).clone())
        .collect()
}

/// True when the pool's own figures already prove that it survives. Prices that move prove nothing in a
/// joint pool: a gain is counted there at the worse rate of its asset, which the pool's figures are not.
/// What is only paid and kept counts at the same rate in both.
#[must_use]
pub(super) fn surely_survived(after: &PoolAssessment, shock: &Shock) -> bool {
    let moves_prices = shock.all.is_some() || !shock.symbols.is_empty();
    let is_joint = !after.collateral.is_empty();
    if shock.is_prices_only() {
        !is_joint && nearer_than_the_end(after, shock)
    } else {
        let keeps_worth = !is_joint || shock.collateral.is_empty();
        !moves_prices && keeps_worth && covered(after, shock).unwrap_or(false)
    }
}

/// All held contracts move alike by less than the common move, or one contract alone by less than
/// the first killer's.
fn nearer_than_the_end(after: &PoolAssessment, shock: &Shock) -> bool {
    let Survival::Alive {
        first_killer,
        common_move,
    } = &after.survival
    else {
        return false;
    };
    match (shock.all, shock.symbols.len()) {
        // The common move is the nearer of fall and rise: beyond it nothing is proved.
        (Some(by), 0) => common_move.is_none_or(|common| by.abs() < common.by),
        (None, 1) => {
            let by = shock.symbols.values().next().copied().unwrap_or_default();
            first_killer
                .as_ref()
                .is_none_or(|killer| by.abs() < killer.by)
        }
        (None, 0) => true,
        _ => false,
    }
}

/// With prices where they are, a pool pays funding on its gross notional, and its maintenance margin
/// grows as a whole: no position has to be looked at. What is left has to be
/// more than cutting the figures could hide.
fn covered(after: &PoolAssessment, shock: &Shock) -> Result<bool, ArithmeticError> {
    let funding = after
        .notional_gross
        .times(shock.funding_rate)?
        .times(Rate::new(Decimal::from(shock.funding_intervals)))?;
    let maintenance = match shock.maintenance {
        Some(factor) => after.maintenance_margin.times(factor)?,
        None => after.maintenance_margin,
    };
    let left = after.margin_balance.minus(funding)?.minus(maintenance)?;
    Ok(left.get() > Decimal::new(1, 2))
}

/// How a requirement is written in the configuration.
#[must_use]
pub const fn required_name(required: Option<Level>) -> &'static str {
    match required {
        None => "off",
        Some(level) => level.name(),
    }
}
