//! A pool's figures.
//!
//! Owns: how a pool is told: Binance's names where Binance has one, ours beside them.
//! Must not know: how any figure is computed.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::figure::Figure;
use super::inputs::MissingEntry;
use super::names;
use crate::daemon::report::PoolReport;
use crate::margin::change::withdrawable;
use crate::margin::pool::{self, PoolAssessment, Survival};

/// One pool: crossed positions only. Money is in `asset`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PoolFigures<'a> {
    /// The pool's asset.
    pub asset: Cow<'a, str>,
    /// What crossed positions share, without unrealised profit.
    pub cross_wallet_balance: Figure,
    /// Unrealised profit of crossed positions.
    #[serde(rename = "crossUnPnl")]
    pub cross_unrealized_pnl: Figure,
    /// Both together.
    pub margin_balance: Figure,
    /// Initial margin of crossed positions.
    pub position_initial_margin: Figure,
    /// What working orders of crossed symbols add.
    pub open_order_initial_margin: Figure,
    /// Both together.
    pub initial_margin: Figure,
    /// Maintenance margin of crossed positions.
    #[serde(rename = "maintMargin")]
    pub maintenance_margin: Figure,
    /// What new orders can use.
    pub available_balance: Figure,
    /// What the exchange lets out of the pool: unrealised profit stays. `null` in multi-assets mode,
    /// where it depends on the asset.
    pub max_withdraw_amount: Figure,
    /// Maintenance ÷ margin balance: 1 is liquidation.
    pub margin_ratio: Figure,
    /// Margin balance − maintenance margin.
    pub headroom: Figure,
    /// The smaller of the first killer's move and the common move; 0 when liquidatable now, `null`
    /// when no move liquidates.
    pub distance: Figure,
    /// What the worst adverse move takes.
    pub wallet_at_risk: Option<WalletAtRisk<'a>>,
    /// Money this pool cannot take.
    pub ring_fenced: Figure,
    /// The symbol whose smallest move, alone, liquidates; `null` when none can.
    pub first_killer: Option<FirstKiller<'a>>,
    /// The smallest move of all held symbols together that liquidates; `null` when none does.
    pub common_move: Figure,
    /// Which way that move goes.
    pub common_move_direction: Option<Cow<'a, str>>,
    /// Sum of absolute notionals.
    pub notional_gross: Figure,
    /// Signed sum of notionals.
    pub notional_net: Figure,
    /// Gross notional ÷ margin balance.
    pub account_leverage: Figure,
    /// The pool is liquidatable at this moment.
    pub liquidatable: bool,
}

/// What the worst adverse move takes from a pool.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct WalletAtRisk<'a> {
    /// Money lost.
    pub amount: Figure,
    /// The same as a fraction of the margin balance.
    pub fraction: Figure,
    /// The same as a fraction of the margin balance and the ring-fenced money together; `null` when
    /// they are not above zero.
    #[serde(rename = "shareOfEverything")]
    pub share: Figure,
    /// How far prices move; `null` when nothing is held.
    #[serde(rename = "move")]
    pub by: Figure,
    /// Which way.
    pub direction: Option<Cow<'a, str>>,
    /// The symbol that moves; `null` when all held symbols move together.
    pub symbol: Option<Cow<'a, str>>,
}

/// The symbol whose smallest move, alone, liquidates the pool.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct FirstKiller<'a> {
    /// Contract.
    pub symbol: Cow<'a, str>,
    /// Which way it moves.
    pub direction: Cow<'a, str>,
    /// How far, as a fraction of its mark.
    #[serde(rename = "move")]
    pub by: Figure,
    /// The price it reaches.
    pub price: Figure,
}

