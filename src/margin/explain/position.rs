//! The figures of one symbol's positions and orders.
//!
//! Owns: their formulas.
//! Must not know: the other symbols of the pool.

use rust_decimal::Decimal;

use super::super::account::{
    AssetMode, Leg, MarginMode, PositionMode, PositionSide, Symbol, SymbolState,
};
use super::super::amount::{Amount, ArithmeticError, Notional, Price, Rate, exact_add, exact_sub};
use super::super::attribution::{Attribution, LossWithoutLiquidation};
use super::super::book::{Book, Unknown, WhatIf};
use super::super::bracket::{Bracket, BracketTable};
use super::super::collateral::converted;
use super::super::contribution::{Contribution, Missing, signed_notional};
use super::super::known::{KnownPosition, known_positions};
use super::super::liquidation::{Direction, LiquidationPrices};
use super::super::position::{PositionAssessment, adverse_price, assess_positions};
use super::{Builder, Explained};

/// Every figure of the symbol.
pub(super) fn explain(
    book: &Book,
    symbol: &Symbol,
    state: &SymbolState,
    horizon: Rate,
) -> Result<Vec<Explained>, Unknown> {
    let missing = |missing| Unknown::Symbol(symbol.clone(), missing);
    let settings = state.settings.ok_or_else(|| missing(Missing::Settings))?;
    let leverage = Decimal::from(settings.leverage.get());
    let what_if = book.what_if(symbol)?;
    let mut figures = Vec::new();
    let positions = assess_positions(&what_if, symbol, horizon)?;
    for (position, known) in positions.iter().zip(known_positions(state)) {
        let name = name_of(symbol, position.position_side);
        let brackets = state
            .brackets
            .as_deref()
            .ok_or_else(|| missing(state.no_brackets()))?;
        figures.extend(plain(&name, &known, state));
        if position.margin_mode == MarginMode::Crossed {
            let price = match position.liquidation {
                LiquidationPrices::AlreadyLiquidatable => position.mark.price(),
                LiquidationPrices::Alive { .. } => {
                    adverse_price(&position.leg, position.mark, &position.liquidation, horizon)?
                }
            };
            figures.push(spill(&name, position, price));
        } else {
            // What it was assigned is all it can take.
            figures.push(Builder::of(&name).is("spill", position.spill.get(), "0"));
        }
        for direction in [Direction::Down, Direction::Up] {
            if let Some(price) = position.liquidation.on(direction) {
                let at = At {
                    book,
                    symbol,
                    state,
                    brackets,
                    price,
                    direction,
                };
                figures.push(match position.margin_mode {
                    MarginMode::Crossed => at.crossed(&name)?,
                    MarginMode::Isolated => at.isolated(&name, position)?,
                });
            }
        }
        figures.extend(headline(&name, position));
        figures.extend(alone(&name, position));
        if let Some(parts) = &position.attribution {
            figures.extend(attributed(
                &what_if, state, &name, position, parts, horizon,
            )?);
        }
    }
    if !state.resting.is_empty() {
        figures.push(resting(book, symbol, state, leverage)?);
    }
    Ok(figures)
}

/// A position's name on the sheet.
pub(super) fn name_of(symbol: &Symbol, side: PositionSide) -> String {
    match side {
        PositionSide::Both => symbol.to_string(),
        PositionSide::Long => format!("{symbol} LONG"),
        PositionSide::Short => format!("{symbol} SHORT"),
    }
}

/// The figures of a symbol's legs that are known, where others are not.
pub(super) fn known(symbol: &Symbol, state: &SymbolState) -> Vec<Explained> {
    let legs = known_positions(state);
    legs.flat_map(|leg| plain(&name_of(symbol, leg.position_side), &leg, state))
        .collect()
}

