//! Figures of pools and positions by the names that scenarios give them.

use crossguard::margin::account::PositionSide;
use crossguard::margin::attribution::LossWithoutLiquidation;
use crossguard::margin::change::withdrawable;
use crossguard::margin::liquidation::{Direction, LiquidationPrices};
use crossguard::margin::pool::{FirstKiller, PoolAssessment, Survival};
use crossguard::margin::position::PositionAssessment;
use rust_decimal::Decimal;

/// The symbol that ends it first.
pub(crate) fn first_killer(pool: &PoolAssessment) -> Option<&FirstKiller> {
    match &pool.survival {
        Survival::Alive { first_killer, .. } => first_killer.as_ref(),
        Survival::Liquidatable => None,
    }
}

/// A pool's figure; `None` where there is none.
pub(crate) fn pool_figure(pool: &PoolAssessment, figure: &str) -> Result<Option<Decimal>, String> {
    let killer = first_killer(pool);
    let common = match &pool.survival {
        Survival::Alive { common_move, .. } => common_move.as_ref(),
        Survival::Liquidatable => None,
    };
    Ok(match figure {
        "marginBalance" => Some(pool.margin_balance.get()),
        "crossUnPnl" => Some(pool.cross_unrealized_pnl.get()),
        "maintMargin" => Some(pool.maintenance_margin.get()),
        "initialMargin" => Some(pool.initial_margin.get()),
        "positionInitialMargin" => Some(pool.position_initial_margin.get()),
        "openOrderInitialMargin" => Some(pool.open_order_initial_margin.get()),
        "availableBalance" => Some(pool.available_balance.get()),
        "headroom" => Some(pool.headroom.get()),
        "marginRatio" => pool.margin_ratio.map(|rate| rate.get()),
        "ringFenced" => Some(pool.ring_fenced.get()),
        "distance" => pool.survival.distance().map(|rate| rate.get()),
        "firstKiller" => killer.map(|killer| killer.by.get()),
        "firstKillerPrice" => killer.map(|killer| killer.price.get()),
        "commonMove" => common.map(|common| common.by.get()),
        "crossWalletBalance" => Some(pool.cross_wallet_balance.get()),
        "notionalGross" => Some(pool.notional_gross.get()),
        "notionalNet" => Some(pool.notional_net.get()),
        "held" => Some(Decimal::from(pool.held)),
        "liquidatable" => Some(yes(pool.survival == Survival::Liquidatable)),
        "walletAtRisk" => pool.wallet_at_risk.as_ref().map(|risk| risk.amount.get()),
        "walletAtRiskFraction" => pool.wallet_at_risk.as_ref().map(|risk| risk.fraction.get()),
        "maxWithdrawAmount" if pool.collateral.is_empty() => {
            Some(withdrawable(pool).map_err(|error| error.to_string())?.get())
        }
        "accountLeverage" => pool.account_leverage.map(|rate| rate.get()),
        other => return collateral_figure(pool, other),
    })
}

/// `of.ASSET.FIGURE`: one asset of a joint pool.
fn collateral_figure(pool: &PoolAssessment, figure: &str) -> Result<Option<Decimal>, String> {
    let words: Vec<&str> = figure.split('.').collect();
    let ["of", asset, figure] = words[..] else {
        return Err(format!("unknown figure {figure}"));
    };
    let row = pool
        .collateral
        .iter()
        .find(|row| row.asset.as_str() == asset);
    let row = row.ok_or("no such asset in the pool")?;
    if figure == "autoExchangeBelow" {
        return Ok(row.auto_exchange_below.map(|below| below.get()));
    }
    Ok(Some(match figure {
        "autoExchangeDue" => yes(row.auto_exchange_due),
        "bid" => row.bid.get(),
        "ask" => row.ask.get(),
        "equity" => row.equity.get(),
        "equityUsd" => row.equity_usd.get(),
        "availableBalance" => row.available_balance.get(),
        other => return Err(format!("unknown figure {other}")),
    }))
}

fn yes(truth: bool) -> Decimal {
    Decimal::from(u8::from(truth))
}

/// A leg's figure; `None` where there is none.
pub(crate) fn leg_figure(
    positions: &[PositionAssessment],
    side: PositionSide,
    figure: &str,
) -> Result<Option<Decimal>, String> {
    let position = positions
        .iter()
        .find(|position| position.position_side == side);
    position_figure(position.ok_or("no such leg")?, figure)
}

fn position_figure(position: &PositionAssessment, figure: &str) -> Result<Option<Decimal>, String> {
    let on = |direction| position.liquidation.on(direction).map(|price| price.get());
    Ok(match figure {
        "liquidationPrice" => position.liquidation.headline().map(|price| price.get()),
        "liquidationBelow" => on(Direction::Down),
        "liquidationAbove" => on(Direction::Up),
        "liquidatable" => Some(yes(
            position.liquidation == LiquidationPrices::AlreadyLiquidatable
        )),
        "amount" => Some(position.leg.quantity.get()),
        "entryPrice" => Some(position.leg.entry_price.get()),
        "isolatedWallet" => Some(position.leg.isolated_wallet.get()),
        "distance" => {
            let distance = position.distance().map_err(|error| error.to_string())?;
            distance.map(|rate| rate.get())
        }
        "unRealizedProfit" => Some(position.unrealized_pnl.get()),
        "maintMargin" => Some(position.maintenance_margin.get()),
        "initialMargin" => Some(position.initial_margin.get()),
        "notional" => Some(position.notional.get()),
        "ticket" => Some(position.ticket.get()),
        "spill" => Some(position.spill.get()),
        "lossWithoutLiquidation" => match position.loss_without_liquidation {
            LossWithoutLiquidation::Bounded(amount) => Some(amount.get()),
            LossWithoutLiquidation::Unbounded | LossWithoutLiquidation::Ended => None,
        },
        "unbounded" => Some(yes(
            position.loss_without_liquidation == LossWithoutLiquidation::Unbounded
        )),
        "maintMarginShare" | "headroomPart" | "lossDown" | "lossUp" => {
            let Some(part) = &position.attribution else {
                return Ok(None);
            };
            match figure {
                "maintMarginShare" => part.maintenance_share.map(|share| share.get()),
                "headroomPart" => Some(part.headroom.get()),
                "lossDown" => Some(part.loss_down.get()),
                _ => Some(part.loss_up.get()),
            }
        }
        other => return Err(format!("unknown figure {other}")),
    })
}