impl<'a> From<&'a PoolAssessment> for PoolFigures<'a> {
    fn from(pool: &'a PoolAssessment) -> Self {
        let (first_killer, common_move) = match &pool.survival {
            Survival::Liquidatable => (None, None),
            Survival::Alive {
                first_killer,
                common_move,
            } => (first_killer.as_ref(), *common_move),
        };
        Self {
            asset: Cow::Borrowed(pool.asset.as_str()),
            cross_wallet_balance: Figure::money(pool.cross_wallet_balance),
            cross_unrealized_pnl: Figure::money(pool.cross_unrealized_pnl),
            margin_balance: Figure::money(pool.margin_balance),
            position_initial_margin: Figure::margin(pool.position_initial_margin),
            open_order_initial_margin: Figure::margin(pool.open_order_initial_margin),
            initial_margin: Figure::margin(pool.initial_margin),
            maintenance_margin: Figure::money(pool.maintenance_margin),
            available_balance: Figure::money(pool.available_balance),
            max_withdraw_amount: withdrawable_of(pool),
            margin_ratio: pool.margin_ratio.map_or(Figure::NONE, Figure::fraction),
            headroom: Figure::money(pool.headroom),
            distance: pool
                .survival
                .distance()
                .map_or(Figure::NONE, Figure::fraction),
            wallet_at_risk: Some(wallet_at_risk(pool)),
            ring_fenced: Figure::money(pool.ring_fenced),
            first_killer: first_killer.map(FirstKiller::from),
            common_move: common_move.map_or(Figure::NONE, |common| Figure::fraction(common.by)),
            common_move_direction: common_move
                .map(|common| Cow::Borrowed(names::direction(common.direction))),
            notional_gross: Figure::notional(pool.notional_gross),
            notional_net: Figure::notional(pool.notional_net),
            account_leverage: pool.account_leverage.map_or(Figure::NONE, Figure::fraction),
            liquidatable: matches!(pool.survival, Survival::Liquidatable),
        }
    }
}

impl<'a> From<&'a PoolReport> for PoolFigures<'a> {
    fn from(report: &'a PoolReport) -> Self {
        match &report.figures {
            Ok(figures) => Self::from(figures),
            Err(_) => Self {
                asset: Cow::Borrowed(report.asset.as_str()),
                ..Self::default()
            },
        }
    }
}

/// What the exchange lets out; where several assets stand together it depends on the asset.
fn withdrawable_of(pool: &PoolAssessment) -> Figure {
    if pool.collateral.is_empty() {
        withdrawable(pool).map_or(Figure::NONE, Figure::margin)
    } else {
        Figure::NONE
    }
}

/// Nothing held crossed: the worst move takes nothing, and there is no such move.
fn wallet_at_risk(pool: &PoolAssessment) -> WalletAtRisk<'_> {
    let zero = Figure::exact(rust_decimal::Decimal::ZERO);
    match &pool.wallet_at_risk {
        None => WalletAtRisk {
            amount: zero,
            fraction: zero,
            share: zero,
            ..WalletAtRisk::default()
        },
        Some(risk) => WalletAtRisk {
            amount: Figure::money(risk.amount),
            fraction: Figure::fraction(risk.fraction),
            share: pool.share_at_risk().map_or(Figure::NONE, Figure::fraction),
            by: Figure::fraction(risk.cause.by),
            direction: Some(Cow::Borrowed(names::direction(risk.cause.direction))),
            symbol: risk
                .cause
                .symbol
                .as_ref()
                .map(|symbol| Cow::Borrowed(symbol.as_str())),
        },
    }
}

impl<'a> From<&'a pool::FirstKiller> for FirstKiller<'a> {
    fn from(killer: &'a pool::FirstKiller) -> Self {
        Self {
            symbol: Cow::Borrowed(killer.symbol.as_str()),
            direction: Cow::Borrowed(names::direction(killer.direction)),
            by: Figure::fraction(killer.by),
            price: Figure::price(killer.price),
        }
    }
}

/// The figures of a known pool that are `null`, with their reason.
pub fn note_missing<'a>(
    pool: &PoolFigures<'_>,
    path: &'static str,
    missing: &mut Vec<MissingEntry<'a>>,
) {
    const REASON: &str = "the margin balance is not above zero";
    if !pool.margin_balance.is_known() {
        return;
    }
    for (name, figure) in [
        ("marginRatio", pool.margin_ratio),
        ("accountLeverage", pool.account_leverage),
    ] {
        if !figure.is_known() {
            missing.push(MissingEntry::plain(format!("{path}.{name}").into(), REASON));
        }
    }
}

