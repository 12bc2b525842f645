//! The figures of a pool.
//!
//! Owns: their formulas, as sums over the positions of the sheet.
//! Must not know: the formulas of single positions.

use std::fmt::Write as _;

use rust_decimal::Decimal;

use super::super::account::{Asset, MarginMode, Symbol, SymbolState};
use super::super::amount::{Amount, ArithmeticError, Notional, Rate, exact_add, exact_sub};
use super::super::book::{Book, Unknown};
use super::super::change::withdrawable;
use super::super::collateral::converted;
use super::super::contribution::{AutoAdded, Contribution, Missing};
use super::super::liquidation::Direction;
use super::super::pool::{CommonMove, PoolAssessment, Survival, WalletAtRisk};
use super::{Builder, Explained, collateral};

/// What of a symbol is added up.
type Part = fn(&Contribution) -> Decimal;

/// Every figure of the pool.
pub(super) fn explain(
    book: &Book,
    asset: &Asset,
    horizon: Rate,
) -> Result<Vec<Explained>, Unknown> {
    let pool = book.assess(asset, horizon)?;
    let name = format!("pool {asset}");
    let sums = Sums {
        name: &name,
        book,
        asset,
        pool: &pool,
    };
    let mut figures = Vec::new();
    if pool.collateral.is_empty() {
        let profit = sums.of("crossUnPnl", pool.cross_unrealized_pnl, |c| {
            c.unrealized_pnl.get()
        })?;
        figures.push(profit);
        figures.push(balance_of_one_asset(&name, &pool));
        figures.push(sums.of("ringFenced", pool.ring_fenced, |c| c.isolated_wallet.get())?);
    } else {
        figures.extend(collateral::explain(&sums)?);
    }
    figures.push(sums.of("maintMargin", pool.maintenance_margin, |c| {
        c.maintenance_margin.get()
    })?);
    figures.push(
        sums.of("positionInitialMargin", pool.position_initial_margin, |c| {
            c.position_initial_margin.get()
        })?,
    );
    figures.push(sums.of(
        "openOrderInitialMargin",
        pool.open_order_initial_margin,
        |c| c.open_order_initial_margin.get(),
    )?);
    let gross = pool.notional_gross.as_amount();
    figures.push(sums.of("notionalGross", gross, |c| c.notional_gross.get())?);
    let net = pool.notional_net.as_amount();
    figures.push(sums.of("notionalNet", net, |c| c.notional_net.get())?);
    figures.extend(balance(&name, &pool, &sums)?);
    figures.extend(withdrawn(&name, &pool, &sums)?);
    figures.extend(survival(&pool, &sums)?);
    match &pool.wallet_at_risk {
        Some(risk) => {
            figures.push(at_risk(&pool, risk, &sums)?);
            figures.extend(shares_at_risk(&pool, risk, &name));
        }
        None => {
            let names = [
                "walletAtRisk",
                "walletAtRisk.fraction",
                "walletAtRisk.shareOfEverything",
            ];
            // Nothing is held crossed: no move takes anything.
            let nothing = |figure| Builder::of(&name).is(figure, Decimal::ZERO, "0");
            figures.extend(names.map(nothing));
        }
    }
    Ok(figures)
}

/// What crossed positions of one asset share; isolated positions that draw on it bring their wallets.
fn balance_of_one_asset(name: &str, pool: &PoolAssessment) -> Explained {
    let mut built = Builder::of(name)
        .with("crossWalletBalance", pool.cross_wallet_balance.get())
        .with("crossUnPnl", pool.cross_unrealized_pnl.get());
    let mut formula = "crossWalletBalance + crossUnPnl".to_owned();
    if !pool.auto_added.wallet.is_zero() {
        built = built.with("autoAddedWallets", pool.auto_added.wallet.get());
        formula.push_str(" + autoAddedWallets");
    }
    built.is("marginBalance", pool.margin_balance.get(), formula)
}

pub(super) fn join(formula: &mut String, term: &str) {
    if !formula.is_empty() {
        formula.push_str(" + ");
    }
    formula.push_str(term);
}