/// What of a leg depends on nothing else in the account, as far as it is known.
fn plain(name: &str, known: &KnownPosition, state: &SymbolState) -> Vec<Explained> {
    let (Some(mark), Some(notional)) = (known.mark, known.notional) else {
        return Vec::new();
    };
    let leg = &known.leg;
    let quantity = leg.quantity.get();
    let net = notional.get();
    let mut figures = vec![
        Builder::of(name)
            .with("markPrice", mark.price().get())
            .with("positionAmt", quantity)
            .is("notional", net, "markPrice * positionAmt"),
    ];
    if let Some(profit) = known.unrealized_pnl {
        let built = Builder::of(name)
            .with("notional", net)
            .with("entryPrice", leg.entry_price.get())
            .with("positionAmt", quantity);
        let formula = "notional - entryPrice * positionAmt";
        figures.push(built.is("unrealizedProfit", profit.get(), formula));
    }
    if let Some((margin, brackets)) = known.maintenance_margin.zip(state.brackets.as_deref()) {
        let tier = brackets.at(notional);
        let built = Builder::of(name)
            .with("notional", net)
            .with("maintMarginRatio", tier.maintenance_margin_rate.get())
            .with("cum", tier.maintenance_amount.get());
        let formula = "abs(notional) * maintMarginRatio - cum";
        figures.push(built.is("maintMargin", margin.get(), formula));
    }
    if let Some((margin, settings)) = known.initial_margin.zip(state.settings) {
        let built = Builder::of(name)
            .with("notional", net)
            .with("leverage", Decimal::from(settings.leverage.get()));
        figures.push(built.is("initialMargin", margin.get(), "abs(notional) / leverage"));
        let built = Builder::of(name).with("initialMargin", margin.get());
        figures.push(built.is("ticket", margin.get(), "initialMargin"));
    }
    figures
}

/// Binance's one price: where there is none, `0` says that this symbol alone cannot liquidate.
fn headline(name: &str, position: &PositionAssessment) -> Option<Explained> {
    let LiquidationPrices::Alive { below, above, .. } = &position.liquidation else {
        return None;
    };
    let built = Builder::of(name);
    let Some(price) = position.liquidation.headline() else {
        return Some(built.is("liquidationPrice", Decimal::ZERO, "0"));
    };
    let side = if *below == Some(price) || above.is_none() {
        "liquidationBelow"
    } else {
        "liquidationAbove"
    };
    let built = built.with(side, price.get());
    Some(built.is("liquidationPrice", price.get(), side))
}

/// What a long loses on the way to nothing while no price of its symbol liquidates.
fn alone(name: &str, position: &PositionAssessment) -> Option<Explained> {
    let LossWithoutLiquidation::Bounded(loss) = position.loss_without_liquidation else {
        return None;
    };
    let built = Builder::of(name)
        .with("entryPrice", position.leg.entry_price.get())
        .with("positionAmt", position.leg.quantity.get());
    let formula = "entryPrice * positionAmt";
    Some(built.is("lossWithoutLiquidation", loss.get(), formula))
}

/// Its part in its pool.
fn attributed(
    what_if: &WhatIf<'_>,
    state: &SymbolState,
    name: &str,
    position: &PositionAssessment,
    parts: &Attribution,
    horizon: Rate,
) -> Result<Vec<Explained>, Unknown> {
    let maintenance = position.maintenance_margin.get();
    let notional = position.notional.get();
    let mut figures = Vec::new();
    if let Some(share) = parts.maintenance_share {
        let whole = what_if.maintenance_margin()?.get();
        let mut built = Builder::of(name)
            .with("maintMargin", maintenance)
            .with("pool.maintMargin", whole);
        let mut formula = "maintMargin / pool.maintMargin";
        let rate = state.margin_asset.as_ref().and_then(|asset| {
            let joint = what_if.asset_mode() == AssetMode::Multi;
            let known = what_if.book().collateral(asset.as_str()).rate;
            known.filter(|_| joint)
        });
        if let Some(rate) = rate {
            built = built.with("askRate", rate.ask().get());
            formula = "maintMargin * askRate / pool.maintMargin";
        }
        figures.push(built.is("attribution.maintMarginShare", share.get(), formula));
    }
    let built = Builder::of(name)
        .with("unrealizedProfit", position.unrealized_pnl.get())
        .with("maintMargin", maintenance);
    let formula = "unrealizedProfit - maintMargin";
    figures.push(built.is("attribution.headroom", parts.headroom.get(), formula));
    for (figure, loss, sign) in [
        ("attribution.lossDown", parts.loss_down, ""),
        ("attribution.lossUp", parts.loss_up, "-"),
    ] {
        let built = Builder::of(name)
            .with("notional", notional)
            .with("horizon", horizon.get());
        figures.push(built.is(figure, loss.get(), format!("{sign}notional * horizon")));
    }
    Ok(figures)
}

