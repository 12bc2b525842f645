//! All assets of an account as one pool, counted in USD.
//!
//! Owns: the figures of multi-assets mode: collateral at bid and ask rates, requirements at the
//! ask, the searches across assets whose worth changes its rate where it changes its sign.
//! Must not know: how one asset's sums are kept, where rates come from.
//!
//! An asset's equity `E` counts `min(E·bid, E·ask)`, which is concave; so headroom along one price
//! is the smaller of two concave functions (the asset owned, the asset owed), and its roots are the
//! nearer of theirs. Along a common move it stays concave and piecewise linear, and Newton's method
//! from the outside stays exact.
//!
//! Source: margin-math §15.

use rust_decimal::Decimal;

use super::super::account::{Asset, AssetMode};
use super::super::amount::{
    Amount, ArithmeticError, Notional, Price, QUOTIENT_DECIMALS, QUOTIENT_NOISE_DECIMALS, Rate,
    exact_add, exact_sub, round,
};
use super::super::collateral::{Collateral, CollateralRate, converted, weighted};
use super::super::contribution::AutoAdded;
use super::super::liquidation::{Direction, Exposure, LiquidationPrices, Weights};
use super::figures::{
    AdverseMove, BalanceSheet, CollateralFigures, FirstKiller, PoolAssessment, Survival,
    WalletAtRisk,
};
use super::search::{CommonLine, common_newton, nearer};
use super::view::PoolView;
use super::{Members, SymbolId};

/// One asset of the joint pool.
pub(in crate::margin) struct Part<'a, M> {
    /// Its own sums and symbols.
    pub(in crate::margin) view: PoolView<'a, M>,
    /// Its rates.
    pub(in crate::margin) rate: CollateralRate,
    /// What else is known of it.
    pub(in crate::margin) collateral: Collateral,
}

/// The account's one pool.
pub(in crate::margin) struct JointView<'a, M> {
    /// USD.
    pub(in crate::margin) asset: &'a Asset,
    /// Every asset with a balance, a position or an order.
    pub(in crate::margin) parts: Vec<Part<'a, M>>,
}

impl<M: Members> Part<'_, M> {
    fn equity(&self) -> Result<Amount, ArithmeticError> {
        self.view.margin_balance()
    }

    fn initial_margin(&self) -> Result<Amount, ArithmeticError> {
        let reserved = self.view.initial_margin()?;
        reserved.plus(self.view.sums.isolated_open_order_initial_margin)
    }

    /// Equity after all marks of this asset's symbols moved by `by` (signed).
    fn equity_after(&self, by: Rate) -> Result<Amount, ArithmeticError> {
        self.equity()?.plus(self.view.sums.notional_net.times(by)?)
    }

    /// What this asset adds to headroom with every mark multiplied by `factor`, as a line through
    /// that factor. The rate is the one of the sign that equity has there.
    fn line(&self, factor: Decimal, direction: Direction) -> Result<CommonLine, ArithmeticError> {
        let sums = &self.view.sums;
        let net = sums.notional_net.get();
        let fixed = exact_sub(self.equity()?.get(), net)?;
        let there = exact_add(fixed, converted(net, factor)?)?;
        let rate = self.rate.of(Amount::new(there)).get();
        let ask = self.rate.ask().get();
        let tiers = self.view.tier_change(factor, direction)?;
        let demanded = exact_add(exact_sub(sums.slope.get(), net)?, tiers.slope)?;
        let amounts = exact_add(sums.maintenance_amount.get(), tiers.constant)?;
        Ok(CommonLine {
            slope: growth((net, rate), (demanded, ask))?,
            constant: exact_add(converted(fixed, rate)?, converted(amounts, ask)?)?,
        })
    }

    /// The same line beyond every change of tier and of sign.
    fn line_far(&self) -> Result<CommonLine, ArithmeticError> {
        let sums = &self.view.sums;
        let net = sums.notional_net.get();
        let fixed = exact_sub(self.equity()?.get(), net)?;
        let sign = if net.is_zero() { fixed } else { net };
        let rate = self.rate.of(Amount::new(sign)).get();
        let ask = self.rate.ask().get();
        let demanded = exact_sub(sums.slope_highest.get(), net)?;
        let amounts = sums.maintenance_amount_highest.get();
        Ok(CommonLine {
            slope: growth((net, rate), (demanded, ask))?,
            constant: exact_add(converted(fixed, rate)?, converted(amounts, ask)?)?,
        })
    }
}