pub(super) fn or_zero(formula: String) -> String {
    if formula.is_empty() {
        "0".to_owned()
    } else {
        formula
    }
}

/// Sums over the symbols of a pool.
pub(super) struct Sums<'a> {
    pub(super) name: &'a str,
    pub(super) book: &'a Book,
    pub(super) asset: &'a Asset,
    pub(super) pool: &'a PoolAssessment,
}

impl Sums<'_> {
    /// A figure that is the sum of its symbols, each at the ask rate of its asset where assets stand
    /// together.
    fn of(&self, figure: &'static str, value: Amount, part: Part) -> Result<Explained, Unknown> {
        let mut built = Builder::of(self.name);
        let mut formula = String::new();
        for (symbol, state) in self.book.symbols() {
            if !self.holds(state) {
                continue;
            }
            let own = self.contribution(symbol, state)?;
            let own = part(&own);
            if own.is_zero() {
                continue;
            }
            let term = format!("{symbol}.{figure}");
            built = built.with(term.clone(), own);
            join(&mut formula, &term);
            if let Some((asset, ask)) = self.ask_of(state) {
                let _infallible = write!(formula, " * {asset}.askRate");
                built = built.with(format!("{asset}.askRate"), ask);
            }
        }
        Ok(built.is(figure, value.get(), or_zero(formula)))
    }

    pub(super) fn holds(&self, state: &SymbolState) -> bool {
        let asset = state.margin_asset.as_ref();
        let shares = asset.is_some_and(|asset| self.book.pool_of(asset) == self.asset);
        shares && !state.is_idle()
    }

    pub(super) fn contribution(
        &self,
        symbol: &Symbol,
        state: &SymbolState,
    ) -> Result<Contribution, Unknown> {
        Contribution::of(state, self.book.position_mode())
            .map_err(|missing: Missing| Unknown::Symbol(symbol.clone(), missing))
    }

    fn ask_of(&self, state: &SymbolState) -> Option<(String, Decimal)> {
        let asset = state.margin_asset.as_ref()?;
        let mut rows = self.pool.collateral.iter();
        let row = rows.find(|row| row.asset == *asset)?;
        Some((row.asset.to_string(), row.ask.get()))
    }

    /// The net notional, by asset, of the symbol that moves, or of all of them.
    fn moved(&self, only: Option<&Symbol>) -> Result<Vec<(Asset, Decimal)>, Unknown> {
        let mut moved: Vec<(Asset, Decimal)> = Vec::new();
        for (symbol, state) in self.book.symbols() {
            let Some(asset) = state.margin_asset.as_ref().filter(|_| self.holds(state)) else {
                continue;
            };
            if only.is_some_and(|only| only != symbol) {
                continue;
            }
            let net = self.contribution(symbol, state)?.notional_net.get();
            match moved.iter_mut().find(|(known, _)| known == asset) {
                Some((_, sum)) => *sum = exact_add(*sum, net)?,
                None => moved.push((asset.clone(), net)),
            }
        }
        Ok(moved)
    }

    /// Maintenance amounts, and notional × rate, of the tiers at `factor` × marks, summed over the
    /// symbols margined in this asset, or over all of the pool.
    fn tiers_at(
        &self,
        factor: Decimal,
        asset: Option<&Asset>,
    ) -> Result<(Decimal, Decimal), Unknown> {
        let (mut amounts, mut kept) = (Decimal::ZERO, Decimal::ZERO);
        for (_, state) in self.book.symbols() {
            let crossed = state
                .settings
                .is_some_and(|settings| settings.risk_mode() == MarginMode::Crossed);
            let known = state.mark.zip(state.brackets.as_deref());
            let here = asset.is_none_or(|asset| state.margin_asset.as_ref() == Some(asset));
            let counts = here && crossed && self.holds(state);
            let Some((mark, brackets)) = known.filter(|_| counts) else {
                continue;
            };
            for (_, leg) in state.legs.held() {
                let gross = mark.price().times(leg.quantity)?.abs();
                let there = gross.get().checked_mul(factor);
                let there = Notional::new(there.ok_or(ArithmeticError::Overflow)?);
                let tier = brackets.at(there);
                amounts = exact_add(amounts, tier.maintenance_amount.get())?;
                kept = exact_add(kept, gross.times(tier.maintenance_margin_rate)?.get())?;
            }
        }
        Ok((amounts, kept))
    }

    /// What orders of isolated symbols reserve in the pool.
    fn isolated_orders(&self) -> Result<Decimal, Unknown> {
        let mut sum = Amount::ZERO;
        for (symbol, state) in self.book.symbols() {
            let isolated = state
                .settings
                .is_some_and(|settings| settings.risk_mode() == MarginMode::Isolated);
            if self.holds(state) && isolated {
                let own = self.contribution(symbol, state)?;
                let own = own.isolated_open_order_initial_margin;
                let ask = self.ask_of(state).map(|(_, ask)| Rate::new(ask));
                sum = sum.plus(ask.map_or(Ok(own), |ask| own.times(ask))?)?;
            }
        }
        Ok(sum.get())
    }
}