/// The loss at the nearer of liquidation price and horizon, beyond the ticket.
fn spill(name: &str, position: &PositionAssessment, price: Price) -> Explained {
    let leg = &position.leg;
    Builder::of(name)
        .with("positionAmt", leg.quantity.get())
        .with("entryPrice", leg.entry_price.get())
        .with("adversePrice", price.get())
        .with("ticket", position.ticket.get())
        .is(
            "spill",
            position.spill.get(),
            "max(0, positionAmt * (entryPrice - adversePrice) - ticket)",
        )
}

/// What working orders add, by the exchange's netting rule.
fn resting(
    book: &Book,
    symbol: &Symbol,
    state: &SymbolState,
    leverage: Decimal,
) -> Result<Explained, Unknown> {
    let missing = |missing| Unknown::Symbol(symbol.clone(), missing);
    let figures = Contribution::of(state, book.position_mode()).map_err(missing)?;
    let margin = figures
        .open_order_initial_margin
        .plus(figures.isolated_open_order_initial_margin)?;
    let name = symbol.to_string();
    let built = Builder::of(&name)
        .with("buys", state.resting.buy_notional.get())
        .with("sells", state.resting.sell_notional.get())
        .with("leverage", leverage);
    Ok(match book.position_mode() {
        PositionMode::Hedge => built.is(
            "openOrderInitialMargin",
            margin.get(),
            "(buys + sells) / leverage",
        ),
        PositionMode::OneWay => {
            let notional = signed_notional(state, PositionSide::Both).map_err(missing)?;
            built.with("notional", notional.get()).is(
                "openOrderInitialMargin",
                margin.get(),
                "(max(abs(notional + buys), abs(notional - sells)) - abs(notional)) / leverage",
            )
        }
    })
}

/// A liquidation price of a symbol.
struct At<'a> {
    book: &'a Book,
    symbol: &'a Symbol,
    state: &'a SymbolState,
    brackets: &'a BracketTable,
    price: Price,
    direction: Direction,
}