impl<M: Members> JointView<'_, M> {
    /// All figures.
    pub(in crate::margin) fn assess(
        &self,
        horizon: Rate,
    ) -> Result<PoolAssessment, ArithmeticError> {
        let sheet = self.balance_sheet()?;
        let notional_gross = self.notional_gross()?;
        let survival = self.survival(sheet.headroom, notional_gross)?;
        let wallet_at_risk = if notional_gross.is_zero() {
            None
        } else {
            Some(self.wallet_at_risk(horizon, &survival, sheet.margin_balance)?)
        };
        let held = self.parts.iter().map(|part| part.view.held());
        Ok(PoolAssessment {
            asset: self.asset.clone(),
            cross_wallet_balance: self.valued(|part| Ok(part.view.cross_wallet_balance))?,
            cross_unrealized_pnl: self.valued(|part| Ok(part.view.sums.unrealized_pnl))?,
            margin_balance: sheet.margin_balance,
            position_initial_margin: self
                .charged(|part| Ok(part.view.sums.position_initial_margin))?,
            open_order_initial_margin: self
                .charged(|part| Ok(part.view.sums.open_order_initial_margin))?,
            initial_margin: sheet.initial_margin,
            maintenance_margin: sheet.maintenance_margin,
            available_balance: sheet.available_balance,
            margin_ratio: sheet.margin_ratio,
            headroom: sheet.headroom,
            isolated_open_order_initial_margin: self
                .charged(|part| Ok(part.view.sums.isolated_open_order_initial_margin))?,
            auto_added: AutoAdded {
                wallet: self.valued(|part| Ok(part.view.sums.auto_added.wallet))?,
                unrealized_pnl: self.valued(|part| Ok(part.view.sums.auto_added.unrealized_pnl))?,
                initial_margin: self
                    .charged(|part| Ok(part.view.sums.auto_added.initial_margin))?,
            },
            ring_fenced: self.valued(|part| Ok(part.view.sums.isolated_wallet))?,
            notional_gross: Notional::new(notional_gross.get()),
            notional_net: Notional::new(
                self.charged(|part| Ok(part.view.sums.notional_net.as_amount()))?
                    .get(),
            ),
            account_leverage: sheet.account_leverage,
            held: held.fold(0, usize::saturating_add),
            survival,
            wallet_at_risk,
            collateral: self.collateral(sheet.available_balance)?,
        })
    }

    /// What follows from the sums and rates alone.
    pub(in crate::margin) fn balance_sheet(&self) -> Result<BalanceSheet, ArithmeticError> {
        let margin_balance = self.margin_balance()?;
        let maintenance_margin = self.maintenance_margin()?;
        let positions = self.charged(|part| Ok(part.view.sums.position_initial_margin))?;
        let orders = self.charged(|part| Ok(part.view.sums.open_order_initial_margin))?;
        let solvent = margin_balance.is_positive();
        let over_balance =
            |figure: Amount| solvent.then(|| figure.over(margin_balance)).transpose();
        Ok(BalanceSheet {
            margin_balance,
            initial_margin: positions.plus(orders)?,
            maintenance_margin,
            available_balance: self.available_usd()?,
            headroom: margin_balance.minus(maintenance_margin)?,
            margin_ratio: over_balance(maintenance_margin)?,
            account_leverage: over_balance(self.notional_gross()?)?,
        })
    }

    fn notional_gross(&self) -> Result<Amount, ArithmeticError> {
        self.charged(|part| Ok(part.view.sums.notional_gross.as_amount()))
    }

    fn collateral(&self, available_usd: Amount) -> Result<Vec<CollateralFigures>, ArithmeticError> {
        let figures = |part: &Part<'_, M>| {
            let wallet = part.view.cross_wallet_balance;
            let below = part.collateral.auto_exchange_below;
            let equity = part.equity()?;
            Ok(CollateralFigures {
                asset: part.view.asset.clone(),
                bid: part.rate.bid(),
                ask: part.rate.ask(),
                cross_wallet_balance: wallet,
                equity,
                equity_usd: part.rate.value(equity)?,
                initial_margin: part.initial_margin()?,
                maintenance_margin: part.view.sums.maintenance_margin,
                available_balance: part.rate.from_usd(available_usd)?,
                auto_exchange_below: below,
                auto_exchange_due: below.is_some_and(|below| wallet < below),
            })
        };
        self.parts.iter().map(figures).collect()
    }

    fn valued(
        &self,
        of: impl Fn(&Part<'_, M>) -> Result<Amount, ArithmeticError>,
    ) -> Result<Amount, ArithmeticError> {
        self.parts.iter().try_fold(Amount::ZERO, |sum, part| {
            sum.plus(part.rate.value(of(part)?)?)
        })
    }

    fn charged(
        &self,
        of: impl Fn(&Part<'_, M>) -> Result<Amount, ArithmeticError>,
    ) -> Result<Amount, ArithmeticError> {
        self.parts.iter().try_fold(Amount::ZERO, |sum, part| {
            sum.plus(part.rate.charge(of(part)?)?)
        })
    }

    fn margin_balance(&self) -> Result<Amount, ArithmeticError> {
        self.valued(|part| part.equity())
    }

    /// Margin balance less what positions and orders reserve, in USD; never below zero.
    ///
    /// Source: margin-math §15 (vector C02).
    pub(in crate::margin) fn available_usd(&self) -> Result<Amount, ArithmeticError> {
        let reserved = self.charged(|part| part.initial_margin())?;
        // Only the quotients have noise (see `view`).
        let reserved = Amount::new(round(reserved.get(), QUOTIENT_NOISE_DECIMALS));
        Ok(self.margin_balance()?.minus(reserved)?.max(Amount::ZERO))
    }

    /// Maintenance margin of all positions, in USD.
    pub(in crate::margin) fn maintenance_margin(&self) -> Result<Amount, ArithmeticError> {
        self.charged(|part| Ok(part.view.sums.maintenance_margin))
    }

    fn headroom(&self) -> Result<Amount, ArithmeticError> {
        self.margin_balance()?.minus(self.maintenance_margin()?)
    }

    /// Liquidation prices of one symbol's crossed legs; `None` when it holds none.
    pub(in crate::margin) fn liquidation_prices(
        &self,
        id: SymbolId,
    ) -> Result<Option<LiquidationPrices>, ArithmeticError> {
        let headroom = self.headroom()?;
        for part in &self.parts {
            let Some(branches) = branches(part, id, headroom)? else {
                continue;
            };
            let prices = branches.counted.liquidation_prices()?;
            let LiquidationPrices::Alive { slope, .. } = prices else {
                return Ok(Some(prices));
            };
            return Ok(Some(LiquidationPrices::Alive {
                below: branches.root(Direction::Down)?,
                above: branches.root(Direction::Up)?,
                slope,
            }));
        }
        Ok(None)
    }

    fn survival(&self, headroom: Amount, gross: Amount) -> Result<Survival, ArithmeticError> {
        if gross.is_zero() {
            return Ok(Survival::Alive {
                first_killer: None,
                common_move: None,
            });
        }
        if !headroom.is_positive() {
            return Ok(Survival::Liquidatable);
        }
        Ok(Survival::Alive {
            first_killer: self.first_killer(headroom)?,
            common_move: nearer(self.common_fall()?, self.common_rise()?)?,
        })
    }

    fn first_killer(&self, headroom: Amount) -> Result<Option<FirstKiller>, ArithmeticError> {
        let mut best = None;
        for part in &self.parts {
            let root = |id, direction| match branches(part, id, headroom)? {
                Some(branches) => branches.root(direction),
                None => Ok(None),
            };
            let twice_the_bid = part.rate.bid().plus(part.rate.bid())?;
            let ordered = part.view.pool.mode == AssetMode::Multi;
            if !ordered || twice_the_bid < part.rate.ask() {
                // The order of the index rests on a bid of at least half the ask.
                part.view.hunt_all(root, &mut best)?;
            } else {
                let weigh = |steepest| part.rate.charge(steepest);
                part.view.hunt(headroom, weigh, root, &mut best)?;
            }
        }
        Ok(best)
    }

    fn line(&self, factor: Decimal, direction: Direction) -> Result<CommonLine, ArithmeticError> {
        self.summed(|part| part.line(factor, direction))
    }

    fn summed(
        &self,
        line: impl Fn(&Part<'_, M>) -> Result<CommonLine, ArithmeticError>,
    ) -> Result<CommonLine, ArithmeticError> {
        let mut sum = CommonLine::default();
        for part in &self.parts {
            let part = line(part)?;
            sum.slope = added(sum.slope, part.slope)?;
            sum.constant = exact_add(sum.constant, part.constant)?;
        }
        Ok(sum)
    }

    /// Nothing is left at prices of zero exactly when a fall kills.
    fn common_fall(&self) -> Result<Option<Decimal>, ArithmeticError> {
        let at_zero = self.valued(|part| part.equity_after(Rate::new(Decimal::NEGATIVE_ONE)))?;
        if !at_zero.is_negative() {
            return Ok(None);
        }
        let here = self.line(Decimal::ONE, Direction::Down)?;
        let start = if here.slope > Decimal::ZERO {
            here.root()?.max(Decimal::ZERO)
        } else {
            Decimal::ZERO
        };
        let line_at = |factor| self.line(factor, Direction::Down);
        common_newton(start, Direction::Down, line_at)
    }

    fn common_rise(&self) -> Result<Option<Decimal>, ArithmeticError> {
        let far = self.summed(|part| part.line_far())?;
        if far.slope >= Decimal::ZERO {
            return Ok(None);
        }
        let here = self.line(Decimal::ONE, Direction::Up)?;
        let start = if here.slope < Decimal::ZERO {
            here.root()?
        } else {
            far.root()?
        };
        common_newton(start, Direction::Up, |factor| {
            self.line(factor, Direction::Up)
        })
    }

    /// As in one asset's pool (see `view`), except that a loss does not grow evenly with its move.
    fn wallet_at_risk(
        &self,
        horizon: Rate,
        survival: &Survival,
        margin_balance: Amount,
    ) -> Result<WalletAtRisk, ArithmeticError> {
        let everything = margin_balance.max(Amount::ZERO);
        let (mut amount, cause) = self.worst_loss(horizon, margin_balance)?;
        let dead = survival
            .distance()
            .is_some_and(|distance| distance <= horizon);
        let cause = match survival.killing_move() {
            Some(killing) if dead => killing,
            None if dead => AdverseMove {
                symbol: None,
                by: Rate::ZERO,
                ..cause
            },
            _ => cause,
        };
        if dead || amount >= everything {
            amount = everything;
        }
        let fraction = if amount == everything {
            Rate::new(Decimal::ONE)
        } else {
            amount.over(margin_balance)?
        };
        Ok(WalletAtRisk {
            amount,
            fraction,
            cause,
        })
    }

    fn worst_loss(
        &self,
        horizon: Rate,
        margin_balance: Amount,
    ) -> Result<(Amount, AdverseMove), ArithmeticError> {
        let together = |direction, by: Rate| {
            let after = self.valued(|part| part.equity_after(by))?;
            let cause = AdverseMove {
                symbol: None,
                direction,
                by: horizon,
            };
            Ok::<_, ArithmeticError>((margin_balance.minus(after)?, cause))
        };
        let mut worst = together(Direction::Down, horizon.negated())?;
        let rise = together(Direction::Up, horizon)?;
        if rise.0 > worst.0 {
            worst = rise;
        }
        for part in &self.parts {
            // Within one asset the largest net notional loses most.
            let Some((id, net)) = part.view.largest() else {
                continue;
            };
            let equity = part.equity()?;
            let after = equity.minus(net.abs().times(horizon)?)?;
            let loss = part.rate.value(equity)?.minus(part.rate.value(after)?)?;
            if loss > worst.0 {
                let cause = AdverseMove {
                    symbol: part.view.members.symbol(id).cloned(),
                    direction: Direction::against(net),
                    by: horizon,
                };
                worst = (loss, cause);
            }
        }
        Ok(worst)
    }
}

/// What an asset's part of headroom grows by: profit and requirement at their rates. A common move can
/// be a hundred million times the marks where what grows nearly cancels, so every digit is kept that
/// 28 hold.
fn growth(
    (net, rate): (Decimal, Decimal),
    (demanded, ask): (Decimal, Decimal),
) -> Result<Decimal, ArithmeticError> {
    added(weighted(net, rate)?, weighted(demanded, ask)?)
}

/// A sum with every digit, or with as many as money has.
fn added(one: Decimal, other: Decimal) -> Result<Decimal, ArithmeticError> {
    exact_add(one, other).or_else(|_| {
        exact_add(
            round(one, QUOTIENT_DECIMALS),
            round(other, QUOTIENT_DECIMALS),
        )
    })
}

/// A symbol's legs on the joint headroom, once with its asset as it counts now and once as it would
/// count with the other sign.
struct Branches<'a> {
    counted: Exposure<'a>,
    other: Option<Exposure<'a>>,
}

impl Branches<'_> {
    /// The nearer root in one direction.
    fn root(&self, direction: Direction) -> Result<Option<Price>, ArithmeticError> {
        let counted = self.counted.root(direction)?;
        let Some(other) = &self.other else {
            return Ok(counted);
        };
        Ok(match (counted, other.root(direction)?) {
            (Some(one), Some(other)) => Some(match direction {
                Direction::Down => one.max(other),
                Direction::Up => one.min(other),
            }),
            (one, other) => one.or(other),
        })
    }
}

/// The two branches of a symbol that this part holds crossed.
fn branches<'a, M: Members>(
    part: &'a Part<'_, M>,
    id: SymbolId,
    headroom: Amount,
) -> Result<Option<Branches<'a>>, ArithmeticError> {
    let Some((state, mark, brackets)) = part.view.crossed(id) else {
        return Ok(None);
    };
    if state.margin_asset.as_ref() != Some(part.view.asset) {
        return Ok(None);
    }
    let equity = part.equity()?;
    let rest = headroom.minus(part.rate.value(equity)?)?;
    let exposure = |rate: Rate| {
        let worth = converted(equity.get(), rate.get())?;
        let weights = Weights {
            equity: rate,
            maintenance: part.rate.ask(),
        };
        let headroom = rest.plus(Amount::new(worth))?;
        Exposure::weighted(&state.legs, brackets, mark, headroom, weights)
    };
    let (bid, ask) = (part.rate.bid(), part.rate.ask());
    let counted = part.rate.of(equity);
    let other = if counted == bid { ask } else { bid };
    Ok(Some(Branches {
        counted: exposure(counted)?,
        other: (bid != ask).then(|| exposure(other)).transpose()?,
    }))
}
