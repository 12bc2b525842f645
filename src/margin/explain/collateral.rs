//! What each asset counts for in the one pool of multi-assets mode.
//!
//! Owns: the formulas of an asset's equity and of what all assets come to in USD.
//! Must not know: requirements, the formulas of single positions.

use super::super::amount::{Amount, ArithmeticError};
use super::super::book::Unknown;
use super::super::contribution::Contribution;
use super::super::pool::{CollateralFigures, PoolAssessment};
use super::pool::{Sums, join, or_zero};
use super::{Builder, Explained};

/// Every asset's figures, then what they come to together.
pub(super) fn explain(sums: &Sums<'_>) -> Result<Vec<Explained>, Unknown> {
    let pool = sums.pool;
    let mut figures = Vec::new();
    for row in &pool.collateral {
        figures.extend(of_asset(row, sums)?);
    }
    figures.push(valued(
        sums,
        "crossWalletBalance",
        pool.cross_wallet_balance,
        |row| Ok(row.cross_wallet_balance),
    )?);
    figures.push(valued(
        sums,
        "crossUnPnl",
        pool.cross_unrealized_pnl,
        profit,
    )?);
    figures.push(balance(sums.name, pool));
    figures.push(ring_fenced(sums)?);
    Ok(figures)
}

/// Unrealised profit of the positions margined in an asset.
fn profit(row: &CollateralFigures) -> Result<Amount, Unknown> {
    Ok(row.equity.minus(row.cross_wallet_balance)?)
}

fn of_asset(row: &CollateralFigures, sums: &Sums<'_>) -> Result<[Explained; 6], Unknown> {
    let name = format!("collateral {}", row.asset);
    let profit = profit(row)?;
    let over = |figure, value, part: Part| over_symbols(&name, row, sums, (figure, value), part);
    Ok([
        over("crossUnPnl", profit, |own| Ok(own.unrealized_pnl))?,
        Builder::of(&name)
            .with("crossWalletBalance", row.cross_wallet_balance.get())
            .with("crossUnPnl", profit.get())
            .is(
                "equity",
                row.equity.get(),
                "crossWalletBalance + crossUnPnl",
            ),
        Builder::of(&name)
            .with("equity", row.equity.get())
            .with("bidRate", row.bid.get())
            .with("askRate", row.ask.get())
            .is(
                "equityUsd",
                row.equity_usd.get(),
                "min(equity * bidRate, equity * askRate)",
            ),
        over("initialMargin", row.initial_margin, reserved)?,
        over("maintMargin", row.maintenance_margin, |own| {
            Ok(own.maintenance_margin)
        })?,
        Builder::of(&name)
            .with("availableUsd", sums.pool.available_balance.get())
            .with("askRate", row.ask.get())
            .is(
                "availableBalance",
                row.available_balance.get(),
                "availableUsd / askRate",
            ),
    ])
}

/// What of a symbol is added up.
type Part = fn(&Contribution) -> Result<Amount, ArithmeticError>;

/// What positions and orders of a symbol reserve.
fn reserved(own: &Contribution) -> Result<Amount, ArithmeticError> {
    own.position_initial_margin
        .plus(own.open_order_initial_margin)?
        .plus(own.isolated_open_order_initial_margin)
}

/// A figure that is the sum over the symbols margined in an asset.
fn over_symbols(
    name: &str,
    row: &CollateralFigures,
    sums: &Sums<'_>,
    (figure, value): (&'static str, Amount),
    part: Part,
) -> Result<Explained, Unknown> {
    let mut built = Builder::of(name);
    let mut formula = String::new();
    for (symbol, state) in sums.book.symbols() {
        if state.margin_asset.as_ref() != Some(&row.asset) || !sums.holds(state) {
            continue;
        }
        let own = part(&sums.contribution(symbol, state)?)?;
        if !own.is_zero() {
            let term = format!("{symbol}.{figure}");
            built = built.with(term.clone(), own.get());
            join(&mut formula, &term);
        }
    }
    Ok(built.is(figure, value.get(), or_zero(formula)))
}

/// Money of every asset: what is owned at the bid rate, what is owed at the ask rate.
fn valued(
    sums: &Sums<'_>,
    figure: &'static str,
    value: Amount,
    of: fn(&CollateralFigures) -> Result<Amount, Unknown>,
) -> Result<Explained, Unknown> {
    let mut built = Builder::of(sums.name);
    let mut formula = String::new();
    for row in &sums.pool.collateral {
        let own = of(row)?;
        if own.is_zero() {
            continue;
        }
        let term = format!("{}.{figure}", row.asset);
        let (rate_name, rate) = if own.is_negative() {
            (format!("{}.askRate", row.asset), row.ask)
        } else {
            (format!("{}.bidRate", row.asset), row.bid)
        };
        join(&mut formula, &format!("{term} * {rate_name}"));
        built = built.with(term, own.get()).with(rate_name, rate.get());
    }
    Ok(built.is(figure, value.get(), or_zero(formula)))
}

/// Owned and owed money have different rates, so this is not the sum of wallet and profit in USD.
fn balance(name: &str, pool: &PoolAssessment) -> Explained {
    let mut built = Builder::of(name);
    let mut formula = String::new();
    for row in &pool.collateral {
        let term = format!("{}.equityUsd", row.asset);
        join(&mut formula, &term);
        built = built.with(term, row.equity_usd.get());
    }
    built.is("marginBalance", pool.margin_balance.get(), or_zero(formula))
}

/// Nothing is isolated in multi-assets mode; what an account brought along all the same counts at the
/// bid rate.
fn ring_fenced(sums: &Sums<'_>) -> Result<Explained, Unknown> {
    let mut built = Builder::of(sums.name);
    let mut formula = String::new();
    for (symbol, state) in sums.book.symbols() {
        let asset = state.margin_asset.as_ref();
        let row = sums
            .pool
            .collateral
            .iter()
            .find(|row| asset == Some(&row.asset));
        let Some(row) = row.filter(|_| sums.holds(state)) else {
            continue;
        };
        let own = sums.contribution(symbol, state)?.isolated_wallet;
        if !own.is_zero() {
            let (term, rate) = (
                format!("{symbol}.ringFenced"),
                format!("{}.bidRate", row.asset),
            );
            join(&mut formula, &format!("{term} * {rate}"));
            built = built.with(term, own.get()).with(rate, row.bid.get());
        }
    }
    Ok(built.is("ringFenced", sums.pool.ring_fenced.get(), or_zero(formula)))
}