impl At<'_> {
    const fn figure(&self) -> &'static str {
        match self.direction {
            Direction::Down => "liquidationBelow",
            Direction::Up => "liquidationAbove",
        }
    }

    /// The tier of a leg at the liquidation price.
    fn tier(&self, leg: &Leg) -> Result<&Bracket, ArithmeticError> {
        let size = leg.quantity.abs().get();
        let there = size.checked_mul(self.price.get());
        let there = there.ok_or(ArithmeticError::Overflow)?;
        Ok(self.brackets.at(Notional::new(there)))
    }

    /// Headroom is zero where `price * slope` meets what is constant.
    ///
    /// Source: margin-math §7.1 (the form that needs no entry price).
    fn isolated(
        &self,
        name: &str,
        position: &PositionAssessment,
    ) -> Result<Explained, ArithmeticError> {
        let leg = &position.leg;
        let tier = self.tier(leg)?;
        let built = Builder::of(name)
            .with("notional", position.notional.get())
            .with("isolatedWallet", leg.isolated_wallet.get())
            .with("unrealizedProfit", position.unrealized_pnl.get())
            .with("cumThere", tier.maintenance_amount.get())
            .with("positionAmt", leg.quantity.get())
            .with("ratioThere", tier.maintenance_margin_rate.get());
        // Headroom contains the maintenance margin that is taken out again: it cancels.
        let formula = "(notional - isolatedWallet - unrealizedProfit - cumThere) \
                       / (positionAmt - abs(positionAmt) * ratioThere)";
        Ok(built.is(self.figure(), self.price.get(), formula))
    }

    /// The same on the headroom of the pool: other positions' maintenance counts.
    fn crossed(&self, name: &str) -> Result<Explained, Unknown> {
        let (equity_rate, ask, headroom) = self.weights()?;
        let mut built = Builder::of(name).with("headroom", headroom);
        let (mut constant, mut slope) = (String::new(), String::new());
        for (side, leg) in self.state.legs.held() {
            let mark = self.state.mark;
            let mark = mark.ok_or_else(|| Unknown::Symbol(self.symbol.clone(), Missing::Mark))?;
            let net = mark.price().times(leg.quantity)?;
            let tier = self.tier(leg)?;
            let suffix = match side {
                PositionSide::Both => "",
                PositionSide::Long => "Long",
                PositionSide::Short => "Short",
            };
            let named = |what: &str| format!("{what}{suffix}");
            built = built
                .with(named("notional"), net.get())
                .with(
                    named("maintMargin"),
                    self.brackets.maintenance_margin(net)?.get(),
                )
                .with(named("cumThere"), tier.maintenance_amount.get())
                .with(named("positionAmt"), leg.quantity.get())
                .with(named("ratioThere"), tier.maintenance_margin_rate.get());
            constant.push_str(&format!(
                " + equityRate * notional{suffix} - askRate * (maintMargin{suffix} + cumThere{suffix})"
            ));
            slope.push_str(&format!(
                " + equityRate * positionAmt{suffix} - askRate * abs(positionAmt{suffix}) * \
                 ratioThere{suffix}"
            ));
        }
        let mut formula = format!(
            "({} - headroom) / ({})",
            constant.trim_start_matches(" + "),
            slope.trim_start_matches(" + ")
        );
        match (equity_rate, ask) {
            (Some(equity_rate), Some(ask)) => {
                built = built.with("equityRate", equity_rate).with("askRate", ask);
            }
            _ => {
                formula = formula
                    .replace("equityRate * ", "")
                    .replace("askRate * ", "");
            }
        }
        Ok(built.is(self.figure(), self.price.get(), formula))
    }

    /// What the symbol's asset counts for at the liquidation price, and headroom counted that way;
    /// no rates where the asset is a pool of its own.
    fn weights(&self) -> Result<(Option<Decimal>, Option<Decimal>, Decimal), Unknown> {
        let missing = || Unknown::Symbol(self.symbol.clone(), Missing::MarginAsset);
        let asset = self.state.margin_asset.as_ref().ok_or_else(missing)?;
        let pool = self.book.assess(asset, Rate::ZERO)?;
        let own = pool.collateral.iter().find(|row| row.asset == *asset);
        let Some(own) = own else {
            return Ok((None, None, pool.headroom.get()));
        };
        let mark = self.state.mark;
        let mark = mark.ok_or_else(|| Unknown::Symbol(self.symbol.clone(), Missing::Mark))?;
        let mut there = own.equity.get();
        let moved = self.price.get().checked_sub(mark.price().get());
        let moved = moved.ok_or(ArithmeticError::Overflow)?;
        for (_, leg) in self.state.legs.held() {
            there = exact_add(there, converted(moved, leg.quantity.get())?)?;
        }
        let rate = if Amount::new(there).is_negative() {
            own.ask
        } else {
            own.bid
        };
        let worth = converted(own.equity.get(), rate.get())?;
        let rest = exact_sub(pool.headroom.get(), own.equity_usd.get())?;
        let headroom = exact_add(rest, worth)?;
        Ok((Some(rate.get()), Some(own.ask.get()), headroom))
    }
}