/// After − before, of every figure that is a number on both sides; else `null`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PoolDifference {
    /// Of what crossed positions share.
    pub cross_wallet_balance: Figure,
    /// Of unrealised profit.
    #[serde(rename = "crossUnPnl")]
    pub cross_unrealized_pnl: Figure,
    /// Of the margin balance.
    pub margin_balance: Figure,
    /// Of the initial margin of positions.
    pub position_initial_margin: Figure,
    /// Of what working orders add.
    pub open_order_initial_margin: Figure,
    /// Of both together.
    pub initial_margin: Figure,
    /// Of maintenance margin.
    #[serde(rename = "maintMargin")]
    pub maintenance_margin: Figure,
    /// Of what new orders can use.
    pub available_balance: Figure,
    /// Of what the exchange lets out.
    pub max_withdraw_amount: Figure,
    /// Of maintenance ÷ margin balance.
    pub margin_ratio: Figure,
    /// Of headroom.
    pub headroom: Figure,
    /// Of the distance.
    pub distance: Figure,
    /// Of the money at risk.
    pub wallet_at_risk: Figure,
    /// Of the money this pool cannot take.
    pub ring_fenced: Figure,
    /// Of the sum of absolute notionals.
    pub notional_gross: Figure,
    /// Of the signed sum of notionals.
    pub notional_net: Figure,
    /// Of gross notional ÷ margin balance.
    pub account_leverage: Figure,
}

impl PoolDifference {
    /// What changes between two looks at a pool.
    #[must_use]
    pub fn between(
        before: Option<&PoolFigures<'_>>,
        after: Option<&PoolFigures<'_>>,
    ) -> Option<Self> {
        let (before, after) = (before?, after?);
        let of = |figure: fn(&PoolFigures<'_>) -> Figure| {
            let pair = figure(after).0.zip(figure(before).0);
            Figure(pair.and_then(|(after, before)| after.checked_sub(before)))
        };
        Some(Self {
            cross_wallet_balance: of(|pool| pool.cross_wallet_balance),
            cross_unrealized_pnl: of(|pool| pool.cross_unrealized_pnl),
            margin_balance: of(|pool| pool.margin_balance),
            position_initial_margin: of(|pool| pool.position_initial_margin),
            open_order_initial_margin: of(|pool| pool.open_order_initial_margin),
            initial_margin: of(|pool| pool.initial_margin),
            maintenance_margin: of(|pool| pool.maintenance_margin),
            available_balance: of(|pool| pool.available_balance),
            max_withdraw_amount: of(|pool| pool.max_withdraw_amount),
            margin_ratio: of(|pool| pool.margin_ratio),
            headroom: of(|pool| pool.headroom),
            distance: of(|pool| pool.distance),
            wallet_at_risk: of(|pool| {
                let risk = pool.wallet_at_risk.as_ref();
                risk.map_or(Figure::NONE, |risk| risk.amount)
            }),
            ring_fenced: of(|pool| pool.ring_fenced),
            notional_gross: of(|pool| pool.notional_gross),
            notional_net: of(|pool| pool.notional_net),
            account_leverage: of(|pool| pool.account_leverage),
        })
    }
}

/// What an answer says of the pool's safety; a part of [`PoolFigures`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PoolSafety<'a> {
    /// Margin balance − maintenance margin.
    pub headroom: Figure,
    /// The smaller of the first killer's move and the common move.
    pub distance: Figure,
    /// What the worst adverse move takes.
    pub wallet_at_risk: Option<WalletAtRisk<'a>>,
    /// Money this pool cannot take.
    pub ring_fenced: Figure,
    /// The symbol whose smallest move, alone, liquidates.
    pub first_killer: Option<FirstKiller<'a>>,
    /// The smallest move of all held symbols together that liquidates.
    pub common_move: Figure,
    /// Which way that move goes.
    pub common_move_direction: Option<Cow<'a, str>>,
    /// The pool is liquidatable at this moment.
    pub liquidatable: bool,
}

impl<'a> From<&PoolFigures<'a>> for PoolSafety<'a> {
    fn from(pool: &PoolFigures<'a>) -> Self {
        Self {
            headroom: pool.headroom,
            distance: pool.distance,
            wallet_at_risk: pool.wallet_at_risk.clone(),
            ring_fenced: pool.ring_fenced,
            first_killer: pool.first_killer.clone(),
            common_move: pool.common_move,
            common_move_direction: pool.common_move_direction.clone(),
            liquidatable: pool.liquidatable,
        }
    }
}