fn balance(name: &str, pool: &PoolAssessment, sums: &Sums<'_>) -> Result<Vec<Explained>, Unknown> {
    let balance = pool.margin_balance.get();
    let maintenance = pool.maintenance_margin.get();
    let mut figures = vec![
        Builder::of(name)
            .with("positionInitialMargin", pool.position_initial_margin.get())
            .with(
                "openOrderInitialMargin",
                pool.open_order_initial_margin.get(),
            )
            .is(
                "initialMargin",
                pool.initial_margin.get(),
                "positionInitialMargin + openOrderInitialMargin",
            ),
        available(name, pool, sums)?,
        Builder::of(name)
            .with("marginBalance", balance)
            .with("maintMargin", maintenance)
            .is(
                "headroom",
                pool.headroom.get(),
                "marginBalance - maintMargin",
            ),
    ];
    if let Some(ratio) = pool.margin_ratio {
        figures.push(
            Builder::of(name)
                .with("maintMargin", maintenance)
                .with("marginBalance", balance)
                .is("marginRatio", ratio.get(), "maintMargin / marginBalance"),
        );
    }
    if let Some(leverage) = pool.account_leverage {
        figures.push(
            Builder::of(name)
                .with("notionalGross", pool.notional_gross.get())
                .with("marginBalance", balance)
                .is(
                    "accountLeverage",
                    leverage.get(),
                    "notionalGross / marginBalance",
                ),
        );
    }
    Ok(figures)
}

/// What orders can use: isolated positions that draw on the pool stand on their own here.
fn available(name: &str, pool: &PoolAssessment, sums: &Sums<'_>) -> Result<Explained, Unknown> {
    let mut built = Builder::of(name)
        .with("marginBalance", pool.margin_balance.get())
        .with("initialMargin", pool.initial_margin.get())
        .with("isolatedOpenOrderInitialMargin", sums.isolated_orders()?);
    let mut left = "marginBalance - initialMargin - isolatedOpenOrderInitialMargin".to_owned();
    let own = &pool.auto_added;
    if *own != AutoAdded::default() {
        built = built
            .with("autoAddedWallets", own.wallet.get())
            .with("autoAddedUnPnl", own.unrealized_pnl.get())
            .with("autoAddedInitialMargin", own.initial_margin.get());
        left.push_str(" - autoAddedWallets - autoAddedUnPnl + autoAddedInitialMargin");
    }
    let formula = format!("max(0, {left})");
    Ok(built.is("availableBalance", pool.available_balance.get(), formula))
}

/// What the exchange lets out of the pool; in multi-assets mode it depends on the asset.
fn withdrawn(
    name: &str,
    pool: &PoolAssessment,
    sums: &Sums<'_>,
) -> Result<Option<Explained>, Unknown> {
    if !pool.collateral.is_empty() {
        return Ok(None);
    }
    let built = Builder::of(name)
        .with("crossWalletBalance", pool.cross_wallet_balance.get())
        .with("isolatedOpenOrderInitialMargin", sums.isolated_orders()?)
        .with("maintMargin", pool.maintenance_margin.get())
        .with("availableBalance", pool.available_balance.get());
    Ok(Some(built.is(
        "maxWithdrawAmount",
        withdrawable(pool)?.get(),
        "max(0, min(crossWalletBalance - isolatedOpenOrderInitialMargin - maintMargin, \
         availableBalance))",
    )))
}

/// How far the pool is from its end: the nearest liquidation price of the sheet, and the move of all
/// together.
fn survival(pool: &PoolAssessment, sums: &Sums<'_>) -> Result<Vec<Explained>, Unknown> {
    let mut figures = Vec::new();
    let Survival::Alive {
        first_killer,
        common_move,
    } = &pool.survival
    else {
        figures.push(Builder::of(sums.name).is("distance", Decimal::ZERO, "0"));
        return Ok(figures);
    };
    let mut nearest = Builder::of(sums.name);
    let mut terms = Vec::new();
    if let Some(killer) = first_killer {
        let mark = sums
            .book
            .state(killer.symbol.as_str())
            .and_then(|state| state.mark);
        let mark = mark.ok_or_else(|| Unknown::Symbol(killer.symbol.clone(), Missing::Mark))?;
        let end = match killer.direction {
            Direction::Down => format!("{}.liquidationBelow", killer.symbol),
            Direction::Up => format!("{}.liquidationAbove", killer.symbol),
        };
        let price = killer.price.get();
        figures.push(Builder::of(sums.name).with(end.clone(), price).is(
            "firstKiller.price",
            price,
            end,
        ));
        figures.push(
            Builder::of(sums.name)
                .with("firstKiller.price", price)
                .with(format!("{}.markPrice", killer.symbol), mark.price().get())
                .is(
                    "firstKiller.move",
                    killer.by.get(),
                    format!("abs(firstKiller.price / {}.markPrice - 1)", killer.symbol),
                ),
        );
        nearest = nearest.with("firstKiller.move", killer.by.get());
        terms.push("firstKiller.move");
    }
    if let Some(common) = common_move {
        figures.push(if pool.collateral.is_empty() {
            common_figure(pool, sums, *common)?
        } else {
            joint_common_figure(pool, sums, *common)?
        });
        nearest = nearest.with("commonMove", common.by.get());
        terms.push("commonMove");
    }
    if let Some(distance) = pool.survival.distance() {
        let formula = match terms.as_slice() {
            [one] => (*one).to_owned(),
            all => format!("min({})", all.join(", ")),
        };
        figures.push(nearest.is("distance", distance.get(), formula));
    }
    Ok(figures)
}

/// The move of all marks together, as for one symbol: what is constant over what grows.
fn common_figure(
    pool: &PoolAssessment,
    sums: &Sums<'_>,
    common: CommonMove,
) -> Result<Explained, Unknown> {
    let (amounts, kept) = sums.tiers_at(factor_of(common)?, None)?;
    Ok(Builder::of(sums.name)
        .with("notionalNet", pool.notional_net.get())
        .with("maintMargin", pool.maintenance_margin.get())
        .with("headroom", pool.headroom.get())
        .with("cumThere", amounts)
        .with("keptThere", kept)
        .is(
            "commonMove",
            common.by.get(),
            "abs((notionalNet - maintMargin - headroom - cumThere) / (notionalNet - keptThere) - 1)",
        ))
}

/// What the marks are multiplied by.
fn factor_of(common: CommonMove) -> Result<Decimal, ArithmeticError> {
    match common.direction {
        Direction::Up => exact_add(Decimal::ONE, common.by.get()),
        Direction::Down => exact_sub(Decimal::ONE, common.by.get()),
    }
}

/// The same where assets stand together: each asset's equity at the rate of the sign that it has
/// there, its requirement at the ask.
fn joint_common_figure(
    pool: &PoolAssessment,
    sums: &Sums<'_>,
    common: CommonMove,
) -> Result<Explained, Unknown> {
    let factor = factor_of(common)?;
    let mut built = Builder::of(sums.name);
    let (mut fixed, mut growing) = (String::new(), String::new());
    let nets = sums.moved(None)?;
    for row in &pool.collateral {
        let asset = &row.asset;
        let net = nets.iter().find(|(known, _)| known == asset);
        let net = net.map_or(Decimal::ZERO, |(_, net)| *net);
        let (amounts, kept) = sums.tiers_at(factor, Some(asset))?;
        let moved = exact_sub(converted(net, factor)?, net)?;
        let there = exact_add(row.equity.get(), moved)?;
        let rate = if there.is_sign_negative() {
            row.ask
        } else {
            row.bid
        };
        built = built
            .with(format!("{asset}.rateThere"), rate.get())
            .with(format!("{asset}.equity"), row.equity.get())
            .with(format!("{asset}.notionalNet"), net)
            .with(format!("{asset}.askRate"), row.ask.get())
            .with(format!("{asset}.cumThere"), amounts)
            .with(format!("{asset}.keptThere"), kept);
        let held = format!(
            "{asset}.rateThere * ({asset}.equity - {asset}.notionalNet) \
             + {asset}.askRate * {asset}.cumThere"
        );
        join(&mut fixed, &held);
        let grows = format!(
            "({asset}.rateThere * {asset}.notionalNet - {asset}.askRate * {asset}.keptThere)"
        );
        join(&mut growing, &grows);
    }
    let formula = format!("abs(({fixed}) / ({growing}) + 1)");
    Ok(built.is("commonMove", common.by.get(), formula))
}

/// What the worst move takes: everything when it liquidates.
fn at_risk(
    pool: &PoolAssessment,
    risk: &WalletAtRisk,
    sums: &Sums<'_>,
) -> Result<Explained, Unknown> {
    if risk.amount == pool.margin_balance.max(Amount::ZERO) {
        let built = Builder::of(sums.name).with("marginBalance", pool.margin_balance.get());
        let whole = built.is("walletAtRisk", risk.amount.get(), "max(0, marginBalance)");
        return Ok(whole);
    }
    let by = risk.cause.by.get();
    let by = match risk.cause.direction {
        Direction::Up => by,
        Direction::Down => exact_sub(Decimal::ZERO, by)?,
    };
    let mut built = Builder::of(sums.name).with("move", by);
    let mut formula = String::new();
    for (asset, net) in sums.moved(risk.cause.symbol.as_ref())? {
        let Some(row) = pool.collateral.iter().find(|row| row.asset == asset) else {
            built = built.with("notionalMoved", net);
            formula = "abs(notionalMoved * move)".to_owned();
            continue;
        };
        built = built
            .with(format!("{asset}.equityUsd"), row.equity_usd.get())
            .with(format!("{asset}.equity"), row.equity.get())
            .with(format!("{asset}.notionalMoved"), net)
            .with(format!("{asset}.bidRate"), row.bid.get())
            .with(format!("{asset}.askRate"), row.ask.get());
        let there = format!("({asset}.equity + {asset}.notionalMoved * move)");
        join(
            &mut formula,
            &format!(
                "{asset}.equityUsd - min({there} * {asset}.bidRate, {there} * {asset}.askRate)"
            ),
        );
    }
    Ok(built.is("walletAtRisk", risk.amount.get(), formula))
}

/// The same as fractions: of what crossed positions share, and of all there is.
fn shares_at_risk(pool: &PoolAssessment, risk: &WalletAtRisk, name: &str) -> Vec<Explained> {
    let mut figures = Vec::new();
    let built = || {
        Builder::of(name)
            .with("walletAtRisk", risk.amount.get())
            .with("marginBalance", pool.margin_balance.get())
    };
    if pool.margin_balance.is_positive() {
        let formula = "walletAtRisk / marginBalance";
        figures.push(built().is("walletAtRisk.fraction", risk.fraction.get(), formula));
    }
    if let Some(share) = pool.share_at_risk() {
        let built = built().with("ringFenced", pool.ring_fenced.get());
        let formula = "walletAtRisk / (marginBalance + ringFenced)";
        figures.push(built.is("walletAtRisk.shareOfEverything", share.get(), formula));
    }
    figures
}
